//! `cargo xtask build`: the daemon with its XDP programs, the demo and the bench.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::child;
use crate::tools::{self, CoreFrom, Needs, Toolbox};
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimised, as the demo, the bench and `attach` run it.
    #[arg(long)]
    release: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    /// Where cargo puts what it builds in this profile.
    pub(crate) fn folder(self) -> PathBuf {
        workspace::target().join(match self {
            Self::Dev => "debug",
            Self::Release => "release",
        })
    }

    pub(crate) const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Dev => &[],
            Self::Release => &["--release"],
        }
    }
}

pub(crate) fn run(args: Args, core: Option<CoreFrom>) -> Result<ExitCode> {
    let toolbox = tools::ensure(Needs::default(), core)?;
    build(&toolbox, if args.release { Profile::Release } else { Profile::Dev })?;
    Ok(ExitCode::SUCCESS)
}

/// One selection of packages for every verb that builds: another would unify features otherwise, and compile the
/// dependencies twice.
pub(crate) fn build(toolbox: &Toolbox, profile: Profile) -> Result<()> {
    let mut cargo = toolbox.cargo();
    cargo.args(["build", "-p", "lb-userspace", "-p", "tests", "--bins"]).args(profile.flags());
    child::run(&mut cargo)
}
