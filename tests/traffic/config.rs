//! Configurations: what a test does not say is as most tests want it.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;

use harness::daemon;
use harness::lab::{Family, Lab, Node, OUTER_V4, OUTER_V6, Subnet, vip};

/// Where nodes serve unless behind `nat`, for packets keep the listener's port; and where all targets are checked.
pub(crate) const WEB: u16 = 80;
/// Where nodes serve behind `nat`, which changes the port.
pub(crate) const TRANSLATED: u16 = 8080;
/// Where the test itself serves, and nobody else.
pub(crate) const RAW: u16 = 7000;
/// Of each ring: enough for fair shares of a few targets.
pub(crate) const RING_SLOTS: u32 = 4093;
/// Where the edge node's metrics are.
pub(crate) const METRICS: u16 = 9477;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarding {
    Ipip,
    Gue,
    L2,
    Nat,
}

impl Forwarding {
    const fn word(self) -> &'static str {
        match self {
            Self::Ipip => "ipip",
            Self::Gue => "gue",
            Self::L2 => "l2",
            Self::Nat => "nat",
        }
    }

    /// The node takes an outer header off.
    pub(crate) fn encloses(self) -> bool {
        [Self::Ipip, Self::Gue].contains(&self)
    }

    /// The node answers clients itself, for the virtual address.
    pub(crate) fn is_direct(self) -> bool {
        self != Self::Nat
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// A listener with a target group of its own, both of the same name. Every node is a target, by its own name.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) forwarding: Forwarding,
    pub(crate) protocol: Protocol,
    pub(crate) address: IpAddr,
    /// 0: every port.
    pub(crate) port: u16,
    /// Of the targets, if `nat` sends there.
    pub(crate) target_port: u16,
    /// Of the targets' addresses.
    pub(crate) targets: Family,
}

impl Service {
    /// TCP on port 80 of the virtual address with this number, and targets of the same family.
    pub(crate) const fn new(name: &'static str, forwarding: Forwarding, family: Family, number: u8) -> Self {
        let address = vip(family, number);
        let (port, target_port) = (WEB, TRANSLATED);
        Self { name, forwarding, protocol: Protocol::Tcp, address, port, target_port, targets: family }
    }

    pub(crate) const fn ipip(name: &'static str, family: Family, number: u8) -> Self {
        Self::new(name, Forwarding::Ipip, family, number)
    }

    pub(crate) const fn gue(name: &'static str, family: Family, number: u8) -> Self {
        Self::new(name, Forwarding::Gue, family, number)
    }

    pub(crate) const fn l2(name: &'static str, family: Family, number: u8) -> Self {
        Self::new(name, Forwarding::L2, family, number)
    }

    pub(crate) const fn nat(name: &'static str, family: Family, number: u8) -> Self {
        Self::new(name, Forwarding::Nat, family, number)
    }

    pub(crate) const fn udp(self) -> Self {
        Self { protocol: Protocol::Udp, ..self }
    }

    pub(crate) const fn on_every_port(self) -> Self {
        Self { port: 0, ..self }
    }

    /// On a port where the scene has no server: the test is the server.
    pub(crate) const fn raw(self) -> Self {
        Self { port: RAW, target_port: RAW, ..self }
    }

    pub(crate) const fn with_targets(self, targets: Family) -> Self {
        Self { targets, ..self }
    }

    /// Where clients connect; with a listener on every port, that is for the test to say.
    pub(crate) const fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// Where clients connect.
    pub(crate) const fn listener(&self) -> SocketAddr {
        self.at(self.port)
    }

