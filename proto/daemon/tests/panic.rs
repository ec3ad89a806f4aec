//! What a daemon says when it panics, which ends it with an error and never leaves it hanging.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use mclag_daemon::log;
use mclag_test_support::Process;

/// Set for the process that panics; what it logs before, in lines of a kilobyte.
const LINES: &str = "MCLAG_TEST_LINES";

/// Does nothing unless the other test runs it.
#[test]
fn child() {
    let Ok(lines) = std::env::var(LINES) else {
        return;
    };
    let _log = log::init(log::parse_filter("info").unwrap()).unwrap();
    for number in 0..lines.parse().unwrap() {
        tracing::info!(number, "{:1000}", "long");
    }
    // As long as with a back trace.
    panic!("{:20000}\nboom", "");
}

#[test]
fn a_panic_is_read_where_somebody_reads_and_ends_the_process_everywhere() {
    for (lines, reads) in [
        (10, true),
        (1000, true),
        (3000, true),
        (10, false),
        (1000, false),
    ] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let program = std::env::current_exe().unwrap();
        let args = ["--exact", "child", "--nocapture"].map(Path::new);
        let lines: u32 = lines;
        let mut process = Process::start_with(
            program.to_str().unwrap(),
            &args,
            &[(LINES, &lines.to_string()), ("RUST_BACKTRACE", "0")],
            OwnedFd::from(writer),
        );
        if reads {
            let mut log = String::new();
            reader.read_to_string(&mut log).unwrap();
            let last = log.lines().nth_back(2).unwrap();
            assert!(
                last.contains("panicked at proto/daemon/tests/panic.rs:"),
                "{last}"
            );
            assert!(log.ends_with("\nboom\n"), "{lines}");
        }
        assert_eq!(process.end().code(), Some(101));
    }
}
