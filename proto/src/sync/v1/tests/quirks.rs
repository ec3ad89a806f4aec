//! What a drop-in must tolerate (`spec/mclagsyncd-protocol.md` 10), and the traps of single
//! messages (3.3, 4, 5, 9.3).

use super::vectors::{
    CFG_MCLAG_DOMAIN_ADD, LM_SET_FDB_ADD, SET_FDB_ADD, SET_ICCP_STATE_UP, VLAN_MBR_UPDATES,
    client_cases, server_cases,
};
use super::*;

const SONIC: Dialect = Dialect::Sonic;
const LINUX_MCLAG: Dialect = Dialect::LinuxMclag;
const INTERMEDIATE: Dialect = Dialect::Intermediate;

/// Where the sub-options of a body begin.
fn sub_options(body: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut starts = Vec::new();
    while at < body.len() {
        starts.push(at);
        at += 4 + usize::from(u16::from_le_bytes([body[at + 2], body[at + 3]]));
    }
    starts
}

/// Text fields of the records of a body: offset and width.
fn text_fields(dialect: Dialect, side: Side, kind: u8) -> (usize, Vec<(usize, usize)>) {
    match (dialect, side, kind) {
        (Dialect::Sonic, Side::Client, 5) | (Dialect::Sonic, Side::Server, 1) => {
            (36, vec![(12, 20)])
        }
        (Dialect::LinuxMclag, ..) => (72, vec![(0, 32), (36, 32)]),
        (_, Side::Server, 2) => (80, vec![(16, 16), (32, 16), (48, 20)]),
        (_, Side::Server, 3 | 4) => (28, vec![(8, 20)]),
        _ => (24, vec![(4, 20)]),
    }
}

/// Fill what stands behind the NUL of every text of the frame's records.
fn with_garbage(frame: &Frame, dialect: Dialect, side: Side) -> Frame {
    let (size, fields) = text_fields(dialect, side, frame.kind);
    let mut frame = frame.clone();
    for record in frame.body.chunks_exact_mut(size) {
        for (at, width) in &fields {
            let field = &mut record[*at..at + width];
            let end = field.iter().position(|b| *b == 0).unwrap_or(*width);
            for byte in field.iter_mut().skip(end + 1) {
                *byte = 0xfd;
            }
        }
    }
    frame
}

/// 10 item 1.
#[test]
fn garbage_in_the_pad_byte_of_a_sub_option_is_ignored() {
    for (hex, dialect, message) in client_cases() {
        let mut frame = frame_of_hex(hex);
        if frame.kind == 5 {
            continue;
        }
        for at in sub_options(&frame.body.clone()) {
            frame.body[at + 1] = 0xc5;
        }
        assert_eq!(from_client(&frame, dialect), message);
    }
}

/// 10 item 2: also behind the NUL of a MAC.
#[test]
fn garbage_behind_the_nul_of_every_text_is_ignored() {
    for (hex, dialect, message) in server_cases() {
        let frame = with_garbage(&frame_of_hex(hex), dialect, Side::Server);
        assert_ne!(frame, frame_of_hex(hex));
        assert_eq!(from_server(&frame, dialect), message);
    }
    for hex in [SET_FDB_ADD, LM_SET_FDB_ADD] {
        for (_, dialect, message) in client_cases().iter().filter(|(h, ..)| *h == hex) {
            let frame = with_garbage(&frame_of_hex(hex), *dialect, Side::Client);
            assert_ne!(frame, frame_of_hex(hex));
            assert_eq!(from_client(&frame, *dialect), *message);
        }
    }
}

