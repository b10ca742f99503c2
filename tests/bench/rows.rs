//! What is measured: one row a combination.

use lb_common::{
    parse::{TCP, UDP},
    slot::SlotState,
};
use pointsman::config::checked::Protocol;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    Ipip,
    Gue,
    L2,
    /// Clients' packets to targets.
    Nat,
    /// Targets' packets to clients.
    NatReply,
    /// To an address that nobody listens at.
    NotOurs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) mode: Mode,
    pub(crate) family: Family,
    pub(crate) protocol: Protocol,
    pub(crate) slots: SlotState,
    pub(crate) flows: u32,
    pub(crate) targets: u32,
}

impl Row {
    pub(crate) const fn mode(&self) -> &'static str {
        match self.mode {
            Mode::Ipip => "ipip",
            Mode::Gue => "gue",
            Mode::L2 => "l2",
            Mode::Nat => "nat",
            Mode::NatReply => "nat-reply",
            Mode::NotOurs => "not-ours",
        }
    }

    pub(crate) const fn family(&self) -> &'static str {
        match self.family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        }
    }

    pub(crate) const fn protocol(&self) -> &'static str {
        match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }

    pub(crate) const fn ip_protocol(&self) -> u8 {
        match self.protocol {
            Protocol::Tcp => TCP,
            Protocol::Udp => UDP,
        }
    }

    pub(crate) const fn slot_state(&self) -> &'static str {
        match self.slots {
            SlotState::Steady => "steady",
            SlotState::Learning | SlotState::LearningTcp => "learning",
            SlotState::Pinned => "pinned",
        }
    }

    /// Whether `--quick` measures it: the ends of what varies, and the middle where caches give out.
    pub(crate) fn tells(&self) -> bool {
        let many = self.mode == Mode::NotOurs || self.targets > 1 && self.flows != 1_000;
        let many = many && (self.slots == SlotState::Steady || self.flows == 1_000_000);
        many && self.protocol == Protocol::Tcp
    }

    /// What `--filter` looks into.
    pub(crate) fn words(&self) -> String {
        format!(
            "{} {} {} {} {} {}",
            self.mode(),
            self.family(),
            self.protocol(),
            self.slot_state(),
            self.flows,
            self.targets
        )
    }
}

const FLOWS: [u32; 4] = [1, 1_000, 64_000, 1_000_000];

/// Counts of targets that the modes without state are measured with; one ring each.
pub(crate) const STATELESS_TARGETS: [u32; 3] = [1, 100, 10_000];

/// A node has some 60,000 ports towards one target's address and port; so many flows need several.
const FLOWS_A_TARGET: u32 = 10_000;

pub(crate) fn all() -> impl Iterator<Item = Row> {
    let of = |mode, protocol, flows, targets| {
        let slots = SlotState::Steady;
        Family::BOTH.map(move |family| Row { mode, family, protocol, slots, flows, targets })
    };
    let modes = [Mode::Ipip, Mode::Gue, Mode::L2].into_iter();
    let modes = modes.flat_map(|mode| [Protocol::Tcp, Protocol::Udp].map(|protocol| (mode, protocol)));
    let stateless = modes.flat_map(move |(mode, protocol)| {
        let some = [1, 100].into_iter().flat_map(move |targets| {
            FLOWS.into_iter().flat_map(move |flows| of(mode, protocol, flows, targets))
        });
        some.chain(of(mode, protocol, 1_000_000, 10_000))
    });
    let moving = [SlotState::Learning, SlotState::Pinned].into_iter().flat_map(move |slots| {
        let rows = FLOWS.into_iter().flat_map(move |flows| of(Mode::Ipip, Protocol::Tcp, flows, 100));
        rows.map(move |row| Row { slots, ..row })
    });
    // Replies right behind: they are of the same flows, which take seconds to make.
    let nat = [1, 100].into_iter().flat_map(move |targets| {
        let flows = FLOWS.into_iter().filter(move |flows| *flows <= targets * FLOWS_A_TARGET);
        flows.flat_map(move |flows| {
            let [v4, v6] = of(Mode::Nat, Protocol::Tcp, flows, targets);
            [v4, Row { mode: Mode::NatReply, ..v4 }, v6, Row { mode: Mode::NatReply, ..v6 }]
        })
    });
    let not_ours = of(Mode::NotOurs, Protocol::Tcp, 1_000, 1);
    stateless.chain(moving).chain(nat).chain(not_ours)
}
