//! `spec/mclagsyncd-protocol.md` 11, every vector in both directions.

use super::*;

const SONIC: Dialect = Dialect::Sonic;
const LINUX_MCLAG: Dialect = Dialect::LinuxMclag;

pub(super) const PORT_ISOLATE: &str = "\
    01 01 39 00 01 00 0d 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 30 02 00 20 00 50 6f 72 74 43 68 61 \
    6e 6e 65 6c 31 2c 45 74 68 65 72 6e 65 74 30 2c \
    45 74 68 65 72 6e 65 74 34 \
";

pub(super) const PORT_ISOLATE_WITH_EMPTY_DESTINATION: &str = "\
    01 01 19 00 01 00 0d 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 30 02 00 00 00 \
";

pub(super) const PORT_MAC_LEARN_MODE_DISABLE: &str = "\
    01 02 15 00 04 00 0d 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 30 \
";

pub(super) const PORT_MAC_LEARN_MODE_ENABLE: &str = "\
    01 02 15 00 03 00 0d 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 30 \
";

pub(super) const FLUSH_FDB: &str = "\
    01 03 04 00 \
";

pub(super) const SET_INTF_MAC: &str = "\
    01 04 24 00 05 00 07 00 56 6c 61 6e 31 30 30 06 \
    00 11 00 30 32 3a 30 30 3a 30 30 3a 30 30 3a 30 \
    30 3a 30 31 \
";

pub(super) const SET_FDB_ADD: &str = "\
    01 05 28 00 00 11 22 33 44 55 00 00 64 00 00 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 00 00 00 00 \
    00 00 00 00 02 00 01 00 \
";

pub(super) const SET_FDB_DELETE: &str = "\
    01 05 28 00 00 11 22 33 44 55 00 00 64 00 00 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 30 00 00 00 \
    00 00 00 00 02 00 02 00 \
";

pub(super) const SET_TRAFFIC_DIST_ENABLE: &str = "\
    01 06 14 00 07 00 0c 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 \
";

pub(super) const SET_TRAFFIC_DIST_DISABLE: &str = "\
    01 07 14 00 07 00 0c 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 \
";

pub(super) const SET_ICCP_STATE_UP: &str = "\
    01 08 11 00 08 00 04 00 01 00 00 00 0b 00 01 00 \
    01 \
";

pub(super) const SET_ICCP_ROLE_ACTIVE: &str = "\
    01 09 1b 00 08 00 04 00 01 00 00 00 09 00 01 00 \
    01 0a 00 06 00 02 00 00 00 00 01 \
";

pub(super) const SET_ICCP_ROLE_STANDBY: &str = "\
    01 09 11 00 08 00 04 00 01 00 00 00 09 00 01 00 \
    00 \
";

pub(super) const SET_ICCP_SYSTEM_ID: &str = "\
    01 0a 16 00 08 00 04 00 01 00 00 00 0a 00 06 00 \
    02 00 00 00 00 01 \
";

pub(super) const DEL_ICCP_INFO: &str = "\
    01 0b 0c 00 08 00 04 00 01 00 00 00 \
";

pub(super) const SET_REMOTE_IF_STATE: &str = "\
    01 0c 21 00 08 00 04 00 01 00 00 00 07 00 0c 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 0b 00 01 00 \
    01 \
";

pub(super) const DEL_REMOTE_IF_INFO: &str = "\
    01 0d 1c 00 08 00 04 00 01 00 00 00 07 00 0c 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 \
";

pub(super) const SET_PEER_LINK_ISOLATION: &str = "\
    01 0e 21 00 08 00 04 00 01 00 00 00 07 00 0c 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 0c 00 01 00 \
    01 \
";

pub(super) const SET_ICCP_PEER_SYSTEM_ID: &str = "\
    01 0f 16 00 08 00 04 00 01 00 00 00 0d 00 06 00 \
    02 00 00 00 00 02 \
";

