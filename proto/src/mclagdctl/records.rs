//! State, neighbours, addresses and unique-IP interfaces (`spec/mclagdctl-protocol.md` 5.1 to
//! 5.4 and 5.7).

use super::text::PORT_LIST;
use super::{DecodeError, Dialect, Fields, Text};
use crate::Mac;
use crate::bytes::Writer;
use crate::iccp::{EntryOp, MacType};

/// The pair at a glance (5.1).
//
// offset  sonic  linux-mclag
//             0       0  MC-LAG id, -1 if unset
//             4       4  connection operational
//             8       -  synchronised
//            12       8  local address, 32 bytes of text
//            44      40  peer address, 32
//            76      72  peer link, 32
//           108     104  its MAC, and 2 bytes of padding
//           116     112  role
//           120     116  MLAG ports, 512
//           632       -  session timeout in seconds
//           636       -  keepalive in seconds
//           640       -  log level, 16
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct State {
    /// MC-LAG id; `None` if unset.
    pub id: Option<i32>,
    /// The ICCP connection is operational.
    pub operational: bool,
    /// mLACP is in EXCHANGE. Sonic only.
    pub synchronised: bool,
    /// Own address.
    pub local: Text<32>,
    /// The peer's address.
    pub peer: Text<32>,
    /// Name of the peer link; `None` if the interface does not exist.
    pub peer_link: Option<Text<32>>,
    /// MAC of the peer link.
    pub peer_link_mac: Mac,
    /// Role.
    pub role: Role,
    /// MLAG ports, the most recently attached first ([`super::text::port_list`]).
    pub ports: Text<PORT_LIST>,
    /// Silence in seconds after which the session is given up. Sonic only.
    pub session_timeout: i32,
    /// Interval of keepalives in seconds. Sonic only.
    pub keepalive: i32,
    /// Log level. Sonic only.
    pub log_level: Text<16>,
}

/// Word for a peer link that does not exist.
const fn no_interface(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sonic => "Unknown",
        Dialect::LinuxMclag => "UNKNOWN",
    }
}

impl State {
    pub(super) fn encode(&self, dialect: Dialect, out: &mut Writer) {
        let sonic = dialect == Dialect::Sonic;
        i32_le(out, self.id.unwrap_or(-1));
        i32_le(out, self.operational.into());
        if sonic {
            i32_le(out, self.synchronised.into());
        }
        out.put(self.local.field());
        out.put(self.peer.field());
        let link = self.peer_link;
        out.put(link.unwrap_or(no_interface(dialect).into()).field());
        out.put(&self.peer_link_mac.0);
        out.zeros(2);
        out.u32_le(self.role as u32);
        out.put(self.ports.field());
        if sonic {
            i32_le(out, self.session_timeout);
            i32_le(out, self.keepalive);
            out.put(self.log_level.field());
        }
    }

    pub(super) fn decode(dialect: Dialect, fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let sonic = dialect == Dialect::Sonic;
        let mut state = Self {
            id: Some(fields.i32("MC-LAG id")?).filter(|id| *id != -1),
            operational: fields.i32("keepalive state")? != 0,
            synchronised: sonic && fields.i32("info sync state")? != 0,
            local: fields.text("local IP")?,
            peer: fields.text("peer IP")?,
            peer_link: Some(fields.text("peer link")?)
                .filter(|link: &Text<32>| link.as_str() != no_interface(dialect)),
            peer_link_mac: fields.mac("peer link MAC")?,
            role: Role::decode(fields)?,
            ports: fields.text("MC-LAG interfaces")?,
            session_timeout: 0,
            keepalive: 0,
            log_level: Text::default(),
        };
        if sonic {
            state.session_timeout = fields.i32("session timeout")?;
            state.keepalive = fields.i32("keepalive time")?;
            state.log_level = fields.text("log level")?;
        }
        Ok(state)
    }
}

/// Role of a chassis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Not decided.
    None = 0,
    /// mLACP-active.
    Active = 1,
    /// Standby.
    Standby = 2,
}

impl Role {
    /// With the padding before it.
    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        fields.pad::<2>()?;
        let offset = fields.offset();
        match fields.u32("role")? {
            0 => Ok(Self::None),
            1 => Ok(Self::Active),
            2 => Ok(Self::Standby),
            other => Err(DecodeError::Value {
                field: "role",
                offset,
                found: other.to_string(),
                expected: "0 none, 1 active or 2 standby",
            }),
        }
    }
}

