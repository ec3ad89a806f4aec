//! The vectors of `spec/mclagsyncd-protocol.md` 11.1 and 11.2, used in both directions, and bytes
//! recorded from a running mclagsyncd.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::Vid;
use crate::sync::frame::{Decoder, HEADER_LEN};

const PORT_ISOLATE: &str = "\
    01 01 39 00 01 00 0d 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 30 02 00 20 00 50 6f 72 74 43 68 61 \
    6e 6e 65 6c 31 2c 45 74 68 65 72 6e 65 74 30 2c \
    45 74 68 65 72 6e 65 74 34 \
";

const PORT_ISOLATE_WITH_EMPTY_DESTINATION: &str = "\
    01 01 19 00 01 00 0d 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 30 02 00 00 00 \
";

const PORT_MAC_LEARN_MODE_DISABLE: &str = "\
    01 02 15 00 04 00 0d 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 30 \
";

const PORT_MAC_LEARN_MODE_ENABLE: &str = "\
    01 02 15 00 03 00 0d 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 30 \
";

const FLUSH_FDB: &str = "\
    01 03 04 00 \
";

const SET_INTF_MAC: &str = "\
    01 04 24 00 05 00 07 00 56 6c 61 6e 31 30 30 06 \
    00 11 00 30 32 3a 30 30 3a 30 30 3a 30 30 3a 30 \
    30 3a 30 31 \
";

const SET_FDB_ADD: &str = "\
    01 05 28 00 00 11 22 33 44 55 00 00 64 00 00 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 00 00 00 00 \
    00 00 00 00 02 00 01 00 \
";

const SET_FDB_DELETE: &str = "\
    01 05 28 00 00 11 22 33 44 55 00 00 64 00 00 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 30 00 00 00 \
    00 00 00 00 02 00 02 00 \
";

const SET_TRAFFIC_DIST_ENABLE: &str = "\
    01 06 14 00 07 00 0c 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 \
";

const SET_TRAFFIC_DIST_DISABLE: &str = "\
    01 07 14 00 07 00 0c 00 50 6f 72 74 43 68 61 6e \
    6e 65 6c 31 \
";

const SET_ICCP_STATE_UP: &str = "\
    01 08 11 00 08 00 04 00 01 00 00 00 0b 00 01 00 \
    01 \
";

const SET_ICCP_ROLE_ACTIVE: &str = "\
    01 09 1b 00 08 00 04 00 01 00 00 00 09 00 01 00 \
    01 0a 00 06 00 02 00 00 00 00 01 \
";

const SET_ICCP_ROLE_STANDBY: &str = "\
    01 09 11 00 08 00 04 00 01 00 00 00 09 00 01 00 \
    00 \
";

const SET_ICCP_SYSTEM_ID: &str = "\
    01 0a 16 00 08 00 04 00 01 00 00 00 0a 00 06 00 \
    02 00 00 00 00 01 \
";

const DEL_ICCP_INFO: &str = "\
    01 0b 0c 00 08 00 04 00 01 00 00 00 \
";

const SET_REMOTE_IF_STATE: &str = "\
    01 0c 21 00 08 00 04 00 01 00 00 00 07 00 0c 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 0b 00 01 00 \
    01 \
";

const DEL_REMOTE_IF_INFO: &str = "\
    01 0d 1c 00 08 00 04 00 01 00 00 00 07 00 0c 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 \
";

const SET_PEER_LINK_ISOLATION: &str = "\
    01 0e 21 00 08 00 04 00 01 00 00 00 07 00 0c 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 0c 00 01 00 \
    01 \
";

const SET_ICCP_PEER_SYSTEM_ID: &str = "\
    01 0f 16 00 08 00 04 00 01 00 00 00 0d 00 06 00 \
    02 00 00 00 00 02 \
";

