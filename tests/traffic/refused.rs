//! What the daemon refuses, in which words, and that it leaves nothing behind.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::command::{self, Outcome};
use harness::daemon;
use harness::lab::Family::V4;
use harness::lab::{Lab, Plan};
use harness::xdp::{self, Attached, Mode};

use crate::bounded;
use crate::config::{Config, Service};
use crate::scene::{Scene, answers};

/// Loading the program included, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);
const RESERVED: &str = "ipv4/ip_local_reserved_ports";

fn lab() -> Result<Lab> {
    Lab::build(Plan { nodes: 1, ..Plan::default() })
}

fn config() -> Config {
    Config::of([Service::nat("web", V4, 20)])
}

/// Runs `pointsman` on the edge node to its end, with this configuration.
async fn pointsman(lab: &Lab, verb: &str, config: &str, flags: &[&str]) -> Result<Outcome> {
    let file = lab.directory().join("refused.toml");
    std::fs::write(&file, config)?;
    let file = file.to_string_lossy();
    let arguments = [&[verb, "--config", &*file], flags].concat();
    command::outcome(&lab.edge, &daemon::binary()?, &arguments, LIMIT).await
}

async fn nothing_is_left(lab: &Lab) -> Result<()> {
    ensure!(xdp::attached(&lab.edge, "eth0").await?.is_none(), "a program is attached");
    ensure!(!daemon::socket(lab).exists(), "the socket is there");
    ensure!(lab.edge.parameter(RESERVED)?.is_empty(), "ports are reserved");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_configuration_is_refused_with_every_fault_and_its_place() {
    bounded(async {
        let lab = lab()?;
        let wrong = config()
            .text(&lab)
            .replace("protocol = \"tcp\"", "protocol = \"sctp\"")
            .replace("interval = \"10s\"", "interval = \"10ms\"")
            .replace("port = 8080", "prot = 8080");
        let place = |text| {
            let before = wrong.split_once(text).map_or("", |(before, _)| before);
            let column = before.rsplit('\n').next().unwrap_or_default().len() + 1;
            let file = lab.directory().join("refused.toml");
            format!("{}:{}:{column}: ", file.display(), before.matches('\n').count() + 1)
        };
        let places = [place("\"sctp\""), place("\"10ms\""), place("prot ")];
        for verb in ["check", "run"] {
            let refused = pointsman(&lab, verb, &wrong, &[]).await?;
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{verb}: {refused:?}");
            for place in &places {
                assert!(refused.stderr.contains(place), "{verb}: `{place}` in:\n{}", refused.stderr);
            }
            for allowed in ["allowed: `tcp`", "did you mean `port`?"] {
                assert!(refused.stderr.contains(allowed), "{verb}: `{allowed}` in:\n{}", refused.stderr);
            }
            nothing_is_left(&lab).await?;
        }
        let accepted = pointsman(&lab, "check", &config().text(&lab), &[]).await?;
        assert_eq!((accepted.code, accepted.stderr.as_str()), (Some(0), ""), "{accepted:?}");
        assert!(accepted.stdout.ends_with("refused.toml: ok: 1 listeners, 1 target groups, 1 targets\n"));
        nothing_is_left(&lab).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_there_and_an_interface_that_is_not_there_are_named() {
    bounded(async {
        let lab = lab()?;
        let binary = daemon::binary()?;
        let missing = ["run", "--config", "/nowhere/pointsman.toml"];
        let refused = command::outcome(&lab.edge, &binary, &missing, LIMIT).await?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("`/nowhere/pointsman.toml`"), "{refused:?}");

        let config = Config { interfaces: &["eth0", "eth7"], ..config() };
        let refused = pointsman(&lab, "run", &config.text(&lab), &[]).await?;
        let says = "interface `eth7` does not exist here; there are: `lo`, `eth0`";
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(says), "{refused:?}");

        let node = ["node", "attach", "--interface", "eth7"];
        let refused = command::outcome(&lab.nodes[0].namespace, &binary, &node, LIMIT).await?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(says), "{refused:?}");
        nothing_is_left(&lab).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_daemon_is_refused_and_the_first_goes_on() {
    bounded(async {
        let scene = Scene::of_one_node(config()).await?;
        let reserved = scene.lab.edge.parameter(RESERVED)?;
        assert_eq!(reserved, "40000-49999");
        let own_socket = scene.lab.directory().join("second.sock");
        let elsewhere = Config { nat_ports: 50000..=50999, ..config() };
        for (text, why) in [
            (elsewhere.text(&scene.lab), "another pointsman answers at"),
            (
                elsewhere
                    .text_with_socket(&scene.lab, &own_socket)
                    .replace("listen = \"127.0.0.1:9477\"", "listen = \"127.0.0.1:9478\""),
                "attach to `eth0` in driver mode",
            ),
        ] {
            let refused = pointsman(&scene.lab, "run", &text, &[]).await?;
            assert_eq!(refused.code, Some(1), "{refused:?}");
            assert!(refused.stderr.contains(why), "`{why}` in:\n{}", refused.stderr);
            assert!(!own_socket.exists());
            assert_eq!(scene.lab.edge.parameter(RESERVED)?, reserved);
            answers(&scene.ask(vec![scene.config.services[0].listener()], 8).await)?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interface_with_another_program_is_refused_with_the_reason_and_left_as_it_is() {
    bounded(async {
        let lab = lab()?;
        let binary = daemon::binary()?;
        // Another program than the daemon's: the one for training nodes.
        let log = lab.directory().join("other.log");
        let other = ["node", "attach", "--interface", "eth0"];
        let mut other = harness::process::Process::start(&lab.edge, "another program", &binary, &other, log)?;
        other.says("attached", LIMIT).await?;
        for mode in ["driver", "generic"] {
            let refused = pointsman(&lab, "run", &config().text(&lab), &["--xdp-mode", mode]).await?;
            assert_eq!(refused.code, Some(1), "{refused:?}");
            let what = format!("attach to `eth0` in {mode} mode: ");
            for words in [what.as_str(), "another program", "ip link show"] {
                assert!(refused.stderr.contains(words), "`{words}` in:\n{}", refused.stderr);
            }
            let there = xdp::attached(&lab.edge, "eth0").await?;
            assert_eq!(there, Some(Attached { program: "node".into(), mode: Mode::Driver }));
            ensure!(!daemon::socket(&lab).exists(), "the socket is there");
            ensure!(lab.edge.parameter(RESERVED)?.is_empty(), "ports are reserved");
        }
        other.stop(LIMIT).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generic_mode_serves_when_it_is_asked_for() {
    bounded(async {
        let services = [Service::ipip("direct", V4, 10), Service::nat("translated", V4, 20)];
        let plan = Plan { nodes: 1, ..Plan::default() };
        let scene = Scene::set_with(plan, Config::of(services), &["--xdp-mode", "generic"]).await?;
        let there = xdp::attached(&scene.lab.edge, "eth0").await?;
        assert_eq!(there, Some(Attached { program: "edge".into(), mode: Mode::Generic }));
        let listeners = scene.config.services.iter().map(Service::listener).collect();
        answers(&scene.ask(listeners, 40).await)?;
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ports_that_leave_the_host_too_few_are_refused() {
    bounded(async {
        let lab = lab()?;
        lab.edge.sysctl(&[("ipv4/ip_local_port_range", "39000 50000")])?;
        let refused = pointsman(&lab, "run", &config().text(&lab), &[]).await?;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let says = "`nat.ports` leaves the host 1001 of the ports 39000-50000 that it connects from";
        assert!(refused.stderr.contains(says), "{refused:?}");
        nothing_is_left(&lab).await
    })
    .await;
}
