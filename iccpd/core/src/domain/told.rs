//! What the peer says, and what is remembered of it.

use super::loss::WARM_WINDOW;
use super::{Domain, Notice, State, Time, Timer};
use crate::lag::RemotePort;
use mclag_proto::NodeId;
use mclag_proto::iccp::ext::{Extension, Goodbye};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, InterfaceUpAck, PortChannelInfo, SystemConfig,
    Tlv,
};

/// Most ports of the peer that are kept beside those that are here, too: a peer can name any
/// number. One that becomes an MLAG port here while the session lasts must be known then, since a
/// legacy peer may not be asked again (`spec/iccp.md` 7.3).
const MAX_FOREIGN_PORTS: usize = 1024;

impl Domain {
    pub(super) fn peer_sync(&mut self, end: bool) {
        if end {
            if let Some(named) = self.peer.sync.end() {
                self.peer.ports.retain(|name, _| named.contains(name));
            }
            self.peer.told_ports = true;
            self.checks_due = true;
        } else {
            self.peer.sync.begin();
        }
    }

    pub(super) fn peer_goodbye(&mut self, goodbye: Goodbye) {
        let leaving = goodbye == Goodbye::Leave;
        self.peer.leaving = leaving;
        self.peer.restarting = !leaving;
        self.notice(Notice::Goodbye { leaving });
    }

    pub(super) fn deliver(&mut self, tlv: Tlv, now: Time) {
        match tlv {
            Tlv::SystemConfig(system) => self.peer_system(system),
            Tlv::AggregatorConfig(config) => self.peer_port(config),
            Tlv::AggregatorState(state) => self.peer_port_state(state),
            Tlv::PortChannelInfo(info) => self.peer_port_info(info),
            Tlv::PeerLinkInfo(info) => {
                self.peer.link = Some(info);
                self.checks_due = true;
            }
            Tlv::MacInfo(entries) => {
                self.counters.macs_received += entries.len() as u64;
                for entry in &entries {
                    self.fdb.remote_entry(entry);
                }
            }
            Tlv::InterfaceUpAck(ack) => self.acknowledged(ack),
            Tlv::Extension(Extension::Announce(announce)) => {
                self.peer.announce = Some(announce);
                self.session.peer_is_ours(&mut self.timers, now);
                if self.session.state() == State::Exchange {
                    self.peer.legacy = false;
                    self.timers.stop(Timer::LegacySync);
                    self.outbox.mac_sync_end = true;
                }
            }
            Tlv::Extension(Extension::Goodbye(goodbye)) => self.peer_goodbye(goodbye),
            Tlv::Extension(Extension::MacSyncEnd) => self.peer_macs_complete(),
            Tlv::WarmBoot => self.timers.set(Timer::PeerWarm, now + WARM_WINDOW),
            Tlv::ArpInfo(entries) => self.peer_neighbours(&entries),
            Tlv::NdiscInfo(entries) => self.peer_neighbours(&entries),
            Tlv::Unknown { .. } => self.counters.unknown += 1,
            Tlv::Heartbeat | Tlv::SyncRequest { .. } | Tlv::SyncData { .. } => {
                unreachable!("handled by the session")
            }
        }
    }

    pub(super) fn peer_system(&mut self, system: SystemConfig) {
        if system.node == self.node {
            self.node = NodeId(self.node.0.wrapping_add(1));
        }
        if let Some(own) = self.config.system_mac
            && own != system.system
            && self.peer.announce.is_some()
            && self.peer.system.map(|before| before.system) != Some(system.system)
        {
            let text = format!("system MAC {own} here, {} at the peer", system.system);
            self.notice(Notice::Conflict { text });
        }
        self.peer.system = Some(system);
    }

    /// Aggregator Config (`spec/iccp.md` 4.2): ports are matched by name. Purging one that is not
    /// known is no error here.
    pub(super) fn peer_port(&mut self, config: AggregatorConfig) {
        let own = self.ports.contains_key(&config.name);
        match config.flag {
            ConfigFlag::Present => {
                let room = self.peer.ports.len() < MAX_FOREIGN_PORTS + self.ports.len();
                if !own && !room && !self.peer.ports.contains_key(&config.name) {
                    self.counters.refused += 1;
                    return;
                }
                let port = self.peer.ports.entry(config.name).or_insert(RemotePort {
                    id: config.id,
                    // Up until it says otherwise: too much isolation is safe, too little is not.
                    up: true,
                    mac: config.mac,
                    info: None,
                });
                port.id = config.id;
                port.mac = config.mac;
                self.peer.sync.name(config.name);
            }
            ConfigFlag::Purge => {
                // A deleted port is a port that is down (W-9).
                let gone = self.peer.ports.remove(&config.name);
                if own && gone.is_some_and(|port| port.up) {
                    let (port, up) = (config.name, false);
                    self.notice(Notice::RemotePort { port, up });
                }
            }
        }
        self.checks_due |= own;
    }

    /// Port Channel Info (`spec/iccp.md` 4.7): matched by number. Kept of ports to compare with.
    fn peer_port_info(&mut self, info: PortChannelInfo) {
        let own = &self.ports;
        let mut ports = self.peer.ports.iter_mut();
        let known = ports.find(|(name, port)| port.id == info.id && own.contains_key(name));
        if let Some((_, port)) = known {
            port.info = Some(info);
            self.checks_due = true;
        }
    }

    /// Aggregator State (`spec/iccp.md` 4.3): ports are matched by number.
    pub(super) fn peer_port_state(&mut self, state: AggregatorState) {
        let up = state.state.is_up();
        // Ports that are here first: numbers need not be unique among the rest.
        let own = &self.ports;
        let mut known: Vec<_> = self.peer.ports.iter_mut().collect();
        known.retain(|(_, port)| port.id == state.id);
        let here = known.iter().position(|(name, _)| own.contains_key(*name));
        let known = known.into_iter().nth(here.unwrap_or(0));
        let name = known.map(|(name, port)| {
            let changed = port.up != up;
            port.up = up;
            (*name, changed)
        });
        if let Some((port, true)) = name
            && self.ports.contains_key(&port)
        {
            self.notice(Notice::RemotePort { port, up });
        }
        if let (false, Some((name, _))) = (up, name)
            && let Some(port) = self.ports.get_mut(&name)
        {
            port.ack_owed = false;
        }
        if up && self.peer.traits.acknowledges && self.session.state() == State::Exchange {
            let local = name.and_then(|(name, _)| self.ports.get_mut(&name));
            match local {
                Some(port) if self.config.peer_link.is_some() => port.ack_owed = true,
                // Nothing to isolate; the peer waits all the same.
                _ => self.outbox.owe_ack(state.id),
            }
        }
    }

    pub(super) fn acknowledged(&mut self, ack: InterfaceUpAck) {
        self.counters.acks_received += 1;
        let port = self.ports.values_mut().find(|port| port.id == ack.id);
        if let Some(port) = port
            && port.acknowledged()
        {
            let port = port.name;
            self.notice(Notice::Held { port, held: false });
        }
    }

    /// A NAK (`spec/iccp.md` 8). Asking for everything again would push a legacy peer into its
    /// ERROR state (`spec/iccp.md` 7.3), so only the node id is acted upon.
    pub(super) fn rejected(&mut self, id: u32) {
        self.counters.refused += 1;
        if self.outbox.system_config_id == Some(id) {
            self.node = NodeId(self.node.0.wrapping_sub(1));
            self.outbox.system_pending = true;
        } else {
            let reason = format!("peer rejected message {id}");
            self.notice(Notice::Refused { reason });
        }
    }
}
