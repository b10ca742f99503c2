//! Numbers in network byte order, as aligned words.
//!
//! `zerocopy::big_endian` types have alignment 1, which the BPF target compiles to one load a byte;
//! these keep the natural alignment of the number they hold, so a map value of them is read in words.
#![expect(clippy::disallowed_methods, reason = "this is the one place where byte order is converted")]

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A 16-bit number in network byte order.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Be16(u16);

impl Be16 {
    #[inline(always)]
    pub const fn new(native: u16) -> Self {
        Self(native.to_be())
    }

    #[inline(always)]
    pub const fn get(self) -> u16 {
        u16::from_be(self.0)
    }

    /// The two bytes as they stand in memory, read as a native number: what checksums and hashes eat.
    #[inline(always)]
    pub const fn raw(self) -> u16 {
        self.0
    }

    #[inline(always)]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }
}

/// A 32-bit number in network byte order.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
pub struct Be32(u32);

impl Be32 {
    #[inline(always)]
    pub const fn new(native: u32) -> Self {
        Self(native.to_be())
    }

    #[inline(always)]
    pub const fn get(self) -> u32 {
        u32::from_be(self.0)
    }

    /// The four bytes as they stand in memory, read as a native number: what checksums and hashes eat.
    #[inline(always)]
    pub const fn raw(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }
}

impl core::fmt::Debug for Be16 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.get().fmt(f)
    }
}

impl core::fmt::Debug for Be32 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#010x}", self.get())
    }
}
