//! Outer headers: what varies, and what must not.
#![cfg(test)]

use std::net::{IpAddr, Ipv6Addr};

use lb_common::{
    maps::{
        TARGET_GUE_V4, TARGET_GUE_V6, TARGET_L2, TARGET_NAT, TARGET_OUTER_V4, TARGET_OUTER_V6,
        TARGET_RESOLVED, TARGET_SERVES, Target, address_words,
    },
    outer::{self, Inner, overhead, partial_checksum},
    wire::{Be16, Be32},
};
use proptest::prelude::*;
use zerocopy::IntoBytes as _;

fn target(source: IpAddr, destination: IpAddr, mask: u32) -> Target {
    let checksum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            partial_checksum(Be32::new(source.to_bits()), Be32::new(destination.to_bits()))
        }
        _ => 0,
    };
    Target {
        flags: 0,
        largest: 0,
        port: Be16::new(0),
        reserved: 0,
        link: [0; 3],
        interface: 0,
        destination: address_words(destination),
        source: address_words(source),
        source_mask: Be32::new(mask),
        checksum,
    }
}

proptest! {
    /// RFC 791 has the sum; RFC 2003 the protocol; RFC 6864 lets a packet that is never fragmented have no
    /// identification.
    #[test]
    fn an_ipv4_header_is_these_twenty_bytes(
        prefix: u32, bits in 0_u32..=32, destination: u32, six: bool, traffic_class: u8, length in 0_u32..=65_515,
        hash: u64,
    ) {
        let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
        let source = prefix & !mask;
        let target = target(IpAddr::V4(source.into()), IpAddr::V4(destination.into()), mask);
        let protocol = if six { 41 } else { 4 };
        let header = outer::ipv4(&target, Inner { protocol, traffic_class, length, hash });
        let bytes = header.as_bytes();
        let whole = u16::try_from(length + 20).expect("the largest fits").to_be_bytes();
        prop_assert_eq!(&bytes[..10], &[0x45, traffic_class, whole[0], whole[1], 0, 0, 0x40, 0, 64, protocol]);
        let is = u32::from_be_bytes(bytes[12..16].try_into().expect("four bytes"));
        prop_assert_eq!(is & !mask, source, "the prefix");
        let varying = u32::from_be_bytes(hash.to_le_bytes()[..4].try_into().expect("four bytes"));
        prop_assert_eq!(is & mask, varying & mask, "what varies");
        prop_assert_eq!(&bytes[16..], &destination.to_be_bytes());
        let sum = bytes.chunks(2).fold(0, |sum, word| {
            let sum = sum + (u32::from(word[0]) << 8 | u32::from(word[1]));
            (sum & 0xffff) + (sum >> 16)
        });
        prop_assert_eq!(sum, 0xffff, "the checksum");
    }

    #[test]
    fn an_ipv6_header_is_these_forty_bytes(
        prefix: u128, bits in 0_u32..=32, destination: u128, six: bool, traffic_class: u8,
        length in 0_u32..=65_535, hash: u64,
    ) {
        let mask = u32::MAX.checked_shr(32 - bits).unwrap_or(0);
        let source = prefix & !u128::from(mask);
        let address = |bits: u128| IpAddr::V6(Ipv6Addr::from_bits(bits));
        let protocol = if six { 41 } else { 4 };
        let header = outer::ipv6(
            &target(address(source), address(destination), mask),
            Inner { protocol, traffic_class, length, hash },
        );
        let bytes = header.as_bytes();
        let first = u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
        prop_assert_eq!(first >> 20, 0x600 | u32::from(traffic_class), "version and class");
        let whole = u16::try_from(length).expect("the largest fits").to_be_bytes();
        prop_assert_eq!(&bytes[4..8], &[whole[0], whole[1], protocol, 64]);
        let is = u128::from_be_bytes(bytes[8..24].try_into().expect("sixteen bytes"));
        prop_assert_eq!(is & !u128::from(mask), source, "the prefix");
        let varying = u32::from_be_bytes(hash.to_le_bytes()[..4].try_into().expect("four bytes"));
        prop_assert_eq!(is & u128::from(mask), u128::from(varying & mask), "what varies");
        prop_assert_eq!(&bytes[24..], &destination.to_be_bytes());
    }

    /// RFC 768 has the header; RFC 6335 the range of the source port.
    #[test]
    fn the_udp_header_of_gue_is_these_eight_bytes(
        port: u16, six: bool, traffic_class: u8, length in 0_u32..=65_527, hash: u64,
    ) {
        let target = Target { port: Be16::new(port), ..target([10, 1, 0, 0].into(), [10, 2, 0, 1].into(), 0) };
        let inner = Inner { protocol: if six { 41 } else { 4 }, traffic_class, length, hash };
        let header = outer::udp(&target, inner);
        let bytes = header.as_bytes();
        let source = u16::from_be_bytes([bytes[0], bytes[1]]);
        prop_assert!(source >= 49_152);
        prop_assert_eq!(u64::from(source - 49_152), hash % 16_384, "14 bits vary");
        prop_assert_eq!(&bytes[2..4], &port.to_be_bytes());
        prop_assert_eq!(&bytes[4..6], &u16::try_from(length + 8).expect("the largest fits").to_be_bytes());
        prop_assert_eq!(&bytes[6..], &[0, 0], "no checksum");
        let Inner { protocol, length: carried, .. } = inner.in_udp();
        prop_assert_eq!((protocol, carried), (17, length + 8), "what the outer header says of it");
    }

    #[test]
    fn a_flow_is_told_by_source_and_label_and_by_nothing_else(hash: u64, class: [u8; 2], length in [0_u32..9000, 0..9000]) {
        let target = target([10, 1, 0, 0].into(), [10, 2, 0, 1].into(), 0xffff);
        let [a, b] = [0, 1].map(|at: usize| Inner {
            protocol: 4, traffic_class: class[at], length: length[at], hash,
        });
        prop_assert_eq!(outer::ipv4(&target, a).source, outer::ipv4(&target, b).source);
        let label = |inner| outer::ipv6(&target, inner).first.get() & 0xf_ffff;
        prop_assert_eq!(label(a), label(b));
    }
}

#[test]
fn what_is_put_before_a_packet_follows_from_the_way() {
    let cases = [
        (TARGET_OUTER_V4, 20),
        (TARGET_OUTER_V6, 40),
        (TARGET_GUE_V4, 28),
        (TARGET_GUE_V6, 48),
        (TARGET_L2, 0),
        (TARGET_NAT, 0),
    ];
    for (way, bytes) in cases {
        assert_eq!(overhead(way | TARGET_RESOLVED | TARGET_SERVES), bytes);
    }
}
