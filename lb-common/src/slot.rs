//! A slot of a ring: eight bytes, written and read as one word.

use crate::ids::TargetId;

/// What the kernel does with a packet of this slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SlotState {
    /// The current target answers for every flow of the slot.
    Steady = 0,
    /// The slot changed a short while ago: flows older than the change belong to the former target.
    Learning = 1,
    /// Learning is over; recorded flows still live on the former target.
    Pinned = 2,
}

/// Bits 0..30 the current target, 30..60 the former one or zero, 60..62 the state, 62..64 zero.
///
/// All zero, as fresh map memory is, means a slot of nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
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

    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub const fn current(self) -> Option<TargetId> {
        TargetId::new((self.0 & Self::TARGET) as u32)
    }

    #[inline(always)]
    pub const fn former(self) -> Option<TargetId> {
        TargetId::new(((self.0 >> Self::FORMER) & Self::TARGET) as u32)
    }

    /// `None` for a state that this version does not write.
    #[inline(always)]
    pub const fn state(self) -> Option<SlotState> {
        match self.0 >> Self::STATE {
            0 => Some(SlotState::Steady),
            1 => Some(SlotState::Learning),
            2 => Some(SlotState::Pinned),
            _ => None,
        }
    }
}
