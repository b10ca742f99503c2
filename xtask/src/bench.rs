//! `cargo xtask bench`: nanoseconds a packet.

use std::process::ExitCode;

use anyhow::Result;

use crate::demo::run_binary;
use crate::tools::CoreFrom;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// For the bench itself: `--json`; `-- --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    bench: Vec<String>,
}

pub(crate) fn run(args: &Args, core: Option<CoreFrom>) -> Result<ExitCode> {
    run_binary("bench", "loading XDP programs", &args.bench, core)
}
