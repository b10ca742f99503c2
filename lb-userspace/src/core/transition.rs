//! What becomes of a slot: when the ring wants another target there, when time passes, when nobody is left on a
//! former target. `lb_common::slot` has the picture, `lb_common::track` what packets meet in each state.

use std::time::{Duration, Instant};

use lb_common::{
    ids::TargetId,
    slot::{Slot, SlotState},
};

/// How long a slot learns, for each protocol that its ring serves. `None`: no listener of that protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    pub tcp: Option<Duration>,
    pub udp: Option<Duration>,
}

/// After the ring wants `wanted`, and some targets may have died: `serves` knows which can go on with their flows.
///
/// - A target that can serve keeps the flows that it has: it becomes the slot's former one.
/// - A slot that learns keeps its former target: all flows that are younger are recorded. If the ring wants that
///   one back, nothing is left to learn.
/// - A former target that died is nobody's any more.
/// - A slot that leaves a dead target is pinned, though nothing was learnt: records of that target may be left, and
///   must not meet a new connection of the same tuple when the target comes back.
pub fn next(held: Slot, wanted: Option<TargetId>, serves: impl Fn(TargetId) -> bool) -> Slot {
    let pinned = || Slot::new(SlotState::Pinned, wanted, None);
    let former = held.former().filter(|id| serves(*id));
    if held == Slot::EMPTY {
        return wanted.map_or(Slot::EMPTY, Slot::steady);
    }
    match (held.state(), held.current() == wanted) {
        (SlotState::Steady | SlotState::Pinned, true) => held,
        (SlotState::Steady | SlotState::Pinned, false) => match held.current().filter(|id| serves(*id)) {
            Some(present) => Slot::new(SlotState::Learning, wanted, Some(present)),
            None => pinned(),
        },
        (state @ (SlotState::Learning | SlotState::LearningTcp), _) => match former {
            Some(former) if Some(former) != wanted => Slot::new(state, wanted, Some(former)),
            Some(_) | None => pinned(),
        },
    }
}

/// From when the windows of a slot that learns count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    pub tcp: Instant,
    pub udp: Instant,
}

/// After time has passed. A flow that was silent for a whole window counts as ended, as with the NLB's idle timeout.
pub fn aged(held: Slot, begun: Begun, windows: Windows, now: Instant) -> Slot {
    let over = |from: Instant, window: Option<Duration>| window.is_none_or(|window| from + window <= now);
    let (tcp, udp) = (over(begun.tcp, windows.tcp), over(begun.udp, windows.udp));
    match held.state() {
        SlotState::Learning if tcp && udp => pinned(held),
        SlotState::Learning if udp && windows.udp.is_some() => {
            Slot::new(SlotState::LearningTcp, held.current(), held.former())
        }
        SlotState::LearningTcp if tcp => pinned(held),
        SlotState::Steady | SlotState::Pinned | SlotState::Learning | SlotState::LearningTcp => held,
    }
}

const fn pinned(held: Slot) -> Slot {
    Slot::new(SlotState::Pinned, held.current(), None)
}

/// When a slot that learns is to be looked at again.
pub fn due(held: Slot, begun: Begun, windows: Windows) -> Option<Instant> {
    let tcp = begun.tcp + windows.tcp.unwrap_or_default();
    match held.state() {
        SlotState::Learning => Some(windows.udp.map_or(tcp, |window| begun.udp + window)),
        SlotState::LearningTcp => Some(tcp),
        SlotState::Steady | SlotState::Pinned => None,
    }
}

/// After no live record of a pinned slot's flows names anybody but its current target.
pub fn released(held: Slot) -> Slot {
    match held.state() {
        SlotState::Pinned => held.current().map_or(Slot::EMPTY, Slot::steady),
        SlotState::Steady | SlotState::Learning | SlotState::LearningTcp => held,
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
