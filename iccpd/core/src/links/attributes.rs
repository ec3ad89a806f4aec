//! Settings of interfaces from which little follows but a warning.

use super::{Link, Links};
use mclag_proto::{IfName, Vid};
use std::collections::{BTreeMap, BTreeSet};

/// MTU of an Ethernet interface unless somebody says otherwise, in bytes.
const ETHERNET: u32 = 1500;

/// By index.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    mtus: BTreeMap<u32, u32>,
    spanning_trees: BTreeSet<u32>,
    /// Those of before the listing that is under way.
    listed_spanning_trees: BTreeSet<u32>,
    /// That are not VLAN 1.
    pvids: BTreeMap<u32, Option<Vid>>,
}

impl Attributes {
    /// A listing begins, which says again what is not the usual. Whether a bridge runs spanning tree decides on ports, so
    /// that is believed until the end.
    pub(super) fn listing_begins(&mut self) {
        self.mtus.clear();
        self.pvids.clear();
        let before = std::mem::take(&mut self.spanning_trees);
        self.listed_spanning_trees.extend(before);
    }

    pub(super) fn listing_ends(&mut self) {
        self.listed_spanning_trees.clear();
    }

    pub(super) fn retain(&mut self, is_known: impl Fn(&u32) -> bool) {
        self.mtus.retain(|index, _| is_known(index));
        self.pvids.retain(|index, _| is_known(index));
        self.spanning_trees.retain(is_known);
    }

    pub(super) fn forget(&mut self, index: u32) {
        self.mtus.remove(&index);
        self.spanning_trees.remove(&index);
        self.listed_spanning_trees.remove(&index);
        self.pvids.remove(&index);
    }
}

impl Links {
    /// Whether a bridge runs the kernel's spanning tree.
    pub fn set_spanning_tree(&mut self, index: u32, on: bool) {
        self.reshaped();
        let known = &mut self.attributes.spanning_trees;
        match on {
            true => known.insert(index),
            false => known.remove(&index),
        };
    }

    /// MTU of a bridge port, in bytes.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) {
        self.reshaped();
        self.attributes.mtus.insert(index, mtu);
    }

    /// VLAN of frames that arrive at a bridge port without a tag; none where they are dropped.
    pub fn set_pvid(&mut self, index: u32, vid: Option<Vid>) {
        self.reshaped();
        self.attributes.pvids.insert(index, vid);
    }

    /// VLAN of frames that arrive at a port of this bridge without a tag, none where they are dropped; or none if the
    /// bridge filters no VLANs, or the port is in none.
    #[must_use]
    pub fn pvid(&self, name: &IfName, bridge: &IfName) -> Option<Option<Vid>> {
        let index = self.by_name(name)?.index;
        // The kernel says those of a port with its VLANs, and nothing where the VLANs are another dataplane's.
        let is_in_one = self
            .vlans
            .of_kernel(index)
            .is_some_and(|vids| !vids.is_empty());
        let pvid = self.attributes.pvids.get(&index).copied();
        (self.filters(bridge) && is_in_one).then(|| pvid.unwrap_or(Some(Vid::DEFAULT)))
    }

    /// A bridge of this name runs the kernel's spanning tree.
    #[must_use]
    pub fn runs_spanning_tree(&self, bridge: &IfName) -> bool {
        let Attributes {
            spanning_trees,
            listed_spanning_trees,
            ..
        } = &self.attributes;
        self.by_name(bridge).is_some_and(|Link { index, .. }| {
            spanning_trees.contains(index) || listed_spanning_trees.contains(index)
        })
    }

    /// MTU of a bridge port in bytes; none if there is no such interface.
    #[must_use]
    pub fn mtu(&self, name: &IfName) -> Option<u32> {
        let index = self.by_name(name)?.index;
        Some(
            self.attributes
                .mtus
                .get(&index)
                .copied()
                .unwrap_or(ETHERNET),
        )
    }

    /// A bridge of this name filters VLANs.
    #[must_use]
    pub fn filters(&self, bridge: &IfName) -> bool {
        let bridge = self.by_name(bridge);
        bridge.is_some_and(|bridge| self.filtering.contains(&bridge.index))
    }
}
