//! Answers `mclagdctl`, the legacy one or ours (`spec/mclagdctl-protocol.md`).
//!
//! One socket per dialect, since a request does not say which one it is in (section 9). One
//! request and one reply per connection, then it is closed; a request of an unknown type is not
//! answered. A task per client: the driver sees only questions for a page at a time, so neither a
//! large table nor a slow client can hold it up.
//!
//! Bounds: [`MAX_CLIENTS`], of which [`MAX_TABLES`] may hold a table; the next ones wait in the
//! backlog, as they wait for a legacy daemon. [`PAGE`] records per question. A client that says
//! nothing for 5 s, or takes nothing for 5 s, is dropped, and any after a minute.

use super::view::{Cursor, Page};
use crate::settings::LegacySocket;
use mclag_daemon::socket::{self, ListenError};
use mclag_proto::mclagdctl::{Command, Dialect, Outcome, ReplyWriter, Request};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Clients served at a time.
pub const MAX_CLIENTS: usize = 16;

/// Clients of them that may be given a table: each holds all of it while it is sent.
pub const MAX_TABLES: usize = 4;

/// Records in one answer of the driver.
pub const PAGE: usize = 1000;

/// Connections that wait to be accepted (section 1).
const BACKLOG: i32 = 5;

/// Silence after which a client is dropped (section 1).
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
    clients: JoinSet<()>,
    context: Context,
    questions: mpsc::Receiver<Question>,
}

/// What every client needs.
#[derive(Clone, Debug)]
struct Context {
    /// Places for those that are given a table.
    tables: Arc<Semaphore>,
    sender: mpsc::Sender<Question>,
    /// Silence after which one is dropped.
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
            clients: JoinSet::new(),
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
            let room = self.clients.len() < MAX_CLIENTS;
            tokio::select! {
                Some(question) = self.questions.recv() => return question,
                accepted = accept(&mut self.listeners), if room => match accepted {
                    Ok((stream, dialect)) => {
                        let serving = self.context.clone().serve(stream, dialect);
                        self.clients.spawn(async move {
                            // Too late is as good as gone: the connection is dropped either way.
                            let _ = timeout(TOTAL_TIMEOUT, serving).await;
                        });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "accept failed on the socket for mclagdctl");
                        // Usually a lack of descriptors. Questions wait, too, which frees some.
                        sleep(ACCEPT_RETRY).await;
                    }
                },
                Some(_) = self.clients.join_next() => {}
            }
        }
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

impl Context {
    async fn serve(self, mut stream: UnixStream, dialect: Dialect) {
        let Some(wire) = self.read_request(&mut stream).await else {
            return;
        };
        let request = match Request::decode(&wire, dialect) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%error, "request of mclagdctl not understood");
                return;
            }
        };
        let table = matches!(request.command, Command::Mac | Command::Arp | Command::Nd);
        let _place = if table {
            self.tables.acquire().await.ok()
        } else {
            None
        };
        if let Some(reply) = self.collect(request, dialect).await {
            self.write(&mut stream, &reply).await;
        }
    }

    /// A request, unless the client goes or falls silent within it.
    async fn read_request(&self, stream: &mut UnixStream) -> Option<[u8; Request::LEN]> {
        let mut wire = [0; Request::LEN];
        let mut len = 0;
        while len < wire.len() {
            match timeout(self.idle, stream.read(&mut wire[len..])).await {
                Ok(Ok(count)) if count > 0 => len += count,
                _ => {
                    tracing::debug!(len, "no request of mclagdctl");
                    return None;
                }
            }
        }
        Some(wire)
    }

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

    async fn write(&self, stream: &mut UnixStream, mut reply: &[u8]) {
        while !reply.is_empty() {
            match timeout(self.idle, stream.write(reply)).await {
                Ok(Ok(count)) if count > 0 => reply = &reply[count..],
                _ => {
                    tracing::debug!(left = reply.len(), "mclagdctl does not take its reply");
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
