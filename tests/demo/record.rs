//! What the demo has to say at its end.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use harness::client::{Exchange, Failure};
use harness::clock;
use harness::lab::{Family, Node};
use harness::load::Load;
use harness::status::Status;
use serde::Serialize;

use crate::evidence::Facts;
use crate::scene::Scene;
use crate::setting::{LISTENERS, Listener, PROBE_TIMEOUT, UNHEALTHY_THRESHOLD};
use crate::shares::{Shares, has_failed};

/// How far from its ideal share a target may be, as a part of the ideal.
const SHARE_BOUND: f64 = 0.10;
/// What chance does so rarely (once in two million) that it is no excuse.
const STANDARD_DEVIATIONS: f64 = 5.0;

/// One run. Shares are of the time before the death, when every target was there to have one.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    /// Connections opened.
    pub(crate) connections: usize,
    /// Connections without a good answer in time.
    pub(crate) failed: usize,
    /// Those among them that were never sent to the dead node: each one is the load balancer's fault.
    pub(crate) failed_to_living: usize,
    /// Connections sent to the dead node and not over when it died. Those that did not fail came through on a
    /// retry, which led to a living target.
    pub(crate) sent_to_dead: usize,
    /// Why, and how often.
    pub(crate) failures: BTreeMap<String, usize>,
    /// The farthest that a target's share over all listeners was from its ideal, as a part of the ideal.
    pub(crate) max_share_error: f64,
    /// From the discovery of the death until the last packet left for the dead node, in the group where that took
    /// longest; 0 if none left after the discovery.
    pub(crate) detect_to_last_packet_ms: f64,
    /// The same with the discovery timed by the probes on the wire: the second one after the death, timed out.
    pub(crate) wire_detect_to_last_packet_ms: Option<f64>,
    /// From the death until its discovery, in the group that was last to know.
    pub(crate) death_to_detect_ms: f64,
    pub(crate) dead_node: String,
    pub(crate) seconds: f64,
    pub(crate) connections_per_second_before: f64,
    /// Packets that the capture has missed; not 0, and the times above are in doubt.
    pub(crate) capture_missed: u32,
    pub(crate) listeners: Vec<ListenerRecord>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ListenerRecord {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Answered, and begun before the death: what the targets' shares are of.
    pub(crate) connections: usize,
    pub(crate) failed: usize,
    pub(crate) failed_to_living: usize,
    pub(crate) death_to_detect_ms: f64,
    /// Negative: the last packet left before the discovery.
    pub(crate) detect_to_last_packet_ms: f64,
    pub(crate) wire_detect_to_last_packet_ms: Option<f64>,
    pub(crate) targets: Vec<TargetRecord>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TargetRecord {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) share: f64,
    pub(crate) ideal: f64,
    pub(crate) connections_after_death: usize,
}

/// How one group met the death, in milliseconds.
struct Timing {
    death_to_detect: f64,
    detect_to_last_packet: f64,
    wire_detect_to_last_packet: Option<f64>,
}

impl Record {
    /// Adds up what `load` has met in `scene`.
    pub(crate) async fn of(scene: &Scene, load: &Load, began: SystemTime) -> Result<Self> {
        let death = scene.death.context("time the death")?;
        let status = scene.status().await?;
        let victim = scene.victim()?;
        let record = load.record();
        let facts = scene.evidence.facts();

        let listeners = LISTENERS
            .iter()
            .map(|listener| {
                ListenerRecord::of(listener, &scene.lab.nodes, victim, &record, &facts, &status, death)
            })
            .collect::<Result<Vec<_>>>()?;
        let before = Shares::of(&record, None, Some(death));
        let begun_before = record.iter().filter(|exchange| exchange.began < death).count();
        let seconds_before = death.duration_since(began).unwrap_or_default().as_secs_f64();
        let worst =
            |of: fn(&ListenerRecord) -> f64| listeners.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        Ok(Self {
            connections: record.len(),
            failed: listeners.iter().map(|it| it.failed).sum(),
            failed_to_living: listeners.iter().map(|it| it.failed_to_living).sum(),
            sent_to_dead: record
                .iter()
                .filter(|it| it.ended > death && was_sent_to(&facts, it, victim))
                .count(),
            failures: failures(&record),
            max_share_error: max_share_error(&before, &scene.lab.nodes),
            detect_to_last_packet_ms: worst(|it| it.detect_to_last_packet_ms).max(0.0),
            wire_detect_to_last_packet_ms: listeners
                .iter()
                .filter_map(|it| it.wire_detect_to_last_packet_ms)
                .reduce(f64::max)
                .map(|worst| worst.max(0.0)),
            death_to_detect_ms: worst(|it| it.death_to_detect_ms),
            dead_node: victim.name.clone(),
            seconds: clock::since(began).as_secs_f64(),
            connections_per_second_before: begun_before as f64 / seconds_before,
            capture_missed: scene.evidence.missed(),
            listeners,
        })
    }

