//! `spec/mclagsyncd-protocol.md` 2.2, 2.3: sizes, and how much fits.

use super::*;

const SONIC: Dialect = Dialect::Sonic;

#[test]
fn a_message_holds_as_many_forwarding_records_as_fit_4096_bytes() {
    let limits = Dialect::ALL.map(Dialect::max_fdb_records);
    assert_eq!(limits, [113, 56, 85]);
    for dialect in Dialect::ALL {
        let record = learned("02:00:00:00:00:01", "swp1");
        let fits = vec![record; dialect.max_fdb_records()];
        let too_many = vec![record; dialect.max_fdb_records() + 1];
        assert!(ServerMessage::Fdb(fits.clone()).encode(dialect).is_ok());
        assert!(ClientMessage::SetFdb(fits).encode(dialect).is_ok());
        for refused in [
            ServerMessage::Fdb(too_many.clone()).encode(dialect),
            ClientMessage::SetFdb(too_many).encode(dialect),
        ] {
            assert!(matches!(refused, Err(EncodeError::Frame(_))));
        }
    }
}

#[test]
fn every_table_is_split_into_as_few_messages_as_fit() {
    let members: Vec<VlanMemberRecord> = (1..=4094)
        .map(|n| VlanMemberRecord {
            op: RecordOp::Add,
            vid: vid(n),
            port: port("PortChannel1"),
        })
        .collect();
    let sent = ServerMessage::VlanMembers(members.clone()).split(SONIC);
    assert_eq!(sent.len(), 4094_usize.div_ceil(146));
    let mut got = Vec::new();
    for message in sent {
        let bytes = message.encode(SONIC).unwrap();
        let ServerMessage::VlanMembers(part) = from_server(&frame_of(&bytes), SONIC) else {
            panic!("another message");
        };
        got.extend(part);
    }
    assert_eq!(got, members);

    let interface = InterfaceRecord {
        op: RecordOp::Add,
        domain: one(),
        port: port("PortChannel1"),
    };
    let unique = UniqueIpRecord {
        op: RecordOp::Add,
        interface: port("Vlan1"),
    };
    let record = learned("02:00:00:00:00:01", "swp1");
    for (message, dialect, lengths) in [
        (
            ServerMessage::Interfaces(vec![interface; 147]),
            SONIC,
            vec![4 + 146 * 28, 32],
        ),
        (
            ServerMessage::UniqueIps(vec![unique; 171]),
            SONIC,
            vec![4 + 170 * 24, 28],
        ),
        (
            ServerMessage::Fdb(vec![record; 114]),
            SONIC,
            vec![4 + 113 * 36, 40],
        ),
        (
            ServerMessage::Fdb(vec![record; 114]),
            Dialect::LinuxMclag,
            vec![4 + 56 * 72, 4 + 56 * 72, 4 + 2 * 72],
        ),
        (ServerMessage::Fdb(vec![]), SONIC, vec![]),
    ] {
        let parts = message.split(dialect);
        let got = parts.iter().map(|part| part.encode(dialect).unwrap().len());
        assert_eq!(got.collect::<Vec<_>>(), lengths);
    }
    let set = ClientMessage::SetFdb(vec![record; 114]);
    assert_eq!(set.split(SONIC).len(), 2);
    let poll = ClientMessage::GetFdbChanges;
    assert_eq!(poll.clone().split(SONIC), [poll]);
}

/// 5.2: "a record with two bits loses the second"; `spec/behaviour.md` W-20.
#[test]
fn a_reset_of_several_attributes_is_split_into_one_record_for_each() {
    let reset = DomainRecord {
        op: DomainOp::DeleteAttributes,
        domain: one(),
        keepalive_s: 0,
        session_timeout_s: 0,
        local: None,
        peer: None,
        peer_link: None,
        system_mac: ONE,
        attributes: DomainAttributes::PEER_LINK | DomainAttributes::KEEPALIVE,
    };
    let each =
        [DomainAttributes::PEER_LINK, DomainAttributes::KEEPALIVE].map(|attributes| DomainRecord {
            attributes,
            ..reset
        });
    let split = ServerMessage::Domain(vec![reset]).split(SONIC);
    assert_eq!(split, [ServerMessage::Domain(each.to_vec())]);
    // As one record, as another may send it, all of them are read.
    let bytes = ServerMessage::Domain(vec![reset]).encode(SONIC).unwrap();
    let got = from_server(&frame_of(&bytes), SONIC);
    assert_eq!(got, ServerMessage::Domain(vec![reset]));
    let update = DomainRecord {
        op: DomainOp::Update,
        ..reset
    };
    let message = ServerMessage::Domain(vec![update]);
    assert_eq!(message.clone().split(SONIC), [message]);
    let domains = ServerMessage::Domain(vec![update; 52]).split(SONIC);
    assert_eq!(domains.len(), 2, "51 domains fit a message");
}

/// 2.3, 2.4: an impossible header, with its place and value. Type 0 and unknown types are not.
#[test]
fn a_header_is_refused_only_for_its_length() {
    let mut decoder = Decoder::v1();
    decoder.push(&bytes_of("0100 0400  01ff 0500 aa  0103 0400"));
    for kind in [0, 0xff, 3] {
        let frame = decoder.next_frame().unwrap().unwrap();
        assert_eq!(frame.kind, kind);
        let got = ClientMessage::decode(&frame, SONIC).unwrap();
        assert_eq!(got.is_none(), kind != 3);
    }
    decoder.push(&bytes_of("0108 0300"));
    assert_eq!(
        decoder.next_frame().unwrap_err().to_string(),
        "header at offset 13 of the stream: version 1, type 8 gives length 3, shorter than itself"
    );
}

/// 10 item 9: a sender that gave up in the middle of a message.
#[test]
fn a_message_that_was_given_up_is_found_out_by_the_header_behind_it() {
    let message = ClientMessage::SetFdb(vec![learned("02:00:00:00:00:01", "PortChannel1")]);
    let bytes = message.encode(SONIC).unwrap();
    let mut decoder = Decoder::v1();
    decoder.push(&bytes[..30]);
    let mut error = None;
    for _ in 0..3 {
        decoder.push(&bytes);
        while let Some(frame) = decoder.next_frame().unwrap_or_else(|e| {
            error = Some(e);
            None
        }) {
            let _ = ClientMessage::decode(&frame, SONIC);
        }
    }
    assert!(error.is_some());
}
