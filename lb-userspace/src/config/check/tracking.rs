//! `[tracking]`: what is remembered of flows in slots that changed.

use std::{ops::RangeInclusive, time::Duration};

use super::values::exact;
use crate::config::{
    checked::Tracking,
    faults::{Checked, Faults, Placed},
    raw::{RawDuration, RawTracking},
    read::Field,
};

/// How long a first SYN is remembered, in seconds: within it a flood must not fill the table by more than a half.
const OPENING: u32 = 30;

pub(super) fn check(raw: Option<RawTracking>, faults: &mut Faults) -> Checked<Tracking> {
    let Some(raw) = raw else { return Ok(defaults(1 << 20)) };
    let RawTracking {
        flows,
        new_flows_per_second,
        learning_window,
        udp_learning_window,
        tcp_idle_timeout,
        udp_idle_timeout,
    } = raw;
    let flows = check_flows(flows, faults);
    let usual = defaults(*flows.as_ref().unwrap_or(&(1 << 20)));
    let (seconds, day) = (Duration::from_secs, Duration::from_secs(86_400));
    let rate = new_flows_per_second.within_or(1..=u32::MAX, usual.new_flows_per_second, faults);
    let learning_window = learning_window.within_or(seconds(1)..=day, usual.learning_window, faults);
    let udp_learning_window =
        udp_learning_window.within_or(seconds(0)..=day, usual.udp_learning_window, faults);
    let tcp_idle_timeout =
        remembers(tcp_idle_timeout, seconds(10), usual.tcp_idle_timeout, &learning_window, faults);
    let udp_idle_timeout =
        remembers(udp_idle_timeout, seconds(1), usual.udp_idle_timeout, &udp_learning_window, faults);
    Ok(Tracking {
        flows: flows?,
        new_flows_per_second: rate?.value,
        learning_window: learning_window?.value,
        udp_learning_window: udp_learning_window?.value,
        tcp_idle_timeout: tcp_idle_timeout?.value,
        udp_idle_timeout: udp_idle_timeout?.value,
    })
}

/// An idle timeout. At least as long as the window: were a record forgotten while its slot still learns, its flow would be
/// taken for one that is older than the change, and sent to the former target.
fn remembers(
    raw: Field<Placed<RawDuration>>,
    least: Duration,
    usual: Duration,
    window: &Checked<Placed<Duration>>,
    faults: &mut Faults,
) -> Checked<Placed<Duration>> {
    let day = Duration::from_secs(86_400);
    // A window that was refused measures nothing.
    let Ok(window) = window else { return raw.within_or(least..=day, usual, faults) };
    let timeout = raw.within_or(least..=day, usual.max(window.value), faults)?;
    if timeout.value >= window.value {
        return Ok(timeout);
    }
    let message = format!(
        "`{}` is {}, less than `{}`, which is {}; allowed: as long as the window, to 86400s",
        timeout.key,
        exact(timeout.value),
        window.key,
        exact(window.value)
    );
    faults.refuse(timeout.at, message)
}

/// The NLB's idle timeouts; and its own for a table of `flows`.
const fn defaults(flows: u32) -> Tracking {
    Tracking {
        flows,
        new_flows_per_second: flows / 2 / OPENING,
        learning_window: Duration::from_secs(350),
        udp_learning_window: Duration::from_secs(10),
        tcp_idle_timeout: Duration::from_secs(350),
        udp_idle_timeout: Duration::from_secs(120),
    }
}

/// The size of a table of flows.
pub(super) fn check_flows(raw: Field<Placed<i64>>, faults: &mut Faults) -> Checked<u32> {
    const RANGE: RangeInclusive<u32> = 1024..=1 << 26;
    let Some(flows) = raw.found? else { return Ok(1 << 20) };
    match u32::try_from(flows.value) {
        Ok(count) if RANGE.contains(&count) && count.is_power_of_two() => Ok(count),
        Ok(_) | Err(_) => {
            let (least, most) = RANGE.into_inner();
            flows.refuse(format_args!("a power of two, {least} to {most}"), faults)
        }
    }
}
