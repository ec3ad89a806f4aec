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

use mclag_daemon::dial::Backoff;
use mclag_daemon::pipe::{Pipe, Progress};
use mclag_netlink::diag;
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

/// Pauses before it is looked whether a client has read what it was sent.
const LOOKS: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_millis(200));

/// Time between messages to a client of whom nobody knows what it has read: it polls twice at once.
const BLIND_GAP: Duration = Duration::from_secs(1);

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
    /// When a client that polls may be sent the next message.
    turn: Turn,
    /// When a client whose dialect is not known is told the settings.
    settings_at: Option<Instant>,
    pub(crate) counters: Counters,
}

/// When a client that polls may be sent a message. An older `iccpd` loses the second of two that it reads at once
/// (`spec/mclagsyncd-protocol.md` 2.4; 12, item 3).
#[derive(Debug)]
enum Turn {
    /// It has read all that it was sent.
    Now,
    /// It has to read the last one first; looked at again then.
    WhenRead { look_at: Instant, pauses: Backoff },
    /// Nobody can say what it has read, but it polls when it has nothing else to do: not before it has polled
    /// again, nor before that time.
    WhenAsked { has_asked: bool, at: Instant },
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
            turn: Turn::Now,
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
        let answer = match self.turn {
            _ if !is_asked => None,
            Turn::WhenRead { look_at, .. } => Some(look_at),
            Turn::WhenAsked { has_asked, at } => has_asked.then_some(at),
            Turn::Now => None,
        };
        answer.into_iter().chain(self.settings_at).min()
    }

    /// The client polls.
    pub(crate) fn ask(&mut self) {
        if let Some(feed) = &mut self.feed {
            feed.ask();
        }
        if let Turn::WhenAsked { has_asked, .. } = &mut self.turn {
            *has_asked = true;
        }
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
            if dialect.is_polled() && !(feed.is_asked() && self.is_its_turn(now)) {
                return;
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
                        self.turn = self.turn_after(now);
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

    /// Whether a client that polls may be sent the next message now.
    fn is_its_turn(&mut self, now: Instant) -> bool {
        match &mut self.turn {
            Turn::Now => return true,
            Turn::WhenAsked { has_asked, at } => return *has_asked && *at <= now,
            Turn::WhenRead { look_at, .. } if *look_at > now => return false,
            Turn::WhenRead { look_at, pauses } => *look_at = now + pauses.pause(),
        }
        match self.has_read_all() {
            Some(has_read_all) => has_read_all,
            None => {
                self.turn = Turn::WhenAsked {
                    has_asked: false,
                    at: now + BLIND_GAP,
                };
                false
            }
        }
    }

    /// When it may be sent the one behind a message that is sent now.
    fn turn_after(&self, now: Instant) -> Turn {
        match self.turn {
            Turn::WhenAsked { .. } => Turn::WhenAsked {
                has_asked: false,
                at: now + BLIND_GAP,
            },
            Turn::Now | Turn::WhenRead { .. } => {
                let mut pauses = LOOKS;
                let look_at = now + pauses.pause();
                Turn::WhenRead { look_at, pauses }
            }
        }
    }

    /// Whether the client has read all that it was sent; none if nobody can say.
    fn has_read_all(&self) -> Option<bool> {
        let ours = self.pipe.stream().local_addr().ok()?;
        diag::unread_by_peer(ours, self.from).map(|unread| unread == 0)
    }

    fn has_room(&self) -> bool {
        let mut fds = [PollFd::new(self.pipe.stream().as_fd(), PollFlags::POLLOUT)];
        // A socket that cannot be asked is tried.
        poll(&mut fds, PollTimeout::ZERO).map_or(true, |ready| ready > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Read as _;
    use std::net::{Ipv4Addr, SocketAddrV4};

    use mclag_proto::sync::frame::Decoder;
    use mclag_proto::sync::model::FdbKey;
    use mclag_proto::sync::v1::ServerMessage;
    use mclag_proto::{IfName, Mac, Vid};
    use tokio::net::TcpListener;

    use super::*;
    use crate::dataplane::{Actual, EntryKind, FdbEntry};

    /// A dataplane that learned the addresses of so many hosts.
    fn with_hosts(count: u16) -> Actual {
        let port = IfName::new("Ethernet8").unwrap();
        let kind = EntryKind::Dynamic;
        let entry = |number: u16| {
            let [high, low] = number.to_be_bytes();
            let (vid, mac) = (Vid::DEFAULT, Mac([2, 0, 0, 0, high, low]));
            (FdbKey { vid, mac }, FdbEntry { port, kind })
        };
        Actual {
            fdb: (0..count).map(entry).collect(),
            ..Actual::default()
        }
    }

    /// An `iccpd` of linux-mclag, which reads when it comes to it: what a read gives is one message to it, and the
    /// rest of it is lost (`spec/mclagsyncd-protocol.md` 2.2).
    struct OneAtATime {
        stream: std::net::TcpStream,
        macs: HashSet<Mac>,
        /// How many records each message had.
        records: Vec<usize>,
    }

    impl OneAtATime {
        /// Read once; false if there is nothing.
        fn read(&mut self) -> bool {
            let mut buffer = vec![0; 65536];
            let count = match self.stream.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => panic!("{error}"),
            };
            let mut decoder = Decoder::v1();
            decoder.push(&buffer[..count]);
            let frame = decoder.next_frame().unwrap().expect("a whole message");
            let decoded = ServerMessage::decode(&frame, Dialect::LinuxMclag);
            if let ServerMessage::Fdb(records) = decoded.unwrap().unwrap().message {
                self.records.push(records.len());
                self.macs.extend(records.iter().map(|record| record.mac));
            }
            true
        }
    }

    /// A connection that has to tell the addresses of 500 hosts, and its client. `from` is where the connection
    /// believes the client to be.
    async fn polled(from: Option<SocketAddr>, now: Instant) -> (LegacyConnection, OneAtATime) {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let listener = TcpListener::bind(address).await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        let (stream, its) = listener.accept().await.unwrap();
        let place = Place {
            address,
            dialect: Some(Dialect::LinuxMclag),
        };
        let from = from.unwrap_or(its);
        let mut connection = LegacyConnection::new(stream, from, place, now);
        connection.pipe.stream().writable().await.unwrap();
        connection.follow(&Options::default());
        connection.ask();
        let client = OneAtATime {
            stream: client,
            macs: HashSet::new(),
            records: Vec::new(),
        };
        (connection, client)
    }

    /// `spec/mclagsyncd-protocol.md` 12, item 3: messages with a fixed time in between lost 388 of 500 entries.
    #[tokio::test]
    async fn every_entry_arrives_at_a_client_that_reads_one_message_at_a_time_however_slow_it_is() {
        let mut now = Instant::now();
        let (mut connection, mut client) = polled(None, now).await;
        let actual = with_hosts(500);
        for turn in 0..200_u32 {
            // Up to two minutes pass before it reads again.
            for _ in 0..turn * 7 % 120 {
                now += Duration::from_secs(1);
                connection.write(now, |feed| feed.next(&actual, None));
            }
            client.read();
        }
        assert_eq!(client.macs.len(), 500);
        assert_eq!(client.records, [56, 56, 56, 56, 56, 56, 56, 56, 52]);
        assert_eq!(connection.deadline(), None, "there is nothing more to say");
    }

    /// A kernel that does not answer such questions, or a client that is not where it seems to be.
    #[tokio::test]
    async fn a_client_of_whom_nobody_knows_what_it_read_is_sent_one_message_for_each_poll() {
        let mut now = Instant::now();
        let elsewhere = "127.0.0.1:1".parse().unwrap();
        let (mut connection, mut client) = polled(Some(elsewhere), now).await;
        let actual = with_hosts(500);
        let mut write = |connection: &mut LegacyConnection, seconds| {
            for _ in 0..10 * seconds {
                now += Duration::from_millis(100);
                connection.write(now, |feed| feed.next(&actual, None));
            }
        };
        for polls in 1..=9 {
            write(&mut connection, 100);
            assert!(client.read() && !client.read());
            assert_eq!(client.records.len(), polls);
            // Twice at once, as that daemon does when a session comes up.
            connection.ask();
            write(&mut connection, 0);
            connection.ask();
        }
        assert_eq!(client.macs.len(), 500);
    }
}
