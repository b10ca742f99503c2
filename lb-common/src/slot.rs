//! A slot of a ring: eight bytes, written and read as one word.

use crate::ids::TargetId;

/// What the kernel does with a packet of this slot; [`crate::track`] has the rules.
///
/// ```text
///             another target                  UDP window over
///   Steady ------------------> Learning ----------------------------> LearningTcp
///     ^                          ^   another target                        |
///     | no record differs        |                                        | window over
///     | from the ring            +------------------- Pinned <------------+
///     +----------------------------------------------- |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SlotState {
    /// The current target answers for every flow of the slot.
    Steady = 0,
    /// The slot changed a short while ago: flows older than the change belong to the former target.
    Learning = 1,
    /// Learning is over; recorded flows still live on the former target.
    Pinned = 2,
    /// Of TCP, the slot still learns. UDP has no SYN to tell new flows from old, so its window is shorter: what
    /// spoke in it is recorded, and what did not is new.
    LearningTcp = 3,
}

/// Zero for nobody.
const fn number(target: Option<TargetId>) -> u64 {
    match target {
        Some(target) => target.index() as u64,
        None => 0,
    }
}

/// Bits 0..30 the current target, 30..60 the former one or zero, 60..62 the state, 62..64 zero.
///
/// All zero, as fresh map memory is, means a slot of nobody. A steady slot's word is its target's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Slot(u64);

impl Slot {
    const TARGET: u64 = (1 << 30) - 1;
    const FORMER: u32 = 30;
    const STATE: u32 = 60;

    pub const EMPTY: Self = Self(0);

    pub const fn steady(current: TargetId) -> Self {
        Self(current.index() as u64)
    }

    /// `former` only while the slot learns: afterwards, records alone say whose a flow is.
    pub const fn new(state: SlotState, current: Option<TargetId>, former: Option<TargetId>) -> Self {
        Self(number(current) | number(former) << Self::FORMER | (state as u64) << Self::STATE)
    }

    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// Neither a state nor a former target: the word is the current one's number, or nobody's.
    #[inline(always)]
    pub const fn is_steady(self) -> bool {
        self.0 <= Self::TARGET
    }

    #[inline(always)]
    pub const fn current(self) -> Option<TargetId> {
        TargetId::new((self.0 & Self::TARGET) as u32)
    }

    #[inline(always)]
    pub const fn former(self) -> Option<TargetId> {
        TargetId::new(((self.0 >> Self::FORMER) & Self::TARGET) as u32)
    }

    #[inline(always)]
    pub const fn state(self) -> SlotState {
        match (self.0 >> Self::STATE) & 3 {
            0 => SlotState::Steady,
            1 => SlotState::Learning,
            2 => SlotState::Pinned,
            _ => SlotState::LearningTcp,
        }
    }
}
