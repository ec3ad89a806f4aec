//! A stream of messages that is written to without waiting: what stream sockets have in common.
//!
//! A codec says where messages begin and end. `Framed` would drive one, too, but it reads as long as
//! whole messages come, which would let one side keep the other from everything else, and reports that
//! writing failed before what was said until then is read.

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
        self.codec.encode(message, &mut self.outgoing)
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

    fn poll_progress(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<io::Result<Progress>> {
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
            match Pin::new(&mut self.stream).poll_write(cx, &self.outgoing) {
                Poll::Ready(Ok(0)) => self.broken = Some(ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.outgoing.advance(count);
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
    use std::collections::VecDeque;

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
}
