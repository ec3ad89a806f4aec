//! How much of what was sent over a TCP connection its other end, on this host, has not read: asked of the kernel
//! about any socket of this network namespace, without privilege (`sock_diag(7)`).
//!
//! Acknowledgements do not say: the kernel acknowledges what a program has yet to read.

use std::io;
use std::net::{self, SocketAddrV4};

use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

/// Bytes that wait in the queues of one socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Queues {
    /// Received and not read by its program.
    pub unread: u32,
    /// Written and not acknowledged by the other end.
    pub unacknowledged: u32,
}

/// How many bytes at most the program at the other end, `remote`, of a connection has not read of what was written at
/// `local`; none if nobody can say, as of one on another host.
#[must_use]
pub fn unread_by_peer(local: net::SocketAddr, remote: net::SocketAddr) -> Option<u32> {
    let (net::SocketAddr::V4(local), net::SocketAddr::V4(remote)) = (local, remote) else {
        return None;
    };
    let queues = |local, remote| tcp_queues(local, remote).ok()?;
    let (near, far) = (queues(local, remote)?, queues(remote, local)?);
    // What is on its way, and what has arrived.
    Some(near.unacknowledged.saturating_add(far.unread))
}

/// The queues of the connected socket that has these addresses; none if there is no such socket.
///
/// # Errors
///
/// When the kernel does not answer such questions, or what it answers cannot be read.
pub fn tcp_queues(local: SocketAddrV4, remote: SocketAddrV4) -> io::Result<Option<Queues>> {
    let mut socket = Socket::new(SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The answer is there when the question has been sent.
    socket.set_non_blocking(true)?;
    socket.send(&question(local, remote), 0)?;
    let mut answer = Vec::with_capacity(LONGEST_ANSWER);
    socket.recv(&mut answer, 0)?;
    read(&answer)
}

/// `NETLINK_SOCK_DIAG`
const SOCK_DIAG: isize = 4;
/// `SOCK_DIAG_BY_FAMILY`, of the question and of its answer.
const BY_FAMILY: u16 = 20;
/// `NLMSG_ERROR`
const ERROR: u16 = 2;
const REQUEST: u16 = 0x1;
const INET: u8 = 2;
const TCP: u8 = 6;
const ANY_STATE: u32 = 0xffff_ffff;
const NO_COOKIE: [u8; 8] = [0xff; 8];

const HEADER_LEN: usize = 16;
const ID_LEN: usize = 48;
const QUESTION_LEN: usize = HEADER_LEN + 8 + ID_LEN;
/// `TCP_LISTEN`
const LISTENS: u8 = 10;
const STATE_AT: usize = HEADER_LEN + 1;
/// A header, four bytes, the id, a timer, and then the two queues.
const UNREAD_AT: usize = HEADER_LEN + 4 + ID_LEN + 4;
const LONGEST_ANSWER: usize = 4096;

/// A header of netlink and an `inet_diag_req_v2`, which names one socket.
fn question(local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(QUESTION_LEN);
    let length = u32::try_from(QUESTION_LEN).unwrap_or(0);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST.to_ne_bytes());
    bytes.extend([0; 8]); // sequence and port
    bytes.extend([INET, TCP, 0, 0]);
    bytes.extend(ANY_STATE.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    for end in [local, remote] {
        bytes.extend(end.ip().octets());
        bytes.extend([0; 12]);
    }
    bytes.extend([0; 4]); // any interface
    bytes.extend(NO_COOKIE);
    bytes
}

fn read(answer: &[u8]) -> io::Result<Option<Queues>> {
    let unreadable = || io::Error::from(io::ErrorKind::InvalidData);
    let word = |at: usize| {
        let bytes = answer.get(at..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    let kind = answer.get(4..).and_then(<[u8]>::first_chunk);
    match kind.map(|kind| u16::from_ne_bytes(*kind)) {
        // Without a connection the kernel answers of who listens there, whose queues are of something else.
        Some(BY_FAMILY) if answer.get(STATE_AT) == Some(&LISTENS) => Ok(None),
        Some(BY_FAMILY) => {
            let (unread, unacknowledged) = (word(UNREAD_AT), word(UNREAD_AT + 4));
            let both = unread.zip(unacknowledged).ok_or_else(unreadable)?;
            let (unread, unacknowledged) = both;
            Ok(Some(Queues {
                unread,
                unacknowledged,
            }))
        }
        Some(ERROR) => {
            let code = word(HEADER_LEN).ok_or_else(unreadable)?;
            let error = code.cast_signed().checked_neg().unwrap_or(0);
            match Errno::from_raw(error) {
                Errno::ENOENT => Ok(None),
                _ => Err(io::Error::from_raw_os_error(error)),
            }
        }
        _ => Err(unreadable()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn v4(address: io::Result<net::SocketAddr>) -> SocketAddrV4 {
        match address.unwrap() {
            net::SocketAddr::V4(address) => address,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_a_program_has_not_read_is_known_to_others() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut near, _) = listener.accept().unwrap();
        let (local, remote) = (v4(near.local_addr()), v4(near.peer_addr()));
        let unread = || tcp_queues(remote, local).unwrap().map(|found| found.unread);
        assert_eq!(unread(), Some(0));
        near.write_all(&[7; 100]).unwrap();
        assert_eq!(unread(), Some(100));
        far.read_exact(&mut [0; 40]).unwrap();
        assert_eq!(unread(), Some(60));
        far.read_exact(&mut [0; 60]).unwrap();
        assert_eq!(unread(), Some(0));
        near.write_all(&[7; 10]).unwrap();
        let known = unread_by_peer(local.into(), remote.into()).unwrap();
        assert!((10..=110).contains(&known), "{known}");
        let ours = tcp_queues(local, remote).unwrap().unwrap();
        assert_eq!(ours.unread, 0);
        let nobody = SocketAddrV4::new(*local.ip(), 1);
        assert_eq!(tcp_queues(local, nobody).unwrap(), None);
        assert_eq!(unread_by_peer(local.into(), nobody.into()), None);
    }

    #[test]
    fn an_answer_that_is_cut_or_strange_is_an_error() {
        let mut answer = vec![0; UNREAD_AT + 8];
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        answer[UNREAD_AT..UNREAD_AT + 4].copy_from_slice(&5_u32.to_ne_bytes());
        answer[UNREAD_AT + 4..].copy_from_slice(&6_u32.to_ne_bytes());
        let found = Queues {
            unread: 5,
            unacknowledged: 6,
        };
        assert_eq!(read(&answer).unwrap(), Some(found));
        for length in 0..answer.len() {
            assert!(read(&answer[..length]).is_err(), "{length}");
        }
        answer[STATE_AT] = LISTENS;
        assert_eq!(read(&answer).unwrap(), None);
        let refusal = |code: i32| {
            let mut answer = vec![0; HEADER_LEN + 4];
            answer[4..6].copy_from_slice(&ERROR.to_ne_bytes());
            answer[HEADER_LEN..].copy_from_slice(&code.to_ne_bytes());
            read(&answer)
        };
        assert_eq!(refusal(-2).unwrap(), None);
        assert_eq!(refusal(-95).unwrap_err().raw_os_error(), Some(95));
        assert!(refusal(i32::MIN).is_err());
    }
}
