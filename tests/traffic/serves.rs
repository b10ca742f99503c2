//! Every way of forwarding serves, and what the daemon counts is what happened.
//!
//! Not here: frames with VLAN tags. Kernels without the 8021q module make no such interface; the datapath tests
//! have those frames.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use harness::client::Exchange;
use harness::command::{self, Outcome};
use harness::lab::Family::{V4, V6};
use harness::lab::Plan;
use harness::status::{Status, Traffic};
use harness::{daemon, metrics};

use crate::bounded;
use crate::config::{Config, METRICS, Protocol, Service, WEB};
use crate::counts::{counted, seen};
use crate::scene::{OTHER_PORT, PATIENCE, Scene, answers, until_equal};
use crate::trace::Trace;

/// Every combination of families and protocol, by `ipip` and `nat`.
fn services() -> Vec<Service> {
    vec![
        Service::ipip("tcp-4in4", V4, 10),
        Service::ipip("tcp-6in6", V6, 10),
        Service::ipip("tcp-4in6", V4, 11).with_targets(V6),
        Service::ipip("tcp-6in4", V6, 11).with_targets(V4),
        Service::ipip("udp-4in4", V4, 10).udp(),
        Service::ipip("udp-6in6", V6, 10).udp(),
        Service::ipip("udp-4in6", V4, 11).udp().with_targets(V6),
        Service::ipip("udp-6in4", V6, 11).udp().with_targets(V4),
        Service::nat("tcp-nat-4", V4, 20),
        Service::nat("tcp-nat-6", V6, 20),
        Service::nat("udp-nat-4", V4, 20).udp(),
        Service::nat("udp-nat-6", V6, 20).udp(),
    ]
}

/// The same by `gue` and `l2`.
fn services_by_gue_and_l2() -> Vec<Service> {
    vec![
        Service::gue("tcp-4in4", V4, 10),
        Service::gue("tcp-6in6", V6, 10),
        Service::gue("tcp-4in6", V4, 11).with_targets(V6),
        Service::gue("tcp-6in4", V6, 11).with_targets(V4),
        Service::gue("udp-4in4", V4, 10).udp(),
        Service::gue("udp-6in6", V6, 10).udp(),
        Service::gue("udp-4in6", V4, 11).udp().with_targets(V6),
        Service::gue("udp-6in4", V6, 11).udp().with_targets(V4),
        Service::l2("tcp-4", V4, 30),
        Service::l2("tcp-6", V6, 30),
        Service::l2("tcp-4-at-6", V4, 31).with_targets(V6),
        Service::l2("udp-4", V4, 30).udp(),
        Service::l2("udp-6", V6, 30).udp(),
        Service::l2("udp-6-at-4", V6, 31).udp().with_targets(V4),
    ]
}

