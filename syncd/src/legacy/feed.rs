//! What one legacy client has to know and was not published to it yet. Pure: no I/O, no clock.
//!
//! Nothing waits here but names and keys: what is published of them is looked up when there is room
//! for it. So a client that reads slowly costs no more than the tables have entries, and in the
//! end knows what is true, however often it changed meanwhile.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use mclag_proto::sync::model::FdbKey;
use mclag_proto::sync::v1::{
    Dialect, FdbKind, FdbRecord, RecordOp, ServerMessage, VlanMemberRecord,
};
use mclag_proto::{IfName, Vid};

use super::Options;
use crate::dataplane::{Actual, EntryKind};

use settings::Settings;

mod settings;

#[cfg(test)]
mod tests;

/// Changes that may wait beyond one per entry of the tables. With more (addresses that come and go
/// while nobody reads), looking at everything is cheaper.
const SLACK: usize = 4096;

/// What was published to a client and what not.
#[derive(Debug)]
pub(crate) struct Feed {
    dialect: Dialect,
    settings: Settings,
    /// VLAN members that the client knows of.
    vlans: BTreeSet<(Vid, IfName)>,
    vlans_changed: bool,
    fdb: Fdb,
    /// The client polled, and not everything was answered.
    is_asked: bool,
    /// Nobody knows yet what the client speaks: the settings of sonic do no harm, forwarding
    /// entries would (`spec/mclagsyncd-protocol.md` 9.1).
    is_guess: bool,
}

/// The forwarding table as the client knows it.
#[derive(Debug, Default)]
struct Fdb {
    published: HashMap<FdbKey, Published>,
    /// Entries that may have changed, in the order in which they did.
    order: VecDeque<FdbKey>,
    changed: HashSet<FdbKey>,
    /// All may have changed.
    all: bool,
    /// Entries to be published again although they are as they were.
    again: HashSet<FdbKey>,
}

/// An entry that the client knows of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Published {
    port: IfName,
    kind: FdbKind,
}

impl Feed {
    /// A client of this dialect that knows nothing.
    pub(crate) fn new(dialect: Dialect, options: &Options) -> Self {
        Self {
            dialect,
            settings: Settings::new(options),
            vlans: BTreeSet::new(),
            vlans_changed: true,
            fdb: Fdb::new(),
            is_asked: false,
            is_guess: false,
        }
    }

    /// A silent client of whom nobody knows what it speaks: settings only.
    pub(crate) fn guess(options: &Options) -> Self {
        Self {
            is_guess: true,
            ..Self::new(Dialect::Sonic, options)
        }
    }

    /// The settings are others now.
    pub(crate) fn configure(&mut self, options: &Options) {
        self.settings.configure(options);
    }

    /// The client turned out to speak this dialect. False if everything has to be published anew.
    pub(crate) fn is_in(&mut self, dialect: Dialect) -> bool {
        self.is_guess &= self.dialect != dialect;
        self.dialect == dialect
    }

    /// An entry may have changed. `table` is the number of entries that the dataplane has.
    pub(crate) fn mark(&mut self, key: FdbKey, table: usize) {
        let fdb = &mut self.fdb;
        if fdb.all || !fdb.changed.insert(key) {
            return;
        }
        fdb.order.push_back(key);
        if fdb.order.len() > table + fdb.published.len() + SLACK {
            fdb.mark_all();
        }
    }

    /// The client took an entry back. One that polls took what was published of it for its own, and
    /// has to hear that the host is here all the same: after a deletion the entry is compared with
    /// nothing (`spec/mclagsyncd-protocol.md` 4.16).
    pub(crate) fn taken_back(&mut self, key: FdbKey, table: usize) {
        if self.dialect.is_polled() && self.fdb.published.contains_key(&key) {
            self.fdb.again.insert(key);
            self.mark(key, table);
        }
    }

    /// Anything may have changed.
    pub(crate) fn mark_all(&mut self) {
        self.fdb.mark_all();
        self.vlans_changed = true;
    }

    /// VLAN members may have changed.
    pub(crate) const fn mark_vlans(&mut self) {
        self.vlans_changed = true;
    }

    /// The client asks what changed (`spec/mclagsyncd-protocol.md` 4.16).
    pub(crate) const fn ask(&mut self) {
        self.is_asked = true;
    }

    /// Whether a client that polls is still to be answered. [`Feed::next`] may find nothing to
    /// say.
    pub(crate) const fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// The next message, if there is one: settings, VLAN members, forwarding entries, interfaces
    /// with an address of their own, in this order (`spec/mclagsyncd-protocol.md` 7).
    pub(crate) fn next(
        &mut self,
        actual: &Actual,
        peer_link: Option<IfName>,
    ) -> Option<ServerMessage> {
        if self.dialect.is_polled() {
            if !self.is_asked {
                return None;
            }
            let records = self.fdb_records(actual, peer_link);
            // One message for one poll is what a client takes for sure; with more to say, the
            // caller waits until it was read (`spec/mclagsyncd-protocol.md` 2.4).
            self.is_asked = !records.is_empty() && !self.fdb.order.is_empty();
            return (!records.is_empty()).then_some(ServerMessage::Fdb(records));
        }
        let bridge = self.settings.bridge();
        let bridge_mac = bridge.and_then(|bridge| actual.interfaces.get(&bridge)?.mac);
        if self.settings.refresh(bridge_mac) {
            self.vlans.clear();
            self.vlans_changed = true;
            self.fdb = Fdb::new();
        }
        if let Some(message) = self.settings.first() {
            return Some(message);
        }
        // Before the bridge is known nothing is seen, which is not to say that nothing is there.
        actual.bridge?;
        if self.settings.follows_tables() {
            let message = self.table_message(actual, peer_link);
            if message.is_some() {
                return message;
            }
        }
        self.settings.last()
    }

