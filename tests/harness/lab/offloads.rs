//! What veth must not do, and what it must, for an XDP program to see real packets and be heard.

use std::fmt;

use anyhow::{Context as _, Result};
use lb_common::outer::GUE_PORT;
use pointsman::{
    config::{self, checked::XdpMode},
    dataplane::{
        interface,
        kernel::Kernel,
        load::{Sizes, settings},
        node::Node as Program,
    },
};

use super::{Node, Plan, script};
use crate::command;
use crate::netns::Namespace;

pub(super) fn require_tools() -> Result<()> {
    command::require("ethtool", "ethtool")
}

/// Sets every end that the router sends from.
///
/// A veth hands its peer packets with the checksum still to be filled in and segments still to be cut, which no
/// wire would: `tx`, `tso` and `gso` off.
pub(super) fn set(router: &Namespace, plan: &Plan) -> Result<()> {
    let lines: Vec<String> = script::router_interfaces(plan)
        .iter()
        .map(|name| format!("ethtool -K {name} tx off tso off gso off"))
        .collect();
    router
        .inside(|| command::run("sh", &["-e"], &lines.join("\n")))?
        .context("set the offloads of the router's interfaces")
}

/// Keeps an XDP program on the far ends of the edge's links.
///
/// A veth drops what an XDP program at its peer sends unless it polls (NAPI). GRO is said to turn that on too,
/// but on kernel 6.18 what the edge sent was neither refused nor delivered; a program does it.
pub(super) struct Polling {
    _router: Kernel,
    _nodes: Vec<Program>,
}

impl Polling {
    /// The edge program without a listener passes every packet on; so does the training nodes', unless it is an
    /// envelope, which does not come this way.
    pub(super) fn start(router: &Namespace, nodes: &[Node], plan: &Plan) -> Result<Self> {
        let names: Vec<String> =
            script::router_interfaces(plan).into_iter().filter(|name| name.starts_with("edge")).collect();
        let config = config::parse(NO_LISTENER, "no-listener.toml")?;
        let mut program = Kernel::load(Sizes::of(&config), &settings(&config))
            .context("load a program that passes packets on")?;
        router.inside(|| {
            for end in interface::find(&names)? {
                program.attach(&end, XdpMode::Driver)?;
            }
            anyhow::Ok(())
        })??;
        let adjacent = nodes.iter().filter(|_| plan.adjacent);
        Ok(Self { _router: program, _nodes: adjacent.map(attached).collect::<Result<_>>()? })
    }
}

fn attached(node: &Node) -> Result<Program> {
    let mut program = Program::load(&[], GUE_PORT).context("load a program that passes packets on")?;
    node.namespace.inside(|| {
        for end in interface::find(&["eth1".to_owned()])? {
            program.attach(&end, XdpMode::Driver)?;
        }
        anyhow::Ok(program)
    })?
}

impl fmt::Debug for Polling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Polling")
    }
}

const NO_LISTENER: &str = r#"
[node]
interfaces = ["edge"]
seed = "nothing is steered"
[limits]
listeners = 1
targets = 2
slots = 101
"#;
