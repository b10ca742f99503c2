use std::{collections::BTreeSet, sync::Arc};

use super::*;
use crate::{
    config::checked::{CheckKind, Forwarding, TargetAddress},
    core::{
        desired::desired,
        health::HealthState,
        member::Member,
        sample::{address, config, name, start},
        slots::Live,
    },
};

mod motion;

const A: &str = "10.2.0.1";
const B: &str = "10.2.0.2";
const C: &str = "10.2.0.3";

/// One group of targets, and a clock that stands still unless told otherwise.
struct Lab {
    state: State,
    now: Instant,
}

impl Lab {
    fn with(targets: &[(&str, u16)]) -> Self {
        Self { state: State::new(web(targets), start()), now: start() }
    }

    fn on(&mut self, event: Event) -> Vec<Change> {
        self.state.on(event, self.now)
    }

    fn configure(&mut self, config: Config) -> Vec<Change> {
        self.on(Event::Configured(Box::new(config)))
    }

    fn pass(&mut self, at: &str) -> Vec<Change> {
        self.probed(at, Outcome::Passed)
    }

    fn fail(&mut self, at: &str) -> Vec<Change> {
        self.probed(at, Outcome::TimedOut)
    }

    fn probed(&mut self, at: &str, outcome: Outcome) -> Vec<Change> {
        let target = TargetKey { group: name("web"), address: address(at) };
        self.on(Event::Probed { target, outcome, took: Duration::ZERO })
    }

    fn swept(&mut self, live: Live) {
        let began = self.now;
        self.on(Event::Swept(Swept { began, live }));
    }

    fn group(&self) -> &Group {
        self.state.groups().get(&name("web")).unwrap()
    }

    /// Who has slots of the ring.
    fn in_ring(&mut self) -> Vec<String> {
        self.state.advance(self.now);
        let (_, ring) = self.group().ring().unwrap();
        let ids: BTreeSet<_> = ring.iter().filter_map(|slot| slot.current()).collect();
        let members = self.group().members().iter();
        let named = members.filter(|(_, member)| member.id().is_some_and(|id| ids.contains(&id)));
        named.map(|(target, _)| target.address.to_string()).collect()
    }
}

fn web(targets: &[(&str, u16)]) -> Config {
    config().group("web", Forwarding::Ipip, 251, targets)
}

fn kinds(changes: &[Change]) -> Vec<&'static str> {
    let kind = |change: &Change| match change {
        Change::Listeners { .. } => "listeners",
        Change::Targets { .. } => "targets",
        Change::Health { .. } => "health",
        Change::FailOpenEntered { .. } => "fail open entered",
        Change::FailOpenLeft { .. } => "fail open left",
        Change::Route { .. } => "route",
        Change::NoRoom { .. } => "no room",
    };
    changes.iter().map(kind).collect()
}

#[test]
fn while_a_group_starts_the_unproven_serve_beside_the_healthy() {
    let mut lab = Lab::with(&[(A, 1), (B, 1), (C, 1)]);
    assert_eq!(lab.in_ring(), [A, B, C]);
    assert_eq!(kinds(&lab.pass(A)), ["health"]);
    assert_eq!(lab.in_ring(), [A, B, C], "the first to pass does not draw everything");
    assert!(lab.fail(B).is_empty());
    assert_eq!(lab.in_ring(), [A, C], "one failure is enough when nothing speaks for a target");
    lab.pass(C);
    lab.pass(B);
    assert_eq!(lab.in_ring(), [A, B, C]);
}

#[test]
fn once_started_a_new_target_waits_for_its_first_pass() {
    let mut lab = Lab::with(&[(A, 1)]);
    lab.pass(A);
    let changes = lab.configure(web(&[(A, 1), (B, 1)]));
    let [none, added] = [vec![], vec![address(B)]];
    let expected = Change::Targets { group: name("web"), added, reweighted: none.clone(), removed: none };
    assert_eq!(changes, [expected]);
    assert_eq!(lab.in_ring(), [A]);
    lab.pass(B);
    assert_eq!(lab.in_ring(), [A, B]);
}

