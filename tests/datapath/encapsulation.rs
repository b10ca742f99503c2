//! `ipip` and `gue`: the outer header, byte by byte.

use std::collections::BTreeSet;
use std::net::IpAddr;

use lb_common::maps::{TARGET_RESOLVED, TARGET_SERVES};
use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::lab::{Lab, Node, Ran, to_target};
use crate::packet::{Packet, checksum, tcp, udp};

const V4: (&str, &str) = ("192.0.2.7:40000", "10.0.0.1:80");
const V6: (&str, &str) = ("[2001:db8::7]:40000", "[fd00::1]:80");

/// Where an untagged frame's IP header stands.
const OUTER: usize = 14;

/// A listener of each family and protocol, over one target.
fn lab(node: &Node) -> Lab {
    let mut lab = Lab::new();
    for (_, vip) in [V4, V6] {
        lab.service(Tcp, vip, &[node]);
        lab.service(Udp, vip, &[node]);
    }
    lab
}

/// 4in4, 6in4, 4in6 and 6in6, without UDP and with it; the last figure is what is put before the packet.
fn each_way(mut claim: impl FnMut(&mut Lab, &Node, Packet, usize)) {
    let nodes = ["10.2.0.1", "fd02::1"].map(|address| [Node::ipip(1, address), Node::gue(1, address)]);
    for node in nodes.into_iter().flatten() {
        let mut lab = lab(&node);
        for (client, vip) in [V4, V6] {
            println!("{vip} in {}, in UDP: {}", node.address, node.in_udp());
            claim(&mut lab, &node, tcp(client, vip), node.before());
        }
    }
}

fn sent(lab: &mut Lab, node: &Node, packet: &Packet) -> Vec<u8> {
    let expected = node.sent(&lab.settings.keys, packet);
    lab.run(&packet.frame()).sends(&expected).counted(to_target(1));
    expected
}

/// One frame written out by hand, so that the builder of the other tests is not alone in its opinion.
#[test]
fn a_packet_in_ipv4_is_these_bytes() {
    let node = Node { mask: 0, ..Node::ipip(1, "10.2.0.1") };
    let packet = udp(V4.0, V4.1).payload(b"hi");
    let frame = packet.frame();
    let expected = [
        // Ethernet: to the target's next hop, from us; IPv4.
        [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2, 8, 0].as_slice(),
        // IPv4, 50 bytes, not to be fragmented, 64 hops, protocol 4; 172.16.0.0 to 10.2.0.1.
        &[0x45, 0, 0, 50, 0, 0, 0x40, 0, 64, 4, 0x84, 0xb5, 172, 16, 0, 0, 10, 2, 0, 1],
        // IPv4, 30 bytes, 63 hops, UDP; 192.0.2.7 to 10.0.0.1. The checksum gains what the hop limit lost.
        &[0x45, 0, 0, 30, 0x1d, 0x1d, 0, 0, 63, 17, 0x92, 0xaa, 192, 0, 2, 7, 10, 0, 0, 1],
        // UDP and its payload, as they came.
        &frame[34..],
    ]
    .concat();
    assert_eq!(&frame[34..40], &[0x9c, 0x40, 0, 80, 0, 10], "ports and length, as they came");
    lab(&node).run(&frame).sends(&expected).counted(to_target(1));
}

#[test]
fn a_packet_in_ipv6_is_these_bytes() {
    let node = Node { mask: 0, ..Node::ipip(1, "fd02::1") };
    let packet = udp(V4.0, V4.1).payload(b"hi");
    let frame = packet.frame();
    let mut lab = lab(&node);
    let ran = lab.run(&frame);
    // The label is the flow's: any but zero will do here.
    let label = ran.output[15..18].to_vec();
    assert_ne!(label, [0, 0, 0], "a flow label");
    let expected = [
        [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd].as_slice(),
        &[0x60, label[0], label[1], label[2], 0, 30, 4, 64],
        &[0xfd, 0xed, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0x45, 0, 0, 30, 0x1d, 0x1d, 0, 0, 63, 17, 0x92, 0xaa, 192, 0, 2, 7, 10, 0, 0, 1],
        &frame[34..],
    ]
    .concat();
    ran.sends(&expected).counted(to_target(1));
}

