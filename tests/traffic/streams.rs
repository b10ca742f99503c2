//! Bytes over connections whose both ends the test holds.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, anyhow, ensure};
use harness::echo;
use harness::wait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::{PATIENCE, Scene};

/// More than all buffers on the way hold, and no multiple of a segment.
pub(crate) const BIG: usize = 4_000_037;

/// Both ends of one connection.
pub(crate) struct Pair {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

/// Listens on the first node.
pub(crate) fn listen(scene: &Scene, at: SocketAddr) -> Result<TcpListener> {
    let node = scene.lab.nodes.first().context("a node")?;
    echo::listen_tcp(&node.namespace, at)
}

impl Pair {
    pub(crate) async fn open(scene: &Scene, listener: &TcpListener, to: SocketAddr) -> Result<Self> {
        let client = scene.client().stream(None, to).await.map_err(|failure| anyhow!("{to}: {failure}"))?;
        let (server, _client) = wait::within("accept", PATIENCE, listener.accept()).await??;
        Ok(Self { client, server })
    }

    /// Sends so much from the client, closes that half, and then sends as much back: each way whole, or an error.
    pub(crate) async fn exchange(&mut self, count: usize) -> Result<()> {
        let Self { client, server } = self;
        carry(client, server, &bytes(count, 1)).await.context("from client to server")?;
        carry(server, client, &bytes(count, 2)).await.context("from server to client, one half closed")
    }
}

/// Sends, closes, and compares what comes out at the other end.
async fn carry(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    let mut came = Vec::with_capacity(bytes.len());
    let send = async {
        from.write_all(bytes).await?;
        from.shutdown().await
    };
    let (sent, received) = tokio::join!(send, to.read_to_end(&mut came));
    sent.context("send")?;
    received.context("receive")?;
    ensure!(came == bytes, "{} bytes came, not the {} that were sent", came.len(), bytes.len());
    Ok(())
}

/// Bytes without a pattern that a lost, doubled or moved segment could hide in.
fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        // Knuth's MMIX generator.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}
