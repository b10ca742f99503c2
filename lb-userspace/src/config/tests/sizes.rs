//! Faults of single values of the tables that the node opens and sizes: sources, limits, sockets.

use super::{SMALL, accepted, each_is_accepted, each_is_refused, edited, faults, with};

#[test]
fn a_nat_table_has_a_source() {
    let source = "`[nat]` has no source; allowed: `ipv4_source`, `ipv6_source` or both";
    each_is_refused(&with("[nat]"), "[nat]", "21:1", &[("[nat]", source)]);
    each_is_refused(
        &with("[nat]\nipv4_source = \"S\""),
        "S",
        "22:15",
        &[
            ("fd01::2", "`nat.ipv4_source` is `fd01::2`; allowed: an IPv4 address of this node"),
            (
                "127.0.0.1",
                "`nat.ipv4_source` is 127.0.0.1, a loopback address; allowed: a unicast address that other hosts can reach",
            ),
        ],
    );
}

#[test]
fn nat_ports_leave_out_the_system_and_rocev2() {
    let nat = with("[nat]\nipv4_source = \"10.1.0.2\"\nports = \"P\"");
    let refused = |ports: &str| {
        format!(
            "`nat.ports` is `{ports}`; allowed: two ports such as `36864-60999`, from 1024 on, at least 256 of them"
        )
    };
    for ports in [
        "",
        "32768",
        "32768-",
        "60999-32768",
        "1023-2000",
        "5000-5254",
        "5000-70000",
        "+5000-6000",
        "5000 - 6000",
    ] {
        each_is_refused(&nat, "P", "23:9", &[(ports, &refused(ports))]);
    }
    each_is_refused(
        &nat,
        "P",
        "23:9",
        &[(
            "1024-65535",
            "`nat.ports` is `1024-65535`; allowed: ports without 4791, which RoCEv2 owns: a reply to it would not reach the host",
        )],
    );
    each_is_accepted(&nat, "P", &["1024-4790", "4792-65535", "5000-5255"]);
}

#[test]
fn nat_keeps_as_many_flows_as_a_power_of_two() {
    let nat = with("[nat]\nipv4_source = \"10.1.0.2\"\nflows = F");
    for flows in ["0", "1000", "512", "134217728", "-1024"] {
        let message = format!("`nat.flows` is {flows}; allowed: a power of two, 1024 to 67108864");
        each_is_refused(&nat, "F", "23:9", &[(flows, &message)]);
    }
    each_is_accepted(&nat, "F", &["1024", "67108864", "0x100000"]);
}

#[test]
fn idle_timeouts_stay_in_their_ranges() {
    let nat = with("[nat]\nipv4_source = \"10.1.0.2\"\nKEY = \"T\"");
    let table = |key: &str| edited(&nat, &[("KEY", key)]);
    let refused = |key: &str, text: &str, least: &str| {
        format!(
            "`nat.{key}` is `{text}`; allowed: {least} to 6000s, a whole number and `ms`, `s`, `m` or `h`"
        )
    };
    for text in ["9s", "9999ms", "6001s", "2h", "350", "5.5m", "5 m", "-1s", ""] {
        let message = refused("tcp_idle_timeout", text, "10s");
        each_is_refused(&table("tcp_idle_timeout"), "\"T\"", "23:20", &[(&format!("\"{text}\""), &message)]);
    }
    let message = refused("udp_idle_timeout", "999ms", "1s");
    each_is_refused(&table("udp_idle_timeout"), "\"T\"", "23:20", &[("\"999ms\"", &message)]);
    each_is_refused(
        &table("udp_idle_timeout"),
        "\"T\"",
        "23:20",
        &[("120", "`nat.udp_idle_timeout` holds an integer; allowed: a string with a unit, such as `10s`")],
    );
    each_is_accepted(&table("tcp_idle_timeout"), "\"T\"", &["\"10s\"", "\"100m\"", "\"1h\"", "\"10000ms\""]);
}

#[test]
fn an_encapsulation_source_is_a_network() {
    each_is_refused(
        SMALL,
        "10.77.0.0/16",
        "6:15",
        &[
            (
                "10.77.0.1/16",
                "`encapsulation.ipv4_source` is 10.77.0.1/16; allowed: no bits after the prefix: `10.77.0.0/16`",
            ),
            (
                "10.77.0.0",
                "`encapsulation.ipv4_source` is `10.77.0.0`; allowed: an IPv4 network of /8 to /32, such as `10.77.0.0/16`",
            ),
            (
                "10.0.0.0/7",
                "`encapsulation.ipv4_source` is 10.0.0.0/7; allowed: an IPv4 network of /8 to /32, such as `10.77.0.0/16`",
            ),
            (
                "fd77::/64",
                "`encapsulation.ipv4_source` is `fd77::/64`; allowed: an IPv4 network of /8 to /32, such as `10.77.0.0/16`",
            ),
            (
                "127.0.0.0/8",
                "`encapsulation.ipv4_source` is 127.0.0.0, a loopback address; allowed: a unicast address that other hosts can reach",
            ),
        ],
    );
    let both = edited(SMALL, &[("[encapsulation]", "[encapsulation]\nipv6_source = \"N\"")]);
    each_is_refused(
        &both,
        "N",
        "6:15",
        &[
            (
                "fd77::/97",
                "`encapsulation.ipv6_source` is fd77::/97; allowed: an IPv6 network of /16 to /96, such as `fd77::/64`",
            ),
            (
                "fd77::1/96",
                "`encapsulation.ipv6_source` is fd77::1/96; allowed: no bits after the prefix: `fd77::/96`",
            ),
        ],
    );
    each_is_accepted(SMALL, "10.77.0.0/16", &["10.0.0.0/8", "10.77.0.1/32"]);
}

