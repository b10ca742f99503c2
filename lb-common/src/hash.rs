//! The flow hash: keyed, of 64 bits, made of multiplications and shifts.
//!
//! Each step maps the 64-bit state one to one, and folds in the next word of the tuple by xor; what
//! keeps clients from aiming at a slot is that whitening and multipliers are drawn from the secret seed.
//! It costs about 1 ns in the kernel; `jhash` of the same bytes costs 10.

use crate::{
    maps::HashKeys,
    parse::{Family, Packet},
};

impl HashKeys {
    /// Draws the keys from a seed of any bytes. The same on every node and in every version.
    pub fn from_seed(seed: &[u8]) -> Self {
        let mut draw = Draw::new(seed);
        Self {
            whiten: draw.next(),
            multiply: [draw.next() | 1, draw.next() | 1, draw.next() | 1],
            back: draw.next(),
        }
    }

    /// The hash of a packet's 5-tuple.
    #[inline(always)]
    pub fn flow<F: Family>(&self, packet: &Packet<F>) -> u64 {
        self.tag::<F>(packet.source, packet.destination, packet.ports, packet.protocol)
    }

    /// The same, of a tuple that is not at hand as a packet. `ports` as in [`Packet::ports`].
    #[inline(always)]
    pub fn tag<F: Family>(
        &self,
        source: F::Address,
        destination: F::Address,
        ports: u32,
        protocol: u8,
    ) -> u64 {
        let ports = u64::from(ports) << 8 | u64::from(protocol);
        self.tuple::<F>(self.whiten, source, destination, ports)
    }

    /// The hash of `nat`'s reply: whitened otherwise, so that a flow and a reply never share an entry.
    #[inline(always)]
    pub fn back<F: Family>(
        &self,
        source: F::Address,
        destination: F::Address,
        ports: u32,
        protocol: u8,
    ) -> u64 {
        let ports = u64::from(ports) << 8 | u64::from(protocol);
        self.tuple::<F>(self.back, source, destination, ports)
    }

    #[inline(always)]
    fn tuple<F: Family>(&self, whiten: u64, source: F::Address, destination: F::Address, ports: u64) -> u64 {
        let mut state = F::fold(source, destination, whiten, |state, word| self.step(state ^ word));
        state = self.step(state ^ ports);
        state = (state ^ (state >> 29)).wrapping_mul(self.multiply[2]);
        state ^ (state >> 32)
    }

    /// Two odd multipliers, a shift after each: high bits reach low ones and the other way round.
    #[inline(always)]
    fn step(&self, state: u64) -> u64 {
        let state = state.wrapping_mul(self.multiply[0]);
        (state ^ (state >> 32)).wrapping_mul(self.multiply[1])
    }
}

/// Scales the high half of a hash to `0..range`: a multiplication and a shift instead of a division.
#[inline(always)]
pub const fn scale(hash: u64, range: u32) -> u32 {
    (((hash >> 32) * range as u64) >> 32) as u32
}

/// A stream of well-mixed words out of a seed: FNV-1a takes the bytes in, splitmix64 gives words out.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: &[u8]) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        Self(seed.iter().fold(OFFSET, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(PRIME)))
    }

    /// Sebastiano Vigna's splitmix64.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
