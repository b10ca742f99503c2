//! The program against the model, on thousands of generated frames: hale ones, mutated ones, and whole `nat`
//! flows with replies, while rings and targets change and time passes.
//!
//! `POINTSMAN_SEED` and `POINTSMAN_FRAMES` run it otherwise; a failure names the seed that it came from.

mod dice;
mod frames;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lb_common::{
    maps::{Idle, Settings, TARGET_NAT, TARGET_RESOLVED, TARGET_SERVES, Tally},
    slot::SlotState,
    steer::{KEY_DESTINATION_PORT, KEY_SOURCE_IP, KEY_SOURCE_IP_DESTINATION_IP, KEY_SOURCE_IP_PORT},
    verdict::{Note, Verdict},
};

use self::dice::Dice;
use crate::lab::{Action, Lab, Line, Node, Ran, hex, settings};
use crate::model::{Answer, Kind, Model, Motion, World};
use crate::packet::{TCP, UDP};

const FRAMES: u64 = 100_000;
const SEED: u64 = 2;

/// Frames between two looks at the counters, and between two changes of the world.
const LOOK: usize = 64;
const CHANGE: usize = 96;

#[test]
fn the_program_does_what_the_model_says() {
    let number =
        |key: &str, default| std::env::var(key).map_or(default, |set| set.parse().expect("a number"));
    let (seed, frames) = (number("POINTSMAN_SEED", SEED), number("POINTSMAN_FRAMES", FRAMES));
    println!("POINTSMAN_SEED={seed} POINTSMAN_FRAMES={frames}");
    let mut contest = Contest::new(seed);
    for _ in 0..frames {
        contest.frame();
    }
    contest.look();
    contest.assert_that_all_was_met();
}

struct Contest {
    dice: Dice,
    lab: Lab,
    model: Model,
    /// What the model expects of the counters since the last look, and the frames of that time.
    expected: BTreeMap<Line, Tally>,
    since: Vec<(Vec<u8>, Answer)>,
    met: BTreeMap<Line, Tally>,
    frames: usize,
}

impl Contest {
    fn new(seed: u64) -> Self {
        // Spans so far apart that the ticks that pass while the test runs decide nothing.
        let settings = Settings {
            tracked_budget: u32::MAX,
            tracked_idle: Idle { tcp: 3_500, udp: 2_500, opening: 1_500, closed: 500 },
            nat_idle: Idle { tcp: 9_500, udp: 4_500, opening: 2_500, closed: 1_500 },
            errors_budget: u32::MAX,
            ..settings()
        };
        let (mut lab, mut world) = (Lab::with(settings), world());
        world.install(&mut lab);
        Self {
            dice: Dice::new(seed),
            lab,
            model: Model::new(settings, world),
            expected: BTreeMap::new(),
            since: Vec::new(),
            met: BTreeMap::new(),
            frames: 0,
        }
    }

    fn frame(&mut self) {
        self.frames += 1;
        if self.frames.is_multiple_of(CHANGE) {
            self.change();
        }
        let frame = frames::any(&mut self.dice, &self.model);
        let ran = self.lab.run_uncounted(&frame, None);
        let chosen = |at: usize| {
            let sent = ran.action == Action::Tx && ran.output.len() > at + 1;
            sent.then(|| ran.number(at))
        };
        let answer = self.model.answer(&frame, &chosen);
        let same =
            ran.action == answer.action && answer.bytes.as_ref().is_none_or(|bytes| *bytes == ran.output);
        assert!(same, "frame {}\n{}", self.frames, told(&frame, &ran, &answer));
        add(&mut self.expected, &frame, &answer);
        add(&mut self.met, &frame, &answer);
        self.since.push((frame, answer));
        if self.since.len() == LOOK {
            self.look();
        }
    }

