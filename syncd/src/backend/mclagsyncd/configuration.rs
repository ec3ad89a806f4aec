//! What a version-1 server sends of the pair's configuration (`spec/mclagsyncd-protocol.md` 5.2 to
//! 5.5), kept until it makes up a whole.
//!
//! Within a connection lists come cumulatively, so records are taken into sets. A connection that is not the
//! server's first is told nothing that has not changed (12, items 1 and 2), so what the ones before were told
//! stays, as remembered. Anything that is told of the domain is told with all that belongs to it: once that has
//! [settled](Configuration::settle), it replaces what was remembered as a whole.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use mclag_proto::sync::settings::{DomainSettings, MAX_NAMES, PairSettings};
use mclag_proto::sync::v1::{
    DomainAttributes, DomainOp, DomainRecord, InterfaceRecord, RecordOp, UniqueIpRecord,
};
use mclag_proto::{DomainId, IfName, Mac, Vid};
use serde::{Deserialize, Serialize};

use super::MAX_VLAN_MEMBERS;
use super::config_db::Configured;

/// A domain as the server has named it so far.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Domain {
    id: DomainId,
    local: Option<Ipv4Addr>,
    peer: Option<Ipv4Addr>,
    /// Both of them, when they last made a pair; none while one is missing. The server sends what
    /// differs from what it sent before, so addresses that make none are remembered, not used.
    ends: Option<(Ipv4Addr, Ipv4Addr)>,
    peer_link: Option<IfName>,
    /// In seconds; none for the client's default.
    keepalive_s: Option<u16>,
    session_timeout_s: Option<u16>,
    system_mac: Mac,
}

/// Everything that a server has sent.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Received {
    domain: Option<Domain>,
    pub(super) ports: BTreeSet<IfName>,
    pub(super) unique_ip: BTreeSet<IfName>,
    #[serde(with = "by_port")]
    pub(super) vlan_members: BTreeSet<(IfName, Vid)>,
}

/// The configuration as received.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    received: Received,
    /// What the present connection was told, while the rest is remembered of those before.
    again: Option<Again>,
}

/// What a connection was told beside what is remembered.
#[derive(Clone, Debug, Default)]
struct Again {
    received: Received,
    /// Something was told of the domain: what belongs to it is told as well.
    is_whole: bool,
}

impl Configuration {
    /// A connection begins: what those before were told is remembered.
    pub(super) fn connected(&mut self) {
        self.again = Some(Again::default());
    }

    /// The server has sent everything it sends on its own. If it said anything of the domain, what it did not
    /// name is gone. Answers the memberships in VLANs that are gone.
    pub(super) fn settle(&mut self) -> Vec<(IfName, Vid)> {
        let Some(Again { received, .. }) = self.again.take_if(|again| again.is_whole) else {
            return Vec::new();
        };
        let before = std::mem::replace(&mut self.received, received);
        let members = before.vlan_members.difference(&self.received.vlan_members);
        members.copied().collect()
    }

    /// What another process was told, before any connection of this one.
    pub(super) fn remember(&mut self, received: Received) {
        self.received = received;
        self.again = Some(Again::default());
    }

    /// What is to be remembered; nothing while there is no domain.
    pub(super) fn to_remember(&self) -> Option<&Received> {
        Some(&self.received).filter(|received| received.domain.is_some())
    }

    /// Forget what is remembered. Answers the memberships in VLANs that are gone.
    pub(super) fn forget(&mut self) -> Vec<(IfName, Vid)> {
        let members = self.vlan_members().collect();
        self.received = Received::default();
        self.again = Some(Again::default());
        members
    }

    /// Something is being told that replaces what is remembered, once it is complete.
    pub(super) fn is_replacing(&self) -> bool {
        self.again.as_ref().is_some_and(|again| again.is_whole)
    }

    /// Everything that is in force was told on this connection, or takes the place of what was remembered.
    pub(super) fn is_confirmed(&self) -> bool {
        self.again.as_ref().is_none_or(|again| again.is_whole)
    }

    /// The number of the domain, if there is one.
    pub(super) fn domain(&self) -> Option<DomainId> {
        Some(self.received.domain.as_ref()?.id)
    }

    /// Ports that are in a VLAN.
    pub(super) fn vlan_members(&self) -> impl Iterator<Item = (IfName, Vid)> {
        self.received.vlan_members.iter().copied()
    }

