//! The health of one target, in the NLB's words.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{config::checked::HealthCheck, event::Outcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// Registered; no check has passed, and too few have failed.
    Initial,
    Healthy,
    Unhealthy,
}

/// The NLB's reason codes, as its users' tools know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    #[serde(rename = "Elb.InitialHealthChecking")]
    InitialHealthChecking,
    #[serde(rename = "Target.Timeout")]
    Timeout,
    #[serde(rename = "Target.ResponseCodeMismatch")]
    ResponseCodeMismatch,
    #[serde(rename = "Target.FailedHealthChecks")]
    FailedHealthChecks,
}

/// Why a target is not healthy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    pub reason: Reason,
    /// The NLB's sentence, and what was seen.
    pub description: String,
}

/// A target changed sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    pub from: HealthState,
    pub to: HealthState,
}

/// What is known of one target's health.
///
/// ```text
///                  one check passes
///     initial ------------------------> healthy
///        |                               |   ^
///        | unhealthy_threshold           |   |  healthy_threshold
///        | checks in a row fail          |   |  checks in a row pass
///        |                               v   |
///        +----------------------------> unhealthy
/// ```
///
/// One pass makes an initial target healthy, as with the NLB: the threshold is there for those that
/// proved bad, and an edge node that starts should serve soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    state: HealthState,
    since: Instant,
    /// Outcomes in a row that speak against the state.
    against: u32,
    /// Of the last check that failed, while the target is not healthy.
    why: Option<Why>,
    healthy_threshold: u32,
    unhealthy_threshold: u32,
}

impl Health {
    pub fn new(check: &HealthCheck, now: Instant) -> Self {
        let why = Why {
            reason: Reason::InitialHealthChecking,
            description: "Initial health checks in progress".to_owned(),
        };
        Self {
            state: HealthState::Initial,
            since: now,
            against: 0,
            why: Some(why),
            healthy_threshold: check.healthy_threshold,
            unhealthy_threshold: check.unhealthy_threshold,
        }
    }

    /// Takes other thresholds; what was seen so far stands.
    pub const fn tune(&mut self, check: &HealthCheck) {
        self.healthy_threshold = check.healthy_threshold;
        self.unhealthy_threshold = check.unhealthy_threshold;
    }

    /// Takes the outcome of one check; says only when the target changed sides.
    pub fn observe(&mut self, outcome: Outcome, now: Instant) -> Option<Flip> {
        let to = if outcome == Outcome::Passed { HealthState::Healthy } else { HealthState::Unhealthy };
        let failure = Why::of(outcome);
        if to == self.state {
            self.against = 0;
            self.why = failure;
            return None;
        }
        self.against = self.against.saturating_add(1);
        if self.against < self.needed(to) {
            return None;
        }
        let flip = Flip { from: self.state, to };
        (self.state, self.since, self.against, self.why) = (to, now, 0, failure);
        Some(flip)
    }

    /// How many outcomes in a row it takes to get there. An initial target that failed once and then
    /// passes counts two against its state; that is over the one it takes.
    const fn needed(&self, to: HealthState) -> u32 {
        match (self.state, to) {
            (HealthState::Initial, HealthState::Healthy) => 1,
            (HealthState::Unhealthy, _) => self.healthy_threshold,
            (HealthState::Initial | HealthState::Healthy, _) => self.unhealthy_threshold,
        }
    }

    pub const fn state(&self) -> HealthState {
        self.state
    }

    /// Initial, and no check has failed: nothing speaks against it.
    pub const fn is_unproven(&self) -> bool {
        matches!(self.state, HealthState::Initial) && self.against == 0
    }

    /// `None` when healthy.
    pub const fn why(&self) -> Option<&Why> {
        self.why.as_ref()
    }

    /// How long it has been in its state.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Why {
    fn of(outcome: Outcome) -> Option<Self> {
        let (reason, description) = match outcome {
            Outcome::Passed => return None,
            Outcome::TimedOut => (Reason::Timeout, "Request timed out".to_owned()),
            Outcome::WrongCode(code) => {
                (Reason::ResponseCodeMismatch, format!("Health checks failed with these codes: [{code}]"))
            }
            Outcome::Failed(seen) => (Reason::FailedHealthChecks, format!("Health checks failed: {seen}")),
        };
        Some(Self { reason, description })
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InitialHealthChecking => "Elb.InitialHealthChecking",
            Self::Timeout => "Target.Timeout",
            Self::ResponseCodeMismatch => "Target.ResponseCodeMismatch",
            Self::FailedHealthChecks => "Target.FailedHealthChecks",
        })
    }
}

#[cfg(test)]
mod tests;
