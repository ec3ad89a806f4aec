//! The kernel's words as this crate's plain data.

use std::collections::BTreeSet;

use mclag_netlink::nft::FilterState;
use mclag_netlink::{
    Activity, ActorSystem, BondMode, FdbEntry as KernelEntry, FdbState, LinkInfo, LinkKind,
    McastRouter as KernelRouter, McastSnooping as KernelSnooping, Neighbour, NeighbourState,
};
use mclag_proto::sync::model::{FdbKey, NeighbourKey};
use mclag_proto::{IfName, Vid};

use super::LinuxBackend;
use super::links::Links;
use crate::dataplane::{
    Actual, BridgePort, EntryKind, FdbEntry, Filter, InterfaceActual, Lacp, McastRouter,
    McastSnooping, NeighbourActual, NeighbourKind, PortActual, SpanningTree,
};

pub(super) const fn is_bridge(link: &LinkInfo) -> bool {
    matches!(link.kind, LinkKind::Bridge { .. })
}

/// True for a bridge that separates VLANs.
pub(super) const fn is_filtering(link: &LinkInfo) -> bool {
    matches!(
        link.kind,
        LinkKind::Bridge {
            vlan_filtering: true,
            ..
        }
    )
}

/// Settings of a bridge on which the whole picture depends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct BridgeSettings {
    /// It separates VLANs.
    pub(super) vlan_filtering: bool,
    /// Whether it sends multicast only where somebody asked for it.
    pub(super) snooping: McastSnooping,
    /// It runs the kernel's spanning tree.
    pub(super) spanning_tree: bool,
}

impl BridgeSettings {
    pub(super) const fn of(link: &LinkInfo) -> Self {
        match link.kind {
            LinkKind::Bridge {
                vlan_filtering,
                spanning_tree,
                mcast_snooping,
                ..
            } => Self {
                vlan_filtering,
                snooping: match mcast_snooping {
                    KernelSnooping::Off => McastSnooping::Off,
                    KernelSnooping::Global => McastSnooping::On,
                    KernelSnooping::PerVlan => McastSnooping::PerVlan,
                },
                spanning_tree,
            },
            _ => Self {
                vlan_filtering: false,
                snooping: McastSnooping::Off,
                spanning_tree: false,
            },
        }
    }

    /// What was different before, for the log; none if nothing was.
    pub(super) fn since(self, before: Self) -> Option<&'static str> {
        let changes = [
            (
                self.vlan_filtering != before.vlan_filtering,
                "VLAN filtering of the bridge changed",
            ),
            (
                self.snooping != before.snooping,
                "multicast snooping of the bridge changed",
            ),
            (
                self.spanning_tree != before.spanning_tree,
                "spanning tree of the bridge changed",
            ),
        ];
        let change = changes.into_iter().find(|(is_other, _)| *is_other);
        change.map(|(_, why)| why)
    }
}

const fn router(router: KernelRouter) -> McastRouter {
    match router {
        KernelRouter::Disabled => McastRouter::Disabled,
        KernelRouter::Learned => McastRouter::Learned,
        KernelRouter::Permanent => McastRouter::Permanent,
        KernelRouter::Temporary => McastRouter::Temporary,
    }
}

/// True for a bond whose `min_links` can hold it.
pub(super) fn speaks_lacp(link: &LinkInfo) -> bool {
    matches!(&link.kind, LinkKind::Bond(bond) if bond.mode == BondMode::Lacp)
}

/// `min_links` of a bond, without what holding adds.
pub(super) fn own_min_links(link: &LinkInfo) -> u32 {
    match &link.kind {
        LinkKind::Bond(bond) => bond.own_min_links(),
        _ => 0,
    }
}

/// True for a bond that is held by its `min_links`.
pub(super) fn is_held(link: &LinkInfo) -> bool {
    matches!(&link.kind, LinkKind::Bond(bond) if bond.is_held())
}

/// Every port that is held, whichever way.
pub(super) fn held(links: &Links, filter: Option<&FilterState>) -> BTreeSet<IfName> {
    let bonds = links.by_index.values().filter(|link| is_held(link));
    let filtered = filter.into_iter().flat_map(|filter| &filter.held);
    let filtered = filtered.filter_map(|name| links.names.of_kernel(*name));
    bonds.map(|link| link.name).chain(filtered).collect()
}

