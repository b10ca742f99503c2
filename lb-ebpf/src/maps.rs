//! The maps, and every access to them. Unsafe, two of two.
//!
//! The daemon rewrites `RINGS` and `TARGETS` in place while packets are on their way. Every read is one
//! copy of a word that the daemon writes whole, or of a line whose fields it orders (see `Target`).
#![expect(unsafe_code, reason = "reads map values by the pointers that the kernel's lookups give")]

use core::{ops::ControlFlow, ptr};

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, xdp_action},
    helpers::bpf_ktime_get_coarse_ns,
    macros::map,
    maps::{Array, DevMapHash, HashMap, PerCpuArray},
};
use lb_common::{
    flow::{FlowWord, Tick},
    ids::TargetId,
    maps::{
        Budget, Device, DeviceKey, Flow, FlowSet, HashKeys, Idle, Listener, ListenerKeyV4, ListenerKeyV6,
        ListenerWords, NEAR_ASK, NEAR_NOBODY, Near, Session, Settings, TRACKED_BLOCK_BITS, Tally, Target,
        near_index,
    },
    ranges::PortRanges,
    slot::Slot,
    verdict::{Note, Verdict, note_line},
};

use crate::{flows::Table, frame::opaque};

// The sizes here are the least that loads; the daemon sets the configured ones.
// The keys in words of eight bytes, which the helpers read them in: a load of what several stores wrote
// waits for them all.
#[map]
static LISTENERS_V4: HashMap<u64, Listener> = HashMap::with_max_entries(1, 0);
#[map]
static LISTENERS_V6: HashMap<[u64; 3], Listener> = HashMap::with_max_entries(1, 0);
#[map]
static NEAR: Array<Near> = Array::with_max_entries(lb_common::maps::NEAR, BPF_F_MMAPABLE);
#[map]
static RANGES: Array<PortRanges> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static RINGS: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
// Mapped memory starts on a page, so an element of 64 bytes is one cache line and not two halves.
#[map]
static TARGETS: Array<Target> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static FLOWS: Array<FlowSet> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static SESSIONS: Array<Session> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static TRACKED: Array<FlowSet> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static TRACKED_BLOCKS: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static TRACKED_BUDGET: PerCpuArray<Budget> = PerCpuArray::with_max_entries(1, 0);
#[map]
static ERRORS_BUDGET: PerCpuArray<Budget> = PerCpuArray::with_max_entries(1, 0);
#[map]
static COUNTERS: PerCpuArray<Tally> = PerCpuArray::with_max_entries(1, 0);
#[map]
static DEVICES: HashMap<DeviceKey, Device> = HashMap::with_max_entries(64, 0);
#[map]
static EGRESS: DevMapHash = DevMapHash::with_max_entries(64, 0);

const LANE: lb_common::maps::HashLane = lb_common::maps::HashLane { whiten: 0, multiply: [0; 2] };

/// Zero until the daemon sets it, before loading.
#[unsafe(no_mangle)]
static SETTINGS: Settings = Settings {
    keys: HashKeys { addresses: [LANE; 4], ports: LANE, back: 0, last: 0 },
    flow_sets_mask: 0,
    sessions_mask: 0,
    nat_first_port: 0,
    nat_ports: 0,
    nat_idle: Idle { tcp: 0, udp: 0, opening: 0, closed: 0 },
    tracked_sets_mask: 0,
    tracked_budget: 0,
    tracked_idle: Idle { tcp: 0, udp: 0, opening: 0, closed: 0 },
    errors_budget: 0,
    reserved: 0,
};

/// Through an address that the compiler cannot see through: it would take the zeros for the values.
#[inline(always)]
pub(crate) fn settings() -> &'static Settings {
    let settings =
        ptr::with_exposed_provenance::<Settings>(opaque((&raw const SETTINGS).expose_provenance()));
    // SAFETY: the address is that of a static.
    unsafe { &*settings }
}

