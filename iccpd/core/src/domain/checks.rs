//! What both chassis are configured differently in (`spec/behaviour.md` 15.1): shown, written down
//! once per change, and otherwise without effect.

use super::{Domain, MlagPort, Notice, State};
use crate::input::LinkKind;
use mclag_proto::Vid;
use mclag_proto::ctl::{Conflict, Warning};
use mclag_proto::iccp::PeerLinkKind;
use std::collections::BTreeSet;

impl Domain {
    /// Write down what differs and did not before; of each port the first difference only, in the
    /// order of the specification.
    pub(super) fn check_consistency(&mut self) {
        if self.session.state() != State::Exchange || !std::mem::take(&mut self.checks_due) {
            return;
        }
        let mut news = Vec::new();
        let found: Vec<Option<Conflict>> = self
            .ports
            .values()
            .map(|port| self.conflicts(port).into_iter().next())
            .collect();
        for (port, first) in self.ports.values_mut().zip(found) {
            if port.note(first.as_ref()) {
                let port = port.name();
                news.extend(first.map(|conflict| Warning::Port { port, conflict }));
            }
        }
        let other_kind = self.peer_link_conflict();
        if other_kind.is_some() && !self.peer_link_noted {
            news.extend(other_kind.clone());
        }
        self.peer_link_noted = other_kind.is_some();
        for warning in news {
            self.notice(Notice::Conflict(warning));
        }
    }

    /// A VXLAN tunnel on one side only; no other kinds are compared (`spec/behaviour.md` 10.6).
    pub(super) fn peer_link_conflict(&self) -> Option<Warning> {
        let link = self.peer.link()?;
        let own = self.links.by_name(&self.config.peer_link?)?;
        let tunnel_at_peer = link.kind == PeerLinkKind::Vxlan;
        let peers = link.name;
        ((own.kind == LinkKind::Vxlan) != tunnel_at_peer).then_some(Warning::PeerLinkKinds {
            peers,
            tunnel_at_peer,
        })
    }

    /// Differences in the settings of a port.
    pub(super) fn conflicts(&self, port: &MlagPort) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        let mut others = self.ports.values().filter(|other| other.id() == port.id());
        if let Some(other) = others.find(|other| other.name() != port.name()) {
            let (id, other) = (port.id(), other.name());
            conflicts.push(Conflict::SameNumber { id, other });
        }
        if !self.peer.known().is_heard() {
            return conflicts;
        }
        let Some(remote) = self.peer.port(&port.name()) else {
            conflicts.push(Conflict::MissingAtPeer);
            return conflicts;
        };
        let (Some(facts), Some(info)) = (port.facts(), remote.info()) else {
            return conflicts;
        };
        if facts.l3 != info.l3 {
            let here = facts.l3;
            conflicts.push(Conflict::Layer3 { here });
        }
        if facts.address != info.address {
            let (own, peers) = (facts.address, info.address);
            conflicts.push(Conflict::Addresses { own, peers });
        }
        let only = |a: &BTreeSet<Vid>, b: &BTreeSet<Vid>| -> Option<Vec<Vid>> {
            let only: Vec<Vid> = a.difference(b).copied().collect();
            (!only.is_empty()).then_some(only)
        };
        let (own, peers) = (&facts.vids, &info.vids);
        conflicts.extend(only(own, peers).map(|vids| Conflict::VlansMissingAtPeer { vids }));
        conflicts.extend(only(peers, own).map(|vids| Conflict::VlansMissingHere { vids }));
        conflicts
    }
}
