//! Out of another interface than the packet came in by. In a namespace of its own, where the program is
//! attached to two interfaces; the frames themselves go nowhere in a test run.

use harness::netns::Namespaces;
use lb_common::verdict::Verdict;
use pointsman::config::checked::{Protocol::Tcp, XdpMode};
use pointsman::dataplane::kernel::Interface;

use crate::lab::{Lab, Node, from_target, returned, to_target};
use crate::packet::{ACK, Mac, Packet, syn, tcp};

/// `ifindex` of the interface towards the clients, and of the one towards the targets.
const CLIENTS: u32 = 10;
const TARGETS: u32 = 20;
const CLIENTS_MAC: Mac = [2, 0, 0, 0, 10, 10];
const TARGETS_MAC: Mac = [2, 0, 0, 0, 20, 20];

fn inside(claim: impl FnOnce(&mut Lab)) {
    let namespaces = Namespaces::make(vec!["edge".to_owned()]).expect("a namespace");
    let edge = namespaces.open("edge").expect("the namespace");
    edge.ip("link add clients index 10 type veth peer name far-clients index 11\n\
             link add targets index 20 type veth peer name far-targets index 21\n\
             link set clients up\nlink set targets up\n")
        .expect("interfaces");
    let run = || {
        let mut lab = Lab::new();
        for (name, index, mac) in [("clients", CLIENTS, CLIENTS_MAC), ("targets", TARGETS, TARGETS_MAC)] {
            let interface = Interface { name: name.to_owned(), index, mac };
            lab.kernel().attach(&interface, XdpMode::Driver).expect("veth has native XDP");
        }
        claim(&mut lab);
    };
    edge.inside(run).expect("into the namespace and back");
}

#[test]
fn a_target_behind_another_interface_is_reached_by_it() {
    inside(|lab| {
        for (client, vip, address) in
            [("192.0.2.7:7", "10.0.0.1:80", "10.2.0.1"), ("[2001:db8::7]:7", "[fd00::1]:80", "fd02::1")]
        {
            for node in [Node::ipip(1, address), Node::gue(1, address), Node::l2(1, address)] {
                let node = Node { interface: TARGETS, own_mac: TARGETS_MAC, ..node };
                lab.service(Tcp, vip, &[&node]);
                let packet = tcp(client, vip);
                let expected = node.sent(&lab.settings.keys, &packet);
                lab.run_from(CLIENTS, &packet.frame()).redirects(&expected).counted(to_target(1));
                lab.run_from(TARGETS, &packet.frame()).sends(&expected).counted(to_target(1));
                let gone = Node { interface: 30, ..node };
                lab.node(&gone);
                lab.run_from(CLIENTS, &packet.frame()).drops().counted(Verdict::NextHopUnresolved);
            }
        }
    });
}

#[test]
fn a_nat_flow_comes_back_by_the_interface_that_its_client_came_in_by() {
    inside(|lab| {
        for (client, vip, address) in
            [("192.0.2.7:7", "10.0.0.3:80", "10.3.0.1"), ("[2001:db8::7]:7", "[fd00::3]:80", "fd03::1")]
        {
            let node = Node { interface: TARGETS, own_mac: TARGETS_MAC, ..Node::nat(1, address, 8080) };
            lab.nat(Tcp, vip, &[&node]);
            let packet = Packet { to: CLIENTS_MAC, ..syn(client, vip) };
            let there = lab.run_from(CLIENTS, &packet.frame());
            let port = there.number(packet.transport());
            there.redirects(&node.translated(&packet, port).frame()).opened(to_target(1));

            let reply = node.reply(&packet, port);
            // From the interface's own MAC, not from the one that the reply was sent to.
            let back = Packet { from: CLIENTS_MAC, ..returned(&reply, &packet) };
            lab.run_from(TARGETS, &reply.frame()).redirects(&back.frame()).counted(from_target(1));

            // The target may be reached by one way and answer by another.
            let back = Packet { from: reply.to, ..back };
            lab.run_from(CLIENTS, &reply.frame()).sends(&back.frame()).counted(from_target(1));
            let more = packet.clone().flags(ACK);
            let there = node.translated(&more, port).frame();
            lab.run_from(CLIENTS, &more.frame()).redirects(&there).counted(to_target(1));
        }
    });
}
