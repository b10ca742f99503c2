//! IPv6 and its extension headers (RFC 8200).

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Bytes, Family, Packet, TCP, UDP, transport};
use crate::{
    checksum::Change,
    maps::AddressWords,
    verdict::Verdict,
    wire::{Be16, Be32},
};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
pub(crate) const ICMP_V6: u8 = 58;
const DESTINATION: u8 = 60;

/// More than any honest sender chains; RFC 8504 section 5.3 lets a receiver set such a limit.
const EXTENSION_HEADERS: usize = 6;

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ipv6 {
    /// Version, traffic class, flow label.
    pub first: Be32,
    /// Of what follows this header, in bytes.
    pub length: Be16,
    pub next_header: u8,
    pub hop_limit: u8,
    pub source: AddressWords,
    pub destination: AddressWords,
}

/// What every extension header that is walked starts with.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Extension {
    next_header: u8,
    /// In units of eight bytes, not counting the first eight.
    length: u8,
}

/// The family IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V6;

impl Family for V6 {
    type Address = AddressWords;
    type Words = [u64; 4];
    const ETHERTYPE: Be16 = Be16::new(0x86dd);
    const PROTOCOL: u8 = 41;
    const HEADER: usize = size_of::<Ipv6>();
    const NOWHERE: AddressWords = [0; 2];
    const ADDRESSES: usize = offset_of!(Ipv6, source);

    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a length of 16 bits plus 40; an octet of a shifted word"
    )]
    fn parse<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Packet<Self>, Verdict> {
        let ip: Ipv6 = frame.read(at).ok_or(Verdict::Truncated)?;
        let first = ip.first.get();
        if first >> 28 != 6 {
            return Err(Verdict::BadHeader);
        }
        let length = ip.length.get() as usize + Self::HEADER;
        if at + length > frame.length() {
            return Err(Verdict::Truncated);
        }
        let (protocol, behind) = walk(frame, ip.next_header, at + Self::HEADER)?;
        let (ports, tcp_flags) = transport(frame, behind, at + length, protocol)?;
        Ok(Packet {
            network: at,
            transport: behind,
            source: ip.source,
            destination: ip.destination,
            ports,
            protocol,
            tcp_flags,
            traffic_class: (first >> 20) as u8,
            hop_limit: ip.hop_limit,
            length: length as u32,
        })
    }

    #[inline(always)]
    fn words(source: AddressWords, destination: AddressWords) -> [u64; 4] {
        [source[0], source[1], destination[0], destination[1]]
    }

    #[inline(always)]
    fn to_words(address: AddressWords) -> AddressWords {
        address
    }

    #[inline(always)]
    fn from_words(words: AddressWords) -> AddressWords {
        words
    }

    #[inline(always)]
    fn change(change: Change, old: AddressWords, new: AddressWords) -> Change {
        change.double(old[0], new[0]).double(old[1], new[1])
    }
}

/// Steps over the extension headers; gives the protocol, and where its header stands.
#[inline(always)]
pub(crate) fn walk<B: Bytes + ?Sized>(
    frame: &B,
    mut next: u8,
    mut at: usize,
) -> Result<(u8, usize), Verdict> {
    for _ in 0..=EXTENSION_HEADERS {
        match next {
            TCP | UDP => return Ok((next, at)),
            FRAGMENT => return Err(Verdict::Fragment),
            ICMP_V6 => return Err(Verdict::Icmp),
            HOP_BY_HOP | ROUTING | DESTINATION => {
                let extension: Extension = frame.read(at).ok_or(Verdict::Truncated)?;
                next = extension.next_header;
                at += (extension.length as usize + 1) * 8;
            }
            _ => return Err(Verdict::OtherProtocol),
        }
    }
    Err(Verdict::ExtensionHeaders)
}
