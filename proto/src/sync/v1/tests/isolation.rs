//! `spec/mclagsyncd-protocol.md` 4.1: the two grammars and their traps.

use super::*;

const SONIC: Dialect = Dialect::Sonic;
const LINUX_MCLAG: Dialect = Dialect::LinuxMclag;

/// What a sender says of a port.
fn lag(name: &str, members: &[&str], is_isolated: bool) -> IsolatedPort {
    IsolatedPort {
        lag: Some(port(name)),
        members: members.iter().map(|name| port(name)).collect(),
        is_isolated,
    }
}

fn list(ports: &[IsolatedPort]) -> PortIsolate {
    PortIsolate {
        peer_link: port("peerlink"),
        ports: ports.to_vec(),
    }
}

/// The destination list that travels.
fn text(list: &PortIsolate, dialect: Dialect) -> String {
    let message = ClientMessage::PortIsolate(list.clone());
    let frame = frame_of(&message.encode(dialect).unwrap());
    let source = "01 00 0800 70656572 6c696e6b 02 00";
    let rest = frame.body.strip_prefix(bytes_of(source).as_slice());
    let (length, text) = rest.unwrap().split_first_chunk().unwrap();
    assert_eq!(usize::from(u16::from_le_bytes(*length)), text.len());
    String::from_utf8(text.to_vec()).unwrap()
}

/// What a receiver reads of a destination list.
fn read(text: &str, dialect: Dialect) -> Decoded<ClientMessage> {
    let mut body = bytes_of("01 00 0800 70656572 6c696e6b 02 00");
    body.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
    body.extend(text.as_bytes());
    let frame = Frame {
        version: VERSION,
        kind: 1,
        body,
    };
    ClientMessage::decode(&frame, dialect).unwrap().unwrap()
}

/// The names that a receiver reads of a list in which nothing is wrong.
fn names(text: &str, dialect: Dialect) -> Vec<(String, bool)> {
    let decoded = read(text, dialect);
    assert_eq!(decoded.skipped, []);
    let ClientMessage::PortIsolate(list) = decoded.message else {
        panic!("not a list");
    };
    let names = list.names().map(|(name, is)| (name.to_string(), is));
    names.collect()
}

/// 4.1, the examples of both grammars.
#[test]
fn each_dialect_writes_its_own_grammar_of_the_same_value() {
    let both = list(&[
        lag("PortChannel1", &["Ethernet0", "Ethernet4"], true),
        lag("PortChannel2", &["Ethernet8"], true),
    ]);
    assert_eq!(
        text(&both, SONIC),
        "PortChannel1,Ethernet0,Ethernet4,PortChannel2,Ethernet8"
    );
    assert_eq!(text(&both, LINUX_MCLAG), "Ethernet0,Ethernet4,Ethernet8");
    let first = list(&[
        lag("bond1", &["swp1", "swp2"], true),
        lag("bond2", &["swp3"], false),
    ]);
    assert_eq!(text(&first, LINUX_MCLAG), "swp1,swp2,!swp3");
    assert_eq!(text(&first, SONIC), "bond1,swp1,swp2");
}

/// 4.1, 10 item 10: the sub-option is there even when it is empty.
#[test]
fn sonic_says_that_nothing_is_isolated_with_an_empty_list() {
    let none = list(&[lag("PortChannel1", &["Ethernet0"], false)]);
    assert_eq!(text(&none, SONIC), "");
    assert_eq!(text(&list(&[]), SONIC), "");
    assert_eq!(names("", SONIC), []);
}

/// 4.1: "No isolated port-channel at all still produces `!...`"; without any it would be empty,
/// which the server refuses.
#[test]
fn linux_mclag_says_nothing_only_if_there_is_no_port() {
    let none = list(&[
        lag("bond1", &["swp1"], false),
        lag("bond2", &["swp2"], false),
    ]);
    assert_eq!(text(&none, LINUX_MCLAG), "!swp1,!swp2");
    for empty in [list(&[]), list(&[lag("bond1", &[], true)])] {
        let refused = ClientMessage::PortIsolate(empty).encode(LINUX_MCLAG);
        let error = refused.unwrap_err();
        assert!(error.is_harmless());
        assert_eq!(
            error.to_string(),
            "PORT_ISOLATE without ports is refused in dialect linux-mclag"
        );
    }
}

/// 4.1, trap: `!` once for each port, in front of its first member only.
#[test]
fn linux_mclag_writes_the_mark_in_front_of_the_first_member_only() {
    let both = [
        lag("bond1", &["swp1", "swp2"], false),
        lag("bond2", &["swp3", "swp4"], true),
    ];
    assert_eq!(text(&list(&both), LINUX_MCLAG), "!swp1,swp2,swp3,swp4");
}

