//! The wanted state, built from the client's operations.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use mclag_proto::sync::model::{
    DomainWant, FdbKey, FdbWant, Isolation, Op, OpError, OpErrorCode, PortWant, Section, Traffic,
};
use mclag_proto::{IfName, Mac};

use super::fdb::Directive;

/// Most MLAG ports that are remembered for a client.
pub const MAX_WANTED_PORTS: usize = 4096;

/// Most forwarding entries that are remembered for a client.
pub const MAX_WANTED_ENTRIES: usize = 1 << 20;

/// What the client wants of the dataplane.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    domain: Option<DomainWant>,
    ports: BTreeMap<IfName, WantedPort>,
    entries: HashMap<FdbKey, FdbWant>,
    /// Ports that were released by name before a snapshot said what all ports are.
    released: BTreeSet<IfName>,
    ports_snapshot: Option<PortsSnapshot>,
    fdb_snapshot: Option<HashSet<FdbKey>>,
    /// A snapshot of the ports was complete: what is not wanted is not to be.
    knows_all_ports: bool,
    /// A snapshot of the entries was complete.
    knows_all_entries: bool,
    /// There was a filter when we started, so that an element missing from it means something.
    filter_was_there: bool,
}

/// What a snapshot has named so far.
#[derive(Clone, Debug, Default)]
struct PortsSnapshot {
    domain: bool,
    ports: BTreeSet<IfName>,
}

/// What is wanted of one port, with *keep* resolved as far as it can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct WantedPort {
    /// Whether it is to be isolated; none to leave what is in force.
    pub isolated: Option<bool>,
    /// Whether it is to be held; none to leave what is in force.
    pub held: Option<bool>,
    /// Frames for it go to the peer link while it has no carrier.
    pub redirect: bool,
    /// LACP system id; none for the one in use.
    pub system_mac: Option<Mac>,
}

/// What an operation changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    Nothing,
    Domain,
    Port(IfName),
    Entry(FdbKey, Directive),
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

    /// Whether what was done to a port is to be undone.
    #[must_use]
    pub fn is_unwanted(&self, port: &IfName) -> bool {
        !self.ports.contains_key(port) && (self.knows_all_ports || self.released.contains(port))
    }

    /// Whether nothing of the pair is wanted at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.knows_all_ports && self.domain.is_none() && self.ports.is_empty()
    }

    /// Whether an entry of ours that is not wanted is to be undone.
    #[must_use]
    pub const fn knows_all_entries(&self) -> bool {
        self.knows_all_entries
    }

    pub(super) const fn keep_what_is_in_force(&mut self, filter_was_there: bool) {
        self.filter_was_there = filter_was_there;
    }

    pub(super) fn apply(&mut self, op: &Op) -> Result<Change, OpError> {
        match op {
            Op::SnapshotBegin(Section::Ports) => {
                self.ports_snapshot = Some(PortsSnapshot::default());
                Ok(Change::Nothing)
            }
            Op::SnapshotBegin(Section::Fdb) => {
                self.fdb_snapshot = Some(HashSet::new());
                Ok(Change::Nothing)
            }
            Op::SnapshotEnd(Section::Ports) => self.end_ports_snapshot(),
            Op::SnapshotEnd(Section::Fdb) => self.end_fdb_snapshot(),
            Op::Domain(want) => {
                self.domain = Some(*want);
                if let Some(snapshot) = &mut self.ports_snapshot {
                    snapshot.domain = true;
                }
                Ok(Change::Domain)
            }
            Op::Port { port, want } => self.want_port(*port, want),
            Op::PortRelease { port } => {
                self.ports.remove(port);
                if let Some(snapshot) = &mut self.ports_snapshot {
                    snapshot.ports.remove(port);
                }
                if !self.knows_all_ports && self.released.len() < MAX_WANTED_PORTS {
                    self.released.insert(*port);
                }
                Ok(Change::Port(*port))
            }
            Op::Fdb { key, want } => self.want_entry(*key, *want),
            Op::FdbRelease { key, forget } => {
                self.entries.remove(key);
                if let Some(named) = &mut self.fdb_snapshot {
                    named.remove(key);
                }
                let forget = *forget;
                Ok(Change::Entry(*key, Directive::Release { forget }))
            }
            Op::SnapshotBegin(_)
            | Op::SnapshotEnd(_)
            | Op::Pair(_)
            | Op::RemotePort { .. }
            | Op::RemotePortRelease { .. }
            | Op::Members { .. }
            | Op::Interface { .. }
            | Op::InterfaceRelease { .. }
            | Op::Neighbour { .. }
            | Op::NeighbourRelease { .. }
            | Op::Learning { .. }
            | Op::Flush { .. } => Err(OpError {
                code: OpErrorCode::Unsupported,
                text: "this dataplane cannot do it".to_owned(),
            }),
        }
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
        if let Some(snapshot) = &mut self.ports_snapshot {
            snapshot.ports.insert(port);
        }
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
        if self.entries.len() >= MAX_WANTED_ENTRIES && !self.entries.contains_key(&key) {
            let FdbKey { vid, mac } = key;
            return Err(full(&format!("{mac} vlan {vid}"), MAX_WANTED_ENTRIES));
        }
        if !key.mac.is_unicast() {
            let FdbKey { vid, mac } = key;
            return Err(refused(format!(
                "{mac} vlan {vid}: not the address of one host"
            )));
        }
        self.entries.insert(key, want);
        if let Some(named) = &mut self.fdb_snapshot {
            named.insert(key);
        }
        Ok(Change::Entry(key, Directive::Want))
    }

    fn end_ports_snapshot(&mut self) -> Result<Change, OpError> {
        let snapshot = self.ports_snapshot.take().ok_or_else(no_begin)?;
        self.ports.retain(|port, _| snapshot.ports.contains(port));
        if !snapshot.domain {
            self.domain = None;
        }
        self.knows_all_ports = true;
        self.released.clear();
        Ok(Change::Rest(Section::Ports))
    }

    fn end_fdb_snapshot(&mut self) -> Result<Change, OpError> {
        let named = self.fdb_snapshot.take().ok_or_else(no_begin)?;
        self.entries.retain(|key, _| named.contains(key));
        self.knows_all_entries = true;
        Ok(Change::Rest(Section::Fdb))
    }

    pub(super) fn abandon_snapshots(&mut self) {
        self.ports_snapshot = None;
        self.fdb_snapshot = None;
    }

    pub(super) fn forget_released(&mut self) {
        self.released.clear();
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            knows_all_ports: true,
            knows_all_entries: true,
            ..Self::default()
        };
    }
}

fn refused(text: String) -> OpError {
    OpError {
        code: OpErrorCode::Refused,
        text,
    }
}

fn full(what: &str, limit: usize) -> OpError {
    refused(format!("{what}: more than {limit}"))
}

fn no_begin() -> OpError {
    refused("end of a snapshot that did not begin".to_owned())
}