/// Spanning tree of our bridge, and what is held without carrier on it.
fn spanning_tree(backend: &LinuxBackend) -> Option<SpanningTree> {
    let held = backend.links.by_index.values().filter(|link| is_held(link));
    let runs = backend.bridge_settings().spanning_tree;
    runs.then(|| SpanningTree {
        held_without_carrier: held.map(|link| link.name).collect(),
    })
}

/// An event that lacks the system id says nothing about it.
pub(super) fn keep_unreported(link: &mut LinkInfo, before: Option<&LinkInfo>) {
    if let (LinkKind::Bond(now), Some(LinkKind::Bond(before))) =
        (&mut link.kind, before.map(|before| &before.kind))
        && now.ad_actor_system == ActorSystem::Unreported
    {
        now.ad_actor_system = before.ad_actor_system;
    }
}

/// The filter, as far as it isolates ports.
pub(super) fn filter(backend: &LinuxBackend) -> Option<Filter> {
    let name = |name: IfName| backend.links.names.of_kernel(name);
    backend.filter_state.as_ref().map(|state| Filter {
        peer_link: state.peer_link.and_then(name),
        isolated: state.isolated.iter().copied().filter_map(name).collect(),
    })
}

/// Everything but the table, as it is now.
pub(super) fn actual(backend: &LinuxBackend, neighbours: &[Neighbour]) -> Actual {
    let links = backend.links.by_index.values();
    Actual {
        routed: BTreeSet::new(),
        bridge: backend.bridge,
        snooping: backend.bridge_settings().snooping,
        spanning_tree: spanning_tree(backend),
        filter: filter(backend),
        held: backend.held.clone(),
        ports: links
            .filter_map(|link| Some((link.name, port(link, backend)?)))
            .collect(),
        fdb: Default::default(),
        interfaces: backend
            .links
            .by_index
            .values()
            .map(|link| (link.name, interface(link, backend)))
            .collect(),
        neighbours: neighbours
            .iter()
            .filter_map(|known| neighbour(known, &backend.links))
            .collect(),
    }
}

/// An interface, apart from its settings as a port.
pub(super) fn interface(link: &LinkInfo, backend: &LinuxBackend) -> InterfaceActual {
    let bridge = backend.bridge_link();
    let index = bridge.map(|bridge| bridge.index);
    let svi = match &link.kind {
        LinkKind::Vlan { id, link } if link.is_some() && *link == index => *id,
        _ => None,
    };
    let master = link.master.and_then(|at| backend.links.by_index.get(&at));
    let is_lag = |link: &&LinkInfo| matches!(link.kind, LinkKind::Bond(_) | LinkKind::Team);
    let vids = match bridge.filter(|bridge| link.master == Some(bridge.index)) {
        Some(bridge) if is_filtering(bridge) => {
            let known = backend.vlans.get(&link.index);
            known.map_or_else(Vec::new, |vlans| vlans.vids.iter().collect())
        }
        Some(_) => vec![Vid::DEFAULT],
        None => Vec::new(),
    };
    InterfaceActual {
        index: Some(link.index),
        mac: link.mac,
        running: link.is_running(),
        svi,
        lag: master.filter(is_lag).map(|lag| lag.name),
        in_other_bridge: master
            .is_some_and(|master| is_bridge(master) && Some(master.index) != index),
        vlan_port: backend.links.vlan_port(link),
        vids,
        default_route: backend
            .links
            .way_out(link, |index| backend.routes.lead_to(index)),
        networks: backend.networks.of(link.index),
    }
}

