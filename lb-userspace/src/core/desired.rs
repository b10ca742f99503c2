//! What the maps should hold.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Instant};

use lb_common::{
    ids::TargetId,
    maps::{
        AddressWords, KIND_ADDRESS, KIND_NAT, KIND_NAT_RETURN, KIND_SERVICE, Listener, TARGET_GUE, TARGET_L2,
        TARGET_NAT, TARGET_OPENS, TARGET_OUTER_V4, TARGET_OUTER_V6, TARGET_RESOLVED, TARGET_SERVES, Target,
        address_words, v4_words,
    },
    outer::{overhead, partial_checksum},
    steer::{
        KEY_DESTINATION_PORT, KEY_FIVE_TUPLE, KEY_SOURCE_IP, KEY_SOURCE_IP_DESTINATION_IP, KEY_SOURCE_IP_PORT,
    },
    wire::{Be16, Be32},
};

use super::{group::Group, plan::ListenerKey, ring::Ring, state::State};
use crate::{
    config::checked::{
        self, Config, Forwarding, Nat, Ports, Protocol, SteeringKey, TargetAddress, TargetGroup,
    },
    event::NextHop,
};

/// What a plan leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    pub listeners: BTreeMap<ListenerKey, Listener>,
    /// The addresses that are ours, whatever the port.
    pub addresses: BTreeMap<IpAddr, Listener>,
    pub targets: BTreeMap<TargetId, Target>,
    /// By their first slot; no two overlap. All other slots are empty.
    pub rings: BTreeMap<u32, Ring>,
}

/// What changed since it was last called is turned first; rings that did not change are shared, not copied.
pub fn desired(state: &mut State, now: Instant) -> Want {
    state.advance(now);
    let state = &*state;
    let config = state.config();
    let mut want = Want { listeners: nat_returns(config), addresses: addresses(config), ..Want::default() };
    for (name, group) in state.groups() {
        let Some(wanted) = config.target_groups.get(name) else { continue };
        want.targets.extend(lines(state, wanted.forwarding, group));
        want.rings.extend(group.ring().map(|(extent, ring)| (extent.first, Arc::clone(ring))));
    }
    for listener in config.listeners.values() {
        let wanted = config.target_groups.get(&listener.target_group);
        let group = state.groups().get(&listener.target_group);
        want.listeners.extend(wanted.zip(group).and_then(|(wanted, group)| service(listener, wanted, group)));
    }
    want
}

fn service(
    listener: &checked::Listener,
    wanted: &TargetGroup,
    group: &Group,
) -> Option<(ListenerKey, Listener)> {
    let checked::Listener { address, ports, protocol, target_group: _ } = *listener;
    let key = ListenerKey { address, ports, protocol };
    let extent = group.extent()?;
    let (ring, slots) = (extent.first, extent.slots);
    let kind = match wanted.forwarding {
        Forwarding::Nat => KIND_NAT,
        Forwarding::Ipip | Forwarding::Gue | Forwarding::L2 => KIND_SERVICE,
    };
    let (first_port, last_port) = match ports {
        Ports::Range { first, last } => (first, last),
        Ports::One(port) => (port, port),
        Ports::Every => (0, 0),
    };
    let steering = steering_key(wanted.steering_key);
    Some((key, Listener { kind, ring, slots, first_port, last_port, key: steering, ..Listener::NOTHING }))
}

const fn steering_key(key: SteeringKey) -> u32 {
    match key {
        SteeringKey::FiveTuple => KEY_FIVE_TUPLE,
        SteeringKey::SourceIp => KEY_SOURCE_IP,
        SteeringKey::SourceIpDestinationIp => KEY_SOURCE_IP_DESTINATION_IP,
        SteeringKey::SourceIpPort => KEY_SOURCE_IP_PORT,
        SteeringKey::DestinationPort => KEY_DESTINATION_PORT,
    }
}

/// Where the replies to `nat` come in.
fn nat_returns(config: &Config) -> BTreeMap<ListenerKey, Listener> {
    let Some(nat) = &config.nat else { return BTreeMap::new() };
    let (first_port, last_port) = (*nat.ports.start(), *nat.ports.end());
    let listener = Listener { kind: KIND_NAT_RETURN, first_port, last_port, ..Listener::NOTHING };
    let key = |address, protocol| (ListenerKey { address, ports: Ports::Every, protocol }, listener);
    let keys = |address| [key(address, Protocol::Tcp), key(address, Protocol::Udp)];
    nat_sources(nat).flat_map(keys).collect()
}

