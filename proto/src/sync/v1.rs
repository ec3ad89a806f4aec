//! Version 1 of the mclagsyncd protocol in all its dialects (`spec/mclagsyncd-protocol.md`).
//!
//! Values and their bytes only; what they mean for a dataplane is decided elsewhere. A value is
//! the same whatever [`Dialect`] carries it; what a dialect cannot say is
//! [`EncodeError::NotInDialect`]. Messages that a dialect does not know are skipped by their
//! length.
//!
//! * [`ClientMessage`]: `iccpd` to `syncd`, lists of sub-options (module `suboption`).
//! * [`ServerMessage`]: `syncd` to `iccpd`, arrays of records (modules `record` and `fdb`).
//! * [`PortIsolate`]: the isolation list, whose text has two grammars.
//! * [`Detector`]: which dialect the other side speaks.

use std::net::Ipv4Addr;

use crate::bytes::Writer;
use crate::sync::frame::{self, Frame, HEADER_LEN, MAX_LEN_V1};
use crate::{DomainId, IfName, Mac};

pub use detect::{Detector, Side};
pub use dialect::Dialect;
pub use error::{DecodeError, EncodeError, Problem, RecordError};
pub use fdb::{FdbKind, FdbRecord};
pub use isolation::{IsolatedPort, PortIsolate};
pub use record::{
    DomainAttributes, DomainOp, DomainRecord, InterfaceRecord, RecordOp, UniqueIpRecord,
    VlanMemberRecord,
};

mod detect;
mod dialect;
mod error;
mod fdb;
mod field;
mod isolation;
mod record;
mod suboption;

#[cfg(test)]
mod tests;

/// The version byte of the frames described here.
pub const VERSION: u8 = 1;

/// What an `iccpd` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientMessage {
    /// Type 1: frames from the peer link must not leave through these ports.
    PortIsolate(PortIsolate),
    /// Type 2: switch learning of ports.
    MacLearnMode {
        /// The port; linux-mclag takes several, although no `iccpd` sends them.
        ports: Vec<IfName>,
        /// Whether they learn.
        learning: bool,
    },
    /// Type 3: forget every learned forwarding entry.
    FlushFdb,
    /// Type 4: the MAC of a layer-3 interface.
    SetInterfaceMac {
        /// The interface.
        interface: IfName,
        /// Its address, which linux-mclag writes behind the name. `mclagsyncd.py` takes both for
        /// the name and fails (`spec/mclagsyncd-protocol.md` 4.4): without the address it works.
        address: Option<InterfaceAddress>,
        /// The MAC.
        mac: Mac,
    },
    /// Type 5: add, move or delete forwarding entries.
    SetFdb(Vec<FdbRecord>),
    /// Types 6 and 7 of sonic: resume or stop collecting and distributing on an MLAG port,
    /// without taking it down.
    TrafficDistribution {
        /// The MLAG port.
        port: IfName,
        /// Whether it carries data.
        is_enabled: bool,
    },
    /// Type 6 of linux-mclag: forget what was learned on a port.
    FlushFdbByPort {
        /// The port.
        port: IfName,
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
        /// The own system id, sent by the active; all zero if it is not known.
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
        /// The pair; a legacy server ignores it.
        domain: DomainId,
        /// The port.
        port: IfName,
        /// Whether it is isolated from the peer link.
        is_isolated: bool,
    },
    /// Type 15: the system id of the other chassis. No legacy `iccpd` sends it.
    PeerSystemId {
        /// The pair.
        domain: DomainId,
        /// The id.
        system_id: Mac,
    },
    /// Type 20 of linux-mclag: report what changed in the forwarding table since the last time.
    /// There is no answer if nothing did.
    GetFdbChanges,
}

/// An address of an interface with the length of its prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the prefix in bits.
    pub prefix_len: u8,
}

/// What a `mclagsyncd` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerMessage {
    /// Type 1: what the dataplane learned and forgot.
    Fdb(Vec<FdbRecord>),
    /// Type 2: settings of the domain.
    Domain(Vec<DomainRecord>),
    /// Type 3: MLAG ports. A sonic server repeats itself: one interface, then two, ...
    Interfaces(Vec<InterfaceRecord>),
    /// Type 4: members of VLANs; of any port, not only MLAG ports.
    VlanMembers(Vec<VlanMemberRecord>),
    /// Type 5: VLAN interfaces with an address of their own.
    UniqueIps(Vec<UniqueIpRecord>),
}

