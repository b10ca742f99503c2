//! What is wanted, what is known, what was told; and the questions to the kernel in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use tokio::{task::yield_now, time::Instant};

use super::{
    Wanted, message,
    netlink::{Answer, Asking, BATCH, NetlinkError},
    resolve::{Facts, Hop, Neighbour, Route},
    solicit::{Keeping, Solicitor},
};
use crate::event::{NextHop, NoRoute};

pub(super) struct Table {
    asking: Asking,
    pub facts: Facts,
    pub solicitor: Solicitor,
    /// Addresses by the neighbour that they need. Many share one: a gateway.
    users: BTreeMap<Hop, BTreeSet<IpAddr>>,
    told: BTreeMap<IpAddr, Result<NextHop, NoRoute>>,
    /// Addresses that may have another route than was told.
    touched: BTreeSet<IpAddr>,
}

impl Table {
    pub(super) fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            asking: Asking::open()?,
            facts: Facts::default(),
            solicitor: Solicitor::new(),
            users: BTreeMap::new(),
            told: BTreeMap::new(),
            touched: BTreeSet::new(),
        })
    }

    /// Asks for all that is wanted, and all that it needs.
    pub(super) async fn resync(&mut self, wanted: Wanted) -> Result<(), NetlinkError> {
        let mut links = BTreeMap::new();
        for message in self.asking.dump(&message::get_links(), "links")? {
            if let RouteNetlinkMessage::NewLink(message) = message {
                links.insert(message.header.index, message::link(message));
            }
        }
        self.facts.links = links;
        let mut neighbours = BTreeMap::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            for message in self.asking.dump(&message::get_neighbours(family), "neighbours")? {
                if let RouteNetlinkMessage::NewNeighbour(message) = message {
                    neighbours.extend(message::neighbour(message));
                }
            }
            yield_now().await;
        }
        self.facts.neighbours = neighbours;
        self.ask_routes(&wanted.addresses).await?;
        let released = self.connect(wanted);
        self.release(released).await
    }

    /// Applies news of one neighbour.
    pub(super) fn note(&mut self, hop: Hop, neighbour: Option<Neighbour>, now: Instant) {
        self.solicitor.note(hop, neighbour.as_ref(), now);
        self.touched.extend(self.users.get(&hop).into_iter().flatten());
        match neighbour {
            Some(neighbour) => self.facts.neighbours.insert(hop, neighbour),
            None => self.facts.neighbours.remove(&hop),
        };
    }

    /// An address and its route, where that is another one than was told before.
    pub(super) fn next_change(&mut self) -> Option<(IpAddr, Result<NextHop, NoRoute>)> {
        while let Some(address) = self.touched.pop_first() {
            let route = self.facts.resolve(address);
            if self.told.get(&address) != Some(&route) {
                self.told.insert(address, route.clone());
                return Some((address, route));
            }
        }
        None
    }

    async fn ask_routes(&mut self, addresses: &BTreeSet<IpAddr>) -> Result<(), NetlinkError> {
        let addresses: Vec<IpAddr> = addresses.iter().copied().collect();
        for batch in addresses.chunks(BATCH) {
            let questions = batch.iter().copied().map(message::get_route).collect();
            let answers = self.asking.ask(questions, 0, false)?;
            for (address, answer) in batch.iter().zip(answers) {
                self.facts.routes.insert(*address, route(answer)?);
            }
            // Ten thousand are some 300 batches: other tasks get their turn in between.
            yield_now().await;
        }
        Ok(())
    }

    /// Finds out who needs which neighbour now. Returns those that nobody needs any more.
    fn connect(&mut self, wanted: Wanted) -> Vec<Hop> {
        let Wanted { addresses, interfaces } = wanted;
        self.facts.interfaces = interfaces;
        self.facts.routes.retain(|address, _| addresses.contains(address));
        self.told.retain(|address, _| addresses.contains(address));
        self.users.clear();
        for &address in &addresses {
            if let Some(hop) = self.facts.hop(address) {
                self.users.entry(hop).or_default().insert(address);
            }
        }
        self.touched = addresses;
        let now = Instant::now();
        let released = self.solicitor.want(self.users.keys().copied().collect(), now);
        for &hop in self.users.keys() {
            self.solicitor.note(hop, self.facts.neighbours.get(&hop), now);
        }
        released
    }

    /// Leaves neighbours that were managed for us to the kernel's ordinary care.
    async fn release(&mut self, mut hops: Vec<Hop>) -> Result<(), NetlinkError> {
        // `NTF_USE` would take an entry's permanence away.
        hops.retain(|hop| self.facts.neighbours.get(hop).is_some_and(|neighbour| !neighbour.fixed));
        for batch in hops.chunks(BATCH) {
            let requests = batch.iter().map(|&hop| message::solicit(hop, false)).collect();
            // An entry that is gone meanwhile is an error, and as good.
            self.asking.ask(requests, NLM_F_REPLACE, true)?;
            yield_now().await;
        }
        Ok(())
    }

    /// Asks the kernel to resolve what is due.
    pub(super) async fn solicit(&mut self, now: Instant) -> Result<(), NetlinkError> {
        let due = self.solicitor.due(now);
        let mut failed: Option<(Hop, Errno, usize)> = None;
        for batch in due.chunks(BATCH) {
            let answers = self.ask_for(batch)?;
            let errors = answers.into_iter().map(Answer::err);
            for (&hop, error) in batch.iter().zip(errors).filter_map(|(hop, error)| Some((hop, error?))) {
                let others = failed.map_or(0, |(_, _, count)| count);
                failed = Some((hop, error, others + 1));
            }
            yield_now().await;
        }
        if let Some((Hop { interface, address }, error, count)) = failed {
            let hint = if error == Errno::ENOBUFS {
                "the table is full: raise `gc_thresh3` of `net.ipv4.neigh.default` (or ipv6)"
            } else {
                "asked again later; this needs CAP_NET_ADMIN"
            };
            tracing::warn!(%address, interface, %error, count, hint, "neighbours cannot be asked for");
        }
        Ok(())
    }

    fn ask_for(&mut self, hops: &[Hop]) -> Result<Vec<Answer>, NetlinkError> {
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        let managed = self.solicitor.keeping != Keeping::ByUse;
        let requests = hops.iter().map(|&hop| message::solicit(hop, managed)).collect();
        let answers = self.asking.ask(requests, flags, true)?;
        if self.solicitor.keeping == Keeping::Untried
            && let Some((&hop, _)) = hops.iter().zip(&answers).find(|(_, answer)| answer.is_ok())
        {
            self.learn_keeping(hop)?;
        }
        Ok(answers)
    }

    /// Reads back whether `hop`, just asked for, is managed. One that vanished meanwhile teaches nothing.
    fn learn_keeping(&mut self, hop: Hop) -> Result<(), NetlinkError> {
        let mut answers = self.asking.ask(vec![message::get_neighbour(hop)], 0, false)?;
        if let Some(Ok(Some(RouteNetlinkMessage::NewNeighbour(message)))) = answers.pop()
            && let Some((_, neighbour)) = message::neighbour(message)
        {
            let keeping = if neighbour.managed { Keeping::ByKernel } else { Keeping::ByUse };
            tracing::info!(?keeping, "neighbours are kept fresh");
            self.solicitor.keeping = keeping;
        }
        Ok(())
    }
}

/// Of what the kernel says to one address.
fn route(answer: Answer) -> Result<Route, NetlinkError> {
    match answer {
        Ok(Some(RouteNetlinkMessage::NewRoute(message))) => Ok(message::route(message)),
        // The kernel's own trouble says nothing about the route.
        Err(source @ (Errno::ENOMEM | Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR | Errno::EPERM)) => {
            Err(NetlinkError::Refused { what: "a route", source })
        }
        Ok(_) | Err(_) => Ok(Route::Unreachable),
    }
}
