//! `pointsman node attach`: a training node takes the outer headers off itself.

use std::process::ExitCode;

use anyhow::Context as _;
use lb_common::verdict::NodeVerdict;

use super::NodeAttach;
use crate::{
    dataplane::{interface, node::Node},
    signals::Signals,
};

/// Attaches until a signal comes, then says what was counted.
///
/// # Errors
/// The interface is not there, or the kernel or the driver refuses.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub async fn attach(arguments: NodeAttach) -> anyhow::Result<ExitCode> {
    let NodeAttach { interface, from, gue_port, xdp_mode } = arguments;
    let signals = Signals::listen()?;
    let found = interface::find(&[interface])?.pop().context("one interface was asked for")?;
    let mut node = Node::load(&from, gue_port)?;
    node.attach(&found, xdp_mode.into())?;
    if from.is_empty() {
        tracing::warn!("any source may send encapsulated packets; `--from PREFIX` names the edge nodes");
    }
    println!("attached to {}: unwrapping IP in IP, and IP in UDP at port {gue_port}", found.name);
    signals.stopped().await;
    let counted = node.counters()?;
    drop(node);
    println!("detached from {}", found.name);
    for (verdict, tally) in counted.iter().filter(|(_, tally)| tally.packets > 0) {
        let name = NodeVerdict::name(*verdict);
        println!("{:>12} packets {name}: {}", tally.packets, verdict.meaning());
    }
    Ok(ExitCode::SUCCESS)
}
