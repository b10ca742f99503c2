//! Slots in motion: whose a flow is, and what is remembered of it.

use lb_common::{
    maps::{Settings, TARGET_OPENS, TARGET_SERVES},
    slot::{Slot, SlotState},
    verdict::{Note, Verdict},
};
use pointsman::config::checked::Protocol::{Tcp, Udp};

use crate::lab::{Lab, Node, settings, slot_of, to_target};
use crate::packet::{ACK, FIN, Packet, RST, TCP, syn, tcp, udp};

const VIPS: [&str; 2] = ["10.0.0.1:80", "[fd00::1]:80"];
const LEARNING: SlotState = SlotState::Learning;
const LEARNING_TCP: SlotState = SlotState::LearningTcp;
const PINNED: SlotState = SlotState::Pinned;

/// Slots of each ring; all of a test's are in the same state, so that any flow will do.
const SLOTS: u32 = 3;

/// A listener of one family and protocol, and two targets that its ring turns between.
struct Turn {
    lab: Lab,
    ring: u32,
    old: Node,
    new: Node,
}

impl Turn {
    fn with(settings: Settings, packet: &Packet) -> Self {
        let [old, new] = [Node::ipip(1, "10.2.0.1"), Node::ipip(2, "10.2.0.2")];
        let mut lab = Lab::with(settings);
        let protocol = if packet.protocol == TCP { Tcp } else { Udp };
        let ring = lab.service(protocol, &packet.destination.to_string(), &[&old, &old, &old]);
        lab.node(&new);
        Self { lab, ring, old, new }
    }

    /// All slots are in this state now; the new target is their current one.
    fn slots(&mut self, state: SlotState, former: Option<&Node>) {
        let slot = Slot::new(state, Some(self.new.id()), former.map(Node::id));
        (self.ring..self.ring + SLOTS).for_each(|index| self.lab.put_slot(index, slot));
    }

    fn learns(&mut self, state: SlotState) {
        let old = self.old.clone();
        self.slots(state, Some(&old));
    }

    /// The packet goes to `node`; each of `notes` is noted of it, and nothing else is counted.
    #[track_caller]
    fn goes(&mut self, packet: &Packet, node: &Node, notes: &[Note]) {
        let expected = node.sent(&self.lab.settings.keys, packet);
        let counted = self.lab.run(&packet.frame()).sends(&expected);
        let counted = notes.iter().fold(counted, |counted, note| counted.noting(*note));
        let opens = packet.protocol == TCP && packet.flags & (crate::packet::SYN | ACK) == crate::packet::SYN;
        if opens { counted.opened(to_target(node.id)) } else { counted.counted(to_target(node.id)) }
    }

    #[track_caller]
    fn goes_to_old(&mut self, packet: &Packet, notes: &[Note]) {
        let old = self.old.clone();
        self.goes(packet, &old, notes);
    }

    #[track_caller]
    fn goes_to_new(&mut self, packet: &Packet, notes: &[Note]) {
        let new = self.new.clone();
        self.goes(packet, &new, notes);
    }
}

/// A packet of an established flow of each family.
fn each(packet: fn(&str, &str) -> Packet, claim: impl Fn(Turn, Packet)) {
    for (client, vip) in ["192.0.2.7:40000", "[2001:db8::7]:40000"].into_iter().zip(VIPS) {
        println!("{vip}");
        let packet = packet(client, vip);
        claim(Turn::with(settings(), &packet), packet);
    }
}

/// The packet that opens the same connection.
fn opening(packet: &Packet) -> Packet {
    syn(&packet.source.to_string(), &packet.destination.to_string())
}

/// The same from another port.
fn other(packet: &Packet) -> Packet {
    let mut other = packet.clone();
    other.source.set_port(packet.source.port() + 1);
    other
}

#[test]
fn a_flood_of_connections_in_steady_slots_is_remembered_nowhere() {
    each(tcp, |mut turn, packet| {
        for port in 1..200 {
            let mut flood = opening(&packet);
            flood.source.set_port(port);
            turn.goes_to_old(&flood, &[]);
        }
        assert_eq!(turn.lab.tracked_entries(), 0);
        assert_eq!(turn.lab.tracked(), []);
    });
}

