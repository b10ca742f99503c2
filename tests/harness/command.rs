//! Commands that run to their end.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::netns::Namespace;
use crate::wait;

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

/// How a program ended, well or not, and what it said.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `program` in `namespace` to its end, which must come within `bound`.
pub async fn outcome(
    namespace: &Namespace,
    program: &Path,
    arguments: &[&str],
    bound: Duration,
) -> Result<Outcome> {
    let line = format!("run `{} {}`", program.display(), arguments.join(" "));
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace.name()]).arg(program).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // As for a `Process`: whoever takes the namespace down also ends what is too late here.
    let child = namespace.inside(|| command.spawn())?.with_context(|| line.clone())?;
    let ended = tokio::task::spawn_blocking(|| child.wait_with_output());
    let output = wait::within(&line, bound, ended).await??.with_context(|| line.clone())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Outcome { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
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
