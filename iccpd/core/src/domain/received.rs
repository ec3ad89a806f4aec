//! What the peer advertises, and what is remembered of it.

use super::loss::WARM_WINDOW;
use super::{Domain, IfName, Notice, SessionState, Time, Timer};
use crate::Reason;
use crate::counters::Counter;
use crate::lag::Event;
use mclag_proto::ctl::Role;
use mclag_proto::iccp::ext::{Extension, ShutdownNotice};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, InterfaceUpAck, PortChannelInfo, SystemConfig,
    Tlv,
};
use mclag_proto::{AggregatorId, NodeId};

impl Domain {
    pub(super) fn peer_sync(&mut self, end: bool) {
        self.peer.sync(end);
        if end {
            self.checks.due();
            self.partners.due();
        }
    }

    pub(super) fn peer_shutdown_notice(&mut self, shutdown_notice: ShutdownNotice) {
        let leaving = shutdown_notice == ShutdownNotice::Leave;
        self.peer.set_shutdown_notice(shutdown_notice);
        self.notice(Notice::ShutdownNotice { leaving });
    }

    pub(super) fn deliver(&mut self, tlv: Tlv, now: Time) {
        match tlv {
            Tlv::SystemConfig(system) => self.peer_system(system),
            Tlv::AggregatorConfig(config) => self.peer_port(config),
            Tlv::AggregatorState(state) => self.peer_port_state(state),
            Tlv::PortChannelInfo(info) => self.peer_port_info(info),
            Tlv::PeerLinkInfo(info) => {
                self.peer.set_link(info);
                self.checks.due();
            }
            Tlv::MacInfo(entries) => {
                self.counters.add(Counter::MacsReceived, entries.len());
                let is_primary = self.identity.role == Role::Primary;
                for entry in &entries {
                    self.tables.fdb.remote_entry(entry, is_primary);
                }
            }
            Tlv::InterfaceUpAck(ack) => self.acknowledged(ack),
            Tlv::Extension(Extension::Announce(announce)) => {
                let synchronised = self.session.state() == SessionState::Exchange;
                self.peer.announced(announce, synchronised);
                self.session
                    .set_peer(self.peer.policy(), &mut self.timers, now);
                if synchronised {
                    self.timers.stop(Timer::LegacySync);
                    self.outbox.mac_sync_end = true;
                }
            }
            Tlv::Extension(Extension::ShutdownNotice(shutdown_notice)) => {
                self.peer_shutdown_notice(shutdown_notice)
            }
            Tlv::Extension(Extension::LacpPartner(partner)) => {
                if self.peer.port_partner(partner, &self.ports) {
                    self.partners.due();
                }
            }
            Tlv::Extension(Extension::MacOrder(orders)) => {
                self.tables.fdb.remote_orders(&orders, now);
            }
            Tlv::Extension(Extension::MacSyncEnd) => self.peer_macs_complete(),
            Tlv::WarmBoot => self.timers.set(Timer::PeerWarm, now + WARM_WINDOW),
            Tlv::ArpInfo(entries) => self.peer_neighbours(&entries),
            Tlv::NdiscInfo(entries) => self.peer_neighbours(&entries),
            Tlv::Unknown { .. } => self.counters.count(Counter::UnknownTlvs),
            Tlv::Heartbeat | Tlv::SyncRequest { .. } | Tlv::SyncData { .. } => {
                unreachable!("handled by the session")
            }
        }
    }

    pub(super) fn peer_system(&mut self, system: SystemConfig) {
        if system.node == self.identity.node {
            self.identity.node = NodeId(self.identity.node.0.wrapping_add(1));
        }
        self.peer.set_system(system);
        self.checks.due();
    }

    /// Aggregator Config (`spec/iccp.md` 4.2): ports are matched by name. Purging one that is not
    /// known is no error here.
    pub(super) fn peer_port(&mut self, config: AggregatorConfig) {
        let own = self.ports.contains_key(&config.name);
        match config.flag {
            ConfigFlag::Present => {
                if !self.peer.port_exists(&config, &self.ports) {
                    self.counters.count(Counter::Refused);
                    return;
                }
            }
            ConfigFlag::Purge => {
                // A deleted port is a port that is down (W-9).
                self.owe_no_ack(Some(config.name), config.id);
                if let Some(word) = self.situation().word(false)
                    && let Some(port) = self.ports.get_mut(&config.name)
                {
                    port.pair(word);
                }
                let was_up = self.peer.port_is_gone(&config.name);
                if own && was_up == Some(true) {
                    self.peer_port_changed(config.name, false);
                }
            }
        }
        if own {
            self.checks.due();
        }
        self.partners.due();
    }

    fn peer_port_info(&mut self, info: PortChannelInfo) {
        if self.peer.port_info(info, &self.ports) {
            self.checks.due();
        }
    }

    /// Aggregator State (`spec/iccp.md` 4.3): ports are matched by number.
    pub(super) fn peer_port_state(&mut self, state: AggregatorState) {
        let up = state.state.is_up();
        let name = self.peer.port_state(state, &self.ports);
        if let Some((port, true)) = name
            && self.ports.contains_key(&port)
        {
            self.peer_port_changed(port, up);
        }
        if !up {
            self.owe_no_ack(name.map(|(name, _)| name), state.id);
        }
        if up && self.peer.policy().acknowledges && self.session.state() == SessionState::Exchange {
            let local = name.and_then(|(name, _)| self.ports.get_mut(&name));
            match local {
                Some(port) if self.config.peer_link.is_some() => port.owe_ack(true),
                // Nothing to isolate; the peer waits all the same.
                _ => self.outbox.owe_ack(state.id),
            }
        }
    }

    /// The peer's port is down or gone: it waits for no acknowledgement, and one that comes all the same
    /// would count for the next time it is up.
    fn owe_no_ack(&mut self, name: Option<IfName>, id: AggregatorId) {
        if let Some(port) = name.and_then(|name| self.ports.get_mut(&name)) {
            port.owe_ack(false);
        }
        self.outbox.owe_no_ack(id);
    }

    fn peer_port_changed(&mut self, port: IfName, up: bool) {
        if !up && self.session.state() == SessionState::Exchange {
            self.tables.fdb.peer_port_lost(port);
        }
        self.notice(Notice::RemotePort { port, up });
    }

    pub(super) fn acknowledged(&mut self, ack: InterfaceUpAck) {
        self.counters.count(Counter::AcksReceived);
        let port = self.ports.values_mut().find(|port| port.id() == ack.id);
        if let Some(port) = port
            && port.state().awaited().is_some()
        {
            port.step(Event::Acknowledged, &mut self.timers);
            let port = port.name();
            self.notice(Notice::Held { port, held: false });
        }
    }

    /// A NAK (`spec/iccp.md` 8). Asking for everything again would push a legacy peer into its
    /// ERROR state (`spec/iccp.md` 7.3), so only the node id is acted upon.
    pub(super) fn rejected(&mut self, id: u32) {
        self.counters.count(Counter::Refused);
        if self.outbox.system_config_id == Some(id) {
            self.identity.node = NodeId(self.identity.node.0.wrapping_sub(1));
            self.outbox.system_pending = true;
        } else {
            let reason = Reason::Rejected { id };
            self.notice(Notice::Refused { reason });
        }
    }
}
