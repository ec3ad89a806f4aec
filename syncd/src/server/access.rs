//! Who may connect: the socket's file mode, and the credentials that the kernel vouches for.

use std::collections::HashMap;
use std::path::Path;

use mclag_daemon::socket::{ListenError, Listener, Place};
use nix::unistd::{Gid, Group, Uid, User};

use super::connection::Process;

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
    /// The group of the operators' socket, whose members may ask how the dataplane is and no more. None for the
    /// same as `group`.
    pub status_group: Option<u32>,
}

impl Access {
    /// Whether a client may stay.
    pub(super) fn allows(&self, peer: Process) -> bool {
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

    /// Listen at this socket, in a directory that is made if it is not there.
    ///
    /// # Errors
    ///
    /// When another server listens there, or the system refuses.
    pub fn listen(&self, path: &Path) -> Result<Listener, ListenError> {
        listen(path, self.group)
    }

    /// The same for the socket at which operators ask.
    ///
    /// # Errors
    ///
    /// As [`Access::listen`].
    pub fn listen_for_operators(&self, path: &Path) -> Result<Listener, ListenError> {
        listen(path, self.status_group.or(self.group))
    }
}

fn listen(path: &Path, group: Option<u32>) -> Result<Listener, ListenError> {
    Listener::bind(Place {
        program: "mclagsyncd",
        path: path.to_owned(),
        mode: 0o660,
        group,
        backlog: BACKLOG,
    })
}

fn is_member(peer: Process, group: u32) -> bool {
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
    use std::os::unix::fs::MetadataExt as _;

    use mclag_test_support::TempDir;

    use super::*;

    fn peer(uid: u32, gid: u32) -> Process {
        Process {
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
            status_group: Some(61_003),
        };
        let own = Uid::effective().as_raw();
        let allowed = |uid, gid| access.allows(peer(uid, gid));
        assert!(allowed(0, 5));
        assert!(allowed(own, 5));
        assert!(allowed(61_001, 5));
        assert!(allowed(61_002, 61_000));
        assert!(!allowed(61_002, 5));
        assert!(!allowed(61_002, 61_003), "who may ask may not change");
        assert!(!Access::default().allows(peer(61_001, 61_003)));
    }

    /// Only root can give a file to any group.
    #[tokio::test]
    async fn operators_have_a_socket_of_their_own_group() {
        if !Uid::effective().is_root() {
            return;
        }
        let dir = TempDir::new("access");
        let access = |status_group| Access {
            users: Vec::new(),
            group: Some(61_000),
            status_group,
        };
        let group_of = |path: &Path| std::fs::metadata(path).unwrap().gid();
        for (status_group, asks) in [(Some(61_003), 61_003), (None, 61_000)] {
            let (speak, ask) = (dir.join("speak"), dir.join("ask"));
            let access = access(status_group);
            let listeners = (access.listen(&speak), access.listen_for_operators(&ask));
            let _listeners = (listeners.0.unwrap(), listeners.1.unwrap());
            assert_eq!((group_of(&speak), group_of(&ask)), (61_000, asks));
        }
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