#[test]
fn a_packet_in_udp_in_ipv4_is_these_bytes() {
    let node = Node { mask: 0, port: 0x1234, ..Node::gue(1, "10.2.0.1") };
    let frame = udp(V4.0, V4.1).payload(b"hi").frame();
    let mut lab = lab(&node);
    let ran = lab.run(&frame);
    let source = ran.output[34..36].to_vec();
    assert!(source[0] >= 0xc0, "a port from 49152 on: {source:?}");
    let expected = [
        [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2, 8, 0].as_slice(),
        // IPv4, 58 bytes, not to be fragmented, 64 hops, UDP; 172.16.0.0 to 10.2.0.1.
        &[0x45, 0, 0, 58, 0, 0, 0x40, 0, 64, 17, 0x84, 0xa0, 172, 16, 0, 0, 10, 2, 0, 1],
        // UDP, 38 bytes, without a checksum.
        &[source[0], source[1], 0x12, 0x34, 0, 38, 0, 0],
        &[0x45, 0, 0, 30, 0x1d, 0x1d, 0, 0, 63, 17, 0x92, 0xaa, 192, 0, 2, 7, 10, 0, 0, 1],
        &frame[34..],
    ]
    .concat();
    ran.sends(&expected).counted(to_target(1));
}

#[test]
fn a_packet_in_udp_in_ipv6_is_these_bytes() {
    let node = Node { mask: 0, ..Node::gue(1, "fd02::1") };
    let frame = udp(V4.0, V4.1).payload(b"hi").frame();
    let mut lab = lab(&node);
    let ran = lab.run(&frame);
    let (label, source) = (ran.output[15..18].to_vec(), ran.output[54..56].to_vec());
    assert!(source[0] >= 0xc0, "a port from 49152 on: {source:?}");
    let expected = [
        [2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd].as_slice(),
        &[0x60, label[0], label[1], label[2], 0, 38, 17, 64],
        &[0xfd, 0xed, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        // To port 6080, which is 0x17c0.
        &[source[0], source[1], 0x17, 0xc0, 0, 38, 0, 0],
        &[0x45, 0, 0, 30, 0x1d, 0x1d, 0, 0, 63, 17, 0x92, 0xaa, 192, 0, 2, 7, 10, 0, 0, 1],
        &frame[34..],
    ]
    .concat();
    ran.sends(&expected).counted(to_target(1));
}

#[test]
fn the_udp_source_port_tells_the_flow() {
    each_way(|lab, node, packet, header| {
        if !node.in_udp() {
            return;
        }
        let at = OUTER + header - 8;
        let port = |frame: &[u8]| u16::from_be_bytes([frame[at], frame[at + 1]]);
        let mut ports = BTreeSet::new();
        for client in 1..=100 {
            let mut packet = packet.clone();
            packet.source.set_port(client);
            let of_flow = port(&sent(lab, node, &packet));
            assert!(of_flow >= 49_152);
            let other = Packet { traffic_class: 0xb8, flags: 0x18, ..packet.payload(b"more") };
            assert_eq!(of_flow, port(&sent(lab, node, &other)), "one flow, one port");
            ports.insert(of_flow);
        }
        assert!(ports.len() > 95, "100 flows have {} ports", ports.len());
    });
}

#[test]
fn each_family_goes_in_each_family() {
    each_way(|lab, node, packet, _| {
        for protocol in [6, 17] {
            let packet = Packet { protocol, ..packet.clone() };
            sent(lab, node, &packet);
            sent(lab, node, &Packet { checksum: false, ..packet });
        }
    });
}

#[test]
fn the_outer_header_and_the_inner_one_add_up() {
    each_way(|lab, node, packet, header| {
        for payload in 0..40 {
            let frame = sent(lab, node, &packet.clone().payload(&vec![0xff; payload]));
            if node.address.is_ipv4() {
                assert_eq!(checksum::sum(&frame[OUTER..OUTER + 20]), 0xffff, "the outer header's sum");
            }
            let inner = OUTER + header;
            if packet.is_v4() {
                assert_eq!(checksum::sum(&frame[inner..inner + 20]), 0xffff, "the inner header's sum");
            }
        }
    });
}

#[test]
fn dscp_and_ecn_show_in_the_outer_header() {
    each_way(|lab, node, packet, _| {
        for traffic_class in 0..=255 {
            sent(lab, node, &Packet { traffic_class, ..packet.clone() });
        }
    });
}

#[test]
fn one_hop_is_taken_and_the_last_one_never() {
    each_way(|lab, node, packet, _| {
        for hop_limit in [2, 3, 64, 128, 255] {
            sent(lab, node, &packet.clone().hop_limit(hop_limit));
        }
        for hop_limit in [0, 1] {
            lab.run(&packet.clone().hop_limit(hop_limit).frame()).drops().counted(Verdict::HopLimit);
        }
    });
}

#[test]
fn the_largest_packet_that_fits_the_path_goes_and_the_next_does_not() {
    for mtu in [1328, 1500, 1501, 3000] {
        each_way(|lab, node, packet, header| {
            let node = Node { mtu, ..node.clone() };
            lab.node(&node);
            let fits = usize::from(mtu) - header;
            sent(lab, &node, &packet.clone().of_length(fits));
            // What pads the frame does not count.
            sent(lab, &node, &Packet { padding: 30, ..packet.clone().of_length(fits) });
            let too_big = packet.whole().of_length(fits + 1);
            lab.refuses_as_too_big(&too_big, fits);
        });
    }
}

#[test]
fn the_outer_source_varies_with_the_flow_and_keeps_its_prefix() {
    each_way(|lab, node, packet, _| {
        let mut sources = BTreeSet::new();
        let address = if node.address.is_ipv4() { 12..16 } else { 8..24 };
        for port in 1..=100 {
            let mut packet = packet.clone();
            packet.source.set_port(port);
            let source = sent(lab, node, &packet)[OUTER..][address.clone()].to_vec();
            let prefix = if node.address.is_ipv4() { 2 } else { 13 };
            let whole = match node.source {
                IpAddr::V4(source) => source.octets().to_vec(),
                IpAddr::V6(source) => source.octets().to_vec(),
            };
            assert_eq!(source[..prefix], whole[..prefix], "the node's prefix");
            // Another packet of the flow, of another length and class.
            let other = Packet { traffic_class: 0xb8, flags: 0x18, ..packet.payload(b"more") };
            assert_eq!(source, sent(lab, node, &other)[OUTER..][address.clone()], "one flow, one source");
            sources.insert(source);
        }
        assert!(sources.len() > 95, "100 flows have {} sources", sources.len());
    });
}

#[test]
fn a_prefix_that_is_an_address_leaves_nothing_to_vary() {
    each_way(|lab, node, packet, _| {
        let node = Node { mask: 0, ..node.clone() };
        lab.node(&node);
        for port in 1..20 {
            let mut packet = packet.clone();
            packet.source.set_port(port);
            sent(lab, &node, &packet);
        }
    });
}

#[test]
fn a_driver_that_leaves_too_little_room_costs_the_packet_and_one_byte_more_does_not() {
    each_way(|lab, node, packet, header| {
        let expected = node.sent(&lab.settings.keys, &packet);
        let enough: Ran = lab.run_with_headroom(header, &packet.frame());
        enough.sends(&expected).counted(to_target(1));
        lab.run_with_headroom(header - 4, &packet.frame()).drops().counted(Verdict::NoHeadroom);
    });
}

#[test]
fn an_unresolved_target_or_an_interface_that_is_not_ours_has_no_next_hop() {
    each_way(|lab, node, packet, _| {
        lab.node(&node.clone().without(TARGET_RESOLVED));
        lab.run(&packet.frame()).drops().counted(Verdict::NextHopUnresolved);
        lab.node(&Node { interface: 99, ..node.clone() });
        lab.run(&packet.frame()).drops().counted(Verdict::NextHopUnresolved);
        lab.node(node);
        sent(lab, node, &packet);
    });
}

#[test]
fn a_target_that_serves_no_recorded_flows_is_still_the_rings_choice() {
    each_way(|lab, node, packet, _| {
        lab.node(&node.clone().without(TARGET_SERVES));
        sent(lab, node, &packet);
    });
}
