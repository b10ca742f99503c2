//! A packet too big for the way to its target: what its sender is told.

use lb_common::{maps::Settings, verdict::Verdict};
use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::{
    lab::{Lab, Node, settings, to_target},
    packet::{C_TAG, DESTINATION, HOP_BY_HOP, Packet, ROUTING, S_TAG, SYN, checksum, tcp, udp},
};

const V4: (&str, &str) = ("192.0.2.7:40000", "10.0.0.1:80");
const V6: (&str, &str) = ("[2001:db8::7]:40000", "[fd00::1]:80");
/// Of the path from the edge node to the target.
const MTU: u16 = 1500;

/// A listener of each family and protocol over one target, and the largest packet that fits on its way there.
fn each(mut claim: impl FnMut(&mut Lab, Packet, u16)) {
    let nodes = ["10.2.0.1", "fd02::1"].map(|at| [Node::ipip(1, at), Node::gue(1, at), Node::l2(1, at)]);
    for node in nodes.into_iter().flatten() {
        let node = Node { mtu: MTU, ..node };
        let mut lab = listening(Lab::new(), &node);
        for (client, vip) in [V4, V6] {
            let before = u16::try_from(node.before()).expect("a few headers");
            println!("{vip}, {before} bytes before it, to {}", node.address);
            claim(&mut lab, tcp(client, vip).whole(), MTU - before);
        }
    }
}

fn listening(mut lab: Lab, node: &Node) -> Lab {
    for (_, vip) in [V4, V6] {
        lab.service(Tcp, vip, &[node]);
        lab.service(Udp, vip, &[node]);
    }
    lab
}

/// A packet of one byte too much.
fn over(packet: Packet, largest: u16) -> Packet {
    packet.of_length(usize::from(largest) + 1)
}

/// The whole answer by hand, so that the builder of the other tests is not alone in its opinion.
#[test]
fn the_answer_in_ipv4_is_these_bytes() {
    let mut lab = listening(Lab::new(), &Node::ipip(1, "10.2.0.1"));
    let packet = over(udp(V4.0, V4.1).whole(), 1480);
    let frame = packet.frame();
    let quote = &frame[14..14 + 548];
    let unsummed = [[3, 4, 0, 0, 0, 0, 0x05, 0xc8].as_slice(), quote].concat();
    let [high, low] = checksum::internet(&unsummed).to_be_bytes();
    let expected = [
        // Ethernet: back to where it came from.
        [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0].as_slice(),
        // IPv4, internetwork control, 576 bytes, not to be fragmented, 64 hops, ICMP; 10.0.0.1 to 192.0.2.7.
        &[0x45, 0xc0, 2, 64, 0, 0, 0x40, 0, 64, 1, 0x6b, 0xf5, 10, 0, 0, 1, 192, 0, 2, 7],
        // "Fragmentation needed and DF set"; the next hop takes 1,480 bytes.
        &[3, 4, high, low, 0, 0, 0x05, 0xc8],
        quote,
    ]
    .concat();
    lab.run(&frame).sends(&expected).counted(Verdict::TooBigAnswered);
}

#[test]
fn the_answer_in_ipv6_is_these_bytes() {
    let mut lab = listening(Lab::new(), &Node::ipip(1, "fd02::1"));
    let packet = over(udp(V6.0, V6.1), 1460);
    let frame = packet.frame();
    let quote = &frame[14..14 + 1232];
    let (vip, client) = (&frame[38..54], &frame[22..38]);
    let pseudo = [vip, client, &[0, 0, 4, 216, 0, 0, 0, 58]].concat();
    let unsummed = [pseudo.as_slice(), &[2, 0, 0, 0, 0, 0, 0x05, 0xb4], quote].concat();
    let [high, low] = checksum::internet(&unsummed).to_be_bytes();
    let expected = [
        [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd].as_slice(),
        // IPv6, internetwork control, 1,240 bytes of ICMPv6, 64 hops.
        &[0x6c, 0, 0, 0, 4, 216, 58, 64],
        vip,
        client,
        // "Packet too big"; the next hop takes 1,460 bytes.
        &[2, 0, high, low, 0, 0, 0x05, 0xb4],
        quote,
    ]
    .concat();
    lab.run(&frame).sends(&expected).counted(Verdict::TooBigAnswered);
}

#[test]
fn the_sender_learns_what_would_have_passed_and_that_passes() {
    each(|lab, packet, largest| {
        let too_big = over(packet.clone(), largest);
        let answer = too_big.too_big(u32::from(largest)).frame();
        lab.run(&too_big.frame()).sends(&answer).counted(Verdict::TooBigAnswered);
        let fits = packet.of_length(usize::from(largest)).frame();
        assert_eq!(lab.run(&fits).moved.keys().copied().collect::<Vec<_>>(), [to_target(1)]);
    });
}

/// Whatever the packet is and however it stands in the frame: of every length, flagged, tagged and padded.
#[test]
fn every_packet_that_is_too_big_is_quoted_as_it_came() {
    each(|lab, packet, largest| {
        let mut cases = vec![
            ("a SYN", packet.clone().flags(SYN)),
            ("a tag", packet.clone().tag(C_TAG, 100)),
            ("two tags", packet.clone().tag(S_TAG, 7).tag(C_TAG, 0xffff)),
            ("a last hop", packet.clone().hop_limit(1)),
            ("classes", Packet { traffic_class: 0xff, ..packet.clone() }),
            ("padding", Packet { padding: 9, ..packet.clone() }),
            ("other MACs", Packet { to: [2, 9, 8, 7, 6, 5], from: [4, 1, 2, 3, 4, 5], ..packet.clone() }),
        ];
        if packet.is_v4() {
            cases.push(("options", packet.clone().options(&[1; 40])));
        } else {
            let chain = packet.extension(HOP_BY_HOP, 0).extension(ROUTING, 2).extension(DESTINATION, 20);
            cases.push(("extension headers", chain));
        }
        for (name, packet) in cases {
            println!("  {name}");
            for more in [1, 2, 3, 4, 100] {
                let packet = packet.clone().of_length(usize::from(largest) + more);
                let answer = packet.too_big(u32::from(largest)).frame();
                lab.run(&packet.frame()).sends(&answer).counted(Verdict::TooBigAnswered);
            }
        }
    });
}

