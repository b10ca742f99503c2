//! The status as a page of text.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use lb_common::verdict::{Note, Verdict};

use crate::{
    cli::{
        table::{Column, Table, wrapped},
        units,
    },
    config::checked::{Forwarding, XdpMode},
    status::{FORWARDED, Listener, RETURNED, State, Status, Target, TargetGroup, Traffic},
};

/// Everything, no wider than `width`.
pub(super) fn page(status: &Status, now: SystemTime, width: Option<usize>) -> String {
    let mut page = Page { text: String::new(), now, width };
    page.daemon(status);
    page.listeners(&status.listeners);
    for group in &status.target_groups {
        page.group(group);
    }
    page.packets(status);
    page.notes(status);
    page.text
}

struct Page {
    text: String,
    now: SystemTime,
    width: Option<usize>,
}

impl Page {
    /// A paragraph of its own lines; what is too long goes on indented.
    fn say(&mut self, text: &str) {
        self.text.push_str(&wrapped(text, 0, 4, self.width));
        self.text.push('\n');
    }

    fn title(&mut self, text: &str) {
        self.text.push('\n');
        self.say(text);
    }

    fn table(&mut self, table: Table) {
        let (lines, left_out) = table.fitted(self.width);
        self.text.push_str(&lines);
        if !left_out.is_empty() {
            self.note(&format!("(no room for {}; `--json` has all)", left_out.join(", ")));
        }
    }

    fn note(&mut self, text: &str) {
        let text = wrapped(text, 2, 4, self.width);
        self.text.extend(["  ", &text, "\n"]);
    }

    fn daemon(&mut self, status: &Status) {
        let Status { version, node, nat, tracking, ring, probes, .. } = status;
        let up = units::span(Duration::from_secs(node.uptime_seconds));
        let interfaces = node.interfaces.iter().map(|it| format!("{} ({})", it.name, mode(it.mode)));
        let interfaces = listed(interfaces).unwrap_or_else(|| "no interface".to_owned());
        let config = node.config_file.display();
        self.say(&format!("pointsman {version}, up {up}, on {interfaces}, by {config}"));
        let last = ring
            .last_change
            .map_or_else(String::new, |at| format!(", last {} ago", units::span(at.age(self.now))));
        let (rewrites, slots) = (units::count(ring.rewrites), units::count(ring.slots_rewritten));
        let maps = units::bytes(node.map_bytes);
        self.say(&format!("maps of {maps}; {rewrites} ring rewrites, {slots} slots in all{last}"));
        if let Some(nat) = nat {
            let [flows, limit] = [nat.flows, nat.limit].map(units::count);
            self.say(&format!("{flows} nat flows of {limit} at most"));
        }
        let [tracked, limit] = [tracking.flows, tracking.limit].map(units::count);
        self.say(&format!("{tracked} flows tracked of {limit} at most"));
        let all = probes.passed + probes.timed_out + probes.wrong_code + probes.failed;
        let [all, passed, timed_out, wrong_code, failed] =
            [all, probes.passed, probes.timed_out, probes.wrong_code, probes.failed].map(units::count);
        self.say(&format!(
            "{all} health checks: {passed} passed, {timed_out} timed out, {wrong_code} wrong code, {failed} failed"
        ));
    }

    fn listeners(&mut self, listeners: &[Listener]) {
        if listeners.is_empty() {
            return self.title("NO LISTENERS: every packet is passed to the host");
        }
        self.title("LISTENERS");
        let mut table = Table::new(vec![
            Column::word("LISTENER"),
            Column::word("ADDRESS"),
            Column::word("PROTOCOL"),
            Column::word("LIVE"),
            Column::word("TARGET GROUP").dispensable(1),
        ]);
        for listener in listeners {
            table.row(vec![
                listener.name.clone(),
                listens_on(listener),
                listener.protocol.to_string(),
                if listener.live { "yes" } else { "NO" }.to_owned(),
                listener.target_group.clone(),
            ]);
        }
        self.table(table);
    }

    fn group(&mut self, group: &TargetGroup) {
        let healthy = group.targets.iter().filter(|target| target.state == State::Healthy).count();
        let all = group.targets.len();
        let behind = listed(group.listeners.iter().cloned()).unwrap_or_else(|| "no listener".to_owned());
        self.title(&format!(
            "TARGET GROUP {}: {healthy} of {all} healthy, {}, by {}, {} slots, behind {behind}",
            group.name, group.forwarding, group.steering_key, group.ring_slots
        ));
        if group.fail_open {
            self.note("FAILS OPEN: no target is healthy, so all serve");
        }
        if !group.targets.is_empty() {
            self.targets(group);
        }
        group.targets.iter().flat_map(complaints).for_each(|complaint| self.note(&complaint));
        if let Some(leaving) = listed(group.leaving.iter().map(ToString::to_string)) {
            self.note(&format!("removed, but flows of theirs go on: {leaving}"));
        }
        let (learning, pinned) = (group.learning_slots, group.pinned_slots);
        if learning + pinned > 0 {
            self.note(&format!("slots in motion: {learning} learn, {pinned} are pinned"));
        }
    }

