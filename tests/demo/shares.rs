//! Who got how much.

use std::collections::BTreeMap;
use std::time::SystemTime;

use harness::client::Exchange;

use crate::setting::Listener;

/// Connections answered, by node.
#[derive(Default)]
pub(crate) struct Shares {
    by_node: BTreeMap<String, usize>,
}

impl Shares {
    /// Counts what was answered of `record`: through `listener` or any, begun before `end` or at any time.
    pub(crate) fn of(record: &[Exchange], listener: Option<&Listener>, end: Option<SystemTime>) -> Self {
        let mut shares = Self::default();
        for exchange in record {
            let is_meant = listener.is_none_or(|listener| exchange.to == listener.address())
                && end.is_none_or(|end| exchange.began < end);
            if let Some(node) = answered(exchange).filter(|_node| is_meant) {
                *shares.by_node.entry(node.to_owned()).or_default() += 1;
            }
        }
        shares
    }

    pub(crate) fn total(&self) -> usize {
        self.by_node.values().sum()
    }

    pub(crate) fn connections(&self, node: &str) -> usize {
        self.by_node.get(node).copied().unwrap_or_default()
    }

    /// The part of all that this node got, between 0 and 1.
    pub(crate) fn share(&self, node: &str) -> f64 {
        match self.total() {
            0 => 0.0,
            total => self.connections(node) as f64 / total as f64,
        }
    }
}

/// The node that answered, and answered well.
pub(crate) fn answered(exchange: &Exchange) -> Option<&str> {
    exchange.outcome.as_ref().ok().filter(|answer| answer.status == 200).map(|answer| &*answer.node)
}

pub(crate) fn has_failed(exchange: &Exchange) -> bool {
    answered(exchange).is_none()
}
