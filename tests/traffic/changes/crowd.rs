//! Clients that hold connections and speak on them, round after round; some go, and others come in their place.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use harness::client::{Client, Failure, Held};
use harness::wait;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Service;
use crate::scene::Scene;

/// Clients that speak at a time.
const SPEAKERS: usize = 16;
/// How many connections a speaker closes, to open others, after each round.
const REPLACED: usize = 2;
/// How long two rounds may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first of the ports that connections come from.
const PORTS: u16 = 20_000;

/// An open connection and the node that it leads to.
type Led = (Held, Arc<str>);
/// Whether a node takes new connections.
type Takes = Arc<dyn Fn(&str) -> bool + Send + Sync>;

pub(super) struct Crowd {
    shared: Arc<Shared>,
    /// That each speaker has ended.
    rounds: Vec<Arc<AtomicUsize>>,
    disperse: watch::Sender<bool>,
    speakers: JoinSet<()>,
}

struct Shared {
    client: Client,
    /// Where to, and the addresses to speak from.
    ways: Vec<(SocketAddr, Vec<IpAddr>)>,
    /// Connections that were ever opened: each is of a tuple of its own.
    opened: AtomicUsize,
    answers: AtomicUsize,
    takes: Mutex<Takes>,
    faults: Mutex<Vec<String>>,
}

/// What came of it.
pub(super) struct Spoken {
    connections: usize,
    answers: usize,
}

impl Crowd {
    /// Opens so many connections, spread over the scene's listeners.
    pub(super) async fn gather(scene: &Scene, held: usize) -> Result<Self> {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)
            .context("both ends of all connections are open here")?;
        let way = |it: &Service| (it.listener(), scene.lab.client_addresses(it.targets));
        let shared = Arc::new(Shared {
            client: scene.client(),
            ways: scene.config.services.iter().map(way).collect(),
            opened: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
            takes: Mutex::new(Arc::new(|_: &str| true)),
            faults: Mutex::default(),
        });
        let (disperse, dispersed) = watch::channel(false);
        ensure!(held.is_multiple_of(SPEAKERS), "{held} connections over {SPEAKERS} speakers");
        let (mut rounds, mut speakers) = (Vec::new(), JoinSet::new());
        for _ in 0..SPEAKERS {
            let ended = Arc::new(AtomicUsize::new(0));
            rounds.push(Arc::clone(&ended));
            let (shared, dispersed) = (Arc::clone(&shared), dispersed.clone());
            speakers.spawn(async move { shared.speak(held / SPEAKERS, &ended, &dispersed).await });
        }
        let crowd = Self { shared, rounds, disperse, speakers };
        crowd.until_all_spoke().await?;
        crowd.complain("at the start")?;
        Ok(crowd)
    }

    /// From here on a connection that opens at any other node is a fault.
    pub(super) fn open_nowhere_but(&self, takes: impl Fn(&str) -> bool + Send + Sync + 'static) {
        *lock(&self.shared.takes) = Arc::new(takes);
    }

    /// Waits until each connection has had an answer to what was asked after this call, or one went wrong.
    pub(super) async fn until_all_spoke(&self) -> Result<()> {
        let rounds = || self.rounds.iter().map(|it| it.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let before = rounds();
        wait::until("every connection has spoken", PATIENCE, async || {
            // The round that each is in began earlier.
            let spoke = rounds().iter().zip(&before).all(|(now, then)| now - then >= 2);
            (spoke || !lock(&self.shared.faults).is_empty()).then_some(())
        })
        .await
    }

    /// Fails if anything went wrong so far.
    pub(super) fn complain(&self, when: &str) -> Result<()> {
        let faults = lock(&self.shared.faults);
        match &faults[..] {
            [] => Ok(()),
            [first, ..] => {
                bail!("{when}: {} faults in {} answers, the first: {first}", faults.len(), self.answers())
            }
        }
    }

    fn answers(&self) -> usize {
        self.shared.answers.load(Ordering::Relaxed)
    }

    pub(super) async fn disperse(mut self) -> Result<Spoken> {
        self.disperse.send_replace(true);
        while let Some(ended) = self.speakers.join_next().await {
            ended.context("a speaker")?;
        }
        let (connections, answers) = (self.shared.opened.load(Ordering::Relaxed), self.answers());
        Ok(Spoken { connections, answers })
    }
}

impl Shared {
    async fn speak(&self, held: usize, rounds: &AtomicUsize, dispersed: &watch::Receiver<bool>) {
        let mut mine: Vec<Led> = Vec::new();
        let mut oldest = 0;
        while !*dispersed.borrow() {
            while mine.len() < held {
                match self.open().await {
                    Ok(led) => mine.push(led),
                    Err(error) => return self.fault(format!("{error:#}")),
                }
            }
            let mut kept = Vec::new();
            for (mut connection, node) in mine.drain(..) {
                match connection.ask("/").await {
                    Ok(answer) if answer.node == node => {
                        self.answers.fetch_add(1, Ordering::Relaxed);
                        kept.push((connection, node));
                    }
                    Ok(answer) => {
                        self.fault(format!("{} led to {node}, and now to {}", connection.from, answer.node))
                    }
                    Err(failure) => {
                        self.fault(format!("{} led to {node}, and now: {failure}", connection.from))
                    }
                }
            }
            // Each has its turn to go.
            for _ in 0..REPLACED.min(kept.len()) {
                oldest = (oldest + 1) % kept.len();
                drop(kept.swap_remove(oldest));
            }
            mine = kept;
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn open(&self) -> Result<Led> {
        let serial = self.opened.fetch_add(1, Ordering::Relaxed);
        let (to, from) = self.from(serial)?;
        let takes = Arc::clone(&lock(&self.takes));
        let failed = |failure: Failure| anyhow!("a new connection from {from} to {to}: {failure}");
        let mut connection = self.client.hold(Some(from), to).await.map_err(failed)?;
        let node = connection.ask("/").await.map_err(failed)?.node;
        ensure!(takes(&node), "a new connection from {from} led to {node}, which takes none");
        Ok((connection, node))
    }

    /// Where to, and from which address and port: nobody else's in this test.
    fn from(&self, serial: usize) -> Result<(SocketAddr, SocketAddr)> {
        let turn = serial / self.ways.len();
        let (to, addresses) = self.ways.get(serial % self.ways.len()).context("a way")?;
        let address = addresses.get(turn % addresses.len()).context("an address")?;
        let port = u16::try_from(turn / addresses.len()).ok().and_then(|turn| PORTS.checked_add(turn));
        Ok((*to, SocketAddr::new(*address, port.context("no tuple is left")?)))
    }

    fn fault(&self, what: String) {
        lock(&self.faults).push(what);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answers on {} connections", self.answers, self.connections)
    }
}
