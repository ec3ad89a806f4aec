//! Feeds the core and carries out what it asks for.
//!
//! One loop owns the pair. It waits in one place (`next_event`), hands what happened to the core, and
//! drains the core until it has nothing more to ask. Nothing here waits for a neighbour: all writing
//! goes to bounded buffers, and what does not fit waits in the core, where newer states replace older
//! ones.

mod answers;
mod bridge;
mod notices;

use crate::claim::Claim;
use crate::ctl::words;
use crate::dataplane::{Dataplane, DataplaneEvent};
use crate::keepalive::Keepalives;
use crate::kernel::Watch;
use crate::log;
use crate::mclagdctl::{self, counted::Counted, counted::Seen, view::counters};
use crate::peer::{self, Endpoints, Protection, Signing, Transport};
use crate::record::Recorder;
use crate::settings::{Bridge, OnStop, PathSettings};
use iccp_core::{Config, Domain, Input, Output, Time};
use mclag_daemon::ctl::{Question, Server};
use mclag_daemon::lock::LockError;
use mclag_daemon::time::wait_until;
use mclag_proto::IfName;
use mclag_proto::ctl::{Reply, Request, Warning};
use mclag_proto::iccp::Dialect;
use notices::Notices;
use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, ready};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

pub use bridge::PairBridge;
pub use mclag_daemon::signals::Signal;

/// How long a start waits for a dataplane that may say which interfaces have other names. One that is there says so in less.
const NAMES: Duration = Duration::from_millis(250);
/// How long a stop may take to tell the peer and `syncd`.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);
/// Messages of the peer before this chassis' own news have their turn again.
const PEER_SHARE: usize = 256;
/// The same in time: some messages are long, and lead to much.
const PEER_TIME: Duration = Duration::from_millis(2);
/// Reads from the kernel and from the dataplane in a turn. One read gives as much as one message or one
/// listing has.
const OWN_READS: usize = 8;
/// Turns before time is told, if there is that much to be heard. A peer that lives has said so in the
/// first.
const TURNS_BEFORE_TIME: usize = 32;

/// The daemon, wired up.
pub struct Driver {
    /// The pair, if there is one: the settings name it, or the dataplane does at run time.
    pub pair: Option<Pair>,
    /// The dataplane.
    pub dataplane: Dataplane,
    /// The kernel's interfaces.
    pub kernel: Watch,
    /// Operators.
    pub ctl: Server<Request, Reply>,
    /// Operators with the tool of the legacy daemons.
    pub mclagdctl: mclagdctl::server::Server,
    /// What is counted for that tool outside of the core.
    pub counted: Counted,
    /// What is logged.
    pub log: log::Control,
    /// How the other chassis is reached, whoever names it.
    pub peer_transport: PeerTransport,
    /// Tells which paths to it carry anything.
    pub keepalives: Keepalives,
    /// The paths that the settings name.
    pub paths: Vec<PathSettings>,
    /// The pair's bridge.
    pub bridge: PairBridge,
    /// What the settings say by now; none if some of it cannot be used, which is written down.
    pub reread: Box<dyn Fn() -> Option<Reread>>,
    /// What no other daemon of the chassis may have.
    pub claim: Claim,
    /// The settings name the pair: those of the dataplane are ignored.
    pub is_fixed: bool,
    /// The origin of the core's time.
    pub origin: Instant,
    /// What a stop means.
    pub on_stop: OnStop,
    /// Log lines.
    pub notices: Notices,
    /// Why the pair that the dataplane names cannot be had.
    pub taken: Option<LockError>,
    /// Interfaces that are called otherwise by the kernel, by the names of a pair that is not known yet.
    pub kept: BTreeMap<IfName, u32>,
    /// Settings that came while a pair was ending.
    pub later: Option<Option<Box<Config>>>,
    /// What the core is told, written down.
    pub recorder: Recorder,
    /// Turns that were taken since the deadline has passed.
    pub overdue: usize,
}

