//! A target group as it runs: its targets with their health, and who of them gets traffic.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Instant,
};

use lb_common::ids::TargetId;

use super::{
    extents::{Extent, Extents},
    health::{Flip, Health, HealthState},
    ids::Ids,
    ring::{self, Ring, Seat},
    siphash::Key,
};
use crate::{
    config::checked::{HealthCheck, TargetAddress, TargetGroup},
    event::Outcome,
};

/// Who gets new flows, of the targets with a weight:
/// - the healthy ones;
/// - while the group starts, also those of which nothing is known yet. Else the first target to pass a
///   check would get everything, and a daemon that restarts would move most flows twice;
/// - all of them when that leaves nobody: the group fails open.
#[derive(Debug)]
pub struct Group {
    check: HealthCheck,
    ring_slots: u32,
    /// `None` while there is no room.
    extent: Option<Extent>,
    members: BTreeMap<TargetAddress, Member>,
    /// None was healthy when the members were configured, and some are still unproven.
    starting: bool,
    fail_open: bool,
    /// Built when first asked for after a change, so that a burst of changes builds it once.
    ring: OnceLock<Ring>,
}

#[derive(Debug)]
pub struct Member {
    /// `None` while there is no room.
    id: Option<TargetId>,
    weight: u16,
    health: Health,
    seated: bool,
}

/// What a configuration changed in a group.
#[derive(Debug, Default)]
pub(super) struct Reconfigured {
    pub(super) added: Vec<TargetAddress>,
    pub(super) reweighted: Vec<TargetAddress>,
    pub(super) removed: Vec<TargetAddress>,
    /// What the group has no use for any more.
    pub(super) ids: Vec<TargetId>,
    pub(super) extent: Option<Extent>,
}

impl Group {
    pub(super) fn new(wanted: &TargetGroup) -> Self {
        Self {
            check: wanted.health_check.clone(),
            ring_slots: wanted.ring_slots,
            extent: None,
            members: BTreeMap::new(),
            starting: true,
            fail_open: false,
            ring: OnceLock::new(),
        }
    }

    /// Brings the members in step with the configuration. Health is kept unless something else is
    /// checked from here on.
    pub(super) fn configure(&mut self, wanted: &TargetGroup, now: Instant) -> Reconfigured {
        let TargetGroup { forwarding: _, ring_slots, health_check, targets } = wanted;
        let mut reconfigured = Reconfigured::default();
        self.check_by(health_check, now);
        self.ring_slots = *ring_slots;
        reconfigured.extent = self.extent.take_if(|extent| extent.slots != *ring_slots);

        for (address, member) in self.members.extract_if(.., |address, _| !targets.contains_key(address)) {
            reconfigured.removed.push(address);
            reconfigured.ids.extend(member.id);
        }
        for (address, target) in targets {
            if let Some(member) = self.members.get_mut(address) {
                if member.weight != target.weight {
                    member.weight = target.weight;
                    reconfigured.reweighted.push(*address);
                }
            } else {
                self.members.insert(*address, Member::new(target.weight, health_check, now));
                reconfigured.added.push(*address);
            }
        }
        if reconfigured.is_something() {
            self.rebuild();
        }
        let any_healthy = self.weighted().any(Member::is_healthy);
        self.starting |= !any_healthy;
        reconfigured
    }

    /// The same question asked at another pace keeps the answers so far.
    fn check_by(&mut self, check: &HealthCheck, now: Instant) {
        let same_question = (&self.check.kind, self.check.port) == (&check.kind, check.port);
        for member in self.members.values_mut() {
            if same_question {
                member.health.tune(check);
            } else {
                member.health = Health::new(check, now);
            }
        }
        self.check = check.clone();
    }

    /// Takes what room there is in the maps.
    pub(super) fn find_room(&mut self, ids: &mut Ids, extents: &mut Extents, now: Instant) {
        if self.extent.is_none() {
            self.extent = extents.take(self.ring_slots);
            self.rebuild();
        }
        for member in self.members.values_mut().filter(|member| member.id.is_none()) {
            let Some(id) = ids.take(now) else { break };
            member.id = Some(id);
        }
    }

    pub(super) fn without_id(&self) -> usize {
        self.members.values().filter(|member| member.id.is_none()).count()
    }

    /// Lets go of everything in the maps.
    pub(super) fn dissolve(self) -> Reconfigured {
        Reconfigured {
            ids: self.members.values().filter_map(Member::id).collect(),
            removed: self.members.into_keys().collect(),
            extent: self.extent,
            ..Reconfigured::default()
        }
    }

    /// `None` for a target that is not here (any more), and when it did not change sides.
    pub(super) fn observe(
        &mut self,
        address: &TargetAddress,
        outcome: Outcome,
        now: Instant,
    ) -> Option<Flip> {
        self.members.get_mut(address)?.health.observe(outcome, now)
    }

    /// Decides who gets new flows. True when that, or whether the group fails open, changed.
    pub(super) fn reseat(&mut self) -> bool {
        let starting = self.starting && self.weighted().any(Member::is_unproven);
        self.starting = starting;
        let by_right = |member: &Member| member.is_healthy() || (starting && member.is_unproven());
        let fail_open = !self.weighted().any(by_right) && self.weighted().next().is_some();

        let mut moved = false;
        for member in self.members.values_mut() {
            let seated = member.weight > 0 && member.id.is_some() && (fail_open || by_right(member));
            moved |= seated != member.seated;
            member.seated = seated;
        }
        if moved {
            self.rebuild();
        }
        let opened = fail_open != self.fail_open;
        self.fail_open = fail_open;
        moved || opened
    }

    fn weighted(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| member.weight > 0)
    }

    /// The ring is built anew when it is next asked for.
    pub(super) fn rebuild(&mut self) {
        self.ring = OnceLock::new();
    }

    /// The ring as it should be, and where it lies. `None` while there is no room.
    pub(super) fn ring(&self, key: Key) -> Option<(Extent, Ring)> {
        let extent = self.extent?;
        let seat = |(address, member): (&TargetAddress, &Member)| {
            let id = member.id.filter(|_| member.seated)?;
            Some((*address, Seat { id, weight: member.weight }))
        };
        let build = || ring::build(key, extent.slots, &self.members.iter().filter_map(seat).collect());
        Some((extent, Arc::clone(self.ring.get_or_init(build))))
    }

    pub const fn extent(&self) -> Option<Extent> {
        self.extent
    }

    pub const fn members(&self) -> &BTreeMap<TargetAddress, Member> {
        &self.members
    }

    pub(super) const fn is_starting(&self) -> bool {
        self.starting
    }

    /// No target with a weight is healthy, so all serve.
    pub const fn fails_open(&self) -> bool {
        self.fail_open
    }
}

impl Member {
    fn new(weight: u16, check: &HealthCheck, now: Instant) -> Self {
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

    fn is_healthy(&self) -> bool {
        self.health.state() == HealthState::Healthy
    }

    const fn is_unproven(&self) -> bool {
        self.health.is_unproven()
    }
}

impl Reconfigured {
    pub(super) const fn is_something(&self) -> bool {
        !(self.added.is_empty() && self.reweighted.is_empty() && self.removed.is_empty())
    }
}
