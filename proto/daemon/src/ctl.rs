//! An operator's socket: one JSON object per line each way ([`mclag_proto::ctl`]).
//!
//! A task per client; the daemon sees only questions, each with the place to put its answer, so no client can hold it
//! up. Bounds: as many clients as the daemon says ([`crate::seats`]), one question per client, [`MAX_REQUEST`] bytes of
//! request. A client that does not read its answer, or says nothing for a minute, is dropped.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use mclag_proto::ctl::{MAX_REPLY, MAX_REQUEST};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::net::unix::UCred;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::bytes::{BufMut as _, BytesMut};
use tokio_util::codec::{AnyDelimiterCodec, AnyDelimiterCodecError, Decoder, Encoder};

use crate::pipe::{Pipe, Progress};
use crate::seats::{Pace, Seats};
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
    /// Who asks, as the kernel vouches for it; none if it does not.
    pub from: Option<UCred>,
    /// Takes the answer; that nobody waits for it any more is no error.
    pub answer: oneshot::Sender<A>,
}

/// The listening socket, if there is one, and all who ask.
#[derive(Debug)]
pub struct Server<Q, A> {
    listener: Option<Listener>,
    /// Makes an answer of what is wrong with a question.
    refusal: fn(String) -> A,
    seats: Seats,
    sender: mpsc::Sender<Question<Q, A>>,
    questions: mpsc::Receiver<Question<Q, A>>,
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
            refusal,
            seats: Seats::new(limit),
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
                () = self.seats.changed() => {}
            }
        }
    }

    fn admit(&mut self, stream: UnixStream) {
        if !self.seats.make_room() {
            // Fits any socket buffer; a client that misses it sees the end of the stream.
            let mut line = BytesMut::new();
            let busy = (self.refusal)(BUSY.to_owned());
            if Lines::<Q>::requests().encode(busy, &mut line).is_ok() {
                let _ = stream.try_write(&line);
            }
            return;
        }
        let (refusal, questions) = (self.refusal, self.sender.clone());
        self.seats.admit(stream, |stream, pace| {
            let client = Client {
                refusal,
                questions,
                pace,
                pipe: Pipe::new(stream, Lines::requests()),
            };
            client.serve()
        });
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
    pace: Pace,
    pipe: Pipe<UnixStream, Lines<Q>>,
}

