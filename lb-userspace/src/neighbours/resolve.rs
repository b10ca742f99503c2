//! From facts to next hops. Pure: what the kernel said comes in, what to tell comes out.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::event::{NextHop, NoRoute};

/// What the kernel said last, about everything that a next hop is made of.
#[derive(Default)]
pub(super) struct Facts {
    /// Names of the interfaces that packets may leave by.
    pub interfaces: BTreeSet<String>,
    /// By `ifindex`.
    pub links: BTreeMap<u32, Link>,
    pub routes: BTreeMap<IpAddr, Route>,
    /// All of the host's, so that a route that changes finds its new neighbour here.
    pub neighbours: BTreeMap<Hop, Neighbour>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub name: String,
    /// `None` where there is no Ethernet address.
    pub mac: Option<[u8; 6]>,
    pub mtu: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To send to: the gateway, or the address itself if there is none, on that interface.
    Via {
        interface: u32,
        gateway: Option<IpAddr>,
        mtu: Option<u32>,
    },
    Local,
    /// No route, or one that only the host's own stack can follow.
    Unreachable,
}

/// One entry of a neighbour table, by its key. The address may be of another family than the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    pub interface: u32,
    pub address: IpAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    /// `None` while the kernel does not know it, or does not believe it.
    pub mac: Option<[u8; 6]>,
    /// The kernel keeps the entry resolved by itself (`NTF_EXT_MANAGED`).
    pub managed: bool,
    /// Put there by hand or by a routing daemon: while it is known it is not asked for.
    pub fixed: bool,
}

impl Facts {
    pub(super) fn resolve(&self, address: IpAddr) -> Result<NextHop, NoRoute> {
        let unreachable = NoRoute::Unreachable(address);
        let (interface, gateway, mtu) = match self.routes.get(&address) {
            Some(&Route::Via { interface, gateway, mtu }) => (interface, gateway, mtu),
            Some(Route::Local) => return Err(NoRoute::Local(address)),
            Some(Route::Unreachable) | None => return Err(unreachable),
        };
        let link = self.links.get(&interface).ok_or(unreachable.clone())?;
        if !self.interfaces.contains(&link.name) {
            return Err(NoRoute::ForeignInterface(link.name.clone()));
        }
        let own_mac = link.mac.ok_or(unreachable)?;
        let gateway = gateway.filter(|gateway| *gateway != address);
        let hop = Hop { interface, address: gateway.unwrap_or(address) };
        let gateway_mac = self.neighbours.get(&hop).and_then(|neighbour| neighbour.mac);
        let gateway_mac = gateway_mac.ok_or(NoRoute::Unresolved(hop.address))?;
        // A route's MTU above the link's is a mistake that the driver would answer by dropping.
        let mtu = mtu.map_or(link.mtu, |mtu| mtu.min(link.mtu));
        Ok(NextHop { interface, own_mac, gateway, gateway_mac, mtu })
    }

