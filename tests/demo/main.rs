//! The main job on a network of namespaces: real clients, real servers, the real load balancer, and a training
//! node that dies while traffic runs.

mod evidence;
mod record;
mod scene;
mod setting;
mod shares;
mod summary;
mod table;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use harness::load::Load;
use harness::{clock, daemon, wait};

use record::Record;
use scene::Scene;
use table::Table;

/// Connections that are under way at a time until the node dies.
const CONCURRENCY: usize = 32;
/// How long that may take; with the rest it keeps the demo under a minute on a slow machine.
const LONGEST_EARLY: Duration = Duration::from_secs(30);
/// How long the traffic goes on that meets the death and its discovery.
const LATE_TRAFFIC: Duration = Duration::from_secs(10);
/// How many connections that traffic has at most: enough for each moment of it to have some.
const MOST_LATE: usize = 10_000;
/// How far into that traffic the node dies.
const DEATH: Duration = Duration::from_secs(1);

/// Runs Pointsman between clients and six training nodes, kills one of them, and says what that cost.
#[derive(Parser)]
#[command(name = "demo")]
struct Flags {
    /// Print one JSON record on stdout; the table goes to stderr.
    #[arg(long)]
    json: bool,
    /// Leave everything up at the end, print commands to look around, and wait for Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// How many connections to open. With the default, chance alone puts no target's share of any listener a tenth
    /// off its ideal; with fewer, a wider bound holds.
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(500..))]
    connections: u32,
    /// The `pointsman` to run, if not the one built beside this program.
    #[arg(long)]
    pointsman: Option<PathBuf>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let outcome = tokio::runtime::Runtime::new()
        .context("start the runtime")
        .and_then(|runtime| runtime.block_on(perform(&flags)));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The whole play; false if what it shows is not good enough.
async fn perform(flags: &Flags) -> Result<bool> {
    let binary = flags.pointsman.clone().map_or_else(daemon::binary, Ok)?;
    let mut scene = Scene::set(&binary).await?;
    let (load, view) = (scene.load(), scene.view());
    let mut table = Table::new(flags.json);

    let record = tokio::select! {
        record = act(&mut scene, &load, flags.connections as usize) => record?,
        never = table.keep_drawing(&view, &load) => match never {},
    };
    table.draw(&view, &load).await;

    let mut out = std::io::stdout();
    if flags.json {
        serde_json::to_writer(&mut out, &record).context("write the record")?;
        writeln!(out).context("write the record")?;
    } else {
        write!(out, "{record}").context("write the summary")?;
    }
    let complaints = record.complaints();
    for complaint in &complaints {
        eprintln!("demo: {complaint}");
    }
    if flags.keep {
        eprintln!("{}", scene.directions());
        std::future::pending::<()>().await;
    }
    scene.close().await?;
    Ok(complaints.is_empty())
}

/// Traffic, a death, more traffic, and what was seen.
async fn act(scene: &mut Scene, load: &Load, connections: usize) -> Result<Record> {
    let late = (connections / 4).min(MOST_LATE);
    let began = clock::now();
    load.closed_loop(connections - late, CONCURRENCY, LONGEST_EARLY).await;
    let early_rate = load.record().len() as f64 / clock::since(began).as_secs_f64();

    // New clients keep coming at their own pace, as they do in life, however many are stuck at the dead node; at
    // half the pace that the machine has shown at most, so that what fails fails for another reason than load.
    let rate = (late as f64 / LATE_TRAFFIC.as_secs_f64()).min(early_rate / 2.0).max(1.0);
    let (_all_done, death) = tokio::join!(load.open_loop(late, rate), async {
        wait::pass(DEATH).await;
        scene.kill_one()
    });
    death?;
    scene.wait_until_discovered().await?;
    Record::of(scene, load, began).await
}
