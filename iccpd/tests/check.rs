//! A settings file is checked by the daemon and by the tool: one verdict, in the same words.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use mclag_test_support::{Process, TempDir, ask, eventually};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

/// Files of the earlier daemons, and of ours: in quotes with the escapes of JSON, a line each.
const SEEDS: [(&str, &str); 2] = [
    (
        "iccpd.conf",
        include_str!("../../tests/fuzz/seeds/iccpd_conf.txt"),
    ),
    (
        "iccpd.toml",
        include_str!("../../tests/fuzz/seeds/iccpd_toml.txt"),
    ),
];

/// Inputs of operators that were answered differently once, or nearly.
fn cases() -> Vec<(&'static str, String)> {
    let pair = "mclag_id:1\nlocal_ip:10.0.0.1\npeer_ip:10.0.0.2\npeer_link:PortChannel10\n";
    let conf = |line: &str| ("iccpd.conf", format!("{pair}{line}\n"));
    let ports: Vec<String> = (0..128).map(|n| format!("PortChannel{n:04}")).collect();
    let toml = "[domain]\nid = 7\nlocal = \"10.0.0.1\"\npeer = \"10.0.0.2\"\npeer-link = \"p\"\n";
    vec![
        conf(""),
        conf("mclag_interface:PortChannel1,PortChannel2"),
        conf("mclag_interface:PortChannel1, PortChannel2"),
        conf("mclag_interface:['PortChannel1','PortChannel2']"),
        conf(&format!("mclag_interface:{}", ports.join(","))),
        conf("local_ip:10.0.0.1/24"),
        conf("syncd:sonic"),
        conf("nonsense"),
        ("iccpd.conf", format!("\u{feff}{pair}")),
        ("iccpd.conf", "mclag_id:1\n".to_owned()),
        ("iccpd.conf", String::new()),
        ("interfaces", "auto lo\niface lo inet loopback\n".to_owned()),
        ("iccpd", format!("{toml}ports = [\"bond1\"]\n")),
        (
            "iccpd.toml",
            format!("{toml}ports = [\"bond1\", \"bond1\"]\n"),
        ),
        ("iccpd.toml", format!("{toml}[log]\nfilter = \"info,=\"\n")),
        ("iccpd.toml", format!("\u{feff}{toml}")),
        (
            "iccpd.toml",
            include_str!("../../packaging/examples/iccpd.toml").to_owned(),
        ),
    ]
}

fn seeds() -> impl Iterator<Item = (&'static str, String)> {
    SEEDS.into_iter().flat_map(|(name, seeds)| {
        let lines = seeds.lines().filter(|line| line.starts_with('"'));
        lines.map(move |line| (name, serde_json::from_str(line).unwrap()))
    })
}

fn words(output: &Output, program: &str) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.replace(&format!("{program}: "), "")
}

#[test]
fn the_daemon_and_the_tool_have_one_verdict_on_every_file() {
    let place = TempDir::new("verdict");
    let mut verdicts = [0; 2];
    for (name, text) in cases().into_iter().chain(seeds()) {
        let file = place.write(name, &text);
        let run = |program: &str, args: &[&Path]| {
            let output = Command::new(program).args(args).arg(&file).output();
            output.unwrap()
        };
        let iccpd = ["--check", "-c"].map(Path::new);
        let iccpd = run(env!("CARGO_BIN_EXE_iccpd"), &iccpd);
        let mclagctl = ["config", "check"].map(Path::new);
        let mclagctl = run(env!("CARGO_BIN_EXE_mclagctl"), &mclagctl);
        assert_eq!(
            (iccpd.status.code(), words(&iccpd, "iccpd")),
            (mclagctl.status.code(), words(&mclagctl, "mclagctl")),
            "{name}: {text:?}"
        );
        verdicts[usize::from(iccpd.status.success())] += 1;
    }
    assert!(verdicts.iter().all(|count| *count >= 5), "{verdicts:?}");
}

/// Input: a list that is read otherwise than it was meant, the example as it comes, and settings that cannot be used.
/// Output: a reload is refused only where the daemon would refuse them, too.
#[test]
fn a_reload_takes_what_a_start_takes() {
    let place = TempDir::new("check-use");
    let cases = cases();
    let case = |words: &str| cases.iter().find(|(_, text)| text.contains(words)).unwrap();
    for (words, usable) in [
        ("PortChannel1, PortChannel2", true),
        ("Copy to /etc/mclag/iccpd.toml", true),
        ("filter = \"info,=\"", false),
    ] {
        let (name, text) = case(words);
        let file = place.write(name, text);
        let status = |check: &str| {
            let mut iccpd = Command::new(env!("CARGO_BIN_EXE_iccpd"));
            let output = iccpd.args([check, "-c"]).arg(&file).output().unwrap();
            output.status.code()
        };
        assert_eq!(status("--check=file"), Some(1), "{words}");
        let expected = if usable { 0 } else { 1 };
        assert_eq!(status("--check=use"), Some(expected), "{words}");
    }
}

