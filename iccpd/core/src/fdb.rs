//! The address table: who sees a host, where frames for it go, what the peer is told.
//!
//! Follows the table of `spec/behaviour.md` 9.13. Per address there are two sights: on which
//! port this chassis sees the host (*local*; the specification's L bit is its absence) and on
//! which port the peer says it does (*remote*; absence is the P bit). Where both exist they name
//! the same MLAG port: any other combination is a move, and the newer sight wins.
//!
//! What is programmed and what the peer is told are computed from the two sights whenever they
//! change, and compared with what was said last. So a message that was never sent is never
//! missed, and several changes before it could be sent become one.
//!
//! Ageing needs no clock here: the dataplane says when a host falls silent on this chassis, and
//! an entry goes when neither side sees the host.
//!
//! A dataplane that does not report activity on what was installed ([`Ports::untracked`]) owns what
//! it learned itself; what was installed is withdrawn then (P-6), and put back when it ages here
//! and the peer still sees the host. For such a dataplane the state of the ports counts, too.
//!
//! Here: sights, and what follows from them. `ports.rs`: ports and sessions that come and go.
//! `table.rs`: how it is kept in little memory. `view.rs`: what an operator sees.

mod ports;
mod table;
mod view;

pub use ports::{Outage, Ports};

use mclag_proto::IfName;
use mclag_proto::iccp::{EntryOp, MacEntry, MacType};
use mclag_proto::sync::model::{FdbKey, FdbKind, FdbWant, Op, Section, Sight};
use std::collections::{BTreeMap, BTreeSet};
use table::Table;

/// Most addresses that are kept; `syncd` keeps no more either. What a peer or a flood of frames
/// makes up beyond that is counted and ignored.
pub const MAX_ENTRIES: usize = 1 << 20;

