//! Round trips of random values, random and spoiled bytes.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::captures::recorded;
use super::*;
use crate::sync::frame::HEADER_LEN;

fn dialects() -> impl Strategy<Value = Dialect> {
    proptest::sample::select(Dialect::ALL.as_slice())
}

/// Names that every field and list can carry.
fn names() -> impl Strategy<Value = IfName> {
    "[A-Za-z0-9_.-]{1,19}".prop_filter_map("not a name", |text| IfName::new(&text).ok())
}

fn macs() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn vids() -> impl Strategy<Value = Vid> {
    (1..=4094_u16).prop_map(vid)
}

fn domains() -> impl Strategy<Value = DomainId> {
    (1..=u16::MAX).prop_filter_map("zero", DomainId::new)
}

fn ops() -> impl Strategy<Value = RecordOp> {
    prop_oneof![Just(RecordOp::Add), Just(RecordOp::Delete)]
}

/// Records that every dialect can carry and none changes.
fn fdb_records() -> impl Strategy<Value = Vec<FdbRecord>> {
    let kinds = prop_oneof![Just(FdbKind::Static), Just(FdbKind::Dynamic)];
    let record = (macs(), vids(), names(), kinds, ops());
    let record = record.prop_map(|(mac, vid, port, kind, op)| FdbRecord {
        mac,
        vid,
        port: Some(port),
        kind,
        op,
    });
    vec(record, 0..=56)
}

/// Entries of which a list exists in linux-mclag, too.
fn isolations() -> impl Strategy<Value = Vec<IsolatedPort>> {
    let port = (option::of(names()), vec(names(), 1..5), any::<bool>());
    let port = port.prop_map(|(lag, members, is_isolated)| IsolatedPort {
        lag,
        members,
        is_isolated,
    });
    vec(port, 1..20)
}

fn client_messages() -> impl Strategy<Value = ClientMessage> {
    let address = (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(raw, prefix_len)| InterfaceAddress {
        address: raw.into(),
        prefix_len,
    });
    prop_oneof![
        (names(), any::<bool>()).prop_map(|(port, learning)| ClientMessage::MacLearnMode {
            ports: vec![port],
            learning
        }),
        Just(ClientMessage::FlushFdb),
        (names(), option::of(address), macs()).prop_map(|(interface, address, mac)| {
            ClientMessage::SetInterfaceMac {
                interface,
                address,
                mac,
            }
        }),
        fdb_records().prop_map(ClientMessage::SetFdb),
        (names(), any::<bool>())
            .prop_map(|(port, is_enabled)| ClientMessage::TrafficDistribution { port, is_enabled }),
        names().prop_map(|port| ClientMessage::FlushFdbByPort { port }),
        (domains(), any::<bool>())
            .prop_map(|(domain, is_up)| ClientMessage::IccpState { domain, is_up }),
        (domains(), any::<bool>(), option::of(macs())).prop_map(
            |(domain, is_active, system_id)| ClientMessage::IccpRole {
                domain,
                is_active,
                system_id
            }
        ),
        (domains(), macs())
            .prop_map(|(domain, system_id)| ClientMessage::IccpSystemId { domain, system_id }),
        domains().prop_map(|domain| ClientMessage::DeleteIccpInfo { domain }),
        (domains(), names(), any::<bool>()).prop_map(|(domain, port, is_up)| {
            ClientMessage::RemoteInterfaceState {
                domain,
                port,
                is_up,
            }
        }),
        (domains(), names())
            .prop_map(|(domain, port)| ClientMessage::DeleteRemoteInterface { domain, port }),
        (domains(), names(), any::<bool>()).prop_map(|(domain, port, is_isolated)| {
            ClientMessage::PeerLinkIsolation {
                domain,
                port,
                is_isolated,
            }
        }),
        (domains(), macs())
            .prop_map(|(domain, system_id)| ClientMessage::PeerSystemId { domain, system_id }),
        Just(ClientMessage::GetFdbChanges),
    ]
}

fn domain_records() -> impl Strategy<Value = DomainRecord> {
    // What a chassis can have: 224.0.0.0 and above are of groups.
    let host = (1..224_u8, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| Ipv4Addr::new(a, b, c, d));
    let address = move || option::of(host.clone());
    let seconds = || prop_oneof![Just(-1), 1..=3600_i32];
    let op = prop_oneof![Just(DomainOp::Add), Just(DomainOp::Update)];
    let values = (address(), address(), option::of(names()));
    (op, domains(), [seconds(), seconds()], values, macs()).prop_map(
        |(op, domain, [keepalive_s, session_timeout_s], (local, peer, peer_link), system_mac)| {
            DomainRecord {
                op,
                domain,
                keepalive_s,
                session_timeout_s,
                local,
                peer,
                peer_link,
                system_mac,
                attributes: DomainAttributes::from_bits_retain(0x1f),
            }
        },
    )
}

fn server_messages() -> impl Strategy<Value = ServerMessage> {
    let interface = (ops(), domains(), names());
    let interface = interface.prop_map(|(op, domain, port)| InterfaceRecord { op, domain, port });
    let member = (ops(), vids(), names());
    let member = member.prop_map(|(op, vid, port)| VlanMemberRecord { op, vid, port });
    let unique = (ops(), names()).prop_map(|(op, interface)| UniqueIpRecord { op, interface });
    prop_oneof![
        fdb_records().prop_map(ServerMessage::Fdb),
        vec(domain_records(), 0..51).prop_map(ServerMessage::Domain),
        vec(interface, 0..146).prop_map(ServerMessage::Interfaces),
        vec(member, 0..146).prop_map(ServerMessage::VlanMembers),
        vec(unique, 0..170).prop_map(ServerMessage::UniqueIps),
    ]
}