/// 10 item 3: accept 20, never send more than 19.
#[test]
fn a_name_without_its_end_is_read_and_never_sent() {
    let full = "12345678901234567890";
    for dialect in Dialect::ALL {
        let sent = ClientMessage::SetFdb(vec![learned("02:00:00:00:00:01", "swp1")]);
        let mut frame = frame_of(&sent.encode(dialect).unwrap());
        let at = match dialect {
            SONIC => 12,
            LINUX_MCLAG => 36,
            INTERMEDIATE => 24,
        };
        frame.body[at..at + 20].copy_from_slice(full.as_bytes());
        if dialect == LINUX_MCLAG {
            // 4.5: an `iccpd` fills only the first 20 of 32 bytes; the rest is old memory.
            frame.body[at + 20..at + 32].fill(b'z');
        }
        let ClientMessage::SetFdb(records) = from_client(&frame, dialect) else {
            panic!("another message");
        };
        assert_eq!(records[0].port, Some(port(full)));
        let sent = ClientMessage::SetFdb(records).encode(dialect);
        assert_eq!(sent, Err(EncodeError::Name(port(full))));
        let fits = learned("02:00:00:00:00:01", &full[..19]);
        assert!(ClientMessage::SetFdb(vec![fits]).encode(dialect).is_ok());
    }
    // Also where a record is nothing but its name.
    let mut frame = frame_of_hex(VLAN_MBR_UPDATES);
    frame.body[8..28].copy_from_slice(full.as_bytes());
    let ServerMessage::VlanMembers(records) = from_server(&frame, SONIC) else {
        panic!("another message");
    };
    assert_eq!(records[0].port, port(full));
    let sent = ServerMessage::VlanMembers(records).encode(SONIC);
    assert_eq!(sent, Err(EncodeError::Name(port(full))));
}

/// 10 item 4, 2.1: a name of 1 byte puts what follows on an odd offset.
#[test]
fn integers_stand_at_any_offset() {
    for name in ["a", "ab", "abc", "abcd"] {
        let message = ClientMessage::RemoteInterfaceState {
            domain: DomainId::new(65535).unwrap(),
            port: port(name),
            is_up: true,
        };
        let bytes = message.encode(SONIC).unwrap();
        assert_eq!(from_client(&frame_of(&bytes), SONIC), message);
    }
    let body = "07000100 61 0c000100 01 08000400 01000000";
    let message = ClientMessage::PeerLinkIsolation {
        domain: one(),
        port: port("a"),
        is_isolated: true,
    };
    assert_eq!(from_client(&frame(14, body), SONIC), message);
}

/// 10 item 6, 5.1: a sonic server says of a deletion neither port nor type, its client says both.
#[test]
fn a_deletion_has_no_port_in_what_a_sonic_server_says_only() {
    let deleted = FdbRecord {
        op: RecordOp::Delete,
        ..learned("02:00:00:00:00:01", "PortChannel1")
    };
    let bare = FdbRecord {
        port: None,
        kind: FdbKind::None,
        ..deleted
    };
    let said = |dialect: Dialect| {
        let bytes = ServerMessage::Fdb(vec![deleted]).encode(dialect).unwrap();
        from_server(&frame_of(&bytes), dialect)
    };
    assert_eq!(said(SONIC), ServerMessage::Fdb(vec![bare]));
    assert_eq!(said(LINUX_MCLAG), ServerMessage::Fdb(vec![deleted]));
    assert_eq!(said(INTERMEDIATE), ServerMessage::Fdb(vec![deleted]));
    let bytes = ClientMessage::SetFdb(vec![deleted]).encode(SONIC).unwrap();
    let got = from_client(&frame_of(&bytes), SONIC);
    assert_eq!(got, ClientMessage::SetFdb(vec![deleted]));
}

/// 5.1: a linux-mclag delete needs a valid port name.
#[test]
fn a_deletion_without_a_port_is_not_said_in_the_older_dialects_and_yet_read() {
    let bare = FdbRecord {
        port: None,
        op: RecordOp::Delete,
        ..learned("02:00:00:00:00:01", "x")
    };
    for dialect in [LINUX_MCLAG, INTERMEDIATE] {
        let refused = Err(EncodeError::NoPort(ONE));
        assert_eq!(ServerMessage::Fdb(vec![bare]).encode(dialect), refused);
        assert_eq!(ClientMessage::SetFdb(vec![bare]).encode(dialect), refused);
        let named = FdbRecord {
            port: Some(port("x")),
            ..bare
        };
        let bytes = ServerMessage::Fdb(vec![named]).encode(dialect).unwrap();
        let mut frame = frame_of(&bytes);
        let at = if dialect == LINUX_MCLAG { 36 } else { 24 };
        frame.body[at] = 0;
        let got = from_server(&frame, dialect);
        assert_eq!(got, ServerMessage::Fdb(vec![bare]));
    }
    let added = FdbRecord {
        op: RecordOp::Add,
        ..bare
    };
    for dialect in Dialect::ALL {
        let refused = Err(EncodeError::NoPort(ONE));
        assert_eq!(ClientMessage::SetFdb(vec![added]).encode(dialect), refused);
    }
}

