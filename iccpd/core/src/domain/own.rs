//! The addresses of the interfaces that are each chassis' own (*unique IP*, `spec/behaviour.md` 11.6), the
//! addresses on layer 2 of all that one of our own hears of, and what is advertised of them. The peer
//! has them behind the peer link; frames for what a bridge does not know would go to every host.

use crate::config::Config;
use crate::links::Links;
use crate::policy::peer::PeerPolicy;
use mclag_proto::iccp::{EntryOp, MacEntry, MacType, NeighbourEntry, NeighbourFlags, Tlv};
use mclag_proto::sync::model::FdbKey;
use mclag_proto::{IfName, Mac, Vid};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is advertised of this chassis' own addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnAddresses {
    advertised: BTreeMap<IfName, Records>,
    /// Something may have changed.
    due: Option<Cause>,
    /// The peer wants to hear of these interfaces again.
    owed: BTreeSet<IfName>,
}

/// Why own addresses are advertised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cause {
    /// The session is new: both advertise without being asked.
    Session,
    /// Settings or addresses changed: the peer is to advertise its own in return.
    Change,
}

/// What is advertised of one interface.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Records {
    macs: BTreeSet<(Vid, Mac)>,
    v4: BTreeMap<Ipv4Addr, Mac>,
    v6: BTreeMap<Ipv6Addr, Mac>,
}

impl OwnAddresses {
    /// Both chassis are synchronised.
    pub(super) fn synchronised(&mut self) {
        self.advertised.clear();
        self.due = Some(Cause::Session);
    }

    /// Settings or addresses may have changed.
    pub(super) fn changed(&mut self) {
        self.due.get_or_insert(Cause::Change);
    }

    /// The peer wants to hear of this interface again.
    pub(super) fn asked(&mut self, interface: IfName) {
        self.owed.insert(interface);
    }

    /// The peer has no place for them: there is nothing to advertise.
    pub(super) fn skip(&mut self) -> Vec<Tlv> {
        self.due = None;
        self.owed.clear();
        Vec::new()
    }

    /// What the peer has to hear.
    pub(super) fn next(&mut self, config: &Config, links: &Links, policy: PeerPolicy) -> Vec<Tlv> {
        let mut tlvs = Vec::new();
        let encoding = Encoding {
            peer_link: config.peer_link,
            max: policy.own_addresses_per_message,
        };
        if let Some(cause) = self.due.take() {
            let ask = match cause {
                Cause::Session => NeighbourFlags::empty(),
                Cause::Change => NeighbourFlags::ACK,
            };
            let advertised = {
                let mut now = own_records(config, links);
                if policy.hears_own_macs {
                    add_own_macs(config, links, &mut now);
                }
                std::mem::replace(&mut self.advertised, now)
            };
            let none = Records::default();
            let mut known = all_macs(&advertised);
            let wanted = all_macs(&self.advertised);
            for (name, before) in &advertised {
                let after = self.advertised.get(name).unwrap_or(&none);
                let mut gone = before.without(after);
                gone.macs
                    .retain(|mac| !wanted.contains(mac) && known.remove(mac));
                let ask = NeighbourFlags::empty();
                encoding.push(*name, &gone, EntryOp::Delete, ask, &mut tlvs);
            }
            for (name, after) in &self.advertised {
                let mut new = after.without(advertised.get(name).unwrap_or(&none));
                new.macs.retain(|mac| known.insert(*mac));
                encoding.push(*name, &new, EntryOp::Add, ask, &mut tlvs);
            }
        }
        for name in std::mem::take(&mut self.owed) {
            if let Some(records) = self.advertised.get(&name) {
                let ask = NeighbourFlags::empty();
                encoding.push(name, records, EntryOp::Add, ask, &mut tlvs);
            }
        }
        tlvs
    }
}

/// Those of all interfaces. Several may share one, which the peer has once, whosoever it is.
fn all_macs(records: &BTreeMap<IfName, Records>) -> BTreeSet<(Vid, Mac)> {
    let macs = records.values().flat_map(|records| &records.macs);
    macs.copied().collect()
}

