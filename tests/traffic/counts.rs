//! What the daemon counted, and the same by what the router saw and the clients know.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use harness::client::Exchange;
use harness::lab::Family;
use harness::status::{Group, Status, Target, Traffic};

use crate::config::{Forwarding, Protocol};
use crate::scene::Scene;
use crate::trace::{Trace, add, ends};

const TCP: u8 = 6;

/// What is counted: by service and node, to and from the target and new flows; and all together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) targets: BTreeMap<(String, String), (Traffic, Traffic, u64)>,
    pub(crate) forwarded: Traffic,
    pub(crate) returned: Traffic,
    /// Packets that were dropped, and those of a kind that nobody sent, by verdict.
    pub(crate) other: BTreeMap<String, u64>,
}

pub(crate) fn counted(status: &Status) -> Counted {
    let target = |(group, target): (&Group, &Target)| {
        let to = Traffic { packets: target.packets, bytes: target.bytes };
        let from = Traffic { packets: target.reply_packets, bytes: target.reply_bytes };
        ((group.name.clone(), target.name.clone()), (to, from, target.new_flows))
    };
    let verdict = |name| status.verdicts.get(name).copied().unwrap_or_default();
    // Health checks and neighbour discovery go by these.
    let ordinary = ["forwarded", "returned", "not-ours", "not-ip", "icmp"];
    let other = status.verdicts.iter().filter(|(name, it)| !ordinary.contains(&&***name) && it.packets > 0);
    Counted {
        targets: status.targets().map(target).collect(),
        forwarded: verdict("forwarded"),
        returned: verdict("returned"),
        other: other.map(|(name, it)| (name.clone(), it.packets)).collect(),
    }
}

/// The same by what the router saw and the clients know.
pub(crate) async fn seen(
    scene: &Scene,
    trace: &Trace,
    exchanges: &BTreeMap<&'static str, Vec<Exchange>>,
) -> Result<Counted> {
    let mut sent = trace.sent().await?;
    let mut seen = Counted::default();
    for service in &scene.config.services {
        for exchange in exchanges.get(service.name).into_iter().flatten() {
            let node = exchange.node().context("an answer")?;
            let (traffic, syns) = sent.remove(&ends(exchange)).context("the packets of an answer")?;
            let (to, _, opened) = seen.targets.entry((service.name.into(), node.into())).or_default();
            to.packets += traffic.packets;
            to.bytes += traffic.bytes;
            *opened += match (service.forwarding, service.protocol) {
                (Forwarding::Nat, _) => 1,
                // Nothing but a SYN says that a flow is new, and one that is sent again says it again.
                (Forwarding::Ipip | Forwarding::Gue | Forwarding::L2, Protocol::Tcp) => syns,
                (Forwarding::Ipip | Forwarding::Gue | Forwarding::L2, Protocol::Udp) => 0,
            };
            seen.forwarded.packets += traffic.packets;
            seen.forwarded.bytes += traffic.bytes;
        }
    }
    replies(scene, trace, &mut seen).await?;
    Ok(seen)
}

/// What came back to the ports of `nat`.
async fn replies(scene: &Scene, trace: &Trace, into: &mut Counted) -> Result<()> {
    for packet in trace.sent_to_edge().await? {
        let Some(tuple) = packet.packet.tuple.filter(|it| scene.config.nat_ports.contains(&it.to.port()))
        else {
            continue;
        };
        let protocol = if tuple.protocol == TCP { Protocol::Tcp } else { Protocol::Udp };
        let family = if tuple.from.is_ipv4() { Family::V4 } else { Family::V6 };
        let service =
            scene.config.services.iter().find(|it| {
                it.forwarding == Forwarding::Nat && it.protocol == protocol && it.targets == family
            });
        let node = scene.lab.nodes.iter().find(|it| it.address(family) == tuple.from.ip());
        let (service, node) = service.zip(node).context("a reply from a target")?;
        let (_, from, _) = into.targets.entry((service.name.into(), node.name.clone())).or_default();
        add(from, &packet);
        add(&mut into.returned, &packet);
    }
    Ok(())
}
