//! The TLVs of RG Application Data, as values (`spec/iccp.md` 4).

mod aggregator;
mod consistency;
pub(super) mod mac;
mod neighbour;
mod sync;
mod system;

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::code::tlv as code;
use super::error::DecodeError;
use super::ext::Extension;
use super::wire::{Dialect, Fields, Output};

pub use aggregator::{AggregatorConfig, AggregatorState, ConfigFlag, InterfaceUpAck, PortState};
pub use consistency::{PeerLinkInfo, PeerLinkKind, PortChannelInfo};
pub use mac::{EntryOp, MAX_MACS_PER_MESSAGE, MacEntry, MacType};
pub(super) use neighbour::{MAX_ARPS, MAX_NDISCS};
pub use neighbour::{NeighbourEntry, NeighbourFlags};
pub use system::SystemConfig;

/// One TLV of application data.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Tlv {
    /// The sender's identity (4.1).
    SystemConfig(SystemConfig),
    /// A LAG of the sender exists, or no longer does (4.2).
    AggregatorConfig(AggregatorConfig),
    /// A LAG of the sender went up or down (4.3).
    AggregatorState(AggregatorState),
    /// Ask for everything (4.4).
    SyncRequest {
        /// Copied into the answer; legacy senders use 0.
        number: u16,
    },
    /// Begin or end of the answer to a request (4.5).
    SyncData {
        /// Number of the request.
        number: u16,
        /// False at the start, true at the end.
        end: bool,
    },
    /// A sign of life (4.6).
    Heartbeat,
    /// Layer-3 mode and VLANs of a LAG, for the consistency check (4.7).
    PortChannelInfo(PortChannelInfo),
    /// Name and kind of the sender's peer link (4.8).
    PeerLinkInfo(PeerLinkInfo),
    /// IPv4 neighbours learned or forgotten (4.9).
    ArpInfo(Vec<NeighbourEntry<Ipv4Addr>>),
    /// IPv6 neighbours learned or forgotten (4.10).
    NdiscInfo(Vec<NeighbourEntry<Ipv6Addr>>),
    /// Addresses learned or forgotten (4.11).
    MacInfo(Vec<MacEntry>),
    /// The receiver has isolated the LAG that the sender reported up (4.13).
    InterfaceUpAck(InterfaceUpAck),
    /// The sender restarts and keeps forwarding meanwhile (4.12).
    WarmBoot,
    /// An extension between our own daemons (8.1), see [`super::ext`].
    Extension(Extension),
    /// A type this version does not know or deliberately ignores: counted, otherwise ignored.
    Unknown {
        /// The 14-bit TLV type.
        kind: u16,
    },
}

