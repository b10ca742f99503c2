//! The wall clock, read in one place.
//!
//! It is the wall clock throughout, and not the monotonic one, because the kernel stamps captured packets with
//! it and the daemon's status page speaks it: the three can be compared.

use std::time::{Duration, SystemTime};

pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Milliseconds from `earlier` to `later`; negative when `later` came first.
pub fn milliseconds_between(earlier: SystemTime, later: SystemTime) -> f64 {
    match later.duration_since(earlier) {
        Ok(ahead) => ahead.as_secs_f64() * 1e3,
        Err(behind) => -behind.duration().as_secs_f64() * 1e3,
    }
}

/// How long ago `then` was; nothing if the clock says that it is still to come.
pub fn since(then: SystemTime) -> Duration {
    now().duration_since(then).unwrap_or_default()
}