/// What a sonic daemon logs (5.1, 5.9).
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// What ends the daemon.
    Critical = 0,
    /// Failures.
    Error = 1,
    /// What may become one.
    Warn = 2,
    /// What operators want to know.
    #[default]
    Notice = 3,
    /// What is done.
    Info = 4,
    /// Everything.
    Debug = 5,
}

impl LogLevel {
    /// Every level, from the quietest on; the position is the number on the wire.
    pub const ALL: [Self; 6] = [
        Self::Critical,
        Self::Error,
        Self::Warn,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// Number in a request.
    #[must_use]
    pub const fn to_wire(self) -> i32 {
        self as i32
    }

    /// The level of a request. Any number is accepted (5.9): one beyond either end is that end.
    #[must_use]
    pub fn from_wire(raw: i32) -> Self {
        let reached = Self::ALL.into_iter().rfind(|level| level.to_wire() <= raw);
        reached.unwrap_or(Self::Critical)
    }

    /// The level whose name begins with this letter of either case (section 6).
    #[must_use]
    pub fn from_letter(letter: char) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|level| level.name().starts_with(letter.to_ascii_uppercase()))
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// A neighbour (5.2, 5.3).
//
// offset  ARP  ND
//           0   0  operation
//           1   1  interface, 32 bytes of text
//          33  33  address, 32 or 64 bytes of text
//          65  97  MAC
//          71 103  learn flag; ARP: sonic only
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Neighbour {
    /// How it got into the table.
    pub op: NeighbourOp,
    /// The interface.
    pub interface: Text<32>,
    /// Its address. An ARP record holds 31 bytes of it, more than any IPv4 address has.
    pub address: Text<64>,
    /// Its MAC.
    pub mac: Mac,
    /// Who learned it.
    pub learned: LearnedFrom,
}

impl Neighbour {
    pub(super) fn encode_arp(&self, dialect: Dialect, out: &mut Writer) {
        out.u8(self.op.to_wire());
        out.put(self.interface.field());
        out.put(self.address.resize::<32>().field());
        out.put(&self.mac.0);
        if dialect == Dialect::Sonic {
            out.u8(self.learned.to_wire());
        }
    }

    pub(super) fn encode_nd(&self, out: &mut Writer) {
        out.u8(self.op.to_wire());
        out.put(self.interface.field());
        out.put(self.address.field());
        out.put(&self.mac.0);
        out.u8(self.learned.to_wire());
    }

    pub(super) fn decode_arp(
        dialect: Dialect,
        fields: &mut Fields<'_>,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            op: NeighbourOp::from_wire(fields.u8("operation")?),
            interface: fields.text("interface")?,
            address: fields.text::<32>("IPv4 address")?.resize(),
            mac: fields.mac("MAC")?,
            learned: match dialect {
                Dialect::Sonic => LearnedFrom::from_wire(fields.u8("learn flag")?),
                Dialect::LinuxMclag => LearnedFrom::Unknown(0),
            },
        })
    }

    pub(super) fn decode_nd(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            op: NeighbourOp::from_wire(fields.u8("operation")?),
            interface: fields.text("interface")?,
            address: fields.text("IPv6 address")?,
            mac: fields.mac("MAC")?,
            learned: LearnedFrom::from_wire(fields.u8("learn flag")?),
        })
    }
}

/// How a neighbour got into the table. No client shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NeighbourOp {
    /// 0: learned on this chassis.
    Learned,
    /// 1: added, from the peer or announced again.
    Added,
    /// Anything else.
    Reserved(u8),
}

impl NeighbourOp {
    const fn to_wire(self) -> u8 {
        match self {
            Self::Learned => 0,
            Self::Added => 1,
            Self::Reserved(raw) => raw,
        }
    }

    const fn from_wire(raw: u8) -> Self {
        match raw {
            0 => Self::Learned,
            1 => Self::Added,
            raw => Self::Reserved(raw),
        }
    }
}

/// Who learned a neighbour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LearnedFrom {
    /// 1: this chassis.
    Local,
    /// 2: the peer.
    Remote,
    /// Anything else; 0 where the dialect does not say.
    Unknown(u8),
}

