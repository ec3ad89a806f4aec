//! Frames that are sent and counted, one by one.
//!
//! A ping that succeeds says little: it is answered whether the request arrived once or twice, and whether others got a
//! copy. Here every frame carries the number of its stream and its own, and a receiver counts each copy.
//!
//! ```text
//! let ear = Receiver::start(&host.untagged())?;
//! let sent = Sender::send(&orphan.untagged(), Stream::between(&orphan.untagged(), &host.untagged()), 1000, RATE)?;
//! let heard = ear.hear(&sent);
//! ensure!(heard.is_exactly_once(sent.frames), "{}", heard.of(sent.frames));
//! ```

mod frame;
mod packet;
mod tally;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mclag_proto::addr::{Mac, Vid};

use crate::netns::NetNs;
use crate::wait::{SOON, eventually};
use frame::Label;
pub use frame::{ETHERTYPE, Stream};
use packet::PacketSocket;
pub use tally::{Summary, Tally};

/// Everybody.
pub const BROADCAST: Mac = Mac([0xff; 6]);

/// A group that no protocol uses.
pub const MULTICAST: Mac = Mac([0x01, 0x00, 0x5e, 0x01, 0x02, 0x03]);

/// A host that does not exist, so that bridges flood what is sent to it.
pub const NOBODY: Mac = Mac([0x02, 0xde, 0xad, 0xde, 0xad, 0x01]);

/// How long nothing may arrive before a receiver believes that all has arrived. Long, because under emulation a busy
/// guest stands still for a while.
const SILENCE: Duration = Duration::from_millis(1500);

/// How often threads look whether they are to stop.
const TICK: Duration = Duration::from_millis(50);

/// How far a sender may fall behind its schedule before it gives up catching up: a burst would measure the receiver.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Largest frame looked at; ours are the shortest that Ethernet has.
const FRAME: usize = 256;

static CLOCK: LazyLock<Instant> = LazyLock::new(Instant::now);

/// An interface that can send and receive.
#[derive(Clone, Debug)]
pub struct Port {
    /// Namespace of the interface.
    pub ns: NetNs,
    /// Name of the interface.
    pub dev: String,
    /// Address of the host on this interface.
    pub mac: Mac,
}

impl Stream {
    /// Frames with these addresses, under a new number.
    #[must_use]
    pub fn new(from: Mac, to: Mac) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            from,
            to,
            tag: None,
        }
    }

    /// Frames from one host to another.
    #[must_use]
    pub fn between(from: &Port, to: &Port) -> Self {
        Self::new(from.mac, to.mac)
    }

    /// The same, with a VLAN tag written by the sender.
    #[must_use]
    pub fn tagged(self, vid: Vid) -> Self {
        Self {
            tag: Some(vid),
            ..self
        }
    }
}

/// What a sender has sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sent {
    /// Number of the stream.
    pub stream: u32,
    /// Frames that the kernel took.
    pub frames: u64,
    /// Frames that it refused, because a queue was full or the interface was down. They are not counted as sent.
    pub refused: u64,
}

/// A thread that sends one stream at a constant rate until it is stopped.
#[derive(Debug)]
pub struct Sender {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Sent>>>,
}

impl Sender {
    /// Send `per_second` frames a second from `port` until stopped.
    pub fn start(port: &Port, stream: Stream, per_second: u32) -> Result<Self> {
        Self::spawn(port, stream, tally::MOST, per_second)
    }

    /// Send `count` frames from `port`, `per_second` each second, and wait until they are sent.
    pub fn send(port: &Port, stream: Stream, count: u32, per_second: u32) -> Result<Sent> {
        Self::spawn(port, stream, count, per_second)?.finish(false)
    }

    /// Stop, and tell what was sent.
    pub fn stop(self) -> Result<Sent> {
        self.finish(true)
    }

