//! Where a plan's steps are carried out: the kernel's maps, or a fake in tests.

pub mod fake;
pub mod interface;
pub mod kernel;
mod listeners;
pub mod load;
mod mapped;
mod near;
pub mod node;
pub mod ports;
mod ranges;
pub mod sweep;
pub mod tracked;

pub use crate::core::have::Have;
use crate::core::{desired::Want, plan::Step, shadow::Shadow};

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
    #[error("an address has more than {most} listeners on port ranges of one protocol")]
    TooManyRanges { most: usize },
    #[error("access to map `{map}`")]
    Kernel { map: &'static str, source: aya::maps::MapError },
    #[error("add `ifindex` {interface} to the devices that packets may leave by")]
    Egress { interface: u32, source: aya::maps::xdp::XdpMapError },
}

/// A plan that was carried out in part. The shadow knows which; the rest is for the next plan.
#[derive(Debug, thiserror::Error)]
#[error("{done} of {planned} steps were carried out")]
pub struct Interrupted {
    pub done: usize,
    pub planned: usize,
    #[source]
    pub error: WriteError,
}

/// What a plan wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub steps: usize,
    pub slots: usize,
}

/// Brings the maps from what they hold to what is wanted, and keeps the shadow in step.
///
/// # Errors
/// The first step that failed; those before it stand.
pub fn carry_out(
    dataplane: &mut impl Dataplane,
    shadow: &mut Shadow,
    want: &Want,
) -> Result<Written, Interrupted> {
    let steps = shadow.plan(want);
    let mut written = Written { steps: steps.len(), slots: 0 };
    for (done, step) in steps.iter().enumerate() {
        dataplane.apply(step).map_err(|error| Interrupted { done, planned: steps.len(), error })?;
        shadow.record(step);
        if let Step::PutSlots { slots } = step {
            written.slots += slots.len();
        }
    }
    shadow.settle(want);
    Ok(written)
}
