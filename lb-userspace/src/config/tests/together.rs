//! Faults that no value has alone, and what two values may well have together.

use super::{SMALL, accepted, changed, edited, faults};
use crate::config::checked::TargetAddress;

const NAT: [(&str, &str); 2] = [
    ("\"ipip\"", "\"nat\""),
    ("[encapsulation]\nipv4_source = \"10.77.0.0/16\"", "[nat]\nipv4_source = \"10.1.0.2\""),
];

fn by_nat(edits: &[(&str, &str)]) -> String {
    edited(&edited(SMALL, &NAT), edits)
}

#[test]
fn a_listener_of_an_unknown_group_is_refused_with_what_exists() {
    assert_eq!(
        faults(&changed("target_group = \"trainers\"", "target_group = \"trainer\"")),
        [
            "13:16: listener `web` forwards to target group `trainer`, which is not defined; defined: `trainers`"
        ]
    );
    let head = SMALL.split("[[target_group]]").next().unwrap();
    assert_eq!(
        faults(head),
        [
            "13:16: listener `web` forwards to target group `trainers`, which is not defined; no target group is defined"
        ]
    );
}

#[test]
fn of_many_groups_the_nearest_are_named() {
    let many: String =
        (0..20).map(|n| format!("[[target_group]]\nname = \"g{n:02}\"\nforwarding = \"ipip\"\n")).collect();
    let text = changed("target_group = \"trainers\"", "target_group = \"trainer\"") + &many;
    let faults = faults(&text);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("; defined: `trainers`, `g"), "{}", faults[0]);
    assert!(faults[0].ends_with(" and 9 more"), "{}", faults[0]);
}

#[test]
fn a_group_with_a_fault_of_its_own_is_still_defined() {
    assert_eq!(
        faults(&changed("\"ipip\"", "\"gre\"")),
        ["17:14: `target_group.forwarding` is `gre`; allowed: `ipip`, `gue`, `l2`, `nat`"]
    );
}

#[test]
fn two_listeners_on_one_end_are_refused_with_the_line_of_the_first() {
    let second = "\n[[listener]]\nname = \"again\"\naddress = \"198.51.100.10\"\nport = 80\nprotocol = \"tcp\"\ntarget_group = \"trainers\"\n";
    let text = format!("{SMALL}{second}");
    assert_eq!(
        faults(&text),
        [
            "22:1: tcp on port 80 of 198.51.100.10 belongs to the listener in line 8; allowed: one listener for each address, port and protocol"
        ]
    );
    let other = |from: &str, to: &str| format!("{SMALL}{}", edited(second, &[(from, to)]));
    accepted(&other("\"tcp\"", "\"udp\""));
    accepted(&other("80", "0"));
    accepted(&other("198.51.100.10", "198.51.100.11"));
    assert_eq!(
        faults(&other("again", "web")),
        [
            "22:1: tcp on port 80 of 198.51.100.10 belongs to the listener in line 8; allowed: one listener for each address, port and protocol",
            "23:8: listener `web` is defined in line 9 already; allowed: each name once",
        ]
    );
    let every_port = edited(SMALL, &[("80\nprotocol", "0\nprotocol")]) + &edited(second, &[("80", "0")]);
    assert_eq!(
        faults(&every_port),
        [
            "22:1: tcp on every port of 198.51.100.10 belongs to the listener in line 8; allowed: one listener for each address, port and protocol"
        ]
    );
}

#[test]
fn two_groups_of_one_name_are_refused_with_the_line_of_the_first() {
    assert_eq!(
        faults(&format!("{SMALL}[[target_group]]\nname = \"trainers\"\nforwarding = \"ipip\"\n")),
        ["22:8: target group `trainers` is defined in line 16 already; allowed: each name once"]
    );
}

#[test]
fn two_targets_alike_are_refused_with_the_line_of_the_first() {
    let second = |target: &str| format!("{SMALL}name = \"one\"\n[[target_group.target]]\n{target}\n");
    assert_eq!(
        faults(&second("address = \"10.2.1.2\"\nport = 80")),
        ["22:1: target 10.2.1.2:80 is in line 18 of this group already; allowed: each address and port once"]
    );
    assert_eq!(
        faults(&second("address = \"10.2.1.3\"\nport = 80\nname = \"one\"")),
        ["25:8: target `one` is in line 21 of this group already; allowed: each name once"]
    );
    accepted(&second("address = \"10.2.1.2\"\nport = 81"));
}

#[test]
fn a_group_of_weight_nothing_is_refused_and_an_empty_one_is_not() {
    assert_eq!(
        faults(&format!("{SMALL}weight = 0\n")),
        ["15:1: every target of the group has weight 0; allowed: at least one above 0, or no targets"]
    );
    let (empty, _) = SMALL.split_once("[[target_group.target]]").unwrap();
    assert!(accepted(empty).target_groups.values().all(|group| group.targets.is_empty()));
}

