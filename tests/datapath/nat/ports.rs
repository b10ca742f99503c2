//! Which port a flow is sent from, and that no two share one.

use std::collections::BTreeSet;

use lb_common::maps::Settings;
use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::{Tcp, Udp};

use super::{each, first_packets, listen, nodes};
use crate::lab::{Lab, Node, settings, to_target};
use crate::packet::{ACK, Packet, RST, syn, tcp};

#[test]
fn a_flow_keeps_its_port() {
    each(|lab, node, packet| {
        let port = lab.opens(node, &packet);
        for _ in 0..50 {
            // A SYN sent again opens nothing.
            lab.goes_on(node, &packet, port);
            lab.goes_on(node, &packet.clone().flags(ACK), port);
        }
    });
}

#[test]
fn two_flows_to_one_target_never_share_a_port() {
    const PORTS: u16 = 8;
    let mut lab = Lab::with(Settings { nat_ports: PORTS.into(), ..settings() });
    listen(&mut lab);
    for at in 0..4 {
        let mut taken = BTreeSet::new();
        for client in 0..200 {
            let (name, packet, node) = &first_packets(client)[at];
            let ran = lab.run(&packet.frame());
            if ran.output.len() == packet.frame().len() && ran.action == crate::lab::Action::Tx {
                let port = ran.number(packet.transport());
                ran.sends(&node.translated(packet, port).frame()).opened(to_target(node.id));
                assert!(taken.insert(port), "{name}: port {port} is another flow's");
            } else {
                ran.drops().counted(Verdict::NatPortsExhausted);
            }
        }
        // A flow tries 32 ports, so of eight it misses one now and then, but 200 flows miss none.
        let first = u16::try_from(lab.settings.nat_first_port).expect("a port");
        assert_eq!(taken, (first..first + PORTS).collect(), "every port of the range is in use");
    }
}

#[test]
fn flows_to_different_targets_ports_or_protocols_may_share_a_port() {
    let mut lab = Lab::with(Settings { nat_ports: 1, ..settings() });
    let nodes = [
        Node::nat(1, "10.3.0.1", 8080),
        Node::nat(2, "10.3.0.1", 8081),
        Node::nat(3, "10.3.0.2", 8080),
        Node::nat(4, "fd03::1", 8080),
    ];
    for (at, node) in nodes.iter().enumerate() {
        let vip = if node.address.is_ipv4() { format!("10.0.1.{at}:80") } else { "[fd00::3]:80".to_owned() };
        let client = if node.address.is_ipv4() { "192.0.2.7:7" } else { "[2001:db8::7]:7" };
        for protocol in [Tcp, Udp] {
            lab.nat(protocol, &vip, &[node]);
            let of = if protocol == Tcp { syn } else { crate::packet::udp };
            let packet = of(client, &vip);
            assert_eq!(lab.opens(node, &packet), 40_000, "the only port");
            lab.comes_back(node, &node.reply(&packet, 40_000), &packet);
        }
    }
}

#[test]
fn two_vips_over_one_target_do_not_share_its_ports() {
    let mut lab = Lab::with(Settings { nat_ports: 1, ..settings() });
    let [node, _] = nodes();
    lab.nat(Tcp, "10.0.0.3:80", &[&node]);
    lab.nat(Tcp, "10.0.0.4:80", &[&node]);
    let _: u16 = lab.opens(&node, &syn("192.0.2.7:7", "10.0.0.3:80"));
    let other = syn("192.0.2.7:7", "10.0.0.4:80");
    lab.run(&other.frame()).drops().counted(Verdict::NatPortsExhausted);
}

#[test]
fn a_full_set_refuses_a_fifth_flow_and_keeps_the_four() {
    let mut lab = Lab::with(Settings { flow_sets_mask: 0, ..settings() });
    listen(&mut lab);
    let flows = first_packets(7).map(|(_, packet, node)| (lab.opens(&node, &packet), packet, node));
    for (_, packet, _) in first_packets(8) {
        lab.run(&packet.frame()).drops().counted(Verdict::NatTableFull);
    }
    for (port, packet, node) in &flows {
        lab.goes_on(node, &packet.clone().flags(ACK), *port);
        lab.comes_back(node, &node.reply(packet, *port), packet);
    }
}

