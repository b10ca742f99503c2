//! Frames: most of them hale, many of them odd, some of them broken.

use std::net::SocketAddr;

use super::Dice;
use crate::lab::{NAT_V4, NAT_V6};
use crate::model::Model;
use crate::packet::{
    ACK, C_TAG, DESTINATION, FIN, FRAGMENT, HOP_BY_HOP, ICMP, ICMP_V6, Packet, ROUTING, RST, S_TAG, SYN, TCP,
    UDP, tcp,
};

/// The kernel runs nothing shorter.
const SHORTEST: usize = 14;

/// A client's packet or a target's, perhaps broken.
pub(super) fn any(dice: &mut Dice, model: &Model) -> Vec<u8> {
    let replies = dice.once_in(3);
    let packet = if replies { reply(dice, model) } else { None };
    let packet = packet.unwrap_or_else(|| of_client(dice));
    let mut frame = odd(dice, packet).frame();
    while dice.once_in(6) {
        mutate(dice, &mut frame);
    }
    frame
}

/// To a listener, or to what might be taken for one.
fn of_client(dice: &mut Dice) -> Packet {
    let (protocol, address, port) = dice.of(&[
        (TCP, 1, 80),
        (TCP, 1, 80),
        (UDP, 1, 53),
        (TCP, 1, 999),
        (TCP, 1, 1000),
        (UDP, 1, 1099),
        (TCP, 1, 1100),
        (TCP, 1, 3000),
        (UDP, 1, 3003),
        (TCP, 1, 2000),
        (UDP, 2, 4000),
        (TCP, 3, 8005),
        (TCP, 2, 81),
        (UDP, 2, 65_535),
        (TCP, 2, 443),
        (TCP, 3, 80),
        (TCP, 3, 80),
        (TCP, 3, 443),
        (UDP, 3, 53),
        (UDP, 3, 53),
    ]);
    let protocol = if dice.once_in(20) { dice.of(&[TCP, UDP]) } else { protocol };
    let address = if dice.once_in(20) { 4 } else { address };
    let port = if dice.once_in(20) { dice.of(&[0, 1, 4791]) } else { port };
    let (client, vip) = if dice.once_in(2) {
        (format!("192.0.2.{}", dice.below(8)), format!("10.0.0.{address}"))
    } else {
        (format!("[2001:db8::{}]", dice.below(8)), format!("[fd00::{address}]"))
    };
    let packet = tcp(&format!("{client}:{}", 1000 + dice.below(4)), &format!("{vip}:{port}"));
    Packet { protocol, ..packet }
}

/// From the target of some flow that lives, or that was, or from a stranger.
fn reply(dice: &mut Dice, model: &Model) -> Option<Packet> {
    let any = dice.once_in(10);
    let sessions = model.sessions().filter(|(_, lives)| *lives || any).map(|(way, _)| *way);
    let sessions = sessions.collect::<Vec<_>>();
    let (target, edge, protocol) = if sessions.is_empty() { return None } else { dice.of(&sessions) };
    let packet = tcp("10.0.0.1:1", "10.0.0.1:1");
    let mut packet = Packet { source: target, destination: edge, protocol, ..packet };
    match dice.below(40) {
        0 => packet.source.set_port(1),
        1 => packet.destination.set_port(dice.of(&[39_999, 40_000, 40_999, 41_000, 22])),
        2 => {
            let address = if edge.is_ipv4() { NAT_V4 } else { NAT_V6 };
            packet.source = SocketAddr::new(address, 7);
        }
        _ => {}
    }
    Some(packet)
}

/// All that may vary of a hale packet.
fn odd(dice: &mut Dice, packet: Packet) -> Packet {
    let mut packet = Packet {
        to: [dice.of(&[2, 2, 2, 2, 2, 2, 2, 3]), 0, 0, 1, 0, dice.byte()],
        from: [2, 0, 0, 2, 0, dice.byte()],
        flags: dice.of(&[ACK, SYN, SYN | ACK, FIN | ACK, FIN | ACK, RST, 0xc2, 0]),
        hop_limit: dice.of(&[64, 128, 255, 3, 2]),
        traffic_class: dice.byte(),
        identification: 7,
        flow_label: 0x54321,
        checksum: !dice.once_in(4),
        payload: Vec::new(),
        ..packet
    };
    if dice.once_in(2) {
        packet.flags = ACK;
    }
    if dice.once_in(24) {
        packet.hop_limit = dice.of(&[0, 1]);
    }
    for _ in 0..dice.of(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3]) {
        packet.tags.push((dice.of(&[C_TAG, S_TAG]), dice.of(&[0, 100, 0xffff])));
    }
    if packet.is_v4() {
        let words = dice.of(&[0, 0, 0, 0, 1, 2, 10]);
        packet.options = dice.bytes(4 * words);
        packet.fragment = dice.of(&[0x4000, 0x4000, 0, 0x8000]);
    } else {
        for _ in 0..dice.of(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 6, 7]) {
            let kind = dice.of(&[HOP_BY_HOP, ROUTING, DESTINATION]);
            packet.extensions.push((kind, dice.of(&[0, 0, 0, 1, 2, 20])));
        }
    }
    if dice.once_in(30) {
        packet.fragment = dice.of(&[0x2000, 0x00b9, 0x2001]);
        packet.extensions.push((FRAGMENT, 0));
    }
    if dice.once_in(30) {
        packet.protocol = dice.of(&[ICMP, ICMP_V6, 132, 4, 41, 59, 255, 43]);
    }
    let length = dice.of(&[0, 0, 1, 9, 40, 200, 440, 480, 520, 560, 640, 1400]) + dice.below(40);
    packet.payload = dice.bytes(length);
    packet.padding = dice.of(&[0, 0, 0, 6, 46]);
    packet
}

/// One wound.
fn mutate(dice: &mut Dice, frame: &mut Vec<u8>) {
    let near = frame.len().min(90);
    let at = dice.below(near);
    match dice.below(7) {
        // A packet that ends before its frame does, perhaps inside its own headers.
        6 if frame.len() > 20 => {
            let at = if frame[14] >> 4 == 4 { 16 } else { 18 };
            let length = u16::from_be_bytes([frame[at], frame[at + 1]]);
            let less = u16::try_from(dice.below(64)).expect("a small number");
            frame[at..at + 2].copy_from_slice(&length.wrapping_sub(less).to_be_bytes());
        }
        0 => frame[at] ^= 1 << dice.below(8),
        1 => frame[at] = dice.byte(),
        // Where IPv4 and IPv6 without tags have their lengths, and what they are read with.
        2 => {
            let at = dice.of(&[12, 14, 16, 17, 18, 19, 20, 23]);
            frame[at.min(near - 1)] = dice.of(&[0, 1, 4, 5, 0x45, 0x46, 0x4f, 0x60, 60, 255]);
        }
        3 => frame.truncate(SHORTEST + dice.below(frame.len() - SHORTEST + 1)),
        4 => {
            let more = 1 + dice.below(60);
            frame.extend(dice.bytes(more));
        }
        _ => {
            let end = (at + 2).min(frame.len());
            frame[at..end].fill(dice.of(&[0, 255]));
        }
    }
}
