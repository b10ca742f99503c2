//! The XDP program of an edge node. A packet's way, top to bottom:
//!
//!     frame -> link -> packet -> listener -> slot -> (flow) -> target -> forward -> verdict
//!
//! Every ending is counted once, in [`edge`]; [`action`] is the policy.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    feature(asm_experimental_arch, core_intrinsics),
    expect(internal_features, reason = "compare-and-swap")
)]
#![cfg_attr(not(target_arch = "bpf"), expect(dead_code, reason = "the host only reads this crate"))]

mod flows;
mod forward;
mod frame;
mod icmp;
mod maps;
mod nat;
mod ranges;
mod select;
mod steer;
mod track;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use lb_common::{
    maps::{KIND_NAT, KIND_NAT_RETURN, KIND_SERVICE},
    parse::{Family as _, Link, V4, V6},
    verdict::Verdict,
};

use crate::{
    forward::{Ending, Forward},
    frame::Frame,
    nat::Nat,
    select::Listen,
};

#[xdp]
pub(crate) fn edge(context: XdpContext) -> u32 {
    let frame = Frame::new(context.ctx);
    let bytes = frame.bytes();
    let ending = ended(steer(frame));
    maps::tally(ending.line, bytes, ending.opens);
    ending.action
}

#[inline(always)]
fn ended(result: Result<Ending, Verdict>) -> Ending {
    result.unwrap_or_else(|verdict| Ending { line: verdict.line(), opens: false, action: action(verdict) })
}

/// What happens to a packet that is not sent on; one that is answered has become the answer.
const fn action(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::NotIp
        | Verdict::NotOurs
        | Verdict::Fragment
        | Verdict::Icmp
        | Verdict::OtherProtocol
        | Verdict::ExtensionHeaders
        | Verdict::NatNoFlow => xdp_action::XDP_PASS,
        Verdict::TooBigAnswered => xdp_action::XDP_TX,
        Verdict::Truncated
        | Verdict::BadHeader
        | Verdict::HopLimit
        | Verdict::NoTarget
        | Verdict::NotTracked
        | Verdict::NextHopUnresolved
        | Verdict::TooBig
        | Verdict::NeedsFragmenting
        | Verdict::NoHeadroom
        | Verdict::NatTableFull
        | Verdict::NatPortsExhausted
        | Verdict::BadMap => xdp_action::XDP_DROP,
    }
}

#[inline(always)]
fn steer(frame: Frame) -> Result<Ending, Verdict> {
    let link = Link::parse(&frame)?;
    match link.ethertype {
        V4::ETHERTYPE => packet::<V4>(frame, link),
        V6::ETHERTYPE => packet::<V6>(frame, link),
        _ => Err(Verdict::NotIp),
    }
}

/// One source for both families.
#[inline(always)]
fn packet<F: Listen + Forward + Nat>(frame: Frame, link: Link) -> Result<Ending, Verdict> {
    let packet = F::parse(&frame, link.network)?;
    let listener = F::listener(&packet).ok_or(Verdict::NotOurs)?;
    match listener.kind {
        KIND_SERVICE => forward::direct(frame, &packet, &listener),
        KIND_NAT | KIND_NAT_RETURN => Ok(F::nat(&frame, &packet, &listener)),
        _ => Err(Verdict::BadMap),
    }
}

/// Unreachable by construction: a panic path that survives optimisation makes the object fail to load.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// Both licences: the kernel's helpers that these programs call are GPL-only.
#[expect(unsafe_code, reason = "the kernel finds the licence by its section")]
#[cfg_attr(target_arch = "bpf", unsafe(link_section = "license"))]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// On the host this crate is only read, by clippy and rust-analyzer.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
