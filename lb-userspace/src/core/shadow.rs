//! What the maps hold, as far as the daemon knows from its own writes.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    desired::Want,
    have::{Have, NoSuchSlot},
    plan::{self, Step},
    ring::Ring,
};

/// [`Have`], kept up step by step, and which rings are known to lie there as they were wanted: a ring
/// that is the very one of the last time is not compared slot by slot.
#[derive(Debug)]
pub struct Shadow {
    have: Have,
    /// `None` when the slots may hold anything. Otherwise these rings, and nothing beside them.
    settled: Option<BTreeMap<u32, Ring>>,
}

impl Shadow {
    /// From what was read back out of the maps.
    pub const fn new(have: Have) -> Self {
        Self { have, settled: None }
    }

    pub const fn have(&self) -> &Have {
        &self.have
    }

    /// The steps from here to there.
    pub fn plan(&self, want: &Want) -> Vec<Step> {
        plan::plan_from(&self.have, self.settled.as_ref(), want)
    }

    /// A step was carried out.
    pub fn record(&mut self, step: &Step) {
        if matches!(step, Step::PutSlots { .. }) {
            self.settled = None;
        }
        // A slot beyond the end is none of the maps' either: they would have refused the step.
        let (Ok(()) | Err(NoSuchSlot(_))) = self.have.record(step);
    }

    /// All steps of a plan to `want` were carried out.
    pub fn settle(&mut self, want: &Want) {
        let share = |(first, ring): (&u32, &Ring)| (*first, Arc::clone(ring));
        self.settled = Some(want.rings.iter().map(share).collect());
    }
}
