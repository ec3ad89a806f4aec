use super::*;
use crate::IfName;
use crate::iccp::ext::{
    Announce, DataplanePresence, DataplaneState, DoubtfulPort, Extension, ShutdownNotice,
};
use crate::iccp::{BadValue, Found, MacEntry, PortState, RgId};

mod captured;
mod hostile;
mod linux_mclag;
mod lists;
mod random;
mod vectors;

use captured::captured;
use vectors::{Pair, hex, name, pairs, vid};

const BOTH: [Dialect; 2] = [Dialect::Sonic, Dialect::LinuxMclag];

/// Everything that a stream beginning with these bytes yields.
fn decode_in(dialect: Dialect, bytes: &[u8]) -> Vec<Result<Message, DecodeError>> {
    let mut decoder = Decoder::new(dialect);
    decoder.push(bytes);
    decoder.collect()
}

/// The same in the sonic dialect.
fn decode_all(bytes: &[u8]) -> Vec<Result<Message, DecodeError>> {
    decode_in(Dialect::Sonic, bytes)
}

fn encoded_in(dialect: Dialect, message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, dialect, &mut out).unwrap();
    out
}

fn encoded(message: &Message) -> Vec<u8> {
    encoded_in(Dialect::Sonic, message)
}

/// A 16-bit number in the byte order of a dialect.
fn number(dialect: Dialect, value: usize) -> [u8; 2] {
    let value = u16::try_from(value).unwrap();
    match dialect {
        Dialect::Sonic => value.to_be_bytes(),
        Dialect::LinuxMclag => value.to_le_bytes(),
    }
}

/// Application data of group 1 with id 9: its TLV is what is tested.
fn application(tlv: Tlv) -> Message {
    let body = Body::Application { rg: RgId(1), tlv };
    Message { id: 9, body }
}

/// Such a message around the bytes of a TLV; the first one is at byte 16.
fn framed_in(dialect: Dialect, tlv: &[u8]) -> Vec<u8> {
    let mut bytes = hex(match dialect {
        Dialect::Sonic => "0703 0000 00000009 00050004 00000001",
        Dialect::LinuxMclag => "060e 0000 09000000 05000400 01000000",
    });
    bytes.extend_from_slice(tlv);
    set_length(dialect, &mut bytes);
    bytes
}

fn framed(tlv: &[u8]) -> Vec<u8> {
    framed_in(Dialect::Sonic, tlv)
}

fn set_length(dialect: Dialect, message: &mut [u8]) {
    let length = number(dialect, message.len() - HEADER);
    message[2..4].copy_from_slice(&length);
}

