//! Messages that are arrays of records (`spec/mclagsyncd-protocol.md` 4.5, 5): C structs of an
//! x86-64 host, little-endian, with its padding. Text ends at the first NUL; what stands behind
//! it is whatever the sender's memory held.

use std::net::Ipv4Addr;

use super::{DecodeError, EncodeError, domain, name};
use crate::bytes::{Reader, UnexpectedEnd, Writer, text_field};
use crate::{DomainId, IfName, Mac, Vid};

/// Width of a name's field in bytes; a good sender ends the name within it.
const NAME: usize = 20;

/// Width of an address' field in bytes.
const ADDRESS: usize = 16;

/// A record of fixed size.
pub(super) trait Record: Sized {
    /// Its size in bytes.
    const LEN: usize;

    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError>;

    /// From exactly [`Record::LEN`] bytes.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

pub(super) fn encode_all<R: Record>(records: &[R], out: &mut Writer) -> Result<(), EncodeError> {
    records.iter().try_for_each(|record| record.encode(out))
}

/// All complete records. A rest that fills none is ignored, as both legacy receivers do.
pub(super) fn decode_all<R: Record>(body: &[u8]) -> Result<Vec<R>, DecodeError> {
    let records = body.chunks_exact(R::LEN);
    records
        .map(|bytes| R::decode(&mut Reader::new(bytes)))
        .collect()
}

/// One change of the forwarding table, in either direction.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                          MAC Address                          |
// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                               |              pad              |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                          VLAN (LE)                            |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                   Port name, 20 bytes ...                     |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |           Kind (LE)           |        Operation (LE)         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FdbRecord {
    /// The address.
    pub mac: Mac,
    /// The VLAN.
    pub vid: Vid,
    /// The port; a deletion reported by SONiC names none.
    pub port: Option<IfName>,
    /// How the entry behaves.
    pub kind: FdbKind,
    /// What to do.
    pub op: RecordOp,
}

/// How a forwarding entry behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FdbKind {
    /// Not said: deletions reported by SONiC.
    None,
    /// Configured.
    Static,
    /// Learned; as sent by `iccpd`: by the other chassis, so that it must not age here.
    Dynamic,
    /// Learned by this chassis: ages.
    DynamicLocal,
}

/// What a record does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordOp {
    /// Create, or move.
    Add,
    /// Remove.
    Delete,
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

/// Settings of the domain (`spec/mclagsyncd-protocol.md` 5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DomainRecord {
    /// What to do.
    pub op: DomainOp,
    /// The pair.
    pub domain: DomainId,
    /// Interval of keepalives in seconds; -1 for the default.
    pub keepalive_s: i32,
    /// Timeout of the session in seconds; -1 for the default.
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
    Add,
    /// Forget the domain.
    Delete,
    /// Apply the named settings.
    Update,
    /// Set the named settings back to their defaults.
    DeleteAttributes,
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

impl Record for FdbRecord {
    const LEN: usize = 36;

    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        let Self {
            mac: Mac(mac),
            vid,
            port,
            kind,
            op,
        } = self;
        out.put(mac);
        out.zeros(2);
        out.u32_le(vid.get().into());
        put_name(out, port.as_ref())?;
        out.u16_le(match kind {
            FdbKind::None => 0,
            FdbKind::Static => 1,
            FdbKind::Dynamic => 2,
            FdbKind::DynamicLocal => 3,
        });
        out.u16_le(match op {
            RecordOp::Add => 1,
            RecordOp::Delete => 2,
        });
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mac = Mac(reader.array()?);
        let _pad = reader.take(2)?;
        let vid = vid(reader.u32_le()?)?;
        let port = take_name(reader)?;
        let kind = match reader.u16_le()? {
            0 => FdbKind::None,
            1 => FdbKind::Static,
            2 => FdbKind::Dynamic,
            3 => FdbKind::DynamicLocal,
            other => return Err(DecodeError::Kind(other)),
        };
        let op = record_op(reader.u16_le()?.into())?;
        Ok(Self {
            mac,
            vid,
            port,
            kind,
            op,
        })
    }
}

