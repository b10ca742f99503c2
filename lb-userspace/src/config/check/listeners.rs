//! `[[listener]]`: each by itself, then no two alike.

use std::net::IpAddr;

use super::{
    ROCE, unique,
    values::{ADDRESS, NAME},
};
use crate::config::{
    checked::{GroupName, Listener, ListenerName, Protocol},
    faults::{Checked, Faults, Placed, Span},
    raw::RawListener,
};

/// A listener whose fields stand, each for itself; what it has to do with others is not yet seen.
pub(super) struct OneListener {
    pub(super) at: Span,
    pub(super) name: Checked<Placed<ListenerName>>,
    pub(super) address: Checked<Placed<IpAddr>>,
    pub(super) port: Checked<Placed<Option<u16>>>,
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
        ends.map(|((address, port, protocol), at)| ((address, port.unwrap_or(0), protocol), at)),
        |(address, port, protocol), line| {
            let port = if *port == 0 { "every port".to_owned() } else { format!("port {port}") };
            format!(
                "{protocol} on {port} of {address} belongs to the listener in line {line}; \
                    allowed: one listener for each address, port and protocol"
            )
        },
        faults,
    );
    listeners
}

fn check_one(raw: Placed<RawListener>, faults: &mut Faults) -> OneListener {
    let Placed { at, value, .. } = raw;
    let RawListener { name, address, port, protocol, target_group } = value;
    let name = name.required(NAME, faults).and_then(|text| text.name(ListenerName::parse, faults));
    let address = address.required(ADDRESS, faults).and_then(|text| text.address(faults));
    let protocol = protocol
        .required("`tcp`, `udp`", faults)
        .and_then(|text| text.one_of(&[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)], faults));
    let port = port.required(PORT, faults).and_then(|port| check_port(port, &protocol, faults));
    let target_group = target_group
        .required("the name of a target group", faults)
        .and_then(|text| text.name(GroupName::parse, faults));
    OneListener { at, name, address, port, protocol, target_group }
}

const PORT: &str = "1 to 65535, or 0 for every port";

fn check_port(
    port: Placed<i64>,
    protocol: &Checked<Placed<Protocol>>,
    faults: &mut Faults,
) -> Checked<Placed<Option<u16>>> {
    let udp = protocol.as_ref().is_ok_and(|protocol| protocol.value == Protocol::Udp);
    match u16::try_from(port.value) {
        Ok(ROCE) if udp => {
            port.refuse("any other port: UDP 4791 is RoCEv2, which must not pass a balancer", faults)
        }
        Ok(0) => Ok(port.with(None)),
        Ok(number) => Ok(port.with(Some(number))),
        Err(_) => port.refuse(PORT, faults),
    }
}

impl OneListener {
    /// What no two listeners share.
    fn end(&self) -> Option<(IpAddr, Option<u16>, Protocol)> {
        let address = self.address.as_ref().ok()?.value;
        let port = self.port.as_ref().ok()?.value;
        Some((address, port, self.protocol.as_ref().ok()?.value))
    }

    pub(super) fn finish(self) -> Checked<(ListenerName, Listener)> {
        let Self { at: _, name, address, port, protocol, target_group } = self;
        let listener = Listener {
            address: address?.value,
            port: port?.value,
            protocol: protocol?.value,
            target_group: target_group?.value,
        };
        Ok((name?.value, listener))
    }
}
