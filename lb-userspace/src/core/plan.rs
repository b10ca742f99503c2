//! From what the maps hold to what they should hold, in an order that never leaves a listener without a
//! live ring.
//!
//! 1. Lines of targets, so that a slot can name them. (Not yet those of targets that die: slots leave
//!    them first.)
//! 2. Slots, where no listener reads them that is about to read elsewhere.
//! 3. Listeners that come or change; then those that go. Slots that waited for them follow, and the
//!    listeners of those.
//! 4. Addresses, which say only to whom a packet without ports belongs: those that come, then those that go.
//! 5. Lines of targets that no longer serve.
//! 6. Slots of rings that are gone are emptied; at last the lines go that no slot names.

mod moves;

use std::{collections::BTreeMap, net::IpAddr, ops::Range, sync::Arc};

use lb_common::{
    ids::TargetId,
    maps::{Listener, TARGET_SERVES, Target},
    slot::Slot,
};

use self::moves::{ChangedRing, Moves};
use super::{desired::Want, have::Have, ring::Ring};
use crate::config::checked::{Ports, Protocol};

/// Key of a listener, of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerKey {
    pub address: IpAddr,
    pub ports: Ports,
    pub protocol: Protocol,
}

/// One write. After any prefix of a plan, every listener that was live is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a target's line.
    PutTarget { id: TargetId, target: Target },
    /// Rewrites slots of `RINGS`, by index; only the ones that change.
    PutSlots { slots: Vec<(u32, Slot)> },
    /// Makes a listener answer, or changes what it answers with.
    PutListener { key: ListenerKey, listener: Listener },
    /// From here on the address is not ours.
    RemoveListener { key: ListenerKey },
    /// Says that an address is ours, or changes what is said of it.
    PutAddress { address: IpAddr, entry: Listener },
    /// No listener has the address.
    RemoveAddress { address: IpAddr },
    /// Zeroes a target's line that no slot names.
    RemoveTarget { id: TargetId },
}

/// Slots that one step writes at most: small enough to be one write of the kernel's batch interface.
const SLOTS_A_STEP: usize = 4096;

pub fn plan(have: &Have, want: &Want) -> Vec<Step> {
    plan_from(have, None, want)
}

/// `settled`: the rings that lie in the slots exactly as they were once wanted, beside which all is empty.
pub(super) fn plan_from(have: &Have, settled: Option<&BTreeMap<u32, Ring>>, want: &Want) -> Vec<Step> {
    let changed = want.targets.iter().filter(|(id, line)| have.targets.get(id) != Some(*line));
    let dies = |id: &TargetId, line: &Target| {
        line.flags & TARGET_SERVES == 0
            && have.targets.get(id).is_some_and(|old| old.flags & TARGET_SERVES != 0)
    };
    let (dying, others): (Vec<_>, Vec<_>) = changed.partition(|(id, line)| dies(id, line));
    let put = |(id, target): (&TargetId, &Target)| Step::PutTarget { id: *id, target: *target };
    let gone = have.targets.keys().filter(|id| !want.targets.contains_key(id));

    let mut steps: Vec<Step> = others.into_iter().map(put).collect();
    steps.extend(Moves::new(have, changed_rings(have, settled, want), want).in_order());
    steps.extend(addresses(have, want));
    steps.extend(dying.into_iter().map(put));
    steps.extend(put_slots(&leftovers(have, settled, want)));
    steps.extend(gone.map(|id| Step::RemoveTarget { id: *id }));
    steps
}

fn addresses(have: &Have, want: &Want) -> impl Iterator<Item = Step> {
    let coming = want.addresses.iter().filter(|(address, entry)| have.addresses.get(address) != Some(*entry));
    let gone = have.addresses.keys().filter(|address| !want.addresses.contains_key(address));
    coming
        .map(|(address, entry)| Step::PutAddress { address: *address, entry: *entry })
        .chain(gone.map(|address| Step::RemoveAddress { address: *address }))
}

fn changed_rings(have: &Have, settled: Option<&BTreeMap<u32, Ring>>, want: &Want) -> Vec<ChangedRing> {
    let is_settled = |first: &u32, ring: &Ring| {
        settled.and_then(|rings| rings.get(first)).is_some_and(|lies| Arc::ptr_eq(lies, ring))
    };
    let moving = want.rings.iter().filter(|(first, ring)| !is_settled(first, ring));
    let changed = moving.map(|(first, ring)| {
        let held = have.slots.iter().skip(*first as usize).copied().chain(std::iter::repeat(Slot::EMPTY));
        let differs =
            |((place, held), wanted): ((u32, Slot), &Slot)| (held != *wanted).then_some((place, *wanted));
        let slots = (*first..).zip(held).zip(ring.iter()).filter_map(differs).collect();
        ChangedRing { range: range(*first, ring), slots, serves: serves(ring) }
    });
    changed.filter(|ring| !ring.slots.is_empty()).collect()
}

/// Slots outside all wanted rings that are not empty, to be emptied.
fn leftovers(have: &Have, settled: Option<&BTreeMap<u32, Ring>>, want: &Want) -> Vec<(u32, Slot)> {
    let everything = || u32::try_from(have.slots.len()).map_or(0..u32::MAX, |end| 0..end);
    let places: Vec<_> = match settled {
        None => vec![everything()],
        Some(rings) => rings.iter().map(|(first, ring)| range(*first, ring)).collect(),
    };
    let gaps = places.into_iter().flat_map(|place| outside_rings(place, want));
    let held = |place: u32| have.slots.get(place as usize).copied().unwrap_or_default();
    gaps.flatten().filter(|place| held(*place) != Slot::EMPTY).map(|place| (place, Slot::EMPTY)).collect()
}

/// The parts of `place` where no ring is wanted.
fn outside_rings(place: Range<u32>, want: &Want) -> Vec<Range<u32>> {
    let mut from = place.start;
    let mut gaps = Vec::new();
    for ring in want.rings.iter().map(|(first, ring)| range(*first, ring)) {
        if ring.end > from && ring.start < place.end {
            gaps.push(from..ring.start.max(from));
            from = ring.end;
        }
    }
    gaps.push(from..place.end.max(from));
    gaps
}

fn range(first: u32, ring: &Ring) -> Range<u32> {
    first..u32::try_from(ring.len()).map_or(u32::MAX, |slots| first.saturating_add(slots))
}

/// Whether every slot has somebody. A ring is full or empty.
fn serves(ring: &Ring) -> bool {
    ring.iter().all(|slot| slot.current().is_some())
}

fn put_slots(slots: &[(u32, Slot)]) -> impl Iterator<Item = Step> {
    slots.chunks(SLOTS_A_STEP).map(|slots| Step::PutSlots { slots: slots.to_vec() })
}

#[cfg(test)]
mod tests;
