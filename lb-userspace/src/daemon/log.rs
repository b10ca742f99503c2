//! What changed, as log lines for an operator.

use crate::core::{change::Change, health::HealthState};

/// INFO: an operator wants to know. WARN: somebody should look.
pub(super) fn change(change: &Change) {
    match change {
        Change::Listeners { added, changed, removed } => {
            tracing::info!(?added, ?changed, ?removed, "listeners changed");
        }
        Change::Targets { group, added, reweighted, removed } => {
            let counts = (added.len(), reweighted.len(), removed.len());
            tracing::info!(target_group = %group, added = counts.0, reweighted = counts.1, removed = counts.2, "targets changed");
        }
        Change::Health { target, flip, why } => {
            let (group, target, from, to) = (&target.group, target.address, flip.from, flip.to);
            let why = why.as_ref();
            let (reason, detail) =
                (why.map(|why| why.reason.to_string()), why.map(|why| why.description.as_str()));
            if flip.to == HealthState::Healthy {
                tracing::info!(target_group = %group, %target, %from, %to, "target is healthy");
            } else {
                tracing::warn!(target_group = %group, %target, %from, %to, reason, detail, "target is not healthy");
            }
        }
        Change::FailOpenEntered { group } => {
            tracing::warn!(target_group = %group, "no target is healthy: all of them serve (fail open)");
        }
        Change::FailOpenLeft { group } => {
            tracing::info!(target_group = %group, "a target is healthy again: only healthy ones serve");
        }
        Change::Route { address, route } => match route {
            Ok(hop) => tracing::info!(%address, interface = hop.interface, mtu = hop.mtu, "next hop known"),
            Err(reason) => tracing::warn!(%address, %reason, "no next hop"),
        },
        Change::NoRoom { group, shortage } => {
            tracing::error!(target_group = %group, %shortage, "raise the sizes in `[limits]` and restart");
        }
    }
}
