//! What the address table knows of the ports, and what follows when that changes.

use super::{Entry, FdbKey, Local, Place, Policy, Standing};
use crate::links::{Running, Vids};
use mclag_proto::{IfName, Vid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the table has to know of the ports.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ports {
    /// The MLAG ports.
    pub mlag: BTreeSet<IfName>,
    /// Those of them that the peer does not have: what it calls by this name is a port of its own, and one that both
    /// see there is in two places.
    pub apart: BTreeSet<IfName>,
    /// Those of them whose hosts are reached over the peer link for now, whatever the dataplane does with entries of a
    /// port that is down.
    pub detours: BTreeSet<IfName>,
    /// The peer link.
    pub peer_link: Option<IfName>,
    /// VLANs of each of these; a port without an entry takes any, one that is missing from the
    /// kernel has an empty one.
    pub vids: BTreeMap<IfName, Vids>,
    /// The dataplane neither reports activity on entries that were installed
    /// ([`mclag_proto::sync::model::Abilities::tracking`]) nor knows what to do with the entries
    /// of a port that is down: both are decided here, as `spec/behaviour.md` 9 has it. The states
    /// below count only then.
    pub unreported: bool,
    /// MLAG ports that are down here.
    pub down: BTreeMap<IfName, Outage>,
    /// Every interface that the kernel has, and whether it runs. Of what is reported on another one
    /// (`spec/iccp.md` 10.2) a new address is kept, and not advertised; a known one stays where
    /// it was. Both count when the interface is there. Empty while the dataplane tracks.
    pub kernel: Running,
    /// The peer link is down.
    pub peer_link_down: bool,
    /// The kernel has the bridge, and no interface of the peer link's name.
    pub peer_link_missing: bool,
    /// State of each MLAG port at the peer; missing while the peer has not advertised it.
    pub at_peer: BTreeMap<IfName, bool>,
    /// Addresses behind single-homed ports are not exchanged: the peer cannot carry them
    /// (`spec/iccp.md` 10.4).
    pub no_orphans: bool,
    /// The addresses of this chassis itself: the bridge has entries of its own for them.
    pub own: Own,
}

/// Addresses of a chassis itself. There may be thousands, whoever follows them keeps a copy, and they change
/// seldom.
pub type Own = Arc<BTreeSet<FdbKey>>;

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

    /// An MLAG port or the peer link is in the VLAN; the peer link alone is enough (P-15).
    #[must_use]
    pub fn any_carries(&self, vid: Vid) -> bool {
        let mut names = self.peer_link.iter().chain(&self.mlag);
        names.any(|name| self.carries(name, vid))
    }

    /// The peer is to know what is behind a single-homed port. Without a peer link only what `is_advertised` already: the
    /// interface that leads to it may have another name than in the configuration, and what is behind the peer be learned
    /// there as on any port. What was advertised before is no such, and a peer link that comes back finds it as it was.
    pub(super) const fn reach_orphan(&self, is_advertised: bool) -> bool {
        !self.no_orphans && (is_advertised || !self.peer_link_missing)
    }

    /// An MLAG port that the peer has as well, as far as is known.
    pub(super) fn is_mlag(&self, port: &IfName) -> bool {
        self.mlag.contains(port) && !self.apart.contains(port)
    }

    /// How long an MLAG port is down, where that matters.
    pub(super) fn outage(&self, port: &IfName) -> Option<Outage> {
        let counts = self.unreported && self.is_mlag(port);
        self.down.get(port).copied().filter(|_| counts)
    }

    /// A single-homed port that is down, or that the kernel does not have yet.
    pub(super) fn is_orphan_down(&self, port: &IfName) -> bool {
        self.unreported && !self.is_mlag(port) && self.kernel.get(port) != Some(&true)
    }

    /// The kernel has no such interface, where that matters.
    pub(super) fn is_unknown(&self, port: &IfName) -> bool {
        self.unreported && !self.kernel.contains_key(port)
    }

    /// The peer link, if frames can be sent over it.
    pub(super) fn usable_peer_link(&self) -> Option<IfName> {
        let unusable = self.unreported && self.peer_link_down;
        self.peer_link.filter(|_| !unusable)
    }
}

/// What changed between two states of the ports.
pub(super) struct Change<'a> {
    pub(super) before: &'a Ports,
    pub(super) now: &'a Ports,
    /// The peer's word on its ports is of this session.
    synchronised: bool,
}

impl<'a> Change<'a> {
    pub(super) const fn new(before: &'a Ports, now: &'a Ports, synchronised: bool) -> Self {
        Self {
            before,
            now,
            synchronised,
        }
    }

