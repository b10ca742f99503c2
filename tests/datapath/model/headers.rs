//! Ethernet, IEEE 802.1Q tags, IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293) and UDP (RFC 768), read from a
//! slice.

use std::net::{IpAddr, SocketAddr};

use lb_common::verdict::Verdict;

use crate::packet::{
    ACK, C_TAG, DESTINATION, FRAGMENT, HOP_BY_HOP, ICMP, ICMP_V6, ROUTING, S_TAG, SYN, TCP, UDP,
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers {
    /// Offsets in the frame, of the IP header and of the transport's.
    pub(crate) network: usize,
    pub(crate) transport: usize,
    /// Of the IP packet.
    pub(crate) length: usize,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) protocol: u8,
    /// TCP's; zero for UDP.
    pub(crate) flags: u8,
    pub(crate) hop_limit: u8,
    pub(crate) traffic_class: u8,
}

impl Headers {
    pub(crate) const fn opens(&self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }
}

pub(crate) fn read(frame: &[u8]) -> Result<Headers, Verdict> {
    let mut at = 12;
    let mut kind = number(frame, at)?;
    for _ in 0..2 {
        if [C_TAG, S_TAG].contains(&kind) {
            at += 4;
            kind = number(frame, at)?;
        }
    }
    match kind {
        0x0800 => ipv4(frame, at + 2),
        0x86dd => ipv6(frame, at + 2),
        _ => Err(Verdict::NotIp),
    }
}

fn ipv4(frame: &[u8], at: usize) -> Result<Headers, Verdict> {
    let header = part(frame, at, 20)?;
    let length = usize::from(number(header, 2)?);
    let header_length = usize::from(header[0] & 15) * 4;
    if header[0] >> 4 != 4 || header_length < 20 || header_length > length {
        return Err(Verdict::BadHeader);
    }
    part(frame, at, length)?;
    let (more_fragments, offset) = (header[6] & 0x20 != 0, number(header, 6)? & 0x1fff);
    if more_fragments || offset > 0 {
        return Err(Verdict::Fragment);
    }
    if header[9] == ICMP {
        return Err(Verdict::Icmp);
    }
    let addresses = [12, 16].map(|at| <[u8; 4]>::try_from(&header[at..at + 4]).expect("four bytes").into());
    let ip = Network { at, length, addresses, hop_limit: header[8], traffic_class: header[1] };
    transport(frame, ip, header[9], at + header_length)
}

fn ipv6(frame: &[u8], at: usize) -> Result<Headers, Verdict> {
    let header = part(frame, at, 40)?;
    if header[0] >> 4 != 6 {
        return Err(Verdict::BadHeader);
    }
    let length = 40 + usize::from(number(header, 4)?);
    part(frame, at, length)?;
    let (mut next, mut behind, mut walked) = (header[6], at + 40, 0);
    while [HOP_BY_HOP, ROUTING, DESTINATION].contains(&next) {
        let extension = part(frame, behind, 2)?;
        walked += 1;
        if walked > 6 {
            return Err(Verdict::ExtensionHeaders);
        }
        next = extension[0];
        behind += 8 + 8 * usize::from(extension[1]);
    }
    match next {
        FRAGMENT => return Err(Verdict::Fragment),
        ICMP_V6 => return Err(Verdict::Icmp),
        _ => {}
    }
    let addresses = [8, 24].map(|at| <[u8; 16]>::try_from(&header[at..at + 16]).expect("sixteen").into());
    let traffic_class = header[0] << 4 | header[1] >> 4;
    let ip = Network { at, length, addresses, hop_limit: header[7], traffic_class };
    transport(frame, ip, next, behind)
}

/// What the IP header said.
struct Network {
    at: usize,
    length: usize,
    addresses: [IpAddr; 2],
    hop_limit: u8,
    traffic_class: u8,
}

fn transport(frame: &[u8], ip: Network, protocol: u8, at: usize) -> Result<Headers, Verdict> {
    let needs = match protocol {
        TCP => 20,
        UDP => 8,
        _ => return Err(Verdict::OtherProtocol),
    };
    let header = part(frame, at, needs)?;
    if at + needs > ip.at + ip.length {
        return Err(Verdict::BadHeader);
    }
    let [source, destination] = ip.addresses;
    Ok(Headers {
        network: ip.at,
        transport: at,
        length: ip.length,
        source: (source, number(header, 0)?).into(),
        destination: (destination, number(header, 2)?).into(),
        protocol,
        flags: if protocol == TCP { header[13] } else { 0 },
        hop_limit: ip.hop_limit,
        traffic_class: ip.traffic_class,
    })
}

fn part(frame: &[u8], at: usize, length: usize) -> Result<&[u8], Verdict> {
    frame.get(at..at + length).ok_or(Verdict::Truncated)
}

fn number(frame: &[u8], at: usize) -> Result<u16, Verdict> {
    let bytes = part(frame, at, 2)?;
    Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
}
