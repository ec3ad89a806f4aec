//! The tables of addresses and neighbours, and what they have to know of ports and interfaces.

use super::{Domain, IfName, MlagPort, SessionState, Time, Timer, Timers};
use crate::config::Config;
use crate::fdb::{Fdb, Outage, Own, Ports};
use crate::links::{Links, Running, Vids};
use crate::neigh::Neighbours;
use crate::peer::Peer;
use mclag_proto::Mac;
use mclag_proto::sync::model::{FdbKey, InterfaceWant};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a port may be down before nothing is expected of what was learned on it
/// (`spec/behaviour.md` 9.7).
const LONG_OUTAGE: Duration = Duration::from_secs(600);

/// Both tables, and what was looked at last for them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) fdb: Fdb,
    pub(super) neigh: Neighbours,
    /// Addresses may be learned on the peer link: nobody is left to say what is behind it (W-37).
    pub(super) peer_link_learning: bool,
    /// State of the links that the ports were derived from.
    links: u64,
    /// Settings that count for layer 3.
    settings: Option<Settings>,
    /// Identity of the active that was taken on last.
    adopted: Option<Mac>,
    /// Layer-3 interfaces that are to have another identity than their own.
    pub(super) identities: BTreeMap<IfName, InterfaceWant>,
    outages: Outages,
}

impl Tables {
    /// True if settings that count for layer 3 are others than when this was asked last.
    fn settings_changed(&mut self, config: &Config) -> bool {
        let same = self.settings.as_ref().is_some_and(|known| {
            known.bridge == config.bridge
                && known.unique_ip == config.unique_ip
                && known.neighbours == config.neighbours
                && known.node_mac == config.node_mac
        });
        if !same {
            self.settings = Some(Settings {
                bridge: config.bridge,
                unique_ip: config.unique_ip.clone(),
                neighbours: config.neighbours,
                node_mac: config.node_mac,
            });
        }
        !same
    }
}

/// MLAG ports that are down, and since when.
#[derive(Clone, Debug, Default)]
struct Outages(BTreeMap<IfName, Time>);

impl Outages {
    /// These are the ports, and whether each is up.
    fn note(&mut self, ports: &BTreeMap<IfName, MlagPort>, timers: &mut Timers, now: Time) {
        self.0.retain(|name, _| {
            let down = ports.get(name).is_some_and(|port| !port.is_up());
            if !down {
                timers.stop(Timer::LongOutage(*name));
            }
            down
        });
        for port in ports.values().filter(|port| !port.is_up()) {
            self.0.entry(port.name()).or_insert_with(|| {
                timers.set(Timer::LongOutage(port.name()), now + LONG_OUTAGE);
                now
            });
        }
    }

