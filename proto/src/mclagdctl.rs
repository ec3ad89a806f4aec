//! The control socket of the legacy daemons, `mclagdctl` (`spec/mclagdctl-protocol.md`).
//!
//! One fixed-size [`Request`], one reply: a [`ReplyHeader`] and an array of records ([`Data`]).
//! Integers are little-endian, as the C structures of an x86-64 host lie in memory. Two dialects
//! differ in numbering, record sizes and words; nothing on the wire says which one is spoken
//! (section 9), so both ends are told.
//!
//! * [`text`]: texts of a fixed size, and lists in them.
//! * [`records`]: state, neighbours, addresses, unique-IP interfaces.
//! * [`port`]: local and peer port lists.
//! * [`counters`]: the debug counters.

pub mod counters;
mod error;
mod fields;
pub mod port;
pub mod records;
pub mod text;

use crate::bytes::{Reader, Writer};
use fields::Fields;

pub use crate::iccp::{Dialect, MacType, UnknownDialect};
pub use counters::{Counters, FromSyncd, Global, IccpRow, OkError, ToSyncd, TxRx};
pub use error::DecodeError;
pub use port::{LocalPort, PeerPort, PortKind, PortState, SyncState};
pub use records::{
    AgeFlags, LearnedFrom, LogLevel, MacField, MacRecord, Neighbour, NeighbourOp, Role, State,
    UniqueIp,
};
pub use text::Text;

/// Where the legacy daemons listen (section 1).
pub const DEFAULT_SOCKET: &str = "/var/run/iccpd/mclagdctl.sock";

/// What is asked (section 4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Command {
    /// `dump state`
    State,
    /// `dump arp`
    Arp,
    /// `dump nd`
    Nd,
    /// `dump mac`
    Mac,
    /// `dump unique_ip`
    UniqueIp,
    /// `dump portlist local`
    LocalPorts,
    /// `dump portlist peer`
    PeerPorts,
    /// `dump debug counters`
    Counters,
    /// `config loglevel`
    LogLevel,
}

impl Command {
    /// Every command, in the order in which words of a command line are matched (section 6).
    pub const ALL: [Self; 9] = [
        Self::State,
        Self::Arp,
        Self::Nd,
        Self::Mac,
        Self::UniqueIp,
        Self::LocalPorts,
        Self::PeerPorts,
        Self::Counters,
        Self::LogLevel,
    ];

    /// Its info type; `None` when the dialect does not have it.
    #[must_use]
    pub const fn code(self, dialect: Dialect) -> Option<u32> {
        Some(match (dialect, self) {
            (_, Self::State) => 1,
            (_, Self::Arp) => 2,
            (Dialect::Sonic, Self::Nd) => 3,
            (Dialect::Sonic, Self::Mac) => 4,
            (Dialect::Sonic, Self::UniqueIp) => 5,
            (Dialect::Sonic, Self::LocalPorts) => 6,
            (Dialect::Sonic, Self::PeerPorts) => 7,
            (Dialect::Sonic, Self::Counters) => 8,
            (Dialect::Sonic, Self::LogLevel) => 9,
            (Dialect::LinuxMclag, Self::Mac) => 3,
            (Dialect::LinuxMclag, Self::LocalPorts) => 4,
            (Dialect::LinuxMclag, Self::PeerPorts) => 5,
            (Dialect::LinuxMclag, Self::Nd | Self::UniqueIp | Self::Counters | Self::LogLevel) => {
                return None;
            }
        })
    }

    /// The command of an info type. Sonic's 10 is reserved and nothing.
    #[must_use]
    pub fn from_code(code: u32, dialect: Dialect) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|command| command.code(dialect) == Some(code))
    }

    /// Size in bytes of one record of its reply; `None` when the reply has no array of records.
    #[must_use]
    pub const fn record_size(self, dialect: Dialect) -> Option<usize> {
        Some(match (self, dialect) {
            (Self::State, Dialect::Sonic) => 656,
            (Self::State, Dialect::LinuxMclag) => 628,
            (Self::Arp, Dialect::Sonic) => 72,
            (Self::Arp, Dialect::LinuxMclag) => 71,
            (Self::Nd, _) => 104,
            (Self::Mac, Dialect::Sonic) => 76,
            (Self::Mac, Dialect::LinuxMclag) => 102,
            (Self::UniqueIp, _) => 36,
            (Self::LocalPorts, _) => 712,
            (Self::PeerPorts, _) => 84,
            (Self::Counters | Self::LogLevel, _) => return None,
        })
    }

    /// Its words on the command line.
    #[must_use]
    pub const fn words(self) -> &'static [&'static str] {
        match self {
            Self::State => &["dump", "state"],
            Self::Arp => &["dump", "arp"],
            Self::Nd => &["dump", "nd"],
            Self::Mac => &["dump", "mac"],
            Self::UniqueIp => &["dump", "unique_ip"],
            Self::LocalPorts => &["dump", "portlist", "local"],
            Self::PeerPorts => &["dump", "portlist", "peer"],
            Self::Counters => &["dump", "debug", "counters"],
            Self::LogLevel => &["config", "loglevel"],
        }
    }
}