/// Most addresses whose move to an interface that the kernel does not have yet is remembered.
const MAX_EARLY: usize = 1 << 16;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Seen {
    port: IfName,
    configured: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Entry {
    local: Option<Seen>,
    remote: Option<Seen>,
    /// The remote sight is of a session that is gone.
    stale: bool,
    /// What the peer was told last.
    announced: Option<Seen>,
    /// What `syncd` was told last.
    wanted: Option<FdbWant>,
    /// What `syncd` was told last may no longer be in place.
    renew: bool,
    /// The dataplane still has a sight of its own that the peer's newer one replaced. Until it
    /// was told so it would not report the host again.
    displaced: Option<Seen>,
    /// Not named since the dataplane's listing began.
    unconfirmed: bool,
    /// The port it was learned on is down since, and up at the peer: the host is reached through
    /// the peer for a while, until somebody hears of it.
    pending: bool,
    /// The peer's before: installed to age here ([`FdbKind::Ageing`]) until the dataplane learns it
    /// itself.
    converted: bool,
    /// Not told to the peer: the port is down.
    withheld: bool,
}

impl Entry {
    const fn is_idle(&self) -> bool {
        self.local.is_none()
            && self.remote.is_none()
            && self.announced.is_none()
            && self.wanted.is_none()
            && self.displaced.is_none()
    }

    /// The peer sees the host on this port.
    fn seen_at_peer(&mut self, seen: Seen, mine: bool, ports: &Ports) {
        let here = |own: Seen| mine && own.port == seen.port;
        if let Some(local) = self.local.filter(|local| local.configured) {
            // Configured here beats anything the peer learned.
            self.remote = here(local).then_some(seen);
            self.stale = false;
            return;
        }
        // As long as the dataplane was not told, its own sight stands.
        let own = self.local.or(self.displaced);
        if own.is_some_and(here) && ports.outage(&seen.port).is_none() {
            self.local = own;
            self.displaced = None;
        } else {
            // What it does not own it need not forget.
            let owned = own.filter(|_| !self.pending && !self.converted);
            self.lose_local();
            self.displaced = owned;
        }
        self.remote = Some(seen);
        self.stale = false;
    }

    const fn concerns_dataplane(&self) -> bool {
        self.remote.is_some() || self.wanted.is_some() || self.displaced.is_some() || self.renew
    }

    fn target(&self, key: FdbKey, ports: &Ports) -> Option<FdbWant> {
        let seen = match (self.local, self.remote) {
            (Some(local), remote) if ports.untracked => {
                return self.local_target(key, local, remote, ports);
            }
            (Some(local), _) if local.configured => return None,
            (_, remote) => remote?,
        };
        remote_target(key, seen, ports)
    }

    /// What the dataplane learned is its own (P-6); only what it cannot know is named.
    fn local_target(
        &self,
        key: FdbKey,
        local: Seen,
        remote: Option<Seen>,
        ports: &Ports,
    ) -> Option<FdbWant> {
        if self.pending {
            return over_peer_link(key, local, ports);
        }
        let FdbWant { port, .. } = over_port(local);
        if self.converted {
            let kind = FdbKind::Ageing;
            return ports
                .carries(&port, key.vid)
                .then_some(FdbWant { port, kind });
        }
        // One that is configured stays configured while its port is down.
        let remote = remote.filter(|_| ports.outage(&port).is_some())?;
        remote_target(key, remote, ports)
    }

    /// What the peer is to be told.
    fn for_peer(&self, ports: &Ports) -> Option<Seen> {
        let told = |local: &Seen| !ports.no_orphans || ports.is_mlag(&local.port);
        self.local.filter(told).filter(|_| !self.withheld)
    }

    /// True if `syncd` has to be told, or the entry dropped.
    fn needs_op(&self, key: FdbKey, ports: &Ports) -> bool {
        self.displaced.is_some()
            || self.renew
            || self.is_idle()
            || self.target(key, ports) != self.wanted
    }
}

const fn over_port(seen: Seen) -> FdbWant {
    let kind = if seen.configured {
        FdbKind::Static
    } else {
        FdbKind::Tracked
    };
    FdbWant {
        port: seen.port,
        kind,
    }
}

fn over_peer_link(key: FdbKey, seen: Seen, ports: &Ports) -> Option<FdbWant> {
    let port = ports.usable_peer_link()?;
    let want = FdbWant {
        port,
        ..over_port(seen)
    };
    ports.carries(&port, key.vid).then_some(want)
}

/// The MLAG port if it is up, else the peer link, else nothing.
fn remote_target(key: FdbKey, remote: Seen, ports: &Ports) -> Option<FdbWant> {
    let own = ports.is_mlag(&remote.port) && ports.carries(&remote.port, key.vid);
    if own && ports.outage(&remote.port).is_none() {
        return Some(over_port(remote));
    }
    over_peer_link(key, remote, ports)
}

/// How the table is being told to `syncd`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Telling {
    /// Changes only.
    Changes,
    /// A snapshot; entries up to this key have been named.
    Snapshot(Option<FdbKey>),
}

/// The address table.
#[derive(Clone, Debug)]
pub struct Fdb {
    ports: Ports,
    entries: Table,
    to_announce: BTreeSet<FdbKey>,
    to_program: BTreeSet<FdbKey>,
    telling: Telling,
    /// The peer may be told.
    announcing: bool,
    /// Where known addresses moved to, of ports that the kernel does not have yet.
    early: BTreeMap<FdbKey, Seen>,
    /// Some entries may be of a session that is gone.
    has_stale: bool,
    /// Addresses that found no place.
    ignored: u64,
}

impl Default for Fdb {
    fn default() -> Self {
        Self {
            ports: Ports::default(),
            entries: Table::default(),
            to_announce: BTreeSet::new(),
            to_program: BTreeSet::new(),
            telling: Telling::Changes,
            announcing: false,
            early: BTreeMap::new(),
            has_stale: false,
            ignored: 0,
        }
    }
}

impl Fdb {
    /// The dataplane of this chassis reports an address.
    pub fn local_sight(&mut self, key: FdbKey, sight: Sight) {
        if !key.mac.is_unicast() {
            return;
        }
        self.early.remove(&key);
        let on_peer_link = sight.port().is_some() && sight.port() == self.ports.peer_link;
        if on_peer_link && self.ports.untracked {
            return; // what the dataplane would learn there is installed
        }
        let configured = matches!(
            sight,
            Sight::Learned {
                configured: true,
                ..
            }
        );
        // A host behind the peer link is the peer's to see.
        let Some(port) = sight.port().filter(|_| !on_peer_link) else {
            self.local_gone(key, sight);
            return;
        };
        if self.is_full_for(&key, &port) {
            return;
        }
        let seen = Seen { port, configured };
        if self.ports.is_unknown(&port) {
            self.seen_early(key, seen);
        } else if self.ports.outage(&port).is_some() {
            self.seen_on_down_port(key, seen);
        } else {
            self.seen(key, seen);
        }
        self.touch(key);
    }

