//! A packet becomes the answer to itself, back to the MAC that it came from.

use aya_ebpf::bindings::xdp_md;
use lb_common::{
    icmp::{self, TooBig},
    parse::{Bytes as _, Link},
    verdict::Verdict,
};

use crate::{
    frame::{DESTINATION_MAC, Frame, Outside, SOURCE_MAC},
    maps,
};

/// Larger than any offset of an IP header. The verifier takes no caller's word for it.
const OFFSETS: usize = 0x1f;

/// `HEADERS`: of the error.
#[inline(always)]
pub(super) fn too_big<F: TooBig, const HEADERS: i32>(
    context: *mut xdp_md,
    network: usize,
    largest: u32,
) -> Verdict {
    const { assert!(F::HEADERS == HEADERS as usize, "one of two forms of the same number") };
    let (frame, network) = (Frame::for_loops(context), network & OFFSETS);
    answered::<F, HEADERS>(frame, network, largest).unwrap_or_else(|verdict| verdict)
}

#[inline(always)]
fn answered<F: TooBig, const HEADERS: i32>(
    frame: Frame,
    network: usize,
    largest: u32,
) -> Result<Verdict, Verdict> {
    let (error, quote) = icmp::too_big::<F, _>(&frame, network, largest)?;
    if !maps::may_complain(maps::settings(), maps::now()) {
        return Err(Verdict::TooBig);
    }
    let mut frame = frame.grown_by::<HEADERS>().ok_or(Verdict::TooBig)?;
    link_moved_up(&mut frame, network, F::HEADERS)?;
    turn(&mut frame)?;
    frame.write(network, error)?;
    frame.cut_to(network + F::HEADERS + quote).ok_or(Verdict::TooBig)?;
    Ok(Verdict::TooBigAnswered)
}

/// Writes what stood before the IP header before its new place at `network`, `by` bytes nearer to the start.
#[inline(always)]
fn link_moved_up(frame: &mut Frame, network: usize, by: usize) -> Result<(), Outside> {
    for at in (0..Link::LONGEST).step_by(2).take_while(|at| *at < network) {
        let word: u16 = frame.read(at + by).ok_or(Outside)?;
        frame.write(at, word)?;
    }
    Ok(())
}

/// Who it came from is who it goes to.
#[inline(always)]
fn turn(frame: &mut Frame) -> Result<(), Outside> {
    let (to, from) = (frame.mac(DESTINATION_MAC)?, frame.mac(SOURCE_MAC)?);
    frame.write(DESTINATION_MAC, from.words())?;
    frame.write(SOURCE_MAC, to.words())
}
