//! Packets, put together field by field. Every checksum is a sum over all that it covers: nothing here
//! shares a line with the program under test.

mod bytes;
pub(crate) mod checksum;
mod icmp;
mod outer;

use std::net::{IpAddr, SocketAddr};

pub(crate) use self::icmp::Message;
pub(crate) use self::outer::{Outer, within};

pub(crate) type Mac = [u8; 6];

/// Where a client's packets come from: the router before the edge node.
pub(crate) const GATEWAY: Mac = [2, 0, 0, 0, 0, 1];
/// The edge node.
pub(crate) const EDGE: Mac = [2, 0, 0, 0, 0, 2];

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMP: u8 = 1;
pub(crate) const ICMP_V6: u8 = 58;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const DESTINATION: u8 = 60;

pub(crate) const C_TAG: u16 = 0x8100;
pub(crate) const S_TAG: u16 = 0x88a8;

/// A packet in its frame. The family is that of its addresses.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) to: Mac,
    pub(crate) from: Mac,
    /// VLAN tags, the outer one first: their types, and their control information.
    pub(crate) tags: Vec<(u16, u16)>,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// [`TCP`], [`UDP`], or another one: then the payload stands right behind the IP header.
    pub(crate) protocol: u8,
    pub(crate) flags: u8,
    pub(crate) hop_limit: u8,
    pub(crate) traffic_class: u8,
    /// IPv4: the identification; flags and offset of a fragment; the options.
    pub(crate) identification: u16,
    pub(crate) fragment: u16,
    pub(crate) options: Vec<u8>,
    /// IPv6: the flow label; the extension headers' kinds, and their lengths in units of eight bytes beyond
    /// the first eight.
    pub(crate) flow_label: u32,
    pub(crate) extensions: Vec<(u8, u8)>,
    /// UDP: whether the sender computed a checksum.
    pub(crate) checksum: bool,
    pub(crate) payload: Vec<u8>,
    /// Bytes of the frame behind the packet.
    pub(crate) padding: usize,
}

/// A TCP segment with ACK; addresses as `192.0.2.7:40000` or `[2001:db8::7]:40000`.
pub(crate) fn tcp(source: &str, destination: &str) -> Packet {
    packet(TCP, source, destination).payload(b"GET / HTTP/1.1\r\n\r\n")
}

/// The same with SYN alone, and no payload.
pub(crate) fn syn(source: &str, destination: &str) -> Packet {
    tcp(source, destination).flags(SYN).payload(b"")
}

pub(crate) fn udp(source: &str, destination: &str) -> Packet {
    packet(UDP, source, destination).payload(b"odd bytes")
}

/// Neither TCP nor UDP: `payload` right behind the IP header. The ports are not in it.
pub(crate) fn other(protocol: u8, source: &str, destination: &str) -> Packet {
    packet(protocol, source, destination).payload(&[8, 0, 0, 0, 0, 0, 0, 0])
}

fn packet(protocol: u8, source: &str, destination: &str) -> Packet {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address and a port");
    Packet {
        to: EDGE,
        from: GATEWAY,
        tags: Vec::new(),
        source: address(source),
        destination: address(destination),
        protocol,
        flags: ACK,
        hop_limit: 64,
        traffic_class: 0,
        identification: 0x1d1d,
        fragment: 0,
        options: Vec::new(),
        flow_label: 0xabcde,
        extensions: Vec::new(),
        checksum: true,
        payload: Vec::new(),
        padding: 0,
    }
}

impl Packet {
    pub(crate) fn flags(self, flags: u8) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn payload(self, payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), ..self }
    }

    pub(crate) fn hop_limit(self, hop_limit: u8) -> Self {
        Self { hop_limit, ..self }
    }

    pub(crate) fn tag(mut self, kind: u16, control: u16) -> Self {
        self.tags.push((kind, control));
        self
    }

    pub(crate) fn extension(mut self, kind: u8, units: u8) -> Self {
        self.extensions.push((kind, units));
        self
    }

    pub(crate) fn options(self, options: &[u8]) -> Self {
        Self { options: options.to_vec(), ..self }
    }

    pub(crate) fn is_v4(&self) -> bool {
        self.source.is_ipv4()
    }

    /// Offset of the IP header in the frame.
    pub(crate) fn network(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    /// Offset of what stands behind the IP header, its options and its extension headers.
    pub(crate) fn transport(&self) -> usize {
        let extensions = self.extensions.iter().map(|(_, units)| 8 + 8 * usize::from(*units)).sum::<usize>();
        self.network() + if self.is_v4() { 20 + self.options.len() } else { 40 + extensions }
    }

    /// Grows or shrinks the payload, until the IP packet is `length` bytes long.
    pub(crate) fn of_length(mut self, length: usize) -> Self {
        let have = self.ip().len();
        let payload = (self.payload.len() + length).checked_sub(have).expect("room for the headers");
        self.payload = (0..payload).map(|at| at.to_le_bytes()[0]).collect();
        self
    }
}

/// The octets of an address of either family.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
