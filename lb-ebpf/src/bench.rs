//! Programs of `cargo xtask bench`: wrappers that put the frame back and call the program under test, and
//! the floors that it is compared with.
//!
//! A program test run hands the frame to the next repeat as the last one left it. A wrapper moves the
//! head back, writes the headers of the next flow, and tail-calls the program whose turn it is. In the
//! first of all turns it does none of that, so that what it costs itself shows in the same run.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    feature(asm_experimental_arch, core_intrinsics),
    expect(internal_features, reason = "an atomic addition")
)]
#![cfg_attr(not(target_arch = "bpf"), expect(dead_code, reason = "the host only reads this crate"))]
#![expect(unsafe_code, reason = "reads and writes its own maps' values, moves the head, and tail-calls")]

#[path = "bench/floor.rs"]
mod floor;
#[cfg_attr(target_arch = "bpf", expect(dead_code, reason = "the edge program uses the rest"))]
mod frame;

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, xdp_action},
    helpers::{bpf_ktime_get_ns, bpf_xdp_adjust_head},
    macros::{map, xdp},
    maps::{Array, ProgramArray},
    programs::XdpContext,
};
use lb_common::{
    bench::{Course, FRAME, Peer, Places, Progress, TURNS, WINDOWS, client},
    parse::{Bytes as _, V4, V6},
    verdict::Verdict,
    wire::{Be16, Be32},
};

use crate::frame::Frame;

/// The programs that take turns.
#[map]
static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(TURNS, 0);
#[map]
static COURSE: Array<Course> = Array::with_max_entries(1, 0);
// On a page of its own: no false sharing with what the programs read.
#[map]
static PROGRESS: Array<Progress> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// When each window began, in nanoseconds.
#[map]
static TIMES: Array<u64> = Array::with_max_entries(WINDOWS, 0);
/// By flow. The bench sets the size.
#[map]
static PEERS: Array<Peer> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// What one packet of a flow differs by from the next one's.
struct Told {
    source: Be32,
    port: Be16,
    port_at: usize,
}

/// Clients' packets, the flows in an order of their own.
#[xdp]
pub(crate) fn walk_v4(context: XdpContext) -> u32 {
    drive::<V4>(&context, walked::<V4>)
}

#[xdp]
pub(crate) fn walk_v6(context: XdpContext) -> u32 {
    drive::<V6>(&context, walked::<V6>)
}

/// Clients' packets, flow after flow; notes what `nat` made of each.
#[xdp]
pub(crate) fn open_v4(context: XdpContext) -> u32 {
    drive::<V4>(&context, opened::<V4>)
}

#[xdp]
pub(crate) fn open_v6(context: XdpContext) -> u32 {
    drive::<V6>(&context, opened::<V6>)
}

/// Targets' replies, in the order of the walk.
#[xdp]
pub(crate) fn reply_v4(context: XdpContext) -> u32 {
    drive::<V4>(&context, replied::<V4>)
}

#[xdp]
pub(crate) fn reply_v6(context: XdpContext) -> u32 {
    drive::<V6>(&context, replied::<V6>)
}

/// Does nothing: what is left of a window's time is the wrapper's and the kernel's own.
#[xdp]
pub(crate) fn nothing(_: XdpContext) -> u32 {
    xdp_action::XDP_TX
}

#[inline(always)]
fn drive<F: Places>(
    context: &XdpContext,
    tell: impl FnOnce(&Frame, &Course, u64) -> Result<Told, Verdict>,
) -> u32 {
    match counted() {
        Ok((course, progress, packet)) => {
            if progress.turn == 0 {
                return xdp_action::XDP_TX;
            }
            if staged::<F>(context, course, progress, packet, tell).is_ok() {
                #[expect(clippy::cast_possible_truncation, reason = "one of a handful")]
                // SAFETY: nothing here has a destructor. Where the call succeeds, it does not return.
                unsafe {
                    PROGRAMS.tail_call(context, progress.turn as u32)
                }
            }
            xdp_action::XDP_ABORTED
        }
        Err(_) => xdp_action::XDP_ABORTED,
    }
}

/// The number of the packet; notes the time and passes the turn on where it starts a window.
#[inline(always)]
fn counted() -> Result<(&'static Course, &'static mut Progress, u64), Verdict> {
    let course = COURSE.get(0).ok_or(Verdict::BadMap)?;
    let progress = PROGRESS.get_ptr_mut(0).ok_or(Verdict::BadMap)?;
    // SAFETY: a valid element; one CPU drives.
    let progress = unsafe { &mut *progress };
    let packet = progress.packet;
    progress.packet += 1;
    if packet & course.window_mask == 0 {
        next_turn(course, progress)?;
    }
    Ok((course, progress, packet))
}

