//! The sender's identity: mLACP System Config (`spec/iccp.md` 4.1).

use super::super::code::tlv::SYSTEM_CONFIG;
use super::super::error::DecodeError;
use super::super::wire::{Fields, Output};
use crate::{Mac, NodeId};
use serde::{Deserialize, Serialize};

/// mLACP System Config 0x0032 (4.1).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x0032       |          Length = 9           |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                           System ID                           |
// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                               |        System Priority        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |    Node ID    |
// +-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SystemConfig {
    /// System MAC of the sender.
    pub system: Mac,
    /// LACP system priority; always 0 from a legacy sender.
    pub priority: u16,
    /// Node id; must differ between the two.
    pub node: NodeId,
}

impl SystemConfig {
    pub(super) fn encode(&self, out: &mut Output<'_>) {
        out.plain_tlv(SYSTEM_CONFIG, |out| {
            out.put(&self.system.0);
            out.u16(self.priority);
            out.u8(self.node.0);
        });
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            system: fields.mac("system id")?,
            priority: fields.u16("system priority")?,
            node: NodeId(fields.u8("node id")?),
        })
    }
}
