//! One connection to a foreign server: what is on its way there, and when to look at it again.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mclag_daemon::dial::Backoff;
use mclag_daemon::pipe::{Pipe, Progress};
use mclag_daemon::time::wait_until;
use mclag_netlink::diag;
use mclag_proto::IfName;
use mclag_proto::mclagdctl::ToSyncd;
use mclag_proto::sync::model::{FdbKey, OpError};
use mclag_proto::sync::v1::{ClientMessage, Detector, Dialect, FdbRecord, Side};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::pace::{NextMessage, Waiting};
use super::{Counters, Place, counters};
use crate::v1::codec::{Frames, StreamError};

/// Bytes that are read at a time.
const READ_CHUNK: usize = 64 * 1024;

/// The server marks no end of what it sends on its own after a connection; it is quiet for this long
/// then, ...
pub(super) const SETTLE_QUIET: Duration = Duration::from_millis(1500);
/// ... and at the latest after this time it counts as complete. What it has learned is waited for as long where
/// it named a pair before and sends nothing at all: its socket takes connections before it serves them.
pub(super) const SETTLE_LATEST: Duration = Duration::from_secs(30);
/// How long a server of unknown dialect may be silent before it is asked for something that only one
/// of them answers, and then before it is taken for a silent one of SONiC
/// (`spec/mclagsyncd-protocol.md` 9.2).
pub(super) const SILENCE: Duration = Duration::from_secs(2);

/// Pauses before it is looked whether the server has read what it was sent.
const LOOKS: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(50));

/// One connection.
#[derive(Debug)]
pub(super) struct ServerConnection {
    /// Each message is one write: a server of linux-mclag does not put together what it reads in
    /// parts (`spec/mclagsyncd-protocol.md` 2.4).
    pub(super) pipe: Pipe<TcpStream, Frames>,
    pub(super) address: SocketAddr,
    pub(super) detector: Detector,
    /// What is spoken, once that is known; until then the core does not know of the connection.
    pub(super) dialect: Option<Dialect>,
    /// The server was asked for something, to hear how it speaks.
    pub(super) probed: bool,
    /// The rows of messages that have not left.
    rows: VecDeque<Option<ToSyncd>>,
    /// What waits for the server to read, if it is one that has to be waited for.
    waiting: Waiting,
    /// When it is looked whether it has read.
    look_at: Option<Instant>,
    looks: Backoff,
    /// Batches whose messages have not left.
    pub(super) unanswered: VecDeque<Unanswered>,
    /// Messages that have left.
    pub(super) left: u64,
    pub(super) settle: Option<Settle>,
    /// What it sends on its own has not been complete yet.
    pub(super) is_listing: bool,
    pub(super) poll_at: Instant,
    /// The dialect was taken for granted, and nothing was received that decides it.
    pub(super) presumed: bool,
    pub(super) counters: Counters,
}

/// A batch whose messages have not left.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) batch: u64,
    /// How many messages have to leave before.
    pub(super) after: u64,
    pub(super) failures: Vec<(u32, OpError)>,
    /// It changes which ports are isolated.
    pub(super) isolates: bool,
}

/// When the server has sent everything that it sends on its own.
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) quiet_at: Instant,
    pub(super) latest: Instant,
}

/// What a wait on a connection ended with.
pub(super) enum Woke {
    /// Something was read or written.
    Progress(Progress),
    Settled,
    Poll,
}

impl ServerConnection {
    pub(super) fn new(stream: TcpStream, place: Place) -> Self {
        Self {
            pipe: Pipe::by_message(stream, Frames::new()),
            address: place.address,
            detector: Detector::new(Side::Server, place.dialect),
            dialect: None,
            probed: false,
            rows: VecDeque::new(),
            waiting: Waiting::default(),
            look_at: None,
            looks: LOOKS,
            unanswered: VecDeque::new(),
            left: 0,
            settle: None,
            is_listing: true,
            poll_at: Instant::now() + SILENCE,
            presumed: false,
            counters: Counters::default(),
        }
    }

    /// The core hears of the connection. What was queued for the core in another dialect is not
    /// sent, and not answered.
    pub(super) fn begin(&mut self, dialect: Dialect, now: Instant, quiet: Duration) {
        self.dialect = Some(dialect);
        self.unanswered.clear();
        self.pipe.forget_unsent();
        self.waiting.clear();
        self.rows.truncate(self.pipe.waiting());
        self.settle = Some(Settle {
            quiet_at: now + quiet,
            latest: now + SETTLE_LATEST,
        });
        self.is_listing = true;
        self.poll_at = now;
    }

    /// The server tells more than a change: what belongs to it follows.
    pub(super) fn expect_the_rest(&mut self) {
        let now = Instant::now();
        self.settle.get_or_insert(Settle {
            quiet_at: now + SETTLE_QUIET,
            latest: now + SETTLE_LATEST,
        });
    }

    /// The server is sending something: not before it is quiet again has it sent everything.
    pub(super) fn heard(&mut self) {
        if let Some(settle) = &mut self.settle {
            settle.quiet_at = Instant::now() + SETTLE_QUIET;
        }
    }

