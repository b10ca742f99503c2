//! `[[listener]]`: each by itself, then no two alike.

pub(super) mod ranges;

use std::net::IpAddr;

use super::{
    ROCE, unique,
    values::{ADDRESS, NAME, port_number},
};
use crate::config::{
    checked::{GroupName, Listener, ListenerName, Ports, Protocol},
    faults::{Checked, Faults, Placed, Span},
    raw::{RawListener, RawPorts},
};

/// A listener whose fields stand, each for itself; what it has to do with others is not yet seen.
pub(super) struct OneListener {
    pub(super) at: Span,
    pub(super) name: Checked<Placed<ListenerName>>,
    pub(super) address: Checked<Placed<IpAddr>>,
    pub(super) ports: Checked<Placed<Ports>>,
    pub(super) protocol: Checked<Placed<Protocol>>,
    pub(super) target_group: Checked<Placed<GroupName>>,
}

pub(super) fn check(raw: Vec<Placed<RawListener>>, faults: &mut Faults) -> Vec<OneListener> {
    let listeners: Vec<_> = raw.into_iter().map(|raw| check_one(raw, faults)).collect();
    let names = listeners.iter().filter_map(|listener| listener.name.as_ref().ok());
    unique(
        names.map(|name| (name.value.clone(), &name.at)),
        |name, line| format!("listener `{name}` is defined in line {line} already; allowed: each name once"),
        faults,
    );
    let ends = listeners.iter().filter_map(|listener| Some((listener.end()?, &listener.at)));
    unique(
        ends,
        |(address, ports, protocol), line| {
            format!(
                "{protocol} on {ports} of {address} belongs to the listener in line {line}; \
                    allowed: one listener for each address, port and protocol"
            )
        },
        faults,
    );
    ranges::check(&listeners, faults);
    listeners
}

fn check_one(raw: Placed<RawListener>, faults: &mut Faults) -> OneListener {
    let Placed { at, value, .. } = raw;
    let RawListener { name, address, port: ports, protocol, target_group } = value;
    let name = name.required(NAME, faults).and_then(|text| text.name(ListenerName::parse, faults));
    let address = address.required(ADDRESS, faults).and_then(|text| text.address(faults));
    let protocol = protocol
        .required("`tcp`, `udp`", faults)
        .and_then(|text| text.one_of(&[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)], faults));
    let ports = ports.required(PORT, faults).and_then(|ports| check_ports(ports, &protocol, faults));
    let target_group = target_group
        .required("the name of a target group", faults)
        .and_then(|text| text.name(GroupName::parse, faults));
    OneListener { at, name, address, ports, protocol, target_group }
}

const PORT: &str = "1 to 65535, a range such as `29400-29499`, or 0 for every port";

fn check_ports(
    ports: Placed<RawPorts>,
    protocol: &Checked<Placed<Protocol>>,
    faults: &mut Faults,
) -> Checked<Placed<Ports>> {
    let udp = protocol.as_ref().is_ok_and(|protocol| protocol.value == Protocol::Udp);
    let parsed = match &ports.value {
        RawPorts::Number(number) => u16::try_from(*number).ok().map(Ports::from),
        RawPorts::Range(text) => range(text),
    };
    match parsed {
        Some(Ports::One(ROCE)) if udp => {
            ports.refuse("any other port: UDP 4791 is RoCEv2, which must not pass a balancer", faults)
        }
        Some(Ports::Range { first, last }) if udp && (first..=last).contains(&ROCE) => {
            ports.refuse("ranges without UDP 4791, which is RoCEv2 and must not pass a balancer", faults)
        }
        Some(parsed) => Ok(ports.with(parsed)),
        None => ports.refuse(PORT, faults),
    }
}

fn range(text: &str) -> Option<Ports> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (port_number(first)?, port_number(last)?);
    (1..last).contains(&first).then_some(Ports::Range { first, last })
}

impl OneListener {
    /// What no two listeners share.
    fn end(&self) -> Option<(IpAddr, Ports, Protocol)> {
        let address = self.address.as_ref().ok()?.value;
        let ports = self.ports.as_ref().ok()?.value;
        Some((address, ports, self.protocol.as_ref().ok()?.value))
    }

    pub(super) fn finish(self) -> Checked<(ListenerName, Listener)> {
        let Self { at: _, name, address, ports, protocol, target_group } = self;
        let listener = Listener {
            address: address?.value,
            ports: ports?.value,
            protocol: protocol?.value,
            target_group: target_group?.value,
        };
        Ok((name?.value, listener))
    }
}
