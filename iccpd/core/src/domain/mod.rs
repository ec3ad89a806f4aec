//! One domain: the composition of session, ports and address table.
//!
//! [`Domain::handle`] is total: every input has an outcome in every state. After each call drain
//! [`Domain::poll_output`] and [`Domain::poll_batch`], take [`Domain::poll_peer_message`] for as
//! long as the transport has room, and call again no later than [`Domain::deadline`]. Spurious
//! calls are harmless.
//!
//! Here: inputs, and the life of the session. `told.rs`: what the peer says. `derive.rs`: what
//! follows from it all. `peer.rs`: what is sent to the peer. `dataplane.rs`:
//! what is sent to `syncd`. `view.rs`: what an operator sees.

mod dataplane;
mod derive;
mod peer;
mod told;
mod view;

use crate::config::Config;
use crate::election::{self, Candidate};
use crate::fdb::{Fdb, Ports};
use crate::input::Input;
use crate::lag::{Due, MlagPort, RemotePort};
use crate::links::Links;
use crate::output::{Notice, Output};
use crate::session::{Action, Session, SessionConfig, State};
use crate::timer::{Timer, Timers};
use crate::{Batch, Time};
use dataplane::Syncd;
use mclag_proto::ctl::{Role, RoleBy};
use mclag_proto::iccp::ext::{Announce, Extension, Goodbye};
use mclag_proto::iccp::{Body, Message, PeerLinkInfo, RgId, SystemConfig, Tlv};
use mclag_proto::sync::model::{Isolation, PortWant, Traffic};
use mclag_proto::{IfName, Mac, NodeId};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A legacy peer sends its addresses right after the synchronisation and marks no end; by then
/// it has (`spec/iccp.md` 7, step 16).
const LEGACY_SYNC: Duration = Duration::from_secs(10);

/// What the peer said of itself.
#[derive(Clone, Debug, Default)]
struct Peer {
    announce: Option<Announce>,
    system: Option<SystemConfig>,
    link: Option<PeerLinkInfo>,
    /// Its ports, by name. Kept when the session is gone.
    ports: BTreeMap<IfName, RemotePort>,
    /// It has told all of its ports in this session.
    told_ports: bool,
    /// It said that it leaves the pair.
    leaving: bool,
}

/// Counters for the operator.
#[derive(Clone, Debug, Default)]
struct Counters {
    received: u64,
    sent: u64,
    macs_received: u64,
    macs_sent: u64,
    garbage: u64,
    refused: u64,
    unknown: u64,
    sessions: u64,
    acks_sent: u64,
    acks_received: u64,
    ack_timeouts: u64,
}

/// One domain.
#[derive(Debug)]
pub struct Domain {
    config: Config,
    session: Session,
    timers: Timers,
    links: Links,
    ports: BTreeMap<IfName, MlagPort>,
    peer: Peer,
    fdb: Fdb,
    fdb_ports: Ports,
    /// What the address table holds is all there is: `syncd` may drop the rest.
    fdb_complete: bool,
    syncd: Syncd,
    node: NodeId,
    role: (Role, RoleBy),
    peer_link_learning: bool,
    outbox: peer::Outbox,
    outputs: VecDeque<Output>,
    counters: Counters,
    last_error: Option<String>,
    started: bool,
    stopping: bool,
}

