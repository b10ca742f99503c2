use std::time::Duration;

use zerocopy::IntoBytes as _;

use super::*;
use crate::{
    core::{
        change::Change,
        sample::{address, config, name, start},
    },
    event::{Event, NoRoute, Outcome, TargetKey},
};

const HOP: NextHop = NextHop {
    interface: 7,
    own_mac: [2, 0, 0, 0, 0, 1],
    gateway: None,
    gateway_mac: [2, 0, 0, 0, 0, 9],
    mtu: 1500,
};

fn routed(state: &mut State, at: &str, route: Result<NextHop, NoRoute>) {
    state.on(Event::Routed { address: at.parse().unwrap(), route }, start());
}

fn probed(state: &mut State, group: &str, at: &str, outcome: &Outcome) {
    let target = TargetKey { group: name(group), address: address(at) };
    let (outcome, took) = (outcome.clone(), Duration::ZERO);
    state.on(Event::Probed { target, outcome, took }, start());
}

/// The only line there is, as it stands in the map.
fn only_line(state: &mut State) -> Vec<u8> {
    let want = desired(state, start());
    assert_eq!(want.targets.len(), 1);
    want.targets.values().next().unwrap().as_bytes().to_vec()
}

fn line_of(forwarding: Forwarding, at: &str) -> Vec<u8> {
    let mut state = State::new(config().group("web", forwarding, 5, &[(at, 1)]), start());
    routed(&mut state, at, Ok(HOP));
    only_line(&mut state)
}

fn flags(flags: u16) -> Vec<u8> {
    flags.to_ne_bytes().to_vec()
}

/// Twelve bytes of Ethernet header, then `ifindex`.
fn link() -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1], &7_u32.to_ne_bytes()[..]].concat()
}

fn v6(text: &str) -> Vec<u8> {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec()
}

#[test]
fn a_line_holds_all_that_forwarding_needs() {
    let none = |bytes: usize| vec![0; bytes];
    let expected = |way: u16, before: u16, port: u16, last: [Vec<u8>; 4]| {
        let (largest, port) = ((1500 - before).to_ne_bytes().to_vec(), port.to_be_bytes().to_vec());
        let flags = flags(way | TARGET_RESOLVED | TARGET_SERVES | TARGET_OPENS);
        let first = [flags, largest, port, none(2), link()];
        [first.concat(), last.concat()].concat()
    };
    let v4 = |address: [u8; 4]| [&address[..], &[0; 12]].concat();

    let last = [v4([10, 2, 0, 2]), v4([10, 9, 0, 1]), none(4), none(4)];
    assert_eq!(line_of(Forwarding::Nat, "10.2.0.2"), expected(TARGET_NAT, 0, 8080, last));

    let last = [v6("2001:db8::2"), v6("2001:db8:9::1"), none(4), none(4)];
    assert_eq!(line_of(Forwarding::Nat, "2001:db8::2"), expected(TARGET_NAT, 0, 8080, last));

    let word = |a, b| u32::from(u16::from_ne_bytes([a, b]));
    let sum = word(0x45, 0) + word(0x40, 0) + word(64, 0) + word(10, 8) + word(10, 2) + word(0, 2);
    let mask = vec![0, 0, 0x0f, 0xff];
    let last = [v4([10, 2, 0, 2]), v4([10, 8, 0, 0]), mask, sum.to_ne_bytes().to_vec()];
    assert_eq!(line_of(Forwarding::Ipip, "10.2.0.2"), expected(TARGET_OUTER_V4, 20, 0, last.clone()));
    assert_eq!(line_of(Forwarding::Gue, "10.2.0.2"), expected(TARGET_OUTER_V4 | TARGET_GUE, 28, 6080, last));

    let last = [v6("2001:db8::2"), v6("2001:db8:8::"), vec![0xff; 4], none(4)];
    assert_eq!(line_of(Forwarding::Ipip, "2001:db8::2"), expected(TARGET_OUTER_V6, 40, 0, last.clone()));
    let way = TARGET_OUTER_V6 | TARGET_GUE;
    assert_eq!(line_of(Forwarding::Gue, "2001:db8::2"), expected(way, 48, 6080, last));

    let last = [v4([10, 2, 0, 2]), none(16), none(4), none(4)];
    assert_eq!(line_of(Forwarding::L2, "10.2.0.2"), expected(TARGET_L2, 0, 0, last));
}

#[test]
fn l2_does_not_send_to_a_gateway() {
    let at = "10.2.0.2";
    let mut state = State::new(config().group("web", Forwarding::L2, 5, &[(at, 1)]), start());
    let unresolved = only_line(&mut state);
    let (address, gateway) = (at.parse().unwrap(), "10.1.0.1".parse().unwrap());
    let behind = NextHop { gateway: Some(gateway), ..HOP };
    let changes = state.on(Event::Routed { address, route: Ok(behind) }, start());
    let refused = Err(NoRoute::OffLink { address, gateway });
    let routes = [Ok(behind), refused.clone()].map(|route| Change::Route { address, route });
    assert_eq!(changes, routes, "the operator hears of the way, and why it is none");
    assert_eq!(state.way(address, Forwarding::L2), Some(refused));
    assert_eq!(only_line(&mut state), unresolved);
    assert_eq!(state.way(address, Forwarding::Ipip), Some(Ok(behind)));
}

