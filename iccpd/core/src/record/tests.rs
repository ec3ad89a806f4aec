use super::*;
use mclag_proto::sync::model::Abilities;
use mclag_proto::{DomainId, IfName, Mac};
use std::net::IpAddr;

fn error(text: &str) -> String {
    Recording::read(text.as_bytes()).unwrap_err().to_string()
}

fn config() -> Config {
    let name = |text| IfName::new(text).unwrap();
    Config {
        peer_link: Some(name("peerlink")),
        ports: [name("bond1")].into(),
        ..Config::new(
            DomainId::new(1).unwrap(),
            IpAddr::from([192, 0, 2, 1]),
            IpAddr::from([192, 0, 2, 2]),
            name("br0"),
            Mac([2, 0, 0, 0, 0, 1]),
        )
    }
}

fn header() -> String {
    Header::new(config(), true).line()
}

#[test]
fn what_was_written_reads_the_same() {
    let abilities = Abilities {
        redirect: true,
        tracking: true,
        hold: true,
        pair: true,
        interfaces: true,
        neighbours: true,
        node_mac: true,
    };
    let entries = [
        Entry::input(Input::Timeout, Time::new(Duration::from_millis(1))),
        Entry::input(
            Input::SyncdUp {
                abilities,
                backend: "a dataplane".into(),
                window: 8,
            },
            Time::new(Duration::from_millis(2)),
        ),
        Entry::input(
            Input::PeerDown {
                reason: "a \"quoted\" reason\n".into(),
            },
            Time::new(Duration::from_secs(2)),
        ),
        Digest::default().entry(true, Time::new(Duration::from_secs(3))),
    ];
    let text = header() + &entries.iter().map(Entry::line).collect::<String>();
    let recording = Recording::read(text.as_bytes()).unwrap();
    assert_eq!(recording.entries, entries);
    assert_eq!(recording.cut, None);
    assert_eq!(recording.header.line(), header());
}

#[test]
fn a_replay_tells_what_was_decided_and_where_it_is_otherwise_than_recorded() {
    let mut domain = Domain::new(config());
    let mut entries = Vec::new();
    let abilities = Abilities::default();
    for what in [
        Input::LinksBegin,
        Input::LinksEnd,
        Input::SyncdUp {
            abilities,
            backend: "model".into(),
            window: 8,
        },
        Input::PeerUp {
            traits: Default::default(),
        },
    ] {
        entries.push(Entry::input(what.clone(), Time::ZERO));
        domain.handle(what, Time::ZERO);
    }
    let mut digest = Digest::default();
    while let Some(batch) = domain.poll_batch() {
        digest.batch(&batch);
    }
    while let Some(message) = domain.poll_peer_message(Time::ZERO) {
        digest.message(&message);
    }
    entries.push(digest.entry(true, Time::ZERO));
    let mut recording = Recording {
        header: Header::new(config(), true),
        entries,
        cut: None,
    };
    let replayed = recording.replay();
    assert_eq!(replayed.differing, Vec::<usize>::new());
    for expected in [
        "< LinksBegin",
        "!  Session ",
        "> batch 1: ",
        "> message 1: ",
    ] {
        assert!(
            replayed.text.contains(expected),
            "{expected} in {}",
            replayed.text
        );
    }
    if let Some(last) = recording.entries.last_mut() {
        *last = Digest::default().entry(true, Time::ZERO);
    }
    assert_eq!(recording.replay().differing, [6]);
}

#[test]
fn a_line_may_be_as_long_as_the_longest_and_no_longer() {
    let line = |length: usize| {
        let begin = r#"{"at":0,"what":{"peer-down":{"reason":""#;
        let end = r#""}}}"#;
        let filling = length - begin.len() - end.len();
        format!("{begin}{}{end}", "x".repeat(filling))
    };
    let read = |length| parse::<serde_json::Value>(2, line(length).as_bytes()).is_ok();
    assert!(read(MAX_LINE));
    assert!(!read(MAX_LINE + 1));
    assert!(!read(MAX_LINE + 2));
}

#[test]
fn every_batch_and_every_message_counts_in_what_was_given() {
    let batch = |number| Batch {
        number,
        ops: Vec::new(),
    };
    let message = |id| Message {
        id,
        body: mclag_proto::iccp::Body::Capability,
    };
    let entry = |give: &dyn Fn(&mut Digest)| {
        let mut digest = Digest::default();
        give(&mut digest);
        assert!(!digest.is_empty());
        digest.entry(true, Time::ZERO)
    };
    let entries = [
        entry(&|digest| digest.batch(&batch(1))),
        entry(&|digest| digest.batch(&batch(2))),
        entry(&|digest| digest.message(&message(1))),
        entry(&|digest| digest.message(&message(2))),
        entry(&|digest| {
            digest.batch(&batch(1));
            digest.message(&message(1));
        }),
        entry(&|digest| {
            digest.message(&message(1));
            digest.batch(&batch(1));
        }),
    ];
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(
            entries.iter().position(|other| other == entry),
            Some(number)
        );
    }
    let counts = entries.map(|entry| match entry {
        Entry::Polled {
            batches, messages, ..
        } => (batches, messages),
        Entry::Input { .. } => (0, 0),
    });
    assert_eq!(counts, [(1, 0), (1, 0), (0, 1), (0, 1), (1, 1), (1, 1)]);
    assert!(Digest::default().is_empty());
}

