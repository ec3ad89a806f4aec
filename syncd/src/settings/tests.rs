use super::*;

fn parse(text: &str) -> Result<Settings, String> {
    Settings::parse(Path::new("syncd.toml"), text).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_means_the_defaults() {
    let settings = parse("").unwrap();
    assert_eq!(settings.backend, BackendKind::Linux);
    assert_eq!(settings.on_stop, OnStop::Leave);
    assert_eq!(settings.restore_after, None);
    assert_eq!(settings.socket(), Path::new("/run/mclag/mclagsyncd.sock"));
}

#[test]
fn settings_read_back_as_shown() {
    let text = r#"
        backend = "record"
        run-dir = "/tmp/x"
        on-stop = "restore"
        restore-after = "5m"
        [access]
        users = ["root", 61001]
        group = "root"
        [log]
        filter = "info,syncd=debug"
        [record]
        ports = ["bond1", "swp1"]
    "#;
    let settings = parse(text).unwrap();
    assert_eq!(settings.restore_after, Some(Duration::from_secs(300)));
    assert_eq!(settings.access.users, [0, 61_001]);
    assert_eq!(settings.access.group, Some(0));
    assert_eq!(parse(&settings.to_string()), Ok(settings));
}

#[test]
fn what_counts_from_the_next_start_on_is_told_by_its_name() {
    let started = parse("").unwrap();
    assert_eq!(started.for_next_start(&started), [""; 0]);
    let live = "on-stop = \"restore\"\nrestore-after = 5\n[access]\nusers = [1]\n\
                [legacy]\npeer-link = \"po9\"\nports = [\"po1\"]\nunique-ip = [\"v\"]\ndomain = 1";
    assert_eq!(parse(live).unwrap().for_next_start(&started), [""; 0]);
    let later = "backend = \"record\"\nrun-dir = \"/x\"\n[access]\ngroup = 1\nstatus-group = 2\n\
                 [log]\nfilter = \"debug\"\n[record]\nports = [\"a\"]\n\
                 [legacy]\nbridge = \"br0\"\nlisten = [\"sonic\"]";
    assert_eq!(
        parse(later).unwrap().for_next_start(&started),
        [
            "backend",
            "run-dir",
            "[access] group",
            "[access] status-group",
            "[log] filter",
            "[record] ports",
            "[legacy] listen",
            "[legacy] bridge"
        ]
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, wanted) in [
        (
            "on-stop = \"leave\"\nonstop = 1\n",
            "syncd.toml:2:1: unknown field `onstop`",
        ),
        ("on-stop = \"go\"", "syncd.toml:1:11: unknown variant `go`"),
        (
            "run-dir = \"run\"",
            "syncd.toml:1:11: run: not an absolute path",
        ),
        (
            "restore-after = \"5 min\"",
            "syncd.toml:1:17: expected \"never\"",
        ),
        (
            "restore-after = -1",
            "syncd.toml:1:17: expected a name or a number",
        ),
        (
            "[access]\nusers = [\"no such user\"]",
            "syncd.toml:2:10: there is no user \"no such user\"",
        ),
        ("[log]\nfilter = \"=,=\"", "syncd.toml:2:10: "),
        (
            "[record]\nports = [\"a\",\n  \"a\"]",
            "syncd.toml:3:3: a is named twice",
        ),
        ("backend =", "syncd.toml:1:10: "),
    ] {
        let report = parse(text).unwrap_err();
        assert!(report.starts_with(wanted), "{text:?}: {report}");
    }
}

#[test]
fn the_example_names_what_counts_from_the_next_start_on() {
    let example = include_str!("../../../packaging/examples/mclagsyncd.toml");
    let (before, _) = example
        .split_once("these count from the next start on")
        .unwrap();
    let (_, named) = before.split_once("except of").unwrap();
    let started = parse("[mclagsyncd]\nprotocol = \"auto\"").unwrap();
    let later = "backend = \"record\"\nrun-dir = \"/x\"\n[access]\ngroup = 1\nstatus-group = 2\n\
                 [log]\nfilter = \"debug\"\n[record]\nports = [\"a\"]\n\
                 [legacy]\nbridge = \"br0\"\nlisten = [\"sonic\"]";
    let differ = parse(later).unwrap().for_next_start(&started);
    assert_eq!(differ.len(), named.matches('`').count() / 2);
    for name in differ {
        let mut words = name.split(' ');
        assert!(
            words.any(|word| named.contains(&format!("`{word}`"))),
            "{name}"
        );
    }
}

/// The example, as it is and with every line in it that is switched off.
#[test]
fn the_example_beside_a_foreign_server_finds_it_where_it_always_is() {
    let example = include_str!("../../../packaging/examples/mclag-syncd.toml");
    let settings = parse(example).unwrap();
    assert_eq!(settings.backend, BackendKind::Linux);
    assert_eq!(settings.mclagsyncd.unwrap().places().len(), 2);
}

#[test]
fn the_example_can_be_used_and_shows_what_there_is() {
    let example = include_str!("../../../packaging/examples/mclagsyncd.toml");
    assert_eq!(parse(example), parse(""));
    let switched_on = example.lines().map(|line| {
        let setting = line.strip_prefix("# ").filter(|rest| {
            rest.contains(" = ") && !rest.contains("group =") || rest.starts_with('[')
        });
        setting.unwrap_or(line)
    });
    let all: Vec<&str> = switched_on.collect();
    // One of the two servers of version 1 at a time.
    let all = all.join("\n");
    let (all, keeper) = all.split_once("\n[mclagsyncd]").unwrap();
    let settings = parse(&format!("[mclagsyncd]{keeper}")).unwrap();
    assert!(
        settings
            .mclagsyncd
            .is_some_and(|keeper| keeper.address.is_some())
    );
    let settings = parse(all).unwrap();
    let legacy = &settings.legacy;
    assert_eq!(legacy.listen.len(), 2);
    assert_eq!(legacy.ports.len(), 2);
    let domain = legacy.domain.unwrap();
    assert_eq!((domain.id.get(), domain.keepalive_s), (1, Some(1)));
    let again = parse(&settings.to_string()).unwrap();
    assert_eq!(again.legacy, settings.legacy);
}

#[test]
fn what_is_wrong_with_legacy_settings_is_told_with_its_place() {
    for (text, wanted) in [
        (
            "listen = [\"sonic\"]",
            "2:11: `bridge` is needed: legacy clients do not name it",
        ),
        (
            "listen = [\"sonic\", \"127.0.0.6:2626\"]\nbridge = \"br0\"",
            "2:20: 127.0.0.6:2626 is named twice",
        ),
        (
            "listen = [\"0.0.0.0:2626\"]\nbridge = \"br0\"",
            "2:11: 0.0.0.0:2626: only addresses of this host, 127.0.0.0/8",
        ),
        (
            "listen = [\"sonik\"]\nbridge = \"br0\"",
            "2:11: expected \"sonic\"",
        ),
        ("ports = [\"a b\"]", "2:10: "),
        (
            "ports = [\"PortChannel123456789\"]",
            "2:10: PortChannel123456789: longer than the 19 characters of a record",
        ),
        ("domain = 0", "2:10: domain 0 is not within 1..=65535"),
        (
            "domain = 1\nlocal-address = \"fe80::1\"",
            "3:17: \"fe80::1\" is not an IPv4 address",
        ),
        (
            "local-address = \"10.0.0.1\"",
            "2:17: `domain` is needed to tell this to a client",
        ),
        (
            "domain = 1\nkeepalive = 61",
            "3:13: 61 s is not within 1..=60",
        ),
        (
            "domain = 1\nsession-timeout = 2",
            "3:19: 2 s is not within 3..=3600",
        ),
        (
            "domain = 1\nsystem-mac = \"01:00:5e:00:00:01\"",
            "3:14: 01:00:5e:00:00:01 is not a unicast MAC",
        ),
        ("polls = true", "2:1: unknown field `polls`"),
    ] {
        let report = parse(&format!("[legacy]\n{text}")).unwrap_err();
        let wanted = format!("syncd.toml:{wanted}");
        assert!(report.starts_with(&wanted), "{text:?}: {report}");
    }
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let report = parse("run-dir = \"run\"\n[record]\nports = [\"a b\"]").unwrap_err();
    assert!(report.contains("syncd.toml:1:11: "), "{report}");
    assert!(report.contains("syncd.toml:3:10: "), "{report}");
}

#[test]
fn a_missing_file_is_named() {
    let error = Settings::read(Path::new("/no/such/file")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read settings /no/such/file");
}
