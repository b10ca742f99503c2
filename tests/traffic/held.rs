//! Connections that stay open while a target dies.

use anyhow::{Result, anyhow};
use harness::client::{Failure, Held};
use harness::lab::Family::{V4, V6};
use harness::lab::Plan;
use harness::status::State;
use std::net::SocketAddr;

use crate::bounded;
use crate::config::{Config, Service};
use crate::scene::Scene;

/// Connections that are held to each listener.
const HELD: usize = 150;

/// An open connection and the node that it leads to.
type Led = (Held, String);

/// Opens connections to every listener, from tuples that are the same in every run.
async fn hold(scene: &Scene) -> Result<Vec<Led>> {
    let client = scene.client();
    let mut held = Vec::new();
    for service in &scene.config.services {
        let sources = scene.lab.client_addresses(service.targets);
        for (port, address) in (20_000..).zip(sources.into_iter().cycle()).take(HELD) {
            let from = SocketAddr::new(address, port);
            let failed = |failure: Failure| anyhow!("{}, from {from}: {failure}", service.name);
            let mut connection = client.hold(Some(from), service.listener()).await.map_err(failed)?;
            let node = connection.ask("/").await.map_err(failed)?.node.to_string();
            held.push((connection, node));
        }
    }
    Ok(held)
}

/// Asks once more on each, and gives those that led to `node` or did not, with what became of them.
async fn ask_again(held: Vec<Led>) -> Vec<(Led, Result<String, Failure>)> {
    let mut asked = Vec::new();
    for (mut connection, node) in held {
        let answer = connection.ask("/").await.map(|answer| answer.node.to_string());
        asked.push(((connection, node), answer));
    }
    asked
}

async fn scene(services: [Service; 2]) -> Result<Scene> {
    let plan = Plan { nodes: 4, ..Plan::default() };
    let scene = Scene::set(plan, Config::of(services).checked_quickly()).await?;
    scene.until_healthy().await?;
    Ok(scene)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nat_keeps_every_flow_of_a_living_target_and_resets_those_of_a_dead_one() {
    bounded(async {
        let scene = scene([Service::nat("nat-4", V4, 20), Service::nat("nat-6", V6, 20)]).await?;
        let held = hold(&scene).await?;
        let dead = &scene.lab.nodes[0];
        dead.power_off()?;
        scene.until_node(dead, State::Unhealthy).await?;
        let mut of_dead = 0;
        for ((connection, node), answer) in ask_again(held).await {
            if node == dead.name {
                // Another node gets the question, and knows nothing of the connection.
                assert_eq!(answer, Err(Failure::Reset), "from {}", connection.from);
                of_dead += 1;
            } else {
                assert_eq!(answer, Ok(node), "from {}", connection.from);
            }
        }
        assert!((HELD / 4..HELD).contains(&of_dead), "{of_dead} connections led to the dead node");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ipip_keeps_every_flow_of_a_living_target_and_resets_those_of_a_dead_one() {
    bounded(async {
        let scene = scene([Service::ipip("ipip-4", V4, 10), Service::ipip("ipip-6", V6, 10)]).await?;
        let held = hold(&scene).await?;
        let before = scene.status().await?;
        let dead = &scene.lab.nodes[0];
        dead.power_off()?;
        let after = scene.until_node(dead, State::Unhealthy).await?;

        // Slots move from the dead target, as they must, and from living ones, for the ring's balance: those track
        // their flows.
        let rewritten = after.ring.slots_rewritten - before.ring.slots_rewritten;
        let all: u64 = before.targets().map(|(_, it)| u64::from(it.slots)).sum();
        let of_dead: u64 =
            before.targets().filter(|(_, it)| it.name == dead.name).map(|(_, it)| u64::from(it.slots)).sum();
        let (moved, living) = (rewritten - of_dead, all - of_dead);
        assert!(0 < moved && moved * 50 < living, "{moved} of {living} slots of living targets moved");

        let mut lost = 0;
        for ((connection, node), answer) in ask_again(held).await {
            if node == dead.name {
                assert_eq!(answer, Err(Failure::Reset), "from {}", connection.from);
                lost += 1;
            } else {
                assert_eq!(answer, Ok(node), "from {}", connection.from);
            }
        }
        assert!((HELD / 4..HELD).contains(&lost), "{lost} connections led to the dead node");
        Ok(())
    })
    .await;
}
