//! `spec/mclagsyncd-protocol.md` 9: each row of the table, the client's side, the generation
//! between the dialects, and that a decision stands.

use super::captures::recorded;
use super::*;

const SONIC: Option<Dialect> = Some(Dialect::Sonic);
const LINUX_MCLAG: Option<Dialect> = Some(Dialect::LinuxMclag);
const INTERMEDIATE: Option<Dialect> = Some(Dialect::Intermediate);

/// What a server that knows nothing makes of one frame.
fn detect(frame: &Frame) -> Option<Dialect> {
    Detector::new(Side::Client, None).frame(frame)
}

fn records(kind: u8, dialect: Dialect, count: usize) -> Frame {
    let records = vec![learned("00:11:22:33:44:55", "PortChannel1"); count];
    let mut frame = frame_of(&ClientMessage::SetFdb(records).encode(dialect).unwrap());
    frame.kind = kind;
    frame
}

/// A type-1 frame with this destination list.
fn isolation(list: &str) -> Frame {
    let mut body = bytes_of("01000200 6161 0200");
    body.extend(u16::try_from(list.len()).unwrap().to_le_bytes());
    body.extend(list.as_bytes());
    Frame {
        version: VERSION,
        kind: 1,
        body,
    }
}

/// 9.1, row 1.
#[test]
fn types_7_to_15_are_sonic() {
    for kind in 7..=15 {
        assert_eq!(detect(&frame(kind, "")), SONIC, "type {kind}");
    }
}

/// 9.1, rows 2 and 3.
#[test]
fn a_poll_and_a_flush_are_linux_mclag() {
    assert_eq!(detect(&frame(20, "")), LINUX_MCLAG);
    assert_eq!(detect(&frame(3, "")), LINUX_MCLAG);
}

/// 9.1, row 4; 3.1: type 6 means two things.
#[test]
fn type_6_is_sonic_only_if_it_begins_with_an_interface_name() {
    assert_eq!(detect(&frame(6, "07000100 61")), SONIC);
    assert_eq!(detect(&frame(6, "00000100 61")), None);
    assert_eq!(detect(&frame(6, "00000100 61 07000100 61")), None);
    assert_eq!(detect(&frame(6, "")), None);
}

/// 9.1, rows 5, 6 and 7.
#[test]
fn one_forwarding_record_tells_by_its_size_and_its_colons() {
    for dialect in Dialect::ALL {
        assert_eq!(detect(&records(5, dialect, 1)), Some(dialect));
    }
}

/// 9.1, rows 8 and 9.
#[test]
fn several_forwarding_records_tell_by_their_colons_and_the_multiple() {
    for dialect in Dialect::ALL {
        for count in 2..=dialect.max_fdb_records() {
            let got = detect(&records(5, dialect, count));
            assert_eq!(got, Some(dialect), "{count} records");
        }
    }
    // A rest behind the last record, which is ignored elsewhere, leaves a text undecided.
    let mut odd = records(5, Dialect::LinuxMclag, 1);
    odd.body.push(0);
    assert_eq!(detect(&odd), None);
    let mut odd = records(5, Dialect::Sonic, 1);
    odd.body.push(0);
    assert_eq!(detect(&odd), SONIC);
}

/// 9.1: three intermediate records are as long as two of linux-mclag; the place of the second
/// record tells them apart.
#[test]
fn a_body_that_both_older_widths_divide_is_told_by_its_second_record() {
    assert_eq!(records(5, Dialect::Intermediate, 3).body.len(), 144);
    assert_eq!(detect(&records(5, Dialect::Intermediate, 3)), INTERMEDIATE);
    assert_eq!(records(5, Dialect::LinuxMclag, 2).body.len(), 144);
    assert_eq!(detect(&records(5, Dialect::LinuxMclag, 2)), LINUX_MCLAG);
    // Neither: the multiple of 72 decides.
    let mut neither = records(5, Dialect::LinuxMclag, 2);
    neither.body[74] = 0;
    assert_eq!(detect(&neither), LINUX_MCLAG);
}

