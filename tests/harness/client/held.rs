//! A connection that stays, as training's do.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::http::{ask, failure};
use super::{Answer, Client, Failure, From, anywhere};

/// One open connection that can be asked again and again. Dropped, it closes.
#[derive(Debug)]
pub struct Held {
    /// The client's own end.
    pub from: SocketAddr,
    pub to: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    limit: Duration,
    // The task that moves the bytes; it ends with this value.
    _connection: JoinSet<()>,
}

impl Client {
    /// Opens a connection that stays.
    pub async fn hold(&self, from: From, to: SocketAddr) -> Result<Held, Failure> {
        let mut local = from.unwrap_or_else(|| anywhere(to));
        let open = async {
            let stream = self.connect(from, to, &mut local).await?;
            http1::handshake(TokioIo::new(stream)).await.map_err(failure)
        };
        let (sender, connection) = timeout(self.limit, open).await.unwrap_or(Err(Failure::TimedOut))?;
        let mut task = JoinSet::new();
        task.spawn(async {
            // How it ended shows in the next question.
            let _ended = connection.await;
        });
        Ok(Held { from: local, to, sender, limit: self.limit, _connection: task })
    }
}

impl Held {
    /// Asks on this very connection; after a failure it is of no more use.
    pub async fn ask(&mut self, path: &str) -> Result<Answer, Failure> {
        let work = async {
            // After an answer the connection takes a moment before it takes another question.
            self.sender.ready().await.map_err(failure)?;
            ask(&mut self.sender, self.to, path, Bytes::new(), true).await
        };
        timeout(self.limit, work).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// Whether the other end has closed.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}
