//! The HTTP/1.1 part of a health check: one GET, one status code.

use std::{error::Error, net::SocketAddr, ops::RangeInclusive, pin::pin};

use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::event::Outcome;

/// Bytes of status line and headers that an answer may have; more ends the check.
pub(super) const MAX_HEAD: usize = 16 * 1024;

const USER_AGENT: &str = concat!("pointsman/", env!("CARGO_PKG_VERSION"), " (health check)");

/// Asks for `path` and judges the status code. The body is never read. Takes as long as the server
/// lets it: the caller has the timeout.
pub(super) async fn ask(
    stream: TcpStream,
    address: SocketAddr,
    path: &str,
    expected: &[RangeInclusive<u16>],
) -> Outcome {
    match status(stream, address, path).await {
        Ok(code) if expected.iter().any(|range| range.contains(&code)) => Outcome::Passed,
        Ok(code) => Outcome::WrongCode(code),
        Err(error) => Outcome::Failed(format!("GET {path} from {address}: {}", with_causes(error.as_ref()))),
    }
}

async fn status(
    stream: TcpStream,
    address: SocketAddr,
    path: &str,
) -> Result<u16, Box<dyn Error + Send + Sync>> {
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
    let mut answer = pin!(sender.send_request(request));
    // Both in this task: when the check is dropped, so is the connection.
    let response = tokio::select! {
        biased;
        response = &mut answer => response,
        _ended = connection => answer.await,
    };
    Ok(response?.status().as_u16())
}

/// hyper says "client error" and keeps the reason for `source`.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
