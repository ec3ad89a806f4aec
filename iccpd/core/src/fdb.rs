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

use mclag_proto::ctl::{MacCounts, MacCursor, MacLine};
use mclag_proto::iccp::{EntryOp, MacEntry, MacType};
use mclag_proto::sync::model::{FdbKey, FdbKind, FdbWant, Op, Section, Sight};
use mclag_proto::{IfName, Vid};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Most addresses that are kept; `syncd` keeps no more either. What a peer or a flood of frames
/// makes up beyond that is counted and ignored.
pub const MAX_ENTRIES: usize = 1 << 20;

/// What the table has to know of the ports.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// The MLAG ports.
    pub mlag: BTreeSet<IfName>,
    /// The peer link.
    pub peer_link: Option<IfName>,
    /// VLANs of each of these; a port without an entry takes any, one that is missing from the
    /// kernel has an empty one.
    pub vids: BTreeMap<IfName, BTreeSet<Vid>>,
}

impl Ports {
    /// A port the kernel does not have, or that is not in the VLAN, cannot be programmed (P-14).
    fn carries(&self, port: &IfName, vid: Vid) -> bool {
        self.vids.get(port).is_none_or(|vids| vids.contains(&vid))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Seen {
    port: IfName,
    configured: bool,
}

#[derive(Clone, Copy, Debug, Default)]
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
}

impl Entry {
    const fn is_idle(&self) -> bool {
        self.local.is_none()
            && self.remote.is_none()
            && self.announced.is_none()
            && self.wanted.is_none()
            && self.displaced.is_none()
    }

    const fn concerns_dataplane(&self) -> bool {
        self.remote.is_some() || self.wanted.is_some() || self.displaced.is_some() || self.renew
    }

    fn target(&self, key: FdbKey, ports: &Ports) -> Option<FdbWant> {
        let remote = self.remote?;
        let kind = if remote.configured {
            FdbKind::Static
        } else {
            FdbKind::Tracked
        };
        let own = ports.mlag.contains(&remote.port) && ports.carries(&remote.port, key.vid);
        let port = if own { remote.port } else { ports.peer_link? };
        ports
            .carries(&port, key.vid)
            .then_some(FdbWant { port, kind })
    }
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
    entries: BTreeMap<FdbKey, Entry>,
    to_announce: BTreeSet<FdbKey>,
    to_program: BTreeSet<FdbKey>,
    telling: Telling,
    /// The peer may be told.
    announcing: bool,
    /// Addresses that found no place.
    ignored: u64,
}

impl Default for Fdb {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            to_announce: BTreeSet::new(),
            to_program: BTreeSet::new(),
            telling: Telling::Changes,
            announcing: false,
            ignored: 0,
        }
    }
}

