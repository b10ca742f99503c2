//! Targets that die, return, or say that they are ill.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::lab::Family::{V4, V6};
use harness::lab::Node;
use harness::status::{State, Status};
use harness::{clock, wait};

use crate::bounded;
use crate::config::{Config, RING_SLOTS, Service};
use crate::scene::{Scene, answers, of_node};
use crate::trace::{Trace, ends};

fn services() -> [Service; 4] {
    [
        Service::ipip("ipip-4", V4, 10),
        Service::ipip("ipip-6", V6, 10),
        Service::nat("nat-4", V4, 20),
        Service::nat("nat-6", V6, 20),
    ]
}

async fn scene() -> Result<Scene> {
    let scene = Scene::of(Config::of(services()).checked_quickly()).await?;
    scene.until_healthy().await?;
    Ok(scene)
}

fn listeners(scene: &Scene) -> Vec<SocketAddr> {
    scene.config.services.iter().map(Service::listener).collect()
}

fn addresses(node: &Node) -> [IpAddr; 2] {
    [V4, V6].map(|family| node.address(family))
}

/// Slots of each target, by group and name.
fn slots(status: &Status) -> Vec<(String, String, u32)> {
    status.targets().map(|(group, it)| (group.name.clone(), it.name.clone(), it.slots)).collect()
}

/// Whether this is a target's part of a ring that so many share.
fn is_fair(slots: u32, targets: u32) -> bool {
    slots.abs_diff(RING_SLOTS / targets) < RING_SLOTS / 100
}

/// How many of the clients' packets left the edge node for these addresses; health checks are none of them.
async fn packets_for(scene: &Scene, trace: &Trace, node: &Node) -> Result<usize> {
    let translated = |port| scene.config.nat_ports.contains(&port);
    let sent = trace.sent_by_edge().await?;
    let of_clients = sent.filter(|seen| {
        seen.packet.is_envelope || seen.packet.tuple.is_some_and(|tuple| translated(tuple.from.port()))
    });
    Ok(of_clients.filter(|seen| addresses(node).contains(&seen.packet.destination)).count())
}

