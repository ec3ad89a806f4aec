//! What both chassis are configured differently in (`spec/behaviour.md` 15.1): shown, written down
//! once per change, and otherwise without effect.

use super::{Domain, IfName, MlagPort, Notice, Role, SessionState};
use crate::OnLoss;
use crate::input::LinkKind;
use mclag_proto::Vid;
use mclag_proto::ctl::{Conflict, Warning};
use mclag_proto::iccp::PeerLinkKind;
use std::collections::{BTreeMap, BTreeSet};

/// When to compare, and what was written down.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    is_due: bool,
    noted: BTreeMap<Option<IfName>, Warning>,
    /// The same of the chassis itself.
    noted_here: Vec<Warning>,
    /// State of the interfaces that were looked at.
    shape: u64,
}

impl Checks {
    /// What is compared changed, or may have.
    pub(super) const fn due(&mut self) {
        self.is_due = true;
    }

    /// True if it has to be compared; it counts as done then.
    const fn take_due(&mut self) -> bool {
        std::mem::replace(&mut self.is_due, false)
    }

    /// What differs now, at most once for each interface, and once for the chassis. Returns what did not before.
    fn note(&mut self, found: Vec<(Option<IfName>, Warning)>) -> Vec<Warning> {
        let is_news =
            |(name, warning): &&(Option<IfName>, Warning)| self.noted.get(name) != Some(warning);
        let news = found.iter().filter(is_news);
        let news = news.map(|(_, warning)| warning.clone()).collect();
        self.noted = found.into_iter().collect();
        news
    }
}

impl Domain {
    /// Write down what differs and did not before; of each port the first difference only, in the
    /// order of the specification.
    pub(super) fn check_consistency(&mut self) {
        if self.checks.shape != self.links.shape() {
            self.checks.shape = self.links.shape();
            self.checks.due();
        }
        if self.session.state() != SessionState::Exchange || !self.checks.take_due() {
            return;
        }
        let first = |(port, conflicts): (IfName, Vec<Conflict>)| {
            let conflict = conflicts.into_iter().next()?;
            Some((Some(port), Warning::Port { port, conflict }))
        };
        let mut found: Vec<(Option<IfName>, Warning)> =
            self.conflicts().filter_map(first).collect();
        let peer_link = self.config.peer_link;
        found.extend(self.peer_link_conflict().map(|found| (peer_link, found)));
        found.extend(self.system_mac_conflict().map(|found| (None, found)));
        let mut news = self.checks.note(found);
        // While the interfaces are being listed anew nothing is known to be over.
        if self.links.is_ready() {
            let here = self.hazards();
            let noted = std::mem::take(&mut self.checks.noted_here);
            news.extend(here.iter().filter(|found| !noted.contains(found)).cloned());
            self.checks.noted_here = here;
        }
        for warning in news {
            self.notice(Notice::Conflict(warning));
        }
    }

    /// A VXLAN tunnel on one side only; no other kinds are compared (`spec/behaviour.md` 10.6).
    pub(super) fn peer_link_conflict(&self) -> Option<Warning> {
        // What it was called in an earlier session need not be so any more.
        let synchronised = self.peer.known().are_ports_synchronised();
        let link = self.peer.link().filter(|_| synchronised)?;
        let own = self.links.by_name(&self.config.peer_link?)?;
        let tunnel_at_peer = link.kind == PeerLinkKind::Vxlan;
        let peers = link.name;
        ((own.kind == LinkKind::Vxlan) != tunnel_at_peer).then_some(Warning::PeerLinkKinds {
            peers,
            tunnel_at_peer,
        })
    }

    /// The configured system MAC is not the peer's. As standby a legacy peer takes on ours, so what it calls
    /// itself does not matter then.
    pub(super) fn system_mac_conflict(&self) -> Option<Warning> {
        let (own, peers) = (self.config.system_mac?, self.peer.system_mac()?);
        let counts = !self.peer.policy().keeps_its_mac || self.identity.role == Role::Secondary;
        let used = Some(self.system_mac()?);
        (own != peers && counts).then_some(Warning::SystemMacs { own, peers, used })
    }

    /// The peer link and ports that can be none because of a VLAN interface.
    pub(super) fn vlan_ports(&self) -> impl Iterator<Item = (IfName, Warning)> {
        let named = self.config.peer_link.into_iter();
        let named = named.chain(self.ports.keys().copied());
        named.filter_map(|port| {
            let vlan = self.links.vlan_port(&port)?;
            Some((port, Warning::VlanPort { port, vlan }))
        })
    }

    /// Differences in the settings of each port, in the order of the ports.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = (IfName, Vec<Conflict>)> {
        let ports = self.ports.values();
        ports.map(|port| (port.name(), self.conflicts_of(port)))
    }

    fn conflicts_of(&self, port: &MlagPort) -> Vec<Conflict> {
        let mut conflicts = Vec::from_iter(self.kind_conflict(&port.name()));
        if !self.peer.known().are_ports_synchronised() {
            return conflicts;
        }
        conflicts.extend(self.id_conflict(port));
        let Some(remote) = self.peer.port(&port.name()) else {
            conflicts.push(Conflict::MissingAtPeer);
            if self.config.on_loss == OnLoss::Release {
                conflicts.push(Conflict::SharesSystemId);
            }
            return conflicts;
        };
        conflicts.extend(self.partners.conflict(&port.name()).cloned());
        let could_carry = self.links.port_is_up(&port.name(), &self.config.bridge);
        if could_carry && self.is_refused(port) {
            conflicts.push(Conflict::NotIsolatedAtPeer);
        }
        if port.is_isolation_refused() {
            conflicts.push(Conflict::CannotIsolate);
        }
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
        if let (Some(own), Some(peers)) = (facts.pvid, remote.pvid())
            && own != peers
        {
            conflicts.push(Conflict::Pvid { own, peers });
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

impl Domain {
    /// An id that only one of the operators gave, or each another one.
    fn id_conflict(&self, port: &MlagPort) -> Option<Conflict> {
        let pairs_by_id = self.peer.policy().hears_port_ids;
        let remote = self
            .peer
            .port_called(&port.name())
            .filter(|_| pairs_by_id)?;
        let (own, peers) = (port.id(), remote.id().number);
        let matters = port.is_given_id() || remote.id().given;
        let differs = own != peers
            && self
                .peer
                .name_of(&port.name())
                .is_none_or(|name| name == port.name());
        (matters && differs).then_some(Conflict::Ids { own, peers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_written_down_once_and_again_when_it_returns() {
        let name = |text| IfName::new(text).unwrap();
        let missing = |text| {
            let (port, conflict) = (name(text), Conflict::MissingAtPeer);
            (Some(port), Warning::Port { port, conflict })
        };
        let routed = |text| {
            let (port, conflict) = (name(text), Conflict::Layer3 { here: true });
            (Some(port), Warning::Port { port, conflict })
        };
        let mut checks = Checks::default();
        // What is found, and which of it is news.
        for (found, news) in [
            (
                vec![missing("b"), missing("a")],
                vec![missing("b"), missing("a")],
            ),
            (vec![missing("b"), missing("a")], vec![]),
            (vec![missing("a")], vec![]),
            (
                vec![missing("b"), routed("a")],
                vec![missing("b"), routed("a")],
            ),
            (vec![], vec![]),
            (vec![routed("a")], vec![routed("a")]),
        ] {
            let news: Vec<Warning> = news.into_iter().map(|(_, warning)| warning).collect();
            assert_eq!(checks.note(found), news);
        }
        assert!(!checks.take_due());
        checks.due();
        assert!(checks.take_due() && !checks.take_due());
    }
}
