//! Just enough tracking: whose a packet is in a slot that changed, and what is remembered of its flow.
//!
//! The ring alone answers for a slot that is steady. After a change, flows older than it belong to the former
//! target as long as that can serve them; a flow is recorded when the slot cannot tell it from others by itself.
//! (JET, "just enough tracking", CoNEXT 2021, here for each slot.) The program, the model checker and the daemon's
//! tests all run these functions.

use crate::{
    ids::TargetId,
    slot::{Slot, SlotState},
};

/// What a packet says of its flow's age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speaks {
    /// TCP, SYN without ACK: the flow is younger than any change.
    Opening,
    /// TCP, anything else.
    Tcp,
    /// UDP, which never says.
    Udp,
}

/// What stands in the table for a packet's flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    Nothing,
    /// A target that can serve its flows.
    Of(TargetId),
    /// A target that is dead, or gone: its flows go to the current one at once.
    OfTheDead,
}

/// What becomes of the flow's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Memory {
    /// Nothing is written.
    Leave,
    /// It was heard of again.
    Touch,
    /// From here on it names the chosen target.
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice {
    /// `None`: the slot is nobody's.
    pub target: Option<TargetId>,
    pub memory: Memory,
}

/// Chooses for a packet of `slot`. `former`: the slot's, if it can serve.
#[inline(always)]
pub const fn choose(slot: Slot, former: Option<TargetId>, speaks: Speaks, record: Record) -> Choice {
    let current = slot.current();
    let (target, memory) = match (slot.state(), speaks, record) {
        (SlotState::Steady, _, _) | (SlotState::Pinned, Speaks::Opening, Record::Nothing) => {
            (current, Memory::Leave)
        }
        // Written even where it says so already: the connection is a new one. A slot that is pinned needs it only
        // to replace a record of the same tuple.
        (_, Speaks::Opening, _) | (_, Speaks::Tcp | Speaks::Udp, Record::OfTheDead) => {
            (current, Memory::Write)
        }
        (_, Speaks::Tcp | Speaks::Udp, Record::Of(target)) => (Some(target), Memory::Touch),
        (SlotState::Learning, Speaks::Tcp | Speaks::Udp, Record::Nothing)
        | (SlotState::LearningTcp, Speaks::Tcp, Record::Nothing) => match former {
            Some(former) => (Some(former), Memory::Write),
            None => (current, Memory::Leave),
        },
        (SlotState::LearningTcp, Speaks::Udp, Record::Nothing)
        | (SlotState::Pinned, Speaks::Tcp | Speaks::Udp, Record::Nothing) => (current, Memory::Leave),
    };
    Choice { target, memory }
}

/// Where a packet goes whose record could not be written: the table is full, or the CPU's allowance is used up.
/// `None`: nowhere.
///
/// A connection that opens in a slot that learns would be taken for an old one at its next packet, and sent to the
/// former target. So it goes there from the start, unless that takes no new flows: then its SYN is dropped, and
/// comes again. All others go where they would have gone.
#[inline(always)]
pub const fn unrecorded(
    choice: Choice,
    slot: Slot,
    speaks: Speaks,
    former_opens: Option<TargetId>,
    former_serves: bool,
) -> Option<TargetId> {
    match (slot.state(), speaks) {
        (SlotState::Learning | SlotState::LearningTcp, Speaks::Opening) if former_serves => former_opens,
        _ => choice.target,
    }
}