/// The value as a dialect carries it.
fn carried(message: &ServerMessage, dialect: Dialect) -> ServerMessage {
    match message {
        ServerMessage::Fdb(records) => {
            let records = records.iter().map(|record| record.reported(dialect));
            ServerMessage::Fdb(records.collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn what_a_client_says_is_read_back(message in client_messages(), dialect in dialects()) {
        match message.encode(dialect) {
            Ok(bytes) => {
                let want = match &message {
                    // The dialect has no address.
                    ClientMessage::SetInterfaceMac { interface, mac, .. }
                        if dialect == Dialect::Sonic =>
                    {
                        ClientMessage::SetInterfaceMac {
                            interface: *interface,
                            address: None,
                            mac: *mac,
                        }
                    }
                    other => other.clone(),
                };
                prop_assert_eq!(from_client(&frame_of(&bytes), dialect), want);
            }
            Err(error) => prop_assert!(error.is_harmless()),
        }
    }

    #[test]
    fn what_a_server_says_is_read_back(message in server_messages(), dialect in dialects()) {
        match message.encode(dialect) {
            Ok(bytes) => {
                let want = carried(&message, dialect);
                prop_assert_eq!(from_server(&frame_of(&bytes), dialect), want);
            }
            Err(error) => prop_assert!(error.is_harmless()),
        }
    }

    #[test]
    fn what_is_split_says_the_same(records in vec(fdb_records(), 0..6), dialect in dialects()) {
        let records = records.concat();
        let mut got = Vec::new();
        for part in ClientMessage::SetFdb(records.clone()).split(dialect) {
            let bytes = part.encode(dialect).unwrap();
            prop_assert_eq!(ClientMessage::SetFdb(vec![]).kind().0, bytes[1]);
            if let ClientMessage::SetFdb(part) = from_client(&frame_of(&bytes), dialect) {
                got.extend(part);
            }
        }
        prop_assert_eq!(got, records);
    }

    /// Names and states arrive; which names belong together does not.
    #[test]
    fn an_isolation_list_is_read_name_by_name(ports in isolations(), dialect in dialects()) {
        let list = PortIsolate { peer_link: port("peerlink"), ports };
        let spelled_out = list.clone().spelled_out(dialect);
        let want: Vec<_> = spelled_out
            .names()
            .filter(|(_, is_isolated)| *is_isolated || dialect != Dialect::Sonic)
            .collect();
        let bytes = ClientMessage::PortIsolate(spelled_out).encode(dialect).unwrap();
        let got = from_client(&frame_of(&bytes), dialect);
        // What was read travels as the same bytes again.
        prop_assert_eq!(got.encode(dialect), Ok(bytes));
        let ClientMessage::PortIsolate(got) = got else {
            return Err(TestCaseError::fail("another message"));
        };
        prop_assert_eq!(got.names().collect::<Vec<_>>(), want);
        // The text as a legacy `iccpd` writes it has the same names.
        let bytes = ClientMessage::PortIsolate(list).encode(dialect).unwrap();
        let legacy = from_client(&frame_of(&bytes), dialect);
        prop_assert_eq!(legacy.encode(dialect), Ok(bytes));
    }

    #[test]
    fn random_bodies_never_panic(
        kind in 0..24_u8,
        body in vec(any::<u8>(), 0..300),
        dialect in dialects(),
    ) {
        let frame = Frame { version: VERSION, kind, body };
        if let Ok(Some(decoded)) = ClientMessage::decode(&frame, dialect) {
            prop_assert!(decoded.skipped.len() <= frame.body.len());
        }
        if let Ok(Some(decoded)) = ServerMessage::decode(&frame, dialect) {
            prop_assert!(decoded.skipped.len() <= frame.body.len());
        }
        for side in [Side::Client, Side::Server] {
            for assumed in [None, Some(dialect)] {
                let _ = Detector::new(side, assumed).frame(&frame);
            }
        }
    }

    #[test]
    fn spoiled_messages_never_panic_and_what_is_read_can_be_sent(
        which in any::<prop::sample::Index>(),
        spoil in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let messages = recorded();
        let (dialect, side, _, bytes) = &messages[which.index(messages.len())];
        let mut frame = frame_of(bytes);
        for (at, value) in &spoil {
            if !frame.body.is_empty() {
                let at = at.index(frame.body.len());
                frame.body[at] = *value;
            }
        }
        for body in [frame.body.clone(), frame.body[..cut.index(frame.body.len() + 1)].to_vec()] {
            let frame = Frame { body, ..frame.clone() };
            let sent = match side {
                Side::Client => {
                    let Ok(Some(decoded)) = ClientMessage::decode(&frame, *dialect) else {
                        continue;
                    };
                    let sent = decoded.message.encode(*dialect);
                    if let Ok(bytes) = &sent {
                        let again = from_client(&frame_of(bytes), *dialect).encode(*dialect);
                        prop_assert_eq!(again, Ok(bytes.clone()));
                    }
                    sent
                }
                Side::Server => {
                    let Ok(Some(decoded)) = ServerMessage::decode(&frame, *dialect) else {
                        continue;
                    };
                    let sent = decoded.message.encode(*dialect);
                    if let Ok(bytes) = &sent {
                        let again = from_server(&frame_of(bytes), *dialect).encode(*dialect);
                        prop_assert_eq!(again, Ok(bytes.clone()));
                    }
                    sent
                }
            };
            match sent {
                Ok(bytes) => prop_assert!(bytes.len() <= frame.body.len() + HEADER_LEN),
                // Tolerated when read, and yet not to be sent.
                Err(
                    EncodeError::Name(_)
                    | EncodeError::NoPort(_)
                    | EncodeError::Separator(_)
                    | EncodeError::Empty { .. },
                ) => {}
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        }
    }
}