/// How the other chassis is reached, as far as it does not depend on which one it is.
#[derive(Clone, Copy, Debug)]
pub struct PeerTransport {
    /// TCP port that both listen on.
    pub port: u16,
    /// Interface that the control session is confined to.
    pub device: Option<IfName>,
    /// The dialect that is spoken; none to find out which.
    pub dialect: Option<Dialect>,
    /// What keeps others out.
    pub protection: Protection,
}

/// What a reload can change.
#[derive(Clone, Debug)]
pub struct Reread {
    /// The pair, and where its bridge is from; none if the settings do not describe it.
    pub pair: Option<(Config, Bridge)>,
    /// What the session is signed with.
    pub signing: Signing,
    /// The paths that keepalives are sent on.
    pub paths: Vec<PathSettings>,
}

/// A pair and the way to its other half.
pub struct Pair {
    /// Every decision.
    pub domain: Domain,
    /// The other chassis.
    pub peer: Transport,
    endpoints: Endpoints,
}

/// What the loop woke up for.
enum Event {
    Input(Input),
    Settings(Option<Box<Config>>),
    Kept(u32, IfName),
    Question(Question<Request, Reply>),
    Legacy(mclagdctl::server::Question),
    /// There may be room for messages to the peer, or it is time for another turn.
    Wrote,
    /// The core's deadline has passed.
    Due,
    Signal(Signal),
}

impl Pair {
    /// A pair that has seen nothing yet.
    #[must_use]
    pub fn new(config: Config, peer_transport: PeerTransport) -> Self {
        let endpoints = endpoints(&config, peer_transport);
        Self {
            peer: Transport::new(endpoints),
            endpoints,
            domain: Domain::new(config),
        }
    }

    fn carry_out(&mut self, notices: &mut Notices) {
        while let Some(output) = self.domain.poll_output() {
            match output {
                Output::Connect => self.peer.connect(),
                Output::Close {
                    reason,
                    shutdown_notice,
                } => {
                    let reason = words::reason(&reason);
                    tracing::debug!(reason, "closing the connection to the peer");
                    for message in &shutdown_notice {
                        self.peer.send(message);
                    }
                    self.peer.close();
                }
                Output::Notice(notice) => notices.write(notice),
            }
        }
    }
}

/// The interfaces that are followed under other names, and whose LACP state matters.
#[must_use]
pub fn watched(config: &Config) -> BTreeSet<IfName> {
    let ports = config.ports.iter().copied();
    ports.chain(config.peer_link).collect()
}

const fn endpoints(config: &Config, peer_transport: PeerTransport) -> Endpoints {
    Endpoints {
        local: config.local,
        peer: config.peer,
        port: peer_transport.port,
        device: peer_transport.device,
        dialect: peer_transport.dialect,
        protection: peer_transport.protection,
    }
}

impl Driver {
    /// Run until `signals` says to stop, then give shutdown notice. Futures of it are dropped at will.
    ///
    /// # Errors
    ///
    /// When another daemon has the pair that the dataplane names.
    pub async fn run(mut self, mut signals: impl AsyncFnMut() -> Signal) -> Result<(), LockError> {
        if let Some(pair) = &self.pair {
            self.recorder.begin(pair.domain.config(), true);
        }
        // An interface of another name would be taken for a missing one until then.
        if let Ok(names) = timeout(NAMES, self.dataplane.names()).await {
            for (index, name) in names {
                self.keep_name(index, name);
            }
        }
        let signal = loop {
            if let Some(error) = self.taken.take() {
                self.dataplane.bye().await;
                return Err(error);
            }
            self.follow_bridge();
            let has_more = self.drain().await;
            self.follow_paths();
            match self.next_event(signals(), has_more).await {
                Event::Input(input) => {
                    self.handle(input);
                    self.take_turn().await;
                }
                Event::Settings(config) => {
                    self.settings(config).await;
                    self.take_turn().await;
                }
                Event::Kept(index, name) => self.keep_name(index, name),
                Event::Question(question) => self.answer(question),
                Event::Legacy(question) => {
                    let (seen, counted) = (self.seen(), &self.counted);
                    let domain = self.pair.as_ref().map(|pair| &pair.domain);
                    mclagdctl::answer(question, domain, &mut self.log, |counters| {
                        counted.complete(&seen, counters);
                    });
                }
                Event::Wrote => {}
                Event::Due => self.time_passes().await,
                Event::Signal(Signal::Reload) => self.reload(),
                Event::Signal(Signal::Record) => {
                    let config = self.pair.as_ref().map(|pair| pair.domain.config());
                    self.recorder.toggle(config);
                }
                Event::Signal(signal) => break signal,
            }
        };
        self.stop(signal).await;
        Ok(())
    }

