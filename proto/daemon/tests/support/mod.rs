//! A daemon as a process, for the tests of all that have one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What has to happen, happens within this time, however slow the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory of its own, removed at the end.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("mclag-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path(file);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running process, killed at the end.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(program: &str, args: &[&Path], log: impl Into<Stdio>) -> Self {
        Self::start_with(program, args, &[], log)
    }

    /// The same, with something more in its environment.
    pub(crate) fn start_with(
        program: &str,
        args: &[&Path],
        env: &[(&str, &str)],
        log: impl Into<Stdio>,
    ) -> Self {
        let mut command = Command::new(program);
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

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Require that it runs.
    pub(crate) fn runs(&mut self) {
        let ended = self.0.try_wait().unwrap();
        assert!(ended.is_none(), "it ended: {ended:?}");
    }

    /// How it ends.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut ended = None;
        eventually("it ends", || {
            ended = self.0.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// It stops when it is told to, without an error.
    pub(crate) fn stop(&mut self) {
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
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The answer of a control socket; none if nobody answers there in time.
pub(crate) fn ask(socket: &Path, request: &str) -> Option<serde_json::Value> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    (&stream)
        .write_all(format!("{{\"request\":\"{request}\"}}\n").as_bytes())
        .ok()?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// A daemon whose log can be filled, for what must hold of both.
pub(crate) struct Logging {
    pub(crate) program: &'static str,
    pub(crate) args: Vec<PathBuf>,
    /// Its settings file. With the second text in it a reload logs a line of more than a pipe takes.
    pub(crate) settings: PathBuf,
    pub(crate) texts: [String; 2],
    pub(crate) control: PathBuf,
    /// What shows how many lines were lost.
    pub(crate) request: &'static str,
    pub(crate) lost: fn(&serde_json::Value) -> Option<u64>,
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

    pub(crate) fn goes_on_when_the_disk_is_full(&self) {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut process = self.start(full.unwrap());
        self.lose_lines(&mut process);
        process.stop();
    }

    pub(crate) fn goes_on_when_the_reader_is_gone(&self) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut process = self.start(OwnedFd::from(writer));
        self.lose_lines(&mut process);
        process.stop();
    }

    /// When the reader reads again it gets what waited and the number of what did not, and at the end the last line.
    pub(crate) fn goes_on_when_the_reader_hangs(&self) {
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

    pub(crate) fn stops_although_the_reader_hangs(&self) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut process = self.start(OwnedFd::from(writer));
        self.lose_lines(&mut process);
        process.stop();
        drop(reader);
    }
}
