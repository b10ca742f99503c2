//! The way to each target: route, interface and MAC, from the kernel, kept fresh.
//!
//! The kernel is asked once for each address, and again when it says that links, routes or rules
//! changed; news of a neighbour are applied as they come. Every 30 s, and whenever messages were
//! lost, everything is asked again: what was missed heals.
//!
//! One of several equal routes (ECMP) is taken for all packets to an address: the one that the kernel
//! chooses for a packet without ports. Policy rules see only the destination.

mod message;
mod netlink;
mod resolve;
mod solicit;
mod table;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, error::Error, net::IpAddr, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

pub use self::netlink::NetlinkError;
use self::{
    message::News,
    netlink::{Heard, Listening},
    table::Table,
};
use crate::event::Event;

/// `RTNLGRP_` LINK, NEIGH, IPV4_ROUTE, IPV4_RULE, IPV6_ROUTE, IPV6_RULE and NEXTHOP of
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/rtnetlink.h>.
const GROUPS: [u32; 7] = [1, 3, 7, 8, 11, 19, 32];

/// Everything is asked again at least this often.
const RESYNC: Duration = Duration::from_secs(30);

/// Changes come in swarms: the first one waits this long for the others.
const DEBOUNCE: Duration = Duration::from_millis(15);

/// A resync is followed by a rest of this many times its length, so that a host whose routes never
/// come to rest gets a fifth of a processor's time at most.
const REST: u32 = 4;

/// After the kernel refused.
const RETRY: Duration = Duration::from_secs(1);

/// What next hops are wanted for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub addresses: BTreeSet<IpAddr>,
    /// Names of the interfaces that packets may leave by: `node.interfaces`.
    pub interfaces: BTreeSet<String>,
}

/// The task that keeps next hops fresh.
pub struct Neighbours {
    wanted: watch::Receiver<Wanted>,
    events: mpsc::Sender<Event>,
    listening: Listening,
    table: Table,
    resync: Instant,
    /// No resync before: the last one is still being rested from.
    rested: Instant,
}

impl Neighbours {
    /// Opens the sockets, in the network namespace of the calling thread and inside a tokio runtime;
    /// where [`Self::run`] runs does not matter.
    ///
    /// `events` gets an [`Event::Routed`] for each wanted address, and another whenever its route
    /// changes; none for an address that is not wanted any more.
    ///
    /// # Errors
    ///
    /// Netlink sockets cannot be had: no descriptor, or a sandbox that forbids them.
    pub fn open(wanted: watch::Receiver<Wanted>, events: mpsc::Sender<Event>) -> Result<Self, NetlinkError> {
        let now = Instant::now();
        let (listening, table) = (Listening::open(&GROUPS)?, Table::open()?);
        Ok(Self { wanted, events, listening, table, resync: now, rested: now })
    }

    /// Runs until nobody wants (the watch's sender is gone) or nobody listens (the channel is
    /// closed). What the kernel refuses is logged and tried again; until then what was known stays.
    ///
    /// The managed neighbours stay managed at its end, for the packets that XDP goes on sending
    /// while the daemon restarts. To let go of them, want nothing before.
    pub async fn run(mut self) {
        loop {
            let next = self.table.solicitor.next().map_or(self.resync, |next| next.min(self.resync));
            let done = tokio::select! {
                changed = self.wanted.changed() => match changed {
                    Ok(()) => { self.resync_soon(); Ok(()) }
                    Err(_nobody_wants) => return,
                },
                heard = self.listening.next() => heard.map(|heard| self.hear(heard)),
                () = sleep_until(next) => self.tend().await,
                () = self.events.closed() => return,
            };
            if let Err(error) = done {
                tracing::warn!(error = &error as &dyn Error, "next hops stay as they were known");
                sleep(RETRY).await;
                self.resync = Instant::now();
            }
            if self.tell().await.is_err() {
                return;
            }
        }
    }

    /// What is due: a resync, soliciting.
    async fn tend(&mut self) -> Result<(), NetlinkError> {
        let started = Instant::now();
        if started >= self.resync {
            let wanted = self.wanted.borrow_and_update().clone();
            self.table.resync(wanted).await?;
            let ended = Instant::now();
            self.resync = ended + RESYNC;
            self.rested = ended + REST * (ended - started);
            tracing::debug!(took = ?(ended - started), "routes and neighbours asked for");
        }
        self.table.solicit(Instant::now()).await
    }

    fn hear(&mut self, heard: Heard) {
        let Heard::Messages(messages) = heard else { return self.resync_soon() };
        for message in messages {
            match message::news(message) {
                News::Neighbour(hop, neighbour) => self.table.note(hop, neighbour, Instant::now()),
                News::Link(index, link) if self.table.facts.links.get(&index) == link.as_ref() => {}
                // Links have messages that tell only a part, so the news is not applied as it is.
                News::Link(..) | News::Routing => self.resync_soon(),
                News::Nothing => {}
            }
        }
    }

    fn resync_soon(&mut self) {
        self.resync = self.resync.min(self.rested.max(Instant::now() + DEBOUNCE));
    }

    /// Sends what changed.
    async fn tell(&mut self) -> Result<(), mpsc::error::SendError<Event>> {
        while let Some((address, route)) = self.table.next_change() {
            self.events.send(Event::Routed { address, route }).await?;
        }
        Ok(())
    }
}
