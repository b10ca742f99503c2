//! ICMP (RFC 792) and ICMPv6 (RFC 4443) messages.

use std::net::SocketAddr;

use super::{ICMP, ICMP_V6, Packet, checksum, octets, tcp};

/// What a message says: its type, its code, the four bytes behind the checksum, and the rest.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    pub(crate) word: u32,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The whole packet. The ports of both ends are not in it.
    pub(crate) fn packet(&self, source: SocketAddr, destination: SocketAddr) -> Packet {
        let payload = self.bytes(source, destination);
        let protocol = if source.is_ipv4() { ICMP } else { ICMP_V6 };
        Packet { source, destination, protocol, payload, ..tcp("192.0.2.7:1", "10.0.0.1:1") }
    }

    /// With its checksum, which counts a pseudo-header in for ICMPv6 alone.
    pub(crate) fn bytes(&self, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
        let mut bytes = vec![self.kind, self.code, 0, 0];
        bytes.extend(self.word.to_be_bytes());
        bytes.extend(&self.body);
        let pseudo = if source.is_ipv4() {
            Vec::new()
        } else {
            let (source, destination) = (octets(source.ip()), octets(destination.ip()));
            checksum::pseudo_header(&source, &destination, ICMP_V6, bytes.len())
        };
        let sum = checksum::internet(&[pseudo, bytes.clone()].concat());
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

impl Packet {
    /// What its sender is told: it is too big, `mtu` bytes would pass. From where it was sent to.
    pub(crate) fn too_big(&self, mtu: u32) -> Self {
        let (kind, code, most) = if self.is_v4() { (3, 4, 576 - 28) } else { (2, 0, 1280 - 48) };
        let mut body = self.ip();
        // Whole words of four bytes.
        body.truncate(body.len().min(most) & !3);
        let answer = Message { kind, code, word: mtu, body }.packet(self.destination, self.source);
        Self {
            to: self.from,
            from: self.to,
            tags: self.tags.clone(),
            traffic_class: 0xc0,
            identification: 0,
            fragment: 0x4000,
            flow_label: 0,
            hop_limit: 64,
            ..answer
        }
    }

    /// IPv4: not to be fragmented, as nearly all senders have it.
    pub(crate) fn whole(self) -> Self {
        Self { fragment: 0x4000, ..self }
    }
}
