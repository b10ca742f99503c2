//! Two sockets to the kernel's routing: one to ask, one to listen.
//!
//! The kernel carries requests out inside `send`, and a dump goes on inside `recv`, so asking is
//! plain code with no waiting: after `send` the answers lie there, and one that does not was lost.
//! That allows many requests in one `send`: ten thousand routes in 20 ms, where `rtnetlink`'s
//! connection, with a future for each, took 50 to 90, and would wait for ever for an answer that was
//! lost. `netlink_rcv_skb` and `netlink_dump`:
//! <https://github.com/torvalds/linux/blob/v6.12/net/netlink/af_netlink.c>.
//!
//! While another process changes a link the kernel may make `send` wait for its lock (RTNL), and the
//! thread with it: this wants a runtime of several threads.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::{
    errno::Errno,
    sys::socket::{setsockopt, sockopt},
};
use rtnetlink::sys::{
    AsyncSocket as _, AsyncSocketExt as _, Socket, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE,
};

type Message = NetlinkMessage<RouteNetlinkMessage>;

/// Requests in one `send`. Answers count up to 4 KiB each against the socket's buffer, and this many
/// fit into the 208 KiB that a process without privilege gets.
pub(super) const BATCH: usize = 32;

/// Room for one datagram: the kernel makes them up to 32 KiB.
const DATAGRAM: usize = 64 * 1024;

/// Bytes of messages that may wait, asked for; without privilege the system's limit stands.
const WAITING: usize = 4 << 20;

/// How often a list is begun anew that changes while it is made.
const DUMPS: u32 = 3;

/// What came between this daemon and the kernel's routing.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    #[error("{act} netlink socket")]
    Socket { act: &'static str, source: io::Error },
    #[error("ask the kernel for {what}")]
    Refused { what: &'static str, source: Errno },
    #[error("{missing} of {asked} netlink requests were left without an answer")]
    Unanswered { missing: usize, asked: usize },
    #[error("the {what} changed while the kernel listed them")]
    Interrupted { what: &'static str },
}

/// What the kernel says to one request: a message, a bare yes, or why not.
pub(super) type Answer = Result<Option<RouteNetlinkMessage>, Errno>;

/// The socket to ask.
pub(super) struct Asking {
    socket: Socket,
    sequence: u32,
    datagram: Vec<u8>,
}

impl Asking {
    /// A socket in the network namespace of the calling thread.
    pub(super) fn open() -> Result<Self, NetlinkError> {
        let socket = Socket::new(NETLINK_ROUTE).and_then(|mut socket| {
            socket.set_non_blocking(true)?;
            prepare(&mut socket)?;
            Ok(socket)
        });
        let socket = socket.map_err(|source| NetlinkError::Socket { act: "open", source })?;
        Ok(Self { socket, sequence: 0, datagram: Vec::with_capacity(DATAGRAM) })
    }

    /// Sends up to [`BATCH`] requests at once; the answers come in the order of the requests.
    /// `acknowledged` is for requests that are not answered by a message.
    pub(super) fn ask(
        &mut self,
        requests: Vec<RouteNetlinkMessage>,
        flags: u16,
        acknowledged: bool,
    ) -> Result<Vec<Answer>, NetlinkError> {
        let asked = requests.len();
        let flags = NLM_F_REQUEST | flags | if acknowledged { NLM_F_ACK } else { 0 };
        let first = self.sequence.wrapping_add(1);
        let mut batch = Vec::with_capacity(asked * 64);
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            append(&mut batch, request, flags, self.sequence);
        }
        self.send(&batch)?;
        let mut answers: Vec<Option<Answer>> = vec![None; asked];
        while answers.iter().any(Option::is_none) {
            let Some(messages) = self.receive()? else { break };
            for (header, payload) in messages.into_iter().map(Message::into_parts) {
                let place = usize::try_from(header.sequence_number.wrapping_sub(first)).unwrap_or(usize::MAX);
                if let (Some(place), Some(answer)) = (answers.get_mut(place), answer(payload)) {
                    *place = Some(answer);
                }
            }
        }
        let missing = answers.iter().filter(|answer| answer.is_none()).count();
        let answers: Option<Vec<Answer>> = answers.into_iter().collect();
        answers.ok_or(NetlinkError::Unanswered { missing, asked })
    }

    /// Lists everything that `request` asks for. `what` is for errors: "links".
    pub(super) fn dump(
        &mut self,
        request: &RouteNetlinkMessage,
        what: &'static str,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        for _ in 0..DUMPS {
            if let Some(list) = self.dump_once(request.clone(), what)? {
                return Ok(list);
            }
        }
        Err(NetlinkError::Interrupted { what })
    }

    /// `None` when the list changed while it was made, and may lack what was in it all the time.
    fn dump_once(
        &mut self,
        request: RouteNetlinkMessage,
        what: &'static str,
    ) -> Result<Option<Vec<RouteNetlinkMessage>>, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        append(&mut datagram, request, NLM_F_REQUEST | NLM_F_DUMP, self.sequence);
        self.send(&datagram)?;
        let (mut list, mut whole) = (Vec::new(), true);
        while let Some(messages) = self.receive()? {
            for (header, payload) in messages.into_iter().map(Message::into_parts) {
                if header.sequence_number != self.sequence {
                    continue;
                }
                whole &= header.flags & NLM_F_DUMP_INTR == 0;
                if let NetlinkPayload::Done(_) = payload {
                    return Ok(whole.then_some(list));
                }
                match answer(payload) {
                    Some(Ok(message)) => list.extend(message),
                    Some(Err(source)) => return Err(NetlinkError::Refused { what, source }),
                    None => {}
                }
            }
        }
        Err(NetlinkError::Unanswered { missing: 1, asked: 1 })
    }

    fn send(&self, datagram: &[u8]) -> Result<(), NetlinkError> {
        let sent = self.socket.send(datagram, 0);
        sent.map(drop).map_err(|source| NetlinkError::Socket { act: "write to", source })
    }

    /// The next datagram's messages; `None` when none is left.
    fn receive(&mut self) -> Result<Option<Vec<Message>>, NetlinkError> {
        self.datagram.clear();
        match self.socket.recv(&mut self.datagram, 0) {
            Ok(_) => Ok(Some(messages(&self.datagram).flatten().collect())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(source) => Err(NetlinkError::Socket { act: "read from", source }),
        }
    }
}

