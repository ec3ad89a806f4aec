//! An operator's socket: one JSON object per line each way ([`mclag_proto::ctl`]).
//!
//! A task per client; the daemon sees only questions, each with the place to put its answer, so no client can hold it
//! up. Bounds: as many clients as the daemon says, one question per client, [`MAX_REQUEST`] bytes of request. A client
//! that does not read its answer, or says nothing for a minute, is dropped.
//!
//! When all places are taken, the newest gets that of a client that is waited for: of the user who has most of them, the
//! one that has been for longest. So neither clients that say nothing nor the many of one user lock others out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mclag_proto::ctl::MAX_REQUEST;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::socket::Listener;

const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const ACCEPT_RETRY: Duration = Duration::from_millis(100);
const BUSY: &str = "too many clients at a time";

/// A question and where the answer goes.
#[derive(Debug)]
pub struct Question<Q, A> {
    /// What is asked.
    pub request: Q,
    /// Takes the answer; that nobody waits for it any more is no error.
    pub answer: oneshot::Sender<A>,
}

/// The listening socket, if there is one, and all who ask.
#[derive(Debug)]
pub struct Server<Q, A> {
    listener: Option<Listener>,
    limit: usize,
    /// Makes an answer of what is wrong with a question.
    refusal: fn(String) -> A,
    clients: JoinSet<()>,
    seats: HashMap<Id, Seat>,
    sender: mpsc::Sender<Question<Q, A>>,
    questions: mpsc::Receiver<Question<Q, A>>,
}

/// A client as the one who gives away its place sees it.
#[derive(Debug)]
struct Seat {
    /// None if the system does not say.
    uid: Option<u32>,
    task: AbortHandle,
    pace: Arc<Pace>,
}

/// Since when a client has been waited for, to ask or to take its answer; none while it waits for us.
#[derive(Debug)]
struct Pace(Mutex<Option<Instant>>);

impl Pace {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> Server<Q, A>
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    /// Answer at this socket at most `limit` clients at a time; more are told so and closed, if no other can be. Without
    /// a socket no question ever comes.
    #[must_use]
    pub fn new(listener: Option<Listener>, limit: usize, refusal: fn(String) -> A) -> Self {
        let (sender, questions) = mpsc::channel(limit);
        Self {
            listener,
            limit,
            refusal,
            clients: JoinSet::new(),
            seats: HashMap::new(),
            sender,
            questions,
        }
    }

    /// The next question. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Question<Q, A> {
        loop {
            tokio::select! {
                Some(question) = self.questions.recv() => return question,
                accepted = accept(self.listener.as_mut()) => match accepted {
                    Ok(stream) => self.admit(stream),
                    Err(error) => {
                        tracing::debug!(%error, "accept failed on the control socket");
                        // Usually a lack of descriptors. Questions wait, too, which frees some.
                        sleep(ACCEPT_RETRY).await;
                    }
                },
                Some(ended) = self.clients.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    self.seats.remove(&id);
                }
            }
        }
    }

    fn admit(&mut self, stream: UnixStream) {
        if self.seats.len() >= self.limit && !self.make_room() {
            // Fits any socket buffer; a client that misses it sees the end of the stream.
            let _ = stream.try_write(&line(&(self.refusal)(BUSY.to_owned())));
            return;
        }
        let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
        let pace = Arc::new(Pace(Mutex::new(Some(Instant::now()))));
        let client = Client {
            refusal: self.refusal,
            questions: self.sender.clone(),
            pace: Arc::clone(&pace),
        };
        let task = self.clients.spawn(client.serve(stream));
        self.seats.insert(task.id(), Seat { uid, task, pace });
    }

    /// Close a client that is waited for. False if there is none.
    fn make_room(&mut self) -> bool {
        let of = |uid| self.seats.values().filter(|seat| seat.uid == uid).count();
        let waited_for = self.seats.iter().filter_map(|(id, seat)| {
            let since = seat.pace.get()?;
            Some((Reverse(of(seat.uid)), since, *id))
        });
        let Some((.., id)) = waited_for.min_by_key(|(count, since, _)| (*count, *since)) else {
            return false;
        };
        if let Some(seat) = self.seats.remove(&id) {
            seat.task.abort();
        }
        true
    }
}

/// For ever if there is no socket.
async fn accept(listener: Option<&mut Listener>) -> io::Result<UnixStream> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

struct Client<Q, A> {
    refusal: fn(String) -> A,
    questions: mpsc::Sender<Question<Q, A>>,
    pace: Arc<Pace>,
}

impl<Q: DeserializeOwned, A: Serialize> Client<Q, A> {
    async fn serve(self, stream: UnixStream) {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        loop {
            let mut request = Vec::new();
            let limit = u64::try_from(MAX_REQUEST).unwrap_or(u64::MAX);
            let mut limited = (&mut read).take(limit);
            let reading = limited.read_until(b'\n', &mut request);
            match timeout(IDLE_TIMEOUT, reading).await {
                Ok(Ok(len)) if len > 0 => {}
                Ok(Ok(_) | Err(_)) | Err(_) => return,
            }
            self.pace.set(None);
            let complete = request.ends_with(b"\n");
            let reply = if complete {
                self.answer(&request).await
            } else {
                self.refuse(&format!(
                    "a request is one line of at most {MAX_REQUEST} bytes"
                ))
            };
            self.pace.set(Some(Instant::now()));
            match timeout(WRITE_TIMEOUT, write.write_all(&line(&reply))).await {
                // Where an incomplete line ends is not known.
                Ok(Ok(())) if complete => {}
                _ => return,
            }
        }
    }

    async fn answer(&self, request: &[u8]) -> A {
        let request = match serde_json::from_slice(request) {
            Ok(request) => request,
            Err(cause) => return self.refuse(&format!("cannot read the request: {cause}")),
        };
        let (answer, reply) = oneshot::channel();
        let asked = self.questions.send(Question { request, answer }).await;
        match (asked, reply.await) {
            (Ok(()), Ok(reply)) => reply,
            _ => self.refuse("the daemon is stopping"),
        }
    }

    fn refuse(&self, message: &str) -> A {
        (self.refusal)(message.chars().take(MAX_REQUEST).collect())
    }
}

/// A reply as it travels.
fn line(reply: &impl Serialize) -> Vec<u8> {
    // Replies have no maps with odd keys, and nothing else can fail.
    let mut bytes = serde_json::to_vec(reply).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