    /// The neighbour that `address` needs; `None` when no neighbour would help.
    pub(super) fn hop(&self, address: IpAddr) -> Option<Hop> {
        let Some(&Route::Via { interface, gateway, .. }) = self.routes.get(&address) else { return None };
        let link = self.links.get(&interface)?;
        let ours = link.mac.is_some() && self.interfaces.contains(&link.name);
        ours.then(|| Hop { interface, address: gateway.unwrap_or(address) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const KNOWN: Neighbour = Neighbour { mac: Some(THEIRS), managed: true, fixed: false };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Target 10.1.0.1 with `route`; interface 7 is `edge0`, ours, 8 is `eth0`, not ours, 9 is a tunnel.
    fn facts(route: Option<Route>, neighbours: &[(u32, &str, Neighbour)]) -> Facts {
        let link = |name: &str, mac| Link { name: name.into(), mac, mtu: 1500 };
        Facts {
            interfaces: ["edge0".into(), "tun0".into()].into(),
            links: [(7, link("edge0", Some(OWN))), (8, link("eth0", Some(OWN))), (9, link("tun0", None))]
                .into(),
            routes: route.map(|route| (ip("10.1.0.1"), route)).into_iter().collect(),
            neighbours: neighbours
                .iter()
                .map(|&(interface, address, neighbour)| (Hop { interface, address: ip(address) }, neighbour))
                .collect(),
        }
    }

    fn via(interface: u32, gateway: &str, mtu: Option<u32>) -> Option<Route> {
        Some(Route::Via { interface, gateway: (!gateway.is_empty()).then(|| ip(gateway)), mtu })
    }

    fn hop(gateway: &str, mtu: u32) -> Result<NextHop, NoRoute> {
        let gateway = (!gateway.is_empty()).then(|| ip(gateway));
        Ok(NextHop { interface: 7, own_mac: OWN, gateway, gateway_mac: THEIRS, mtu })
    }

    #[test]
    fn facts_make_the_next_hop() {
        let target = ip("10.1.0.1");
        let gateway = [(7, "10.0.0.1", KNOWN)];
        let unknown = Neighbour { mac: None, ..KNOWN };
        let cases = [
            ("gateway", via(7, "10.0.0.1", None), &gateway[..], hop("10.0.0.1", 1500)),
            (
                "gateway of the other family",
                via(7, "fd00::1", None),
                &[(7, "fd00::1", KNOWN)],
                hop("fd00::1", 1500),
            ),
            ("on the link", via(7, "", None), &[(7, "10.1.0.1", KNOWN)], hop("", 1500)),
            ("its own gateway", via(7, "10.1.0.1", None), &[(7, "10.1.0.1", KNOWN)], hop("", 1500)),
            ("the route's MTU", via(7, "10.0.0.1", Some(1400)), &gateway, hop("10.0.0.1", 1400)),
            (
                "the link's MTU, when the route's is above",
                via(7, "10.0.0.1", Some(9000)),
                &gateway,
                hop("10.0.0.1", 1500),
            ),
            ("no neighbour", via(7, "10.0.0.1", None), &[], Err(NoRoute::Unresolved(ip("10.0.0.1")))),
            (
                "the neighbour of that address, but elsewhere",
                via(7, "10.0.0.1", None),
                &[(8, "10.0.0.1", KNOWN)],
                Err(NoRoute::Unresolved(ip("10.0.0.1"))),
            ),
            (
                "the neighbour has no MAC",
                via(7, "", None),
                &[(7, "10.1.0.1", unknown)],
                Err(NoRoute::Unresolved(target)),
            ),
            (
                "foreign interface",
                via(8, "10.0.0.1", None),
                &gateway,
                Err(NoRoute::ForeignInterface("eth0".into())),
            ),
            ("no Ethernet", via(9, "", None), &[(9, "10.1.0.1", KNOWN)], Err(NoRoute::Unreachable(target))),
            ("unknown interface", via(4, "", None), &[], Err(NoRoute::Unreachable(target))),
            ("local", Some(Route::Local), &gateway, Err(NoRoute::Local(target))),
            ("unreachable", Some(Route::Unreachable), &gateway, Err(NoRoute::Unreachable(target))),
            ("never asked", None, &gateway, Err(NoRoute::Unreachable(target))),
        ];
        for (name, route, neighbours, expected) in cases {
            assert_eq!(facts(route, neighbours).resolve(target), expected, "{name}");
        }
    }

    #[test]
    fn only_a_neighbour_that_would_help_is_needed() {
        let target = ip("10.1.0.1");
        let cases = [
            ("gateway", via(7, "10.0.0.1", None), Some(Hop { interface: 7, address: ip("10.0.0.1") })),
            ("on the link", via(7, "", None), Some(Hop { interface: 7, address: target })),
            ("foreign interface", via(8, "10.0.0.1", None), None),
            ("no Ethernet", via(9, "", None), None),
            ("local", Some(Route::Local), None),
        ];
        for (name, route, expected) in cases {
            assert_eq!(facts(route, &[]).hop(target), expected, "{name}");
        }
    }
}
