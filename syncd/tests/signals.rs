//! Signals to the program, at any time from when others can see that it runs.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What has to happen, happens within this time, however slow the machine.
const SOON: Duration = Duration::from_secs(20);

/// A running `mclagsyncd` in a directory of its own.
struct Syncd {
    dir: PathBuf,
    child: Child,
}

impl Syncd {
    fn start(number: u32) -> Self {
        let name = format!("syncd-signals-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let settings = dir.join("syncd.toml");
        std::fs::write(&settings, "").unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_mclagsyncd"))
            .args(["--backend", "record", "--settings"])
            .arg(&settings)
            .arg("--run-dir")
            .arg(&dir)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { dir, child }
    }

    /// Wait for its first socket, without a pause: what is looked for is what comes right behind.
    fn wait_for_socket(&self) {
        let start = Instant::now();
        while !self.dir.join("mclagsyncd.sock").exists() {
            assert!(start.elapsed() < SOON, "no socket");
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    fn end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < SOON, "it runs on");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Syncd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn a_signal_right_behind_the_start_is_heard() {
    for (number, stop) in (0..10).zip([Signal::SIGTERM, Signal::SIGINT].into_iter().cycle()) {
        let mut syncd = Syncd::start(number);
        syncd.wait_for_socket();
        syncd.signal(Signal::SIGHUP);
        syncd.signal(stop);
        let status = syncd.end();
        assert!(status.success(), "{stop}: {status}");
    }
}
