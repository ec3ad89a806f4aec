//! Every message as literal bytes, made by a program of its own and used in both directions; the
//! same bytes stand in `docs/mclagsyncd-v2.md`.

use proptest::prelude::*;

use super::*;
use crate::sync::model::*;
use crate::sync::settings::{DomainSettings, Setting};
use crate::{DomainId, IfName, Mac, Vid};

const CLIENT_HELLO: &str = "\
    02 01 29 00 02 02 00 00 00 00 00 00 00 00 0b 00 \
    00 00 00 00 00 00 69 63 63 70 64 20 30 2e 31 2e \
    30 08 00 00 00 00 00 00 00 \
";

const BATCH_SNAPSHOT: &str = "\
    02 02 76 00 01 00 00 00 00 00 00 00 06 00 00 00 \
    00 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00 \
    03 00 00 00 00 00 00 00 62 72 30 01 08 00 00 00 \
    00 00 00 00 70 65 65 72 6c 69 6e 6b 00 03 00 00 \
    00 05 00 00 00 00 00 00 00 62 6f 6e 64 31 01 00 \
    00 00 02 00 00 00 01 01 02 00 5e 00 00 01 01 00 \
    00 00 00 00 00 00 00 00 00 00 01 00 00 00 01 00 \
    00 00 01 00 00 00 \
";

const BATCH_CHANGES: &str = "\
    02 02 c3 00 02 00 00 00 00 00 00 00 08 00 00 00 \
    00 00 00 00 05 00 00 00 0a 00 02 00 5e 00 00 07 \
    05 00 00 00 00 00 00 00 62 6f 6e 64 31 00 00 00 \
    00 05 00 00 00 01 00 02 00 5e 00 00 08 08 00 00 \
    00 00 00 00 00 70 65 65 72 6c 69 6e 6b 01 00 00 \
    00 06 00 00 00 0a 00 02 00 5e 00 00 09 00 06 00 \
    00 00 0a 00 02 00 5e 00 00 0a 01 04 00 00 00 05 \
    00 00 00 00 00 00 00 62 6f 6e 64 32 02 00 00 00 \
    03 00 00 00 00 00 00 00 62 72 30 00 01 03 00 00 \
    00 05 00 00 00 00 00 00 00 62 6f 6e 64 33 00 00 \
    00 00 00 00 00 00 00 00 03 00 00 00 05 00 00 00 \
    00 00 00 00 62 6f 6e 64 31 02 00 00 00 01 00 00 \
    00 01 00 \
";

const CREDIT: &str = "\
    02 03 0c 00 02 01 00 00 00 00 00 00 \
";

const BYE: &str = "\
    02 04 04 00 \
";

const SERVER_HELLO: &str = "\
    02 81 26 00 02 00 00 00 00 00 00 00 00 07 00 00 \
    00 00 00 00 00 05 00 00 00 00 00 00 00 6c 69 6e \
    75 78 10 00 00 00 \
";

const RESULT_ALL_WELL: &str = "\
    02 82 18 00 01 00 00 00 00 00 00 00 06 00 00 00 \
    00 00 00 00 00 00 00 00 \
";

const BATCH_FURTHER: &str = "\
    02 02 6e 01 03 00 00 00 00 00 00 00 11 00 00 00 \
    00 00 00 00 00 00 00 00 02 00 00 00 07 00 00 00 \
    0a 00 01 01 01 01 02 00 5e 00 00 01 08 00 00 00 \
    05 00 00 00 00 00 00 00 62 6f 6e 64 31 01 09 00 \
    00 00 05 00 00 00 00 00 00 00 62 6f 6e 64 32 0a \
    00 00 00 05 00 00 00 00 00 00 00 62 6f 6e 64 31 \
    02 00 00 00 00 00 00 00 04 00 00 00 00 00 00 00 \
    73 77 70 31 04 00 00 00 00 00 00 00 73 77 70 32 \
    01 00 00 00 02 00 00 00 00 00 00 00 03 00 00 00 \
    0b 00 00 00 06 00 00 00 00 00 00 00 76 6c 61 6e \
    31 30 02 00 5e 00 00 01 0c 00 00 00 06 00 00 00 \
    00 00 00 00 76 6c 61 6e 32 30 00 00 00 00 04 00 \
    00 00 0d 00 00 00 06 00 00 00 00 00 00 00 76 6c \
    61 6e 31 30 00 00 00 00 c0 00 02 07 02 00 5e 00 \
    00 07 00 0d 00 00 00 06 00 00 00 00 00 00 00 76 \
    6c 61 6e 31 30 01 00 00 00 20 01 0d b8 00 00 00 \
    00 00 00 00 00 00 00 00 08 02 00 5e 00 00 08 01 \
    0e 00 00 00 06 00 00 00 00 00 00 00 76 6c 61 6e \
    31 30 00 00 00 00 c0 00 02 09 0f 00 00 00 04 00 \
    00 00 00 00 00 00 73 77 70 33 00 10 00 00 00 00 \
    10 00 00 00 01 04 00 00 00 00 00 00 00 73 77 70 \
    33 05 00 00 00 0a 00 02 00 5e 00 00 09 05 00 00 \
    00 00 00 00 00 62 6f 6e 64 31 02 00 00 00 \
";

