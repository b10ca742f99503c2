//! A model checker: one slot, three targets, a few flows, and everything that can happen to them, in every order.
//!
//! It walks breadth first over every world that can be reached, so what it finds is a shortest way. The rules are the
//! program's and the core's own; only the world around them is made here: who opened when, who is dead, what the
//! table holds. P1 and P2 of the design are what must hold. A rule that is broken on purpose must be found out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lb_common::track::{Choice, Memory, Record, Speaks, choose, unrecorded};

use super::*;
use crate::core::sample::start;

const TARGETS: usize = 3;
const FLOWS: usize = 2;
/// Records that the table has room for, one less than there are flows.
const ROOM: usize = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    No,
    /// Its SYN reached this target, and it goes on there.
    On(TargetId),
}

/// A target, as the daemon sees it and as the program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Gets new flows.
    Seated,
    /// Drained: serves the flows that it has.
    Drained,
    Dead,
    /// Dead, and removed: it comes back only as a stranger, under another number.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    slot: Slot,
    standing: [Standing; TARGETS],
    /// TCP connections, each of a tuple of its own.
    flows: [Life; FLOWS],
    /// By flow; a record may outlive its flow.
    records: BTreeMap<usize, TargetId>,
    /// Flows that spoke since the window began: those that do not end with it.
    spoke: BTreeSet<usize>,
    /// A flow could not be recorded since then.
    refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Opens(usize),
    Speaks(usize),
    Ends(usize),
    Stands(usize, Standing),
    /// Time: the learning window ends.
    Window,
    /// Time: the flow's record is forgotten, as the flow ended or stayed silent.
    Forget(usize),
    Sweep,
}

type Next = fn(Slot, Option<TargetId>, &dyn Fn(TargetId) -> bool) -> Slot;

/// What the rules are; a test breaks one.
struct Rules {
    choose: fn(Slot, Option<TargetId>, Speaks, Record) -> Choice,
    next: Next,
    unrecorded: fn(Choice, Slot, Speaks, Option<TargetId>, bool) -> Option<TargetId>,
    /// Whether a sweep looks at the records at all.
    sweeps_look: bool,
    /// Whether a record of a removed target holds its slot.
    sweeps_know_the_removed: bool,
    /// Whether a slot learns on when a flow could not be recorded.
    prolongs: bool,
}

const RULES: Rules = Rules {
    choose,
    next: |held, wanted, serves| next(held, wanted, serves),
    unrecorded,
    sweeps_look: true,
    sweeps_know_the_removed: true,
    prolongs: true,
};

fn id(target: usize) -> TargetId {
    TargetId::new(u32::try_from(target + 1).unwrap()).unwrap()
}

fn place(id: TargetId) -> usize {
    id.index() as usize - 1
}

impl World {
    fn new() -> Self {
        Self {
            slot: Slot::steady(id(0)),
            standing: [Standing::Seated; TARGETS],
            flows: [Life::No; FLOWS],
            records: BTreeMap::new(),
            spoke: BTreeSet::new(),
            refused: false,
        }
    }

    fn serves(&self, id: TargetId) -> bool {
        !matches!(self.standing[place(id)], Standing::Dead | Standing::Gone)
    }

    fn opens(&self, id: TargetId) -> bool {
        self.standing[place(id)] == Standing::Seated
    }

    /// The ring gives the slot to the first who gets new flows: as Maglev does, by a fixed order.
    fn wanted(&self) -> Option<TargetId> {
        (0..TARGETS).map(id).find(|id| self.opens(*id))
    }

