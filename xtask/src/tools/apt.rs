//! Debian's packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::which;
use crate::child;
use crate::privilege::Privilege;

/// A package, and why it is needed, in a few words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
}

/// Fetches the lists once, however many steps want packages.
#[derive(Default)]
pub(super) struct Apt {
    updated: bool,
}

impl Apt {
    pub(super) fn install(&mut self, packages: &[Package]) -> Result<()> {
        let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
        self.install_named(&names)
    }

    pub(super) fn install_named(&mut self, names: &[&str]) -> Result<()> {
        ensure!(
            which("apt-get").is_some(),
            "this system has no `apt-get`: install what Debian calls `{}` by its own means, and run this again",
            names.join(" ")
        );
        let privilege = Privilege::for_work("installing packages")?;
        self.update(privilege)?;
        child::run(apt_get(privilege).args(["install", "--yes", "--no-install-recommends"]).args(names))
    }

    /// Makes sure that the package lists have these. A fresh machine has no lists; elsewhere no root is needed.
    pub(super) fn know(&mut self, names: &[&str]) -> Result<()> {
        ensure!(which("apt-get").is_some(), "only Debian and its kin have `{}`", names.join(" "));
        if !names.iter().all(|name| is_known(name)) {
            self.update(Privilege::for_work("fetching the package lists")?)?;
        }
        Ok(())
    }

    fn update(&mut self, privilege: Privilege) -> Result<()> {
        if !self.updated {
            child::run(apt_get(privilege).args(["update", "-q"])).context("fetch the package lists")?;
            self.updated = true;
        }
        Ok(())
    }
}

/// Through `env`, because sudo drops variables it does not know.
fn apt_get(privilege: Privilege) -> Command {
    let mut command = privilege.command("env");
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}

/// Downloads packages into a folder and installs nothing.
pub(super) fn download<'name>(names: impl IntoIterator<Item = &'name str>, folder: &Path) -> Result<()> {
    // As root apt would download as a user that can't write here, and warn about it.
    let args = ["-o", "APT::Sandbox::User=root", "download"];
    child::run(Command::new("apt-get").args(args).args(names).current_dir(folder))
}

fn is_known(package: &str) -> bool {
    child::answer(Command::new("apt-cache").args(["show", package])).is_some()
}

/// The packages that `package` depends on and whose names start with `prefix`.
pub(super) fn dependencies(package: &str, prefix: &str) -> Result<Vec<String>> {
    let listing = child::answer(Command::new("apt-cache").args(["depends", package]))
        .with_context(|| format!("the package lists have no `{package}`"))?;
    let found = depends(&listing, prefix);
    ensure!(!found.is_empty(), "`{package}` depends on no `{prefix}*`");
    Ok(found)
}

fn depends(listing: &str, prefix: &str) -> Vec<String> {
    let names = listing.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_past_the_other_kinds() {
        let listing =
            "libstd-rust-web-1.96\n  Depends: libc6\n  Depends: libllvm22\n  Suggests: libllvm-doc\n";
        assert_eq!(depends(listing, "libllvm"), ["libllvm22"]);
        assert!(depends(listing, "libz3").is_empty());
    }
}