    /// It is no more: what it sent and received, and what it could not send.
    pub(super) fn lost(&mut self) -> Counters {
        for row in self.rows.drain(..).flatten() {
            self.counters.not_sent(row);
        }
        self.counters
    }

    /// Nothing for a message that this dialect does not have. Of the addresses that are `new` the server has nothing.
    pub(super) fn queue(
        &mut self,
        message: ClientMessage,
        new: &HashSet<FdbKey>,
    ) -> Result<(), StreamError> {
        let Some(dialect) = self.dialect else {
            return Ok(());
        };
        if let ClientMessage::SetFdb(records) = &message
            && self.is_paced()
        {
            for record in records {
                // What cannot be said is known at once.
                ClientMessage::SetFdb(vec![*record]).encode(dialect)?;
                self.waiting.push_entry(*record, new);
            }
            return Ok(());
        }
        for part in message.split(dialect) {
            match part.encode(dialect) {
                // What the server does not know it need not be sent.
                Err(error) if error.is_harmless() => {}
                bytes => self.queue_bytes(bytes?)?,
            }
        }
        Ok(())
    }

    pub(super) fn queue_bytes(&mut self, message: Vec<u8>) -> Result<(), StreamError> {
        self.rows.push_back(counters::row(&message, self.dialect));
        if self.is_paced() {
            self.waiting.push_urgent(message);
            return Ok(());
        }
        self.pipe.send(message)
    }

    /// The server takes no more than it reads (`spec/mclagsyncd-protocol.md` 12, item 4).
    pub(super) fn is_paced(&self) -> bool {
        self.dialect == Some(Dialect::LinuxMclag)
    }

    /// The server says that it has something of this address.
    pub(super) fn is_there(&mut self, key: &FdbKey) {
        self.waiting.is_there(key);
    }

    /// Whether the server may be about to forward this address to this port, as it was sent.
    pub(super) fn may_be_carried_out(&self, key: &FdbKey, port: &IfName) -> bool {
        let is_read = || self.unread().is_none_or(|unread| unread == 0);
        self.waiting
            .may_be_carried_out(key, port, is_read, Instant::now())
    }

    /// Write the next of what waits, as far as the server has read what was written.
    pub(super) fn feed(&mut self) {
        self.look_at = None;
        let now = Instant::now();
        while self.pipe.waiting() == 0 && !self.waiting.is_empty() {
            let Some(next) = self.waiting.next(self.unread(), now) else {
                self.look_at = Some(now + self.looks.pause());
                return;
            };
            self.looks.reset();
            let sent = match next {
                NextMessage::Urgent(bytes) => self.pipe.send(bytes),
                NextMessage::Entries(records) => self.send_entries(records),
            };
            if let Err(error) = sent {
                // Each of them was tried before.
                tracing::debug!(%error, "not sent to the mclagsyncd server");
            }
            self.flush_now();
        }
    }

    fn send_entries(&mut self, records: Vec<FdbRecord>) -> Result<(), StreamError> {
        let bytes = ClientMessage::SetFdb(records).encode(Dialect::LinuxMclag)?;
        self.pipe.send(bytes)?;
        self.rows.push_back(Some(ToSyncd::SetFdb));
        Ok(())
    }

    /// Something waits that is no entry.
    pub(super) fn is_pressed(&self) -> bool {
        self.pipe.waiting() > 0 || self.waiting.urgent() > 0
    }

    /// How many bytes the server has not read; none if nobody can say.
    fn unread(&self) -> Option<u32> {
        let stream = self.pipe.stream();
        diag::unread_by_peer(stream.local_addr().ok()?, stream.peer_addr().ok()?)
    }

    /// Everything has left.
    pub(super) fn is_idle(&self) -> bool {
        self.pipe.waiting() == 0 && self.waiting.is_empty()
    }

    /// The number that the last message has which waits.
    pub(super) fn queued(&self) -> u64 {
        self.left + self.rows.len() as u64
    }

    /// Write what the socket takes at once.
    pub(super) fn flush_now(&mut self) {
        self.pipe.flush_now();
        self.count_sent();
    }

    fn count_sent(&mut self) {
        while self.rows.len() > self.pipe.waiting() + self.waiting.urgent() {
            self.left += 1;
            if let Some(row) = self.rows.pop_front().flatten() {
                self.counters.sent(row);
            }
        }
    }

    /// Until something happens. Dropping the future loses nothing.
    pub(super) async fn wait(&mut self) -> io::Result<Woke> {
        let is_known = self.dialect.is_some();
        let settle = self.settle.as_ref().filter(|_| is_known);
        let settle = settle.map(|s| s.quiet_at.min(s.latest));
        let is_polled = self.presumed || self.dialect.is_none_or(Dialect::is_polled);
        let poll = is_polled.then_some(self.poll_at);
        let deadline = settle.into_iter().chain(poll).min();
        let progress = tokio::select! {
            progress = self.pipe.progress(READ_CHUNK) => progress?,
            () = wait_until(self.look_at) => Progress::Wrote,
            () = wait_until(deadline) => return Ok(match settle {
                Some(at) if Some(at) <= deadline => Woke::Settled,
                _ => Woke::Poll,
            }),
        };
        self.count_sent();
        self.feed();
        Ok(Woke::Progress(progress))
    }
}
