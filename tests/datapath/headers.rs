//! IPv4 options, IPv6 extension headers, what is neither TCP nor UDP, and headers that contradict themselves.

use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::lab::{Lab, Node, to_target};
use crate::packet::{DESTINATION, FRAGMENT, HOP_BY_HOP, ICMP, ICMP_V6, Packet, ROUTING, other, tcp, udp};

const CLIENT: &str = "192.0.2.7:40000";
const VIP: &str = "10.0.0.1:80";
const CLIENT_V6: &str = "[2001:db8::7]:40000";
const VIP_V6: &str = "[fd00::1]:80";

fn lab() -> (Lab, Node) {
    let (mut lab, node) = (Lab::new(), Node::ipip(1, "10.2.0.1"));
    for vip in [VIP, VIP_V6] {
        lab.service(Tcp, vip, &[&node]);
        lab.service(Udp, vip, &[&node]);
    }
    (lab, node)
}

#[track_caller]
fn forwards(lab: &mut Lab, node: &Node, packet: &Packet) {
    let expected = node.sent(&lab.settings.keys, packet);
    lab.run(&packet.frame()).sends(&expected).counted(to_target(node.id));
}

#[test]
fn ipv4_options_of_every_length_are_stepped_over() {
    let (mut lab, node) = lab();
    for words in 0..=10 {
        let options = vec![1; 4 * words];
        forwards(&mut lab, &node, &tcp(CLIENT, VIP).options(&options));
        forwards(&mut lab, &node, &udp(CLIENT, VIP).options(&options));
    }
}

#[test]
fn each_extension_header_is_stepped_over() {
    let (mut lab, node) = lab();
    for kind in [HOP_BY_HOP, ROUTING, DESTINATION] {
        for units in [0, 1, 7, 100] {
            forwards(&mut lab, &node, &tcp(CLIENT_V6, VIP_V6).extension(kind, units));
            forwards(&mut lab, &node, &udp(CLIENT_V6, VIP_V6).extension(kind, units));
        }
    }
}

#[test]
fn six_extension_headers_are_stepped_over_and_a_seventh_is_the_hosts() {
    let (mut lab, node) = lab();
    let kinds = [HOP_BY_HOP, DESTINATION, ROUTING, DESTINATION, ROUTING, DESTINATION, DESTINATION];
    for protocol in [tcp, udp] {
        let chain = |length: usize| {
            let extensions = kinds.into_iter().zip([0, 1, 2, 0, 1, 0, 0]).take(length).collect();
            Packet { extensions, ..protocol(CLIENT_V6, VIP_V6) }
        };
        for length in 0..=6 {
            forwards(&mut lab, &node, &chain(length));
        }
        lab.run(&chain(7).frame()).passes().counted(Verdict::ExtensionHeaders);
    }
}

#[test]
fn an_ipv4_fragment_is_the_hosts_and_its_ports_are_not_guessed() {
    let (mut lab, node) = lab();
    for (name, fragment) in [
        ("first", 0x2000),
        ("middle", 0x2001),
        ("last", 0x00b9),
        ("last, as far out as there is", 0x1fff),
        ("first, and don't fragment", 0x6000),
    ] {
        println!("{name}");
        lab.run(&Packet { fragment, ..tcp(CLIENT, VIP) }.frame()).passes().counted(Verdict::Fragment);
        lab.run(&Packet { fragment, ..udp(CLIENT, VIP) }.frame()).passes().counted(Verdict::Fragment);
    }
    // "Don't fragment", and the bit that has no meaning, make no fragment.
    for fragment in [0x4000, 0x8000] {
        forwards(&mut lab, &node, &Packet { fragment, ..tcp(CLIENT, VIP) });
    }
}

#[test]
fn an_ipv6_fragment_is_the_hosts_wherever_its_header_stands() {
    let (mut lab, _) = lab();
    for before in 0..=6 {
        let packet = Packet { extensions: vec![(DESTINATION, 0); before], ..tcp(CLIENT_V6, VIP_V6) };
        lab.run(&packet.extension(FRAGMENT, 0).frame()).passes().counted(Verdict::Fragment);
    }
}

