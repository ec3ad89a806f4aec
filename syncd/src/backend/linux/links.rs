//! Interfaces of the kernel, by number and by name. Those that are followed keep their name; what the kernel calls them is
//! known here, and matters to the filter alone.

use std::collections::{BTreeMap, BTreeSet};

use mclag_netlink::{LinkInfo, LinkKind, Names};
use mclag_proto::IfName;

use crate::backend::BackendEvent;

/// Every interface of the kernel.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) by_index: BTreeMap<u32, LinkInfo>,
    pub(super) by_name: BTreeMap<IfName, u32>,
    /// VLAN interfaces, by the interface that they are on top of.
    vlans: BTreeMap<u32, BTreeSet<u32>>,
    pub(super) names: Names,
}

impl Links {
    /// All of them, as they were listed now. Answers those that were called otherwise.
    pub(super) fn renew(&mut self, by_index: BTreeMap<u32, LinkInfo>) -> Vec<BackendEvent> {
        let mut names = std::mem::take(&mut self.names);
        names.list(by_index.values().map(|link| (link.index, link.name)));
        let before = std::mem::take(self);
        self.names = names;
        for link in by_index.into_values() {
            self.insert(self.called(link));
        }
        self.renamed_since(&before)
    }

    fn renamed_since(&self, before: &Self) -> Vec<BackendEvent> {
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

    /// An interface, under the name that it is called.
    pub(super) fn called(&self, mut link: LinkInfo) -> LinkInfo {
        link.name = self.names.name(link.index).unwrap_or(link.name);
        link
    }

    /// Take in an interface, under the name that it is [called](Self::called); answers the name it had before, if that was
    /// another.
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

    /// Forget an interface that is gone; answers its name, and those of all that it was a VLAN interface on top of.
    pub(super) fn remove(&mut self, index: u32) -> Vec<IfName> {
        let with_below = self.with_below(index);
        self.names.forget(index);
        let Some(link) = self.by_index.remove(&index) else {
            return with_below;
        };
        self.forget_name(link.name, index);
        if let Some(lower) = lower(&link)
            && let Some(vlans) = self.vlans.get_mut(&lower)
        {
            vlans.remove(&index);
            if vlans.is_empty() {
                self.vlans.remove(&lower);
            }
        }
        with_below
    }

    /// Two may have swapped their names.
    fn forget_name(&mut self, name: IfName, index: u32) {
        if self.by_name.get(&name) == Some(&index) {
            self.by_name.remove(&name);
        }
    }

    /// The interface by which a default route leads to this one: itself, or a VLAN interface on top of it. Those of a
    /// bridge are interfaces of their own.
    pub(super) fn way_out(
        &self,
        link: &LinkInfo,
        leads_to: impl Fn(u32) -> bool,
    ) -> Option<IfName> {
        let mut found = BTreeSet::new();
        let mut next = vec![link.index];
        while let Some(index) = next.pop() {
            // What the kernel told at different times may go in a circle.
            if !found.insert(index) {
                continue;
            }
            if leads_to(index) {
                return self.name(index);
            }
            let is_bridge = |link: &LinkInfo| matches!(link.kind, LinkKind::Bridge { .. });
            if !self.by_index.get(&index).is_some_and(is_bridge) {
                next.extend(self.vlans.get(&index).into_iter().flatten());
            }
        }
        None
    }

    /// An interface, and those that it is a VLAN interface on top of.
    pub(super) fn with_below(&self, index: u32) -> Vec<IfName> {
        let mut found: Vec<&LinkInfo> = Vec::new();
        let mut next = Some(index);
        while let Some(link) = next.and_then(|index| self.by_index.get(&index))
            && !found.iter().any(|is| is.index == link.index)
        {
            found.push(link);
            next = lower(link);
        }
        found.into_iter().map(|link| link.name).collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mclag_netlink::{McastSnooping, Oper};

    use super::*;

    /// An interface by index; on top of another it is a VLAN interface.
    fn link(index: u32, kind: LinkKind) -> LinkInfo {
        LinkInfo {
            index,
            name: IfName::new(&format!("if{index}")).unwrap(),
            mac: None,
            admin_up: true,
            lower_up: true,
            oper: Oper::Up,
            master: None,
            mtu: 1500,
            kind,
            member: None,
            bridge_port: None,
        }
    }

    fn vlan(index: u32, lower: u32) -> LinkInfo {
        let link_below = Some(lower);
        let id = None;
        link(
            index,
            LinkKind::Vlan {
                id,
                link: link_below,
            },
        )
    }

    /// A port with a VLAN interface and one of that, a bridge with one, and two that are said to be on top of each other.
    fn links() -> Links {
        let bridge = LinkKind::Bridge {
            vlan_filtering: true,
            ageing_time: Duration::ZERO,
            mcast_snooping: McastSnooping::Off,
            spanning_tree: false,
        };
        let all = [
            link(1, LinkKind::Team),
            vlan(2, 1),
            vlan(3, 2),
            link(4, bridge),
            vlan(5, 4),
            vlan(6, 7),
            vlan(7, 6),
        ];
        let mut links = Links::default();
        let _ = links.renew(all.into_iter().map(|link| (link.index, link)).collect());
        links
    }

    #[test]
    fn a_default_route_over_a_vlan_interface_leads_to_what_is_below_it() {
        let links = links();
        let way_out = |index: u32, over: u32| {
            let way_out = links.way_out(&links.by_index[&index], |index| index == over);
            way_out.map(|name| name.to_string())
        };
        for (over, of) in [
            (1, [true, false, false, false, false, false, false]),
            (2, [true, true, false, false, false, false, false]),
            (3, [true, true, true, false, false, false, false]),
            (4, [false, false, false, true, false, false, false]),
            (5, [false, false, false, false, true, false, false]),
            (7, [false, false, false, false, false, true, true]),
        ] {
            for (index, is) in (1..).zip(of) {
                let wanted = is.then(|| format!("if{over}"));
                assert_eq!(way_out(index, over), wanted, "{index} over {over}");
            }
        }
    }

    #[test]
    fn below_a_vlan_interface_is_all_that_its_frames_go_through() {
        let links = links();
        let names = |index| -> Vec<String> {
            let names = links.with_below(index).into_iter();
            names.map(|name| name.to_string()).collect()
        };
        assert_eq!(names(1), ["if1"]);
        assert_eq!(names(3), ["if3", "if2", "if1"]);
        assert_eq!(names(5), ["if5", "if4"]);
        assert_eq!(names(6), ["if6", "if7"]);
        assert_eq!(names(9), [""; 0]);
    }

    /// What a default route over it led to.
    #[test]
    fn an_interface_that_is_gone_was_on_top_of_all_below_it() {
        let mut links = links();
        let below = links.with_below(3);
        assert_eq!(below.len(), 3);
        assert_eq!(links.remove(3), below);
        assert_eq!(links.way_out(&links.by_index[&1], |index| index == 3), None);
        assert_eq!(links.remove(3), []);
    }
}
