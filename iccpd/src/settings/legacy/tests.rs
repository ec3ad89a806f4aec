use super::*;
use crate::settings::load::{self, load};
use crate::settings::{Domain, SettingsError};
use mclag_proto::{IfName, Mac};
use std::time::Duration;

fn parse(bytes: &[u8]) -> Result<load::Loaded, SettingsError> {
    load::parse(Path::new("iccpd.conf"), bytes)
}

fn read(text: &str) -> (Settings, Legacy) {
    let loaded = parse(text.as_bytes()).unwrap();
    (loaded.settings, loaded.legacy.unwrap())
}

/// The pair in short, and the warnings as `line: message`.
fn summary(text: &str) -> (String, Vec<String>) {
    let (settings, legacy) = read(text);
    (short(&settings), warnings(&legacy))
}

fn short(settings: &Settings) -> String {
    let Some(domain) = &settings.domain else {
        return "none".into();
    };
    let Domain {
        id,
        local,
        peer,
        peer_link,
        ports,
        ..
    } = domain;
    let mut text = format!("{id} {local} {peer}");
    if let Some(peer_link) = peer_link {
        write!(text, " via {peer_link}").unwrap();
    }
    for port in ports {
        write!(text, " {port}").unwrap();
    }
    if let Some(mac) = settings.chassis.node_mac {
        write!(text, " {mac}").unwrap();
    }
    text
}

fn warnings(legacy: &Legacy) -> Vec<String> {
    let warnings = legacy.warnings.iter();
    let warnings = warnings.map(|w| {
        let instead = w.instead.iter().map(|line| format!(" | {line}"));
        format!("{}: {}{}", w.line, w.message, instead.collect::<String>())
    });
    warnings.collect()
}

/// The example of `spec/config-formats.md` 1.2.
const SONIC: &str = "\
mclag_id:100
    local_ip:10.0.0.1
    peer_ip:10.0.0.2
    peer_link:PortChannel10
    mclag_interface:PortChannel1,PortChannel2
system_mac:00:11:22:33:44:55
";

const LINUX_MCLAG: &str = "\
mclag_id:7
local_ip:10.0.0.1
peer_ip:10.0.0.2
peer_link:peerlink
bind_lacp:server1,server2
";

/// Begins a pair that is complete, in four lines, as SONiC's.
const PAIR: &str =
    "mclag_id:1\nlocal_ip:10.0.0.1\npeer_ip:10.0.0.2\nmclag_interface:PortChannel9\n";
const PAIR_IS: &str = "1 10.0.0.1 10.0.0.2";

/// `spec/config-formats.md` 1.2, 9.
#[test]
fn a_file_of_sonic_is_read_without_a_warning() {
    let (settings, legacy) = read(SONIC);
    let want = "100 10.0.0.1 10.0.0.2 via PortChannel10 PortChannel1 PortChannel2 \
                00:11:22:33:44:55";
    assert_eq!(short(&settings), want);
    assert_eq!(warnings(&legacy), [""; 0]);
    assert_eq!(legacy.generation, Some(Dialect::Sonic));
    let domain = settings.domain.unwrap();
    assert_eq!(domain.keepalive, Duration::from_secs(1));
    assert_eq!(domain.session_timeout, Duration::from_secs(15));
    // The MAC of this chassis, which the standby gives up for the other's, not a shared one.
    assert_eq!(domain.system_mac, None);
    assert_eq!(settings.chassis.bridge, None);
    assert_eq!(settings.chassis.on_loss, OnLoss::Release);
    assert_eq!(settings.chassis.dialect, IccpDialect::Sonic);
    assert!(settings.syncd.names_pair);
}

/// `spec/config-formats.md` 1.3.
#[test]
fn a_file_of_linux_mclag_is_read_without_a_warning() {
    let (settings, legacy) = read(LINUX_MCLAG);
    let want = "7 10.0.0.1 10.0.0.2 via peerlink server1 server2";
    assert_eq!(short(&settings), want);
    assert_eq!(warnings(&legacy), [""; 0]);
    assert_eq!(legacy.generation, Some(Dialect::LinuxMclag));
    assert_eq!(settings.chassis.dialect, IccpDialect::LinuxMclag);
    assert!(!settings.syncd.names_pair);
    assert_eq!(settings.chassis.on_loss, OnLoss::Release);
}

#[test]
fn keys_tell_whose_file_it_is() {
    let generation = |text: &str| Reading::new(text.as_bytes()).generation();
    let (sonic, linux_mclag) = (Some(Dialect::Sonic), Some(Dialect::LinuxMclag));
    assert_eq!(generation(""), None);
    assert_eq!(generation("mclag_id:1\n# bind_lacp:a\n"), None);
    assert_eq!(generation("system_mac:x"), sonic);
    assert_eq!(generation("mclag_interface:x\nbind_lacp:x"), sonic);
    assert_eq!(generation("bind_lacp:x\nmclag_interface:x"), linux_mclag);
    assert_eq!(generation("system_mac:x\nbind_lacp = x"), linux_mclag);
    assert_eq!(generation("bind_lacpx\n bind:x"), None);
}