/// 4.5: the port in a delete is informative, so is its type.
#[test]
fn a_deletion_need_not_make_sense_beyond_its_address_and_vlan() {
    let mut frame = frame_of_hex(SET_FDB_ADD);
    frame.body[12] = b'/';
    frame.body[32] = 9;
    frame.body[34] = 2;
    let record = FdbRecord {
        mac: mac("00:11:22:33:44:55"),
        vid: vid(100),
        port: None,
        kind: FdbKind::None,
        op: RecordOp::Delete,
    };
    let got = from_client(&frame, SONIC);
    assert_eq!(got, ClientMessage::SetFdb(vec![record]));
}

/// 4.5, 8: type 3 exists in sonic only, the others have 1 and 2.
#[test]
fn a_local_dynamic_entry_is_dynamic_in_the_older_dialects() {
    for (kind, sonic, older) in [
        (FdbKind::None, 0, 2),
        (FdbKind::Static, 1, 1),
        (FdbKind::Dynamic, 2, 2),
        (FdbKind::DynamicLocal, 3, 2),
    ] {
        let record = FdbRecord {
            kind,
            ..learned("02:00:00:00:00:01", "swp1")
        };
        for (dialect, want) in [(SONIC, sonic), (LINUX_MCLAG, older), (INTERMEDIATE, older)] {
            let bytes = ClientMessage::SetFdb(vec![record]).encode(dialect).unwrap();
            assert_eq!(
                bytes[bytes.len() - 4..][..2],
                [want, 0],
                "{kind:?} {dialect}"
            );
        }
    }
}

/// 4.16, 10 item 8: a move is a delete and then an add; their order stays.
#[test]
fn the_records_of_a_message_keep_their_order() {
    let add = learned("02:00:00:00:00:01", "swp1");
    let delete = FdbRecord {
        op: RecordOp::Delete,
        port: Some(port("swp2")),
        ..add
    };
    for dialect in [LINUX_MCLAG, INTERMEDIATE] {
        let message = ServerMessage::Fdb(vec![delete, add, delete]);
        let bytes = message.encode(dialect).unwrap();
        assert_eq!(from_server(&frame_of(&bytes), dialect), message);
    }
}

/// 10 item 11: the domain id is signed.
#[test]
fn a_domain_that_is_not_positive_is_refused() {
    for (raw, received) in [
        ("00000000", "0"),
        ("ffffffff", "-1"),
        ("00000080", "-2147483648"),
        ("00000100", "65536"),
    ] {
        let body = format!("08000400 {raw} 0b000100 01");
        let error = ClientMessage::decode(&frame(8, &body), SONIC).unwrap_err();
        let want = format!("domain at offset 8: {received} is not within 1..=65535");
        assert_eq!(error.to_string(), want);
        let record = format!("01000000 {raw} 61{}", "00".repeat(19));
        let decoded = ServerMessage::decode(&frame(3, &record), SONIC);
        let decoded = decoded.unwrap().unwrap();
        assert_eq!(decoded.message, ServerMessage::Interfaces(vec![]));
        let want = format!("entry 0: {want}");
        assert_eq!(decoded.skipped[0].to_string(), want);
    }
}

/// 10 item 13.
#[test]
fn a_mac_is_read_in_either_case_and_sent_in_lower_case() {
    let mut set = frame_of_hex(LM_SET_FDB_ADD);
    set.body[..17].copy_from_slice(b"0A:bC:De:Ef:fF:01");
    let ClientMessage::SetFdb(records) = from_client(&set, LINUX_MCLAG) else {
        panic!("another message");
    };
    assert_eq!(records[0].mac, mac("0a:bc:de:ef:ff:01"));
    let bytes = ClientMessage::SetFdb(records).encode(LINUX_MCLAG).unwrap();
    assert_eq!(bytes[4..21], *b"0a:bc:de:ef:ff:01");

    let body = "05000100 61  06001100 30413a62433a44653a45663a66463a3031";
    for dialect in Dialect::ALL {
        let message = from_client(&frame(4, body), dialect);
        let want = ClientMessage::SetInterfaceMac {
            interface: port("a"),
            address: None,
            mac: mac("0a:bc:de:ef:ff:01"),
        };
        assert_eq!(message, want);
        let bytes = message.encode(dialect).unwrap();
        assert!(bytes.ends_with(b"0a:bc:de:ef:ff:01"));
    }
}

