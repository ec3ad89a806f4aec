//! Whether the kernel would carry data through a port.

use super::{Link, LinkKind, Links};
use mclag_proto::ctl::Hindrance;
use mclag_proto::{IfName, LagKind};

/// Who is at the other end of a port on which LACP has not agreed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lone {
    /// Nothing to say: LACP agreed, is not spoken, or the kernel would carry nothing without it.
    No,
    /// Somebody answers.
    Heard,
    /// Nobody answers, and the kernel would carry data all the same.
    Nobody {
        /// It does: the LAG has carrier.
        carries: bool,
    },
}

impl Links {
    /// Who is at the other end of an MLAG port on which LACP has not agreed. Without a partner the kernel carries data
    /// through one member, which is not enough where the operator asks for more.
    #[must_use]
    pub fn lone(&self, name: &IfName, bridge: &IfName) -> Lone {
        let Some(link) = self.by_name(name) else {
            return Lone::No;
        };
        let LinkKind::Lag {
            lacp: Some(true),
            partner,
            min_links: 0 | 1,
        } = link.kind
        else {
            return Lone::No;
        };
        let members = self.slaves.get(&link.index).into_iter().flatten();
        let members = members.filter_map(|index| self.by_index(*index));
        let members = members.filter(|member| member.running);
        let (mut is_running, mut is_alone) = (false, false);
        for member in members {
            let state = member.member;
            if state.is_some_and(|state| state.distributing) {
                return Lone::No;
            }
            is_running = true;
            is_alone |= state.is_some_and(|state| state.alone);
        }
        match partner {
            _ if self.is_kept_out(name, bridge) => Lone::No,
            _ if !is_running || !link.admin_up || !self.has_place(link, bridge) => Lone::No,
            Some(_) => Lone::Heard,
            None if is_alone => Lone::Nobody {
                carries: link.running,
            },
            None => Lone::No,
        }
    }

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
                | LinkKind::Macvlan { .. }
                | LinkKind::Vxlan
                | LinkKind::Vrf
                | LinkKind::Other => link.running,
            };
            carries && self.has_place(link, bridge) && !self.is_kept_out(name, bridge)
        })
    }

    /// Why nothing passes through a port that has carrier, other than that LACP has not agreed, spanning tree, or a VLAN
    /// interface that passes its frames.
    #[must_use]
    pub fn hindrance(&self, name: &IfName, bridge: &IfName) -> Option<Hindrance> {
        let link = self.by_name(name)?;
        let (running, needed) = match link.kind {
            LinkKind::Lag { min_links, .. } => (self.running_members(link), min_links),
            _ => (usize::from(link.running), 0),
        };
        if running == 0 {
            return None;
        }
        if !link.admin_up {
            return Some(Hindrance::AdminDown);
        }
        if !is_enough(running, needed) {
            return Some(Hindrance::TooFewMembers { running, needed });
        }
        self.displaced(link, bridge)
    }

    /// Whether spanning tree keeps a port of the bridge from forwarding: for good, or because its carrier has not been
    /// there for twice the forward delay, which begin anew with each carrier. So one without carrier is kept out, too.
    #[must_use]
    pub fn is_kept_out(&self, name: &IfName, bridge: &IfName) -> bool {
        let link = self.by_name(name).zip(self.by_name(bridge));
        let is_port = |(link, bridge): &(&Link, &Link)| link.master == Some(bridge.index);
        link.filter(is_port)
            .is_some_and(|(link, _)| self.runs_spanning_tree(bridge) && !link.passes_frames())
    }

    /// Whether an interface speaks LACP; none if there is no such interface, and while that is not known.
    #[must_use]
    pub fn lag_kind(&self, name: &IfName) -> Option<LagKind> {
        self.by_name(name)?.kind.lag_kind()
    }

    /// It is a LAG that speaks LACP.
    #[must_use]
    pub fn has_lacp(&self, name: &IfName) -> bool {
        self.lag_kind(name) == Some(LagKind::Lacp)
    }

    /// The VLAN interface for which an interface can be neither MLAG port nor peer link: it is one on top of a LAG, or one
    /// on top of it is a port of a bridge. LACP and holds are the LAG's as a whole, and isolation is the named port's.
    #[must_use]
    pub fn vlan_port(&self, name: &IfName) -> Option<IfName> {
        let link = self.by_name(name)?;
        if let LinkKind::Vlan { parent, .. } = link.kind
            && let Some(lower) = self.by_index(parent)
            && matches!(lower.kind, LinkKind::Lag { .. })
        {
            return Some(link.name);
        }
        let vlans = self.uppers.get(&link.index).into_iter().flatten();
        let mut vlans = vlans.filter_map(|index| self.by_index(*index));
        let is_bridge = |index| {
            self.by_index(index)
                .is_some_and(|link| link.kind == LinkKind::Bridge)
        };
        let bridged = vlans.find(|vlan| vlan.master.is_some_and(is_bridge));
        bridged.map(|vlan| vlan.name)
    }

    /// Whether any member of a LAG has carrier, so that LACP can run.
    #[must_use]
    pub fn has_running_member(&self, name: &IfName) -> bool {
        let link = self.by_name(name);
        link.is_some_and(|link| self.running_members(link) > 0)
    }

    fn running_members(&self, lag: &Link) -> usize {
        let members = self.each_member(lag.index);
        members.filter(|member| member.running).count()
    }

    /// Whether LACP runs on an MLAG port that would carry nothing all the same, whatever LACP
    /// agrees on: too few of its members have carrier for its `min_links`, or it is no port of the
    /// bridge, or in none of its VLANs, or the bridge is down or gone. The host sends into it, for all that LACP says. Of one
    /// that is not there, or not by this name, nobody here can say that it carries anything.
    #[must_use]
    pub fn is_stranded(&self, name: &IfName, bridge: &IfName) -> bool {
        self.by_name(name).is_none_or(|link| match link.kind {
            LinkKind::Lag {
                lacp: Some(true),
                min_links,
                ..
            } => {
                let running = self.running_members(link);
                let carries = is_enough(running, min_links) && self.has_place(link, bridge);
                link.admin_up && running > 0 && !carries
            }
            _ => false,
        })
    }

    /// Whether frames that arrive on an interface go anywhere as they should: it is a port of the bridge, which is up, and
    /// in some VLAN if the bridge filters them; or it works on layer 3; and no VLAN interface passes them beside it. A
    /// bridge that is not there, or not yet, forwards nothing.
    fn has_place(&self, link: &Link, bridge: &IfName) -> bool {
        self.displaced(link, bridge).is_none() && self.vlan_port(&link.name).is_none()
    }

    /// Why the bridge forwards nothing of what arrives on an interface that works on layer 2.
    fn displaced(&self, link: &Link, bridge: &IfName) -> Option<Hindrance> {
        if self.is_layer3(&link.name) {
            return None;
        }
        let name = *bridge;
        let bridge = self.by_name(bridge);
        let Some(bridge) = bridge.filter(|bridge| link.master == Some(bridge.index)) else {
            return Some(Hindrance::NotInBridge { bridge: name });
        };
        if !bridge.admin_up {
            return Some(Hindrance::BridgeDown { bridge: name });
        }
        let vids = self.vlans.of(link);
        let has_vlan =
            !self.filtering.contains(&bridge.index) || vids.is_some_and(|vids| !vids.is_empty());
        (!has_vlan).then_some(Hindrance::NoVlan)
    }
}

/// Whether a LAG with so many usable members has carrier.
fn is_enough(members: usize, min_links: u32) -> bool {
    let needed = usize::try_from(min_links.max(1)).unwrap_or(usize::MAX);
    members >= needed
}
