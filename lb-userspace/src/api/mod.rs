//! The local API: HTTP and JSON over a Unix socket.
//!
//! | | |
//! | --- | --- |
//! | `GET /v1/status` | a [`Status`] |
//! | `GET /v1/version` | `{"version": ..}` |
//! | `GET /healthz` | `{"status": "ok"}` if the daemon's loop turns |
//!
//! Anything else, and a daemon that does not answer, gets a code of 4xx or 5xx and
//! `{"error": {"code": .., "message": ..}}`. Who may open the socket may ask.

mod socket;
#[cfg(test)]
mod tests;

use std::future::Future;

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

pub use self::socket::{Socket, SocketError};
use crate::{
    serve::{self, Refusal},
    status::{self, Ask, Status},
};

/// Answers on the socket until `stop`, then removes it.
pub async fn serve(socket: Socket, daemon: Ask, stop: impl Future<Output = ()>) {
    let (listener, _removed_at_the_end) = socket.into_parts();
    serve::serve(listener, router(daemon), stop).await;
}

fn router(daemon: Ask) -> Router {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/version", get(version))
        .route("/healthz", get(health));
    serve::refusing_the_rest(router.with_state(daemon))
}

async fn status(State(daemon): State<Ask>) -> Result<Json<Status>, Refusal> {
    Ok(Json(status::status(&daemon).await?))
}

async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

async fn health(State(daemon): State<Ask>) -> Result<Json<Value>, Refusal> {
    status::alive(&daemon).await?;
    Ok(Json(json!({ "status": "ok" })))
}