    /// Time has passed: first comes what was sent before. A daemon that was stopped, or starved,
    /// would take a peer for silent whose words wait in the socket, or miss what a port waits for.
    async fn time_passes(&mut self) {
        self.overdue += 1;
        if self.overdue > TURNS_BEFORE_TIME || !self.take_turn().await {
            self.overdue = 0;
            self.handle(Input::Timeout);
        }
    }

    /// Hand over what has arrived, before anything is sent: a thousand addresses that came in one
    /// message go on in a few, not in a thousand. A share from each, this chassis' own news first: what
    /// the peer says is without end, if it likes. Returns true if there was anything.
    async fn take_turn(&mut self) -> bool {
        // Has the runtime look at the sockets, which it does not while one of them has something.
        yield_now().await;
        let kernel = self.take_from_kernel().await;
        let dataplane = self.take_from_dataplane().await;
        let peer = self.take_from_peer().await;
        kernel || dataplane || peer
    }

    async fn take_from_kernel(&mut self) -> bool {
        for reads in 0..OWN_READS {
            let input = tokio::select! {
                biased;
                input = self.kernel.next() => input,
                () = ready(()) => return reads > 0,
            };
            self.handle(input);
            while let Some(input) = self.kernel.ready() {
                self.handle(input);
            }
        }
        true
    }

    async fn take_from_dataplane(&mut self) -> bool {
        for reads in 0..OWN_READS {
            let happened = tokio::select! {
                biased;
                happened = next_of_dataplane(&mut self.later, &mut self.dataplane) => happened,
                () = ready(()) => return reads > 0,
            };
            self.take_dataplane_event(happened).await;
            while let Some(happened) = self.dataplane.ready() {
                self.take_dataplane_event(happened).await;
            }
        }
        true
    }

    async fn take_dataplane_event(&mut self, event: DataplaneEvent) {
        match event {
            DataplaneEvent::Input(input) => self.handle(input),
            DataplaneEvent::Settings(config) => self.settings(config).await,
            DataplaneEvent::Kept { name, index } => self.keep_name(index, name),
        }
    }

    /// An interface had this name when this daemon did not run. The core is to know before it asks for anything.
    fn keep_name(&mut self, index: u32, name: IfName) {
        if self.pair.is_none() {
            self.kept.insert(name, index);
        }
        self.kernel.keep_name(index, name);
        while let Some(input) = self.kernel.ready() {
            self.handle(input);
        }
    }

    async fn take_from_peer(&mut self) -> bool {
        let over = Instant::now() + PEER_TIME;
        for messages in 0..PEER_SHARE {
            let event = tokio::select! {
                biased;
                event = next_of(self.pair.as_mut()) => event,
                () = ready(()) => return messages > 0,
            };
            if let peer::Event::Input(input) = event {
                self.handle(input);
            }
            if Instant::now() >= over {
                break;
            }
        }
        true
    }

    fn handle(&mut self, input: Input) {
        let now = self.now();
        self.bridge.note(&input);
        if let Some(pair) = &mut self.pair {
            self.recorder.input(&input, now);
            pair.peer.follow(&input);
            pair.domain.handle(input, now);
            pair.carry_out(&mut self.notices);
        }
    }

    /// Its ports may become members of it later than this daemon starts.
    fn follow_bridge(&mut self) {
        let Some(pair) = &self.pair else {
            return;
        };
        if let Some(config) = self.bridge.follow(&pair.domain) {
            tracing::info!(bridge = %config.bridge, "bridge of the pair found");
            self.handle(Input::Configure(Box::new(config)));
        }
    }

