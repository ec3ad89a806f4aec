//! Each view as a person sees it.

use super::*;
use mclag_proto::ctl::{
    Conflict, Counter, CounterName, PathState, Refusal, RoleBy, SessionError, SyncdState, Warning,
};
use mclag_proto::{AggregatorId, DomainId, Mac, NodeId};

fn status(status: &Status) -> String {
    super::status(status, None)
}

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn vlans(raw: impl IntoIterator<Item = u16>) -> Vec<Vid> {
    raw.into_iter().filter_map(Vid::new).collect()
}

fn mac(last: u8) -> Mac {
    Mac([0x02, 0, 0x5e, 0, 0, last])
}

/// Compare line by line, without the blanks that indent the literal.
fn assert_text(got: &str, want: &str) {
    let want = want.trim_start_matches('\n').trim_end();
    let indent = want.len() - want.trim_start().len();
    let want: String = want
        .lines()
        .map(|line| format!("{}\n", line.get(indent..).unwrap_or_default()))
        .collect();
    assert_eq!(got, want, "\ngot:\n{got}\nwant:\n{want}");
}

fn a_status() -> Status {
    Status {
        domain: DomainId::new(10).unwrap(),
        local: "192.0.2.1".parse().unwrap(),
        peer: "192.0.2.2".parse().unwrap(),
        session: SessionState::Up,
        session_for_s: 7384,
        session_error: None,
        role: Role::Primary,
        role_by: RoleBy::Address,
        system_mac: Some(mac(1)),
        bridge: name("br0"),
        peer_link: Some(name("peerlink")),
        peer_link_up: true,
        syncd: SyncdState {
            connected: true,
            backend: Some("linux".into()),
            failed_operations: 0,
            last_failure: None,
            socket: None,
        },
        ports_dual: 12,
        ports_local_only: 1,
        ports_peer_only: 0,
        ports_down: 2,
        remembered: None,
        macs: MacCounts {
            local: 3,
            peer: 4,
            both: 1000,
            stale: 0,
        },
        waiting_for: vec![],
        lost_log_lines: 0,
        pair_unconfirmed_for_s: None,
        runs_as_root: false,
        warnings: vec![],
    }
}

#[test]
fn status_of_a_healthy_pair() {
    assert_text(
        &status(&a_status()),
        "
        Domain         10
        Local address  192.0.2.1
        Peer address   192.0.2.2
        Session        up for 2 h 3 min
        Role           primary, by address
        System MAC     02:00:5e:00:00:01
        Bridge         br0
        Peer link      peerlink, up
        mclagsyncd     connected, backend linux
        MLAG ports     12 up on both, 1 here only, 0 at the peer only, 2 down
        MAC addresses  1000 seen by both, 3 here only, 4 by the peer only
        ",
    );
}

#[test]
fn status_of_a_pair_that_is_remembered_says_for_how_long_nobody_confirmed_it() {
    let remembered = Status {
        pair_unconfirmed_for_s: Some(7384),
        ..a_status()
    };
    let text = status(&remembered);
    let line = text.lines().find(|line| line.starts_with("Pair ")).unwrap();
    let words = "remembered, not confirmed by the mclagsyncd server for 2 h 3 min";
    assert_eq!(line.split_once("  ").unwrap().1.trim(), words);
    let unusable = ConfigDb::Unusable("cannot read redis.sock".to_owned());
    let text = super::status(&a_status(), Some(&unusable));
    assert!(
        text.contains("not used: cannot read redis.sock\n"),
        "{text}"
    );
}

