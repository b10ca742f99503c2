//! The command line: a file a command.
//!
//! Architecture invariant: a command that speaks to a running daemon knows it by its socket alone.

pub mod check;
mod client;
pub mod node;
pub mod status;
mod table;
mod units;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use ipnet::IpNet;
use lb_common::outer::GUE_PORT;

use crate::config::checked::XdpMode;

/// An L4 load balancer on XDP, in front of training clusters.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Balance: load the program, attach it, check the targets, until SIGTERM or Ctrl-C.
    Run(Run),
    /// Check a configuration, and do nothing else.
    Check {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Show listeners, targets and traffic of the daemon that runs here.
    Status {
        /// The daemon's socket, `api.socket` of its configuration.
        #[arg(long, value_name = "PATH", default_value = "/run/pointsman/pointsman.sock")]
        socket: PathBuf,
        /// The same as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// On a training node.
    #[command(subcommand)]
    Node(NodeCommand),
}

#[derive(Debug, Args)]
pub struct Run {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Where the program runs, whatever the configuration says: `generic` works on every driver, slower.
    #[arg(long, value_name = "MODE")]
    pub xdp_mode: Option<Mode>,
}

#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Unwrap what edge nodes send, until SIGTERM or Ctrl-C. A target then needs no tunnel module.
    Attach(NodeAttach),
}

#[derive(Debug, Args)]
pub struct NodeAttach {
    /// Where encapsulated packets come in.
    #[arg(long, value_name = "IF")]
    pub interface: String,
    /// Unwrap only what comes from this prefix: an edge node's `encapsulation.ipv4_source` or
    /// `ipv6_source`. May be given more than once; without it, any source is unwrapped.
    #[arg(long, value_name = "PREFIX")]
    pub from: Vec<IpNet>,
    /// Where `gue` sends to: the edge nodes' `encapsulation.gue_port`.
    #[arg(long, value_name = "PORT", default_value_t = GUE_PORT, value_parser = value_parser!(u16).range(1..))]
    pub gue_port: u16,
    /// Where the program runs: `generic` works on every driver, slower.
    #[arg(long, value_name = "MODE", default_value = "driver")]
    pub xdp_mode: Mode,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    /// In the network driver, before the kernel makes a packet of the frame.
    Driver,
    /// In the kernel's stack.
    Generic,
}

impl From<Mode> for XdpMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Driver => Self::Driver,
            Mode::Generic => Self::Generic,
        }
    }
}
