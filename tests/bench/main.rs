//! `cargo xtask bench`: nanoseconds a packet, each beside its floor.
//!
//! Ratios, not times: the machine is shared. The program under test, its floor and a program that does
//! nothing take turns, window by window, in one program test run; the last one's time is taken off.
#![expect(clippy::print_stdout, reason = "a command's output")]

mod drive;
mod frames;
mod machine;
mod measure;
mod report;
mod rows;
mod scene;
mod wrapper;

use anyhow::Result;
use clap::Parser;

use crate::{machine::Machine, measure::Bench, rows::Mode};

/// Measures nanoseconds a packet, each beside its floor.
#[derive(Parser)]
struct Arguments {
    /// One JSON array of records on stdout, nothing else.
    #[arg(long)]
    json: bool,
    /// Some of the rows, fewer windows each.
    #[arg(long)]
    quick: bool,
    /// Only this mode.
    #[arg(long)]
    mode: Option<Mode>,
    /// Only rows whose words (`ipip ipv4 tcp steady 1000 100`) contain this.
    #[arg(long)]
    filter: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let machine = Machine::fit_to_measure()?;
    let rows = rows::all().filter(|row| {
        (!arguments.quick || row.tells())
            && arguments.mode.is_none_or(|mode| mode == row.mode)
            && arguments.filter.as_ref().is_none_or(|filter| row.words().contains(filter))
    });
    let mut bench = Bench::new(if arguments.quick { measure::QUICK } else { measure::THOROUGH })?;
    if arguments.json {
        let records = rows.map(|row| Ok(report::record(&row, &bench.measure(&row)?)));
        println!("{}", serde_json::to_string_pretty(&records.collect::<Result<Vec<_>>>()?)?);
    } else {
        println!("{}", report::header(&machine));
        for row in rows {
            println!("{}", report::line(&row, &bench.measure(&row)?));
        }
    }
    Ok(())
}
