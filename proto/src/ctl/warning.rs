//! What an operator should look at.

use crate::iccp::ext::DataplanePresence;
use crate::{AggregatorId, IfName, LacpPartner, LagKind, Mac, Vid};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;

/// Something an operator should look at. How it is put into words is up to whoever shows it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "warning", rename_all = "kebab-case")]
pub enum Warning {
    /// `syncd` is not connected: decisions are not carried out.
    SyncdNotConnected,
    /// `syncd` does not answer: whether decisions are carried out is not known.
    SyncdSilent,
    /// The peer's dataplane is not at work: what is decided there is not carried out.
    PeerDataplane {
        /// Why.
        presence: DataplanePresence,
    },
    /// The peer link is down.
    PeerLinkDown,
    /// The bridge forwards nothing that comes over the peer link, or over it: spanning tree.
    PeerLinkBlocked,
    /// The kernel calls the peer link otherwise than the settings do, as no other interface is called now.
    PeerLinkRenamed {
        /// Its name in the settings.
        settings: IfName,
        /// Its name.
        now: IfName,
    },
    /// The same of an MLAG port.
    PortRenamed {
        /// Its name in the settings.
        settings: IfName,
        /// Its name.
        now: IfName,
    },
    /// One peer link is a VXLAN tunnel, and the other one is none.
    PeerLinkKinds {
        /// Name of the one at the peer.
        peers: IfName,
        /// That one is the tunnel.
        tunnel_at_peer: bool,
    },
    /// The two system MACs differ.
    SystemMacs {
        /// The one that is configured here.
        own: Mac,
        /// The peer's.
        peers: Mac,
        /// The one that is used here; absent where an earlier version does not say.
        #[serde(default)]
        used: Option<Mac>,
    },
    /// The address table is full.
    MacsIgnored {
        /// Addresses that found no place.
        ignored: u64,
    },
    /// The neighbour table is full.
    NeighboursIgnored {
        /// Neighbours that found no place.
        ignored: u64,
    },
    /// Neighbours of the peer are not installed: no dataplane here takes them.
    NeighboursNotInstalled,
    /// An MLAG port or the peer link can be none because of a VLAN interface: it is one on top of a LAG, or one on top of
    /// it is a port of a bridge.
    VlanPort {
        /// The port.
        port: IfName,
        /// The VLAN interface.
        vlan: IfName,
    },
    /// Both chassis have the same node MAC: their addresses decide who is primary, and a port that one of them has
    /// alone may show the LACP system id of the other one's.
    SameNodeMac {
        /// It.
        mac: Mac,
    },
    /// The bridge has the same address on both chassis: what one sends to the other it takes for its own.
    SameBridgeMac {
        /// It.
        mac: Mac,
    },
    /// A VXLAN tunnel is a port of the bridge, and not the peer link. Where the other chassis has one in the same network
    /// frames are delivered twice and come back.
    Tunnel {
        /// It.
        port: IfName,
    },
    /// Spanning tree keeps an MLAG port that has carrier from forwarding: it counts as down.
    PortBlocked {
        /// It.
        port: IfName,
    },
    /// An MLAG port has carrier, and nothing passes through it: it counts as down.
    PortCarriesNothing {
        /// It.
        port: IfName,
        /// Why.
        #[serde(flatten)]
        reason: Hindrance,
    },
    /// The kernel's spanning tree runs on the bridge: a port that comes back is used when it forwards, and the peer
    /// link may be blocked.
    SpanningTree {
        /// The bridge.
        bridge: IfName,
    },
    /// The MTU of the peer link is lower than that of an MLAG port: larger frames over it are lost.
    PeerLinkMtu {
        /// That of the peer link, in bytes.
        peer_link: u32,
        /// An MLAG port with the highest one.
        port: IfName,
        /// That of the port, in bytes.
        mtu: u32,
    },
    /// A team is to carry data without LACP, which teamd alone decides: it does not.
    TeamBypass {
        /// It.
        port: IfName,
    },
    /// VLANs of MLAG ports that the peer link is not in: their hosts are not reached over it.
    PeerLinkVlans {
        /// Which, in ascending order.
        vids: Vec<Vid>,
    },
    /// A port is configured differently on both sides.
    Port {
        /// The port.
        port: IfName,
        /// In what.
        conflict: Conflict,
    },
    /// One of another version.
    #[serde(untagged)]
    Other(Other),
}

/// Why nothing passes through a port, for all its carrier.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Hindrance {
    /// It is administratively down.
    AdminDown,
    /// Fewer of its members have carrier than `min_links` asks for.
    TooFewMembers {
        /// That have carrier.
        running: usize,
        /// `min_links`.
        needed: u32,
    },
    /// It is no port of the pair's bridge.
    NotInBridge {
        /// The bridge.
        bridge: IfName,
    },
    /// The pair's bridge is administratively down.
    BridgeDown {
        /// The bridge.
        bridge: IfName,
    },
    /// The bridge filters VLANs, and it is in none.
    NoVlan,
}

/// What another version of `iccpd` says and this one does not know, in JSON: its name, and all that belongs to it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Other(serde_json::Map<String, serde_json::Value>);

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// A difference between the two sides of an MLAG port.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "conflict", rename_all = "kebab-case")]
pub enum Conflict {
    /// The port of the same name at the peer has another id, and one of both was given it.
    Ids {
        /// Its id here.
        own: AggregatorId,
        /// Its id at the peer.
        peers: AggregatorId,
    },
    /// It is not an MLAG port at the peer.
    MissingAtPeer,
    /// It shows the LACP system id of the pair all the same, as SONiC has it.
    SharesSystemId,
    /// It was declared to be of this kind, and its LAG here is of the other one: it is held.
    Kind {
        /// The kind in the settings.
        declared: LagKind,
    },
    /// It does not speak LACP, and the peer's half does, and carries data for this partner: this one is held.
    LacpAtPeer {
        /// The LACP partner at the peer.
        peers: LacpPartner,
    },
    /// Another one is at its other end than at the other end of the peer's: the secondary's is held.
    Partners {
        /// The LACP partner here.
        own: LacpPartner,
        /// The LACP partner at the peer.
        peers: LacpPartner,
    },
    /// Who is at its other end is at the other end of another port of the peer: the secondary's is held.
    PartnerElsewhere {
        /// The LACP partner.
        partner: LacpPartner,
        /// That port.
        at: IfName,
    },
    /// The peer's is not isolated from the peer link, for its dataplane is not at work, or refuses: this one is kept out
    /// of service.
    NotIsolatedAtPeer,
    /// The dataplane refuses to isolate it: this one or that of the peer is kept out of service.
    CannotIsolate,
    /// It is a layer-3 port on one side only.
    #[serde(rename = "layer-3")]
    Layer3 {
        /// On this one.
        here: bool,
    },
    /// The addresses differ.
    Addresses {
        /// Its address here; unspecified without one.
        own: Ipv4Addr,
        /// Its address at the peer.
        peers: Ipv4Addr,
    },
    /// Frames without a tag are in another VLAN, or are dropped on one side only.
    Pvid {
        /// Their VLAN here; absent where they are dropped.
        own: Option<Vid>,
        /// Their VLAN at the peer; absent where they are dropped.
        peers: Option<Vid>,
    },
    /// VLANs that it has here only.
    VlansMissingAtPeer {
        /// Which.
        vids: Vec<Vid>,
    },
    /// VLANs that it has at the peer only.
    VlansMissingHere {
        /// Which.
        vids: Vec<Vid>,
    },
    /// One of another version.
    #[serde(untagged)]
    Other(Other),
}
