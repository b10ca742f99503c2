//! `[[target_group]]` and its targets: each by itself, then no two alike.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    health, unique,
    values::{ADDRESS, NAME},
};
use crate::config::{
    checked::{Forwarding, GroupName, HealthCheck, SteeringKey, Target, TargetAddress, TargetGroup, is_name},
    faults::{Checked, Faults, Placed, Span},
    raw::{RawTarget, RawTargetGroup},
    read::Field,
};

/// In the middle of its range, so that one target can be given less than the others as well as more.
const DEFAULT_WEIGHT: u16 = 100;
const DEFAULT_RING_SLOTS: u32 = 65_537;

/// A group whose fields stand, each for itself; what it has to do with others is not yet seen.
pub(super) struct OneGroup {
    pub(super) at: Span,
    pub(super) name: Checked<Placed<GroupName>>,
    pub(super) forwarding: Checked<Placed<Forwarding>>,
    pub(super) steering_key: Checked<Placed<SteeringKey>>,
    pub(super) ring_slots: Checked<Placed<u32>>,
    health_check: Checked<HealthCheck>,
    /// An error if the list as a whole is not one.
    pub(super) targets: Checked<Vec<OneTarget>>,
}

pub(super) struct OneTarget {
    pub(super) at: Span,
    pub(super) address: Checked<Placed<IpAddr>>,
    pub(super) port: Checked<Placed<u16>>,
    weight: Checked<Placed<u16>>,
    name: Checked<Option<Placed<String>>>,
}

pub(super) fn check(raw: Vec<Placed<RawTargetGroup>>, faults: &mut Faults) -> Vec<OneGroup> {
    let groups: Vec<_> = raw.into_iter().map(|raw| check_one(raw, faults)).collect();
    let names = groups.iter().filter_map(|group| group.name.as_ref().ok());
    unique(
        names.map(|name| (&name.value, &name.at)),
        |name, line| {
            format!("target group `{name}` is defined in line {line} already; allowed: each name once")
        },
        faults,
    );
    groups
}

fn check_one(raw: Placed<RawTargetGroup>, faults: &mut Faults) -> OneGroup {
    let Placed { at, value, .. } = raw;
    let RawTargetGroup { name, forwarding, steering_key, ring_slots, health_check, target } = value;
    let name = name.required(NAME, faults).and_then(|text| text.name(GroupName::parse, faults));
    let forwarding = forwarding
        .required("`ipip`, `gue`, `l2`, `nat`", faults)
        .and_then(|text| text.one_of(&Forwarding::WORDS, faults));
    let steering_key = check_steering_key(steering_key, faults);
    let by_port = steering_key.as_ref().is_ok_and(|key| key.value == SteeringKey::DestinationPort);
    let ring_slots =
        if by_port { no_ring_slots(ring_slots, faults) } else { check_ring_slots(ring_slots, faults) };
    let health_check = health_check.found.and_then(|raw| health::check(raw, faults));
    let targets = target.found.map(|raw| check_targets(raw.unwrap_or_default(), &at, faults));
    OneGroup { at, name, forwarding, steering_key, ring_slots, health_check, targets }
}

fn check_steering_key(raw: Field<Placed<String>>, faults: &mut Faults) -> Checked<Placed<SteeringKey>> {
    let (key, at) = (raw.key, raw.at.clone());
    let Some(text) = raw.found? else { return Ok(Placed { key, at, value: SteeringKey::default() }) };
    text.one_of(&SteeringKey::ALL.map(|key| (key.word(), key)), faults)
}

/// A slot for each port of the listeners': how many that are, they say.
fn no_ring_slots(raw: Field<Placed<i64>>, faults: &mut Faults) -> Checked<Placed<u32>> {
    let (key, at) = (raw.key, raw.at.clone());
    match raw.found? {
        None => Ok(Placed { key, at, value: 1 }),
        Some(slots) => {
            slots.refuse("nothing with `destination-port`, where each port of the range is a slot", faults)
        }
    }
}

