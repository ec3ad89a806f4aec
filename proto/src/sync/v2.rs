//! Version 2 of the mclagsyncd protocol: messages, and their way to bytes and back
//! (`docs/mclagsyncd-v2.md`, which is enough to write a client in another language).
//!
//! [`ClientMessage`] and [`ServerMessage`] are what the programs work with. What travels are the
//! frozen bodies of the private modules `wire` and `values`. [`Codec`] is
//! either end of a connection without the connection.
//!
//! In short:
//!
//! 1. Each side says hello, once and first.
//! 2. The client sends numbered batches, at most [`ServerHello::window`] of them unanswered. The
//!    server answers each with one result per operation.
//! 3. The server sends numbered frames of events, none beyond the number that the client allowed
//!    last. Without credit it keeps only the latest observation per address.
//! 4. Each side begins with snapshots: whatever they do not name is no longer so.

use std::ops::RangeInclusive;

use crate::sync::frame::{self, Decoder, Frame, FrameError};
use crate::sync::model::{Abilities, Event, Op, OpError};

pub use crate::sync::body::BodyError;
pub use wire::ValueError;

mod values;
mod wire;

#[cfg(test)]
mod tests;

/// The version byte of the frames described here.
pub const VERSION: u8 = 2;

/// Most operations in one batch. Any such batch fits a frame, and so does its answer even if
/// every operation fails with the longest text.
pub const MAX_OPS_PER_BATCH: usize = 256;

/// Most events in one message. Any such message fits a frame.
pub const MAX_EVENTS_PER_MESSAGE: usize = 1024;

/// Longest text in bytes, of an error as of a program's name. The sender cuts longer ones.
pub const MAX_TEXT: usize = 200;

/// What the client (`iccpd`) says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientMessage {
    /// First message, once.
    Hello(ClientHello),
    /// Changes to the wanted state.
    Batch {
        /// 1 for the first batch of a connection, then one more each time.
        number: u64,
        /// At most [`MAX_OPS_PER_BATCH`], carried out in this order.
        ops: Vec<Op>,
    },
    /// Permission to send events.
    Credit {
        /// Greatest number of an [`ServerMessage::Events`] that may be sent. Never shrinks: a
        /// smaller number than before is ignored.
        up_to: u64,
    },
    /// The client leaves for good reason. The dataplane stays as it is.
    Bye,
}

/// What the server (`syncd`) says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerMessage {
    /// Answer to the client's hello; first message, once.
    Hello(ServerHello),
    /// Answer to one batch. Batches are answered in the order of their numbers.
    BatchResult {
        /// Number of the batch.
        number: u64,
        /// One result per operation, in order.
        results: Vec<Result<(), OpError>>,
    },
    /// What the dataplane reported.
    Events {
        /// 1 for the first such message of a connection, then one more each time.
        number: u64,
        /// At most [`MAX_EVENTS_PER_MESSAGE`], in order.
        events: Vec<Event>,
    },
    /// Why the server closes the connection; its last message.
    Error {
        /// Kind of error.
        code: ErrorCode,
        /// What happened, for a person; at most [`MAX_TEXT`] bytes on the wire.
        text: String,
    },
}

/// The client introduces itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientHello {
    /// Versions of the protocol that the client speaks. An empty range is refused.
    pub versions: RangeInclusive<u8>,
    /// Optional parts of the protocol that the client knows.
    pub capabilities: Capabilities,
    /// Name and version of the program, for logs; at most [`MAX_TEXT`] bytes on the wire.
    pub software: String,
    /// First credit, see [`ClientMessage::Credit`].
    pub events_up_to: u64,
}

/// The server introduces itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerHello {
    /// The version that both will speak.
    pub version: u8,
    /// Optional parts of the protocol that both know.
    pub capabilities: Capabilities,
    /// What the dataplane can do.
    pub abilities: Abilities,
    /// Name of the backend, for logs and displays; at most [`MAX_TEXT`] bytes on the wire.
    pub backend: String,
    /// How many batches may be unanswered at a time; at least 1.
    pub window: u32,
}

bitflags::bitflags! {
    /// Optional parts of the protocol, used when both sides announce them.
    ///
    /// Unknown bits are kept and mean nothing, so that a later program can announce more.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct Capabilities: u64 {
        /// Events of the settings of the pair and of VLAN members ([`Event::Settings`],
        /// [`Event::VlanMember`]): a server sends them only to a client that announced this.
        const SETTINGS = 1;
        /// The server's first message of events names the interfaces that are called otherwise by the kernel
        /// ([`Event::Kept`]), and nothing else.
        const NAMES = 1 << 1;
        const _ = !0;
    }
}

/// Why a server closes a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorCode {
    /// No version in common.
    Version,
    /// A frame or a body that cannot be read.
    Malformed,
    /// A message that was not allowed now: a hello that is missing or repeated, a batch with the
    /// wrong number.
    Unexpected,
    /// A newer connection took the place of this one.
    Replaced,
    /// The server is going down.
    Stopping,
    /// The server failed; the text says how.
    Failed,
    /// The user of the client is not allowed to connect.
    Denied,
    /// The server is going down, and takes back what it was told: nothing that it confirmed is so any more.
    Restoring,
    /// A code that this program does not know.
    Other(u32),
}

/// The version to speak: the greatest that both know, if there is one.
#[must_use]
pub fn negotiate(client: &RangeInclusive<u8>, server: &RangeInclusive<u8>) -> Option<u8> {
    let best = *client.end().min(server.end());
    (client.contains(&best) && server.contains(&best)).then_some(best)
}