    /// How long a port is down, if it is.
    fn of(&self, name: &IfName, now: Time) -> Option<Outage> {
        let since = *self.0.get(name)?;
        Some(if since + LONG_OUTAGE <= now {
            Outage::Long
        } else {
            Outage::Fresh
        })
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Settings {
    bridge: IfName,
    unique_ip: BTreeSet<IfName>,
    neighbours: bool,
    node_mac: Mac,
}

impl Domain {
    /// Tell the tables what changed. Runs after every input: looks first whether anything did.
    pub(super) fn refresh_tables(&mut self, now: Time) {
        let links_ready = self.links.is_ready();
        if links_ready {
            self.tables.outages.note(&self.ports, &mut self.timers, now);
        }
        let links_changed = links_ready && self.tables.links != self.links.generation();
        let lost_at_peer = self.tables.fdb.take_lost_at_peer();
        let view = self.port_view(now);
        let differs = links_changed || !lost_at_peer.is_empty() || view.differs();
        let ports = differs.then(|| view.ports(links_changed));
        let settings_changed = self.tables.settings_changed(&self.config);
        if let Some(ports) = ports {
            let mut before = self.tables.fdb.ports().clone();
            let synchronised = self.session.state() == SessionState::Exchange;
            self.tables.fdb.set_ports(ports, synchronised);
            if links_changed {
                self.tables.links = self.links.generation();
                self.tables
                    .neigh
                    .forget_interfaces(|name| self.links.exists(name));
            }
            // One that is up again there was down meanwhile.
            let lost = lost_at_peer.into_iter().map(|port| (port, false));
            before.at_peer.extend(lost);
            self.refresh_neighbours(&before);
        } else if settings_changed {
            self.refresh_neighbours(&self.tables.fdb.ports().clone());
        }
        let adopted = self.adopted_mac();
        if differs || settings_changed || self.tables.adopted != adopted {
            self.tables.adopted = adopted;
            self.tables.identities = self.identities();
        }
    }

    fn port_view(&self, now: Time) -> PortView<'_> {
        PortView {
            config: &self.config,
            links: &self.links,
            ports: &self.ports,
            peer_link: self.config.peer_link,
            peer: &self.peer,
            outages: &self.tables.outages,
            known: self.tables.fdb.ports(),
            unreported: !self.syncd.policy.reports_activity,
            now,
        }
    }
}

/// Frames for the hosts of a port that is down go over the peer link because their entries say so. On a bridge with
/// spanning tree the port has its carrier back long before it forwards, and a bridge redirects only what is for a port
/// without carrier.
pub(super) fn takes_detour(port: &MlagPort, links: &Links, config: &Config) -> bool {
    !port.is_up() && links.runs_spanning_tree(&config.bridge)
}

/// What the tables have to know of the ports is made of this. Without a dataplane the last one's ways
/// count.
struct PortView<'a> {
    config: &'a Config,
    links: &'a Links,
    ports: &'a BTreeMap<IfName, MlagPort>,
    peer_link: Option<IfName>,
    peer: &'a Peer,
    outages: &'a Outages,
    /// What they know.
    known: &'a Ports,
    unreported: bool,
    now: Time,
}

