//! The maps: their names, and what lies in them. Kernel and daemon read this one page.

use crate::{shared, wire::{Be16, Be32}};

/// An address of either family, as four words in network byte order. IPv4 stands in the first; the
/// others are zero.
pub type AddressWords = [Be32; 4];

shared! {
    /// Key of `LISTENERS_V4`. Port 0 is every port of the address.
    pub struct ListenerKeyV4: 8 bytes {
        pub address: Be32,
        pub port: Be16,
        /// `IPPROTO_TCP` or `IPPROTO_UDP`.
        pub protocol: u8,
        pub reserved: u8,
    }
}

shared! {
    /// Key of `LISTENERS_V6`. Port 0 is every port of the address.
    pub struct ListenerKeyV6: 20 bytes {
        pub address: [Be32; 4],
        pub port: Be16,
        pub protocol: u8,
        pub reserved: u8,
    }
}

/// [`Listener::kind`]: forwards to the ring.
pub const KIND_SERVICE: u32 = 1;
/// [`Listener::kind`]: the address that `nat` sends from; replies to its port range are translated back.
pub const KIND_NAT_RETURN: u32 = 2;

shared! {
    /// Value of `LISTENERS_V4` and `LISTENERS_V6`: what answers at an address.
    pub struct Listener: 16 bytes {
        /// [`KIND_SERVICE`] or [`KIND_NAT_RETURN`].
        pub kind: u32,
        /// `KIND_SERVICE`: index in `RINGS` of the ring's first slot.
        pub ring: u32,
        /// `KIND_SERVICE`: how many slots the ring has.
        pub slots: u32,
        /// `KIND_NAT_RETURN`: first and last port of the range, in host order.
        pub first_port: u16,
        pub last_port: u16,
    }
}

/// [`Target::flags`]: forwarded by full NAT.
pub const TARGET_NAT: u16 = 1;
/// [`Target::flags`]: forwarded in an outer IPv4 header.
pub const TARGET_OUTER_V4: u16 = 2;
/// [`Target::flags`]: forwarded in an outer IPv6 header.
pub const TARGET_OUTER_V6: u16 = 4;
/// [`Target::flags`]: the next hop's MAC and the interface are known.
pub const TARGET_RESOLVED: u16 = 8;
/// [`Target::flags`]: flows recorded on this target may go on. Cleared when the target is dead.
pub const TARGET_SERVES: u16 = 16;

shared! {
    /// Element of `TARGETS`: all that is needed to forward to one target, in one cache line.
    ///
    /// The daemon writes it in aligned words of eight bytes, so the next hop's MAC changes in one store.
    pub struct Target: 64 bytes {
        /// `TARGET_*`.
        pub flags: u16,
        /// The largest IP packet, outer header included, that fits the path, in bytes.
        pub mtu: u16,
        /// `nat`: the target's port. Zero: the packet keeps its own.
        pub port: Be16,
        pub reserved: u16,
        /// MAC of the next hop, then the MAC of the interface it is reached by: the first twelve
        /// bytes of the frame.
        pub link: [u8; 12],
        /// `ifindex` of the interface that the target is reached by.
        pub interface: u32,
        /// The target's address: the outer destination, or `nat`'s new one.
        pub destination: AddressWords,
        /// What the packet is sent from: `nat`'s address, or the prefix of the outer source.
        pub source: AddressWords,
        /// Encapsulation: which bits of the outer source's last word vary with the flow.
        pub source_mask: Be32,
        /// Encapsulation in IPv4: sum of the outer header's 16-bit words that every packet shares.
        pub checksum: u32,
    }
}

shared! {
    /// Element of `COUNTERS`, one a CPU.
    pub struct Tally: 24 bytes {
        pub packets: u64,
        /// Of the frame as it came in, Ethernet header included.
        pub bytes: u64,
        /// TCP SYNs without ACK, or new `nat` flows.
        pub new_flows: u64,
    }
}

shared! {
    /// The keys of the flow hash, drawn from the configured seed. The multipliers are odd.
    pub struct HashKeys: 40 bytes {
        pub whiten: u64,
        pub multiply: [u64; 3],
        /// Whitens the hash of `nat`'s replies, which is of the other tuple.
        pub back: u64,
    }
}

shared! {
    /// The global `SETTINGS`: what is fixed while the program is loaded.
    pub struct Settings: 72 bytes {
        pub keys: HashKeys,
        /// Mask of the set index of `FLOWS`: sets, a power of two, less one.
        pub flow_sets_mask: u32,
        /// Mask of the index of `SESSIONS`: sessions, a power of two, less one.
        pub sessions_mask: u32,
        /// First port that `nat` sends from, in host order, and how many follow it, itself included.
        pub nat_first_port: u32,
        pub nat_ports: u32,
        /// Idle times, in ticks (see [`crate::flow::Tick`]).
        pub tcp_idle: u32,
        pub udp_idle: u32,
        /// A flow that no reply was seen of.
        pub unreplied_idle: u32,
        /// A flow that both sides closed, or one reset.
        pub closed_idle: u32,
    }
}
