use super::*;
use mclag_proto::LagKind;
use mclag_proto::mclagdctl::Dialect;

const GOOD: &str = r#"[domain]
id = 10
local = "192.0.2.1"
peer = "192.0.2.2"
bridge = "br0"
peer-link = "peerlink"
ports = ["bond1", "bond2"]
"#;

fn parse(text: &str) -> Result<Settings, String> {
    Settings::parse(Path::new("iccpd.toml"), text).map_err(|error| error.to_string())
}

/// `GOOD` with one thing changed.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

/// `GOOD` with something behind it.
fn and(more: &str) -> String {
    format!("{GOOD}{more}\n")
}

#[test]
fn what_is_not_said_has_a_default() {
    let settings = parse(GOOD).unwrap();
    assert_eq!(
        settings.to_string(),
        r#"on-stop = "keep"

[domain]
id = 10
local = "192.0.2.1"
peer = "192.0.2.2"
peer-link = "peerlink"
ports = ["bond1", "bond2"]
unique-ip = []
keepalive = "1s"
session-timeout = "15s"
dialect = "auto"
tcp-port = 8888
ttl-security = false
bridge = "br0"
priority = 32768
ack-timeout = "5s"
restart-hold = "90s"
neighbours = true
strict-sonic = false

[syncd]
socket = "/run/mclag/mclagsyncd.sock"
names-pair = false

[control]
socket = "/run/mclag/iccpd.sock"
mode = "0660"

[log]
filter = "info""#
    );
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let text = r#"
        on-stop = "leave"
        [domain]
        id = 65535
        local = "2001:db8::1"
        peer = "2001:db8::2"
        tcp-port = 18888
        bind-device = "mgmt\\0"
        ttl-security = true
        key-file = "/etc/\"key\""
        bridge = "br-\"x\""
        ports = ["bond1"]
        lacp-bypass = ["bond1"]
        lacp-bypass-after = 30
        unique-ip = ["Vlan100", "Vlan10"]
        dialect = "linux-mclag"
        neighbours = false
        strict-sonic = true
        system-mac = "02:00:5E:00:00:01"
        node-mac = "02-00-5e-00-00-02"
        priority = 0
        keepalive = 0.25
        session-timeout = 60
        ack-timeout = "10m"
        restart-hold = "1h"
        [[domain.path]]
        address = "fe80::2"
        local-address = "fe80::1"
        bind-device = "peerlink"
        port = 5343
        interval = "10ms"
        multiplier = 5
        [[domain.path]]
        address = "192.0.2.2"
        [syncd]
        socket = "/tmp/\u0001 \"\\"
        [control]
        socket = "/tmp/c"
        mode = "0600"
        [[control.mclagdctl]]
        [[control.mclagdctl]]
        socket = "/tmp/other"
        dialect = "linux-mclag"
        mode = "0666"
        [log]
        filter = "info,iccpd::peer=debug"
    "#;
    let settings = parse(text).unwrap();
    let domain = settings.domain.as_ref().unwrap();
    assert_eq!(domain.keepalive, Duration::from_millis(250));
    assert_eq!(settings.chassis.restart_hold, Duration::from_secs(3600));
    assert_eq!(settings.chassis.on_loss, OnLoss::Release);
    assert_eq!(settings.chassis.bypass_after, Duration::from_secs(30));
    assert_eq!(settings.chassis.bypass, domain.ports);
    assert_eq!(settings.chassis.dialect, IccpDialect::LinuxMclag);
    assert_eq!(settings.control_mode, 0o600);
    let legacy = |path: &str, dialect, mode| LegacySocket {
        path: path.into(),
        dialect,
        mode,
    };
    assert_eq!(
        settings.mclagdctl,
        [
            legacy("/var/run/iccpd/mclagdctl.sock", Dialect::Sonic, 0o660),
            legacy("/tmp/other", Dialect::LinuxMclag, 0o666)
        ]
    );
    assert_eq!(parse(&settings.to_string()), Ok(settings));
    let key_file = "key-file = \"/etc/\\\"key\\\"\"";
    let tcp_ao = "tcp-ao = [{ id = 255, key-file = \"two\" }, { id = 0, key-file = \"/one\" }]";
    let settings = parse(&text.replace(key_file, tcp_ao)).unwrap();
    let keys = [(255, "two".into()), (0, "/one".into())];
    assert_eq!(settings.chassis.keys, Keys::Ao(keys.into()));
    assert_eq!(parse(&settings.to_string()), Ok(settings));
}

