//! Slots in motion, and targets that leave.

use lb_common::{
    ids::TargetId,
    maps::{TARGET_OPENS, TARGET_SERVES},
    slot::{Slot, SlotState},
};

use super::*;
use crate::config::checked::{ListenerName, Protocol};

/// How many slots of the ring are in which state: steady, learning, pinned.
fn states(lab: &mut Lab) -> (usize, usize, usize) {
    lab.state.advance(lab.now);
    let counts = lab.group().counts();
    (251 - counts.learning - counts.pinned, counts.learning, counts.pinned)
}

fn healthy(targets: &[(&str, u16)]) -> Lab {
    let mut lab = Lab::with(targets);
    for (at, _) in targets {
        lab.pass(at);
    }
    lab.state.advance(lab.now);
    lab
}

fn id_of(lab: &Lab, at: &str) -> TargetId {
    lab.group().members().get(&address(at)).unwrap().id().unwrap()
}

#[test]
fn slots_that_change_learn_then_are_pinned_then_steady() {
    let tcp = |targets: &[(&str, u16)]| web(targets).listener("web", "192.0.2.1", "web");
    let mut lab = healthy(&[(A, 1), (B, 1)]);
    lab.configure(tcp(&[(A, 1), (B, 1)]));
    assert_eq!(states(&mut lab), (251, 0, 0), "what nobody changes stays steady");

    let id = id_of(&lab, B);
    lab.configure(tcp(&[(A, 1), (B, 0)]));
    let (_, changed, _) = states(&mut lab);
    assert!((100..150).contains(&changed), "the drained target's {changed} slots learn");
    let former = |slot: &Slot| slot.former() == Some(id);
    assert_eq!(lab.group().ring().unwrap().1.iter().filter(|slot| former(slot)).count(), changed);

    lab.now += Duration::from_secs(351);
    assert_eq!(states(&mut lab), (251 - changed, changed, 0));
    let version = lab.state.version();
    lab.now += Duration::from_secs(1);
    assert_eq!(states(&mut lab), (251 - changed, 0, changed), "the window is over");
    assert!(lab.state.version() > version, "there is something to write");

    lab.swept(Live::default());
    assert_eq!(states(&mut lab).2, changed, "this sweep may have missed what was recorded last");
    lab.now += Duration::from_secs(3);
    let mark = lab.group().ring().unwrap().1.iter().position(|slot| slot.state() == SlotState::Pinned);
    let tracked = [(id, u16::try_from(mark.unwrap()).unwrap())].into();
    lab.swept(Live { tracked, ..Live::default() });
    assert_eq!(states(&mut lab), (250, 0, 1), "one flow is left on the former target");
    lab.swept(Live::default());
    assert_eq!(states(&mut lab), (251, 0, 0));
}

#[test]
fn a_flow_that_cannot_be_recorded_makes_the_slots_learn_on() {
    let mut lab = healthy(&[(A, 1), (B, 1)]);
    lab.configure(web(&[(A, 1), (B, 0)]).listener("web", "192.0.2.1", "web"));
    let (_, changed, _) = states(&mut lab);
    lab.now += Duration::from_secs(300);
    lab.on(Event::NotRecorded);
    lab.now += Duration::from_secs(351);
    assert_eq!(states(&mut lab).1, changed, "a whole window must pass without such a flow");
    lab.now += Duration::from_secs(1);
    assert_eq!(states(&mut lab).2, changed);
}

#[test]
fn a_removed_target_keeps_its_line_until_nobody_is_left_on_it() {
    let mut lab = healthy(&[(A, 1), (B, 1)]);
    let id = id_of(&lab, B);
    let flags = |lab: &mut Lab| desired(&mut lab.state, lab.now).targets.get(&id).map(|line| line.flags);
    let serves = |lab: &mut Lab| flags(lab).map(|flags| flags & (TARGET_SERVES | TARGET_OPENS));
    assert_eq!(serves(&mut lab), Some(TARGET_SERVES | TARGET_OPENS));

    lab.configure(web(&[(A, 1)]).listener("web", "192.0.2.1", "web"));
    assert_eq!(serves(&mut lab), Some(TARGET_SERVES), "its flows go on, new ones do not come");
    assert_eq!(
        lab.state.addresses(),
        [A, B].map(|at| at.parse().unwrap()).into(),
        "and the way to it is kept"
    );
    assert_eq!(lab.in_ring(), [A]);

    lab.now += Duration::from_secs(352);
    lab.state.advance(lab.now);
    lab.now += Duration::from_secs(3);
    lab.swept(Live { tracked: [(id, 7)].into(), ..Live::default() });
    assert_eq!(serves(&mut lab), Some(TARGET_SERVES), "a flow lives");
    lab.swept(Live::default());
    assert_eq!(serves(&mut lab), None);
    assert_eq!(lab.state.addresses(), [A.parse().unwrap()].into());
}

