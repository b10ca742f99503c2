//! Where a plan's steps are carried out: the kernel's maps, or a fake in tests.

pub mod interface;
pub mod kernel;
pub mod load;
mod mapped;
pub mod node;
pub mod ports;

use lb_common::{
    ids::TargetId,
    maps::{Listener, Target},
    slot::Slot,
};

use crate::core::plan::{ListenerKey, Step};

/// What the maps hold: what a plan starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    pub listeners: std::collections::BTreeMap<ListenerKey, Listener>,
    pub targets: std::collections::BTreeMap<TargetId, Target>,
    /// All slots of `RINGS`; as long as the map.
    pub slots: Vec<Slot>,
}

/// Carries out steps. Too dull to be wrong: it decides nothing.
pub trait Dataplane {
    /// # Errors
    /// What the kernel said; the steps before this one stand.
    fn apply(&mut self, step: &Step) -> Result<(), WriteError>;

    /// Reads back what is there.
    ///
    /// # Errors
    /// What the kernel said.
    fn have(&self) -> Result<Have, WriteError>;
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("map `{map}` is full at {capacity} entries")]
    Full { map: &'static str, capacity: u32 },
    #[error("access to map `{map}`")]
    Kernel { map: &'static str, source: aya::maps::MapError },
    #[error("add `ifindex` {interface} to the devices that packets may leave by")]
    Egress { interface: u32, source: aya::maps::xdp::XdpMapError },
}
