//! An array map in the daemon's own memory: written word by word, without a system call each.
#![expect(unsafe_code, reason = "memory that the kernel shares; every access is an atomic word inside it")]

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    sync::atomic::{AtomicU64, Ordering},
};

use aya::maps::MapData;
use memmap2::{MmapOptions, MmapRaw};

/// A map of type `BPF_MAP_TYPE_ARRAY` with `BPF_F_MMAPABLE` (kernel 5.5), seen as words of eight bytes.
///
#[derive(Debug)]
pub(super) struct Mapped {
    memory: MmapRaw,
    words: usize,
    /// Open until the program that uses it is loaded, and after.
    _map: MapData,
}

impl Mapped {
    /// Maps `elements` elements of `size` bytes, a multiple of eight.
    pub(super) fn new(map: MapData, elements: usize, size: usize) -> io::Result<Self> {
        let bytes = elements * size;
        let memory = MmapOptions::new().len(bytes).map_raw(map.fd().as_fd().as_raw_fd())?;
        Ok(Self { memory, words: bytes / 8, _map: map })
    }

    pub(super) fn load(&self, word: usize) -> u64 {
        // Acquire: what a program wrote before this word is seen after it.
        self.word(word).load(Ordering::Acquire)
    }

    pub(super) fn store(&self, word: usize, value: u64) {
        // Release: the words stored before this one are seen by whoever sees this one.
        self.word(word).store(value, Ordering::Release);
    }

    /// Stores `new` unless somebody changed `old` meanwhile.
    pub(super) fn swap(&self, word: usize, old: u64, new: u64) {
        // Whoever was first is right.
        let _: Result<u64, u64> =
            self.word(word).compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed);
    }

    pub(super) const fn words(&self) -> usize {
        self.words
    }

    fn word(&self, word: usize) -> &AtomicU64 {
        assert!(word < self.words, "word {word} of {}", self.words);
        // SAFETY: inside the mapping, by the assertion; the mapping starts on a page.
        let place = unsafe { self.memory.as_mut_ptr().cast::<u64>().add(word) };
        // SAFETY: valid and aligned as long as `self` lives; the daemon only makes atomic accesses to it.
        unsafe { AtomicU64::from_ptr(place) }
    }
}
