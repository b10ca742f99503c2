//! The packet socket.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimeout, ReceiveTimestampns, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg,
    setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::Seen;
use super::packet::{Direction, Packet};

/// Enough of a frame for its outer and inner headers, options and all.
const SNAP: usize = 256;
/// Room for a burst while the reader waits for one of two busy cores.
const BUFFER: usize = 64 << 20;
/// How long a read waits before it looks whether the capture is over.
const PATIENCE_MS: i64 = 50;
/// `PACKET_OUTGOING` of linux/if_packet.h.
const OUTGOING: u8 = 4;

/// What a packet socket has.
pub(super) enum Next {
    /// A packet, and how many the kernel has left out so far.
    Packet(Seen, u32),
    /// Something that is no IP packet of this interface.
    Other,
    /// None came for a while: there is nothing that was not read.
    Nothing,
}

/// A packet socket on one interface of the namespace that it was opened in.
pub(super) struct Tap {
    socket: OwnedFd,
    interface: usize,
}

impl Tap {
    pub(super) fn open(interface: &str) -> Result<Self> {
        let address = link_address(interface)?;
        let socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
                .context("open a packet socket (this needs CAP_NET_RAW)")?;
        setsockopt(&socket, RcvBufForce, &BUFFER).context("set the receive buffer")?;
        setsockopt(&socket, ReceiveTimestampns, &true).context("ask for time stamps")?;
        setsockopt(&socket, RxqOvfl, &1).context("ask for the count of missed packets")?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::milliseconds(PATIENCE_MS))
            .context("set the time-out")?;
        bind(socket.as_raw_fd(), &address).context("bind to the interface")?;
        Ok(Self { socket, interface: address.ifindex() })
    }

    /// What comes next.
    pub(super) fn next(&self) -> Result<Next, Errno> {
        let mut frame = [0; SNAP];
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec, u32);
        let mut parts = [IoSliceMut::new(&mut frame)];
        let fd = self.socket.as_raw_fd();
        let message = match recvmsg::<LinkAddr>(fd, &mut parts, Some(&mut control), MsgFlags::empty()) {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Next::Nothing),
            Err(error) => return Err(error),
        };
        let (mut at, mut missed) = (SystemTime::UNIX_EPOCH, 0);
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmTimestampns(stamp) = part {
                at += Duration::from(stamp);
            } else if let ControlMessageOwned::RxqOvfl(count) = part {
                missed = count;
            }
        }
        let (length, address) = (message.bytes, message.address);
        // Between its making and its binding the socket hears every interface of the namespace.
        let Some(address) = address.filter(|address| address.ifindex() == self.interface) else {
            return Ok(Next::Other);
        };
        let direction = if address.pkttype() == OUTGOING { Direction::Out } else { Direction::In };
        let packet = frame.get(..length).and_then(Packet::parse);
        Ok(packet.map_or(Next::Other, |packet| Next::Packet(Seen { at, direction, packet }, missed)))
    }
}

/// The interface's link-layer address, which carries its index.
fn link_address(interface: &str) -> Result<LinkAddr> {
    getifaddrs()
        .context("list interfaces")?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address.and_then(|address| address.as_link_addr().copied()))
        .with_context(|| format!("find interface `{interface}`"))
}
