//! What the edges tell the core. An edge says what it saw; what follows from it is the core's to say.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::{
    config::checked::{Config, GroupName, TargetAddress},
    core::slots::Live,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A checked configuration takes the place of the one before.
    Configured(Box<Config>),
    /// A health check ended.
    Probed { target: TargetKey, outcome: Outcome, took: Duration },
    /// The way to an address became known, changed, or was lost.
    Routed { address: IpAddr, route: Result<NextHop, NoRoute> },
    /// The program could not record a flow of a slot that learns.
    NotRecorded,
    /// What was decided did not reach the maps, or not all of it.
    NotWritten,
    /// The tables of flows were looked through.
    Swept(Swept),
}

/// What a sweep found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// What was written after this instant, it may have missed.
    pub began: Instant,
    pub live: Live,
}

/// One target in one group: an address that two groups hold is checked, and counted, in each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey {
    pub group: GroupName,
    pub address: TargetAddress,
}

/// How a health check ended. The failures map to the NLB's reason codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// `Target.Timeout`
    TimedOut,
    /// `Target.ResponseCodeMismatch`, with the code.
    WrongCode(u16),
    /// `Target.FailedHealthChecks`: refused, reset, or an answer that is not HTTP; with what was seen.
    Failed(String),
}

/// The link to a target's next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// `ifindex` of the interface that the route leaves by.
    pub interface: u32,
    /// MAC of that interface.
    pub own_mac: [u8; 6],
    /// `None`: the target is on the link.
    pub gateway: Option<IpAddr>,
    /// MAC of the gateway, or of the target when it is on the link.
    pub gateway_mac: [u8; 6],
    /// The route's MTU if it has one, else the interface's, in bytes of IP packet.
    pub mtu: u32,
}

/// Why there is no next hop (yet).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    #[error("no route to {0}")]
    Unreachable(IpAddr),
    #[error("the neighbour {0} does not answer yet")]
    Unresolved(IpAddr),
    #[error("the route leaves by `{0}`, which is not one of `node.interfaces`")]
    ForeignInterface(String),
    #[error("{0} is an address of this host")]
    Local(IpAddr),
    #[error("{address} is behind the gateway {gateway}, and `l2` reaches only what is on the link")]
    OffLink { address: IpAddr, gateway: IpAddr },
}
