//! The command `pointsman`.

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use pointsman::{
    cli::{self, Cli, Command, NodeCommand},
    daemon,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(command)),
        Err(error) => Err(error.into()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("pointsman: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(cli::Run { config, xdp_mode }) => {
            let file = daemon::absolute(&config);
            let mut config = match cli::check::load(&config)? {
                Ok(config) => config,
                Err(code) => return Ok(code),
            };
            config.node.xdp_mode = xdp_mode.map_or(config.node.xdp_mode, Into::into);
            daemon::run(config, &file).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { config } => cli::check::run(&config),
        Command::Status { socket, json } => cli::status::run(&socket, json).await.map(|()| ExitCode::SUCCESS),
        Command::Node(NodeCommand::Attach(arguments)) => cli::node::attach(arguments).await,
    }
}

/// For people on a terminal, for machines elsewhere. `RUST_LOG` says how much.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).with_target(false);
    if std::io::stderr().is_terminal() {
        log.init();
    } else {
        log.json().flatten_event(true).init();
    }
}
