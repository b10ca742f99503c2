//! The rust-src component: a build makes `core` for the BPF target from it.

use std::path::Path;

use anyhow::{Result, ensure};

use super::toolchain::{add_components, sysroot};

/// By the file that a build reads: rustup's own list may name a component whose files are gone.
pub(super) fn is_there(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists()
}

pub(super) fn add(toolchain: &str) -> Result<()> {
    add_components(toolchain, &["rust-src"])?;
    ensure!(
        is_there(&sysroot(toolchain)?),
        "rustup lists rust-src for `{toolchain}`, but its files are missing"
    );
    Ok(())
}
