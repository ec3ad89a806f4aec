//! What protects a TCP connection from whoever is not its other end, by options that no safe wrapper offers.

use std::fmt;
use std::io;
use std::mem::offset_of;
use std::net::IpAddr;
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};

use crate::option::{get, set};

pub mod ao;

/// A secret that both ends sign their segments with (RFC 2385).
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Key {
    bytes: [u8; Key::MAX],
    len: u8,
}

/// It is empty or too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InvalidKey;

impl Key {
    /// Longest one, in bytes (`TCP_MD5SIG_MAXKEYLEN`).
    pub const MAX: usize = 80;

    /// A key of 1 to [`Key::MAX`] bytes.
    ///
    /// # Errors
    ///
    /// When it has none, or more.
    pub fn new(secret: &[u8]) -> Result<Self, InvalidKey> {
        let mut bytes = [0; Self::MAX];
        let room = bytes.get_mut(..secret.len()).ok_or(InvalidKey)?;
        room.copy_from_slice(secret);
        match u8::try_from(secret.len()) {
            Ok(len @ 1..) => Ok(Self { bytes, len }),
            _ => Err(InvalidKey),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let Self { bytes, len } = self;
        &bytes[..usize::from(*len)]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Sign what is sent to `peer` and take nothing from it that is not signed, from now on; without a key, no longer. Of a
/// socket that listens, what it accepts. Needs no privilege. A key may be replaced while a connection is up: what is
/// signed otherwise is lost until the other end has it, too, and sent again.
///
/// # Errors
///
/// When the kernel has no TCP-MD5, or does not take the key.
pub fn sign(socket: &impl AsFd, peer: IpAddr, key: Option<&Key>) -> io::Result<()> {
    // struct tcp_md5sig: an address, flags, a prefix, the length of the key (2 bytes), an interface, the key.
    let mut option = [0; 136 + Key::MAX];
    option[..ADDRESS_LEN].copy_from_slice(&address(peer));
    if let Some(Key { bytes, len }) = key {
        option[130..132].copy_from_slice(&u16::from(*len).to_ne_bytes());
        option[136..].copy_from_slice(bytes);
    }
    match set(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG, &option) {
        // There was none.
        Err(error) if key.is_none() && error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

/// Send with the highest hop limit, as a peer expects that lets in nothing from beyond its own links (RFC 5082).
///
/// # Errors
///
/// When the kernel does not take it.
pub fn send_with_full_ttl(socket: &impl AsFd, peer: IpAddr) -> io::Result<()> {
    match peer {
        IpAddr::V4(_) => setsockopt(socket, sockopt::Ipv4Ttl, &i32::from(FULL_TTL))?,
        IpAddr::V6(_) => setsockopt(socket, sockopt::Ipv6Ttl, &i32::from(FULL_TTL))?,
    }
    Ok(())
}

/// Take nothing that a router has forwarded (RFC 5082). Of a socket that listens, what it accepts, too.
///
/// # Errors
///
/// When the kernel does not take it.
pub fn require_full_ttl(socket: &impl AsFd, peer: IpAddr) -> io::Result<()> {
    let (level, name) = match peer {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MINTTL),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    };
    set(
        socket,
        level,
        name,
        &libc::c_int::from(FULL_TTL).to_ne_bytes(),
    )
}

/// How many segments of its other end the socket has received, data or not. Wraps around. What is not signed as asked
/// for, or was forwarded where that is not taken, does not count.
///
/// # Errors
///
/// When it is no TCP socket.
pub fn segments_received(socket: &impl AsFd) -> io::Result<u32> {
    const AT: usize = offset_of!(libc::tcp_info, tcpi_segs_in);
    let mut info = [0; size_of::<libc::tcp_info>()];
    get(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info)?;
    let mut count = [0; 4];
    count.copy_from_slice(&info[AT..AT + 4]);
    Ok(u32::from_ne_bytes(count))
}

/// The TTL, or hop limit, with which only what a direct neighbour has sent can arrive (RFC 5082).
pub const FULL_TTL: u8 = 255;

/// Size of `struct sockaddr_storage`.
const ADDRESS_LEN: usize = 128;

/// An address as `struct sockaddr_storage`, with which options of keys begin.
fn address(peer: IpAddr) -> [u8; ADDRESS_LEN] {
    let mut bytes = [0; ADDRESS_LEN];
    let family = match peer {
        IpAddr::V4(peer) => {
            bytes[4..8].copy_from_slice(&peer.octets());
            libc::AF_INET
        }
        IpAddr::V6(peer) => {
            bytes[8..24].copy_from_slice(&peer.octets());
            libc::AF_INET6
        }
    };
    let family = u16::try_from(family).expect("a family is small");
    bytes[..2].copy_from_slice(&family.to_ne_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    #[test]
    fn a_key_has_one_to_eighty_bytes_and_is_not_shown() {
        for (len, is_one) in [(0, false), (1, true), (80, true), (81, false), (300, false)] {
            assert_eq!(Key::new(&vec![7; len]).is_ok(), is_one, "{len}");
        }
        let key = Key::new(b"secret").unwrap();
        assert_eq!(format!("{key:?}"), "Key(..)");
    }

    /// Input: the other end of a connection sends a byte, then acknowledges one and says nothing. Output: each is a
    /// segment more.
    #[test]
    fn data_and_acknowledgements_are_segments_received() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut near, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        for _ in 0..3 {
            far.write_all(&[1]).unwrap();
            near.read_exact(&mut [0]).unwrap();
            received.push(segments_received(&near).unwrap());
        }
        assert_eq!(
            [received[1], received[2]],
            [received[0] + 1, received[0] + 2]
        );
        near.write_all(&[1]).unwrap();
        // The kernel may take its time to acknowledge it.
        let until = Instant::now() + Duration::from_secs(30);
        while segments_received(&near).unwrap() == received[2] {
            assert!(Instant::now() < until, "no acknowledgement is counted");
            std::thread::yield_now();
        }
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(segments_received(&file).is_err());
    }
}
