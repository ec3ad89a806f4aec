//! This side of a console: an operator's terminal, or a script.

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::termios::{self, SetArg, Termios};

use super::frame::MAX;
use super::{CONSOLES, Frame, Open, Size, Terminal, What, lock_path, socket_name, within};

/// How long the guest may take to answer, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the size of the terminal is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Run a program, or a shell, in a place of the pair whose results lie there. Returns its exit status.
pub fn run(results: &Path, place: String, command: Vec<String>) -> Result<u8> {
    let terminal = Tty::of_this_program();
    let what = What::Run {
        place,
        command,
        terminal: terminal.as_ref().and_then(Tty::describe),
    };
    let console = Console::open(results, what)?;
    let _raw = terminal.as_ref().map(Tty::raw).transpose()?;
    if let Some(terminal) = terminal {
        console.follow_size(terminal)?;
    }
    console.pass_input()?;
    console.pass_output()
}

/// Ask the pair to end.
pub fn down(results: &Path) -> Result<()> {
    Console::open(results, What::Down)?.pass_output().map(drop)
}

/// A console that the guest has opened. Nobody else gets it until it is dropped.
struct Console {
    stream: UnixStream,
    writer: Arc<Mutex<UnixStream>>,
    _lock: File,
}

impl Console {
    fn open(results: &Path, what: What) -> Result<Self> {
        for number in 0..CONSOLES {
            let path = lock_path(results, number);
            let lock =
                File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            if lock.try_lock().is_err() {
                continue;
            }
            let stream = connect(results, number)?;
            let mut console = Self {
                writer: Arc::new(Mutex::new(
                    stream.try_clone().context("cannot share a console")?,
                )),
                stream,
                _lock: lock,
            };
            console.greet(what)?;
            return Ok(console);
        }
        bail!("all {CONSOLES} consoles are in use: leave a shell first")
    }

    /// Say what is wanted, and wait for the answer. What comes before it is of a client that is gone.
    fn greet(&mut self, what: What) -> Result<()> {
        let token = token()?;
        let open = Frame::Open(Open {
            token: token.clone(),
            what,
        });
        open.write(&mut self.stream)?;
        self.stream
            .set_read_timeout(Some(PATIENCE))
            .context("cannot wait for the guest")?;
        let mut latest = Vec::new();
        while !latest.ends_with(token.as_bytes()) {
            let mut byte = [0];
            self.stream
                .read_exact(&mut byte)
                .context("the guest does not answer")?;
            latest.extend(byte);
            if latest.len() > 2 * MAX {
                latest.drain(..MAX);
            }
        }
        self.stream
            .set_read_timeout(None)
            .context("cannot wait for the guest")
    }

    /// Tell the guest of the size of the terminal whenever it changes, for the rest of this program's life.
    fn follow_size(&self, terminal: Tty) -> Result<()> {
        let writer = self.writer.clone();
        let mut last = terminal.size();
        thread::spawn(move || {
            loop {
                thread::sleep(LOOK);
                let now = terminal.size();
                if let Some(size) = now.filter(|_| now != last) {
                    last = now;
                    if send(&writer, &Frame::Resize(size)).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(())
    }

    /// Pass on what this program reads, for the rest of its life.
    fn pass_input(&self) -> Result<()> {
        let writer = self.writer.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; MAX];
            while let Ok(count @ 1..) = io::stdin().read(&mut buffer) {
                let bytes = buffer.get(..count).unwrap_or_default();
                if send(&writer, &Frame::Data(bytes.to_vec())).is_err() {
                    return;
                }
            }
            let _ = send(&writer, &Frame::End);
        });
        Ok(())
    }

    /// Write what the guest sends until its program has ended.
    fn pass_output(mut self) -> Result<u8> {
        loop {
            match Frame::read(&mut self.stream)? {
                Some(Frame::Data(bytes)) => show(&mut io::stdout(), &bytes)?,
                Some(Frame::Errors(bytes)) => show(&mut io::stderr(), &bytes)?,
                Some(Frame::Exited(status)) => return Ok(status),
                Some(Frame::Refused(reason)) => bail!("{reason}"),
                Some(frame) => bail!("the guest sends what only a client may: {frame:?}"),
                None => bail!("the pair is gone"),
            }
        }
    }
}

fn connect(results: &Path, number: u8) -> Result<UnixStream> {
    let name = socket_name(number);
    within(results, &name, |path| UnixStream::connect(path))
        .with_context(|| format!("cannot connect to {}", results.join(&name).display()))
}

fn token() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn send(writer: &Mutex<UnixStream>, frame: &Frame) -> Result<()> {
    frame.write(&mut *writer.lock().unwrap_or_else(PoisonError::into_inner))
}

fn show(to: &mut impl Write, bytes: &[u8]) -> Result<()> {
    to.write_all(bytes)
        .and_then(|()| to.flush())
        .context("cannot write the output")
}

/// The terminal of this program.
struct Tty(File);

impl Tty {
    /// None where input or output is something else.
    fn of_this_program() -> Option<Self> {
        let both = io::stdin().is_terminal() && io::stdout().is_terminal();
        both.then(|| File::options().read(true).write(true).open("/dev/tty").ok())
            .flatten()
            .map(Self)
    }

    fn describe(&self) -> Option<Terminal> {
        Some(Terminal {
            kind: env::var("TERM").unwrap_or_else(|_| "dumb".into()),
            size: self.size()?,
        })
    }

    /// Pass on every key as it is, until the guard is dropped.
    fn raw(&self) -> Result<Raw> {
        let file = self.0.try_clone().context("cannot share the terminal")?;
        let before = termios::tcgetattr(&file).context("cannot read the terminal's settings")?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(&file, SetArg::TCSADRAIN, &raw)
            .context("cannot change the terminal's settings")?;
        Ok(Raw { file, before })
    }

    fn size(&self) -> Option<Size> {
        let terminal = self.0.try_clone().ok()?;
        let output = Command::new("stty")
            .arg("size")
            .stdin(terminal)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (rows, columns) = text.trim().split_once(' ')?;
        Some(Size {
            rows: rows.parse().ok()?,
            columns: columns.parse().ok()?,
        })
    }
}

/// A terminal that passes on every key. Dropping it puts the settings of before back.
struct Raw {
    file: File,
    before: Termios,
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(&self.file, SetArg::TCSADRAIN, &self.before);
    }
}
