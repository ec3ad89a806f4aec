//! Stand-ins for what carries an `iccpd`'s decisions out: they report addresses, confirm what is
//! asked of them, and count what arrives. They carry out nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mclag_proto::sync::frame::{Decoder, Frame};
use mclag_proto::sync::model::{Abilities, Event, FdbKey, Observation, Op};
use mclag_proto::sync::v1::{
    ClientMessage, Dialect, FdbKind, FdbRecord, RecordOp, ServerMessage as ServerV1,
};
use mclag_proto::sync::v2::{
    Capabilities, ClientMessage as ClientV2, Codec, MAX_EVENTS_PER_MESSAGE, ServerHello,
    ServerMessage as ServerV2, VERSION,
};
use mclag_proto::{IfName, Mac, Vid};

use crate::netns::NetNs;
use crate::wait::SOON;

/// Batches that an `iccpd` may send before the first is answered, as of our own `syncd`.
const WINDOW: u32 = 8;
const READ_CHUNK: usize = 64 * 1024;

/// How a stand-in speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Speech {
    /// Version 1.
    V1(Dialect),
    /// Version 2.
    V2,
}

/// Where a stand-in listens.
#[derive(Debug)]
pub(super) enum Place {
    /// At the address of the server it stands in for, in a namespace.
    Tcp(TcpListener, Dialect),
    /// At a path.
    Unix(UnixListener),
}

/// A stand-in, and the `iccpd` that is connected to it.
#[derive(Debug)]
pub(super) struct Standin {
    speech: Speech,
    shared: Arc<Shared>,
    /// Accepts, reads and answers.
    worker: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Writer {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug, Default)]
struct Shared {
    /// The connection, to write to.
    out: Mutex<Option<Writer>>,
    heard: Mutex<Heard>,
    changed: Condvar,
}

/// What has arrived.
#[derive(Debug, Default)]
struct Heard {
    tally: Tally,
    /// When something was counted last.
    last: Option<Instant>,
    /// Bodies that name entries, to be looked into when there is time.
    bodies: Vec<Vec<u8>>,
    /// Entries that were named in operations.
    named: Vec<(FdbKey, IfName)>,
    /// Messages of events that may be sent (version 2).
    credit: u64,
    /// Messages of events that were sent.
    sent: u64,
    /// When it first said what it says to everybody who connects.
    greeted: Option<Instant>,
    /// Somebody is connected and greeted.
    connected: bool,
    /// Why nothing more arrives.
    ended: Option<String>,
    /// The stand-in is to go.
    stop: bool,
}

/// Numbers of what was asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    /// Changes of the forwarding table.
    pub(super) entries: u64,
    /// Neighbours.
    pub(super) neighbours: u64,
}

impl Place {
    /// Listen where an `iccpd` in the namespace looks for a server of that dialect.
    pub(super) fn tcp(ns: &NetNs, dialect: Dialect) -> Result<Self> {
        let address = dialect.server_address();
        let listener = ns.enter(|| {
            TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
        })?;
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener, dialect))
    }

    /// Listen at a path, for anybody.
    pub(super) fn unix(path: &Path) -> Result<Self> {
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot listen on {}", path.display()))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(listener))
    }

    /// The next connection; none when the stand-in is to go.
    fn accept(&self, shared: &Shared) -> Result<Option<Writer>> {
        while !shared.lock().stop {
            let accepted = match self {
                Self::Tcp(listener, _) => listener.accept().map(|(stream, _)| Writer::Tcp(stream)),
                Self::Unix(listener) => listener.accept().map(|(stream, _)| Writer::Unix(stream)),
            };
            match accepted {
                Ok(out) => {
                    out.prepare()?;
                    return Ok(Some(out));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error).context("cannot accept iccpd"),
            }
        }
        Ok(None)
    }

    const fn speech(&self) -> Speech {
        match self {
            Self::Tcp(_, dialect) => Speech::V1(*dialect),
            Self::Unix(_) => Speech::V2,
        }
    }
}

