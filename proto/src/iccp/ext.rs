//! Extensions between our own daemons: TLVs with U=1 and a type from 0x1100 up
//! (`spec/iccp.md` 8.1).
//!
//! A legacy receiver puts types of this range on a queue that nobody reads, so the announcement
//! may be sent to anyone; everything else is sent only after both sides announced themselves.

use super::MAX_MESSAGE;
use super::code::tlv::{
    ANNOUNCE, DATAPLANE_STATE, LACP_PARTNER, MAC_ORDER, MAC_SYNC_END, PORT_ID, PORT_VLAN,
    SHUTDOWN_NOTICE,
};
use super::error::DecodeError;
use super::tlv::mac::FIRST_ENTRY;
use super::wire::{Fields, Output, TlvKind, clip, lossy, vid};
use crate::{AggregatorId, LacpPartner, Mac, Vid};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Addresses whose order fits one message.
pub(super) const MAX_ORDERS_PER_MESSAGE: usize = (MAX_MESSAGE - FIRST_ENTRY) / MacOrder::LEN;

/// Version of the extensions that this build speaks: from 2 on, moves of addresses have an order
/// ([`MacOrder`]); from 3 on, ports are paired by the ids that operators gave them ([`Extension::PortId`]).
pub const VERSION: u16 = 3;

/// An extension TLV.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extension {
    /// 0x1100: the sender speaks these extensions.
    Announce(Announce),
    /// 0x1101: the sender is about to stop.
    ShutdownNotice(ShutdownNotice),
    /// 0x1102: every address known when the session came up has been sent. Has no value.
    MacSyncEnd,
    /// 0x1103: who is at the other end of a port of the sender.
    LacpPartner(PortPartner),
    /// 0x1104: where addresses stand in the order of moves whose MAC Info follows. One that is missing
    /// is of sequence 1, and of an age that is not known.
    MacOrder(Vec<MacOrder>),
    /// 0x1105: the port whose Aggregator Config follows has this number because an operator gave it that
    /// id. Sent to a peer that announced version 3 or more; a receiver ignores bytes behind the number, so a
    /// later version may append.
    PortId(AggregatorId),
    /// 0x1106: whether what the sender decides is carried out there.
    DataplaneState(DataplaneState),
    /// 0x1107: what becomes of frames without a tag that arrive at a port of the sender.
    PortVlan(PortVlan),
}

impl Extension {
    pub(super) const fn kind(&self) -> u16 {
        match self {
            Self::Announce(_) => ANNOUNCE,
            Self::ShutdownNotice(_) => SHUTDOWN_NOTICE,
            Self::MacSyncEnd => MAC_SYNC_END,
            Self::LacpPartner(_) => LACP_PARTNER,
            Self::MacOrder(_) => MAC_ORDER,
            Self::PortId(_) => PORT_ID,
            Self::DataplaneState(_) => DATAPLANE_STATE,
            Self::PortVlan(_) => PORT_VLAN,
        }
    }

    pub(super) fn encode(&self, out: &mut Output<'_>) {
        let header = TlvKind {
            unknown: true,
            forward: false,
            kind: self.kind(),
        };
        out.tlv(header, |out| match self {
            Self::Announce(announce) => announce.encode(out),
            Self::ShutdownNotice(shutdown_notice) => out.u8(*shutdown_notice as u8),
            Self::MacSyncEnd => {}
            Self::LacpPartner(partner) => partner.encode(out),
            Self::MacOrder(orders) => {
                out.reserve(2 + orders.len() * MacOrder::LEN);
                out.count(orders.len());
                for order in orders {
                    order.encode(out);
                }
            }
            Self::PortId(id) => out.u16(id.0),
            Self::DataplaneState(state) => state.encode(out),
            Self::PortVlan(vlan) => vlan.encode(out),
        });
    }

