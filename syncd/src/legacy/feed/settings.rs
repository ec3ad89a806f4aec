//! What a client of sonic has to know of the settings and was not published to it yet
//! (`spec/mclagsyncd-protocol.md` 5.2, 5.3, 5.5).

use std::collections::VecDeque;

use mclag_proto::sync::v1::{
    Dialect, DomainAttributes, DomainOp, DomainRecord, InterfaceRecord, RecordOp, ServerMessage,
    UniqueIpRecord,
};
use mclag_proto::{IfName, Mac};

use crate::legacy::{Domain, Options};

/// Keepalive and session timeout that are the client's own defaults
/// (`spec/mclagsyncd-protocol.md` 5.2).
const DEFAULT_TIME: i32 = -1;

/// The settings, and what the client knows of them.
#[derive(Debug)]
pub(super) struct Settings {
    options: Options,
    /// They may differ from what the client knows.
    changed: bool,
    domain: Option<PublishedDomain>,
    ports: Vec<IfName>,
    unique: Vec<IfName>,
    /// The client forgot its domain and no other was published.
    is_bereft: bool,
    /// Messages that were not taken yet.
    first: VecDeque<ServerMessage>,
    /// Those that are sent behind the tables (`spec/mclagsyncd-protocol.md` 7).
    last: VecDeque<ServerMessage>,
}

/// A domain as a client knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct PublishedDomain {
    domain: Domain,
    peer_link: Option<IfName>,
    system_mac: Mac,
}

impl Settings {
    /// A client that knows nothing.
    pub(super) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            changed: true,
            domain: None,
            ports: Vec::new(),
            unique: Vec::new(),
            is_bereft: false,
            first: VecDeque::new(),
            last: VecDeque::new(),
        }
    }

    /// The settings are others now.
    pub(super) fn configure(&mut self, options: &Options) {
        self.options = options.clone();
        self.changed = true;
    }

    /// The bridge whose MAC is the system's where the settings name none.
    pub(super) const fn bridge(&self) -> Option<IfName> {
        self.options.bridge
    }

    /// Whether the tables are followed: not while the client has no domain because it was told to
    /// forget it (`spec/mclagsyncd-protocol.md` 5.6). One that was never told any has a file.
    pub(super) const fn follows_tables(&self) -> bool {
        !self.is_bereft
    }

    /// The next message that comes before the tables.
    pub(super) fn first(&mut self) -> Option<ServerMessage> {
        self.first.pop_front()
    }

    /// The next message that comes behind the tables.
    pub(super) fn last(&mut self) -> Option<ServerMessage> {
        self.last.pop_front()
    }

    /// Compare the settings with what the client knows, which is what will have been published.
    /// `bridge_mac`: the system MAC where the settings name none.
    ///
    /// True if a domain was published that the client did not have: it needs all tables, whatever it
    /// was published of them.
    pub(super) fn refresh(&mut self, bridge_mac: Option<Mac>) -> bool {
        // The client is not kept waiting for a bridge that is not there yet.
        let lacks_mac = self
            .domain
            .is_some_and(|published| published.system_mac.is_zero());
        let may_differ = self.changed || (lacks_mac && bridge_mac.is_some());
        if !may_differ {
            return false;
        }
        self.changed = false;
        let wanted = self.options.domain.map(|domain| PublishedDomain {
            domain,
            peer_link: self.options.peer_link,
            system_mac: self.system_mac(&domain, bridge_mac),
        });
        let is_other = |published: &PublishedDomain| {
            wanted.is_none_or(|now| now.domain.id != published.domain.id)
        };
        if let Some(gone) = self.domain.take_if(|published| is_other(published)) {
            self.forget(&gone);
        }
        let is_new = wanted.is_some() && self.domain.is_none();
        if let Some(wanted) = wanted {
            let records = match self.domain {
                Some(published) => published.changes(&wanted),
                None => vec![wanted.record(DomainOp::Add, wanted.present())],
            };
            self.queue_first(ServerMessage::Domain(records));
            self.domain = Some(wanted);
            self.is_bereft = false;
            // On a client without the domain they would be lost (5.3).
            self.publish_ports(&wanted);
        }
        if !self.is_bereft {
            self.publish_unique();
        }
        is_new
    }

    /// That of a bridge changes with its ports: the client keeps the first that was published.
    fn system_mac(&self, domain: &Domain, bridge_mac: Option<Mac>) -> Mac {
        let published = self.domain.filter(|published| {
            published.domain.id == domain.id
                && published.domain.system_mac.is_none()
                && !published.system_mac.is_zero()
        });
        let published = published.map(|published| published.system_mac);
        let mac = domain.system_mac.or(published).or(bridge_mac);
        mac.unwrap_or(Mac::ZERO)
    }

    fn forget(&mut self, gone: &PublishedDomain) {
        self.queue_first(ServerMessage::Domain(vec![gone.deletion()]));
        self.ports.clear();
        self.unique.clear();
        self.last.clear();
        self.is_bereft = true;
    }

    fn publish_ports(&mut self, published: &PublishedDomain) {
        let record = |op| {
            move |port: &IfName| InterfaceRecord {
                op,
                domain: published.domain.id,
                port: *port,
            }
        };
        let (gone, new) = difference(&self.ports, &self.options.ports);
        let records = gone.iter().map(record(RecordOp::Delete));
        let records = records.chain(new.iter().map(record(RecordOp::Add)));
        let records = records.collect();
        self.ports.clone_from(&self.options.ports);
        self.queue_first(ServerMessage::Interfaces(records));
    }

    fn publish_unique(&mut self) {
        let record = |op| {
            move |interface: &IfName| UniqueIpRecord {
                op,
                interface: *interface,
            }
        };
        let (gone, new) = difference(&self.unique, &self.options.unique_ip);
        let records = gone.iter().map(record(RecordOp::Delete));
        let records = records.chain(new.iter().map(record(RecordOp::Add)));
        let message = ServerMessage::UniqueIps(records.collect());
        self.unique.clone_from(&self.options.unique_ip);
        self.last.extend(message.split(Dialect::Sonic));
    }

    fn queue_first(&mut self, message: ServerMessage) {
        self.first.extend(message.split(Dialect::Sonic));
    }
}

