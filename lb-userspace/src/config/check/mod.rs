//! From what the file says to what cannot be wrong: each value, then each table, then all together.
//!
//! A refused value does not stop the rest, and nothing is blamed for what was refused already.

mod across;
mod groups;
mod health;
mod listeners;
mod node;
mod sources;
mod steering;
mod tracking;
mod values;

use std::{collections::BTreeMap, path::Path};

use super::{
    checked::Config,
    faults::{Checked, Faults, Span},
    raw::RawConfig,
};

/// UDP port of RoCEv2: traffic between GPUs, which must not pass a balancer.
const ROCE: u16 = 4791;

/// `home` is the folder of the file: relative paths in it start there.
pub(super) fn check(raw: RawConfig, home: &Path, faults: &mut Faults) -> Checked<Config> {
    let RawConfig { node, nat, encapsulation, tracking, limits, api, metrics, listener, target_group } = raw;
    let node = node
        .required("`interfaces`, and `seed` or `seed_file`", faults)
        .and_then(|raw| node::check(raw, home, faults));
    let nat = nat.found.map(|raw| raw.map(|raw| sources::check_nat(raw, faults)));
    let encapsulation = encapsulation.found.map(|raw| sources::check_encapsulation(raw, faults));
    let tracking = tracking.found.and_then(|raw| tracking::check(raw, faults));
    let limits = limits.found.and_then(|raw| node::check_limits(raw, faults));
    let api = api.found.and_then(|raw| node::check_api(raw, faults));
    let metrics = metrics.found.and_then(|raw| raw.map(|raw| node::check_metrics(raw, faults)).transpose());
    let listeners = listener.found.map(|raw| listeners::check(raw.unwrap_or_default(), faults));
    let mut groups = target_group.found.map(|raw| groups::check(raw.unwrap_or_default(), faults));
    if let (Ok(listeners), Ok(groups)) = (&listeners, &mut groups) {
        steering::fit_rings(listeners, groups, faults);
        let (nat, encapsulation, limits) = (&nat, &encapsulation, &limits);
        across::Parts { nat, encapsulation, limits, listeners, groups }.check(faults);
    }
    Ok(Config {
        node: node?,
        nat: nat?.map(sources::OneNat::finish).transpose()?,
        encapsulation: encapsulation?.finish()?,
        tracking: tracking?,
        limits: limits?,
        api: api?,
        metrics: metrics?,
        listeners: listeners?.into_iter().map(listeners::OneListener::finish).collect::<Checked<_>>()?,
        target_groups: groups?.into_iter().map(groups::OneGroup::finish).collect::<Checked<_>>()?,
    })
}

/// Refuses each item whose key came before, with the line of the first.
fn unique<'a, K: Ord>(
    items: impl Iterator<Item = (K, &'a Span)>,
    message: impl Fn(&K, usize) -> String,
    faults: &mut Faults,
) {
    let mut seen: BTreeMap<K, &Span> = BTreeMap::new();
    for (key, at) in items {
        match seen.get(&key) {
            Some(first) => {
                let message = message(&key, faults.line_of(first));
                faults.report_beside(at.clone(), (first, "the first one"), message);
            }
            None => {
                seen.insert(key, at);
            }
        }
    }
}