    /// `None` for a type that is not one of these, even if it is of the same range.
    pub(super) fn decode(
        kind: u16,
        value: &mut Fields<'_>,
        report: &mut Option<DecodeError>,
    ) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            ANNOUNCE => Self::Announce(Announce::decode(value)?),
            SHUTDOWN_NOTICE => Self::ShutdownNotice(ShutdownNotice::decode(value)?),
            MAC_SYNC_END => Self::MacSyncEnd,
            LACP_PARTNER => Self::LacpPartner(PortPartner::decode(value)?),
            MAC_ORDER => {
                let total = value.count("number of addresses", MacOrder::LEN)?;
                Self::MacOrder(value.entries(total, report, MacOrder::decode)?)
            }
            PORT_ID => Self::PortId(AggregatorId(value.u16("aggregator id")?)),
            DATAPLANE_STATE => Self::DataplaneState(DataplaneState::decode(value, report)?),
            PORT_VLAN => Self::PortVlan(PortVlan::decode(value)?),
            _ => return Ok(None),
        }))
    }
}

/// 0x1100 Announce: sent once, as soon as the session is operational.
///
/// A receiver ignores bytes behind the fields it knows, so a later version may append.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |1|0|       Type = 0x1100       |        Length = 11 + n        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |            Version            |           Priority            |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                           Node MAC                            |
// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                               |       n       | Software, n bytes
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Announce {
    /// [`VERSION`] of the sender; the lower of both is spoken.
    pub version: u16,
    /// Election priority, 0..=65535; the lower one is primary.
    pub priority: u16,
    /// Breaks a tie of priorities: the lower one is primary.
    pub node_mac: Mac,
    /// Name and version of the sending program for the operator's eyes, at most 64 bytes.
    pub software: String,
}

impl Announce {
    /// Longest [`Announce::software`] in bytes; a longer one is cut.
    pub const SOFTWARE_MAX: usize = 64;

    fn encode(&self, out: &mut Output<'_>) {
        let software = clip(&self.software, Self::SOFTWARE_MAX).as_bytes();
        out.u16(self.version);
        out.u16(self.priority);
        out.put(&self.node_mac.0);
        out.u8(u8::try_from(software.len()).expect("the text was cut to 64 bytes"));
        out.put(software);
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let offset = fields.offset();
        let version = fields.u16("version")?;
        if version == 0 {
            return Err(fields.bad("version", offset, version, "1 or more"));
        }
        let priority = fields.u16("priority")?;
        let node_mac = fields.mac("node MAC")?;
        let length = fields.u8("software length")?;
        let software = fields.take(length.into(), "software")?;
        Ok(Self {
            version,
            priority,
            node_mac,
            software: lossy(software, Self::SOFTWARE_MAX),
        })
    }
}

/// 0x1101 Shutdown Notice: what the sender's stop means for its dataplane.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |1|0|       Type = 0x1101       |          Length = 1           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |    Reason     |
// +-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShutdownNotice {
    /// It restarts; its dataplane goes on forwarding as it is.
    Restart = 0,
    /// It leaves; its MLAG ports are out of the pair.
    Leave = 1,
}

impl ShutdownNotice {
    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let offset = fields.offset();
        match fields.u8("reason")? {
            0 => Ok(Self::Restart),
            1 => Ok(Self::Leave),
            other => Err(fields.bad("reason", offset, other, "0 (restart) or 1 (leave)")),
        }
    }
}

/// 0x1103 LACP Partner: sent behind Aggregator Config, and when it changes.
///
/// A receiver ignores bytes behind the fields it knows, so a later version may append.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |1|0|       Type = 0x1103       |       Length = 10 or 11       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Aggregator ID         |          Partner key          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                  Partner system, zero for none                |
// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                               |     Alone     |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortPartner {
    /// The port, by the number that its Aggregator Config has.
    pub id: AggregatorId,
    /// Its LACP partner; none without LACP, and while nobody answers.
    pub partner: Option<LacpPartner>,
    /// How a port stands that may carry data without LACP; left out for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<Alone>,
}

