//! The neighbour table: which addresses of layer 3 are behind which address of layer 2, as far as
//! both chassis have to agree on it.
//!
//! Follows `spec/behaviour.md` 11 and `spec/iccp.md` 11. The two legs of a host carry different
//! flows: the answer to an ARP request of one chassis may arrive at the other. So each tells the
//! other what it knows, and installs what it was told. The key is interface *and* address: two
//! VRFs may use the same one (W-17).
//!
//! As in the address table there are two sights of an entry: *local*, what this chassis' kernel
//! resolved or heard on the wire, and *remote*, what the peer says. They agree on the MAC; where
//! they differ the newer word wins. What the kernel resolved itself is left to it; what the peer
//! said, or what was merely heard, is installed. The kernel validates what was installed as it does
//! any other entry; if it gives one up that the peer still claims, it is put back.
//!
//! Which interfaces count, and how, is decided in `domain/neigh.rs`.

mod view;

use crate::input::{NeighbourFrom, NeighbourSight};
use mclag_proto::iccp::{EntryOp, NeighbourEntry, NeighbourFlags, Tlv};
use mclag_proto::sync::model::{NeighbourKey, NeighbourWant, Op, Section};
use mclag_proto::{IfName, Mac};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Bound, RangeInclusive};

pub use view::Owner;

/// Most neighbours that are kept. What a peer or the wire makes up beyond that is counted and
/// ignored.
pub const MAX_ENTRIES: usize = 1 << 17;

/// What the table has to know of a layer-3 interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// Its own addresses, which are nobody's neighbours.
    pub own: BTreeSet<IpAddr>,
    /// Neighbours on it are told to the peer, provided that it has an address of their family.
    pub shared: bool,
    /// A neighbour on it can be reached: it is installed.
    pub reachable: bool,
    /// What is installed stays installed while it cannot be reached: left to age
    /// (`spec/behaviour.md` 11.5, VLAN interfaces).
    pub lasting: bool,
    /// An MLAG port that is down here and up at the peer: the kernel forgets its neighbours, and
    /// they are still there.
    pub parted: bool,
}

impl Interface {
    fn tells(&self, address: IpAddr) -> bool {
        let same_family = |own: &IpAddr| own.is_ipv4() == address.is_ipv4();
        self.shared && self.own.iter().any(same_family)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Local {
    mac: Mac,
    /// The kernel does not have it: it was heard on the wire, or lost with its port.
    absent: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Remote {
    mac: Mac,
    /// The peer's own address.
    permanent: bool,
    /// Said in a session that is gone, and not repeated since.
    stale: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    local: Option<Local>,
    remote: Option<Remote>,
    /// What the kernel had when the peer's newer word replaced it: a late report of it means
    /// nothing.
    displaced: Option<Mac>,
    /// What the peer was told in this session.
    announced: Option<Mac>,
    /// Worth telling although nothing changed.
    repeat: bool,
    /// What `syncd` was told last.
    wanted: Option<NeighbourWant>,
    /// What `syncd` was told last may no longer be in place.
    renew: bool,
    /// Not reported since the kernel's listing began.
    unconfirmed: bool,
}

impl Entry {
    const fn is_idle(&self) -> bool {
        self.local.is_none()
            && self.remote.is_none()
            && self.announced.is_none()
            && self.wanted.is_none()
    }

    fn for_peer(&self, key: NeighbourKey, interface: Option<&Interface>) -> Option<Mac> {
        let interface = interface?;
        let told = interface.tells(key.address) && !interface.own.contains(&key.address);
        // What the peer said before the session was lost it may have forgotten.
        let echo = self
            .remote
            .filter(|remote| remote.stale && !remote.permanent);
        let known = self.local.map(|local| local.mac);
        known.or(echo.map(|remote| remote.mac)).filter(|_| told)
    }

    fn target(&self, key: NeighbourKey, interface: Option<&Interface>) -> Option<NeighbourWant> {
        let interface = interface.filter(|interface| !interface.own.contains(&key.address))?;
        let want = match (self.local, self.remote) {
            (None, Some(Remote { mac, permanent, .. }))
            | (
                _,
                Some(Remote {
                    mac,
                    permanent: permanent @ true,
                    ..
                }),
            ) => NeighbourWant { mac, permanent },
            (Some(Local { mac, absent: true }), _) if interface.tells(key.address) => {
                NeighbourWant {
                    mac,
                    permanent: false,
                }
            }
            (Some(_) | None, _) => return None,
        };
        let stays = interface.lasting && self.wanted == Some(want);
        (interface.reachable || stays).then_some(want)
    }
}

/// How the table is being told to `syncd`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Telling {
    /// Changes only.
    #[default]
    Changes,
    /// A snapshot; entries up to this key have been named.
    Snapshot(Option<NeighbourKey>),
}

/// The neighbour table.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    interfaces: BTreeMap<IfName, Interface>,
    entries: BTreeMap<NeighbourKey, Entry>,
    to_announce: [BTreeSet<NeighbourKey>; 2],
    to_install: BTreeSet<NeighbourKey>,
    telling: Telling,
    /// The peer is being told.
    announcing: bool,
    /// See [`Neighbours::peer_keeps_one_sight`].
    one_sight: bool,
    ignored: u64,
}

impl Neighbours {
    /// The kernel reports a neighbour, or that it has none; or one was heard on the wire.
    pub fn local_sight(&mut self, key: NeighbourKey, sight: Option<NeighbourSight>) {
        if !can_be_a_neighbour(key.address) || self.is_own(&key) {
            return;
        }
        match sight {
            Some(sight) if sight.mac.is_unicast() => self.seen(key, sight),
            // Broadcast: with IPv4 it counts as gone, with IPv6 it does not count.
            Some(_) if key.address.is_ipv6() => {}
            Some(_) | None => self.gone(key),
        }
    }

