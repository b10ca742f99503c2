//! `cargo xtask lint`: format, lints, licences, spelling.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::child;
use crate::tools::{self, CoreFrom, Extra, Needs, Toolbox};
use crate::workspace;

#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// Build cargo-deny and typos into `target/tools` first, if they are not there (some minutes).
    #[arg(long)]
    install: bool,
}

pub(crate) fn run(args: &Args, core: Option<CoreFrom>) -> Result<ExitCode> {
    let toolbox = tools::ensure(Needs { network: false, lint: true }, core)?;
    if args.install {
        tools::install_extras(&toolbox)?;
    }
    let mut checks = vec![
        cargo(&toolbox, &["fmt", "--all", "--check"]),
        cargo(&toolbox, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    ];
    checks.extend(extra(&toolbox, Extra::CargoDeny, &["check", "bans", "licenses", "sources"]));
    checks.extend(extra(&toolbox, Extra::Typos, &[]));
    // All of them, whatever the first says: one run shows everything there is to mend.
    let mut failed = false;
    for mut check in checks {
        if let Err(error) = child::run(&mut check) {
            eprintln!("xtask: {error:#}");
            failed = true;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn cargo(toolbox: &Toolbox, args: &[&str]) -> Command {
    let mut cargo = toolbox.cargo();
    cargo.args(args);
    cargo
}

/// The check by an optional tool; without it, one line on how to get it.
fn extra(toolbox: &Toolbox, extra: Extra, args: &[&str]) -> Option<Command> {
    let Some(program) = extra.find() else {
        eprintln!(
            "xtask: {} is not installed, so {} went unchecked: `cargo xtask lint --install` builds it",
            extra.program(),
            extra.checks()
        );
        return None;
    };
    let mut command = Command::new(program);
    toolbox.equip(&mut command).args(args).current_dir(workspace::root());
    Some(command)
}
