//! Slots in motion: what is remembered of their flows, and whose they are.

use std::collections::BTreeMap;

use lb_common::{
    maps::{Settings, TARGET_SERVES},
    slot::SlotState,
    verdict::Note,
};

use super::{World, headers::Headers};
use crate::packet::{FIN, RST, UDP};

/// What a slot is beside its current target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Motion {
    pub(crate) state: SlotState,
    pub(crate) former: Option<u32>,
}

#[derive(Clone, Debug)]
struct Record {
    node: u32,
    udp: bool,
    /// Its flow has said more than SYN.
    known: bool,
    closed: bool,
    silent_since: u32,
}

pub(super) struct Table {
    settings: Settings,
    now: u32,
    /// By the flow's hash.
    records: BTreeMap<u64, Record>,
}

impl Table {
    pub(super) const fn new(settings: Settings) -> Self {
        Self { settings, now: 0, records: BTreeMap::new() }
    }

    pub(super) const fn age(&mut self, ticks: u32) {
        self.now += ticks;
    }

    /// Whose the packet is in a slot that is not steady, and whether that was written down.
    pub(super) fn choose(
        &mut self,
        world: &World,
        current: Option<u32>,
        Motion { state, former }: Motion,
        headers: &Headers,
        flow: u64,
    ) -> (Option<u32>, Option<Note>) {
        let serves = |id: &u32| world.nodes[id].flags & TARGET_SERVES != 0;
        let udp = headers.protocol == UDP;
        let learns = state == SlotState::Learning || state == SlotState::LearningTcp && !udp;
        let record = self.live(flow);
        let (node, written) = match record {
            _ if headers.opens() => (current, state != SlotState::Pinned || record.is_some()),
            Some(node) if serves(&node) => {
                self.hear(flow, headers);
                return (Some(node), None);
            }
            Some(_) => (current, true),
            None if learns => match former.filter(serves) {
                Some(former) => (Some(former), true),
                None => (current, false),
            },
            None => (current, false),
        };
        let Some(node) = node.filter(|_| written) else { return (node, None) };
        let record = Record { node, udp, known: false, closed: false, silent_since: self.now };
        self.records.insert(flow, record);
        if !headers.opens() {
            self.hear(flow, headers);
        }
        (Some(node), Some(Note::Tracked))
    }

    fn live(&self, flow: u64) -> Option<u32> {
        let record = self.records.get(&flow)?;
        let idle = self.settings.tracked_idle;
        let patience = match record {
            Record { closed: true, .. } => idle.closed,
            Record { known: false, .. } => idle.opening,
            Record { udp: true, .. } => idle.udp,
            Record { .. } => idle.tcp,
        };
        (self.now - record.silent_since <= patience).then_some(record.node)
    }

    fn hear(&mut self, flow: u64, headers: &Headers) {
        if let Some(record) = self.records.get_mut(&flow) {
            record.known = true;
            record.closed |= headers.flags & (FIN | RST) != 0;
            record.silent_since = self.now;
        }
    }
}
