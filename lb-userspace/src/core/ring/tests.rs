use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::config::checked::Seed;

const SLOTS: u32 = 65_537;

fn key() -> Key {
    Key::derived(&Seed("golden".to_owned()), "ring")
}

fn address(number: u32) -> TargetAddress {
    TargetAddress { address: std::net::Ipv4Addr::from(0x0a02_0000 + number).into(), port: 80 }
}

fn seats(weights: &[u16]) -> BTreeMap<TargetAddress, Seat> {
    let seat = |(number, weight): (u32, &u16)| {
        (address(number), Seat { id: TargetId::new(number + 1).unwrap(), weight: *weight })
    };
    (0..).zip(weights).map(seat).collect()
}

/// Slots of each target.
fn counts(ring: &Ring, targets: usize) -> Vec<u32> {
    let mut counts = vec![0; targets];
    for slot in ring.iter() {
        if let Some(id) = slot.current() {
            counts[id.index() as usize - 1] += 1;
        }
    }
    counts
}

/// Slots that went from one target to another though neither is `gone`.
fn innocent_moves(before: &Ring, after: &Ring, gone: u32) -> usize {
    before.iter().zip(after.iter()).filter(|(b, a)| b != a && b.current() != TargetId::new(gone)).count()
}

fn far_from_ideal(weights: &[u16], slots: u32) -> Option<String> {
    let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    let counts = counts(&build(key(), slots, &seats(weights)), weights.len());
    weights.iter().zip(&counts).enumerate().find_map(|(number, (weight, count))| {
        let ideal = f64::from(*weight) / total * f64::from(slots);
        let bound = 1.5 + ideal * weights.len() as f64 / f64::from(slots);
        ((f64::from(*count) - ideal).abs() > bound || (*weight > 0) != (*count > 0))
            .then(|| format!("target {number}: {count} slots, ideal {ideal:.2}"))
    })
}

#[test]
fn a_ring_is_what_it_was_in_every_version_before() {
    let ids = |slots, weights: &[u16]| -> Vec<u32> {
        build(key(), slots, &seats(weights)).iter().map(|slot| slot.current().unwrap().index()).collect()
    };
    assert_eq!(ids(13, &[1, 1, 1]), [1, 2, 2, 3, 1, 3, 1, 3, 1, 3, 2, 2, 1]);
    assert_eq!(ids(13, &[1, 2, 6]), [3, 2, 2, 3, 3, 3, 3, 3, 3, 3, 2, 3, 1]);
    let large = build(key(), SLOTS, &seats(&[100, 200, 300, 400, 999, 1, 0, 50]));
    let bytes: Vec<u8> = large.iter().flat_map(|slot| slot.word().to_le_bytes()).collect();
    assert_eq!(siphash::hash(key(), &bytes), 0x73d38b8bb5594ef2);
    let v6 = TargetAddress { address: "2001:db8::7".parse().unwrap(), port: 443 };
    assert_eq!(siphash::hash(key(), &identity(&v6, 0)), 0xa345772db268605f);
}

#[test]
fn no_weight_means_no_target() {
    assert!(build(key(), 13, &seats(&[])).iter().all(|slot| *slot == Slot::EMPTY));
    assert!(build(key(), 13, &seats(&[0, 0])).iter().all(|slot| *slot == Slot::EMPTY));
}

#[test]
fn a_size_that_is_no_prime_ends() {
    assert_eq!(build(key(), 12, &seats(&[1, 1, 1])).len(), 12);
    assert_eq!(build(key(), 1, &seats(&[1, 1, 1])).len(), 1);
    assert!(build(key(), 0, &seats(&[1])).is_empty());
}

#[test]
fn another_seed_makes_another_ring() {
    let other = Key::derived(&Seed("other".to_owned()), "ring");
    let seats = seats(&[1; 10]);
    let differ = build(key(), 1009, &seats)
        .iter()
        .zip(build(other, 1009, &seats).iter())
        .filter(|(one, two)| one != two)
        .count();
    assert!(differ > 800, "{differ} of 1,009 differ; nine in ten are expected to");
}

#[test]
fn a_hundred_weighted_targets_get_their_share_to_within_a_percent() {
    let weights: Vec<u16> = (0..100).map(|number| 200 + number * 8).collect();
    let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    for (weight, count) in weights.iter().zip(counts(&build(key(), SLOTS, &seats(&weights)), 100)) {
        let ideal = f64::from(*weight) / total * f64::from(SLOTS);
        let error = (f64::from(count) - ideal).abs() / ideal;
        assert!(error < 0.01, "weight {weight}: {count} slots for {ideal:.1}, {:.2} %", error * 100.0);
    }
}

#[test]
fn one_of_a_hundred_removed_moves_under_two_percent_of_the_others_slots() {
    for (name, weights) in [("equal", vec![1; 100]), ("weighted", (0..100).map(|n| 1 + n * 10).collect())] {
        let all = seats(&weights);
        let before = build(key(), SLOTS, &all);
        let mut worst = 0;
        for gone in (0..100).step_by(9) {
            let mut rest = all.clone();
            rest.remove(&address(gone));
            worst = worst.max(innocent_moves(&before, &build(key(), SLOTS, &rest), gone + 1));
        }
        let share = worst as f64 / f64::from(SLOTS);
        println!("{name}: at worst {:.2} % of innocent slots move", share * 100.0);
        assert!(share < 0.02, "{name}: {worst} slots");
    }
}

#[test]
fn a_thousand_targets_take_milliseconds() {
    // The budget is 10 ms, in release and on a quiet machine; ten times that would be a mistake of ours.
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 2000 } else { 100 });
    let skewed: Vec<u16> = (0..1000).map(|number| if number == 500 { 999 } else { 1 }).collect();
    let varied: Vec<u16> = (0..1000).map(|number| number * 7 % 1000).collect();
    for (name, weights) in [("equal", vec![1; 1000]), ("skewed", skewed), ("varied", varied)] {
        let seats = seats(&weights);
        let took = (0..5).map(|_| time(|| build(key(), SLOTS, &seats))).min().unwrap();
        println!("{name}: {took:?}");
        assert!(took < bound, "{name}: {took:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_target_gets_its_share(weights in prop::collection::vec(0_u16..=999, 1..60)) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        prop_assert_eq!(far_from_ideal(&weights, 4093), None);
    }

    #[test]
    fn a_removed_targets_slots_are_nearly_all_that_moves(
        weights in prop::collection::vec(1_u16..=999, 2..40), gone: prop::sample::Index,
    ) {
        let gone = u32::try_from(gone.index(weights.len())).unwrap();
        let all = seats(&weights);
        let mut rest = all.clone();
        rest.remove(&address(gone));
        let (before, after) = (build(key(), 4093, &all), build(key(), 4093, &rest));
        let moved = innocent_moves(&before, &after, gone + 1);
        // What its own share frees shifts about as much again, at most, in a ring this small.
        let freed = counts(&before, weights.len())[gone as usize] as usize;
        prop_assert!(moved <= freed + 4093 / 50, "{} innocent slots moved for {} freed", moved, freed);
    }
}
