//! What no table can know alone: names that resolve, families that go together, sums that fit.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    ROCE,
    groups::OneGroup,
    listeners::{OneListener, ranges},
    sources::{OneEncapsulation, OneNat},
};
use crate::config::{
    checked::{Forwarding, GroupName, Limits, Protocol},
    faults::{Checked, Faults, Placed, Span, listed},
};

/// The parts, as far as they stand: what was refused before is not measured by it.
pub(super) struct Parts<'a> {
    pub(super) nat: &'a Checked<Option<OneNat>>,
    pub(super) encapsulation: &'a Checked<OneEncapsulation>,
    pub(super) limits: &'a Checked<Limits>,
    pub(super) listeners: &'a [OneListener],
    pub(super) groups: &'a [OneGroup],
}

impl Parts<'_> {
    pub(super) fn check(&self, faults: &mut Faults) {
        let groups: BTreeMap<_, _> =
            self.groups.iter().filter_map(|group| Some((group.name()?, group))).collect();
        for listener in self.listeners {
            match listener.target_group.as_ref().map(|name| groups.get(&name.value)) {
                Ok(Some(group)) => pair(listener, group, faults),
                Ok(None) => undefined_group(listener, &groups, faults),
                Err(_) => {}
            }
            self.own_address(listener, faults);
        }
        let addresses = self.listeners.iter().filter_map(|listener| listener.address.as_ref().ok());
        let addresses: BTreeMap<IpAddr, &Span> =
            addresses.map(|address| (address.value, &address.at)).collect();
        for group in self.groups {
            self.sources(group, faults);
            no_target_is_a_listener(group, &addresses, faults);
        }
        self.sums(faults);
    }

    /// NAT's replies come to its source, where they must not look like new connections.
    fn own_address(&self, listener: &OneListener, faults: &mut Faults) {
        let (Ok(Some(nat)), Ok(address)) = (self.nat, &listener.address) else { return };
        let sources = [given(&nat.ipv4_source), given(&nat.ipv6_source)];
        if sources.contains(&Some(address.value)) {
            let message = format!(
                "`listener.address` is {}, which is a source of `[nat]`; allowed: any other address",
                address.value
            );
            faults.report(address.at.clone(), message);
        }
    }

    /// A packet to a target of a family leaves with a source of that family.
    fn sources(&self, group: &OneGroup, faults: &mut Faults) {
        let (Ok(forwarding), Some(name)) = (&group.forwarding, group.name()) else { return };
        let (table, without_v4, without_v6) = match (forwarding.value, self.nat, self.encapsulation) {
            (Forwarding::Nat, Ok(Some(nat)), _) => {
                ("nat", matches!(nat.ipv4_source, Ok(None)), matches!(nat.ipv6_source, Ok(None)))
            }
            (Forwarding::Nat, Ok(None), _) => {
                let message = format!(
                    "target group `{name}` forwards by `nat`, and there is no `[nat]` table; \
                        allowed: with `nat.ipv4_source`, `nat.ipv6_source` or both"
                );
                return faults.report(forwarding.at.clone(), message);
            }
            (Forwarding::Ipip | Forwarding::Gue, _, Ok(outer)) => {
                let without_v4 = matches!(outer.ipv4_source, Ok(None));
                ("encapsulation", without_v4, matches!(outer.ipv6_source, Ok(None)))
            }
            (Forwarding::L2, _, _)
            | (Forwarding::Nat, Err(_), _)
            | (Forwarding::Ipip | Forwarding::Gue, _, Err(_)) => return,
        };
        for (family, key, without) in
            [("IPv4", "ipv4_source", without_v4), ("IPv6", "ipv6_source", without_v6)]
        {
            let first = group.addresses().find(|address| family_of(address.value) == family);
            if let (Some(target), true) = (first, without) {
                let message = format!(
                    "target group `{name}` forwards to {family} by `{}`, and `{table}.{key}` is not set; \
                        allowed: with `{table}.{key}`",
                    forwarding.value
                );
                faults.report_beside(
                    forwarding.at.clone(),
                    (&target.at, "its first target of this family"),
                    message,
                );
            }
        }
    }

    fn sums(&self, faults: &mut Faults) {
        let Ok(limits) = self.limits else { return };
        let listeners = self.listeners.iter().map(|listener| (1, &listener.at));
        fits("listeners", limits.listeners, "`limits.listeners`", listeners, faults);
        fits(
            "pairs of address and protocol with port ranges",
            limits.range_lists,
            "`limits.range_lists`",
            ranges::lists(self.listeners),
            faults,
        );
        let targets = self.groups.iter().flat_map(OneGroup::targets).map(|target| (1, &target.at));
        fits("targets", limits.targets / 2, "half of `limits.targets`", targets, faults);
        let rings =
            self.groups.iter().filter_map(|group| Some((group.ring_slots.as_ref().ok()?.value, &group.at)));
        fits("ring slots", limits.slots, "`limits.slots`", rings, faults);
    }
}

