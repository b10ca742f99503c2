//! A training node.

use std::net::IpAddr;

use anyhow::Result;

use super::{Family, Plan, Subnet, script};
use crate::netns::{Namespace, Namespaces};

#[derive(Clone, Debug)]
pub struct Node {
    pub namespace: Namespace,
    /// What its servers answer with: `node-1`.
    pub name: String,
    number: u8,
    adjacent: bool,
    direct: Vec<IpAddr>,
}

/// The name of the training node with this number.
pub(super) fn name(number: u8) -> String {
    format!("node-{number}")
}

impl Node {
    pub(super) fn open(namespaces: &Namespaces, number: u8, plan: &Plan) -> Result<Self> {
        let name = name(number);
        let namespace = namespaces.open(&name)?;
        Ok(Self { namespace, name, number, adjacent: plan.adjacent, direct: plan.direct.clone() })
    }

    /// Its own address, the one that probes and envelopes go to.
    pub fn address(&self, family: Family) -> IpAddr {
        Subnet::of_node(self.number).host(family, Subnet::FIRST)
    }

    /// Its address on the link that it shares with the edge node, if there is such a link.
    pub fn adjacent_address(&self, family: Family) -> Option<IpAddr> {
        self.adjacent.then(|| Subnet::of_adjacent(self.number).host(family, Subnet::FIRST))
    }

    pub(super) fn bring_up(&self) -> Result<()> {
        self.namespace.ip(&script::node(self.number, self.adjacent, &self.direct))
    }

    /// The node falls silent in the middle of everything, as one does that loses power: no FIN, no RST, no answer.
    pub fn power_off(&self) -> Result<()> {
        self.namespace.ip("link set eth0 down\n")
    }

    /// Brings a node back after [`power_off`](Self::power_off), with the addresses and routes that it had.
    pub fn power_on(&self) -> Result<()> {
        self.bring_up()
    }
}