/// An established flow may be silent and still be wanted: it is never the one to go.
#[test]
fn a_flood_of_new_flows_takes_nothing_from_the_established() {
    let mut lab = Lab::with(Settings { flow_sets_mask: 7, sessions_mask: 31, ..settings() });
    listen(&mut lab);
    let [node, _] = nodes();
    let first = syn("192.0.2.7:7", "10.0.0.3:80");
    let port = lab.opens(&node, &first);
    lab.comes_back(&node, &node.reply(&first, port), &first);
    let mut refused = 0;
    for client in 0..500_u16 {
        let flood = syn(&format!("198.51.100.1:{client}"), "10.0.0.3:80");
        let ran = lab.run(&flood.frame());
        if ran.action == crate::lab::Action::Drop {
            refused += 1;
        }
        let lines = ran.moved.keys().collect::<Vec<_>>();
        assert_eq!(lines.len(), 1, "one line a packet: {lines:?}");
    }
    assert!(refused >= 500 - 31, "31 sessions are free, {refused} of 500 flows were refused");
    lab.goes_on(&node, &first.clone().flags(ACK), port);
    lab.comes_back(&node, &node.reply(&first, port), &first);
}

#[test]
fn a_reply_of_no_flow_is_the_hosts_at_every_port_of_the_range() {
    let mut lab = Lab::with(Settings { nat_first_port: 50_000, nat_ports: 100, ..settings() });
    listen(&mut lab);
    for (_, packet, node) in first_packets(7) {
        for (port, verdict) in [
            (0, Verdict::NotOurs),
            (22, Verdict::NotOurs),
            (49_999, Verdict::NotOurs),
            (50_000, Verdict::NatNoFlow),
            (50_050, Verdict::NatNoFlow),
            (50_099, Verdict::NatNoFlow),
            (50_100, Verdict::NotOurs),
            (65_535, Verdict::NotOurs),
        ] {
            lab.run(&node.reply(&packet, port).frame()).passes().counted(verdict);
        }
    }
}

#[test]
fn only_the_target_itself_can_answer_a_flow() {
    each(|lab, node, packet| {
        let port = lab.opens(node, &packet);
        let reply = node.reply(&packet, port);
        let mut strangers = [reply.clone(), reply.clone(), reply.clone()];
        strangers[0].source.set_port(8081);
        strangers[1].source.set_ip(if packet.is_v4() { [10, 3, 0, 9].into() } else { [0xfd03; 8].into() });
        strangers[2].destination.set_port(port ^ 1);
        for stranger in strangers {
            lab.run(&stranger.frame()).passes().counted(Verdict::NatNoFlow);
        }
        let protocol = if packet.protocol == 6 { 17 } else { 6 };
        lab.run(&Packet { protocol, ..reply.clone() }.frame()).passes().counted(Verdict::NatNoFlow);
        lab.comes_back(node, &reply, &packet);
    });
}

/// The address is the host's too: what its own connections get is none of ours.
#[test]
fn a_stranger_cannot_close_a_flow() {
    let mut lab = Lab::with(Settings { nat_ports: 1, ..settings() });
    listen(&mut lab);
    let [node, _] = nodes();
    let first = syn("192.0.2.7:7", "10.0.0.3:80");
    let port = lab.opens(&node, &first);
    let mut stranger = node.reply(&first, port).flags(RST);
    stranger.source.set_port(9);
    lab.run(&stranger.frame()).passes().counted(Verdict::NatNoFlow);
    let second = syn("192.0.2.8:7", "10.0.0.3:80");
    lab.run(&second.frame()).drops().counted(Verdict::NatPortsExhausted);
    lab.goes_on(&node, &tcp("192.0.2.7:7", "10.0.0.3:80"), port);
}
