//! The kernel's interfaces as last reported, and what follows from them for the domain.

use crate::input::{Link, LinkKind};
use ipnetwork::IpNetwork;
use mclag_proto::sync::snapshot::Snapshot;
use mclag_proto::{IfName, Mac, Vid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most ports whose VLANs are kept as a dataplane told them; more than a chassis can have.
const MAX_TOLD_PORTS: usize = 8192;

/// VLANs of one port: there may be 4094 on each of hundreds, and whoever follows them keeps a copy.
pub type Vids = Arc<BTreeSet<Vid>>;

/// Whether each interface that the kernel has runs: there may be thousands, whoever follows them
/// keeps a copy, and most of what is reported changes none of it.
pub type Running = Arc<BTreeMap<IfName, bool>>;

/// Every interface the kernel has.
#[derive(Clone, Debug, Default)]
pub struct Links {
    by_index: BTreeMap<u32, Link>,
    by_name: BTreeMap<IfName, u32>,
    running: Running,
    /// Members of each LAG or bridge.
    slaves: BTreeMap<u32, BTreeSet<u32>>,
    vids: BTreeMap<u32, Vids>,
    addresses: BTreeMap<u32, Vec<IpNetwork>>,
    /// Interfaces that have, or had, an IPv4 address.
    had_ipv4: BTreeSet<u32>,
    /// VLANs of ports as the dataplane says, which knows better than the kernel.
    members: BTreeMap<IfName, Vids>,
    /// What it has said of that since it began to say everything again.
    members_again: Option<BTreeMap<IfName, Vids>>,
    generation: u64,
    listing: Snapshot<u32>,
    complete: bool,
}

/// One LAG member, as an operator sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MemberState {
    /// Its name.
    pub name: IfName,
    /// It can carry frames.
    pub running: bool,
    /// The LAG lets it carry data.
    pub distributing: bool,
}

impl Links {
    /// Counts changes: while it stays the same, so does everything below.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// A full listing begins.
    pub fn begin(&mut self) {
        self.generation += 1;
        self.listing.begin();
    }

    /// The listing is complete: what was not in it is gone.
    pub fn end(&mut self) {
        self.generation += 1;
        if let Some(named) = self.listing.end() {
            for index in named.unnamed(self.by_index.keys()) {
                self.remove(index);
            }
        }
        let known = &self.by_index;
        self.vids.retain(|index, _| known.contains_key(index));
        self.addresses.retain(|index, _| known.contains_key(index));
        self.had_ipv4.retain(|index| known.contains_key(index));
        self.complete = true;
    }

    /// True while a listing is under way: what it has not named yet may be gone.
    #[must_use]
    pub const fn is_listing(&self) -> bool {
        self.listing.is_under_way()
    }

    /// True once a full listing has been seen.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// An interface as it is now.
    pub fn upsert(&mut self, link: Link) {
        self.generation += 1;
        match self.by_name.insert(link.name, link.index) {
            // A lost event may leave an older interface of the same name behind
            // (`spec/behaviour.md` 10.1). Or two swap their names: then the older one is
            // reported again under its new name, but its VLANs are not.
            Some(older) if older != link.index => self.unlist(older),
            _ => {}
        }
        if let Some(before) = self.by_index.get(&link.index) {
            if before.name != link.name && self.by_name.get(&before.name) == Some(&link.index) {
                self.by_name.remove(&before.name);
                note_running(&mut self.running, before.name, None);
            }
            if let Some(master) = before.master {
                self.detach(link.index, master);
            }
        }
        note_running(&mut self.running, link.name, Some(link.running));
        if let Some(master) = link.master {
            self.slaves.entry(master).or_default().insert(link.index);
        }
        self.listing.name(link.index);
        self.by_index.insert(link.index, link);
    }

    /// VLANs of a bridge port as they are now.
    pub fn set_vids(&mut self, index: u32, vids: BTreeSet<Vid>) {
        self.generation += 1;
        self.vids.insert(index, vids.into());
    }