impl Fdb {
    /// The dataplane of this chassis reports an address.
    pub fn local_sight(&mut self, key: FdbKey, sight: Sight, ports: &Ports) {
        // A host behind the peer link is the peer's to see.
        let port = sight.port().filter(|port| Some(*port) != ports.peer_link);
        if !key.mac.is_unicast() {
            return;
        }
        let configured = matches!(
            sight,
            Sight::Learned {
                configured: true,
                ..
            }
        );
        let Some(port) = port else {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.local = None;
                entry.displaced = None;
                entry.unconfirmed = false;
                // Whatever we had there is gone as well: name it again if it is wanted.
                entry.renew |= sight == Sight::Aged;
                self.touch(key);
            }
            return;
        };
        if self.is_full_for(&key) {
            return;
        }
        let entry = self.entries.entry(key).or_default();
        entry.unconfirmed = false;
        let remote_moved_here = entry
            .remote
            .is_some_and(|remote| !(remote.port == port && ports.mlag.contains(&port)));
        if remote_moved_here {
            let fixed = entry
                .remote
                .is_some_and(|remote| remote.configured && !entry.stale);
            if fixed && !configured {
                // The peer's operator nailed it down there; put back what the frame displaced.
                entry.renew = true;
                self.touch(key);
                return;
            }
            entry.remote = None;
            entry.stale = false;
        }
        entry.local = Some(Seen { port, configured });
        entry.displaced = None;
        self.touch(key);
    }

    /// The dataplane lists its table: what it does not name is not seen here.
    pub fn local_listing_begins(&mut self) {
        for entry in self.entries.values_mut() {
            entry.unconfirmed = true;
        }
    }

    /// The dataplane's listing is complete.
    pub fn local_listing_ends(&mut self) {
        let gone: Vec<FdbKey> = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.unconfirmed)
            .map(|(key, entry)| {
                entry.unconfirmed = false;
                entry.displaced = None;
                entry.local = None;
                *key
            })
            .collect();
        for key in gone {
            self.touch(key);
        }
    }

    /// The peer reports an address (`spec/behaviour.md` 9.5).
    pub fn remote_entry(&mut self, update: &MacEntry, ports: &Ports) {
        if !update.mac.is_unicast() {
            return;
        }
        let key = FdbKey {
            vid: update.vid,
            mac: update.mac,
        };
        let configured = update.kind == MacType::Static;
        match update.op {
            EntryOp::Add => {
                if self.is_full_for(&key) {
                    return;
                }
                let entry = self.entries.entry(key).or_default();
                if entry.local.is_some_and(|local| local.configured) {
                    return; // configured here beats anything the peer learned
                }
                // As long as the dataplane was not told, its own sight stands.
                let own = entry.local.or(entry.displaced);
                let both = ports.mlag.contains(&update.port)
                    && own.is_some_and(|own| own.port == update.port);
                (entry.local, entry.displaced) = if both { (own, None) } else { (None, own) };
                entry.remote = Some(Seen {
                    port: update.port,
                    configured,
                });
                entry.stale = false;
            }
            EntryOp::Delete => {
                let Some(entry) = self.entries.get_mut(&key) else {
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
        self.to_announce = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.local.is_some())
            .map(|(key, _)| *key)
            .collect();
    }

    /// The session is gone: keep what the peer said, but remember that it may be old. With
    /// `release`, forget it at once (`spec/behaviour.md` 9.9); may be called again for that.
    pub fn session_down(&mut self, release: bool) {
        self.announcing = false;
        self.to_announce.clear();
        let mut idle = Vec::new();
        for (key, entry) in &mut self.entries {
            entry.announced = None;
            entry.stale = entry.remote.is_some();
            if entry.is_idle() {
                idle.push(*key);
            }
        }
        for key in idle {
            self.entries.remove(&key);
        }
        if release {
            self.purge_stale();
        }
    }

    /// Forget what the peer said in a session that is gone and did not repeat.
    pub fn purge_stale(&mut self) {
        let stale: Vec<FdbKey> = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.stale)
            .map(|(key, entry)| {
                entry.stale = false;
                entry.remote = None;
                *key
            })
            .collect();
        for key in stale {
            self.touch(key);
        }
    }

    /// Ports or VLANs changed: look at every entry again.
    pub fn ports_changed(&mut self) {
        let with_remote = |entry: &Entry| entry.remote.is_some() || entry.wanted.is_some();
        let keys = self.entries.iter().filter(|(_, entry)| with_remote(entry));
        self.to_program.extend(keys.map(|(key, _)| *key));
    }

    /// `syncd` knows nothing any more; say every change from now on.
    pub fn syncd_up(&mut self) {
        self.telling = Telling::Changes;
        self.to_program.clear();
        for (key, entry) in &mut self.entries {
            entry.wanted = None;
            if entry.remote.is_some() {
                self.to_program.insert(*key);
            }
        }
    }

    /// Name everything that is wanted, so that `syncd` drops the rest.
    pub fn tell_everything(&mut self) {
        self.telling = Telling::Snapshot(None);
        for entry in self.entries.values_mut() {
            entry.wanted = None;
        }
    }

    /// True if there is something to tell `syncd`.
    #[must_use]
    pub fn has_ops(&self) -> bool {
        !self.to_program.is_empty() || self.telling != Telling::Changes
    }

    /// Append up to about `max` operations for `syncd`.
    pub fn next_ops(&mut self, max: usize, ports: &Ports, out: &mut Vec<Op>) {
        let limit = out.len() + max;
        if let Telling::Snapshot(named) = self.telling {
            self.next_of_snapshot(named, limit, ports, out);
        }
        while out.len() < limit {
            let Some(key) = self.to_program.pop_first() else {
                return;
            };
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            let target = entry.target(key, ports);
            // Both sides may claim a host at once and both withdraw: then nothing is wanted, but the
            // dataplane has to forget its own sight, or it would never report the host again. Also
            // if something had been told before: that may have failed, or the host been seen since.
            // For the same reason what is still wanted is said again: the host moved the entry.
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
            if entry.is_idle() {
                self.entries.remove(&key);
            }
        }
    }

    fn next_of_snapshot(
        &mut self,
        named: Option<FdbKey>,
        limit: usize,
        ports: &Ports,
        out: &mut Vec<Op>,
    ) {
        if named.is_none() {
            out.push(Op::SnapshotBegin(Section::Fdb));
        }
        let from = named.map_or(Bound::Unbounded, Bound::Excluded);
        for (&key, entry) in self.entries.range_mut((from, Bound::Unbounded)) {
            if out.len() >= limit {
                return;
            }
            entry.wanted = entry.target(key, ports);
            if let Some(want) = entry.wanted {
                out.push(Op::Fdb { key, want });
            }
            self.telling = Telling::Snapshot(Some(key));
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
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            if entry.local == entry.announced {
                continue;
            }
            let (op, seen) = match (entry.local, entry.announced) {
                (Some(local), _) => (EntryOp::Add, local),
                (None, Some(announced)) => (EntryOp::Delete, announced),
                (None, None) => continue,
            };
            entry.announced = entry.local;
            if entry.is_idle() {
                self.entries.remove(&key);
            }
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

    /// Number of addresses by who sees them.
    #[must_use]
    pub fn counts(&self) -> MacCounts {
        let mut counts = MacCounts::default();
        for entry in self.entries.values() {
            match (entry.local, entry.remote) {
                (Some(_), Some(_)) => counts.both += 1,
                (Some(_), None) => counts.local += 1,
                (None, Some(_)) => counts.peer += 1,
                (None, None) => {}
            }
            counts.stale += usize::from(entry.stale);
        }
        counts
    }

    /// A page of the table, and where the next one begins.
    #[must_use]
    pub fn page(
        &self,
        after: Option<MacCursor>,
        limit: usize,
    ) -> (Vec<MacLine>, Option<MacCursor>) {
        let from = after.map_or(Bound::Unbounded, |cursor| {
            Bound::Excluded(FdbKey {
                vid: cursor.vid,
                mac: cursor.mac,
            })
        });
        let mut rest = self
            .entries
            .range((from, Bound::Unbounded))
            .filter(|(_, entry)| entry.local.is_some() || entry.remote.is_some());
        let lines: Vec<MacLine> = rest
            .by_ref()
            .take(limit)
            .map(|(key, e)| line(*key, e))
            .collect();
        let next = match (rest.next(), lines.last()) {
            (Some(_), Some(last)) => Some(MacCursor {
                vid: last.vid,
                mac: last.mac,
            }),
            _ => None,
        };
        (lines, next)
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

    /// An entry changed: look at it again, where that can lead to anything. Most addresses are
    /// seen on one side only, and concern either the peer or the dataplane.
    /// Addresses that were ignored because the table was full.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    fn is_full_for(&mut self, key: &FdbKey) -> bool {
        let full = self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(key);
        self.ignored += u64::from(full);
        full
    }

    fn touch(&mut self, key: FdbKey) {
        let Some(entry) = self.entries.get(&key) else {
            return;
        };
        if self.announcing && entry.local != entry.announced {
            self.to_announce.insert(key);
        }
        // Without any sight it has to be looked at to be dropped.
        if entry.local.is_none() || entry.concerns_dataplane() {
            self.to_program.insert(key);
        }
    }
}

fn line(key: FdbKey, entry: &Entry) -> MacLine {
    let local = entry.local.map(|seen| seen.port);
    let configured = [entry.local, entry.remote]
        .iter()
        .flatten()
        .any(|seen| seen.configured);
    MacLine {
        vid: key.vid,
        mac: key.mac,
        port: entry.wanted.map(|want| want.port).or(local),
        local,
        remote: entry.remote.map(|seen| seen.port),
        configured,
        stale: entry.stale,
    }
}

#[cfg(test)]
mod tests;
