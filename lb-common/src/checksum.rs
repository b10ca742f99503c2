//! The Internet checksum (RFC 1071), whole and by difference (RFC 1624).
//!
//! All sums are of words as they stand in memory: one's complement addition is the same in either byte
//! order as long as all words share it (RFC 1071, section 2 (B)).

use crate::{parse::Bytes, wire::Be16};

/// Folds a sum of 16-bit or 32-bit words to 16 bits.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits, which is what the sum means")]
pub const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// What words leave and what words come, as one running sum. `Change::new().word(old, new)…`
#[derive(Clone, Copy, Default)]
pub struct Change(u64);

impl Change {
    #[inline(always)]
    pub const fn new() -> Self {
        Self(0)
    }

    /// A 32-bit word, or a 16-bit one in its place, changes from `old` to `new`.
    #[inline(always)]
    pub const fn word(self, old: u32, new: u32) -> Self {
        Self(self.0 + (!old) as u64 + new as u64)
    }

    /// Two 32-bit words at once.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a word is taken apart into its halves")]
    pub const fn double(self, old: u64, new: u64) -> Self {
        self.word(old as u32, new as u32).word((old >> 32) as u32, (new >> 32) as u32)
    }

    /// The checksum of what was under `checksum` before the change: RFC 1624, equation 3.
    #[inline(always)]
    pub const fn apply(self, checksum: u16) -> u16 {
        !fold(self.0 + (!checksum) as u64)
    }

    /// The same for UDP, where zero means "no checksum": it stays, and a sum of zero is sent as all ones
    /// (RFC 768).
    #[inline(always)]
    pub const fn apply_udp(self, checksum: u16) -> u16 {
        if checksum == 0 {
            return 0;
        }
        match self.apply(checksum) {
            0 => 0xffff,
            sum => sum,
        }
    }
}

/// An IPv4 header's checksum after its hop limit went down by one: the same as by [`Change`], in one
/// addition and its carry. The hop limit is the high byte of a word (RFC 1141).
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the carry has been added")]
pub const fn hop_less(checksum: u16) -> u16 {
    let sum = checksum as u32 + Be16::new(0x0100).raw() as u32;
    (sum + (sum >= 0xffff) as u32) as u16
}

/// Sum of `length` bytes of the frame from `at` on, in words of 32 bits, unfolded. `most`: of the length; it bounds
/// the loop, which the verifier wants to see.
#[inline(always)]
pub fn words<B: Bytes + ?Sized>(frame: &B, at: usize, length: usize, most: usize) -> Option<u64> {
    let mut sum = 0;
    for word in (0..most).step_by(4).take_while(|word| *word < length) {
        sum += u64::from(frame.read::<u32>(at + word)?);
    }
    Some(sum)
}

/// Sum of all 16-bit words of `bytes`, the last one padded with a zero byte, unfolded.
#[inline(always)]
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words = words.iter().map(|word| u64::from(u16::from_ne_bytes(*word))).sum::<u64>();
    let rest = rest.first().map_or(0, |last| u64::from(u16::from_ne_bytes([*last, 0])));
    words + rest
}
