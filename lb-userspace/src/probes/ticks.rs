//! When a target's checks are due.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use tokio::time::Instant;

use crate::event::TargetKey;

/// How far a pause may be from the interval, as a part of it, either way.
const JITTER: f64 = 0.05;

/// One target's timer. The first tick lies anywhere in the first interval, which spreads ten
/// thousand targets evenly; jitter keeps them from falling into step later. Both follow from the
/// target's key alone, so a run can be repeated.
pub(super) struct Ticks {
    seed: u64,
    interval: Duration,
    count: u64,
    next: Instant,
}

impl Ticks {
    pub(super) fn first(target: &TargetKey, interval: Duration, now: Instant) -> Self {
        let mut hasher = DefaultHasher::new();
        target.hash(&mut hasher);
        let seed = hasher.finish();
        Self { seed, interval, count: 0, next: now + interval.mul_f64(fraction(seed, 0)) }
    }

    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Moves on from a tick whose check ended at `now`. A tick that passed meanwhile comes at once,
    /// and only once: what was missed is not made up for in a burst.
    pub(super) fn advance(&mut self, now: Instant) {
        self.count += 1;
        let pause = 1.0 - JITTER + 2.0 * JITTER * fraction(self.seed, self.count);
        self.next = now.max(self.next + self.interval.mul_f64(pause));
    }
}

/// A number from 0 up to 1 that looks random and depends on nothing but the two arguments.
fn fraction(seed: u64, count: u64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (seed, count).hash(&mut hasher);
    f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX)) / 2f64.powi(32)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::config::checked::{GroupName, TargetAddress};

    const INTERVAL: Duration = Duration::from_secs(10);

    fn target(number: u16) -> TargetKey {
        let address = TargetAddress { address: IpAddr::from([10, 0, 0, 1]), port: number };
        TargetKey { group: GroupName::parse("web").unwrap(), address }
    }

    #[test]
    fn first_ticks_spread_evenly_over_one_interval() {
        let now = Instant::now();
        let mut seconds = [0; 10];
        for number in 0..10_000 {
            let first = Ticks::first(&target(number), INTERVAL, now).next() - now;
            seconds[usize::try_from(first.as_secs()).unwrap()] += 1;
        }
        assert!(seconds.iter().all(|&ticks| (850..1150).contains(&ticks)), "{seconds:?}");
    }

    #[test]
    fn a_target_ticks_the_same_way_in_every_run() {
        let now = Instant::now();
        let (mut one, mut other) =
            (Ticks::first(&target(80), INTERVAL, now), Ticks::first(&target(80), INTERVAL, now));
        for _ in 0..100 {
            assert_eq!(one.next(), other.next());
            one.advance(now);
            other.advance(now);
        }
    }

    #[test]
    fn pauses_stay_within_the_jitter_and_differ() {
        let mut ticks = Ticks::first(&target(80), INTERVAL, Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..1000 {
            let before = ticks.next();
            ticks.advance(before);
            pauses.push(ticks.next() - before);
        }
        assert!(pauses.iter().all(|pause| (9_500..10_500).contains(&pause.as_millis())), "{pauses:?}");
        let mean = pauses.iter().sum::<Duration>() / 1000;
        assert!((9_950..10_050).contains(&mean.as_millis()), "{mean:?}");
    }

    #[test]
    fn missed_ticks_are_not_made_up_for() {
        let mut ticks = Ticks::first(&target(80), INTERVAL, Instant::now());
        let late = ticks.next() + 7 * INTERVAL;
        ticks.advance(late);
        assert_eq!(ticks.next(), late);
        ticks.advance(late);
        assert!(ticks.next() >= late + INTERVAL.mul_f64(1.0 - JITTER));
    }
}
