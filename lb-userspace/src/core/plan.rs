//! From what the maps hold to what they should hold, in an order that never leaves a listener without a
//! live ring.

use std::net::IpAddr;

use lb_common::{
    ids::TargetId,
    maps::{Listener, Target},
    slot::Slot,
};

use crate::config::checked::Protocol;

/// Key of a listener, of either family. Port 0 is every port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerKey {
    pub address: IpAddr,
    pub port: u16,
    pub protocol: Protocol,
}

/// One write. After any prefix of a plan, every listener that was live is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a target's line.
    PutTarget { id: TargetId, target: Target },
    /// Rewrites slots of `RINGS`, by index; only the ones that change.
    PutSlots { slots: Vec<(u32, Slot)> },
    /// Makes a listener answer, or changes what it answers with.
    PutListener { key: ListenerKey, listener: Listener },
    /// From here on the address is not ours.
    RemoveListener { key: ListenerKey },
    /// Zeroes a target's line that no slot names.
    RemoveTarget { id: TargetId },
}
