//! `pointsman check`: the configuration, or all that is wrong with it.

use std::{io::IsTerminal as _, path::Path, process::ExitCode};

use crate::config::{self, ConfigError, checked::Config};

/// The configuration; or the exit code, when what is wrong with it was printed.
///
/// # Errors
/// The file cannot be read.
pub fn load(path: &Path) -> anyhow::Result<Result<Config, ExitCode>> {
    match config::load(path) {
        Ok(config) => Ok(Ok(config)),
        Err(ConfigError::Refused(errors)) => {
            eprintln!("{}", errors.render(std::io::stderr().is_terminal()));
            Ok(Err(ExitCode::from(2)))
        }
        Err(error) => Err(error.into()),
    }
}

/// # Errors
/// The file cannot be read.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let config = match load(path)? {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let targets: usize = config.target_groups.values().map(|group| group.targets.len()).sum();
    println!(
        "{}: ok: {} listeners, {} target groups, {targets} targets",
        path.display(),
        config.listeners.len(),
        config.target_groups.len()
    );
    Ok(ExitCode::SUCCESS)
}