pub(super) const FDB_OPERATION_ONE_ADD_AND_ONE_DELETE: &str = "\
    01 01 4c 00 00 11 22 33 44 55 00 00 64 00 00 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 00 00 00 00 \
    00 00 00 00 02 00 01 00 00 aa bb cc dd ee 00 00 \
    c8 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 02 00 \
";

pub(super) const CFG_MCLAG_DOMAIN_ADD: &str = "\
    01 02 54 00 01 00 00 00 01 00 00 00 01 00 00 00 \
    0f 00 00 00 31 30 2e 30 2e 30 2e 31 00 00 00 00 \
    00 00 00 00 31 30 2e 30 2e 30 2e 32 00 00 00 00 \
    00 00 00 00 50 6f 72 74 43 68 61 6e 6e 65 6c 31 \
    30 00 00 00 00 00 00 00 02 00 00 00 00 01 00 00 \
    1f 00 00 00 \
";

pub(super) const CFG_MCLAG_DOMAIN_ATTRIBUTE_DELETE: &str = "\
    01 02 54 00 04 00 00 00 01 00 00 00 ff ff ff ff \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 02 00 00 00 00 01 00 00 \
    08 00 00 00 \
";

pub(super) const CFG_MCLAG_DOMAIN_DELETE: &str = "\
    01 02 54 00 02 00 00 00 01 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 02 00 00 00 00 01 00 00 \
    00 00 00 00 \
";

pub(super) const CFG_MCLAG_IFACE: &str = "\
    01 03 20 00 01 00 00 00 01 00 00 00 50 6f 72 74 \
    43 68 61 6e 6e 65 6c 31 00 00 00 00 00 00 00 00 \
";

pub(super) const VLAN_MBR_UPDATES: &str = "\
    01 04 20 00 01 00 00 00 64 00 00 00 50 6f 72 74 \
    43 68 61 6e 6e 65 6c 31 00 00 00 00 00 00 00 00 \
";

pub(super) const CFG_MCLAG_UNIQUE_IP: &str = "\
    01 05 1c 00 01 00 00 00 56 6c 61 6e 31 30 30 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 \
";

pub(super) const LM_PORT_ISOLATE: &str = "\
    01 01 1e 00 01 00 08 00 70 65 65 72 6c 69 6e 6b \
    02 00 0a 00 73 77 70 31 2c 21 73 77 70 32 \
";

pub(super) const LM_PORT_MAC_LEARN_MODE_DISABLE: &str = "\
    01 02 10 00 04 00 08 00 70 65 65 72 6c 69 6e 6b \
";

pub(super) const LM_FLUSH_FDB: &str = "\
    01 03 04 00 \
";

pub(super) const LM_SET_MAC: &str = "\
    01 04 32 00 05 00 15 00 73 65 72 76 65 72 31 3a \
    31 30 2e 31 2e 31 2e 32 35 34 2f 32 34 06 00 11 \
    00 34 34 3a 33 38 3a 33 39 3a 66 66 3a 30 30 3a \
    30 31 \
";

pub(super) const LM_SET_FDB_ADD: &str = "\
    01 05 4c 00 30 30 3a 31 31 3a 32 32 3a 33 33 3a \
    34 34 3a 35 35 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 64 00 00 00 73 65 72 76 65 72 31 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 02 00 01 00 \
";

pub(super) const LM_FLUSH_FDB_BY_PORT: &str = "\
    01 06 0f 00 00 00 07 00 73 65 72 76 65 72 31 \
";

pub(super) const LM_GET_FDB_CHANGES: &str = "\
    01 14 04 00 \
";

pub(super) const LM_FDB_OPERATION_ONE_DELETE_AND_ONE_ADD: &str = "\
    01 01 94 00 30 30 3a 31 31 3a 32 32 3a 33 33 3a \
    34 34 3a 35 35 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 64 00 00 00 73 65 72 76 65 72 31 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 02 00 02 00 30 30 3a 61 \
    61 3a 62 62 3a 63 63 3a 64 64 3a 65 65 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 \
    73 65 72 76 65 72 32 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    02 00 01 00 \
";

