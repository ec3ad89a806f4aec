//! One test per rule of `spec/behaviour.md` 11 and `spec/iccp.md` 11 that the table decides.

use super::*;
use crate::table::Policy as _;
use NeighbourFrom::{Installed, Kernel, Wire};
use proptest::prelude::*;

const HOST: Mac = Mac([2, 0, 0, 0, 0, 7]);
const OTHER: Mac = Mac([2, 0, 0, 0, 0, 8]);

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn key_on(interface: &str, address: &str) -> NeighbourKey {
    NeighbourKey {
        interface: name(interface),
        address: address.parse().unwrap(),
    }
}

fn key(address: &str) -> NeighbourKey {
    key_on("vlan10", address)
}

const V4: &str = "192.0.2.7";
const V6: &str = "2001:db8::7";

fn vlan() -> Interface {
    Interface {
        own: ["192.0.2.1", "2001:db8::1", "fe80::1"]
            .map(|a| a.parse().unwrap())
            .into(),
        shared: true,
        reachable: true,
        lasting: true,
        parted: false,
    }
}

/// A layer-3 MLAG port.
fn port(up: bool) -> Interface {
    Interface {
        reachable: up,
        lasting: false,
        parted: !up,
        ..vlan()
    }
}

struct Fixture(Neighbours);

impl Fixture {
    /// In step, with one VLAN interface and one layer-3 port.
    fn new() -> Self {
        let mut this = Self(Neighbours::default());
        this.set("vlan10", vlan()).set("bond3", port(true));
        this.0.session_begins();
        this
    }

    fn set(&mut self, interface: &str, state: Interface) -> &mut Self {
        let mut interfaces = self.0.interfaces().clone();
        interfaces.insert(name(interface), state);
        self.0.set_interfaces(interfaces);
        self
    }

    fn sees(&mut self, key: NeighbourKey, mac: Mac, from: NeighbourFrom) -> &mut Self {
        self.0
            .local_observation(key, Some(NeighbourObservation { mac, from }));
        self
    }

    fn loses(&mut self, key: NeighbourKey) -> &mut Self {
        self.0.local_observation(key, None);
        self
    }

    fn peer(&mut self, key: NeighbourKey, mac: Mac) -> &mut Self {
        let flags = NeighbourFlags::empty();
        self.0.remote_entry(key, EntryOp::Add, mac, flags);
        self
    }

    /// `spec/iccp.md` 4.9: a delete may carry no MAC.
    fn peer_deletes(&mut self, key: NeighbourKey) -> &mut Self {
        let flags = NeighbourFlags::empty();
        self.0.remote_entry(key, EntryOp::Delete, Mac::ZERO, flags);
        self
    }

    /// Everything the peer is told, as (add, interface, address, MAC).
    fn advertised(&mut self) -> Vec<(bool, NeighbourKey, Mac)> {
        let mut told = Vec::new();
        while let Some(batch) = self.next_advertised(2) {
            told.extend(batch);
        }
        told
    }

    fn next_advertised(&mut self, max: usize) -> Option<Vec<(bool, NeighbourKey, Mac)>> {
        Some(match self.0.next_advertisements(max)? {
            Tlv::ArpInfo(entries) => entries.iter().map(flat).collect(),
            Tlv::NdiscInfo(entries) => entries.iter().map(flat).collect(),
            other => panic!("{other:?}"),
        })
    }

    fn ops(&mut self) -> Vec<Op> {
        let mut ops = Vec::new();
        self.0.next_ops(100, &mut ops);
        ops
    }
}

fn flat<A: Copy + Into<IpAddr>>(entry: &NeighbourEntry<A>) -> (bool, NeighbourKey, Mac) {
    assert_eq!(entry.flags, NeighbourFlags::empty());
    let (interface, address) = (entry.interface, entry.address.into());
    let key = NeighbourKey { interface, address };
    (entry.op == EntryOp::Add, key, entry.mac)
}