    /// Take in records with `take`. Answers a line for each that was not taken: what fits either into what is
    /// remembered or into what is told now is no reason to complain.
    fn take_each<R>(
        &mut self,
        records: &[R],
        take: impl Fn(&mut Received, &R) -> Result<(), String>,
    ) -> Vec<String> {
        let refused = records.iter().filter_map(|record| {
            let taken = take(&mut self.received, record);
            let again = self.again.as_mut();
            let again = again.map(|again| take(&mut again.received, record));
            taken.err().filter(|_| !matches!(again, Some(Ok(()))))
        });
        refused.collect()
    }

    /// This is the pair, whatever was told or is remembered of it; who is in which VLAN is another matter. Answers a
    /// line for each record that was not taken.
    pub(super) fn decided(&mut self, pair: &Configured) -> Vec<String> {
        let (decided, refused) = Received::of(pair);
        self.again.take_if(|again| !again.is_whole);
        let again = self.again.as_mut().map(|again| &mut again.received);
        for received in std::iter::once(&mut self.received).chain(again) {
            let vlan_members = std::mem::take(&mut received.vlan_members);
            *received = Received {
                vlan_members,
                ..decided.clone()
            };
        }
        refused
    }

    /// Records on domains. Answers a line for each that was not taken.
    pub(super) fn domains(&mut self, records: &[DomainRecord]) -> Vec<String> {
        let id = |received: &Received| received.domain.as_ref().map(|domain| domain.id);
        let mut refused = Vec::new();
        for record in records {
            let before = id(&self.received);
            refused.extend(self.take_each(std::slice::from_ref(record), Received::take_domain));
            // A domain that was not added on this connection is changed, not told.
            let is_told = match record.op {
                DomainOp::Add => true,
                DomainOp::Delete => before == Some(record.domain),
                DomainOp::Update | DomainOp::DeleteAttributes => false,
            };
            if let Some(again) = &mut self.again {
                again.is_whole |= is_told;
            }
        }
        refused
    }

    /// Records on MLAG ports. Answers a line for each that was not taken.
    pub(super) fn interfaces(&mut self, records: &[InterfaceRecord]) -> Vec<String> {
        self.take_each(records, Received::take_port)
    }

    /// Records on VLAN interfaces with an address of their own.
    /// Answers a line for each that was not taken.
    pub(super) fn unique_ip(&mut self, records: &[UniqueIpRecord]) -> Vec<String> {
        self.take_each(records, Received::take_unique_ip)
    }

    /// A port is, or is no longer, in a VLAN. More than [`MAX_VLAN_MEMBERS`] are not remembered.
    pub(super) fn vlan_member(&mut self, port: IfName, vid: Vid, op: RecordOp) {
        let again = self.again.as_mut().map(|again| &mut again.received);
        for received in std::iter::once(&mut self.received).chain(again) {
            received.take_vlan_member(port, vid, op);
        }
    }

    /// The settings, as soon as they are complete: a domain and both addresses
    /// (`spec/iccp.md` 1).
    #[must_use]
    pub(super) fn settings(&self) -> Option<PairSettings> {
        let Received {
            domain,
            ports,
            unique_ip,
            vlan_members: _,
        } = &self.received;
        let domain = domain.as_ref()?;
        let (local, peer) = domain.ends?;
        let mut ports = ports.clone();
        if let Some(peer_link) = &domain.peer_link {
            ports.remove(peer_link);
        }
        Some(PairSettings {
            domain: DomainSettings {
                domain: domain.id,
                local: local.into(),
                peer: peer.into(),
                peer_link: domain.peer_link,
                system_mac: Some(domain.system_mac).filter(|mac| mac.is_unicast()),
                keepalive_s: domain.keepalive_s,
                session_timeout_s: domain.session_timeout_s,
            },
            ports,
            unique_ip: unique_ip.clone(),
        })
    }
}

impl Received {
    /// A pair as it is configured, and a line for each record that does not belong to it.
    fn of(pair: &Configured) -> (Self, Vec<String>) {
        let Configured {
            domains,
            ports,
            unique_ips,
            wrong: _,
        } = pair;
        let mut received = Self::default();
        let mut refused = Vec::new();
        let mut note = |result: Result<(), String>| refused.extend(result.err());
        domains
            .iter()
            .for_each(|record| note(received.take_domain(record)));
        ports
            .iter()
            .for_each(|record| note(received.take_port(record)));
        unique_ips
            .iter()
            .for_each(|record| note(received.take_unique_ip(record)));
        (received, refused)
    }

