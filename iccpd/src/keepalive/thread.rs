//! The thread that sends and receives keepalives.

use super::Wanted;
use super::refusals::{Kind, Line, Refusals};
use super::seal;
use super::socket::{Buffer, Received, Socket};
use crate::peer::Protection;
use crate::settings::PathSettings;
use iccp_core::Time;
use iccp_core::path::{Change, Path, Settings, State};
use iccp_core::time::millis;
use mclag_daemon::limit;
use mclag_netlink::tcp::{FULL_TTL, Key};
use mclag_proto::DomainId;
use mclag_proto::ctl::PathStatus;
use mclag_proto::keepalive::{Instance, Keepalive};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Datagrams of a path before the others, and what is due, have their turn.
const SHARE: usize = 64;
/// Pause before a socket is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// What is never the time of anything.
const NEVER: u64 = u64::MAX;

const CHANGED: limit::Kind = limit::Kind::new("path state changed");
const FAILED: limit::Kind = limit::Kind::new("keepalives cannot be sent");

/// What the thread and the daemon have in common.
#[derive(Debug)]
pub(super) struct Shared {
    origin: Instant,
    /// When the core completed its last turn, in milliseconds since the origin.
    core: AtomicU64,
    /// When `syncd` said something last, likewise, or [`NEVER`].
    syncd: AtomicU64,
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    /// What all runs of this process begin with; none before the first.
    process: Option<[u8; 8]>,
    full_hop_limit: bool,
    /// The one to sign with first.
    keys: Vec<Key>,
    lines: Vec<PathLine>,
    log: limit::Log,
}

/// A path with its socket.
#[derive(Debug)]
struct PathLine {
    domain: DomainId,
    settings: PathSettings,
    /// None before its run has begun.
    path: Option<Path>,
    socket: Option<Arc<Socket>>,
    /// When the socket is opened, and one of no use closed, not before.
    retry: Time,
    /// Why nothing is sent.
    trouble: Option<String>,
    refusals: Refusals,
}

impl Shared {
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            core: AtomicU64::new(0),
            syncd: AtomicU64::new(NEVER),
            work: Mutex::default(),
        }
    }

    fn now(&self) -> Time {
        Time::new(self.origin.elapsed())
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn turned(&self, syncd: Option<Instant>) {
        let since_origin = |at: Instant| millis(at.saturating_duration_since(self.origin));
        self.core.store(since_origin(Instant::now()), Relaxed);
        self.syncd.store(syncd.map_or(NEVER, since_origin), Relaxed);
    }

    /// How old the core's last turn is, and `syncd`'s last word, in milliseconds.
    fn ages(&self, now: Time) -> (u32, Option<u32>) {
        let age = |at: u64| {
            let age = millis(now.since_origin()).saturating_sub(at);
            // The largest one stands for none.
            u32::try_from(age).unwrap_or(u32::MAX).min(u32::MAX - 1)
        };
        let syncd = self.syncd.load(Relaxed);
        let syncd = (syncd != NEVER).then(|| age(syncd));
        (age(self.core.load(Relaxed)), syncd)
    }

    pub(super) fn take_on(&self, wanted: Option<&Wanted>) {
        let mut work = self.work();
        let before = std::mem::take(&mut work.lines);
        let Some(Wanted {
            domain,
            protection: Protection { full_ttl, signing },
            paths,
        }) = wanted
        else {
            return;
        };
        work.full_hop_limit = *full_ttl;
        work.keys = signing.keys();
        let mut before: Vec<Option<PathLine>> = before.into_iter().map(Some).collect();
        let line = |settings: &PathSettings| {
            let is_it = |line: &mut PathLine| line.settings == *settings && line.domain == *domain;
            let kept = before.iter_mut().find_map(|line| line.take_if(is_it));
            kept.unwrap_or_else(|| PathLine::new(*domain, *settings))
        };
        work.lines = paths.iter().map(line).collect();
    }

    pub(super) fn status(&self) -> Vec<PathStatus> {
        let now = self.now();
        self.work()
            .lines
            .iter()
            .map(|line| line.status(now))
            .collect()
    }
}

