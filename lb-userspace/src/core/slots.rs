//! The slots of one ring as they should lie in the map: each with its target, and how far it is from steady.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use lb_common::{
    flow::slot_mark,
    ids::TargetId,
    slot::{Slot, SlotState},
};

use super::{
    ring::Ring,
    transition::{self, Begun, Windows},
};

/// Until what was decided has reached the program, and what the program could not do is known here: it is asked every
/// second. A write that fails begins it again ([`Slots::begin_again`]).
pub(super) const REACHES: Duration = Duration::from_secs(2);

/// What a sweep found: whose records live. The marks say of which slots ([`slot_mark`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    pub tracked: BTreeSet<(TargetId, u16)>,
    /// Targets with live flows of `nat`.
    pub nat: BTreeSet<TargetId>,
}

impl Live {
    /// Records of tracked flows on this target.
    fn of(&self, id: TargetId) -> impl Iterator<Item = &(TargetId, u16)> {
        self.tracked.range((id, 0)..=(id, u16::MAX))
    }

    /// Whether a flow lives on this target.
    pub(super) fn names(&self, id: TargetId) -> bool {
        self.nat.contains(&id) || self.of(id).next().is_some()
    }
}

/// How many slots are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub learning: usize,
    pub pinned: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Slots {
    words: Ring,
    /// Of slots that are not steady.
    since: BTreeMap<u32, Since>,
    /// When the next one has learnt long enough.
    due: Option<Instant>,
}

/// Since when a slot learns, or is pinned.
#[derive(Clone, Copy, Debug)]
struct Since {
    changed: Instant,
    /// And every TCP flow that spoke in it was recorded.
    complete: Instant,
}

impl Since {
    const fn at(now: Instant) -> Self {
        Self { changed: now, complete: now }
    }

    /// A TCP window is whole only when nobody can have been missed in it. Datagrams do not wait for that: from the end
    /// of their window on a drained target gets no new ones (P2).
    fn begun(self) -> Begun {
        Begun { tcp: self.complete + REACHES, udp: self.changed }
    }
}

impl Slots {
    pub(super) fn empty(slots: u32) -> Self {
        let words = vec![Slot::EMPTY; slots as usize].into();
        Self { words, since: BTreeMap::new(), due: None }
    }

    /// The words. As long as none changes it is the same allocation.
    pub(super) const fn words(&self) -> &Ring {
        &self.words
    }

    /// Turns to the targets that `ring` names. Without tracking, at once.
    pub(super) fn turn(
        &mut self,
        ring: &Ring,
        tracked: bool,
        windows: Windows,
        serves: impl Fn(TargetId) -> bool,
        now: Instant,
    ) {
        let next = |(held, wanted): (&Slot, &Slot)| match tracked {
            true => transition::next(*held, wanted.current(), &serves),
            false => *wanted,
        };
        let pairs = self.words.iter().zip(ring.iter()).enumerate();
        let moved: Vec<(usize, Slot)> = pairs
            .map(|(place, pair)| (place, *pair.0, next(pair)))
            .filter(|(_, held, next)| held != next)
            .map(|(place, _, next)| (place, next))
            .collect();
        self.write(moved, now);
        self.reckon(windows);
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, windows: Windows, now: Instant) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let aged = |(place, since): (&u32, &Since)| {
            let held = self.word(*place);
            let next = transition::aged(held, since.begun(), windows, now);
            (held != next).then_some((*place as usize, next))
        };
        let moved = self.since.iter().filter_map(aged).collect();
        self.write(moved, now);
        self.reckon(windows);
    }

    /// A flow could not be recorded: the TCP window of every slot that learns begins again, for only a whole one
    /// without such a flow tells that who is not recorded has ended.
    pub(super) fn prolong(&mut self, windows: Windows, now: Instant) {
        self.since.values_mut().for_each(|since| since.complete = now);
        self.reckon(windows);
    }

    /// The program does not know yet what was decided: nothing of it has begun.
    pub(super) fn begin_again(&mut self, windows: Windows, now: Instant) {
        self.since.values_mut().for_each(|since| *since = Since::at(now));
        self.reckon(windows);
    }

    /// Releases pinned slots without a record of another target among `ours`. `began`: the sweep.
    /// True if there was one.
    pub(super) fn swept(
        &mut self,
        live: &Live,
        ours: &BTreeSet<TargetId>,
        began: Instant,
        now: Instant,
    ) -> bool {
        if self.since.is_empty() {
            return false;
        }
        // Looked up by our targets: there may be a thousand groups, and records of all of them.
        let mut holders: BTreeMap<u16, BTreeSet<TargetId>> = BTreeMap::new();
        for (id, mark) in ours.iter().flat_map(|id| live.of(*id)) {
            holders.entry(*mark).or_default().insert(*id);
        }
        let held_by_another = |place: u32, current: Option<TargetId>| {
            holders.get(&slot_mark(place)).is_some_and(|ids| ids.iter().any(|id| Some(*id) != current))
        };
        let free = |(place, since): (&u32, &Since)| {
            let held = self.word(*place);
            let next = transition::released(held);
            let settled = since.changed + REACHES <= began;
            (held != next && settled && !held_by_another(*place, held.current()))
                .then_some((*place as usize, next))
        };
        let moved: Vec<_> = self.since.iter().filter_map(free).collect();
        let released = !moved.is_empty();
        self.write(moved, now);
        released
    }

    /// Targets that slots name.
    pub(super) fn named(&self) -> BTreeSet<TargetId> {
        let current = self.words.iter().filter_map(|slot| slot.current());
        let moving = self.since.keys().filter_map(|place| self.word(*place).former());
        current.chain(moving).collect()
    }

    pub(super) fn counts(&self) -> Counts {
        self.since.keys().fold(Counts::default(), |counts, place| match self.word(*place).state() {
            SlotState::Learning | SlotState::LearningTcp => {
                Counts { learning: counts.learning + 1, ..counts }
            }
            SlotState::Pinned => Counts { pinned: counts.pinned + 1, ..counts },
            SlotState::Steady => counts,
        })
    }

    fn word(&self, place: u32) -> Slot {
        self.words.get(place as usize).copied().unwrap_or_default()
    }

    fn write(&mut self, moved: Vec<(usize, Slot)>, now: Instant) {
        if moved.is_empty() {
            return;
        }
        let mut words = self.words.to_vec();
        for (place, next) in moved {
            let (Some(word), Ok(index)) = (words.get_mut(place), u32::try_from(place)) else { continue };
            if next.state() == SlotState::Steady {
                self.since.remove(&index);
            } else if !goes_on_learning(*word, next) {
                self.since.insert(index, Since::at(now));
            }
            *word = next;
        }
        self.words = Arc::from(words);
    }

    /// When something must be looked at again.
    fn reckon(&mut self, windows: Windows) {
        let due = |(place, since): (&u32, &Since)| transition::due(self.word(*place), since.begun(), windows);
        self.due = self.since.iter().filter_map(due).min();
    }
}

/// Its window runs on: what changed is whom new flows go to, or that UDP has learnt.
const fn goes_on_learning(before: Slot, after: Slot) -> bool {
    learns(before) && learns(after)
}

const fn learns(slot: Slot) -> bool {
    matches!(slot.state(), SlotState::Learning | SlotState::LearningTcp)
}
