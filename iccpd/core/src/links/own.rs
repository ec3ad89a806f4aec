//! The addresses of this chassis itself on a bridge: what is sent to them is for no host.

use super::Links;
use crate::input::{Link, LinkKind};
use mclag_proto::sync::model::FdbKey;
use mclag_proto::{IfName, Vid};
use std::collections::BTreeMap;

/// Most of them: one for each VLAN, and as many of virtual routers.
const MAX_OWN: usize = 8192;

impl Links {
    /// The address of the bridge, of its VLAN interfaces, and of virtual routers on top of these, by
    /// interface. Those that do not run answer nothing, nor does a virtual router without an IP address:
    /// it is the backup.
    #[must_use]
    pub fn own_macs(&self, bridge: &IfName) -> BTreeMap<IfName, FdbKey> {
        let Some(bridge) = self.by_name(bridge) else {
            return BTreeMap::new();
        };
        let address = |link: &Link| {
            let vid = self.vid_on(link, bridge).or_else(|| {
                let LinkKind::Macvlan { parent } = link.kind else {
                    return None;
                };
                let is_active = !self.addresses(&link.name).is_empty();
                let parent = self.by_index.get(&parent).filter(|_| is_active)?;
                self.vid_on(parent, bridge)
            })?;
            let mac = link.mac.filter(|mac| mac.is_unicast() && link.running)?;
            Some((link.name, FdbKey { vid, mac }))
        };
        self.iter().filter_map(address).take(MAX_OWN).collect()
    }

    /// The VLAN in which the bridge finds an interface of its own.
    fn vid_on(&self, link: &Link, bridge: &Link) -> Option<Vid> {
        match link.kind {
            LinkKind::Vlan { vid, parent } if parent == bridge.index => {
                // It knows of no VLANs where it does not filter them.
                let filters = self.filtering.contains(&bridge.index);
                Some(if filters { vid } else { Vid::DEFAULT })
            }
            _ => (link.index == bridge.index).then_some(Vid::DEFAULT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::Mac;

    fn link(index: u32, name: &str, kind: LinkKind) -> Link {
        let [.., last] = index.to_be_bytes();
        Link {
            index,
            name: IfName::new(name).unwrap(),
            mac: Some(Mac([2, 0, 0, 0, 0, last])),
            admin_up: true,
            running: true,
            master: None,
            kernel_name: None,
            blocked: false,
            kind,
            member: None,
        }
    }

    #[test]
    fn own_addresses_are_those_of_the_bridge_its_vlans_and_active_virtual_routers() {
        let svi = |vid, parent| LinkKind::Vlan {
            vid: Vid::new(vid).unwrap(),
            parent,
        };
        let router = |parent| LinkKind::Macvlan { parent };
        let down = Link {
            running: false,
            ..link(9, "vlan30", svi(30, 1))
        };
        let mut links = Links::default();
        for link in [
            link(1, "br0", LinkKind::Bridge),
            link(2, "br1", LinkKind::Bridge),
            link(3, "vlan10", svi(10, 1)),
            link(4, "vlan20", svi(20, 2)),
            link(5, "vrrp10", router(3)),
            link(6, "vrrp0", router(1)),
            link(7, "backup", router(3)),
            link(8, "elsewhere", router(4)),
            down,
            link(10, "bond1", LinkKind::Other),
        ] {
            links.upsert(link);
        }
        for index in [5, 6, 8] {
            links.set_addresses(index, vec!["192.0.2.1/24".parse().unwrap()]);
        }
        let found = |links: &Links| {
            let own = links.own_macs(&IfName::new("br0").unwrap());
            let own = own.iter().map(|(name, key)| format!("{name} {}", key.vid));
            own.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(found(&links), "br0 1, vlan10 1, vrrp0 1, vrrp10 1");
        links.set_filtering(1, true);
        assert_eq!(found(&links), "br0 1, vlan10 10, vrrp0 1, vrrp10 10");
    }
}