    /// Not so one that the kernel has yet to make: what was reported there waits for it, whether the
    /// kernel was listed before the report or after.
    pub(super) fn went_down(&self, port: &IfName) -> bool {
        let is_awaited = self.before.is_unknown(port) && self.now.is_unknown(port);
        self.now.outage(port).is_some() && self.before.outage(port).is_none() && !is_awaited
    }

    pub(super) fn came_up(&self, port: &IfName) -> bool {
        self.now.outage(port).is_none() && self.before.outage(port).is_some()
    }

    pub(super) fn grew_long(&self, port: &IfName) -> bool {
        self.now.outage(port) == Some(Outage::Long)
            && self.before.outage(port) != Some(Outage::Long)
    }

    pub(super) fn lost_at_peer(&self, port: &IfName) -> bool {
        let up = |ports: &Ports| ports.at_peer.get(port) == Some(&true);
        self.synchronised && self.now.is_mlag(port) && up(self.before) && !up(self.now)
    }

    pub(super) fn left_domain(&self, port: &IfName) -> bool {
        self.before.is_mlag(port) && !self.now.is_mlag(port)
    }

    /// The port left the domain and joined it again before the dataplane was told what follows from it.
    fn is_served_again(&self, entry: &Entry<Policy>, remote: Place) -> bool {
        let is_there = |own: Local| own.place.port == remote.port;
        self.joined_domain(&remote.port)
            && entry.superseded.is_some_and(is_there)
            && self.now.outage(&remote.port).is_none()
    }

    fn joined_domain(&self, port: &IfName) -> bool {
        !self.before.is_mlag(port) && self.now.is_mlag(port)
    }

    /// The ports whose entries are concerned, or none if all entries are.
    pub(super) fn ports(&self) -> Option<BTreeSet<IfName>> {
        let Self { before, now, .. } = self;
        let link = |ports: &Ports| {
            let vids = ports
                .peer_link
                .and_then(|port| ports.vids.get(&port).cloned());
            (ports.peer_link, ports.usable_peer_link(), vids)
        };
        let rules = |ports: &Ports| (ports.unreported, ports.no_orphans, ports.peer_link_missing);
        if rules(before) != rules(now) || link(before) != link(now) {
            return None;
        }
        let mlag = before.mlag.symmetric_difference(&now.mlag);
        let apart = before.apart.symmetric_difference(&now.apart);
        let detours = before.detours.symmetric_difference(&now.detours);
        let mut ports: BTreeSet<IfName> = mlag.chain(apart).chain(detours).copied().collect();
        differing(&before.vids, &now.vids, &mut ports);
        if now.unreported {
            differing(&before.at_peer, &now.at_peer, &mut ports);
            differing(&before.down, &now.down, &mut ports);
            if !Arc::ptr_eq(&before.kernel, &now.kernel) {
                differing(&before.kernel, &now.kernel, &mut ports);
            }
        }
        Some(ports)
    }

    /// Carry an entry over.
    pub(super) fn follow(&self, key: FdbKey, entry: &mut Entry<Policy>) {
        if self.before.unreported && !self.now.unreported {
            entry.belongs_to_dataplane();
        }
        let rules = self.now.rules();
        match (entry.local, entry.remote) {
            (Some(local), _) => rules.follow_local(key, entry, local, self),
            (None, Some(remote)) if self.is_served_again(entry, remote) => entry.stands_again(),
            (None, Some(remote)) if self.lost_at_peer(&remote.port) => {
                rules.lost_at_peer(key, entry, remote, self.now);
            }
            (None, _) => {}
        }
    }
}

impl Entry<Policy> {
    /// What this chassis observes is what it was: nobody was told otherwise.
    fn stands_again(&mut self) {
        self.local = self.superseded.take();
        self.readvertise = true;
    }

    /// The port may have joined or left the domain.
    pub(super) fn follow_domain(&mut self, local: Local, change: &Change<'_>) {
        let place = local.place;
        if change.joined_domain(&place.port) {
            self.readvertise = true; // it was advertised as an orphan's (W-16)
        }
        if !change.left_domain(&place.port) {
            return;
        }
        if local.standing == Standing::ViaPeerLink {
            self.local = None;
            return;
        }
        // Two different places from now on (W-15).
        let Some(remote) = self.remote.filter(|remote| remote.port == place.port) else {
            return;
        };
        if !place.configured {
            // By way of the peer link until the host speaks here (`spec/behaviour.md` 9.12).
            self.superseded = Some(place.into());
            self.local = None;
        } else if !remote.configured {
            self.displace_learned(place, remote);
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
