//! What the program is called, and what it finds under the names of earlier versions.

use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What has to happen, happens within this time, however slow the machine.
const SOON: Duration = Duration::from_secs(20);

const PROGRAM: &str = env!("CARGO_BIN_EXE_mclagsyncd");

/// A directory of its own, removed at the end with whatever runs in it.
struct Place {
    dir: PathBuf,
    child: Option<Child>,
}

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("mclagsyncd-names-{name}-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        Self { dir, child: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn command(&self, program: &Path) -> Command {
        let settings = self.path("settings.toml");
        fs::write(&settings, "").unwrap();
        let mut command = Command::new(program);
        command.args(["--backend", "record", "--settings"]);
        command.arg(settings).arg("--run-dir").arg(&self.dir);
        command
    }

    fn start(&mut self, program: &Path) {
        let mut command = self.command(program);
        command.stderr(File::create(self.path("log")).unwrap());
        self.child = Some(command.spawn().unwrap());
    }

    fn wait(&self, what: &str, done: impl Fn() -> bool) {
        let start = Instant::now();
        while !done() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(start.elapsed() < SOON, "not in time: {what}\n{log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn said(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn it_is_called_by_its_file_name() {
    let place = Place::new("version");
    let beside = place.path("mclag-syncd");
    std::os::unix::fs::symlink(PROGRAM, &beside).unwrap();
    for (program, name) in [(Path::new(PROGRAM), "mclagsyncd"), (&beside, "mclag-syncd")] {
        let output = said(Command::new(program).arg("--version"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        let output = said(Command::new(program).args(["--settings", "/no/such/file"]));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with(&format!("{name}: ")), "{text}");
    }
}

#[test]
fn a_process_beside_a_foreign_one_has_a_name_of_its_own() {
    let mut place = Place::new("process");
    let beside = place.path("mclag-syncd");
    std::os::unix::fs::symlink(PROGRAM, &beside).unwrap();
    place.start(&beside);
    place.wait("the socket", || place.path("mclagsyncd.sock").exists());
    let id = place.child.as_ref().unwrap().id();
    let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap();
    assert_eq!(name, "mclag-syncd\n");
}

#[test]
fn state_and_sockets_of_an_earlier_version_are_taken_over() {
    let mut place = Place::new("state");
    let originals =
        r#"{"bond1":{"learning":{"was":false},"backup":"untouched","system-mac":{"was":null}}}"#;
    fs::write(place.path("syncd-originals.json"), originals).unwrap();
    drop(UnixListener::bind(place.path("syncd.sock")).unwrap());
    place.start(Path::new(PROGRAM));
    place.wait("a connection by the old name", || {
        UnixStream::connect(place.path("syncd.sock")).is_ok()
            && UnixStream::connect(place.path("syncd-ctl.sock")).is_ok()
    });
    assert!(!place.path("syncd-originals.json").exists());
    let taken_over = fs::read_to_string(place.path("mclagsyncd-originals.json")).unwrap();
    assert_eq!(taken_over, originals);
    // Log lines are written on a thread of their own.
    place.wait("the line that says so", || {
        place.log().contains("remembered is in")
    });
}

#[test]
fn it_does_not_start_beside_an_earlier_version_that_runs() {
    let place = Place::new("running");
    fs::write(place.path("syncd-originals.json"), "{}").unwrap();
    let _running = UnixListener::bind(place.path("syncd.sock")).unwrap();
    let output = said(&mut place.command(Path::new(PROGRAM)));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("earlier version") && text.contains("syncd.sock"),
        "{text}"
    );
    assert!(place.path("syncd-originals.json").exists());
}

/// Lines of a unit, without its first comment.
fn unit(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines.skip_while(|line| line.starts_with('#')).collect()
}

#[test]
fn the_unit_beside_a_foreign_program_differs_in_names_only() {
    let ours = unit(include_str!("../../packaging/systemd/mclagsyncd.service"));
    let beside = unit(include_str!("../../packaging/systemd/mclag-syncd.service"));
    let without = |all: &[&str], other: &[&str]| -> Vec<String> {
        let rest = all.iter().filter(|line| !other.contains(line));
        rest.map(|line| (*line).to_owned()).collect()
    };
    assert_eq!(
        without(&ours, &beside),
        [
            "Description=MC-LAG dataplane",
            "# One of the two at a time: both are ours, and have the same sockets.",
            "Conflicts=mclag-syncd.service",
            "ExecStart=/usr/sbin/mclagsyncd",
        ]
    );
    assert_eq!(
        without(&beside, &ours),
        [
            "Description=MC-LAG dataplane, beside a foreign mclagsyncd",
            "ExecStart=/usr/sbin/mclag-syncd",
        ]
    );
    // That name is another daemon's.
    for line in ours.iter().chain(&beside) {
        let names_it = line.contains("=syncd.service") || line.contains(" syncd.service");
        assert!(!names_it, "{line}");
    }
}
