//! What a legacy client requests as operations of the model.
//!
//! The [`Translator`] keeps what was requested and answers the operations that change the wanted state
//! accordingly. It outlives connections: what a client requested stays in force when it is gone. Ports
//! are named by what the kernel has (`actual`): a legacy list names members of LAGs, where the
//! bridge knows the LAG. When that changes, [`Translator::refresh`] answers what follows.

use std::collections::{BTreeMap, BTreeSet};

use mclag_proto::sync::model::{
    DomainWant, FdbKey, FdbKind, FdbWant, InterfaceWant, Isolation, Op, PairState, PortWant,
    Section, Traffic,
};
use mclag_proto::sync::v1::{
    self, ClientMessage, Dialect, FdbRecord, IsolatedPort, PortIsolate, RecordOp,
};
use mclag_proto::{DomainId, IfName, Mac};

use crate::dataplane::{Actual, EntryKind};
use crate::legacy::Options;

#[cfg(test)]
mod tests;

/// Most names of each kind that are remembered. A client has a few dozen.
const MAX_NAMES: usize = 4096;

/// What legacy clients requested.
#[derive(Clone, Debug)]
pub struct Translator {
    bridge: Option<IfName>,
    /// Ports that the settings name.
    ports: Vec<IfName>,
    /// The peer link: that of the settings, or of the last isolation list.
    peer_link: Option<IfName>,
    /// Isolation where nobody requested any.
    unlisted: Isolation,
    /// Whether addresses are learned on the peer link while nobody requested otherwise.
    peer_link_learns: bool,
    isolation: Lists,
    /// Ports whose traffic was disabled.
    disabled: BTreeSet<IfName>,
    learning: BTreeMap<IfName, bool>,
    pair: Pair,
    programmed: Programmed,
    /// A list was complete: ports that an earlier run left isolated can go.
    is_whole: bool,
}

/// The isolation lists.
#[derive(Clone, Debug, Default)]
struct Lists {
    /// The last one of sonic: all that is isolated.
    whole: Option<Vec<IfName>>,
    /// The last one of the older dialects, as it was written: which of its names belong together
    /// is known when the LAGs are.
    partial: Option<PortIsolate>,
    /// What lists of the older dialects named so far, by port.
    listed: BTreeMap<IfName, bool>,
}

/// How the pair stands, as far as it was reported.
#[derive(Clone, Debug, Default)]
struct Pair {
    domain: Option<DomainId>,
    is_active: Option<bool>,
    is_up: Option<bool>,
    system_mac: Option<Mac>,
    peer_system_mac: Option<Mac>,
    remote: BTreeMap<IfName, bool>,
}

/// What the wanted state was made by operations answered so far.
#[derive(Clone, Debug, Default)]
struct Programmed {
    domain: Option<DomainWant>,
    ports: BTreeMap<IfName, PortWant>,
    learning: BTreeMap<IfName, bool>,
    pair: Option<PairState>,
}

impl Translator {
    /// Nothing was requested yet.
    ///
    /// `isolation` is [`Isolation::Keep`] if an earlier run left a filter behind, whose ports stay
    /// as they are until a client has named its own. `peer_link_learns`: whether addresses are
    /// learned on the peer link now.
    #[must_use]
    pub fn new(options: &Options, isolation: Isolation, peer_link_learns: bool) -> Self {
        Self {
            bridge: options.bridge,
            ports: options.ports.clone(),
            peer_link: options.peer_link,
            unlisted: isolation,
            peer_link_learns,
            isolation: Lists::default(),
            disabled: BTreeSet::new(),
            learning: BTreeMap::new(),
            pair: Pair::default(),
            programmed: Programmed::default(),
            is_whole: false,
        }
    }

    /// The settings are `now` and were `before`. What clients requested stays in force, except which the
    /// peer link is, if the settings name another: settings that no longer name one lift no isolation
    /// that a client still wants. To be followed by [`Translator::refresh`] if
    /// legacy clients decide what is wanted.
    pub fn configure(&mut self, before: &Options, now: &Options, ops: &mut Vec<Op>) {
        if now.peer_link.is_some() && before.peer_link != now.peer_link {
            self.peer_link = now.peer_link;
        }
        self.ports.clone_from(&now.ports);
        let gone = before.ports.iter().filter(|port| !now.ports.contains(port));
        for port in gone {
            // One that a client isolated or disabled is wanted again at once.
            if self.programmed.ports.remove(port).is_some() {
                ops.push(Op::PortRelease { port: *port });
            }
        }
    }

