//! What `syncd` is told beside ports and addresses: how the pair stands, the peer's ports, members,
//! and whose address layer-3 interfaces have. And in which order.
//!
//! A dataplane that publishes the state of the pair reads meaning into the order
//! (`spec/behaviour.md` 6.5, 6.6): an empty list of isolated ports deletes the isolation group while
//! the session is down and empties it while it is up. So *down* goes before anything that lifts
//! isolation, *up* behind learning and ports.

use super::dataplane::Syncd;
use super::{Domain, IfName, Role, State};
use mclag_proto::Mac;
use mclag_proto::sync::model::{InterfaceWant, Op, PairState, Section};
use std::collections::BTreeMap;

/// What was said on this connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    node_mac: Option<Mac>,
    pair: Option<PairState>,
    remote: BTreeMap<IfName, bool>,
    members: BTreeMap<IfName, Vec<IfName>>,
    interfaces: BTreeMap<IfName, InterfaceWant>,
}

impl Syncd {
    fn begin(&mut self, section: Section) {
        self.queued.push_back(Op::SnapshotBegin(section));
    }

    fn end(&mut self, section: Section) {
        self.queued.push_back(Op::SnapshotEnd(section));
    }
}

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
        !self.pair_state().up && self.syncd.told.pair.is_some_and(|told| told.up)
    }

    /// The order of `spec/behaviour.md` 14.6.
    fn queue_everything(&mut self) {
        if self.syncd.abilities.pair {
            self.syncd.begin(Section::Pair);
            self.queue_node_mac();
            self.queue_pair(self.pair_state());
            self.queue_remote_ports();
            self.queue_members();
            self.syncd.end(Section::Pair);
        }
        self.queue_port_ops();
        if self.syncd.abilities.interfaces {
            self.syncd.begin(Section::Interfaces);
            self.queue_interfaces();
            self.syncd.end(Section::Interfaces);
        }
    }

    /// A peer that reboots warm is not reported as gone (`spec/behaviour.md` 14.2).
    fn pair_state(&self) -> PairState {
        PairState {
            domain: self.config.domain,
            active: match self.role.0 {
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
        if self.syncd.abilities.node_mac && self.syncd.told.node_mac != now {
            self.syncd.told.node_mac = now;
            self.syncd.queued.extend(now.map(Op::NodeMac));
        }
    }

    fn queue_pair(&mut self, pair: PairState) {
        if self.syncd.abilities.pair && self.syncd.told.pair != Some(pair) {
            self.syncd.told.pair = Some(pair);
            self.syncd.queued.push_back(Op::Pair(pair));
        }
    }

    fn queue_remote_ports(&mut self) {
        if !self.syncd.abilities.pair {
            return;
        }
        let up = self.syncd.told.pair.is_some_and(|pair| pair.up);
        let known = self.peer.ports().filter(|_| up);
        let now: BTreeMap<IfName, bool> = known.map(|(name, port)| (*name, port.is_up())).collect();
        let Syncd { told, queued, .. } = &mut self.syncd;
        for port in told.remote.keys().filter(|name| !now.contains_key(name)) {
            queued.push_back(Op::RemotePortRelease { port: *port });
        }
        for (&port, &up) in &now {
            if told.remote.get(&port) != Some(&up) {
                queued.push_back(Op::RemotePort { port, up });
            }
        }
        told.remote = now;
    }

    fn queue_members(&mut self) {
        if !self.syncd.abilities.pair {
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
        let Syncd { told, queued, .. } = &mut self.syncd;
        let none: &[IfName] = &[];
        for (&port, before) in &told.members {
            if !now.contains_key(&port) && !before.is_empty() {
                let members = Vec::new();
                queued.push_back(Op::Members { port, members });
            }
        }
        for (&port, members) in &now {
            if told.members.get(&port).map_or(none, Vec::as_slice) != members {
                let members = members.clone();
                queued.push_back(Op::Members { port, members });
            }
        }
        told.members = now;
    }

    fn queue_interfaces(&mut self) {
        if !self.syncd.abilities.interfaces {
            return;
        }
        let now = &self.tables.identities;
        let Syncd { told, queued, .. } = &mut self.syncd;
        if told.interfaces == *now {
            return;
        }
        for name in told
            .interfaces
            .keys()
            .filter(|name| !now.contains_key(name))
        {
            queued.push_back(Op::InterfaceRelease { name: *name });
        }
        for (&name, &want) in now {
            if told.interfaces.get(&name) != Some(&want) {
                queued.push_back(Op::Interface { name, want });
            }
        }
        told.interfaces = now.clone();
    }

    /// Want nothing any more: neither ports nor addresses, which would never age.
    pub(super) fn syncd_release_all(&mut self) {
        let abilities = self.syncd.abilities;
        self.syncd.queued.clear();
        self.syncd.ports_due = false;
        if self.syncd.told.pair.is_some() {
            let up = false;
            self.queue_pair(PairState {
                up,
                ..self.pair_state()
            });
        }
        let sections = [
            (Section::Ports, true),
            (Section::Interfaces, abilities.interfaces),
            (Section::Fdb, true),
            (Section::Neighbours, abilities.neighbours),
            (Section::Pair, abilities.pair),
        ];
        for (section, _) in sections.into_iter().filter(|(_, able)| *able) {
            self.syncd.begin(section);
            self.syncd.end(section);
        }
    }
}
