//! A real HTTP/1.1 server that answers with its node's name.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::echo::{Listening, listen_tcp};
use crate::netns::Namespace;

/// Names the node in every answer, so that an answer with another body names it too.
pub const NODE_HEADER: &str = "x-node";

/// What the server has seen, and what it shall say.
#[derive(Debug)]
pub struct Life {
    name: Bytes,
    healthy: AtomicBool,
    requests: AtomicU64,
    accepted: AtomicU64,
    open: AtomicU64,
}

/// Serves for as long as it lives; dropped, it lets go of its listeners and of every connection.
#[derive(Debug)]
pub struct HttpServer {
    life: Arc<Life>,
    _listening: Listening,
}

impl HttpServer {
    /// Serves on each of `addresses` in `namespace`. Must be called in a tokio runtime.
    ///
    /// `/health` answers 200, or 503 after [`set_healthy(false)`](Self::set_healthy). Every other path answers
    /// with the name; a body sent along is read to its end first.
    pub fn start(namespace: &Namespace, name: &str, addresses: &[SocketAddr]) -> Result<Self> {
        let life = Arc::new(Life {
            name: Bytes::copy_from_slice(name.as_bytes()),
            healthy: AtomicBool::new(true),
            requests: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        for &address in addresses {
            let listener =
                listen_tcp(namespace, address).with_context(|| format!("start HTTP server `{name}`"))?;
            let life = Arc::clone(&life);
            tasks.spawn(async move {
                // Owned by this task, so that ending it ends every connection.
                let mut connections = JoinSet::new();
                while let Ok((stream, _client)) = listener.accept().await {
                    connections.spawn(Open::new(&life).serve(stream));
                    while connections.try_join_next().is_some() {}
                }
            });
        }
        Ok(Self { life, _listening: Listening::new(tasks) })
    }

    /// What `/health` says from now on.
    pub fn set_healthy(&self, healthy: bool) {
        self.life.healthy.store(healthy, Ordering::Relaxed);
    }

    /// Requests answered so far, those to `/health` left out.
    pub fn requests(&self) -> u64 {
        self.life.requests.load(Ordering::Relaxed)
    }

    /// Connections accepted so far, whoever made them.
    pub fn accepted(&self) -> u64 {
        self.life.accepted.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open(&self) -> u64 {
        self.life.open.load(Ordering::Relaxed)
    }
}

/// One open connection, counted for exactly as long as it lives.
struct Open {
    life: Arc<Life>,
}

impl Open {
    fn new(life: &Arc<Life>) -> Self {
        life.accepted.fetch_add(1, Ordering::Relaxed);
        life.open.fetch_add(1, Ordering::Relaxed);
        Self { life: Arc::clone(life) }
    }

    async fn serve(self, stream: TcpStream) {
        let service = service_fn(|request| answer(&self.life, request));
        // A client that breaks off is the client's to report.
        let _client_went = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.life.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer(life: &Life, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_probe = request.uri().path() == "/health";
    // A body cut short shows in the connection's end; what came is answered all the same.
    let _cut_short = request.into_body().collect().await;
    let mut response = Response::new(Full::new(life.name.clone()));
    if let Ok(name) = life.name.as_ref().try_into() {
        response.headers_mut().insert(NODE_HEADER, name);
    }
    if !is_probe {
        life.requests.fetch_add(1, Ordering::Relaxed);
    } else if !life.healthy.load(Ordering::Relaxed) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}
