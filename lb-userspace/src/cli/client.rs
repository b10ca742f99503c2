//! Asks the daemon over its socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{net::UnixStream, time::timeout};

/// More than the daemon takes to say that it is busy.
const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(
        "no daemon answers at `{}`: start it with `pointsman run`, or name its socket with `--socket`",
        socket.display()
    )]
    NoDaemon { socket: PathBuf },
    #[error(
        "no permission to ask the daemon at `{}`: only root and the group of the socket may; try `sudo`",
        socket.display()
    )]
    NoPermission { socket: PathBuf },
    #[error("connect to the daemon at `{}`", socket.display())]
    Connect { socket: PathBuf, source: io::Error },
    #[error("the daemon at `{}` does not answer within {} s", socket.display(), LIMIT.as_secs())]
    Silent { socket: PathBuf },
    #[error("ask the daemon at `{}`", socket.display())]
    Exchange { socket: PathBuf, source: hyper::Error },
    #[error("the daemon at `{}` refuses: {why}", socket.display())]
    Refused { socket: PathBuf, why: String },
}

/// The body of `GET path`.
pub(super) async fn get(socket: &Path, path: &str) -> Result<Bytes, AskError> {
    let silent = |_elapsed| AskError::Silent { socket: socket.to_owned() };
    timeout(LIMIT, ask(socket, path)).await.map_err(silent)?
}

async fn ask(socket: &Path, path: &str) -> Result<Bytes, AskError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| unconnected(socket, error))?;
    let exchange = exchange(stream, path).await;
    let (status, body) =
        exchange.map_err(|source| AskError::Exchange { socket: socket.to_owned(), source })?;
    if status == StatusCode::OK {
        return Ok(body);
    }
    let why = reason(&body).unwrap_or_else(|| status.to_string());
    Err(AskError::Refused { socket: socket.to_owned(), why })
}

fn unconnected(socket: &Path, source: io::Error) -> AskError {
    let socket = socket.to_owned();
    let kind = source.kind();
    if [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused].contains(&kind) {
        AskError::NoDaemon { socket }
    } else if kind == io::ErrorKind::PermissionDenied {
        AskError::NoPermission { socket }
    } else {
        AskError::Connect { socket, source }
    }
}

async fn exchange(stream: UnixStream, path: &str) -> Result<(StatusCode, Bytes), hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.parse().unwrap_or_default();
    request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("pointsman"));
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    // What ends the connection badly ends the answer badly, too.
    let (answer, _connection) = tokio::join!(answer, connection);
    answer
}

/// The daemon's own words, if the body is a refusal of its.
fn reason(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        message: String,
    }
    serde_json::from_slice(body).ok().map(|body: Body| body.error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hinders_a_connection_is_explained() {
        let said = |kind| unconnected(Path::new("/run/p.sock"), io::Error::from(kind)).to_string();
        let nobody = "no daemon answers at `/run/p.sock`: start it with `pointsman run`, or name its socket with `--socket`";
        assert_eq!(said(io::ErrorKind::NotFound), nobody);
        assert_eq!(said(io::ErrorKind::ConnectionRefused), nobody);
        assert_eq!(
            said(io::ErrorKind::PermissionDenied),
            "no permission to ask the daemon at `/run/p.sock`: only root and the group of the socket may; try `sudo`"
        );
        assert_eq!(said(io::ErrorKind::OutOfMemory), "connect to the daemon at `/run/p.sock`");
    }

    #[test]
    fn only_a_refusal_has_a_reason() {
        let refusal = br#"{"error":{"code":"busy","message":"the daemon did not answer"}}"#;
        assert_eq!(reason(refusal).as_deref(), Some("the daemon did not answer"));
        assert_eq!(reason(b"<html>"), None);
        assert_eq!(reason(b"{}"), None);
    }
}