/// `spec/config-formats.md` 1.1: the result of the earlier daemon, and what it swallows.
#[test]
fn lines_are_read_as_the_earlier_daemon_does_and_what_it_swallows_is_told() {
    // Lines behind PAIR, from line 5; what they add to it; the warnings.
    let cases: &[(&str, &str, &[&str])] = &[
        // White space before a line, empty lines, comments by accident, any end of line.
        (
            "\n \t\x0b\x0cpeer_link:Ethernet0\r\n\r\n#x\n # y: z\n",
            " via Ethernet0 PortChannel9",
            &[],
        ),
        // The line ends at the first white space.
        (
            "mclag_interface:PortChannel1, PortChannel2",
            " PortChannel1 PortChannel9",
            &[
                "5: a blank ends the value of `mclag_interface`: \"PortChannel2\" is not read \
               | mclag_interface:PortChannel1,PortChannel2",
            ],
        ),
        (
            "peer_link:Ethernet0\tEthernet4",
            " via Ethernet0 PortChannel9",
            &["5: a blank ends the value of `peer_link`: \"Ethernet4\" is not read"],
        ),
        (
            "peer_link:Ethernet0 # Ethernet4",
            " via Ethernet0 PortChannel9",
            &[],
        ),
        // Exactly one separator, whatever it is.
        ("peer_link=Ethernet0", " via Ethernet0 PortChannel9", &[]),
        (
            "peer_linkxEthernet0",
            " via Ethernet0 PortChannel9",
            &["5: \"x\" stands where ':' belongs; `peer_link` is read as \"Ethernet0\""],
        ),
        (
            "peer_link::Ethernet0",
            " PortChannel9",
            &[
                "5: `peer_link`: \":Ethernet0\" is not an interface name: printable, without blank, \
               '/' or ':'",
            ],
        ),
        (
            "mclag_interfaces:PortChannel1",
            " PortChannel9",
            &[
                "5: `mclag_interface`: \":PortChannel1\" is not an interface name: printable, \
               without blank, '/' or ':'",
                "5: \"s\" stands where ':' belongs; `mclag_interface` is read as \":PortChannel1\"",
            ],
        ),
        // Unknown lines.
        (
            "peerlink:Ethernet0\nPEER_LINK:Ethernet0\n;x",
            " PortChannel9",
            &[
                "5: unknown line \"peerlink:Ethernet0\" is ignored",
                "6: unknown line \"PEER_LINK:Ethernet0\" is ignored",
                "7: unknown line \";x\" is ignored",
            ],
        ),
        // Names.
        (
            "peer_link:bond0",
            " PortChannel9",
            &[
                "5: `peer_link`: \"bond0\" is ignored: SONiC's iccpd wants a name that begins with \
               one of Ethernet, PortChannel, VTTNL",
            ],
        ),
        ("peer_link:VTTNL1", " via VTTNL1 PortChannel9", &[]),
        (
            "peer_link:PortChannel12345",
            " PortChannel9",
            &[
                "5: `peer_link`: \"PortChannel12345\" has 16 bytes; Linux allows 15 in the name of an \
               interface",
            ],
        ),
        ("peer_link:None\npeer_link:none", " PortChannel9", &[]),
        (
            "peer_link:",
            " PortChannel9",
            &["5: `peer_link`: there is no value"],
        ),
        (
            "peer_link:Ethernet0\npeer_link:Ethernet4",
            " via Ethernet4 PortChannel9",
            &["6: `peer_link` replaces that of line 5"],
        ),
        (
            "mclag_interface:PortChannel1,bond2,PortChannel3",
            " PortChannel1 PortChannel3 PortChannel9",
            &[
                "5: `mclag_interface`: \"bond2\" is ignored: SONiC's iccpd wants a name that begins \
               with one of PortChannel",
            ],
        ),
        (
            "mclag_interface:PortChannel1,PortChannel123456,PortChannel3",
            " PortChannel1 PortChannel9",
            &[
                "5: `mclag_interface`: \"PortChannel123456\" has 17 bytes; Linux allows 15 in the \
                 name of an interface",
                "5: `mclag_interface`: what follows \"PortChannel123456\" is lost",
            ],
        ),
        (
            "mclag_interface:,PortChannel1,,",
            " PortChannel1 PortChannel9",
            &[],
        ),
        ("mclag_interface:PortChannel9", " PortChannel9", &[]),
        (
            "mclag_interface:PortChannelX",
            " PortChannel9",
            &[
                "5: `mclag_interface`: \"PortChannelX\" is ignored: towards SONiC a port is known by \
               the digits of its name",
            ],
        ),
        (
            "mclag_interface:PortChannel09",
            " PortChannel09 PortChannel9",
            &[
                "5: `PortChannel09` has the number 9 as `PortChannel9` has: the daemon that the file is \
               for takes one for the other; here each has an id of its own",
            ],
        ),
        (
            "peer_link:PortChannel9",
            " via PortChannel9",
            &["4: `PortChannel9` is no MLAG port: it is the peer link"],
        ),
        // Addresses.
        (
            "local_ip:10.0.0.300",
            " PortChannel9",
            &["5: `local_ip`: \"10.0.0.300\" is not an IP address"],
        ),
        (
            "peer_ip:255.255.255.255",
            " PortChannel9",
            &["5: `peer_ip`: 255.255.255.255 is not a unicast address"],
        ),
        // Identities.
        (
            "system_mac:00-11-22-33-44-AA",
            " PortChannel9 00:11:22:33:44:aa",
            &[],
        ),
        (
            "system_mac:00:11:22:33:44",
            " PortChannel9",
            &[
                "5: `system_mac`: \"00:11:22:33:44\": not a MAC address of the form \
               02:00:5e:00:00:01",
            ],
        ),
        (
            "system_mac:00:11-22:33:44:55",
            " PortChannel9",
            &[
                "5: `system_mac`: \"00:11-22:33:44:55\": not a MAC address of the form \
               02:00:5e:00:00:01",
            ],
        ),
        (
            "system_mac:ff:ff:ff:ff:ff:ff",
            " PortChannel9",
            &["5: `system_mac`: ff:ff:ff:ff:ff:ff is not a unicast MAC"],
        ),
        // What is not text.
        (
            "peer_link:Ethernet0\0,x\n",
            " via Ethernet0 PortChannel9",
            &["5: what follows a NUL is not read"],
        ),
    ];
    for (lines, want, want_warnings) in cases {
        let (got, warnings) = summary(&format!("{PAIR}{lines}"));
        assert_eq!(got, format!("{PAIR_IS}{want}"), "{lines:?}");
        assert_eq!(warnings, *want_warnings, "{lines:?}");
    }
}