#[test]
fn status_of_a_pair_in_trouble() {
    let trouble = Status {
        session: SessionState::Connecting,
        session_for_s: 0,
        role: Role::Undecided,
        system_mac: None,
        peer_link_up: false,
        syncd: SyncdState {
            connected: false,
            backend: None,
            failed_operations: 3,
            last_failure: Some("set FDB 02:00:5e:00:00:07 on bond1:\x1b[2J no such device".into()),
            socket: None,
        },
        macs: MacCounts {
            stale: 4,
            ..a_status().macs
        },
        waiting_for: vec![name("br0"), name("bond2")],
        lost_log_lines: 7,
        runs_as_root: true,
        warnings: vec![Warning::SyncdNotConnected, Warning::PeerLinkDown],
        ..a_status()
    };
    assert_text(
        &status(&trouble),
        "
        Domain               10
        Local address        192.0.2.1
        Peer address         192.0.2.2
        Session              connecting for 0 s
        Role                 undecided
        System MAC           -
        Bridge               br0
        Peer link            peerlink, down
        mclagsyncd           not connected
          failed operations  3
          last failure       set FDB 02:00:5e:00:00:07 on bond1:�[2J no such device
        MLAG ports           1 up here, 2 down; at the peer unknown
        MAC addresses        1003 seen here; 4 of the peer kept from the last session
        Log lines lost       7
        Runs as              root, without capabilities
        Waiting for          br0, bond2
        Warning              mclagsyncd is not connected: decisions are not carried out
        Warning              the peer link is down
        ",
    );
}

/// A row of a view.
fn row<'a>(text: &'a str, title: &str) -> &'a str {
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(title));
    line.map(str::trim).unwrap_or_default()
}

#[test]
fn status_without_a_peer_says_why_and_how_old_what_is_known_of_it_is() {
    let remembered = |up, down| {
        Some(Remembered {
            up,
            down,
            age_s: 300,
        })
    };
    let alone = Status {
        session: SessionState::Down,
        session_error: Some(SessionError {
            text: "cannot connect to 192.0.2.2:8888: No route to host".into(),
            for_s: 299,
        }),
        ports_dual: 0,
        ports_local_only: 13,
        remembered: remembered(12, 1),
        ..a_status()
    };
    let text = status(&alone);
    for (title, value) in [
        ("Session ", "down for 2 h 3 min"),
        (
            "  why",
            "cannot connect to 192.0.2.2:8888: No route to host, for 4 min 59 s",
        ),
        ("Role ", "primary, by address, without a peer"),
        (
            "MLAG ports",
            "13 up here, 2 down; at the peer 12 up and 1 down 5 min 0 s ago",
        ),
    ] {
        assert_eq!(row(&text, title), value);
    }
    let unknown = status(&Status {
        remembered: None,
        ..alone
    });
    let ports = "13 up here, 2 down; at the peer unknown";
    assert_eq!(row(&unknown, "MLAG ports"), ports);
}

#[test]
fn partners_that_differ_are_both_shown() {
    let partner = |last| LacpPartner {
        system: mac(last),
        key: 15,
    };
    for (remote, shown) in [
        (None, "02:00:5e:00:00:09"),
        (Some(partner(9)), "02:00:5e:00:00:09"),
        (Some(partner(8)), "02:00:5e:00:00:09 key 15"),
    ] {
        let port = Interface {
            partner: Some(mac(9)),
            partner_key: Some(15),
            remote_partner: remote,
            ..a_port("bond1", PortStatus::Up, Some(PortStatus::Up))
        };
        let text = interfaces(&[port]);
        assert!(row(&text, "bond1").contains(shown), "{text}");
        let both = text.contains("peer: 02:00:5e:00:00:08 key 15");
        assert_eq!(both, remote == Some(partner(8)), "{text}");
        assert_eq!(text.contains("key"), both, "{text}");
    }
}

#[test]
fn what_is_remembered_of_a_port_is_shown_with_its_age() {
    use PortStatus::{Down, Up};
    let remembered = |local, remote| Interface {
        remembered_s: Some(300),
        dual: false,
        ..a_port("bond1", local, Some(remote))
    };
    for (local, remote, cells) in [
        (Up, Up, "1 up    up 5 min 0 s ago    up here"),
        (Up, Down, "1 up    down 5 min 0 s ago  up here"),
        (Down, Up, "1 down  up 5 min 0 s ago    down"),
    ] {
        let text = interfaces(&[remembered(local, remote)]);
        let line: Vec<&str> = row(&text, "bond1").split_whitespace().collect();
        let cells: Vec<&str> = cells.split_whitespace().collect();
        assert_eq!(line[..cells.len()], cells, "{text}");
    }
}

