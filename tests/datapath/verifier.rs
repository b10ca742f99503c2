//! The kernel takes the programs.

use pointsman::dataplane::{kernel::Kernel, load::Sizes, node::Node};

use crate::lab::settings;

#[test]
fn the_verifier_accepts_the_edge_program() {
    let sizes = Sizes {
        listeners: 16,
        range_lists: 4,
        targets: 100,
        slots: 65537,
        nat_flows: 1024,
        tracked_flows: 1024,
    };
    Kernel::load(sizes, &settings()).unwrap_or_else(|error| panic!("{error}: {error:#?}"));
}

#[test]
fn the_verifier_accepts_the_node_program() {
    Node::load(&[], 6080).unwrap_or_else(|error| panic!("{error}: {error:#?}"));
}
