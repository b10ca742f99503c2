//! The daemon, as a library, so that the tests reach its parts.
//!
//! Dependencies point one way: `daemon` -> { `config`, `probes`, `neighbours`, `api`, `metrics`,
//! `dataplane` } -> `core` -> `lb-common`. The edges never import each other; they speak [`event`]s.

pub mod api;
pub mod cli;
pub mod config;
pub mod core;
pub mod daemon;
pub mod dataplane;
pub mod event;
pub mod metrics;
pub mod neighbours;
pub mod probes;
mod serve;
mod signals;
pub mod status;
