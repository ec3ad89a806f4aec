//! A stream of messages that is written to without waiting: what stream sockets have in common.
//!
//! A codec says where messages begin and end. `Framed` would drive one, too, but it reads as long as
//! whole messages come, which would let one side keep the other from everything else, and reports that
//! writing failed before what was said until then is read.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_util::bytes::{Buf as _, BufMut as _, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// A stream, the codec of its messages, and what waits on both sides.
///
/// What waits to be written grows with what is sent; whoever sends asks [`Pipe::buffered`] first.
#[derive(Debug)]
pub struct Pipe<S, C> {
    stream: S,
    codec: C,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// What writing failed with. Reported when there is nothing more to read: the other side
    /// may have said why before it went.
    broken: Option<io::Error>,
    /// What is left to be written of each message, where each is a write of its own.
    lengths: Option<VecDeque<usize>>,
    /// Something of the first of them has left.
    begun: bool,
}

/// What [`Pipe::progress`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// So many bytes were read; none means that the other side has finished.
    Read(usize),
    /// Buffered bytes have left.
    Wrote,
}

impl<S, C> Pipe<S, C> {
    /// A stream with nothing to be sent.
    #[must_use]
    pub fn new(stream: S, codec: C) -> Self {
        Self {
            stream,
            codec,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            broken: None,
            lengths: None,
            begun: false,
        }
    }

    /// A stream to somebody who takes what comes with one write for one message.
    #[must_use]
    pub fn by_message(stream: S, codec: C) -> Self {
        Self {
            lengths: Some(VecDeque::new()),
            ..Self::new(stream, codec)
        }
    }

    /// The stream itself, for its options.
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// The codec itself.
    pub const fn codec(&self) -> &C {
        &self.codec
    }

    /// The codec itself, to go on otherwise.
    pub const fn codec_mut(&mut self) -> &mut C {
        &mut self.codec
    }

    /// Bytes that have not left yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.outgoing.len()
    }

    /// Messages that have not left, or not as a whole, of a stream [`Pipe::by_message`].
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lengths.as_ref().map_or(0, VecDeque::len)
    }

    /// Forget the messages of which nothing has left, of a stream [`Pipe::by_message`].
    pub fn forget_unsent(&mut self) {
        if let Some(lengths) = &mut self.lengths {
            lengths.truncate(usize::from(self.begun));
            self.outgoing.truncate(lengths.iter().sum());
        }
    }

    /// So many bytes have left.
    fn left(&mut self, count: usize) {
        self.outgoing.advance(count);
        if let Some(lengths) = &mut self.lengths
            && let Some(first) = lengths.front_mut()
        {
            *first -= count;
            self.begun = *first > 0;
            if !self.begun {
                lengths.pop_front();
            }
        }
    }
}

impl<S, C: Decoder> Pipe<S, C> {
    /// The next message of what was read, or `None` until there is [`Pipe::progress`].
    ///
    /// # Errors
    ///
    /// Those of the codec.
    pub fn message(&mut self) -> Result<Option<C::Item>, C::Error> {
        self.codec.decode(&mut self.incoming)
    }

