//! A target group as it runs: its targets with their health, and who of them gets traffic.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use lb_common::ids::TargetId;

use super::{
    extents::{Extent, Extents},
    health::Flip,
    ids::Ids,
    member::Member,
    places::{self, Registered},
    ring::{self, Ring, Seat},
    siphash::Key,
    slots::{Counts, REACHES, Slots},
    transition::Windows,
};
use crate::{
    config::checked::{Forwarding, HealthCheck, SteeringKey, TargetAddress, TargetGroup},
    event::{Outcome, Swept},
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
    /// Removed. They keep their ids until no slot and no record names them.
    leaving: BTreeMap<TargetAddress, Leaving>,
    steering_key: SteeringKey,
    /// Its slots track their flows when they change; `nat` knows its flows anyway.
    tracked: bool,
    windows: Windows,
    /// None was healthy when the members were configured, and some are still unproven.
    starting: bool,
    fail_open: bool,
    slots: Slots,
    /// The slots may not be those of the members' ring: they are turned when somebody asks for them, so that a
    /// burst of changes builds it once.
    stale: bool,
}

/// A target that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    id: TargetId,
    /// Its flows go on. Of one that was dead, records may be left all the same: a new connection of the same tuple
    /// must not meet them in a slot that is taken for steady.
    serves: bool,
    /// When slots changed last: one may have named it until then.
    since: Instant,
}

