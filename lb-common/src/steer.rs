//! Steering keys: which of a packet's fields choose its slot.

use crate::{
    hash::scale,
    maps::{HashKeys, Listener},
    parse::{Family, Packet, ports},
    wire::Be16,
};

/// [`Listener::key`]: source and destination, addresses and ports, and the protocol.
pub const KEY_FIVE_TUPLE: u32 = 0;
/// [`Listener::key`]: the client's address.
pub const KEY_SOURCE_IP: u32 = 1;
/// [`Listener::key`]: the client's address and the VIP.
pub const KEY_SOURCE_IP_DESTINATION_IP: u32 = 2;
/// [`Listener::key`]: the client's address and port.
pub const KEY_SOURCE_IP_PORT: u32 = 3;
/// [`Listener::key`]: the port's own place in the listener's range. No hash.
pub const KEY_DESTINATION_PORT: u32 = 4;

/// The place in the ring of the packet's slot. `tag` is the hash of its 5-tuple, `keyed` gives that of a shorter key
/// ([`keyed`]). `None`: the port lies beyond the ring.
#[inline(always)]
pub fn place<F: Family>(
    listener: &Listener,
    packet: &Packet<F>,
    tag: u64,
    keyed: impl FnOnce() -> u64,
) -> Option<u32> {
    if listener.key == KEY_FIVE_TUPLE {
        return Some(scale(tag, listener.slots));
    }
    if listener.key == KEY_DESTINATION_PORT {
        let place = u32::from(packet.destination_port().get().wrapping_sub(listener.first_port));
        return (place < listener.slots).then_some(place);
    }
    Some(scale(keyed(), listener.slots))
}

/// The hash of a key shorter than the 5-tuple. An unknown key is the shortest.
#[inline(always)]
pub fn keyed<F: Family>(
    keys: &HashKeys,
    key: u32,
    source: F::Address,
    destination: F::Address,
    source_port: Be16,
) -> u64 {
    let destination = if key == KEY_SOURCE_IP_DESTINATION_IP { destination } else { F::NOWHERE };
    let port = if key == KEY_SOURCE_IP_PORT { source_port } else { Be16::new(0) };
    keys.tag::<F>(source, destination, ports(port, Be16::new(0)), 0)
}
