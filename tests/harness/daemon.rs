//! `pointsman` itself, in the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;

use crate::lab::{Lab, Node};
use crate::netns::Namespace;
use crate::process::Process;
use crate::status::{self, Status};

/// How long a start may take: loading and verifying the programs, on a busy machine.
const START: Duration = Duration::from_secs(20);
/// How long a clean stop may take.
const STOP: Duration = Duration::from_secs(5);

/// How long a file may take to be read again.
const RELOAD: Duration = Duration::from_secs(10);
/// What the daemon says of a file that it takes, and of one that it refuses.
const TAKEN: &str = "configuration read again";
const REFUSED: &str = "configuration refused";

/// What the process of a training node says when its program is on.
const ATTACHED: &str = "attached";

/// The daemon on an edge node.
#[derive(Debug)]
pub struct Daemon {
    pub process: Process,
    socket: PathBuf,
}

/// Where the daemon of this lab offers its API; for the configuration's `[api] socket`.
pub fn socket(lab: &Lab) -> PathBuf {
    lab.directory().join("pointsman.sock")
}

impl Daemon {
    /// Starts the daemon on the lab's edge node with this configuration, and waits until it answers.
    pub async fn start(lab: &Lab, binary: &Path, config: &str) -> Result<Self> {
        Self::start_with(lab, binary, config, &[]).await
    }

    /// The same with more on the command line.
    pub async fn start_with(lab: &Lab, binary: &Path, config: &str, flags: &[&str]) -> Result<Self> {
        let mut daemon = Self::spawn(lab, binary, config, flags)?;
        let socket = daemon.socket.clone();
        daemon.process.until("answers", START, async |_| status::get(&socket).await.ok()).await?;
        Ok(daemon)
    }

    fn spawn(lab: &Lab, binary: &Path, config: &str, flags: &[&str]) -> Result<Self> {
        let file = config_file(lab, config)?;
        let file = file.to_string_lossy();
        let arguments = [&["run", "--config", &file], flags].concat();
        let log = lab.directory().join("edge.log");
        let process = Process::start(&lab.edge, "pointsman on the edge node", binary, &arguments, log)?;
        Ok(Self { process, socket: socket(lab) })
    }

    pub async fn status(&self) -> Result<Status> {
        status::get(&self.socket).await
    }

    /// Has the daemon read this configuration, and waits until it has taken it.
    pub async fn reload(&mut self, lab: &Lab, config: &str) -> Result<()> {
        self.reread(lab, config, TAKEN).await.map(drop)
    }

    /// Has the daemon read this configuration, and waits until it has refused it; gives what it said.
    pub async fn reload_refused(&mut self, lab: &Lab, config: &str) -> Result<String> {
        self.reread(lab, config, REFUSED).await
    }

    /// Waits for one line more with `answer` in the log.
    async fn reread(&mut self, lab: &Lab, config: &str, answer: &str) -> Result<String> {
        let said = |process: &Process| process.log().matches(answer).count();
        let before = said(&self.process);
        config_file(lab, config)?;
        self.process.signal(Signal::SIGHUP)?;
        let state = format!("says `{answer}`");
        let told = async |process: &Process| {
            let log = (said(process) > before).then(|| process.log())?;
            log.rsplit_once(answer).map(|(_, rest)| rest.to_owned())
        };
        self.process.until(&state, RELOAD, told).await
    }

    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop(STOP).await
    }
}

/// Writes the configuration of the lab's edge node; rewriting it under a running daemon is a reload's first half.
pub fn config_file(lab: &Lab, config: &str) -> Result<PathBuf> {
    let path = lab.directory().join("edge.toml");
    fs::write(&path, config).with_context(|| format!("write configuration `{}`", path.display()))?;
    Ok(path)
}

/// Starts `pointsman node attach` on every training node, and waits until each unwraps envelopes.
pub async fn attach_nodes(lab: &Lab, binary: &Path) -> Result<Vec<Process>> {
    let attach = |node| spawn_on_node(lab, node, binary, &[]);
    let mut all = lab.nodes.iter().map(attach).collect::<Result<Vec<_>>>()?;
    for process in &mut all {
        process.says(ATTACHED, START).await?;
    }
    Ok(all)
}

/// Starts it on one node, with more on the command line.
pub async fn attach_node(lab: &Lab, node: &Node, binary: &Path, flags: &[&str]) -> Result<Process> {
    let mut process = spawn_on_node(lab, node, binary, flags)?;
    process.says(ATTACHED, START).await?;
    Ok(process)
}

fn spawn_on_node(lab: &Lab, node: &Node, binary: &Path, flags: &[&str]) -> Result<Process> {
    let namespace: &Namespace = &node.namespace;
    let what = format!("pointsman on {}", node.name);
    let log = lab.directory().join(format!("{}.log", node.name));
    let arguments = [&["node", "attach", "--interface", "eth0"], flags].concat();
    Process::start(namespace, &what, binary, &arguments, log)
}

/// The `pointsman` that was built beside this test or demo; `POINTSMAN_BIN` names another.
pub fn binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("POINTSMAN_BIN") {
        let named = PathBuf::from(named);
        if !named.is_file() {
            bail!("find `{}`, which POINTSMAN_BIN names", named.display());
        }
        return Ok(named);
    }
    let here = std::env::current_exe().context("find this program's own file")?;
    // target/debug/demo, or target/debug/deps/traffic-0123456789abcdef.
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join("pointsman"))
        .find(|candidate| candidate.is_file())
        .with_context(|| {
            format!("find `pointsman` beside `{}`: `cargo build -p lb-userspace` makes it", here.display())
        })
}
