//! What the program is called, and what it finds under the names of earlier versions.

use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mclag_test_support::{Process, TempDir, as_ourselves, eventually};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mclagsyncd");

/// A directory of its own, and what runs in it.
struct Place {
    process: Option<Process>,
    dir: TempDir,
}

impl Place {
    fn new(name: &str) -> Self {
        let dir = TempDir::new(&format!("mclagsyncd-names-{name}"));
        Self { process: None, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path(name)
    }

    fn command(&self, program: &Path) -> Command {
        let settings = self.dir.write("settings.toml", "");
        let mut command = Command::new(program);
        command.args(as_ourselves());
        command.args(["--backend", "record", "--settings"]);
        command.arg(settings).arg("--run-dir").arg(self.path(""));
        command
    }

    fn start(&mut self, program: &Path) {
        let mut command = self.command(program);
        command.stderr(File::create(self.path("log")).unwrap());
        self.process = Some(command.spawn().unwrap().into());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

#[test]
fn it_is_called_by_its_file_name() {
    let place = Place::new("version");
    let beside = place.path("mclag-syncd");
    std::os::unix::fs::symlink(PROGRAM, &beside).unwrap();
    for (program, name) in [(Path::new(PROGRAM), "mclagsyncd"), (&beside, "mclag-syncd")] {
        let output = run(Command::new(program).arg("--version"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        let output = run(Command::new(program).args(["--settings", "/no/such/file"]));
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
    eventually("the socket", || place.path("mclagsyncd.sock").exists());
    let id = place.process.as_ref().unwrap().id();
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
    eventually("a connection by the old name", || {
        UnixStream::connect(place.path("syncd.sock")).is_ok()
            && UnixStream::connect(place.path("syncd-ctl.sock")).is_ok()
    });
    assert!(!place.path("syncd-originals.json").exists());
    let taken_over = fs::read_to_string(place.path("mclagsyncd-originals.json")).unwrap();
    assert_eq!(taken_over, originals);
    // Log lines are written on a thread of their own.
    eventually("the line that says so", || {
        place.log().contains("remembered is in")
    });
}

#[test]
fn a_first_start_makes_the_directory_and_the_old_names_in_it_without_a_warning() {
    let mut place = Place::new("first");
    let (settings, run_dir) = (place.path("settings.toml"), place.path("run"));
    fs::write(&settings, "").unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(as_ourselves());
    command.args(["--backend", "record", "--settings"]);
    command.arg(settings).arg("--run-dir").arg(&run_dir);
    command.stderr(File::create(place.path("log")).unwrap());
    place.process = Some(command.spawn().unwrap().into());
    eventually("a connection by the old names", || {
        UnixStream::connect(run_dir.join("syncd.sock")).is_ok()
            && UnixStream::connect(run_dir.join("syncd-ctl.sock")).is_ok()
    });
    eventually("the line of the start", || place.log().contains("starting"));
    assert!(!place.log().contains("WARN"), "{}", place.log());
}

#[test]
fn it_does_not_start_beside_an_earlier_version_that_runs() {
    let place = Place::new("running");
    fs::write(place.path("syncd-originals.json"), "{}").unwrap();
    let _running = UnixListener::bind(place.path("syncd.sock")).unwrap();
    let output = run(&mut place.command(Path::new(PROGRAM)));
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
            "ExecReload=/bin/sh -c 'exec /usr/sbin/mclagsyncd --check >/dev/null'",
            "# It changes bridges, bonds and the bridge filter, and talks to nobody but iccpd.",
            "# Internet addresses only for legacy clients on the loopback, if the configuration asks for them.",
        ]
    );
    assert_eq!(
        without(&beside, &ours),
        [
            "Description=MC-LAG dataplane, beside a foreign mclagsyncd",
            "ExecStart=/usr/sbin/mclag-syncd",
            "ExecReload=/bin/sh -c 'exec /usr/sbin/mclag-syncd --check >/dev/null'",
            "# It changes bridges, bonds and the bridge filter, and talks to iccpd, the foreign server and its Redis alone.",
            "# Internet addresses only for these, on the loopback.",
        ]
    );
    // That name is another daemon's.
    for line in ours.iter().chain(&beside) {
        let names_it = line.contains("=syncd.service") || line.contains(" syncd.service");
        assert!(!names_it, "{line}");
    }
}
