//! What `syncd` is sent beside the tables: ports, how the pair stands, the peer's ports, members,
//! and whose address layer-3 interfaces have. And in which order.
//!
//! A dataplane that publishes the state of the pair reads meaning into the order
//! (`spec/behaviour.md` 6.5, 6.6): an empty list of isolated ports deletes the isolation group while
//! the session is down and empties it while it is up. So *down* goes before anything that lifts
//! isolation, *up* behind learning and ports.

use super::connection::Syncd;
use super::{Domain, IfName, MlagPort, PortWant, Role, SessionState};
use crate::lag::Report;
use mclag_proto::Mac;
use mclag_proto::sync::model::{DomainWant, InterfaceWant, Op, PairState, Section};
use std::collections::BTreeMap;

/// Everything but the tables, as it is wanted now. What the dataplane does not hear of stays empty.
#[derive(Clone, Debug)]
struct Wanted {
    node_mac: Mac,
    pair: PairState,
    domain: DomainWant,
    ports: Vec<(IfName, PortWant)>,
    members: BTreeMap<IfName, Vec<IfName>>,
    remote: BTreeMap<IfName, bool>,
    /// None where they are as they were sent.
    interfaces: Option<BTreeMap<IfName, InterfaceWant>>,
}

impl Domain {
    /// Queue what changed of everything but the tables. Does nothing while nothing happened.
    pub(super) fn queue_changes(&mut self) {
        if std::mem::take(&mut self.syncd.dirty) {
            let wanted = self.wanted();
            self.syncd.queue_changes(wanted, &mut self.ports);
        }
    }

    /// The next that is sent of the pair is that it is no longer up.
    pub(super) fn sends_down(&self) -> bool {
        self.syncd.dirty && !self.syncd.ports_due && self.syncd.goes_down(self.pair_state())
    }

    /// Want nothing any more: neither ports nor addresses, which would never age.
    pub(super) fn syncd_release_all(&mut self) {
        let pair = self.pair_state();
        self.syncd.release_all(pair);
    }

    fn wanted(&self) -> Wanted {
        let pair = self.pair_state();
        let hears_pair = self.syncd.policy.hears_pair;
        let remote = self.peer.ports().filter(|_| hears_pair && pair.up);
        // The peer link's, because learning stops on each.
        let peer_link = self.config.peer_link;
        let named = self.ports.keys().chain(&peer_link);
        let members = |name: &IfName| {
            let index = self.links.by_name(name).map(|link| link.index);
            let members = index.map(|index| self.links.members(index));
            let members = members.unwrap_or_default().into_iter();
            (*name, members.map(|member| member.name).collect())
        };
        let ports = self.ports.values();
        Wanted {
            node_mac: self.config.node_mac,
            pair,
            domain: DomainWant {
                bridge: self.config.bridge,
                peer_link,
                peer_link_learning: self.peer_link_learns(),
            },
            ports: ports
                .map(|port| (port.name(), self.port_want(port)))
                .collect(),
            members: named.filter(|_| hears_pair).map(members).collect(),
            remote: remote
                .filter_map(|(name, port)| Some((self.peer.translate(name)?, port.is_up())))
                .collect(),
            interfaces: self.syncd.wants_interfaces(&self.tables.identities),
        }
    }

    /// While a port is isolated, or may be, nothing is learned on the peer link, nobody left to say what is behind it
    /// or not: the port's hosts would move there, and what is for them would be dropped.
    fn peer_link_learns(&self) -> bool {
        let mut ports = self.ports.values();
        self.tables.peer_link_learning && ports.all(MlagPort::is_not_isolated)
    }

    /// A peer that reboots warm is not reported as gone (`spec/behaviour.md` 14.2).
    fn pair_state(&self) -> PairState {
        PairState {
            domain: self.config.domain,
            active: match self.identity.role {
                Role::Primary => Some(true),
                Role::Secondary => Some(false),
                Role::Undecided | Role::Unknown => None,
            },
            up: self.peer.known().is_restarting() || self.session.state() == SessionState::Exchange,
            system_mac: self.system_mac(),
        }
    }
}

