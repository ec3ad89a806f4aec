//! How two native peers know each other before either has said a word.
//!
//! A legacy daemon must not get a word in the wrong dialect (`spec/iccp.md` 14), so nothing is said before the
//! peer's first word. Two native peers would wait for each other. One that waits begins a connection with a
//! mark: a byte of urgent data (RFC 9293 3.8.5), which tells what it would speak. Urgent data is no part of what
//! a program reads unless it asks for it (RFC 6093 2, `tcp(7)`), which no legacy daemon does: it neither sees
//! the byte nor waits for more of it. No message begins with such a byte, so here it can be read with the rest.

use mclag_proto::iccp::Dialect;
use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};
use std::io;
use std::os::fd::AsRawFd as _;
use tokio::net::TcpStream;

/// The mark of one that would speak this dialect.
pub(super) const fn byte(dialect: Dialect) -> u8 {
    match dialect {
        Dialect::Sonic => 0xd5,
        Dialect::LinuxMclag => 0xd6,
    }
}

/// What a peer with this mark would speak.
pub(super) const fn dialect(byte: u8) -> Option<Dialect> {
    match byte {
        0xd5 => Some(Dialect::Sonic),
        0xd6 => Some(Dialect::LinuxMclag),
        _ => None,
    }
}

/// Send ours on a new connection of which nothing was read, and have the peer's read with what it says.
pub(super) fn exchange(stream: &TcpStream, ours: Dialect) {
    let reads = setsockopt(stream, sockopt::OobInline, &true);
    if let Err(error) = reads.and_then(|()| send_mark(stream, ours)) {
        // The connection is gone already, which is found out by reading.
        tracing::debug!(%error, "no mark is sent to the peer");
    }
}

pub(super) fn send_mark(stream: &TcpStream, ours: Dialect) -> nix::Result<()> {
    let flags = MsgFlags::MSG_OOB | MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    send(stream.as_raw_fd(), &[byte(ours)], flags)?;
    Ok(())
}

/// How much to read at a time, of one that has begun to speak or not yet. What is read ends behind urgent data,
/// whatever there is more; taken for all that there is, the rest would wait for what comes next. So the first byte
/// is read by itself.
pub(super) const fn chunk(has_begun: bool, most: usize) -> usize {
    if has_begun { most } else { 1 }
}

/// Whether this is how a connection ends of which the peer has read nothing, not even a mark: one that is closed
/// with something unread is reset.
pub(super) fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}