    /// A client connected, and there was none. Traffic of all ports is enabled, as far as it
    /// knows. What it does not request again goes with [`Translator::sweep`].
    ///
    /// `replaces`: what is wanted now is not what legacy clients requested.
    pub fn begin(&mut self, actual: &Actual, replaces: bool) -> Vec<Op> {
        self.disabled.clear();
        self.pair = Pair::default();
        self.programmed.pair = None;
        let mut ops = Vec::new();
        if replaces {
            self.programmed = Programmed::default();
            ops.push(Op::SnapshotBegin(Section::Ports));
            self.refresh(actual, &mut ops);
            ops.push(Op::SnapshotEnd(Section::Ports));
        } else {
            self.refresh(actual, &mut ops);
        }
        for section in [Section::Pair, Section::Neighbours] {
            ops.push(Op::SnapshotBegin(section));
            ops.push(Op::SnapshotEnd(section));
        }
        ops.push(Op::SnapshotBegin(Section::Fdb));
        ops.push(Op::SnapshotBegin(Section::Interfaces));
        ops
    }

    /// What the clients before requested and the present one did not is no longer wanted.
    #[must_use]
    pub fn sweep() -> Vec<Op> {
        vec![
            Op::SnapshotEnd(Section::Fdb),
            Op::SnapshotEnd(Section::Interfaces),
        ]
    }

    /// The wanted state was replaced or cleared by somebody else.
    pub fn forget(&mut self) {
        self.programmed = Programmed::default();
        self.isolation = Lists::default();
        self.disabled.clear();
        self.learning.clear();
        self.pair = Pair::default();
    }

    /// Take in a message; what follows from it is appended to `ops`.
    pub fn message(
        &mut self,
        message: &ClientMessage,
        dialect: Dialect,
        actual: &Actual,
        ops: &mut Vec<Op>,
    ) {
        match message {
            ClientMessage::PortIsolate(list) => self.isolate(list, dialect, actual, ops),
            ClientMessage::MacLearnMode { ports, learning } => {
                for port in ports {
                    remember(&mut self.learning, *port, *learning);
                }
                self.refresh(actual, ops);
            }
            ClientMessage::FlushFdb => ops.push(Op::Flush { port: None }),
            ClientMessage::FlushFdbByPort { port } => {
                let port = Some(bridge_port(actual, *port));
                ops.push(Op::Flush { port });
            }
            ClientMessage::SetInterfaceMac { interface, mac, .. } => {
                // All zero is a system id that is not known yet.
                if mac.is_unicast() {
                    ops.push(Op::Interface {
                        name: *interface,
                        want: InterfaceWant { mac: *mac },
                    });
                }
            }
            ClientMessage::SetFdb(records) => {
                ops.extend(records.iter().filter_map(|record| self.fdb(record, actual)));
            }
            ClientMessage::TrafficDistribution { port, is_enabled } => {
                let port = bridge_port(actual, *port);
                if *is_enabled {
                    self.disabled.remove(&port);
                } else if self.disabled.len() < MAX_NAMES {
                    self.disabled.insert(port);
                }
                self.refresh(actual, ops);
            }
            others => self.pair(others, ops),
        }
    }

    /// Compare what was requested with what the wanted state was made, and append the difference: for
    /// a change of which ports are members of which LAG.
    pub fn refresh(&mut self, actual: &Actual, ops: &mut Vec<Op>) {
        let Some(bridge) = self.bridge else { return };
        let lag_of = |name: &IfName| actual.interfaces.get(name)?.lag;
        let learns = self.peer_link.and_then(|port| self.learning.get(&port));
        let domain = DomainWant {
            bridge,
            peer_link: self.peer_link,
            peer_link_learning: learns.copied().unwrap_or(self.peer_link_learns),
        };
        if self.programmed.domain != Some(domain) {
            self.programmed.domain = Some(domain);
            ops.push(Op::Domain(domain));
        }
        let ports = self.wanted_ports(actual);
        for (port, want) in &ports {
            if self.programmed.ports.get(port) != Some(want) {
                let (port, want) = (*port, *want);
                ops.push(Op::Port { port, want });
            }
        }
        for port in self.programmed.ports.keys() {
            if !ports.contains_key(port) {
                ops.push(Op::PortRelease { port: *port });
            }
        }
        self.programmed.ports = ports;
        // Members of a LAG do not learn, their LAG does.
        let learning = self
            .learning
            .iter()
            .filter(|(port, _)| Some(**port) != self.peer_link && lag_of(port).is_none());
        for (port, learning) in learning {
            if self.programmed.learning.get(port) != Some(learning) {
                self.programmed.learning.insert(*port, *learning);
                let (port, learning) = (*port, *learning);
                ops.push(Op::Learning { port, learning });
            }
        }
    }

