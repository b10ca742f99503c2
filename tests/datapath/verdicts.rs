//! Every verdict has a packet that ends in it.

use lb_common::maps::{Listener, Settings, TARGET_GUE, TARGET_L2, TARGET_OPENS, TARGET_RESOLVED};
use lb_common::slot::{Slot, SlotState};
use lb_common::verdict::{Note, Verdict};
use pointsman::config::checked::Protocol::Tcp;

use crate::lab::{Lab, Node, Ran, settings};
use crate::packet::{DESTINATION, ICMP, Packet, other, syn};

const CLIENT: &str = "192.0.2.7:40000";
const VIP: &str = "10.0.0.1:80";

#[test]
fn every_verdict_has_a_packet_that_ends_in_it() {
    for verdict in Verdict::ALL {
        println!("{}", verdict.name());
        let ran = ending_in(*verdict);
        let ended = match fate(*verdict) {
            Fate::TheHosts => ran.passes(),
            Fate::Dropped => ran.drops(),
            Fate::SentBack(answer) => ran.sends(&answer),
        };
        let ended = notes_of(*verdict).iter().fold(ended, |ended, note| ended.noting(*note));
        ended.counted(*verdict);
    }
}

/// What is done with a packet.
enum Fate {
    TheHosts,
    Dropped,
    /// As this frame.
    SentBack(Vec<u8>),
}

fn fate(verdict: Verdict) -> Fate {
    match verdict {
        Verdict::TooBigAnswered => Fate::SentBack(too_big().too_big(1480).frame()),
        Verdict::NotIp
        | Verdict::NotOurs
        | Verdict::Fragment
        | Verdict::Icmp
        | Verdict::OtherProtocol
        | Verdict::ExtensionHeaders
        | Verdict::NatNoFlow => Fate::TheHosts,
        Verdict::Truncated
        | Verdict::BadHeader
        | Verdict::HopLimit
        | Verdict::NoTarget
        | Verdict::NotTracked
        | Verdict::NextHopUnresolved
        | Verdict::TooBig
        | Verdict::NeedsFragmenting
        | Verdict::NoHeadroom
        | Verdict::NatTableFull
        | Verdict::NatPortsExhausted
        | Verdict::BadMap => Fate::Dropped,
    }
}

/// What is noted of the packet beside.
const fn notes_of(verdict: Verdict) -> &'static [Note] {
    if matches!(verdict, Verdict::NotTracked) { &[Note::TrackingLimited] } else { &[] }
}

#[test]
fn a_verdicts_meaning_says_what_the_program_does() {
    for verdict in Verdict::ALL {
        let (dropped, sent_back) = match fate(*verdict) {
            Fate::TheHosts => (false, false),
            Fate::Dropped => (true, false),
            Fate::SentBack(_) => (false, true),
        };
        let says = |ending| verdict.meaning().ends_with(ending);
        let said = (says(": dropped."), says(": sent back."));
        assert_eq!(said, (dropped, sent_back), "{}: {}", verdict.name(), verdict.meaning());
    }
}