    /// Whether a server can have sent this; in words what it cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        for (what, names) in [("ports", &self.ports), ("VLAN interfaces", &self.unique_ip)] {
            if names.len() > MAX_NAMES {
                return Err(format!("{} {what} are more than {MAX_NAMES}", names.len()));
            }
        }
        let members = self.vlan_members.len();
        if members > MAX_VLAN_MEMBERS {
            return Err(format!(
                "{members} members of VLANs are more than {MAX_VLAN_MEMBERS}"
            ));
        }
        let domain = self.domain.as_ref();
        domain.map_or(Ok(()), Domain::check)
    }

    fn take_domain(&mut self, record: &DomainRecord) -> Result<(), String> {
        let id = record.domain;
        match (&mut self.domain, record.op) {
            (Some(domain), _) if domain.id != id => Err(format!(
                "domain {id} is ignored: this chassis is in domain {}",
                domain.id
            )),
            (None, DomainOp::Update | DomainOp::DeleteAttributes | DomainOp::Delete) => {
                Err(format!("domain {id} was not added before"))
            }
            (domain, DomainOp::Add) => {
                let domain = domain.get_or_insert_with(|| Domain::new(id));
                domain.system_mac = record.system_mac;
                domain.update(record)
            }
            (Some(domain), DomainOp::Update) => {
                // The identity comes with every record, and is applied live (W-21).
                domain.system_mac = record.system_mac;
                domain.update(record)
            }
            (Some(domain), DomainOp::DeleteAttributes) => {
                domain.delete(record.attributes);
                Ok(())
            }
            (Some(_), DomainOp::Delete) => {
                self.domain = None;
                self.ports.clear();
                Ok(())
            }
        }
    }

    fn take_port(&mut self, record: &InterfaceRecord) -> Result<(), String> {
        let InterfaceRecord { op, domain, port } = record;
        match (&self.domain, op) {
            (Some(own), _) if own.id == *domain => {}
            _ => return Err(format!("port {port}: no domain {domain}")),
        }
        note(&mut self.ports, *op, *port)
    }

    fn take_unique_ip(&mut self, record: &UniqueIpRecord) -> Result<(), String> {
        note(&mut self.unique_ip, record.op, record.interface)
    }

    fn take_vlan_member(&mut self, port: IfName, vid: Vid, op: RecordOp) {
        match op {
            RecordOp::Add if self.vlan_members.len() < MAX_VLAN_MEMBERS => {
                self.vlan_members.insert((port, vid));
            }
            RecordOp::Add => {}
            RecordOp::Delete => {
                self.vlan_members.remove(&(port, vid));
            }
        }
    }
}

fn note(names: &mut BTreeSet<IfName>, op: RecordOp, name: IfName) -> Result<(), String> {
    match op {
        RecordOp::Add if names.len() >= MAX_NAMES && !names.contains(&name) => {
            return Err(format!("{name}: no place for more than {MAX_NAMES}"));
        }
        RecordOp::Add => names.insert(name),
        RecordOp::Delete => names.remove(&name),
    };
    Ok(())
}

impl Domain {
    const fn new(id: DomainId) -> Self {
        Self {
            id,
            local: None,
            peer: None,
            ends: None,
            peer_link: None,
            keepalive_s: None,
            session_timeout_s: None,
            system_mac: Mac([0; 6]),
        }
    }

    fn check(&self) -> Result<(), String> {
        let Self { id, .. } = self;
        if let Some((local, peer)) = self.ends
            && local == peer
        {
            return Err(format!("domain {id}: {local} is the address of both"));
        }
        let times = [self.keepalive_s, self.session_timeout_s];
        match times
            .into_iter()
            .flatten()
            .find(|time| seconds((*time).into()).is_none())
        {
            Some(time) => Err(format!("domain {id}: a time of {time} s")),
            None => Ok(()),
        }
    }

    /// An error names addresses that make no pair: those of before count.
    fn update(&mut self, record: &DomainRecord) -> Result<(), String> {
        let has = |bit| record.attributes.contains(bit);
        if has(DomainAttributes::LOCAL) {
            self.local = record.local;
        }
        if has(DomainAttributes::PEER) {
            self.peer = record.peer;
        }
        if has(DomainAttributes::PEER_LINK) {
            // The command line stores this word when the argument is left out
            // (`spec/config-formats.md` 2.1).
            let named = |name: &IfName| !matches!(name.as_str(), "None" | "none");
            self.peer_link = record.peer_link.filter(named);
        }
        if has(DomainAttributes::KEEPALIVE) {
            self.keepalive_s = seconds(record.keepalive_s);
        }
        if has(DomainAttributes::SESSION_TIMEOUT) {
            self.session_timeout_s = seconds(record.session_timeout_s);
        }
        self.decide_ends()
    }