    fn local_gone(&mut self, key: FdbKey, sight: Sight) {
        let Some(mut entry) = self.entries.open(&key) else {
            return;
        };
        entry.unconfirmed = false;
        if entry.pending {
            return; // the peer link replaced what is gone now (`spec/behaviour.md` 9.4)
        }
        entry.lose_local();
        entry.displaced = None;
        // Whatever we had there is gone as well: name it again if it is wanted.
        entry.renew |= sight == Sight::Aged;
        drop(entry);
        self.touch(key);
    }

    /// `spec/behaviour.md` 9.3, with the port up.
    fn seen(&mut self, key: FdbKey, seen: Seen) {
        let mut entry = self.entries.open_or_add(key);
        entry.unconfirmed = false;
        let port = seen.port;
        let remote_moved_here = entry
            .remote
            .is_some_and(|remote| !(remote.port == port && self.ports.is_mlag(&port)));
        if remote_moved_here {
            let fixed = entry
                .remote
                .is_some_and(|remote| remote.configured && !entry.stale);
            if fixed && !seen.configured {
                // The peer's operator nailed it down there; put back what the frame displaced.
                entry.renew = true;
                return;
            }
            entry.remote = None;
            entry.stale = false;
        }
        entry.lose_local();
        entry.local = Some(seen);
        // An address that the peer knows from before is told that it moved, wherever to.
        entry.withheld = self.ports.is_orphan_down(&port) && entry.announced.is_none();
        entry.displaced = None;
    }

    /// `spec/iccp.md` 10.2, unknown interface: the kernel may be slower than the dataplane. A new
    /// address is not told until the port is there and up; of one that somebody sees, what is known
    /// from before stands until then.
    fn seen_early(&mut self, key: FdbKey, seen: Seen) {
        let nobody_sees = |entry: Entry| entry.local.is_none() && entry.remote.is_none();
        if self.entries.get(&key).is_none_or(nobody_sees) {
            self.seen(key, seen);
            self.entries.open_or_add(key).withheld = true;
            return;
        }
        self.entries.open_or_add(key).unconfirmed = false;
        if self.early.len() < MAX_EARLY {
            self.early.insert(key, seen);
        } else {
            self.ignored += 1;
        }
    }

    /// `spec/behaviour.md` 9.3: the report and the loss of the port crossed.
    fn seen_on_down_port(&mut self, key: FdbKey, seen: Seen) {
        let long = self.ports.outage(&seen.port) == Some(Outage::Long);
        let at_peer = self.ports.at_peer.get(&seen.port).copied();
        let known_to_peer = self.entries.get(&key).is_some_and(|entry| {
            entry
                .remote
                .is_some_and(|remote| remote.port == seen.port || remote.configured)
        });
        if at_peer == Some(true) && known_to_peer {
            let mut entry = self.entries.open_or_add(key);
            entry.unconfirmed = false;
            entry.lose_local();
            entry.renew = true;
            return;
        }
        if at_peer == Some(false) || (long && !seen.configured) {
            // Neither chassis reaches it there.
            let mut entry = self.entries.open_or_add(key);
            entry.unconfirmed = false;
            entry.lose_local();
            entry.displaced = Some(seen);
            return;
        }
        self.seen(key, seen);
        let mut entry = self.entries.open_or_add(key);
        if entry.local == Some(seen) {
            entry.withheld = entry.announced.is_none();
            entry.pending = at_peer == Some(true) && !long;
        }
    }

    /// The dataplane lists its table: what it does not name is not seen here.
    pub fn local_listing_begins(&mut self) {
        self.early.clear();
        self.entries.change_all(|_, entry| {
            // It does not list what was installed.
            entry.unconfirmed = !entry.pending && !entry.converted;
        });
    }