    /// What is not as it must be; empty if all is well.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.failed_to_living > 0 {
            complaints
                .push(format!("{} connections failed that were not the dead node's", self.failed_to_living));
        }
        let bound = self.share_bound();
        if self.max_share_error > bound {
            complaints.push(format!(
                "a share is {:.1} % off its ideal; {:.1} % is the most allowed",
                self.max_share_error * 100.0,
                bound * 100.0
            ));
        }
        if self.capture_missed > 0 {
            complaints.push(format!(
                "the capture has missed {} packets, so its times are in doubt",
                self.capture_missed
            ));
        }
        complaints
    }

    /// How far a target may be from its ideal share: a tenth of it, or what chance alone does with so few
    /// connections. Of n that go to a target by hash, about sqrt(n) more or fewer is one standard deviation.
    fn share_bound(&self) -> f64 {
        let counted: usize = self.listeners.iter().map(|it| it.connections).sum();
        let a_target = counted as f64 * ideal_of_all(self);
        (STANDARD_DEVIATIONS / a_target.sqrt()).max(SHARE_BOUND)
    }
}

impl ListenerRecord {
    fn of(
        listener: &Listener,
        nodes: &[Node],
        victim: &Node,
        record: &[Exchange],
        facts: &Facts,
        status: &Status,
        death: SystemTime,
    ) -> Result<Self> {
        let before = Shares::of(record, Some(listener), Some(death));
        let always = Shares::of(record, Some(listener), None);
        let failed = || record.iter().filter(|it| it.to == listener.address() && has_failed(it));
        let timing = timing(listener, victim, facts, status, death)?;
        let targets = nodes.iter().map(|node| TargetRecord {
            name: node.name.clone(),
            address: listener.target(node),
            connections: before.connections(&node.name),
            share: before.share(&node.name),
            ideal: listener.ideal(),
            connections_after_death: always.connections(&node.name) - before.connections(&node.name),
        });
        Ok(Self {
            name: listener.name,
            address: listener.address(),
            connections: before.total(),
            failed: failed().count(),
            failed_to_living: failed().filter(|it| !was_sent_to(facts, it, victim)).count(),
            death_to_detect_ms: timing.death_to_detect,
            detect_to_last_packet_ms: timing.detect_to_last_packet,
            wire_detect_to_last_packet_ms: timing.wire_detect_to_last_packet,
            targets: targets.collect(),
        })
    }
}

fn timing(
    listener: &Listener,
    victim: &Node,
    facts: &Facts,
    status: &Status,
    death: SystemTime,
) -> Result<Timing> {
    let what = || format!("time the death of {} in group `{}`", victim.name, listener.name);
    let detected = status
        .target(listener.name, &victim.name)
        .and_then(harness::status::Target::since)
        .with_context(|| format!("{}: the status page does not say since when it is so", what()))?;
    let target = listener.target(victim);
    let last = facts
        .last_packet(listener, target.ip())
        .with_context(|| format!("{}: no packet ever left for it", what()))?;
    // None if the first probe to fail had set out just before the death.
    let last_probe = facts.nth_probe(target, death, UNHEALTHY_THRESHOLD);
    Ok(Timing {
        death_to_detect: clock::milliseconds_between(death, detected),
        detect_to_last_packet: clock::milliseconds_between(detected, last),
        wire_detect_to_last_packet: last_probe
            .map(|probe| clock::milliseconds_between(probe + PROBE_TIMEOUT, last)),
    })
}

/// Whether any SYN of this connection left the edge node for that node.
///
/// A connection that left for nobody, or whose client never got a SYN out, is thereby not the dead node's.
fn was_sent_to(facts: &Facts, exchange: &Exchange, node: &Node) -> bool {
    let own: [IpAddr; 2] = Family::BOTH.map(|family| node.address(family));
    facts.sent_to(exchange).iter().any(|address| own.contains(address))
}

fn max_share_error(shares: &Shares, nodes: &[Node]) -> f64 {
    let ideals: f64 = LISTENERS.iter().map(Listener::ideal).sum();
    // Every listener gets the same number of connections.
    let ideal = ideals / LISTENERS.len() as f64;
    nodes.iter().map(|node| (shares.share(&node.name) / ideal - 1.0).abs()).fold(0.0, f64::max)
}

fn failures(record: &[Exchange]) -> BTreeMap<String, usize> {
    let mut failures = BTreeMap::new();
    for exchange in record.iter().filter(|exchange| has_failed(exchange)) {
        let why = match &exchange.outcome {
            Ok(answer) => format!("status {}", answer.status),
            Err(failure) => Failure::to_string(failure),
        };
        *failures.entry(why).or_default() += 1;
    }
    failures
}

fn ideal_of_all(record: &Record) -> f64 {
    record.listeners.first().and_then(|it| it.targets.first()).map_or(0.0, |it| it.ideal)
}
