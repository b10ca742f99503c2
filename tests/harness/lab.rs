//! The network: a router, clients, one edge node, training nodes.

mod addresses;
mod node;
mod offloads;
mod script;

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, Result};

pub use addresses::{Family, OUTER_V4, OUTER_V6, Subnet, vip, vip4, vip6};
pub use node::Node;

use crate::netns::{Namespace, Namespaces};
use crate::scratch::Scratch;

/// What a lab is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many training nodes.
    pub nodes: u8,
    /// How many addresses of each family the clients have.
    pub client_addresses: u8,
    /// The clients' link.
    pub client_mtu: u32,
    /// Every other link: wide enough for a client's full-size segment in an IPv6 envelope.
    pub fabric_mtu: u32,
    /// Gives the edge node a second interface, `eth1`, by which it reaches the training nodes.
    pub second_arm: bool,
    /// Gives each training node a second interface, `eth1`, and the edge node one named after the node: a link
    /// between the two, with no router on it.
    pub adjacent: bool,
    /// Virtual addresses that the training nodes answer to themselves, as direct return wants.
    pub direct: Vec<IpAddr>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            nodes: 3,
            client_addresses: 64,
            client_mtu: 1500,
            fabric_mtu: 1600,
            second_arm: false,
            adjacent: false,
            direct: Vec::new(),
        }
    }
}

/// A network that stands for as long as this value lives.
#[derive(Debug)]
pub struct Lab {
    pub router: Namespace,
    pub clients: Namespace,
    pub edge: Namespace,
    pub nodes: Vec<Node>,
    plan: Plan,
    scratch: Scratch,
    /// Once the links are there.
    polling: Option<offloads::Polling>,
    // Last, so that it is dropped last: whoever lives inside goes first.
    namespaces: Namespaces,
}

impl Lab {
    pub fn build(plan: Plan) -> Result<Self> {
        offloads::require_tools()?;
        let mut roles: Vec<String> = ["router", "clients", "edge"].map(str::to_owned).into();
        roles.extend((1..=plan.nodes).map(node::name));
        let namespaces = Namespaces::make(roles)?;
        let mut lab = Self {
            router: namespaces.open("router")?,
            clients: namespaces.open("clients")?,
            edge: namespaces.open("edge")?,
            nodes: (1..=plan.nodes)
                .map(|number| Node::open(&namespaces, number, &plan))
                .collect::<Result<_>>()?,
            scratch: Scratch::make(namespaces.label())?,
            plan,
            polling: None,
            namespaces,
        };
        lab.connect().with_context(|| format!("build lab `{}`", lab.label()))?;
        Ok(lab)
    }

    fn connect(&mut self) -> Result<()> {
        // Before the links, which take on the defaults as they are made.
        for namespace in self.namespaces() {
            namespace.sysctl(script::QUIET)?;
        }
        self.router.sysctl(script::FORWARDING)?;
        self.edge.sysctl(script::EDGE_PORTS)?;
        crate::command::run("ip", &["-batch", "-"], &script::links(&self.plan, &self.namespaces))?;
        self.router.ip(&script::router(&self.plan))?;
        self.clients.ip(&script::clients(&self.plan))?;
        self.edge.ip(&script::edge(&self.plan))?;
        for node in &self.nodes {
            node.namespace.sysctl(script::QUIET_ABOUT_VIPS)?;
            node.bring_up()?;
        }
        offloads::set(&self.router, &self.plan)?;
        self.polling = Some(offloads::Polling::start(&self.router, &self.nodes, &self.plan)?);
        Ok(())
    }

    fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        [&self.router, &self.clients, &self.edge]
            .into_iter()
            .chain(self.nodes.iter().map(|node| &node.namespace))
    }

    /// The lab's name, which begins the name of each of its namespaces.
    pub fn label(&self) -> &str {
        self.namespaces.label()
    }

    /// A directory for sockets, configuration and logs, gone with the lab.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// Every address of that family that a client can speak from.
    pub fn client_addresses(&self, family: Family) -> Vec<IpAddr> {
        (0..self.plan.client_addresses).map(|n| Subnet::CLIENTS.host(family, Subnet::FIRST + n)).collect()
    }

    /// The edge node's own address.
    pub fn edge_address(&self, family: Family) -> IpAddr {
        Subnet::EDGE.host(family, Subnet::FIRST)
    }
}
