//! Structured logs on standard error.
//!
//! Under the journal each line carries its priority (`sd-daemon(3)`), and the journal has the time.
//! Elsewhere time stamps have microseconds: fail-over latency is measured from them.
//!
//! No line ends a daemon or holds it up: they go through a queue, and what cannot be written is counted.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sys::stat::fstat;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

use queue::Queue;

pub use tracing_subscriber::EnvFilter;

/// Parse a filter such as `info` or `info,iccpd::peer=debug`.
///
/// # Errors
///
/// When a directive of it cannot be read.
pub fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

/// Log from now on. A thread is started for it: enter the [sandbox](crate::sandbox) before.
///
/// # Errors
///
/// When the system has no thread for us.
pub fn init(filter: EnvFilter) -> io::Result<Log> {
    let queue = queue()?;
    let journal = is_journal();
    let lines = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(ToQueue { queue, journal })
        .log_internal_errors(false);
    let reload: Box<dyn Fn(EnvFilter) -> bool + Send + Sync> = if journal {
        let lines = lines.without_time().with_env_filter(filter);
        let lines = lines.with_filter_reloading();
        let handle = lines.reload_handle();
        lines.init();
        Box::new(move |filter| handle.reload(filter).is_ok())
    } else {
        let lines = lines.with_env_filter(filter).with_filter_reloading();
        let handle = lines.reload_handle();
        lines.init();
        Box::new(move |filter| handle.reload(filter).is_ok())
    };
    std::panic::set_hook(Box::new(|info| write_panic(info, queue)));
    Ok(Log { queue, reload })
}

/// Whether standard error leads to the journal: `JOURNAL_STREAM` has the device and the inode of what does
/// (`systemd.exec(5)`), and is inherited by processes whose standard error leads elsewhere.
fn is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(io::stderr()).is_ok_and(|file| stream == format!("{}:{}", file.st_dev, file.st_ino))
}

/// The log of this process. What was logged is written before this is dropped, as far as somebody reads it.
pub struct Log {
    queue: &'static Queue,
    reload: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

impl Log {
    /// Log what passes this filter from now on. False when that was not possible.
    pub fn set_filter(&self, filter: EnvFilter) -> bool {
        (self.reload)(filter)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.drain();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Lines of this process that nobody will read: the disk was full, the reader gone, or too slow.
#[must_use]
pub fn lost() -> u64 {
    QUEUE.get().map_or(0, Queue::lost)
}

/// Write a line that is no event, such as the reason why a program ends, before this returns. It waits for nobody
/// who does not read.
pub fn write_line(line: &str) {
    let line = format!("{line}\n");
    match queue() {
        Ok(queue) => queue.write_line(line.as_bytes()),
        Err(_) => {
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }
}

/// There is one standard error.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// Name of the thread that writes.
const WRITER: &str = "log";

/// The queue, and a thread that empties it.
fn queue() -> io::Result<&'static Queue> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let queue = QUEUE.get_or_init(Queue::new);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*started {
        let thread = std::thread::Builder::new().name(WRITER.into());
        thread.spawn(|| {
            let mut stderr = queue::Stderr::default();
            let report = |lost| tracing::warn!(lost, "log lines could not be written");
            queue.write_all(|line| stderr.write(line), report);
        })?;
        *started = true;
    }
    Ok(queue)
}

/// What the standard library would say, by the way on which nobody can hold us up.
fn write_panic(info: &PanicHookInfo<'_>, queue: &Queue) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    if name == WRITER {
        return;
    }
    let mut text = format!("thread '{name}' {info}\n");
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        text += &format!("{trace}\n");
    }
    queue.write_line(text.as_bytes());
}

/// Makes events lines of the queue, with journal priorities if that leads to the journal.
#[derive(Clone, Copy, Debug)]
struct ToQueue {
    queue: &'static Queue,
    journal: bool,
}

impl<'a> MakeWriter<'a> for ToQueue {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            queue: self.queue,
            priority: "",
        }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line {
        let priority = match *meta.level() {
            _ if !self.journal => "",
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            Level::DEBUG | Level::TRACE => "<7>",
        };
        Line {
            queue: self.queue,
            priority,
        }
    }
}

/// Writer of one event; `tracing-subscriber` hands an event over in one piece.
#[derive(Debug)]
struct Line {
    queue: &'static Queue,
    priority: &'static str,
}

impl Write for Line {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if self.priority.is_empty() {
            self.queue.push(event);
        } else {
            self.queue.push(&[self.priority.as_bytes(), event].concat());
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