impl Leaving {
    pub const fn serves(&self) -> bool {
        self.serves
    }
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
            leaving: BTreeMap::new(),
            steering_key: wanted.steering_key,
            tracked: true,
            windows: Windows::default(),
            slots: Slots::empty(0),
            stale: true,
            check: wanted.health_check.clone(),
            ring_slots: wanted.ring_slots,
            extent: None,
            members: BTreeMap::new(),
            starting: true,
            fail_open: false,
        }
    }

    /// Brings the members in step with the configuration. Health is kept unless something else is
    /// checked from here on.
    pub(super) fn configure(&mut self, wanted: &TargetGroup, windows: Windows, now: Instant) -> Reconfigured {
        let TargetGroup { forwarding, steering_key, ring_slots, health_check, targets } = wanted;
        let mut reconfigured = Reconfigured::default();
        (self.tracked, self.windows) = (*forwarding != Forwarding::Nat, windows);
        (self.steering_key, self.stale) = (*steering_key, true);
        self.check_by(health_check, now);
        self.ring_slots = *ring_slots;
        reconfigured.extent = self.extent.take_if(|extent| extent.slots != *ring_slots);

        for (address, member) in self.members.extract_if(.., |address, _| !targets.contains_key(address)) {
            reconfigured.removed.push(address);
            let serves = self.fail_open || !member.is_unhealthy();
            self.leaving.extend(member.id.map(|id| (address, Leaving { id, serves, since: now })));
        }
        for (address, target) in targets {
            if let Some(member) = self.members.get_mut(address) {
                if member.weight != target.weight {
                    member.weight = target.weight;
                    reconfigured.reweighted.push(*address);
                }
            } else {
                let mut member = Member::new(target.weight, health_check, now);
                // Who comes back meets the flows that it left.
                member.id = self.leaving.remove(address).map(|leaving| leaving.id);
                self.members.insert(*address, member);
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
                member.ask_anew(check, now);
            }
        }
        self.check = check.clone();
    }

    /// Takes what room there is in the maps.
    pub(super) fn find_room(&mut self, ids: &mut Ids, extents: &mut Extents, now: Instant) {
        if self.extent.is_none() {
            self.extent = extents.take(self.ring_slots);
            self.slots = Slots::empty(self.extent.map_or(0, |extent| extent.slots));
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
        let leaving = self.leaving.values().map(|leaving| leaving.id);
        Reconfigured {
            ids: self.members.values().filter_map(Member::id).chain(leaving).collect(),
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
        let flip = self.members.get_mut(address)?.health.observe(outcome, now);
        self.stale |= flip.is_some();
        flip
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

    /// The slots are turned when they are next asked for.
    pub(super) const fn rebuild(&mut self) {
        self.stale = true;
    }

    /// Brings the slots to the ring of those who get new flows, as far as time has come. True if one changed.
    pub(super) fn turn(&mut self, key: Key, now: Instant) -> bool {
        let before = Arc::clone(self.slots.words());
        self.slots.pass(self.windows, now);
        if self.stale
            && let Some(extent) = self.extent
        {
            let ring = self.built(key, extent.slots);
            let serving = self.serving();
            self.slots.turn(&ring, self.tracked, self.windows, |id| serving.contains(&id), now);
        }
        self.stale = false;
        let turned = !Arc::ptr_eq(&before, self.slots.words());
        if turned {
            self.leaving.values_mut().for_each(|leaving| leaving.since = now);
        }
        turned
    }

    /// The ring of those who get new flows.
    fn built(&self, key: Key, slots: u32) -> Ring {
        let members = self.members.iter().map(|(address, member)| {
            let id = member.id.filter(|_| member.seated);
            (*address, member.weight, id.map(|id| Seat { id, weight: member.weight }))
        });
        if self.steering_key == SteeringKey::DestinationPort {
            let registered = members.map(|(address, weight, seat)| (address, Registered { weight, seat }));
            places::build(key, slots, &registered.collect())
        } else {
            let seats = members.filter_map(|(address, _, seat)| Some((address, seat?)));
            ring::build(key, slots, &seats.collect())
        }
    }

    /// A flow of some group could not be recorded.
    pub(super) fn prolong(&mut self, now: Instant) {
        self.slots.prolong(self.windows, now);
    }

    /// The maps may not hold what was decided.
    pub(super) fn begin_again(&mut self, now: Instant) {
        self.slots.begin_again(self.windows, now);
        self.leaving.values_mut().for_each(|leaving| leaving.since = now);
    }

    /// A sweep ended. Says whether slots were released, and which ids nobody needs any more.
    pub(super) fn swept(&mut self, swept: &Swept, now: Instant) -> (bool, Vec<TargetId>) {
        let Swept { began, live } = swept;
        let ours = self.lines().map(|(_, id, ..)| id).collect();
        let released = self.slots.swept(live, &ours, *began, now);
        if self.leaving.is_empty() {
            return (released, Vec::new());
        }
        let held = self.slots.named();
        let gone = |leaving: &Leaving| {
            leaving.since + REACHES <= *began && !held.contains(&leaving.id) && !live.names(leaving.id)
        };
        let gone = self.leaving.extract_if(.., |_, leaving| gone(leaving));
        (released, gone.map(|(_, leaving)| leaving.id).collect())
    }

    /// Every target that needs a line: its id, whether its flows go on, whether it gets new ones.
    pub(super) fn lines(&self) -> impl Iterator<Item = (TargetAddress, TargetId, bool, bool)> {
        let members = self.members.iter().filter_map(|(address, member)| {
            let serves = self.fail_open || !member.is_unhealthy();
            Some((*address, member.id?, serves, member.seated))
        });
        members.chain(
            self.leaving.iter().map(|(address, leaving)| (*address, leaving.id, leaving.serves, false)),
        )
    }

    fn serving(&self) -> BTreeSet<TargetId> {
        self.lines().filter(|(_, _, serves, _)| *serves).map(|(_, id, ..)| id).collect()
    }

    /// The slots as they should be, and where they lie. `None` while there is no room.
    pub fn ring(&self) -> Option<(Extent, &Ring)> {
        Some((self.extent?, self.slots.words()))
    }

    /// How many slots are in motion.
    pub fn counts(&self) -> Counts {
        self.slots.counts()
    }

    pub const fn leaving(&self) -> &BTreeMap<TargetAddress, Leaving> {
        &self.leaving
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

impl Reconfigured {
    pub(super) const fn is_something(&self) -> bool {
        !(self.added.is_empty() && self.reweighted.is_empty() && self.removed.is_empty())
    }
}
