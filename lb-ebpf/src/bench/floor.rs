//! Floors: the least that a program could do that forwards, with nothing looked up.
//!
//! They parse as the edge program does, and write what it writes. Listener, flow, slot, hop limit and
//! counters are what it costs more.

use core::ptr;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use lb_common::{
    checksum::Change,
    maps::Target,
    outer::{self, Inner},
    parse::{Bytes as _, Family, Ipv4, Ipv6, Link, Packet, TCP, TCP_CHECKSUM, UDP_CHECKSUM, V4, V6, ports},
    verdict::Verdict,
    wire::{Be16, Be32},
};

use crate::frame::{Frame, opaque};

/// The one target that the floors know. The bench sets both before loading.
#[unsafe(no_mangle)]
static FLOOR_V4: Target = NOBODY;
#[unsafe(no_mangle)]
static FLOOR_V6: Target = NOBODY;

const NOBODY: Target = Target {
    flags: 0,
    largest: 0,
    port: Be16::new(0),
    reserved: 0,
    link: [0; 3],
    interface: 0,
    destination: [0; 2],
    source: [0; 2],
    source_mask: Be32::new(0),
    checksum: 0,
};

/// Parse, and no more: the floor of a packet that is not ours.
#[xdp]
pub(crate) fn floor_parse(context: XdpContext) -> u32 {
    let frame = Frame::new(context.ctx);
    match parsed(&frame) {
        Ok(()) => xdp_action::XDP_PASS,
        Err(_) => xdp_action::XDP_ABORTED,
    }
}

/// Parse, move the head, write the outer header, send.
#[xdp]
pub(crate) fn floor_ipip(context: XdpContext) -> u32 {
    sent(Frame::new(context.ctx), encapsulated)
}

/// The same with a UDP header in between.
#[xdp]
pub(crate) fn floor_gue(context: XdpContext) -> u32 {
    sent(Frame::new(context.ctx), in_udp)
}

/// Parse, write the MACs, send.
#[xdp]
pub(crate) fn floor_l2(context: XdpContext) -> u32 {
    sent(Frame::new(context.ctx), rewritten)
}

/// Parse, rewrite addresses, ports and checksums in place, send.
#[xdp]
pub(crate) fn floor_nat(context: XdpContext) -> u32 {
    sent(Frame::new(context.ctx), translated)
}

#[inline(always)]
fn sent(frame: Frame, forward: impl FnOnce(Frame) -> Result<(), Verdict>) -> u32 {
    match forward(frame) {
        Ok(()) => xdp_action::XDP_TX,
        Err(_) => xdp_action::XDP_ABORTED,
    }
}

#[inline(always)]
fn parsed(frame: &Frame) -> Result<(), Verdict> {
    let link = Link::parse(frame)?;
    match link.ethertype {
        V4::ETHERTYPE => kept(V4::parse(frame, link.network)?),
        V6::ETHERTYPE => kept(V6::parse(frame, link.network)?),
        _ => return Err(Verdict::NotIp),
    }
    Ok(())
}

/// What the steering needs of a packet, so that the compiler does not leave its parsing out.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "64 bits on the BPF machine")]
fn kept<F: Family>(packet: Packet<F>) {
    let mut words = F::words(packet.source, packet.destination).into_iter();
    words.by_ref().for_each(|word| {
        let _: usize = opaque((word ^ u64::from(packet.ports)) as usize);
    });
}

#[inline(always)]
fn encapsulated(frame: Frame) -> Result<(), Verdict> {
    let link = Link::parse(&frame)?;
    match link.ethertype {
        V4::ETHERTYPE => {
            let packet = V4::parse(&frame, link.network)?;
            let target = told(&raw const FLOOR_V4);
            let mut frame = frame.grown_by::<20>().ok_or(Verdict::NoHeadroom)?;
            frame.link(target.link)?;
            frame.write(Link::ETHERNET - 2, V4::ETHERTYPE)?;
            Ok(frame.write(Link::ETHERNET, outer::ipv4(target, inner(&packet)))?)
        }
        V6::ETHERTYPE => {
            let packet = V6::parse(&frame, link.network)?;
            let target = told(&raw const FLOOR_V6);
            let mut frame = frame.grown_by::<40>().ok_or(Verdict::NoHeadroom)?;
            frame.link(target.link)?;
            frame.write(Link::ETHERNET - 2, V6::ETHERTYPE)?;
            Ok(frame.write(Link::ETHERNET, outer::ipv6(target, inner(&packet)))?)
        }
        _ => Err(Verdict::NotIp),
    }
}

