use super::*;
use mclag_proto::Vid;
use mclag_proto::sync::model::{FdbKind, FdbWant, Isolation, PortWant, Traffic};

mod words;

use words::words;

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

const PEER_LINK: &str = "PortChannel10";
const OWN: Mac = Mac([2, 0, 0, 0, 0, 2]);
const ACTIVE: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn domain_id() -> DomainId {
    DomainId::new(1).unwrap()
}

/// The chassis' own MAC is known.
fn of_node(dialect: Dialect) -> Translator {
    let mut translator = Translator::new(dialect);
    assert_eq!(translator.apply(&[Op::NodeMac(OWN)]), []);
    translator
}

fn translator(dialect: Dialect) -> Translator {
    let mut translator = of_node(dialect);
    translator.connected(dialect);
    let ports = Section::Ports;
    let sent = translator.apply(&[Op::SnapshotBegin(ports), Op::SnapshotEnd(ports)]);
    assert!(sent.is_empty(), "{sent:?}");
    translator
}

fn release(port: &str) -> Op {
    Op::PortRelease { port: name(port) }
}

fn domain(learning: bool) -> Op {
    Op::Domain(DomainWant {
        bridge: name("Bridge"),
        peer_link: Some(name(PEER_LINK)),
        peer_link_learning: learning,
    })
}

fn port(port: &str, isolation: Isolation, traffic: Traffic) -> Op {
    Op::Port {
        port: name(port),
        want: PortWant {
            isolation,
            traffic,
            redirect: false,
            system_mac: None,
        },
    }
}

fn pair(active: Option<bool>, up: bool, system_mac: Option<Mac>) -> Op {
    Op::Pair(PairState {
        domain: domain_id(),
        active,
        up,
        system_mac,
    })
}

fn members(port: &str, members: &[&str]) -> Op {
    Op::Members {
        port: name(port),
        members: members.iter().map(|m| name(m)).collect(),
    }
}

fn remote(port: &str, up: bool) -> Op {
    Op::RemotePort {
        port: name(port),
        up,
    }
}

fn fdb(last: u8, port: &str, kind: FdbKind) -> Op {
    let port = name(port);
    Op::Fdb {
        key: key(last),
        want: FdbWant { port, kind },
    }
}

fn key(last: u8) -> FdbKey {
    FdbKey {
        vid: Vid::new(100).unwrap(),
        mac: Mac([0, 1, 2, 3, 4, last]),
    }
}

fn apply(translator: &mut Translator, ops: &[Op]) -> Vec<String> {
    let dialect = translator.dialect;
    words(&translator.apply(ops), dialect)
}

/// A standby synchronised with two ports, the second of them down and held.
fn up() -> (Translator, Vec<String>) {
    let mut translator = translator(Dialect::Sonic);
    apply(
        &mut translator,
        &[
            pair(Some(false), false, None),
            members("PortChannel1", &["Ethernet0", "Ethernet4"]),
            members("PortChannel2", &["Ethernet8"]),
            domain(false),
            port("PortChannel1", Isolation::Keep, Traffic::Keep),
            port("PortChannel2", Isolation::Keep, Traffic::Keep),
        ],
    );
    let sent = apply(
        &mut translator,
        &[
            port("PortChannel1", Isolation::On, Traffic::Pass),
            port("PortChannel2", Isolation::Off, Traffic::Held),
            pair(Some(false), true, Some(ACTIVE)),
            remote("PortChannel1", true),
            remote("PortChannel2", false),
        ],
    );
    (translator, sent)
}

