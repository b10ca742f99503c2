//! What the bench and its wrapper programs agree on. No part of what is attached to an interface.

use crate::{
    parse::{Family, V4, V6},
    shared,
    wire::{Be16, Be32},
};

/// Words of eight bytes that a wrapper puts back into the frame: all headers of either family.
pub const WORDS: usize = 10;

/// Bytes of the whole frame, payload included.
pub const FRAME: usize = 96;

/// Turns, and timestamps that there is room for.
pub const TURNS: u32 = 4;
pub const WINDOWS: u32 = 1 << 15;

shared! {
    /// The one element of `COURSE`: what a wrapper does in this run.
    pub struct Course: 120 bytes {
        /// The first bytes of each frame.
        pub frame: [u64; WORDS],
        /// How many flows there are, 0 upwards.
        pub flows: u32,
        /// The next packet's flow is this many 2^32nd parts of `flows` on, modulo `flows`.
        pub stride: u32,
        /// A window begins with each packet whose number has none of these bits.
        pub window_mask: u64,
        /// Turns go from this one to that one, and start over. In turn 0 the wrapper only counts; in the
        /// others it calls the program that has this place in `PROGRAMS`.
        pub first_turn: u64,
        pub last_turn: u64,
        /// Address of the first clients: IPv4's, or the last word of IPv6's.
        pub client: Be32,
        pub reserved: u32,
    }
}

shared! {
    /// The one element of `PROGRESS`: how far the run is.
    pub struct Progress: 64 bytes {
        pub packet: u64,
        pub window: u64,
        /// Whose turn it is.
        pub turn: u64,
        /// Only ever added to, atomically.
        pub fence: u64,
        pub reserved: [u64; 4],
    }
}

shared! {
    /// Element of `PEERS`: what the target of a `nat` flow sees as its client, and itself as.
    pub struct Peer: 8 bytes {
        /// The target: IPv4's address, or the last word of IPv6's.
        pub target: Be32,
        /// The port that the node sends from.
        pub port: Be16,
        pub reserved: u16,
    }
}

/// Where the wrappers find and put what tells flows apart: offsets in a frame without VLAN tags.
pub trait Places: Family {
    /// Words that hold all headers.
    const WORDS: usize;
    /// The source address, or its last word.
    const SOURCE: usize;
    /// The destination address, or its last word.
    const DESTINATION: usize;
    const SOURCE_PORT: usize;
    const DESTINATION_PORT: usize = Self::SOURCE_PORT + 2;
}

impl Places for V4 {
    const WORDS: usize = 7;
    const SOURCE: usize = 14 + 12;
    const DESTINATION: usize = 14 + 16;
    const SOURCE_PORT: usize = 14 + 20;
}

impl Places for V6 {
    const WORDS: usize = WORDS;
    const SOURCE: usize = 14 + 20;
    const DESTINATION: usize = 14 + 36;
    const SOURCE_PORT: usize = 14 + 40;
}

/// The client of a flow: which one after the first, and its port.
///
/// Ports vary before addresses, as those of a few busy clients do.
#[inline(always)]
pub const fn client(flow: u32) -> (u32, Be16) {
    (flow >> 15, Be16::new((flow & 0x7fff) as u16 | 0x8000))
}
