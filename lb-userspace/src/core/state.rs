//! All that is known, and what each event makes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::{
    change::{Change, Shortage},
    extents::Extents,
    group::{Group, Reconfigured},
    ids::Ids,
    siphash::Key,
    transition::Windows,
};
use crate::{
    config::checked::{Config, Forwarding, GroupName, Listener, ListenerName, Protocol},
    event::{Event, NextHop, NoRoute, Outcome, Swept, TargetKey},
};

#[derive(Debug)]
pub struct State {
    config: Config,
    ring_key: Key,
    groups: BTreeMap<GroupName, Group>,
    routes: BTreeMap<IpAddr, Result<NextHop, NoRoute>>,
    ids: Ids,
    extents: Extents,
    /// Some target waits for an id.
    waiting: bool,
    version: u64,
}

impl State {
    /// The sizes of the maps, `config.limits`, are those of this first configuration for good.
    pub fn new(config: Config, now: Instant) -> Self {
        let nobody = Config { listeners: BTreeMap::new(), target_groups: BTreeMap::new(), ..config.clone() };
        let mut state = Self {
            ring_key: ring_key(&config),
            groups: BTreeMap::new(),
            routes: BTreeMap::new(),
            ids: Ids::new(config.limits.targets, rest(&config)),
            extents: Extents::new(config.limits.slots),
            waiting: false,
            version: 0,
            config: nobody,
        };
        state.configured(config, now);
        state
    }

    /// Takes one event; says what it changed that an operator wants to know.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Change> {
        let mut changes = match event {
            Event::Configured(config) => self.configured(*config, now),
            Event::Probed { target, outcome, took: _ } => self.probed(target, outcome, now),
            Event::Routed { address, route } => self.routed(address, route),
            Event::NotRecorded => {
                self.groups.values_mut().for_each(|group| group.prolong(now));
                Vec::new()
            }
            Event::NotWritten => {
                self.groups.values_mut().for_each(|group| group.begin_again(now));
                Vec::new()
            }
            Event::Swept(swept) => {
                self.swept(&swept, now);
                Vec::new()
            }
        };
        if self.waiting && self.ids.any_free(now) {
            self.find_room(now);
            changes.extend(self.reseat_all());
        }
        changes
    }

    /// Counts up whenever what is desired may have changed: as long as it stands still, there is nothing
    /// to plan.
    pub const fn version(&self) -> u64 {
        self.version
    }

    pub const fn config(&self) -> &Config {
        &self.config
    }

    pub const fn groups(&self) -> &BTreeMap<GroupName, Group> {
        &self.groups
    }

    /// How packets of a group that forwards like this get to the address; `None` while nobody looked.
    pub fn way(&self, address: IpAddr, forwarding: Forwarding) -> Option<Result<NextHop, NoRoute>> {
        let route = self.routes.get(&address)?.clone();
        Some(route.and_then(|hop| match (forwarding, hop.gateway) {
            // By its MAC a gateway would get a packet to an address that its routes lead back here.
            (Forwarding::L2, Some(gateway)) => Err(NoRoute::OffLink { address, gateway }),
            (Forwarding::L2, None) | (Forwarding::Nat | Forwarding::Ipip | Forwarding::Gue, _) => Ok(hop),
        }))
    }

    /// Lets time pass, and turns the rings that changed.
    pub fn advance(&mut self, now: Instant) {
        let turned =
            self.groups.values_mut().filter_map(|group| group.turn(self.ring_key, now).then_some(()));
        if turned.count() > 0 {
            self.version += 1;
        }
    }

    /// Of all targets, those included that are removed while their flows go on.
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        self.groups.values().flat_map(Group::lines).map(|(target, ..)| target.address).collect()
    }

    fn swept(&mut self, swept: &Swept, now: Instant) {
        for group in self.groups.values_mut() {
            let (released, freed) = group.swept(swept, now);
            if released || !freed.is_empty() {
                self.version += 1;
            }
            freed.into_iter().for_each(|id| self.ids.give(id, now));
        }
    }

    fn probed(&mut self, target: TargetKey, outcome: Outcome, now: Instant) -> Vec<Change> {
        let Some(group) = self.groups.get_mut(&target.group) else { return Vec::new() };
        let Some(flip) = group.observe(&target.address, outcome, now) else {
            // Without a flip, seats move only where something unproven has one.
            let starting = group.is_starting();
            return starting.then(|| self.reseat(&target.group)).flatten().into_iter().collect();
        };
        self.version += 1;
        let why = group.members().get(&target.address).and_then(|member| member.health().why().cloned());
        let seats = self.reseat(&target.group);
        [Change::Health { target, flip, why }].into_iter().chain(seats).collect()
    }

    fn routed(&mut self, address: IpAddr, route: Result<NextHop, NoRoute>) -> Vec<Change> {
        if self.routes.get(&address) == Some(&route) {
            return Vec::new();
        }
        self.routes.insert(address, route.clone());
        self.version += 1;
        let refused = self.way(address, Forwarding::L2).filter(|way| *way != route && self.has_l2(address));
        let routes = [route].into_iter().chain(refused);
        routes.map(|route| Change::Route { address, route }).collect()
    }

    /// Whether a group forwards to the address by `l2`.
    fn has_l2(&self, address: IpAddr) -> bool {
        let mut groups =
            self.config.target_groups.values().filter(|group| group.forwarding == Forwarding::L2);
        groups.any(|group| group.targets.keys().any(|target| target.address == address))
    }

    fn configured(&mut self, config: Config, now: Instant) -> Vec<Change> {
        let mut changes = Vec::from_iter(listeners_changed(&self.config.listeners, &config.listeners));
        self.version += 1;
        self.ids.set_rest(rest(&config));
        let mut leaving = mem::take(&mut self.groups);
        let mut freed = Vec::new();
        for (name, wanted) in &config.target_groups {
            let mut group = leaving.remove(name).unwrap_or_else(|| Group::new(wanted));
            let mut reconfigured = group.configure(wanted, windows(&config, name), now);
            changes.extend(targets_changed(name, &mut reconfigured));
            freed.push(reconfigured);
            self.groups.insert(name.clone(), group);
        }
        for (name, group) in leaving {
            let mut dissolved = group.dissolve();
            changes.extend(targets_changed(&name, &mut dissolved));
            freed.push(dissolved);
        }
        let addresses = self.addresses();
        self.routes.retain(|address, _| addresses.contains(address));
        self.rekey(ring_key(&config));
        self.config = config;

        // First where nobody was, so that slots still in use are rewritten only when space is short.
        self.find_room(now);
        for Reconfigured { ids, extent, .. } in freed {
            ids.into_iter().for_each(|id| self.ids.give(id, now));
            extent.into_iter().for_each(|extent| self.extents.give(extent));
        }
        self.find_room(now);
        changes.extend(self.reseat_all());
        changes.extend(self.shortages());
        changes
    }

    fn rekey(&mut self, key: Key) {
        if mem::replace(&mut self.ring_key, key) != key {
            self.groups.values_mut().for_each(Group::rebuild);
        }
    }

    fn find_room(&mut self, now: Instant) {
        for group in self.groups.values_mut() {
            group.find_room(&mut self.ids, &mut self.extents, now);
        }
        self.waiting = self.groups.values().any(|group| group.without_id() > 0);
    }

    fn reseat_all(&mut self) -> Vec<Change> {
        let names: Vec<GroupName> = self.groups.keys().cloned().collect();
        names.iter().filter_map(|name| self.reseat(name)).collect()
    }

    fn reseat(&mut self, name: &GroupName) -> Option<Change> {
        let group = self.groups.get_mut(name)?;
        let before = group.fails_open();
        if !group.reseat() {
            return None;
        }
        self.version += 1;
        match (before, group.fails_open()) {
            (false, true) => Some(Change::FailOpenEntered { group: name.clone() }),
            (true, false) => Some(Change::FailOpenLeft { group: name.clone() }),
            (true, true) | (false, false) => None,
        }
    }

    fn shortages(&self) -> Vec<Change> {
        let short = |(name, group): (&GroupName, &Group)| {
            let slots = self.config.target_groups.get(name).map_or(0, |wanted| wanted.ring_slots);
            let no_slots = group.extent().is_none().then_some(Shortage::Slots(slots));
            let no_ids = Some(group.without_id()).filter(|count| *count > 0).map(Shortage::Targets);
            let change = |shortage| Change::NoRoom { group: name.clone(), shortage };
            no_slots.into_iter().chain(no_ids).map(change).collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(short).collect()
    }
}

