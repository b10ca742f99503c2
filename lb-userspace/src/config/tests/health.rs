//! The health check's ranges, and what goes with what.

use super::{accepted, changed, faults};
use crate::config::checked::CheckKind;

/// `SMALL`, with health checks as given.
fn checked_by(health_check: &str) -> String {
    changed(
        "[[target_group.target]]",
        &format!("[target_group.health_check]\n{health_check}\n[[target_group.target]]"),
    )
}

#[test]
fn a_health_check_stays_in_its_ranges() {
    let cases = [
        (
            "protocol = \"https\"",
            "19:12: `target_group.health_check.protocol` is `https`; allowed: `http`, `tcp`",
        ),
        ("port = 0", "19:8: `target_group.health_check.port` is 0; allowed: 1 to 65535, or `traffic-port`"),
        (
            "port = \"http\"",
            "19:8: `target_group.health_check.port` is `http`; allowed: 1 to 65535, or `traffic-port`",
        ),
        (
            "port = true",
            "19:8: `target_group.health_check.port` holds a boolean; allowed: 1 to 65535, or `traffic-port`",
        ),
        (
            "interval = \"99ms\"",
            "19:12: `target_group.health_check.interval` is `99ms`; allowed: 100ms to 300s, a whole number and `ms`, `s`, `m` or `h`",
        ),
        (
            "timeout = \"121s\"",
            "19:11: `target_group.health_check.timeout` is `121s`; allowed: 50ms to 120s, a whole number and `ms`, `s`, `m` or `h`",
        ),
        (
            "timeout = \"11s\"",
            "19:11: `target_group.health_check.timeout` is 11s, more than the interval of 10s; allowed: 50ms to the interval",
        ),
        (
            "interval = \"1s\"",
            "19:12: `target_group.health_check.interval` is 1s, less than the timeout of 5s; allowed: the timeout to 300s",
        ),
        (
            "healthy_threshold = 0",
            "19:21: `target_group.health_check.healthy_threshold` is 0; allowed: 1 to 10",
        ),
        (
            "unhealthy_threshold = 11",
            "19:23: `target_group.health_check.unhealthy_threshold` is 11; allowed: 1 to 10",
        ),
        (
            "path = \"/\"",
            "19:8: `target_group.health_check.path` is set for a check by tcp; allowed: with `protocol = \"http\"` only",
        ),
        (
            "protocol = \"tcp\"\nexpected_codes = \"200\"",
            "20:18: `target_group.health_check.expected_codes` is set for a check by tcp; allowed: with `protocol = \"http\"` only",
        ),
        (
            "protocol = \"http\"\npath = \"health\"",
            "20:8: `target_group.health_check.path` is `health`; allowed: printable ASCII without spaces, from `/` on, at most 1024 bytes",
        ),
        (
            "protocol = \"http\"\npath = \"/a b\"",
            "20:8: `target_group.health_check.path` is `/a b`; allowed: printable ASCII without spaces, from `/` on, at most 1024 bytes",
        ),
        (
            "protocol = \"http\"\nexpected_codes = \"2xx\"",
            "20:18: `target_group.health_check.expected_codes` is `2xx`; allowed: codes from 200 to 599 and ranges of them, such as `200-399` or `200,301-302`",
        ),
    ];
    for (written, first_line) in cases {
        assert_eq!(faults(&checked_by(written)), [first_line], "{written}");
    }
}

#[test]
fn a_health_check_by_http_has_a_path_and_codes() {
    let config = accepted(&checked_by(
        "protocol = \"http\"\nexpected_codes = \"200, 301-302\"\nport = \"traffic-port\"",
    ));
    let check = &config.target_groups.values().next().unwrap().health_check;
    assert_eq!(
        check.kind,
        CheckKind::Http { path: "/".to_owned(), expected_codes: vec![200..=200, 301..=302] }
    );
    assert_eq!(check.port, None);
}