#[test]
fn a_nat_group_needs_a_nat_table_with_a_source_of_its_family() {
    assert_eq!(
        faults(&changed("\"ipip\"", "\"nat\"")),
        [
            "17:14: target group `trainers` forwards by `nat`, and there is no `[nat]` table; allowed: with `nat.ipv4_source`, `nat.ipv6_source` or both"
        ]
    );
    accepted(&by_nat(&[]));
    assert_eq!(
        faults(&by_nat(&[("198.51.100.10", "2001:db8::10"), ("10.2.1.2", "fd02::2")])),
        [
            "17:14: target group `trainers` forwards to IPv6 by `nat`, and `nat.ipv6_source` is not set; allowed: with `nat.ipv6_source`"
        ]
    );
    accepted(&by_nat(&[
        ("198.51.100.10", "2001:db8::10"),
        ("10.2.1.2", "fd02::2"),
        ("ipv4_source = \"10.1.0.2\"", "ipv6_source = \"fd01::2\""),
    ]));
}

#[test]
fn nat_does_not_change_the_family() {
    assert_eq!(
        faults(&by_nat(&[("198.51.100.10", "2001:db8::10")])),
        [
            "10:11: 2001:db8::10 is IPv6, and target 10.2.1.2 of the `nat` group `trainers` is not; allowed: one family, or another `forwarding`"
        ]
    );
}

#[test]
fn every_way_but_nat_brings_either_family_to_either() {
    for forwarding in ["ipip", "gue", "l2"] {
        let text = changed("\"ipip\"", &format!("\"{forwarding}\""));
        accepted(&edited(&text, &[("198.51.100.10", "2001:db8::10")]));
        let v6_targets =
            [("10.2.1.2", "fd02::2"), ("ipv4_source = \"10.77.0.0/16\"", "ipv6_source = \"fd77::/64\"")];
        accepted(&edited(&text, &v6_targets));
    }
}

#[test]
fn l2_needs_no_source() {
    accepted(&edited(
        SMALL,
        &[("[encapsulation]\nipv4_source = \"10.77.0.0/16\"\n", ""), ("\"ipip\"", "\"l2\"")],
    ));
}

#[test]
fn a_group_that_encapsulates_needs_a_prefix_of_its_targets_family() {
    for forwarding in ["ipip", "gue"] {
        let text = changed("\"ipip\"", &format!("\"{forwarding}\""));
        let missed = |line: u32, family: &str, key: &str| {
            format!(
                "{line}:14: target group `trainers` forwards to {family} by `{forwarding}`, and \
                    `encapsulation.{key}` is not set; allowed: with `encapsulation.{key}`"
            )
        };
        let v6_target = edited(&text, &[("10.2.1.2", "fd02::2")]);
        assert_eq!(faults(&v6_target), [missed(17, "IPv6", "ipv6_source")]);
        let no_source = edited(&text, &[("[encapsulation]\nipv4_source = \"10.77.0.0/16\"\n", "")]);
        assert_eq!(faults(&no_source), [missed(15, "IPv4", "ipv4_source")]);
    }
}

#[test]
fn a_source_that_was_refused_is_not_missed_and_the_other_family_is() {
    assert_eq!(
        faults(
            &(changed("10.77.0.0/16", "10.77.0.1/16")
                + "[[target_group.target]]\naddress = \"fd02::2\"\nport = 80\n")
        ),
        [
            "6:15: `encapsulation.ipv4_source` is 10.77.0.1/16; allowed: no bits after the prefix: `10.77.0.0/16`",
            "17:14: target group `trainers` forwards to IPv6 by `ipip`, and `encapsulation.ipv6_source` is not set; allowed: with `encapsulation.ipv6_source`",
        ]
    );
}

#[test]
fn a_listener_on_a_nat_source_is_refused() {
    assert_eq!(
        faults(&by_nat(&[("198.51.100.10", "10.1.0.2")])),
        ["10:11: `listener.address` is 10.1.0.2, which is a source of `[nat]`; allowed: any other address"]
    );
}

#[test]
fn a_target_on_a_listeners_address_is_refused() {
    assert_eq!(
        faults(&changed("10.2.1.2", "198.51.100.10")),
        [
            "19:11: target 198.51.100.10 is the address of the listener in line 10; allowed: an address of the target's own"
        ]
    );
}

