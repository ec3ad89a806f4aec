//! The socket of a path.

use super::seal;
use crate::settings::PathSettings;
use mclag_netlink::tcp::send_with_full_ttl;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrStorage, bind,
    recvmsg, setsockopt, socket, sockopt,
};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

/// A UDP socket that is bound to our end of a path. Nothing of it waits.
#[derive(Debug)]
pub(super) struct Socket(UdpSocket);

/// A datagram that came: its first bytes are in the buffer.
pub(super) struct Received {
    /// Where from; none if the system does not say.
    pub(super) from: Option<SocketAddr>,
    /// How many hops it had left; none if the system does not say.
    pub(super) hop_limit: Option<i32>,
    /// Its length, or one more than a keepalive has.
    pub(super) len: usize,
}

/// Room for a keepalive, and for a byte by which a longer datagram is known.
pub(super) type Buffer = [u8; seal::LEN + 1];

impl Socket {
    /// One for this path.
    ///
    /// # Errors
    ///
    /// When the address, the interface or the port cannot be had now.
    pub(super) fn open(path: &PathSettings) -> io::Result<Self> {
        let (family, any) = match path.address {
            IpAddr::V4(_) => (AddressFamily::Inet, Ipv4Addr::UNSPECIFIED.into()),
            IpAddr::V6(_) => (AddressFamily::Inet6, Ipv6Addr::UNSPECIFIED.into()),
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(family, SockType::Datagram, flags, None)?;
        // The device first, as for the session: it says which link a link-local address is on. Needs no privilege
        // (Linux 5.7).
        if let Some(device) = &path.device {
            setsockopt(&socket, sockopt::BindToDevice, &device.as_str().into())?;
        }
        match path.address {
            IpAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?,
            IpAddr::V6(_) => {
                setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
            }
        }
        send_with_full_ttl(&socket, path.address)?;
        let local = SocketAddr::new(path.local.unwrap_or(any), path.port);
        bind(socket.as_raw_fd(), &SockaddrStorage::from(local))?;
        Ok(Self(socket.into()))
    }

    /// Send a datagram.
    ///
    /// # Errors
    ///
    /// When it cannot leave.
    pub(super) fn send(&self, datagram: &[u8], path: &PathSettings) -> io::Result<()> {
        let to = SocketAddr::new(path.address, path.port);
        self.0.send_to(datagram, to).map(|_| ())
    }

    /// A datagram that has come.
    ///
    /// # Errors
    ///
    /// When there is none, or the socket is of no use any more.
    pub(super) fn receive(&self, buffer: &mut Buffer) -> io::Result<Received> {
        let mut room = nix::cmsg_space!(nix::libc::c_int);
        let mut parts = [IoSliceMut::new(buffer)];
        let (socket, flags) = (self.0.as_raw_fd(), MsgFlags::empty());
        let message = recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut room), flags)?;
        let from = message.address.as_ref();
        let from = from.and_then(
            |from| match (from.as_sockaddr_in(), from.as_sockaddr_in6()) {
                (Some(v4), _) => Some(SocketAddr::new(v4.ip().into(), v4.port())),
                (_, Some(v6)) => Some(SocketAddr::new(v6.ip().into(), v6.port())),
                _ => None,
            },
        );
        let hop_limit = message.cmsgs()?.find_map(|said| match said {
            ControlMessageOwned::Ipv4Ttl(limit) | ControlMessageOwned::Ipv6HopLimit(limit) => {
                Some(limit)
            }
            _ => None,
        });
        let len = message.bytes;
        Ok(Received {
            from,
            hop_limit,
            len,
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