fn nat_sources(nat: &Nat) -> impl Iterator<Item = IpAddr> {
    [nat.ipv4_source.map(IpAddr::V4), nat.ipv6_source.map(IpAddr::V6)].into_iter().flatten()
}

/// Every listener's, also of those that do not answer for want of room: what comes to them is nobody else's.
fn addresses(config: &Config) -> BTreeMap<IpAddr, Listener> {
    let ours = Listener { kind: KIND_ADDRESS, ..Listener::NOTHING };
    let vips = config.listeners.values().map(|listener| listener.address);
    vips.chain(config.nat.iter().flat_map(nat_sources)).map(|address| (address, ours)).collect()
}

/// A line for every target, also for those that get no new flow: theirs go on.
fn lines(state: &State, forwarding: Forwarding, group: &Group) -> impl Iterator<Item = (TargetId, Target)> {
    group.lines().map(move |(address, id, serves, opens)| {
        let next_hop = state.way(address.address, forwarding).and_then(Result::ok);
        let serves = if serves { TARGET_SERVES } else { 0 };
        let opens = if opens { TARGET_OPENS } else { 0 };
        (id, line(state.config(), forwarding, &address, next_hop, serves | opens))
    })
}

fn line(
    config: &Config,
    forwarding: Forwarding,
    target: &TargetAddress,
    next_hop: Option<NextHop>,
    flags: u16,
) -> Target {
    let blank = Target {
        flags,
        largest: 0,
        port: Be16::default(),
        reserved: 0,
        link: [0; 3],
        interface: 0,
        destination: address_words(target.address),
        source: AddressWords::default(),
        source_mask: Be32::default(),
        checksum: 0,
    };
    let sent = match forwarding {
        Forwarding::Nat => translated(config, target, blank),
        Forwarding::Ipip => encapsulated(config, target, blank),
        Forwarding::Gue => in_udp(config, encapsulated(config, target, blank)),
        Forwarding::L2 => Target { flags: blank.flags | TARGET_L2, ..blank },
    };
    next_hop.map_or(sent, |next_hop| resolved(next_hop, sent))
}

fn translated(config: &Config, target: &TargetAddress, line: Target) -> Target {
    let source = config.nat.as_ref().and_then(|nat| match target.address {
        IpAddr::V4(_) => nat.ipv4_source.map(IpAddr::V4),
        IpAddr::V6(_) => nat.ipv6_source.map(IpAddr::V6),
    });
    let source = source.map(address_words).unwrap_or_default();
    Target { flags: line.flags | TARGET_NAT, port: Be16::new(target.port), source, ..line }
}

/// The outer header is of the target's family, whatever the inner one is.
fn encapsulated(config: &Config, target: &TargetAddress, line: Target) -> Target {
    match target.address {
        IpAddr::V4(address) => {
            let prefix = config.encapsulation.ipv4_source;
            let source = prefix.map(|prefix| Be32::new(prefix.network().into())).unwrap_or_default();
            Target {
                flags: line.flags | TARGET_OUTER_V4,
                source: v4_words(source),
                source_mask: prefix.map(|prefix| Be32::new(prefix.hostmask().into())).unwrap_or_default(),
                checksum: partial_checksum(source, Be32::new(address.into())),
                ..line
            }
        }
        IpAddr::V6(_) => {
            let prefix = config.encapsulation.ipv6_source;
            Target {
                flags: line.flags | TARGET_OUTER_V6,
                source: prefix.map(|prefix| address_words(prefix.network().into())).unwrap_or_default(),
                source_mask: Be32::new(u32::MAX),
                ..line
            }
        }
    }
}

fn in_udp(config: &Config, line: Target) -> Target {
    Target { flags: line.flags | TARGET_GUE, port: Be16::new(config.encapsulation.gue_port), ..line }
}

fn resolved(next_hop: NextHop, line: Target) -> Target {
    let NextHop { interface, own_mac, gateway: _, gateway_mac, mtu } = next_hop;
    let [a, b, c, d, e, f] = gateway_mac;
    let [g, h, i, j, k, l] = own_mac;
    let link = [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_ne_bytes);
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    let largest = mtu.saturating_sub(overhead(line.flags));
    Target { flags: line.flags | TARGET_RESOLVED, largest, link, interface, ..line }
}

#[cfg(test)]
mod tests;
