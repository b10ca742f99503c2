//! The real object in the real kernel, packet by packet, by program test runs.

use lb_common::maps::{HashKeys, Settings};
use pointsman::dataplane::{kernel::Kernel, load::Sizes};

#[test]
fn the_verifier_accepts_the_edge_program() {
    let settings = Settings {
        keys: HashKeys::from_seed(b"seed"),
        flow_sets_mask: 511,
        sessions_mask: 1023,
        nat_first_port: 32768,
        nat_ports: 1000,
        tcp_idle: 330,
        udp_idle: 110,
        unreplied_idle: 30,
        closed_idle: 60,
    };
    Kernel::load(Sizes { listeners: 16, targets: 100, slots: 65537, nat_flows: 1024 }, &settings)
        .map_err(|e| format!("{e} {e:#?}").replace("\\n", "\n"))
        .map_err(|e| println!("{e}"))
        .unwrap();
}

#[test]
fn the_verifier_accepts_the_node_program() {
    pointsman::dataplane::node::Node::load(&[])
        .map_err(|e| format!("{e} {e:#?}").replace("\\n", "\n"))
        .map_err(|e| println!("{e}"))
        .unwrap();
}
