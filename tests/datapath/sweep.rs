//! The daemon's sweeps, which look through the tables while packets go on.

use std::time::{Duration, Instant};

use aya::maps::Array;
use lb_common::{
    flow::{FlowState, FlowWord},
    ids::TargetId,
    maps::{Flow, FlowSet, Settings},
    slot::{Slot, SlotState},
};
use pointsman::{config::checked::Protocol::Tcp, dataplane::load::Sizes};

use crate::lab::{Lab, Node, SIZES, now, settings, to_target};
use crate::packet::{ACK, syn, tcp};

/// The ticks that a flow's last packet is ahead of the clock that a sweep read when it began.
const AHEAD: [u32; 3] = [1, 2, 60];

#[test]
fn a_tracked_flow_that_spoke_after_a_sweep_read_its_clock_lives_on() {
    for (client, vip) in [("192.0.2.7:7", "10.0.0.1:80"), ("[2001:db8::7]:7", "[fd00::1]:80")] {
        let [old, new] = [Node::ipip(1, "10.2.0.1"), Node::ipip(2, "10.2.0.2")];
        let mut lab = Lab::new();
        let slot = lab.service(Tcp, vip, &[&new]);
        lab.node(&old);
        lab.put_slot(slot, Slot::new(SlotState::Learning, Some(new.id()), Some(old.id())));
        let packet = tcp(client, vip);
        drop(lab.run(&packet.frame()));
        lab.put_slot(slot, Slot::new(SlotState::Pinned, Some(new.id()), None));
        let expected = old.sent(&lab.settings.keys, &packet);
        for ahead in AHEAD {
            lab.age(ahead.wrapping_neg());
            assert_eq!(lab.tracked(), [(1, 0)], "{ahead} ticks ahead");
            // To the program too, whose processors do not all read the clock at once.
            lab.run(&packet.frame()).sends(&expected).counted(to_target(1));
        }
    }
}

#[test]
fn a_nat_flow_that_spoke_after_a_sweep_read_its_clock_lives_on() {
    for ahead in AHEAD {
        let mut lab = Lab::new();
        let node = Node::nat(1, "10.3.0.1", 8080);
        lab.nat(Tcp, "10.0.0.3:80", &[&node]);
        let packet = syn("192.0.2.7:7", "10.0.0.3:80");
        let port = lab.opens(&node, &packet);
        let reply = node.reply(&packet, port);
        lab.comes_back(&node, &reply, &packet);
        lab.age(ahead.wrapping_neg());
        assert_eq!(lab.sweep(), 1, "{ahead} ticks ahead");
        lab.comes_back(&node, &reply, &packet);
        lab.goes_on(&node, &packet.flags(ACK), port);
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn timed(lab: &mut Lab) -> (usize, Duration) {
    let begin = Instant::now();
    let found = lab.tracked().len();
    (found, begin.elapsed())
}

#[test]
fn a_sweep_reads_the_blocks_that_are_marked_and_no_others() {
    let sizes = Sizes { tracked_flows: 1 << 20, ..SIZES };
    let mut lab = Lab::sized(sizes, Settings { tracked_sets_mask: sizes.tracked_sets() - 1, ..settings() });
    let (found, empty) = timed(&mut lab);
    assert_eq!(found, 0);

    let (id, seen) = (TargetId::new(1).expect("an id"), now());
    let mut sets: Array<_, FlowSet> = lab.table("TRACKED");
    for index in 0..sizes.tracked_sets() {
        let mark = u16::try_from(index % 700).expect("a slot's mark");
        let word = FlowWord::new(id, mark, seen, FlowState::NEW_TCP.tracked(0)).word();
        sets.set(index, FlowSet { flows: [Flow { tag: u64::from(index), word }; 4] }, 0).expect("in the map");
    }
    assert_eq!(timed(&mut lab).0, 0, "no block is marked");
    let mut blocks: Array<_, u64> = lab.table("TRACKED_BLOCKS");
    blocks.set(7, 1, 0).expect("in the map");
    assert_eq!(timed(&mut lab).0, 64, "a block is 64 sets");
    (0..sizes.tracked_blocks()).for_each(|block| blocks.set(block, 1, 0).expect("in the map"));
    let (found, full) = timed(&mut lab);
    assert_eq!((found, lab.kernel().tracked().live()), (700, 1 << 20));
    println!("an empty table of 2^20 flows: {empty:.2?}; a full one: {full:.2?}");
}
