//! `nat`'s tables from the daemon's side: counts who lives, and frees what died.
//!
//! The program never deletes: it takes an entry that is no longer live. But an entry's age counts modulo 26
//! days (`lb_common::flow::Tick`): one that nobody took for so long would live again.

use std::sync::atomic::{AtomicU64, Ordering};

use lb_common::{
    flow::{FlowWord, Tick},
    maps::{Flow, Session, Settings},
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

/// In both tables' elements the word stands second.
const WORD: usize = 1;

impl NatTables {
    pub(super) const fn new(flows: Mapped, sessions: Mapped, settings: Settings) -> Self {
        Self { flows, sessions, settings, live: AtomicU64::new(0) }
    }

    /// Flows that lived at the last sweep.
    pub fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Reads every entry: some 40 ms for a million flows. Packets go on meanwhile.
    ///
    /// # Errors
    /// The kernel lacks the clock that the program reads.
    pub fn sweep(&self) -> nix::Result<()> {
        let now = now()?;
        self.free_dead(&self.flows, size_of::<Flow>() / 8, now);
        let live = self.free_dead(&self.sessions, size_of::<Session>() / 8, now);
        self.live.store(live, Ordering::Relaxed);
        Ok(())
    }

    /// How many live; the others are free from here on. A flow that takes a dead entry meanwhile keeps it.
    fn free_dead(&self, table: &Mapped, stride: usize, now: Tick) -> u64 {
        let mut live = 0;
        for place in (WORD..table.words()).step_by(stride) {
            let word = table.load(place);
            if FlowWord::from_word(word).live(now, &self.settings.nat_idle) {
                live += 1;
            } else if word != FlowWord::FREE.word() {
                table.swap(place, word, FlowWord::FREE.word());
            }
        }
        live
    }
}

/// The clock of `bpf_ktime_get_coarse_ns`.
fn now() -> nix::Result<Tick> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)?;
    // Time since boot: neither part is negative.
    let seconds = u64::try_from(now.tv_sec()).unwrap_or_default();
    let nanoseconds = u64::try_from(now.tv_nsec()).unwrap_or_default();
    Ok(Tick::from_nanoseconds(seconds * 1_000_000_000 + nanoseconds))
}
