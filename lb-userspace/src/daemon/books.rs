//! What the daemon counts for those who ask, beside the kernel's counters.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::{
    config::checked::XdpMode,
    core::change::Change,
    dataplane::{Written, kernel::Interface},
    event::{Event, TargetKey},
    metrics::ProbeDurations,
    status,
};

#[derive(Debug)]
pub(super) struct Books {
    file: PathBuf,
    interfaces: Vec<status::Interface>,
    started: SystemTime,
    durations: ProbeDurations,
    ring: status::Ring,
    targets: BTreeMap<TargetKey, Record>,
}

/// Of one target.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    pub(super) last_probe: Option<Duration>,
    pub(super) health_changes: u64,
}

impl Books {
    pub(super) fn new(
        file: PathBuf,
        interfaces: &[Interface],
        mode: XdpMode,
        durations: ProbeDurations,
    ) -> Self {
        let interface = |Interface { name, index, mac: _ }: &Interface| status::Interface {
            name: name.clone(),
            index: *index,
            mode,
        };
        Self {
            file,
            interfaces: interfaces.iter().map(interface).collect(),
            started: SystemTime::now(),
            durations,
            ring: status::Ring::default(),
            targets: BTreeMap::new(),
        }
    }

    /// Takes a probe's outcome down, before the core hears of it.
    pub(super) fn note(&mut self, event: &Event) {
        let Event::Probed { target, outcome, took } = event else { return };
        self.durations.observe(&target.group, outcome, *took);
        self.targets.entry(target.clone()).or_default().last_probe = Some(*took);
    }

    pub(super) fn changed(&mut self, change: &Change) {
        if let Change::Health { target, .. } = change {
            self.targets.entry(target.clone()).or_default().health_changes += 1;
        }
    }

    pub(super) fn written(&mut self, written: Written) {
        if written.slots > 0 {
            self.ring.rewrites += 1;
            self.ring.slots_rewritten += written.slots as u64;
            self.ring.last_change = Some(SystemTime::now().into());
        }
    }

    pub(super) fn node(&self, map_bytes: u64, now: SystemTime) -> status::Node {
        status::Node {
            interfaces: self.interfaces.clone(),
            started: self.started.into(),
            uptime_seconds: now.duration_since(self.started).unwrap_or_default().as_secs(),
            config_file: self.file.clone(),
            map_bytes,
        }
    }

    /// What the interface with this `ifindex` is called.
    pub(super) fn interface(&self, index: u32) -> String {
        let known = self.interfaces.iter().find(|interface| interface.index == index);
        known.map_or_else(|| format!("#{index}"), |interface| interface.name.clone())
    }

    pub(super) fn record(&self, target: &TargetKey) -> Record {
        self.targets.get(target).copied().unwrap_or_default()
    }

    pub(super) fn probes(&self) -> status::Probes {
        self.durations.totals()
    }

    pub(super) const fn ring(&self) -> status::Ring {
        self.ring
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) const fn durations(&self) -> &ProbeDurations {
        &self.durations
    }
}
