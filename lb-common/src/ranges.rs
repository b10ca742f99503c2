//! Port ranges: which of an address's listeners has a port.
//!
//! Ranges may lie within each other, and the narrowest has the port. They are cut into segments beforehand, so that
//! a packet finds its own by seven comparisons, however many ranges there are.

use crate::{maps::Listener, shared};

/// Listeners of one address and protocol on port ranges, at most.
pub const MOST_RANGES: usize = LISTENERS - 1;
/// One more, which is on every port.
const LISTENERS: usize = 64;
/// Each range adds two at most to the one that there is without any.
const SEGMENTS: usize = 2 * LISTENERS;
/// [`PortRanges::owners`]: no listener has the segment.
const NOBODY: u8 = u8::MAX;

shared! {
    /// Element of `RANGES`: the listeners of one address and protocol, but for those on a single port.
    ///
    /// A change is written into an element that nobody uses, and then named by the entry of `LISTENERS_V4` or
    /// `LISTENERS_V6`. Who still reads the old one when it is written again sees another stamp.
    pub struct PortRanges: 2496 bytes {
        /// Another one with each writing; zero meanwhile.
        pub stamp: u64,
        pub reserved: [u64; 7],
        /// The ports that the segments start at, upwards, in host order. Those that are not needed are the first once
        /// more.
        pub starts: [u16; SEGMENTS],
        /// Whose each segment is: an index of `listeners`.
        pub owners: [u8; SEGMENTS],
        /// First the one on every port; of kind 0 if there is none.
        pub listeners: [Listener; LISTENERS],
    }
}

impl PortRanges {
    /// Of listeners on `first_port` to `last_port`, and one on every port. Ranges that overlap lie one within the
    /// other. `None` if they are more than [`MOST_RANGES`].
    pub fn of(stamp: u32, every: Option<Listener>, ranges: &[Listener]) -> Option<Self> {
        let mut all = Self {
            stamp: u64::from(stamp),
            reserved: [0; 7],
            starts: [0; SEGMENTS],
            owners: [NOBODY; SEGMENTS],
            listeners: [Listener::NOTHING; LISTENERS],
        };
        let (first, rest) = all.listeners.split_first_mut()?;
        *first = every.unwrap_or(Listener::NOTHING);
        rest.get_mut(..ranges.len())?.copy_from_slice(ranges);

        let ends = |range: &Listener| [Some(range.first_port), range.last_port.checked_add(1)];
        let starts = ranges.iter().flat_map(ends).flatten();
        all.starts.iter_mut().zip(starts).for_each(|(place, start)| *place = start);
        all.starts.sort_unstable();
        let owner = |port: u16| narrowest(ranges, port).or_else(|| every.map(|_| 0)).unwrap_or(NOBODY);
        all.owners.iter_mut().zip(all.starts).for_each(|(place, start)| *place = owner(start));
        Some(all)
    }

    /// Which of [`Self::listeners`] has the port; beyond them all if none has.
    #[inline(always)]
    pub fn owner(&self, port: u16) -> usize {
        let mut segment = 0;
        for step in [64, 32, 16, 8, 4, 2, 1] {
            let next = (segment + step) % SEGMENTS;
            if self.starts.get(next).is_some_and(|start| *start <= port) {
                segment = next;
            }
        }
        self.owners.get(segment).copied().unwrap_or(NOBODY).into()
    }

    /// The one on every port, and those on ranges.
    pub fn parts(&self) -> (Option<&Listener>, impl Iterator<Item = &Listener>) {
        let (every, ranges) = self.listeners.split_first().unzip();
        let there = |listener: &&Listener| listener.kind != 0;
        (every.filter(there), ranges.into_iter().flatten().filter(there))
    }
}

/// The place among the listeners of the narrowest range that has the port.
fn narrowest(ranges: &[Listener], port: u16) -> Option<u8> {
    let has = |(_, range): &(u8, &Listener)| (range.first_port..=range.last_port).contains(&port);
    let narrowest = (1..).zip(ranges).filter(has).min_by_key(|(_, range)| range.last_port - range.first_port);
    narrowest.map(|(place, _)| place)
}