#[test]
fn a_packet_that_fills_no_quote_is_quoted_in_whole_words() {
    let node = Node { mtu: 320, ..Node::ipip(1, "10.2.0.1") };
    let mut lab = listening(Lab::new(), &node);
    for length in 301..=549 {
        let packet = udp(V4.0, V4.1).whole().of_length(length);
        lab.run(&packet.frame()).sends(&packet.too_big(300).frame()).counted(Verdict::TooBigAnswered);
    }
}

#[test]
fn nobody_is_told_to_go_below_what_every_link_carries() {
    let node = Node { mtu: 1280, ..Node::ipip(1, "fd02::1") };
    let mut lab = listening(Lab::new(), &node);
    let packet = tcp(V6.0, V6.1);
    lab.run(&packet.clone().of_length(1280).frame()).drops().counted(Verdict::TooBig);
    let larger = packet.of_length(1281);
    lab.run(&larger.frame()).sends(&larger.too_big(1280).frame()).counted(Verdict::TooBigAnswered);

    let node = Node { mtu: 80, ..Node::ipip(1, "10.2.0.1") };
    lab.node(&node);
    let packet = tcp(V4.0, V4.1).whole();
    lab.run(&packet.clone().of_length(68).frame()).drops().counted(Verdict::TooBig);
    let larger = packet.of_length(69);
    lab.run(&larger.frame()).sends(&larger.too_big(68).frame()).counted(Verdict::TooBigAnswered);
}

#[test]
fn what_may_be_fragmented_is_dropped_and_not_answered() {
    each(|lab, packet, largest| {
        if packet.is_v4() {
            for fragment in [0, 0x8000] {
                let packet = Packet { fragment, ..over(packet.clone(), largest) };
                lab.run(&packet.frame()).drops().counted(Verdict::NeedsFragmenting);
            }
        }
    });
}

#[test]
fn a_sender_that_cannot_be_one_host_gets_no_answer() {
    each(|lab, packet, largest| {
        let (none, at_edges): (&[&str], &[&str]) = if packet.is_v4() {
            (
                &["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
                &["1.0.0.0", "126.255.255.255", "128.0.0.1", "223.255.255.255"],
            )
        } else {
            (&["::", "::1", "ff02::1", "ff0e::7"], &["::2", "fe80::1", "fdff::1", "0:0:0:1::"])
        };
        let from = |address: &&str| {
            let mut packet = over(packet.clone(), largest);
            packet.source.set_ip(address.parse().expect("an address"));
            packet
        };
        for packet in none.iter().map(from) {
            println!("  {}", packet.source);
            lab.run(&packet.frame()).drops().counted(Verdict::TooBig);
        }
        for packet in at_edges.iter().map(from) {
            println!("  {}", packet.source);
            let answer = packet.too_big(u32::from(largest)).frame();
            lab.run(&packet.frame()).sends(&answer).counted(Verdict::TooBigAnswered);
        }
    });
}

#[test]
fn a_frame_for_many_gets_no_answer() {
    each(|lab, packet, largest| {
        for to in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1]] {
            let packet = Packet { to, ..over(packet.clone(), largest) };
            lab.run(&packet.frame()).drops().counted(Verdict::TooBig);
        }
    });
}

#[test]
fn a_cpu_sends_no_more_errors_than_it_may() {
    let node = Node::ipip(1, "10.2.0.1");
    let mut lab = listening(Lab::with(Settings { errors_budget: 0, ..settings() }), &node);
    for (client, vip) in [V4, V6] {
        lab.run(&over(tcp(client, vip).whole(), 1480).frame()).drops().counted(Verdict::TooBig);
    }
    // A tick may begin between two packets, and then a CPU may again: but not ten times within three ticks.
    let mut lab = listening(Lab::with(Settings { errors_budget: 2, ..settings() }), &node);
    let frame = over(tcp(V4.0, V4.1).whole(), 1480).frame();
    let answered =
        (0..10).filter(|_| lab.run(&frame).moved.contains_key(&Verdict::TooBigAnswered.into())).count();
    assert!((2..=4).contains(&answered), "{answered} answers");
}

#[test]
fn without_headroom_there_is_no_answer() {
    each(|lab, packet, largest| {
        let frame = over(packet, largest).frame();
        lab.run_with_headroom(16, &frame).drops().counted(Verdict::TooBig);
    });
}

#[test]
fn full_nat_answers_before_it_remembers_anything() {
    let nodes = [Node::nat(1, "10.3.0.1", 8080), Node::nat(2, "fd03::1", 8080)];
    for (node, (client, vip)) in nodes.into_iter().zip([V4, V6]) {
        let node = Node { mtu: 1400, ..node };
        let mut lab = Lab::new();
        lab.nat(Tcp, vip, &[&node]);
        let packet = tcp(client, vip).whole().flags(SYN);
        let large = packet.clone().of_length(1401);
        let answer = large.too_big(1400).frame();
        lab.run(&large.frame()).sends(&answer).counted(Verdict::TooBigAnswered);
        let port = lab.opens(&node, &packet);
        lab.run(&large.frame()).sends(&answer).counted(Verdict::TooBigAnswered);
        lab.goes_on(&node, &packet.of_length(1400), port);
    }
}
