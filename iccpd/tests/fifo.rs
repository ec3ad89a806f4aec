//! A settings file that is a pipe which nobody writes to holds nobody up.

use std::path::Path;
use std::process::Stdio;

use mclag_daemon::process::UNUSABLE;
use mclag_test_support::{Process, TempDir, ask, eventually};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

const ICCPD: &str = env!("CARGO_BIN_EXE_iccpd");

#[test]
fn a_pipe_is_refused_at_the_start_and_by_the_tool() {
    let place = TempDir::new("iccpd-fifo");
    let fifo = place.path("iccpd.conf");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let check = [Path::new("--check"), Path::new("--settings"), &fifo];
    let mut checking = Process::start(ICCPD, &check, Stdio::null());
    assert_eq!(checking.end().code(), Some(1));
    let mut starting = Process::start(ICCPD, &check[1..], Stdio::null());
    assert_eq!(starting.end().code(), Some(i32::from(UNUSABLE)));
    let check = [Path::new("config"), Path::new("check"), &fifo];
    let mut tool = Process::start(env!("CARGO_BIN_EXE_mclagctl"), &check, Stdio::null());
    assert_eq!(tool.end().code(), Some(1));
}

#[test]
fn a_pipe_in_the_place_of_the_settings_leaves_a_running_daemon_as_it_is() {
    let place = TempDir::new("iccpd-fifo-reload");
    let control = place.path("control.sock");
    let process = std::process::id() % 200 + 10;
    let text = format!(
        "[domain]\nid = 7\nlocal = \"127.{process}.121.1\"\npeer = \"127.{process}.121.2\"\n\
         bridge = \"br-absent\"\npeer-link = \"peer-absent\"\nports = [\"bond-absent1\"]\ntcp-port = 18892\n\
         [syncd]\nsocket = {:?}\n[control]\nsocket = {control:?}\n",
        place.path("syncd.sock"),
    );
    let settings = place.write("iccpd.toml", &text);
    let log = std::fs::File::create(place.path("log")).unwrap();
    let mut daemon = Process::start(ICCPD, &[Path::new("--settings"), &settings], log);
    eventually("it answers", || ask(&control, "status").is_some());
    std::fs::remove_file(&settings).unwrap();
    mkfifo(&settings, Mode::S_IRWXU).unwrap();
    daemon.signal(Signal::SIGHUP);
    eventually("it says that it keeps the settings", || {
        let log = std::fs::read_to_string(place.path("log")).unwrap();
        log.contains("not a regular file") || log.contains("cannot read settings")
    });
    assert!(ask(&control, "status").is_some());
    daemon.stop();
}
