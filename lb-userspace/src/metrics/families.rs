//! Each metric, from the status that it is read from.

use std::{fmt, net::SocketAddr};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::ProbeDurations;
use crate::status::{State, Status, Target};

/// All there is to scrape.
#[derive(Debug)]
pub(super) struct All {
    pub(super) status: Status,
    pub(super) durations: ProbeDurations,
}

impl Collector for All {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        daemon(&self.status, &mut page)?;
        program(&self.status, &mut page)?;
        listeners(&self.status, &mut page)?;
        groups(&self.status, &mut page)?;
        let targets: Vec<Labelled<'_>> = labelled(&self.status).collect();
        health(&targets, &mut page)?;
        ways(&targets, &mut page)?;
        traffic(&targets, &mut page)?;
        let help = "How long health checks took, by how they ended.";
        self.durations.encode(page.family(
            "probe_duration",
            Some(&Unit::Seconds),
            MetricType::Histogram,
            help,
        )?)
    }
}

fn daemon(status: &Status, page: &mut Page<'_>) -> fmt::Result {
    let help = "The version of the daemon that runs.";
    page.family("build", None, MetricType::Info, help)?
        .encode_info(&[("version", status.version.as_str())])?;
    let help = "When the daemon started, since 1970.";
    let started = status.node.started.since_1970().as_secs_f64();
    page.family("start_time", Some(&Unit::Seconds), MetricType::Gauge, help)?.encode_gauge(&started)?;
    let help = "Memory of all maps together.";
    page.family("map_memory", Some(&Unit::Bytes), MetricType::Gauge, help)?
        .encode_gauge(&status.node.map_bytes)?;
    let help = "Flows tracked, in slots that changed, that live.";
    page.family("tracked_flows", None, MetricType::Gauge, help)?.encode_gauge(&status.tracking.flows)?;
    let help = "Flows that there is room for to track.";
    page.family("tracked_flows_limit", None, MetricType::Gauge, help)?
        .encode_gauge(&status.tracking.limit)?;
    let Some(nat) = status.nat else { return Ok(()) };
    let help = "Flows of nat that live.";
    page.family("nat_flows", None, MetricType::Gauge, help)?.encode_gauge(&nat.flows)?;
    let help = "Flows of nat that there is room for.";
    page.family("nat_flows_limit", None, MetricType::Gauge, help)?.encode_gauge(&nat.limit)
}

fn program(status: &Status, page: &mut Page<'_>) -> fmt::Result {
    let packets = unit("packets");
    let mut family = page.counter("verdict", Some(&packets), "Packets by how their processing ended.")?;
    for (verdict, traffic) in &status.verdicts {
        count(&mut family, &[("verdict", verdict)], traffic.packets)?;
    }
    let mut family =
        page.counter("verdict", Some(&Unit::Bytes), "Bytes of packets by how their processing ended.")?;
    for (verdict, traffic) in &status.verdicts {
        count(&mut family, &[("verdict", verdict)], traffic.bytes)?;
    }
    let help = "Packets by what happened on their way beside its ending.";
    let mut family = page.counter("note", Some(&packets), help)?;
    for (note, packets) in &status.notes {
        count(&mut family, &[("note", note)], *packets)?;
    }
    let help = "How often slots of rings were rewritten.";
    count(&mut page.counter("ring_rewrites", None, help)?, NO_LABELS, status.ring.rewrites)?;
    let help = "Slots of rings that were rewritten.";
    count(&mut page.counter("ring_slots_rewritten", None, help)?, NO_LABELS, status.ring.slots_rewritten)
}

fn listeners(status: &Status, page: &mut Page<'_>) -> fmt::Result {
    let mut family =
        page.gauge("listener_live", "Whether the program forwards what comes to the listener.")?;
    for listener in &status.listeners {
        let (address, port) = (listener.address.to_string(), listener.ports());
        let protocol = listener.protocol.to_string();
        let labels = [
            ("listener", listener.name.as_str()),
            ("address", &address),
            ("port", &port),
            ("protocol", &protocol),
            ("target_group", &listener.target_group),
        ];
        gauge(&mut family, &labels, u32::from(listener.live))?;
    }
    Ok(())
}

fn groups(status: &Status, page: &mut Page<'_>) -> fmt::Result {
    let help = "Whether all targets serve because none is healthy.";
    let mut family = page.gauge("target_group_fail_open", help)?;
    for group in &status.target_groups {
        gauge(&mut family, &[("target_group", group.name.as_str())], u32::from(group.fail_open))?;
    }
    let help = "Slots of the group's ring that are not steady.";
    let mut family = page.gauge("target_group_slots_in_motion", help)?;
    for group in &status.target_groups {
        for (state, slots) in [("learning", group.learning_slots), ("pinned", group.pinned_slots)] {
            let labels = [("target_group", group.name.as_str()), ("state", state)];
            gauge(&mut family, &labels, u32::try_from(slots).unwrap_or(u32::MAX))?;
        }
    }
    Ok(())
}

