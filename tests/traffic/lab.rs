//! The laboratory itself, with no load balancer in it: what the other tests stand on.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::capture::{Capture, Direction};
use harness::client::{Client, Failure};
use harness::http_server::HttpServer;
use harness::lab::{Family, Lab, Node, Plan};
use harness::load::Load;
use harness::{clock, echo, wait};
use hyper::body::Bytes;

use crate::{BOUND, bounded};

const ANSWER: Duration = Duration::from_secs(2);
const PORT: u16 = 80;

/// Where a node listens, in both families.
fn addresses(node: &Node) -> [SocketAddr; 2] {
    Family::BOTH.map(|family| SocketAddr::new(node.address(family), PORT))
}

fn serve(node: &Node) -> Result<HttpServer> {
    HttpServer::start(&node.namespace, &node.name, &addresses(node))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_reach_a_node_through_the_router_over_both_families() {
    bounded(async {
        let lab = Lab::build(Plan::default())?;
        let server = serve(&lab.nodes[1])?;
        let client = Client::new(&lab.clients, ANSWER);
        for to in addresses(&lab.nodes[1]) {
            let exchange = client.get(None, to, "/").await;
            assert_eq!(exchange.node(), Some("node-2"), "{exchange:?}");
        }
        assert_eq!((server.requests(), server.accepted()), (2, 2));
        wait::until("the server has let go of its connections", ANSWER, async || {
            (server.open() == 0).then_some(())
        })
        .await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_speaks_from_each_of_its_addresses() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, client_addresses: 3, ..Plan::default() })?;
        let _server = serve(&lab.nodes[0])?;
        let client = Client::new(&lab.clients, ANSWER);
        for (family, to) in Family::BOTH.into_iter().zip(addresses(&lab.nodes[0])) {
            for address in lab.client_addresses(family) {
                let from = SocketAddr::new(address, 12345);
                let exchange = client.get(Some(from), to, "/").await;
                assert_eq!((exchange.from, exchange.node()), (from, Some("node-1")), "{exchange:?}");
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_told_to_be_ill_says_so_to_probes_alone() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, ..Plan::default() })?;
        let server = serve(&lab.nodes[0])?;
        let client = Client::new(&lab.clients, ANSWER);
        let [to, _] = addresses(&lab.nodes[0]);
        for (healthy, status) in [(true, 200), (false, 503), (true, 200)] {
            server.set_healthy(healthy);
            assert_eq!(client.get(None, to, "/health").await.outcome.unwrap().status, status);
            assert_eq!(client.get(None, to, "/").await.outcome.unwrap().status, 200);
        }
        assert_eq!(server.requests(), 3);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_drops_what_it_held_and_refuses_what_comes() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, ..Plan::default() })?;
        let server = serve(&lab.nodes[0])?;
        let client = Client::new(&lab.clients, ANSWER);
        let [to, _] = addresses(&lab.nodes[0]);
        let mut held = client.hold(None, to).await.unwrap();
        for _ in 0..3 {
            assert_eq!(&*held.ask("/").await.unwrap().node, "node-1");
        }
        assert_eq!((server.requests(), server.accepted(), server.open()), (3, 1, 1));
        drop(server);
        wait::until("the held connection is closed", ANSWER, async || held.is_closed().then_some(())).await?;
        assert_eq!(client.get(None, to, "/").await.outcome, Err(Failure::Refused));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_power_is_silent_until_it_is_back() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, ..Plan::default() })?;
        let _server = serve(&lab.nodes[0])?;
        let client = Client::new(&lab.clients, Duration::from_millis(300));
        lab.nodes[0].power_off()?;
        for to in addresses(&lab.nodes[0]) {
            assert_eq!(client.get(None, to, "/").await.outcome, Err(Failure::TimedOut), "{to}");
        }
        lab.nodes[0].power_on()?;
        for to in addresses(&lab.nodes[0]) {
            wait::until(format!("{to} answers again"), BOUND, async || {
                client.get(None, to, "/").await.outcome.ok()
            })
            .await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_address_leads_to_the_edge_node_and_nodes_can_answer_for_it() {
    bounded(async {
        let vips = Family::BOTH.map(|family| harness::lab::vip(family, 10));
        let lab = Lab::build(Plan { nodes: 1, direct: vips.into(), ..Plan::default() })?;
        let capture = Capture::start(&lab.router, "edge", |_| true)?;
        let client = Client::new(&lab.clients, Duration::from_millis(200));
        for vip in vips {
            let to = SocketAddr::new(vip, PORT);
            let exchange = client.get(None, to, "/").await;
            assert_eq!(exchange.outcome, Err(Failure::TimedOut), "nobody forwards");
            wait::until("the router hands the SYN to the edge node", ANSWER, async || {
                capture.seen().into_iter().find(|seen| {
                    seen.direction == Direction::Out && seen.packet.tuple.is_some_and(|tuple| tuple.to == to)
                })
            })
            .await?;
            let _server = HttpServer::start(&lab.nodes[0].namespace, "node-1", &[to])
                .context("the node carries the virtual address")?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn echo_servers_answer_with_their_name_over_both_families() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, ..Plan::default() })?;
        let node = &lab.nodes[0];
        let addresses = addresses(&lab.nodes[0]);
        let _udp = echo::udp(&node.namespace, "node-1", &addresses)?;
        let client = Client::new(&lab.clients, ANSWER);
        for to in addresses {
            for payload in [&b"hello"[..], &[0; 1400]] {
                let exchange = client.datagram(None, to, payload).await;
                assert_eq!(exchange.node(), Some("node-1"), "{exchange:?}");
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_many_full_segments_arrives() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, ..Plan::default() })?;
        let _server = serve(&lab.nodes[0])?;
        let client = Client::new(&lab.clients, ANSWER);
        for to in addresses(&lab.nodes[0]) {
            let exchange = client.send(None, to, "/", Bytes::from(vec![7; 1 << 20])).await;
            assert_eq!(exchange.node(), Some("node-1"), "{exchange:?}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_sees_each_connection_open_once_a_direction_with_the_kernels_time() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, ..Plan::default() })?;
        let _server = serve(&lab.nodes[0])?;
        let capture = Capture::start(&lab.router, "node-1", |seen| {
            seen.packet.tuple.is_some_and(|tuple| tuple.opens.is_some())
        })?;
        let client = Client::new(&lab.clients, ANSWER);
        for to in addresses(&lab.nodes[0]) {
            let exchange = client.get(None, to, "/").await;
            let seen = wait::until("the SYN is captured", ANSWER, async || {
                capture.seen().into_iter().find(|seen| seen.packet.tuple.is_some_and(|it| it.to == to))
            })
            .await?;
            let tuple = seen.packet.tuple.unwrap();
            assert_eq!((tuple.from, tuple.to, seen.direction), (exchange.from, to, Direction::Out));
            let after = clock::milliseconds_between(exchange.began, seen.at);
            assert!((0.0..1000.0).contains(&after), "stamped {after} ms after the connection began");
        }
        assert_eq!((capture.seen().len(), capture.missed()), (2, 0));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_records_every_connection_from_a_tuple_of_its_own() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 2, client_addresses: 4, ..Plan::default() })?;
        let servers = [serve(&lab.nodes[0])?, serve(&lab.nodes[1])?];
        let destinations: Vec<SocketAddr> = [addresses(&lab.nodes[0]), addresses(&lab.nodes[1])].concat();
        let load = Load::new(&lab, Client::new(&lab.clients, ANSWER), destinations);
        load.closed_loop(200, 8, BOUND).await;
        load.open_loop(40, 400.0).await;
        let record = load.record().clone();
        assert!(record.iter().all(|exchange| exchange.outcome.is_ok()), "{record:?}");
        let tuples: std::collections::BTreeSet<_> = record.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(tuples.len(), 240);
        assert_eq!(servers.map(|server| server.requests()), [120, 120]);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_arm_leads_from_the_edge_to_the_nodes() {
    bounded(async {
        let lab = Lab::build(Plan { nodes: 1, second_arm: true, ..Plan::default() })?;
        let _server = serve(&lab.nodes[0])?;
        let capture = Capture::start(&lab.router, "edge2", |_| true)?;
        let from_edge = Client::new(&lab.edge, ANSWER);
        for to in addresses(&lab.nodes[0]) {
            assert_eq!(from_edge.get(None, to, "/").await.node(), Some("node-1"));
            wait::until(format!("a packet to {to} goes by the second arm"), ANSWER, async || {
                capture.seen().into_iter().find(|seen| seen.packet.destination == to.ip())
            })
            .await?;
        }
        Ok(())
    })
    .await;
}
