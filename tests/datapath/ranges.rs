//! Listeners on port ranges.

use aya::maps::Array;
use lb_common::{
    maps::{KIND_RANGES, Listener, NEAR, Near},
    ranges::MOST_RANGES,
    verdict::Verdict,
};
use pointsman::{
    config::checked::{
        Ports,
        Protocol::{self, Tcp, Udp},
    },
    core::plan::Step,
    dataplane::Dataplane as _,
};

use crate::lab::{Lab, Node, SIZES, key, to_target};
use crate::packet::{tcp, udp};

const ENDS: [(&str, &str); 2] = [("192.0.2.7:40000", "10.0.0.1"), ("[2001:db8::7]:40000", "[fd00::1]")];

/// Sends to a port and says who must get it; `None` is the host.
#[track_caller]
fn goes_to(lab: &mut Lab, (client, vip): (&str, &str), protocol: Protocol, port: u16, node: Option<&Node>) {
    let at = format!("{vip}:{port}");
    let packet = if protocol == Tcp { tcp(client, &at) } else { udp(client, &at) };
    match node {
        Some(node) => {
            let expected = node.sent(&lab.settings.keys, &packet);
            lab.run(&packet.frame()).sends(&expected).counted(to_target(node.id));
        }
        None => lab.run(&packet.frame()).passes().counted(Verdict::NotOurs),
    }
}

#[test]
fn the_most_specific_listener_has_the_port() {
    let [every, wide, narrow, exact] = [1, 2, 3, 4].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
    for end in ENDS {
        let (mut lab, vip) = (Lab::new(), end.1);
        // Not in the order of what they cover.
        lab.service(Tcp, &format!("{vip}:29410"), &[&exact]);
        lab.service(Tcp, &format!("{vip}:29400-29419"), &[&narrow]);
        lab.service(Tcp, &format!("{vip}:0"), &[&every]);
        lab.service(Tcp, &format!("{vip}:29400-29499"), &[&wide]);
        for (port, node) in [
            (0, &every),
            (29_399, &every),
            (29_400, &narrow),
            (29_409, &narrow),
            (29_410, &exact),
            (29_411, &narrow),
            (29_419, &narrow),
            (29_420, &wide),
            (29_499, &wide),
            (29_500, &every),
            (65_535, &every),
        ] {
            goes_to(&mut lab, end, Tcp, port, Some(node));
        }
        goes_to(&mut lab, end, Udp, 29_410, None);
    }
}

#[test]
fn beside_its_ranges_an_address_is_the_hosts() {
    let node = Node::ipip(1, "10.2.0.1");
    for end in ENDS {
        let (mut lab, vip) = (Lab::new(), end.1);
        lab.service(Udp, &format!("{vip}:1-9"), &[&node]);
        lab.service(Udp, &format!("{vip}:65000-65535"), &[&node]);
        for (port, there) in
            [(0, false), (1, true), (9, true), (10, false), (64_999, false), (65_000, true), (65_535, true)]
        {
            goes_to(&mut lab, end, Udp, port, there.then_some(&node));
        }
    }
}

#[test]
fn a_range_leaves_rdma_to_the_host() {
    let node = Node::ipip(1, "10.2.0.1");
    for end in ENDS {
        let (mut lab, vip) = (Lab::new(), end.1);
        for protocol in [Tcp, Udp] {
            lab.service(protocol, &format!("{vip}:4000-5000"), &[&node]);
        }
        goes_to(&mut lab, end, Udp, 4790, Some(&node));
        goes_to(&mut lab, end, Udp, 4791, None);
        goes_to(&mut lab, end, Tcp, 4791, Some(&node));
    }
}

#[test]
fn ranges_and_the_listener_on_every_port_come_and_go_without_each_other() {
    let [every, range, other] = [1, 2, 3].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
    for end in ENDS {
        let (mut lab, vip) = (Lab::new(), end.1);
        let [at_every, at_range, at_other] =
            ["0", "100-199", "150-159"].map(|ports| format!("{vip}:{ports}"));
        let expect = |lab: &mut Lab, nodes: [Option<&Node>; 3]| {
            for (port, node) in [(99, nodes[0]), (100, nodes[1]), (150, nodes[2])] {
                goes_to(lab, end, Tcp, port, node);
            }
        };
        lab.service(Tcp, &at_range, &[&range]);
        expect(&mut lab, [None, Some(&range), Some(&range)]);
        lab.service(Tcp, &at_every, &[&every]);
        expect(&mut lab, [Some(&every), Some(&range), Some(&range)]);
        lab.service(Tcp, &at_other, &[&other]);
        expect(&mut lab, [Some(&every), Some(&range), Some(&other)]);
        lab.remove_listener(Tcp, &at_every);
        expect(&mut lab, [None, Some(&range), Some(&other)]);
        lab.remove_listener(Tcp, &at_range);
        expect(&mut lab, [None, None, Some(&other)]);
        lab.service(Tcp, &at_every, &[&every]);
        lab.remove_listener(Tcp, &at_other);
        expect(&mut lab, [Some(&every); 3]);
        lab.remove_listener(Tcp, &at_every);
        expect(&mut lab, [None; 3]);
    }
}

