//! The record, for people.

use std::fmt;

use crate::record::{ListenerRecord, Record};

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, failed, failed_to_living, sent_to_dead, dead_node, .. } = self;
        writeln!(out)?;
        writeln!(
            out,
            "{connections} connections in {:.1} s, {:.0} a second until {dead_node} died",
            self.seconds, self.connections_per_second_before
        )?;
        writeln!(out, "{failed} failed, {failed_to_living} of them to living targets")?;
        for (why, count) in &self.failures {
            writeln!(out, "  {count} x {why}")?;
        }
        writeln!(out, "{sent_to_dead} met the dead node; those that did not fail came through on a retry")?;
        writeln!(
            out,
            "{dead_node} was found dead within {:.0} ms; the last packet left for it {:.1} ms after that",
            self.death_to_detect_ms, self.detect_to_last_packet_ms
        )?;
        writeln!(
            out,
            "farthest from the ideal share over all listeners: {:.1} % of it",
            self.max_share_error * 100.0
        )?;
        writeln!(out, "\nbefore the death:")?;
        self.listeners.iter().try_for_each(|listener| shares(out, listener))?;
        writeln!(out, "\nthe death, in ms:")?;
        self.listeners.iter().try_for_each(|listener| times(out, listener))
    }
}

fn shares(out: &mut fmt::Formatter<'_>, listener: &ListenerRecord) -> fmt::Result {
    write!(out, "  {:<8} {:>6} connections, % by target:", listener.name, listener.connections)?;
    for target in &listener.targets {
        write!(out, " {:>5.2}", target.share * 100.0)?;
    }
    let ideal = listener.targets.first().map_or(0.0, |target| target.ideal);
    writeln!(out, " (ideal {:.2})", ideal * 100.0)
}

fn times(out: &mut fmt::Formatter<'_>, listener: &ListenerRecord) -> fmt::Result {
    write!(
        out,
        "  {:<8} found after {:>4.0}, last packet {:>+7.1} from then",
        listener.name, listener.death_to_detect_ms, listener.detect_to_last_packet_ms
    )?;
    match listener.wire_detect_to_last_packet_ms {
        Some(wire) => writeln!(out, " ({wire:+.1} from the end of the second probe on the wire)"),
        None => writeln!(out),
    }
}
