//! Everything that is up while the demo plays.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use harness::client::Client;
use harness::daemon::{self, Daemon};
use harness::http_server::HttpServer;
use harness::lab::{Lab, Node, Plan};
use harness::load::Load;
use harness::process::Process;
use harness::status::{State, Status};
use harness::{clock, wait};

use crate::evidence::{Evidence, Facts};
use crate::setting::{self, Forwarding, LISTENERS};

/// How long a client waits for its answer: three retries of a lost SYN.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the first probes may take to find every target healthy.
const HEALTHY: Duration = Duration::from_secs(20);
/// How long two probes may take to find a target dead: both intervals, both time-outs, and some room.
const DISCOVERED: Duration = Duration::from_secs(10);
/// Which node dies: one in the middle.
const VICTIM: usize = 3;

pub(crate) struct Scene {
    // In the order of their end: the network goes last.
    daemon: Daemon,
    _unwrappers: Vec<Process>,
    _servers: Vec<HttpServer>,
    pub(crate) evidence: Evidence,
    pub(crate) lab: Lab,
    pub(crate) death: Option<SystemTime>,
}

/// What the live table needs to see, without holding on to the scene.
pub(crate) struct View {
    pub(crate) nodes: Vec<Node>,
    pub(crate) facts: Arc<Mutex<Facts>>,
    pub(crate) socket: std::path::PathBuf,
}

impl Scene {
    /// Builds it all, and waits until every target is healthy.
    pub(crate) async fn set(binary: &Path) -> Result<Self> {
        let direct =
            LISTENERS.iter().filter(|it| it.forwarding == Forwarding::Ipip).map(|it| it.address().ip());
        let lab = Lab::build(Plan { nodes: setting::NODES, direct: direct.collect(), ..Plan::default() })?;
        eprintln!(
            "demo: `{}`: clients, a router, an edge node, {} training nodes",
            lab.label(),
            lab.nodes.len()
        );
        let servers = lab.nodes.iter().map(serve).collect::<Result<Vec<_>>>()?;
        let evidence = Evidence::gather(&lab)?;
        eprintln!("demo: starting `{}` on the nodes", binary.display());
        let unwrappers = daemon::attach_nodes(&lab, binary).await?;
        let mut daemon = Daemon::start(&lab, binary, &setting::config(&lab)).await?;
        let socket = daemon::socket(&lab);
        eprintln!("demo: waiting for the first probes");
        daemon
            .process
            .until("finds every target healthy", HEALTHY, async |_| {
                harness::status::get(&socket).await.ok().filter(|status| status.all_are(State::Healthy))
            })
            .await?;
        Ok(Self { daemon, _unwrappers: unwrappers, _servers: servers, evidence, lab, death: None })
    }

    /// Clients that turn to each listener in turn.
    pub(crate) fn load(&self) -> Load {
        let destinations = LISTENERS.iter().map(setting::Listener::address).collect();
        Load::new(&self.lab, Client::new(&self.lab.clients, PATIENCE), destinations)
    }

    pub(crate) fn view(&self) -> View {
        View {
            nodes: self.lab.nodes.clone(),
            facts: self.evidence.shared_facts(),
            socket: daemon::socket(&self.lab),
        }
    }

    pub(crate) fn victim(&self) -> Result<&Node> {
        self.lab.nodes.get(VICTIM).context("choose the node that dies")
    }

    /// One node loses power.
    pub(crate) fn kill_one(&mut self) -> Result<()> {
        self.death = Some(clock::now());
        self.victim()?.power_off()
    }

    pub(crate) async fn status(&self) -> Result<Status> {
        self.daemon.status().await
    }

    /// Waits until the daemon knows of the death in every group.
    pub(crate) async fn wait_until_discovered(&self) -> Result<()> {
        let victim = &self.victim()?.name;
        wait::until(format!("{victim} is unhealthy in every group"), DISCOVERED, async || {
            let status = self.status().await.ok()?;
            let is_known =
                |group| status.target(group, victim).is_some_and(|target| target.state == State::Unhealthy);
            LISTENERS.iter().all(|listener| is_known(listener.name)).then_some(())
        })
        .await
    }

    /// Ends it in order, so that a daemon that cannot stop cleanly is noticed.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.daemon.stop().await
    }

    /// Commands for whoever wants to look around.
    pub(crate) fn directions(&self) -> String {
        let label = self.lab.label();
        let directory = self.lab.directory().display();
        let socket = daemon::socket(&self.lab);
        let [first, ..] = LISTENERS;
        format!(
            "\nAll is left up until Ctrl-C. To look around:\n\
             \x20 ip netns exec {label}-clients curl http://{to}/\n\
             \x20 curl --unix-socket {socket} http://pointsman/v1/status\n\
             \x20 ip netns exec {label}-edge curl http://127.0.0.1:9477/metrics\n\
             \x20 ip netns exec {label}-router tcpdump -ni edge\n\
             \x20 ip -n {label}-edge link show eth0\n\
             \x20 less {directory}/edge.toml {directory}/edge.log\n\
             \x20 ip -n {label}-node-1 link set eth0 down    # another one dies",
            to = first.address(),
            socket = socket.display(),
        )
    }
}

fn serve(node: &Node) -> Result<HttpServer> {
    let addresses: BTreeSet<SocketAddr> =
        LISTENERS.iter().flat_map(|listener| listener.served_at(node)).collect();
    let addresses: Vec<SocketAddr> = addresses.into_iter().collect();
    HttpServer::start(&node.namespace, &node.name, &addresses)
}
