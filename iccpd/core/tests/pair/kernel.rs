//! A model of one chassis' kernel and of the `syncd` that drives it.
//!
//! The kernel follows what was measured on real ones: a tracked entry moves with the host and
//! reports activity, a dynamic one is deleted when it ages, both survive loss of carrier on a
//! port with a backup.

use iccp_core::{NeighbourFrom, NeighbourObservation};
use mclag_proto::sync::model::{
    DomainWant, Event, FdbKey, FdbKind, FdbWant, Isolation, NeighbourKey, Observation, Op, OpError,
    OpErrorCode, PortWant, Section, Traffic,
};
use mclag_proto::{IfName, Mac, Vid};
use std::collections::{BTreeMap, BTreeSet};

/// One entry of a bridge's table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry {
    /// Learned by the kernel.
    Dynamic { port: IfName },
    /// Installed by `syncd`.
    Tracked { port: IfName, active: bool },
}

impl Entry {
    pub fn port(&self) -> IfName {
        match self {
            Self::Dynamic { port } | Self::Tracked { port, .. } => *port,
        }
    }

    fn is_seen(&self) -> bool {
        match self {
            Self::Dynamic { .. } => true,
            Self::Tracked { active, .. } => *active,
        }
    }
}

/// The dataplane: it outlives every process.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    pub fdb: BTreeMap<FdbKey, Entry>,
    /// Entries that do not move: addresses of the other chassis itself.
    pub fixed: BTreeMap<FdbKey, IfName>,
    pub isolated: BTreeSet<IfName>,
    pub held: BTreeSet<IfName>,
    pub filter_exists: bool,
    /// It isolates nothing that is not.
    pub refuses_isolation: bool,
    /// Ports that were taken out of the pair: the host no longer uses their links.
    pub released: BTreeSet<IfName>,
    /// LACP system ids that were given to ports.
    pub system_macs: BTreeMap<IfName, Mac>,
    /// Neighbours, and whether `syncd` installed them.
    pub neighbours: BTreeMap<NeighbourKey, (Mac, bool)>,
    /// What changed of them.
    pub neighbour_events: Vec<(NeighbourKey, Option<NeighbourObservation>)>,
    events: Vec<Event>,
}

impl Kernel {
    fn report(&mut self, key: FdbKey, observation: Observation) {
        self.events.push(Event::Fdb { key, observation });
    }

    /// A frame from this host arrived on `port`.
    pub fn frame(&mut self, key: FdbKey, port: IfName) {
        let observation = match self.fdb.get(&key).copied() {
            None => Some(Observation::Learned {
                port,
                configured: false,
            }),
            Some(Entry::Dynamic { port: before }) if before == port => None,
            Some(Entry::Dynamic { .. }) => Some(Observation::Moved { port }),
            Some(Entry::Tracked {
                port: before,
                active: true,
            }) if before == port => None,
            Some(Entry::Tracked { .. }) => Some(Observation::Active { port }),
        };
        let after = match self.fdb.get(&key) {
            Some(Entry::Tracked { .. }) => Entry::Tracked { port, active: true },
            _ => Entry::Dynamic { port },
        };
        self.fdb.insert(key, after);
        if let Some(observation) = observation {
            self.report(key, observation);
        }
    }

    /// The ageing time passed without a frame from this host.
    pub fn age(&mut self, key: FdbKey) {
        match self.fdb.get_mut(&key) {
            Some(Entry::Dynamic { .. }) => {
                self.fdb.remove(&key);
                self.report(key, Observation::Aged);
            }
            Some(Entry::Tracked { active, .. }) if *active => {
                *active = false;
                self.report(key, Observation::Inactive);
            }
            _ => {}
        }
    }

    /// A neighbour was resolved, or no longer answers.
    pub fn resolve(&mut self, key: NeighbourKey, mac: Option<Mac>) {
        self.set_neighbour(key, mac.map(|mac| (mac, false)));
    }

    /// What the kernel says of a neighbour that it has.
    pub fn neighbour_observation((mac, installed): (Mac, bool)) -> NeighbourObservation {
        let from = match installed {
            true => NeighbourFrom::Installed,
            false => NeighbourFrom::Kernel,
        };
        NeighbourObservation { mac, from }
    }

