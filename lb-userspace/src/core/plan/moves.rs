//! The order of slots and listeners: nobody's slots are written while another's listener reads them.

use std::{collections::BTreeMap, mem, ops::Range};

use lb_common::{
    maps::{KIND_NAT_RETURN, Listener},
    slot::Slot,
};

use super::{ListenerKey, Step, put_slots};
use crate::core::{desired::Want, have::Have};

/// A ring of which some slots are to be written.
pub(super) struct ChangedRing {
    pub(super) range: Range<u32>,
    pub(super) slots: Vec<(u32, Slot)>,
    /// It has targets.
    pub(super) serves: bool,
}

pub(super) struct Moves<'a> {
    /// Rings that are not written yet.
    rings: Vec<ChangedRing>,
    /// Listeners that do not stand as wanted yet.
    coming: BTreeMap<&'a ListenerKey, &'a Listener>,
    /// Listeners as they stand, that shall read other slots, or go.
    leaving: BTreeMap<&'a ListenerKey, &'a Listener>,
    steps: Vec<Step>,
}

impl<'a> Moves<'a> {
    pub(super) fn new(have: &'a Have, rings: Vec<ChangedRing>, want: &'a Want) -> Self {
        let stands = |key, listener: &Listener| have.listeners.get(key) == Some(listener);
        let coming = want.listeners.iter().filter(|(key, listener)| !stands(*key, listener)).collect();
        let stays = |key, listener: &Listener| {
            let wanted = want.listeners.get(key);
            wanted.is_some_and(|wanted| (wanted.ring, wanted.slots) == (listener.ring, listener.slots))
        };
        let leaving = have.listeners.iter().filter(|(key, listener)| !stays(*key, listener)).collect();
        Self { rings, coming, leaving, steps: Vec::new() }
    }

    pub(super) fn in_order(mut self) -> Vec<Step> {
        loop {
            let before = self.steps.len();
            self.write_rings_that_nobody_leaves();
            self.put_listeners_that_wait_for_no_ring();
            self.remove_listeners();
            if self.rings.is_empty() {
                return self.steps;
            }
            if self.steps.len() == before {
                self.cut_knot();
            }
        }
    }

    fn write_rings_that_nobody_leaves(&mut self) {
        let leaving = |ring: &ChangedRing| self.leaving.values().any(|listener| reads(listener, ring));
        let (blocked, free): (Vec<_>, Vec<_>) = mem::take(&mut self.rings).into_iter().partition(leaving);
        self.rings = blocked;
        self.steps.extend(free.iter().flat_map(|ring| put_slots(&ring.slots)));
    }

    fn put_listeners_that_wait_for_no_ring(&mut self) {
        let waits = |listener: &Listener| self.rings.iter().any(|ring| reads(listener, ring));
        for (key, listener) in self.coming.extract_if(.., |_, listener| !waits(listener)) {
            self.leaving.remove(key);
            self.steps.push(Step::PutListener { key: *key, listener: *listener });
        }
    }

    fn remove_listeners(&mut self) {
        let unwanted = self.leaving.extract_if(.., |key, _| !self.coming.contains_key(key));
        self.steps.extend(unwanted.map(|(key, _)| Step::RemoveListener { key: *key }));
    }

    /// Listeners wait in a ring for each other's slots, as there is no room beside.
    ///
    /// One that will have no target anyway gives way. Where all will have one, a ring is written while
    /// others still read it: they stay live, though for a moment with another group's targets.
    fn cut_knot(&mut self) {
        let empty = |listener: &Listener| self.rings.iter().any(|ring| reads(listener, ring) && !ring.serves);
        let dead = self.leaving.keys().find(|key| self.coming.get(*key).is_some_and(|new| empty(new)));
        if let Some(key) = dead.copied() {
            self.leaving.remove(key);
            self.steps.push(Step::RemoveListener { key: *key });
            return;
        }
        let awaited = |ring: &ChangedRing| {
            self.leaving.keys().any(|key| self.coming.get(key).is_some_and(|new| reads(new, ring)))
        };
        let place = self.rings.iter().position(awaited).unwrap_or(0);
        let ring = self.rings.remove(place);
        self.steps.extend(put_slots(&ring.slots));
    }
}

fn reads(listener: &Listener, ring: &ChangedRing) -> bool {
    let end = listener.ring.saturating_add(listener.slots);
    listener.kind != KIND_NAT_RETURN && listener.ring < ring.range.end && ring.range.start < end
}
