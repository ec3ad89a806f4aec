//! The server: one socket, one client of ours, one dataplane (`docs/mclagsyncd-v2.md`); or, in the
//! place of that client, legacy ones (module `legacy`).
//!
//! One task owns everything and waits in one place:
//!
//! ```text
//!   accept ──> candidate ── hello ──> client         (each: socket and two bounded buffers)
//!                                       │ batches ^ results, events
//!                                       v         │
//!                                  reconciler ────┘
//!                                       │ actions ^ results, events
//!                                       v         │
//!                                    backend ─────┘
//! ```
//!
//! * A connection becomes the client when it has said hello; the one before is closed then, for
//!   its process is gone or hangs. One that does not say hello in time is closed.
//! * Nothing waits for the client to read: what it does not take stays in its outbox, where only
//!   the latest observation per address is kept, and it is not listened to until it has read.
//! * Only one kind of client is let in at a time: who comes first decides what is wanted.
//! * When the client is gone, the dataplane stays as it is, unless the settings say otherwise.

use std::cell::RefCell;
use std::future::{Future, ready};
use std::path::PathBuf;
use std::time::Duration;

use mclag_daemon::ctl::{self, Question};
use mclag_daemon::dial::Backoff;
use mclag_daemon::process::chain;
use mclag_daemon::socket::Listener;
use mclag_daemon::time::wait_until;
use mclag_proto::IfName;
use mclag_proto::ctl::dataplane;
use mclag_proto::failing::Failing;
use mclag_proto::sync::model::{Event, FdbKey, Isolation, Observation, Op, OpError};
use mclag_proto::sync::v2::{Capabilities, ClientMessage, ErrorCode, ServerMessage};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::backend::{Backend, BackendEvent, mclagsyncd};
use crate::dataplane::{Setting, Subject};
use crate::legacy::{ListenerEvent, Listeners, Translator};
use crate::reconcile::{Limits, Original, Originals, Reconciler};
use crate::store::{Store, StoreError};

pub use access::Access;
use access::Refusals;
use admission::Candidate;
use connection::{Connection, Lost};
use foreign::Foreign;
use legacy::Legacy;

mod access;
mod admission;
mod connection;
mod foreign;
mod legacy;
mod outbox;
mod settle;
mod view;

#[cfg(test)]
mod tests;

/// Batches that a client may have unanswered.
pub const WINDOW: u32 = 16;

/// Operators served at a time; more hear so and are closed.
const MAX_OPERATORS: usize = 8;

/// Pause after the system refused to accept a connection, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Pauses before what was refused is tried again.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// How long a server that stops goes on with what waits for its turn: it is killed 5 s after it was asked to stop.
const LAST_WORK: Duration = Duration::from_secs(4);

/// How long hosts have to leave ports that show another LACP system id, as one does within a few LACPDUs.
const DEPARTURE: Duration = Duration::from_secs(1);

/// What the settings give a server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who may connect.
    pub access: Access,
    /// How long the dataplane stays as it is without a client, before it is restored to what it
    /// was without us; for ever by default.
    pub restore_after: Option<Duration>,
    /// Whether it is restored when the server stops.
    pub restore_on_stop: bool,
    /// File that originals are stored in; nowhere if there is none.
    pub originals: Option<PathBuf>,
    /// The bridge of the pair, if the settings name it: a client may name no other.
    pub bridge: Option<IfName>,
    /// Interfaces outside of the bridge that a client may have changed; with none, LAGs.
    pub routed: Vec<IfName>,
    /// What is published to legacy clients.
    pub legacy: crate::legacy::Options,
}

impl Options {
    fn limits(&self) -> Limits {
        Limits {
            routed: self.routed.iter().copied().collect(),
            bridges: self.bridge.into_iter().chain(self.legacy.bridge).collect(),
        }
    }
}

