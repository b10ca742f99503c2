//! Connections with data on them, while everything about their targets changes but that they live.

mod crowd;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::lab::Family::{V4, V6};
use harness::lab::Plan;
use harness::status::{State, Status};
use harness::wait;

use self::crowd::Crowd;
use crate::config::{Config, Service};
use crate::scene::Scene;

/// Connections that are held, over both listeners.
const HELD: usize = 2_000;
/// How often everything changes.
const TIMES: usize = 10;
/// For all of it, in a debug build on a machine that does other things too.
const LONG: Duration = Duration::from_secs(420);
/// A slot changes hands, learns and is pinned while the test runs; yet no connection is silent for so long.
const TRACKING: &str = "learning_window = \"20s\"\ntcp_idle_timeout = \"40s\"";

/// Each node's weight, one change after the other: the next begins where the last one ended.
const CHANGES: [(&str, [Option<u16>; 5]); 5] = [
    ("a target is added", [Some(100), Some(100), Some(100), Some(100), Some(100)]),
    ("weights change", [Some(40), Some(250), Some(100), Some(100), Some(100)]),
    ("a target is drained", [Some(40), Some(250), Some(0), Some(100), Some(100)]),
    ("nothing changes", [Some(40), Some(250), Some(0), Some(100), Some(100)]),
    ("a target is removed, the others are as they were", [Some(100), Some(100), Some(100), Some(100), None]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_breaks_whose_target_lives_and_none_opens_where_it_should_not() {
    let test = async {
        let services = [Service::ipip("ipip-4", V4, 30), Service::ipip("ipip-6", V6, 30)];
        let config = Config { tracking: TRACKING, ..Config::of(services).checked_quickly() };
        let [.., (_, start)] = CHANGES;
        let plan = Plan { nodes: 5, ..Plan::default() };
        let mut scene = Scene::set(plan, Config { weights: start.into(), ..config }).await?;
        scene.until_healthy().await?;

        let crowd = Crowd::gather(&scene, HELD).await?;
        let mut seen = States::default();
        for time in 1..=TIMES {
            for (change, weights) in CHANGES {
                println!("{time}: {change}");
                let moved = turn(&mut scene, &crowd, weights).await?;
                ensure!(moved > 0 || change == "nothing changes", "{change}: no slot moved");
                crowd.until_all_spoke().await?;
                crowd.complain(&format!("the {time}. time, {change}"))?;
                seen.note(&scene.status().await?);
            }
        }
        let spoken = crowd.disperse().await?;
        println!("{spoken}; {seen:?}");
        ensure!(seen.learning && seen.pinned && seen.tracked, "{seen:?}: not what this is about");
        Ok(())
    };
    if let Err(error) = wait::within("the test", LONG, test).await.flatten() {
        panic!("{error:#}");
    }
}

/// Has the daemon take these weights; gives how many slots moved. From here on the crowd knows who takes nobody.
async fn turn(scene: &mut Scene, crowd: &Crowd, weights: [Option<u16>; 5]) -> Result<u64> {
    let before = scene.status().await?.ring.slots_rewritten;
    // Whoever is to get connections may get them from here on.
    crowd.open_nowhere_but(|_| true);
    scene.config.weights = weights.into();
    let text = scene.config.text(&scene.lab);
    scene.daemon.reload(&scene.lab, &text).await?;
    let names: Vec<String> = scene.lab.nodes.iter().map(|node| node.name.clone()).collect();
    let taking = |weights: [Option<u16>; 5]| {
        let taking = names.iter().zip(weights).filter(|(_, weight)| weight.is_some_and(|it| it > 0));
        taking.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
    };
    let wanted = taking(weights);
    let status = scene
        .until("the ring is as it should be", |status| {
            let serving = |name: &String| {
                status.targets().filter(|(_, it)| it.name == *name).all(|(_, it)| it.slots > 0)
            };
            status.all_are(State::Healthy) && wanted.iter().all(serving)
        })
        .await?;
    let [_, _, drained, _, guest] = weights;
    let of =
        |name: &'static str| status.targets().filter(move |(_, it)| it.name == name).map(|(_, it)| it.slots);
    let (left, guests) = (of("node-3").sum::<u32>(), of("node-5").count());
    ensure!((left == 0) == (drained == Some(0)), "`node-3` has {left} slots");
    ensure!((guests > 0) == guest.is_some(), "{guests} groups have `node-5`");
    crowd.open_nowhere_but(move |node| wanted.contains(node));
    Ok(status.ring.slots_rewritten - before)
}

/// Which states of slots the test came by, and whether a flow was recorded.
#[derive(Debug, Default)]
struct States {
    learning: bool,
    pinned: bool,
    tracked: bool,
}

impl States {
    fn note(&mut self, status: &Status) {
        self.learning |= status.target_groups.iter().any(|group| group.learning_slots > 0);
        self.pinned |= status.target_groups.iter().any(|group| group.pinned_slots > 0);
        self.tracked |= status.notes.get("tracked").is_some_and(|packets| *packets > 0);
    }
}
