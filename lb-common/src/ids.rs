//! Indices that are not numbers.

/// Index into the targets' map. The daemon's allocator makes one; the kernel reads one out of a slot.
///
/// Zero is nobody, so that zeroed map memory names no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(u32);

impl TargetId {
    /// Ids fit 22 bits: a flow entry holds one beside a port, an age and a state in one word.
    pub const BITS: u32 = 22;
    pub const MAX: u32 = (1 << Self::BITS) - 1;

    /// `None` for zero (nobody) and for what does not fit [`Self::BITS`].
    #[inline(always)]
    pub const fn new(index: u32) -> Option<Self> {
        if index == 0 || index > Self::MAX { None } else { Some(Self(index)) }
    }

    #[inline(always)]
    pub const fn index(self) -> u32 {
        self.0
    }
}
