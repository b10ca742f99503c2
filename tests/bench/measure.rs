//! One row: set the scene, make the flows, take the times, check the counters.

use anyhow::{Context as _, Result, ensure};
use lb_common::slot::SlotState;

use crate::{
    drive::{Counted, SPARED, establish, record, steady},
    rows::{Family, Mode, Row, STATELESS_TARGETS},
    scene::Scene,
    wrapper::Wrapper,
};

/// How long a row is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// A run ends the row when so many of its rounds were quiet,
    quiet: usize,
    /// or when its rounds took this long together, in nanoseconds.
    time: u64,
}

pub(crate) const THOROUGH: Effort = Effort { quiet: 1_200, time: 1_200_000_000 };
pub(crate) const QUICK: Effort = Effort { quiet: 200, time: 100_000_000 };

/// A window is some 50 us: most fit between two interrupts.
const WINDOW_BITS: u32 = 10;
/// Rounds of a run: a tenth of a second.
const ROUNDS: u32 = 800;

/// With fewer quiet rounds than these, all of a row's rounds count.
const FEWEST: usize = 40;

/// In nanoseconds a packet.
pub(crate) struct Measured {
    pub(crate) ns: f64,
    pub(crate) floor_ns: f64,
    /// Of the fastest rounds.
    pub(crate) low: f64,
    /// Of a program that does nothing: what is in both of the above.
    pub(crate) call_ns: f64,
    /// Of the rounds, how many counted.
    pub(crate) quiet: f64,
}

pub(crate) struct Bench {
    effort: Effort,
    wrapper: Wrapper,
    /// The last row's, and what it was made for: loading takes longer than measuring.
    scene: Option<(Setting, Scene)>,
    /// The kernel's call of a program, in this machine's best moments so far.
    fastest_call: f64,
}

/// Rows of one setting share a scene.
#[derive(PartialEq, Eq)]
enum Setting {
    Stateless(Mode),
    /// Flows stay in the tables: each number of them needs fresh ones.
    Nat(Family, u32, u32),
    Tracked(Family, u32, SlotState),
}

impl Setting {
    const fn of(row: &Row) -> Self {
        match row.mode {
            Mode::Ipip if !matches!(row.slots, SlotState::Steady) => {
                Self::Tracked(row.family, row.flows, row.slots)
            }
            Mode::Ipip | Mode::NotOurs => Self::Stateless(Mode::Ipip),
            Mode::Gue | Mode::L2 => Self::Stateless(row.mode),
            Mode::Nat | Mode::NatReply => Self::Nat(row.family, row.flows, row.targets),
        }
    }
}

/// The most flows of a row.
const PEERS: u32 = 1 << 20;

/// Room for a million tracked flows and three times as many more, and hardly any.
const TRACKED: u32 = 1 << 22;
const UNTRACKED: u32 = 1024;

impl Bench {
    /// # Errors
    /// What the kernel said.
    pub(crate) fn new(effort: Effort) -> Result<Self> {
        Ok(Self { effort, wrapper: Wrapper::load(PEERS)?, scene: None, fastest_call: f64::INFINITY })
    }

    /// # Errors
    /// What the kernel said, or that packets went another way than the row's.
    pub(crate) fn measure(&mut self, row: &Row) -> Result<Measured> {
        self.try_measure(row).with_context(|| format!("row `{}`", row.words()))
    }

    fn try_measure(&mut self, row: &Row) -> Result<Measured> {
        let setting = Setting::of(row);
        let scene = match self.scene.take() {
            Some((same, scene)) if same == setting => scene,
            other => {
                // The old one first: the tables of a million flows need not lie there twice.
                drop(other);
                made(&mut self.wrapper, row)?
            }
        };
        let (_, scene) = self.scene.insert((setting, scene));
        times(self.effort, &mut self.fastest_call, &mut self.wrapper, scene, row)
    }
}

fn made(wrapper: &mut Wrapper, row: &Row) -> Result<Scene> {
    match row.mode {
        Mode::Ipip if row.slots != SlotState::Steady => {
            let mut scene = Scene::new(Mode::Ipip, &[row.family], &[row.targets], TRACKED)?;
            scene.turn(SlotState::Learning)?;
            record(wrapper, &mut scene, row)?;
            scene.turn(row.slots)?;
            Ok(scene)
        }
        Mode::NotOurs => Scene::new(Mode::Ipip, &Family::BOTH, &STATELESS_TARGETS, UNTRACKED),
        Mode::Ipip | Mode::Gue | Mode::L2 => {
            Scene::new(row.mode, &Family::BOTH, &STATELESS_TARGETS, UNTRACKED)
        }
        Mode::Nat | Mode::NatReply => {
            let mut scene = Scene::new(Mode::Nat, &[row.family], &[row.targets], UNTRACKED)?;
            establish(wrapper, &mut scene, row)?;
            Ok(scene)
        }
    }
}

