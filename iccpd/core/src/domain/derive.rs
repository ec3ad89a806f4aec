//! What follows from links, session and peer: computed anew after every input. What is done with a
//! port is decided in [`crate::policy::decision`].

use super::{Config, Domain, IfName, MlagPort, Notice, SessionState, Time, Timer, candidate};
use crate::election::{self, Candidate};
use crate::lag::{Bypass, BypassEvent, Event, News, Pairing, PortFacts, Word};
use crate::links::Lone;
use crate::peer::RemotePort;
use crate::policy::decision::{Answer, OtherHalf, PortAction, Reachability, Situation};
use ipnetwork::IpNetwork;
use mclag_proto::ctl::Role;
use std::net::Ipv4Addr;
use std::time::Duration;

impl Domain {
    /// Derive everything that follows from links, session and peer.
    pub(super) fn refresh(&mut self, now: Time) {
        self.elect();
        self.own_address.look(&self.links, self.config.local, now);
        self.compare_partners();
        let situation = self.situation();
        let links_ready = self.links.is_ready();
        let mut notices = Vec::new();
        let mut ports = std::mem::take(&mut self.ports);
        let mut latest = ports.values().map(MlagPort::attached).max().unwrap_or(0);
        for port in ports.values_mut() {
            if links_ready && port.set_facts(self.facts(&port.name()), latest + 1) {
                latest = latest.max(port.attached());
                self.checks.due();
            }
            if links_ready {
                self.follow_bypass(port, situation, &mut notices, now);
            }
            let unasked = links_ready && self.follow_links(port, situation, &mut notices, now);
            let at_peer = self.peer.port_is_up(&port.name());
            self.pair(port, situation, at_peer.is_some());
            let (pairing, before) = (port.pairing(), port.isolation());
            // Beside a port that is let go and cannot be isolated, the other half stays out of service and may count as
            // down. Whether it can by now is found out by asking: until that is confirmed once nothing is isolated.
            let is_told = self.peer.policy().hears_dataplane;
            let asks_on = port.is_let_go() && is_told && port.is_isolation_refused();
            let at_peer = at_peer.map(|is_up| is_up || asks_on);
            port.set_isolation(situation.isolation(pairing, at_peer, before, unasked));
        }
        self.ports = ports;
        for notice in notices {
            self.notice(notice);
        }
        self.refresh_tables(now);
        self.syncd.dirty = true;
        self.check_consistency();
    }

    /// What is advertised of a port; none while the interface does not exist.
    fn facts(&self, name: &IfName) -> Option<PortFacts> {
        let links = &self.links;
        links.by_name(name).map(|link| PortFacts {
            mac: link.mac.unwrap_or_default(),
            vids: links.vids(name).cloned().unwrap_or_default(),
            pvid: links.pvid(name, &self.config.bridge),
            l3: links.is_layer3(name),
            address: first_ipv4(links.addresses(name)),
        })
    }

    /// What is known of the other half of a port, which the peer has `named` or not.
    fn pair(&self, port: &mut MlagPort, situation: Situation, named: bool) {
        // What a port is by itself, and so the id of its own, is known with the interfaces.
        if !self.links.is_ready() {
            return;
        }
        match situation.word(named) {
            // A peer that names its ports as they appear may be about to: it has just started.
            Some(Word::Absent) if self.timers.is_set(Timer::LegacySync) => {}
            Some(word) => port.pair(word),
            None => {}
        }
        let in_force = port.lacp_in_force();
        if port.pairing() == Pairing::Leaving
            && in_force.is_some()
            && in_force == self.lacp_system(port)
        {
            port.pair(Word::OwnInForce);
        }
    }

    pub(super) fn situation(&self) -> Situation {
        let peer_link_up = self.peer_link_up() || !self.links.is_ready();
        Situation {
            reach: Reachability::of(self.session.state(), peer_link_up),
            on_loss: self.config.on_loss,
            has_peer_link: self.config.peer_link.is_some(),
            ports_known: self.peer.known().are_ports_known(),
            settled: !self.timers.is_set(Timer::RestartHold),
        }
    }

