//! Its address table, rule by rule (`spec/iccp.md` 10).

use super::plane::{Entry, Plane, Report};
use super::{App, Daemon};
use mclag_proto::IfName;
use mclag_proto::iccp::{EntryOp, MacEntry, MacType};
use mclag_proto::sync::model::FdbKey;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Address {
    port: IfName,
    origin: IfName,
    kind: MacType,
    /// Not, or no longer, learned here.
    l: bool,
    /// Not, or no longer, learned at the peer.
    p: bool,
    pending: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<FdbKey, Address>,
    /// What waits to be told to the peer: of an entry that still exists what is true when it is
    /// told, apart from the operation, which a later change replaces.
    pub(super) queue: BTreeMap<FdbKey, MacEntry>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn queue_op(&mut self, key: FdbKey, op: EntryOp) {
        if let Some(entry) = self.entries.get(&key) {
            let told = MacEntry {
                op,
                kind: entry.kind,
                mac: key.mac,
                vid: key.vid,
                port: entry.origin,
            };
            self.queue.insert(key, told);
        }
    }

    /// On entering EXCHANGE: all that are learned here.
    pub(super) fn queue_all(&mut self) {
        let own: Vec<FdbKey> = self.keys(|entry| !entry.l);
        for key in own {
            self.queue_op(key, EntryOp::Add);
        }
    }

    pub(super) fn take_queue(&mut self) -> Vec<MacEntry> {
        let queue = std::mem::take(&mut self.queue).into_values();
        let current = queue.map(|mut told| {
            let key = FdbKey {
                vid: told.vid,
                mac: told.mac,
            };
            if let Some(entry) = self.entries.get(&key) {
                told.port = entry.origin;
            }
            told
        });
        current.collect()
    }

    fn keys(&self, wanted: impl Fn(&Address) -> bool) -> Vec<FdbKey> {
        let entries = self.entries.iter().filter(|(_, entry)| wanted(entry));
        entries.map(|(key, _)| *key).collect()
    }

    fn remove(&mut self, key: FdbKey) {
        self.entries.remove(&key);
    }

    /// 600 s after a port went down.
    pub(super) fn purge_pending(&mut self, port: IfName, plane: &mut Plane) {
        for key in self.keys(|entry| entry.pending && entry.origin == port) {
            plane.withdraw(key);
            self.remove(key);
        }
    }

    /// linux-mclag: addresses on the peer link go, all others are aged by the peer (9.2).
    pub(super) fn linux_session_lost(&mut self, plane: &mut Plane, peer_link: IfName) {
        for key in self.keys(|entry| entry.port == peer_link) {
            plane.withdraw(key);
            self.remove(key);
        }
        for entry in self.entries.values_mut() {
            entry.p = true;
        }
    }
}

impl Daemon {
    fn exchange(&self) -> bool {
        self.app == App::Exchange
    }

    fn mac_op(&mut self, key: FdbKey, op: EntryOp) {
        if self.exchange() {
            self.table.queue_op(key, op);
        }
    }

    fn set_l(&mut self, key: FdbKey, l: bool) {
        let Some(entry) = self.table.entries.get_mut(&key) else {
            return;
        };
        if std::mem::replace(&mut entry.l, l) != l {
            let op = if l { EntryOp::Delete } else { EntryOp::Add };
            self.mac_op(key, op);
        }
    }

    /// Program the entry where it points, if that can be.
    fn program(&self, key: FdbKey, plane: &mut Plane) {
        let Some(entry) = self.table.entries.get(&key) else {
            return;
        };
        if entry.port != self.settings.peer_link || self.peer_link_up {
            plane.install(key, Entry::Installed(entry.port));
        } else {
            plane.withdraw(key);
        }
    }

    /// The server reports (10.2, 10.4).
    pub fn fdb_report(&mut self, report: Report, plane: &mut Plane) {
        let Report { key, port } = report;
        match port {
            Some(port) if port == self.settings.peer_link => {}
            Some(port) if self.sonic() => self.learned(key, port, plane),
            Some(port) => self.linux_learned(key, port, plane),
            None if self.sonic() => self.aged(key, plane),
            None => self.linux_aged(key, plane),
        }
    }

