//! The end of a TCP flow, and what may follow on its port and its tuple.

use lb_common::maps::Settings;
use lb_common::verdict::Verdict;

use super::{each_tcp, listen, nodes};
use crate::lab::{Lab, Node, settings};
use crate::packet::{ACK, FIN, Packet, RST, SYN, syn, tcp};

/// One port in all: a second flow opens exactly when the first one's port can be had.
fn one_port() -> (Lab, Node, Packet, Packet) {
    let mut lab = Lab::with(Settings { nat_ports: 1, ..settings() });
    listen(&mut lab);
    let [node, _] = nodes();
    let second = syn("192.0.2.8:7", "10.0.0.3:80");
    (lab, node, syn("192.0.2.7:7", "10.0.0.3:80"), second)
}

/// A segment of the flow, by who sends it and with which flags.
enum Segment {
    Client(u8),
    Target(u8),
}
use Segment::{Client, Target};

fn plays(lab: &mut Lab, node: &Node, first: &Packet, port: u16, segments: &[Segment]) {
    for segment in segments {
        match segment {
            Client(flags) => lab.goes_on(node, &first.clone().flags(*flags), port),
            Target(flags) => lab.comes_back(node, &node.reply(first, port).flags(*flags), first),
        }
    }
}

#[test]
fn a_port_is_free_once_its_flow_is_closed() {
    let ends: [(&str, &[Segment]); 6] = [
        ("FIN from the client, then from the target", &[Client(FIN | ACK), Target(FIN | ACK)]),
        ("FIN from the target, then from the client", &[Target(FIN | ACK), Client(FIN | ACK)]),
        ("FINs with data between", &[Client(FIN | ACK), Target(ACK), Target(ACK), Target(FIN | ACK)]),
        ("RST from the client", &[Client(RST)]),
        ("RST from the target", &[Target(RST | ACK)]),
        ("FIN from the client, RST from the target", &[Client(FIN | ACK), Target(RST)]),
    ];
    for (name, end) in ends {
        println!("{name}");
        let (mut lab, node, first, second) = one_port();
        let port = lab.opens(&node, &first);
        plays(&mut lab, &node, &first, port, end);
        assert_eq!(lab.opens(&node, &second), port, "the port goes to the second flow");
        plays(&mut lab, &node, &second, port, &[Target(SYN | ACK), Client(ACK), Target(ACK)]);
    }
}

#[test]
fn a_port_is_not_free_while_its_flow_may_speak() {
    let lives: [(&str, &[Segment]); 6] = [
        ("nothing but the SYN", &[]),
        ("established", &[Target(SYN | ACK), Client(ACK)]),
        ("FIN from the client only", &[Target(SYN | ACK), Client(FIN | ACK), Client(FIN | ACK)]),
        ("FIN from the target only", &[Target(SYN | ACK), Target(FIN | ACK), Target(FIN | ACK)]),
        ("FIN from the client, then data", &[Client(FIN | ACK), Target(ACK), Client(ACK)]),
        ("SYN again", &[Target(SYN | ACK), Client(SYN), Target(ACK)]),
    ];
    for (name, life) in lives {
        println!("{name}");
        let (mut lab, node, first, second) = one_port();
        let port = lab.opens(&node, &first);
        plays(&mut lab, &node, &first, port, life);
        lab.run(&second.frame()).drops().counted(Verdict::NatPortsExhausted);
        plays(&mut lab, &node, &first, port, &[Client(ACK), Target(ACK)]);
    }
}

#[test]
fn a_closed_flows_last_segments_still_find_their_way() {
    each_tcp(|lab, node, first| {
        let port = lab.opens(node, &first);
        plays(lab, node, &first, port, &[Client(FIN | ACK), Target(FIN | ACK), Client(ACK)]);
        // Lost, and sent again.
        plays(lab, node, &first, port, &[Target(FIN | ACK), Client(ACK), Client(RST)]);
    });
}

#[test]
fn a_syn_on_a_closed_tuple_opens_a_new_flow() {
    each_tcp(|lab, node, first| {
        let port = lab.opens(node, &first);
        plays(lab, node, &first, port, &[Target(SYN | ACK), Client(FIN | ACK), Target(FIN | ACK)]);
        let port = lab.opens(node, &first);
        plays(lab, node, &first, port, &[Target(SYN | ACK), Client(ACK), Target(ACK)]);
        // It is open: a SYN again opens nothing.
        plays(lab, node, &first, port, &[Client(SYN)]);
    });
}

#[test]
fn a_reset_on_a_tuple_of_no_flow_leaves_its_port_free() {
    let (mut lab, node, first, second) = one_port();
    let port = lab.opens(&node, &first.flags(RST));
    assert_eq!(lab.opens(&node, &second), port, "the port goes to the second flow");
}

/// What the client still sends, having lost its port, must not speak as the flow that has it now.
#[test]
fn a_closed_flow_does_not_speak_from_a_port_that_another_has_now() {
    let (mut lab, node, first, second) = one_port();
    let port = lab.opens(&node, &first);
    plays(&mut lab, &node, &first, port, &[Client(RST)]);
    assert_eq!(lab.opens(&node, &second), port, "the port goes to the second flow");
    for flags in [ACK, RST, FIN | ACK] {
        lab.run(&first.clone().flags(flags).frame()).drops().counted(Verdict::NatPortsExhausted);
    }
    plays(&mut lab, &node, &second, port, &[Target(SYN | ACK), Client(ACK), Target(ACK)]);
    // The second one is open still, whatever the first one's client sent.
    let third = syn("192.0.2.9:7", "10.0.0.3:80");
    lab.run(&third.frame()).drops().counted(Verdict::NatPortsExhausted);
}

#[test]
fn a_new_flow_takes_the_place_of_the_one_that_closed_longest_ago() {
    let mut lab = Lab::with(Settings { flow_sets_mask: 0, ..settings() });
    listen(&mut lab);
    let [node, _] = nodes();
    let flows = [1, 2, 3, 4].map(|client| tcp(&format!("192.0.2.{client}:7"), "10.0.0.3:80"));
    let ports = [0, 1, 2, 3].map(|at: usize| lab.opens(&node, &flows[at]));
    // The third closes first, then the first; the others live.
    for at in [2, 0] {
        plays(&mut lab, &node, &flows[at], ports[at], &[Target(RST)]);
        lab.age(10);
    }
    let _: u16 = lab.opens(&node, &tcp("192.0.2.5:7", "10.0.0.3:80"));
    for at in [0, 1, 3] {
        plays(&mut lab, &node, &flows[at], ports[at], &[Client(ACK)]);
    }
    // Its entry is gone; it comes as a new flow, and takes the next closed one's place.
    let _: u16 = lab.opens(&node, &flows[2]);
    for at in [1, 3] {
        plays(&mut lab, &node, &flows[at], ports[at], &[Client(ACK)]);
    }
    lab.run(&flows[0].frame()).drops().counted(Verdict::NatTableFull);
}
