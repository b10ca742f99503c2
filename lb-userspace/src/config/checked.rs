//! A configuration that cannot be wrong: every name resolves, every number is in its range.
//!
//! Only [`super::load`] makes one from a file; tests build one by hand.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub node: Node,
    /// `None` without a `[nat]` table: then no group forwards by `nat`.
    pub nat: Option<Nat>,
    pub encapsulation: Encapsulation,
    pub tracking: Tracking,
    pub limits: Limits,
    pub api: Api,
    pub metrics: Option<Metrics>,
    pub listeners: BTreeMap<ListenerName, Listener>,
    pub target_groups: BTreeMap<GroupName, TargetGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where the program is attached; at least one, each once.
    pub interfaces: Vec<String>,
    /// Shared by all edge nodes of a cluster, kept from clients: it keys the flow hash.
    pub seed: Seed,
    pub xdp_mode: XdpMode,
}

/// The cluster's secret. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed(pub String);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    #[default]
    Driver,
    Generic,
}

/// Full NAT. At least one of the sources is there, and one for each family that a `nat` group's targets have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nat {
    pub ipv4_source: Option<Ipv4Addr>,
    pub ipv6_source: Option<Ipv6Addr>,
    pub ports: RangeInclusive<u16>,
    pub tcp_idle_timeout: Duration,
    pub udp_idle_timeout: Duration,
    /// How many flows the tables hold: a power of two.
    pub flows: u32,
}

/// Outer headers: the prefixes of their source, whose host bits vary with the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encapsulation {
    pub ipv4_source: Option<Ipv4Net>,
    /// At most a /96: the last 32 bits vary.
    pub ipv6_source: Option<Ipv6Net>,
    /// UDP port that `gue` sends to.
    pub gue_port: u16,
}

/// What is remembered of flows in slots that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// How many flows the table holds: a power of two.
    pub flows: u32,
    /// How many new ones are recorded a second, on all CPUs together.
    pub new_flows_per_second: u32,
    /// How long a slot learns which flows are older than its change.
    pub learning_window: Duration,
    pub udp_learning_window: Duration,
    pub tcp_idle_timeout: Duration,
    pub udp_idle_timeout: Duration,
}

/// Sizes of the maps, fixed while the program is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub listeners: u32,
    /// Pairs of address and protocol with listeners on port ranges.
    pub range_lists: u32,
    pub targets: u32,
    /// Slots of all rings together.
    pub slots: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    pub socket: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: IpAddr,
    pub ports: Ports,
    pub protocol: Protocol,
    pub target_group: GroupName,
}

/// Which ports a listener has. Of several that have one, the narrowest gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    Every,
    /// Two at least.
    Range {
        first: u16,
        last: u16,
    },
    One(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    pub forwarding: Forwarding,
    pub steering_key: SteeringKey,
    /// A prime; with `destination-port`, as many as its listeners have ports.
    pub ring_slots: u32,
    pub health_check: HealthCheck,
    /// By address and port: the identity of a target within its group.
    pub targets: BTreeMap<TargetAddress, Target>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// By full NAT; replies come back through the node.
    Nat,
    /// In an outer header.
    Ipip,
    /// In an outer header and a UDP header.
    Gue,
    /// By the target's MAC alone.
    L2,
}

impl Forwarding {
    /// By the words of the file.
    pub const WORDS: [(&str, Self); 4] =
        [("ipip", Self::Ipip), ("gue", Self::Gue), ("l2", Self::L2), ("nat", Self::Nat)];
}

/// Which fields of a packet choose its slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SteeringKey {
    #[default]
    FiveTuple,
    SourceIp,
    SourceIpDestinationIp,
    SourceIpPort,
    /// Each port of a range has a slot of its own.
    DestinationPort,
}

/// The identity of a target within its group. Only `nat` sends packets to its port; otherwise they keep
/// their own, and this one is only where health checks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TargetAddress {
    pub address: IpAddr,
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What people call it; `address:port` unless the file says otherwise.
    pub name: String,
    /// 0 to 999. Zero: registered and checked, but gets no new flow.
    pub weight: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    pub kind: CheckKind,
    /// `None`: the traffic port.
    pub port: Option<u16>,
    pub interval: Duration,
    pub timeout: Duration,
    pub healthy_threshold: u32,
    pub unhealthy_threshold: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    Tcp,
    Http {
        /// Starts with a slash.
        path: String,
        /// Inclusive ranges, as in `200-399` or `200,301-302`.
        expected_codes: Vec<RangeInclusive<u16>>,
    },
}

/// A name fits a metric's label, a path of the API and a line of a table without quoting.
pub(super) fn is_name(text: &str) -> bool {
    let start = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    start && rest && text.len() <= 63
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// One to 63 letters, digits, `-`, `_` or `.`; starts with a letter or a digit. `None` otherwise.
            pub fn parse(text: &str) -> Option<Self> {
                is_name(text).then(|| Self(text.to_owned()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A listener's name.
    ListenerName
);
name!(
    /// A target group's name.
    GroupName
);

impl fmt::Display for TargetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// Zero is every port, in the file as in the maps.
impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        if port == 0 { Self::Every } else { Self::One(port) }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("every port"),
            Self::Range { first, last } => write!(f, "ports {first} to {last}"),
            Self::One(port) => write!(f, "port {port}"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl SteeringKey {
    pub const ALL: [Self; 5] = [
        Self::FiveTuple,
        Self::SourceIp,
        Self::SourceIpDestinationIp,
        Self::SourceIpPort,
        Self::DestinationPort,
    ];

    /// As the configuration and the API spell it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::FiveTuple => "five-tuple",
            Self::SourceIp => "source-ip",
            Self::SourceIpDestinationIp => "source-ip-destination-ip",
            Self::SourceIpPort => "source-ip-port",
            Self::DestinationPort => "destination-port",
        }
    }
}

impl fmt::Display for SteeringKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Ports {
    /// How many these are.
    pub fn count(self) -> u32 {
        match self {
            Self::Every => 65_536,
            Self::Range { first, last } => u32::from(last) - u32::from(first) + 1,
            Self::One(_) => 1,
        }
    }
}

impl fmt::Display for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nat => "nat",
            Self::Ipip => "ipip",
            Self::Gue => "gue",
            Self::L2 => "l2",
        })
    }
}
