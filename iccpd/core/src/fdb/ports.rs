//! What the address table knows of the ports, and what follows when that changes.

use super::{Entry, Fdb, Seen};
use crate::links::{Running, Vids};
use mclag_proto::sync::model::{FdbKey, Sight};
use mclag_proto::{IfName, Vid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the table has to know of the ports.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ports {
    /// The MLAG ports.
    pub mlag: BTreeSet<IfName>,
    /// The peer link.
    pub peer_link: Option<IfName>,
    /// VLANs of each of these; a port without an entry takes any, one that is missing from the
    /// kernel has an empty one.
    pub vids: BTreeMap<IfName, Vids>,
    /// The dataplane neither reports activity on entries that were installed
    /// ([`mclag_proto::sync::model::Abilities::tracking`]) nor knows what to do with the entries
    /// of a port that is down: both are decided here, as `spec/behaviour.md` 9 has it. The states
    /// below count only then.
    pub untracked: bool,
    /// MLAG ports that are down here.
    pub down: BTreeMap<IfName, Outage>,
    /// Every interface that the kernel has, and whether it runs. Of what is reported on another one
    /// (`spec/iccp.md` 10.2) a new address is kept, and not told to the peer; a known one stays where
    /// it was. Both count when the interface is there. Empty while the dataplane tracks.
    pub kernel: Running,
    /// The peer link is down.
    pub peer_link_down: bool,
    /// State of each MLAG port at the peer; missing while the peer has not told it.
    pub at_peer: BTreeMap<IfName, bool>,
    /// Addresses behind single-homed ports are not exchanged: the peer cannot carry them
    /// (`spec/iccp.md` 10.4).
    pub no_orphans: bool,
}

/// How long an MLAG port has been down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outage {
    /// Less than ten minutes: what was learned on it is kept, by way of the peer link.
    Fresh,
    /// Longer than that (`spec/behaviour.md` 9.7).
    Long,
}

impl Ports {
    /// A port the kernel does not have, or that is not in the VLAN, cannot be programmed (P-14).
    #[must_use]
    pub fn carries(&self, port: &IfName, vid: Vid) -> bool {
        self.vids.get(port).is_none_or(|vids| vids.contains(&vid))
    }

    pub(super) fn is_mlag(&self, port: &IfName) -> bool {
        self.mlag.contains(port)
    }

    /// How long an MLAG port is down, where that matters.
    pub(super) fn outage(&self, port: &IfName) -> Option<Outage> {
        let counts = self.untracked && self.is_mlag(port);
        self.down.get(port).copied().filter(|_| counts)
    }

    /// A single-homed port that is down, or that the kernel does not have yet.
    pub(super) fn is_orphan_down(&self, port: &IfName) -> bool {
        self.untracked && !self.is_mlag(port) && self.kernel.get(port) != Some(&true)
    }

    /// The kernel has no such interface, where that matters.
    pub(super) fn is_unknown(&self, port: &IfName) -> bool {
        self.untracked && !self.kernel.contains_key(port)
    }

    /// The peer link, if frames can be sent over it.
    pub(super) fn usable_peer_link(&self) -> Option<IfName> {
        let unusable = self.untracked && self.peer_link_down;
        self.peer_link.filter(|_| !unusable)
    }
}

/// What changed between two states of the ports.
struct Change<'a> {
    before: &'a Ports,
    now: &'a Ports,
    /// The peer's word on its ports is of this session.
    in_step: bool,
}

