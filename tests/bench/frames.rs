//! The frames that the wrappers start from. The flow is put in by them.
//!
//! Transport checksums are not right, and IPv4's only for the first flow: nobody on the way looks at them
//! but to add a difference, which costs the same.

use std::net::IpAddr;

use lb_common::{
    bench::FRAME,
    checksum::{fold, sum},
    parse::{TCP, TCP_ACK, TCP_SYN},
};

use crate::rows::Row;

/// From client or target, to listener or node.
pub(crate) struct Ends {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

pub(crate) const SYN: u8 = TCP_SYN;
pub(crate) const ACK: u8 = TCP_ACK;

const LINK: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
const HOP_LIMIT: u8 = 64;

/// Ethernet, IP, TCP or UDP, payload; `tcp_flags` are TCP's.
pub(crate) fn frame(row: &Row, ends: &Ends, tcp_flags: u8) -> [u8; FRAME] {
    let mut bytes = LINK.to_vec();
    let protocol = row.ip_protocol();
    match (ends.source, ends.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.extend([0x08, 0x00]);
            let mut ip = vec![0x45, 0];
            ip.extend(length(FRAME - 14));
            ip.extend([0, 0, 0x40, 0, HOP_LIMIT, protocol, 0, 0]);
            ip.extend(source.octets().into_iter().chain(destination.octets()));
            let checksum = (!fold(sum(&ip))).to_ne_bytes();
            let _: Vec<u8> = ip.splice(10..12, checksum).collect();
            bytes.extend(ip);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            bytes.extend(length(FRAME - 14 - 40));
            bytes.extend([protocol, HOP_LIMIT]);
            bytes.extend(source.octets().into_iter().chain(destination.octets()));
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => unreachable!("of one family"),
    }
    let rest = FRAME - bytes.len();
    bytes.extend(ends.source_port.to_be_bytes().into_iter().chain(ends.destination_port.to_be_bytes()));
    if protocol == TCP {
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, tcp_flags, 0xff, 0xff, 0x12, 0x34, 0, 0]);
    } else {
        bytes.extend(length(rest).into_iter().chain([0x12, 0x34]));
    }
    std::array::from_fn(|at| bytes.get(at).copied().unwrap_or(b'.'))
}

#[expect(clippy::cast_possible_truncation, reason = "of a frame of a hundred bytes")]
const fn length(bytes: usize) -> [u8; 2] {
    (bytes as u16).to_be_bytes()
}
