//! How a dialect writes its integers and type words (`spec/iccp.md` 2.1, 2.3).
//!
//! [`Fields`] reads and [`Output`] writes in the byte order of a [`Dialect`]; the layouts built on
//! them are in the file of each TLV.

use std::fmt;
use std::str::FromStr;

use super::MAX_LENGTH;
use super::code::{Part, tlv::RG_ID};
use super::error::{BadValue, DecodeError, Excerpt, Found};
use crate::bytes::{Reader, UnexpectedEnd, text_field};
use crate::{IfName, Mac, Vid};

/// Which of the earlier daemons' ways to write is used, to the peer as to `mclagdctl`; both ends of a
/// connection must use the same.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Dialect {
    /// Network byte order between peers, as SONiC's daemon speaks today. What SONiC's intermediate
    /// generation writes differently (14.1) is understood, but never written.
    #[default]
    Sonic,
    /// Little-endian with shifted type words, as the linux-mclag daemon of 2019 speaks.
    LinuxMclag,
}

impl Dialect {
    /// Its name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sonic => "sonic",
            Self::LinuxMclag => "linux-mclag",
        }
    }

    /// The one that is not this.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Sonic => Self::LinuxMclag,
            Self::LinuxMclag => Self::Sonic,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        match text {
            "sonic" => Ok(Self::Sonic),
            "linux-mclag" => Ok(Self::LinuxMclag),
            _ => Err(UnknownDialect),
        }
    }
}

/// A text that names no dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a dialect: either sonic or linux-mclag")]
pub struct UnknownDialect;

impl Dialect {
    const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Sonic => u16::from_be_bytes(bytes),
            Self::LinuxMclag => u16::from_le_bytes(bytes),
        }
    }

    const fn u16_bytes(self, value: u16) -> [u8; 2] {
        match self {
            Self::Sonic => value.to_be_bytes(),
            Self::LinuxMclag => value.to_le_bytes(),
        }
    }

    const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Sonic => u32::from_be_bytes(bytes),
            Self::LinuxMclag => u32::from_le_bytes(bytes),
        }
    }

    const fn u32_bytes(self, value: u32) -> [u8; 4] {
        match self {
            Self::Sonic => value.to_be_bytes(),
            Self::LinuxMclag => value.to_le_bytes(),
        }
    }

    /// The 15-bit type in a message's first word. No receiver consults the U bit (8.1).
    const fn message_kind(self, word: u16) -> u16 {
        match self {
            Self::Sonic => word & 0x7fff,
            Self::LinuxMclag => word >> 1,
        }
    }

    const fn message_word(self, kind: u16) -> u16 {
        match self {
            Self::Sonic => kind & 0x7fff,
            Self::LinuxMclag => kind << 1,
        }
    }

    const fn tlv_kind(self, word: u16) -> TlvKind {
        match self {
            Self::Sonic => TlvKind {
                unknown: word & 0x8000 != 0,
                forward: word & 0x4000 != 0,
                kind: word & 0x3fff,
            },
            Self::LinuxMclag => TlvKind {
                unknown: word & 0x0001 != 0,
                forward: word & 0x0002 != 0,
                kind: word >> 2,
            },
        }
    }

    const fn tlv_word(
        self,
        TlvKind {
            unknown,
            forward,
            kind,
        }: TlvKind,
    ) -> u16 {
        match self {
            Self::Sonic => (unknown as u16) << 15 | (forward as u16) << 14 | kind & 0x3fff,
            Self::LinuxMclag => kind << 2 | (forward as u16) << 1 | unknown as u16,
        }
    }

    /// The advertise bit, the S bit of the capability (3.1). The 15 bits beside it are reserved.
    pub(super) const fn advertise(self) -> u16 {
        match self {
            Self::Sonic => 0x8000,
            Self::LinuxMclag => 0x0001,
        }
    }

    /// Type and length of the message that begins with these four bytes.
    pub(super) const fn header(self, [a, b, c, d]: [u8; 4]) -> (u16, u16) {
        (self.message_kind(self.u16([a, b])), self.u16([c, d]))
    }
}

/// The first word of a parameter TLV.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TlvKind {
    /// U bit: a receiver that does not know the type shall not complain.
    pub(super) unknown: bool,
    /// F bit: forward though unknown.
    pub(super) forward: bool,
    /// 14-bit type.
    pub(super) kind: u16,
}

impl TlvKind {
    /// As the RFC draws it, for messages to people.
    pub(super) const fn word(self) -> u16 {
        Dialect::Sonic.tlv_word(self)
    }
}

