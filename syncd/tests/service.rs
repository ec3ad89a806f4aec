//! The daemon and its service manager.

use std::path::Path;
use std::process::Stdio;

use mclag_daemon::process::UNUSABLE;
use mclag_test_support::{Process, TempDir, tells_its_service_manager, unit_knows_its_daemon};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mclagsyncd");

#[test]
fn the_service_manager_is_told_that_mclagsyncd_serves_and_lives() {
    let place = TempDir::new("syncd-service");
    let (settings, run) = (place.write("mclagsyncd.toml", ""), place.path(""));
    tells_its_service_manager(&place, |env| {
        let args = ["--backend", "record", "--settings"].map(Path::new);
        let args = [&args[..], &[&settings, Path::new("--run-dir"), &run]].concat();
        Process::start_with(PROGRAM, &args, env, Stdio::null())
    });
}

#[test]
fn a_start_that_cannot_succeed_the_next_time_either_says_so() {
    let place = TempDir::new("syncd-unusable");
    let wrong = place.write("wrong.toml", "nonsense = 1\n");
    for file in [wrong, place.path("absent.toml")] {
        let end = |args: &[&Path]| Process::start(PROGRAM, args, Stdio::null()).end().code();
        let settings = ["--settings".as_ref(), file.as_path()];
        assert_eq!(end(&settings), Some(i32::from(UNUSABLE)), "{file:?}");
        let checked = ["--check".as_ref(), "--settings".as_ref(), file.as_path()];
        assert_eq!(end(&checked), Some(1), "{file:?}");
    }
}

#[test]
fn the_units_act_on_what_mclagsyncd_says() {
    for unit in [
        include_str!("../../packaging/systemd/mclagsyncd.service"),
        include_str!("../../packaging/systemd/mclag-syncd.service"),
    ] {
        unit_knows_its_daemon(unit, UNUSABLE, "--check");
    }
}