/// A message that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decoded<M> {
    /// The message, with everything that could be read.
    pub message: M,
    /// The entries that could not be read, and of a domain record the attributes that could not:
    /// they are to be reported and are otherwise as if they had not been sent.
    pub skipped: Vec<RecordError>,
}

/// Types of messages of the client.
mod client {
    pub(super) const PORT_ISOLATE: u8 = 1;
    pub(super) const MAC_LEARN_MODE: u8 = 2;
    pub(super) const FLUSH_FDB: u8 = 3;
    pub(super) const SET_INTF_MAC: u8 = 4;
    pub(super) const SET_FDB: u8 = 5;
    /// Of sonic.
    pub(super) const TRAFFIC_ENABLE: u8 = 6;
    /// Of linux-mclag.
    pub(super) const FLUSH_FDB_BY_PORT: u8 = 6;
    pub(super) const TRAFFIC_DISABLE: u8 = 7;
    pub(super) const ICCP_STATE: u8 = 8;
    pub(super) const ICCP_ROLE: u8 = 9;
    pub(super) const ICCP_SYSTEM_ID: u8 = 10;
    pub(super) const DEL_ICCP_INFO: u8 = 11;
    pub(super) const REMOTE_IF_STATE: u8 = 12;
    pub(super) const DEL_REMOTE_IF: u8 = 13;
    pub(super) const PEER_LINK_ISOLATION: u8 = 14;
    pub(super) const PEER_SYSTEM_ID: u8 = 15;
    pub(super) const GET_FDB_CHANGES: u8 = 20;
}

/// Types of messages of the server; a number space of its own.
mod server {
    pub(super) const FDB: u8 = 1;
    pub(super) const DOMAIN: u8 = 2;
    pub(super) const INTERFACES: u8 = 3;
    pub(super) const VLAN_MEMBERS: u8 = 4;
    pub(super) const UNIQUE_IPS: u8 = 5;
}

impl ClientMessage {
    /// The message as it travels, header included. To be sent with one write
    /// (`spec/mclagsyncd-protocol.md` 2.4).
    ///
    /// # Errors
    ///
    /// When the dialect has no such message ([`EncodeError::is_harmless`]), when it does not fit
    /// a message ([`ClientMessage::split`]), or when a name does not fit its place.
    pub fn encode(&self, dialect: Dialect) -> Result<Vec<u8>, EncodeError> {
        let (kind, name) = self.kind();
        if !self.is_in(dialect) {
            let message = name;
            return Err(EncodeError::NotInDialect { message, dialect });
        }
        let mut body = Writer::new();
        match self {
            Self::SetFdb(records) => record::encode_all(records, dialect, &mut body)?,
            others => suboption::encode(others, dialect, &mut body)?,
        }
        Ok(frame::encode(VERSION, kind, &body.into_bytes())?)
    }

    /// The message in a frame; `None` for a type that the dialect does not have, which is to be
    /// skipped.
    ///
    /// # Errors
    ///
    /// When the version is another, or the body is not what the type says. The message is to be
    /// reported and ignored; the stream is intact.
    pub fn decode(frame: &Frame, dialect: Dialect) -> Result<Option<Decoded<Self>>, DecodeError> {
        check_version(frame)?;
        let mut skipped = Vec::new();
        let message = match frame.kind {
            client::SET_FDB => {
                let records = record::decode_all(&frame.body, dialect, &mut skipped);
                Some(Self::SetFdb(records))
            }
            kind => suboption::decode(kind, &frame.body, dialect, &mut skipped)?,
        };
        Ok(message.map(|message| Decoded { message, skipped }))
    }

    /// Messages with the same effect, each of which fits: forwarding records, and linux-mclag's
    /// isolation, which changes just what it names. A message that cannot be cut is left as it
    /// is; [`ClientMessage::encode`] tells whether it fits.
    #[must_use]
    pub fn split(self, dialect: Dialect) -> Vec<Self> {
        match self {
            Self::SetFdb(records) => parts(&records, dialect).map(Self::SetFdb).collect(),
            Self::PortIsolate(list) if !dialect.isolation_is_whole() => {
                let limit = MAX_LEN_V1 - HEADER_LEN;
                list.cut(limit).map(Self::PortIsolate).collect()
            }
            other => vec![other],
        }
    }

