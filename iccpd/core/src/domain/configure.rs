//! Settings that change while the domain runs (`spec/behaviour.md` 12). Only what a change concerns
//! starts anew:
//!
//! | Change | Effect |
//! |---|---|
//! | domain, peer's address | session restarted, once; the old peer is forgotten; role decided anew; ports keep their id and are isolated until the new one has named its own |
//! | own address | session restarted; role decided anew |
//! | peer link | session restarted |
//! | port | attached or detached, and advertised |
//! | id of a port | advertised; the session restarted if ports become one with others than before |
//! | keepalive, session timeout | at once |
//! | system MAC, node MAC | advertised, ports and interfaces follow (W-21) |
//! | priority | announced to one of our own, and the role decided anew |
//! | kind of a port | held, or released |
//! | bridge, unique IP | programmed or advertised |
//! | ack timeout, restart hold, on loss | from the next time on |

use super::{Domain, Isolation, MlagPort, SessionState, Time, announce, session_config};
use crate::Reason;
use crate::config::{Config, OnLoss};
use crate::counters::Counter;
use crate::input::LinkKind;
use crate::lag::{Event, News, Word};
use crate::port_id::PortIds;
use mclag_proto::IfName;
use mclag_proto::iccp::Tlv;
use mclag_proto::iccp::ext::{Extension, ShutdownNotice};

impl Domain {
    /// The settings in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The bridge that the peer link is a member of, or else an MLAG port, in the order of their
    /// names; none while none is, or while the interfaces are being listed.
    #[must_use]
    pub fn bridge_of_ports(&self) -> Option<IfName> {
        if !self.links.is_ready() {
            return None;
        }
        let ports = self.config.peer_link.iter().chain(&self.config.ports);
        let masters =
            ports.filter_map(|port| self.links.by_index(self.links.by_name(port)?.master?));
        masters
            .filter(|master| master.kind == LinkKind::Bridge)
            .map(|bridge| bridge.name)
            .next()
    }

    /// Take on other settings.
    pub(super) fn configure(&mut self, config: Config, now: Time) {
        if self.life.is_stopping() || config == self.config {
            return;
        }
        let before = std::mem::replace(&mut self.config, config);
        self.configure_session(&before, now);
        self.configure_identity(&before);
        self.configure_ports(&before, now);
        self.partners.look_again();
        self.checks.due();
    }

    fn configure_session(&mut self, before: &Config, now: Time) {
        let config = &self.config;
        let stranger = config.domain != before.domain || config.peer != before.peer;
        let addresses = stranger || config.local != before.local;
        if addresses || config.peer_link != before.peer_link {
            // Also to one that is no longer the peer: this chassis goes on forwarding, and its ports
            // show what they did.
            self.shutdown_notice(ShutdownNotice::Restart);
            self.session
                .restart(Reason::Reconfigured, &mut self.timers, now);
            self.run_session(now);
        }
        if stranger && self.counters.get(Counter::Sessions) > 0 {
            self.forget_peer();
            self.peer.replace();
            if self.config.on_loss == OnLoss::Hold {
                for port in self.ports.values_mut() {
                    port.pair(Word::OtherPeer);
                }
            }
        }
        if addresses {
            self.elect_against(None);
        }
        let config = session_config(&self.config);
        self.session.configure(config, &mut self.timers, now);
    }

    fn configure_identity(&mut self, before: &Config) {
        let config = &self.config;
        let identity = (config.system_mac, config.node_mac);
        if identity != (before.system_mac, before.node_mac) && self.session.is_operational() {
            self.outbox.system_pending = true;
        }
        let candidate = (config.priority, config.node_mac);
        if candidate != (before.priority, before.node_mac) && self.session.is_operational() {
            let announce = announce(&self.config);
            self.push_tlv(Tlv::Extension(Extension::Announce(announce)));
        }
    }

    fn configure_ports(&mut self, before: &Config, time: Time) {
        if self.config.on_loss == OnLoss::Release {
            for port in self.ports.values_mut() {
                port.pair(Word::Named);
            }
        }
        let ids = PortIds::new(&self.config.ports, &self.config.port_ids);
        let operational = self.session.is_operational();
        let translations = operational.then(|| self.peer.translations());
        let (now, was) = (self.config.ports.clone(), &before.ports);
        for name in was.difference(&now) {
            let Some(port) = self.ports.remove(name) else {
                continue;
            };
            if port.advertised().is_known() {
                self.outbox.purges.insert(*name, port.id());
            }
            if port.owes_ack() {
                // Nothing is left to isolate, and the peer still waits.
                let remote = self.peer.port(name);
                let id = remote.map_or(port.id(), |remote| remote.id().number);
                self.outbox.owe_ack(id);
            }
            self.timers.stop_port(*name);
            self.syncd.release_port(*name);
        }
        for (name, id) in ids.iter() {
            if let Some(port) = self.ports.get_mut(&name) {
                port.set_id(id);
            }
        }
        for name in now.difference(was) {
            let Some(id) = ids.of(name) else { continue };
            let mut port = MlagPort::new(*name, id);
            if self.session.state() != SessionState::Exchange {
                // Until the peer says whether it has it, too.
                port.set_isolation(Isolation::On);
                if self.config.on_loss == OnLoss::Hold {
                    port = port.unknown();
                }
            }
            if self.links.port_is_up(name, &self.config.bridge) {
                // It carried data before: it is not held for becoming an MLAG port.
                port.step(Event::Release, &mut self.timers);
            }
            // Back before the peer heard that it was gone.
            if self.outbox.purges.remove(name).is_some() {
                port.advertise(News::Advertised);
            }
            port.advertise(News::Config);
            if self.session.state() == SessionState::Exchange {
                port.advertise(News::State);
            }
            self.ports.insert(*name, port);
        }
        self.peer.set_own(ids);
        self.peer.drop_infos();
        self.names_may_differ(translations.as_ref(), time);
    }
}
