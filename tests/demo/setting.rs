//! What the demo balances: two ways of forwarding over two families, and the configuration that says so.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use harness::daemon;
use harness::lab::{Family, Lab, Node, OUTER_V4, OUTER_V6, vip};

/// How many training nodes there are.
pub(crate) const NODES: u8 = 6;
/// The ports that `nat` hands out; the lab keeps the edge host's own connections below them.
pub(crate) const NAT_PORTS: std::ops::RangeInclusive<u16> = 32768..=60999;
/// What one probe may take.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Failed probes that make a target unhealthy.
pub(crate) const UNHEALTHY_THRESHOLD: usize = 2;

const WEIGHT: u32 = 100;
const HTTP: u16 = 80;
/// Where the nodes serve `nat`: another port than for `ipip`, so that a capture can tell whose probe it sees.
const TRANSLATED: u16 = 8080;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarding {
    Ipip,
    Nat,
}

/// A listener with a target group of its own, both of the same name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    pub(crate) name: &'static str,
    pub(crate) forwarding: Forwarding,
    pub(crate) family: Family,
}

pub(crate) const LISTENERS: [Listener; 4] = [
    Listener { name: "ipip-v4", forwarding: Forwarding::Ipip, family: Family::V4 },
    Listener { name: "ipip-v6", forwarding: Forwarding::Ipip, family: Family::V6 },
    Listener { name: "nat-v4", forwarding: Forwarding::Nat, family: Family::V4 },
    Listener { name: "nat-v6", forwarding: Forwarding::Nat, family: Family::V6 },
];

impl Listener {
    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        let number = match self.forwarding {
            Forwarding::Ipip => 10,
            Forwarding::Nat => 20,
        };
        SocketAddr::new(vip(self.family, number), HTTP)
    }

    /// Where a node is a target of this listener's group, and is probed.
    pub(crate) fn target(&self, node: &Node) -> SocketAddr {
        SocketAddr::new(node.address(self.family), self.target_port())
    }

    pub(crate) const fn target_port(&self) -> u16 {
        match self.forwarding {
            Forwarding::Ipip => HTTP,
            Forwarding::Nat => TRANSLATED,
        }
    }

    /// Where a node's server must listen to serve this listener and its probes.
    pub(crate) fn served_at(&self, node: &Node) -> Vec<SocketAddr> {
        match self.forwarding {
            // Unwrapped, the packet is still for the virtual address.
            Forwarding::Ipip => vec![self.address(), self.target(node)],
            Forwarding::Nat => vec![self.target(node)],
        }
    }

    /// The share of this listener's connections that each node should get.
    pub(crate) fn ideal(&self) -> f64 {
        // All weigh the same.
        1.0 / f64::from(NODES)
    }

    const fn forwarding_word(&self) -> &'static str {
        match self.forwarding {
            Forwarding::Ipip => "ipip",
            Forwarding::Nat => "nat",
        }
    }
}

/// The daemon's configuration file.
pub(crate) fn config(lab: &Lab) -> String {
    let [source_v4, source_v6] = Family::BOTH.map(|family| lab.edge_address(family));
    let socket = daemon::socket(lab);
    let mut text = format!(
        r#"[node]
interfaces = ["eth0"]
seed = "the same every time, so that two runs can be compared"

[nat]
ipv4_source = "{source_v4}"
ipv6_source = "{source_v6}"
ports = "{}-{}"

[encapsulation]
ipv4_source = "{OUTER_V4}"
ipv6_source = "{OUTER_V6}"

[api]
socket = "{}"

[metrics]
listen = "127.0.0.1:9477"
"#,
        NAT_PORTS.start(),
        NAT_PORTS.end(),
        socket.display()
    );
    for listener in &LISTENERS {
        text.push_str(&listener_section(listener, lab));
    }
    text
}

fn listener_section(listener: &Listener, lab: &Lab) -> String {
    let (name, to) = (listener.name, listener.address());
    let mut text = format!(
        r#"
[[listener]]
name = "{name}"
address = "{}"
port = {}
protocol = "tcp"
target_group = "{name}"

[[target_group]]
name = "{name}"
forwarding = "{}"

[target_group.health_check]
protocol = "http"
port = "traffic-port"
path = "/health"
expected_codes = "200-399"
interval = "1s"
timeout = "{}s"
healthy_threshold = 2
unhealthy_threshold = {UNHEALTHY_THRESHOLD}
"#,
        to.ip(),
        to.port(),
        listener.forwarding_word(),
        PROBE_TIMEOUT.as_secs(),
    );
    for node in &lab.nodes {
        let target = listener.target(node);
        let section = format_args!(
            "\n[[target_group.target]]\nname = \"{}\"\naddress = \"{}\"\nport = {}\nweight = {WEIGHT}\n",
            node.name,
            target.ip(),
            target.port()
        );
        // Writing to a string cannot fail.
        let _infallible = text.write_fmt(section);
    }
    text
}