/// Start it. It is woken by a byte, and ends when the socket is closed.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<UnixStream> {
    let (ours, its) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    its.set_nonblocking(true)?;
    let thread = thread::Builder::new().name("keepalive".to_owned());
    thread.spawn(move || run(&shared, &its))?;
    Ok(ours)
}

fn run(shared: &Shared, mut wake: &UnixStream) {
    loop {
        let mut sockets = Vec::new();
        let mut deadline = None;
        {
            let mut work = shared.work();
            let Work {
                process,
                full_hop_limit,
                keys,
                lines,
                log,
            } = &mut *work;
            for line in lines {
                line.turn(shared, process, *full_hop_limit, keys, log);
                sockets.extend(line.socket.clone());
                let due = line.deadline();
                deadline = Some(deadline.map_or(due, |other: Time| other.min(due)));
            }
        }
        let mut waited_for = vec![PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
        let readable = |socket| PollFd::new(socket, PollFlags::POLLIN);
        waited_for.extend(sockets.iter().map(|socket| readable(socket.as_fd())));
        let pause = deadline.map(|at| TimeSpec::from_duration(at - shared.now()));
        match ppoll(&mut waited_for, pause, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                tracing::error!(%error, "no keepalives any more: cannot wait");
                return;
            }
        }
        match wake.read(&mut [0; 16]) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}

impl PathLine {
    fn new(domain: DomainId, settings: PathSettings) -> Self {
        Self {
            domain,
            settings,
            path: None,
            socket: None,
            retry: Time::ZERO,
            trouble: None,
            refusals: Refusals::default(),
        }
    }

    /// All that is to be done now: what has come is heard before it is decided what did not come.
    fn turn(
        &mut self,
        shared: &Shared,
        process: &mut Option<[u8; 8]>,
        full_hop_limit: bool,
        keys: &[Key],
        log: &mut limit::Log,
    ) {
        let now = shared.now();
        if self.socket.is_none() && self.retry <= now {
            self.retry = now + RETRY;
            if let Err(error) = self.open(process, now) {
                self.failed(&error, log);
            }
        }
        for _ in 0..SHARE {
            let Some(result) = self.receive(shared, full_hop_limit, keys) else {
                break;
            };
            if let Err(kind) = result {
                let line = self.refusals.add(kind, now);
                line.into_iter().for_each(|line| self.write(line));
            }
        }
        let Some(path) = &mut self.path else {
            return;
        };
        let now = shared.now();
        let (core, syncd) = shared.ages(now);
        let due = path.poll_transmit(now, core, syncd);
        let change = path.poll_change(now);
        if let Some(keepalive) = due {
            self.send(&keepalive, keys, now, log);
        }
        if let Some(change) = change {
            self.write_change(change, log);
        }
        let ended = self.refusals.ended(now);
        ended.into_iter().for_each(|line| self.write(line));
    }

    fn deadline(&self) -> Time {
        match (&self.path, &self.socket) {
            (Some(path), Some(_)) => path.deadline(),
            (Some(path), None) => path.deadline().min(self.retry),
            (None, _) => self.retry,
        }
    }

    fn open(&mut self, process: &mut Option<[u8; 8]>, now: Time) -> io::Result<()> {
        let socket = Arc::new(Socket::open(&self.settings)?);
        if self.path.is_none() {
            let PathSettings {
                interval,
                multiplier,
                ..
            } = self.settings;
            let process = match process {
                Some(process) => *process,
                None => *process.insert(draw()?),
            };
            let settings = Settings {
                domain: self.domain,
                instance: Instance::new(process, draw()?),
                interval,
                multiplier: multiplier.into(),
            };
            self.path = Some(Path::new(settings, now));
        }
        // Last: what has a socket is at work, and is not opened again.
        self.socket = Some(socket);
        Ok(())
    }

    /// What has come; none if nothing has.
    fn receive(
        &mut self,
        shared: &Shared,
        full_hop_limit: bool,
        keys: &[Key],
    ) -> Option<Result<(), Kind>> {
        let mut buffer: Buffer = [0; seal::LEN + 1];
        // What fails here fails for what is sent, too.
        let received = self.socket.as_ref()?.receive(&mut buffer).ok()?;
        let Received {
            from,
            hop_limit,
            len,
        } = received;
        let PathSettings { address, port, .. } = self.settings;
        if from != Some(SocketAddr::new(address, port)) {
            return Some(Err(Kind::Source));
        }
        if full_hop_limit && hop_limit != Some(FULL_TTL.into()) {
            return Some(Err(Kind::HopLimit));
        }
        let datagram = buffer.get(..len)?;
        let path = self.path.as_mut()?;
        let keepalive = match seal::open(datagram, keys) {
            Ok(keepalive) => keepalive,
            Err(unsealed) => return Some(Err(unsealed.into())),
        };
        let taken = path.handle(&keepalive, shared.now());
        Some(taken.map_err(Kind::from))
    }

    fn send(&mut self, keepalive: &Keepalive, keys: &[Key], now: Time, log: &mut limit::Log) {
        let (Some(socket), Some(key)) = (&self.socket, keys.first()) else {
            return;
        };
        match socket.send(&seal::seal(keepalive, key), &self.settings) {
            Ok(()) => self.trouble = None,
            // As if it were lost on its way.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                // It may be the socket's fault: that of an interface that is gone stays so.
                if self.retry <= now {
                    self.socket = None;
                }
                self.failed(&error, log);
            }
        }
    }

    /// Keep why nothing is sent. What fails again in the same way is said once.
    fn failed(&mut self, error: &io::Error, log: &mut limit::Log) {
        let words = match error.kind() {
            io::ErrorKind::AddrNotAvailable => "its local address is missing here".to_owned(),
            _ => error.to_string(),
        };
        if self.trouble.as_ref() == Some(&words) {
            return;
        }
        let address = self.settings.address;
        if log.takes(FAILED, &address.to_string()) {
            tracing::warn!(%address, reason = words, "keepalives cannot be sent");
        }
        self.trouble = Some(words);
    }

    fn write(&self, line: Line) {
        let address = self.settings.address;
        match line {
            Line::Begins(kind) => {
                tracing::warn!(%address, reason = kind.name(), "keepalives refused");
            }
            Line::Ended(kind, count) => {
                tracing::info!(%address, reason = kind.name(), count, "keepalives no longer refused");
            }
        }
    }

    fn write_change(&self, Change { from, to }: Change, log: &mut limit::Log) {
        let address = self.settings.address;
        if !log.takes(CHANGED, &address.to_string()) {
            return;
        }
        match to {
            State::Alive => tracing::info!(%address, %from, %to, "path state changed"),
            State::OneWay | State::Dead | State::Unknown => {
                tracing::warn!(%address, %from, %to, "path state changed");
            }
        }
    }

    fn status(&self, now: Time) -> PathStatus {
        let PathSettings {
            address,
            device,
            port,
            ..
        } = self.settings;
        let path = self.path.as_ref();
        let heard = path.and_then(Path::heard);
        let since = heard.map(|heard| millis(now - heard.at));
        let age = |at: Option<u32>| Some(since?.saturating_add(at?.into()));
        PathStatus {
            address,
            port,
            device,
            state: path.map_or(State::Unknown, Path::state),
            state_for_ms: path.map_or(0, |path| millis(now - path.since())),
            detection_ms: path.map_or(0, |path| millis(path.detection())),
            last_seen_ms: since,
            round_trip_us: path.and_then(Path::round_trip).map(micros),
            lost: heard.map_or(0, |heard| heard.lost),
            lost_of: heard.map_or(0, |heard| heard.window),
            core_age_ms: age(heard.map(|heard| heard.keepalive.core_age_ms)),
            syncd_age_ms: age(heard.and_then(|heard| heard.keepalive.syncd_age_ms)),
            refused: self.refusals.counters(),
            error: self.trouble.clone(),
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What nobody can have seen before.
fn draw() -> io::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
