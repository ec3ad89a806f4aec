//! Whether the kernel would carry data through a port.

use super::{Link, LinkKind, Links};
use mclag_proto::IfName;

impl Links {
    /// Whether the kernel would carry data through an MLAG port, as a port of that bridge or as a
    /// layer-3 interface.
    ///
    /// For a LAG its members decide, not its own carrier: the kernel reports a member's loss at
    /// once and the LAG's only at its next poll, and the LAG of a port that is held back has no
    /// carrier although it could have.
    #[must_use]
    pub fn port_is_up(&self, name: &IfName, bridge: &IfName) -> bool {
        self.by_name(name).is_some_and(|link| {
            let carries = match link.kind {
                LinkKind::Lag { min_links, .. } => {
                    let members = self.each_member(link.index);
                    let usable = members.filter(|member| member.distributing).count();
                    link.admin_up && is_enough(usable, min_links)
                }
                LinkKind::Bridge
                | LinkKind::Vlan { .. }
                | LinkKind::Vxlan
                | LinkKind::Vrf
                | LinkKind::Other => link.running,
            };
            carries && self.has_place(link, bridge)
        })
    }

    /// Whether LACP runs on an MLAG port that would carry nothing all the same, whatever LACP
    /// agrees on: too few of its members have carrier for its `min_links`, or it is no port of the
    /// bridge, or in none of its VLANs, or the bridge is down or gone. The host sends into it, for all that LACP says.
    #[must_use]
    pub fn is_stranded(&self, name: &IfName, bridge: &IfName) -> bool {
        self.by_name(name).is_some_and(|link| match link.kind {
            LinkKind::Lag {
                lacp: true,
                min_links,
                ..
            } => {
                let members = self.each_member(link.index);
                let running = members.filter(|member| member.running).count();
                let carries = is_enough(running, min_links) && self.has_place(link, bridge);
                link.admin_up && running > 0 && !carries
            }
            _ => false,
        })
    }

    /// Whether frames that arrive on an interface go anywhere: it, or a VLAN interface on top of
    /// it, is a port of the bridge, which is up, and in some VLAN if the bridge filters them; or it works on
    /// layer 3. A bridge that is not there, or not yet, forwards nothing.
    fn has_place(&self, link: &Link, bridge: &IfName) -> bool {
        let in_bridge = self
            .by_name(bridge)
            .is_some_and(|bridge| bridge.admin_up && self.forwards(link, bridge.index));
        in_bridge || self.is_layer3(&link.name)
    }

    /// Whether a bridge forwards what an interface, or a VLAN interface on top of it, receives. Asked of every
    /// MLAG port at a time, so the bridge's ports are looked through only for the latter.
    fn forwards(&self, link: &Link, bridge: u32) -> bool {
        let has_vlan = |port: &Link| {
            let vids = || self.vlans.of(port).is_some_and(|vids| !vids.is_empty());
            !self.filtering.contains(&bridge) || vids()
        };
        let by_vlan = || {
            let ports = self.slaves.get(&bridge).into_iter().flatten();
            let mut ports = ports.filter_map(|port| self.by_index.get(port));
            ports.any(|port| {
                let on_top =
                    matches!(port.kind, LinkKind::Vlan { parent, .. } if parent == link.index);
                on_top && has_vlan(port)
            })
        };
        (link.master == Some(bridge) && has_vlan(link)) || by_vlan()
    }
}

/// Whether a LAG with so many usable members has carrier.
fn is_enough(members: usize, min_links: u32) -> bool {
    let needed = usize::try_from(min_links.max(1)).unwrap_or(usize::MAX);
    members >= needed
}
