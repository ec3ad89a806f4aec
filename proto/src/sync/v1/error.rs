//! What can be wrong with a message, with the place and the value.

use super::Dialect;
use crate::addr::{InvalidIfName, InvalidMac};
use crate::sync::frame::FrameError;
use crate::{IfName, Mac};
use std::net::Ipv4Addr;

/// Most characters of a foreign text that an error repeats.
const SHOWN: usize = 40;

/// A message that cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It is longer than a message may be.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The dialect has no such message: its receiver need not be told.
    #[error("{message} is not said in dialect {dialect}")]
    NotInDialect {
        /// The message.
        message: &'static str,
        /// The dialect.
        dialect: Dialect,
    },
    /// A list of ports that would be empty. A linux-mclag server refuses such a message, and the
    /// rest of what it read with it (`spec/mclagsyncd-protocol.md` 4.1).
    #[error("{message} without ports is refused in dialect {dialect}")]
    Empty {
        /// The message.
        message: &'static str,
        /// The dialect.
        dialect: Dialect,
    },
    /// A message about one port that names another number of them.
    #[error("{message} for {count} ports, dialect {dialect} has one")]
    Ports {
        /// The message.
        message: &'static str,
        /// Number of ports.
        count: usize,
        /// The dialect.
        dialect: Dialect,
    },
    /// A name that fills its field, so that a receiver would look for its end behind it.
    #[error("{0} does not fit a field of 20 bytes with its end")]
    Name(IfName),
    /// A name that a list of names would be cut at.
    #[error("{0} cannot stand in a list: ',' parts names and '!' begins one")]
    Separator(IfName),
    /// A forwarding entry that needs a port: an addition, or anything said in the older dialects.
    #[error("forwarding entry of {0} without a port")]
    NoPort(Mac),
    /// A sub-option that is longer than its length field can say.
    #[error("sub-option {kind} of {length} bytes")]
    SubOption {
        /// Its type.
        kind: u8,
        /// Its length.
        length: usize,
    },
}

impl EncodeError {
    /// True when nothing is lost by not sending the message: the dialect has no such thing, or
    /// there is nothing to say. False when the receiver lacks something that it should know.
    #[must_use]
    pub const fn is_harmless(&self) -> bool {
        matches!(self, Self::NotInDialect { .. } | Self::Empty { .. })
    }
}

/// Something in a message that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field} at offset {offset}: {problem}")]
pub struct DecodeError {
    /// Where the field begins, in bytes from the beginning of the message, header included.
    pub offset: usize,
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

impl DecodeError {
    pub(super) const fn new(offset: usize, field: &'static str, problem: Problem) -> Self {
        Self {
            offset,
            field,
            problem,
        }
    }
}

/// A record, or an entry of a list, that was skipped while the others of its message survived.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("entry {index}: {error}")]
pub struct RecordError {
    /// Its number within the message, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub error: DecodeError,
}

/// What is wrong with a field.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The message ends within it.
    #[error("{needed} bytes needed, {left} left")]
    End {
        /// Bytes that the field needs.
        needed: usize,
        /// Bytes that the message has left.
        left: usize,
    },
    /// The message is of another version.
    #[error("{0}, expected 1")]
    Version(u8),
    /// A sub-option that the message cannot do without.
    #[error("sub-option {0} is missing")]
    Missing(u8),
    /// A sub-option holds fewer or more bytes than its type has.
    #[error("{length} bytes, expected {expected}")]
    Length {
        /// What it holds.
        length: usize,
        /// What its type has.
        expected: usize,
    },
    /// A text that names no interface; the beginning of it.
    #[error("{text:?}: {source}")]
    Name {
        /// The beginning of the text.
        text: String,
        /// What is wrong with it.
        source: InvalidIfName,
    },
    /// A text that is no MAC address; the beginning of it.
    #[error("{text:?}: {source}")]
    Mac {
        /// The beginning of the text.
        text: String,
        /// What is wrong with it.
        source: InvalidMac,
    },
    /// Bytes that are no text.
    #[error("not a text: {0}")]
    Text(#[from] std::str::Utf8Error),
    /// A number that is no VLAN.
    #[error("{0} is not within 1..=4094")]
    Vid(u32),
    /// A number that is no domain.
    #[error("{0} is not within 1..=65535")]
    Domain(i32),
    /// A text that is no IPv4 address; the beginning of it.
    #[error("{0:?} is not an IPv4 address")]
    Address(String),
    /// An address that no chassis can have.
    #[error("{0} is not a unicast MAC")]
    Host(Ipv4Addr),
    /// A time that is none.
    #[error("{0} is neither -1 nor within 1..=3600 seconds")]
    Seconds(i32),
    /// An operation that nobody defined.
    #[error("{0} is not known")]
    Op(u32),
    /// A kind of forwarding entry that nobody defined.
    #[error("{0} is not known")]
    Kind(u16),
    /// An addition that does not say where to.
    #[error("empty, but the record adds an entry")]
    NoPort,
}

/// As much of a foreign text as an error repeats.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