    /// Compares the counters.
    fn look(&mut self) {
        let moved = self.lab.moved();
        if moved != self.expected {
            let frames = self.since.iter().fold(String::new(), |mut text, (frame, answer)| {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{:?}, opens: {}: {}", answer.line, answer.opens, hex(frame));
                text
            });
            panic!("up to frame {}\nmoved: {moved:#?}\nmodel: {:#?}\n{frames}", self.frames, self.expected);
        }
        self.expected.clear();
        self.since.clear();
    }

    /// Lets a target come or go, a slot change hands, or time pass.
    fn change(&mut self) {
        let world = &mut self.model.world;
        match self.dice.below(4) {
            0 => {
                let id = self.dice.of(&world.nodes.keys().copied().collect::<Vec<_>>());
                let flag = self.dice.of(&[TARGET_RESOLVED, TARGET_SERVES]);
                let node = world.nodes[&id].clone();
                // Up more often than down.
                let flags = if self.dice.once_in(4) { node.flags & !flag } else { node.flags | flag };
                world.put_node(&mut self.lab, Node { flags, ..node });
            }
            1 | 2 => {
                let rings = (0..world.listening.len()).filter(|at| !world.listening[*at].ring.is_empty());
                let at = self.dice.of(&rings.collect::<Vec<_>>());
                let (slot, from) = (self.dice.below(world.listening[at].ring.len()), peers(world, at));
                let id = self.dice.of(&from);
                // `nat` knows its flows by itself.
                let moves = world.listening[at].kind == Kind::Service && self.dice.once_in(2);
                let states = [SlotState::Learning, SlotState::LearningTcp, SlotState::Pinned];
                let motion = Motion { state: self.dice.of(&states), former: self.dice.of(&from) };
                world.put_slot(&mut self.lab, at, slot, id, moves.then_some(motion));
            }
            _ => {
                let ticks = self.dice.of(&[1_000, 1_000, 3_000]);
                self.lab.age(ticks);
                self.model.age(ticks);
            }
        }
    }

    /// A contest that met too little says too little.
    fn assert_that_all_was_met(&self) {
        // These need a driver without headroom, a table without room, a daemon that errs.
        let elsewhere = [
            Verdict::NoHeadroom,
            Verdict::NotTracked,
            Verdict::NatTableFull,
            Verdict::NatPortsExhausted,
            Verdict::BadMap,
        ];
        let verdicts = Verdict::ALL.iter().filter(|verdict| !elsewhere.contains(verdict));
        let nodes = self.model.world.nodes.values();
        // Node 6 is behind an interface that is not there.
        let to = nodes.clone().filter(|node| node.id != 6).map(|node| Line::ToTarget(node.id));
        let from = nodes.filter(|node| node.flags & TARGET_NAT != 0).map(|node| Line::FromTarget(node.id));
        let notes = [Line::Note(Note::Tracked)].into_iter();
        for line in verdicts.map(|verdict| Line::Verdict(*verdict)).chain(to).chain(from).chain(notes) {
            let packets = self.met.get(&line).map_or(0, |tally| tally.packets);
            println!("{packets:6} {line:?}");
            assert!(packets >= 50, "{line:?}: met {packets} times");
        }
    }
}

/// What a slot of this listener may name: a node that its kind of listener forwards to, or nobody.
fn peers(world: &World, listening: usize) -> Vec<Option<u32>> {
    let listening = &world.listening[listening];
    let fits = |node: &&Node| match listening.kind {
        Kind::Service | Kind::NatReturn => node.flags & TARGET_NAT == 0,
        Kind::Nat => node.flags & TARGET_NAT != 0 && node.address.is_ipv4() == listening.address.is_ipv4(),
    };
    let nodes = world.nodes.values().filter(fits).map(|node| Some(node.id)).collect::<Vec<_>>();
    [nodes.as_slice(), &nodes, &[None]].concat()
}

