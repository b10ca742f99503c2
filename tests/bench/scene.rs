//! The edge program with listeners, rings and targets, as the daemon would have written them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, Result};
use aya::programs::ProgramFd;
use lb_common::{
    flow::Tick,
    hash::{Draw, scale},
    ids::TargetId,
    maps::{
        HashKeys, Idle, KIND_NAT, KIND_NAT_RETURN, KIND_SERVICE, Listener, Settings, TARGET_GUE, TARGET_L2,
        TARGET_NAT, TARGET_OUTER_V4, TARGET_OUTER_V6, TARGET_RESOLVED, TARGET_SERVES, Tally, Target,
        address_words, words_v4,
    },
    outer::{overhead, partial_checksum},
    slot::{Slot, SlotState},
    verdict::{Note, Verdict, counter_lines, note_line},
    wire::{Be16, Be32},
};
use pointsman::{
    config::checked::{Ports, Protocol},
    core::plan::{ListenerKey, Step},
    dataplane::{Dataplane as _, kernel::Kernel, load::Sizes},
};

use crate::{
    drive::Counted,
    rows::{Family, Mode},
};

/// The design's: a prime that 10,000 targets share evenly enough.
const RING: u32 = 65_537;
/// Entries for a million `nat` flows, and as many again.
const NAT_FLOWS: u32 = 1 << 21;
const NAT_PORTS: (u16, u16) = (1_024, 65_535);
/// The interface of a program test run: the loopback device of the namespace.
const INTERFACE: u32 = 1;
/// First listener's port; each ring has its own listener.
const PORT: u16 = 8_000;
pub(crate) const TARGET_PORT: u16 = 80;

pub(crate) struct Scene {
    kernel: Kernel,
    mode: Mode,
    targets: Vec<u32>,
}

impl Scene {
    /// For each family a ring for each number of targets, with a listener for each protocol.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn new(mode: Mode, families: &[Family], targets: &[u32], tracked_flows: u32) -> Result<Self> {
        let rings = u32::try_from(families.len() * targets.len())?;
        let sizes = Sizes {
            listeners: 16,
            range_lists: 1,
            targets: 2 * targets.iter().sum::<u32>(),
            slots: rings * RING,
            nat_flows: if mode == Mode::Nat { NAT_FLOWS } else { 4 },
            tracked_flows,
        };
        let kernel = Kernel::load(sizes, &settings(&sizes)).context("load the edge program")?;
        let mut scene = Self { kernel, mode, targets: targets.to_vec() };
        let (mut first_slot, mut first_id) = (0, 1);
        for family in families {
            for (ring, count) in targets.iter().enumerate() {
                scene.put_ring(*family, first_slot, first_id, *count)?;
                for protocol in [Protocol::Tcp, Protocol::Udp] {
                    let key =
                        ListenerKey { address: vip(*family), ports: Ports::One(nth_port(ring)), protocol };
                    let kind = if mode == Mode::Nat { KIND_NAT } else { KIND_SERVICE };
                    let listener = Listener { kind, ring: first_slot, slots: RING, ..Listener::NOTHING };
                    scene.kernel.apply(&Step::PutListener { key, listener })?;
                }
                first_slot += RING;
                first_id += count;
            }
            if mode == Mode::Nat {
                scene.put_return(*family)?;
            }
        }
        Ok(scene)
    }

    /// All slots of the first ring are in this state, their flows of before on the target after their present one.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn turn(&mut self, state: SlotState) -> Result<()> {
        let have = self.kernel.have()?;
        let next = |id: TargetId| TargetId::new(id.index() % self.targets.iter().sum::<u32>() + 1);
        let turned = |(index, slot): (u32, &Slot)| {
            let former = if state == SlotState::Learning { slot.current().and_then(next) } else { None };
            (index, Slot::new(state, slot.current(), former))
        };
        let slots = (0..).zip(&have.slots).take(RING as usize).map(turned).collect();
        Ok(self.kernel.apply(&Step::PutSlots { slots })?)
    }

    /// The port that forwards to this many targets.
    pub(crate) fn port(&self, targets: u32) -> Option<u16> {
        self.targets.iter().position(|count| *count == targets).map(nth_port)
    }

    /// The program under test.
    ///
    /// # Errors
    /// If it is not loaded.
    pub(crate) fn edge(&mut self) -> Result<ProgramFd> {
        Ok(self.kernel.program().context("the edge program is not there")?.fd()?.try_clone()?)
    }

    /// # Errors
    /// What the kernel said.
    pub(crate) fn counted(&self, what: Counted) -> Result<Tally> {
        let direction = match what {
            Counted::Verdict(verdict) => return Ok(self.kernel.counter(verdict.line())?),
            Counted::Targets(direction) => direction,
        };
        let lines = self.kernel.counters(counter_lines(self.kernel.sizes().targets))?;
        // `to_target` and `from_target` lie side by side, behind verdicts and notes.
        let first = Verdict::COUNT + Note::COUNT + direction as u32;
        let targets = lines.iter().skip(first as usize).step_by(2);
        Ok(targets.fold(Tally { packets: 0, bytes: 0, new_flows: 0 }, |all, one| Tally {
            packets: all.packets + one.packets,
            bytes: all.bytes + one.bytes,
            new_flows: all.new_flows + one.new_flows,
        }))
    }

    /// # Errors
    /// What the kernel said.
    pub(crate) fn noted(&self, note: Note) -> Result<u64> {
        Ok(self.kernel.counter(note_line(note))?.packets)
    }

    fn put_ring(&mut self, family: Family, first_slot: u32, first_id: u32, count: u32) -> Result<()> {
        let ids = (first_id..first_id + count).filter_map(TargetId::new).collect::<Vec<_>>();
        for id in &ids {
            self.kernel.apply(&Step::PutTarget { id: *id, target: target(self.mode, family, id.index()) })?;
        }
        let mut draw = Draw::new(b"ring");
        let slots = (first_slot..first_slot + RING)
            .filter_map(|slot| {
                let id = ids.get(scale(draw.next(), count) as usize)?;
                Some((slot, Slot::steady(*id)))
            })
            .collect();
        Ok(self.kernel.apply(&Step::PutSlots { slots })?)
    }

    fn put_return(&mut self, family: Family) -> Result<()> {
        let key = ListenerKey { address: node(family), ports: Ports::Every, protocol: Protocol::Tcp };
        let (first_port, last_port) = NAT_PORTS;
        let listener = Listener { kind: KIND_NAT_RETURN, first_port, last_port, ..Listener::NOTHING };
        Ok(self.kernel.apply(&Step::PutListener { key, listener })?)
    }
}

