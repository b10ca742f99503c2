//! The maps: their names, and what lies in them. Kernel and daemon read this one page.
#![expect(clippy::cast_possible_truncation, reason = "a word is taken apart into its halves")]

use core::net::IpAddr;

use crate::{
    shared,
    wire::{Be16, Be32},
};

/// An address of either family as it stands in memory, in two words: what is stored in words of eight
/// bytes never lies across them on the stack, which the verifier forbids. IPv4 stands in the first four
/// bytes; the others are zero.
pub type AddressWords = [u64; 2];

/// An address as it stands in the maps.
pub const fn address_words(address: IpAddr) -> AddressWords {
    match address {
        IpAddr::V4(address) => v4_words(Be32::new(address.to_bits())),
        IpAddr::V6(address) => {
            let bits = u128::from_ne_bytes(address.octets());
            let (first, last) =
                if cfg!(target_endian = "little") { (bits, bits >> 64) } else { (bits >> 64, bits) };
            [first as u64, last as u64]
        }
    }
}

/// The same of IPv4, from the word that it is in a header.
#[inline(always)]
pub const fn v4_words(address: Be32) -> AddressWords {
    let first = address.raw() as u64;
    [if cfg!(target_endian = "little") { first } else { first << 32 }, 0]
}

/// The inverse of [`v4_words`].
#[inline(always)]
pub const fn words_v4([first, _]: AddressWords) -> Be32 {
    Be32::from_raw(if cfg!(target_endian = "little") { first as u32 } else { (first >> 32) as u32 })
}

shared! {
    /// Key of `LISTENERS_V4`. Port 0 is every port of the address, and where its port ranges are found.
    pub struct ListenerKeyV4: 8 bytes {
        pub address: Be32,
        pub port: Be16,
        /// `IPPROTO_TCP` or `IPPROTO_UDP`; zero, beside port 0, for the address itself ([`KIND_ADDRESS`]).
        pub protocol: u8,
        pub reserved: u8,
    }
}

shared! {
    /// Key of `LISTENERS_V6`. Port 0 is every port of the address, and where its port ranges are found.
    pub struct ListenerKeyV6: 24 bytes {
        pub address: AddressWords,
        pub port: Be16,
        pub protocol: u8,
        pub reserved: u8,
        pub reserved_too: u32,
    }
}

/// A listener's key of either family, as it is hashed and compared.
pub type ListenerWords = [u64; 3];

impl ListenerKeyV4 {
    #[inline(always)]
    pub const fn words(&self) -> ListenerWords {
        [beside(self.address.raw(), self.port, self.protocol), 0, 0]
    }
}

impl ListenerKeyV6 {
    #[inline(always)]
    pub const fn words(&self) -> ListenerWords {
        let [first, last] = self.address;
        // Where IPv4 has its address: ones, so that no key of one family is one of the other.
        [beside(u32::MAX, self.port, self.protocol), first, last]
    }
}

/// As the fields stand in a key, put together in a register: byte by byte it would be twenty instructions.
#[inline(always)]
const fn beside(address: u32, port: Be16, protocol: u8) -> u64 {
    let (address, port, protocol) = (address as u64, port.raw() as u64, protocol as u64);
    if cfg!(target_endian = "little") {
        address | port << 32 | protocol << 48
    } else {
        address << 32 | port << 16 | protocol << 8
    }
}

shared! {
    /// Element of `NEAR`, which spares most packets a look into `LISTENERS_V4` or `LISTENERS_V6`: says of
    /// all keys that fall here that there is no listener, or which is the only one, or to look there.
    pub struct Near: 64 bytes {
        /// [`NEAR_NOBODY`], [`NEAR_ASK`], or another number with each listener that stands here.
        pub stamp: u64,
        pub key: ListenerWords,
        pub listener: Listener,
    }
}

/// [`Near::stamp`]: no listener has such a key.
pub const NEAR_NOBODY: u64 = 0;
/// [`Near::stamp`]: several have, or the daemon is writing.
pub const NEAR_ASK: u64 = 1;

/// Elements of `NEAR`.
pub const NEAR: u32 = 1 << NEAR_BITS;
const NEAR_BITS: u32 = 12;

/// Where a key's listener stands in `NEAR`, if it stands there alone.
#[inline(always)]
pub const fn near_index([service, first, last]: ListenerWords) -> u32 {
    const SERVICE: u64 = 0x9e37_79b9_7f4a_7c15;
    const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
    const LAST: u64 = 0x94d0_49bb_1331_11eb;
    let sum = service.wrapping_mul(SERVICE).wrapping_add(first.wrapping_mul(FIRST));
    (sum.wrapping_add(last.wrapping_mul(LAST)) >> (64 - NEAR_BITS)) as u32
}

