//! The guest's end of the consoles: runs what clients ask for, in the chassis and hosts.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::frame::MAX;
use super::{CONSOLES, Frame, Open, Size, Terminal, What, port_name, socket_name, within};
use crate::vm;

/// How long a program's output is waited for before looking whether somebody waits for it still: milliseconds.
const POLL: u8 = 100;
/// How often the port of a console without a client is looked at. Reading it does not wait.
const IDLE: Duration = Duration::from_millis(50);

/// Where programs can be run.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name, for clients and in the prompt.
    pub name: String,
    /// Name of its network namespace.
    pub namespace: String,
    /// A directory with programs that are found before the system's.
    pub programs: Option<PathBuf>,
    /// What a shell reads when it starts.
    pub profile: PathBuf,
}

/// Serve all consoles until a client asks for the end. `ready` is called when clients can connect.
pub fn serve(places: Vec<Place>, results: &Path, ready: impl FnOnce()) -> Result<()> {
    let (sender, end) = mpsc::sync_channel(1);
    let places: Arc<[Place]> = places.into();
    for number in 0..CONSOLES {
        let (places, sender) = (places.clone(), sender.clone());
        if vm::is_guest() {
            let port = port(number)?;
            thread::spawn(move || serve_port(&port, &places, &sender));
        } else {
            let listener = listen(results, number)?;
            thread::spawn(move || serve_socket(&listener, &places, &sender));
        }
    }
    ready();
    end.recv().context("no console is left")
}

fn listen(results: &Path, number: u8) -> Result<UnixListener> {
    within(results, &socket_name(number), |path| {
        UnixListener::bind(path)
    })
    .with_context(|| format!("cannot listen on a console in {}", results.display()))
}

/// The device of a console's port.
fn port(number: u8) -> Result<PathBuf> {
    let wanted = port_name(number);
    for entry in fs::read_dir("/sys/class/virtio-ports").context("cannot list the ports")? {
        let entry = entry.context("cannot list the ports")?;
        let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if name.trim() == wanted {
            return Ok(Path::new("/dev").join(entry.file_name()));
        }
    }
    bail!("this machine has no port {wanted}")
}

fn serve_port(path: &Path, places: &[Place], end: &SyncSender<()>) {
    let opened = File::options().read(true).write(true).open(path);
    let Ok(file) = opened else {
        return;
    };
    let Ok(writer) = file.try_clone() else {
        return;
    };
    let writer = Arc::new(Mutex::new(writer));
    loop {
        // One that cannot be understood gets no answer, and the client gives up.
        let _ = attend(&mut &file, &writer, places, end);
        thread::sleep(IDLE);
    }
}

fn serve_socket(listener: &UnixListener, places: &[Place], end: &SyncSender<()>) {
    for stream in listener.incoming().flatten() {
        if let Ok(writer) = stream.try_clone() {
            let _ = attend(&mut &stream, &Arc::new(Mutex::new(writer)), places, end);
        }
    }
}

/// Serve one client until it is gone, and whoever takes its place so soon that nobody saw it go. An error means that it
/// could not be understood, or read.
pub fn attend<W: Write + Send + 'static>(
    reader: &mut impl Read,
    writer: &Arc<Mutex<W>>,
    places: &[Place],
    end: &SyncSender<()>,
) -> Result<()> {
    let mut first = Frame::read(reader)?;
    while let Some(frame) = first.take() {
        let Frame::Open(Open { token, what }) = frame else {
            bail!("a client begins without saying what it wants");
        };
        lock(writer).write_all(token.as_bytes())?;
        match what {
            What::Down => {
                send(writer, &Frame::Exited(0))?;
                // Full: somebody else has asked for it.
                let _ = end.try_send(());
            }
            What::Run {
                place,
                command,
                terminal,
            } => match Running::start(places, &place, &command, terminal.as_ref(), writer) {
                Ok(running) => {
                    first = running.follow(reader)?;
                    continue;
                }
                Err(error) => send(writer, &Frame::Refused(format!("{error:#}")))?,
            },
        }
        first = Frame::read(reader)?;
    }
    Ok(())
}