impl<Q: DeserializeOwned, A: Serialize> Client<Q, A> {
    async fn serve(mut self) {
        while let Ok(Some(request)) = timeout(IDLE_TIMEOUT, self.request()).await {
            self.pace.work();
            // Where an incomplete line ends is not known.
            let goes_on = !matches!(request, Err(LineError::Incomplete { .. }));
            let reply = match request {
                Ok(request) => self.answer(request).await,
                Err(LineError::Json(error)) => {
                    self.refuse(&format!("cannot read the request: {error}"))
                }
                Err(error) => self.refuse(&error),
            };
            self.pace.wait();
            let written = timeout(WRITE_TIMEOUT, self.write(reply)).await;
            if !goes_on || !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// The next request, or what is wrong with it; none when there is no more.
    async fn request(&mut self) -> Option<Result<Q, LineError>> {
        loop {
            match self.pipe.message() {
                Ok(None) => {}
                Ok(Some(request)) => return Some(Ok(request)),
                Err(error) => return Some(Err(error)),
            }
            match self.pipe.progress(MAX_REQUEST).await {
                Ok(Progress::Read(0)) => return self.pipe.last_message().transpose(),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    async fn write(&mut self, reply: A) -> Result<(), LineError> {
        self.pipe.send(reply)?;
        while self.pipe.buffered() > 0 {
            self.pipe.progress(0).await?;
        }
        Ok(())
    }

    async fn answer(&self, request: Q) -> A {
        let (answer, reply) = oneshot::channel();
        let from = self.pipe.stream().peer_cred().ok();
        let question = Question {
            request,
            from,
            answer,
        };
        let asked = self.questions.send(question).await;
        match (asked, reply.await) {
            (Ok(()), Ok(reply)) => reply,
            _ => self.refuse(&"the daemon is stopping"),
        }
    }

    fn refuse(&self, message: &dyn ToString) -> A {
        (self.refusal)(message.to_string().chars().take(MAX_REQUEST).collect())
    }
}

/// The codec of the socket, for both sides of it: values of `T` come in, each a line of JSON.
#[derive(Debug)]
pub struct Lines<T> {
    lines: AnyDelimiterCodec,
    what: &'static str,
    limit: usize,
    values: PhantomData<fn() -> T>,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is too long, or has no end.
    #[error("a {what} is one line of at most {limit} bytes")]
    Incomplete {
        /// What should be there.
        what: &'static str,
        /// Its longest length in bytes, end of line included.
        limit: usize,
    },
    /// It is not what it should be.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It did not come.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl<T> Lines<T> {
    /// What a daemon reads.
    #[must_use]
    pub fn requests() -> Self {
        Self::new("request", MAX_REQUEST)
    }

    /// What a client reads.
    #[must_use]
    pub fn replies() -> Self {
        Self::new("reply", MAX_REPLY)
    }

    fn new(what: &'static str, limit: usize) -> Self {
        let end_of_line = b"\n".to_vec();
        Self {
            lines: AnyDelimiterCodec::new_with_max_length(end_of_line, Vec::new(), limit - 1),
            what,
            limit,
            values: PhantomData,
        }
    }

    const fn incomplete(&self) -> LineError {
        LineError::Incomplete {
            what: self.what,
            limit: self.limit,
        }
    }
}

impl<T: DeserializeOwned> Decoder for Lines<T> {
    type Item = T;
    type Error = LineError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<T>, LineError> {
        match self.lines.decode(bytes) {
            Ok(None) => Ok(None),
            Ok(Some(line)) => Ok(Some(serde_json::from_slice(&line)?)),
            Err(AnyDelimiterCodecError::MaxChunkLengthExceeded) => Err(self.incomplete()),
            Err(AnyDelimiterCodecError::Io(error)) => Err(error.into()),
        }
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> Result<Option<T>, LineError> {
        match self.decode(bytes)? {
            None if !bytes.is_empty() => Err(self.incomplete()),
            value => Ok(value),
        }
    }
}

impl<T, M: Serialize> Encoder<M> for Lines<T> {
    type Error = LineError;

    fn encode(&mut self, message: M, out: &mut BytesMut) -> Result<(), LineError> {
        serde_json::to_writer(out.writer(), &message)?;
        out.put_u8(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec() -> Lines<u32> {
        Lines::requests()
    }

    #[test]
    fn a_line_is_one_request_wherever_the_stream_is_cut() {
        let stream = b"1\n 22 \n333\n";
        for cut in 0..=stream.len() {
            let (mut codec, mut bytes) = (codec(), BytesMut::new());
            let mut found = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                bytes.extend_from_slice(part);
                while let Some(number) = codec.decode(&mut bytes).unwrap() {
                    found.push(number);
                }
            }
            assert_eq!(found, [1, 22, 333], "{cut}");
            assert!(codec.decode_eof(&mut bytes).unwrap().is_none());
        }
    }

    #[test]
    fn behind_a_line_that_makes_no_sense_the_next_one_is_read() {
        let mut bytes = BytesMut::from(&b"x\n7\n"[..]);
        let error = codec().decode(&mut bytes).unwrap_err();
        assert!(matches!(error, LineError::Json(_)), "{error}");
        assert_eq!(codec().decode(&mut bytes).unwrap(), Some(7));
    }

    #[test]
    fn a_line_has_its_bound_and_an_end() {
        let with = |length: usize| {
            let mut line = vec![b' '; length];
            line[0] = b'7';
            line
        };
        let mut longest = with(MAX_REQUEST);
        longest[MAX_REQUEST - 1] = b'\n';
        let decoded = codec().decode(&mut BytesMut::from(&longest[..]));
        assert_eq!(decoded.unwrap(), Some(7));
        let mut bytes = BytesMut::from(&with(MAX_REQUEST - 1)[..]);
        assert_eq!(codec().decode(&mut bytes).unwrap(), None);
        let error = codec().decode_eof(&mut bytes).unwrap_err();
        assert!(matches!(error, LineError::Incomplete { .. }), "{error}");
        bytes.put_slice(b" \n");
        let error = codec().decode(&mut bytes).unwrap_err();
        assert!(matches!(error, LineError::Incomplete { .. }), "{error}");
    }
}