/// Puts the next packet into the frame.
#[inline(always)]
fn staged<F: Places>(
    context: &XdpContext,
    course: &Course,
    progress: &mut Progress,
    packet: u64,
    tell: impl FnOnce(&Frame, &Course, u64) -> Result<Told, Verdict>,
) -> Result<(), Verdict> {
    let told = tell(&Frame::new(context.ctx), course, packet)?;
    let mut frame = put_back(context)?;
    for (index, word) in course.frame.iter().take(F::WORDS).enumerate() {
        frame.write(index * 8, *word)?;
    }
    frame.write(F::SOURCE, told.source)?;
    frame.write(told.port_at, told.port)?;
    // The stores above leave the CPU's store buffer before the program's loads begin. A frame comes from
    // a device, not from the instructions just before.
    add(&raw mut progress.fence, 1);
    Ok(())
}

/// The frame, from its first byte on; always by the same calls.
#[inline(always)]
fn put_back(context: &XdpContext) -> Result<Frame, Verdict> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "some tens")]
    let grown = Frame::new(context.ctx).length() as i32 - FRAME as i32;
    // SAFETY: the helper checks the room itself.
    let moved = unsafe { bpf_xdp_adjust_head(context.ctx, grown) };
    if moved == 0 { Ok(Frame::new(context.ctx)) } else { Err(Verdict::NoHeadroom) }
}

/// A window is over.
#[inline(always)]
fn next_turn(course: &Course, progress: &mut Progress) -> Result<(), Verdict> {
    #[expect(clippy::cast_possible_truncation, reason = "a small number of windows")]
    let time = TIMES.get_ptr_mut(progress.window as u32).ok_or(Verdict::BadMap)?;
    // SAFETY: the helper has no conditions; it only reads the clock.
    let now = unsafe { bpf_ktime_get_ns() };
    // SAFETY: a valid element; one CPU drives.
    unsafe { *time = now };
    progress.window += 1;
    progress.turn = if progress.turn >= course.last_turn { course.first_turn } else { progress.turn + 1 };
    Ok(())
}

#[inline(always)]
fn walked<F: Places>(_: &Frame, course: &Course, packet: u64) -> Result<Told, Verdict> {
    Ok(told::<F>(course, strided(course, packet)))
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "less than the number of flows")]
fn opened<F: Places>(frame: &Frame, course: &Course, packet: u64) -> Result<Told, Verdict> {
    if packet > 0 {
        let peer = Peer {
            target: frame.read(F::DESTINATION).ok_or(Verdict::Truncated)?,
            port: frame.read(F::SOURCE_PORT).ok_or(Verdict::Truncated)?,
            reserved: 0,
        };
        let place = PEERS.get_ptr_mut((packet - 1) as u32).ok_or(Verdict::BadMap)?;
        // SAFETY: a valid element; one CPU drives.
        unsafe { place.write(peer) };
    }
    // The packet after the last flow's is only there to find what became of that one.
    Ok(told::<F>(course, if packet < u64::from(course.flows) { packet as u32 } else { 0 }))
}

#[inline(always)]
fn replied<F: Places>(_: &Frame, course: &Course, packet: u64) -> Result<Told, Verdict> {
    let peer = PEERS.get(strided(course, packet)).ok_or(Verdict::BadMap)?;
    Ok(Told { source: peer.target, port: peer.port, port_at: F::DESTINATION_PORT })
}

#[inline(always)]
fn told<F: Places>(course: &Course, flow: u32) -> Told {
    let (client, port) = client(flow);
    Told { source: Be32::new(course.client.get().wrapping_add(client)), port, port_at: F::SOURCE_PORT }
}

/// Multiples of the stride, scaled to the number of flows: all of them, far from the order they came in.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "modulo 2^32 is meant; less than the number of flows")]
const fn strided(course: &Course, packet: u64) -> u32 {
    let at = (packet as u32).wrapping_mul(course.stride);
    ((at as u64 * course.flows as u64) >> 32) as u32
}

#[cfg(target_arch = "bpf")]
#[inline(always)]
fn add(place: *mut u64, summand: u64) {
    use core::intrinsics::{AtomicOrdering::SeqCst, atomic_xadd};
    // SAFETY: only called with a valid, aligned field.
    let _: u64 = unsafe { atomic_xadd::<u64, u64, { SeqCst }>(place, summand) };
}

#[cfg(not(target_arch = "bpf"))]
fn add(_: *mut u64, _: u64) {}

/// Unreachable by construction: a panic path that survives optimisation makes the object fail to load.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// As the edge object's.
#[cfg_attr(target_arch = "bpf", unsafe(link_section = "license"))]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// On the host this crate is only read, by clippy and rust-analyzer.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
