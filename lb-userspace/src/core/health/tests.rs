use proptest::prelude::*;

use super::*;
use crate::core::sample::{check, start};

fn health(healthy_threshold: u32, unhealthy_threshold: u32) -> Health {
    Health::new(&HealthCheck { healthy_threshold, unhealthy_threshold, ..check() }, start())
}

/// The specification, with no memory of its own: the latest run that was long enough decides.
fn specified(passes: &[bool], healthy_threshold: usize, unhealthy_threshold: usize) -> HealthState {
    (1..=passes.len()).fold(HealthState::Initial, |before, upto| {
        let run = |passed: bool| passes[..upto].iter().rev().take_while(|pass| **pass == passed).count();
        if run(false) >= unhealthy_threshold {
            HealthState::Unhealthy
        } else if run(true) >= healthy_threshold || (run(true) > 0 && before == HealthState::Initial) {
            HealthState::Healthy
        } else {
            before
        }
    })
}

proptest! {
    #[test]
    fn the_machine_does_what_the_specification_says(
        passes in prop::collection::vec(any::<bool>(), 0..60), rise in 1_u32..5, fall in 1_u32..5,
    ) {
        let mut health = health(rise, fall);
        let mut now = start();
        for upto in 0..passes.len() {
            let before = health.clone();
            now += Duration::from_secs(10);
            let outcome = if passes[upto] { Outcome::Passed } else { Outcome::TimedOut };
            let flip = health.observe(outcome, now);
            let to = specified(&passes[..=upto], rise as usize, fall as usize);
            prop_assert_eq!(health.state(), to);
            let from = before.state();
            prop_assert_eq!(flip, (from != to).then_some(Flip { from, to }));
            prop_assert_eq!(health.age(now), if flip.is_some() { Duration::ZERO } else { before.age(now) });
            prop_assert_eq!(health.why().is_none(), to == HealthState::Healthy);
            prop_assert_eq!(health.is_unproven(), false, "an outcome speaks for or against");
        }
    }
}

#[test]
fn a_target_that_was_never_checked_is_unproven() {
    let health = health(3, 2);
    assert!(health.is_unproven());
    assert_eq!(health.why().unwrap().reason, Reason::InitialHealthChecking);
}

#[test]
fn the_reason_is_that_of_the_last_failure() {
    let mut health = health(3, 2);
    let mut seen = |outcome| {
        health.observe(outcome, start());
        health.why().map(|why| (why.reason.to_string(), why.description.clone()))
    };
    let why = |reason: &str, description: &str| Some((reason.to_owned(), description.to_owned()));
    let initial = why("Elb.InitialHealthChecking", "Initial health checks in progress");
    assert_eq!(seen(Outcome::TimedOut), initial);
    assert_eq!(seen(Outcome::TimedOut), why("Target.Timeout", "Request timed out"));
    let codes = why("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]");
    assert_eq!(seen(Outcome::WrongCode(503)), codes);
    assert_eq!(seen(Outcome::Passed), codes, "not yet healthy, and this is why it was not");
    let refused = why("Target.FailedHealthChecks", "Health checks failed: connection refused");
    assert_eq!(seen(Outcome::Failed("connection refused".to_owned())), refused);
    assert_eq!([(); 3].map(|()| seen(Outcome::Passed)), [refused.clone(), refused, None]);
}

#[test]
fn other_thresholds_count_from_the_next_check_on() {
    let mut health = health(3, 3);
    health.observe(Outcome::Passed, start());
    health.observe(Outcome::TimedOut, start());
    health.tune(&HealthCheck { unhealthy_threshold: 2, ..check() });
    assert_eq!(health.state(), HealthState::Healthy);
    assert!(health.observe(Outcome::TimedOut, start()).is_some());
}

#[test]
fn what_is_printed_is_what_is_serialized() {
    for reason in [
        Reason::InitialHealthChecking,
        Reason::Timeout,
        Reason::ResponseCodeMismatch,
        Reason::FailedHealthChecks,
    ] {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.to_string());
    }
    for state in [HealthState::Initial, HealthState::Healthy, HealthState::Unhealthy] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.to_string());
    }
}
