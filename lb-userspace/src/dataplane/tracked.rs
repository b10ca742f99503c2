//! `TRACKED` from the daemon's side: who lives in it, of which slots.

use std::{
    collections::{BTreeSet, HashSet},
    sync::atomic::{AtomicU64, Ordering},
};

use lb_common::{
    ids::TargetId,
    maps::{Flow, FlowSet, Idle, TRACKED_BLOCK},
};

use super::{
    mapped::Mapped,
    sweep::{WORD, free_dead, now},
};

/// The table, and the marks of its blocks: the program sets one when it records a flow there.
#[derive(Debug)]
pub struct TrackedTable {
    flows: Mapped,
    blocks: Mapped,
    idle: Idle,
    live: AtomicU64,
}

/// Of a block.
const WORDS: usize = TRACKED_BLOCK as usize * size_of::<FlowSet>() / 8;

impl TrackedTable {
    pub(super) const fn new(flows: Mapped, blocks: Mapped, idle: Idle) -> Self {
        Self { flows, blocks, idle, live: AtomicU64::new(0) }
    }

    /// Flows that lived at the last sweep.
    pub fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Looks through the blocks that are marked, and no others; frees who died. Gives the targets of the living,
    /// with the marks of their slots. Packets go on meanwhile.
    ///
    /// # Errors
    /// The kernel lacks the clock that the program reads.
    pub fn sweep(&self) -> nix::Result<BTreeSet<(TargetId, u16)>> {
        let now = now()?;
        let mut living = HashSet::new();
        let mut live = 0;
        for block in (0..self.blocks.words()).filter(|block| self.blocks.load(*block) != 0) {
            // Before it is looked through: who comes later sets it again.
            self.blocks.store(block, 0);
            let first = block * WORDS;
            let places = first..(first + WORDS).min(self.flows.words());
            let before = live;
            let words = places.skip(WORD).step_by(size_of::<Flow>() / 8);
            free_dead(&self.flows, words, &self.idle, now, |word| {
                live += 1;
                living.extend(word.target().map(|id| (id, word.port())));
            });
            if live > before {
                self.blocks.store(block, 1);
            }
        }
        self.live.store(live, Ordering::Relaxed);
        Ok(living.into_iter().collect())
    }
}
