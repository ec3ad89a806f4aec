//! Messages to bytes, and a byte stream to messages (`spec/iccp.md` 2).

use super::code::Part;
use super::detect::opening;
use super::error::{DecodeError, Excerpt, Inexpressible};
use super::ext::{Extension, MAX_ORDERS_PER_MESSAGE};
use super::tlv::{MAX_ARPS, MAX_NDISCS};
use super::wire::{Dialect, Fields, Output};
use super::{Body, MAX_MACS_PER_MESSAGE, Message, RgId, Tlv};

/// Largest message in bytes, header included (2.4).
pub const MAX_MESSAGE: usize = HEADER + MAX_LENGTH as usize;

/// Smallest length field: the message id alone (1.3).
pub(super) const MIN_LENGTH: u16 = 4;

/// Largest length field that a legacy receiver has room for (2.4).
pub(super) const MAX_LENGTH: u16 = 65532;

/// Bytes up to and including the length field, which it does not count.
const HEADER: usize = 4;

/// Append `message` to `out` as `dialect` writes it.
///
/// Never writes a message longer than [`MAX_MESSAGE`]: a list too long for one becomes several,
/// and so does any list in linux-mclag, which has one entry in a message. The last of them bears
/// the id of `message`, those before it the ids below, see [`Body::ids`]. An empty list is nothing
/// in linux-mclag.
///
/// Texts are cut at their limit. Of an unknown message or TLV only its type is known, so it is
/// written empty.
///
/// # Errors
///
/// When the dialect does not have the TLV; nothing is written then.
pub fn encode(message: &Message, dialect: Dialect, out: &mut Vec<u8>) -> Result<(), Inexpressible> {
    let mut out = Output::new(out, dialect);
    let Body::Application { rg, tlv } = &message.body else {
        message.encode(&mut out);
        return Ok(());
    };
    if !tlv.is_in(dialect) {
        let part = Part::Tlv(tlv.kind());
        return Err(Inexpressible { part, dialect });
    }
    let list = List { message, rg: *rg };
    match tlv {
        Tlv::MacInfo(all) => list.encode(all, MAX_MACS_PER_MESSAGE, Tlv::MacInfo, &mut out),
        Tlv::ArpInfo(all) => list.encode(all, MAX_ARPS, Tlv::ArpInfo, &mut out),
        Tlv::NdiscInfo(all) => list.encode(all, MAX_NDISCS, Tlv::NdiscInfo, &mut out),
        Tlv::Extension(Extension::MacOrder(all)) => {
            let wrap = |part| Tlv::Extension(Extension::MacOrder(part));
            list.encode(all, MAX_ORDERS_PER_MESSAGE, wrap, &mut out);
        }
        _ => message.encode(&mut out),
    }
    Ok(())
}

/// A message with a list, and the group it is for.
struct List<'a> {
    message: &'a Message,
    rg: RgId,
}

impl List<'_> {
    /// Write the list, `max` of its `entries` in a message of sonic.
    fn encode<T: Clone>(
        self,
        entries: &[T],
        max: usize,
        wrap: fn(Vec<T>) -> Tlv,
        out: &mut Output<'_>,
    ) {
        let (min, max) = match out.dialect() {
            Dialect::Sonic => (0, max),
            Dialect::LinuxMclag => (1, 1),
        };
        if (min..=max).contains(&entries.len()) {
            self.message.encode(out);
            return;
        }
        let mut left = entries.len();
        for part in entries.chunks(max) {
            left -= part.len();
            let later = u32::try_from(left).unwrap_or(u32::MAX);
            let (rg, tlv) = (self.rg, wrap(part.to_vec()));
            let id = self.message.id.wrapping_sub(later);
            let body = Body::Application { rg, tlv };
            Message { id, body }.encode(out);
        }
    }
}

