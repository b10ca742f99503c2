//! How long a flow may be silent. The tables are aged by hand, but for one test that waits.

use lb_common::maps::{Idle, Settings};
use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::Tcp;

use super::{each, each_tcp, first_packets, listen};
use crate::lab::{Lab, Node, now, settings};
use crate::packet::{ACK, FIN, RST, TCP, UDP, syn};

/// Ticks that a flow may be silent: settings differ for each kind, so that none is taken for another.
fn patience(protocol: u8) -> u32 {
    if protocol == UDP { settings().nat_idle.udp } else { settings().nat_idle.tcp }
}

#[test]
fn a_flow_goes_on_until_it_was_silent_too_long() {
    each(|lab, node, packet| {
        let port = lab.opens(node, &packet);
        lab.comes_back(node, &node.reply(&packet, port), &packet);
        let patience = patience(packet.protocol);
        // The clock itself may move by a tick meanwhile.
        lab.age(patience - 1);
        lab.comes_back(node, &node.reply(&packet, port), &packet);
        lab.age(patience - 1);
        lab.goes_on(node, &packet.clone().flags(ACK), port);
        lab.age(patience + 1);
        lab.run(&node.reply(&packet, port).frame()).passes().counted(Verdict::NatNoFlow);
        // Nobody took its port, so it goes on from there.
        assert_eq!(lab.opens(node, &packet.clone().flags(ACK)), port, "its old port");
        lab.comes_back(node, &node.reply(&packet, port), &packet);
    });
}

#[test]
fn a_flow_without_a_reply_is_forgotten_sooner() {
    each(|lab, node, packet| {
        let port = lab.opens(node, &packet);
        let patience = settings().nat_idle.opening;
        lab.age(patience - 1);
        lab.goes_on(node, &packet, port);
        lab.age(patience + 1);
        lab.run(&node.reply(&packet, port).frame()).passes().counted(Verdict::NatNoFlow);
        assert_eq!(lab.opens(node, &packet), port, "its old port");
    });
}

#[test]
fn a_closed_flow_lingers_and_is_forgotten() {
    each_tcp(|lab, node, packet| {
        for closing in [FIN | ACK, RST] {
            let port = lab.opens(node, &packet);
            lab.goes_on(node, &packet.clone().flags(closing), port);
            lab.comes_back(node, &node.reply(&packet, port).flags(closing), &packet);
            let patience = settings().nat_idle.closed;
            lab.age(patience - 1);
            lab.goes_on(node, &packet.clone().flags(ACK), port);
            lab.age(patience - 1);
            lab.comes_back(node, &node.reply(&packet, port), &packet);
            lab.age(patience + 1);
            lab.run(&node.reply(&packet, port).frame()).passes().counted(Verdict::NatNoFlow);
        }
    });
}

#[test]
fn the_bits_of_a_reset_close_no_udp_flow() {
    each(|lab, node, packet| {
        if packet.protocol == TCP {
            return;
        }
        let packet = packet.payload(&[RST | FIN; 24]);
        let port = lab.opens(node, &packet);
        lab.comes_back(node, &node.reply(&packet, port).payload(&[RST | FIN; 24]), &packet);
        lab.age(patience(UDP) - 1);
        lab.goes_on(node, &packet, port);
    });
}

/// The two entries of a flow age together: who speaks, speaks for both ways.
#[test]
fn one_side_alone_keeps_a_flow_alive() {
    each(|lab, node, packet| {
        let port = lab.opens(node, &packet);
        lab.comes_back(node, &node.reply(&packet, port), &packet);
        let patience = patience(packet.protocol);
        for _ in 0..5 {
            lab.age(patience - 1);
            lab.goes_on(node, &packet.clone().flags(ACK), port);
        }
        lab.comes_back(node, &node.reply(&packet, port), &packet);
        for _ in 0..5 {
            lab.age(patience - 1);
            lab.comes_back(node, &node.reply(&packet, port), &packet);
        }
        lab.goes_on(node, &packet.flags(ACK), port);
    });
}

#[test]
fn a_silent_flows_port_and_place_go_to_another() {
    let mut lab = Lab::with(Settings { flow_sets_mask: 0, nat_ports: 1, ..settings() });
    listen(&mut lab);
    let silent = first_packets(7);
    let ports = silent.clone().map(|(_, packet, node)| lab.opens(&node, &packet));
    lab.age(settings().nat_idle.opening + 1);
    for ((_, packet, node), port) in first_packets(8).into_iter().zip(ports) {
        assert_eq!(lab.opens(&node, &packet), port, "the only port");
        lab.comes_back(&node, &node.reply(&packet, port), &packet);
    }
    for (_, packet, _) in silent {
        lab.run(&packet.frame()).drops().counted(Verdict::NatTableFull);
    }
}

#[test]
fn the_clock_that_flows_age_by_is_the_kernels() {
    let quick = Settings { nat_idle: Idle { tcp: 1, udp: 1, opening: 1, closed: 1 }, ..settings() };
    let mut lab = Lab::with(quick);
    listen(&mut lab);
    let flows = first_packets(7).map(|(_, packet, node)| (lab.opens(&node, &packet), packet, node));
    let opened = now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let passed = harness::wait::until("three ticks pass", std::time::Duration::from_secs(10), async || {
        (now().since(opened) >= 3).then_some(())
    });
    runtime.block_on(passed).expect("three ticks pass");
    for (port, packet, node) in &flows {
        lab.run(&node.reply(packet, *port).frame()).passes().counted(Verdict::NatNoFlow);
        assert_eq!(lab.opens(node, packet), *port, "its old port");
    }
}

/// Ages are counted modulo 2^21 ticks: without the sweep, the entry would live once more.
#[test]
fn what_the_sweep_freed_does_not_live_again_when_its_age_wraps_around() {
    let mut lab = Lab::new();
    let node = Node::nat(1, "10.3.0.1", 8080);
    lab.nat(Tcp, "10.0.0.3:80", &[&node]);
    let packet = syn("192.0.2.7:7", "10.0.0.3:80");
    let port = lab.opens(&node, &packet);
    lab.comes_back(&node, &node.reply(&packet, port), &packet);
    assert_eq!(lab.sweep(), 1, "it lives, and stays");
    lab.goes_on(&node, &packet.clone().flags(ACK), port);

    lab.age(1000);
    assert_eq!(lab.sweep(), 0);
    lab.age((1 << 21) - 990);
    let again = lab.opens(&node, &packet.flags(ACK));
    assert_eq!(again, port, "forgotten, it gets its old port");
}
