//! What operators are answered: what the core shows, with the words and what only the shell knows added.

use super::Pair;
use crate::ctl::{self, words};
use iccp_core::Time;
use mclag_proto::ctl::{Reply, Request};

impl Pair {
    /// The answer to an operator's question.
    pub(super) fn reply(&self, request: Request, now: Time) -> Reply {
        let Self { domain, peer, .. } = self;
        match request {
            Request::Status => {
                let mut status = domain.status(now);
                status.syncd.last_failure = domain.last_failure().map(words::failure);
                status.lost_log_lines = mclag_daemon::log::lost();
                Reply::Status(Box::new(status))
            }
            Request::Interfaces => Reply::Interfaces {
                interfaces: domain.interfaces(),
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
                state.last_error = domain.session().last_error().map(words::reason);
                state.refused = peer.refused();
                Reply::Peer(Box::new(state))
            }
        }
    }
}