fn install(key: NeighbourKey, mac: Mac) -> Op {
    let permanent = false;
    let want = NeighbourWant { mac, permanent };
    Op::Neighbour { key, want }
}

fn release(key: NeighbourKey) -> Op {
    Op::NeighbourRelease { key }
}

/// 11.3: ADD for what is new or changed, DEL for what is gone.
#[test]
fn what_the_kernel_resolved_is_told_and_left_to_it() {
    for address in [V4, V6] {
        let mut f = Fixture::new();
        f.sees(key(address), HOST, Kernel);
        assert_eq!(f.advertised(), [(true, key(address), HOST)]);
        assert_eq!(f.ops(), []);
        f.sees(key(address), HOST, Kernel);
        assert_eq!(f.advertised(), [], "said once");
        f.loses(key(address));
        assert_eq!(f.advertised(), [(false, key(address), HOST)]);
        f.ops();
        assert!(f.0.is_empty());
    }
}

/// W-18: SONiC compares an ND entry with itself.
#[test]
fn a_host_that_got_another_mac_is_told_again_with_both_families() {
    for address in [V4, V6] {
        let mut f = Fixture::new();
        f.sees(key(address), HOST, Kernel).advertised();
        f.sees(key(address), OTHER, Kernel);
        assert_eq!(f.advertised(), [(true, key(address), OTHER)]);
    }
}

/// 11.2: deletions that were never additions are not told.
#[test]
fn a_neighbour_that_was_never_known_is_not_withdrawn() {
    let mut f = Fixture::new();
    f.loses(key(V4));
    assert_eq!(f.advertised(), []);
}

/// 11.2: broadcast counts as gone with ARP, and not at all with ND.
#[test]
fn a_broadcast_mac_is_no_neighbour() {
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Kernel).sees(key(V6), HOST, Kernel);
    f.advertised();
    let all = Mac([0xff; 6]);
    f.sees(key(V4), all, Kernel).sees(key(V6), all, Kernel);
    assert_eq!(f.advertised(), [(false, key(V4), HOST)]);
}

/// 11.2 and 11.4, W-27, W-28.
#[test]
fn own_addresses_are_nobodys_neighbours_from_either_side() {
    let mut f = Fixture::new();
    for own in ["192.0.2.1", "2001:db8::1", "fe80::1"] {
        f.sees(key(own), HOST, Kernel).peer(key(own), HOST);
    }
    assert_eq!((f.advertised(), f.ops()), (vec![], vec![]));
    assert!(f.0.is_empty());
    // An address that becomes one's own is withdrawn.
    f.sees(key(V4), HOST, Kernel).advertised();
    let mut own = vlan();
    own.own.insert(V4.parse().unwrap());
    f.set("vlan10", own);
    assert_eq!(f.advertised(), [(false, key(V4), HOST)]);
}

#[test]
fn groups_and_special_addresses_are_no_neighbours() {
    let mut f = Fixture::new();
    for address in [
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",
        "::",
        "255.255.255.255",
        "127.0.0.1",
    ] {
        f.sees(key(address), HOST, Kernel).peer(key(address), HOST);
    }
    assert!(f.0.is_empty());
}

/// 11.2: the interface has to be shared, and to have an address of the family.
#[test]
fn neighbours_on_other_interfaces_are_told_when_they_become_eligible() {
    let mut f = Fixture::new();
    let mut four_only = vlan();
    four_only.own.retain(IpAddr::is_ipv4);
    f.set("vlan10", four_only);
    f.sees(key(V4), HOST, Kernel).sees(key(V6), HOST, Kernel);
    f.sees(key_on("eth0", V4), HOST, Kernel);
    assert_eq!(f.advertised(), [(true, key(V4), HOST)]);
    f.set("vlan10", vlan());
    assert_eq!(f.advertised(), [(true, key(V6), HOST)]);
    f.set("eth0", vlan());
    assert_eq!(f.advertised(), [(true, key_on("eth0", V4), HOST)]);
    // And withdrawn when they no longer are.
    f.set("eth0", Interface::default());
    assert_eq!(f.advertised(), [(false, key_on("eth0", V4), HOST)]);
}