/// 4.1, trap: a port without members leaves an empty name or a lone `!`, and a comma only if
/// something stands before it.
#[test]
fn linux_mclag_writes_ports_without_members() {
    let empty = |is_isolated| lag("bond9", &[], is_isolated);
    let one = lag("bond1", &["swp1"], true);
    let two = lag("bond2", &["swp2"], false);
    for (ports, want) in [
        (vec![empty(true), one.clone()], "swp1"),
        (vec![empty(true), empty(true), one.clone()], "swp1"),
        (vec![one.clone(), empty(true)], "swp1,"),
        (vec![one.clone(), empty(true), two.clone()], "swp1,,!swp2"),
        (vec![empty(false)], "!"),
        (vec![empty(false), one.clone()], "!,swp1"),
        (vec![one.clone(), empty(false), two], "swp1,!,!swp2"),
    ] {
        assert_eq!(text(&list(&ports), LINUX_MCLAG), want);
    }
    // A sonic list has no such trap: the port's own name stands there.
    assert_eq!(text(&list(&[empty(true), one]), SONIC), "bond9,bond1,swp1");
}

/// 4.1: what `mclagsyncd.py` takes as it is meant.
#[test]
fn a_list_spelled_out_has_a_mark_for_each_name_and_no_empty_one() {
    let ports = list(&[
        lag("bond9", &[], false),
        lag("bond1", &["swp1", "swp2"], false),
        lag("bond8", &[], true),
        lag("bond2", &["swp3", "swp4"], true),
    ]);
    let spelled_out = ports.clone().spelled_out(LINUX_MCLAG);
    assert_eq!(text(&spelled_out, LINUX_MCLAG), "!swp1,!swp2,swp3,swp4");
    assert_eq!(ports.clone().spelled_out(SONIC), ports);
}

/// 4.1: "A faithful receiver does the same", the mark is of one name.
#[test]
fn a_received_mark_is_of_one_name() {
    assert_eq!(
        names("!swp3,swp4,!swp5", LINUX_MCLAG),
        [
            ("swp3".to_owned(), false),
            ("swp4".to_owned(), true),
            ("swp5".to_owned(), false)
        ]
    );
    // In sonic it is a part of the name.
    assert_eq!(names("!a", SONIC), [("!a".to_owned(), true)]);
}

/// 4.1: "Our receiver must skip empty tokens and lone `!`".
#[test]
fn empty_names_and_lone_marks_are_skipped() {
    assert_eq!(
        names(",swp1,,!,swp2,!", LINUX_MCLAG),
        [("swp1".to_owned(), true), ("swp2".to_owned(), true)]
    );
    assert_eq!(names("!", LINUX_MCLAG), []);
    assert_eq!(names(",a,,", SONIC), [("a".to_owned(), true)]);
}

/// 4.1: "it should apply the `!` to all members of the same LAG that follow consecutively".
#[test]
fn a_receiver_who_knows_the_lags_extends_a_mark_to_the_members_behind_it() {
    let lag_of = |name: &IfName| match name.as_str() {
        "swp1" | "swp2" | "swp3" => Some(port("bond1")),
        "swp4" | "swp5" => Some(port("bond2")),
        _ => None,
    };
    let meant = |text| {
        let ClientMessage::PortIsolate(list) = read(text, LINUX_MCLAG).message else {
            panic!("not a list");
        };
        list.with_lags(lag_of).ports
    };
    assert_eq!(
        meant("!swp1,swp2,swp3,swp4,swp5"),
        [
            lag("bond1", &["swp1", "swp2", "swp3"], false),
            lag("bond2", &["swp4", "swp5"], true)
        ]
    );
    assert_eq!(
        meant("!swp1,!swp2,swp4,!swp5"),
        [
            lag("bond1", &["swp1", "swp2"], false),
            lag("bond2", &["swp4"], true),
            lag("bond2", &["swp5"], false)
        ]
    );
    // Not at once: not the same group.
    assert_eq!(
        meant("!swp1,swp4,swp2"),
        [
            lag("bond1", &["swp1"], false),
            lag("bond2", &["swp4"], true),
            lag("bond1", &["swp2"], true)
        ]
    );
    assert_eq!(
        meant("!eth0,eth1"),
        [
            IsolatedPort::named(port("eth0"), false),
            IsolatedPort::named(port("eth1"), true)
        ]
    );
}

