//! Log lines as the journal gets them.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What has to happen, happens within this time, however slow the machine.
const SOON: Duration = Duration::from_secs(20);

/// The first line of a start with this in the environment.
fn first_line(number: u32, journal: Option<&str>) -> String {
    let name = format!("mclagsyncd-journal-{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    let log = dir.join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mclagsyncd"));
    command.args(["--backend", "record", "--run-dir"]);
    let settings = dir.join("settings.toml");
    fs::write(&settings, "").unwrap();
    command.arg(&dir).arg("--settings").arg(settings);
    command.stdin(Stdio::null());
    command.stderr(File::create(&log).unwrap());
    match journal {
        Some(stream) => command.env("JOURNAL_STREAM", stream),
        None => command.env_remove("JOURNAL_STREAM"),
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
    fs::remove_dir_all(&dir).unwrap();
    line
}

#[test]
fn there_is_one_time_stamp_and_under_the_journal_it_is_the_journal_s() {
    let with = first_line(1, Some("8:4711"));
    assert!(with.starts_with("<6> INFO "), "{with}");
    let without = first_line(2, None);
    let year = without.split('-').next().unwrap();
    assert!(year.len() == 4 && year.parse::<u16>().is_ok(), "{without}");
}
