//! Structured logs on standard error.
//!
//! Under the journal each line carries its priority (`sd-daemon(3)`). Time stamps have
//! microseconds: fail-over latency is measured from them.

use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

/// Parse a filter such as `info` or `info,syncd::server=debug`.
///
/// # Errors
///
/// When a directive of it cannot be read.
pub fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

/// Log from now on.
pub fn init(filter: EnvFilter) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Stderr { journal })
        .init();
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
