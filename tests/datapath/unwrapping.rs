//! The training node's program: the outer header comes off, and nothing else changes.

mod gue;

use std::collections::BTreeMap;

use aya::programs::{TestRun as _, TestRunOptions};
use lb_common::{maps::Tally, verdict::NodeVerdict};
use pointsman::config::checked::Protocol::Tcp;
use pointsman::dataplane::node::Node as Program;

use crate::lab::{Lab, Node, hex, to_target};
use crate::packet::{C_TAG, Outer, Packet, S_TAG, other, tcp, udp, within};

const CLIENTS: [&str; 2] = ["192.0.2.7:40000", "[2001:db8::7]:40000"];
const VIPS: [&str; 2] = ["10.0.0.1:80", "[fd00::1]:80"];
const GUE_PORT: u16 = 6080;
const PASS: u32 = 2;
const DROP: u32 = 1;

struct NodeLab {
    program: Program,
    counters: BTreeMap<NodeVerdict, Tally>,
}

impl NodeLab {
    fn allowing(sources: &[&str]) -> Self {
        let sources = sources.iter().map(|source| source.parse().expect("a prefix")).collect::<Vec<_>>();
        let program = Program::load(&sources, GUE_PORT).unwrap_or_else(|error| panic!("{error}: {error:#?}"));
        let counters = program.counters().expect("the counters").into_iter().collect();
        Self { program, counters }
    }

    fn new() -> Self {
        Self::allowing(&[])
    }

    /// Asserts the action, the bytes of what is not dropped, and that this verdict alone was counted.
    #[track_caller]
    fn ends(&mut self, frame: &[u8], verdict: NodeVerdict, expected: Option<&[u8]>) {
        let mut output = vec![0; 4096];
        let options =
            TestRunOptions { data_in: Some(frame), data_out: Some(&mut output), ..TestRunOptions::new() };
        let program = self.program.program().expect("the node program");
        let result = program.test_run(options).expect("the kernel runs the program");
        output.truncate(result.data_size_out as usize);
        let after = self.program.counters().expect("the counters").into_iter().collect::<BTreeMap<_, _>>();
        let mut wanted = std::mem::replace(&mut self.counters, after);
        let line = wanted.get_mut(&verdict).expect("every verdict has a line");
        (line.packets, line.bytes) = (line.packets + 1, line.bytes + frame.len() as u64);
        assert_eq!(self.counters, wanted, "the counters, after {}", hex(frame));
        assert_eq!(result.return_value, if expected.is_some() { PASS } else { DROP }, "the action");
        if let Some(expected) = expected {
            assert_eq!(hex(&output), hex(expected), "the bytes");
        }
    }

    #[track_caller]
    fn unwraps(&mut self, frame: &[u8], inner: &Packet) {
        self.ends(frame, NodeVerdict::Unwrapped, Some(&inner.frame()));
    }

    #[track_caller]
    fn passes(&mut self, frame: &[u8]) {
        self.ends(frame, NodeVerdict::NotEncapsulated, Some(frame));
    }

    #[track_caller]
    fn drops(&mut self, frame: &[u8], verdict: NodeVerdict) {
        self.ends(frame, verdict, None);
    }
}

/// An outer header of either family, without UDP and with it.
fn outers() -> [Outer; 4] {
    let (v4, v6) = (("172.16.7.7", "10.2.0.1"), ("fded::7:0:0:7", "fd02::1"));
    let ports = Some((50_000, GUE_PORT));
    [(v4, None), (v6, None), (v4, ports), (v6, ports)].map(|((source, destination), ports)| Outer {
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
        traffic_class: 0,
        flow_label: 0x12345,
        ports,
    })
}

/// 4in4, 6in4, 4in6 and 6in6, without UDP and with it.
fn each_way(mut claim: impl FnMut(Outer, Packet)) {
    for outer in outers() {
        for (client, vip) in CLIENTS.into_iter().zip(VIPS) {
            println!("{vip} in {}, ports {:?}", outer.destination, outer.ports);
            claim(outer, tcp(client, vip));
        }
    }
}

#[test]
fn what_was_wrapped_comes_out_as_it_went_in() {
    let mut lab = NodeLab::new();
    each_way(|outer, packet| {
        for tags in [vec![], vec![(C_TAG, 5)], vec![(S_TAG, 0x6001), (C_TAG, 6)]] {
            for padding in [0, 9] {
                let packet = Packet { tags: tags.clone(), padding, ..packet.clone() };
                lab.unwraps(&within(outer, &packet), &packet);
                let datagram = Packet { protocol: 17, traffic_class: 0xb8, ..packet };
                lab.unwraps(&within(outer, &datagram), &datagram);
            }
        }
    });
}

#[test]
fn what_the_edge_node_sends_the_training_node_unwraps() {
    let (mut edge, mut lab) = (Lab::new(), NodeLab::new());
    let nodes = ["10.2.0.1", "fd02::1"].map(|address| [Node::ipip(1, address), Node::gue(1, address)]);
    for node in nodes.into_iter().flatten() {
        for (client, vip) in CLIENTS.into_iter().zip(VIPS) {
            edge.service(Tcp, vip, &[&node]);
            for traffic_class in 0..=255 {
                let packet = Packet { traffic_class, ..tcp(client, vip) };
                let ran = edge.run(&packet.frame());
                let sent = ran.output.clone();
                let expected = node.sent(&edge.settings.keys, &packet);
                ran.sends(&expected).counted(to_target(1));
                lab.unwraps(&sent, &Packet { to: node.mac(), from: node.own_mac, hop_limit: 63, ..packet });
            }
        }
    }
}

