//! A program that runs in a namespace until it is told to end.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::netns::Namespace;
use crate::wait;

/// How much of a log a failure shows.
const TAIL_LINES: usize = 40;

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    what: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in `namespace`; what it says goes to the file `log`. `what` is its name in errors.
    pub fn start(
        namespace: &Namespace,
        what: &str,
        program: &Path,
        arguments: &[&str],
        log: PathBuf,
    ) -> Result<Self> {
        let out = File::create(&log).with_context(|| format!("make log file `{}`", log.display()))?;
        let err = out.try_clone().with_context(|| format!("share log file `{}`", log.display()))?;
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace.name()]).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // `ip netns exec` sees to `/sys`; the thread's stay makes the child one of the namespace's own from its
        // first moment, so that taking the namespace down cannot miss a process that has yet to enter it.
        let child = namespace.inside(|| command.spawn())?.with_context(|| format!("start {what}"))?;
        Ok(Self { what: what.to_owned(), child, log })
    }

    /// The process id: `ip netns exec` becomes the program that it runs.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has said.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The end of what it has said, to stand in an error.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
    }

    /// Its exit status if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("look after {}", self.what))
    }

    /// Waits until `condition` yields something; fails at once if the program ends first, and with its log.
    pub async fn until<T>(
        &mut self,
        state: &str,
        bound: Duration,
        mut condition: impl AsyncFnMut(&Self) -> Option<T>,
    ) -> Result<T> {
        let what = format!("{} {state}", self.what);
        let found = wait::until(&what, bound, async || match self.ended() {
            Ok(None) => condition(self).await.map(Ok),
            Ok(Some(status)) => Some(Err(anyhow!("wait until {what}: it ended: {status}"))),
            Err(error) => Some(Err(error)),
        });
        found.await.flatten().map_err(|error| self.with_log(error))
    }

    /// Waits until its log holds `words`.
    pub async fn says(&mut self, words: &str, bound: Duration) -> Result<()> {
        self.until(&format!("says `{words}`"), bound, async |it| it.log().contains(words).then_some(())).await
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let process = Pid::from_raw(self.id().cast_signed());
        signal::kill(process, signal).with_context(|| format!("send {signal} to {}", self.what))
    }

    /// Waits until it has ended.
    pub async fn gone(&mut self, bound: Duration) -> Result<ExitStatus> {
        let what = format!("{} ends", self.what);
        let ended = wait::until(what, bound, async || self.ended().transpose()).await.flatten();
        ended.map_err(|error| self.with_log(error))
    }

    /// The log comes last, where a reader looks for the error.
    fn with_log(&self, error: anyhow::Error) -> anyhow::Error {
        anyhow!("{error:#}; its log ends:\n{}", self.log_tail())
    }

    /// Asks it to end (SIGTERM) and waits; anything but a clean end is an error.
    pub async fn stop(&mut self, bound: Duration) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = self.gone(bound).await?;
        if !status.success() {
            let how = if status.signal().is_some() { "it left SIGTERM to the kernel" } else { "it failed" };
            return Err(self.with_log(anyhow!("stop {}: {how}: {status}", self.what)));
        }
        Ok(())
    }

    /// Ends it on the spot, as a crash would.
    pub async fn crash(&mut self, bound: Duration) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.gone(bound).await.map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whichever way these fail, it has ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
