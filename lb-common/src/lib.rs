//! What the kernel programs and the daemon agree on, and the pure functions that both call.
#![no_std]
