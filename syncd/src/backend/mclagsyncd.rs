//! A foreign `mclagsyncd` as a dataplane: the client of version 1 of the protocol, over TCP
//! (`spec/mclagsyncd-protocol.md`).
//!
//! Connects again whenever the connection is lost; then everything has to be sent again. Version 1
//! has no answers: an operation counts as done when the socket took the message.
//!
//! Here: who is connected, and what that means. `connection`: one connection. `receive`: what the
//! server sends. [`crate::v1::to`]: from operations to messages. `configuration`: the settings that the
//! server sends. Bounds: [`WINDOW`] batches of outgoing messages, one read of incoming ones, and the
//! table of what the server has learned.

use std::collections::{HashSet, VecDeque};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mclag_daemon::dial::{Backoff, Dialler};
use mclag_daemon::limit::{self, Log};
use mclag_daemon::pipe::Progress;
use mclag_proto::mclagdctl::ToSyncd;
use mclag_proto::sync::model::{Abilities, Event, FdbKey, Observation, Op, OpError};
use mclag_proto::sync::settings::PairSettings;
use mclag_proto::sync::v1::{ClientMessage, Dialect};
use mclag_proto::{DomainId, IfName, Mac, Vid};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use crate::v1::codec::StreamError;
use crate::v1::to::Translator;
pub use config_db::{ConfigDb, Configured};
use configuration::Configuration;
use connection::{SETTLE_LATEST, SETTLE_QUIET, SILENCE, ServerConnection, Unanswered, Woke};
pub use counters::Counters;
pub use memory::{Memory, MemoryError};

mod config_db;
mod configuration;
mod connection;
mod counters;
mod memory;
mod pace;
mod receive;

/// An attempt to connect.
async fn dial(place: Option<Place>) -> io::Result<TcpStream> {
    let Some(Place { address, .. }) = place else {
        return pending().await;
    };
    match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
mod tests;

/// Batches that may wait for the socket.
pub const WINDOW: u32 = 8;
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a server that pushes nothing is asked for changes of its forwarding table. The daemon
/// it was made for asks every 60 s; a host is unknown to the other chassis for that long.
const POLL: Duration = Duration::from_secs(5);
/// How long a server is not believed of VLAN 1 after the last entry of another VLAN: a bridge forgets a host in this time,
/// so it may have seen one of that VLAN until then.
const DOUBTED: Duration = Duration::from_secs(300);
/// Time in which a server that reads surely carries out what it was sent.
pub const CARRIES_OUT: Duration = pace::CARRIES_OUT;
/// Number of what is sent and no client waits for.
pub const UNASKED: u64 = 0;
/// Most memberships of ports in VLANs that are kept.
const MAX_VLAN_MEMBERS: usize = 1 << 18;

/// Where a server may be found, and how it speaks there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Its address.
    pub address: SocketAddr,
    /// Its dialect, if the address decides it.
    pub dialect: Option<Dialect>,
}