fn own_records(config: &Config, links: &Links) -> BTreeMap<IfName, Records> {
    let records = |name: &IfName| {
        let link = links.by_name(name)?;
        let vid = links.svi_vid(link, &config.bridge)?;
        let addresses = links.addresses(name);
        let own = config.node_mac;
        let mac = link.mac.filter(|mac| mac.is_unicast()).unwrap_or(own);
        let mut records = Records {
            macs: [(vid, own), (vid, mac)].into(),
            ..Records::default()
        };
        for address in addresses {
            match address.ip() {
                IpAddr::V4(v4) => drop(records.v4.insert(v4, mac)),
                IpAddr::V6(v6) => drop(records.v6.insert(v6, mac)),
            }
        }
        (!addresses.is_empty()).then_some((*name, records))
    };
    config.unique_ip.iter().filter_map(records).collect()
}

/// Add those of interfaces that have no other record.
fn add_own_macs(config: &Config, links: &Links, records: &mut BTreeMap<IfName, Records>) {
    for (name, FdbKey { vid, mac }) in links.own_macs(&config.bridge) {
        records.entry(name).or_insert_with(|| Records {
            macs: [(vid, mac)].into(),
            ..Records::default()
        });
    }
}

/// How records are advertised.
struct Encoding {
    peer_link: Option<IfName>,
    /// Most addresses in a message.
    max: usize,
}

impl Encoding {
    fn push(
        &self,
        interface: IfName,
        records: &Records,
        op: EntryOp,
        ask: NeighbourFlags,
        out: &mut Vec<Tlv>,
    ) {
        if let Some(port) = self.peer_link
            && !records.macs.is_empty()
        {
            let kind = MacType::Static;
            let entry = |&(vid, mac)| MacEntry {
                op,
                kind,
                mac,
                vid,
                port,
            };
            out.push(Tlv::MacInfo(records.macs.iter().map(entry).collect()));
        }
        let v4 = records.v4.iter().map(|(&address, &mac)| NeighbourEntry {
            op,
            flags: NeighbourFlags::OWN_ADDRESS | ask,
            interface,
            address,
            mac,
        });
        let v6 = records.v6.iter().map(|(&address, &mac)| NeighbourEntry {
            op,
            flags: ask
                | if address.is_unicast_link_local() {
                    NeighbourFlags::OWN_LINK_LOCAL
                } else {
                    NeighbourFlags::OWN_ADDRESS
                },
            interface,
            address,
            mac,
        });
        let (v4, v6): (Vec<_>, Vec<_>) = (v4.collect(), v6.collect());
        out.extend(v4.chunks(self.max).map(|part| Tlv::ArpInfo(part.to_vec())));
        out.extend(
            v6.chunks(self.max)
                .map(|part| Tlv::NdiscInfo(part.to_vec())),
        );
    }
}

impl Records {
    /// What is not, or differently, in `other`.
    fn without(&self, other: &Self) -> Self {
        let Self { macs, v4, v6 } = self;
        Self {
            macs: macs.difference(&other.macs).copied().collect(),
            v4: differing(v4, &other.v4),
            v6: differing(v6, &other.v6),
        }
    }
}