#[inline(always)]
pub(crate) fn now() -> Tick {
    // SAFETY: the helper has no conditions; it only reads the clock.
    Tick::from_nanoseconds(unsafe { bpf_ktime_get_coarse_ns() })
}

#[inline(always)]
pub(crate) fn listener_v4(key: &ListenerKeyV4) -> Option<Listener> {
    near(key.words()).unwrap_or_else(|| asked_v4(key))
}

#[inline(always)]
pub(crate) fn listener_v6(key: &ListenerKeyV6) -> Option<Listener> {
    near(key.words()).unwrap_or_else(|| asked_v6(key))
}

/// What the big map says.
#[inline(always)]
pub(crate) fn asked_v4(key: &ListenerKeyV4) -> Option<Listener> {
    let [key, ..] = key.words();
    // SAFETY: the daemon replaces values whole, and the kernel frees the old one only after this run.
    unsafe { LISTENERS_V4.get(key) }.copied()
}

#[inline(always)]
pub(crate) fn asked_v6(key: &ListenerKeyV6) -> Option<Listener> {
    let [first, last] = key.address;
    let [p, q] = key.port.raw().to_ne_bytes();
    let key = [first, last, u64::from_ne_bytes([p, q, key.protocol, 0, 0, 0, 0, 0])];
    // SAFETY: as for IPv4.
    unsafe { LISTENERS_V6.get(key) }.copied()
}

/// The listener, or that there is none; `None` where the big maps must be asked.
#[inline(always)]
fn near(key: ListenerWords) -> Option<Option<Listener>> {
    let near = NEAR.get_ptr(near_index(key))?;
    // SAFETY: a field's address inside the valid element.
    let stamp = unsafe { &raw const (*near).stamp };
    // SAFETY: valid and aligned, as a field of the element.
    let before = unsafe { stamp.read_volatile() };
    if before == NEAR_NOBODY {
        return Some(None);
    }
    if before == NEAR_ASK {
        return None;
    }
    // SAFETY: a valid element. What the daemon changes meanwhile is not used: the stamp tells.
    let there = unsafe { &*near };
    let [a, b, c] = key;
    let [x, y, z] = there.key;
    let differs = (a ^ x) | (b ^ y) | (c ^ z);
    let listener = there.listener;
    // SAFETY: as above.
    let after = unsafe { stamp.read_volatile() };
    if before != after {
        None
    } else if differs != 0 {
        Some(None)
    } else {
        Some(Some(listener))
    }
}

/// Looks for the port in an element of `RANGES`: whether a listener has it, who is then in `found`. Goes on if the
/// element is of another stamp, or was written meanwhile; then `found` is as it was.
#[inline(always)]
pub(crate) fn in_ranges(index: u32, stamp: u32, port: u16, found: &mut Listener) -> ControlFlow<bool> {
    let Some(ranges) = RANGES.get_ptr(index) else { return ControlFlow::Continue(()) };
    // SAFETY: a field's address inside the valid element.
    let stamp_now = unsafe { &raw const (*ranges).stamp };
    // SAFETY: valid and aligned, as a field of the element.
    let before = unsafe { stamp_now.read_volatile() };
    if before != u64::from(stamp) {
        return ControlFlow::Continue(());
    }
    // SAFETY: a valid element. What the daemon changes meanwhile is not used: the stamp tells.
    let there = unsafe { &*ranges };
    let owner = there.listeners.get(there.owner(port)).copied();
    // SAFETY: as above.
    let after = unsafe { stamp_now.read_volatile() };
    if before != after {
        return ControlFlow::Continue(());
    }
    ControlFlow::Break(owner.map(|owner| *found = owner).is_some())
}

#[inline(always)]
pub(crate) fn slot(index: u32) -> Option<Slot> {
    let word = RINGS.get_ptr(index)?;
    // SAFETY: the lookup gave a valid element; the daemon writes it as one aligned word.
    Some(Slot::from_word(unsafe { word.read_volatile() }))
}

