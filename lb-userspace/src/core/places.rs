//! The ring of a group that steers by the destination port: each slot is a port, and each port has one target.
//!
//! That is how a rendezvous port is kept whole, a job a port: all ranks of a job meet on one target. Ports are few, so
//! a hash would share them badly (32 jobs on 8 nodes give the busiest 1.8 times its share); here every target gets its
//! share to within one.
//!
//! Architecture invariant: as a ring, a placement depends on addresses, weights, key and size alone, and not on history.
//! So it is made in two steps. All registered targets share the slots out between them, whoever is up. Then the slots of
//! those that are down are dealt to the others, and nobody else's move: a target that dies moves its own ports only, and gets the
//! very same back.

use std::{cmp::Reverse, collections::BTreeMap, net::IpAddr};

use lb_common::slot::Slot;

use super::{
    ring::{Ring, Seat},
    siphash::{self, Key},
};
use crate::config::checked::TargetAddress;

/// A registered target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registered {
    pub(super) weight: u16,
    /// `None` while it gets no new flows.
    pub(super) seat: Option<Seat>,
}

/// Places `slots` ports. Without a target that has a seat there is nobody in any slot.
pub(super) fn build(key: Key, slots: u32, targets: &BTreeMap<TargetAddress, Registered>) -> Ring {
    let targets: Vec<_> = targets.iter().filter(|(_, target)| target.weight > 0).collect();
    let hash = |slot: u32, target: usize| {
        targets.get(target).map_or(0, |(address, _)| siphash::hash(key, &liking(slot, address)))
    };
    let weights: Vec<u64> = targets.iter().map(|(_, target)| target.weight.into()).collect();
    let mut owners = vec![None; slots as usize];
    let all: Vec<usize> = (0..targets.len()).collect();
    share_out(&mut owners, &all, &quotas(slots, &weights, &all), hash);

    let is_up = |target: usize| targets.get(target).is_some_and(|(_, target)| target.seat.is_some());
    for owner in &mut owners {
        *owner = owner.filter(|target| is_up(*target));
    }
    let up: Vec<usize> = all.into_iter().filter(|target| is_up(*target)).collect();
    let mut left = quotas(slots, &weights, &up);
    for target in owners.iter().flatten() {
        if let Some(quota) = up.iter().position(|it| it == target).and_then(|at| left.get_mut(at)) {
            *quota = quota.saturating_sub(1);
        }
    }
    share_out(&mut owners, &up, &left, hash);

    let seat = |owner: Option<usize>| targets.get(owner?).and_then(|(_, target)| target.seat);
    owners.into_iter().map(|owner| seat(owner).map_or(Slot::EMPTY, |seat| Slot::steady(seat.id))).collect()
}

/// How many slots each of `some` gets: its share, rounded by the largest remainders; of equal ones the first.
fn quotas(slots: u32, weights: &[u64], some: &[usize]) -> Vec<u64> {
    let weight = |target: &usize| weights.get(*target).copied().unwrap_or_default();
    let total: u64 = some.iter().map(weight).sum();
    if total == 0 {
        return vec![0; some.len()];
    }
    let parts = some.iter().map(|target| u64::from(slots) * weight(target));
    let mut quotas: Vec<u64> = parts.clone().map(|part| part / total).collect();
    let rest = u64::from(slots) - quotas.iter().sum::<u64>();
    let mut order: Vec<_> = parts.map(|part| part % total).enumerate().collect();
    order.sort_by_key(|(at, remainder)| (Reverse(*remainder), *at));
    for (at, _) in order.into_iter().take(usize::try_from(rest).unwrap_or(usize::MAX)) {
        if let Some(quota) = quotas.get_mut(at) {
            *quota += 1;
        }
    }
    quotas
}

/// Gives the free slots to `some`, the pairs that like each other best first, until each has its quota.
fn share_out(owners: &mut [Option<usize>], some: &[usize], quotas: &[u64], hash: impl Fn(u32, usize) -> u64) {
    let free = (0_u32..).zip(owners.iter()).filter(|(_, owner)| owner.is_none());
    let pairs =
        free.flat_map(|(slot, _)| some.iter().enumerate().map(move |(at, target)| (slot, at, *target)));
    let mut pairs: Vec<_> = pairs.map(|(slot, at, target)| (hash(slot, target), slot, at, target)).collect();
    pairs.sort_unstable_by_key(|(hash, slot, at, _)| (Reverse(*hash), *slot, *at));
    let mut left = quotas.to_vec();
    for (_, slot, at, target) in pairs {
        if let (Some(owner @ None), Some(quota @ 1..)) = (owners.get_mut(slot as usize), left.get_mut(at)) {
            *owner = Some(target);
            *quota -= 1;
        }
    }
}

/// What a slot's and a target's liking hangs on. The bytes are part of the agreement between nodes.
fn liking(slot: u32, TargetAddress { address, port }: &TargetAddress) -> Vec<u8> {
    let (slot, port) = (slot.to_be_bytes(), port.to_be_bytes());
    match address {
        IpAddr::V4(address) => [&[2, 4][..], &address.octets(), &port, &slot].concat(),
        IpAddr::V6(address) => [&[2, 6][..], &address.octets(), &port, &slot].concat(),
    }
}

#[cfg(test)]
mod tests;