#[test]
fn a_bad_line_is_named_with_its_place_and_field() {
    let good = Entry::input(Input::Timeout, Time::ZERO).line();
    for (line, expected) in [
        ("", "line 3, column 0: EOF while parsing a value"),
        ("{}", "line 3, column 2: expected value"),
        (
            r#"{"input":{"at":"soon","what":"timeout"}}"#,
            "line 3, column 21: at: invalid type: string \"soon\", expected u64",
        ),
        (
            r#"{"input":{"at":1,"what":"time-out"}}"#,
            "line 3, column 34: what: unknown variant `time-out`",
        ),
        (
            r#"{"input":{"at":1,"what":{"link-gone":{"index":1,"name":"x"}}}}"#,
            "line 3, column 54: unknown field `name`, expected `index`",
        ),
        (
            r#"{"input":{"at":1}}"#,
            "line 3, column 17: missing field `what`",
        ),
    ] {
        let text = format!("{}{good}{line}\n", header());
        let found = error(&text);
        assert!(found.starts_with(expected), "{line}: {found}");
    }
}

/// Cut anywhere, also within a character, as by a full disk.
#[test]
fn of_a_recording_that_was_cut_the_complete_lines_are_read_and_the_cut_is_told() {
    let entries = ["äöü", "two"].map(|reason| {
        let reason = reason.to_owned();
        Entry::input(Input::PeerDown { reason }, Time::ZERO)
    });
    let [first, second] = entries.each_ref().map(Entry::line);
    let text = header() + &first + &second;
    let text = text.as_bytes();
    let second_begins = text.len() - second.len();
    for end in header().len()..text.len() {
        let recording = Recording::read(&text[..end]).unwrap();
        let is_whole = |begin, line: &str| end + 1 >= begin + line.len();
        let begin = header().len();
        let (count, cut) = match (is_whole(begin, &first), is_whole(second_begins, &second)) {
            (true, true) => (2, None),
            (true, false) => (1, (end > second_begins).then_some(3)),
            (false, _) => (0, (end > begin).then_some(2)),
        };
        assert_eq!(recording.entries, entries[..count], "{end}");
        assert_eq!(recording.cut, cut, "{end}");
    }
    for end in 0..header().len() - 1 {
        assert!(Recording::read(&text[..end]).is_err(), "{end}");
    }
}

/// Only an end that is missing is a cut: not a bad line, and not one within.
#[test]
fn what_is_wrong_is_an_error_also_in_a_last_line_without_its_end() {
    let cut = r#"{"input":{"at":1"#;
    let good = Entry::input(Input::Timeout, Time::ZERO).line();
    let within = format!("{}{cut}\n{good}", header());
    assert!(error(&within).starts_with("line 2, column 16: at: EOF"));
    let ended = format!("{}{cut}\n", header());
    assert!(error(&ended).starts_with("line 2, column 16: at: EOF"));
    let wrong = format!(r#"{}{{"input":{{"at":"soon","#, header());
    assert!(error(&wrong).starts_with("line 2"), "{}", error(&wrong));
    let mut bytes = header().into_bytes();
    bytes.extend(b"{\"input\":{\"at\":1,\"what\":\"\xff\"}}\n");
    let expected = Recording::read(&bytes).unwrap_err().to_string();
    assert!(
        expected.starts_with("line 2, column 26: what: "),
        "{expected}"
    );
}

/// They are what the settings of a daemon may be.
#[test]
fn a_duration_that_no_daemon_has_is_refused_with_its_field_and_range() {
    let with = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        config
    };
    let cases = [
        (
            with(|c| c.keepalive = Duration::ZERO),
            "keepalive: 0ns is not between 100ms and 3600s",
        ),
        (
            with(|c| c.session_timeout = Duration::MAX),
            "session-timeout: 18446744073709551615.999999999s is not between 300ms and 3600s",
        ),
        (
            with(|c| c.ack_timeout = Duration::from_secs(601)),
            "ack-timeout: 601s is not between 100ms and 600s",
        ),
        (
            with(|c| c.restart_hold = Duration::from_secs(3601)),
            "restart-hold: 3601s is not between 0ns and 3600s",
        ),
    ];
    for (config, expected) in cases {
        let first = Header::new(config.clone(), true).line();
        let expected = |line| format!("line {line}, column 0: config: {expected}");
        assert_eq!(error(&first), expected(1));
        let input = Input::Configure(Box::new(config));
        let later = header() + &Entry::input(input, Time::ZERO).line();
        assert_eq!(error(&later), expected(2));
    }
}

#[test]
fn time_does_not_go_back() {
    let line = |at| Entry::input(Input::Timeout, Time::new(Duration::from_nanos(at))).line();
    let text = header() + &line(2) + &line(1);
    let expected = "line 3, column 0: at: 1 is before 2, of the entry before";
    assert_eq!(error(&text), expected);
}

#[test]
fn a_partner_of_an_earlier_recording_has_no_key() {
    let system = Mac([2, 0, 0x5e, 0, 0, 9]);
    for (text, key) in [
        (r#""02:00:5e:00:00:09""#, 0),
        (r#"{"system":"02:00:5e:00:00:09","key":15}"#, 15),
    ] {
        let partner: mclag_proto::LacpPartner = serde_json::from_str(text).unwrap();
        assert_eq!(partner, mclag_proto::LacpPartner { system, key });
    }
}

#[test]
fn another_format_is_not_read() {
    let text = header().replace("\"mclag-recording\":1", "\"mclag-recording\":2");
    let expected = "line 1, column 0: mclag-recording: format 2, this program reads 1";
    assert_eq!(error(&text), expected);
}
