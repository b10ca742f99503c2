//! The Maglev table of a target group (Eisenbud et al., "Maglev", NSDI 2016, section 3.4), by weight.
//!
//! Every target walks the slots in an order of its own, which a keyed hash of its address gives, and at
//! each of its turns takes the first slot on its way that is free. A removed target's slots go to the
//! others; of theirs, few move.
//!
//! Architecture invariant: a ring depends on addresses, weights, key and size, and on nothing else: not
//! on ids, on history or on the order of a file. So edge nodes agree without a message between them (P3).

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use lb_common::{ids::TargetId, slot::Slot};

use super::siphash::{self, Key};
use crate::config::checked::TargetAddress;

/// A ring as it should be: each slot's target, in the steady state.
pub type Ring = Arc<[Slot]>;

/// A target's claim to a part of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub id: TargetId,
    /// Zero gets no slot.
    pub weight: u16,
}

/// Fills a ring of `slots`, a prime. Without a weight there is no target in any slot.
///
/// Each target gets its share to within one and a half slots and its share's part of one slot a target;
/// and at least one slot, while there are enough for all.
pub fn build(key: Key, slots: u32, seats: &BTreeMap<TargetAddress, Seat>) -> Ring {
    let mut walks: Vec<Walk> = seats
        .iter()
        .filter(|(_, seat)| seat.weight > 0)
        .map(|(address, seat)| Walk::new(key, slots, address, *seat))
        .collect();
    let mut ring = vec![Slot::EMPTY; slots as usize];
    let mut taken = Taken::none_of(slots);
    for turn in turns(&walks, slots) {
        if let Some(walk) = walks.get_mut(turn.walk())
            && let Some(place) = walk.first_free(slots, &mut taken)
            && let Some(slot) = ring.get_mut(place as usize)
        {
            *slot = Slot::steady(walk.seat.id);
        }
    }
    ring.into()
}

/// One target's way through all slots: from `place` on in strides of `skip`.
struct Walk {
    seat: Seat,
    place: u32,
    skip: u32,
}

impl Walk {
    #[expect(clippy::cast_possible_truncation, reason = "a remainder by a u32")]
    fn new(key: Key, slots: u32, address: &TargetAddress, seat: Seat) -> Self {
        let size = u64::from(slots.max(2));
        let place = (siphash::hash(key, &identity(address, 0)) % size) as u32;
        let skip = (siphash::hash(key, &identity(address, 1)) % (size - 1)) as u32 + 1;
        Self { seat, place, skip }
    }

    /// Takes the first free slot on the way. A prime size makes the way pass every slot; bounded all
    /// the same, so that no other size can hang the daemon.
    fn first_free(&mut self, slots: u32, taken: &mut Taken) -> Option<u32> {
        (0..slots).find_map(|_| {
            let place = self.place;
            let next = u64::from(place) + u64::from(self.skip);
            let wrapped = if next >= u64::from(slots) { next - u64::from(slots) } else { next };
            self.place = u32::try_from(wrapped).ok()?;
            taken.take(place).then_some(place)
        })
    }
}

/// What a target's place in the ring hangs on. The bytes are part of the agreement between nodes.
fn identity(TargetAddress { address, port }: &TargetAddress, draw: u8) -> Vec<u8> {
    let port = port.to_be_bytes();
    match address {
        IpAddr::V4(address) => [&[draw, 4][..], &address.octets(), &port].concat(),
        IpAddr::V6(address) => [&[draw, 6][..], &address.octets(), &port].concat(),
    }
}

/// When a turn is due, and below it whose it is: one word, for the sort is most of the work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn(u64);

impl Turn {
    /// Fixed point: bits of the fraction of a due time. Fewer would make ties of different weights.
    const FRACTION: u32 = 20;

    /// Turns of all times beyond a ring of four million slots are due together.
    fn new(twice_due: u64, weight: u64, walk: u32) -> Self {
        let due = (twice_due << (Self::FRACTION - 1)) / weight;
        Self(due.min((1 << (64 - TargetId::BITS)) - 1) << TargetId::BITS | u64::from(walk))
    }

    #[expect(clippy::cast_possible_truncation, reason = "masked to the bits of an id")]
    fn walk(self) -> usize {
        (self.0 & u64::from(TargetId::MAX)) as usize
    }
}

/// Whose turn it is, `slots` times over.
///
/// A target of weight w has its turns at (k + 1/2) / w, which shares the slots out as Webster's method
/// does seats, save the first, which all have at 0, so that nobody goes without. When a turn is due
/// depends on the target's own weight alone, so a change of one leaves the others in their order.
fn turns(walks: &[Walk], slots: u32) -> Vec<Turn> {
    let total: u64 = walks.iter().map(|walk| u64::from(walk.seat.weight)).sum();
    // No target has more turns than its share of this: rounding gives at most half a slot to each other.
    let reach = u64::from(slots) + walks.len() as u64 / 2;
    let mut turns = Vec::with_capacity(slots as usize + 3 * walks.len());
    for (number, walk) in (0..).zip(walks) {
        let weight = u64::from(walk.seat.weight);
        turns.push(Turn::new(0, weight, number));
        turns.extend((1..weight * reach / total + 2).map(|k| Turn::new(2 * k + 1, weight, number)));
    }
    turns.sort_unstable();
    turns.truncate(slots as usize);
    turns
}

/// Which slots are taken, a bit each: 8 KiB for 65,537, which stays in the first cache.
struct Taken(Vec<u64>);

impl Taken {
    fn none_of(slots: u32) -> Self {
        Self(vec![0; slots.div_ceil(64) as usize])
    }

    /// False when somebody was there before.
    fn take(&mut self, place: u32) -> bool {
        let Some(word) = self.0.get_mut(place as usize / 64) else { return false };
        let bit = 1 << (place % 64);
        let free = *word & bit == 0;
        *word |= bit;
        free
    }
}

#[cfg(test)]
mod tests;
