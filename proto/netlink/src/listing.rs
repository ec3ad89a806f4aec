//! Long tables, listed piece by piece while other things happen.

use std::io;

use tokio::time::Instant;

use crate::addr::FAMILIES;
use crate::attr::{Msg, Received};
use crate::error::{Failure, NetlinkError};
use crate::fdb::{self, FdbEntry, FdbNews};
use crate::nexthop::{self, NextHops};
use crate::route::{self, DefaultRoutes};
use crate::socket::{ANSWER_DEADLINE, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, Socket};

/// A dump that is under way, on a socket of its own. Dropping it ends it.
#[derive(Debug)]
struct Dump {
    socket: Socket,
    sequence: u32,
    has_ended: bool,
}

impl Dump {
    fn begin(mut request: Msg) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io(&error);
        let mut socket = Socket::open(netlink_sys::protocols::NETLINK_ROUTE).map_err(failed)?;
        request.add_flags(NLM_F_REQUEST | NLM_F_DUMP);
        let sequence = socket.reserve(1);
        socket.send_first(request.seal(sequence))?;
        Ok(Self {
            socket,
            sequence,
            has_ended: false,
        })
    }

    /// Have `visit` see the messages of the next datagram. May be dropped while waiting without losing any.
    async fn next(&mut self, mut visit: impl FnMut(&Received<'_>)) -> Result<(), Failure> {
        let deadline = Instant::now() + ANSWER_DEADLINE;
        for answer in self.socket.receive(deadline).await? {
            match answer.kind {
                _ if answer.sequence != self.sequence => {}
                NLMSG_ERROR => Failure::read(answer.flags, answer.body)?,
                NLMSG_DONE => {
                    Failure::read_done(answer.flags, answer.body)?;
                    self.has_ended = true;
                }
                _ => visit(&answer),
            }
        }
        Ok(())
    }
}

/// A listing of a forwarding database that is under way. Dropping it ends it.
///
/// The kernel goes on with a listing by position: where the table changes meanwhile, an entry may come twice or
/// not at all. Whoever needs all of them listens to a [`crate::Monitor`] that was opened before, and asks for
/// what was not named ([`crate::Kernel::fdb_entry`]). Each piece costs the kernel time in proportion to the
/// entries in front of it.
#[derive(Debug)]
pub struct FdbListing(Dump);

impl FdbListing {
    /// Ask for all entries of a bridge, given by its index. Must be called within a tokio runtime that has I/O and
    /// time enabled.
    ///
    /// # Errors
    ///
    /// When there is no socket for it, or the kernel does not take the question.
    pub fn begin(bridge: u32) -> Result<Self, NetlinkError> {
        let dump = Dump::begin(fdb::dump_request(bridge));
        dump.map(Self).map_err(fdb_failure)
    }

    /// Some more entries, a few hundred at a time; none when all were listed. May be dropped while waiting without
    /// losing any.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer: the listing is not complete then.
    pub async fn next(&mut self) -> Result<Option<Vec<FdbEntry>>, NetlinkError> {
        while !self.0.has_ended {
            let mut entries = Vec::new();
            let piece = self.0.next(|answer| {
                if let Some(FdbNews::Entry(entry)) = fdb::read(answer) {
                    entries.push(entry);
                }
            });
            piece.await.map_err(fdb_failure)?;
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
        Ok(None)
    }
}

/// A search for where default routes lead to, of any table, IPv4 or IPv6. Dropping it ends it.
///
/// The kernel cannot be asked for default routes alone: a dump is filtered by table, protocol, type and interface, and
/// a look-up answers for one table only. So all routes are looked at.
#[derive(Debug)]
pub struct DefaultRouteListing {
    /// Families whose routes were not asked for yet.
    families: &'static [u8],
    dump: Option<Dump>,
    found: DefaultRoutes,
    /// Those of the kernel, once they were asked for.
    next_hops: Option<NextHops>,
}

impl Default for DefaultRouteListing {
    fn default() -> Self {
        Self {
            families: &FAMILIES,
            dump: None,
            found: DefaultRoutes::default(),
            next_hops: None,
        }
    }
}

impl DefaultRouteListing {
    /// Look at some hundred routes more. None while there may be others, and in the end where all
    /// default routes lead to. Must be called within a tokio runtime that has I/O and time enabled; may be dropped
    /// while waiting without losing anything.
    ///
    /// # Errors
    ///
    /// When the kernel refuses or does not answer: the listing is not complete then.
    pub async fn next(&mut self) -> Result<Option<DefaultRoutes>, NetlinkError> {
        let failed = |failure| NetlinkError::new("list routes", "all", failure);
        let Some(dump) = &mut self.dump else {
            let request = match self.families.split_first() {
                Some((family, rest)) => {
                    self.families = rest;
                    route::dump_request(*family)
                }
                None if self.next_hops.is_none() && !self.found.next_hops.is_empty() => {
                    self.next_hops = Some(NextHops::default());
                    nexthop::dump_request()
                }
                None => {
                    let mut found = std::mem::take(&mut self.found);
                    found.resolve(&self.next_hops.take().unwrap_or_default());
                    return Ok(Some(found));
                }
            };
            self.dump = Some(Dump::begin(request).map_err(failed)?);
            return Ok(None);
        };
        let piece = dump.next(|answer| match &mut self.next_hops {
            Some(next_hops) => next_hops.take_in(answer),
            None => self.found.add(route::read(answer).unwrap_or_default()),
        });
        let has_ended = match piece.await.map_err(failed) {
            Ok(()) => dump.has_ended,
            // A kernel without IPv6 has nothing of it.
            Err(error) if error.is_unsupported() => true,
            Err(error) => return Err(error),
        };
        if has_ended {
            self.dump = None;
        }
        Ok(None)
    }
}

fn fdb_failure(failure: Failure) -> NetlinkError {
    NetlinkError::new("list FDB", "bridge", failure)
}
