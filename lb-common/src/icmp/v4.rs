//! ICMP (RFC 792).

use zerocopy::{Immutable, IntoBytes};

use super::{HOP_LIMIT, Icmp, Offender, TRAFFIC_CLASS, TooBig};
use crate::{
    checksum::{fold, sum},
    parse::{Bytes, ICMP, Ipv4, V4},
    verdict::Verdict,
    wire::{Be16, Be32},
};

/// "Destination unreachable", and its code "fragmentation needed and DF set".
const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;

/// The headers of an error.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub struct ErrorV4 {
    ip: Ipv4,
    icmp: Icmp,
}

impl TooBig for V4 {
    type Error = ErrorV4;
    const HEADERS: usize = size_of::<ErrorV4>();
    /// The error is 576 bytes at most (RFC 1812, section 4.3.2.3).
    const QUOTE: usize = 576 - Self::HEADERS;
    /// RFC 791, section 3.2.
    const LEAST_MTU: u32 = 68;

    /// RFC 1812, sections 4.3.2.7 and 5.2.7.1.
    #[inline(always)]
    fn offender<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Offender<Self>, Verdict> {
        let ip: Ipv4 = frame.read(at).ok_or(Verdict::TooBig)?;
        if !ip.must_not_be_fragmented() {
            return Err(Verdict::NeedsFragmenting);
        }
        // What comes here of ICMP are errors: an echo goes to no target.
        if ip.is_later_fragment() || ip.protocol == ICMP || !is_a_host(ip.source) {
            return Err(Verdict::TooBig);
        }
        Ok(Offender { source: ip.source, destination: ip.destination, length: u32::from(ip.length.get()) })
    }

    /// RFC 1191, section 4.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an IPv4 packet's length; a few hundred bytes")]
    fn error(offender: &Offender<Self>, mtu: u32, quote: usize, quoted: u64) -> ErrorV4 {
        let icmp = Icmp {
            kind: UNREACHABLE,
            code: FRAGMENTATION_NEEDED,
            checksum: 0,
            rest: Be32::new(mtu & 0xffff),
        };
        let ip = Ipv4 {
            version: Ipv4::PLAIN,
            traffic_class: TRAFFIC_CLASS,
            length: Be16::new((Self::HEADERS + quote) as u16),
            // Not to be fragmented, so it needs none (RFC 6864, section 4.1).
            identification: Be16::new(0),
            fragment: Ipv4::DONT_FRAGMENT,
            hop_limit: HOP_LIMIT,
            protocol: ICMP,
            checksum: 0,
            source: offender.destination,
            destination: offender.source,
        };
        ErrorV4 {
            ip: Ipv4 { checksum: !fold(sum(ip.as_bytes())), ..ip },
            icmp: Icmp { checksum: !fold(sum(icmp.as_bytes()) + quoted), ..icmp },
        }
    }
}

/// Whether it can be one host's address: neither "this host", loopback, a group's, reserved nor broadcast.
#[inline(always)]
const fn is_a_host(address: Be32) -> bool {
    let [first, ..] = address.get().to_be_bytes();
    first != 0 && first != 127 && first < 224
}
