//! Which listener a packet finds, and which slot of its ring.

use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::lab::{Lab, Line, Node, slot_of, to_target};
use crate::packet::{syn, tcp, udp};

const CLIENTS: [&str; 2] = ["192.0.2.7:40000", "[2001:db8::7]:40000"];
const VIPS: [&str; 2] = ["10.0.0.1", "[fd00::1]"];

#[test]
fn a_listener_answers_at_its_address_port_and_protocol_only() {
    let (mut lab, node) = (Lab::new(), Node::ipip(1, "10.2.0.1"));
    lab.service(Tcp, "10.0.0.1:80", &[&node]);
    lab.service(Udp, "10.0.0.2:53", &[&node]);
    lab.service(Tcp, "[fd00::1]:80", &[&node]);
    let [client, client_v6] = CLIENTS;
    let keys = lab.settings.keys;
    for packet in [tcp(client, "10.0.0.1:80"), udp(client, "10.0.0.2:53"), tcp(client_v6, "[fd00::1]:80")] {
        let expected = node.sent(&keys, &packet);
        lab.run(&packet.frame()).sends(&expected).counted(to_target(1));
    }
    for packet in [
        tcp(client, "10.0.0.1:81"),
        tcp(client, "10.0.0.1:0"),
        udp(client, "10.0.0.1:80"),
        tcp(client, "10.0.0.2:53"),
        tcp(client, "0.0.0.0:80"),
        tcp("10.0.0.1:80", client),
        tcp(client_v6, "[fd00::2]:80"),
        tcp(client_v6, "[fd00::1]:20480"),
        // The bytes of an IPv4 listener's address, at either end of an IPv6 address.
        tcp(client_v6, "[a00:1::]:80"),
        tcp(client_v6, "[::ffff:10.0.0.1]:80"),
    ] {
        lab.run(&packet.frame()).passes().counted(Verdict::NotOurs);
    }
}

#[test]
fn a_removed_listener_leaves_its_packets_to_the_host() {
    let (mut lab, node) = (Lab::new(), Node::ipip(1, "10.2.0.1"));
    for (client, vip) in CLIENTS.into_iter().zip(VIPS) {
        let packet = tcp(client, &format!("{vip}:80"));
        lab.service(Tcp, &format!("{vip}:80"), &[&node]);
        let expected = node.sent(&lab.settings.keys, &packet);
        lab.run(&packet.frame()).sends(&expected).counted(to_target(1));
        lab.remove_listener(Tcp, &format!("{vip}:80"));
        lab.run(&packet.frame()).passes().counted(Verdict::NotOurs);
    }
}

#[test]
fn a_listener_on_every_port_answers_where_no_other_does() {
    let (every, exact) = (Node::ipip(1, "10.2.0.1"), Node::ipip(2, "10.2.0.2"));
    for (client, vip) in CLIENTS.into_iter().zip(VIPS) {
        let mut lab = Lab::new();
        lab.service(Tcp, &format!("{vip}:0"), &[&every]);
        lab.service(Tcp, &format!("{vip}:443"), &[&exact]);
        for (port, node) in [(1, &every), (442, &every), (443, &exact), (444, &every), (65535, &every)] {
            let packet = tcp(client, &format!("{vip}:{port}"));
            let expected = node.sent(&lab.settings.keys, &packet);
            lab.run(&packet.frame()).sends(&expected).counted(to_target(node.id));
        }
        lab.run(&udp(client, &format!("{vip}:443")).frame()).passes().counted(Verdict::NotOurs);
    }
}

#[test]
fn a_listener_on_every_port_leaves_rdma_to_the_host_and_one_on_its_port_does_not() {
    let node = Node::ipip(1, "10.2.0.1");
    for (client, vip) in CLIENTS.into_iter().zip(VIPS) {
        let mut lab = Lab::new();
        lab.service(Udp, &format!("{vip}:0"), &[&node]);
        lab.service(Tcp, &format!("{vip}:0"), &[&node]);
        let keys = lab.settings.keys;
        // RoCEv2 is UDP to this port; TCP to it is not.
        let roce = udp(client, &format!("{vip}:4791"));
        lab.run(&roce.frame()).passes().counted(Verdict::NotOurs);
        for packet in [udp(client, &format!("{vip}:4790")), tcp(client, &format!("{vip}:4791"))] {
            let expected = node.sent(&keys, &packet);
            lab.run(&packet.frame()).sends(&expected).counted(to_target(1));
        }
        lab.service(Udp, &format!("{vip}:4791"), &[&node]);
        let expected = node.sent(&keys, &roce);
        lab.run(&roce.frame()).sends(&expected).counted(to_target(1));
    }
}

#[test]
fn the_ring_says_which_target_a_flow_has() {
    let nodes = [1, 2, 3].map(|id| Node::ipip(id, &format!("10.2.0.{id}")));
    // Seven slots, one of them nobody's.
    let ring = [Some(0), Some(1), Some(2), Some(0), None, Some(1), Some(0)];
    for (client, vip) in ["192.0.2.7", "[2001:db8::7]"].into_iter().zip(VIPS) {
        let mut lab = Lab::new();
        let first = lab.service(Tcp, &format!("{vip}:80"), &[&nodes[0], &nodes[1], &nodes[2]]);
        let (ring_at, slots) = lab.ring(&ring.map(|at: Option<usize>| at.map(|at| nodes[at].id())));
        let listener =
            lb_common::maps::Listener { kind: 1, ring: ring_at, slots, ..lb_common::maps::Listener::NOTHING };
        assert_ne!(first, ring_at, "two rings lie beside each other");
        lab.listener(Tcp, &format!("{vip}:80"), listener);
        let mut met = [0; 7];
        for port in 1..200 {
            let packet = syn(&format!("{client}:{port}"), &format!("{vip}:80"));
            let slot = usize::try_from(slot_of(&lab.settings.keys, &packet, slots)).expect("a slot");
            met[slot] += 1;
            match ring[slot] {
                Some(at) => {
                    let expected = nodes[at].sent(&lab.settings.keys, &packet);
                    lab.run(&packet.frame()).sends(&expected).opened(to_target(nodes[at].id));
                }
                None => lab.run(&packet.frame()).drops().counted(Verdict::NoTarget),
            }
        }
        assert!(met.iter().all(|flows| *flows > 10), "the flows meet every slot: {met:?}");
    }
}

#[test]
fn only_the_first_segment_of_a_connection_counts_as_a_new_flow() {
    use crate::packet::{ACK, FIN, RST, SYN};
    let (mut lab, node) = (Lab::new(), Node::ipip(1, "10.2.0.1"));
    lab.service(Tcp, "10.0.0.1:80", &[&node]);
    lab.service(Udp, "10.0.0.1:80", &[&node]);
    for (flags, new_flow) in [
        (SYN, true),
        (SYN | 0xc0, true),
        (SYN | 0x08, true),
        (SYN | ACK, false),
        (ACK, false),
        (FIN | ACK, false),
        (RST, false),
        (0, false),
    ] {
        let packet = tcp(CLIENTS[0], "10.0.0.1:80").flags(flags);
        let expected = node.sent(&lab.settings.keys, &packet);
        let counted = lab.run(&packet.frame()).sends(&expected);
        if new_flow { counted.opened(to_target(1)) } else { counted.counted(to_target(1)) }
    }
    // The same bits at the same place of a datagram mean nothing.
    let datagram = udp(CLIENTS[0], "10.0.0.1:80").payload(&[SYN; 20]);
    let expected = node.sent(&lab.settings.keys, &datagram);
    lab.run(&datagram.frame()).sends(&expected).counted(Line::ToTarget(1));
}
