//! Which neighbours to ask the kernel for, and when. Pure: `now` comes in, what to ask for comes out.
//!
//! XDP's packets never touch the kernel's neighbour table, so to the kernel an entry in use looks idle,
//! goes stale and is collected. Since 5.16 an entry can be *managed*: the kernel then keeps it
//! resolved by itself. An older kernel takes the request, ignores the flag and says nothing, so
//! whether it works is read back; where it does not, the entry is used (`NTF_USE`) every few
//! seconds, which makes the kernel check it. `neigh_managed_work`:
//! <https://github.com/torvalds/linux/blob/v5.16/net/core/neighbour.c>.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::resolve::{Hop, Neighbour};

/// First and longest pause before a neighbour that does not answer is asked for again. While it is
/// managed the kernel asks too, every 5 s.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often an entry is used where the kernel does not manage: as often as the kernel would.
const REFRESH: Duration = Duration::from_secs(5);

/// Looking for what is due costs a look at everything, so it is not done for each entry alone.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// How known neighbours are kept from going stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// Not yet known whether the kernel can.
    Untried,
    ByKernel,
    ByUse,
}

pub(super) struct Solicitor {
    pub keeping: Keeping,
    kept: BTreeMap<Hop, Kept>,
    /// No entry is due before.
    look: Option<Instant>,
    looked: Option<Instant>,
}

struct Kept {
    /// `None`: nothing to do until the kernel says something new.
    due: Option<Instant>,
    pause: Duration,
    known: bool,
    /// The managed flag was put there by us, so it is ours to take away.
    ours: bool,
}

impl Solicitor {
    pub(super) const fn new() -> Self {
        Self { keeping: Keeping::Untried, kept: BTreeMap::new(), look: None, looked: None }
    }

    /// Makes `hops` the neighbours that are kept. Returns those that were ours to manage and are not
    /// wanted any more.
    pub(super) fn want(&mut self, hops: BTreeSet<Hop>, now: Instant) -> Vec<Hop> {
        let mut released = Vec::new();
        self.kept.retain(|hop, kept| {
            let wanted = hops.contains(hop);
            if !wanted && kept.ours {
                released.push(*hop);
            }
            wanted
        });
        for hop in hops {
            self.kept.entry(hop).or_insert_with(|| {
                self.look = Some(now);
                Kept { due: Some(now), pause: FIRST_PAUSE, known: false, ours: false }
            });
        }
        released
    }

    /// Takes what the kernel says of an entry. One that is lost is asked for at once, and then
    /// again after growing pauses.
    pub(super) fn note(&mut self, hop: Hop, neighbour: Option<&Neighbour>, now: Instant) {
        let Some(kept) = self.kept.get_mut(&hop) else { return };
        let known = neighbour.is_some_and(|neighbour| neighbour.mac.is_some());
        let settled = known && neighbour.is_some_and(|neighbour| neighbour.fixed || neighbour.managed);
        let lost = kept.known && !known;
        kept.known = known;
        if settled {
            kept.due = None;
            kept.pause = FIRST_PAUSE;
        } else if lost || kept.due.is_none() {
            kept.due = Some(now);
            kept.pause = FIRST_PAUSE;
            self.look = Some(now);
        }
    }

    /// When to look for what is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let earliest = self.looked.map(|looked| looked + BETWEEN_LOOKS);
        self.look.map(|look| earliest.map_or(look, |earliest| look.max(earliest)))
    }

    /// What is to be asked for at `now`; it counts as asked for.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Hop> {
        if self.next().is_none_or(|next| next > now) {
            return Vec::new();
        }
        let mut hops = Vec::new();
        for (hop, kept) in &mut self.kept {
            if kept.due.is_some_and(|due| due <= now) {
                let refresh = kept.known && self.keeping == Keeping::ByUse;
                kept.due = Some(now + if refresh { REFRESH } else { kept.pause });
                kept.pause = LONGEST_PAUSE.min(kept.pause * 2);
                kept.ours = self.keeping != Keeping::ByUse;
                hops.push(*hop);
            }
        }
        self.looked = Some(now);
        self.look = self.kept.values().filter_map(|kept| kept.due).min();
        hops
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const HOP: Hop = Hop { interface: 7, address: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)) };
    const MANAGED: Neighbour = Neighbour { mac: Some([2; 6]), managed: true, fixed: false };
    const PLAIN: Neighbour = Neighbour { managed: false, ..MANAGED };
    const FIXED: Neighbour = Neighbour { fixed: true, ..PLAIN };
    const FAILED: Neighbour = Neighbour { mac: None, ..MANAGED };

    /// Seconds from the start at which `HOP` is asked for, until a minute is over.
    fn asked(solicitor: &mut Solicitor, start: Instant) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(next) = solicitor.next().filter(|next| *next < start + Duration::from_secs(60)) {
            times.extend(solicitor.due(next).iter().map(|_| (next - start).as_secs()));
        }
        times
    }

    fn wanting(keeping: Keeping) -> (Solicitor, Instant) {
        let (mut solicitor, now) = (Solicitor { keeping, ..Solicitor::new() }, Instant::now());
        assert_eq!(solicitor.want([HOP].into(), now), []);
        (solicitor, now)
    }

    #[test]
    fn one_that_never_answers_is_asked_for_ever_more_seldom() {
        let (mut solicitor, now) = wanting(Keeping::ByKernel);
        assert_eq!(asked(&mut solicitor, now), [0, 1, 3, 7, 15, 31]);
    }

    #[test]
    fn one_that_the_kernel_keeps_is_left_alone() {
        for neighbour in [MANAGED, FIXED] {
            let (mut solicitor, now) = wanting(Keeping::ByKernel);
            solicitor.note(HOP, Some(&neighbour), now);
            assert_eq!(asked(&mut solicitor, now), [0; 0]);
        }
    }

    #[test]
    fn one_that_was_lost_is_asked_for_at_once() {
        for lost in [Some(&FAILED), None] {
            let (mut solicitor, now) = wanting(Keeping::ByKernel);
            assert_eq!(solicitor.due(now), [HOP]);
            solicitor.note(HOP, Some(&MANAGED), now);
            let later = now + Duration::from_secs(10);
            solicitor.note(HOP, lost, later);
            assert_eq!(solicitor.due(later), [HOP]);
            // That it still fails is no news.
            solicitor.note(HOP, lost, later);
            assert_eq!(asked(&mut solicitor, now), [11, 13, 17, 25, 41]);
        }
    }

    #[test]
    fn without_a_managing_kernel_a_known_one_is_used_steadily() {
        let (mut solicitor, now) = wanting(Keeping::ByUse);
        solicitor.note(HOP, Some(&PLAIN), now);
        assert_eq!(asked(&mut solicitor, now), [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55]);
        assert_eq!(solicitor.want([].into(), now), []);
    }

    #[test]
    fn only_what_was_ours_is_released() {
        let (mut solicitor, now) = wanting(Keeping::Untried);
        assert_eq!(solicitor.due(now), [HOP]);
        solicitor.note(HOP, Some(&MANAGED), now);
        assert_eq!(solicitor.want([].into(), now), [HOP]);

        let (mut solicitor, now) = wanting(Keeping::Untried);
        solicitor.note(HOP, Some(&MANAGED), now);
        assert_eq!(solicitor.want([].into(), now), []);
    }
}
