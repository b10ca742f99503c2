//! What veth must not do for an XDP program to see real packets.

use anyhow::{Context as _, Result};

use super::{Plan, script};
use crate::command;
use crate::netns::Namespace;

pub(super) fn require_tools() -> Result<()> {
    command::require("ethtool", "ethtool")
}

/// Sets every end that the router sends from.
///
/// A veth hands its peer packets with the checksum still to be filled in and segments still to be cut, which no
/// wire would: `tx`, `tso` and `gso` off. And a veth drops what an XDP program at its peer sends unless it polls
/// (NAPI), which `gro` turns on.
pub(super) fn set(router: &Namespace, plan: &Plan) -> Result<()> {
    let lines: Vec<String> = script::router_interfaces(plan)
        .iter()
        .map(|name| format!("ethtool -K {name} tx off tso off gso off gro on"))
        .collect();
    router
        .inside(|| command::run("sh", &["-e"], &lines.join("\n")))?
        .context("set the offloads of the router's interfaces")
}
