//! A state, maps and a shadow of them; random ways to change the state; what holds after every step.

use std::{
    collections::BTreeMap,
    mem,
    net::IpAddr,
    ops::Range,
    time::{Duration, Instant},
};

use lb_common::slot::Slot;
use proptest::{prelude::*, sample::Index};
use zerocopy::IntoBytes as _;

use crate::{
    config::checked::{self, Config, Forwarding, Ports},
    core::{
        desired::{Want, desired},
        have::Have,
        plan::{ListenerKey, Step, plan},
        sample::{address, config, name, start},
        shadow::Shadow,
        slots::Live,
        state::State,
    },
    dataplane::{Dataplane as _, fake::Fake},
    event::{Event, Outcome, Swept, TargetKey},
};

/// So few that groups have to take over each other's slots.
pub(super) const SLOTS: u32 = 30;
/// So many that they never have to.
pub(super) const MANY: u32 = 300;
pub(super) const GROUPS: [&str; 4] = ["a", "b", "c", "d"];
pub(super) const VIPS: [&str; 4] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];

/// A target's address tells its group.
pub(super) fn target(group: usize, number: usize) -> String {
    format!("10.2.{group}.{number}")
}

/// Which group each address forwards to, as a target's address tells it.
pub(super) fn owners(config: &Config) -> BTreeMap<IpAddr, u8> {
    let number = |group: &str| u8::try_from(GROUPS.iter().position(|name| *name == group).unwrap()).unwrap();
    let owner = |listener: &checked::Listener| (listener.address, number(listener.target_group.as_str()));
    config.listeners.values().map(owner).collect()
}

pub(super) fn realized(want: &Want, slots: u32) -> Have {
    let (listeners, addresses) = (want.listeners.clone(), want.addresses.clone());
    let targets = want.targets.clone();
    let mut have = Have { listeners, addresses, targets, ..Have::nothing(slots) };
    for (first, ring) in &want.rings {
        have.slots[range_of(*first, ring.len())].copy_from_slice(ring);
    }
    have
}

pub(super) fn range_of(first: u32, slots: usize) -> Range<usize> {
    first as usize..first as usize + slots
}

/// The slots that the listener reads.
pub(super) fn slots<'a>(have: &'a Have, key: &ListenerKey) -> &'a [Slot] {
    let listener = have.listeners.get(key);
    listener.map_or(&[], |listener| &have.slots[range_of(listener.ring, listener.slots as usize)])
}

/// It stands, and all of its slots name targets with lines.
pub(super) fn is_live(have: &Have, key: &ListenerKey) -> bool {
    let named = |slot: &Slot| slot.current().is_some_and(|id| have.targets.contains_key(&id));
    have.listeners.contains_key(key) && slots(have, key).iter().all(named)
}

/// What holds after any prefix of the plan from `before` to `after`.
pub(super) fn check(before: &Have, now: &Have, after: &Have) {
    for key in before.listeners.keys().filter(|key| is_live(before, key) && is_live(after, key)) {
        assert!(is_live(now, key), "{key:?} was live and will be, but is not");
    }
    for (place, slot) in now.slots.iter().enumerate() {
        for id in slot.current().into_iter().chain(slot.former()) {
            assert!(now.targets.contains_key(&id), "slot {place} names {id:?}, who has no line");
        }
    }
}

/// What holds besides, unless groups swap their slots: a listener leads to its old group or its new one.
pub(super) fn check_owners(before: &BTreeMap<IpAddr, u8>, now: &Have, after: &BTreeMap<IpAddr, u8>) {
    for key in now.listeners.keys().filter(|key| key.ports != Ports::Every) {
        let groups = slots(now, key).iter().filter_map(|slot| slot.current());
        let mut groups = groups.map(|id| now.targets[&id].destination.as_bytes()[2]);
        let stranger = groups
            .find(|group| before.get(&key.address) != Some(group) && after.get(&key.address) != Some(group));
        assert_eq!(stranger, None, "{key:?} steers to a target of this other group");
    }
}

pub(super) struct Lab {
    pub(super) state: State,
    now: Instant,
    pub(super) fake: Fake,
    pub(super) shadow: Shadow,
    /// Of the configuration before.
    owners: BTreeMap<IpAddr, u8>,
    /// Groups may have to swap their slots.
    crowded: bool,
}

