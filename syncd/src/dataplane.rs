//! What a dataplane is and what can be done to it, as plain data.
//!
//! [`Actual`] is a picture of it, [`Action`] one change to it. Both can be logged, compared,
//! stored and replayed; neither knows the kernel. [`Actual::apply`] says what each action means.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ipnetwork::IpNetwork;
use mclag_proto::sync::model::{FdbKey, NeighbourKey};
use mclag_proto::{IfName, Mac, Vid};
use serde::{Deserialize, Serialize};

mod action;
mod display;
mod unprotected;

pub use action::{Action, Setting, Subject};
pub use unprotected::Unprotected;

/// Everything about a dataplane that matters here, as it is now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Actual {
    /// Interfaces that the settings leave to the client although they are outside of the bridge or a default route leads
    /// to them.
    pub routed: BTreeSet<IfName>,
    /// The bridge this is a picture of; none before a client named one.
    pub bridge: Option<IfName>,
    /// Whether that bridge sends multicast only where somebody asked for it.
    pub snooping: McastSnooping,
    /// That bridge runs spanning tree.
    pub spanning_tree: Option<SpanningTree>,
    /// The split-horizon filter, if it is installed.
    pub filter: Option<Filter>,
    /// Ports that are kept from carrying data although LACP runs. By name: a port may be held
    /// before it exists, where the dataplane can do that.
    pub held: BTreeSet<IfName>,
    /// Interfaces that exist and are a port of the bridge or have an LACP system id.
    pub ports: BTreeMap<IfName, PortActual>,
    /// The bridge's forwarding table; empty without a bridge.
    pub fdb: HashMap<FdbKey, FdbEntry>,
    /// Every interface that exists: what it is to layer 3, to its LAG and to the bridge's VLANs.
    pub interfaces: BTreeMap<IfName, InterfaceActual>,
    /// Neighbours on layer 3, of all interfaces.
    pub neighbours: HashMap<NeighbourKey, NeighbourActual>,
}

/// The bridge runs spanning tree: a port that gets its carrier back forwards twice the forward delay later. So ports are held
/// with their carrier.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SpanningTree {
    /// Held ports that lost their carrier for it, before the bridge ran spanning tree.
    pub held_without_carrier: BTreeSet<IfName>,
}

/// The split-horizon filter: drops what entered through the peer link and would leave through an
/// isolated port.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// The peer link it names.
    pub peer_link: Option<IfName>,
    /// Ports it isolates. By name: a port that does not exist yet can be in it, and is isolated
    /// from its first frame.
    pub isolated: BTreeSet<IfName>,
}

/// An interface that exists.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PortActual {
    /// Its settings as a port of the bridge; none while it is not one.
    pub bridge_port: Option<BridgePort>,
    /// Its LACP settings; none for an interface that does not speak LACP.
    pub lacp: Option<Lacp>,
}

/// Settings of a bridge port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BridgePort {
    /// Whether addresses are learned on it.
    pub learning: bool,
    /// Port that frames go to while this one has no carrier.
    pub backup: Option<IfName>,
    /// Whether it gets all multicast; none where that cannot be set.
    pub mcast_router: Option<McastRouter>,
}

/// Whether a bridge sends multicast only to ports where somebody asked for it (IGMP and MLD snooping).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum McastSnooping {
    /// It goes to all ports.
    #[default]
    Off,
    /// It does, and ports can be told to get all.
    On,
    /// It does, with settings of each VLAN: those of ports have no effect.
    PerVlan,
}

/// Whether a port gets all multicast of a bridge that snoops, as one with a multicast router behind it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum McastRouter {
    /// Never.
    Disabled,
    /// While a querier or router is heard on it.
    Learned,
    /// Always.
    Permanent,
    /// For a while.
    Temporary,
}

/// Settings of an interface that speaks LACP.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lacp {
    /// The system id that was given to it: a bond's `ad_actor_system`, a team's device address.
    /// None if it uses its own.
    pub system_mac: Option<Mac>,
}

