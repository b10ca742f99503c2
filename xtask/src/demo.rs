//! `cargo xtask demo`: the main job, on real traffic.

use std::process::ExitCode;

use anyhow::Result;

use crate::child;
use crate::privilege::Privilege;
use crate::tools::{self, CoreFrom, Needs};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// For the demo itself: `--json`, `--keep`; `-- --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    demo: Vec<String>,
}

pub(crate) fn run(args: &Args, core: Option<CoreFrom>) -> Result<ExitCode> {
    run_binary("demo", "making network namespaces", &args.demo, core)
}

/// Builds a program of package `tests` and becomes it, so that nothing of ours is on its stdout.
pub(crate) fn run_binary(name: &str, why: &str, args: &[String], core: Option<CoreFrom>) -> Result<ExitCode> {
    // First, so that nobody waits for a build only to hear that it can't run.
    let privilege = Privilege::for_work(why)?;
    let toolbox = tools::ensure(Needs { network: true, lint: false }, core)?;
    let profile = crate::build::Profile::Release;
    crate::build::build(&toolbox, profile)?;
    let mut program = privilege.command(profile.folder().join(name));
    toolbox.equip(&mut program).args(args);
    child::become_command(program)
}
