//! Messages that are arrays of records (`spec/mclagsyncd-protocol.md` 4.5, 5): C structs of an
//! x86-64 host, little-endian, with its padding. Text ends at the first NUL; what stands behind
//! it is whatever the sender's memory held.

use std::net::Ipv4Addr;

use super::field::Fields;
use super::{DecodeError, Dialect, EncodeError, Problem, RecordError};
use crate::bytes::Writer;
use crate::sync::frame::HEADER_LEN;
use crate::{DomainId, IfName, Mac, Vid};

/// Width of a name's field in bytes; a good sender ends the name within it.
pub(super) const NAME: usize = 20;

/// Width of an address' field in bytes.
const ADDRESS: usize = 16;

/// A record of fixed size.
pub(super) trait Record: Sized {
    /// Its size in bytes.
    fn len(dialect: Dialect) -> usize;

    fn encode(&self, dialect: Dialect, out: &mut Writer) -> Result<(), EncodeError>;

    /// From exactly [`Record::len`] bytes. What can be left out of the record is left out and
    /// reported in [`Fields::ignored`].
    fn decode(fields: &mut Fields<'_>, dialect: Dialect) -> Result<Self, DecodeError>;
}

pub(super) fn encode_all<R: Record>(
    records: &[R],
    dialect: Dialect,
    out: &mut Writer,
) -> Result<(), EncodeError> {
    let mut records = records.iter();
    records.try_for_each(|record| record.encode(dialect, out))
}

/// All complete records that can be read. A rest that fills none is left out, as both legacy
/// receivers do (`spec/mclagsyncd-protocol.md` 2.1), and reported; one that cannot be read spoils
/// no other.
pub(super) fn decode_all<R: Record>(
    body: &[u8],
    dialect: Dialect,
    skipped: &mut Vec<RecordError>,
) -> Vec<R> {
    let size = R::len(dialect);
    let mut records = Vec::with_capacity(body.len() / size);
    for (index, bytes) in body.chunks_exact(size).enumerate() {
        let mut fields = Fields::new(bytes, HEADER_LEN + index * size);
        match R::decode(&mut fields, dialect) {
            Ok(record) => records.push(record),
            Err(error) => fields.ignored.push(error),
        }
        let errors = fields.ignored.into_iter();
        skipped.extend(errors.map(|error| RecordError { index, error }));
    }
    let left = body.len() % size;
    if left > 0 {
        let end = Problem::End { needed: size, left };
        skipped.push(RecordError {
            index: body.len() / size,
            error: DecodeError::new(HEADER_LEN + body.len() - left, "record", end),
        });
    }
    records
}

/// What a record does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordOp {
    /// Create, or move.
    Add = 1,
    /// Remove.
    Delete = 2,
}

/// One MLAG port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InterfaceRecord {
    /// Whether it belongs to the pair from now on.
    pub op: RecordOp,
    /// The pair.
    pub domain: DomainId,
    /// The port.
    pub port: IfName,
}

/// One member of a VLAN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VlanMemberRecord {
    /// Whether it is a member from now on.
    pub op: RecordOp,
    /// The VLAN.
    pub vid: Vid,
    /// The port.
    pub port: IfName,
}

/// One VLAN interface whose address and MAC are its own instead of shared with the other chassis
/// (`spec/mclagsyncd-protocol.md` 5.5). Belongs to no domain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UniqueIpRecord {
    /// Whether they are its own from now on.
    pub op: RecordOp,
    /// The VLAN interface.
    pub interface: IfName,
}

/// Settings of the domain (`spec/mclagsyncd-protocol.md` 5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DomainRecord {
    /// What to do.
    pub op: DomainOp,
    /// The pair.
    pub domain: DomainId,
    /// Interval of keepalives in seconds, if the attributes name it; -1 for the default.
    pub keepalive_s: i32,
    /// Timeout of the session in seconds; likewise.
    pub session_timeout_s: i32,
    /// Address of this chassis, if the attributes name it.
    pub local: Option<Ipv4Addr>,
    /// Address of the other chassis, if the attributes name it.
    pub peer: Option<Ipv4Addr>,
    /// The peer link, if the attributes name it and there is one.
    pub peer_link: Option<IfName>,
    /// System MAC of this chassis; always there.
    pub system_mac: Mac,
    /// Which of the settings mean something.
    pub attributes: DomainAttributes,
}

