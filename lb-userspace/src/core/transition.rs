//! What becomes of a slot whose target should be another.

use lb_common::slot::Slot;

/// The word to write, given what the slot holds and what the ring says; `None` if it can stay.
///
/// Every change goes straight to `steady`: no flow is tracked yet.
pub(super) fn next(held: Slot, wanted: Slot) -> Option<Slot> {
    (held != wanted).then_some(wanted)
}
