//! `[target_group.health_check]`.

use std::{ops::RangeInclusive, time::Duration};

use super::values::exact;
use crate::config::{
    checked::{CheckKind, HealthCheck},
    faults::{Checked, Faults, Placed},
    raw::{RawHealthCheck, RawPort},
    read::Field,
};

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);
const CODES: &str = "codes from 200 to 599 and ranges of them, such as `200-399` or `200,301-302`";
/// The NLB's own bound.
const LONGEST_PATH: usize = 1024;

/// Without the table, all defaults.
pub(super) fn check(raw: Option<RawHealthCheck>, faults: &mut Faults) -> Checked<HealthCheck> {
    let Some(raw) = raw else {
        return Ok(HealthCheck {
            kind: CheckKind::Tcp,
            port: None,
            interval: INTERVAL,
            timeout: TIMEOUT,
            healthy_threshold: 3,
            unhealthy_threshold: 2,
        });
    };
    let RawHealthCheck {
        protocol,
        port,
        path,
        expected_codes,
        interval,
        timeout,
        healthy_threshold,
        unhealthy_threshold,
    } = raw;
    let kind = check_kind(protocol, path, expected_codes, faults);
    let port = port.found.and_then(|port| port.map_or(Ok(None), |port| check_port(port, faults)));
    let milliseconds = Duration::from_millis;
    let interval = interval.within_or(milliseconds(100)..=milliseconds(300_000), INTERVAL, faults);
    let timeout = timeout.within_or(milliseconds(50)..=milliseconds(120_000), TIMEOUT, faults);
    let times = match (interval, timeout) {
        (Ok(interval), Ok(timeout)) => check_times(&interval, &timeout, faults),
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
    };
    let healthy_threshold = healthy_threshold.within_or(1..=10, 3, faults);
    let unhealthy_threshold = unhealthy_threshold.within_or(1..=10, 2, faults);
    let (interval, timeout) = times?;
    Ok(HealthCheck {
        kind: kind?,
        port: port?,
        interval,
        timeout,
        healthy_threshold: healthy_threshold?.value,
        unhealthy_threshold: unhealthy_threshold?.value,
    })
}

fn check_kind(
    protocol: Field<Placed<String>>,
    path: Field<Placed<String>>,
    codes: Field<Placed<String>>,
    faults: &mut Faults,
) -> Checked<CheckKind> {
    let http = match protocol.found? {
        Some(text) => text.one_of(&[("http", true), ("tcp", false)], faults)?.value,
        None => false,
    };
    let (path, codes) = (path.found, codes.found);
    if http {
        let path = path.and_then(|path| path.map_or(Ok("/".to_owned()), |path| check_path(path, faults)));
        let codes =
            codes.and_then(|codes| codes.map_or(Ok(vec![200..=399]), |codes| check_codes(codes, faults)));
        return Ok(CheckKind::Http { path: path?, expected_codes: codes? });
    }
    let path = path.and_then(|path| only_http(path, faults));
    let codes = codes.and_then(|codes| only_http(codes, faults));
    path.and(codes).map(|()| CheckKind::Tcp)
}

fn only_http(given: Option<Placed<String>>, faults: &mut Faults) -> Checked<()> {
    match given {
        None => Ok(()),
        Some(given) => {
            let message = format!(
                "`{}` is set for a check by tcp; allowed: with `protocol = \"http\"` only",
                given.key
            );
            faults.refuse(given.at, message)
        }
    }
}

fn check_path(path: Placed<String>, faults: &mut Faults) -> Checked<String> {
    let printable = path.value.bytes().all(|byte| byte.is_ascii_graphic());
    match path.value.starts_with('/') && printable && path.value.len() <= LONGEST_PATH {
        true => Ok(path.value),
        false => path.refuse_text(
            format_args!("printable ASCII without spaces, from `/` on, at most {LONGEST_PATH} bytes"),
            faults,
        ),
    }
}

fn check_codes(codes: Placed<String>, faults: &mut Faults) -> Checked<Vec<RangeInclusive<u16>>> {
    let parsed: Option<Vec<_>> = codes.value.split(',').map(|part| code_range(part.trim())).collect();
    match parsed {
        Some(parsed) => Ok(parsed),
        None => codes.refuse_text(CODES, faults),
    }
}

fn code_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (code(first)?, code(last)?);
    (first <= last).then_some(first..=last)
}

fn code(text: &str) -> Option<u16> {
    let code = text.parse().ok().filter(|code| (200..=599).contains(code))?;
    // Three digits: no sign, no leading zero.
    (text.len() == 3).then_some(code)
}

fn check_port(port: Placed<RawPort>, faults: &mut Faults) -> Checked<Option<u16>> {
    const ALLOWED: &str = "1 to 65535, or `traffic-port`";
    match port.value.clone() {
        RawPort::Word(word) if word == "traffic-port" => Ok(None),
        RawPort::Word(word) => port.with(word).refuse_text(ALLOWED, faults),
        RawPort::Number(number) => match u16::try_from(number) {
            Ok(number @ 1..) => Ok(Some(number)),
            Ok(_) | Err(_) => port.with(number).refuse(ALLOWED, faults),
        },
    }
}

fn check_times(
    interval: &Placed<Duration>,
    timeout: &Placed<Duration>,
    faults: &mut Faults,
) -> Checked<(Duration, Duration)> {
    if timeout.value <= interval.value {
        return Ok((interval.value, timeout.value));
    }
    let (long, short) = (exact(timeout.value), exact(interval.value));
    // A default stands at the table's header; so the later of the two was written.
    if timeout.at.start > interval.at.start {
        let message = format!(
            "`{}` is {long}, more than the interval of {short}; allowed: 50ms to the interval",
            timeout.key
        );
        return faults.refuse(timeout.at.clone(), message);
    }
    let message = format!(
        "`{}` is {short}, less than the timeout of {long}; allowed: the timeout to 300s",
        interval.key
    );
    faults.refuse(interval.at.clone(), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_codes_are_codes_and_ranges() {
        let ranges = |text: &str| text.split(',').map(code_range).collect::<Option<Vec<_>>>();
        assert_eq!(ranges("200-399"), Some(vec![200..=399]));
        assert_eq!(ranges("200,301-302,599"), Some(vec![200..=200, 301..=302, 599..=599]));
        for wrong in
            ["", ",", "200,", "199", "600", "300-200", "200-", "-200", "0200", "+20", "2xx", "200-300-400"]
        {
            assert_eq!(ranges(wrong), None, "{wrong:?}");
        }
    }
}
