//! Addresses, ports, hop limit, MACs and checksums, on both ways.

use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::{Tcp, Udp};

use super::{each, first_packets, listen};
use crate::lab::{Lab, Node, to_target};
use crate::packet::{ACK, C_TAG, DESTINATION, HOP_BY_HOP, Packet, RST, S_TAG, SYN, checksum, syn, udp};

#[test]
fn a_flow_goes_to_its_target_and_its_replies_come_back() {
    each(|lab, node, packet| {
        let port = lab.opens(node, &packet);
        let reply = node.reply(&packet, port);
        lab.comes_back(node, &reply.clone().flags(SYN | ACK).payload(b""), &packet);
        let more = packet.clone().flags(ACK);
        for length in 0..20 {
            lab.goes_on(node, &more.clone().payload(&vec![0xa5; length]), port);
            lab.comes_back(node, &reply.clone().payload(&vec![0x5a; length]), &packet);
        }
    });
}

/// The expected bytes of the other tests are sums over everything; this one looks at what came out alone.
#[test]
fn every_checksum_adds_up_on_both_ways() {
    each(|lab, node, packet| {
        let first = lab.run(&packet.frame());
        let port = first.number(packet.transport());
        assert_adds_up(&first.output, &packet);
        first.sends(&node.translated(&packet, port).frame()).opened(to_target(node.id));
        let reply = node.reply(&packet, port);
        let back = lab.run(&reply.frame());
        assert_adds_up(&back.output, &reply);
        back.sends(&crate::lab::returned(&reply, &packet).frame()).counted(crate::lab::from_target(node.id));
    });
}

/// `like` tells the places of the headers, not their contents.
fn assert_adds_up(frame: &[u8], like: &Packet) {
    let (network, transport) = (like.network(), like.transport());
    let addresses =
        if like.is_v4() { &frame[network + 12..network + 20] } else { &frame[network + 8..network + 40] };
    if like.is_v4() {
        assert_eq!(checksum::sum(&frame[network..transport]), 0xffff, "the IPv4 header's sum");
    }
    let (source, destination) = addresses.split_at(addresses.len() / 2);
    let pseudo = checksum::pseudo_header(source, destination, like.protocol, frame.len() - transport);
    assert_eq!(checksum::sum(&[&pseudo, &frame[transport..]].concat()), 0xffff, "the transport's sum");
}

#[test]
fn a_datagram_without_a_checksum_stays_without() {
    each(|lab, node, packet| {
        let packet = Packet { checksum: false, ..packet };
        let port = lab.opens(node, &packet);
        lab.comes_back(node, &node.reply(&packet, port), &packet);
    });
}

/// RFC 768: a sum that comes out as zero is sent as all ones.
#[test]
fn a_datagram_whose_sum_becomes_zero_is_sent_with_all_ones() {
    each(|lab, node, packet| {
        if packet.protocol == crate::packet::TCP {
            return;
        }
        let port = lab.opens(node, &packet);
        let sum = |packet: &Packet| {
            let frame = packet.frame();
            u16::from_be_bytes([frame[packet.transport() + 6], frame[packet.transport() + 7]])
        };
        // The payload is what the sum lacked with a payload of zeros.
        let lacking = sum(&node.translated(&packet.clone().payload(&[0, 0]), port));
        let there = packet.clone().payload(&lacking.to_be_bytes());
        assert_eq!(sum(&node.translated(&there, port)), 0xffff, "all ones, on the way to the target");
        assert_ne!(sum(&there), 0xffff, "another sum, before");
        lab.goes_on(node, &there, port);

        let reply = node.reply(&packet, port);
        let returned = |reply: &Packet| crate::lab::returned(reply, &packet);
        let lacking = sum(&returned(&reply.clone().payload(&[0, 0])));
        let back = reply.payload(&lacking.to_be_bytes());
        assert_eq!(sum(&returned(&back)), 0xffff, "all ones, on the way to the client");
        lab.comes_back(node, &back, &packet);
    });
}

#[test]
fn tags_options_extension_headers_class_and_padding_stay_as_they_were() {
    each(|lab, node, packet| {
        let packet = Packet { traffic_class: 0xb9, padding: 7, ..packet };
        let packet = packet.tag(S_TAG, 0x6005).tag(C_TAG, 6);
        let packet = if packet.is_v4() {
            packet.options(&[7, 7, 4, 0, 0, 0, 0, 1])
        } else {
            packet.extension(HOP_BY_HOP, 1).extension(DESTINATION, 0)
        };
        let port = lab.opens(node, &packet);
        lab.comes_back(node, &node.reply(&packet, port), &packet);
    });
}

