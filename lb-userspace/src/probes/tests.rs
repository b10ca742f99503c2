//! One health check at a time, against real servers on loopback, good and bad.

mod many;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

use super::*;
use crate::{
    config::checked::{CheckKind, GroupName, TargetAddress},
    event::Outcome,
};

const TIMEOUT: Duration = Duration::from_millis(300);
/// What a busy machine may add to a timeout.
const SLACK: Duration = Duration::from_millis(150);

fn http() -> CheckKind {
    CheckKind::Http { path: "/health".into(), expected_codes: vec![200..=299, 404..=404] }
}

fn check(kind: CheckKind) -> HealthCheck {
    HealthCheck {
        kind,
        port: None,
        interval: Duration::from_millis(100),
        timeout: TIMEOUT,
        healthy_threshold: 1,
        unhealthy_threshold: 1,
    }
}

fn target(address: SocketAddr) -> TargetAddress {
    TargetAddress { address: address.ip(), port: address.port() }
}

/// A server on 127.0.0.1 that does `serve` with each connection.
async fn server<F: Future<Output = ()> + Send>(
    serve: impl Fn(TcpStream) -> F + Send + Copy + 'static,
) -> SocketAddr {
    server_on(Ipv4Addr::LOCALHOST, serve).await
}

async fn server_on<F: Future<Output = ()> + Send>(
    address: Ipv4Addr,
    serve: impl Fn(TcpStream) -> F + Send + Copy + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { serve(stream).await });
        }
    });
    address
}

async fn request_of(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && matches!(stream.read_buf(&mut request).await, Ok(1..)) {}
    String::from_utf8(request).unwrap()
}

async fn answer(mut stream: TcpStream, answer: &[u8]) {
    request_of(&mut stream).await;
    // The check may end first, and reset.
    let _ = stream.write_all(answer).await;
}

async fn outcome_of(address: SocketAddr, kind: CheckKind) -> Outcome {
    probe::probe(target(address), &check(kind)).await.unwrap()
}

fn assert_failed(outcome: &Outcome, because: &str) {
    assert!(matches!(outcome, Outcome::Failed(text) if text.contains(because)), "{outcome:?}");
}

#[tokio::test]
async fn an_expected_code_passes_and_another_does_not() {
    let good = server(|stream| answer(stream, b"HTTP/1.1 204 No Content\r\n\r\n")).await;
    assert_eq!(outcome_of(good, http()).await, Outcome::Passed);
    let last_of_list = server(|stream| answer(stream, b"HTTP/1.0 404 No\r\n\r\nbody")).await;
    assert_eq!(outcome_of(last_of_list, http()).await, Outcome::Passed);
    let busy = server(|stream| answer(stream, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")).await;
    assert_eq!(outcome_of(busy, http()).await, Outcome::WrongCode(503));
}

#[tokio::test]
async fn the_request_names_host_path_and_sender() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        request_of(&mut stream).await
    };
    let (request, _) = tokio::join!(asked, outcome_of(address, http()));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        request,
        format!(
            "GET /health HTTP/1.1\r\nhost: {address}\r\nuser-agent: pointsman/{version} (health check)\r\n\
             connection: close\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn ipv6_is_checked_too() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    assert_eq!(outcome_of(listener.local_addr().unwrap(), CheckKind::Tcp).await, Outcome::Passed);
}

#[tokio::test]
async fn the_port_of_the_check_takes_precedence() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = Some(listener.local_addr().unwrap().port());
    let target = TargetAddress { address: IpAddr::from(Ipv4Addr::LOCALHOST), port: 1 };
    let outcome = probe::probe(target, &HealthCheck { port, ..check(CheckKind::Tcp) }).await.unwrap();
    assert_eq!(outcome, Outcome::Passed);
}