/// `spec/config-formats.md` 1.5: only where the earlier daemon gets nothing out of a line.
#[test]
fn what_was_useless_to_the_earlier_daemon_is_read_as_it_was_meant() {
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "peer_link: Ethernet0",
            " via Ethernet0 PortChannel9",
            &[
                "5: SONiC's iccpd gets no usable value of `peer_link` out of this; read as \
               \"Ethernet0\" | peer_link:Ethernet0",
            ],
        ),
        (
            "peer_link Ethernet0 # x",
            " via Ethernet0 PortChannel9",
            &[
                "5: SONiC's iccpd gets no usable value of `peer_link` out of this; read as \
               \"Ethernet0\" | peer_link:Ethernet0",
            ],
        ),
        (
            "mclag_interface = PortChannel1 , PortChannel2",
            " PortChannel1 PortChannel2 PortChannel9",
            &[
                "5: SONiC's iccpd gets no usable value of `mclag_interface` out of this; read as \
               \"PortChannel1,PortChannel2\" | mclag_interface:PortChannel1,PortChannel2",
            ],
        ),
        // Lists of other languages, quotes.
        (
            "mclag_interface:['PortChannel1', \"PortChannel2\"]",
            " PortChannel1 PortChannel2 PortChannel9",
            &[
                "5: SONiC's iccpd gets no usable value of `mclag_interface` out of this; read as \
               \"PortChannel1,PortChannel2\" | mclag_interface:PortChannel1,PortChannel2",
            ],
        ),
        (
            "peer_link:\"Ethernet0\"",
            " via Ethernet0 PortChannel9",
            &[
                "5: SONiC's iccpd gets no usable value of `peer_link` out of this; read as \
               \"Ethernet0\" | peer_link:Ethernet0",
            ],
        ),
        // The length of a prefix.
        (
            "peer_ip:10.0.0.2/31",
            " PortChannel9",
            &[
                "5: `peer_ip` replaces that of line 3",
                "5: SONiC's iccpd gets no usable value of `peer_ip` out of this; read as \
               \"10.0.0.2\" | peer_ip:10.0.0.2",
            ],
        ),
        (
            "peer_ip:10.0.0.2/310",
            " PortChannel9",
            &["5: `peer_ip`: \"10.0.0.2/310\" is not an IP address"],
        ),
        // What it does not like, it would not like without the blank either.
        (
            "peer_link: bond0",
            " PortChannel9",
            &[
                "5: `peer_link`: \"bond0\" is ignored: SONiC's iccpd wants a name that begins with \
               one of Ethernet, PortChannel, VTTNL",
            ],
        ),
        (
            "bind_lacp:bond1",
            " PortChannel9",
            &["5: `bind_lacp`: ignored, since this file uses `mclag_interface`"],
        ),
        (
            "auth:x\nbackup_ip:10.0.0.9\ninit_delay 5",
            " PortChannel9",
            &[
                "5: `auth`: ignored: there is no such function yet",
                "6: `backup_ip`: ignored: there is no such function yet",
                "7: `init_delay`: ignored: there is no such function yet",
            ],
        ),
    ];
    for (lines, want, want_warnings) in cases {
        let (got, warnings) = summary(&format!("{PAIR}{lines}"));
        assert_eq!(got, format!("{PAIR_IS}{want}"), "{lines:?}");
        assert_eq!(warnings, *want_warnings, "{lines:?}");
    }
    let (got, _) = summary("mclag_id: 5\nlocal_ip 2001:db8::1\npeer_ip:2001:db8::2\n");
    assert_eq!(got, "5 2001:db8::1 2001:db8::2");
}

