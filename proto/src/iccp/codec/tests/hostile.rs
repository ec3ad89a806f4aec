//! The memory-safety faults reported of legacy daemons (`spec/behaviour.md` 16, W-26 and 17,
//! P-24): lengths, counts and name lengths of a peer that mean more than the message holds.

use super::*;

/// The bytes of a TLV of any type, in either dialect.
fn tlv(dialect: Dialect, kind: u16, length: usize, value: &[u8]) -> Vec<u8> {
    let word = match dialect {
        Dialect::Sonic => kind.to_be_bytes(),
        Dialect::LinuxMclag => (kind << 2).to_le_bytes(),
    };
    let mut bytes = word.to_vec();
    bytes.extend(number(dialect, length));
    bytes.extend(value);
    bytes
}

const KINDS: [u16; 18] = [
    0x0032, 0x0033, 0x0035, 0x0036, 0x0037, 0x0038, 0x0039, 0x003a, 0x1034, 0x1035, 0x1036, 0x1037,
    0x1038, 0x1039, 0x103a, 0x103b, 0x1100, 0x1101,
];

/// What a stream yields is bounded by its bytes, and short enough for a log line.
fn assert_harmless(got: &[Result<Message, DecodeError>]) {
    for item in got {
        match item {
            Ok(message) => assert!(message.body.ids() <= 2184, "{message:?}"),
            Err(error) => assert!(error.to_string().len() < 250, "{error}"),
        }
    }
}

/// P-24: a TLV that is longer than its message is never read beyond it.
#[test]
fn a_tlv_longer_than_its_message_drops_it_and_the_next_one_is_read() {
    let next = application(Tlv::Heartbeat);
    for dialect in BOTH {
        for kind in KINDS {
            for length in [11, 12, 255, 65520, 65535] {
                let mut stream = framed_in(dialect, &tlv(dialect, kind, length, &[1; 10]));
                stream.extend(encoded_in(dialect, &next));
                let found = Found::Number(u32::try_from(length).unwrap());
                let got = decode_in(dialect, &stream);
                let [Err(DecodeError::Value(bad)), Ok(message)] = &got[..] else {
                    panic!("{got:?}");
                };
                assert_eq!(
                    (bad.part, bad.field, bad.offset, bad.found),
                    (Part::Tlv(kind), "TLV length", 18, found)
                );
                assert_eq!(*message, next);
            }
        }
    }
}

/// P-24: counts from the peer are checked against the bytes that are there.
#[test]
fn no_count_is_trusted() {
    for dialect in BOTH {
        for kind in KINDS {
            for room in [0, 1, 2, 29, 30, 31, 36, 41, 48, 82, 200] {
                for count in [0, 1, 2, 30, 31, 40, 41, 255, 0x7fff, 0x8000, 0xffff] {
                    let mut value = number(dialect, count).to_vec();
                    value.resize(2 + room, b'a');
                    let bytes = framed_in(dialect, &tlv(dialect, kind, value.len(), &value));
                    assert_harmless(&decode_in(dialect, &bytes));
                }
            }
        }
    }
}

/// P-24: messages shorter than what their type has are not read beyond their end.
#[test]
fn a_message_or_tlv_may_be_empty() {
    for dialect in BOTH {
        for kind in KINDS {
            let bytes = framed_in(dialect, &tlv(dialect, kind, 0, &[]));
            assert_harmless(&decode_in(dialect, &bytes));
        }
        for first in pairs().into_iter().filter(|pair| pair.dialect == dialect) {
            for length in 0..4 {
                let mut bytes = first.bytes.clone();
                bytes.truncate(8 + length);
                set_length(dialect, &mut bytes);
                let got = decode_in(dialect, &bytes);
                assert!(
                    matches!(&got[..], [Err(error)] if !error.is_fatal()),
                    "{got:?}"
                );
            }
        }
    }
}

/// W-26: legacy receivers copy as many bytes as the length beside a name says.
#[test]
fn the_length_beside_a_name_is_not_trusted() {
    for mut pair in pairs() {
        let (at, text) = match &pair.message.body {
            Body::Application {
                tlv: Tlv::AggregatorConfig(config),
                ..
            } => (41, config.name),
            Body::Application {
                tlv: Tlv::PortChannelInfo(info),
                ..
            } => (42, info.name),
            _ => continue,
        };
        assert_eq!(usize::from(pair.bytes[at]), text.as_str().len());
        for length in [0, 1, 20, 21, 255] {
            pair.bytes[at] = length;
            let got = decode_in(pair.dialect, &pair.bytes);
            assert_eq!(got, [Ok(pair.message.clone())], "{} {length}", pair.what);
        }
    }
}

/// W-26: a name that fills its field has no NUL, and ends all the same.
#[test]
fn a_name_without_nul_ends_with_its_field() {
    let full = "abcdefghijklmnopqrst";
    for pair in pairs() {
        let at = match &pair.message.body {
            Body::Application {
                tlv: Tlv::AggregatorConfig(_),
                ..
            } => 42,
            Body::Application {
                tlv: Tlv::PortChannelInfo(_),
                ..
            } => 22,
            Body::Application {
                tlv: Tlv::PeerLinkInfo(_),
                ..
            } => 20,
            _ => continue,
        };
        let mut bytes = pair.bytes;
        bytes[at..at + 20].copy_from_slice(full.as_bytes());
        let got = match only_tlv(pair.dialect, &bytes) {
            Tlv::AggregatorConfig(config) => config.name,
            Tlv::PortChannelInfo(info) => info.name,
            Tlv::PeerLinkInfo(info) => info.name,
            other => panic!("{other:?}"),
        };
        assert_eq!(got, name(full), "{}", pair.what);
    }
}

#[test]
fn no_changed_byte_of_a_vector_does_harm() {
    for pair in pairs() {
        for at in 0..pair.bytes.len() {
            for byte in [0x00, 0x01, 0x20, 0x7f, 0x80, 0xff] {
                let mut bytes = pair.bytes.clone();
                bytes[at] = byte;
                assert_harmless(&decode_in(pair.dialect, &bytes));
            }
        }
    }
}

/// A vector of one dialect is never taken for one of the other.
#[test]
fn a_decoder_refuses_the_other_dialect_at_once() {
    for pair in pairs() {
        for other in BOTH.into_iter().filter(|&other| other != pair.dialect) {
            let got = decode_in(other, &pair.bytes);
            let [Err(error)] = &got[..] else {
                panic!("{got:?}");
            };
            let text = format!("the peer speaks the {} dialect", pair.dialect);
            assert!(error.is_fatal() && error.to_string().starts_with(&text));
        }
    }
}
