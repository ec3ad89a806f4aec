//! The codecs of the socket's two sides: requests of one length, and replies that say theirs
//! (`spec/mclagdctl-protocol.md` 1).

use mclag_proto::mclagdctl::{Dialect, Request, UnknownCommand};
use std::io;
use tokio_util::bytes::{Buf as _, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

/// Longest reply in bytes that is read: a million addresses.
const MAX_REPLY: i32 = 128 << 20;

/// Bytes at the beginning of a reply that say how many follow.
pub(super) const LENGTH_LEN: usize = 4;

/// The daemon's side: requests come in.
#[derive(Debug)]
pub(super) struct Requests(pub(super) Dialect);

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Unknown(#[from] UnknownCommand),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Decoder for Requests {
    type Item = Request;
    type Error = RequestError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Request>, RequestError> {
        let Some(wire) = bytes.first_chunk::<{ Request::LEN }>() else {
            return Ok(None);
        };
        let request = Request::decode(wire, self.0);
        bytes.advance(Request::LEN);
        Ok(Some(request?))
    }
}

impl Encoder<Vec<u8>> for Requests {
    type Error = io::Error;

    fn encode(&mut self, reply: Vec<u8>, out: &mut BytesMut) -> io::Result<()> {
        // Without a copy: it may be a table.
        out.unsplit(BytesMut::from(Bytes::from(reply)));
        Ok(())
    }
}

/// The client's side: replies come in, without the length at their beginning.
#[derive(Debug)]
pub(super) struct Replies;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplyError {
    #[error("no reply has length {0}")]
    Length(i32),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Decoder for Replies {
    type Item = BytesMut;
    type Error = ReplyError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<BytesMut>, ReplyError> {
        let Some(prefix) = bytes.first_chunk() else {
            return Ok(None);
        };
        let length = i32::from_le_bytes(*prefix);
        let counted = match usize::try_from(length) {
            Ok(counted @ 1..) if length <= MAX_REPLY => counted,
            _ => return Err(ReplyError::Length(length)),
        };
        if bytes.len() - LENGTH_LEN < counted {
            return Ok(None);
        }
        bytes.advance(LENGTH_LEN);
        Ok(Some(bytes.split_to(counted)))
    }
}