/// Cuts a byte stream into messages, wherever the network has cut it.
///
/// [`Decoder::push`] what was received, then take messages until there are none:
///
/// ```
/// use mclag_proto::iccp::{Body, Decoder, Dialect, Message, encode};
///
/// let message = Message { id: 1, body: Body::Capability };
/// let mut bytes = Vec::new();
/// encode(&message, Dialect::Sonic, &mut bytes)?;
///
/// let mut decoder = Decoder::new(Dialect::Sonic);
/// decoder.push(&bytes[..7]);
/// assert_eq!(decoder.next(), None);
/// decoder.push(&bytes[7..]);
/// assert_eq!(decoder.next(), Some(Ok(message)));
/// assert_eq!(decoder.next(), None);
/// # Ok::<(), mclag_proto::iccp::Inexpressible>(())
/// ```
///
/// * An item is a message, or why one could not be read. Unless [`DecodeError::is_fatal`], the
///   decoder goes on with the next message; after a fatal error it yields nothing more and takes
///   nothing more.
/// * A list with an entry that cannot be read (an impossible VLAN or name) is two items: the
///   message with the readable entries, then [`DecodeError::Entries`], which says what was skipped.
/// * `None` means *not yet*: the iterator goes on after the next `push`.
/// * Once drained, less than one message is buffered ([`MAX_MESSAGE`]).
#[derive(Debug)]
pub struct Decoder {
    dialect: Dialect,
    buffer: Vec<u8>,
    /// Bytes at the start of the buffer that have been taken.
    taken: usize,
    /// What to say about the message delivered last.
    report: Option<DecodeError>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// No message yet: the peer may be anybody.
    Opening,
    /// The first message was of this dialect; types that are not known are tolerated.
    Open,
    /// A fatal error was reported.
    Failed,
}

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            buffer: Vec::new(),
            taken: 0,
            report: None,
            phase: Phase::Opening,
        }
    }

    /// What it reads.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Take what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Failed {
            return;
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes of a message that is not complete yet, once the decoder has been drained; not zero at
    /// the end of the stream means that the peer was cut off.
    #[must_use]
    pub const fn buffered(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// The type of the next message and its size in bytes, when its header is there.
    fn header(&self, bytes: &[u8]) -> Result<Option<(u16, usize)>, DecodeError> {
        if let (Phase::Opening, Some(&first)) = (self.phase, bytes.first_chunk()) {
            self.check_opening(first, bytes)?;
        }
        let Some(&header) = bytes.first_chunk() else {
            return Ok(None);
        };
        let (kind, length) = self.dialect.header(header);
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&length) {
            let part = Part::Message(kind);
            return Err(DecodeError::Length { part, length });
        }
        Ok(Some((kind, HEADER + usize::from(length))))
    }

    /// Whether a stream may begin like this (14): a stranger's third and fourth byte would be
    /// taken for a length and waited for.
    fn check_opening(&self, first: [u8; 2], bytes: &[u8]) -> Result<(), DecodeError> {
        let found = Excerpt::new(bytes);
        let ours = self.dialect;
        match opening(first) {
            Some(theirs) if theirs == ours => Ok(()),
            Some(theirs) => Err(DecodeError::OtherDialect {
                ours,
                theirs,
                found: Excerpt::new(&first),
            }),
            None => Err(DecodeError::Stranger { found }),
        }
    }
}

impl Iterator for Decoder {
    type Item = Result<Message, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(report) = self.report.take() {
            return Some(Err(report));
        }
        let bytes = &self.buffer[self.taken..];
        let (kind, size) = match self.header(bytes) {
            Ok(header) => header?,
            Err(error) => {
                self.phase = Phase::Failed;
                self.buffer = Vec::new();
                self.taken = 0;
                return Some(Err(error));
            }
        };
        let bytes = bytes.get(..size)?;
        let mut fields = Fields::new(bytes, self.dialect, Part::Message(kind));
        let mut report = None;
        let message = fields
            .take(HEADER, "header")
            .and_then(|_| Message::decode(kind, &mut fields, &mut report));
        self.phase = Phase::Open;
        self.taken += size;
        self.report = report;
        Some(message)
    }
}

#[cfg(test)]
mod tests;
