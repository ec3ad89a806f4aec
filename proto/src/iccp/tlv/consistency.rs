//! What the two chassis tell each other in order to compare: Port Channel Info and Peer Link Info
//! (`spec/iccp.md` 4.7, 4.8).

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::super::MAX_MESSAGE;
use super::super::code::tlv::{PEER_LINK_INFO, PORT_CHANNEL_INFO};
use super::super::error::DecodeError;
use super::super::wire::{Dialect, Fields, Output, vid};
use crate::{AggregatorId, IfName, Vid};

/// Port Channel Info 0x1034 (4.7), drawn as sonic writes it.
///
/// linux-mclag has a field of two zero bytes in front of the second aggregator id, lists the VLANs
/// in reverse order, and appends 30 zero bytes for each: it counts in structures of 32 bytes.
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x1034       |        Length = 32 + 2n        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Aggregator ID         |  Name, 20 bytes, NUL-padded   |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
// |                              ...                              |
// +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                               |  Name Length  |    L3 Mode    |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |             IPv4 Address, octets in reverse order             |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |        Aggregator ID          |      n = number of VLANs      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         n VLAN IDs            |              ...
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PortChannelInfo {
    /// Number of the LAG.
    pub id: AggregatorId,
    /// Name of the LAG.
    pub name: IfName,
    /// Its IPv4 address if it is a layer-3 port.
    pub l3: bool,
    /// First IPv4 address, unspecified when none.
    pub address: Ipv4Addr,
    /// VLANs it is a member of.
    pub vids: BTreeSet<Vid>,
}

impl PortChannelInfo {
    pub(super) fn encode(&self, out: &mut Output<'_>) {
        out.plain_tlv(PORT_CHANNEL_INFO, |out| {
            out.u16(self.id.0);
            out.name(&self.name);
            out.name_length(&self.name);
            out.u8(self.l3.into());
            out.put(&address_to_wire(self.address, out.dialect()));
            let count = self.vids.len();
            match out.dialect() {
                Dialect::Sonic => {
                    out.u16(self.id.0);
                    out.count(count);
                    for vid in &self.vids {
                        out.u16(vid.get());
                    }
                }
                Dialect::LinuxMclag => {
                    out.zeros::<2>(); // orphan flag
                    out.u16(self.id.0);
                    out.count(count);
                    // Latest first (4.7); VLANs are usually added in ascending order.
                    for vid in self.vids.iter().rev() {
                        out.u16(vid.get());
                    }
                    // The receiver skips it, so what does not fit a message need not be there.
                    let room = MAX_MESSAGE - LINUX_MCLAG_VLANS - 2 * count;
                    out.filler(room.min(30 * count));
                }
            }
        });
    }

    /// VLANs that are none are skipped: the list is only compared.
    pub(super) fn decode(
        fields: &mut Fields<'_>,
        report: &mut Option<DecodeError>,
    ) -> Result<Self, DecodeError> {
        let id = AggregatorId(fields.u16("aggregator id")?);
        let name = fields.name("interface name")?;
        fields.u8("name length")?;
        let l3 = fields.u8("L3 mode")? != 0;
        let address = address_from_wire(fields.array("IPv4 address")?, fields.dialect());
        match fields.dialect() {
            Dialect::Sonic => {}
            Dialect::LinuxMclag => {
                fields.take(2, "orphan flag")?;
            }
        }
        fields.u16("port-channel id")?;
        let total = fields.count("number of VLANs", 2)?;
        let vids = fields.entries(total, report, |fields| vid(fields, "VLAN"))?;
        let vids = vids.into_iter().collect();
        Ok(Self {
            id,
            name,
            l3,
            address,
            vids,
        })
    }
}

/// Offset of the first VLAN in a linux-mclag message: header, RG ID TLV, and 38 bytes of the TLV.
const LINUX_MCLAG_VLANS: usize = 8 + 8 + 38;

/// The one IPv4 address that the sonic dialect sends with its octets reversed (2.3).
fn address_to_wire(address: Ipv4Addr, dialect: Dialect) -> [u8; 4] {
    let mut octets = address.octets();
    match dialect {
        Dialect::Sonic => octets.reverse(),
        Dialect::LinuxMclag => {}
    }
    octets
}

fn address_from_wire(mut octets: [u8; 4], dialect: Dialect) -> Ipv4Addr {
    match dialect {
        Dialect::Sonic => octets.reverse(),
        Dialect::LinuxMclag => {}
    }
    Ipv4Addr::from(octets)
}

/// Peer Link Info 0x1035 (4.8).
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |U|F|       Type = 0x1035       |          Length = 21          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                  Name, 20 bytes, NUL-padded                   |
// +                              ...                              +
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |     Kind      |
// +-+-+-+-+-+-+-+-+
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeerLinkInfo {
    /// Name of the sender's peer link.
    pub name: IfName,
    /// What kind of interface it is.
    pub kind: PeerLinkKind,
}

impl PeerLinkInfo {
    pub(super) fn encode(&self, out: &mut Output<'_>) {
        out.plain_tlv(PEER_LINK_INFO, |out| {
            out.name(&self.name);
            out.u8(self.kind.to_wire());
        });
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, DecodeError> {
        let name = fields.name("interface name")?;
        let kind = PeerLinkKind::from_wire(fields.u8("interface type")?);
        Ok(Self { name, kind })
    }
}

/// Kind of the interface that is the peer link.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerLinkKind {
    /// A physical port.
    Port,
    /// A LAG.
    PortChannel,
    /// A VLAN interface.
    Vlan,
    /// A VXLAN tunnel.
    Vxlan,
    /// Any other number: tolerated, since it is only compared.
    Other(u8),
}

impl PeerLinkKind {
    const fn from_wire(raw: u8) -> Self {
        match raw {
            0 => Self::Port,
            1 => Self::PortChannel,
            2 => Self::Vlan,
            3 => Self::Vxlan,
            other => Self::Other(other),
        }
    }

    const fn to_wire(self) -> u8 {
        match self {
            Self::Port => 0,
            Self::PortChannel => 1,
            Self::Vlan => 2,
            Self::Vxlan => 3,
            Self::Other(raw) => raw,
        }
    }
}