#[test]
fn a_file_that_is_not_there_fails_both_checks() {
    let place = TempDir::new("verdict-absent");
    let absent = place.path("iccpd.toml");
    for (program, args) in [
        (env!("CARGO_BIN_EXE_iccpd"), ["--check", "-c"]),
        (env!("CARGO_BIN_EXE_mclagctl"), ["config", "check"]),
    ] {
        let output = Command::new(program).args(args).arg(&absent).output();
        assert_eq!(output.unwrap().status.code(), Some(1), "{program}");
    }
}

/// Run this in a thread and network namespace of its own, after these commands of `ip`.
fn in_namespace(what: &str, commands: &[&str], body: impl FnOnce() + Send) {
    let ip = |command: &str| {
        let mut ip = Command::new("ip");
        let status = ip.args(command.split(' ')).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let within = || {
        let made = unshare(CloneFlags::CLONE_NEWNET).is_ok();
        if !made || !commands.iter().all(|command| ip(command)) {
            eprintln!("{what}: skipped: no network namespace, no veth or no ip");
            return;
        }
        body();
    };
    std::thread::scope(|scope| scope.spawn(within).join().unwrap());
}

/// Input: settings whose names the system has, as names of an interface and of a bridge or as alternative ones, in a
/// network namespace of its own. Output: what is there and what is waited for; an alternative name, or a bridge that
/// is none, fails both checks and says what to write.
#[test]
fn names_are_looked_for_on_the_system() {
    let commands = [
        "link add br0 type bridge",
        "link add near type veth peer name far",
        "link set near master br0",
        "link property add dev near altname lan0",
        "address add 192.0.2.1/24 dev far",
    ];
    in_namespace("names", &commands, || {
        let place = TempDir::new("check-names");
        let check = |bridge: &str, ports: &str| {
            let text = format!(
                "[domain]\nid = 1\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\nbridge = \"{bridge}\"\n\
                 peer-link = \"absent\"\nports = [{ports}]\n"
            );
            let file = place.write("iccpd.toml", &text);
            let run = |program: &str, args: [&str; 2]| {
                Command::new(program)
                    .args(args)
                    .arg(&file)
                    .output()
                    .unwrap()
            };
            let iccpd = run(env!("CARGO_BIN_EXE_iccpd"), ["--check", "-c"]);
            let mclagctl = run(env!("CARGO_BIN_EXE_mclagctl"), ["config", "check"]);
            assert_eq!(words(&iccpd, "iccpd"), words(&mclagctl, "mclagctl"));
            assert_eq!(iccpd.status.code(), mclagctl.status.code());
            // A start only logs what is wrong of the system, and a reload is not refused for it.
            let to_use = run(env!("CARGO_BIN_EXE_iccpd"), ["--check=use", "-c"]);
            assert_eq!(to_use.status.code(), Some(0), "{}", words(&to_use, "iccpd"));
            let shown = String::from_utf8(iccpd.stdout.clone()).unwrap();
            (iccpd.status.success(), shown + &words(&iccpd, "iccpd"))
        };
        let (good, shown) = check("br0", "\"near\", \"far2\"");
        assert!(good, "{shown}");
        for line in [
            "# bridge br0: present\n",
            "# local 192.0.2.1: present\n",
            "# peer-link absent: not there, waited for\n",
            "# port near: present\n",
            "# port far2: not there, waited for\n",
        ] {
            assert!(shown.contains(line), "{line}{shown}");
        }
        let (good, shown) = check("br0", "\"far1\", \"lan0\"");
        assert!(!good);
        let words = "port lan0: an alternative name of interface near: write \"near\"";
        assert!(shown.contains(words), "{shown}");
        let (good, shown) = check("far", "\"near1\"");
        assert!(!good);
        assert!(
            shown.contains("bridge far: an interface that is no bridge"),
            "{shown}"
        );
    });
}

/// Input: settings that name neither bridge nor MAC, on a thread whose network namespace is another than that of its `/sys`.
/// Output: both are found where the process is.
#[test]
fn bridge_and_mac_are_those_of_the_network_namespace() {
    let commands = [
        "link add inner-bridge type bridge",
        "link add inner-link address 02:00:00:00:00:0c type veth peer name inner-far",
        "link set inner-link master inner-bridge",
    ];
    in_namespace("namespace", &commands, || {
        let place = TempDir::new("check-namespace");
        let shown = |peer_link: &str| {
            let text = format!(
                "[domain]\nid = 1\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\n\
                 peer-link = \"{peer_link}\"\nports = []\n"
            );
            let file = place.write("iccpd.toml", &text);
            let mut iccpd = Command::new(env!("CARGO_BIN_EXE_iccpd"));
            let output = iccpd.args(["--check", "-c"]).arg(file).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let inner = shown("inner-link");
        for line in [
            "# bridge is from its member inner-link.\n",
            "# node-mac is from interface inner-link.\n",
            "bridge = \"inner-bridge\"\n",
            "node-mac = \"02:00:00:00:00:0c\"\n",
        ] {
            assert!(inner.contains(line), "{line}{inner}");
        }
        // Those that only `/sys` shows are not.
        let outer = std::fs::read_dir("/sys/class/net").into_iter().flatten();
        let outer = outer.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for outer in outer.filter(|name| !name.starts_with("inner-")) {
            let shown = shown(&outer);
            let line = "# node-mac is from machine id and local address.\n";
            assert!(shown.contains(line), "{outer}: {shown}");
        }
    });
}

/// Input: settings whose bridge comes later; then, with a reload, others whose bridge is none; then a restart. Output: what
/// waiting does not mend is said at the reload as it is at the start.
#[test]
fn what_the_system_has_otherwise_is_said_at_a_reload_and_at_a_start() {
    let place = TempDir::new("check-reload");
    let control = place.path("control.sock");
    let process = std::process::id() % 200 + 10;
    let write = |bridge: &str| {
        let text = format!(
            "[domain]\nid = 7\nlocal = \"127.{process}.122.1\"\npeer = \"127.{process}.122.2\"\n\
             bridge = \"{bridge}\"\npeer-link = \"peer-absent\"\nports = []\ntcp-port = 18893\n\
             [syncd]\nsocket = {:?}\n[control]\nsocket = {control:?}\n",
            place.path("syncd.sock"),
        );
        place.write("iccpd.toml", &text)
    };
    let start = |settings: &Path| {
        let log = std::fs::File::create(place.path("log")).unwrap();
        let args = [Path::new("--settings"), settings];
        let daemon = Process::start(env!("CARGO_BIN_EXE_iccpd"), &args, log);
        eventually("it answers", || ask(&control, "status").is_some());
        daemon
    };
    let is_said = || {
        let log = place.read("log").unwrap_or_default();
        log.contains("bridge lo: an interface that is no bridge")
    };
    let mut daemon = start(&write("br-absent"));
    assert!(!is_said());
    let settings = write("lo");
    daemon.signal(Signal::SIGHUP);
    eventually("it is said at the reload", is_said);
    daemon.stop();
    let mut daemon = start(&settings);
    eventually("it is said at the start", is_said);
    daemon.stop();
}

/// Input: a team with LACP bypass, with a pair in the settings and with one that the server names. Output: it is refused
/// by name in both, and can be used in both.
#[test]
fn a_team_with_lacp_bypass_is_found_also_where_the_server_names_the_pair() {
    let body = || {
        let mut ip = Command::new("ip");
        let ip = ip.args(["link", "add", "team1", "type", "team"]);
        let made = unshare(CloneFlags::CLONE_NEWNET).is_ok();
        if !made || !ip.stderr(Stdio::null()).status().is_ok_and(|s| s.success()) {
            eprintln!("team: skipped: no network namespace, no team or no ip");
            return;
        }
        let place = TempDir::new("check-team");
        let bypass = "lacp-bypass = [\"team1\"]";
        for text in [
            format!(
                "[domain]\nid = 1\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\nports = [\"team1\"]\n{bypass}\n"
            ),
            format!("[domain]\n{bypass}\n[syncd]\nnames-pair = true\n"),
        ] {
            let file = place.write("iccpd.toml", &text);
            let run = |check: &str| {
                let mut iccpd = Command::new(env!("CARGO_BIN_EXE_iccpd"));
                iccpd.args([check, "-c"]).arg(&file).output().unwrap()
            };
            let refused = run("--check");
            let why = words(&refused, "iccpd");
            assert_eq!(refused.status.code(), Some(1), "{text}{why}");
            assert!(why.contains("lacp-bypass team1: a team"), "{text}{why}");
            assert_eq!(run("--check=use").status.code(), Some(0), "{text}");
        }
    };
    std::thread::scope(|scope| scope.spawn(body).join().unwrap());
}
