//! Ethernet: VLAN tags, and what pads a frame.

use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::Tcp;

use crate::lab::{Lab, Node, to_target};
use crate::packet::{C_TAG, Packet, S_TAG, tcp};

const CLIENTS: [&str; 2] = ["192.0.2.7:40000", "[2001:db8::7]:40000"];
const VIPS: [&str; 2] = ["10.0.0.1:80", "[fd00::1]:80"];

/// Each family in each family's outer header, without UDP and with it.
fn each_way(mut claim: impl FnMut(&mut Lab, &Node, Packet)) {
    let nodes = ["10.2.0.1", "fd02::1"].map(|address| [Node::ipip(1, address), Node::gue(1, address)]);
    for node in nodes.into_iter().flatten() {
        let mut lab = Lab::new();
        for (client, vip) in CLIENTS.into_iter().zip(VIPS) {
            println!("{vip} in {}, in UDP: {}", node.address, node.in_udp());
            lab.service(Tcp, vip, &[&node]);
            claim(&mut lab, &node, tcp(client, vip));
        }
    }
}

#[test]
fn up_to_two_vlan_tags_stay_as_they_were() {
    let stacks: [&[(u16, u16)]; 6] = [
        &[],
        &[(C_TAG, 100)],
        &[(S_TAG, 0xefff)],
        &[(S_TAG, 200), (C_TAG, 0x6064)],
        &[(C_TAG, 1), (C_TAG, 2)],
        &[(S_TAG, 0), (S_TAG, 0)],
    ];
    each_way(|lab, node, packet| {
        for tags in stacks {
            let packet = Packet { tags: tags.to_vec(), ..packet.clone() };
            let expected = node.sent(&lab.settings.keys, &packet);
            lab.run(&packet.frame()).sends(&expected).counted(to_target(1));
        }
    });
}

#[test]
fn a_third_vlan_tag_is_the_hosts() {
    each_way(|lab, _, packet| {
        let packet = packet.tag(S_TAG, 1).tag(S_TAG, 2).tag(C_TAG, 3);
        lab.run(&packet.frame()).passes().counted(Verdict::NotIp);
    });
}

#[test]
fn what_pads_the_frame_is_not_taken_for_the_packet() {
    each_way(|lab, node, packet| {
        for padding in [1, 2, 46, 300] {
            let packet = Packet { padding, ..packet.clone() };
            let expected = node.sent(&lab.settings.keys, &packet);
            lab.run(&packet.frame()).sends(&expected).counted(to_target(1));
        }
    });
}

#[test]
fn a_transport_header_that_only_padding_makes_room_for_is_bad() {
    each_way(|lab, _, packet| {
        let network = packet.network();
        let mut frame = Packet { padding: 46, ..packet.payload(b"") }.frame();
        // One byte less than TCP's header needs.
        let at = if frame[network] >> 4 == 4 { network + 3 } else { network + 5 };
        frame[at] -= 1;
        lab.run(&frame).drops().counted(Verdict::BadHeader);
    });
}

#[test]
fn a_type_that_is_neither_family_is_the_hosts() {
    let mut lab = Lab::new();
    let mut frame = tcp(CLIENTS[0], VIPS[0]).frame();
    for ethertype in [0x0000, 0x05dc, 0x0806, 0x0801, 0x86dc, 0x8847, 0x8864, 0x88cc, 0x9100, 0xffff_u16] {
        println!("{ethertype:04x}");
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        lab.run(&frame).passes().counted(Verdict::NotIp);
    }
}

#[test]
fn a_packet_of_one_family_under_the_type_of_the_other_is_bad() {
    each_way(|lab, _, packet| {
        let mut frame = packet.frame();
        let ethertype = if packet.is_v4() { 0x86dd_u16 } else { 0x0800 };
        frame[12..14].copy_from_slice(&ethertype.to_be_bytes());
        lab.run(&frame).drops().counted(Verdict::BadHeader);
    });
}