#[tokio::test]
async fn refused_is_a_failure_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for kind in [CheckKind::Tcp, http()] {
        let started = Instant::now();
        assert_failed(&outcome_of(address, kind).await, "refused");
        assert!(started.elapsed() < SLACK);
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_failure() {
    let garbage = server(|stream| answer(stream, b"\x16\x03\x01 this is no HTTP\r\n\r\n")).await;
    assert_failed(&outcome_of(garbage, http()).await, "GET /health from 127.0.0.1");
    let silent = server(|stream| answer(stream, b"")).await;
    assert_failed(&outcome_of(silent, http()).await, "connection");
    let cut = server(|stream| answer(stream, b"HTTP/1.1 200 OK\r\nContent-")).await;
    assert_failed(&outcome_of(cut, http()).await, "GET /health");
}

#[tokio::test]
async fn a_reset_is_a_failure() {
    let rude = server(|mut stream| async move {
        request_of(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_failed(&outcome_of(rude, http()).await, "reset");
}

/// Bytes that a flooding server got rid of.
static FLOOD: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn a_flood_of_headers_is_cut_off() {
    let flood = server(|mut stream| async move {
        request_of(&mut stream).await;
        let mut next = b"HTTP/1.1 200 OK\r\n".to_vec();
        while stream.write_all(&next).await.is_ok() {
            FLOOD.fetch_add(next.len(), Ordering::Relaxed);
            next = b"X-Header: of sixty-four bytes, and the next one is just like this one\r\n".to_vec();
        }
    })
    .await;
    let started = Instant::now();
    assert_failed(&outcome_of(flood, http()).await, "too large");
    assert!(started.elapsed() < TIMEOUT);
    // The server may fill both socket buffers before the reset stops it; this end reads `MAX_HEAD`.
    let sent = FLOOD.load(Ordering::Relaxed);
    assert!((http::MAX_HEAD..16 << 20).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_body_is_not_waited_for() {
    let endless = server(|mut stream| async move {
        request_of(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let started = Instant::now();
    assert_eq!(outcome_of(endless, http()).await, Outcome::Passed);
    assert!(started.elapsed() < SLACK);
}

/// A listener whose queue is full drops SYNs: connect hangs.
async fn deaf() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    let full = Duration::from_millis(100);
    while let Ok(stream) = tokio::time::timeout(full, TcpStream::connect(address)).await {
        queue.push(stream.unwrap());
    }
    (address, listener, queue)
}

#[tokio::test]
async fn a_probe_never_outlives_its_timeout() {
    let (deaf, _listener, _queue) = deaf().await;
    let never_accepts = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let never_answers = server(|mut stream| async move {
        request_of(&mut stream).await;
        std::future::pending().await
    })
    .await;
    let stops_in_its_headers = server(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n").await.unwrap();
        std::future::pending().await
    })
    .await;
    let drips = server(|mut stream| async move {
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    })
    .await;
    let only_promises = server(|mut stream| async move {
        request_of(&mut stream).await;
        while stream.write_all(&b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100)).await.is_ok() {}
    })
    .await;
    for (name, address, kind) in [
        ("deaf", deaf, CheckKind::Tcp),
        ("never accepts", never_accepts.local_addr().unwrap(), http()),
        ("never answers", never_answers, http()),
        ("stops in its headers", stops_in_its_headers, http()),
        ("drips", drips, http()),
        ("only promises", only_promises, http()),
    ] {
        let started = Instant::now();
        let outcome = outcome_of(address, kind).await;
        let took = started.elapsed();
        assert_eq!(outcome, Outcome::TimedOut, "{name}");
        assert!((TIMEOUT..TIMEOUT + SLACK).contains(&took), "{name} took {took:?}");
    }
}

#[tokio::test]
async fn a_finished_probe_leaves_no_socket() {
    let good = server(|stream| answer(stream, b"HTTP/1.1 200 OK\r\n\r\n")).await;
    for kind in [CheckKind::Tcp, http()] {
        for _ in 0..10 {
            assert_eq!(outcome_of(good, kind.clone()).await, Outcome::Passed);
        }
    }
    // Columns: number, local, remote, state. A server that closes first keeps its own TIME_WAIT.
    let there = format!("0100007F:{:04X}", good.port());
    let sockets = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let left: Vec<&str> =
        sockets.lines().filter(|line| line.split_whitespace().nth(2) == Some(&there)).collect();
    assert!(left.is_empty(), "{left:#?}");
}
