//! CONFIG_DB of SONiC, where it can be read: it decides which pair there is, instead of what is remembered.
//!
//! It is read at the start, with each connection, and when an operator has the pair forgotten. From then on the
//! server tells what changes. While it cannot be read everything is as if there were none.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use mclag_daemon::dial::{Backoff, Dialler};
use mclag_proto::sync::v1::{DomainRecord, InterfaceRecord, UniqueIpRecord};
use tokio::time::Instant;

use super::Client;

/// Pauses after it could not be read.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// Most values that cannot be used that are named in the log.
const MAX_WRONG: usize = 20;

/// What CONFIG_DB has of the pair, as the server tells it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Configured {
    /// Domains.
    pub domains: Vec<DomainRecord>,
    /// MLAG ports.
    pub ports: Vec<InterfaceRecord>,
    /// VLAN interfaces with an address of their own.
    pub unique_ips: Vec<UniqueIpRecord>,
    /// A line for each value that cannot be used.
    pub wrong: Vec<String>,
}

/// What a reading came to: the pair, or why it could not be read.
type Outcome = Result<Configured, String>;

/// Reads CONFIG_DB.
pub struct ConfigDb {
    read: Box<dyn Fn() -> Reading + Send>,
    /// The next reading: when it began, and what it came to.
    next: Dialler<(Instant, Outcome)>,
    /// The last one.
    last: Option<Result<Instant, String>>,
    /// The values that could not be used then.
    wrong: Vec<String>,
    /// When the server last told something of the pair: what was read before may be older.
    told: Option<Instant>,
}

/// One reading.
type Reading = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl ConfigDb {
    /// Reads with `read`, which has to come to an end soon, and does so at once.
    pub fn new<R>(read: impl Fn() -> R + Send + 'static) -> Self
    where
        R: Future<Output = Outcome> + Send + 'static,
    {
        let mut config_db = Self {
            read: Box::new(move || Box::pin(read())),
            next: Dialler::new(RETRY, pending()),
            last: None,
            wrong: Vec::new(),
            told: None,
        };
        config_db.ask();
        config_db
    }

    /// Read it now.
    pub(super) fn ask(&mut self) {
        self.next.reset();
        let attempt = self.attempt();
        self.next.at_once(attempt);
    }

    fn attempt(&self) -> impl Future<Output = (Instant, Outcome)> + Send + 'static {
        let reading = (self.read)();
        async move { (Instant::now(), reading.await) }
    }

    /// The server told something of the pair.
    pub(super) fn told(&mut self) {
        self.told = Some(Instant::now());
    }
}

impl fmt::Debug for ConfigDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { last, .. } = self;
        f.debug_struct("ConfigDb").field("last", last).finish()
    }
}

/// What the next reading comes to; nothing without a CONFIG_DB. Dropping the future loses nothing.
pub(super) async fn next(config_db: &mut Option<ConfigDb>) -> (Instant, Outcome) {
    match config_db {
        Some(config_db) => config_db.next.next().await,
        None => pending().await,
    }
}

impl Client {
    /// Have CONFIG_DB decide which pair there is, where it can be read.
    #[must_use]
    pub fn with_config_db(mut self, config_db: ConfigDb) -> Self {
        self.config_db = Some(config_db);
        self
    }

    /// How long ago CONFIG_DB was read, or why it could not be; none where it is not looked at, or was not yet.
    #[must_use]
    pub fn config_db(&self) -> Option<Result<Duration, &str>> {
        let last = self.config_db.as_ref()?.last.as_ref()?;
        Some(last.as_ref().map(Instant::elapsed).map_err(String::as_str))
    }

    pub(super) fn ask_config_db(&mut self) {
        if let Some(config_db) = &mut self.config_db {
            config_db.ask();
        }
    }

    pub(super) fn config_db_was_read(&mut self, (began, outcome): (Instant, Outcome)) {
        let Some(config_db) = &mut self.config_db else {
            return;
        };
        // The server on this address has no such thing.
        if (self.connection.as_ref()).is_some_and(|c| c.dialect.is_some_and(|d| !d.has_settings()))
        {
            config_db.last = None;
            return;
        }
        let configured = match outcome {
            Ok(_) if config_db.told.is_some_and(|told| told >= began) => {
                config_db.ask();
                return;
            }
            Ok(configured) => configured,
            Err(error) => {
                let attempt = config_db.attempt();
                config_db.next.again(attempt);
                let last = Some(Err(error));
                if config_db.last != last {
                    if let Some(Err(error)) = &last {
                        tracing::info!(
                            error,
                            "CONFIG_DB cannot be read: the pair is what the mclagsyncd server tells"
                        );
                    }
                    config_db.last = last;
                }
                if !self.configuration.is_confirmed() {
                    self.unconfirmed();
                }
                return;
            }
        };
        let was_read = matches!(config_db.last, Some(Ok(_)));
        config_db.last = Some(Ok(began));
        let mut wrong = configured.wrong.clone();
        wrong.extend(self.configuration.decided(&configured));
        if wrong != config_db.wrong {
            for line in wrong.iter().take(MAX_WRONG) {
                tracing::warn!("{line}: ignored");
            }
            let more = wrong.len().saturating_sub(MAX_WRONG);
            if more > 0 {
                tracing::warn!(more, "more of CONFIG_DB is ignored");
            }
            config_db.wrong = wrong;
        }
        if !was_read {
            let domain = self.configuration.domain();
            let domain = domain.map(tracing::field::display);
            tracing::info!(domain, "CONFIG_DB decides which pair there is");
        }
        self.has_configuration = true;
        self.unconfirmed_since = None;
        self.is_changed = true;
        let settings = self.configuration.settings().map(Box::new);
        if settings != self.reported {
            self.report_changed(settings);
        }
        self.memorise();
    }
}
