//! Full NAT: towards the target and back.

mod age;
mod close;
mod moves;
mod ports;
mod translate;

use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::lab::{Lab, Node};
use crate::packet::{Packet, syn, udp};

const VIPS: [&str; 2] = ["10.0.0.3:80", "[fd00::3]:80"];
const CLIENTS: [&str; 2] = ["192.0.2.7", "[2001:db8::7]"];

/// A target of each family, as target 1 and target 2.
fn nodes() -> [Node; 2] {
    [Node::nat(1, "10.3.0.1", 8080), Node::nat(2, "fd03::1", 8080)]
}

/// A listener of each family and protocol, over the target of its family.
fn listen(lab: &mut Lab) {
    for (vip, node) in VIPS.into_iter().zip(nodes()) {
        lab.nat(Tcp, vip, &[&node]);
        lab.nat(Udp, vip, &[&node]);
    }
}

/// The first packet of a TCP flow, and of a UDP flow, of each family, from this port.
fn first_packets(port: u16) -> [(&'static str, Packet, Node); 4] {
    let [v4, v6] = nodes();
    let client = |at: usize| format!("{}:{port}", CLIENTS[at]);
    [
        ("TCP, IPv4", syn(&client(0), VIPS[0]), v4.clone()),
        ("UDP, IPv4", udp(&client(0), VIPS[0]), v4),
        ("TCP, IPv6", syn(&client(1), VIPS[1]), v6.clone()),
        ("UDP, IPv6", udp(&client(1), VIPS[1]), v6),
    ]
}

/// Each of [`first_packets`], one after the other.
fn each(claim: impl Fn(&mut Lab, &Node, Packet)) {
    let mut lab = Lab::new();
    listen(&mut lab);
    for (name, packet, node) in first_packets(40_007) {
        println!("{name}");
        lab.node(&node);
        claim(&mut lab, &node, packet);
    }
}

/// The same for TCP alone.
fn each_tcp(claim: impl Fn(&mut Lab, &Node, Packet)) {
    each(|lab, node, packet| {
        if packet.protocol == crate::packet::TCP {
            claim(lab, node, packet);
        }
    });
}