impl LearnedFrom {
    const fn to_wire(self) -> u8 {
        match self {
            Self::Local => 1,
            Self::Remote => 2,
            Self::Unknown(raw) => raw,
        }
    }

    const fn from_wire(raw: u8) -> Self {
        match raw {
            1 => Self::Local,
            2 => Self::Remote,
            raw => Self::Unknown(raw),
        }
    }
}

/// An address (5.4).
//
// offset  sonic  linux-mclag
//             0       0  operation
//             1       1  type
//             2       2  MAC: 6 bytes, or 32 bytes of text
//             8      34  VLAN id
//            10      36  current interface, 32 bytes of text
//            42      68  origin interface, 32
//            74     100  age flags, and 1 byte of padding
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MacRecord {
    /// The last operation.
    pub op: EntryOp,
    /// Configured or learned.
    pub kind: MacType,
    /// The address.
    pub mac: MacField,
    /// VLAN id.
    pub vid: u16,
    /// Where frames for it leave.
    pub interface: Text<32>,
    /// Where it was learned, by whichever chassis.
    pub origin: Text<32>,
    /// Where it is not seen.
    pub age: AgeFlags,
}

impl MacRecord {
    pub(super) fn encode(&self, dialect: Dialect, out: &mut Writer) {
        out.u8(self.op.to_wire());
        out.u8(self.kind as u8);
        match dialect {
            Dialect::Sonic => out.put(&self.mac.bytes().0),
            Dialect::LinuxMclag => out.put(self.mac.text().field()),
        }
        out.u16_le(self.vid);
        out.put(self.interface.field());
        out.put(self.origin.field());
        out.u8(u8::from(self.age.local) | u8::from(self.age.peer) << 1);
        out.zeros(1);
    }

    pub(super) fn decode(dialect: Dialect, fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let record = Self {
            op: EntryOp::from_wire(fields.u8("operation")?),
            kind: MacType::from_wire(fields.u8("type")?),
            mac: match dialect {
                Dialect::Sonic => MacField::Address(fields.mac("MAC")?),
                Dialect::LinuxMclag => MacField::of(fields.text("MAC")?),
            },
            vid: fields.u16("VLAN")?,
            interface: fields.text("interface")?,
            origin: fields.text("origin interface")?,
            age: AgeFlags::of(fields.u8("age flags")?),
        };
        fields.pad::<1>()?;
        Ok(record)
    }
}

/// An address as it was received: linux-mclag sends a text, which is shown as it is (7.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MacField {
    /// An address.
    Address(Mac),
    /// A text that is not an address the way it is commonly written.
    Text(Text<32>),
}

impl MacField {
    fn of(text: Text<32>) -> Self {
        match text.as_str().parse::<Mac>() {
            Ok(mac) if mac.to_string() == text.as_str() => Self::Address(mac),
            _ => Self::Text(text),
        }
    }

    /// The address; the zero address when there is none.
    #[must_use]
    pub fn bytes(&self) -> Mac {
        match self {
            Self::Address(mac) => *mac,
            Self::Text(text) => text.as_str().parse().unwrap_or(Mac::ZERO),
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> Text<32> {
        match self {
            Self::Address(mac) => Text::new(&mac.to_string()),
            Self::Text(text) => *text,
        }
    }
}

/// Where an address is not seen, or no longer (`spec/iccp.md` 10).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AgeFlags {
    /// 1: not on this chassis.
    pub local: bool,
    /// 2: not at the peer.
    pub peer: bool,
}

impl AgeFlags {
    const fn of(raw: u8) -> Self {
        Self {
            local: raw & 1 != 0,
            peer: raw & 2 != 0,
        }
    }
}

/// A unique-IP interface (5.7).
//
// offset
//      0  active
//      4  interface, 32 bytes of text
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UniqueIp {
    /// The interface exists and is treated so.
    pub active: bool,
    /// The interface.
    pub interface: Text<32>,
}

impl UniqueIp {
    pub(super) fn encode(&self, out: &mut Writer) {
        i32_le(out, self.active.into());
        out.put(self.interface.field());
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            active: fields.i32("active")? != 0,
            interface: fields.text("interface")?,
        })
    }
}

pub(super) fn i32_le(out: &mut Writer, value: i32) {
    out.put(&value.to_le_bytes());
}
