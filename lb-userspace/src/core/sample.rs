//! Configurations and a clock for the core's tests.

use std::{
    net::IpAddr,
    sync::LazyLock,
    time::{Duration, Instant},
};

use crate::config::checked::{
    Api, CheckKind, Config, Encapsulation, Forwarding, GroupName, HealthCheck, Limits, Listener,
    ListenerName, Nat, Node, Ports, Protocol, Seed, SteeringKey, Target, TargetAddress, TargetGroup,
    Tracking, XdpMode,
};

/// Some instant, the same for a whole test run.
#[expect(clippy::disallowed_methods, reason = "an `Instant` comes from nowhere else")]
pub(super) fn start() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START
}

pub(super) fn config() -> Config {
    Config {
        node: Node {
            interfaces: vec!["eth0".into()],
            seed: Seed("sample".into()),
            xdp_mode: XdpMode::Driver,
        },
        nat: Some(Nat {
            ipv4_source: Some([10, 9, 0, 1].into()),
            ipv6_source: Some("2001:db8:9::1".parse().unwrap()),
            ports: 20_000..=29_999,
            tcp_idle_timeout: Duration::from_secs(350),
            udp_idle_timeout: Duration::from_secs(120),
            flows: 1024,
        }),
        encapsulation: Encapsulation {
            ipv4_source: Some("10.8.3.0/20".parse().unwrap()),
            ipv6_source: Some("2001:db8:8::/64".parse().unwrap()),
            gue_port: 6080,
        },
        tracking: Tracking {
            flows: 1024,
            new_flows_per_second: 100,
            learning_window: Duration::from_secs(350),
            udp_learning_window: Duration::from_secs(10),
            tcp_idle_timeout: Duration::from_secs(350),
            udp_idle_timeout: Duration::from_secs(120),
        },
        limits: Limits { listeners: 16, range_lists: 4, targets: 64, slots: 1000 },
        api: Api { socket: "/run/pointsman.sock".into() },
        metrics: None,
        listeners: [].into(),
        target_groups: [].into(),
    }
}

pub(super) const fn check() -> HealthCheck {
    HealthCheck {
        kind: CheckKind::Tcp,
        port: None,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        healthy_threshold: 3,
        unhealthy_threshold: 2,
    }
}

pub(super) fn name(group: &str) -> GroupName {
    GroupName::parse(group).unwrap()
}

pub(super) fn address(text: &str) -> TargetAddress {
    let address: IpAddr = text.parse().unwrap();
    TargetAddress { address, port: 8080 }
}

impl Config {
    pub(super) fn group(
        mut self,
        group: &str,
        forwarding: Forwarding,
        ring_slots: u32,
        targets: &[(&str, u16)],
    ) -> Self {
        let target =
            |&(text, weight): &(&str, u16)| (address(text), Target { name: text.to_owned(), weight });
        let targets = targets.iter().map(target).collect();
        let group = (
            name(group),
            TargetGroup {
                forwarding,
                steering_key: SteeringKey::default(),
                ring_slots,
                health_check: check(),
                targets,
            },
        );
        self.target_groups.extend([group]);
        self
    }

    /// A TCP listener on port 80.
    pub(super) fn listener(mut self, listener: &str, at: &str, group: &str) -> Self {
        let (address, target_group) = (at.parse().unwrap(), name(group));
        let value = Listener { address, ports: Ports::One(80), protocol: Protocol::Tcp, target_group };
        self.listeners.insert(ListenerName::parse(listener).unwrap(), value);
        self
    }
}