const SERVER_HELLO_ALL: &str = "\
    02 81 26 00 02 00 00 00 00 00 00 00 00 3f 00 00 \
    00 00 00 00 00 05 00 00 00 00 00 00 00 6c 69 6e \
    75 78 10 00 00 00 \
";

const RESULT_FAILURES: &str = "\
    02 82 8b 00 02 00 00 00 00 00 00 00 08 00 00 00 \
    03 00 00 00 00 00 00 00 01 00 00 00 01 00 00 00 \
    21 00 00 00 00 00 00 00 70 65 65 72 6c 69 6e 6b \
    3a 20 6e 6f 20 73 70 61 63 65 20 6c 65 66 74 20 \
    6f 6e 20 64 65 76 69 63 65 06 00 00 00 00 00 00 \
    00 1b 00 00 00 00 00 00 00 77 61 69 74 69 6e 67 \
    20 66 6f 72 20 69 6e 74 65 72 66 61 63 65 20 62 \
    6f 6e 64 33 07 00 00 00 02 00 00 00 07 00 00 00 \
    00 00 00 00 6e 6f 20 68 6f 6c 64 \
";

const EVENTS: &str = "\
    02 83 92 00 03 00 00 00 00 00 00 00 07 00 00 00 \
    00 00 00 00 00 00 00 00 02 00 00 00 0a 00 02 00 \
    5e 00 00 07 00 00 00 00 04 00 00 00 00 00 00 00 \
    73 77 70 33 01 01 00 00 00 02 00 00 00 0a 00 02 \
    00 5e 00 00 07 01 00 00 00 04 00 00 00 00 00 00 \
    00 73 77 70 34 02 00 00 00 0a 00 02 00 5e 00 00 \
    07 02 00 00 00 05 00 00 00 00 00 00 00 62 6f 6e \
    64 31 02 00 00 00 01 00 02 00 5e 00 00 08 03 00 \
    00 00 02 00 00 00 fe 0f 02 00 5e 00 00 09 04 00 \
    00 00 \
";

const ERROR: &str = "\
    02 84 27 00 03 00 00 00 17 00 00 00 00 00 00 00 \
    62 61 74 63 68 20 34 20 66 6f 6c 6c 6f 77 73 20 \
    62 61 74 63 68 20 32 \
";

const CLIENT_HELLO_SETTINGS: &str = "\
    02 01 29 00 02 02 01 00 00 00 00 00 00 00 0b 00 \
    00 00 00 00 00 00 69 63 63 70 64 20 30 2e 32 2e \
    30 08 00 00 00 00 00 00 00 \
";

const SERVER_HELLO_SETTINGS: &str = "\
    02 81 35 00 02 01 00 00 00 00 00 00 00 5c 00 00 \
    00 00 00 00 00 14 00 00 00 00 00 00 00 6d 63 6c \
    61 67 73 79 6e 63 64 2d 76 31 2c 20 73 6f 6e 69 \
    63 08 00 00 00 \
";

