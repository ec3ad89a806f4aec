//! The kernel's interfaces as last reported, and what follows from them for the domain. `attributes.rs`: what is only
//! warned of. `vlans.rs`:
//! their VLANs; `own.rs`: the addresses of this chassis; `turn.rs`: what an input takes or gives; `carrying.rs`: whether a port would carry data.

mod attributes;
mod carrying;
mod own;
mod turn;
mod vlans;

use crate::input::{Link, LinkKind};
use attributes::Attributes;
pub use carrying::Lone;
use ipnetwork::IpNetwork;
use mclag_proto::sync::snapshot::Snapshot;
use mclag_proto::{IfName, LacpPartner, Vid};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
pub use turn::Turn;
use vlans::Vlans;

/// VLANs of one port: there may be 4094 on each of hundreds, and whoever follows them keeps a copy.
pub type Vids = Arc<BTreeSet<Vid>>;

/// Whether each interface that the kernel has runs: there may be thousands, whoever follows them
/// keeps a copy, and most of what is reported changes none of it.
pub type Running = Arc<BTreeMap<IfName, bool>>;

/// Every interface the kernel has.
#[derive(Clone, Debug, Default)]
pub struct Links {
    by_index: BTreeMap<u32, Link>,
    by_name: BTreeMap<IfName, u32>,
    running: Running,
    /// Members of each LAG or bridge.
    slaves: BTreeMap<u32, BTreeSet<u32>>,
    /// VLAN interfaces on top of each interface.
    uppers: BTreeMap<u32, BTreeSet<u32>>,
    vlans: Vlans,
    /// Bridges that filter VLANs.
    filtering: BTreeSet<u32>,
    attributes: Attributes,
    addresses: BTreeMap<u32, Vec<IpNetwork>>,
    /// Interfaces that have, or had, an IPv4 address.
    had_ipv4: BTreeSet<u32>,
    generation: u64,
    shape: u64,
    listing: Snapshot<u32>,
    complete: bool,
}

/// One LAG member, as an operator sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MemberState {
    /// Its name.
    pub name: IfName,
    /// It can carry frames.
    pub running: bool,
    /// The LAG lets it carry data.
    pub distributing: bool,
}

impl Links {
    /// Counts changes: while it stays the same, so does everything below.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The same of everything but what comes and goes with the links: whether interfaces run and who is at their
    /// other end.
    #[must_use]
    pub const fn shape(&self) -> u64 {
        self.shape
    }

    /// More than that changed.
    pub(super) const fn reshaped(&mut self) {
        self.generation += 1;
        self.shape += 1;
    }

    /// A full listing begins.
    pub fn begin(&mut self) {
        self.reshaped();
        self.listing.begin();
        self.attributes.listing_begins();
    }

    /// The listing is complete: what was not in it is gone. Nothing follows if none had begun.
    pub fn end(&mut self) {
        let Some(named) = self.listing.end() else {
            return;
        };
        self.reshaped();
        for index in named.unnamed(self.by_index.keys()) {
            self.remove(index);
        }
        let known = &self.by_index;
        self.vlans.retain(|index| known.contains_key(index));
        self.filtering.retain(|index| known.contains_key(index));
        self.attributes.listing_ends();
        self.attributes.retain(|index| known.contains_key(index));
        self.addresses.retain(|index, _| known.contains_key(index));
        self.had_ipv4.retain(|index| known.contains_key(index));
        self.complete = true;
    }

    /// True while a listing is under way: what it has not named yet may be gone.
    #[must_use]
    pub const fn is_listing(&self) -> bool {
        self.listing.is_under_way()
    }

