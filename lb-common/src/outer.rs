//! Outer headers of the encapsulation: IP in IP (RFC 2003) and its kin of other families (RFC 2473, RFC
//! 4213); and the UDP header of `gue` in between (draft-ietf-intarea-gue-09, section 4: variant 1, where the
//! packet follows at once, and its version tells it from other variants).

use crate::{
    checksum::fold,
    maps::{TARGET_GUE, TARGET_OUTER_V4, TARGET_OUTER_V6, Target, words_v4},
    parse::{Ipv4, Ipv6, UDP, Udp, ports},
    wire::{Be16, Be32},
};

/// Hop limit of the outer header: the way from the edge to the target, whatever the client's was.
const HOP_LIMIT: u8 = 64;

/// The packet was measured against the path's MTU, and a fragment could not be
/// unwrapped in XDP. It also makes the identification meaningless (RFC 6864, section 4.1).
const DONT_FRAGMENT: Be16 = Ipv4::DONT_FRAGMENT;

/// Sum of the 16-bit words of an outer IPv4 header that all packets to a target share: all but traffic
/// class, length, protocol and what varies of the source. Unfolded; `source` has the varying bits zero.
pub const fn partial_checksum(source: Be32, destination: Be32) -> u32 {
    halves(source)
        + halves(destination)
        + DONT_FRAGMENT.raw() as u32
        + Be16::new((Ipv4::PLAIN as u16) << 8).raw() as u32
        + Be16::new((HOP_LIMIT as u16) << 8).raw() as u32
}

const fn halves(word: Be32) -> u32 {
    (word.raw() & 0xffff) + (word.raw() >> 16)
}

/// UDP port of `gue` unless somebody says otherwise: IANA's.
pub const GUE_PORT: u16 = 6080;

/// The first port of those that `gue` sends from, and the bits that do not vary with the flow: RFC 6335 leaves
/// 49152 to 65535 to everybody.
const ENTROPY: u16 = 0xc000;

/// What of the packet shows in its outer header.
#[derive(Clone, Copy)]
pub struct Inner {
    /// What the outer header carries: 4 or 41, the family of the inner packet as a protocol; or UDP.
    pub protocol: u8,
    /// DSCP and ECN are carried over whole (RFC 2983 uniform model; RFC 6040 normal mode).
    pub traffic_class: u8,
    /// Of all that the outer header carries, in bytes.
    pub length: u32,
    /// The flow hash: varies the outer source, so that the target's NIC spreads the flows over its queues.
    pub hash: u64,
}

/// What is put before a packet on its way to a target with these flags, in bytes.
pub const fn overhead(flags: u16) -> u16 {
    let outer = match flags & (TARGET_OUTER_V4 | TARGET_OUTER_V6) {
        TARGET_OUTER_V4 => 20,
        TARGET_OUTER_V6 => 40,
        _ => 0,
    };
    if flags & TARGET_GUE == 0 { outer } else { outer + UDP_HEADER }
}

/// Bytes of a UDP header.
const UDP_HEADER: u16 = 8;

impl Inner {
    /// The same behind a UDP header.
    #[inline(always)]
    #[must_use]
    pub const fn in_udp(self) -> Self {
        Self { protocol: UDP, length: self.length + UDP_HEADER as u32, ..self }
    }
}

/// The UDP header of `gue` around a packet towards `target`.
///
/// Its checksum is zero, which means none (RFC 768) and is allowed in IPv6 where UDP carries a tunnel (RFC
/// 6935, RFC 6936): it would cover the whole packet, whose own checksums stand.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low bits of the hash; a length that was measured")]
pub const fn udp(target: &Target, inner: Inner) -> Udp {
    Udp {
        ports: ports(Be16::new(ENTROPY | inner.hash as u16), target.port),
        length: Be16::new(inner.length as u16 + UDP_HEADER),
        checksum: 0,
    }
}

/// The outer IPv4 header towards `target`. What it carries fits: 20 bytes more are at most 65,535.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low half of the hash; a length that was measured")]
pub const fn ipv4(target: &Target, inner: Inner) -> Ipv4 {
    let prefix = words_v4(target.source);
    let vary = inner.hash as u32 & target.source_mask.raw();
    let length = Be16::new(inner.length as u16 + size_of::<Ipv4>() as u16);
    let class = Be16::new(inner.traffic_class as u16);
    let protocol = Be16::new(inner.protocol as u16);
    // The varying bits are zero in the prefix that `target.checksum` counted, so adding is or-ing.
    let sum = target.checksum as u64
        + vary as u64
        + length.raw() as u64
        + class.raw() as u64
        + protocol.raw() as u64;
    Ipv4 {
        version: Ipv4::PLAIN,
        traffic_class: inner.traffic_class,
        length,
        identification: Be16::from_raw(0),
        fragment: DONT_FRAGMENT,
        hop_limit: HOP_LIMIT,
        protocol: inner.protocol,
        checksum: !fold(sum),
        source: Be32::from_raw(prefix.raw() | vary),
        destination: words_v4(target.destination),
    }
}

/// The outer IPv6 header towards `target`; the flow label tells the flow too (RFC 6438).
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low half of the hash; a length that was measured")]
pub const fn ipv6(target: &Target, inner: Inner) -> Ipv6 {
    let [first, last] = target.source;
    let vary = (inner.hash as u32 & target.source_mask.raw()) as u64;
    let vary = if cfg!(target_endian = "little") { vary << 32 } else { vary };
    let label = (inner.hash >> 12) as u32 & 0x000f_ffff;
    Ipv6 {
        first: Be32::new(6 << 28 | (inner.traffic_class as u32) << 20 | label),
        length: Be16::new(inner.length as u16),
        next_header: inner.protocol,
        hop_limit: HOP_LIMIT,
        source: [first, last | vary],
        destination: target.destination,
    }
}

#[cfg(test)]
mod tests {
    use core::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;
    use zerocopy::IntoBytes as _;

    use super::*;
    use crate::{maps::address_words, wire::Be16};

    proptest! {
        #[test]
        fn the_outer_ipv4_header_sums_to_nothing(
            prefix: u32, bits in 0_u32..=32, destination: u32, protocol: u8, traffic_class: u8,
            length in 0_u32..=65_515, hash: u64,
        ) {
            let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
            let source = prefix & !mask;
            let words = |address| address_words(IpAddr::V4(Ipv4Addr::from_bits(address)));
            let target = Target {
                flags: 0, largest: 0, port: Be16::default(), reserved: 0, link: [0; 3], interface: 0,
                destination: words(destination),
                source: words(source),
                source_mask: Be32::new(mask),
                checksum: partial_checksum(Be32::new(source), Be32::new(destination)),
            };
            let header = ipv4(&target, Inner { protocol, traffic_class, length, hash });
            let sum: u32 = header.as_bytes().chunks(2)
                .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                .sum();
            prop_assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "RFC 1071, section 1 (3)");
            prop_assert_eq!(header.source.get() & !mask, source);
            prop_assert_eq!(header.destination.get(), destination);
        }
    }
}