impl Syncd {
    fn queue_changes(&mut self, wanted: Wanted, ports: &mut BTreeMap<IfName, MlagPort>) {
        if self.ports_due {
            self.queue_everything(wanted, ports);
            return;
        }
        self.queue_node_mac(wanted.node_mac);
        let goes_down = self.goes_down(wanted.pair);
        if goes_down {
            self.queue_pair(wanted.pair);
        }
        self.queue_members(wanted.members);
        self.queue_port_ops(wanted.domain, wanted.ports, ports);
        self.queue_pair(wanted.pair);
        if goes_down {
            self.queue_interfaces(wanted.interfaces);
            self.queue_remote_ports(wanted.remote);
        } else {
            self.queue_remote_ports(wanted.remote);
            self.queue_interfaces(wanted.interfaces);
        }
    }

    fn goes_down(&self, pair: PairState) -> bool {
        !pair.up && self.sent.pair.is_some_and(|sent| sent.up)
    }

    /// The order of `spec/behaviour.md` 14.6.
    fn queue_everything(&mut self, wanted: Wanted, ports: &mut BTreeMap<IfName, MlagPort>) {
        if self.policy.hears_pair {
            self.begin(Section::Pair);
            self.queue_node_mac(wanted.node_mac);
            self.queue_pair(wanted.pair);
            self.queue_remote_ports(wanted.remote);
            self.queue_members(wanted.members);
            self.end(Section::Pair);
        }
        self.queue_port_ops(wanted.domain, wanted.ports, ports);
        if self.policy.keeps_interfaces {
            self.begin(Section::Interfaces);
            self.queue_interfaces(wanted.interfaces);
            self.end(Section::Interfaces);
        }
    }

    fn queue_node_mac(&mut self, mac: Mac) {
        if self.policy.hears_node_mac && self.sent.node_mac != Some(mac) {
            self.sent.node_mac = Some(mac);
            self.queue(Op::NodeMac(mac));
        }
    }

    fn queue_pair(&mut self, pair: PairState) {
        if self.policy.hears_pair && self.sent.pair != Some(pair) {
            self.sent.pair = Some(pair);
            self.queue(Op::Pair(pair));
        }
    }

    fn queue_port_ops(
        &mut self,
        domain: DomainWant,
        wants: Vec<(IfName, PortWant)>,
        ports: &mut BTreeMap<IfName, MlagPort>,
    ) {
        let whole = std::mem::take(&mut self.ports_due);
        if whole {
            self.begin(Section::Ports);
        }
        if whole || self.sent.domain != Some(domain) {
            self.sent.domain = Some(domain);
            self.queue(Op::Domain(domain));
        }
        for (name, want) in wants {
            let Some(port) = ports.get_mut(&name) else {
                continue;
            };
            if whole || port.programmed().sent() != Some(want) {
                port.program(Report::Sent(want));
                self.queue(Op::Port { port: name, want });
            }
        }
        if whole {
            self.end(Section::Ports);
        }
    }

    fn queue_remote_ports(&mut self, wanted: BTreeMap<IfName, bool>) {
        for (port, _, now) in self.sent.remote.update(wanted) {
            self.queue(match now {
                Some(up) => Op::RemotePort { port, up },
                None => Op::RemotePortRelease { port },
            });
        }
    }

    fn queue_members(&mut self, wanted: BTreeMap<IfName, Vec<IfName>>) {
        for (port, before, now) in self.sent.members.update(wanted) {
            let (before, members) = (before.unwrap_or_default(), now.unwrap_or_default());
            if before != members {
                self.queue(Op::Members { port, members });
            }
        }
    }

    fn wants_interfaces(
        &self,
        now: &BTreeMap<IfName, InterfaceWant>,
    ) -> Option<BTreeMap<IfName, InterfaceWant>> {
        let differ = self.policy.keeps_interfaces && !self.sent.interfaces.is(now);
        differ.then(|| now.clone())
    }

    fn queue_interfaces(&mut self, wanted: Option<BTreeMap<IfName, InterfaceWant>>) {
        let Some(wanted) = wanted else { return };
        for (name, _, now) in self.sent.interfaces.update(wanted) {
            self.queue(match now {
                Some(want) => Op::Interface { name, want },
                None => Op::InterfaceRelease { name },
            });
        }
    }

    fn release_all(&mut self, pair: PairState) {
        self.queued.clear();
        self.ports_due = false;
        if self.sent.pair.is_some() {
            let up = false;
            self.queue_pair(PairState { up, ..pair });
        }
        for section in self.policy.sections() {
            self.begin(section);
            self.end(section);
        }
    }

    /// A port is no longer an MLAG port. Unconnected, the next snapshot leaves it out.
    pub(super) fn release_port(&mut self, port: IfName) {
        if self.is_up() && !self.ports_due {
            self.queue(Op::PortRelease { port });
        }
    }
}
