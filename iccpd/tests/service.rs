//! The daemon and its service manager.

use std::path::Path;
use std::process::Stdio;

use mclag_daemon::process::UNUSABLE;
use mclag_test_support::{Process, TempDir, tells_its_service_manager, unit_knows_its_daemon};

/// Of a pair with this number, which no other test has.
fn settings(place: &TempDir, id: u8) -> String {
    let octet = std::process::id().to_le_bytes()[0] % 200 + 10;
    format!(
        "[domain]\nid = {id}\nlocal = \"127.{octet}.{id}.1\"\npeer = \"127.{octet}.{id}.2\"\ntcp-port = 18891\n\
         bridge = \"br-absent\"\nports = []\n[syncd]\nsocket = \"{}\"\n[control]\nsocket = \"{}\"\n",
        place.path("syncd.sock").display(),
        place.path("control.sock").display(),
    )
}

#[test]
fn the_service_manager_is_told_that_iccpd_serves_and_lives() {
    let place = TempDir::new("iccpd-service");
    let file = place.write("iccpd.toml", &settings(&place, 251));
    tells_its_service_manager(&place, |env| {
        let args = ["--settings".as_ref(), file.as_path()];
        Process::start_with(env!("CARGO_BIN_EXE_iccpd"), &args, env, Stdio::null())
    });
}

/// Input: settings that say what cannot be, that are not there, with a key that is not there. Output: a start ends with
/// a status of its own, a check with the usual one.
#[test]
fn a_start_that_cannot_succeed_the_next_time_either_says_so() {
    let place = TempDir::new("iccpd-unusable");
    let with_key =
        settings(&place, 252).replace("id = 252", "id = 252\nkey-file = \"/nonexistent/key\"");
    let files = [
        (place.write("wrong.toml", "[domain]\nid = 0\n"), 1),
        (place.path("absent.toml"), 1),
        (place.write("key.toml", &with_key), 1),
    ];
    let end = |args: &[&Path]| {
        let program = env!("CARGO_BIN_EXE_iccpd");
        Process::start(program, args, Stdio::null()).end().code()
    };
    for (file, check) in files {
        let settings = ["--settings".as_ref(), file.as_path()];
        assert_eq!(end(&settings), Some(i32::from(UNUSABLE)), "{file:?}");
        let checked = ["--check".as_ref(), "--settings".as_ref(), file.as_path()];
        assert_eq!(end(&checked), Some(check), "{file:?}");
    }
}

#[test]
fn the_unit_acts_on_what_iccpd_says() {
    unit_knows_its_daemon(
        include_str!("../../packaging/systemd/iccpd.service"),
        UNUSABLE,
        "--check=use",
    );
}