#[test]
fn an_unhealthy_target_leaves_the_ring_and_comes_back() {
    let mut lab = Lab::with(&[(A, 1), (B, 1)]);
    lab.pass(A);
    lab.pass(B);
    assert!(lab.fail(B).is_empty());
    let changes = lab.fail(B);
    let [Change::Health { target, flip, why: Some(why) }] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((target.address, flip.to), (address(B), HealthState::Unhealthy));
    assert_eq!(why.reason.to_string(), "Target.Timeout");
    assert_eq!(lab.in_ring(), [A]);
    let last = [(); 3].map(|()| kinds(&lab.pass(B)));
    assert_eq!(last, [vec![], vec![], vec!["health"]]);
    assert_eq!(lab.in_ring(), [A, B]);
}

#[test]
fn a_group_without_a_healthy_target_fails_open_and_says_so() {
    let mut lab = Lab::with(&[(A, 1), (B, 1), (C, 0)]);
    lab.pass(C);
    lab.fail(A);
    assert_eq!(lab.in_ring(), [B]);
    assert_eq!(kinds(&lab.fail(B)), ["fail open entered"], "a healthy target of no weight helps nobody");
    assert_eq!(lab.in_ring(), [A, B]);
    assert_eq!(kinds(&lab.fail(B)), ["health"]);
    assert_eq!(lab.in_ring(), [A, B]);
    assert_eq!(kinds(&lab.pass(A)), ["health", "fail open left"]);
    assert_eq!(lab.in_ring(), [A]);
}

#[test]
fn a_group_without_targets_or_weight_does_not_fail_open() {
    for targets in [&[][..], &[(A, 0)][..]] {
        let mut lab = Lab::with(targets);
        lab.fail(A);
        assert!(lab.in_ring().is_empty());
        assert!(!lab.group().fails_open());
    }
}

#[test]
fn a_target_of_no_weight_keeps_its_line_and_has_no_slot() {
    let mut lab = Lab::with(&[(A, 1), (B, 1)]);
    let id = |lab: &Lab, at| lab.group().members().get(&address(at)).unwrap().id();
    let before = id(&lab, B);
    let changes = lab.configure(web(&[(A, 1), (B, 0)]));
    assert!(matches!(&changes[..], [Change::Targets { reweighted, .. }] if *reweighted == [address(B)]));
    assert_eq!(lab.in_ring(), [A]);
    assert_eq!(id(&lab, B), before);
    assert_eq!(desired(&mut lab.state, lab.now).targets.len(), 2);
}

#[test]
fn health_is_kept_until_another_question_is_asked() {
    let states = |lab: &Lab| lab.group().members().values().map(|m| m.health().state()).collect::<Vec<_>>();
    let mut lab = Lab::with(&[(A, 1), (B, 1)]);
    lab.pass(A);
    (0..2).for_each(|_| drop(lab.fail(B)));
    let known = [HealthState::Healthy, HealthState::Unhealthy];

    let mut slower = web(&[(A, 1), (B, 2)]);
    let check = &mut slower.target_groups.get_mut(&name("web")).unwrap().health_check;
    (check.interval, check.healthy_threshold) = (Duration::from_secs(30), 1);
    lab.configure(slower.clone());
    assert_eq!(states(&lab), known);
    lab.pass(B);
    assert_eq!(states(&lab), [HealthState::Healthy; 2], "the new threshold counts");

    let check = &mut slower.target_groups.get_mut(&name("web")).unwrap().health_check;
    check.kind = CheckKind::Http { path: "/".into(), expected_codes: vec![200..=200] };
    lab.configure(slower);
    assert_eq!(states(&lab), [HealthState::Initial; 2]);
    assert_eq!(lab.in_ring(), [A, B], "it starts anew");
}

