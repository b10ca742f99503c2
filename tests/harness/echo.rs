//! Listeners in a namespace, and echo servers that put their node's name before what they send back.

use std::net::{SocketAddr, UdpSocket as StdUdp};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::netns::Namespace;

/// Connections that the kernel keeps for a server that has not come round to them.
const BACKLOG: u32 = 4096;

/// The tasks behind a server; dropped, they end, and with them sockets and connections.
#[derive(Debug)]
pub struct Listening {
    _tasks: JoinSet<()>,
}

impl Listening {
    pub(crate) fn new(tasks: JoinSet<()>) -> Self {
        Self { _tasks: tasks }
    }
}

/// A listener, for a test that is itself the server.
pub fn listen_tcp(namespace: &Namespace, address: SocketAddr) -> Result<TcpListener> {
    namespace
        .inside(|| {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        })?
        .with_context(|| format!("listen on {address}/tcp in namespace `{}`", namespace.name()))
}

/// A socket, for a test that sends or receives by itself.
pub fn bind_udp(namespace: &Namespace, address: SocketAddr) -> Result<UdpSocket> {
    namespace
        .inside(|| {
            let socket = StdUdp::bind(address)?;
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket)
        })?
        .with_context(|| format!("bind {address}/udp in namespace `{}`", namespace.name()))
}

/// Answers every connection with `name` and a line end, then with whatever comes in.
pub fn tcp(namespace: &Namespace, name: &str, addresses: &[SocketAddr]) -> Result<Listening> {
    let mut tasks = JoinSet::new();
    for &address in addresses {
        let listener = listen_tcp(namespace, address)?;
        let greeting = format!("{name}\n");
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _client)) = listener.accept().await {
                connections.spawn(echo_stream(stream, greeting.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
    }
    Ok(Listening::new(tasks))
}

async fn echo_stream(mut stream: TcpStream, greeting: String) {
    let mut buffer = vec![0; 65536];
    let (mut from, mut to) = stream.split();
    let mut outgoing = to.write_all(greeting.as_bytes()).await;
    while outgoing.is_ok() {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => outgoing = to.write_all(buffer.get(..count).unwrap_or_default()).await,
        }
    }
}

/// Answers every datagram with `name`, a space and the datagram, from the address that it came to.
pub fn udp(namespace: &Namespace, name: &str, addresses: &[SocketAddr]) -> Result<Listening> {
    let mut tasks = JoinSet::new();
    for &address in addresses {
        let socket = bind_udp(namespace, address)?;
        let prefix = format!("{name} ").into_bytes();
        tasks.spawn(async move {
            let mut buffer = vec![0; 65536];
            // An ICMP error for an earlier answer surfaces here as an error; the next datagram is still to come.
            loop {
                let Ok((count, client)) = socket.recv_from(&mut buffer).await else { continue };
                let reply = [prefix.as_slice(), buffer.get(..count).unwrap_or_default()].concat();
                let _client_went = socket.send_to(&reply, client).await;
            }
        });
    }
    Ok(Listening::new(tasks))
}