fn check_ring_slots(raw: Field<Placed<i64>>, faults: &mut Faults) -> Checked<Placed<u32>> {
    const LEAST: u32 = 101;
    const MOST: u32 = 1_048_573;
    let slots = raw.within_or(LEAST..=MOST, DEFAULT_RING_SLOTS, faults)?;
    if is_prime(slots.value) {
        return Ok(slots);
    }
    // Both ends of the range are primes, so there is one on either side.
    let below = (LEAST..slots.value).rev().find(|slots| is_prime(*slots)).unwrap_or(LEAST);
    let above = (slots.value..=MOST).find(|slots| is_prime(*slots)).unwrap_or(MOST);
    slots.refuse(format_args!("a prime; the nearest are {below} and {above}"), faults)
}

fn is_prime(number: u32) -> bool {
    number >= 2
        && (2..).take_while(|factor| factor * factor <= number).all(|factor| !number.is_multiple_of(factor))
}

fn check_targets(raw: Vec<Placed<RawTarget>>, group: &Span, faults: &mut Faults) -> Vec<OneTarget> {
    let targets: Vec<_> = raw.into_iter().map(|raw| check_target(raw, faults)).collect();
    unique(
        targets.iter().filter_map(|target| Some((target.identity()?, &target.at))),
        |target, line| {
            format!(
                "target {target} is in line {line} of this group already; allowed: each address and port once"
            )
        },
        faults,
    );
    unique(
        targets.iter().filter_map(OneTarget::called),
        |name, line| {
            format!("target `{name}` is in line {line} of this group already; allowed: each name once")
        },
        faults,
    );
    let weightless = |target: &OneTarget| target.weight.as_ref().is_ok_and(|weight| weight.value == 0);
    if !targets.is_empty() && targets.iter().all(weightless) {
        let message = "every target of the group has weight 0; allowed: at least one above 0, or no targets";
        faults.report(group.clone(), message);
    }
    targets
}

fn check_target(raw: Placed<RawTarget>, faults: &mut Faults) -> OneTarget {
    let Placed { at, value: RawTarget { address, port, weight, name }, .. } = raw;
    let address = address.required(ADDRESS, faults).and_then(|text| text.address(faults));
    let port = port.required("1 to 65535", faults).and_then(|port| port.within(1..=u16::MAX, faults));
    let weight = weight.within_or(0..=999, DEFAULT_WEIGHT, faults);
    let own_name = |text: &str| is_name(text).then(|| text.to_owned());
    let name = name.found.and_then(|name| name.map(|text| text.name(own_name, faults)).transpose());
    OneTarget { at, address, port, weight, name }
}

impl OneTarget {
    pub(super) fn identity(&self) -> Option<TargetAddress> {
        let address = self.address.as_ref().ok()?.value;
        Some(TargetAddress { address, port: self.port.as_ref().ok()?.value })
    }

    /// Its name, and where it is given.
    fn called(&self) -> Option<(&str, &Span)> {
        let name = self.name.as_ref().ok()?.as_ref()?;
        Some((&name.value, &name.at))
    }

    fn finish(self) -> Checked<(TargetAddress, Target)> {
        let Self { at: _, address, port, weight, name } = self;
        let address = TargetAddress { address: address?.value, port: port?.value };
        let name = name?.map_or_else(|| address.to_string(), |name| name.value);
        Ok((address, Target { name, weight: weight?.value }))
    }
}

impl OneGroup {
    pub(super) fn targets(&self) -> &[OneTarget] {
        self.targets.as_deref().unwrap_or_default()
    }

    pub(super) fn finish(self) -> Checked<(GroupName, TargetGroup)> {
        let Self { at: _, name, forwarding, steering_key, ring_slots, health_check, targets } = self;
        let targets: BTreeMap<_, _> = targets?.into_iter().map(OneTarget::finish).collect::<Checked<_>>()?;
        let group = TargetGroup {
            forwarding: forwarding?.value,
            steering_key: steering_key?.value,
            ring_slots: ring_slots?.value,
            health_check: health_check?,
            targets,
        };
        Ok((name?.value, group))
    }
}

#[cfg(test)]
mod tests {
    use super::is_prime;

    #[test]
    fn both_ends_of_the_rings_range_are_primes() {
        assert!(is_prime(101) && is_prime(1_048_573) && is_prime(65_537));
        assert!(!is_prime(0) && !is_prime(1) && !is_prime(65_536) && !is_prime(1_046_529));
    }
}