    fn seen(&mut self, key: NeighbourKey, sight: NeighbourSight) {
        let NeighbourSight { mac, from } = sight;
        if from == NeighbourFrom::Installed {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.unconfirmed = false;
                entry.displaced = None;
            }
            return;
        }
        if self.is_full_for(&key) {
            return;
        }
        let entry = self.entries.entry(key).or_default();
        entry.unconfirmed = false;
        let heard = from == NeighbourFrom::Wire;
        if entry.displaced == Some(mac) && !heard {
            return;
        }
        entry.displaced = None;
        match entry.remote {
            Some(remote) if remote.mac == mac => {}
            Some(remote) if remote.permanent => {
                entry.renew = true; // the peer knows its own address
                self.touch(key);
                return;
            }
            Some(_) | None => entry.remote = None,
        }
        let known = entry.local.filter(|local| local.mac == mac);
        let absent = heard && known.is_none_or(|local| local.absent);
        entry.local = Some(Local { mac, absent });
        entry.repeat |= heard;
        self.touch(key);
    }

    fn gone(&mut self, key: NeighbourKey) {
        let parted = self
            .interfaces
            .get(&key.interface)
            .is_some_and(|i| i.parted);
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.unconfirmed = false;
        entry.displaced = None;
        if let (true, Some(local)) = (parted, &mut entry.local) {
            local.absent = true;
        } else {
            entry.local = None;
            // Nobody vouches for it any more.
            entry.remote = entry.remote.filter(|remote| !remote.stale);
        }
        entry.renew = true;
        self.touch(key);
    }

    /// The kernel lists its neighbours: what it does not name is gone.
    pub fn listing_begins(&mut self) {
        for entry in self.entries.values_mut() {
            entry.unconfirmed = entry.local.is_some_and(|local| !local.absent);
        }
    }

    /// The listing is complete.
    pub fn listing_ends(&mut self) {
        let unconfirmed = self.entries.iter().filter(|(_, entry)| entry.unconfirmed);
        let gone: Vec<NeighbourKey> = unconfirmed.map(|(key, _)| *key).collect();
        for key in gone {
            self.gone(key);
        }
    }