#[test]
fn a_target_without_a_port_is_reached_at_the_clients() {
    let node = Node::nat(3, "10.3.0.3", 0);
    let mut lab = Lab::new();
    lab.nat(Tcp, "10.0.0.3:0", &[&node]);
    lab.nat(Udp, "10.0.0.3:0", &[&node]);
    for port in [1, 443, 65535] {
        for packet in [syn, udp].map(|of| of("192.0.2.7:1234", &format!("10.0.0.3:{port}"))) {
            let from = lab.opens(&node, &packet);
            lab.comes_back(&node, &node.reply(&packet, from), &packet);
        }
    }
}

#[test]
fn one_hop_is_taken_on_each_way_and_the_last_one_never() {
    each(|lab, node, packet| {
        let port = lab.opens(node, &packet.clone().hop_limit(2));
        let reply = node.reply(&packet, port);
        for hop_limit in [2, 255] {
            lab.goes_on(node, &packet.clone().hop_limit(hop_limit), port);
            lab.comes_back(node, &reply.clone().hop_limit(hop_limit), &packet);
        }
        for hop_limit in [0, 1] {
            lab.run(&packet.clone().hop_limit(hop_limit).frame()).drops().counted(Verdict::HopLimit);
            lab.run(&reply.clone().hop_limit(hop_limit).frame()).drops().counted(Verdict::HopLimit);
        }
    });
}

#[test]
fn the_largest_packet_that_fits_the_path_goes_and_the_next_does_not() {
    each(|lab, node, packet| {
        let node = Node { mtu: 1400, ..node.clone() };
        lab.node(&node);
        let port = lab.opens(&node, &packet.clone().of_length(1400));
        lab.refuses_as_too_big(&packet.clone().whole().of_length(1401), 1400);
        // What the target sent fits its path; the way to the client is the network's.
        lab.comes_back(&node, &node.reply(&packet, port).of_length(1401), &packet);
    });
}

/// What is dropped was never said: it neither ends a flow nor keeps one.
#[test]
fn a_packet_that_is_dropped_closes_no_flow() {
    each(|lab, node, packet| {
        let node = Node { mtu: 1400, ..node.clone() };
        lab.node(&node);
        let port = lab.opens(&node, &packet);
        let (there, back) = (packet.clone().flags(RST), node.reply(&packet, port).flags(RST));
        lab.comes_back(&node, &node.reply(&packet, port), &packet);
        lab.run(&there.clone().hop_limit(1).frame()).drops().counted(Verdict::HopLimit);
        lab.run(&back.hop_limit(1).frame()).drops().counted(Verdict::HopLimit);
        lab.refuses_as_too_big(&there.whole().of_length(1401), 1400);
        // Longer than a closed flow is remembered, not as long as an open one.
        lab.age(lab.settings.nat_idle.closed + 1);
        lab.goes_on(&node, &packet.clone().flags(ACK), port);
    });
}

/// A packet that is not sent opens nothing: neither a stray hop limit nor a large packet fills the table.
#[test]
fn a_first_packet_that_is_dropped_opens_no_flow() {
    each(|lab, node, packet| {
        let node = Node { mtu: 1400, ..node.clone() };
        lab.node(&node);
        lab.run(&packet.clone().hop_limit(1).frame()).drops().counted(Verdict::HopLimit);
        lab.refuses_as_too_big(&packet.clone().whole().of_length(1401), 1400);
        let _: u16 = lab.opens(&node, &packet);
    });
}

#[test]
fn both_families_and_both_protocols_live_beside_each_other() {
    let mut lab = Lab::new();
    listen(&mut lab);
    let flows = first_packets(7).map(|(_, packet, node)| (lab.opens(&node, &packet), packet, node));
    for (port, packet, node) in &flows {
        lab.goes_on(node, &packet.clone().flags(ACK), *port);
        lab.comes_back(node, &node.reply(packet, *port), packet);
    }
}

#[test]
fn replies_go_by_the_mac_that_the_flows_first_packet_came_from() {
    each(|lab, node, packet| {
        let packet = Packet { from: [2, 9, 8, 7, 6, 5], to: [2, 5, 5, 5, 5, 5], ..packet };
        let port = lab.opens(node, &packet);
        let reply = Packet { to: [2, 6, 6, 6, 6, 6], from: [2, 7, 7, 7, 7, 7], ..node.reply(&packet, port) };
        lab.comes_back(node, &reply, &packet);
    });
}