    /// Its type and its name in the specification.
    const fn kind(&self) -> (u8, &'static str) {
        match self {
            Self::PortIsolate(_) => (client::PORT_ISOLATE, "PORT_ISOLATE"),
            Self::MacLearnMode { .. } => (client::MAC_LEARN_MODE, "PORT_MAC_LEARN_MODE"),
            Self::FlushFdb => (client::FLUSH_FDB, "FLUSH_FDB"),
            Self::SetInterfaceMac { .. } => (client::SET_INTF_MAC, "SET_INTF_MAC"),
            Self::SetFdb(_) => (client::SET_FDB, "SET_FDB"),
            Self::TrafficDistribution { is_enabled, .. } => match is_enabled {
                true => (client::TRAFFIC_ENABLE, "SET_TRAFFIC_DIST_ENABLE"),
                false => (client::TRAFFIC_DISABLE, "SET_TRAFFIC_DIST_DISABLE"),
            },
            Self::FlushFdbByPort { .. } => (client::FLUSH_FDB_BY_PORT, "FLUSH_FDB_BY_PORT"),
            Self::IccpState { .. } => (client::ICCP_STATE, "SET_ICCP_STATE"),
            Self::IccpRole { .. } => (client::ICCP_ROLE, "SET_ICCP_ROLE"),
            Self::IccpSystemId { .. } => (client::ICCP_SYSTEM_ID, "SET_ICCP_SYSTEM_ID"),
            Self::DeleteIccpInfo { .. } => (client::DEL_ICCP_INFO, "DEL_ICCP_INFO"),
            Self::RemoteInterfaceState { .. } => (client::REMOTE_IF_STATE, "SET_REMOTE_IF_STATE"),
            Self::DeleteRemoteInterface { .. } => (client::DEL_REMOTE_IF, "DEL_REMOTE_IF_INFO"),
            Self::PeerLinkIsolation { .. } => {
                (client::PEER_LINK_ISOLATION, "SET_PEER_LINK_ISOLATION")
            }
            Self::PeerSystemId { .. } => (client::PEER_SYSTEM_ID, "SET_ICCP_PEER_SYSTEM_ID"),
            Self::GetFdbChanges => (client::GET_FDB_CHANGES, "GET_FDB_CHANGES"),
        }
    }

    /// Whether the dialect has the message (`spec/mclagsyncd-protocol.md` 3.1, 9.3).
    const fn is_in(&self, dialect: Dialect) -> bool {
        match self {
            Self::PortIsolate(_)
            | Self::MacLearnMode { .. }
            | Self::FlushFdb
            | Self::SetInterfaceMac { .. }
            | Self::SetFdb(_) => true,
            Self::FlushFdbByPort { .. } => matches!(dialect, Dialect::LinuxMclag),
            Self::GetFdbChanges => !matches!(dialect, Dialect::Sonic),
            Self::TrafficDistribution { .. }
            | Self::IccpState { .. }
            | Self::IccpRole { .. }
            | Self::IccpSystemId { .. }
            | Self::DeleteIccpInfo { .. }
            | Self::RemoteInterfaceState { .. }
            | Self::DeleteRemoteInterface { .. }
            | Self::PeerLinkIsolation { .. }
            | Self::PeerSystemId { .. } => matches!(dialect, Dialect::Sonic),
        }
    }
}

