//! What is sent to the peer, in the order of `spec/iccp.md` 6.
//!
//! Handshake and keepalives go first, then acknowledgements: they must not wait behind a table
//! transfer. Everything else is kept as a mark on what changed and written when the transport
//! has room, so a peer that does not read costs no memory.

use super::{Body, Domain, Message, Time, Tlv};
use crate::session::State;
use mclag_proto::iccp::ext::Extension;
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, InterfaceUpAck, LEGACY_MACS_PER_MESSAGE,
    PeerLinkInfo, PeerLinkKind, PortChannelInfo, PortState, SystemConfig,
};
use mclag_proto::{AggregatorId, IfName};
use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;

/// Addresses in one message to one of our own: large enough to be cheap, small enough for a
/// keepalive to slip in between.
const MACS_PER_MESSAGE: usize = 500;

/// What waits to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    control: VecDeque<Item>,
    acks_owed: BTreeSet<AggregatorId>,
    pub(super) system_pending: bool,
    pub(super) mac_sync_end: bool,
    /// Message id of the last System Config, to recognise its NAK.
    pub(super) system_config_id: Option<u32>,
    last_id: u32,
}

/// One item of the queue that goes first.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Item {
    Body(Body),
    /// Everything, as it is when the item is reached.
    Answer {
        number: u16,
    },
}

impl Outbox {
    /// A keepalive that has not left yet serves for this one as well.
    pub(super) fn push(&mut self, body: Body) {
        let keepalive = matches!(
            &body,
            Body::Application {
                tlv: Tlv::Heartbeat,
                ..
            }
        );
        let item = Item::Body(body);
        if !(keepalive && self.control.contains(&item)) {
            self.control.push_back(item);
        }
    }

    /// Acknowledge a port that is none of ours: there is nothing to isolate, and the peer waits.
    pub(super) fn owe_ack(&mut self, id: AggregatorId) {
        self.acks_owed.insert(id);
    }

    /// Answer a request for everything. One that has not left yet answers this one as well, so a
    /// peer that asks without reading costs no memory.
    pub(super) fn answer(&mut self, number: u16) {
        let item = Item::Answer { number };
        if !self.control.contains(&item) {
            self.control.push_back(item);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self {
            last_id: self.last_id,
            ..Self::default()
        };
    }
}

impl Domain {
    /// Next message for the peer; call only while the transport has room.
    ///
    /// Its content is what is true now, however long ago it became worth saying.
    #[must_use]
    pub fn poll_peer_message(&mut self, _now: Time) -> Option<Message> {
        if self.session.state() == State::Down {
            return None;
        }
        let body = self.next_body()?;
        Some(self.numbered(body))
    }

    pub(super) fn take_farewell(&mut self) -> Vec<Message> {
        let items = std::mem::take(&mut self.outbox.control);
        let bodies = items.into_iter().filter_map(|item| match item {
            Item::Body(body) => Some(body),
            Item::Answer { .. } => None,
        });
        bodies.map(|body| self.numbered(body)).collect()
    }

    /// The next acknowledgement: of a port that `syncd` confirmed to be isolated now, and of no
    /// other (`spec/behaviour.md` 21, invariant 2).
    fn next_ack(&mut self) -> Option<Tlv> {
        let ready = |port: &&mut super::MlagPort| port.ack_owed && port.is_isolated();
        let id = match self.ports.values_mut().find(ready) {
            Some(port) => {
                port.ack_owed = false;
                let remote = self.peer.ports.get(&port.name);
                remote.map_or(port.id, |remote| remote.id)
            }
            None => self.outbox.acks_owed.pop_first()?,
        };
        self.counters.acks_sent += 1;
        Some(Tlv::InterfaceUpAck(InterfaceUpAck { id, isolated: true }))
    }

    fn numbered(&mut self, body: Body) -> Message {
        self.outbox.last_id = self.outbox.last_id.wrapping_add(body.ids());
        let id = self.outbox.last_id;
        if matches!(
            &body,
            Body::Application {
                tlv: Tlv::SystemConfig(_),
                ..
            }
        ) {
            self.outbox.system_config_id = Some(id);
        }
        self.counters.sent += 1;
        Message { id, body }
    }

    fn next_body(&mut self) -> Option<Body> {
        if let Some(body) = self.next_control() {
            return Some(body);
        }
        if self.session.state() != State::Exchange {
            return None;
        }
        if let Some(ack) = self.next_ack() {
            return Some(self.application(ack));
        }
        if std::mem::take(&mut self.outbox.system_pending) {
            self.push_system();
            return self.next_control();
        }
        if self.push_port_change() {
            return self.next_control();
        }
        let ours = self.peer.announce.is_some();
        let max = if ours {
            MACS_PER_MESSAGE
        } else {
            LEGACY_MACS_PER_MESSAGE
        };
        let entries = self.fdb.next_announcements(max);
        if !entries.is_empty() {
            self.counters.macs_sent += entries.len() as u64;
            return Some(self.application(Tlv::MacInfo(entries)));
        }
        // Not before our own dataplane has told all it sees: the peer drops what is not named.
        if self.outbox.mac_sync_end && self.syncd.listed {
            self.outbox.mac_sync_end = false;
            return Some(self.application(Tlv::Extension(Extension::MacSyncEnd)));
        }
        None
    }

