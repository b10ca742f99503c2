//! What keeps this host, not a target, from checking.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::event::TargetKey;

/// Ten thousand checks that fail for one reason are one line in this time.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Says, seldom, that checks cannot be made. Shared by all targets.
#[derive(Default)]
pub(super) struct Trouble(Mutex<Said>);

#[derive(Default)]
struct Said {
    last: Option<Instant>,
    /// Checks not made since the last line.
    unsaid: u64,
}

impl Trouble {
    pub(super) fn met(&self, target: &TargetKey, error: &io::Error, now: Instant) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.unsaid += 1;
        if said.last.is_none_or(|last| now >= last + BETWEEN_LINES) {
            let checks = std::mem::take(&mut said.unsaid);
            said.last = Some(now);
            tracing::warn!(
                %error, checks, group = %target.group, target = %target.address,
                "this host cannot make health checks; the targets keep the health they had"
            );
        }
    }
}
