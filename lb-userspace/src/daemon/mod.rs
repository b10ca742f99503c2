//! The daemon: hears the edges, asks the core, writes the maps.
//!
//! One task owns all state. Edges send it events; the API and the metrics ask it questions.

mod books;
mod log;
mod reload;
mod sweeper;
mod view;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use lb_common::verdict::{Note, counter_lines, note_line};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::MissedTickBehavior,
};

use self::{books::Books, sweeper::Tables, view::LiveFlows};
use crate::{
    api,
    config::checked::{Config, HealthCheck, XdpMode},
    core::{
        desired::{Want, desired},
        shadow::Shadow,
        state::State,
    },
    dataplane::{
        self, Dataplane as _, interface,
        kernel::{Interface, Kernel},
        load::{Sizes, settings},
        ports::ReservedPorts,
    },
    event::{Event, TargetKey},
    metrics::{self, ProbeDurations},
    neighbours::{Neighbours, Wanted},
    probes::Probes,
    signals::{Signals, Told},
    status::Question,
};

/// Events that wait: a burst of all targets' probes fits.
const EVENTS: usize = 16_384;
/// How many of them are heard before the maps are written: many that fail together move one ring once.
const BATCH: usize = 4_096;
/// A missed event, or a write that failed, heals within this.
const TICK: Duration = Duration::from_secs(1);

struct Daemon {
    state: State,
    shadow: Shadow,
    kernel: Kernel,
    books: Books,
    /// What the maps hold; `None` when the last write failed.
    settled: Option<(u64, Want)>,
    /// The highest id that a target ever had: no counter beyond its lines was ever touched.
    highest: u32,
    /// Packets whose flows could not be recorded, when they were last counted.
    not_recorded: u64,
    edges: Edges,
}

/// Edges that do what the configuration says.
struct Edges {
    probes: Probes,
    wanted: watch::Sender<Wanted>,
}

impl Edges {
    /// Checks the targets that are configured.
    fn check(&mut self, state: &State) {
        self.probes.set(checks(state.config()));
    }

    /// Finds the way to all targets whose flows go on.
    fn find(&self, state: &State) {
        let wanted = wanted(state);
        self.wanted.send_if_modified(|held| {
            let differs = *held != wanted;
            *held = wanted;
            differs
        });
    }
}

/// Balances until SIGTERM or Ctrl-C, then detaches.
///
/// # Errors
/// What keeps it from starting: an interface, the kernel, the driver, the socket.
pub async fn run(config: Config, file: &Path) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    raise_descriptor_limit();
    let interfaces = interface::find(&config.node.interfaces)?;
    let _reserved = config.nat.as_ref().map(|nat| ReservedPorts::reserve(&nat.ports)).transpose()?;
    let kernel = Kernel::load(Sizes::of(&config), &settings(&config))?;
    let state = State::new(config.clone(), now());

    let (events, heard) = mpsc::channel(EVENTS);
    let (ask, questions) = mpsc::channel(64);
    let (wanted, wants) = watch::channel(wanted(&state));
    let neighbours = Neighbours::open(wants, events.clone()).context("open netlink")?;
    let neighbours = tokio::spawn(neighbours.run());
    let mut daemon = Daemon {
        shadow: Shadow::new(kernel.have().context("read the fresh maps")?),
        state,
        kernel,
        books: Books::new(file.to_owned(), &interfaces, config.node.xdp_mode, ProbeDurations::default()),
        settled: None,
        highest: 0,
        not_recorded: 0,
        edges: Edges { probes: Probes::new(events.clone()), wanted },
    };
    daemon.settle();
    daemon.edges.check(&daemon.state);

    // Listening before attaching: whoever finds a socket finds the program attached soon after, and a
    // daemon that is there already keeps its interfaces.
    let socket = api::Socket::bind(&config.api.socket).await?;
    let scrape = match &config.metrics {
        Some(wanted) => Some(metrics::bind(wanted.listen).await?),
        None => None,
    };
    for interface in &interfaces {
        daemon.attach(interface, config.node.xdp_mode)?;
    }
    let (stop, stopped) = watch::channel(false);
    let tables = Tables { nat: daemon.kernel.nat(), tracked: daemon.kernel.tracked() };
    let sweeper = tokio::spawn(sweeper::run(tables, events));
    let mut servers = vec![tokio::spawn(api::serve(socket, ask.clone(), until(stopped.clone())))];
    servers.extend(scrape.map(|listener| {
        tokio::spawn(metrics::serve(listener, ask, daemon.books.durations().clone(), until(stopped)))
    }));

    let signal = daemon.balance(heard, questions, signals).await;
    tracing::info!(signal, "stopping");
    // No packet goes through a program whose targets nobody checks any more.
    drop(daemon);
    tracing::info!(interfaces = ?config.node.interfaces, "detached");
    sweeper.abort();
    finish(stop, servers, neighbours).await
}

/// The servers stop, and take their sockets with them.
async fn finish(
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    neighbours: JoinHandle<()>,
) -> anyhow::Result<()> {
    stop.send_replace(true);
    for server in servers {
        server.await.context("stop a server")?;
    }
    neighbours.await.context("stop watching next hops")
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // A sender that is gone says the same.
    let _ = stopped.wait_for(|stop| *stop).await;
}