    fn decide_ends(&mut self) -> Result<(), String> {
        self.ends = match (self.local, self.peer) {
            (Some(local), Some(peer)) if local == peer => {
                return Err(format!(
                    "domain {}: {local} is the address of this chassis and of its peer",
                    self.id
                ));
            }
            (Some(local), Some(peer)) => Some((local, peer)),
            _ => None,
        };
        Ok(())
    }

    /// All of them, where SONiC takes the first only (W-20).
    fn delete(&mut self, attributes: DomainAttributes) {
        let has = |bit| attributes.contains(bit);
        if has(DomainAttributes::LOCAL) {
            (self.local, self.ends) = (None, None);
        }
        if has(DomainAttributes::PEER) {
            (self.peer, self.ends) = (None, None);
        }
        if has(DomainAttributes::PEER_LINK) {
            self.peer_link = None;
        }
        if has(DomainAttributes::KEEPALIVE) {
            self.keepalive_s = None;
        }
        if has(DomainAttributes::SESSION_TIMEOUT) {
            self.session_timeout_s = None;
        }
    }
}

/// -1 asks for the default. What makes no sense was not named.
fn seconds(raw: i32) -> Option<u16> {
    u16::try_from(raw)
        .ok()
        .filter(|seconds| (1..=3600).contains(seconds))
}

/// Memberships in VLANs as they are stored: the VLANs of each port.
mod by_port {
    use std::collections::{BTreeMap, BTreeSet};

    use mclag_proto::{IfName, Vid};
    use serde::{Deserialize as _, Deserializer, Serializer};

    type Members = BTreeSet<(IfName, Vid)>;

