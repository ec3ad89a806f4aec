//! Neighbours and addresses of one's own (`spec/behaviour.md` 11, `spec/iccp.md` 11).

use crate::chassis::{BOTH, Chassis, OWN, PEER, VLAN, VLAN_INDEX, name, vid};
use iccp_core::{NeighbourFrom, NeighbourObservation};
use mclag_proto::Mac;
use mclag_proto::ctl::Warning;
use mclag_proto::iccp::{Body, EntryOp, MacEntry, MacType, NeighbourEntry, NeighbourFlags, Tlv};
use mclag_proto::sync::model::{Abilities, FdbKey, NeighbourKey, NeighbourWant, Op};
use std::net::{Ipv4Addr, Ipv6Addr};

const HOST: Mac = Mac([2, 0, 0, 0, 1, 7]);
const OTHER: Mac = Mac([2, 0, 0, 0, 1, 8]);
const NONE: NeighbourFlags = NeighbourFlags::empty();
const SELF: NeighbourFlags = NeighbourFlags::OWN_ADDRESS;

fn resolved(mac: Mac) -> Option<NeighbourObservation> {
    let from = NeighbourFrom::Kernel;
    Some(NeighbourObservation { mac, from })
}

fn entry<A>(op: EntryOp, flags: NeighbourFlags, address: A, mac: Mac) -> NeighbourEntry<A> {
    let interface = name(VLAN);
    NeighbourEntry {
        op,
        flags,
        interface,
        address,
        mac,
    }
}

fn arp(op: EntryOp, flags: NeighbourFlags, address: &str, mac: Mac) -> Tlv {
    let address: Ipv4Addr = address.parse().unwrap();
    Tlv::ArpInfo(vec![entry(op, flags, address, mac)])
}

fn nd(op: EntryOp, flags: NeighbourFlags, address: &str, mac: Mac) -> Tlv {
    let address: Ipv6Addr = address.parse().unwrap();
    Tlv::NdiscInfo(vec![entry(op, flags, address, mac)])
}

fn own_mac(op: EntryOp) -> Tlv {
    Tlv::MacInfo(vec![MacEntry {
        op,
        kind: MacType::Static,
        mac: OWN,
        vid: vid(10),
        port: name("Ethernet0"),
    }])
}

fn addressed() -> Chassis {
    let mut chassis = Chassis::active();
    chassis.connect_server(BOTH);
    chassis.addresses(VLAN_INDEX, &["198.51.100.1/24", "2001:db8::1/64"]);
    chassis
}

fn neighbours(ops: &[Op]) -> Vec<Op> {
    let of_section = |op: &&Op| matches!(op, Op::Neighbour { .. } | Op::NeighbourRelease { .. });
    ops.iter().filter(of_section).cloned().collect()
}

fn key(address: &str) -> NeighbourKey {
    NeighbourKey {
        interface: name(VLAN),
        address: address.parse().unwrap(),
    }
}

fn install(address: &str, mac: Mac, permanent: bool) -> Op {
    let want = NeighbourWant { mac, permanent };
    let key = key(address);
    Op::Neighbour { key, want }
}

/// `spec/iccp.md` 6: what is pending in EXCHANGE is said in this order.
#[test]
fn addresses_are_said_before_neighbours() {
    let mut chassis = addressed();
    chassis.session_up();
    chassis.neighbour(VLAN_INDEX, "2001:db8::7", resolved(HOST));
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", resolved(HOST));
    let (vid, mac) = (vid(10), HOST);
    chassis.learn(FdbKey { vid, mac }, "PortChannel1");
    let sent = chassis.sent();
    let [Tlv::MacInfo(_), Tlv::ArpInfo(_), Tlv::NdiscInfo(_)] = &sent[..] else {
        panic!("{sent:?}");
    };
}

