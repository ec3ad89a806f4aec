//! Whose address the layer-3 interfaces have: the standby takes on the active's, so that a host
//! may send what is to be routed to either chassis (`spec/behaviour.md` 5.1).
//!
//! The LACP system id of the MLAG ports is a port's matter
//! ([`mclag_proto::sync::model::PortWant::system_mac`]).

use super::{Domain, IfName, Mac, Role};
use mclag_proto::NodeId;
use mclag_proto::ctl::RoleBy;
use mclag_proto::sync::model::InterfaceWant;
use std::collections::BTreeMap;

/// Who this chassis is in the pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    /// Its number. Both sides may start with the same one; the receiver of an equal one picks another
    /// (`spec/iccp.md` 4.1).
    pub(super) node: NodeId,
    /// Its role.
    pub(super) role: Role,
    /// What decided that.
    pub(super) by: RoleBy,
}

impl Identity {
    pub(super) const fn new(node_mac: Mac, role: Role, by: RoleBy) -> Self {
        let Mac([.., last]) = node_mac;
        let node = NodeId(0xf0 + last % 15);
        Self { node, role, by }
    }

    /// The role is decided. Returns true if it, or what decided it, is another one.
    pub(super) fn elected(&mut self, role: Role, by: RoleBy) -> bool {
        let before = (self.role, self.by);
        (self.role, self.by) = (role, by);
        before != (role, by)
    }
}

/// An LACP system id that no other port of the pair has: the address of the port, unless it is what the
/// pair has in common, as on a standby's layer-3 port; then this chassis', or else what that is as a
/// locally administered address.
pub(super) fn own_lacp_system(port: Option<Mac>, node: Mac, of_pair: [Option<Mac>; 2]) -> Mac {
    let Mac([first, rest @ ..]) = node;
    let [b, c, d, e, f] = rest;
    let local = Mac([first ^ 0x02, b, c, d, e, f]);
    let mut candidates = port.into_iter().chain([node, local]);
    let is_own = |mac: &Mac| mac.is_unicast() && !of_pair.contains(&Some(*mac));
    candidates.find(is_own).unwrap_or(local)
}

impl Domain {
    /// The active's identity, while this chassis is the standby and knows it.
    ///
    /// None for two of our own that are configured with a common LACP system id: that one is no
    /// chassis' address.
    pub(super) fn adopted_mac(&self) -> Option<Mac> {
        let standby = self.identity.role == Role::Secondary && self.role_is_settled();
        let shared_id = self.config.system_mac.is_some() && !self.peer.keeps_its_mac();
        let peer = self.peer.system_mac();
        let given_up = self.peer.known().is_released() || shared_id;
        peer.filter(|mac| mac.is_unicast() && standby && !given_up)
    }

    /// Every layer-3 interface that has another identity than its own.
    pub(super) fn identities(&self) -> BTreeMap<IfName, InterfaceWant> {
        let Some(mac) = self.adopted_mac() else {
            return BTreeMap::new();
        };
        let in_table = self.tables.fdb.ports();
        let vlans = self.links.iter().filter(|link| {
            let vid = self.links.svi_vid(link, &self.config.bridge);
            let carried = vid.is_some_and(|vid| in_table.any_carries(vid));
            carried && !self.config.unique_ip.contains(&link.name)
        });
        let known = |name: &&IfName| self.peer.port(name).is_some();
        let ports = self.config.ports.iter().filter(known).copied();
        vlans
            .map(|link| link.name)
            .chain(ports)
            .filter(|name| self.links.is_layer3(name))
            .map(|name| (name, InterfaceWant { mac }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_leaves_the_pair_s_system_id_takes_one_that_nobody_of_the_pair_has() {
        let mac = |last| Mac([0x44, 0, 0, 0, 0, last]);
        let [bond, node, peers, common] = [1, 2, 3, 4].map(mac);
        let local = Mac([0x46, 0, 0, 0, 0, 2]);
        let multicast = Mac([1, 0, 0, 0, 0, 1]);
        // Address of the port; LACP system id of the pair, what the peer calls itself; the port's own.
        for (port, shared, peer, own) in [
            (Some(bond), Some(common), Some(peers), bond),
            (Some(bond), None, None, bond),
            (Some(peers), Some(peers), Some(peers), node),
            (Some(peers), Some(common), Some(peers), node),
            (Some(node), Some(node), Some(peers), local),
            (None, Some(common), None, node),
            (Some(Mac::ZERO), Some(node), None, local),
            (Some(multicast), Some(node), None, local),
        ] {
            assert_eq!(own_lacp_system(port, node, [shared, peer]), own, "{port:?}");
        }
    }
}