impl Daemon {
    fn attach(&mut self, interface: &Interface, mode: XdpMode) -> anyhow::Result<()> {
        self.kernel.attach(interface, mode)?;
        tracing::info!(interface = interface.name, ?mode, "attached");
        Ok(())
    }

    /// The loop. Gives the name of the signal that ended it.
    async fn balance(
        &mut self,
        mut events: mpsc::Receiver<Event>,
        mut questions: mpsc::Receiver<Question>,
        mut signals: Signals,
    ) -> &'static str {
        let mut batch = Vec::with_capacity(BATCH);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                told = signals.next() => match told {
                    Told::Stop(signal) => return signal,
                    Told::Reload => self.reload(),
                },
                _ = events.recv_many(&mut batch, BATCH) => batch.drain(..).for_each(|event| self.hear(event)),
                Some(question) = questions.recv() => self.answer(question),
                _ = tick.tick() => self.count_not_recorded(),
            }
            self.settle();
        }
    }

    fn hear(&mut self, event: Event) {
        let now = now();
        self.books.note(&event);
        let others = matches!(event, Event::Configured(_) | Event::Swept(_));
        for change in self.state.on(event, now) {
            log::change(&change);
            self.books.changed(&change);
        }
        if others {
            self.edges.find(&self.state);
        }
    }

    /// Reads the file again, and takes it whole or not at all.
    fn reload(&mut self) {
        let file = self.books.file();
        match reload::load(file, self.state.config()) {
            Ok(config) => {
                tracing::info!(file = %file.display(), "configuration read again");
                self.hear(Event::Configured(Box::new(config)));
                self.edges.check(&self.state);
            }
            Err(error) => {
                let reason = anyhow::Error::from(error);
                tracing::error!(file = %file.display(), reason = format!("{reason:#}"), "configuration refused; the one before stays");
            }
        }
    }

    /// Brings the maps to what is wanted, if anything changed since they last were.
    fn settle(&mut self) {
        self.state.advance(now());
        let version = self.state.version();
        if self.settled.as_ref().is_some_and(|(settled, _)| *settled == version) {
            return;
        }
        let want = desired(&mut self.state, now());
        let highest = want.targets.keys().next_back().map_or(0, |id| id.index());
        self.highest = self.highest.max(highest);
        match dataplane::carry_out(&mut self.kernel, &mut self.shadow, &want) {
            Ok(written) => {
                self.books.written(written);
                self.settled = Some((version, want));
            }
            Err(interrupted) => self.recover(&interrupted),
        }
    }

    /// After a write that failed nothing is certain but what the maps say; the next tick plans from that.
    fn recover(&mut self, interrupted: &dataplane::Interrupted) {
        self.settled = None;
        self.hear(Event::NotWritten);
        let error = anyhow::Error::msg(interrupted.to_string());
        tracing::error!(%error, cause = %interrupted.error, "the maps are not as they should be; trying again");
        match self.kernel.have() {
            Ok(have) => self.shadow = Shadow::new(have),
            Err(error) => tracing::error!(%error, "the maps cannot be read back"),
        }
    }

    fn count_not_recorded(&mut self) {
        let count = |note| self.kernel.counter(note_line(note)).map(|tally| tally.packets);
        match (count(Note::TrackingFull), count(Note::TrackingLimited)) {
            (Ok(full), Ok(limited)) if full + limited != self.not_recorded => {
                self.not_recorded = full + limited;
                self.hear(Event::NotRecorded);
            }
            (Ok(_), Ok(_)) => {}
            (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "the counters cannot be read"),
        }
    }

    fn answer(&self, question: Question) {
        match question {
            // Whoever asked may have gone meanwhile.
            Question::Alive(to) => drop(to.send(())),
            Question::Status(to) => self.tell(to),
        }
    }

    fn tell(&self, to: oneshot::Sender<crate::status::Status>) {
        match self.kernel.counters(counter_lines(self.highest)) {
            Ok(counters) => {
                let want = self.settled.as_ref().map(|(_, want)| want);
                let (nat, tracked) = (self.kernel.nat().live(), self.kernel.tracked().live());
                let live = LiveFlows { nat, tracked };
                let times = (now(), SystemTime::now());
                let status = view::status(&self.state, want, &counters, live, &self.books, times);
                // Whoever asked may have gone meanwhile.
                drop(to.send(status));
            }
            Err(error) => tracing::error!(%error, "the counters cannot be read"),
        }
    }
}

/// A target that hangs holds a descriptor until its check times out; there may be thousands.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// The daemon's clock: the core's `now` comes from here.
#[expect(clippy::disallowed_methods, reason = "this edge reads the clock for the core")]
fn now() -> Instant {
    Instant::now()
}

fn wanted(state: &State) -> Wanted {
    Wanted {
        addresses: state.addresses().into_iter().collect(),
        interfaces: state.config().node.interfaces.iter().cloned().collect(),
    }
}

fn checks(config: &Config) -> BTreeMap<TargetKey, HealthCheck> {
    let groups = config.target_groups.iter();
    groups
        .flat_map(|(name, group)| {
            let key = |address: &_| TargetKey { group: name.clone(), address: *address };
            group.targets.keys().map(move |address| (key(address), group.health_check.clone()))
        })
        .collect()
}

/// Where a configuration file lies, whatever the daemon's directory.
pub fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}
