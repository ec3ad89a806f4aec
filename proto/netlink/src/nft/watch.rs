//! When somebody else changed the filter.

use std::io;

use netlink_sys::{Socket as RawSocket, SocketAddr};
use tokio::io::unix::AsyncFd;

use super::Filter;
use crate::attr::Messages;
use crate::socket::{register, set_receive_buffer};

/// A listener to changes of the rules, of any table. Needs `CAP_NET_ADMIN` when it is opened, in
/// the user namespace of its network namespace, as far as is known: nfnetlink lets nobody else join
/// its groups (no `NL_CFG_F_NONROOT_RECV`).
///
/// It lives in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Watch {
    fd: AsyncFd<RawSocket>,
    buffer: Vec<u8>,
    /// Port of the socket whose changes are no news.
    own: u32,
}

impl Watch {
    /// Start to listen. Changes that are made through `own` are not told. Must be called within a
    /// tokio runtime that has I/O enabled.
    ///
    /// # Errors
    ///
    /// When the socket cannot be made or may not listen; `EPROTONOSUPPORT` if the kernel has no
    /// nfnetlink.
    pub fn open(own: &Filter) -> io::Result<Self> {
        let mut socket = RawSocket::new(netlink_sys::protocols::NETLINK_NETFILTER)?;
        socket.set_non_blocking(true)?;
        set_receive_buffer(&socket, RECEIVE_BUFFER)?;
        socket.bind(&SocketAddr::new(0, 0))?;
        socket.add_membership(NFNLGRP_NFTABLES)?;
        Ok(Self {
            fd: register(socket)?,
            buffer: Vec::with_capacity(RECEIVE_LEN),
            own: own.socket.port()?,
        })
    }

    /// Wait until somebody changed the rules, in whatever way. Many changes at a time are told
    /// once; those that were made before the call and not told yet, at once. May be dropped while
    /// waiting without losing any.
    ///
    /// Deleting a table of one's own is among them, and so is any change of tables that are none
    /// of ours: the listener looks at its table and compares.
    ///
    /// # Errors
    ///
    /// When the socket fails, which it does not in normal operation.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.fd.readable().await?;
            let (changed, empty) = collect(self.fd.get_ref(), &mut self.buffer, self.own)?;
            if empty {
                ready.clear_ready();
            }
            if changed {
                return Ok(());
            }
        }
    }
}

/// Read what is there: whether it reports a change, and whether all of it was read.
fn collect(fd: &RawSocket, buffer: &mut Vec<u8>, own: u32) -> io::Result<(bool, bool)> {
    let mut changed = false;
    for _ in 0..DATAGRAMS_MAX {
        buffer.clear();
        match fd.recv_from(buffer, libc::MSG_DONTWAIT) {
            // Other processes may send to this socket, too.
            Ok((_, from)) if from.port_number() != 0 => {}
            Ok(_) => changed |= has_change(buffer, own),
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => return Ok((changed, true)),
                // What was lost reported a change.
                Some(libc::ENOBUFS) => changed = true,
                Some(libc::EINTR) => {}
                _ => return Err(error),
            },
        }
    }
    Ok((changed, false))
}

/// Every transaction ends with the number of the new generation.
fn has_change(datagram: &[u8], own: u32) -> bool {
    Messages(datagram).any(|message| message.kind == NFT_MSG_NEWGEN && message.port != own)
}

/// Every message of a large transaction arrives here, too; what does not fit is an overrun, and
/// that is a change like any other.
const RECEIVE_BUFFER: u32 = 256 * 1024;

/// Datagrams read before the caller gets a turn.
const DATAGRAMS_MAX: usize = 256;

/// Messages beyond this are cut off; those of a new generation are short.
const RECEIVE_LEN: usize = 16 * 1024;

const NFNLGRP_NFTABLES: u32 = 7;
const NFT_MSG_NEWGEN: u16 = (10 << 8) | 15;

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel sends it after a transaction of the socket with this port.
    fn message(kind: u16, port: u32) -> Vec<u8> {
        let mut bytes = 20_u32.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(1_u32.to_ne_bytes());
        bytes.extend(port.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn a_generation_of_somebody_else_is_a_change() {
        assert!(has_change(&message(NFT_MSG_NEWGEN, 7), 8));
        assert!(!has_change(&message(NFT_MSG_NEWGEN, 8), 8));
        assert!(!has_change(&message((10 << 8) | 2, 7), 8));
        let both = [message(10 << 8, 7), message(NFT_MSG_NEWGEN, 7)].concat();
        assert!(has_change(&both, 8));
        assert!(!has_change(&both[..30], 8));
    }
}