/// `spec/config-formats.md` 1.3: there the colon is part of the key, and any name is allowed.
#[test]
fn linux_mclag_wants_a_colon_and_takes_any_name() {
    let (got, warnings) = summary(
        "mclag_id:1\nlocal_ip=10.0.0.1\npeer_ip:10.0.0.2\npeer_link:my.link\n\
         bind_lacp:rack,a-name-of-16-byt,x1\nbind_lacpx\nsystem_mac:00:11:22:33:44:55\n\
         mclag_interface:PortChannel1\n",
    );
    let want = "1 10.0.0.1 10.0.0.2 via my.link rack x1 00:11:22:33:44:55";
    assert_eq!(got, want);
    assert_eq!(
        warnings,
        [
            "2: linux-mclag's iccpd ignores this line; `local_ip` is read as \"10.0.0.1\"",
            "5: `bind_lacp`: \"a-name-of-16-byt\" has 16 bytes; Linux allows 15 in the name of an \
             interface",
            "6: unknown line \"bind_lacpx\" is ignored",
            "7: linux-mclag's iccpd ignores this line; `system_mac` is read as \
             \"00:11:22:33:44:55\"",
            "8: `mclag_interface`: ignored, since this file uses `bind_lacp`",
        ]
    );
    let (_, warnings) = summary("mclag_id:1\nlocal_ip:10.0.0.1\npeer_ip:10.0.0.2\nbind_lacp:a1");
    let want = "1: linux-mclag's iccpd does nothing without `peer_link`; this one does";
    assert_eq!(warnings, [want]);
}

/// `spec/config-formats.md` 1.1: at most 511 characters; the rest is another line.
#[test]
fn a_long_line_is_several() {
    // The last name is cut, as the earlier daemon cuts it: PortChannel4 is read for ..4567.
    let mut list = String::from("mclag_interface:");
    for number in 1.. {
        let name = format!("PortChannel{number},");
        if list.len() + name.len() > 490 {
            break;
        }
        list += &name;
    }
    let pad = 511 - "PortChannel4".len() - list.len();
    list += &",".repeat(pad);
    let (got, warnings) = summary(&format!("{PAIR}{list}PortChannel4567\n"));
    assert!(got.contains(" PortChannel4 "), "{got}");
    assert_eq!(
        warnings,
        [
            format!(
                "5: a line has at most 511 bytes: 1 of 35 names in `mclag_interface` are not read \
                 | {},PortChannel4567",
                list.trim_end_matches(',')
            ),
            "5: the line is longer than 511 bytes: the rest is read as a line of its own, \
             beginning with \"567\\n\""
                .into(),
        ]
    );

    // The rest may begin with a key, behind white space at that.
    let long = format!("#{} local_ip:10.0.0.7\n", "x".repeat(509));
    let (got, _) = summary(&format!("{PAIR}{long}"));
    assert_eq!(got, "1 10.0.0.7 10.0.0.2 PortChannel9");
    // Exactly 511 bytes, the end of the line not counted or counted.
    for len in [510, 511] {
        let line = format!("#{}\npeer_link:Ethernet0", "x".repeat(len - 1));
        let (got, warnings) = summary(&format!("{PAIR}{line}"));
        assert_eq!(got, "1 10.0.0.1 10.0.0.2 via Ethernet0 PortChannel9");
        assert_eq!(warnings, [""; 0], "{len}");
    }
}

/// `spec/config-formats.md` 1.2: parsed leniently, reduced to 16 bits.
#[test]
fn the_number_of_a_pair_is_read_leniently() {
    for (number, want) in [
        ("4095", 4095),
        ("+7", 7),
        ("007", 7),
        ("12abc", 12),
        ("65537", 1),
        ("-1", 65535),
        ("4294967298", 2),
        ("99999999999999999999", 65535),
        ("0", 0),
        ("65536", 0),
        ("abc", 0),
        ("0x10", 0),
        ("-", 0),
    ] {
        let text = PAIR.replace("mclag_id:1", &format!("mclag_id:{number}"));
        let (got, warnings) = summary(&text);
        if want == 0 {
            assert_eq!(got, "none", "{number}");
            assert!(
                warnings.iter().any(|w| w.starts_with("1: `mclag_id`")),
                "{warnings:?}"
            );
        } else {
            assert_eq!(got, format!("{want} 10.0.0.1 10.0.0.2 PortChannel9"));
            let is_read_as = format!("1: `mclag_id`: {number:?} is read as {want}");
            let is_plain = ["4095", "+7", "007"].contains(&number);
            assert_eq!(warnings.contains(&is_read_as), !is_plain, "{warnings:?}");
        }
    }
    // What follows a number that is none is lost, not the pair's before it.
    let (got, _) = summary(&format!("{PAIR}mclag_id:x\nlocal_ip:10.9.9.9\n"));
    assert_eq!(got, "1 10.0.0.1 10.0.0.2 PortChannel9");
    let (_, warnings) = summary(&PAIR.replace("mclag_id:1", "mclag_id:4096"));
    assert_eq!(warnings, ["1: `mclag_id`: SONiC has no numbers above 4095"]);
}

