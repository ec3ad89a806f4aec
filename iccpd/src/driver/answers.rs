//! What operators are answered: what the core shows, with the words and what only the I/O layer knows added.

use super::Pair;
use crate::ctl::{self, words};
use iccp_core::Time;
use iccp_core::session::SessionState;
use mclag_proto::ctl::{Reply, Request, SessionError};
use nix::unistd::geteuid;

impl Pair {
    /// The answer to an operator's question.
    pub(super) fn reply(&self, request: Request, now: Time) -> Reply {
        let Self { domain, peer, .. } = self;
        match request {
            Request::Status => {
                let mut status = domain.status(now);
                status.syncd.last_failure = domain.last_failure().map(words::failure);
                status.session_error = self.session_error(now);
                status.lost_log_lines = mclag_daemon::log::lost();
                status.runs_as_root = geteuid().is_root();
                Reply::Status(Box::new(status))
            }
            Request::Interfaces => Reply::Interfaces {
                interfaces: domain.interfaces(now),
            },
            Request::Macs { after } => {
                let (macs, next) = domain.macs(after, ctl::PAGE);
                Reply::Macs { macs, next }
            }
            Request::Neighbours { after } => {
                let (neighbours, next) = domain.neighbour_lines(after, ctl::PAGE);
                Reply::Neighbours { neighbours, next }
            }
            Request::Peer => {
                let mut state = domain.peer(now);
                let failure = domain.session().failure();
                state.last_error = failure.map(|failure| words::reason(&failure.reason));
                state.signed = peer.protection().signing.is_signed();
                state.tcp_ao = peer.ao_keys();
                state.ttl_security = peer.protection().full_ttl;
                state.refused = peer.refused();
                Reply::Peer(Box::new(state))
            }
        }
    }

    /// What keeps the session from being up: what is wrong on this chassis before what only follows.
    fn session_error(&self, now: Time) -> Option<SessionError> {
        let Self { domain, peer, .. } = self;
        let session = domain.session();
        if session.state() == SessionState::Exchange {
            return None;
        }
        let missing = domain.address_missing_since().map(|since| {
            let text = format!("address {} is missing here", domain.config().local);
            let for_s = (now - since).as_secs();
            SessionError { text, for_s }
        });
        let failed = || {
            let failure = session.failure()?;
            Some(SessionError {
                text: words::reason(&failure.reason),
                for_s: (now - failure.since).as_secs(),
            })
        };
        missing
            .or_else(|| peer.cannot_listen())
            .or_else(failed)
            .or_else(|| peer.last_refused())
    }
}
