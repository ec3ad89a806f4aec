use mclag_proto::Vid;
use mclag_proto::sync::frame::Decoder;

use super::*;
use crate::dataplane::{FdbEntry, InterfaceActual};

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

/// Two MLAG ports with members, the peer link with one, and an orphan port, all of them up.
fn actual() -> Actual {
    let lags = [
        ("PortChannel1", None),
        ("Ethernet0", Some("PortChannel1")),
        ("Ethernet4", Some("PortChannel1")),
        ("PortChannel2", None),
        ("Ethernet8", Some("PortChannel2")),
        ("PortChannel10", None),
        ("Ethernet12", Some("PortChannel10")),
        ("Ethernet16", None),
        ("bond1", None),
        ("swp1", Some("bond1")),
        ("swp2", Some("bond1")),
        ("bond2", None),
        ("swp3", Some("bond2")),
        ("swp4", Some("bond2")),
    ];
    let interfaces = lags.map(|(name, lag)| {
        let interface = InterfaceActual {
            lag: lag.map(port),
            running: true,
            ..InterfaceActual::default()
        };
        (port(name), interface)
    });
    Actual {
        bridge: Some(port("br0")),
        interfaces: interfaces.into_iter().collect(),
        ..Actual::default()
    }
}

fn options() -> Options {
    Options {
        bridge: Some(port("br0")),
        ..Options::default()
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// A translator that a client of a dialect speaks to.
struct Bench {
    translator: Translator,
    dialect: Dialect,
    actual: Actual,
}

impl Bench {
    fn new(dialect: Dialect) -> Self {
        let mut translator = Translator::new(&options(), Isolation::Off, true);
        let actual = actual();
        let _ = translator.begin(&actual, false);
        Self {
            translator,
            dialect,
            actual,
        }
    }

    fn send(&mut self, message: &ClientMessage) -> Vec<Op> {
        let mut ops = Vec::new();
        self.translator
            .message(message, self.dialect, &self.actual, &mut ops);
        ops
    }

    /// A message as it was captured or stands in the specification.
    fn hear(&mut self, hex: &str) -> Vec<Op> {
        let mut decoder = Decoder::v1();
        decoder.push(&bytes(hex));
        let frame = decoder.next_frame().unwrap().unwrap();
        let decoded = ClientMessage::decode(&frame, self.dialect).unwrap();
        self.send(&decoded.unwrap().message)
    }

    fn isolate(&mut self, list: &str) -> Vec<Op> {
        let peer_link = "PortChannel10";
        let [source, list_len] =
            [peer_link.len(), list.len()].map(|len| u8::try_from(len).unwrap());
        let length = 4 + 4 + source + 4 + list_len;
        let mut message = vec![1, 1, length, 0, 1, 0, source, 0];
        message.extend(peer_link.bytes());
        message.extend([2, 0, list_len, 0]);
        message.extend(list.bytes());
        let hex: String = message.iter().map(|b| format!("{b:02x}")).collect();
        self.hear(&hex)
    }

    /// Isolation of each port as it is wanted now.
    fn isolated(&self) -> Vec<&'static str> {
        let ports = self.translator.programmed.ports.iter();
        let on = ports.filter(|(_, want)| want.isolation == Isolation::On);
        let mut names: Vec<&str> = on
            .map(|(port, _)| &*port.as_str().to_owned().leak())
            .collect();
        names.sort_unstable();
        names
    }

    fn traffic(&self, name: &str) -> Option<Traffic> {
        let want = self.translator.programmed.ports.get(&port(name))?;
        Some(want.traffic)
    }
}

fn wants(ops: &[Op]) -> Vec<(IfName, Isolation)> {
    let ports = ops.iter().filter_map(|op| match op {
        Op::Port { port, want } => Some((*port, want.isolation)),
        _ => None,
    });
    ports.collect()
}

/// `spec/mclagsyncd-protocol.md` 4.1, 11.1: names of LAGs and of their members stand for the LAG.
#[test]
fn a_sonic_list_isolates_the_lags_it_names() {
    let mut bench = Bench::new(Dialect::Sonic);
    let ops = bench.hear(
        "01 01 39 00 01 00 0d 00 50 6f 72 74 43 68 61 6e 6e 65 6c 31 30 02 00 20
         00 50 6f 72 74 43 68 61 6e 6e 65 6c 31 2c 45 74 68 65 72 6e 65 74 30 2c
         45 74 68 65 72 6e 65 74 34",
    );
    assert_eq!(wants(&ops), [(port("PortChannel1"), Isolation::On)]);
    let domain = ops.iter().find_map(|op| match op {
        Op::Domain(want) => Some(want.peer_link),
        _ => None,
    });
    assert_eq!(domain, Some(Some(port("PortChannel10"))));
}

/// `spec/mclagsyncd-protocol.md` 4.1: the list is the complete desired state, not a delta.
#[test]
fn a_sonic_list_replaces_the_one_before() {
    let mut bench = Bench::new(Dialect::Sonic);
    bench.isolate("PortChannel1,Ethernet0,PortChannel2,Ethernet8");
    assert_eq!(bench.isolated(), ["PortChannel1", "PortChannel2"]);
    let ops = bench.isolate("PortChannel2,Ethernet8");
    assert_eq!(wants(&ops), [(port("PortChannel1"), Isolation::Off)]);
    assert_eq!(bench.isolated(), ["PortChannel2"]);
}

/// `spec/mclagsyncd-protocol.md` 4.1, 10 item 10: length 0 is legal and means none.
#[test]
fn an_empty_sonic_list_lifts_all_isolation() {
    let mut bench = Bench::new(Dialect::Sonic);
    bench.isolate("PortChannel1,Ethernet0");
    bench.isolate("");
    assert_eq!(bench.isolated(), Vec::<&str>::new());
}

/// `spec/mclagsyncd-protocol.md` 4.1: "re-sent even if nothing changed".
#[test]
fn a_list_that_is_said_again_changes_nothing() {
    for (dialect, list) in [
        (Dialect::Sonic, "PortChannel1,Ethernet0"),
        (Dialect::LinuxMclag, "swp1,swp2,!swp3,swp4"),
    ] {
        let mut bench = Bench::new(dialect);
        bench.isolate(list);
        assert_eq!(bench.isolate(list), [], "{dialect}");
    }
}

/// `spec/mclagsyncd-protocol.md` 4.1: the source stands in the list of nobody, and a client that
/// puts it there must not cut the pair.
#[test]
fn the_peer_link_is_never_isolated_from_itself() {
    let mut bench = Bench::new(Dialect::Sonic);
    bench.isolate("PortChannel10,Ethernet12,PortChannel1");
    assert_eq!(bench.isolated(), ["PortChannel1"]);
}

/// `spec/mclagsyncd-protocol.md` 4.1: `swp1,swp2,!swp3`: one `!` for the whole LAG, which a
/// receiver who knows the members applies to all of them.
#[test]
fn a_mark_of_linux_mclag_holds_for_the_members_of_its_lag() {
    let mut bench = Bench::new(Dialect::LinuxMclag);
    bench.isolate("swp1,swp2,swp3,swp4");
    assert_eq!(bench.isolated(), ["bond1", "bond2"]);
    bench.isolate("swp1,swp2,!swp3,swp4");
    assert_eq!(bench.isolated(), ["bond1"]);
    bench.isolate("!swp1,swp2,swp3,swp4");
    assert_eq!(bench.isolated(), ["bond2"]);
}

/// `spec/mclagsyncd-protocol.md` 4.1: without members a port is an empty token or a lone `!`.
#[test]
fn empty_tokens_and_lone_marks_of_linux_mclag_mean_nothing() {
    let mut bench = Bench::new(Dialect::LinuxMclag);
    bench.isolate("swp1,swp2,,!,");
    assert_eq!(bench.isolated(), ["bond1"]);
    bench.isolate("!");
    assert_eq!(bench.isolated(), ["bond1"]);
}

/// `spec/mclagsyncd-protocol.md` 4.1: what a list of linux-mclag does not name stays.
#[test]
fn a_list_of_linux_mclag_changes_just_what_it_names() {
    let mut bench = Bench::new(Dialect::LinuxMclag);
    bench.isolate("swp1,swp2");
    bench.isolate("swp3");
    assert_eq!(bench.isolated(), ["bond1", "bond2"]);
}

#[test]
fn a_member_that_joins_its_lag_later_stands_for_the_lag_then() {
    for (dialect, list) in [
        (Dialect::Sonic, "bond1,swp1"),
        (Dialect::LinuxMclag, "swp1,!swp3"),
    ] {
        let mut bench = Bench::new(dialect);
        let swp1 = bench.actual.interfaces.get_mut(&port("swp1")).unwrap();
        swp1.lag = None;
        bench.isolate(list);
        assert!(bench.isolated().contains(&"swp1"), "{dialect}");
        let swp1 = bench.actual.interfaces.get_mut(&port("swp1")).unwrap();
        swp1.lag = Some(port("bond1"));
        let mut ops = Vec::new();
        bench.translator.refresh(&bench.actual, &mut ops);
        assert_eq!(bench.isolated(), ["bond1"], "{dialect}");
        assert!(ops.contains(&Op::PortRelease { port: port("swp1") }));
    }
}

/// `spec/mclagsyncd-protocol.md` 4.1: members named `Ethernet...` are removed from the list.
#[test]
fn a_member_that_is_not_there_is_no_port() {
    let mut bench = Bench::new(Dialect::Sonic);
    bench.isolate("PortChannel1,Ethernet0,Ethernet100,PortChannel99");
    assert_eq!(bench.isolated(), ["PortChannel1", "PortChannel99"]);
}

#[test]
fn the_first_list_releases_what_an_earlier_run_left_and_no_later_one() {
    let mut bench = Bench::new(Dialect::Sonic);
    let is_snapshot = |ops: &[Op]| {
        ops.first() == Some(&Op::SnapshotBegin(Section::Ports))
            && ops.last() == Some(&Op::SnapshotEnd(Section::Ports))
    };
    let ops = bench.isolate("PortChannel1,Ethernet0");
    assert!(is_snapshot(&ops), "{ops:?}");
    let ops = bench.isolate("PortChannel2,Ethernet8");
    assert!(!is_snapshot(&ops), "{ops:?}");
}

#[test]
fn before_the_first_list_ports_of_the_settings_stay_as_they_are() {
    let options = Options {
        ports: vec![port("PortChannel1")],
        ..options()
    };
    for isolation in [Isolation::Keep, Isolation::Off] {
        let mut translator = Translator::new(&options, isolation, true);
        let ops = translator.begin(&actual(), false);
        assert_eq!(wants(&ops), [(port("PortChannel1"), isolation)]);
    }
}

/// `spec/mclagsyncd-protocol.md` 4.2: of the peer link it is part of the domain.
#[test]
fn learning_of_the_peer_link_and_of_other_ports_are_told_apart() {
    let mut bench = Bench::new(Dialect::Sonic);
    // Said before a list names the peer link.
    let ops = bench.hear("0102150004000d00506f72744368616e6e656c3130");
    let learning = |name, learning| Op::Learning {
        port: port(name),
        learning,
    };
    assert_eq!(ops, [learning("PortChannel10", false)]);
    let ops = bench.isolate("");
    let domain = ops.iter().find_map(|op| match op {
        Op::Domain(want) => Some(want.peer_link_learning),
        _ => None,
    });
    assert_eq!(domain, Some(false));
    let ops = bench.send(&ClientMessage::MacLearnMode {
        ports: vec![port("Ethernet16"), port("Ethernet12")],
        learning: true,
    });
    // A member of a LAG does not learn: its LAG does.
    assert_eq!(ops, [learning("Ethernet16", true)]);
}

/// `spec/mclagsyncd-protocol.md` 4.3, 4.7.
#[test]
fn flushes_are_of_all_or_of_one_port() {
    let mut bench = Bench::new(Dialect::LinuxMclag);
    assert_eq!(bench.hear("01030400"), [Op::Flush { port: None }]);
    let ops = bench.send(&ClientMessage::FlushFdbByPort { port: port("swp1") });
    let bond1 = Some(port("bond1"));
    assert_eq!(ops, [Op::Flush { port: bond1 }]);
}

/// `spec/mclagsyncd-protocol.md` 4.4: sonic names the interface, linux-mclag adds its address.
#[test]
fn the_address_of_an_interface_is_set_in_both_grammars() {
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    for (dialect, hex, name) in [
        (
            Dialect::Sonic,
            "0104230005000600566c616e31300600110030323a30303a30303a30303a30303a3031",
            "Vlan10",
        ),
        (
            Dialect::LinuxMclag,
            "0104330005001600566c616e31303a3139322e3136382e31302e332f32340600110030323a30303a30303a30303a30303a3031",
            "Vlan10",
        ),
    ] {
        let ops = Bench::new(dialect).hear(hex);
        let name = port(name);
        let want = InterfaceWant { mac };
        assert_eq!(ops, [Op::Interface { name, want }], "{dialect}");
    }
}

fn record(kind: v1::FdbKind, op: RecordOp, name: &str) -> ClientMessage {
    ClientMessage::SetFdb(vec![FdbRecord {
        mac: Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
        vid: Vid::new(100).unwrap(),
        port: Some(port(name)),
        kind,
        op,
    }])
}

const KEY: FdbKey = FdbKey {
    vid: Vid::new(100).unwrap(),
    mac: Mac([0, 0x11, 0x22, 0x33, 0x44, 0x55]),
};

/// `spec/mclagsyncd-protocol.md` 4.5, `spec/behaviour.md` 9.2.
#[test]
fn each_kind_of_forwarding_entry_has_its_own_behaviour() {
    for (kind, wanted) in [
        (v1::FdbKind::Static, FdbKind::Static),
        (v1::FdbKind::Dynamic, FdbKind::Tracked),
        (v1::FdbKind::DynamicLocal, FdbKind::Ageing),
    ] {
        let mut bench = Bench::new(Dialect::Sonic);
        let ops = bench.send(&record(kind, RecordOp::Add, "PortChannel1"));
        let want = FdbWant {
            port: port("PortChannel1"),
            kind: wanted,
        };
        assert_eq!(ops, [Op::Fdb { key: KEY, want }]);
    }
}

/// `spec/mclagsyncd-protocol.md` 11.1, 11.3: the vectors, with the port of a LAG and a MAC as text.
#[test]
fn forwarding_entries_are_read_in_both_layouts() {
    let mut bench = Bench::new(Dialect::Sonic);
    let ops = bench.hear(
        "01 05 28 00 00 11 22 33 44 55 00 00 64 00 00 00 50 6f 72 74 43 68 61 6e
         6e 65 6c 31 00 00 00 00 00 00 00 00 02 00 01 00",
    );
    assert!(matches!(ops[..], [Op::Fdb { key: KEY, .. }]), "{ops:?}");
    let mut bench = Bench::new(Dialect::LinuxMclag);
    // Captured: stale memory behind the NUL of the MAC.
    let ops = bench.hear(
        "01054c0030323a30303a30303a30303a30313a3031000000000010f63d08fd55000084b50a000000506f7274
         4368616e6e656c30303031000000000000000000000000000000000002000100",
    );
    let key = FdbKey {
        vid: Vid::new(10).unwrap(),
        mac: Mac([2, 0, 0, 0, 1, 1]),
    };
    let want = FdbWant {
        port: port("PortChannel0001"),
        kind: FdbKind::Tracked,
    };
    assert_eq!(ops, [Op::Fdb { key, want }]);
}

/// `spec/mclagsyncd-protocol.md` 4.5: the port in a delete is informative; behaviour.md 9.2: it
/// removes only what was installed.
#[test]
fn a_deletion_releases_the_entry_wherever_it_is() {
    let mut bench = Bench::new(Dialect::Sonic);
    let ops = bench.send(&record(
        v1::FdbKind::Dynamic,
        RecordOp::Delete,
        "Ethernet99",
    ));
    let release = |forget| Op::FdbRelease { key: KEY, forget };
    assert_eq!(ops, [release(false)]);
}

/// `spec/sonic-redis.md` 4.6: or a learned entry on an MLAG port that is operationally down.
#[test]
fn a_deletion_forgets_what_was_learned_on_an_mlag_port_that_is_down() {
    for (name, is_running, forget) in [
        ("PortChannel1", false, true),
        ("PortChannel1", true, false),
        ("Ethernet16", false, false),
    ] {
        let mut bench = Bench::new(Dialect::Sonic);
        bench.isolate("PortChannel1,Ethernet0");
        let interface = bench.actual.interfaces.get_mut(&port(name)).unwrap();
        interface.running = is_running;
        let entry = FdbEntry {
            port: port(name),
            kind: EntryKind::Dynamic,
        };
        bench.actual.fdb.insert(KEY, entry);
        let ops = bench.send(&record(v1::FdbKind::Dynamic, RecordOp::Delete, name));
        assert_eq!(ops, [Op::FdbRelease { key: KEY, forget }], "{name}");
    }
}

/// `spec/behaviour.md` 9.1: all-zero MACs are ignored from both directions.
#[test]
fn an_all_zero_address_is_ignored() {
    let mut bench = Bench::new(Dialect::Sonic);
    let mut message = record(v1::FdbKind::Dynamic, RecordOp::Add, "PortChannel1");
    if let ClientMessage::SetFdb(records) = &mut message {
        records[0].mac = Mac::ZERO;
    }
    assert_eq!(bench.send(&message), []);
}

/// `spec/mclagsyncd-protocol.md` 4.6.
#[test]
fn traffic_is_held_until_it_is_enabled() {
    let mut bench = Bench::new(Dialect::Sonic);
    bench.hear("01 07 14 00 07 00 0c 00 50 6f 72 74 43 68 61 6e 6e 65 6c 31");
    assert_eq!(bench.traffic("PortChannel1"), Some(Traffic::Held));
    bench.hear("01 06 14 00 07 00 0c 00 50 6f 72 74 43 68 61 6e 6e 65 6c 31");
    assert_eq!(bench.traffic("PortChannel1"), Some(Traffic::Pass));
}

/// `spec/mclagsyncd-protocol.md` 4.6: enable is sent only if it is currently disabled, and a
/// client that has just started believes that nothing is.
#[test]
fn a_new_client_finds_all_traffic_enabled() {
    let mut bench = Bench::new(Dialect::Sonic);
    bench.hear("01 07 14 00 07 00 0c 00 50 6f 72 74 43 68 61 6e 6e 65 6c 31");
    let ops = bench.translator.begin(&bench.actual, false);
    assert_eq!(wants(&ops).len(), 1);
    assert_eq!(bench.traffic("PortChannel1"), Some(Traffic::Pass));
}

/// `spec/mclagsyncd-protocol.md` 4.1: what was isolated stays until the next client's list.
#[test]
fn a_new_client_finds_isolation_as_the_last_one_left_it() {
    let mut bench = Bench::new(Dialect::Sonic);
    bench.isolate("PortChannel1,Ethernet0");
    let ops = bench.translator.begin(&bench.actual, false);
    assert_eq!(wants(&ops), []);
    assert_eq!(bench.isolated(), ["PortChannel1"]);
}

/// `spec/mclagsyncd-protocol.md` 4.8 to 4.15: state for displays.
#[test]
fn the_state_of_the_pair_is_kept() {
    let mut bench = Bench::new(Dialect::Sonic);
    // Role active with its system id (11.1), then state up.
    bench.hear(
        "01 09 1b 00 08 00 04 00 01 00 00 00 09 00 01 00 01 0a 00 06 00 02 00 00
         00 00 01",
    );
    let ops = bench.hear("01 08 11 00 08 00 04 00 01 00 00 00 0b 00 01 00 01");
    let state = PairState {
        domain: DomainId::new(1).unwrap(),
        active: Some(true),
        up: true,
        system_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
    };
    assert_eq!(ops, [Op::Pair(state)]);
    let remote = "01 0c 21 00 08 00 04 00 01 00 00 00 07 00 0c 00 50 6f 72 74 43 68 61 6e
                  6e 65 6c 31 0b 00 01 00 01";
    let port = port("PortChannel1");
    assert_eq!(bench.hear(remote), [Op::RemotePort { port, up: true }]);
    bench.hear(
        "01 0e 21 00 08 00 04 00 01 00 00 00 07 00 0c 00 50 6f 72 74 43 68 61 6e
         6e 65 6c 31 0c 00 01 00 01",
    );
    // Repeated downs are normal (4.8).
    for expected in [1, 0] {
        let ops = bench.hear("01 08 11 00 08 00 04 00 01 00 00 00 0b 00 01 00 00");
        assert_eq!(ops.len(), expected);
    }
    let delete = "01 0d 1c 00 08 00 04 00 01 00 00 00 07 00 0c 00 50 6f 72 74 43 68 61 6e
                  6e 65 6c 31";
    assert_eq!(bench.hear(delete), [Op::RemotePortRelease { port }]);
    // DEL_ICCP_INFO (4.11) forgets the domain.
    let ops = bench.hear("01 0b 0c 00 08 00 04 00 01 00 00 00");
    let expected = [
        Op::SnapshotBegin(Section::Pair),
        Op::SnapshotEnd(Section::Pair),
    ];
    assert_eq!(ops, expected);
    assert_eq!(bench.translator.is_up(), None);
}

/// `spec/mclagsyncd-protocol.md` 4.9: the system id may be all zero if it is unknown.
#[test]
fn an_unknown_system_id_is_none() {
    let mut bench = Bench::new(Dialect::Sonic);
    let ops = bench.hear(
        "01 09 1b 00 08 00 04 00 01 00 00 00 09 00 01 00 01 0a 00 06 00 00 00 00
         00 00 00",
    );
    assert!(matches!(&ops[..], [Op::Pair(state)] if state.system_mac.is_none()));
}

#[test]
fn names_without_end_are_not_remembered_without_end() {
    let mut bench = Bench::new(Dialect::Sonic);
    for number in 0..2 * MAX_NAMES {
        let name = port(&format!("x{number}"));
        let domain = DomainId::new(1).unwrap();
        bench.translator.pair(
            &ClientMessage::RemoteInterfaceState {
                domain,
                port: name,
                is_up: true,
            },
            &mut Vec::new(),
        );
    }
    assert_eq!(bench.translator.pair.remote.len(), MAX_NAMES);
}

/// What the settings no longer name is no longer wanted, unless a client named it; they may name
/// another peer link, which the client follows with its next list.
#[test]
fn changed_settings_change_which_ports_are_wanted() {
    let mut bench = Bench::new(Dialect::Sonic);
    let before = Options {
        ports: vec![port("PortChannel0001"), port("PortChannel0002")],
        ..options()
    };
    let mut ops = Vec::new();
    bench.translator.configure(&options(), &before, &mut ops);
    bench.translator.refresh(&bench.actual, &mut ops);
    let _ = bench.isolate("PortChannel0002");

    let now = Options {
        ports: Vec::new(),
        peer_link: Some(port("Ethernet16")),
        ..options()
    };
    let mut ops = Vec::new();
    bench.translator.configure(&before, &now, &mut ops);
    bench.translator.refresh(&bench.actual, &mut ops);
    assert!(ops.contains(&Op::PortRelease {
        port: port("PortChannel0001")
    }));
    assert_eq!(wants(&ops), [(port("PortChannel0002"), Isolation::On)]);
    let domain = ops.iter().find_map(|op| match op {
        Op::Domain(domain) => domain.peer_link,
        _ => None,
    });
    assert_eq!(domain, Some(port("Ethernet16")));

    let mut ops = Vec::new();
    bench.translator.configure(&now, &now, &mut ops);
    bench.translator.refresh(&bench.actual, &mut ops);
    assert_eq!(ops, []);
}

/// `spec/mclagsyncd-protocol.md` 4.1: what is isolated is the client's word, whatever the settings
/// say. Settings without a peer link leave it, and one that they name later counts.
#[test]
fn settings_without_a_peer_link_lift_no_isolation_that_a_client_wants() {
    let with = |peer_link: Option<&str>| Options {
        peer_link: peer_link.map(port),
        ..options()
    };
    let mut bench = Bench::new(Dialect::Sonic);
    let configure = |bench: &mut Bench, before: Option<&str>, now: Option<&str>| {
        let mut ops = Vec::new();
        bench
            .translator
            .configure(&with(before), &with(now), &mut ops);
        bench.translator.refresh(&bench.actual, &mut ops);
        ops
    };
    let _ = configure(&mut bench, None, Some("PortChannel10"));
    let _ = bench.isolate("PortChannel1");
    assert_eq!(configure(&mut bench, Some("PortChannel10"), None), []);
    let peer_link = Some(port("PortChannel10"));
    assert_eq!(bench.translator.peer_link(), peer_link);
    let domain = bench.translator.programmed.domain;
    assert_eq!(domain.map(|domain| domain.peer_link), Some(peer_link));
    assert_eq!(bench.isolated(), ["PortChannel1"]);

    let ops = configure(&mut bench, None, Some("Ethernet16"));
    let named = ops.iter().find_map(|op| match op {
        Op::Domain(domain) => domain.peer_link,
        _ => None,
    });
    assert_eq!(named, Some(port("Ethernet16")));
}
