//! A configuration that is read again while the daemon runs: taken whole, or refused whole.

use anyhow::Result;
use harness::lab::Family::V4;
use harness::lab::Plan;
use harness::status::Status;

use crate::bounded;
use crate::config::{Config, Service};
use crate::scene::{Scene, answers};

async fn scene() -> Result<Scene> {
    let plan = Plan { nodes: 2, ..Plan::default() };
    let scene = Scene::set(plan, Config::of([Service::ipip("web", V4, 40)])).await?;
    scene.until_healthy().await?;
    Ok(scene)
}

fn slots(status: &Status) -> Vec<(String, u32)> {
    status.targets().map(|(_, it)| (it.name.clone(), it.slots)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_taken_takes_the_place_of_the_one_before() {
    bounded(async {
        let mut scene = scene().await?;
        scene.config.weights = vec![Some(100), None];
        let text = scene.config.text(&scene.lab);
        scene.daemon.reload(&scene.lab, &text).await?;
        let [(name, _)] = &slots(&scene.status().await?)[..] else { panic!("one target is left") };
        assert_eq!(name, "node-1");
        let all =
            answers(&scene.ask(scene.config.services.iter().map(Service::listener).collect(), 40).await)?;
        assert_eq!(all.into_keys().collect::<Vec<_>>(), ["node-1"]);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_refused_leaves_everything_as_it_was_and_the_log_says_why() {
    bounded(async {
        let mut scene = scene().await?;
        let before = scene.status().await?;
        let good = scene.config.text(&scene.lab);
        // Each would move slots besides, were it taken in part.
        let other = Config { weights: vec![Some(100), None], ..scene.config.clone() }.text(&scene.lab);
        let cases = [
            ("not TOML", format!("{other}\n[["), "edge.toml:"),
            ("a wrong value", other.replace("ring_slots = 4093", "ring_slots = 4095"), "a prime"),
            ("another size of a map", other.replace("targets = 128", "targets = 256"), "`[limits]`"),
            ("another seed", other.replace("the same in every", "another in this"), "`node.seed`"),
            ("another port of metrics", other.replace("127.0.0.1:9477", "127.0.0.1:9478"), "`[metrics]`"),
            ("another socket", other.replace("pointsman.sock", "other.sock"), "`[api]`"),
            (
                "another table of flows",
                other.replace("[tracking]\n", "[tracking]\nflows = 2048\n"),
                "`[tracking]`",
            ),
        ];
        for (name, text, reason) in cases {
            assert!(text != other && text != good, "{name}: the case is one");
            let said = scene.daemon.reload_refused(&scene.lab, &text).await?;
            assert!(said.contains(reason), "{name}: {said}");
            let after = scene.status().await?;
            assert_eq!((slots(&after), after.ring), (slots(&before), before.ring), "{name}");
        }
        let to = scene.config.services.iter().map(Service::listener).collect();
        assert_eq!(answers(&scene.ask(to, 60).await)?.len(), 2);
        Ok(())
    })
    .await;
}
