//! The wanted state, built from the client's operations.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mclag_proto::sync::model::{
    DomainWant, FdbKey, FdbKind, FdbWant, InterfaceWant, Isolation, NeighbourKey, NeighbourWant,
    Op, OpError, PortWant, Section, Traffic,
};
use mclag_proto::sync::snapshot::Snapshot;
use mclag_proto::{IfName, Mac};

use super::pair::Pair;
use super::reasons::{EntryReason, NeighbourReason};
use super::results::{full, no_begin};
use crate::dataplane::{Actual, McastRouter, McastSnooping};

mod replay;

/// Most MLAG ports that are remembered for a client.
pub const MAX_WANTED_PORTS: usize = 4096;

/// Most forwarding entries that are remembered for a client.
pub const MAX_WANTED_ENTRIES: usize = 1 << 20;

/// Most interfaces whose identity is remembered for a client.
pub const MAX_WANTED_INTERFACES: usize = 4096;

/// Most neighbours that are remembered for a client.
pub const MAX_WANTED_NEIGHBOURS: usize = 1 << 18;

/// What the client wants of the dataplane.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    domain: Option<DomainWant>,
    ports: BTreeMap<IfName, WantedPort>,
    entries: HashMap<FdbKey, FdbWant>,
    /// Learning of ports other than the peer link.
    learning: BTreeMap<IfName, bool>,
    interfaces: BTreeMap<IfName, InterfaceWant>,
    neighbours: HashMap<NeighbourKey, NeighbourWant>,
    pair: Pair,
    /// Ports that were released by name before a snapshot said what all ports are.
    released: BTreeSet<IfName>,
    /// Ports whose learning was spoken of before a snapshot said what all ports are.
    spoken_of: BTreeSet<IfName>,
    /// Interfaces that were released by name before a snapshot said what all interfaces are.
    released_interfaces: BTreeSet<IfName>,
    snapshots: Snapshots,
    /// A snapshot of the ports was complete: what is not wanted is not to be.
    knows_all_ports: bool,
    /// A snapshot of the interfaces was complete.
    knows_all_interfaces: bool,
    /// A snapshot of the entries was complete.
    knows_all_entries: bool,
    /// A snapshot of the neighbours was complete.
    knows_all_neighbours: bool,
    /// A port that is to be held from now on keeps its carrier.
    holds_with_carrier: bool,
    /// There was a filter when we started, so that an element missing from it means something.
    filter_was_there: bool,
}

/// What the snapshots that are under way have named, by section.
#[derive(Clone, Debug, Default)]
struct Snapshots {
    domain: Snapshot<()>,
    ports: Snapshot<IfName>,
    learning: Snapshot<IfName>,
    entries: Snapshot<FdbKey>,
    interfaces: Snapshot<IfName>,
    neighbours: Snapshot<NeighbourKey>,
}

/// What is wanted of one port, with *keep* resolved as far as it can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WantedPort {
    /// Whether it is to be isolated; none to leave what is in force.
    pub isolated: Option<bool>,
    /// Whether it is to be held; none to leave what is in force.
    pub held: Option<bool>,
    /// Frames for it go to the peer link while it has no carrier; what is in force stays where isolation is to be left.
    pub redirect: bool,
    /// LACP system id; none for the one in use.
    pub system_mac: Option<Mac>,
}

/// Settings that are wanted of a port; none where its own value is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settings {
    pub(super) learning: Option<bool>,
    pub(super) backup: Option<Option<IfName>>,
    pub(super) mcast_router: Option<McastRouter>,
    pub(super) system_mac: Option<Option<Mac>>,
}

/// What an operation changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Nothing,
    Domain,
    Port(IfName),
    /// The learning of a port that is not the peer link.
    Learning(IfName),
    Entry(FdbKey, EntryReason),
    Interface(IfName),
    Neighbour(NeighbourKey, NeighbourReason),
    /// Once: everything that the dataplane learned, on one port or everywhere.
    Flush(Option<IfName>),
    /// Everything of a section that is no longer wanted.
    Rest(Section),
}

impl Wanted {
    /// The bridge of the pair, if it is known.
    #[must_use]
    pub const fn domain(&self) -> Option<&DomainWant> {
        self.domain.as_ref()
    }