/// `spec/config-formats.md` 1.2: `mclag_id` comes first.
#[test]
fn what_comes_before_the_first_pair_is_lost() {
    let (got, warnings) = summary(&format!(
        "local_ip:10.9.9.9\nsystem_mac:00:11:22:33:44:55\n{PAIR}"
    ));
    assert_eq!(got, "1 10.0.0.1 10.0.0.2 PortChannel9");
    assert_eq!(
        warnings,
        [
            "1: `local_ip`: ignored: it is of the pair that a `mclag_id` before it names",
            "2: `system_mac`: ignored: it is for the pairs that were named before it",
        ]
    );
}

/// `spec/config-formats.md` 1.2, `spec/behaviour.md` 16, W-35.
#[test]
fn one_pair_is_used_and_the_others_are_told() {
    let second = "mclag_id:2\nlocal_ip:10.2.0.1\npeer_ip:10.2.0.2\n";
    let (got, warnings) = summary(&format!("{PAIR}{second}mclag_id:1\npeer_ip:10.0.0.3\n"));
    assert_eq!(got, "1 10.0.0.1 10.0.0.3 PortChannel9");
    assert_eq!(
        warnings,
        [
            "5: pair 2 is ignored: only one is supported, and that is 1",
            "9: `peer_ip` replaces that of line 3",
        ]
    );
    // The first one that can come about.
    let (got, warnings) = summary(&format!("mclag_id:3\nlocal_ip:10.3.0.1\n{PAIR}"));
    assert_eq!(got, "1 10.0.0.1 10.0.0.2 PortChannel9");
    assert_eq!(
        warnings,
        ["1: pair 3 does not come about: there is no usable `peer_ip`"]
    );
}

/// `spec/config-formats.md` 1.2: every pair that exists at that point.
#[test]
fn a_system_mac_is_for_the_pairs_before_it() {
    let mac = |text: &str| read(text).0.chassis.node_mac;
    let (one, two) = (
        "system_mac:02:00:00:00:00:01\n",
        "system_mac:02:00:00:00:00:02\n",
    );
    let incomplete = "mclag_id:2\n";
    let first = Some(Mac([2, 0, 0, 0, 0, 1]));
    let second = Some(Mac([2, 0, 0, 0, 0, 2]));
    assert_eq!(mac(&format!("{PAIR}{one}")), first);
    assert_eq!(mac(&format!("{PAIR}{one}{two}")), second);
    assert_eq!(mac(&format!("{PAIR}{one}{incomplete}{two}")), second);
    assert_eq!(mac(&format!("{incomplete}{one}{PAIR}")), None);
    assert_eq!(mac(&format!("{incomplete}{one}{PAIR}{two}")), second);
}

#[test]
fn a_pair_that_cannot_come_about_is_told_and_may_arrive_from_sonics_server() {
    let cases = [
        (
            "peer_ip:10.0.0.1",
            "`local_ip` and `peer_ip` are both 10.0.0.1",
        ),
        (
            "peer_ip:2001:db8::1",
            "10.0.0.1 and 2001:db8::1 are of different address families",
        ),
        ("peer_ip:x", "there is no usable `peer_ip`"),
    ];
    for (line, why) in cases {
        let (got, warnings) = summary(&PAIR.replace("peer_ip:10.0.0.2", line));
        assert_eq!(got, "none");
        let want = format!("1: pair 1 does not come about: {why}");
        assert!(warnings.contains(&want), "{warnings:?}");
    }
    let (settings, legacy) = read("");
    assert_eq!(settings.domain, None);
    assert_eq!(
        warnings(&legacy),
        ["0: no pair is described completely; it has to arrive from the server"]
    );
    assert!(settings.syncd.names_pair);
}

/// `spec/config-formats.md` 1: absence of the file is not an error, in the usual place.
#[test]
fn the_usual_file_need_not_exist() {
    if !Path::new(crate::settings::LEGACY_FILE).exists() {
        let loaded = load(Path::new(crate::settings::LEGACY_FILE)).unwrap();
        assert_eq!(loaded.settings.domain, None);
        assert_eq!(loaded.warnings()[0].message, "there is no such file");
    }
    assert!(load(Path::new("/nonexistent/iccpd.conf")).is_err());
}

