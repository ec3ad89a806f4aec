//! From the wanted dataplane to what a version-1 server is sent.
//!
//! Operations name states; version 1 has messages. What was sent last is remembered, across
//! connections too, so that an operation that changes nothing costs no message and a server that
//! comes back with old state hears of what is no longer wanted.
//!
//! Order is that of the operations (`spec/mclagsyncd-protocol.md` 6), with these exceptions:
//!
//! * All ports of a batch share one isolation list, in front of what concerns one port. Frames
//!   would be delivered twice if a port carried data before another is isolated.
//! * A session that comes up is reported behind that list, and the list follows once more.
//! * Of a session that goes down the end comes first, the own identity behind isolation and
//!   interfaces, and the role last.
//! * At a new connection the peer link is named behind the pair, and learning on it is switched off
//!   before the session is reported up all the same.

mod entries;
mod learning;
mod pair;
mod ports;

use mclag_proto::sync::model::{DomainWant, FdbKey, InterfaceWant, Op, PairState, Section};
use mclag_proto::sync::snapshot::{Named, Snapshot};
use mclag_proto::sync::v1::{ClientMessage, Dialect};
use mclag_proto::{DomainId, IfName, Mac};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use crate::reconcile::MAX_WANTED_INTERFACES;
use entries::{Entry, Learned};

/// What a server was sent, and what it has yet to be sent.
#[derive(Clone, Debug)]
pub struct Translator {
    dialect: Dialect,
    node_mac: NodeMac,
    /// Interfaces that go back to it, as soon as it is known.
    unreturned: BTreeSet<IfName>,
    domain: Domain,
    /// The domain was named on this connection.
    domain_known: bool,
    /// Port whose learning is switched off at the server, with its members at that time.
    learning_off: Option<Sent<(IfName, Vec<IfName>)>>,
    /// Where in `out` learning is to be switched off, once it is known of which port.
    learning_at: Option<usize>,
    ports: BTreeMap<IfName, Port>,
    /// The ports were named on this connection: what is not among them is not isolated.
    ports_known: bool,
    /// Ports that are none any more, with their members: the next list lifts their isolation.
    lifted: BTreeMap<IfName, Vec<IfName>>,
    members: BTreeMap<IfName, Vec<IfName>>,
    pair: Option<PairState>,
    /// Domain whose records the server may still hold.
    published: Option<DomainId>,
    remote: BTreeMap<IfName, Sent<bool>>,
    interfaces: BTreeMap<IfName, Sent<Mac>>,
    /// Interfaces that keep the own MAC on either chassis.
    unique: BTreeSet<IfName>,
    /// Those whose own MAC was named on this connection.
    unique_named: BTreeSet<IfName>,
    entries: HashMap<FdbKey, Sent<Entry>>,
    /// How many of those of this connection are not of VLAN 1.
    in_other_vlans: usize,
    /// Entries that it has although it was not sent them.
    there: HashSet<FdbKey>,
    /// What the server itself has learned.
    learned: HashMap<FdbKey, Learned>,
    named: Snapshots,
    /// The whole table was flushed once (`spec/mclagsyncd-protocol.md` 4.3).
    flushed: bool,
    /// The isolation list has to be sent.
    list_due: bool,
    /// A list was sent, on this connection or on one before.
    list_sent: bool,
    /// Ports whose isolation is to be shown once the list left.
    shown: Vec<ClientMessage>,
    /// Ports that may carry data or may not, behind that.
    traffic: Vec<ClientMessage>,
    /// The own identity, when the session is down.
    identity: Option<ClientMessage>,
    /// The role, when the session is down.
    role: Option<ClientMessage>,
    out: Vec<ClientMessage>,
}

/// Something the server was sent, on this connection or on one before.
#[derive(Clone, Copy, Debug)]
struct Sent<T> {
    value: T,
    /// On this connection.
    now: bool,
}

impl<T: PartialEq> Sent<T> {
    const fn now(value: T) -> Self {
        Self { value, now: true }
    }

    fn before(self) -> Self {
        Self { now: false, ..self }
    }

    /// True if sending `value` would change nothing.
    fn is(&self, value: &T) -> bool {
        self.now && self.value == *value
    }
}

/// This chassis' own MAC, which interfaces go back to: as the client gives it, or else as the server
/// names it.
#[derive(Clone, Copy, Debug, Default)]
struct NodeMac {
    given: Option<Mac>,
    named: Option<Mac>,
}

impl NodeMac {
    fn known(self) -> Option<Mac> {
        self.given.or(self.named)
    }
}

