//! ICMPv6 (RFC 4443).

use zerocopy::{Immutable, IntoBytes};

use super::{HOP_LIMIT, Icmp, Offender, TRAFFIC_CLASS, TooBig};
use crate::{
    checksum::{fold, sum},
    maps::AddressWords,
    parse::{Bytes, Family as _, ICMP_V6, Ipv6, V6, walk},
    verdict::Verdict,
    wire::{Be16, Be32},
};

const PACKET_TOO_BIG: u8 = 2;

/// The headers of an error.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub struct ErrorV6 {
    ip: Ipv6,
    icmp: Icmp,
}

impl TooBig for V6 {
    type Error = ErrorV6;
    const HEADERS: usize = size_of::<ErrorV6>();
    /// The error is 1,280 bytes at most (section 3.2).
    const QUOTE: usize = 1280 - Self::HEADERS;
    /// RFC 8200, section 5. A sender makes no packet smaller than that, whatever it is told (RFC 8201, section 4).
    const LEAST_MTU: u32 = 1280;

    /// Section 2.4(e).
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a length of 16 bits plus 40")]
    fn offender<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Offender<Self>, Verdict> {
        let ip: Ipv6 = frame.read(at).ok_or(Verdict::TooBig)?;
        // What comes here of ICMPv6 are errors: an echo goes to no target.
        let is_icmp = matches!(walk(frame, ip.next_header, at + Self::HEADER), Err(Verdict::Icmp));
        if is_icmp || !is_a_host(ip.source) {
            return Err(Verdict::TooBig);
        }
        let length = ip.length.get() as usize + Self::HEADER;
        Ok(Offender { source: ip.source, destination: ip.destination, length: length as u32 })
    }

    /// Section 3.2.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "1,280 bytes at most")]
    fn error(offender: &Offender<Self>, mtu: u32, quote: usize, quoted: u64) -> ErrorV6 {
        let icmp = Icmp { kind: PACKET_TOO_BIG, code: 0, checksum: 0, rest: Be32::new(mtu) };
        let length = Be16::new((size_of::<Icmp>() + quote) as u16);
        let ip = Ipv6 {
            first: Be32::new(6 << 28 | (TRAFFIC_CLASS as u32) << 20),
            length,
            next_header: ICMP_V6,
            hop_limit: HOP_LIMIT,
            source: offender.destination,
            destination: offender.source,
        };
        // The pseudo-header (RFC 8200, section 8.1): both addresses, the length and the next header.
        let pseudo = sum(ip.source.as_bytes())
            + sum(ip.destination.as_bytes())
            + length.raw() as u64
            + Be16::new(ICMP_V6 as u16).raw() as u64;
        ErrorV6 { ip, icmp: Icmp { checksum: !fold(pseudo + sum(icmp.as_bytes()) + quoted), ..icmp } }
    }
}

/// Whether it can be one host's address: neither "unspecified", loopback nor a group's.
#[inline(always)]
const fn is_a_host([first, last]: AddressWords) -> bool {
    let [group, ..] = first.to_ne_bytes();
    let loopback_or_none = first == 0 && u64::from_be_bytes(last.to_ne_bytes()) <= 1;
    group != 0xff && !loopback_or_none
}
