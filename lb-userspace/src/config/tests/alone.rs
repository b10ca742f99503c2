//! Faults of single values of the node, the listeners and the groups.

use super::{SMALL, each_is_accepted, each_is_refused, with};

#[test]
fn an_interface_has_a_name_that_the_kernel_takes_and_is_there_once() {
    const ALLOWED: &str = "allowed: an interface's name: 1 to 15 bytes, no whitespace, no `/`, no `:`";
    let refused = |name: &str| format!("`node.interfaces` is `{name}`; {ALLOWED}");
    for (written, shown) in [
        ("", ""),
        ("a/b", "a/b"),
        ("a b", "a b"),
        ("a:1", "a:1"),
        (".", "."),
        ("sixteen-letters-", "sixteen-letters-"),
    ] {
        each_is_refused(SMALL, "\"eth1\"", "2:15", &[(&format!("\"{written}\""), &refused(shown))]);
    }
    each_is_refused(
        SMALL,
        "[\"eth1\"]",
        "2:14",
        &[("[]", "`node.interfaces` is empty; allowed: one or more interface names")],
    );
    each_is_refused(
        SMALL,
        "[\"eth1\"]",
        "2:23",
        &[("[\"eth1\", \"eth1\"]", "`node.interfaces` holds `eth1` twice; allowed: each interface once")],
    );
    each_is_accepted(SMALL, "\"eth1\"", &["\"fifteen-letters\"", "\"eth1.100\", \"br0\""]);
}

#[test]
fn the_seed_has_sixteen_characters_or_more_and_is_not_shown() {
    each_is_refused(
        SMALL,
        "\"sixteen letters.\"",
        "3:8",
        &[
            ("\"fifteen letters\"", "`node.seed` has 15 characters; allowed: at least 16"),
            ("\"\"", "`node.seed` has 0 characters; allowed: at least 16"),
        ],
    );
}

#[test]
fn the_xdp_mode_is_driver_or_generic() {
    each_is_refused(
        SMALL,
        "seed = \"sixteen",
        "3:12",
        &[(
            "xdp_mode = \"offload\"\nseed = \"sixteen",
            "`node.xdp_mode` is `offload`; allowed: `driver`, `generic`",
        )],
    );
}

#[test]
fn a_listeners_address_is_one_that_clients_can_reach() {
    let refused = |found: &str| {
        format!("`listener.address` is {found}; allowed: a unicast address that other hosts can reach")
    };
    let no_address = |text: &str| format!("`listener.address` is `{text}`; allowed: an IPv4 or IPv6 address");
    for (written, message) in [
        ("198.51.100.300", no_address("198.51.100.300")),
        ("198.51.100.10/32", no_address("198.51.100.10/32")),
        ("example.org", no_address("example.org")),
        ("", no_address("")),
        ("0.0.0.0", refused("0.0.0.0, which is unspecified")),
        ("127.0.0.2", refused("127.0.0.2, a loopback address")),
        ("169.254.1.1", refused("169.254.1.1, a link-local address")),
        ("224.0.0.1", refused("224.0.0.1, a multicast address")),
        ("255.255.255.255", refused("255.255.255.255, a reserved address")),
        ("::", refused("::, which is unspecified")),
        ("::1", refused("::1, a loopback address")),
        ("fe80::1", refused("fe80::1, a link-local address")),
        ("ff02::1", refused("ff02::1, a multicast address")),
        ("::ffff:198.51.100.10", refused("::ffff:198.51.100.10, an IPv4 address in IPv6 notation")),
    ] {
        each_is_refused(SMALL, "198.51.100.10", "10:11", &[(written, &message)]);
    }
}

#[test]
fn a_listeners_port_is_a_port_or_every_port() {
    each_is_refused(
        SMALL,
        "80\nprotocol",
        "11:8",
        &[
            (
                "65536\nprotocol",
                "`listener.port` is 65536; allowed: 1 to 65535, a range such as `29400-29499`, or 0 for every port",
            ),
            (
                "-1\nprotocol",
                "`listener.port` is -1; allowed: 1 to 65535, a range such as `29400-29499`, or 0 for every port",
            ),
        ],
    );
    each_is_accepted(SMALL, "80\nprotocol", &["1\nprotocol", "65535\nprotocol", "0\nprotocol"]);
}

