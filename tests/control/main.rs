//! The control plane without a network: a configuration's text and what the edges would say go in, and
//! what lies in the maps comes out. The maps are memory, or the kernel's.
#![cfg(test)]

mod node;

use std::{collections::BTreeSet, time::Duration};

use lb_common::maps::{TARGET_RESOLVED, TARGET_SERVES};
use pointsman::{
    core::change::Change,
    dataplane::{
        Dataplane as _,
        kernel::Kernel,
        load::{Sizes, settings},
    },
    event::Outcome,
};

use crate::node::{Node, config, hop};

#[test]
fn a_target_that_fails_twice_has_no_slot_and_no_one_elses_slot_moves_far() {
    let mut node = Node::new(&config(5));
    node.pass_all();
    let before = node.owners();
    assert_eq!(node.targets_in_ring().len(), 5);

    assert!(node.probed(2, Outcome::TimedOut).is_empty(), "one failure is none");
    let changes = node.probed(2, Outcome::TimedOut);
    assert!(matches!(&changes[..], [Change::Health { .. }]), "{changes:?}");
    let after = node.owners();
    let dead = node.id(2);
    assert!(!after.contains(&dead));
    let innocent = before.iter().zip(&after).filter(|(old, new)| **old != dead && old != new).count();
    assert!(
        innocent * 50 < before.len(),
        "{innocent} of {} slots moved between living targets",
        before.len()
    );
    assert_eq!(node.line(2).flags & TARGET_SERVES, 0, "its recorded flows go elsewhere too");

    for _ in 0..3 {
        node.probed(2, Outcome::Passed);
    }
    assert_eq!(node.owners(), before, "it gets back the very slots it had");
}

#[test]
fn when_all_fail_all_serve_and_the_operator_hears_of_it() {
    let mut node = Node::new(&config(3));
    node.pass_all();
    let changes: Vec<_> =
        [0, 1, 2, 0, 1, 2].iter().flat_map(|at| node.probed(*at, Outcome::WrongCode(503))).collect();
    assert_eq!(changes.iter().filter(|change| matches!(change, Change::FailOpenEntered { .. })).count(), 1);
    assert_eq!(node.targets_in_ring().len(), 3);
    assert!((0..3).all(|at| node.line(at).flags & TARGET_SERVES != 0));

    let changes: Vec<_> = (0..3).flat_map(|_| node.probed(1, Outcome::Passed)).collect();
    assert!(changes.iter().any(|change| matches!(change, Change::FailOpenLeft { .. })), "{changes:?}");
    assert_eq!(node.targets_in_ring(), BTreeSet::from([node.id(1)]));
}

#[test]
fn a_write_that_fails_heals_at_the_next_tick() {
    let mut node = Node::new(&config(3));
    node.pass_all();
    node.fake.fail_after(0);
    node.probed(0, Outcome::TimedOut);
    node.probed(0, Outcome::TimedOut);
    assert!(node.settle().is_err());
    assert_eq!(node.targets_in_ring().len(), 3, "nothing was written");

    node.fake.recover();
    node.reread();
    node.settle().unwrap();
    assert_eq!(node.targets_in_ring().len(), 2);
}

#[test]
fn edge_nodes_that_see_the_same_choose_the_same_whatever_they_saw_before() {
    let (mut one, mut other) = (Node::new(&config(6)), Node::new(&config(6)));
    one.pass_all();
    for at in [3, 3, 5, 5] {
        one.probed(at, Outcome::TimedOut);
    }
    for at in [5, 4, 4, 5] {
        other.probed(at, Outcome::TimedOut);
    }
    other.pass_all();
    for _ in 0..3 {
        other.probed(4, Outcome::Passed);
    }
    for at in [3, 3, 5, 5] {
        other.probed(at, Outcome::TimedOut);
    }
    assert_eq!(one.addresses_in_ring(), other.addresses_in_ring());
}

#[test]
fn a_next_hop_that_is_found_or_lost_is_in_the_targets_line_at_once() {
    let mut node = Node::new(&config(2));
    assert_eq!(node.line(0).flags & TARGET_RESOLVED, 0);
    node.routed(0, Ok(hop()));
    let line = node.line(0);
    assert_ne!(line.flags & TARGET_RESOLVED, 0);
    assert_eq!((line.interface, line.largest), (hop().interface, 1500 - 20));
    assert_eq!(node.line(1).flags & TARGET_RESOLVED, 0, "the other one's is not known yet");
    node.routed(0, Err(pointsman::event::NoRoute::Unresolved([10, 0, 0, 1].into())));
    assert_eq!(node.line(0).flags & TARGET_RESOLVED, 0);
}

#[test]
fn the_kernels_maps_hold_what_the_plan_says_and_read_back_the_same() {
    let text = config(4);
    let parsed = node::parse(&text);
    let kernel =
        Kernel::load(Sizes::of(&parsed), &settings(&parsed)).expect("the object loads; this needs root");
    let mut node = Node::new(&text);
    node.pass_all();
    node.routed(1, Ok(hop()));
    node.mirror(kernel);
    node.probed(3, Outcome::TimedOut);
    node.probed(3, Outcome::TimedOut);
    node.settle_mirror();
    let held = node.fake.have().unwrap();
    let kernel = node.mirrored().have().unwrap();
    assert_eq!(kernel.listeners, held.listeners);
    assert_eq!(kernel.addresses, held.addresses);
    assert_eq!(kernel.targets, held.targets);
    assert_eq!(kernel.slots, held.slots);
}

/// The budget of design.md, in release; a debug build says what it took.
#[test]
fn from_a_probes_last_failure_to_the_last_slot_of_a_thousand_targets_is_quick() {
    let text = config(1000);
    let parsed = node::parse(&text);
    let mut node = Node::new(&text);
    node.pass_all();
    node.mirror(
        Kernel::load(Sizes::of(&parsed), &settings(&parsed)).expect("the object loads; this needs root"),
    );
    node.probed_unsettled(500, Outcome::TimedOut);
    let (whole, writes) = node.timed(500);
    println!("1,000 targets: {whole:.2?} from the failure to the last slot, {writes:.2?} of it map writes");
    if !cfg!(debug_assertions) {
        assert!(whole < Duration::from_millis(50), "{whole:?}");
        assert!(writes < Duration::from_millis(5), "{writes:?}");
    }
}
