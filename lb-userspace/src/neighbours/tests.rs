//! The whole task against the kernel, in namespaces. These need root, and fail without.

mod entries;
mod lab;

use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::sys::AsyncSocket as _;

use self::lab::{Lab, ip, lab, lab_after};
use super::*;
use crate::event::{NextHop, NoRoute};

#[test]
fn next_hops_are_found_in_both_families() {
    lab(async |mut lab: Lab| {
        let (e0, e1) = (lab.by("e0"), lab.by("e1"));
        let (via_v4, via_v6) = (lab.via("e0", "10.0.0.2"), lab.via("e0", "fd00:0::2"));
        lab.want(&["10.0.0.3", "10.9.0.1", "10.1.0.2", "fd00:0::2", "fd00:9::1", "fd00:1::2"]);
        let mut expected: Vec<_> = [
            ("10.0.0.3", &e0),
            ("10.9.0.1", &via_v4),
            ("10.1.0.2", &e1),
            ("fd00:0::2", &e0),
            ("fd00:9::1", &via_v6),
            ("fd00:1::2", &e1),
        ]
        .map(|(address, route)| (ip(address), route.clone()))
        .into();
        while !expected.is_empty() {
            let told = lab.told().await;
            if told.1.is_ok() {
                let place = expected.iter().position(|one| *one == told).expect("told once, and as expected");
                expected.swap_remove(place).1.unwrap();
            }
        }
    });
}

#[test]
fn an_ipv4_route_by_an_ipv6_gateway_is_followed() {
    lab(async |mut lab: Lab| {
        let e1 = lab.via("e1", "fd00:1::2");
        lab.ip("edge: route replace 10.9.0.0/24 via inet6 fd00:1::2 dev e1");
        lab.want(&["10.9.0.1"]);
        lab.until("10.9.0.1", e1).await;
    });
}