fn entry(address: &str, vlan: u16, on: &str, op: RecordOp) -> FdbRecord {
    FdbRecord {
        mac: mac(address),
        vid: vid(vlan),
        port: Some(port(on)),
        kind: FdbKind::Dynamic,
        op,
    }
}

fn learn(on: &str, learning: bool) -> ClientMessage {
    ClientMessage::MacLearnMode {
        ports: vec![port(on)],
        learning,
    }
}

/// The vectors, and what a receiver makes of them.
pub(super) fn client_cases() -> Vec<(&'static str, Dialect, ClientMessage)> {
    let isolate = |link, ports| {
        ClientMessage::PortIsolate(PortIsolate {
            peer_link: port(link),
            ports,
        })
    };
    let isolated = |names: &[&str]| {
        let ports = names.iter().map(|n| IsolatedPort::named(port(n), true));
        isolate("PortChannel10", ports.collect())
    };
    let traffic = |is_enabled| ClientMessage::TrafficDistribution {
        port: port("PortChannel1"),
        is_enabled,
    };
    let role = |is_active, system_id| ClientMessage::IccpRole {
        domain: one(),
        is_active,
        system_id,
    };
    let set = |address, on, op| ClientMessage::SetFdb(vec![entry(address, 100, on, op)]);
    let host = "00:11:22:33:44:55";
    vec![
        (
            PORT_ISOLATE,
            SONIC,
            isolated(&["PortChannel1", "Ethernet0", "Ethernet4"]),
        ),
        (PORT_ISOLATE_WITH_EMPTY_DESTINATION, SONIC, isolated(&[])),
        (
            PORT_MAC_LEARN_MODE_DISABLE,
            SONIC,
            learn("PortChannel10", false),
        ),
        (
            PORT_MAC_LEARN_MODE_ENABLE,
            SONIC,
            learn("PortChannel10", true),
        ),
        (FLUSH_FDB, SONIC, ClientMessage::FlushFdb),
        (
            SET_INTF_MAC,
            SONIC,
            ClientMessage::SetInterfaceMac {
                interface: port("Vlan100"),
                address: None,
                mac: ONE,
            },
        ),
        (SET_FDB_ADD, SONIC, set(host, "PortChannel1", RecordOp::Add)),
        (
            SET_FDB_DELETE,
            SONIC,
            set(host, "PortChannel10", RecordOp::Delete),
        ),
        (SET_TRAFFIC_DIST_ENABLE, SONIC, traffic(true)),
        (SET_TRAFFIC_DIST_DISABLE, SONIC, traffic(false)),
        (
            SET_ICCP_STATE_UP,
            SONIC,
            ClientMessage::IccpState {
                domain: one(),
                is_up: true,
            },
        ),
        (SET_ICCP_ROLE_ACTIVE, SONIC, role(true, Some(ONE))),
        (SET_ICCP_ROLE_STANDBY, SONIC, role(false, None)),
        (
            SET_ICCP_SYSTEM_ID,
            SONIC,
            ClientMessage::IccpSystemId {
                domain: one(),
                system_id: ONE,
            },
        ),
        (
            DEL_ICCP_INFO,
            SONIC,
            ClientMessage::DeleteIccpInfo { domain: one() },
        ),
        (
            SET_REMOTE_IF_STATE,
            SONIC,
            ClientMessage::RemoteInterfaceState {
                domain: one(),
                port: port("PortChannel1"),
                is_up: true,
            },
        ),
        (
            DEL_REMOTE_IF_INFO,
            SONIC,
            ClientMessage::DeleteRemoteInterface {
                domain: one(),
                port: port("PortChannel1"),
            },
        ),
        (
            SET_PEER_LINK_ISOLATION,
            SONIC,
            ClientMessage::PeerLinkIsolation {
                domain: one(),
                port: port("PortChannel1"),
                is_isolated: true,
            },
        ),
        (
            SET_ICCP_PEER_SYSTEM_ID,
            SONIC,
            ClientMessage::PeerSystemId {
                domain: one(),
                system_id: mac("02:00:00:00:00:02"),
            },
        ),
        (
            LM_PORT_ISOLATE,
            LINUX_MCLAG,
            isolate(
                "peerlink",
                vec![
                    IsolatedPort::named(port("swp1"), true),
                    IsolatedPort::named(port("swp2"), false),
                ],
            ),
        ),
        (
            LM_PORT_MAC_LEARN_MODE_DISABLE,
            LINUX_MCLAG,
            learn("peerlink", false),
        ),
        (LM_FLUSH_FDB, LINUX_MCLAG, ClientMessage::FlushFdb),
        (
            LM_SET_MAC,
            LINUX_MCLAG,
            ClientMessage::SetInterfaceMac {
                interface: port("server1"),
                address: Some(InterfaceAddress {
                    address: Ipv4Addr::new(10, 1, 1, 254),
                    prefix_len: 24,
                }),
                mac: mac("44:38:39:ff:00:01"),
            },
        ),
        (
            LM_SET_FDB_ADD,
            LINUX_MCLAG,
            set(host, "server1", RecordOp::Add),
        ),
        (
            LM_FLUSH_FDB_BY_PORT,
            LINUX_MCLAG,
            ClientMessage::FlushFdbByPort {
                port: port("server1"),
            },
        ),
        (
            LM_GET_FDB_CHANGES,
            LINUX_MCLAG,
            ClientMessage::GetFdbChanges,
        ),
    ]
}

