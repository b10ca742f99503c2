//! A target of a group that is configured: its number, its weight, its health.

use std::time::Instant;

use lb_common::ids::TargetId;

use super::health::{Health, HealthState};
use crate::config::checked::HealthCheck;

#[derive(Debug)]
pub struct Member {
    /// `None` while there is no room.
    pub(super) id: Option<TargetId>,
    pub(super) weight: u16,
    pub(super) health: Health,
    pub(super) seated: bool,
}

impl Member {
    pub(super) fn new(weight: u16, check: &HealthCheck, now: Instant) -> Self {
        Self { id: None, weight, health: Health::new(check, now), seated: false }
    }

    pub const fn id(&self) -> Option<TargetId> {
        self.id
    }

    pub const fn weight(&self) -> u16 {
        self.weight
    }

    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Whether it gets new flows.
    pub const fn is_seated(&self) -> bool {
        self.seated
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.health.state() == HealthState::Healthy
    }

    pub(super) const fn is_unproven(&self) -> bool {
        self.health.is_unproven()
    }

    pub(super) fn is_unhealthy(&self) -> bool {
        self.health.state() == HealthState::Unhealthy
    }

    /// Another question is asked from here on: what was answered so far says nothing.
    pub(super) fn ask_anew(&mut self, check: &HealthCheck, now: Instant) {
        self.health = Health::new(check, now);
    }
}
