//! Which listener, which slot, which target.

use lb_common::{
    ids::TargetId,
    maps::{KIND_RANGES, Listener, ListenerKeyV4, ListenerKeyV6, TARGET_RESOLVED, Target},
    parse::{Packet, UDP, V4, V6},
    verdict::Verdict,
    wire::Be16,
};

use crate::{maps, ranges::Ranges, steer::Steer, track};

/// UDP port of RoCEv2 (InfiniBand specification, volume 1, annex A17).
const ROCE_V2: Be16 = Be16::new(4791);

/// A family whose listeners are kept in a map of its own.
pub(crate) trait Listen: Ranges {
    /// The listener of exactly this port.
    fn at(packet: &Packet<Self>, port: Be16) -> Option<Listener>;

    /// What listens at the packet's destination: on its very port first, else on a range of ports, else on every
    /// port.
    #[inline(always)]
    fn listener(packet: &Packet<Self>) -> Option<Listener> {
        let port = packet.destination_port();
        // At port 0 stands what is on many ports.
        let exact = if port == Be16::new(0) { None } else { Self::at(packet, port) };
        exact.or_else(|| {
            // A listener on many ports does not mean RDMA: its queue pairs live between two hosts' NICs.
            if packet.protocol == UDP && port == ROCE_V2 {
                return None;
            }
            let many = Self::at(packet, Be16::new(0))?;
            if many.kind == KIND_RANGES { Self::within(packet, many) } else { Some(many) }
        })
    }
}

impl Listen for V4 {
    #[inline(always)]
    fn at(packet: &Packet<Self>, port: Be16) -> Option<Listener> {
        let (address, protocol) = (packet.destination, packet.protocol);
        maps::listener_v4(&ListenerKeyV4 { address, port, protocol, reserved: 0 })
    }
}

impl Listen for V6 {
    #[inline(always)]
    fn at(packet: &Packet<Self>, port: Be16) -> Option<Listener> {
        let (address, protocol) = (packet.destination, packet.protocol);
        maps::listener_v6(&ListenerKeyV6 { address, port, protocol, reserved: 0, reserved_too: 0 })
    }
}

/// The target that the ring names for a new flow; `tag` is the hash of its 5-tuple.
#[inline(always)]
pub(crate) fn target<F: Steer>(
    listener: &Listener,
    packet: &Packet<F>,
    tag: u64,
) -> Result<(TargetId, &'static Target), Verdict> {
    let place = F::place(listener, packet, tag)?;
    let slot = maps::slot(listener.ring + place).ok_or(Verdict::BadMap)?;
    resolved(slot.current().ok_or(Verdict::NoTarget)?)
}

/// The same of a packet whose slot may be in motion.
#[inline(always)]
pub(crate) fn tracked_target<F: Steer>(
    listener: &Listener,
    packet: &Packet<F>,
    tag: u64,
) -> Result<(TargetId, &'static Target), Verdict> {
    let place = F::place(listener, packet, tag)?;
    let slot = maps::slot(listener.ring + place).ok_or(Verdict::BadMap)?;
    let id = if slot.is_steady() { slot.current() } else { track::target(slot, place, packet, tag)? };
    resolved(id.ok_or(Verdict::NoTarget)?)
}

#[inline(always)]
fn resolved(id: TargetId) -> Result<(TargetId, &'static Target), Verdict> {
    let target = maps::target(id).ok_or(Verdict::BadMap)?;
    if target.flags & TARGET_RESOLVED == 0 {
        return Err(Verdict::NextHopUnresolved);
    }
    Ok((id, target))
}
