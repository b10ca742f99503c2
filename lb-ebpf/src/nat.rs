//! Full NAT: towards the target from the node's own address, and back from the VIP.
//!
//! A flow has two entries. The one in `FLOWS` is found by the client's packets; the session in `SESSIONS`
//! by the target's, at a place that follows from the reply's tuple. So a port is in use towards a target
//! exactly while the session at its place is live, and choosing a port is looking for a place.

mod tables;

use aya_ebpf::bindings::xdp_md;
use lb_common::{
    checksum::Change,
    flow::{FlowState, FlowWord, Tick},
    ids::TargetId,
    maps::{KIND_NAT_RETURN, Listener, Session, Settings, TARGET_RESOLVED, TARGET_SERVES, Target},
    parse::{Bytes as _, Family, Packet, TCP, TCP_CHECKSUM, UDP, UDP_CHECKSUM, V4, V6, ports},
    verdict::{Direction, Verdict, target_line},
    wire::Be16,
};

use crate::{
    ended,
    flows::{Claimed, Table},
    forward::{Ending, Forward, out},
    frame::{DESTINATION_MAC, Frame, Outside, SOURCE_MAC, opaque},
    maps,
    nat::tables::{claim_session, own, session_index, session_of, target_port, touch_flow, touch_session},
    select,
};

/// What a packet needs to know of its flow.
struct Known {
    id: TargetId,
    target: &'static Target,
    /// The port that the node sends from.
    port: u16,
    opens: bool,
}

/// A family whose NAT is a function of its own.
pub(crate) trait Nat: Forward {
    /// Out of line: established flows of other modes do not pay for its registers, and the verifier
    /// follows it once, not once for each way through the parser.
    fn nat(frame: &Frame, packet: &Packet<Self>, listener: &Listener) -> Ending;
}

impl Nat for V4 {
    #[inline(always)]
    fn nat(frame: &Frame, packet: &Packet<Self>, listener: &Listener) -> Ending {
        let ([ring, kind], [place, rest]) = (words(listener), packet.words());
        settled(frame, packet, nat_v4(frame.context(), ring, kind, place, rest))
    }
}

impl Nat for V6 {
    #[inline(always)]
    fn nat(frame: &Frame, packet: &Packet<Self>, listener: &Listener) -> Ending {
        let ([ring, kind], [place, rest]) = (words(listener), packet.words());
        settled(frame, packet, nat_v6(frame.context(), ring, kind, place, rest))
    }
}

#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nat_v4(context: *mut xdp_md, ring: u64, kind: u64, place: u64, rest: u64) -> u64 {
    translate::<V4>(Handed { context, words: [place, rest] }, &listener([ring, kind]))
}

#[expect(unsafe_code, reason = "the verifier knows a global function by its symbol")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn nat_v6(context: *mut xdp_md, ring: u64, kind: u64, place: u64, rest: u64) -> u64 {
    translate::<V6>(Handed { context, words: [place, rest] }, &listener([ring, kind]))
}

/// What of a listener matters here, in registers: the stack is short. Kinds and keys are small numbers.
#[inline(always)]
fn words(listener: &Listener) -> [u64; 2] {
    let ring = u64::from(listener.ring) | u64::from(listener.slots) << 32;
    let ports = u64::from(listener.first_port) << 32 | u64::from(listener.last_port) << 48;
    [ring, u64::from(listener.kind) | u64::from(listener.key) << 16 | ports]
}

/// The inverse of [`words`].
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the fields of `words`")]
const fn listener([ring, kind]: [u64; 2]) -> Listener {
    Listener {
        kind: kind as u16 as u32,
        key: (kind >> 16) as u16 as u32,
        ring: ring as u32,
        slots: (ring >> 32) as u32,
        first_port: (kind >> 32) as u16,
        last_port: (kind >> 48) as u16,
        ..Listener::NOTHING
    }
}

/// A packet that the caller parsed.
///
/// Its facts are read anew by each stage that needs them: beside the search for a session they would lie on the
/// stack, of which the kernel gives the whole chain of calls 512 bytes (decision 0010).
#[derive(Clone, Copy)]
struct Handed {
    context: *mut xdp_md,
    words: [u64; 2],
}

impl Handed {
    /// In words that the compiler does not know to be those of the last time, or it would keep what they say.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a register holds a word")]
    fn read<F: Family>(self) -> Result<(Frame, Packet<F>), Verdict> {
        let frame = Frame::new(self.context);
        let words = self.words.map(|word| opaque(word as usize) as u64);
        let packet = Packet::from_words(&frame, words).ok_or(Verdict::Truncated)?;
        Ok((frame, packet))
    }
}

