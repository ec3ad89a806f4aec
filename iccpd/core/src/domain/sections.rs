//! What `syncd` is told beside the tables: ports, how the pair stands, the peer's ports, members,
//! and whose address layer-3 interfaces have. And in which order.
//!
//! A dataplane that publishes the state of the pair reads meaning into the order
//! (`spec/behaviour.md` 6.5, 6.6): an empty list of isolated ports deletes the isolation group while
//! the session is down and empties it while it is up. So *down* goes before anything that lifts
//! isolation, *up* behind learning and ports.

use super::{Domain, IfName, PortWant, Role, State};
use crate::lag::Report;
use mclag_proto::sync::model::{DomainWant, Op, PairState, Section};
use std::collections::BTreeMap;

impl Domain {
    /// Queue what changed of everything but the tables. Does nothing while nothing happened.
    pub(super) fn queue_changes(&mut self) {
        if !std::mem::take(&mut self.syncd.dirty) {
            return;
        }
        if self.syncd.ports_due {
            self.queue_everything();
            return;
        }
        self.queue_node_mac();
        let pair = self.pair_state();
        let goes_down = self.goes_down();
        if goes_down {
            self.queue_pair(pair);
        }
        self.queue_members();
        self.queue_port_ops();
        self.queue_pair(pair);
        if goes_down {
            self.queue_interfaces();
            self.queue_remote_ports();
        } else {
            self.queue_remote_ports();
            self.queue_interfaces();
        }
    }

    /// The next that is said of the pair is that it is no longer up.
    pub(super) fn tells_down(&self) -> bool {
        self.syncd.dirty && !self.syncd.ports_due && self.goes_down()
    }

    fn goes_down(&self) -> bool {
        !self.pair_state().up && self.syncd.sent.pair.is_some_and(|told| told.up)
    }

    /// The order of `spec/behaviour.md` 14.6.
    fn queue_everything(&mut self) {
        if self.syncd.policy.hears_pair {
            self.syncd.begin(Section::Pair);
            self.queue_node_mac();
            self.queue_pair(self.pair_state());
            self.queue_remote_ports();
            self.queue_members();
            self.syncd.end(Section::Pair);
        }
        self.queue_port_ops();
        if self.syncd.policy.keeps_interfaces {
            self.syncd.begin(Section::Interfaces);
            self.queue_interfaces();
            self.syncd.end(Section::Interfaces);
        }
    }

    /// A peer that reboots warm is not reported as gone (`spec/behaviour.md` 14.2).
    fn pair_state(&self) -> PairState {
        PairState {
            domain: self.config.domain,
            active: match self.identity.role {
                Role::Primary => Some(true),
                Role::Secondary => Some(false),
                Role::Undecided => None,
            },
            up: self.peer.known().is_restarting() || self.session.state() == State::Exchange,
            system_mac: self.system_mac(),
        }
    }

    fn queue_node_mac(&mut self) {
        let now = Some(self.config.node_mac);
        if self.syncd.policy.hears_node_mac && self.syncd.sent.node_mac != now {
            self.syncd.sent.node_mac = now;
            self.syncd.queued.extend(now.map(Op::NodeMac));
        }
    }

    fn queue_pair(&mut self, pair: PairState) {
        if self.syncd.policy.hears_pair && self.syncd.sent.pair != Some(pair) {
            self.syncd.sent.pair = Some(pair);
            self.syncd.queue(Op::Pair(pair));
        }
    }

    fn queue_port_ops(&mut self) {
        let whole = std::mem::take(&mut self.syncd.ports_due);
        if whole {
            self.syncd.begin(Section::Ports);
        }
        let domain = DomainWant {
            bridge: self.config.bridge,
            peer_link: self.config.peer_link,
            peer_link_learning: self.tables.peer_link_learning,
        };
        if whole || self.syncd.sent.domain != Some(domain) {
            self.syncd.sent.domain = Some(domain);
            self.syncd.queue(Op::Domain(domain));
        }
        let wants: Vec<(IfName, PortWant)> = self
            .ports
            .values()
            .map(|port| (port.name(), self.port_want(port)))
            .collect();
        for (name, want) in wants {
            let Some(port) = self.ports.get_mut(&name) else {
                continue;
            };
            if whole || port.programmed().told() != Some(want) {
                port.program(Report::Told(want));
                self.syncd.queue(Op::Port { port: name, want });
            }
        }
        if whole {
            self.syncd.end(Section::Ports);
        }
    }

    fn queue_remote_ports(&mut self) {
        if !self.syncd.policy.hears_pair {
            return;
        }
        let up = self.syncd.sent.pair.is_some_and(|pair| pair.up);
        let known = self.peer.ports().filter(|_| up);
        let now: BTreeMap<IfName, bool> = known.map(|(name, port)| (*name, port.is_up())).collect();
        for (port, _, now) in self.syncd.sent.remote.update(now) {
            self.syncd.queue(match now {
                Some(up) => Op::RemotePort { port, up },
                None => Op::RemotePortRelease { port },
            });
        }
    }

    fn queue_members(&mut self) {
        if !self.syncd.policy.hears_pair {
            return;
        }
        let members = |name: &IfName| {
            let index = self.links.by_name(name).map(|link| link.index);
            let members = index.map(|index| self.links.members(index));
            let members = members.unwrap_or_default().into_iter();
            (*name, members.map(|member| member.name).collect())
        };
        // The peer link's, because learning stops on each.
        let named = self.ports.keys().chain(&self.config.peer_link);
        let now: BTreeMap<IfName, Vec<IfName>> = named.map(members).collect();
        for (port, before, now) in self.syncd.sent.members.update(now) {
            let (before, members) = (before.unwrap_or_default(), now.unwrap_or_default());
            if before != members {
                self.syncd.queue(Op::Members { port, members });
            }
        }
    }

    fn queue_interfaces(&mut self) {
        let now = &self.tables.identities;
        if !self.syncd.policy.keeps_interfaces || self.syncd.sent.interfaces.is(now) {
            return;
        }
        let now = now.clone();
        for (name, _, now) in self.syncd.sent.interfaces.update(now) {
            self.syncd.queue(match now {
                Some(want) => Op::Interface { name, want },
                None => Op::InterfaceRelease { name },
            });
        }
    }

    /// Want nothing any more: neither ports nor addresses, which would never age.
    pub(super) fn syncd_release_all(&mut self) {
        self.syncd.queued.clear();
        self.syncd.ports_due = false;
        if self.syncd.sent.pair.is_some() {
            let up = false;
            self.queue_pair(PairState {
                up,
                ..self.pair_state()
            });
        }
        for section in self.syncd.policy.sections() {
            self.syncd.begin(section);
            self.syncd.end(section);
        }
    }
}
