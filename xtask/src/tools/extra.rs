//! Tools that make a lint say more and that a lint can do without.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{Toolbox, which};
use crate::{child, workspace};

#[derive(Clone, Copy)]
pub(crate) enum Extra {
    CargoDeny,
    Typos,
}

impl Extra {
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::CargoDeny => "cargo-deny",
            Self::Typos => "typos",
        }
    }

    /// What it looks at.
    pub(crate) const fn checks(self) -> &'static str {
        match self {
            Self::CargoDeny => "dependencies and their licences",
            Self::Typos => "spelling",
        }
    }

    const fn package(self) -> (&'static str, &'static str) {
        match self {
            Self::CargoDeny => ("cargo-deny", "^0.20"),
            Self::Typos => ("typos-cli", "^1.52"),
        }
    }

    pub(crate) fn find(self) -> Option<PathBuf> {
        which(self.program())
    }
}

/// Builds those that are not there.
pub(crate) fn install_all(toolbox: &Toolbox) -> Result<()> {
    for extra in [Extra::CargoDeny, Extra::Typos] {
        if extra.find().is_some() {
            continue;
        }
        eprintln!("xtask: building {} into target/tools (it checks {})", extra.program(), extra.checks());
        let (package, version) = extra.package();
        let mut cargo = toolbox.cargo();
        cargo.args(["install", package, "--version", version, "--locked", "--root"]).arg(workspace::tools());
        child::run(&mut cargo).with_context(|| format!("build {}", extra.program()))?;
    }
    Ok(())
}
