//! Steering keys: packets that agree in the key meet at one target, whatever else they differ in.

use std::collections::BTreeSet;

use lb_common::maps::{KIND_NAT, KIND_SERVICE, Listener};
use lb_common::slot::{Slot, SlotState};
use lb_common::steer::{
    KEY_DESTINATION_PORT, KEY_FIVE_TUPLE, KEY_SOURCE_IP, KEY_SOURCE_IP_DESTINATION_IP, KEY_SOURCE_IP_PORT,
};
use lb_common::verdict::{Note, Verdict};
use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::lab::{Lab, Line, Node, Ran, to_target};
use crate::packet::{Packet, syn, tcp, udp};

/// Targets, and slots of the ring: one each.
const NODES: u32 = 20;
const VIPS: [[&str; 2]; 2] = [["10.0.0.1", "10.0.0.2"], ["[fd00::1]", "[fd00::2]"]];
const CLIENTS: [[&str; 2]; 2] = [["192.0.2.7", "192.0.2.8"], ["[2001:db8::7]", "[2001:db8::8]"]];

fn nodes() -> Vec<Node> {
    (1..=NODES).map(|id| Node::ipip(id, &format!("10.2.0.{id}"))).collect()
}

/// Both VIPs of both families listen on every port with one ring.
fn lab(key: u32) -> Lab {
    let mut lab = Lab::new();
    let nodes = nodes();
    nodes.iter().for_each(|node| lab.node(node));
    let (ring, slots) = lab.ring(&nodes.iter().map(|node| Some(node.id())).collect::<Vec<_>>());
    let listener = Listener { kind: KIND_SERVICE, ring, slots, key, ..Listener::NOTHING };
    for vip in VIPS.concat() {
        for protocol in [Tcp, Udp] {
            lab.listener(protocol, &format!("{vip}:0"), listener);
        }
    }
    lab
}

/// Which target the packet went to.
fn target(ran: &Ran) -> u32 {
    match ran.moved.keys().next() {
        Some(Line::ToTarget(id)) => *id,
        other => panic!("counted {other:?}"),
    }
}

/// Where packets of a family go that differ in everything: by client, client's port, VIP, its port and protocol.
fn went(lab: &mut Lab, family: usize) -> Vec<([usize; 5], u32)> {
    let mut went = Vec::new();
    for number in 0..32_usize {
        let fields @ [client, port, vip, service, protocol] = [4, 3, 2, 1, 0].map(|bit| number >> bit & 1);
        let from = format!("{}:{}", CLIENTS[family][client], 1000 + port);
        let to = format!("{}:{}", VIPS[family][vip], 80 + service);
        let packet = if protocol == 0 { tcp(&from, &to) } else { udp(&from, &to) };
        went.push((fields, target(&lab.run(&packet.frame()))));
    }
    went
}

#[test]
fn packets_that_agree_in_the_key_meet_and_others_are_spread() {
    let cases: [(&str, u32, &[usize]); 4] = [
        ("five-tuple", KEY_FIVE_TUPLE, &[0, 1, 2, 3, 4]),
        ("source-ip", KEY_SOURCE_IP, &[0]),
        ("source-ip-destination-ip", KEY_SOURCE_IP_DESTINATION_IP, &[0, 2]),
        ("source-ip-port", KEY_SOURCE_IP_PORT, &[0, 1]),
    ];
    for (name, key, fields) in cases {
        for family in [0, 1] {
            let went = went(&mut lab(key), family);
            let of = |packet: &[usize; 5]| fields.iter().map(|field| packet[*field]).collect::<Vec<_>>();
            let met = went.iter().map(|(packet, target)| (of(packet), *target)).collect::<BTreeSet<_>>();
            assert_eq!(met.len(), 1 << fields.len(), "{name}: {met:?}");
            let targets = met.iter().map(|(_, target)| target).collect::<BTreeSet<_>>();
            assert!(targets.len() > fields.len(), "{name}: {met:?}");
        }
    }
}

