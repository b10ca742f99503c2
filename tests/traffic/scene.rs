//! A lab with the load balancer in it, and servers on every node.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use harness::client::{Client, Exchange};
use harness::daemon::{self, Daemon};
use harness::echo::{self, Listening};
use harness::http_server::HttpServer;
use harness::lab::{Family, Lab, Node, Plan};
use harness::load::Load;
use harness::process::Process;
use harness::status::{State, Status, Target};
use harness::wait;

use crate::BOUND;
use crate::config::{Config, Protocol, RAW, Service, TRANSLATED, WEB};

/// How long a client waits for an answer: two retries of a lost SYN on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(4);
/// Clients that ask at a time.
const CONCURRENCY: usize = 16;

/// What a listener on every port is asked at, beside its usual port.
pub(crate) const OTHER_PORT: u16 = 12345;

pub(crate) struct Scene {
    // In the order of their end: the network goes last.
    pub(crate) daemon: Daemon,
    pub(crate) unwrappers: Vec<Process>,
    /// One a node.
    pub(crate) servers: Vec<HttpServer>,
    _echoes: Vec<Listening>,
    pub(crate) lab: Lab,
    pub(crate) config: Config,
}

impl Scene {
    /// Three nodes.
    pub(crate) async fn of(config: Config) -> Result<Self> {
        Self::set(Plan::default(), config).await
    }

    /// One node, where which one it is does not matter.
    pub(crate) async fn of_one_node(config: Config) -> Result<Self> {
        Self::set(Plan { nodes: 1, ..Plan::default() }, config).await
    }

    pub(crate) async fn set(plan: Plan, config: Config) -> Result<Self> {
        Self::set_with(plan, config, &[]).await
    }

    /// Builds it all, with these flags to `pointsman run`, and waits until the ways to all targets are known.
    pub(crate) async fn set_with(plan: Plan, config: Config, flags: &[&str]) -> Result<Self> {
        let lab = Lab::build(Plan { direct: config.direct(), ..plan })?;
        let servers = lab.nodes.iter().map(|node| serve(node, &config)).collect::<Result<_>>()?;
        let echoes = lab.nodes.iter().map(|node| echo_udp(node, &config)).collect::<Result<_>>()?;
        let binary = daemon::binary()?;
        let wrapped = config.services.iter().any(|it| it.forwarding.encloses());
        let unwrappers = if wrapped { daemon::attach_nodes(&lab, &binary).await? } else { Vec::new() };
        let daemon = Daemon::start_with(&lab, &binary, &config.text(&lab), flags).await?;
        let scene = Self { daemon, unwrappers, servers, _echoes: echoes, lab, config };
        scene
            .until("the ways to all targets are known", |status| {
                status.targets().all(|(_, target)| target.next_hop.is_some())
            })
            .await?;
        Ok(scene)
    }

    pub(crate) async fn status(&self) -> Result<Status> {
        self.daemon.status().await
    }

    /// Waits until the daemon says so.
    pub(crate) async fn until(&self, what: &str, so: impl Fn(&Status) -> bool) -> Result<Status> {
        let mut last = None;
        let found = wait::until(what, BOUND, async || {
            let status = self.status().await.ok()?;
            let found = so(&status).then(|| status.clone());
            last = Some(status);
            found
        });
        found.await.map_err(|error| error.context(format!("the last status: {last:#?}")))
    }

    pub(crate) async fn until_healthy(&self) -> Result<Status> {
        self.until("every target is healthy", |status| status.all_are(State::Healthy)).await
    }

