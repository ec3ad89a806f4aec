//! Why received bytes are not a message, and whether the stream survives it.

use std::fmt;

use super::code::Part;
use super::{Dialect, MAX_LENGTH, MIN_LENGTH};

/// Why received bytes could not be read.
///
/// Either the stream has no meaning any more ([`DecodeError::is_fatal`]), or one message of it was
/// dropped in whole or in part. Legacy daemons never answer the latter with a NAK
/// (`spec/iccp.md` 8), and neither should the caller: a NAK makes them ask for everything again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fatal: the first message is one of the other dialect (`spec/iccp.md` 14).
    #[error(
        "the peer speaks the {theirs} dialect of ICCP (its first bytes are {found}), \
         this side speaks {ours}"
    )]
    OtherDialect {
        /// What the decoder was told to expect.
        ours: Dialect,
        /// The dialect found.
        theirs: Dialect,
        /// The first bytes of the stream.
        found: Excerpt,
    },
    /// Fatal: the stream does not begin as ICCP of any dialect does.
    #[error("not an ICCP peer: its stream begins with {found}")]
    Stranger {
        /// The first bytes of the stream.
        found: Excerpt,
    },
    /// Fatal: a length that no message has, so that the next message cannot be found.
    #[error("{part}: length {length} at byte 2 is outside {MIN_LENGTH}..={MAX_LENGTH}")]
    Length {
        /// The message.
        part: Part,
        /// Its length field: number of bytes behind it.
        length: u16,
    },
    /// The message was dropped: it ends before the field does.
    #[error("{part}: ends inside {field} at byte {offset}")]
    Short {
        /// The message or TLV that ends too early.
        part: Part,
        /// The field that does not fit.
        field: &'static str,
        /// Where the field begins, from the start of the message.
        offset: usize,
    },
    /// The message was dropped because of a value.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// Some entries of a list were skipped; the message with the others was delivered just before.
    #[error("{skipped} of {total} entries skipped, the first of them is entry {index}: {first}")]
    Entries {
        /// How many were skipped.
        skipped: usize,
        /// How many there were.
        total: usize,
        /// Position of the first one skipped, from 0.
        index: usize,
        /// What was wrong with it.
        first: BadValue,
    },
}

impl DecodeError {
    /// True if nothing behind the error can be read: the connection must be closed.
    ///
    /// After any other error the decoder goes on with the next message.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        match self {
            Self::OtherDialect { .. } | Self::Stranger { .. } | Self::Length { .. } => true,
            Self::Short { .. } | Self::Value(_) | Self::Entries { .. } => false,
        }
    }
}

/// A TLV was not written, because the dialect of the peer has no place for it.
///
/// Not a fault: the peer would not know what to do with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{part} was not sent: the {dialect} dialect does not have it")]
pub struct Inexpressible {
    /// The TLV.
    pub part: Part,
    /// The dialect that has no place for it.
    pub dialect: Dialect,
}

/// A field with a value that it cannot have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{part}: {field} at byte {offset} is {found}, expected {expected}")]
pub struct BadValue {
    /// The message or TLV.
    pub part: Part,
    /// The field.
    pub field: &'static str,
    /// Where the field begins, from the start of the message.
    pub offset: usize,
    /// What it holds.
    pub found: Found,
    /// What it may hold.
    pub expected: &'static str,
}

/// The value found in a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// A number.
    Number(u32),
    /// Bytes or a text.
    Bytes(Excerpt),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n @ 0..=9) => n.fmt(f),
            Self::Number(n) => write!(f, "{n} (0x{n:x})"),
            Self::Bytes(bytes) => bytes.fmt(f),
        }
    }
}

/// The beginning of received bytes, short enough for a log line.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Excerpt {
    len: u8,
    more: bool,
    bytes: [u8; Self::MAX],
}

impl Excerpt {
    /// Bytes kept.
    pub const MAX: usize = 20;

    /// Keep the first [`Excerpt::MAX`] bytes.
    #[must_use]
    pub fn new(all: &[u8]) -> Self {
        let kept = &all[..all.len().min(Self::MAX)];
        let mut bytes = [0; Self::MAX];
        bytes[..kept.len()].copy_from_slice(kept);
        Self {
            len: u8::try_from(kept.len()).expect("an excerpt has at most 20 bytes"),
            more: kept.len() < all.len(),
            bytes,
        }
    }

    fn kept(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Excerpt {
    /// Text in quotes if it is one, otherwise hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        let is_text = |&b: &u8| matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        if kept.iter().all(is_text) {
            write!(f, "\"{}\"", kept.escape_ascii())?;
        } else {
            for (at, byte) in kept.iter().enumerate() {
                let blank = if at == 0 { "" } else { " " };
                write!(f, "{blank}{byte:02x}")?;
            }
        }
        f.write_str(if self.more { "..." } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_show_text_as_text_and_the_rest_as_hexadecimal() {
        let cases: [(&[u8], &str); 4] = [
            (b"GET / HTTP/1.1\r\n", "\"GET / HTTP/1.1\\r\\n\""),
            (b"", "\"\""),
            (&[0x16, 0x03, 0x01], "16 03 01"),
            (
                b"SSH-2.0-OpenSSH_9.2p1 Debian",
                "\"SSH-2.0-OpenSSH_9.2p\"...",
            ),
        ];
        for (bytes, text) in cases {
            assert_eq!(Excerpt::new(bytes).to_string(), text);
        }
    }

    #[test]
    fn an_error_names_part_field_place_and_value() {
        let error = DecodeError::from(BadValue {
            part: Part::Tlv(0x1038),
            field: "VLAN",
            offset: 60,
            found: Found::Number(4095),
            expected: "1..=4094",
        });
        assert_eq!(
            error.to_string(),
            "MAC Info TLV 0x1038: VLAN at byte 60 is 4095 (0xfff), expected 1..=4094"
        );
    }

    #[test]
    fn errors_stay_small_enough_to_be_returned() {
        assert!(size_of::<DecodeError>() <= 128);
    }
}
