//! Everything that can happen to a domain.

use mclag_proto::iccp::Message;
use mclag_proto::sync::model::{Abilities, Event, OpError};
use mclag_proto::{IfName, LacpPartner, LagKind, Mac, Vid};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One thing that happened.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Input {
    /// The transport to the peer is up, and it is known how the peer speaks. An older one, if
    /// any, is gone.
    PeerUp {
        /// What its encoding can carry.
        traits: PeerTraits,
    },
    /// Settings changed; only what they concern starts anew. Another domain number is another
    /// pair: the old one is left, the new one joined. To delete a domain, see [`Input::Stop`].
    Configure(Box<crate::Config>),
    /// This chassis is about to reboot warm: tell the peer, and leave everything as it is
    /// (`spec/behaviour.md` 14.1). Followed by [`Input::Stop`].
    WarmReboot,
    /// The transport to the peer is gone, or could not be made.
    PeerDown {
        /// Why, for the operator.
        reason: String,
    },
    /// A message arrived from the peer.
    PeerMessage(Message),
    /// A message arrived that could not be read and was skipped.
    PeerGarbage {
        /// What was wrong with it.
        reason: String,
    },
    /// The kernel's interfaces follow: those not reported again until [`Input::LinksEnd`] are
    /// gone.
    LinksBegin,
    /// An interface as it is now.
    Link(Link),
    /// VLANs of a bridge port as they are now; empty when it left the bridge. For a port whose
    /// VLANs the dataplane tells ([`Event::VlanMember`]) that counts instead, while it is connected.
    Vlans {
        /// The port's index.
        index: u32,
        /// Its VLANs.
        vids: BTreeSet<Vid>,
    },
    /// Whether a bridge filters VLANs. One of which nothing was said does not.
    VlanFiltering {
        /// The bridge's index.
        index: u32,
        /// It forwards a frame only where the port is in its VLAN.
        on: bool,
    },
    /// Whether a bridge runs the kernel's spanning tree. One of which nothing was said since the
    /// last [`Input::LinksBegin`] does not.
    SpanningTree {
        /// The bridge's index.
        index: u32,
        /// It does.
        on: bool,
    },
    /// MTU of a bridge port. One of which nothing was said since the last [`Input::LinksBegin`] has that of
    /// Ethernet, 1500 bytes.
    Mtu {
        /// The port's index.
        index: u32,
        /// In bytes.
        mtu: u32,
    },
    /// VLAN of frames that arrive at a bridge port without a tag. For one of which nothing was said since the last
    /// [`Input::LinksBegin`] that is VLAN 1.
    Pvid {
        /// The port's index.
        index: u32,
        /// It; none where such frames are dropped.
        vid: Option<Vid>,
    },
    /// Addresses of an interface as they are now, all of them.
    Addresses {
        /// The interface's index.
        index: u32,
        /// Its addresses.
        addresses: Vec<ipnetwork::IpNetwork>,
    },
    /// The kernel's neighbours follow: those not reported again until [`Input::NeighboursEnd`]
    /// are gone.
    NeighboursBegin,
    /// A neighbour as the kernel has it now, or as it was just heard on the wire.
    Neighbour {
        /// The interface's index.
        index: u32,
        /// Its address.
        address: IpAddr,
        /// What is known of it; none when it is gone, or does not answer.
        observation: Option<NeighbourObservation>,
    },
    /// Everything has been reported since [`Input::NeighboursBegin`].
    NeighboursEnd,
    /// An interface is gone.
    LinkGone {
        /// Its index.
        index: u32,
    },
    /// Everything has been reported since [`Input::LinksBegin`].
    LinksEnd,
    /// `syncd` is connected and greeted.
    SyncdUp {
        /// What its dataplane can do.
        #[serde(deserialize_with = "recorded_abilities")]
        abilities: Abilities,
        /// Name of its backend.
        backend: String,
        /// Batches it takes before the first is answered, at least 1.
        window: u32,
    },
    /// `syncd` takes back all that it was told, and is about to go: nothing that it confirmed is so any more.
    /// Followed by [`Input::SyncdDown`].
    SyncdRestores,
    /// `syncd` is gone.
    SyncdDown,
    /// `syncd` answered a batch.
    SyncdResult {
        /// Number of the batch.
        batch: u64,
        /// The operations that were not carried out, by index.
        failures: Vec<(u32, OpError)>,
    },
    /// `syncd` reports.
    SyncdEvent(Event),
    /// The deadline last asked for has passed. Spurious ones are harmless.
    Timeout,
    /// The daemon is about to stop, or the domain is deleted: then with `leave`. What remains to be
    /// done is in the outputs and batches; when [`crate::Domain::syncd_is_idle`], drop the domain.
    /// It does not come back: a new one is a new [`crate::Domain`], on a new connection to `syncd`,
    /// since batches are numbered from 1.
    Stop {
        /// True to take this chassis out of the pair, false to leave the dataplane as it is.
        leave: bool,
    },
}

