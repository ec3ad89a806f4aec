use super::*;
use mclag_proto::Vid;

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

const PEER_LINK: &str = "PortChannel10";
const OWN: Mac = Mac([2, 0, 0, 0, 0, 2]);
const ACTIVE: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn domain_id() -> DomainId {
    DomainId::new(1).unwrap()
}

fn translator(dialect: Dialect) -> Translator {
    let mut translator = Translator::new(dialect, name("Bridge"), OWN);
    translator.connected(dialect);
    translator
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

/// Each message in a few words, as the encoding of the dialect has it.
fn words(messages: &[ClientMessage], dialect: Dialect) -> Vec<String> {
    let word = |message: &ClientMessage| match message {
        ClientMessage::PortIsolate(_) => {
            let bytes = message.encode(dialect).unwrap();
            let at = 8 + usize::from(bytes[6]) + 4;
            format!("isolate {}", String::from_utf8_lossy(&bytes[at..]))
        }
        ClientMessage::MacLearnMode { ports, learning } => format!("learn {} {learning}", ports[0]),
        ClientMessage::FlushFdb => "flush".into(),
        ClientMessage::SetInterfaceMac { interface, mac, .. } => format!("mac {interface} {mac}"),
        ClientMessage::SetFdb(records) => {
            let line = |r: &FdbRecord| {
                let port = r.port.map_or("-".to_owned(), |port| port.to_string());
                format!("{:?} {} {port} {:?}", r.op, r.mac.0[5], r.kind)
            };
            let lines: Vec<String> = records.iter().map(line).collect();
            format!("fdb {}", lines.join(", "))
        }
        ClientMessage::TrafficDistribution { port, is_enabled } => {
            format!("traffic {port} {is_enabled}")
        }
        ClientMessage::IccpState { is_up, .. } => format!("iccp {is_up}"),
        ClientMessage::IccpRole {
            is_active,
            system_id,
            ..
        } => {
            let id = system_id.map_or("-".to_owned(), |mac| mac.to_string());
            format!("role active={is_active} {id}")
        }
        ClientMessage::IccpSystemId { system_id, .. } => format!("system {system_id}"),
        ClientMessage::DeleteIccpInfo { domain } => format!("delete domain {domain}"),
        ClientMessage::RemoteInterfaceState { port, is_up, .. } => format!("remote {port} {is_up}"),
        ClientMessage::DeleteRemoteInterface { port, .. } => format!("delete remote {port}"),
        ClientMessage::PeerLinkIsolation {
            port, is_isolated, ..
        } => format!("isolated {port} {is_isolated}"),
        ClientMessage::GetFdbChanges => "poll".into(),
        other => format!("{other:?}"),
    };
    messages.iter().map(word).collect()
}

fn apply(translator: &mut Translator, ops: &[Op]) -> Vec<String> {
    let dialect = translator.dialect;
    words(&translator.apply(ops), dialect)
}

/// A standby in step with two ports, the second of them down and held.
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
    let said = apply(
        &mut translator,
        &[
            port("PortChannel1", Isolation::On, Traffic::Pass),
            port("PortChannel2", Isolation::Off, Traffic::Held),
            pair(Some(false), true, Some(ACTIVE)),
            remote("PortChannel1", true),
            remote("PortChannel2", false),
        ],
    );
    (translator, said)
}