/// A cursor over the fields of one message or TLV that knows their place for error messages.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
    dialect: Dialect,
    part: Part,
    /// Offset of the first byte behind this part, from the start of the message.
    end: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a whole message.
    pub(super) const fn new(message: &'a [u8], dialect: Dialect, part: Part) -> Self {
        Self {
            reader: Reader::new(message),
            dialect,
            part,
            end: message.len(),
        }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Where the next field begins, from the start of the message.
    pub(super) const fn offset(&self) -> usize {
        self.end - self.reader.len()
    }

    /// Number of bytes not yet read.
    pub(super) const fn len(&self) -> usize {
        self.reader.len()
    }

    fn short(&self, field: &'static str) -> impl FnOnce(UnexpectedEnd) -> DecodeError + use<> {
        let (part, offset) = (self.part, self.offset());
        move |UnexpectedEnd| DecodeError::Short {
            part,
            field,
            offset,
        }
    }

    pub(super) fn take(
        &mut self,
        len: usize,
        field: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let short = self.short(field);
        self.reader.take(len).map_err(short)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let short = self.short(field);
        self.reader.array().map_err(short)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(|bytes| self.dialect.u16(bytes))
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(|bytes| self.dialect.u32(bytes))
    }

    pub(super) fn mac(&mut self, field: &'static str) -> Result<Mac, DecodeError> {
        self.array(field).map(Mac)
    }

    /// A name field of [`IfName::MAX`] bytes: the text up to the first NUL.
    ///
    /// Length bytes beside it are not consulted: the NUL is what every receiver goes by, and what
    /// lies behind it may be stale memory.
    pub(super) fn name(&mut self, field: &'static str) -> Result<IfName, DecodeError> {
        let offset = self.offset();
        let bytes: [u8; IfName::MAX] = self.array(field)?;
        Ok(parse_name(&bytes).map_err(|found| BadValue {
            part: self.part,
            field,
            offset,
            found,
            expected: "an interface name",
        })?)
    }

    /// A MAC address written as text in a field of `N` bytes, up to the first NUL.
    pub(super) fn text_mac<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<Mac, DecodeError> {
        let offset = self.offset();
        let bytes: [u8; N] = self.array(field)?;
        Ok(parse_mac(&bytes).map_err(|found| BadValue {
            part: self.part,
            field,
            offset,
            found,
            expected: "six pairs of hexadecimal digits",
        })?)
    }

    /// How many entries of `len` bytes follow: no more than there is room for.
    pub(super) fn count(&mut self, field: &'static str, len: usize) -> Result<usize, DecodeError> {
        let offset = self.offset();
        let count = self.u16(field)?;
        let total = usize::from(count);
        if total * len > self.len() {
            return Err(self.bad(field, offset, count, "no more than the TLV holds"));
        }
        Ok(total)
    }

    /// `total` entries. One that cannot be read is skipped and reported: those beside it are
    /// good, and nothing would ever send them again.
    ///
    /// `decode` takes a whole entry even if it then refuses it.
    pub(super) fn entries<T>(
        &mut self,
        total: usize,
        report: &mut Option<DecodeError>,
        decode: impl Fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut entries = Vec::with_capacity(total);
        let mut skipped = Skipped::default();
        for index in 0..total {
            entries.extend(skipped.keep(index, decode(self))?);
        }
        *report = skipped.report(total);
        Ok(entries)
    }

    /// Everything not yet read, without reading it.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    /// A TLV's header, and a cursor confined to its value.
    pub(super) fn tlv(&mut self) -> Result<(TlvKind, Fields<'a>), DecodeError> {
        let word = self.u16("TLV type")?;
        let kind = self.dialect.tlv_kind(word);
        let part = Part::Tlv(kind.kind);
        let (offset, length) = (self.offset(), self.u16("TLV length")?);
        let inside = self.reader.sub(usize::from(length));
        let reader = inside.map_err(|UnexpectedEnd| BadValue {
            part,
            field: "TLV length",
            offset,
            found: Found::Number(length.into()),
            expected: "no more than the message holds",
        })?;
        let value = Fields {
            reader,
            dialect: self.dialect,
            part,
            end: self.offset(),
        };
        Ok((kind, value))
    }

    /// The error that the field which began at `offset` holds what it may not.
    pub(super) fn bad(
        &self,
        field: &'static str,
        offset: usize,
        found: impl Into<u32>,
        expected: &'static str,
    ) -> DecodeError {
        let (part, found) = (self.part, Found::Number(found.into()));
        DecodeError::Value(BadValue {
            part,
            field,
            offset,
            found,
            expected,
        })
    }
}

fn parse_name(field: &[u8]) -> Result<IfName, Found> {
    let text = text_field(field).map_err(|_| Found::Bytes(Excerpt::new(field)))?;
    IfName::new(text).map_err(|_| Found::Bytes(Excerpt::new(text.as_bytes())))
}

fn parse_mac(field: &[u8]) -> Result<Mac, Found> {
    let text = text_field(field).map_err(|_| Found::Bytes(Excerpt::new(field)))?;
    let mac = text.parse();
    mac.map_err(|_| Found::Bytes(Excerpt::new(text.as_bytes())))
}