impl Lab {
    pub(super) fn with(mut config: Config, slots: u32) -> Self {
        (config.limits.slots, config.limits.targets) = (slots, 14);
        let shadow = Shadow::new(Have::nothing(slots));
        let state = State::new(config, start());
        let (fake, owners, crowded) = (Fake::new(slots), BTreeMap::new(), slots == SLOTS);
        Self { state, now: start(), fake, shadow, owners, crowded }
    }

    pub(super) fn on(&mut self, event: Event) {
        self.state.on(event, self.now);
    }

    pub(super) fn plan(&mut self) -> Vec<Step> {
        self.shadow.plan(&desired(&mut self.state, self.now))
    }

    /// Carries out so many steps of the plan and checks every prefix.
    pub(super) fn walk(&mut self, at_most: usize) {
        let owned = mem::replace(&mut self.owners, owners(self.state.config()));
        let want = desired(&mut self.state, self.now);
        let before = self.fake.held().clone();
        let after = realized(&want, u32::try_from(before.slots.len()).unwrap());
        let steps = self.shadow.plan(&want);
        assert_eq!(steps, plan(&before, &want), "what the shadow knows shortens no plan");
        for step in steps.iter().take(at_most) {
            self.fake.apply(step).unwrap();
            self.shadow.record(step);
            check(&before, self.fake.held(), &after);
            if !self.crowded {
                check_owners(&owned, self.fake.held(), &self.owners);
            }
        }
        if steps.len() <= at_most {
            self.shadow.settle(&want);
            assert_eq!(*self.fake.held(), after, "a plan leads from have to want");
            assert_eq!(self.shadow.plan(&want), [], "a plan of no difference is empty");
        }
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Configure(config) => self.on(Event::Configured(config)),
            Act::Probe { group, target: number, passed } => {
                let outcome = if passed { Outcome::Passed } else { Outcome::TimedOut };
                let target =
                    TargetKey { group: name(GROUPS[group]), address: address(&target(group, number)) };
                self.on(Event::Probed { target, outcome, took: Duration::ZERO });
            }
            Act::Wait(seconds) => self.now += Duration::from_secs(seconds),
            Act::Sweep => self.on(Event::Swept(Swept { began: self.now, live: Live::default() })),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    Configure(Box<Config>),
    Probe {
        group: usize,
        target: usize,
        passed: bool,
    },
    /// In seconds.
    Wait(u64),
    /// Which finds no live flow.
    Sweep,
}

pub(super) fn configs() -> impl Strategy<Value = Config> {
    let forwarding = prop::sample::select(Forwarding::WORDS.map(|(_, forwarding)| forwarding).to_vec());
    let targets = prop::collection::btree_map(1_usize..7, 0_u16..4, 0..6);
    let size = prop::sample::select(vec![3_u32, 7, 11, 13]);
    let group = prop::option::weighted(0.7, (forwarding, size, targets));
    let listener = prop::option::weighted(0.8, any::<Index>());
    (prop::array::uniform4(group), prop::array::uniform4(listener)).prop_map(|(groups, listeners)| {
        let mut config = config();
        for (number, group) in groups.into_iter().enumerate() {
            let Some((forwarding, size, targets)) = group else { continue };
            let targets = targets.into_iter().map(|(n, weight)| (target(number, n), weight));
            let targets: Vec<(String, u16)> = targets.collect();
            let targets: Vec<(&str, u16)> = targets.iter().map(|(text, w)| (text.as_str(), *w)).collect();
            config = config.group(GROUPS[number], forwarding, size, &targets);
        }
        let names: Vec<String> = config.target_groups.keys().map(ToString::to_string).collect();
        for (vip, index) in VIPS.iter().zip(listeners).filter(|_| !names.is_empty()) {
            config = index.into_iter().fold(config, |config, index| {
                config.listener(&format!("at-{vip}"), vip, &names[index.index(names.len())])
            });
        }
        // Every other one on a range.
        for listener in config.listeners.values_mut().step_by(2) {
            listener.ports = Ports::Range { first: 100, last: 199 };
        }
        config
    })
}

pub(super) fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => configs().prop_map(Box::new).prop_map(Act::Configure),
        4 => (0_usize..4, 1_usize..7, any::<bool>())
            .prop_map(|(group, target, passed)| Act::Probe { group, target, passed }),
        1 => prop::sample::select(vec![5, 20, 1000]).prop_map(Act::Wait),
        1 => Just(Act::Sweep),
    ]
}
