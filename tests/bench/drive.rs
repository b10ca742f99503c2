//! Which packets a row is made of, and how its flows come to be known.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use aya::programs::ProgramFd;
use lb_common::{
    bench::FRAME,
    verdict::{Direction, Note, Verdict},
};

use crate::{
    frames::{self, ACK, Ends, SYN},
    rows::{Family, Mode, Row},
    scene::{self, Scene},
    wrapper::{Drive, Wrapper},
};

/// One of so many flows may find no place in the table: its sets fill by chance.
pub(crate) const SPARED: u64 = 1_000;

/// Longer than any run: nobody looks at its time.
const ONE_WINDOW: u32 = 31;

/// The row's packets, in a walk over its flows.
pub(crate) fn steady<'a>(
    row: &Row,
    scene: &Scene,
    programs: &'a [ProgramFd],
    window_bits: u32,
    packets: u32,
) -> Result<Drive<'a>> {
    let by = match (row.mode, row.family) {
        (Mode::Ipip | Mode::Gue | Mode::L2 | Mode::Nat | Mode::NotOurs, Family::V4) => "walk_v4",
        (Mode::Ipip | Mode::Gue | Mode::L2 | Mode::Nat | Mode::NotOurs, Family::V6) => "walk_v6",
        (Mode::NatReply, Family::V4) => "reply_v4",
        (Mode::NatReply, Family::V6) => "reply_v6",
    };
    let frame = frame(row, scene, ACK)?;
    let client = last_word(scene::client(row.family));
    Ok(Drive { by, frame, client, flows: row.flows, programs, calibrated: true, window_bits, packets })
}

/// Makes the flows known: each is opened by a SYN, acknowledged, and answered by its target.
///
/// # Errors
/// What the kernel said, or that a flow did not open.
pub(crate) fn establish(wrapper: &mut Wrapper, scene: &mut Scene, row: &Row) -> Result<()> {
    let programs = [scene.edge()?];
    let clients = Row { mode: Mode::Nat, ..*row };
    let replies = Row { mode: Mode::NatReply, ..*row };
    // A packet more: what became of the last one is noted when the next one comes.
    let opening = Drive {
        by: if row.family == Family::V4 { "open_v4" } else { "open_v6" },
        frame: frame(&clients, scene, SYN)?,
        calibrated: false,
        ..steady(&clients, scene, &programs, ONE_WINDOW, row.flows + 1)?
    };
    wrapper.run(&opening)?;
    let opened = scene.counted(Counted::Targets(Direction::ToTarget))?.new_flows;
    let flows = u64::from(row.flows);
    ensure!(opened <= flows && opened >= flows - flows / SPARED, "{opened} flows of {flows} opened");
    // Twice as many steps as flows leave none out: of multiples of the golden ratio the widest gap is 1.9
    // times the mean.
    for row in [clients, replies] {
        let walk = steady(&row, scene, &programs, ONE_WINDOW, 2 * row.flows)?;
        wrapper.run(&Drive { calibrated: false, ..walk })?;
    }
    Ok(())
}

/// Lets every flow speak in slots that learn, so that all are recorded on their former targets.
///
/// # Errors
/// What the kernel said, or that a flow was not recorded.
pub(crate) fn record(wrapper: &mut Wrapper, scene: &mut Scene, row: &Row) -> Result<()> {
    let programs = [scene.edge()?];
    let one_by_one = Drive {
        by: if row.family == Family::V4 { "open_v4" } else { "open_v6" },
        calibrated: false,
        ..steady(row, scene, &programs, ONE_WINDOW, row.flows)?
    };
    wrapper.run(&one_by_one)?;
    let recorded = scene.noted(Note::Tracked)?;
    let flows = u64::from(row.flows);
    ensure!(recorded <= flows && recorded >= flows - flows / SPARED, "{recorded} flows of {flows} recorded");
    Ok(())
}

/// Counters' lines that a row's packets move.
#[derive(Clone, Copy)]
pub(crate) enum Counted {
    /// All targets', together.
    Targets(Direction),
    Verdict(Verdict),
}

impl Counted {
    pub(crate) const fn of(row: &Row) -> Self {
        match row.mode {
            Mode::Ipip | Mode::Gue | Mode::L2 | Mode::Nat => Self::Targets(Direction::ToTarget),
            Mode::NatReply => Self::Targets(Direction::FromTarget),
            Mode::NotOurs => Self::Verdict(Verdict::NotOurs),
        }
    }
}

fn frame(row: &Row, scene: &Scene, tcp_flags: u8) -> Result<[u8; FRAME]> {
    let to_listener = |destination| -> Result<Ends> {
        let destination_port = scene.port(row.targets).context("no ring has so many targets")?;
        Ok(Ends { source: scene::client(row.family), destination, source_port: 0, destination_port })
    };
    let ends = match row.mode {
        Mode::Ipip | Mode::Gue | Mode::L2 | Mode::Nat => to_listener(scene::vip(row.family))?,
        Mode::NotOurs => to_listener(scene::stranger(row.family))?,
        Mode::NatReply => Ends {
            source: scene::backend(row.family, 0),
            destination: scene::node(row.family),
            source_port: scene::TARGET_PORT,
            destination_port: 0,
        },
    };
    Ok(frames::frame(row, &ends, tcp_flags))
}

#[expect(clippy::cast_possible_truncation, reason = "the last word is meant")]
fn last_word(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => address.to_bits() as u32,
    }
}