/// [`Listener::kind`]: forwards to the ring's targets, which answer clients themselves.
pub const KIND_SERVICE: u32 = 1;
/// [`Listener::kind`]: forwards to the ring's targets by full NAT.
pub const KIND_NAT: u32 = 2;
/// [`Listener::kind`]: the address that `nat` sends from; replies to its port range are translated back.
pub const KIND_NAT_RETURN: u32 = 3;
/// [`Listener::kind`], at port 0 only: not one listener but the address's element of `RANGES`, which is number `ring`
/// and of the stamp `slots`.
pub const KIND_RANGES: u32 = 4;
/// [`Listener::kind`]: the address is a listener's, or `nat` sends from it. Found by the address alone (protocol 0,
/// port 0), for packets that name no port: fragments, ICMP.
pub const KIND_ADDRESS: u32 = 5;

shared! {
    /// Value of `LISTENERS_V4` and `LISTENERS_V6`: what answers at an address.
    pub struct Listener: 32 bytes {
        /// `KIND_*`.
        pub kind: u32,
        /// Index in `RINGS` of the ring's first slot.
        pub ring: u32,
        /// How many slots the ring has.
        pub slots: u32,
        /// First and last port of a listener on a port range, and of `KIND_NAT_RETURN`'s; in host order.
        pub first_port: u16,
        pub last_port: u16,
        /// `LISTENER_*`.
        pub flags: u32,
        /// `KEY_*` of [`crate::steer`].
        pub key: u32,
        pub reserved: u64,
    }
}