    /// The peer reports a neighbour (`spec/iccp.md` 11.2).
    pub fn remote_entry(
        &mut self,
        key: NeighbourKey,
        op: EntryOp,
        mac: Mac,
        flags: NeighbourFlags,
    ) {
        if !can_be_a_neighbour(key.address) || self.is_own(&key) {
            return;
        }
        match op {
            EntryOp::Add => self.told(key, mac, flags),
            EntryOp::Delete | EntryOp::Reserved(_) => self.told_gone(key),
        }
    }

    fn told(&mut self, key: NeighbourKey, mac: Mac, flags: NeighbourFlags) {
        if !mac.is_unicast() || self.is_full_for(&key) {
            return;
        }
        let own = NeighbourFlags::OWN_ADDRESS | NeighbourFlags::OWN_LINK_LOCAL;
        let entry = self.entries.entry(key).or_default();
        if let Some(local) = entry.local.filter(|local| local.mac != mac) {
            entry.displaced = Some(local.mac).filter(|_| !local.absent);
            entry.local = None;
        }
        if entry.local.is_none() {
            entry.announced = None; // to withdraw it would take the peer's own away
        }
        entry.repeat = false;
        entry.remote = Some(Remote {
            mac,
            permanent: flags.intersects(own),
            stale: false,
        });
        // What waits to be told about it would only be an echo.
        self.queue_of(&key).remove(&key);
        self.to_install.insert(key);
    }