    /// What is wanted of each port.
    #[must_use]
    pub const fn ports(&self) -> &BTreeMap<IfName, WantedPort> {
        &self.ports
    }

    /// What is wanted of a forwarding entry.
    #[must_use]
    pub fn entry(&self, key: &FdbKey) -> Option<&FdbWant> {
        self.entries.get(key)
    }

    /// Keys of all forwarding entries that are wanted.
    pub fn entries(&self) -> impl Iterator<Item = &FdbKey> {
        self.entries.keys()
    }

    /// Keys of the forwarding entries that are wanted on a port.
    pub fn entries_on(&self, port: &IfName) -> impl Iterator<Item = &FdbKey> {
        let port = *port;
        let on_port = self
            .entries
            .iter()
            .filter(move |(_, want)| want.port == port);
        on_port.map(|(key, _)| key)
    }

    /// What is wanted of the learning of a port other than the peer link.
    #[must_use]
    pub fn learning(&self, port: &IfName) -> Option<bool> {
        self.learning.get(port).copied()
    }

    /// Ports other than the peer link whose learning is wanted one way or the other.
    pub fn ports_with_learning(&self) -> impl Iterator<Item = &IfName> {
        self.learning.keys()
    }

    /// What is wanted of the identity of each interface.
    #[must_use]
    pub const fn interfaces(&self) -> &BTreeMap<IfName, InterfaceWant> {
        &self.interfaces
    }

    /// What is wanted of the identity of an interface.
    #[must_use]
    pub fn interface(&self, name: &IfName) -> Option<&InterfaceWant> {
        self.interfaces.get(name)
    }

    /// What is wanted of a neighbour.
    #[must_use]
    pub fn neighbour(&self, key: &NeighbourKey) -> Option<&NeighbourWant> {
        self.neighbours.get(key)
    }

    /// Keys of all neighbours that are wanted.
    pub fn neighbours(&self) -> impl Iterator<Item = &NeighbourKey> {
        self.neighbours.keys()
    }

    /// Whether a neighbour of ours that is not wanted is to be removed.
    #[must_use]
    pub const fn knows_all_neighbours(&self) -> bool {
        self.knows_all_neighbours
    }

    /// What the client says of the pair.
    #[must_use]
    pub const fn pair(&self) -> &Pair {
        &self.pair
    }

    /// The interface through which frames of the other chassis come, as far as anybody can say: the peer link; while there
    /// is none of that name, the one that the filter names, for its frames still come.
    pub(super) fn peer_link_in_use(&self, actual: &Actual) -> Option<IfName> {
        let named = self.domain.as_ref()?.peer_link?;
        let of_filter = actual.filter.as_ref().and_then(|filter| filter.peer_link);
        let is_port = |name: &IfName| actual.bridge_port(name).is_some();
        // The client calls for another one, so it knows what its ports are.
        let other = of_filter.filter(|name| is_port(name) && !self.ports.contains_key(name));
        Some(other.filter(|_| !is_port(&named)).unwrap_or(named))
    }

    /// What is wanted of the settings of a port, which may be the peer link.
    pub(super) fn settings_of(&self, port: &IfName, actual: &Actual) -> Settings {
        let mut settings = Settings::default();
        let Some(domain) = &self.domain else {
            return settings;
        };
        let is_peer_link = self.peer_link_in_use(actual) == Some(*port);
        let is_of_pair = is_peer_link || self.ports.contains_key(port);
        // What was asked for on one chassis, the other one does not know of.
        if is_of_pair && actual.snooping == McastSnooping::On {
            settings.mcast_router = Some(McastRouter::Permanent);
        }
        if is_peer_link {
            settings.learning = Some(domain.peer_link_learning);
            return settings;
        }
        settings.learning = self.learning(port);
        if let Some(want) = self.ports.get(port) {
            settings.backup = domain.peer_link.filter(|_| want.redirect).map(Some);
            let may_be_set = actual.can_be_mlag_port(port) || self.stays_held(port, actual);
            settings.system_mac = want.system_mac.filter(|_| may_be_set).map(Some);
        }
        settings
    }