impl Standin {
    /// Serve whoever connects, one after the other: an `iccpd` may come back to hear everything
    /// again. Each is told `greeting` first, which is of version 1.
    pub(super) fn serve(place: Place, greeting: Vec<ServerV1>) -> Self {
        let speech = place.speech();
        let shared = Arc::new(Shared::default());
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let ended = serve(&place, &greeting, &shared);
                let reason = ended.err().map(|error| format!("{error:#}"));
                shared.lock().ended = Some(reason.unwrap_or_else(|| "it was stopped".into()));
                shared.changed.notify_all();
            })
        };
        Self {
            speech,
            shared,
            worker: Some(worker),
        }
    }

    /// When the first that connected had been greeted.
    pub(super) fn wait_greeted(&self) -> Result<Instant> {
        let heard = self.wait("a greeting", |heard| heard.greeted.is_some())?;
        heard.greeted.context("nobody connected")
    }

    /// Say something of version 1.
    fn say(&self, message: &ServerV1) -> Result<()> {
        let Speech::V1(dialect) = self.speech else {
            bail!("this stand-in speaks version 2");
        };
        self.shared.say(message, dialect)
    }

    /// Report these addresses as learned, or as forgotten.
    pub(super) fn report(&self, macs: &[Mac], vid: Vid, port: IfName, op: RecordOp) -> Result<()> {
        drop(self.wait("a connection", |heard| heard.connected)?);
        match self.speech {
            Speech::V1(_) => {
                let record = |&mac| FdbRecord {
                    mac,
                    vid,
                    port: Some(port),
                    kind: FdbKind::Dynamic,
                    op,
                };
                self.say(&ServerV1::Fdb(macs.iter().map(record).collect()))
            }
            Speech::V2 => {
                let observation = match op {
                    RecordOp::Add => Observation::Learned {
                        port,
                        configured: false,
                    },
                    RecordOp::Delete => Observation::Aged,
                };
                for part in macs.chunks(MAX_EVENTS_PER_MESSAGE) {
                    let event = |&mac| Event::Fdb {
                        key: FdbKey { vid, mac },
                        observation,
                    };
                    self.events(part.iter().map(event).collect())?;
                }
                Ok(())
            }
        }
    }

    fn events(&self, events: Vec<Event>) -> Result<()> {
        let mut heard = self.wait("credit for events", |heard| heard.sent < heard.credit)?;
        heard.sent += 1;
        let number = heard.sent;
        drop(heard);
        let bytes = ServerV2::Events { number, events }.encode()?;
        self.shared.write(&bytes)
    }

    /// What has arrived so far.
    pub(super) fn tally(&self) -> Tally {
        self.shared.lock().tally
    }

    /// Wait until `entries` changes of the forwarding table have arrived in all; answers when the
    /// last of them did.
    pub(super) fn wait_entries(&self, entries: u64) -> Result<Instant> {
        let what = format!("{entries} entries");
        let heard = self.wait(&what, |heard| heard.tally.entries >= entries)?;
        heard.last.context("nothing arrived")
    }

    /// The same of neighbours.
    pub(super) fn wait_neighbours(&self, neighbours: u64) -> Result<Instant> {
        let what = format!("{neighbours} neighbours");
        let heard = self.wait(&what, |heard| heard.tally.neighbours >= neighbours)?;
        heard.last.context("nothing arrived")
    }

    /// Wait until nothing has arrived for a while, and forget it: what both chassis tell each other when they meet, their
    /// own addresses among it, is no part of what is measured.
    pub(super) fn wait_quiet(&self) -> Result<()> {
        const QUIET: Duration = Duration::from_millis(300);
        let is_quiet = |heard: &Heard| heard.last.is_none_or(|last| last.elapsed() >= QUIET);
        let deadline = Instant::now() + SOON;
        let mut heard = self.shared.lock();
        while !is_quiet(&heard) {
            ensure!(
                Instant::now() < deadline,
                "entries arrive without end: {:?}",
                heard.tally
            );
            let waited = self.shared.changed.wait_timeout(heard, QUIET);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        heard.named.clear();
        heard.bodies.clear();
        Ok(())
    }

    /// The addresses whose entries were added on `port` since the last call.
    pub(super) fn take_added(&self, port: IfName) -> Result<BTreeSet<Mac>> {
        let mut heard = self.shared.lock();
        let mut named = std::mem::take(&mut heard.named);
        let bodies = std::mem::take(&mut heard.bodies);
        drop(heard);
        if let Speech::V1(dialect) = self.speech {
            for body in bodies {
                named.extend(added(body, dialect)?);
            }
        }
        let mut macs = BTreeSet::new();
        for (key, at) in named {
            ensure!(
                at == port,
                "{} is forwarded to {at}, not to {port}",
                key.mac
            );
            macs.insert(key.mac);
        }
        Ok(macs)
    }

    fn wait(&self, what: &str, done: impl Fn(&Heard) -> bool) -> Result<MutexGuard<'_, Heard>> {
        let deadline = Instant::now() + SOON;
        let mut heard = self.shared.lock();
        loop {
            if done(&heard) {
                return Ok(heard);
            }
            if let Some(ended) = &heard.ended {
                bail!("waiting for {what}: {ended}");
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            ensure!(
                !rest.is_zero(),
                "waited {SOON:?} in vain for {what}; arrived: {:?}",
                heard.tally
            );
            let waited = self.shared.changed.wait_timeout(heard, rest);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        if let Some(out) = &*lock(&self.shared.out) {
            out.close();
        }
        if let Some(worker) = self.worker.take() {
            // It only fails by panicking, which was written down then.
            let _ = worker.join();
        }
    }
}

fn serve(place: &Place, greeting: &[ServerV1], shared: &Shared) -> Result<()> {
    while let Some(out) = place.accept(shared)? {
        let source = out.try_clone()?;
        *lock(&shared.out) = Some(out);
        // One that goes right away comes back.
        let ended = match place.speech() {
            Speech::V1(dialect) => greeting
                .iter()
                .try_for_each(|message| shared.say(message, dialect))
                .and_then(|()| {
                    shared.greeted();
                    read_v1(source, dialect, shared)
                }),
            Speech::V2 => read_v2(source, shared),
        };
        shared.lock().connected = false;
        *lock(&shared.out) = None;
        if let Err(error) = ended
            && error.downcast_ref::<std::io::Error>().is_none()
        {
            return Err(error);
        }
    }
    Ok(())
}

impl Shared {
    fn say(&self, message: &ServerV1, dialect: Dialect) -> Result<()> {
        for part in message.clone().split(dialect) {
            self.write(&part.encode(dialect)?)?;
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut out = lock(&self.out);
        let out = out.as_mut().context("nobody is connected")?;
        out.write_all(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        lock(&self.heard)
    }

    fn greeted(&self) {
        let mut heard = self.lock();
        heard.greeted.get_or_insert_with(Instant::now);
        heard.connected = true;
        drop(heard);
        self.changed.notify_all();
    }

    /// Something arrived just now.
    fn count(&self, count: impl FnOnce(&mut Heard)) {
        let now = Instant::now();
        let mut heard = self.lock();
        let before = heard.tally;
        count(&mut heard);
        if heard.tally != before {
            heard.last = Some(now);
        }
        drop(heard);
        self.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    fn try_clone(&self) -> Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Tcp(stream) => Box::new(stream.try_clone()?),
            Self::Unix(stream) => Box::new(stream.try_clone()?),
        })
    }

    fn prepare(&self) -> Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
            }
            Self::Unix(stream) => stream.set_nonblocking(false)?,
        }
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
        .context("cannot write to iccpd")
    }

    fn close(&self) {
        // Fails only if the other side was first.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Both),
        };
    }
}

