//! Waiting for something to become true: the only place that sleeps.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

/// How often a condition is looked at: often enough that a test's time is the thing's own.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until `condition` yields something, for at most `bound`; `what` is what the failure says was missing.
pub async fn until<T>(
    what: impl Display,
    bound: Duration,
    mut condition: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + bound;
    loop {
        if let Some(value) = condition().await {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("wait until {what}: not so after {bound:?}");
        }
        sleep(LOOK).await;
    }
}

/// Gives `work` at most `bound`.
pub async fn within<T>(what: impl Display, bound: Duration, work: impl Future<Output = T>) -> Result<T> {
    match timeout(bound, work).await {
        Ok(value) => Ok(value),
        Err(_elapsed) => bail!("{what}: not done after {bound:?}"),
    }
}

/// A beat that keeps its average: ticks missed while the machine was busy come at once.
pub fn beat(every: Duration) -> Interval {
    let mut beat = interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    beat
}

/// Lets time pass where time itself is the subject: traffic that must run for a while.
pub async fn pass(time: Duration) {
    sleep(time).await;
}
