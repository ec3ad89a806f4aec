//! Neighbours that speak on the wire (`spec/behaviour.md` 11.2).
//!
//! The sockets are the only thing that takes a privilege, `CAP_NET_RAW`, and that only when they
//! are opened: before the process gives up all it has (see `docs/adr/0010-observing-replies.md`).
//! Without it, answers to what the other chassis asked are missed until the host is asked again;
//! all else works.

use mclag_netlink::packet::{Kind, Listener, Sighting, Tap};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Packet sockets, or why there are none.
#[derive(Debug)]
pub struct Taps(io::Result<[Tap; 2]>);

impl Taps {
    /// Open the sockets, if the process may. Needs no runtime.
    #[must_use]
    pub fn open() -> Self {
        let open = || Ok([Tap::open(Kind::Arp)?, Tap::open(Kind::Nd)?]);
        Self(open())
    }

    /// The sockets, as far as there are any.
    #[must_use]
    pub fn sockets(&self) -> Vec<BorrowedFd<'_>> {
        let taps = self.0.iter().flatten();
        taps.map(AsFd::as_fd).collect()
    }

    /// Why answers cannot be observed, if they cannot.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.0.as_ref().err()
    }
}

/// Listens to answers, if there are sockets.
#[derive(Debug, Default)]
pub(super) struct Observer {
    arp: Option<Listener>,
    nd: Option<Listener>,
}

impl Observer {
    /// Must be called within a runtime.
    pub(super) fn new(taps: Taps) -> Self {
        match taps.0 {
            Ok([arp, nd]) => {
                tracing::info!("observing ARP replies and neighbour advertisements");
                Self {
                    arp: listener(arp),
                    nd: listener(nd),
                }
            }
            Err(error) => {
                tracing::info!(
                    %error,
                    "cannot observe ARP replies and neighbour advertisements (takes CAP_NET_RAW \
                     at start); the kernel's own neighbours have to do"
                );
                Self::default()
            }
        }
    }

    /// What is seen next. May be dropped while waiting without losing any.
    pub(super) async fn next(&mut self) -> Vec<Sighting> {
        loop {
            let seen = tokio::select! {
                seen = next(self.arp.as_mut()) => seen,
                seen = next(self.nd.as_mut()) => seen,
            };
            match seen {
                Ok(sightings) => return sightings,
                Err(error) => {
                    tracing::error!(%error, "a packet socket failed, answers are not observed");
                    keep_open(std::mem::take(self));
                }
            }
        }
    }
}

/// Reads what the socket sees; none if it cannot be waited for.
fn listener(tap: Tap) -> Option<Listener> {
    let not_read = |(tap, error)| {
        tracing::error!(%error, "a packet socket cannot be read, its answers are not observed");
        keep_open(tap);
    };
    Listener::new(tap).map_err(not_read).ok()
}

/// Open for good: what got the numbers of the sockets could not send (`mclag_daemon::sandbox::refuse_calls`).
fn keep_open(sockets: impl Sized) {
    std::mem::forget(sockets);
}

async fn next(listener: Option<&mut Listener>) -> io::Result<Vec<Sighting>> {
    match listener {
        Some(listener) => listener.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_daemon::sandbox;

    /// Input: a process without any capability. Output: no sockets, and a reason that names the
    /// lack of permission.
    #[test]
    fn without_privilege_there_are_no_sockets_and_a_reason() {
        // Capabilities are per thread: this one is sacrificed.
        let thread = std::thread::spawn(|| {
            sandbox::enter(None).unwrap();
            let taps = Taps::open();
            let error = taps.error().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
        });
        thread.join().unwrap();
    }

    /// Input: the daemon's own sockets and its filter of system calls, on a thread that is sacrificed. Output: what is
    /// observed can be read, and nothing can be sent.
    #[test]
    fn nothing_can_be_sent_on_the_sockets() {
        let thread = std::thread::spawn(|| {
            let taps = Taps::open();
            let sockets = taps.sockets();
            if sockets.is_empty() {
                eprintln!("taps: skipped: no packet sockets");
                return;
            }
            sandbox::enter(None).unwrap();
            sandbox::refuse_calls(&sockets).unwrap();
            for socket in sockets {
                let sent = nix::unistd::write(socket, &[0; 64]);
                assert_eq!(sent, Err(nix::errno::Errno::EPERM));
                let duplicate = socket.try_clone_to_owned().unwrap_err();
                assert_eq!(duplicate.kind(), io::ErrorKind::PermissionDenied);
            }
        });
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn sockets_that_were_opened_before_are_usable_without_privilege() {
        let taps = Taps::open();
        if taps.error().is_none() {
            let observer = Observer::new(taps);
            assert!(observer.arp.is_some() && observer.nd.is_some());
        }
    }
}
