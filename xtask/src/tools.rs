//! The tools that a build or a test needs and a fresh machine lacks.
//!
//! First the facts are gathered, then [`plan`] decides, then the steps are carried out: a line each, and silence when
//! there is nothing to do.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace;

mod apt;
mod bpf_linker;
mod debian_core;
mod extra;
mod plan;
mod rust_src;
mod toolchain;

pub(crate) use extra::{Extra, install_all as install_extras};
pub(crate) use plan::Needs;
pub(crate) use toolchain::CoreFrom;

use apt::Apt;
use plan::{Facts, Step, plan};

/// What a child needs to know of the tools.
pub(crate) struct Toolbox {
    path: OsString,
    core: CoreFrom,
    host: String,
}

/// Makes sure of what a verb needs. `forced` is where `core` has to come from, if someone said.
pub(crate) fn ensure(needs: Needs, forced: Option<CoreFrom>) -> Result<Toolbox> {
    let channel = workspace::channel()?;
    let facts = facts(&channel, forced)?;
    let mut core = plan::core(&facts, forced);
    let mut apt = Apt::default();
    for step in plan(needs, &facts, forced) {
        eprintln!("xtask: {step}");
        match step {
            Step::Packages(packages) => apt.install(&packages)?,
            Step::Components(components) => toolchain::add_components(&channel, &components)?,
            Step::RustSrc { or_debian } => match rust_src::add(&channel) {
                Ok(()) => {}
                Err(error) if or_debian => {
                    eprintln!("xtask: {error:#}: taking `core` from Debian's packages instead");
                    debian_core::add(&channel, &mut apt)?;
                    core = CoreFrom::Debian;
                }
                Err(error) => return Err(error),
            },
            Step::DebianCore => debian_core::add(&channel, &mut apt)?,
            Step::BpfLinker => bpf_linker::install()?,
        }
    }
    Ok(Toolbox { path: search_path()?, core, host: facts.host })
}

fn facts(channel: &str, forced: Option<CoreFrom>) -> Result<Facts> {
    let sysroot = toolchain::sysroot(channel)?;
    let rust_src = rust_src::is_there(&sysroot);
    // Asking rustup for it takes time, and nearly nobody has it or needs it.
    let ask_debian = forced == Some(CoreFrom::Debian) || (forced.is_none() && !rust_src);
    Ok(Facts {
        host: toolchain::host(channel)?,
        rust_src,
        debian_core: ask_debian && debian_core::is_ready(),
        clippy: sysroot.join("bin/cargo-clippy").exists(),
        rustfmt: sysroot.join("bin/cargo-fmt").exists(),
        bpf_linker: bpf_linker::is_ready(),
        llvm: bpf_linker::llvm_prefix().is_some(),
        cc: which("cc").is_some(),
        ip: which("ip").is_some(),
        ethtool: which("ethtool").is_some(),
    })
}

impl Toolbox {
    /// Cargo, at the workspace's root.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = cargo();
        self.equip(&mut cargo);
        cargo
    }

    /// Shows a command the tools.
    pub(crate) fn equip<'command>(&self, command: &'command mut Command) -> &'command mut Command {
        command.env("PATH", &self.path);
        match self.core {
            CoreFrom::RustSrc => command.env_remove("POINTSMAN_BPF_TOOLCHAIN"),
            CoreFrom::Debian => command.env("POINTSMAN_BPF_TOOLCHAIN", debian_core::TOOLCHAIN),
        }
    }

    /// The variable that tells cargo what to run test programs with.
    pub(crate) fn runner_variable(&self) -> String {
        format!("CARGO_TARGET_{}_RUNNER", self.host.to_uppercase().replace('-', "_"))
    }
}

/// Cargo, at the workspace's root, without what the cargo that started us left in the environment.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        // Build scripts that watch these would run again, now under `cargo xtask`, now under plain `cargo`.
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(workspace::root());
    cargo
}

/// Folders that hold tools: ours, the caller's, and those where a plain user's PATH misses `ip` and `ethtool`.
fn search_folders() -> Vec<PathBuf> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![workspace::tools_bin()];
    folders.extend(env::split_paths(&inherited));
    for system in ["/usr/sbin", "/sbin"] {
        if !folders.iter().any(|folder| folder == Path::new(system)) {
            folders.push(system.into());
        }
    }
    folders
}

fn search_path() -> Result<OsString> {
    env::join_paths(search_folders()).context("put `target/tools/bin` on the PATH")
}

/// Where a program lies, if it is there and can be run.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    search_folders().into_iter().map(|folder| folder.join(program)).find(|file| {
        file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}