impl PortView<'_> {
    fn peer_link_down(&self) -> bool {
        if !self.links.is_ready() {
            return self.known.peer_link_down;
        }
        let name = self.peer_link;
        name.is_some_and(|name| !self.links.is_running(&name))
    }

    /// The bridge is there, and no interface with the name of the peer link. Where there is no bridge either the kernel is not
    /// where addresses are learned.
    fn peer_link_missing(&self) -> bool {
        if !self.links.is_ready() {
            return self.known.peer_link_missing;
        }
        let is_missing = |name| !self.links.exists(&name);
        let has_bridge = self.links.exists(&self.config.bridge);
        has_bridge && !self.unreported && self.peer_link.is_some_and(is_missing)
    }

    fn detours(&self) -> impl Iterator<Item = &IfName> {
        let detours = self.ports.iter();
        let detours = detours.filter(|(_, port)| takes_detour(port, self.links, self.config));
        detours.map(|(name, _)| name)
    }

    fn apart(&self) -> impl Iterator<Item = &IfName> {
        let apart = self.ports.iter();
        let apart = apart.filter(|(_, port)| port.pairing().is_alone());
        apart.map(|(name, _)| name)
    }

    /// Everything that may change without the links.
    fn differs(&self) -> bool {
        let known = self.known;
        let name_differs = |name: &IfName| {
            let at_peer = self.peer.port_is_up(name);
            known.at_peer.get(name).copied() != at_peer
                || known.down.get(name).copied() != self.outages.of(name, self.now)
        };
        known.mlag != self.config.ports
            || !self.apart().eq(&known.apart)
            || !self.detours().eq(&known.detours)
            || known.peer_link != self.peer_link
            || known.unreported != self.unreported
            || known.no_orphans == self.peer.policy().orphans
            || known.peer_link_down != self.peer_link_down()
            || known.peer_link_missing != self.peer_link_missing()
            || self.config.ports.iter().any(name_differs)
    }

    fn ports(&self, links_changed: bool) -> Ports {
        let (known, unreported, links_ready) = (self.known, self.unreported, self.links.is_ready());
        let own = || self.config.ports.iter();
        let same_ports = known.mlag == self.config.ports && known.peer_link == self.peer_link;
        let vids = if links_changed || (links_ready && !same_ports) {
            self.vids()
        } else {
            known.vids.clone()
        };
        let kernel = match (unreported, links_ready) {
            (false, _) => Running::default(),
            (true, false) => Running::clone(&known.kernel),
            (true, true) => Running::clone(self.links.running()),
        };
        let down = own().filter_map(|name| Some((*name, self.outages.of(name, self.now)?)));
        let at_peer = own().filter_map(|name| Some((*name, self.peer.port_is_up(name)?)));
        Ports {
            mlag: self.config.ports.clone(),
            apart: self.apart().copied().collect(),
            detours: self.detours().copied().collect(),
            peer_link: self.peer_link,
            vids,
            unreported,
            down: down.collect(),
            kernel,
            peer_link_down: self.peer_link_down(),
            peer_link_missing: self.peer_link_missing(),
            at_peer: at_peer.collect(),
            no_orphans: !self.peer.policy().orphans,
            own: self.own(links_changed),
        }
    }

    /// The same copy as long as it does not change.
    fn own(&self, links_changed: bool) -> Own {
        if links_changed {
            let own = self.links.own_macs(&self.config.bridge);
            let own: BTreeSet<FdbKey> = own.into_values().collect();
            if own != *self.known.own {
                return own.into();
            }
        }
        Own::clone(&self.known.own)
    }

    fn vids(&self) -> BTreeMap<IfName, Vids> {
        let mut vids = BTreeMap::new();
        for name in self.config.ports.iter().chain(&self.peer_link) {
            if !self.links.exists(name) {
                vids.insert(*name, Vids::default());
            } else if let Some(known) = self.links.vids(name) {
                vids.insert(*name, known.clone());
            }
        }
        vids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lag::Event;
    use crate::port_id::PortId;
    use mclag_proto::AggregatorId;

    const ID: PortId = PortId {
        number: AggregatorId(1),
        given: false,
    };

    #[test]
    fn an_outage_is_long_after_ten_minutes_and_begins_anew_each_time() {
        let name = IfName::new("bond1").unwrap();
        let after = |seconds| Time::ZERO + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        let mut ports: BTreeMap<IfName, MlagPort> = [(name, MlagPort::new(name, ID))].into();
        let mut outages = Outages::default();
        // When it is looked at, whether the port is up then, and for how long it has been down.
        for (at, up, outage) in [
            (1, true, None),
            (2, false, Some(Outage::Fresh)),
            (601, false, Some(Outage::Fresh)),
            (602, false, Some(Outage::Long)),
            (603, true, None),
            (604, false, Some(Outage::Fresh)),
        ] {
            let port = ports.get_mut(&name).unwrap();
            let event = match up {
                true => Event::LinksBackUnopposed,
                false => Event::LinksLost,
            };
            port.step(event, &mut timers);
            outages.note(&ports, &mut timers, after(at));
            assert_eq!(outages.of(&name, after(at)), outage, "at {at} s");
            assert_eq!(timers.is_set(Timer::LongOutage(name)), !up, "at {at} s");
        }
        ports.clear();
        outages.note(&ports, &mut timers, after(605));
        assert_eq!(outages.of(&name, after(605)), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn settings_of_layer_3_are_looked_at_when_they_changed_and_once() {
        let name = |text| IfName::new(text).unwrap();
        let address = |last| [192, 0, 2, last].into();
        let domain = mclag_proto::DomainId::new(1).unwrap();
        let (bridge, own) = (name("br0"), Mac([2, 0, 0, 0, 0, 1]));
        let mut config = Config::new(domain, address(1), address(2), bridge, own);
        let mut tables = Tables::default();
        assert!(tables.settings_changed(&config));
        let changes: [fn(&mut Config); 5] = [
            |config| config.bridge = IfName::new("br1").unwrap(),
            |config| config.node_mac = Mac([2, 0, 0, 0, 0, 2]),
            |config| config.neighbours = !config.neighbours,
            |config| config.unique_ip.extend([config.bridge]),
            |config| config.unique_ip.clear(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert!(!tables.settings_changed(&config), "{number}");
            change(&mut config);
            assert!(tables.settings_changed(&config), "{number}");
        }
        config.priority += 1;
        assert!(!tables.settings_changed(&config));
    }
}
