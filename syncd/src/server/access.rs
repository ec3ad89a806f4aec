//! Who may connect: the socket's file mode, and the credentials that the kernel vouches for.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Group, Uid, User, chown};
use tokio::net::UnixListener;

use super::connection::Peer;

/// Users whose refusals are counted one by one; others share a count.
const MAX_COUNTED: usize = 1024;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

/// Who may connect. The user that the server runs as and root always may.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Access {
    /// Users.
    pub users: Vec<u32>,
    /// The group of the socket; its members may. None for the server's own, unless that is
    /// root's.
    pub group: Option<u32>,
}

impl Access {
    /// Whether a client may stay.
    pub(super) fn allows(&self, peer: Peer) -> bool {
        let own = Uid::effective().as_raw();
        peer.uid == 0
            || peer.uid == own
            || self.users.contains(&peer.uid)
            || self.group().is_some_and(|group| is_member(peer, group))
    }

    fn group(&self) -> Option<u32> {
        let own = Gid::effective().as_raw();
        self.group.or((own != 0).then_some(own))
    }

    /// Create the run directory if it is not there, and listen in it.
    ///
    /// # Errors
    ///
    /// When another server answers there, or the system refuses.
    pub fn listen(&self, path: &Path) -> Result<UnixListener, ListenError> {
        let fail = |doing, source| ListenError::Io {
            doing,
            path: path.to_owned(),
            source,
        };
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| fail("create the directory of", e))?;
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(ListenError::Taken(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                // Left behind by a server that was killed.
                std::fs::remove_file(path).map_err(|e| fail("remove the old socket", e))?;
            }
            Err(error) => return Err(fail("look for another server at", error)),
        }
        let listener = bind_closed(path).map_err(|e| fail("listen at", e))?;
        if let Some(group) = self.group {
            chown(path, None, Some(Gid::from_raw(group)))
                .map_err(|e| fail("give to its group the socket", e.into()))?;
        }
        let mode = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(path, mode).map_err(|e| fail("set the mode of", e))?;
        Ok(listener)
    }
}

/// Listen at a socket that nobody but root can connect to before its mode is set.
fn bind_closed(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // The file gets the mode of its descriptor. The umask would do the same to every file that
    // another thread creates meanwhile.
    fchmod(&socket, Mode::empty())?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    UnixListener::from_std(socket.into())
}

fn is_member(peer: Peer, group: u32) -> bool {
    if peer.gid == group {
        return true;
    }
    // The credentials name the primary group only; others stand in the group's list of members.
    let user = User::from_uid(Uid::from_raw(peer.uid)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(group)).ok().flatten();
    match (user, group) {
        (Some(user), Some(group)) => group.mem.contains(&user.name),
        _ => false,
    }
}

/// The socket cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody else does.
    #[error("another syncd answers at {}", .0.display())]
    Taken(PathBuf),
    /// The system refuses.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The socket.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// Counts refusals, so that each user is logged once.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_user: HashMap<u32, u64>,
    others: u64,
}

impl Refusals {
    /// Count one. True for the first of that user.
    pub(super) fn count(&mut self, uid: u32) -> bool {
        let is_full = self.by_user.len() >= MAX_COUNTED;
        match self.by_user.get_mut(&uid) {
            Some(count) => *count = count.saturating_add(1),
            None if is_full => self.others = self.others.saturating_add(1),
            None => {
                self.by_user.insert(uid, 1);
                return true;
            }
        }
        false
    }

    /// How many there were of all users.
    pub(super) fn total(&self) -> u64 {
        let counted = self.by_user.values();
        counted.fold(self.others, |sum, count| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32, gid: u32) -> Peer {
        Peer {
            uid,
            gid,
            pid: None,
        }
    }

    #[test]
    fn root_and_the_own_user_may_and_others_only_if_they_are_named() {
        let access = Access {
            users: vec![61_001],
            group: Some(61_000),
        };
        let own = Uid::effective().as_raw();
        let allowed = |uid, gid| access.allows(peer(uid, gid));
        assert!(allowed(0, 5));
        assert!(allowed(own, 5));
        assert!(allowed(61_001, 5));
        assert!(allowed(61_002, 61_000));
        assert!(!allowed(61_002, 5));
        assert!(!Access::default().allows(peer(61_001, 61_003)));
    }

    #[test]
    fn a_refused_user_is_logged_once_and_counted_always() {
        let mut refusals = Refusals::default();
        assert!(refusals.count(1));
        assert!(!refusals.count(1));
        assert!(refusals.count(2));
        assert_eq!(refusals.total(), 3);
        for uid in 0..5000 {
            refusals.count(uid);
        }
        assert_eq!(refusals.total(), 5003);
        assert_eq!(refusals.by_user.len(), MAX_COUNTED);
    }
}
