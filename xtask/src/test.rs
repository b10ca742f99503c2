//! `cargo xtask test`: every test of the workspace, and one closing line that says how many there were.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{ExitCode, ExitStatus, Stdio};

use anyhow::{Context as _, Result};

use crate::build::Profile;
use crate::child;
use crate::privilege::Privilege;
use crate::tally::Tally;
use crate::tools::{self, CoreFrom, Needs, Toolbox};

#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// For `cargo test`: a filter, `-p PACKAGE`, `--test TARGET`, `--release`.
    #[arg(allow_hyphen_values = true)]
    cargo: Vec<String>,
    /// For the test programs: `--test-threads 1`, `--nocapture`.
    #[arg(last = true)]
    programs: Vec<String>,
}

pub(crate) fn run(args: &Args, core: Option<CoreFrom>) -> Result<ExitCode> {
    let privilege = Privilege::for_work("loading XDP programs and making network namespaces")?;
    let toolbox = tools::ensure(Needs { network: true, lint: false }, core)?;
    build_daemon(&toolbox, args)?;
    let (status, tally) = run_tests(&toolbox, privilege, args)?;
    let verdict = judge(status.success(), &tally);
    if let Err(complaint) = &verdict {
        eprintln!("xtask: {complaint} (cargo test: {status})");
    }
    // Last of all, and alone on its line: CI counts by it.
    writeln!(io::stdout(), "{tally}").context("write to stdout")?;
    Ok(verdict.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS))
}

/// The traffic tests run the daemon that lies in the build folder, and `cargo test` builds none for another package.
fn build_daemon(toolbox: &Toolbox, args: &Args) -> Result<()> {
    let mut cargo = toolbox.cargo();
    // `--workspace`, so that features unify as they do in the tests, and nothing is compiled twice.
    cargo.args(["build", "--workspace", "--bin", "pointsman"]).args(profile(&args.cargo).flags());
    child::run(&mut cargo)
}

/// Streams the tests' output through, and counts as it passes.
fn run_tests(toolbox: &Toolbox, privilege: Privilege, args: &Args) -> Result<(ExitStatus, Tally)> {
    let mut cargo = toolbox.cargo();
    cargo.arg("test").args(selection(&args.cargo)).arg("--no-fail-fast").args(&args.cargo);
    cargo.arg("--").args(&args.programs);
    if let Some(runner) = runner(privilege) {
        cargo.env(toolbox.runner_variable(), runner);
    }
    let mut cargo = cargo.stdout(Stdio::piped()).spawn().context("start `cargo test`")?;
    let output = cargo.stdout.take().context("`cargo test` has no stdout")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("read from `cargo test`")?;
        let line = String::from_utf8_lossy(&line);
        writeln!(io::stdout(), "{line}").context("write to stdout")?;
        tally.line(&line);
    }
    Ok((cargo.wait().context("wait for `cargo test`")?, tally))
}

/// All packages, unless some were named: `--workspace` would win over `-p`.
fn selection(args: &[String]) -> Option<&'static str> {
    let named = args.iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package"));
    (!named).then_some("--workspace")
}

fn profile(args: &[String]) -> Profile {
    if args.iter().any(|arg| arg == "--release" || arg == "-r") { Profile::Release } else { Profile::Dev }
}

/// Cargo builds as whoever called it; only the test programs become root.
fn runner(privilege: Privilege) -> Option<String> {
    let prefix = privilege.prefix();
    (!prefix.is_empty()).then(|| prefix.join(" "))
}

/// A run passes if cargo says so and something ran: a filter that fits nothing is a mistake, not a success.
const fn judge(success: bool, tally: &Tally) -> Result<(), &'static str> {
    match (success, tally.failed, tally.ran()) {
        (_, 1.., _) => Err("tests failed"),
        (false, 0, _) => Err("a build failed, or a test program died before its result"),
        (true, 0, 0) => Err("no test ran"),
        (true, 0, 1..) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn whole_workspace_unless_packages_are_named() {
        assert_eq!(selection(&strings(&["--test", "datapath"])), Some("--workspace"));
        for named in [&["-p", "tests"][..], &["-ptests"], &["--package=tests"], &["--package", "tests"]] {
            assert_eq!(selection(&strings(named)), None, "{named:?}");
        }
    }

    #[test]
    fn only_a_clean_run_with_tests_passes() {
        let none = Tally::default();
        let good = Tally { passed: 2, failed: 0, ignored: 1 };
        let bad = Tally { passed: 2, failed: 1, ignored: 0 };
        assert_eq!(judge(true, &good), Ok(()));
        assert_eq!(judge(true, &none), Err("no test ran"));
        assert_eq!(judge(true, &Tally { ignored: 7, ..Tally::default() }), Err("no test ran"));
        assert_eq!(judge(false, &bad), Err("tests failed"));
        assert_eq!(judge(true, &bad), Err("tests failed"));
        assert!(judge(false, &good).is_err());
        assert!(judge(false, &none).is_err());
    }

    #[test]
    fn test_programs_go_through_sudo_only_without_root() {
        assert_eq!(runner(Privilege::Root), None);
        assert_eq!(runner(Privilege::Sudo).as_deref(), Some("sudo --preserve-env"));
    }
}