/// 10 item 14.
#[test]
fn any_flag_but_zero_is_true() {
    for (value, want) in [("00", false), ("01", true), ("02", true), ("ff", true)] {
        let state = frame(8, &format!("08000400 01000000 0b000100 {value}"));
        let role = frame(9, &format!("08000400 01000000 09000100 {value}"));
        let isolation = format!("08000400 01000000 07000100 61 0c000100 {value}");
        assert_eq!(
            [
                from_client(&state, SONIC),
                from_client(&role, SONIC),
                from_client(&frame(14, &isolation), SONIC)
            ],
            [
                ClientMessage::IccpState {
                    domain: one(),
                    is_up: want
                },
                ClientMessage::IccpRole {
                    domain: one(),
                    is_active: want,
                    system_id: None
                },
                ClientMessage::PeerLinkIsolation {
                    domain: one(),
                    port: port("a"),
                    is_isolated: want
                },
            ]
        );
    }
}

/// 10 item 16, 2.4: skipped and reported, not a reason to close.
#[test]
fn a_message_of_another_version_is_reported_and_the_next_one_is_read() {
    let mut bytes = bytes_of(SET_ICCP_STATE_UP);
    bytes[0] = 3;
    bytes.extend(bytes_of(SET_ICCP_STATE_UP));
    let mut decoder = Decoder::v1();
    decoder.push(&bytes);
    let first = decoder.next_frame().unwrap().unwrap();
    for dialect in Dialect::ALL {
        let error = ClientMessage::decode(&first, dialect).unwrap_err();
        assert_eq!(error.to_string(), "version at offset 0: 3, expected 1");
        assert_eq!(ServerMessage::decode(&first, dialect), Err(error));
    }
    let second = decoder.next_frame().unwrap().unwrap();
    assert!(matches!(
        from_client(&second, SONIC),
        ClientMessage::IccpState { .. }
    ));
}

/// 3.3: walked as a list, unknown types skipped, of duplicates the last one wins.
#[test]
fn sub_options_are_found_in_any_order_among_unknown_ones() {
    let body = "63ff0300 010203  0b7f0100 00  08000400 01000000  0b000100 07";
    let up = ClientMessage::IccpState {
        domain: one(),
        is_up: true,
    };
    assert_eq!(from_client(&frame(8, body), SONIC), up);
}

/// 3.3: the legacy servers never look at the types of messages 1 and 4.
#[test]
fn the_two_parts_of_messages_1_and_4_are_also_found_by_position() {
    let isolate = ClientMessage::PortIsolate(PortIsolate {
        peer_link: port("aa"),
        ports: vec![
            IsolatedPort::named(port("bb"), true),
            IsolatedPort::named(port("cc"), true),
        ],
    });
    let set = ClientMessage::SetInterfaceMac {
        interface: port("aa"),
        address: None,
        mac: ONE,
    };
    let text = "30323a30303a30303a30303a30303a3031";
    for dialect in Dialect::ALL {
        for body in [
            "00000200 6161  00000500 62622c6363",
            "02000500 62622c6363 01000200 6161",
        ] {
            assert_eq!(from_client(&frame(1, body), dialect), isolate);
        }
        for body in [
            format!("00000200 6161  63001100 {text}"),
            format!("06001100 {text} 05000200 6161"),
        ] {
            assert_eq!(from_client(&frame(4, &body), dialect), set);
        }
    }
}

/// Whatever type it has: the receiver takes it for the part that stands there.
#[test]
fn a_part_that_is_found_by_position_is_named_as_what_it_was_taken_for() {
    let mac = "30323a30303a30303a30303a30303a3031";
    let field = |kind, body: &str| {
        let decoded = ClientMessage::decode(&frame(kind, body), SONIC);
        decoded.unwrap_err().field
    };
    let bad_name = format!("00000200 612f 63001100 {mac}");
    assert_eq!(field(4, &bad_name), "MAC interface");
    assert_eq!(field(4, "00000200 6161 63000200 7a7a"), "interface MAC");
    assert_eq!(field(1, "00000200 612f 63000200 6262"), "isolation source");
}