/// What was waited for.
enum Awaited<R> {
    /// An attempt to connect ended.
    Dialled(io::Result<TcpStream>),
    /// The connection has something.
    Woke(io::Result<Woke>),
    /// CONFIG_DB was read, or could not be.
    Read(R),
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerEvent {
    /// The server is there, and it is known how it speaks: everything has to be sent to it.
    Up {
        /// What it can do.
        abilities: Abilities,
        /// What to call it.
        name: String,
    },
    /// It is gone.
    Down,
    /// The messages of a batch have left.
    Done {
        /// Its number.
        batch: u64,
        /// The operations that could not be sent, by index.
        failures: Vec<(u32, OpError)>,
        /// They change which ports are isolated.
        isolates: bool,
    },
    /// What the server sees. [`Event::SnapshotBegin`] comes with the connection,
    /// [`Event::SnapshotEnd`] when the server has sent everything that it sends on its own.
    Event(Event),
    /// The settings of the pair changed; none while they are not complete.
    Settings(Option<Box<PairSettings>>),
}

/// The connection to a foreign server.
#[derive(Debug)]
pub struct Client {
    places: Vec<Place>,
    /// Which of them is tried next.
    next_place: usize,
    dialler: Dialler<io::Result<TcpStream>>,
    connection: Option<Box<ServerConnection>>,
    complained: bool,
    translator: Translator,
    configuration: Configuration,
    /// The settings as reported last.
    reported: Option<Box<PairSettings>>,
    /// The server sent on this connection or on one before all that it sends of the settings.
    has_configuration: bool,
    /// Keeps the settings across a restart.
    memory: Option<Memory>,
    /// Decides which pair there is, where it can be read.
    config_db: Option<ConfigDb>,
    /// They are to be written there.
    is_changed: bool,
    /// Since when nobody confirms the settings; none while they are told, or there are none.
    unconfirmed_since: Option<Instant>,
    /// The chassis' own MAC as the client gave it and as the server names it, when they last differed.
    differ: Option<(Mac, Mac)>,
    /// Messages of the connections before.
    counters: Counters,
    /// The server is asked what changed.
    asks: bool,
    /// What the server says of VLAN 1 is not believed (`receive`).
    doubts_vlan_1: bool,
    /// None while the server was sent no entry of another VLAN on this connection.
    vlan_1_is_doubtful_until: Option<Instant>,
    /// Entries of ours that a server which is polled reported as deleted, since it was asked last and before.
    deleted: [HashSet<FdbKey>; 2],
    happened: VecDeque<ServerEvent>,
    log: Log,
}

impl Client {
    /// Not connected yet: that begins with the first [`Client::next`]. The places are tried in turn;
    /// there is at least one.
    #[must_use]
    pub fn new(places: Vec<Place>) -> Self {
        Self {
            translator: Translator::new(Dialect::Sonic),
            dialler: Dialler::new(RETRY, dial(places.first().copied())),
            places,
            next_place: 0,
            connection: None,
            complained: false,
            configuration: Configuration::default(),
            reported: None,
            has_configuration: false,
            memory: None,
            config_db: None,
            is_changed: false,
            unconfirmed_since: None,
            differ: None,
            counters: Counters::default(),
            asks: true,
            doubts_vlan_1: false,
            vlan_1_is_doubtful_until: None,
            deleted: Default::default(),
            happened: VecDeque::new(),
            log: Log::default(),
        }
    }

    /// Remember the settings there, and begin with what is remembered.
    #[must_use]
    pub fn remembering(mut self, mut memory: Memory) -> Self {
        if let Some((received, confirmed)) = memory.recall() {
            self.configuration.remember(received);
            self.unconfirmed_since = Some(confirmed);
            self.reported = self.configuration.settings().map(Box::new);
            self.name_own();
            let domain = self.configuration.domain();
            let domain = domain.map(tracing::field::display);
            let age_s = confirmed.elapsed().as_secs();
            tracing::info!(
                domain,
                age_s,
                "the pair is remembered until the mclagsyncd server names one"
            );
        }
        self.memory = Some(memory);
        self
    }

    /// The domain that no server confirmed on this connection, and for how long at most.
    #[must_use]
    pub fn remembered(&self) -> Option<(DomainId, Duration)> {
        let since = self.unconfirmed_since?;
        Some((self.configuration.domain()?, since.elapsed()))
    }

    /// Forget the pair that is remembered. The domain that it had.
    ///
    /// # Errors
    ///
    /// When none is remembered: there is none, or it is confirmed.
    pub fn forget_pair(&mut self) -> Result<DomainId, NothingRemembered> {
        self.ask_config_db();
        let domain = match (self.configuration.domain(), self.unconfirmed_since) {
            (None, _) => return Err(NothingRemembered::NoPair),
            (Some(domain), None) => return Err(NothingRemembered::Named(domain)),
            (Some(domain), Some(_)) => domain,
        };
        for (port, vid) in self.configuration.forget() {
            let member = false;
            self.event(Event::VlanMember { port, vid, member });
        }
        self.has_configuration = true;
        self.unconfirmed_since = None;
        self.report_changed(None);
        self.is_changed = true;
        self.memorise();
        Ok(domain)
    }

    /// Remember that what the server named was so until now: this process ends.
    pub fn confirm_until_now(&mut self) {
        if self.unconfirmed_since.is_none()
            && let Some(memory) = &mut self.memory
        {
            memory.confirm(Instant::now());
        }
    }