#[inline(always)]
pub(crate) fn target(id: TargetId) -> Option<&'static Target> {
    TARGETS.get(id.index())
}

/// The same target, of which the compiler does not know that it is.
#[inline(always)]
pub(crate) fn apart(target: &Target) -> &Target {
    let target = ptr::with_exposed_provenance::<Target>(opaque(ptr::from_ref(target).expose_provenance()));
    // SAFETY: the address is the reference's.
    unsafe { &*target }
}

#[inline(always)]
pub(crate) fn device(interface: u32) -> Option<&'static Device> {
    // SAFETY: as for the listeners.
    unsafe { DEVICES.get(DeviceKey { interface }) }
}

/// Counts what happened on a packet's way beside its ending.
#[inline(always)]
pub(crate) fn note(note: Note) {
    tally(note_line(note), 0, false);
}

/// Adds a packet to a counter's line of this CPU. No other CPU writes it, and XDP does not nest.
#[inline(always)]
pub(crate) fn tally(line: u32, bytes: u64, opens: bool) {
    if let Some(tally) = COUNTERS.get_ptr_mut(line) {
        // SAFETY: the lookup gave this CPU's valid element, which nothing else writes meanwhile.
        let tally = unsafe { &mut *tally };
        tally.packets += 1;
        tally.bytes += bytes;
        if opens {
            tally.new_flows += 1;
        }
    }
}

/// Sends the frame out of another interface that the program is attached to.
#[inline(always)]
pub(crate) fn redirect(interface: u32) -> Result<u32, Verdict> {
    EGRESS.redirect(interface, 0).map_err(|_| Verdict::NextHopUnresolved)?;
    Ok(xdp_action::XDP_REDIRECT)
}

/// A word of an entry, which several CPUs read and swap.
#[derive(Clone, Copy)]
pub(crate) struct Word(*mut u64);

impl Word {
    #[inline(always)]
    pub(crate) fn load(self) -> FlowWord {
        // SAFETY: made only from a valid element's field, below.
        FlowWord::from_word(unsafe { self.0.read_volatile() })
    }

    /// Writes an entry that the caller has claimed.
    #[inline(always)]
    pub(crate) fn store(self, word: FlowWord) {
        // SAFETY: as in `load`; a claimed entry has one writer.
        unsafe { self.0.write_volatile(word.word()) };
    }

    /// Swaps `old` for `new`; false if another CPU was first.
    #[inline(always)]
    pub(crate) fn swap(self, old: FlowWord, new: FlowWord) -> bool {
        compare_and_swap(self.0, old.word(), new.word())
    }
}

#[cfg(target_arch = "bpf")]
#[inline(always)]
fn compare_and_swap(place: *mut u64, old: u64, new: u64) -> bool {
    use core::intrinsics::{AtomicOrdering::SeqCst, atomic_cxchg};
    // SAFETY: `Word` holds only pointers to valid, aligned words of map memory.
    let (_, swapped) = unsafe { atomic_cxchg::<u64, { SeqCst }, { SeqCst }>(place, old, new) };
    swapped
}

#[cfg(not(target_arch = "bpf"))]
fn compare_and_swap(_: *mut u64, _: u64, _: u64) -> bool {
    false
}

/// One entry of a set.
#[derive(Clone, Copy)]
pub(crate) struct FlowEntry(*mut Flow);

impl FlowEntry {
    #[inline(always)]
    pub(crate) fn tag(self) -> u64 {
        // SAFETY: a field's address inside the valid element that `flow_set` found.
        let tag = unsafe { &raw const (*self.0).tag };
        // SAFETY: valid and aligned, as a field of the element.
        unsafe { tag.read_volatile() }
    }

    #[inline(always)]
    pub(crate) fn word(self) -> Word {
        // SAFETY: a field's address inside the valid element.
        Word(unsafe { &raw mut (*self.0).word })
    }

