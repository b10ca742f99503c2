//! Full NAT: which flows there are, and what they may do.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use lb_common::{
    maps::{Settings, TARGET_RESOLVED, TARGET_SERVES},
    verdict::Verdict,
};

use super::{Listening, Sent, Stop, World, forward, headers::Headers, icmp};
use crate::lab::{LOOPBACK, Line, Node};
use crate::packet::{FIN, Mac, RST, UDP};

/// A flow as its client names it: client, VIP, protocol.
type Flow = (SocketAddr, SocketAddr, u8);
/// A flow as its target names it: target, edge node, protocol.
pub(super) type Way = (SocketAddr, SocketAddr, u8);

/// The way back of a flow.
#[derive(Clone, Debug)]
struct Session {
    flow: Flow,
    node: u32,
    gateway: Mac,
    fin_to_target: bool,
    fin_from_target: bool,
    reset: bool,
    replied: bool,
    silent_since: u32,
}

pub(super) struct Table {
    settings: Settings,
    now: u32,
    flows: BTreeMap<Flow, Way>,
    sessions: BTreeMap<Way, Session>,
}

impl Session {
    const fn closed(&self) -> bool {
        self.reset || self.fin_to_target && self.fin_from_target
    }
}

impl Table {
    pub(super) const fn new(settings: Settings) -> Self {
        Self { settings, now: 0, flows: BTreeMap::new(), sessions: BTreeMap::new() }
    }

    pub(super) const fn age(&mut self, ticks: u32) {
        self.now += ticks;
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = (&Way, bool)> {
        self.sessions.iter().map(|(way, session)| (way, self.lives(session)))
    }

    /// A client's packet.
    pub(super) fn there(
        &mut self,
        frame: &[u8],
        headers: &Headers,
        world: &World,
        listening: &Listening,
        chosen: &dyn Fn(usize) -> Option<u16>,
    ) -> Result<Sent, Stop> {
        let flow = (headers.source, headers.destination, headers.protocol);
        let known = self.known(flow, headers).map(|(way, session)| (way, &world.nodes[&session.node]));
        let known = known.filter(|(_, node)| node.flags & TARGET_SERVES != 0);
        let opens = known.is_none();
        let (node, way) = if let Some((way, node)) = known {
            if node.flags & TARGET_RESOLVED == 0 {
                return Err(Verdict::NextHopUnresolved.into());
            }
            fits(frame, headers, node)?;
            (node, way)
        } else {
            let node = world.choice(&self.settings.keys, listening, headers)?;
            fits(frame, headers, node)?;
            (node, self.open(frame, headers, flow, node, chosen(headers.transport))?)
        };
        let now = self.now;
        let session = self.sessions.get_mut(&way).expect("just found or made");
        session.silent_since = now;
        session.fin_to_target |= headers.flags & FIN != 0;
        session.reset |= headers.flags & RST != 0;
        let (target, edge, _) = way;
        let bytes = forward::translated(frame, headers, [node.mac(), node.own_mac], edge, target);
        Ok(Sent { bytes, line: Line::ToTarget(node.id), opens, interface: node.interface })
    }

    /// The flow, if it lives and still has its port. A SYN on a closed one is another flow.
    fn known(&self, flow: Flow, headers: &Headers) -> Option<(Way, &Session)> {
        let way = *self.flows.get(&flow)?;
        let session = self.sessions.get(&way)?;
        let own = session.flow == flow && self.lives(session);
        (own && !(session.closed() && headers.opens())).then_some((way, session))
    }

    /// Checks the port that the program chose.
    fn open(
        &mut self,
        frame: &[u8],
        headers: &Headers,
        flow: Flow,
        node: &Node,
        chosen: Option<u16>,
    ) -> Result<Way, Verdict> {
        // With as much room as this test leaves, a flow always finds a port.
        let port = chosen.ok_or(Verdict::NatPortsExhausted)?;
        let range = self.settings.nat_first_port..self.settings.nat_first_port + self.settings.nat_ports;
        let target_port = if node.port == 0 { headers.destination.port() } else { node.port };
        let way = (
            SocketAddr::new(node.address, target_port),
            SocketAddr::new(node.source, port),
            headers.protocol,
        );
        let taken = self
            .sessions
            .get(&way)
            .is_some_and(|session| session.flow != flow && !session.closed() && self.lives(session));
        if taken || !range.contains(&u32::from(port)) {
            return Err(Verdict::NatPortsExhausted);
        }
        let session = Session {
            flow,
            node: node.id,
            gateway: frame[6..12].try_into().expect("six bytes"),
            fin_to_target: false,
            fin_from_target: false,
            reset: false,
            replied: false,
            silent_since: self.now,
        };
        self.sessions.insert(way, session);
        self.flows.insert(flow, way);
        Ok(way)
    }

    /// A target's packet.
    pub(super) fn back(&mut self, frame: &[u8], headers: &Headers) -> Result<Sent, Verdict> {
        let Settings { nat_first_port, nat_ports, .. } = self.settings;
        if !(nat_first_port..nat_first_port + nat_ports).contains(&headers.destination.port().into()) {
            return Err(Verdict::NotOurs);
        }
        let way = (headers.source, headers.destination, headers.protocol);
        let lives = self.sessions.get(&way).is_some_and(|session| self.lives(session));
        let session = self.sessions.get_mut(&way).filter(|_| lives).ok_or(Verdict::NatNoFlow)?;
        if headers.hop_limit <= 1 {
            return Err(Verdict::HopLimit);
        }
        session.silent_since = self.now;
        session.replied = true;
        session.fin_from_target |= headers.flags & FIN != 0;
        session.reset |= headers.flags & RST != 0;
        let (client, vip, _) = session.flow;
        let own_mac = frame[..6].try_into().expect("six bytes");
        let bytes = forward::translated(frame, headers, [session.gateway, own_mac], vip, client);
        Ok(Sent { bytes, line: Line::FromTarget(session.node), opens: false, interface: LOOPBACK })
    }

    fn lives(&self, session: &Session) -> bool {
        let (_, _, protocol) = session.flow;
        let patience = if session.closed() {
            self.settings.nat_idle.closed
        } else if !session.replied {
            self.settings.nat_idle.opening
        } else if protocol == UDP {
            self.settings.nat_idle.udp
        } else {
            self.settings.nat_idle.tcp
        };
        self.now - session.silent_since <= patience
    }
}

fn fits(frame: &[u8], headers: &Headers, node: &Node) -> Result<(), Stop> {
    let largest = usize::from(node.mtu);
    if headers.length > largest {
        Err(icmp::too_big(frame, headers, largest))
    } else if headers.hop_limit <= 1 {
        Err(Verdict::HopLimit.into())
    } else {
        Ok(())
    }
}
