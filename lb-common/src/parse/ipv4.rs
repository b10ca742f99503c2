//! IPv4 (RFC 791).

use core::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Bytes, Family, ICMP, Packet, transport};
use crate::{
    checksum::Change,
    maps::{AddressWords, v4_words, words_v4},
    verdict::Verdict,
    wire::{Be16, Be32},
};

/// The header without its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Ipv4 {
    /// Version, then the header's length in words of four bytes.
    pub version: u8,
    pub traffic_class: u8,
    pub length: Be16,
    pub identification: Be16,
    /// Three flags, then the fragment's offset.
    pub fragment: Be16,
    pub hop_limit: u8,
    pub protocol: u8,
    pub checksum: u16,
    pub source: Be32,
    pub destination: Be32,
}

impl Ipv4 {
    /// "More fragments", and the offset: a packet with any of these bits is a fragment.
    const FRAGMENTED: Be16 = Be16::new(0x3fff);

    /// In units of eight bytes.
    const OFFSET: Be16 = Be16::new(0x1fff);
    /// [`Self::fragment`] of a packet that is whole and stays so.
    pub const DONT_FRAGMENT: Be16 = Be16::new(0x4000);

    /// [`Self::version`] of a header without options.
    pub const PLAIN: u8 = 0x45;
    /// Offset of the checksum.
    pub const CHECKSUM: usize = 10;

    #[inline(always)]
    pub const fn fragmented(&self) -> bool {
        self.fragment.raw() & Self::FRAGMENTED.raw() != 0
    }

    #[inline(always)]
    pub(crate) const fn is_later_fragment(&self) -> bool {
        self.fragment.raw() & Self::OFFSET.raw() != 0
    }

    #[inline(always)]
    pub(crate) const fn must_not_be_fragmented(&self) -> bool {
        self.fragment.raw() & Self::DONT_FRAGMENT.raw() != 0
    }

    #[inline(always)]
    const fn header_length(&self) -> usize {
        (self.version & 0xf) as usize * 4
    }
}

/// The family IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V4;

impl Family for V4 {
    type Address = Be32;
    type Words = [u64; 1];
    const ETHERTYPE: Be16 = Be16::new(0x0800);
    const PROTOCOL: u8 = 4;
    const HEADER: usize = size_of::<Ipv4>();
    const NOWHERE: Be32 = Be32::new(0);
    const ADDRESSES: usize = offset_of!(Ipv4, source);

    #[inline(always)]
    fn parse<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Packet<Self>, Verdict> {
        let ip: Ipv4 = frame.read(at).ok_or(Verdict::Truncated)?;
        let header = ip.header_length();
        let length = ip.length.get() as usize;
        if ip.version >> 4 != 4 || header < Self::HEADER || length < header {
            return Err(Verdict::BadHeader);
        }
        if at + length > frame.length() {
            return Err(Verdict::Truncated);
        }
        if ip.fragmented() {
            return Err(Verdict::Fragment);
        }
        if ip.protocol == ICMP {
            return Err(Verdict::Icmp);
        }
        let (ports, tcp_flags) = transport(frame, at + header, at + length, ip.protocol)?;
        Ok(Packet {
            network: at,
            transport: at + header,
            source: ip.source,
            destination: ip.destination,
            ports,
            protocol: ip.protocol,
            tcp_flags,
            traffic_class: ip.traffic_class,
            hop_limit: ip.hop_limit,
            length: u32::from(ip.length.get()),
        })
    }

    #[inline(always)]
    fn words(source: Be32, destination: Be32) -> [u64; 1] {
        [u64::from(source.raw()) << 32 | u64::from(destination.raw())]
    }

    #[inline(always)]
    fn to_words(address: Be32) -> AddressWords {
        v4_words(address)
    }

    #[inline(always)]
    fn from_words(words: AddressWords) -> Be32 {
        words_v4(words)
    }

    #[inline(always)]
    fn change(change: Change, old: Be32, new: Be32) -> Change {
        change.word(old.raw(), new.raw())
    }
}