fn ring_key(config: &Config) -> Key {
    Key::derived(&config.node.seed, "ring")
}

/// How long a target's id rests: longer than a flow stays idle and is still known.
fn rest(config: &Config) -> Duration {
    /// For ticks that are rounded, and for a sweep that is late.
    const MARGIN: Duration = Duration::from_secs(30);
    let nat = config.nat.as_ref().map(|nat| nat.tcp_idle_timeout.max(nat.udp_idle_timeout));
    let tracking = &config.tracking;
    let tracked = tracking.tcp_idle_timeout.max(tracking.udp_idle_timeout);
    nat.unwrap_or_default().max(tracked) + MARGIN
}

/// A ring learns for each protocol that comes in by its listeners.
fn windows(config: &Config, group: &GroupName) -> Windows {
    let of = |protocol: Protocol, window: Duration| {
        let mut listeners = config.listeners.values();
        let served = listeners.any(|it| it.target_group == *group && it.protocol == protocol);
        served.then_some(window)
    };
    let tracking = &config.tracking;
    Windows {
        tcp: of(Protocol::Tcp, tracking.learning_window),
        udp: of(Protocol::Udp, tracking.udp_learning_window),
    }
}

fn listeners_changed(
    before: &BTreeMap<ListenerName, Listener>,
    after: &BTreeMap<ListenerName, Listener>,
) -> Option<Change> {
    let missing = |from: &BTreeMap<ListenerName, Listener>, into: &BTreeMap<ListenerName, Listener>| {
        from.keys().filter(|name| !into.contains_key(*name)).cloned().collect::<Vec<_>>()
    };
    let (added, removed) = (missing(after, before), missing(before, after));
    let differs = |(name, listener): (&ListenerName, &Listener)| {
        before.get(name).is_some_and(|old| old != listener).then(|| name.clone())
    };
    let changed: Vec<_> = after.iter().filter_map(differs).collect();
    let nothing = added.is_empty() && changed.is_empty() && removed.is_empty();
    (!nothing).then_some(Change::Listeners { added, changed, removed })
}

fn targets_changed(group: &GroupName, reconfigured: &mut Reconfigured) -> Option<Change> {
    let something = reconfigured.is_something();
    let Reconfigured { added, reweighted, removed, ids: _, extent: _ } = reconfigured;
    let [added, reweighted, removed] = [added, reweighted, removed].map(mem::take);
    something.then(|| Change::Targets { group: group.clone(), added, reweighted, removed })
}

#[cfg(test)]
mod tests;
