//! Packets seen on an interface, with the time at which the kernel saw them.

mod packet;
mod socket;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use anyhow::{Context as _, Result};

pub use packet::{Direction, Packet, Tuple};
use socket::Tap;

use crate::netns::Namespace;

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
                match tap.next() {
                    Ok(Some((seen, missed))) => {
                        theirs.missed.store(missed, Ordering::Relaxed);
                        if wanted(&seen) {
                            theirs.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                        }
                    }
                    Ok(None) => {}
                    Err(error) => return eprintln!("read from the capture socket: {error}"),
                }
            }
        };
        let thread = thread::Builder::new().name("capture".into()).spawn(read).with_context(act)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What has been seen so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many packets the kernel had to leave out because the reader was late: 0, or the record is not whole.
    pub fn missed(&self) -> u32 {
        self.shared.missed.load(Ordering::Relaxed)
    }
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