const EVENTS_SETTINGS: &str = "\
    02 83 9b 00 01 00 00 00 00 00 00 00 08 00 00 00 \
    00 00 00 00 03 00 00 00 04 00 00 00 00 00 00 00 \
    73 77 70 33 0a 00 01 03 00 00 00 04 00 00 00 00 \
    00 00 00 73 77 70 34 14 00 00 04 00 00 00 05 00 \
    00 00 01 00 00 00 00 00 0a ff 00 01 00 00 00 00 \
    0a ff 00 02 01 08 00 00 00 00 00 00 00 70 65 65 \
    72 6c 69 6e 6b 01 02 00 5e 00 00 01 01 02 00 00 \
    06 00 00 00 05 00 00 00 00 00 00 00 62 6f 6e 64 \
    31 07 00 00 00 06 00 00 00 00 00 00 00 76 6c 61 \
    6e 31 30 08 00 00 00 04 00 00 00 \
";

const EVENTS_NAMES: &str = "\
    02 83 29 00 01 00 00 00 00 00 00 00 01 00 00 00 \
    00 00 00 00 09 00 00 00 05 00 00 00 00 00 00 00 \
    62 6f 6e 64 31 0c 00 00 00 \
";

const BATCH_NODE_MAC: &str = "\
    02 02 1e 00 04 00 00 00 00 00 00 00 01 00 00 00 \
    00 00 00 00 11 00 00 00 02 00 5e 00 00 01 \
";

