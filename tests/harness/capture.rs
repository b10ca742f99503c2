//! Packets seen on an interface, with the time at which the kernel saw them.

mod packet;
mod socket;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};

pub use packet::{Direction, Packet, Tuple};
use socket::{Next, Tap};

use crate::netns::Namespace;
use crate::{clock, wait};

/// How long the reader may be behind.
const CAUGHT_UP: Duration = Duration::from_secs(10);

/// One packet that the closure wanted.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The kernel's time stamp.
    pub at: SystemTime,
    pub direction: Direction,
    pub packet: Packet,
}

/// A running capture; dropped, it ends.
#[derive(Debug)]
pub struct Capture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    /// Every packet until then has been read.
    read_up_to: Mutex<Option<SystemTime>>,
    stop: AtomicBool,
    missed: AtomicU32,
}

impl Capture {
    /// Captures what passes `interface` in `namespace` and `wanted` says yes to.
    ///
    /// On return the capture runs: no later packet escapes it.
    pub fn start(
        namespace: &Namespace,
        interface: &str,
        mut wanted: impl FnMut(&Seen) -> bool + Send + 'static,
    ) -> Result<Self> {
        let act = || format!("capture on `{interface}` in namespace `{}`", namespace.name());
        let tap = namespace.inside(|| Tap::open(interface))?.with_context(act)?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let read = move || {
            while !theirs.stop.load(Ordering::Relaxed) {
                let before = clock::now();
                match tap.next() {
                    Ok(Next::Packet(seen, missed)) => {
                        theirs.missed.store(missed, Ordering::Relaxed);
                        let at = seen.at;
                        if wanted(&seen) {
                            lock(&theirs.seen).push(seen);
                        }
                        *lock(&theirs.read_up_to) = Some(at);
                    }
                    Ok(Next::Other) => {}
                    Ok(Next::Nothing) => *lock(&theirs.read_up_to) = Some(before),
                    Err(error) => return eprintln!("read from the capture socket: {error}"),
                }
            }
        };
        let thread = thread::Builder::new().name("capture".into()).spawn(read).with_context(act)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What has been seen so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Everything that passed before this call; the reader may be behind, and is waited for.
    pub async fn all(&self) -> Result<Vec<Seen>> {
        let now = clock::now();
        wait::until("the capture is read up to now", CAUGHT_UP, async || {
            lock(&self.shared.read_up_to).is_some_and(|read| read > now).then_some(())
        })
        .await?;
        ensure!(self.missed() == 0, "the capture missed {} packets", self.missed());
        Ok(self.seen())
    }

    /// How many packets the kernel had to leave out because the reader was late: 0, or the record is not whole.
    pub fn missed(&self) -> u32 {
        self.shared.missed.load(Ordering::Relaxed)
    }
}

/// What either thread writes is whole after every operation, so a panic elsewhere has left nothing half done.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the capture's thread panicked");
        }
    }
}