    /// Waits until this node is in this state in every group.
    pub(crate) async fn until_node(&self, node: &Node, state: State) -> Result<Status> {
        self.until(&format!("{} is {}", node.name, state.word()), |status| {
            of_node(status, node).all(|target| target.state == state)
        })
        .await
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.lab.clients, PATIENCE)
    }

    /// Clients that turn to each of these in turn, each from a tuple that it uses once, and the same in every run.
    pub(crate) fn load(&self, destinations: Vec<SocketAddr>) -> Load {
        Load::new(&self.lab, self.client(), destinations)
    }

    /// Opens `count` connections, spread over these, and gives what became of each.
    pub(crate) async fn ask(&self, destinations: Vec<SocketAddr>, count: usize) -> Vec<Exchange> {
        let load = self.load(destinations);
        load.closed_loop(count, CONCURRENCY, BOUND).await;
        let record = load.record().clone();
        assert_eq!(record.len(), count, "connections within {BOUND:?}");
        record
    }

    /// Sends a datagram and waits for nothing.
    pub(crate) async fn send_datagram(&self, to: SocketAddr, payload: &[u8]) -> Result<()> {
        let any = SocketAddr::new(if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() }, 0);
        let socket = echo::bind_udp(&self.lab.clients, any)?;
        let sent = socket.send_to(payload, to).await?;
        ensure!(sent == payload.len(), "{sent} of {} bytes sent", payload.len());
        Ok(())
    }

    /// Sends `count` datagrams, each from a socket of its own.
    pub(crate) async fn ask_by_udp(&self, to: SocketAddr, count: u16) -> Vec<Exchange> {
        let client = self.client();
        let family = if to.is_ipv4() { Family::V4 } else { Family::V6 };
        let sources = self.lab.client_addresses(family);
        let mut exchanges = Vec::new();
        for (number, address) in (0..count).zip(sources.into_iter().cycle()) {
            let from = SocketAddr::new(address, 9000 + number);
            exchanges.push(client.datagram(Some(from), to, format!("datagram {number}").as_bytes()).await);
        }
        exchanges
    }
}

/// What the status says of a node, in each group.
pub(crate) fn of_node<'a>(status: &'a Status, node: &'a Node) -> impl Iterator<Item = &'a Target> {
    status.targets().map(|(_, target)| target).filter(|target| target.name == node.name)
}

/// How many of these each node answered. Fails if one had no answer.
pub(crate) fn answers(exchanges: &[Exchange]) -> Result<BTreeMap<String, usize>> {
    let mut answers = BTreeMap::new();
    for exchange in exchanges {
        let Some(node) = exchange.node() else { bail!("no answer: {exchange:?}") };
        *answers.entry(node.to_owned()).or_default() += 1;
    }
    Ok(answers)
}

/// Looks until both are the same; at the end of the bound says how they differ.
pub(crate) async fn until_equal<T: PartialEq + Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<(T, T)>,
) -> Result<()> {
    let mut last = None;
    let found = wait::until(what, SETTLED, async || match look().await {
        Ok((left, right)) if left == right => Some(()),
        seen => {
            last = Some(seen);
            None
        }
    });
    found.await.map_err(|error| error.context(format!("{last:#?}")))
}

/// How long packets may be under way after the last answer.
const SETTLED: Duration = Duration::from_secs(5);

fn serve(node: &Node, config: &Config) -> Result<HttpServer> {
    let own = Family::BOTH.into_iter().flat_map(|family| {
        let addresses = [Some(node.address(family)), node.adjacent_address(family)].into_iter().flatten();
        addresses.flat_map(|address| [WEB, TRANSLATED].map(|port| SocketAddr::new(address, port)))
    });
    let addresses: BTreeSet<SocketAddr> = own.chain(wrapped(config, Protocol::Tcp)).collect();
    HttpServer::start(&node.namespace, &node.name, &addresses.into_iter().collect::<Vec<_>>())
}

fn echo_udp(node: &Node, config: &Config) -> Result<Listening> {
    let own = Family::BOTH.map(|family| SocketAddr::new(node.address(family), TRANSLATED));
    let addresses: BTreeSet<SocketAddr> = own.into_iter().chain(wrapped(config, Protocol::Udp)).collect();
    echo::udp(&node.namespace, &node.name, &addresses.into_iter().collect::<Vec<_>>())
}

/// Where a node must listen for packets that are still for the virtual address once they are unwrapped.
fn wrapped(config: &Config, protocol: Protocol) -> impl Iterator<Item = SocketAddr> {
    let services = config.services.iter();
    let served = move |it: &&Service| it.forwarding.is_direct() && it.protocol == protocol && it.port != RAW;
    services.filter(served).flat_map(|service| match service.port {
        0 => vec![service.at(WEB), service.at(OTHER_PORT)],
        port => vec![service.at(port)],
    })
}