impl Listener {
    /// All zero: answers at nothing.
    pub const NOTHING: Self =
        Self { kind: 0, ring: 0, slots: 0, first_port: 0, last_port: 0, flags: 0, key: 0, reserved: 0 };
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
/// [`Target::flags`]: takes new flows. Cleared when the target is drained.
pub const TARGET_OPENS: u16 = 32;
/// [`Target::flags`]: the outer header carries a UDP header, and that the packet.
pub const TARGET_GUE: u16 = 64;
/// [`Target::flags`]: forwarded by its MAC alone.
pub const TARGET_L2: u16 = 128;
/// [`Target::flags`]: how packets go to a target that answers clients itself.
pub const TARGET_WAY: u16 = TARGET_OUTER_V4 | TARGET_OUTER_V6 | TARGET_GUE | TARGET_L2;
/// The values of [`TARGET_WAY`] besides the single flags.
pub const TARGET_GUE_V4: u16 = TARGET_OUTER_V4 | TARGET_GUE;
pub const TARGET_GUE_V6: u16 = TARGET_OUTER_V6 | TARGET_GUE;

shared! {
    /// Element of `TARGETS`: all that is needed to forward to one target, in one cache line.
    ///
    /// The daemon writes it in aligned words of eight bytes, so the next hop's MAC changes in one store.
    pub struct Target: 64 bytes {
        /// `TARGET_*`.
        pub flags: u16,
        /// The largest packet of a client that can go to the target, in bytes: the path's MTU less what is
        /// put before the packet.
        pub largest: u16,
        /// `nat`: the target's port. Zero: the packet keeps its own. `gue`: the port that envelopes go to.
        pub port: Be16,
        pub reserved: u16,
        /// MAC of the next hop, then the MAC of the interface it is reached by: the first twelve
        /// bytes of the frame, as words.
        pub link: [u32; 3],
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
    /// What is left of a CPU's allowance, to record flows of slots that learn (element of `TRACKED_BUDGET`) or to
    /// send ICMP errors (of `ERRORS_BUDGET`).
    pub struct Budget: 8 bytes {
        /// The tick (see [`crate::flow::Tick`]) that it was last filled up in.
        pub tick: u32,
        /// Records made, or errors sent, in that tick.
        pub used: u32,
    }
}

shared! {
    /// One of the four entries of a [`FlowSet`].
    pub struct Flow: 16 bytes {
        /// The flow's keyed hash ([`HashKeys::flow`]).
        pub tag: u64,
        /// A [`crate::flow::FlowWord`].
        pub word: u64,
    }
}

shared! {
    /// Element of `FLOWS` (`nat`'s) and `TRACKED`: one cache line. A flow stands in one of two sets, and in one
    /// place of it.
    pub struct FlowSet: 64 bytes {
        pub flows: [Flow; 4],
    }
}

shared! {
    /// A MAC address, in words: the verifier takes no unaligned access to the stack.
    pub struct Mac: 8 bytes {
        /// Bytes 0 to 3, and 4 and 5, as they stand in the frame.
        pub first: u32,
        pub last: u16,
        pub reserved: u16,
    }
}

shared! {
    /// Element of `SESSIONS`: the way back of one `nat` flow. Where it stands follows from the reply's
    /// tuple, so two flows never share a target's address, port and protocol and a source port.
    pub struct Session: 64 bytes {
        /// The reply's keyed hash ([`HashKeys::back`]).
        pub tag: u64,
        /// A [`crate::flow::FlowWord`], aged together with the flow's.
        pub word: u64,
        pub client: AddressWords,
        pub vip: AddressWords,
        pub client_port: Be16,
        pub vip_port: Be16,
        /// `ifindex` of the interface that the client's packets came in by; replies leave by it.
        pub interface: u32,
        /// MAC that the client's packets came from.
        pub gateway: Mac,
    }
}

shared! {
    /// Key of `DEVICES`: an interface that the program is attached to.
    pub struct DeviceKey: 4 bytes {
        /// `ifindex`.
        pub interface: u32,
    }
}

shared! {
    /// Value of `DEVICES`.
    pub struct Device: 8 bytes {
        pub mac: Mac,
    }
}

impl Mac {
    #[inline(always)]
    pub const fn new([a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self { first: u32::from_ne_bytes([a, b, c, d]), last: u16::from_ne_bytes([e, f]), reserved: 0 }
    }

    /// As they stand in the frame.
    #[inline(always)]
    pub const fn words(self) -> [u16; 3] {
        let [a, b, c, d] = self.first.to_ne_bytes();
        [u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]), self.last]
    }
}

shared! {
    /// How the flow hash mixes one of the tuple's words. The multipliers are odd.
    pub struct HashLane: 24 bytes {
        pub whiten: u64,
        pub multiply: [u64; 2],
    }
}

shared! {
    /// The keys of the flow hash, drawn from the configured seed.
    pub struct HashKeys: 136 bytes {
        /// For the words of both addresses.
        pub addresses: [HashLane; 4],
        /// For ports and protocol.
        pub ports: HashLane,
        /// Whitens ports and protocol in the hash of `nat`'s replies, which is of the other tuple.
        pub back: u64,
        /// Mixes the sum of all. Odd.
        pub last: u64,
    }
}

shared! {
    /// The global `SETTINGS`: what is fixed while the program is loaded.
    pub struct Settings: 200 bytes {
        pub keys: HashKeys,
        /// Mask of the set index of `FLOWS`: sets, a power of two, less one.
        pub flow_sets_mask: u32,
        /// Mask of the index of `SESSIONS`: sessions, a power of two, less one.
        pub sessions_mask: u32,
        /// First port that `nat` sends from, in host order, and how many follow it, itself included.
        pub nat_first_port: u32,
        pub nat_ports: u32,
        pub nat_idle: Idle,
        /// Mask of the set index of `TRACKED`: sets, a power of two, less one.
        pub tracked_sets_mask: u32,
        /// How many flows a CPU may record in `TRACKED` within a tick.
        pub tracked_budget: u32,
        pub tracked_idle: Idle,
        /// How many ICMP errors a CPU may send within a tick.
        pub errors_budget: u32,
        pub reserved: u32,
    }
}

shared! {
    /// How long a flow may be silent and is still known, in ticks (see [`crate::flow::Tick`]).
    pub struct Idle: 16 bytes {
        pub tcp: u32,
        pub udp: u32,
        /// A flow that no reply was seen of; where replies are not seen, no second packet.
        pub opening: u32,
        /// A flow that both sides closed, or one reset.
        pub closed: u32,
    }
}

/// Sets of `TRACKED` that one word of `TRACKED_BLOCKS` stands for: it is set when a flow is recorded in one of
/// them, so that a sweep looks at no others. A block of sets is a page.
pub const TRACKED_BLOCK: u32 = 1 << TRACKED_BLOCK_BITS;
pub const TRACKED_BLOCK_BITS: u32 = 6;

shared! {
    /// Key of the node program's `SOURCES_V4`, as `BPF_MAP_TYPE_LPM_TRIE` wants its data.
    pub struct SourceV4: 4 bytes {
        pub address: Be32,
    }
}

shared! {
    /// Key of the node program's `SOURCES_V6`.
    pub struct SourceV6: 16 bytes {
        pub address: AddressWords,
    }
}

/// The node program's global `RESTRICTION`: only sources in `SOURCES_V4` and `SOURCES_V6` are unwrapped.
pub const RESTRICTED: u32 = 1;