#[test]
fn the_port_of_gue_is_any_but_rdmas() {
    let text = edited(SMALL, &[("[encapsulation]", "[encapsulation]\ngue_port = PORT")]);
    each_is_refused(
        &text,
        "PORT",
        "6:12",
        &[
            ("0", "`encapsulation.gue_port` is 0; allowed: 1 to 65535"),
            ("65536", "`encapsulation.gue_port` is 65536; allowed: 1 to 65535"),
            (
                "4791",
                "`encapsulation.gue_port` is 4791; allowed: 1 to 65535 without 4791, which RoCEv2 owns: a target's card would take it",
            ),
        ],
    );
    each_is_accepted(&text, "PORT", &["1", "6080", "65535"]);
    let port = |text: &str| accepted(text).encapsulation.gue_port;
    assert_eq!((port(SMALL), port(&edited(&text, &[("PORT", "5555")]))), (6080, 5555));
}

#[test]
fn limits_stay_in_their_ranges() {
    each_is_refused(
        &with("[limits]\nX"),
        "X",
        "22:13",
        &[
            ("listeners = 0", "`limits.listeners` is 0; allowed: 1 to 65536"),
            ("listeners = 65537", "`limits.listeners` is 65537; allowed: 1 to 65536"),
        ],
    );
    each_is_refused(
        &with("[limits]\nX"),
        "X",
        "22:11",
        &[
            ("targets = 1", "`limits.targets` is 1; allowed: 2 to 1048576"),
            ("targets = 1048577", "`limits.targets` is 1048577; allowed: 2 to 1048576"),
        ],
    );
    each_is_refused(
        &with("[limits]\nX"),
        "X",
        "22:9",
        &[("slots = 134217729", "`limits.slots` is 134217729; allowed: 101 to 134217728")],
    );
    each_is_refused(
        &with("[limits]\nX"),
        "X",
        "22:15",
        &[
            ("range_lists = 0", "`limits.range_lists` is 0; allowed: 1 to 65536"),
            ("range_lists = 65537", "`limits.range_lists` is 65537; allowed: 1 to 65536"),
        ],
    );
}

#[test]
fn the_api_and_the_metrics_have_a_place() {
    const SOCKET: &str = "the absolute path of a socket, at most 107 bytes";
    for path in ["pointsman.sock", "", "/", "/run/"] {
        let message = format!("`api.socket` is `{path}`; allowed: {SOCKET}");
        each_is_refused(&with("[api]\nsocket = \"P\""), "P", "22:10", &[(path, &message)]);
    }
    let long = format!("/{}", "s".repeat(107));
    let message = format!("`api.socket` is `{}...`; allowed: {SOCKET}", &long[..80]);
    each_is_refused(&with("[api]\nsocket = \"P\""), "P", "22:10", &[(&long, &message)]);
    each_is_accepted(&with("[api]\nsocket = \"P\""), "P", &["/s", &long[..107]]);
    each_is_refused(
        &with("[metrics]\nlisten = \"L\""),
        "L",
        "22:10",
        &[
            (
                "9477",
                "`metrics.listen` is `9477`; allowed: an address and a port, such as `127.0.0.1:9477` or `[::1]:9477`",
            ),
            ("127.0.0.1:0", "`metrics.listen` is 127.0.0.1:0; allowed: a port from 1 to 65535"),
        ],
    );
}

#[test]
fn a_tracked_flow_is_remembered_for_as_long_as_its_slot_learns() {
    let text = |lines: &str| with(&format!("[tracking]\n{lines}"));
    let refused = |key: &str, value: &str, window: &str, least: &str| {
        format!(
            "22:{}: `tracking.{key}` is {value}, less than `tracking.{window}`, which is {least}; allowed: as long as the window, to 86400s",
            key.len() + 4
        )
    };
    assert_eq!(
        faults(&text("tcp_idle_timeout = \"349s\"")),
        [refused("tcp_idle_timeout", "349s", "learning_window", "350s")]
    );
    assert_eq!(
        faults(&text("udp_idle_timeout = \"119s\"\nudp_learning_window = \"2m\"")),
        [refused("udp_idle_timeout", "119s", "udp_learning_window", "120s")]
    );
    accepted(&text("tcp_idle_timeout = \"10s\"\nlearning_window = \"10s\""));

    let tracking = accepted(&text("learning_window = \"4h\"\nudp_learning_window = \"1h\"")).tracking;
    let hours = |hours: u64| std::time::Duration::from_secs(3600 * hours);
    assert_eq!((tracking.tcp_idle_timeout, tracking.udp_idle_timeout), (hours(4), hours(1)), "by themselves");
}
