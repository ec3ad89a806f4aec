//! An operator's socket: one JSON object per line each way ([`mclag_proto::ctl`]).
//!
//! A task per client; the daemon sees only questions, each with the place to put its answer, so no client can hold it
//! up. Bounds: as many clients as the daemon says, one question per client, [`MAX_REQUEST`] bytes of request. A client
//! that does not read its answer, or says nothing for a minute, is dropped.

use std::time::Duration;

use mclag_proto::ctl::MAX_REQUEST;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

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
    sender: mpsc::Sender<Question<Q, A>>,
    questions: mpsc::Receiver<Question<Q, A>>,
}

impl<Q, A> Server<Q, A>
where
    Q: DeserializeOwned + Send + 'static,
    A: Serialize + Send + 'static,
{
    /// Answer at this socket at most `limit` clients at a time; more are told so and closed. Without a socket no
    /// question ever comes.
    #[must_use]
    pub fn new(listener: Option<Listener>, limit: usize, refusal: fn(String) -> A) -> Self {
        let (sender, questions) = mpsc::channel(limit);
        Self {
            listener,
            limit,
            refusal,
            clients: JoinSet::new(),
            sender,
            questions,
        }
    }

    /// The next question. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Question<Q, A> {
        let Some(listener) = &mut self.listener else {
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                Some(question) = self.questions.recv() => return question,
                accepted = listener.accept() => match accepted {
                    Ok(stream) if self.clients.len() < self.limit => {
                        let client = Client { refusal: self.refusal, questions: self.sender.clone() };
                        self.clients.spawn(client.serve(stream));
                    }
                    Ok(stream) => {
                        // Fits any socket buffer; a client that misses it sees the end of the stream.
                        let _ = stream.try_write(&line(&(self.refusal)(BUSY.to_owned())));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "accept failed on the control socket");
                        // Usually a lack of descriptors. Questions wait, too, which frees some.
                        sleep(ACCEPT_RETRY).await;
                    }
                },
                Some(_) = self.clients.join_next() => {}
            }
        }
    }
}

struct Client<Q, A> {
    refusal: fn(String) -> A,
    questions: mpsc::Sender<Question<Q, A>>,
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
            let complete = request.ends_with(b"\n");
            let reply = if complete {
                self.answer(&request).await
            } else {
                self.refuse(&format!(
                    "a request is one line of at most {MAX_REQUEST} bytes"
                ))
            };
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
