//! The only maker of [`TargetId`]s.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lb_common::ids::TargetId;

/// Hands out the lowest id that is free.
///
/// A freed id rests longer than any flow stays idle, so a recorded flow never meets a stranger under its
/// old number.
#[derive(Debug)]
pub struct Ids {
    /// Ids are 1 to this.
    last: u32,
    rest: Duration,
    /// No id from here on was ever used.
    fresh: u32,
    /// Used once, and rested.
    free: BTreeSet<TargetId>,
    resting: BTreeSet<(Instant, TargetId)>,
}

impl Ids {
    pub const fn new(last: u32, rest: Duration) -> Self {
        let last = if last < TargetId::MAX { last } else { TargetId::MAX };
        Self { last, rest, fresh: 1, free: BTreeSet::new(), resting: BTreeSet::new() }
    }

    /// `None` when all are used or resting.
    pub fn take(&mut self, now: Instant) -> Option<TargetId> {
        while let Some((freed, id)) = self.resting.first().copied()
            && self.rested(freed, now)
        {
            self.resting.pop_first();
            self.free.insert(id);
        }
        self.free.pop_first().or_else(|| self.take_fresh())
    }

    /// Whether [`Self::take`] would give one.
    pub fn any_free(&self, now: Instant) -> bool {
        !self.free.is_empty()
            || self.fresh <= self.last
            || self.resting.first().is_some_and(|(freed, _)| self.rested(*freed, now))
    }

    /// Takes an id that is in use already, as a daemon that starts anew finds it in the maps. False if
    /// it is beyond the last or taken.
    pub fn adopt(&mut self, id: TargetId) -> bool {
        if id.index() > self.last {
            return false;
        }
        while self.fresh <= id.index() {
            let Some(passed) = self.take_fresh() else { return false };
            self.free.insert(passed);
        }
        self.free.remove(&id)
    }

    /// The id's target is gone: from here on it rests.
    pub fn give(&mut self, id: TargetId, now: Instant) {
        self.resting.insert((now, id));
    }

    /// For the ids that rest already, too.
    pub const fn set_rest(&mut self, rest: Duration) {
        self.rest = rest;
    }

    fn rested(&self, freed: Instant, now: Instant) -> bool {
        now.saturating_duration_since(freed) >= self.rest
    }

    fn take_fresh(&mut self) -> Option<TargetId> {
        let id = TargetId::new(self.fresh).filter(|_| self.fresh <= self.last)?;
        self.fresh += 1;
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sample::start;

    const REST: Duration = Duration::from_secs(400);

    fn take(ids: &mut Ids, at: Instant) -> Option<u32> {
        let expected = ids.any_free(at);
        let id = ids.take(at).map(TargetId::index);
        assert_eq!(id.is_some(), expected, "`any_free` foretells `take`");
        id
    }

    fn id(index: u32) -> TargetId {
        TargetId::new(index).unwrap()
    }

    #[test]
    fn the_lowest_free_id_comes_first() {
        let mut ids = Ids::new(3, REST);
        assert_eq!([(); 4].map(|()| take(&mut ids, start())), [Some(1), Some(2), Some(3), None]);
        ids.give(id(3), start());
        ids.give(id(1), start());
        assert_eq!(take(&mut ids, start() + REST), Some(1));
        assert_eq!(take(&mut ids, start() + REST), Some(3));
    }

    #[test]
    fn a_freed_id_rests_before_a_stranger_gets_it() {
        let mut ids = Ids::new(2, REST);
        take(&mut ids, start());
        ids.give(id(1), start());
        assert_eq!(take(&mut ids, start()), Some(2), "a fresh one rather than the resting one");
        assert_eq!(take(&mut ids, start() + REST - Duration::from_nanos(1)), None);
        assert_eq!(take(&mut ids, start() + REST), Some(1));
    }

    #[test]
    fn an_adopted_id_is_nobody_elses() {
        let mut ids = Ids::new(4, REST);
        assert!(ids.adopt(id(3)));
        assert!(!ids.adopt(id(3)), "taken");
        assert!(!ids.adopt(id(5)), "beyond the last");
        assert_eq!([(); 4].map(|()| take(&mut ids, start())), [Some(1), Some(2), Some(4), None]);
    }
}
