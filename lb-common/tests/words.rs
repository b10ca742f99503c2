//! What is packed into words comes out of them again, and time wraps around without a seam.
#![cfg(test)]

use std::time::Duration;

use lb_common::{
    flow::{FlowState, FlowWord, Tick},
    ids::TargetId,
    maps::Idle,
    parse::{TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN},
    slot::{Slot, SlotState},
};
use proptest::prelude::*;

/// Ticks before the clock of entries wraps around.
const WRAP: u32 = 1 << 21;
/// Differences from here on are of a tick that is a little later.
const AHEAD: u32 = WRAP - 64;

const IDLE: Idle = Idle { tcp: 350, udp: 120, opening: 30, closed: 60 };

const STATES: [SlotState; 4] =
    [SlotState::Steady, SlotState::Learning, SlotState::Pinned, SlotState::LearningTcp];

fn target() -> impl Strategy<Value = TargetId> {
    (1..=TargetId::MAX).prop_map(|index| TargetId::new(index).expect("in the range"))
}

fn tick() -> impl Strategy<Value = Tick> {
    (0..WRAP).prop_map(Tick::new)
}

/// Any state that packets can bring about.
fn state() -> impl Strategy<Value = FlowState> {
    let packets = prop::collection::vec((any::<bool>(), any::<u8>()), 0..6);
    (any::<bool>(), packets).prop_map(|(udp, packets)| {
        let first = if udp { FlowState::NEW_UDP } else { FlowState::NEW_TCP };
        packets.into_iter().fold(first, |state, (there, flags)| {
            let flags = if udp { 0 } else { flags };
            if there { state.to_target(flags) } else { state.from_target(flags) }
        })
    })
}

proptest! {
    #[test]
    fn a_steady_slot_names_its_target_and_no_other(id in target()) {
        let slot = Slot::from_word(Slot::steady(id).word());
        prop_assert_eq!(slot.current(), Some(id));
        prop_assert_eq!(slot.former(), None);
        prop_assert_eq!(slot.state(), SlotState::Steady);
        prop_assert!(slot.is_steady());
    }

    #[test]
    fn a_slots_fields_do_not_touch(
        current in prop::option::of(target()),
        former in prop::option::of(target()),
        state in prop::sample::select(STATES.as_slice()),
    ) {
        let slot = Slot::from_word(Slot::new(state, current, former).word());
        prop_assert_eq!(slot.current(), current);
        prop_assert_eq!(slot.former(), former);
        prop_assert_eq!(slot.state(), state);
        prop_assert_eq!(slot.is_steady(), state == SlotState::Steady && former.is_none());
    }

    #[test]
    fn any_word_is_read_as_some_slot_or_flow(word: u64, now in tick()) {
        let slot = Slot::from_word(word);
        prop_assert_eq!(slot.word(), word);
        let _ = (slot.current(), slot.former(), slot.state());
        let flow = FlowWord::from_word(word);
        prop_assert_eq!(flow.word(), word);
        let _ = (flow.target(), flow.port(), flow.live(now, &IDLE), flow.readiness(now, &IDLE));
    }

    #[test]
    fn a_flow_word_gives_back_what_it_was_made_of(id in target(), port: u16, seen in tick(), state in state()) {
        let flow = FlowWord::from_word(FlowWord::new(id, port, seen, state).word());
        prop_assert_eq!((flow.target(), flow.port()), (Some(id), port));
        prop_assert_eq!((flow.seen(), flow.state()), (seen, state));
        prop_assert_ne!(flow, FlowWord::FREE);
    }

    #[test]
    fn touching_a_flow_changes_its_age_and_state_only(
        id in target(), port: u16, seen in tick(), state in state(), now in tick(), next in state(),
    ) {
        let touched = FlowWord::new(id, port, seen, state).touched(now, next);
        prop_assert_eq!(touched, FlowWord::new(id, port, now, next));
    }

    #[test]
    fn an_entry_that_is_being_written_names_nobody_and_is_nobody_elses(now in tick()) {
        let claimed = FlowWord::claimed(now);
        prop_assert_eq!(claimed.target(), None);
        prop_assert_eq!(claimed.readiness(now, &IDLE), None);
        prop_assert_ne!(claimed, FlowWord::FREE);
    }

    #[test]
    fn time_passes_over_the_wrap_as_before_it(start in 0..WRAP, passed in 0..AHEAD) {
        prop_assert_eq!(Tick::new(start.wrapping_add(passed)).since(Tick::new(start)), passed);
    }

    #[test]
    fn a_clock_of_nanoseconds_and_one_of_ticks_agree(start in 0..u64::MAX / 2, ticks in 0..u64::from(AHEAD)) {
        let later = Tick::from_nanoseconds(start + (ticks << 30));
        prop_assert_eq!(u64::from(later.since(Tick::from_nanoseconds(start))), ticks);
    }

    #[test]
    fn nothing_is_forgotten_before_its_time(start in 0..u64::MAX / 2, milliseconds in 0..1_000_000_u64) {
        let idle = Duration::from_millis(milliseconds);
        let passed = u64::try_from(idle.as_nanos()).expect("it fits");
        let since = Tick::from_nanoseconds(start + passed).since(Tick::from_nanoseconds(start));
        prop_assert!(since <= Tick::span(idle), "{since} ticks, {} allowed", Tick::span(idle));
    }

    #[test]
    fn a_flow_lives_as_long_as_its_patience_wherever_the_clock_stands(
        id in target(), port: u16, seen in tick(), state in state(), silent in 0..AHEAD,
    ) {
        let flow = FlowWord::new(id, port, seen, state);
        let now = Tick::new(seen.get() + silent);
        let patience = state.patience(&IDLE);
        prop_assert_eq!(flow.live(now, &IDLE), silent <= patience);
        let readiness = match (silent <= patience, state.closed()) {
            (true, false) => None,
            (true, true) => Some(silent),
            (false, _) => Some(u32::MAX),
        };
        prop_assert_eq!(flow.readiness(now, &IDLE), readiness);
    }

    #[test]
    fn who_spoke_after_the_clock_was_read_has_just_spoken(
        id in target(), port: u16, now in tick(), state in state(), ahead in 1..=WRAP - AHEAD,
    ) {
        let seen = Tick::new(now.get() + ahead);
        prop_assert_eq!(now.since(seen), 0);
        prop_assert!(FlowWord::new(id, port, seen, state).live(now, &IDLE));
    }

    #[test]
    fn merging_forgets_nothing_and_invents_nothing(one in state(), other in state()) {
        let merged = one.merged(other);
        prop_assert_eq!(merged, other.merged(one));
        prop_assert_eq!(merged.merged(one), merged);
        prop_assert!(merged.closed() || !one.closed() && !other.closed());
        prop_assert_eq!(one.merged(one), one);
    }
}

