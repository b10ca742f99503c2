//! The configuration, read again while the daemon runs: taken whole or refused whole.

use std::path::Path;

use crate::config::{
    self, ConfigError,
    checked::{Config, Node, Tracking},
};

#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{} cannot change while the daemon runs; restart it", .0.join(" and "))]
    Fixed(Vec<&'static str>),
}

/// What the file says now, if the daemon that runs by `running` can take it.
///
/// # Errors
/// Whatever is wrong with the file, or which of its tables are fixed.
pub(super) fn load(file: &Path, running: &Config) -> Result<Config, Refused> {
    let mut config = config::load(file)?;
    // The command line may have set another than the file.
    config.node.xdp_mode = running.node.xdp_mode;
    let fixed = fixed(running, &config);
    if fixed.is_empty() { Ok(config) } else { Err(Refused::Fixed(fixed)) }
}

/// Tables that differ, of those that the program and the sockets were made by.
fn fixed(running: &Config, config: &Config) -> Vec<&'static str> {
    // All fields: a new one must be met here.
    let Config {
        node,
        nat,
        encapsulation: _,
        tracking,
        limits,
        api,
        metrics,
        listeners: _,
        target_groups: _,
    } = config;
    let Node { interfaces, seed, xdp_mode: _ } = node;
    let Tracking { learning_window: _, udp_learning_window: _, .. } = tracking;
    let sizes = |it: &Tracking| (it.flows, it.new_flows_per_second, it.tcp_idle_timeout, it.udp_idle_timeout);
    let differing = [
        ("`node.interfaces`", *interfaces != running.node.interfaces),
        ("`node.seed`", *seed != running.node.seed),
        ("`[nat]`", *nat != running.nat),
        ("`[tracking]`, but for its windows,", sizes(tracking) != sizes(&running.tracking)),
        ("`[limits]`", *limits != running.limits),
        ("`[api]`", *api != running.api),
        ("`[metrics]`", *metrics != running.metrics),
    ];
    differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}
