//! What the kernel programs and the daemon agree on, and the pure functions that both call.
//!
//! Architecture invariant: nothing here allocates, blocks, reads a clock or knows a map. Every function
//! runs as it is in the kernel, in the daemon and in a test.
#![no_std]

pub mod bench;
pub mod checksum;
pub mod flow;
pub mod hash;
pub mod icmp;
pub mod ids;
pub mod maps;
pub mod outer;
pub mod parse;
pub mod ranges;
mod shared;
pub mod slot;
pub mod steer;
pub mod track;
pub mod verdict;
pub mod wire;
