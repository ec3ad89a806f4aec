//! What the peer advertises, and what is remembered of it.

use super::loss::WARM_WINDOW;
use super::{Domain, IfName, Notice, SessionState, Time, Timer};
use crate::Reason;
use crate::counters::Counter;
use crate::lag::{Event, MlagPort, News};
use mclag_proto::ctl::Role;
use mclag_proto::iccp::ext::{Extension, ShutdownNotice};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, InterfaceUpAck, PortChannelInfo, SystemConfig,
    Tlv,
};
use mclag_proto::{AggregatorId, NodeId};
use std::collections::BTreeMap;

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
            Tlv::AggregatorConfig(config) => {
                if self.names_before.is_none() && self.peer.may_change_names(&config) {
                    self.names_before = self.translations();
                }
                self.peer_port(config);
            }
            Tlv::AggregatorState(state) => self.peer_port_state(state),
            Tlv::PortChannelInfo(info) => self.peer_port_info(info),
            Tlv::PeerLinkInfo(info) => {
                self.peer.set_link(info);
                self.checks.due();
            }
            Tlv::MacInfo(entries) => {
                if self.compare_names(now) {
                    return;
                }
                self.counters.add(Counter::MacsReceived, entries.len());
                let is_primary = self.identity.role == Role::Primary;
                // A port that is not the one of that name here is like any other behind the peer link.
                let elsewhere = self.config.peer_link.unwrap_or(self.config.bridge);
                for mut entry in entries {
                    entry.port = self.peer.translate(&entry.port).unwrap_or(elsewhere);
                    self.tables.fdb.remote_entry(&entry, is_primary);
                }
            }
            Tlv::InterfaceUpAck(ack) => self.acknowledged(ack),
            Tlv::Extension(Extension::Announce(announce)) => {
                let synchronised = self.session.state() == SessionState::Exchange;
                let before = self.translations();
                let heard_ids = self.peer.policy().hears_port_ids;
                self.peer.announced(announce, synchronised);
                if self.peer.policy().hears_port_ids && !heard_ids {
                    let given = |port: &&mut MlagPort| port.is_given_id();
                    for port in self.ports.values_mut().filter(given) {
                        port.advertise(News::Config);
                    }
                }
                self.names_may_differ(before.as_ref(), now);
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
                if self.peer.port_partner(partner) {
                    self.partners.due();
                }
            }
            Tlv::Extension(Extension::MacOrder(orders)) => {
                self.tables.fdb.remote_orders(&orders, now);
            }
            Tlv::Extension(Extension::PortId(id)) => self.peer.port_is_given(id),
            Tlv::Extension(Extension::DataplaneState(state)) => self.peer_dataplane(state),
            Tlv::Extension(Extension::PortVlan(vlan)) => {
                if self.peer.port_vlan(vlan) {
                    self.checks.due();
                }
            }
            Tlv::Extension(Extension::MacSyncEnd) => self.peer_macs_complete(),
            Tlv::WarmBoot => self.timers.set(Timer::PeerWarm, now + WARM_WINDOW),
            Tlv::ArpInfo(_) | Tlv::NdiscInfo(_) if self.compare_names(now) => {}
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

    /// What names of the peer mean here, while its addresses are kept under that.
    fn translations(&self) -> Option<BTreeMap<IfName, Option<IfName>>> {
        let synchronised = self.session.state() == SessionState::Exchange;
        synchronised.then(|| self.peer.translations())
    }

    /// Ports of the peer that are new, gone or of another id change what names mean, perhaps; compared once for all
    /// that came together, before anything is kept under such a name. Returns true if that ended the session.
    pub(super) fn compare_names(&mut self, now: Time) -> bool {
        let before = self.names_before.take();
        let synchronised = self.session.state() == SessionState::Exchange;
        let Some(before) = before.filter(|_| synchronised) else {
            return false;
        };
        self.names_may_differ(Some(&before), now)
    }

    /// Ports are one with others than before: what both said under their names means something else now,
    /// and is said again in a new session. Returns true if that is so.
    pub(super) fn names_may_differ(
        &mut self,
        before: Option<&BTreeMap<IfName, Option<IfName>>>,
        now: Time,
    ) -> bool {
        let differ = before.is_some_and(|before| *before != self.peer.translations());
        if differ {
            self.shutdown_notice(ShutdownNotice::Restart);
            self.session
                .restart(Reason::Reconfigured, &mut self.timers, now);
        }
        differ
    }

    /// Aggregator Config (`spec/iccp.md` 4.2): of the peer's ports by name. Purging one that is not
    /// known is no error here.
    pub(super) fn peer_port(&mut self, config: AggregatorConfig) {
        match config.flag {
            ConfigFlag::Present => {
                if !self.peer.port_exists(&config) {
                    self.counters.count(Counter::Refused);
                    return;
                }
            }
            ConfigFlag::Purge => {
                let own = self.peer.port_here(&config.name);
                // A deleted port is a port that is down (W-9).
                self.owe_no_ack(own, config.id);
                if let Some(word) = self.situation().word(false)
                    && let Some(port) = own.and_then(|own| self.ports.get_mut(&own))
                {
                    port.pair(word);
                }
                let was_up = self.peer.port_is_gone(&config.name);
                if let Some(own) = own.filter(|_| was_up == Some(true)) {
                    self.peer_port_changed(own, false);
                }
            }
        }
        self.checks.due();
        self.partners.due();
    }

    fn peer_port_info(&mut self, info: PortChannelInfo) {
        if self.peer.port_info(info) {
            self.checks.due();
        }
    }

    /// Aggregator State (`spec/iccp.md` 4.3): ports are matched by number.
    pub(super) fn peer_port_state(&mut self, state: AggregatorState) {
        let up = state.state.is_up();
        let (own, changed) = self.peer.port_state(state).unwrap_or_default();
        if changed {
            self.partners.due();
        }
        if let Some(port) = own.filter(|_| changed) {
            self.peer_port_changed(port, up);
        }
        if !up {
            self.owe_no_ack(own, state.id);
        }
        if up && self.peer.policy().acknowledges && self.session.state() == SessionState::Exchange {
            let local = own.and_then(|own| self.ports.get_mut(&own));
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
