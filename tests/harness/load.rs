//! Many connections, and a record of each.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::{Client, Exchange};
use crate::lab::{Family, Lab};
use crate::wait;

/// The first client port in use; those below are left to whoever else speaks from the clients' addresses.
const FIRST_PORT: u16 = 10_000;
const PORTS: usize = 50_000;

/// Opens connections to its destinations in turn, each from an address and port that it uses once.
///
/// The n-th connection's 5-tuple is the same in every run, so runs over the same ring can be compared.
#[derive(Clone, Debug)]
pub struct Load {
    client: Client,
    destinations: Arc<[SocketAddr]>,
    sources_v4: Arc<[IpAddr]>,
    sources_v6: Arc<[IpAddr]>,
    next: Arc<AtomicUsize>,
    record: Arc<Mutex<Vec<Exchange>>>,
}

impl Load {
    pub fn new(lab: &Lab, client: Client, destinations: Vec<SocketAddr>) -> Self {
        Self {
            client,
            destinations: destinations.into(),
            sources_v4: lab.client_addresses(Family::V4).into(),
            sources_v6: lab.client_addresses(Family::V6).into(),
            next: Arc::default(),
            record: Arc::default(),
        }
    }

    /// Opens `count` connections, `concurrency` at a time, each as soon as another one is done; on a machine that
    /// is too slow for so many, those that it opens in the time `longest`.
    pub async fn closed_loop(&self, count: usize, concurrency: usize, longest: Duration) {
        let end = Instant::now() + longest;
        let left = Arc::new(AtomicUsize::new(count));
        let mut workers = JoinSet::new();
        for _ in 0..concurrency.min(count) {
            let (load, left) = (self.clone(), Arc::clone(&left));
            workers.spawn(async move {
                while Instant::now() < end && take_one(&left) {
                    load.connect_once().await;
                }
            });
        }
        workers.join_all().await;
    }

    /// Opens `count` connections at `rate` a second, however long each takes, and waits for them all.
    ///
    /// New users come at their own pace, also while others are stuck at a dead node.
    pub async fn open_loop(&self, count: usize, rate: f64) {
        // Spawning a few at a time keeps timer wake-ups rare.
        const BEAT: Duration = Duration::from_millis(5);
        let mut beat = wait::beat(BEAT);
        let mut connections = JoinSet::new();
        let mut due = 0.0;
        let mut opened = 0;
        while opened < count {
            beat.tick().await;
            due += rate * BEAT.as_secs_f64();
            while due >= 1.0 && opened < count {
                let load = self.clone();
                connections.spawn(async move { load.connect_once().await });
                due -= 1.0;
                opened += 1;
            }
            while connections.try_join_next().is_some() {}
        }
        connections.join_all().await;
    }

    async fn connect_once(&self) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some((from, to)) = self.tuple(number) else { return };
        let exchange = self.client.get(Some(from), to, "/").await;
        self.record().push(exchange);
    }

    /// Where the n-th connection goes, and from where.
    fn tuple(&self, number: usize) -> Option<(SocketAddr, SocketAddr)> {
        let to = *self.destinations.get(number % self.destinations.len())?;
        let sources = if to.is_ipv4() { &self.sources_v4 } else { &self.sources_v6 };
        let turn = number / self.destinations.len();
        let address = *sources.get(turn % sources.len())?;
        let port = u16::try_from(turn / sources.len() % PORTS).ok()?;
        Some((SocketAddr::new(address, FIRST_PORT + port), to))
    }

    /// Every connection that is over, in the order in which they ended.
    pub fn record(&self) -> MutexGuard<'_, Vec<Exchange>> {
        // A push leaves the list whole, so a panic elsewhere has not broken it.
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}
