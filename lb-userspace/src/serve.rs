//! How the daemon answers over HTTP: the API on its Unix socket and the metrics on their port, alike.
//!
//! A client may be slow, silent, gone or many, and takes nothing from the daemon but a bounded number
//! of connections, each for a bounded time: descriptors are needed for health checks. A connection
//! carries one request, so none is held by somebody who has nothing to ask.

use std::{future::Future, pin::pin, time::Duration};

use axum::{
    Json, Router,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    serve::Listener,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::timeout,
};

use crate::status::Unanswered;

/// At a time; who comes when all are taken waits.
const MOST_CONNECTIONS: usize = 16;
/// How long a connection may take, from its acceptance to the last byte of the answer.
const LONGEST: Duration = Duration::from_secs(10);
/// How long those under way may take when the daemon stops.
const GRACE: Duration = Duration::from_secs(2);

/// Answers until `stop`, and then what was asked before it.
pub(crate) async fn serve(mut listener: impl Listener, router: Router, stop: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            (stream, _from) = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                connections.spawn(converse(stream, router.clone()));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
    drop(listener);
    // What is not done by then is aborted with the set.
    let _all_or_not = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    match timeout(LONGEST, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client's connection broke"),
        Err(_elapsed) => tracing::debug!("a client took too long"),
    }
}

/// An answer other than the one asked for: `{"error": {"code": .., "message": ..}}`.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// For programs.
    code: &'static str,
    /// For people.
    message: String,
}

#[derive(Serialize)]
struct Body<'a> {
    error: Reason<'a>,
}

#[derive(Serialize)]
struct Reason<'a> {
    code: &'a str,
    message: &'a str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = Reason { code: self.code, message: &self.message };
        (self.status, Json(Body { error })).into_response()
    }
}

impl From<Unanswered> for Refusal {
    fn from(why: Unanswered) -> Self {
        let code = match why {
            Unanswered::Busy => "busy",
            Unanswered::Stopping => "stopping",
        };
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code, message: why.to_string() }
    }
}

/// Whatever the router has no answer for gets a [`Refusal`].
pub(crate) fn refusing_the_rest(router: Router) -> Router {
    router.fallback(unknown_path).method_not_allowed_fallback(unknown_method)
}

async fn unknown_path(uri: Uri) -> Refusal {
    let message = format!("nothing is at `{}`", uri.path());
    Refusal { status: StatusCode::NOT_FOUND, code: "not-found", message }
}

async fn unknown_method(method: Method, uri: Uri) -> Refusal {
    let message = format!("`{}` is not for {method}; allowed: GET, HEAD", uri.path());
    Refusal { status: StatusCode::METHOD_NOT_ALLOWED, code: "method-not-allowed", message }
}

#[cfg(test)]
pub(crate) mod tests;
