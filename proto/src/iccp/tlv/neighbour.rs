//! Neighbours learned and forgotten: ARP Info and NDISC Info (`spec/iccp.md` 4.9, 4.10).
//
// sonic: a count and as many entries as it says.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|  Type = 0x1036 or 0x103a  |  Length = 2 + 36n or 2 + 48n  |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |    n = number of entries      |  n entries ...
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// linux-mclag: one packed ARP entry without a count, Length = 31, and no NDISC Info.
//
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      Op       |                                               |
// +-+-+-+-+-+-+-+-+                                               +
// |             Interface name, 20 bytes, NUL-padded              |
// +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      ...      |         IPv4 address, network order           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      ...      |                  MAC Address                  |
// +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
// |                                               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// SONiC's intermediate generation (14.1): a count and entries of the same size, but without the
// flags; the name begins in their place, and three bytes of padding follow it.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::MAX_MESSAGE;
use super::super::code::tlv::{ARP_INFO, NDISC_INFO};
use super::super::error::DecodeError;
use super::super::wire::{Dialect, Fields, Output};
use super::EntryOp;
use super::mac::FIRST_ENTRY;
use crate::{IfName, Mac};

/// ARP entries that fit one message, for a receiver that takes any message of legal size.
pub(in super::super) const MAX_ARPS: usize =
    (MAX_MESSAGE - FIRST_ENTRY) / <Ipv4Addr as Family>::LEN;

/// NDISC entries that fit one message.
pub(in super::super) const MAX_NDISCS: usize =
    (MAX_MESSAGE - FIRST_ENTRY) / <Ipv6Addr as Family>::LEN;

/// One entry of ARP Info 0x1036 (`A` is [`Ipv4Addr`]) or NDISC Info 0x103a ([`Ipv6Addr`]),
/// drawn as sonic writes it.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      Op       |     Flags     |   Learn = 0   |               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+               +
// |             Interface name, 20 bytes, NUL-padded              |
// +                                               +-+-+-+-+-+-+-+-+
// |                      ...                      |    Pad = 0    |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |            IPv4 or IPv6 address, network order ...
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                          MAC Address                          |
// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                               |            Pad = 0            |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NeighbourEntry<A> {
    /// Learned or forgotten. Never [`EntryOp::Reserved`] when received: whatever is no *add* is a
    /// *delete* here (11.2).
    pub op: EntryOp,
    /// What kind of neighbour it is; empty for a learned one.
    pub flags: NeighbourFlags,
    /// The layer-3 interface it is reached through; the receiver has one of the same name.
    pub interface: IfName,
    /// Its IP address. A *delete* is matched by this alone.
    pub address: A,
    /// Its MAC address; may be zero in a *delete*.
    pub mac: Mac,
}

bitflags::bitflags! {
    /// What kind of neighbour an entry speaks of (4.9). Bits that nobody has defined are ignored.
    #[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
    #[serde(try_from = "u8", into = "u8")]
    pub struct NeighbourFlags: u8 {
        /// The sender wants the receiver's own addresses of that interface in return.
        const ACK = 0x01;
        /// The address is the sender's own link-local one (NDISC only).
        const OWN_LINK_LOCAL = 0x02;
        /// The address is the sender's own one on the interface.
        const OWN_ADDRESS = 0x04;
    }
}

impl From<NeighbourFlags> for u8 {
    fn from(flags: NeighbourFlags) -> Self {
        flags.bits()
    }
}

impl TryFrom<u8> for NeighbourFlags {
    type Error = String;

    fn try_from(bits: u8) -> Result<Self, Self::Error> {
        Self::from_bits(bits)
            .ok_or_else(|| format!("flags {bits:#04x}, of which some mean nothing"))
    }
}

/// The address family of a neighbour TLV.
pub(super) trait Family: Copy + Sized {
    /// TLV type.
    const KIND: u16;
    /// Size of an entry in bytes.
    const LEN: usize;

