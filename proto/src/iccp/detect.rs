//! Which dialect a peer speaks, from its first bytes (`spec/iccp.md` 14).

use super::code::message;
use super::{Body, Decoder, Dialect, Excerpt, MAX_LENGTH, MIN_LENGTH, Message};

/// The length field of the only Capability there is (3.1).
const CAPABILITY_LENGTH: u16 = 12;

/// Finds out the dialect of a peer that speaks first, as legacy daemons do.
///
/// [`Detector::push`] what was received until it is decided, then go on with the decoder:
///
/// ```
/// use mclag_proto::iccp::{Detection, Detector, Dialect};
///
/// let mut detector = Detector::default();
/// assert_eq!(detector.push(&[0x04, 0x04, 0x0c]), Detection::Undecided);
/// let Detection::Decided(dialect) = detector.push(&[0x00, 0x01]) else { panic!() };
/// assert_eq!(dialect, Dialect::LinuxMclag);
///
/// let decoder = detector.into_decoder(dialect);
/// assert_eq!(decoder.buffered(), 5);
/// ```
///
/// Nothing may be sent meanwhile: a peer would take the length of a message in the other dialect
/// for thousands of bytes, and wait for them. While it is undecided less than four bytes are kept.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    bytes: Vec<u8>,
}

/// What the first bytes of a stream say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Detection {
    /// More bytes are needed.
    Undecided,
    /// The peer speaks this dialect.
    Decided(Dialect),
    /// No message of any dialect begins like this: the connection must be closed.
    Impossible {
        /// Where the field begins that no message has.
        offset: usize,
        /// The first bytes of the stream.
        bytes: Excerpt,
    },
}

impl Detector {
    /// Take what was received. The answer is about everything pushed so far.
    pub fn push(&mut self, bytes: &[u8]) -> Detection {
        self.bytes.extend_from_slice(bytes);
        detect(&self.bytes)
    }

    /// Whether nothing was received yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the stream begins with a Capability that can be read, as every peer's does (5).
    /// `None` while more bytes are needed to tell.
    #[must_use]
    pub fn begins_with_capability(&self) -> Option<bool> {
        let dialect = match detect(&self.bytes) {
            Detection::Undecided => return None,
            Detection::Decided(dialect) => dialect,
            Detection::Impossible { .. } => return Some(false),
        };
        let (kind, _) = dialect.header(*self.bytes.first_chunk()?);
        if kind != message::CAPABILITY {
            return Some(false);
        }
        let first = self.clone().into_decoder(dialect).next()?;
        let body = first.map(|Message { body, .. }| body);
        Some(body == Ok(Body::Capability))
    }

    /// A decoder that has been pushed the same bytes.
    #[must_use]
    pub fn into_decoder(self, dialect: Dialect) -> Decoder {
        let mut decoder = Decoder::new(dialect);
        decoder.push(&self.bytes);
        decoder
    }
}

fn detect(bytes: &[u8]) -> Detection {
    let impossible = |offset| {
        let bytes = Excerpt::new(bytes);
        Detection::Impossible { offset, bytes }
    };
    let Some(&first) = bytes.first_chunk() else {
        return Detection::Undecided;
    };
    let Some(dialect) = opening(first) else {
        return impossible(0);
    };
    let Some(&header) = bytes.first_chunk() else {
        return Detection::Undecided;
    };
    let legal = match dialect.header(header) {
        (message::CAPABILITY, length) => length == CAPABILITY_LENGTH,
        (_, length) => (MIN_LENGTH..=MAX_LENGTH).contains(&length),
    };
    if legal {
        Detection::Decided(dialect)
    } else {
        impossible(2)
    }
}

/// The dialect in which these two bytes are the type of a message, without the U bit.
pub(super) const fn opening(first: [u8; 2]) -> Option<Dialect> {
    match u16::from_be_bytes(first) {
        message::CAPABILITY
        | message::CONNECT
        | message::DISCONNECT
        | message::NOTIFICATION
        | message::APPLICATION => return Some(Dialect::Sonic),
        _ => {}
    }
    // The same types, shifted (2.1). None of these words is one of those above.
    match u16::from_le_bytes(first) {
        0x0404 | 0x0e00 | 0x0e02 | 0x0e04 | 0x0e06 => Some(Dialect::LinuxMclag),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