/// A listener on ports 29400 to 29403, each with a target of its own.
fn rendezvous(kind: u32, vip: &str, nodes: &[Node; 4]) -> Lab {
    let mut lab = Lab::new();
    nodes.iter().for_each(|node| lab.node(node));
    let (ring, slots) = lab.ring(&nodes.each_ref().map(|node| Some(node.id())));
    let listener = Listener { kind, ring, slots, key: KEY_DESTINATION_PORT, ..Listener::NOTHING };
    lab.listener(Tcp, &format!("{vip}:29400-29403"), listener);
    lab
}

/// The `number`th client's packet to this port of the rendezvous.
fn rank(family: usize, number: u16, port: u16) -> Packet {
    syn(&format!("{}:{}", CLIENTS[family][0], 1000 + number), &format!("{}:{port}", VIPS[family][0]))
}

#[test]
fn all_ranks_of_a_job_meet_at_its_ports_target() {
    for family in [0, 1] {
        let nodes = [1, 2, 3, 4].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
        let mut lab = rendezvous(KIND_SERVICE, VIPS[family][0], &nodes);
        for (node, port) in nodes.iter().zip(29_400..) {
            for number in 0..20 {
                let packet = rank(family, number, port);
                let expected = node.sent(&lab.settings.keys, &packet);
                lab.run(&packet.frame()).sends(&expected).opened(to_target(node.id));
            }
        }
        let beyond = rank(family, 0, 29_404);
        lab.run(&beyond.frame()).passes().counted(Verdict::NotOurs);
    }
}

#[test]
fn nat_keeps_a_job_together_too() {
    let nodes = [1, 2, 3, 4].map(|id| Node::nat(id, &format!("10.3.0.{id}"), 8080));
    let mut lab = rendezvous(KIND_NAT, VIPS[0][0], &nodes);
    for (node, port) in nodes.iter().zip(29_400..) {
        for number in 0..20 {
            let _: u16 = lab.opens(node, &rank(0, number, port));
        }
    }
}

#[test]
fn a_failed_nodes_job_moves_whole_with_one_slot() {
    let nodes = [1, 2, 3, 4].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
    let mut lab = rendezvous(KIND_SERVICE, VIPS[0][0], &nodes);
    lab.slot(6, Some(nodes[3].id()));
    for number in 0..20 {
        assert_eq!(target(&lab.run(&rank(0, number, 29_401).frame())), 4);
        assert_eq!(target(&lab.run(&rank(0, number, 29_402).frame())), 3);
    }
}

#[test]
fn a_port_beyond_the_ring_is_no_slot_of_another_ring() {
    let nodes = [1, 2, 3, 4].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
    let mut lab = rendezvous(KIND_SERVICE, VIPS[0][0], &nodes);
    let wrong =
        Listener { kind: KIND_SERVICE, ring: 5, slots: 3, key: KEY_DESTINATION_PORT, ..Listener::NOTHING };
    lab.listener(Tcp, &format!("{}:29400-29403", VIPS[0][0]), wrong);
    lab.run(&rank(0, 0, 29_403).frame()).drops().counted(Verdict::BadMap);
}

/// The key says which slot; the 5-tuple says which flow.
#[test]
fn flows_of_one_key_are_tracked_each_for_itself() {
    let nodes = [1, 2, 3, 4].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
    let mut lab = rendezvous(KIND_SERVICE, VIPS[0][0], &nodes);
    let [old, new] = [&nodes[1], &nodes[2]].map(Node::id);
    lab.put_slot(6, Slot::new(SlotState::Learning, Some(new), Some(old)));
    let old_rank = tcp("192.0.2.7:1", &format!("{}:29401", VIPS[0][0]));
    let sends = |node: &Node, packet: &Packet, lab: &Lab| node.sent(&lab.settings.keys, packet);
    let expected = sends(&nodes[1], &old_rank, &lab);
    lab.run(&old_rank.frame()).sends(&expected).noting(Note::Tracked).counted(to_target(2));
    let new_rank = rank(0, 1, 29_401);
    let expected = sends(&nodes[2], &new_rank, &lab);
    lab.run(&new_rank.frame()).sends(&expected).noting(Note::Tracked).opened(to_target(3));
    assert_eq!(lab.tracked(), [(2, 1), (3, 1)], "both records are of the second slot");
}