/// Types of messages, as they stand in the frame's header.
mod kind {
    pub(super) const CLIENT_HELLO: u8 = 0x01;
    pub(super) const BATCH: u8 = 0x02;
    pub(super) const CREDIT: u8 = 0x03;
    pub(super) const BYE: u8 = 0x04;
    pub(super) const SERVER_HELLO: u8 = 0x81;
    pub(super) const BATCH_RESULT: u8 = 0x82;
    pub(super) const EVENTS: u8 = 0x83;
    pub(super) const ERROR: u8 = 0x84;
}

impl ClientMessage {
    /// The message as it travels, header included.
    ///
    /// # Errors
    ///
    /// When a batch holds more than [`MAX_OPS_PER_BATCH`] operations.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let (kind, body) = match self {
            Self::Hello(hello) => (kind::CLIENT_HELLO, wire::encode_client_hello(hello)?),
            Self::Batch { number, ops } => (kind::BATCH, wire::encode_batch(*number, ops)?),
            Self::Credit { up_to } => (kind::CREDIT, wire::encode_credit(*up_to)?),
            Self::Bye => (kind::BYE, Vec::new()),
        };
        Ok(frame::encode(VERSION, kind, &body)?)
    }

    /// The message in a frame; `None` for a version or type that this program does not know,
    /// which is to be skipped.
    ///
    /// # Errors
    ///
    /// When the body is not what the type says.
    pub fn decode(frame: &Frame) -> Result<Option<Self>, DecodeError> {
        if frame.version != VERSION {
            return Ok(None);
        }
        let body = frame.body.as_slice();
        let message = match frame.kind {
            kind::CLIENT_HELLO => wire::decode_client_hello(body).map(Self::Hello),
            kind::BATCH => {
                wire::decode_batch(body).map(|(number, ops)| Self::Batch { number, ops })
            }
            kind::CREDIT => wire::decode_credit(body).map(|up_to| Self::Credit { up_to }),
            kind::BYE => wire::decode_empty(body).map(|()| Self::Bye),
            _ => return Ok(None),
        };
        message.map(Some).map_err(|source| DecodeError::Message {
            kind: frame.kind,
            source,
        })
    }
}

impl ServerMessage {
    /// The message as it travels, header included.
    ///
    /// # Errors
    ///
    /// When there are more than [`MAX_OPS_PER_BATCH`] results or [`MAX_EVENTS_PER_MESSAGE`]
    /// events.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let (kind, body) = match self {
            Self::Hello(hello) => (kind::SERVER_HELLO, wire::encode_server_hello(hello)?),
            Self::BatchResult { number, results } => (
                kind::BATCH_RESULT,
                wire::encode_batch_result(*number, results)?,
            ),
            Self::Events { number, events } => {
                (kind::EVENTS, wire::encode_events(*number, events)?)
            }
            Self::Error { code, text } => (kind::ERROR, wire::encode_error(*code, text)?),
        };
        Ok(frame::encode(VERSION, kind, &body)?)
    }

    /// The message in a frame; `None` for a version or type that this program does not know,
    /// which is to be skipped.
    ///
    /// # Errors
    ///
    /// When the body is not what the type says.
    pub fn decode(frame: &Frame) -> Result<Option<Self>, DecodeError> {
        if frame.version != VERSION {
            return Ok(None);
        }
        let body = frame.body.as_slice();
        let message = match frame.kind {
            kind::SERVER_HELLO => wire::decode_server_hello(body).map(Self::Hello),
            kind::BATCH_RESULT => wire::decode_batch_result(body)
                .map(|(number, results)| Self::BatchResult { number, results }),
            kind::EVENTS => {
                wire::decode_events(body).map(|(number, events)| Self::Events { number, events })
            }
            kind::ERROR => wire::decode_error(body).map(|(code, text)| Self::Error { code, text }),
            _ => return Ok(None),
        };
        message.map(Some).map_err(|source| DecodeError::Message {
            kind: frame.kind,
            source,
        })
    }
}

/// One end of a connection: pushes what was read, takes the messages `M` of the other end.
#[derive(Clone, Debug)]
pub struct Codec<M> {
    decoder: Decoder,
    decode: fn(&Frame) -> Result<Option<M>, DecodeError>,
    skipped: u64,
}

impl Codec<ServerMessage> {
    /// The client's end of a fresh connection.
    #[must_use]
    pub const fn client() -> Self {
        Self::new(ServerMessage::decode)
    }
}

impl Codec<ClientMessage> {
    /// The server's end of a fresh connection.
    #[must_use]
    pub const fn server() -> Self {
        Self::new(ClientMessage::decode)
    }
}

impl<M> Codec<M> {
    const fn new(decode: fn(&Frame) -> Result<Option<M>, DecodeError>) -> Self {
        Self {
            decoder: Decoder::new(),
            decode,
            skipped: 0,
        }
    }

    /// Add what was read. Follow with [`Codec::next_message`] until it has no more.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// The next message of the other end, or `None` until more is pushed.
    ///
    /// # Errors
    ///
    /// When the stream makes no sense; the connection has to be closed then.
    pub fn next_message(&mut self) -> Result<Option<M>, DecodeError> {
        while let Some(frame) = self.decoder.next_frame()? {
            match (self.decode)(&frame)? {
                Some(message) => return Ok(Some(message)),
                None => self.skipped = self.skipped.saturating_add(1),
            }
        }
        Ok(None)
    }

    /// Number of frames that were skipped because their version or type is unknown.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// A message that cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// More operations, results or events than one message may hold.
    #[error("{count} {what} in one message, limit is {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The body cannot be written.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The frame cannot be written.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Received bytes that are not a message. The connection has to be closed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The stream cannot be cut into frames.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A body is not what its type says.
    #[error("message of type {kind:#04x} cannot be read")]
    Message {
        /// Type of the message.
        kind: u8,
        /// What is wrong with it.
        #[source]
        source: ValueError,
    },
}
