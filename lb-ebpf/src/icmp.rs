//! ICMP and ICMPv6, out of line: what the program says itself.

mod answer;

use aya_ebpf::bindings::xdp_md;
use lb_common::{
    parse::{Family, Packet, V4, V6},
    verdict::Verdict,
};

use crate::frame::Frame;

/// A family whose senders are told what became of a packet.
pub(crate) trait Answer: Family {
    /// The packet is larger than the `largest` that fits the way to its target. Makes the answer of it, if one is
    /// due: then it is to be sent back.
    fn too_big(frame: &Frame, packet: &Packet<Self>, largest: u32) -> Verdict;
}

impl Answer for V4 {
    #[inline(always)]
    fn too_big(frame: &Frame, packet: &Packet<Self>, largest: u32) -> Verdict {
        verdict(too_big_v4(frame.context(), packet.network(), largest))
    }
}

impl Answer for V6 {
    #[inline(always)]
    fn too_big(frame: &Frame, packet: &Packet<Self>, largest: u32) -> Verdict {
        verdict(too_big_v6(frame.context(), packet.network(), largest))
    }
}

#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn too_big_v4(context: *mut xdp_md, network: usize, largest: u32) -> u32 {
    answer::too_big::<V4, 28>(context, network, largest).line()
}

#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn too_big_v6(context: *mut xdp_md, network: usize, largest: u32) -> u32 {
    answer::too_big::<V6, 48>(context, network, largest).line()
}

/// The inverse of [`Verdict::line`], for what becomes of a packet that is too big.
#[inline(always)]
const fn verdict(line: u32) -> Verdict {
    const ANSWERED: u32 = Verdict::TooBigAnswered.line();
    const NEEDS_FRAGMENTING: u32 = Verdict::NeedsFragmenting.line();
    match line {
        ANSWERED => Verdict::TooBigAnswered,
        NEEDS_FRAGMENTING => Verdict::NeedsFragmenting,
        _ => Verdict::TooBig,
    }
}
