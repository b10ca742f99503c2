//! A daemon's inside, without its edges: the core, the plan, and maps to write to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::IpAddr,
    time::{Duration, Instant},
};

use lb_common::{ids::TargetId, maps::Target};
use pointsman::{
    config::{
        self,
        checked::{Config, GroupName, TargetAddress},
    },
    core::{change::Change, desired::desired, shadow::Shadow, state::State},
    dataplane::{Dataplane as _, Interrupted, carry_out, fake::Fake, kernel::Kernel},
    event::{Event, NextHop, NoRoute, Outcome, TargetKey},
};

pub(crate) struct Node {
    state: State,
    pub(crate) fake: Fake,
    shadow: Shadow,
    mirror: Option<(Kernel, Shadow)>,
    addresses: Vec<TargetAddress>,
    now: Instant,
}

/// One listener, and so many targets.
pub(crate) fn config(targets: usize) -> String {
    let mut text = String::from(
        r#"
        [node]
        interfaces = ["eth0"]
        seed = "a seed of tests, no secret"
        [encapsulation]
        ipv4_source = "10.77.0.0/16"
        [limits]
        slots = 131072
        [[listener]]
        name = "web"
        address = "198.51.100.10"
        port = 80
        protocol = "tcp"
        target_group = "trainers"
        [[target_group]]
        name = "trainers"
        forwarding = "ipip"
        "#,
    );
    for number in 0..targets {
        let (third, fourth) = (number / 250, number % 250 + 1);
        write!(text, "[[target_group.target]]\naddress = \"10.0.{third}.{fourth}\"\nport = 80\n").unwrap();
    }
    text
}

pub(crate) fn parse(text: &str) -> Config {
    config::parse(text, "test.toml").expect("a configuration without faults")
}

pub(crate) const fn hop() -> NextHop {
    let (own_mac, gateway_mac) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    NextHop { interface: 7, own_mac, gateway: None, gateway_mac, mtu: 1500 }
}

#[expect(clippy::disallowed_methods, reason = "an `Instant` comes from nowhere else")]
fn now() -> Instant {
    Instant::now()
}

impl Node {
    pub(crate) fn new(text: &str) -> Self {
        let config = parse(text);
        let fake = Fake::new(config.limits.slots);
        let addresses =
            config.target_groups.values().flat_map(|group| group.targets.keys().copied()).collect();
        let now = now();
        let mut node = Self {
            shadow: Shadow::new(fake.have().unwrap()),
            state: State::new(config, now),
            fake,
            mirror: None,
            addresses,
            now,
        };
        node.settle().unwrap();
        node
    }

    fn key(&self, at: usize) -> TargetKey {
        TargetKey { group: GroupName::parse("trainers").unwrap(), address: self.addresses[at] }
    }

    pub(crate) fn probed_unsettled(&mut self, at: usize, outcome: Outcome) -> Vec<Change> {
        self.now += Duration::from_secs(1);
        let target = self.key(at);
        self.state.on(Event::Probed { target, outcome, took: Duration::from_millis(1) }, self.now)
    }

    /// As the daemon does it: hear, then settle. A write that fails is the next tick's.
    pub(crate) fn probed(&mut self, at: usize, outcome: Outcome) -> Vec<Change> {
        let changes = self.probed_unsettled(at, outcome);
        let _: Result<(), Interrupted> = self.settle();
        changes
    }

    pub(crate) fn pass_all(&mut self) {
        for at in 0..self.addresses.len() {
            self.probed_unsettled(at, Outcome::Passed);
        }
        self.settle().unwrap();
    }

    pub(crate) fn routed(&mut self, at: usize, route: Result<NextHop, NoRoute>) {
        let address = self.addresses[at].address;
        self.state.on(Event::Routed { address, route }, self.now);
        self.settle().unwrap();
    }

    pub(crate) fn settle(&mut self) -> Result<(), Interrupted> {
        let want = desired(&mut self.state, self.now);
        carry_out(&mut self.fake, &mut self.shadow, &want).map(|_| ())
    }

    /// After a failure the daemon believes the maps alone.
    pub(crate) fn reread(&mut self) {
        self.shadow = Shadow::new(self.fake.have().unwrap());
    }

    /// From here on the kernel's maps follow too.
    pub(crate) fn mirror(&mut self, kernel: Kernel) {
        let shadow = Shadow::new(kernel.have().unwrap());
        self.mirror = Some((kernel, shadow));
        self.settle_mirror();
    }

    pub(crate) fn settle_mirror(&mut self) {
        let (kernel, shadow) = self.mirror.as_mut().unwrap();
        carry_out(kernel, shadow, &desired(&mut self.state, self.now)).unwrap();
    }

    pub(crate) fn mirrored(&self) -> &Kernel {
        &self.mirror.as_ref().unwrap().0
    }

    /// How long the target's next failure takes to be in the kernel's maps, and the writes alone.
    pub(crate) fn timed(&mut self, at: usize) -> (Duration, Duration) {
        let begin = now();
        let changes = self.probed_unsettled(at, Outcome::TimedOut);
        let want = desired(&mut self.state, self.now);
        let (kernel, shadow) = self.mirror.as_mut().unwrap();
        let steps = shadow.plan(&want);
        let planned = now();
        for step in &steps {
            kernel.apply(step).unwrap();
        }
        let end = now();
        assert!(!changes.is_empty() && !steps.is_empty());
        (end - begin, end - planned)
    }

    /// Whose each slot is, by the ids that lie in the maps.
    pub(crate) fn owners(&self) -> Vec<TargetId> {
        self.fake.held().slots.iter().filter_map(|slot| slot.current()).collect()
    }

    pub(crate) fn targets_in_ring(&self) -> BTreeSet<TargetId> {
        self.owners().into_iter().collect()
    }

    /// The same by the targets' addresses: ids are each node's own.
    pub(crate) fn addresses_in_ring(&self) -> Vec<IpAddr> {
        let ids: BTreeMap<TargetId, IpAddr> =
            (0..self.addresses.len()).map(|at| (self.id(at), self.addresses[at].address)).collect();
        self.owners().iter().map(|id| ids[id]).collect()
    }

    pub(crate) fn id(&self, at: usize) -> TargetId {
        let group = &self.state.groups()[&GroupName::parse("trainers").unwrap()];
        group.members()[&self.addresses[at]].id().unwrap()
    }

    pub(crate) fn line(&self, at: usize) -> Target {
        self.fake.held().targets[&self.id(at)]
    }
}