/// An interface that exists, apart from its settings as a port.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InterfaceActual {
    /// Its number, which it keeps when it gets another name; none where there are none.
    pub index: Option<u32>,
    /// Its address on layer 2; none for an interface without one.
    pub mac: Option<Mac>,
    /// It is up and has carrier.
    pub running: bool,
    /// The VLAN whose interface it is, if it is one of the bridge (an SVI).
    pub svi: Option<Vid>,
    /// The bond or team that it is a member of.
    pub lag: Option<IfName>,
    /// It is a port of another bridge.
    pub in_other_bridge: bool,
    /// The VLAN interface for which it can be neither MLAG port nor peer link: it is one on top of a LAG, or one on top
    /// of it is a port of a bridge. What is done to a port is done to the LAG as a whole, and the filter names ports.
    pub vlan_port: Option<IfName>,
    /// The interface by which a default route leads to it: itself, or a VLAN interface on top of it.
    pub default_route: Option<IfName>,
    /// Its addresses on layer 3, each with the length of its prefix.
    pub networks: Vec<IpNetwork>,
    /// VLANs that it carries as a port of the bridge, in ascending order; [`Vid::DEFAULT`] alone
    /// on a bridge without VLAN filtering.
    pub vids: Vec<Vid>,
}

/// A neighbour on layer 3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NeighbourActual {
    /// Its address on layer 2; none for one that does not answer or was not asked yet.
    pub mac: Option<Mac>,
    /// Whose entry it is.
    pub kind: NeighbourKind,
}

/// Whose a neighbour entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NeighbourKind {
    /// We installed it; recognised by its mark, also after a restart.
    Ours {
        /// The kernel does not validate it again.
        permanent: bool,
    },
    /// The kernel found it.
    Learned,
    /// An operator or another control plane installed it. Never touched.
    Configured,
}

/// One entry of the forwarding table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FdbEntry {
    /// The port.
    pub port: IfName,
    /// Whose entry it is.
    pub kind: EntryKind,
}

/// Whose a forwarding entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// The dataplane learned it and will age it.
    Dynamic,
    /// We installed it; recognised by the activity attribute, also after a restart.
    Ours {
        /// The host speaks on the entry's port (has done so within the ageing time).
        active: bool,
        /// It does not move when the host is seen on another port.
        sticky: bool,
    },
    /// An operator or another control plane configured it. Reported, never touched.
    Configured,
    /// An address of the chassis itself. Neither reported nor touched.
    Local,
}

impl FdbEntry {
    /// The port on which the dataplane sees the host, if it does.
    #[must_use]
    pub const fn seen_on(&self) -> Option<IfName> {
        match self.kind {
            EntryKind::Dynamic | EntryKind::Configured | EntryKind::Ours { active: true, .. } => {
                Some(self.port)
            }
            EntryKind::Ours { active: false, .. } | EntryKind::Local => None,
        }
    }

    /// True for an entry that we installed.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(self.kind, EntryKind::Ours { .. })
    }
}

impl Actual {
    /// The picture after `action` was carried out: the meaning of each action.
    pub fn apply(&mut self, action: &Action) {
        match action {
            Action::EnsureFilter { peer_link } => {
                self.filter.get_or_insert_default().peer_link = *peer_link;
            }
            Action::Isolate { port } => {
                self.filter.get_or_insert_default().isolated.insert(*port);
            }
            Action::Release { port } => {
                if let Some(filter) = &mut self.filter {
                    filter.isolated.remove(port);
                }
            }
            Action::RemoveFilter => self.filter = None,
            Action::Hold {
                port,
                keeps_carrier,
            } => {
                self.held.insert(*port);
                self.set_held_without_carrier(*port, !keeps_carrier);
            }
            Action::Unhold { port } => {
                self.held.remove(port);
                self.set_held_without_carrier(*port, false);
            }
            Action::SetLearning { port, learning } => {
                self.with_bridge_port(port, |settings| settings.learning = *learning);
            }
            Action::SetBackup { port, backup } => {
                self.with_bridge_port(port, |settings| settings.backup = Some(*backup));
            }
            Action::ClearBackup { port } => {
                self.with_bridge_port(port, |settings| settings.backup = None);
            }
            Action::SetMcastRouter { port, router } => {
                self.with_bridge_port(port, |settings| settings.mcast_router = Some(*router));
            }
            Action::SetSystemMac { port, mac } => {
                let port = self.ports.get_mut(port);
                if let Some(lacp) = port.and_then(|port| port.lacp.as_mut()) {
                    lacp.system_mac = *mac;
                }
            }
            Action::FdbInstall {
                key,
                port,
                active,
                sticky,
            } => {
                let kind = EntryKind::Ours {
                    active: *active,
                    sticky: *sticky,
                };
                self.fdb.insert(*key, FdbEntry { port: *port, kind });
            }
            Action::FdbMakeDynamic { key, port } => {
                let kind = EntryKind::Dynamic;
                self.fdb.insert(*key, FdbEntry { port: *port, kind });
            }
            Action::FdbDelete { key, port: _ } => {
                self.fdb.remove(key);
            }
            Action::LocalInstall { interface: _, key } => {
                if let Some(port) = self.bridge {
                    let kind = EntryKind::Local;
                    self.fdb.insert(*key, FdbEntry { port, kind });
                }
            }
            Action::LocalDelete { interface: _, key } => {
                if self.is_local(key) {
                    self.fdb.remove(key);
                }
            }
            Action::SetInterfaceMac { interface, mac } => {
                if let Some(interface) = self.interfaces.get_mut(interface) {
                    interface.mac = Some(*mac);
                }
            }
            Action::NeighbourInstall {
                key,
                mac,
                permanent,
            } => {
                let kind = NeighbourKind::Ours {
                    permanent: *permanent,
                };
                let mac = Some(*mac);
                self.neighbours.insert(*key, NeighbourActual { mac, kind });
            }
            Action::NeighbourDelete { key } => {
                self.neighbours.remove(key);
            }
        }
    }