fn ending_in(verdict: Verdict) -> Ran {
    let mut lab = Lab::new();
    let node = Node::ipip(1, "10.2.0.1");
    lab.service(Tcp, VIP, &[&node]);
    let good = syn(CLIENT, VIP);
    let mut frame = good.frame();
    match verdict {
        Verdict::NotIp => lab.run(&arp()),
        Verdict::NotOurs => lab.run(&syn(CLIENT, "10.0.0.2:80").frame()),
        Verdict::Fragment => lab.run(&Packet { fragment: 0x2000, ..good }.frame()),
        Verdict::Icmp => lab.run(&other(ICMP, CLIENT, VIP).frame()),
        Verdict::OtherProtocol => lab.run(&other(132, CLIENT, VIP).frame()),
        Verdict::ExtensionHeaders => {
            let extensions = vec![(DESTINATION, 0); 7];
            lab.run(&Packet { extensions, ..syn("[2001:db8::7]:40000", "[fd00::1]:80") }.frame())
        }
        Verdict::Truncated => lab.run(&frame[..33]),
        Verdict::BadHeader => {
            frame[14] = 0x55;
            lab.run(&frame)
        }
        Verdict::HopLimit => lab.run(&good.hop_limit(1).frame()),
        Verdict::NoTarget => {
            lab.slot(5, None);
            lab.run(&frame)
        }
        Verdict::NotTracked => {
            let mut lab = Lab::with(Settings { tracked_budget: 0, ..settings() });
            let (node, drained) = (node, Node::ipip(2, "10.2.0.2").without(TARGET_OPENS));
            lab.service(Tcp, VIP, &[&node]);
            lab.node(&drained);
            lab.put_slot(5, Slot::new(SlotState::Learning, Some(node.id()), Some(drained.id())));
            lab.run(&frame)
        }
        Verdict::NextHopUnresolved => {
            lab.node(&node.without(TARGET_RESOLVED));
            lab.run(&frame)
        }
        Verdict::TooBigAnswered => lab.run(&too_big().frame()),
        Verdict::TooBig => lab.run_with_headroom(16, &too_big().frame()),
        Verdict::NeedsFragmenting => lab.run(&good.of_length(1481).frame()),
        Verdict::NoHeadroom => lab.run_with_headroom(16, &frame),
        Verdict::NatTableFull => table_full(),
        Verdict::NatPortsExhausted => ports_exhausted(),
        Verdict::NatNoFlow => lab.run(&syn("10.3.0.1:8080", "10.9.0.1:40000").frame()),
        Verdict::BadMap => {
            lab.listener(Tcp, VIP, Listener { kind: 9, ring: 5, slots: 1, ..Listener::NOTHING });
            lab.run(&frame)
        }
    }
}

/// One byte more than fits on the way to the target.
fn too_big() -> Packet {
    syn(CLIENT, VIP).whole().of_length(1481)
}

/// Four flows have all places of the only set.
fn table_full() -> Ran {
    nat_full_after(4, Lab::with(Settings { flow_sets_mask: 0, ..settings() }))
}

/// One flow has the only port.
fn ports_exhausted() -> Ran {
    nat_full_after(1, Lab::with(Settings { nat_ports: 1, ..settings() }))
}

fn nat_full_after(flows: u16, mut lab: Lab) -> Ran {
    let node = Node::nat(1, "10.3.0.1", 8080);
    lab.nat(Tcp, "10.0.0.3:80", &[&node]);
    for port in 0..flows {
        let _: u16 = lab.opens(&node, &syn(&format!("192.0.2.7:{port}"), "10.0.0.3:80"));
    }
    lab.run(&syn("192.0.2.8:1", "10.0.0.3:80").frame())
}

fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend([0; 20]);
    frame
}

/// What makes a lab's maps wrong.
type Wrong<'a> = &'a dyn Fn(&mut Lab);

#[test]
fn what_the_daemon_wrote_wrong_drops_the_packet() {
    let node = Node::ipip(1, "10.2.0.1");
    let listener = Listener { kind: 1, ring: 5, slots: 1, ..Listener::NOTHING };
    let cases: [(&str, Wrong<'_>); 8] = [
        ("a listener of no kind", &|lab| {
            lab.listener(Tcp, VIP, Listener { kind: 0, ..listener });
        }),
        ("a ring beyond the slots", &|lab| {
            lab.listener(Tcp, VIP, Listener { ring: 256, ..listener });
        }),
        ("a slot that names a target beyond the targets", &|lab| {
            lab.slot(5, lb_common::ids::TargetId::new(25));
        }),
        ("a target in no outer header", &|lab| {
            lab.node(&Node { flags: TARGET_RESOLVED, ..node.clone() });
        }),
        ("a target in outer headers of both families", &|lab| {
            lab.node(&Node { flags: node.flags | 6, ..node.clone() });
        }),
        ("a target in UDP headers of no outer header", &|lab| {
            lab.node(&Node { flags: TARGET_RESOLVED | TARGET_GUE, ..node.clone() });
        }),
        ("a target in UDP headers of outer headers of both families", &|lab| {
            lab.node(&Node { flags: node.flags | 6 | TARGET_GUE, ..node.clone() });
        }),
        ("a target by its MAC alone and in an outer header", &|lab| {
            lab.node(&Node { flags: node.flags | TARGET_L2, ..node.clone() });
        }),
    ];
    for (name, wrong) in cases {
        println!("{name}");
        let mut lab = Lab::new();
        lab.service(Tcp, VIP, &[&node]);
        wrong(&mut lab);
        lab.run(&syn(CLIENT, VIP).frame()).drops().counted(Verdict::BadMap);
    }
}
