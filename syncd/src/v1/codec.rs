//! The framing of version 1 as a codec, whoever speaks: frames come in, messages go out that are
//! encoded already.

use std::io;

use mclag_proto::sync::frame::{self, Frame, FrameError};
use mclag_proto::sync::v1::EncodeError;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

/// The codec of one connection.
#[derive(Debug)]
pub(crate) struct Frames(frame::Decoder);

/// Why a stream ends, or a message does not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nothing behind such a header can be trusted: the stream has no other mark to find the next
    /// message by.
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Frames {
    pub(crate) const fn new() -> Self {
        Self(frame::Decoder::v1())
    }

    /// Bytes of a frame that is not complete.
    pub(crate) const fn pending(&self) -> usize {
        self.0.pending()
    }
}

impl Decoder for Frames {
    type Item = Frame;
    type Error = StreamError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, StreamError> {
        self.0.push(&bytes.split());
        Ok(self.0.next_frame()?)
    }
}

impl Encoder<Vec<u8>> for Frames {
    type Error = StreamError;

    fn encode(&mut self, message: Vec<u8>, out: &mut BytesMut) -> Result<(), StreamError> {
        out.extend_from_slice(&message);
        Ok(())
    }
}