#[test]
fn a_target_that_comes_back_meets_the_flows_that_it_left() {
    let mut lab = healthy(&[(A, 1), (B, 1)]);
    let before = (id_of(&lab, B), desired(&mut lab.state, lab.now).rings);
    let with_listener = |targets: &[(&str, u16)]| web(targets).listener("web", "192.0.2.1", "web");
    lab.configure(with_listener(&[(A, 1)]));
    let (_, changed, _) = states(&mut lab);
    lab.configure(with_listener(&[(A, 1), (B, 1)]));
    assert_eq!(id_of(&lab, B), before.0, "under its old number");
    lab.pass(B);
    assert_eq!(
        states(&mut lab),
        (251 - changed, 0, changed),
        "who is not recorded is where it was: nothing to learn"
    );
    lab.now += Duration::from_secs(3);
    lab.swept(Live::default());
    assert_eq!(desired(&mut lab.state, lab.now).rings, before.1);
}

#[test]
fn a_dead_target_is_nobodys_former_and_leaves_at_once() {
    let mut lab = healthy(&[(A, 1), (B, 1), (C, 1)]);
    lab.configure(web(&[(A, 1), (B, 0), (C, 1)]).listener("web", "192.0.2.1", "web"));
    let id = id_of(&lab, B);
    let (_, changed, _) = states(&mut lab);
    (0..2).for_each(|_| drop(lab.fail(B)));
    let (steady, _, pinned) = states(&mut lab);
    assert_eq!(steady, 251 - changed);
    assert!(pinned > changed / 2, "of the {changed}, few had another former target");
    let (_, ring) = lab.group().ring().unwrap();
    assert!(ring.iter().all(|slot| ![slot.current(), slot.former()].contains(&Some(id))));

    lab.configure(web(&[(A, 1), (C, 1)]).listener("web", "192.0.2.1", "web"));
    lab.now += Duration::from_secs(3);
    lab.swept(Live::default());
    assert!(lab.group().leaving().is_empty(), "no record names it");
}

#[test]
fn nat_groups_turn_their_slots_at_once() {
    let of = |targets: &[(&str, u16)]| config().group("web", Forwarding::Nat, 251, targets);
    let mut lab = Lab { state: State::new(of(&[(A, 1), (B, 1)]), start()), now: start() };
    lab.state.advance(lab.now);
    let id = id_of(&lab, B);
    lab.configure(of(&[(A, 1)]));
    assert_eq!(states(&mut lab), (251, 0, 0));
    assert!(desired(&mut lab.state, lab.now).targets.contains_key(&id), "its flows go on");
    lab.now += Duration::from_secs(3);
    lab.swept(Live { nat: [id].into(), ..Live::default() });
    assert!(desired(&mut lab.state, lab.now).targets.contains_key(&id));
    lab.swept(Live::default());
    assert!(!desired(&mut lab.state, lab.now).targets.contains_key(&id));
}

/// The same with a UDP listener beside the TCP one.
fn both(targets: &[(&str, u16)]) -> Config {
    let mut config = web(targets).listener("web", "192.0.2.1", "web").listener("dns", "192.0.2.2", "web");
    let udp = ListenerName::parse("dns").unwrap();
    config.listeners.get_mut(&udp).unwrap().protocol = Protocol::Udp;
    config
}

fn in_state(lab: &mut Lab, state: SlotState) -> usize {
    lab.state.advance(lab.now);
    lab.group().ring().unwrap().1.iter().filter(|slot| slot.state() == state).count()
}

#[test]
fn a_flood_does_not_lengthen_the_udp_window() {
    let mut lab = healthy(&[(A, 1), (B, 1)]);
    lab.configure(both(&[(A, 1), (B, 0)]));
    let changed = in_state(&mut lab, SlotState::Learning);
    for _ in 0..9 {
        lab.now += Duration::from_secs(1);
        lab.on(Event::NotRecorded);
    }
    assert_eq!(in_state(&mut lab, SlotState::Learning), changed);
    lab.now += Duration::from_secs(1);
    lab.on(Event::NotRecorded);
    assert_eq!(in_state(&mut lab, SlotState::LearningTcp), changed, "no new datagram for the drained (P2)");
    lab.now += Duration::from_secs(351);
    assert_eq!(in_state(&mut lab, SlotState::LearningTcp), changed);
    lab.now += Duration::from_secs(1);
    assert_eq!(in_state(&mut lab, SlotState::Pinned), changed, "TCP learnt on from the last of the flood");
}

