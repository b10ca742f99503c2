//! What listens, which rings there are, and who the targets are: of the model and of the maps alike.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use lb_common::{
    maps::{HashKeys, TARGET_RESOLVED},
    slot::Slot,
    steer::{
        KEY_DESTINATION_PORT, KEY_FIVE_TUPLE, KEY_SOURCE_IP, KEY_SOURCE_IP_DESTINATION_IP, KEY_SOURCE_IP_PORT,
    },
    verdict::Verdict,
};
use pointsman::config::checked::{Ports, Protocol};

use super::{Motion, headers::Headers};
use crate::lab::{Lab, NAT_V4, NAT_V6, Node, hash_of, key};
use crate::packet::{TCP, UDP};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Nat,
    NatReturn,
}

/// What answers at an address.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    pub(crate) address: IpAddr,
    /// All of them for one on every port.
    pub(crate) ports: RangeInclusive<u16>,
    pub(crate) protocol: u8,
    pub(crate) kind: Kind,
    pub(crate) ring: Vec<Option<u32>>,
    /// `KEY_*`.
    pub(crate) key: u32,
    /// Of slots that are not steady.
    pub(crate) motion: BTreeMap<usize, Motion>,
    /// Of the ring, in the map.
    first_slot: u32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) nodes: BTreeMap<u32, Node>,
    pub(crate) listening: Vec<Listening>,
}

impl World {
    pub(crate) fn of(nodes: impl IntoIterator<Item = Node>) -> Self {
        let mut world = Self::default();
        world.nodes.extend(nodes.into_iter().map(|node| (node.id, node)));
        for address in [NAT_V4, NAT_V6] {
            world.listen(Kind::NatReturn, &[TCP, UDP], &SocketAddr::new(address, 0).to_string(), &[]);
        }
        world
    }

    pub(crate) fn listen(&mut self, kind: Kind, protocols: &[u8], at: &str, ring: &[u32]) {
        let key = key(Protocol::Tcp, at);
        let ports = match key.ports {
            Ports::Every => 0..=u16::MAX,
            Ports::Range { first, last } => first..=last,
            Ports::One(port) => port..=port,
        };
        for protocol in protocols {
            // Zero is nobody.
            let ring = ring.iter().map(|id| (*id > 0).then_some(*id)).collect();
            self.listening.push(Listening {
                address: key.address,
                ports: ports.clone(),
                protocol: *protocol,
                kind,
                ring,
                key: KEY_FIVE_TUPLE,
                motion: BTreeMap::new(),
                first_slot: 0,
            });
        }
    }

    /// The listener's steering key is another one.
    pub(crate) fn steer(&mut self, at: &str, key: u32) {
        self.listening.iter_mut().filter(|listening| listening.at() == at).for_each(|it| it.key = key);
    }

    /// Writes all of it into the maps; the lab has its listeners for replies already.
    pub(crate) fn install(&mut self, lab: &mut Lab) {
        for node in self.nodes.values() {
            lab.node(node);
        }
        for listening in self.listening.iter_mut().filter(|listening| listening.kind != Kind::NatReturn) {
            let nodes = vec![&self.nodes[&1]; listening.ring.len()];
            let protocol = if listening.protocol == TCP { Protocol::Tcp } else { Protocol::Udp };
            let at = listening.at();
            listening.first_slot = match listening.kind {
                Kind::Service | Kind::NatReturn => lab.service(protocol, &at, &nodes),
                Kind::Nat => lab.nat(protocol, &at, &nodes),
            };
            lab.steer(protocol, &at, listening.key);
            for (slot, id) in (listening.first_slot..).zip(&listening.ring) {
                lab.slot(slot, id.map(|id| self.nodes[&id].id()));
            }
        }
    }

    pub(crate) fn put_node(&mut self, lab: &mut Lab, node: Node) {
        lab.node(&node);
        self.nodes.insert(node.id, node);
    }

    /// A slot that is steady, or in motion.
    pub(crate) fn put_slot(
        &mut self,
        lab: &mut Lab,
        listening: usize,
        slot: usize,
        id: Option<u32>,
        moving: Option<Motion>,
    ) {
        let Listening { ring, motion, first_slot, .. } = &mut self.listening[listening];
        ring[slot] = id;
        let index = *first_slot + u32::try_from(slot).expect("a small ring");
        let target = |id: Option<u32>| id.map(|id| self.nodes[&id].id());
        let word = match moving {
            None => target(id).map_or(Slot::EMPTY, Slot::steady),
            Some(Motion { state, former }) => Slot::new(state, target(id), target(former)),
        };
        match moving {
            None => drop(motion.remove(&slot)),
            Some(moving) => drop(motion.insert(slot, moving)),
        }
        lab.put_slot(index, word);
    }

    /// The listener with the fewest ports, this one among them. Only one on this very port means RDMA.
    pub(super) fn listening(&self, headers: &Headers) -> Option<&Listening> {
        let Headers { destination, protocol, .. } = headers;
        let rdma = *protocol == UDP && destination.port() == 4791;
        let has = |listening: &&Listening| {
            listening.address == destination.ip()
                && listening.protocol == *protocol
                && listening.ports.contains(&destination.port())
                && !(rdma && listening.ports.len() > 1)
        };
        self.listening.iter().filter(has).min_by_key(|listening| listening.ports.len())
    }

    /// The node that the ring names for a new flow.
    pub(super) fn choice(
        &self,
        keys: &HashKeys,
        listening: &Listening,
        headers: &Headers,
    ) -> Result<&Node, Verdict> {
        self.resolved(listening.ring[listening.slot(keys, headers)])
    }

    /// The node, if there is one and packets can go there.
    pub(super) fn resolved(&self, id: Option<u32>) -> Result<&Node, Verdict> {
        let id = id.ok_or(Verdict::NoTarget)?;
        let node = &self.nodes[&id];
        if node.flags & TARGET_RESOLVED == 0 { Err(Verdict::NextHopUnresolved) } else { Ok(node) }
    }
}

impl Listening {
    /// Which slot of the ring the packet has, by those of its fields that the key names.
    pub(super) fn slot(&self, keys: &HashKeys, headers: &Headers) -> usize {
        let (source, destination) = (headers.source, headers.destination);
        let nowhere = |like: SocketAddr| match like {
            SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
            SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
        };
        let alone = |address: SocketAddr| SocketAddr::new(address.ip(), 0);
        let hash = match self.key {
            KEY_FIVE_TUPLE => hash_of(keys, source, destination, headers.protocol),
            KEY_SOURCE_IP => hash_of(keys, alone(source), nowhere(destination), 0),
            KEY_SOURCE_IP_DESTINATION_IP => hash_of(keys, alone(source), alone(destination), 0),
            KEY_SOURCE_IP_PORT => hash_of(keys, source, nowhere(destination), 0),
            KEY_DESTINATION_PORT => return usize::from(destination.port() - self.ports.start()),
            key => panic!("{key} is no key"),
        };
        let slots = u128::try_from(self.ring.len()).expect("a small ring");
        // The high half of the hash, as a fraction of one, times the slots.
        usize::try_from((u128::from(hash >> 32) * slots) >> 32).expect("less than the slots")
    }

    /// As [`key`] reads it.
    fn at(&self) -> String {
        let (first, last) = (*self.ports.start(), *self.ports.end());
        let port = if self.ports == (0..=u16::MAX) { 0 } else { first };
        let one = SocketAddr::new(self.address, port);
        if port == 0 || first == last { one.to_string() } else { format!("{one}-{last}") }
    }
}
