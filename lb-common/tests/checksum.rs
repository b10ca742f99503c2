//! Checksums by difference agree with checksums over everything.
#![cfg(test)]

use lb_common::checksum::{Change, fold, sum};
use proptest::prelude::*;

/// RFC 1071, section 4.1, over bytes in network order.
fn whole(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for word in bytes.chunks(2) {
        sum += u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("the carry was added in")
}

/// As the header holds it, read as the native number that the functions under test take.
fn native(checksum: u16) -> u16 {
    u16::from_ne_bytes(checksum.to_be_bytes())
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

proptest! {
    #[test]
    fn the_sum_is_the_one_of_the_rfc(bytes: Vec<u8>) {
        prop_assert_eq!(native(!fold(sum(&bytes))), whole(&bytes));
    }

    #[test]
    fn changed_words_change_the_checksum_as_if_it_were_summed_anew(
        mut bytes in prop::collection::vec(any::<u8>(), 4..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..12),
    ) {
        bytes.truncate(bytes.len() / 4 * 4);
        // Something that does not change, as a protocol number never does: a sum of nothing has two forms.
        bytes.extend([0, 6]);
        let before = native(whole(&bytes));
        let mut change = Change::new();
        for (place, new) in changes {
            let at = place.index(bytes.len() / 4) * 4;
            change = change.word(word(&bytes, at), new);
            bytes[at..at + 4].copy_from_slice(&new.to_ne_bytes());
        }
        prop_assert_eq!(native(change.apply(before)), whole(&bytes));
    }

    #[test]
    fn two_words_at_once_are_two_words(old: u64, new: u64, checksum: u16) {
        let halves = |word: u64| {
            let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
            [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
        };
        let ([a, b], [c, d]) = (halves(old), halves(new));
        let one_by_one = Change::new().word(a, c).word(b, d).apply(checksum);
        prop_assert_eq!(Change::new().double(old, new).apply(checksum), one_by_one);
    }

    #[test]
    fn the_order_of_changes_does_not_matter(old: [u32; 3], new: [u32; 3], checksum: u16) {
        let [a, b, c] = [0, 1, 2].map(|at: usize| (old[at], new[at]));
        let there = Change::new().word(a.0, a.1).word(b.0, b.1).word(c.0, c.1).apply(checksum);
        let back = Change::new().word(c.0, c.1).word(b.0, b.1).word(a.0, a.1).apply(checksum);
        prop_assert_eq!(there, back);
    }

    #[test]
    fn a_change_and_its_reverse_leave_what_was(old: u32, new: u32, checksum in 0_u16..0xffff) {
        prop_assert_eq!(Change::new().word(new, old).apply(Change::new().word(old, new).apply(checksum)), checksum);
    }

    #[test]
    fn udp_without_a_checksum_stays_without(old: u32, new: u32) {
        prop_assert_eq!(Change::new().word(old, new).apply_udp(0), 0);
    }

    #[test]
    fn udp_never_turns_a_checksum_into_none(old: u32, new: u32, checksum in 1_u16..) {
        let (tcp, udp) = (Change::new().word(old, new).apply(checksum), Change::new().word(old, new).apply_udp(checksum));
        prop_assert_ne!(udp, 0);
        prop_assert_eq!(udp, if tcp == 0 { 0xffff } else { tcp });
    }
}

/// Every datagram sum there is, so those that come out as zero too.
#[test]
fn udp_agrees_with_the_whole_sum_for_every_checksum() {
    let other = 0x0102_a0b0_u32;
    for varying in 0..=u16::MAX {
        let [a, b] = varying.to_be_bytes();
        let datagram = |word: u32| [&[a, b, 0, 17], word.to_ne_bytes().as_slice()].concat();
        let sent = |word: u32| match whole(&datagram(word)) {
            0 => 0xffff,
            checksum => checksum,
        };
        let changed = Change::new().word(other, 0xfffe_0001).apply_udp(native(sent(other)));
        assert_eq!(native(changed), sent(0xfffe_0001), "varying word {varying:04x}");
    }
}

#[test]
fn the_largest_sums_fold() {
    assert_eq!(fold(0), 0);
    assert_eq!(fold(u64::MAX), 0xffff);
    assert_eq!(fold(0x1_0000), 1);
    assert_eq!(fold(0xffff_ffff_0000_0000), 0xffff);
    assert_eq!(fold(0x0000_ffff_ffff_ffff), 0xffff);
}
