//! The outer header, written down a second time.

use std::net::IpAddr;

use super::{Packet, UDP, checksum, octets};

/// What of an outer header is not fixed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outer {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) traffic_class: u8,
    /// IPv6.
    pub(crate) flow_label: u32,
    /// Of a UDP header in between, if there is one.
    pub(crate) ports: Option<(u16, u16)>,
}

/// The frame of `packet` with its IP packet wrapped whole: link and padding stay what they were.
pub(crate) fn within(outer: Outer, packet: &Packet) -> Vec<u8> {
    let (protocol, carried) = match outer.ports {
        Some(ports) => (UDP, [udp(ports, packet.ip().len()), packet.ip()].concat()),
        None => (if packet.is_v4() { 4 } else { 41 }, packet.ip()),
    };
    let (ethertype, header) = match outer.destination {
        IpAddr::V4(_) => (0x0800, ipv4(outer, protocol, carried.len())),
        IpAddr::V6(_) => (0x86dd, ipv6(outer, protocol, carried.len())),
    };
    [packet.link(ethertype), header, carried, vec![0; packet.padding]].concat()
}

/// Without a checksum.
fn udp((source, destination): (u16, u16), inner: usize) -> Vec<u8> {
    let length = u16::try_from(8 + inner).expect("a datagram");
    [source, destination, length, 0].map(u16::to_be_bytes).concat()
}

/// Identification zero, "don't fragment", 64 hops.
fn ipv4(outer: Outer, protocol: u8, inner: usize) -> Vec<u8> {
    let length = u16::try_from(20 + inner).expect("an IPv4 packet").to_be_bytes();
    let mut header = vec![0x45, outer.traffic_class];
    header.extend(length);
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(octets(outer.source));
    header.extend(octets(outer.destination));
    let checksum = checksum::internet(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn ipv6(outer: Outer, protocol: u8, inner: usize) -> Vec<u8> {
    let first = 6 << 28 | u32::from(outer.traffic_class) << 20 | outer.flow_label;
    let length = u16::try_from(inner).expect("an IPv6 payload").to_be_bytes();
    let mut header = first.to_be_bytes().to_vec();
    header.extend(length);
    header.extend([protocol, 64]);
    header.extend(octets(outer.source));
    header.extend(octets(outer.destination));
    header
}
