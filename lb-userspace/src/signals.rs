//! What a daemon is told from outside: SIGTERM and Ctrl-C end it cleanly, SIGHUP has it read its file again.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From its making on, none of these signals kills the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// To stop, by the signal of this name.
    Stop(&'static str),
    Reload,
}

impl Signals {
    /// # Errors
    /// The kernel takes no handler.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for SIGTERM, SIGINT and SIGHUP");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Until the next comes.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Told::Stop("SIGINT"),
            _ = self.hangup.recv() => Told::Reload,
        }
    }

    /// Until one comes that ends the process; its name. There is nothing to read again.
    pub(crate) async fn stopped(mut self) -> &'static str {
        loop {
            if let Told::Stop(name) = self.next().await {
                return name;
            }
        }
    }
}
