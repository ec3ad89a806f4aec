//! The TLVs of RG Application Data, as values (`spec/iccp.md` 4).

use crate::{AggregatorId, IfName, Mac, NodeId, Vid};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// One TLV of application data.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    /// Addresses learned or forgotten (4.11).
    MacInfo(Vec<MacEntry>),
    /// The receiver has isolated the LAG that the sender reported up (4.13).
    InterfaceUpAck(InterfaceUpAck),
    /// The sender restarts and keeps forwarding meanwhile (4.12).
    WarmBoot,
    /// An extension between our own daemons (8.1), see [`super::ext`].
    Extension(super::ext::Extension),
    /// A type this version does not know or deliberately ignores: counted, otherwise ignored.
    Unknown {
        /// The 14-bit TLV type.
        kind: u16,
    },
}

/// mLACP System Config 0x0032 (4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SystemConfig {
    /// System MAC of the sender.
    pub system: Mac,
    /// LACP system priority; always 0 from a legacy sender.
    pub priority: u16,
    /// Node id; must differ between the two.
    pub node: NodeId,
}

/// mLACP Aggregator Config 0x0036 (4.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

/// Whether an aggregator is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConfigFlag {
    /// Flag 0x01: present.
    Present,
    /// Flag 0x02: detached or deleted.
    Purge,
}

/// mLACP Aggregator State 0x0037 (4.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AggregatorState {
    /// Number of the LAG.
    pub id: AggregatorId,
    /// Its state.
    pub state: PortState,
}

/// State of a LAG as its chassis reports it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PortState {
    /// Carries traffic, or will as soon as the receiver has acknowledged.
    Up,
    /// Does not carry traffic.
    Down,
    /// Taken down by its operator.
    AdminDown,
    /// In test.
    Test,
}

impl PortState {
    /// Anything but *up* counts as down (4.3).
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up)
    }
}

/// Port Channel Info 0x1034 (4.7).
#[derive(Clone, Debug, Eq, PartialEq)]
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

/// Peer Link Info 0x1035 (4.8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerLinkInfo {
    /// Name of the sender's peer link.
    pub name: IfName,
    /// What kind of interface it is.
    pub kind: PeerLinkKind,
}

/// Kind of the interface that is the peer link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

/// One entry of MAC Info 0x1038 (4.11).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MacEntry {
    /// Learned or forgotten.
    pub op: EntryOp,
    /// Configured or learned.
    pub kind: MacType,
    /// The address.
    pub mac: Mac,
    /// Its VLAN.
    pub vid: Vid,
    /// The port it was learned on at the sender.
    pub port: IfName,
}

/// What happened to an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryOp {
    /// 1: there.
    Add,
    /// 2: gone.
    Delete,
    /// Any other number is reserved and ignored (4.11).
    Reserved(u8),
}

/// How an address came to be known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MacType {
    /// 1: configured; may not move.
    Static,
    /// 2: learned.
    Dynamic,
}

/// Interface Up Ack 0x103b (4.13).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InterfaceUpAck {
    /// Number of the LAG, copied from the Aggregator State.
    pub id: AggregatorId,
    /// True when isolation is in force; not evaluated by a legacy receiver.
    pub isolated: bool,
}