#[test]
fn what_has_no_next_hop_says_why() {
    lab(async |mut lab: Lab| {
        lab.ip("
edge: route add unreachable 10.8.1.0/24
edge: route add blackhole 10.8.2.0/24
edge: route add prohibit 10.8.3.0/24
edge: -6 route add unreachable fd00:8::/64
edge: -6 route add blackhole fd00:88::/64");
        let unreachable =
            ["10.7.0.1", "10.8.1.1", "10.8.2.1", "10.8.3.1", "fd00:7::1", "fd00:8::1", "fd00:88::1"];
        let broadcast = "10.0.0.255";
        let local = ["10.0.0.1", "fd00:0::1", "127.0.0.1"];
        let foreign = "10.2.0.2";
        lab.want(&[&unreachable[..], &local, &[foreign, broadcast]].concat());
        for _ in 0..unreachable.len() + local.len() + 2 {
            let (address, route) = lab.told().await;
            let expected = if local.iter().any(|text| ip(text) == address) {
                NoRoute::Local(address)
            } else if address == ip(foreign) {
                NoRoute::ForeignInterface("foreign".into())
            } else {
                NoRoute::Unreachable(address)
            };
            assert_eq!(route, Err(expected));
        }
    });
}

#[test]
fn a_route_that_moves_moves_the_next_hop() {
    lab(async |mut lab: Lab| {
        let (e0, e1) = (lab.via("e0", "10.0.0.2"), lab.via("e1", "10.1.0.2"));
        lab.want(&["10.9.0.1", "fd00:9::1"]);
        lab.until("10.9.0.1", e0.clone()).await;
        lab.ip("edge: route replace 10.9.0.0/24 via 10.1.0.2");
        lab.until("10.9.0.1", e1).await;
        lab.ip("edge: route replace fd00:9::/64 via fd00:1::2");
        lab.until("fd00:9::1", lab.via("e1", "fd00:1::2")).await;
        lab.ip("edge: route del 10.9.0.0/24");
        lab.until("10.9.0.1", Err(NoRoute::Unreachable(ip("10.9.0.1")))).await;
        // A rule that leads to another table.
        lab.ip("
edge: route add 10.9.0.0/24 via 10.0.0.2 table 77
edge: rule add to 10.9.0.0/24 lookup 77");
        lab.until("10.9.0.1", e0).await;
    });
}

#[test]
fn the_mtu_is_of_the_route_and_then_of_the_link() {
    lab(async |mut lab: Lab| {
        let e0 = lab.via("e0", "10.0.0.2").unwrap();
        lab.want(&["10.9.0.1"]);
        lab.until("10.9.0.1", Ok(e0)).await;
        lab.ip("edge: route replace 10.9.0.0/24 via 10.0.0.2 mtu 1400");
        lab.until("10.9.0.1", Ok(NextHop { mtu: 1400, ..e0 })).await;
        lab.ip("
edge: link set e0 mtu 1300");
        lab.until("10.9.0.1", Ok(NextHop { mtu: 1300, ..e0 })).await;
    });
}

#[test]
fn a_new_mac_is_followed_on_both_ends() {
    lab(async |mut lab: Lab| {
        let e0 = lab.via("e0", "10.0.0.2").unwrap();
        lab.want(&["10.9.0.1"]);
        lab.until("10.9.0.1", Ok(e0)).await;
        lab.sysctl("peer", "ipv4/conf/n0/arp_notify", "1");
        lab.ip("peer: link set n0 address 02:00:00:00:00:aa");
        let moved = NextHop { gateway_mac: [2, 0, 0, 0, 0, 0xaa], ..e0 };
        lab.until("10.9.0.1", Ok(moved)).await;
        lab.ip("edge: link set e0 address 02:00:00:00:00:bb");
        lab.until("10.9.0.1", Ok(NextHop { own_mac: [2, 0, 0, 0, 0, 0xbb], ..moved })).await;
    });
}

#[test]
fn a_link_that_fails_takes_its_next_hops_and_brings_them_back() {
    lab(async |mut lab: Lab| {
        let e0 = lab.by("e0");
        lab.want(&["10.0.0.2"]);
        lab.until("10.0.0.2", e0.clone()).await;
        lab.ip("edge: link set e0 down");
        lab.until("10.0.0.2", Err(NoRoute::Unreachable(ip("10.0.0.2")))).await;
        lab.ip("edge: link set e0 up");
        lab.until("10.0.0.2", e0.clone()).await;
        // The cable: the route stays.
        lab.ip("peer: link set n0 down");
        lab.until("10.0.0.2", Err(NoRoute::Unresolved(ip("10.0.0.2")))).await;
        lab.ip("peer: link set n0 up");
        lab.until("10.0.0.2", e0).await;
    });
}

#[test]
fn it_ends_when_nobody_wants_or_nobody_listens() {
    lab(async |lab: Lab| {
        drop(lab.wanted);
        lab.task.await.unwrap();
    });
    lab(async |lab: Lab| {
        drop(lab.events);
        lab.task.await.unwrap();
    });
}

#[test]
fn a_change_that_no_message_told_is_found_by_the_resync() {
    // Deaf from the start: only the timer is left.
    let deaf = |neighbours: &mut Neighbours| neighbours.listening = Listening::open(&[]).unwrap();
    lab_after(deaf, async |mut lab: Lab| {
        lab.want(&["10.2.0.2"]);
        assert!(matches!(lab.told().await.1, Err(NoRoute::ForeignInterface(_))));
        lab.ip("edge: route del 10.2.0.0/24");
        // What is wanted is asked for whole: the timer's way, without its half minute.
        lab.want(&["10.2.0.2"]);
        lab.until("10.2.0.2", Err(NoRoute::Unreachable(ip("10.2.0.2")))).await;
    });
}

#[test]
fn lost_messages_are_made_up_for() {
    let little_room = |neighbours: &mut Neighbours| {
        let socket = neighbours.listening.socket.socket_ref();
        setsockopt(socket, sockopt::RcvBuf, &0).unwrap();
    };
    lab_after(little_room, async |mut lab: Lab| {
        let (e0, e1) = (lab.via("e0", "10.0.0.2"), lab.via("e1", "10.1.0.2"));
        lab.want(&["10.9.0.1", "10.1.0.2"]);
        lab.until("10.9.0.1", e0).await;
        // The task has no turn meanwhile, so the last message finds no room.
        let many: String =
            (0..50).map(|n| format!("edge: route add 10.100.{n}.0/24 via 10.0.0.2\n")).collect();
        lab.ip(&many);
        lab.ip("edge: route replace 10.9.0.0/24 via 10.1.0.2");
        assert!(lab.messages_lost() > 0);
        lab.until("10.9.0.1", e1).await;
    });
}

/// What ten thousand addresses cost: prints how long the first answers and a route's change take.
#[test]
#[ignore = "a measurement; run it in release mode by its name"]
fn cost_of_ten_thousand_addresses() {
    lab(async |mut lab: Lab| {
        let (e0, e1) = (lab.via("e0", "10.0.0.2"), lab.via("e1", "10.1.0.2"));
        lab.ip("
edge: route add 10.16.0.0/16 via 10.0.0.2
edge: route add default via 10.1.0.2");
        lab.want(&["10.0.0.2", "10.1.0.2"]);
        lab.until("10.0.0.2", lab.by("e0")).await;
        let addresses: Vec<String> =
            (0..10_000_u32).map(|n| format!("10.16.{}.{}", n / 250, n % 250)).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        for (what, change, expected) in
            [("first known", "", &e0), ("moved to another gateway", "edge: route del 10.16.0.0/16", &e1)]
        {
            // The rest after the resync before is over.
            sleep(Duration::from_secs(1)).await;
            lab.ip(change);
            let started = Instant::now();
            lab.want(&addresses);
            let mut left = addresses.len();
            while left > 0 {
                left -= usize::from(lab.told().await.1 == *expected);
            }
            println!("10,000 addresses {what} in {:?}", started.elapsed());
        }
    });
}
