//! A second daemon at the same kernel ends, says so, and makes no socket.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use mclag_daemon::lock::Lock;
use mclag_test_support::{TempDir, as_ourselves};

/// The lock is the machine's: two tests at once would take it from each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn the_kernel_of_a_chassis_is_for_one_daemon_whatever_its_run_directory() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = TempDir::new("syncd-second");
    let settings = place.write("syncd.toml", "");
    // If this machine has one, that one has it.
    let _first = Lock::take("mclagsyncd", "the dataplane of the kernel".to_owned());
    let output = Command::new(env!("CARGO_BIN_EXE_mclagsyncd"))
        .args(as_ourselves())
        .arg("--settings")
        .arg(settings)
        .arg("--run-dir")
        .arg(place.path("run"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let output = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.starts_with("mclagsyncd: another mclagsyncd (pid "),
        "{output}"
    );
    assert!(
        output.ends_with(") has the dataplane of the kernel\n"),
        "{output}"
    );
    assert!(!place.path("run").exists());
}

/// Where the other name is a foreign program's, that one is not accused.
#[test]
fn a_daemon_with_the_other_name_says_so_of_the_first_one() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = TempDir::new("mclag-syncd-second");
    let settings = place.write("syncd.toml", "");
    let program = place.path("mclag-syncd");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_mclagsyncd"), &program).unwrap();
    let run = |backend: &str| {
        let mut command = Command::new(&program);
        command.args(as_ourselves());
        command.args(["--backend", backend, "--settings"]);
        command
            .arg(&settings)
            .arg("--run-dir")
            .arg(place.path("run"));
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let _first = Lock::take("mclagsyncd", "the dataplane of the kernel".to_owned());
    let output = run("linux");
    assert!(
        output.starts_with("mclag-syncd: another mclag-syncd (pid "),
        "{output}"
    );
    let run_dir = place.path("run");
    std::fs::create_dir_all(&run_dir).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(run_dir.join("mclagsyncd.sock")).unwrap();
    let output = run("record");
    assert!(
        output.starts_with("mclag-syncd: another mclag-syncd (pid "),
        "{output}"
    );
    assert!(output.contains("listens on"), "{output}");
}
