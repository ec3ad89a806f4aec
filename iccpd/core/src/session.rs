//! The session with the other chassis: connecting, capabilities, synchronising, keepalive.
//!
//! Follows `spec/iccp.md` 5 (connection machine) and 6 (application machine), which step once per
//! turn of a loop; here each step happens as soon as its event does, so the states that a legacy
//! daemon passes through within a turn (INITIALIZED, CAPREC, INIT) do not exist.
//!
//! ```text
//!            transport up                capability            RG connect
//!   Down ------------------> CapSent ------------------> Connecting ---------+
//!    ^   Capability sent             RG Connect sent                         |
//!    |                                                                       v
//!    +--- transport down, silence, refusal --- Exchange <--- Stage2 <--- Stage1
//! ```
//!
//! Every pair of state and event is an arm of `Session::step`; the table of all of them is in its
//! test. What is not in there is data: when the peer was heard, who it is, what came too early.
//!
//! Stage 1: the standby asks for everything, the active answers. Stage 2: the other way round.
//! Which is which follows from the addresses alone ([`crate::election::dials`]).
//!
//! Two things here are for legacy peers. A session in the wrong group is refused once and then left
//! to its timeout, as they do it: closing it would have both sides reconnect every second
//! ([`Session::message`]). And a peer counts as silent only when it would by its own clock, which
//! knows whole seconds ([`PeerPolicy::silence`]).
//!
//! Not responsible for what the application TLVs mean: they are handed on as they are.

use crate::policy::peer::PeerPolicy;
use crate::reason::Failure;
use crate::timer::{Timer, Timers};
use crate::{Reason, Time};
use mclag_proto::iccp::{Body, RgId, Status, Tlv};
use std::collections::VecDeque;
use std::time::Duration;

/// Delay before the peer is dialled again, the first time. It doubles with each time that does not lead to
/// EXCHANGE.
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest one (`spec/iccp.md` 1.2).
const RETRY: Duration = Duration::from_secs(1);

/// Least time to get synchronised. A legacy peer takes a turn of its loop for each step, and sleeps for a
/// second on each NAK; its session timeout may be as short as a second (`spec/behaviour.md` 3.1).
const SYNCHRONISED: Duration = Duration::from_secs(15);

/// Most messages that are kept until the application is operational.
const MAX_EARLY: usize = 16;

/// State of the session.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SessionState {
    /// No transport (NONEXISTENT).
    Down,
    /// No transport; the peer is being dialled (NONEXISTENT).
    Dialling,
    /// Own capability sent (CAPSENT).
    CapSent,
    /// Own capability sent, and the peer's RG Connect was there before its capability (CAPSENT).
    ConnectFirst,
    /// RG Connect sent (CONNECTING).
    Connecting,
    /// Operational; everything is advertised to the standby.
    Stage1,
    /// Operational; everything is advertised to the active.
    Stage2,
    /// In step.
    Exchange,
}

impl SessionState {
    /// Name for logs, as the specification writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down | Self::Dialling => "DOWN",
            Self::CapSent | Self::ConnectFirst => "CAPSENT",
            Self::Connecting => "CONNECTING",
            Self::Stage1 => "STAGE1",
            Self::Stage2 => "STAGE2",
            Self::Exchange => "EXCHANGE",
        }
    }

    /// There is a transport to the peer.
    #[must_use]
    pub fn is_connected(self) -> bool {
        self >= Self::CapSent
    }

    /// Both sides agreed on the group.
    #[must_use]
    pub fn is_operational(self) -> bool {
        self >= Self::Stage1
    }
}

/// One thing that happens to a session.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Event {
    /// Somebody should dial.
    Start,
    TransportUp,
    /// The transport is gone, or could not be made.
    TransportDown {
        reason: Reason,
    },
    /// This chassis ends the session.
    Close {
        reason: Reason,
    },
    /// This chassis ends the session, or the attempt to make one: it is to be another one.
    Restart {
        reason: Reason,
    },
    Capability,
    /// RG Connect for our group.
    Connect,
    /// RG Connect for another group.
    ConnectTo {
        rg: RgId,
    },
    /// The peer does not accept our group.
    GroupRefused,
    /// The peer leaves our group.
    Left,
    /// The peer rejected a message of ours.
    Rejected {
        id: u32,
    },
    /// Application data.
    Data(Tlv),
    /// A message without consequence.
    Nothing,
    /// The peer has been silent for too long.
    Silence,
    /// There was time enough to get synchronised.
    SynchronisationOver,
    /// The next keepalive is due.
    KeepaliveDue,
}