const FDB_OPERATION_ONE_ADD_AND_ONE_DELETE: &str = "\
    01 01 4c 00 00 11 22 33 44 55 00 00 64 00 00 00 \
    50 6f 72 74 43 68 61 6e 6e 65 6c 31 00 00 00 00 \
    00 00 00 00 02 00 01 00 00 aa bb cc dd ee 00 00 \
    c8 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 02 00 \
";

const CFG_MCLAG_DOMAIN_ADD: &str = "\
    01 02 54 00 01 00 00 00 01 00 00 00 01 00 00 00 \
    0f 00 00 00 31 30 2e 30 2e 30 2e 31 00 00 00 00 \
    00 00 00 00 31 30 2e 30 2e 30 2e 32 00 00 00 00 \
    00 00 00 00 50 6f 72 74 43 68 61 6e 6e 65 6c 31 \
    30 00 00 00 00 00 00 00 02 00 00 00 00 01 00 00 \
    1f 00 00 00 \
";

const CFG_MCLAG_DOMAIN_ATTRIBUTE_DELETE: &str = "\
    01 02 54 00 04 00 00 00 01 00 00 00 ff ff ff ff \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 02 00 00 00 00 01 00 00 \
    08 00 00 00 \
";

const CFG_MCLAG_DOMAIN_DELETE: &str = "\
    01 02 54 00 02 00 00 00 01 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
    00 00 00 00 00 00 00 00 02 00 00 00 00 01 00 00 \
    00 00 00 00 \
";

const CFG_MCLAG_IFACE: &str = "\
    01 03 20 00 01 00 00 00 01 00 00 00 50 6f 72 74 \
    43 68 61 6e 6e 65 6c 31 00 00 00 00 00 00 00 00 \
";

const VLAN_MBR_UPDATES: &str = "\
    01 04 20 00 01 00 00 00 64 00 00 00 50 6f 72 74 \
    43 68 61 6e 6e 65 6c 31 00 00 00 00 00 00 00 00 \
";

const CFG_MCLAG_UNIQUE_IP: &str = "\
    01 05 1c 00 01 00 00 00 56 6c 61 6e 31 30 30 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 \
";

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn one() -> DomainId {
    DomainId::new(1).unwrap()
}

fn vid(raw: u16) -> Vid {
    Vid::new(raw).unwrap()
}

