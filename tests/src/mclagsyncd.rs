//! A stand-in for SONiC's `mclagsyncd`: the server of version 1 in a thread of the test.
//!
//! It tells what the settings database would hold, reports what the kernel's bridge learns as SONiC reports what the
//! switch does, and remembers what it is told. It carries nothing out: what a kernel needs beside it is the
//! kernel backend's to do.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use mclag_proto::addr::{Mac, Vid};
use mclag_proto::sync::frame::Decoder;
use mclag_proto::sync::v1::{ClientMessage, Dialect, FdbKind, FdbRecord, RecordOp, ServerMessage};

use crate::kernel;
use crate::netns::NetNs;
use crate::topology::BRIDGE;

/// Between two looks at sockets and at what the test wants said.
const TICK: Duration = Duration::from_millis(20);
/// Between two looks at the bridge's table.
const LOOK: Duration = Duration::from_millis(300);

/// A running stand-in. Dropping it ends it, and its connection.
#[derive(Debug)]
pub struct Mclagsyncd {
    heard: Arc<Mutex<Vec<ClientMessage>>>,
    say: Sender<ServerMessage>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Mclagsyncd {
    /// Listen in `ns` where SONiC's `iccpd` looks for its server. Each client is told `settings` first.
    pub fn start(ns: &NetNs, settings: Vec<ServerMessage>) -> Result<Self> {
        let heard = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (say, to_say) = mpsc::channel();
        let listener = ns.enter(|| {
            let listener = TcpListener::bind(Dialect::Sonic.server_address())?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        })?;
        let serving = Serving {
            ns: ns.clone(),
            listener,
            settings,
            to_say,
            heard: Arc::clone(&heard),
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("server".into())
            .spawn(move || serving.run())
            .context("cannot start a thread")?;
        Ok(Self {
            heard,
            say,
            stop,
            thread: Some(thread),
        })
    }

    /// Say something to the client, and to those that come after it.
    pub fn say(&self, message: ServerMessage) -> Result<()> {
        let said = self.say.send(message);
        said.map_err(|_| anyhow!("the stand-in server has ended"))
    }

    /// Everything it was told, in order.
    #[must_use]
    pub fn heard(&self) -> Vec<ClientMessage> {
        lock(&self.heard).clone()
    }

    /// The ports of the last isolation list.
    #[must_use]
    pub fn isolated(&self) -> BTreeSet<String> {
        let heard = lock(&self.heard);
        let list = heard.iter().rev().find_map(|message| match message {
            ClientMessage::PortIsolate(list) => Some(list),
            _ => None,
        });
        let names = list.into_iter().flat_map(|list| list.names());
        let isolated = names.filter(|(_, is_isolated)| *is_isolated);
        isolated.map(|(name, _)| name.to_string()).collect()
    }

    /// Where it was last told that an address is, and how the entry is to be kept.
    #[must_use]
    pub fn entry(&self, mac: Mac, vid: Vid) -> Option<(String, FdbKind)> {
        let heard = lock(&self.heard);
        let records = heard.iter().rev().filter_map(|message| match message {
            ClientMessage::SetFdb(records) => Some(records.iter().rev()),
            _ => None,
        });
        let mut records = records.flatten();
        let last = records.find(|record| (record.mac, record.vid) == (mac, vid))?;
        let port = last.port.filter(|_| last.op == RecordOp::Add)?;
        Some((port.to_string(), last.kind))
    }

    /// End it. An error if it was told what SONiC's server does not understand.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let ended = thread.join();
        let ended = ended.unwrap_or_else(|_| Err(anyhow!("it panicked")));
        ended.context("the stand-in server ended early")
    }
}

impl Drop for Mclagsyncd {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{error:#}");
        }
    }
}

struct Serving {
    ns: NetNs,
    listener: TcpListener,
    settings: Vec<ServerMessage>,
    to_say: Receiver<ServerMessage>,
    heard: Arc<Mutex<Vec<ClientMessage>>>,
    stop: Arc<AtomicBool>,
}

impl Serving {
    fn run(mut self) -> Result<()> {
        while !self.stop.load(Ordering::Relaxed) {
            match self.listener.accept() {
                Ok((stream, _)) => match self.serve(stream) {
                    // A client that closes while it is written to is no matter of the next one's.
                    Err(error) if error.is::<io::Error>() => {}
                    served => served?,
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(TICK),
                Err(error) => return Err(error).context("cannot accept"),
            }
            self.settings.extend(self.to_say.try_iter());
        }
        Ok(())
    }

    fn serve(&mut self, mut stream: TcpStream) -> Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(TICK))?;
        let mut decoder = Decoder::v1();
        let mut buffer = vec![0; 65536];
        for message in &self.settings {
            send(&mut stream, message)?;
        }
        let mut told = BTreeMap::new();
        let mut look_at = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            let waiting: Vec<ServerMessage> = self.to_say.try_iter().collect();
            for message in waiting {
                send(&mut stream, &message)?;
                self.settings.push(message);
            }
            if look_at <= Instant::now() {
                look_at = Instant::now() + LOOK;
                let records = self.changes(&mut told)?;
                for records in records.chunks(50) {
                    send(&mut stream, &ServerMessage::Fdb(records.to_vec()))?;
                }
            }
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    decoder.push(&buffer[..count]);
                    while let Some(frame) = decoder.next_frame()? {
                        let decoded = ClientMessage::decode(&frame, Dialect::Sonic)?
                            .with_context(|| format!("no message of sonic: type {}", frame.kind))?;
                        ensure!(decoded.skipped.is_empty(), "{:?}", decoded.skipped);
                        lock(&self.heard).push(decoded.message);
                    }
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What the bridge learned and forgot since the last look.
    fn changes(&self, told: &mut BTreeMap<(Mac, Vid), String>) -> Result<Vec<FdbRecord>> {
        let mut now = BTreeMap::new();
        for entry in kernel::fdb(&self.ns, BRIDGE)? {
            if let Some(vid) = entry.vlan.and_then(Vid::new).filter(|_| !entry.is_static()) {
                now.insert((entry.mac, vid), entry.ifname);
            }
        }
        let record = |(mac, vid): (Mac, Vid), port: &str, op| -> Result<FdbRecord> {
            Ok(FdbRecord {
                mac,
                vid,
                port: Some(port.parse()?),
                kind: FdbKind::Dynamic,
                op,
            })
        };
        let mut records = Vec::new();
        for (key, port) in &now {
            if told.get(key) != Some(port) {
                records.push(record(*key, port, RecordOp::Add)?);
            }
        }
        for (key, port) in told.iter().filter(|(key, _)| !now.contains_key(key)) {
            records.push(record(*key, port, RecordOp::Delete)?);
        }
        *told = now;
        Ok(records)
    }
}

fn send(stream: &mut TcpStream, message: &ServerMessage) -> Result<()> {
    let bytes = message.encode(Dialect::Sonic)?;
    Ok(stream.write_all(&bytes)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