    fn wanted_ports(&mut self, actual: &Actual) -> BTreeMap<IfName, PortWant> {
        let lag_of = |name: &IfName| actual.interfaces.get(name)?.lag;
        let is_peer_link = |port: &IfName| Some(*port) == self.peer_link;
        // Physical ports are named as members of the LAG before them; one that is not there has
        // nothing to be isolated, and its LAG is in the list.
        let is_meant = |name: &&IfName| {
            actual.interfaces.contains_key(*name) || !name.as_str().starts_with("Ethernet")
        };
        let isolated: Option<BTreeSet<IfName>> = self.isolation.whole.as_ref().map(|names| {
            let names = names.iter().filter(is_meant);
            names.map(|name| bridge_port(actual, *name)).collect()
        });
        if let Some(list) = &self.isolation.partial {
            let groups = list.with_lags(lag_of).ports;
            // What is isolated by one name is not reached by another.
            let (on, off): (Vec<_>, Vec<_>) = groups.into_iter().partition(|g| g.is_isolated);
            for IsolatedPort {
                lag,
                members,
                is_isolated,
            } in off.into_iter().chain(on)
            {
                for port in lag
                    .into_iter()
                    .chain(members.into_iter().filter(|_| lag.is_none()))
                {
                    remember(&mut self.isolation.listed, port, is_isolated);
                }
            }
            self.isolation
                .listed
                .retain(|port, _| lag_of(port).is_none());
        }
        let named = self.ports.iter().chain(&self.disabled);
        let named = named.chain(isolated.iter().flatten());
        let named = named.chain(self.isolation.listed.keys());
        let named = named.chain(self.programmed.ports.keys());
        let named = named.filter(|port| !is_peer_link(port) && lag_of(port).is_none());
        let known: BTreeSet<IfName> = named.copied().take(2 * MAX_NAMES).collect();
        let redirect = self.peer_link.is_some();
        let want = |port: &IfName| PortWant {
            isolation: match (self.isolation.listed.get(port), &isolated) {
                (Some(true), _) => Isolation::On,
                (Some(false), _) => Isolation::Off,
                (None, Some(isolated)) if isolated.contains(port) => Isolation::On,
                (None, Some(_)) => Isolation::Off,
                (None, None) => self.unlisted,
            },
            traffic: match self.disabled.contains(port) {
                true => Traffic::Held,
                false => Traffic::Pass,
            },
            redirect,
            system_mac: None,
        };
        known.iter().map(|port| (*port, want(port))).collect()
    }

    fn isolate(
        &mut self,
        list: &PortIsolate,
        dialect: Dialect,
        actual: &Actual,
        ops: &mut Vec<Op>,
    ) {
        self.peer_link = Some(list.peer_link);
        if dialect.isolation_is_whole() {
            let names = list.names().filter(|(_, is_isolated)| *is_isolated);
            let names = names.map(|(name, _)| name).take(MAX_NAMES);
            self.isolation = Lists {
                whole: Some(names.collect()),
                ..Lists::default()
            };
        } else {
            self.isolation.whole = None;
            self.isolation.partial = Some(list.clone());
        }
        if self.is_whole || self.bridge.is_none() {
            self.refresh(actual, ops);
            return;
        }
        // The first list of all: what an earlier run of the server left behind and the list does
        // not name is nobody's.
        self.is_whole = true;
        self.unlisted = Isolation::Off;
        self.programmed.domain = None;
        self.programmed.ports.clear();
        self.programmed.learning.clear();
        ops.push(Op::SnapshotBegin(Section::Ports));
        self.refresh(actual, ops);
        ops.push(Op::SnapshotEnd(Section::Ports));
    }

    fn fdb(&self, record: &FdbRecord, actual: &Actual) -> Option<Op> {
        let FdbRecord {
            mac,
            vid,
            port,
            kind,
            op,
        } = *record;
        if mac.is_zero() {
            return None;
        }
        let key = FdbKey { vid, mac };
        match op {
            RecordOp::Add => Some(Op::Fdb {
                key,
                want: FdbWant {
                    port: bridge_port(actual, port?),
                    kind: match kind {
                        v1::FdbKind::Static => FdbKind::Static,
                        v1::FdbKind::DynamicLocal => FdbKind::Ageing,
                        v1::FdbKind::Dynamic | v1::FdbKind::None => FdbKind::Tracked,
                    },
                },
            }),
            RecordOp::Delete => {
                // What the dataplane learned stays, except on an MLAG port that is down
                // (`spec/sonic-redis.md` 4.6).
                let forget = actual.fdb.get(&key).is_some_and(|entry| {
                    let interface = actual.interfaces.get(&entry.port);
                    entry.kind == EntryKind::Dynamic
                        && self.programmed.ports.contains_key(&entry.port)
                        && interface.is_some_and(|interface| !interface.running)
                });
                Some(Op::FdbRelease { key, forget })
            }
        }
    }

