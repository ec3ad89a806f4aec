//! Keepalives on the paths to the other chassis ([decision 25](../../docs/adr/0025-keepalives-on-paths.md)).
//!
//! They are sent and received on a thread of their own (`thread.rs`), which waits for nobody: the loop of the daemon
//! leaves there, in two numbers, how old its last turn and `syncd`'s last word are. It holds the thread up only while it
//! copies what an operator asks for, or what is to be done. What a keepalive proves is decided in [`iccp_core::path`].
//!
//! Bounds: [`PathSettings::MAX`] paths with a socket each, and no queue but those of the kernel.

mod refusals;
mod seal;
mod socket;
mod thread;

use crate::peer::Protection;
use crate::settings::PathSettings;
use mclag_proto::DomainId;
use mclag_proto::ctl::PathStatus;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thread::Shared;

/// How often the daemon's loop turns at least while there are paths: the age of its last turn says whether it hangs, and
/// not whether there was something to do.
const TURN: Duration = Duration::from_millis(100);

/// The keepalives of this chassis.
#[derive(Debug)]
pub struct Keepalives {
    shared: Arc<Shared>,
    wanted: Option<Wanted>,
    /// Wakes the thread, and ends it when it is closed; none while there is no path.
    thread: Option<UnixStream>,
}

/// What the thread is to do.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Wanted {
    domain: DomainId,
    protection: Protection,
    paths: Vec<PathSettings>,
}

impl Keepalives {
    /// None yet. Times count from `origin`.
    #[must_use]
    pub fn new(origin: Instant) -> Self {
        Self {
            shared: Arc::new(Shared::new(origin)),
            wanted: None,
            thread: None,
        }
    }

    /// Send keepalives of this pair on these paths from now on, and on no others; without a pair, on none. A path that
    /// stays goes on, whatever key it is signed with.
    pub fn follow(
        &mut self,
        domain: Option<DomainId>,
        protection: &Protection,
        paths: &[PathSettings],
    ) {
        let domain = domain.filter(|_| !paths.is_empty());
        let is_known = match (&self.wanted, domain) {
            (None, None) => true,
            (Some(wanted), Some(domain)) => {
                wanted.domain == domain && wanted.protection == *protection && wanted.paths == paths
            }
            _ => false,
        };
        if is_known {
            return;
        }
        self.wanted = domain.map(|domain| Wanted {
            domain,
            protection: *protection,
            paths: paths.to_owned(),
        });
        self.shared.take_on(self.wanted.as_ref());
        if self.wanted.is_none() {
            self.thread = None;
            return;
        }
        if self.thread.is_none() {
            match thread::start(Arc::clone(&self.shared)) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => tracing::error!(%error, "no keepalives: cannot start their thread"),
            }
        }
        if let Some(thread) = &mut self.thread {
            // One that does not read has been woken already.
            let _ = thread.write(&[0]);
        }
    }

    /// The core has completed a turn, and `syncd` said something last at that time, if it is connected.
    pub fn turned(&self, syncd: Option<Instant>) {
        self.shared.turned(syncd);
    }

    /// When the loop is to turn again although nothing happens.
    #[must_use]
    pub fn next_turn(&self) -> Option<Instant> {
        self.thread.as_ref().map(|_| Instant::now() + TURN)
    }

    /// The paths, in the order of the settings.
    #[must_use]
    pub fn status(&self) -> Vec<PathStatus> {
        self.shared.status()
    }
}

#[cfg(test)]
mod tests;