    fn set_neighbour(&mut self, key: NeighbourKey, neighbour: Option<(Mac, bool)>) {
        let before = match neighbour {
            Some(neighbour) => self.neighbours.insert(key, neighbour),
            None => self.neighbours.remove(&key),
        };
        if before != neighbour {
            let observation = neighbour.map(Self::neighbour_observation);
            self.neighbour_events.push((key, observation));
        }
    }

    /// A port leaves a VLAN: the entries it had there go.
    pub fn leave_vlan(&mut self, port: IfName, vid: Vid) {
        let there = |(key, entry): &(&FdbKey, &Entry)| key.vid == vid && entry.port() == port;
        let gone: Vec<FdbKey> = self.fdb.iter().filter(there).map(|(key, _)| *key).collect();
        for key in gone {
            remove(self, key);
        }
    }

    fn listing(&self) -> Vec<Event> {
        let mut listing = vec![Event::SnapshotBegin];
        for (&key, entry) in self.fdb.iter().filter(|(_, entry)| entry.is_seen()) {
            let port = entry.port();
            let observation = match entry {
                Entry::Dynamic { .. } => Observation::Learned {
                    port,
                    configured: false,
                },
                Entry::Tracked { .. } => Observation::Active { port },
            };
            listing.push(Event::Fdb { key, observation });
        }
        listing.push(Event::SnapshotEnd);
        listing
    }
}

/// A `syncd`: it forgets everything when it dies, the kernel does not.
#[derive(Clone, Debug, Default)]
pub struct Syncd {
    pub domain: Option<DomainWant>,
    pub ports: BTreeMap<IfName, PortWant>,
    pub fdb: BTreeMap<FdbKey, FdbWant>,
    named_ports: Option<BTreeSet<IfName>>,
    named_fdb: Option<BTreeSet<FdbKey>>,
    named_neighbours: Option<BTreeSet<NeighbourKey>>,
}

impl Syncd {
    /// What a client is told first.
    pub fn greet(&self, kernel: &mut Kernel) -> Vec<Event> {
        kernel.events.clear();
        kernel.listing()
    }

    /// Events since the last call.
    pub fn events(&self, kernel: &mut Kernel) -> Vec<Event> {
        std::mem::take(&mut kernel.events)
    }

    /// Returns what could not be carried out.
    pub fn apply(&mut self, ops: &[Op], kernel: &mut Kernel) -> Vec<(u32, OpError)> {
        for op in ops {
            self.apply_one(op, kernel);
        }
        self.carry_out_ports(kernel);
        let numbered = (0..).zip(ops);
        let refused = numbered.filter(|(_, op)| match op {
            Op::Port { port, want } => {
                want.isolation == Isolation::On && !kernel.isolated.contains(port)
            }
            _ => false,
        });
        let error = OpError {
            code: OpErrorCode::Refused,
            text: "no room".to_owned(),
        };
        refused.map(|(index, _)| (index, error.clone())).collect()
    }

