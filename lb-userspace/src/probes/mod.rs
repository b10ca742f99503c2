//! Health checks: a task for each target, each on its own timer, each telling how its checks ended.
//!
//! What an outcome means for the target is the core's to say: nothing here counts, remembers or
//! decides. A check that this host could not even start (no descriptor, no port, no memory) tells
//! nothing about the target, so it is logged and sent to nobody: a host in trouble must not look
//! like a cluster that died.
//!
//! A check in flight holds one descriptor. When every target hangs there are as many of them as
//! targets, so the process wants `RLIMIT_NOFILE` above the number of its targets.

mod http;
mod probe;
#[cfg(test)]
mod tests;
mod ticks;
mod trouble;

use std::{collections::BTreeMap, sync::Arc};

use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use self::{ticks::Ticks, trouble::Trouble};
use crate::{
    config::checked::HealthCheck,
    event::{Event, TargetKey},
};

/// The health checks that run. Dropping it stops them all.
pub struct Probes {
    events: mpsc::Sender<Event>,
    trouble: Arc<Trouble>,
    running: BTreeMap<TargetKey, Running>,
}

impl Probes {
    /// No checks yet; `events` gets an [`Event::Probed`] for each that ends. While its channel is
    /// full, targets wait with their next check.
    pub fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, trouble: Arc::default(), running: BTreeMap::new() }
    }

    /// Makes `wanted` the checks that run: starts what is new, stops what is gone, starts again what
    /// changed, and leaves the rest alone, timers included.
    ///
    /// An outcome that a stopped check sent before may still be in the channel. Call it inside a
    /// tokio runtime: it spawns.
    pub fn set(&mut self, wanted: BTreeMap<TargetKey, HealthCheck>) {
        self.running.retain(|target, running| wanted.get(target) == Some(&running.check));
        for (target, check) in wanted {
            self.running.entry(target).or_insert_with_key(|target| {
                let task = watch(target.clone(), check.clone(), self.events.clone(), self.trouble.clone());
                Running { check, task: tokio::spawn(task).abort_handle() }
            });
        }
    }
}

/// One target's task; it ends with this.
struct Running {
    check: HealthCheck,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Checks one target, at most one check at a time, until nobody listens.
async fn watch(target: TargetKey, check: HealthCheck, events: mpsc::Sender<Event>, trouble: Arc<Trouble>) {
    let mut ticks = Ticks::first(&target, check.interval, Instant::now());
    loop {
        sleep_until(ticks.next()).await;
        let started = Instant::now();
        match probe::probe(target.address, &check).await {
            Ok(outcome) => {
                let event = Event::Probed { target: target.clone(), outcome, took: started.elapsed() };
                if events.send(event).await.is_err() {
                    return;
                }
            }
            Err(error) => trouble.met(&target, &error, Instant::now()),
        }
        ticks.advance(Instant::now());
    }
}