/// How a port stands that may carry data without LACP (LACP bypass) and on which LACP has not agreed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Alone {
    /// Nobody has answered for long; it carries no data.
    Ready = 1,
    /// Nobody answers, and it carries data.
    Carries = 2,
    /// Somebody answers, and LACP has not agreed yet.
    Heard = 3,
}

impl Alone {
    /// A later version may know more: what is not known is none.
    const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Ready),
            2 => Some(Self::Carries),
            3 => Some(Self::Heard),
            _ => None,
        }
    }
}

impl PortPartner {
    fn encode(&self, out: &mut Output<'_>) {
        let partner = self.partner.unwrap_or_default();
        out.u16(self.id.0);
        out.u16(partner.key);
        out.put(&partner.system.0);
        if let Some(alone) = self.alone {
            out.u8(alone as u8);
        }
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let id = AggregatorId(fields.u16("aggregator id")?);
        let key = fields.u16("partner key")?;
        let system = fields.mac("partner system")?;
        let partner = LacpPartner { system, key };
        let alone = match fields.rest().is_empty() {
            true => None,
            false => Alone::from_wire(fields.u8("alone")?),
        };
        Ok(Self {
            id,
            partner: (!system.is_zero()).then_some(partner),
            alone,
        })
    }
}

/// One address of 0x1104 MAC Order: how its observation at the sender relates to others. Sent in front of
/// the MAC Info that has the observation, to a peer that announced version 2 or more.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |1|0|       Type = 0x1104       |        Length = 2 + 14n       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   n = number of addresses     |  n times ...
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                          MAC Address                          |
// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                               |            VLAN ID            |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |           Sequence            |     Age in milliseconds,
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//    all ones if it is not known   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MacOrder {
    /// The address.
    pub mac: Mac,
    /// Its VLAN.
    pub vid: Vid,
    /// One more than that of the newest observation that the sender knew of, from either chassis, when
    /// it made its own. Compared as RFC 1982 has it for 16 bits.
    pub sequence: u16,
    /// How long ago the sender observed it, in whole milliseconds less than 2³² − 1; none if it does not
    /// know.
    pub age: Option<Duration>,
}

impl MacOrder {
    /// Size in bytes.
    const LEN: usize = 14;

    fn encode(&self, out: &mut Output<'_>) {
        let age = self.age.and_then(|age| u32::try_from(age.as_millis()).ok());
        out.put(&self.mac.0);
        out.u16(self.vid.get());
        out.u16(self.sequence);
        out.u32(age.unwrap_or(u32::MAX));
    }

    /// Reads the whole entry before it judges any of it, so that the next one can be read.
    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let mac = fields.mac("MAC address")?;
        let vid = vid(fields, "VLAN");
        let sequence = fields.u16("sequence")?;
        let age = fields.u32("age")?;
        let age = (age != u32::MAX).then(|| Duration::from_millis(age.into()));
        Ok(Self {
            mac,
            vid: vid?,
            sequence,
            age,
        })
    }
}

/// 0x1106 Dataplane State: sent when it changes, and once both are synchronised unless all is well; a receiver
/// that was sent none takes the sender's dataplane to be at work.
///
/// A receiver ignores bytes behind the fields it knows, so a later version may append. A presence that it does not know
/// is 2 for it, and of the flags of a port it looks at those that it knows.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |1|0|       Type = 0x1106       |        Length = 4 + 4n        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |           Presence            |      n = number of ports      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Aggregator ID         |  Flags; 1: isolated, 2: let   |
// |                               |  go, as far as known          |
// |                               |                  (n times)    |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataplaneState {
    /// Whether it is at work.
    pub presence: DataplanePresence,
    /// Ports that cannot be acknowledged for now: they are not known for certain to be isolated while it is not at
    /// work, and refused where it is. At most [`DataplaneState::MAX_PORTS`].
    pub ports: Vec<DoubtfulPort>,
}

