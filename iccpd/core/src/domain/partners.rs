//! Whether one host is at the other end of both halves of a port.
//!
//! Cables that are crossed, or two LAGs of one host, put two hosts behind one port of the pair: each chassis
//! sends what is for one of them to the other as well as not. LACP knows who is there. Between two of our
//! own each chassis tells the other ([`mclag_proto::iccp::ext::PortPartner`]), and while they differ the port of the
//! secondary counts as down: it is held and shows an LACP system id of its own. So is one whose partner is
//! behind another port of the peer. Nobody has to clear that: when the partners agree it is over
//! (`docs/adr/0018-partners-agree.md`).

use super::{Domain, IfName, MlagPort, Role, SessionState};
use crate::links::Lone;
use mclag_proto::LacpPartner;
use mclag_proto::ctl::Conflict;
use std::collections::BTreeMap;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Partners {
    /// State of the links that were looked at, as whom, and whether a port can be held.
    looked_at: Option<(u64, Role, bool)>,
    /// Something changed that counts.
    is_due: bool,
    conflicts: BTreeMap<IfName, Conflict>,
}

impl Partners {
    /// Compare again.
    pub(super) const fn due(&mut self) {
        self.is_due = true;
    }

    /// Other ports are to be looked at, whatever happens to the links.
    pub(super) const fn look_again(&mut self) {
        self.looked_at = None;
    }

    /// Nobody is there to compare with.
    pub(super) fn clear(&mut self) {
        self.conflicts.clear();
    }

    pub(super) fn conflict(&self, port: &IfName) -> Option<&Conflict> {
        self.conflicts.get(port)
    }
}

impl Domain {
    /// Look who is at the other end of each port, and compare with what the peer says.
    pub(super) fn compare_partners(&mut self) {
        let holds = self.syncd.policy.holds;
        let state = Some((self.links.generation(), self.identity.role, holds));
        if self.links.is_ready() && self.partners.looked_at != state {
            self.partners.looked_at = state;
            let partners = self.ports.values();
            let partners = partners.map(|port| (port.name(), self.lacp_partner(port)));
            for (name, partner) in partners.collect::<Vec<_>>() {
                let port = self.ports.get_mut(&name);
                self.partners.is_due |= port.is_some_and(|port| port.set_partner(partner));
            }
        }
        if self.session.state() != SessionState::Exchange
            || !std::mem::take(&mut self.partners.is_due)
        {
            return;
        }
        let own = self.ports.values();
        let own = own.filter_map(|port| Some((port.name(), port.partner()?)));
        let peers = self.peer.ports();
        let peers = peers.filter_map(|(name, port)| Some((*name, port.partner()?)));
        let conflicts = compare(&own.collect(), &peers.collect(), |own| {
            self.peer.name_of(own)
        });
        if conflicts != self.partners.conflicts {
            self.partners.conflicts = conflicts;
            self.partners.look_again();
            self.checks.due();
        }
    }

    /// Who is at the other end of a port, as far as that counts. At the primary: while it could carry data. The secondary
    /// is the one that gives way, and so looks at what could carry data next: while LACP can run, also where the host uses
    /// another leg, and through LACP's beginning anew, for the same cable leads to the same host until it is pulled or
    /// nobody answers.
    fn lacp_partner(&self, port: &MlagPort) -> Option<LacpPartner> {
        let (name, bridge) = (&port.name(), &self.config.bridge);
        let partner = self.links.partner(name);
        match self.identity.role {
            Role::Secondary if self.syncd.policy.holds => {
                let may_be_there = self.links.has_running_member(name)
                    && !matches!(self.links.lone(name, bridge), Lone::Nobody { .. });
                partner.or(port.partner()).filter(|_| may_be_there)
            }
            _ => partner.filter(|_| self.links.port_is_up(name, bridge)),
        }
    }

    /// The port is to be kept from carrying data: another host is behind the peer's. Where no
    /// dataplane can do that it would only be said.
    pub(super) fn is_miscabled(&self, port: &IfName) -> bool {
        self.identity.role == Role::Secondary
            && self.syncd.policy.holds
            && self.partners.conflict(port).is_some()
    }
}

/// What differs, by the partners of the ports of both chassis, and what the peer calls its half of a port.
fn compare(
    own: &BTreeMap<IfName, LacpPartner>,
    peers: &BTreeMap<IfName, LacpPartner>,
    name_at_peer: impl Fn(&IfName) -> Option<IfName>,
) -> BTreeMap<IfName, Conflict> {
    let at_peer: BTreeMap<LacpPartner, IfName> = peers
        .iter()
        .map(|(name, partner)| (*partner, *name))
        .collect();
    let theirs = |name: &IfName| peers.get(&name_at_peer(name)?);
    let conflict = |name: &IfName, partner: LacpPartner| match theirs(name) {
        Some(theirs) if *theirs == partner => None,
        Some(theirs) => Some(Conflict::Partners {
            own: partner,
            peers: *theirs,
        }),
        None => {
            let at = *at_peer.get(&partner)?;
            Some(Conflict::PartnerElsewhere { partner, at })
        }
    };
    let found = own.iter();
    let found = found.filter_map(|(name, partner)| Some((*name, conflict(name, *partner)?)));
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::Mac;

    /// `bond1=1.9` is a port with the partner of that last byte and key.
    fn partners(text: &str) -> BTreeMap<IfName, LacpPartner> {
        let ports = text.split_whitespace().map(|word| {
            let (name, partner) = word.split_once('=').unwrap();
            let (last, key) = partner.split_once('.').unwrap();
            let system = Mac([2, 0, 0, 0, 0, last.parse().unwrap()]);
            let key = key.parse().unwrap();
            (IfName::new(name).unwrap(), LacpPartner { system, key })
        });
        ports.collect()
    }

    #[test]
    fn partners_agree_in_system_and_key_or_the_port_is_named() {
        // Here, at the peer, what differs.
        for (own, peers, found) in [
            ("bond1=1.9 bond2=2.9", "bond1=1.9 bond2=2.9", ""),
            ("bond1=1.9", "", ""),
            ("", "bond1=1.9", ""),
            // Another host, or another LAG of the same one.
            ("bond1=1.9", "bond1=2.9", "bond1 differs"),
            ("bond1=1.9", "bond1=1.15", "bond1 differs"),
            // Crossed.
            (
                "bond1=1.9 bond2=2.9",
                "bond1=2.9 bond2=1.9",
                "bond1 differs bond2 differs",
            ),
            // Each with one leg in the wrong port, the other one unplugged.
            ("bond1=1.9", "bond2=1.9", "bond1 at bond2"),
            ("bond1=1.9", "bond2=1.15", ""),
            ("bond1=1.9", "bond1=1.9 other=1.9", ""),
        ] {
            let words = compare(&partners(own), &partners(peers), |own| Some(*own))
                .into_iter()
                .map(|(name, conflict)| match conflict {
                    Conflict::Partners { .. } => format!("{name} differs"),
                    Conflict::PartnerElsewhere { at, .. } => format!("{name} at {at}"),
                    other => panic!("{other:?}"),
                });
            let words: Vec<String> = words.collect();
            assert_eq!(words.join(" "), found, "{own} and {peers}");
        }
    }
}