#[test]
fn a_slot_that_learns_keeps_old_connections_and_gives_new_ones_to_its_current_target() {
    for state in [LEARNING, LEARNING_TCP] {
        each(tcp, |mut turn, packet| {
            turn.learns(state);
            turn.goes_to_old(&packet, &[Note::Tracked]);
            turn.goes_to_old(&packet, &[]);
            let new = other(&packet);
            turn.goes_to_new(&opening(&new), &[Note::Tracked]);
            turn.goes_to_new(&new, &[]);
            assert_eq!(turn.lab.tracked_entries(), 2);
        });
    }
}

#[test]
fn a_record_says_which_slot_it_is_of() {
    each(tcp, |mut turn, packet| {
        turn.learns(LEARNING);
        turn.goes_to_old(&packet, &[Note::Tracked]);
        let place = slot_of(&turn.lab.settings.keys, &packet, SLOTS);
        let mark = u16::try_from(place).expect("a small ring");
        assert_eq!(turn.lab.tracked(), [(1, mark)]);
        assert_eq!(turn.lab.tracked(), [(1, mark)], "a sweep does not make the next one forget");
        turn.lab.age(settings().tracked_idle.tcp + 1);
        assert_eq!(turn.lab.tracked(), []);
        assert_eq!(turn.lab.tracked_entries(), 0, "the dead were freed");
    });
}

#[test]
fn a_pinned_slot_knows_its_recorded_flows_and_records_no_more() {
    each(tcp, |mut turn, packet| {
        turn.learns(LEARNING);
        turn.goes_to_old(&packet, &[Note::Tracked]);
        turn.slots(PINNED, None);
        turn.goes_to_old(&packet, &[]);
        turn.goes_to_new(&other(&packet), &[]);
        turn.goes_to_new(&opening(&other(&packet)), &[]);
        assert_eq!(turn.lab.tracked_entries(), 1);

        turn.goes_to_new(&opening(&packet), &[Note::Tracked]);
        turn.goes_to_new(&packet, &[]);
        assert_eq!(turn.lab.tracked_entries(), 1, "the tuple's record was replaced");
    });
}

#[test]
fn what_opens_in_a_steady_slot_that_learns_later_stays_too() {
    each(tcp, |mut turn, packet| {
        turn.goes_to_old(&opening(&packet), &[]);
        turn.learns(LEARNING);
        turn.goes_to_old(&packet, &[Note::Tracked]);
    });
}

#[test]
fn datagrams_are_old_inside_the_udp_window_and_new_after_it() {
    each(udp, |mut turn, packet| {
        turn.learns(LEARNING);
        turn.goes_to_old(&packet, &[Note::Tracked]);
        turn.learns(LEARNING_TCP);
        turn.goes_to_old(&packet, &[]);
        turn.goes_to_new(&other(&packet), &[]);
        turn.slots(PINNED, None);
        turn.goes_to_old(&packet, &[]);
        turn.goes_to_new(&other(&packet), &[]);
    });
}

#[test]
fn a_dead_target_is_nobodys_former_and_its_records_are_replaced() {
    for packet in [tcp, udp] {
        each(packet, |mut turn, packet| {
            turn.learns(LEARNING);
            turn.goes_to_old(&packet, &[Note::Tracked]);
            let old = turn.old.clone();
            turn.lab.node(&old.clone().without(TARGET_SERVES));
            turn.goes_to_new(&packet, &[Note::Tracked]);
            turn.goes_to_new(&other(&packet), &[]);
            turn.lab.node(&old);
            turn.goes_to_new(&packet, &[]);
        });
    }
}

#[test]
fn a_slot_that_its_last_target_leaves_serves_old_connections_only() {
    each(tcp, |mut turn, packet| {
        let slot = Slot::new(LEARNING, None, Some(turn.old.id()));
        (turn.ring..turn.ring + SLOTS).for_each(|index| turn.lab.put_slot(index, slot));
        turn.goes_to_old(&packet, &[Note::Tracked]);
        turn.lab.run(&opening(&other(&packet)).frame()).drops().counted(Verdict::NoTarget);
    });
}

#[test]
fn records_beyond_a_cpus_allowance_are_not_made_and_the_flows_go_on() {
    for (client, vip) in ["192.0.2.7:40000", "[2001:db8::7]:40000"].into_iter().zip(VIPS) {
        let packet = tcp(client, vip);
        let mut turn = Turn::with(Settings { tracked_budget: 0, ..settings() }, &packet);
        turn.learns(LEARNING);
        turn.goes_to_old(&packet, &[Note::TrackingLimited]);
        // Its next packet would be taken for an old flow's.
        turn.goes_to_old(&opening(&other(&packet)), &[Note::TrackingLimited]);
        turn.goes_to_old(&other(&packet), &[Note::TrackingLimited]);
        let drained = turn.old.clone().without(TARGET_OPENS);
        turn.lab.node(&drained);
        let refused = turn.lab.run(&opening(&other(&packet)).frame()).drops();
        refused.noting(Note::TrackingLimited).counted(Verdict::NotTracked);
        turn.goes_to_old(&packet, &[Note::TrackingLimited]);
        assert_eq!(turn.lab.tracked_entries(), 0);
    }
}

