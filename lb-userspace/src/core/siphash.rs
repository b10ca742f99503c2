//! SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
//!
//! Written out here because every edge node, whatever its version, must choose the same target:
//! `std`'s hasher may change from one release to the next.

use std::fmt;

use crate::config::checked::Seed;

/// A key of 128 bits. Secret, so it prints nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(u64, u64);

impl Key {
    /// A key for one purpose; keys for other purposes tell nothing about it.
    pub fn derived(seed: &Seed, purpose: &str) -> Self {
        let half = |number: u8| {
            let text = [purpose.as_bytes(), &[0, number], seed.0.as_bytes()].concat();
            hash(Self(0, 0), &text)
        };
        Self(half(0), half(1))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

pub fn hash(key: Key, bytes: &[u8]) -> u64 {
    let mut state = State::new(key);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    // The last word: what is left, and the length modulo 256 in the top byte.
    let mut last = (bytes.len() as u64) << 56;
    for (place, byte) in (0..).step_by(8).zip(rest) {
        last |= u64::from(*byte) << place;
    }
    state.absorb(last);
    state.finish()
}

struct State([u64; 4]);

impl State {
    fn new(Key(k0, k1): Key) -> Self {
        Self([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ])
    }

    fn absorb(&mut self, word: u64) {
        let Self([_, _, _, v3]) = self;
        *v3 ^= word;
        self.round();
        self.round();
        let Self([v0, ..]) = self;
        *v0 ^= word;
    }

    fn finish(mut self) -> u64 {
        let Self([_, _, v2, _]) = &mut self;
        *v2 ^= 0xff;
        for _ in 0..4 {
            self.round();
        }
        let Self([v0, v1, v2, v3]) = self;
        v0 ^ v1 ^ v2 ^ v3
    }

    fn round(&mut self) {
        let Self([v0, v1, v2, v3]) = self;
        *v0 = v0.wrapping_add(*v1);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v3);
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.wrapping_add(*v3);
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.wrapping_add(*v1);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v2 = v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_the_authors_reference_does() {
        // From `vectors.h` of the reference implementation: inputs 00, 00 01, .. under key 00..0f.
        let key = Key(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);
        let input: Vec<u8> = (0..15).collect();
        assert_eq!(hash(key, &input[..0]), 0x726f_db47_dd0e_0e31);
        assert_eq!(hash(key, &input[..1]), 0x74f8_39c5_93dc_67fd);
        assert_eq!(hash(key, &input[..8]), 0x93f5_f579_9a93_2462);
        assert_eq!(hash(key, &input), 0xa129_ca61_49be_45e5);
    }
}