    /// Where a node is a target.
    pub(crate) fn target(&self, node: &Node) -> SocketAddr {
        let port = if self.forwarding.is_direct() { WEB } else { self.target_port };
        let adjacent = node.adjacent_address(self.targets).filter(|_| self.forwarding == Forwarding::L2);
        SocketAddr::new(adjacent.unwrap_or_else(|| node.address(self.targets)), port)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) interfaces: &'static [&'static str],
    pub(crate) services: Vec<Service>,
    pub(crate) nat_ports: RangeInclusive<u16>,
    /// From one health check to the next, and as long for each at most.
    pub(crate) check_interval: &'static str,
    /// The edge node's link whose address `nat` sends from.
    pub(crate) nat_source: Subnet,
    /// Further lines of `[nat]`.
    pub(crate) nat: &'static str,
    /// Lines of `[tracking]`.
    pub(crate) tracking: &'static str,
    /// Of each node in turn, in all groups. `None`: it is no target. Nodes beyond the last have the default.
    pub(crate) weights: Vec<Option<u16>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interfaces: &["eth0"],
            services: Vec::new(),
            nat_ports: 40000..=49999,
            // So slow that it takes no part in a test that is not about health.
            check_interval: "10s",
            nat_source: Subnet::EDGE,
            nat: "",
            tracking: "",
            weights: Vec::new(),
        }
    }
}

/// What a target's weight is unless somebody says otherwise.
pub(crate) const DEFAULT_WEIGHT: u16 = 100;

/// How often a test that is about health checks.
pub(crate) const QUICK: &str = "500ms";

impl Config {
    pub(crate) fn of(services: impl Into<Vec<Service>>) -> Self {
        Self { services: services.into(), ..Self::default() }
    }

    pub(crate) fn checked_quickly(self) -> Self {
        Self { check_interval: QUICK, ..self }
    }

    /// The virtual addresses that nodes must answer for themselves.
    pub(crate) fn direct(&self) -> Vec<IpAddr> {
        let direct = self.services.iter().filter(|it| it.forwarding.is_direct());
        let addresses: std::collections::BTreeSet<IpAddr> = direct.map(|it| it.address).collect();
        addresses.into_iter().collect()
    }

    /// The file for the lab's edge node.
    pub(crate) fn text(&self, lab: &Lab) -> String {
        self.text_with_socket(lab, &daemon::socket(lab))
    }

    /// The same with another socket: for a second daemon.
    pub(crate) fn text_with_socket(&self, lab: &Lab, socket: &Path) -> String {
        let Self { interfaces, services, nat_ports, check_interval, nat_source, nat, tracking, weights } =
            self;
        let [source_v4, source_v6] = Family::BOTH.map(|family| nat_source.host(family, Subnet::FIRST));
        let (first, last, socket) = (nat_ports.start(), nat_ports.end(), socket.display());
        let mut text = format!(
            r#"[node]
interfaces = {interfaces:?}
seed = "the same in every run, so that a run can be repeated"

[nat]
ipv4_source = "{source_v4}"
ipv6_source = "{source_v6}"
ports = "{first}-{last}"
{nat}

[encapsulation]
ipv4_source = "{OUTER_V4}"
ipv6_source = "{OUTER_V6}"

[tracking]
{tracking}

[api]
socket = "{socket}"

[metrics]
listen = "127.0.0.1:{METRICS}"

# The daemon is not built for speed here, and is asked for its counters a hundred times a second.
[limits]
targets = 128
"#
        );
        for service in services {
            text.push_str(&section(service, check_interval));
            for (number, node) in lab.nodes.iter().enumerate() {
                let weight = weights.get(number).copied().unwrap_or(Some(DEFAULT_WEIGHT));
                text.extend(weight.map(|weight| target(service, node, weight)));
            }
        }
        text
    }
}

fn section(service: &Service, check_interval: &str) -> String {
    let Service { name, forwarding, protocol, address, port, target_port: _, targets: _ } = service;
    let protocol = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let forwarding = forwarding.word();
    format!(
        r#"
[[listener]]
name = "{name}"
address = "{address}"
port = {port}
protocol = "{protocol}"
target_group = "{name}"

[[target_group]]
name = "{name}"
forwarding = "{forwarding}"
ring_slots = {RING_SLOTS}

[target_group.health_check]
protocol = "http"
port = {WEB}
path = "/health"
interval = "{check_interval}"
timeout = "{}"
healthy_threshold = 2
unhealthy_threshold = 2
"#,
        if check_interval == QUICK { QUICK } else { "5s" }
    )
}

fn target(service: &Service, node: &Node, weight: u16) -> String {
    let (name, target) = (&node.name, service.target(node));
    let (ip, port) = (target.ip(), target.port());
    format!(
        r#"
[[target_group.target]]
name = "{name}"
address = "{ip}"
port = {port}
weight = {weight}
"#
    )
}
