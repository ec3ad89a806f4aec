//! Whether one host is at the other end of both halves of a port.
//!
//! Cables that are crossed, or two LAGs of one host, put two hosts behind one port of the pair: each chassis
//! sends what is for one of them to the other as well as not. LACP knows who is there. Between two of our
//! own each chassis tells the other ([`mclag_proto::iccp::ext::PortPartner`]), and while they differ the port of the
//! secondary counts as down: it is held and shows an LACP system id of its own. So is one whose partner is
//! behind another port of the peer. Nobody has to clear that: when the partners agree it is over
//! (`docs/adr/0018-partners-agree.md`).
//!
//! Where LACP carries data on one half and is not spoken on the other one, the host is known to be behind the former: the
//! latter counts as down, whoever is the secondary. So does a port that was declared to be of another kind than the kernel
//! has it, whatever the peer says (`docs/adr/0022-lacp-bypass.md`).

use super::{Domain, IfName, MlagPort, Role, SessionState};
use crate::links::Lone;
use mclag_proto::ctl::Conflict;
use mclag_proto::{LacpPartner, LagKind};
use std::collections::{BTreeMap, BTreeSet};

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Partners {
    /// State of the links that were looked at, as whom, and whether a port can be held.
    looked_at: Option<(u64, Role, bool)>,
    /// Something changed that counts.
    is_due: bool,
    /// The ports that do not speak LACP.
    without_lacp: BTreeSet<IfName>,
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
            let is_static = |name: &&IfName| self.links.lag_kind(name) == Some(LagKind::Static);
            let without_lacp = self.ports.keys().filter(is_static).copied().collect();
            self.partners.is_due |= self.partners.without_lacp != without_lacp;
            self.partners.without_lacp = without_lacp;
        }
        if self.session.state() != SessionState::Exchange
            || !std::mem::take(&mut self.partners.is_due)
        {
            return;
        }
        let own = self.ports.values();
        let own = own.filter_map(|port| Some((port.name(), End::Lacp(port.partner()?))));
        let without = self.partners.without_lacp.iter();
        let without = without.map(|name| (*name, End::WithoutLacp));
        let peers = self.peer.ports();
        let peers = peers.filter_map(|(name, port)| {
            let (partner, is_up) = (port.partner()?, port.is_up());
            Some((*name, PeersEnd { partner, is_up }))
        });
        let conflicts = compare(&own.chain(without).collect(), &peers.collect(), |own| {
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
        let is_static = self.links.lag_kind(name) == Some(LagKind::Static);
        // One that is held for its kind is out of service whatever the peer does, so it is to keep no other half from
        // carrying data.
        if is_static || self.kind_conflict(name).is_some() {
            return None;
        }
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

    /// The port is to be kept from carrying data: its host is behind the peer's half, or another one is, or it is of
    /// another kind than declared. Where no dataplane can do that it would only be said.
    pub(super) fn is_mismatched(&self, port: &IfName) -> bool {
        let gives_way = match self.partners.conflict(port) {
            Some(Conflict::LacpAtPeer { .. }) => true,
            Some(_) => self.identity.role == Role::Secondary,
            None => false,
        };
        self.syncd.policy.holds && (gives_way || self.kind_conflict(port).is_some())
    }

    /// The port was declared to speak LACP, or not to, and the kernel has it otherwise.
    pub(super) fn kind_conflict(&self, port: &IfName) -> Option<Conflict> {
        let declared = *self.config.port_kinds.get(port)?;
        let differs = self.links.lag_kind(port)? != declared;
        differs.then_some(Conflict::Kind { declared })
    }
}

/// What is at the other end of a port of this chassis.
#[derive(Clone, Copy, Debug)]
enum End {
    /// This partner.
    Lacp(LacpPartner),
    /// Nobody knows: LACP is not spoken.
    WithoutLacp,
}

/// What is at the other end of a port of the peer on which LACP agreed.
#[derive(Clone, Copy, Debug)]
struct PeersEnd {
    partner: LacpPartner,
    /// It carries data.
    is_up: bool,
}

/// What differs, by what is at the other end of the ports of both chassis, and what the peer calls its half of a port.
fn compare(
    own: &BTreeMap<IfName, End>,
    peers: &BTreeMap<IfName, PeersEnd>,
    name_at_peer: impl Fn(&IfName) -> Option<IfName>,
) -> BTreeMap<IfName, Conflict> {
    let at_peer: BTreeMap<LacpPartner, IfName> = peers
        .iter()
        .map(|(name, end)| (end.partner, *name))
        .collect();
    let theirs = |name: &IfName| peers.get(&name_at_peer(name)?);
    let conflict = |name: &IfName, end: End| match (end, theirs(name)) {
        (End::WithoutLacp, Some(theirs)) if theirs.is_up => {
            let peers = theirs.partner;
            Some(Conflict::LacpAtPeer { peers })
        }
        (End::WithoutLacp, _) => None,
        (End::Lacp(own), Some(theirs)) if theirs.partner == own => None,
        (End::Lacp(own), Some(theirs)) => Some(Conflict::Partners {
            own,
            peers: theirs.partner,
        }),
        (End::Lacp(partner), None) => {
            let at = *at_peer.get(&partner)?;
            Some(Conflict::PartnerElsewhere { partner, at })
        }
    };
    let found = own.iter();
    let found = found.filter_map(|(name, end)| Some((*name, conflict(name, *end)?)));
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::Mac;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    /// The partner of that last byte and key.
    fn partner(text: &str) -> LacpPartner {
        let (last, key) = text.split_once('.').unwrap();
        let system = Mac([2, 0, 0, 0, 0, last.parse().unwrap()]);
        let key = key.parse().unwrap();
        LacpPartner { system, key }
    }

    fn ports<T>(text: &str, end: impl Fn(&str) -> T) -> BTreeMap<IfName, T> {
        let ports = text.split_whitespace().map(|word| {
            let (port, other) = word.split_once('=').unwrap();
            (name(port), end(other))
        });
        ports.collect()
    }

    /// `bond1=1.9` is a port with that partner, and `bond1=static` one without LACP.
    fn own(text: &str) -> BTreeMap<IfName, End> {
        ports(text, |end| match end {
            "static" => End::WithoutLacp,
            other => End::Lacp(partner(other)),
        })
    }

    /// `bond1=1.9` is a port with that partner, and `bond1=1.9(down)` carries no data.
    fn peers(text: &str) -> BTreeMap<IfName, PeersEnd> {
        ports(text, |end| {
            let up = end.strip_suffix("(down)");
            let partner = partner(up.unwrap_or(end));
            let is_up = up.is_none();
            PeersEnd { partner, is_up }
        })
    }

    #[test]
    fn partners_agree_in_system_and_key_or_the_port_is_named() {
        // Here, at the peer, what differs.
        for (here, there, found) in [
            ("bond1=1.9 bond2=2.9", "bond1=1.9 bond2=2.9", ""),
            ("bond1=1.9", "", ""),
            ("", "bond1=1.9", ""),
            // Another host, or another LAG of the same one.
            ("bond1=1.9", "bond1=2.9", "bond1 differs"),
            ("bond1=1.9", "bond1=2.9(down)", "bond1 differs"),
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
            // Another kind there: the host speaks LACP, and is served there.
            ("bond1=static", "bond1=1.9", "bond1 LACP there"),
            ("bond1=static", "bond1=1.9(down)", ""),
            ("bond1=static", "", ""),
            ("bond1=static", "bond2=1.9", ""),
        ] {
            let words = compare(&own(here), &peers(there), |own| Some(*own))
                .into_iter()
                .map(|(name, conflict)| match conflict {
                    Conflict::Partners { .. } => format!("{name} differs"),
                    Conflict::PartnerElsewhere { at, .. } => format!("{name} at {at}"),
                    Conflict::LacpAtPeer { .. } => format!("{name} LACP there"),
                    other => panic!("{other:?}"),
                });
            let words: Vec<String> = words.collect();
            assert_eq!(words.join(" "), found, "{here} and {there}");
        }
    }
}