/// `spec/config-formats.md` 10: rule 6.
#[test]
fn a_peer_link_may_be_said_to_be_none() {
    for none in ["None", "none", ""] {
        let text = GOOD.replace("\"peerlink\"", &format!("{none:?}"));
        let settings = parse(&text).unwrap();
        assert_eq!(settings.domain.unwrap().peer_link, None, "{none:?}");
    }
}

/// `spec/config-formats.md` 10: rule 1.
#[test]
fn a_number_that_sonic_has_no_room_for_is_odd_beside_sonics_server_only() {
    let number = |id: u16, names_pair: bool| {
        let text = GOOD.replace("id = 10", &format!("id = {id}"));
        let text = format!("{text}\n[syncd]\nnames-pair = {names_pair}\n");
        let loaded = load::parse(Path::new("iccpd.toml"), text.as_bytes()).unwrap();
        let warnings = loaded.warnings().iter();
        let warnings = warnings.map(|w| w.located(Path::new("iccpd.toml")).to_string());
        warnings.collect::<Vec<_>>()
    };
    let line = 1 + GOOD
        .lines()
        .position(|line| line.starts_with("id"))
        .unwrap();
    let want = format!("iccpd.toml:{line}: warning: `id`: SONiC has no numbers above 4095");
    assert_eq!(number(4096, true), [want]);
    assert_eq!(number(4095, true), [""; 0]);
    assert_eq!(number(65535, false), [""; 0]);
}

#[test]
fn the_timeout_follows_long_keepalives() {
    let settings = parse(&and("keepalive = \"10s\"")).unwrap();
    let domain = settings.domain.unwrap();
    assert_eq!(domain.session_timeout, Duration::from_secs(30));
}