fn answer(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Answer> {
    if let NetlinkPayload::InnerMessage(message) = payload {
        return Some(Ok(Some(message)));
    }
    let NetlinkPayload::Error(error) = payload else { return None };
    Some(error.code.map_or(Ok(None), |code| Err(Errno::from_raw(code.get().saturating_neg()))))
}

/// The socket to listen with.
pub(super) struct Listening {
    pub socket: TokioSocket,
    datagram: Vec<u8>,
}

/// What was heard.
pub(super) enum Heard {
    Messages(Vec<RouteNetlinkMessage>),
    /// Messages were dropped, or were beyond understanding: anything may have changed.
    Lost,
}

impl Listening {
    /// Listens to `groups` (`RTNLGRP_*`) in the network namespace of the calling thread, inside a
    /// tokio runtime.
    pub(super) fn open(groups: &[u32]) -> Result<Self, NetlinkError> {
        let socket = TokioSocket::new(NETLINK_ROUTE).and_then(|mut socket| {
            prepare(socket.socket_mut())?;
            groups.iter().try_for_each(|&group| socket.socket_mut().add_membership(group))?;
            Ok(socket)
        });
        let socket = socket.map_err(|source| NetlinkError::Socket { act: "open", source })?;
        Ok(Self { socket, datagram: Vec::with_capacity(DATAGRAM) })
    }

    /// The next datagram's messages. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Heard, NetlinkError> {
        self.datagram.clear();
        match self.socket.recv(&mut self.datagram).await {
            Ok(()) => {
                let heard: Result<Vec<Message>, _> = messages(&self.datagram).collect();
                Ok(heard.map_or(Heard::Lost, Heard::from))
            }
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => Ok(Heard::Lost),
            Err(source) => Err(NetlinkError::Socket { act: "listen to", source }),
        }
    }
}

impl From<Vec<Message>> for Heard {
    fn from(messages: Vec<Message>) -> Self {
        let payloads = messages.into_iter().map(|message| message.into_parts().1);
        Self::Messages(payloads.filter_map(|payload| answer(payload)?.ok().flatten()).collect())
    }
}

fn prepare(socket: &mut Socket) -> io::Result<()> {
    // More room is better, and less is survived: what does not fit is made up for by a resync.
    let _ = setsockopt(socket, sockopt::RcvBufForce, &WAITING)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &WAITING));
    socket.bind(&SocketAddr::new(0, 0))
}

fn append(datagram: &mut Vec<u8>, request: RouteNetlinkMessage, flags: u16, sequence: u32) {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = sequence;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let start = datagram.len();
    datagram.resize(start + message.buffer_len(), 0);
    if let Some(place) = datagram.get_mut(start..) {
        message.serialize(place);
    }
}

/// The messages of one datagram; one that cannot be read is an error, and the next one may be fine.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Result<Message, netlink_packet_core::DecodeError>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*datagram.first_chunk()?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let message = datagram.get(..length).filter(|message| message.len() >= 16)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        let parsed = Message::deserialize(message);
        if let Err(error) = &parsed {
            tracing::debug!(%error, "netlink message not understood");
        }
        Some(parsed)
    })
}
