//! One connection to a foreign server: what is on its way there, and when to look at it again.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use mclag_proto::sync::frame::Decoder;
use mclag_proto::sync::model::OpError;
use mclag_proto::sync::v1::{ClientMessage, Detector, Dialect, EncodeError, Side};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::{Counters, Place};

/// The server marks no end of what it sends on its own after a connection; it is quiet for this long
/// then, ...
pub(super) const SETTLE_QUIET: Duration = Duration::from_millis(1500);
/// ... and at the latest after this time it counts as complete. A server that named a pair before and
/// sends nothing at all is given as long: its socket takes connections before it serves them.
pub(super) const SETTLE_LATEST: Duration = Duration::from_secs(30);
/// How long a server of unknown dialect may be silent before it is asked for something that only one
/// of them answers, and then before it is taken for a silent one of SONiC
/// (`spec/mclagsyncd-protocol.md` 9.2).
pub(super) const SILENCE: Duration = Duration::from_secs(2);

/// One connection.
#[derive(Debug)]
pub(super) struct ServerConnection {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) detector: Detector,
    /// What is spoken, once that is known; until then the core does not know of the connection.
    pub(super) dialect: Option<Dialect>,
    /// The server was asked for something, to hear how it speaks.
    pub(super) probed: bool,
    pub(super) decoder: Decoder,
    /// Messages that have not left; the first one maybe in part.
    pub(super) out: VecDeque<Vec<u8>>,
    /// Bytes of the first one that have left.
    pub(super) sent: usize,
    /// Batches whose messages have not left.
    pub(super) unanswered: VecDeque<Unanswered>,
    pub(super) queued: u64,
    pub(super) left: u64,
    pub(super) settle: Option<Settle>,
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
    Read(usize),
    Wrote,
    Settled,
    Poll,
}

impl ServerConnection {
    pub(super) fn new(stream: TcpStream, place: Place) -> Self {
        Self {
            stream,
            address: place.address,
            detector: Detector::new(Side::Server, place.dialect),
            dialect: None,
            probed: false,
            decoder: Decoder::v1(),
            out: VecDeque::new(),
            sent: 0,
            unanswered: VecDeque::new(),
            queued: 0,
            left: 0,
            settle: None,
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
        self.out.truncate(usize::from(self.sent > 0));
        self.queued = self.left + u64::from(self.sent > 0);
        self.settle = Some(Settle {
            quiet_at: now + quiet,
            latest: now + SETTLE_LATEST,
        });
        self.poll_at = now;
    }

    /// The server is sending something: not before it is quiet again has it sent everything.
    pub(super) fn heard(&mut self) {
        if let Some(settle) = &mut self.settle {
            settle.quiet_at = Instant::now() + SETTLE_QUIET;
        }
    }

    /// It is no more: what it sent and received, and what it could not send.
    pub(super) fn lost(&mut self) -> Counters {
        for message in self.out.drain(..) {
            self.counters.not_sent(&message, self.dialect);
        }
        self.counters
    }

    /// Nothing for a message that this dialect does not have.
    pub(super) fn queue(&mut self, message: ClientMessage) -> Result<(), EncodeError> {
        let Some(dialect) = self.dialect else {
            return Ok(());
        };
        for part in message.split(dialect) {
            match part.encode(dialect) {
                Ok(bytes) => self.queue_bytes(bytes),
                // What the server does not know it need not be sent.
                Err(error) if error.is_harmless() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn queue_bytes(&mut self, bytes: Vec<u8>) {
        self.queued += 1;
        self.out.push_back(bytes);
    }

    /// True if something left. Each message is one write: a server of linux-mclag does not put
    /// together what it reads in parts (`spec/mclagsyncd-protocol.md` 2.4).
    pub(super) fn poll_send(&mut self, cx: &mut std::task::Context<'_>) -> io::Result<bool> {
        let mut wrote = false;
        while let Some(message) = self.out.front() {
            match Pin::new(&mut self.stream).poll_write(cx, &message[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    wrote = true;
                    self.sent += count;
                    if self.sent == message.len() {
                        self.sent = 0;
                        self.left += 1;
                        self.counters.sent(message, self.dialect);
                        self.out.pop_front();
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(wrote)
    }

    /// Until something happens. Dropping the future loses nothing.
    pub(super) async fn wait(&mut self, buffer: &mut [u8]) -> io::Result<Woke> {
        let is_known = self.dialect.is_some();
        let settle = self.settle.as_ref().filter(|_| is_known);
        let settle = settle.map(|s| s.quiet_at.min(s.latest));
        let is_polled = self.presumed || self.dialect.is_none_or(Dialect::is_polled);
        let poll = is_polled.then_some(self.poll_at);
        let deadline = settle.into_iter().chain(poll).min();
        let progress = poll_fn(|cx| {
            let wrote = match self.poll_send(cx) {
                Ok(wrote) => wrote,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let mut into = ReadBuf::new(buffer);
            match Pin::new(&mut self.stream).poll_read(cx, &mut into) {
                Poll::Ready(Ok(())) => Poll::Ready(Ok(Woke::Read(into.filled().len()))),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending if wrote => Poll::Ready(Ok(Woke::Wrote)),
                Poll::Pending => Poll::Pending,
            }
        });
        let Some(deadline) = deadline else {
            return progress.await;
        };
        tokio::select! {
            result = progress => result,
            () = sleep_until(deadline) => Ok(match settle {
                Some(at) if at <= deadline => Woke::Settled,
                _ => Woke::Poll,
            }),
        }
    }
}