    /// A turn is complete, and whatever has changed the paths has happened by now.
    fn follow_paths(&mut self) {
        let pair = self.pair.as_ref();
        let domain = pair.map(|pair| pair.domain.config().domain);
        let protection = &self.peer_transport.protection;
        self.keepalives.follow(domain, protection, &self.paths);
        self.keepalives.turned(self.dataplane.last_heard());
    }

    fn now(&self) -> Time {
        Time::new(self.origin.elapsed())
    }

    /// With `has_more` there is more to say at once, which gets its turn among the rest.
    async fn next_event(&mut self, signal: impl Future<Output = Signal>, has_more: bool) -> Event {
        let deadline = self.pair.as_ref().and_then(|pair| pair.domain.deadline());
        let deadline = deadline.map(|at| self.origin + at.since_origin());
        if deadline.is_none_or(|at| at > Instant::now()) {
            self.overdue = 0;
        }
        let turn = self.keepalives.next_turn();
        tokio::select! {
            signal = signal => Event::Signal(signal),
            () = ready(()), if has_more => Event::Wrote,
            () = wait_until(deadline) => Event::Due,
            () = wait_until(turn.map(Into::into)) => Event::Wrote,
            input = self.kernel.next() => Event::Input(input),
            event = next_of(self.pair.as_mut()) => event.into(),
            happened = next_of_dataplane(&mut self.later, &mut self.dataplane) => happened.into(),
            () = self.notices.write_what_was_left_out() => Event::Wrote,
            question = self.ctl.next() => Event::Question(question),
            question = self.mclagdctl.next() => Event::Legacy(question),
        }
    }

    /// Say everything the core has to say, as far as there is room. True if what was said has left
    /// already and the core may have more: nothing else would wake us for that.
    async fn drain(&mut self) -> bool {
        let now = self.now();
        let mut was_full = false;
        if let Some(pair) = &mut self.pair {
            pair.carry_out(&mut self.notices);
            while let Some(batch) = pair.domain.poll_batch() {
                self.recorder.batch(&batch);
                self.dataplane.send(batch);
            }
            while pair.peer.has_room()
                && let Some(message) = pair.domain.poll_peer_message(now)
            {
                self.recorder.message(&message);
                pair.peer.send(&message);
            }
            self.recorder.polled(pair.peer.has_room(), now);
            // What was put off is decided when it is asked for, and may be worth a line.
            pair.carry_out(&mut self.notices);
            was_full = !pair.peer.has_room();
        }
        // Now rather than after the next wake-up: an outage lasts as long as these messages take.
        self.dataplane.flush_now().await;
        if let Some(pair) = &mut self.pair {
            pair.peer.flush_now().await;
        }
        was_full && self.pair.as_ref().is_some_and(|p| p.peer.has_room())
    }

    /// The dataplane says something else of the pair.
    async fn settings(&mut self, mut config: Option<Box<Config>>) {
        if let Some(config) = &mut config {
            config.bridge = self.bridge.name();
        }
        if self.is_fixed {
            if let Some(config) = config {
                tracing::info!(domain = %config.domain, "configuration from mclagsyncd ignored");
            }
            return;
        }
        match (&mut self.pair, config) {
            (None, None) => {}
            (None, Some(config)) => self.begin(*config),
            (Some(_), None) => {
                tracing::info!("mclagsyncd no longer has a pair");
                self.end().await;
            }
            (Some(_), Some(config)) => {
                self.reconfigure(config);
            }
        }
    }

    /// False if another daemon has what it takes: then all is as before.
    fn reconfigure(&mut self, config: Box<Config>) -> bool {
        let before = self.pair.as_ref().map(|pair| pair.domain.config());
        if before == Some(&*config) {
            tracing::info!(domain = %config.domain, "configuration of the pair unchanged");
            return true;
        }
        if let Err(error) = self.claim.change(&config, self.peer_transport) {
            tracing::error!(domain = %config.domain, %error, "configuration of the pair cannot be used");
            return false;
        }
        tracing::info!(domain = %config.domain, "configuration of the pair changed");
        let reached = endpoints(&config, self.peer_transport);
        self.kernel.watch(watched(&config));
        self.kernel.bypass(config.bypass.clone());
        self.handle(Input::Configure(config));
        if let Some(pair) = &mut self.pair
            && pair.endpoints != reached
        {
            pair.endpoints = reached;
            pair.peer.move_to(reached);
        }
        true
    }

