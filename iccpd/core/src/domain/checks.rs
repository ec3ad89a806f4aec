//! What both chassis are configured differently in (`spec/behaviour.md` 15.1): shown, written down
//! once per change, and otherwise without effect.

use super::{Domain, MlagPort, Notice, State};
use crate::input::LinkKind;
use mclag_proto::Vid;
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
        let found: Vec<Option<String>> = self
            .ports
            .values()
            .map(|port| self.conflicts(port).into_iter().next())
            .collect();
        for (port, first) in self.ports.values_mut().zip(found) {
            if port.note(first.as_ref()) {
                news.extend(first.map(|text| format!("{}: {text}", port.name())));
            }
        }
        let other_kind = self.peer_link_conflict();
        if other_kind.is_some() && !self.peer_link_noted {
            news.extend(other_kind.clone());
        }
        self.peer_link_noted = other_kind.is_some();
        for text in news {
            self.notice(Notice::Conflict { text });
        }
    }

    /// A VXLAN tunnel on one side only; no other kinds are compared (`spec/behaviour.md` 10.6).
    pub(super) fn peer_link_conflict(&self) -> Option<String> {
        let link = self.peer.link()?;
        let own = self.links.by_name(&self.config.peer_link?)?;
        let name = link.name;
        match (
            own.kind == LinkKind::Vxlan,
            link.kind == PeerLinkKind::Vxlan,
        ) {
            (false, true) => Some(format!("the peer's peer link {name} is a VXLAN tunnel")),
            (true, false) => Some(format!("the peer's peer link {name} is no VXLAN tunnel")),
            _ => None,
        }
    }

    /// Differences in the settings of a port.
    pub(super) fn conflicts(&self, port: &MlagPort) -> Vec<String> {
        let mut conflicts = Vec::new();
        let mut others = self.ports.values().filter(|other| other.id() == port.id());
        if let Some(other) = others.find(|other| other.name() != port.name()) {
            let (id, name) = (port.id(), other.name());
            conflicts.push(format!("has number {id} in common with {name}"));
        }
        if !self.peer.known().is_heard() {
            return conflicts;
        }
        let Some(remote) = self.peer.port(&port.name()) else {
            conflicts.push("not an MLAG port at the peer".to_owned());
            return conflicts;
        };
        let (Some(facts), Some(info)) = (port.facts(), remote.info()) else {
            return conflicts;
        };
        match (facts.l3, info.l3) {
            (true, false) => conflicts.push("a layer-3 port here only".to_owned()),
            (false, true) => conflicts.push("a layer-3 port at the peer only".to_owned()),
            _ => {}
        }
        if facts.address != info.address {
            let (own, peers) = (facts.address, info.address);
            conflicts.push(format!("address {own} here, {peers} at the peer"));
        }
        let differ = |a: &BTreeSet<Vid>, b: &BTreeSet<Vid>, place: &str| {
            let only: Vec<String> = a.difference(b).map(ToString::to_string).collect();
            (!only.is_empty()).then(|| format!("VLAN {} missing {place}", only.join(",")))
        };
        conflicts.extend(differ(&facts.vids, &info.vids, "at the peer"));
        conflicts.extend(differ(&info.vids, &facts.vids, "locally"));
        conflicts
    }
}
