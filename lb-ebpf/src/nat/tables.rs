//! `nat`'s sessions: finding a flow's, claiming one and with it a port, ageing it together with the flow's
//! entry (`flows.rs`), in which everything is done the same way.

use lb_common::{
    flow::{FlowState, FlowWord, Tick},
    hash::scale,
    maps::{Session, Settings, Target},
    parse::{Family, Packet, ports},
    wire::Be16,
};

use crate::{
    flows::{PLACE_BITS, Table},
    maps::{self, SessionEntry},
    nat::Handed,
};

/// How many ports a new flow tries. With three quarters of the sessions live, one in 10,000 finds none.
const TRIES: u32 = 32;
/// Some difference to another entry's tag.
const NOT_OWN: u64 = 1;

/// Claims a session, and with it a port.
///
/// The first port tried follows from the flow alone: a flow that was forgotten while it was silent gets
/// its old port again, if nobody has it, and goes on as if nothing had been.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "masked to the number of an attempt")]
pub(super) fn claim_session<F: Family>(
    handed: Handed,
    settings: &Settings,
    target: &Target,
    tag: u64,
    now: Tick,
) -> Option<(SessionEntry, u64, u16)> {
    let best = readiest::<F>(handed, settings, target, tag, now)?;
    let (_, packet) = &handed.read::<F>().ok()?;
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
    let ready = own((entry, back), packet) || Table::Nat.readiness(word, now, NOT_OWN) != 0;
    (ready && entry.word().swap(word, FlowWord::claimed(now))).then_some((entry, back, port))
}

/// The try whose session is readiest to be taken, as [`Table::readier`] gives it.
#[inline(always)]
fn readiest<F: Family>(
    handed: Handed,
    settings: &Settings,
    target: &Target,
    tag: u64,
    now: Tick,
) -> Option<u64> {
    let (_, packet) = handed.read::<F>().ok()?;
    let (from, to) = (F::from_words(target.destination), F::from_words(target.source));
    let addresses = settings.keys.addresses::<F>(from, to);
    let (from, protocol) = (target_port(target, &packet), packet.protocol);
    let mut best = 0;
    for attempt in 0..TRIES {
        let ports = ports(from, Be16::new(nth_port(settings, tag, attempt)));
        let back = settings.keys.back_between(addresses, ports, protocol);
        let word = maps::session(session_index(settings, back))?.word().load();
        best = Table::Nat.readier(best, attempt, word, now, NOT_OWN);
        if best >> PLACE_BITS > u64::from(u32::MAX) {
            break;
        }
    }
    Some(best)
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
    if let Some((entry, word)) = Table::Nat.find(settings, tag, touched.seen())
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
#[expect(clippy::cast_possible_truncation, reason = "the low half chooses the place")]
pub(super) fn session_index(settings: &Settings, back: u64) -> u32 {
    back as u32 & settings.sessions_mask
}