/// A request (section 2).
//
// offset  size
//      0     4  info type
//      4     4  MC-LAG id, or the log level
//      8  3*32  parameters, unused
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// MC-LAG id, 0 for all; of [`Command::LogLevel`] the level.
    pub id: i32,
}

impl Request {
    /// Size in bytes.
    pub const LEN: usize = 104;

    /// As it travels; `None` when the dialect does not have the command.
    #[must_use]
    pub fn encode(&self, dialect: Dialect) -> Option<[u8; Self::LEN]> {
        let code = self.command.code(dialect)?;
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&code.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.id.to_le_bytes());
        Some(bytes)
    }

    /// Read one. The parameters are ignored, as the legacy daemons do.
    ///
    /// # Errors
    ///
    /// When the dialect does not know the info type: such a request gets no reply (section 1).
    pub fn decode(bytes: &[u8; Self::LEN], dialect: Dialect) -> Result<Self, UnknownCommand> {
        let [a, b, c, d, e, f, g, h, ..] = *bytes;
        let code = u32::from_le_bytes([a, b, c, d]);
        let command = Command::from_code(code, dialect).ok_or(UnknownCommand { code, dialect })?;
        Ok(Self {
            command,
            id: i32::from_le_bytes([e, f, g, h]),
        })
    }
}

/// An info type that the dialect does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("info type {code} (0x{code:x}) at byte 0 is none of the {dialect} dialect")]
pub struct UnknownCommand {
    /// The number.
    pub code: u32,
    /// The dialect.
    pub dialect: Dialect,
}

/// How a request went (section 3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// -1
    Success,
    /// -2: the daemon has no instance.
    NoSystem,
    /// -3: no such MC-LAG id.
    NoDomain,
    /// -4
    Failure,
    /// A code nobody has defined.
    Reserved(i32),
}

impl Outcome {
    const fn to_wire(self) -> i32 {
        match self {
            Self::Success => -1,
            Self::NoSystem => -2,
            Self::NoDomain => -3,
            Self::Failure => -4,
            Self::Reserved(code) => code,
        }
    }

    const fn from_wire(code: i32) -> Self {
        match code {
            -1 => Self::Success,
            -2 => Self::NoSystem,
            -3 => Self::NoDomain,
            -4 => Self::Failure,
            code => Self::Reserved(code),
        }
    }
}

/// The beginning of a reply (section 3).
//
// offset  size
//      0     4  number of bytes that follow: 12 + data length
//      4     4  info type of the request
//      8     4  data length
//     12     4  result
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReplyHeader {
    /// Info type of the request.
    pub info_type: u32,
    /// Number of bytes of records behind the header.
    pub data_len: u32,
    /// How the request went.
    pub outcome: Outcome,
}

impl ReplyHeader {
    /// Size in bytes.
    pub const LEN: usize = 16;
    /// Bytes of it that the length at its beginning counts.
    pub const COUNTED: u32 = 12;

    /// As it travels. The whole header also for an error: the 2019 daemon cuts its own short, and
    /// its client then never learns the code (section 3, quirks).
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = Writer::new();
        out.u32_le(self.data_len.saturating_add(Self::COUNTED));
        out.u32_le(self.info_type);
        out.u32_le(self.data_len);
        out.put(&self.outcome.to_wire().to_le_bytes());
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(&out.into_bytes());
        bytes
    }

    /// Read the header at the start of `body`: what follows the length, as far as it arrived.
    ///
    /// # Errors
    ///
    /// When the body ends inside the header, or promises more data than the body has.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut fields = Fields::at(body, 4);
        let header = Self {
            info_type: fields.u32("info type")?,
            data_len: fields.u32("data length")?,
            outcome: Outcome::from_wire(fields.i32("result")?),
        };
        let rest = u32::try_from(fields.len()).unwrap_or(u32::MAX);
        if header.data_len > rest {
            return Err(DecodeError::Short {
                field: "data",
                offset: Self::LEN,
            });
        }
        Ok(header)
    }
}

/// The records of a reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Data {
    /// One record per domain (5.1).
    State(Vec<State>),
    /// IPv4 neighbours (5.2).
    Arp(Vec<Neighbour>),
    /// IPv6 neighbours (5.3).
    Nd(Vec<Neighbour>),
    /// Addresses (5.4).
    Mac(Vec<MacRecord>),
    /// Unique-IP interfaces (5.7).
    UniqueIp(Vec<UniqueIp>),
    /// Own ports (5.5).
    LocalPorts(Vec<LocalPort>),
    /// The peer's ports (5.6).
    PeerPorts(Vec<PeerPort>),
    /// Counters (5.8).
    Counters(Box<Counters>),
    /// The log level was set (5.9): no data.
    LogLevel,
}

