//! Clients: real sockets in the clients' namespace, and what became of what they asked.

mod held;
mod http;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use held::Held;

use crate::netns::Namespace;

/// Asks from one namespace, for at most `limit` a question.
#[derive(Clone, Debug)]
pub struct Client {
    namespace: Namespace,
    limit: Duration,
}

/// The address that a question leaves from. Port 0: the kernel's choice.
pub type From = Option<SocketAddr>;

/// One question and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The client's own end, or what is known of it when no socket came about.
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub began: SystemTime,
    pub ended: SystemTime,
    pub outcome: Result<Answer, Failure>,
}

/// Who answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub node: Arc<str>,
    pub status: u16,
}

/// Why nobody did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    TimedOut,
    Refused,
    Reset,
    Unreachable,
    /// The connection ended in the middle of an answer, or before it.
    Broken(String),
    /// Nothing left this machine.
    Local(String),
}

impl Client {
    pub fn new(namespace: &Namespace, limit: Duration) -> Self {
        Self { namespace: namespace.clone(), limit }
    }
}

impl Exchange {
    /// The node that answered, if one did.
    pub fn node(&self) -> Option<&str> {
        self.outcome.as_ref().ok().map(|answer| &*answer.node)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TimedOut => out.write_str("timed out"),
            Self::Refused => out.write_str("connection refused"),
            Self::Reset => out.write_str("connection reset"),
            Self::Unreachable => out.write_str("unreachable"),
            Self::Broken(why) | Self::Local(why) => out.write_str(why),
        }
    }
}

impl std::convert::From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let kind = error.kind();
        if kind == ErrorKind::TimedOut {
            Self::TimedOut
        } else if kind == ErrorKind::ConnectionRefused {
            Self::Refused
        } else if matches!(
            kind,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
        ) {
            Self::Reset
        } else if matches!(kind, ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) {
            Self::Unreachable
        } else if matches!(kind, ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable) {
            Self::Local(error.to_string())
        } else {
            Self::Broken(error.to_string())
        }
    }
}

/// Any address and port of the family of `to`.
fn anywhere(to: SocketAddr) -> SocketAddr {
    let address: IpAddr = if to.is_ipv4() {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    SocketAddr::new(address, 0)
}
