//! Which slot, by the listener's steering key (`lb_common::steer`).

use lb_common::{
    maps::Listener,
    parse::{Family, Packet, V4, V6},
    steer::{self, keyed},
    verdict::Verdict,
    wire::{Be16, Be32},
};

use crate::maps;

/// A family whose keys shorter than the 5-tuple are hashed out of line: the usual key does not pay for them.
pub(crate) trait Steer: Family {
    /// The hash of the listener's key.
    fn keyed(listener: &Listener, packet: &Packet<Self>) -> u64;

    /// The place of the packet's slot in the listener's ring; `tag` is the hash of its 5-tuple.
    #[inline(always)]
    fn place(listener: &Listener, packet: &Packet<Self>, tag: u64) -> Result<u32, Verdict> {
        steer::place(listener, packet, tag, || Self::keyed(listener, packet)).ok_or(Verdict::BadMap)
    }
}

impl Steer for V4 {
    #[inline(always)]
    fn keyed(listener: &Listener, packet: &Packet<Self>) -> u64 {
        let (source, destination) = (packet.source.raw(), packet.destination.raw());
        keyed_v4(source, destination, packet.source_port().raw(), listener.key)
    }
}

impl Steer for V6 {
    #[inline(always)]
    fn keyed(listener: &Listener, packet: &Packet<Self>) -> u64 {
        let ([a, b], [c, d]) = (packet.source, packet.destination);
        keyed_v6(a, b, c, d, u32::from(packet.source_port().raw()) << 16 | listener.key)
    }
}

#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn keyed_v4(source: u32, destination: u32, port: u16, key: u32) -> u64 {
    let (source, destination) = (Be32::from_raw(source), Be32::from_raw(destination));
    keyed::<V4>(&maps::settings().keys, key, source, destination, Be16::from_raw(port))
}

/// `rest`: the source port as it stands in memory, then the key.
#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn keyed_v6(a: u64, b: u64, c: u64, d: u64, rest: u32) -> u64 {
    let port = Be16::from_raw((rest >> 16) as u16);
    keyed::<V6>(&maps::settings().keys, rest & 0xffff, [a, b], [c, d], port)
}