/// Every kind of mistake, with the first line of what is said about it.
#[test]
fn mistakes_are_reported_with_line_column_and_value() {
    let cases: &[(String, &str)] = &[
        (
            and("pear = \"x\""),
            "8:1: unknown field `pear`, expected one of `id`, `local`, `peer`, `dialect`, \
             `tcp-port`, `bind-device`, `ttl-security`, `key-file`, `tcp-ao`, `bridge`, `peer-link`, `ports`, `port`, `path`, `unique-ip`, \
             `system-mac`, `node-mac`, `priority`, `keepalive`, `session-timeout`, \
             `ack-timeout`, `restart-hold`, `neighbours`, `strict-sonic`, `lacp-bypass`, `lacp-bypass-after`",
        ),
        (
            and("key-file = \"keys/pair\""),
            "8:12: \"keys/pair\" is neither an absolute path nor the name of a credential",
        ),
        (
            and("tcp-ao = [{ id = 256, key-file = \"/etc/k\" }]"),
            "8:18: 256 is not between 0 and 255",
        ),
        (
            and("tcp-ao = [{ id = 1, key-file = \"a/b\" }]"),
            "8:32: \"a/b\" is neither an absolute path nor the name of a credential",
        ),
        (
            and("tcp-ao = [{ id = 1, key-file = \"a\" }, { id = 1, key-file = \"b\" }]"),
            "8:46: two keys have the id 1",
        ),
        (and("tcp-ao = []"), "8:10: 0 keys are not between 1 and 4"),
        (
            and("key-file = \"a\"\ntcp-ao = [{ id = 1, key-file = \"b\" }]"),
            "9:10: `tcp-ao` beside `key-file`: a session is signed in one way",
        ),
        (
            and("[sincd]"),
            "8:2: unknown field `sincd`, expected one of `on-stop`, `domain`, `syncd`, \
             `control`, `log`, `record`",
        ),
        (
            with("peer = \"192.0.2.2\"\n", ""),
            "1:1: missing field `peer`",
        ),
        (
            with("id = 10\n", "").replace("ports", "#"),
            "1:1: missing field `id`",
        ),
        (
            "[domain]\n[syncd]\nprotocol = \"2\"".into(),
            "1:1: missing field `id`",
        ),
        (
            "[domain]\nkeepalive = 1\n[syncd]\nnames-pair = true".into(),
            "1:1: missing field `id`",
        ),
        ("".into(), "1:1: missing field `domain`"),
        (
            with("10", ""),
            "2:6: string values must be quoted, expected literal string",
        ),
        (and("id = 11"), "8:1: duplicate key"),
        (
            with("[\"bond1\", \"bond2\"]", "\"bond1\""),
            "7:9: invalid type: string \"bond1\", expected a sequence",
        ),
        (with("10", "0"), "2:6: 0 is not between 1 and 65535"),
        (with("10", "65536"), "2:6: 65536 is not between 1 and 65535"),
        (and("priority = -1"), "8:12: -1 is not between 0 and 65535"),
        (and("tcp-port = 0"), "8:12: 0 is not between 1 and 65535"),
        (
            with("bond2", "bond1"),
            "7:19: `bond1` is named twice, first in line 7",
        ),
        (
            with("bond2", "peerlink"),
            "7:19: `peerlink` cannot be an MLAG port: it is the peer link in line 6",
        ),
        (
            with("bond2", "br0"),
            "7:19: `br0` cannot be an MLAG port: it is the bridge in line 5",
        ),
        (
            with("\"peerlink\"", "\"br0\""),
            "6:13: `br0` cannot be the peer link: it is the bridge in line 5",
        ),
        (with("bond2", "po1"), ""),
        (and("[[domain.port]]\nname = \"po1\""), ""),
        (and("[[domain.port]]\nid = 1"), "8:1: missing field `name`"),
        (
            and("[[domain.port]]\nname = \"bond3\"\nid = 0"),
            "10:6: 0 is not between 1 and 65535",
        ),
        (
            and("[[domain.port]]\nname = \"bond3\"\nid = 65536"),
            "10:6: 65536 is not between 1 and 65535",
        ),
        (
            and("[[domain.port]]\nname = \"bond1\"\nid = 7"),
            "9:8: `bond1` is named twice, first in line 7",
        ),
        (
            and(
                "[[domain.port]]\nname = \"left\"\nid = 7\n[[domain.port]]\nname = \"right\"\nid = 7",
            ),
            "13:6: `right` and `left` in line 10 have the same id 7",
        ),
        (
            and("[[domain.port]]\nname = \"left\"\nkind = \"static\""),
            "",
        ),
        (
            and("[[domain.port]]\nname = \"left\"\nkind = \"bond\""),
            "10:8: unknown variant `bond`, expected `static` or `lacp`",
        ),
        (
            and("lacp-bypass = [\"left\"]\n[[domain.port]]\nname = \"left\"\nkind = \"static\""),
            "8:16: `left` is static: nothing is to be bypassed",
        ),
        (
            with("bond2", "bond-2345678901"),
            "", // 15 bytes are allowed
        ),
        (
            with("bond2", "bond-23456789012"),
            "7:19: \"bond-23456789012\" has 16 bytes; Linux allows 15 in the name of an interface",
        ),
        (
            with("bond2", "bo nd"),
            "7:19: \"bo nd\" is not an interface name: printable, without blank, '/' or ':'",
        ),
        (
            with("bond2", ""),
            "7:19: \"\" is not an interface name: printable, without blank, '/' or ':'",
        ),
        (
            and("bind-device = \"eth0/1\""),
            "8:15: \"eth0/1\" is not an interface name: printable, without blank, '/' or ':'",
        ),
        (
            with("192.0.2.2", "192.0.2.1"),
            "4:8: peer 192.0.2.1 is this chassis itself: it equals local in line 3",
        ),
        (
            with("192.0.2.2", "::ffff:192.0.2.1"),
            "4:8: peer 192.0.2.1 is this chassis itself: it equals local in line 3",
        ),
        (
            with("192.0.2.2", "2001:db8::1"),
            "4:8: peer 2001:db8::1 is of another address family than local 192.0.2.1 in line 3",
        ),
        (
            with("192.0.2.2", "192.0.2.300"),
            "4:8: \"192.0.2.300\" is not an IP address",
        ),
        (
            with("192.0.2.2", "224.0.0.1"),
            "4:8: 224.0.0.1 is not a unicast address",
        ),
        (
            with("192.0.2.1", "0.0.0.0"),
            "3:9: 0.0.0.0 is not a unicast address",
        ),
        (
            with("192.0.2.1", "fe80::1").replace("192.0.2.2", "2001:db8::2"),
            "3:9: fe80::1 is a link-local address: bind-device must say on which link",
        ),
        (
            and("system-mac = \"02:00\""),
            "8:14: \"02:00\": not a MAC address of the form 02:00:5e:00:00:01",
        ),
        (
            and("node-mac = \"01:00:5e:00:00:01\""),
            "8:12: 01:00:5e:00:00:01 is not a unicast MAC",
        ),
        (
            and("keepalive = \"50ms\""),
            "8:13: 50ms is not between 100ms and 1m",
        ),
        (
            and("keepalive = \"1 s\""),
            "8:13: invalid value: string \"1 s\", expected a duration such as \"500ms\", \
             \"15s\", \"2m\", or a number of seconds",
        ),
        (
            and("keepalive = -1"),
            "8:13: invalid value: integer `-1`, expected a duration such as \"500ms\", \"15s\", \
             \"2m\", or a number of seconds",
        ),
        (
            and("keepalive = inf"),
            "8:13: invalid value: floating point `inf`, expected a duration such as \"500ms\", \
             \"15s\", \"2m\", or a number of seconds",
        ),
        (
            and("session-timeout = 2"),
            "8:19: 2s is shorter than 3 keepalives of 1s",
        ),
        (
            and("session-timeout = \"61m\""),
            "8:19: 61m is not between 3s and 60m",
        ),
        (
            and("restart-hold = \"18446744073709551615h\""),
            "8:16: invalid value: string \"18446744073709551615h\", expected a duration such as \
             \"500ms\", \"15s\", \"2m\", or a number of seconds",
        ),
        (
            and("lacp-bypass = [\"bond1\", \"bond3\"]"),
            "8:25: `bond3` is no MLAG port",
        ),
        (
            and("lacp-bypass = [\"bond1\", \"bond1\"]"),
            "8:25: `bond1` is named twice",
        ),
        (
            and("lacp-bypass-after = \"1s\""),
            "8:21: 1s is not between 3s and 10m",
        ),
        (
            and("ack-timeout = 0"),
            "8:15: 0ms is not between 100ms and 10m",
        ),
        (
            and("[control]\nmode = \"0999\""),
            "9:8: \"0999\" is not an octal file mode such as \"0660\"",
        ),
        (
            and("[control]\nmode = \"+660\""),
            "9:8: \"+660\" is not an octal file mode such as \"0660\"",
        ),
        (
            and("[[control.mclagdctl]]\ndialect = \"cumulus\""),
            "9:11: \"cumulus\" is not a dialect: either sonic or linux-mclag",
        ),
        (
            and("[[control.mclagdctl]]\nsocket = \"/run/mclag/iccpd.sock\""),
            "9:10: /run/mclag/iccpd.sock is the path of another socket",
        ),
        (
            and("[[control.mclagdctl]]\n[[control.mclagdctl]]\n"),
            "9:1: /var/run/iccpd/mclagdctl.sock is the path of another socket",
        ),
        (
            and("[[control.mclagdctl]]\nmode = \"rw\""),
            "9:8: \"rw\" is not an octal file mode such as \"0660\"",
        ),
        (
            and("dialect = \"cisco\""),
            "8:11: unknown variant `cisco`, expected one of `auto`, `sonic`, `linux-mclag`",
        ),
        (
            and("neighbours = \"no\""),
            "8:14: invalid type: string \"no\", expected a boolean",
        ),
        (
            and("unique-ip = [\"Vlan 1\"]"),
            "8:14: \"Vlan 1\" is not an interface name: printable, without blank, '/' or ':'",
        ),
        (
            and("unique-ip = [\"bond1\"]"),
            "8:14: `bond1` cannot be an interface with an IP of its own: it is an MLAG port in \
             line 7",
        ),
        (
            and("[syncd]\nprotocol = \"1\""),
            "9:12: \"1\": iccpd speaks protocol \"2\" alone",
        ),
        (
            and("[syncd]\nnames-pair = \"sonic\""),
            "9:14: invalid type: string \"sonic\", expected a boolean",
        ),
        (
            and("[syncd]\nsocket = \"syncd.sock\""),
            "9:10: syncd.sock is not an absolute path",
        ),
        (
            and(&format!("[control]\nsocket = \"/{}\"", "x".repeat(103))),
            "9:10: the path has 104 bytes; a Unix socket allows 103",
        ),
        (
            and(&format!("[syncd]\nsocket = \"/{}\"", "x".repeat(107))),
            "9:10: the path has 108 bytes; a Unix socket allows 107",
        ),
        (
            and("[log]\nfilter = \"iccpd=loud\""),
            "9:10: \"iccpd=loud\" is not a log filter: error parsing level filter: expected one \
             of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\", or a number 0-5",
        ),
        (
            format!("on-stop = \"vanish\"\n{GOOD}"),
            "1:11: unknown variant `vanish`, expected `keep` or `leave`",
        ),
    ];
    for (text, want) in cases {
        let report = parse(text).err().unwrap_or_default();
        let first = report.lines().next().unwrap_or_default();
        let want = match *want {
            "" => String::new(),
            want => format!("iccpd.toml:{want}"),
        };
        assert_eq!(first, want, "\n{text}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_with_the_text_in_question() {
    let text = with("192.0.2.2", "192.0.2.1")
        .replace("bond2", "bond1")
        .replace("br0", "b:0")
        + "keepalive = 0\n";
    assert_eq!(
        parse(&text).unwrap_err(),
        r#"iccpd.toml:4:8: peer 192.0.2.1 is this chassis itself: it equals local in line 3
 4 | peer = "192.0.2.1"
   |        ^^^^^^^^^^^
iccpd.toml:5:10: "b:0" is not an interface name: printable, without blank, '/' or ':'
 5 | bridge = "b:0"
   |          ^^^^^
iccpd.toml:7:19: `bond1` is named twice, first in line 7
 7 | ports = ["bond1", "bond1"]
   |                   ^^^^^^^
iccpd.toml:8:13: 0ms is not between 100ms and 1m
 8 | keepalive = 0
   |             ^"#
    );
}

#[test]
fn long_lines_and_odd_characters_are_shown_in_part() {
    let long = "ä".repeat(5000);
    let report = parse(&with("192.0.2.1", &long)).unwrap_err();
    assert!(report.len() < 1000, "{report}");
    // Cut anywhere, a file is wrong or right, and never a panic.
    let text = with("bond2", "bönd2");
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let _ = parse(&text[..end]);
    }
}

#[test]
fn a_file_that_is_not_there_or_is_too_long_is_named() {
    let error = load(Path::new("/nonexistent/iccpd.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read settings /nonexistent/iccpd.toml"
    );
    let dir = mclag_test_support::TempDir::new("long");
    let long = dir.write("iccpd.toml", &"#".repeat((1 << 20) + 1));
    let error = load(&long).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("settings {} are longer than 1048576 bytes", long.display())
    );
    // It never ends, and is no file.
    let error = load(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read settings /dev/zero");
}

#[test]
fn a_pair_may_arrive_from_syncd_where_the_settings_say_so() {
    let names_pair = "[syncd]\nnames-pair = true\n";
    let settings = parse(names_pair).unwrap();
    assert_eq!(settings.domain, None);
    // What the dataplane cannot say may be said without it.
    let text = format!("{names_pair}[domain]\ntcp-port = 1\nbridge = \"br0\"");
    let settings = parse(&text).unwrap();
    assert_eq!(settings.domain, None);
    assert_eq!(settings.chassis.tcp_port, 1);
    assert_eq!(settings.chassis.on_loss, OnLoss::Release);
    assert_eq!(parse(&settings.to_string()), Ok(settings));
    // And a pair may be described all the same.
    let settings = parse(&and(names_pair)).unwrap();
    assert!(settings.domain.is_some());
    assert_eq!(parse(&settings.to_string()), Ok(settings));
    for syncd in [
        "",
        "[syncd]\nnames-pair = false\n",
        "[syncd]\nprotocol = \"2\"\n",
    ] {
        let report = parse(syncd).unwrap_err();
        assert!(report.contains("missing field `domain`"), "{report}");
    }
}

/// Input: settings with which `iccpd` was itself the client of a server of version 1. Output: one
/// error, at the first of them, with the lines to write to `mclagsyncd`'s settings and to these.
#[test]
fn a_server_of_version_1_is_named_in_the_settings_of_mclagsyncd() {
    let why =
        "iccpd talks to our own mclagsyncd alone, and that to the server of SONiC or linux-mclag";
    let there = "Write to /etc/mclag/mclagsyncd.toml:\n    [mclagsyncd]\n    protocol = ";
    let here = "\n and here, in the place of that:\n    ";
    let line = GOOD.lines().count() + 2;
    let cases: [(String, String); 7] = [
        (
            "[syncd]\nprotocol = \"sonic\"\n".into(),
            format!(
                "2:12: `protocol`: {why}. {there}\"sonic\"{here}[syncd]\n    names-pair = true\n 2 |"
            ),
        ),
        (
            and("[syncd]\nprotocol = \"sonic\""),
            format!(
                "{line}:12: `protocol`: {why}. {there}\"sonic\"{here}[domain]\n    strict-sonic = true\n"
            ),
        ),
        (
            and(
                "strict-sonic = false\n[syncd]\nprotocol = \"linux-mclag\"\naddress = \"127.0.0.1:9\"",
            ),
            format!(
                "{}:12: `protocol`: {why}. {there}\"linux-mclag\"\n    address = \"127.0.0.1:9\"\n {} |",
                line + 1,
                line + 1
            ),
        ),
        (
            "[syncd]\nprotocol = \"auto\"\nassistant = \"/run/mclag/mclagsyncd.sock\"\n".into(),
            format!(
                "2:12: `protocol`: {why}. {there}\"auto\"{here}[syncd]\n    names-pair = true\n 2 |"
            ),
        ),
        (
            "[syncd]\nassistant = \"/run/x.sock\"\nprotocol = \"sonic\"\n".into(),
            format!(
                "3:12: `protocol`: {why}. {there}\"sonic\"{here}[syncd]\n    socket = \"/run/x.sock\"\n    \
                 names-pair = true\n 3 |"
            ),
        ),
        (
            and("[syncd]\naddress = \"127.0.0.6\""),
            format!(
                "{line}:11: `address`: {why}. {there}\"auto\"\n    address = \"127.0.0.6\"\n {line} |"
            ),
        ),
        (
            and("[syncd]\nprotocol = \"2\"\nassistant = \"/run/x.sock\""),
            format!(
                "{}:13: `assistant`: {why}{here}[syncd]\n    socket = \"/run/x.sock\"\n",
                line + 1
            ),
        ),
    ];
    for (text, want) in cases {
        let report = parse(&text).unwrap_err();
        let begins = format!("iccpd.toml:{want}");
        assert!(
            report.starts_with(&begins),
            "{text}\n{report}\nnot\n{begins}"
        );
        assert_eq!(
            report.matches("iccpd.toml:").count(),
            1,
            "one error: {report}"
        );
    }
    // It is what iccpd speaks.
    let settings = parse(&and("[syncd]\nprotocol = \"2\"")).unwrap();
    assert_eq!(settings, parse(GOOD).unwrap());
}

/// Whoever has a server that describes the pair gets the behaviour of the daemon that it was made for
/// unless told otherwise.
#[test]
fn the_dataplane_decides_what_a_lost_session_means_unless_the_settings_do() {
    let on_loss = |more: &str| parse(&and(more)).unwrap().chassis.on_loss;
    assert_eq!(on_loss(""), OnLoss::Hold);
    assert_eq!(on_loss("[syncd]\nnames-pair = false"), OnLoss::Hold);
    assert_eq!(on_loss("[syncd]\nnames-pair = true"), OnLoss::Release);
    assert_eq!(
        on_loss("strict-sonic = false\n[syncd]\nnames-pair = true"),
        OnLoss::Hold
    );
    assert_eq!(on_loss("strict-sonic = true"), OnLoss::Release);
}

#[test]
fn a_file_is_what_it_looks_like() {
    let is_legacy = |path: &str, text: &str| match load::parse(Path::new(path), text.as_bytes()) {
        Ok(loaded) => loaded.legacy.is_some(),
        Err(error) => panic!("{error}"),
    };
    assert!(!is_legacy("/etc/mclag/iccpd.toml", GOOD));
    assert!(!is_legacy("/etc/mclag/settings", GOOD));
    assert!(!is_legacy("/etc/iccpd/iccpd.conf", GOOD));
    assert!(!is_legacy(
        "x.conf",
        &format!("# mine\non-stop = \"keep\"\n{GOOD}")
    ));
    assert!(is_legacy("/etc/iccpd/iccpd.conf", ""));
    assert!(is_legacy("/etc/iccpd/iccpd.conf", "[old]\n"));
    assert!(is_legacy("settings", "# mine\n\n  mclag_id:1\n"));
    assert!(is_legacy("settings", "\u{b}mclag_id=1\n"));
    let error = load::parse(Path::new("a.toml"), b"mclag_id:1\n").unwrap_err();
    assert!(error.to_string().starts_with("a.toml:1:"), "{error}");
    let error = load::parse(Path::new("a.toml"), b"\xff").unwrap_err();
    assert_eq!(error.to_string(), "cannot read settings a.toml");
}

#[test]
fn the_example_shows_every_setting_with_its_default() {
    let example = include_str!("../../../packaging/examples/iccpd.toml");
    let settings = parse(example).unwrap();
    // A line of the form `# key = value`, switched on, means the same.
    let mut keys = BTreeSet::new();
    let mut whole = String::new();
    let mut in_optional_table = false;
    for line in example.lines() {
        // A table that may be missing, or be there several times, has no defaults.
        in_optional_table |= line.starts_with("# [");
        in_optional_table &= !line.starts_with('[');
        if in_optional_table {
            continue;
        }
        let on = line.strip_prefix("# ").filter(|rest| {
            rest.split_once(" = ")
                .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        });
        let line = on.unwrap_or(line);
        if let Some((key, _)) = line.split_once(" = ") {
            keys.insert(key.to_owned());
        }
        // These have no default.
        let is_only_shown = [
            "bind-device",
            "key-file",
            "tcp-ao",
            "system-mac",
            "node-mac",
        ];
        if is_only_shown
            .iter()
            .any(|key| line.starts_with(&format!("{key} = ")))
        {
            continue;
        }
        whole += line;
        whole += "\n";
    }
    assert_eq!(parse(&whole), Ok(settings.clone()));
    for line in settings.to_string().lines() {
        if let Some((key, _)) = line.split_once(" = ") {
            assert!(keys.contains(key), "{key} is not in the example");
        }
    }
}

#[test]
fn the_user_of_mclagsyncd_is_a_name_or_a_number_and_exists() {
    let read = |user: &str| {
        let text = format!(
            "[domain]\nid = 1\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\nports = []\n[syncd]\nuser = {user}"
        );
        parse(&text)
    };
    assert_eq!(read("\"root\"").unwrap().syncd.user, Some(0));
    let number = read("\"4000000\"").unwrap();
    assert_eq!(number.syncd.user, Some(4_000_000));
    assert!(number.to_string().contains("user = \"4000000\""));
    let error = read("\"no-such-user\"").unwrap_err();
    assert!(error.contains(":7:8"), "{error}");
    assert!(
        error.contains("there is no user \"no-such-user\""),
        "{error}"
    );
}

/// Names that share their first digits, beside ids that were given; written out they mean the same.
#[test]
fn ports_have_free_names_and_may_be_given_ids() {
    for names in [
        "\"spine1-2\", \"host1\", \"host2\"",
        "\"rack3-srv12\", \"rack3-srv13\"",
        "\"enp65s0f0np0\", \"enp65s0f1np1\"",
        "\"bond1\", \"bond65537\"",
    ] {
        let text = GOOD.replace("\"bond1\", \"bond2\"", names);
        let domain = parse(&text).unwrap().domain.unwrap();
        assert_eq!(domain.ports.len(), names.split(',').count());
        assert!(domain.port_ids.is_empty());
    }
    let tables = "[[domain.port]]\nname = \"left\"\nid = 1\n[[domain.port]]\nname = \"right\"\n";
    let settings = parse(&format!("{GOOD}{tables}")).unwrap();
    assert_eq!(parse(&settings.to_string()), Ok(settings.clone()));
    let domain = settings.domain.unwrap();
    let name = |text| IfName::new(text).unwrap();
    let names = ["bond1", "bond2", "left", "right"];
    assert_eq!(domain.ports, names.map(name).into());
    assert_eq!(domain.port_ids, [(name("left"), AggregatorId(1))].into());
    assert!(domain.port_kinds.is_empty());
    let kinds = "[[domain.port]]\nname = \"a\"\nid = 1\nkind = \"static\"\n\
                 [[domain.port]]\nname = \"b\"\nkind = \"lacp\"\n";
    let settings = parse(&format!("{GOOD}{kinds}")).unwrap();
    assert_eq!(parse(&settings.to_string()), Ok(settings.clone()));
    let domain = settings.domain.unwrap();
    let declared = [(name("a"), LagKind::Static), (name("b"), LagKind::Lacp)];
    assert_eq!(domain.port_kinds, declared.into());
    assert_eq!(domain.port_ids, [(name("a"), AggregatorId(1))].into());
    // The short form need not be there.
    let text = format!(
        "{}{tables}",
        GOOD.replace("ports = [\"bond1\", \"bond2\"]\n", "")
    );
    assert_eq!(parse(&text).unwrap().domain.unwrap().ports.len(), 2);
}

#[test]
fn a_path_has_defaults_and_what_is_wrong_with_one_is_said_where_it_stands() {
    let paths = |tables: &str| format!("{}key-file = \"/etc/key\"\n{tables}", GOOD);
    let one = "[[domain.path]]\naddress = \"198.51.100.2\"\n";
    let settings = parse(&paths(one)).unwrap();
    let expected = PathSettings {
        address: "198.51.100.2".parse().unwrap(),
        local: None,
        device: None,
        port: 5342,
        interval: Duration::from_millis(100),
        multiplier: 3,
    };
    assert_eq!(settings.chassis.paths, [expected]);
    for (table, message) in [
        ("address = \"x\"", "10:11: "),
        ("address = \"224.0.0.1\"", "10:11: "),
        (
            "address = \"fe80::2\"",
            "10:11: fe80::2 is a link-local address: bind-device must say on which link",
        ),
        (
            "address = \"192.0.2.2\"\nlocal-address = \"192.0.2.2\"",
            "10:11: address 192.0.2.2 is this chassis itself: it equals local-address in line 11",
        ),
        (
            "address = \"192.0.2.2\"\nlocal-address = \"2001:db8::1\"",
            "10:11: address 192.0.2.2 is of another address family than local-address 2001:db8::1 in line 11",
        ),
        ("address = \"192.0.2.2\"\nbind-device = \"a/b\"", "11:15: "),
        (
            "address = \"192.0.2.2\"\nport = 0",
            "11:8: 0 is not between 1 and 65535",
        ),
        (
            "address = \"192.0.2.2\"\ninterval = \"9ms\"",
            "11:12: 9ms is not between 10ms and 10s",
        ),
        (
            "address = \"192.0.2.2\"\nmultiplier = 1",
            "11:14: 1 is not between 2 and 10",
        ),
        (
            "address = \"192.0.2.2\"\n[[domain.path]]\naddress = \"192.0.2.3\"\nbind-device = \"x\"",
            "11:1: it needs another `port`, `bind-device` or `local-address` than a path before it",
        ),
        (
            "local-address = \"192.0.2.1\"",
            "9:1: missing field `address`",
        ),
        (
            "address = \"192.0.2.2\"\nlocal = \"192.0.2.1\"",
            "11:1: unknown field `local`",
        ),
    ] {
        let error = parse(&paths(&format!("[[domain.path]]\n{table}\n"))).unwrap_err();
        assert!(error.contains(&format!("iccpd.toml:{message}")), "{error}");
    }
    let error = parse(&and(one)).unwrap_err();
    let message = "iccpd.toml:8:1: keepalives are signed: a path needs `key-file` or `tcp-ao`";
    assert!(error.contains(message), "{error}");
    let many: String = (1..=9)
        .map(|port| format!("{one}port = {port}\n"))
        .collect();
    let error = parse(&paths(&many)).unwrap_err();
    assert!(
        error.contains("iccpd.toml:33:1: more than 8 paths"),
        "{error}"
    );
    // Where they cannot be mistaken for each other, they share.
    let shared = "[[domain.path]]\naddress = \"2001:db8::2\"\n[[domain.path]]\naddress = \"192.0.2.2\"\n\
                  [[domain.path]]\naddress = \"192.0.2.2\"\nport = 1\nbind-device = \"a\"\n\
                  [[domain.path]]\naddress = \"192.0.2.2\"\nport = 1\nbind-device = \"b\"\n";
    assert_eq!(parse(&paths(shared)).unwrap().chassis.paths.len(), 4);
}