    /// The settings of a port of the bridge, if it is one.
    #[must_use]
    pub fn bridge_port(&self, port: &IfName) -> Option<&BridgePort> {
        self.ports.get(port)?.bridge_port.as_ref()
    }

    /// Whether the interface is a port of another bridge than that of the pair.
    #[must_use]
    pub fn is_of_another_bridge(&self, port: &IfName) -> bool {
        let interface = self.interfaces.get(port);
        interface.is_some_and(|interface| interface.in_other_bridge)
    }

    /// The interface by which what no other route is for goes over this one, unless the settings name this one as
    /// routed: how this host is reached is not for a client to change.
    #[must_use]
    pub fn way_out(&self, name: &IfName) -> Option<IfName> {
        let way_out = self.interfaces.get(name)?.default_route;
        way_out.filter(|_| !self.routed.contains(name))
    }

    /// The VLAN interface for which the interface can be neither MLAG port nor peer link, if there is one.
    #[must_use]
    pub fn vlan_port(&self, port: &IfName) -> Option<IfName> {
        self.interfaces.get(port)?.vlan_port
    }

    /// Whether what is done to an MLAG port can be done to this one as a whole.
    #[must_use]
    pub fn can_be_mlag_port(&self, port: &IfName) -> bool {
        self.is_whole(port) && self.way_out(port).is_none()
    }

    /// Whether the interface is neither one of another bridge nor in two parts.
    #[must_use]
    pub fn is_whole(&self, port: &IfName) -> bool {
        !self.is_of_another_bridge(port) && self.vlan_port(port).is_none()
    }

    /// Whether the address is one of the bridge itself.
    #[must_use]
    pub fn is_local(&self, key: &FdbKey) -> bool {
        let entry = self.fdb.get(key);
        entry.is_some_and(|entry| entry.kind == EntryKind::Local)
    }

    /// Whether a held port has lost its carrier for it, which it needs until it is let go. One that is not in the bridge
    /// does not: the filter would not hold what is routed.
    #[must_use]
    pub fn needs_carrier(&self, port: &IfName) -> bool {
        let tree = self.spanning_tree.as_ref();
        let is_held = tree.is_some_and(|tree| tree.held_without_carrier.contains(port));
        is_held && self.bridge_port(port).is_some()
    }

    fn set_held_without_carrier(&mut self, port: IfName, is_so: bool) {
        let Some(tree) = &mut self.spanning_tree else {
            return;
        };
        match is_so {
            true => tree.held_without_carrier.insert(port),
            false => tree.held_without_carrier.remove(&port),
        };
    }

    /// Whether the filter isolates the port.
    #[must_use]
    pub fn is_isolated(&self, port: &IfName) -> bool {
        let filter = self.filter.as_ref();
        filter.is_some_and(|filter| filter.isolated.contains(port))
    }

    fn with_bridge_port(&mut self, port: &IfName, change: impl FnOnce(&mut BridgePort)) {
        let port = self.ports.get_mut(port);
        if let Some(settings) = port.and_then(|port| port.bridge_port.as_mut()) {
            change(settings);
        }
    }
}