/// `spec/mclagsyncd-protocol.md` 6, session up: learning off, ports, "up", the peer's ports, the
/// list once more.
#[test]
fn a_session_that_comes_up_is_told_in_the_order_of_sonic() {
    let (_, said) = up();
    assert_eq!(
        said,
        [
            "traffic PortChannel2 false",
            "system 02:00:00:00:00:01",
            "learn PortChannel10 false",
            "isolate PortChannel1,Ethernet0,Ethernet4",
            "isolated PortChannel1 true",
            "isolated PortChannel2 false",
            "iccp true",
            "remote PortChannel1 true",
            "remote PortChannel2 false",
            "isolate PortChannel1,Ethernet0,Ethernet4",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 6, session down, and 10.12: "down" before isolation is cleared.
#[test]
fn a_session_that_goes_down_is_told_before_isolation_is_cleared() {
    let (mut translator, _) = up();
    let said = apply(
        &mut translator,
        &[
            pair(Some(false), false, Some(OWN)),
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
        said,
        [
            "system 02:00:00:00:00:02",
            "iccp false",
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "isolate ",
            "isolated PortChannel1 false",
            "traffic PortChannel2 true",
        ]
    );
}

/// `spec/behaviour.md` 21, invariant 2: a port is isolated at the shim before another carries data.
#[test]
fn isolation_leaves_before_traffic_is_let_through() {
    let (mut translator, _) = up();
    let said = apply(
        &mut translator,
        &[
            port("PortChannel2", Isolation::Keep, Traffic::Pass),
            port("PortChannel2", Isolation::On, Traffic::Pass),
        ],
    );
    assert_eq!(
        said,
        [
            "isolate PortChannel1,Ethernet0,Ethernet4,PortChannel2,Ethernet8",
            "traffic PortChannel2 true",
            "isolated PortChannel2 true",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 4.1: the list has the members, and is sent anew when they change.
#[test]
fn a_changed_member_list_sends_the_isolation_list_again() {
    let (mut translator, _) = up();
    let said = apply(&mut translator, &[members("PortChannel1", &["Ethernet0"])]);
    assert_eq!(said, ["isolate PortChannel1,Ethernet0"]);
    let said = apply(&mut translator, &[members("PortChannel1", &["Ethernet0"])]);
    assert!(said.is_empty());
}

/// The list of SONiC is all that is isolated: sent while a port is undecided, it would free it.
#[test]
fn no_list_is_sent_before_every_port_is_decided_or_the_session_is_up() {
    let mut translator = translator(Dialect::Sonic);
    let said = apply(
        &mut translator,
        &[
            domain(false),
            port("PortChannel1", Isolation::On, Traffic::Keep),
            port("PortChannel2", Isolation::Keep, Traffic::Keep),
        ],
    );
    assert!(said.is_empty(), "{said:?}");
    let said = apply(
        &mut translator,
        &[port("PortChannel2", Isolation::Off, Traffic::Keep)],
    );
    assert_eq!(said, ["isolate PortChannel1"]);
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
    let said = apply(&mut translator, &ops);
    assert_eq!(
        said,
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
    let said = apply(&mut translator, std::slice::from_ref(&release));
    assert_eq!(said, ["fdb Delete 1 PortChannel1 Dynamic"]);
    assert!(apply(&mut translator, &[release]).is_empty());
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

/// `spec/mclagsyncd-protocol.md` 7: a shim that comes back is told everything again, and what it
/// may still hold from before and nobody wants any more is taken back.
#[test]
fn a_shim_that_comes_back_hears_everything_and_what_is_no_longer_wanted() {
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
    let said = apply(
        &mut translator,
        &[
            begin(Section::Pair),
            pair(Some(false), true, Some(ACTIVE)),
            remote("PortChannel1", true),
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
        said,
        [
            "role active=false -",
            "system 02:00:00:00:00:01",
            "learn PortChannel10 false",
            "iccp true",
            "remote PortChannel1 true",
            "delete remote PortChannel2",
            "traffic PortChannel2 false",
            "fdb Add 2 PortChannel1 Dynamic, Delete 1 PortChannel1 Dynamic",
            "isolate PortChannel1,Ethernet0,Ethernet4",
            "isolated PortChannel1 true",
            "isolated PortChannel2 false",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 4.9, 4.10: the active tells its system id with its role.
#[test]
fn the_active_tells_its_role_with_its_system_id() {
    let mut translator = translator(Dialect::Sonic);
    let said = apply(&mut translator, &[pair(Some(true), false, Some(ACTIVE))]);
    assert_eq!(said, ["role active=true 02:00:00:00:00:01", "iccp false"]);
    let said = apply(&mut translator, &[pair(Some(true), false, Some(ACTIVE))]);
    assert!(said.is_empty());
}

/// `spec/mclagsyncd-protocol.md` 4.11.
#[test]
fn a_pair_that_is_no_more_is_deleted() {
    let (mut translator, _) = up();
    let mut ops = Vec::new();
    for section in [Section::Pair, Section::Ports, Section::Fdb] {
        ops.extend([Op::SnapshotBegin(section), Op::SnapshotEnd(section)]);
    }
    let said = apply(&mut translator, &ops);
    assert_eq!(
        said,
        [
            "delete remote PortChannel1",
            "delete remote PortChannel2",
            "delete domain 1",
            "isolate ",
            "traffic PortChannel2 true",
        ]
    );
}

/// `spec/mclagsyncd-protocol.md` 4.4: back to the own identity.
#[test]
fn an_interface_gets_its_own_address_back() {
    let mut translator = translator(Dialect::Sonic);
    let adopt = Op::Interface {
        name: name("Vlan100"),
        want: InterfaceWant { mac: ACTIVE },
    };
    let said = apply(&mut translator, &[adopt.clone(), adopt]);
    assert_eq!(said, ["mac Vlan100 02:00:00:00:00:01"]);
    let release = Op::InterfaceRelease {
        name: name("Vlan100"),
    };
    let said = apply(&mut translator, &[release]);
    assert_eq!(said, ["mac Vlan100 02:00:00:00:00:02"]);
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
    let said = known(translator.apply(&ops));
    assert_eq!(
        said,
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
    let said = known(translator.apply(&[pair(Some(true), true, Some(ACTIVE))]));
    assert_eq!(said, ["poll", "isolate swp1,swp2,!swp3,!swp4"]);
}

/// W-11: SONiC leaves the port out of service.
#[test]
fn a_held_port_that_leaves_the_pair_carries_data() {
    let (mut translator, _) = up();
    let release = Op::PortRelease {
        port: name("PortChannel2"),
    };
    assert_eq!(
        apply(&mut translator, &[release]),
        ["traffic PortChannel2 true"]
    );
}