    fn targets(&mut self, group: &TargetGroup) {
        let is_named = group.targets.iter().any(|target| target.name != address(target));
        let sees_replies = group.forwarding == Forwarding::Nat;
        let mut table = Table::new(target_columns(is_named, sees_replies));
        for target in &group.targets {
            let mut row = vec![target.name.clone()];
            row.extend(is_named.then(|| address(target)));
            row.extend([
                target.state.to_string(),
                units::span(target.since.age(self.now)),
                units::percent(target.share),
                units::count(target.new_flows),
                units::count(target.packets),
                units::bytes(target.bytes),
            ]);
            if sees_replies {
                row.extend([units::count(target.reply_packets), units::bytes(target.reply_bytes)]);
            }
            table.row(row);
        }
        self.table(table);
    }

    fn packets(&mut self, status: &Status) {
        self.title("PACKETS");
        let mut table = Table::new(vec![
            Column::word("VERDICT"),
            Column::number("PACKETS"),
            Column::number("BYTES").dispensable(1),
            Column::text("MEANING"),
        ]);
        let (sums, endings): (Vec<_>, Vec<_>) =
            status.verdicts.iter().partition(|(name, _)| [FORWARDED, RETURNED].contains(&name.as_str()));
        for (name, Traffic { packets, bytes }) in sums.into_iter().chain(endings) {
            if *packets > 0 {
                let cells = [name, &units::count(*packets), &units::bytes(*bytes), meaning(name)];
                table.row(cells.map(str::to_owned).to_vec());
            }
        }
        if table.is_empty() { self.note("none so far") } else { self.table(table) }
    }

    /// What happened on packets' way beside its ending.
    fn notes(&mut self, status: &Status) {
        let columns = vec![Column::word("NOTE"), Column::number("PACKETS"), Column::text("MEANING")];
        let mut table = Table::new(columns);
        for (name, packets) in status.notes.iter().filter(|(_, packets)| **packets > 0) {
            let note = Note::ALL.iter().find(|note| note.name() == name);
            let meaning = note.map_or("", |note| note.meaning());
            table.row(vec![name.clone(), units::count(*packets), meaning.to_owned()]);
        }
        if !table.is_empty() {
            self.title("NOTES");
            self.table(table);
        }
    }
}

fn target_columns(is_named: bool, sees_replies: bool) -> Vec<Column> {
    let mut columns = vec![Column::word("TARGET")];
    columns.extend(is_named.then(|| Column::word("ADDRESS").dispensable(4)));
    columns.extend([
        Column::word("STATE"),
        Column::number("FOR").dispensable(1),
        Column::number("SHARE"),
        Column::number("NEW FLOWS").dispensable(2),
        Column::number("PACKETS").dispensable(3),
        Column::number("BYTES").dispensable(5),
    ]);
    if sees_replies {
        columns
            .extend([Column::number("REPLIES").dispensable(6), Column::number("REPLY BYTES").dispensable(7)]);
    }
    columns
}

fn address(target: &Target) -> String {
    SocketAddr::new(target.address, target.port).to_string()
}

/// What is wrong with a target, a sentence each.
fn complaints(target: &Target) -> impl Iterator<Item = String> {
    let reason = target.reason.as_deref().map(|reason| match &target.detail {
        Some(detail) => format!("{}: {reason}: {detail}", target.name),
        None => format!("{}: {reason}", target.name),
    });
    let no_route = target.no_route.as_deref();
    let no_route = no_route.map(|why| format!("{}: nothing can be sent to it: {why}", target.name));
    reason.into_iter().chain(no_route)
}

const fn mode(mode: XdpMode) -> &'static str {
    match mode {
        XdpMode::Driver => "driver",
        XdpMode::Generic => "generic",
    }
}

fn listens_on(listener: &Listener) -> String {
    let Listener { address, port, last_port, .. } = listener;
    match last_port {
        None if *port == 0 => format!("{address}, every port"),
        None => SocketAddr::new(*address, *port).to_string(),
        Some(last) => format!("{}-{last}", SocketAddr::new(*address, *port)),
    }
}

/// One sentence for the operator; none for a verdict that a newer daemon has.
fn meaning(name: &str) -> &'static str {
    match name {
        FORWARDED => "Sent to a target.",
        RETURNED => "Sent back from a target to its client.",
        _ => Verdict::ALL.iter().find(|verdict| verdict.name() == name).map_or("", |it| it.meaning()),
    }
}

fn listed(items: impl Iterator<Item = String>) -> Option<String> {
    items.reduce(|mut list, item| {
        // Writing to a string cannot fail.
        let _infallible = write!(list, ", {item}");
        list
    })
}
