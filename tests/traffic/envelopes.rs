//! Encapsulation: what fits arrives whole, and the sender of what does not fit is told so.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use std::path::Path;

use anyhow::Result;
use harness::capture::{Capture, Direction};
use harness::command;
use harness::lab::Family::{V4, V6};
use harness::lab::Plan;
use harness::status::Status;

use crate::bounded;
use crate::config::{Config, Forwarding, Service};
use crate::scene::{PATIENCE, Scene, until_equal};
use crate::streams::{BIG, Pair, listen};
use crate::trace::Trace;

/// All four combinations of inner and outer family, without UDP and with it, each with a virtual address of its
/// own.
fn services() -> [Service; 8] {
    [
        Service::ipip("4in4", V4, 10),
        Service::ipip("6in6", V6, 10),
        Service::ipip("4in6", V4, 11).with_targets(V6),
        Service::ipip("6in4", V6, 11).with_targets(V4),
        Service::gue("4in4-udp", V4, 12),
        Service::gue("6in6-udp", V6, 12),
        Service::gue("4in6-udp", V4, 13).with_targets(V6),
        Service::gue("6in4-udp", V6, 13).with_targets(V4),
    ]
}

/// What is put before a packet.
fn before(service: &Service) -> u32 {
    let outer = if service.targets == V4 { 20 } else { 40 };
    outer + if service.forwarding == Forwarding::Gue { 8 } else { 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_arrive_whole_in_envelopes_of_full_segments_and_the_answer_comes_straight_back() {
    bounded(async {
        let scene = Scene::of_one_node(Config::of(services().map(Service::raw))).await?;
        for service in &scene.config.services {
            let listener = listen(&scene, service.listener())?;
            let trace = Trace::start(&scene.lab)?;
            let node = Capture::start(&scene.lab.router, "node-1", |seen| seen.packet.is_envelope)?;
            let mut pair = Pair::open(&scene, &listener, service.listener()).await?;
            pair.exchange(BIG / 2).await?;

            let envelopes = node.all().await?;
            assert_eq!(envelopes.iter().map(|it| it.packet.length).max(), Some(1500 + before(service)));
            // The outer source is a flow's, so that a card's queues can tell flows apart.
            let sources: BTreeMap<IpAddr, usize> =
                envelopes.iter().fold(BTreeMap::new(), |mut sources, seen| {
                    *sources.entry(seen.packet.source).or_default() += 1;
                    sources
                });
            assert_eq!(sources.len(), 1, "{}: {sources:?}", service.name);
            // The answer does not pass the edge node.
            assert!(
                trace.sent_to_edge().await?.all(|it| it.packet.tuple.unwrap().from != service.listener())
            );
        }
        Ok(())
    })
    .await;
}

/// How many of the clients' packets went to the edge node, and how many came from it for the node.
async fn in_and_out(trace: &Trace, node: &Capture, to: SocketAddr) -> Result<(u64, u64)> {
    let going_in =
        trace.sent_to_edge().await?.filter(|it| it.packet.tuple.is_some_and(|it| it.to == to)).count();
    let at_node = node.all().await?;
    let out = at_node.iter().filter(|it| it.direction == Direction::Out && it.packet.is_envelope);
    Ok((going_in as u64, out.count() as u64))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datagram_that_fills_the_path_passes_and_the_sender_of_a_byte_more_is_told() {
    bounded(async {
        let plan = Plan { nodes: 1, fabric_mtu: 1500, ..Plan::default() };
        let config = Config::of(services().map(Service::udp));
        let scene = Scene::set(plan, config).await?;
        for (number, service) in (1..).zip(&scene.config.services) {
            let inner = if service.address.is_ipv4() { 20 } else { 40 };
            let fits = vec![7; 1500 - before(service) as usize - inner - 8];
            let exchange = scene.client().datagram(None, service.listener(), &fits).await;
            assert_eq!(exchange.node(), Some("node-1"), "{}: {exchange:?}", service.name);
            // No answer of the node's can come, so none is waited for.
            let too_big = [&fits[..], &[7]].concat();
            scene.send_datagram(service.listener(), &too_big).await?;
            let answered = |status: &Status| status.verdicts["too-big-answered"].packets == number;
            scene.until("it is counted", answered).await?;
            let target = scene.status().await?;
            let packets = target.target(service.name, "node-1").map(|target| target.packets);
            assert_eq!(packets, Some(1), "{}", service.name);
            // The client's kernel took the answer for what it is.
            let learnt = route(&scene, service.address).await?;
            let mtu = learnt.split_whitespace().skip_while(|word| *word != "mtu").nth(1);
            assert_eq!(mtu, Some(&*(1500 - before(service)).to_string()), "{}: {learnt}", service.name);
        }
        Ok(())
    })
    .await;
}

/// What the client's kernel knows of the way there.
async fn route(scene: &Scene, to: IpAddr) -> Result<String> {
    let arguments = ["route", "get", &to.to_string()];
    let outcome = command::outcome(&scene.lab.clients, Path::new("ip"), &arguments, PATIENCE).await?;
    Ok(outcome.stdout)
}

/// Path MTU discovery (RFC 1191, RFC 8201): the client's first full segments do not fit, it is told so, and sends
/// smaller ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_arrive_on_a_path_too_narrow_for_full_segments_in_envelopes() {
    bounded(async {
        let plan = Plan { nodes: 1, fabric_mtu: 1500, ..Plan::default() };
        let scene = Scene::set(plan, Config::of(services().map(Service::raw))).await?;
        let mut answered = 0;
        for service in &scene.config.services {
            let listener = listen(&scene, service.listener())?;
            let trace = Trace::start(&scene.lab)?;
            let node = Capture::start(&scene.lab.router, "node-1", |_| true)?;
            let mut pair = Pair::open(&scene, &listener, service.listener()).await?;
            pair.exchange(BIG / 2).await?;

            let to = service.listener();
            until_equal("what did not leave is counted", async || {
                let (going_in, out) = in_and_out(&trace, &node, to).await?;
                let verdicts = scene.status().await?.verdicts;
                Ok((verdicts["too-big-answered"].packets, answered + going_in - out))
            })
            .await?;
            let so_far = scene.status().await?.verdicts["too-big-answered"].packets;
            assert!(so_far > answered, "{}: the answer was needed", service.name);
            answered = so_far;
        }
        Ok(())
    })
    .await;
}