impl Event {
    fn of(body: Body, rg: RgId) -> Self {
        match body {
            Body::Capability => Self::Capability,
            Body::Connect { rg: named, .. } if named == rg => Self::Connect,
            Body::Connect { rg, .. } => Self::ConnectTo { rg },
            Body::Disconnect { rg: named, status }
                if named == rg && status == Status::RG_REMOVED =>
            {
                Self::Left
            }
            Body::Notification { status, .. } if status == Status::UNKNOWN_RG => Self::GroupRefused,
            Body::Notification { rejected, .. } => Self::Rejected { id: rejected },
            Body::Application { tlv, .. } => Self::Data(tlv),
            Body::Disconnect { .. } | Body::Unknown { .. } => Self::Nothing,
        }
    }
}

/// What the session asks of the domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Dial the peer.
    Connect,
    /// Close the transport.
    Close {
        /// Why.
        reason: Reason,
    },
    /// Send this.
    Send(Body),
    /// Send everything, framed by Sync Data of this number.
    Answer {
        /// Number of the request.
        number: u16,
    },
    /// The state changed.
    Entered {
        /// The state left.
        from: SessionState,
        /// The state entered.
        to: SessionState,
        /// Why, when it is [`SessionState::Down`].
        reason: Option<Reason>,
    },
    /// The peer begins (false) or has finished (true) advertising everything.
    PeerSync {
        /// True at the end.
        end: bool,
    },
    /// An application TLV for the domain.
    Deliver(Tlv),
    /// The peer rejected a message of ours.
    Rejected {
        /// Id of that message.
        id: u32,
    },
    /// The peer leaves the group.
    PeerLeaves,
    /// Something the peer sent was refused.
    Refused {
        /// What and why.
        reason: Reason,
    },
}

/// What the session needs to know.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Our redundancy group.
    pub rg: RgId,
    /// Our address as text, for RG Connect.
    pub sender: String,
    /// True if we dial, which makes us mLACP-active.
    pub dials: bool,
    /// Interval of keepalives.
    pub keepalive: Duration,
    /// Silence after which the session is given up; what is added for the peer's clock is its
    /// policy's ([`PeerPolicy::silence`]).
    pub timeout: Duration,
}

impl SessionConfig {
    fn silence(&self, peer: PeerPolicy) -> Duration {
        peer.silence(self.timeout, self.keepalive)
    }
}

/// The session.
#[derive(Clone, Debug)]
pub struct Session {
    config: SessionConfig,
    state: SessionState,
    since: Time,
    /// A group was refused in this session, by this side or the peer; once is enough.
    group_refused: Option<Reason>,
    /// What has to be allowed for the peer.
    peer: PeerPolicy,
    last_heard: Option<Time>,
    failure: Option<Failure>,
    /// What came before the application was operational.
    early: Vec<Tlv>,
    /// How often it ended, or did not come about, since it was in EXCHANGE.
    retries: u32,
    actions: VecDeque<Action>,
}

impl Session {
    /// A session that has no transport yet.
    #[must_use]
    pub fn new(config: SessionConfig) -> Self {
        Self {
            config,
            state: SessionState::Down,
            since: Time::ZERO,
            group_refused: None,
            peer: PeerPolicy::default(),
            last_heard: None,
            failure: None,
            early: Vec::new(),
            retries: 0,
            actions: VecDeque::new(),
        }
    }

    /// Why the last session ended or did not come about, or what was refused in this one.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The state it is in.
    #[must_use]
    pub const fn state(&self) -> SessionState {
        self.state
    }

    /// When it entered that state.
    #[must_use]
    pub const fn since(&self) -> Time {
        self.since
    }

    /// When the peer was last heard, in this session.
    #[must_use]
    pub const fn last_heard(&self) -> Option<Time> {
        self.last_heard
    }

    /// True once both sides agreed on the group.
    #[must_use]
    pub fn is_operational(&self) -> bool {
        self.state.is_operational()
    }