fn port(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn key(vid: u16, last: u8) -> FdbKey {
    FdbKey {
        vid: Vid::new(vid).unwrap(),
        mac: Mac([0x02, 0, 0x5e, 0, 0, last]),
    }
}

fn observation(vid: u16, last: u8, observation: Observation) -> Event {
    Event::Fdb {
        key: key(vid, last),
        observation,
    }
}

fn failure(code: OpErrorCode, text: &str) -> Result<(), OpError> {
    Err(OpError {
        code,
        text: text.to_owned(),
    })
}

fn client_cases() -> Vec<(&'static str, ClientMessage)> {
    let hello = ClientHello {
        versions: 2..=2,
        capabilities: Capabilities::empty(),
        software: "iccpd 0.1.0".to_owned(),
        events_up_to: 8,
    };
    let snapshot = vec![
        Op::SnapshotBegin(Section::Ports),
        Op::Domain(DomainWant {
            bridge: port("br0"),
            peer_link: Some(port("peerlink")),
            peer_link_learning: false,
        }),
        Op::Port {
            port: port("bond1"),
            want: PortWant {
                isolation: Isolation::On,
                traffic: Traffic::Held,
                redirect: true,
                system_mac: Some(Mac([0x02, 0, 0x5e, 0, 0, 1])),
            },
        },
        Op::SnapshotEnd(Section::Ports),
        Op::SnapshotBegin(Section::Fdb),
        Op::SnapshotEnd(Section::Fdb),
    ];
    let changes = vec![
        Op::Fdb {
            key: key(10, 7),
            want: FdbWant {
                port: port("bond1"),
                kind: FdbKind::Tracked,
            },
        },
        Op::Fdb {
            key: key(1, 8),
            want: FdbWant {
                port: port("peerlink"),
                kind: FdbKind::Static,
            },
        },
        Op::FdbRelease {
            key: key(10, 9),
            forget: false,
        },
        Op::FdbRelease {
            key: key(10, 10),
            forget: true,
        },
        Op::PortRelease {
            port: port("bond2"),
        },
        Op::Domain(DomainWant {
            bridge: port("br0"),
            peer_link: None,
            peer_link_learning: true,
        }),
        Op::Port {
            port: port("bond3"),
            want: PortWant {
                isolation: Isolation::Keep,
                traffic: Traffic::Keep,
                redirect: false,
                system_mac: None,
            },
        },
        Op::Port {
            port: port("bond1"),
            want: PortWant {
                isolation: Isolation::Off,
                traffic: Traffic::Pass,
                redirect: true,
                system_mac: None,
            },
        },
    ];
    let interface = port("vlan10");
    let neighbour = |address: &str, last, permanent| Op::Neighbour {
        key: NeighbourKey {
            interface,
            address: address.parse().unwrap(),
        },
        want: NeighbourWant {
            mac: key(1, last).mac,
            permanent,
        },
    };
    let further = vec![
        Op::SnapshotBegin(Section::Pair),
        Op::Pair(PairState {
            domain: DomainId::new(10).unwrap(),
            active: Some(true),
            up: true,
            system_mac: Some(key(1, 1).mac),
        }),
        Op::RemotePort {
            port: port("bond1"),
            up: true,
        },
        Op::RemotePortRelease {
            port: port("bond2"),
        },
        Op::Members {
            port: port("bond1"),
            members: vec![port("swp1"), port("swp2")],
        },
        Op::SnapshotEnd(Section::Pair),
        Op::SnapshotBegin(Section::Interfaces),
        Op::Interface {
            name: interface,
            want: InterfaceWant { mac: key(1, 1).mac },
        },
        Op::InterfaceRelease {
            name: port("vlan20"),
        },
        Op::SnapshotBegin(Section::Neighbours),
        neighbour("192.0.2.7", 7, false),
        neighbour("2001:db8::8", 8, true),
        Op::NeighbourRelease {
            key: NeighbourKey {
                interface,
                address: "192.0.2.9".parse().unwrap(),
            },
        },
        Op::Learning {
            port: port("swp3"),
            learning: false,
        },
        Op::Flush { port: None },
        Op::Flush {
            port: Some(port("swp3")),
        },
        Op::Fdb {
            key: key(10, 9),
            want: FdbWant {
                port: port("bond1"),
                kind: FdbKind::Ageing,
            },
        },
    ];
    let batch = |number, ops| ClientMessage::Batch { number, ops };
    vec![
        (BATCH_FURTHER, batch(3, further)),
        (
            CLIENT_HELLO_SETTINGS,
            ClientMessage::Hello(ClientHello {
                capabilities: Capabilities::SETTINGS,
                software: "iccpd 0.2.0".to_owned(),
                ..hello.clone()
            }),
        ),
        (CLIENT_HELLO, ClientMessage::Hello(hello)),
        (
            BATCH_NODE_MAC,
            batch(4, vec![Op::NodeMac(Mac([0x02, 0, 0x5e, 0, 0, 1]))]),
        ),
        (BATCH_SNAPSHOT, batch(1, snapshot)),
        (BATCH_CHANGES, batch(2, changes)),
        (CREDIT, ClientMessage::Credit { up_to: 0x0102 }),
        (BYE, ClientMessage::Bye),
    ]
}

fn server_cases() -> Vec<(&'static str, ServerMessage)> {
    let hello = ServerHello {
        version: 2,
        capabilities: Capabilities::empty(),
        abilities: Abilities {
            redirect: true,
            tracking: true,
            hold: true,
            pair: false,
            interfaces: false,
            neighbours: false,
            node_mac: false,
        },
        backend: "linux".to_owned(),
        window: 16,
    };
    let hello_settings = ServerHello {
        version: 2,
        capabilities: Capabilities::SETTINGS,
        abilities: Abilities {
            hold: true,
            pair: true,
            interfaces: true,
            node_mac: true,
            ..Abilities::default()
        },
        backend: "mclagsyncd-v1, sonic".to_owned(),
        window: 8,
    };
    let hello_all = ServerHello {
        abilities: Abilities {
            redirect: true,
            tracking: true,
            hold: true,
            pair: true,
            interfaces: true,
            neighbours: true,
            node_mac: false,
        },
        ..hello.clone()
    };
    let mut some_failed = vec![Ok(()); 8];
    some_failed[1] = failure(OpErrorCode::Refused, "peerlink: no space left on device");
    some_failed[6] = failure(OpErrorCode::Waiting, "waiting for interface bond3");
    some_failed[7] = failure(OpErrorCode::Unsupported, "no hold");
    let events = vec![
        Event::SnapshotBegin,
        observation(
            10,
            7,
            Observation::Learned {
                port: port("swp3"),
                configured: true,
            },
        ),
        Event::SnapshotEnd,
        observation(10, 7, Observation::Moved { port: port("swp4") }),
        observation(
            10,
            7,
            Observation::Active {
                port: port("bond1"),
            },
        ),
        observation(1, 8, Observation::Inactive),
        observation(4094, 9, Observation::Aged),
    ];
    let member = |text, number, member| Event::VlanMember {
        port: port(text),
        vid: Vid::new(number).unwrap(),
        member,
    };
    let settings = [
        Setting::Begin,
        Setting::Domain(DomainSettings {
            domain: DomainId::new(1).unwrap(),
            local: [10, 255, 0, 1].into(),
            peer: [10, 255, 0, 2].into(),
            peer_link: Some(port("peerlink")),
            system_mac: Some(Mac([0x02, 0, 0x5e, 0, 0, 1])),
            keepalive_s: Some(2),
            session_timeout_s: None,
        }),
        Setting::Port(port("bond1")),
        Setting::UniqueIp(port("vlan10")),
        Setting::End,
        Setting::Begin,
    ];
    let members = [member("swp3", 10, true), member("swp4", 20, false)];
    let settings = members
        .into_iter()
        .chain(settings.map(Event::Settings))
        .collect();
    let error = ServerMessage::Error {
        code: ErrorCode::Unexpected,
        text: "batch 4 follows batch 2".to_owned(),
    };
    let result = |number, results| ServerMessage::BatchResult { number, results };
    vec![
        (SERVER_HELLO, ServerMessage::Hello(hello)),
        (SERVER_HELLO_ALL, ServerMessage::Hello(hello_all)),
        (RESULT_ALL_WELL, result(1, vec![Ok(()); 6])),
        (RESULT_FAILURES, result(2, some_failed)),
        (EVENTS, ServerMessage::Events { number: 3, events }),
        (SERVER_HELLO_SETTINGS, ServerMessage::Hello(hello_settings)),
        (
            EVENTS_SETTINGS,
            ServerMessage::Events {
                number: 1,
                events: settings,
            },
        ),
        (
            EVENTS_NAMES,
            ServerMessage::Events {
                number: 1,
                events: vec![Event::Kept {
                    name: port("bond1"),
                    index: 12,
                }],
            },
        ),
        (ERROR, error),
    ]
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let byte = |text| u8::from_str_radix(text, 16).unwrap();
    hex.split_whitespace().map(byte).collect()
}

fn frame_of(bytes: &[u8]) -> Frame {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    decoder.next_frame().unwrap().unwrap()
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
        let frame = frame_of(&bytes_of(hex));
        assert_eq!(ClientMessage::decode(&frame), Ok(Some(message)));
    }
    for (hex, message) in server_cases() {
        let frame = frame_of(&bytes_of(hex));
        assert_eq!(ServerMessage::decode(&frame), Ok(Some(message)));
    }
}

