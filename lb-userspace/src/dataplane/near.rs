//! `NEAR`: where most packets find their listener, or that there is none, at one look.

use std::collections::BTreeMap;

use lb_common::maps::{Listener, ListenerWords, NEAR_ASK, NEAR_NOBODY, Near, near_index};
use zerocopy::IntoBytes as _;

use super::mapped::Mapped;

/// The map, and what falls on each of its elements.
pub(super) struct NearMap {
    map: Mapped,
    held: BTreeMap<u32, BTreeMap<ListenerWords, Listener>>,
    /// The last stamp given.
    stamp: u64,
}

impl NearMap {
    pub(super) const fn new(map: Mapped) -> Self {
        Self { map, held: BTreeMap::new(), stamp: NEAR_ASK }
    }

    /// Once the listener stands in the big map, which whoever is told to ask there looks into.
    pub(super) fn put(&mut self, key: ListenerWords, listener: Listener) {
        let index = near_index(key);
        self.held.entry(index).or_default().insert(key, listener);
        self.write(index);
    }

    /// While the listener still stands in the big map, for the same reason.
    pub(super) fn remove(&mut self, key: ListenerWords) {
        let index = near_index(key);
        if let Some(held) = self.held.get_mut(&index) {
            held.remove(&key);
        }
        self.write(index);
    }

    fn write(&mut self, index: u32) {
        let words = size_of::<Near>() / 8;
        let first = index as usize * words;
        let held = self.held.get(&index).into_iter().flatten().collect::<Vec<_>>();
        self.map.store(first, NEAR_ASK);
        match held.as_slice() {
            [] => self.map.store(first, NEAR_NOBODY),
            [(key, listener)] => {
                self.stamp += 1;
                let near = Near { stamp: self.stamp, key: **key, listener: **listener };
                let (bytes, _) = near.as_bytes().as_chunks::<8>();
                // The stamp stands in the first word: stored last, it vouches for the rest.
                for (offset, word) in bytes.iter().enumerate().rev() {
                    self.map.store(first + offset, u64::from_ne_bytes(*word));
                }
            }
            // `NEAR_ASK` stands.
            [_, _, ..] => {}
        }
    }
}
