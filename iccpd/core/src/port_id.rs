//! The ids of MLAG ports, and which ports of both chassis are one.
//!
//! The peer protocol carries an id of 16 bits for each port, by which states and acknowledgements refer to
//! it (`spec/iccp.md` 4.14). An operator gives it, or it is derived from the names of all ports of the chassis:
//! two that have the same ports derive the same ids. No two ports of a chassis have the same one.
//!
//! Ports that nobody gave an id are one if their names are the same, whatever their ids: what one chassis
//! has beside them cannot part them. See `docs/adr/0021-port-ids.md`.

use mclag_proto::{AggregatorId, IfName};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// The id of a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PortId {
    /// It.
    pub number: AggregatorId,
    /// An operator gave it; else it is derived.
    pub given: bool,
}

/// The ids of the MLAG ports of a chassis, no two of them the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PortIds {
    by_name: BTreeMap<IfName, PortId>,
    by_number: BTreeMap<AggregatorId, IfName>,
}

impl PortIds {
    /// The ids of `ports`, of which some are `given`. One that is given twice counts for the first of these
    /// names in their order, and is derived for the others.
    ///
    /// A port keeps the number that other implementations give its name ([`AggregatorId::of`]) unless another
    /// one has it; the only one whose whole number it is comes first. What is left gets a hash of the whole name,
    /// or the next free number behind it, in the order of the names.
    #[must_use]
    pub fn new(ports: &BTreeSet<IfName>, given: &BTreeMap<IfName, AggregatorId>) -> Self {
        let mut ids = Self::default();
        for (name, number) in given.iter().filter(|(name, _)| ports.contains(*name)) {
            ids.take(*name, *number, true);
        }
        ids.take_unique(ports, is_whole);
        ids.take_unique(ports, |_| true);
        for name in ports {
            if ids.by_name.contains_key(name) {
                continue;
            }
            let AggregatorId(hash) = AggregatorId::of_whole(name);
            let numbers = (hash..=u16::MAX).chain(1..hash).map(AggregatorId);
            let mut free = numbers.filter(|number| !ids.by_number.contains_key(number));
            // There are more numbers than ports that fit a settings file.
            let number = free.next().unwrap_or(AggregatorId(hash));
            ids.take(*name, number, false);
        }
        ids
    }

    /// Unless another one has it.
    fn take(&mut self, name: IfName, number: AggregatorId, given: bool) {
        if let Entry::Vacant(free) = self.by_number.entry(number) {
            free.insert(name);
            self.by_name.insert(name, PortId { number, given });
        }
    }

    /// Each of those that are left and `counts` takes the number of its name, if it is the only one of them.
    fn take_unique(&mut self, ports: &BTreeSet<IfName>, counts: impl Fn(&IfName) -> bool) {
        let mut claims: BTreeMap<AggregatorId, Vec<IfName>> = BTreeMap::new();
        for name in ports {
            if counts(name) && !self.by_name.contains_key(name) {
                claims
                    .entry(AggregatorId::of(name))
                    .or_default()
                    .push(*name);
            }
        }
        for (number, names) in claims {
            if let [name] = names[..] {
                self.take(name, number, false);
            }
        }
    }

    /// The id of a port.
    #[must_use]
    pub fn of(&self, name: &IfName) -> Option<PortId> {
        self.by_name.get(name).copied()
    }

    /// The ports, and their ids.
    pub fn iter(&self) -> impl Iterator<Item = (IfName, PortId)> {
        self.by_name.iter().map(|(name, id)| (*name, *id))
    }
}

/// The digits of the name are one number, which fits; or there are none.
fn is_whole(name: &IfName) -> bool {
    let runs = name.as_str().split(|c: char| !c.is_ascii_digit());
    let mut runs = runs.filter(|run| !run.is_empty());
    match (runs.next(), runs.next()) {
        (Some(run), None) => run.parse::<u16>().is_ok(),
        (None, _) => true,
        (Some(_), Some(_)) => false,
    }
}

/// Which ports of both chassis are one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pairs {
    peers: BTreeMap<IfName, IfName>,
    own: BTreeMap<IfName, IfName>,
}

/// How ports of both chassis come to be one: what comes first wins, and no port is one with two.
#[derive(Clone, Copy)]
enum By {
    /// Both operators gave the same id.
    Given,
    /// Nobody gave either an id, and their names are the same.
    Name,
    /// One was given the id that the other one's is.
    Number,
    /// Their names are the same, and one was given an id that no port of the other chassis has: the other one
    /// is about to be given it.
    NameAlone,
}

impl Pairs {
    /// Which of the ports of this chassis and of the `peers` are one. Both find the same.
    #[must_use]
    pub fn new(own: &PortIds, peers: &BTreeMap<IfName, PortId>) -> Self {
        // A peer could use a number twice; then it stands for none.
        let mut by_number: BTreeMap<AggregatorId, Option<IfName>> = BTreeMap::new();
        for (name, id) in peers {
            let only = by_number.entry(id.number).or_insert(Some(*name));
            *only = only.filter(|only| only == name);
        }
        let mut pairs = Self::default();
        for by in [By::Given, By::Name, By::Number, By::NameAlone] {
            for (name, id) in own.iter() {
                let other = match by {
                    By::Given | By::Number => by_number.get(&id.number).copied().flatten(),
                    By::Name | By::NameAlone => Some(name),
                };
                let Some((other, theirs)) = other.and_then(|name| peers.get_key_value(&name))
                else {
                    continue;
                };
                let counts = match by {
                    By::Given => id.given && theirs.given,
                    By::Name => !id.given && !theirs.given,
                    By::Number | By::NameAlone => id.given != theirs.given,
                };
                if counts {
                    pairs.add(name, *other);
                }
            }
        }
        pairs
    }

    fn add(&mut self, own: IfName, peers: IfName) {
        if !self.peers.contains_key(&own) && !self.own.contains_key(&peers) {
            self.peers.insert(own, peers);
            self.own.insert(peers, own);
        }
    }

    /// The port of the peer that is one with this one here.
    #[must_use]
    pub fn peers(&self, own: &IfName) -> Option<IfName> {
        self.peers.get(own).copied()
    }

    /// The port here that is one with this one of the peer.
    #[must_use]
    pub fn own(&self, peers: &IfName) -> Option<IfName> {
        self.own.get(peers).copied()
    }
}

#[cfg(test)]
mod tests;