/// The peer link, as far as it was named.
#[derive(Clone, Copy, Debug)]
struct Domain {
    peer_link: Option<IfName>,
    peer_link_learning: bool,
}

/// One MLAG port: as the client wants it, and as the server was told of it.
#[derive(Clone, Copy, Debug, Default)]
struct Port {
    isolated: Option<bool>,
    /// None while the client never said it.
    held: Option<bool>,
    /// That it is held, or that it is not.
    told_held: Option<Sent<bool>>,
    /// It was isolated in the last list, which may have been one of an earlier connection.
    listed: bool,
}

/// What the snapshots that are under way have named.
#[derive(Clone, Debug, Default)]
struct Snapshots {
    domain: Snapshot<()>,
    ports: Snapshot<IfName>,
    pair: Snapshot<()>,
    remote: Snapshot<IfName>,
    members: Snapshot<IfName>,
    interfaces: Snapshot<IfName>,
    entries: Snapshot<FdbKey>,
}

impl Translator {
    /// A translator for a server that was never sent anything.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            node_mac: NodeMac::default(),
            unreturned: BTreeSet::new(),
            domain: Domain {
                peer_link: None,
                peer_link_learning: true,
            },
            domain_known: false,
            learning_off: None,
            learning_at: None,
            ports: BTreeMap::new(),
            ports_known: false,
            lifted: BTreeMap::new(),
            members: BTreeMap::new(),
            pair: None,
            published: None,
            remote: BTreeMap::new(),
            interfaces: BTreeMap::new(),
            unique: BTreeSet::new(),
            unique_named: BTreeSet::new(),
            entries: HashMap::new(),
            in_other_vlans: 0,
            there: HashSet::new(),
            learned: HashMap::new(),
            named: Snapshots::default(),
            flushed: false,
            list_due: false,
            list_sent: false,
            shown: Vec::new(),
            traffic: Vec::new(),
            identity: None,
            role: None,
            out: Vec::new(),
        }
    }

    /// A new connection, maybe to a server that started anew: everything has to be sent again. What
    /// was published or programmed before may still be there, and is remembered for that.
    pub fn connected(&mut self, dialect: Dialect) {
        self.dialect = dialect;
        for port in self.ports.values_mut() {
            *port = Port {
                listed: port.listed,
                told_held: port.told_held.map(Sent::before),
                ..Port::default()
            };
        }
        self.domain_known = false;
        self.learning_unsent();
        self.learning_at = None;
        self.ports_known = false;
        self.pair = None;
        self.named = Snapshots::default();
        self.remote.values_mut().for_each(|sent| sent.now = false);
        self.interfaces
            .values_mut()
            .for_each(|sent| sent.now = false);
        self.unique_named.clear();
        self.entries.values_mut().for_each(|sent| sent.now = false);
        self.in_other_vlans = 0;
        self.learned.clear();
        self.list_due = false;
        self.shown.clear();
        self.traffic.clear();
        self.identity = None;
        self.role = None;
        self.out.clear();
    }

    /// The server names this MAC as the chassis' own. Counts until the client gives one.
    pub fn server_names(&mut self, mac: Mac) {
        let named = Some(mac);
        self.learn_node_mac(NodeMac {
            named,
            ..self.node_mac
        });
    }

    /// These interfaces keep the own MAC. A standby names it: the server may have the active's, from when it was otherwise
    /// (`spec/sonic-redis.md` 7, item 8).
    pub fn keep_own_mac(&mut self, interfaces: &BTreeSet<IfName>) {
        self.unique_named.retain(|name| interfaces.contains(name));
        self.unique.clone_from(interfaces);
    }

    /// The MAC that the client gave and the one that the server names, if they differ.
    #[must_use]
    pub fn node_macs_that_differ(&self) -> Option<(Mac, Mac)> {
        let NodeMac { given, named } = self.node_mac;
        given.zip(named).filter(|(given, named)| given != named)
    }

    fn learn_node_mac(&mut self, now: NodeMac) {
        let before = std::mem::replace(&mut self.node_mac, now).known();
        let (None, Some(mac)) = (before, now.known()) else {
            return;
        };
        for name in std::mem::take(&mut self.unreturned) {
            self.set_mac(name, mac);
        }
        self.identity_follows(mac);
    }

    /// The isolation list could not be sent: the server has the one before, and the next operations
    /// try again.
    pub const fn list_failed(&mut self) {
        self.list_due = true;
    }

    /// Take in operations; answers what the server has to be sent for them, in order.
    #[must_use]
    pub fn apply(&mut self, ops: &[Op]) -> Vec<ClientMessage> {
        for op in ops {
            if self.is_between_isolation_and_traffic(op) {
                self.flush_isolation();
            } else if self.is_behind_ports(op) {
                self.flush_list();
            }
            self.take(op);
        }
        self.flush_list();
        self.name_own_macs();
        self.learning_follows();
        self.out.extend(self.identity.take());
        self.out.extend(self.role.take());
        self.there.clear();
        let mut messages = std::mem::take(&mut self.out);
        if let Some(at) = &mut self.learning_at {
            // The rest waits for the port that it is about.
            self.out = messages.split_off(*at);
            *at = 0;
        }
        join_tables(messages, self.dialect)
    }

    /// True of operations that a server is sent behind the isolation list
    /// (`spec/mclagsyncd-protocol.md` 6, `spec/behaviour.md` 14.6).
    fn is_behind_ports(&self, op: &Op) -> bool {
        match op {
            Op::SnapshotBegin(section) => matches!(section, Section::Interfaces | Section::Fdb),
            Op::Fdb { .. }
            | Op::FdbRelease { .. }
            | Op::Interface { .. }
            | Op::InterfaceRelease { .. } => true,
            Op::RemotePortRelease { .. } => !self.is_up(),
            _ => false,
        }
    }

    /// When a session is gone a port is itself again before it carries data
    /// (`spec/mclagsyncd-protocol.md` 6).
    fn is_between_isolation_and_traffic(&self, op: &Op) -> bool {
        let released = match op {
            Op::InterfaceRelease { name } => self.ports.contains_key(name),
            _ => false,
        };
        released && !self.is_up()
    }

    fn take(&mut self, op: &Op) {
        match op {
            Op::SnapshotBegin(section) => self.begin(*section),
            Op::SnapshotEnd(section) => self.end(*section),
            Op::Domain(DomainWant {
                bridge: _,
                peer_link,
                peer_link_learning,
            }) => self.domain(Domain {
                peer_link: *peer_link,
                peer_link_learning: *peer_link_learning,
            }),
            Op::Port { port, want } => self.port(*port, want),
            Op::PortRelease { port } => self.release_port(*port),
            Op::Fdb { key, want } => self.entry(*key, want),
            Op::FdbRelease { key, forget } => self.release_entry(*key, *forget),
            Op::Pair(pair) => self.pair(*pair),
            Op::RemotePort { port, up } => self.remote_port(*port, *up),
            Op::RemotePortRelease { port } => self.release_remote(*port),
            Op::Members { port, members } => self.members(*port, members),
            Op::Interface { name, want } => self.interface(*name, *want),
            Op::InterfaceRelease { name } => self.release_interface(*name),
            // What no version-1 server does: the backend beside it gets them as well.
            Op::Neighbour { .. } | Op::NeighbourRelease { .. } => {}
            Op::Learning { port, learning } => self.out.push(ClientMessage::MacLearnMode {
                ports: vec![*port],
                learning: *learning,
            }),
            Op::Flush { .. } => {}
            Op::NodeMac(mac) => self.learn_node_mac(NodeMac {
                given: Some(*mac),
                ..self.node_mac
            }),
        }
    }

    fn begin(&mut self, section: Section) {
        match section {
            Section::Ports => {
                self.named.domain.begin();
                self.named.ports.begin();
            }
            Section::Pair => {
                self.named.pair.begin();
                self.named.remote.begin();
                self.named.members.begin();
            }
            Section::Interfaces => self.named.interfaces.begin(),
            Section::Fdb => self.named.entries.begin(),
            Section::Neighbours => {}
        }
    }

    fn end(&mut self, section: Section) {
        match section {
            Section::Ports => {
                let domain = self.named.domain.end();
                let ports = self.port_names();
                for port in unnamed(self.named.ports.end(), self.ports.keys()) {
                    self.release_port(port);
                }
                self.ports_known = true;
                if domain.is_some_and(|named| !named.contains(&())) {
                    let peer_link = None;
                    let want = Domain {
                        peer_link,
                        ..self.domain
                    };
                    self.set_domain(want, ports);
                }
            }
            Section::Pair => {
                for port in unnamed(self.named.remote.end(), self.remote.keys()) {
                    self.release_remote(port);
                }
                for port in unnamed(self.named.members.end(), self.members.keys()) {
                    self.members(port, &[]);
                }
                let pair = self.named.pair.end();
                if pair.is_some_and(|named| !named.contains(&()))
                    && let Some(domain) = self.published.take()
                {
                    self.pair = None;
                    self.role = None;
                    self.identity = None;
                    self.flush_list();
                    self.out.push(ClientMessage::DeleteIccpInfo { domain });
                }
            }
            Section::Interfaces => {
                for name in unnamed(self.named.interfaces.end(), self.interfaces.keys()) {
                    self.release_interface(name);
                }
            }
            Section::Fdb => {
                for key in unnamed(self.named.entries.end(), self.entries.keys()) {
                    self.release_entry(key, false);
                }
            }
            Section::Neighbours => {}
        }
    }

    fn domain(&mut self, want: Domain) {
        self.named.domain.name(());
        self.set_domain(want, self.port_names());
    }

    fn port_names(&self) -> Vec<IfName> {
        self.ports.keys().copied().collect()
    }

    /// `ports` are those of the pair until now.
    fn set_domain(&mut self, want: Domain, ports: Vec<IfName>) {
        let is_another = want.peer_link != self.domain.peer_link;
        if let Some(before) = self.domain.peer_link
            && want.peer_link != Some(before)
            && self.list_sent
        {
            // What came in by the old one would be kept from the ports for ever.
            self.list(before, |_| false);
            self.list_due = true;
        }
        self.domain = want;
        self.domain_known = true;
        if is_another {
            self.show_no_isolation(ports);
        }
        let at = self.learning_at.take().unwrap_or(self.out.len());
        let behind = self.out.split_off(at);
        self.learning();
        self.out.extend(behind);
    }

    fn is_up(&self) -> bool {
        self.pair.is_some_and(|pair| pair.up)
    }

    /// True of the standby of a session that is up, at a server of SONiC.
    fn is_up_as_standby(&self) -> bool {
        let is_standby = |pair: PairState| pair.up && pair.active == Some(false);
        self.dialect == Dialect::Sonic && self.pair.is_some_and(is_standby)
    }

    fn interface(&mut self, name: IfName, want: InterfaceWant) {
        self.named.interfaces.name(name);
        let InterfaceWant { mac } = want;
        self.unreturned.remove(&name);
        self.unique_named.remove(&name);
        let before = self.interfaces.insert(name, Sent::now(mac));
        if !before.is_some_and(|sent| sent.is(&mac)) {
            self.set_mac(name, mac);
        }
    }

    fn release_interface(&mut self, name: IfName) {
        self.named.interfaces.withdraw(&name);
        if self.interfaces.remove(&name).is_none() {
            return;
        }
        match self.node_mac.known() {
            Some(mac) => {
                self.set_mac(name, mac);
                if self.unique.contains(&name) {
                    self.unique_named.insert(name);
                }
            }
            None if self.unreturned.len() < MAX_WANTED_INTERFACES => {
                self.unreturned.insert(name);
            }
            None => {}
        }
    }

    fn name_own_macs(&mut self) {
        let Some(mac) = self.node_mac.known().filter(|_| self.is_up_as_standby()) else {
            return;
        };
        let unnamed = self.unique.difference(&self.unique_named);
        // One that has another MAC is released first.
        let due = unnamed.filter(|name| !self.interfaces.contains_key(name));
        for name in due.copied().collect::<Vec<_>>() {
            self.unique_named.insert(name);
            self.set_mac(name, mac);
        }
    }

    fn set_mac(&mut self, interface: IfName, mac: Mac) {
        self.out.push(ClientMessage::SetInterfaceMac {
            interface,
            address: None,
            mac,
        });
    }
}

/// What is known and a snapshot that is complete did not name.
fn unnamed<'a, K>(named: Option<Named<K>>, known: impl Iterator<Item = &'a K>) -> Vec<K>
where
    K: Copy + Eq + Hash + 'a,
{
    named.map_or_else(Vec::new, |named| named.unnamed(known))
}

/// Records that follow each other travel together.
fn join_tables(messages: Vec<ClientMessage>, dialect: Dialect) -> Vec<ClientMessage> {
    let most = dialect.max_fdb_records();
    let mut joined: Vec<ClientMessage> = Vec::with_capacity(messages.len().min(64));
    for message in messages {
        match (joined.last_mut(), message) {
            (Some(ClientMessage::SetFdb(records)), ClientMessage::SetFdb(more))
                if records.len() + more.len() <= most =>
            {
                records.extend(more);
            }
            (_, message) => joined.push(message),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
