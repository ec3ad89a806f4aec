//! Addresses and neighbours as the core was told of them; pure.
//!
//! The kernel tells of a neighbour whenever it thinks otherwise of it. The core hears of it when
//! its address on layer 2 or its origin is another, or when it is gone: what a neighbour that
//! somebody installed says about age is of no interest to anybody.

use iccp_core::{Input, NeighbourFrom, NeighbourObservation};
use ipnetwork::IpNetwork;
use mclag_netlink::packet::Sighting;
use mclag_netlink::{InterfaceAddress, Neighbour, NeighbourState};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Neighbours that are followed. The kernel keeps a thousand of its own unless told otherwise;
/// beyond this many nobody is told of new ones.
const NEIGHBOURS_MAX: usize = 1 << 17;
/// How long a repeated sighting on the wire is no news.
const WIRE_PERIOD: Duration = Duration::from_secs(1);
/// Different sightings in that time. Beyond, somebody makes them up; they are dropped.
const WIRE_MAX: usize = 1 << 14;

/// A neighbour's interface and address.
type Key = (u32, IpAddr);

/// See the module's comment.
#[derive(Debug, Default)]
pub(super) struct Layer3 {
    /// Of each interface that has some.
    addresses: BTreeMap<u32, BTreeSet<IpNetwork>>,
    /// What the core was told, without what was seen on the wire.
    neighbours: BTreeMap<Key, NeighbourObservation>,
    /// That there are too many neighbours was written down.
    full: bool,
    /// What was seen on the wire in this period.
    wire: BTreeMap<Key, NeighbourObservation>,
    /// When the period began.
    wire_since: Option<Instant>,
    inputs: VecDeque<Input>,
}

impl Layer3 {
    pub(super) fn next_input(&mut self) -> Option<Input> {
        self.inputs.pop_front()
    }

    /// The kernel's addresses were read from scratch: report all of them.
    pub(super) fn replace_addresses(&mut self, addresses: &[InterfaceAddress]) {
        let before = std::mem::take(&mut self.addresses);
        for address in addresses {
            let list = self.addresses.entry(address.index).or_default();
            list.extend(network(address));
        }
        self.addresses.retain(|_, list| !list.is_empty());
        let indices: BTreeSet<u32> = self
            .addresses
            .keys()
            .chain(before.keys())
            .copied()
            .collect();
        for index in indices {
            self.report_addresses(index);
        }
    }

    /// Addresses that came (true) or went, in that order.
    pub(super) fn addresses(&mut self, changes: &[(InterfaceAddress, bool)]) {
        let mut changed = BTreeSet::new();
        for (address, present) in changes {
            let Some(network) = network(address) else {
                continue;
            };
            let list = self.addresses.entry(address.index).or_default();
            let news = match present {
                true => list.insert(network),
                false => list.remove(&network),
            };
            if list.is_empty() {
                self.addresses.remove(&address.index);
            }
            if news {
                changed.insert(address.index);
            }
        }
        for index in changed {
            self.report_addresses(index);
        }
    }

    fn report_addresses(&mut self, index: u32) {
        let list = self.addresses.get(&index);
        let addresses = list.map(|list| list.iter().copied().collect());
        self.inputs.push_back(Input::Addresses {
            index,
            addresses: addresses.unwrap_or_default(),
        });
    }

    /// The kernel's neighbours were read from scratch: report all of them.
    pub(super) fn replace_neighbours(&mut self, neighbours: &[Neighbour]) {
        self.neighbours.clear();
        self.full = false;
        self.inputs.push_back(Input::NeighboursBegin);
        for neighbour in neighbours {
            self.report((neighbour.index, neighbour.address), observation(neighbour));
        }
        self.inputs.push_back(Input::NeighboursEnd);
    }

    /// Neighbours as they are now (true), or were before they went, in that order.
    pub(super) fn neighbours(&mut self, changes: &[(Neighbour, bool)]) {
        // Of several changes of one neighbour the last one counts.
        let mut last = BTreeMap::new();
        for (neighbour, present) in changes {
            let observation = observation(neighbour).filter(|_| *present);
            last.insert((neighbour.index, neighbour.address), observation);
        }
        for (key, observation) in last {
            self.report(key, observation);
        }
    }

    /// What was seen on the wire, in that order.
    pub(super) fn sightings(&mut self, sightings: &[Sighting], now: Instant) {
        if self
            .wire_since
            .is_none_or(|since| now - since >= WIRE_PERIOD)
        {
            self.wire_since = Some(now);
            self.wire.clear();
        }
        let mut dropped = 0;
        for sighting in sightings {
            let key = (sighting.index, sighting.claim.address);
            // Who leaves the address out says that the one we have still holds
            // (`spec/behaviour.md` 11.2).
            let known = || self.neighbours.get(&key).map(|observation| observation.mac);
            let Some(mac) = sighting.claim.mac.or_else(known) else {
                continue;
            };
            let from = NeighbourFrom::Wire;
            let observation = NeighbourObservation { mac, from };
            let is_full = self.wire.len() >= WIRE_MAX;
            match self.wire.entry(key) {
                Entry::Vacant(_) if is_full => dropped += 1,
                Entry::Occupied(entry) if *entry.get() == observation => {}
                entry => {
                    entry.insert_entry(observation);
                    self.push(key, Some(observation));
                }
            }
        }
        if dropped > 0 {
            tracing::debug!(dropped, "more neighbours speak than can be followed");
        }
    }

    /// Report this neighbour to the core if that is news.
    fn report(&mut self, key: Key, observation: Option<NeighbourObservation>) {
        let Some(observation) = observation else {
            if self.neighbours.remove(&key).is_some() {
                self.wire.remove(&key);
                self.push(key, None);
            }
            return;
        };
        let is_full = self.neighbours.len() >= NEIGHBOURS_MAX;
        match self.neighbours.entry(key) {
            Entry::Vacant(_) if is_full => {
                if !std::mem::replace(&mut self.full, true) {
                    tracing::warn!(
                        most = NEIGHBOURS_MAX,
                        "too many neighbours, new ones are not followed"
                    );
                }
            }
            Entry::Occupied(entry) if *entry.get() == observation => {}
            entry => {
                entry.insert_entry(observation);
                self.push(key, Some(observation));
            }
        }
    }

    fn push(&mut self, (index, address): Key, observation: Option<NeighbourObservation>) {
        self.inputs.push_back(Input::Neighbour {
            index,
            address,
            observation,
        });
    }
}

/// What the core is to know of a neighbour. `spec/behaviour.md` 11.2: incomplete and failed is as
/// good as gone; permanent ones and those without ARP are not learned, unless they were installed
/// for somebody who did.
fn observation(neighbour: &Neighbour) -> Option<NeighbourObservation> {
    let is_installed = neighbour.ext_learned && neighbour.state == NeighbourState::Permanent;
    if !neighbour.state.is_learned() && !is_installed {
        return None;
    }
    Some(NeighbourObservation {
        mac: neighbour.mac.filter(|mac| mac.is_unicast())?,
        from: if neighbour.ext_learned {
            NeighbourFrom::Installed
        } else {
            NeighbourFrom::Kernel
        },
    })
}

/// The address with its prefix; none if the kernel's prefix is impossible.
fn network(address: &InterfaceAddress) -> Option<IpNetwork> {
    IpNetwork::new(address.address, address.prefix_len).ok()
}

#[cfg(test)]
mod tests;
