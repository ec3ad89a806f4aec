//! The neighbour table: which addresses of layer 3 are behind which address of layer 2, as far as
//! both chassis have to agree on it.
//!
//! Follows `spec/behaviour.md` 11 and `spec/iccp.md` 11. The two legs of a host carry different
//! flows: the answer to an ARP request of one chassis may arrive at the other. So each advertises to the
//! other what it knows, and installs what was advertised to it. The key is interface *and* address: two
//! VRFs may use the same one (W-17).
//!
//! The rules of the table, for the engine in `table.rs`: *local* is what this chassis' kernel resolved
//! or heard on the wire, *remote* what the peer advertises. They agree on the MAC; where they differ the
//! newer word wins. What the kernel resolved itself is left to it; what the peer advertised, or what was
//! merely heard, is installed. The kernel validates what was installed as it does any other entry; if
//! it gives one up that the peer still claims, it is put back.
//!
//! Which interfaces count, and how, is decided in `domain/neigh.rs`.

mod view;

use crate::input::{NeighbourFrom, NeighbourObservation};
use crate::table::{self, Concerns, Entry, Operation, Plain, Table};
use mclag_proto::iccp::{EntryOp, NeighbourEntry, NeighbourFlags, Tlv};
use mclag_proto::sync::model::{NeighbourKey, NeighbourWant, Op, Section};
use mclag_proto::{IfName, Mac};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

pub use view::Owner;

/// Most neighbours that are kept. What a peer or the wire makes up beyond that is counted and
/// ignored.
pub const MAX_ENTRIES: usize = 1 << 17;

/// What the table has to know of a layer-3 interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// Its own addresses, which are nobody's neighbours.
    pub own: BTreeSet<IpAddr>,
    /// Neighbours on it are advertised to the peer, provided that it has an address of their family.
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
    fn advertises(&self, address: IpAddr) -> bool {
        let same_family = |own: &IpAddr| own.is_ipv4() == address.is_ipv4();
        self.shared && self.own.iter().any(same_family)
    }
}

/// What this chassis observes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Local {
    mac: Mac,
    /// The kernel does not have it: it was heard on the wire, or lost with its port.
    absent: bool,
}

/// What the peer advertises.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Remote {
    mac: Mac,
    /// The peer's own address.
    permanent: bool,
}

/// The rules, with the layer-3 interfaces they depend on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Policy {
    interfaces: BTreeMap<IfName, Interface>,
}

impl table::Policy for Policy {
    type Key = NeighbourKey;
    type Local = Local;
    type Remote = Remote;
    type Advertised = Mac;
    type Programmed = NeighbourWant;
    type Op = Op;
    type Layout = Plain;

    const MAX_ENTRIES: usize = MAX_ENTRIES;
    const LANES: usize = 2;
    const FORGETS_SUPERSEDED: bool = false;

    fn lane(key: &NeighbourKey) -> usize {
        match key.address {
            IpAddr::V4(_) => V4,
            IpAddr::V6(_) => V6,
        }
    }

    fn advertise(&self, key: NeighbourKey, entry: &Entry<Self>) -> Option<Mac> {
        let interface = self.interfaces.get(&key.interface)?;
        let eligible = interface.advertises(key.address) && !interface.own.contains(&key.address);
        // What the peer advertised before the session was lost it may have forgotten.
        let echo = entry
            .remote
            .filter(|remote| entry.stale && !remote.permanent);
        let known = entry.local.map(|local| local.mac);
        known.or(echo.map(|remote| remote.mac)).filter(|_| eligible)
    }

    fn program(&self, key: NeighbourKey, entry: &Entry<Self>) -> Option<NeighbourWant> {
        let interface = self.interfaces.get(&key.interface)?;
        if interface.own.contains(&key.address) {
            return None;
        }
        let want = match (entry.local, entry.remote) {
            (None, Some(Remote { mac, permanent }))
            | (
                _,
                Some(Remote {
                    mac,
                    permanent: permanent @ true,
                }),
            ) => NeighbourWant { mac, permanent },
            (Some(Local { mac, absent: true }), _) if interface.advertises(key.address) => {
                let permanent = false;
                NeighbourWant { mac, permanent }
            }
            (Some(_) | None, _) => return None,
        };
        let stays = interface.lasting && entry.programmed == Some(want);
        (interface.reachable || stays).then_some(want)
    }

    /// The peer has it, and said so itself.
    fn is_echo(&self, entry: &Entry<Self>, advertise: Option<&Mac>) -> bool {
        let remote = entry.remote.as_ref().filter(|_| !entry.stale);
        entry.advertised.is_none() && remote.is_some_and(|remote| Some(&remote.mac) == advertise)
    }

    fn op(operation: Operation<Self>) -> Op {
        match operation {
            Operation::SnapshotBegin => Op::SnapshotBegin(Section::Neighbours),
            Operation::Program { key, want } => Op::Neighbour { key, want },
            Operation::Release { key, .. } => Op::NeighbourRelease { key },
            Operation::SnapshotEnd => Op::SnapshotEnd(Section::Neighbours),
        }
    }
}

