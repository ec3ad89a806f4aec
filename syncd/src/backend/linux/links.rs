//! Interfaces of the kernel, by number and by name.

use std::collections::{BTreeMap, BTreeSet};

use mclag_netlink::{LinkInfo, LinkKind};
use mclag_proto::IfName;

use crate::backend::BackendEvent;

/// Every interface of the kernel.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) by_index: BTreeMap<u32, LinkInfo>,
    pub(super) by_name: BTreeMap<IfName, u32>,
    /// VLAN interfaces, by the interface that they are on top of.
    vlans: BTreeMap<u32, BTreeSet<u32>>,
}

impl Links {
    pub(super) fn new(by_index: BTreeMap<u32, LinkInfo>) -> Self {
        let mut links = Self::default();
        for link in by_index.into_values() {
            links.insert(link);
        }
        links
    }

    /// Interfaces that were called otherwise in an earlier listing.
    pub(super) fn renamed_since(&self, before: &Self) -> Vec<BackendEvent> {
        let both = before.by_index.values();
        let both = both.filter_map(|link| Some((link.name, self.name(link.index)?)));
        let renamed = both.filter(|(from, to)| from != to);
        renamed
            .map(|(from, to)| BackendEvent::Renamed { from, to })
            .collect()
    }

    pub(super) fn named(&self, name: &IfName) -> Option<&LinkInfo> {
        self.by_index.get(self.by_name.get(name)?)
    }

    pub(super) fn name(&self, index: u32) -> Option<IfName> {
        Some(self.by_index.get(&index)?.name)
    }

    /// Take in an interface; answers the name it had before, if that was another.
    pub(super) fn insert(&mut self, link: LinkInfo) -> Option<IfName> {
        let (index, name) = (link.index, link.name);
        if let Some(lower) = lower(&link) {
            self.vlans.entry(lower).or_default().insert(index);
        }
        let before = self.by_index.insert(index, link).map(|link| link.name);
        self.by_name.insert(name, index);
        let renamed = before.filter(|before| *before != name);
        if let Some(old) = renamed {
            self.forget_name(old, index);
        }
        renamed
    }

    /// Forget an interface that is gone; answers what it was.
    pub(super) fn remove(&mut self, index: u32) -> Option<LinkInfo> {
        let link = self.by_index.remove(&index)?;
        self.forget_name(link.name, index);
        if let Some(lower) = lower(&link)
            && let Some(vlans) = self.vlans.get_mut(&lower)
        {
            vlans.remove(&index);
            if vlans.is_empty() {
                self.vlans.remove(&lower);
            }
        }
        Some(link)
    }

    /// Two may have swapped their names.
    fn forget_name(&mut self, name: IfName, index: u32) {
        if self.by_name.get(&name) == Some(&index) {
            self.by_name.remove(&name);
        }
    }

    /// The VLAN interface through which an interface would pass frames of an MLAG port or peer link beside it: one on
    /// top of it that is a port of a bridge, or itself on top of a LAG.
    pub(super) fn vlan_port(&self, link: &LinkInfo) -> Option<IfName> {
        let at = |index: u32| self.by_index.get(&index);
        let is_lag = |link: &LinkInfo| matches!(link.kind, LinkKind::Bond(_) | LinkKind::Team);
        if lower(link).and_then(at).is_some_and(is_lag) {
            return Some(link.name);
        }
        let is_bridge = |link: &LinkInfo| matches!(link.kind, LinkKind::Bridge { .. });
        // Those of a bridge are its own interfaces.
        let vlans = self.vlans.get(&link.index).filter(|_| !is_bridge(link));
        let mut vlans = vlans.into_iter().flatten().filter_map(|index| at(*index));
        let bridged = vlans.find(|vlan| vlan.master.and_then(at).is_some_and(is_bridge));
        bridged.map(|vlan| vlan.name)
    }
}

/// The interface that a VLAN interface is on top of.
pub(super) const fn lower(link: &LinkInfo) -> Option<u32> {
    match link.kind {
        LinkKind::Vlan { link, .. } => link,
        _ => None,
    }
}