/// Counts by length alone: looking into the records would take the processor from what is measured.
fn read_v1(mut source: Box<dyn Read + Send>, dialect: Dialect, shared: &Shared) -> Result<()> {
    /// `SET_FDB` (`spec/mclagsyncd-protocol.md` 4.5).
    const SET_FDB: u8 = 5;
    let width = match dialect {
        Dialect::Sonic => 36,
        Dialect::LinuxMclag => 72,
        Dialect::Intermediate => 48,
    };
    let mut decoder = Decoder::v1();
    let mut buffer = vec![0; READ_CHUNK];
    loop {
        let count = source.read(&mut buffer).context("cannot read from iccpd")?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        decoder.push(bytes);
        let mut bodies = Vec::new();
        while let Some(Frame { kind, body, .. }) = decoder.next_frame()? {
            if kind == SET_FDB {
                bodies.push(body);
            }
        }
        if !bodies.is_empty() {
            shared.count(|heard| {
                let records: usize = bodies.iter().map(|body| body.len() / width).sum();
                heard.tally.entries += records as u64;
                heard.bodies.append(&mut bodies);
            });
        }
    }
}

fn read_v2(mut source: Box<dyn Read + Send>, shared: &Shared) -> Result<()> {
    let mut codec = Codec::server();
    let mut buffer = vec![0; READ_CHUNK];
    loop {
        let count = source.read(&mut buffer).context("cannot read from iccpd")?;
        let bytes = buffer.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        codec.push(bytes);
        while let Some(message) = codec.next_message()? {
            match message {
                ClientV2::Hello(hello) => {
                    let answer = ServerV2::Hello(ServerHello {
                        version: VERSION,
                        capabilities: Capabilities::empty(),
                        abilities: ABILITIES,
                        backend: "stand-in".into(),
                        window: WINDOW,
                    });
                    shared.write(&answer.encode()?)?;
                    let nothing = vec![Event::SnapshotBegin, Event::SnapshotEnd];
                    let listing = ServerV2::Events {
                        number: 1,
                        events: nothing,
                    };
                    shared.write(&listing.encode()?)?;
                    shared.count(|heard| {
                        heard.credit = hello.events_up_to;
                        heard.sent = 1;
                    });
                    shared.greeted();
                }
                ClientV2::Batch { number, ops } => {
                    let results = vec![Ok(()); ops.len()];
                    let answer = ServerV2::BatchResult { number, results };
                    shared.write(&answer.encode()?)?;
                    shared.count(|heard| ops.iter().for_each(|op| heard.take(op)));
                }
                ClientV2::Credit { up_to } => shared.count(|heard| heard.credit = up_to),
                ClientV2::Bye => {}
            }
        }
    }
}