impl Data {
    /// The command that this answers.
    #[must_use]
    pub const fn command(&self) -> Command {
        match self {
            Self::State(_) => Command::State,
            Self::Arp(_) => Command::Arp,
            Self::Nd(_) => Command::Nd,
            Self::Mac(_) => Command::Mac,
            Self::UniqueIp(_) => Command::UniqueIp,
            Self::LocalPorts(_) => Command::LocalPorts,
            Self::PeerPorts(_) => Command::PeerPorts,
            Self::Counters(_) => Command::Counters,
            Self::LogLevel => Command::LogLevel,
        }
    }

    /// Append the records. Those of a command that the dialect does not have are written as sonic
    /// has them; nobody can ask for them.
    pub fn encode(&self, dialect: Dialect, out: &mut Writer) {
        match self {
            Self::State(records) => records.iter().for_each(|r| r.encode(dialect, out)),
            Self::Arp(records) => records.iter().for_each(|r| r.encode_arp(dialect, out)),
            Self::Nd(records) => records.iter().for_each(|r| r.encode_nd(out)),
            Self::Mac(records) => records.iter().for_each(|r| r.encode(dialect, out)),
            Self::UniqueIp(records) => records.iter().for_each(|r| r.encode(out)),
            Self::LocalPorts(records) => records.iter().for_each(|r| r.encode(dialect, out)),
            Self::PeerPorts(records) => records.iter().for_each(|r| r.encode(dialect, out)),
            Self::Counters(counters) => counters.encode(out),
            Self::LogLevel => {}
        }
    }

    /// Read the records of a reply. What is left over behind the last whole record is ignored
    /// (section 3, quirks).
    ///
    /// # Errors
    ///
    /// When a record holds what no daemon of this dialect puts there: most likely it is of the
    /// other dialect.
    pub fn decode(command: Command, dialect: Dialect, data: &[u8]) -> Result<Self, DecodeError> {
        let Some(size) = command.record_size(dialect) else {
            return match command {
                Command::Counters => Counters::decode(data).map(|c| Self::Counters(c.into())),
                _ => Ok(Self::LogLevel),
            };
        };
        Ok(match command {
            Command::State => Self::State(each(data, size, |f| State::decode(dialect, f))?),
            Command::Arp => Self::Arp(each(data, size, |f| Neighbour::decode_arp(dialect, f))?),
            Command::Nd => Self::Nd(each(data, size, Neighbour::decode_nd)?),
            Command::Mac => Self::Mac(each(data, size, |f| MacRecord::decode(dialect, f))?),
            Command::UniqueIp => Self::UniqueIp(each(data, size, UniqueIp::decode)?),
            Command::LocalPorts => {
                Self::LocalPorts(each(data, size, |f| LocalPort::decode(dialect, f))?)
            }
            Command::PeerPorts => {
                Self::PeerPorts(each(data, size, |f| PeerPort::decode(dialect, f))?)
            }
            Command::Counters | Command::LogLevel => Self::LogLevel,
        })
    }
}

fn each<T>(
    data: &[u8],
    size: usize,
    decode: impl Fn(&mut Fields<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut records = Vec::with_capacity(data.len() / size);
    let mut reader = Reader::new(data);
    let mut offset = ReplyHeader::LEN;
    while let Ok(record) = reader.take(size) {
        records.push(decode(&mut Fields::at(record, offset))?);
        offset += size;
    }
    Ok(records)
}

/// A reply that is put together page by page: a table may be large.
#[derive(Clone, Debug)]
pub struct ReplyWriter {
    out: Writer,
    info_type: u32,
    dialect: Dialect,
}

impl ReplyWriter {
    /// A reply without records yet; `None` when the dialect does not have the command.
    #[must_use]
    pub fn new(command: Command, dialect: Dialect) -> Option<Self> {
        let info_type = command.code(dialect)?;
        let mut out = Writer::new();
        out.zeros(ReplyHeader::LEN);
        Some(Self {
            out,
            info_type,
            dialect,
        })
    }

    /// Append records.
    pub fn push(&mut self, data: &Data) {
        data.encode(self.dialect, &mut self.out);
    }

    /// The reply. One that is not a success has no records, and so has one whose length does not
    /// fit its field of 32 bits: that is a failure.
    #[must_use]
    pub fn finish(mut self, outcome: Outcome) -> Vec<u8> {
        let len = u32::try_from(self.out.len() - ReplyHeader::LEN).ok();
        let len = len.filter(|len| len.checked_add(ReplyHeader::COUNTED).is_some());
        let header = |data_len, outcome| ReplyHeader {
            info_type: self.info_type,
            data_len,
            outcome,
        };
        match (outcome, len) {
            (Outcome::Success, Some(len)) => {
                self.out.patch(0, &header(len, outcome).encode());
                self.out.into_bytes()
            }
            (Outcome::Success, None) => header(0, Outcome::Failure).encode().into(),
            (error, _) => header(0, error).encode().into(),
        }
    }
}

#[cfg(test)]
mod tests;
