//! A second opinion: what the documents say should become of a packet, in plain code on slices.
//!
//! It shares with the program the keyed hash, the names of verdicts, and nothing else. Where the program is
//! free to choose, which is the port of a new `nat` flow, the model looks at what it chose and checks that it
//! was free to.

mod forward;
mod headers;
mod icmp;
mod nat;
mod tracking;
mod world;

use std::mem;

use lb_common::{
    maps::Settings,
    verdict::{Note, Verdict},
};

use self::headers::Headers;
pub(crate) use self::{
    tracking::Motion,
    world::{Kind, Listening, World},
};
use crate::lab::{Action, Line, hash_of};

/// What should become of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) action: Action,
    /// What comes out, if anything does.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) line: Line,
    pub(crate) opens: bool,
    /// Noted beside.
    pub(crate) notes: Vec<Note>,
}

pub(crate) struct Model {
    pub(crate) world: World,
    settings: Settings,
    nat: nat::Table,
    tracking: tracking::Table,
    /// Of the packet at hand.
    notes: Vec<Note>,
}

/// A packet to a target or from one.
struct Sent {
    bytes: Vec<u8>,
    line: Line,
    opens: bool,
    interface: u32,
}

/// Why a packet goes to no target and comes from none.
enum Stop {
    At(Verdict),
    /// It is sent back, as these bytes.
    Answered(Verdict, Vec<u8>),
}

impl From<Verdict> for Stop {
    fn from(verdict: Verdict) -> Self {
        Self::At(verdict)
    }
}

impl Model {
    pub(crate) fn new(settings: Settings, world: World) -> Self {
        let (nat, tracking) = (nat::Table::new(settings), tracking::Table::new(settings));
        Self { world, settings, nat, tracking, notes: Vec::new() }
    }

    /// What should become of `frame`. `chosen` gives the number of 16 bits at an offset of what the program
    /// made of it.
    pub(crate) fn answer(&mut self, frame: &[u8], chosen: &dyn Fn(usize) -> Option<u16>) -> Answer {
        let sent = self.sent(frame, chosen);
        let notes = mem::take(&mut self.notes);
        let answer = match sent {
            Ok(Sent { bytes, line, opens, interface: crate::lab::LOOPBACK }) => {
                Answer { action: Action::Tx, bytes: Some(bytes), line, opens, notes: Vec::new() }
            }
            // Nothing is attached to any other interface.
            Ok(Sent { .. }) => dropped(Verdict::NextHopUnresolved),
            Err(Stop::Answered(verdict, bytes)) => {
                let line = Line::Verdict(verdict);
                Answer { action: Action::Tx, bytes: Some(bytes), line, opens: false, notes: Vec::new() }
            }
            Err(Stop::At(verdict)) if verdict.meaning().ends_with("dropped.") => dropped(verdict),
            Err(Stop::At(verdict)) => {
                let line = Line::Verdict(verdict);
                let bytes = Some(frame.to_vec());
                Answer { action: Action::Pass, bytes, line, opens: false, notes: Vec::new() }
            }
        };
        Answer { notes, ..answer }
    }

    /// Lets time pass.
    pub(crate) fn age(&mut self, ticks: u32) {
        self.nat.age(ticks);
        self.tracking.age(ticks);
    }

    /// The ways back that `nat` remembers, and whether they live.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (&nat::Way, bool)> {
        self.nat.sessions()
    }

    fn sent(&mut self, frame: &[u8], chosen: &dyn Fn(usize) -> Option<u16>) -> Result<Sent, Stop> {
        let headers = headers::read(frame)?;
        let listening = self.world.listening(&headers).ok_or(Verdict::NotOurs)?;
        match listening.kind {
            Kind::Service => {
                let listening = listening.clone();
                self.whole(frame, &headers, &listening)
            }
            Kind::Nat => self.nat.there(frame, &headers, &self.world, listening, chosen),
            Kind::NatReturn => Ok(self.nat.back(frame, &headers)?),
        }
    }

    fn whole(&mut self, frame: &[u8], headers: &Headers, listening: &Listening) -> Result<Sent, Stop> {
        let flow = hash_of(&self.settings.keys, headers.source, headers.destination, headers.protocol);
        let slot = listening.slot(&self.settings.keys, headers);
        let current = listening.ring[slot];
        let node = match listening.motion.get(&slot) {
            None => current,
            Some(motion) => {
                let (node, note) = self.tracking.choose(&self.world, current, *motion, headers, flow);
                self.notes.extend(note);
                node
            }
        };
        let node = self.world.resolved(node)?;
        let largest = usize::from(node.mtu) - node.before();
        if headers.length > largest {
            return Err(icmp::too_big(frame, headers, largest));
        }
        if headers.hop_limit <= 1 {
            return Err(Verdict::HopLimit.into());
        }
        let bytes = forward::whole(frame, headers, node, flow);
        Ok(Sent { bytes, line: Line::ToTarget(node.id), opens: headers.opens(), interface: node.interface })
    }
}

fn dropped(verdict: Verdict) -> Answer {
    let line = Line::Verdict(verdict);
    Answer { action: Action::Drop, bytes: None, line, opens: false, notes: Vec::new() }
}
