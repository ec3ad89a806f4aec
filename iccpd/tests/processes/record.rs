//! Recordings of the running program.

use super::{Daemon, PATIENCE, TempDir, obliging_syncd};
use iccp_core::record::Recording;
use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

fn settings(file: &Path, more: &str) -> String {
    format!("[record]\nfile = {file:?}\n{more}\n")
}

/// The log says so, in the end.
fn wait_for_log(daemon: &Daemon, text: &str) {
    let start = Instant::now();
    while !daemon.log().contains(text) {
        assert!(
            start.elapsed() < PATIENCE,
            "no {text:?} in\n{}",
            daemon.log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Input: a pair that comes up with two hosts, and one of the two recorded until it stops. Output: the
/// same core, told the same, decides the same; the file is for its owner alone.
#[test]
fn a_replay_decides_what_the_daemon_decided() {
    let place = TempDir::new("iccpd-record");
    let file = place.path("recording.jsonl");
    obliging_syncd(&place.path("syncd1.sock"), 2);
    obliging_syncd(&place.path("syncd2.sock"), 1);
    let mut one = Daemon::start_with(&place, 16, 1, &settings(&file, ""));
    let two = Daemon::start(&place, 16, 2);
    two.wait("macs", |answer| answer["macs"][0]["vid"] == 1);
    one.wait("status", |status| status["session"] == "up");
    assert_eq!(one.terminate(), 0);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let recording = Recording::read(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(recording.cut, None);
    assert!(recording.header.from_start);
    let replayed = recording.replay();
    assert_eq!(replayed.differing, [0; 0], "{}", replayed.text);
    for decision in [
        "to: \"EXCHANGE\"",
        "> batch 1:",
        "MacInfo",
        "reason: Stopping",
    ] {
        assert!(
            replayed.text.contains(decision),
            "{decision}: {}",
            replayed.text
        );
    }
}

/// Input: a recording that is ended by a signal, and another that is begun and ended. Output: lines that
/// say so, and a file that says that the daemon had been running before.
#[test]
fn a_signal_ends_a_recording_and_begins_another() {
    let place = TempDir::new("iccpd-toggle");
    let file = place.path("recording.jsonl");
    let daemon = Daemon::start_with(&place, 17, 1, &settings(&file, "max-size = 65536"));
    wait_for_log(&daemon, "recording begins");
    daemon.wait("status", |_| true);
    daemon.signal(Signal::SIGUSR2);
    wait_for_log(&daemon, "recording ends reason=\"asked to\"");
    daemon.signal(Signal::SIGUSR2);
    wait_for_log(&daemon, "from_start=false");
    daemon.signal(Signal::SIGTERM);
    wait_for_log(&daemon, "iccpd: stopped");
    let recording = Recording::read(&std::fs::read(&file).unwrap()).unwrap();
    assert!(!recording.header.from_start);
}
