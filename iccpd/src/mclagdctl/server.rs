//! Answers `mclagdctl`, the legacy one or ours (`spec/mclagdctl-protocol.md`).
//!
//! One socket per dialect, since a request does not say which one it is in (section 9). One
//! request and one reply per connection, then it is closed; a request of an unknown type is not
//! answered. A task per client: the driver sees only questions for a page at a time, so neither a
//! large table nor a slow client can hold it up.
//!
//! Bounds: [`MAX_CLIENTS`], of which [`MAX_TABLES`] may hold a table. When all places are taken, the next
//! client gets that of one that is waited for ([`mclag_daemon::seats`]); if none is, it waits in the
//! backlog, as it waits for a legacy daemon. [`PAGE`] records per question. A client that has not asked
//! within 5 s, or takes nothing for 5 s, is dropped, and any after a minute.

use super::codec::{RequestError, Requests};
use super::view::{Cursor, Page};
use crate::settings::LegacySocket;
use mclag_daemon::pipe::{Pipe, Progress};
use mclag_daemon::seats::{Pace, Seats};
use mclag_daemon::socket::{self, ListenError};
use mclag_proto::mclagdctl::{Command, Dialect, Outcome, ReplyWriter, Request};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// Clients served at a time.
pub const MAX_CLIENTS: usize = 16;

/// Clients of them that may be given a table: each holds all of it while it is sent.
pub const MAX_TABLES: usize = 4;

/// Records in one answer of the driver.
pub const PAGE: usize = 1000;

/// Connections that wait to be accepted (section 1).
const BACKLOG: i32 = 5;

/// How long a client may take to ask, and be silent while it is answered (section 1).
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that is never silent, and never done, is dropped after this time.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A question and where the answer goes.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// In which dialect.
    pub dialect: Dialect,
    /// Of a table: continue behind this entry.
    pub after: Option<Cursor>,
    /// Takes a page of records or the error; that nobody waits for it any more is no error.
    pub answer: oneshot::Sender<Result<Page, Outcome>>,
}

/// The listening sockets. Removed from the file system when dropped.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    seats: Seats,
    context: Context,
    questions: mpsc::Receiver<Question>,
}

/// What every client needs.
#[derive(Clone, Debug)]
struct Context {
    /// Places for those that are given a table.
    tables: Arc<Semaphore>,
    sender: mpsc::Sender<Question>,
    /// How long one may take to ask, and how long to take a part of its answer.
    idle: Duration,
}

#[derive(Debug)]
struct Listener {
    socket: socket::Listener,
    dialect: Dialect,
}

impl Listener {
    fn open(socket: &LegacySocket) -> Result<Self, ListenError> {
        let listening = socket::Listener::bind(socket::Place {
            program: "iccpd",
            path: socket.path.clone(),
            mode: socket.mode,
            group: None,
            backlog: BACKLOG,
        });
        Ok(Self {
            socket: listening?,
            dialect: socket.dialect,
        })
    }
}

impl Server {
    /// Listen on all of these; none is fine. One that cannot be had is left out, and why is
    /// logged: the pair matters more than a way to look at it.
    #[must_use]
    pub fn listen(sockets: &[LegacySocket]) -> Self {
        let mut listeners = Vec::with_capacity(sockets.len());
        for socket in sockets {
            let (path, dialect) = (socket.path.display(), socket.dialect);
            match Listener::open(socket) {
                Ok(listener) => {
                    tracing::info!(%path, %dialect, "listening for mclagdctl");
                    listeners.push(listener);
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(tracing::field::display);
                    tracing::warn!(%path, %error, cause, "cannot listen for mclagdctl");
                }
            }
        }
        let (sender, questions) = mpsc::channel(MAX_CLIENTS);
        Self {
            listeners,
            seats: Seats::new(MAX_CLIENTS),
            context: Context {
                tables: Arc::new(Semaphore::new(MAX_TABLES)),
                sender,
                idle: IDLE_TIMEOUT,
            },
            questions,
        }
    }

