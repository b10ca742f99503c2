//! What the maps hold: what a plan starts from.

use std::{collections::BTreeMap, net::IpAddr};

use lb_common::{
    ids::TargetId,
    maps::{Listener, Target},
    slot::Slot,
};

use super::plan::{ListenerKey, Step};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    pub listeners: BTreeMap<ListenerKey, Listener>,
    pub addresses: BTreeMap<IpAddr, Listener>,
    pub targets: BTreeMap<TargetId, Target>,
    /// All slots of `RINGS`; as long as the map.
    pub slots: Vec<Slot>,
}

/// A step names a slot that the map does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot {0} is beyond the end of the map")]
pub struct NoSuchSlot(pub u32);

impl Have {
    /// Fresh maps, with room for so many slots.
    pub fn nothing(slots: u32) -> Self {
        Self { slots: vec![Slot::EMPTY; slots as usize], ..Self::default() }
    }

    /// Takes note of a step that was carried out.
    ///
    /// # Errors
    /// A slot that there is not; those before it stand.
    pub fn record(&mut self, step: &Step) -> Result<(), NoSuchSlot> {
        match step {
            Step::PutTarget { id, target } => {
                self.targets.insert(*id, *target);
            }
            Step::PutSlots { slots } => {
                for (place, slot) in slots {
                    *self.slots.get_mut(*place as usize).ok_or(NoSuchSlot(*place))? = *slot;
                }
            }
            Step::PutListener { key, listener } => {
                self.listeners.insert(*key, *listener);
            }
            Step::RemoveListener { key } => {
                self.listeners.remove(key);
            }
            Step::PutAddress { address, entry } => {
                self.addresses.insert(*address, *entry);
            }
            Step::RemoveAddress { address } => {
                self.addresses.remove(address);
            }
            Step::RemoveTarget { id } => {
                self.targets.remove(id);
            }
        }
        Ok(())
    }
}