    /// Addresses of an interface as they are now.
    pub fn set_addresses(&mut self, index: u32, addresses: Vec<IpNetwork>) {
        self.generation += 1;
        if addresses.iter().any(IpNetwork::is_ipv4) {
            self.had_ipv4.insert(index);
        }
        self.addresses.insert(index, addresses);
    }

    /// The dataplane says whether a port, which need not exist, is in a VLAN. From then on its word
    /// counts for this port (`spec/mclagsyncd-protocol.md` 5.4).
    pub fn set_member(&mut self, port: IfName, vid: Vid, member: bool) {
        if let Some(again) = &mut self.members_again {
            note_member(again, port, vid, member);
        }
        if note_member(&mut self.members, port, vid, member) {
            self.generation += 1;
        }
    }

    /// The dataplane begins to say everything again. Until it has, what it said before counts, also
    /// while it is gone (`spec/behaviour.md` 14.6).
    pub fn members_begin(&mut self) {
        self.members_again = Some(BTreeMap::new());
    }

    /// It has said everything: what it did not say again counts no longer, and the kernel's word does
    /// for ports that it did not name.
    pub fn members_end(&mut self) {
        if let Some(again) = self.members_again.take() {
            self.generation += 1;
            self.members = again;
        }
    }

    /// An interface is gone.
    pub fn remove(&mut self, index: u32) {
        self.generation += 1;
        if let Some(link) = self.by_index.get(&index)
            && self.by_name.get(&link.name) == Some(&index)
        {
            self.by_name.remove(&link.name);
            note_running(&mut self.running, link.name, None);
        }
        self.forget(index);
    }

    fn forget(&mut self, index: u32) {
        self.unlist(index);
        self.vids.remove(&index);
        self.addresses.remove(&index);
        self.had_ipv4.remove(&index);
    }

    fn unlist(&mut self, index: u32) {
        if let Some(link) = self.by_index.remove(&index)
            && let Some(master) = link.master
        {
            self.detach(index, master);
        }
    }

    fn detach(&mut self, index: u32, master: u32) {
        if let Some(slaves) = self.slaves.get_mut(&master) {
            slaves.remove(&index);
            if slaves.is_empty() {
                self.slaves.remove(&master);
            }
        }
    }

    /// The interface of this name.
    #[must_use]
    pub fn by_name(&self, name: &IfName) -> Option<&Link> {
        self.by_index.get(self.by_name.get(name)?)
    }

    /// True if the interface exists.
    #[must_use]
    pub fn exists(&self, name: &IfName) -> bool {
        self.by_name(name).is_some()
    }

    /// Members of the LAG `index`, by name.
    #[must_use]
    pub fn members(&self, index: u32) -> Vec<MemberState> {
        let slaves = self.slaves.get(&index).into_iter().flatten();
        let mut members: Vec<MemberState> = slaves
            .filter_map(|slave| self.by_index.get(slave))
            .map(|link| MemberState {
                name: link.name,
                running: link.running,
                distributing: link.running && link.member.is_some_and(|m| m.distributing),
            })
            .collect();
        members.sort_by_key(|member| member.name);
        members
    }

    /// Whether the kernel would carry data through an MLAG port, as a port of that bridge or as a
    /// layer-3 interface.
    ///
    /// For a LAG its members decide, not its own carrier: the kernel reports a member's loss at
    /// once and the LAG's only at its next poll, and the LAG of a port that is held back has no
    /// carrier although it could have.
    #[must_use]
    pub fn port_is_up(&self, name: &IfName, bridge: &IfName) -> bool {
        self.by_name(name).is_some_and(|link| {
            let carries = match link.kind {
                LinkKind::Lag { min_links, .. } => {
                    let members = self.members(link.index).into_iter();
                    let usable = members.filter(|member| member.distributing).count();
                    link.admin_up && is_enough(usable, min_links)
                }
                LinkKind::Bridge
                | LinkKind::Vlan { .. }
                | LinkKind::Vxlan
                | LinkKind::Vrf
                | LinkKind::Other => link.running,
            };
            carries && self.has_place(link, bridge)
        })
    }

