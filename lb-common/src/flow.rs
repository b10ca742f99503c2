//! Flow entries: what the kernel remembers of a flow, and when it may forget. `nat` remembers all of its
//! flows; [`crate::track`] those of slots that changed, of which only the client's side is seen.
//!
//! A set of four entries fills one cache line. An entry is a tag, which is the flow's keyed hash of 64
//! bits, and a word that says the rest. Entries are never freed: one that is no longer live is taken.

use crate::{
    ids::TargetId,
    maps::Idle,
    parse::{TCP_FIN, TCP_RST},
};

/// Time, in units of 2^30 ns (1.07 s) of `CLOCK_MONOTONIC`, modulo 2^21 (26 days): what an entry has room
/// for, taken from nanoseconds by a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick(u32);

impl Tick {
    const BITS: u32 = 21;
    const MASK: u32 = (1 << Self::BITS) - 1;
    const SHIFT: u32 = 30;
    /// How much later a tick may be and is still one that was written meanwhile: about a minute, for a sweeper that
    /// has to wait for a processor.
    const AHEAD: u32 = 64;

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self((nanoseconds >> Self::SHIFT) as u32 & Self::MASK)
    }

    /// As [`Self::get`] gave it.
    #[inline(always)]
    pub const fn new(ticks: u32) -> Self {
        Self(ticks & Self::MASK)
    }

    #[inline(always)]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Ticks that pass in a duration, rounded up: nothing is forgotten early.
    #[expect(clippy::cast_possible_truncation, reason = "bounded")]
    pub fn span(duration: core::time::Duration) -> u32 {
        duration.as_nanos().div_ceil(1 << Self::SHIFT).min(u128::from(Self::MASK / 2)) as u32
    }

    /// Ticks from `earlier` to this one; none if it is a little later. Packets go on while a sweep looks through a
    /// table by the clock that it read when it began: whoever spoke meanwhile is not 26 days old.
    #[inline(always)]
    pub const fn since(self, earlier: Self) -> u32 {
        let passed = self.0.wrapping_sub(earlier.0) & Self::MASK;
        if passed > Self::MASK - Self::AHEAD { 0 } else { passed }
    }
}

/// What became of the flow so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FlowState(u8);

impl FlowState {
    pub const NEW_TCP: Self = Self(0);
    pub const NEW_UDP: Self = Self(Self::UDP);
    const FIN_TO_TARGET: u8 = 1;
    const FIN_FROM_TARGET: u8 = 2;
    const RESET: u8 = 4;
    const REPLIED: u8 = 8;
    const UDP: u8 = 16;
    const CLOSED: u8 = Self::FIN_TO_TARGET | Self::FIN_FROM_TARGET;

    /// After a packet from the client with these TCP flags.
    #[inline(always)]
    pub const fn to_target(self, tcp_flags: u8) -> Self {
        self.after(tcp_flags, Self::FIN_TO_TARGET)
    }

    /// After a packet from the target with these TCP flags.
    #[inline(always)]
    pub const fn from_target(self, tcp_flags: u8) -> Self {
        Self(self.after(tcp_flags, Self::FIN_FROM_TARGET).0 | Self::REPLIED)
    }

    #[inline(always)]
    const fn after(self, tcp_flags: u8, fin: u8) -> Self {
        let fin = if tcp_flags & TCP_FIN != 0 { fin } else { 0 };
        let reset = if tcp_flags & TCP_RST != 0 { Self::RESET } else { 0 };
        Self(self.0 | fin | reset)
    }

    /// The same where no packet of the target is ever seen: the client's FIN stands for both, and its second
    /// packet for an answer.
    #[inline(always)]
    pub const fn tracked(self, tcp_flags: u8) -> Self {
        let fin = if tcp_flags & TCP_FIN != 0 { Self::FIN_FROM_TARGET } else { 0 };
        Self(self.to_target(tcp_flags).0 | fin | Self::REPLIED)
    }

    /// What either of the flow's two entries has seen.
    #[inline(always)]
    pub const fn merged(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Both sides sent FIN, or one sent RST: what still comes is the end of it.
    #[inline(always)]
    pub const fn closed(self) -> bool {
        self.0 & Self::RESET != 0 || self.0 & Self::CLOSED == Self::CLOSED
    }

    /// How long the flow may be silent, in ticks.
    #[inline(always)]
    pub const fn patience(self, idle: &Idle) -> u32 {
        if self.closed() {
            idle.closed
        } else if self.0 & Self::REPLIED == 0 {
            idle.opening
        } else if self.0 & Self::UDP != 0 {
            idle.udp
        } else {
            idle.tcp
        }
    }
}

/// Bits 0..22 the target, 22..38 `nat`'s port or a tracked flow's [`slot_mark`], 38..59 the tick it was last
/// seen in, 59..64 its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FlowWord(u64);

impl FlowWord {
    const PORT: u32 = TargetId::BITS;
    const SEEN: u32 = Self::PORT + 16;
    const STATE: u32 = Self::SEEN + Tick::BITS;

    /// Fresh map memory: nobody's.
    pub const FREE: Self = Self(0);

    #[inline(always)]
    pub const fn new(target: TargetId, port: u16, seen: Tick, state: FlowState) -> Self {
        Self(
            target.index() as u64
                | (port as u64) << Self::PORT
                | (seen.0 as u64) << Self::SEEN
                | (state.0 as u64) << Self::STATE,
        )
    }

    /// Somebody is writing the entry. It names no target, so no packet follows it.
    #[inline(always)]
    pub const fn claimed(now: Tick) -> Self {
        Self((now.0 as u64) << Self::SEEN | (FlowState::REPLIED as u64) << Self::STATE)
    }

    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// `None` for a free entry, and for one that is being written.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    pub const fn target(self) -> Option<TargetId> {
        TargetId::new((self.0 & TargetId::MAX as u64) as u32)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "16 bits are meant")]
    pub const fn port(self) -> u16 {
        (self.0 >> Self::PORT) as u16
    }

    #[inline(always)]
    pub const fn seen(self) -> Tick {
        Tick((self.0 >> Self::SEEN) as u32 & Tick::MASK)
    }

    #[inline(always)]
    pub const fn state(self) -> FlowState {
        FlowState((self.0 >> Self::STATE) as u8)
    }

    /// The same flow, seen now, in a new state.
    #[inline(always)]
    pub const fn touched(self, now: Tick, state: FlowState) -> Self {
        Self(
            self.0 & ((1 << Self::SEEN) - 1) | (now.0 as u64) << Self::SEEN | (state.0 as u64) << Self::STATE,
        )
    }

    /// Whether the flow may still speak: its entry and its port are its own.
    #[inline(always)]
    pub const fn live(self, now: Tick, idle: &Idle) -> bool {
        self.0 != 0 && now.since(self.seen()) <= self.state().patience(idle)
    }

    /// How ready the entry is to be taken by another flow; `None` while a live flow has it.
    ///
    /// A closed flow's entry lingers, so that the end of the flow still finds its way, but it is given
    /// up, the one that closed longest ago first, before a new flow is refused.
    #[inline(always)]
    pub const fn readiness(self, now: Tick, idle: &Idle) -> Option<u32> {
        if !self.live(now, idle) {
            Some(u32::MAX)
        } else if self.state().closed() {
            Some(now.since(self.seen()))
        } else {
            None
        }
    }
}

/// What a tracked flow's entry says of its slot: the low 16 bits of the slot's place in its ring. Of slots that
/// share them all are kept as if the flow were theirs.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "16 bits are meant")]
pub const fn slot_mark(place: u32) -> u16 {
    place as u16
}
