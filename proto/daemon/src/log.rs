//! Structured logs on standard error.
//!
//! Under the journal each line carries its priority (`sd-daemon(3)`). Time stamps have
//! microseconds: fail-over latency is measured from them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};
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

/// Keeps what others can provoke from filling the log: at first [`Limit::BURST`] lines of a
/// kind, then one per [`Limit::REFILL`].
#[derive(Debug, Default)]
pub struct Limit {
    kinds: BTreeMap<&'static str, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    since: Instant,
    suppressed: u64,
}

impl Limit {
    /// Lines of one kind that are written at once.
    pub const BURST: u32 = 10;
    /// Interval at which one more is.
    pub const REFILL: Duration = Duration::from_secs(1);

    /// Whether a line of this kind may be written now; if so, how many before it were not.
    pub fn allow(&mut self, kind: &'static str, now: Instant) -> Option<u64> {
        let bucket = self.kinds.entry(kind).or_insert(Bucket {
            tokens: Self::BURST,
            since: now,
            suppressed: 0,
        });
        let elapsed = now.saturating_duration_since(bucket.since);
        let refills = elapsed.as_millis() / Self::REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        if refills > 0 {
            bucket.tokens = bucket.tokens.saturating_add(refills).min(Self::BURST);
            bucket.since = now;
        }
        if bucket.tokens == 0 {
            bucket.suppressed += 1;
            return None;
        }
        bucket.tokens -= 1;
        Some(std::mem::take(&mut bucket.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let mut limit = Limit::default();
        let start = Instant::now();
        let written = (0..100)
            .filter(|_| limit.allow("x", start).is_some())
            .count();
        assert_eq!(written, 10);
        assert_eq!(limit.allow("y", start), Some(0), "kinds are independent");
        assert_eq!(limit.allow("x", start + Limit::REFILL), Some(90));
        assert_eq!(limit.allow("x", start + Limit::REFILL), None);
    }
}
