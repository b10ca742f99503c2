//! On to the target: the outer header, the Ethernet header, and out.

mod envelope;

use core::hint::cold_path;

use aya_ebpf::bindings::xdp_action;
use lb_common::{
    checksum::{Change, hop_less},
    maps::{
        Listener, TARGET_GUE_V4, TARGET_GUE_V6, TARGET_L2, TARGET_OUTER_V4, TARGET_OUTER_V6, TARGET_WAY,
        Target,
    },
    outer::Inner,
    parse::{Bytes as _, Family as _, Ipv4, Packet, V4, V6},
    verdict::{Direction, Verdict, target_line},
};

use self::envelope::{gue, ipip};
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
const V6_HOP_LIMIT: usize = 7;

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
        Ok(frame.write(packet.network() + Self::ADDRESSES, [source, destination])?)
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
        Ok(frame.write(packet.network() + Self::ADDRESSES, [source, destination])?)
    }
}

/// To a target that answers the client itself: the packet goes there whole.
#[inline(always)]
pub(crate) fn direct<F: Forward>(
    mut frame: Frame,
    packet: &Packet<F>,
    listener: &Listener,
) -> Result<Ending, Verdict> {
    let hash = maps::settings().keys.flow(packet);
    let (id, target) = select::tracked_target(listener, packet, hash)?;
    if packet.length > u32::from(target.largest) {
        return Err(F::too_big(&frame, packet, target.largest.into()));
    }
    F::hop(&mut frame, packet)?;
    let (network, class, length) = (packet.network(), packet.traffic_class, packet.length);
    let inner = Inner { protocol: F::PROTOCOL, traffic_class: class, length, hash };
    let way = target.flags & TARGET_WAY;
    let frame = if way == TARGET_OUTER_V4 {
        ipip::<V4, 20>(frame, network, target, inner)?
    } else if way == TARGET_OUTER_V6 {
        ipip::<V6, 40>(frame, network, target, inner)?
    } else {
        // Laid out, and given registers, after `ipip`; what it has in common with that is not drawn together.
        cold_path();
        let target = maps::apart(target);
        match way {
            TARGET_GUE_V4 => gue::<V4, 28>(frame, network, target, inner)?,
            TARGET_GUE_V6 => gue::<V6, 48>(frame, network, target, inner)?,
            TARGET_L2 => l2(frame, target)?,
            _ => return Err(Verdict::BadMap),
        }
    };
    let action = out(frame.ingress(), target.interface)?;
    Ok(Ending { line: target_line(id, Direction::ToTarget), opens: packet.opens(), action })
}

/// `l2`: to the target's MAC; the target has the listener's address itself.
#[inline(always)]
fn l2(mut frame: Frame, target: &Target) -> Result<Frame, Verdict> {
    frame.link(target.link)?;
    Ok(frame)
}

/// Back out of the interface it came in by, or out of another one.
#[inline(always)]
pub(crate) fn out(ingress: u32, egress: u32) -> Result<u32, Verdict> {
    if ingress == egress { Ok(xdp_action::XDP_TX) } else { maps::redirect(egress) }
}