/// W-17.
#[test]
fn one_address_on_two_interfaces_is_two_neighbours() {
    let mut f = Fixture::new();
    f.peer(key(V4), HOST).peer(key_on("bond3", V4), OTHER);
    let mut ops = f.ops();
    ops.sort_by_key(|op| format!("{op:?}"));
    assert_eq!(
        ops,
        [install(key_on("bond3", V4), OTHER), install(key(V4), HOST)]
    );
}

/// 11.2: observed replies refresh, and are told each time.
#[test]
fn an_answer_on_the_wire_is_told_again_and_installed_if_the_kernel_has_nothing() {
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Wire);
    assert_eq!(f.advertised(), [(true, key(V4), HOST)]);
    assert_eq!(f.ops(), [install(key(V4), HOST)]);
    f.sees(key(V4), HOST, Installed);
    assert_eq!(f.advertised(), [], "our own work is no news");
    f.sees(key(V4), HOST, Wire);
    assert_eq!(f.advertised(), [(true, key(V4), HOST)]);
    // The kernel finds that it is gone.
    f.loses(key(V4));
    assert_eq!(f.advertised(), [(false, key(V4), HOST)]);
    assert_eq!(f.ops(), [release(key(V4))]);
    assert!(f.0.is_empty());
    // What the kernel has itself is not installed.
    f.sees(key(V4), HOST, Kernel).sees(key(V4), HOST, Wire);
    assert_eq!(f.ops(), []);
}

/// 11.4.
#[test]
fn what_the_peer_says_is_installed_and_removed_by_its_address_alone() {
    for address in [V4, V6] {
        let mut f = Fixture::new();
        f.peer(key(address), HOST);
        assert_eq!(f.ops(), [install(key(address), HOST)]);
        assert_eq!(f.advertised(), [], "no echo");
        f.peer_deletes(key(address));
        assert_eq!(f.ops(), [release(key(address))]);
        assert!(f.0.is_empty());
    }
}

/// 11.4: stored also when it cannot be installed.
#[test]
fn what_cannot_be_installed_yet_is_kept_until_it_can() {
    let mut f = Fixture::new();
    f.peer(key_on("vlan20", V4), HOST);
    f.set("bond3", port(false));
    f.peer(key_on("bond3", V6), HOST);
    assert_eq!(f.ops(), []);
    f.set("vlan20", vlan());
    f.set("bond3", port(true));
    assert_eq!(
        f.ops(),
        [
            install(key_on("bond3", V6), HOST),
            install(key_on("vlan20", V4), HOST)
        ]
    );
}

/// 11.4: what waits to be told of the same address is cancelled.
#[test]
fn an_announcement_that_the_peer_forestalled_is_not_sent() {
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Kernel).peer(key(V4), HOST);
    assert_eq!((f.advertised(), f.ops()), (vec![], vec![]));
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Kernel).peer(key(V4), OTHER);
    assert_eq!(f.advertised(), [], "the newer word wins");
    assert_eq!(f.ops(), [install(key(V4), OTHER)]);
    // A late report of what was replaced is no newer word.
    f.sees(key(V4), HOST, Kernel);
    assert_eq!(f.advertised(), []);
    f.sees(key(V4), OTHER, Installed)
        .sees(key(V4), HOST, Kernel);
    assert_eq!(f.advertised(), [(true, key(V4), HOST)]);
}

#[test]
fn what_both_know_outlives_either() {
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Kernel).advertised();
    f.peer(key(V4), HOST).peer_deletes(key(V4));
    assert_eq!(
        (f.advertised(), f.ops()),
        (vec![], vec![]),
        "the kernel's own stays"
    );
    f.peer(key(V4), HOST).loses(key(V4));
    assert_eq!(f.advertised(), [(false, key(V4), HOST)]);
    assert_eq!(
        f.ops(),
        [install(key(V4), HOST)],
        "the peer's takes its place"
    );
}

