//! Commands that run to their end.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Runs `program`, feeds it `input`, and turns a bad end into an error that holds what it said.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let line = || format!("run `{program} {}`", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(line)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends early closes the pipe: its exit status and its words say more than our EPIPE.
        let _broken_pipe = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(line)?;
    if !output.status.success() {
        bail!("{}: {}: {}", line(), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Refuses early, and with advice, when a program that the lab needs is not there.
pub fn require(program: &str, package: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned(), Path::new("/sbin").to_owned()])
        .any(|directory| directory.join(program).is_file());
    if !found {
        bail!("find `{program}`: not on the PATH; `apt-get install {package}` brings it");
    }
    Ok(())
}
