//! `l2`: the target's MAC, one hop less, and every other byte as it came.

use lb_common::{maps::TARGET_RESOLVED, verdict::Verdict};
use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::lab::{Lab, Node, to_target};
use crate::packet::{C_TAG, Packet, ROUTING, S_TAG, syn, tcp, udp};

const V4: (&str, &str) = ("192.0.2.7:40000", "10.0.0.1:80");
const V6: (&str, &str) = ("[2001:db8::7]:40000", "[fd00::1]:80");

/// Clients of either family before a target of either: the target's address only leads to its MAC.
fn each_way(mut claim: impl FnMut(&mut Lab, &Node, Packet)) {
    for address in ["10.2.0.1", "fd02::1"] {
        let node = Node::l2(1, address);
        let mut lab = Lab::new();
        for (client, vip) in [V4, V6] {
            println!("{vip} to {address}");
            lab.service(Tcp, vip, &[&node]);
            lab.service(Udp, vip, &[&node]);
            claim(&mut lab, &node, tcp(client, vip));
        }
    }
}

fn sent(lab: &mut Lab, node: &Node, packet: &Packet) {
    let expected = node.sent(&lab.settings.keys, packet);
    lab.run(&packet.frame()).sends(&expected).counted(to_target(1));
}

#[test]
fn a_packet_is_these_bytes() {
    let node = Node::l2(1, "10.2.0.1");
    let mut lab = Lab::new();
    lab.service(Udp, V4.1, &[&node]);
    let frame = udp(V4.0, V4.1).payload(b"hi").frame();
    let expected = [
        [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2, 8, 0].as_slice(),
        // 63 hops; the checksum gains what the hop limit lost.
        &[0x45, 0, 0, 30, 0x1d, 0x1d, 0, 0, 63, 17, 0x92, 0xaa, 192, 0, 2, 7, 10, 0, 0, 1],
        &frame[34..],
    ]
    .concat();
    lab.run(&frame).sends(&expected).counted(to_target(1));
}

#[test]
fn nothing_but_macs_and_hop_limit_changes() {
    each_way(|lab, node, packet| {
        for traffic_class in 0..=255 {
            sent(lab, node, &Packet { traffic_class, ..packet.clone() });
        }
        for protocol in [6, 17] {
            for checksum in [true, false] {
                sent(lab, node, &Packet { protocol, checksum, padding: 9, ..packet.clone() });
            }
        }
        let long = if packet.is_v4() { packet.options(&[1; 40]) } else { packet.extension(ROUTING, 3) };
        sent(lab, node, &long);
    });
}

#[test]
fn vlan_tags_stay_as_they_were() {
    each_way(|lab, node, packet| {
        for tags in [vec![(C_TAG, 100)], vec![(S_TAG, 0xefff)], vec![(S_TAG, 200), (C_TAG, 0x6064)]] {
            sent(lab, node, &Packet { tags, ..packet.clone() });
        }
    });
}

#[test]
fn one_hop_is_taken_and_the_last_one_never() {
    each_way(|lab, node, packet| {
        for hop_limit in [2, 3, 64, 255] {
            sent(lab, node, &packet.clone().hop_limit(hop_limit));
        }
        for hop_limit in [0, 1] {
            lab.run(&packet.clone().hop_limit(hop_limit).frame()).drops().counted(Verdict::HopLimit);
        }
    });
}

#[test]
fn the_largest_packet_is_the_paths_and_the_next_is_too_big() {
    each_way(|lab, node, packet| {
        sent(lab, node, &packet.clone().of_length(1500));
        lab.refuses_as_too_big(&packet.whole().of_length(1501), 1500);
    });
}

#[test]
fn no_room_is_needed_before_the_frame() {
    each_way(|lab, node, packet| {
        let expected = node.sent(&lab.settings.keys, &packet);
        lab.run_with_headroom(0, &packet.frame()).sends(&expected).counted(to_target(1));
    });
}

#[test]
fn a_connection_that_opens_is_counted() {
    let node = Node::l2(1, "10.2.0.1");
    let mut lab = Lab::new();
    lab.service(Tcp, V4.1, &[&node]);
    let packet = syn(V4.0, V4.1);
    let expected = node.sent(&lab.settings.keys, &packet);
    lab.run(&packet.frame()).sends(&expected).opened(to_target(1));
}

#[test]
fn an_unresolved_target_has_no_next_hop() {
    each_way(|lab, node, packet| {
        lab.node(&node.clone().without(TARGET_RESOLVED));
        lab.run(&packet.frame()).drops().counted(Verdict::NextHopUnresolved);
        lab.node(&Node { interface: 99, ..node.clone() });
        lab.run(&packet.frame()).drops().counted(Verdict::NextHopUnresolved);
        lab.node(node);
    });
}
