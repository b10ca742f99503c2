//! Listeners on port ranges: how those of one address and protocol lie to each other.

use std::{collections::BTreeMap, net::IpAddr};

use lb_common::ranges::MOST_RANGES;

use super::OneListener;
use crate::config::{
    checked::{Ports, Protocol},
    faults::{Faults, Span},
};

/// One of them.
struct Range<'a> {
    first: u16,
    last: u16,
    listener: &'a OneListener,
}

pub(super) fn check(listeners: &[OneListener], faults: &mut Faults) {
    for ((address, protocol), ranges) in by_end(listeners) {
        if let Some(beyond) = ranges.get(MOST_RANGES) {
            let message = format!(
                "{address} has {} listeners on port ranges of {protocol}; allowed: {MOST_RANGES}",
                ranges.len()
            );
            faults.report(beyond.listener.at.clone(), message);
            continue;
        }
        for (at, range) in ranges.iter().enumerate() {
            if let Some(crossed) = ranges.iter().take(at).find(|before| crosses(before, range)) {
                report_crossing(range, crossed, faults);
            }
        }
    }
}

/// One for each pair of address and protocol, at its first listener: a list in the maps.
pub(in crate::config::check) fn lists(
    listeners: &[OneListener],
) -> impl Iterator<Item = (u32, &Span)> + Clone {
    let firsts = by_end(listeners).into_values().filter_map(|ranges| Some(&ranges.first()?.listener.at));
    let mut firsts: Vec<&Span> = firsts.collect();
    firsts.sort_by_key(|at| at.start);
    firsts.into_iter().map(|at| (1, at))
}

fn by_end(listeners: &[OneListener]) -> BTreeMap<(IpAddr, Protocol), Vec<Range<'_>>> {
    let mut ranges: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for listener in listeners {
        if let Some((address, Ports::Range { first, last }, protocol)) = listener.end() {
            ranges.entry((address, protocol)).or_default().push(Range { first, last, listener });
        }
    }
    ranges
}

/// A port that two ranges have belongs to the narrower one; where they merely cross nobody could say whose it is.
fn crosses(one: &Range<'_>, other: &Range<'_>) -> bool {
    let (left, right) = if one.first < other.first { (one, other) } else { (other, one) };
    left.first < right.first && right.first <= left.last && left.last < right.last
}

fn report_crossing(range: &Range<'_>, crossed: &Range<'_>, faults: &mut Faults) {
    let message = format!(
        "ports {} to {} of {} cross ports {} to {} of {}; \
            allowed: ranges apart from each other, or one within the other",
        range.first,
        range.last,
        named(range.listener, faults),
        crossed.first,
        crossed.last,
        named(crossed.listener, faults),
    );
    let beside = (&crossed.listener.at, "the other one");
    faults.report_beside(range.listener.at.clone(), beside, message);
}

fn named(listener: &OneListener, faults: &Faults) -> String {
    match &listener.name {
        Ok(name) => format!("listener `{}`", name.value),
        Err(_) => format!("the listener in line {}", faults.line_of(&listener.at)),
    }
}
