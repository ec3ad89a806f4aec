//! Structured logs on standard error.
//!
//! Under the journal each line carries its priority (`sd-daemon(3)`). Time stamps have
//! microseconds: fail-over latency is measured from them.

use std::fmt;
use std::io::{self, Write};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

pub use tracing_subscriber::EnvFilter;

/// Parse a filter such as `info` or `info,iccpd::peer=debug`.
///
/// # Errors
///
/// When a directive of it cannot be read.
pub fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

/// Log from now on.
pub fn init(filter: EnvFilter) -> Log {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Stderr { journal })
        .with_env_filter(filter)
        .with_filter_reloading();
    let handle = subscriber.reload_handle();
    subscriber.init();
    let reload = Box::new(move |filter| handle.reload(filter).is_ok());
    Log { reload }
}

/// The log of this process.
pub struct Log {
    reload: Box<dyn Fn(EnvFilter) -> bool + Send>,
}

impl Log {
    /// Log what passes this filter from now on. False when that was not possible.
    pub fn set_filter(&self, filter: EnvFilter) -> bool {
        (self.reload)(filter)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Standard error, with journal priorities if it leads to the journal.
#[derive(Clone, Copy, Debug)]
struct Stderr {
    journal: bool,
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { priority: "" }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line {
        let priority = match *meta.level() {
            _ if !self.journal => "",
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            Level::DEBUG | Level::TRACE => "<7>",
        };
        Line { priority }
    }
}

/// Writer of one event; `tracing-subscriber` hands an event over in one piece.
#[derive(Debug)]
struct Line {
    priority: &'static str,
}

impl Write for Line {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        if !self.priority.is_empty() {
            stderr.write_all(self.priority.as_bytes())?;
        }
        stderr.write_all(event)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