/// What our own `syncd` can do.
const ABILITIES: Abilities = Abilities {
    redirect: true,
    tracking: true,
    hold: true,
    pair: false,
    interfaces: true,
    neighbours: true,
    node_mac: false,
};

impl Heard {
    fn take(&mut self, op: &Op) {
        match op {
            Op::Fdb { key, want } => {
                self.tally.entries += 1;
                self.named.push((*key, want.port));
            }
            Op::FdbRelease { .. } => self.tally.entries += 1,
            Op::Neighbour { .. } => self.tally.neighbours += 1,
            _ => {}
        }
    }
}

/// The entries that a message adds.
fn added(body: Vec<u8>, dialect: Dialect) -> Result<Vec<(FdbKey, IfName)>> {
    let frame = Frame {
        version: 1,
        kind: 5,
        body,
    };
    let Some(decoded) = ClientMessage::decode(&frame, dialect)? else {
        return Ok(Vec::new());
    };
    if let Some(skipped) = decoded.skipped.first() {
        bail!("iccpd sent a record that cannot be read: {skipped}");
    }
    let ClientMessage::SetFdb(records) = decoded.message else {
        return Ok(Vec::new());
    };
    let add = |record: FdbRecord| {
        let FdbRecord {
            mac, vid, port, op, ..
        } = record;
        (op == RecordOp::Add).then_some((FdbKey { vid, mac }, port?))
    };
    Ok(records.into_iter().filter_map(add).collect())
}

/// The time the same records take from one socket to another with nobody in between: what the
/// loopback alone costs.
pub(super) fn straight(macs: &[Mac], vid: Vid, port: IfName, dialect: Dialect) -> Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let far = Standin::serve(Place::Tcp(listener, dialect), Vec::new());
    let mut sender = TcpStream::connect(address)?;
    sender.set_nodelay(true)?;
    far.wait_greeted()?;
    let record = |&mac| FdbRecord {
        mac,
        vid,
        port: Some(port),
        kind: FdbKind::Dynamic,
        op: RecordOp::Add,
    };
    let start = Instant::now();
    let message = ClientMessage::SetFdb(macs.iter().map(record).collect());
    for part in message.split(dialect) {
        sender.write_all(&part.encode(dialect)?)?;
    }
    Ok(far.wait_entries(macs.len() as u64)? - start)
}