#[test]
fn a_port_that_the_peer_calls_otherwise_is_shown_with_both_names() {
    let port = Interface {
        id: Some(AggregatorId(700)),
        name_at_peer: Some(name("lag7")),
        ..a_port("bond1", PortStatus::Up, Some(PortStatus::Up))
    };
    let text = interfaces(&[port]);
    let line: Vec<&str> = row(&text, "bond1").split_whitespace().collect();
    assert_eq!(line[..5], ["700", "up", "up", "(lag7)", "dual"], "{text}");
}

#[test]
fn status_of_a_pair_without_peer_link() {
    let without = Status {
        peer_link: None,
        ..a_status()
    };
    assert!(status(&without).contains("\nPeer link      none\n"));
}

fn member(text: &str, carrier: bool, distributing: bool) -> Member {
    Member {
        name: name(text),
        carrier,
        distributing,
    }
}

fn a_port(text: &str, local: PortStatus, remote: Option<PortStatus>) -> Interface {
    Interface {
        name: name(text),
        peer_link: false,
        id: Some(AggregatorId::of(&name(text))),
        name_at_peer: None,
        local,
        remote,
        remembered_s: None,
        dual: local == PortStatus::Up && remote == Some(PortStatus::Up),
        isolated: None,
        held: false,
        bypass: false,
        partner: None,
        partner_key: None,
        remote_partner: None,
        members: vec![],
        vids: vec![],
        conflicts: vec![],
    }
}

#[test]
fn interfaces_in_every_state() {
    use PortStatus::{Down, Missing, Up};
    let ports = [
        Interface {
            peer_link: true,
            id: None,
            members: vec![member("swp31", true, true), member("swp32", true, true)],
            vids: vlans(1..=4094),
            ..a_port("peerlink", Up, None)
        },
        Interface {
            isolated: Some(true),
            partner: Some(mac(9)),
            members: vec![member("swp1", true, true)],
            vids: vlans([1, 10, 11, 12, 20]),
            ..a_port("bond1", Up, Some(Up))
        },
        Interface {
            isolated: Some(false),
            members: vec![member("swp2", true, false), member("swp3", false, false)],
            vids: vlans((10..52).step_by(3)),
            conflicts: vec![Conflict::MissingAtPeer],
            ..a_port("bond2", Down, Some(Up))
        },
        Interface {
            held: true,
            ..a_port("bond3", Up, Some(Up))
        },
        a_port("bond4", Up, Some(Down)),
        a_port("bond5", Missing, None),
        Interface {
            held: true,
            ..a_port("bond6", Down, Some(Up))
        },
    ];
    assert_text(
        &interfaces(&ports),
        "
        Port      Id  Here     Peer  State                              Isolated  LACP partner       Members                            VLANs
        peerlink  -   up       -     peer link                          -         -                  swp31, swp32                       1-4094
        bond1     1   up       up    dual                               yes       02:00:5e:00:00:09  swp1                               1,10-12,20
        bond2     2   down     up    peer only                          no        -                  swp2 (waiting), swp3 (no carrier)  10,13,16,19,22,25,
                                                                                                                                        28,31,34,37,40,43,
                                                                                                                                        46,49
        bond3     3   up       up    held (waiting for peer isolation)  -         -                  -                                  -
        bond4     4   up       down  here only                          -         -                  -                                  -
        bond5     5   missing  -     down                               -         -                  -                                  -
        bond6     6   down     up    peer only                          -         -                  -                                  -

        Warning: bond2: not an MLAG port at the peer
        ",
    );
}