fn world() -> World {
    let mut world = World::of([
        Node::ipip(1, "10.2.0.1"),
        Node::ipip(2, "fd02::2"),
        Node { mtu: 600, ..Node::ipip(3, "10.2.0.3") },
        Node { mtu: 700, mask: 0, ..Node::ipip(4, "fd02::4") },
        Node::ipip(5, "10.2.0.5"),
        Node { interface: 99, ..Node::ipip(6, "10.2.0.6") },
        Node::nat(7, "10.3.0.7", 8080),
        Node { mtu: 500, ..Node::nat(8, "10.3.0.8", 0) },
        Node::nat(9, "10.3.0.9", 8080),
        Node::nat(10, "fd03::10", 8080),
        Node { mtu: 500, ..Node::nat(11, "fd03::11", 0) },
        Node::nat(12, "fd03::12", 9090),
        Node { mask: 0xff, ..Node::gue(13, "10.2.0.13") },
        Node { port: 5555, mtu: 700, ..Node::gue(14, "fd02::14") },
        Node::l2(15, "10.2.0.15"),
        Node { mtu: 600, ..Node::l2(16, "fd02::16") },
    ]);
    for (service, any, nat, nat_nodes) in [
        ("10.0.0.1", "10.0.0.2", "10.0.0.3", [7, 8, 9]),
        ("[fd00::1]", "[fd00::2]", "[fd00::3]", [10, 11, 12]),
    ] {
        let at = |address: &str, ports: &str| format!("{address}:{ports}");
        world.listen(Kind::Service, &[TCP], &at(service, "80"), &[1, 2, 3, 4, 5, 6, 13, 14, 15, 16, 0]);
        world.listen(Kind::Service, &[UDP], &at(service, "53"), &[1, 2, 13, 16]);
        world.listen(Kind::Service, &[TCP, UDP], &at(service, "1000-1999"), &[1, 4]);
        world.listen(Kind::Service, &[TCP], &at(service, "1000-1099"), &[2]);
        world.listen(Kind::Service, &[TCP, UDP], &at(service, "3000-3003"), &[1, 2, 5, 4]);
        world.listen(Kind::Service, &[TCP, UDP], &at(any, "0"), &[2, 1, 4, 14, 15]);
        world.listen(Kind::Service, &[TCP, UDP], &at(any, "4000-65535"), &[1]);
        world.listen(Kind::Service, &[TCP], &at(any, "443"), &[3]);
        world.listen(Kind::Nat, &[TCP], &at(nat, "80"), &[nat_nodes[0], nat_nodes[1], nat_nodes[2], 0]);
        world.listen(Kind::Nat, &[TCP], &at(nat, "8000-8010"), &[nat_nodes[1]]);
        world.listen(Kind::Nat, &[TCP, UDP], &at(nat, "0"), &nat_nodes);
        world.steer(&at(service, "53"), KEY_SOURCE_IP);
        world.steer(&at(service, "3000-3003"), KEY_DESTINATION_PORT);
        world.steer(&at(any, "0"), KEY_SOURCE_IP_DESTINATION_IP);
        world.steer(&at(nat, "0"), KEY_SOURCE_IP_PORT);
    }
    world
}

fn add(lines: &mut BTreeMap<Line, Tally>, frame: &[u8], answer: &Answer) {
    let line = lines.entry(answer.line).or_insert(Tally { packets: 0, bytes: 0, new_flows: 0 });
    line.packets += 1;
    line.bytes += frame.len() as u64;
    line.new_flows += u64::from(answer.opens);
    for note in &answer.notes {
        let line = lines.entry((*note).into()).or_insert(Tally { packets: 0, bytes: 0, new_flows: 0 });
        line.packets += 1;
    }
}

fn told(frame: &[u8], ran: &Ran, answer: &Answer) -> String {
    let bytes = answer.bytes.as_deref().map_or_else(|| "(any)".to_owned(), hex);
    format!(
        "     in: {}\nprogram: {:?} {}\n  model: {:?} {bytes}\n  model: {:?}, opens: {}",
        hex(frame),
        ran.action,
        hex(&ran.output),
        answer.action,
        answer.line,
        answer.opens
    )
}