/// 3.3, message 2: linux-mclag takes several names, and every type but "enable" for "disable".
#[test]
fn linux_mclag_reads_learning_of_several_ports_and_of_any_type() {
    let learn = |names: &[&str], learning| ClientMessage::MacLearnMode {
        ports: names.iter().map(|name| port(name)).collect(),
        learning,
    };
    let received = |body| from_client(&frame(2, body), LINUX_MCLAG);
    assert_eq!(received("03000300 612c62"), learn(&["a", "b"], true));
    assert_eq!(received("63000300 612c62"), learn(&["a", "b"], false));
    assert_eq!(received("00000100 61"), learn(&["a"], false));
    let both = learn(&["a", "b"], false).encode(LINUX_MCLAG).unwrap();
    assert_eq!(both, bytes_of("01020b00 04000300 612c62"));
    for dialect in [SONIC, INTERMEDIATE] {
        let refused = EncodeError::Ports {
            message: "PORT_MAC_LEARN_MODE",
            count: 2,
            dialect,
        };
        assert_eq!(learn(&["a", "b"], true).encode(dialect), Err(refused));
        let error = ClientMessage::decode(&frame(2, "63000100 61"), dialect).unwrap_err();
        assert_eq!(error.problem, Problem::Missing(4));
    }
    assert!(learn(&[], true).encode(LINUX_MCLAG).is_err());
    // One bad name of several is skipped; a bad one alone is an error.
    let decoded = ClientMessage::decode(&frame(2, "04000500 612c2f2c62"), LINUX_MCLAG);
    let decoded = decoded.unwrap().unwrap();
    assert_eq!(decoded.message, learn(&["a", "b"], false));
    assert_eq!(decoded.skipped.len(), 1);
    for body in ["04000100 2f", "04000000"] {
        let error = ClientMessage::decode(&frame(2, body), LINUX_MCLAG).unwrap_err();
        assert!(error.to_string().starts_with("learning port at offset 8: "));
    }
}

/// 4.4: cut at the first `:`; no interface name has one.
#[test]
fn the_interface_of_message_4_ends_at_the_first_colon() {
    let read = |text: &str, dialect| {
        let mut body = vec![5, 0, u8::try_from(text.len()).unwrap(), 0];
        body.extend(text.as_bytes());
        body.extend(bytes_of("06001100 30323a30303a30303a30303a30303a3031"));
        let frame = Frame {
            version: VERSION,
            kind: 4,
            body,
        };
        match from_client(&frame, dialect) {
            ClientMessage::SetInterfaceMac {
                interface,
                address,
                mac: ONE,
            } => (interface, address),
            other => panic!("{other:?}"),
        }
    };
    let address = InterfaceAddress {
        address: Ipv4Addr::new(10, 1, 1, 254),
        prefix_len: 24,
    };
    for dialect in Dialect::ALL {
        let got = read("server1:10.1.1.254/24", dialect);
        assert_eq!(got, (port("server1"), Some(address)));
        assert_eq!(read("Vlan100", dialect), (port("Vlan100"), None));
        for odd in [
            "a:",
            "a:b",
            "a:10.1.1.1",
            "a:10.1.1.1/33",
            "a:fe80::1/64",
            "a::/",
        ] {
            assert_eq!(read(odd, dialect), (port("a"), None), "{odd}");
        }
    }
    // sonic has the name alone; so has linux-mclag if there is nothing else to say.
    let set = |address| ClientMessage::SetInterfaceMac {
        interface: port("a"),
        address,
        mac: ONE,
    };
    let plain = set(None).encode(SONIC);
    assert_eq!(set(Some(address)).encode(SONIC), plain);
    assert_eq!(set(None).encode(LINUX_MCLAG), plain);
    assert_ne!(set(Some(address)).encode(LINUX_MCLAG), plain);
}

/// 4.7: the type of its sub-option is ignored; in sonic, type 6 is another message (3.1).
#[test]
fn type_6_is_a_flush_in_linux_mclag_and_traffic_in_sonic() {
    for kind in ["00", "07", "ff"] {
        let frame = frame(6, &format!("{kind}000100 61"));
        let flush = ClientMessage::FlushFdbByPort { port: port("a") };
        assert_eq!(from_client(&frame, LINUX_MCLAG), flush);
        assert_eq!(ClientMessage::decode(&frame, INTERMEDIATE), Ok(None));
        let sonic = ClientMessage::decode(&frame, SONIC);
        assert_eq!(sonic.is_ok(), kind == "07");
    }
}