    /// True once a full listing has been seen.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The interfaces have been listed, and are not being listed anew.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.complete && !self.is_listing()
    }

    /// An interface as it is now.
    pub fn upsert(&mut self, link: Link) {
        self.generation += 1;
        match self.by_name.insert(link.name, link.index) {
            // A lost event may leave an older interface of the same name behind
            // (`spec/behaviour.md` 10.1). Or two swap their names: then the older one is
            // reported again under its new name, but its VLANs are not.
            Some(older) if older != link.index => self.unlist(older),
            _ => {}
        }
        let is_tunnel = |link: &Link| link.kind == LinkKind::Vxlan;
        let shape = |link: &Link| (link.name, link.mac, link.master, is_tunnel(link));
        if self.by_index.get(&link.index).map(shape) != Some(shape(&link)) {
            self.shape += 1;
        }
        if let Some(before) = self.by_index.get(&link.index) {
            if before.name != link.name && self.by_name.get(&before.name) == Some(&link.index) {
                self.by_name.remove(&before.name);
                note_running(&mut self.running, before.name, None);
            }
            let before = (before.master, lower(before));
            self.detach(link.index, before);
        }
        note_running(&mut self.running, link.name, Some(link.running));
        if let Some(master) = link.master {
            self.slaves.entry(master).or_default().insert(link.index);
        }
        if let Some(lower) = lower(&link) {
            self.uppers.entry(lower).or_default().insert(link.index);
        }
        self.listing.name(link.index);
        self.by_index.insert(link.index, link);
    }

    /// VLANs of a bridge port as they are now.
    pub fn set_vids(&mut self, index: u32, vids: BTreeSet<Vid>) {
        self.reshaped();
        self.vlans.set(index, vids);
    }

    /// Whether a bridge filters VLANs.
    pub fn set_filtering(&mut self, index: u32, on: bool) {
        self.reshaped();
        match on {
            true => self.filtering.insert(index),
            false => self.filtering.remove(&index),
        };
    }

    /// Addresses of an interface as they are now.
    pub fn set_addresses(&mut self, index: u32, addresses: Vec<IpNetwork>) {
        self.generation += 1;
        if addresses.iter().any(IpNetwork::is_ipv4) {
            self.had_ipv4.insert(index);
        }
        self.addresses.insert(index, addresses);
    }

    /// The dataplane says whether a port, which need not exist, is in a VLAN. From then on its word
    /// counts for this port (`spec/mclagsyncd-protocol.md` 5.4).
    pub fn set_member(&mut self, port: IfName, vid: Vid, member: bool) {
        if self.vlans.set_member(port, vid, member) {
            self.reshaped();
        }
    }

    /// The dataplane begins to say everything again. Until it has, what it said before counts, also
    /// while it is gone (`spec/behaviour.md` 14.6).
    pub fn members_begin(&mut self) {
        self.vlans.begin();
    }

    /// It is gone, in the middle of that perhaps.
    pub fn members_abandon(&mut self) {
        self.vlans.abandon();
    }

    /// It has said everything: what it did not say again counts no longer, and the kernel's word does
    /// for ports that it did not name.
    pub fn members_end(&mut self) {
        if self.vlans.end() {
            self.reshaped();
        }
    }

    /// An interface is gone.
    pub fn remove(&mut self, index: u32) {
        self.reshaped();
        if let Some(link) = self.by_index.get(&index)
            && self.by_name.get(&link.name) == Some(&index)
        {
            self.by_name.remove(&link.name);
            note_running(&mut self.running, link.name, None);
        }
        self.forget(index);
    }

    fn forget(&mut self, index: u32) {
        self.unlist(index);
        self.vlans.forget(index);
        self.filtering.remove(&index);
        self.attributes.forget(index);
        self.addresses.remove(&index);
        self.had_ipv4.remove(&index);
    }

    fn unlist(&mut self, index: u32) {
        if let Some(link) = self.by_index.remove(&index) {
            self.detach(index, (link.master, lower(&link)));
        }
    }

    /// From its master, and from what it is a VLAN of.
    fn detach(&mut self, index: u32, (master, lower): (Option<u32>, Option<u32>)) {
        for (sets, at) in [(&mut self.slaves, master), (&mut self.uppers, lower)] {
            let Some(at) = at else { continue };
            if let Some(set) = sets.get_mut(&at) {
                set.remove(&index);
                if set.is_empty() {
                    sets.remove(&at);
                }
            }
        }
    }

    /// The interface of this name.
    #[must_use]
    pub fn by_name(&self, name: &IfName) -> Option<&Link> {
        self.by_index.get(self.by_name.get(name)?)
    }

    /// True if the interface exists.
    #[must_use]
    pub fn exists(&self, name: &IfName) -> bool {
        self.by_name(name).is_some()
    }

    /// Members of the LAG `index`, by name.
    #[must_use]
    pub fn members(&self, index: u32) -> Vec<MemberState> {
        let mut members: Vec<MemberState> = self.each_member(index).collect();
        members.sort_by_key(|member| member.name);
        members
    }

    /// The same in no order, for who counts them.
    fn each_member(&self, index: u32) -> impl Iterator<Item = MemberState> {
        let slaves = self.slaves.get(&index).into_iter().flatten();
        let links = slaves.filter_map(|slave| self.by_index.get(slave));
        links.map(|link| MemberState {
            name: link.name,
            running: link.running,
            distributing: link.running && link.member.is_some_and(|m| m.distributing),
        })
    }

    /// Whether an ordinary interface can carry frames.
    #[must_use]
    pub fn is_running(&self, name: &IfName) -> bool {
        self.by_name(name).is_some_and(|link| link.running)
    }

    /// The same, and no spanning tree forbids it.
    #[must_use]
    pub fn passes_frames(&self, name: &IfName) -> bool {
        self.by_name(name).is_some_and(Link::passes_frames)
    }

    /// The LACP partner of a LAG.
    #[must_use]
    pub fn partner(&self, name: &IfName) -> Option<LacpPartner> {
        match self.by_name(name)?.kind {
            LinkKind::Lag { partner, .. } => partner,
            LinkKind::Bridge
            | LinkKind::Vlan { .. }
            | LinkKind::Macvlan { .. }
            | LinkKind::Vxlan
            | LinkKind::Vrf
            | LinkKind::Other => None,
        }
    }

    /// VLANs of a bridge port; `None` while they are not known.
    #[must_use]
    pub fn vids(&self, name: &IfName) -> Option<&Vids> {
        self.vlans.of(self.by_name(name)?)
    }

    /// The interface with this number.
    #[must_use]
    pub fn by_index(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)
    }

    /// Every interface.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.by_index.values()
    }

    /// Whether each interface runs; the same copy as long as that does not change.
    #[must_use]
    pub const fn running(&self) -> &Running {
        &self.running
    }

    /// Addresses of an interface.
    #[must_use]
    pub fn addresses(&self, name: &IfName) -> &[IpNetwork] {
        let index = self.by_name(name).map(|link| link.index);
        let addresses = index.and_then(|index| self.addresses.get(&index));
        addresses.map_or(&[], Vec::as_slice)
    }

    /// Whether an interface has this address: of a loopback address, any has the rest of its network.
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        let is_it = |network: &IpNetwork| {
            network.ip() == address || (network.ip().is_loopback() && network.contains(address))
        };
        self.addresses.values().flatten().any(is_it)
    }

    /// VLAN of a VLAN interface of that bridge.
    #[must_use]
    pub fn svi_vid(&self, link: &Link, bridge: &IfName) -> Option<Vid> {
        let bridge = self.by_name(bridge)?;
        match link.kind {
            LinkKind::Vlan { vid, parent } if parent == bridge.index => Some(vid),
            _ => None,
        }
    }

    /// Whether an interface has an IPv4 address, or had one.
    #[must_use]
    pub fn had_ipv4(&self, name: &IfName) -> bool {
        let link = self.by_name(name);
        link.is_some_and(|link| self.had_ipv4.contains(&link.index))
    }

    /// Whether an interface works on layer 3: it has an IPv4 address, an IPv6 address that is not
    /// link-local, or belongs to a VRF (`spec/behaviour.md` 10.5).
    #[must_use]
    pub fn is_layer3(&self, name: &IfName) -> bool {
        let global = |network: &IpNetwork| match network {
            IpNetwork::V4(_) => true,
            IpNetwork::V6(v6) => !v6.ip().is_unicast_link_local(),
        };
        let master = self.by_name(name).and_then(|link| link.master);
        let master = master.and_then(|index| self.by_index.get(&index));
        self.addresses(name).iter().any(global)
            || master.is_some_and(|master| master.kind == LinkKind::Vrf)
    }
}

/// The interface that a VLAN interface is on top of.
const fn lower(link: &Link) -> Option<u32> {
    match link.kind {
        LinkKind::Vlan { parent, .. } => Some(parent),
        _ => None,
    }
}

/// An interface runs, does not, or is gone.
fn note_running(known: &mut Running, name: IfName, running: Option<bool>) {
    if known.get(&name).copied() == running {
        return;
    }
    let known = Arc::make_mut(known);
    match running {
        Some(running) => known.insert(name, running),
        None => known.remove(&name),
    };
}

#[cfg(test)]
pub(crate) mod tests;