#[test]
fn every_truncation_of_a_body_and_every_byte_too_many_is_an_error() {
    let hexes = client_cases().into_iter().map(|(hex, _)| hex);
    for hex in hexes.chain(server_cases().into_iter().map(|(hex, _)| hex)) {
        let mut frame = frame_of(&bytes_of(hex));
        let whole = frame.body.clone();
        let refused = |frame: &Frame| {
            ClientMessage::decode(frame).is_err() || ServerMessage::decode(frame).is_err()
        };
        for len in 0..whole.len() {
            frame.body = whole[..len].to_vec();
            assert!(refused(&frame), "{len} bytes of {hex}");
        }
        frame.body = [whole.as_slice(), &[0]].concat();
        assert!(refused(&frame), "one byte more than {hex}");
    }
}

#[test]
fn the_document_shows_these_bytes() {
    let document = include_str!("../../../../docs/mclagsyncd-v2.md");
    let client = client_cases().into_iter().map(|(hex, _)| hex);
    for hex in client.chain(server_cases().into_iter().map(|(hex, _)| hex)) {
        let tokens: Vec<&str> = hex.split_whitespace().collect();
        let lines: Vec<String> = tokens.chunks(16).map(|line| line.join(" ")).collect();
        let dump = format!("```text\n{}\n```", lines.join("\n"));
        assert!(document.contains(&dump), "missing:\n{dump}");
    }
}

#[test]
fn an_unknown_type_or_version_is_skipped_and_counted() {
    let mut codec = Codec::server();
    codec.push(&frame::encode(VERSION, 0x70, b"whatever").unwrap());
    codec.push(&frame::encode(9, 1, b"of a later time").unwrap());
    codec.push(&ClientMessage::Bye.encode().unwrap());
    assert_eq!(codec.next_message(), Ok(Some(ClientMessage::Bye)));
    assert_eq!(codec.next_message(), Ok(None));
    assert_eq!(codec.skipped(), 2);
}