/// What ends the sending of what a program writes, should others have its output open still.
#[derive(Default)]
struct End {
    /// The program has ended: what it wrote is sent first.
    program: AtomicBool,
    /// Nobody is there to read it.
    client: AtomicBool,
}

/// A program of a client.
struct Running {
    /// Its process group, and that of everything it started.
    group: Pid,
    input: Option<File>,
    terminal: Option<File>,
    end: Arc<End>,
    /// Waits for its end.
    waiter: JoinHandle<()>,
}

impl Running {
    fn start<W: Write + Send + 'static>(
        places: &[Place],
        name: &str,
        command: &[String],
        terminal: Option<&Terminal>,
        writer: &Arc<Mutex<W>>,
    ) -> Result<Self> {
        let known = || {
            let names = places.iter().map(|place| place.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        };
        let place = places
            .iter()
            .find(|place| place.name == name)
            .with_context(|| format!("no place {name}; there are {}", known()))?;
        let process = place.command(command, terminal);
        match terminal {
            None => Self::with_pipes(process, writer),
            Some(terminal) => Self::with_terminal(process, terminal.size, writer),
        }
    }

    fn with_pipes<W: Write + Send + 'static>(
        mut process: Command,
        writer: &Arc<Mutex<W>>,
    ) -> Result<Self> {
        let mut child = process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start it")?;
        let input = child.stdin.take().context("it has no input")?;
        let output = child.stdout.take().context("it has no output")?;
        let errors = child.stderr.take().context("it has no error output")?;
        let end = Arc::new(End::default());
        let pumps = vec![
            pump(File::from(OwnedFd::from(output)), writer, Frame::Data, &end),
            pump(
                File::from(OwnedFd::from(errors)),
                writer,
                Frame::Errors,
                &end,
            ),
        ];
        Ok(Self {
            group: group(&child)?,
            input: Some(File::from(OwnedFd::from(input))),
            terminal: None,
            // Children that it leaves behind may write to its client: the end is that of the last of them.
            waiter: wait_for(child, pumps, writer, || ()),
            end,
        })
    }

    fn with_terminal<W: Write + Send + 'static>(
        mut process: Command,
        size: Size,
        writer: &Arc<Mutex<W>>,
    ) -> Result<Self> {
        let pty = openpty(&winsize(size), None).context("cannot make a terminal")?;
        let duplicate = || pty.slave.try_clone().context("cannot share a terminal");
        let child = process
            .stdin(duplicate()?)
            .stdout(duplicate()?)
            .stderr(duplicate()?)
            .spawn()
            .context("cannot start it")?;
        // While this process has the programs' end open, the terminal does not end with them.
        drop((process, pty.slave));
        let master = File::from(pty.master);
        let output = master.try_clone().context("cannot share a terminal")?;
        let end = Arc::new(End::default());
        let pumps = vec![pump(output, writer, Frame::Data, &end)];
        // What it leaves behind has lost its terminal.
        let ended = end.clone();
        let on_exit = move || ended.program.store(true, Ordering::Relaxed);
        Ok(Self {
            group: group(&child)?,
            input: Some(master.try_clone().context("cannot share a terminal")?),
            terminal: Some(master),
            waiter: wait_for(child, pumps, writer, on_exit),
            end,
        })
    }

    /// Pass on what the client sends until it is gone, and end the program then. Returns the first frame of the next
    /// client, should it come so soon that its predecessor's going was not seen.
    fn follow(mut self, reader: &mut impl Read) -> Result<Option<Frame>> {
        let next = loop {
            match Frame::read(reader) {
                Ok(Some(Frame::Data(bytes))) => {
                    // A program that has ended, or has closed its input, reads no more.
                    if let Some(input) = &mut self.input {
                        let _ = input.write_all(&bytes);
                    }
                }
                Ok(Some(Frame::End)) => self.input = None,
                Ok(Some(Frame::Resize(size))) => {
                    if let Some(terminal) = &self.terminal {
                        resize(terminal, size);
                    }
                }
                Ok(Some(Frame::Open(open))) => break Ok(Some(Frame::Open(open))),
                Ok(Some(_)) => {}
                Ok(None) => break Ok(None),
                Err(error) => break Err(error),
            }
        };
        self.end.client.store(true, Ordering::Relaxed);
        if !self.waiter.is_finished() {
            // One that has just ended is an error that means nothing.
            let _ = killpg(self.group, Signal::SIGKILL);
        }
        drop((self.input, self.terminal));
        let _ = self.waiter.join();
        next
    }
}

