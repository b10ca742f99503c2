//! `cargo xtask <verb>`: every task of this repository.
//!
//! Architecture invariant: xtask depends on none of the other crates, so that a tree that does not build yet can
//! still be built, linted and tested with it. What it says goes to stderr; stdout belongs to the program it runs.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod attach;
mod bench;
mod build;
mod child;
mod ci;
mod demo;
mod lint;
mod privilege;
mod tally;
mod test;
mod tools;
mod workspace;

use tools::CoreFrom;

#[derive(Parser)]
#[command(
    name = "xtask",
    bin_name = "cargo xtask",
    about = "Every task of this repository",
    disable_help_subcommand = true
)]
struct Cli {
    /// Where `core` for the BPF target comes from; without this, rust-src, and Debian's packages if it can't be had.
    #[arg(long, global = true, value_enum, value_name = "SOURCE")]
    bpf_toolchain: Option<CoreFrom>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the main job in network namespaces: clients, an edge node, six targets, one of which dies.
    Demo(demo::Args),
    /// Measure nanoseconds a packet.
    Bench(bench::Args),
    /// Run every test; the last line says how many.
    Test(test::Args),
    /// Build the daemon, the demo and the bench.
    Build(build::Args),
    /// Build, and run the daemon on an interface until Ctrl-C.
    Attach(attach::Args),
    /// Check format, lints, licences and spelling.
    Lint(lint::Args),
    /// What has to pass before a change lands: lint, then test.
    Ci,
}

fn main() -> ExitCode {
    let Cli { bpf_toolchain, verb } = Cli::parse();
    let done = match verb {
        Verb::Demo(args) => demo::run(&args, bpf_toolchain),
        Verb::Bench(args) => bench::run(&args, bpf_toolchain),
        Verb::Test(args) => test::run(&args, bpf_toolchain),
        Verb::Build(args) => build::run(args, bpf_toolchain),
        Verb::Attach(args) => attach::run(&args, bpf_toolchain),
        Verb::Lint(args) => lint::run(&args, bpf_toolchain),
        Verb::Ci => ci::run(bpf_toolchain),
    };
    done.unwrap_or_else(|error| {
        // Not by returning the error from `main`: with RUST_BACKTRACE set that buries the sentence under a trace.
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
