//! `nat`'s tables: finding a flow's entries, claiming free ones, ageing them together.
//!
//! Both lie in plain arrays (docs/decisions/0003). An entry is claimed by a compare-and-swap of its word to
//! one that names nobody, then filled, and its word stored last.

use lb_common::{
    flow::{FlowState, FlowWord, Tick},
    hash::scale,
    maps::{Session, Settings, Target},
    parse::{Family, Packet, ports},
    verdict::Verdict,
    wire::Be16,
};

use crate::maps::{self, FlowEntry, SessionEntry};

/// How many ports a new flow tries. With three quarters of the sessions live, one in 10,000 finds none.
const TRIES: u32 = 32;

/// The live entry of a tag, in either of its two sets.
#[inline(always)]
pub(super) fn find(settings: &Settings, tag: u64, now: Tick) -> Option<(FlowEntry, FlowWord)> {
    for index in set_indices(settings, tag) {
        for entry in maps::flow_set(index)? {
            if entry.tag() == tag {
                let word = entry.word().load();
                // Another CPU may have taken the entry between the two reads.
                if word.live(now, settings) && entry.tag() == tag {
                    return Some((entry, word));
                }
            }
        }
    }
    None
}

/// Claims the entry of this very tag, or the one that is most ready to be taken.
#[inline(always)]
pub(super) fn claim_flow(settings: &Settings, tag: u64, now: Tick) -> Result<FlowEntry, Verdict> {
    let mut best = 0;
    for (set, index) in set_indices(settings, tag).into_iter().enumerate() {
        let entries = maps::flow_set(index).ok_or(Verdict::BadMap)?;
        for (place, entry) in entries.into_iter().enumerate() {
            // An entry of this very tag before all others: a flow has one.
            let ready = readiness(entry.word().load().word(), now.get(), entry.tag() ^ tag);
            // Of equals the first: a lookup looks into the first set first, and mostly into no other.
            best = larger(best, ready << PLACE_BITS | (7 - (set * 4 + place)) as u64);
        }
    }
    if best >> PLACE_BITS == 0 {
        return Err(Verdict::NatTableFull);
    }
    let [first, second] = set_indices(settings, tag);
    let place = 7 - (best & 7);
    let index = if place & 4 == 0 { first } else { second };
    let entry = maps::flow_entry(index, (place & 3) as usize).ok_or(Verdict::BadMap)?;
    // Another CPU may have taken it since it was weighed: then this packet is dropped, and sent again.
    let word = entry.word().load();
    let ready = readiness(word.word(), now.get(), entry.tag() ^ tag) != 0;
    if ready && entry.word().swap(word, FlowWord::claimed(now)) {
        Ok(entry)
    } else {
        Err(Verdict::NatTableFull)
    }
}

/// Claims a session, and with it a port.
///
/// The first port tried follows from the flow alone: a flow that was forgotten while it was silent gets
/// its old port again, if nobody has it, and goes on as if nothing had been.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "masked to the number of an attempt")]
pub(super) fn claim_session<F: Family>(
    settings: &Settings,
    packet: &Packet<F>,
    target: &Target,
    tag: u64,
    now: Tick,
) -> Option<(SessionEntry, u64, u16)> {
    let mut best = 0;
    for attempt in 0..TRIES {
        let entry = session_of(settings, packet, target, nth_port(settings, tag, attempt))?.0;
        let ready = readiness(entry.word().load().word(), now.get(), NOT_OWN);
        best = larger(best, ready << PLACE_BITS | u64::from(attempt));
        if ready > u64::from(u32::MAX) {
            break;
        }
    }
    // The first port's session may be this flow's own, when two CPUs saw its first packets at once.
    let attempt = if own(session_of(settings, packet, target, nth_port(settings, tag, 0))?, packet) {
        0
    } else if best >> PLACE_BITS != 0 {
        (best & u64::from(TRIES - 1)) as u32
    } else {
        return None;
    };
    let port = nth_port(settings, tag, attempt);
    let (entry, back) = session_of(settings, packet, target, port)?;
    let word = entry.word().load();
    let ready = own((entry, back), packet) || readiness(word.word(), now.get(), NOT_OWN) != 0;
    (ready && entry.word().swap(word, FlowWord::claimed(now))).then_some((entry, back, port))
}

/// The session, and the reply's hash, of a flow that the node sends from `port`.
#[inline(always)]
pub(super) fn session_of<F: Family>(
    settings: &Settings,
    packet: &Packet<F>,
    target: &Target,
    port: u16,
) -> Option<(SessionEntry, u64)> {
    let back = back(settings, packet, target, port);
    Some((maps::session(session_index(settings, back))?, back))
}

