//! Port ranges: what one is, and how those of one address lie to each other.

use std::fmt::Write as _;

use super::{SMALL, accepted, changed, each_is_accepted, each_is_refused, edited, faults};
use crate::config::checked::{Config, Ports};

/// `SMALL`, and behind it a listener for each of these ports of the same address; eight lines each, from 22 on.
fn beside(protocol: &str, ports: &[&str]) -> String {
    let mut text = SMALL.to_owned();
    for (number, ports) in (0..).zip(ports) {
        write!(
            text,
            "\n[[listener]]\nname = \"l{number}\"\naddress = \"198.51.100.10\"\nport = {ports}\n\
            protocol = \"{protocol}\"\ntarget_group = \"trainers\"\n\n"
        )
        .unwrap();
    }
    text
}

fn ports(config: &Config) -> Vec<Ports> {
    config.listeners.values().map(|listener| listener.ports).collect()
}

#[test]
fn a_range_is_two_ports_and_those_between() {
    let range = |text: &str| {
        format!(
            "`listener.port` is `{text}`; allowed: 1 to 65535, a range such as `29400-29499`, or 0 for every port"
        )
    };
    for written in [
        "", "-", "80", "80-", "-80", "80-80", "81-80", "0-80", "80-65536", "+80-81", "80 - 81", "80-81-82",
        "a-b",
    ] {
        each_is_refused(
            SMALL,
            "80\nprotocol",
            "11:8",
            &[(&format!("\"{written}\"\nprotocol"), &range(written))],
        );
    }
    each_is_accepted(SMALL, "80\nprotocol", &["\"1-65535\"\nprotocol", "\"65534-65535\"\nprotocol"]);
    let config = accepted(&changed("80\nprotocol", "\"29400-29499\"\nprotocol"));
    assert_eq!(ports(&config), [Ports::Range { first: 29_400, last: 29_499 }]);
    each_is_refused(
        SMALL,
        "80\nprotocol",
        "11:8",
        &[(
            "8.0\nprotocol",
            "`listener.port` holds a float; allowed: a port, or a range such as `29400-29499`",
        )],
    );
}

#[test]
fn a_range_of_udp_leaves_out_rocev2() {
    const MESSAGE: &str = "allowed: ranges without UDP 4791, which is RoCEv2 and must not pass a balancer";
    for range in ["4791-4800", "4700-4791", "1-65535"] {
        each_is_refused(
            SMALL,
            "80\nprotocol = \"tcp\"",
            "11:8",
            &[(
                &format!("\"{range}\"\nprotocol = \"udp\""),
                &format!("`listener.port` is `{range}`; {MESSAGE}"),
            )],
        );
    }
    let apart = [
        "\"4792-4800\"\nprotocol = \"udp\"",
        "\"4700-4790\"\nprotocol = \"udp\"",
        "\"1-65535\"\nprotocol = \"tcp\"",
    ];
    each_is_accepted(SMALL, "80\nprotocol = \"tcp\"", &apart);
}

#[test]
fn ranges_that_cross_are_refused_with_both_names_and_ranges_within_each_other_are_not() {
    assert_eq!(
        faults(&beside("tcp", &["\"100-199\"", "\"150-249\""])),
        [
            "30:1: ports 150 to 249 of listener `l1` cross ports 100 to 199 of listener `l0`; allowed: ranges apart from each other, or one within the other"
        ]
    );
    assert_eq!(faults(&beside("tcp", &["\"100-199\"", "\"50-100\""])).len(), 1);
    for apart in [
        ["\"100-199\"", "\"200-299\""],
        ["\"100-199\"", "\"100-150\""],
        ["\"150-199\"", "\"100-199\""],
        ["\"1-9\"", "0"],
    ] {
        accepted(&beside("tcp", &apart));
    }
    let other_protocol = beside("tcp", &["\"100-199\"", "\"150-249\""]).replacen(
        "\"tcp\"\ntarget_group = \"trainers\"\n\n\n",
        "\"udp\"\ntarget_group = \"trainers\"\n\n\n",
        1,
    );
    accepted(&other_protocol);
    assert_eq!(
        faults(&beside("tcp", &["\"100-199\"", "\"100-199\""])),
        [
            "30:1: tcp on ports 100 to 199 of 198.51.100.10 belongs to the listener in line 22; allowed: one listener for each address, port and protocol"
        ]
    );
}

#[test]
fn an_address_has_so_many_ranges_and_a_file_so_many_addresses_with_some() {
    let ranges: Vec<String> =
        (1..=64).map(|number| format!("\"{}-{}\"", number * 10, number * 10 + 4)).collect();
    let ranges: Vec<&str> = ranges.iter().map(String::as_str).collect();
    accepted(&beside("tcp", &ranges[..63]));
    assert_eq!(
        faults(&beside("tcp", &ranges)),
        ["526:1: 198.51.100.10 has 64 listeners on port ranges of tcp; allowed: 63"]
    );
    let two = edited(SMALL, &[("port = 80\nprotocol", "port = \"1-9\"\nprotocol")]);
    let limited = |text: String| format!("{text}[limits]\nrange_lists = 1\n");
    let second = beside("udp", &["\"100-199\"", "\"200-299\""]).split_off(SMALL.len());
    assert_eq!(
        faults(&limited(format!("{two}{second}"))),
        [
            "22:1: the file has 2 pairs of address and protocol with port ranges; allowed: 1, which is `limits.range_lists`"
        ]
    );
    accepted(&limited(format!("{SMALL}{second}")));
}