impl Entry<Policy> {
    /// The kernel, or the wire, says that it is there.
    fn observed(&mut self, mac: Mac, from: NeighbourFrom) -> Concerns {
        self.unconfirmed = false;
        let heard = from == NeighbourFrom::Wire;
        if self.superseded.is_some_and(|before| before.mac == mac) && !heard {
            return Concerns::Nobody; // a late report of what the peer's newer word replaced
        }
        self.superseded = None;
        match self.remote {
            Some(remote) if remote.mac == mac => {}
            Some(remote) if remote.permanent => {
                self.reprogram = true; // the peer knows its own address
                return Concerns::Both;
            }
            Some(_) | None => self.set_remote(None),
        }
        let known = self.local.filter(|local| local.mac == mac);
        let absent = heard && known.is_none_or(|local| local.absent);
        self.local = Some(Local { mac, absent });
        self.readvertise |= heard;
        Concerns::Both
    }

    /// The kernel has it no longer.
    fn gone(&mut self, interface: Option<&Interface>) {
        self.unconfirmed = false;
        self.superseded = None;
        let parted = interface.is_some_and(|interface| interface.parted);
        if let (true, Some(local)) = (parted, &mut self.local) {
            local.absent = true;
        } else {
            self.local = None;
            if self.stale {
                self.set_remote(None); // nobody vouches for it any more
            }
        }
        self.reprogram = true;
    }

    fn advertised_by_peer(&mut self, remote: Remote) {
        if let Some(local) = self.local.filter(|local| local.mac != remote.mac) {
            self.superseded = Some(local).filter(|local| !local.absent);
            self.local = None;
        }
        if self.local.is_none() {
            self.advertised = None; // to withdraw it would take the peer's own away
        }
        self.readvertise = false;
        self.set_remote(Some(remote));
    }

    fn withdrawn_by_peer(&mut self) {
        self.set_remote(None);
        // The peer has just found that it cannot use it. To say it again at once would go on for
        // ever; the next change, or the next answer on the wire, is news.
        self.advertised = self.local.map(|local| local.mac);
    }
}

/// The queues to the peer: a message holds one family.
const V4: usize = 0;
const V6: usize = 1;

/// The neighbour table.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    table: Table<Policy>,
    /// Interfaces on which this chassis has, or had, neighbours.
    observed_on: BTreeSet<IfName>,
    /// See [`Neighbours::peer_keeps_one_observation`].
    one_observation: bool,
}

impl Neighbours {
    /// The kernel reports a neighbour, or that it has none; or one was heard on the wire.
    pub fn local_observation(
        &mut self,
        key: NeighbourKey,
        observation: Option<NeighbourObservation>,
    ) {
        if !can_be_a_neighbour(key.address) || self.is_own(&key) {
            return;
        }
        match observation {
            Some(NeighbourObservation { mac, from }) if mac.is_unicast() => {
                self.observed(key, mac, from)
            }
            // Broadcast: with IPv4 it counts as gone, with IPv6 it does not count.
            Some(_) if key.address.is_ipv6() => {}
            Some(_) | None => self.table.change(key, |entry, policy| {
                entry.gone(policy.interfaces.get(&key.interface));
                Concerns::Both
            }),
        }
    }

    fn observed(&mut self, key: NeighbourKey, mac: Mac, from: NeighbourFrom) {
        if from == NeighbourFrom::Installed {
            self.table.change(key, |entry, _| {
                entry.unconfirmed = false;
                entry.superseded = None;
                Concerns::Nobody
            });
        } else if self.table.is_full_for_local(&key) {
            self.table.ignore();
        } else {
            self.observed_on.insert(key.interface);
            self.table
                .change_or_add(key, |entry, _| entry.observed(mac, from));
        }
    }

    /// The kernel lists its neighbours: what it does not name is gone.
    pub fn listing_begins(&mut self) {
        self.table
            .listing_begins(|entry| entry.local.is_some_and(|local| !local.absent));
    }

    /// The listing is complete.
    pub fn listing_ends(&mut self) {
        self.table.listing_ends(|key, entry, policy| {
            entry.gone(policy.interfaces.get(&key.interface));
        });
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
        // What waits to be told about it would only be an echo: it concerns the dataplane alone.
        match op {
            EntryOp::Add if !mac.is_unicast() => {}
            EntryOp::Add if self.table.is_full_for_remote(&key) => self.table.ignore(),
            EntryOp::Add => self.table.change_or_add(key, |entry, _| {
                let own = NeighbourFlags::OWN_ADDRESS | NeighbourFlags::OWN_LINK_LOCAL;
                let permanent = flags.intersects(own);
                entry.advertised_by_peer(Remote { mac, permanent });
                Concerns::Dataplane
            }),
            EntryOp::Delete | EntryOp::Reserved(_) => self.table.change(key, |entry, _| {
                entry.withdrawn_by_peer();
                Concerns::Dataplane
            }),
        }
    }

