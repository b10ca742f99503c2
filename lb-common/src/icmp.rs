//! What the edge node says itself, in ICMP and ICMPv6: that a packet is too big for the way to its target.

mod v4;
mod v6;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use self::{v4::ErrorV4, v6::ErrorV6};
use crate::{
    checksum::words,
    parse::{Bytes, Family},
    verdict::Verdict,
    wire::Be32,
};

/// The first eight bytes of every message (RFC 792; RFC 4443, section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Icmp {
    pub kind: u8,
    pub code: u8,
    pub checksum: u16,
    /// An error's next-hop MTU or pointer; an echo's identifier and sequence number.
    pub rest: Be32,
}

/// Hop limit of what the node sends itself.
const HOP_LIMIT: u8 = 64;
/// Internetwork control: an error is not lost because the links are full (RFC 1812, section 4.3.2.5).
const TRAFFIC_CLASS: u8 = 0xc0;

/// A packet that an error is due about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offender<F: Family> {
    pub source: F::Address,
    pub destination: F::Address,
    /// Of the IP packet, in bytes.
    pub length: u32,
}

/// A family with an error that says how large a packet may be.
pub trait TooBig: Family {
    /// The IP header and the ICMP header of the error; the quote follows.
    type Error: IntoBytes + Immutable;
    /// Length of [`Self::Error`].
    const HEADERS: usize;
    /// The most that is quoted, in bytes: a multiple of four.
    const QUOTE: usize;
    /// The least MTU that every link of the family has. Nothing smaller can be asked for.
    const LEAST_MTU: u32;

    /// What an error may be sent about: not about errors, nor to those who cannot have sent the packet.
    ///
    /// # Errors
    /// What becomes of the packet instead.
    fn offender<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Offender<Self>, Verdict>;

    /// `quote` bytes are quoted, whose words have the sum `sum`.
    fn error(offender: &Offender<Self>, mtu: u32, quote: usize, sum: u64) -> Self::Error;
}

/// The error about the packet at `at`, which `largest` bytes would have passed of, and how much it quotes.
///
/// # Errors
/// What becomes of the packet instead.
#[inline(always)]
pub fn too_big<F: TooBig, B: Bytes + ?Sized>(
    frame: &B,
    at: usize,
    largest: u32,
) -> Result<(F::Error, usize), Verdict> {
    let offender = F::offender(frame, at)?;
    let to: u8 = frame.read(0).ok_or(Verdict::TooBig)?;
    // Sent to a group on the link, it may be one of many copies (RFC 1122, section 3.2.2).
    let to_a_group = to & 1 != 0;
    if to_a_group || offender.length <= F::LEAST_MTU {
        return Err(Verdict::TooBig);
    }
    // The frame holds the whole packet, and a packet longer than the least MTU fills a quote or most of it.
    let quote = (offender.length as usize).min(F::QUOTE) & !3;
    let sum = words(frame, at, quote, F::QUOTE).ok_or(Verdict::TooBig)?;
    let mtu = if largest < F::LEAST_MTU { F::LEAST_MTU } else { largest };
    Ok((F::error(&offender, mtu, quote, sum), quote))
}