const ONE: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn client_cases() -> Vec<(&'static str, ClientMessage)> {
    let record = |name, op| FdbRecord {
        mac: Mac([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]),
        vid: vid(100),
        port: Some(port(name)),
        kind: FdbKind::Dynamic,
        op,
    };
    let isolate = |isolated: &[&str]| ClientMessage::PortIsolate {
        peer_link: port("PortChannel10"),
        isolated: isolated.iter().map(|name| port(name)).collect(),
    };
    let learn = |learning| ClientMessage::MacLearnMode {
        port: port("PortChannel10"),
        learning,
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
    vec![
        (
            PORT_ISOLATE,
            isolate(&["PortChannel1", "Ethernet0", "Ethernet4"]),
        ),
        (PORT_ISOLATE_WITH_EMPTY_DESTINATION, isolate(&[])),
        (PORT_MAC_LEARN_MODE_DISABLE, learn(false)),
        (PORT_MAC_LEARN_MODE_ENABLE, learn(true)),
        (
            SET_FDB_ADD,
            ClientMessage::SetFdb(vec![record("PortChannel1", RecordOp::Add)]),
        ),
        (
            SET_FDB_DELETE,
            ClientMessage::SetFdb(vec![record("PortChannel10", RecordOp::Delete)]),
        ),
        (SET_TRAFFIC_DIST_ENABLE, traffic(true)),
        (SET_TRAFFIC_DIST_DISABLE, traffic(false)),
        (
            SET_ICCP_STATE_UP,
            ClientMessage::IccpState {
                domain: one(),
                is_up: true,
            },
        ),
        (SET_ICCP_ROLE_ACTIVE, role(true, Some(ONE))),
        (SET_ICCP_ROLE_STANDBY, role(false, None)),
        (
            SET_ICCP_SYSTEM_ID,
            ClientMessage::IccpSystemId {
                domain: one(),
                system_id: ONE,
            },
        ),
        (
            DEL_ICCP_INFO,
            ClientMessage::DeleteIccpInfo { domain: one() },
        ),
        (
            SET_REMOTE_IF_STATE,
            ClientMessage::RemoteInterfaceState {
                domain: one(),
                port: port("PortChannel1"),
                is_up: true,
            },
        ),
        (
            DEL_REMOTE_IF_INFO,
            ClientMessage::DeleteRemoteInterface {
                domain: one(),
                port: port("PortChannel1"),
            },
        ),
        (
            SET_PEER_LINK_ISOLATION,
            ClientMessage::PeerLinkIsolation {
                domain: one(),
                port: port("PortChannel1"),
                is_isolated: true,
            },
        ),
    ]
}

fn server_cases() -> Vec<(&'static str, ServerMessage)> {
    let learned = FdbRecord {
        mac: Mac([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]),
        vid: vid(100),
        port: Some(port("PortChannel1")),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    };
    let forgotten = FdbRecord {
        mac: Mac([0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]),
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
    let domain = |record| ServerMessage::Domain(vec![record]);
    vec![
        (
            FDB_OPERATION_ONE_ADD_AND_ONE_DELETE,
            ServerMessage::Fdb(vec![learned, forgotten]),
        ),
        (CFG_MCLAG_DOMAIN_ADD, domain(added)),
        (CFG_MCLAG_DOMAIN_ATTRIBUTE_DELETE, domain(reset)),
        (CFG_MCLAG_DOMAIN_DELETE, domain(deleted)),
        (CFG_MCLAG_IFACE, ServerMessage::Interfaces(vec![interface])),
        (VLAN_MBR_UPDATES, ServerMessage::VlanMembers(vec![member])),
    ]
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn frame_of(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    decoder.next_frame().unwrap().unwrap()
}

fn frame(kind: u8, body: &str) -> Frame {
    Frame {
        version: VERSION,
        kind,
        body: bytes_of(body),
    }
}

#[test]
fn messages_travel_as_these_bytes() {
    for (hex, message) in client_cases() {
        assert_eq!(message.encode(), Ok(bytes_of(hex)), "{message:?}");
    }
    for (hex, message) in server_cases() {
        assert_eq!(message.encode(), Ok(bytes_of(hex)), "{message:?}");
    }
}

#[test]
fn these_bytes_are_read_as_messages() {
    for (hex, message) in client_cases() {
        let got = ClientMessage::decode(&frame_of(&bytes_of(hex)));
        assert_eq!(got, Ok(Some(message)));
    }
    for (hex, message) in server_cases() {
        let got = ServerMessage::decode(&frame_of(&bytes_of(hex)));
        assert_eq!(got, Ok(Some(message)));
    }
}

#[test]
fn messages_that_the_slice_does_not_need_are_skipped() {
    for hex in [FLUSH_FDB, SET_INTF_MAC, SET_ICCP_PEER_SYSTEM_ID] {
        assert_eq!(ClientMessage::decode(&frame_of(&bytes_of(hex))), Ok(None));
    }
    let unique_ip = frame_of(&bytes_of(CFG_MCLAG_UNIQUE_IP));
    assert_eq!(ServerMessage::decode(&unique_ip), Ok(None));
    let other_version = Frame {
        version: 2,
        ..frame_of(&bytes_of(SET_FDB_ADD))
    };
    assert_eq!(ClientMessage::decode(&other_version), Ok(None));
    assert_eq!(ServerMessage::decode(&other_version), Ok(None));
}

#[test]
fn no_truncation_is_read_as_the_whole() {
    for (hex, message) in client_cases() {
        let mut frame = frame_of(&bytes_of(hex));
        while frame.body.pop().is_some() {
            let got = ClientMessage::decode(&frame);
            assert_ne!(got, Ok(Some(message.clone())), "{} bytes", frame.body.len());
        }
    }
    for (hex, message) in server_cases() {
        let mut frame = frame_of(&bytes_of(hex));
        while frame.body.pop().is_some() {
            let got = ServerMessage::decode(&frame);
            assert_ne!(got, Ok(Some(message.clone())), "{} bytes", frame.body.len());
        }
    }
}

#[test]
fn bytes_behind_the_last_record_are_ignored() {
    for (hex, message) in server_cases() {
        let mut frame = frame_of(&bytes_of(hex));
        frame.body.extend([0xff; 27]);
        assert_eq!(ServerMessage::decode(&frame), Ok(Some(message)));
    }
}

/// Recorded from a running mclagsyncd: stale memory stands behind the end of each text, and in
/// fields that the attributes do not name.
#[test]
fn stale_memory_in_a_senders_fields_is_ignored() {
    let members = "01045800 010000000a00000045746865726e65743800b47161550000d05d4f68
        010000000a000000506f72744368616e6e656c3130303000d05d4f68
        010000000a000000506f72744368616e6e656c3030303100d05d4f68";
    let names = ["Ethernet8", "PortChannel1000", "PortChannel0001"];
    let records = names.map(|name| VlanMemberRecord {
        op: RecordOp::Add,
        vid: vid(10),
        port: port(name),
    });
    let got = ServerMessage::decode(&frame_of(&bytes_of(members)));
    assert_eq!(got, Ok(Some(ServerMessage::VlanMembers(records.to_vec()))));

    let reset = "01025400 0400000001000000000000000000000000000000000000000000000000000000
        00000000000000000000000000000000005f4f68fd7f000004000000000000000200000002000000
        0001000004000000";
    let record = DomainRecord {
        op: DomainOp::DeleteAttributes,
        domain: one(),
        keepalive_s: 0,
        session_timeout_s: 0,
        local: None,
        peer: None,
        peer_link: None,
        system_mac: Mac([2, 0, 0, 0, 0, 1]),
        attributes: DomainAttributes::PEER_LINK,
    };
    let got = ServerMessage::decode(&frame_of(&bytes_of(reset)));
    assert_eq!(got, Ok(Some(ServerMessage::Domain(vec![record]))));
}

#[test]
fn sub_options_are_found_in_any_order_among_unknown_ones() {
    // Unknown, state, domain; with garbage in the pad bytes.
    let body = "63ff0300 010203  0b7f0100 07  08000400 01000000";
    let up = ClientMessage::IccpState {
        domain: one(),
        is_up: true,
    };
    assert_eq!(ClientMessage::decode(&frame(8, body)), Ok(Some(up)));
}

#[test]
fn the_two_parts_of_an_isolation_are_also_found_by_position() {
    let body = "00000200 6161  00000500 62622c6363";
    let message = ClientMessage::PortIsolate {
        peer_link: port("aa"),
        isolated: vec![port("bb"), port("cc")],
    };
    assert_eq!(ClientMessage::decode(&frame(1, body)), Ok(Some(message)));
}

#[test]
fn empty_names_in_a_list_are_skipped() {
    let body = "01000200 6161  02000500 2c62622c2c";
    let message = ClientMessage::PortIsolate {
        peer_link: port("aa"),
        isolated: vec![port("bb")],
    };
    assert_eq!(ClientMessage::decode(&frame(1, body)), Ok(Some(message)));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let told = |kind, body| {
        ClientMessage::decode(&frame(kind, body))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(told(8, "08000400 01000000"), "sub-option 11 is missing");
    assert_eq!(
        told(8, "08000400 ffffffff 0b000100 01"),
        "domain -1 is not within 1..=65535"
    );
    assert_eq!(
        told(8, "08000400 00000100 0b000100 01"),
        "domain 65536 is not within 1..=65535"
    );
    assert_eq!(
        told(10, "08000400 01000000 0a000500 0102030405"),
        "sub-option 10 has 5 bytes"
    );
    assert_eq!(told(8, "0800ffff 01000000"), "unexpected end of data");
    assert_eq!(told(1, "01000100 61"), "sub-option 2 is missing");
    assert_eq!(told(6, ""), "sub-option 7 is missing");
    assert!(told(6, "07000000").contains("not an interface name"));
    assert_eq!(told(6, "07000100 ff"), "text is not UTF-8");
    let with = |at: usize, value: u8| {
        let mut frame = frame_of(&bytes_of(SET_FDB_ADD));
        frame.body[at] = value;
        ClientMessage::decode(&frame).unwrap_err().to_string()
    };
    assert_eq!(with(8, 0), "VLAN 0 is not within 1..=4094");
    assert_eq!(with(11, 1), "VLAN 16777316 is not within 1..=4094");
    assert_eq!(with(32, 9), "kind 9 of forwarding entry is not known");
    assert_eq!(with(34, 3), "operation 3 is not known");
    let mut domain = frame_of(&bytes_of(CFG_MCLAG_DOMAIN_ADD));
    domain.body[16] = b'x';
    let told = ServerMessage::decode(&domain).unwrap_err().to_string();
    assert_eq!(told, "\"x0.0.0.1\" is not an IPv4 address");
}

#[test]
fn a_message_holds_as_many_records_as_fit_4096_bytes() {
    let record = FdbRecord {
        mac: ONE,
        vid: vid(1),
        port: Some(port("swp1")),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    };
    let fits = ServerMessage::Fdb(vec![record; MAX_FDB_RECORDS]);
    assert!(fits.encode().is_ok());
    let too_many = ServerMessage::Fdb(vec![record; MAX_FDB_RECORDS + 1]);
    assert!(matches!(too_many.encode(), Err(EncodeError::Frame(_))));
}

#[test]
fn a_name_without_its_end_is_read_and_never_sent() {
    let full = "12345678901234567890";
    let mut frame = frame_of(&bytes_of(SET_FDB_ADD));
    frame.body[12..32].copy_from_slice(full.as_bytes());
    let Ok(Some(ClientMessage::SetFdb(records))) = ClientMessage::decode(&frame) else {
        panic!("not read");
    };
    assert_eq!(records[0].port, Some(port(full)));
    let sent = ClientMessage::SetFdb(records).encode();
    assert_eq!(sent, Err(EncodeError::Name(port(full))));
}

proptest! {
    #[test]
    fn random_bodies_never_panic(
        kind in 0..20_u8,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let frame = Frame { version: VERSION, kind, body };
        let _ = ClientMessage::decode(&frame);
        let _ = ServerMessage::decode(&frame);
    }

    #[test]
    fn spoiled_messages_never_panic_and_what_is_read_can_be_sent(
        which in any::<prop::sample::Index>(),
        spoil in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let spoiled = |hex: &str| {
            let mut frame = frame_of(&bytes_of(hex));
            for (at, value) in &spoil {
                let at = at.index(frame.body.len());
                frame.body[at] = *value;
            }
            frame
        };
        let clients = client_cases();
        let frame = spoiled(clients[which.index(clients.len())].0);
        if let Ok(Some(message)) = ClientMessage::decode(&frame) {
            let bytes = message.encode().unwrap();
            prop_assert_eq!(ClientMessage::decode(&frame_of(&bytes)), Ok(Some(message)));
            prop_assert!(bytes.len() <= frame.body.len() + HEADER_LEN);
        }
        let servers = server_cases();
        let frame = spoiled(servers[which.index(servers.len())].0);
        if let Ok(Some(message)) = ServerMessage::decode(&frame) {
            let bytes = message.encode().unwrap();
            prop_assert_eq!(ServerMessage::decode(&frame_of(&bytes)), Ok(Some(message)));
        }
    }
}