/// 4.9: the system id of an active one may be all zero.
#[test]
fn a_role_has_a_system_id_of_zeros_if_it_is_not_known() {
    let message = ClientMessage::IccpRole {
        domain: one(),
        is_active: true,
        system_id: Some(Mac::ZERO),
    };
    let bytes = message.encode(SONIC).unwrap();
    assert_eq!(bytes.len(), 27);
    assert_eq!(from_client(&frame_of(&bytes), SONIC), message);
}

/// The domain record of the vector with other bytes.
fn domain_record(at: usize, bytes: &[u8]) -> Decoded<ServerMessage> {
    let mut frame = frame_of_hex(CFG_MCLAG_DOMAIN_ADD);
    frame.body[at..at + bytes.len()].copy_from_slice(bytes);
    ServerMessage::decode(&frame, SONIC).unwrap().unwrap()
}

/// 5.2: "A text field is meaningful only if its bitmap bit is set."
#[test]
fn attributes_that_are_not_named_are_not_looked_at() {
    for (op, attributes) in [(1, 0_u8), (3, 0x18), (2, 0), (4, 0x07)] {
        let mut frame = frame_of_hex(CFG_MCLAG_DOMAIN_ADD);
        frame.body[0] = op;
        frame.body[16..68].fill(0xff);
        frame.body[76] = attributes;
        let ServerMessage::Domain(records) = from_server(&frame, SONIC) else {
            panic!("another message");
        };
        let got = records[0];
        assert_eq!((got.local, got.peer, got.peer_link), (None, None, None));
        assert_eq!(got.attributes.bits(), u32::from(attributes));
    }
}

/// 5.2: 15 characters leave room for the NUL in the last byte only; -1 is the default; a peer
/// link may be empty although it is named.
#[test]
fn domain_records_use_their_fields_to_the_last_byte() {
    let ServerMessage::Domain(records) = domain_record(16, b"192.168.100.200\0").message else {
        panic!("another message");
    };
    assert_eq!(records[0].local, Some(Ipv4Addr::new(192, 168, 100, 200)));
    let ServerMessage::Domain(records) = domain_record(8, &[0xff; 8]).message else {
        panic!("another message");
    };
    assert_eq!(records[0].keepalive_s, -1);
    assert_eq!(records[0].session_timeout_s, -1);
    let decoded = domain_record(48, &[0]);
    assert_eq!(decoded.skipped, []);
    let ServerMessage::Domain(records) = decoded.message else {
        panic!("another message");
    };
    assert_eq!(records[0].peer_link, None);
    assert!(records[0].attributes.contains(DomainAttributes::PEER_LINK));
}

/// 5.2: "otherwise it is ignored" is said of an attribute, not of the record.
#[test]
fn an_attribute_that_cannot_be_read_spoils_no_other() {
    let decoded = domain_record(16, b"x");
    let received: Vec<String> = decoded.skipped.iter().map(ToString::to_string).collect();
    assert_eq!(
        received,
        ["entry 0: local address at offset 20: \"x0.0.0.1\" is not an IPv4 address"]
    );
    let ServerMessage::Domain(records) = decoded.message else {
        panic!("another message");
    };
    assert_eq!(records[0].local, None);
    assert_eq!(records[0].peer, Some(Ipv4Addr::new(10, 0, 0, 2)));
    assert_eq!(records[0].attributes.bits(), 0x1e);
    let decoded = domain_record(48, b"a b");
    assert_eq!(decoded.skipped.len(), 1);
    assert_eq!(decoded.skipped[0].error.field, "peer link");
    assert_eq!(decoded.skipped[0].error.offset, 52);
    let decoded = domain_record(0, &[0]);
    assert_eq!(decoded.message, ServerMessage::Domain(vec![]));
    let received = decoded.skipped[0].to_string();
    assert_eq!(received, "entry 0: operation at offset 4: 0 is not known");
}