#[test]
fn without_a_server_that_can_describe_it_a_pair_must_be_complete() {
    let report = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        report(&LINUX_MCLAG.replace("peer_ip:", "peer:")),
        "iccpd.conf: no pair is described completely\n\
         iccpd.conf:1: warning: pair 7 does not come about: there is no usable `peer_ip`\n\
         iccpd.conf:3: warning: unknown line \"peer:10.0.0.2\" is ignored"
    );
    assert_eq!(
        report("syncd:2\n"),
        "iccpd.conf: no pair is described completely"
    );
}

/// `spec/config-formats.md` 1.5.
#[test]
fn a_few_keys_are_ours() {
    let (settings, legacy) = read(&format!(
        "{PAIR}keepalive:500ms\nsession_timeout = 5\nunique_ip: Vlan100, Vlan10\npriority:5\n\
         bind:mgmt0\nsyncd:/run/x.sock\n"
    ));
    assert_eq!(warnings(&legacy), [""; 0]);
    let domain = settings.domain.unwrap();
    assert_eq!(domain.keepalive, Duration::from_millis(500));
    assert_eq!(domain.session_timeout, Duration::from_secs(5));
    let vlans = ["Vlan10", "Vlan100"].map(|n| IfName::new(n).unwrap());
    assert_eq!(domain.unique_ip, vlans.into());
    assert_eq!(settings.chassis.priority, 5);
    assert_eq!(settings.chassis.bind_device, IfName::new("mgmt0").ok());
    assert_eq!(settings.syncd.socket, Path::new("/run/x.sock"));
    assert!(settings.syncd.names_pair);
    assert!(!read(&format!("{PAIR}syncd:2\n")).0.syncd.names_pair);
    // Nothing of what an earlier daemon does depends on them.
    assert_eq!(settings.chassis.on_loss, OnLoss::Release);
}

/// As in TOML: one error with the lines to write to `mclagsyncd`'s settings.
#[test]
fn a_file_that_names_the_server_is_refused_with_what_to_write_elsewhere() {
    let line = |number, lines: &[&str]| {
        let instead = lines.iter().map(|line| format!("\n  instead: {line}"));
        format!(
            "iccpd.conf: a server is named that has to be named elsewhere\n\
             iccpd.conf:{number}: warning: `syncd`: iccpd talks to our own mclagsyncd alone, and that to the \
             server of SONiC or linux-mclag. Write to /etc/mclag/mclagsyncd.toml, not here:{}",
            instead.collect::<String>()
        )
    };
    for (text, want) in [
        (
            format!("{PAIR}syncd:sonic\n"),
            line(5, &["[mclagsyncd]", "protocol = \"sonic\""]),
        ),
        (
            format!("{PAIR}syncd = auto\n"),
            line(5, &["[mclagsyncd]", "protocol = \"auto\""]),
        ),
        (
            format!("{LINUX_MCLAG}syncd:127.0.0.1:2627\n"),
            line(
                6,
                &[
                    "[mclagsyncd]",
                    "protocol = \"linux-mclag\"",
                    "address = \"127.0.0.1:2627\"",
                ],
            ),
        ),
        (
            format!("{PAIR}syncd:10.0.0.1\n"),
            line(
                5,
                &[
                    "[mclagsyncd]",
                    "protocol = \"sonic\"",
                    "address = \"10.0.0.1\"",
                ],
            ),
        ),
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), want);
    }
}

#[test]
fn mistakes_in_our_keys_are_told_and_change_nothing() {
    let (plain, _) = read(PAIR);
    for (line, want) in [
        (
            "keepalive:5m",
            "`keepalive`: 5m is not between 100ms and 1m",
        ),
        (
            "keepalive:soon",
            "`keepalive`: \"soon\" is not a duration such as \"500ms\", \"15s\", \"2m\", or seconds",
        ),
        (
            "session_timeout:2",
            "`session_timeout`: 2s is not between 3s and 60m",
        ),
        ("session_timeout", "`session_timeout`: there is no value"),
        (
            "unique_ip:PortChannel9",
            "`unique_ip`: `PortChannel9` is the peer link or an MLAG port",
        ),
        (
            "priority:65536",
            "`priority`: \"65536\" is not between 0 and 65535",
        ),
        ("priority:", "`priority`: \"\" is not between 0 and 65535"),
        (
            "bind:a/b",
            "`bind`: \"a/b\" is not an interface name: printable, without blank, '/' or ':'",
        ),
        (
            "syncd:tcp",
            "`syncd`: \"tcp\" is neither 2 nor the path of a socket",
        ),
    ] {
        let (settings, legacy) = read(&format!("{PAIR}{line}\n"));
        assert_eq!(settings, plain, "{line}");
        assert_eq!(warnings(&legacy), [format!("5: {want}")]);
    }
}

