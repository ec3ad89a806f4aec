//! What tests of several crates need: directories of their own, daemons as processes, and waiting for
//! what has to happen.

#![allow(clippy::missing_panics_doc, reason = "a test that cannot go on panics")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// What has to happen, happens within this time, however slow the machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A directory that nobody else has, removed at the end, also of a test that fails.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// An empty directory, with this in its name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static ONCE: Once = Once::new();
        ONCE.call_once(remove_orphans);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mclag-test-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where a file of it is.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    /// The text of a file of it; none if that cannot be read.
    #[must_use]
    pub fn read(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.path(file)).ok()
    }

    /// Make a file in it.
    pub fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path(file);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Deref for TempDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Remove what processes left behind that were killed, which removes nothing.
fn remove_orphans() {
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter();
    for entry in entries.flatten().flatten() {
        let name = entry.file_name();
        let name = name
            .to_str()
            .and_then(|name| name.strip_prefix("mclag-test-"));
        let owner = name.and_then(|name| name.rsplit('-').nth(1)?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// A daemon that is started by hand, and the directory with its files.
#[derive(Debug)]
pub struct ByHand {
    /// The directory.
    pub dir: TempDir,
    /// The program.
    pub program: &'static str,
    /// The file of its settings.
    pub settings: &'static str,
    /// The socket at which it answers operators.
    pub control: &'static str,
    /// What it answers there once it is at work.
    pub request: &'static str,
}

impl ByHand {
    /// Where it answers operators.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.dir.path(self.control)
    }

    /// How to start it with these arguments.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        let settings = self.dir.path(self.settings);
        command.args(args).arg("--settings").arg(settings);
        let log = File::create(self.dir.path("log")).unwrap();
        command.stdin(Stdio::null()).stderr(log);
        command
    }

    /// Start it with these arguments; it is at work then.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Process {
        let mut process = Process::from(self.command(args).spawn().unwrap());
        eventually("it answers", || {
            process.runs();
            ask(&self.control(), self.request).is_some()
        });
        process
    }

    /// How it ends at once, and what it says.
    #[must_use]
    pub fn ends(&self, mut command: Command) -> (Option<i32>, String) {
        let mut process = Process::from(command.spawn().unwrap());
        (process.end().code(), self.log())
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        self.dir.read("log").unwrap()
    }
}

/// Names of the daemons' programs.
const DAEMONS: [&str; 3] = ["iccpd", "mclagsyncd", "mclag-syncd"];

/// Arguments with which a daemon stays who runs the test, also if that is root: no other user needs to exist.
#[must_use]
pub fn as_ourselves() -> [String; 2] {
    ["--user".to_owned(), geteuid().to_string()]
}

/// A running process, killed at the end.
pub struct Process(Child);

impl Process {
    /// Run a program with these arguments and its log there; a daemon of ours [as ourselves](as_ourselves).
    pub fn start(program: &str, args: &[&Path], log: impl Into<Stdio>) -> Self {
        Self::start_with(program, args, &[], log)
    }

    /// The same, with something more in its environment.
    pub fn start_with(
        program: &str,
        args: &[&Path],
        env: &[(&str, &str)],
        log: impl Into<Stdio>,
    ) -> Self {
        let mut command = Command::new(program);
        let name = Path::new(program).file_name().unwrap_or_default();
        if DAEMONS.iter().any(|daemon| name == *daemon) {
            command.args(as_ourselves());
        }
        command.args(args).envs(env.iter().copied());
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        )
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Send it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Require that it runs.
    pub fn runs(&mut self) {
        let ended = self.0.try_wait().unwrap();
        assert!(ended.is_none(), "it ended: {ended:?}");
    }

