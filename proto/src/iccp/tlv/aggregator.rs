//! The LAGs of the sender: mLACP Aggregator Config and State, and the acknowledgement of *up*
//! (`spec/iccp.md` 4.2, 4.3, 4.13).

use super::super::code::tlv::{AGGREGATOR_CONFIG, AGGREGATOR_STATE, INTERFACE_UP_ACK};
use super::super::error::DecodeError;
use super::super::wire::{Fields, Output};
use crate::{AggregatorId, IfName, Mac};
use serde::{Deserialize, Serialize};

/// mLACP Aggregator Config 0x0036 (4.2).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x0036       |          Length = 42          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                           ROID = 0                            |
// +                                                               +
// |                                                               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Aggregator ID         |          MAC Address          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
// |                                                               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Actor Key = 0         |   Member Port Priority = 0    |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |     Flags     |  Name Length  |  Name, 20 bytes, NUL-padded   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+             ...               +
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AggregatorConfig {
    /// Number of the LAG.
    pub id: AggregatorId,
    /// Name of the LAG; the peer matches by it.
    pub name: IfName,
    /// MAC of the LAG's network device.
    pub mac: Mac,
    /// Present or purged.
    pub flag: ConfigFlag,
}

impl AggregatorConfig {
    pub(super) fn encode(&self, out: &mut Output<'_>) {
        out.plain_tlv(AGGREGATOR_CONFIG, |out| {
            out.zeros::<8>(); // ROID
            out.u16(self.id.0);
            out.put(&self.mac.0);
            out.zeros::<4>(); // actor key, member port priority
            out.u8(self.flag as u8);
            out.name_length(&self.name);
            out.name(&self.name);
        });
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        fields.take(8, "ROID")?;
        let id = AggregatorId(fields.u16("aggregator id")?);
        let mac = fields.mac("MAC address")?;
        fields.take(4, "actor key and port priority")?;
        let offset = fields.offset();
        let flags = fields.u8("flags")?;
        let flag = ConfigFlag::from_wire(flags).ok_or_else(|| {
            fields.bad("flags", offset, flags, "either 0x01 present or 0x02 purge")
        })?;
        fields.u8("name length")?;
        let name = fields.name("interface name")?;
        Ok(Self {
            id,
            name,
            mac,
            flag,
        })
    }
}

/// Whether an aggregator is there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigFlag {
    /// Present.
    Present = 0x01,
    /// Detached or deleted.
    Purge = 0x02,
}

impl ConfigFlag {
    /// Exactly one of both must be set; bits that nobody has defined are ignored.
    const fn from_wire(flags: u8) -> Option<Self> {
        match flags & 0x03 {
            0x01 => Some(Self::Present),
            0x02 => Some(Self::Purge),
            _ => None,
        }
    }
}

/// mLACP Aggregator State 0x0037 (4.3).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x0037       |          Length = 15          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                     Partner System ID = 0                     |
// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                               |  Partner System Priority = 0  |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |        Partner Key = 0        |         Aggregator ID         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Actor Key = 0         |     State     |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AggregatorState {
    /// Number of the LAG.
    pub id: AggregatorId,
    /// Its state.
    pub state: PortState,
}

impl AggregatorState {
    pub(super) fn encode(&self, out: &mut Output<'_>) {
        out.plain_tlv(AGGREGATOR_STATE, |out| {
            out.zeros::<10>(); // partner system id, priority, key
            out.u16(self.id.0);
            out.zeros::<2>(); // actor key
            out.u8(self.state as u8);
        });
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        fields.take(10, "partner")?;
        let id = AggregatorId(fields.u16("aggregator id")?);
        fields.take(2, "actor key")?;
        let state = PortState::from_wire(fields.u8("state")?);
        Ok(Self { id, state })
    }
}

/// State of a LAG as its chassis reports it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortState {
    /// Carries traffic, or will as soon as the receiver has acknowledged.
    Up = 0,
    /// Does not carry traffic.
    Down = 1,
    /// Taken down by its operator.
    AdminDown = 2,
    /// In test.
    Test = 3,
}

impl PortState {
    /// Anything but *up* counts as down (4.3).
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up)
    }

    /// A number nobody has defined counts as down, as for a legacy receiver.
    const fn from_wire(raw: u8) -> Self {
        match raw {
            0 => Self::Up,
            2 => Self::AdminDown,
            3 => Self::Test,
            _ => Self::Down,
        }
    }
}

/// Interface Up Ack 0x103b (4.13).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x103b       |          Length = 4           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |   Kind = 1    |   Isolation   |         Aggregator ID         |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InterfaceUpAck {
    /// Number of the LAG, copied from the Aggregator State.
    pub id: AggregatorId,
    /// True when isolation is in force; not evaluated by a legacy receiver.
    pub isolated: bool,
}

impl InterfaceUpAck {
    /// The only kind of interface that is acknowledged.
    const PORT_CHANNEL: u8 = 1;

    pub(super) fn encode(&self, out: &mut Output<'_>) {
        out.plain_tlv(INTERFACE_UP_ACK, |out| {
            out.u8(Self::PORT_CHANNEL);
            out.u8(self.isolated.into());
            out.u16(self.id.0);
        });
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let offset = fields.offset();
        let kind = fields.u8("interface type")?;
        if kind != Self::PORT_CHANNEL {
            return Err(fields.bad("interface type", offset, kind, "1 (port-channel)"));
        }
        let isolated = fields.u8("port isolation")? != 0;
        let id = AggregatorId(fields.u16("aggregator id")?);
        Ok(Self { id, isolated })
    }
}
