//! Port ranges against a plain search.

use lb_common::{
    maps::{KIND_SERVICE, Listener},
    ranges::{MOST_RANGES, PortRanges},
};
use proptest::prelude::*;

/// Its ring tells it from others.
fn listener(ring: u32, first_port: u16, last_port: u16) -> Listener {
    Listener { kind: KIND_SERVICE, ring, slots: 1, first_port, last_port, ..Listener::NOTHING }
}

fn found(ranges: &PortRanges, port: u16) -> Option<u32> {
    ranges
        .listeners
        .get(ranges.owner(port))
        .filter(|listener| listener.kind != 0)
        .map(|listener| listener.ring)
}

/// The narrowest range that contains the port, else the one on every port.
fn expected(every: Option<Listener>, ranges: &[Listener], port: u16) -> Option<u32> {
    let mut best = every.map(|listener| (u32::from(u16::MAX) + 1, listener.ring));
    for range in ranges {
        let width = u32::from(range.last_port) - u32::from(range.first_port);
        if range.first_port <= port && port <= range.last_port && best.is_none_or(|(best, _)| width < best) {
            best = Some((width, range.ring));
        }
    }
    best.map(|(_, ring)| ring)
}

#[test]
fn the_narrowest_range_has_the_port_and_the_ends_belong_to_it() {
    let every = listener(9, 0, 0);
    let ranges = [
        listener(1, 1000, 1999),
        listener(2, 1200, 1300),
        listener(3, 1250, 1250),
        listener(4, 65_000, 65_535),
    ];
    let list = PortRanges::of(7, Some(every), &ranges).unwrap();
    for (port, ring) in [
        (0, 9),
        (999, 9),
        (1000, 1),
        (1199, 1),
        (1200, 2),
        (1249, 2),
        (1250, 3),
        (1251, 2),
        (1300, 2),
        (1301, 1),
        (1999, 1),
        (2000, 9),
        (64_999, 9),
        (65_000, 4),
        (65_535, 4),
    ] {
        assert_eq!(found(&list, port), Some(ring), "port {port}");
    }
}

#[test]
fn without_a_listener_on_every_port_the_gaps_are_nobodys() {
    let list = PortRanges::of(7, None, &[listener(1, 0, 10), listener(2, 12, 65_535)]).unwrap();
    assert_eq!(
        [0, 10, 11, 12, u16::MAX].map(|port| found(&list, port)),
        [Some(1), Some(1), None, Some(2), Some(2)]
    );
}

#[test]
fn a_list_takes_so_many_ranges_and_no_more() {
    let many = |count: usize| (0..count).map(|at| u16::try_from(at * 100).unwrap()).collect::<Vec<_>>();
    let ranges = |count| {
        many(count).into_iter().map(|first| listener(first.into(), first, first + 49)).collect::<Vec<_>>()
    };
    let list = PortRanges::of(7, None, &ranges(MOST_RANGES)).unwrap();
    for first in many(MOST_RANGES) {
        assert_eq!(
            [first, first + 49, first + 50].map(|port| found(&list, port)),
            [Some(first.into()), Some(first.into()), None]
        );
    }
    assert!(PortRanges::of(7, None, &ranges(MOST_RANGES + 1)).is_none());
}

/// Ranges of which no two overlap unless one lies within the other: what does not fit is left out.
fn nested() -> impl Strategy<Value = Vec<Listener>> {
    let cut = prop_oneof![(any::<u16>(), any::<u16>()), (0_u16..300, 0_u16..300)];
    prop::collection::vec(cut, 0..=MOST_RANGES).prop_map(|cuts| {
        let mut ranges: Vec<Listener> = Vec::new();
        for (ring, (one, other)) in (1..).zip(cuts) {
            let (first, last) = (one.min(other), one.max(other));
            let fits = |range: &Listener| {
                let (begin, end) = (range.first_port, range.last_port);
                last < begin
                    || end < first
                    || (begin <= first && last <= end) != (first <= begin && end <= last)
            };
            if ranges.iter().all(fits) {
                ranges.push(listener(ring, first, last));
            }
        }
        ranges
    })
}

proptest! {
    #[test]
    fn the_list_finds_what_a_plain_search_finds(
        every in any::<bool>(), ranges in nested(), ports in prop::collection::vec(any::<u16>(), 50),
    ) {
        let every = every.then(|| listener(999, 0, 0));
        let list = PortRanges::of(1, every, &ranges).unwrap();
        let ends = ranges.iter().flat_map(|range| [range.first_port, range.last_port]);
        let near = ends.flat_map(|end| [end.saturating_sub(1), end, end.saturating_add(1)]);
        for port in near.chain(ports) {
            prop_assert_eq!(found(&list, port), expected(every, &ranges, port), "port {}", port);
        }
        let (kept, kept_ranges) = list.parts();
        prop_assert_eq!(kept, every.as_ref());
        prop_assert_eq!(kept_ranges.copied().collect::<Vec<_>>(), ranges);
    }
}
