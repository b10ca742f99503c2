//! The XDP program of a training node: takes the outer header off what an edge node sent, and hands the
//! packet up, so that a target needs no tunnel module.
//!
//!     frame -> link -> outer header -> (UDP header) -> source allowed? -> inner header -> ECN -> up
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![cfg_attr(not(target_arch = "bpf"), expect(dead_code, reason = "the host only reads this crate"))]

#[cfg_attr(target_arch = "bpf", expect(dead_code, reason = "the edge program uses the rest"))]
mod frame;
mod node_maps;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use lb_common::{
    checksum::Change,
    parse::{Bytes as _, Family as _, Ipv4, Ipv6, Link, UDP, Udp, V4, V6},
    verdict::NodeVerdict,
    wire::{Be16, Be32},
};

use crate::frame::Frame;

#[xdp]
pub(crate) fn node(context: XdpContext) -> u32 {
    let frame = Frame::new(context.ctx);
    let bytes = frame.bytes();
    let verdict = unwrap(frame).map_or_else(|verdict| verdict, |()| NodeVerdict::Unwrapped);
    node_maps::tally(verdict, bytes);
    action(verdict)
}

const fn action(verdict: NodeVerdict) -> u32 {
    match verdict {
        NodeVerdict::Unwrapped | NodeVerdict::NotEncapsulated => xdp_action::XDP_PASS,
        NodeVerdict::SourceDenied
        | NodeVerdict::Truncated
        | NodeVerdict::BadHeader
        | NodeVerdict::CongestionMarked
        | NodeVerdict::NoRoom => xdp_action::XDP_DROP,
    }
}

/// What of the outer header the inner packet is measured by.
struct Outer {
    /// Family of the inner packet, as a protocol: 4 or 41.
    protocol: u8,
    /// Whether a UDP header stands in between.
    in_udp: bool,
    /// ECN bits, in the low two.
    ecn: u8,
    /// Offset of the inner header.
    inner: usize,
    /// Bytes of the inner packet.
    length: usize,
}

/// What stands behind an outer header, and the inner packet's family as a protocol.
enum Carried {
    Packet(u8),
    /// A UDP header first, which says that with it there are so many bytes.
    InUdp(u8, usize),
}

const ECN: u8 = 3;
const CONGESTION_EXPERIENCED: u8 = 3;
const ECT_0: u8 = 2;
const ECT_1: u8 = 1;
const NOT_ECN_CAPABLE: u8 = 0;

#[inline(always)]
fn unwrap(mut frame: Frame) -> Result<(), NodeVerdict> {
    let link = Link::parse(&frame).map_err(|_| NodeVerdict::Truncated)?;
    let outer = match link.ethertype {
        V4::ETHERTYPE => outer_v4(&frame, link.network)?,
        V6::ETHERTYPE => outer_v6(&frame, link.network)?,
        _ => return Err(NodeVerdict::NotEncapsulated),
    };
    let ethertype = inner(&mut frame, &outer)?;
    match (link.ethertype, outer.in_udp) {
        (V4::ETHERTYPE, false) => strip::<20>(frame, link.network, ethertype),
        (V4::ETHERTYPE, true) => strip::<28>(frame, link.network, ethertype),
        (_, false) => strip::<40>(frame, link.network, ethertype),
        (_, true) => strip::<48>(frame, link.network, ethertype),
    }
}