/// How ready an entry is to be taken, in [`READY_BITS`] bits; zero: a live flow has it. An entry that
/// differs by nothing is the flow's own, and readier than all others.
///
/// A function of its own for the verifier's sake: it follows a global function once, not once for each
/// way through the eight entries and 32 ports that are weighed.
#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn readiness(word: u64, now: u32, difference: u64) -> u64 {
    let ready = FlowWord::from_word(word).readiness(Tick::new(now), maps::settings());
    let own = if difference == 0 { 1 << (READY_BITS - 1) } else { 0 };
    own | ready.map_or(0, |ready| u64::from(ready) + 1)
}

/// Some difference.
const NOT_OWN: u64 = 1;
/// [`readiness`] gives up to 2^32, and one bit above.
const READY_BITS: u32 = 34;
/// Beside it: which of eight entries, or which of [`TRIES`] ports.
const PLACE_BITS: u32 = 5;

/// The larger of two numbers below 2^63, without a branch that the verifier would follow both ways.
#[inline(always)]
const fn larger(one: u64, other: u64) -> u64 {
    let one_is_smaller = (one.wrapping_sub(other).cast_signed() >> 63).cast_unsigned();
    one ^ ((one ^ other) & one_is_smaller)
}

/// Whether the session is this flow's own: of this client, for this VIP.
#[inline(always)]
pub(super) fn own<F: Family>((entry, back): (SessionEntry, u64), packet: &Packet<F>) -> bool {
    let there = entry.get();
    there.tag == back
        && there.client == F::to_words(packet.source)
        && there.client_port == packet.source_port()
        && there.vip == F::to_words(packet.destination)
        && there.vip_port == packet.destination_port()
}

/// Ages the session together with its flow.
#[inline(always)]
pub(super) fn touch_session<F: Family>(
    settings: &Settings,
    packet: &Packet<F>,
    target: &Target,
    port: u16,
    now: Tick,
    state: FlowState,
) {
    if let Some((entry, back)) = session_of(settings, packet, target, port) {
        let word = entry.word().load();
        if entry.get().tag == back && word.target().is_some() {
            entry.word().swap(word, word.touched(now, word.state().merged(state)));
        }
    }
}

/// Ages the flow together with its session, which now has the word `touched`.
///
/// The tuple may have opened again since, to another target or from another port: that is another flow.
#[inline(always)]
pub(super) fn touch_flow<F: Family>(settings: &Settings, session: &Session, protocol: u8, touched: FlowWord) {
    let (client, vip) = (F::from_words(session.client), F::from_words(session.vip));
    let tag = settings.keys.tag::<F>(client, vip, ports(session.client_port, session.vip_port), protocol);
    if let Some((entry, word)) = find(settings, tag, touched.seen())
        && word.target() == touched.target()
        && word.port() == touched.port()
    {
        entry.word().swap(word, word.touched(touched.seen(), word.state().merged(touched.state())));
    }
}

/// The reply's hash, when the node sends from `port`.
#[inline(always)]
fn back<F: Family>(settings: &Settings, packet: &Packet<F>, target: &Target, port: u16) -> u64 {
    let (from, to) = (F::from_words(target.destination), F::from_words(target.source));
    let ports = ports(target_port(target, packet), Be16::new(port));
    settings.keys.back::<F>(from, to, ports, packet.protocol)
}

/// The target's port; a target without one is reached at the port that the client chose.
#[inline(always)]
pub(super) fn target_port<F: Family>(target: &Target, packet: &Packet<F>) -> Be16 {
    if target.port == Be16::new(0) { packet.destination_port() } else { target.port }
}

/// The port of a flow's `attempt`th try.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the range lies within 16 bits")]
fn nth_port(settings: &Settings, tag: u64, attempt: u32) -> u16 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let drawn = (tag ^ u64::from(attempt)).wrapping_mul(GOLDEN);
    (settings.nat_first_port + scale(drawn, settings.nat_ports)) as u16
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "each half of the tag chooses one set")]
fn set_indices(settings: &Settings, tag: u64) -> [u32; 2] {
    [tag as u32 & settings.flow_sets_mask, (tag >> 32) as u32 & settings.flow_sets_mask]
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low half chooses the place")]
pub(super) fn session_index(settings: &Settings, back: u64) -> u32 {
    back as u32 & settings.sessions_mask
}