    /// From now on nobody confirms the settings, if somebody did.
    fn unconfirmed(&mut self) {
        if self.unconfirmed_since.is_none() && self.configuration.domain().is_some() {
            self.confirm_until_now();
            self.unconfirmed_since = Some(Instant::now());
        }
    }

    /// Have the memory know what is in force, if that changed.
    fn memorise(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        if let Some(memory) = &mut self.memory {
            let confirmed = self.unconfirmed_since.unwrap_or_else(Instant::now);
            memory.keep(self.configuration.to_remember(), confirmed);
        }
    }

    /// Whether the server answers on this host: its kernel is ours.
    #[must_use]
    pub fn is_on_this_host(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.address.ip().to_canonical().is_loopback())
    }

    /// From now on it is known from elsewhere what the server sees of its table: it is not asked any more. Or it is.
    pub fn ask(&mut self, asks: bool) {
        self.asks = asks;
    }

    /// Whether the server was programmed to forward this address to this port.
    #[must_use]
    pub fn is_programmed(&self, key: &FdbKey, port: &IfName) -> bool {
        self.translator.is_programmed(key, port)
    }

    /// Whether the server was sent this, and may be about to carry it out although it was sent otherwise since. It is
    /// for [`CARRIES_OUT`] at the most, unless the server does not read.
    #[must_use]
    pub fn may_yet_program(&self, key: &FdbKey, port: &IfName) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.may_be_carried_out(key, port))
    }

    /// The server has this entry, as is known from elsewhere: asked for next, it is not sent.
    pub fn is_there(&mut self, key: FdbKey) {
        self.translator.is_there(key);
    }

    /// The server no longer has this entry, as is known from elsewhere: asked for again, it is sent again.
    pub fn vanished(&mut self, key: &FdbKey) {
        self.translator.vanished(key);
    }

    /// Queue what a batch means; without a connection it is dropped.
    pub fn send(&mut self, batch: u64, ops: &[Op]) {
        if self.connection.is_none() {
            return;
        }
        let mut failures = Vec::new();
        let mut isolates = false;
        let new = self.new_entries(ops);
        let messages = self.translator.apply(ops);
        self.doubt_vlan_1();
        self.compare_node_macs();
        let Some(connection) = &mut self.connection else {
            return;
        };
        for message in messages {
            let is_list = matches!(message, ClientMessage::PortIsolate(_));
            isolates |= is_list;
            if let Err(error) = connection.queue(message, &new) {
                report(&mut self.log, connection.address, &error);
                if is_list {
                    connection.counters.not_sent(ToSyncd::PortIsolation);
                    // A part of the list would lift what is missing from it, so none of it was
                    // sent, and nobody may rely on it (P-2).
                    failures = ports_failed(ops, &error);
                    self.translator.list_failed();
                }
            }
        }
        connection.feed();
        connection.unanswered.push_back(Unanswered {
            batch,
            after: connection.queued(),
            failures,
            isolates,
        });
        self.answer();
    }

    /// Addresses in these operations of which the server has nothing, as far as is known. Only what waits for a server
    /// that has to be waited for needs to be told apart.
    fn new_entries(&self, ops: &[Op]) -> HashSet<FdbKey> {
        let is_paced = self.connection.as_ref().is_some_and(|c| c.is_paced());
        let ops = if is_paced { ops } else { &[] };
        let keys = ops.iter().filter_map(|op| match op {
            Op::Fdb { key, .. } => Some(*key),
            _ => None,
        });
        keys.filter(|key| !self.translator.may_be_there(key))
            .collect()
    }

    /// Go on until everything has left, or until then.
    pub async fn finish(&mut self, by: Instant) {
        while !self.is_idle() && timeout_at(by, self.next()).await.is_ok() {}
    }

    /// Write what the socket takes at once.
    pub async fn flush_now(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.flush_now();
            self.answer();
        }
    }

    /// True when everything has left, or nobody is there to take it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_none_or(|connection| connection.is_idle())
    }

    /// No client waits any more for the answers to what was sent.
    pub fn forget_batches(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.unanswered.retain(|sent| sent.batch == UNASKED);
        }
    }

    /// What the server can do, if it is there.
    #[must_use]
    pub fn abilities(&self) -> Option<(Abilities, Dialect)> {
        let dialect = self.connection.as_ref()?.dialect?;
        Some((abilities(dialect), dialect))
    }

    /// Messages in both directions since start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        if let Some(connection) = &self.connection {
            counters.add(&connection.counters);
        }
        counters
    }

    /// What the server has learned, as it reported on this connection, as far as it is believed.
    pub fn observations(&self) -> impl Iterator<Item = (FdbKey, Observation)> {
        let seen = self.translator.observations();
        seen.filter(|(key, _)| self.is_believed(key))
    }

    /// Number of addresses that the server has learned.
    #[must_use]
    pub fn table_len(&self) -> usize {
        self.translator.learned_len()
    }

    /// Ports that are in a VLAN, as the server reported.
    pub fn vlan_members(&self) -> impl Iterator<Item = (IfName, Vid)> {
        self.configuration.vlan_members()
    }

    /// Whether the server has sent everything that it sends on its own.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|c| c.dialect.is_some() && !c.is_listing)
    }

    /// The settings of the pair; none while it is not known whether there is one.
    #[must_use]
    pub fn settings(&self) -> Option<Option<&PairSettings>> {
        let is_known = self.has_configuration || self.reported.is_some();
        is_known.then_some(self.reported.as_deref())
    }

    /// The rest of what was received.
    pub fn ready(&mut self) -> Option<ServerEvent> {
        self.happened.pop_front()
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> ServerEvent {
        loop {
            if let Some(happened) = self.ready() {
                return happened;
            }
            let (connection, dialler) = (&mut self.connection, &mut self.dialler);
            let server = async {
                match connection {
                    None => Awaited::Dialled(dialler.next().await),
                    Some(connection) => Awaited::Woke(connection.wait().await),
                }
            };
            let awaited = tokio::select! {
                biased;
                awaited = server => awaited,
                read = config_db::next(&mut self.config_db) => Awaited::Read(read),
            };
            match awaited {
                Awaited::Read(read) => self.config_db_was_read(read),
                Awaited::Dialled(Ok(stream)) => self.connected(stream),
                Awaited::Dialled(Err(error)) => self.lose(&error.to_string()),
                Awaited::Woke(woke) => match woke {
                    Ok(Woke::Progress(Progress::Read(0))) => self.lose("closed by the server"),
                    Ok(Woke::Progress(progress)) => {
                        // Something may have left as well.
                        self.answer();
                        if matches!(progress, Progress::Read(_)) {
                            self.received();
                        }
                    }
                    Ok(Woke::Settled) => self.settled(),
                    Ok(Woke::Poll) => self.poll(),
                    Err(error) => self.lose(&error.to_string()),
                },
            }
        }
    }

    fn connected(&mut self, stream: TcpStream) {
        // The address that answers decides the dialect (`spec/mclagsyncd-protocol.md` 9.2).
        let place = self.places[self.next_place % self.places.len()];
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        self.connection = Some(Box::new(ServerConnection::new(stream, place)));
        self.ask_config_db();
        self.complained = false;
        if let Some(dialect) = place.dialect {
            self.decided(dialect);
        }
    }

    /// It is known how the server speaks: for the core the connection begins.
    fn decided(&mut self, dialect: Dialect) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        tracing::info!(address = %connection.address, %dialect, "mclagsyncd server connected");
        let now = Instant::now();
        let is_known = dialect.has_settings() && self.reported.is_some();
        connection.begin(
            dialect,
            now,
            if is_known {
                SETTLE_LATEST
            } else {
                SETTLE_QUIET
            },
        );
        self.translator.connected(dialect);
        self.deleted = Default::default();
        self.doubts_vlan_1 = false;
        self.vlan_1_is_doubtful_until = None;
        self.configuration.connected();
        self.happened.push_back(ServerEvent::Up {
            abilities: abilities(dialect),
            name: format!("mclagsyncd-v1, {dialect}"),
        });
        self.event(Event::SnapshotBegin);
    }

    fn lose(&mut self, reason: &str) {
        let place = self.places.get(self.next_place % self.places.len().max(1));
        let address = place.map(|place| place.address.to_string());
        if let Some(connection) = &mut self.connection {
            tracing::warn!(address, reason, "mclagsyncd server lost");
            self.counters.add(&connection.lost());
            self.complained = true;
            if connection.dialect.is_some() {
                self.happened.push_back(ServerEvent::Down);
            }
            self.unconfirmed();
        } else {
            // Somebody else may be found at the next place.
            self.next_place = (self.next_place + 1) % self.places.len().max(1);
            if !self.complained && self.next_place == 0 {
                tracing::warn!(address, reason, "mclagsyncd server is not reachable");
                self.complained = true;
            }
        }
        self.connection = None;
        let place = self.places.get(self.next_place);
        self.dialler.again(dial(place.copied()));
    }

    fn event(&mut self, event: Event) {
        self.happened.push_back(ServerEvent::Event(event));
    }

    /// Report the batches whose messages have all left.
    fn answer(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        while let Some(front) = connection.unanswered.front()
            && front.after <= connection.left
        {
            let Some(done) = connection.unanswered.pop_front() else {
                return;
            };
            let Unanswered {
                batch,
                after: _,
                failures,
                isolates,
            } = done;
            self.happened.push_back(ServerEvent::Done {
                batch,
                failures,
                isolates,
            });
        }
    }

    fn poll(&mut self) {
        self.doubt_vlan_1();
        let Some(connection) = &mut self.connection else {
            return;
        };
        if connection.dialect.is_none() && connection.probed {
            connection.presumed = true;
            self.decided(Dialect::Sonic);
            return;
        }
        connection.poll_at = Instant::now()
            + match connection.dialect {
                Some(_) => POLL,
                None => SILENCE,
            };
        connection.probed = true;
        if !self.asks && connection.dialect.is_some() && !connection.presumed {
            return;
        }
        if connection.is_pressed() {
            return; // it does not read, and they would pile up
        }
        // The same bytes in both dialects that know it; the other skips it.
        let poll = ClientMessage::GetFdbChanges.encode(Dialect::LinuxMclag);
        let poll = poll.map_err(StreamError::from);
        match poll.and_then(|poll| connection.queue_bytes(poll)) {
            Ok(()) => connection.feed(),
            Err(error) => report(&mut self.log, connection.address, &error),
        }
        self.count_deletions();
    }

    fn settled(&mut self) {
        let mut was_listing = false;
        if let Some(connection) = &mut self.connection {
            connection.settle = None;
            was_listing = std::mem::take(&mut connection.is_listing);
        }
        // Not before: one that takes connections and drops them is not to be dialled in a hurry.
        self.dialler.reset();
        self.is_changed = true;
        for (port, vid) in self.configuration.settle() {
            let member = false;
            self.event(Event::VlanMember { port, vid, member });
        }
        let dialect = self.abilities().map(|(_, dialect)| dialect);
        self.has_configuration |= dialect.is_some_and(Dialect::has_settings);
        if was_listing {
            self.event(Event::SnapshotEnd);
        }
        self.report_settings();
        self.memorise();
    }
}