    /// The next message of what was read, when the other side has finished.
    ///
    /// # Errors
    ///
    /// Those of the codec, as for what is not a whole message.
    pub fn last_message(&mut self) -> Result<Option<C::Item>, C::Error> {
        self.codec.decode_eof(&mut self.incoming)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, C> Pipe<S, C> {
    /// Add a message to what is to be sent.
    ///
    /// # Errors
    ///
    /// Those of the codec.
    pub fn send<M>(&mut self, message: M) -> Result<(), <C as Encoder<M>>::Error>
    where
        C: Encoder<M>,
    {
        let before = self.buffered();
        if let Err(error) = self.codec.encode(message, &mut self.outgoing) {
            // A part of a message would be taken for the beginning of the next one.
            self.outgoing.truncate(before);
            return Err(error);
        }
        let length = self.buffered() - before;
        if let Some(lengths) = &mut self.lengths
            && length > 0
        {
            lengths.push_back(length);
        }
        Ok(())
    }

    /// Write what can be written and read what can be read, up to so many bytes and none if that is
    /// zero; wait if that is nothing.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// When the stream is unusable.
    pub async fn progress(&mut self, most: usize) -> io::Result<Progress> {
        poll_fn(|cx| self.poll_progress(cx, most)).await
    }

    /// Write what can be written at once. Errors show up in [`Pipe::progress`], which has to be waited
    /// for afterwards.
    pub fn flush_now(&mut self) {
        self.poll_send(&mut Context::from_waker(Waker::noop()));
    }

    /// Send the rest, say that nothing follows, and wait until the other side has finished too.
    ///
    /// Reading to the end matters: a socket closed with unread bytes resets the connection, and
    /// the other side may lose what was sent last.
    pub async fn finish(mut self) {
        let mut shut = false;
        poll_fn(|cx| {
            loop {
                self.poll_send(cx);
                if self.broken.is_some() {
                    return Poll::Ready(());
                }
                if self.buffered() == 0 && !shut {
                    match Pin::new(&mut self.stream).poll_shutdown(cx) {
                        Poll::Ready(Ok(())) => shut = true,
                        Poll::Ready(Err(_)) => return Poll::Ready(()),
                        Poll::Pending => {}
                    }
                }
                self.incoming.clear();
                match self.poll_read(cx, 4096) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    /// The same for whoever waits for several of them.
    pub fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<Progress>> {
        let wrote = self.poll_send(cx);
        if most > 0
            && let Poll::Ready(result) = self.poll_read(cx, most)
        {
            return Poll::Ready(result.map(Progress::Read));
        }
        match self.broken.take() {
            Some(error) => Poll::Ready(Err(error)),
            None if wrote => Poll::Ready(Ok(Progress::Wrote)),
            None => Poll::Pending,
        }
    }

    /// True if something left.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> bool {
        let mut wrote = false;
        while self.broken.is_none() && self.buffered() > 0 {
            let message = self.lengths.as_ref().and_then(|lengths| lengths.front());
            let most = message.copied().unwrap_or(self.outgoing.len());
            match Pin::new(&mut self.stream).poll_write(cx, &self.outgoing[..most]) {
                Poll::Ready(Ok(0)) => self.broken = Some(ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.left(count);
                    wrote = true;
                }
                Poll::Ready(Err(error)) => self.broken = Some(error),
                Poll::Pending => break,
            }
        }
        wrote
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        self.incoming.reserve(most);
        let mut into = (&mut self.incoming).limit(most);
        pin!(self.stream.read_buf(&mut into)).poll(cx)
    }
}

/// The next message of a stream, for a program that has nothing to do until it is there; none if the other
/// side has finished. `incoming` keeps what was read and is not a message yet, also when waiting fails.
///
/// # Errors
///
/// Those of the codec, and of the stream.
pub fn receive<C: Decoder>(
    stream: &mut impl Read,
    codec: &mut C,
    incoming: &mut BytesMut,
) -> Result<Option<C::Item>, C::Error> {
    let mut chunk = [0; 16 * 1024];
    loop {
        if let Some(message) = codec.decode(incoming)? {
            return Ok(Some(message));
        }
        match stream.read(&mut chunk) {
            Ok(0) => return codec.decode_eof(incoming),
            Ok(count) => incoming.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::ReadBuf;
    use tokio_util::codec::LinesCodec;

    use super::*;

    /// What a stream yields, read by read; then it has ended.
    struct Reads(VecDeque<Result<&'static str, ErrorKind>>);

    impl Read for Reads {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(next) = self.0.pop_front() else {
                return Ok(0);
            };
            let bytes = next?.as_bytes();
            into[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn a_blocking_client_gets_messages_however_they_are_cut_and_what_came_of_one_stays() {
        let reads = [
            Ok("on"),
            Err(ErrorKind::Interrupted),
            Ok("e\ntwo\nth"),
            Err(ErrorKind::WouldBlock),
            Ok("ree"),
        ];
        let mut stream = Reads(reads.into());
        let (mut codec, mut incoming) = (LinesCodec::new(), BytesMut::new());
        let mut next = || receive(&mut stream, &mut codec, &mut incoming);
        assert_eq!(next().unwrap().as_deref(), Some("one"));
        assert_eq!(next().unwrap().as_deref(), Some("two"));
        assert!(next().is_err());
        assert_eq!(next().unwrap().as_deref(), Some("three"));
        assert_eq!(next().unwrap(), None);
    }

    /// Finds out that a message is too long when it has written it.
    struct UpToThree;

    impl Encoder<&'static str> for UpToThree {
        type Error = io::Error;

        fn encode(&mut self, message: &'static str, out: &mut BytesMut) -> io::Result<()> {
            out.extend_from_slice(message.as_bytes());
            match message.len() {
                0..=3 => Ok(()),
                _ => Err(io::Error::other("too long")),
            }
        }
    }

    #[test]
    fn of_a_message_that_cannot_be_encoded_nothing_is_left_and_an_empty_one_is_none() {
        let mut pipe = Pipe::by_message(Writes(Vec::new(), VecDeque::new()), UpToThree);
        assert!(pipe.send("four").is_err());
        pipe.send("").unwrap();
        pipe.send("two").unwrap();
        assert_eq!((pipe.buffered(), pipe.waiting()), (3, 1));
    }

    /// Takes so many bytes of the next writes; more would block.
    struct Writes(Vec<Vec<u8>>, VecDeque<usize>);

    impl AsyncWrite for Writes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let Some(most) = self.1.pop_front() else {
                return Poll::Pending;
            };
            let taken = &bytes[..most.min(bytes.len())];
            self.0.push(taken.to_vec());
            Poll::Ready(Ok(taken.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Writes {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn written(writes: &Writes) -> Vec<&str> {
        let writes = writes.0.iter();
        writes.map(|bytes| str::from_utf8(bytes).unwrap()).collect()
    }

    /// `spec/mclagsyncd-protocol.md` 2.4: linux-mclag reads one message at a time.
    #[test]
    fn where_each_message_is_a_write_none_is_merged_and_a_cut_one_is_finished_first() {
        let stream = Writes(Vec::new(), [100, 2, 100, 100].into());
        let mut pipe = Pipe::by_message(stream, LinesCodec::new());
        for line in ["one", "two", "three", "four"] {
            pipe.send(line).unwrap();
        }
        assert_eq!((pipe.waiting(), pipe.buffered()), (4, 19));
        pipe.flush_now();
        assert_eq!(written(pipe.stream()), ["one\n", "tw", "o\n", "three\n"]);
        assert_eq!((pipe.waiting(), pipe.buffered()), (1, 5));
    }

    #[test]
    fn of_messages_that_are_forgotten_the_one_is_finished_that_was_begun() {
        let stream = Writes(Vec::new(), [2].into());
        let mut pipe = Pipe::by_message(stream, LinesCodec::new());
        pipe.send("one").unwrap();
        pipe.send("two").unwrap();
        pipe.flush_now();
        pipe.forget_unsent();
        assert_eq!(pipe.waiting(), 1);
        pipe.send("three").unwrap();
        pipe.stream.1.extend([100, 100]);
        pipe.flush_now();
        assert_eq!(written(pipe.stream()), ["on", "e\n", "three\n"]);
        pipe.send("four").unwrap();
        pipe.forget_unsent();
        assert_eq!((pipe.waiting(), pipe.buffered()), (0, 0));
    }
}
