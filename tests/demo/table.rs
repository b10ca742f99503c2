//! The live table.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use harness::client::Exchange;
use harness::lab::{Family, Node};
use harness::load::Load;
use harness::status::{self, State, Status};
use harness::{clock, wait};

use crate::evidence::{self, Facts};
use crate::scene::View;
use crate::setting::LISTENERS;
use crate::shares::{Shares, has_failed};

/// How often a terminal's table is drawn over, and how often a log gets another one.
const REDRAW: Duration = Duration::from_millis(250);
const SNAPSHOT: Duration = Duration::from_secs(3);

pub(crate) struct Table {
    out: Box<dyn Write>,
    in_place: bool,
    began: SystemTime,
    /// Lines of the table that stands on the terminal.
    standing: usize,
}

impl Table {
    /// On stdout, or on stderr if stdout is for the record.
    pub(crate) fn new(to_stderr: bool) -> Self {
        let (out, in_place): (Box<dyn Write>, bool) = if to_stderr {
            (Box::new(std::io::stderr()), std::io::stderr().is_terminal())
        } else {
            (Box::new(std::io::stdout()), std::io::stdout().is_terminal())
        };
        Self { out, in_place, began: clock::now(), standing: 0 }
    }

    /// Draws until it is dropped.
    pub(crate) async fn keep_drawing(&mut self, view: &View, load: &Load) -> Infallible {
        let mut beat = wait::beat(if self.in_place { REDRAW } else { SNAPSHOT });
        loop {
            beat.tick().await;
            self.draw(view, load).await;
        }
    }

    pub(crate) async fn draw(&mut self, view: &View, load: &Load) {
        // A daemon that does not answer now may answer at the next beat; the table says that it did not.
        let status = status::get(&view.socket).await.ok();
        let text = self.text(view, load, status.as_ref());
        if self.in_place && self.standing > 0 {
            let _unseen = write!(self.out, "\x1b[{}A\x1b[J", self.standing);
        }
        // Who closes the terminal does not want the table; the demo goes on.
        let _unseen = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        self.standing = text.lines().count();
    }

    fn text(&self, view: &View, load: &Load, status: Option<&Status>) -> String {
        let record = load.record();
        let shares = Shares::of(&record, None, None);
        let facts = evidence::lock(&view.facts);
        let failed: Vec<&Exchange> = record.iter().filter(|exchange| has_failed(exchange)).collect();
        let mut text = format!(
            "{:>5.1} s  {} connections, {} failed\n  {:<8} {:<24} {:>11} {:>8} {:>7}\n",
            clock::since(self.began).as_secs_f64(),
            record.len(),
            failed.len(),
            "target",
            "state",
            "connections",
            "share",
            "errors"
        );
        for node in &view.nodes {
            // Writing to a string cannot fail.
            let _infallible = writeln!(
                text,
                "  {:<8} {:<24} {:>11} {:>6.2} % {:>7}",
                node.name,
                state(status, &node.name),
                shares.connections(&node.name),
                shares.share(&node.name) * 100.0,
                failed.iter().filter(|exchange| was_first_sent_to(&facts, exchange, node)).count()
            );
        }
        text
    }
}

/// An error is written to the account of the first node that the connection was sent to.
fn was_first_sent_to(facts: &Facts, exchange: &Exchange, node: &Node) -> bool {
    let own: [IpAddr; 2] = Family::BOTH.map(|family| node.address(family));
    facts.sent_to(exchange).first().is_some_and(|address| own.contains(address))
}

/// A node's state in all groups: one word if they agree, and in how many it is not healthy if they do not.
fn state(status: Option<&Status>, node: &str) -> String {
    let Some(status) = status else { return "(no answer)".to_owned() };
    let targets: Vec<_> = LISTENERS.iter().filter_map(|it| status.target(it.name, node)).collect();
    let ill: Vec<_> = targets.iter().filter(|target| target.state != State::Healthy).collect();
    match (ill.first(), targets.first()) {
        (_, None) => "(unknown)".to_owned(),
        (None, Some(_)) => State::Healthy.word().to_owned(),
        (Some(first), Some(_)) => {
            let reason = first.reason.as_deref().unwrap_or_default();
            let word = first.state.word();
            match (ill.len(), targets.len()) {
                (ill, all) if ill < all => format!("{word} in {ill} of {all}"),
                _ => format!("{word} {reason}"),
            }
        }
    }
}
