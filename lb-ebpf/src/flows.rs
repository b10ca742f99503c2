//! Set-associative tables of flows: finding a flow's entry, and claiming one.
//!
//! They lie in plain arrays (docs/decisions/0003). An entry is claimed by a compare-and-swap of its word to
//! one that names nobody, then filled, and its word stored last.

use lb_common::{
    flow::{FlowWord, Tick},
    maps::{Idle, Settings},
};

use crate::maps::{self, FlowEntry};

/// Which table of flows.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Table {
    /// `FLOWS`: all of `nat`'s.
    Nat = 0,
    /// `TRACKED`: those of slots that changed.
    Tracked = 1,
}

/// An entry that its finder has claimed.
pub(crate) struct Claimed {
    pub(crate) entry: FlowEntry,
    /// Of its set.
    pub(crate) index: u32,
}

impl Table {
    #[inline(always)]
    const fn idle(self, settings: &Settings) -> &Idle {
        match self {
            Self::Nat => &settings.nat_idle,
            Self::Tracked => &settings.tracked_idle,
        }
    }

    /// The live entry of a tag, in either of its two sets.
    #[inline(always)]
    pub(crate) fn find(self, settings: &Settings, tag: u64, now: Tick) -> Option<(FlowEntry, FlowWord)> {
        for index in self.set_indices(settings, tag) {
            for entry in maps::flow_set(self, index)? {
                if entry.tag() == tag {
                    let word = entry.word().load();
                    // Another CPU may have taken the entry between the two reads.
                    if word.live(now, self.idle(settings)) && entry.tag() == tag {
                        return Some((entry, word));
                    }
                }
            }
        }
        None
    }

    /// Claims the entry of this very tag, or the one that is most ready to be taken. `None`: the table is full.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "one of eight places")]
    pub(crate) fn claim(self, settings: &Settings, tag: u64, now: Tick) -> Option<Claimed> {
        let mut best = 0;
        for (set, index) in self.set_indices(settings, tag).into_iter().enumerate() {
            let entries = maps::flow_set(self, index)?;
            for (place, entry) in entries.into_iter().enumerate() {
                // An entry of this very tag before all others: a flow has one.
                // Of equals the first: a lookup looks into the first set first, and mostly into no other.
                let rank = (7 - (set * 4 + place)) as u32;
                best = self.readier(best, rank, entry.word().load(), now, entry.tag() ^ tag);
            }
        }
        if best >> PLACE_BITS == 0 {
            return None;
        }
        let [first, second] = self.set_indices(settings, tag);
        let place = 7 - (best & 7);
        let index = if place & 4 == 0 { first } else { second };
        let entry = maps::flow_entry(self, index, (place & 3) as usize)?;
        // Another CPU may have taken it since it was weighed.
        let word = entry.word().load();
        let ready = self.readiness(word, now, entry.tag() ^ tag) != 0;
        (ready && entry.word().swap(word, FlowWord::claimed(now))).then_some(Claimed { entry, index })
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "each half of the tag chooses one set")]
    fn set_indices(self, settings: &Settings, tag: u64) -> [u32; 2] {
        let mask = match self {
            Self::Nat => settings.flow_sets_mask,
            Self::Tracked => settings.tracked_sets_mask,
        };
        [tag as u32 & mask, (tag >> 32) as u32 & mask]
    }

    /// The readier of the best entry so far and this one, which is `place`d among those that are weighed: the
    /// place in the low [`PLACE_BITS`] bits, above them how ready it is to be taken; zero: a live flow has it.
    #[inline(always)]
    pub(crate) fn readier(self, best: u64, place: u32, word: FlowWord, now: Tick, difference: u64) -> u64 {
        readier(best, (self as u32) << PLACE_BITS | place, word.word(), now.get(), difference)
    }

    /// How ready an entry is to be taken; zero: a live flow has it.
    #[inline(always)]
    pub(crate) fn readiness(self, word: FlowWord, now: Tick, difference: u64) -> u64 {
        self.readier(0, 0, word, now, difference) >> PLACE_BITS
    }
}

/// How ready an entry is to be taken, in [`READY_BITS`] bits; zero: a live flow has it. An entry that
/// differs by nothing is the flow's own, and readier than all others. Gives it with its place if it is readier
/// than the best so far, and that one otherwise.
///
/// A function of its own for the verifier's sake: it follows a global function once, not once for each
/// way through the eight entries and 32 ports that are weighed. It knows nothing of what one gives, so all ways
/// through an iteration end alike; before Linux 6.2 it follows each that ends otherwise (decision 0010).
#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn readier(best: u64, place: u32, word: u64, now: u32, difference: u64) -> u64 {
    let table = if place >> PLACE_BITS == Table::Nat as u32 { Table::Nat } else { Table::Tracked };
    let place = place & ((1 << PLACE_BITS) - 1);
    let ready = FlowWord::from_word(word).readiness(Tick::new(now), table.idle(maps::settings()));
    let own = if difference == 0 { 1 << (READY_BITS - 1) } else { 0 };
    let ready = own | ready.map_or(0, |ready| u64::from(ready) + 1);
    best.max(ready << PLACE_BITS | u64::from(place))
}

/// What is weighed gives up to 2^32, and one bit above.
const READY_BITS: u32 = 34;
/// Beside it: which of eight entries, or which of 32 ports.
pub(crate) const PLACE_BITS: u32 = 5;
