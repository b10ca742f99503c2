//! Full NAT: nobody notices but for the addresses.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::capture::{Capture, Direction};
use harness::client::Failure;
use harness::lab::Family::{V4, V6};
use harness::wait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::bounded;
use crate::config::{Config, Service, TRANSLATED};
use crate::scene::{PATIENCE, Scene, answers};
use crate::streams::{BIG, Pair, listen};
use crate::trace::Trace;

fn services() -> [Service; 2] {
    [Service::nat("nat-4", V4, 20), Service::nat("nat-6", V6, 20)]
}

fn listeners(scene: &Scene) -> Vec<SocketAddr> {
    scene.config.services.iter().map(Service::listener).collect()
}

/// The only node, which the test itself serves at.
async fn raw_scene() -> Result<Scene> {
    Scene::of_one_node(Config::of(services().map(Service::raw))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_see_the_nodes_address_and_ports_of_the_range_and_clients_see_the_listener() {
    bounded(async {
        // The narrowest range there is: each port serves several targets at once.
        let config = Config { nat_ports: 40000..=40255, ..Config::of(services()) };
        let scene = Scene::of(config).await?;
        let trace = Trace::start(&scene.lab)?;
        let clients = Capture::start(&scene.lab.clients, "eth0", |seen| seen.packet.tuple.is_some())?;
        answers(&scene.ask(listeners(&scene), 400).await)?;

        let (mut ports, mut to_targets) = (BTreeSet::new(), 0);
        for seen in trace.sent_by_edge().await? {
            let tuple = seen.packet.tuple.unwrap();
            // The edge node's health checks go to the same port, from ports below.
            if tuple.to.port() == TRANSLATED && tuple.from.port() >= 32768 {
                let family = if tuple.to.is_ipv4() { V4 } else { V6 };
                assert_eq!(tuple.from.ip(), scene.lab.edge_address(family));
                ports.insert(tuple.from.port());
                to_targets += 1;
            }
        }
        assert!(to_targets >= 400 * 3, "{to_targets}");
        assert!(ports.len() > 100 && ports.iter().all(|port| (40000..=40255).contains(port)), "{ports:?}");

        let (seen, listeners) = (clients.all().await?, listeners(&scene));
        let replies: Vec<_> = seen.iter().filter(|seen| seen.direction == Direction::In).collect();
        assert!(replies.len() >= 400 * 3);
        assert!(replies.iter().all(|it| listeners.contains(&it.packet.tuple.unwrap().from)));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_pass_nat_whole_and_in_full_segments_each_way_and_over_a_half_closed_connection() {
    bounded(async {
        let scene = raw_scene().await?;
        for service in &scene.config.services {
            let listener = listen(&scene, service.target(&scene.lab.nodes[0]))?;
            let trace = Trace::start(&scene.lab)?;
            let mut pair = Pair::open(&scene, &listener, service.listener()).await?;
            pair.exchange(BIG).await?;
            let mut full = [0, 0];
            for seen in trace.sent_to_edge().await? {
                assert!(seen.packet.length <= 1500, "{seen:?}");
                let is_reply = seen.packet.tuple.unwrap().from == service.target(&scene.lab.nodes[0]);
                full[usize::from(is_reply)] += usize::from(seen.packet.length == 1500);
            }
            // Some are the rest of what was written at a time.
            let least = BIG / (1500 - 40 - 20);
            assert!(full.iter().all(|&full| full * 10 > least * 9), "{full:?} full segments of {least}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_and_a_refusal_pass_nat_each_way() {
    bounded(async {
        let scene = raw_scene().await?;
        for service in &scene.config.services {
            let (to, mut byte) = (service.listener(), [0]);
            let listener = listen(&scene, service.target(&scene.lab.nodes[0]))?;
            let mut pair = Pair::open(&scene, &listener, to).await?;
            pair.client.set_zero_linger()?;
            drop(pair.client);
            let reset = wait::within("the client's reset", PATIENCE, pair.server.read(&mut byte)).await?;
            assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);

            let mut pair = Pair::open(&scene, &listener, to).await?;
            pair.server.set_zero_linger()?;
            drop(pair.server);
            let reset = wait::within("the server's reset", PATIENCE, pair.client.read(&mut byte)).await?;
            assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);

            drop(listener);
            assert_eq!(scene.client().get(None, to, "/").await.outcome, Err(Failure::Refused));
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_of_many_flows_at_once_each_find_their_way_back() {
    bounded(async {
        let scene = Scene::of(Config::of(services().map(Service::udp))).await?;
        let mut asked = JoinSet::new();
        for number in 0..300 {
            let to = scene.config.services[number % 2].listener();
            let client = scene.client();
            // The client fails on an echo of anything but its own words.
            asked.spawn(async move { client.datagram(None, to, format!("flow {number}").as_bytes()).await });
        }
        let exchanges = asked.join_all().await;
        assert_eq!(answers(&exchanges)?.values().sum::<usize>(), 300);
        let status = scene.status().await?;
        let counts: Vec<_> =
            status.targets().map(|(_, it)| (it.new_flows, it.packets, it.reply_packets)).collect();
        assert!(counts.iter().all(|(flows, to, from)| flows == to && to == from), "{counts:?}");
        assert_eq!(counts.iter().map(|it| it.0).sum::<u64>(), 300);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_silent_for_so_long_that_nat_forgot_it_goes_on_from_its_old_port() {
    bounded(async {
        let config = Config { nat: "tcp_idle_timeout = \"10s\"", ..Config::of(services()) };
        let scene = Scene::of_one_node(config).await?;
        let trace = Trace::start(&scene.lab)?;
        let mut held = Vec::new();
        for to in listeners(&scene) {
            held.push(scene.client().hold(None, to).await.unwrap());
        }
        for connection in &mut held {
            connection.ask("/").await.unwrap();
        }
        let flows = async || {
            let status = scene.status().await?;
            anyhow::Ok(status.targets().map(|(_, it)| it.new_flows).collect::<Vec<_>>())
        };
        assert_eq!(flows().await?, [1, 1]);
        // Ticks are seconds: one may be all but over when it counts.
        wait::pass(Duration::from_secs(12)).await;
        for connection in &mut held {
            connection.ask("/").await.unwrap();
        }
        // Forgotten, and opened again.
        assert_eq!(flows().await?, [2, 2]);
        let mut ports = BTreeSet::new();
        for seen in trace.sent_by_edge().await? {
            let tuple = seen.packet.tuple.unwrap();
            if tuple.to.port() == TRANSLATED && tuple.from.port() >= 32768 {
                ports.insert((tuple.from, tuple.to));
            }
        }
        assert_eq!(ports.len(), 2, "one port a connection: {ports:?}");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_pass_both_ways_at_once() {
    bounded(async {
        let scene = raw_scene().await?;
        for service in &scene.config.services {
            let listener = listen(&scene, service.target(&scene.lab.nodes[0]))?;
            let Pair { mut client, mut server } = Pair::open(&scene, &listener, service.listener()).await?;
            let echo = tokio::spawn(async move {
                let (mut from, mut to) = server.split();
                tokio::io::copy(&mut from, &mut to).await
            });
            let sent: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
            let (mut from, mut to) = client.split();
            let mut came = Vec::new();
            let send = async {
                to.write_all(&sent).await?;
                to.shutdown().await
            };
            let (written, read) = tokio::join!(send, from.read_to_end(&mut came));
            written?;
            read?;
            ensure!(came == sent, "{} of {} bytes came back", came.len(), sent.len());
            assert_eq!(echo.await??, sent.len() as u64);
        }
        Ok(())
    })
    .await;
}
