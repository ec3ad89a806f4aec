//! Neighbours: which interfaces count, and the addresses of the interfaces that are each chassis'
//! own (*unique IP*, `spec/behaviour.md` 11.6).

use super::{Domain, IfName, Mac, MlagPort, State};
use crate::fdb::Ports;
use crate::input::NeighbourObservation;
use crate::neigh::{Interface, Owner};
use mclag_proto::Vid;
use mclag_proto::iccp::{EntryOp, MacEntry, MacType, NeighbourEntry, NeighbourFlags, Tlv};
use mclag_proto::sync::model::NeighbourKey;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the peer is told of this chassis' own addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnAddresses {
    told: BTreeMap<IfName, Records>,
    /// Something may have changed.
    due: Option<Cause>,
    /// The peer wants to hear of these interfaces again.
    owed: BTreeSet<IfName>,
}

/// Why own addresses are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    /// The session is new: both tell without being asked.
    Session,
    /// Settings or addresses changed: the peer is to tell its own in return.
    Change,
}

/// What is told of one interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Records {
    macs: BTreeSet<(Vid, Mac)>,
    v4: BTreeMap<Ipv4Addr, Mac>,
    v6: BTreeMap<Ipv6Addr, Mac>,
}

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
            let (interface, address) = (entry.interface, entry.address.into());
            let key = NeighbourKey { interface, address };
            self.tables
                .neigh
                .remote_entry(key, entry.op, entry.mac, entry.flags);
            let asks = entry.op == EntryOp::Add && entry.flags.contains(NeighbourFlags::ACK);
            if asks && self.config.unique_ip.contains(&interface) {
                self.outbox.own_addresses.owed.insert(interface);
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
            let vid = self.svi_vid(link);
            let vid = vid.or_else(|| own_bridge.then_some(Vid::DEFAULT))?;
            let over_peer_link = ports
                .peer_link
                .is_some_and(|name| ports.carries(&name, vid));
            let over_port = || ports.mlag.iter().any(|n| up(n) && ports.carries(n, vid));
            let unique = self.config.unique_ip.contains(&link.name);
            let interface = Interface {
                own: own(&link.name),
                shared: enabled && self.pair_carries(vid),
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
        if self.session.state() == State::Exchange {
            if !back_there.is_empty() {
                self.tables.neigh.repeat(&self.led_through(&back_there));
            }
            self.outbox.own_addresses.due.get_or_insert(Cause::Change);
        }
    }

    /// The layer-3 interfaces whose frames may leave through these ports.
    fn led_through(&self, names: &BTreeSet<IfName>) -> BTreeSet<IfName> {
        let ports = self.tables.fdb.ports();
        let vlans = self.links.iter().filter(|link| {
            let vid = self.svi_vid(link);
            vid.is_some_and(|vid| names.iter().any(|name| ports.carries(name, vid)))
        });
        vlans
            .map(|link| link.name)
            .chain(names.iter().copied())
            .collect()
    }

    /// Both chassis are synchronised.
    pub(super) fn neighbours_synchronised(&mut self) {
        self.outbox.own_addresses.told.clear();
        self.outbox.own_addresses.due = Some(Cause::Session);
        self.tables.neigh.complete();
    }

    /// The session is gone.
    pub(super) fn neighbours_session_down(&mut self) {
        self.tables.neigh.session_down();
    }

    /// Everything that waits to be told, in the answer to a Sync Request (`spec/iccp.md` 7).
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
            .next_announcements(policy.neighbours_per_message)
    }

    /// Queue what the peer has to hear of own addresses. Returns false if there is nothing.
    pub(super) fn push_own_addresses(&mut self) -> bool {
        // A peer without single-homed addresses has no place for these either.
        if !self.peer.policy().orphans {
            self.outbox.own_addresses.due = None;
            self.outbox.own_addresses.owed.clear();
            return false;
        }
        let mut tlvs = Vec::new();
        if let Some(cause) = self.outbox.own_addresses.due.take() {
            let ask = match cause {
                Cause::Session => NeighbourFlags::empty(),
                Cause::Change => NeighbourFlags::ACK,
            };
            let now = self.own_records();
            let told = std::mem::replace(&mut self.outbox.own_addresses.told, now);
            let now = &self.outbox.own_addresses.told;
            let none = Records::default();
            for (name, before) in &told {
                let after = now.get(name).unwrap_or(&none);
                self.tlvs_of(
                    *name,
                    &before.without(after),
                    EntryOp::Delete,
                    ask,
                    &mut tlvs,
                );
            }
            for (name, after) in now {
                let before = told.get(name).unwrap_or(&none);
                self.tlvs_of(*name, &after.without(before), EntryOp::Add, ask, &mut tlvs);
            }
        }
        for name in std::mem::take(&mut self.outbox.own_addresses.owed) {
            if let Some(records) = self.outbox.own_addresses.told.get(&name) {
                let ask = NeighbourFlags::empty();
                self.tlvs_of(name, records, EntryOp::Add, ask, &mut tlvs);
            }
        }
        let any = !tlvs.is_empty();
        for tlv in tlvs {
            self.push_tlv(tlv);
        }
        any
    }

    fn own_records(&self) -> BTreeMap<IfName, Records> {
        let mut all = BTreeMap::new();
        for name in &self.config.unique_ip {
            let Some(link) = self.links.by_name(name) else {
                continue;
            };
            let (Some(vid), addresses) = (self.svi_vid(link), self.links.addresses(name)) else {
                continue;
            };
            if addresses.is_empty() {
                continue;
            }
            let own = self.config.node_mac;
            let mac = link.mac.filter(|mac| mac.is_unicast()).unwrap_or(own);
            let mut records = Records {
                macs: [(vid, own), (vid, mac)].into(),
                ..Records::default()
            };
            for address in addresses {
                match address.ip() {
                    IpAddr::V4(v4) => drop(records.v4.insert(v4, mac)),
                    IpAddr::V6(v6) => drop(records.v6.insert(v6, mac)),
                }
            }
            all.insert(*name, records);
        }
        all
    }

    fn tlvs_of(
        &self,
        interface: IfName,
        records: &Records,
        op: EntryOp,
        ask: NeighbourFlags,
        out: &mut Vec<Tlv>,
    ) {
        if let Some(port) = self.config.peer_link
            && !records.macs.is_empty()
        {
            let kind = MacType::Static;
            let entry = |&(vid, mac)| MacEntry {
                op,
                kind,
                mac,
                vid,
                port,
            };
            out.push(Tlv::MacInfo(records.macs.iter().map(entry).collect()));
        }
        let ask = ask.intersection(if op == EntryOp::Add {
            NeighbourFlags::all()
        } else {
            NeighbourFlags::empty()
        });
        let v4 = records.v4.iter().map(|(&address, &mac)| NeighbourEntry {
            op,
            flags: NeighbourFlags::OWN_ADDRESS | ask,
            interface,
            address,
            mac,
        });
        let v6 = records.v6.iter().map(|(&address, &mac)| NeighbourEntry {
            op,
            flags: ask
                | if address.is_unicast_link_local() {
                    NeighbourFlags::OWN_LINK_LOCAL
                } else {
                    NeighbourFlags::OWN_ADDRESS
                },
            interface,
            address,
            mac,
        });
        let (v4, v6): (Vec<_>, Vec<_>) = (v4.collect(), v6.collect());
        let max = self.peer.policy().own_addresses_per_message;
        out.extend(v4.chunks(max).map(|part| Tlv::ArpInfo(part.to_vec())));
        out.extend(v6.chunks(max).map(|part| Tlv::NdiscInfo(part.to_vec())));
    }
}

impl Records {
    /// What is not, or differently, in `other`.
    fn without(&self, other: &Self) -> Self {
        let Self { macs, v4, v6 } = self;
        Self {
            macs: macs.difference(&other.macs).copied().collect(),
            v4: differing(v4, &other.v4),
            v6: differing(v6, &other.v6),
        }
    }
}

fn differing<A: Copy + Ord>(
    these: &BTreeMap<A, Mac>,
    those: &BTreeMap<A, Mac>,
) -> BTreeMap<A, Mac> {
    let new = these
        .iter()
        .filter(|(address, mac)| those.get(*address) != Some(*mac));
    new.map(|(address, mac)| (*address, *mac)).collect()
}