#[test]
fn an_allowance_is_spent_on_new_records_alone() {
    let packet = tcp("192.0.2.7:40000", VIPS[0]);
    let mut turn = Turn::with(Settings { tracked_budget: 1, ..settings() }, &packet);
    turn.learns(LEARNING);
    turn.goes_to_old(&packet, &[Note::Tracked]);
    turn.goes_to_new(&opening(&packet), &[Note::Tracked]);
    turn.goes_to_old(&other(&packet), &[Note::TrackingLimited]);
    // The clock's next tick; by then the CPU may record one more.
    let mut ran = turn.lab.run(&other(&packet).frame());
    while ran.moved.contains_key(&Note::TrackingLimited.into()) {
        ran = turn.lab.run(&other(&packet).frame());
    }
    assert!(ran.moved.contains_key(&Note::Tracked.into()), "{:?}", ran.moved);
}

#[test]
fn a_full_table_records_no_more_and_the_flows_go_on() {
    let packet = tcp("192.0.2.7:40000", VIPS[0]);
    // One set of four places.
    let mut turn = Turn::with(Settings { tracked_sets_mask: 0, ..settings() }, &packet);
    turn.learns(LEARNING);
    let mut flow = packet.clone();
    for port in 1..=4 {
        flow.source.set_port(port);
        turn.goes_to_old(&flow, &[Note::Tracked]);
    }
    turn.goes_to_old(&packet, &[Note::TrackingFull]);
    turn.goes_to_old(&opening(&packet), &[Note::TrackingFull]);
    for port in 1..=4 {
        flow.source.set_port(port);
        turn.goes_to_old(&flow, &[]);
    }
    // Who is closed makes room.
    turn.goes_to_old(&flow.clone().flags(RST), &[]);
    turn.goes_to_old(&packet, &[Note::Tracked]);
}

/// What the flow says next.
type Then = fn(&mut Turn, &Packet);

#[test]
fn a_record_lives_as_long_as_its_flow_may_be_silent() {
    let idle = settings().tracked_idle;
    let established = |turn: &mut Turn, packet: &Packet| turn.goes_to_old(packet, &[Note::Tracked]);
    let cases: [(&str, u32, Then); 3] = [
        ("established", idle.tcp, |_, _| {}),
        ("the client sent FIN", idle.closed, |turn, packet| {
            turn.goes_to_old(&packet.clone().flags(FIN | ACK), &[]);
        }),
        ("the client sent RST", idle.closed, |turn, packet| {
            turn.goes_to_old(&packet.clone().flags(RST), &[]);
        }),
    ];
    for (name, patience, then) in cases {
        each(tcp, |mut turn, packet| {
            println!("{name}");
            turn.learns(LEARNING);
            established(&mut turn, &packet);
            then(&mut turn, &packet);
            turn.slots(PINNED, None);
            // A tick may pass while the test runs.
            turn.lab.age(patience - 2);
            assert_eq!(turn.lab.tracked().len(), 1);
            turn.lab.age(3);
            turn.goes_to_new(&packet, &[]);
            assert_eq!(turn.lab.tracked(), []);
        });
    }
}

#[test]
fn a_connection_that_says_no_more_than_syn_is_soon_forgotten() {
    each(tcp, |mut turn, packet| {
        turn.learns(LEARNING);
        turn.goes_to_new(&opening(&packet), &[Note::Tracked]);
        turn.lab.age(settings().tracked_idle.opening - 2);
        assert_eq!(turn.lab.tracked().len(), 1);
        turn.lab.age(3);
        assert_eq!(turn.lab.tracked(), []);

        turn.goes_to_new(&opening(&packet), &[Note::Tracked]);
        turn.goes_to_new(&packet, &[]);
        turn.lab.age(settings().tracked_idle.opening + 1);
        assert_eq!(turn.lab.tracked().len(), 1, "its second packet made it known");
    });
}
