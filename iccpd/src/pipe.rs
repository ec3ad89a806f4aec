//! A byte stream with an outgoing buffer: what both stream sockets have in common.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that is written to without waiting.
///
/// The buffer grows with what is pushed; whoever pushes asks [`Pipe::buffered`] first.
#[derive(Debug)]
pub struct Pipe<S> {
    stream: S,
    out: Vec<u8>,
    /// Bytes at the start of `out` that have left.
    sent: usize,
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

impl<S: AsyncRead + AsyncWrite + Unpin> Pipe<S> {
    /// A stream with nothing to be sent.
    pub const fn new(stream: S) -> Self {
        Self {
            stream,
            out: Vec::new(),
            sent: 0,
            broken: None,
        }
    }

    /// The stream itself, for its options.
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// Where to append what is to be sent.
    pub fn outgoing(&mut self) -> &mut Vec<u8> {
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent > self.out.len() / 2 {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        &mut self.out
    }

    /// Bytes that have not left yet.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Write what can be written and read what can be read; wait if that is nothing.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// When the stream is unusable.
    pub async fn progress(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        poll_fn(|cx| self.poll_progress(cx, buffer)).await
    }

    /// Write what can be written at once. Errors show up in [`Pipe::progress`].
    pub async fn flush_now(&mut self) {
        poll_fn(|cx| {
            self.poll_send(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Send the rest, say that nothing follows, and wait until the other side has finished too.
    ///
    /// Reading to the end matters: a socket closed with unread bytes resets the connection, and
    /// the other side may lose what was sent last.
    pub async fn finish(mut self) {
        let mut shut = false;
        let mut scratch = [0; 4096];
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
                match self.poll_read(cx, &mut scratch) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await;
    }

    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<Progress>> {
        let wrote = self.poll_send(cx);
        match self.poll_read(cx, buffer) {
            Poll::Ready(result) => Poll::Ready(result.map(Progress::Read)),
            Poll::Pending => match self.broken.take() {
                Some(error) => Poll::Ready(Err(error)),
                None if wrote => Poll::Ready(Ok(Progress::Wrote)),
                None => Poll::Pending,
            },
        }
    }

    /// True if something left.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> bool {
        let mut wrote = false;
        while self.broken.is_none() && self.buffered() > 0 {
            match Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]) {
                Poll::Ready(Ok(0)) => self.broken = Some(ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.sent += count;
                    wrote = true;
                }
                Poll::Ready(Err(error)) => self.broken = Some(error),
                Poll::Pending => break,
            }
        }
        wrote
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        Pin::new(&mut self.stream)
            .poll_read(cx, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    }
}
