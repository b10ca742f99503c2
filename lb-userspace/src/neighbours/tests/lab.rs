//! Two network namespaces with three cables between them. They have no names: they end with the
//! test, whichever way it ends.
//!
//! | edge | | peer | |
//! | --- | --- | --- | --- |
//! | `e0` | 10.0.0.1/24, fd00:0::1/64 | `n0` | .2, .3, ::2, MAC 02:00:00:00:00:02 |
//! | `e1` | 10.1.0.1/24, fd00:1::1/64 | `n1` | .2, ::2, MAC 02:00:00:00:01:02 |
//! | `foreign` | 10.2.0.1/24 | `n2` | .2 |
//!
//! The peer answers for 10.9.0.0/24 and fd00:9::/64 too, and routes go there by `n0`.

use std::{fs::File, process::Command, thread, time::Duration};

use nix::sched::{CloneFlags, setns, unshare};
use tokio::{task::JoinHandle, time::timeout};

use super::super::*;
use crate::event::{NextHop, NoRoute};

const SETUP: &str = "
edge: link set lo up
edge: link add e0 address 02:00:00:00:00:01 type veth peer name n0 address 02:00:00:00:00:02 netns PEER
edge: link add e1 address 02:00:00:00:01:01 type veth peer name n1 address 02:00:00:00:01:02 netns PEER
edge: link add foreign type veth peer name n2 netns PEER
edge: address add 10.0.0.1/24 dev e0
edge: address add fd00:0::1/64 dev e0 nodad
edge: address add 10.1.0.1/24 dev e1
edge: address add fd00:1::1/64 dev e1 nodad
edge: address add 10.2.0.1/24 dev foreign
peer: address add 10.0.0.2/24 dev n0
peer: address add 10.0.0.3/24 dev n0
peer: address add fd00:0::2/64 dev n0 nodad
peer: address add 10.1.0.2/24 dev n1
peer: address add fd00:1::2/64 dev n1 nodad
peer: address add 10.2.0.2/24 dev n2
edge: link set e0 up
edge: link set e1 up
edge: link set foreign up
peer: link set n0 up
peer: link set n1 up
peer: link set n2 up
edge: route add 10.9.0.0/24 via 10.0.0.2
edge: route add fd00:9::/64 via fd00:0::2
";

/// No change that the tests wait for takes the kernel longer.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Lab {
    edge: Namespace,
    peer: Namespace,
    pub wanted: watch::Sender<Wanted>,
    pub events: mpsc::Receiver<Event>,
    pub task: JoinHandle<()>,
}

/// Runs `test` in a lab of its own, with the task under test already at work in it.
pub(super) fn lab(test: impl AsyncFnOnce(Lab) + Send + 'static) {
    lab_after(|_| (), test);
}

/// The same, with something done to the task before it starts.
pub(super) fn lab_after(
    change: impl FnOnce(&mut Neighbours) + Send + 'static,
    test: impl AsyncFnOnce(Lab) + Send + 'static,
) {
    // A thread keeps its namespace for life, and the test harness has other uses for this one.
    let run = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(Lab::new(change)).await });
    });
    run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

impl Lab {
    fn new(change: impl FnOnce(&mut Neighbours)) -> Self {
        let peer = Namespace::new();
        let edge = Namespace::new();
        let (wanted, wants) = watch::channel(Wanted::default());
        let (sender, events) = mpsc::channel(64);
        let mut neighbours = Neighbours::open(wants, sender).unwrap();
        change(&mut neighbours);
        let lab = Self { edge, peer, wanted, events, task: tokio::spawn(neighbours.run()) };
        lab.ip(SETUP);
        lab
    }

    /// Runs `ip` for each line, in the namespace that it names.
    pub(super) fn ip(&self, lines: &str) -> String {
        lines.lines().filter(|line| !line.is_empty()).map(|line| self.ip_once(line)).collect()
    }

    fn ip_once(&self, line: &str) -> String {
        let (place, arguments) = line.split_once(": ").unwrap();
        let namespace = if place == "peer" { &self.peer } else { &self.edge };
        let arguments = arguments.replace("PEER", &self.peer.path());
        namespace.inside(|| {
            let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "ip {arguments}: {errors}");
            String::from_utf8(output.stdout).unwrap()
        })
    }

    pub(super) fn sysctl(&self, place: &str, name: &str, value: &str) {
        let namespace = if place == "peer" { &self.peer } else { &self.edge };
        namespace.inside(|| std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap());
    }

    /// How many messages found no room in a socket of the edge.
    pub(super) fn messages_lost(&self) -> u32 {
        let sockets = self.edge.inside(|| std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap());
        // Columns: .., Locks, Drops, Inode.
        let drops = sockets.lines().skip(1).map(|line| line.split_whitespace().nth_back(1).unwrap());
        drops.map(|drops| drops.parse::<u32>().unwrap()).sum()
    }

    /// The edge's index of an interface.
    pub(super) fn index(&self, interface: &str) -> u32 {
        let link = self.ip(&format!("edge: -oneline link show {interface}"));
        link.split(':').next().unwrap().parse().unwrap()
    }

    pub(super) fn want(&self, addresses: &[&str]) {
        let interfaces = ["e0".to_owned(), "e1".to_owned()].into();
        self.wanted
            .send_replace(Wanted { addresses: addresses.iter().map(|text| ip(text)).collect(), interfaces });
    }

    /// The next that is told, of whichever address.
    pub(super) async fn told(&mut self) -> (IpAddr, Result<NextHop, NoRoute>) {
        let Ok(Some(event)) = timeout(PATIENCE, self.events.recv()).await else { panic!("nothing told") };
        let Event::Routed { address, route } = event else { panic!("{event:?}") };
        (address, route)
    }

    /// Waits until `expected` is told of `address`; whatever comes before may come.
    pub(super) async fn until(&mut self, address: &str, expected: Result<NextHop, NoRoute>) {
        let wait = async { while self.told().await != (ip(address), expected.clone()) {} };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "{address} never came to {expected:?}");
    }

    /// By way of `e0` or `e1` to a gateway there.
    pub(super) fn via(&self, interface: &str, gateway: &str) -> Result<NextHop, NoRoute> {
        self.by(interface).map(|hop| NextHop { gateway: Some(ip(gateway)), ..hop })
    }

    /// By way of `e0` or `e1` to the peer there, which is the target.
    pub(super) fn by(&self, interface: &str) -> Result<NextHop, NoRoute> {
        let number = u8::from(interface == "e1");
        Ok(NextHop {
            interface: self.index(interface),
            own_mac: [2, 0, 0, 0, number, 1],
            gateway: None,
            gateway_mac: [2, 0, 0, 0, number, 2],
            mtu: 1500,
        })
    }
}

struct Namespace(File);

impl Namespace {
    /// A new one, which the calling thread enters.
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests make network namespaces: run them as root");
        Self(Self::current())
    }

    fn current() -> File {
        File::open("/proc/thread-self/ns/net").unwrap()
    }

    fn path(&self) -> String {
        use std::os::fd::AsRawFd as _;
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    fn inside<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = Self::current();
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
        let result = act();
        setns(before, CloneFlags::CLONE_NEWNET).unwrap();
        result
    }
}