/// 9.1: "cannot misfire": in a sonic record a byte of the test is the top of a VLAN, always 0.
#[test]
fn no_sonic_record_is_taken_for_a_text() {
    let record = learned("3a:3a:3a:3a:3a:3a", "swp1");
    for count in 1..=113 {
        let message = ClientMessage::SetFdb(vec![record; count]);
        let mut frame = frame_of(&message.encode(Dialect::Sonic).unwrap());
        for record in frame.body.chunks_exact_mut(36) {
            record[6..8].fill(b':'); // the pad
            record[8] = b':'; // VLAN 58
            record[12..].fill(b':');
        }
        assert_eq!(detect(&frame), SONIC, "{count} records");
    }
}

/// 9.1, row 10.
#[test]
fn an_interface_with_an_address_is_linux_mclag() {
    assert_eq!(detect(&frame(4, "05000400 613a3131 06000000")), LINUX_MCLAG);
    assert_eq!(detect(&frame(4, "05000100 61 06000200 3a3a")), None);
    assert_eq!(detect(&frame(4, "")), None);
}

/// 9.1, rows 11 and 12.
#[test]
fn an_isolation_list_tells_by_its_marks_and_its_first_name() {
    assert_eq!(detect(&isolation("swp1,!swp2")), LINUX_MCLAG);
    assert_eq!(detect(&isolation("PortChannel1,!swp2")), LINUX_MCLAG);
    assert_eq!(detect(&isolation("")), SONIC);
    assert_eq!(detect(&isolation("PortChannel1,Ethernet4")), SONIC);
    assert_eq!(detect(&isolation("Ethernet4,PortChannel1")), None);
    assert_eq!(detect(&frame(1, "01000100 61")), None);
}

/// 9.1, row 13, and what no row names.
#[test]
fn the_rest_leaves_it_undecided() {
    assert_eq!(detect(&frame(2, "04000100 61")), None);
    for kind in (0..=0).chain(16..=19).chain(21..=255) {
        assert_eq!(detect(&frame(kind, "07000100 61")), None, "type {kind}");
    }
    assert_eq!(detect(&frame(5, "")), None);
    assert_eq!(detect(&frame(5, "3a3a")), None);
    let other_version = Frame {
        version: 2,
        ..frame(8, "")
    };
    assert_eq!(detect(&other_version), None);
    // A body that is no list of sub-options.
    for kind in [1, 4, 6] {
        assert_eq!(detect(&frame(kind, "0700ffff 61")), None);
    }
}

/// 9.2.
#[test]
fn a_client_tells_by_settings_and_by_records() {
    let detect = |frame: &Frame| Detector::new(Side::Server, None).frame(frame);
    for kind in 2..=5 {
        assert_eq!(detect(&frame(kind, "")), SONIC, "type {kind}");
    }
    for dialect in Dialect::ALL {
        assert_eq!(detect(&records(1, dialect, 1)), Some(dialect));
        assert_eq!(detect(&records(1, dialect, 5)), Some(dialect));
    }
    assert_eq!(detect(&frame(1, "")), None);
    for kind in (0..=0).chain(6..=255) {
        assert_eq!(detect(&frame(kind, "")), None, "type {kind}");
    }
}

/// 9.1: the local address of a connection tells.
#[test]
fn an_address_tells_until_something_is_received() {
    for (dialect, last) in [(Dialect::Sonic, 6), (Dialect::LinuxMclag, 1)] {
        let address = Ipv4Addr::new(127, 0, 0, last);
        assert_eq!(*dialect.server_address().ip(), address);
    }
    for dialect in Dialect::ALL {
        assert_eq!(dialect.server_address().port(), 2626);
    }
    let mut detector = Detector::new(Side::Client, SONIC);
    assert_eq!(detector.dialect(), SONIC);
    assert_eq!(detector.frame(&frame(2, "04000100 61")), SONIC);
    assert_eq!(Detector::new(Side::Client, None).dialect(), None);
}

