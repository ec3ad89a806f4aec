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

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::MAX_MESSAGE;
use super::super::code::tlv::{ARP_INFO, NDISC_INFO};
use super::super::error::DecodeError;
use super::super::wire::{Fields, Output, Skipped};
use super::EntryOp;
use crate::{IfName, Mac};

/// Offset of the first entry in the message: header, RG ID TLV, TLV header, count.
const FIRST_ENTRY: usize = 8 + 8 + 4 + 2;

/// One entry of ARP Info 0x1036 (`A` is [`Ipv4Addr`]) or NDISC Info 0x103a ([`Ipv6Addr`]).
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct NeighbourFlags: u8 {
        /// The sender wants the receiver's own addresses of that interface in return.
        const ACK = 0x01;
        /// The address is the sender's own link-local one (NDISC only).
        const OWN_LINK_LOCAL = 0x02;
        /// The address is the sender's own one on the interface.
        const OWN_ADDRESS = 0x04;
    }
}

/// The address family of a neighbour TLV.
pub(super) trait Family: Copy + Sized {
    /// TLV type.
    const KIND: u16;
    /// Size of an entry in bytes.
    const LEN: usize;
    /// Entries that fit one message, for a receiver that takes any message of legal size.
    const MAX_PER_MESSAGE: usize = (MAX_MESSAGE - FIRST_ENTRY) / Self::LEN;

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
    let flags = NeighbourFlags::from_bits_truncate(fields.u8("flags")?);
    fields.take(1, "learn flag")?;
    let interface = fields.name("interface name");
    fields.take(1, "pad")?;
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

/// Anything but 1 is a *delete* (11.2).
fn received_op(fields: &mut Fields<'_>) -> Result<EntryOp, DecodeError> {
    Ok(match EntryOp::from_wire(fields.u8("op")?) {
        EntryOp::Add => EntryOp::Add,
        EntryOp::Delete | EntryOp::Reserved(_) => EntryOp::Delete,
    })
}

/// The caller has split the list: there are no more than [`Family::MAX_PER_MESSAGE`].
pub(super) fn encode<A: Family>(entries: &[NeighbourEntry<A>], out: &mut Output<'_>) {
    out.plain_tlv(A::KIND, |out| {
        out.reserve(2 + entries.len() * A::LEN);
        let count = u16::try_from(entries.len());
        out.u16(count.expect("lists are split before they exceed a message"));
        for entry in entries {
            encode_entry(entry, out);
        }
    });
}

/// An entry that cannot be read is skipped and reported.
pub(super) fn decode<A: Family>(
    fields: &mut Fields<'_>,
    report: &mut Option<DecodeError>,
) -> Result<Vec<NeighbourEntry<A>>, DecodeError> {
    let offset = fields.offset();
    let count = fields.u16("number of entries")?;
    let total = usize::from(count);
    if total * A::LEN > fields.len() {
        let expected = "no more than the TLV holds";
        return Err(fields.bad("number of entries", offset, count, expected));
    }
    let mut entries = Vec::with_capacity(total);
    let mut skipped = Skipped::default();
    for index in 0..total {
        entries.extend(skipped.keep(index, decode_entry(fields))?);
    }
    *report = skipped.report(total);
    Ok(entries)
}
