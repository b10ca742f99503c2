//! The real object in the kernel, with maps filled as the daemon fills them, one packet at a time.

mod line;
mod memory;
mod nat;
mod node;
mod ran;

use std::{collections::BTreeMap, net::SocketAddr};

use aya::programs::{TestRun as _, TestRunOptions};
use lb_common::{
    ids::TargetId,
    maps::{HashKeys, Idle, KIND_NAT, KIND_NAT_RETURN, KIND_SERVICE, Listener, Settings, Tally},
    slot::Slot,
    verdict::{Verdict, counter_lines},
};
use pointsman::{
    config::checked::{Ports, Protocol},
    core::plan::{ListenerKey, Step},
    dataplane::{Dataplane as _, kernel::Kernel, load::Sizes},
};

use crate::packet::Packet;

pub(crate) use self::{
    line::{Line, from_target, to_target},
    memory::now,
    node::{NAT_V4, NAT_V6, Node, hash_of, returned, slot_of},
    ran::{Action, Ran, hex},
};

/// Loopback, which a test run's packets come in by unless told otherwise.
pub(crate) const LOOPBACK: u32 = 1;

pub(crate) const SIZES: Sizes =
    Sizes { listeners: 32, range_lists: 8, targets: 24, slots: 256, nat_flows: 1024, tracked_flows: 1024 };

/// `10.0.0.1:80`, `10.0.0.1:80-99`, or with port 0, which is every port.
pub(crate) fn key(protocol: Protocol, at: &str) -> ListenerKey {
    let (first, range) = at.rsplit_once('-').map_or((at, None), |(first, last)| (first, Some(last)));
    let first = first.parse::<SocketAddr>().expect("an address and a port");
    let last = range.map(|last| last.parse().expect("a port"));
    let ports =
        last.map_or_else(|| Ports::from(first.port()), |last| Ports::Range { first: first.port(), last });
    ListenerKey { address: first.ip(), ports, protocol }
}

/// More than any frame of a test run: a page, less headroom and tailroom, and what the program adds.
const ROOM: usize = 4096;

/// Ports 40,000 to 40,999, and times so long that nothing is forgotten while a test runs.
pub(crate) fn settings() -> Settings {
    Settings {
        keys: HashKeys::from_seed(b"the datapath"),
        flow_sets_mask: SIZES.flow_sets() - 1,
        sessions_mask: SIZES.nat_flows - 1,
        nat_first_port: 40_000,
        nat_ports: 1_000,
        nat_idle: Idle { tcp: 350, udp: 120, opening: 60, closed: 90 },
        tracked_sets_mask: SIZES.tracked_sets() - 1,
        tracked_budget: 1_000,
        tracked_idle: Idle { tcp: 350, udp: 120, opening: 60, closed: 90 },
        errors_budget: 1_000,
        reserved: 0,
    }
}