impl Change<'_> {
    fn went_down(&self, port: &IfName) -> bool {
        self.now.outage(port).is_some() && self.before.outage(port).is_none()
    }

    fn came_up(&self, port: &IfName) -> bool {
        self.now.outage(port).is_none() && self.before.outage(port).is_some()
    }

    fn grew_long(&self, port: &IfName) -> bool {
        self.now.outage(port) == Some(Outage::Long)
            && self.before.outage(port) != Some(Outage::Long)
    }

    fn lost_at_peer(&self, port: &IfName) -> bool {
        let up = |ports: &Ports| ports.at_peer.get(port) == Some(&true);
        self.in_step && up(self.before) && !up(self.now)
    }

    fn left_domain(&self, port: &IfName) -> bool {
        self.before.is_mlag(port) && !self.now.is_mlag(port)
    }

    fn joined_domain(&self, port: &IfName) -> bool {
        !self.before.is_mlag(port) && self.now.is_mlag(port)
    }

    /// The ports whose entries are concerned, or none if all entries are.
    fn ports(&self) -> Option<BTreeSet<IfName>> {
        let Self { before, now, .. } = self;
        let link = |ports: &Ports| {
            let vids = ports
                .peer_link
                .and_then(|port| ports.vids.get(&port).cloned());
            (ports.peer_link, ports.usable_peer_link(), vids)
        };
        let same = before.untracked == now.untracked && before.no_orphans == now.no_orphans;
        if !same || link(before) != link(now) {
            return None;
        }
        let mut ports: BTreeSet<IfName> = before
            .mlag
            .symmetric_difference(&now.mlag)
            .copied()
            .collect();
        differing(&before.vids, &now.vids, &mut ports);
        if now.untracked {
            differing(&before.at_peer, &now.at_peer, &mut ports);
            differing(&before.down, &now.down, &mut ports);
            if !Arc::ptr_eq(&before.kernel, &now.kernel) {
                differing(&before.kernel, &now.kernel, &mut ports);
            }
        }
        Some(ports)
    }

    /// Carry an entry over.
    fn follow(&self, key: FdbKey, entry: &mut Entry) {
        if self.before.untracked && !self.now.untracked {
            entry.belongs_to_dataplane();
        }
        match (entry.local, entry.remote) {
            (Some(local), _) => self.follow_local(key, entry, local),
            (None, Some(remote)) => self.follow_remote(key, entry, remote),
            (None, None) => {}
        }
    }

    fn follow_local(&self, key: FdbKey, entry: &mut Entry, local: Seen) {
        let port = &local.port;
        if self.joined_domain(port) {
            entry.announced = None; // it was told as an orphan's (W-16)
        }
        if self.left_domain(port) {
            if entry.pending {
                entry.lose_local();
            } else if entry.remote.is_some_and(|remote| remote.port == *port) {
                // Two different places from now on (W-15); by way of the peer link until the host
                // speaks here (`spec/behaviour.md` 9.12).
                entry.displaced = entry.local;
                entry.lose_local();
            }
        } else if self.went_down(port) {
            let taken_over = entry.remote.is_none() && self.now.at_peer.get(port) == Some(&true);
            let learned = !local.configured && !entry.converted;
            entry.converted = false;
            if taken_over {
                // The peer is not told: the host goes on talking through it, as a rule.
                entry.pending = true;
            } else if local.configured {
                entry.withheld = true;
            } else {
                entry.lose_local();
            }
            if learned && entry.wanted.is_none() && entry.target(key, self.now).is_none() {
                entry.displaced = Some(local); // it leads nowhere
            }
        } else if self.came_up(port) {
            entry.withheld = false;
            if std::mem::take(&mut entry.pending) && !local.configured {
                // Nobody has heard of the host meanwhile: the dataplane is to find out.
                entry.converted = self.now.peer_link.is_some();
                if !entry.converted {
                    entry.lose_local();
                    entry.displaced = Some(local);
                }
            }
        } else if entry.pending && (self.grew_long(port) || self.lost_at_peer(port)) {
            entry.pending = false;
            if local.configured {
                entry.withheld = true;
            } else {
                entry.lose_local();
                entry.displaced = entry.wanted.is_none().then_some(local);
            }
        }
        let silent = |ports: &Ports| ports.is_unknown(port) || ports.is_orphan_down(port);
        if silent(self.before) && !silent(self.now) && self.now.outage(port).is_none() {
            entry.withheld = false;
        }
    }

    /// `spec/behaviour.md` 9.8: nobody is left to tell when the host falls silent.
    fn follow_remote(&self, key: FdbKey, entry: &mut Entry, remote: Seen) {
        let here = self.now.untracked && self.now.is_mlag(&remote.port);
        if here && self.lost_at_peer(&remote.port) && !remote.configured {
            let target = entry.target(key, self.now);
            if target.is_some_and(|want| want.port == remote.port) {
                entry.convert(remote.port);
            }
        }
    }
}

