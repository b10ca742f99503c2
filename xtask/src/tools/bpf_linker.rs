//! bpf-linker: makes one BPF object of what rustc compiles.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::which;
use crate::{child, workspace};

/// What the pinned compiler's bitcode takes.
const OLDEST: (u32, u32) = (0, 13);

/// A linker is ready if it runs: one that lost its LLVM to an upgrade is there and does not.
pub(super) fn is_ready() -> bool {
    let answer = which("bpf-linker").and_then(|linker| child::answer(Command::new(linker).arg("--version")));
    answer.and_then(|answer| version(&answer)).is_some_and(|version| version >= OLDEST)
}

/// "bpf-linker 0.13.0"
fn version(answer: &str) -> Option<(u32, u32)> {
    let mut numbers = answer.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Where LLVM 22 is installed with its headers, which the package of its library alone lacks.
pub(super) fn llvm_prefix() -> Option<PathBuf> {
    let asked =
        which("llvm-config-22").and_then(|config| child::answer(Command::new(config).arg("--prefix")));
    let places = [
        env::var_os("LLVM_PREFIX").map(PathBuf::from),
        asked.map(|prefix| PathBuf::from(prefix.trim_end())),
        Some(PathBuf::from("/usr/lib/llvm-22")),
    ];
    places.into_iter().flatten().find(|prefix| is_llvm_22(prefix))
}

fn is_llvm_22(prefix: &Path) -> bool {
    let version = child::answer(Command::new(prefix.join("bin/llvm-config")).arg("--version"));
    version.is_some_and(|version| version.starts_with("22.")) && prefix.join("include/llvm-c/Core.h").exists()
}

pub(super) fn install() -> Result<()> {
    let prefix =
        llvm_prefix().context("LLVM 22 is not where Debian's llvm-22-dev puts it: set LLVM_PREFIX")?;
    let mut cargo = super::cargo();
    cargo.args(["install", "bpf-linker", "--version", "^0.13", "--locked", "--force"]);
    cargo.args(["--no-default-features", "--features", "llvm-22", "--root"]).arg(workspace::tools());
    child::run(cargo.env("LLVM_PREFIX", prefix)).context("build bpf-linker")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linkers_compare_by_version() {
        assert_eq!(version("bpf-linker 0.13.0\n"), Some((0, 13)));
        assert!(version("bpf-linker 0.9.15").is_some_and(|old| old < OLDEST));
        assert!(version("bpf-linker 1.0.0-beta.1").is_some_and(|new| new >= OLDEST));
        assert_eq!(version("bpf-linker"), None);
        assert_eq!(version(""), None);
    }
}
