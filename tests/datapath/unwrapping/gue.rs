//! A UDP header in between: whose it is, and what it must say.

use lb_common::verdict::NodeVerdict;

use super::{CLIENTS, GUE_PORT, NodeLab, VIPS, each_way, outers};
use crate::packet::{FRAGMENT, Outer, Packet, tcp, within};

/// Each way that has a UDP header, and the header's offset.
fn each_way_in_udp(mut claim: impl FnMut(Outer, &Packet, usize)) {
    each_way(|outer, packet| {
        if outer.ports.is_some() {
            claim(outer, &packet, if outer.destination.is_ipv4() { 34 } else { 54 });
        }
    });
}

#[test]
fn another_port_is_another_service() {
    let mut lab = NodeLab::allowing(&["192.0.2.0/32"]);
    each_way_in_udp(|outer, packet, _| {
        for port in [0, 1, GUE_PORT - 1, GUE_PORT + 1, GUE_PORT.swap_bytes(), 0xffff] {
            // Nor is its source anybody's business.
            lab.passes(&within(Outer { ports: Some((GUE_PORT, port)), ..outer }, packet));
        }
        lab.drops(&within(outer, packet), NodeVerdict::SourceDenied);
    });
}

#[test]
fn the_source_port_is_any() {
    let mut lab = NodeLab::new();
    each_way_in_udp(|outer, packet, _| {
        for port in [0, 1, 49_152, 65_535] {
            lab.unwraps(&within(Outer { ports: Some((port, GUE_PORT)), ..outer }, packet), packet);
        }
    });
}

#[test]
fn a_checksum_is_for_the_host_to_verify() {
    let mut lab = NodeLab::new();
    each_way_in_udp(|outer, packet, udp| {
        for checksum in [[0, 1], [1, 0], [0xff, 0xff]] {
            let mut frame = within(outer, packet);
            frame[udp + 6..udp + 8].copy_from_slice(&checksum);
            lab.passes(&frame);
        }
    });
}

/// The first two bits tell the variant (draft-ietf-intarea-gue-09, section 4): 01 is ours, with the versions of IP.
#[test]
fn other_variants_are_the_hosts() {
    let mut lab = NodeLab::new();
    each_way_in_udp(|outer, packet, udp| {
        for first in [0x00, 0x05, 0x10, 0x3f, 0x50, 0x70, 0x80, 0xc5, 0xff] {
            let mut frame = within(outer, packet);
            frame[udp + 8] = first;
            lab.passes(&frame);
        }
    });
}

#[test]
fn a_length_that_contradicts_the_outer_header_is_bad() {
    let mut lab = NodeLab::new();
    each_way_in_udp(|outer, packet, udp| {
        let frame = within(outer, packet);
        let inner = packet.ip().len();
        let right = u16::try_from(8 + inner).expect("a datagram");
        // The last three leave less than the inner packet says it has.
        for length in [right + 1, 0xffff, 7, 0, 8, 9, right - 1] {
            println!("{length} instead of {right}");
            let mut frame = frame.clone();
            frame[udp + 4..udp + 6].copy_from_slice(&length.to_be_bytes());
            lab.drops(&frame, NodeVerdict::BadHeader);
        }
    });
}

/// Bytes behind the datagram, in the outer packet, are as good as padding.
#[test]
fn an_outer_packet_may_be_longer_than_its_datagram() {
    let mut lab = NodeLab::new();
    each_way_in_udp(|outer, packet, udp| {
        let longer = Packet { payload: [&packet.payload[..], &[0; 9]].concat(), ..packet.clone() };
        let mut frame = within(outer, &longer);
        let inner = within(outer, packet);
        frame[udp..inner.len()].copy_from_slice(&inner[udp..]);
        lab.unwraps(&frame, &Packet { padding: 9, ..packet.clone() });
    });
}

#[test]
fn a_datagram_with_nothing_in_it_is_the_hosts() {
    let mut lab = NodeLab::new();
    let [_, _, v4, v6] = outers();
    for (outer, length_at) in [(v4, 16), (v6, 18)] {
        let whole = within(outer, &tcp(CLIENTS[0], VIPS[0]));
        let headers = if outer.destination.is_ipv4() { 20 } else { 0 };
        for carried in [0_u16, 7, 8] {
            let mut frame = whole.clone();
            frame[length_at..length_at + 2].copy_from_slice(&(headers + carried).to_be_bytes());
            lab.passes(&frame);
            // Also where the frame ends with it.
            frame.truncate(if headers == 20 { 34 } else { 54 } + usize::from(carried));
            lab.passes(&frame);
        }
    }
}

#[test]
fn an_outer_fragment_is_the_hosts() {
    let mut lab = NodeLab::new();
    let [_, _, _, v6] = outers();
    let mut frame = within(v6, &tcp(CLIENTS[0], VIPS[0]));
    frame[20] = FRAGMENT;
    lab.passes(&frame);
}
