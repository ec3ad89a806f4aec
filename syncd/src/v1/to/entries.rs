//! Forwarding entries: those that the server was sent, and those that it has learned itself
//! (`spec/mclagsyncd-protocol.md` 4.3).

use mclag_proto::sync::model::{FdbKey, FdbKind, FdbWant, Observation};
use mclag_proto::sync::v1::{self, ClientMessage, Dialect, FdbRecord, RecordOp};
use mclag_proto::{IfName, Vid};

use super::{Sent, Translator};
use crate::reconcile::MAX_WANTED_ENTRIES;

/// A forwarding entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    port: IfName,
    kind: v1::FdbKind,
}

/// Where a server has learned an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Learned {
    port: IfName,
    /// An operator said so.
    configured: bool,
}

impl Translator {
    /// Whether the server was programmed to forward this address to this port.
    #[must_use]
    pub fn is_programmed(&self, key: &FdbKey, port: &IfName) -> bool {
        let entry = self.entries.get(key);
        entry.is_some_and(|sent| sent.value.port == *port)
    }

    /// The server has this entry, as is known from elsewhere: asked for next, it is not sent.
    pub fn is_there(&mut self, key: FdbKey) {
        self.there.insert(key);
    }

    /// Whether the server was programmed to forward this address to any port.
    #[must_use]
    pub fn has_entry(&self, key: &FdbKey) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether the server may have something of this address: it was sent it, has learned it, or is known to have it.
    #[must_use]
    pub fn may_be_there(&self, key: &FdbKey) -> bool {
        self.has_entry(key) || self.learned.contains_key(key) || self.there.contains(key)
    }

    /// The server reports that it has learned this address here.
    pub fn learned(&mut self, key: FdbKey, port: IfName, configured: bool) {
        if self.learned.len() < MAX_WANTED_ENTRIES || self.learned.contains_key(&key) {
            self.learned.insert(key, Learned { port, configured });
        }
    }

    /// Every address that the server has learned, as it reported on this connection.
    pub fn observations(&self) -> impl Iterator<Item = (FdbKey, Observation)> {
        self.learned.iter().map(|(key, learned)| {
            let Learned { port, configured } = *learned;
            (*key, Observation::Learned { port, configured })
        })
    }

    /// Whether the server was sent entries of other VLANs than VLAN 1 on this connection, and is to keep one.
    #[must_use]
    pub const fn has_other_vlans(&self) -> bool {
        self.in_other_vlans > 0
    }

    /// Number of the addresses that the server has learned.
    #[must_use]
    pub fn learned_len(&self) -> usize {
        self.learned.len()
    }

    /// The server reports that it no longer has this address: sent again, it is news.
    pub fn vanished(&mut self, key: &FdbKey) {
        self.learned.remove(key);
        if let Some(sent) = self.entries.get_mut(key) {
            self.in_other_vlans -= usize::from(sent.now && key.vid != Vid::DEFAULT);
            sent.now = false;
        }
    }

    pub(super) fn entry(&mut self, key: FdbKey, want: &FdbWant) {
        self.named.entries.name(key);
        let FdbWant { port, kind } = *want;
        let kind = match kind {
            FdbKind::Tracked => v1::FdbKind::Dynamic,
            FdbKind::Static => v1::FdbKind::Static,
            FdbKind::Ageing if self.dialect == Dialect::Sonic => v1::FdbKind::DynamicLocal,
            FdbKind::Ageing => v1::FdbKind::Dynamic, // which is all there is
        };
        let entry = Entry { port, kind };
        let is_there = self.there.remove(&key);
        // What was asked for before may still be on its way, and would come after what is there now.
        let before = self.entries.insert(key, Sent::now(entry));
        let is_counted = before.is_some_and(|before| before.now);
        self.in_other_vlans += usize::from(!is_counted && key.vid != Vid::DEFAULT);
        let has_it = before.map_or(is_there, |before| before.is(&entry));
        if has_it {
            return;
        }
        self.record(key, port, kind, RecordOp::Add);
    }

    pub(super) fn release_entry(&mut self, key: FdbKey, forget: bool) {
        self.named.entries.withdraw(&key);
        // It is no longer there once it is deleted, and what the server learns again it reports again.
        let learned = if forget {
            self.learned.remove(&key)
        } else {
            None
        };
        if let Some(sent) = self.entries.remove(&key) {
            self.in_other_vlans -= usize::from(sent.now && key.vid != Vid::DEFAULT);
            let Entry { port, kind } = sent.value;
            let port = learned.map_or(port, |learned| learned.port);
            self.record(key, port, kind, RecordOp::Delete);
        } else if let Some(Learned { port, .. }) = learned {
            // What the server was not sent is its own business, unless nobody is to be sent there
            // (`spec/iccp.md` 10.2, 10.4).
            let kind = v1::FdbKind::Dynamic;
            self.record(key, port, kind, RecordOp::Delete);
        }
    }

    fn record(&mut self, key: FdbKey, port: IfName, kind: v1::FdbKind, op: RecordOp) {
        let FdbKey { vid, mac } = key;
        self.out.push(ClientMessage::SetFdb(vec![FdbRecord {
            mac,
            vid,
            port: Some(port),
            kind,
            op,
        }]));
    }
}
