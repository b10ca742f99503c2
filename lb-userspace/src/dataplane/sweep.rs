//! `nat`'s tables from the daemon's side: counts who lives, and frees what died.
//!
//! The program never deletes: it takes an entry that is no longer live. But an entry's age counts modulo 26
//! days (`lb_common::flow::Tick`): one that nobody took for so long would live again.

use std::{
    collections::{BTreeSet, HashSet},
    sync::atomic::{AtomicU64, Ordering},
};

use lb_common::{
    flow::{FlowWord, Tick},
    ids::TargetId,
    maps::{Flow, Idle, Session, Settings},
};
use nix::time::{ClockId, clock_gettime};

use super::mapped::Mapped;

/// Both tables of `nat`.
#[derive(Debug)]
pub struct NatTables {
    flows: Mapped,
    sessions: Mapped,
    settings: Settings,
    live: AtomicU64,
}

/// In all tables' elements the word stands second.
pub(super) const WORD: usize = 1;

impl NatTables {
    pub(super) const fn new(flows: Mapped, sessions: Mapped, settings: Settings) -> Self {
        Self { flows, sessions, settings, live: AtomicU64::new(0) }
    }

    /// Flows that lived at the last sweep.
    pub fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Reads every entry: some 40 ms for a million flows. Packets go on meanwhile. Gives the targets of the living.
    ///
    /// # Errors
    /// The kernel lacks the clock that the program reads.
    pub fn sweep(&self) -> nix::Result<BTreeSet<TargetId>> {
        let now = now()?;
        let words = |table: &Mapped, size: usize| (WORD..table.words()).step_by(size / 8);
        free_dead(&self.flows, words(&self.flows, size_of::<Flow>()), &self.settings.nat_idle, now, |_| {});
        let (mut live, mut targets) = (0, HashSet::new());
        let sessions = words(&self.sessions, size_of::<Session>());
        free_dead(&self.sessions, sessions, &self.settings.nat_idle, now, |word| {
            live += 1;
            targets.extend(word.target());
        });
        self.live.store(live, Ordering::Relaxed);
        Ok(targets.into_iter().collect())
    }
}

/// Frees the dead among the words at `places`; `lives` hears of each of the others. A flow that takes a dead entry
/// meanwhile keeps it.
pub(super) fn free_dead(
    table: &Mapped,
    places: impl Iterator<Item = usize>,
    idle: &Idle,
    now: Tick,
    mut lives: impl FnMut(FlowWord),
) {
    for place in places {
        let word = table.load(place);
        let flow = FlowWord::from_word(word);
        if flow.live(now, idle) {
            lives(flow);
        } else if word != FlowWord::FREE.word() {
            table.swap(place, word, FlowWord::FREE.word());
        }
    }
}

/// The clock of `bpf_ktime_get_coarse_ns`.
pub(super) fn now() -> nix::Result<Tick> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)?;
    // Time since boot: neither part is negative.
    let seconds = u64::try_from(now.tv_sec()).unwrap_or_default();
    let nanoseconds = u64::try_from(now.tv_nsec()).unwrap_or_default();
    Ok(Tick::from_nanoseconds(seconds * 1_000_000_000 + nanoseconds))
}
