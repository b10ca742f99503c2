//! The daemon's status page: what it says of itself, over its Unix socket.

mod timestamp;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::wait;

const LIMIT: Duration = Duration::from_secs(2);

/// The parts of `GET /v1/status` that tests look at; others may come and go.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Status {
    #[serde(default)]
    pub listeners: Vec<Listener>,
    pub target_groups: Vec<Group>,
    #[serde(default)]
    pub ring: Ring,
    #[serde(default)]
    pub verdicts: BTreeMap<String, Traffic>,
    #[serde(default)]
    pub notes: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Listener {
    pub name: String,
    pub live: bool,
}

/// What changes did to the rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Ring {
    pub rewrites: u64,
    pub slots_rewritten: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Traffic {
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Group {
    pub name: String,
    #[serde(default)]
    pub fail_open: bool,
    #[serde(default)]
    pub learning_slots: usize,
    #[serde(default)]
    pub pinned_slots: usize,
    pub targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Target {
    pub name: String,
    pub address: IpAddr,
    pub port: u16,
    pub state: State,
    pub reason: Option<String>,
    pub detail: Option<String>,
    /// RFC 3339; see [`Target::since`].
    since: Option<String>,
    #[serde(default)]
    pub slots: u32,
    #[serde(default)]
    pub packets: u64,
    #[serde(default)]
    pub bytes: u64,
    #[serde(default)]
    pub new_flows: u64,
    #[serde(default)]
    pub reply_packets: u64,
    #[serde(default)]
    pub reply_bytes: u64,
    pub next_hop: Option<NextHop>,
    #[serde(default)]
    pub no_route: Option<String>,
}

/// By which interface, and to which neighbour, a target is reached.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NextHop {
    pub interface: String,
    pub mac: String,
    pub mtu: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Initial,
    Healthy,
    Unhealthy,
    Draining,
    Unused,
    Unavailable,
}

impl Status {
    pub fn target(&self, group: &str, name: &str) -> Option<&Target> {
        let group = self.target_groups.iter().find(|it| it.name == group)?;
        group.targets.iter().find(|it| it.name == name)
    }

    pub fn targets(&self) -> impl Iterator<Item = (&Group, &Target)> {
        self.target_groups.iter().flat_map(|group| group.targets.iter().map(move |target| (group, target)))
    }

    /// Whether every target of every group is in this state.
    pub fn all_are(&self, state: State) -> bool {
        self.targets().all(|(_, target)| target.state == state)
    }
}

impl Target {
    /// When it came into its present state.
    pub fn since(&self) -> Option<SystemTime> {
        self.since.as_deref().and_then(timestamp::parse)
    }
}

impl State {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Unused => "unused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Asks the daemon behind `socket`.
pub async fn get(socket: &Path) -> Result<Status> {
    let act = || format!("get /v1/status from `{}`", socket.display());
    let body = wait::within(act(), LIMIT, ask(socket)).await?.with_context(act)?;
    serde_json::from_slice(&body).with_context(act)
}

async fn ask(socket: &Path) -> Result<Bytes> {
    fetch(UnixStream::connect(socket).await?, "/v1/status").await
}

/// What the daemon answers to `GET path`.
pub(crate) async fn fetch(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    path: &str,
) -> Result<Bytes> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(header::HOST, "pointsman")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let (answer, _connection) = tokio::join!(exchange, connection);
    let (status, body) = answer?;
    if status != StatusCode::OK {
        bail!("{status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(body)
}
