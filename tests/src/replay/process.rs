//! Our daemons as processes of their own, and what stands around them.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mclag_proto::sync::model::{Abilities, Event, Op};
use mclag_proto::sync::v2::{
    Capabilities, ClientMessage, Codec, ServerHello, ServerMessage, VERSION,
};
use mclag_test_support::{TempDir, as_ourselves};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
use nix::unistd::Pid;
use serde_json::Value;

/// How long something that has to happen may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(10);

/// An address of the loopback interface that no other test and, most likely, no other process uses.
#[must_use]
pub fn loopback(network: u8, host: u8) -> Ipv4Addr {
    let process = std::process::id().to_le_bytes()[0] % 200 + 10;
    Ipv4Addr::new(127, process, network, host)
}

/// One of the programs, which are built into the directory above that of the tests.
///
/// # Errors
///
/// When it was not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the running program")?;
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join(name));
    let mut found = found.filter(|path| path.is_file());
    found.next().with_context(|| {
        format!("{name} is not built: cargo build -p iccpd -p syncd, with the same profile")
    })
}

/// A running daemon, killed at the end.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    control: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Run the program with these settings, to which the place of the control socket is added for `iccpd`; that of
    /// `mclagsyncd` is in its directory, `run`.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(place: &TempDir, name: &str, settings: &str) -> Result<Self> {
        let control = match name {
            "mclagsyncd" => place.path("run").join("mclagsyncd-ctl.sock"),
            _ => place.path("control.sock"),
        };
        let settings = match name {
            "iccpd" => format!("{settings}\n[control]\nsocket = {control:?}\n"),
            _ => settings.to_owned(),
        };
        Self::run(place, name, &settings, control)
    }

    fn run(place: &TempDir, name: &str, settings: &str, control: PathBuf) -> Result<Self> {
        let file = place.path(&format!("{name}.toml"));
        fs::write(&file, settings)?;
        let log = place.path(&format!("{name}.log"));
        let child = Command::new(program(name)?)
            .args(as_ourselves())
            .arg("--settings")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(File::create(place.path(&format!("{name}.out")))?)
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            child,
            control,
            log,
        })
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What `mclagctl` shows, of `syncd` with the view `dataplane`; nothing while it does not answer.
    #[must_use]
    pub fn ask(&self, view: &str) -> Option<Value> {
        let mut command = Command::new(program("mclagctl").ok()?);
        command.args(["--json", view]);
        let output = command
            .arg(match view {
                "dataplane" | "forget-pair" => "--syncd-socket",
                _ => "--socket",
            })
            .arg(&self.control)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Ask until the answer is that there is none, with this reason.
    ///
    /// # Errors
    ///
    /// When it never is.
    pub fn wait_for_refusal(&self, view: &str, reason: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let output = Command::new(program("mclagctl")?)
                .arg(view)
                .arg("--socket")
                .arg(&self.control)
                .output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match said.contains(reason) {
                true => return Ok(()),
                false if start.elapsed() > PATIENCE => bail!("{view} says {said:?}"),
                false => thread::sleep(PAUSE),
            }
        }
    }

    /// Ask until the answer is as expected.
    ///
    /// # Errors
    ///
    /// When it never is.
    pub fn wait(&self, view: &str, expected: impl Fn(&Value) -> bool) -> Result<Value> {
        let start = Instant::now();
        loop {
            let answer = self.ask(view);
            match answer {
                Some(answer) if expected(&answer) => return Ok(answer),
                answer if start.elapsed() > PATIENCE => {
                    bail!("{view} is still {answer:#?}; log:\n{}", self.log())
                }
                _ => thread::sleep(PAUSE),
            }
        }
    }

    /// Wait until the log has such a text; returns how often.
    ///
    /// # Errors
    ///
    /// When it never has.
    pub fn wait_for_log(&self, text: &str) -> Result<usize> {
        let start = Instant::now();
        loop {
            match self.log().matches(text).count() {
                0 if start.elapsed() > PATIENCE => {
                    bail!("{text:?} is not in the log:\n{}", self.log())
                }
                0 => thread::sleep(PAUSE),
                count => return Ok(count),
            }
        }
    }

    /// Stop it as an operator does, and return its exit status.
    ///
    /// # Errors
    ///
    /// When it does not run, or a signal ends it.
    pub fn stop(&mut self) -> Result<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, Signal::SIGTERM)?;
        let status = self.child.wait()?;
        status
            .code()
            .with_context(|| format!("it ended, {status:?}"))
    }

    /// Require that it still runs.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn is_alive(&mut self) -> Result<()> {
        let status = self.child.try_wait()?;
        ensure!(
            status.is_none(),
            "it ended, {status:?}; log:\n{}",
            self.log()
        );
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our `mclagsyncd` as the client of a foreign server, without a kernel beside it, and our `iccpd`.
#[derive(Debug)]
pub struct Beside {
    /// The one that decides.
    pub iccpd: Daemon,
    /// The one that talks to the server.
    pub syncd: Daemon,
}