/// The vectors, and what a receiver makes of them.
pub(super) fn server_cases() -> Vec<(&'static str, Dialect, ServerMessage)> {
    let forgotten = FdbRecord {
        mac: mac("00:aa:bb:cc:dd:ee"),
        vid: vid(200),
        port: None,
        kind: FdbKind::None,
        op: RecordOp::Delete,
    };
    let deleted = DomainRecord {
        op: DomainOp::Delete,
        domain: one(),
        keepalive_s: 0,
        session_timeout_s: 0,
        local: None,
        peer: None,
        peer_link: None,
        system_mac: ONE,
        attributes: DomainAttributes::empty(),
    };
    let added = DomainRecord {
        op: DomainOp::Add,
        keepalive_s: 1,
        session_timeout_s: 15,
        local: Some(Ipv4Addr::new(10, 0, 0, 1)),
        peer: Some(Ipv4Addr::new(10, 0, 0, 2)),
        peer_link: Some(port("PortChannel10")),
        attributes: DomainAttributes::from_bits_retain(0x1f),
        ..deleted
    };
    let reset = DomainRecord {
        op: DomainOp::DeleteAttributes,
        keepalive_s: -1,
        attributes: DomainAttributes::KEEPALIVE,
        ..deleted
    };
    let interface = InterfaceRecord {
        op: RecordOp::Add,
        domain: one(),
        port: port("PortChannel1"),
    };
    let member = VlanMemberRecord {
        op: RecordOp::Add,
        vid: vid(100),
        port: port("PortChannel1"),
    };
    let unique = UniqueIpRecord {
        op: RecordOp::Add,
        interface: port("Vlan100"),
    };
    let domain = |record| ServerMessage::Domain(vec![record]);
    let host = "00:11:22:33:44:55";
    vec![
        (
            FDB_OPERATION_ONE_ADD_AND_ONE_DELETE,
            SONIC,
            ServerMessage::Fdb(vec![
                entry(host, 100, "PortChannel1", RecordOp::Add),
                forgotten,
            ]),
        ),
        (CFG_MCLAG_DOMAIN_ADD, SONIC, domain(added)),
        (CFG_MCLAG_DOMAIN_ATTRIBUTE_DELETE, SONIC, domain(reset)),
        (CFG_MCLAG_DOMAIN_DELETE, SONIC, domain(deleted)),
        (
            CFG_MCLAG_IFACE,
            SONIC,
            ServerMessage::Interfaces(vec![interface]),
        ),
        (
            VLAN_MBR_UPDATES,
            SONIC,
            ServerMessage::VlanMembers(vec![member]),
        ),
        (
            CFG_MCLAG_UNIQUE_IP,
            SONIC,
            ServerMessage::UniqueIps(vec![unique]),
        ),
        (
            LM_FDB_OPERATION_ONE_DELETE_AND_ONE_ADD,
            LINUX_MCLAG,
            ServerMessage::Fdb(vec![
                entry(host, 100, "server1", RecordOp::Delete),
                entry("00:aa:bb:cc:dd:ee", 1, "server2", RecordOp::Add),
            ]),
        ),
    ]
}

