//! A target as a test thinks of it, and as the map holds it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lb_common::{
    hash::scale,
    ids::TargetId,
    maps::{
        HashKeys, TARGET_GUE, TARGET_L2, TARGET_NAT, TARGET_OPENS, TARGET_OUTER_V4, TARGET_OUTER_V6,
        TARGET_RESOLVED, TARGET_SERVES, Target, address_words,
    },
    outer::partial_checksum,
    parse::{V4, V6},
    wire::{Be16, Be32},
};

use super::LOOPBACK;
use crate::packet::{EDGE, Mac, Outer, Packet, octets, within};

/// What `nat` sends from.
pub(crate) const NAT_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
pub(crate) const NAT_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1));

/// The prefixes of outer sources.
const OUTER_V4: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 0);
const OUTER_V6: Ipv6Addr = Ipv6Addr::new(0xfded, 0, 0, 7, 0, 0, 0, 0);

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: u32,
    pub(crate) address: IpAddr,
    /// `nat`: zero keeps the packet's. `gue`: where envelopes go.
    pub(crate) port: u16,
    pub(crate) source: IpAddr,
    /// Bits of the last four bytes of `source` that vary with the flow.
    pub(crate) mask: u32,
    pub(crate) mtu: u16,
    pub(crate) interface: u32,
    /// The sender of what goes to the node.
    pub(crate) own_mac: Mac,
    pub(crate) flags: u16,
}

impl Node {
    /// Reached in an outer header of its address's family.
    pub(crate) fn ipip(id: u32, address: &str) -> Self {
        let address = address.parse().expect("an address");
        let (source, mask, outer) = match address {
            IpAddr::V4(_) => (OUTER_V4.into(), 0x0000_ffff, TARGET_OUTER_V4),
            IpAddr::V6(_) => (OUTER_V6.into(), 0x00ff_ffff, TARGET_OUTER_V6),
        };
        Self::of(id, address, source, Self { mask, ..Self::blank(outer) })
    }

    /// Reached in an outer header of its address's family and a UDP header.
    pub(crate) fn gue(id: u32, address: &str) -> Self {
        let ipip = Self::ipip(id, address);
        Self { flags: ipip.flags | TARGET_GUE, port: 6080, ..ipip }
    }

    /// Reached by its MAC alone.
    pub(crate) fn l2(id: u32, address: &str) -> Self {
        let address = address.parse().expect("an address");
        Self::of(id, address, address, Self::blank(TARGET_L2))
    }

    /// Reached by full NAT, at `port` or at the packet's own.
    pub(crate) fn nat(id: u32, address: &str, port: u16) -> Self {
        let address: IpAddr = address.parse().expect("an address");
        let source = if address.is_ipv4() { NAT_V4 } else { NAT_V6 };
        Self::of(id, address, source, Self { port, ..Self::blank(TARGET_NAT) })
    }

    const fn blank(mode: u16) -> Self {
        Self {
            id: 0,
            address: NAT_V4,
            port: 0,
            source: NAT_V4,
            mask: 0,
            mtu: 1500,
            interface: LOOPBACK,
            own_mac: EDGE,
            flags: mode | TARGET_RESOLVED | TARGET_SERVES | TARGET_OPENS,
        }
    }

    const fn of(id: u32, address: IpAddr, source: IpAddr, rest: Self) -> Self {
        Self { id, address, source, ..rest }
    }

    pub(crate) const fn id(&self) -> TargetId {
        TargetId::new(self.id).expect("an id of a target")
    }

    /// The next hop's.
    pub(crate) fn mac(&self) -> Mac {
        [2, 0, 0, 0, 1, u8::try_from(self.id).expect("a small id")]
    }

    /// Without one of its flags.
    pub(crate) fn without(self, flag: u16) -> Self {
        Self { flags: self.flags & !flag, ..self }
    }

    /// As the daemon writes it.
    pub(crate) fn line(&self) -> Target {
        let [a, b, c, d, e, f] = self.mac();
        let [g, h, i, j, k, l] = self.own_mac;
        let checksum = match (self.source, self.address) {
            (IpAddr::V4(source), IpAddr::V4(address)) => {
                partial_checksum(Be32::new(source.to_bits()), Be32::new(address.to_bits()))
            }
            _ => 0,
        };
        Target {
            flags: self.flags,
            largest: self.mtu.saturating_sub(u16::try_from(self.before()).expect("a few headers")),
            port: Be16::new(self.port),
            reserved: 0,
            link: [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_ne_bytes),
            interface: self.interface,
            destination: address_words(self.address),
            source: address_words(self.source),
            source_mask: Be32::new(self.mask),
            checksum,
        }
    }

