//! From bytes to a packet's facts: Ethernet, VLAN tags, IPv4 and IPv6, TCP and UDP.
//!
//! Pure, and generic over where the bytes come from: the tests run on slices the very code that the
//! kernel runs on frames. Every refusal is a verdict.

mod handed;
mod ipv4;
mod ipv6;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub(crate) use self::ipv6::{ICMP_V6, walk};
pub use self::{
    ipv4::{Ipv4, V4},
    ipv6::{Ipv6, V6},
};
use crate::{
    verdict::Verdict,
    wire::{Be16, Be32},
};

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub(crate) const ICMP: u8 = 1;

pub const TCP_FIN: u8 = 0x01;
pub const TCP_SYN: u8 = 0x02;
pub const TCP_RST: u8 = 0x04;
pub const TCP_ACK: u8 = 0x10;

/// Where bytes come from.
pub trait Bytes {
    /// The value at `at`, or `None` if it does not lie wholly inside.
    fn read<T: FromBytes + Immutable + KnownLayout>(&self, at: usize) -> Option<T>;

    /// Of the whole frame, in bytes.
    fn length(&self) -> usize;
}

impl Bytes for [u8] {
    fn read<T: FromBytes + Immutable + KnownLayout>(&self, at: usize) -> Option<T> {
        T::read_from_prefix(self.get(at..)?).ok().map(|(value, _)| value)
    }

    fn length(&self) -> usize {
        self.len()
    }
}

/// What stands before the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub ethertype: Be16,
    /// Offset of the IP header: 14, 18 or 22.
    pub network: usize,
}

impl Link {
    pub const ETHERNET: usize = 14;
    /// An 802.1Q or 802.1ad tag: control information, then the type of what follows.
    pub const TAG: usize = 4;
    /// The largest [`Self::network`].
    pub const LONGEST: usize = Self::ETHERNET + 2 * Self::TAG;
    /// [`Self::network`] behind one tag.
    pub const ONE_TAG: usize = Self::ETHERNET + Self::TAG;
    const C_TAG: Be16 = Be16::new(0x8100);
    const S_TAG: Be16 = Be16::new(0x88a8);

    /// Reads the Ethernet header and up to two VLAN tags (IEEE 802.1Q-2022, clause 9).
    ///
    /// # Errors
    /// [`Verdict::Truncated`]. A third tag is left standing as the type of what follows.
    #[inline(always)]
    pub fn parse<B: Bytes + ?Sized>(frame: &B) -> Result<Self, Verdict> {
        let mut network = Self::ETHERNET;
        let mut ethertype: Be16 = frame.read(network - 2).ok_or(Verdict::Truncated)?;
        for _ in 0..2 {
            if ethertype != Self::C_TAG && ethertype != Self::S_TAG {
                break;
            }
            network += Self::TAG;
            ethertype = frame.read(network - 2).ok_or(Verdict::Truncated)?;
        }
        Ok(Self { ethertype, network })
    }
}

/// An IP family: all that differs between IPv4 and IPv6 on a packet's way.
pub trait Family: Copy + core::fmt::Debug + Eq + 'static {
    type Address: Copy + core::fmt::Debug + Eq + FromBytes + Immutable + KnownLayout;
    const ETHERTYPE: Be16;
    /// Its number as a payload of another IP header: 4 or 41.
    const PROTOCOL: u8;
    /// Of the header without options, in bytes.
    const HEADER: usize;
    /// All zero.
    const NOWHERE: Self::Address;
    /// Where in the header both addresses stand, the source first.
    const ADDRESSES: usize;

    /// Reads the IP header at `at`, and the TCP or UDP header behind it.
    ///
    /// # Errors
    /// Why the packet cannot be steered.
    fn parse<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Packet<Self>, Verdict>;

    /// Two addresses in words of 64 bits, for a hash.
    type Words: IntoIterator<Item = u64>;
    fn words(source: Self::Address, destination: Self::Address) -> Self::Words;

    fn to_words(address: Self::Address) -> crate::maps::AddressWords;

    fn from_words(words: crate::maps::AddressWords) -> Self::Address;

    /// Notes that an address changes, in the sum of a checksum's changes.
    fn change(
        change: crate::checksum::Change,
        old: Self::Address,
        new: Self::Address,
    ) -> crate::checksum::Change;
}