/// RFC 6040, figure 4. The inner mark is the row, the outer one the column; `None` drops.
#[test]
fn congestion_marks_of_the_way_are_carried_over() {
    const NOT: u8 = 0;
    const ECT_1: u8 = 1;
    const ECT_0: u8 = 2;
    const CE: u8 = 3;
    let outer_marks = [NOT, ECT_0, ECT_1, CE];
    let figure = [
        (NOT, [Some(NOT), Some(NOT), Some(NOT), None]),
        (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
        (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
        (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
    ];
    let mut lab = NodeLab::new();
    each_way(|outer, packet| {
        for (inner_mark, row) in figure {
            for (outer_mark, expected) in outer_marks.into_iter().zip(row) {
                println!("inner {inner_mark:02b}, outer {outer_mark:02b}");
                for dscp in [0, 0xb8, 0xfc] {
                    let packet = Packet { traffic_class: dscp | inner_mark, ..packet.clone() };
                    let frame = within(Outer { traffic_class: outer_mark, ..outer }, &packet);
                    match expected {
                        Some(mark) => lab.unwraps(&frame, &Packet { traffic_class: dscp | mark, ..packet }),
                        None => lab.drops(&frame, NodeVerdict::CongestionMarked),
                    }
                }
            }
        }
    });
}

#[test]
fn what_no_edge_node_wrapped_is_the_hosts() {
    let mut lab = NodeLab::new();
    for (client, vip) in CLIENTS.into_iter().zip(VIPS) {
        for packet in [tcp(client, vip), udp(client, vip), other(58, client, vip), other(47, client, vip)] {
            lab.passes(&packet.frame());
            let tags = vec![(S_TAG, 1), (C_TAG, 2), (C_TAG, 3)];
            lab.passes(&Packet { tags, ..packet }.frame());
        }
    }
    let [v4, _, v4_in_udp, _] = outers();
    // Another tunnel's: with options, of a fragment, and of no version at all.
    for (name, at, byte) in
        [("options", 14, 0x46), ("more fragments", 20, 0x20), ("an offset", 21, 1), ("IPv5", 14, 0x55)]
    {
        for outer in [v4, v4_in_udp] {
            println!("{name}, ports {:?}", outer.ports);
            let mut frame = within(outer, &tcp(CLIENTS[0], VIPS[0]));
            frame[at] = byte;
            lab.passes(&frame);
        }
    }
}

#[test]
fn only_allowed_sources_are_unwrapped() {
    let packet = tcp(CLIENTS[0], VIPS[0]);
    let mut lab = NodeLab::allowing(&["172.16.0.0/20", "172.17.3.3/32", "fded:0:0:7::/64"]);
    for (source, allowed) in [
        ("172.16.0.0", true),
        ("172.16.15.255", true),
        ("172.16.16.0", false),
        ("172.15.255.255", false),
        ("172.17.3.3", true),
        ("172.17.3.2", false),
        ("fded:0:0:7::", true),
        ("fded:0:0:7:ffff:ffff:ffff:ffff", true),
        ("fded:0:0:8::", false),
        ("::ac10:0", false),
    ] {
        println!("{source}");
        let outer =
            outers().into_iter().map(|outer| Outer { source: source.parse().expect("an address"), ..outer });
        let outer = outer.filter(|outer| outer.source.is_ipv4() == outer.destination.is_ipv4());
        for outer in outer {
            let frame = within(outer, &packet);
            if allowed { lab.unwraps(&frame, &packet) } else { lab.drops(&frame, NodeVerdict::SourceDenied) }
        }
    }
    // What is not encapsulated is nobody's to deny.
    lab.passes(&packet.frame());
}

#[test]
fn a_frame_that_ends_before_its_packet_is_dropped_wherever_it_ends() {
    let mut lab = NodeLab::new();
    each_way(|outer, packet| {
        for packet in [packet.clone(), packet.tag(S_TAG, 1).tag(C_TAG, 2)] {
            let frame = within(outer, &packet);
            for end in 14..frame.len() {
                println!("the first {end} of {}", frame.len());
                lab.drops(&frame[..end], NodeVerdict::Truncated);
            }
        }
    });
}

#[test]
fn an_inner_packet_that_contradicts_its_outer_header_is_bad() {
    let mut lab = NodeLab::new();
    each_way(|outer, packet| {
        let frame = within(outer, &packet);
        let inner = frame.len() - packet.ip().len();
        let length = inner + if packet.is_v4() { 2 } else { 4 };
        let mut bad = |name: &str, at: usize, bytes: &[u8]| {
            println!("{name}");
            let mut frame = frame.clone();
            frame[at..at + bytes.len()].copy_from_slice(bytes);
            lab.drops(&frame, NodeVerdict::BadHeader);
        };
        bad("the other family's version", inner, if packet.is_v4() { &[0x65] } else { &[0x40] });
        if outer.ports.is_none() {
            bad("no version", inner, &[0]);
        }
        let claimed = u16::from_be_bytes([frame[length], frame[length + 1]]);
        bad("one byte more than the outer header carries", length, &(claimed + 1).to_be_bytes());
        bad("as long as can be", length, &[0xff, 0xff]);
        if packet.is_v4() {
            bad("shorter than a header", length, &[0, 19]);
        }
        if outer.destination.is_ipv4() && outer.ports.is_none() {
            bad("an outer packet shorter than its header", 16, &[0, 19]);
        }
    });
}