    /// The dataplane's listing is complete.
    pub fn local_listing_ends(&mut self) {
        let mut gone: Vec<FdbKey> = Vec::new();
        self.entries.change_all(|key, entry| {
            if std::mem::take(&mut entry.unconfirmed) {
                entry.displaced = None;
                entry.lose_local();
                gone.push(key);
            }
        });
        for key in gone {
            self.touch(key);
        }
    }

    /// The peer reports an address (`spec/behaviour.md` 9.5).
    pub fn remote_entry(&mut self, update: &MacEntry) {
        let mine = self.ports.is_mlag(&update.port);
        if !update.mac.is_unicast() || (self.ports.no_orphans && !mine) {
            return;
        }
        let key = FdbKey {
            vid: update.vid,
            mac: update.mac,
        };
        match update.op {
            EntryOp::Add => {
                // Where it is there is no way to.
                let lost = !mine && self.ports.peer_link.is_none();
                if (lost && !self.entries.contains(&key)) || self.is_full_for(&key, &update.port) {
                    return;
                }
                let seen = Seen {
                    port: update.port,
                    configured: update.kind == MacType::Static,
                };
                let mut entry = self.entries.open_or_add(key);
                let early = self.early.get(&key);
                if early.is_some_and(|early| early.port != seen.port && entry.remote != Some(seen))
                {
                    // The newer sight wins; the dataplane has one of its own to be replaced.
                    self.early.remove(&key);
                    entry.renew = true;
                }
                entry.seen_at_peer(seen, mine, &self.ports);
                if lost {
                    entry.remote = None;
                }
            }
            EntryOp::Delete => {
                let Some(mut entry) = self.entries.open(&key) else {
                    return;
                };
                entry.remote = None;
                entry.stale = false;
            }
            EntryOp::Reserved(_) => return,
        }
        self.touch(key);
    }

    /// The session reached EXCHANGE: tell the peer everything (`spec/behaviour.md` 9.10).
    pub fn session_up(&mut self) {
        self.announcing = true;
        let ports = &self.ports;
        self.entries.change_all(|_, entry| {
            // Everything that is seen here; what is only configured on a port that is down is not.
            let unseen = |local: Seen| local.configured && ports.outage(&local.port).is_some();
            entry.withheld &= entry.local.is_some_and(unseen);
        });
        let entries = self.entries.iter(None);
        self.to_announce = entries
            .filter(|(_, entry)| entry.for_peer(ports).is_some())
            .map(|(key, _)| key)
            .collect();
    }

    /// Forget what the peer said in a session that is gone and did not repeat. Looks at nothing when
    /// that was done since: the peer can have it done as often as it likes.
    pub fn purge_stale(&mut self) {
        if !std::mem::take(&mut self.has_stale) {
            return;
        }
        let mut stale: Vec<FdbKey> = Vec::new();
        self.entries.change_all(|key, entry| {
            if std::mem::take(&mut entry.stale) {
                entry.remote = None;
                stale.push(key);
            }
        });
        for key in stale {
            self.touch(key);
        }
    }

    /// `syncd` knows nothing any more; say every change from now on.
    pub fn syncd_up(&mut self) {
        self.telling = Telling::Changes;
        self.to_program.clear();
        self.entries.change_all(|key, entry| {
            entry.wanted = None;
            if entry.needs_op(key, &self.ports) {
                self.to_program.insert(key);
            }
        });
    }

    /// Name everything that is wanted, so that `syncd` drops the rest.
    pub fn tell_everything(&mut self) {
        self.telling = Telling::Snapshot(None);
        self.entries.change_all(|_, entry| entry.wanted = None);
    }

    /// True if there is something to tell `syncd`.
    #[must_use]
    pub fn has_ops(&self) -> bool {
        !self.to_program.is_empty() || self.telling != Telling::Changes
    }