    pub(super) fn serialize<S: Serializer>(members: &Members, to: S) -> Result<S::Ok, S::Error> {
        let mut ports: BTreeMap<&IfName, Vec<Vid>> = BTreeMap::new();
        for (port, vid) in members {
            ports.entry(port).or_default().push(*vid);
        }
        to.collect_map(ports)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Members, D::Error> {
        let ports: BTreeMap<IfName, Vec<Vid>> = BTreeMap::deserialize(from)?;
        let members = ports.into_iter();
        let members = members.flat_map(|(port, vids)| vids.into_iter().map(move |vid| (port, vid)));
        Ok(members.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Received {
        /// A pair with a port in a VLAN.
        pub(in super::super) fn for_test() -> Self {
            let mut configuration = Configuration::default();
            configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
            configuration.interfaces(&[port(RecordOp::Add, "PortChannel1")]);
            configuration.vlan_member(name("PortChannel1"), Vid::new(100).unwrap(), RecordOp::Add);
            configuration.received
        }
    }

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn id(raw: u16) -> DomainId {
        DomainId::new(raw).unwrap()
    }

    fn domain(op: DomainOp, attributes: DomainAttributes) -> DomainRecord {
        DomainRecord {
            op,
            domain: id(1),
            keepalive_s: 2,
            session_timeout_s: 30,
            local: Some(Ipv4Addr::new(10, 0, 0, 1)),
            peer: Some(Ipv4Addr::new(10, 0, 0, 2)),
            peer_link: Some(name("PortChannel10")),
            system_mac: Mac([2, 0, 0, 0, 0, 1]),
            attributes,
        }
    }

    fn named(attributes: u32) -> DomainAttributes {
        DomainAttributes::from_bits_retain(attributes)
    }

    fn port(op: RecordOp, port: &str) -> InterfaceRecord {
        InterfaceRecord {
            op,
            domain: id(1),
            port: name(port),
        }
    }

    fn ports(configuration: &Configuration) -> Vec<String> {
        let config = configuration.settings().unwrap();
        config.ports.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_domain_is_complete_with_both_addresses() {
        let mut configuration = Configuration::default();
        assert_eq!(configuration.settings(), None);
        let add = domain(DomainOp::Add, DomainAttributes::LOCAL);
        assert!(configuration.domains(&[add]).is_empty());
        assert_eq!(configuration.settings(), None);
        let update = domain(DomainOp::Update, DomainAttributes::PEER);
        assert!(configuration.domains(&[update]).is_empty());
        let config = configuration.settings().unwrap();
        assert_eq!(config.domain.peer_link, None, "its bit was not set");
        assert_eq!(config.domain.keepalive_s, None);
        assert_eq!(config.domain.system_mac, Some(Mac([2, 0, 0, 0, 0, 1])));
        assert_eq!(config.domain.session_timeout_s, None);
    }

    /// `spec/mclagsyncd-protocol.md` 5.2: an update has the differing bits only.
    #[test]
    fn an_update_changes_what_its_bits_name() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        let mut update = domain(DomainOp::Update, DomainAttributes::KEEPALIVE);
        update.keepalive_s = -1;
        update.session_timeout_s = 77;
        configuration.domains(&[update]);
        let config = configuration.settings().unwrap();
        assert_eq!(config.domain.keepalive_s, None);
        assert_eq!(config.domain.session_timeout_s, Some(30));
    }

    /// W-20: SONiC loses all but the first.
    #[test]
    fn every_attribute_of_a_deletion_is_deleted() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        configuration.domains(&[domain(DomainOp::DeleteAttributes, named(0x1c))]);
        let config = configuration.settings().unwrap();
        assert_eq!(config.domain.peer_link, None);
        assert_eq!(config.domain.keepalive_s, None);
        assert_eq!(config.domain.session_timeout_s, None);
        configuration.domains(&[domain(DomainOp::DeleteAttributes, named(0x01))]);
        assert_eq!(configuration.settings(), None);
    }

    /// `spec/config-formats.md` 2.1.
    #[test]
    fn a_peer_link_called_none_is_none() {
        let mut configuration = Configuration::default();
        let mut add = domain(DomainOp::Add, named(0x1f));
        add.peer_link = Some(name("None"));
        configuration.domains(&[add]);
        assert_eq!(configuration.settings().unwrap().domain.peer_link, None);
    }

    /// W-35: a second domain would otherwise mix with the first.
    #[test]
    fn a_second_domain_is_refused_with_both_numbers() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        let mut second = domain(DomainOp::Add, named(0x1f));
        second.domain = id(2);
        let refused = configuration.domains(&[second]);
        assert_eq!(
            refused,
            ["domain 2 is ignored: this chassis is in domain 1"]
        );
        assert_eq!(configuration.settings().unwrap().domain.domain, id(1));
    }

    /// `spec/behaviour.md` 4.1: such a pair never connects.
    #[test]
    fn a_chassis_is_not_its_own_peer() {
        let mut configuration = Configuration::default();
        let mut add = domain(DomainOp::Add, named(0x1f));
        add.peer = add.local;
        assert_eq!(
            configuration.domains(&[add]),
            ["domain 1: 10.0.0.1 is the address of this chassis and of its peer"]
        );
        assert_eq!(configuration.settings(), None);
        assert!(
            configuration
                .domains(&[domain(DomainOp::Update, named(0x03))])
                .is_empty()
        );
        assert!(configuration.settings().is_some());
    }

    /// Input: the peer is given the address of this chassis, then this chassis another one. Output:
    /// what is refused changes nothing, and what comes after it counts: the server does not repeat
    /// itself.
    #[test]
    fn a_pair_outlives_addresses_that_make_none() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        let before = configuration.settings();
        assert!(before.is_some());
        let mut update = domain(DomainOp::Update, DomainAttributes::PEER);
        update.peer = update.local;
        assert_eq!(
            configuration.domains(std::slice::from_ref(&update)),
            ["domain 1: 10.0.0.1 is the address of this chassis and of its peer"]
        );
        assert_eq!(configuration.settings(), before);
        update.attributes = DomainAttributes::LOCAL;
        update.local = Some(Ipv4Addr::new(10, 0, 0, 3));
        assert!(configuration.domains(&[update]).is_empty());
        let config = configuration.settings().unwrap();
        let ends = [config.domain.local, config.domain.peer].map(|end| end.to_string());
        assert_eq!(ends, ["10.0.0.3", "10.0.0.1"]);
        configuration.domains(&[domain(DomainOp::DeleteAttributes, DomainAttributes::PEER)]);
        assert_eq!(configuration.settings(), None);
    }

