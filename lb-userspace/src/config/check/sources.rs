//! The addresses that the node puts into packets as its own: `[nat]`, `[encapsulation]`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use ipnet::{Ipv4Net, Ipv6Net};
use lb_common::outer::GUE_PORT;

use super::{ROCE, tracking::check_flows, values::port_number};
use crate::config::{
    checked::{Encapsulation, Nat},
    faults::{Checked, Faults, Placed},
    raw::{RawEncapsulation, RawNat},
    read::Field,
};

const MOST_IDLE: Duration = Duration::from_secs(6000);
const PORTS: &str = "two ports such as `36864-60999`, from 1024 on, at least 256 of them";

/// `[nat]` whose fields stand, each for itself.
pub(super) struct OneNat {
    pub(super) ipv4_source: Checked<Option<Ipv4Addr>>,
    pub(super) ipv6_source: Checked<Option<Ipv6Addr>>,
    ports: Checked<RangeInclusive<u16>>,
    tcp_idle_timeout: Checked<Placed<Duration>>,
    udp_idle_timeout: Checked<Placed<Duration>>,
    flows: Checked<u32>,
}

pub(super) fn check_nat(raw: Placed<RawNat>, faults: &mut Faults) -> OneNat {
    let Placed { at, value, .. } = raw;
    let RawNat { ipv4_source, ipv6_source, ports, tcp_idle_timeout, udp_idle_timeout, flows } = value;
    let ipv4_source = check_address(ipv4_source, "an IPv4 address of this node", faults);
    let ipv6_source = check_address(ipv6_source, "an IPv6 address of this node", faults);
    if let (Ok(None), Ok(None)) = (&ipv4_source, &ipv6_source) {
        faults.report(at, "`[nat]` has no source; allowed: `ipv4_source`, `ipv6_source` or both");
    }
    let seconds = Duration::from_secs;
    OneNat {
        ipv4_source,
        ipv6_source,
        ports: check_ports(ports, faults),
        tcp_idle_timeout: tcp_idle_timeout.within_or(seconds(10)..=MOST_IDLE, seconds(350), faults),
        udp_idle_timeout: udp_idle_timeout.within_or(seconds(1)..=MOST_IDLE, seconds(120), faults),
        flows: check_flows(flows, faults),
    }
}

impl OneNat {
    pub(super) fn finish(self) -> Checked<Nat> {
        let Self { ipv4_source, ipv6_source, ports, tcp_idle_timeout, udp_idle_timeout, flows } = self;
        Ok(Nat {
            ipv4_source: ipv4_source?,
            ipv6_source: ipv6_source?,
            ports: ports?,
            tcp_idle_timeout: tcp_idle_timeout?.value,
            udp_idle_timeout: udp_idle_timeout?.value,
            flows: flows?,
        })
    }
}

fn check_address<T>(raw: Field<Placed<String>>, allowed: &str, faults: &mut Faults) -> Checked<Option<T>>
where
    T: FromStr + Into<IpAddr> + Copy + fmt::Display,
{
    let Some(text) = raw.found? else { return Ok(None) };
    let address = text.parse::<T>(allowed, faults)?.unicast(faults)?;
    Ok(Some(address.value))
}

fn check_ports(raw: Field<Placed<String>>, faults: &mut Faults) -> Checked<RangeInclusive<u16>> {
    let Some(text) = raw.found? else { return Ok(36_864..=60_999) };
    let ends =
        text.value.split_once('-').and_then(|(first, last)| Some((port_number(first)?, port_number(last)?)));
    match ends {
        // A reply comes to one of these ports, and a RoCE card takes that one from every packet.
        Some((first, last)) if (first..=last).contains(&ROCE) => text.refuse_text(
            "ports without 4791, which RoCEv2 owns: a reply to it would not reach the host",
            faults,
        ),
        Some((first @ 1024.., last)) if u32::from(last) + 1 >= u32::from(first) + 256 => Ok(first..=last),
        Some(_) | None => text.refuse_text(PORTS, faults),
    }
}

/// `[encapsulation]` whose fields stand, each for itself.
pub(super) struct OneEncapsulation {
    pub(super) ipv4_source: Checked<Option<Ipv4Net>>,
    pub(super) ipv6_source: Checked<Option<Ipv6Net>>,
    gue_port: Checked<u16>,
}

pub(super) fn check_encapsulation(raw: Option<RawEncapsulation>, faults: &mut Faults) -> OneEncapsulation {
    let Some(RawEncapsulation { ipv4_source, ipv6_source, gue_port }) = raw else {
        return OneEncapsulation { ipv4_source: Ok(None), ipv6_source: Ok(None), gue_port: Ok(GUE_PORT) };
    };
    OneEncapsulation {
        ipv4_source: check_network(ipv4_source, faults),
        ipv6_source: check_network(ipv6_source, faults),
        gue_port: check_gue_port(gue_port, faults),
    }
}

impl OneEncapsulation {
    pub(super) fn finish(self) -> Checked<Encapsulation> {
        let Self { ipv4_source, ipv6_source, gue_port } = self;
        Ok(Encapsulation { ipv4_source: ipv4_source?, ipv6_source: ipv6_source?, gue_port: gue_port? })
    }
}

fn check_gue_port(raw: Field<Placed<i64>>, faults: &mut Faults) -> Checked<u16> {
    let port = raw.within_or(1..=u16::MAX, GUE_PORT, faults)?;
    if port.value == ROCE {
        return port
            .refuse("1 to 65535 without 4791, which RoCEv2 owns: a target's card would take it", faults);
    }
    Ok(port.value)
}

/// What the two kinds of network have in common here.
trait Network: Copy + Eq + FromStr + fmt::Display {
    const ALLOWED: &'static str;
    const LENGTHS: RangeInclusive<u8>;

    fn length(&self) -> u8;
    fn without_host_bits(&self) -> Self;
    fn first_address(&self) -> IpAddr;
}

impl Network for Ipv4Net {
    const ALLOWED: &'static str = "an IPv4 network of /8 to /32, such as `10.77.0.0/16`";
    const LENGTHS: RangeInclusive<u8> = 8..=32;

    fn length(&self) -> u8 {
        self.prefix_len()
    }

    fn without_host_bits(&self) -> Self {
        self.trunc()
    }

    fn first_address(&self) -> IpAddr {
        self.network().into()
    }
}

impl Network for Ipv6Net {
    const ALLOWED: &'static str = "an IPv6 network of /16 to /96, such as `fd77::/64`";
    const LENGTHS: RangeInclusive<u8> = 16..=96;

    fn length(&self) -> u8 {
        self.prefix_len()
    }

    fn without_host_bits(&self) -> Self {
        self.trunc()
    }

    fn first_address(&self) -> IpAddr {
        self.network().into()
    }
}

fn check_network<N: Network>(raw: Field<Placed<String>>, faults: &mut Faults) -> Checked<Option<N>> {
    let Some(text) = raw.found? else { return Ok(None) };
    let network = text.parse::<N>(N::ALLOWED, faults)?;
    let trunc = network.value.without_host_bits();
    if !N::LENGTHS.contains(&network.value.length()) {
        return network.refuse(N::ALLOWED, faults);
    }
    if network.value != trunc {
        return network.refuse(format_args!("no bits after the prefix: `{trunc}`"), faults);
    }
    let first = Placed { key: network.key, at: network.at, value: network.value.first_address() };
    first.unicast(faults)?;
    Ok(Some(network.value))
}