#[inline(always)]
fn in_udp(frame: Frame) -> Result<(), Verdict> {
    let link = Link::parse(&frame)?;
    match link.ethertype {
        V4::ETHERTYPE => {
            let packet = V4::parse(&frame, link.network)?;
            let (target, inner) = (told(&raw const FLOOR_V4), inner(&packet));
            let mut frame = frame.grown_by::<28>().ok_or(Verdict::NoHeadroom)?;
            frame.link(target.link)?;
            frame.write(Link::ETHERNET - 2, V4::ETHERTYPE)?;
            frame.write(Link::ETHERNET, outer::ipv4(target, inner.in_udp()))?;
            Ok(frame.write(Link::ETHERNET + V4::HEADER, outer::udp(target, inner))?)
        }
        V6::ETHERTYPE => {
            let packet = V6::parse(&frame, link.network)?;
            let (target, inner) = (told(&raw const FLOOR_V6), inner(&packet));
            let mut frame = frame.grown_by::<48>().ok_or(Verdict::NoHeadroom)?;
            frame.link(target.link)?;
            frame.write(Link::ETHERNET - 2, V6::ETHERTYPE)?;
            frame.write(Link::ETHERNET, outer::ipv6(target, inner.in_udp()))?;
            Ok(frame.write(Link::ETHERNET + V6::HEADER, outer::udp(target, inner))?)
        }
        _ => Err(Verdict::NotIp),
    }
}

#[inline(always)]
fn rewritten(mut frame: Frame) -> Result<(), Verdict> {
    parsed(&frame)?;
    Ok(frame.link(told(&raw const FLOOR_V4).link)?)
}

#[inline(always)]
fn inner<F: Family>(packet: &Packet<F>) -> Inner {
    Inner {
        protocol: F::PROTOCOL,
        traffic_class: packet.traffic_class,
        length: packet.length,
        hash: u64::from(packet.ports),
    }
}

#[inline(always)]
fn translated(mut frame: Frame) -> Result<(), Verdict> {
    let link = Link::parse(&frame)?;
    match link.ethertype {
        V4::ETHERTYPE => {
            let packet = V4::parse(&frame, link.network)?;
            let target = told(&raw const FLOOR_V4);
            let change = readdressed(&mut frame, &packet, target, size_of::<Ipv4>() - 8)?;
            let at = packet.network() + Ipv4::CHECKSUM;
            let checksum: u16 = frame.read(at).ok_or(Verdict::Truncated)?;
            frame.write(at, change.apply(checksum))?;
            sums(&mut frame, &packet, target, change)
        }
        V6::ETHERTYPE => {
            let packet = V6::parse(&frame, link.network)?;
            let target = told(&raw const FLOOR_V6);
            let change = readdressed(&mut frame, &packet, target, size_of::<Ipv6>() - 32)?;
            sums(&mut frame, &packet, target, change)
        }
        _ => Err(Verdict::NotIp),
    }
}

/// Writes MACs, and both addresses at `at` in the IP header.
#[inline(always)]
fn readdressed<F: Family<Address: zerocopy::IntoBytes + zerocopy::Immutable>>(
    frame: &mut Frame,
    packet: &Packet<F>,
    target: &Target,
    at: usize,
) -> Result<Change, Verdict> {
    let (source, destination) = (F::from_words(target.source), F::from_words(target.destination));
    frame.link(target.link)?;
    frame.write(packet.network() + at, source)?;
    frame.write(packet.network() + at + size_of::<F::Address>(), destination)?;
    Ok(F::change(F::change(Change::new(), packet.source, source), packet.destination, destination))
}

/// Writes ports and the checksum over them.
#[inline(always)]
fn sums<F: Family>(
    frame: &mut Frame,
    packet: &Packet<F>,
    target: &Target,
    change: Change,
) -> Result<(), Verdict> {
    let new = ports(packet.source_port(), target.port);
    let change = change.word(packet.ports, new);
    frame.write(packet.transport(), new)?;
    let at = packet.transport() + if packet.protocol == TCP { TCP_CHECKSUM } else { UDP_CHECKSUM };
    let checksum: u16 = frame.read(at).ok_or(Verdict::Truncated)?;
    Ok(frame.write(at, change.apply(checksum))?)
}

/// Through an address that the compiler cannot see through: it would take the zeros for the values.
#[inline(always)]
#[expect(unsafe_code, reason = "reads a static of this file")]
fn told(target: *const Target) -> &'static Target {
    let target = ptr::with_exposed_provenance::<Target>(opaque(target.expose_provenance()));
    // SAFETY: only called with the address of a static of this file.
    unsafe { &*target }
}
