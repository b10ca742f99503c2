//! A frame that ends early, at every byte.

use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::lab::{Lab, Node, to_target};
use crate::packet::{C_TAG, DESTINATION, HOP_BY_HOP, Packet, ROUTING, S_TAG, tcp, udp};

/// The kernel's own limit on what a test run takes: an Ethernet header.
const SHORTEST: usize = 14;

#[test]
fn a_frame_that_ends_before_its_packet_is_dropped_wherever_it_ends() {
    let v4 = ("192.0.2.7:40000", "10.0.0.1:80");
    let v6 = ("[2001:db8::7]:40000", "[fd00::1]:80");
    let cases: [(&str, Packet); 8] = [
        ("TCP, IPv4", tcp(v4.0, v4.1)),
        ("UDP, IPv4", udp(v4.0, v4.1)),
        ("TCP, IPv4 with options", tcp(v4.0, v4.1).options(&[1; 40])),
        ("UDP, IPv4, two tags", udp(v4.0, v4.1).tag(S_TAG, 1).tag(C_TAG, 2)),
        ("TCP, IPv6", tcp(v6.0, v6.1)),
        ("UDP, IPv6, one tag", udp(v6.0, v6.1).tag(C_TAG, 2)),
        ("TCP, IPv6, each extension header", each_extension(tcp(v6.0, v6.1))),
        ("UDP, IPv6, each extension header", each_extension(udp(v6.0, v6.1))),
    ];
    let (mut lab, node) = (Lab::new(), Node::ipip(1, "10.2.0.1"));
    for vip in [v4.1, v6.1] {
        lab.service(Tcp, vip, &[&node]);
        lab.service(Udp, vip, &[&node]);
    }
    for (name, packet) in cases {
        let frame = packet.frame();
        for end in SHORTEST..frame.len() {
            println!("{name}, of {} bytes the first {end}", frame.len());
            lab.run(&frame[..end]).drops().counted(Verdict::Truncated);
        }
        let expected = node.sent(&lab.settings.keys, &packet);
        lab.run(&frame).sends(&expected).counted(to_target(1));
    }
}

#[test]
fn a_seventh_extension_header_is_not_looked_for_beyond_the_frame() {
    let mut lab = Lab::new();
    let extensions = vec![(DESTINATION, 0); 7];
    let packet = Packet { extensions, ..tcp("[2001:db8::7]:40000", "[fd00::1]:80") };
    let frame = packet.frame();
    let seventh = packet.transport() - 8;
    for length in [0_u16, 1] {
        // The packet's length agrees with the frame's: only the chain goes on.
        let mut frame = frame[..seventh + usize::from(length)].to_vec();
        frame[18..20].copy_from_slice(&(48 + length).to_be_bytes());
        lab.run(&frame).drops().counted(Verdict::Truncated);
    }
}

fn each_extension(packet: Packet) -> Packet {
    packet.extension(HOP_BY_HOP, 1).extension(ROUTING, 2).extension(DESTINATION, 0)
}