    /// Whether an MLAG port that is held stays so, be it that a default route came that leads to it: both chassis rely on
    /// the hold until the client lets the port pass.
    #[must_use]
    pub fn stays_held(&self, port: &IfName, actual: &Actual) -> bool {
        let want = self.ports.get(port).and_then(|want| want.held);
        want == Some(true) && actual.held.contains(port) && actual.is_whole(port)
    }

    /// Whether what was done to a port is to be undone.
    #[must_use]
    pub fn is_unwanted(&self, port: &IfName) -> bool {
        !self.ports.contains_key(port) && (self.knows_all_ports || self.released.contains(port))
    }

    /// Whether settings of a port that are not wanted are to be as they were before us: they were
    /// wanted by somebody whom a restart made us forget, until this client has said what it wants
    /// of the port, or of all.
    #[must_use]
    pub fn may_restore(&self, port: &IfName) -> bool {
        let is_named = self.domain.is_some() && self.ports.contains_key(port);
        is_named || self.knows_all_ports || self.released.contains(port)
    }

    /// The same for the learning of a port, which may be the peer link.
    #[must_use]
    pub fn may_restore_learning(&self, port: &IfName) -> bool {
        self.knows_all_ports || self.spoken_of.contains(port)
    }

    /// The same for the identity of an interface.
    #[must_use]
    pub fn may_restore_identity(&self, name: &IfName) -> bool {
        self.knows_all_interfaces || self.released_interfaces.contains(name)
    }

    /// Whether it is known what all ports are.
    #[must_use]
    pub const fn knows_all_ports(&self) -> bool {
        self.knows_all_ports
    }