impl Tlv {
    /// The 14-bit TLV type.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match self {
            Self::SystemConfig(_) => code::SYSTEM_CONFIG,
            Self::AggregatorConfig(_) => code::AGGREGATOR_CONFIG,
            Self::AggregatorState(_) => code::AGGREGATOR_STATE,
            Self::SyncRequest { .. } => code::SYNC_REQUEST,
            Self::SyncData { .. } => code::SYNC_DATA,
            Self::Heartbeat => code::HEARTBEAT,
            Self::PortChannelInfo(_) => code::PORT_CHANNEL_INFO,
            Self::PeerLinkInfo(_) => code::PEER_LINK_INFO,
            Self::ArpInfo(_) => code::ARP_INFO,
            Self::NdiscInfo(_) => code::NDISC_INFO,
            Self::MacInfo(_) => code::MAC_INFO,
            Self::InterfaceUpAck(_) => code::INTERFACE_UP_ACK,
            Self::WarmBoot => code::WARM_BOOT,
            Self::Extension(extension) => extension.kind(),
            Self::Unknown { kind } => *kind,
        }
    }

    /// Number of entries, if it is a list.
    pub(super) const fn entries(&self) -> Option<usize> {
        match self {
            Self::ArpInfo(entries) => Some(entries.len()),
            Self::NdiscInfo(entries) => Some(entries.len()),
            Self::MacInfo(entries) => Some(entries.len()),
            Self::Extension(Extension::MacOrder(entries)) => Some(entries.len()),
            _ => None,
        }
    }

    /// Whether `dialect` has it. linux-mclag is older than the rest, and what our own daemons say
    /// to each other is not written in it.
    pub(super) const fn is_in(&self, dialect: Dialect) -> bool {
        match dialect {
            Dialect::Sonic => true,
            Dialect::LinuxMclag => !matches!(
                self,
                Self::NdiscInfo(_) | Self::InterfaceUpAck(_) | Self::WarmBoot | Self::Extension(_)
            ),
        }
    }

    /// Write the TLV. It must be in the dialect, and a list must fit one message.
    pub(super) fn encode(&self, out: &mut Output<'_>) {
        match self {
            Self::SystemConfig(tlv) => tlv.encode(out),
            Self::AggregatorConfig(tlv) => tlv.encode(out),
            Self::AggregatorState(tlv) => tlv.encode(out),
            Self::SyncRequest { number } => sync::encode_request(*number, out),
            Self::SyncData { number, end } => sync::encode_data(*number, *end, out),
            Self::Heartbeat => sync::encode_heartbeat(out),
            Self::PortChannelInfo(tlv) => tlv.encode(out),
            Self::PeerLinkInfo(tlv) => tlv.encode(out),
            Self::ArpInfo(entries) => neighbour::encode(entries, out),
            Self::NdiscInfo(entries) => neighbour::encode(entries, out),
            Self::MacInfo(entries) => mac::encode(entries, out),
            Self::InterfaceUpAck(tlv) => tlv.encode(out),
            Self::WarmBoot => sync::encode_warm_boot(out),
            Self::Extension(tlv) => tlv.encode(out),
            Self::Unknown { kind } => out.plain_tlv(*kind, |_| {}),
        }
    }

    /// Read the TLV at the cursor, and no more: what follows it is ignored (2).
    ///
    /// `report` receives what had to be skipped of a TLV that is otherwise good.
    pub(super) fn decode(
        fields: &mut Fields<'_>,
        report: &mut Option<DecodeError>,
    ) -> Result<Self, DecodeError> {
        let (header, mut value) = fields.tlv()?; // U and F are not consulted (8.1)
        let value = &mut value;
        Ok(match header.kind {
            code::SYSTEM_CONFIG => Self::SystemConfig(SystemConfig::decode(value)?),
            code::AGGREGATOR_CONFIG => Self::AggregatorConfig(AggregatorConfig::decode(value)?),
            code::AGGREGATOR_STATE => Self::AggregatorState(AggregatorState::decode(value)?),
            code::SYNC_REQUEST => sync::decode_request(value)?,
            code::SYNC_DATA => sync::decode_data(value)?,
            code::HEARTBEAT => sync::decode_heartbeat(value)?,
            code::PORT_CHANNEL_INFO => {
                Self::PortChannelInfo(PortChannelInfo::decode(value, report)?)
            }
            code::PEER_LINK_INFO => Self::PeerLinkInfo(PeerLinkInfo::decode(value)?),
            code::ARP_INFO => Self::ArpInfo(neighbour::decode(value, report)?),
            code::MAC_INFO => Self::MacInfo(mac::decode(value, report)?),
            // The other types are newer than this dialect; 0x1039 is no type at all in it (4.12).
            kind if value.dialect() == Dialect::LinuxMclag => Self::Unknown { kind },
            code::NDISC_INFO => Self::NdiscInfo(neighbour::decode(value, report)?),
            code::INTERFACE_UP_ACK => Self::InterfaceUpAck(InterfaceUpAck::decode(value)?),
            code::WARM_BOOT => sync::decode_warm_boot(value)?,
            kind => match Extension::decode(kind, value, report)? {
                Some(extension) => Self::Extension(extension),
                None => Self::Unknown { kind },
            },
        })
    }
}