    /// Append up to about `max` operations for `syncd`.
    pub fn next_ops(&mut self, max: usize, out: &mut Vec<Op>) {
        let limit = out.len() + max;
        if let Telling::Snapshot(named) = self.telling {
            self.next_of_snapshot(named, limit, out);
        }
        while out.len() < limit {
            let Some(key) = self.to_program.pop_first() else {
                return;
            };
            let ports = &self.ports;
            self.entries.change(key, |entry| {
                let target = entry.target(key, ports);
                // Both sides may claim a host at once and both withdraw: then nothing is wanted, but
                // the dataplane has to forget its own sight, or it would never report the host again.
                // Also if something had been told before: that may have failed, or the host been seen
                // since. For the same reason what is still wanted is said again: the host moved the
                // entry.
                let displaced = entry.displaced.take().is_some();
                let again = std::mem::take(&mut entry.renew) && target.is_some();
                if target != entry.wanted || displaced || again {
                    entry.wanted = target;
                    out.push(match target {
                        Some(want) => Op::Fdb { key, want },
                        None => Op::FdbRelease {
                            key,
                            forget: displaced,
                        },
                    });
                }
            });
        }
    }

    fn next_of_snapshot(&mut self, named: Option<FdbKey>, limit: usize, out: &mut Vec<Op>) {
        if named.is_none() {
            out.push(Op::SnapshotBegin(Section::Fdb));
        }
        let (ports, telling) = (&self.ports, &mut self.telling);
        let mut is_complete = true;
        self.entries.change_behind(named, |key, entry| {
            if out.len() >= limit {
                is_complete = false;
                return false;
            }
            entry.wanted = entry.target(key, ports);
            if let Some(want) = entry.wanted {
                out.push(Op::Fdb { key, want });
            }
            *telling = Telling::Snapshot(Some(key));
            true
        });
        if !is_complete {
            return;
        }
        out.push(Op::SnapshotEnd(Section::Fdb));
        self.telling = Telling::Changes;
    }

    /// True if there is something to tell the peer.
    #[must_use]
    pub fn has_announcements(&self) -> bool {
        !self.to_announce.is_empty()
    }

    /// Up to `max` announcements for the peer, each with what is true now.
    pub fn next_announcements(&mut self, max: usize) -> Vec<MacEntry> {
        let mut batch = Vec::with_capacity(max.min(self.to_announce.len()));
        while batch.len() < max {
            let Some(key) = self.to_announce.pop_first() else {
                break;
            };
            let ports = &self.ports;
            let told = self.entries.change(key, |entry| {
                let for_peer = entry.for_peer(ports);
                let announced = std::mem::replace(&mut entry.announced, for_peer);
                match (for_peer, announced) {
                    (Some(local), announced) if announced != Some(local) => {
                        Some((EntryOp::Add, local))
                    }
                    (None, Some(announced)) => Some((EntryOp::Delete, announced)),
                    _ => None,
                }
            });
            let Some((op, seen)) = told.flatten() else {
                continue;
            };
            batch.push(MacEntry {
                op,
                kind: if seen.configured {
                    MacType::Static
                } else {
                    MacType::Dynamic
                },
                mac: key.mac,
                vid: key.vid,
                port: seen.port,
            });
        }
        batch
    }

    /// What `syncd` was last told of an address.
    #[must_use]
    pub fn wanted(&self, key: FdbKey) -> Option<FdbWant> {
        self.entries.get(&key)?.wanted
    }

    /// Number of addresses held, in whatever state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when no address is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Addresses that were ignored because the table was full.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    fn is_full_for(&mut self, key: &FdbKey, port: &IfName) -> bool {
        let full = (self.entries.len() >= MAX_ENTRIES && !self.entries.contains(key))
            || !self.entries.takes(port);
        self.ignored += u64::from(full);
        full
    }

    /// An entry changed: look at it again, where that can lead to anything. Most addresses are
    /// seen on one side only, and concern either the peer or the dataplane.
    fn touch(&mut self, key: FdbKey) {
        let Some(entry) = self.entries.get(&key) else {
            return;
        };
        if self.announcing && entry.for_peer(&self.ports) != entry.announced {
            self.to_announce.insert(key);
        }
        // Without any sight it has to be looked at to be dropped.
        if entry.local.is_none() || entry.concerns_dataplane() || entry.pending || entry.converted {
            self.to_program.insert(key);
        }
    }
}

#[cfg(test)]
mod tests;