    /// True while there is a transport.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state.is_connected()
    }

    /// Next action; to be drained after every call.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Dial if it is our turn to. Harmless when it is not.
    pub fn start(&mut self, timers: &mut Timers, now: Time) {
        self.step(Event::Start, timers, now);
    }

    /// The transport is up; an older one is gone.
    pub fn transport_up(&mut self, timers: &mut Timers, now: Time) {
        self.step(Event::TransportUp, timers, now);
    }

    /// The transport is gone, or could not be made.
    pub fn transport_down(&mut self, reason: Reason, timers: &mut Timers, now: Time) {
        self.step(Event::TransportDown { reason }, timers, now);
    }

    /// Leave the session on our own account.
    pub fn close(&mut self, reason: Reason, timers: &mut Timers, now: Time) {
        self.step(Event::Close { reason }, timers, now);
    }

    /// A message arrived. Any message is a sign of life (`spec/iccp.md` 9.1).
    pub fn message(&mut self, body: Body, timers: &mut Timers, now: Time) {
        self.heard(timers, now);
        self.step(Event::of(body, self.config.rg), timers, now);
    }

    /// Advance the session. Total: every event is defined in every state.
    fn step(&mut self, event: Event, timers: &mut Timers, now: Time) {
        let active = self.config.dials;
        match (self.state, event) {
            (SessionState::Down, Event::Start) if active && !timers.is_set(Timer::Retry) => {
                self.actions.push_back(Action::Connect);
                self.enter(SessionState::Dialling, None, now);
            }
            (_, Event::Start) => {}

            (SessionState::Down | SessionState::Dialling, Event::TransportUp) => {
                self.open(timers, now)
            }
            (_, Event::TransportUp) => {
                let reason = self.cause(Reason::Replaced);
                self.reset(reason, timers, now);
                self.open(timers, now);
            }

            (_, Event::TransportDown { reason }) => {
                let reason = self.cause(reason);
                // Also of an attempt to connect, which is no session that ends.
                self.failed(reason.clone(), now);
                self.end(reason, timers, now);
            }
            (SessionState::Down, Event::Restart { reason }) => self.end(reason, timers, now),
            (SessionState::Down | SessionState::Dialling, Event::Close { .. }) => {}
            (_, Event::Close { reason } | Event::Restart { reason }) => {
                self.hang_up(reason, timers, now);
            }

            // Left over from a transport that is gone.
            (SessionState::Down | SessionState::Dialling, _) => {}

            (SessionState::CapSent, Event::Capability) => self.connect(now),
            (SessionState::ConnectFirst, Event::Capability) => {
                self.connect(now);
                self.operate(timers, now);
            }
            (_, Event::Capability) => {}
            (SessionState::CapSent, Event::Connect) => {
                self.enter(SessionState::ConnectFirst, None, now)
            }
            (SessionState::Connecting, Event::Connect) => self.operate(timers, now),
            (_, Event::Connect) => {}
            (state, Event::ConnectTo { .. }) if state.is_operational() => {}
            (_, Event::ConnectTo { rg }) => self.refuse_group(rg, now),
            (_, Event::GroupRefused) => self.group_refused(now),
            (_, Event::Left) => self.peer_left(timers, now),
            (_, Event::Rejected { id }) => self.actions.push_back(Action::Rejected { id }),

            (
                SessionState::CapSent | SessionState::ConnectFirst | SessionState::Connecting,
                Event::Data(tlv),
            ) => {
                self.too_early(tlv, now);
            }
            (_, Event::Data(Tlv::Heartbeat) | Event::Nothing) => {}
            (state, Event::Data(Tlv::SyncRequest { number })) => {
                self.actions.push_back(Action::Answer { number });
                // A request in any other state is answered without changing it: a legacy daemon
                // that does so would be stuck for ever (W-7).
                match state {
                    SessionState::Stage1 if active => {
                        self.enter(SessionState::Stage2, None, now);
                        self.ask();
                    }
                    SessionState::Stage2 if !active => {
                        self.enter(SessionState::Exchange, None, now)
                    }
                    _ => {}
                }
            }
            (state, Event::Data(Tlv::SyncData { end, .. })) => {
                self.actions.push_back(Action::PeerSync { end });
                match state {
                    SessionState::Stage1 if end && !active => {
                        self.enter(SessionState::Stage2, None, now)
                    }
                    SessionState::Stage2 if end && active => {
                        self.enter(SessionState::Exchange, None, now)
                    }
                    _ => {}
                }
            }
            (_, Event::Data(other)) => self.actions.push_back(Action::Deliver(other)),

            (_, Event::Silence) => {
                let silence = self.config.silence(self.peer);
                let reason = self.cause(Reason::Silent(silence));
                self.hang_up(reason, timers, now);
            }
            (SessionState::Exchange, Event::SynchronisationOver) => {}
            (_, Event::SynchronisationOver) => {
                let within = self.synchronised_within();
                let reason = self.cause(Reason::NotSynchronised(within));
                self.hang_up(reason, timers, now);
            }
            (state, Event::KeepaliveDue) if state.is_operational() => self.heartbeat(timers, now),
            (_, Event::KeepaliveDue) => {}
        }
    }

    /// A message arrived that could not be read: still a sign of life.
    pub fn heard(&mut self, timers: &mut Timers, now: Time) {
        if self.is_connected() {
            self.last_heard = Some(now);
            timers.set(Timer::Session, now + self.config.silence(self.peer));
        }
    }

    /// It turned out who the peer is.
    pub fn set_peer(&mut self, peer: PeerPolicy, timers: &mut Timers, now: Time) {
        self.peer = peer;
        self.heard(timers, now);
    }

    /// End whatever there is, also an attempt to dial: it is another session from now on.
    pub fn restart(&mut self, reason: Reason, timers: &mut Timers, now: Time) {
        self.step(Event::Restart { reason }, timers, now);
    }

    /// Other settings; [`Self::restart`] first if they make it another session. Intervals take
    /// effect at once: another one between keepalives is followed by a keepalive, and the silence
    /// is measured anew (`spec/behaviour.md` 12).
    pub fn configure(&mut self, config: SessionConfig, timers: &mut Timers, now: Time) {
        let before = std::mem::replace(&mut self.config, config);
        if before.keepalive != self.config.keepalive {
            self.step(Event::KeepaliveDue, timers, now);
        }
        if self.is_connected() && before.silence(self.peer) != self.config.silence(self.peer) {
            let heard = self.last_heard.unwrap_or(now);
            timers.set(Timer::Session, heard + self.config.silence(self.peer));
        }
    }

    /// Look at the timers of the session.
    pub fn timeout(&mut self, timers: &mut Timers, now: Time) {
        for (timer, event) in [
            (Timer::Session, Event::Silence),
            (Timer::Synchronisation, Event::SynchronisationOver),
            (Timer::Keepalive, Event::KeepaliveDue),
        ] {
            if timers.take_expired(timer, now) {
                self.step(event, timers, now);
            }
        }
        timers.take_expired(Timer::Retry, now);
        self.start(timers, now);
    }

    fn synchronised_within(&self) -> Duration {
        self.config.timeout.max(SYNCHRONISED)
    }

    fn open(&mut self, timers: &mut Timers, now: Time) {
        timers.stop(Timer::Retry);
        timers.set(Timer::Session, now + self.config.silence(self.peer));
        // Any message is a sign of life, so a peer that never gets anywhere has to be given up
        // by another clock.
        timers.set(Timer::Synchronisation, now + self.synchronised_within());
        self.last_heard = Some(now);
        // Both sides send their capability unasked; neither waits (`spec/iccp.md` 5).
        self.send(Body::Capability);
        self.enter(SessionState::CapSent, None, now);
    }

    fn connect(&mut self, now: Time) {
        self.send(Body::Connect {
            rg: self.config.rg,
            sender: self.config.sender.clone(),
        });
        self.enter(SessionState::Connecting, None, now);
    }

    fn operate(&mut self, timers: &mut Timers, now: Time) {
        // First of all a sign of life (`spec/iccp.md` 7, step 3).
        self.heartbeat(timers, now);
        self.enter(SessionState::Stage1, None, now);
        if !self.config.dials {
            self.ask();
        }
        for tlv in std::mem::take(&mut self.early) {
            self.step(Event::Data(tlv), timers, now);
        }
    }

    fn peer_left(&mut self, timers: &mut Timers, now: Time) {
        self.actions.push_back(Action::PeerLeaves);
        self.send(Body::Disconnect {
            rg: self.config.rg,
            status: Status::NONE,
        });
        self.hang_up(Reason::PeerLeft, timers, now);
    }

    /// A legacy peer says so with each turn of its loop, ten times a second.
    fn group_refused(&mut self, now: Time) {
        if self.group_refused.is_none() {
            let own = self.config.rg;
            self.group_refused = Some(Reason::GroupRefused { own });
            self.refuse(Reason::GroupRefused { own }, now);
        }
    }

    /// The second field of this NAK is the group that was received, not a message id
    /// (`spec/iccp.md` 8). Said once: a legacy receiver sleeps for a second on each. The session is
    /// left to its timeout unless the peer says the right group before.
    fn refuse_group(&mut self, received: RgId, now: Time) {
        if self.group_refused.is_some() {
            return;
        }
        self.send(Body::Notification {
            rg: self.config.rg,
            status: Status::UNKNOWN_RG,
            rejected: received.0,
        });
        let (peers, own) = (received, self.config.rg);
        let reason = Reason::OtherGroup { peers, own };
        self.group_refused = Some(reason.clone());
        self.refuse(reason, now);
    }

    /// Why a session ends that ends by itself: no other one comes about while the groups differ, and
    /// that it took too long or was closed is what follows.
    fn cause(&self, reason: Reason) -> Reason {
        match &self.group_refused {
            Some(refused) if !self.is_operational() => refused.clone(),
            _ => reason,
        }
    }

    /// A message that is ahead of this side's state is no error: it waits until the application is
    /// operational (`spec/iccp.md` 5).
    fn too_early(&mut self, tlv: Tlv, now: Time) {
        if self.early.len() < MAX_EARLY {
            self.early.push(tlv);
        } else {
            self.refuse(Reason::TooEarly, now);
        }
    }

    fn refuse(&mut self, reason: Reason, now: Time) {
        self.failed(reason.clone(), now);
        self.actions.push_back(Action::Refused { reason });
    }

    /// The same again and again is one failure, which lasts.
    fn failed(&mut self, reason: Reason, now: Time) {
        let lasts = |failure: &Failure| failure.reason == reason && !failure.is_over;
        if !self.failure.as_ref().is_some_and(lasts) {
            self.failure = Some(Failure {
                reason,
                since: now,
                is_over: false,
            });
        }
    }

    fn heartbeat(&mut self, timers: &mut Timers, now: Time) {
        self.send_tlv(Tlv::Heartbeat);
        timers.set(Timer::Keepalive, now + self.config.keepalive);
    }

    fn ask(&mut self) {
        self.send_tlv(Tlv::SyncRequest { number: 0 });
    }

    fn send_tlv(&mut self, tlv: Tlv) {
        self.send(Body::Application {
            rg: self.config.rg,
            tlv,
        });
    }

    fn send(&mut self, body: Body) {
        self.actions.push_back(Action::Send(body));
    }

    /// To the outside a state is what the specification calls it.
    fn enter(&mut self, to: SessionState, reason: Option<Reason>, now: Time) {
        let from = std::mem::replace(&mut self.state, to);
        if to == SessionState::Exchange {
            self.retries = 0;
            if let Some(failure) = &mut self.failure {
                failure.is_over = true;
            }
        }
        if from.name() != to.name() {
            self.since = now;
            if let (SessionState::Down, Some(reason)) = (to, &reason) {
                self.failed(reason.clone(), now);
            }
            self.actions.push_back(Action::Entered { from, to, reason });
        }
    }

    fn hang_up(&mut self, reason: Reason, timers: &mut Timers, now: Time) {
        self.actions.push_back(Action::Close {
            reason: reason.clone(),
        });
        self.end(reason, timers, now);
    }

    fn end(&mut self, reason: Reason, timers: &mut Timers, now: Time) {
        self.reset(reason, timers, now);
        let pause = FIRST_RETRY.saturating_mul(1 << self.retries.min(16));
        self.retries = self.retries.saturating_add(1);
        timers.set(Timer::Retry, now + pause.min(RETRY));
    }

    fn reset(&mut self, reason: Reason, timers: &mut Timers, now: Time) {
        self.group_refused = None;
        self.peer = PeerPolicy::default();
        self.last_heard = None;
        self.early.clear();
        timers.stop(Timer::Session);
        timers.stop(Timer::Synchronisation);
        timers.stop(Timer::Keepalive);
        self.enter(SessionState::Down, Some(reason), now);
    }
}

#[cfg(test)]
mod tests;
