//! What the router saw come and go at the edge node: where each connection was sent, and when the last packet
//! left for a node. It judges the load balancer by its packets, not by its word.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use anyhow::Result;
use harness::capture::{Capture, Direction, Packet, Seen, Tuple};
use harness::client::Exchange;
use harness::lab::Lab;

use crate::setting::{Forwarding, LISTENERS, Listener, NAT_PORTS};

/// A client's end and the virtual address that it talks to.
type Ends = (SocketAddr, SocketAddr);

/// A capture at the router's interface to the edge node, and what it has come to.
pub(crate) struct Evidence {
    capture: Capture,
    facts: Arc<Mutex<Facts>>,
}

#[derive(Default)]
pub(crate) struct Facts {
    /// The addresses of nodes that each connection's SYN was sent to, in order, each once.
    sent_to: HashMap<Ends, Vec<IpAddr>>,
    /// Which connection a SYN opens, by its sequence number: `nat` changes addresses and ports, and leaves that.
    opening: HashMap<u32, Ends>,
    /// When the last packet of a listener's clients left for an address of a node.
    last_packet: BTreeMap<(&'static str, IpAddr), SystemTime>,
    /// When each probe set out, by the target and the edge host's own port.
    probes: BTreeMap<(SocketAddr, u16), SystemTime>,
}

impl Evidence {
    pub(crate) fn gather(lab: &Lab) -> Result<Self> {
        let facts = Arc::new(Mutex::new(Facts::default()));
        let theirs = Arc::clone(&facts);
        let capture = Capture::start(&lab.router, "edge", move |seen| {
            lock(&theirs).note(seen);
            // Everything that matters is in the facts.
            false
        })?;
        Ok(Self { capture, facts })
    }

    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        lock(&self.facts)
    }

    pub(crate) fn shared_facts(&self) -> Arc<Mutex<Facts>> {
        Arc::clone(&self.facts)
    }

    /// Packets that the capture was too slow for.
    pub(crate) fn missed(&self) -> u32 {
        self.capture.missed()
    }
}

/// A panic of the capture's thread shows there; the facts up to it stand.
pub(crate) fn lock(facts: &Mutex<Facts>) -> MutexGuard<'_, Facts> {
    facts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Facts {
    fn note(&mut self, seen: &Seen) {
        let Some(tuple) = seen.packet.tuple else { return };
        match seen.direction {
            Direction::Out => {
                if let Some(sequence) = tuple.opens {
                    self.opening.insert(sequence, (tuple.from, tuple.to));
                }
            }
            Direction::In => self.note_from_edge(&seen.packet, &tuple, seen.at),
        }
    }

    fn note_from_edge(&mut self, packet: &Packet, tuple: &Tuple, at: SystemTime) {
        let Some(listener) = LISTENERS.iter().find(|listener| is_for(listener, packet, tuple)) else {
            // What is neither in an envelope nor translated is the edge host's own: here, a probe.
            if tuple.opens.is_some() {
                self.probes.entry((tuple.to, tuple.from.port())).or_insert(at);
            }
            return;
        };
        self.last_packet.insert((listener.name, packet.destination), at);
        let Some(sequence) = tuple.opens else { return };
        let ends = match listener.forwarding {
            Forwarding::Ipip => Some((tuple.from, tuple.to)),
            Forwarding::Nat => self.opening.get(&sequence).copied(),
        };
        if let Some(ends) = ends {
            let nodes = self.sent_to.entry(ends).or_default();
            if !nodes.contains(&packet.destination) {
                nodes.push(packet.destination);
            }
        }
    }

    /// The nodes that a connection was sent to: none if it never left the edge node.
    pub(crate) fn sent_to(&self, exchange: &Exchange) -> &[IpAddr] {
        self.sent_to.get(&(exchange.from, exchange.to)).map_or(&[], Vec::as_slice)
    }

    /// When the last packet of this listener's clients left for that node.
    pub(crate) fn last_packet(&self, listener: &Listener, node: IpAddr) -> Option<SystemTime> {
        self.last_packet.get(&(listener.name, node)).copied()
    }

    /// When the n-th probe of `target` after `start` set out; the first is 1.
    pub(crate) fn nth_probe(&self, target: SocketAddr, start: SystemTime, n: usize) -> Option<SystemTime> {
        let mut after: Vec<SystemTime> = self
            .probes
            .iter()
            .filter(|((to, _port), at)| *to == target && **at >= start)
            .map(|(_probe, at)| *at)
            .collect();
        after.sort_unstable();
        after.get(n.checked_sub(1)?).copied()
    }
}

/// Whether a packet from the edge node is one of this listener's clients on its way to a target.
fn is_for(listener: &Listener, packet: &Packet, tuple: &Tuple) -> bool {
    match listener.forwarding {
        Forwarding::Ipip => packet.is_envelope && tuple.to == listener.address(),
        Forwarding::Nat => {
            !packet.is_envelope
                && tuple.to.port() == listener.target_port()
                && tuple.to.is_ipv4() == listener.address().is_ipv4()
                && NAT_PORTS.contains(&tuple.from.port())
        }
    }
}
