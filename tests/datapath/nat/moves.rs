//! Flows and rings that change: who stays, and who goes elsewhere.

use lb_common::maps::{TARGET_RESOLVED, TARGET_SERVES};
use lb_common::verdict::Verdict;
use pointsman::config::checked::Protocol::Tcp;

use crate::lab::{Lab, Node};
use crate::packet::{ACK, FIN, Packet, RST, SYN, syn};

/// One flow, opened to the first of two targets, whose slot then names the second.
fn moved() -> (Lab, [Node; 2], Packet, u16) {
    let mut lab = Lab::new();
    let nodes = [Node::nat(1, "10.3.0.1", 8080), Node::nat(2, "10.3.0.2", 8080)];
    let slot = lab.nat(Tcp, "10.0.0.3:80", &[&nodes[0]]);
    let packet = syn("192.0.2.7:7", "10.0.0.3:80");
    let port = lab.opens(&nodes[0], &packet);
    lab.comes_back(&nodes[0], &nodes[0].reply(&packet, port), &packet);
    lab.node(&nodes[1]);
    lab.slot(slot, Some(nodes[1].id()));
    (lab, nodes, packet.flags(ACK), port)
}

#[test]
fn a_flow_stays_with_its_target_when_the_ring_changes() {
    let (mut lab, [first, second], packet, port) = moved();
    lab.goes_on(&first, &packet, port);
    lab.comes_back(&first, &first.reply(&packet, port), &packet);
    let _: u16 = lab.opens(&second, &syn("192.0.2.8:7", "10.0.0.3:80"));
}

#[test]
fn a_dead_targets_flow_goes_to_the_rings_target() {
    let (mut lab, [first, second], packet, _) = moved();
    lab.node(&first.without(TARGET_SERVES));
    let port = lab.opens(&second, &packet);
    lab.goes_on(&second, &packet, port);
    lab.comes_back(&second, &second.reply(&packet, port), &packet);
}

#[test]
fn a_removed_targets_flow_goes_to_the_rings_target() {
    let (mut lab, [first, second], packet, _) = moved();
    lab.apply(&pointsman::core::plan::Step::RemoveTarget { id: first.id() });
    let port = lab.opens(&second, &packet);
    lab.goes_on(&second, &packet, port);
}

#[test]
fn a_flow_whose_next_hop_is_lost_waits_for_it() {
    let (mut lab, [first, _], packet, port) = moved();
    lab.node(&first.clone().without(TARGET_RESOLVED));
    lab.run(&packet.frame()).drops().counted(Verdict::NextHopUnresolved);
    lab.node(&first);
    lab.goes_on(&first, &packet, port);
}

#[test]
fn a_closed_tuple_opens_again_on_the_rings_target() {
    let (mut lab, [first, second], packet, port) = moved();
    lab.goes_on(&first, &packet.clone().flags(RST), port);
    let port = lab.opens(&second, &packet.clone().flags(SYN));
    lab.comes_back(&second, &second.reply(&packet, port), &packet);
    lab.goes_on(&second, &packet, port);
}

/// A flow that went elsewhere is another one: its first target's last words do not end it.
#[test]
fn what_a_former_target_says_does_not_close_the_flow_that_left_it() {
    for last_words in [RST, FIN | ACK] {
        let (mut lab, [first, second], packet, former) = moved();
        lab.node(&first.clone().without(TARGET_SERVES));
        let port = lab.opens(&second, &packet);
        lab.comes_back(&second, &second.reply(&packet, port), &packet);
        lab.goes_on(&second, &packet.clone().flags(FIN | ACK), port);
        // It is the host's, or it goes to the client, which has no use for it; but it closes nothing.
        let _ = lab.run(&first.reply(&packet, former).flags(last_words).frame());
        lab.goes_on(&second, &packet, port);
        // Half closed, it is silent longer than a closed one may be.
        lab.age(lab.settings.nat_idle.closed + 1);
        lab.goes_on(&second, &packet, port);
        lab.comes_back(&second, &second.reply(&packet, port), &packet);
    }
}

/// The same for a tuple that is used again.
#[test]
fn a_late_segment_of_the_former_connection_does_not_close_the_new_one() {
    let (mut lab, [first, second], packet, former) = moved();
    lab.goes_on(&first, &packet.clone().flags(FIN | ACK), former);
    lab.comes_back(&first, &first.reply(&packet, former).flags(FIN | ACK), &packet);
    let port = lab.opens(&second, &packet.clone().flags(SYN));
    lab.comes_back(&second, &second.reply(&packet, port), &packet);
    lab.age(1);
    lab.comes_back(&first, &first.reply(&packet, former).flags(FIN | ACK), &packet);
    lab.age(lab.settings.nat_idle.closed + 1);
    lab.goes_on(&second, &packet, port);
    lab.comes_back(&second, &second.reply(&packet, port), &packet);
}