    fn acts(&self) -> impl Iterator<Item = Act> {
        let flows = (0..FLOWS).flat_map(|flow| {
            let some = match self.flows[flow] {
                Life::No => vec![Act::Opens(flow)],
                Life::On(_) => vec![Act::Speaks(flow), Act::Ends(flow)],
            };
            let ended = self.flows[flow] == Life::No;
            let forgets = self.records.contains_key(&flow) && (ended || !self.spoke.contains(&flow));
            some.into_iter().chain(forgets.then_some(Act::Forget(flow)))
        });
        let targets = (0..TARGETS).flat_map(|target| {
            let next: &[Standing] = match self.standing[target] {
                Standing::Seated | Standing::Drained => {
                    &[Standing::Seated, Standing::Drained, Standing::Dead]
                }
                Standing::Dead => &[Standing::Seated, Standing::Drained, Standing::Gone],
                Standing::Gone => &[],
            };
            next.iter().map(move |standing| Act::Stands(target, *standing))
        });
        flows
            .chain(targets.filter(|act| !matches!(act, Act::Stands(t, s) if self.standing[*t] == *s)))
            .chain([Act::Window, Act::Sweep])
    }

    /// One packet; says where it went. `None`: dropped.
    fn packet(&mut self, rules: &Rules, flow: usize, speaks: Speaks) -> Option<TargetId> {
        let record = match self.records.get(&flow) {
            _ if self.slot.is_steady() => Record::Nothing,
            None => Record::Nothing,
            Some(id) if self.serves(*id) => Record::Of(*id),
            Some(_) => Record::OfTheDead,
        };
        let former = self.slot.former().filter(|id| self.serves(*id));
        let choice = (rules.choose)(self.slot, former, speaks, record);
        self.spoke.insert(flow);
        if choice.memory == Memory::Write
            && let Some(target) = choice.target
        {
            if self.records.len() == ROOM && !self.records.contains_key(&flow) {
                self.refused = true;
                let former_opens = former.filter(|id| self.opens(*id));
                return (rules.unrecorded)(choice, self.slot, speaks, former_opens, former.is_some());
            }
            self.records.insert(flow, target);
        }
        choice.target
    }

    /// The world after the act, or what it broke.
    fn after(&self, rules: &Rules, act: Act) -> Result<Self, &'static str> {
        let mut world = self.clone();
        match act {
            Act::Opens(flow) => {
                if let Some(to) = world.packet(rules, flow, Speaks::Opening) {
                    if self.standing[place(to)] == Standing::Drained {
                        return Err("P2: a new flow reached a drained target");
                    }
                    // The dead do not answer.
                    if self.serves(to) {
                        world.flows[flow] = Life::On(to);
                    }
                }
            }
            Act::Speaks(flow) => {
                let Life::On(target) = self.flows[flow] else { return Ok(world) };
                let to = world.packet(rules, flow, Speaks::Tcp);
                if to != Some(target) && self.serves(target) {
                    return Err("P1: an established connection left a target that can serve it");
                }
                if to.is_some_and(|to| !self.serves(to) && world.wanted().is_some()) {
                    return Err("P2: a packet reached a dead target");
                }
                if to != Some(target) {
                    world.flows[flow] = Life::No;
                }
            }
            Act::Ends(flow) => world.flows[flow] = Life::No,
            Act::Stands(target, standing) => {
                world.standing[target] = standing;
                if !world.serves(id(target)) {
                    let on = Life::On(id(target));
                    world.flows.iter_mut().filter(|flow| **flow == on).for_each(|flow| *flow = Life::No);
                }
                let seen = world.clone();
                let slot = (rules.next)(world.slot, world.wanted(), &|id| seen.serves(id));
                if matches!(
                    (self.slot.state(), slot.state()),
                    (SlotState::Steady | SlotState::Pinned, SlotState::Learning)
                ) {
                    world.spoke.clear();
                    world.refused = false;
                }
                world.slot = slot;
            }
            Act::Window => {
                let windows = Windows { tcp: Some(Duration::ZERO), udp: None };
                let slot = aged(world.slot, Begun { tcp: start(), udp: start() }, windows, start());
                if slot != world.slot {
                    // Who was silent for the whole window counts as ended.
                    for flow in (0..FLOWS).filter(|flow| !self.spoke.contains(flow)) {
                        world.flows[flow] = Life::No;
                    }
                    // One in which a flow could not be recorded does not count: another begins.
                    if !(self.refused && rules.prolongs) {
                        world.slot = slot;
                    }
                    world.spoke.clear();
                    world.refused = false;
                }
            }
            Act::Forget(flow) => {
                // Only of a flow that ended, or was silent for as long.
                world.flows[flow] = Life::No;
                world.records.remove(&flow);
            }
            Act::Sweep => {
                let counts = |id: TargetId| {
                    rules.sweeps_know_the_removed || self.standing[place(id)] != Standing::Gone
                };
                let another = |record: &TargetId| Some(*record) != self.slot.current() && counts(*record);
                if !rules.sweeps_look || !self.records.values().any(another) {
                    world.slot = released(world.slot);
                }
            }
        }
        Ok(world)
    }
}

