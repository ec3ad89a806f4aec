//! What `iccpd` and `syncd` say to each other, independent of a protocol version.
//!
//! `iccpd` never says how: it names the state it wants ([`Op`]), `syncd` keeps it, compares it
//! with what the dataplane has and does the difference. `syncd` never decides: it reports what
//! the dataplane learned ([`Event`]).

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use super::settings::Setting;
use crate::{DomainId, IfName, Mac, Vid};

/// A part of the state that is replaced as a whole by a snapshot.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Section {
    /// The domain and its ports.
    Ports,
    /// Forwarding entries.
    Fdb,
    /// The pair as the control plane sees it, and the ports of the other chassis.
    Pair,
    /// Identity of layer-3 interfaces.
    Interfaces,
    /// Neighbours (ARP and ND).
    Neighbours,
}

/// One change to the state that is wanted of the dataplane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Op {
    /// What follows, up to the [`Op::SnapshotEnd`] of the same section, is all there is.
    ///
    /// Until the end, nothing that is missing so far may be taken out of the dataplane.
    SnapshotBegin(Section),
    /// Whatever of this section was not named since its begin is no longer wanted.
    SnapshotEnd(Section),
    /// The bridge of the pair and its peer link.
    Domain(DomainWant),
    /// What is wanted of one MLAG port; replaces what was wanted before.
    Port {
        /// The port.
        port: IfName,
        /// Its wanted state.
        want: PortWant,
    },
    /// The port is no longer an MLAG port: undo everything that was done to it.
    PortRelease {
        /// The port.
        port: IfName,
    },
    /// This address is to be forwarded to this port; replaces what was wanted before.
    Fdb {
        /// The entry's key.
        key: FdbKey,
        /// Where to and how.
        want: FdbWant,
    },
    /// The address is no longer wanted.
    ///
    /// An entry that we installed is handed over to the dataplane's own learning, on the port it
    /// is on now, if the host was seen there since (the entry is active), and removed otherwise.
    /// An entry that the dataplane learned itself is left alone.
    ///
    /// With `forget`, the entry is removed whatever it is, learned or installed, active or not,
    /// and the dataplane reports the host when it speaks again; only configured and local entries
    /// stay. Both chassis may claim a host at once and both withdraw: the dataplane must not be
    /// left with an entry that it would never report again.
    ///
    /// A release never creates an entry or a sighting: otherwise two chassis could recreate each
    /// other's outdated sightings for ever (`docs/adr/0002-wanted-state.md`).
    FdbRelease {
        /// The entry's key.
        key: FdbKey,
        /// Whether the dataplane is to forget what it saw of the host, too.
        forget: bool,
    },
    /// How the pair stands: nothing to be done for most dataplanes, something to be shown
    /// (section [`Section::Pair`]).
    Pair(PairState),
    /// A port of the other chassis (section [`Section::Pair`]).
    RemotePort {
        /// The port.
        port: IfName,
        /// Whether it is up there.
        up: bool,
    },
    /// The other chassis no longer has this port.
    RemotePortRelease {
        /// The port.
        port: IfName,
    },
    /// The members of an MLAG port or of the peer link as the kernel has them, for dataplanes that
    /// have to be told (section [`Section::Pair`]). Replaces the list of before.
    Members {
        /// The port.
        port: IfName,
        /// Its members, in the order of their names; none for a port that is no LAG.
        members: Vec<IfName>,
    },
    /// Identity of a layer-3 interface: an SVI or a LAG with an address
    /// (section [`Section::Interfaces`]).
    Interface {
        /// The interface.
        name: IfName,
        /// What is wanted of it.
        want: InterfaceWant,
    },
    /// The interface gets its own identity back.
    InterfaceRelease {
        /// The interface.
        name: IfName,
    },
    /// This neighbour is to be known (section [`Section::Neighbours`]); replaces what was wanted
    /// before.
    Neighbour {
        /// The entry's key.
        key: NeighbourKey,
        /// How to reach it.
        want: NeighbourWant,
    },
    /// The neighbour is no longer wanted: remove the entry if it is still the one that was
    /// installed.
    NeighbourRelease {
        /// The entry's key.
        key: NeighbourKey,
    },
    /// Switch learning of a port that is not the peer link; that one's is in
    /// [`Op::Domain`]. Only legacy clients ask for it (`spec/mclagsyncd-protocol.md` 4.2).
    Learning {
        /// The port.
        port: IfName,
        /// Whether it learns.
        learning: bool,
    },
    /// Once: forget every entry that the dataplane learned, on one port or everywhere. Only legacy
    /// clients ask for it (`spec/mclagsyncd-protocol.md` 4.3, 4.7).
    Flush {
        /// The port; none for all.
        port: Option<IfName>,
    },
    /// This chassis' own MAC, for dataplanes that cannot find out what an interface had before
    /// ([`Abilities::node_mac`]): an interface that is released gets it back. Belongs to
    /// [`Section::Pair`] and is said before the pair.
    NodeMac(Mac),
}