fn differing<A: Copy + Ord>(
    these: &BTreeMap<A, Mac>,
    those: &BTreeMap<A, Mac>,
) -> BTreeMap<A, Mac> {
    let new = these
        .iter()
        .filter(|(address, mac)| those.get(*address) != Some(*mac));
    new.map(|(address, mac)| (*address, *mac)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Link, LinkKind};
    use mclag_proto::DomainId;

    const BRIDGE: u32 = 1;
    const SVI: u32 = 2;

    fn config() -> Config {
        let name = |text| IfName::new(text).unwrap();
        Config {
            peer_link: Some(name("peerlink")),
            ..Config::new(
                DomainId::new(1).unwrap(),
                [192, 0, 2, 1].into(),
                [192, 0, 2, 2].into(),
                name("br0"),
                Mac([2, 0, 0, 0, 0, 1]),
            )
        }
    }

    fn links(addresses: &[&str]) -> Links {
        let link = |index, name, kind| Link {
            index,
            name: IfName::new(name).unwrap(),
            mac: Some(Mac([2, 0, 0, 0, 1, 1])),
            admin_up: true,
            running: true,
            master: None,
            kernel_name: None,
            blocked: false,
            kind,
            member: None,
        };
        let (vid, parent) = (Vid::new(10).unwrap(), BRIDGE);
        let mut links = Links::default();
        links.upsert(link(BRIDGE, "br0", LinkKind::Bridge));
        links.upsert(link(SVI, "vlan10", LinkKind::Vlan { vid, parent }));
        links.set_addresses(SVI, addresses.iter().map(|a| a.parse().unwrap()).collect());
        links
    }

    /// As text: added or withdrawn, what it is, and whether the peer is to answer.
    fn sent(tlvs: &[Tlv]) -> String {
        let sign = |op| match op {
            EntryOp::Add => '+',
            _ => '-',
        };
        let ask = |flags: NeighbourFlags| match flags.contains(NeighbourFlags::ACK) {
            true => "?",
            false => "",
        };
        let words = tlvs.iter().flat_map(|tlv| match tlv {
            Tlv::MacInfo(entries) => vec![format!("{}{}", sign(entries[0].op), entries.len())],
            Tlv::ArpInfo(entries) => {
                let word = |e: &NeighbourEntry<Ipv4Addr>| {
                    format!("{}{}{}", sign(e.op), e.address, ask(e.flags))
                };
                entries.iter().map(word).collect()
            }
            other => panic!("{other:?}"),
        });
        words.collect::<Vec<String>>().join(" ")
    }

    #[test]
    fn own_addresses_are_told_at_once_as_they_change_and_as_asked() {
        let name = |text| IfName::new(text).unwrap();
        let config = Config {
            unique_ip: [name("vlan10")].into(),
            ..config()
        };
        let mut own = OwnAddresses::default();
        let (one, two) = (links(&["192.0.2.1/24"]), links(&["192.0.2.2/24"]));
        let mut next = |change: fn(&mut OwnAddresses), links: &Links| {
            change(&mut own);
            sent(&own.next(&config, links, PeerPolicy::default()))
        };
        let session = OwnAddresses::synchronised;
        assert_eq!(next(|_| {}, &one), "", "before the session");
        assert_eq!(next(session, &one), "+2 +192.0.2.1");
        assert_eq!(next(OwnAddresses::changed, &one), "");
        assert_eq!(next(OwnAddresses::changed, &two), "-192.0.2.1 +192.0.2.2?");
        let asked = |own: &mut OwnAddresses| own.asked(IfName::new("vlan10").unwrap());
        assert_eq!(next(asked, &two), "+2 +192.0.2.2");
        assert_eq!(next(|own| drop(own.skip()), &two), "");
        assert_eq!(next(OwnAddresses::changed, &links(&[])), "-2 -192.0.2.2");
        assert_eq!(next(session, &one), "+2 +192.0.2.1");
    }

    /// Without VLAN filtering all have one key, and with it the bridge shares that of VLAN 1.
    #[test]
    fn an_address_that_several_interfaces_share_is_withdrawn_with_the_last_of_them() {
        let name = |text| IfName::new(text).unwrap();
        let config = config();
        let policy = PeerPolicy::default().of_version(2);
        let mut own = OwnAddresses::default();
        let mut links = links(&[]);
        let mut next = |change: fn(&mut OwnAddresses), links: &Links| {
            change(&mut own);
            sent(&own.next(&config, links, policy))
        };
        let run = |links: &mut Links, interface, running| {
            let link = links.by_name(&name(interface)).unwrap().clone();
            links.upsert(Link { running, ..link });
        };
        let changed = OwnAddresses::changed;
        assert_eq!(next(OwnAddresses::synchronised, &links), "+1", "once");
        run(&mut links, "vlan10", false);
        assert_eq!(next(changed, &links), "", "the bridge has it");
        run(&mut links, "vlan10", true);
        assert_eq!(next(changed, &links), "", "the peer has it");
        run(&mut links, "br0", false);
        assert_eq!(next(changed, &links), "", "the VLAN's interface has it");
        links.set_filtering(BRIDGE, true);
        assert_eq!(next(changed, &links), "-1 +1", "another VLAN");
        run(&mut links, "br0", true);
        assert_eq!(next(changed, &links), "+1");
        links.set_filtering(BRIDGE, false);
        assert_eq!(next(changed, &links), "-1", "one key again");
        run(&mut links, "br0", false);
        run(&mut links, "vlan10", false);
        assert_eq!(next(changed, &links), "-1", "the last of them");
    }
}