/// 11.8: re-installed on expiry while the peer still owns it.
#[test]
fn what_the_kernel_gave_up_is_put_back_while_the_peer_claims_it() {
    let mut f = Fixture::new();
    f.peer(key(V4), HOST).ops();
    assert_eq!(f.loses(key(V4)).ops(), [install(key(V4), HOST)]);
    assert_eq!(f.ops(), [], "once");
}

/// 11.4, flags 0x04 and 0x02.
#[test]
fn the_peers_own_address_is_permanent_and_not_to_be_argued_with() {
    for flag in [NeighbourFlags::OWN_ADDRESS, NeighbourFlags::OWN_LINK_LOCAL] {
        let mut f = Fixture::new();
        f.0.remote_entry(key(V6), EntryOp::Add, HOST, flag);
        let permanent = true;
        let want = NeighbourWant {
            mac: HOST,
            permanent,
        };
        let permanent = Op::Neighbour { key: key(V6), want };
        assert_eq!(f.ops(), std::slice::from_ref(&permanent));
        f.sees(key(V6), OTHER, Kernel);
        assert_eq!(f.ops(), [permanent], "put back");
        assert_eq!(f.advertised(), []);
    }
}

/// 11.3: everything at the start of a session, whoever said it; kept over its loss (6.6).
#[test]
fn a_new_session_begins_with_everything_known() {
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Kernel).peer(key(V6), OTHER);
    f.advertised();
    f.ops();
    f.0.session_down();
    assert_eq!(f.ops(), []);
    f.0.session_begins();
    let both = [(true, key(V4), HOST), (true, key(V6), OTHER)];
    assert_eq!(f.advertised(), both);
    // What the peer does not repeat goes as soon as the kernel gives it up.
    f.loses(key(V6));
    assert_eq!(f.advertised(), [(false, key(V6), OTHER)]);
    assert_eq!(f.ops(), [release(key(V6))]);
}

/// No echo of what the peer has just said again.
#[test]
fn what_the_peer_repeats_in_a_new_session_is_not_told_back() {
    let mut f = Fixture::new();
    f.peer(key(V4), HOST).ops();
    f.0.session_down();
    f.0.session_begins();
    f.peer(key(V4), HOST);
    assert_eq!((f.advertised(), f.ops()), (vec![], vec![]));
    assert_eq!(
        f.loses(key(V4)).ops(),
        [install(key(V4), HOST)],
        "it is the peer's"
    );
}

/// 11.3: the remote port came up while the local one is.
#[test]
fn an_interface_is_told_again_when_the_peer_can_use_it() {
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Kernel)
        .sees(key_on("bond3", V4), OTHER, Kernel);
    f.peer(key(V6), HOST);
    f.advertised();
    f.0.repeat(&[name("vlan10")].into());
    assert_eq!(f.advertised(), [(true, key(V4), HOST)]);
}

/// 11.5, layer-3 port, and W-18: gone while the port is down, back when it is up, for both families.
#[test]
fn neighbours_of_a_layer_3_port_go_and_come_with_it() {
    for address in [V4, V6] {
        let (theirs, ours) = (key_on("bond3", address), key_on("bond3", "fe80::9"));
        let mut f = Fixture::new();
        f.peer(theirs, HOST).ops();
        f.sees(ours, OTHER, Kernel).advertised();
        f.ops();
        f.set("bond3", port(false));
        f.loses(ours);
        assert_eq!(f.ops(), [release(theirs)]);
        assert_eq!(
            f.advertised(),
            [],
            "the host is still there, behind the peer"
        );
        f.set("bond3", port(true));
        assert_eq!(f.ops(), [install(theirs, HOST), install(ours, OTHER)]);
    }
}

