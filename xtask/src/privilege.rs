//! Root, or the way to it.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::child;
use crate::tools::which;

/// How a command comes to run as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Privilege {
    Root,
    Sudo,
}

impl Privilege {
    /// Finds the way, and says so when it is sudo. `why` is what needs root.
    pub(crate) fn for_work(why: &str) -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("read `/proc/self/status`")?;
        let euid = effective_uid(&status).context("`/proc/self/status` has no effective user id")?;
        let Some(privilege) = Self::decide(euid, which("sudo").is_some()) else {
            bail!("{why} needs root, and there is no `sudo` here: run this as root, or install sudo");
        };
        if privilege == Self::Sudo {
            eprintln!("xtask: {why} needs root: using sudo");
            // Asked for here, where a person is still looking, and not in the middle of a test's output.
            child::run(Command::new("sudo").arg("true")).context("sudo was refused: run this as root")?;
        }
        Ok(privilege)
    }

    const fn decide(euid: u32, sudo: bool) -> Option<Self> {
        match (euid, sudo) {
            (0, _) => Some(Self::Root),
            (_, true) => Some(Self::Sudo),
            (_, false) => None,
        }
    }

    /// `program`, to be run as root in this environment.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let Some((sudo, flags)) = self.prefix().split_first() else {
            return Command::new(program);
        };
        let mut command = Command::new(sudo);
        command.args(flags).arg(program);
        command
    }

    /// What goes before a command.
    pub(crate) const fn prefix(self) -> &'static [&'static str] {
        match self {
            Self::Root => &[],
            Self::Sudo => &["sudo", "--preserve-env"],
        }
    }
}

/// `Uid:` has four numbers: real, effective, saved, file system.
fn effective_uid(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_uid_is_the_second_number() {
        assert_eq!(effective_uid("Name:\txtask\nUid:\t1000\t0\t1000\t1000\nGid:\t7\t8\t7\t7\n"), Some(0));
        assert_eq!(effective_uid("Name:\txtask\n"), None);
    }

    #[test]
    fn root_needs_no_sudo_and_others_need_it() {
        assert_eq!(Privilege::decide(0, false), Some(Privilege::Root));
        assert_eq!(Privilege::decide(0, true), Some(Privilege::Root));
        assert_eq!(Privilege::decide(1000, true), Some(Privilege::Sudo));
        assert_eq!(Privilege::decide(1000, false), None);
    }

    #[test]
    fn sudo_goes_before_the_program() {
        let command = Privilege::Sudo.command("ip");
        assert_eq!(command.get_program(), "sudo");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["--preserve-env", "ip"]);
        assert_eq!(Privilege::Root.command("ip").get_program(), "ip");
    }
}
