//! On to the target: the outer header, the Ethernet header, and out.

use aya_ebpf::bindings::xdp_action;
use lb_common::{
    checksum::{Change, hop_less},
    maps::{Listener, TARGET_OUTER_V4, TARGET_OUTER_V6, Target},
    outer::{self, Inner},
    parse::{Bytes as _, Family as _, Ipv4, Link, Packet, V4, V6},
    verdict::{Direction, Verdict, target_line},
    wire::Be16,
};

use crate::{frame::Frame, icmp::Answer, maps, select, steer::Steer};

/// How a packet's way ended: what is counted, and what the driver is told.
pub(crate) struct Ending {
    /// The counter's line: a target's, or a verdict's.
    pub(crate) line: u32,
    /// Whether it opened a flow.
    pub(crate) opens: bool,
    /// `XDP_*`.
    pub(crate) action: u32,
}

impl Ending {
    const OPENS: u64 = 1 << 40;
    const ACTION: u32 = 32;

    /// As one word, which is all that a global function can give back.
    #[inline(always)]
    pub(crate) fn pack(self) -> u64 {
        let opens = if self.opens { Self::OPENS } else { 0 };
        u64::from(self.line) | u64::from(self.action) << Self::ACTION | opens
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the fields of `pack`")]
    pub(crate) const fn unpack(word: u64) -> Self {
        Self {
            line: word as u32,
            opens: word & Self::OPENS != 0,
            action: (word >> Self::ACTION) as u32 & 0xff,
        }
    }
}

/// A family whose headers are rewritten in the frame.
pub(crate) trait Forward: Answer + Steer {
    /// Takes one from the hop limit, as whoever forwards must (RFC 1812, 5.3.1; RFC 8200, 3).
    fn hop(frame: &mut Frame, packet: &Packet<Self>) -> Result<(), Verdict>;

    /// Writes both addresses, and the header's checksum where there is one.
    fn readdress(
        frame: &mut Frame,
        packet: &Packet<Self>,
        source: Self::Address,
        destination: Self::Address,
    ) -> Result<(), Verdict>;
}

/// Offsets in the headers.
const V4_HOP_LIMIT: usize = 8;
const V4_SOURCE: usize = 12;
const V6_HOP_LIMIT: usize = 7;
const V6_SOURCE: usize = 8;

impl Forward for V4 {
    #[inline(always)]
    fn hop(frame: &mut Frame, packet: &Packet<Self>) -> Result<(), Verdict> {
        if packet.hop_limit <= 1 {
            return Err(Verdict::HopLimit);
        }
        let checksum: u16 = frame.read(packet.network() + Ipv4::CHECKSUM).ok_or(Verdict::Truncated)?;
        frame.write(packet.network() + V4_HOP_LIMIT, packet.hop_limit - 1)?;
        Ok(frame.write(packet.network() + Ipv4::CHECKSUM, hop_less(checksum))?)
    }

    #[inline(always)]
    fn readdress(
        frame: &mut Frame,
        packet: &Packet<Self>,
        source: Self::Address,
        destination: Self::Address,
    ) -> Result<(), Verdict> {
        let checksum: u16 = frame.read(packet.network() + Ipv4::CHECKSUM).ok_or(Verdict::Truncated)?;
        let change = Self::change(Change::new(), packet.source, source);
        let change = Self::change(change, packet.destination, destination);
        frame.write(packet.network() + Ipv4::CHECKSUM, change.apply(checksum))?;
        Ok(frame.write(packet.network() + V4_SOURCE, [source, destination])?)
    }
}

impl Forward for V6 {
    #[inline(always)]
    fn hop(frame: &mut Frame, packet: &Packet<Self>) -> Result<(), Verdict> {
        if packet.hop_limit <= 1 {
            return Err(Verdict::HopLimit);
        }
        Ok(frame.write(packet.network() + V6_HOP_LIMIT, packet.hop_limit - 1)?)
    }

    #[inline(always)]
    fn readdress(
        frame: &mut Frame,
        packet: &Packet<Self>,
        source: Self::Address,
        destination: Self::Address,
    ) -> Result<(), Verdict> {
        Ok(frame.write(packet.network() + V6_SOURCE, [source, destination])?)
    }
}

/// `ipip`: the ring alone says where to, and the packet goes there whole in an outer header.
#[inline(always)]
pub(crate) fn encapsulate<F: Forward>(
    mut frame: Frame,
    packet: &Packet<F>,
    listener: &Listener,
) -> Result<Ending, Verdict> {
    let hash = maps::settings().keys.flow(packet);
    let (id, target) = select::tracked_target(listener, packet, hash)?;
    let outer = target.flags & (TARGET_OUTER_V4 | TARGET_OUTER_V6);
    let header = if outer == TARGET_OUTER_V4 { V4::HEADER } else { V6::HEADER };
    #[expect(clippy::cast_possible_truncation, reason = "20 or 40")]
    let largest = u32::from(target.mtu).saturating_sub(header as u32);
    if packet.length > largest {
        return Err(F::too_big(&frame, packet, largest));
    }
    F::hop(&mut frame, packet)?;
    let inner =
        Inner { protocol: F::PROTOCOL, traffic_class: packet.traffic_class, length: packet.length, hash };
    let interface = match outer {
        TARGET_OUTER_V4 => {
            let mut frame = wrapped::<20>(frame, packet.network(), target, V4::ETHERTYPE)?;
            frame.write(packet.network(), outer::ipv4(target, inner))?;
            frame.ingress()
        }
        TARGET_OUTER_V6 => {
            let mut frame = wrapped::<40>(frame, packet.network(), target, V6::ETHERTYPE)?;
            frame.write(packet.network(), outer::ipv6(target, inner))?;
            frame.ingress()
        }
        _ => return Err(Verdict::BadMap),
    };
    let action = out(interface, target.interface)?;
    Ok(Ending { line: target_line(id, Direction::ToTarget), opens: packet.opens(), action })
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

/// Back out of the interface it came in by, or out of another one.
#[inline(always)]
pub(crate) fn out(ingress: u32, egress: u32) -> Result<u32, Verdict> {
    if ingress == egress { Ok(xdp_action::XDP_TX) } else { maps::redirect(egress) }
}