    fn told_gone(&mut self, key: NeighbourKey) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.remote = None;
        // The peer has just found that it cannot use it. To say it again at once would go on for
        // ever; the next change, or the next answer on the wire, is news.
        entry.announced = entry.local.map(|local| local.mac);
        self.queue_of(&key).remove(&key);
        self.to_install.insert(key);
    }

    /// Interfaces, or what is to be done on them, changed.
    pub fn set_interfaces(&mut self, now: BTreeMap<IfName, Interface>) {
        if self.interfaces == now {
            return;
        }
        let before = std::mem::replace(&mut self.interfaces, now);
        let all: BTreeSet<IfName> = before
            .keys()
            .chain(self.interfaces.keys())
            .copied()
            .collect();
        for name in all {
            if before.get(&name) != self.interfaces.get(&name) {
                self.touch_all(name, |_| {});
            }
        }
    }

    /// The kernel has no neighbours on interfaces that it does not have.
    pub fn forget_interfaces(&mut self, exists: impl Fn(&IfName) -> bool) {
        let mut next = self.entries.keys().next().copied();
        while let Some(NeighbourKey { interface, .. }) = next {
            if !exists(&interface) {
                self.touch_all(interface, |entry| entry.local = None);
            }
            let behind = (Bound::Excluded(*all_of(interface).end()), Bound::Unbounded);
            next = self.entries.range(behind).next().map(|(key, _)| *key);
        }
    }

    /// An MLAG port that these interfaces lead through came up: what was removed with it is put
    /// back (`spec/behaviour.md` 11.5).
    pub fn reinstall(&mut self, interfaces: &BTreeSet<IfName>) {
        for name in interfaces {
            self.touch_all(*name, |entry| entry.renew = true);
        }
    }

    /// An MLAG port that these interfaces lead through came up at the peer: it is told again
    /// (`spec/behaviour.md` 11.3).
    pub fn repeat(&mut self, interfaces: &BTreeSet<IfName>) {
        for name in interfaces {
            self.touch_all(*name, |entry| entry.repeat = entry.local.is_some());
        }
    }

    /// Both are about to tell each other everything.
    pub fn session_begins(&mut self) {
        self.announcing = true;
        for (&key, entry) in &mut self.entries {
            entry.announced = None;
            let interface = self.interfaces.get(&key.interface);
            if entry.for_peer(key, interface).is_some() {
                self.to_announce[usize::from(key.address.is_ipv6())].insert(key);
            } else if entry.is_idle() {
                self.to_install.insert(key);
            }
        }
    }

    /// The session is gone. What is known stays known (`spec/behaviour.md` 6.6).
    pub fn session_down(&mut self) {
        self.announcing = false;
        self.to_announce.iter_mut().for_each(BTreeSet::clear);
        for (&key, entry) in &mut self.entries {
            entry.announced = None;
            entry.repeat = false;
            if let Some(remote) = &mut entry.remote {
                remote.stale = true;
            }
            if entry.is_idle() {
                self.to_install.insert(key);
            }
        }
    }

    /// True if there is something to tell the peer.
    #[must_use]
    pub fn has_announcements(&self) -> bool {
        self.to_announce.iter().any(|queue| !queue.is_empty())
    }

    /// Whether the peer knows of one sight only: what it is told to be gone it forgets, whoever it
    /// had it from (`spec/iccp.md` 11.2). Then its word for that is gone, too, which was perhaps no
    /// more than ours: it tells everything it has when a session begins.
    pub const fn peer_keeps_one_sight(&mut self, yes: bool) {
        self.one_sight = yes;
    }

    /// The next announcements for the peer, up to `max`, IPv4 first.
    pub fn next_announcements(&mut self, max: usize) -> Option<Tlv> {
        let [v4, v6] = &mut self.to_announce;
        let (entries, interfaces) = (&mut self.entries, &self.interfaces);
        let v4 = announce(v4, entries, interfaces, max, |address| match address {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        });
        if !v4.is_empty() {
            self.gone_at_peer(&v4);
            return Some(Tlv::ArpInfo(v4));
        }
        let v6 = announce(v6, entries, interfaces, max, |address| match address {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        });
        self.gone_at_peer(&v6);
        (!v6.is_empty()).then_some(Tlv::NdiscInfo(v6))
    }

    fn gone_at_peer<A: Copy + Into<IpAddr>>(&mut self, told: &[NeighbourEntry<A>]) {
        let gone = told.iter().filter(|entry| entry.op == EntryOp::Delete);
        for told in gone.filter(|_| self.one_sight) {
            let (interface, address) = (told.interface, told.address.into());
            let key = NeighbourKey { interface, address };
            if let Some(entry) = self.entries.get_mut(&key)
                && entry.remote.is_some_and(|remote| !remote.permanent)
            {
                entry.remote = None;
                self.to_install.insert(key);
            }
        }
    }

    /// `syncd` knows nothing any more; say every change from now on.
    pub fn syncd_up(&mut self) {
        self.telling = Telling::Changes;
        self.to_install.clear();
        for (&key, entry) in &mut self.entries {
            entry.wanted = None;
            let interface = self.interfaces.get(&key.interface);
            if entry.is_idle() || entry.target(key, interface).is_some() {
                self.to_install.insert(key);
            }
        }
    }

    /// Name everything that is wanted, so that `syncd` drops the rest.
    pub fn tell_everything(&mut self) {
        self.telling = Telling::Snapshot(None);
    }

    /// True if there is something to tell `syncd`.
    #[must_use]
    pub fn has_ops(&self) -> bool {
        !self.to_install.is_empty() || self.telling != Telling::Changes
    }

    /// Drop what only waits to be dropped, where no dataplane wants neighbours.
    pub fn skip_ops(&mut self) {
        self.telling = Telling::Changes;
        while let Some(key) = self.to_install.pop_first() {
            if self.entries.get(&key).is_some_and(Entry::is_idle) {
                self.entries.remove(&key);
            }
        }
    }

    /// Append up to about `max` operations for `syncd`.
    pub fn next_ops(&mut self, max: usize, out: &mut Vec<Op>) {
        let limit = out.len() + max;
        if let Telling::Snapshot(named) = self.telling {
            self.next_of_snapshot(named, limit, out);
        }
        while out.len() < limit {
            let Some(key) = self.to_install.pop_first() else {
                return;
            };
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            let target = entry.target(key, self.interfaces.get(&key.interface));
            let again = std::mem::take(&mut entry.renew) && target.is_some();
            if target != entry.wanted || again {
                entry.wanted = target;
                out.push(match target {
                    Some(want) => Op::Neighbour { key, want },
                    None => Op::NeighbourRelease { key },
                });
            }
            if entry.is_idle() {
                self.entries.remove(&key);
            }
        }
    }

    fn next_of_snapshot(&mut self, named: Option<NeighbourKey>, limit: usize, out: &mut Vec<Op>) {
        if named.is_none() {
            out.push(Op::SnapshotBegin(Section::Neighbours));
        }
        let from = named.map_or(Bound::Unbounded, Bound::Excluded);
        for (&key, entry) in self.entries.range_mut((from, Bound::Unbounded)) {
            if out.len() >= limit {
                return;
            }
            entry.wanted = entry.target(key, self.interfaces.get(&key.interface));
            if let Some(want) = entry.wanted {
                out.push(Op::Neighbour { key, want });
            }
            self.telling = Telling::Snapshot(Some(key));
        }
        out.push(Op::SnapshotEnd(Section::Neighbours));
        self.telling = Telling::Changes;
    }

    fn is_own(&self, key: &NeighbourKey) -> bool {
        let interface = self.interfaces.get(&key.interface);
        interface.is_some_and(|interface| interface.own.contains(&key.address))
    }

    fn is_full_for(&mut self, key: &NeighbourKey) -> bool {
        let full = self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(key);
        self.ignored += u64::from(full);
        full
    }

    fn queue_of(&mut self, key: &NeighbourKey) -> &mut BTreeSet<NeighbourKey> {
        &mut self.to_announce[usize::from(key.address.is_ipv6())]
    }

    fn touch_all(&mut self, name: IfName, change: impl Fn(&mut Entry)) {
        let keys: Vec<NeighbourKey> = self
            .entries
            .range_mut(all_of(name))
            .map(|(key, entry)| {
                change(entry);
                *key
            })
            .collect();
        for key in keys {
            self.touch(key);
        }
    }

    fn touch(&mut self, key: NeighbourKey) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        let for_peer = entry.for_peer(key, self.interfaces.get(&key.interface));
        if for_peer.is_none() || !self.announcing {
            entry.repeat = false;
        }
        // The peer has it, and said so itself.
        let redundant = entry.announced.is_none()
            && entry
                .remote
                .is_some_and(|remote| !remote.stale && Some(remote.mac) == for_peer);
        let changed = for_peer != entry.announced && !redundant;
        if self.announcing && (changed || entry.repeat) {
            self.queue_of(&key).insert(key);
        }
        self.to_install.insert(key);
    }
}