    /// Take on what the settings say by now: all of it, or nothing.
    fn reload(&mut self) {
        let reread = (self.reread)();
        let before = self.peer_transport.protection.signing;
        let reread = reread.filter(|reread| match before.renewable(&reread.signing) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "configuration cannot be used, keeping the previous settings");
                false
            }
        });
        let taken_on = reread.and_then(|reread| {
            let Reread {
                pair,
                signing,
                paths,
            } = reread;
            self.take_on(pair).then_some((signing, paths))
        });
        match taken_on {
            Some((signing, paths)) => {
                self.sign_with(signing);
                self.paths = paths;
            }
            None if before.is_signed() => tracing::info!("keeping the previous key"),
            None => {}
        }
    }

    /// Take on what the settings say of the pair by now; false if that cannot be.
    fn take_on(&mut self, pair: Option<(Config, Bridge)>) -> bool {
        if !self.is_fixed {
            tracing::info!("mclagsyncd describes the pair; other changes need a restart");
            return true;
        }
        let Some((mut config, found)) = pair else {
            tracing::error!("the configuration no longer describes a pair, which needs a restart");
            return false;
        };
        tracing::info!("configuration read again; other changes need a restart");
        let before = self.bridge;
        config.bridge = self.bridge.found_again(found);
        let is_taken_on = self.reconfigure(Box::new(config));
        if !is_taken_on {
            self.bridge = before;
        }
        is_taken_on
    }

    fn sign_with(&mut self, signing: Signing) {
        let before = std::mem::replace(&mut self.peer_transport.protection.signing, signing);
        if before == signing {
            return;
        }
        match (before.is_signed(), signing.is_signed()) {
            (false, _) => tracing::info!("the session is signed with a key from now on"),
            (true, false) => tracing::warn!("the session is no longer signed"),
            (true, true) => tracing::info!("key of the session changed"),
        }
        if let Some(pair) = &mut self.pair {
            pair.endpoints.protection.signing = signing;
            pair.peer.set_signing(signing);
        }
    }

    fn begin(&mut self, config: Config) {
        if let Err(error) = self.claim.change(&config, self.peer_transport) {
            self.taken = Some(error);
            return;
        }
        tracing::info!(
            domain = %config.domain, local = %config.local, peer = %config.peer,
            ports = config.ports.len(), "mclagsyncd names a pair"
        );
        self.kernel.watch(watched(&config));
        for (name, index) in std::mem::take(&mut self.kept) {
            self.kernel.keep_name(index, name);
        }
        // The rest of a listing whose beginning nobody took: everything is listed again.
        while self.kernel.ready().is_some() {}
        self.kernel.bypass(config.bypass.clone());
        self.kernel.report_again();
        self.recorder.begin(&config, true);
        self.pair = Some(Pair::new(config, self.peer_transport));
        self.dataplane.start_again();
    }

    /// The pair is no more: undo what was done for it.
    async fn end(&mut self) {
        if !self.wind_up(true).await {
            tracing::warn!("the pair ended before everybody was told");
        }
        self.recorder.end("the pair is no more");
        if let Some(Pair { domain, peer, .. }) = self.pair.take() {
            self.counted
                .pair_ends(counters(domain.counters()), peer.ends());
        }
        // Another daemon may have it now.
        self.claim = Claim::default();
    }

    fn seen(&self) -> Seen {
        let peer = self.pair.as_ref().map(|pair| pair.peer.ends());
        Seen {
            peer: peer.unwrap_or_default(),
            kernel_errors: self.kernel.errors(),
        }
    }

    fn answer(&mut self, question: Question<Request, Reply>) {
        let mut reply = match &self.pair {
            Some(pair) => pair.reply(question.request, self.now()),
            None => Reply::Error {
                message: "no pair is configured; mclagsyncd has not named one".to_owned(),
            },
        };
        if let Reply::Peer(peer) = &mut reply {
            peer.paths = self.keepalives.status();
        }
        if let Reply::Status(status) = &mut reply {
            status.syncd.socket = Some(self.dataplane.socket().to_owned());
            let teams = self.kernel.teams_with_bypass();
            let warnings = teams.map(|port| Warning::TeamBypass { port });
            status.warnings.extend(warnings);
        }
        // A client that has gone away meanwhile needs no answer.
        let _ = question.answer.send(reply);
    }

    async fn stop(mut self, signal: Signal) {
        let leave = self.on_stop == OnStop::Leave && signal == Signal::Stop;
        match (signal, leave) {
            (Signal::WarmReboot, _) => tracing::info!("stopping for a warm reboot"),
            (_, true) => tracing::info!("stopping, and leaving the pair"),
            (_, false) => tracing::info!("stopping; the dataplane stays as it is"),
        }
        if signal == Signal::WarmReboot {
            self.handle(Input::WarmReboot);
            self.drain().await;
        }
        if !self.wind_up(leave).await {
            tracing::warn!("stopped before everybody was told");
        }
        self.dataplane.bye().await;
        self.linger().await;
    }

    /// The peer may still be writing when it hears that this is the end: it is listened to until it closes, too,
    /// as long as the transport allows.
    async fn linger(&mut self) {
        if let Some(pair) = &mut self.pair {
            pair.peer.close();
            pair.peer.closed().await;
        }
    }

    /// Stop the core. False if somebody was not told in time, or has not confirmed: then the peer is told all the same.
    async fn wind_up(&mut self, leave: bool) -> bool {
        self.handle(Input::Stop { leave });
        let is_done = timeout(STOP_TIMEOUT, self.send_shutdown_notice()).await;
        if is_done.is_err() {
            self.handle(Input::Stop { leave });
            self.drain().await;
        }
        is_done.is_ok()
    }

    /// Let everything leave that the core still has to say, and let the dataplane answer.
    async fn send_shutdown_notice(&mut self) {
        self.drain().await;
        while let Some(pair) = &mut self.pair
            && !(pair.domain.syncd_is_idle() && self.dataplane.is_idle() && pair.peer.is_flushed())
        {
            let input = tokio::select! {
                event = pair.peer.next() => match event {
                    peer::Event::Input(input) => Some(input),
                    peer::Event::Wrote => None,
                },
                event = self.dataplane.next() => match event {
                    DataplaneEvent::Input(input) => Some(input),
                    DataplaneEvent::Settings(config) => {
                        self.later = Some(config);
                        None
                    }
                    DataplaneEvent::Kept { .. } => None,
                },
            };
            if let Some(input) = input {
                self.handle(input);
            }
            self.drain().await;
        }
    }
}

impl From<peer::Event> for Event {
    fn from(event: peer::Event) -> Self {
        match event {
            peer::Event::Input(input) => Self::Input(input),
            peer::Event::Wrote => Self::Wrote,
        }
    }
}

impl From<DataplaneEvent> for Event {
    fn from(event: DataplaneEvent) -> Self {
        match event {
            DataplaneEvent::Input(input) => Self::Input(input),
            DataplaneEvent::Settings(config) => Self::Settings(config),
            DataplaneEvent::Kept { name, index } => Self::Kept(index, name),
        }
    }
}

async fn next_of(pair: Option<&mut Pair>) -> peer::Event {
    match pair {
        Some(pair) => pair.peer.next().await,
        None => pending().await,
    }
}

/// What the dataplane says, behind settings that it sent before.
async fn next_of_dataplane(
    later: &mut Option<Option<Box<Config>>>,
    dataplane: &mut Dataplane,
) -> DataplaneEvent {
    match later.take() {
        Some(config) => DataplaneEvent::Settings(config),
        None => dataplane.next().await,
    }
}