#[test]
fn macs_of_every_kind() {
    let line = MacLine {
        vid: Vid::new(10).unwrap(),
        mac: mac(0x0a),
        port: Some(name("bond1")),
        local: Some(name("bond1")),
        remote: Some(name("bond1")),
        configured: false,
        stale: false,
    };
    let lines = [
        line.clone(),
        MacLine {
            mac: mac(0x0b),
            port: Some(name("peerlink")),
            local: None,
            remote: Some(name("swp7")),
            stale: true,
            ..line.clone()
        },
        MacLine {
            vid: Vid::new(4000).unwrap(),
            port: None,
            remote: None,
            configured: true,
            ..line.clone()
        },
    ];
    assert_text(
        &macs(&lines),
        "
        VLAN  Address            Port      Seen here on  Seen by peer on
        10    02:00:5e:00:00:0a  bond1     bond1         bond1
        10    02:00:5e:00:00:0b  peerlink  -             swp7             stale
        4000  02:00:5e:00:00:0a  -         bond1         -                configured

        3 addresses
        ",
    );
    assert_eq!(macs(&[]), "0 addresses\n");
    assert!(macs(&[line]).ends_with("\n1 address\n"));
}

fn a_peer() -> PeerStatus {
    PeerStatus {
        address: "192.0.2.2".parse().unwrap(),
        session: SessionState::Up,
        dialling: true,
        software: Some("mclag 0.1.0".into()),
        system_mac: Some(mac(1)),
        node: Some(NodeId(0xf1)),
        priority: Some(32768),
        last_heard_ms: Some(230),
        keepalive_ms: 1000,
        timeout_ms: 15_000,
        last_error: Some("closed by the peer".into()),
        signed: true,
        tcp_ao: None,
        ttl_security: true,
        paths: vec![],
        counters: vec![
            Counter {
                name: CounterName::Sent,
                value: 12345,
            },
            Counter {
                name: CounterName::Received,
                value: 7,
            },
        ],
        refused: vec![
            Refusal {
                address: "198.51.100.7".parse().unwrap(),
                reason: "not the configured peer".into(),
                count: 17,
            },
            Refusal {
                address: "192.0.2.2".parse().unwrap(),
                reason: "not an ICCP peer: its stream begins with 47 45 54".into(),
                count: 1,
            },
        ],
    }
}

#[test]
fn peer_with_history() {
    assert_text(
        &peer(&a_peer()),
        "
        Address     192.0.2.2
        Session     up
        Connection  this side connects
        Software    mclag 0.1.0
        System MAC  02:00:5e:00:00:01
        Node id     241
        Priority    32768
        Last heard  230 ms ago
        Keepalive   every 1 s, session lost after 15 s
        Protection  TCP-MD5, hop limit 255
        Last error  closed by the peer

        Counter            Value
        messages sent      12345
        messages received  7

        Refused       Times  Last reason
        198.51.100.7  17     not the configured peer
        192.0.2.2     1      not an ICCP peer: its stream begins with 47 45 54
        ",
    );
}

#[test]
fn the_paths_of_the_peer_and_what_is_wrong_with_them() {
    let alive = PathStatus {
        address: "198.51.100.2".parse().unwrap(),
        port: 5342,
        device: IfName::new("mgmt0").ok(),
        state: PathState::Alive,
        state_for_ms: 61_000,
        detection_ms: 300,
        last_seen_ms: Some(12),
        round_trip_us: Some(1042),
        lost: 1,
        lost_of: 100,
        core_age_ms: Some(31),
        syncd_age_ms: Some(2500),
        refused: vec![Counter {
            name: "wrong key".into(),
            value: 3,
        }],
        error: None,
    };
    let unknown = PathStatus {
        address: "2001:db8::2".parse().unwrap(),
        device: None,
        state: PathState::Unknown,
        last_seen_ms: None,
        round_trip_us: None,
        lost: 0,
        lost_of: 0,
        core_age_ms: None,
        syncd_age_ms: None,
        refused: vec![],
        error: Some("its local address is missing here".into()),
        ..alive.clone()
    };
    assert_text(
        &paths(&[alive, unknown]),
        "
        Path          Device  State                  Last seen  Round trip  Lost      Its core   Its mclagsyncd
        198.51.100.2  mgmt0   alive for 1 min 1 s    12 ms ago  1.042 ms    1 of 100  31 ms ago  2.5 s ago
        2001:db8::2   -       unknown for 1 min 1 s  -          -           -         -          -
        Path 198.51.100.2: 3 refused, wrong key
        Path 2001:db8::2: its local address is missing here
        ",
    );
}