impl Place {
    /// The program, in a session of its own; one with a terminal is controlled by it.
    fn command(&self, command: &[String], terminal: Option<&Terminal>) -> Command {
        let mut process = Command::new("setsid");
        if let Some(terminal) = terminal {
            process.arg("--ctty").env("TERM", &terminal.kind);
        }
        process.args(["ip", "netns", "exec", &self.namespace]);
        if command.is_empty() {
            process.args(["bash", "--rcfile"]).arg(&self.profile);
        } else {
            process.args(command);
        }
        if let Some(programs) = &self.programs {
            let path = std::env::var("PATH").unwrap_or_default();
            process.env("PATH", format!("{}:{path}", programs.display()));
        }
        process
    }
}

/// `setsid` makes it a group of that number.
fn group(child: &Child) -> Result<Pid> {
    let number = i32::try_from(child.id()).context("process number out of range")?;
    Ok(Pid::from_raw(number))
}

/// Send what a program writes, until it and all its children have closed it, or that is no longer waited for.
fn pump<W: Write + Send + 'static>(
    mut from: File,
    writer: &Arc<Mutex<W>>,
    frame: fn(Vec<u8>) -> Frame,
    end: &Arc<End>,
) -> JoinHandle<()> {
    let (writer, end) = (writer.clone(), end.clone());
    thread::spawn(move || {
        let mut buffer = vec![0; MAX];
        while !end.client.load(Ordering::Relaxed) {
            // Asked before looking: what it wrote last is there when it has ended.
            let ended = end.program.load(Ordering::Relaxed);
            match has_something(&from) {
                Ok(true) => {}
                Ok(false) if ended => return,
                Ok(false) => continue,
                Err(_) => return,
            }
            // A terminal that everybody has closed reads as an error.
            let Ok(count @ 1..) = from.read(&mut buffer) else {
                return;
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            if send(&writer, &frame(bytes.to_vec())).is_err() {
                return;
            }
        }
    })
}

/// Whether reading would return at once, after waiting for that for a moment.
fn has_something(file: &File) -> Result<bool> {
    let mut wanted = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    let count = poll(&mut wanted, POLL).context("cannot wait for a program's output")?;
    Ok(count > 0)
}

/// Tell the client when a program has ended and everything it wrote is sent.
fn wait_for<W: Write + Send + 'static>(
    mut child: Child,
    pumps: Vec<JoinHandle<()>>,
    writer: &Arc<Mutex<W>>,
    on_exit: impl FnOnce() + Send + 'static,
) -> JoinHandle<()> {
    let writer = writer.clone();
    thread::spawn(move || {
        let status = child.wait().ok().and_then(|status| {
            // As shells do for one that a signal ended.
            let signal = status.signal().map(|signal| signal + 128);
            status.code().or(signal)
        });
        on_exit();
        for pump in pumps {
            let _ = pump.join();
        }
        let status = status.and_then(|status| u8::try_from(status).ok());
        let _ = send(&writer, &Frame::Exited(status.unwrap_or(u8::MAX)));
    })
}

fn send<W: Write>(writer: &Mutex<W>, frame: &Frame) -> Result<()> {
    frame.write(&mut *lock(writer))
}

fn lock<W>(writer: &Mutex<W>) -> MutexGuard<'_, W> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn winsize(size: Size) -> Winsize {
    Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// A failure leaves the size as it is.
fn resize(terminal: &File, size: Size) {
    let Ok(terminal) = terminal.try_clone() else {
        return;
    };
    let _ = Command::new("stty")
        .args(["rows", &size.rows.to_string()])
        .args(["columns", &size.columns.to_string()])
        .stdin(terminal)
        .stderr(Stdio::null())
        .status();
}