    #[test]
    fn names_without_end_take_no_place_without_end() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        let many = |end: usize| (0..end).map(|n| format!("Vlan{n}"));
        let ports: Vec<_> = many(MAX_NAMES + 2)
            .map(|text| port(RecordOp::Add, &text))
            .collect();
        let refused = configuration.interfaces(&ports);
        assert_eq!(
            refused,
            [
                "Vlan4094: no place for more than 4094",
                "Vlan4095: no place for more than 4094"
            ]
        );
        assert!(
            configuration.interfaces(&ports[..9]).is_empty(),
            "known ones stay"
        );
        let unique: Vec<_> = ports
            .iter()
            .map(|record| UniqueIpRecord {
                op: record.op,
                interface: record.port,
            })
            .collect();
        assert_eq!(configuration.unique_ip(&unique).len(), 2);
    }

    /// `spec/mclagsyncd-protocol.md` 5.3: one record, then two, then three, then all again.
    #[test]
    fn cumulative_lists_of_ports_are_one_set() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        let all = ["PortChannel1", "PortChannel2", "PortChannel3"].map(|p| port(RecordOp::Add, p));
        for end in [1, 2, 3, 3] {
            assert!(configuration.interfaces(&all[..end]).is_empty());
        }
        assert_eq!(
            ports(&configuration),
            ["PortChannel1", "PortChannel2", "PortChannel3"]
        );
        configuration.interfaces(&[port(RecordOp::Delete, "PortChannel2")]);
        assert_eq!(ports(&configuration), ["PortChannel1", "PortChannel3"]);
    }

    #[test]
    fn a_port_before_its_domain_is_refused() {
        let mut configuration = Configuration::default();
        let refused = configuration.interfaces(&[port(RecordOp::Add, "PortChannel1")]);
        assert_eq!(refused, ["port PortChannel1: no domain 1"]);
    }

    /// What is missing after a domain with all that belongs to it was deleted meanwhile; until then the same
    /// domain sent again is the same domain.
    #[test]
    fn a_new_connection_replaces_what_the_old_one_said_once_it_has_settled() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        let both = ["PortChannel1", "PortChannel2"].map(|p| port(RecordOp::Add, p));
        configuration.interfaces(&both);
        let before = configuration.settings();
        configuration.connected();
        assert_eq!(configuration.settings(), before);
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        configuration.interfaces(&both[..1]);
        assert_eq!(configuration.settings(), before);
        configuration.settle();
        assert_eq!(ports(&configuration), ["PortChannel1"]);
        configuration.settle();
        assert_eq!(ports(&configuration), ["PortChannel1"]);
    }

    /// `spec/mclagsyncd-protocol.md` 12, item 1.
    #[test]
    fn a_new_connection_that_is_told_nothing_of_the_domain_changes_what_it_is_told() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        configuration.interfaces(&[port(RecordOp::Add, "PortChannel1")]);
        configuration.connected();
        configuration.settle();
        assert!(!configuration.is_confirmed());
        let more = [port(RecordOp::Add, "PortChannel2")];
        assert!(configuration.interfaces(&more).is_empty());
        let mut other = domain(DomainOp::Delete, named(0));
        other.domain = id(2);
        assert_eq!(configuration.domains(&[other]).len(), 1);
        configuration.settle();
        assert!(!configuration.is_confirmed());
        assert_eq!(ports(&configuration), ["PortChannel1", "PortChannel2"]);
    }

    /// Its number was changed while nobody was connected.
    #[test]
    fn another_domain_on_a_new_connection_replaces_the_one_of_before() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        configuration.interfaces(&[port(RecordOp::Add, "PortChannel1")]);
        configuration.connected();
        let mut other = domain(DomainOp::Add, named(0x1f));
        other.domain = id(2);
        assert!(configuration.domains(&[other]).is_empty());
        let mut record = port(RecordOp::Add, "PortChannel2");
        record.domain = id(2);
        assert!(configuration.interfaces(&[record]).is_empty());
        assert_eq!(configuration.settings().unwrap().domain.domain, id(1));
        configuration.settle();
        assert_eq!(configuration.settings().unwrap().domain.domain, id(2));
        assert_eq!(ports(&configuration), ["PortChannel2"]);
    }

    #[test]
    fn a_deleted_domain_takes_its_ports_along() {
        let mut configuration = Configuration::default();
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        configuration.interfaces(&[port(RecordOp::Add, "PortChannel1")]);
        configuration.domains(&[domain(DomainOp::Delete, named(0))]);
        assert_eq!(configuration.settings(), None);
        configuration.domains(&[domain(DomainOp::Add, named(0x1f))]);
        assert!(ports(&configuration).is_empty());
    }
}
