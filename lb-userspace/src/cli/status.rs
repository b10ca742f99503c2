//! `pointsman status`: what the daemon says of itself, for people or for programs.

mod page;

use std::{
    io::{self, Write as _},
    path::Path,
    time::SystemTime,
};

use anyhow::Context as _;

use super::client;

/// Asks the daemon behind `socket` and prints its answer.
///
/// # Errors
/// No daemon answers, or what it answers is not understood.
pub async fn run(socket: &Path, json: bool) -> anyhow::Result<()> {
    let body = client::get(socket, "/v1/status").await?;
    let text = if json {
        // As it came: what this command does not know of is there, too.
        format!("{}\n", String::from_utf8_lossy(&body))
    } else {
        let status = serde_json::from_slice(&body).with_context(|| {
            format!("read the answer of the daemon at `{}`: is it of another version?", socket.display())
        })?;
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
        page::page(&status, SystemTime::now(), width)
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads with `head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("print the status"),
    }
}

#[cfg(test)]
mod tests;