/// 11.5, VLAN interface.
#[test]
fn neighbours_of_a_vlan_are_left_to_age_and_put_back() {
    let mut f = Fixture::new();
    f.peer(key(V4), HOST).ops();
    f.set(
        "vlan10",
        Interface {
            reachable: false,
            ..vlan()
        },
    );
    assert_eq!(f.ops(), []);
    f.peer(key(V6), HOST);
    assert_eq!(f.ops(), [], "but nothing new is installed");
    f.set("vlan10", vlan());
    f.0.reinstall(&[name("vlan10")].into());
    assert_eq!(f.ops(), [install(key(V4), HOST), install(key(V6), HOST)]);
}

#[test]
fn what_a_listing_does_not_name_is_gone() {
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Kernel).sees(key(V6), HOST, Kernel);
    f.peer(key_on("bond3", V4), HOST).advertised();
    f.0.listing_begins();
    f.sees(key(V6), HOST, Kernel);
    f.0.listing_ends();
    assert_eq!(f.advertised(), [(false, key(V4), HOST)]);
}

#[test]
fn an_interface_that_is_gone_takes_what_the_kernel_knew_with_it() {
    let mut f = Fixture::new();
    f.sees(key(V4), HOST, Kernel)
        .sees(key_on("bond3", V4), HOST, Kernel);
    f.advertised();
    f.0.forget_interfaces(|interface| *interface == name("bond3"));
    assert_eq!(f.advertised(), [(false, key(V4), HOST)]);
}

/// `spec/behaviour.md` 6.3, 11.4: a legacy daemon tells what it was told when a session begins, and
/// drops what it is told to be gone. What it said is not put back for ever.
#[test]
fn a_legacy_peer_that_is_told_of_a_loss_no_longer_claims_the_address() {
    for one_observation in [true, false] {
        let mut f = Fixture::new();
        f.0.peer_keeps_one_observation(one_observation);
        f.sees(key(V4), HOST, Kernel);
        assert_eq!(f.advertised(), [(true, key(V4), HOST)]);
        f.peer(key(V4), HOST).loses(key(V4));
        assert_eq!(f.advertised(), [(false, key(V4), HOST)]);
        let put_back = install(key(V4), HOST);
        assert_eq!(f.ops().contains(&put_back), !one_observation);
    }
}

