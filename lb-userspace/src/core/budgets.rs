//! What design.md allows the core to cost. The bounds hold in release on a quiet machine; the tests
//! allow several times that, for a mistake costs more, and a busy neighbour less.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use super::{
    desired::{Want, desired},
    member::Member,
    plan::Step,
    sample::{address, config, name, start},
    shadow::Shadow,
    slots::Live,
    state::State,
};
use crate::{
    config::checked::{Config, Forwarding},
    dataplane::{Dataplane as _, carry_out, fake::Fake},
    event::{Event, Outcome, Swept, TargetKey},
};

const SLOTS: u32 = 65_537;

fn target(group: usize, number: usize) -> String {
    format!("10.{group}.{}.{}", number / 250, number % 250)
}

fn with_groups(groups: usize, targets: usize) -> Config {
    let mut all = config();
    all.limits.slots = SLOTS * u32::try_from(groups).unwrap();
    all.limits.targets = 100_000;
    for group in 0..groups {
        let addresses: Vec<String> = (0..targets).map(|number| target(group, number)).collect();
        let targets: Vec<(&str, u16)> = addresses.iter().map(|text| (text.as_str(), 1)).collect();
        let name = format!("g{group}");
        all = all.group(&name, Forwarding::Ipip, SLOTS, &targets).listener(&name, &target(200, group), &name);
    }
    all
}

fn settled(state: &mut State, slots: u32) -> (Fake, Shadow, Want) {
    let mut fake = Fake::new(slots);
    let mut shadow = Shadow::new(fake.have().unwrap());
    let want = desired(state, start());
    carry_out(&mut fake, &mut shadow, &want).unwrap();
    (fake, shadow, want)
}

fn fail_one(state: &mut State, at: &str) {
    for _ in 0..2 {
        let target = TargetKey { group: name("g0"), address: address(at) };
        state.on(Event::Probed { target, outcome: Outcome::TimedOut, took: Duration::ZERO }, start());
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let done = work();
    (done, begin.elapsed())
}

/// Release bounds are checked in release only; a debug build says what it took.
fn hold(figures: &[(&str, Duration, u64)]) {
    let mut report = String::new();
    for (what, took, budget) in figures {
        writeln!(report, "{what}: {took:.2?} (budget {budget} ms)").unwrap();
    }
    println!("{report}");
    let kept = |(_, took, budget): &(&str, Duration, u64)| *took < Duration::from_millis(budget * 5);
    assert!(cfg!(debug_assertions) || figures.iter().all(kept), "{report}");
}

#[test]
fn one_target_of_a_thousand_touches_only_the_slots_that_change() {
    let mut state = State::new(with_groups(1, 1000), start());
    let (mut fake, mut shadow, before) = settled(&mut state, SLOTS);
    fail_one(&mut state, &target(0, 500));
    let (after, ring) = time(|| desired(&mut state, start()));
    let (steps, planned) = time(|| shadow.plan(&after));

    let written: Vec<_> = steps
        .iter()
        .flat_map(|step| if let Step::PutSlots { slots } = step { slots.clone() } else { Vec::new() })
        .collect();
    let (old, new) = (&before.rings[&0], &after.rings[&0]);
    let changed = (0..).zip(old.iter().zip(new.iter())).filter(|(_, (old, new))| old != new);
    let changed: Vec<_> = changed.map(|(place, (_, new))| (place, *new)).collect();
    assert_eq!(written, changed);
    println!("{} slots of {SLOTS} change", written.len());
    assert!(written.len() < 2 * SLOTS as usize / 100, "{} slots", written.len());
    assert!(matches!(&steps[..], [Step::PutSlots { .. }, Step::PutTarget { .. }]));

    let (done, carried) = time(|| carry_out(&mut fake, &mut shadow, &after));
    assert_eq!(done.unwrap().slots, written.len());
    hold(&[("ring and lines", ring, 10), ("plan", planned, 5), ("plan again and fake writes", carried, 5)]);
}

#[test]
fn a_change_in_one_group_costs_the_others_next_to_nothing() {
    let mut state = State::new(with_groups(10, 1000), start());
    let (mut fake, mut shadow, _) = settled(&mut state, 10 * SLOTS);
    fail_one(&mut state, &target(0, 500));
    let (want, desired) = time(|| desired(&mut state, start()));
    let (steps, planned) = time(|| shadow.plan(&want));
    assert!(steps.len() < 4, "{} steps", steps.len());
    carry_out(&mut fake, &mut shadow, &want).unwrap();
    let (again, idle) = time(|| shadow.plan(&want));
    assert_eq!(again, []);
    hold(&[("ring and 10,000 lines", desired, 10), ("plan", planned, 5), ("plan of nothing", idle, 5)]);
}

/// A shared machine fails: slots of all groups are in motion, and there are records of each.
#[test]
fn a_sweep_costs_each_of_a_thousand_groups_its_own_records_only() {
    const GROUPS: usize = 1_000;
    let mut all = config();
    (all.limits.slots, all.limits.targets) = (101 * 1_000, 100_000);
    for group in 0..GROUPS {
        let addresses: Vec<String> =
            (0..4).map(|number| format!("10.{}.{}.{number}", group / 250, group % 250)).collect();
        let targets: Vec<(&str, u16)> = addresses.iter().map(|text| (text.as_str(), 1)).collect();
        all = all.group(&format!("g{group}"), Forwarding::Ipip, 101, &targets);
    }
    let mut state = State::new(all.clone(), start());
    desired(&mut state, start());
    for group in all.target_groups.values_mut() {
        group.targets.values_mut().next().unwrap().weight = 0;
    }
    state.on(Event::Configured(Box::new(all)), start());
    desired(&mut state, start());
    // Without listeners no window is waited for.
    let later = start() + Duration::from_secs(3);
    desired(&mut state, later);
    let pinned = |state: &State| state.groups().values().map(|group| group.counts().pinned).sum::<usize>();
    let before = pinned(&state);
    assert!(before > 20 * GROUPS, "{before} slots are pinned");

    let ids = state.groups().values().flat_map(|group| group.members().values().filter_map(Member::id));
    let tracked = ids.flat_map(|id| (0..25).map(move |mark| (id, mark))).collect();
    let live = Live { tracked, ..Live::default() };
    println!("{} targets and marks of {before} slots", live.tracked.len());
    let began = later + Duration::from_secs(3);
    let (_, took) = time(|| state.on(Event::Swept(Swept { began, live }), began));
    assert!(pinned(&state) < before, "slots of no record are released");
    hold(&[("a sweep's end", took, 50)]);
}