#[test]
fn messages_travel_as_these_bytes() {
    for (hex, dialect, message) in client_cases() {
        assert_eq!(message.encode(dialect), Ok(bytes_of(hex)), "{message:?}");
    }
    for (hex, dialect, message) in server_cases() {
        assert_eq!(message.encode(dialect), Ok(bytes_of(hex)), "{message:?}");
    }
}

#[test]
fn these_bytes_are_read_as_messages() {
    for (hex, dialect, message) in client_cases() {
        assert_eq!(from_client(&frame_of_hex(hex), dialect), message);
    }
    for (hex, dialect, message) in server_cases() {
        assert_eq!(from_server(&frame_of_hex(hex), dialect), message);
    }
}

#[test]
fn no_truncation_is_read_as_the_whole() {
    for (hex, dialect, message) in client_cases() {
        let mut frame = frame_of_hex(hex);
        while frame.body.pop().is_some() {
            let got = ClientMessage::decode(&frame, dialect);
            let whole = Ok(Some(Decoded {
                message: message.clone(),
                skipped: vec![],
            }));
            assert_ne!(got, whole, "{} bytes", frame.body.len());
        }
    }
    for (hex, dialect, message) in server_cases() {
        let mut frame = frame_of_hex(hex);
        while frame.body.pop().is_some() {
            let got = ServerMessage::decode(&frame, dialect);
            let got = got.unwrap().unwrap().message;
            assert_ne!(got, message, "{} bytes", frame.body.len());
        }
    }
}

/// `spec/mclagsyncd-protocol.md` 2.1, 10 item 15: ignored, and reported with their place.
#[test]
fn bytes_behind_the_last_record_are_ignored() {
    for (hex, dialect, message) in server_cases() {
        let mut frame = frame_of_hex(hex);
        let end = HEADER_LEN + frame.body.len();
        frame.body.extend([0xff; 23]);
        let decoded = ServerMessage::decode(&frame, dialect).unwrap().unwrap();
        assert_eq!(decoded.message, message);
        let places: Vec<_> = decoded.skipped.iter().map(|s| s.error.offset).collect();
        assert_eq!(places, [end], "{:?}", decoded.skipped);
    }
}

/// `spec/mclagsyncd-protocol.md` 3: what one dialect has, the other may not know.
#[test]
fn a_message_that_a_dialect_does_not_have_is_neither_sent_nor_read() {
    let older = [Dialect::LinuxMclag, Dialect::Intermediate];
    for (hex, dialect, message) in client_cases() {
        let is_of_both = matches!(frame_of_hex(hex).kind, 1..=5);
        for other in Dialect::ALL.into_iter().filter(|d| *d != dialect) {
            let is_poll = matches!(message, ClientMessage::GetFdbChanges);
            let has = is_of_both || is_poll && older.contains(&other);
            let refused = EncodeError::NotInDialect {
                message: message.kind().1,
                dialect: other,
            };
            assert!(refused.is_harmless());
            let is_refused = message.encode(other) == Err(refused);
            assert_eq!(is_refused, !has, "{message:?} {other}");
            if !has {
                let got = ClientMessage::decode(&frame_of_hex(hex), other);
                let is_type_6 = frame_of_hex(hex).kind == 6;
                // Type 6 means something in sonic and something else in linux-mclag.
                assert!(is_type_6 || got == Ok(None), "{message:?} {other}");
            }
        }
    }
    for (hex, _, message) in server_cases() {
        for other in older.into_iter().filter(|_| frame_of_hex(hex).kind != 1) {
            assert!(message.encode(other).unwrap_err().is_harmless());
            assert_eq!(ServerMessage::decode(&frame_of_hex(hex), other), Ok(None));
        }
    }
}
