//! What `ip -batch` and the kernel's parameters are told, a namespace at a time.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::addresses::{Family, OUTER_V4, OUTER_V6, Subnet, VIPS_V4, VIPS_V6};
use super::{Plan, node};
use crate::netns::Namespaces;

/// Addresses usable at once, kept over a link that goes down and up, and no opinion on where packets come from.
pub(super) const QUIET: &[(&str, &str)] = &[
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/keep_addr_on_down", "1"),
];

pub(super) const FORWARDING: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];

/// The edge host's own connections, its probes above all, keep out of the ports that `nat` hands out (32768 up).
pub(super) const EDGE_PORTS: &[(&str, &str)] = &[("ipv4/ip_local_port_range", "20000 32767")];

/// A node with the VIP on its loopback interface neither answers ARP for it nor gives it as its own.
pub(super) const QUIET_ABOUT_VIPS: &[(&str, &str)] =
    &[("ipv4/conf/all/arp_ignore", "1"), ("ipv4/conf/all/arp_announce", "2")];

/// The router's interfaces: name, the subnet, the namespace and the interface at the far end, the MTU.
fn ends(plan: &Plan) -> Vec<(String, Subnet, String, &'static str, u32)> {
    let mut ends = vec![
        ("clients".into(), Subnet::CLIENTS, "clients".into(), "eth0", plan.client_mtu),
        ("edge".into(), Subnet::EDGE, "edge".into(), "eth0", plan.fabric_mtu),
    ];
    if plan.second_arm {
        ends.push(("edge2".into(), Subnet::SECOND_ARM, "edge".into(), "eth1", plan.fabric_mtu));
    }
    ends.extend((1..=plan.nodes).map(|number| {
        (node::name(number), Subnet::of_node(number), node::name(number), "eth0", plan.fabric_mtu)
    }));
    ends
}

/// The names of the router's interfaces.
pub(super) fn router_interfaces(plan: &Plan) -> Vec<String> {
    ends(plan).into_iter().map(|(name, ..)| name).collect()
}

/// Every veth pair, each end made in its namespace: none ever shows up in the host's own.
pub(super) fn links(plan: &Plan, names: &Namespaces) -> String {
    let (router, edge) = (names.name("router"), names.name("edge"));
    let ends = ends(plan).into_iter().map(|(end, _, role, device, mtu)| (&router, end, role, device, mtu));
    let adjacent =
        adjacent(plan).map(|number| (&edge, node::name(number), node::name(number), "eth1", plan.fabric_mtu));
    ends.chain(adjacent).fold(String::new(), |mut script, (here, end, role, device, mtu)| {
        let peer = names.name(&role);
        line(
            &mut script,
            format_args!(
                "link add {end} mtu {mtu} netns {here} type veth peer name {device} mtu {mtu} netns {peer}"
            ),
        );
        script
    })
}

/// The numbers of the nodes that share a link with the edge node.
fn adjacent(plan: &Plan) -> impl Iterator<Item = u8> {
    (1..=plan.nodes).filter(|_| plan.adjacent)
}

pub(super) fn router(plan: &Plan) -> String {
    let mut script = String::new();
    for (name, subnet, ..) in ends(plan) {
        interface(&mut script, &name, &hosts(subnet, Subnet::ROUTER));
    }
    for (family, prefixes) in [(Family::V4, [VIPS_V4, OUTER_V4]), (Family::V6, [VIPS_V6, OUTER_V6])] {
        for prefix in prefixes {
            let edge = Subnet::EDGE.host(family, Subnet::FIRST);
            line(&mut script, format_args!("route add {prefix} via {edge}"));
        }
    }
    script
}

pub(super) fn clients(plan: &Plan) -> String {
    let mut script = String::new();
    let addresses: Vec<IpAddr> =
        (0..plan.client_addresses).flat_map(|n| hosts(Subnet::CLIENTS, Subnet::FIRST + n)).collect();
    interface(&mut script, "eth0", &addresses);
    default_routes(&mut script, Subnet::CLIENTS);
    script
}

pub(super) fn edge(plan: &Plan) -> String {
    let mut script = "link set lo up\n".to_owned();
    interface(&mut script, "eth0", &hosts(Subnet::EDGE, Subnet::FIRST));
    default_routes(&mut script, Subnet::EDGE);
    if plan.second_arm {
        interface(&mut script, "eth1", &hosts(Subnet::SECOND_ARM, Subnet::FIRST));
        for (family, nodes) in [(Family::V4, "10.2.0.0/16"), (Family::V6, "fd02::/16")] {
            let router = Subnet::SECOND_ARM.host(family, Subnet::ROUTER);
            line(&mut script, format_args!("route add {nodes} via {router}"));
        }
    }
    for number in adjacent(plan) {
        interface(&mut script, &node::name(number), &hosts(Subnet::of_adjacent(number), Subnet::ROUTER));
    }
    script
}

/// A training node's interfaces. Fit to be run again on a node whose link was down: addresses stayed, routes went.
pub(super) fn node(number: u8, adjacent: bool, direct: &[IpAddr]) -> String {
    let subnet = Subnet::of_node(number);
    let mut script = "link set lo up\n".to_owned();
    interface(&mut script, "eth0", &hosts(subnet, Subnet::FIRST));
    if adjacent {
        interface(&mut script, "eth1", &hosts(Subnet::of_adjacent(number), Subnet::FIRST));
    }
    for vip in direct {
        line(&mut script, format_args!("addr replace {vip} dev lo{}", usable_at_once(vip)));
    }
    default_routes(&mut script, subnet);
    script
}

fn hosts(subnet: Subnet, place: u8) -> [IpAddr; 2] {
    Family::BOTH.map(|family| subnet.host(family, place))
}

fn interface(script: &mut String, name: &str, addresses: &[IpAddr]) {
    line(script, format_args!("link set {name} up"));
    for address in addresses {
        let length = if address.is_ipv4() { 24 } else { 64 };
        line(script, format_args!("addr replace {address}/{length} dev {name}{}", usable_at_once(address)));
    }
}

fn default_routes(script: &mut String, subnet: Subnet) {
    for router in hosts(subnet, Subnet::ROUTER) {
        let any = if router.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
        line(script, format_args!("route replace {any} via {router}"));
    }
}

fn usable_at_once(address: &IpAddr) -> &'static str {
    if address.is_ipv6() { " nodad" } else { "" }
}

fn line(script: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _infallible = writeln!(script, "{text}");
}
