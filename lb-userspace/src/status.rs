//! What the daemon says of itself: the API's answer, what the metrics are made of, and what
//! `pointsman status` prints.

mod ask;
#[cfg(test)]
pub(crate) mod sample;
mod timestamp;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use lb_common::{
    maps::Tally,
    verdict::{Direction, Note, Verdict, note_line},
};
use serde::{Deserialize, Serialize};

pub(crate) use self::ask::{alive, status};
pub use self::{
    ask::{Ask, Question, Unanswered},
    timestamp::{NotATimestamp, Timestamp},
};
use crate::config::checked::{Forwarding, Protocol, SteeringKey, XdpMode};

/// All of it. Counters only ever grow while the daemon runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub node: Node,
    pub listeners: Vec<Listener>,
    pub target_groups: Vec<TargetGroup>,
    /// Packets by how their processing ended: see [`verdicts`].
    pub verdicts: BTreeMap<String, Traffic>,
    /// What happened to packets beside their ending: see [`notes`].
    pub notes: BTreeMap<String, u64>,
    /// None without a `[nat]` table.
    pub nat: Option<Flows>,
    /// Flows of slots that changed.
    pub tracking: Flows,
    pub ring: Ring,
    pub probes: Probes,
}

/// How full a table of flows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flows {
    /// That lived when they were last counted, some seconds ago at most.
    pub flows: u64,
    pub limit: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub interfaces: Vec<Interface>,
    /// When the daemon started.
    pub started: Timestamp,
    pub uptime_seconds: u64,
    pub config_file: PathBuf,
    /// Memory of all maps.
    pub map_bytes: u64,
}

/// An interface that the program is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    pub name: String,
    /// `ifindex`.
    pub index: u32,
    pub mode: XdpMode,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    pub name: String,
    pub address: IpAddr,
    /// 0: every port. Of a range: its first.
    pub port: u16,
    /// Of a range; none if there is only one port, or every.
    pub last_port: Option<u16>,
    pub protocol: Protocol,
    pub target_group: String,
    /// The program knows it: packets are forwarded.
    pub live: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    pub name: String,
    pub forwarding: Forwarding,
    pub steering_key: SteeringKey,
    pub ring_slots: u32,
    /// No target is healthy, so all of them serve.
    pub fail_open: bool,
    /// Slots that changed a short while ago, and learn which flows are older.
    pub learning_slots: usize,
    /// Slots with recorded flows that may live on another target.
    pub pinned_slots: usize,
    /// Targets that were removed, whose flows go on.
    pub leaving: Vec<SocketAddr>,
    /// Names of the listeners that forward to it.
    pub listeners: Vec<String>,
    pub targets: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub name: String,
    pub address: IpAddr,
    pub port: u16,
    pub weight: u16,
    pub state: State,
    /// The NLB's reason code; none when healthy.
    pub reason: Option<String>,
    /// What was seen.
    pub detail: Option<String>,
    /// When it came into this state.
    pub since: Timestamp,
    /// How often it changed its state.
    pub health_changes: u64,
    /// How long the last health check took.
    pub probe_seconds: Option<f64>,
    /// Slots of the ring that name it.
    pub slots: u32,
    /// The same as a part of the ring, 0 to 1.
    pub share: f64,
    /// Towards the target: packets and bytes as they came in, Ethernet header included.
    pub packets: u64,
    pub bytes: u64,
    pub new_flows: u64,
    /// Back from the target; only `nat` sees those.
    pub reply_packets: u64,
    pub reply_bytes: u64,
    /// None while there is no way to the target: see `no_route`.
    pub next_hop: Option<NextHop>,
    pub no_route: Option<String>,
}

/// The NLB's words for a target's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Initial,
    Healthy,
    Unhealthy,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// Name of the interface that the route leaves by.
    pub interface: String,
    pub mac: String,
    /// In bytes of IP packet, outer header included.
    pub mtu: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

/// What changes did to the rings, of all groups together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// How often slots were rewritten.
    pub rewrites: u64,
    pub slots_rewritten: u64,
    pub last_change: Option<Timestamp>,
}

/// Health checks by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    pub passed: u64,
    pub timed_out: u64,
    pub wrong_code: u64,
    pub failed: u64,
}

/// Packets that went to a target, and packets of `nat` that came back from one: no verdict of the
/// program's, but what the targets' counters add up to.
pub const FORWARDED: &str = "forwarded";
pub const RETURNED: &str = "returned";

/// What the lines of `COUNTERS` say, by verdict: each packet that came in is in exactly one.
pub fn verdicts(counters: &[Tally]) -> BTreeMap<String, Traffic> {
    let mut traffic = BTreeMap::from([FORWARDED, RETURNED].map(|name| (name.to_owned(), Traffic::default())));
    let names = Verdict::ALL.iter().map(|verdict| verdict.name());
    let names = names.chain([FORWARDED, RETURNED].into_iter().cycle());
    let targets = counters.iter().skip((Verdict::COUNT + Note::COUNT) as usize);
    let endings = counters.iter().take(Verdict::COUNT as usize).chain(targets);
    for (name, tally) in names.zip(endings) {
        let sum = traffic.entry(name.to_owned()).or_default();
        sum.packets += tally.packets;
        sum.bytes += tally.bytes;
    }
    traffic
}

/// Packets by what happened on their way beside its ending.
pub fn notes(counters: &[Tally]) -> BTreeMap<String, u64> {
    let line = |note: Note| counters.get(note_line(note) as usize);
    let packets = |note: Note| line(note).map_or(0, |tally| tally.packets);
    Note::ALL.iter().map(|note| (note.name().to_owned(), packets(*note))).collect()
}

/// [`verdicts`] takes the targets' lines in turns.
const _: () = assert!(Direction::ToTarget as u32 == 0 && Direction::FromTarget as u32 == 1);

impl Listener {
    /// As the configuration writes them.
    pub fn ports(&self) -> String {
        match self.last_port {
            Some(last) => format!("{}-{last}", self.port),
            None => self.port.to_string(),
        }
    }
}

impl State {
    pub const ALL: [Self; 3] = [Self::Initial, Self::Healthy, Self::Unhealthy];

    /// As the API and the metrics spell it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests;
