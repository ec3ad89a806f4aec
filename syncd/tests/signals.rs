//! Signals to the program, at any time from when others can see that it runs.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use mclag_test_support::{PATIENCE, Process, TempDir};
use nix::sys::signal::Signal;

fn start(place: &TempDir) -> Process {
    let settings = place.write("syncd.toml", "");
    let run = place.path("");
    let args = [
        Path::new("--backend"),
        Path::new("record"),
        Path::new("--settings"),
        &settings,
        Path::new("--run-dir"),
        &run,
    ];
    Process::start(env!("CARGO_BIN_EXE_mclagsyncd"), &args, Stdio::null())
}

/// Wait for its first socket, without a pause: what is looked for is what comes right behind.
fn wait_for_socket(place: &TempDir) {
    let start = Instant::now();
    while !place.path("mclagsyncd.sock").exists() {
        assert!(start.elapsed() < PATIENCE, "no socket");
    }
}

#[test]
fn a_signal_right_behind_the_start_is_heard() {
    for (number, stop) in (0..10).zip([Signal::SIGTERM, Signal::SIGINT].into_iter().cycle()) {
        let place = TempDir::new(&format!("syncd-signals-{number}"));
        let mut syncd = start(&place);
        wait_for_socket(&place);
        syncd.signal(Signal::SIGHUP);
        syncd.signal(stop);
        let status = syncd.end();
        assert!(status.success(), "{stop}: {status}");
    }
}