#[test]
fn rocev2_does_not_pass_a_balancer() {
    each_is_refused(
        SMALL,
        "80\nprotocol = \"tcp\"",
        "11:8",
        &[(
            "4791\nprotocol = \"udp\"",
            "`listener.port` is 4791; allowed: any other port: UDP 4791 is RoCEv2, which must not pass a balancer",
        )],
    );
    each_is_accepted(SMALL, "80\nprotocol = \"tcp\"", &["4791\nprotocol = \"tcp\""]);
}

#[test]
fn a_protocol_is_tcp_or_udp() {
    each_is_refused(
        SMALL,
        "\"tcp\"",
        "12:12",
        &[
            ("\"sctp\"", "`listener.protocol` is `sctp`; allowed: `tcp`, `udp`"),
            ("\"TCP\"", "`listener.protocol` is `TCP`; allowed: `tcp`, `udp`"),
        ],
    );
}

#[test]
fn a_name_needs_no_quoting() {
    let long = "n".repeat(64);
    let message = |name: &str| {
        format!(
            "`listener.name` is `{name}`; allowed: 1 to 63 letters, digits, `-`, `_` or `.`, the first a letter or a digit"
        )
    };
    for name in ["", "a b", "-a", "ä", &long] {
        each_is_refused(SMALL, "\"web\"", "9:8", &[(&format!("\"{name}\""), &message(name))]);
    }
    each_is_accepted(SMALL, "\"web\"", &["\"1\"", "\"web.v2_x-y\"", &format!("\"{}\"", "n".repeat(63))]);
}

#[test]
fn forwarding_is_one_of_four_words() {
    each_is_refused(
        SMALL,
        "\"ipip\"",
        "17:14",
        &[("\"dsr\"", "`target_group.forwarding` is `dsr`; allowed: `ipip`, `gue`, `l2`, `nat`")],
    );
}

#[test]
fn a_ring_has_a_prime_number_of_slots() {
    const FROM: &str = "forwarding = \"ipip\"";
    let written = |slots: &str| format!("ring_slots = {slots}\nforwarding = \"ipip\"");
    let refused = |message: &str| format!("`target_group.ring_slots` is {message}");
    for (slots, message) in [
        ("65536", "65536; allowed: a prime; the nearest are 65521 and 65537"),
        ("102", "102; allowed: a prime; the nearest are 101 and 103"),
        ("1048572", "1048572; allowed: a prime; the nearest are 1048571 and 1048573"),
        ("97", "97; allowed: 101 to 1048573"),
        ("1048583", "1048583; allowed: 101 to 1048573"),
    ] {
        each_is_refused(SMALL, FROM, "17:14", &[(&written(slots), &refused(message))]);
    }
    each_is_accepted(SMALL, FROM, &[&written("101"), &written("1048573")]);
}

#[test]
fn a_target_has_a_port_and_a_weight() {
    each_is_refused(
        &with("weight = W"),
        "W",
        "21:10",
        &[
            ("1000", "`target_group.target.weight` is 1000; allowed: 0 to 999"),
            ("-1", "`target_group.target.weight` is -1; allowed: 0 to 999"),
        ],
    );
    each_is_refused(
        SMALL,
        "\"10.2.1.2\"\nport = 80",
        "20:8",
        &[
            ("\"10.2.1.2\"\nport = 0", "`target_group.target.port` is 0; allowed: 1 to 65535"),
            ("\"10.2.1.2\"\nport = 65536", "`target_group.target.port` is 65536; allowed: 1 to 65535"),
        ],
    );
    each_is_refused(
        SMALL,
        "10.2.1.2",
        "19:11",
        &[(
            "224.0.0.9",
            "`target_group.target.address` is 224.0.0.9, a multicast address; allowed: a unicast address that other hosts can reach",
        )],
    );
}