#[test]
fn nothing_new_changes_nothing() {
    let mut lab = Lab::with(&[(A, 1), (B, 1)]);
    lab.pass(A);
    lab.pass(B);
    let route = Err(NoRoute::Unresolved(A.parse().unwrap()));
    let event = Event::Routed { address: A.parse().unwrap(), route };
    assert_eq!(kinds(&lab.on(event.clone())), ["route"]);
    let version = lab.state.version();
    assert_eq!(kinds(&[lab.pass(A), lab.fail(B), lab.pass("10.2.9.9"), lab.on(event)].concat()), [""; 0]);
    assert_eq!(lab.state.version(), version);
}

#[test]
fn only_the_ring_of_the_group_that_changed_is_built_anew() {
    let two = web(&[(A, 1), (B, 1)]).group("other", Forwarding::Nat, 251, &[(A, 1), (B, 1)]);
    let mut lab = Lab { state: State::new(two.clone(), start()), now: start() };
    let before = desired(&mut lab.state, lab.now).rings;
    lab.fail(A);
    lab.configure(two.listener("late", "192.0.2.1", "web"));
    let after = desired(&mut lab.state, lab.now).rings;
    let same: Vec<_> = before.values().zip(after.values()).map(|(old, new)| Arc::ptr_eq(old, new)).collect();
    assert_eq!(same, [true, false], "`other` comes before `web`");
}

#[test]
fn nodes_of_different_history_choose_the_same_target() {
    let mut late = Lab::with(&[(A, 3), (B, 1), (C, 2)]);
    late.state.advance(late.now);
    let mut early = Lab::with(&[(B, 1), ("10.2.0.9", 7)]);
    early.configure(web(&[(C, 5), (B, 1)]));
    early.configure(web(&[(A, 3), (B, 1), (C, 2)]));
    early.state.advance(early.now);
    let chosen = |lab: &Lab| -> Vec<TargetAddress> {
        let members = lab.group().members().iter();
        let by_id: BTreeMap<_, _> = members.map(|(at, member)| (member.id(), *at)).collect();
        let (_, ring) = lab.group().ring().unwrap();
        ring.iter().map(|slot| *by_id.get(&slot.current()).unwrap()).collect()
    };
    let ids = |lab: &Lab| lab.group().members().values().map(Member::id).collect::<Vec<_>>();
    assert_ne!(ids(&late), ids(&early), "or this tests nothing");
    assert_eq!(chosen(&late), chosen(&early));
}

#[test]
fn what_finds_no_room_is_named_and_finds_it_later() {
    let mut small = web(&[(A, 1), (B, 1)]);
    small.limits.targets = 3;
    let mut lab = Lab { state: State::new(small, start()), now: start() };
    let changes = lab.configure(web(&[("10.2.0.8", 1), ("10.2.0.9", 1)]));
    let no_room = Change::NoRoom { group: name("web"), shortage: Shortage::Targets(1) };
    assert_eq!(changes.last(), Some(&no_room));
    assert_eq!(lab.in_ring(), ["10.2.0.8"]);
    let version = lab.state.version();
    // A sweep finds nobody left on the targets before.
    lab.now += Duration::from_secs(3);
    lab.swept(Live::default());
    lab.now += Duration::from_secs(381);
    lab.pass("10.2.0.8");
    assert_eq!(lab.in_ring(), ["10.2.0.8", "10.2.0.9"], "the ids of the targets before have rested");
    assert!(lab.state.version() > version);

    let huge = web(&[(A, 1)]).group("huge", Forwarding::Ipip, 997, &[]).listener("l", "192.0.2.1", "huge");
    let changes = lab.configure(huge);
    let no_room = Change::NoRoom { group: name("huge"), shortage: Shortage::Slots(997) };
    assert!(changes.contains(&no_room), "{changes:?}");
    let key = "192.0.2.1".parse::<IpAddr>().unwrap();
    assert!(desired(&mut lab.state, lab.now).listeners.keys().all(|listener| listener.address != key));
}

#[test]
fn another_seed_makes_other_rings() {
    let mut lab = Lab::with(&[(A, 1), (B, 1)]);
    let before = desired(&mut lab.state, lab.now).rings;
    let mut other = web(&[(A, 1), (B, 1)]);
    other.node.seed.0.push('!');
    lab.configure(other);
    assert_ne!(desired(&mut lab.state, lab.now).rings, before);
}