/// `spec/iccp.md` 6: the first transfer keeps the order, and a peer that reads slowly while addresses
/// change all the time hears of neighbours nevertheless.
#[test]
fn neighbours_take_turns_with_addresses_once_the_first_transfer_is_over() {
    let mut chassis = Chassis::standby();
    chassis.connect_server(BOTH);
    chassis.addresses(VLAN_INDEX, &["198.51.100.1/24"]);
    let mut next = 0_u16;
    let mut learn = |chassis: &mut Chassis| {
        for _ in 0..200 {
            next += 1;
            let [high, low] = next.to_be_bytes();
            let (vid, mac) = (vid(10), Mac([2, 0, 0, 2, high, low]));
            chassis.learn(FdbKey { vid, mac }, "PortChannel1");
        }
    };
    let kinds = |chassis: &mut Chassis, count: usize| -> String {
        let messages =
            std::iter::from_fn(|| chassis.domain.poll_peer_message(chassis.now)).take(count);
        let kinds = messages.map(|message| match message.body {
            Body::Application { tlv, .. } => match tlv {
                Tlv::MacInfo(_) => 'M',
                Tlv::ArpInfo(_) => 'A',
                _ => '?',
            },
            _ => '?',
        });
        kinds.collect()
    };
    for session in 0..2 {
        // Up to EXCHANGE, and nothing read of what follows.
        chassis.stage_two();
        chassis.tell(Tlv::SyncRequest { number: 0 });
        learn(&mut chassis);
        let mut sent = String::new();
        while !sent.contains('M') {
            sent = kinds(&mut chassis, 1);
            assert!(!sent.is_empty());
        }
        chassis.neighbour(
            VLAN_INDEX,
            &format!("198.51.100.{}", 50 + session),
            resolved(HOST),
        );
        let all = kinds(&mut chassis, 99);
        assert!(
            all.ends_with("MA") && all.matches('A').count() == 1,
            "{all}"
        );
        // From here on there is always another address.
        for round in 2..5 {
            learn(&mut chassis);
            let address = format!("198.51.100.{}", round + 10 * session);
            chassis.neighbour(VLAN_INDEX, &address, resolved(HOST));
            assert_eq!(
                kinds(&mut chassis, 2),
                "MA",
                "session {session}, round {round}"
            );
        }
        chassis.session_down();
    }
}

/// `spec/behaviour.md` 6.3: between Peer Link Info and the end.
#[test]
fn what_is_known_is_told_within_the_synchronisation() {
    let mut chassis = addressed();
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", resolved(HOST));
    chassis.neighbour(VLAN_INDEX, "2001:db8::7", resolved(HOST));
    let sent = chassis.session_up();
    let place = |what: &dyn Fn(&Tlv) -> bool| sent.iter().position(what).unwrap();
    let link = place(&|tlv| matches!(tlv, Tlv::PeerLinkInfo(_)));
    let want = [
        arp(EntryOp::Add, NONE, "198.51.100.7", HOST),
        nd(EntryOp::Add, NONE, "2001:db8::7", HOST),
        Tlv::SyncData {
            number: 0,
            end: true,
        },
    ];
    assert_eq!(sent[link + 1..link + 4], want);
    let arps = sent.iter().filter(|tlv| matches!(tlv, Tlv::ArpInfo(_)));
    assert_eq!(arps.count(), 1, "and not again when both are synchronised");
}