/// What a domain record does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DomainOp {
    /// Create the domain.
    Add = 1,
    /// Forget the domain.
    Delete = 2,
    /// Apply the named settings.
    Update = 3,
    /// Set the named settings back to their defaults. A SONiC `iccpd` does so for one of them
    /// only; [`super::ServerMessage::split`] makes one record of each.
    DeleteAttributes = 4,
}

bitflags::bitflags! {
    /// Settings of a domain record that mean something.
    #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
    pub struct DomainAttributes: u32 {
        /// [`DomainRecord::local`].
        const LOCAL = 0x01;
        /// [`DomainRecord::peer`].
        const PEER = 0x02;
        /// [`DomainRecord::peer_link`].
        const PEER_LINK = 0x04;
        /// [`DomainRecord::keepalive_s`].
        const KEEPALIVE = 0x08;
        /// [`DomainRecord::session_timeout_s`].
        const SESSION_TIMEOUT = 0x10;
        const _ = !0;
    }
}

impl DomainRecord {
    /// Records with the same effect on a SONiC `iccpd`, which loses all attributes but the first
    /// of a [`DomainOp::DeleteAttributes`] (`spec/mclagsyncd-protocol.md` 5.2).
    pub(super) fn one_by_one(self) -> Vec<Self> {
        if self.op != DomainOp::DeleteAttributes || self.attributes.is_empty() {
            return vec![self];
        }
        let named = self.attributes.iter();
        named
            .map(|attributes| Self { attributes, ..self })
            .collect()
    }
}

impl Record for InterfaceRecord {
    fn len(_dialect: Dialect) -> usize {
        28
    }

    fn encode(&self, _dialect: Dialect, out: &mut Writer) -> Result<(), EncodeError> {
        let Self { op, domain, port } = self;
        out.u32_le(*op as u32);
        out.u32_le(domain.get().into());
        put_name(out, Some(port), NAME)
    }

    fn decode(fields: &mut Fields<'_>, _dialect: Dialect) -> Result<Self, DecodeError> {
        Ok(Self {
            op: take_op(fields)?,
            domain: fields.domain()?,
            port: fields.take(NAME, "interface")?.name()?,
        })
    }
}

impl Record for VlanMemberRecord {
    fn len(_dialect: Dialect) -> usize {
        28
    }

    fn encode(&self, _dialect: Dialect, out: &mut Writer) -> Result<(), EncodeError> {
        let Self { op, vid, port } = self;
        out.u32_le(*op as u32);
        out.u32_le(vid.get().into());
        put_name(out, Some(port), NAME)
    }

    fn decode(fields: &mut Fields<'_>, _dialect: Dialect) -> Result<Self, DecodeError> {
        Ok(Self {
            op: take_op(fields)?,
            vid: fields.vid()?,
            port: fields.take(NAME, "member port")?.name()?,
        })
    }
}

impl Record for UniqueIpRecord {
    fn len(_dialect: Dialect) -> usize {
        24
    }

    fn encode(&self, _dialect: Dialect, out: &mut Writer) -> Result<(), EncodeError> {
        let Self { op, interface } = self;
        out.u32_le(*op as u32);
        put_name(out, Some(interface), NAME)
    }

    fn decode(fields: &mut Fields<'_>, _dialect: Dialect) -> Result<Self, DecodeError> {
        Ok(Self {
            op: take_op(fields)?,
            interface: fields.take(NAME, "interface")?.name()?,
        })
    }
}

impl Record for DomainRecord {
    fn len(_dialect: Dialect) -> usize {
        80
    }