impl Record for InterfaceRecord {
    const LEN: usize = 28;

    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        let Self { op, domain, port } = self;
        put_op(out, *op);
        out.u32_le(domain.get().into());
        put_name(out, Some(port))
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            op: record_op(reader.u32_le()?)?,
            domain: domain(i32_le(reader)?)?,
            port: name(text_field(reader.take(NAME)?)?)?,
        })
    }
}

impl Record for VlanMemberRecord {
    const LEN: usize = 28;

    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        let Self { op, vid, port } = self;
        put_op(out, *op);
        out.u32_le(vid.get().into());
        put_name(out, Some(port))
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            op: record_op(reader.u32_le()?)?,
            vid: vid(reader.u32_le()?)?,
            port: name(text_field(reader.take(NAME)?)?)?,
        })
    }
}

impl Record for DomainRecord {
    const LEN: usize = 80;

    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
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
        out.u32_le(match op {
            DomainOp::Add => 1,
            DomainOp::Delete => 2,
            DomainOp::Update => 3,
            DomainOp::DeleteAttributes => 4,
        });
        out.u32_le(domain.get().into());
        out.put(&keepalive_s.to_le_bytes());
        out.put(&session_timeout_s.to_le_bytes());
        for address in [local, peer] {
            let text = address.map(|address| address.to_string());
            out.text(&text.unwrap_or_default(), ADDRESS);
        }
        put_name(out, peer_link.as_ref())?;
        out.put(system_mac);
        out.zeros(2);
        out.u32_le(attributes.bits());
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let op = match reader.u32_le()? {
            1 => DomainOp::Add,
            2 => DomainOp::Delete,
            3 => DomainOp::Update,
            4 => DomainOp::DeleteAttributes,
            other => return Err(DecodeError::Op(other)),
        };
        let domain = domain(i32_le(reader)?)?;
        let keepalive_s = i32_le(reader)?;
        let session_timeout_s = i32_le(reader)?;
        let local = reader.take(ADDRESS)?;
        let peer = reader.take(ADDRESS)?;
        let peer_link = reader.take(NAME)?;
        let system_mac = Mac(reader.array()?);
        let _pad = reader.take(2)?;
        let attributes = DomainAttributes::from_bits_retain(reader.u32_le()?);
        // A field whose bit is not set holds whatever the sender's memory held.
        let if_named = |attribute, field| match attributes.contains(attribute) {
            true => text_field(field),
            false => Ok(""),
        };
        let peer_link = if_named(DomainAttributes::PEER_LINK, peer_link)?;
        Ok(Self {
            op,
            domain,
            keepalive_s,
            session_timeout_s,
            local: address(if_named(DomainAttributes::LOCAL, local)?)?,
            peer: address(if_named(DomainAttributes::PEER, peer)?)?,
            peer_link: (!peer_link.is_empty())
                .then(|| name(peer_link))
                .transpose()?,
            system_mac,
            attributes,
        })
    }
}

fn put_op(out: &mut Writer, op: RecordOp) {
    out.u32_le(match op {
        RecordOp::Add => 1,
        RecordOp::Delete => 2,
    });
}

fn put_name(out: &mut Writer, port: Option<&IfName>) -> Result<(), EncodeError> {
    let text = port.map_or("", IfName::as_str);
    if let Some(port) = port
        && text.len() >= NAME
    {
        return Err(EncodeError::Name(*port));
    }
    out.text(text, NAME);
    Ok(())
}

fn take_name(reader: &mut Reader<'_>) -> Result<Option<IfName>, DecodeError> {
    let text = text_field(reader.take(NAME)?)?;
    (!text.is_empty()).then(|| name(text)).transpose()
}

fn i32_le(reader: &mut Reader<'_>) -> Result<i32, UnexpectedEnd> {
    reader.array().map(i32::from_le_bytes)
}

fn record_op(raw: u32) -> Result<RecordOp, DecodeError> {
    match raw {
        1 => Ok(RecordOp::Add),
        2 => Ok(RecordOp::Delete),
        other => Err(DecodeError::Op(other)),
    }
}

fn vid(raw: u32) -> Result<Vid, DecodeError> {
    let short = u16::try_from(raw).map_err(|_| DecodeError::BigVid(raw))?;
    Ok(Vid::try_from(short)?)
}

fn address(text: &str) -> Result<Option<Ipv4Addr>, DecodeError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = |_| DecodeError::Address(text.chars().take(16).collect());
    text.parse().map(Some).map_err(refused)
}