    fn next_control(&mut self) -> Option<Body> {
        match self.outbox.control.pop_front()? {
            Item::Body(body) => Some(body),
            Item::Answer { number } => {
                // In front of what was queued behind the request.
                let later = std::mem::take(&mut self.outbox.control);
                self.push_everything(number);
                self.outbox.control.extend(later);
                self.next_control()
            }
        }
    }

    /// The answer to a Sync Request (`spec/iccp.md` 7, steps 5 to 13).
    fn push_everything(&mut self, number: u16) {
        self.push_tlv(Tlv::SyncData { number, end: false });
        self.push_system_config();
        let names: Vec<IfName> = self
            .ports
            .values()
            .filter(|port| port.facts.is_some())
            .map(|port| port.name)
            .collect();
        for build in [
            Self::aggregator_config,
            Self::aggregator_state,
            Self::port_channel_info,
        ] {
            for name in &names {
                if let Some(tlv) = build(self, name) {
                    self.push_tlv(tlv);
                }
            }
        }
        for port in self.ports.values_mut() {
            port.announced = port.facts.is_some();
            port.config_pending = false;
        }
        self.push_peer_link();
        self.push_tlv(Tlv::SyncData { number, end: true });
    }

    fn push_system(&mut self) {
        self.push_system_config();
        self.push_peer_link();
    }

    fn push_system_config(&mut self) {
        let system = SystemConfig {
            system: self.config.system_mac.unwrap_or(self.config.node_mac),
            priority: 0,
            node: self.node,
        };
        self.push_tlv(Tlv::SystemConfig(system));
    }

    fn push_peer_link(&mut self) {
        if let Some(name) = self.config.peer_link {
            let lag = self
                .links
                .by_name(&name)
                .is_some_and(|link| matches!(link.kind, crate::input::LinkKind::Lag { .. }));
            let kind = if lag {
                PeerLinkKind::PortChannel
            } else {
                PeerLinkKind::Port
            };
            self.push_tlv(Tlv::PeerLinkInfo(PeerLinkInfo { name, kind }));
        }
    }

    /// Queue what the peer has to hear of one changed port. Returns false if there is none.
    fn push_port_change(&mut self) -> bool {
        let changed = |port: &&mut super::MlagPort| port.config_pending || port.state_pending;
        let Some(port) = self.ports.values_mut().find(changed) else {
            return false;
        };
        let name = port.name;
        let exists = port.facts.is_some();
        let purge = !exists && port.announced;
        let config = std::mem::take(&mut port.config_pending) || (exists && !port.announced);
        port.state_pending = false;
        port.announced = exists;
        if purge {
            // Only ever for a name the peer knows: an unknown one upsets a legacy daemon (7.3).
            let tlv = self.aggregator(&name, ConfigFlag::Purge);
            self.push_tlv(tlv);
        } else if exists {
            if config {
                self.push_port_tlv(Self::aggregator_config, &name);
                self.push_port_tlv(Self::port_channel_info, &name);
            }
            self.push_port_tlv(Self::aggregator_state, &name);
        } else {
            return self.push_port_change();
        }
        true
    }

    fn push_port_tlv(&mut self, build: fn(&Self, &IfName) -> Option<Tlv>, name: &IfName) {
        if let Some(tlv) = build(self, name) {
            self.push_tlv(tlv);
        }
    }

    fn aggregator(&self, name: &IfName, flag: ConfigFlag) -> Tlv {
        let port = self.ports.get(name);
        let mac = port
            .and_then(|port| Some(port.facts.as_ref()?.mac))
            .unwrap_or_default();
        Tlv::AggregatorConfig(AggregatorConfig {
            id: AggregatorId::of(name),
            name: *name,
            mac,
            flag,
        })
    }

    fn aggregator_config(&self, name: &IfName) -> Option<Tlv> {
        self.ports.get(name)?.facts.as_ref()?;
        Some(self.aggregator(name, ConfigFlag::Present))
    }

    fn aggregator_state(&self, name: &IfName) -> Option<Tlv> {
        let port = self.ports.get(name)?;
        let state = if port.up {
            PortState::Up
        } else {
            PortState::Down
        };
        Some(Tlv::AggregatorState(AggregatorState { id: port.id, state }))
    }

    fn port_channel_info(&self, name: &IfName) -> Option<Tlv> {
        let port = self.ports.get(name)?;
        let vids = port.facts.as_ref()?.vids.clone();
        // MLAG ports are bridge ports here; an address on one is not followed yet.
        let (l3, address) = (false, Ipv4Addr::UNSPECIFIED);
        Some(Tlv::PortChannelInfo(PortChannelInfo {
            id: port.id,
            name: *name,
            l3,
            address,
            vids,
        }))
    }

    fn push_tlv(&mut self, tlv: Tlv) {
        let body = self.application(tlv);
        self.outbox.push(body);
    }
}
