//! Real sockets across network namespaces.

mod arms;
mod changes;
mod cleanup;
mod config;
mod counts;
mod death;
mod envelopes;
mod held;
mod l2;
mod lab;
mod nat;
mod refused;
mod reload;
mod rendezvous;
mod scene;
mod serves;
mod stop;
mod streams;
mod trace;

use std::time::Duration;

use anyhow::Result;
use harness::wait;

/// How long a test may take, on a machine that does other things too.
const BOUND: Duration = Duration::from_secs(30);

/// Runs a test's body, and fails with every cause of what went wrong in it.
async fn bounded(test: impl Future<Output = Result<()>>) {
    if let Err(error) = wait::within("the test", BOUND, test).await.flatten() {
        panic!("{error:#}");
    }
}
