//! What an operator wants to know: the daemon makes log lines, events and metrics of it.

use std::net::IpAddr;

use super::health::{Flip, Why};
use crate::{
    config::checked::{GroupName, ListenerName, TargetAddress},
    event::{NextHop, NoRoute, TargetKey},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A configuration came with other listeners. Not all are empty.
    Listeners {
        added: Vec<ListenerName>,
        changed: Vec<ListenerName>,
        removed: Vec<ListenerName>,
    },
    /// A configuration came with other targets, or other weights. Not all are empty.
    Targets {
        group: GroupName,
        added: Vec<TargetAddress>,
        reweighted: Vec<TargetAddress>,
        removed: Vec<TargetAddress>,
    },
    /// A target changed sides. `why` is `None` when it is healthy.
    Health {
        target: TargetKey,
        flip: Flip,
        why: Option<Why>,
    },
    /// No target of the group is healthy: all of them serve.
    FailOpenEntered {
        group: GroupName,
    },
    FailOpenLeft {
        group: GroupName,
    },
    /// The way to a target's address is another one, or the reason why there is none.
    Route {
        address: IpAddr,
        route: Result<NextHop, NoRoute>,
    },
    /// A part of the configuration waits for room in the maps.
    NoRoom {
        group: GroupName,
        shortage: Shortage,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    #[error("no {0} slots next to each other are free: its listeners do not answer")]
    Slots(u32),
    #[error("all target ids are used or resting: {0} targets get no traffic yet")]
    Targets(usize),
}
