//! Keeps the ports that `nat` sends from away from the host's own sockets.
//!
//! `net.ipv4.ip_local_reserved_ports` takes ports out of what the kernel assigns to sockets that ask for
//! none; it serves IPv6 too, and belongs to the network namespace.
//! <https://docs.kernel.org/networking/ip-sysctl.html>

use std::{fmt::Write as _, fs, io, ops::RangeInclusive, path::Path};

const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";
const ASSIGNED: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The host connects too: health checks, metrics, the operator.
const LEFT_FOR_HOST: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    #[error("read `{path}`")]
    Read { path: &'static str, source: io::Error },
    #[error("write `{path}`, so that the host keeps off the ports of `nat.ports`")]
    Write { path: &'static str, source: io::Error },
    #[error("understand `{path}`, which reads `{text}`")]
    Meaning { path: &'static str, text: String },
    #[error(
        "`nat.ports` leaves the host {left} of the ports {}-{} that it connects from; choose other ports, or give \
         it more: `sysctl net.ipv4.ip_local_port_range=\"10000 65000\"`",
        assigned.start(), assigned.end()
    )]
    TooFew { left: usize, assigned: RangeInclusive<u16> },
}

/// Reserved ports, given back when dropped as far as they were not reserved before.
#[derive(Debug)]
pub struct ReservedPorts {
    before: String,
    ours: String,
}

impl ReservedPorts {
    /// Adds a range to the network namespace's reserved ports.
    ///
    /// # Errors
    /// The kernel refuses, or the host would have too few ports left to connect from.
    pub fn reserve(ports: &RangeInclusive<u16>) -> Result<Self, ReserveError> {
        let before = read(RESERVED)?;
        let assigned = read(ASSIGNED)?;
        let mut reserved = parse_list(&before)
            .ok_or_else(|| ReserveError::Meaning { path: RESERVED, text: before.clone() })?;
        let assigned = parse_pair(&assigned)
            .ok_or_else(|| ReserveError::Meaning { path: ASSIGNED, text: assigned.clone() })?;
        reserved.push(ports.clone());
        let left = assigned.clone().filter(|port| !reserved.iter().any(|range| range.contains(port))).count();
        if left < LEFT_FOR_HOST {
            return Err(ReserveError::TooFew { left, assigned });
        }
        let ours = format_list(&reserved);
        fs::write(RESERVED, &ours).map_err(|source| ReserveError::Write { path: RESERVED, source })?;
        Ok(Self { before, ours: read(RESERVED)? })
    }
}

impl Drop for ReservedPorts {
    fn drop(&mut self) {
        // What somebody else reserved meanwhile is not ours to give back.
        if read(RESERVED).is_ok_and(|now| now == self.ours)
            && let Err(error) = fs::write(RESERVED, if self.before.is_empty() { "\n" } else { &self.before })
        {
            tracing::warn!(%error, "nat's ports stay reserved in `{RESERVED}`");
        }
    }
}

fn read(path: &'static str) -> Result<String, ReserveError> {
    let text = fs::read_to_string(Path::new(path)).map_err(|source| ReserveError::Read { path, source })?;
    Ok(text.trim().to_owned())
}

/// `8080,9148-9200`
fn parse_list(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some(first.parse().ok()?..=last.parse().ok()?),
        None => part.parse().ok().map(|port| port..=port),
    };
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(range).collect()
}

/// Two numbers, with white space between.
fn parse_pair(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace();
    let (first, last) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    words.next().is_none().then_some(first..=last)
}

fn format_list(ranges: &[RangeInclusive<u16>]) -> String {
    ranges.iter().fold(String::new(), |mut text, range| {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string does not fail.
        let _: Result<(), std::fmt::Error> = write!(text, "{comma}{}-{}", range.start(), range.end());
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_are_read_and_written_back() {
        let ranges = parse_list("8080,9148-9200, 30000-30001").unwrap();
        assert_eq!(ranges, [8080..=8080, 9148..=9200, 30000..=30001]);
        assert_eq!(format_list(&ranges), "8080-8080,9148-9200,30000-30001");
        assert_eq!(parse_list(""), Some(vec![]));
        assert_eq!(parse_list("80-"), None);
        assert_eq!(parse_pair("32768\t60999"), Some(32768..=60999));
        assert_eq!(parse_pair("32768"), None);
    }
}
