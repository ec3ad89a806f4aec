//! What only one process of a chassis may have.
//!
//! A lock is a name in the abstract namespace of Unix sockets. That namespace belongs to the network namespace, which
//! is what a chassis is to us; no path leads to the name, so no setting, no removed file and no full disk matters; and
//! the kernel takes it back when its process is gone, however it went. Whoever may make sockets on the chassis may
//! take the name, too, and so keep a daemon from starting, as he may by taking its TCP port: the error says who it is.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen,
    socket, sockopt,
};

/// How often it can be found out who has a lock: those who ask are never accepted.
const BACKLOG: i32 = 128;

/// Something that is this process's alone, until this is dropped.
#[derive(Debug)]
pub struct Lock {
    what: String,
    _socket: OwnedFd,
}

/// What is wanted cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else has it.
    #[error("another {program}{} has {what}", Holder(*.pid))]
    Held {
        /// This daemon.
        program: &'static str,
        /// What it is.
        what: String,
        /// Whose it is, if that can be said.
        pid: Option<i32>,
    },
    /// The system refused.
    #[error("cannot make sure that no other {program} has {what}")]
    Io {
        /// This daemon.
        program: &'static str,
        /// What is wanted.
        what: String,
        /// The system's words.
        source: io::Error,
    },
}

impl LockError {
    /// The same of this daemon by the name that it is installed under here: where a foreign program has the usual one,
    /// that would name the wrong one.
    #[must_use]
    pub fn of(self, name: &'static str) -> Self {
        match self {
            Self::Held { what, pid, .. } => Self::Held {
                program: name,
                what,
                pid,
            },
            Self::Io { what, source, .. } => Self::Io {
                program: name,
                what,
                source,
            },
        }
    }
}

/// A process in an error.
pub(crate) struct Holder(pub(crate) Option<i32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (pid {pid})"),
            None => Ok(()),
        }
    }
}

impl Lock {
    /// Take `what`, of which one `program` of the chassis may have one: both name it, in at most 80 bytes together.
    ///
    /// # Errors
    ///
    /// When another process has it, or the system refuses.
    pub fn take(program: &'static str, what: String) -> Result<Self, LockError> {
        let name = format!("mclag/{program}/{what}");
        match hold(&name) {
            Ok(socket) => Ok(Self {
                what,
                _socket: socket,
            }),
            Err(Errno::EADDRINUSE) => Err(LockError::Held {
                program,
                what,
                pid: holder(&name),
            }),
            Err(error) => Err(LockError::Io {
                program,
                what,
                source: error.into(),
            }),
        }
    }

    /// What it is that was taken.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

fn hold(name: &str) -> nix::Result<OwnedFd> {
    let socket = unix_socket()?;
    bind(
        socket.as_raw_fd(),
        &UnixAddr::new_abstract(name.as_bytes())?,
    )?;
    // That somebody listens is what tells others who it is.
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(socket)
}

/// Who listens there.
fn holder(name: &str) -> Option<i32> {
    let socket = unix_socket().ok()?;
    let address = UnixAddr::new_abstract(name.as_bytes()).ok()?;
    connect(socket.as_raw_fd(), &address).ok()?;
    peer(&socket)
}

pub(crate) fn unix_socket() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::Stream, flags, None)
}

/// The process at the other end, as the one that listened; none if it is not one that we can see.
pub(crate) fn peer(socket: &OwnedFd) -> Option<i32> {
    let credentials = getsockopt(socket, sockopt::PeerCredentials).ok()?;
    Some(credentials.pid()).filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(name: &str) -> String {
        format!("{name} of {}", std::process::id())
    }

    #[test]
    fn what_is_taken_is_free_again_when_it_is_dropped() {
        let what = what("thing");
        let lock = Lock::take("tests", what.clone()).unwrap();
        assert_eq!(lock.what(), what);
        let error = Lock::take("tests", what.clone()).unwrap_err();
        let pid = std::process::id();
        let wanted = format!("another tests (pid {pid}) has {what}");
        assert_eq!(error.to_string(), wanted);
        drop(lock);
        drop(Lock::take("tests", what).unwrap());
    }

    #[test]
    fn who_has_it_is_told_only_while_that_can_be_found_out() {
        let what = what("crowd");
        let _lock = Lock::take("tests", what.clone()).unwrap();
        let name = format!("mclag/tests/{what}");
        let mut asked = 0;
        while holder(&name).is_some() {
            asked += 1;
        }
        assert!(asked >= 100, "{asked}");
        let error = Lock::take("tests", what.clone()).unwrap_err();
        assert_eq!(error.to_string(), format!("another tests has {what}"));
    }

    #[test]
    fn a_name_that_is_too_long_is_an_error_and_not_another_name() {
        let error = Lock::take("tests", "x".repeat(200)).unwrap_err();
        assert!(matches!(error, LockError::Io { .. }), "{error}");
    }
}