#[test]
fn an_id_is_neither_nobody_nor_too_large_for_an_entry() {
    assert_eq!(TargetId::new(0), None);
    assert_eq!(TargetId::new(TargetId::MAX).map(TargetId::index), Some(TargetId::MAX));
    assert_eq!(TargetId::new(TargetId::MAX + 1), None);
    assert_eq!(TargetId::new(u32::MAX), None);
    assert_eq!(Slot::EMPTY.current(), None);
    assert_eq!(FlowWord::FREE.target(), None);
}

#[test]
fn fresh_memory_is_free_whatever_the_time() {
    for now in [0, 1, WRAP / 2, WRAP - 1] {
        assert!(!FlowWord::FREE.live(Tick::new(now), &IDLE), "at tick {now}");
        assert_eq!(FlowWord::FREE.readiness(Tick::new(now), &IDLE), Some(u32::MAX), "at tick {now}");
    }
}

#[test]
fn a_flow_is_closed_by_a_reset_or_by_both_fins() {
    let (new, fin, reset) = (FlowState::NEW_TCP, TCP_FIN | TCP_ACK, TCP_RST);
    for (name, state, closed) in [
        ("new", new, false),
        (
            "SYN, SYN-ACK, ACK",
            new.to_target(TCP_SYN).from_target(TCP_SYN | TCP_ACK).to_target(TCP_ACK),
            false,
        ),
        ("FIN there", new.to_target(fin), false),
        ("FIN there twice", new.to_target(fin).to_target(fin), false),
        ("FIN back", new.from_target(fin), false),
        ("FIN there and back", new.to_target(fin).from_target(fin), true),
        ("FIN back and there", new.from_target(fin).to_target(fin), true),
        ("RST there", new.to_target(reset), true),
        ("RST back", new.from_target(reset), true),
        ("data after a reset", new.to_target(reset).from_target(TCP_ACK), true),
    ] {
        assert_eq!(state.closed(), closed, "{name}");
    }
}

#[test]
fn patience_is_that_of_the_flows_kind_and_state() {
    let (tcp, udp, fin) = (FlowState::NEW_TCP, FlowState::NEW_UDP, TCP_FIN);
    for (name, state, patience) in [
        ("TCP without a reply", tcp.to_target(TCP_SYN), IDLE.opening),
        ("TCP", tcp.from_target(TCP_ACK), IDLE.tcp),
        ("TCP half closed", tcp.from_target(TCP_ACK).to_target(fin), IDLE.tcp),
        ("TCP closed", tcp.to_target(fin).from_target(fin), IDLE.closed),
        ("TCP refused", tcp.from_target(TCP_RST), IDLE.closed),
        ("UDP without a reply", udp.to_target(0), IDLE.opening),
        ("UDP", udp.from_target(0), IDLE.udp),
    ] {
        assert_eq!(state.patience(&IDLE), patience, "{name}");
    }
}