fn health(targets: &[Labelled<'_>], page: &mut Page<'_>) -> fmt::Result {
    let mut family = page.gauge("target_healthy", "Whether the target is healthy.")?;
    for one in targets {
        gauge(&mut family, &one.labels(), u32::from(one.target.state == State::Healthy))?;
    }
    let help = "1 for the state that the target is in, 0 for the others.";
    let mut family = page.gauge("target_state", help)?;
    for one in targets {
        for state in State::ALL {
            gauge(&mut family, &one.labels_and("state", state.word()), u32::from(one.target.state == state))?;
        }
    }
    let help = "How often the target's state changed.";
    let mut family = page.counter("target_health_changes", None, help)?;
    targets.iter().try_for_each(|one| count(&mut family, &one.labels(), one.target.health_changes))
}

fn ways(targets: &[Labelled<'_>], page: &mut Page<'_>) -> fmt::Result {
    let mut family =
        page.gauge("target_ring_share", "The part of the ring that names the target, 0 to 1.")?;
    for one in targets {
        gauge(&mut family, &one.labels(), one.target.share)?;
    }
    let mut family = page.gauge("target_next_hop_resolved", "Whether the way to the target is known.")?;
    targets
        .iter()
        .try_for_each(|one| gauge(&mut family, &one.labels(), u32::from(one.target.next_hop.is_some())))
}

fn traffic(targets: &[Labelled<'_>], page: &mut Page<'_>) -> fmt::Result {
    const DIRECTION: &str = "direction";
    const TO: &str = "to_target";
    const FROM: &str = "from_target";
    let packets = unit("packets");
    let mut family = page.counter("target", Some(&packets), "Packets forwarded to and from the target.")?;
    for one in targets {
        count(&mut family, &one.labels_and(DIRECTION, TO), one.target.packets)?;
        count(&mut family, &one.labels_and(DIRECTION, FROM), one.target.reply_packets)?;
    }
    let help = "Bytes of packets forwarded to and from the target, as they came in.";
    let mut family = page.counter("target", Some(&Unit::Bytes), help)?;
    for one in targets {
        count(&mut family, &one.labels_and(DIRECTION, TO), one.target.bytes)?;
        count(&mut family, &one.labels_and(DIRECTION, FROM), one.target.reply_bytes)?;
    }
    let flows = unit("flows");
    let mut family = page.counter("target_new", Some(&flows), "Flows that began with the target.")?;
    targets.iter().try_for_each(|one| count(&mut family, &one.labels(), one.target.new_flows))
}

/// A target with what tells it from the others.
struct Labelled<'a> {
    group: &'a str,
    target: &'a Target,
    address: String,
}

fn labelled(status: &Status) -> impl Iterator<Item = Labelled<'_>> {
    status.target_groups.iter().flat_map(|group| {
        group.targets.iter().map(|target| Labelled {
            group: &group.name,
            target,
            address: SocketAddr::new(target.address, target.port).to_string(),
        })
    })
}

type Label<'a> = (&'static str, &'a str);

const NO_LABELS: &[Label<'_>] = &[];

impl Labelled<'_> {
    fn labels(&self) -> [Label<'_>; 3] {
        [("target_group", self.group), ("target", &self.target.name), ("address", &self.address)]
    }

    fn labels_and<'a>(&'a self, name: &'static str, value: &'a str) -> [Label<'a>; 4] {
        let [group, target, address] = self.labels();
        [group, target, address, (name, value)]
    }
}

/// What is written so far; a family goes on it as a whole.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn family<'s>(
        &'s mut self,
        name: &'s str,
        unit: Option<&'s Unit>,
        kind: MetricType,
        help: &str,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, kind)
    }

    /// `_total` is added where the values are written.
    fn counter<'s>(
        &'s mut self,
        name: &'s str,
        unit: Option<&'s Unit>,
        help: &str,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.family(name, unit, MetricType::Counter, help)
    }

    fn gauge<'s>(&'s mut self, name: &'s str, help: &str) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.family(name, None, MetricType::Gauge, help)
    }
}

fn unit(name: &str) -> Unit {
    Unit::Other(name.to_owned())
}

fn count(
    family: &mut MetricEncoder<'_>,
    labels: &[Label<'_>],
    value: impl EncodeCounterValue,
) -> fmt::Result {
    if labels.is_empty() {
        return family.encode_counter::<NoLabelSet, _, u64>(&value, None);
    }
    family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge(family: &mut MetricEncoder<'_>, labels: &[Label<'_>], value: impl EncodeGaugeValue) -> fmt::Result {
    family.encode_family(&labels)?.encode_gauge(&value)
}
