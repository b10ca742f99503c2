//! `RANGES`: lists of listeners on port ranges, each change written beside the list in use.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use lb_common::{
    maps::{KIND_RANGES, Listener},
    ranges::{MOST_RANGES, PortRanges},
};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{WriteError, mapped::Mapped};
use crate::{
    config::checked::{Ports, Protocol},
    core::plan::ListenerKey,
};

/// Elements beside those in use. The longer one rests before it is written again, the rarer meets a packet a list
/// that is not the one it was sent to.
pub(super) const SPARE: u32 = 8;

const WORDS: usize = size_of::<PortRanges>() / 8;

/// The map, and what stands at port 0 of each address and protocol.
pub(super) struct RangeMap {
    map: Mapped,
    held: BTreeMap<(IpAddr, Protocol), Held>,
    /// Elements that nobody uses; the one that rested for longest comes first.
    free: VecDeque<u32>,
    /// The last one given.
    stamp: u32,
}

#[derive(Clone, Default)]
struct Held {
    every: Option<Listener>,
    ranges: BTreeMap<Ports, Listener>,
    element: Option<u32>,
}

/// A change that is written and not yet in use.
pub(super) struct Draft {
    at: (IpAddr, Protocol),
    held: Held,
    /// What shall stand at port 0.
    pub(super) entry: Option<Listener>,
}

impl RangeMap {
    pub(super) fn new(map: Mapped) -> Self {
        let elements = u32::try_from(map.words() / WORDS).unwrap_or(u32::MAX);
        Self { map, held: BTreeMap::new(), free: (0..elements).collect(), stamp: 0 }
    }

    /// Writes the address's list with another listener at these ports, or with none.
    ///
    /// # Errors
    /// The map is full, or the list.
    pub(super) fn draft(
        &mut self,
        key: &ListenerKey,
        listener: Option<&Listener>,
    ) -> Result<Draft, WriteError> {
        let at = (key.address, key.protocol);
        let mut held = self.held.get(&at).cloned().unwrap_or_default();
        match (key.ports, listener) {
            (Ports::Every, _) => held.every = listener.copied(),
            (ports, Some(listener)) => {
                held.ranges.insert(ports, *listener);
            }
            (ports, None) => {
                held.ranges.remove(&ports);
            }
        }
        held.element = None;
        let entry = if held.ranges.is_empty() { held.every } else { Some(self.write(&mut held)?) };
        Ok(Draft { at, held, entry })
    }

    /// The draft is in use from here on, and what was there before is not.
    pub(super) fn settle(&mut self, draft: Draft) {
        let Draft { at, held, entry } = draft;
        self.free.retain(|element| Some(*element) != held.element);
        let before = if entry.is_some() { self.held.insert(at, held) } else { self.held.remove(&at) };
        self.free.extend(before.and_then(|before| before.element));
    }

    /// The listeners of an element, and their ports.
    pub(super) fn read(&self, element: u32) -> Vec<(Ports, Listener)> {
        let first = element as usize * WORDS;
        let words: [u64; WORDS] = std::array::from_fn(|offset| self.map.load(first + offset));
        let Ok(list) = PortRanges::read_from_bytes(words.as_bytes()) else { return Vec::new() };
        let (every, ranges) = list.parts();
        let ports = |range: &Listener| Ports::Range { first: range.first_port, last: range.last_port };
        let every = every.map(|every| (Ports::Every, *every));
        every.into_iter().chain(ranges.map(|range| (ports(range), *range))).collect()
    }

    fn write(&mut self, held: &mut Held) -> Result<Listener, WriteError> {
        let capacity = u32::try_from(self.map.words() / WORDS).unwrap_or(u32::MAX).saturating_sub(SPARE);
        let element = *self.free.front().ok_or(WriteError::Full { map: "RANGES", capacity })?;
        let ranges: Vec<Listener> = held.ranges.values().copied().collect();
        self.stamp = self.stamp.checked_add(1).unwrap_or(1);
        let list = PortRanges::of(self.stamp, held.every, &ranges);
        let list = list.ok_or(WriteError::TooManyRanges { most: MOST_RANGES })?;
        let first = element as usize * WORDS;
        self.map.store(first, 0);
        let (words, _) = list.as_bytes().as_chunks::<8>();
        // The stamp stands in the first word: stored last, it vouches for the rest.
        for (offset, word) in words.iter().enumerate().rev() {
            self.map.store(first + offset, u64::from_ne_bytes(*word));
        }
        held.element = Some(element);
        Ok(Listener { kind: KIND_RANGES, ring: element, slots: self.stamp, ..Listener::NOTHING })
    }
}
