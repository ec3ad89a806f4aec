use super::*;
use crate::IfName;
use crate::iccp::ext::{Announce, Extension, Goodbye};
use crate::iccp::{BadValue, Found, MacEntry, PortState, RgId};

mod random;
mod vectors;

use vectors::{CAPTURED, hex, name, pairs, vid};

/// Everything that a stream beginning with these bytes yields.
fn decode_all(bytes: &[u8]) -> Vec<Result<Message, DecodeError>> {
    let mut decoder = Decoder::new(Dialect::Sonic);
    decoder.push(bytes);
    decoder.collect()
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, Dialect::Sonic, &mut out);
    out
}

/// Application data of group 1 with id 9: its TLV is what is tested.
fn application(tlv: Tlv) -> Message {
    let body = Body::Application { rg: RgId(1), tlv };
    Message { id: 9, body }
}

/// Such a message around the bytes of a TLV; the first one is at byte 16.
fn framed(tlv: &[u8]) -> Vec<u8> {
    let mut bytes = hex("0703 0000 00000009 00050004 00000001");
    bytes.extend_from_slice(tlv);
    set_length(&mut bytes);
    bytes
}

fn set_length(message: &mut [u8]) {
    let length = u16::try_from(message.len() - HEADER).unwrap();
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

/// A field, where it is and what it holds.
type Place = (Part, &'static str, usize, Found);

fn bad(part: Part, field: &'static str, offset: usize, found: u32) -> Place {
    (part, field, offset, Found::Number(found))
}

/// The only error of a stream, taken apart.
fn bad_value(bytes: &[u8]) -> Place {
    match &decode_all(bytes)[..] {
        [Err(DecodeError::Value(bad))] => (bad.part, bad.field, bad.offset, bad.found),
        other => panic!("{other:?}"),
    }
}

#[test]
fn values_are_written_as_the_vectors_say() {
    for (what, bytes, message) in pairs() {
        assert_eq!(encoded(&message), bytes, "{what}");
    }
}

#[test]
fn vectors_are_read_as_their_values() {
    for (what, bytes, message) in pairs() {
        assert_eq!(decode_all(&bytes), [Ok(message)], "{what}");
    }
}

#[test]
fn captured_messages_are_read_and_written_back_unchanged() {
    for text in CAPTURED {
        let bytes = hex(text);
        let [Ok(message)] = &decode_all(&bytes)[..] else {
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
        assert_eq!(encoded(message), bytes, "{text}");
    }
}

#[test]
fn a_message_that_is_not_complete_is_waited_for() {
    for (what, bytes, message) in pairs() {
        for len in 0..bytes.len() {
            let mut decoder = Decoder::new(Dialect::Sonic);
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
    for (what, bytes, _) in pairs() {
        for len in 8..bytes.len() {
            let mut stream = bytes[..len].to_vec();
            set_length(&mut stream);
            stream.extend(encoded(&next));
            let got = decode_all(&stream);
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
    for (what, bytes, message) in pairs() {
        let value = match message.body {
            // Any text is a sender's name.
            Body::Connect { .. } => continue,
            Body::Capability => 12,
            _ => 20,
        };
        for len in value..bytes.len() {
            let mut short = bytes[..len].to_vec();
            set_length(&mut short);
            let length = u16::try_from(len - value).unwrap();
            short[value - 2..value].copy_from_slice(&length.to_be_bytes());
            let got = decode_all(&short);
            let [Err(error)] = &got[..] else {
                panic!("{what} at {len} bytes: {got:?}");
            };
            assert!(error.to_string().contains(" TLV 0x"), "{what}: {error}");
        }
    }
}

#[test]
fn what_follows_the_first_tlv_is_ignored() {
    for (what, mut bytes, message) in pairs() {
        bytes.extend(hex("0038 0008 0000ffff 00000000"));
        set_length(&mut bytes);
        assert_eq!(decode_all(&bytes), [Ok(message)], "{what}");
    }
}

/// What follows the known fields of a TLV is ignored as well, so that a sender may append.
#[test]
fn bytes_appended_to_application_data_are_ignored() {
    for (what, mut bytes, message) in pairs() {
        if !matches!(message.body, Body::Application { .. }) {
            continue;
        }
        bytes.extend([0xa5; 7]);
        set_length(&mut bytes);
        let length = u16::try_from(bytes.len() - 20).unwrap();
        bytes[18..20].copy_from_slice(&length.to_be_bytes());
        assert_eq!(decode_all(&bytes), [Ok(message)], "{what}");
    }
}

#[test]
fn the_bits_beside_the_type_of_application_data_are_ignored() {
    for bits in [0x00, 0x40, 0x80, 0xc0] {
        let bytes = framed(&[bits, 0x3a, 0, 1, 0xff]);
        assert_eq!(decode_all(&bytes), [Ok(application(Tlv::Heartbeat))]);
        let bytes = framed(&[bits | 0x11, 0x02, 0, 0]);
        let end = Tlv::Extension(Extension::MacSyncEnd);
        assert_eq!(decode_all(&bytes), [Ok(application(end))]);
    }
}

#[test]
fn unknown_tlvs_are_read_past() {
    for kind in [
        0x0030, 0x0033, 0x0034, 0x0035, 0x003b, 0x1037, 0x1103, 0x3fff_u16,
    ] {
        let [high, low] = kind.to_be_bytes();
        let bytes = framed(&[high, low, 0, 3, 1, 2, 3]);
        assert_eq!(decode_all(&bytes), [Ok(application(Tlv::Unknown { kind }))]);
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
    set_length(&mut bytes);
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
}

/// The bytes of one MAC Info entry.
fn entry(mac: u8, vid: u16, port: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, 2, 0x02, 0, 0, 0, 0, mac];
    bytes.extend(vid.to_be_bytes());
    bytes.extend(port);
    bytes.resize(30, 0);
    bytes
}

fn mac_info(count: u16, entries: &[Vec<u8>]) -> Vec<u8> {
    let entries = entries.concat();
    let mut tlv = hex("1038");
    tlv.extend(u16::try_from(2 + entries.len()).unwrap().to_be_bytes());
    tlv.extend(count.to_be_bytes());
    tlv.extend(entries);
    framed(&tlv)
}

fn macs(message: &Message) -> &[MacEntry] {
    match &message.body {
        Body::Application {
            tlv: Tlv::MacInfo(entries),
            ..
        } => entries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bad_entry_is_skipped_and_reported_and_the_good_ones_beside_it_are_delivered() {
    let next = application(Tlv::Heartbeat);
    let mut stream = mac_info(
        4,
        &[
            entry(1, 10, b"swp1"),
            entry(2, 4095, b"swp1"),
            entry(3, 10, b""),
            entry(4, 10, b"swp1"),
        ],
    );
    stream.extend(encoded(&next));
    let got = decode_all(&stream);
    assert_eq!(got.len(), 3);
    let kept = macs(got[0].as_ref().unwrap());
    assert_eq!(kept.iter().map(|e| e.mac.0[5]).collect::<Vec<_>>(), [1, 4]);
    let error = got[1].as_ref().unwrap_err();
    assert!(!error.is_fatal());
    assert_eq!(
        error.to_string(),
        "2 of 4 entries skipped, the first of them is entry 1: \
         MAC Info TLV 0x1038: VLAN at byte 60 is 4095 (0xfff), expected 1..=4094"
    );
    assert_eq!(got[2], Ok(next));
}

#[test]
fn an_entry_with_an_unknown_op_or_type_is_delivered() {
    let mut raw = entry(1, 10, b"swp1");
    raw[..2].copy_from_slice(&[4, 0]);
    let got = decode_all(&mac_info(1, &[raw]));
    let [Ok(message)] = &got[..] else {
        panic!("{got:?}");
    };
    let [entry] = macs(message) else {
        panic!("{message:?}");
    };
    assert_eq!(entry.op, crate::iccp::EntryOp::Reserved(4));
    assert_eq!(entry.kind, crate::iccp::MacType::Dynamic);
}

#[test]
fn a_count_beyond_the_message_drops_it_before_anything_is_allocated() {
    let bytes = mac_info(u16::MAX, &[entry(1, 10, b"swp1")]);
    let error = bad(Part::Tlv(0x1038), "number of entries", 20, 0xffff);
    assert_eq!(bad_value(&bytes), error);

    let tlv = hex("1034 0022 0001 626f6e6431 00{15} 05 00 00000000 0001 0002 000a");
    let error = bad(Part::Tlv(0x1034), "number of VLANs", 50, 2);
    assert_eq!(bad_value(&framed(&tlv)), error);
}

#[test]
fn entries_of_the_intermediate_generation_are_not_taken_for_others() {
    let old = vec![0x31; 41];
    let error = bad(Part::Tlv(0x1038), "size of the entries", 20, 41);
    assert_eq!(bad_value(&mac_info(2, &[old.clone(), old])), error);
}

#[test]
fn a_vlan_that_is_none_is_skipped_and_reported() {
    let tlv = hex("1034 0024 0001 626f6e6431 00{15} 05 00 00000000 0001 0002 0000 000a");
    let got = decode_all(&framed(&tlv));
    let [Ok(message), Err(error)] = &got[..] else {
        panic!("{got:?}");
    };
    let Body::Application {
        tlv: Tlv::PortChannelInfo(info),
        ..
    } = &message.body
    else {
        panic!("{message:?}");
    };
    assert_eq!(info.vids, [vid(10)].into());
    let first = BadValue {
        part: Part::Tlv(0x1034),
        field: "VLAN",
        offset: 52,
        found: Found::Number(0),
        expected: "1..=4094",
    };
    let (skipped, total, index) = (1, 2, 0);
    assert_eq!(
        *error,
        DecodeError::Entries {
            skipped,
            total,
            index,
            first
        }
    );
}

#[test]
fn a_list_too_long_for_a_message_becomes_several_of_the_same_id() {
    let got = decode_all(&mac_info(1, &[entry(1, 10, b"swp1")]));
    let one = macs(got[0].as_ref().unwrap())[0];
    for (count, sizes) in [
        (0, vec![0]),
        (MAX_MACS_PER_MESSAGE, vec![MAX_MACS_PER_MESSAGE]),
        (
            2 * MAX_MACS_PER_MESSAGE + 1,
            vec![MAX_MACS_PER_MESSAGE, MAX_MACS_PER_MESSAGE, 1],
        ),
    ] {
        let bytes = encoded(&application(Tlv::MacInfo(vec![one; count])));
        let got: Vec<_> = decode_all(&bytes).into_iter().map(Result::unwrap).collect();
        assert_eq!(got.iter().map(|m| macs(m).len()).collect::<Vec<_>>(), sizes);
        assert!(got.iter().all(|m| m.id == 9));
        assert!(got.iter().all(|m| encoded(m).len() <= MAX_MESSAGE));
    }
}

/// `spec/iccp.md` 2.4: 30 entries make 922 bytes.
fn encoded_len(entries: usize) -> usize {
    22 + 30 * entries
}

#[test]
fn the_longest_mac_info_leaves_no_room_for_another_entry() {
    assert_eq!(MAX_MESSAGE, 65536);
    assert_eq!(MAX_MACS_PER_MESSAGE, 2183);
    assert_eq!(encoded_len(30), 922);
    assert!(encoded_len(MAX_MACS_PER_MESSAGE) <= MAX_MESSAGE);
    assert!(encoded_len(MAX_MACS_PER_MESSAGE + 1) > MAX_MESSAGE);
}

#[test]
fn less_than_a_message_is_buffered_once_drained() {
    let got = decode_all(&mac_info(1, &[entry(1, 10, b"swp1")]));
    let one = macs(got[0].as_ref().unwrap())[0];
    let bytes = encoded(&application(Tlv::MacInfo(vec![one; MAX_MACS_PER_MESSAGE])));
    let mut decoder = Decoder::new(Dialect::Sonic);
    let mut messages = 0;
    for chunk in bytes.repeat(50).chunks(10_000) {
        decoder.push(chunk);
        messages += decoder.by_ref().map(Result::unwrap).count();
        assert!(decoder.buffered() < MAX_MESSAGE);
        assert!(decoder.buffer.capacity() < 4 * MAX_MESSAGE);
    }
    assert_eq!(messages, 50);
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

/// Both kinds of goodbye are there, so that a new one is given its number on the wire.
#[test]
fn goodbyes_differ_on_the_wire() {
    let [restart, leave] = [Goodbye::Restart, Goodbye::Leave]
        .map(|goodbye| encoded(&application(Tlv::Extension(Extension::Goodbye(goodbye)))));
    assert_ne!(restart, leave);
}
