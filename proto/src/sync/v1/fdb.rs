//! The record of the forwarding table in its three layouts
//! (`spec/mclagsyncd-protocol.md` 4.5, 9.3).

use super::field::{Fields, Part};
use super::record::{NAME, Record, RecordOp, put_name, record_op};
use super::{DecodeError, Dialect, EncodeError, Problem};
use crate::bytes::Writer;
use crate::{IfName, Mac, Vid};

/// One change of the forwarding table, in either direction.
//
// sonic, 36 bytes:
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
//
// linux-mclag, 72 bytes: MAC as text in 32, VLAN, port name in 32, kind, operation.
// intermediate, 48 bytes: MAC as text in 18, 2 bytes pad, VLAN, port name in 20, kind, operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FdbRecord {
    /// The address.
    pub mac: Mac,
    /// The VLAN.
    pub vid: Vid,
    /// The port. Must be there when something is added; a deletion reported by a sonic server
    /// names none, one of the older dialects must (`spec/mclagsyncd-protocol.md` 5.1).
    pub port: Option<IfName>,
    /// How the entry behaves; means nothing for a deletion.
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
    /// Learned by this chassis: ages. The older dialects know no such kind; there it is sent as
    /// [`FdbKind::Dynamic`].
    DynamicLocal,
}

/// Width of a MAC address as text, and of a port's name.
const fn text_widths(dialect: Dialect) -> (usize, usize) {
    match dialect {
        Dialect::Sonic => (0, NAME),
        Dialect::LinuxMclag => (32, 32),
        Dialect::Intermediate => (18, NAME),
    }
}

impl FdbRecord {
    /// Size of a record in bytes.
    pub(super) const fn width(dialect: Dialect) -> usize {
        match dialect {
            Dialect::Sonic => 36,
            Dialect::LinuxMclag => 72,
            Dialect::Intermediate => 48,
        }
    }

    /// The record as a server of this dialect reports it: a sonic server says of a deletion
    /// neither port nor kind.
    pub(super) const fn reported(self, dialect: Dialect) -> Self {
        match (dialect, self.op) {
            (Dialect::Sonic, RecordOp::Delete) => Self {
                port: None,
                kind: FdbKind::None,
                ..self
            },
            _ => self,
        }
    }
}

impl Record for FdbRecord {
    fn len(dialect: Dialect) -> usize {
        Self::width(dialect)
    }

    fn encode(&self, dialect: Dialect, out: &mut Writer) -> Result<(), EncodeError> {
        let Self {
            mac,
            vid,
            port,
            kind,
            op,
        } = self;
        if port.is_none() && (dialect != Dialect::Sonic || *op == RecordOp::Add) {
            return Err(EncodeError::NoPort(*mac));
        }
        let (mac_width, name_width) = text_widths(dialect);
        match dialect {
            Dialect::Sonic => {
                out.put(&mac.0);
                out.zeros(2);
            }
            Dialect::LinuxMclag => out.text(&mac.to_string(), mac_width),
            Dialect::Intermediate => {
                out.text(&mac.to_string(), mac_width);
                out.zeros(2);
            }
        }
        out.u32_le(vid.get().into());
        put_name(out, port.as_ref(), name_width)?;
        out.u16_le(match (kind, dialect) {
            (FdbKind::Static, _) => 1,
            (FdbKind::Dynamic, _) => 2,
            (FdbKind::None, Dialect::Sonic) => 0,
            (FdbKind::DynamicLocal, Dialect::Sonic) => 3,
            (FdbKind::None | FdbKind::DynamicLocal, _) => 2,
        });
        out.u16_le(*op as u16);
        Ok(())
    }

    fn decode(fields: &mut Fields<'_>, dialect: Dialect) -> Result<Self, DecodeError> {
        let (mac_width, name_width) = text_widths(dialect);
        let mac = match dialect {
            Dialect::Sonic => Mac(fields.array("MAC")?),
            Dialect::LinuxMclag | Dialect::Intermediate => fields.take(mac_width, "MAC")?.mac()?,
        };
        if dialect != Dialect::LinuxMclag {
            fields.take(2, "pad")?;
        }
        let vid = fields.vid()?;
        let name = fields.take(name_width, "port")?;
        let kind_at = fields.offset();
        let kind = fields.u16("type")?;
        let op_at = fields.offset();
        let op = fields.u16("operation")?.into();
        let op = record_op(op).ok_or(DecodeError::new(op_at, "operation", Problem::Op(op)))?;
        // A linux-mclag `iccpd` fills only the first 20 bytes of its 32.
        let name = Part {
            bytes: &name.bytes[..NAME],
            ..name
        };
        // What a deletion says of port and kind is informative: it need not make sense.
        let (port, kind) = match op {
            RecordOp::Delete => (
                name.name_if_any().unwrap_or(None),
                fdb_kind(kind).unwrap_or(FdbKind::None),
            ),
            RecordOp::Add => {
                let port = name.name_if_any()?.ok_or(name.error(Problem::NoPort))?;
                let error = DecodeError::new(kind_at, "type", Problem::Kind(kind));
                (Some(port), fdb_kind(kind).ok_or(error)?)
            }
        };
        Ok(Self {
            mac,
            vid,
            port,
            kind,
            op,
        })
    }
}

const fn fdb_kind(raw: u16) -> Option<FdbKind> {
    match raw {
        0 => Some(FdbKind::None),
        1 => Some(FdbKind::Static),
        2 => Some(FdbKind::Dynamic),
        3 => Some(FdbKind::DynamicLocal),
        _ => None,
    }
}