/// What a list of entries lost: one bad entry must not cost the good ones beside it.
#[derive(Debug, Default)]
struct Skipped {
    count: usize,
    first: Option<(usize, BadValue)>,
}

impl Skipped {
    /// Keep what is readable of an entry, remember that it was not.
    ///
    /// # Errors
    ///
    /// Anything but a bad value concerns the message, not the entry.
    fn keep<T>(
        &mut self,
        index: usize,
        entry: Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match entry {
            Ok(entry) => Ok(Some(entry)),
            Err(DecodeError::Value(bad)) => {
                self.count += 1;
                self.first.get_or_insert((index, bad));
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    /// The report on a list of `total` entries, if any was skipped.
    fn report(self, total: usize) -> Option<DecodeError> {
        let skipped = self.count;
        self.first.map(|(index, first)| DecodeError::Entries {
            skipped,
            total,
            index,
            first,
        })
    }
}

/// A VLAN identifier; the error is the caller's to place.
pub(super) fn vid(fields: &mut Fields<'_>, field: &'static str) -> Result<Vid, DecodeError> {
    let offset = fields.offset();
    let raw = fields.u16(field)?;
    Vid::new(raw).ok_or_else(|| fields.bad(field, offset, raw, "1..=4094"))
}

/// Appends to a buffer in the byte order of a dialect.
#[derive(Debug)]
pub(super) struct Output<'a> {
    out: &'a mut Vec<u8>,
    dialect: Dialect,
}

impl<'a> Output<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>, dialect: Dialect) -> Self {
        Self { out, dialect }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.put(&self.dialect.u16_bytes(value));
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.put(&self.dialect.u32_bytes(value));
    }

    pub(super) fn zeros<const N: usize>(&mut self) {
        self.put(&[0; N]);
    }

    /// Zero bytes of a number that is known only now.
    pub(super) fn filler(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, 0);
    }

    /// A name field, padded with NUL.
    ///
    /// A name of the full 20 bytes leaves no room for the NUL that a legacy receiver relies on;
    /// no interface of a Linux kernel has one.
    pub(super) fn name(&mut self, name: &IfName) {
        let mut field = [0; IfName::MAX];
        let text = name.as_str().as_bytes();
        field[..text.len()].copy_from_slice(text);
        self.put(&field);
    }

    /// A MAC address as text in a field of `N` bytes, padded with NUL: legacy receivers compare
    /// the text, so it is always written in the one way that they write it.
    pub(super) fn text_mac<const N: usize>(&mut self, mac: Mac) {
        let mut field = [0; N];
        let text = mac.to_string();
        field[..text.len()].copy_from_slice(text.as_bytes());
        self.put(&field);
    }

    /// The byte that repeats a name's length beside its field.
    pub(super) fn name_length(&mut self, name: &IfName) {
        let length = u8::try_from(name.as_str().len());
        self.u8(length.expect("a name has at most 20 bytes"));
    }

    /// The number of entries that follow.
    pub(super) fn count(&mut self, entries: usize) {
        let count = u16::try_from(entries);
        self.u16(count.expect("lists are split before they exceed a message"));
    }

    /// A message: header, then what `fill` writes.
    pub(super) fn message(&mut self, kind: u16, id: u32, fill: impl FnOnce(&mut Self)) {
        self.u16(self.dialect.message_word(kind));
        self.counted(|this| {
            this.u32(id);
            fill(this);
        });
    }

    /// Header of the RG ID TLV, whose type no dialect shifts.
    pub(super) fn rg_id_header(&mut self) {
        self.u16(RG_ID);
        self.u16(4);
    }

    /// A parameter TLV: header, then what `fill` writes.
    pub(super) fn tlv(&mut self, kind: TlvKind, fill: impl FnOnce(&mut Self)) {
        self.u16(self.dialect.tlv_word(kind));
        self.counted(fill);
    }

    /// A parameter TLV with neither U nor F.
    pub(super) fn plain_tlv(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let (unknown, forward) = (false, false);
        let kind = TlvKind {
            unknown,
            forward,
            kind,
        };
        self.tlv(kind, fill);
    }

    /// A length, and behind it as many bytes as it says.
    fn counted(&mut self, fill: impl FnOnce(&mut Self)) {
        let at = self.out.len();
        self.u16(0);
        let start = self.out.len();
        fill(self);
        let length = u16::try_from(self.out.len() - start)
            .ok()
            .filter(|&length| length <= MAX_LENGTH)
            .expect("lists are split before they exceed a message");
        self.out[at..start].copy_from_slice(&self.dialect.u16_bytes(length));
    }
}

/// The first `max` bytes of a text, not cutting a character.
pub(super) fn clip(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// A received text of at most `max` bytes; what is not UTF-8 is replaced, since it is only shown.
pub(super) fn lossy(bytes: &[u8], max: usize) -> String {
    let kept = &bytes[..bytes.len().min(max)];
    clip(&String::from_utf8_lossy(kept), max).to_owned()
}
