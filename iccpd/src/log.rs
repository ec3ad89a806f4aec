//! Structured logs on standard error.
//!
//! Under the journal each line carries its priority (`sd-daemon(3)`). Time stamps have
//! microseconds: fail-over latency is measured from them.

use mclag_proto::mclagdctl::LogLevel;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;

/// Parse a filter such as `info` or `info,iccpd::peer=debug`.
///
/// # Errors
///
/// When a directive of it cannot be read.
pub fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(text)
}

/// Log from now on. What is returned changes what is logged.
pub fn init(filter: EnvFilter) -> Control {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let level = level_of(filter.max_level_hint());
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Stderr { journal })
        .with_env_filter(filter)
        .with_filter_reloading();
    let handle = subscriber.reload_handle();
    subscriber.init();
    Control::new(level, move |filter| handle.reload(filter).is_ok())
}

/// What is logged, changeable while the daemon runs.
pub struct Control {
    level: LogLevel,
    reload: Box<dyn Fn(EnvFilter) -> bool + Send>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Control");
        debug.field("level", &self.level).finish_non_exhaustive()
    }
}

impl Control {
    /// What is logged is at this level now; `reload` changes the filter and says whether it could.
    pub(crate) fn new(
        level: LogLevel,
        reload: impl Fn(EnvFilter) -> bool + Send + 'static,
    ) -> Self {
        let reload = Box::new(reload);
        Self { level, reload }
    }

    /// The present threshold, in the words of the legacy daemons. With levels by module it is the
    /// most talkative one.
    #[must_use]
    pub const fn level(&self) -> LogLevel {
        self.level
    }

    /// Log from this level on, in all modules. False when that was not possible.
    pub fn set_level(&mut self, level: LogLevel) -> bool {
        let done = (self.reload)(EnvFilter::new(directive(level)));
        if done {
            self.level = level;
            tracing::info!(level = level.name(), "log level changed");
        } else {
            tracing::warn!(level = level.name(), "cannot change the log level");
        }
        done
    }
}

/// The filter that comes closest: `tracing` has five levels, the legacy daemons six.
const fn directive(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Critical | LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Notice | LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}

fn level_of(filter: Option<LevelFilter>) -> LogLevel {
    match filter.and_then(LevelFilter::into_level) {
        Some(Level::ERROR) => LogLevel::Error,
        Some(Level::WARN) => LogLevel::Warn,
        Some(Level::INFO) => LogLevel::Notice,
        Some(Level::DEBUG | Level::TRACE) => LogLevel::Debug,
        None if filter.is_some() => LogLevel::Critical,
        // It cannot be said: the filter looks at more than levels.
        None => LogLevel::Debug,
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
    fn the_threshold_is_told_in_the_words_of_the_legacy_daemons() {
        for (filter, level) in [
            ("info", LogLevel::Notice),
            ("error", LogLevel::Error),
            ("warn,iccpd::peer=debug", LogLevel::Debug),
            ("trace", LogLevel::Debug),
            ("off", LogLevel::Critical),
        ] {
            let filter = parse_filter(filter).unwrap();
            assert_eq!(level_of(filter.max_level_hint()), level, "{filter}");
        }
    }

    /// `spec/mclagdctl-protocol.md` 5.9
    #[test]
    fn every_level_of_the_legacy_daemons_is_a_filter() {
        let mut before = None;
        for level in LogLevel::ALL {
            let filter = parse_filter(directive(level)).unwrap();
            let hint = filter.max_level_hint();
            assert!(hint >= before, "{level:?}");
            before = hint;
        }
        assert_eq!(before, Some(LevelFilter::DEBUG));
    }

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
