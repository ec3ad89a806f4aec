//! What is logged, in the words of the legacy daemons (`spec/mclagdctl-protocol.md` 5.9).

use mclag_daemon::log::{self, EnvFilter, Log};
use mclag_proto::mclagdctl::LogLevel;
use std::fmt;
use std::io;
use std::sync::Arc;
use tracing::Level;
use tracing::level_filters::LevelFilter;

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
    /// Log what passes this filter from now on. The second value writes what waits when it is
    /// dropped: to be kept until the last line was logged.
    ///
    /// # Errors
    ///
    /// See [`log::init`].
    pub fn start(filter: EnvFilter) -> io::Result<(Self, Arc<Log>)> {
        let level = level_of(filter.max_level_hint());
        let log = Arc::new(log::init(filter)?);
        let changed = Arc::clone(&log);
        let control = Self::new(level, move |filter| changed.set_filter(filter));
        Ok((control, log))
    }

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
            let filter = log::parse_filter(filter).unwrap();
            assert_eq!(level_of(filter.max_level_hint()), level, "{filter}");
        }
    }

    /// `spec/mclagdctl-protocol.md` 5.9
    #[test]
    fn every_level_of_the_legacy_daemons_is_a_filter() {
        let mut before = None;
        for level in LogLevel::ALL {
            let filter = log::parse_filter(directive(level)).unwrap();
            let hint = filter.max_level_hint();
            assert!(hint >= before, "{level:?}");
            before = hint;
        }
        assert_eq!(before, Some(LevelFilter::DEBUG));
    }
}
