//! Log lines as the journal gets them.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mclag_test_support::{TempDir, as_ourselves};

/// What has to happen, happens within this time, however slow the machine.
const SOON: Duration = Duration::from_secs(20);

/// What the environment says of the journal.
enum Journal {
    Nothing,
    /// It is where standard error leads.
    Ours,
    /// It is where that of another process leads.
    Others,
}

/// The first line of a start with this in the environment.
fn first_line(journal: &Journal) -> String {
    let dir = TempDir::new("journal");
    let log = dir.join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mclagsyncd"));
    command.args(as_ourselves());
    command.args(["--backend", "record", "--run-dir"]);
    let settings = dir.join("settings.toml");
    fs::write(&settings, "").unwrap();
    command.arg(&*dir).arg("--settings").arg(settings);
    command.stdin(Stdio::null());
    let stderr = File::create(&log).unwrap();
    let ours = stderr.metadata().unwrap();
    command.stderr(stderr);
    let inode = |other| format!("{}:{}", ours.dev(), ours.ino() + other);
    match journal {
        Journal::Nothing => command.env_remove("JOURNAL_STREAM"),
        Journal::Ours => command.env("JOURNAL_STREAM", inode(0)),
        Journal::Others => command.env("JOURNAL_STREAM", inode(1)),
    };
    let mut child = command.spawn().unwrap();
    let start = Instant::now();
    let line = loop {
        let text = fs::read_to_string(&log).unwrap();
        if text.contains('\n') || start.elapsed() > SOON {
            break text.lines().next().unwrap_or_default().to_owned();
        }
        thread::sleep(Duration::from_millis(5));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    line
}

#[test]
fn there_is_one_time_stamp_and_under_the_journal_it_is_the_journal_s() {
    let with = first_line(&Journal::Ours);
    assert!(with.starts_with("<6> INFO "), "{with}");
    for journal in [Journal::Nothing, Journal::Others] {
        let without = first_line(&journal);
        let year = without.split('-').next().unwrap();
        assert!(year.len() == 4 && year.parse::<u16>().is_ok(), "{without}");
    }
}