    /// Whether packets go to it in an outer header.
    pub(crate) const fn encloses(&self) -> bool {
        self.flags & (TARGET_OUTER_V4 | TARGET_OUTER_V6) != 0
    }

    /// Whether a UDP header stands behind the outer one.
    pub(crate) const fn in_udp(&self) -> bool {
        self.flags & TARGET_GUE != 0
    }

    /// Bytes that are put before a packet.
    pub(crate) const fn before(&self) -> usize {
        let outer = if self.address.is_ipv4() { 20 } else { 40 };
        let udp = if self.in_udp() { 8 } else { 0 };
        if self.encloses() { outer + udp } else { 0 }
    }

    /// The frame that brings `packet` to the node: one hop less, whole, and in an outer header unless by `l2`.
    pub(crate) fn sent(&self, keys: &HashKeys, packet: &Packet) -> Vec<u8> {
        let hop_limit = packet.hop_limit - 1;
        let inner = Packet { hop_limit, to: self.mac(), from: self.own_mac, ..packet.clone() };
        if self.encloses() { within(self.outer(keys, packet), &inner) } else { inner.frame() }
    }

    fn outer(&self, keys: &HashKeys, packet: &Packet) -> Outer {
        let hash = hash(keys, packet);
        let varying = (hash & 0xffff_ffff).to_ne_bytes();
        let mut source = octets(self.source);
        let last = source.len() - 4;
        for (at, mask) in self.mask.to_be_bytes().into_iter().enumerate() {
            source[last + at] |= varying[at] & mask;
        }
        Outer {
            source: address(&source),
            destination: self.address,
            traffic_class: packet.traffic_class,
            flow_label: u32::try_from(hash >> 12 & 0xf_ffff).expect("20 bits"),
            // 14 bits that vary, above 49152.
            ports: self.in_udp().then(|| (u16::try_from(0xc000 + hash % 0x4000).expect("a port"), self.port)),
        }
    }

    /// What `packet` of a client becomes, when the edge node sends it on from `port`.
    pub(crate) fn translated(&self, packet: &Packet, port: u16) -> Packet {
        let target_port = if self.port == 0 { packet.destination.port() } else { self.port };
        Packet {
            to: self.mac(),
            from: self.own_mac,
            source: (self.source, port).into(),
            destination: (self.address, target_port).into(),
            hop_limit: packet.hop_limit - 1,
            ..packet.clone()
        }
    }

    /// What the node answers to the flow of `packet` that the edge node sends on from `port`.
    pub(crate) fn reply(&self, packet: &Packet, port: u16) -> Packet {
        let there = self.translated(packet, port);
        Packet {
            to: self.own_mac,
            from: self.mac(),
            source: there.destination,
            destination: there.source,
            hop_limit: 64,
            flags: crate::packet::ACK,
            payload: b"HTTP/1.1 200 OK\r\n".to_vec(),
            ..packet.clone()
        }
    }
}

/// What becomes of a target's `reply` to the flow of the client's `packet`.
pub(crate) fn returned(reply: &Packet, packet: &Packet) -> Packet {
    Packet {
        to: packet.from,
        from: reply.to,
        source: packet.destination,
        destination: packet.source,
        hop_limit: reply.hop_limit - 1,
        ..reply.clone()
    }
}

/// The keyed hash of the packet's 5-tuple.
fn hash(keys: &HashKeys, packet: &Packet) -> u64 {
    hash_of(keys, packet.source, packet.destination, packet.protocol)
}

/// The keyed hash of a 5-tuple; `lb-common`'s own tests pin it.
pub(crate) fn hash_of(keys: &HashKeys, source: SocketAddr, destination: SocketAddr, protocol: u8) -> u64 {
    let [a, b] = source.port().to_be_bytes();
    let [c, d] = destination.port().to_be_bytes();
    let ports = u32::from_ne_bytes([a, b, c, d]);
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let word = |address: Ipv4Addr| Be32::new(address.to_bits());
            keys.tag::<V4>(word(source), word(destination), ports, protocol)
        }
        (source, destination) => {
            keys.tag::<V6>(address_words(source), address_words(destination), ports, protocol)
        }
    }
}

/// Which slot of a ring the packet's flow has.
pub(crate) fn slot_of(keys: &HashKeys, packet: &Packet, slots: u32) -> u32 {
    scale(hash(keys, packet), slots)
}

fn address(octets: &[u8]) -> IpAddr {
    match <[u8; 4]>::try_from(octets) {
        Ok(octets) => octets.into(),
        Err(_) => <[u8; 16]>::try_from(octets).expect("an address of either family").into(),
    }
}
