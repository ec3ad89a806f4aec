//! The programs as an operator runs them: real processes, real sockets, no network beyond
//! loopback and no privilege.

#[path = "processes/flood.rs"]
mod flood;
#[path = "processes/path.rs"]
mod path;
#[path = "processes/record.rs"]
mod record;

use mclag_proto::sync::model::{Abilities, Event, FdbKey, Observation};
use mclag_proto::sync::v2::{
    Capabilities, ClientMessage, Codec, MAX_EVENTS_PER_MESSAGE, ServerHello, ServerMessage, VERSION,
};
use mclag_proto::{IfName, Mac, Vid};
use mclag_test_support::{TempDir, as_ourselves};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const PORT: u16 = 18_889;

/// A running `iccpd`, killed at the end.
struct Daemon {
    child: Child,
    control: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Start the chassis `node`, 1 or 2, of the pair of network `network`.
    fn start(place: &TempDir, network: u8, node: u8) -> Self {
        Self::start_with(place, network, node, "")
    }

    /// The same, with something more at the top of its settings.
    fn start_with(place: &TempDir, network: u8, node: u8, more: &str) -> Self {
        Self::start_patient(place, network, node, more, "2s")
    }

    /// The same, which loses the session after silence of that long.
    fn start_patient(place: &TempDir, network: u8, node: u8, more: &str, timeout: &str) -> Self {
        let control = place.path(&format!("control{node}.sock"));
        let syncd = place.path(&format!("syncd{node}.sock"));
        let settings = place.path(&format!("iccpd{node}.toml"));
        let text = format!(
            r#"
            {more}
            [domain]
            id = 7
            local = "{}"
            peer = "{}"
            tcp-port = {PORT}
            bridge = "br-absent"
            peer-link = "peer-absent"
            ports = ["bond-absent1"]
            keepalive = "100ms"
            session-timeout = "{timeout}"
            [syncd]
            socket = "{}"
            [control]
            socket = "{}"
            "#,
            address(network, node),
            address(network, 3 - node),
            syncd.display(),
            control.display(),
        );
        std::fs::write(&settings, text).unwrap();
        Self::run(place, node, &settings, control)
    }

