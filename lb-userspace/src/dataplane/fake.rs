//! Maps in memory, for tests.

use aya::maps::MapError;

use super::{Dataplane, Have, WriteError};
use crate::core::{have::NoSuchSlot, plan::Step};

/// Carries out steps as the kernel would, and fails where a test wants it to.
#[derive(Debug)]
pub struct Fake {
    have: Have,
    applied: usize,
    fails_after: Option<usize>,
}

impl Fake {
    /// Fresh maps, with room for so many slots.
    pub fn new(slots: u32) -> Self {
        Self::holding(Have::nothing(slots))
    }

    /// Maps as a daemon left them.
    pub const fn holding(have: Have) -> Self {
        Self { have, applied: 0, fails_after: None }
    }

    /// After so many more steps, every one fails, until [`Self::recover`].
    pub const fn fail_after(&mut self, steps: usize) {
        self.fails_after = Some(self.applied + steps);
    }

    pub const fn recover(&mut self) {
        self.fails_after = None;
    }

    /// How many steps were carried out.
    pub const fn applied(&self) -> usize {
        self.applied
    }

    /// What the maps hold, not copied.
    pub const fn held(&self) -> &Have {
        &self.have
    }
}

impl Dataplane for Fake {
    fn apply(&mut self, step: &Step) -> Result<(), WriteError> {
        if self.fails_after.is_some_and(|limit| self.applied >= limit) {
            return Err(WriteError::Kernel { map: "FAKE", source: MapError::ElementNotFound });
        }
        self.have.record(step).map_err(|NoSuchSlot(index)| {
            let max_entries = u32::try_from(self.have.slots.len()).unwrap_or(u32::MAX);
            WriteError::Kernel { map: "RINGS", source: MapError::OutOfBounds { index, max_entries } }
        })?;
        self.applied += 1;
        Ok(())
    }

    fn have(&self) -> Result<Have, WriteError> {
        Ok(self.have.clone())
    }
}