impl ServerMessage {
    /// The message as it travels, header included. To be sent with one write; a linux-mclag
    /// `iccpd` uses only the first message of what it reads at once
    /// (`spec/mclagsyncd-protocol.md` 2.4).
    ///
    /// # Errors
    ///
    /// When the dialect has no such message ([`EncodeError::is_harmless`]), when it does not fit
    /// a message ([`ServerMessage::split`]), or when a name does not fit its field.
    pub fn encode(&self, dialect: Dialect) -> Result<Vec<u8>, EncodeError> {
        let (kind, name) = self.kind();
        if kind != server::FDB && !dialect.has_settings() {
            let message = name;
            return Err(EncodeError::NotInDialect { message, dialect });
        }
        let mut body = Writer::new();
        match self {
            Self::Fdb(records) => {
                let records = records.iter().map(|record| record.reported(dialect));
                record::encode_all(&records.collect::<Vec<_>>(), dialect, &mut body)?;
            }
            Self::Domain(records) => record::encode_all(records, dialect, &mut body)?,
            Self::Interfaces(records) => record::encode_all(records, dialect, &mut body)?,
            Self::VlanMembers(records) => record::encode_all(records, dialect, &mut body)?,
            Self::UniqueIps(records) => record::encode_all(records, dialect, &mut body)?,
        }
        Ok(frame::encode(VERSION, kind, &body.into_bytes())?)
    }

    /// The message in a frame; `None` for a type that the dialect does not have, which is to be
    /// skipped.
    ///
    /// # Errors
    ///
    /// When the version is another. The message is to be reported and ignored; the stream is
    /// intact.
    pub fn decode(frame: &Frame, dialect: Dialect) -> Result<Option<Decoded<Self>>, DecodeError> {
        check_version(frame)?;
        if frame.kind != server::FDB && !dialect.has_settings() {
            return Ok(None);
        }
        let body = frame.body.as_slice();
        let mut skipped = Vec::new();
        let message = match frame.kind {
            server::FDB => Self::Fdb(record::decode_all(body, dialect, &mut skipped)),
            server::DOMAIN => Self::Domain(record::decode_all(body, dialect, &mut skipped)),
            server::INTERFACES => Self::Interfaces(record::decode_all(body, dialect, &mut skipped)),
            server::VLAN_MEMBERS => {
                Self::VlanMembers(record::decode_all(body, dialect, &mut skipped))
            }
            server::UNIQUE_IPS => Self::UniqueIps(record::decode_all(body, dialect, &mut skipped)),
            _ => return Ok(None),
        };
        Ok(Some(Decoded { message, skipped }))
    }

    /// Messages with the same records, as many in each as fit; none if there are none.
    ///
    /// A domain record that resets several attributes becomes one record for each: a SONiC
    /// `iccpd` loses all but the first (`spec/mclagsyncd-protocol.md` 5.2).
    #[must_use]
    pub fn split(self, dialect: Dialect) -> Vec<Self> {
        match self {
            Self::Fdb(records) => parts(&records, dialect).map(Self::Fdb).collect(),
            Self::Domain(records) => {
                let records = records.into_iter().flat_map(DomainRecord::one_by_one);
                let records: Vec<_> = records.collect();
                parts(&records, dialect).map(Self::Domain).collect()
            }
            Self::Interfaces(records) => parts(&records, dialect).map(Self::Interfaces).collect(),
            Self::VlanMembers(records) => parts(&records, dialect).map(Self::VlanMembers).collect(),
            Self::UniqueIps(records) => parts(&records, dialect).map(Self::UniqueIps).collect(),
        }
    }

    /// Its type and its name in the specification.
    const fn kind(&self) -> (u8, &'static str) {
        match self {
            Self::Fdb(_) => (server::FDB, "FDB_OPERATION"),
            Self::Domain(_) => (server::DOMAIN, "CFG_MCLAG_DOMAIN"),
            Self::Interfaces(_) => (server::INTERFACES, "CFG_MCLAG_IFACE"),
            Self::VlanMembers(_) => (server::VLAN_MEMBERS, "VLAN_MBR_UPDATES"),
            Self::UniqueIps(_) => (server::UNIQUE_IPS, "CFG_MCLAG_UNIQUE_IP"),
        }
    }
}

/// The records in parts that fit a message.
fn parts<R: record::Record + Clone>(
    records: &[R],
    dialect: Dialect,
) -> impl Iterator<Item = Vec<R>> {
    records
        .chunks(dialect.max_records::<R>())
        .map(<[R]>::to_vec)
}

/// A message of another version is skipped, not a reason to close the connection
/// (`spec/mclagsyncd-protocol.md` 10, item 16).
const fn check_version(frame: &Frame) -> Result<(), DecodeError> {
    match frame.version {
        VERSION => Ok(()),
        other => Err(DecodeError::new(0, "version", Problem::Version(other))),
    }
}