    /// For the one who claimed the entry.
    #[inline(always)]
    pub(crate) fn set_tag(self, tag: u64) {
        // SAFETY: as in `tag`.
        let place = unsafe { &raw mut (*self.0).tag };
        // SAFETY: as in `tag`; the caller has claimed the entry, so it alone writes.
        unsafe { place.write_volatile(tag) };
    }
}

#[inline(always)]
const fn flow_sets(table: Table) -> &'static Array<FlowSet> {
    match table {
        Table::Nat => &FLOWS,
        Table::Tracked => &TRACKED,
    }
}

/// The daemon's sweep will look at this set of `TRACKED`.
#[inline(always)]
pub(crate) fn mark_tracked(set: u32) {
    if let Some(block) = TRACKED_BLOCKS.get_ptr_mut(set >> TRACKED_BLOCK_BITS) {
        // SAFETY: the lookup gave a valid element; a word is written whole.
        unsafe { block.write_volatile(1) };
    }
}

/// Whether this CPU may record one more flow now.
#[inline(always)]
pub(crate) fn may_track(settings: &Settings, now: Tick) -> bool {
    spent(&TRACKED_BUDGET, settings.tracked_budget, now)
}

/// Whether this CPU may send one more ICMP error now.
#[inline(always)]
pub(crate) fn may_complain(settings: &Settings, now: Tick) -> bool {
    spent(&ERRORS_BUDGET, settings.errors_budget, now)
}

#[inline(always)]
fn spent(budget: &PerCpuArray<Budget>, limit: u32, now: Tick) -> bool {
    let Some(budget) = budget.get_ptr_mut(0) else { return false };
    // SAFETY: the lookup gave this CPU's valid element, which nothing else writes meanwhile.
    let budget = unsafe { &mut *budget };
    if budget.tick != now.get() {
        *budget = Budget { tick: now.get(), used: 0 };
    }
    let may = budget.used < limit;
    budget.used += u32::from(may);
    may
}

/// The four entries of a set.
#[inline(always)]
pub(crate) fn flow_set(table: Table, index: u32) -> Option<[FlowEntry; 4]> {
    let flows: *mut Flow = flow_sets(table).get_ptr_mut(index)?.cast();
    Some([0, 1, 2, 3].map(|entry| FlowEntry(flows.wrapping_add(entry))))
}

/// One of the four entries of a set.
#[inline(always)]
pub(crate) fn flow_entry(table: Table, index: u32, place: usize) -> Option<FlowEntry> {
    let flows: *mut Flow = flow_sets(table).get_ptr_mut(index)?.cast();
    Some(FlowEntry(flows.wrapping_add(place & 3)))
}

/// The way back of a flow.
#[derive(Clone, Copy)]
pub(crate) struct SessionEntry(*mut Session);

impl SessionEntry {
    #[inline(always)]
    pub(crate) fn word(self) -> Word {
        // SAFETY: a field's address inside the valid element.
        Word(unsafe { &raw mut (*self.0).word })
    }

    #[inline(always)]
    pub(crate) fn get(self) -> &'static Session {
        // SAFETY: made only from a valid element, below. A reader follows it only where tag and word say
        // that it is a live flow's, whose other fields nobody writes.
        unsafe { &*self.0.cast_const() }
    }

    /// All but the word, for the one who claimed the entry.
    #[inline(always)]
    pub(crate) fn fill(self, session: Session) {
        let word = self.word().load();
        // SAFETY: a valid element, claimed by the caller.
        unsafe { self.0.write(Session { word: word.word(), ..session }) };
    }
}

#[inline(always)]
pub(crate) fn session(index: u32) -> Option<SessionEntry> {
    SESSIONS.get_ptr_mut(index).map(SessionEntry)
}

/// What a caller in this program passed to a global function to write to: to the verifier it may be null.
#[inline(always)]
pub(crate) fn argument_mut<'a, T>(reference: *mut T) -> Option<&'a mut T> {
    // SAFETY: only places of this program are passed so; they outlive the call, and the caller keeps no other
    // reference meanwhile.
    unsafe { reference.as_mut() }
}