pub(crate) struct Lab {
    kernel: Kernel,
    pub(crate) settings: Settings,
    /// The counters after the last packet.
    counters: Vec<Tally>,
    /// The first slot of `RINGS` that no ring has.
    free_slot: u32,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::sized(SIZES, settings)
    }

    /// With tables of other sizes than most tests need; as many targets.
    pub(crate) fn sized(sizes: Sizes, settings: Settings) -> Self {
        let kernel = Kernel::load(sizes, &settings).unwrap_or_else(|error| panic!("{error}: {error:#?}"));
        let counters = kernel.counters(counter_lines(SIZES.targets)).expect("read the counters");
        // Not from the map's start, so that a ring's own start is seen to count.
        let mut lab = Self { kernel, settings, counters, free_slot: 5 };
        if settings.nat_ports > 0 {
            lab.nat_return();
        }
        lab
    }

    pub(crate) const fn kernel(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    pub(crate) fn apply(&mut self, step: &Step) {
        self.kernel.apply(step).expect("the step is carried out");
    }

    /// Writes the node's line.
    pub(crate) fn node(&mut self, node: &Node) {
        self.apply(&Step::PutTarget { id: node.id(), target: node.line() });
    }

    /// Listens at `at`, and encapsulates to a ring of one slot a node. Gives the ring's first slot.
    pub(crate) fn service(&mut self, protocol: Protocol, at: &str, nodes: &[&Node]) -> u32 {
        self.listen(KIND_SERVICE, protocol, at, nodes)
    }

    /// The same with full NAT.
    pub(crate) fn nat(&mut self, protocol: Protocol, at: &str, nodes: &[&Node]) -> u32 {
        self.listen(KIND_NAT, protocol, at, nodes)
    }

    fn listen(&mut self, kind: u32, protocol: Protocol, at: &str, nodes: &[&Node]) -> u32 {
        nodes.iter().for_each(|node| self.node(node));
        let ids = nodes.iter().map(|node| Some(node.id())).collect::<Vec<_>>();
        let (ring, slots) = self.ring(&ids);
        self.listener(protocol, at, Listener { kind, ring, slots, ..Listener::NOTHING });
        ring
    }

    /// Writes a ring; gives its first slot, and how many it has.
    pub(crate) fn ring(&mut self, slots: &[Option<TargetId>]) -> (u32, u32) {
        let first = self.free_slot;
        for (index, id) in (first..).zip(slots) {
            self.slot(index, *id);
        }
        let length = u32::try_from(slots.len()).expect("a small ring");
        self.free_slot += length;
        (first, length)
    }

    pub(crate) fn slot(&mut self, index: u32, id: Option<TargetId>) {
        self.put_slot(index, id.map_or(Slot::EMPTY, Slot::steady));
    }

    /// A slot in whatever state.
    pub(crate) fn put_slot(&mut self, index: u32, slot: Slot) {
        self.apply(&Step::PutSlots { slots: vec![(index, slot)] });
    }

    pub(crate) fn listener(&mut self, protocol: Protocol, at: &str, listener: Listener) {
        let key = key(protocol, at);
        let listener = match key.ports {
            Ports::Range { first, last } => Listener { first_port: first, last_port: last, ..listener },
            Ports::Every | Ports::One(_) => listener,
        };
        self.apply(&Step::PutListener { key, listener });
    }

    /// The listener's slots are chosen by another key from here on.
    pub(crate) fn steer(&mut self, protocol: Protocol, at: &str, key: u32) {
        let named = self::key(protocol, at);
        let have = self.kernel.have().expect("the maps are read back");
        let listener = Listener { key, ..have.listeners[&named] };
        self.apply(&Step::PutListener { key: named, listener });
    }

    pub(crate) fn remove_listener(&mut self, protocol: Protocol, at: &str) {
        self.apply(&Step::RemoveListener { key: key(protocol, at) });
    }

    /// Listens for the replies of `nat`'s targets.
    fn nat_return(&mut self) {
        let Settings { nat_first_port, nat_ports, .. } = self.settings;
        let port = |number: u32| u16::try_from(number).expect("a port");
        let (first_port, last_port) = (port(nat_first_port), port(nat_first_port + nat_ports - 1));
        let listener = Listener { kind: KIND_NAT_RETURN, first_port, last_port, ..Listener::NOTHING };
        for address in [NAT_V4, NAT_V6] {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                self.listener(protocol, &SocketAddr::new(address, 0).to_string(), listener);
            }
        }
    }

    /// One packet, in by loopback.
    pub(crate) fn run(&mut self, frame: &[u8]) -> Ran {
        self.run_with(frame, None)
    }

    /// One packet, in by the interface of this `ifindex`.
    pub(crate) fn run_from(&mut self, interface: u32, frame: &[u8]) -> Ran {
        let end = u32::try_from(frame.len()).expect("a frame");
        self.run_with(frame, Some([0, end, 0, interface, 0, 0]))
    }

    /// One packet, before which the driver left no more than `room` bytes: metadata has the rest.
    pub(crate) fn run_with_headroom(&mut self, room: usize, frame: &[u8]) -> Ran {
        // XDP_PACKET_HEADROOM, less the `xdp_frame` that the kernel keeps at its start.
        let metadata = 256 - 40 - room;
        let input = [&vec![0; metadata], frame].concat();
        let size = |bytes: usize| u32::try_from(bytes).expect("a frame");
        let context = [size(metadata), size(input.len()), 0, LOOPBACK, 0, 0];
        let Ran { output, action, moved, .. } = self.run_with(&input, Some(context));
        Ran { input: frame.to_vec(), output: output[metadata..].to_vec(), action, moved }
    }

    /// `context` is the kernel's `struct xdp_md`.
    fn run_with(&mut self, input: &[u8], context: Option<[u32; 6]>) -> Ran {
        let ran = self.run_uncounted(input, context);
        Ran { moved: self.moved(), ..ran }
    }

    /// The packet is too big for the way to its target, and its sender is told that `mtu` bytes are not.
    #[track_caller]
    pub(crate) fn refuses_as_too_big(&mut self, packet: &Packet, mtu: usize) {
        let answer = packet.too_big(u32::try_from(mtu).expect("an MTU")).frame();
        self.run(&packet.frame()).sends(&answer).counted(Verdict::TooBigAnswered);
    }

    /// The lines that moved since this was last asked, and by how much.
    pub(crate) fn moved(&mut self) -> BTreeMap<Line, Tally> {
        let after = self.kernel.counters(counter_lines(SIZES.targets)).expect("read the counters");
        let moved = line::moved(&self.counters, &after);
        self.counters = after;
        moved
    }

    /// One packet, with the counters left for [`Self::moved`] to read.
    pub(crate) fn run_uncounted(&mut self, input: &[u8], context: Option<[u32; 6]>) -> Ran {
        let context = context.map(|words| words.map(u32::to_ne_bytes).concat());
        let mut output = vec![0; ROOM];
        let options = TestRunOptions {
            data_in: Some(input),
            data_out: Some(&mut output),
            ctx_in: context.as_deref(),
            ..TestRunOptions::new()
        };
        let program = self.kernel.program().expect("the edge program");
        let result = program.test_run(options).expect("the kernel runs the program");
        output.truncate(result.data_size_out as usize);
        let action = Action::from_number(result.return_value);
        Ran { input: input.to_vec(), output, action, moved: BTreeMap::new() }
    }
}
