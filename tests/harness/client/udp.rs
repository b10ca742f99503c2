//! One datagram and its reply.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{Answer, Client, Exchange, Failure, From, anywhere};
use crate::clock;
use crate::echo::bind_udp;

/// The status of an answer by UDP, which has none of its own.
const ANSWERED: u16 = 200;

impl Client {
    /// Sends `payload` from a socket of its own and waits for the echo: the node's name, a space, the payload.
    pub async fn datagram(&self, from: From, to: SocketAddr, payload: &[u8]) -> Exchange {
        let began = clock::now();
        let asked = from.unwrap_or_else(|| anywhere(to));
        let (local, outcome) = match bind_udp(&self.namespace, asked) {
            Err(error) => (asked, Err(Failure::Local(format!("{error:#}")))),
            Ok(socket) => {
                let outcome = timeout(self.limit, converse(&socket, to, payload)).await;
                (socket.local_addr().unwrap_or(asked), outcome.unwrap_or(Err(Failure::TimedOut)))
            }
        };
        Exchange { from: local, to, began, ended: clock::now(), outcome }
    }
}

async fn converse(socket: &UdpSocket, to: SocketAddr, payload: &[u8]) -> Result<Answer, Failure> {
    // Connected, it hears ICMP errors, and takes datagrams from no other address.
    socket.connect(to).await?;
    socket.send(payload).await?;
    let mut buffer = vec![0; 65536];
    let count = socket.recv(&mut buffer).await?;
    let reply = buffer.get(..count).unwrap_or_default();
    let space = reply.iter().position(|&byte| byte == b' ');
    let (name, echoed) = reply.split_at(space.unwrap_or(reply.len()));
    if echoed.get(1..) != Some(payload) {
        return Err(Failure::Broken(format!("reply of {count} bytes is not the name and what was sent")));
    }
    Ok(Answer { node: String::from_utf8_lossy(name).into(), status: ANSWERED })
}