#[test]
fn what_keeps_others_from_the_session_is_named() {
    let ao = |current| {
        Some(TcpAo {
            current,
            asked_for: 2,
        })
    };
    for (signed, tcp_ao, ttl_security, words) in [
        (false, None, false, "none"),
        (false, None, true, "hop limit 255"),
        (true, None, false, "TCP-MD5"),
        (true, ao(None), false, "TCP-AO (key 2)"),
        (true, ao(Some(2)), true, "TCP-AO (key 2), hop limit 255"),
        (
            true,
            ao(Some(1)),
            false,
            "TCP-AO (key 1, the peer is asked for 2)",
        ),
    ] {
        let status = PeerStatus {
            signed,
            tcp_ao,
            ttl_security,
            ..a_peer()
        };
        assert_eq!(protection(&status), words);
    }
}

#[test]
fn peer_that_was_never_heard() {
    let silent = PeerStatus {
        session: SessionState::Down,
        dialling: false,
        software: None,
        system_mac: None,
        node: None,
        priority: None,
        last_heard_ms: None,
        last_error: None,
        signed: false,
        tcp_ao: None,
        ttl_security: false,
        counters: vec![],
        refused: vec![],
        ..a_peer()
    };
    assert_text(
        &peer(&silent),
        "
        Address     192.0.2.2
        Session     down
        Connection  the peer connects
        Software    -
        System MAC  -
        Node id     -
        Priority    -
        Last heard  never
        Keepalive   every 1 s, session lost after 15 s
        Protection  none
        Last error  -
        ",
    );
}

#[test]
fn durations_are_in_the_two_largest_units() {
    let cases = [
        (0, "0 s"),
        (999, "999 ms"),
        (1000, "1 s"),
        (1550, "1.5 s"),
        (15_900, "15 s"),
        (60_000, "1 min 0 s"),
        (3_599_000, "59 min 59 s"),
        (7_384_000, "2 h 3 min"),
        (100_000_000, "1 d 3 h"),
    ];
    for (ms, want) in cases {
        assert_eq!(duration(ms), want);
    }
}

#[test]
fn neighbours_of_every_kind() {
    let line = NeighbourLine {
        interface: IfName::new("vlan10").unwrap(),
        address: "192.0.2.7".parse().unwrap(),
        mac: Mac([2, 0, 0, 0, 0, 7]),
        local: true,
        remote: true,
        permanent: false,
        installed: false,
        stale: false,
    };
    let lines = [
        line.clone(),
        NeighbourLine {
            address: "2001:db8::1".parse().unwrap(),
            local: false,
            permanent: true,
            installed: true,
            stale: true,
            ..line.clone()
        },
    ];
    let text = neighbours(&lines);
    let words = |n: usize| -> Vec<&str> {
        let row = text.lines().nth(n).unwrap();
        row.split("  ")
            .map(str::trim)
            .filter(|w| !w.is_empty())
            .collect()
    };
    assert_eq!(words(0), ["Interface", "Address", "MAC", "Known to"]);
    assert_eq!(
        words(1),
        ["vlan10", "192.0.2.7", "02:00:00:00:00:07", "both"]
    );
    let remarks = "the peer's own, installed, stale";
    let theirs = [
        "vlan10",
        "2001:db8::1",
        "02:00:00:00:00:07",
        "the peer",
        remarks,
    ];
    assert_eq!(words(2), theirs);
    assert!(text.ends_with("\n2 neighbours\n"));
    assert_eq!(neighbours(&[]), "0 neighbours\n");
    assert!(neighbours(&[line]).ends_with("\n1 neighbour\n"));
}