/// `spec/iccp.md` 2.4.
#[test]
fn a_legacy_peer_gets_no_more_than_forty_at_a_time() {
    let mut chassis = addressed();
    for n in 2..=101 {
        chassis.neighbour(VLAN_INDEX, &format!("198.51.100.{n}"), resolved(HOST));
    }
    let sent = chassis.session_up();
    let sizes: Vec<usize> = sent
        .iter()
        .filter_map(|tlv| match tlv {
            Tlv::ArpInfo(entries) => Some(entries.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [40, 40, 20]);
}

#[test]
fn changes_are_told_while_both_are_synchronised() {
    let mut chassis = addressed();
    chassis.session_up();
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", resolved(HOST));
    let told = [arp(EntryOp::Add, NONE, "198.51.100.7", HOST)];
    assert_eq!(chassis.sent(), told);
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", None);
    let told = [arp(EntryOp::Delete, NONE, "198.51.100.7", HOST)];
    assert_eq!(chassis.sent(), told);
}

/// 11.4, for a VLAN that the peer link carries, and for one that nothing of the pair does.
#[test]
fn what_the_peer_says_is_installed_where_it_can_be_used() {
    let mut chassis = addressed();
    chassis.session_up();
    chassis.ops();
    chassis.tell(arp(EntryOp::Add, NONE, "198.51.100.7", HOST));
    let ops = neighbours(&chassis.ops());
    assert_eq!(ops, [install("198.51.100.7", HOST, false)]);
    chassis.tell(arp(EntryOp::Delete, NONE, "198.51.100.7", Mac::ZERO));
    let address = "198.51.100.7";
    let release = Op::NeighbourRelease { key: key(address) };
    assert_eq!(neighbours(&chassis.ops()), [release]);
    chassis.vlans(2, &[]);
    chassis.member(false);
    chassis.tell(nd(EntryOp::Add, NONE, "2001:db8::7", HOST));
    assert_eq!(neighbours(&chassis.ops()), []);
    chassis.member(true);
    let ops = neighbours(&chassis.ops());
    assert_eq!(ops, [install("2001:db8::7", HOST, false)]);
}

/// 11.4: the peer's newer word took the place of ours; to withdraw ours afterwards would take the
/// peer's own away from it.
#[test]
fn what_the_peer_said_otherwise_is_not_withdrawn_as_ours() {
    let mut chassis = addressed();
    chassis.session_up();
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", resolved(HOST));
    let told = [arp(EntryOp::Add, NONE, "198.51.100.7", HOST)];
    assert_eq!(chassis.sent(), told);
    chassis.tell(arp(EntryOp::Add, NONE, "198.51.100.7", OTHER));
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", None);
    assert_eq!(chassis.sent(), []);
    let ops = neighbours(&chassis.ops());
    assert!(
        ops.contains(&install("198.51.100.7", OTHER, false)),
        "{ops:?}"
    );
}

/// 11.4, flag 0x02: what the peer says of its own address ends with its own word, and with no other: a
/// withdrawal of what was known of it here leaves it in place.
#[test]
fn an_address_of_the_peer_itself_goes_with_its_own_withdrawal_only() {
    let mut chassis = addressed();
    chassis.session_up();
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", resolved(HOST));
    chassis.sent();
    chassis.tell(arp(EntryOp::Add, SELF, "198.51.100.7", HOST));
    assert_eq!(
        neighbours(&chassis.ops()),
        [install("198.51.100.7", HOST, true)]
    );
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", None);
    let told = [arp(EntryOp::Delete, NONE, "198.51.100.7", HOST)];
    assert_eq!(chassis.sent(), told);
    assert_eq!(
        neighbours(&chassis.ops()),
        [install("198.51.100.7", HOST, true)],
        "put back where the kernel gave it up"
    );
    chassis.tell(arp(EntryOp::Delete, SELF, "198.51.100.7", HOST));
    let release = Op::NeighbourRelease {
        key: key("198.51.100.7"),
    };
    assert_eq!(neighbours(&chassis.ops()), [release]);
    assert_eq!(chassis.domain.neighbours(None).count(), 0);
}

/// 11.4: no echo, whoever was first, whether the peer's word was installed or resolved here as well;
/// and of the peer's own address not in the next session either.
#[test]
fn what_the_peer_said_is_not_told_back_to_it() {
    let mut chassis = addressed();
    chassis.session_up();
    // Ours waits to be told when the peer's comes.
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", resolved(HOST));
    chassis.tell(arp(EntryOp::Add, NONE, "198.51.100.7", HOST));
    assert_eq!(chassis.sent(), []);
    // The peer's is there when ours comes.
    chassis.tell(arp(EntryOp::Add, NONE, "198.51.100.8", HOST));
    chassis.neighbour(VLAN_INDEX, "198.51.100.8", resolved(HOST));
    assert_eq!(chassis.sent(), []);
    chassis.tell(arp(EntryOp::Add, SELF, "198.51.100.9", PEER));
    chassis.neighbour(VLAN_INDEX, "198.51.100.9", resolved(OTHER));
    assert_eq!(chassis.sent(), []);
    chassis.session_down();
    let again = chassis.session_up();
    let addresses: Vec<_> = again
        .iter()
        .filter_map(|tlv| match tlv {
            Tlv::ArpInfo(entries) => Some(entries.iter().map(|entry| entry.address.octets()[3])),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(addresses, [7, 8], "{again:?}");
}

/// 11.3: the peer's port came up while ours is, whether or not anything was said while it was down.
#[test]
fn neighbours_are_told_again_when_the_peer_s_port_is_back() {
    for at_once in [false, true] {
        let mut chassis = addressed();
        chassis.neighbour(VLAN_INDEX, "198.51.100.7", resolved(HOST));
        chassis.session_up();
        chassis.ops();
        chassis.peer_port(false);
        if !at_once {
            chassis.sent();
        }
        chassis.peer_port(true);
        chassis.ops();
        let told = arp(EntryOp::Add, NONE, "198.51.100.7", HOST);
        assert!(chassis.sent().contains(&told), "at once: {at_once}");
        assert!(!chassis.sent().contains(&told), "once");
    }
}

/// 11.5: the kernel may have dropped them with the port, while the interface stayed as it was.
#[test]
fn neighbours_are_installed_again_when_a_port_to_them_is_back() {
    let mut chassis = addressed();
    chassis.session_up();
    chassis.tell(arp(EntryOp::Add, NONE, "198.51.100.7", HOST));
    let installed = [install("198.51.100.7", HOST, false)];
    assert_eq!(neighbours(&chassis.ops()), installed);
    chassis.member(false);
    assert_eq!(neighbours(&chassis.ops()), []);
    chassis.member(true);
    assert_eq!(neighbours(&chassis.ops()), installed);
}

/// 11.5.
#[test]
fn neighbours_of_a_routed_port_are_removed_with_it_and_kept_for_the_peer() {
    let mut chassis = addressed();
    chassis.routed_bond("203.0.113.1/24");
    chassis.neighbour_on_bond("203.0.113.7", resolved(HOST));
    chassis.session_up();
    chassis.ops();
    chassis.member(false);
    chassis.sent();
    chassis.neighbour_on_bond("203.0.113.7", None);
    assert_eq!(chassis.sent(), [], "not withdrawn");
    chassis.member(true);
    let ops = neighbours(&chassis.ops());
    let key = NeighbourKey {
        interface: name(crate::chassis::BOND),
        address: "203.0.113.7".parse().unwrap(),
    };
    let permanent = false;
    let want = NeighbourWant {
        mac: HOST,
        permanent,
    };
    assert_eq!(ops, [Op::Neighbour { key, want }]);
}

#[test]
fn a_dataplane_that_takes_no_neighbours_is_warned_about_once() {
    let mut chassis = Chassis::active();
    chassis.connect_server(Abilities::default());
    chassis.addresses(VLAN_INDEX, &["198.51.100.1/24"]);
    chassis.session_up();
    chassis.tell(arp(EntryOp::Add, NONE, "198.51.100.7", HOST));
    assert_eq!(neighbours(&chassis.ops()), []);
    let warnings = chassis.domain.status(chassis.now).warnings;
    let of_neighbours = warnings
        .iter()
        .filter(|w| **w == Warning::NeighboursNotInstalled);
    assert_eq!(of_neighbours.count(), 1, "{warnings:?}");
    assert_eq!(
        chassis.domain.neighbours(None).count(),
        1,
        "kept all the same"
    );
}

#[test]
fn neighbours_that_are_not_to_be_kept_synchronised_are_neither_told_nor_installed() {
    let mut chassis = addressed();
    chassis.configure(1, |config| config.neighbours = false);
    chassis.neighbour(VLAN_INDEX, "198.51.100.7", resolved(HOST));
    let sent = chassis.session_up();
    assert!(!sent.iter().any(|tlv| matches!(tlv, Tlv::ArpInfo(_))));
    chassis.tell(arp(EntryOp::Add, NONE, "198.51.100.8", HOST));
    assert_eq!(neighbours(&chassis.ops()), []);
}

mod unique_ip {
    use super::*;

    fn marked() -> Chassis {
        let mut chassis = addressed();
        chassis.configure(1, mark);
        chassis
    }

    fn mark(config: &mut iccp_core::Config) {
        config.unique_ip.insert(name(VLAN));
    }

    fn own(op: EntryOp, flags: NeighbourFlags) -> [Tlv; 3] {
        [
            own_mac(op),
            arp(op, SELF | flags, "198.51.100.1", OWN),
            nd(op, SELF | flags, "2001:db8::1", OWN),
        ]
    }

    /// `spec/iccp.md` 11.3: on entering EXCHANGE without a request to answer.
    #[test]
    fn own_addresses_are_told_when_both_are_synchronised() {
        let mut chassis = marked();
        let sent = chassis.session_up();
        let first = sent.iter().position(|tlv| *tlv == own_mac(EntryOp::Add));
        let first = first.unwrap_or_else(|| panic!("{sent:?}"));
        assert_eq!(sent[first..first + 3], own(EntryOp::Add, NONE));
        let end = |tlv: &Tlv| matches!(tlv, Tlv::SyncData { end: true, .. });
        assert!(sent.iter().position(end).unwrap() < first);
        assert_eq!(chassis.sent(), [], "once");
    }

    /// 11.6: the mark, and what takes it back.
    #[test]
    fn a_mark_is_told_with_a_request_to_answer_and_its_end_withdraws() {
        let mut chassis = addressed();
        chassis.session_up();
        chassis.configure(1, mark);
        let ask = NeighbourFlags::ACK;
        assert_eq!(chassis.sent(), own(EntryOp::Add, ask));
        chassis.configure(1, |_| {});
        assert_eq!(chassis.sent(), own(EntryOp::Delete, NONE));
    }

    /// 11.6, address changes.
    #[test]
    fn an_address_that_changes_is_withdrawn_and_told() {
        let mut chassis = marked();
        chassis.session_up();
        chassis.addresses(VLAN_INDEX, &["198.51.100.2/24", "2001:db8::1/64"]);
        let changes = [
            arp(EntryOp::Delete, SELF, "198.51.100.1", OWN),
            arp(
                EntryOp::Add,
                SELF | NeighbourFlags::ACK,
                "198.51.100.2",
                OWN,
            ),
        ];
        assert_eq!(chassis.sent(), changes);
        chassis.addresses(VLAN_INDEX, &[]);
        let gone = [
            own_mac(EntryOp::Delete),
            arp(EntryOp::Delete, SELF, "198.51.100.2", OWN),
            nd(EntryOp::Delete, SELF, "2001:db8::1", OWN),
        ];
        assert_eq!(chassis.sent(), gone);
    }

    /// `spec/iccp.md` 11.2, flags 0x01 and 0x04.
    #[test]
    fn a_request_is_answered_with_everything_and_no_request() {
        let mut chassis = marked();
        chassis.session_up();
        chassis.ops();
        let ask = SELF | NeighbourFlags::ACK;
        chassis.tell(arp(EntryOp::Add, ask, "198.51.100.3", PEER));
        assert_eq!(chassis.sent(), own(EntryOp::Add, NONE));
        let ops = neighbours(&chassis.ops());
        assert_eq!(ops, [install("198.51.100.3", PEER, true)]);
        chassis.tell(arp(EntryOp::Delete, ask, "198.51.100.3", PEER));
        assert_eq!(chassis.sent(), [], "a withdrawal is not answered");
    }

    /// The flag of a link-local address is another one (4.9).
    #[test]
    fn a_link_local_address_is_told_as_one() {
        let mut chassis = marked();
        chassis.session_up();
        let all = ["198.51.100.1/24", "2001:db8::1/64", "fe80::1/64"];
        chassis.addresses(VLAN_INDEX, &all);
        let flags = NeighbourFlags::OWN_LINK_LOCAL | NeighbourFlags::ACK;
        assert_eq!(chassis.sent(), [nd(EntryOp::Add, flags, "fe80::1", OWN)]);
    }

    /// An interface that is not marked has the same address on both chassis.
    #[test]
    fn an_interface_that_is_not_marked_answers_nothing() {
        let mut chassis = addressed();
        chassis.session_up();
        let ask = SELF | NeighbourFlags::ACK;
        chassis.tell(arp(EntryOp::Add, ask, "198.51.100.3", PEER));
        assert_eq!(chassis.sent(), []);
    }

    /// Before the interface exists (`spec/behaviour.md` 12).
    #[test]
    fn a_mark_may_precede_its_interface() {
        let mut chassis = Chassis::active();
        chassis.configure(1, |config| config.unique_ip.insert(name("Vlan20")));
        chassis.session_up();
        assert_eq!(
            chassis.domain.unique_ip().collect::<Vec<_>>(),
            [(name("Vlan20"), false)]
        );
        chassis.vlan(20, "Vlan20", 20);
        chassis.addresses(20, &["203.0.113.1/24"]);
        let told = chassis.sent();
        assert!(
            matches!(told[..], [Tlv::MacInfo(_), Tlv::ArpInfo(_)]),
            "{told:?}"
        );
    }
}
