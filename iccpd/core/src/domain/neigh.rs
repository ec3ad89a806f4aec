//! Neighbours: which interfaces count.

use super::{Domain, IfName, Mac, MlagPort, SessionState};
use crate::fdb::Ports;
use crate::input::NeighbourObservation;
use crate::neigh::{Interface, Owner};
use mclag_proto::Vid;
use mclag_proto::iccp::{EntryOp, NeighbourEntry, NeighbourFlags, Tlv};
use mclag_proto::sync::model::NeighbourKey;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

impl Domain {
    /// Every neighbour behind `after`, in the order of interface and address: its MAC, and who
    /// knows it.
    pub fn neighbours(
        &self,
        after: Option<NeighbourKey>,
    ) -> impl Iterator<Item = (NeighbourKey, Mac, Owner)> {
        self.tables.neigh.iter(after)
    }

    /// The kernel's word, or the wire's.
    pub(super) fn neighbour(
        &mut self,
        index: u32,
        address: IpAddr,
        observation: Option<NeighbourObservation>,
    ) {
        if let Some(link) = self.links.by_index(index) {
            let interface = link.name;
            self.tables
                .neigh
                .local_observation(NeighbourKey { interface, address }, observation);
        }
    }

    /// The peer's word.
    pub(super) fn peer_neighbours<A: Copy + Into<IpAddr>>(
        &mut self,
        entries: &[NeighbourEntry<A>],
    ) {
        for entry in entries {
            // A routed port that is not the one of that name here is none of ours.
            let Some(interface) = self.peer.translate(&entry.interface) else {
                continue;
            };
            let address = entry.address.into();
            let key = NeighbourKey { interface, address };
            self.tables
                .neigh
                .remote_entry(key, entry.op, entry.mac, entry.flags);
            let asks = entry.op == EntryOp::Add && entry.flags.contains(NeighbourFlags::ACK);
            if asks && self.config.unique_ip.contains(&interface) {
                self.outbox.own_addresses.asked(interface);
            }
        }
    }

    /// The layer-3 interfaces that the pair has in common (`spec/behaviour.md` 11.2, 11.4).
    pub(super) fn layer3(&self) -> BTreeMap<IfName, Interface> {
        let enabled = self.config.neighbours;
        let ports = self.tables.fdb.ports();
        let own = |name: &IfName| self.links.addresses(name).iter().map(|a| a.ip()).collect();
        let up = |name: &IfName| self.ports.get(name).is_some_and(MlagPort::is_up);
        let vlans = self.links.iter().filter_map(|link| {
            let own_bridge = link.name == self.config.bridge;
            let vid = self.links.svi_vid(link, &self.config.bridge);
            let vid = vid.or_else(|| own_bridge.then_some(Vid::DEFAULT))?;
            let over_peer_link = ports
                .peer_link
                .is_some_and(|name| ports.carries(&name, vid));
            let over_port = || ports.mlag.iter().any(|n| up(n) && ports.carries(n, vid));
            let unique = self.config.unique_ip.contains(&link.name);
            let interface = Interface {
                own: own(&link.name),
                shared: enabled && ports.any_carries(vid),
                reachable: unique || (enabled && (over_peer_link || over_port())),
                lasting: enabled,
                parted: false,
            };
            Some((link.name, interface))
        });
        let routed = |name: &&IfName| self.links.is_layer3(name);
        let routed = ports.mlag.iter().filter(routed).map(|name| {
            let interface = Interface {
                own: own(name),
                shared: enabled,
                reachable: enabled && up(name),
                lasting: false,
                parted: !up(name) && ports.at_peer.get(name) == Some(&true),
            };
            (*name, interface)
        });
        vlans.chain(routed).collect()
    }

    /// Ports or interfaces changed; `before` are the ports as they were.
    pub(super) fn refresh_neighbours(&mut self, before: &Ports) {
        self.tables.neigh.set_interfaces(self.layer3());
        let now = self.tables.fdb.ports();
        let up = |ports: &Ports, name: &IfName| !ports.down.contains_key(name);
        let dual = |ports: &Ports, name: &IfName| {
            up(ports, name) && ports.at_peer.get(name) == Some(&true)
        };
        let changed = |is: &dyn Fn(&Ports, &IfName) -> bool| -> BTreeSet<IfName> {
            let names = now.mlag.iter().filter(|name| before.mlag.contains(*name));
            names
                .filter(|n| is(now, n) && !is(before, n))
                .copied()
                .collect()
        };
        let back_here = changed(&up);
        let back_there = changed(&dual);
        if !back_here.is_empty() {
            self.tables.neigh.reinstall(&self.led_through(&back_here));
        }
        if self.session.state() == SessionState::Exchange {
            if !back_there.is_empty() {
                self.tables.neigh.repeat(&self.led_through(&back_there));
            }
            self.outbox.own_addresses.changed();
        }
    }

    /// The layer-3 interfaces whose frames may leave through these ports.
    fn led_through(&self, names: &BTreeSet<IfName>) -> BTreeSet<IfName> {
        let ports = self.tables.fdb.ports();
        let vlans = self.links.iter().filter(|link| {
            let vid = self.links.svi_vid(link, &self.config.bridge);
            vid.is_some_and(|vid| names.iter().any(|name| ports.carries(name, vid)))
        });
        vlans
            .map(|link| link.name)
            .chain(names.iter().copied())
            .collect()
    }

    /// Everything that waits to be advertised, in the answer to a Sync Request (`spec/iccp.md` 7).
    pub(super) fn push_neighbours(&mut self) {
        self.tables.neigh.session_begins();
        while let Some(tlv) = self.next_neighbours() {
            self.push_tlv(tlv);
        }
    }

    pub(super) fn next_neighbours(&mut self) -> Option<Tlv> {
        let policy = self.peer.policy();
        self.tables
            .neigh
            .peer_keeps_one_observation(policy.keeps_one_observation);
        self.tables
            .neigh
            .next_advertisements(policy.neighbours_per_message)
    }

    /// Queue what the peer has to hear of own addresses. Returns false if there is nothing.
    pub(super) fn push_own_addresses(&mut self) -> bool {
        let (policy, own) = (self.peer.policy(), &mut self.outbox.own_addresses);
        // A peer without single-homed addresses has no place for these either.
        let tlvs = match policy.orphans {
            true => own.next(&self.config, &self.links, policy),
            false => own.skip(),
        };
        let any = !tlvs.is_empty();
        for tlv in tlvs {
            self.push_tlv(tlv);
        }
        any
    }
}