    fn spawn(port: &Port, stream: Stream, count: u32, per_second: u32) -> Result<Self> {
        ensure!(per_second > 0, "a sender needs a rate above zero");
        let stop = Arc::new(AtomicBool::new(false));
        let (port, stopped) = (port.clone(), Arc::clone(&stop));
        let thread = started("sender", move |ready| {
            port.ns.join()?;
            let socket = PacketSocket::sender(&port.dev)?;
            ready();
            transmit(&socket, &port, stream, count, per_second, &stopped)
        })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    fn finish(mut self, at_once: bool) -> Result<Sent> {
        self.stop.store(at_once, Ordering::Relaxed);
        let thread = self
            .thread
            .take()
            .context("the sender was stopped before")?;
        joined(thread)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The caller has given up on the result.
            let _ = thread.join();
        }
    }
}

fn transmit(
    socket: &PacketSocket,
    port: &Port,
    stream: Stream,
    count: u32,
    per_second: u32,
    stop: &AtomicBool,
) -> Result<Sent> {
    let pause = Duration::from_secs(1) / per_second;
    let mut sent = Sent {
        stream: stream.id,
        frames: 0,
        refused: 0,
    };
    let mut due = Instant::now();
    let mut number = 0;
    // A refused frame is sent again under its number, so that a gap in the numbers always means a loss.
    while number < count && !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now < due {
            thread::sleep(due - now);
        } else if now > due + CATCH_UP {
            due = now;
        }
        due += pause;
        match socket.send(&stream.frame(number, since_start_ns())) {
            Ok(()) => {
                sent.frames += 1;
                number += 1;
            }
            Err(error) if is_passing(&error) => sent.refused += 1,
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("cannot send from {} in {}", port.dev, port.ns.name())
                });
            }
        }
    }
    Ok(sent)
}

/// Errors that end by themselves: a full queue, an interface that is down.
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NetworkDown, WouldBlock};
    matches!(error.kind(), WouldBlock | NetworkDown)
}

/// Send one frame from each of `count` source addresses, see [`learnable`], to `to`.
///
/// Like [`Sender::send`], but for bridges that shall learn.
pub fn teach(port: &Port, to: Mac, tag: Option<Vid>, count: u32, per_second: u32) -> Result<()> {
    ensure!(per_second > 0, "a sender needs a rate above zero");
    let pause = Duration::from_secs(1) / per_second;
    port.ns.enter(|| {
        let socket = PacketSocket::sender(&port.dev)?;
        let mut due = Instant::now();
        for index in 0..count {
            let frame = Stream {
                id: 0,
                from: learnable(index),
                to,
                tag,
            }
            .frame(index, since_start_ns());
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += pause;
            while let Err(error) = socket.send(&frame) {
                ensure!(
                    is_passing(&error),
                    "cannot send from {} in {}: {error}",
                    port.dev,
                    port.ns.name()
                );
                thread::sleep(pause);
            }
        }
        Ok(())
    })
}

/// The address of that number among those that [`teach`] sends from.
#[must_use]
pub fn learnable(index: u32) -> Mac {
    let [a, b, c, d] = index.to_be_bytes();
    Mac([0x06, 0x4d, a, b, c, d])
}

/// A thread that counts every copy of every frame of ours that arrives at an interface.
#[derive(Debug)]
pub struct Receiver {
    port: Port,
    /// On the clock of this process.
    since: Duration,
    stop: Arc<AtomicBool>,
    counted: Arc<Mutex<Counted>>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Counted {
    streams: HashMap<u32, Tally>,
    /// Copies that the kernel dropped before this receiver could count them.
    overruns: u64,
    /// Why counting ended early.
    failure: Option<String>,
}

impl Receiver {
    /// Count what arrives at `port` from now on.
    pub fn start(port: &Port) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let counted = Arc::new(Mutex::new(Counted::default()));
        let (place, stopped, shared) = (port.clone(), Arc::clone(&stop), Arc::clone(&counted));
        let thread = started("receiver", move |ready| {
            place.ns.join()?;
            let socket = PacketSocket::receiver(&place.dev, ETHERTYPE, TICK)?;
            ready();
            if let Err(error) = count_until(&stopped, &socket, &shared) {
                let place = format!("on {} in {}", place.dev, place.ns.name());
                lock(&shared).failure = Some(format!("counting {place} ended: {error}"));
            }
            Ok(())
        })?;
        Ok(Self {
            port: port.clone(),
            since: CLOCK.elapsed(),
            stop,
            counted,
            thread: Some(thread),
        })
    }