fn undefined_group(listener: &OneListener, groups: &BTreeMap<&GroupName, &OneGroup>, faults: &mut Faults) {
    let Ok(group) = &listener.target_group else { return };
    let who = match &listener.name {
        Ok(name) => format!("listener `{}`", name.value),
        Err(_) => "the listener".to_owned(),
    };
    let help = match groups.is_empty() {
        true => "no target group is defined".to_owned(),
        false => format!("defined: {}", nearest_first(group.value.as_str(), groups)),
    };
    let message = format!("{who} forwards to target group `{}`, which is not defined; {help}", group.value);
    faults.report(group.at.clone(), message);
}

/// What exists, as far as a line holds it.
fn nearest_first(name: &str, groups: &BTreeMap<&GroupName, &OneGroup>) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<_> = groups.keys().map(|name| name.as_str()).collect();
    names.sort_by_key(|known| strsim::osa_distance(name, known));
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    listed(names.into_iter().take(SHOWN)) + &more
}

/// What a listener and its group must agree on.
fn pair(listener: &OneListener, group: &OneGroup, faults: &mut Faults) {
    let (Ok(forwarding), Ok(address), Ok(name)) =
        (&group.forwarding, &listener.address, &listener.target_group)
    else {
        return;
    };
    // Every other way brings either family to targets of either, and keeps the port.
    if forwarding.value != Forwarding::Nat {
        return;
    }
    let family = family_of(address.value);
    if let Some(other) = group.addresses().find(|target| family_of(target.value) != family) {
        let message = format!(
            "{} is {family}, and target {} of the `nat` group `{}` is not; \
                allowed: one family, or another `forwarding`",
            address.value, other.value, name.value
        );
        faults.report_beside(address.at.clone(), (&other.at, "the target"), message);
    }
    let udp = listener.protocol.as_ref().is_ok_and(|protocol| protocol.value == Protocol::Udp);
    let mut ports = group.targets().iter().filter_map(|target| target.port.as_ref().ok());
    if let (true, Some(port)) = (udp, ports.find(|port| port.value == ROCE)) {
        let message = format!(
            "UDP is forwarded to port 4791 of a target in `nat` group `{}`, \
                which is RoCEv2 and must not pass a balancer; allowed: any other port",
            name.value
        );
        faults.report(port.at.clone(), message);
    }
}

/// A packet to such a target would come back to the node for ever.
fn no_target_is_a_listener(group: &OneGroup, listeners: &BTreeMap<IpAddr, &Span>, faults: &mut Faults) {
    for target in group.addresses() {
        if let Some(listener) = listeners.get(&target.value) {
            let line = faults.line_of(listener);
            let message = format!(
                "target {} is the address of the listener in line {line}; \
                    allowed: an address of the target's own",
                target.value
            );
            faults.report_beside(target.at.clone(), (listener, "the listener"), message);
        }
    }
}

/// Refuses the first item that makes the sum too large.
fn fits<'a>(
    what: &str,
    most: u32,
    limit: &str,
    items: impl Iterator<Item = (u32, &'a Span)> + Clone,
    faults: &mut Faults,
) {
    let total: u64 = items.clone().map(|(size, _)| u64::from(size)).sum();
    let mut sum = 0;
    let over = items.into_iter().find(|(size, _)| {
        sum += u64::from(*size);
        sum > u64::from(most)
    });
    if let Some((_, at)) = over {
        let message = format!("the file has {total} {what}; allowed: {most}, which is {limit}");
        faults.report(at.clone(), message);
    }
}

fn given<T: Copy + Into<IpAddr>>(source: &Checked<Option<T>>) -> Option<IpAddr> {
    source.as_ref().ok().copied().flatten().map(Into::into)
}

const fn family_of(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

impl OneGroup {
    fn name(&self) -> Option<&GroupName> {
        self.name.as_ref().ok().map(|name| &name.value)
    }

    fn addresses(&self) -> impl Iterator<Item = &Placed<IpAddr>> {
        self.targets().iter().filter_map(|target| target.address.as_ref().ok())
    }
}