    /// The next question. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Question {
        loop {
            let room = self.seats.has_room();
            tokio::select! {
                Some(question) = self.questions.recv() => return question,
                accepted = accept(&mut self.listeners), if room => match accepted {
                    Ok((stream, dialect)) => self.admit(stream, dialect),
                    Err(error) => {
                        tracing::debug!(%error, "accept failed on the socket for mclagdctl");
                        // Usually a lack of descriptors. Questions wait, too, which frees some.
                        sleep(ACCEPT_RETRY).await;
                    }
                },
                () = self.seats.changed() => {}
            }
        }
    }

    fn admit(&mut self, stream: UnixStream, dialect: Dialect) {
        // There is room, or it would not have been accepted.
        self.seats.make_room();
        let context = self.context.clone();
        self.seats.admit(stream, |stream, pace| async move {
            let client = Client {
                context,
                pace,
                pipe: Pipe::new(stream, Requests(dialect)),
            };
            // Too late is as good as gone: the connection is dropped either way.
            let _ = timeout(TOTAL_TIMEOUT, client.serve(dialect)).await;
        });
    }
}

/// A connection to any of the sockets. Waits for ever when there is none.
async fn accept(listeners: &mut [Listener]) -> io::Result<(UnixStream, Dialect)> {
    poll_fn(|context| {
        for listener in &mut *listeners {
            if let Poll::Ready(accepted) = listener.socket.poll_accept(context) {
                return Poll::Ready(accepted.map(|stream| (stream, listener.dialect)));
            }
        }
        Poll::Pending
    })
    .await
}

/// A connection.
#[derive(Debug)]
struct Client {
    context: Context,
    pace: Pace,
    pipe: Pipe<UnixStream, Requests>,
}

impl Client {
    async fn serve(mut self, dialect: Dialect) {
        let request = match timeout(self.context.idle, self.request()).await {
            Ok(Ok(Some(request))) => request,
            Ok(Err(RequestError::Unknown(error))) => {
                tracing::debug!(%error, "request of mclagdctl not understood");
                return;
            }
            Ok(Ok(None) | Err(RequestError::Io(_))) | Err(_) => {
                tracing::debug!("no request of mclagdctl");
                return;
            }
        };
        self.pace.work();
        let table = matches!(request.command, Command::Mac | Command::Arp | Command::Nd);
        let tables = Arc::clone(&self.context.tables);
        let _place = if table {
            tables.acquire().await.ok()
        } else {
            None
        };
        if let Some(reply) = self.context.collect(request, dialect).await {
            self.write(reply).await;
        }
    }

    /// A request, unless the client goes before it is whole.
    async fn request(&mut self) -> Result<Option<Request>, RequestError> {
        loop {
            if let Some(request) = self.pipe.message()? {
                return Ok(Some(request));
            }
            if self.pipe.progress(Request::LEN).await? == Progress::Read(0) {
                return Ok(None);
            }
        }
    }

    async fn write(&mut self, reply: Vec<u8>) {
        let sent = self.pipe.send(reply);
        while sent.is_ok() && self.pipe.buffered() > 0 {
            self.pace.wait();
            if !matches!(
                timeout(self.context.idle, self.pipe.progress(0)).await,
                Ok(Ok(_))
            ) {
                let left = self.pipe.buffered();
                tracing::debug!(left, "mclagdctl does not take its reply");
                return;
            }
        }
    }
}

impl Context {
    /// The whole reply, page by page. The entries of a table that changes meanwhile are those of
    /// different moments, each of them once.
    async fn collect(&self, request: Request, dialect: Dialect) -> Option<Vec<u8>> {
        let mut reply = ReplyWriter::new(request.command, dialect)?;
        let mut after = None;
        loop {
            let (answer, page) = oneshot::channel();
            let question = Question {
                request,
                dialect,
                after,
                answer,
            };
            self.sender.send(question).await.ok()?;
            match page.await.ok()? {
                Ok(Page { data, next }) => {
                    reply.push(&data);
                    match next {
                        // A page that does not lead on would be asked for again and again.
                        Some(next) if after != Some(next) => after = Some(next),
                        _ => return Some(reply.finish(Outcome::Success)),
                    }
                }
                Err(outcome) => return Some(reply.finish(outcome)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
