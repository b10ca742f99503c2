use proptest::prelude::*;

use super::*;
use crate::{
    config::checked::{Config, Forwarding},
    core::{
        desired::desired,
        sample::{config, name, start},
        shadow::Shadow,
    },
    dataplane::{Dataplane as _, carry_out, fake::Fake},
    event::Event,
};
use lab::{Act, Lab, MANY, SLOTS, VIPS, acts, check, configs, realized};

mod lab;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_prefix_of_a_plan_leaves_a_live_ring(
        first in configs(),
        acts in prop::collection::vec((acts(), prop::option::weighted(0.3, 0_usize..20)), 0..12),
    ) {
        let mut lab = Lab::with(first, SLOTS);
        for (act, interrupted) in acts {
            lab.act(act);
            lab.walk(interrupted.unwrap_or(usize::MAX));
        }
        lab.walk(usize::MAX);
    }

    #[test]
    fn no_prefix_of_a_plan_steers_to_another_groups_target(
        first in configs(), acts in prop::collection::vec(acts(), 0..12),
    ) {
        let mut lab = Lab::with(first, MANY);
        for act in acts {
            lab.walk(usize::MAX);
            lab.act(act);
        }
        lab.walk(usize::MAX);
    }

    #[test]
    fn a_plan_leads_between_any_two_states(from in configs(), to in configs()) {
        let [from, to] = [from, to].map(|config| Lab::with(config, SLOTS).state).map(|mut state| desired(&mut state, start()));
        let (have, after) = (realized(&from, SLOTS), realized(&to, SLOTS));
        let mut fake = Fake::holding(have.clone());
        for step in plan(&have, &to) {
            fake.apply(&step).unwrap();
            check(&have, fake.held(), &after);
        }
        prop_assert_eq!(fake.held(), &after);
        prop_assert_eq!(plan(&after, &to), []);
    }
}

fn two_groups(slots: [u32; 2]) -> Config {
    let config = Config { nat: None, ..config() };
    config
        .group("a", Forwarding::Ipip, slots[0], &[("10.2.0.1", 1)])
        .group("b", Forwarding::Ipip, slots[1], &[("10.2.1.1", 1)])
        .listener("one", VIPS[0], "a")
        .listener("two", VIPS[1], "b")
}

fn words(steps: &[Step]) -> Vec<&'static str> {
    let word = |step: &Step| match step {
        Step::PutTarget { target, .. } if target.flags & TARGET_SERVES == 0 => "dying line",
        Step::PutTarget { .. } => "line",
        Step::PutSlots { .. } => "slots",
        Step::PutListener { .. } => "listener",
        Step::RemoveListener { .. } => "listener gone",
        Step::PutAddress { .. } => "address",
        Step::RemoveAddress { .. } => "address gone",
        Step::RemoveTarget { .. } => "line gone",
    };
    steps.iter().map(word).collect()
}

#[test]
fn what_is_named_comes_first_and_goes_last() {
    let mut config = two_groups([5, 5]);
    let mut lab = Lab::with(config.clone(), SLOTS);
    let steps = |lab: &mut Lab| {
        let words = words(&lab.plan());
        lab.walk(usize::MAX);
        words
    };
    let coming = ["line", "line", "slots", "slots", "listener", "listener", "address", "address"];
    assert_eq!(steps(&mut lab), coming);

    config.target_groups.remove(&name("b"));
    config.listeners.retain(|_, listener| listener.target_group == name("a"));
    config = config.group("a", Forwarding::Ipip, 5, &[("10.2.0.1", 1), ("10.2.0.3", 1)]);
    lab.on(Event::Configured(Box::new(config)));
    assert_eq!(steps(&mut lab), ["line", "slots", "listener gone", "address gone", "slots", "line gone"]);

    lab.act(Act::Probe { group: 0, target: 3, passed: false });
    assert_eq!(steps(&mut lab), ["line", "slots"], "it takes no new flows");
    lab.act(Act::Probe { group: 0, target: 3, passed: false });
    assert_eq!(steps(&mut lab), ["dying line"]);
}

#[test]
fn slots_that_another_listener_still_reads_wait_for_it() {
    // No room beside: `c` takes over the slots of `a`, whose listener goes on to `b`.
    let mut config = two_groups([17, 13]);
    let mut lab = Lab::with(config.clone(), SLOTS);
    lab.walk(usize::MAX);

    config.target_groups.remove(&name("a"));
    config = config.group("c", Forwarding::Ipip, 17, &[("10.2.2.1", 1)]);
    config = config.listener("one", VIPS[0], "b").listener("three", VIPS[2], "c");
    lab.on(Event::Configured(Box::new(config)));
    assert_eq!(words(&lab.plan()), ["line", "listener", "slots", "listener", "address", "line gone"]);
    lab.walk(usize::MAX);
}

/// Both groups make way for others, and each listener goes on to where the other one was, with no room
/// beside. `weight` is that of the one target of the first listener's new group.
fn knotted(weight: u16) -> Vec<&'static str> {
    let mut lab = Lab::with(two_groups([13, 17]), SLOTS);
    lab.walk(usize::MAX);
    let config = Config { nat: None, ..config() }
        .group("c", Forwarding::Ipip, 17, &[("10.2.2.1", weight)])
        .group("d", Forwarding::Ipip, 13, &[("10.2.3.1", 1)])
        .listener("one", VIPS[0], "c")
        .listener("two", VIPS[1], "d");
    lab.on(Event::Configured(Box::new(config)));
    let words = words(&lab.plan());
    lab.walk(usize::MAX);
    words
}

#[test]
fn listeners_that_swap_their_slots_stay_live() {
    let expected = ["line", "line", "slots", "listener", "slots", "listener", "line gone", "line gone"];
    assert_eq!(knotted(1), expected);
}

#[test]
fn a_listener_that_will_have_no_target_gives_way() {
    let expected = ["line", "line", "listener gone", "slots", "listener", "slots", "listener"];
    assert_eq!(knotted(0), [&expected[..], &["line gone"; 2]].concat());
}

#[test]
fn an_interrupted_plan_is_taken_up_where_it_stopped() {
    let Lab { mut state, mut fake, mut shadow, .. } = Lab::with(two_groups([13, 13]), SLOTS);
    let want = desired(&mut state, start());
    let all = shadow.plan(&want).len();
    fake.fail_after(3);
    let stopped = carry_out(&mut fake, &mut shadow, &want).unwrap_err();
    assert_eq!((stopped.done, stopped.planned), (3, all));
    assert_eq!(shadow.have(), fake.held());
    fake.recover();
    let written = carry_out(&mut fake, &mut shadow, &want).unwrap();
    assert_eq!(written.steps, all - 3);
    assert_eq!(*fake.held(), realized(&want, SLOTS));
}

#[test]
fn a_slot_beyond_the_map_is_an_error_and_not_a_loop() {
    let Lab { mut state, .. } = Lab::with(two_groups([13, 13]), SLOTS);
    let mut fake = Fake::new(13);
    let mut shadow = Shadow::new(fake.have().unwrap());
    for _ in 0..2 {
        let stopped = carry_out(&mut fake, &mut shadow, &desired(&mut state, start())).unwrap_err();
        assert_eq!(stopped.error.to_string(), "access to map `RINGS`");
    }
}