    /// Whether LACP runs on an MLAG port that would carry nothing all the same, whatever LACP
    /// agrees on: too few of its members have carrier for its `min_links`, or it is no port of the
    /// bridge, or the bridge is down. The host sends into it, for all that LACP says.
    #[must_use]
    pub fn is_stranded(&self, name: &IfName, bridge: &IfName) -> bool {
        self.by_name(name).is_some_and(|link| match link.kind {
            LinkKind::Lag {
                lacp: true,
                min_links,
                ..
            } => {
                let members = self.members(link.index).into_iter();
                let running = members.filter(|member| member.running).count();
                let carries = is_enough(running, min_links) && self.has_place(link, bridge);
                link.admin_up && running > 0 && !carries
            }
            _ => false,
        })
    }

    /// Whether frames that arrive on an interface go anywhere: it, or a VLAN interface on top of
    /// it, is a port of the bridge, which is up, or it works on layer 3. Where the kernel has no
    /// such bridge, it is not the kernel that forwards.
    fn has_place(&self, link: &Link, bridge: &IfName) -> bool {
        let Some(bridge) = self.by_name(bridge) else {
            return true;
        };
        let ports = self.slaves.get(&bridge.index).into_iter().flatten();
        let mut ports = ports.filter_map(|port| self.by_index.get(port));
        let is_it = |port: &Link| match port.kind {
            _ if port.index == link.index => true,
            LinkKind::Vlan { parent, .. } => parent == link.index,
            _ => false,
        };
        (bridge.admin_up && ports.any(is_it)) || self.is_layer3(&link.name)
    }

    /// Whether an ordinary interface can carry frames.
    #[must_use]
    pub fn is_running(&self, name: &IfName) -> bool {
        self.by_name(name).is_some_and(|link| link.running)
    }

    /// MAC of the LACP partner of a LAG.
    #[must_use]
    pub fn partner(&self, name: &IfName) -> Option<Mac> {
        match self.by_name(name)?.kind {
            LinkKind::Lag { partner, .. } => partner,
            LinkKind::Bridge
            | LinkKind::Vlan { .. }
            | LinkKind::Vxlan
            | LinkKind::Vrf
            | LinkKind::Other => None,
        }
    }

    /// VLANs of a bridge port; `None` while they are not known.
    #[must_use]
    pub fn vids(&self, name: &IfName) -> Option<&Vids> {
        let link = self.by_name(name)?;
        let told = self.members.get(name);
        told.or_else(|| self.vids.get(&link.index))
    }

    /// The interface with this number.
    #[must_use]
    pub fn by_index(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)
    }

    /// Every interface.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.by_index.values()
    }

    /// Whether each interface runs; the same copy as long as that does not change.
    #[must_use]
    pub const fn running(&self) -> &Running {
        &self.running
    }

    /// Addresses of an interface.
    #[must_use]
    pub fn addresses(&self, name: &IfName) -> &[IpNetwork] {
        let index = self.by_name(name).map(|link| link.index);
        let addresses = index.and_then(|index| self.addresses.get(&index));
        addresses.map_or(&[], Vec::as_slice)
    }

    /// Whether an interface has an IPv4 address, or had one.
    #[must_use]
    pub fn had_ipv4(&self, name: &IfName) -> bool {
        let link = self.by_name(name);
        link.is_some_and(|link| self.had_ipv4.contains(&link.index))
    }

    /// Whether an interface works on layer 3: it has an IPv4 address, an IPv6 address that is not
    /// link-local, or belongs to a VRF (`spec/behaviour.md` 10.5).
    #[must_use]
    pub fn is_layer3(&self, name: &IfName) -> bool {
        let global = |network: &IpNetwork| match network {
            IpNetwork::V4(_) => true,
            IpNetwork::V6(v6) => !v6.ip().is_unicast_link_local(),
        };
        let master = self.by_name(name).and_then(|link| link.master);
        let master = master.and_then(|index| self.by_index.get(&index));
        self.addresses(name).iter().any(global)
            || master.is_some_and(|master| master.kind == LinkKind::Vrf)
    }
}