/// A field, where it is and what it holds.
type Place = (Part, &'static str, usize, Found);

fn bad(part: Part, field: &'static str, offset: usize, found: u32) -> Place {
    (part, field, offset, Found::Number(found))
}

/// The only error of a stream, taken apart.
fn bad_value_in(dialect: Dialect, bytes: &[u8]) -> Place {
    match &decode_in(dialect, bytes)[..] {
        [Err(DecodeError::Value(bad))] => (bad.part, bad.field, bad.offset, bad.found),
        other => panic!("{other:?}"),
    }
}

fn bad_value(bytes: &[u8]) -> Place {
    bad_value_in(Dialect::Sonic, bytes)
}

/// The only TLV of a stream.
fn only_tlv(dialect: Dialect, bytes: &[u8]) -> Tlv {
    let mut got = decode_in(dialect, bytes);
    match (got.pop(), got.is_empty()) {
        (
            Some(Ok(Message {
                body: Body::Application { tlv, .. },
                ..
            })),
            true,
        ) => tlv,
        other => panic!("{other:?}"),
    }
}

/// `spec/iccp.md` 16: every vector of both dialects.
#[test]
fn values_are_written_as_the_vectors_say() {
    for pair in pairs() {
        let got = encoded_in(pair.dialect, &pair.message);
        assert_eq!(got, pair.bytes, "{}", pair.what);
    }
}

/// `spec/iccp.md` 16: every vector of both dialects.
#[test]
fn vectors_are_read_as_their_values() {
    for pair in pairs() {
        let got = decode_in(pair.dialect, &pair.bytes);
        assert_eq!(got, [Ok(pair.message)], "{}", pair.what);
    }
}

#[test]
fn captured_messages_are_read_and_written_back_unchanged() {
    for (dialect, text) in captured() {
        let bytes = hex(text);
        let [Ok(message)] = &decode_in(dialect, &bytes)[..] else {
            panic!("{text}");
        };
        assert!(
            !matches!(
                message.body,
                Body::Unknown { .. }
                    | Body::Application {
                        tlv: Tlv::Unknown { .. },
                        ..
                    }
            ),
            "{text}"
        );
        assert_eq!(encoded_in(dialect, message), bytes, "{text}");
    }
}

#[test]
fn a_message_that_is_not_complete_is_waited_for() {
    for Pair {
        dialect,
        what,
        bytes,
        message,
    } in pairs()
    {
        for len in 0..bytes.len() {
            let mut decoder = Decoder::new(dialect);
            decoder.push(&bytes[..len]);
            assert_eq!(decoder.next(), None, "{what} at {len} bytes");
            assert_eq!(decoder.buffered(), len);
            decoder.push(&bytes[len..]);
            assert_eq!(decoder.next(), Some(Ok(message.clone())), "{what}");
            assert_eq!(decoder.buffered(), 0);
        }
    }
}

/// The message length is shortened along: the message is complete, but its TLV is not.
#[test]
fn every_shorter_message_is_an_error_and_the_next_one_is_read() {
    let next = application(Tlv::Heartbeat);
    for Pair {
        dialect,
        what,
        bytes,
        ..
    } in pairs()
    {
        for len in 8..bytes.len() {
            let mut stream = bytes[..len].to_vec();
            set_length(dialect, &mut stream);
            stream.extend(encoded_in(dialect, &next));
            let got = decode_in(dialect, &stream);
            assert_eq!(got.len(), 2, "{what} at {len} bytes");
            let error = got[0].as_ref().unwrap_err();
            assert!(!error.is_fatal(), "{what} at {len} bytes: {error}");
            assert_eq!(got[1], Ok(next.clone()), "{what} at {len} bytes");
        }
    }
}

/// Both lengths are shortened along: the value ends inside a field.
#[test]
fn every_shorter_value_is_an_error_that_names_the_tlv() {
    for Pair {
        dialect,
        what,
        bytes,
        message,
    } in pairs()
    {
        let value = match message.body {
            // Any text is a sender's name.
            Body::Connect { .. } => continue,
            Body::Capability => 12,
            _ => 20,
        };
        // The filler behind the VLANs is not needed (4.7), nor what a later version said behind the partner.
        let needed = match dialect {
            Dialect::LinuxMclag if what == "Port Channel Info" => 56,
            _ if what.contains("carries data without") => bytes.len() - 1,
            _ => bytes.len(),
        };
        for len in value..needed {
            let mut short = bytes[..len].to_vec();
            set_length(dialect, &mut short);
            short[value - 2..value].copy_from_slice(&number(dialect, len - value));
            let got = decode_in(dialect, &short);
            let [Err(error)] = &got[..] else {
                panic!("{what} at {len} bytes: {got:?}");
            };
            assert!(error.to_string().contains(" TLV 0x"), "{what}: {error}");
        }
    }
}

/// `spec/iccp.md` 2: only the first parameter TLV of a message is ever looked at.
#[test]
fn what_follows_the_first_tlv_is_ignored() {
    for mut pair in pairs() {
        pair.bytes.extend(hex(match pair.dialect {
            Dialect::Sonic => "0038 0008 0000ffff 00000000",
            Dialect::LinuxMclag => "e000 0800 0000ffff 00000000",
        }));
        set_length(pair.dialect, &mut pair.bytes);
        let got = decode_in(pair.dialect, &pair.bytes);
        assert_eq!(got, [Ok(pair.message)], "{}", pair.what);
    }
}

/// What follows the known fields of a TLV is ignored as well, so that a sender may append.
#[test]
fn bytes_appended_to_application_data_are_ignored() {
    for mut pair in pairs() {
        if !matches!(pair.message.body, Body::Application { .. }) {
            continue;
        }
        pair.bytes.extend([0xa5; 7]);
        set_length(pair.dialect, &mut pair.bytes);
        let length = number(pair.dialect, pair.bytes.len() - 20);
        pair.bytes[18..20].copy_from_slice(&length);
        let got = decode_in(pair.dialect, &pair.bytes);
        assert_eq!(got, [Ok(pair.message)], "{}", pair.what);
    }
}

/// `spec/iccp.md` 3.1, 4: reserved bits, fields that are always zero, a length beside its text, and
/// whatever is said twice mean nothing, in whichever dialect.
#[test]
fn fields_that_no_receiver_looks_at_may_hold_anything() {
    let fields = [
        ("Heartbeat", 20..21),
        ("Sync Request", 22..28),
        ("Aggregator Config", 20..28),
        ("Aggregator Config", 36..40),
        ("Aggregator Config", 41..42),
        ("Aggregator State", 20..30),
        ("Aggregator State", 32..34),
        ("Port Channel Info", 42..43),
        ("Port Channel Info", 48..50),
    ];
    for pair in pairs() {
        let ranges = fields
            .iter()
            .filter(|(what, _)| pair.what.starts_with(what));
        let mut ignored: Vec<usize> = ranges.flat_map(|(_, range)| range.clone()).collect();
        match (pair.what, pair.dialect) {
            ("ARP Info", Dialect::Sonic) => ignored.extend([24, 45, 56, 57]),
            ("Port Channel Info", Dialect::LinuxMclag) => {
                ignored.extend([50, 51].into_iter().chain(56..86))
            }
            _ => {}
        }
        for at in ignored {
            let mut bytes = pair.bytes.clone();
            bytes[at] ^= 0x55;
            let got = decode_in(pair.dialect, &bytes);
            assert_eq!(got, [Ok(pair.message.clone())], "{} at {at}", pair.what);
        }
    }
    for dialect in BOTH {
        let capability = Message {
            id: 9,
            body: Body::Capability,
        };
        let mut bytes = encoded_in(dialect, &capability);
        bytes[12..14].fill(0xff);
        assert_eq!(decode_in(dialect, &bytes), [Ok(capability)]);
    }
}

/// `spec/iccp.md` 8.1: the U bit of a message is not consulted, wherever the dialect has it.
#[test]
fn the_u_bit_of_a_message_is_stripped() {
    let heartbeat = application(Tlv::Heartbeat);
    for (dialect, at, bit) in [(Dialect::Sonic, 0, 0x80), (Dialect::LinuxMclag, 0, 0x01)] {
        let first = encoded_in(dialect, &heartbeat);
        let mut second = first.clone();
        second[at] |= bit;
        let got = decode_in(dialect, &[first, second].concat());
        assert_eq!(got, [Ok(heartbeat.clone()), Ok(heartbeat.clone())]);
    }
}

/// `spec/iccp.md` 8.1: U and F of a parameter TLV are stripped and ignored.
#[test]
fn the_bits_beside_the_type_of_application_data_are_ignored() {
    for bits in [0x00, 0x40, 0x80, 0xc0] {
        let bytes = framed(&[bits, 0x3a, 0, 1, 0xff]);
        assert_eq!(decode_all(&bytes), [Ok(application(Tlv::Heartbeat))]);
        let bytes = framed(&[bits | 0x11, 0x02, 0, 0]);
        let end = Tlv::Extension(Extension::MacSyncEnd);
        assert_eq!(decode_all(&bytes), [Ok(application(end))]);
    }
    for bits in 0..4 {
        let bytes = framed_in(Dialect::LinuxMclag, &[0xe8 | bits, 0, 1, 0, 0xff]);
        assert_eq!(only_tlv(Dialect::LinuxMclag, &bytes), Tlv::Heartbeat);
    }
}

/// `spec/iccp.md` 4.15, 8.1: among them the types that are recognised and deliberately ignored.
#[test]
fn unknown_tlvs_are_read_past() {
    for kind in [
        0x0030, 0x0033, 0x0034, 0x0035, 0x003b, 0x1037, 0x1108, 0x3fff_u16,
    ] {
        let [high, low] = kind.to_be_bytes();
        let bytes = framed(&[high, low, 0, 3, 1, 2, 3]);
        assert_eq!(decode_all(&bytes), [Ok(application(Tlv::Unknown { kind }))]);
        let [low, high] = (kind << 2).to_le_bytes();
        let bytes = framed_in(Dialect::LinuxMclag, &[low, high, 3, 0, 1, 2, 3]);
        assert_eq!(only_tlv(Dialect::LinuxMclag, &bytes), Tlv::Unknown { kind });
    }
}

#[test]
fn unknown_messages_are_read_past_once_the_peer_is_known() {
    let heartbeat = application(Tlv::Heartbeat);
    let mut stream = encoded(&heartbeat);
    stream.extend(hex("0750 0006 00000007 abcd"));
    stream.extend(encoded(&heartbeat));
    let body = Body::Unknown { kind: 0x0750 };
    let unknown = Message { id: 7, body };
    let all = [Ok(heartbeat.clone()), Ok(unknown), Ok(heartbeat)];
    assert_eq!(decode_all(&stream), all);
}

#[test]
fn the_first_bytes_of_a_stranger_are_refused_and_shown() {
    let cases: [(&[u8], &str); 5] = [
        (
            b"GET / HTTP/1.1\r\n",
            "not an ICCP peer: its stream begins with \"GET / HTTP/1.1\\r\\n\"",
        ),
        (
            &[0x16, 0x03, 0x01],
            "not an ICCP peer: its stream begins with 16 03 01",
        ),
        (
            // An unknown type, which is tolerated only later.
            &[0x07, 0x50, 0x00, 0x04],
            "not an ICCP peer: its stream begins with 07 50 00 04",
        ),
        (
            &[0x04, 0x04, 0x0c, 0x00],
            "the peer speaks the linux-mclag dialect of ICCP (its first bytes are 04 04), \
             this side speaks sonic",
        ),
        (
            &[0x06, 0x0e],
            "the peer speaks the linux-mclag dialect of ICCP (its first bytes are 06 0e), \
             this side speaks sonic",
        ),
    ];
    for (bytes, text) in cases {
        let got = decode_all(bytes);
        let [Err(error)] = &got[..] else {
            panic!("{got:?}");
        };
        assert!(error.is_fatal());
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_length_that_no_message_has_ends_the_stream() {
    let heartbeat = encoded(&application(Tlv::Heartbeat));
    for (length, fatal) in [
        (0, true),
        (3, true),
        (4, false),
        (65532, false),
        (65533, true),
    ] {
        let mut decoder = Decoder::new(Dialect::Sonic);
        decoder.push(&heartbeat);
        assert!(matches!(decoder.next(), Some(Ok(_))));
        let [high, low] = u16::to_be_bytes(length);
        decoder.push(&[0x07, 0x03, high, low]);
        let part = Part::Message(0x0703);
        let error = DecodeError::Length { part, length };
        assert!(error.is_fatal());
        assert_eq!(decoder.next(), fatal.then_some(Err(error)), "{length}");
    }
}

#[test]
fn nothing_is_taken_after_a_fatal_error() {
    let mut decoder = Decoder::new(Dialect::Sonic);
    decoder.push(b"SSH-2.0-");
    assert!(decoder.next().unwrap().unwrap_err().is_fatal());
    decoder.push(&encoded(&application(Tlv::Heartbeat)));
    assert_eq!(decoder.next(), None);
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn only_the_capability_of_the_specification_is_accepted() {
    let good = hex("0202 000c 00000001 8700 0004 8000 01 00");
    let part = Part::Message(0x0202);
    let value = Part::Tlv(0x0700);
    let cases = [
        (8, 0x07, bad(part, "TLV type", 8, 0x0700)),
        (8, 0xc7, bad(part, "TLV type", 8, 0xc700)),
        (9, 0x01, bad(part, "TLV type", 8, 0x0701)),
        (11, 0x03, bad(value, "TLV length", 10, 3)),
        (12, 0x00, bad(value, "S bit", 12, 0)),
        (14, 0x02, bad(value, "version", 14, 0x0200)),
        (15, 0x01, bad(value, "version", 14, 0x0101)),
    ];
    for (at, byte, error) in cases {
        let mut bytes = good.clone();
        bytes[at] = byte;
        assert_eq!(bad_value(&bytes), error);
    }
}

#[test]
fn connect_and_disconnect_are_accepted_only_without_u_and_f() {
    let connect = hex("0700 0010 00000002 00050004 00000001 8001 0000");
    let error = bad(Part::Message(0x0700), "TLV type", 16, 0x8001);
    assert_eq!(bad_value(&connect), error);
    let disconnect = hex("0701 0014 00000002 00050004 00000001 4004 0004 00010010");
    let error = bad(Part::Message(0x0701), "TLV type", 16, 0x4004);
    assert_eq!(bad_value(&disconnect), error);
}

/// `spec/iccp.md` 3.3: acted upon only if the length is 4.
#[test]
fn a_disconnect_code_has_four_bytes() {
    for (dialect, header) in [
        (
            Dialect::Sonic,
            "0701 0015 00000002 00050004 00000001 0004 0005",
        ),
        (
            Dialect::LinuxMclag,
            "020e 1500 02000000 05000400 01000000 1000 0500",
        ),
    ] {
        let bytes = [hex(header), hex("0001001000")].concat();
        let error = bad(Part::Tlv(0x0004), "TLV length", 18, 5);
        assert_eq!(bad_value_in(dialect, &bytes), error);
    }
}

#[test]
fn a_message_without_a_group_is_an_error() {
    let bytes = hex("0703 000d 00000009 003a0001 ff 000000 00");
    let error = bad(Part::Message(0x0703), "RG ID TLV type", 8, 0x003a);
    assert_eq!(bad_value(&bytes), error);
    let bytes = hex("0703 000f 00000009 00050003 000001 003a0000");
    let error = bad(Part::Message(0x0703), "RG ID TLV length", 10, 3);
    assert_eq!(bad_value(&bytes), error);
}

#[test]
fn a_sender_name_is_cut_to_80_bytes_and_never_refused() {
    let sender = "ä".repeat(50);
    let body = Body::Connect {
        rg: RgId(1),
        sender: format!("x{sender}"),
    };
    let bytes = encoded(&Message { id: 1, body });
    assert_eq!(bytes.len(), 20 + 79, "a character is not cut in two");

    let mut bytes = hex("0700 0000 00000002 00050004 00000001 0001 0064");
    bytes.extend([0xff; 100]);
    set_length(Dialect::Sonic, &mut bytes);
    let got = decode_all(&bytes);
    let [
        Ok(Message {
            body: Body::Connect { sender, .. },
            ..
        }),
    ] = &got[..]
    else {
        panic!("{got:?}");
    };
    assert!(sender.len() <= 80 && sender.starts_with('\u{fffd}'));
}

#[test]
fn a_state_that_nobody_has_defined_counts_as_down() {
    for (raw, state) in [
        (0, PortState::Up),
        (1, PortState::Down),
        (2, PortState::AdminDown),
        (3, PortState::Test),
        (4, PortState::Down),
        (255, PortState::Down),
    ] {
        assert_eq!(state.is_up(), raw == 0);
        let mut tlv = hex("0037 000f 00{10} 0007 0000");
        tlv.push(raw);
        let got = decode_all(&framed(&tlv));
        let [
            Ok(Message {
                body: Body::Application { tlv, .. },
                ..
            }),
        ] = &got[..]
        else {
            panic!("{got:?}");
        };
        assert!(
            matches!(tlv, Tlv::AggregatorState(s) if s.state == state),
            "{raw}"
        );
    }
}

#[test]
fn an_aggregator_is_either_present_or_purged() {
    for flags in [0x00, 0x03, 0x04, 0xff] {
        let mut tlv = hex("0036 002a 00{8} 0001 020000000001 00{4}");
        tlv.extend([flags, 4]);
        tlv.extend(b"bond1");
        tlv.extend([0; 15]);
        let error = bad(Part::Tlv(0x0036), "flags", 40, flags.into());
        assert_eq!(bad_value(&framed(&tlv)), error);
    }
}

#[test]
fn a_name_that_is_none_is_an_error_that_shows_it() {
    for (field, shown) in [
        (&b"eth0/../../../passwd"[..], "\"eth0/../../../passwd\""),
        (b"", "\"\""),
        (b"\xff\xfe", "ff fe"),
        (b"a b", "\"a b\""),
    ] {
        let mut tlv = hex("1035 0015");
        tlv.extend(field);
        tlv.resize(24, 0);
        tlv.push(1);
        let (part, what, offset, found) = bad_value(&framed(&tlv));
        assert_eq!(
            (part, what, offset),
            (Part::Tlv(0x1035), "interface name", 20)
        );
        assert!(found.to_string().starts_with(shown), "{found}");
    }
}

#[test]
fn a_name_of_20_bytes_needs_no_nul_and_garbage_behind_a_nul_is_ignored() {
    for (field, text) in [
        (b"abcdefghijklmnopqrst", "abcdefghijklmnopqrst"),
        (b"swp1\0/\xff#############", "swp1"),
    ] {
        let mut tlv = hex("1035 0015");
        tlv.extend(field);
        tlv.push(0);
        let got = decode_all(&framed(&tlv));
        let [
            Ok(Message {
                body: Body::Application { tlv, .. },
                ..
            }),
        ] = &got[..]
        else {
            panic!("{got:?}");
        };
        assert!(matches!(tlv, Tlv::PeerLinkInfo(info) if info.name == name(text)));
    }
}

#[test]
fn only_the_value_1_announces_a_warm_boot() {
    let error = bad(Part::Tlv(0x1039), "flag", 20, 0);
    assert_eq!(bad_value(&framed(&hex("1039 0001 00"))), error);
}

#[test]
fn only_a_port_channel_is_acknowledged() {
    let error = bad(Part::Tlv(0x103b), "interface type", 20, 0);
    assert_eq!(bad_value(&framed(&hex("103b 0004 00 01 0001"))), error);
}

#[test]
fn sync_data_either_starts_or_ends() {
    let error = bad(Part::Tlv(0x0039), "flags", 22, 2);
    assert_eq!(bad_value(&framed(&hex("0039 0004 0000 0002"))), error);
}

#[test]
fn extensions_with_values_of_a_later_version_are_errors_of_that_message_only() {
    let error = bad(Part::Tlv(0x1101), "reason", 20, 2);
    assert_eq!(bad_value(&framed(&hex("9101 0001 02"))), error);
    let error = bad(Part::Tlv(0x1100), "version", 20, 0);
    assert_eq!(
        bad_value(&framed(&hex("9100 000b 0000 0000 00{6} 00"))),
        error
    );
    let error = bad(Part::Tlv(0x1107), "PVID", 22, 4095);
    assert_eq!(bad_value(&framed(&hex("9107 0004 002a 0fff"))), error);
}

/// What a later version may say beside them does not count: read with caution, and written as this version has it.
#[test]
fn a_dataplane_state_of_a_later_version_is_read_as_far_as_it_is_known() {
    let port = |id, isolated, let_go| DoubtfulPort {
        id: crate::AggregatorId(id),
        isolated,
        let_go,
    };
    for (received, presence, ports, sent) in [
        (
            "9106 0004 0003 0000",
            DataplanePresence::Silent,
            vec![],
            "9106 0004 0002 0000",
        ),
        (
            "9106 0004 ffff 0000",
            DataplanePresence::Silent,
            vec![],
            "9106 0004 0002 0000",
        ),
        (
            "9106 0010 0001 0003 002a 0004 002b ffff 002c 0002",
            DataplanePresence::Disconnected,
            vec![
                port(42, false, false),
                port(43, true, true),
                port(44, false, true),
            ],
            "9106 0010 0001 0003 002a 0000 002b 0003 002c 0002",
        ),
        (
            "9106 000a 0001 0001 002a 0001 dead",
            DataplanePresence::Disconnected,
            vec![port(42, true, false)],
            "9106 0008 0001 0001 002a 0001",
        ),
    ] {
        let state = DataplaneState { presence, ports };
        let message = application(Tlv::Extension(Extension::DataplaneState(state)));
        let got = decode_all(&framed(&hex(received)));
        assert_eq!(got, [Ok(message.clone())], "{received}");
        assert_eq!(encoded(&message), framed(&hex(sent)), "{received}");
    }
}

#[test]
fn a_software_name_is_cut_to_64_bytes() {
    let announce = |software: String| {
        application(Tlv::Extension(Extension::Announce(Announce {
            version: 1,
            priority: 0,
            node_mac: crate::Mac::ZERO,
            software,
        })))
    };
    let long = encoded(&announce("x".repeat(300)));
    assert_eq!(decode_all(&long), [Ok(announce("x".repeat(64)))]);
}

/// Both kinds of shutdown notice are there, so that a new one is given its number on the wire.
#[test]
fn shutdown_notices_differ_on_the_wire() {
    let [restart, leave] =
        [ShutdownNotice::Restart, ShutdownNotice::Leave].map(|shutdown_notice| {
            encoded(&application(Tlv::Extension(Extension::ShutdownNotice(
                shutdown_notice,
            ))))
        });
    assert_ne!(restart, leave);
}