/// `spec/mclagsyncd-protocol.md` 6, session up: learning off, ports, "up", the peer's ports, the
/// list once more.
#[test]
fn a_session_that_comes_up_is_told_in_the_order_of_sonic() {
    let (_, sent) = up();
    assert_eq!(
        sent,
        [
            "system 02:00:00:00:00:01",
            "learn PortChannel10 false",
            "isolate PortChannel1,Ethernet0,Ethernet4",
            "isolated PortChannel1 true",
            "isolated PortChannel2 false",
            "traffic PortChannel2 false",
            "iccp true",
            "remote PortChannel1 true",
            "remote PortChannel2 false",
            "isolate PortChannel1,Ethernet0,Ethernet4",
            "traffic PortChannel1 true",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 6, session down, and 10, item 12: "down" before isolation is cleared.
#[test]
fn a_session_that_goes_down_is_told_before_isolation_is_cleared() {
    let (mut translator, _) = up();
    let adopt = Op::Interface {
        name: name("Vlan100"),
        want: InterfaceWant { mac: ACTIVE },
    };
    apply(&mut translator, &[adopt]);
    let sent = apply(
        &mut translator,
        &[
            pair(Some(false), false, Some(OWN)),
            port("PortChannel1", Isolation::Off, Traffic::Pass),
            port("PortChannel2", Isolation::Off, Traffic::Pass),
            Op::InterfaceRelease {
                name: name("Vlan100"),
            },
            Op::RemotePortRelease {
                port: name("PortChannel1"),
            },
            Op::RemotePortRelease {
                port: name("PortChannel2"),
            },
        ],
    );
    assert_eq!(
        sent,
        [
            "iccp false",
            "isolate ",
            "isolated PortChannel1 false",
            "traffic PortChannel2 true",
            "mac Vlan100 02:00:00:00:00:02",
            "system 02:00:00:00:00:02",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "role active=false -",
        ]
    );
}

/// `spec/sonic-redis.md` 7, item 8. Input: a port carries data, is held, and carries data at a new connection; then the
/// session goes and comes. Output: on the active only what changes is said, on a standby once in each connection how it is.
#[test]
fn a_standby_says_that_its_ports_carry_data_and_an_active_only_if_it_said_otherwise() {
    for (active, first, last) in [
        (true, "", ""),
        (false, "PortChannel1 true", "PortChannel1 true"),
    ] {
        let mut translator = translator(Dialect::Sonic);
        let traffic = |translator: &mut Translator, traffic, up| {
            let ops = [
                Op::SnapshotBegin(Section::Ports),
                pair(Some(active), up, None),
                domain(false),
                port("PortChannel1", Isolation::On, traffic),
                Op::SnapshotEnd(Section::Ports),
            ];
            let said = apply(translator, &ops).into_iter();
            let said = said.filter_map(|word| Some(word.strip_prefix("traffic ")?.to_owned()));
            said.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            traffic(&mut translator, Traffic::Keep, true),
            "",
            "not known"
        );
        assert_eq!(traffic(&mut translator, Traffic::Pass, true), first);
        assert_eq!(
            traffic(&mut translator, Traffic::Held, true),
            "PortChannel1 false"
        );
        translator.connected(Dialect::Sonic);
        assert_eq!(
            traffic(&mut translator, Traffic::Pass, true),
            "PortChannel1 true"
        );
        assert_eq!(traffic(&mut translator, Traffic::Pass, false), "");
        assert_eq!(traffic(&mut translator, Traffic::Pass, true), "");
        translator.connected(Dialect::Sonic);
        assert_eq!(traffic(&mut translator, Traffic::Pass, false), "");
        assert_eq!(traffic(&mut translator, Traffic::Pass, true), last);
    }
}

/// `spec/sonic-redis.md` 7, item 8. Input: Vlan20 keeps the own MAC, and Vlan30 that had the active's is to keep it, too.
/// Output: on a standby with a session both are named with it, once in each connection; on an active none is.
#[test]
fn a_standby_names_the_own_mac_of_interfaces_that_keep_it() {
    for (active, expected) in [
        (true, &[][..]),
        (false, &["mac Vlan20 02:00:00:00:00:02"][..]),
    ] {
        let mut translator = translator(Dialect::Sonic);
        let macs = |translator: &mut Translator, ops: &[Op]| {
            let mut said = apply(translator, ops);
            said.retain(|word| word.starts_with("mac "));
            said
        };
        translator.keep_own_mac(&BTreeSet::from([name("Vlan20")]));
        let (down, up) = (
            pair(Some(active), false, None),
            pair(Some(active), true, None),
        );
        assert!(macs(&mut translator, &[down, domain(false)]).is_empty());
        assert_eq!(macs(&mut translator, std::slice::from_ref(&up)), expected);
        assert!(
            macs(&mut translator, std::slice::from_ref(&up)).is_empty(),
            "once"
        );
        translator.connected(Dialect::Sonic);
        assert_eq!(macs(&mut translator, &[domain(false), up]), expected);
        let vlan30 = name("Vlan30");
        let want = InterfaceWant { mac: ACTIVE };
        let adopted = Op::Interface { name: vlan30, want };
        let sent = macs(&mut translator, &[adopted]);
        assert_eq!(sent, ["mac Vlan30 02:00:00:00:00:01"]);
        translator.keep_own_mac(&BTreeSet::from([name("Vlan20"), vlan30]));
        assert!(macs(&mut translator, &[]).is_empty(), "it has another one");
        let sent = macs(&mut translator, &[Op::InterfaceRelease { name: vlan30 }]);
        assert_eq!(sent, ["mac Vlan30 02:00:00:00:00:02"]);
        assert!(
            macs(&mut translator, &[]).is_empty(),
            "it was named when it went back"
        );
    }
}

/// `spec/behaviour.md` 21, invariant 2: a port is isolated at the server before another carries data.
#[test]
fn isolation_leaves_before_traffic_is_let_through() {
    let (mut translator, _) = up();
    let sent = apply(
        &mut translator,
        &[
            port("PortChannel2", Isolation::Keep, Traffic::Pass),
            port("PortChannel2", Isolation::On, Traffic::Pass),
        ],
    );
    assert_eq!(
        sent,
        [
            "isolate PortChannel1,Ethernet0,Ethernet4,PortChannel2,Ethernet8",
            "isolated PortChannel2 true",
            "traffic PortChannel2 true",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 4.1: the list has the members, and is sent anew when they change.
#[test]
fn a_changed_member_list_sends_the_isolation_list_again() {
    let (mut translator, _) = up();
    let sent = apply(&mut translator, &[members("PortChannel1", &["Ethernet0"])]);
    assert_eq!(sent, ["isolate PortChannel1,Ethernet0"]);
    let sent = apply(&mut translator, &[members("PortChannel1", &["Ethernet0"])]);
    assert!(sent.is_empty());
}

/// The list of SONiC is all that is isolated: sent while a port is undecided, it would free it.
#[test]
fn no_list_is_sent_before_every_port_is_decided_or_the_session_is_up() {
    let mut translator = translator(Dialect::Sonic);
    let sent = apply(
        &mut translator,
        &[
            domain(false),
            port("PortChannel1", Isolation::On, Traffic::Keep),
            port("PortChannel2", Isolation::Keep, Traffic::Keep),
        ],
    );
    assert!(sent.is_empty(), "{sent:?}");
    let sent = apply(
        &mut translator,
        &[port("PortChannel2", Isolation::Off, Traffic::Keep)],
    );
    assert_eq!(sent, ["isolate PortChannel1"]);
}

/// `spec/mclagsyncd-protocol.md` 4.5, `spec/behaviour.md` 9.2: the three kinds, and what changes
/// nothing costs nothing.
#[test]
fn entries_travel_together_with_their_kinds_and_once() {
    let mut translator = translator(Dialect::Sonic);
    let ops = [
        fdb(1, "PortChannel1", FdbKind::Tracked),
        fdb(2, PEER_LINK, FdbKind::Static),
        fdb(3, "PortChannel1", FdbKind::Ageing),
    ];
    let sent = apply(&mut translator, &ops);
    assert_eq!(
        sent,
        [
            "fdb Add 1 PortChannel1 Dynamic, Add 2 PortChannel10 Static, \
             Add 3 PortChannel1 DynamicLocal"
        ]
    );
    assert!(apply(&mut translator, &ops).is_empty());
    assert!(translator.is_programmed(&key(1), &name("PortChannel1")));
    let release = Op::FdbRelease {
        key: key(1),
        forget: false,
    };
    let sent = apply(&mut translator, std::slice::from_ref(&release));
    assert_eq!(sent, ["fdb Delete 1 PortChannel1 Dynamic"]);
    assert!(apply(&mut translator, &[release]).is_empty());
}

/// `spec/iccp.md` 10.2, 10.4, `spec/mclagsyncd-protocol.md` 4.5: a deletion of what the server learned
/// itself, on the port that it named; linux-mclag's cannot carry one out without.
#[test]
fn an_address_that_is_to_be_forgotten_is_deleted_though_the_server_was_never_told_of_it() {
    let forget = |forget| Op::FdbRelease {
        key: key(1),
        forget,
    };
    for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
        let mut translator = translator(dialect);
        translator.learned(key(1), name("PortChannel1"), false);
        assert!(apply(&mut translator, &[forget(false)]).is_empty());
        let sent = apply(&mut translator, &[forget(true)]);
        assert_eq!(sent, ["fdb Delete 1 PortChannel1 Dynamic"]);
        assert!(apply(&mut translator, &[forget(true)]).is_empty(), "once");
        translator.learned(key(1), name("PortChannel2"), false);
        translator.vanished(&key(1));
        assert!(apply(&mut translator, &[forget(true)]).is_empty(), "gone");
    }
}

/// `spec/mclagsyncd-protocol.md` 4.5: linux-mclag knows no third kind, and 6: a session that is lost
/// costs deletions only.
#[test]
fn an_entry_that_is_to_age_from_now_on_is_not_told_to_linux_mclag_again() {
    let mut translator = translator(Dialect::LinuxMclag);
    let sent = apply(&mut translator, &[fdb(1, "PortChannel1", FdbKind::Tracked)]);
    assert_eq!(sent, ["fdb Add 1 PortChannel1 Dynamic"]);
    let sent = apply(&mut translator, &[fdb(1, "PortChannel1", FdbKind::Ageing)]);
    assert!(sent.is_empty(), "{sent:?}");
}

/// `spec/behaviour.md` 9.4 and 9.15: what was flushed is put back.
#[test]
fn an_entry_that_the_server_lost_is_told_again() {
    let mut translator = translator(Dialect::Sonic);
    let ops = [fdb(1, "PortChannel1", FdbKind::Tracked)];
    let sent = apply(&mut translator, &ops);
    translator.vanished(&key(1));
    assert_eq!(apply(&mut translator, &ops), sent);
    assert!(apply(&mut translator, &ops).is_empty());
}

/// `spec/mclagsyncd-protocol.md` 2.2: 113 records fit.
#[test]
fn a_large_table_is_cut_into_messages_that_fit() {
    let mut translator = translator(Dialect::Sonic);
    let ops: Vec<Op> = (0..250)
        .map(|n| fdb(n, "PortChannel1", FdbKind::Tracked))
        .collect();
    let messages = translator.apply(&ops);
    let sizes: Vec<usize> = messages
        .iter()
        .map(|message| message.encode(Dialect::Sonic).unwrap().len())
        .collect();
    assert_eq!(sizes, [4 + 113 * 36, 4 + 113 * 36, 4 + 24 * 36]);
}

/// `spec/mclagsyncd-protocol.md` 7: a server that comes back is told everything again, and what it
/// may still hold from before and nobody wants any more is taken back.
#[test]
fn a_server_that_comes_back_hears_everything_and_what_is_no_longer_wanted() {
    let (mut translator, _) = up();
    apply(
        &mut translator,
        &[
            fdb(1, "PortChannel1", FdbKind::Tracked),
            fdb(2, "PortChannel1", FdbKind::Tracked),
        ],
    );
    translator.connected(Dialect::Sonic);
    let begin = Op::SnapshotBegin;
    let end = Op::SnapshotEnd;
    let sent = apply(
        &mut translator,
        &[
            begin(Section::Pair),
            pair(Some(false), true, Some(ACTIVE)),
            remote("PortChannel1", true),
            members("PortChannel1", &["Ethernet0", "Ethernet4"]),
            end(Section::Pair),
            begin(Section::Ports),
            domain(false),
            port("PortChannel1", Isolation::On, Traffic::Pass),
            port("PortChannel2", Isolation::Off, Traffic::Held),
            end(Section::Ports),
            begin(Section::Fdb),
            fdb(2, "PortChannel1", FdbKind::Tracked),
            end(Section::Fdb),
        ],
    );
    assert_eq!(
        sent,
        [
            "role active=false -",
            "system 02:00:00:00:00:01",
            "learn PortChannel10 false",
            "iccp true",
            "remote PortChannel1 true",
            "delete remote PortChannel2",
            "isolate PortChannel1,Ethernet0,Ethernet4",
            "isolated PortChannel1 true",
            "isolated PortChannel2 false",
            "traffic PortChannel1 true",
            "traffic PortChannel2 false",
            "fdb Add 2 PortChannel1 Dynamic, Delete 1 PortChannel1 Dynamic",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 4.9, 4.10: the active tells its system id with its role.
/// An address of zeros is none: what needs it waits until it is known.
#[test]
fn an_unknown_node_mac_is_told_to_nobody() {
    let other = Mac([2, 0, 0, 0, 0, 3]);
    for given_first in [true, false] {
        let mut translator = Translator::new(Dialect::Sonic);
        let own = Op::Interface {
            name: name("PortChannel1"),
            want: InterfaceWant { mac: ACTIVE },
        };
        let back = Op::InterfaceRelease {
            name: name("PortChannel1"),
        };
        let role = |system_id| ClientMessage::IccpRole {
            domain: domain_id(),
            is_active: true,
            system_id,
        };
        let set = |mac| ClientMessage::SetInterfaceMac {
            interface: name("PortChannel1"),
            address: None,
            mac,
        };
        let sent = translator.apply(&[pair(Some(true), false, None), own, back]);
        assert!(sent.contains(&role(None)), "{sent:?}");
        assert!(sent.contains(&set(ACTIVE)), "{sent:?}");
        let sent = if given_first {
            translator.apply(&[Op::NodeMac(OWN)])
        } else {
            translator.server_names(OWN);
            translator.apply(&[])
        };
        assert_eq!(sent, [set(OWN), role(Some(OWN))]);
        translator.server_names(other);
        let differ = translator.node_macs_that_differ();
        assert_eq!(differ, given_first.then_some((OWN, other)));
    }
}

#[test]
fn the_active_tells_its_role_with_its_system_id() {
    let mut translator = translator(Dialect::Sonic);
    let sent = apply(&mut translator, &[pair(Some(true), false, Some(ACTIVE))]);
    assert_eq!(sent, ["role active=true 02:00:00:00:00:01", "iccp false"]);
    let sent = apply(&mut translator, &[pair(Some(true), false, Some(ACTIVE))]);
    assert!(sent.is_empty());
}

/// `spec/mclagsyncd-protocol.md` 4.11.
#[test]
fn a_pair_that_is_no_more_is_deleted() {
    let (mut translator, _) = up();
    let mut ops = vec![pair(Some(false), false, Some(ACTIVE))];
    for section in [
        Section::Ports,
        Section::Interfaces,
        Section::Fdb,
        Section::Pair,
    ] {
        ops.extend([Op::SnapshotBegin(section), Op::SnapshotEnd(section)]);
    }
    let sent = apply(&mut translator, &ops);
    assert_eq!(
        sent,
        [
            "iccp false",
            "isolate ",
            "isolated PortChannel1 false",
            "isolated PortChannel2 false",
            "learn PortChannel10 true",
            "traffic PortChannel2 true",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "delete domain 1",
        ]
    );
    assert!(apply(&mut translator, &ops[1..]).is_empty());
}

/// `spec/behaviour.md` 6.6: its end is said before isolation is lifted, and nothing is left under
/// the old number.
#[test]
fn a_pair_with_another_number_takes_back_what_it_published() {
    let (mut translator, _) = up();
    let other = Op::Pair(PairState {
        domain: DomainId::new(2).unwrap(),
        active: Some(false),
        up: false,
        system_mac: None,
    });
    let sent = apply(
        &mut translator,
        &[
            other,
            port("PortChannel1", Isolation::Off, Traffic::Pass),
            port("PortChannel2", Isolation::Off, Traffic::Pass),
            Op::RemotePortRelease {
                port: name("PortChannel1"),
            },
            Op::RemotePortRelease {
                port: name("PortChannel2"),
            },
        ],
    );
    assert_eq!(
        sent,
        [
            "iccp false",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "delete domain 1",
            "role active=false -",
            "iccp false",
            "isolate ",
            "isolated PortChannel1 false",
            "traffic PortChannel2 true",
        ]
    );
}

/// `spec/behaviour.md` 12, peer link set and unset: old links are flushed, and it learns again.
#[test]
fn a_peer_link_that_is_one_no_longer_isolates_nothing_and_learns() {
    let (mut translator, _) = up();
    let link = |peer_link: Option<&str>| {
        Op::Domain(DomainWant {
            bridge: name("Bridge"),
            peer_link: peer_link.map(name),
            peer_link_learning: false,
        })
    };
    let down = pair(Some(false), false, Some(ACTIVE));
    let off = ["PortChannel1", "PortChannel2"].map(|p| port(p, Isolation::Off, Traffic::Pass));
    let mut ops = vec![down, link(None)];
    ops.extend(off);
    let sent = apply(&mut translator, &ops);
    assert_eq!(
        sent,
        [
            "iccp false",
            "isolate ",
            "isolated PortChannel1 false",
            "isolated PortChannel2 false",
            "learn PortChannel10 true",
            "traffic PortChannel2 true",
            "role active=false -",
        ]
    );
    let on = port("PortChannel1", Isolation::On, Traffic::Pass);
    let sent = apply(&mut translator, &[link(Some("PortChannel11")), on]);
    assert_eq!(
        sent,
        [
            "isolated PortChannel1 false",
            "isolated PortChannel2 false",
            "isolate PortChannel1,Ethernet0,Ethernet4",
            "isolated PortChannel1 true"
        ]
    );
}

/// `spec/sonic-redis.md` 7, item 7. The list is what counts, and what is shown of it follows it.
#[test]
fn isolation_is_shown_anew_when_the_peer_link_is_another_one() {
    let (mut translator, _) = up();
    let other = Op::Domain(DomainWant {
        bridge: name("Bridge"),
        peer_link: Some(name("PortChannel11")),
        peer_link_learning: false,
    });
    let sent = apply(&mut translator, &[other]);
    let shown: Vec<&str> = sent.iter().map(String::as_str).collect();
    let is_about_isolation = |word: &&str| word.starts_with("isola");
    let shown: Vec<&str> = shown.into_iter().filter(is_about_isolation).collect();
    assert_eq!(
        shown,
        [
            "isolate ",
            "isolated PortChannel1 false",
            "isolated PortChannel2 false",
            "isolate PortChannel1,Ethernet0,Ethernet4",
            "isolated PortChannel1 true",
        ]
    );
}

/// SONiC's group would keep what an earlier connection put there.
#[test]
fn isolation_that_is_no_longer_wanted_is_lifted_at_a_server_that_comes_back() {
    let (mut translator, _) = up();
    translator.connected(Dialect::Sonic);
    let sent = apply(
        &mut translator,
        &[
            Op::SnapshotBegin(Section::Pair),
            pair(Some(false), false, None),
            Op::SnapshotEnd(Section::Pair),
            Op::SnapshotBegin(Section::Ports),
            domain(false),
            port("PortChannel1", Isolation::Off, Traffic::Pass),
            Op::SnapshotEnd(Section::Ports),
        ],
    );
    assert_eq!(
        sent,
        [
            "role active=false -",
            "iccp false",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "isolate ",
            "isolated PortChannel1 false",
            "traffic PortChannel2 true",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 4.1: a list in the middle of a snapshot would free what follows.
#[test]
fn no_list_is_sent_before_all_ports_are_named() {
    let (mut translator, _) = up();
    translator.connected(Dialect::Sonic);
    let sent = apply(
        &mut translator,
        &[
            pair(Some(false), true, Some(ACTIVE)),
            Op::SnapshotBegin(Section::Ports),
            domain(false),
            port("PortChannel1", Isolation::On, Traffic::Pass),
        ],
    );
    assert!(sent.iter().all(|s| !s.starts_with("isolate")), "{sent:?}");
    let rest = [
        port("PortChannel2", Isolation::On, Traffic::Pass),
        Op::SnapshotEnd(Section::Ports),
    ];
    let sent = apply(&mut translator, &rest);
    assert_eq!(
        sent,
        [
            "isolate PortChannel1,Ethernet0,Ethernet4,PortChannel2,Ethernet8",
            "isolated PortChannel1 true",
            "isolated PortChannel2 true",
            "traffic PortChannel1 true",
            "traffic PortChannel2 true",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 4.14 follows 4.1: what was not said is not shown.
#[test]
fn isolation_is_shown_when_it_was_said() {
    let mut translator = translator(Dialect::Sonic);
    let sent = apply(
        &mut translator,
        &[
            pair(Some(false), false, None),
            domain(false),
            port("PortChannel1", Isolation::On, Traffic::Keep),
            port("PortChannel2", Isolation::Keep, Traffic::Held),
            port("PortChannel2", Isolation::Keep, Traffic::Pass),
        ],
    );
    assert_eq!(
        sent,
        [
            "role active=false -",
            "iccp false",
            "traffic PortChannel2 false",
            "traffic PortChannel2 true",
        ]
    );
    let sent = apply(&mut translator, &[pair(Some(false), true, None)]);
    assert_eq!(
        sent,
        [
            "learn PortChannel10 false",
            "isolate PortChannel1,PortChannel2",
            "isolated PortChannel1 true",
            "iccp true",
            "isolate PortChannel1,PortChannel2",
        ]
    );
}

/// Members that left while the server was away are not named (`spec/mclagsyncd-protocol.md` 4.1).
#[test]
fn members_are_those_of_the_last_snapshot() {
    let (mut translator, _) = up();
    let sent = apply(
        &mut translator,
        &[
            Op::SnapshotBegin(Section::Pair),
            pair(Some(false), true, Some(ACTIVE)),
            remote("PortChannel1", true),
            remote("PortChannel2", false),
            members("PortChannel2", &["Ethernet8"]),
            Op::SnapshotEnd(Section::Pair),
        ],
    );
    assert_eq!(sent, ["isolate PortChannel1"]);
}

/// `spec/mclagsyncd-protocol.md` 4.1: linux-mclag's list changes what it names.
#[test]
fn a_port_that_is_released_is_named_to_linux_mclag() {
    let mut translator = translator(Dialect::LinuxMclag);
    let ops = [
        members("server1", &["swp1"]),
        domain(false),
        port("server1", Isolation::On, Traffic::Pass),
    ];
    assert_eq!(apply(&mut translator, &ops), ["isolate swp1"]);
    let gone = [release("server1"), members("server1", &[])];
    assert_eq!(apply(&mut translator, &gone), ["isolate !swp1"]);
    assert!(apply(&mut translator, &gone).is_empty());
}

/// `spec/mclagsyncd-protocol.md` 4.2.
#[test]
fn learning_is_switched_off_for_each_session_and_not_on_between_them() {
    let (mut translator, _) = up();
    let down = apply(&mut translator, &[pair(Some(false), false, Some(ACTIVE))]);
    assert!(down.iter().all(|s| !s.starts_with("learn")), "{down:?}");
    let sent = apply(&mut translator, &[pair(Some(false), true, Some(ACTIVE))]);
    assert_eq!(sent[0], "learn PortChannel10 false");
    let sent = apply(&mut translator, &[domain(true)]);
    assert_eq!(sent, ["learn PortChannel10 true"]);
}

/// `spec/mclagsyncd-protocol.md` 4.4: back to the own identity.
#[test]
fn an_interface_gets_its_own_address_back() {
    let mut translator = translator(Dialect::Sonic);
    let adopt = Op::Interface {
        name: name("Vlan100"),
        want: InterfaceWant { mac: ACTIVE },
    };
    let sent = apply(&mut translator, &[adopt.clone(), adopt]);
    assert_eq!(sent, ["mac Vlan100 02:00:00:00:00:01"]);
    let release = Op::InterfaceRelease {
        name: name("Vlan100"),
    };
    let sent = apply(&mut translator, &[release]);
    assert_eq!(sent, ["mac Vlan100 02:00:00:00:00:02"]);
}

/// `spec/mclagsyncd-protocol.md` 6 and 4.3: the table is flushed once in a life, polls follow each
/// session; 4.1: every member is named, with its own `!`.
#[test]
fn linux_mclag_hears_what_it_knows() {
    let mut translator = translator(Dialect::LinuxMclag);
    let ops = [
        members("server1", &["swp1", "swp2"]),
        members("server2", &["swp3", "swp4"]),
        domain(false),
        port("server1", Isolation::On, Traffic::Pass),
        port("server2", Isolation::Off, Traffic::Pass),
        pair(Some(true), true, Some(ACTIVE)),
    ];
    let dialect = Dialect::LinuxMclag;
    let known = |messages: Vec<ClientMessage>| {
        let sent: Vec<ClientMessage> = messages
            .into_iter()
            .filter(|message| message.encode(dialect).is_ok())
            .collect();
        words(&sent, dialect)
    };
    let sent = known(translator.apply(&ops));
    assert_eq!(
        sent,
        [
            "learn PortChannel10 false",
            "flush",
            "poll",
            "isolate swp1,swp2,!swp3,!swp4",
            "isolate swp1,swp2,!swp3,!swp4",
        ]
    );
    let down = translator.apply(&[pair(Some(true), false, Some(ACTIVE))]);
    assert!(known(down).is_empty());
    let sent = known(translator.apply(&[pair(Some(true), true, Some(ACTIVE))]));
    assert_eq!(
        sent,
        [
            "learn PortChannel10 false",
            "poll",
            "isolate swp1,swp2,!swp3,!swp4"
        ]
    );
}

/// W-11: SONiC leaves the port out of service.
#[test]
fn a_held_port_that_leaves_the_pair_carries_data() {
    let (mut translator, _) = up();
    assert_eq!(
        apply(&mut translator, &[release("PortChannel2")]),
        ["traffic PortChannel2 true"]
    );
}

/// `spec/behaviour.md` 14.6: learning off before "up", also when the server comes later than the
/// session, and when another port has become the peer link while it was away.
#[test]
fn learning_is_off_before_the_session_is_up_at_a_server_that_comes_late() {
    let mut translator = of_node(Dialect::Sonic);
    let begin = Op::SnapshotBegin;
    let end = Op::SnapshotEnd;
    let link = |peer_link: &str| {
        Op::Domain(DomainWant {
            bridge: name("Bridge"),
            peer_link: Some(name(peer_link)),
            peer_link_learning: false,
        })
    };
    for (peer_link, learns_again) in [(PEER_LINK, None), ("PortChannel11", Some(PEER_LINK))] {
        translator.connected(Dialect::Sonic);
        let first = [
            begin(Section::Pair),
            pair(Some(false), true, Some(ACTIVE)),
            remote("PortChannel1", true),
            end(Section::Pair),
            begin(Section::Ports),
        ];
        // The batch may end anywhere.
        let mut sent = apply(&mut translator, &first);
        assert_eq!(
            sent,
            ["role active=false -", "system 02:00:00:00:00:01"],
            "the rest waits for the peer link"
        );
        let rest = [
            link(peer_link),
            port("PortChannel1", Isolation::On, Traffic::Pass),
            end(Section::Ports),
        ];
        sent = apply(&mut translator, &rest);
        sent.retain(|word| *word != format!("isolate {PEER_LINK}"));
        let again = learns_again.map(|port| format!("learn {port} true"));
        let mut expected: Vec<String> = again.into_iter().collect();
        expected.extend([
            format!("learn {peer_link} false"),
            "iccp true".into(),
            "remote PortChannel1 true".into(),
        ]);
        let lists = sent.split_off(expected.len());
        assert_eq!(sent, expected);
        let last = [
            "isolate PortChannel1",
            "isolated PortChannel1 true",
            "traffic PortChannel1 true",
        ];
        assert!(lists.ends_with(&last.map(String::from)), "{lists:?}");
    }
}

/// `spec/mclagsyncd-protocol.md` 4.2: a member that joins the peer link stops learning with it, one
/// that leaves it learns; only while both are synchronised.
#[test]
fn learning_follows_the_members_of_the_peer_link() {
    let (mut translator, _) = up();
    let sent = apply(&mut translator, &[members(PEER_LINK, &["Ethernet40"])]);
    assert_eq!(sent, ["learn PortChannel10 false"]);
    let two = members(PEER_LINK, &["Ethernet40", "Ethernet44"]);
    assert_eq!(
        apply(&mut translator, &[two]),
        ["learn PortChannel10 false"]
    );
    let one = members(PEER_LINK, &["Ethernet44"]);
    let sent = apply(&mut translator, &[one.clone(), one]);
    assert_eq!(sent, ["learn Ethernet40 true"]);
    let none = [
        members(PEER_LINK, &[]),
        Op::Domain(DomainWant {
            bridge: name("Bridge"),
            peer_link: None,
            peer_link_learning: false,
        }),
    ];
    let sent = apply(&mut translator, &none);
    assert_eq!(
        sent,
        [
            "isolate ",
            "isolated PortChannel1 false",
            "isolated PortChannel2 false",
            "learn PortChannel10 true",
        ],
        "it is no peer link any more"
    );
}

/// `spec/mclagsyncd-protocol.md` 4.2.
#[test]
fn members_of_the_peer_link_count_only_while_both_are_synchronised() {
    let (mut translator, _) = up();
    apply(&mut translator, &[members(PEER_LINK, &["Ethernet40"])]);
    apply(&mut translator, &[pair(Some(false), false, Some(ACTIVE))]);
    let change = members(PEER_LINK, &["Ethernet44"]);
    assert!(apply(&mut translator, &[change]).is_empty());
    let sent = apply(&mut translator, &[pair(Some(false), true, Some(ACTIVE))]);
    let learning = sent.iter().filter(|word| word.starts_with("learn"));
    assert_eq!(learning.collect::<Vec<_>>(), ["learn PortChannel10 false"]);
}

/// `spec/behaviour.md` 18, E28.
#[test]
fn a_layer_3_port_that_gains_a_member_is_told_its_address_again() {
    let (mut translator, _) = up();
    let adopt = Op::Interface {
        name: name("PortChannel2"),
        want: InterfaceWant { mac: ACTIVE },
    };
    apply(&mut translator, &[adopt]);
    let two = members("PortChannel2", &["Ethernet8", "Ethernet12"]);
    let sent = apply(&mut translator, &[two]);
    assert!(
        sent.contains(&"mac PortChannel2 02:00:00:00:00:01".to_owned()),
        "{sent:?}"
    );
    let one = members("PortChannel2", &["Ethernet8"]);
    let sent = apply(&mut translator, &[one]);
    assert!(sent.iter().all(|word| !word.starts_with("mac")), "{sent:?}");
}

/// A chassis that makes and removes interfaces for years is told of each like of the first.
#[test]
fn names_that_come_and_go_are_said_for_ever() {
    let mut translator = translator(Dialect::Sonic);
    for number in 0..70_000 {
        let port = format!("veth{number}");
        let sent = apply(&mut translator, &[fdb(1, &port, FdbKind::Tracked)]);
        assert_eq!(sent, [format!("fdb Add 1 {port} Dynamic")]);
        let key = key(1);
        let forget = false;
        let sent = apply(&mut translator, &[Op::FdbRelease { key, forget }]);
        assert_eq!(sent, [format!("fdb Delete 1 {port} Dynamic")]);
    }
}

/// The role of a session that is gone is said last; one that changes meanwhile is not said before it.
#[test]
fn a_role_that_changes_when_a_session_is_gone_is_the_last_that_is_said() {
    let (mut translator, _) = up();
    let sent = apply(
        &mut translator,
        &[
            pair(Some(true), false, Some(OWN)),
            pair(Some(false), false, Some(OWN)),
        ],
    );
    assert_eq!(sent.last().map(String::as_str), Some("role active=false -"));
}

/// A server of linux-mclag changes what a list names, and nothing else (4.1).
#[test]
fn a_port_that_comes_and_goes_in_one_batch_is_not_left_isolated() {
    let mut translator = translator(Dialect::LinuxMclag);
    let on = port("PortChannel1", Isolation::On, Traffic::Pass);
    let off = port("PortChannel1", Isolation::Off, Traffic::Pass);
    let members = members("PortChannel1", &["Ethernet0"]);
    apply(&mut translator, &[members, domain(false), on]);
    let gone = release("PortChannel1");
    let sent = apply(&mut translator, &[gone.clone(), off, gone]);
    assert!(
        sent.iter().any(|sent| sent.contains("!Ethernet0")),
        "{sent:?}"
    );
}

/// More names of interfaces that come and go than 16 bits can number: none is refused, and nothing of
/// those that are gone is kept.
#[test]
fn interfaces_that_come_and_go_use_nothing_up() {
    let mut translator = translator(Dialect::Sonic);
    for number in 0..=u32::from(u16::MAX) + 1 {
        let interface = format!("tap{number}");
        let want = InterfaceWant { mac: ACTIVE };
        let come = Op::Interface {
            name: name(&interface),
            want,
        };
        let go = Op::InterfaceRelease {
            name: name(&interface),
        };
        let entry = fdb(1, &interface, FdbKind::Tracked);
        let sent = translator.apply(&[come, entry]);
        assert_eq!(sent.len(), 2, "{interface}: {sent:?}");
        let forget = Op::FdbRelease {
            key: key(1),
            forget: true,
        };
        let sent = translator.apply(&[go, forget]);
        assert_eq!(sent.len(), 2, "{interface}: {sent:?}");
    }
    assert!(translator.interfaces.is_empty() && translator.entries.is_empty());
}

/// What waits for a server that reads slowly is replaced by what is asked for since.
#[test]
fn an_entry_that_is_back_where_it_was_is_sent_over_one_that_was_asked_for_meanwhile() {
    let mut translator = translator(Dialect::Sonic);
    let [there, elsewhere] =
        ["PortChannel1", "PortChannel2"].map(|port| fdb(1, port, FdbKind::Tracked));
    translator.is_there(key(1));
    assert_eq!(translator.apply(std::slice::from_ref(&there)), []);
    assert_eq!(translator.apply(&[elsewhere]).len(), 1);
    translator.is_there(key(1));
    assert_eq!(translator.apply(&[there]).len(), 1);
}