    /// Whether nothing of the pair is wanted at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.knows_all_ports && self.domain.is_none() && self.ports.is_empty()
    }

    /// Whether a port that is to be held keeps its carrier.
    #[must_use]
    pub const fn holds_with_carrier(&self) -> bool {
        self.holds_with_carrier
    }

    /// Whether an entry of ours that is not wanted is to be undone.
    #[must_use]
    pub const fn knows_all_entries(&self) -> bool {
        self.knows_all_entries
    }

    pub(super) const fn keep_what_is_in_force(&mut self, filter_was_there: bool) {
        self.filter_was_there = filter_was_there;
    }

    pub(super) const fn hold_with_carrier(&mut self, keeps_carrier: bool) {
        self.holds_with_carrier = keeps_carrier;
    }

    /// Another domain was named that must not be: the one before stays, also where a snapshot is under way that
    /// does not name it. Its filter must not go for that.
    pub(super) fn keep_domain(&mut self) {
        self.snapshots.domain.name(());
    }

    pub(super) fn apply(&mut self, op: &Op) -> Result<Change, OpError> {
        match op {
            Op::SnapshotBegin(section) => {
                self.begin_snapshot(*section);
                Ok(Change::Nothing)
            }
            Op::SnapshotEnd(Section::Ports) => self.end_ports_snapshot(),
            Op::SnapshotEnd(Section::Fdb) => self.end_fdb_snapshot(),
            Op::SnapshotEnd(Section::Pair) => {
                self.pair.end_snapshot().ok_or_else(no_begin)?;
                Ok(Change::Rest(Section::Pair))
            }
            Op::SnapshotEnd(Section::Interfaces) => {
                let named = self.snapshots.interfaces.end().ok_or_else(no_begin)?;
                self.interfaces.retain(|name, _| named.contains(name));
                self.knows_all_interfaces = true;
                self.released_interfaces.clear();
                Ok(Change::Rest(Section::Interfaces))
            }
            Op::SnapshotEnd(Section::Neighbours) => {
                let named = self.snapshots.neighbours.end().ok_or_else(no_begin)?;
                self.neighbours.retain(|key, _| named.contains(key));
                self.knows_all_neighbours = true;
                Ok(Change::Rest(Section::Neighbours))
            }
            Op::Domain(want) => {
                self.domain = Some(*want);
                self.snapshots.domain.name(());
                self.speak_of(want.peer_link);
                Ok(Change::Domain)
            }
            Op::Port { port, want } => self.want_port(*port, want),
            Op::PortRelease { port } => {
                self.ports.remove(port);
                self.snapshots.ports.withdraw(port);
                if !self.knows_all_ports && self.released.len() < MAX_WANTED_PORTS {
                    self.released.insert(*port);
                }
                Ok(Change::Port(*port))
            }
            Op::Fdb { key, want } => self.want_entry(*key, *want),
            Op::FdbRelease { key, forget } => {
                self.entries.remove(key);
                self.snapshots.entries.withdraw(key);
                let forget = *forget;
                Ok(Change::Entry(*key, EntryReason::Release { forget }))
            }
            Op::Pair(_)
            | Op::RemotePort { .. }
            | Op::RemotePortRelease { .. }
            | Op::Members { .. } => {
                self.pair.apply(op)?;
                Ok(Change::Nothing)
            }
            Op::Interface { name, want } => self.want_interface(*name, *want),
            Op::InterfaceRelease { name } => {
                self.interfaces.remove(name);
                self.snapshots.interfaces.withdraw(name);
                let has_room = self.released_interfaces.len() < MAX_WANTED_INTERFACES;
                if !self.knows_all_interfaces && has_room {
                    self.released_interfaces.insert(*name);
                }
                Ok(Change::Interface(*name))
            }
            Op::Neighbour { key, want } => self.want_neighbour(*key, *want),
            Op::NeighbourRelease { key } => {
                self.neighbours.remove(key);
                self.snapshots.neighbours.withdraw(key);
                Ok(Change::Neighbour(*key, NeighbourReason::Undo))
            }
            Op::Learning { port, learning } => self.want_learning(*port, *learning),
            Op::Flush { port } => Ok(Change::Flush(*port)),
            // Originals are remembered where they are changed.
            Op::NodeMac(_) => Ok(Change::Nothing),
        }
    }

    fn begin_snapshot(&mut self, section: Section) {
        match section {
            Section::Ports => {
                self.snapshots.domain.begin();
                self.snapshots.ports.begin();
                self.snapshots.learning.begin();
            }
            Section::Fdb => self.snapshots.entries.begin(),
            Section::Pair => self.pair.begin_snapshot(),
            Section::Interfaces => self.snapshots.interfaces.begin(),
            Section::Neighbours => self.snapshots.neighbours.begin(),
        }
    }

    fn want_interface(&mut self, name: IfName, want: InterfaceWant) -> Result<Change, OpError> {
        let is_new = !self.interfaces.contains_key(&name);
        if is_new && self.interfaces.len() >= MAX_WANTED_INTERFACES {
            return Err(full(&name.to_string(), MAX_WANTED_INTERFACES));
        }
        let InterfaceWant { mac } = want;
        if !mac.is_unicast() {
            return Err(OpError::refused(format!(
                "{name}: {mac} is not a unicast MAC"
            )));
        }
        self.released_interfaces.remove(&name);
        self.interfaces.insert(name, want);
        self.snapshots.interfaces.name(name);
        Ok(Change::Interface(name))
    }

    fn want_neighbour(
        &mut self,
        key: NeighbourKey,
        want: NeighbourWant,
    ) -> Result<Change, OpError> {
        let NeighbourKey { interface, address } = key;
        let is_new = !self.neighbours.contains_key(&key);
        if is_new && self.neighbours.len() >= MAX_WANTED_NEIGHBOURS {
            return Err(full(
                &format!("{address} on {interface}"),
                MAX_WANTED_NEIGHBOURS,
            ));
        }
        let mac = want.mac;
        if !mac.is_unicast() || address.is_multicast() || address.is_unspecified() {
            let text = format!("{address} at {mac} on {interface}: not one host");
            return Err(OpError::refused(text));
        }
        self.neighbours.insert(key, want);
        self.snapshots.neighbours.name(key);
        Ok(Change::Neighbour(key, NeighbourReason::Want))
    }

    fn want_learning(&mut self, port: IfName, learning: bool) -> Result<Change, OpError> {
        let is_new = !self.learning.contains_key(&port);
        if is_new && self.learning.len() >= MAX_WANTED_PORTS {
            return Err(full(&port.to_string(), MAX_WANTED_PORTS));
        }
        self.learning.insert(port, learning);
        self.snapshots.learning.name(port);
        self.speak_of(Some(port));
        Ok(Change::Learning(port))
    }

    fn speak_of(&mut self, port: Option<IfName>) {
        let has_room = self.spoken_of.len() < MAX_WANTED_PORTS;
        self.spoken_of
            .extend(port.filter(|_| has_room && !self.knows_all_ports));
    }

    fn want_port(&mut self, port: IfName, want: &PortWant) -> Result<Change, OpError> {
        let PortWant {
            isolation,
            traffic,
            redirect,
            system_mac,
        } = *want;
        let before = self.ports.get(&port).copied();
        if before.is_none() && self.ports.len() >= MAX_WANTED_PORTS {
            return Err(full(&port.to_string(), MAX_WANTED_PORTS));
        }
        let isolated = match (isolation, before) {
            (Isolation::On, _) => Some(true),
            (Isolation::Off, _) => Some(false),
            (Isolation::Keep, Some(before)) => before.isolated,
            // A port that an earlier run may have known: what is in force was decided. Once all
            // ports were named, a port that comes new has nothing in force.
            (Isolation::Keep, None) if self.filter_was_there && !self.knows_all_ports => None,
            (Isolation::Keep, None) => Some(true),
        };
        let held = match (traffic, before) {
            (Traffic::Held, _) => Some(true),
            (Traffic::Pass, _) => Some(false),
            (Traffic::Keep, before) => before.and_then(|before| before.held),
        };
        self.released.remove(&port);
        self.snapshots.ports.name(port);
        self.ports.insert(
            port,
            WantedPort {
                isolated,
                held,
                redirect,
                system_mac,
            },
        );
        Ok(Change::Port(port))
    }

    fn want_entry(&mut self, key: FdbKey, want: FdbWant) -> Result<Change, OpError> {
        let is_full = self.entries.len() >= MAX_WANTED_ENTRIES;
        if is_full && want.kind != FdbKind::Ageing && !self.entries.contains_key(&key) {
            let FdbKey { vid, mac } = key;
            return Err(full(&format!("{mac} vlan {vid}"), MAX_WANTED_ENTRIES));
        }
        if !key.mac.is_unicast() {
            let FdbKey { vid, mac } = key;
            return Err(OpError::refused(format!(
                "{mac} vlan {vid}: not a unicast MAC"
            )));
        }
        if want.kind == FdbKind::Ageing {
            // Done once, and then nobody's wish: a snapshot has nothing to keep of it.
            self.entries.remove(&key);
            self.snapshots.entries.withdraw(&key);
            let port = want.port;
            return Ok(Change::Entry(key, EntryReason::Once { port }));
        }
        self.entries.insert(key, want);
        self.snapshots.entries.name(key);
        Ok(Change::Entry(key, EntryReason::Want))
    }

    fn end_ports_snapshot(&mut self) -> Result<Change, OpError> {
        let ports = self.snapshots.ports.end().ok_or_else(no_begin)?;
        let learning = self.snapshots.learning.end().ok_or_else(no_begin)?;
        let domain = self.snapshots.domain.end().ok_or_else(no_begin)?;
        self.ports.retain(|port, _| ports.contains(port));
        self.learning.retain(|port, _| learning.contains(port));
        self.domain = self.domain.filter(|_| domain.contains(&()));
        self.knows_all_ports = true;
        self.released.clear();
        self.spoken_of.clear();
        Ok(Change::Rest(Section::Ports))
    }

    fn end_fdb_snapshot(&mut self) -> Result<Change, OpError> {
        let named = self.snapshots.entries.end().ok_or_else(no_begin)?;
        self.entries.retain(|key, _| named.contains(key));
        self.knows_all_entries = true;
        Ok(Change::Rest(Section::Fdb))
    }

    pub(super) fn abandon_snapshots(&mut self) {
        self.snapshots = Snapshots::default();
        self.pair.abandon_snapshot();
    }

    pub(super) fn forget_released(&mut self) {
        self.released.clear();
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            knows_all_ports: true,
            knows_all_interfaces: true,
            knows_all_entries: true,
            knows_all_neighbours: true,
            holds_with_carrier: self.holds_with_carrier,
            ..Self::default()
        };
    }
}