impl Beside {
    /// Run both. `protocol` is what the server speaks; `domain` is the table of the pair, and is empty where the
    /// server describes that.
    ///
    /// # Errors
    ///
    /// When one of them cannot be started.
    pub fn start(
        place: &TempDir,
        protocol: &str,
        server: SocketAddrV4,
        domain: &str,
    ) -> Result<Self> {
        let run = place.path("run");
        fs::create_dir_all(&run)?;
        let syncd = format!(
            "backend = \"record\"\nrun-dir = {run:?}\n[log]\nfilter = \"debug\"\n\
             [mclagsyncd]\nprotocol = {protocol:?}\naddress = \"{server}\"\n"
        );
        let names_pair = !domain.contains("id = ");
        let iccpd = format!(
            "{domain}[syncd]\nsocket = {:?}\nnames-pair = {names_pair}\n[log]\nfilter = \"debug\"\n",
            run.join("mclagsyncd.sock")
        );
        Ok(Self {
            syncd: Daemon::start(place, "mclagsyncd", &syncd)?,
            iccpd: Daemon::start(place, "iccpd", &iccpd)?,
        })
    }

    /// Kill both, and start them again with the settings that they have.
    ///
    /// # Errors
    ///
    /// When one of them cannot be started.
    pub fn start_again(&mut self, place: &TempDir) -> Result<()> {
        for (daemon, name) in [(&mut self.syncd, "mclagsyncd"), (&mut self.iccpd, "iccpd")] {
            daemon.child.kill()?;
            daemon.child.wait()?;
            let settings = fs::read_to_string(place.path(&format!("{name}.toml")))?;
            *daemon = Daemon::run(place, name, &settings, daemon.control.clone())?;
        }
        Ok(())
    }

    /// What both logged.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}\n{}", self.syncd.log(), self.iccpd.log())
    }

    /// Require that both still run.
    ///
    /// # Errors
    ///
    /// When one of them does not.
    pub fn is_alive(&mut self) -> Result<()> {
        self.syncd.is_alive()?;
        self.iccpd.is_alive()
    }
}

/// Stands in for our own `syncd`: confirms every operation, and sees what it is told to see.
#[derive(Debug)]
pub struct Standin {
    events: Sender<Vec<Event>>,
    ops: Receiver<Op>,
}

impl Standin {
    /// Listen there, for one client at a time.
    ///
    /// # Errors
    ///
    /// When that is not possible.
    pub fn listen(path: &Path, abilities: Abilities) -> Result<Self> {
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot listen at {}", path.display()))?;
        let (events, to_send) = channel::<Vec<Event>>();
        let (carried_out, ops) = channel();
        thread::spawn(move || {
            // A daemon that got no answer in time connects again.
            for stream in listener.incoming().flatten() {
                // Ends with the daemon, whenever that is killed.
                let _ = serve(stream, abilities, &to_send, &carried_out);
            }
        });
        Ok(Self { events, ops })
    }

    /// See something.
    pub fn sees(&self, event: Event) {
        // Of no use to a daemon that is gone.
        let _ = self.events.send(vec![event]);
    }

    /// What was asked for since the last time.
    #[must_use]
    pub fn ops(&self) -> Vec<Op> {
        self.ops.try_iter().collect()
    }
}

fn serve(
    mut stream: UnixStream,
    abilities: Abilities,
    events: &Receiver<Vec<Event>>,
    ops: &Sender<Op>,
) -> Result<()> {
    stream.set_read_timeout(Some(PAUSE))?;
    let mut codec = Codec::server();
    let mut buffer = vec![0; 1 << 16];
    let mut number = 0;
    let mut say = |stream: &mut UnixStream, events: Vec<Event>| -> Result<()> {
        number += 1;
        let message = ServerMessage::Events { number, events };
        Ok(stream.write_all(&message.encode()?)?)
    };
    let mut has_begun = false;
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => codec.push(&buffer[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(message) = codec.next_message()? {
            match message {
                ClientMessage::Hello(_) => {
                    let hello = ServerMessage::Hello(ServerHello {
                        version: VERSION,
                        capabilities: Capabilities::empty(),
                        abilities,
                        backend: "obliging".into(),
                        window: 8,
                    });
                    stream.write_all(&hello.encode()?)?;
                    say(&mut stream, vec![Event::SnapshotBegin, Event::SnapshotEnd])?;
                    has_begun = true;
                }
                ClientMessage::Batch { number, ops: batch } => {
                    let results = vec![Ok(()); batch.len()];
                    batch.into_iter().for_each(|op| drop(ops.send(op)));
                    let result = ServerMessage::BatchResult { number, results };
                    stream.write_all(&result.encode()?)?;
                }
                ClientMessage::Credit { .. } | ClientMessage::Bye => {}
            }
        }
        if has_begun {
            for events in events.try_iter() {
                say(&mut stream, events)?;
            }
        }
    }
}

/// Connect from one address to another.
///
/// # Errors
///
/// When nobody listens there.
pub fn dial(from: Ipv4Addr, to: SocketAddrV4) -> Result<TcpStream> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let from = SocketAddrV4::new(from, 0);
    bind(socket.as_raw_fd(), &SockaddrIn::from(from)).with_context(|| format!("bind {from}"))?;
    connect(socket.as_raw_fd(), &SockaddrIn::from(to)).with_context(|| format!("connect {to}"))?;
    Ok(TcpStream::from(socket))
}

/// The same, again and again until somebody listens.
///
/// # Errors
///
/// When nobody ever does.
pub fn dial_until(from: Ipv4Addr, to: SocketAddrV4) -> Result<TcpStream> {
    let start = Instant::now();
    loop {
        match dial(from, to) {
            Err(error) if start.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(PAUSE),
            Ok(stream) => return Ok(stream),
        }
    }
}

/// Accept the next connection.
///
/// # Errors
///
/// When none comes.
pub fn accept(listener: &TcpListener) -> Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let start = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => {
                return Err(error.into());
            }
            Err(_) if start.elapsed() > PATIENCE => bail!("nobody connects"),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