/// Whether a LAG with so many usable members has carrier.
fn is_enough(members: usize, min_links: u32) -> bool {
    let needed = usize::try_from(min_links.max(1)).unwrap_or(usize::MAX);
    members >= needed
}

/// An interface runs, does not, or is gone.
fn note_running(known: &mut Running, name: IfName, running: Option<bool>) {
    if known.get(&name).copied() == running {
        return;
    }
    let known = Arc::make_mut(known);
    match running {
        Some(running) => known.insert(name, running),
        None => known.remove(&name),
    };
}

/// True if that changed anything.
fn note_member(members: &mut BTreeMap<IfName, Vids>, port: IfName, vid: Vid, member: bool) -> bool {
    let is_known = members.contains_key(&port);
    if !is_known && (!member || members.len() >= MAX_TOLD_PORTS) {
        return false;
    }
    let vids = Arc::make_mut(members.entry(port).or_default());
    match member {
        true => vids.insert(vid) || !is_known,
        false => vids.remove(&vid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::LagMember;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn link(index: u32, text: &str) -> Link {
        Link {
            index,
            name: name(text),
            mac: None,
            admin_up: true,
            running: true,
            master: None,
            kind: LinkKind::Other,
            member: None,
        }
    }

    fn set<const N: usize>(vids: [Vid; N]) -> Vids {
        BTreeSet::from(vids).into()
    }

    fn bond_with_member(running: bool, distributing: bool) -> Links {
        let mut links = Links::default();
        let kind = LinkKind::Lag {
            lacp: true,
            partner: None,
            min_links: 0,
        };
        links.upsert(Link {
            kind,
            running: false,
            ..link(1, "bond1")
        });
        let member = Some(LagMember { distributing });
        links.upsert(Link {
            master: Some(1),
            running,
            member,
            ..link(2, "swp1")
        });
        links
    }

    #[test]
    fn a_lag_is_up_when_a_running_member_distributes_whatever_its_own_carrier_says() {
        assert!(bond_with_member(true, true).port_is_up(&name("bond1"), &name("br0")));
        assert!(!bond_with_member(false, true).port_is_up(&name("bond1"), &name("br0")));
        assert!(!bond_with_member(true, false).port_is_up(&name("bond1"), &name("br0")));
    }

    /// `br0` with `bond1` as its port, whose two members run and distribute; then what is given.
    fn bridged(changes: impl IntoIterator<Item = Link>) -> Links {
        let mut links = Links::default();
        let bridge = Link {
            kind: LinkKind::Bridge,
            ..link(9, "br0")
        };
        let members = [member(2, "swp1", true, true), member(3, "swp2", true, true)];
        for link in [bridge, bond(0)].into_iter().chain(members).chain(changes) {
            links.upsert(link);
        }
        links
    }

    fn bond(min_links: u32) -> Link {
        let (lacp, partner) = (true, None);
        Link {
            kind: LinkKind::Lag {
                lacp,
                partner,
                min_links,
            },
            master: Some(9),
            running: false,
            ..link(1, "bond1")
        }
    }

    fn member(index: u32, text: &str, running: bool, distributing: bool) -> Link {
        Link {
            master: Some(1),
            running,
            member: Some(LagMember { distributing }),
            ..link(index, text)
        }
    }

    /// `(what is otherwise) => (up, LACP runs on it and nothing would be carried)`.
    #[test]
    fn a_lag_is_up_when_the_kernel_would_carry_its_data() {
        let off = |index, text| member(index, text, false, false);
        let out = Link {
            master: None,
            ..bond(0)
        };
        let down = Link {
            admin_up: false,
            ..bond(0)
        };
        let bridge_down = Link {
            kind: LinkKind::Bridge,
            admin_up: false,
            ..link(9, "br0")
        };
        let elsewhere = Link {
            master: Some(7),
            ..bond(0)
        };
        let (vid, parent) = (Vid::DEFAULT, 1);
        let vlan = Link {
            kind: LinkKind::Vlan { vid, parent },
            master: Some(9),
            ..link(20, "bond1.1")
        };
        let one_negotiates = member(3, "swp2", true, false);
        let table = [
            (vec![], (true, false)),
            (vec![bond(1)], (true, false)),
            (vec![bond(2)], (true, false)),
            (vec![bond(3)], (false, true)),
            (vec![off(3, "swp2")], (true, false)),
            (vec![bond(2), off(3, "swp2")], (false, true)),
            // It will be: LACP is not done.
            (vec![bond(2), one_negotiates], (false, false)),
            // Nobody hears what it says.
            (
                vec![bond(2), off(2, "swp1"), off(3, "swp2")],
                (false, false),
            ),
            (vec![off(2, "swp1"), off(3, "swp2")], (false, false)),
            (vec![down], (false, false)),
            (vec![out.clone()], (false, true)),
            (vec![elsewhere], (false, true)),
            (vec![bridge_down], (false, true)),
            (vec![out, vlan], (true, false)),
        ];
        for (changes, expected) in table {
            let links = bridged(changes.clone());
            let [bond1, br0] = ["bond1", "br0"].map(name);
            let is = (
                links.port_is_up(&bond1, &br0),
                links.is_stranded(&bond1, &br0),
            );
            assert_eq!(is, expected, "{changes:?}");
        }
    }

    #[test]
    fn a_lag_with_an_address_needs_no_bridge_and_neither_does_one_where_there_is_none() {
        let out = Link {
            master: None,
            ..bond(0)
        };
        let [bond1, br0, other] = ["bond1", "br0", "br7"].map(name);
        let mut links = bridged([out]);
        assert!(!links.port_is_up(&bond1, &br0));
        assert!(
            links.port_is_up(&bond1, &other),
            "the kernel does not forward"
        );
        links.set_addresses(1, vec!["192.0.2.1/24".parse().unwrap()]);
        assert!(links.port_is_up(&bond1, &br0));
        assert!(!links.is_stranded(&bond1, &br0));
    }

    #[test]
    fn a_plain_interface_is_up_as_a_port_of_the_bridge_alone() {
        let [swp9, br0] = ["swp9", "br0"].map(name);
        for (master, running, is_up) in [
            (Some(9), true, true),
            (Some(9), false, false),
            (None, true, false),
        ] {
            let links = bridged([Link {
                master,
                running,
                ..link(30, "swp9")
            }]);
            assert_eq!(links.port_is_up(&swp9, &br0), is_up);
            assert!(!links.is_stranded(&swp9, &br0), "it speaks no LACP");
        }
    }

    #[test]
    fn an_interface_missing_from_a_full_listing_is_gone() {
        let mut links = Links::default();
        links.upsert(link(1, "a"));
        links.upsert(link(2, "b"));
        links.begin();
        links.upsert(link(2, "b"));
        links.end();
        assert!(!links.exists(&name("a")));
        assert!(links.exists(&name("b")));
    }

    #[test]
    fn a_member_that_leaves_its_lag_no_longer_counts() {
        let mut links = bond_with_member(true, true);
        links.upsert(Link {
            master: None,
            ..link(2, "swp1")
        });
        assert!(!links.port_is_up(&name("bond1"), &name("br0")));
        let mut links = bond_with_member(true, true);
        links.remove(2);
        assert_eq!(links.members(1), []);
    }

    #[test]
    fn two_interfaces_that_swap_their_names_keep_their_vlans() {
        let mut links = Links::default();
        let (one, two) = (Vid::new(1).unwrap(), Vid::new(2).unwrap());
        for (index, text, vid) in [(1, "a", one), (2, "b", two)] {
            links.upsert(link(index, text));
            links.set_vids(index, [vid].into());
        }
        for (index, text) in [(1, "tmp"), (2, "a"), (1, "b")] {
            links.upsert(link(index, text));
        }
        assert_eq!(links.vids(&name("a")), Some(&set([two])));
        links.upsert(link(2, "b"));
        links.upsert(link(1, "a"));
        assert_eq!(links.vids(&name("a")), Some(&set([one])));
        assert_eq!(links.vids(&name("b")), Some(&set([two])));
    }

    /// `spec/mclagsyncd-protocol.md` 5.4: it may be told before the port exists.
    #[test]
    fn what_the_dataplane_says_of_a_port_s_vlans_counts() {
        let mut links = Links::default();
        let (one, two) = (Vid::new(1).unwrap(), Vid::new(2).unwrap());
        links.set_member(name("a"), two, true);
        links.upsert(link(1, "a"));
        links.upsert(link(2, "b"));
        links.set_vids(1, [one].into());
        links.set_vids(2, [one].into());
        assert_eq!(links.vids(&name("a")), Some(&set([two])));
        assert_eq!(links.vids(&name("b")), Some(&set([one])), "not spoken of");
        links.set_member(name("a"), two, false);
        assert_eq!(links.vids(&name("a")), Some(&set([])));
    }

    /// `spec/behaviour.md` 14.6: what is not said again is gone, but not before all is said.
    #[test]
    fn what_the_dataplane_said_of_a_port_s_vlans_counts_until_it_has_said_it_again() {
        let mut links = Links::default();
        let (one, two) = (Vid::new(1).unwrap(), Vid::new(2).unwrap());
        for (index, text) in [(1, "a"), (2, "b")] {
            links.upsert(link(index, text));
            links.set_vids(index, [one].into());
            links.set_member(name(text), one, true);
            links.set_member(name(text), two, true);
        }
        links.members_begin();
        links.set_member(name("a"), two, true);
        assert_eq!(links.vids(&name("a")), Some(&set([one, two])));
        links.members_end();
        assert_eq!(links.vids(&name("a")), Some(&set([two])));
        assert_eq!(links.vids(&name("b")), Some(&set([one])), "not spoken of");
        links.members_end();
        assert_eq!(links.vids(&name("a")), Some(&set([two])), "no end of it");
    }

    #[test]
    fn a_renamed_interface_is_found_under_its_new_name_only() {
        let mut links = Links::default();
        links.upsert(link(1, "a"));
        links.upsert(link(1, "b"));
        assert!(!links.exists(&name("a")));
        assert_eq!(links.by_name(&name("b")).unwrap().index, 1);
    }

    #[test]
    fn who_runs_is_copied_only_when_that_changes() {
        let mut links = Links::default();
        for index in 1..4 {
            links.upsert(link(
                index,
                ["a", "b", "c"][usize::try_from(index).unwrap() - 1],
            ));
        }
        let before = links.running().clone();
        links.begin();
        for (index, text) in [(1, "a"), (2, "b"), (3, "c")] {
            links.upsert(Link {
                master: Some(9),
                ..link(index, text)
            });
        }
        links.end();
        links.set_addresses(1, vec!["192.0.2.1/24".parse().unwrap()]);
        links.set_vids(2, BTreeSet::new());
        assert!(Arc::ptr_eq(&before, links.running()));
        let running = |links: &Links| -> Vec<String> {
            let each = links.running().iter();
            each.map(|(name, runs)| format!("{name} {runs}")).collect()
        };
        links.upsert(Link {
            running: false,
            ..link(1, "a")
        });
        links.upsert(link(2, "d"));
        links.upsert(link(4, "c"));
        links.remove(3); // of a name that is another's now
        assert_eq!(running(&links), ["a false", "c true", "d true"]);
        links.remove(4);
        links.begin();
        links.upsert(link(2, "a"));
        links.end();
        assert_eq!(running(&links), ["a true"]);
        assert_eq!(before.len(), 3, "who keeps a copy is not disturbed");
    }

    #[test]
    fn the_same_name_with_another_index_replaces_the_old_interface() {
        let mut links = Links::default();
        links.upsert(link(1, "a"));
        links.upsert(link(7, "a"));
        assert_eq!(links.by_name(&name("a")).unwrap().index, 7);
        links.remove(7);
        assert!(!links.exists(&name("a")));
    }
}
