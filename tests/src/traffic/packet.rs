//! A packet socket on one interface: the only file of this crate with `unsafe` code.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, recvfrom, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// Room for what arrives while the receiver is not scheduled; what does not fit is counted by the kernel.
const BUFFER: usize = 16 << 20;

/// A raw socket that is bound to one interface of the calling thread's namespace.
#[derive(Debug)]
pub(super) struct PacketSocket {
    fd: OwnedFd,
    index: usize,
}

impl PacketSocket {
    /// A socket that only sends.
    pub(super) fn sender(interface: &str) -> Result<Self> {
        Self::bound(interface, 0)
    }

    /// A socket that receives the frames of one Ethernet type, however they are addressed. Frames that leave through
    /// the interface are not seen: the kernel shows those to sockets for all types only.
    pub(super) fn receiver(interface: &str, ethertype: u16, patience: Duration) -> Result<Self> {
        let socket = Self::bound(interface, ethertype)?;
        let patience = TimeVal::milliseconds(
            i64::try_from(patience.as_millis()).context("patience out of range")?,
        );
        setsockopt(&socket.fd, sockopt::ReceiveTimeout, &patience)
            .context("cannot set the receive timeout")?;
        setsockopt(&socket.fd, sockopt::RcvBufForce, &BUFFER)
            .context("cannot enlarge the receive buffer")?;
        Ok(socket)
    }

    fn bound(interface: &str, ethertype: u16) -> Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)
            .with_context(|| format!("no interface {interface}"))?;
        // Without a protocol nothing arrives before the socket is bound.
        let fd = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            None,
        )
        .context("cannot open a packet socket")?;
        bind(&fd, i32::try_from(index)?, ethertype)
            .with_context(|| format!("cannot bind a packet socket to {interface}"))?;
        Ok(Self {
            fd,
            index: usize::try_from(index)?,
        })
    }

    /// Send one frame. `WouldBlock` stands for a full queue.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        match send(self.fd.as_raw_fd(), frame, MsgFlags::empty()) {
            Ok(_) => Ok(()),
            Err(Errno::ENOBUFS) => Err(io::ErrorKind::WouldBlock.into()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Receive one frame. `None` when none came in time, or the interface went down meanwhile.
    ///
    /// A frame with the tag of a VLAN device is shown, without the tag, to the sockets of both the VLAN device and the
    /// interface below. Only the former is where it arrives.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match recvfrom::<LinkAddr>(self.fd.as_raw_fd(), buffer) {
            Ok((len, Some(from))) if from.ifindex() == self.index => Ok(Some(&buffer[..len])),
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Frames that the kernel dropped since the last call, because this socket was not read fast enough.
    pub(super) fn overruns(&self) -> io::Result<u64> {
        statistics(&self.fd).map(|statistics| statistics.tp_drops.into())
    }
}

#[allow(unsafe_code)] // the address of a packet socket cannot be made with safe functions
fn bind(fd: &OwnedFd, index: i32, ethertype: u16) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid `sockaddr_ll`, which holds integers only.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = AddressFamily::Packet as u16;
    address.sll_protocol = ethertype.to_be();
    address.sll_ifindex = index;
    let len = socklen::<libc::sockaddr_ll>();
    // SAFETY: `address` is a live `sockaddr_ll` and `len` is its size; the kernel only reads it.
    let result = unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) };
    Errno::result(result).map(drop).map_err(Into::into)
}

#[allow(unsafe_code)] // these statistics cannot be read with safe functions
fn statistics(fd: &OwnedFd) -> io::Result<libc::tpacket_stats> {
    // SAFETY: all-zero bytes are a valid `tpacket_stats`, which holds integers only.
    let mut statistics: libc::tpacket_stats = unsafe { mem::zeroed() };
    let mut len = socklen::<libc::tpacket_stats>();
    // SAFETY: `statistics` is live and writable for `len` bytes; the kernel writes no more than that.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut len,
        )
    };
    Errno::result(result)?;
    Ok(statistics)
}

fn socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("the structure is small")
}