    /// Wait until the stream has been silent for so long that nothing more of it will come, and return what came. It
    /// waits even if all has arrived: a late copy would be a duplicate.
    pub fn hear(&self, sent: &Sent) -> Result<Tally> {
        self.wait_silent(sent.stream)?;
        self.tally(sent.stream)
    }

    /// Wait until nothing of a stream arrives any more.
    pub fn wait_silent(&self, stream: u32) -> Result<()> {
        eventually(&format!("stream {stream} falls silent"), SOON, || {
            let latest = self.tally(stream)?.latest_copy;
            let silence = CLOCK.elapsed().saturating_sub(latest.max(self.since));
            ensure!(silence >= SILENCE, "the latest frame came {silence:?} ago");
            Ok(())
        })
    }

    /// Wait until at least `frames` of a stream have arrived.
    pub fn wait_for(&self, stream: u32, frames: u64) -> Result<Tally> {
        eventually(&format!("{frames} frames arrive"), SOON, || {
            let tally = self.tally(stream)?;
            ensure!(tally.received >= frames, "{} have", tally.received);
            Ok(tally)
        })
    }

    /// What has arrived of a stream until now.
    ///
    /// An error if this receiver was too slow to see every frame, since nothing can be said about losses then.
    pub fn tally(&self, stream: u32) -> Result<Tally> {
        let counted = lock(&self.counted);
        if let Some(failure) = &counted.failure {
            bail!("{failure}");
        }
        ensure!(
            counted.overruns == 0,
            "the receiver on {} in {} missed {} frames",
            self.port.dev,
            self.port.ns.name(),
            counted.overruns
        );
        Ok(counted.streams.get(&stream).cloned().unwrap_or_default())
    }

    /// Numbers of the streams of which something arrived.
    #[must_use]
    pub fn streams(&self) -> Vec<u32> {
        let mut streams: Vec<u32> = lock(&self.counted).streams.keys().copied().collect();
        streams.sort_unstable();
        streams
    }
}

fn count_until(
    stopped: &AtomicBool,
    socket: &PacketSocket,
    shared: &Mutex<Counted>,
) -> std::io::Result<()> {
    let mut buffer = [0; FRAME];
    let mut looked_at = Instant::now();
    while !stopped.load(Ordering::Relaxed) {
        let frame = socket.receive(&mut buffer)?;
        let arrived = CLOCK.elapsed();
        let mut counted = lock(shared);
        if let Some(frame) = frame {
            counted.count(frame, arrived);
        }
        if looked_at.elapsed() >= TICK {
            looked_at = Instant::now();
            counted.overruns += socket.overruns()?;
        }
    }
    Ok(())
}

impl Counted {
    fn count(&mut self, frame: &[u8], arrived: Duration) {
        if let Some(label) = Label::of(frame) {
            let tally = self.streams.entry(label.stream).or_default();
            tally.count(label.number, Duration::from_nanos(label.sent_ns), arrived);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A failure is reported by `tally`.
            let _ = thread.join();
        }
    }
}

/// Start a thread and wait until it says that it is ready, or has failed.
fn started<T: Send + 'static>(
    what: &str,
    work: impl FnOnce(Box<dyn FnOnce() + Send>) -> Result<T> + Send + 'static,
) -> Result<JoinHandle<Result<T>>> {
    let (sender, ready) = mpsc::channel();
    let thread = thread::spawn(move || {
        work(Box::new(move || {
            // The starter waits for this, unless it is gone together with its scenario.
            let _ = sender.send(());
        }))
    });
    if ready.recv().is_ok() {
        return Ok(thread);
    }
    joined(thread)?;
    bail!("the {what} ended before it was ready")
}

fn joined<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Counters stay readable after a panic elsewhere: they are consistent after every frame.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn since_start_ns() -> u64 {
    u64::try_from(CLOCK.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
