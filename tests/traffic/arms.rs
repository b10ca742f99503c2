//! An edge node with two interfaces; routes and gateways that change.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::capture::{Capture, Direction};
use harness::clock;
use harness::lab::Family::{V4, V6};
use harness::lab::{Lab, Plan, Subnet};
use harness::status::Status;
use pointsman::dataplane::interface;

use crate::bounded;
use crate::config::{Config, Service};
use crate::scene::{Scene, answers};

/// How long a change that the kernel tells of may take to reach the maps.
const FOLLOWED: Duration = Duration::from_secs(2);

/// An edge node that reaches the nodes by its second arm, where `nat` gets the replies, too.
async fn two_arms() -> Result<Scene> {
    let services = [
        Service::ipip("ipip-4", V4, 10),
        Service::ipip("ipip-6", V6, 10),
        Service::nat("nat-4", V4, 20),
        Service::nat("nat-6", V6, 20),
    ];
    let config =
        Config { interfaces: &["eth0", "eth1"], nat_source: Subnet::SECOND_ARM, ..Config::of(services) };
    Scene::set(Plan { nodes: 2, second_arm: true, ..Plan::default() }, config).await
}

async fn ask(scene: &Scene) -> Result<()> {
    let listeners = scene.config.services.iter().map(Service::listener).collect();
    assert_eq!(answers(&scene.ask(listeners, 80).await)?.len(), 2);
    Ok(())
}

/// The MAC of an interface, as the status writes it.
fn mac(lab: &Lab, name: &str) -> Result<String> {
    let found = lab.router.inside(|| interface::find(&[name.to_owned()]))??;
    let [a, b, c, d, e, f] = found.first().context("one interface was asked for")?.mac;
    Ok(format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
}

fn leads(status: &Status, interface: &str, mac: &str) -> bool {
    let mut hops = status.targets().map(|(_, target)| target.next_hop.as_ref());
    hops.all(|hop| hop.is_some_and(|hop| hop.interface == interface && hop.mac == mac))
}

/// Where the edge node sends packets that have ports, by the router's interface that they come in by.
async fn destinations(capture: &Capture) -> Result<Vec<IpAddr>> {
    let seen = capture.all().await?.into_iter();
    Ok(seen.filter(|it| it.direction == Direction::In).map(|it| it.packet.destination).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_leave_by_the_arm_that_leads_to_the_nodes_and_replies_by_the_one_to_the_clients() {
    bounded(async {
        let scene = two_arms().await?;
        let lab = &scene.lab;
        assert!(leads(&scene.status().await?, "eth1", &mac(lab, "edge2")?));
        let [first, second] =
            ["edge", "edge2"].map(|it| Capture::start(&lab.router, it, |it| it.packet.tuple.is_some()));
        let (first, second) = (first?, second?);
        ask(&scene).await?;
        let clients = [V4, V6].map(|family| lab.client_addresses(family)).concat();
        let nodes = [V4, V6].map(|family| lab.nodes.iter().map(move |it| it.address(family)));
        let nodes: Vec<IpAddr> = nodes.into_iter().flatten().collect();
        let (by_first, by_second) = (destinations(&first).await?, destinations(&second).await?);
        // Replies of 40 connections through `nat`; and questions of 80. A connection takes three packets at least.
        assert!(by_first.len() >= 40 * 3 && by_first.iter().all(|it| clients.contains(it)));
        assert!(by_second.len() >= 80 * 3 && by_second.iter().all(|it| nodes.contains(it)));
        let status = scene.status().await?;
        let dropped = ["next-hop-unresolved", "no-target", "too-big", "bad-map"];
        assert!(dropped.iter().all(|name| status.verdicts[*name].packets == 0), "{:?}", status.verdicts);
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_moves_to_the_other_arm_is_followed() {
    bounded(async {
        let scene = two_arms().await?;
        let lab = &scene.lab;
        lab.edge.ip("route replace 10.2.0.0/16 via 10.1.0.1\nroute replace fd02::/16 via fd01::1\n")?;
        let began = clock::now();
        let gateway = mac(lab, "edge")?;
        scene.until("all ways lead by the first arm", |status| leads(status, "eth0", &gateway)).await?;
        assert!(clock::since(began) < FOLLOWED);
        let second = Capture::start(&lab.router, "edge2", |it| it.packet.tuple.is_some())?;
        ask(&scene).await?;
        assert_eq!(destinations(&second).await?, Vec::<IpAddr>::new());
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_announces_another_mac_is_followed() {
    bounded(async {
        let scene = two_arms().await?;
        let lab = &scene.lab;
        lab.router.sysctl(&[("ipv4/conf/edge2/arp_notify", "1"), ("ipv6/conf/edge2/ndisc_notify", "1")])?;
        ask(&scene).await?;
        let other = "02:00:00:00:00:99";
        assert_ne!(mac(lab, "edge2")?, other);
        lab.router.ip(&format!("link set edge2 address {other}\n"))?;
        let began = clock::now();
        scene.until("all ways lead to the new MAC", |status| leads(status, "eth1", other)).await?;
        assert!(clock::since(began) < FOLLOWED);
        ask(&scene).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_mac_changes_silently_is_found_out_by_the_kernels_checks() {
    bounded(async {
        let scene = two_arms().await?;
        let lab = &scene.lab;
        // The kernel checks a neighbour every 15 to 45 s, and one that the daemon has it manage every 5 s after that.
        for eth1 in ["ipv4/neigh/eth1", "ipv6/neigh/eth1"] {
            lab.edge.sysctl(&[
                (&format!("{eth1}/base_reachable_time_ms"), "1000"),
                (&format!("{eth1}/delay_first_probe_time"), "1"),
                (&format!("{eth1}/ucast_solicit"), "1"),
                (&format!("{eth1}/retrans_time_ms"), "200"),
            ])?;
        }
        // Entries keep the time that they were made with. The daemon asks for what is lost.
        let before = mac(lab, "edge2")?;
        lab.edge.ip("neigh flush dev eth1\n")?;
        scene.until("all ways lead to the old MAC", |status| leads(status, "eth1", &before)).await?;
        let other = "02:00:00:00:00:99";
        lab.router.ip(&format!("link set edge2 address {other}\n"))?;
        scene.until("all ways lead to the new MAC", |status| leads(status, "eth1", other)).await?;
        ask(&scene).await
    })
    .await;
}
