//! Facts and `now` in, changes out.
//!
//! Architecture invariant: no clock, no I/O, no async, no aya in here.

pub mod plan;
pub mod ring;
pub mod siphash;
