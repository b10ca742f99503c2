//! The maps of the node program.
#![expect(unsafe_code, reason = "reads map values by the pointers that the kernel's lookups give")]

use core::ptr;

use aya_ebpf::{
    macros::map,
    maps::{LpmTrie, PerCpuArray, lpm_trie::Key},
};
use lb_common::{
    maps::{AddressWords, RESTRICTED, SourceV4, SourceV6, Tally},
    verdict::NodeVerdict,
    wire::{Be16, Be32},
};

use crate::frame::opaque;

/// Prefixes of edge nodes; enough for a fleet of them.
const SOURCES: u32 = 1024;
/// `BPF_F_NO_PREALLOC`, which the kernel demands of a trie.
const NO_PREALLOC: u32 = 1;

#[map]
static SOURCES_V4: LpmTrie<SourceV4, u32> = LpmTrie::with_max_entries(SOURCES, NO_PREALLOC);
#[map]
static SOURCES_V6: LpmTrie<SourceV6, u32> = LpmTrie::with_max_entries(SOURCES, NO_PREALLOC);
#[map]
static NODE_COUNTERS: PerCpuArray<Tally> = PerCpuArray::with_max_entries(NodeVerdict::COUNT, 0);

/// [`RESTRICTED`] if only the listed sources are unwrapped; set before loading.
#[unsafe(no_mangle)]
static RESTRICTION: u32 = 0;

/// UDP port that envelopes of `gue` come to; set before loading.
#[unsafe(no_mangle)]
static GUE_PORT: u16 = 0;

#[inline(always)]
pub(crate) fn allows_v4(address: Be32) -> bool {
    !restricted() || SOURCES_V4.get(Key::new(32, SourceV4 { address })).is_some()
}

#[inline(always)]
pub(crate) fn allows_v6(address: AddressWords) -> bool {
    !restricted() || SOURCES_V6.get(Key::new(128, SourceV6 { address })).is_some()
}

#[inline(always)]
fn restricted() -> bool {
    told(&raw const RESTRICTION) == RESTRICTED
}

#[inline(always)]
pub(crate) fn gue_port() -> Be16 {
    Be16::new(told(&raw const GUE_PORT))
}

/// A static of this file, through an address that the compiler cannot see through: it would take the zero
/// for the value.
#[inline(always)]
fn told<T: Copy>(place: *const T) -> T {
    let place = ptr::with_exposed_provenance::<T>(opaque(place.expose_provenance()));
    // SAFETY: only called with the address of a static of this file.
    unsafe { *place }
}

#[inline(always)]
pub(crate) fn tally(verdict: NodeVerdict, bytes: u64) {
    if let Some(tally) = NODE_COUNTERS.get_ptr_mut(verdict.line()) {
        // SAFETY: the lookup gave this CPU's valid element, which nothing else writes meanwhile.
        let tally = unsafe { &mut *tally };
        tally.packets += 1;
        tally.bytes += bytes;
    }
}
