//! One legacy client's socket, and what waits on both sides of it. Nothing here waits for the
//! client to read or write.
//!
//! Messages are read whatever the client reads: a sonic `iccpd` whose socket is full gives up in
//! the middle of a message (`spec/mclagsyncd-protocol.md` 10, item 9). What is to be told waits in
//! the feed, and becomes a message when the one before is on its way.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mclag_daemon::pipe::{Pipe, Progress};
use mclag_proto::sync::v1::{ClientMessage, Detector, Dialect, Side};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{Feed, Options, Place};
use crate::v1::codec::{Frames, StreamError};

/// Bytes that are read before what they say is carried out.
const READ_AT_ONCE: usize = 256 * 1024;

/// Time between messages that answer one poll: an older `iccpd` loses the second of two that it
/// reads at once (`spec/mclagsyncd-protocol.md` 2.4).
const ANSWER_GAP: Duration = Duration::from_millis(100);

/// How long a client at an address of no dialect may be silent before it is told the settings: a
/// sonic one without a file stays silent until then (`spec/mclagsyncd-protocol.md` 9.1).
const SETTINGS_AFTER: Duration = Duration::from_secs(2);

/// Faults of one connection that are logged one by one; more are counted.
const MAX_LOGGED: u64 = 20;

/// What was counted on a connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Counters {
    /// Messages that were carried out.
    pub(crate) messages: u64,
    /// Messages of a type that the dialect does not have.
    pub(crate) unknown: u64,
    /// Messages that could not be read.
    pub(crate) unreadable: u64,
    /// Records and entries of lists that could not be read, in messages that could.
    pub(crate) skipped: u64,
    /// Messages that were sent.
    pub(crate) sent: u64,
    /// Messages that could not be said.
    pub(crate) unsayable: u64,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            messages,
            unknown,
            unreadable,
            skipped,
            sent,
            unsayable,
        } = self;
        write!(
            f,
            "{messages} messages, {unknown} unknown, {unreadable} unreadable, {skipped} records skipped, \
             {sent} sent, {unsayable} not sendable"
        )
    }
}

/// A connected client.
#[derive(Debug)]
pub(crate) struct LegacyConnection {
    /// Holds one message at the most.
    pipe: Pipe<TcpStream, Frames>,
    /// There was no room for another message.
    is_full: bool,
    pub(crate) from: SocketAddr,
    place: Place,
    detector: Detector,
    /// None before it is known what the client speaks.
    pub(crate) feed: Option<Feed>,
    /// The client polled, and may be sent the next message then.
    answer_at: Option<Instant>,
    /// When a client whose dialect is not known is told the settings.
    settings_at: Option<Instant>,
    pub(crate) counters: Counters,
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("closed by the client")]
    Closed,
    #[error("closed by the client within a message, {0} bytes of it were read")]
    Cut(usize),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("cannot be read: {0}")]
    Malformed(StreamError),
}

impl From<StreamError> for Lost {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Io(error) => error.into(),
            error => Self::Malformed(error),
        }
    }
}

