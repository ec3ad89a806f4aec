//! No line of the log ends or holds up the daemon, whatever becomes of it.

use mclag_test_support::{Logging, TempDir};

fn with_log(name: &str, check: impl FnOnce(&Logging)) {
    let place = TempDir::new(&format!("syncd-log-{name}"));
    let settings = place.path("syncd.toml");
    let text = |ports: &str| {
        let dir = place.path("run");
        format!("backend = \"record\"\nrun-dir = {dir:?}\n[record]\nports = [{ports}]\n")
    };
    check(&Logging {
        program: env!("CARGO_BIN_EXE_mclagsyncd"),
        args: vec!["--settings".into(), settings.clone()],
        texts: [text("\"bond1\""), text(&"\"a b\",\n".repeat(1000))],
        settings,
        control: place.path("run/mclagsyncd-ctl.sock"),
        request: "dataplane",
        lost: |answer| {
            let counters = answer["counters"].as_array()?;
            let lost = counters.iter().find(|c| c["name"] == "log lines lost");
            lost?["value"].as_u64()
        },
    });
}

#[test]
fn a_full_disk_costs_lines() {
    with_log("full", Logging::goes_on_when_the_disk_is_full);
}

#[test]
fn a_closed_pipe_costs_lines() {
    with_log("closed", Logging::goes_on_when_the_reader_is_gone);
}

#[test]
fn a_pipe_that_nobody_reads_costs_lines() {
    with_log("hangs", Logging::goes_on_when_the_reader_hangs);
}

#[test]
fn a_pipe_that_nobody_reads_does_not_hold_up_the_end() {
    with_log("end", Logging::stops_although_the_reader_hangs);
}