/// An outer IPv4 header as an edge node writes it: no options, no fragment. Any other tunnel's packet is
/// the host's.
#[inline(always)]
fn outer_v4(frame: &Frame, at: usize) -> Result<Outer, NodeVerdict> {
    let ip: Ipv4 = frame.read(at).ok_or(NodeVerdict::Truncated)?;
    if ip.version != Ipv4::PLAIN || ip.fragmented() {
        return Err(NodeVerdict::NotEncapsulated);
    }
    let (behind, length) = (at + V4::HEADER, usize::from(ip.length.get()));
    let carried = carried(frame, ip.protocol, behind, length.saturating_sub(V4::HEADER))?;
    if !node_maps::allows_v4(ip.source) {
        return Err(NodeVerdict::SourceDenied);
    }
    if length < V4::HEADER {
        return Err(NodeVerdict::BadHeader);
    }
    measured(frame, &carried, ip.traffic_class & ECN, behind, length - V4::HEADER)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the octet in the middle of the word")]
fn outer_v6(frame: &Frame, at: usize) -> Result<Outer, NodeVerdict> {
    let ip: Ipv6 = frame.read(at).ok_or(NodeVerdict::Truncated)?;
    let first = ip.first.get();
    if first >> 28 != 6 {
        return Err(NodeVerdict::NotEncapsulated);
    }
    let (behind, length) = (at + V6::HEADER, usize::from(ip.length.get()));
    let carried = carried(frame, ip.next_header, behind, length)?;
    if !node_maps::allows_v6(ip.source) {
        return Err(NodeVerdict::SourceDenied);
    }
    measured(frame, &carried, (first >> 20) as u8 & ECN, behind, length)
}

/// What stands at `at`, where an outer header carries `length` bytes of `protocol`.
#[inline(always)]
fn carried(frame: &Frame, protocol: u8, at: usize, length: usize) -> Result<Carried, NodeVerdict> {
    if protocol == V4::PROTOCOL || protocol == V6::PROTOCOL {
        return Ok(Carried::Packet(protocol));
    }
    if protocol != UDP || length <= size_of::<Udp>() {
        return Err(NodeVerdict::NotEncapsulated);
    }
    let udp: Udp = frame.read(at).ok_or(NodeVerdict::Truncated)?;
    // An edge node sends no checksum. Who sends one wants it verified, which the host does.
    if udp.destination_port() != node_maps::gue_port() || udp.checksum != 0 {
        return Err(NodeVerdict::NotEncapsulated);
    }
    let version: u8 = frame.read(at + size_of::<Udp>()).ok_or(NodeVerdict::Truncated)?;
    let length = usize::from(udp.length.get());
    match version >> 4 {
        4 => Ok(Carried::InUdp(V4::PROTOCOL, length)),
        6 => Ok(Carried::InUdp(V6::PROTOCOL, length)),
        // Another variant of GUE.
        _ => Err(NodeVerdict::NotEncapsulated),
    }
}

/// Whether all of it is there.
#[inline(always)]
fn measured(
    frame: &Frame,
    carried: &Carried,
    ecn: u8,
    at: usize,
    length: usize,
) -> Result<Outer, NodeVerdict> {
    const UDP_HEADER: usize = size_of::<Udp>();
    if at + length > frame.length() {
        return Err(NodeVerdict::Truncated);
    }
    match *carried {
        Carried::Packet(protocol) => Ok(Outer { protocol, in_udp: false, ecn, inner: at, length }),
        Carried::InUdp(protocol, with_udp) if with_udp >= UDP_HEADER && with_udp <= length => {
            let (inner, length) = (at + UDP_HEADER, with_udp - UDP_HEADER);
            Ok(Outer { protocol, in_udp: true, ecn, inner, length })
        }
        Carried::InUdp(..) => Err(NodeVerdict::BadHeader),
    }
}

/// Checks the inner header and carries congestion marks over to it; gives its ethertype.
#[inline(always)]
fn inner(frame: &mut Frame, outer: &Outer) -> Result<Be16, NodeVerdict> {
    if outer.protocol == V4::PROTOCOL {
        let ip: Ipv4 = frame.read(outer.inner).ok_or(NodeVerdict::Truncated)?;
        let length = usize::from(ip.length.get());
        if ip.version >> 4 != 4 || length < V4::HEADER || length > outer.length {
            return Err(NodeVerdict::BadHeader);
        }
        if let Some(class) = marked(outer.ecn, ip.traffic_class)? {
            let word = |class| u32::from(u16::from_ne_bytes([ip.version, class]));
            let change = Change::new().word(word(ip.traffic_class), word(class));
            frame.write(outer.inner + 1, class)?;
            frame.write(outer.inner + Ipv4::CHECKSUM, change.apply(ip.checksum))?;
        }
        Ok(V4::ETHERTYPE)
    } else {
        let ip: Ipv6 = frame.read(outer.inner).ok_or(NodeVerdict::Truncated)?;
        let first = ip.first.get();
        if first >> 28 != 6 || usize::from(ip.length.get()) + V6::HEADER > outer.length {
            return Err(NodeVerdict::BadHeader);
        }
        #[expect(clippy::cast_possible_truncation, reason = "the octet in the middle of the word")]
        if let Some(class) = marked(outer.ecn, (first >> 20) as u8)? {
            frame.write(outer.inner, Be32::new(first & !(0xff << 20) | u32::from(class) << 20))?;
        }
        Ok(V6::ETHERTYPE)
    }
}

/// The inner traffic class, if the outer header's congestion mark changes it (RFC 6040, section 4.2, whose
/// figure 4 has ECT(1) as the milder of two marks).
#[inline(always)]
const fn marked(outer_ecn: u8, class: u8) -> Result<Option<u8>, NodeVerdict> {
    match (outer_ecn, class & ECN) {
        (CONGESTION_EXPERIENCED, CONGESTION_EXPERIENCED) => Ok(None),
        (CONGESTION_EXPERIENCED, NOT_ECN_CAPABLE) => Err(NodeVerdict::CongestionMarked),
        (CONGESTION_EXPERIENCED, _) => Ok(Some(class | CONGESTION_EXPERIENCED)),
        (ECT_1, ECT_0) => Ok(Some(class & !ECN | ECT_1)),
        _ => Ok(None),
    }
}

/// Takes `BYTES` away before the IP header at `network`; MACs and VLAN tags stay, the type changes.
#[inline(always)]
fn strip<const BYTES: i32>(frame: Frame, network: usize, ethertype: Be16) -> Result<(), NodeVerdict> {
    const TAGS: usize = 12;
    let macs = [word(&frame, 0)?, word(&frame, 4)?, word(&frame, 8)?];
    let tags = [word(&frame, TAGS)?, word(&frame, TAGS + Link::TAG)?];
    let mut frame = frame.shrunk_by::<BYTES>().ok_or(NodeVerdict::NoRoom)?;
    frame.link(macs)?;
    match network {
        Link::ETHERNET => frame.write(TAGS, ethertype)?,
        Link::ONE_TAG => {
            frame.write(TAGS, tags[0])?;
            frame.write(TAGS + Link::TAG, ethertype)?;
        }
        _ => {
            frame.write(TAGS, tags[0])?;
            frame.write(TAGS + Link::TAG, tags[1])?;
            frame.write(TAGS + 2 * Link::TAG, ethertype)?;
        }
    }
    Ok(())
}

#[inline(always)]
fn word(frame: &Frame, at: usize) -> Result<u32, NodeVerdict> {
    frame.read(at).ok_or(NodeVerdict::Truncated)
}

/// Unreachable by construction: a panic path that survives optimisation makes the object fail to load.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[expect(unsafe_code, reason = "the kernel finds the licence by its section")]
#[cfg_attr(target_arch = "bpf", unsafe(link_section = "license"))]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// On the host this crate is only read, by clippy and rust-analyzer.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