/// The facts of one packet that can be steered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Packet<F: Family> {
    network: usize,
    transport: usize,
    pub source: F::Address,
    pub destination: F::Address,
    /// Source port, then destination port, as the word that they are in memory.
    pub ports: u32,
    /// [`TCP`] or [`UDP`].
    pub protocol: u8,
    /// `TCP_*`; zero for UDP.
    pub tcp_flags: u8,
    /// DSCP and ECN, as the octet that they are in the header.
    pub traffic_class: u8,
    pub hop_limit: u8,
    /// Of the whole IP packet, header included, in bytes.
    pub length: u32,
}

impl<F: Family> Packet<F> {
    /// Offset of the IP header.
    #[inline(always)]
    pub const fn network(&self) -> usize {
        self.network & Self::OFFSETS
    }

    /// Offset of the TCP or UDP header.
    #[inline(always)]
    pub const fn transport(&self) -> usize {
        self.transport & Self::OFFSETS
    }

    /// More than the parser ever gives. A function that gets the packet by reference reads offsets that
    /// could be anything to the verifier; so it sees them to be small.
    const OFFSETS: usize = 0x3fff;

    #[inline(always)]
    pub const fn source_port(&self) -> Be16 {
        port(self.ports, 0)
    }

    #[inline(always)]
    pub const fn destination_port(&self) -> Be16 {
        port(self.ports, 2)
    }

    /// Opens a TCP connection: SYN without ACK.
    #[inline(always)]
    pub const fn opens(&self) -> bool {
        self.tcp_flags & (TCP_SYN | TCP_ACK) == TCP_SYN
    }
}

/// The port that stands `offset` bytes into the word of both.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "half of the word is meant")]
const fn port(ports: u32, offset: u32) -> Be16 {
    let shift = if cfg!(target_endian = "little") { offset * 8 } else { 16 - offset * 8 };
    Be16::from_raw((ports >> shift) as u16)
}

/// Both ports as the word that they are in memory.
#[inline(always)]
pub const fn ports(source: Be16, destination: Be16) -> u32 {
    let (source, destination) = (source.raw() as u32, destination.raw() as u32);
    if cfg!(target_endian = "little") { destination << 16 | source } else { source << 16 | destination }
}

/// A TCP header without its options (RFC 9293, section 3.1).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Tcp {
    ports: u32,
    sequence: Be32,
    acknowledgment: Be32,
    offset: u8,
    flags: u8,
    window: Be16,
    checksum: u16,
    urgent: Be16,
}

/// A UDP header (RFC 768).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Udp {
    /// As in [`Packet::ports`].
    pub ports: u32,
    /// Of header and payload, in bytes.
    pub length: Be16,
    pub checksum: u16,
}

impl Udp {
    #[inline(always)]
    pub const fn destination_port(&self) -> Be16 {
        port(self.ports, 2)
    }
}

/// Offset of the checksum in a TCP header, and in a UDP header.
pub const TCP_CHECKSUM: usize = 16;
pub const UDP_CHECKSUM: usize = 6;

/// Ports and TCP flags of the header at `at`, in a packet that ends at `end`.
///
/// The frame may go on behind the packet (Ethernet pads to 60 bytes), so a header that lies in the frame
/// need not lie in the packet.
#[inline(always)]
fn transport<B: Bytes + ?Sized>(
    frame: &B,
    at: usize,
    end: usize,
    protocol: u8,
) -> Result<(u32, u8), Verdict> {
    let (ports, flags, length) = match protocol {
        TCP => frame.read::<Tcp>(at).map(|tcp| (tcp.ports, tcp.flags, size_of::<Tcp>())),
        UDP => frame.read::<Udp>(at).map(|udp| (udp.ports, 0, size_of::<Udp>())),
        _ => return Err(Verdict::OtherProtocol),
    }
    .ok_or(Verdict::Truncated)?;
    if at + length > end {
        return Err(Verdict::BadHeader);
    }
    Ok((ports, flags))
}