/// Why no pair was forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NothingRemembered {
    /// There is none.
    #[error("no pair is remembered")]
    NoPair,
    /// It is the server that has it, or CONFIG_DB.
    #[error(
        "domain {0} is not remembered: the mclagsyncd server or CONFIG_DB has it; delete it there"
    )]
    Named(DomainId),
}

/// What a server of this dialect can do.
const fn abilities(dialect: Dialect) -> Abilities {
    Abilities {
        redirect: false,
        tracking: false,
        hold: matches!(dialect, Dialect::Sonic),
        pair: true,
        interfaces: true,
        neighbours: false,
        node_mac: true,
    }
}

/// A failure for each operation on a port.
fn ports_failed(ops: &[Op], error: &StreamError) -> Vec<(u32, OpError)> {
    let ports = (0_u32..)
        .zip(ops)
        .filter(|(_, op)| matches!(op, Op::Port { .. }));
    let failure = |(index, _)| {
        // Tried again it is as long.
        let text = format!("isolation list: {error}");
        (index, OpError::unsupported(text))
    };
    ports.map(failure).collect()
}

fn report(log: &mut Log, address: SocketAddr, error: &dyn std::fmt::Display) {
    const SKIPPED: limit::Kind = limit::Kind::new("message of mclagsyncd skipped");
    if log.takes(SKIPPED, "") {
        tracing::warn!(%address, %error, "message of mclagsyncd skipped");
    }
}