#[test]
fn a_lost_route_takes_the_next_hop_away() {
    let at = "10.2.0.2";
    let mut state = State::new(config().group("web", Forwarding::Ipip, 5, &[(at, 1)]), start());
    let unresolved = only_line(&mut state);
    assert_eq!(unresolved[..2], flags(TARGET_OUTER_V4 | TARGET_SERVES | TARGET_OPENS));
    assert_eq!([&unresolved[2..4], &unresolved[8..24]].concat(), [0; 18], "no MTU, no link");
    routed(&mut state, at, Ok(NextHop { mtu: 65_536, ..HOP }));
    let largest = u16::MAX - 20;
    assert_eq!(only_line(&mut state)[2..4], largest.to_ne_bytes(), "the loopback's MTU does not wrap");
    routed(&mut state, at, Err(NoRoute::Unreachable(at.parse().unwrap())));
    assert_eq!(only_line(&mut state), unresolved);
}

#[test]
fn a_dead_target_keeps_its_line_but_does_not_serve() {
    let targets = [("10.2.0.1", 1), ("10.2.0.2", 1)];
    let mut state = State::new(config().group("web", Forwarding::Ipip, 5, &targets), start());
    let serving = |state: &mut State| {
        desired(state, start()).targets.values().map(|line| line.flags & TARGET_SERVES != 0).collect()
    };
    let mut fail_twice = |at| {
        (0..2).for_each(|_| probed(&mut state, "web", at, &Outcome::TimedOut));
        serving(&mut state)
    };
    let first: Vec<bool> = fail_twice("10.2.0.1");
    assert_eq!(first, [false, true]);
    assert_eq!(fail_twice("10.2.0.2"), [true, true], "the group fails open");
}

#[test]
fn every_address_that_is_ours_has_an_entry_of_its_own() {
    let config = config()
        .group("a", Forwarding::Ipip, 5, &[])
        .listener("one", "192.0.2.1", "a")
        .listener("two", "192.0.2.1", "a")
        .listener("three", "2001:db8::1", "a");
    let mut roomless = config.clone();
    roomless.limits.slots = 3;
    for config in [config, roomless] {
        let want = desired(&mut State::new(config, start()), start());
        let addresses: Vec<_> = want.addresses.keys().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.9.0.1", "192.0.2.1", "2001:db8::1", "2001:db8:9::1"]);
        let ours = Listener { kind: KIND_ADDRESS, ..Listener::NOTHING };
        assert!(want.addresses.values().all(|entry| *entry == ours));
    }
}

#[test]
fn a_listener_reads_its_groups_ring_and_nat_hears_its_replies() {
    let mut config = config()
        .group("a", Forwarding::Ipip, 5, &[("10.2.0.1", 1)])
        .group("b", Forwarding::Nat, 7, &[("10.2.0.2", 1)])
        .listener("one", "192.0.2.1", "a")
        .listener("two", "192.0.2.2", "b");
    config.listeners.values_mut().next().unwrap().ports = Ports::Every;
    let want = desired(&mut State::new(config, start()), start());
    let key = |address: &str, port, protocol| {
        let address = address.parse().unwrap();
        ListenerKey { address, ports: Ports::from(port), protocol }
    };
    let heard: Vec<_> = want.listeners.keys().copied().collect();
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    let expected = [
        key("10.9.0.1", 0, tcp),
        key("10.9.0.1", 0, udp),
        key("192.0.2.1", 0, tcp),
        key("192.0.2.2", 80, tcp),
        key("2001:db8:9::1", 0, tcp),
        key("2001:db8:9::1", 0, udp),
    ];
    assert_eq!(heard, expected);
    let value = |at: usize| *want.listeners.get(&expected[at]).unwrap();
    assert_eq!((value(0).kind, value(0).first_port, value(0).last_port), (KIND_NAT_RETURN, 20_000, 29_999));
    let services = [value(2), value(3)].map(|listener| (listener.kind, listener.ring, listener.slots));
    assert_eq!(services, [(KIND_SERVICE, 0, 5), (KIND_NAT, 5, 7)]);
    let rings: Vec<_> = want.rings.iter().map(|(first, ring)| (*first, ring.len())).collect();
    assert_eq!(rings, [(0, 5), (5, 7)]);
}

#[test]
fn a_listener_on_a_range_knows_its_ports() {
    let mut config = Config { nat: None, ..config() }
        .group("a", Forwarding::Ipip, 5, &[("10.2.0.1", 1)])
        .listener("one", "192.0.2.1", "a");
    config.listeners.values_mut().next().unwrap().ports = Ports::Range { first: 100, last: 199 };
    let want = desired(&mut State::new(config, start()), start());
    let ports = want.listeners.values().map(|listener| (listener.first_port, listener.last_port));
    assert_eq!(ports.collect::<Vec<_>>(), [(100, 199)]);
}