/// 9.1, 9.3: the generation between the dialects has the address of sonic.
#[test]
fn at_the_address_of_sonic_a_poll_or_a_record_of_48_bytes_gives_the_intermediate_away() {
    let start = || Detector::new(Side::Client, SONIC);
    assert_eq!(start().frame(&frame(20, "")), INTERMEDIATE);
    assert_eq!(
        start().frame(&records(5, Dialect::Intermediate, 1)),
        INTERMEDIATE
    );
    // As it does: learning, flush, poll.
    let mut detector = start();
    assert_eq!(detector.frame(&frame(2, "04000100 61")), SONIC);
    assert_eq!(detector.frame(&frame(3, "")), SONIC);
    assert_eq!(detector.frame(&frame(20, "")), INTERMEDIATE);
    // A flush by sonic, which its server understands, is no reason to doubt.
    let mut detector = start();
    assert_eq!(detector.frame(&frame(3, "")), SONIC);
    assert_eq!(detector.frame(&frame(8, "")), SONIC);
    assert_eq!(detector.frame(&frame(20, "")), SONIC);
    let server = Detector::new(Side::Server, SONIC).frame(&records(1, Dialect::Intermediate, 2));
    assert_eq!(server, INTERMEDIATE);
}

/// 9.3: all but the records is the same in the two older dialects.
#[test]
fn the_first_record_corrects_which_of_the_older_dialects_it_is() {
    let mut detector = Detector::new(Side::Client, None);
    assert_eq!(detector.frame(&frame(20, "")), LINUX_MCLAG);
    let record = records(5, Dialect::Intermediate, 1);
    assert_eq!(detector.frame(&record), INTERMEDIATE);
    // But just the first.
    let record = records(5, Dialect::LinuxMclag, 1);
    assert_eq!(detector.frame(&record), INTERMEDIATE);
}

/// `spec/behaviour.md` W-34: never mixed.
#[test]
fn a_decision_between_sonic_and_the_others_stands() {
    for first in [frame(8, ""), records(5, Dialect::Sonic, 1)] {
        let mut detector = Detector::new(Side::Client, None);
        assert_eq!(detector.frame(&first), SONIC);
        assert_eq!(detector.frame(&frame(20, "")), SONIC);
        let record = records(5, Dialect::LinuxMclag, 1);
        assert_eq!(detector.frame(&record), SONIC);
    }
    let mut detector = Detector::new(Side::Client, None);
    assert_eq!(detector.frame(&frame(20, "")), LINUX_MCLAG);
    assert_eq!(detector.frame(&frame(8, "")), LINUX_MCLAG);
    let record = records(5, Dialect::Sonic, 1);
    assert_eq!(detector.frame(&record), LINUX_MCLAG);
}

/// An empty list is what linux-mclag sends without MLAG ports (4.1), and an address is reliable
/// (9.1).
#[test]
fn an_isolation_list_without_marks_does_not_overrule_an_address() {
    let mut detector = Detector::new(Side::Client, LINUX_MCLAG);
    assert_eq!(detector.frame(&isolation("PortChannel1")), LINUX_MCLAG);
    assert_eq!(detector.frame(&isolation("")), LINUX_MCLAG);
    assert_eq!(detector.frame(&frame(20, "")), LINUX_MCLAG);
    assert_eq!(detector.frame(&frame(7, "")), LINUX_MCLAG);
}

#[test]
fn no_recorded_message_is_taken_for_another_dialect() {
    for (dialect, side, read, bytes) in recorded() {
        let got = Detector::new(side, None).frame(&frame_of(&bytes));
        assert!(got.is_none_or(|got| got == dialect), "{read}: {got:?}");
        for assumed in [Dialect::Sonic, Dialect::LinuxMclag] {
            if assumed == dialect {
                let got = Detector::new(side, Some(assumed)).frame(&frame_of(&bytes));
                let is_poll = got == INTERMEDIATE && read == "header only";
                assert!(got == Some(dialect) || is_poll, "{read}: {got:?}");
            }
        }
    }
}