/// Asks a service `count` times at this port.
async fn ask(scene: &Scene, service: &Service, port: u16, count: u16) -> Vec<Exchange> {
    match service.protocol {
        Protocol::Tcp => scene.ask(vec![service.at(port)], count.into()).await,
        Protocol::Udp => scene.ask_by_udp(service.at(port), count).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_target_answers_by_ipip_and_nat_and_all_counters_agree() {
    bounded(async { all_answer(&Scene::of(Config::of(services())).await?).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_target_answers_by_gue_and_l2_and_all_counters_agree() {
    bounded(async {
        let plan = Plan { adjacent: true, ..Plan::default() };
        let interfaces = &["eth0", "node-1", "node-2", "node-3"];
        let config = Config { interfaces, ..Config::of(services_by_gue_and_l2()) };
        all_answer(&Scene::set(plan, config).await?).await
    })
    .await;
}

/// Every node answers at every service, and the daemon counts each packet once, where it belongs.
async fn all_answer(scene: &Scene) -> Result<()> {
    let trace = Trace::start(&scene.lab)?;
    let (mut exchanges, mut requests) = (BTreeMap::new(), 0);
    for service in &scene.config.services {
        let asked = ask(scene, service, service.port, 48).await;
        let answers = answers(&asked).context(service.name)?;
        assert_eq!(answers.len(), 3, "{}: every node answers: {answers:?}", service.name);
        exchanges.insert(service.name, asked);
        requests += if service.protocol == Protocol::Tcp { 48 } else { 0 };
    }
    until_equal("the daemon counts what the router saw", async || {
        Ok((counted(&scene.status().await?), seen(scene, &trace, &exchanges).await?))
    })
    .await?;
    assert_eq!(scene.servers.iter().map(|it| it.requests()).sum::<u64>(), requests);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_on_every_port_takes_each_port_and_leaves_one_that_another_listener_has() {
    bounded(async {
        let scene = Scene::of(Config::of([
            Service::ipip("tcp-ipip", V4, 10).on_every_port(),
            Service::ipip("udp-ipip", V6, 10).udp().on_every_port(),
            Service::nat("tcp-nat", V6, 20).on_every_port(),
            Service::nat("udp-nat", V4, 20).udp().on_every_port(),
            Service::nat("exact", V6, 20),
        ]))
        .await?;
        let count = async |name| {
            let status = scene.status().await?;
            let group = status.targets().filter(|(group, _)| group.name == name);
            anyhow::Ok(group.map(|(_, target)| target.packets).sum::<u64>())
        };
        for service in scene.config.services.iter().filter(|it| it.port == 0) {
            for port in [WEB, OTHER_PORT] {
                let answers = answers(&ask(&scene, service, port, 24).await).context(service.name)?;
                assert_eq!(answers.len(), 3, "{}, port {port}: {answers:?}", service.name);
            }
        }
        ensure!(count("exact").await? > 24 && count("tcp-nat").await? > 24);
        let before = count("tcp-nat").await?;
        answers(&scene.ask(vec![scene.config.services[4].listener()], 12).await)?;
        assert_eq!(count("tcp-nat").await?, before);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_listeners_goes_to_the_host_untouched() {
    bounded(async {
        let scene = Scene::of_one_node(Config::of([Service::ipip("web", V4, 10)])).await?;
        // The edge node's own service, and a port of the listener's address that the listener does not have.
        for (to, other) in [(scene.lab.edge_address(V4), WEB), (scene.config.services[0].address, 81)] {
            let script = format!("addr replace {to}/32 dev lo\n");
            scene.lab.edge.ip(&script)?;
            let at = SocketAddr::new(to, other);
            let _host = harness::http_server::HttpServer::start(&scene.lab.edge, "edge", &[at])?;
            assert_eq!(scene.client().get(None, at, "/").await.node(), Some("edge"), "{at}");
        }
        let counted = counted(&scene.status().await?);
        assert_eq!((counted.forwarded, counted.returned), (Traffic::default(), Traffic::default()));
        assert_eq!(counted.other, BTreeMap::new());
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_the_status_command_say_what_the_status_page_says() {
    bounded(async {
        let scene =
            Scene::of(Config::of([Service::ipip("direct", V4, 10), Service::nat("translated", V6, 20)]))
                .await?;
        let listeners = scene.config.services.iter().map(Service::listener).collect();
        answers(&scene.ask(listeners, 24).await)?;
        until_equal("the metrics say what the status says", async || {
            let before = samples(&scene.status().await?);
            let page = metrics::scrape(&scene.lab.edge, ([127, 0, 0, 1], METRICS).into()).await?;
            ensure!(before == samples(&scene.status().await?), "packets came between two looks");
            Ok((before.keys().map(|key| (key.clone(), page.get(key).copied())).collect(), before))
        })
        .await?;

        let text = status_command(&scene, &[]).await?;
        for shown in ["direct", "translated", "node-1", "node-2", "node-3", "[2001:db8:100::14]:80"] {
            assert!(text.stdout.contains(shown), "`{shown}` in {}", text.stdout);
        }
        let json: Status = serde_json::from_str(&status_command(&scene, &["--json"]).await?.stdout)?;
        assert_eq!(counted(&json).targets, counted(&scene.status().await?).targets);
        Ok(())
    })
    .await;
}

/// The samples that a status amounts to, those of traffic.
fn samples(status: &Status) -> BTreeMap<String, Option<f64>> {
    let mut samples = BTreeMap::new();
    let mut add = |sample: String, value: u64| samples.insert(sample, Some(value as f64));
    for (verdict, traffic) in &status.verdicts {
        let labels = format!("{{verdict=\"{verdict}\"}}");
        add(format!("pointsman_verdict_packets_total{labels}"), traffic.packets);
        add(format!("pointsman_verdict_bytes_total{labels}"), traffic.bytes);
    }
    for (group, target) in status.targets() {
        let address = SocketAddr::new(target.address, target.port);
        let who = format!("target_group=\"{}\",target=\"{}\",address=\"{address}\"", group.name, target.name);
        let (to, from) = ("direction=\"to_target\"", "direction=\"from_target\"");
        add(format!("pointsman_target_packets_total{{{who},{to}}}"), target.packets);
        add(format!("pointsman_target_packets_total{{{who},{from}}}"), target.reply_packets);
        add(format!("pointsman_target_bytes_total{{{who},{to}}}"), target.bytes);
        add(format!("pointsman_target_bytes_total{{{who},{from}}}"), target.reply_bytes);
        add(format!("pointsman_target_new_flows_total{{{who}}}"), target.new_flows);
    }
    samples
}

async fn status_command(scene: &Scene, flags: &[&str]) -> Result<Outcome> {
    let socket = daemon::socket(&scene.lab);
    let socket = socket.to_string_lossy();
    let arguments = [&["status", "--socket", &*socket], flags].concat();
    let binary = daemon::binary()?;
    let ended = command::outcome(&scene.lab.edge, Path::new(&binary), &arguments, PATIENCE).await?;
    ensure!(ended.code == Some(0) && ended.stderr.is_empty(), "{ended:?}");
    Ok(ended)
}
