use super::*;
use crate::iccp::{Body, Message, encode};
use proptest::collection::vec;
use proptest::prelude::*;

const SONIC: [u8; 16] = [2, 2, 0, 12, 0, 0, 0, 1, 0x87, 0, 0, 4, 0x80, 0, 1, 0];
const LINUX_MCLAG: [u8; 16] = [4, 4, 12, 0, 1, 0, 0, 0, 1, 0x1c, 4, 0, 1, 0, 1, 0];

/// `spec/iccp.md` 14: `02 02 00 0c` or `04 04 0c 00`, arriving byte by byte.
#[test]
fn the_type_and_length_of_the_capability_decide() {
    for (bytes, dialect) in [(SONIC, Dialect::Sonic), (LINUX_MCLAG, Dialect::LinuxMclag)] {
        let mut detector = Detector::default();
        assert_eq!(detector.push(&[]), Detection::Undecided);
        for (at, byte) in bytes.iter().enumerate() {
            let expected = if at < 3 {
                Detection::Undecided
            } else {
                Detection::Decided(dialect)
            };
            assert_eq!(detector.push(&[*byte]), expected, "byte {at} of {dialect}");
        }
        assert_eq!(
            Detector::default().push(&bytes),
            Detection::Decided(dialect)
        );
    }
}

/// `spec/iccp.md` 14: the general rule for any first message.
#[test]
fn any_other_message_that_a_legacy_daemon_may_begin_with_decides_as_well() {
    for kind in [0x0700, 0x0701, 0x0702, 0x0703] {
        for dialect in [Dialect::Sonic, Dialect::LinuxMclag] {
            let body = Body::Unknown { kind };
            let mut bytes = Vec::new();
            encode(&Message { id: 1, body }, dialect, &mut bytes).unwrap();
            let got = Detector::default().push(&bytes);
            assert_eq!(got, Detection::Decided(dialect));
        }
    }
}

/// The right answer to each of the 65536 first words, from the two lists of the specification.
#[test]
fn no_other_word_begins_a_stream() {
    for word in 0..=u16::MAX {
        let sonic = matches!(word, 0x0202 | 0x0700..=0x0703);
        let swapped = word.swap_bytes();
        let linux_mclag = matches!(swapped, 0x0404 | 0x0e00 | 0x0e02 | 0x0e04 | 0x0e06);
        let expected = match (sonic, linux_mclag) {
            (true, false) => Some(Dialect::Sonic),
            (false, true) => Some(Dialect::LinuxMclag),
            (false, false) => None,
            (true, true) => panic!("{word:04x} is a word of both"),
        };
        assert_eq!(opening(word.to_be_bytes()), expected, "{word:04x}");
    }
}

#[test]
fn the_first_field_that_no_message_has_is_named_and_shown() {
    let cases: [(&[u8], usize); 7] = [
        (b"GET / HTTP/1.1\r\n", 0),
        (&[0x16, 0x03], 0),
        (&[0x00, 0x00], 0),
        (&[0x02, 0x02, 0x0c, 0x00], 2),
        (&[0x04, 0x04, 0x00, 0x0c], 2),
        (&[0x07, 0x03, 0x00, 0x03], 2),
        (&[0x06, 0x0e, 0xfd, 0xff], 2),
    ];
    for (bytes, offset) in cases {
        let excerpt = Excerpt::new(bytes);
        let bytes_shown = Detection::Impossible {
            offset,
            bytes: excerpt,
        };
        assert_eq!(Detector::default().push(bytes), bytes_shown);
    }
}

#[test]
fn the_decoder_goes_on_with_what_was_looked_at() {
    for bytes in [SONIC, LINUX_MCLAG] {
        for cut in 4..bytes.len() {
            let mut detector = Detector::default();
            let Detection::Decided(dialect) = detector.push(&bytes[..cut]) else {
                panic!("undecided after {cut} bytes");
            };
            let mut decoder = detector.into_decoder(dialect);
            assert_eq!((decoder.dialect(), decoder.buffered()), (dialect, cut));
            decoder.push(&bytes[cut..]);
            let (id, body) = (1, Body::Capability);
            assert_eq!(decoder.next(), Some(Ok(Message { id, body })));
        }
    }
}

/// `spec/iccp.md` 5: both sides send it first. Its length alone, or four bytes, are none.
#[test]
fn a_stream_begins_with_a_capability_when_all_of_it_is_there() {
    for bytes in [SONIC, LINUX_MCLAG] {
        let mut detector = Detector::default();
        for (at, byte) in bytes.iter().enumerate() {
            assert_eq!(detector.begins_with_capability(), None, "{at} bytes");
            detector.push(&[*byte]);
        }
        assert_eq!(detector.begins_with_capability(), Some(true));
        detector.push(&[7, 3]);
        assert_eq!(detector.begins_with_capability(), Some(true), "and more");
        for at in [8, 9] {
            let mut wrong = bytes;
            wrong[at] ^= 0xff;
            let mut detector = Detector::default();
            detector.push(&wrong);
            assert_eq!(detector.begins_with_capability(), Some(false), "byte {at}");
        }
    }
    for other in [[7, 3, 0, 4], [6, 14, 4, 0], [2, 2, 0, 13], *b"GET "] {
        let mut detector = Detector::default();
        detector.push(&other);
        assert_eq!(detector.begins_with_capability(), Some(false));
    }
}

proptest! {
    /// A verdict stands whatever follows, and the decoder of that dialect agrees.
    #[test]
    fn noise_never_changes_a_verdict(
        start in prop_oneof![Just(vec![]), Just(vec![2]), Just(vec![2, 2, 0]), Just(vec![6, 14])],
        pushes in vec(vec(any::<u8>(), 0..4), 0..12),
    ) {
        let mut detector = Detector::default();
        let mut verdict = detector.push(&start);
        for noise in pushes {
            let next = detector.push(&noise);
            match (verdict, next) {
                (Detection::Undecided, _) => {}
                (Detection::Decided(before), after) => {
                    prop_assert_eq!(Detection::Decided(before), after);
                }
                (Detection::Impossible { offset: before, .. }, after) => {
                    let Detection::Impossible { offset, .. } = after else {
                        return Err(TestCaseError::fail(format!("{after:?}")));
                    };
                    prop_assert_eq!(before, offset);
                }
            }
            verdict = next;
        }
        if let Detection::Decided(dialect) = verdict
            && let Some(Err(error)) = detector.into_decoder(dialect).next()
        {
            prop_assert!(!error.is_fatal(), "{}", error);
        }
    }
}