#[test]
fn messages_hold_one_family_and_no_more_than_asked_for() {
    let mut f = Fixture::new();
    for n in 10..15 {
        f.sees(key(&format!("192.0.2.{n}")), HOST, Kernel);
        f.sees(key(&format!("2001:db8::{n}")), HOST, Kernel);
    }
    let mut sizes = Vec::new();
    while let Some(tlv) = f.0.next_advertisements(3) {
        sizes.push(match tlv {
            Tlv::ArpInfo(entries) => (4, entries.len()),
            Tlv::NdiscInfo(entries) => (6, entries.len()),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(sizes, [(4, 3), (4, 2), (6, 3), (6, 2)]);
}

#[test]
fn a_snapshot_names_all_that_is_wanted_in_pieces_of_any_size() {
    let mut f = Fixture::new();
    let hosts: Vec<String> = (10..20).map(|n| format!("192.0.2.{n}")).collect();
    for host in &hosts {
        f.peer(key(host), HOST);
    }
    f.sees(key(V6), HOST, Kernel).ops();
    f.0.syncd_up();
    f.0.complete();
    let mut ops = Vec::new();
    for _ in 0..10 {
        f.0.next_ops(3, &mut ops);
    }
    let mut want = vec![Op::SnapshotBegin(Section::Neighbours)];
    want.extend(hosts.iter().map(|host| install(key(host), HOST)));
    want.push(Op::SnapshotEnd(Section::Neighbours));
    assert_eq!(ops, want);
}

#[test]
fn a_peer_cannot_fill_the_memory_with_neighbours() {
    let mut f = Fixture::new();
    let most = u32::try_from(MAX_ENTRIES).unwrap();
    for n in 0..most + 10 {
        let address = Ipv4Addr::from(0x0a00_0001 + n).into();
        let interface = name("vlan10");
        f.peer(NeighbourKey { interface, address }, HOST);
    }
    assert_eq!((f.0.len(), f.0.ignored()), (MAX_ENTRIES, 10));
}

/// Wherever the peer's entry is among those of this chassis, it makes room, and none beyond the bound is
/// kept.
#[test]
fn a_neighbour_of_this_chassis_takes_the_place_of_the_one_that_the_peer_alone_knows() {
    let most = u32::try_from(MAX_ENTRIES).unwrap();
    let host = |n: u32| {
        let address = Ipv4Addr::from(0x0a00_0001 + n).into();
        let interface = name("vlan10");
        NeighbourKey { interface, address }
    };
    for peers in [0, most / 2, most - 1] {
        let mut f = Fixture::new();
        for n in 0..most {
            match n == peers {
                true => f.peer(host(n), HOST),
                false => f.sees(host(n), HOST, Kernel),
            };
        }
        // One in its place, one that finds none.
        for (new, known, ignored) in [(most, true, 1), (most + 1, false, 2)] {
            f.sees(host(new), HOST, Kernel);
            let all: BTreeSet<NeighbourKey> = f.0.iter(None).map(|(key, ..)| key).collect();
            let is_known = [new, peers].map(|n| all.contains(&host(n)));
            assert_eq!(is_known, [known, false], "{peers}");
            assert_eq!((all.len(), f.0.ignored()), (MAX_ENTRIES, ignored));
        }
    }
}

#[test]
fn nothing_waits_for_a_dataplane_that_takes_no_neighbours() {
    let mut f = Fixture::new();
    f.peer(key(V4), HOST)
        .sees(key(V6), HOST, Kernel)
        .loses(key(V6));
    f.advertised();
    f.0.skip_ops();
    assert_eq!((f.0.len(), f.ops()), (1, vec![]));
    assert!(f.0.wants_anything());
    f.0.syncd_up();
    assert_eq!(f.ops(), [install(key(V4), HOST)]);
}

#[test]
fn pages_continue_where_the_last_one_ended() {
    let mut f = Fixture::new();
    for n in 10..15 {
        f.peer(key(&format!("192.0.2.{n}")), HOST);
    }
    let (first, next) = f.0.page(None, 3);
    let (second, end) = f.0.page(next, 3);
    assert_eq!((first.len(), second.len(), end), (3, 2, None));
    assert!(first[0].remote && !first[0].local && !first[0].permanent);
    let after = Some(key("192.0.2.12"));
    let rest: Vec<_> = f.0.iter(after).collect();
    assert_eq!(rest[0], (key("192.0.2.13"), HOST, Owner::Remote));
    assert_eq!(rest.len(), 2);
}

/// Something that can happen to a table, drawn at random.
#[derive(Clone, Debug)]
enum Step {
    Local(NeighbourKey, Option<NeighbourObservation>),
    Peer(NeighbourKey, EntryOp, Mac, NeighbourFlags),
    Interface(IfName, Interface),
    Revive(IfName, bool),
    Session(bool),
    SyncdUp(bool),
    Listing,
    /// The peer and the dataplane have room for so many.
    Room(usize, usize),
    Drain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let names = || prop::sample::select(vec!["vlan10", "bond3"]).prop_map(name);
    let addresses = || prop::sample::select(vec![V4, V6]);
    let key = move || {
        (names(), addresses()).prop_map(|(interface, address)| NeighbourKey {
            interface,
            address: address.parse().unwrap(),
        })
    };
    let macs = || prop::sample::select(vec![HOST, OTHER]);
    let from = prop::sample::select(vec![Kernel, Wire, Installed]);
    let observation =
        prop::option::of((macs(), from).prop_map(|(mac, from)| NeighbourObservation { mac, from }));
    let flags = prop::bool::weighted(0.1).prop_map(|own| {
        if own {
            NeighbourFlags::OWN_ADDRESS
        } else {
            NeighbourFlags::empty()
        }
    });
    let op = prop::sample::select(vec![EntryOp::Add, EntryOp::Delete]);
    let interface = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(shared, reachable, lasting, parted)| Interface {
            shared,
            reachable,
            lasting,
            parted: parted && !reachable,
            ..vlan()
        },
    );
    let step = prop_oneof![
        5 => (key(), observation).prop_map(|(key, observation)| Step::Local(key, observation)),
        4 => (key(), op, macs(), flags).prop_map(|(k, op, m, f)| Step::Peer(k, op, m, f)),
        2 => (names(), interface).prop_map(|(name, state)| Step::Interface(name, state)),
        1 => (names(), any::<bool>()).prop_map(|(name, here)| Step::Revive(name, here)),
        2 => any::<bool>().prop_map(Step::Session),
        1 => any::<bool>().prop_map(Step::SyncdUp),
        1 => Just(Step::Listing),
        3 => (0..3_usize, 0..3_usize).prop_map(|(peer, syncd)| Step::Room(peer, syncd)),
        2 => Just(Step::Drain),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    /// Once everything was said, what was said is what is true; and what is withdrawn from one side
    /// was said to it before.
    #[test]
    fn what_was_said_is_what_is_true_whatever_happened(steps in steps()) {
        let mut f = Fixture::new();
        let mut at_peer = BTreeMap::new();
        let mut installed = BTreeMap::new();
        for step in steps.into_iter().chain([Step::Drain]) {
            match step {
                Step::Local(key, observation) => f.0.local_observation(key, observation),
                Step::Peer(key, op, mac, flags) => f.0.remote_entry(key, op, mac, flags),
                Step::Interface(name, state) => drop(f.set(name.as_str(), state)),
                Step::Revive(name, true) => f.0.reinstall(&[name].into()),
                Step::Revive(name, false) => f.0.repeat(&[name].into()),
                Step::Session(true) => f.0.session_begins(),
                Step::Session(false) => {
                    f.0.session_down();
                    at_peer.clear();
                }
                Step::SyncdUp(whole) => {
                    f.0.syncd_up();
                    if whole {
                        f.0.complete();
                    } else {
                        installed.clear();
                    }
                }
                Step::Listing => {
                    f.0.listing_begins();
                    f.0.listing_ends();
                }
                Step::Room(..) | Step::Drain => {
                    let (told, ops) = match step {
                        Step::Room(peer, syncd) => {
                            let mut ops = Vec::new();
                            f.0.next_ops(syncd, &mut ops);
                            (f.next_advertised(peer).unwrap_or_default(), ops)
                        }
                        _ => (f.advertised(), f.ops()),
                    };
                    for (add, key, mac) in told {
                        prop_assert!(f.0.table.is_advertising());
                        if add {
                            at_peer.insert(key, mac);
                        } else {
                            at_peer.remove(&key);
                        }
                    }
                    for op in ops {
                        match op {
                            Op::Neighbour { key, want } => drop(installed.insert(key, want)),
                            Op::NeighbourRelease { key } => {
                                prop_assert!(installed.remove(&key).is_some());
                            }
                            Op::SnapshotBegin(_) => installed.clear(),
                            _ => {}
                        }
                    }
                    if !matches!(step, Step::Drain) {
                        continue;
                    }
                    for (key, entry) in f.0.table.iter(None) {
                        let wanted = f.0.table.policy().program(key, &entry);
                        prop_assert!(!entry.is_idle(), "{key:?} {entry:?}");
                        prop_assert_eq!(entry.programmed, wanted);
                        prop_assert_eq!(entry.programmed.as_ref(), installed.get(&key));
                        if let (Some(local), Some(remote)) = (entry.local, entry.remote) {
                            prop_assert_eq!(local.mac, remote.mac);
                        }
                    }
                    prop_assert!(installed.keys().all(|key| f.0.table.contains(key)));
                }
            }
        }
    }
}