impl LegacyConnection {
    pub(crate) fn new(stream: TcpStream, from: SocketAddr, place: Place, now: Instant) -> Self {
        // A message is one write; nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        Self {
            pipe: Pipe::new(stream, Frames::new()),
            is_full: false,
            from,
            place,
            detector: Detector::new(Side::Client, place.dialect),
            feed: None,
            answer_at: None,
            settings_at: place.dialect.is_none().then_some(now + SETTINGS_AFTER),
            counters: Counters::default(),
        }
    }

    pub(crate) fn is_from(&self, place: &Place) -> bool {
        self.place == *place
    }

    /// What the client speaks, as far as it is known.
    pub(crate) const fn dialect(&self) -> Option<Dialect> {
        self.detector.dialect()
    }

    /// Ready when something was read or written, or there is room to write more.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        if self.is_full && self.pipe.stream().poll_write_ready(cx).is_ready() {
            self.is_full = false;
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(match ready!(self.pipe.poll_progress(cx, READ_AT_ONCE))? {
            Progress::Read(0) => Err(match self.pipe.codec().pending() {
                0 => Lost::Closed,
                pending => Lost::Cut(pending),
            }),
            Progress::Read(_) | Progress::Wrote => Ok(()),
        })
    }

    /// When the next message may be sent to a client that polled, or the settings to a silent one.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let is_asked = self.feed.as_ref().is_some_and(Feed::is_asked);
        let answer = self.answer_at.filter(|_| is_asked);
        answer.into_iter().chain(self.settings_at).min()
    }

    /// Whether a silent client is to be told the settings as if it spoke sonic, which any other
    /// ignores (`spec/mclagsyncd-protocol.md` 9.1). True once.
    pub(crate) fn settings_are_due(&mut self, now: Instant) -> bool {
        let due = self.settings_at.is_some_and(|at| at <= now);
        if due {
            self.settings_at = None;
        }
        due
    }

    /// Begin to tell, or to tell anew, as what the client speaks is known.
    pub(crate) fn follow(&mut self, options: &Options) {
        let Some(dialect) = self.detector.dialect() else {
            return;
        };
        if !self.feed.as_mut().is_some_and(|feed| feed.is_in(dialect)) {
            self.feed = Some(Feed::new(dialect, options));
        }
    }

    /// The next message that was read, and the dialect it was read by. What cannot be read is
    /// logged, counted and skipped.
    pub(crate) fn next_message(&mut self) -> Result<Option<(ClientMessage, Dialect)>, Lost> {
        while let Some(frame) = self.pipe.message()? {
            let known = self.detector.dialect();
            let dialect = self.detector.frame(&frame);
            if dialect != known {
                self.settings_at = None;
                let from = self.from;
                let dialect = dialect.map(tracing::field::display);
                info!(%from, dialect, "legacy client recognised");
            }
            // As long as it is not known: the dialect whose lists are no more than what they name.
            let dialect = dialect.unwrap_or(Dialect::LinuxMclag);
            match ClientMessage::decode(&frame, dialect) {
                Ok(Some(decoded)) => {
                    self.counters.messages += 1;
                    for error in &decoded.skipped {
                        self.counters.skipped += 1;
                        self.complain(frame.kind, error);
                    }
                    return Ok(Some((decoded.message, dialect)));
                }
                Ok(None) => {
                    self.counters.unknown += 1;
                    let (from, kind) = (self.from, frame.kind);
                    debug!(%from, kind, %dialect, "message skipped: no such type");
                }
                Err(error) => {
                    self.counters.unreadable += 1;
                    self.complain(frame.kind, &error);
                }
            }
        }
        Ok(None)
    }

    fn complain(&self, kind: u8, error: &dyn fmt::Display) {
        let from = self.from;
        let faults = self.counters.unreadable + self.counters.skipped;
        match faults {
            0..MAX_LOGGED => warn!(%from, kind, %error, "legacy client says what cannot be read"),
            MAX_LOGGED => {
                warn!(%from, kind, %error, "cannot be read; more of this client is only counted");
            }
            _ => debug!(%from, kind, %error, "cannot be read"),
        }
    }

    /// Write what there is to write, and fill in from the feed as long as the client takes it.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        next: impl Fn(&mut Feed) -> Option<mclag_proto::sync::v1::ServerMessage>,
    ) {
        loop {
            self.pipe.flush_now();
            let dialect = self.detector.dialect().unwrap_or(Dialect::Sonic);
            let Some(feed) = self.feed.as_ref().filter(|_| self.pipe.buffered() == 0) else {
                return;
            };
            if dialect.is_polled() {
                if self.answer_at.is_some_and(|at| at > now) || !feed.is_asked() {
                    return;
                }
                self.answer_at = None;
            }
            // A message is begun when there is room for all of it: a legacy receiver copes badly
            // with parts (`spec/mclagsyncd-protocol.md` 2.4). The socket counts as writable while
            // a third of its buffer is free.
            if !self.has_room() {
                let wait = || Err(io::ErrorKind::WouldBlock.into());
                let _: io::Result<()> = self.pipe.stream().try_io(Interest::WRITABLE, wait);
                self.is_full = true;
                return;
            }
            let Some(message) = self.feed.as_mut().and_then(&next) else {
                return;
            };
            let message = message.encode(dialect).map_err(StreamError::from);
            match message.and_then(|message| self.pipe.send(message)) {
                Ok(()) => {
                    self.counters.sent += 1;
                    if dialect.is_polled() {
                        self.answer_at = Some(now + ANSWER_GAP);
                    }
                }
                Err(error) => {
                    self.counters.unsayable += 1;
                    let from = self.from;
                    warn!(%from, %error, "legacy client cannot be told");
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self.pipe.stream().as_fd(), PollFlags::POLLOUT)];
        // A socket that cannot be asked is tried.
        poll(&mut fds, PollTimeout::ZERO).map_or(true, |ready| ready > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use mclag_proto::sync::frame::Decoder;
    use mclag_proto::sync::model::FdbKey;
    use mclag_proto::sync::v1::ServerMessage;
    use mclag_proto::{IfName, Mac, Vid};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::dataplane::{Actual, EntryKind, FdbEntry};

    /// A dataplane that learned the addresses of so many hosts.
    fn with_hosts(count: u8) -> Actual {
        let port = IfName::new("Ethernet8").unwrap();
        let kind = EntryKind::Dynamic;
        let entry = |last| {
            let (vid, mac) = (Vid::DEFAULT, Mac([2, 0, 0, 0, 0, last]));
            (FdbKey { vid, mac }, FdbEntry { port, kind })
        };
        Actual {
            fdb: (0..count).map(entry).collect(),
            ..Actual::default()
        }
    }

    /// `spec/mclagsyncd-protocol.md` 2.4: at most 56 records in a message, and time between two.
    #[tokio::test]
    async fn a_large_answer_to_a_poll_is_sent_in_parts_with_time_in_between() {
        let dialect = Dialect::LinuxMclag;
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let listener = TcpListener::bind(address).await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(at).await.unwrap();
        let (stream, from) = listener.accept().await.unwrap();
        let start = Instant::now();
        let place = Place {
            address,
            dialect: Some(dialect),
        };
        let mut connection = LegacyConnection::new(stream, from, place, start);
        connection.pipe.stream().writable().await.unwrap();
        connection.follow(&Options::default());
        connection.feed.as_mut().unwrap().ask();

        let actual = with_hosts(120);
        let mut sent_at = Vec::new();
        for after in 0..1000 {
            let now = start + Duration::from_millis(after);
            let before = connection.counters.sent;
            connection.write(now, |feed| feed.next(&actual, None));
            let sent = connection.counters.sent - before;
            sent_at.extend(std::iter::repeat_n(now, usize::try_from(sent).unwrap()));
        }
        for pair in sent_at.windows(2) {
            let gap = pair[1] - pair[0];
            assert!(gap >= Duration::from_millis(50), "{sent_at:?}");
        }
        drop(connection);
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        let mut decoder = Decoder::v1();
        decoder.push(&bytes);
        let mut parts = Vec::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            let decoded = ServerMessage::decode(&frame, dialect).unwrap().unwrap();
            if let ServerMessage::Fdb(records) = decoded.message {
                parts.push(records.len());
            }
        }
        assert_eq!(parts, [56, 56, 8]);
        assert!(sent_at.len() >= parts.len());
    }
}
