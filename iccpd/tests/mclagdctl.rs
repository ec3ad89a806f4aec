//! `mclagctl` called `mclagdctl` against a running `iccpd`: real processes, real sockets, no
//! network beyond loopback and no privilege.

use mclag_test_support::{TempDir, as_ourselves};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon with a socket per dialect, and the tool by its legacy name; all gone at the end.
struct Lab {
    place: TempDir,
    daemon: Child,
}

impl Lab {
    fn new() -> Self {
        let place = TempDir::new("iccpd-mclagdctl");
        let tool = env!("CARGO_BIN_EXE_mclagctl");
        symlink(tool, place.join("mclagdctl")).unwrap();
        let octet = std::process::id().to_le_bytes()[0] % 200 + 10;
        let dir = place.display();
        let settings = format!(
            r#"
            [domain]
            id = 7
            local = "127.{octet}.77.1"
            peer = "127.{octet}.77.2"
            tcp-port = 18890
            bridge = "br-absent"
            peer-link = "peer-absent"
            ports = ["bond-absent1"]
            [syncd]
            socket = "{dir}/syncd.sock"
            [control]
            socket = "{dir}/control.sock"
            [[control.mclagdctl]]
            socket = "{dir}/iccpd/sonic.sock"
            [[control.mclagdctl]]
            socket = "{dir}/iccpd/linux.sock"
            dialect = "linux-mclag"
            "#
        );
        let file = place.join("iccpd.toml");
        std::fs::write(&file, settings).unwrap();
        let log = std::fs::File::create(place.join("iccpd.log")).unwrap();
        let daemon = Command::new(env!("CARGO_BIN_EXE_iccpd"))
            .args(as_ourselves())
            .arg("--settings")
            .arg(&file)
            .stderr(log)
            .spawn()
            .unwrap();
        let this = Self { place, daemon };
        this.eventually(|this| this.run("linux", "dump state").status.code() == Some(0));
        this
    }

    fn eventually(&self, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn run(&self, socket: &str, line: &str) -> Output {
        let socket = self.place.join("iccpd").join(format!("{socket}.sock"));
        Command::new(self.place.join("mclagdctl"))
            .args(line.split_whitespace())
            .env("MCLAGDCTL_SOCKET", socket)
            .env_remove("MCLAGDCTL_DIALECT")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.join("iccpd.log")).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Input: the state, in both dialects; then the log level is lowered. Output: the text of the
/// legacy tool; the log has no more of what it had, and the state shows the level.
#[test]
fn the_tool_shows_a_running_daemon_and_sets_what_it_logs() {
    let lab = Lab::new();
    let sonic = lab.run("sonic", "dump state");
    let out = text(&sonic.stdout);
    assert!(
        out.starts_with(
            "The MCLAG's keepalive is: ERROR\nMCLAG info sync is: incomplete\nDomain id: 7\n"
        ),
        "{out}"
    );
    assert!(out.contains("\nPeer Link Interface: Unknown\n"), "{out}");
    assert!(out.ends_with("\nLoglevel: NOTICE\n"), "{out}");
    let linux = lab.run("linux", "dump state");
    let out = text(&linux.stdout);
    assert!(
        out.ends_with("\nEnabled PortChannel: \n"),
        "a port that is not there is not listed: {out}"
    );

    let counters = lab.run("sonic", "d d c");
    assert_eq!(counters.status.code(), Some(0));
    assert!(text(&counters.stdout).contains("\nICCP to MclagSyncd  TX_OK"));

    let set = lab.run("sonic", "config loglevel -l debug");
    assert_eq!(text(&set.stdout), "Config loglevel success!\n");
    lab.eventually(|lab| lab.log().contains("log level changed"));
    let before = lab.log().matches("DEBUG").count();
    // Refused by the dialect, which is worth a line at this level.
    let refused = lab.run("linux", "config loglevel");
    assert_eq!(refused.status.code(), Some(1));
    lab.eventually(|lab| lab.log().matches("DEBUG").count() > before);
    let state = lab.run("sonic", "dump state");
    assert!(text(&state.stdout).ends_with("\nLoglevel: DEBUG\n"));

    let other = lab.run("sonic", "dump mac -i 8");
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(
        text(&other.stderr),
        "Mclag-id 8 hasn't been configured in iccpd!\n"
    );
    let help = lab.run("sonic", "-h");
    let name = lab.place.join("mclagdctl");
    let first = format!("{} [options] command [command args]\n", name.display());
    assert!(text(&help.stdout).starts_with(&first));
}

#[test]
fn the_tool_says_what_it_is_called_and_the_legacy_tool_knows_no_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_mclagctl"))
        .arg("--version")
        .output()
        .unwrap();
    let wanted = format!("mclagctl {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&output.stdout), wanted);

    let dir = TempDir::new("mclagdctl-version");
    let tool = dir.join("mclagdctl");
    symlink(env!("CARGO_BIN_EXE_mclagctl"), &tool).unwrap();
    let output = Command::new(&tool).arg("--version").output().unwrap();
    let name = tool.display();
    let wanted = format!("{name}: unrecognized option '--version'\nunknown option.\n");
    assert_eq!(text(&output.stderr), wanted);
    assert_eq!(output.status.code(), Some(1));
}
