use std::collections::BTreeSet;

use lb_common::ids::TargetId;
use proptest::prelude::*;

use super::*;
use crate::{config::checked::Seed, core::sample::address};

/// Targets 1, 2 and so on of these weights; those of `down` get no new flows.
fn targets(weights: &[u16], down: &BTreeSet<usize>) -> BTreeMap<TargetAddress, Registered> {
    let target = |(at, weight): (usize, &u16)| {
        let id = TargetId::new(u32::try_from(at + 1).unwrap()).unwrap();
        let seat = (!down.contains(&at)).then_some(Seat { id, weight: *weight });
        (address(&format!("10.2.{}.{}", at / 250, at % 250 + 1)), Registered { weight: *weight, seat })
    };
    weights.iter().enumerate().map(target).collect()
}

fn placed(slots: u32, weights: &[u16], down: &[usize]) -> Vec<Option<u32>> {
    let key = Key::derived(&Seed("places".into()), "ring");
    let ring = build(key, slots, &targets(weights, &down.iter().copied().collect()));
    ring.iter().map(|slot| slot.current().map(TargetId::index)).collect()
}

fn count(ring: &[Option<u32>], target: usize) -> usize {
    ring.iter().filter(|slot| **slot == u32::try_from(target + 1).ok()).count()
}

fn moved(before: &[Option<u32>], after: &[Option<u32>]) -> usize {
    before.iter().zip(after).filter(|(before, after)| before != after).count()
}

#[test]
fn thirty_two_jobs_on_eight_targets_are_four_each() {
    let ring = placed(32, &[1; 8], &[]);
    assert!((0..8).all(|target| count(&ring, target) == 4), "{ring:?}");
}

#[test]
fn a_target_that_dies_moves_its_own_ports_only_and_gets_the_very_same_back() {
    let weights = [1; 8];
    let before = placed(100, &weights, &[]);
    for dead in 0..8 {
        let after = placed(100, &weights, &[dead]);
        assert_eq!(moved(&before, &after), count(&before, dead), "nobody else's moved");
        assert!(
            (0..8).filter(|it| *it != dead).all(|it| (14..=15).contains(&count(&after, it))),
            "{after:?}"
        );
    }
}

#[test]
fn a_target_that_is_registered_moves_little_more_than_its_share() {
    for targets in [3, 8, 31] {
        let (before, after) =
            (placed(1024, &vec![1; targets], &[]), placed(1024, &vec![1; targets + 1], &[]));
        let (moved, share) = (moved(&before, &after), 1024 / (targets + 1));
        assert!(
            (share..share * 2).contains(&moved),
            "{targets} targets: {moved} ports moved, {share} had to"
        );
    }
}

#[test]
fn without_a_target_that_takes_new_flows_nobody_has_a_port() {
    for (weights, down) in [(&[][..], &[][..]), (&[1, 1], &[0, 1]), (&[0], &[])] {
        assert_eq!(placed(5, weights, down), [None; 5], "{weights:?}, {down:?}");
    }
}

#[test]
fn a_range_of_a_thousand_ports_over_a_thousand_targets_is_placed_in_time() {
    #[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
    let begin = std::time::Instant::now();
    let ring = placed(1024, &[1; 1000], &[500]);
    let took = begin.elapsed();
    println!("{took:.2?}");
    assert!(ring.iter().all(Option::is_some));
    assert!(cfg!(debug_assertions) || took.as_millis() < 500, "{took:?}");
}

proptest! {
    #[test]
    fn every_port_has_a_target_and_every_target_its_share_to_within_one(
        slots in 1_u32..200,
        weights in prop::collection::vec(1_u16..10, 1..12),
        down in prop::collection::btree_set(0_usize..12, 0..6),
    ) {
        let down: Vec<usize> = down.into_iter().filter(|target| *target < weights.len()).collect();
        let ring = placed(slots, &weights, &down);
        let up = |target: &usize| !down.contains(target);
        let total: u32 = (0..weights.len()).filter(up).map(|target| u32::from(weights[target])).sum();
        if total == 0 {
            prop_assert!(ring.iter().all(Option::is_none));
            return Ok(());
        }
        prop_assert!(ring.iter().all(Option::is_some));
        for (target, weight) in weights.iter().enumerate() {
            let share = f64::from(slots) * f64::from(*weight) / f64::from(total);
            let has = count(&ring, target) as f64;
            if up(&target) {
                prop_assert!((has - share).abs() <= 1.0, "{} has {has}, its share is {share}", target);
            } else {
                prop_assert_eq!(has, 0.0);
            }
        }
    }
}
