//! Whether the dataplane of either chassis is at work.
//!
//! Where it is not, nothing that is decided there is carried out: what was programmed last stays in force, and a
//! port that comes back at the other chassis would wait for an isolation that nobody makes. So each of two of
//! our own tells the other, with the ports that are not known for certain to be isolated
//! ([`mclag_proto::iccp::ext::DataplaneState`]); the others are acknowledged as ever, for isolation stands
//! without anybody there. One that is at work and refuses to isolate a port is no better, for that port. What the
//! other one does with that is decided in [`crate::policy::decision::Answer`]
//! (`docs/adr/0023-dataplane-not-at-work.md`).

use super::{Domain, MlagPort, Notice, Time, Timer};
use crate::policy::decision::{Answer, Reachability, Situation};
use mclag_proto::ctl::Role;
use mclag_proto::iccp::Tlv;
use mclag_proto::iccp::ext::{DataplanePresence, DataplaneState, DoubtfulPort, Extension};

impl Domain {
    /// The dataplane has something to do or to come back from, or has just done something: it has its time anew.
    pub(super) fn dataplane_has_time(&mut self, now: Time) {
        let within = self.syncd.policy.answers_within;
        self.timers.set(Timer::Dataplane, now + within);
    }

    /// It answered a batch.
    pub(super) fn dataplane_answered(&mut self, now: Time) {
        self.set_presence(DataplanePresence::AtWork);
        if self.syncd.in_flight.is_empty() {
            self.timers.stop(Timer::Dataplane);
        } else {
            self.dataplane_has_time(now);
        }
    }

    /// Its time is over.
    pub(super) fn dataplane_is_overdue(&mut self) {
        if !self.syncd.is_up() {
            self.set_presence(DataplanePresence::Disconnected);
        } else if !self.syncd.in_flight.is_empty() {
            self.set_presence(DataplanePresence::Silent);
        }
    }

    fn set_presence(&mut self, presence: DataplanePresence) {
        if std::mem::replace(&mut self.syncd.presence, presence) != presence {
            self.outbox.dataplane.due();
            self.notice(Notice::Dataplane { presence });
        }
    }

    /// What was decided may have changed what is known of a dataplane that does not carry it out.
    pub(super) const fn doubts_may_change(&mut self) {
        let is_at_work = matches!(self.syncd.presence, DataplanePresence::AtWork);
        if !is_at_work || self.outbox.dataplane.names_ports() {
            self.outbox.dataplane.due();
        }
    }

    /// What the peer has to hear of the dataplane, if anything.
    pub(super) fn next_dataplane_state(&mut self) -> Option<Tlv> {
        if !self.peer.policy().hears_dataplane || !self.outbox.dataplane.take_due() {
            return None;
        }
        let presence = self.syncd.presence;
        let is_at_work = presence == DataplanePresence::AtWork;
        // What one that is at work was not asked for yet it does in a moment.
        let ports = self.ports.values();
        let ports = ports.filter(|port| !is_at_work || port.is_isolation_refused());
        let ports = ports.filter_map(|port| {
            // What is held delivers nothing, whatever the filter says.
            let isolated = port.standing().in_doubt()? || port.is_held_in_force();
            Some(DoubtfulPort {
                id: port.id(),
                isolated,
                let_go: port.is_let_go(),
            })
        });
        let ports = ports.take(DataplaneState::MAX_PORTS).collect();
        let state = DataplaneState { presence, ports };
        let is_news = self.outbox.dataplane.advertise(&state);
        is_news.then_some(Tlv::Extension(Extension::DataplaneState(state)))
    }

    /// The peer says how its dataplane is.
    pub(super) fn peer_dataplane(&mut self, state: DataplaneState) {
        let presence = state.presence;
        self.checks.due();
        if self.peer.set_dataplane(state) {
            self.notice(Notice::PeerDataplane { presence });
        }
    }

    /// What to expect of the peer where this port asks it to isolate its own.
    pub(super) fn answer(&self, port: &MlagPort, situation: Situation) -> Answer {
        let Some(DoubtfulPort { isolated, .. }) = self.peer_doubts(port) else {
            return Answer::Expected;
        };
        let is_up_there = self.peer.port_is_up(&port.name()) == Some(true);
        let delivers = !isolated && is_up_there && self.peer_link_up();
        let goes_first = self.goes_first(port);
        // A host without LACP would go on sending into it.
        let has_lacp = self.links.has_lacp(&port.name()) && !port.bypass().carries();
        let can_leave = self.syncd.policy.holds && has_lacp;
        situation.answer(port.state(), delivers && can_leave && !goes_first)
    }

    /// Where neither can isolate its half, one of them has to carry data: the one that does, or else the primary's.
    fn goes_first(&self, port: &MlagPort) -> bool {
        self.role() == Role::Primary
            && port.is_isolation_refused()
            && self.peer_doubts(port).is_some_and(|half| !half.let_go)
    }

    /// What is known of the peer's half, where it is not known for certain to be isolated.
    fn peer_doubts(&self, port: &MlagPort) -> Option<DoubtfulPort> {
        let remote = self.peer.port(&port.name())?;
        self.peer.doubts_isolation(remote.id().number)
    }

    /// It is out of service, and its host is to use the other half.
    pub(super) fn is_kept_out(&self, port: &MlagPort) -> bool {
        self.is_refused(port) || self.stays_held(port)
    }

    /// The dataplane does not let it go beside the half of the peer, for it cannot isolate it (what could not be protected
    /// is not opened). So it is out of service, or its host would go on sending into it.
    fn stays_held(&self, port: &MlagPort) -> bool {
        port.is_isolation_refused()
            && !port.is_let_go()
            && self.syncd.policy.holds
            && self.links.has_lacp(&port.name())
            && self.peer.port_is_up(&port.name()) == Some(true)
            && self.situation().reach == Reachability::Synchronised
            && !self.goes_first(port)
    }

    /// It is kept out of service, for the peer would deliver every flooded frame beside it.
    pub(super) fn is_refused(&self, port: &MlagPort) -> bool {
        self.answer(port, self.situation()) == Answer::Refused
    }
}

/// What was advertised to the peer of the dataplane in this session.
#[derive(Clone, Debug, Default)]
pub(super) struct AdvertisedDataplane {
    is_due: bool,
    presence: DataplanePresence,
    ports: Vec<DoubtfulPort>,
}

impl AdvertisedDataplane {
    /// It may have changed.
    pub(super) const fn due(&mut self) {
        self.is_due = true;
    }

    /// What was said last names ports.
    const fn names_ports(&self) -> bool {
        !self.ports.is_empty()
    }

    const fn take_due(&mut self) -> bool {
        std::mem::replace(&mut self.is_due, false)
    }

    /// Returns true if that is news.
    fn advertise(&mut self, state: &DataplaneState) -> bool {
        let is_news = (self.presence, &self.ports) != (state.presence, &state.ports);
        self.presence = state.presence;
        self.ports.clone_from(&state.ports);
        is_news
    }
}
