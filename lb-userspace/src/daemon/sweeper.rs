//! The sweeper: looks through the tables of flows, beside the loop, and tells it who lives.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::MissedTickBehavior};

use super::now;
use crate::{
    core::slots::Live,
    dataplane::{sweep::NatTables, tracked::TrackedTable},
    event::{Event, Swept},
};

/// How often: a pinned slot is released within this after its last flow ended.
const SWEEP: Duration = Duration::from_secs(5);

/// The tables.
#[derive(Clone)]
pub(super) struct Tables {
    pub(super) nat: Arc<NatTables>,
    pub(super) tracked: Arc<TrackedTable>,
}

impl Tables {
    fn sweep(&self) -> nix::Result<Live> {
        Ok(Live { nat: self.nat.sweep()?, tracked: self.tracked.sweep()? })
    }
}

/// Until nobody listens. The loop must not wait for a table of millions.
pub(super) async fn run(tables: Tables, events: mpsc::Sender<Event>) {
    let mut tick = tokio::time::interval(SWEEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let (began, tables) = (now(), tables.clone());
        match tokio::task::spawn_blocking(move || tables.sweep()).await {
            Ok(Ok(live)) => {
                if events.send(Event::Swept(Swept { began, live })).await.is_err() {
                    return;
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "the tables of flows are not swept"),
            Err(error) => tracing::error!(%error, "the sweeper broke off"),
        }
    }
}