/// 5.2; `spec/behaviour.md` 3.1, 12: read, and impossible.
#[test]
fn values_that_no_pair_can_have_are_refused_with_their_place() {
    let seconds = i32::to_le_bytes;
    let cases: [(usize, &[u8], &str); 7] = [
        (8, &seconds(0), "keepalive interval at offset 12: 0"),
        (8, &seconds(-2), "keepalive interval at offset 12: -2"),
        (12, &seconds(3601), "session timeout at offset 16: 3601"),
        (16, b"0.0.0.0\0", "local address at offset 20: 0.0.0.0"),
        (32, b"224.0.0.1\0", "peer address at offset 36: 224.0.0.1"),
        (
            32,
            b"255.255.255.255\0",
            "peer address at offset 36: 255.255.255.255",
        ),
        (48, b"PortChannel/1\0", "peer link at offset 52: "),
    ];
    for (at, bytes, received) in cases {
        let decoded = domain_record(at, bytes);
        let [skipped] = decoded.skipped.as_slice() else {
            panic!("{received}: {:?}", decoded.skipped);
        };
        let text = skipped.error.to_string();
        assert!(text.starts_with(received), "{text}");
        let ServerMessage::Domain(records) = decoded.message else {
            panic!("another message");
        };
        let named = records[0].attributes.bits().count_ones();
        assert_eq!(named, 4, "{received}: the others count");
    }
    for seconds in [-1, 1, 3600] {
        let decoded = domain_record(8, &i32::to_le_bytes(seconds));
        assert_eq!(decoded.skipped, []);
    }
}

/// `spec/behaviour.md` W-32: one bad record spoils no other.
#[test]
fn a_bad_record_is_reported_with_its_place_and_value_and_skipped() {
    for (dialect, at, byte, received) in [
        (
            SONIC,
            11,
            1,
            "VLAN at offset 48: 16777226 is not within 1..=4094",
        ),
        (SONIC, 12, b'/', "port at offset 52: \"/wp1\": "),
        (SONIC, 12, 0xff, "port at offset 52: not a text: "),
        (
            SONIC,
            12,
            0,
            "port at offset 52: empty, but the record adds an entry",
        ),
        (SONIC, 32, 4, "type at offset 72: 4 is not known"),
        (SONIC, 34, 0, "operation at offset 74: 0 is not known"),
        (SONIC, 34, 3, "operation at offset 74: 3 is not known"),
        (
            LINUX_MCLAG,
            0,
            b'x',
            "MAC at offset 76: \"x2:00:00:00:00:01\": ",
        ),
        (
            LINUX_MCLAG,
            5,
            0,
            "MAC at offset 76: \"02:00\": not a MAC address",
        ),
        (
            LINUX_MCLAG,
            35,
            1,
            "VLAN at offset 108: 16777226 is not within 1..=4094",
        ),
        (LINUX_MCLAG, 36, b' ', "port at offset 112: \" wp1\": "),
        (LINUX_MCLAG, 68, 9, "type at offset 144: 9 is not known"),
        (
            LINUX_MCLAG,
            71,
            1,
            "operation at offset 146: 257 is not known",
        ),
        (
            INTERMEDIATE,
            17,
            b':',
            "MAC at offset 52: \"02:00:00:00:00:01:\": ",
        ),
        (
            INTERMEDIATE,
            21,
            0xff,
            "VLAN at offset 72: 65290 is not within 1..=4094",
        ),
        (
            INTERMEDIATE,
            46,
            7,
            "operation at offset 98: 7 is not known",
        ),
    ] {
        let good = learned("02:00:00:00:00:01", "swp1");
        let message = ClientMessage::SetFdb(vec![good; 3]);
        let mut frame = frame_of(&message.encode(dialect).unwrap());
        let size = frame.body.len() / 3;
        frame.body[size + at] = byte;
        let decoded = ClientMessage::decode(&frame, dialect).unwrap().unwrap();
        assert_eq!(decoded.message, ClientMessage::SetFdb(vec![good; 2]));
        assert_eq!(decoded.skipped.len(), 1);
        let got = decoded.skipped[0].to_string();
        assert!(got.starts_with(&format!("entry 1: {received}")), "{got}");
    }
    for (raw, is_vlan) in [(0, false), (1, true), (4094, true), (4095, false)] {
        let mut frame = frame_of_hex(VLAN_MBR_UPDATES);
        frame.body[4..6].copy_from_slice(&u16::to_le_bytes(raw));
        let decoded = ServerMessage::decode(&frame, SONIC).unwrap().unwrap();
        assert_eq!(decoded.skipped.is_empty(), is_vlan, "VLAN {raw}");
    }
}

