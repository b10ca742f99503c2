//! What the router saw between itself and the edge node: the load balancer judged by its packets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use harness::capture::{Capture, Direction, Seen};
use harness::client::Exchange;
use harness::lab::Lab;
use harness::status::Traffic;

/// Of an Ethernet header, which the daemon counts and a capture here does not.
const ETHERNET: u64 = 14;

/// Every packet with ports that passes between router and edge node.
///
/// What goes to the edge node is seen as it goes over the wire. What comes from it may have been put together to
/// larger packets (GRO); those that open connections never are.
pub(crate) struct Trace {
    capture: Capture,
}

/// A client's end and the virtual address that it talks to.
type Ends = (SocketAddr, SocketAddr);

impl Trace {
    pub(crate) fn start(lab: &Lab) -> Result<Self> {
        let capture = Capture::start(&lab.router, "edge", |seen| seen.packet.tuple.is_some())?;
        Ok(Self { capture })
    }

    /// Everything up to now.
    pub(crate) async fn seen(&self) -> Result<Vec<Seen>> {
        self.capture.all().await
    }

    /// What went to the edge node.
    pub(crate) async fn sent_to_edge(&self) -> Result<impl Iterator<Item = Seen>> {
        Ok(self.seen().await?.into_iter().filter(|seen| seen.direction == Direction::Out))
    }

    /// What came from it.
    pub(crate) async fn sent_by_edge(&self) -> Result<impl Iterator<Item = Seen>> {
        Ok(self.seen().await?.into_iter().filter(|seen| seen.direction == Direction::In))
    }

    /// What went to the edge node for each pair of ends, and how many of it opened a connection.
    pub(crate) async fn sent(&self) -> Result<BTreeMap<Ends, (Traffic, u64)>> {
        let mut sent: BTreeMap<Ends, (Traffic, u64)> = BTreeMap::new();
        for seen in self.sent_to_edge().await? {
            let Some(tuple) = seen.packet.tuple else { continue };
            let (traffic, opened) = sent.entry((tuple.from, tuple.to)).or_default();
            add(traffic, &seen);
            *opened += u64::from(tuple.opens.is_some());
        }
        Ok(sent)
    }

    /// The addresses that each TCP connection's SYNs were sent on to. `nat` changes ports and addresses, and leaves
    /// the sequence number.
    pub(crate) async fn sent_on(&self) -> Result<HashMap<Ends, BTreeSet<IpAddr>>> {
        let mut opening = HashMap::new();
        let mut sent_on: HashMap<Ends, BTreeSet<IpAddr>> = HashMap::new();
        for seen in self.seen().await? {
            let Some(tuple) = seen.packet.tuple else { continue };
            let Some(sequence) = tuple.opens else { continue };
            if seen.direction == Direction::Out {
                opening.insert(sequence, (tuple.from, tuple.to));
            } else if let Some(ends) = opening.get(&sequence) {
                sent_on.entry(*ends).or_default().insert(seen.packet.destination);
            }
        }
        Ok(sent_on)
    }
}

/// The ends of an exchange, as [`Trace`] knows them.
pub(crate) const fn ends(exchange: &Exchange) -> Ends {
    (exchange.from, exchange.to)
}

/// Counts a packet as the daemon does.
pub(crate) fn add(traffic: &mut Traffic, seen: &Seen) {
    traffic.packets += 1;
    traffic.bytes += u64::from(seen.packet.length) + ETHERNET;
}
