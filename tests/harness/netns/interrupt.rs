//! What becomes of the labs when somebody presses Ctrl-C, or closes the terminal.

use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{standing, sweep};
use crate::scratch;

/// From here on SIGINT, SIGTERM and SIGHUP first take down every lab of this process, then end it.
///
/// Destructors do not run when a signal ends a process, so this cannot be left to them.
pub(super) fn delete_when_interrupted() {
    let started = thread::Builder::new().name("interrupt".into()).spawn(|| {
        if let Err(error) = watch() {
            eprintln!("watch for signals: {error}; an interrupt will leave its namespaces to the next run");
        }
    });
    if let Err(error) = started {
        eprintln!("start the thread that watches for signals: {error}");
    }
}

fn watch() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let number = runtime.block_on(async {
        let mut interrupt: Signal = signal(SignalKind::interrupt())?;
        let mut terminate: Signal = signal(SignalKind::terminate())?;
        let mut hangup: Signal = signal(SignalKind::hangup())?;
        std::io::Result::Ok(tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
            _ = hangup.recv() => SignalKind::hangup(),
        })
    })?;
    sweep::demolish(&standing().clone());
    scratch::remove_all();
    // The shell's way to say "ended by a signal".
    std::process::exit(128 + number.as_raw_value())
}
