//! Version 1 of the mclagsyncd protocol, as SONiC speaks it (`spec/mclagsyncd-protocol.md`,
//! dialect *sonic*).
//!
//! Values and their bytes only; what they mean for a dataplane is decided elsewhere. Messages
//! that this module does not know are skipped by their length, as both SONiC programs do.
//!
//! * [`ClientMessage`]: `iccpd` to `syncd`, lists of sub-options (module `suboption`).
//! * [`ServerMessage`]: `syncd` to `iccpd`, arrays of records (module `record`).

use crate::addr::{InvalidIfName, InvalidVid};
use crate::bytes::{UnexpectedEnd, Writer};
use crate::sync::frame::{self, Frame, FrameError};
use crate::{DomainId, IfName, Mac};

pub use record::{
    DomainAttributes, DomainOp, DomainRecord, FdbKind, FdbRecord, InterfaceRecord, RecordOp,
    VlanMemberRecord,
};

mod record;
mod suboption;

#[cfg(test)]
mod tests;

/// The version byte of the frames described here.
pub const VERSION: u8 = 1;

/// Most FDB records in one message: what fits 4096 bytes.
pub const MAX_FDB_RECORDS: usize = 113;

/// What a SONiC `iccpd` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientMessage {
    /// Type 1: frames from the peer link must not leave through these ports, and may leave
    /// through all others. The whole list, not a change.
    PortIsolate {
        /// The peer link.
        peer_link: IfName,
        /// MLAG ports and their members.
        isolated: Vec<IfName>,
    },
    /// Type 2: switch learning of a port.
    MacLearnMode {
        /// The port.
        port: IfName,
        /// Whether it learns.
        learning: bool,
    },
    /// Type 5: add, move or delete forwarding entries.
    SetFdb(Vec<FdbRecord>),
    /// Types 6 and 7: resume or stop collecting and distributing on an MLAG port, without taking
    /// it down.
    TrafficDistribution {
        /// The MLAG port.
        port: IfName,
        /// Whether it carries data.
        is_enabled: bool,
    },
    /// Type 8: state of the session with the other chassis.
    IccpState {
        /// The pair.
        domain: DomainId,
        /// Whether it is up.
        is_up: bool,
    },
    /// Type 9: the role of this chassis.
    IccpRole {
        /// The pair.
        domain: DomainId,
        /// True for active, false for standby.
        is_active: bool,
        /// The own system id, sent by the active.
        system_id: Option<Mac>,
    },
    /// Type 10: the system id in use.
    IccpSystemId {
        /// The pair.
        domain: DomainId,
        /// The id.
        system_id: Mac,
    },
    /// Type 11: the domain was deleted.
    DeleteIccpInfo {
        /// The pair.
        domain: DomainId,
    },
    /// Type 12: state of a port of the other chassis.
    RemoteInterfaceState {
        /// The pair.
        domain: DomainId,
        /// The port.
        port: IfName,
        /// Whether it is up.
        is_up: bool,
    },
    /// Type 13: the other chassis no longer has this port.
    DeleteRemoteInterface {
        /// The pair.
        domain: DomainId,
        /// The port.
        port: IfName,
    },
    /// Type 14: isolation of one port, for display; type 1 is what counts.
    PeerLinkIsolation {
        /// The pair.
        domain: DomainId,
        /// The port.
        port: IfName,
        /// Whether it is isolated from the peer link.
        is_isolated: bool,
    },
}

/// What a SONiC `mclagsyncd` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerMessage {
    /// Type 1: what the dataplane learned and forgot.
    Fdb(Vec<FdbRecord>),
    /// Type 2: settings of the domain.
    Domain(Vec<DomainRecord>),
    /// Type 3: MLAG ports.
    Interfaces(Vec<InterfaceRecord>),
    /// Type 4: members of VLANs.
    VlanMembers(Vec<VlanMemberRecord>),
}

/// Types of messages of the client.
mod client {
    pub(super) const PORT_ISOLATE: u8 = 1;
    pub(super) const MAC_LEARN_MODE: u8 = 2;
    pub(super) const SET_FDB: u8 = 5;
    pub(super) const TRAFFIC_ENABLE: u8 = 6;
    pub(super) const TRAFFIC_DISABLE: u8 = 7;
    pub(super) const ICCP_STATE: u8 = 8;
    pub(super) const ICCP_ROLE: u8 = 9;
    pub(super) const ICCP_SYSTEM_ID: u8 = 10;
    pub(super) const DEL_ICCP_INFO: u8 = 11;
    pub(super) const REMOTE_IF_STATE: u8 = 12;
    pub(super) const DEL_REMOTE_IF: u8 = 13;
    pub(super) const PEER_LINK_ISOLATION: u8 = 14;
}

/// Types of messages of the server; a number space of its own.
mod server {
    pub(super) const FDB: u8 = 1;
    pub(super) const DOMAIN: u8 = 2;
    pub(super) const INTERFACES: u8 = 3;
    pub(super) const VLAN_MEMBERS: u8 = 4;
}