fn announce<A>(
    queue: &mut BTreeSet<NeighbourKey>,
    entries: &mut BTreeMap<NeighbourKey, Entry>,
    interfaces: &BTreeMap<IfName, Interface>,
    max: usize,
    family: impl Fn(IpAddr) -> Option<A>,
) -> Vec<NeighbourEntry<A>> {
    let mut batch = Vec::with_capacity(max.min(queue.len()));
    while batch.len() < max {
        let Some(key) = queue.pop_first() else {
            break;
        };
        let (Some(entry), Some(address)) = (entries.get_mut(&key), family(key.address)) else {
            continue;
        };
        let for_peer = entry.for_peer(key, interfaces.get(&key.interface));
        let repeat = std::mem::take(&mut entry.repeat);
        if for_peer == entry.announced && !repeat {
            continue;
        }
        let (op, mac) = match (for_peer, entry.announced) {
            (Some(mac), _) => (EntryOp::Add, mac),
            (None, Some(mac)) => (EntryOp::Delete, mac),
            (None, None) => continue,
        };
        entry.announced = for_peer;
        if entry.is_idle() {
            entries.remove(&key);
        }
        batch.push(NeighbourEntry {
            op,
            flags: NeighbourFlags::empty(),
            interface: key.interface,
            address,
            mac,
        });
    }
    batch
}

fn all_of(interface: IfName) -> RangeInclusive<NeighbourKey> {
    let key = |address| NeighbourKey { interface, address };
    let (first, last) = (
        Ipv4Addr::UNSPECIFIED.into(),
        Ipv6Addr::from([0xff; 16]).into(),
    );
    key(first)..=key(last)
}

fn can_be_a_neighbour(address: IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(v4) => v4.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    !special && !address.is_multicast() && !address.is_unspecified() && !address.is_loopback()
}

#[cfg(test)]
mod tests;
