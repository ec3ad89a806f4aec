//! No line of the log ends or holds up the daemon, whatever becomes of it.

use mclag_test_support::{Logging, TempDir};

fn with_log(name: &str, number: u8, check: impl FnOnce(&Logging)) {
    let place = TempDir::new(&format!("iccpd-log-{name}"));
    let control = place.path("control.sock");
    let settings = place.path("iccpd.toml");
    let process = std::process::id() % 200 + 10;
    let text = |ports: &str| {
        format!(
            "[domain]\nid = 7\nlocal = \"127.{process}.{number}.1\"\npeer = \"127.{process}.{number}.2\"\ntcp-port = 18890\nbridge = \"br-absent\"\n\
             peer-link = \"peer-absent\"\nports = [{ports}]\n[syncd]\nsocket = {:?}\n[control]\nsocket = {control:?}\n",
            place.path("syncd.sock"),
        )
    };
    check(&Logging {
        program: env!("CARGO_BIN_EXE_iccpd"),
        args: vec!["--settings".into(), settings.clone()],
        texts: [text("\"bond-absent1\""), text(&"\"a b\",\n".repeat(1000))],
        settings,
        control,
        request: "status",
        lost: |answer| answer["lost_log_lines"].as_u64(),
    });
}

#[test]
fn a_full_disk_costs_lines() {
    with_log("full", 101, Logging::goes_on_when_the_disk_is_full);
}

#[test]
fn a_closed_pipe_costs_lines() {
    with_log("closed", 102, Logging::goes_on_when_the_reader_is_gone);
}

#[test]
fn a_pipe_that_nobody_reads_costs_lines() {
    with_log("hangs", 103, Logging::goes_on_when_the_reader_hangs);
}

#[test]
fn a_pipe_that_nobody_reads_does_not_hold_up_the_end() {
    with_log("end", 104, Logging::stops_although_the_reader_hangs);
}