#[test]
fn the_toml_says_where_values_come_from() {
    let (settings, legacy) = read(SONIC);
    assert_eq!(
        legacy.to_toml(&settings, Path::new("/etc/iccpd/iccpd.conf")),
        r#"# Converted from /etc/iccpd/iccpd.conf, read as a file of SONiC's iccpd.
# Where the server runs that it was made for, /etc/mclag/mclagsyncd.toml has to say so:
#     [mclagsyncd]
#     protocol = "sonic"
# `bridge` is not set: it is the one that the peer link or a port is a member of when
# iccpd starts, or else "Bridge".
on-stop = "keep"

[domain]
id = 100  # `mclag_id`, line 1
local = "10.0.0.1"  # `local_ip`, line 2
peer = "10.0.0.2"  # `peer_ip`, line 3
peer-link = "PortChannel10"  # `peer_link`, line 4
ports = ["PortChannel1", "PortChannel2"]  # `mclag_interface`, line 5
unique-ip = []
keepalive = "1s"
session-timeout = "15s"
dialect = "sonic"  # as the daemon that the file is for
tcp-port = 8888
ttl-security = false
node-mac = "00:11:22:33:44:55"  # `system_mac`, line 6
priority = 32768
ack-timeout = "5s"
restart-hold = "90s"
neighbours = true
strict-sonic = true  # as the daemon that the file is for

[syncd]
socket = "/run/mclag/mclagsyncd.sock"
names-pair = true  # as the daemon that the file is for

[control]
socket = "/run/mclag/iccpd.sock"
mode = "0660"

[[control.mclagdctl]]
socket = "/var/run/iccpd/mclagdctl.sock"
dialect = "sonic"  # as the daemon that the file is for
mode = "0660"

[log]
filter = "info"
"#
    );
}

/// What every file must hold to, whatever is in it.
fn check(bytes: &[u8]) {
    let loaded = match parse(bytes) {
        Ok(loaded) => loaded,
        Err(error) => {
            assert!(error.to_string().len() < 100_000);
            return;
        }
    };
    let Some(legacy) = &loaded.legacy else {
        return;
    };
    assert!(legacy.warnings.len() <= MAX_WARNINGS + 1);
    assert!(legacy.warnings.iter().all(|w| w.message.len() < 1000));
    let names = loaded
        .settings
        .domain
        .iter()
        .map(|d| d.ports.len())
        .sum::<usize>();
    assert!(names <= bytes.len());
    let toml = legacy.to_toml(&loaded.settings, Path::new("odd \" \n name"));
    match Settings::parse(Path::new("converted"), &toml) {
        Ok(settings) => assert_eq!(settings, loaded.settings, "{toml}"),
        Err(error) => panic!("{error}\n{toml}"),
    }
}

/// A generator that is the same on every run (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap();
        usize::try_from(self.next() % bound.max(1)).unwrap()
    }
}

#[test]
fn converting_keeps_the_meaning_of_every_file_and_none_is_too_odd() {
    let ours = "keepalive:70\nsession_timeout:3\nunique_ip:Vlan1\nsyncd:auto\nsyncd:[::1]:9\n\
                syncd:127.0.0.1\nbind:x\npriority:1\nlocal_ip:fe80::1\npeer_ip:fe80::2\n";
    let seeds = [
        SONIC.to_owned(),
        LINUX_MCLAG.to_owned(),
        format!("{PAIR}{ours}{LINUX_MCLAG}"),
        format!("{PAIR}{ours}"),
        format!("{SONIC}{SONIC}"),
    ];
    for seed in &seeds {
        check(seed.as_bytes());
        for end in 0..seed.len() {
            check(&seed.as_bytes()[..end]);
        }
    }
    let pieces: Vec<&str> = seeds
        .iter()
        .flat_map(|s| s.split_inclusive(['\n', ':', ',']))
        .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3000 {
        // Mutated files.
        let mut bytes = seeds[random.below(seeds.len())].clone().into_bytes();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len());
            let [byte, what, ..] = random.next().to_le_bytes();
            match what % 4 {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, b" :=,#\0\n-"[usize::from(byte % 8)]),
                2 => drop(bytes.drain(at..)),
                _ => {
                    let piece = pieces[random.below(pieces.len())];
                    bytes.splice(at..at, piece.bytes());
                }
            }
            bytes.push(b'\n');
        }
        check(&bytes);
        // Pieces in any order.
        let mut shuffled = String::new();
        for _ in 0..random.below(40) {
            shuffled += pieces[random.below(pieces.len())];
        }
        check(shuffled.as_bytes());
        // And anything at all.
        let len = random.below(2000);
        let noise: Vec<u8> = (0..len).map(|_| random.next().to_le_bytes()[0]).collect();
        check(&noise);
    }
}

#[test]
fn what_is_wrong_with_the_pair_is_told_after_many_odd_lines() {
    let (_, warnings) = summary(&format!("mclag_id:3\n{}", "x\n".repeat(1000)));
    assert_eq!(warnings.len(), 53);
    let want = "1: pair 3 does not come about: there is no usable `local_ip` and `peer_ip`";
    assert!(warnings.contains(&want.to_owned()), "{warnings:?}");
    assert_eq!(warnings[52], "0: 950 more warnings are not shown");
}