    /// How it ends.
    pub fn end(&mut self) -> ExitStatus {
        let mut ended = None;
        eventually("it ends", || {
            ended = self.0.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// It stops when it is told to, without an error.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.end();
        assert!(status.success(), "{status}");
    }
}

impl From<Child> for Process {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Look until it is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What the kernel says of a process in this field of its status, with single blanks.
#[must_use]
pub fn status_of(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mut values = status.lines().filter_map(|line| line.split_once(':'));
    let value = values.find(|(name, _)| *name == field);
    let (_, value) = value.unwrap_or_else(|| panic!("no {field} in {status}"));
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The answer of a control socket; none if nobody answers there in time.
pub fn ask(socket: &Path, request: &str) -> Option<serde_json::Value> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    (&stream)
        .write_all(format!("{{\"request\":\"{request}\"}}\n").as_bytes())
        .ok()?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// What a daemon tells its service manager (`sd_notify(3)`): that it is ready, then that it lives, again and again.
/// It is started with these variables in its environment.
pub fn tells_its_service_manager(place: &TempDir, start: impl FnOnce(&[(&str, &str)]) -> Process) {
    let path = place.path("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let path = path.to_str().unwrap();
    let mut process = start(&[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "100000")]);
    let next = || {
        let mut bytes = [0; 256];
        let len = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..len]).trim().to_owned()
    };
    assert_eq!(next(), "READY=1");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    process.stop();
}

/// The unit of a daemon: it knows when the daemon serves and whether it lives, does not start it again where that
/// cannot help, and has a reload fail with settings that cannot be used.
pub fn unit_knows_its_daemon(unit: &str, unusable: u8, check: &str) {
    let value = |key: &str| -> Vec<&str> {
        let lines = unit.lines().filter_map(|line| line.strip_prefix(key));
        lines.filter_map(|line| line.strip_prefix('=')).collect()
    };
    assert_eq!(value("Type"), ["notify"]);
    assert_eq!(value("WatchdogSec").len(), 1);
    assert_eq!(value("RestartPreventExitStatus"), [unusable.to_string()]);
    let [start] = value("ExecStart")[..] else {
        panic!("{unit}");
    };
    let check = format!("/bin/sh -c 'exec {start} {check} >/dev/null'");
    assert_eq!(value("ExecReload"), [&check, "/bin/kill -HUP $MAINPID"]);
}

/// A daemon whose log can be filled, for what must hold of both.
pub struct Logging {
    /// The program.
    pub program: &'static str,
    /// Its arguments.
    pub args: Vec<PathBuf>,
    /// Its settings file. With the second text in it a reload logs a line of more than a pipe takes.
    pub settings: PathBuf,
    /// What the settings file says in turn.
    pub texts: [String; 2],
    /// Its control socket.
    pub control: PathBuf,
    /// What shows how many lines were lost.
    pub request: &'static str,
    /// Takes that number out of the answer.
    pub lost: fn(&serde_json::Value) -> Option<u64>,
}

impl Logging {
    fn start(&self, log: impl Into<Stdio>) -> Process {
        std::fs::write(&self.settings, &self.texts[0]).unwrap();
        let args: Vec<&Path> = self.args.iter().map(PathBuf::as_path).collect();
        let mut process = Process::start(self.program, &args, log);
        eventually("it answers", || {
            process.runs();
            ask(&self.control, self.request).is_some()
        });
        std::fs::write(&self.settings, &self.texts[1]).unwrap();
        process
    }

    /// Have it log until lines are lost.
    fn lose_lines(&self, process: &mut Process) {
        eventually("it says how many lines were lost", || {
            process.signal(Signal::SIGHUP);
            process.runs();
            let answer = ask(&self.control, self.request);
            answer.as_ref().and_then(self.lost).unwrap_or(0) > 1
        });
    }

    /// On a full disk it goes on and counts.
    pub fn goes_on_when_the_disk_is_full(&self) {
        let full = File::options().write(true).open("/dev/full");
        let mut process = self.start(full.unwrap());
        self.lose_lines(&mut process);
        process.stop();
    }

    /// Without a reader it goes on and counts.
    pub fn goes_on_when_the_reader_is_gone(&self) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut process = self.start(OwnedFd::from(writer));
        self.lose_lines(&mut process);
        process.stop();
    }

    /// When the reader reads again it gets what waited and the number of what did not, and at the end the last line.
    pub fn goes_on_when_the_reader_hangs(&self) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut process = self.start(OwnedFd::from(writer));
        self.lose_lines(&mut process);
        let reading = thread::spawn(move || {
            let mut log = Vec::new();
            reader.read_to_end(&mut log).unwrap();
            String::from_utf8(log).unwrap()
        });
        process.stop();
        let log = reading.join().unwrap();
        assert!(
            log.contains("log lines could not be written lost="),
            "no report"
        );
        assert!(
            log.lines().any(|line| line.ends_with(": stopped")),
            "no last line"
        );
    }

    /// Nothing of the log keeps it from stopping.
    pub fn stops_although_the_reader_hangs(&self) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut process = self.start(OwnedFd::from(writer));
        self.lose_lines(&mut process);
        process.stop();
        drop(reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_nobody_elses_and_goes_with_a_test_that_fails() {
        let failing = thread::spawn(|| {
            let dirs = [TempDir::new("same"), TempDir::new("same")];
            let file = dirs[0].write("file", "text");
            assert_eq!(dirs[1].read("file"), None);
            std::panic::panic_any(file);
        });
        let file = failing.join().unwrap_err().downcast::<PathBuf>().unwrap();
        assert!(file.is_absolute() && !file.parent().unwrap().exists());
    }

    #[test]
    fn a_directory_of_a_process_that_was_killed_is_removed_and_no_other() {
        let mut ended = Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let own = TempDir::new("own");
        let left = own.with_file_name(format!("mclag-test-left-{}-0", ended.id()));
        let other = own.with_file_name(format!("mclag-test-no-number-{}", ended.id()));
        for path in [&left, &other] {
            std::fs::create_dir_all(path.join("deep")).unwrap();
        }
        remove_orphans();
        assert!(own.exists() && other.exists() && !left.exists());
        std::fs::remove_dir_all(other).unwrap();
    }
}
