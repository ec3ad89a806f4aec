//! One domain: the composition of session, ports and address table.
//!
//! [`Domain::handle`] is total: every input has an outcome in every state. After each call drain
//! [`Domain::poll_output`]; when no more inputs wait, [`Domain::poll_batch`], too, take
//! [`Domain::poll_peer_message`] for as long as the transport has room, drain the outputs once more,
//! and call again no later than [`Domain::deadline`]. Spurious calls are harmless.
//!
//! Here: inputs, and the life of the session. `loss.rs`: its end. `configure.rs`: settings that
//! change. `received.rs`: what the peer advertises; [`crate::peer`]: what is known of it. `derive.rs`: what
//! follows from it all; `tables.rs`, `neigh.rs`, `identity.rs`: for addresses, neighbours and interfaces.
//! `behind.rs`: what is derived later, once for many inputs. `checks.rs`: what both are configured differently in; `hazards.rs`: in what the chassis itself is. `peer.rs`: what is sent to the peer; `own.rs`:
//! of this chassis' own addresses. `presence.rs`: whether the dataplanes are at work. `sections.rs`: what `syncd` is sent, in which order;
//! `dataplane.rs`: in batches; `connection.rs`: its connection. `view.rs`: what an operator sees; `address.rs`: whether this chassis has its own; `partners.rs`: whether both have one host behind a port.

mod address;
mod behind;
mod checks;
mod configure;
mod connection;
mod dataplane;
mod derive;
mod failing;
mod hazards;
mod identity;
mod life;
mod loss;
mod neigh;
mod own;
mod partners;
mod peer;
mod presence;
mod received;
mod sections;
mod tables;
mod view;

use crate::config::{Config, OnLoss};
use crate::counters::{Counter, Counters};
use crate::election::{self, Candidate};
use crate::input::Input;
use crate::lag::{
    Awaited, BypassEvent, Consent, Event as PortEvent, MlagPort, News, Pairing, Report, Wait, Word,
};
use crate::links::Links;
use crate::output::{Notice, Output};
use crate::peer::Peer;
use crate::policy::dataplane::DataplanePolicy;
use crate::port_id::PortIds;
use crate::session::{Action, Session, SessionConfig, SessionState};
use crate::timer::{Timer, Timers};
use crate::{Batch, Reason, Time};
use address::OwnAddress;
use behind::{Behind, is_without_consequence};
use checks::Checks;
use connection::Syncd;
use identity::{Identity, own_lacp_system};
use life::Life;
use mclag_proto::ctl::Role;
use mclag_proto::iccp::ext::{Announce, Extension, ShutdownNotice};
use mclag_proto::iccp::{Body, Message, Tlv};
use mclag_proto::sync::model::{Event, Isolation, PortWant, Traffic};
use mclag_proto::{IfName, Mac};
use partners::Partners;
use std::collections::BTreeMap;
use std::time::Duration;
use tables::{Tables, takes_detour};

/// How long after a start nothing is presumed of the peer's ports: a peer that is there has named them
/// long before.
const START: Duration = Duration::from_secs(5);

/// One domain.
#[derive(Debug)]
pub struct Domain {
    config: Config,
    session: Session,
    timers: Timers,
    links: Links,
    ports: BTreeMap<IfName, MlagPort>,
    peer: Peer,
    tables: Tables,
    syncd: Syncd,
    identity: Identity,
    outbox: peer::Outbox,
    counters: Counters,
    life: Life,
    checks: Checks,
    own_address: OwnAddress,
    partners: Partners,
    behind: Behind,
    /// What names of the peer meant before ports became one with others, until that is compared.
    names_before: Option<BTreeMap<IfName, Option<IfName>>>,
    /// When the last thing happened.
    now: Time,
}

