use super::*;
use crate::core::sample::start;

const A: Option<TargetId> = TargetId::new(1);
const B: Option<TargetId> = TargetId::new(2);
const C: Option<TargetId> = TargetId::new(3);

const LEARNING: SlotState = SlotState::Learning;
const LEARNING_TCP: SlotState = SlotState::LearningTcp;
const PINNED: SlotState = SlotState::Pinned;

fn steady(target: Option<TargetId>) -> Slot {
    Slot::new(SlotState::Steady, target, None)
}

/// All serve but `dead`.
fn turned(held: Slot, wanted: Option<TargetId>, dead: Option<TargetId>) -> Slot {
    next(held, wanted, |id| Some(id) != dead)
}

#[test]
fn a_change_makes_a_slot_learn_unless_its_target_is_dead() {
    let cases = [
        ("a slot of nobody", Slot::EMPTY, A, None, steady(A)),
        ("no change", steady(A), A, None, steady(A)),
        ("no change of a slot whose target died", steady(A), A, A, steady(A)),
        ("another target", steady(A), B, None, Slot::new(LEARNING, B, A)),
        ("the last target goes", steady(A), None, None, Slot::new(LEARNING, None, A)),
        ("another target, as the present died", steady(A), B, A, Slot::new(PINNED, B, None)),
        ("a pinned slot", Slot::new(PINNED, B, None), C, None, Slot::new(LEARNING, C, B)),
        ("a pinned slot of a dead target", Slot::new(PINNED, B, None), C, B, Slot::new(PINNED, C, None)),
    ];
    for (name, held, wanted, dead, expected) in cases {
        assert_eq!(turned(held, wanted, dead), expected, "{name}");
    }
}

#[test]
fn a_slot_that_learns_keeps_its_oldest_former_target_that_can_serve() {
    for state in [LEARNING, LEARNING_TCP] {
        let held = Slot::new(state, B, A);
        assert_eq!(turned(held, C, None), Slot::new(state, C, A), "the flows of B are recorded");
        assert_eq!(turned(held, C, B), Slot::new(state, C, A), "the present one died");
        assert_eq!(turned(held, A, None), Slot::new(PINNED, A, None), "back: nothing is left to learn");
        assert_eq!(turned(held, B, A), Slot::new(PINNED, B, None), "the dead are nobody's former");
        assert_eq!(turned(held, C, A), Slot::new(PINNED, C, None), "and the flows of B are recorded");
        assert_eq!(turned(held, None, None), Slot::new(state, None, A), "the last one goes");
    }
}

#[test]
fn each_protocol_learns_for_its_own_window() {
    let seconds = |seconds: u64| Some(Duration::from_secs(seconds));
    let held = |state| Slot::new(state, B, if state == PINNED { None } else { A });
    let both = Windows { tcp: seconds(350), udp: seconds(10) };
    let (tcp, udp) = (Windows { udp: None, ..both }, Windows { tcp: None, ..both });
    let long_udp = Windows { tcp: seconds(10), udp: seconds(350) };
    let cases = [
        (both, LEARNING, 9, LEARNING),
        (both, LEARNING, 10, LEARNING_TCP),
        (both, LEARNING_TCP, 349, LEARNING_TCP),
        (both, LEARNING_TCP, 350, PINNED),
        (both, LEARNING, 350, PINNED),
        (tcp, LEARNING, 349, LEARNING),
        (tcp, LEARNING, 350, PINNED),
        (udp, LEARNING, 9, LEARNING),
        (udp, LEARNING, 10, PINNED),
        (long_udp, LEARNING, 349, LEARNING),
        (long_udp, LEARNING, 350, PINNED),
        (Windows::default(), LEARNING, 0, PINNED),
    ];
    let begun = Begun { tcp: start(), udp: start() };
    for (windows, state, learnt, expected) in cases {
        let slot = aged(held(state), begun, windows, start() + Duration::from_secs(learnt));
        assert_eq!(slot, held(expected), "{windows:?}, {state:?}, {learnt} s");
        let due = due(held(state), begun, windows).expect("it learns");
        let at = |now| aged(held(state), begun, windows, now);
        assert_eq!(at(due - Duration::from_millis(1)) == held(state), due > start(), "not before it is due");
        assert_ne!(at(due), held(state), "{windows:?}, {state:?}: due");
    }
    for state in [PINNED, SlotState::Steady] {
        let slot = Slot::new(state, B, None);
        assert_eq!(aged(slot, begun, both, start() + Duration::from_secs(86_400)), slot);
        assert_eq!(due(slot, begun, both), None);
    }
}

#[test]
fn a_window_that_begins_again_for_tcp_goes_on_for_udp() {
    let windows = Windows { tcp: Some(Duration::from_secs(350)), udp: Some(Duration::from_secs(10)) };
    let begun = Begun { tcp: start() + Duration::from_secs(9), udp: start() };
    let at = |slot, seconds| aged(slot, begun, windows, start() + Duration::from_secs(seconds));
    let learnt = at(Slot::new(LEARNING, B, A), 10);
    assert_eq!(learnt, Slot::new(LEARNING_TCP, B, A));
    assert_eq!(at(learnt, 358), learnt);
    assert_eq!(at(learnt, 359), Slot::new(PINNED, B, None));
}

#[test]
fn only_a_pinned_slot_is_released() {
    assert_eq!(released(Slot::new(PINNED, B, None)), steady(B));
    assert_eq!(released(Slot::new(PINNED, None, None)), Slot::EMPTY);
    for slot in [steady(B), Slot::new(LEARNING, B, A), Slot::new(LEARNING_TCP, B, A)] {
        assert_eq!(released(slot), slot);
    }
}