#[test]
fn icmp_is_the_hosts_in_its_own_family_only() {
    let (mut lab, _) = lab();
    lab.run(&other(ICMP, CLIENT, VIP).frame()).passes().counted(Verdict::Icmp);
    lab.run(&other(ICMP_V6, CLIENT_V6, VIP_V6).frame()).passes().counted(Verdict::Icmp);
    let behind = other(ICMP_V6, CLIENT_V6, VIP_V6).extension(HOP_BY_HOP, 0);
    lab.run(&behind.frame()).passes().counted(Verdict::Icmp);
    lab.run(&other(ICMP_V6, CLIENT, VIP).frame()).passes().counted(Verdict::OtherProtocol);
    lab.run(&other(ICMP, CLIENT_V6, VIP_V6).frame()).passes().counted(Verdict::OtherProtocol);
}

#[test]
fn every_other_protocol_is_the_hosts() {
    let (mut lab, _) = lab();
    for protocol in (0..=255).filter(|protocol| ![ICMP, 6, 17].contains(protocol)) {
        lab.run(&other(protocol, CLIENT, VIP).frame()).passes().counted(Verdict::OtherProtocol);
    }
    let walked = [HOP_BY_HOP, 6, 17, ROUTING, FRAGMENT, ICMP_V6, DESTINATION];
    for protocol in (0..=255).filter(|protocol| !walked.contains(protocol)) {
        lab.run(&other(protocol, CLIENT_V6, VIP_V6).frame()).passes().counted(Verdict::OtherProtocol);
    }
}

#[test]
fn an_ipv4_header_that_contradicts_itself_is_bad() {
    let (mut lab, _) = lab();
    let good = tcp(CLIENT, VIP).frame();
    let mut bad = |name: &str, changes: &[(usize, u8)]| {
        println!("{name}");
        let mut frame = good.clone();
        changes.iter().for_each(|(at, byte)| frame[*at] = *byte);
        lab.run(&frame).drops().counted(Verdict::BadHeader);
    };
    for version in (0..16).filter(|version| *version != 4) {
        bad("version", &[(14, version << 4 | 5)]);
    }
    for words in 0..5 {
        bad("a header of less than 20 bytes", &[(14, 0x40 | words)]);
    }
    for length in 0..20 {
        bad("a packet shorter than its header", &[(16, 0), (17, length)]);
    }
    bad("options beyond the packet", &[(14, 0x4f), (16, 0), (17, 59)]);
    for length in 20..40 {
        bad("no room for TCP's header", &[(16, 0), (17, length)]);
    }
}

#[test]
fn an_ipv6_header_that_contradicts_itself_is_bad() {
    let (mut lab, _) = lab();
    let good = tcp(CLIENT_V6, VIP_V6).frame();
    for version in (0..16).filter(|version| *version != 6) {
        let mut frame = good.clone();
        frame[14] = version << 4;
        lab.run(&frame).drops().counted(Verdict::BadHeader);
    }
    for length in 0..20 {
        let mut frame = good.clone();
        frame[18..20].copy_from_slice(&[0, length]);
        lab.run(&frame).drops().counted(Verdict::BadHeader);
    }
}

#[test]
fn a_length_beyond_the_frame_is_truncated() {
    let (mut lab, _) = lab();
    for (packet, at) in [(tcp(CLIENT, VIP), 16), (tcp(CLIENT_V6, VIP_V6), 18)] {
        let mut frame = packet.frame();
        let length = u16::from_be_bytes([frame[at], frame[at + 1]]);
        for beyond in [length + 1, length + 100, u16::MAX] {
            frame[at..at + 2].copy_from_slice(&beyond.to_be_bytes());
            lab.run(&frame).drops().counted(Verdict::Truncated);
        }
    }
}