/// What a sender says, a receiver who knows the LAGs reads back.
#[test]
fn a_list_survives_the_way_to_a_receiver_who_knows_the_lags() {
    let ports = [
        lag("bond1", &["swp1", "swp2"], false),
        lag("bond2", &["swp4", "swp5"], true),
    ];
    let lag_of = |name: &IfName| match name.as_str() {
        "swp1" | "swp2" => Some(port("bond1")),
        _ => Some(port("bond2")),
    };
    let sent = list(&ports);
    for list in [sent.clone(), sent.clone().spelled_out(LINUX_MCLAG)] {
        let ClientMessage::PortIsolate(got) = read(&text(&list, LINUX_MCLAG), LINUX_MCLAG).message
        else {
            panic!("not a list");
        };
        assert_eq!(got.with_lags(lag_of), sent);
    }
}

/// `spec/behaviour.md` W-32: one bad name spoils no other.
#[test]
fn a_name_that_is_none_is_reported_with_its_place_and_skipped() {
    let decoded = read("swp1,a name,123456789012345678901,!x/y,swp2", LINUX_MCLAG);
    let told: Vec<String> = decoded.skipped.iter().map(ToString::to_string).collect();
    let reason = "not an interface name: 1 to 20 printable characters without blank, '/' or ':'";
    assert_eq!(
        told,
        [
            // 4 of the header, 12 of the source, 4 of the destination's header, "swp1,".
            format!("entry 1: isolation destination at offset 25: \"a name\": {reason}"),
            format!(
                "entry 2: isolation destination at offset 32: \"123456789012345678901\": {reason}"
            ),
            format!("entry 3: isolation destination at offset 54: \"x/y\": {reason}"),
        ]
    );
    let ClientMessage::PortIsolate(list) = decoded.message else {
        panic!("not a list");
    };
    assert_eq!(list.ports.len(), 2);
}

#[test]
fn a_name_that_would_be_read_as_several_is_never_sent() {
    for (name, dialects) in [("a,b", Dialect::ALL.as_slice()), ("!a", &[LINUX_MCLAG])] {
        let message = ClientMessage::PortIsolate(list(&[lag("bond1", &[name], true)]));
        for dialect in dialects {
            let refused = Err(EncodeError::Separator(port(name)));
            assert_eq!(message.encode(*dialect), refused);
        }
    }
}

/// `spec/behaviour.md` P-1, P-2: 128 ports of 16 members, never cut silently.
#[test]
fn a_list_that_does_not_fit_is_refused_and_linux_mclags_can_be_split() {
    let ports: Vec<IsolatedPort> = (0..128)
        .map(|n| {
            let members = (0..16).map(|m| format!("Ethernet{}", n * 16 + m));
            let members: Vec<String> = members.collect();
            let members: Vec<&str> = members.iter().map(String::as_str).collect();
            lag(&format!("PortChannel{n}"), &members, n % 2 == 0)
        })
        .collect();
    let whole = list(&ports);
    let message = ClientMessage::PortIsolate(whole.clone());
    for dialect in Dialect::ALL {
        assert!(matches!(
            message.encode(dialect),
            Err(EncodeError::Frame(FrameError::DoesNotFit { .. }))
        ));
    }
    // A part of the whole would lift the isolation of the rest.
    let unsplit = message.clone().split(SONIC);
    assert_eq!(unsplit, std::slice::from_ref(&message));
    let messages = message.split(LINUX_MCLAG);
    assert!(messages.len() > 1);
    let mut got = Vec::new();
    for message in messages {
        let bytes = message.encode(LINUX_MCLAG).unwrap();
        assert!(bytes.len() <= 4096);
        let ClientMessage::PortIsolate(list) = message else {
            panic!("not a list");
        };
        got.extend(list.ports);
    }
    assert_eq!(list(&got), whole);
    // Also where a port has no name but a mark.
    let marks = ClientMessage::PortIsolate(list(&vec![lag("bond1", &[], false); 5000]));
    for message in marks.split(LINUX_MCLAG) {
        assert!(message.encode(LINUX_MCLAG).is_ok());
    }
}

/// 2.2, 4.1: the legacy limits are 2048 and 512 bytes; ours is the message.
#[test]
fn a_list_of_4096_bytes_with_its_message_fits() {
    // 4 and 4 + 8 and 4 bytes stand before the text.
    let names: Vec<String> = (0..214).map(|n| format!("interface-{n:08}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let fits = list(&[lag("x", &names, true)]);
    assert_eq!(text(&fits, LINUX_MCLAG).len(), 214 * 19 - 1);
    let message = ClientMessage::PortIsolate(fits);
    assert_eq!(message.encode(SONIC).unwrap().len(), 4096 - 9);
}