fn nth_port(ring: usize) -> u16 {
    PORT + u16::try_from(ring).unwrap_or_default()
}

fn settings(sizes: &Sizes) -> Settings {
    let minutes = |minutes: u64| Tick::span(std::time::Duration::from_secs(minutes * 60));
    Settings {
        keys: HashKeys::from_seed(b"bench"),
        flow_sets_mask: sizes.flow_sets() - 1,
        sessions_mask: sizes.nat_flows - 1,
        nat_first_port: u32::from(NAT_PORTS.0),
        nat_ports: u32::from(NAT_PORTS.1 - NAT_PORTS.0) + 1,
        nat_idle: Idle { tcp: minutes(6), udp: minutes(2), opening: minutes(6), closed: minutes(1) },
        tracked_sets_mask: sizes.tracked_sets() - 1,
        tracked_budget: u32::MAX,
        tracked_idle: Idle { tcp: minutes(6), udp: minutes(2), opening: minutes(6), closed: minutes(1) },
        errors_budget: 0,
        reserved: 0,
    }
}

/// One target; also the floors' only one.
pub(crate) fn target(mode: Mode, family: Family, number: u32) -> Target {
    let (outer, mask) = match family {
        Family::V4 => (TARGET_OUTER_V4, 0x0000_ffff),
        Family::V6 => (TARGET_OUTER_V6, 0xffff_ffff),
    };
    let nat = mode == Mode::Nat;
    let way = match mode {
        Mode::Ipip | Mode::NotOurs => outer,
        Mode::Gue => outer | TARGET_GUE,
        Mode::L2 => TARGET_L2,
        Mode::Nat | Mode::NatReply => TARGET_NAT,
    };
    let source = address_words(if nat { node(family) } else { outer_prefix(family) });
    let destination = address_words(backend(family, number));
    Target {
        flags: TARGET_RESOLVED | TARGET_SERVES | way,
        largest: 1_500 - overhead(way),
        // `ipip` does not look at it; the floors of `nat` and `gue` do.
        port: Be16::new(TARGET_PORT),
        reserved: 0,
        link: [0x0000_0002, 0x0002_0300, 0x0400_0000],
        interface: INTERFACE,
        destination,
        source,
        source_mask: Be32::new(if nat { 0 } else { mask }),
        checksum: partial_checksum(words_v4(source), words_v4(destination)),
    }
}

/// First of the clients; the wrappers count on from it.
pub(crate) fn client(family: Family) -> IpAddr {
    of(family, Ipv4Addr::new(198, 51, 100, 1), 0xc)
}

pub(crate) fn vip(family: Family) -> IpAddr {
    of(family, Ipv4Addr::new(192, 0, 2, 1), 0xa)
}

/// Where nobody listens.
pub(crate) fn stranger(family: Family) -> IpAddr {
    of(family, Ipv4Addr::new(192, 0, 2, 99), 0xb)
}

pub(crate) fn node(family: Family) -> IpAddr {
    of(family, Ipv4Addr::new(10, 1, 0, 1), 0xd)
}

fn outer_prefix(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(10, 9, 0, 0).into(),
        Family::V6 => Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 0).into(),
    }
}

pub(crate) fn backend(family: Family, number: u32) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from_bits(Ipv4Addr::new(10, 2, 0, 0).to_bits() + number).into(),
        Family::V6 => Ipv6Addr::from_bits(0xfd00_0002 << 96 | u128::from(number)).into(),
    }
}

fn of(family: Family, v4: Ipv4Addr, v6: u16) -> IpAddr {
    match family {
        Family::V4 => v4.into(),
        Family::V6 => Ipv6Addr::new(0xfd00, v6, 0, 0, 0, 0, 0, 1).into(),
    }
}
