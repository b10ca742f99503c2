//! The flow hash: keyed, of 64 bits, made of multiplications and shifts.
//!
//! Each word of the tuple is mixed, one to one, by keys of its own; the sum of all is mixed once more. What
//! keeps clients from aiming at a slot is that all keys are drawn from the secret seed. The words are mixed
//! side by side: the hash lies on a packet's critical path, where each multiplication that waits for the
//! one before costs a nanosecond. (With keys shared between words, tuples where one word goes up and
//! another down met in one sum: decision 0007.)

use crate::{
    maps::{HashKeys, HashLane},
    parse::{Family, Packet},
};

impl HashKeys {
    /// Draws the keys from a seed of any bytes. The same on every node and in every version.
    pub fn from_seed(seed: &[u8]) -> Self {
        let mut draw = Draw::new(seed);
        let mut lane = || HashLane { whiten: draw.next(), multiply: [draw.next() | 1, draw.next() | 1] };
        Self {
            addresses: [lane(), lane(), lane(), lane()],
            ports: lane(),
            back: draw.next(),
            last: draw.next() | 1,
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
        self.mixed(self.ports.whiten, self.addresses::<F>(source, destination), ports, protocol)
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
        self.back_between(self.addresses::<F>(source, destination), ports, protocol)
    }

    /// The same, of many ports between addresses that were mixed once.
    #[inline(always)]
    pub const fn back_between(&self, addresses: u64, ports: u32, protocol: u8) -> u64 {
        self.mixed(self.back, addresses, ports, protocol)
    }

    /// What a pair of addresses adds to a hash.
    #[inline(always)]
    pub fn addresses<F: Family>(&self, source: F::Address, destination: F::Address) -> u64 {
        let words = F::words(source, destination).into_iter();
        words.zip(self.addresses).fold(0, |sum, (word, lane)| sum.wrapping_add(lane.mix(word)))
    }

    #[inline(always)]
    const fn mixed(&self, whiten: u64, addresses: u64, ports: u32, protocol: u8) -> u64 {
        let ports = (ports as u64) << 8 | protocol as u64;
        let sum = addresses.wrapping_add(HashLane { whiten, ..self.ports }.mix(ports));
        let state = (sum ^ (sum >> 29)).wrapping_mul(self.last);
        state ^ (state >> 32)
    }
}

impl HashLane {
    /// Two odd multipliers, a shift between: high bits reach low ones and the other way round.
    #[inline(always)]
    const fn mix(self, word: u64) -> u64 {
        let [first, second] = self.multiply;
        let word = (word ^ self.whiten).wrapping_mul(first);
        (word ^ (word >> 32)).wrapping_mul(second)
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
