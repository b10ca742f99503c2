//! `cargo xtask attach`: build, and run the daemon as an edge node would.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};

use crate::build::{self, Profile};
use crate::child;
use crate::privilege::Privilege;
use crate::tools::{self, CoreFrom, Needs};
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The interface; without `--config`, with a configuration that has no listeners and passes every packet on.
    #[arg(long, value_name = "IF", required_unless_present = "config", value_parser = interface_name)]
    interface: Option<String>,
    /// Attach as this configuration says, to the interfaces that it names.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, core: Option<CoreFrom>) -> Result<ExitCode> {
    let privilege = Privilege::for_work("attaching an XDP program")?;
    let config = config_file(args)?;
    let toolbox = tools::ensure(Needs::default(), core)?;
    build::build(&toolbox, Profile::Release)?;
    let mut daemon = privilege.command(Profile::Release.folder().join("pointsman"));
    toolbox.equip(&mut daemon).args(["run", "--config"]).arg(config);
    child::become_command(daemon)
}

/// The configuration that was named, or one written for the interface that was.
fn config_file(args: &Args) -> Result<PathBuf> {
    match args {
        Args { interface: None, config: Some(file) } => Ok(file.clone()),
        Args { interface: Some(interface), config: Some(file) } => {
            let text = fs::read_to_string(file).with_context(|| format!("read `{}`", file.display()))?;
            // The configuration decides; one that was written for another interface is a mistake to catch here.
            ensure!(names(&text, interface), "`{}` does not name interface `{interface}`", file.display());
            Ok(file.clone())
        }
        Args { interface: Some(interface), config: None } => write_config(interface),
        Args { interface: None, config: None } => bail!("neither an interface nor a configuration was given"),
    }
}

/// Whether the interface stands in quotes somewhere in the text. The daemon is the one that understands it.
fn names(config: &str, interface: &str) -> bool {
    ['"', '\''].iter().any(|quote| config.contains(&format!("{quote}{interface}{quote}")))
}

fn write_config(interface: &str) -> Result<PathBuf> {
    let folder = workspace::target().join("xtask");
    fs::create_dir_all(&folder).with_context(|| format!("make `{}`", folder.display()))?;
    let file = folder.join(format!("attach-{interface}.toml"));
    fs::write(&file, config_text(interface, &random_seed()?))
        .with_context(|| format!("write `{}`", file.display()))?;
    eprintln!("xtask: attaching with `{}`", file.display());
    Ok(file)
}

fn config_text(interface: &str, seed: &[u8]) -> String {
    let mut text = format!("[node]\ninterfaces = [\"{interface}\"]\nseed = \"");
    for byte in seed {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push_str("\"\n");
    text
}

fn random_seed() -> Result<[u8; 16]> {
    let mut seed = [0; 16];
    let mut urandom = File::open("/dev/urandom").context("open `/dev/urandom`")?;
    urandom.read_exact(&mut seed).context("read `/dev/urandom`")?;
    Ok(seed)
}

/// A name that the kernel would take for an interface, and that needs no escape in a file's name or in TOML.
fn interface_name(name: &str) -> Result<String, &'static str> {
    let fits = (1..=15).contains(&name.len()) && name != "." && name != "..";
    let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && !b"/\\\"".contains(&byte));
    if fits && plain {
        Ok(name.to_owned())
    } else {
        Err("an interface's name has 1 to 15 characters, none of them a space, `/`, `\\` or `\"`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_names_the_interface_and_the_seed_in_hex() {
        assert_eq!(
            config_text("eth7", &[0x00, 0xa5, 0xff]),
            "[node]\ninterfaces = [\"eth7\"]\nseed = \"00a5ff\"\n"
        );
    }

    #[test]
    fn configuration_for_another_interface_is_noticed() {
        let config = config_text("eth1", b"x");
        assert!(names(&config, "eth1"));
        assert!(names("interfaces = ['eth1', 'eth2']", "eth2"));
        assert!(!names(&config, "eth"));
        assert!(!names(&config, "eth12"));
    }

    #[test]
    fn names_that_would_break_out_of_the_configuration_are_refused() {
        for good in ["lo", "eth0", "enp0s31f6.100", "veth-a_b@1"] {
            assert_eq!(interface_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "..", "a/b", "a b", "a\"]", "a\\n", "sixteencharacter", "a\n"] {
            assert!(interface_name(bad).is_err(), "{bad:?}");
        }
    }
}
