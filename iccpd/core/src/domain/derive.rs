//! What follows from links, session and peer: computed anew after every input.

use super::{Domain, Notice, State, Time, Timer, candidate};
use crate::config::OnLoss;
use crate::election::{self, Candidate};
use crate::isolation::{self, Remote};
use crate::lag::{Consent, PortFacts};
use ipnetwork::IpNetwork;
use mclag_proto::sync::model::{Isolation, Traffic};
use std::net::Ipv4Addr;

impl Domain {
    /// Derive everything that follows from links, session and peer.
    pub(super) fn refresh(&mut self, now: Time) {
        self.elect();
        if self.links.is_complete() && !self.links.is_listing() {
            self.refresh_links(now);
        }
        let has_peer_link = self.config.peer_link.is_some();
        let alone = self.config.on_loss == OnLoss::Hold
            && !self.session.is_connected()
            && self.links.is_complete()
            && !self.links.is_listing()
            && !self.peer_link_up();
        // What the peer tells on the way counts as soon as both are in step, and not before
        // (`spec/behaviour.md` 6.3, 7.1).
        let on_the_way = matches!(self.session.state(), State::Stage1 | State::Stage2);
        for port in self.ports.values_mut() {
            let remote = match self.peer.port_is_up(&port.name) {
                _ if alone => Remote::Unreachable,
                _ if on_the_way || !self.peer.known().is_told() => Remote::Untold,
                None => Remote::Absent,
                Some(true) => Remote::Up,
                Some(false) => Remote::Down,
            };
            port.isolation = isolation::decide(has_peer_link, remote, port.isolation);
        }
        self.refresh_tables(now);
        self.syncd.dirty = true;
        self.check_consistency();
    }

    pub(super) fn refresh_links(&mut self, now: Time) {
        let in_step = self.session.state() == State::Exchange;
        let peer_link_up = self.peer_link_up();
        let hold = self.syncd.abilities.hold;
        let connected = self.session.is_connected();
        let operational = self.session.is_operational();
        let strict = self.config.on_loss == OnLoss::Release;
        let unsettled = self.timers.is_set(Timer::RestartHold);
        let consent = self.consent();
        let mut notices = Vec::new();
        for port in self.ports.values_mut() {
            let facts = self.links.by_name(&port.name).map(|link| PortFacts {
                mac: link.mac.unwrap_or_default(),
                vids: self.links.vids(&port.name).cloned().unwrap_or_default(),
                l3: self.links.is_layer3(&port.name),
                address: first_ipv4(self.links.addresses(&port.name)),
            });
            if port.facts != facts {
                if port.facts.is_none() {
                    self.attached += 1;
                    port.attached = self.attached;
                }
                port.facts = facts;
                self.checks_due = true;
                // Also before both are in step: the peer may have been answered already.
                port.config_pending = true;
            }
            let up = self.links.port_is_up(&port.name);
            let mut unasked = false;
            if port.up != up {
                notices.push(Notice::LocalPort {
                    port: port.name,
                    up,
                });
                port.state_pending = in_step;
                let down_at_peer = self.peer.port_is_up(&port.name) != Some(true);
                if !up {
                    port.links_lost();
                } else if in_step && down_at_peer && matches!(consent, Consent::Presumed(_)) {
                    // Nobody delivers a frame beside it, and waiting would cost the host its only
                    // leg for seconds: a peer that does not acknowledge does not wait either.
                    port.up = true;
                    port.pass();
                } else if in_step {
                    port.links_back(consent, now);
                } else {
                    port.links_returned(self.config.ack_timeout, now);
                    unasked = port.looked_at;
                }
            }
            port.looked_at = true;
            // The peer forwards for the host, as far as this chassis knows: carrying data beside
            // it without its consent would deliver frames twice.
            let at_peer = self.peer.port_is_up(&port.name);
            let peer_serves = peer_link_up && at_peer == Some(true);
            // Right after a start nothing is known of the peer: it may.
            let may_serve = peer_link_up && at_peer != Some(false) && unsettled;
            let held = port.traffic == Traffic::Held;
            let peer_matters = match strict {
                true => in_step, // as SONiC (`spec/behaviour.md` 8.3)
                false => operational || peer_serves,
            };
            if !port.up && hold && peer_matters {
                // Before the peer hears that it is down and lifts its isolation.
                port.traffic = Traffic::Held;
            } else if port.up && held && !connected && !may_serve {
                port.pass();
                unasked = true;
            }
            if unasked && !self.peer.known().is_told() {
                // It carries data without the peer's consent, and the peer's may come up in the
                // same way (`spec/behaviour.md` 7.1, third row).
                port.isolation = Isolation::On;
            }
            if port.up && held != (port.traffic == Traffic::Held) {
                notices.push(Notice::Held {
                    port: port.name,
                    held: !held,
                });
            }
        }
        for notice in notices {
            self.notice(notice);
        }
    }

    pub(super) fn elect(&mut self) {
        let dials = election::dials(self.config.local, self.config.peer);
        let peer = match self.peer.announce() {
            Some(announce) => Some(Candidate {
                priority: announce.priority,
                mac: announce.node_mac,
            }),
            // Between sessions the role stays what it was, and until both are in step one of our
            // own may not have said yet that it is one.
            None if self.session.state() < State::Exchange => return,
            None => None,
        };
        let (role, by) = election::elect(dials, candidate(&self.config), peer);
        if self.role != (role, by) {
            self.role = (role, by);
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