#[test]
fn a_flow_that_is_not_recorded_in_a_windows_last_moment_is_heard_of_before_it_ends() {
    let mut lab = healthy(&[(A, 1), (B, 1)]);
    lab.configure(web(&[(A, 1), (B, 0)]).listener("web", "192.0.2.1", "web"));
    let (_, changed, _) = states(&mut lab);
    lab.now += Duration::from_secs(350);
    assert_eq!(states(&mut lab).1, changed);
    // The daemon counts once a second.
    lab.now += Duration::from_millis(999);
    lab.on(Event::NotRecorded);
    lab.now += Duration::from_secs(351);
    assert_eq!(states(&mut lab).1, changed);
}

#[test]
fn nothing_ends_that_did_not_reach_the_maps() {
    let mut lab = healthy(&[(A, 1), (B, 1)]);
    let id = id_of(&lab, B);
    lab.configure(both(&[(A, 1)]));
    let changed = in_state(&mut lab, SlotState::Learning);
    for _ in 0..400 {
        lab.now += Duration::from_secs(1);
        lab.on(Event::NotWritten);
        assert_eq!(in_state(&mut lab, SlotState::Learning), changed, "the program still knows nothing of it");
    }
    lab.now += Duration::from_secs(352);
    assert_eq!(in_state(&mut lab, SlotState::Pinned), changed);
    lab.now += Duration::from_secs(10);
    lab.on(Event::NotWritten);
    lab.swept(Live::default());
    assert_eq!(in_state(&mut lab, SlotState::Pinned), changed, "the program still records");
    let named = desired(&mut lab.state, lab.now).targets.contains_key(&id);
    assert!(named, "and may record there");
    lab.now += Duration::from_secs(2);
    lab.swept(Live::default());
    assert_eq!(in_state(&mut lab, SlotState::Steady), 251);
}

#[test]
fn a_sweep_that_began_while_a_slot_named_a_removed_target_does_not_release_it() {
    let mut lab = healthy(&[(A, 1), (B, 1)]);
    let id = id_of(&lab, B);
    lab.configure(web(&[(A, 1)]).listener("web", "192.0.2.1", "web"));
    states(&mut lab);
    let line = |lab: &mut Lab| desired(&mut lab.state, lab.now).targets.contains_key(&id);
    lab.now += Duration::from_secs(352);
    let began = lab.now;
    // It looked through the table; then a packet came, and was recorded on the former target; then the window ended.
    let (_, learning, pinned) = states(&mut lab);
    assert!(learning == 0 && pinned > 0);
    lab.on(Event::Swept(Swept { began, live: Live::default() }));
    assert!(line(&mut lab), "a record that the sweep did not see may name it");
    lab.now += Duration::from_secs(2);
    lab.swept(Live::default());
    assert!(!line(&mut lab));
}

#[test]
fn a_dead_target_that_is_removed_keeps_its_number_while_records_name_it() {
    let mut lab = healthy(&[(A, 1), (B, 1), (C, 1)]);
    lab.configure(web(&[(A, 1), (B, 0), (C, 1)]).listener("web", "192.0.2.1", "web"));
    let id = id_of(&lab, B);
    states(&mut lab);
    (0..2).for_each(|_| drop(lab.fail(B)));
    states(&mut lab);
    lab.configure(web(&[(A, 1), (C, 1)]).listener("web", "192.0.2.1", "web"));
    let flags = |lab: &mut Lab| desired(&mut lab.state, lab.now).targets.get(&id).map(|line| line.flags);
    let stands = |lab: &mut Lab| flags(lab).map(|flags| flags & (TARGET_SERVES | TARGET_OPENS));
    assert_eq!(stands(&mut lab), Some(0), "nobody's flows go on there");

    // Were the slot steady now, a new connection of the recorded tuple would not replace the record; and at the next
    // change, the record of the dead would send that connection away from the target that it has.
    lab.now += Duration::from_secs(400);
    states(&mut lab);
    lab.now += Duration::from_secs(3);
    let (_, ring) = lab.group().ring().unwrap();
    let mark = ring.iter().position(|slot| slot.state() == SlotState::Pinned).unwrap();
    let live = Live { tracked: [(id, u16::try_from(mark).unwrap())].into(), ..Live::default() };
    lab.swept(live);
    assert_eq!(states(&mut lab), (250, 0, 1));
    assert_eq!(stands(&mut lab), Some(0));
    lab.swept(Live::default());
    assert_eq!((states(&mut lab), stands(&mut lab)), ((251, 0, 0), None));
}
