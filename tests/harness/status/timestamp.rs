//! RFC 3339 time stamps in UTC, as the daemon writes them.

use std::time::{Duration, SystemTime};

const DAY: u64 = 86_400;

/// Reads `2026-03-01T12:34:56.789Z`; a fraction of any length, or none. None for anything else.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00"))?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    let seconds = days(year, month, day)? * DAY + hour * 3600 + minute * 60 + second;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_secs_f64(fraction))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let all: Vec<u64> = text.split(separator).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    all.try_into().ok()
}

/// Days from 1970-01-01. A year that begins in March has its leap day at its end, which makes it a formula.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let since_year_0 = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    since_year_0.checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(text: &str) -> Option<u128> {
        parse(text).map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis())
    }

    #[test]
    fn known_instants_are_read_to_the_millisecond() {
        assert_eq!(milliseconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(milliseconds("2000-02-29T23:59:59.250Z"), Some(951_868_799_250));
        assert_eq!(milliseconds("2026-03-01T00:00:00.001+00:00"), Some(1_772_323_200_001));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "now", "2026-03-01", "2026-03-01T00:00Z", "2026-03-01T00:00:00"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
