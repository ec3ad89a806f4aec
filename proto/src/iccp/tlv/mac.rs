//! Addresses learned and forgotten: MAC Info (`spec/iccp.md` 4.11).
//
// MAC Info 0x1038: a count and as many entries as it says.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x1038       |        Length = 2 + 30n       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |    n = number of entries      |  n entries ...
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

use super::super::MAX_MESSAGE;
use super::super::code::tlv::MAC_INFO;
use super::super::error::DecodeError;
use super::super::wire::{Dialect, Fields, Output, Skipped, vid};
use crate::{IfName, Mac, Vid};

/// MAC entries that fit one message, for a receiver that takes any message of legal size.
pub const MAX_MACS_PER_MESSAGE: usize = (MAX_MESSAGE - FIRST_ENTRY) / MacEntry::LEN;

/// Offset of the first entry in the message: header, RG ID TLV, TLV header, count.
const FIRST_ENTRY: usize = 8 + 8 + 4 + 2;

/// Size of an entry of SONiC's intermediate generation (14.1), which wrote the MAC as text.
const INTERMEDIATE_LEN: usize = 41;

/// One entry of MAC Info 0x1038 (4.11).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      Op       |     Type      |          MAC Address          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
// |                                                               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |            VLAN ID            |  Port, 20 bytes, NUL-padded   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+             ...               +
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MacEntry {
    /// Learned or forgotten.
    pub op: EntryOp,
    /// Configured or learned.
    pub kind: MacType,
    /// The address.
    pub mac: Mac,
    /// Its VLAN.
    pub vid: Vid,
    /// The port it was learned on at the sender.
    pub port: IfName,
}

impl MacEntry {
    /// Size of an entry in bytes.
    const LEN: usize = 30;

    fn encode(&self, out: &mut Output<'_>) {
        out.u8(self.op.to_wire());
        out.u8(self.kind.to_wire());
        out.put(&self.mac.0);
        out.u16(self.vid.get());
        out.name(&self.port);
    }

    /// Reads the whole entry before it judges any of it, so that the next one can be read.
    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let op = EntryOp::from_wire(fields.u8("op")?);
        let kind = MacType::from_wire(fields.u8("MAC type")?);
        let mac = fields.mac("MAC address")?;
        let vid = vid(fields, "VLAN");
        let port = fields.name("interface name")?;
        Ok(Self {
            op,
            kind,
            mac,
            vid: vid?,
            port,
        })
    }
}

/// The caller has split the list: there are no more than [`MAX_MACS_PER_MESSAGE`].
pub(super) fn encode(entries: &[MacEntry], out: &mut Output<'_>) {
    match out.dialect() {
        Dialect::Sonic => out.plain_tlv(MAC_INFO, |out| {
            out.reserve(2 + entries.len() * MacEntry::LEN);
            let count = u16::try_from(entries.len());
            out.u16(count.expect("lists are split before they exceed a message"));
            for entry in entries {
                entry.encode(out);
            }
        }),
    }
}

/// An entry that cannot be read is skipped and reported: the addresses beside it are good, and
/// nothing would ever send them again.
pub(super) fn decode(
    fields: &mut Fields<'_>,
    report: &mut Option<DecodeError>,
) -> Result<Vec<MacEntry>, DecodeError> {
    let offset = fields.offset();
    let count = fields.u16("number of entries")?;
    let total = usize::from(count);
    if total * MacEntry::LEN > fields.len() {
        let expected = "no more than the TLV holds";
        return Err(fields.bad("number of entries", offset, count, expected));
    }
    if total > 0 && fields.len() == total * INTERMEDIATE_LEN {
        let expected = "entries of 30 bytes; the peer's software is of an older generation";
        return Err(fields.bad("size of the entries", offset, 41_u8, expected));
    }
    let mut entries = Vec::with_capacity(total);
    let mut skipped = Skipped::default();
    for index in 0..total {
        entries.extend(skipped.keep(index, MacEntry::decode(fields))?);
    }
    *report = skipped.report(total);
    Ok(entries)
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryOp {
    /// 1: there.
    Add,
    /// 2: gone.
    Delete,
    /// Any other number is reserved and ignored (4.11).
    Reserved(u8),
}

impl EntryOp {
    pub(super) const fn from_wire(raw: u8) -> Self {
        match raw {
            1 => Self::Add,
            2 => Self::Delete,
            other => Self::Reserved(other),
        }
    }

    pub(super) const fn to_wire(self) -> u8 {
        match self {
            Self::Add => 1,
            Self::Delete => 2,
            Self::Reserved(raw) => raw,
        }
    }
}

/// How an address came to be known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MacType {
    /// 1: configured; may not move.
    Static,
    /// 2: learned.
    Dynamic,
}

impl MacType {
    /// A number nobody has defined counts as learned: such an address may move and age, whereas
    /// one wrongly held for configured would stay where it is.
    const fn from_wire(raw: u8) -> Self {
        match raw {
            1 => Self::Static,
            _ => Self::Dynamic,
        }
    }

    const fn to_wire(self) -> u8 {
        match self {
            Self::Static => 1,
            Self::Dynamic => 2,
        }
    }
}