    fn table_message(
        &mut self,
        actual: &Actual,
        peer_link: Option<IfName>,
    ) -> Option<ServerMessage> {
        if self.vlans_changed {
            let records = self.vlan_records(actual);
            if !records.is_empty() {
                return Some(ServerMessage::VlanMembers(records));
            }
        }
        if self.is_guess {
            return None;
        }
        let records = self.fdb_records(actual, peer_link);
        (!records.is_empty()).then_some(ServerMessage::Fdb(records))
    }

    fn vlan_records(&mut self, actual: &Actual) -> Vec<VlanMemberRecord> {
        let interfaces = actual.interfaces.iter();
        let members = interfaces.flat_map(|(port, is)| is.vids.iter().map(|vid| (*vid, *port)));
        let members: BTreeSet<(Vid, IfName)> = members.collect();
        let record = |op| {
            move |(vid, port): &(Vid, IfName)| VlanMemberRecord {
                op,
                vid: *vid,
                port: *port,
            }
        };
        let gone = self
            .vlans
            .difference(&members)
            .map(record(RecordOp::Delete));
        let new = members.difference(&self.vlans).map(record(RecordOp::Add));
        let mut records: Vec<_> = gone.chain(new).collect();
        records.truncate(MAX_VLAN_RECORDS);
        self.vlans_changed = records.len() == MAX_VLAN_RECORDS;
        for VlanMemberRecord { op, vid, port } in &records {
            match op {
                RecordOp::Add => self.vlans.insert((*vid, *port)),
                RecordOp::Delete => self.vlans.remove(&(*vid, *port)),
            };
        }
        records
    }

    /// As many changes as one message holds. For those who poll all deletions come first, and a
    /// move is a deletion and an addition.
    fn fdb_records(&mut self, actual: &Actual, peer_link: Option<IfName>) -> Vec<FdbRecord> {
        let max = self.dialect.max_fdb_records();
        let is_polled = self.dialect.is_polled();
        let Fdb {
            published,
            order,
            changed,
            all,
            again,
        } = &mut self.fdb;
        if std::mem::take(all) {
            *changed = published.keys().chain(actual.fdb.keys()).copied().collect();
            *order = changed.iter().copied().collect();
        }
        let mut records = Vec::new();
        if is_polled {
            for key in order.iter() {
                if records.len() == max {
                    return records;
                }
                let now = seen(actual, peer_link, key, is_polled);
                let Some(before) = published
                    .get(key)
                    .copied()
                    .filter(|published| Some(*published) != now)
                else {
                    continue;
                };
                published.remove(key);
                // What the client did itself it knows (`spec/mclagsyncd-protocol.md` 4.16).
                let is_own = actual.fdb.get(key).is_some_and(|entry| entry.is_ours());
                if now.is_some() || !is_own {
                    records.push(record(
                        key,
                        Some(before.port),
                        before.kind,
                        RecordOp::Delete,
                    ));
                }
            }
        }
        while records.len() < max
            && let Some(key) = order.pop_front()
        {
            changed.remove(&key);
            let now = seen(actual, peer_link, &key, is_polled);
            let before = published.get(&key).copied();
            let is_news = again.remove(&key) || before != now;
            match now {
                Some(_) if !is_news => {}
                Some(now) => {
                    published.insert(key, now);
                    records.push(record(&key, Some(now.port), now.kind, RecordOp::Add));
                }
                None => {
                    if let Some(before) = published.remove(&key) {
                        records.push(record(
                            &key,
                            Some(before.port),
                            before.kind,
                            RecordOp::Delete,
                        ));
                    }
                }
            }
        }
        records
    }
}

impl Fdb {
    fn new() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    fn mark_all(&mut self) {
        self.all = true;
        self.order = VecDeque::new();
        self.changed = HashSet::new();
    }
}

/// Most VLAN members in one message (`spec/mclagsyncd-protocol.md` 2.2).
const MAX_VLAN_RECORDS: usize = 146;

/// What the client is to know of an entry: where this chassis hears the host. What it installed
/// itself is not echoed before the host speaks here, and what is behind the peer link is not this
/// chassis' to publish (`spec/mclagsyncd-protocol.md` 5.1). What it installed to stay is not echoed at
/// all: taking it for learned, a client would withdraw it (`spec/iccp.md` 10.2). To those who poll
/// a configured entry is like one that was learned (4.16).
fn seen(
    actual: &Actual,
    peer_link: Option<IfName>,
    key: &FdbKey,
    is_polled: bool,
) -> Option<Published> {
    let entry = actual.fdb.get(key)?;
    if matches!(entry.kind, EntryKind::Ours { sticky: true, .. }) {
        return None;
    }
    let port = entry.seen_on().filter(|port| Some(*port) != peer_link)?;
    let kind = match entry.kind {
        EntryKind::Configured if !is_polled => FdbKind::Static,
        _ => FdbKind::Dynamic,
    };
    Some(Published { port, kind })
}

const fn record(key: &FdbKey, port: Option<IfName>, kind: FdbKind, op: RecordOp) -> FdbRecord {
    let FdbKey { vid, mac } = *key;
    FdbRecord {
        mac,
        vid,
        port,
        kind,
        op,
    }
}
