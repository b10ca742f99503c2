//! What full NAT must do with one packet, all of it at once.

use super::{Lab, Node, from_target, node, to_target};
use crate::packet::Packet;

impl Lab {
    /// The packet opens a flow to `node`. Gives the port that it is sent on from.
    #[track_caller]
    pub(crate) fn opens(&mut self, node: &Node, packet: &Packet) -> u16 {
        let ran = self.run(&packet.frame());
        let port = ran.output.get(packet.transport()..).map_or(0, |_| ran.number(packet.transport()));
        ran.sends(&node.translated(packet, port).frame()).opened(to_target(node.id));
        let first = self.settings.nat_first_port;
        let range = first..first + self.settings.nat_ports;
        assert!(range.contains(&u32::from(port)), "port {port} lies in the range {range:?}");
        port
    }

    /// The packet belongs to a flow that is there, and goes to `node` from `port`.
    #[track_caller]
    pub(crate) fn goes_on(&mut self, node: &Node, packet: &Packet, port: u16) {
        let expected = node.translated(packet, port).frame();
        self.run(&packet.frame()).sends(&expected).counted(to_target(node.id));
    }

    /// The node's `reply` goes back to the client of `packet`.
    #[track_caller]
    pub(crate) fn comes_back(&mut self, node: &Node, reply: &Packet, packet: &Packet) {
        let expected = node::returned(reply, packet).frame();
        self.run(&reply.frame()).sends(&expected).counted(from_target(node.id));
    }
}
