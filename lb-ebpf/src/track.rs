//! A packet of a slot in motion: its flow's record, and whose it is (`lb_common::track` has the rules).

use lb_common::{
    flow::{FlowState, FlowWord, Tick, slot_mark},
    ids::TargetId,
    maps::{Settings, TARGET_OPENS, TARGET_SERVES},
    parse::{Family, Packet, TCP_ACK, TCP_SYN, UDP},
    slot::Slot,
    track::{Choice, Memory, Record, Speaks, choose, unrecorded},
    verdict::{Note, Verdict},
};

use crate::{
    flows::{Claimed, Table},
    maps::{self, FlowEntry},
};

/// Which target, by the flow's record or by the slot; the record is brought up to date.
///
/// Out of line: packets of steady slots do not pay for its registers, and the verifier follows it once.
#[inline(always)]
pub(crate) fn target<F: Family>(
    slot: Slot,
    place: u32,
    packet: &Packet<F>,
    tag: u64,
) -> Result<Option<TargetId>, Verdict> {
    let flags = u32::from(packet.protocol) << 8 | u32::from(packet.tcp_flags);
    match track(tag, slot.word(), place, flags) {
        REFUSED => Err(Verdict::NotTracked),
        index => Ok(TargetId::new(index)),
    }
}

/// No target's number.
const REFUSED: u32 = u32::MAX;

/// Gives the target's number, zero for nobody's, or [`REFUSED`].
#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn track(tag: u64, slot: u64, place: u32, flags: u32) -> u32 {
    let (slot, settings, now) = (Slot::from_word(slot), maps::settings(), maps::now());
    let seen = Seen::new(flags);
    let known = Table::Tracked.find(settings, tag, now);
    // One that another CPU is just writing names nobody yet: it writes what this packet would.
    let record = match known.as_ref().and_then(|(_, word)| word.target()) {
        None => Record::Nothing,
        Some(id) if serves(&id) => Record::Of(id),
        Some(_) => Record::OfTheDead,
    };
    let former = slot.former().filter(serves);
    let choice = choose(slot, former, seen.speaks, record);
    let target = match (choice.memory, known) {
        (Memory::Touch, Some((entry, word))) => {
            touch(entry, word, &seen, now);
            choice.target
        }
        (Memory::Leave | Memory::Touch, _) => choice.target,
        (Memory::Write, known) => {
            let new = known.is_none();
            match written(settings, tag, place, choice, &seen, new, now) {
                Ok(()) => choice.target,
                Err(reason) => {
                    maps::note(reason);
                    let former_opens = former.filter(|id| has(id, TARGET_OPENS));
                    let instead = unrecorded(choice, slot, seen.speaks, former_opens, former.is_some());
                    return instead.map_or(REFUSED, TargetId::index);
                }
            }
        }
    };
    target.map_or(0, TargetId::index)
}

/// What of a packet matters here.
struct Seen {
    tcp_flags: u8,
    speaks: Speaks,
}

impl Seen {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an octet of the word")]
    fn new(flags: u32) -> Self {
        let (tcp_flags, udp) = (flags as u8, flags >> 8 == u32::from(UDP));
        let speaks = if udp {
            Speaks::Udp
        } else if tcp_flags & (TCP_SYN | TCP_ACK) == TCP_SYN {
            Speaks::Opening
        } else {
            Speaks::Tcp
        };
        Self { tcp_flags, speaks }
    }
}

#[inline(always)]
fn serves(id: &TargetId) -> bool {
    has(id, TARGET_SERVES)
}

#[inline(always)]
fn has(id: &TargetId, flag: u16) -> bool {
    maps::target(*id).is_some_and(|target| target.flags & flag != 0)
}

#[inline(always)]
fn touch(entry: FlowEntry, word: FlowWord, seen: &Seen, now: Tick) {
    let state = word.state().tracked(seen.tcp_flags);
    if state != word.state() || now != word.seen() {
        entry.word().swap(word, word.touched(now, state));
    }
}

/// Writes the flow's record; a `new` one counts against the CPU's allowance.
#[inline(always)]
fn written(
    settings: &Settings,
    tag: u64,
    place: u32,
    choice: Choice,
    seen: &Seen,
    new: bool,
    now: Tick,
) -> Result<(), Note> {
    // A slot of nobody records nobody.
    let Some(target) = choice.target else { return Ok(()) };
    if new && !maps::may_track(settings, now) {
        return Err(Note::TrackingLimited);
    }
    let Claimed { entry, index } = Table::Tracked.claim(settings, tag, now).ok_or(Note::TrackingFull)?;
    let state = match seen.speaks {
        Speaks::Opening => FlowState::NEW_TCP,
        // It has spoken before.
        Speaks::Tcp => FlowState::NEW_TCP.tracked(seen.tcp_flags),
        Speaks::Udp => FlowState::NEW_UDP.tracked(0),
    };
    entry.set_tag(tag);
    entry.word().store(FlowWord::new(target, slot_mark(place), now, state));
    maps::mark_tracked(index);
    maps::note(Note::Tracked);
    Ok(())
}
