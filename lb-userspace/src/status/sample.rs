//! A status to test with, and a daemon that has nothing else to say.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Ask, FORWARDED, Interface, Listener, NextHop, Node, Probes, Question, RETURNED, Ring, State, Status,
    Target, TargetGroup, Timestamp, Traffic,
};
use crate::config::checked::{Forwarding, Protocol, SteeringKey, XdpMode};

/// When the sample is looked at: 2026-03-01T15:12:30Z.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_377_950)
}

/// One group of six targets, one of which is dead and another without a way, and a group that forwards by `nat`
/// and fails open.
pub(crate) fn status() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        node: Node {
            interfaces: vec![
                Interface { name: "eth1".to_owned(), index: 2, mode: XdpMode::Driver },
                Interface { name: "eth2".to_owned(), index: 3, mode: XdpMode::Generic },
            ],
            started: ago(11_550),
            uptime_seconds: 11_550,
            config_file: PathBuf::from("/etc/pointsman/pointsman.toml"),
            map_bytes: 123_456_789,
        },
        nat: Some(super::Flows { flows: 4_321, limit: 1_048_576 }),
        tracking: super::Flows { flows: 765, limit: 1_048_576 },
        listeners: vec![
            listener("web", "198.51.100.10", 80, Protocol::Tcp, "trainers"),
            listener("web-6", "2001:db8:100::10", 80, Protocol::Tcp, "trainers"),
            Listener { live: false, ..listener("statsd", "198.51.100.11", 0, Protocol::Udp, "statistics") },
        ],
        target_groups: vec![trainers(), statistics()],
        verdicts: verdicts(),
        notes: super::notes(&[]),
        ring: Ring { rewrites: 12, slots_rewritten: 43_210, last_change: Some(ago(123)) },
        probes: Probes { passed: 6_918, timed_out: 2, wrong_code: 1, failed: 0 },
    }
}

/// Answers as many questions as there are.
pub(crate) fn daemon(status: Status) -> (Ask, JoinHandle<()>) {
    let (ask, mut questions) = mpsc::channel(4);
    let daemon = tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            // Who asked may be gone.
            let _unheard = match question {
                Question::Alive(answer) => answer.send(()).map_err(drop),
                Question::Status(answer) => answer.send(status.clone()).map_err(drop),
            };
        }
    });
    (ask, daemon)
}

fn ago(seconds: u64) -> Timestamp {
    Timestamp::from(now() - Duration::from_secs(seconds))
}

fn listener(name: &str, address: &str, port: u16, protocol: Protocol, group: &str) -> Listener {
    let address = address.parse().unwrap();
    let (name, target_group) = (name.to_owned(), group.to_owned());
    Listener { name, address, port, last_port: None, protocol, target_group, live: true }
}

fn trainers() -> TargetGroup {
    let mut targets: Vec<Target> = (1..=6).map(trainer).collect();
    targets[3] = Target {
        state: State::Unhealthy,
        reason: Some("Target.Timeout".to_owned()),
        detail: Some("Request timed out".to_owned()),
        since: ago(123),
        health_changes: 2,
        probe_seconds: Some(5.0),
        slots: 0,
        share: 0.0,
        next_hop: None,
        no_route: Some("the neighbour 10.2.0.1 does not answer yet".to_owned()),
        ..targets[3].clone()
    };
    TargetGroup {
        name: "trainers".to_owned(),
        forwarding: Forwarding::Ipip,
        steering_key: SteeringKey::FiveTuple,
        ring_slots: 65_537,
        fail_open: false,
        learning_slots: 13_107,
        pinned_slots: 21,
        leaving: vec!["10.2.9.2:80".parse().unwrap()],
        listeners: vec!["web".to_owned(), "web-6".to_owned()],
        targets,
    }
}

fn trainer(number: u8) -> Target {
    let count = u64::from(number);
    Target {
        name: format!("node-{number}"),
        address: IpAddr::from([10, 2, number, 2]),
        port: 80,
        weight: 100,
        state: State::Healthy,
        reason: None,
        detail: None,
        since: ago(11_530),
        health_changes: 1,
        probe_seconds: Some(0.000_731),
        slots: 13_107,
        share: 0.199_993_9,
        packets: 1_234_567 * count,
        bytes: 98_765_432 * count,
        new_flows: 12_345 + count,
        reply_packets: 0,
        reply_bytes: 0,
        next_hop: Some(NextHop {
            interface: "eth1".to_owned(),
            mac: "02:00:00:00:00:01".to_owned(),
            mtu: 1500,
        }),
        no_route: None,
    }
}

fn statistics() -> TargetGroup {
    TargetGroup {
        name: "statistics".to_owned(),
        forwarding: Forwarding::Nat,
        steering_key: SteeringKey::SourceIp,
        ring_slots: 4_093,
        fail_open: true,
        learning_slots: 0,
        pinned_slots: 0,
        leaving: Vec::new(),
        listeners: vec!["statsd".to_owned()],
        targets: vec![Target {
            name: "10.2.2.2:8125".to_owned(),
            address: IpAddr::from(Ipv4Addr::new(10, 2, 2, 2)),
            port: 8_125,
            state: State::Initial,
            reason: Some("Elb.InitialHealthChecking".to_owned()),
            detail: Some("Initial health checks in progress".to_owned()),
            since: ago(3),
            health_changes: 0,
            probe_seconds: None,
            slots: 4_093,
            share: 1.0,
            packets: 999,
            bytes: 99_999,
            new_flows: 0,
            reply_packets: 1_000,
            reply_bytes: 999_999,
            ..trainer(2)
        }],
    }
}

fn verdicts() -> BTreeMap<String, Traffic> {
    let some = [
        (FORWARDED, 25_926_906, 2_074_174_071),
        (RETURNED, 1_000, 999_999),
        ("not-ours", 421, 51_234),
        ("next-hop-unresolved", 17, 1_190),
    ];
    let mut verdicts = super::verdicts(&[]);
    for verdict in lb_common::verdict::Verdict::ALL {
        verdicts.insert(verdict.name().to_owned(), Traffic::default());
    }
    verdicts.extend(some.map(|(name, packets, bytes)| (name.to_owned(), Traffic { packets, bytes })));
    verdicts
}