/// Add the keys that are not in both, or not with the same value.
fn differing<V: PartialEq>(
    before: &BTreeMap<IfName, V>,
    now: &BTreeMap<IfName, V>,
    out: &mut BTreeSet<IfName>,
) {
    let changed = now
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(*value));
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    out.extend(changed.map(|(name, _)| name).chain(gone));
}

impl Fdb {
    /// Ports, VLANs or their states changed: look again at the entries that this may concern.
    /// Bounded by the number of entries; nothing is looked at when nothing changed.
    ///
    /// `in_step` says that the state of the peer's ports is the peer's word, and not what is left
    /// of a session that is gone.
    pub fn set_ports(&mut self, now: Ports, in_step: bool) {
        if self.ports == now {
            return;
        }
        let before = std::mem::replace(&mut self.ports, now);
        let now = &self.ports;
        let change = Change {
            before: &before,
            now,
            in_step,
        };
        let follow = |key: FdbKey, entry: &mut Entry| {
            change.follow(key, entry);
            if self.announcing && entry.for_peer(now) != entry.announced {
                self.to_announce.insert(key);
            }
            if entry.needs_op(key, now) {
                self.to_program.insert(key);
            }
        };
        match change.ports() {
            Some(ports) => self.entries.change_naming(ports.iter(), follow),
            None => self.entries.change_all(follow),
        }
        self.replay_early();
    }

    /// What was reported on a port before the kernel had it counts now.
    fn replay_early(&mut self) {
        let early = self.early.iter();
        let due: Vec<(FdbKey, Seen)> = early
            .filter(|(_, seen)| !self.ports.is_unknown(&seen.port))
            .map(|(key, seen)| (*key, *seen))
            .collect();
        for (key, Seen { port, configured }) in due {
            self.local_sight(key, Sight::Learned { port, configured });
        }
    }

    /// What the table knows of the ports.
    #[must_use]
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The session is gone: keep what the peer said, but remember that it may be old. With
    /// `release`, give it up at once (`spec/behaviour.md` 9.9); may be called again for that.
    pub fn session_down(&mut self, release: bool) {
        self.announcing = false;
        self.to_announce.clear();
        self.has_stale = true;
        let mut touched: Vec<FdbKey> = Vec::new();
        self.entries.change_all(|key, entry| {
            entry.announced = None;
            entry.stale = entry.remote.is_some();
            if release {
                entry.lose_peer(key, &self.ports);
            }
            if entry.is_idle() || (release && entry.needs_op(key, &self.ports)) {
                touched.push(key);
            }
        });
        for key in touched {
            self.touch(key);
        }
    }
}

impl Entry {
    /// This chassis no longer sees the host, and the dataplane knows that.
    pub(super) fn lose_local(&mut self) {
        self.local = None;
        self.pending = false;
        self.converted = false;
        self.withheld = false;
    }

    /// Another dataplane, which reports what it sees, took over.
    fn belongs_to_dataplane(&mut self) {
        if self.pending {
            self.lose_local();
        }
        self.converted = false;
        self.withheld = false;
    }

    /// What the peer said becomes this chassis' own, and ages here.
    fn convert(&mut self, port: IfName) {
        self.local = Some(Seen {
            port,
            configured: false,
        });
        self.remote = None;
        self.stale = false;
        self.converted = true;
    }

    /// Nothing of what the peer said counts any more (`spec/behaviour.md` 9.9).
    fn lose_peer(&mut self, key: FdbKey, ports: &Ports) {
        if ports.untracked {
            if self.pending && self.local.is_some_and(|local| !local.configured) {
                self.lose_local();
                self.remote = None;
            }
            self.pending = false;
            let target = self.target(key, ports);
            if let (None, Some(remote), Some(target)) = (self.local, self.remote, target)
                && target.port == remote.port
                && ports.is_mlag(&remote.port)
            {
                self.convert(remote.port);
            }
        }
        self.remote = None;
        self.stale = false;
    }
}