/// Names that are only in the first list, and those that are only in the second.
fn difference(before: &[IfName], now: &[IfName]) -> (Vec<IfName>, Vec<IfName>) {
    let only_in = |these: &[IfName], those: &[IfName]| {
        let names = these.iter().filter(|name| !those.contains(name));
        names.copied().collect()
    };
    (only_in(before, now), only_in(now, before))
}

impl PublishedDomain {
    /// Attributes that have a value.
    fn present(&self) -> DomainAttributes {
        self.differing(None)
    }

    /// Attributes whose value is another than that of `before`; with none, those that have one.
    fn differing(&self, before: Option<&Self>) -> DomainAttributes {
        let Domain {
            id: _,
            local,
            peer,
            keepalive_s,
            session_timeout_s,
            system_mac: _,
        } = self.domain;
        let was = before.map(|published| &published.domain);
        let differs = [
            (
                DomainAttributes::LOCAL,
                local != was.and_then(|was| was.local),
            ),
            (DomainAttributes::PEER, peer != was.and_then(|was| was.peer)),
            (
                DomainAttributes::PEER_LINK,
                self.peer_link != before.and_then(|published| published.peer_link),
            ),
            (
                DomainAttributes::KEEPALIVE,
                keepalive_s != was.and_then(|was| was.keepalive_s),
            ),
            (
                DomainAttributes::SESSION_TIMEOUT,
                session_timeout_s != was.and_then(|was| was.session_timeout_s),
            ),
        ];
        let differs = differs.into_iter().filter(|(_, differs)| *differs);
        differs.map(|(attribute, _)| attribute).collect()
    }

    /// What makes a client know `now` instead of this, which has the same number.
    fn changes(&self, now: &Self) -> Vec<DomainRecord> {
        let differing = now.differing(Some(self));
        let set = differing & now.present();
        // The system MAC has no attribute: a client takes it from an addition only.
        let op = match self.system_mac == now.system_mac {
            true => DomainOp::Update,
            false => DomainOp::Add,
        };
        let mut records = Vec::new();
        if !set.is_empty() || op == DomainOp::Add {
            records.push(now.record(op, set));
        }
        let unset = differing - set;
        if !unset.is_empty() {
            records.push(now.record(DomainOp::DeleteAttributes, unset));
        }
        records
    }

    fn record(&self, op: DomainOp, attributes: DomainAttributes) -> DomainRecord {
        let Domain {
            id,
            local,
            peer,
            keepalive_s,
            session_timeout_s,
            system_mac: _,
        } = self.domain;
        DomainRecord {
            op,
            domain: id,
            keepalive_s: seconds(keepalive_s),
            session_timeout_s: seconds(session_timeout_s),
            local,
            peer,
            peer_link: self.peer_link,
            system_mac: self.system_mac,
            attributes,
        }
    }

    /// As a SONiC server writes it (`spec/mclagsyncd-protocol.md` 11.2).
    const fn deletion(&self) -> DomainRecord {
        DomainRecord {
            op: DomainOp::Delete,
            domain: self.domain.id,
            keepalive_s: 0,
            session_timeout_s: 0,
            local: None,
            peer: None,
            peer_link: None,
            system_mac: self.system_mac,
            attributes: DomainAttributes::empty(),
        }
    }
}

fn seconds(configured: Option<u16>) -> i32 {
    configured.map_or(DEFAULT_TIME, i32::from)
}