    fn encode(&self, _dialect: Dialect, out: &mut Writer) -> Result<(), EncodeError> {
        let Self {
            op,
            domain,
            keepalive_s,
            session_timeout_s,
            local,
            peer,
            peer_link,
            system_mac: Mac(system_mac),
            attributes,
        } = self;
        out.u32_le(*op as u32);
        out.u32_le(domain.get().into());
        out.put(&keepalive_s.to_le_bytes());
        out.put(&session_timeout_s.to_le_bytes());
        for address in [local, peer] {
            let text = address.map(|address| address.to_string());
            out.text(&text.unwrap_or_default(), ADDRESS);
        }
        put_name(out, peer_link.as_ref(), NAME)?;
        out.put(system_mac);
        out.zeros(2);
        out.u32_le(attributes.bits());
        Ok(())
    }

    fn decode(fields: &mut Fields<'_>, _dialect: Dialect) -> Result<Self, DecodeError> {
        let offset = fields.offset();
        let op = match fields.u32("operation")? {
            1 => DomainOp::Add,
            2 => DomainOp::Delete,
            3 => DomainOp::Update,
            4 => DomainOp::DeleteAttributes,
            other => return Err(DecodeError::new(offset, "operation", Problem::Op(other))),
        };
        let domain = fields.domain()?;
        let keepalive = fields.take(4, "keepalive interval")?;
        let session_timeout = fields.take(4, "session timeout")?;
        let local = fields.take(ADDRESS, "local address")?;
        let peer = fields.take(ADDRESS, "peer address")?;
        let peer_link = fields.take(NAME, "peer link")?;
        let system_mac = Mac(fields.array("system MAC")?);
        let _pad = fields.take(2, "pad")?;
        let attributes = DomainAttributes::from_bits_retain(fields.u32("attributes")?);
        let mut named = Named {
            attributes,
            has_values: matches!(op, DomainOp::Add | DomainOp::Update),
            ignored: &mut fields.ignored,
        };
        named.value(DomainAttributes::KEEPALIVE, keepalive.seconds_if_any());
        let timeout = DomainAttributes::SESSION_TIMEOUT;
        named.value(timeout, session_timeout.seconds_if_any());
        Ok(Self {
            op,
            domain,
            keepalive_s: keepalive.i32()?,
            session_timeout_s: session_timeout.i32()?,
            local: named.value(DomainAttributes::LOCAL, local.address_if_any()),
            peer: named.value(DomainAttributes::PEER, peer.address_if_any()),
            peer_link: named.value(DomainAttributes::PEER_LINK, peer_link.name_if_any()),
            system_mac,
            attributes: named.attributes,
        })
    }
}

/// Which fields of a domain record mean something. One whose bit is not set, or whose value does
/// not matter, holds whatever the sender's memory held.
struct Named<'a> {
    attributes: DomainAttributes,
    has_values: bool,
    ignored: &'a mut Vec<DecodeError>,
}

impl Named<'_> {
    /// The value of an attribute that is named; one that cannot be read is named no longer, and
    /// leaves the others alone.
    fn value<T>(
        &mut self,
        attribute: DomainAttributes,
        value: Result<Option<T>, DecodeError>,
    ) -> Option<T> {
        if !self.has_values || !self.attributes.contains(attribute) {
            return None;
        }
        value.unwrap_or_else(|error| {
            self.ignored.push(error);
            self.attributes.remove(attribute);
            None
        })
    }
}

fn take_op(fields: &mut Fields<'_>) -> Result<RecordOp, DecodeError> {
    let offset = fields.offset();
    let raw = fields.u32("operation")?;
    record_op(raw).ok_or(DecodeError::new(offset, "operation", Problem::Op(raw)))
}

pub(super) const fn record_op(raw: u32) -> Option<RecordOp> {
    match raw {
        1 => Some(RecordOp::Add),
        2 => Some(RecordOp::Delete),
        _ => None,
    }
}

/// A name in a field of `width` bytes. Never more than 19 of them: legacy receivers have 20
/// bytes whatever the field has, and look for the end of the name within them.
pub(super) fn put_name(
    out: &mut Writer,
    port: Option<&IfName>,
    width: usize,
) -> Result<(), EncodeError> {
    let text = port.map_or("", IfName::as_str);
    if let Some(port) = port
        && text.len() >= NAME
    {
        return Err(EncodeError::Name(*port));
    }
    out.text(text, width);
    Ok(())
}