/// What a message cannot do without, by name.
#[test]
fn what_cannot_be_is_refused_by_name() {
    let received = |kind, body| {
        let refused = ClientMessage::decode(&frame(kind, body), SONIC);
        refused.unwrap_err().to_string()
    };
    assert_eq!(
        received(8, "08000400 01000000"),
        "operational status at offset 12: sub-option 11 is missing"
    );
    assert_eq!(
        received(10, "08000400 01000000 0a000500 0102030405"),
        "system id at offset 16: 5 bytes, expected 6"
    );
    assert_eq!(
        received(8, "0800ffff 01000000"),
        "domain at offset 8: 65535 bytes needed, 4 left"
    );
    assert_eq!(
        received(8, "0800"),
        "sub-option length at offset 6: 2 bytes needed, 0 left"
    );
    assert_eq!(
        received(1, "01000100 61"),
        "isolation destination at offset 9: sub-option 2 is missing"
    );
    assert_eq!(
        received(6, ""),
        "interface name at offset 4: sub-option 7 is missing"
    );
    assert!(
        received(6, "07000000").starts_with("interface name at offset 8: \"\": not an interface")
    );
    assert!(received(6, "07000100 ff").starts_with("interface name at offset 8: not a text"));
    assert!(
        received(4, "05000100 61 06000100 62")
            .starts_with("interface MAC at offset 13: \"b\": not a")
    );
    assert_eq!(
        received(15, "08000400 01000000"),
        "peer system id at offset 12: sub-option 13 is missing"
    );
}

/// 9.3: MAC as text in 18 bytes, pad 2, VLAN at 20, port in 20 bytes at 24, type 44, op 46.
#[test]
fn an_intermediate_record_has_48_bytes() {
    let hex = "01 05 34 00 30 30 3a 31 31 3a 32 32 3a 33 33 3a 34 34 3a 35 35 00 00 00 \
        64 00 00 00 73 65 72 76 65 72 31 00 00 00 00 00 00 00 00 00 00 00 00 00 02 00 01 00";
    let record = FdbRecord {
        vid: vid(100),
        ..learned("00:11:22:33:44:55", "server1")
    };
    let message = ClientMessage::SetFdb(vec![record]);
    assert_eq!(message.encode(INTERMEDIATE), Ok(bytes_of(hex)));
    assert_eq!(from_client(&frame_of_hex(hex), INTERMEDIATE), message);
    let mut reported = frame_of_hex(hex);
    reported.kind = 1;
    reported.body[18..20].fill(0xee);
    reported.body[35..44].fill(0xee);
    let message = ServerMessage::Fdb(vec![record]);
    assert_eq!(from_server(&reported, INTERMEDIATE), message);
    // And is none of the others.
    for dialect in [SONIC, LINUX_MCLAG] {
        let decoded = ServerMessage::decode(&reported, dialect).unwrap().unwrap();
        assert_eq!(decoded.message, ServerMessage::Fdb(vec![]), "{dialect}");
    }
}

/// 5.3, 10 item 5: interfaces come cumulatively; repeats are records like others.
#[test]
fn repeated_records_are_kept() {
    let record = |name| InterfaceRecord {
        op: RecordOp::Add,
        domain: one(),
        port: port(name),
    };
    let both = vec![record("PortChannel1"), record("PortChannel1")];
    let message = ServerMessage::Interfaces(both);
    let bytes = message.encode(SONIC).unwrap();
    assert_eq!(from_server(&frame_of(&bytes), SONIC), message);
}

/// 2.1, forms 1: a body where none belongs does not matter.
#[test]
fn an_empty_message_may_have_a_body() {
    let body = "ffffff";
    for dialect in Dialect::ALL {
        let flush = from_client(&frame(3, body), dialect);
        assert_eq!(flush, ClientMessage::FlushFdb);
    }
    for dialect in [LINUX_MCLAG, INTERMEDIATE] {
        let poll = from_client(&frame(20, body), dialect);
        assert_eq!(poll, ClientMessage::GetFdbChanges);
    }
}

/// 8: what a caller asks of a dialect.
#[test]
fn dialects_differ_in_these_ways() {
    for dialect in Dialect::ALL {
        assert_eq!(dialect.is_polled(), dialect != SONIC);
        assert_eq!(dialect.has_settings(), dialect == SONIC);
        assert_eq!(dialect.isolation_is_whole(), dialect == SONIC);
    }
    let names = Dialect::ALL.map(|dialect| dialect.to_string());
    assert_eq!(names, ["sonic", "linux-mclag", "intermediate"]);
}