    fn learned(&mut self, key: FdbKey, port: IfName, plane: &mut Plane) {
        let up = self.port_is_up(&port);
        let remote = self.remote_is_up(&port);
        let peer_link = self.settings.peer_link;
        let down_here = up == Some(false);
        match self.table.entries.get_mut(&key) {
            None => {
                if down_here && remote == Some(false) {
                    plane.withdraw(key);
                    return;
                }
                let entry = Address {
                    port,
                    origin: port,
                    kind: MacType::Dynamic,
                    l: false,
                    p: true,
                    pending: false,
                };
                self.table.entries.insert(key, entry);
                if !down_here {
                    self.mac_op(key, EntryOp::Add);
                } else if remote == Some(true) && self.peer_link_up {
                    plane.install(key, Entry::Installed(peer_link));
                }
            }
            Some(entry) if down_here && remote == Some(true) => {
                entry.pending = true;
                entry.origin = port;
                entry.port = peer_link;
                self.program(key, plane);
            }
            Some(entry) => {
                if entry.port != port || entry.origin != port {
                    entry.port = port;
                    entry.origin = port;
                    entry.p = true;
                }
                self.set_l(key, false);
                plane.withdraw(key);
            }
        }
    }

    fn aged(&mut self, key: FdbKey, plane: &mut Plane) {
        let Some(entry) = self.table.entries.get(&key).copied() else {
            return;
        };
        if entry.port == self.settings.peer_link && entry.pending {
            return;
        }
        self.set_l(key, true);
        if entry.p {
            plane.withdraw(key);
            self.table.remove(key);
        } else if entry.port == self.settings.peer_link
            || self.port_is_up(&entry.port) != Some(false)
        {
            self.program(key, plane);
        }
    }

    /// MAC Info received (10.1, 10.4).
    pub(super) fn peer_mac(&mut self, told: &MacEntry, plane: &mut Plane) {
        let key = FdbKey {
            vid: told.vid,
            mac: told.mac,
        };
        match told.op {
            EntryOp::Delete => {
                if let Some(entry) = self.table.entries.get_mut(&key) {
                    entry.p = true;
                    if entry.l {
                        plane.withdraw(key);
                        self.table.remove(key);
                    }
                }
            }
            EntryOp::Add if self.sonic() => self.peer_add(key, told, plane),
            EntryOp::Add => self.linux_peer_add(key, told, plane),
            EntryOp::Reserved(_) => {}
        }
    }

    fn peer_add(&mut self, key: FdbKey, told: &MacEntry, plane: &mut Plane) {
        let mine_up = self.port_is_up(&told.port);
        let up = mine_up == Some(true);
        let peer_link = self.settings.peer_link;
        let target = if up { told.port } else { peer_link };
        let Some(entry) = self.table.entries.get_mut(&key) else {
            let entry = Address {
                port: target,
                origin: told.port,
                kind: told.kind,
                l: true,
                p: false,
                pending: false,
            };
            self.table.entries.insert(key, entry);
            self.program(key, plane);
            return;
        };
        entry.p = false;
        if mine_up.is_some() && entry.pending {
            entry.pending = false;
            entry.l = true;
            self.mac_op(key, EntryOp::Delete);
        }
        let Some(entry) = self.table.entries.get_mut(&key) else {
            return;
        };
        if entry.port != told.port || entry.origin != told.port {
            if entry.kind == MacType::Static {
                entry.p = true;
                return;
            }
            entry.origin = told.port;
            let there = entry.port == target;
            entry.port = target;
            if !up {
                self.set_l(key, true);
            }
            if up || !there {
                self.program(key, plane);
            }
        } else if mine_up.is_none() && entry.port != peer_link {
            entry.port = peer_link;
            self.program(key, plane);
        }
    }

    /// An MLAG port of its own went down (10.3).
    pub(super) fn own_port_down(&mut self, name: IfName, plane: &mut Plane) {
        let peer_link = self.settings.peer_link;
        let remote_up = self.remote_is_up(&name) == Some(true);
        for key in self.table.keys(|entry| entry.origin == name) {
            let Some(entry) = self.table.entries.get_mut(&key) else {
                continue;
            };
            if !entry.l && entry.p && remote_up {
                entry.port = peer_link;
                entry.pending = true;
                self.program(key, plane);
                continue;
            }
            let gone = entry.p;
            self.set_l(key, true);
            if gone {
                plane.withdraw(key);
                // The server of a port that is down flushes what it had learned there.
                plane.fdb.remove(&key);
                self.table.remove(key);
            } else if let Some(entry) = self.table.entries.get_mut(&key) {
                entry.port = peer_link;
                self.program(key, plane);
            }
        }
    }

