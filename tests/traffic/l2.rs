//! `l2`: to the target's MAC, on a link that edge and target share.

use harness::capture::Capture;
use harness::daemon::{self, Daemon};
use harness::lab::Family::{V4, V6};
use harness::lab::{Lab, Plan};
use harness::wait;

use crate::BOUND;
use crate::bounded;
use crate::config::{Config, Service};
use crate::scene::Scene;
use crate::streams::{BIG, Pair, listen};
use crate::trace::Trace;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_arrive_whole_as_they_were_and_the_answer_comes_straight_back() {
    bounded(async {
        let services = [Service::l2("v4", V4, 10), Service::l2("v6", V6, 10)].map(Service::raw);
        let plan = Plan { nodes: 1, adjacent: true, fabric_mtu: 1500, ..Plan::default() };
        let config = Config { interfaces: &["eth0", "node-1"], ..Config::of(services) };
        let scene = Scene::set(plan, config).await?;
        for service in &scene.config.services {
            let to = service.listener();
            let listener = listen(&scene, to)?;
            let trace = Trace::start(&scene.lab)?;
            let node =
                Capture::start(&scene.lab.nodes[0].namespace, "eth1", |seen| seen.packet.tuple.is_some())?;
            Pair::open(&scene, &listener, to).await?.exchange(BIG / 2).await?;

            let at_node = node.all().await?;
            let there = at_node.iter().filter(|it| it.packet.tuple.unwrap().to == to);
            assert!(there.clone().count() > BIG / 2 / 1500);
            assert_eq!(there.clone().map(|it| it.packet.length).max(), Some(1500), "whole, and nothing more");
            assert!(there.clone().all(|it| it.packet.destination == to.ip() && !it.packet.is_envelope));
            assert!(
                at_node.iter().all(|it| it.packet.tuple.unwrap().from != to),
                "the answer goes another way"
            );
            assert!(trace.sent_to_edge().await?.all(|it| it.packet.tuple.unwrap().from != to));
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_behind_a_router_is_out_of_reach_and_the_status_says_why() {
    bounded(async {
        let config = Config::of([Service::l2("v4", V4, 10), Service::ipip("by-ipip", V4, 11)]);
        let lab = Lab::build(Plan { nodes: 1, direct: config.direct(), ..Plan::default() })?;
        let daemon = Daemon::start(&lab, &daemon::binary()?, &config.text(&lab)).await?;
        wait::until("the status says why", BOUND, async || {
            let status = daemon.status().await.ok()?;
            let target = |group| status.target(group, "node-1");
            let (refused, reached) = (target("v4")?, target("by-ipip")?);
            let why = "10.2.1.2 is behind the gateway 10.1.0.1, and `l2` reaches only what is on the link";
            let said = refused.no_route.as_deref() == Some(why) && refused.next_hop.is_none();
            (said && reached.next_hop.is_some()).then_some(())
        })
        .await
    })
    .await;
}
