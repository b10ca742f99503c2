//! Between netlink messages and facts.

use std::net::IpAddr;

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    link::{LinkAttribute, LinkExtentMask, LinkMessage},
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage,
        NeighbourState,
    },
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia},
};

use super::resolve::{Hop, Link, Neighbour, Route};

/// What a multicast message is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// `None`: it is gone.
    Link(u32, Option<Link>),
    Neighbour(Hop, Option<Neighbour>),
    /// Routes, rules: which addresses it concerns is the kernel's to say.
    Routing,
    Nothing,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of some 50 kinds, these say something")]
pub(super) fn news(message: RouteNetlinkMessage) -> News {
    let about = |entry: Option<(Hop, Neighbour)>| {
        entry.map_or(News::Nothing, |(hop, it)| News::Neighbour(hop, Some(it)))
    };
    match message {
        RouteNetlinkMessage::NewLink(message) => News::Link(message.header.index, Some(link(message))),
        // A bridge says so of a port that leaves it; the link itself stays.
        RouteNetlinkMessage::DelLink(message) if message.header.interface_family != AddressFamily::Unspec => {
            News::Nothing
        }
        RouteNetlinkMessage::DelLink(message) => News::Link(message.header.index, None),
        RouteNetlinkMessage::NewNeighbour(message) => about(neighbour(message)),
        RouteNetlinkMessage::DelNeighbour(message) => {
            neighbour(message).map_or(News::Nothing, |(hop, _)| News::Neighbour(hop, None))
        }
        RouteNetlinkMessage::NewRoute(_)
        | RouteNetlinkMessage::DelRoute(_)
        | RouteNetlinkMessage::NewRule(_)
        | RouteNetlinkMessage::DelRule(_) => News::Routing,
        _ => News::Nothing,
    }
}

/// Asks for all links, without their counters.
pub(super) fn get_links() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    RouteNetlinkMessage::GetLink(message)
}

/// Asks for all neighbours of a family.
pub(super) fn get_neighbours(family: AddressFamily) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family;
    RouteNetlinkMessage::GetNeighbour(message)
}

/// Asks for one neighbour (kernel 5.0).
pub(super) fn get_neighbour(hop: Hop) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetNeighbour(about(hop))
}

/// Asks what the host would do with a packet to `address`.
pub(super) fn get_route(address: IpAddr) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(address);
    message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
    message.attributes.push(RouteAttribute::Destination(address.into()));
    RouteNetlinkMessage::GetRoute(message)
}

/// Asks the kernel to resolve `hop` now, as if it had a packet for it (`NTF_USE`), and with `managed`
/// also to keep it so. Without, an entry that was managed is not any more. `neigh_add`:
/// <https://github.com/torvalds/linux/blob/v6.12/net/core/neighbour.c>.
pub(super) fn solicit(hop: Hop, managed: bool) -> RouteNetlinkMessage {
    let mut message = about(hop);
    message.header.flags = NeighbourFlags::Use;
    if managed {
        message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
    }
    RouteNetlinkMessage::NewNeighbour(message)
}

fn about(hop: Hop) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(hop.address);
    message.header.ifindex = hop.interface;
    message.attributes.push(NeighbourAttribute::Destination(hop.address.into()));
    message
}

const fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

pub(super) fn link(message: LinkMessage) -> Link {
    let mut link = Link { name: String::new(), mac: None, mtu: 0 };
    for attribute in message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            link.name = name;
        } else if let LinkAttribute::Address(mac) = attribute {
            link.mac = mac.try_into().ok();
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            link.mtu = mtu;
        }
    }
    link
}

/// `None` for what is no entry of an IPv4 or IPv6 table: a bridge's, a proxy's.
pub(super) fn neighbour(message: NeighbourMessage) -> Option<(Hop, Neighbour)> {
    use NeighbourState::{Delay, Noarp, Permanent, Probe, Reachable, Stale};
    let NeighbourMessage { header, attributes, .. } = message;
    if header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    // A stale MAC is still the best that is known, and the kernel would send to it too.
    let believed = [Reachable, Stale, Delay, Probe, Permanent, Noarp].contains(&header.state);
    // Asking for an entry that a routing daemon put there would take it out of that daemon's hands.
    let theirs = header.flags.contains(NeighbourFlags::ExtLearned);
    let fixed = theirs || [Permanent, Noarp].contains(&header.state);
    let (mut address, mut neighbour) = (None, Neighbour { mac: None, managed: false, fixed });
    for attribute in attributes {
        if let NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) = attribute {
            address = Some(IpAddr::V4(ip));
        } else if let NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) = attribute {
            address = Some(IpAddr::V6(ip));
        } else if let NeighbourAttribute::LinkLayerAddress(mac) = attribute {
            neighbour.mac = mac.try_into().ok().filter(|_| believed);
        } else if let NeighbourAttribute::ExtFlags(flags) = attribute {
            neighbour.managed = flags.contains(NeighbourExtFlags::Managed);
        }
    }
    Some((Hop { interface: header.ifindex, address: address? }, neighbour))
}

pub(super) fn route(message: RouteMessage) -> Route {
    if message.header.kind == RouteType::Local {
        return Route::Local;
    }
    let (mut interface, mut gateway, mut mtu, mut plain) = (None, None, None, true);
    for attribute in message.attributes {
        if let RouteAttribute::Oif(index) = attribute {
            interface = Some(index);
        } else if let RouteAttribute::Gateway(RouteAddress::Inet(ip))
        | RouteAttribute::Via(RouteVia::Inet(ip)) = attribute
        {
            gateway = Some(IpAddr::V4(ip));
        } else if let RouteAttribute::Gateway(RouteAddress::Inet6(ip))
        | RouteAttribute::Via(RouteVia::Inet6(ip)) = attribute
        {
            gateway = Some(IpAddr::V6(ip));
        } else if let RouteAttribute::Metrics(metrics) = attribute {
            mtu = metrics
                .into_iter()
                .find_map(|metric| if let RouteMetric::Mtu(mtu) = metric { Some(mtu) } else { None });
        } else if let RouteAttribute::EncapType(_) = attribute {
            plain = false;
        }
    }
    // Broadcast, blackhole and the like name no one to send to; a light-weight tunnel (MPLS, SRv6)
    // is what the host's own stack puts on, and XDP would send the packet bare.
    let unicast = message.header.kind == RouteType::Unicast && plain;
    let interface = interface.filter(|_| unicast);
    let mtu = mtu.filter(|&mtu| mtu > 0);
    interface.map_or(Route::Unreachable, |interface| Route::Via { interface, gateway, mtu })
}