impl Domain {
    /// A domain that has seen nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let dials = election::dials(config.local, config.peer);
        let session = Session::new(session_config(&config));
        let ids = PortIds::new(&config.ports, &config.port_ids);
        let ports = ids
            .iter()
            .map(|(name, id)| (name, MlagPort::new(name, id)))
            .map(|(name, port)| match config.on_loss {
                OnLoss::Hold => (name, port.unknown()),
                OnLoss::Release => (name, port),
            })
            .collect();
        let mut peer = Peer::default();
        peer.set_own(ids);
        let (role, by) = election::elect(dials, candidate(&config), None);
        let identity = Identity::new(config.node_mac, role, by);
        Self {
            session,
            timers: Timers::default(),
            links: Links::default(),
            ports,
            peer,
            tables: Tables::default(),
            syncd: Syncd::default(),
            identity,
            outbox: peer::Outbox::default(),
            counters: Counters::default(),
            life: Life::default(),
            checks: Checks::default(),
            own_address: OwnAddress::default(),
            partners: Partners::default(),
            behind: Behind::default(),
            names_before: None,
            now: Time::ZERO,
            config,
        }
    }

    /// Take in one thing that happened.
    pub fn handle(&mut self, input: Input, now: Time) {
        self.now = now;
        if !self.life.has_begun() {
            self.dataplane_has_time(now);
            // A daemon that restarts finds a dataplane at work; until the peer is back, or has
            // had time to be, what is not known is left as it is.
            self.timers
                .set(Timer::RestartHold, now + self.config.restart_hold);
            if self.config.on_loss == OnLoss::Hold {
                self.timers.set(Timer::Start, now + START);
            }
        }
        self.life = self.life.after(life::Event::Input);
        self.counters.input(&input);
        let turn = self.links.turn(&input);
        let waits = self.may_wait(&input, turn);
        if !waits {
            self.catch_up();
        }
        match input {
            Input::PeerUp { traits } if !self.life.is_stopping() => {
                self.peer.connected(traits);
                self.session.transport_up(&mut self.timers, now);
            }
            Input::Configure(config) => self.configure(*config, now),
            Input::WarmReboot => self.warm_reboot(),
            Input::Addresses { index, addresses } => self.links.set_addresses(index, addresses),
            Input::PeerUp { .. } => {}
            // Nothing is derived from neighbours either.
            Input::NeighboursBegin => return self.tables.neigh.listing_begins(),
            Input::Neighbour {
                index,
                address,
                observation,
            } => return self.neighbour(index, address, observation),
            Input::NeighboursEnd => return self.tables.neigh.listing_ends(),
            Input::PeerDown { reason } => {
                let reason = Reason::Transport(reason);
                self.session.transport_down(reason, &mut self.timers, now);
            }
            Input::PeerMessage(message) => {
                let before = self.session.state();
                let comes_often = before == SessionState::Exchange || waits;
                let without_consequence = is_without_consequence(&message.body);
                if !is_port_configuration(&message.body) && self.peer.says_something_else() {
                    self.checks.due();
                }
                self.session.message(message.body, &mut self.timers, now);
                self.run_session(now);
                // They come by the thousand, too, and only what they add up to counts.
                if comes_often && self.session.state() == before {
                    match without_consequence {
                        true => self.counters.entries(self.tables.fdb.len()),
                        false => self.behind.message(now),
                    }
                    return;
                }
            }
            Input::PeerGarbage { reason } => {
                self.session.heard(&mut self.timers, now);
                let reason = Reason::Transport(reason);
                self.notice(Notice::Refused { reason });
                // Nothing follows from it.
                return self.run_session(now);
            }
            Input::LinksBegin => self.links.begin(),
            Input::Link(link) => self.links.upsert(link),
            Input::Vlans { index, vids } => self.links.set_vids(index, vids),
            Input::VlanFiltering { index, on } => self.links.set_filtering(index, on),
            Input::SpanningTree { index, on } => self.links.set_spanning_tree(index, on),
            Input::Mtu { index, mtu } => self.links.set_mtu(index, mtu),
            Input::Pvid { index, vid } => self.links.set_pvid(index, vid),
            Input::LinkGone { index } => self.links.remove(index),
            Input::LinksEnd => self.links.end(),
            Input::SyncdUp {
                abilities,
                backend,
                window,
            } => {
                self.syncd_up(DataplanePolicy::of(abilities, window), backend);
            }
            Input::SyncdRestores => self.program_ports(Report::Restored),
            Input::SyncdDown => self.syncd_down(),
            Input::SyncdResult { batch, failures } => self.syncd_result(batch, &failures, now),
            Input::SyncdEvent(event @ Event::SnapshotEnd) => self.syncd_event(event, now),
            Input::SyncdEvent(event @ Event::VlanMember { .. }) => {
                self.syncd_event(event, now);
                // They come by the thousand.
                return self.behind.message(now);
            }
            Input::SyncdEvent(event) => {
                self.syncd_event(event, now);
                self.counters.entries(self.tables.fdb.len());
                // Nothing is derived from addresses, and they come by the thousand.
                return;
            }
            Input::Timeout if self.timers.keepalive_alone(now) => {
                // Nothing follows from a sign of life that is due.
                self.timeout(now);
                return self.run_session(now);
            }
            Input::Timeout => self.timeout(now),
            Input::Stop { leave } => self.stop(leave, now),
        }
        if self.life.is_leaving() && self.syncd_is_idle() {
            self.part(ShutdownNotice::Leave, now);
        }
        self.run_session(now);
        match turn {
            Some(turn) => self.behind.link(turn, now),
            None => self.derive(now),
        }
    }

    /// Derive what was put off while inputs came one after the other: interfaces, VLANs that the dataplane
    /// reports, and what a synchronised peer says. To be called when no more of them wait; the `poll_*` functions for
    /// batches and messages do it themselves.
    pub fn catch_up(&mut self) {
        if let Some(now) = self.behind.take() {
            self.derive(now);
        }
    }

    fn derive(&mut self, now: Time) {
        self.behind.take();
        if self.compare_names(now) {
            self.run_session(now);
        }
        self.refresh(now);
        self.counters.peer_link(self.peer_link_up());
        self.counters.entries(self.tables.fdb.len());
    }

    /// Next thing to do; to be drained after every [`Self::handle`].
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is next due.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    fn timeout(&mut self, now: Time) {
        if self.life == Life::Stopping {
            // Nobody is dialled any more; left as it is, it would be due for ever.
            self.timers.take_expired(Timer::Retry, now);
        } else {
            self.session.timeout(&mut self.timers, now);
        }
        if self.timers.take_expired(Timer::Start, now) {
            for port in self.ports.values_mut() {
                port.pair(Word::TimeOver);
            }
        }
        if self.timers.take_expired(Timer::RestartHold, now) {
            self.restart_hold_over();
        }
        // The peer announced a warm reboot and is still here (`spec/behaviour.md` 14.2).
        self.timers.take_expired(Timer::PeerWarm, now);
        if self.timers.take_expired(Timer::LegacySync, now) {
            self.peer_macs_complete();
        }
        if self.timers.take_expired(Timer::Dataplane, now) {
            self.dataplane_is_overdue();
        }
        if self.timers.take_expired(Timer::Repair, now) {
            self.syncd_repair();
        }
        for timer in self.timers.take_expired_of_ports(now) {
            self.port_timeout(timer, now);
        }
    }

    fn port_timeout(&mut self, timer: Timer, now: Time) {
        let name = timer.port();
        let Some(port) = name.and_then(|name| self.ports.get_mut(&name)) else {
            return;
        };
        match timer {
            Timer::Consent(name) => self.wait_over(name),
            Timer::Bypass(_) => port.step_bypass(BypassEvent::Unanswered, false),
            Timer::Resend(_) => drop(port.resend(now, &mut self.timers)),
            // What follows is derived anew after each input.
            _ => {}
        }
    }

    /// The time to wait for the peer's acknowledgement is over: it did not come (W-12), or was not
    /// to be expected. A held port runs LACP, so the host sends through it, and what it sends is
    /// lost: worse than what is delivered twice.
    fn wait_over(&mut self, name: IfName) {
        let Some(port) = self.ports.get_mut(&name) else {
            return;
        };
        let held = port.is_held();
        let in_vain = port.state().awaited() == Some(Awaited::Acknowledgement);
        port.step(PortEvent::WaitOver, &mut self.timers);
        if held && !self.peer.known().are_ports_known() {
            port.set_isolation(Isolation::On);
        }
        if in_vain && held {
            self.counters.count(Counter::AcksMissed);
            self.notice(Notice::AckTimeout { port: name });
        }
        if held {
            self.notice(Notice::Held {
                port: name,
                held: false,
            });
        }
    }

    /// How it comes to be known that the peer has isolated a port.
    fn consent(&self) -> Consent {
        self.peer.policy().consent(self.config.ack_timeout)
    }

    /// A peer of our own is told what the stop means. A legacy one hears nothing: it takes the end
    /// of the connection for what it is (`spec/iccp.md` 3.3, 9.4).
    fn stop(&mut self, leave: bool, now: Time) {
        if self.life.is_leaving() {
            // That takes too long for whoever stops.
            return self.part(ShutdownNotice::Leave, now);
        }
        if !leave || self.life == Life::Rebooting {
            return self.part(ShutdownNotice::Restart, now);
        }
        self.syncd_release_all();
        match self.hears_shutdown_notice() {
            true => self.life = self.life.after(life::Event::Leave),
            false => self.part(ShutdownNotice::Leave, now),
        }
    }

    fn part(&mut self, notice: ShutdownNotice, now: Time) {
        self.life = self.life.after(life::Event::Stop);
        self.shutdown_notice(notice);
        self.session.close(Reason::Stopping, &mut self.timers, now);
    }

    fn shutdown_notice(&mut self, notice: ShutdownNotice) {
        if self.hears_shutdown_notice() {
            self.push_tlv(Tlv::Extension(Extension::ShutdownNotice(notice)));
        }
    }

    fn hears_shutdown_notice(&self) -> bool {
        self.peer.policy().hears_shutdown_notice && self.session.is_operational()
    }

    /// `spec/behaviour.md` 14.1.
    fn warm_reboot(&mut self) {
        self.life = self.life.after(life::Event::WarmReboot);
        if self.session.state() == SessionState::Exchange {
            self.push_tlv(Tlv::WarmBoot);
        }
    }

    fn run_session(&mut self, now: Time) {
        if !self.life.is_stopping() {
            self.session.start(&mut self.timers, now);
        }
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Connect => self.outbox.outputs.push_back(Output::Connect),
                Action::Close { reason } => {
                    let shutdown_notice = self.take_shutdown_notice();
                    self.outbox.outputs.push_back(Output::Close {
                        reason,
                        shutdown_notice,
                    });
                }
                Action::Send(body) => self.outbox.push(body),
                Action::Answer { number } => self.outbox.answer(number),
                Action::Entered { from, to, reason } => self.entered(from, to, reason, now),
                Action::PeerSync { end } => self.peer_sync(end),
                Action::Deliver(tlv) => self.deliver(tlv, now),
                Action::Rejected { id } => self.rejected(id),
                Action::PeerLeaves => self.peer_shutdown_notice(ShutdownNotice::Leave),
                Action::Refused { reason } => {
                    self.counters.count(Counter::Refused);
                    self.notice(Notice::Refused { reason });
                }
            }
        }
    }

    fn entered(&mut self, from: SessionState, to: SessionState, reason: Option<Reason>, now: Time) {
        match to {
            SessionState::Stage1 => {
                self.tables.neigh.session_begins();
                let announce = announce(&self.config);
                self.push_tlv(Tlv::Extension(Extension::Announce(announce)));
            }
            SessionState::Exchange => self.synchronised(now),
            SessionState::Down => {
                if from.is_operational() {
                    self.counters.count(Counter::SessionsLost);
                }
                self.session_down(from, now);
            }
            SessionState::Dialling
            | SessionState::CapSent
            | SessionState::ConnectFirst
            | SessionState::Connecting
            | SessionState::Stage2 => {}
        }
        self.notice(Notice::Session {
            from: from.name(),
            to: to.name(),
            reason,
        });
    }

    /// Entry to EXCHANGE (`spec/behaviour.md` 6.5).
    fn synchronised(&mut self, now: Time) {
        self.counters.count(Counter::Sessions);
        self.tables.peer_link_learning = false;
        self.timers.stop(Timer::PeerWarm);
        self.timers.stop(Timer::Start);
        self.peer.synchronised();
        self.checks.due();
        self.partners.due();
        let is_ordered = self.peer.policy().orders_moves;
        self.tables.fdb.session_up(is_ordered);
        self.outbox.own_addresses.synchronised();
        self.outbox.dataplane.due();
        self.tables.neigh.complete();
        match self.peer.policy().all_advertised_after {
            Some(after) => self.timers.set(Timer::LegacySync, now + after),
            None => self.outbox.mac_sync_end = true,
        }
        let (consent, policy) = (self.consent(), self.peer.policy());
        for port in self.ports.values_mut() {
            // Said again although the synchronisation had it: only now does a legacy peer
            // acknowledge (`spec/iccp.md` 4.3). The answer itself may not have left yet.
            if port.advertised().is_known() || peer::is_named(port, policy) {
                port.advertise(News::State);
            }
            port.step(PortEvent::Ask(Wait::new(consent, now)), &mut self.timers);
        }
    }

    /// What the address table holds of the peer is all it knows.
    fn peer_macs_complete(&mut self) {
        self.timers.stop(Timer::RestartHold);
        self.timers.stop(Timer::LegacySync);
        self.tables.fdb.purge_stale();
        self.tables.fdb.complete();
        // The peer's own addresses are known by now.
        self.checks.due();
    }

    /// LACP system id of the pair, as far as it is known (`spec/behaviour.md` 5).
    fn system_mac(&self) -> Option<Mac> {
        let configured = self.config.system_mac;
        let peers = self.peer.system_mac();
        let peers = peers.filter(|mac| !mac.is_zero());
        match self.identity.role {
            // An earlier run may have known better; hosts renegotiate when it changes.
            _ if !self.role_is_settled() => configured,
            Role::Primary => Some(self.config.own_system_mac()),
            _ if self.peer.known().is_released() => Some(self.config.own_system_mac()),
            // A legacy active never takes ours, so ours is what has to give way.
            _ if self.peer.keeps_its_lacp_system() => peers.or(configured),
            _ => configured.or(peers),
        }
    }

    /// The peer had its say in the election, or time to come and have it.
    fn role_is_settled(&self) -> bool {
        self.counters.get(Counter::Sessions) > 0
            || (self.life.has_begun() && !self.timers.is_set(Timer::RestartHold))
    }

    fn peer_link_up(&self) -> bool {
        self.config
            .peer_link
            .is_some_and(|name| self.links.passes_frames(&name))
    }

    fn port_want(&self, port: &MlagPort) -> PortWant {
        let is_gone = self.links.is_ready() && !port.exists();
        // Without one a host is behind this port alone: nobody at the peer has anywhere to send what is for it, and
        // where it is learned is to be forgotten with the carrier.
        let has_other_half = !matches!(port.pairing(), Pairing::Leaving | Pairing::Apart);
        PortWant {
            isolation: port.isolation(),
            traffic: match port.state().traffic() {
                Traffic::Held if is_gone && self.syncd.policy.remembers_holds => Traffic::Pass,
                traffic => traffic,
            },
            redirect: self.config.peer_link.is_some()
                && self.syncd.policy.redirects
                && has_other_half
                && !takes_detour(port, &self.links, &self.config),
            system_mac: self.lacp_system(port),
        }
    }

    /// The LACP system id of a port: the pair's, but one of its own where the peer has no such port, and
    /// while LACP runs on it and the kernel would drop what the host sends. The host then has another
    /// partner on this leg, and uses the leg to the peer alone; holding by itself does not make it leave,
    /// for LACP runs on. None to leave the one in use: what the host sees does not change for a restart.
    fn lacp_system(&self, port: &MlagPort) -> Option<Mac> {
        let shared = self.system_mac();
        let (name, bridge) = (&port.name(), &self.config.bridge);
        let is_stranded = self.links.is_ready() && self.links.is_stranded(name, bridge);
        match port.pairing() {
            _ if is_stranded || self.is_mismatched(name) || self.is_kept_out(port) => {}
            _ if self.is_served_by_peer_alone(name) => {}
            Pairing::Unknown => return None,
            Pairing::Presumed | Pairing::Paired => return shared,
            Pairing::Leaving | Pairing::Apart => {}
        }
        let own = self.links.by_name(name).and_then(|link| link.mac);
        let of_pair = [shared, self.peer.system_mac()];
        Some(own_lacp_system(own, self.config.node_mac, of_pair))
    }

    /// Spanning tree keeps the port from forwarding, and the host has another leg, as far as was ever known. Without one
    /// it has nowhere to go, and would only have to negotiate once more when the port forwards.
    fn is_served_by_peer_alone(&self, port: &IfName) -> bool {
        self.links.is_kept_out(port, &self.config.bridge)
            && self.peer.port_is_up(port) == Some(true)
    }

    fn push_tlv(&mut self, tlv: Tlv) {
        let body = self.application(tlv);
        self.outbox.push(body);
    }

    fn application(&self, tlv: Tlv) -> Body {
        let rg = self.config.domain.into();
        Body::Application { rg, tlv }
    }

    fn notice(&mut self, notice: Notice) {
        self.outbox.outputs.push_back(Output::Notice(notice));
    }
}

/// What is said of the configuration of ports in one go: the information of all, then the VLANs of all.
const fn is_port_configuration(body: &Body) -> bool {
    matches!(
        body,
        Body::Application {
            tlv: Tlv::PortChannelInfo(_) | Tlv::Extension(Extension::PortVlan(_)),
            ..
        }
    )
}

fn session_config(config: &Config) -> SessionConfig {
    SessionConfig {
        rg: config.domain.into(),
        sender: config.local.to_string(),
        dials: election::dials(config.local, config.peer),
        keepalive: config.keepalive,
        timeout: config.session_timeout,
    }
}

fn announce(config: &Config) -> Announce {
    Announce {
        version: mclag_proto::iccp::ext::VERSION,
        priority: config.priority,
        node_mac: config.node_mac,
        software: concat!("mclag ", env!("CARGO_PKG_VERSION")).into(),
    }
}

const fn candidate(config: &Config) -> Candidate {
    Candidate {
        priority: config.priority,
        mac: config.node_mac,
    }
}
