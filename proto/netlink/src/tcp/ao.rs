//! TCP-AO (RFC 5925): segments are authenticated with one of several keys, each of which has an id. Linux has it from 6.7 on,
//! where it was built with it.
//!
//! Each end signs with the key that the other one asks for, as far as it has that; so keys are changed without losing
//! a segment: the new one is added on both ends, asked for, and the previous one removed.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType};

use super::{ADDRESS_LEN, InvalidKey, Key, address};
use crate::option::{get, set};

/// A secret, and the number by which segments name it (both KeyIDs of RFC 5925: the one of what is sent, and of what is
/// received).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AoKey {
    /// Its number, the same at both ends.
    pub id: u8,
    /// The secret (a Master_Key).
    pub secret: Key,
}

/// The keys of one connection, each with an id of its own: 1 to [`AoKeys::MAX`]. The first is the one that the other end is
/// asked to sign with; all of them are taken.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct AoKeys {
    first: AoKey,
    others: [Option<AoKey>; AoKeys::MAX - 1],
}

impl AoKeys {
    /// The one in use, the next one, and two to spare.
    pub const MAX: usize = 4;

    /// These keys, the first one to be asked for.
    ///
    /// # Errors
    ///
    /// When there is none, or more than [`AoKeys::MAX`], or two with one id.
    pub fn new(keys: &[AoKey]) -> Result<Self, InvalidKey> {
        let (first, rest) = keys.split_first().ok_or(InvalidKey)?;
        let mut others = [None; Self::MAX - 1];
        let room = others.get_mut(..rest.len()).ok_or(InvalidKey)?;
        for (slot, key) in room.iter_mut().zip(rest) {
            *slot = Some(*key);
        }
        let keys = Self {
            first: *first,
            others,
        };
        let mut ids: Vec<u8> = keys.iter().map(|key| key.id).collect();
        ids.sort_unstable();
        match ids.windows(2).any(|two| two[0] == two[1]) {
            true => Err(InvalidKey),
            false => Ok(keys),
        }
    }

    /// The key that the other end is asked to sign with.
    #[must_use]
    pub const fn preferred(&self) -> AoKey {
        self.first
    }

    /// All of them, the preferred one first.
    pub fn iter(&self) -> impl Iterator<Item = AoKey> + '_ {
        std::iter::once(self.first).chain(self.others.iter().flatten().copied())
    }

    /// An id that has another secret among the `others`: a connection cannot change the one that it uses.
    #[must_use]
    pub fn changed_id(&self, others: &Self) -> Option<u8> {
        let mut all = self.iter();
        let differs = |key: &AoKey| {
            let mut others = others.iter();
            others.any(|other| other.id == key.id && other.secret != key.secret)
        };
        all.find(differs).map(|key| key.id)
    }
}

impl fmt::Debug for AoKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|key| key.id))
            .finish()
    }
}

/// The keys that a connection uses now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InUse {
    /// What is sent is signed with this one.
    pub current: u8,
    /// The other end is asked to sign with this one.
    pub asked_for: u8,
}

