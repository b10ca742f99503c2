//! One HTTP request over a connection of its own.

use std::net::SocketAddr;
use std::pin::pin;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::{Answer, Client, Exchange, Failure, From, anywhere};
use crate::clock;
use crate::http_server::NODE_HEADER;

impl Client {
    /// Opens a connection, asks for `path`, reads the answer to its end, closes.
    pub async fn get(&self, from: From, to: SocketAddr, path: &str) -> Exchange {
        self.send(from, to, path, Bytes::new()).await
    }

    /// The same with a body to send, which fills segments to their brim.
    pub async fn send(&self, from: From, to: SocketAddr, path: &str, body: Bytes) -> Exchange {
        let began = clock::now();
        let mut local = from.unwrap_or_else(|| anywhere(to));
        let work = async {
            let stream = self.connect(from, to, &mut local).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failure)?;
            let mut question = pin!(ask(&mut sender, to, path, body, false));
            // The connection moves bytes only while it is polled: beside the question, in this very task.
            tokio::select! {
                answer = &mut question => answer,
                _ended = connection => question.await,
            }
        };
        let outcome = timeout(self.limit, work).await.unwrap_or(Err(Failure::TimedOut));
        Exchange { from: local, to, began, ended: clock::now(), outcome }
    }

    /// Opens a connection and says nothing on it.
    pub async fn stream(&self, from: From, to: SocketAddr) -> Result<TcpStream, Failure> {
        let mut local = from.unwrap_or_else(|| anywhere(to));
        timeout(self.limit, self.connect(from, to, &mut local)).await.unwrap_or(Err(Failure::TimedOut))
    }

    pub(super) async fn connect(
        &self,
        from: From,
        to: SocketAddr,
        local: &mut SocketAddr,
    ) -> Result<TcpStream, Failure> {
        let socket = self.socket(from, to)?;
        if let Ok(address) = socket.local_addr() {
            *local = address;
        }
        let stream = socket.connect(to).await?;
        *local = stream.local_addr()?;
        Ok(stream)
    }

    fn socket(&self, from: From, to: SocketAddr) -> Result<TcpSocket, Failure> {
        self.namespace
            .inside(|| {
                let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
                socket.set_nodelay(true)?;
                if let Some(from) = from {
                    socket.set_reuseaddr(true)?;
                    socket.bind(from)?;
                }
                Ok(socket)
            })
            .map_err(|error| Failure::Local(format!("{error:#}")))?
            .map_err(|error: std::io::Error| Failure::Local(error.to_string()))
    }
}

/// One request and its whole answer on a connection that somebody else drives.
pub(super) async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    to: SocketAddr,
    path: &str,
    body: Bytes,
    keep: bool,
) -> Result<Answer, Failure> {
    let request = Request::builder()
        .method(if body.is_empty() { "GET" } else { "POST" })
        .uri(path)
        .header(header::HOST, to.to_string())
        .header(header::CONNECTION, if keep { "keep-alive" } else { "close" })
        .body(Full::new(body))
        .map_err(|error| Failure::Local(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(failure)?;
    let status = response.status().as_u16();
    let name = response.headers().get(NODE_HEADER).and_then(|value| value.to_str().ok()).map(Into::into);
    response.into_body().collect().await.map_err(failure)?;
    let node = name.ok_or_else(|| Failure::Broken(format!("answer {status} names no node")))?;
    Ok(Answer { node, status })
}

/// hyper wraps what the socket said; the kind lies at the bottom.
pub(super) fn failure(error: hyper::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return std::io::Error::new(io.kind(), io.to_string()).into();
        }
        cause = inner.source();
    }
    Failure::Broken(error.to_string())
}