impl Domain {
    /// A domain that has seen nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let dials = election::dials(config.local, config.peer);
        let session = Session::new(SessionConfig {
            rg: config.domain.into(),
            sender: config.local.to_string(),
            dials,
            keepalive: config.keepalive,
            timeout: config.session_timeout,
        });
        let ports = config
            .ports
            .iter()
            .map(|name| (*name, MlagPort::new(*name)))
            .collect();
        let fdb_ports = Ports {
            mlag: config.ports.clone(),
            peer_link: config.peer_link,
            vids: BTreeMap::new(),
        };
        // Both sides may start with the same node id; the receiver of an equal one picks another
        // (`spec/iccp.md` 4.1).
        let node = NodeId(0xf0 + config.node_mac.0[5] % 15);
        let role = election::elect(dials, candidate(&config), None);
        Self {
            session,
            timers: Timers::default(),
            links: Links::default(),
            ports,
            peer: Peer::default(),
            fdb: Fdb::default(),
            fdb_ports,
            fdb_complete: false,
            syncd: Syncd::default(),
            node,
            role,
            peer_link_learning: false,
            outbox: peer::Outbox::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            last_error: None,
            started: false,
            stopping: false,
            config,
        }
    }

    /// Take in one thing that happened.
    pub fn handle(&mut self, input: Input, now: Time) {
        if !self.started {
            self.started = true;
            // A daemon that restarts finds a dataplane at work; until the peer is back, or has
            // had time to be, what is not known is left as it is.
            self.timers
                .set(Timer::RestartHold, now + self.config.restart_hold);
        }
        match input {
            Input::PeerUp { .. } if !self.stopping => {
                self.session.transport_up(&mut self.timers, now);
            }
            Input::PeerUp { .. }
            | Input::Configure(_)
            | Input::WarmReboot
            | Input::VlanMember { .. }
            | Input::Addresses { .. }
            | Input::NeighboursBegin
            | Input::Neighbour { .. }
            | Input::NeighboursEnd => {}
            Input::PeerDown { reason } => {
                self.session.transport_down(reason, &mut self.timers, now);
            }
            Input::PeerMessage(message) => {
                self.counters.received += 1;
                self.session.message(message.body, &mut self.timers, now);
            }
            Input::PeerGarbage { reason } => {
                self.counters.garbage += 1;
                self.session.heard(&mut self.timers, now);
                self.notice(Notice::Refused { reason });
            }
            Input::LinksBegin => self.links.begin(),
            Input::Link(link) => self.links.upsert(link),
            Input::Vlans { index, vids } => self.links.set_vids(index, vids),
            Input::LinkGone { index } => self.links.remove(index),
            Input::LinksEnd => self.links.end(),
            Input::SyncdUp {
                abilities,
                backend,
                window,
            } => {
                self.syncd_up(abilities, backend, window);
            }
            Input::SyncdDown => self.syncd_down(),
            Input::SyncdResult { batch, failures } => self.syncd_result(batch, &failures, now),
            Input::SyncdEvent(event) => {
                self.syncd_event(event);
                // Nothing is derived from addresses, and they come by the thousand.
                return;
            }
            Input::Timeout => self.timeout(now),
            Input::Stop { leave } => self.stop(leave, now),
        }
        self.run_session(now);
        self.refresh(now);
    }

    /// Next thing to do; to be drained after every [`Self::handle`].
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is next due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let ports = self.ports.values().filter_map(MlagPort::deadline);
        self.timers.next().into_iter().chain(ports).min()
    }

    fn timeout(&mut self, now: Time) {
        if !self.stopping {
            self.session.timeout(&mut self.timers, now);
        }
        if self.timers.take_expired(Timer::RestartHold, now) {
            self.restart_hold_over();
        }
        if self.timers.take_expired(Timer::LegacySync, now) {
            self.peer_macs_complete();
        }
        if self.timers.take_expired(Timer::Repair, now) {
            self.syncd_repair();
        }
        let mut gave_up = Vec::new();
        for port in self.ports.values_mut() {
            match port.due(now) {
                Due::Nothing => {}
                Due::Resend => port.state_pending = true,
                Due::GaveUp => gave_up.push(port.name),
            }
        }
        for port in gave_up {
            self.ack_timeout(port);
        }
    }

    /// The peer did not acknowledge in time that a port is up (W-12). A held port runs LACP, so
    /// the host sends through it, and what it sends is lost: worse than what is delivered twice.
    fn ack_timeout(&mut self, name: IfName) {
        self.counters.ack_timeouts += 1;
        let Some(port) = self.ports.get_mut(&name) else {
            return;
        };
        port.pass();
        if !self.peer.told_ports {
            port.isolation = Isolation::On;
        }
        self.notice(Notice::AckTimeout { port: name });
        self.notice(Notice::Held {
            port: name,
            held: false,
        });
    }

    fn stop(&mut self, leave: bool, now: Time) {
        self.stopping = true;
        let goodbye = if leave {
            Goodbye::Leave
        } else {
            Goodbye::Restart
        };
        if self.peer.announce.is_some() && self.session.is_operational() {
            self.outbox
                .push(self.application(Tlv::Extension(Extension::Goodbye(goodbye))));
        }
        self.session.close("stopping".into(), &mut self.timers, now);
        if leave {
            self.syncd_release_all();
        }
    }

    fn run_session(&mut self, now: Time) {
        if !self.stopping {
            self.session.start(&mut self.timers);
        }
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Connect => self.outputs.push_back(Output::Connect),
                Action::Close { reason } => {
                    let farewell = self.take_farewell();
                    self.outputs.push_back(Output::Close { reason, farewell });
                }
                Action::Send(body) => self.outbox.push(body),
                Action::Answer { number } => self.outbox.answer(number),
                Action::Entered { from, to, reason } => self.entered(from, to, reason, now),
                Action::PeerSync { end } => self.peer_sync(end),
                Action::Deliver(tlv) => self.deliver(tlv),
                Action::Rejected { id } => self.rejected(id),
                Action::PeerLeaves => self.peer_goodbye(Goodbye::Leave),
                Action::Refused { reason } => {
                    self.counters.refused += 1;
                    self.last_error = Some(reason.clone());
                    self.notice(Notice::Refused { reason });
                }
            }
        }
    }

    fn entered(&mut self, from: State, to: State, reason: Option<String>, now: Time) {
        if from == State::Down {
            self.peer.leaving = false;
        }
        match to {
            State::Stage1 => {
                let announce = self.own_announce();
                self.outbox
                    .push(self.application(Tlv::Extension(Extension::Announce(announce))));
            }
            State::Exchange => self.in_step(now),
            State::Down => {
                self.last_error.clone_from(&reason);
                self.session_down(from, now);
            }
            State::CapSent | State::Connecting | State::Stage2 => {}
        }
        self.notice(Notice::Session {
            from: from.name(),
            to: to.name(),
            reason,
        });
    }

    /// Entry to EXCHANGE (`spec/behaviour.md` 6.5).
    fn in_step(&mut self, now: Time) {
        self.counters.sessions += 1;
        self.peer_link_learning = false;
        self.fdb.session_up();
        if self.peer.announce.is_some() {
            self.outbox.mac_sync_end = true;
        } else {
            self.timers.set(Timer::LegacySync, now + LEGACY_SYNC);
        }
        for port in self.ports.values_mut() {
            // Said again although the synchronisation had it: only now does a legacy peer
            // acknowledge (`spec/iccp.md` 4.3). The answer itself may not have left yet.
            port.state_pending = port.announced || port.facts.is_some();
            if port.up && port.traffic != Traffic::Pass {
                port.ask(self.config.ack_timeout, now);
            }
        }
    }

    fn session_down(&mut self, from: State, now: Time) {
        self.outbox.clear();
        self.timers.stop(Timer::LegacySync);
        self.fdb.session_down();
        self.peer.told_ports = false;
        self.peer.announce = None;
        for port in self.ports.values_mut() {
            port.ack_owed = false;
            port.announced = false;
            port.config_pending = false;
            port.state_pending = false;
        }
        if from >= State::Stage1 && !self.timers.is_set(Timer::RestartHold) {
            self.timers
                .set(Timer::RestartHold, now + self.config.restart_hold);
        }
        if self.peer.leaving {
            // It took its ports out of the pair: nothing of what it said holds.
            self.peer.ports.clear();
            self.peer.told_ports = true;
            self.timers.stop(Timer::RestartHold);
            self.restart_hold_over();
        }
    }

    /// The peer did not come back in time.
    fn restart_hold_over(&mut self) {
        self.peer_macs_complete();
        if self.session.state() != State::Exchange {
            // Nobody is left to say what is behind the peer link (W-37).
            self.peer_link_learning = true;
            for port in self.ports.values_mut() {
                port.pass();
            }
        }
    }

    /// What the address table holds of the peer is all it knows.
    fn peer_macs_complete(&mut self) {
        self.timers.stop(Timer::RestartHold);
        self.timers.stop(Timer::LegacySync);
        self.fdb.purge_stale();
        if !self.fdb_complete {
            self.fdb_complete = true;
            self.fdb.tell_everything();
        }
    }

    /// LACP system id of the pair, as far as it is known (`spec/behaviour.md` 5).
    fn system_mac(&self) -> Option<Mac> {
        match (self.config.system_mac, self.role.0) {
            (Some(configured), _) => Some(configured),
            // An earlier run may have known better; hosts renegotiate when it changes.
            _ if !self.role_is_settled() => None,
            (None, Role::Primary) => Some(self.config.node_mac),
            (None, _) => self
                .peer
                .system
                .map(|peer| peer.system)
                .filter(|mac| !mac.is_zero()),
        }
    }

    /// The peer had its say in the election, or time to come and have it.
    fn role_is_settled(&self) -> bool {
        self.counters.sessions > 0 || (self.started && !self.timers.is_set(Timer::RestartHold))
    }

    fn peer_link_up(&self) -> bool {
        self.config
            .peer_link
            .is_some_and(|name| self.links.is_running(&name))
    }

    fn port_want(&self, port: &MlagPort) -> PortWant {
        PortWant {
            isolation: port.isolation,
            traffic: port.traffic,
            redirect: self.config.peer_link.is_some() && self.syncd.abilities.redirect,
            system_mac: self.system_mac(),
        }
    }

    fn own_announce(&self) -> Announce {
        Announce {
            version: mclag_proto::iccp::ext::VERSION,
            priority: self.config.priority,
            node_mac: self.config.node_mac,
            software: concat!("mclag ", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    fn application(&self, tlv: Tlv) -> Body {
        Body::Application { rg: self.rg(), tlv }
    }

    fn rg(&self) -> RgId {
        self.config.domain.into()
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }
}

const fn candidate(config: &Config) -> Candidate {
    Candidate {
        priority: config.priority,
        mac: config.node_mac,
    }
}