/// How the pair stands, for displays and for dataplanes that publish it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PairState {
    /// Number of the pair.
    pub domain: DomainId,
    /// True for the mLACP-active (primary) chassis; none while not decided.
    pub active: Option<bool>,
    /// Both chassis are synchronised (EXCHANGE).
    pub up: bool,
    /// The system id in force for the pair on this chassis; none while not known.
    pub system_mac: Option<Mac>,
}

/// What is wanted of a layer-3 interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct InterfaceWant {
    /// Its address on layer 2, set without taking the interface down. Frames to it are accepted:
    /// for a VLAN interface of the bridge, the bridge delivers them to itself in that VLAN.
    pub mac: Mac,
}

/// Key of a neighbour entry. The interface belongs to it: two VRFs may use the same address
/// (W-17).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NeighbourKey {
    /// The interface.
    pub interface: IfName,
    /// The address.
    pub address: IpAddr,
}

/// How a neighbour is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NeighbourWant {
    /// Its address on layer 2.
    pub mac: Mac,
    /// True for the other chassis' own address, which never changes by itself; false for a host,
    /// which the kernel validates again when the entry has grown old.
    pub permanent: bool,
}

/// The bridge of the pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DomainWant {
    /// The bridge that the MLAG ports are members of.
    pub bridge: IfName,
    /// The data link to the other chassis; none for a pair without one.
    pub peer_link: Option<IfName>,
    /// Whether the bridge may learn addresses on the peer link.
    pub peer_link_learning: bool,
}

/// What is wanted of one MLAG port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PortWant {
    /// Whether frames from the peer link are kept from leaving through it.
    pub isolation: Isolation,
    /// Whether it may carry data.
    pub traffic: Traffic,
    /// Frames for it go to the peer link while it has no carrier.
    pub redirect: bool,
    /// LACP system id to use; `None` leaves the one in use. [`Op::PortRelease`] restores the
    /// port's own.
    pub system_mac: Option<Mac>,
}

/// Split horizon between peer link and an MLAG port (`spec/behaviour.md` 7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Isolation {
    /// Not known yet: leave what is in force; where nothing is in force, isolate.
    Keep,
    /// Frames from the peer link must not leave through the port.
    On,
    /// They may.
    Off,
}

/// Whether an MLAG port may carry data (`spec/behaviour.md` 8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Traffic {
    /// Not known yet: leave it as it is.
    Keep,
    /// It may.
    Pass,
    /// Not yet: LACP runs, data waits until the other chassis has isolated its own port.
    Held,
}

/// Key of a forwarding entry. Ordered by VLAN, then address.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FdbKey {
    /// The VLAN; [`Vid::DEFAULT`] on a bridge without VLAN filtering.
    pub vid: Vid,
    /// The address.
    pub mac: Mac,
}

impl FdbKey {
    /// Both in one number, in the order of keys: tables of addresses compare and hash little else.
    #[inline]
    const fn packed(self) -> u64 {
        let [v0, v1] = self.vid.get().to_be_bytes();
        let [m0, m1, m2, m3, m4, m5] = self.mac.0;
        u64::from_be_bytes([v0, v1, m0, m1, m2, m3, m4, m5])
    }
}

impl Ord for FdbKey {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.packed().cmp(&other.packed())
    }
}

impl PartialOrd for FdbKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for FdbKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.packed());
    }
}

/// Where an address is to be forwarded to, and how the entry behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FdbWant {
    /// The port.
    pub port: IfName,
    /// How the entry behaves.
    pub kind: FdbKind,
}

/// How a wanted entry behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FdbKind {
    /// Does not age, moves when the host is seen on another port, and the dataplane reports
    /// when the host becomes active or inactive on this chassis.
    Tracked,
    /// Does not age and does not move.
    Static,
    /// Installed once, and from then on the dataplane's own: it ages, moves and is reported like
    /// an entry that was learned (`spec/behaviour.md` 9.2, DYNAMIC_LOCAL).
    Ageing,
}

/// Something the dataplane reports.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Event {
    /// The address table follows, up to [`Event::SnapshotEnd`]: what is not named in between is
    /// not seen by this chassis.
    SnapshotBegin,
    /// End of the address table.
    SnapshotEnd,
    /// One address.
    Fdb {
        /// The entry's key.
        key: FdbKey,
        /// What the dataplane sees of it.
        observation: Observation,
    },
    /// A port is, or is no longer, in a VLAN, as a dataplane says that knows better than the kernel
    /// (`spec/mclagsyncd-protocol.md` 5.4). Part of the listing between the marks, like addresses.
    VlanMember {
        /// The port, which need not exist.
        port: IfName,
        /// The VLAN.
        vid: Vid,
        /// Whether it is in it.
        member: bool,
    },
    /// A part of the settings of the pair, from a dataplane that has them.
    Settings(Setting),
    /// An interface that is followed under this name is called otherwise by the kernel. Of those there are when a connection
    /// begins; that an interface gets another name later the client hears from the kernel.
    Kept {
        /// The name that it keeps.
        name: IfName,
        /// Its number in the kernel.
        index: u32,
    },
}

