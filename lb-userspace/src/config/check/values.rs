//! One value each: from what was written to what it means.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use crate::config::{
    faults::{Checked, Faults, Placed, listed, shown},
    raw::RawDuration,
    read::Field,
};

pub(super) const NAME: &str = "1 to 63 letters, digits, `-`, `_` or `.`, the first a letter or a digit";
pub(super) const ADDRESS: &str = "an IPv4 or IPv6 address";

impl<T: fmt::Display> Placed<T> {
    pub(super) fn refuse<U>(self, allowed: impl fmt::Display, faults: &mut Faults) -> Checked<U> {
        faults.refuse(self.at, format!("`{}` is {}; allowed: {allowed}", self.key, self.value))
    }
}

impl Placed<i64> {
    pub(super) fn within<T>(self, range: RangeInclusive<T>, faults: &mut Faults) -> Checked<Placed<T>>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let (least, most) = (range.start(), range.end());
        match T::try_from(self.value) {
            Ok(value) if range.contains(&value) => Ok(self.with(value)),
            Ok(_) | Err(_) => self.refuse(format_args!("{least} to {most}"), faults),
        }
    }
}

impl Placed<String> {
    /// The text, quoted for a message.
    pub(super) fn refuse_text<U>(self, allowed: impl fmt::Display, faults: &mut Faults) -> Checked<U> {
        let quoted = format!("`{}`", shown(&self.value));
        self.with(quoted).refuse(allowed, faults)
    }

    pub(super) fn parse<T: FromStr>(self, allowed: &str, faults: &mut Faults) -> Checked<Placed<T>> {
        match self.value.parse() {
            Ok(value) => Ok(self.with(value)),
            Err(_) => self.refuse_text(allowed, faults),
        }
    }

    pub(super) fn one_of<T: Copy>(self, words: &[(&str, T)], faults: &mut Faults) -> Checked<Placed<T>> {
        match words.iter().find(|(word, _)| *word == self.value) {
            Some((_, meaning)) => Ok(self.with(*meaning)),
            None => self.refuse_text(listed(words.iter().map(|(word, _)| *word)), faults),
        }
    }

    pub(super) fn name<T>(self, parse: fn(&str) -> Option<T>, faults: &mut Faults) -> Checked<Placed<T>> {
        match parse(&self.value) {
            Some(name) => Ok(self.with(name)),
            None => self.refuse_text(NAME, faults),
        }
    }

    pub(super) fn address(self, faults: &mut Faults) -> Checked<Placed<IpAddr>> {
        self.parse(ADDRESS, faults)?.unicast(faults)
    }
}

impl<T: Into<IpAddr> + Copy + fmt::Display> Placed<T> {
    pub(super) fn unicast(self, faults: &mut Faults) -> Checked<Self> {
        let not_unicast = match self.value.into() {
            IpAddr::V4(address) => not_unicast_v4(address),
            IpAddr::V6(address) => not_unicast_v6(address),
        };
        match not_unicast {
            None => Ok(self),
            Some(kind) => {
                let found = format!("{}, {kind}", self.value);
                self.with(found).refuse("a unicast address that other hosts can reach", faults)
            }
        }
    }
}

fn not_unicast_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [first, ..] = address.octets();
    match first {
        0 => Some("which is unspecified"),
        127 => Some("a loopback address"),
        224..=239 => Some("a multicast address"),
        240..=255 => Some("a reserved address"),
        _ => address.is_link_local().then_some("a link-local address"),
    }
}

fn not_unicast_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some("which is unspecified")
    } else if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else if address.is_unicast_link_local() {
        Some("a link-local address")
    } else {
        address.to_ipv4_mapped().map(|_| "an IPv4 address in IPv6 notation")
    }
}

impl Field<Placed<RawDuration>> {
    pub(super) fn within_or(
        self,
        range: RangeInclusive<Duration>,
        default: Duration,
        faults: &mut Faults,
    ) -> Checked<Placed<Duration>> {
        let Some(written) = self.found? else {
            return Ok(Placed { key: self.key, at: self.at, value: default });
        };
        match parse_duration(&written.value.0) {
            Some(duration) if range.contains(&duration) => Ok(written.with(duration)),
            Some(_) | None => {
                let (least, most) = (exact(*range.start()), exact(*range.end()));
                let text = written.value.0.clone();
                written.with(text).refuse_text(
                    format_args!("{least} to {most}, a whole number and `ms`, `s`, `m` or `h`"),
                    faults,
                )
            }
        }
    }
}

impl Field<Placed<i64>> {
    pub(super) fn within_or<T>(
        self,
        range: RangeInclusive<T>,
        default: T,
        faults: &mut Faults,
    ) -> Checked<Placed<T>>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        match self.found? {
            Some(number) => number.within(range, faults),
            None => Ok(Placed { key: self.key, at: self.at, value: default }),
        }
    }
}

/// Digits only: `u16` would take a sign.
pub(super) fn port_number(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A whole number and its unit, nothing between and nothing around.
fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(milliseconds)?))
}

/// A duration as the file would write it.
pub(super) fn exact(duration: Duration) -> String {
    match duration.as_millis() {
        whole if whole.is_multiple_of(1_000) => format!("{}s", whole / 1_000),
        part => format!("{part}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        assert_eq!(parse_duration("350s"), Some(Duration::from_secs(350)));
        assert_eq!(parse_duration("1500ms"), Some(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("1h"), Some(Duration::from_secs(3_600)));
        for wrong in [
            "",
            "s",
            "10",
            "1.5s",
            "-1s",
            "+1s",
            " 1s",
            "1 s",
            "1s ",
            "1S",
            "1d",
            "1h30m",
            "99999999999999999999s",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong:?}");
        }
        assert_eq!(parse_duration("18446744073709551615h"), None, "more milliseconds than 64 bits hold");
    }

    #[test]
    fn a_duration_is_shown_as_the_file_writes_it() {
        assert_eq!(exact(Duration::from_secs(350)), "350s");
        assert_eq!(exact(Duration::from_millis(50)), "50ms");
        assert_eq!(exact(Duration::from_millis(1_500)), "1500ms");
    }
}