    fn put(self, out: &mut Output<'_>);

    fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError>;
}

impl Family for Ipv4Addr {
    const KIND: u16 = ARP_INFO;
    const LEN: usize = 36;

    fn put(self, out: &mut Output<'_>) {
        out.put(&self.octets());
    }

    fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        fields.array::<4>("IPv4 address").map(Self::from)
    }
}

impl Family for Ipv6Addr {
    const KIND: u16 = NDISC_INFO;
    const LEN: usize = 48;

    fn put(self, out: &mut Output<'_>) {
        out.put(&self.octets());
    }

    fn take(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        fields.array::<16>("IPv6 address").map(Self::from)
    }
}

fn encode_entry<A: Family>(entry: &NeighbourEntry<A>, out: &mut Output<'_>) {
    out.u8(entry.op.to_wire());
    out.u8(entry.flags.bits());
    out.zeros::<1>(); // learn flag
    out.name(&entry.interface);
    out.zeros::<1>();
    entry.address.put(out);
    out.put(&entry.mac.0);
    out.zeros::<2>();
}

/// Reads the whole entry before it judges any of it, so that the next one can be read.
fn decode_entry<A: Family>(fields: &mut Fields<'_>) -> Result<NeighbourEntry<A>, DecodeError> {
    let op = received_op(fields)?;
    let intermediate = matches!(fields.rest(), [b' '..=b'~', ..]);
    let (flags, interface);
    if intermediate {
        flags = NeighbourFlags::empty();
        interface = fields.name("interface name");
        fields.take(3, "pad")?;
    } else {
        flags = NeighbourFlags::from_bits_truncate(fields.u8("flags")?);
        fields.take(1, "learn flag")?;
        interface = fields.name("interface name");
        fields.take(1, "pad")?;
    }
    let address = A::take(fields)?;
    let mac = fields.mac("MAC address")?;
    fields.take(2, "pad")?;
    Ok(NeighbourEntry {
        op,
        flags,
        interface: interface?,
        address,
        mac,
    })
}

fn encode_packed<A: Family>(entry: &NeighbourEntry<A>, out: &mut Output<'_>) {
    out.u8(entry.op.to_wire());
    out.name(&entry.interface);
    entry.address.put(out);
    out.put(&entry.mac.0);
}

fn decode_packed<A: Family>(fields: &mut Fields<'_>) -> Result<NeighbourEntry<A>, DecodeError> {
    Ok(NeighbourEntry {
        op: received_op(fields)?,
        flags: NeighbourFlags::empty(),
        interface: fields.name("interface name")?,
        address: A::take(fields)?,
        mac: fields.mac("MAC address")?,
    })
}

/// Anything but 1 is a *delete* (11.2).
fn received_op(fields: &mut Fields<'_>) -> Result<EntryOp, DecodeError> {
    Ok(match EntryOp::from_wire(fields.u8("op")?) {
        EntryOp::Add => EntryOp::Add,
        EntryOp::Delete | EntryOp::Reserved(_) => EntryOp::Delete,
    })
}

/// The caller has split the list: there are no more than fit a message, and one in linux-mclag.
pub(super) fn encode<A: Family>(entries: &[NeighbourEntry<A>], out: &mut Output<'_>) {
    out.plain_tlv(A::KIND, |out| match out.dialect() {
        Dialect::Sonic => {
            out.reserve(2 + entries.len() * A::LEN);
            out.count(entries.len());
            for entry in entries {
                encode_entry(entry, out);
            }
        }
        Dialect::LinuxMclag => {
            for entry in entries {
                encode_packed(entry, out);
            }
        }
    });
}

pub(super) fn decode<A: Family>(
    fields: &mut Fields<'_>,
    report: &mut Option<DecodeError>,
) -> Result<Vec<NeighbourEntry<A>>, DecodeError> {
    match fields.dialect() {
        Dialect::Sonic => {
            let total = fields.count("number of entries", A::LEN)?;
            fields.entries(total, report, decode_entry)
        }
        Dialect::LinuxMclag => Ok(vec![decode_packed(fields)?]),
    }
}