    fn run(place: &TempDir, node: u8, settings: &Path, control: PathBuf) -> Self {
        let log = place.path(&format!("iccpd{node}.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_iccpd"))
            .args(as_ourselves())
            .arg("--settings")
            .arg(settings)
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            control,
            log,
        }
    }

    fn ask(&self, view: &str) -> Option<Value> {
        let output = mclagctl(&self.control, &["--json", view]);
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Ask until the answer is as expected.
    fn wait(&self, view: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        let mut last = None;
        while start.elapsed() < PATIENCE {
            last = self.ask(view);
            if let Some(answer) = &last
                && expected(answer)
            {
                return answer.clone();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{view} is still {last:#?}");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn terminate(&mut self) -> i32 {
        self.signal(Signal::SIGTERM);
        self.child.wait().unwrap().code().expect("no signal")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Loopback addresses, different in each test.
fn address(network: u8, host: u8) -> IpAddr {
    let process = std::process::id().to_le_bytes()[0] % 200 + 10;
    IpAddr::from([127, process, network, host])
}

fn mclagctl(socket: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mclagctl"))
        .arg("--socket")
        .arg(socket)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Stands in for `syncd`: agrees with every batch, and sees so many hosts on an orphan port.
fn obliging_syncd(path: &Path, hosts: u16) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut codec = Codec::server();
        let mut buffer = vec![0; 1 << 16];
        loop {
            // The daemon is killed at the end of the test, before or after this looks.
            let Ok(len @ 1..) = stream.read(&mut buffer) else {
                return;
            };
            codec.push(&buffer[..len]);
            while let Some(message) = codec.next_message().unwrap() {
                for reply in replies(message, hosts) {
                    let _ = stream.write_all(&reply.encode().unwrap());
                }
            }
        }
    });
}

fn replies(message: ClientMessage, hosts: u16) -> Vec<ServerMessage> {
    match message {
        ClientMessage::Hello(_) => {
            let hello = ServerHello {
                version: VERSION,
                capabilities: Capabilities::empty(),
                // Else the port would have to be one of the kernel's.
                abilities: Abilities {
                    tracking: true,
                    ..Abilities::default()
                },
                backend: "obliging".into(),
                window: 8,
            };
            let port = IfName::new("swp7").unwrap();
            let seen = |host: u16| {
                let [high, low] = host.to_be_bytes();
                Event::Fdb {
                    key: FdbKey {
                        vid: Vid::DEFAULT,
                        mac: Mac([2, 0, 0x5e, 0, high, low]),
                    },
                    observation: Observation::Learned {
                        port,
                        configured: false,
                    },
                }
            };
            let mut all = vec![Event::SnapshotBegin];
            all.extend((0..hosts).map(seen));
            all.push(Event::SnapshotEnd);
            let parts = (1..).zip(all.chunks(MAX_EVENTS_PER_MESSAGE));
            let events = parts.map(|(number, events)| ServerMessage::Events {
                number,
                events: events.to_vec(),
            });
            std::iter::once(ServerMessage::Hello(hello))
                .chain(events)
                .collect()
        }
        ClientMessage::Batch { number, ops } => vec![ServerMessage::BatchResult {
            number,
            results: vec![Ok(()); ops.len()],
        }],
        ClientMessage::Credit { .. } | ClientMessage::Bye => vec![],
    }
}

/// Input: two daemons, the second with a `syncd` that sees a host. Output: one is primary, the
/// other secondary; the first knows the host from the second; both wait for interfaces that do
/// not exist; a stranger is refused and shown; the first stops, the second says so.
#[test]
fn two_daemons_make_a_pair() {
    let place = TempDir::new("iccpd-pair");
    obliging_syncd(&place.path("syncd2.sock"), 1);
    let mut one = Daemon::start(&place, 1, 1);
    let two = Daemon::start(&place, 1, 2);

    let up = |status: &Value| status["session"] == "up";
    let roles = [&one, &two].map(|daemon| daemon.wait("status", up)["role"].clone());
    assert!(
        roles.contains(&"primary".into()) && roles.contains(&"secondary".into()),
        "{roles:?}"
    );
    let status = two.wait("status", |status| status["syncd"]["connected"] == true);
    assert_eq!(status["syncd"]["backend"], "obliging");
    let waiting = serde_json::json!(["br-absent", "peer-absent", "bond-absent1"]);
    assert_eq!(status["waiting_for"], waiting);

    let answer = one.wait("macs", |answer| answer["macs"][0]["remote"] == "swp7");
    assert_eq!(answer["macs"][0]["mac"], "02:00:5e:00:00:00");

    let mut stranger = TcpStream::connect(SocketAddr::new(address(1, 1), PORT)).unwrap();
    // The system picks 127.0.0.1 as source, which is not the peer.
    let _ = stranger.read(&mut [0; 1]);
    let peer = one.wait("peer", |peer| peer["refused"][0]["count"] == 1);
    assert_eq!(peer["refused"][0]["reason"], "not the configured peer");
    assert_eq!(peer["session"], "up");

    for view in ["status", "interfaces", "macs", "peer"] {
        let output = mclagctl(&one.control, &[view]);
        assert_eq!(output.status.code(), Some(0), "{view}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{view}"
        );
    }
    let macs = |filter: &[&str]| {
        let args = [&["macs"], filter].concat();
        text(&mclagctl(&one.control, &args).stdout).to_owned()
    };
    assert!(macs(&["--port", "swp7"]).ends_with("\n1 address\n"));
    assert_eq!(macs(&["--vlan", "2"]), "0 addresses\n");
    assert_eq!(macs(&["--mac", "02:00:5e:00:00:01"]), "0 addresses\n");

    assert_eq!(one.terminate(), 0);
    two.wait("status", |status| status["session"] == "down");
    let output = mclagctl(&one.control, &["status"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).starts_with("mclagctl: iccpd is not running"));
}

/// `spec/mclagdctl-protocol.md` 7. Input: a pair with a port that is up on both chassis, for which
/// the loopback stands in, and a host that the second one sees. Output: the tables of the legacy tool
/// on the first.
#[test]
fn the_legacy_tool_shows_what_a_pair_has() {
    const NETWORK: u8 = 12;
    let place = TempDir::new("iccpd-populated");
    obliging_syncd(&place.path("syncd1.sock"), 0);
    obliging_syncd(&place.path("syncd2.sock"), 1);
    let _daemons = [1, 2].map(|node| {
        let control = place.path(&format!("control{node}.sock"));
        let text = format!(
            r#"
            [domain]
            id = 7
            local = "{}"
            peer = "{}"
            tcp-port = {PORT}
            bridge = "br-absent"
            peer-link = "peer-absent"
            ports = ["lo"]
            unique-ip = ["Vlan-absent"]
            [syncd]
            socket = "{}"
            [control]
            socket = "{}"
            [[control.mclagdctl]]
            socket = "{}"
            "#,
            address(NETWORK, node),
            address(NETWORK, 3 - node),
            place.path(&format!("syncd{node}.sock")).display(),
            control.display(),
            place.path(&format!("legacy{node}.sock")).display(),
        );
        let settings = place.path(&format!("iccpd{node}.toml"));
        std::fs::write(&settings, text).unwrap();
        Daemon::run(&place, node, &settings, control)
    });
    let tool = place.path("mclagdctl");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mclagctl"), &tool).unwrap();

    let rule = "-".repeat(60);
    let mac = format!(
        "{:<60}\n\
         No.   TYPE MAC                 VID  DEV                 ORIGIN-DEV          AGE  \n\
         1     D    02:00:5e:00:00:00   1    peer-absent         swp7                L    \n",
        "TYPE: S-STATIC, D-DYNAMIC; AGE: L-Local age, P-Peer age"
    );
    let local = format!(
        "{rule}\nIfindex: 1\nType: PortChannel\nPortName: lo\nMAC: 00:00:00:00:00:00 \n\
         IPv4Address: 127.0.0.1\nPrefixlen: 8\nState: Up\nIsL3Interface: Yes\nMemberPorts: \n\
         PortchannelIsUp: 1\nIsIsolateWithPeerlink: Yes\nIsTrafficDisable: No\nVlanList: \n\
         {rule}\n\n"
    );
    let peer = format!(
        "{rule}\nIfindex: 17803\nType: PortChannel\nPortName: lo\nMAC: 00:00:00:00:00:00 \n\
         State: Up\n{rule}\n\n"
    );
    let unique = format!(
        "{rule}\nIfname              Active\n{rule}\nVlan-absent           No   \n{rule}\n\n"
    );
    // This machine may have neighbours of its own.
    let arp = "No.   IP                  MAC                 DEV                 Flag\n";
    for (table, wanted) in [
        ("mac", mac.as_str()),
        ("arp", arp),
        ("portlist local", &local),
        ("portlist peer", &peer),
        ("unique_ip", &unique),
    ] {
        let dump = || {
            let output = Command::new(&tool)
                .args(["-i", "7", "dump"])
                .args(table.split(' '))
                .env("MCLAGDCTL_SOCKET", place.path("legacy1.sock"))
                .env_remove("MCLAGDCTL_DIALECT")
                .stdin(Stdio::null())
                .output()
                .unwrap();
            text_of(&output)
        };
        let is_wanted = |text: &str| match table {
            "arp" => text.starts_with(wanted),
            _ => text == wanted,
        };
        let start = Instant::now();
        let mut text = dump();
        while !is_wanted(&text) {
            assert!(start.elapsed() < PATIENCE, "{table}: {text}");
            thread::sleep(Duration::from_millis(50));
            text = dump();
        }
    }
}

/// Input: a `syncd` that sees ten thousand hosts. Output: the other daemon knows them, in far
/// fewer messages.
#[test]
fn ten_thousand_addresses_travel_in_few_messages() {
    let place = TempDir::new("iccpd-many");
    obliging_syncd(&place.path("syncd2.sock"), 10_000);
    let one = Daemon::start(&place, 4, 1);
    let two = Daemon::start(&place, 4, 2);
    one.wait("status", |status| status["macs"]["peer"] == 10_000);
    let peer = two.wait("peer", |_| true);
    let counters = peer["counters"].as_array().unwrap();
    let sent = counters.iter().find(|c| c["name"] == "messages sent");
    let sent = sent.unwrap()["value"].as_u64().unwrap();
    assert!(sent < 500, "{sent} messages");
    let output = mclagctl(&one.control, &["macs", "--port", "swp7"]);
    assert!(text(&output.stdout).ends_with("\n10000 addresses\n"));
}

/// Input: a daemon that leaves the pair when it stops. Output: it says so, and stops at once.
#[test]
fn a_chassis_that_leaves_says_so() {
    let place = TempDir::new("iccpd-leave");
    obliging_syncd(&place.path("syncd2.sock"), 1);
    let one = Daemon::start(&place, 5, 1);
    let mut two = Daemon::start_with(&place, 5, 2, "on-stop = \"leave\"");
    one.wait("status", |status| status["session"] == "up");
    two.wait("status", |status| status["syncd"]["connected"] == true);
    let start = Instant::now();
    assert_eq!(two.terminate(), 0);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    one.wait("status", |status| status["session"] == "down");
    let log = one.log();
    assert!(log.contains("peer leaves the pair"), "{log}");
    let log = two.log();
    assert!(!log.contains("stopped before everybody was told"), "{log}");
}

/// `spec/behaviour.md` 14.1: the peer is told, and nothing is undone, whatever a stop means.
#[test]
fn a_chassis_that_reboots_warm_takes_nothing_down() {
    let place = TempDir::new("iccpd-warm");
    obliging_syncd(&place.path("syncd2.sock"), 1);
    let one = Daemon::start(&place, 10, 1);
    let mut two = Daemon::start_with(&place, 10, 2, "on-stop = \"leave\"");
    one.wait("status", |status| status["macs"]["peer"] == 1);
    two.wait("status", |status| status["syncd"]["connected"] == true);
    two.signal(Signal::SIGUSR1);
    assert_eq!(two.child.wait().unwrap().code(), Some(0));
    let status = one.wait("status", |status| status["session"] == "down");
    assert_eq!(status["macs"]["peer"], 1, "what it said is kept: {status}");
    let log = two.log();
    assert!(log.contains("stopping for a warm reboot"), "{log}");
    let log = one.log();
    assert!(!log.contains("peer leaves the pair"), "{log}");
}

/// `spec/behaviour.md` 14.5. Input: the same settings, then a port more, then no bridge and another
/// one, then settings that make no sense. Output: nothing; the port is waited for, and the session is
/// the same; so is the bridge until another is named; the old settings still count.
#[test]
fn settings_are_read_again_when_the_daemon_is_told_to() {
    let place = TempDir::new("iccpd-reload");
    let one = Daemon::start(&place, 11, 1);
    let _two = Daemon::start(&place, 11, 2);
    one.wait("status", |status| status["session"] == "up");
    let said = |what: &str| {
        let start = Instant::now();
        loop {
            let log = one.log();
            if log.contains(what) {
                return log;
            }
            assert!(start.elapsed() < PATIENCE, "{log}");
            thread::sleep(Duration::from_millis(10));
        }
    };
    one.signal(Signal::SIGHUP);
    let log = said("configuration of the pair unchanged");
    assert!(!log.contains("configuration of the pair changed"), "{log}");

    let file = place.path("iccpd1.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let ports = r#"ports = ["bond-absent1", "bond-absent2"]"#;
    let more = before.replace(r#"ports = ["bond-absent1"]"#, ports);
    std::fs::write(&file, &more).unwrap();
    one.signal(Signal::SIGHUP);
    let waits = |status: &Value| status["waiting_for"].as_array().map(Vec::len) == Some(4);
    let status = one.wait("status", waits);
    assert_eq!(status["session"], "up");

    // No longer named the bridge is the last one, since no port is a member of one.
    let bridge = r#"bridge = "br-absent""#;
    for (line, expected) in [("", "br-absent"), (r#"bridge = "br-other""#, "br-other")] {
        std::fs::write(&file, before.replace(bridge, line)).unwrap();
        one.signal(Signal::SIGHUP);
        one.wait("status", |status| {
            let waiting = status["waiting_for"].as_array();
            waiting.is_some_and(|names| names.len() == 3 && names[0] == expected)
        });
    }
    std::fs::write(&file, &more).unwrap();
    one.signal(Signal::SIGHUP);
    one.wait("status", waits);

    std::fs::write(&file, before.replace("id = 7", "id = \"seven\"")).unwrap();
    one.signal(Signal::SIGHUP);
    said("configuration cannot be used, keeping the previous settings");
    let status = one.wait("status", waits);
    assert_eq!(
        (&status["session"], &status["domain"]),
        (&"up".into(), &7.into())
    );
    let peer = one.wait("peer", |_| true);
    let counters = peer["counters"].as_array().unwrap();
    assert!(counters.contains(&serde_json::json!({"name": "sessions", "value": 1})));
}

/// `spec/behaviour.md` 21, invariant 7: silence is measured from the last message, also from one
/// that waits in the socket of a daemon that was stopped, or starved.
#[test]
fn a_daemon_that_was_stopped_reads_what_waits_before_it_takes_the_peer_for_silent() {
    let place = TempDir::new("iccpd-stopped");
    let impatient = Daemon::start_patient(&place, 9, 1, "", "400ms");
    let patient = Daemon::start_patient(&place, 9, 2, "", "30s");
    let sessions = |daemon: &Daemon| {
        let up = daemon.wait("peer", |peer| peer["session"] == "up");
        let counters = up["counters"].as_array().unwrap();
        let count = counters.iter().find(|c| c["name"] == "sessions");
        count.unwrap()["value"].as_u64().unwrap()
    };
    let before = sessions(&impatient);
    for _ in 0..6 {
        impatient.signal(Signal::SIGSTOP);
        thread::sleep(Duration::from_millis(700));
        impatient.signal(Signal::SIGCONT);
        thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(sessions(&impatient), before);
    drop(patient);
}

/// Input: a daemon started with whatever privilege the test has. Output: none is left to any thread.
#[test]
fn the_daemon_holds_no_capability() {
    let place = TempDir::new("iccpd-caps");
    let daemon = Daemon::start(&place, 2, 1);
    daemon.wait("status", |_| true);
    let tasks = format!("/proc/{}/task", daemon.child.id());
    for task in std::fs::read_dir(tasks).unwrap() {
        let status = task.unwrap().path().join("status");
        let status = std::fs::read_to_string(status).unwrap();
        let value = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            assert_eq!(value(set), "0000000000000000", "{set}");
        }
        assert_eq!(value("NoNewPrivs:"), "1");
    }
}

/// Input: a second daemon with the same settings. Output: it refuses, the first goes on.
#[test]
fn one_pair_has_one_daemon() {
    let place = TempDir::new("iccpd-twice");
    let daemon = Daemon::start(&place, 3, 1);
    daemon.wait("status", |_| true);
    let output = Command::new(env!("CARGO_BIN_EXE_iccpd"))
        .args(as_ourselves())
        .arg("--settings")
        .arg(place.path("iccpd1.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    let (pid, local) = (daemon.child.id(), address(3, 1));
    let want = format!("iccpd: another iccpd (pid {pid}) has domain 7 at {local}");
    assert!(stderr.lines().any(|line| line == want), "{stderr}");
    daemon.wait("status", |_| true);
}

#[test]
fn settings_are_checked_without_starting() {
    let place = TempDir::new("iccpd-check");
    let file = place.path("iccpd.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_iccpd"));
        command.arg("--check").arg("--settings").arg(&file);
        command.output().unwrap()
    };
    let output = check("[domain]\nid = 0\n");
    assert_eq!(output.status.code(), Some(1));
    let want = format!("{}:1:1: missing field `local`\n", file.display());
    assert!(
        text(&output.stderr).starts_with(&want),
        "{}",
        text(&output.stderr)
    );

    let example = include_str!("../../packaging/examples/iccpd.toml");
    let output = check(&example.replace("192.0.2.1", "192.0.2.77"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("[domain]\nid = 10\n"));
    let waited =
        "# local 192.0.2.77: not there, waited for\n# peer-link peerlink: not there, waited for\n";
    assert!(
        text(&output.stdout).contains(waited),
        "{}",
        text(&output.stdout)
    );
    // Comments make no pair of it.
    let output = check(&format!("# mine\n{example}"));
    assert_eq!(output.status.code(), Some(1));
    let want = format!("iccpd: {} is the example as it comes", file.display());
    assert!(
        text(&output.stderr).starts_with(&want),
        "{}",
        text(&output.stderr)
    );
}

/// Input: an `iccpd.conf` with a mistake. Output: a TOML file that `iccpd --check` takes, and the
/// mistake with its line.
#[test]
fn an_iccpd_conf_is_checked_converted_and_used() {
    let place = TempDir::new("iccpd-convert");
    let (conf, toml) = (place.path("iccpd.conf"), place.path("iccpd.toml"));
    let config = |args: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mclagctl"));
        command.arg("config").args(args).output().unwrap()
    };
    let check = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_iccpd"));
        command.arg("--check").arg("-c").arg(file).output().unwrap()
    };
    let good = "mclag_id:5\nlocal_ip:10.0.0.1\npeer_ip:10.0.0.2\nbind_lacp:server1\n\
                peer_link:peer-absent\n";
    std::fs::write(&conf, format!("{good}nonsense\n")).unwrap();
    let warning = format!(
        "{}:6: warning: unknown line \"nonsense\" is ignored\n",
        conf.display()
    );

    // Its daemon ignores the line, whatever it was meant to say.
    let output = config(&[Path::new("check"), &conf]);
    assert_eq!(output.status.code(), Some(1));
    let misread = |program: &str| {
        format!(
            "{warning}{program}: {} does not do what it says with the daemon that it is for: see \
             the warnings\n",
            conf.display()
        )
    };
    assert_eq!(text(&output.stderr), misread("mclagctl"));
    // What is only odd fails where that is asked for.
    let odd = place.path("odd.conf");
    std::fs::write(
        &odd,
        good.replace("mclag_id:5", "mclag_id:5000")
            .replace("bind_lacp:server1", "mclag_interface:PortChannel1")
            .replace("peer-absent", "PortChannel9"),
    )
    .unwrap();
    let output = config(&[Path::new("check"), &odd]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).contains("SONiC has no numbers above 4095"));
    let output = config(&[Path::new("check"), Path::new("--strict"), &odd]);
    assert_eq!(output.status.code(), Some(1));
    let output = config(&[Path::new("convert"), &conf, Path::new("-o"), &toml]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), warning);
    assert_eq!(text(&output.stdout), "");

    let (of_conf, of_toml) = (check(&conf), check(&toml));
    assert_eq!(of_conf.status.code(), Some(1), "{of_conf:?}");
    assert_eq!(text(&of_conf.stderr), misread("iccpd"));
    assert_eq!(text(&of_toml.stderr), "");
    assert_eq!(text(&of_conf.stdout), text(&of_toml.stdout));
    assert!(text(&of_conf.stdout).contains("dialect = \"linux-mclag\""));

    // A TOML file is converted to one with every default.
    let output = config(&[Path::new("convert"), &toml]);
    assert!(text(&output.stdout).contains("keepalive = \"1s\"\n"));
    // What cannot be used is not written.
    std::fs::write(&conf, good.replace("peer_ip", "pear_ip")).unwrap();
    let before = std::fs::read(&toml).unwrap();
    let output = config(&[Path::new("convert"), &conf, Path::new("-o"), &toml]);
    assert_eq!(output.status.code(), Some(1));
    let want = format!("{}: no pair is described completely\n", conf.display());
    assert!(text(&output.stderr).starts_with(&want), "{output:?}");
    assert_eq!(std::fs::read(&toml).unwrap(), before);
    std::fs::write(&conf, good).unwrap();
    let nowhere = place.path("absent/iccpd.toml");
    let output = config(&[Path::new("convert"), &conf, Path::new("-o"), &nowhere]);
    assert_eq!(output.status.code(), Some(1));
    let want = format!("mclagctl: cannot write {}: ", nowhere.display());
    assert!(text(&output.stderr).starts_with(&want), "{output:?}");
}

/// Input: something that is not iccpd behind the control socket. Output: an error in words.
#[test]
fn an_answer_that_makes_no_sense_is_an_error() {
    let place = TempDir::new("iccpd-nonsense");
    let path = place.path("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: UnixStream = stream.unwrap();
            let _ = stream.read(&mut [0; 100]);
            let _ = stream.write_all(b"{\"reply\":\"interfaces\",\"interfaces\":7}\n");
        }
    });
    let output = mclagctl(&path, &["interfaces"]);
    assert_eq!(output.status.code(), Some(1));
    let want = format!("mclagctl: the answer on {} cannot be read:", path.display());
    assert!(
        text(&output.stderr).starts_with(&want),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn wrong_arguments_are_explained() {
    for args in [
        &["--vlan", "4095"][..],
        &["--mac", "xx"],
        &["--port", "a/b"],
    ] {
        let args = [&["macs"], args].concat();
        let output = mclagctl(Path::new("/nonexistent"), &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            text(&output.stderr).starts_with("error: invalid value"),
            "{args:?}"
        );
    }
    let output = mclagctl(Path::new("/nonexistent"), &["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("Exit status:"));
}

fn text_of(output: &Output) -> String {
    [output.stdout.as_slice(), output.stderr.as_slice()]
        .iter()
        .map(|bytes| text(bytes))
        .collect()
}