    fn pair(&mut self, message: &ClientMessage, ops: &mut Vec<Op>) {
        match message {
            ClientMessage::IccpState { domain, is_up } => {
                self.pair.of(*domain).is_up = Some(*is_up);
            }
            ClientMessage::IccpRole {
                domain,
                is_active,
                system_id,
            } => {
                let pair = self.pair.of(*domain);
                pair.is_active = Some(*is_active);
                let known = system_id.filter(|mac| !mac.is_zero());
                pair.system_mac = known.or(pair.system_mac);
            }
            ClientMessage::IccpSystemId { domain, system_id } => {
                self.pair.of(*domain).system_mac = Some(*system_id).filter(|mac| !mac.is_zero());
            }
            ClientMessage::PeerSystemId { domain, system_id } => {
                self.pair.of(*domain).peer_system_mac =
                    Some(*system_id).filter(|mac| !mac.is_zero());
            }
            ClientMessage::DeleteIccpInfo { domain } if self.pair.domain == Some(*domain) => {
                let remote = std::mem::take(&mut self.pair.remote);
                self.pair = Pair {
                    remote,
                    ..Pair::default()
                };
                self.programmed.pair = None;
                ops.push(Op::SnapshotBegin(Section::Pair));
                let ports = self.pair.remote.iter();
                ops.extend(ports.map(|(port, up)| Op::RemotePort {
                    port: *port,
                    up: *up,
                }));
                ops.push(Op::SnapshotEnd(Section::Pair));
            }
            ClientMessage::RemoteInterfaceState {
                domain,
                port,
                is_up,
            } => {
                let (port, up) = (*port, *is_up);
                if remember(&mut self.pair.of(*domain).remote, port, up) {
                    ops.push(Op::RemotePort { port, up });
                }
            }
            ClientMessage::DeleteRemoteInterface { domain: _, port } => {
                let gone = self.pair.remote.remove_entry(port);
                ops.extend(gone.map(|(port, _)| Op::RemotePortRelease { port }));
            }
            _ => {}
        }
        let state = self.pair.state();
        if let Some(state) = state.filter(|state| self.programmed.pair != Some(*state)) {
            self.programmed.pair = Some(state);
            ops.push(Op::Pair(state));
        }
    }

    /// Whether the client reports that it is synchronised with the other chassis; none before it reports
    /// anything, and always for linux-mclag, which never does.
    #[must_use]
    pub const fn is_up(&self) -> Option<bool> {
        self.pair.is_up
    }

    /// The system id of the other chassis, if a client reported it.
    #[must_use]
    pub const fn peer_system_mac(&self) -> Option<Mac> {
        self.pair.peer_system_mac
    }

    /// The peer link: that of the settings, or that which a client named.
    #[must_use]
    pub const fn peer_link(&self) -> Option<IfName> {
        self.peer_link
    }
}

impl Pair {
    /// The pair of this number: another one begins anew. One domain is all there is
    /// (`spec/mclagsyncd-protocol.md` 5.2).
    fn of(&mut self, domain: DomainId) -> &mut Self {
        if self.domain != Some(domain) {
            let remote = std::mem::take(&mut self.remote);
            *self = Self {
                domain: Some(domain),
                remote,
                ..Self::default()
            };
        }
        self
    }

    fn state(&self) -> Option<PairState> {
        Some(PairState {
            domain: self.domain?,
            active: self.is_active,
            up: self.is_up.unwrap_or(false),
            system_mac: self.system_mac,
        })
    }
}

/// The port of the bridge that a name stands for: a member's LAG, or the name itself.
fn bridge_port(actual: &Actual, name: IfName) -> IfName {
    let interface = actual.interfaces.get(&name);
    interface
        .and_then(|interface| interface.lag)
        .unwrap_or(name)
}

/// Remember a value, as long as there are not too many. False if there are.
fn remember(map: &mut BTreeMap<IfName, bool>, name: IfName, value: bool) -> bool {
    if map.len() >= MAX_NAMES && !map.contains_key(&name) {
        return false;
    }
    map.insert(name, value);
    true
}