/// Walks until nothing new is met. Gives how many worlds there are, or a shortest way to a broken promise.
fn explore(rules: &Rules) -> Result<usize, (&'static str, Vec<Act>)> {
    let start = World::new();
    let mut seen = BTreeSet::from([start.clone()]);
    let mut ahead = VecDeque::from([(start, Vec::new())]);
    while let Some((world, way)) = ahead.pop_front() {
        for act in world.acts() {
            let way = [way.as_slice(), &[act]].concat();
            match world.after(rules, act) {
                Err(broken) => return Err((broken, way)),
                Ok(next) if seen.insert(next.clone()) => ahead.push_back((next, way)),
                Ok(_) => {}
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn no_order_of_events_breaks_a_promise() {
    let worlds = explore(&RULES).unwrap_or_else(|(broken, way)| panic!("{broken}: {way:#?}"));
    println!("{worlds} worlds");
    assert!(worlds > 1_000, "{worlds} worlds are too few to mean anything");
}

#[test]
fn a_broken_rule_is_found_out() {
    let broken = [
        (
            "old flows go to the current target",
            Rules { choose: |slot, _, speaks, record| choose(slot, None, speaks, record), ..RULES },
        ),
        (
            "a new connection in a slot that learns is not recorded",
            Rules {
                choose: |slot, former, speaks, record| match (speaks, choose(slot, former, speaks, record)) {
                    (Speaks::Opening, choice) => Choice { memory: Memory::Leave, ..choice },
                    (_, choice) => choice,
                },
                ..RULES
            },
        ),
        (
            "a second change takes the present target for the former",
            Rules {
                next: |held, wanted, serves| match held.current().filter(|id| serves(*id)) {
                    Some(present) if Some(present) != wanted => {
                        Slot::new(SlotState::Learning, wanted, Some(present))
                    }
                    _ => next(held, wanted, serves),
                },
                ..RULES
            },
        ),
        (
            "a slot that leaves a dead target is steady",
            Rules {
                next: |held, wanted, serves| match next(held, wanted, serves) {
                    slot if held.is_steady() && slot.state() == SlotState::Pinned => released(slot),
                    slot => slot,
                },
                ..RULES
            },
        ),
        (
            "a connection that cannot be recorded goes to the current target",
            Rules { unrecorded: |choice, _, _, _, _| choice.target, ..RULES },
        ),
        (
            "a connection that cannot be recorded goes to the former target, drained or not",
            Rules { unrecorded: |_, slot, _, _, _| slot.former(), ..RULES },
        ),
        ("a window counts in which a flow was not recorded", Rules { prolongs: false, ..RULES }),
        ("a record of a removed target holds no slot", Rules { sweeps_know_the_removed: false, ..RULES }),
        ("a sweep releases a slot with live records", Rules { sweeps_look: false, ..RULES }),
    ];
    for (name, rules) in broken {
        let found = explore(&rules);
        let (promise, way) = found.expect_err(name);
        println!("{name}: {promise}, after {} events", way.len());
    }
}
