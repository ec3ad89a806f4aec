//! Addresses learned and forgotten: MAC Info (`spec/iccp.md` 4.11).
//
// MAC Info 0x1038, sonic: a count and as many entries as it says.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x1038       |        Length = 2 + 30n       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |    n = number of entries      |  n entries ...
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// linux-mclag: one entry without a count, Length = 55.
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      Op       |                                               |
// +-+-+-+-+-+-+-+-+                                               +
// |          MAC address as text, 32 bytes, NUL-padded            |
// +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      ...      |            VLAN ID            |               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+               +
// |                  Port, 20 bytes, NUL-padded                   |
// +                                               +-+-+-+-+-+-+-+-+
// |                      ...                      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// SONiC's intermediate generation (14.1): a count and entries of 41 bytes, laid out as in
// linux-mclag, but big-endian and with 18 bytes for the MAC address.

use super::super::MAX_MESSAGE;
use super::super::code::tlv::MAC_INFO;
use super::super::error::DecodeError;
use super::super::wire::{Dialect, Fields, Output, vid};
use crate::{IfName, Mac, Vid};
use serde::{Deserialize, Serialize};

/// MAC entries that fit one message, for a receiver that takes any message of legal size.
pub const MAX_MACS_PER_MESSAGE: usize = (MAX_MESSAGE - FIRST_ENTRY) / MacEntry::LEN;

/// Offset of the first entry in the message: header, RG ID TLV, TLV header, count.
pub(in super::super) const FIRST_ENTRY: usize = 8 + 8 + 4 + 2;

/// Size of an entry of SONiC's intermediate generation (14.1).
const INTERMEDIATE_LEN: usize = 41;

/// Room for the text of a MAC address in linux-mclag.
const TEXT: usize = 32;

/// The same in the intermediate generation.
const INTERMEDIATE_TEXT: usize = 18;

/// One entry of MAC Info 0x1038 (4.11), drawn as sonic writes it.
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MacEntry {
    /// Learned or forgotten.
    pub op: EntryOp,
    /// Configured or learned; linux-mclag does not say it, so what it reports is learned.
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
        out.u8(self.kind as u8);
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
        let port = fields.name("interface name");
        Ok(Self {
            op,
            kind,
            mac,
            vid: vid?,
            port: port?,
        })
    }

    fn encode_text(&self, out: &mut Output<'_>) {
        out.u8(self.op.to_wire());
        out.text_mac::<TEXT>(self.mac);
        out.u16(self.vid.get());
        out.name(&self.port);
    }

    /// An entry with the MAC as text in a field of `N` bytes.
    fn decode_text<const N: usize>(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let op = EntryOp::from_wire(fields.u8("op")?);
        let mac = fields.text_mac::<N>("MAC address");
        let vid = vid(fields, "VLAN");
        let port = fields.name("interface name");
        Ok(Self {
            op,
            kind: MacType::Dynamic,
            mac: mac?,
            vid: vid?,
            port: port?,
        })
    }
}

/// The caller has split the list: there are no more than [`MAX_MACS_PER_MESSAGE`], and one in
/// linux-mclag.
pub(super) fn encode(entries: &[MacEntry], out: &mut Output<'_>) {
    out.plain_tlv(MAC_INFO, |out| match out.dialect() {
        Dialect::Sonic => {
            out.reserve(2 + entries.len() * MacEntry::LEN);
            out.count(entries.len());
            for entry in entries {
                entry.encode(out);
            }
        }
        Dialect::LinuxMclag => {
            for entry in entries {
                entry.encode_text(out);
            }
        }
    });
}

pub(super) fn decode(
    fields: &mut Fields<'_>,
    report: &mut Option<DecodeError>,
) -> Result<Vec<MacEntry>, DecodeError> {
    match fields.dialect() {
        Dialect::Sonic => {
            let total = fields.count("number of entries", MacEntry::LEN)?;
            let decode = if fields.len() == total * INTERMEDIATE_LEN {
                MacEntry::decode_text::<INTERMEDIATE_TEXT>
            } else {
                MacEntry::decode
            };
            fields.entries(total, report, decode)
        }
        Dialect::LinuxMclag => Ok(vec![MacEntry::decode_text::<TEXT>(fields)?]),
    }
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryOp {
    /// 1: there.
    Add,
    /// 2: gone.
    Delete,
    /// Any other number is reserved and ignored (4.11).
    Reserved(u8),
}

impl EntryOp {
    pub(crate) const fn from_wire(raw: u8) -> Self {
        match raw {
            1 => Self::Add,
            2 => Self::Delete,
            other => Self::Reserved(other),
        }
    }

    pub(crate) const fn to_wire(self) -> u8 {
        match self {
            Self::Add => 1,
            Self::Delete => 2,
            Self::Reserved(raw) => raw,
        }
    }
}

/// How an address came to be known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MacType {
    /// Configured; may not move.
    Static = 1,
    /// Learned.
    Dynamic = 2,
}

impl MacType {
    /// A number nobody has defined counts as learned: such an address may move and age, whereas
    /// one wrongly held for configured would stay where it is.
    pub(crate) const fn from_wire(raw: u8) -> Self {
        match raw {
            1 => Self::Static,
            _ => Self::Dynamic,
        }
    }
}
