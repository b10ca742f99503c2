//! An end in order.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::daemon::{self, Daemon};
use harness::echo;
use harness::lab::Family::{V4, V6};
use harness::lab::{Lab, OUTER_V4, Plan};
use harness::xdp::{self, Attached, Mode};
use nix::sys::signal::Signal;

use crate::bounded;
use crate::config::{Config, Service};
use crate::scene::{Scene, answers};

const LIMIT: Duration = Duration::from_secs(10);
const RESERVED: &str = "ipv4/ip_local_reserved_ports";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_told_to_stop_leaves_the_host_as_it_was_and_can_start_again() {
    bounded(async {
        let config = Config {
            interfaces: &["eth0", "eth1"],
            ..Config::of([Service::ipip("direct", V6, 10), Service::nat("translated", V4, 20)])
        };
        let plan = Plan { nodes: 1, second_arm: true, ..Plan::default() };
        let mut scene = Scene::set(plan, config).await?;
        let lab = &scene.lab;
        let listeners: Vec<_> = scene.config.services.iter().map(Service::listener).collect();
        // What somebody else reserves meanwhile would not be the daemon's to take away: see dataplane/ports.rs.
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            assert_eq!(lab.edge.parameter(RESERVED)?, "40000-49999");
            for interface in ["eth0", "eth1"] {
                let there = xdp::attached(&lab.edge, interface).await?;
                assert_eq!(there, Some(Attached { program: "edge".into(), mode: Mode::Driver }));
            }
            answers(&scene.ask(listeners.clone(), 8).await)?;

            scene.daemon.process.signal(signal)?;
            let ended = scene.daemon.process.gone(LIMIT).await?;
            assert_eq!(ended.code(), Some(0), "{signal}: {}", scene.daemon.process.log_tail());
            let log = scene.daemon.process.log();
            assert!(log.contains(signal.as_str()) && log.contains("detached"), "{log}");
            is_as_before(lab).await?;
            scene.daemon = Daemon::start(lab, &daemon::binary()?, &scene.config.text(lab)).await?;
            scene
                .until("the ways are known", |status| {
                    status.targets().all(|(_, target)| target.next_hop.is_some())
                })
                .await?;
        }
        Ok(())
    })
    .await;
}

async fn is_as_before(lab: &Lab) -> Result<()> {
    for interface in ["eth0", "eth1"] {
        ensure!(xdp::attached(&lab.edge, interface).await?.is_none(), "`{interface}` has a program");
    }
    ensure!(!daemon::socket(lab).exists(), "the socket is there");
    ensure!(lab.edge.parameter(RESERVED)?.is_empty(), "ports are reserved");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_that_the_host_reserved_before_stay_reserved_after() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, ..Plan::default() })?;
        lab.edge.sysctl(&[(RESERVED, "30000-30009,45000")])?;
        let config = Config::of([Service::nat("web", V4, 20)]);
        let mut daemon = Daemon::start(&lab, &daemon::binary()?, &config.text(&lab)).await?;
        assert_eq!(lab.edge.parameter(RESERVED)?, "30000-30009,40000-49999");
        daemon.stop().await?;
        assert_eq!(lab.edge.parameter(RESERVED)?, "30000-30009,45000");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_detaches_when_told_to_and_says_what_it_counted() {
    bounded(async {
        let mut scene = Scene::of_one_node(Config::of([Service::ipip("echo", V4, 10).udp()])).await?;
        let asked = scene.ask_by_udp(scene.config.services[0].listener(), 5).await;
        answers(&asked)?;
        let node = &scene.lab.nodes[0].namespace;
        let there = xdp::attached(node, "eth0").await?;
        assert_eq!(there, Some(Attached { program: "node".into(), mode: Mode::Driver }));
        let mut unwrapper = scene.unwrappers.pop().context("a node's process")?;
        unwrapper.stop(LIMIT).await?;
        assert!(xdp::attached(node, "eth0").await?.is_none());
        let said = unwrapper.log();
        for line in ["detached from eth0\n", " 5 packets unwrapped: "] {
            assert!(said.contains(line), "`{line}` in:\n{said}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_unwraps_what_comes_from_the_edge_nodes_alone_and_counts_the_rest() {
    bounded(async {
        let mut scene = Scene::of_one_node(Config::of([
            Service::ipip("outer-4", V4, 10).udp(),
            Service::ipip("outer-6", V6, 10).udp(),
        ]))
        .await?;
        let mut unrestricted = scene.unwrappers.pop().context("a node's process")?;
        unrestricted.stop(LIMIT).await?;
        let node = &scene.lab.nodes[0];
        let flags = ["--from", "203.0.113.0/24", "--from", OUTER_V4];
        let mut unwrapper = daemon::attach_node(&scene.lab, node, &daemon::binary()?, &flags).await?;

        let [by_v4, by_v6] = [0, 1].map(|at: usize| scene.config.services[at].listener());
        answers(&scene.ask_by_udp(by_v4, 4).await)?;
        for _ in 0..3 {
            scene.send_datagram(by_v6, b"from a source that is not allowed").await?;
        }
        let sent =
            |status: &harness::status::Status| status.target("outer-6", &node.name).map(|it| it.packets);
        scene.until("three are sent to the node", |status| sent(status) == Some(3)).await?;
        // One more that is answered: what came before it has been dealt with.
        answers(&scene.ask_by_udp(by_v4, 1).await)?;
        unwrapper.stop(LIMIT).await?;
        let said = unwrapper.log();
        for line in [" 5 packets unwrapped: ", " 3 packets source-denied: "] {
            assert!(said.contains(line), "`{line}` in:\n{said}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_daemon_the_host_hears_what_was_forwarded_before() {
    bounded(async {
        let mut scene = Scene::of_one_node(Config::of([Service::nat("web", V4, 20)])).await?;
        let to = scene.config.services[0].listener();
        answers(&scene.ask(vec![to], 4).await)?;
        scene.daemon.stop().await?;
        scene.lab.edge.ip(&format!("addr replace {}/32 dev lo\n", to.ip()))?;
        let _host = echo::tcp(&scene.lab.edge, "edge", &[to])?;
        let mut name = [0; 4];
        let mut stream = scene.client().stream(None, to).await.unwrap();
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut name).await?;
        assert_eq!(&name, b"edge");
        Ok(())
    })
    .await;
}
