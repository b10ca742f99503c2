//! Entries of the neighbour table: found, lost, kept, left alone.

use super::{
    super::{solicit::Keeping, *},
    lab::{Lab, ip, lab, lab_after},
};
use crate::event::{NextHop, NoRoute};

#[test]
fn one_that_answers_late_is_found() {
    lab(async |mut lab: Lab| {
        let e0 = lab.by("e0");
        lab.want(&["10.0.0.77"]);
        assert_eq!(lab.told().await, (ip("10.0.0.77"), Err(NoRoute::Unresolved(ip("10.0.0.77")))));
        lab.ip("peer: address add 10.0.0.77/24 dev n0");
        lab.until("10.0.0.77", e0).await;
    });
}

#[test]
fn one_that_is_lost_is_told_at_once_and_asked_for_again() {
    lab(async |mut lab: Lab| {
        let e0 = lab.by("e0");
        lab.want(&["10.0.0.2"]);
        lab.until("10.0.0.2", e0.clone()).await;
        lab.ip("edge: neighbour del 10.0.0.2 dev e0");
        assert_eq!(lab.told().await.1, Err(NoRoute::Unresolved(ip("10.0.0.2"))));
        assert_eq!(lab.told().await.1, e0);
    });
}

#[test]
fn a_permanent_neighbour_is_left_as_it_is() {
    lab(async |mut lab: Lab| {
        lab.ip("edge: neighbour add 10.0.0.99 lladdr 02:00:00:00:00:99 dev e0 nud permanent");
        let e0 = lab.by("e0").unwrap();
        lab.want(&["10.0.0.99", "10.0.0.2"]);
        lab.until("10.0.0.99", Ok(NextHop { gateway_mac: [2, 0, 0, 0, 0, 0x99], ..e0 })).await;
        lab.want(&["10.0.0.2"]);
        lab.until("10.0.0.2", Ok(e0)).await;
        let entry = lab.ip("edge: neighbour show 10.0.0.99 dev e0");
        assert!(entry.contains("PERMANENT") && !entry.contains("managed"), "{entry}");
    });
}

#[test]
fn a_neighbour_of_a_routing_daemon_is_left_to_it() {
    lab(async |mut lab: Lab| {
        lab.ip("edge: neighbour add 10.0.0.99 lladdr 02:00:00:00:00:99 dev e0 extern_learn");
        let e0 = lab.by("e0").unwrap();
        lab.want(&["10.0.0.99", "10.0.0.2"]);
        lab.until("10.0.0.99", Ok(NextHop { gateway_mac: [2, 0, 0, 0, 0, 0x99], ..e0 })).await;
        lab.until("10.0.0.2", Ok(e0)).await;
        let entry = lab.ip("edge: neighbour show 10.0.0.99 dev e0");
        assert!(entry.contains("extern_learn") && !entry.contains("managed"), "{entry}");
    });
}

/// What time does to an entry that nothing uses. By hand it also ends being managed.
fn make_stale(lab: &Lab) {
    lab.sysctl("edge", "ipv4/neigh/e0/delay_first_probe_time", "1");
    lab.ip("edge: neighbour change 10.0.0.2 lladdr 02:00:00:00:00:02 dev e0 nud stale");
}

async fn until_shown(lab: &Lab, address: &str, matches: impl Fn(&str) -> bool) {
    let started = Instant::now();
    loop {
        let entry = lab.ip(&format!("edge: neighbour show {address}"));
        if matches(&entry) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(15), "{entry}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn the_kernel_keeps_what_is_wanted_and_only_that() {
    lab(async |mut lab: Lab| {
        let e0 = lab.via("e0", "10.0.0.2");
        lab.want(&["10.9.0.1", "10.9.0.2"]);
        lab.until("10.9.0.2", e0).await;
        until_shown(&lab, "10.0.0.2", |entry| entry.contains("managed")).await;
        make_stale(&lab);
        until_shown(&lab, "10.0.0.2", |entry| entry.contains("managed REACHABLE")).await;
        lab.want(&[]);
        until_shown(&lab, "10.0.0.2", |entry| !entry.contains("managed")).await;
    });
}

#[test]
fn without_a_managing_kernel_use_keeps_it_fresh() {
    let by_use = |neighbours: &mut Neighbours| neighbours.table.solicitor.keeping = Keeping::ByUse;
    lab_after(by_use, async |mut lab: Lab| {
        let e0 = lab.via("e0", "10.0.0.2");
        lab.want(&["10.9.0.1"]);
        lab.until("10.9.0.1", e0).await;
        make_stale(&lab);
        until_shown(&lab, "10.0.0.2", |entry| entry.contains("REACHABLE")).await;
        assert!(!lab.ip("edge: neighbour show 10.0.0.2").contains("managed"));
    });
}