    pub(super) fn own_port_up(&mut self, name: IfName, plane: &mut Plane) {
        let peer_link = self.settings.peer_link;
        for key in self.table.keys(|entry| entry.origin == name) {
            let Some(entry) = self.table.entries.get_mut(&key) else {
                continue;
            };
            if entry.port == peer_link {
                entry.pending = false;
                entry.port = name;
                let only_peers = entry.l && !entry.p;
                let port = entry.port;
                plane.install(
                    key,
                    if only_peers {
                        Entry::Installed(port)
                    } else {
                        Entry::Ageing(port)
                    },
                );
            } else if entry.pending {
                plane.withdraw(key);
                self.table.remove(key);
            }
        }
    }

    /// The peer's port went down, the own one is up (10.3).
    pub(super) fn peer_port_down(&mut self, name: IfName, plane: &mut Plane) {
        for key in self
            .table
            .keys(|entry| entry.origin == name && entry.l && !entry.p)
        {
            if let Some(entry) = self.table.entries.get_mut(&key) {
                (entry.l, entry.p) = (false, true);
                plane.install(key, Entry::Ageing(entry.port));
            }
            self.mac_op(key, EntryOp::Add);
        }
    }

    /// `spec/behaviour.md` 9.9.
    pub(super) fn own_session_lost(&mut self, plane: &mut Plane) {
        let peer_link = self.settings.peer_link;
        for key in self.table.keys(|_| true) {
            let Some(entry) = self.table.entries.get_mut(&key) else {
                continue;
            };
            if entry.port == peer_link {
                entry.p = true;
                if entry.l || entry.pending {
                    plane.withdraw(key);
                    self.table.remove(key);
                }
            } else if entry.l {
                plane.install(key, Entry::Ageing(entry.port));
                (entry.l, entry.p) = (false, true);
            } else {
                entry.p = true;
            }
        }
    }

    pub fn peer_link_event(&mut self, up: bool, plane: &mut Plane) {
        if std::mem::replace(&mut self.peer_link_up, up) == up || !self.sonic() {
            return;
        }
        let peer_link = self.settings.peer_link;
        for key in self.table.keys(|entry| entry.port == peer_link) {
            if up {
                self.program(key, plane);
                continue;
            }
            plane.withdraw(key);
            let Some(entry) = self.table.entries.get(&key).copied() else {
                continue;
            };
            if !entry.pending {
                self.set_l(key, true);
                if entry.p {
                    self.table.remove(key);
                }
            }
        }
    }

    fn linux_learned(&mut self, key: FdbKey, port: IfName, plane: &mut Plane) {
        let Some(up) = self.port_is_up(&port) else {
            return; // addresses on orphan ports are ignored
        };
        let exchange = self.exchange();
        match self.table.entries.get_mut(&key) {
            None if !up => plane.withdraw(key),
            None => {
                let entry = Address {
                    port,
                    origin: port,
                    kind: MacType::Dynamic,
                    l: false,
                    p: !exchange,
                    pending: false,
                };
                self.table.entries.insert(key, entry);
                self.mac_op(key, EntryOp::Add);
            }
            Some(entry) => {
                let moved = entry.origin != port;
                entry.port = port;
                entry.origin = port;
                self.set_l(key, false);
                if moved {
                    self.mac_op(key, EntryOp::Add);
                }
            }
        }
    }

    fn linux_aged(&mut self, key: FdbKey, plane: &mut Plane) {
        let Some(entry) = self.table.entries.get(&key).copied() else {
            return;
        };
        if entry.port == self.settings.peer_link {
            self.program(key, plane);
            return;
        }
        self.set_l(key, true);
        if entry.p {
            self.table.remove(key);
        } else {
            self.program(key, plane);
        }
    }

    fn linux_peer_add(&mut self, key: FdbKey, told: &MacEntry, plane: &mut Plane) {
        let Some(up) = self.port_is_up(&told.port) else {
            return; // only addresses on own MLAG ports are accepted
        };
        let target = if up {
            told.port
        } else {
            self.settings.peer_link
        };
        match self.table.entries.get_mut(&key) {
            None => {
                let entry = Address {
                    port: target,
                    origin: told.port,
                    kind: MacType::Dynamic,
                    l: false,
                    p: false,
                    pending: false,
                };
                self.table.entries.insert(key, entry);
                self.program(key, plane);
            }
            Some(entry) => {
                entry.p = false;
                if entry.origin != told.port {
                    entry.origin = told.port;
                    entry.port = target;
                    self.program(key, plane);
                }
            }
        }
    }
}