impl ClientMessage {
    /// The message as it travels, header included.
    ///
    /// # Errors
    ///
    /// When it does not fit a message, or a name does not fit its field.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut body = Writer::new();
        let kind = match self {
            Self::SetFdb(records) => {
                record::encode_all(records, &mut body)?;
                client::SET_FDB
            }
            others => suboption::encode(others, &mut body)?,
        };
        Ok(frame::encode(VERSION, kind, &body.into_bytes())?)
    }

    /// The message in a frame; `None` for a version or type that is not known here, which is to
    /// be skipped.
    ///
    /// # Errors
    ///
    /// When the body is not what the type says. The message is to be ignored; the stream is
    /// intact.
    pub fn decode(frame: &Frame) -> Result<Option<Self>, DecodeError> {
        if frame.version != VERSION {
            return Ok(None);
        }
        match frame.kind {
            client::SET_FDB => Ok(Some(Self::SetFdb(record::decode_all(&frame.body)?))),
            kind => suboption::decode(kind, &frame.body),
        }
    }
}

impl ServerMessage {
    /// The message as it travels, header included.
    ///
    /// # Errors
    ///
    /// When it does not fit a message, or a name does not fit its field.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut body = Writer::new();
        let kind = match self {
            Self::Fdb(records) => {
                record::encode_all(records, &mut body)?;
                server::FDB
            }
            Self::Domain(records) => {
                record::encode_all(records, &mut body)?;
                server::DOMAIN
            }
            Self::Interfaces(records) => {
                record::encode_all(records, &mut body)?;
                server::INTERFACES
            }
            Self::VlanMembers(records) => {
                record::encode_all(records, &mut body)?;
                server::VLAN_MEMBERS
            }
        };
        Ok(frame::encode(VERSION, kind, &body.into_bytes())?)
    }

    /// The message in a frame; `None` for a version or type that is not known here, which is to
    /// be skipped.
    ///
    /// # Errors
    ///
    /// When the body is not what the type says. The message is to be ignored; the stream is
    /// intact.
    pub fn decode(frame: &Frame) -> Result<Option<Self>, DecodeError> {
        if frame.version != VERSION {
            return Ok(None);
        }
        let body = frame.body.as_slice();
        Ok(Some(match frame.kind {
            server::FDB => Self::Fdb(record::decode_all(body)?),
            server::DOMAIN => Self::Domain(record::decode_all(body)?),
            server::INTERFACES => Self::Interfaces(record::decode_all(body)?),
            server::VLAN_MEMBERS => Self::VlanMembers(record::decode_all(body)?),
            _ => return Ok(None),
        }))
    }
}

/// A message that cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// It is longer than a message may be.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A name that fills its field, so that a receiver would look for its end behind it.
    #[error("{0} does not fit a field of 20 bytes with its end")]
    Name(IfName),
    /// A sub-option that is longer than its length field can say.
    #[error("sub-option {kind} of {length} bytes")]
    SubOption {
        /// Its type.
        kind: u8,
        /// Its length.
        length: usize,
    },
}

/// A body that is not what its type says.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A sub-option is longer than the message.
    #[error(transparent)]
    End(#[from] UnexpectedEnd),
    /// Something that the message is about was not said.
    #[error("sub-option {0} is missing")]
    Missing(u8),
    /// A sub-option holds fewer or more bytes than its type has.
    #[error("sub-option {kind} has {length} bytes")]
    SubOption {
        /// Its type.
        kind: u8,
        /// Its length.
        length: usize,
    },
    /// A text that names no interface; the first 40 characters of it.
    #[error("{text:?}: {source}")]
    Name {
        /// The beginning of the text.
        text: String,
        /// What is wrong with it.
        source: InvalidIfName,
    },
    /// Bytes that are no text.
    #[error("text is not UTF-8")]
    Text(#[from] std::str::Utf8Error),
    /// A number that is no VLAN.
    #[error(transparent)]
    Vid(#[from] InvalidVid),
    /// A number that is no VLAN, and too great even to be one.
    #[error("VLAN {0} is not within 1..=4094")]
    BigVid(u32),
    /// A number that is no domain.
    #[error("domain {0} is not within 1..=65535")]
    Domain(i32),
    /// A text that is no IPv4 address; the first 16 characters of it.
    #[error("{0:?} is not an IPv4 address")]
    Address(String),
    /// An operation that nobody defined.
    #[error("operation {0} is not known")]
    Op(u32),
    /// A kind of forwarding entry that nobody defined.
    #[error("kind {0} of forwarding entry is not known")]
    Kind(u16),
}

fn name(text: &str) -> Result<IfName, DecodeError> {
    IfName::new(text).map_err(|source| DecodeError::Name {
        text: text.chars().take(40).collect(),
        source,
    })
}

fn domain(raw: i32) -> Result<DomainId, DecodeError> {
    let id = u16::try_from(raw).ok().and_then(DomainId::new);
    id.ok_or(DecodeError::Domain(raw))
}