/// A dataplane, what is wanted of it, and who wants it.
#[derive(Debug)]
pub struct Server<B> {
    backend: B,
    reconciler: Reconciler,
    options: Options,
    store: Option<Store<Originals>>,
    stored: Originals,
    /// Why originals could not be stored last time; they are tried again.
    unstored: Option<String>,
    refusals: Refusals,
    client: Option<Connection>,
    legacy: Legacy,
    writer: Writer,
    control: ctl::Server<dataplane::Request, dataplane::Reply>,
    reloads: Option<mpsc::Receiver<Options>>,
    /// The client's last batch was carried out, and there may be another one behind it.
    has_more_batches: bool,
    /// The table was being listed when the client was last informed of it.
    is_listing: bool,
    candidate: Option<Candidate>,
    foreign: Option<Foreign>,
    retry_at: Option<Instant>,
    /// When hosts have left a chassis that leaves the pair.
    departs_at: Option<Instant>,
    retry_pauses: Backoff,
    restore_at: Option<Instant>,
    /// Connections cannot be accepted.
    not_accepting: Failing<()>,
    /// When connections are accepted again.
    accept_at: Option<Instant>,
    /// What failed last time.
    failing: Failing<(Subject, Setting)>,
    /// Why the bridge could not be looked at last time.
    blind: Option<String>,
}