fn times(
    effort: Effort,
    fastest_call: &mut f64,
    wrapper: &mut Wrapper,
    scene: &mut Scene,
    row: &Row,
) -> Result<Measured> {
    let floor = match row.mode {
        Mode::Ipip => "floor_ipip",
        Mode::Gue => "floor_gue",
        Mode::L2 => "floor_l2",
        Mode::Nat | Mode::NatReply => "floor_nat",
        Mode::NotOurs => "floor_parse",
    };
    let programs = [wrapper.program("nothing")?, wrapper.program(floor)?, scene.edge()?];
    // One packet more: it says when the last window ended.
    let drive = steady(row, scene, &programs, WINDOW_BITS, ((4 * ROUNDS) << WINDOW_BITS) + 1)?;
    let (mut rounds, mut time) = (Vec::new(), 0);
    while time < effort.time {
        let before = scene.counted(Counted::of(row))?;
        let times = wrapper.run(&drive)?;
        let after = scene.counted(Counted::of(row))?;
        let (went, all) = (after.packets - before.packets, u64::from(ROUNDS) << WINDOW_BITS);
        ensure!(went <= all && went >= all - all / SPARED, "{went} packets of {all} went the row's way");
        ensure!(after.new_flows == before.new_flows, "flows opened that were open");
        rounds.extend(Round::all(&times, f64::from(1u32 << WINDOW_BITS)));
        time += times.iter().sum::<u64>();
        *fastest_call = fastest(&rounds).min(*fastest_call);
        if quiet(&rounds, *fastest_call).len() >= effort.quiet {
            break;
        }
    }
    Ok(summary(&rounds, *fastest_call))
}

/// One window of each turn, in nanoseconds a packet.
#[derive(Clone, Copy)]
struct Round {
    /// The wrapper as soon as it has counted: nearly nothing but the kernel's call.
    call: f64,
    /// The wrapper, and a program that does nothing.
    wrapper: f64,
    floor: f64,
    subject: f64,
}

impl Round {
    /// What the wrapper itself costs.
    fn own(&self) -> f64 {
        self.wrapper - self.call
    }

    fn floor(&self) -> f64 {
        self.floor - self.own()
    }

    fn subject(&self) -> f64 {
        self.subject - self.own()
    }

    fn ratio(&self) -> f64 {
        self.subject() / self.floor()
    }
}

impl Round {
    fn all(times: &[u64], packets: f64) -> impl Iterator<Item = Self> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds")]
        let each = move |time: u64| time as f64 / packets;
        times.as_chunks::<4>().0.iter().map(move |round| {
            let [call, wrapper, floor, subject] = round.map(each);
            Self { call, wrapper, floor, subject }
        })
    }
}

/// Differences and ratios within a round: a tenth of a millisecond, so that what slows all down falls out.
///
/// The machine's speed changes between rounds, so medians taken apart would set the program at one speed
/// beside the floor at another. The rounds in the middle by their ratio give both.
fn summary(rounds: &[Round], fastest_call: f64) -> Measured {
    let quiet = quiet(rounds, fastest_call);
    // Rather a number that says of itself that it is not of quiet rounds than none.
    let mut counted = if quiet.len() < FEWEST { rounds.to_vec() } else { quiet.clone() };
    counted.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    let (before, rest) = counted.split_at(counted.len() * 2 / 5);
    let middle = rest.get(..counted.len() - 2 * before.len()).unwrap_or(rest);
    let median = |what: fn(&Round) -> f64| quantile(middle.iter().map(what), 0.5);
    let floor_ns = median(Round::floor);
    Measured {
        ns: floor_ns * median(Round::ratio),
        floor_ns,
        low: quantile(middle.iter().map(Round::subject), 0.02),
        call_ns: median(|round| round.call),
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        quiet: quiet.len() as f64 / rounds.len() as f64,
    }
}

/// The rounds before and after which the kernel called the wrapper about as fast as it ever did.
///
/// On a shared machine a neighbour on the core's other thread halves the speed, for milliseconds or for
/// good, and not that of every instruction alike.
fn quiet(rounds: &[Round], fastest_call: f64) -> Vec<Round> {
    const TOLERANCE: f64 = 1.15;
    let limit = fastest_call * TOLERANCE;
    let next = rounds.iter().skip(1);
    let quiet = rounds.iter().zip(next).filter(|(round, next)| round.call <= limit && next.call <= limit);
    quiet.map(|(round, _)| *round).collect()
}

fn fastest(rounds: &[Round]) -> f64 {
    quantile(rounds.iter().map(|round| round.call), 0.02)
}

/// The value that this part of the values lies below.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index"
)]
fn quantile(values: impl Iterator<Item = f64>, part: f64) -> f64 {
    let mut values = values.collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    values.get((values.len() as f64 * part) as usize).copied().unwrap_or(f64::NAN)
}