#[test]
fn nat_does_not_turn_udp_into_rocev2() {
    assert_eq!(
        faults(&by_nat(&[("\"tcp\"", "\"udp\""), ("\"10.2.1.2\"\nport = 80", "\"10.2.1.2\"\nport = 4791")])),
        [
            "20:8: UDP is forwarded to port 4791 of a target in `nat` group `trainers`, which is RoCEv2 and must not pass a balancer; allowed: any other port"
        ]
    );
}

#[test]
fn what_exceeds_the_limits_is_refused_where_it_does() {
    let second = "[[listener]]\nname = \"tls\"\naddress = \"198.51.100.10\"\nport = 443\nprotocol = \"tcp\"\ntarget_group = \"trainers\"\n";
    assert_eq!(
        faults(&format!("{SMALL}{second}[limits]\nlisteners = 1\n")),
        ["21:1: the file has 2 listeners; allowed: 1, which is `limits.listeners`"]
    );
    assert_eq!(
        faults(&format!(
            "{SMALL}[[target_group.target]]\naddress = \"10.2.1.3\"\nport = 80\n[limits]\ntargets = 3\n"
        )),
        ["21:1: the file has 2 targets; allowed: 1, which is half of `limits.targets`"]
    );
    assert_eq!(
        faults(&format!("{SMALL}[limits]\nslots = 65536\n")),
        ["15:1: the file has 65537 ring slots; allowed: 65536, which is `limits.slots`"]
    );
    accepted(&format!("{SMALL}[limits]\nslots = 65537\ntargets = 2\nlisteners = 1\n"));
}

#[test]
fn a_target_without_a_name_is_called_by_its_address_and_has_the_middle_weight() {
    let config = accepted(SMALL);
    let group = config.target_groups.values().next().unwrap();
    let (address, target) = group.targets.first_key_value().unwrap();
    assert_eq!(*address, TargetAddress { address: "10.2.1.2".parse().unwrap(), port: 80 });
    assert_eq!((target.name.as_str(), target.weight), ("10.2.1.2:80", 100));
}

/// The small file, steered by the destination port.
fn by_port(ports: &str) -> String {
    let text = changed("port = 80\nprotocol", &format!("port = {ports}\nprotocol"));
    text.replace("forwarding = \"ipip\"", "forwarding = \"ipip\"\nsteering_key = \"destination-port\"")
}

#[test]
fn a_ring_steered_by_the_destination_port_has_a_slot_for_each_port() {
    for (ports, slots) in [("\"29400-29499\"", 100), ("\"29400-30423\"", 1024), ("80", 1)] {
        let config = accepted(&by_port(ports));
        assert_eq!(config.target_groups.values().next().unwrap().ring_slots, slots, "{ports}");
    }
}

#[test]
fn a_listener_steered_by_the_destination_port_has_a_range_that_is_not_too_long() {
    for (ports, count) in [("0", 65_536), ("\"29400-30424\"", 1025)] {
        let expected = format!(
            "11:8: target group `trainers` steers by `destination-port`, and a listener has {count} ports; allowed: 1 to 1024"
        );
        assert_eq!(faults(&by_port(ports)), [expected]);
    }
}

#[test]
fn all_listeners_of_a_group_steered_by_the_destination_port_have_as_many_ports() {
    let second = "\n[[listener]]\nname = \"again\"\naddress = \"198.51.100.11\"\nport = \"1000-1001\"\nprotocol = \"tcp\"\ntarget_group = \"trainers\"\n";
    let text = by_port("\"29400-29499\"") + second;
    let expected = "26:8: target group `trainers` steers by `destination-port`, and its listeners have 100 ports and 2; allowed: as many ports for each, as each place in a range has one target";
    assert_eq!(faults(&text), [expected]);
    accepted(&text.replace("1000-1001", "1000-1099"));
}

#[test]
fn a_ring_steered_by_the_destination_port_takes_no_size_of_its_own() {
    let text = by_port("\"29400-29499\"").replace("steering_key", "ring_slots = 101\nsteering_key");
    let expected = "18:14: `target_group.ring_slots` is 101; allowed: nothing with `destination-port`, where each port of the range is a slot";
    assert_eq!(faults(&text), [expected]);
}

#[test]
fn a_steering_key_is_one_of_five() {
    let with = |key: &str| {
        changed("forwarding = \"ipip\"", &format!("forwarding = \"ipip\"\nsteering_key = \"{key}\""))
    };
    for key in ["five-tuple", "source-ip", "source-ip-destination-ip", "source-ip-port"] {
        assert_eq!(accepted(&with(key)).target_groups.values().next().unwrap().steering_key.word(), key);
    }
    let expected = "18:16: `target_group.steering_key` is `cookie`; allowed: `five-tuple`, `source-ip`, `source-ip-destination-ip`, `source-ip-port`, `destination-port`";
    assert_eq!(faults(&with("cookie")), [expected]);
}