    /// Interfaces, or what is to be done on them, changed.
    pub fn set_interfaces(&mut self, now: BTreeMap<IfName, Interface>) {
        if self.interfaces() == &now {
            return;
        }
        let before = self.table.replace_policy(Policy { interfaces: now });
        let now = self.interfaces().keys();
        let all: BTreeSet<IfName> = before.interfaces.keys().chain(now).copied().collect();
        for name in all {
            if before.interfaces.get(&name) != self.interfaces().get(&name) {
                self.review(name, |_| {});
            }
        }
    }

    /// The kernel has no neighbours on interfaces that it does not have. Looks at those only on which it
    /// had some: the peer may name any number of others.
    pub fn forget_interfaces(&mut self, exists: impl Fn(&IfName) -> bool) {
        let gone: Vec<IfName> = self
            .observed_on
            .extract_if(.., |name| !exists(name))
            .collect();
        for interface in gone {
            self.review(interface, |entry| entry.local = None);
        }
    }

    /// An MLAG port that these interfaces lead through came up: what was removed with it is put
    /// back (`spec/behaviour.md` 11.5).
    pub fn reinstall(&mut self, interfaces: &BTreeSet<IfName>) {
        for name in interfaces {
            self.review(*name, |entry| entry.reprogram = true);
        }
    }

    /// An MLAG port that these interfaces lead through came up at the peer: it is advertised again
    /// (`spec/behaviour.md` 11.3).
    pub fn repeat(&mut self, interfaces: &BTreeSet<IfName>) {
        for name in interfaces {
            self.review(*name, |entry| entry.readvertise = entry.local.is_some());
        }
    }

    /// Both are about to advertise everything to each other.
    pub fn session_begins(&mut self) {
        self.table
            .start_advertising(|entry, _| entry.advertised = None);
    }

    /// The session is gone. What is known stays known (`spec/behaviour.md` 6.6).
    pub fn session_down(&mut self) {
        self.table.session_down(|_, _, _| false);
    }

    /// Whether the peer knows of one observation only: what it is told to be gone it forgets, whoever it
    /// had it from (`spec/iccp.md` 11.2). Then its word for that is gone, too, which was perhaps no
    /// more than ours: it advertises everything it has when a session begins.
    pub const fn peer_keeps_one_observation(&mut self, yes: bool) {
        self.one_observation = yes;
    }

    /// The next advertisements for the peer, up to `max`, IPv4 first.
    pub fn next_advertisements(&mut self, max: usize) -> Option<Tlv> {
        let v4 = self.advertisements(V4, max, |address| match address {
            IpAddr::V4(v4) => Some(v4),
            IpAddr::V6(_) => None,
        });
        if !v4.is_empty() {
            return Some(Tlv::ArpInfo(v4));
        }
        let v6 = self.advertisements(V6, max, |address| match address {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        });
        (!v6.is_empty()).then_some(Tlv::NdiscInfo(v6))
    }

    fn advertisements<A: Copy + Into<IpAddr>>(
        &mut self,
        lane: usize,
        max: usize,
        family: impl Fn(IpAddr) -> Option<A>,
    ) -> Vec<NeighbourEntry<A>> {
        let batch = self.table.next_advertisements(lane, max, |op, key, mac| {
            Some(NeighbourEntry {
                op,
                flags: NeighbourFlags::empty(),
                interface: key.interface,
                address: family(key.address)?,
                mac,
            })
        });
        let gone = batch.iter().filter(|entry| entry.op == EntryOp::Delete);
        for withdrawn in gone.filter(|_| self.one_observation) {
            let (interface, address) = (withdrawn.interface, withdrawn.address.into());
            self.table
                .change(NeighbourKey { interface, address }, |entry, _| {
                    if entry.remote.is_some_and(|remote| !remote.permanent) {
                        entry.set_remote(None);
                    }
                    Concerns::Dataplane
                });
        }
        batch
    }

    /// `syncd` knows nothing any more; program every change from now on.
    pub fn syncd_up(&mut self) {
        self.table.dataplane_up();
    }

    /// What is known of the peer is all there is: `syncd` may drop the rest, now and whenever it
    /// connects.
    pub const fn complete(&mut self) {
        self.table.complete();
    }

    /// Drop what only waits to be dropped, where no dataplane wants neighbours.
    pub fn skip_ops(&mut self) {
        self.table.skip_ops();
    }

    /// Append up to about `max` operations for `syncd`.
    pub fn next_ops(&mut self, max: usize, out: &mut Vec<Op>) {
        self.table.next_ops(max, out);
    }

    const fn interfaces(&self) -> &BTreeMap<IfName, Interface> {
        &self.table.policy().interfaces
    }

    fn is_own(&self, key: &NeighbourKey) -> bool {
        let interface = self.interfaces().get(&key.interface);
        interface.is_some_and(|interface| interface.own.contains(&key.address))
    }

    fn review(&mut self, name: IfName, change: impl Fn(&mut Entry<Policy>)) {
        self.table
            .review(all_of(name), |_| true, |_, entry, _| change(entry));
    }
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
