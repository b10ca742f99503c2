//! A rendezvous as torchrun's c10d holds it: a job a port, ranks from many addresses, one store for each job.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use harness::client::Client;
use harness::daemon::{self, Daemon};
use harness::echo;
use harness::http_server::HttpServer;
use harness::lab::{Family, Lab, OUTER_V4, OUTER_V6, Plan, vip};
use harness::status::State;
use harness::wait;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::{BOUND, bounded};

const FIRST: u16 = 29_400;
const JOBS: u16 = 12;
const NODES: u8 = 4;
/// Of each job.
const RANKS: usize = 16;
const HEALTH: u16 = 80;
const PATIENCE: Duration = Duration::from_secs(4);

fn config(lab: &Lab) -> String {
    let socket = daemon::socket(lab);
    let (socket, last) = (socket.display(), FIRST + JOBS - 1);
    let mut text = format!(
        r#"[node]
interfaces = ["eth0"]
seed = "the same in every run, so that a run can be repeated"
[encapsulation]
ipv4_source = "{OUTER_V4}"
ipv6_source = "{OUTER_V6}"
[api]
socket = "{socket}"
[limits]
targets = 128
"#
    );
    for family in Family::BOTH {
        let (name, address) = (format!("{family:?}"), vip(family, 10));
        // Writing to a string cannot fail.
        let _infallible = write!(
            text,
            r#"
[[listener]]
name = "{name}"
address = "{address}"
port = "{FIRST}-{last}"
protocol = "tcp"
target_group = "{name}"
[[target_group]]
name = "{name}"
forwarding = "ipip"
steering_key = "destination-port"
[target_group.health_check]
protocol = "http"
path = "/health"
interval = "500ms"
timeout = "500ms"
healthy_threshold = 2
unhealthy_threshold = 2
"#
        );
        for node in &lab.nodes {
            let (name, address) = (&node.name, node.address(family));
            let _infallible = write!(
                text,
                "[[target_group.target]]\nname = \"{name}\"\naddress = \"{address}\"\nport = {HEALTH}\n"
            );
        }
    }
    text
}

/// A rank's connection to the store, which said first on which node it is.
struct Rank {
    stream: BufReader<TcpStream>,
    node: String,
}

impl Rank {
    /// The number tells the rank's address: ranks are on many machines.
    async fn join(lab: &Lab, client: &Client, family: Family, job: u16, number: usize) -> Result<Self> {
        let addresses = lab.client_addresses(family);
        let address = addresses.get(number % addresses.len()).context("a client's address")?;
        let from = SocketAddr::new(*address, 20_000 + job * 100 + u16::try_from(number)?);
        let to = SocketAddr::new(vip(family, 10), FIRST + job);
        let stream =
            client.stream(Some(from), to).await.map_err(|failure| anyhow!("{from}, {to}: {failure}"))?;
        let mut stream = BufReader::new(stream);
        let node = line(&mut stream).await.with_context(|| format!("{from}, {to}: the greeting"))?;
        Ok(Self { stream, node })
    }

    /// Speaks on the connection that it has.
    async fn speak(&mut self) -> Result<()> {
        self.stream.get_mut().write_all(b"set rank\n").await?;
        ensure!(line(&mut self.stream).await? == "set rank", "the store answers something else");
        Ok(())
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    wait::within("a line", PATIENCE, stream.read_line(&mut line)).await??;
    Ok(line.trim_end().to_owned())
}

type Jobs = BTreeMap<(String, u16), Vec<Rank>>;

async fn join_all(lab: &Lab, client: &Client, numbers: std::ops::Range<usize>) -> Result<Jobs> {
    let mut jobs = Jobs::new();
    for family in Family::BOTH {
        for job in 0..JOBS {
            for number in numbers.clone() {
                let rank = Rank::join(lab, client, family, job, number).await?;
                jobs.entry((format!("{family:?}"), job)).or_default().push(rank);
            }
        }
    }
    Ok(jobs)
}

/// The one node that all ranks of each job met at.
fn places(jobs: &Jobs) -> BTreeMap<(String, u16), String> {
    let one = |(job, ranks): (&(String, u16), &Vec<Rank>)| {
        let nodes: BTreeSet<_> = ranks.iter().map(|rank| rank.node.clone()).collect();
        assert_eq!(nodes.len(), 1, "job {job:?} is torn apart: {nodes:?}");
        (job.clone(), nodes.into_iter().collect())
    };
    jobs.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_ranks_of_a_job_meet_on_one_node_and_a_failed_nodes_jobs_move_whole() {
    bounded(async {
        let vips = Family::BOTH.map(|family| vip(family, 10));
        let plan = Plan { nodes: NODES, client_addresses: 8, direct: vips.into(), ..Plan::default() };
        let lab = Lab::build(plan)?;
        let mut servers = Vec::new();
        for node in &lab.nodes {
            let health = Family::BOTH.map(|family| SocketAddr::new(node.address(family), HEALTH));
            let stores = vips.into_iter().flat_map(|vip| (0..JOBS).map(move |job| (vip, FIRST + job)));
            let stores: Vec<SocketAddr> = stores.map(Into::into).collect();
            let probed = HttpServer::start(&node.namespace, &node.name, &health)?;
            servers.push((probed, echo::tcp(&node.namespace, &node.name, &stores)?));
        }
        let binary = daemon::binary()?;
        let _unwrappers = daemon::attach_nodes(&lab, &binary).await?;
        let daemon = Daemon::start(&lab, &binary, &config(&lab)).await?;
        let until = async |what: &str, so: &dyn Fn(&harness::status::Status) -> bool| {
            wait::until(what, BOUND, async || daemon.status().await.ok().filter(|status| so(status))).await
        };
        until("all are healthy", &|status| {
            status.all_are(State::Healthy) && status.targets().all(|(_, it)| it.next_hop.is_some())
        })
        .await?;

        let client = Client::new(&lab.clients, PATIENCE);
        let mut jobs = join_all(&lab, &client, 0..RANKS).await?;
        let before = places(&jobs);
        for family in Family::BOTH {
            for node in &lab.nodes {
                let here =
                    before.iter().filter(|((of, _), at)| *of == format!("{family:?}") && **at == node.name);
                assert_eq!(
                    here.count(),
                    usize::from(JOBS) / usize::from(NODES),
                    "{}: every node has its share",
                    node.name
                );
            }
        }

        let dead = &lab.nodes[1];
        dead.power_off()?;
        until("the daemon sees it", &|status| {
            status
                .targets()
                .filter(|(_, it)| it.name == dead.name)
                .all(|(_, it)| it.state == State::Unhealthy)
        })
        .await?;
        let after = places(&join_all(&lab, &client, RANKS..2 * RANKS).await?);
        for (job, node) in &before {
            if *node == dead.name {
                assert_ne!(after[job], dead.name, "{job:?}");
            } else {
                assert_eq!(after[job], *node, "{job:?} was not touched");
            }
        }
        for (job, ranks) in jobs.iter_mut().filter(|(job, _)| before[*job] != dead.name) {
            for rank in ranks {
                rank.speak().await.with_context(|| format!("{job:?}"))?;
            }
        }
        Ok(())
    })
    .await;
}