/// A neighbour, if it is one host on an interface that can be named.
pub(super) fn neighbour(
    known: &Neighbour,
    links: &Links,
) -> Option<(NeighbourKey, NeighbourActual)> {
    if known.address.is_multicast() {
        return None;
    }
    let key = NeighbourKey {
        interface: links.name(known.index)?,
        address: known.address,
    };
    let permanent = known.state == NeighbourState::Permanent;
    let installed = permanent || known.state == NeighbourState::NoArp;
    let kind = match () {
        () if known.is_ours() => NeighbourKind::Ours { permanent },
        () if installed || known.ext_learned => NeighbourKind::Configured,
        () => NeighbourKind::Learned,
    };
    let is_valid = installed || known.state.is_learned();
    let mac = known.mac.filter(|_| is_valid);
    Some((key, NeighbourActual { mac, kind }))
}

/// An interface, if it is a port of the bridge or has an LACP system id.
pub(super) fn port(link: &LinkInfo, backend: &LinuxBackend) -> Option<PortActual> {
    let bridge = backend.bridge_link().map(|bridge| bridge.index);
    let bridge_port = link
        .bridge_port
        .filter(|_| link.master.is_some() && link.master == bridge)
        .map(|port| BridgePort {
            learning: port.learning,
            backup: port.backup_port.and_then(|index| backend.links.name(index)),
            mcast_router: port.mcast_router.map(router),
        });
    let lacp = match &link.kind {
        LinkKind::Bond(bond) if bond.mode == BondMode::Lacp => Some(Lacp {
            system_mac: bond.ad_actor_system.given(),
        }),
        LinkKind::Team => Some(Lacp {
            system_mac: link.mac,
        }),
        _ => None,
    };
    let actual = PortActual { bridge_port, lacp };
    (actual != PortActual::default()).then_some(actual)
}

/// An entry of our bridge's table, if it has a place in the picture.
pub(super) fn entry(known: &KernelEntry, backend: &LinuxBackend) -> Option<(FdbKey, FdbEntry)> {
    let bridge = backend.bridge_link()?;
    if known.bridge != bridge.index {
        return None;
    }
    let vid = match (is_filtering(bridge), known.vid) {
        (true, Some(vid)) => vid,
        (false, None) => Vid::DEFAULT,
        // The bridge's other half: entries of VLANs it does not filter, or without one.
        _ => return None,
    };
    let key = FdbKey {
        vid,
        mac: known.mac,
    };
    let kind = match (known.state, known.activity) {
        (FdbState::Permanent, _) => EntryKind::Local,
        (FdbState::Static, Some(activity)) => EntryKind::Ours {
            active: activity == Activity::Active,
            sticky: known.sticky,
        },
        (FdbState::Static, None) => EntryKind::Configured,
        (FdbState::Dynamic, _) if known.ext_learn => EntryKind::Configured,
        (FdbState::Dynamic, _) => EntryKind::Dynamic,
    };
    let port = backend.links.name(known.port)?;
    Some((key, FdbEntry { port, kind }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_netlink::{BondInfo, Oper};
    use mclag_proto::Mac;

    fn bond(ad_actor_system: ActorSystem) -> LinkInfo {
        LinkInfo {
            index: 7,
            name: IfName::new("bond1").unwrap(),
            mac: None,
            admin_up: true,
            lower_up: true,
            oper: Oper::Up,
            master: None,
            mtu: 1500,
            kind: LinkKind::Bond(BondInfo {
                mode: BondMode::Lacp,
                miimon_ms: 100,
                min_links: 0,
                ad_actor_system,
                lacp: None,
            }),
            member: None,
            bridge_port: None,
        }
    }

    /// An event of the time when the port showed the id of the pair is read after the port was given back: the one
    /// that follows says that it shows its own.
    #[test]
    fn an_id_that_is_reported_as_the_bond_s_own_replaces_the_known_one_and_only_silence_keeps_it() {
        let shared = ActorSystem::Given(Mac([2, 0, 0, 0, 0, 9]));
        let (own, unreported) = (ActorSystem::Own, ActorSystem::Unreported);
        // What was known, what is reported, what is known then.
        for (before, now, known) in [
            (shared, own, own),
            (shared, unreported, shared),
            (own, unreported, own),
            (own, shared, shared),
            (unreported, unreported, unreported),
        ] {
            let mut link = bond(now);
            keep_unreported(&mut link, Some(&bond(before)));
            assert_eq!(link, bond(known), "{before:?} {now:?}");
        }
    }
}
