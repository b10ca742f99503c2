//! The packet goes whole in an outer header, which is of the target's family whatever its own is.

use lb_common::{
    maps::Target,
    outer::{self, Inner},
    parse::{Bytes as _, Family, Ipv4, Ipv6, Link, V4, V6},
    verdict::Verdict,
    wire::Be16,
};
use zerocopy::{Immutable, IntoBytes};

use crate::frame::Frame;

/// A family that envelopes are of.
pub(super) trait Outer: Family {
    type Header: IntoBytes + Immutable;

    fn header(target: &Target, inner: Inner) -> Self::Header;
}

impl Outer for V4 {
    type Header = Ipv4;

    #[inline(always)]
    fn header(target: &Target, inner: Inner) -> Ipv4 {
        outer::ipv4(target, inner)
    }
}

impl Outer for V6 {
    type Header = Ipv6;

    #[inline(always)]
    fn header(target: &Target, inner: Inner) -> Ipv6 {
        outer::ipv6(target, inner)
    }
}

/// The outer header, and the packet.
#[inline(always)]
pub(super) fn ipip<O: Outer, const BYTES: i32>(
    frame: Frame,
    network: usize,
    target: &Target,
    inner: Inner,
) -> Result<Frame, Verdict> {
    let mut frame = wrapped::<BYTES>(frame, network, target, O::ETHERTYPE)?;
    frame.write(network, O::header(target, inner))?;
    Ok(frame)
}

/// The outer header, a UDP header, and the packet.
#[inline(always)]
pub(super) fn gue<O: Outer, const BYTES: i32>(
    frame: Frame,
    network: usize,
    target: &Target,
    inner: Inner,
) -> Result<Frame, Verdict> {
    let mut frame = wrapped::<BYTES>(frame, network, target, O::ETHERTYPE)?;
    frame.write(network, O::header(target, inner.in_udp()))?;
    frame.write(network + O::HEADER, outer::udp(target, inner))?;
    Ok(frame)
}

/// Makes room before the IP header at `network`, and writes what stands before it: MACs, the VLAN tags
/// as they were, and the new type.
#[inline(always)]
fn wrapped<const BYTES: i32>(
    frame: Frame,
    network: usize,
    target: &Target,
    ethertype: Be16,
) -> Result<Frame, Verdict> {
    const MACS: usize = 12;
    if network == Link::ETHERNET {
        let mut frame = frame.grown_by::<BYTES>().ok_or(Verdict::NoHeadroom)?;
        frame.link(target.link)?;
        frame.write(MACS, ethertype)?;
        return Ok(frame);
    }
    let first: u32 = frame.read(MACS).ok_or(Verdict::Truncated)?;
    let second: u32 = frame.read(MACS + Link::TAG).ok_or(Verdict::Truncated)?;
    let mut frame = frame.grown_by::<BYTES>().ok_or(Verdict::NoHeadroom)?;
    frame.link(target.link)?;
    frame.write(MACS, first)?;
    // With one tag, the type overwrites what this writes too much.
    frame.write(MACS + Link::TAG, second)?;
    if network == Link::ONE_TAG {
        frame.write(MACS + Link::TAG, ethertype)?;
    } else {
        frame.write(MACS + 2 * Link::TAG, ethertype)?;
    }
    Ok(frame)
}
