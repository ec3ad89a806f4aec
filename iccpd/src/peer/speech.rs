//! How the peer speaks: the codec of a connection, which begins by finding that out.

use iccp_core::PeerTraits;
use std::io;

use super::mark;
use mclag_proto::iccp::{DecodeError, Decoder, Detection, Detector, Dialect, Message, encode};
use tokio_util::bytes::{Buf as _, BytesMut};
use tokio_util::codec;

/// The codec of a connection.
#[derive(Debug)]
pub(super) enum Speech {
    /// Nobody knows; nothing can be sent.
    Unknown(Detector),
    /// In the dialect of this decoder.
    Known(Decoder),
}

/// What a peer says.
#[derive(Debug)]
pub(super) enum Heard {
    /// The mark of a native peer that would speak this dialect.
    Mark(Dialect),
    /// What its first bytes tell of the dialect.
    Opening(Detection),
    /// A message.
    Message(Message),
    /// What cannot be read.
    Unreadable(DecodeError),
}

impl Speech {
    /// The dialect is known from now on. False if it was already.
    pub(super) fn decide(&mut self, dialect: Dialect) -> bool {
        let Self::Unknown(detector) = self else {
            return false;
        };
        *self = Self::Known(std::mem::take(detector).into_decoder(dialect));
        true
    }

    pub(super) const fn is_known(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Whether the stream begins as every peer's does; none while that cannot be told.
    pub(super) fn begins_with_capability(&self) -> Option<bool> {
        match self {
            Self::Unknown(detector) => detector.begins_with_capability(),
            Self::Known(_) => None,
        }
    }

    /// Bytes of a message that is not complete.
    pub(super) const fn buffered(&self) -> usize {
        match self {
            Self::Unknown(_) => 0,
            Self::Known(decoder) => decoder.buffered(),
        }
    }
}

impl codec::Decoder for Speech {
    type Item = Heard;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Heard>> {
        if let Self::Unknown(detector) = self
            && detector.is_empty()
            && let Some(dialect) = bytes.first().copied().and_then(mark::dialect)
        {
            bytes.advance(1);
            return Ok(Some(Heard::Mark(dialect)));
        }
        let new = bytes.split();
        Ok(match self {
            Self::Unknown(_) if new.is_empty() => None,
            Self::Unknown(detector) => Some(Heard::Opening(detector.push(&new))),
            Self::Known(decoder) => {
                if !new.is_empty() {
                    decoder.push(&new);
                }
                let heard = decoder.next();
                heard.map(|heard| heard.map_or_else(Heard::Unreadable, Heard::Message))
            }
        })
    }
}

impl codec::Encoder<&Message> for Speech {
    type Error = io::Error;

    fn encode(&mut self, message: &Message, out: &mut BytesMut) -> io::Result<()> {
        let Self::Known(decoder) = self else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        encode(message, decoder.dialect(), &mut bytes).map_err(io::Error::other)?;
        out.extend_from_slice(&bytes);
        Ok(())
    }
}

/// What a dialect can carry.
pub(super) const fn traits(dialect: Dialect) -> PeerTraits {
    match dialect {
        Dialect::Sonic => PeerTraits {
            acknowledges: true,
            orphans: true,
            names_lacp_system: true,
        },
        // The MAC of its last bond (`spec/mclagsyncd-protocol.md` 12).
        Dialect::LinuxMclag => PeerTraits {
            acknowledges: false,
            orphans: false,
            names_lacp_system: false,
        },
    }
}
