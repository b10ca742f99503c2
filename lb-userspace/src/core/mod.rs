//! Facts and `now` in, changes out.
//!
//! [`state::State::on`] takes events; [`desired::desired`] says what the maps should hold;
//! [`shadow::Shadow::plan`] says how to get there from what they hold.
//!
//! Architecture invariant: no clock, no I/O, no async, no aya in here.

#[cfg(test)]
mod budgets;
pub mod change;
pub mod desired;
pub mod extents;
pub mod group;
pub mod have;
pub mod health;
pub mod ids;
pub mod member;
mod places;
pub mod plan;
pub mod ring;
#[cfg(test)]
mod sample;
pub mod shadow;
pub mod siphash;
pub mod slots;
pub mod state;
pub mod transition;
