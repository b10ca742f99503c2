//! What a packet is, as far as tests care.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which way a packet passed the interface, as its own host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In,
    Out,
}

/// The addresses of an IP packet, and of the one inside if it is an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub protocol: u8,
    /// In bytes, from the outer IP header on: what the header says, also of a packet that is seen in part.
    pub length: u32,
    /// Who talks to whom: the inner packet's ends if there is one. None for what has no ports.
    pub tuple: Option<Tuple>,
    /// Whether `tuple` stood in an inner packet.
    pub is_envelope: bool,
}

/// A conversation's two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tuple {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub protocol: u8,
    /// The sequence number of a TCP packet that opens a connection (SYN without ACK).
    pub opens: Option<u32>,
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const IPIP: u8 = 4;
const IPV6: u8 = 41;
/// UDP port of envelopes that have a UDP header.
const GUE: u16 = 6080;

struct Header {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    length: usize,
    /// Of the whole packet.
    total: u32,
}

impl Packet {
    /// Reads an Ethernet frame; None if it holds no IP packet. IPv6 extension headers are not looked behind.
    pub(super) fn parse(frame: &[u8]) -> Option<Self> {
        let ethertype = u16_at(frame, 12)?;
        let outer = match ethertype {
            0x0800 => ipv4(frame.get(14..)?)?,
            0x86dd => ipv6(frame.get(14..)?)?,
            _ => return None,
        };
        let body = frame.get(14 + outer.length..)?;
        let (inner, body) = match outer.protocol {
            IPIP => (ipv4(body), body),
            IPV6 => (ipv6(body), body),
            UDP if u16_at(body, 2) == Some(GUE) => {
                let body = body.get(8..)?;
                let version = body.first().map(|first| first >> 4);
                (if version == Some(4) { ipv4(body) } else { ipv6(body) }, body)
            }
            _ => (None, body),
        };
        let tuple = match &inner {
            Some(inner) => body.get(inner.length..).and_then(|body| ports(inner, body)),
            None => ports(&outer, body),
        };
        let Header { source, destination, protocol, length: _, total } = outer;
        Some(Self { source, destination, protocol, length: total, tuple, is_envelope: inner.is_some() })
    }
}

fn ipv4(packet: &[u8]) -> Option<Header> {
    let source: [u8; 4] = bytes_at(packet, 12)?;
    let destination: [u8; 4] = bytes_at(packet, 16)?;
    Some(Header {
        source: Ipv4Addr::from(source).into(),
        destination: Ipv4Addr::from(destination).into(),
        protocol: *packet.get(9)?,
        length: usize::from(packet.first()? & 0xf) * 4,
        total: u16_at(packet, 2)?.into(),
    })
}

fn ipv6(packet: &[u8]) -> Option<Header> {
    let source: [u8; 16] = bytes_at(packet, 8)?;
    let destination: [u8; 16] = bytes_at(packet, 24)?;
    Some(Header {
        source: Ipv6Addr::from(source).into(),
        destination: Ipv6Addr::from(destination).into(),
        protocol: *packet.get(6)?,
        length: 40,
        total: 40 + u32::from(u16_at(packet, 4)?),
    })
}

fn ports(ip: &Header, body: &[u8]) -> Option<Tuple> {
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    if !matches!(ip.protocol, TCP | UDP) {
        return None;
    }
    let opens = match body.get(13) {
        Some(flags) if ip.protocol == TCP && flags & (SYN | ACK) == SYN => {
            Some(u32::from_be_bytes(bytes_at(body, 4)?))
        }
        Some(_) | None => None,
    };
    Some(Tuple {
        from: SocketAddr::new(ip.source, u16_at(body, 0)?),
        to: SocketAddr::new(ip.destination, u16_at(body, 2)?),
        protocol: ip.protocol,
        opens,
    })
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes_at(bytes, offset).map(u16::from_be_bytes)
}

fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(ethertype: u16, parts: &[&[u8]]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend(ethertype.to_be_bytes());
        parts.iter().for_each(|part| frame.extend(*part));
        frame
    }

    fn ipv4_header(protocol: u8, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let mut header = vec![0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0];
        header.extend(source);
        header.extend(destination);
        header
    }

    const SYN: [u8; 20] = [0x30, 0x39, 0, 80, 0, 0, 1, 2, 0, 0, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0, 0];

    #[test]
    fn the_inner_ends_of_an_envelope_are_the_ones_that_count() {
        let outer = ipv4_header(IPIP, [10, 77, 1, 2], [10, 2, 1, 2]);
        let inner = ipv4_header(TCP, [10, 0, 0, 2], [198, 51, 100, 10]);
        let packet = Packet::parse(&frame(0x0800, &[&outer, &inner, &SYN])).unwrap();
        assert_eq!(packet.destination, IpAddr::from([10, 2, 1, 2]));
        assert!(packet.is_envelope);
        assert_eq!(packet.length, 60);
        let expected = Tuple {
            from: "10.0.0.2:12345".parse().unwrap(),
            to: "198.51.100.10:80".parse().unwrap(),
            protocol: TCP,
            opens: Some(0x102),
        };
        assert_eq!(packet.tuple, Some(expected));
    }

    #[test]
    fn an_envelope_may_have_a_udp_header() {
        let outer = ipv4_header(UDP, [10, 77, 1, 2], [10, 2, 1, 2]);
        let inner = ipv4_header(TCP, [10, 0, 0, 2], [198, 51, 100, 10]);
        let to = |port: u16| [&[0xc0, 0][..], &port.to_be_bytes(), &[0; 4]].concat();
        let packet = Packet::parse(&frame(0x0800, &[&outer, &to(GUE), &inner, &SYN])).unwrap();
        assert!(packet.is_envelope);
        assert_eq!(packet.tuple.unwrap().to, "198.51.100.10:80".parse().unwrap());
        let packet = Packet::parse(&frame(0x0800, &[&outer, &to(GUE + 1), &inner, &SYN])).unwrap();
        assert!(!packet.is_envelope);
        assert_eq!(packet.tuple.unwrap().to, SocketAddr::new([10, 2, 1, 2].into(), GUE + 1));
    }

    #[test]
    fn every_prefix_of_a_frame_is_read_without_a_panic() {
        let outer = ipv4_header(IPIP, [10, 77, 1, 2], [10, 2, 1, 2]);
        let inner = ipv4_header(TCP, [10, 0, 0, 2], [198, 51, 100, 10]);
        let whole = frame(0x0800, &[&outer, &inner, &SYN]);
        for length in 0..whole.len() {
            Packet::parse(&whole[..length]);
        }
    }
}