#[test]
fn a_stream_cut_into_single_bytes_gives_the_same_messages() {
    let mut codec = Codec::client();
    let mut seen = Vec::new();
    for (hex, _) in server_cases() {
        for byte in bytes_of(hex) {
            codec.push(&[byte]);
            seen.extend(codec.next_message().unwrap());
        }
    }
    let wanted: Vec<_> = server_cases().into_iter().map(|(_, m)| m).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn a_full_batch_of_the_longest_operations_fits_and_one_more_is_refused() {
    let name = port("12345678901234567890");
    let domain = Op::Domain(DomainWant {
        bridge: name,
        peer_link: Some(name),
        peer_link_learning: true,
    });
    let batch = |count| ClientMessage::Batch {
        number: u64::MAX,
        ops: vec![domain.clone(); count],
    };
    assert!(batch(MAX_OPS_PER_BATCH).encode().is_ok());
    let error = batch(MAX_OPS_PER_BATCH + 1).encode().unwrap_err();
    assert_eq!(
        error.to_string(),
        "257 operations in one message, limit is 256"
    );
}

#[test]
fn the_answer_fits_even_if_every_operation_fails_with_a_long_text() {
    let results = vec![failure(OpErrorCode::Refused, &"ä".repeat(4000)); MAX_OPS_PER_BATCH];
    let message = ServerMessage::BatchResult { number: 1, results };
    let bytes = message.encode().unwrap();
    let cut = vec![failure(OpErrorCode::Refused, &"ä".repeat(100)); MAX_OPS_PER_BATCH];
    let wanted = ServerMessage::BatchResult {
        number: 1,
        results: cut,
    };
    assert_eq!(ServerMessage::decode(&frame_of(&bytes)), Ok(Some(wanted)));
}

#[test]
fn a_full_message_of_the_longest_events_fits() {
    let event = observation(
        1,
        1,
        Observation::Learned {
            port: port("12345678901234567890"),
            configured: true,
        },
    );
    let name = port("12345678901234567890");
    let names = [Setting::Port(name), Setting::UniqueIp(name)].map(Event::Settings);
    for event in names.into_iter().chain([event]) {
        let events = |count| ServerMessage::Events {
            number: u64::MAX,
            events: vec![event.clone(); count],
        };
        assert!(events(MAX_EVENTS_PER_MESSAGE).encode().is_ok());
        assert!(events(MAX_EVENTS_PER_MESSAGE + 1).encode().is_err());
    }
}

/// Decode a server message after one byte of its body was changed.
fn spoiled(hex: &str, at: usize, value: u8) -> String {
    let mut bytes = bytes_of(hex);
    bytes[at] = value;
    match ServerMessage::decode(&frame_of(&bytes)) {
        Err(DecodeError::Message { source, .. }) => source.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn values_that_cannot_be_are_refused_by_name() {
    assert_eq!(spoiled(SERVER_HELLO, 34, 0), "window of 0 batches");
    assert_eq!(
        spoiled(RESULT_FAILURES, 24, 8),
        "failure names operation 8 of 8, out of range or out of order"
    );
    assert_eq!(
        spoiled(RESULT_FAILURES, 24, 6),
        "failure names operation 6 of 8, out of range or out of order"
    );
    assert_eq!(
        spoiled(RESULT_ALL_WELL, 13, 9),
        "2310 results in one message, limit is 256"
    );
    assert_eq!(
        spoiled(EVENTS, 29, 0xff),
        "VLAN 65290 is not within 1..=4094"
    );
    assert_eq!(
        spoiled(EVENTS, 48, b'/'),
        "\"/wp3\": not an interface name: 1 to 20 printable characters without blank, '/' or ':'"
    );
    assert_eq!(
        spoiled(EVENTS_SETTINGS, 66, 0),
        "domain 0 is not within 1..=65535"
    );
    assert_eq!(
        spoiled(EVENTS_SETTINGS, 20, 10),
        "invalid value: integer `10`, expected variant index 0 <= i < 10"
    );
}

#[test]
fn unknown_capabilities_and_abilities_are_tolerated() {
    let mut bytes = bytes_of(SERVER_HELLO);
    bytes[5..13].fill(0xff);
    bytes[13..21].fill(0xff);
    let Ok(Some(ServerMessage::Hello(hello))) = ServerMessage::decode(&frame_of(&bytes)) else {
        panic!("not a hello");
    };
    assert_eq!(hello.capabilities, Capabilities::all());
    assert!(hello.abilities.redirect && hello.abilities.tracking && hello.abilities.hold);
}

#[test]
fn an_unknown_error_code_is_kept() {
    let mut bytes = bytes_of(ERROR);
    bytes[4..8].copy_from_slice(&77_u32.to_le_bytes());
    let Ok(Some(ServerMessage::Error { code, .. })) = ServerMessage::decode(&frame_of(&bytes))
    else {
        panic!("not an error");
    };
    assert_eq!(code, ErrorCode::Other(77));
}

#[test]
#[allow(clippy::reversed_empty_ranges, reason = "a client may send one")]
fn the_greatest_common_version_is_spoken() {
    for (client, server, version) in [
        (2..=2, 2..=2, Some(2)),
        (1..=5, 2..=3, Some(3)),
        (3..=5, 2..=2, None),
        (1..=1, 2..=2, None),
        (5..=2, 2..=2, None),
    ] {
        assert_eq!(negotiate(&client, &server), version, "{client:?}");
    }
}

fn any_name() -> impl Strategy<Value = IfName> {
    "[a-z][a-zA-Z0-9._-]{0,19}".prop_map(|text| port(&text))
}

fn any_key() -> impl Strategy<Value = FdbKey> {
    (1..=4094_u16, any::<[u8; 6]>()).prop_map(|(vid, mac)| FdbKey {
        vid: Vid::new(vid).unwrap(),
        mac: Mac(mac),
    })
}

fn any_op() -> impl Strategy<Value = Op> {
    let section = prop_oneof![Just(Section::Ports), Just(Section::Fdb)];
    let want = (
        prop_oneof![
            Just(Isolation::Keep),
            Just(Isolation::On),
            Just(Isolation::Off)
        ],
        prop_oneof![
            Just(Traffic::Keep),
            Just(Traffic::Pass),
            Just(Traffic::Held)
        ],
        any::<bool>(),
        proptest::option::of(any::<[u8; 6]>().prop_map(Mac)),
    );
    let kind = prop_oneof![
        Just(FdbKind::Tracked),
        Just(FdbKind::Static),
        Just(FdbKind::Ageing)
    ];
    prop_oneof![
        section.clone().prop_map(Op::SnapshotBegin),
        section.prop_map(Op::SnapshotEnd),
        (any_name(), proptest::option::of(any_name()), any::<bool>()).prop_map(
            |(bridge, peer_link, peer_link_learning)| Op::Domain(DomainWant {
                bridge,
                peer_link,
                peer_link_learning
            })
        ),
        (any_name(), want).prop_map(|(port, (isolation, traffic, redirect, system_mac))| {
            Op::Port {
                port,
                want: PortWant {
                    isolation,
                    traffic,
                    redirect,
                    system_mac,
                },
            }
        }),
        any_name().prop_map(|port| Op::PortRelease { port }),
        (any_key(), any_name(), kind).prop_map(|(key, port, kind)| Op::Fdb {
            key,
            want: FdbWant { port, kind }
        }),
        (any_key(), any::<bool>()).prop_map(|(key, forget)| Op::FdbRelease { key, forget }),
    ]
}

proptest! {
    #[test]
    fn a_batch_reads_back_as_written(
        number in any::<u64>(),
        ops in proptest::collection::vec(any_op(), 0..40),
    ) {
        let message = ClientMessage::Batch { number, ops };
        let bytes = message.encode().unwrap();
        prop_assert_eq!(ClientMessage::decode(&frame_of(&bytes)), Ok(Some(message)));
    }

    #[test]
    fn random_bodies_never_panic(
        kind in prop_oneof![0..8_u8, 0x80..0x88_u8],
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let frame = Frame { version: VERSION, kind, body };
        let _ = ClientMessage::decode(&frame);
        let _ = ServerMessage::decode(&frame);
    }

    #[test]
    fn spoiled_messages_never_panic(
        which in 0..10_usize,
        spoil in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let client = client_cases().into_iter().map(|(hex, _)| hex);
        let all: Vec<_> = client.chain(server_cases().into_iter().map(|(hex, _)| hex)).collect();
        let mut frame = frame_of(&bytes_of(all[which]));
        for (at, value) in spoil {
            if !frame.body.is_empty() {
                let at = at.index(frame.body.len());
                frame.body[at] = value;
            }
        }
        let _ = ClientMessage::decode(&frame);
        let _ = ServerMessage::decode(&frame);
    }
}
