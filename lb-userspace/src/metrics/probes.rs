//! How long health checks took.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};

use crate::{config::checked::GroupName, event::Outcome, status::Probes};

/// Upper bounds, in microseconds: from a target in the same rack to a time-out that is longer than most
/// are set to.
const BOUNDS: [u32; 16] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000,
];

/// Histograms of the durations of all health checks, by target group and result. Cheap to clone: all
/// clones are one.
#[derive(Clone, Debug, Default)]
pub struct ProbeDurations(Arc<Mutex<BTreeMap<GroupName, Results>>>);

#[derive(Debug, Default)]
struct Results {
    passed: Histogram,
    timed_out: Histogram,
    wrong_code: Histogram,
    failed: Histogram,
}

#[derive(Debug, Default)]
struct Histogram {
    /// How many were within each bound, and not within the one before.
    within: [u64; BOUNDS.len()],
    count: u64,
    sum: Duration,
}

impl ProbeDurations {
    /// Takes the end of one health check.
    pub fn observe(&self, group: &GroupName, outcome: &Outcome, took: Duration) {
        let mut groups = self.lock();
        if !groups.contains_key(group) {
            groups.insert(group.clone(), Results::default());
        }
        if let Some(results) = groups.get_mut(group) {
            results.of(outcome).observe(took);
        }
    }

    /// Forgets the groups that are not to be kept: the configuration has them no more.
    pub fn retain(&self, keep: impl Fn(&GroupName) -> bool) {
        self.lock().retain(|group, _| keep(group));
    }

    /// How many checks ended how, over all groups that are there.
    pub fn totals(&self) -> Probes {
        self.lock().values().fold(Probes::default(), |sum, results| Probes {
            passed: sum.passed + results.passed.count,
            timed_out: sum.timed_out + results.timed_out.count,
            wrong_code: sum.wrong_code + results.wrong_code.count,
            failed: sum.failed + results.failed.count,
        })
    }

    pub(super) fn encode(&self, mut family: MetricEncoder<'_>) -> fmt::Result {
        for (group, results) in self.lock().iter() {
            for (result, histogram) in results.named() {
                let labels = [("target_group", group.as_str()), ("result", result)];
                histogram.encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    /// What a thread left that panicked is a number too few at worst.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<GroupName, Results>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Results {
    const fn of(&mut self, outcome: &Outcome) -> &mut Histogram {
        match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::TimedOut => &mut self.timed_out,
            Outcome::WrongCode(_) => &mut self.wrong_code,
            Outcome::Failed(_) => &mut self.failed,
        }
    }

    const fn named(&self) -> [(&'static str, &Histogram); 4] {
        let Self { passed, timed_out, wrong_code, failed } = self;
        [("passed", passed), ("timed-out", timed_out), ("wrong-code", wrong_code), ("failed", failed)]
    }
}

impl Histogram {
    fn observe(&mut self, took: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(took);
        let is_within = |bound: &u32| took <= Duration::from_micros(u64::from(*bound));
        let place = BOUNDS.iter().position(is_within);
        if let Some(within) = place.and_then(|place| self.within.get_mut(place)) {
            *within += 1;
        }
    }

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let seconds = BOUNDS.map(|bound| f64::from(bound) / 1e6);
        let beyond = self.count - self.within.iter().sum::<u64>();
        let buckets: Vec<(f64, u64)> =
            seconds.into_iter().zip(self.within).chain([(f64::INFINITY, beyond)]).collect();
        encoder.encode_histogram::<NoLabelSet>(self.sum.as_secs_f64(), self.count, &buckets, None)
    }
}
