//! A forwarding database, listed piece by piece while other things happen.

use std::io;

use tokio::time::Instant;

use crate::error::{Failure, NetlinkError};
use crate::fdb::{self, FdbEntry, FdbNews};
use crate::socket::{ANSWER_DEADLINE, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, Socket};

/// A listing that is under way, on a socket of its own. Dropping it ends it.
///
/// The kernel goes on with a listing by position: where the table changes meanwhile, an entry may come twice or
/// not at all. Whoever needs all of them listens to a [`crate::Monitor`] that was opened before, and asks for
/// what was not named ([`crate::Kernel::fdb_entry`]). Each piece costs the kernel time in proportion to the
/// entries in front of it.
#[derive(Debug)]
pub struct FdbListing {
    socket: Socket,
    sequence: u32,
    has_ended: bool,
}

impl FdbListing {
    /// Ask for all entries of a bridge, given by its index. Must be called within a tokio runtime that has I/O and
    /// time enabled.
    ///
    /// # Errors
    ///
    /// When there is no socket for it, or the kernel does not take the question.
    pub async fn begin(bridge: u32) -> Result<Self, NetlinkError> {
        let failed = |error: io::Error| fail(Failure::io(&error));
        let mut socket = Socket::open(netlink_sys::protocols::NETLINK_ROUTE).map_err(failed)?;
        let mut request = fdb::dump_request(bridge);
        request.add_flags(NLM_F_REQUEST | NLM_F_DUMP);
        let sequence = socket.reserve(1);
        socket.send(request.seal(sequence)).await.map_err(fail)?;
        Ok(Self {
            socket,
            sequence,
            has_ended: false,
        })
    }

    /// Some more entries, a few hundred at a time; none when all were listed. May be dropped while waiting without
    /// losing any.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer: the listing is not complete then.
    pub async fn next(&mut self) -> Result<Option<Vec<FdbEntry>>, NetlinkError> {
        while !self.has_ended {
            let mut entries = Vec::new();
            let deadline = Instant::now() + ANSWER_DEADLINE;
            for answer in self.socket.receive(deadline).await.map_err(fail)? {
                match answer.kind {
                    _ if answer.sequence != self.sequence => {}
                    NLMSG_ERROR => Failure::read(answer.flags, answer.body).map_err(fail)?,
                    NLMSG_DONE => {
                        Failure::read_done(answer.flags, answer.body).map_err(fail)?;
                        self.has_ended = true;
                    }
                    _ => {
                        if let Some(FdbNews::Entry(entry)) = fdb::read(&answer) {
                            entries.push(entry);
                        }
                    }
                }
            }
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
        Ok(None)
    }
}

fn fail(failure: Failure) -> NetlinkError {
    NetlinkError::new("list FDB", "bridge", failure)
}