/// Whether this kernel has TCP-AO, and the algorithm.
///
/// # Errors
///
/// When that cannot be found out.
pub fn is_supported() -> io::Result<bool> {
    // Not bound: there may be no address.
    let (family, kind, flags) = (
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
    );
    let socket = nix::sys::socket::socket(family, kind, flags, None)?;
    let secret = Key::new(b"probe").map_err(|_| io::ErrorKind::InvalidInput)?;
    let key = AoKey { id: 0, secret };
    match add(&socket, Ipv4Addr::LOCALHOST.into(), key, 0) {
        Ok(()) => Ok(true),
        Err(error) => match error.raw_os_error() {
            // The latter is what it says without the algorithm.
            Some(libc::ENOPROTOOPT | libc::ENOENT) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Authenticate what is sent to `peer` with these keys, and take nothing from it that is not. For a socket that is neither
/// connected nor listening yet; what it accepts inherits that.
///
/// # Errors
///
/// When the kernel has no TCP-AO, or does not take a key.
pub fn protect(socket: &impl AsFd, peer: IpAddr, keys: &AoKeys) -> io::Result<()> {
    for key in keys.iter() {
        let flags = match key.id == keys.preferred().id {
            true => SET_CURRENT | SET_RNEXT,
            false => 0,
        };
        add(socket, peer, key, flags)?;
    }
    Ok(())
}

/// Go on with other keys on a connection. The other end is asked for the preferred one; what is sent follows what the other
/// end asks for, unless its key is among those that go. Secrets of ids that stay are not changed ([`AoKeys::changed_id`]).
///
/// # Errors
///
/// When the connection has no TCP-AO, or the kernel does not take a key.
pub fn renew(socket: &impl AsFd, peer: IpAddr, before: &AoKeys, now: &AoKeys) -> io::Result<()> {
    let has = |keys: &AoKeys, id: u8| keys.iter().any(|key| key.id == id);
    for key in now.iter().filter(|key| !has(before, key.id)) {
        add(socket, peer, key, 0)?;
    }
    let preferred = now.preferred().id;
    ask_for(socket, preferred)?;
    // One that cannot go keeps no other.
    let gone = before.iter().filter(|key| !has(now, key.id));
    let results = gone.map(|key| give_up(socket, peer, key.id, preferred));
    results.fold(Ok(()), io::Result::and)
}

/// A key that is in use cannot go without another in its place. The other end may begin to ask for it meanwhile.
fn give_up(socket: &impl AsFd, peer: IpAddr, id: u8, preferred: u8) -> io::Result<()> {
    let replaced = (in_use(socket)?.current == id).then_some(preferred);
    match remove(socket, peer, id, replaced) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            remove(socket, peer, id, Some(preferred))
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

/// The keys that a connection uses now.
///
/// # Errors
///
/// When it has no TCP-AO.
pub fn in_use(socket: &impl AsFd) -> io::Result<InUse> {
    let mut info = [0; INFO_LEN];
    get(socket, libc::IPPROTO_TCP, TCP_AO_INFO, &mut info)?;
    Ok(InUse {
        current: info[6],
        asked_for: info[7],
    })
}

// <linux/tcp.h>, from Linux 6.7 on.
const TCP_AO_ADD_KEY: i32 = 38;
const TCP_AO_DEL_KEY: i32 = 39;
const TCP_AO_INFO: i32 = 40;
const SET_CURRENT: u32 = 1;
const SET_RNEXT: u32 = 1 << 1;
/// `struct tcp_ao_add`: an address (128 bytes), the name of the algorithm (64), an interface, flags, nothing (2), a
/// prefix, both ids, the length of the code, flags, the length of the key, the key.
const ADD_LEN: usize = 288;
/// `struct tcp_ao_del`: an address, an interface, flags, nothing (2), a prefix, both ids, the current key, the one that
/// is asked for, flags.
const DEL_LEN: usize = 144;
/// `struct tcp_ao_info_opt`: flags, nothing (2), the current key, the one that is asked for, five counters.
const INFO_LEN: usize = 48;
/// HMAC-SHA-1-96, which each implementation has (RFC 5926).
const ALGORITHM: &[u8] = b"hmac(sha1)";

/// How much of its address a key is for: all of it.
const fn prefix(peer: IpAddr) -> u8 {
    match peer {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// With flags that say what a key is used for at once, beside checking what is received.
fn add(socket: &impl AsFd, peer: IpAddr, key: AoKey, flags: u32) -> io::Result<()> {
    let mut option = [0; ADD_LEN];
    option[..ADDRESS_LEN].copy_from_slice(&address(peer));
    option[128..128 + ALGORITHM.len()].copy_from_slice(ALGORITHM);
    option[196..200].copy_from_slice(&flags.to_ne_bytes());
    let secret = key.secret.as_bytes();
    let len = u8::try_from(secret.len()).expect("a key is short");
    // The default length of the code.
    option[202..208].copy_from_slice(&[prefix(peer), key.id, key.id, 0, 0, len]);
    option[208..208 + secret.len()].copy_from_slice(secret);
    set(socket, libc::IPPROTO_TCP, TCP_AO_ADD_KEY, &option)
}

fn remove(socket: &impl AsFd, peer: IpAddr, id: u8, replaced: Option<u8>) -> io::Result<()> {
    let mut option = [0; DEL_LEN];
    option[..ADDRESS_LEN].copy_from_slice(&address(peer));
    let flags = replaced.map_or(0, |_| SET_CURRENT);
    option[132..136].copy_from_slice(&flags.to_ne_bytes());
    let current = replaced.unwrap_or_default();
    option[138..142].copy_from_slice(&[prefix(peer), id, id, current]);
    set(socket, libc::IPPROTO_TCP, TCP_AO_DEL_KEY, &option)
}

/// Ask the other end of a connection to sign with this key.
///
/// # Errors
///
/// When it has no TCP-AO, or no such key.
pub fn ask_for(socket: &impl AsFd, id: u8) -> io::Result<()> {
    let mut option = [0; INFO_LEN];
    option[..4].copy_from_slice(&SET_RNEXT.to_ne_bytes());
    option[7] = id;
    set(socket, libc::IPPROTO_TCP, TCP_AO_INFO, &option)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn key(id: u8, secret: &str) -> AoKey {
        AoKey {
            id,
            secret: Key::new(secret.as_bytes()).unwrap(),
        }
    }

    #[test]
    fn a_connection_has_one_to_four_keys_with_distinct_ids() {
        let keys: Vec<AoKey> = (1..=5).map(|id| key(id, "secret")).collect();
        for (count, is_valid) in [(0, false), (1, true), (4, true), (5, false)] {
            assert_eq!(AoKeys::new(&keys[..count]).is_ok(), is_valid, "{count}");
        }
        assert!(AoKeys::new(&[key(1, "one"), key(2, "two"), key(1, "three")]).is_err());
        let two = AoKeys::new(&[key(7, "seven"), key(3, "three")]).unwrap();
        assert_eq!(two.preferred().id, 7);
        assert_eq!(format!("{two:?}"), "[7, 3]");
    }

    #[test]
    fn an_id_keeps_its_secret() {
        let keys =
            |secrets: [&str; 2]| AoKeys::new(&[key(1, secrets[0]), key(2, secrets[1])]).unwrap();
        let one = keys(["a", "b"]);
        assert_eq!(one.changed_id(&one), None);
        assert_eq!(one.changed_id(&keys(["a", "c"])), Some(2));
        assert_eq!(one.changed_id(&AoKeys::new(&[key(3, "c")]).unwrap()), None);
    }

    /// Input: a kernel with TCP-AO or without. Output: either a socket that takes the keys, or the error that says that
    /// there is none, from everything.
    #[test]
    fn what_the_kernel_lacks_is_said() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let keys = AoKeys::new(&[key(1, "secret")]).unwrap();
        let result = protect(&socket, [127, 0, 0, 1].into(), &keys);
        match is_supported().unwrap() {
            // The key that is current is chosen by who connects.
            true => assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EINVAL)),
            false => {
                let error = result.unwrap_err().raw_os_error();
                let lacks = [libc::ENOPROTOOPT, libc::ENOENT].map(Some);
                assert!(lacks.contains(&error), "{error:?}");
            }
        }
    }
}