    /// Whether a port carries data without LACP.
    fn follow_bypass(
        &mut self,
        port: &mut MlagPort,
        situation: Situation,
        notices: &mut Vec<Notice>,
        now: Time,
    ) {
        let name = port.name();
        let before = port.bypass();
        let may = self.config.bypass.contains(&name) && !self.is_mismatched(&name);
        let lone = match may {
            true => self.links.lone(&name, &self.config.bridge),
            false => Lone::No,
        };
        let timer = Timer::Bypass(name);
        let is_primary = self.identity.role == Role::Primary;
        match (lone, before) {
            (Lone::No | Lone::Heard, _) => {
                self.timers.stop(timer);
                port.step_bypass(BypassEvent::Ended, lone == Lone::Heard);
            }
            (Lone::Nobody { carries: true }, Bypass::Off) if !port.was_looked_at() => {
                self.timers.stop(timer);
                port.step_bypass(BypassEvent::CarriesData, false);
            }
            (Lone::Nobody { .. }, Bypass::Off) if !self.timers.is_set(timer) => {
                let head_start = if is_primary {
                    Duration::ZERO
                } else {
                    Config::BYPASS_HEAD_START
                };
                self.timers
                    .set(timer, now + self.config.bypass_after + head_start);
            }
            (Lone::Nobody { .. }, _) => {}
        }
        let other = self.peer.port(&name);
        let other = OtherHalf::of(
            other.map(RemotePort::is_up),
            other.and_then(RemotePort::alone),
        );
        // Also while it is away: what it could not hold goes on.
        let cannot_hold = self.syncd.is_known && !self.syncd.policy.holds;
        if let Some(event) = situation.bypass(port.bypass(), is_primary, other, cannot_hold) {
            port.step_bypass(event, false);
        }
        let on = port.bypass().carries();
        if before.carries() != on {
            notices.push(Notice::Bypass { port: name, on });
        }
    }

    /// What the links of a port have become. Returns true if it came to carry data, or will, without
    /// the peer's consent.
    fn follow_links(
        &mut self,
        port: &mut MlagPort,
        situation: Situation,
        notices: &mut Vec<Notice>,
        now: Time,
    ) -> bool {
        let name = port.name();
        let at_peer = self.peer.port_is_up(&name);
        let carries = self.links.port_is_up(&name, &self.config.bridge);
        let kept_out = self.is_mismatched(&name) || self.is_kept_out(port);
        let up = (carries || port.bypass().carries()) && !kept_out;
        let looked_at = port.look_at();
        let mut unasked = false;
        if port.is_up() != up {
            notices.push(Notice::LocalPort { port: name, up });
            if situation.reach == Reachability::Synchronised {
                port.advertise(News::State);
            }
            let event = if up {
                situation.link_up_with_peer(at_peer, self.consent(), self.config.ack_timeout, now)
            } else {
                Event::LinksLost
            };
            port.step(event, &mut self.timers);
            unasked = looked_at && matches!(event, Event::LinksBackAlone(_));
        }
        let answer = self.answer(port, situation);
        let of_another_kind = self.kind_conflict(&name).is_some();
        match situation.port_action(port.state(), of_another_kind, at_peer, answer) {
            // Who goes on taking an interface of another name for it leaves that as it is: it may be the only leg of its host.
            PortAction::Hold if self.syncd.policy.holds && self.links.exists(&name) => {
                port.step(Event::Hold, &mut self.timers);
            }
            PortAction::Hold | PortAction::Keep => {}
            PortAction::Forward => {
                port.step(Event::Release, &mut self.timers);
                unasked = true;
                if answer == Answer::Never {
                    notices.push(Notice::Unanswered { port: name });
                }
                let (port, held) = (name, false);
                notices.push(Notice::Held { port, held });
            }
        }
        unasked
    }

    pub(super) fn elect(&mut self) {
        let peer = match self.peer.announce() {
            Some(announce) => Some(Candidate {
                priority: announce.priority,
                mac: announce.node_mac,
            }),
            // Between sessions the role stays what it was, and until both are synchronised one of our
            // own may not have said yet that it is one.
            None if self.session.state() < SessionState::Exchange => return,
            None => None,
        };
        self.elect_against(peer);
    }

    /// The role against this peer; by the addresses alone if none of our own is known.
    pub(super) fn elect_against(&mut self, peer: Option<Candidate>) {
        let dials = election::dials(self.config.local, self.config.peer);
        let (role, by) = election::elect(dials, candidate(&self.config), peer);
        if role != self.identity.role {
            // Who waits for whom is another one.
            for port in &self.config.bypass {
                self.timers.stop(Timer::Bypass(*port));
            }
        }
        if self.identity.elected(role, by) {
            self.checks.due();
            self.notice(Notice::Role { role, by });
        }
    }
}

/// What the peer compares; unspecified when there is none (`spec/iccp.md` 4.7).
fn first_ipv4(addresses: &[IpNetwork]) -> Ipv4Addr {
    let mut v4 = addresses.iter().filter_map(|network| match network {
        IpNetwork::V4(v4) => Some(v4.ip()),
        IpNetwork::V6(_) => None,
    });
    v4.next().unwrap_or(Ipv4Addr::UNSPECIFIED)
}