#[test]
fn a_list_that_changes_again_and_again_takes_no_more_room() {
    let (mut lab, end) = (Lab::new(), ENDS[0]);
    let nodes = [1, 2].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
    nodes.iter().for_each(|node| lab.node(node));
    let rings = [1, 2].map(|id| lab.ring(&[lb_common::ids::TargetId::new(id)]));
    for (node, (ring, slots)) in nodes.iter().zip(rings).cycle().take(40) {
        let listener = Listener { kind: 1, ring, slots, ..Listener::NOTHING };
        lab.listener(Tcp, &format!("{}:100-199", end.1), listener);
        goes_to(&mut lab, end, Tcp, 150, Some(node));
    }
}

/// Makes the near entries of lists name a list that is written otherwise by now.
fn send_to_old_lists(lab: &mut Lab) {
    let mut near: Array<_, Near> = lab.table("NEAR");
    for index in 0..NEAR {
        let mut there = near.get(&index, 0).expect("in the map");
        if there.listener.kind == KIND_RANGES {
            there.listener.slots += 1;
            near.set(index, there, 0).expect("in the map");
        }
    }
}

#[test]
fn who_was_sent_to_an_old_list_asks_for_the_new_one() {
    let [every, range] = [1, 2].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
    for end in ENDS {
        let (mut lab, vip) = (Lab::new(), end.1);
        lab.service(Tcp, &format!("{vip}:0"), &[&every]);
        lab.service(Tcp, &format!("{vip}:100-199"), &[&range]);
        send_to_old_lists(&mut lab);
        for (port, node) in [(99, &every), (100, &range), (200, &every)] {
            goes_to(&mut lab, end, Tcp, port, Some(node));
        }
    }
}

#[test]
fn what_stands_in_the_maps_is_read_back() {
    let (mut lab, node) = (Lab::new(), Node::ipip(1, "10.2.0.1"));
    let listening =
        ["10.0.0.1:0", "10.0.0.1:100-199", "10.0.0.1:120-129", "10.0.0.1:125", "[fd00::1]:100-199"];
    for at in listening {
        lab.service(Tcp, at, &[&node]);
    }
    let have = lab.kernel().have().expect("the maps are read");
    let mut held = have.listeners.into_iter().filter(|(_, listener)| listener.kind == 1).collect::<Vec<_>>();
    let mut expected = (5..)
        .zip(listening)
        .map(|(ring, at)| {
            let key = key(Tcp, at);
            let (first_port, last_port) = match key.ports {
                Ports::Range { first, last } => (first, last),
                Ports::Every | Ports::One(_) => (0, 0),
            };
            (key, Listener { kind: 1, ring, slots: 1, first_port, last_port, ..Listener::NOTHING })
        })
        .collect::<Vec<_>>();
    held.sort_by_key(|(key, _)| *key);
    expected.sort_by_key(|(key, _)| *key);
    assert_eq!(held, expected);
}

#[test]
fn more_ranges_than_there_is_room_for_are_an_error_and_leave_what_is_there() {
    let (mut lab, end, node) = (Lab::new(), ENDS[0], Node::ipip(1, "10.2.0.1"));
    lab.service(Tcp, "10.0.0.1:1-2", &[&node]);
    let listener = Listener { kind: 1, ring: 5, slots: 1, ..Listener::NOTHING };
    let put = |lab: &mut Lab, at: &str| {
        let key = key(Tcp, at);
        let step = Step::PutListener { key, listener: Listener { first_port: 1, last_port: 2, ..listener } };
        lab.kernel().apply(&step).map_err(|error| error.to_string())
    };
    for range in 1..MOST_RANGES {
        let first = range * 100;
        put(&mut lab, &format!("10.0.0.1:{first}-{}", first + 9)).expect("there is room");
    }
    let refused = put(&mut lab, "10.0.0.1:50000-50001").unwrap_err();
    assert_eq!(refused, "an address has more than 63 listeners on port ranges of one protocol");
    goes_to(&mut lab, end, Tcp, 1, Some(&node));
    // What lists there are, and those that are written beside them.
    let more = (2..).map(|address| put(&mut lab, &format!("10.0.0.{address}:1-2"))).find_map(Result::err);
    assert_eq!(more, Some(format!("map `RANGES` is full at {} entries", SIZES.range_lists)));
    goes_to(&mut lab, end, Tcp, 1, Some(&node));
}

#[test]
fn an_entry_that_leads_to_no_list_drops_the_packet() {
    // As long as it would be rewritten in the middle of each look.
    let mut lab = Lab::new();
    let wrong = Listener { kind: KIND_RANGES, ring: 0, slots: 77, ..Listener::NOTHING };
    for (client, vip) in ENDS {
        lab.listener(Tcp, &format!("{vip}:0"), wrong);
        lab.run(&tcp(client, &format!("{vip}:80")).frame()).drops().counted(Verdict::BadMap);
    }
}
