//! Listeners on port ranges: an address's list of them, out of line.

use core::{ops::ControlFlow, ptr};

use lb_common::{
    maps::{KIND_RANGES, Listener, ListenerKeyV4, ListenerKeyV6},
    parse::{Family, Packet, V4, V6},
    wire::{Be16, Be32},
};

use crate::{frame::opaque, maps};

/// A family whose lists are searched by a function of its own.
pub(crate) trait Ranges: Family {
    /// Which listener of the list has the packet's port. `list` itself, which is no listener, if the daemon rewrote
    /// it again and again meanwhile.
    fn within(packet: &Packet<Self>, list: Listener) -> Option<Listener>;
}

impl Ranges for V4 {
    #[inline(always)]
    fn within(packet: &Packet<Self>, list: Listener) -> Option<Listener> {
        let mut found = list;
        let there = ranges_v4(packet.destination.raw(), end(packet), words(list), whole(&mut found));
        (there != 0).then_some(found)
    }
}

impl Ranges for V6 {
    #[inline(always)]
    fn within(packet: &Packet<Self>, list: Listener) -> Option<Listener> {
        let ([first, last], mut found) = (packet.destination, list);
        let there = ranges_v6(first, last, end(packet), words(list), whole(&mut found));
        (there != 0).then_some(found)
    }
}

/// The same place, of which the compiler does not know that nobody reads all of it: before Linux 6.3 the verifier
/// demands that what a global function is given is written, to the last byte.
#[inline(always)]
fn whole(found: &mut Listener) -> *mut Listener {
    ptr::with_exposed_provenance_mut(opaque(ptr::from_mut(found).expose_provenance()))
}

/// Port, in host order, and protocol.
#[inline(always)]
fn end<F: Family>(packet: &Packet<F>) -> u32 {
    u32::from(packet.destination_port().get()) << 8 | u32::from(packet.protocol)
}

/// Where the list is, and its stamp.
#[inline(always)]
fn words(list: Listener) -> u64 {
    u64::from(list.ring) | u64::from(list.slots) << 32
}

#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ranges_v4(address: u32, end: u32, list: u64, found: *mut Listener) -> u32 {
    search(end, list, found, |protocol| {
        let address = Be32::from_raw(address);
        maps::asked_v4(&ListenerKeyV4 { address, port: Be16::new(0), protocol, reserved: 0 })
    })
}

#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ranges_v6(first: u64, last: u64, end: u32, list: u64, found: *mut Listener) -> u32 {
    search(end, list, found, |protocol| {
        let (address, port) = ([first, last], Be16::new(0));
        maps::asked_v6(&ListenerKeyV6 { address, port, protocol, reserved: 0, reserved_too: 0 })
    })
}

/// Whether there is one; then it is in `found`.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the fields of `end` and `words`")]
fn search(end: u32, list: u64, found: *mut Listener, ask: impl FnOnce(u8) -> Option<Listener>) -> u32 {
    let (port, protocol) = ((end >> 8) as u16, end as u8);
    let Some(found) = maps::argument_mut(found) else { return 0 };
    if let ControlFlow::Break(there) = maps::in_ranges(list as u32, (list >> 32) as u32, port, found) {
        return there.into();
    }
    // The list was rewritten since its place was read: the big map has the new place.
    match ask(protocol) {
        None => 0,
        Some(list) if list.kind == KIND_RANGES => match maps::in_ranges(list.ring, list.slots, port, found) {
            ControlFlow::Break(there) => there.into(),
            ControlFlow::Continue(()) => 1,
        },
        Some(every) => {
            *found = every;
            1
        }
    }
}