/// Who decided last what is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Writer {
    /// Nobody since the start.
    Unknown,
    /// A client of ours.
    Ours,
    /// Legacy clients.
    Legacy,
}

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The dataplane cannot be looked at, or tells nothing any more.
    #[error("the dataplane failed")]
    Backend(#[from] OpError),
    /// What settings were before cannot be kept.
    #[error("originals cannot be kept")]
    Store(#[from] StoreError),
}

enum Next {
    Accepted(std::io::Result<UnixStream>),
    Client(Result<(), Lost>),
    Candidate(Result<(), Lost>),
    Legacy(ListenerEvent),
    LegacyDue,
    Foreign(mclagsyncd::ServerEvent),
    ForeignDue,
    Reload(Options),
    Question(Question<dataplane::Request, dataplane::Reply>),
    Event(Result<BackendEvent, OpError>),
    HelloTimeout,
    Accept,
    Retry,
    Departed,
    Restore,
    /// A share of the tables waits to be looked at.
    Settle,
    /// The client may have sent more.
    Heard,
    Stop,
}

impl<B: Backend> Server<B> {
    /// A server that has looked at its dataplane and changed nothing yet.
    ///
    /// # Errors
    ///
    /// When the dataplane cannot be looked at, or the originals cannot be read or written.
    pub async fn start(mut backend: B, options: Options) -> Result<Self, ServerError> {
        let store = options.originals.clone().map(Store::open).transpose()?;
        let stored = match &store {
            Some(store) => store.load()?,
            None => Originals::default(),
        };
        backend.follow(&stored.numbers());
        // Without a bridge there is no table.
        let actual = backend.snapshot(None).await?.actual;
        info!(
            backend = backend.name(),
            filter = actual.filter.is_some(),
            isolated = actual
                .filter
                .as_ref()
                .map_or(0, |filter| filter.isolated.len()),
            held = actual.held.len(),
            "dataplane adopted"
        );
        let mut reconciler = Reconciler::new(stored.clone());
        reconciler.limit(options.limits());
        reconciler.adopt(actual);
        let restore_at = options.restore_after.map(|after| Instant::now() + after);
        let legacy = &options.legacy;
        // What an earlier run changed is remembered, whoever asked for it.
        let learning = legacy.peer_link.map(|port| stored.of(&port).learning);
        let translator = Translator::new(
            legacy,
            match reconciler.actual().filter {
                Some(_) => Isolation::Keep,
                None => Isolation::Off,
            },
            learning != Some(Original::Was(true)),
        );
        let legacy = Legacy::new(legacy.clone(), Listeners::default(), translator);
        Ok(Self {
            backend,
            reconciler,
            options,
            store,
            stored,
            unstored: None,
            refusals: Refusals::default(),
            client: None,
            legacy,
            writer: Writer::Unknown,
            control: control(None),
            reloads: None,
            has_more_batches: false,
            is_listing: false,
            candidate: None,
            foreign: None,
            retry_at: None,
            departs_at: None,
            retry_pauses: RETRY,
            restore_at,
            accept_at: None,
            failing: Failing::default(),
            not_accepting: Failing::new(1),
            blind: None,
        })
    }

    /// Answer operators at this socket, too.
    #[must_use]
    pub fn with_control(mut self, listener: Listener) -> Self {
        self.control = control(Some(listener));
        self
    }

    /// Let legacy clients in at these sockets, too.
    #[must_use]
    pub fn with_legacy(mut self, listeners: Listeners) -> Self {
        self.legacy = Legacy::new(self.legacy.options, listeners, self.legacy.translator);
        self
    }

    /// Take over options that come through this channel while serving: users who may connect, what
    /// happens without a client and at a stop, and what is published to legacy clients. The rest is taken
    /// from the options that the server was started with.
    #[must_use]
    pub fn with_reloads(mut self, reloads: mpsc::Receiver<Options>) -> Self {
        self.reloads = Some(reloads);
        self
    }

    /// Serve until `stop`, then say so to the client and leave or restore the dataplane.
    ///
    /// # Errors
    ///
    /// When the backend has no more events.
    pub async fn run(
        mut self,
        mut listener: Listener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let ended = self.serve(&mut listener, stop).await;
        if let Some(foreign) = &mut self.foreign {
            foreign.client.confirm_until_now();
        }
        match &ended {
            Ok(()) => {
                let by = Instant::now() + LAST_WORK;
                if self.options.restore_on_stop {
                    info!("restoring the dataplane");
                    // First: what was confirmed is no longer to be relied upon.
                    let text = "mclagsyncd is stopping, and restores the dataplane";
                    self.close_all(ErrorCode::Restoring, text);
                    self.reconciler.want_nothing();
                    self.settle_all(by).await?;
                    self.finish_departure(by).await?;
                    self.release_foreign().await;
                    if let Some(foreign) = &mut self.foreign {
                        foreign.client.finish(by).await;
                    }
                } else if self.has_begun() {
                    // It was answered when its first share was done, and nobody will ask for it again.
                    info!("finishing what was begun");
                    self.settle_all(by).await?;
                    self.finish_departure(by).await?;
                }
                self.close_all(ErrorCode::Stopping, "mclagsyncd is stopping");
            }
            Err(error) => self.close_all(ErrorCode::Failed, &chain(error)),
        }
        ended
    }

    async fn serve(
        &mut self,
        listener: &mut Listener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let mut stop = std::pin::pin!(stop);
        loop {
            // Has the runtime look at the sockets, which it does not while one of them has something.
            yield_now().await;
            match self.next(listener, stop.as_mut()).await {
                Next::Accepted(Ok(stream)) => {
                    if self.not_accepting.done(&()).is_some() {
                        info!("connections are accepted again");
                    }
                    self.admit(stream);
                }
                Next::Accepted(Err(error)) => {
                    if self.not_accepting.failed((), &error.to_string()) {
                        error!(%error, "cannot accept connections");
                    }
                    self.accept_at = Some(Instant::now() + ACCEPT_PAUSE);
                }
                Next::Accept => self.accept_at = None,
                Next::Client(Ok(())) => {}
                Next::Client(Err(lost)) => self.drop_client(&lost),
                Next::Candidate(moved) => self.hear_candidate(moved),
                Next::Legacy(event) => self.hear_legacy(event).await,
                Next::LegacyDue => self.legacy_due().await,
                Next::Reload(options) => self.reload(options).await,
                Next::Question(question) => self.answer(question),
                Next::Event(event) => self.observe(event?).await?,
                Next::HelloTimeout => self.give_up_candidate(),
                Next::Foreign(happened) => self.hear_foreign(happened),
                Next::ForeignDue => self.look_at_doubtful(),
                Next::Settle => drop(self.settle().await),
                Next::Heard => {}
                Next::Retry => {
                    self.retry_at = None;
                    self.reconciler.retry();
                    let _ = self.settle().await;
                }
                Next::Departed => self.hosts_have_left(Instant::now() + LAST_WORK).await?,
                Next::Restore => {
                    warn!("no client for too long: restoring the dataplane");
                    self.restore_at = None;
                    self.legacy.translator.forget();
                    // Nobody's word is in force any more that could be said again.
                    self.writer = Writer::Unknown;
                    self.reconciler.want_nothing();
                    let _ = self.settle().await;
                    self.release_foreign().await;
                }
                Next::Stop => return Ok(()),
            }
            self.serve_client().await;
            self.inform_legacy();
        }
    }

    async fn next(
        &mut self,
        listener: &mut Listener,
        stop: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> Next {
        let client = self.client.as_mut();
        // A client that waits to be let in is one.
        let is_waiting = |candidate: &Candidate| candidate.hello.is_some();
        let is_alone = !self.candidate.as_ref().is_some_and(is_waiting);
        let hello_by = self.candidate.as_ref().map(|candidate| candidate.by);
        let candidate = self.candidate.as_mut();
        let speaking = candidate.filter(|candidate| candidate.hello.is_none());
        let candidate = speaking.map(|candidate| &mut candidate.connection);
        let foreign_at = self.foreign.as_ref().and_then(Foreign::deadline);
        let legacy_at = self.legacy.deadline();
        // While the bridge cannot be looked at, the table waits for the next attempt.
        let has_more = self.reconciler.has_more() && self.reconciler.needs_snapshot().is_none();
        let has_more_batches = self.has_more_batches;
        tokio::select! {
            accepted = listener.accept(), if self.accept_at.is_none() => Next::Accepted(accepted),
            moved = progress(client) => Next::Client(moved),
            moved = progress(candidate) => Next::Candidate(moved),
            event = self.legacy.sockets.next() => Next::Legacy(event),
            () = wait_until(legacy_at) => Next::LegacyDue,
            happened = foreign::next_of(self.foreign.as_mut()) => Next::Foreign(happened),
            () = wait_until(foreign_at) => Next::ForeignDue,
            options = reload(self.reloads.as_mut()) => Next::Reload(options),
            question = self.control.next() => Next::Question(question),
            event = self.backend.next_event() => Next::Event(event),
            () = wait_until(hello_by) => Next::HelloTimeout,
            () = wait_until(self.accept_at) => Next::Accept,
            () = wait_until(self.retry_at) => Next::Retry,
            () = wait_until(self.departs_at) => Next::Departed,
            () = wait_until(self.restore_at), if is_alone => Next::Restore,
            () = ready(()), if has_more => Next::Settle,
            () = ready(()), if has_more_batches => Next::Heard,
            () = stop => Next::Stop,
        }
    }

    async fn reload(&mut self, now: Options) {
        let Options {
            access,
            restore_after,
            restore_on_stop,
            originals: _,
            bridge,
            routed,
            legacy,
        } = now;
        self.options.bridge = bridge;
        self.options.routed = routed;
        self.reconciler.limit(self.options.limits());
        // Nobody waits for an answer to it.
        drop(self.settle().await);
        self.options.access.users = access.users;
        self.options.restore_on_stop = restore_on_stop;
        let nobody = self.client.is_none() && self.legacy.sockets.is_empty();
        if nobody && restore_after != self.options.restore_after {
            self.restore_at = restore_after.map(|after| Instant::now() + after);
        }
        self.options.restore_after = restore_after;
        self.configure_legacy(legacy).await;
    }

    /// Carry out what the client asked for, up to one batch, and send it what it may get.
    async fn serve_client(&mut self) {
        self.has_more_batches = false;
        if let Err(lost) = self.hear_client().await {
            self.drop_client(&lost);
        }
    }

    async fn hear_client(&mut self) -> Result<(), Lost> {
        loop {
            self.answer_shared()?;
            let Some(client) = &mut self.client else {
                return Ok(());
            };
            // Before the bridge is known nothing is seen, which is not to say that nothing is there.
            match &self.foreign {
                Some(foreign) if !foreign.is_of_our_kernel => {
                    let knows_members = client.capabilities.contains(Capabilities::SETTINGS);
                    client.send_events(|| foreign.table(knows_members))?;
                }
                foreign if self.reconciler.actual().bridge.is_some() => {
                    let doubtful = RefCell::default();
                    let is_host = |seen: &(FdbKey, Observation)| match foreign {
                        Some(foreign) => foreign.is_host(seen, &doubtful),
                        None => true,
                    };
                    let seen = || self.reconciler.observations().filter(is_host);
                    client.send_events(|| seen().map(observation))?;
                    if let Some(foreign) = &mut self.foreign {
                        foreign.look_again_at(doubtful.into_inner());
                    }
                }
                _ => {}
            }
            client.flush();
            match client.next_message()? {
                None => return Ok(()),
                Some(ClientMessage::Batch { number, ops }) => {
                    client.count_batch(number)?;
                    if self.foreign.is_some() {
                        self.share_batch(number, &ops).await?;
                    } else {
                        let results = self.carry_out_batch(number, &ops).await;
                        if let Some(client) = &mut self.client {
                            client.send(&ServerMessage::BatchResult { number, results })?;
                            client.flush();
                        }
                    }
                    // Ports and hosts have their turn before the next one.
                    self.has_more_batches = true;
                    return Ok(());
                }
                Some(ClientMessage::Credit { up_to }) => {
                    client.credit = client.credit.max(up_to);
                }
                Some(ClientMessage::Bye) => return Err(Lost::Bye),
                Some(ClientMessage::Hello(_)) => {
                    return Err(Lost::Unexpected("a second hello".to_owned()));
                }
            }
        }
    }

    async fn carry_out_batch(&mut self, number: u64, ops: &[Op]) -> Vec<Result<(), OpError>> {
        self.reconciler.accept(ops);
        let results = self.settle().await;
        let failed = results.iter().filter(|result| result.is_err()).count();
        debug!(number, ops = ops.len(), failed, "batch carried out");
        results
    }

    /// What it had begun will not end, and nobody waits for answers.
    fn client_gone(&mut self) {
        self.reconciler.client_gone();
        if let Some(foreign) = &mut self.foreign {
            foreign.client_gone(self.reconciler.actual());
        }
    }

    fn drop_client(&mut self, lost: &Lost) {
        let Some(client) = self.client.take() else {
            return;
        };
        let pid = client.peer.pid;
        let skipped = client.skipped();
        match lost {
            Lost::Bye => info!(pid, skipped, "client left, the dataplane stays as it is"),
            lost => {
                warn!(pid, skipped, reason = %lost, "client lost, the dataplane stays as it is");
            }
        }
        if let Some(code) = lost.code() {
            client.close(code, &lost.to_string());
        }
        self.client_gone();
        self.put_off_restoring();
    }

    /// There was a client until now.
    fn put_off_restoring(&mut self) {
        let after = self.options.restore_after;
        self.restore_at = after.map(|after| Instant::now() + after);
    }

    fn close_all(&mut self, code: ErrorCode, text: &str) {
        let connections = self.client.take().into_iter();
        for connection in
            connections.chain(self.candidate.take().map(|candidate| candidate.connection))
        {
            connection.close(code, text);
        }
    }
}

fn control(listener: Option<Listener>) -> ctl::Server<dataplane::Request, dataplane::Reply> {
    let refusal = |message| dataplane::Reply::Error { message };
    ctl::Server::new(listener, MAX_OPERATORS, refusal)
}

fn observation((key, observation): (FdbKey, Observation)) -> Event {
    Event::Fdb { key, observation }
}

async fn progress(connection: Option<&mut Connection>) -> Result<(), Lost> {
    match connection {
        Some(connection) => connection.progress().await,
        None => std::future::pending().await,
    }
}

async fn reload(reloads: Option<&mut mpsc::Receiver<Options>>) -> Options {
    let reloads = match reloads {
        Some(reloads) => reloads.recv().await,
        None => None,
    };
    match reloads {
        Some(options) => options,
        // Nobody is left who could send any.
        None => std::future::pending().await,
    }
}
