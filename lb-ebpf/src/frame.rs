//! The frame in the driver's memory. Unsafe, one of two.
#![expect(unsafe_code, reason = "reads and writes packet memory, each time behind its bounds check")]

use core::ptr;

use aya_ebpf::{
    bindings::xdp_md,
    helpers::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail},
    programs::XdpContext,
};
use lb_common::{
    maps::Mac,
    parse::Bytes,
    verdict::{NodeVerdict, Verdict},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One frame, from its first byte to its last.
///
/// Moving the head consumes it and gives another, so an address from before the move cannot be used.
pub(crate) struct Frame {
    context: *mut xdp_md,
    start: usize,
    end: usize,
}

impl Frame {
    #[inline(always)]
    pub(crate) fn new(context: *mut xdp_md) -> Self {
        let frame = XdpContext::new(context);
        Self { context, start: opaque(frame.data()), end: frame.data_end() }
    }

    /// The same for a loop over the frame. Of an end that it knows to be a number of 32 bits the compiler makes the
    /// next one, to compare with that; the verifier lets nobody calculate with a frame's end.
    #[inline(always)]
    pub(crate) fn for_loops(context: *mut xdp_md) -> Self {
        let Self { context, start, end } = Self::new(context);
        Self { context, start, end: opaque(end) }
    }

    /// What [`Self::new`] takes, to hand the frame to another function of the program.
    #[inline(always)]
    pub(crate) const fn context(&self) -> *mut xdp_md {
        self.context
    }

    #[inline(always)]
    pub(crate) const fn bytes(&self) -> u64 {
        (self.end - self.start) as u64
    }

    /// `ifindex` of the interface that the frame came in by.
    #[inline(always)]
    pub(crate) fn ingress(&self) -> u32 {
        // SAFETY: the kernel passes a context that is valid for the program's whole run.
        unsafe { (*self.context).ingress_ifindex }
    }

    /// Writes `value` at `at`, or nothing if it does not lie wholly inside.
    #[inline(always)]
    pub(crate) fn write<T: IntoBytes + Immutable>(&mut self, at: usize, value: T) -> Result<(), Outside> {
        let place = self.at::<T>(at).ok_or(Outside)?;
        // SAFETY: `at` compared the end of `T` with `end`, and the frame is ours alone while we run.
        unsafe { place.write_unaligned(value) };
        Ok(())
    }

    /// Writes the MACs of the way to `target`, word by word: a copy of twelve bytes becomes a call.
    #[inline(always)]
    pub(crate) fn link(&mut self, [first, second, third]: [u32; 3]) -> Result<(), Outside> {
        self.write(0, first)?;
        self.write(4, second)?;
        self.write(8, third)
    }

    /// The same frame with `BYTES` undefined bytes before its first.
    #[inline(always)]
    pub(crate) fn grown_by<const BYTES: i32>(self) -> Option<Self> {
        // SAFETY: the helper checks the room itself; `self` and its addresses end here.
        let moved = unsafe { bpf_xdp_adjust_head(self.context.cast(), -BYTES) };
        (moved == 0).then(|| Self::new(self.context))
    }

    /// The same frame without its first `BYTES` bytes.
    #[inline(always)]
    pub(crate) fn shrunk_by<const BYTES: i32>(self) -> Option<Self> {
        // SAFETY: the helper keeps the frame longer than an Ethernet header; `self` ends here.
        let moved = unsafe { bpf_xdp_adjust_head(self.context.cast(), BYTES) };
        (moved == 0).then(|| Self::new(self.context))
    }

    /// The same frame without what stands behind its first `length` bytes.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "within a frame")]
    pub(crate) fn cut_to(self, length: usize) -> Option<Self> {
        // Addresses are subtracted as such: the verifier lets nobody do it with their low halves.
        let less = length.wrapping_sub(opaque(self.end - self.start)) as i32;
        // SAFETY: the helper checks the length itself; `self` and its addresses end here.
        let moved = unsafe { bpf_xdp_adjust_tail(self.context.cast(), less) };
        (moved == 0).then(|| Self::new(self.context))
    }

    /// The MAC at `at`, in the words that fit the stack's alignment.
    #[inline(always)]
    pub(crate) fn mac(&self, at: usize) -> Result<Mac, Outside> {
        let first = self.read(at).ok_or(Outside)?;
        let last = self.read(at + 4).ok_or(Outside)?;
        Ok(Mac { first, last, reserved: 0 })
    }

    #[inline(always)]
    fn at<T>(&self, offset: usize) -> Option<*mut T> {
        let place = self.start + offset;
        if place + size_of::<T>() > self.end {
            return None;
        }
        Some(ptr::with_exposed_provenance_mut(place))
    }
}

/// Where in the Ethernet header the MACs stand.
pub(crate) const DESTINATION_MAC: usize = 0;
pub(crate) const SOURCE_MAC: usize = 6;

/// A place that is not wholly inside the frame.
pub(crate) struct Outside;

impl From<Outside> for Verdict {
    #[inline(always)]
    fn from(_: Outside) -> Self {
        Self::Truncated
    }
}

impl From<Outside> for NodeVerdict {
    #[inline(always)]
    fn from(_: Outside) -> Self {
        Self::Truncated
    }
}

impl Bytes for Frame {
    #[inline(always)]
    fn read<T: FromBytes + Immutable + KnownLayout>(&self, at: usize) -> Option<T> {
        let place = self.at::<T>(at)?;
        // SAFETY: `at` compared the end of `T` with `end`; `FromBytes` accepts any bytes.
        Some(unsafe { place.read_unaligned() })
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.end - self.start
    }
}

/// The same address, of which the compiler knows nothing.
///
/// The kernel declares a frame's addresses as numbers of 32 bits. The compiler concludes that sums with
/// them never wrap, and leaves out checks that follow from others: those that the verifier asks for.
#[inline(always)]
pub(crate) fn opaque(address: usize) -> usize {
    #[cfg(target_arch = "bpf")]
    let address = {
        let mut address = address;
        // SAFETY: a register is moved to itself. (Without any instruction, its line would stand twice in
        // the program's line table, which the kernel refuses.)
        unsafe {
            core::arch::asm!("{0} = {0}", inout(reg) address, options(pure, nomem, nostack, preserves_flags))
        };
        address
    };
    address
}
