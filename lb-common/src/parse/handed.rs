//! A packet's facts in two words, as one function of a program hands them to another.
//!
//! By reference they would lie on the caller's stack, of which there is little; and before Linux 6.3 the verifier
//! demands that all of what is handed over by reference was written, padding included.

use super::{Bytes, Family, Packet};

impl<F: Family> Packet<F> {
    /// All but the addresses, which stand in the frame.
    #[inline(always)]
    pub const fn words(&self) -> [u64; 2] {
        let Self { network, transport, ports, protocol, tcp_flags, traffic_class, hop_limit, length, .. } =
            *self;
        let octets = u32::from_ne_bytes([protocol, tcp_flags, traffic_class, hop_limit]);
        let place = network as u64 | (transport as u64) << 16 | (length as u64) << 32;
        [place, ports as u64 | (octets as u64) << 32]
    }

    /// The inverse, of the same frame; `None` if the addresses do not lie in it.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the fields of `words`")]
    pub fn from_words<B: Bytes + ?Sized>(frame: &B, [place, rest]: [u64; 2]) -> Option<Self> {
        let network = place as usize & Self::OFFSETS;
        let [source, destination] = frame.read(network + F::ADDRESSES)?;
        let [protocol, tcp_flags, traffic_class, hop_limit] = ((rest >> 32) as u32).to_ne_bytes();
        Some(Self {
            network,
            transport: (place >> 16) as usize & Self::OFFSETS,
            source,
            destination,
            ports: rest as u32,
            protocol,
            tcp_flags,
            traffic_class,
            hop_limit,
            length: (place >> 32) as u32,
        })
    }
}
