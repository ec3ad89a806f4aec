//! The operator's socket: one JSON object per line each way
//! ([`mclag_proto::ctl::dataplane`]).
//!
//! A task per client; the server sees only questions, each with the place to put its answer, so no
//! client can hold it up. Bounds: [`MAX_CLIENTS`], one question per client, [`MAX_REQUEST`] bytes
//! of request. A client that does not read its answer, or says nothing for a minute, is dropped.

use std::time::Duration;

use mclag_proto::ctl::MAX_REQUEST;
use mclag_proto::ctl::dataplane::{Reply, Request};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Clients served at a time; more are told so and closed.
pub const MAX_CLIENTS: usize = 8;

const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A question and where the answer goes.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// Takes the answer; that nobody waits for it any more is no error.
    pub answer: oneshot::Sender<Reply>,
}

/// The listening socket, if there is one, and all who ask.
#[derive(Debug)]
pub struct Control {
    listener: Option<UnixListener>,
    clients: JoinSet<()>,
    sender: mpsc::Sender<Question>,
    questions: mpsc::Receiver<Question>,
}

impl Control {
    /// Answer at this socket; at none, no question ever comes.
    #[must_use]
    pub fn new(listener: Option<UnixListener>) -> Self {
        let (sender, questions) = mpsc::channel(MAX_CLIENTS);
        Self {
            listener,
            clients: JoinSet::new(),
            sender,
            questions,
        }
    }

    /// The next question. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Question {
        let Some(listener) = &self.listener else {
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                Some(question) = self.questions.recv() => return question,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if self.clients.len() < MAX_CLIENTS => {
                        self.clients.spawn(serve(stream, self.sender.clone()));
                    }
                    Ok((stream, _)) => {
                        // Fits any socket buffer.
                        let _ = stream.try_write(&line(&error("too many clients at a time")));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "accept failed on the control socket");
                        sleep(ACCEPT_RETRY).await;
                    }
                },
                Some(_) = self.clients.join_next() => {}
            }
        }
    }
}

async fn serve(stream: UnixStream, questions: mpsc::Sender<Question>) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut request = Vec::new();
        let limit = u64::try_from(MAX_REQUEST).unwrap_or(u64::MAX);
        let mut limited = (&mut read).take(limit);
        let reading = limited.read_until(b'\n', &mut request);
        match timeout(IDLE_TIMEOUT, reading).await {
            Ok(Ok(len)) if len > 0 => {}
            _ => return,
        }
        let complete = request.ends_with(b"\n");
        let reply = match complete {
            true => answer(&request, &questions).await,
            false => error(&format!(
                "a request is one line of at most {MAX_REQUEST} bytes"
            )),
        };
        match timeout(WRITE_TIMEOUT, write.write_all(&line(&reply))).await {
            // Where an incomplete line ends is not known.
            Ok(Ok(())) if complete => {}
            _ => return,
        }
    }
}

async fn answer(request: &[u8], questions: &mpsc::Sender<Question>) -> Reply {
    let request = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(cause) => return error(&format!("cannot read the request: {cause}")),
    };
    let (answer, reply) = oneshot::channel();
    let asked = questions.send(Question { request, answer }).await;
    match (asked, reply.await) {
        (Ok(()), Ok(reply)) => reply,
        _ => error("syncd is stopping"),
    }
}

fn error(message: &str) -> Reply {
    Reply::Error {
        message: message.chars().take(MAX_REQUEST).collect(),
    }
}

/// A reply as it travels.
fn line(reply: &Reply) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(reply).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
