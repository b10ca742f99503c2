//! Points in time as RFC 3339 in UTC, to the millisecond: `2026-03-01T12:34:56.789Z`.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const DAY: u64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days in 400 years: the calendar repeats after them.
const ERA: u64 = 146_097;

/// A point in time from 1970 on, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// Since 1970-01-01, in UTC.
    pub const fn since_1970(self) -> Duration {
        self.0
    }

    /// How long ago this was; zero if it is yet to come, as it seems to be after a clock was set back.
    pub fn age(self, now: SystemTime) -> Duration {
        now.duration_since(UNIX_EPOCH + self.0).unwrap_or_default()
    }
}

impl From<SystemTime> for Timestamp {
    /// What came before 1970 is a clock that nobody set, and shown as its start.
    fn from(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Duration::new(since.as_secs(), since.subsec_millis() * 1_000_000))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.as_secs() / DAY, self.0.as_secs() % DAY);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let millisecond = self.0.subsec_millis();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a point in time; allowed: as in `2026-03-01T12:34:56.789Z`, from 1970 to 9999")]
pub struct NotATimestamp;

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    /// Reads what [`fmt::Display`] writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        let read = || {
            let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
            let (time, millisecond) = time.split_once('.')?;
            let [year, month, day] = numbers(date, '-')?;
            let [hour, minute, second] = numbers(time, ':')?;
            let seconds = days(year, month, day)? * DAY + hour * 3600 + minute * 60 + second;
            Some(Self(Duration::from_secs(seconds) + Duration::from_millis(millisecond.parse().ok()?)))
        };
        // What is written otherwise than it would be is no date (February 30) or not ours.
        read().filter(|read| read.to_string() == text).ok_or(NotATimestamp)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Year, month and day of a day since 1970-01-01. A year that begins in March has its leap day at its
/// end, which makes the lengths of the months before it a formula.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// The inverse of [`date`]; `None` before 1970, or when far out of range.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year > 9_999 || month > 12 || day > 31 {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let day = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    day.checked_sub(DAYS_BEFORE_1970 + 1)
}

/// Three numbers of at most four digits.
fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let number = |part: &str| part.parse().ok().filter(|_| part.len() <= 4);
    let all: Vec<u64> = text.split(separator).map(number).collect::<Option<_>>()?;
    all.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::from(UNIX_EPOCH + Duration::from_millis(milliseconds))
    }

    #[test]
    fn known_instants_are_written_to_the_millisecond() {
        let known = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_250, "2000-02-29T23:59:59.250Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_772_323_200_001, "2026-03-01T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (milliseconds, text) in known {
            assert_eq!(at(milliseconds).to_string(), text);
            assert_eq!(text.parse(), Ok(at(milliseconds)), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_timestamp() {
        for text in [
            "",
            "now",
            "2026-03-01T00:00:00Z",
            "2026-03-01T00:00:00.001+00:00",
            "2026-03-01 00:00:00.001Z",
            "2026-02-30T00:00:00.001Z",
            "2100-02-29T00:00:00.001Z",
            "2026-00-01T00:00:00.001Z",
            "2026-01-00T00:00:00.001Z",
            "2026-01-01T24:00:00.001Z",
            "2026-1-1T00:00:00.001Z",
            "1969-12-31T23:59:59.999Z",
            "0000-01-01T00:00:00.000Z",
            "18446744073709551615-01-01T00:00:00.000Z",
            "2026-01-01T00:00:00.18446744073709551615Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATimestamp), "{text}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_age() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(at(990_000).age(now), Duration::from_secs(10));
        assert_eq!(at(1_010_000).age(now), Duration::ZERO);
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), at(0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(milliseconds in 0_u64..253_402_300_800_000) {
            prop_assert_eq!(at(milliseconds).to_string().parse(), Ok(at(milliseconds)));
        }

        #[test]
        fn any_text_is_refused_or_kept(text in "[0-9TZ:.-]{0,30}") {
            if let Ok(read) = text.parse::<Timestamp>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
