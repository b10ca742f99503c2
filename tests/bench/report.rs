//! A row for people, a record for machines.

use serde::Serialize;

use crate::{machine::Machine, measure::Measured, rows::Row};

#[derive(Serialize)]
pub(crate) struct Record {
    mode: &'static str,
    family: &'static str,
    protocol: &'static str,
    slot_state: &'static str,
    flows: u32,
    targets: u32,
    ns: f64,
    floor_ns: f64,
}

pub(crate) fn record(row: &Row, measured: &Measured) -> Record {
    Record {
        mode: row.mode(),
        family: row.family(),
        protocol: row.protocol(),
        slot_state: row.slot_state(),
        flows: row.flows,
        targets: row.targets,
        ns: tenths(measured.ns),
        floor_ns: tenths(measured.floor_ns),
    }
}

fn tenths(ns: f64) -> f64 {
    (ns * 10.0).round() / 10.0
}

pub(crate) fn header(machine: &Machine) -> String {
    let Machine { cpu, cpus, kernel } = machine;
    format!(
        "{cpu}, {cpus} CPUs, Linux {kernel}, BPF JIT on, one CPU used\n\
         Nanoseconds a packet, by a program test run in whose repeats a wrapper puts the frame back and calls,\n\
         window by window in turn: a program that does nothing, the floor, the edge program. The wrapper's own\n\
         time is taken off. Of the rounds that no neighbour slowed down (`quiet`; of all, if those are few) the ones\n\
         in the middle by their ratio; `low`: the fastest fiftieth. Floor: parse, write what is sent, send; nothing looked up. `call`: the kernel's calling of a\n\
         program, which is in `ns` and in `floor`. Compare ratios: the machine may be shared.\n\n\
         {:<10}{:<7}{:<6}{:<8}{:>9}{:>9}{:>9}{:>9}{:>8}{:>9}{:>8}{:>8}",
        "mode",
        "family",
        "proto",
        "slots",
        "flows",
        "targets",
        "ns",
        "floor",
        "ratio",
        "low",
        "call",
        "quiet"
    )
}

pub(crate) fn line(row: &Row, measured: &Measured) -> String {
    let Measured { ns, floor_ns, low, call_ns, quiet } = measured;
    format!(
        "{:<10}{:<7}{:<6}{:<8}{:>9}{:>9}{:>9.1}{:>9.1}{:>8.2}{:>9.1}{:>8.1}{:>7.0}%",
        row.mode(),
        row.family(),
        row.protocol(),
        row.slot_state(),
        row.flows,
        row.targets,
        ns,
        floor_ns,
        ns / floor_ns,
        low,
        call_ns,
        100.0 * quiet,
    )
}
