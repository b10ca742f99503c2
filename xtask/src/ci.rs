//! `cargo xtask ci`: what has to pass before a change lands.

use std::process::ExitCode;

use anyhow::Result;

use crate::tools::CoreFrom;
use crate::{lint, test};

pub(crate) fn run(core: Option<CoreFrom>) -> Result<ExitCode> {
    let linted = lint::run(&lint::Args::default(), core)?;
    if linted != ExitCode::SUCCESS {
        return Ok(linted);
    }
    test::run(&test::Args::default(), core)
}