/// What this chassis' dataplane sees of an address.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Observation {
    /// Learned on this port (or configured there).
    Learned {
        /// The port.
        port: IfName,
        /// True for an entry that an operator configured.
        configured: bool,
    },
    /// Was known and is now seen on this port.
    Moved {
        /// The port it moved to.
        port: IfName,
    },
    /// An entry that we installed on this port is in use: the host speaks here.
    Active {
        /// The port.
        port: IfName,
    },
    /// An entry that we installed has not been used for the ageing time.
    Inactive,
    /// The entry is gone.
    Aged,
}

impl Observation {
    /// Port on which the host is seen, if it is.
    #[must_use]
    pub const fn port(&self) -> Option<IfName> {
        match self {
            Self::Learned { port, .. } | Self::Moved { port } | Self::Active { port } => {
                Some(*port)
            }
            Self::Inactive | Self::Aged => None,
        }
    }
}

/// Why an operation of a batch, or what a dataplane was to do for it, was not carried out.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[error("{text}")]
pub struct OpError {
    /// What kind of failure.
    pub code: OpErrorCode,
    /// The kernel's words and the object's name; at most 200 bytes on the wire.
    pub text: String,
}

impl OpError {
    /// The dataplane refused.
    #[must_use]
    pub fn refused(text: impl Into<String>) -> Self {
        let (code, text) = (OpErrorCode::Refused, text.into());
        Self { code, text }
    }

    /// Something is not there.
    #[must_use]
    pub fn waiting(text: impl Into<String>) -> Self {
        let (code, text) = (OpErrorCode::Waiting, text.into());
        Self { code, text }
    }

    /// The interface is not there.
    #[must_use]
    pub fn waiting_for(interface: &IfName) -> Self {
        Self::waiting(format!("waiting for interface {interface}"))
    }

    /// The dataplane cannot do this at all.
    #[must_use]
    pub fn unsupported(text: impl Into<String>) -> Self {
        let (code, text) = (OpErrorCode::Unsupported, text.into());
        Self { code, text }
    }
}

/// Kind of failure of an operation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpErrorCode {
    /// The object is not there (yet); it will be dealt with when it appears.
    Waiting,
    /// The dataplane refused; it is tried again later.
    Refused,
    /// The backend cannot do this at all, and is not asked again.
    Unsupported,
}

/// What a dataplane can do, announced in the hello.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Abilities {
    /// It redirects a port without carrier to the peer link by itself ([`PortWant::redirect`]).
    pub redirect: bool,
    /// It reports activity on entries that we installed ([`FdbKind::Tracked`]).
    pub tracking: bool,
    /// It can keep a port from carrying data while LACP runs ([`Traffic::Held`]).
    pub hold: bool,
    /// It wants to be told how the pair stands (section [`Section::Pair`]). Operations of sections
    /// that a dataplane does not have are not sent to it.
    pub pair: bool,
    /// It gives layer-3 interfaces another identity (section [`Section::Interfaces`]).
    pub interfaces: bool,
    /// It keeps neighbours (section [`Section::Neighbours`]).
    pub neighbours: bool,
    /// It wants to be told this chassis' own MAC ([`Op::NodeMac`]).
    pub node_mac: bool,
}

impl Abilities {
    /// Each with its name, in the order of their bits in a hello.
    const fn each(&mut self) -> [(&mut bool, &'static str); 7] {
        let Self {
            redirect,
            tracking,
            hold,
            pair,
            interfaces,
            neighbours,
            node_mac,
        } = self;
        [
            (redirect, "redirect"),
            (tracking, "activity"),
            (hold, "hold"),
            (pair, "pair state"),
            (interfaces, "interfaces"),
            (neighbours, "neighbours"),
            (node_mac, "node MAC"),
        ]
    }

    /// As the bits of a hello.
    pub(super) fn bits(mut self) -> u64 {
        let bits = self.each().into_iter().rev();
        bits.fold(0, |bits, (has, _)| bits << 1 | u64::from(*has))
    }

    /// From the bits of a hello. Unknown ones mean nothing: a later server may announce more.
    pub(super) fn from_bits(bits: u64) -> Self {
        let mut all = Self::default();
        for (bit, (has, _)) in (0..).zip(all.each()) {
            *has = bits >> bit & 1 == 1;
        }
        all
    }
}

impl fmt::Display for Abilities {
    /// Names of those that it has, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = *self;
        let names = all.each().into_iter().filter(|(has, _)| **has);
        let names: Vec<&str> = names.map(|(_, name)| name).collect();
        match names.is_empty() {
            true => f.pad("none"),
            false => f.pad(&names.join(", ")),
        }
    }
}