    fn apply_one(&mut self, op: &Op, kernel: &mut Kernel) {
        match op {
            Op::SnapshotBegin(Section::Ports) => self.named_ports = Some(BTreeSet::new()),
            Op::SnapshotBegin(Section::Fdb) => self.named_fdb = Some(BTreeSet::new()),
            Op::SnapshotEnd(Section::Ports) => {
                if let Some(named) = self.named_ports.take() {
                    let gone = self.ports.keys().filter(|port| !named.contains(*port));
                    kernel.released.extend(gone.copied());
                    self.ports.retain(|port, _| named.contains(port));
                    kernel.isolated.retain(|port| named.contains(port));
                    kernel.held.retain(|port| named.contains(port));
                }
            }
            Op::SnapshotEnd(Section::Fdb) => {
                if let Some(named) = self.named_fdb.take() {
                    self.fdb.retain(|key, _| named.contains(key));
                    kernel.fixed.retain(|key, _| named.contains(key));
                    let installed = |entry: &Entry| matches!(entry, Entry::Tracked { .. });
                    let stale: Vec<FdbKey> = kernel
                        .fdb
                        .iter()
                        .filter(|(key, entry)| installed(entry) && !named.contains(key))
                        .map(|(key, _)| *key)
                        .collect();
                    for key in stale {
                        release(kernel, key);
                    }
                }
            }
            Op::Domain(want) => self.domain = Some(*want),
            Op::Port { port, want } => {
                if let Some(named) = &mut self.named_ports {
                    named.insert(*port);
                }
                kernel.released.remove(port);
                self.ports.insert(*port, *want);
            }
            Op::PortRelease { port } => {
                self.ports.remove(port);
                kernel.isolated.remove(port);
                kernel.held.remove(port);
                kernel.released.insert(*port);
            }
            Op::Fdb { key, want } => {
                if let Some(named) = &mut self.named_fdb {
                    named.insert(*key);
                }
                self.fdb.insert(*key, *want);
                match want.kind {
                    FdbKind::Tracked => install(kernel, *key, want.port),
                    FdbKind::Static => drop(kernel.fixed.insert(*key, want.port)),
                    FdbKind::Ageing => panic!("for dataplanes that report nothing"),
                }
            }
            Op::FdbRelease { key, forget } => {
                if let Some(named) = &mut self.named_fdb {
                    named.remove(key);
                }
                self.fdb.remove(key);
                kernel.fixed.remove(key);
                if *forget {
                    remove(kernel, *key);
                } else {
                    release(kernel, *key);
                }
            }
            Op::SnapshotBegin(Section::Neighbours) => {
                self.named_neighbours = Some(BTreeSet::new());
            }
            Op::SnapshotEnd(Section::Neighbours) => {
                let named = self.named_neighbours.take().unwrap_or_default();
                let installed = kernel
                    .neighbours
                    .iter()
                    .filter(|(_, (_, installed))| *installed);
                let stale = installed.filter(|(key, _)| !named.contains(key));
                let stale: Vec<NeighbourKey> = stale.map(|(key, _)| *key).collect();
                for key in stale {
                    kernel.set_neighbour(key, None);
                }
            }
            Op::Neighbour { key, want } => {
                if let Some(named) = &mut self.named_neighbours {
                    named.insert(*key);
                }
                kernel.set_neighbour(*key, Some((want.mac, true)));
            }
            Op::NeighbourRelease { key } => {
                if let Some((_, true)) = kernel.neighbours.get(key) {
                    kernel.set_neighbour(*key, None);
                }
            }
            other => panic!("{other:?} is not for this dataplane"),
        }
    }

    fn carry_out_ports(&self, kernel: &mut Kernel) {
        for (port, want) in &self.ports {
            let isolate = match want.isolation {
                Isolation::On => true,
                Isolation::Off => false,
                Isolation::Keep => !kernel.filter_exists || kernel.isolated.contains(port),
            };
            let hold = match want.traffic {
                Traffic::Held => true,
                Traffic::Pass => false,
                Traffic::Keep => kernel.held.contains(port),
            };
            let is_refused = isolate && kernel.refuses_isolation && !kernel.isolated.contains(port);
            set(&mut kernel.isolated, *port, isolate && !is_refused);
            // What could not be protected is not opened.
            let stays_held = is_refused && kernel.held.contains(port);
            set(&mut kernel.held, *port, hold || stays_held);
            if let Some(mac) = want.system_mac {
                kernel.system_macs.insert(*port, mac);
            }
        }
        if self.domain.is_some() {
            kernel.filter_exists = true;
        }
    }
}

fn set(of: &mut BTreeSet<IfName>, port: IfName, member: bool) {
    if member {
        of.insert(port);
    } else {
        of.remove(&port);
    }
}

fn install(kernel: &mut Kernel, key: FdbKey, port: IfName) {
    let active = match kernel.fdb.get(&key) {
        Some(Entry::Dynamic { port: before }) => *before == port,
        Some(Entry::Tracked {
            port: before,
            active,
        }) => *before == port && *active,
        None => false,
    };
    let before = kernel.fdb.insert(key, Entry::Tracked { port, active });
    // Only what an operation ends is told: it may have crossed a report of it.
    if !active && before.is_some_and(|entry| entry.is_seen()) {
        kernel.report(key, Observation::Inactive);
    }
}

/// An installed entry goes, unless the host was seen here since; a learned one is left alone.
fn release(kernel: &mut Kernel, key: FdbKey) {
    match kernel.fdb.get(&key).copied() {
        // No news: whoever releases it knows that the host is seen.
        Some(Entry::Tracked { port, active: true }) => {
            kernel.fdb.insert(key, Entry::Dynamic { port });
        }
        Some(Entry::Tracked { active: false, .. }) => remove(kernel, key),
        Some(Entry::Dynamic { .. }) | None => {}
    }
}

fn remove(kernel: &mut Kernel, key: FdbKey) {
    if kernel.fdb.remove(&key).is_some() {
        kernel.report(key, Observation::Aged);
    }
}
