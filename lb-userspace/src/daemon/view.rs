//! The status, put together out of the core's state, the kernel's counters and the daemon's books.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Instant, SystemTime},
};

use lb_common::{
    ids::TargetId,
    maps::Tally,
    verdict::{Direction, target_line},
};

use super::books::Books;
use crate::{
    config::checked::{self, GroupName, ListenerName, Ports, TargetAddress},
    core::{desired::Want, group::Group, health::HealthState, member::Member, state::State},
    dataplane::load::Sizes,
    event::{NextHop, TargetKey},
    status::{self, Status},
};

/// What a view of the daemon is made from.
struct Facts<'a> {
    state: &'a State,
    counters: &'a [Tally],
    books: &'a Books,
    /// How many slots name each target.
    slots: BTreeMap<TargetId, u32>,
    now: (Instant, SystemTime),
}

/// Flows that lived when they were last swept.
#[derive(Clone, Copy)]
pub(super) struct LiveFlows {
    pub(super) nat: u64,
    pub(super) tracked: u64,
}

/// `want` is what the maps hold; `None` while that is uncertain, when nothing counts as live.
pub(super) fn status(
    state: &State,
    want: Option<&Want>,
    counters: &[Tally],
    live: LiveFlows,
    books: &Books,
    now: (Instant, SystemTime),
) -> Status {
    let facts = Facts { state, counters, books, slots: slots(want), now };
    let config = state.config();
    let listener = |(name, listener)| facts.listener(name, listener, want.is_some());
    let group = |(name, wanted)| Some(facts.group(name, wanted, state.groups().get(name)?));
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: books.node(map_bytes(config), now.1),
        listeners: config.listeners.iter().map(listener).collect(),
        target_groups: config.target_groups.iter().filter_map(group).collect(),
        verdicts: status::verdicts(counters),
        notes: status::notes(counters),
        nat: config.nat.as_ref().map(|nat| status::Flows { flows: live.nat, limit: nat.flows.into() }),
        tracking: status::Flows { flows: live.tracked, limit: config.tracking.flows.into() },
        ring: books.ring(),
        probes: books.probes(),
    }
}

/// What the maps take, counters on every CPU included.
pub(super) fn map_bytes(config: &checked::Config) -> u64 {
    let cpus = aya::util::nr_cpus().unwrap_or(1);
    Sizes::of(config).bytes(cpus)
}

fn slots(want: Option<&Want>) -> BTreeMap<TargetId, u32> {
    let mut slots = BTreeMap::new();
    for id in want.iter().flat_map(|want| want.rings.values()).flat_map(|ring| ring.iter()) {
        if let Some(id) = id.current() {
            *slots.entry(id).or_default() += 1;
        }
    }
    slots
}

impl Facts<'_> {
    fn listener(&self, name: &ListenerName, listener: &checked::Listener, settled: bool) -> status::Listener {
        let checked::Listener { address, ports, protocol, target_group } = listener;
        let (port, last_port) = match *ports {
            Ports::Every => (0, None),
            Ports::Range { first, last } => (first, Some(last)),
            Ports::One(port) => (port, None),
        };
        let placed = self.state.groups().get(target_group).is_some_and(|group| group.extent().is_some());
        status::Listener {
            name: name.to_string(),
            address: *address,
            port,
            last_port,
            protocol: *protocol,
            target_group: target_group.to_string(),
            live: settled && placed,
        }
    }

    fn group(&self, name: &GroupName, wanted: &checked::TargetGroup, group: &Group) -> status::TargetGroup {
        let listeners = self.state.config().listeners.iter();
        let target = |(address, target)| {
            let member = group.members().get(address)?;
            Some(self.target(&TargetKey { group: name.clone(), address: *address }, target, member, wanted))
        };
        let counts = group.counts();
        status::TargetGroup {
            name: name.to_string(),
            forwarding: wanted.forwarding,
            steering_key: wanted.steering_key,
            ring_slots: wanted.ring_slots,
            fail_open: group.fails_open(),
            learning_slots: counts.learning,
            pinned_slots: counts.pinned,
            leaving: group
                .leaving()
                .iter()
                .filter(|(_, it)| it.serves())
                .map(|(it, _)| SocketAddr::new(it.address, it.port))
                .collect(),
            listeners: listeners
                .filter(|(_, listener)| listener.target_group == *name)
                .map(|(name, _)| name.to_string())
                .collect(),
            targets: wanted.targets.iter().filter_map(target).collect(),
        }
    }

    fn target(
        &self,
        key: &TargetKey,
        target: &checked::Target,
        member: &Member,
        group: &checked::TargetGroup,
    ) -> status::Target {
        let TargetAddress { address, port } = key.address;
        let (health, why) = (member.health(), member.health().why());
        let route = self.state.way(address, group.forwarding);
        let (to, from) = (self.tally(member, Direction::ToTarget), self.tally(member, Direction::FromTarget));
        let slots = member.id().and_then(|id| self.slots.get(&id)).copied().unwrap_or(0);
        let record = self.books.record(key);
        status::Target {
            name: target.name.clone(),
            address,
            port,
            weight: target.weight,
            state: state(health.state()),
            reason: why.map(|why| why.reason.to_string()),
            detail: why.map(|why| why.description.clone()),
            since: self.now.1.checked_sub(health.age(self.now.0)).unwrap_or(self.now.1).into(),
            health_changes: record.health_changes,
            probe_seconds: record.last_probe.map(|took| took.as_secs_f64()),
            slots,
            share: f64::from(slots) / f64::from(group.ring_slots),
            packets: to.packets,
            bytes: to.bytes,
            new_flows: to.new_flows,
            reply_packets: from.packets,
            reply_bytes: from.bytes,
            next_hop: route.as_ref().and_then(|route| route.as_ref().ok()).map(|hop| self.next_hop(hop)),
            no_route: match route {
                Some(Ok(_)) => None,
                Some(Err(reason)) => Some(reason.to_string()),
                None => Some("not looked up yet".to_owned()),
            },
        }
    }

    fn tally(&self, member: &Member, direction: Direction) -> Tally {
        let line = member.id().map(|id| target_line(id, direction) as usize);
        let tally = line.and_then(|line| self.counters.get(line)).copied();
        tally.unwrap_or(Tally { packets: 0, bytes: 0, new_flows: 0 })
    }

    fn next_hop(&self, hop: &NextHop) -> status::NextHop {
        let NextHop { interface, own_mac: _, gateway: _, gateway_mac: [a, b, c, d, e, f], mtu } = *hop;
        status::NextHop {
            interface: self.books.interface(interface),
            mac: format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
            mtu,
        }
    }
}

const fn state(state: HealthState) -> status::State {
    match state {
        HealthState::Initial => status::State::Initial,
        HealthState::Healthy => status::State::Healthy,
        HealthState::Unhealthy => status::State::Unhealthy,
    }
}
