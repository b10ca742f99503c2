//! What a packet's bytes become.

use std::net::SocketAddr;

use super::headers::Headers;
use crate::{
    lab::Node,
    packet::{TCP, UDP, checksum, octets},
};

/// The frame with one hop less to the node's next hop, in an outer header where the node wants one.
pub(super) fn whole(frame: &[u8], headers: &Headers, node: &Node, flow: u64) -> Vec<u8> {
    let mut inner = hopped(frame, headers);
    if !node.encloses() {
        inner[..12].copy_from_slice(&[node.mac(), node.own_mac].concat());
        return inner;
    }
    let length = |bytes: usize| u16::try_from(bytes).expect("it fits the MTU").to_be_bytes();
    let (mut protocol, mut carried) = (if headers.source.is_ipv4() { 4 } else { 41 }, headers.length);
    let mut udp = Vec::new();
    if node.in_udp() {
        (protocol, carried) = (UDP, 8 + headers.length);
        let port = 0xc000 | u16::try_from(flow & 0x3fff).expect("14 bits");
        udp = [port.to_be_bytes(), node.port.to_be_bytes(), length(carried), [0, 0]].concat();
    }
    let mut source = octets(node.source);
    let varying = flow.to_le_bytes();
    let last = source.len() - 4;
    for (at, mask) in node.mask.to_be_bytes().into_iter().enumerate() {
        source[last + at] |= varying[at] & mask;
    }
    let mut outer = Vec::new();
    if node.address.is_ipv4() {
        outer.extend([0x45, headers.traffic_class]);
        outer.extend(length(20 + carried));
        outer.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    } else {
        let label = u32::try_from(flow >> 12 & 0xf_ffff).expect("20 bits");
        outer.extend((6 << 28 | u32::from(headers.traffic_class) << 20 | label).to_be_bytes());
        outer.extend(length(carried));
        outer.extend([protocol, 64]);
    }
    outer.extend(source);
    outer.extend(octets(node.address));
    let ethertype = if node.address.is_ipv4() {
        let sum = checksum::internet(&outer);
        outer[10..12].copy_from_slice(&sum.to_be_bytes());
        [0x08, 0x00]
    } else {
        [0x86, 0xdd]
    };
    let tags = &frame[12..headers.network - 2];
    [&node.mac(), &node.own_mac, tags, &ethertype, &outer, &udp, &inner[headers.network..]].concat()
}

/// The frame with one hop less and other addresses and ports.
pub(super) fn translated(
    frame: &[u8],
    headers: &Headers,
    macs: [[u8; 6]; 2],
    source: SocketAddr,
    destination: SocketAddr,
) -> Vec<u8> {
    let mut frame = hopped(frame, headers);
    frame[..12].copy_from_slice(&macs.concat());
    let tuple = |source: SocketAddr, destination: SocketAddr| {
        let addresses = [octets(source.ip()), octets(destination.ip())].concat();
        let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
        (addresses, ports)
    };
    let (old_addresses, old_ports) = tuple(headers.source, headers.destination);
    let (addresses, ports) = tuple(source, destination);
    let first = headers.network + if source.is_ipv4() { 12 } else { 8 };
    frame[first..first + addresses.len()].copy_from_slice(&addresses);
    frame[headers.transport..headers.transport + 4].copy_from_slice(&ports);
    if source.is_ipv4() {
        put(&mut frame, headers.network + 10, |sum| updated(sum, &old_addresses, &addresses));
    }
    let (old, new) = ([old_addresses, old_ports].concat(), [addresses, ports].concat());
    if headers.protocol == TCP {
        put(&mut frame, headers.transport + 16, |sum| updated(sum, &old, &new));
    } else {
        put(&mut frame, headers.transport + 6, |sum| match (sum, updated(sum, &old, &new)) {
            // RFC 768: none stays none, and a sum of zero is sent as all ones.
            (0, _) => 0,
            (_, 0) => 0xffff,
            (_, new) => new,
        });
    }
    frame
}

/// The frame with one hop less.
fn hopped(frame: &[u8], headers: &Headers) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if headers.source.is_ipv4() {
        let at = headers.network + 8;
        let old = [frame[at], frame[at + 1]];
        frame[at] -= 1;
        let new = [frame[at], frame[at + 1]];
        put(&mut frame, headers.network + 10, |sum| updated(sum, &old, &new));
    } else {
        frame[headers.network + 7] -= 1;
    }
    frame
}

fn put(frame: &mut [u8], at: usize, change: impl Fn(u16) -> u16) {
    let new = change(u16::from_be_bytes([frame[at], frame[at + 1]]));
    frame[at..at + 2].copy_from_slice(&new.to_be_bytes());
}

/// A checksum, right or wrong, after `old` under it became `new`: as wrong as before.
///
/// One's complement arithmetic is arithmetic modulo 65,535, whose zero has two forms; a sum of something
/// takes the form of all ones, so a checksum that of zeros.
fn updated(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    const MODULUS: i64 = 65_535;
    let sum = i64::from(!checksum) - i64::from(checksum::sum(old)) + i64::from(checksum::sum(new));
    match u16::try_from(sum.rem_euclid(MODULUS)).expect("less than the modulus") {
        0 => 0,
        sum => !sum,
    }
}