/// Whether a dataplane is at work.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataplanePresence {
    /// What is decided is carried out.
    #[default]
    AtWork = 0,
    /// Nobody is connected who would. The ports go on as they were set last.
    Disconnected = 1,
    /// Who would does not answer. The ports may go on as they were set last.
    Silent = 2,
}

/// A port that is not known for certain to be isolated.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DoubtfulPort {
    /// The port, by the number that its Aggregator Config has.
    pub id: AggregatorId,
    /// It was isolated when that was last known, or that was never known; else it was not.
    pub isolated: bool,
    /// The dataplane does not hold it, or is to leave it as it is: it carries data for as long as
    /// its links do. Earlier versions do not advertise that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub let_go: bool,
}

impl DataplaneState {
    /// Most ports in one message.
    pub const MAX_PORTS: usize = 8192;

    fn encode(&self, out: &mut Output<'_>) {
        let ports = self.ports.iter().take(Self::MAX_PORTS);
        out.u16(self.presence as u16);
        out.count(ports.len());
        for port in ports {
            out.u16(port.id.0);
            out.u16(port.flags());
        }
    }

    fn decode(
        fields: &mut Fields<'_>,
        report: &mut Option<DecodeError>,
    ) -> Result<Self, DecodeError> {
        let presence = DataplanePresence::from_wire(fields.u16("presence")?);
        let total = fields.count("number of ports", DoubtfulPort::LEN)?;
        let ports = fields.entries(total, report, DoubtfulPort::decode)?;
        Ok(Self { presence, ports })
    }
}

impl DataplanePresence {
    /// A later version may know more: what is not known for certain to be at work is not relied upon.
    const fn from_wire(value: u16) -> Self {
        match value {
            0 => Self::AtWork,
            1 => Self::Disconnected,
            _ => Self::Silent,
        }
    }
}

impl DoubtfulPort {
    /// Size in bytes.
    const LEN: usize = 4;

    /// The flag that it is isolated.
    const ISOLATED: u16 = 0x0001;

    /// The flag that it is let go.
    const LET_GO: u16 = 0x0002;

    const fn flags(self) -> u16 {
        let isolated = if self.isolated { Self::ISOLATED } else { 0 };
        let let_go = if self.let_go { Self::LET_GO } else { 0 };
        isolated | let_go
    }

    /// Without the flag that it is isolated it is not isolated, whatever else a later version says of it: the cautious
    /// reading.
    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let id = AggregatorId(fields.u16("aggregator id")?);
        let flags = fields.u16("flags")?;
        Ok(Self {
            id,
            isolated: flags & Self::ISOLATED != 0,
            let_go: flags & Self::LET_GO != 0,
        })
    }
}

/// 0x1107 Port VLAN: sent behind Port Channel Info, of a port of a bridge that filters VLANs.
///
/// A receiver ignores bytes behind the fields it knows, so a later version may append.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |1|0|       Type = 0x1107       |          Length = 4           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Aggregator ID         |     PVID, zero for none       |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortVlan {
    /// The port, by the number that its Aggregator Config has.
    pub id: AggregatorId,
    /// The VLAN of frames that arrive without a tag; none where they are dropped.
    pub pvid: Option<Vid>,
}

impl PortVlan {
    fn encode(self, out: &mut Output<'_>) {
        out.u16(self.id.0);
        out.u16(self.pvid.map_or(0, Vid::get));
    }

    fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let id = AggregatorId(fields.u16("aggregator id")?);
        let offset = fields.offset();
        let pvid = match fields.u16("PVID")? {
            0 => None,
            raw => {
                let pvid = Vid::new(raw);
                Some(pvid.ok_or_else(|| fields.bad("PVID", offset, raw, "0 to 4094"))?)
            }
        };
        Ok(Self { id, pvid })
    }
}
