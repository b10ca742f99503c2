//! One health check, from connect to outcome, within its timeout.

use std::{io, net::SocketAddr};

use nix::errno::Errno;
use tokio::{net::TcpStream, time::timeout};

use super::http;
use crate::{
    config::checked::{CheckKind, HealthCheck, TargetAddress},
    event::Outcome,
};

/// Checks a target once. The timeout covers everything: connect, request, answer.
///
/// # Errors
///
/// This host could not start the check, which says nothing about the target.
pub(super) async fn probe(target: TargetAddress, check: &HealthCheck) -> Result<Outcome, io::Error> {
    let address = SocketAddr::new(target.address, check.port.unwrap_or(target.port));
    timeout(check.timeout, attempt(address, &check.kind)).await.unwrap_or(Ok(Outcome::TimedOut))
}

async fn attempt(address: SocketAddr, kind: &CheckKind) -> Result<Outcome, io::Error> {
    let stream = match connect(address).await {
        Ok(stream) => stream,
        Err(error) if is_ours(&error) => return Err(error),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Outcome::TimedOut),
        Err(error) => return Ok(Outcome::Failed(format!("connect to {address}: {error}"))),
    };
    Ok(match kind {
        CheckKind::Tcp => Outcome::Passed,
        CheckKind::Http { path, expected_codes } => http::ask(stream, address, path, expected_codes).await,
    })
}

/// A connection that ends with RST, however and whenever it is dropped.
///
/// An orderly close would leave 60 s of TIME_WAIT here after each TCP check: 120,000 sockets for
/// 10,000 targets every 5 s. A target that hangs would leave a socket in FIN_WAIT after its timeout.
/// RST leaves nothing here; its price is that a TCP target's `read` ends with a reset and not with an
/// end of file, which the checks of other load balancers have taught servers to bear.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_zero_linger()?;
    Ok(stream)
}

/// Whether an error of `connect` is this host's trouble: no descriptor, memory or port left.
fn is_ours(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    errno.is_some_and(|errno| {
        [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM, Errno::EADDRNOTAVAIL].contains(&errno)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_out_of_descriptors_says_nothing_about_its_targets() {
        assert!(is_ours(&io::Error::from(Errno::EMFILE)));
        assert!(is_ours(&io::Error::from(Errno::EADDRNOTAVAIL)));
        assert!(!is_ours(&io::Error::from(Errno::ECONNREFUSED)));
        assert!(!is_ours(&io::Error::from(Errno::EHOSTUNREACH)));
    }
}
