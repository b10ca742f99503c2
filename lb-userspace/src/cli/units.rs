//! Numbers as people read them. What is cut off is cut off, never rounded up: 999,999 is not a million.

use std::time::Duration;

const PREFIXES: [&str; 6] = ["k", "M", "G", "T", "P", "E"];

/// `999`, `1.23 k`, `12.3 M`.
pub(super) fn count(number: u64) -> String {
    match prefixed(number) {
        (digits, "") => digits,
        (digits, prefix) => format!("{digits} {prefix}"),
    }
}

/// `999 B`, `1.23 kB`.
pub(super) fn bytes(number: u64) -> String {
    let (digits, prefix) = prefixed(number);
    format!("{digits} {prefix}B")
}

/// Three digits, and the prefix that makes them the number.
fn prefixed(number: u64) -> (String, &'static str) {
    let mut unit = 1;
    let mut prefix = "";
    for next in PREFIXES {
        if number / unit < 1_000 {
            break;
        }
        (unit, prefix) = (unit * 1_000, next);
    }
    let whole = number / unit;
    let digits = match whole {
        _ if unit == 1 => whole.to_string(),
        0..=9 => format!("{whole}.{:02}", number % unit / (unit / 100)),
        10..=99 => format!("{whole}.{}", number % unit / (unit / 10)),
        _ => whole.to_string(),
    };
    (digits, prefix)
}

/// `0s`, `2m 3s`, `3h 12m`, `5d 2h`: the two largest units.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// `16.6 %`
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_cut_to_three_digits() {
        let known = [
            (0, "0"),
            (7, "7"),
            (999, "999"),
            (1_000, "1.00 k"),
            (1_239, "1.23 k"),
            (12_399, "12.3 k"),
            (123_999, "123 k"),
            (999_999, "999 k"),
            (1_000_000, "1.00 M"),
            (u64::MAX, "18.4 E"),
        ];
        for (number, text) in known {
            assert_eq!(count(number), text);
        }
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1_500), "1.50 kB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
    }

    #[test]
    fn a_span_has_two_units() {
        let known = [
            (0, "0s"),
            (59, "59s"),
            (60, "1m 0s"),
            (3_599, "59m 59s"),
            (3_600, "1h 0m"),
            (86_399, "23h 59m"),
            (86_400, "1d 0h"),
            (10_000_000, "115d 17h"),
        ];
        for (seconds, text) in known {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(span(Duration::from_millis(999)), "0s");
    }
}
