//! `/metrics`, in OpenMetrics, on a TCP port. `docs/metrics.md` explains each metric.
//!
//! A scrape asks the daemon for its [`Status`] and writes that down: no number is kept twice.

mod families;
mod probes;
#[cfg(test)]
mod tests;

use std::{fmt, future::Future, io, net::SocketAddr};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use prometheus_client::{encoding::text, registry::Registry};
use tokio::net::TcpListener;

pub use self::probes::ProbeDurations;
use crate::{
    serve::{self, Refusal},
    status::{self, Ask, Status},
};

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PREFIX: &str = "pointsman";

#[derive(Debug, thiserror::Error)]
#[error("listen for scrapes of the metrics at `{address}`")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// Listens where the configuration says.
///
/// # Errors
/// What the kernel said.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { address, source })
}

/// Answers scrapes until `stop`.
pub async fn serve(
    listener: TcpListener,
    daemon: Ask,
    durations: ProbeDurations,
    stop: impl Future<Output = ()>,
) {
    serve::serve(listener, router(daemon, durations), stop).await;
}

#[derive(Clone)]
struct Sources {
    daemon: Ask,
    durations: ProbeDurations,
}

fn router(daemon: Ask, durations: ProbeDurations) -> Router {
    let router = Router::new().route("/metrics", get(scrape)).with_state(Sources { daemon, durations });
    serve::refusing_the_rest(router)
}

async fn scrape(State(sources): State<Sources>) -> Result<Response, Refusal> {
    let status = status::status(&sources.daemon).await?;
    Ok(match text(status, sources.durations) {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        // Writing to a string fails only if a metric cannot be written at all.
        Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
}

fn text(status: Status, durations: ProbeDurations) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(families::All { status, durations }));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}
