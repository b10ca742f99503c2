//! Which XDP program an interface has.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::command;
use crate::netns::Namespace;

const LIMIT: Duration = Duration::from_secs(5);

/// An attached program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    pub program: String,
    pub mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Driver,
    Generic,
}

/// A line of `ip -json link show`, as far as it tells of XDP.
#[derive(Deserialize)]
struct Link {
    xdp: Option<Xdp>,
}

#[derive(Deserialize)]
struct Xdp {
    /// `XDP_ATTACHED_*` of linux/if_link.h.
    mode: u8,
    prog: Program,
}

#[derive(Deserialize)]
struct Program {
    name: String,
}

/// The program on `interface`, by the kernel's word.
pub async fn attached(namespace: &Namespace, interface: &str) -> Result<Option<Attached>> {
    let arguments = ["-json", "link", "show", "dev", interface];
    let shown = command::outcome(namespace, Path::new("ip"), &arguments, LIMIT).await?;
    let act = || format!("see what is attached to `{interface}` in namespace `{}`", namespace.name());
    let links: Vec<Link> = serde_json::from_str(&shown.stdout).with_context(act)?;
    let Some(Xdp { mode, prog }) = links.into_iter().find_map(|link| link.xdp) else { return Ok(None) };
    let mode = match mode {
        1 => Mode::Driver,
        2 => Mode::Generic,
        other => bail!("{}: mode {other} is neither driver nor generic", act()),
    };
    Ok(Some(Attached { program: prog.name, mode }))
}
