//! Toolchains, as rustup knows them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::child;

/// Where `core` for the BPF target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CoreFrom {
    /// Built from the pinned toolchain's rust-src.
    RustSrc,
    /// Ready-made, with Debian's own compiler, unpacked under target/tools.
    Debian,
}

/// A program of a toolchain. Through `rustup run`, whatever toolchain started us.
fn program_of(toolchain: &str, program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, program]);
    command
}

pub(super) fn sysroot(toolchain: &str) -> Result<PathBuf> {
    let answer = child::answer(program_of(toolchain, "rustc").args(["--print", "sysroot"]));
    let answer = answer.with_context(|| {
        format!(
            "`rustup run {toolchain} rustc` does not run: `rustup toolchain install {toolchain}` mends that"
        )
    })?;
    Ok(PathBuf::from(answer.trim_end()))
}

/// The triple that the toolchain compiles for unless told otherwise.
pub(super) fn host(toolchain: &str) -> Result<String> {
    let answer = child::answer(program_of(toolchain, "rustc").arg("-vV")).unwrap_or_default();
    let host = answer.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.with_context(|| format!("rustc of `{toolchain}` names no host"))?.to_owned())
}

pub(super) fn add_components(toolchain: &str, components: &[&str]) -> Result<()> {
    child::run(Command::new("rustup").args(["component", "add", "--toolchain", toolchain]).args(components))
}
