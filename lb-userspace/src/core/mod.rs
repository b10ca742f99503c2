//! Facts and `now` in, changes out.
//!
//! Architecture invariant: no clock, no I/O, no async, no aya in here.

pub mod extents;
pub mod health;
pub mod ids;
pub mod plan;
pub mod ring;
#[cfg(test)]
mod sample;
pub mod siphash;