#[test]
fn the_largest_files_are_read_in_bounded_time_and_space() {
    let max = usize::try_from(crate::settings::MAX_FILE).unwrap();
    let fill = |line: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for number in 0.. {
            let line = line(number);
            if text.len() + line.len() > max {
                return text;
            }
            text += &line;
        }
        text
    };
    check(fill(&|_| "x\n".into()).as_bytes());
    check(fill(&|number| format!("mclag_id:{number}\n")).as_bytes());
    check(fill(&|number| format!("mclag_id:{number}\nsystem_mac:02:00:00:00:00:01\n")).as_bytes());
    check(
        fill(&|n| match n {
            0 => PAIR.into(),
            n => format!("mclag_interface:PortChannel{}\n", n % 10_000),
        })
        .as_bytes(),
    );
    check(&vec![b'x'; max]);
    check(&vec![0; max]);
    check(&vec![b'\n'; max]);
}

/// `spec/config-formats.md` 1.1: what was made of each of these by the daemon that it is for was not what
/// stands in it.
#[test]
fn a_file_that_means_something_else_to_its_daemon_is_told_from_one_that_is_odd() {
    let misread = |text: &str| {
        let loaded = parse(text.as_bytes()).unwrap();
        loaded.verdict(Path::new("iccpd.conf")).is_err()
    };
    let with = |line: &str| format!("{PAIR}{line}\n");
    for plain in [
        SONIC.into(),
        LINUX_MCLAG.into(),
        with("# a comment"),
        with("keepalive:2"),
        with("peer_linkxEthernet0"),
        String::new(),
        PAIR.replace("mclag_id:1", "mclag_id:4096"),
    ] {
        assert!(!misread(&plain), "{plain:?}");
    }
    for odd in [
        with("mclag_interface:PortChannel1, PortChannel2"),
        with("mclag_interface:PortChannel1,bond2"),
        with("mclag_interface:PortChannel09"),
        with(&format!("mclag_interface:PortChannel1,{}", "x".repeat(600))),
        with("peer_link:PortChannel10 x"),
        with("peer_link: PortChannel10"),
        with("peerlink:PortChannel10"),
        with("local_ip:10.0.0.1/24"),
        with("local_ip:10.0.0.300"),
        with("init_delay:5"),
        with("mclag_id:2\nlocal_ip:10.0.0.1\npeer_ip:10.0.0.2"),
        with(&"?\n".repeat(200)),
        format!("\u{feff}{PAIR}"),
        PAIR.replace("mclag_id:1", "mclag_id:1x"),
        "mclag_id:1\nlocal_ip:10.0.0.1\n".into(),
        LINUX_MCLAG.replace("peer_link:peerlink\n", ""),
    ] {
        assert!(misread(&odd), "{odd:?}");
    }
}

/// Editors of other systems write one.
#[test]
fn a_byte_order_mark_hides_nothing_but_is_told() {
    let (got, warnings) = summary(&format!("\u{feff}{}", PAIR.replace('\n', "\r\n")));
    assert_eq!(got, format!("{PAIR_IS} PortChannel9"));
    assert_eq!(
        warnings,
        [
            "1: the file begins with a byte order mark, which hides its first line from SONiC's iccpd; \
          save it without one"
        ]
    );
    let (_, warnings) = summary(&format!("{PAIR}\u{feff}peer_link:Ethernet0\n"));
    assert_eq!(
        warnings,
        ["5: unknown line \"\\u{feff}peer_link:Ethernet0\" is ignored"]
    );
}

/// Every name of a list that is too long for a line is in the suggestion, and that is read whole.
#[test]
fn what_is_suggested_for_a_long_list_says_what_the_list_says() {
    let list: Vec<String> = (100..=227).map(|n| format!("PortChannel{n:04}")).collect();
    let text = format!("{PAIR}mclag_interface:{}\n", list.join(","));
    let (_, legacy) = read(&text);
    let mut instead = legacy.warnings.iter().filter(|w| !w.instead.is_empty());
    let lines = &instead.next().unwrap().instead;
    assert_eq!(instead.next(), None);
    let (settings, legacy) = read(&format!("{PAIR}{}\n", lines.join("\n")));
    assert_eq!(warnings(&legacy), [""; 0]);
    let ports = settings.domain.unwrap().ports;
    for name in list {
        assert!(ports.contains(&IfName::new(&name).unwrap()), "{name}");
    }
}

/// It begins neither as settings of ours nor as an `iccpd.conf`.
#[test]
fn a_file_of_interfaces_is_called_by_its_name() {
    let text = b"# This file\n\nauto lo\niface lo inet loopback\n";
    for name in ["interfaces", "iccpd.conf"] {
        let error = load::parse(Path::new(name), text).unwrap_err();
        let want = format!(
            "{name}:3: this is a file of interfaces (ifupdown), which describes no pair: neither \
             settings in TOML nor an iccpd.conf"
        );
        assert_eq!(error.to_string(), want);
    }
    let error = load::parse(Path::new("iccpd.toml"), text).unwrap_err();
    assert!(error.to_string().contains("key with no value"), "{error}");
}
