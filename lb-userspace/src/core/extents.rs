//! Who has which slots of `RINGS`.

use std::{collections::BTreeMap, ops::Range};

/// A group's slots, next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    pub first: u32,
    pub slots: u32,
}

impl Extent {
    pub const fn range(self) -> Range<u32> {
        self.first..self.first + self.slots
    }
}

/// Hands out the first gap that is large enough.
///
/// A freed extent can be handed out at once: the plan writes it only after the listeners that read it
/// are elsewhere.
#[derive(Debug)]
pub struct Extents {
    /// Gaps by their first slot; no two touch.
    gaps: BTreeMap<u32, u32>,
}

impl Extents {
    pub fn new(slots: u32) -> Self {
        Self { gaps: (slots > 0).then_some((0, slots)).into_iter().collect() }
    }

    /// `None` when no gap is that large.
    pub fn take(&mut self, slots: u32) -> Option<Extent> {
        let (&first, _) = self.gaps.iter().find(|(_, gap)| **gap >= slots)?;
        let extent = Extent { first, slots };
        self.adopt(extent).then_some(extent)
    }

    /// Takes these very slots, as a daemon that starts anew finds them in the maps. False if somebody
    /// has one of them.
    pub fn adopt(&mut self, extent: Extent) -> bool {
        let Range { start, end } = extent.range();
        let Some((&first, &gap)) = self.gaps.range(..=start).next_back() else { return false };
        if first + gap < end {
            return false;
        }
        self.gaps.remove(&first);
        self.insert(first, start - first);
        self.insert(end, first + gap - end);
        true
    }

    pub fn give(&mut self, extent: Extent) {
        let Range { mut start, mut end } = extent.range();
        if let Some((&first, &gap)) = self.gaps.range(..start).next_back()
            && first + gap == start
        {
            self.gaps.remove(&first);
            start = first;
        }
        if let Some(gap) = self.gaps.remove(&end) {
            end += gap;
        }
        self.insert(start, end - start);
    }

    fn insert(&mut self, first: u32, gap: u32) {
        if gap > 0 {
            self.gaps.insert(first, gap);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_gap_that_fits_is_taken() {
        let mut extents = Extents::new(30);
        let [a, b, c] = [10, 5, 15].map(|slots| extents.take(slots).unwrap());
        assert_eq!([a.range(), b.range(), c.range()], [0..10, 10..15, 15..30]);
        assert_eq!(extents.take(1), None);
        extents.give(b);
        assert_eq!(extents.take(6), None);
        extents.give(a);
        assert_eq!(extents.take(15).unwrap().range(), 0..15, "two gaps that touch are one");
    }

    #[test]
    fn adopted_slots_are_nobody_elses() {
        let mut extents = Extents::new(30);
        assert!(extents.adopt(Extent { first: 7, slots: 11 }));
        assert!(!extents.adopt(Extent { first: 17, slots: 2 }));
        assert!(!extents.adopt(Extent { first: 29, slots: 2 }), "beyond the map");
        assert_eq!(extents.take(11).unwrap().range(), 18..29);
        assert_eq!(extents.take(7).unwrap().range(), 0..7);
    }

    proptest! {
        #[test]
        fn extents_never_overlap_and_come_together_again(
            acts in prop::collection::vec((any::<bool>(), 1_u32..20, any::<prop::sample::Index>()), 0..100),
        ) {
            let mut extents = Extents::new(100);
            let mut owned: Vec<Extent> = Vec::new();
            for (take, slots, which) in acts {
                if take || owned.is_empty() {
                    owned.extend(extents.take(slots));
                } else {
                    extents.give(owned.swap_remove(which.index(owned.len())));
                }
                let mut owners = [0; 100];
                owned.iter().flat_map(|extent| extent.range()).for_each(|slot| owners[slot as usize] += 1);
                prop_assert!(owners.iter().all(|owners| *owners <= 1));
                let free: u32 = extents.gaps.values().sum();
                prop_assert_eq!(free, 100 - owned.iter().map(|extent| extent.slots).sum::<u32>());
            }
            owned.drain(..).for_each(|extent| extents.give(extent));
            prop_assert_eq!(extents.gaps, BTreeMap::from([(0, 100)]));
        }
    }
}