/// A recording of before names one ability more, of dataplanes that answered nothing; none does now.
fn recorded_abilities<'de, D: Deserializer<'de>>(from: D) -> Result<Abilities, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Abilities {
        redirect: bool,
        tracking: bool,
        hold: bool,
        pair: bool,
        interfaces: bool,
        neighbours: bool,
        node_mac: bool,
        #[serde(default)]
        silent: bool,
    }
    let recorded = Abilities::deserialize(from)?;
    if recorded.silent {
        return Err(D::Error::custom("silent: true is of no dataplane any more"));
    }
    Ok(mclag_proto::sync::model::Abilities {
        redirect: recorded.redirect,
        tracking: recorded.tracking,
        hold: recorded.hold,
        pair: recorded.pair,
        interfaces: recorded.interfaces,
        neighbours: recorded.neighbours,
        node_mac: recorded.node_mac,
    })
}

/// What the encoding of a peer can carry. The core knows no more of dialects.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeerTraits {
    /// It acknowledges that a port is up (Interface Up Ack).
    pub acknowledges: bool,
    /// Addresses behind its single-homed ports are exchanged, not only those on MLAG ports.
    pub orphans: bool,
    /// What it says of itself is the LACP system id of its ports (`spec/iccp.md` 4.1).
    #[serde(default = "in_older_recordings")]
    pub names_lacp_system: bool,
}

/// There every peer was believed.
const fn in_older_recordings() -> bool {
    true
}

impl Default for PeerTraits {
    fn default() -> Self {
        Self {
            acknowledges: true,
            orphans: true,
            names_lacp_system: true,
        }
    }
}

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NeighbourObservation {
    /// Its address on layer 2.
    pub mac: Mac,
    /// Where it comes from.
    pub from: NeighbourFrom,
}

/// Where a neighbour comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NeighbourFrom {
    /// The kernel resolved it, or heard of it.
    Kernel,
    /// It spoke on the wire: an ARP reply or a neighbour advertisement (`spec/behaviour.md` 11.2).
    Wire,
    /// Somebody installed it (externally learned): this daemon's work, as a rule.
    Installed,
}

/// An interface, as far as decisions depend on it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name; of one that settings name, the name that it had when it was found.
    pub name: IfName,
    /// What the kernel calls it, where that is something else: somebody gave it another name since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_name: Option<IfName>,
    /// Its address.
    pub mac: Option<Mac>,
    /// The operator wants it up.
    pub admin_up: bool,
    /// It can carry frames: carrier, and operational as far as the kernel knows
    /// (`spec/behaviour.md` 10.1).
    pub running: bool,
    /// Bridge, bond or team it is a member of.
    pub master: Option<u32>,
    /// The bridge that it is a port of forwards none of its frames: spanning tree forbids it, or does not allow it yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// What kind of interface it is.
    pub kind: LinkKind,
    /// As a member of a LAG.
    pub member: Option<LagMember>,
}

impl Link {
    /// It can carry frames, and no bridge keeps it from that.
    #[must_use]
    pub const fn passes_frames(&self) -> bool {
        self.running && !self.blocked
    }
}

/// Kind of an interface.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum LinkKind {
    /// A LAG: bond or team.
    Lag {
        /// It speaks LACP; none while that is not known, of a team whose teamd has not answered.
        lacp: Option<bool>,
        /// Its LACP partner, when there is one.
        partner: Option<LacpPartner>,
        /// It has carrier only while so many members can be used, as its operator set it. Zero is
        /// one.
        min_links: u32,
    },
    /// A bridge.
    Bridge,
    /// A VLAN interface on top of another one: on a bridge, an SVI.
    Vlan {
        /// The VLAN.
        vid: Vid,
        /// Index of the interface it is on top of.
        parent: u32,
    },
    /// Another address on top of an interface, as VRRP has its virtual router's.
    Macvlan {
        /// Index of the interface it is on top of.
        parent: u32,
    },
    /// A VXLAN tunnel.
    Vxlan,
    /// A VRF: interfaces that are members of it are layer-3 interfaces.
    Vrf,
    /// Anything else.
    Other,
}

impl LinkKind {
    /// Whether an interface of this kind speaks LACP; none while that is not known.
    #[must_use]
    pub fn lag_kind(self) -> Option<LagKind> {
        let lacp = match self {
            Self::Lag { lacp, .. } => lacp?,
            Self::Bridge
            | Self::Vlan { .. }
            | Self::Macvlan { .. }
            | Self::Vxlan
            | Self::Vrf
            | Self::Other => false,
        };
        Some(if lacp { LagKind::Lacp } else { LagKind::Static })
    }
}

/// What a LAG says of one of its members.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LagMember {
    /// The LAG lets it carry data: for LACP, collecting and distributing.
    pub distributing: bool,
    /// It speaks LACP and nobody answers; the LAG would let it carry data all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}