/// From a node's death to the last packet that is sent to it: an interval to the first failed check, one to the
/// second, a timeout; the rest is for a machine that builds, or tests something else, meanwhile.
const LONGEST_FAILOVER: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_target_costs_only_connections_sent_to_it_and_gets_no_packet_after_two_failed_checks() {
    bounded(async {
        let scene = scene().await?;
        let trace = Trace::start(&scene.lab)?;
        let dead = &scene.lab.nodes[1];
        let load = scene.load(listeners(&scene));
        let (_, death) = tokio::join!(load.open_loop(600, 200.0), async {
            wait::until("some are answered", crate::BOUND, async || (load.record().len() > 60).then_some(()))
                .await?;
            dead.power_off()?;
            let died = clock::now();
            let status = scene.until_node(dead, State::Unhealthy).await?;
            anyhow::Ok((died, clock::since(died), status))
        });
        let (died, failover, status) = death?;
        assert!(failover < LONGEST_FAILOVER, "{failover:?}");
        for target in of_node(&status, dead) {
            assert_eq!((target.reason.as_deref(), target.slots), (Some("Target.Timeout"), 0), "{target:?}");
            assert!(target.since().is_some_and(|since| since > died), "{target:?}");
        }

        let sent_on = trace.sent_on().await?;
        let record = load.record().clone();
        assert_eq!(record.len(), 600);
        for exchange in record.iter().filter(|exchange| exchange.outcome.is_err()) {
            let to = sent_on.get(&ends(exchange)).context("a SYN that left the edge node")?;
            let to_dead = addresses(dead).iter().any(|address| to.contains(address));
            assert!(to_dead && exchange.ended > died, "{exchange:?} failed, sent to {to:?}");
        }

        // The load is over, and with it every packet that was under way.
        let trace = Trace::start(&scene.lab)?;
        let answers = answers(&scene.ask(listeners(&scene), 200).await)?;
        assert_eq!(answers.keys().collect::<Vec<_>>(), ["node-1", "node-3"]);
        assert_eq!(packets_for(&scene, &trace, dead).await?, 0);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_returns_gets_back_its_slots_and_its_traffic() {
    bounded(async {
        let scene = scene().await?;
        let node = &scene.lab.nodes[2];
        let before = slots(&scene.status().await?);
        assert!(before.iter().all(|(_, _, slots)| is_fair(*slots, 3)), "{before:?}");

        node.power_off()?;
        let without = slots(&scene.until_node(node, State::Unhealthy).await?);
        for (group, name, slots) in without {
            let as_it_should = if name == node.name { slots == 0 } else { is_fair(slots, 2) };
            assert!(as_it_should, "{group}, {name}: {slots}");
        }
        node.power_on()?;
        let after = scene.until_node(node, State::Healthy).await?;
        assert_eq!(slots(&after), before);
        assert!(of_node(&after, node).all(|target| target.reason.is_none()));
        let answers = answers(&scene.ask(listeners(&scene), 200).await)?;
        assert_eq!(answers.len(), 3, "{answers:?}");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_answers_503_leaves_the_rings_and_the_status_says_why() {
    bounded(async {
        let scene = scene().await?;
        let ill = &scene.lab.nodes[0];
        scene.servers[0].set_healthy(false);
        let status = scene.until_node(ill, State::Unhealthy).await?;
        for target in of_node(&status, ill) {
            let why = (target.reason.as_deref(), target.detail.as_deref());
            let expected = "Health checks failed with these codes: [503]";
            assert_eq!(why, (Some("Target.ResponseCodeMismatch"), Some(expected)));
            assert_eq!(target.slots, 0);
        }
        assert!(status.target_groups.iter().all(|group| !group.fail_open));
        let healthy = answers(&scene.ask(listeners(&scene), 120).await)?;
        assert_eq!(healthy.keys().collect::<Vec<_>>(), ["node-2", "node-3"]);

        scene.servers[0].set_healthy(true);
        scene.until_node(ill, State::Healthy).await?;
        assert_eq!(answers(&scene.ask(listeners(&scene), 120).await)?.len(), 3);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_without_a_healthy_target_fails_open_until_it_has_one() {
    bounded(async {
        let scene = scene().await?;
        let before = slots(&scene.status().await?);
        scene.servers.iter().for_each(|server| server.set_healthy(false));
        let status = scene.until("all are unhealthy", |status| status.all_are(State::Unhealthy)).await?;
        assert!(status.target_groups.iter().all(|group| group.fail_open));
        assert_eq!(slots(&status), before);
        assert_eq!(answers(&scene.ask(listeners(&scene), 120).await)?.len(), 3);

        scene.servers[1].set_healthy(true);
        let status = scene.until_node(&scene.lab.nodes[1], State::Healthy).await?;
        assert!(status.target_groups.iter().all(|group| !group.fail_open));
        let healthy = answers(&scene.ask(listeners(&scene), 40).await)?;
        assert_eq!(healthy.into_keys().collect::<BTreeSet<_>>(), ["node-2".to_owned()].into());
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_refuses_is_unhealthy_and_says_so() {
    bounded(async {
        let mut scene = scene().await?;
        let status = {
            let refusing = scene.servers.remove(2);
            drop(refusing);
            scene.until_node(&scene.lab.nodes[2], State::Unhealthy).await?
        };
        for target in of_node(&status, &scene.lab.nodes[2]) {
            assert_eq!(target.reason.as_deref(), Some("Target.FailedHealthChecks"), "{target:?}");
            let detail = target.detail.as_deref().unwrap_or_default();
            assert!(detail.contains("refused"), "{detail}");
        }
        assert_eq!(answers(&scene.ask(listeners(&scene), 80).await)?.len(), 2);
        Ok(())
    })
    .await;
}
