//! A second opinion: what the documents say should become of a packet, in plain code on slices.
//!
//! It shares with the program the keyed hash, the names of verdicts, and nothing else. Where the program is
//! free to choose, which is the port of a new `nat` flow, the model looks at what it chose and checks that it
//! was free to.

mod forward;
mod headers;
mod nat;
mod world;

use lb_common::{maps::Settings, verdict::Verdict};

use self::headers::Headers;
pub(crate) use self::world::{Kind, Listening, World};
use crate::lab::{Action, Line, hash_of};

/// What should become of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) action: Action,
    /// What comes out, if anything does.
    pub(crate) bytes: Option<Vec<u8>>,
    pub(crate) line: Line,
    pub(crate) opens: bool,
}

pub(crate) struct Model {
    pub(crate) world: World,
    settings: Settings,
    nat: nat::Table,
}

/// A packet to a target or from one.
struct Sent {
    bytes: Vec<u8>,
    line: Line,
    opens: bool,
    interface: u32,
}

impl Model {
    pub(crate) fn new(settings: Settings, world: World) -> Self {
        Self { world, settings, nat: nat::Table::new(settings) }
    }

    /// What should become of `frame`. `chosen` gives the number of 16 bits at an offset of what the program
    /// made of it.
    pub(crate) fn answer(&mut self, frame: &[u8], chosen: &dyn Fn(usize) -> Option<u16>) -> Answer {
        match self.sent(frame, chosen) {
            Ok(Sent { bytes, line, opens, interface: crate::lab::LOOPBACK }) => {
                Answer { action: Action::Tx, bytes: Some(bytes), line, opens }
            }
            // Nothing is attached to any other interface.
            Ok(Sent { .. }) => dropped(Verdict::NextHopUnresolved),
            Err(verdict) if verdict.meaning().ends_with("dropped.") => dropped(verdict),
            Err(verdict) => {
                let line = Line::Verdict(verdict);
                Answer { action: Action::Pass, bytes: Some(frame.to_vec()), line, opens: false }
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn age(&mut self, ticks: u32) {
        self.nat.age(ticks);
    }

    /// The ways back that `nat` remembers, and whether they live.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = (&nat::Way, bool)> {
        self.nat.sessions()
    }

    fn sent(&mut self, frame: &[u8], chosen: &dyn Fn(usize) -> Option<u16>) -> Result<Sent, Verdict> {
        let headers = headers::read(frame)?;
        let listening = self.world.listening(&headers).ok_or(Verdict::NotOurs)?;
        match listening.kind {
            Kind::Service => self.encapsulated(frame, &headers, listening),
            Kind::Nat => self.nat.there(frame, &headers, &self.world, listening, chosen),
            Kind::NatReturn => self.nat.back(frame, &headers),
        }
    }

    fn encapsulated(&self, frame: &[u8], headers: &Headers, listening: &Listening) -> Result<Sent, Verdict> {
        let flow = hash_of(&self.settings.keys, headers.source, headers.destination, headers.protocol);
        let node = self.world.choice(listening, flow)?;
        let outer = if node.address.is_ipv4() { 20 } else { 40 };
        if headers.length + outer > usize::from(node.mtu) {
            return Err(Verdict::TooBig);
        }
        if headers.hop_limit <= 1 {
            return Err(Verdict::HopLimit);
        }
        let bytes = forward::encapsulated(frame, headers, node, flow);
        Ok(Sent { bytes, line: Line::ToTarget(node.id), opens: headers.opens(), interface: node.interface })
    }
}

fn dropped(verdict: Verdict) -> Answer {
    Answer { action: Action::Drop, bytes: None, line: Line::Verdict(verdict), opens: false }
}