#[inline(always)]
fn translate<F: Forward>(packet: Handed, listener: &Listener) -> u64 {
    if listener.kind == KIND_NAT_RETURN {
        return ended(from_target::<F>(packet, listener)).pack();
    }
    match to_target::<F>(packet, listener) {
        Ok(ending) => ending.pack(),
        Err(Refusal::Verdict(verdict)) => ended(Err(verdict)).pack(),
        Err(Refusal::LargerThan(largest)) => {
            ended(Err(Verdict::TooBig)).pack() | u64::from(largest) << LARGEST
        }
    }
}

/// Where beside a packed [`Ending`] there is room for what would have fit.
const LARGEST: u32 = 48;

/// What [`translate`] gave. The stack has no room for the answer to a packet too big below that function's own.
#[inline(always)]
fn settled<F: Forward>(frame: &Frame, packet: &Packet<F>, word: u64) -> Ending {
    match (word >> LARGEST) as u32 {
        0 => Ending::unpack(word),
        largest => ended(Err(F::too_big(frame, packet, largest))),
    }
}

/// Why a client's packet does not go on.
enum Refusal {
    Verdict(Verdict),
    /// It is, than the largest that fits the way to its target.
    LargerThan(u16),
}

impl From<Verdict> for Refusal {
    #[inline(always)]
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl From<Outside> for Refusal {
    #[inline(always)]
    fn from(outside: Outside) -> Self {
        Self::Verdict(outside.into())
    }
}

/// A client's packet, on to the target.
#[inline(always)]
fn to_target<F: Forward>(handed: Handed, listener: &Listener) -> Result<Ending, Refusal> {
    let settings = maps::settings();
    let (_, packet) = handed.read::<F>()?;
    let tag = settings.keys.flow(&packet);
    let now = maps::now();
    let known = match known(settings, &packet, tag, now)? {
        Some(known) => known,
        None => open::<F>(handed, settings, listener, tag, now)?,
    };
    let (mut frame, packet) = handed.read::<F>()?;
    let Known { id, target, port, opens } = known;
    let (source, destination) = (F::from_words(target.source), F::from_words(target.destination));
    let ports = ports(Be16::new(port), target_port(target, &packet));
    F::hop(&mut frame, &packet)?;
    rewrite(&mut frame, &packet, source, destination, ports)?;
    frame.link(target.link)?;
    let action = out(frame.ingress(), target.interface)?;
    Ok(Ending { line: target_line(id, Direction::ToTarget), opens, action })
}

/// A target's packet, back to the client.
#[inline(always)]
fn from_target<F: Forward>(handed: Handed, listener: &Listener) -> Result<Ending, Verdict> {
    let (mut frame, packet) = handed.read::<F>()?;
    let port = packet.destination_port().get();
    if port < listener.first_port || port > listener.last_port {
        return Err(Verdict::NotOurs);
    }
    let settings = maps::settings();
    let now = maps::now();
    let back = settings.keys.back::<F>(packet.source, packet.destination, packet.ports, packet.protocol);
    let entry = maps::session(session_index(settings, back)).ok_or(Verdict::BadMap)?;
    let session = entry.get();
    let word = entry.word().load();
    let id = word.target().ok_or(Verdict::NatNoFlow)?;
    if session.tag != back || !word.live(now, &settings.nat_idle) {
        return Err(Verdict::NatNoFlow);
    }
    hops(&packet)?;
    let state = word.state().from_target(packet.tcp_flags);
    if state != word.state() || now != word.seen() {
        let touched = word.touched(now, state);
        entry.word().swap(word, touched);
        touch_flow::<F>(settings, session, packet.protocol, touched);
    }
    let (client, vip) = (F::from_words(session.client), F::from_words(session.vip));
    F::hop(&mut frame, &packet)?;
    rewrite(&mut frame, &packet, vip, client, ports(session.vip_port, session.client_port))?;
    let ingress = frame.ingress();
    let own = if ingress == session.interface {
        frame.mac(DESTINATION_MAC)?
    } else {
        maps::device(session.interface).ok_or(Verdict::NextHopUnresolved)?.mac
    };
    frame.write(DESTINATION_MAC, session.gateway.words())?;
    frame.write(SOURCE_MAC, own.words())?;
    let action = out(ingress, session.interface)?;
    Ok(Ending { line: target_line(id, Direction::FromTarget), opens: false, action })
}

/// The flow, if it lives and its target still serves it.
///
/// A SYN on a closed flow opens a new one: the client reuses its port. A target that is dead, or whose
/// line is gone, is left for the ring's at once.
#[inline(always)]
fn known<F: Forward>(
    settings: &Settings,
    packet: &Packet<F>,
    tag: u64,
    now: Tick,
) -> Result<Option<Known>, Refusal> {
    let Some((entry, word)) = Table::Nat.find(settings, tag, now) else { return Ok(None) };
    let Some(id) = word.target() else { return Ok(None) };
    let target = maps::target(id).ok_or(Verdict::BadMap)?;
    if target.flags & TARGET_SERVES == 0 || packet.opens() && word.state().closed() {
        return Ok(None);
    }
    // A closed flow may have lost its port to another one already.
    if word.state().closed()
        && !session_of(settings, packet, target, word.port()).is_some_and(|at| own(at, packet))
    {
        return Ok(None);
    }
    if target.flags & TARGET_RESOLVED == 0 {
        return Err(Verdict::NextHopUnresolved.into());
    }
    fits(packet, target)?;
    let state = word.state().to_target(packet.tcp_flags);
    if state != word.state() || now != word.seen() {
        entry.word().swap(word, word.touched(now, state));
        touch_session(settings, packet, target, word.port(), now, state);
    }
    Ok(Some(Known { id, target, port: word.port(), opens: false }))
}

/// Makes both entries of a new flow.
#[inline(always)]
fn open<F: Forward>(
    handed: Handed,
    settings: &Settings,
    listener: &Listener,
    tag: u64,
    now: Tick,
) -> Result<Known, Refusal> {
    let (_, packet) = handed.read::<F>()?;
    let (id, target) = select::target(listener, &packet, tag)?;
    fits(&packet, target)?;
    let Claimed { entry, index: _ } = Table::Nat.claim(settings, tag, now).ok_or(Verdict::NatTableFull)?;
    let claimed = claim_session::<F>(handed, settings, target, tag, now);
    let Some((place, word)) = claimed.and_then(|(place, back, port)| {
        let (frame, packet) = handed.read::<F>().ok()?;
        place.fill(Session {
            tag: back,
            word: 0,
            client: F::to_words(packet.source),
            vip: F::to_words(packet.destination),
            client_port: packet.source_port(),
            vip_port: packet.destination_port(),
            interface: frame.ingress(),
            gateway: frame.mac(SOURCE_MAC).ok()?,
        });
        let state = if packet.protocol == UDP { FlowState::NEW_UDP } else { FlowState::NEW_TCP };
        Some((place, FlowWord::new(id, port, now, state.to_target(packet.tcp_flags))))
    }) else {
        entry.word().store(FlowWord::FREE);
        return Err(Verdict::NatPortsExhausted.into());
    };
    place.word().store(word);
    entry.set_tag(tag);
    entry.word().store(word);
    Ok(Known { id, target, port: word.port(), opens: true })
}

/// Whether the packet can go to the target at all. Asked before anything is remembered of it: what is
/// dropped opens, closes and keeps no flow.
#[inline(always)]
fn fits<F: Family>(packet: &Packet<F>, target: &Target) -> Result<(), Refusal> {
    if packet.length > u32::from(target.largest) {
        return Err(Refusal::LargerThan(target.largest));
    }
    Ok(hops(packet)?)
}

#[inline(always)]
fn hops<F: Family>(packet: &Packet<F>) -> Result<(), Verdict> {
    if packet.hop_limit <= 1 { Err(Verdict::HopLimit) } else { Ok(()) }
}

/// Addresses and ports, and the checksums over them.
#[inline(always)]
fn rewrite<F: Forward>(
    frame: &mut Frame,
    packet: &Packet<F>,
    source: F::Address,
    destination: F::Address,
    ports: u32,
) -> Result<(), Verdict> {
    F::readdress(frame, packet, source, destination)?;
    let change = F::change(Change::new(), packet.source, source);
    let change = F::change(change, packet.destination, destination).word(packet.ports, ports);
    frame.write(packet.transport(), ports)?;
    let at = packet.transport() + if packet.protocol == TCP { TCP_CHECKSUM } else { UDP_CHECKSUM };
    let checksum: u16 = frame.read(at).ok_or(Verdict::Truncated)?;
    let checksum = if packet.protocol == TCP { change.apply(checksum) } else { change.apply_udp(checksum) };
    Ok(frame.write(at, checksum)?)
}
