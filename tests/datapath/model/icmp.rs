//! What the node says itself, by ICMP (RFC 792, 1191, 1812) and ICMPv6 (RFC 4443).

use std::net::IpAddr;

use lb_common::verdict::Verdict;

use super::{Stop, headers::Headers};
use crate::packet::{Message, checksum, octets};

/// What becomes of a packet that is longer than the `largest` that fits its way.
pub(super) fn too_big(frame: &[u8], headers: &Headers, largest: usize) -> Stop {
    let (source, v4) = (headers.source.ip(), headers.source.is_ipv4());
    let header = &frame[headers.network..];
    if v4 && header[6] & 0x40 == 0 {
        return Verdict::NeedsFragmenting.into();
    }
    let least = if v4 { 68 } else { 1280 };
    if frame[0] & 1 == 1 || !is_a_host(source) || headers.length <= least {
        return Verdict::TooBig.into();
    }
    let (kind, code, room) = if v4 { (3, 4, 576 - 20 - 8) } else { (2, 0, 1280 - 40 - 8) };
    let body = header[..headers.length.min(room) / 4 * 4].to_vec();
    let word = u32::try_from(largest.max(least)).expect("an MTU");
    let message = Message { kind, code, word, body }.bytes(headers.destination, headers.source);
    let length = u16::try_from(message.len()).expect("a short message");
    let ends = [octets(headers.destination.ip()), octets(source)].concat();
    let ip = if v4 {
        let total = (length + 20).to_be_bytes();
        let mut ip = [&[0x45, 0xc0], &total[..], &[0, 0, 0x40, 0, 64, 1, 0, 0], &ends].concat();
        let sum = checksum::internet(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip
    } else {
        [&[0x6c, 0, 0, 0], &length.to_be_bytes()[..], &[58, 64], &ends].concat()
    };
    let tags = &frame[12..headers.network];
    Stop::Answered(Verdict::TooBigAnswered, [&frame[6..12], &frame[..6], tags, &ip, &message].concat())
}

/// No sender's: the network itself, loopback, groups, what is reserved.
fn is_a_host(address: IpAddr) -> bool {
    let nobody = match address {
        IpAddr::V4(address) => address.octets()[0] == 0 || address.octets()[0] >= 240,
        IpAddr::V6(_) => false,
    };
    !nobody && !address.is_unspecified() && !address.is_loopback() && !address.is_multicast()
}
