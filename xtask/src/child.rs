//! Child processes. Unless a function says otherwise, a child's stdout goes to our stderr.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Runs to the end; any exit but 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status =
        command.stdout(io::stderr()).status().with_context(|| format!("start `{}`", words(command)))?;
    ensure!(status.success(), "`{}`: {status}", words(command));
    Ok(())
}

/// What the command printed, or nothing if it could not start or did not exit with 0.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Becomes the command, stdin and stdout included, and so its exit code and its answer to Ctrl-C too. Returns only
/// when that fails.
pub(crate) fn become_command(mut command: Command) -> Result<std::process::ExitCode> {
    let error = command.exec();
    Err(error).with_context(|| format!("start `{}`", words(&command)))
}

/// The command as a person would type it, without its environment.
fn words(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
