//! What is sent to the peer, in the order of `spec/iccp.md` 6.
//!
//! Handshake and keepalives go first, then acknowledgements: they must not wait behind a table
//! transfer. Everything else is kept as a mark on what changed and written when the transport
//! has room, so a peer that does not read costs no memory.

use super::own::OwnAddresses;
use super::presence::AdvertisedDataplane;
use super::{Body, Domain, Message, MlagPort, Output, Time, Tlv};
use crate::counters::Counter;
use crate::input::LinkKind;
use crate::lag::{Advertised, News, aggregator_purge};
use crate::policy::peer::PeerPolicy;
use crate::session::SessionState;
use mclag_proto::iccp::ext::{DataplanePresence, Extension};
use mclag_proto::iccp::{InterfaceUpAck, PeerLinkInfo, PeerLinkKind, SystemConfig};
use mclag_proto::{AggregatorId, IfName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What waits to be sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// For the I/O layer.
    pub(super) outputs: VecDeque<Output>,
    pub(super) own_addresses: OwnAddresses,
    pub(super) dataplane: AdvertisedDataplane,
    control: VecDeque<Item>,
    /// Number of the request that [`Item::Answer`] answers when its turn comes.
    answer: Option<u16>,
    /// An answer was given.
    answered: bool,
    acks_owed: BTreeSet<AggregatorId>,
    /// Ports that were advertised and that are none any more.
    pub(super) purges: BTreeMap<IfName, AggregatorId>,
    pub(super) system_pending: bool,
    pub(super) mac_sync_end: bool,
    turn: Turn,
    /// Addresses whose order has just been sent.
    ordered: Option<Tlv>,
    /// Message id of the last System Config, to recognise its NAK.
    pub(super) system_config_id: Option<u32>,
    last_id: u32,
}

/// What goes first where both addresses and neighbours wait.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Turn {
    /// Addresses, until all that this session began with were advertised.
    #[default]
    Transfer,
    Addresses,
    /// Addresses had theirs: under steady change neighbours would never be advertised.
    Neighbours,
}

/// One item of the queue that goes first.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Item {
    Body(Body),
    /// Everything, as it is when the item is reached. Queued once at most.
    Answer,
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

    /// The peer no longer waits for that.
    pub(super) fn owe_no_ack(&mut self, id: AggregatorId) {
        self.acks_owed.remove(&id);
    }

    /// Answer a request for everything. It takes the place of one that was not answered yet: the
    /// answer is everything either way, and a peer that asks without reading costs neither memory
    /// nor work.
    pub(super) fn answer(&mut self, number: u16) {
        if self.answer.replace(number).is_none() {
            self.control.push_back(Item::Answer);
        }
    }

    /// Nothing waits for the peer any more.
    pub(super) fn clear(&mut self) {
        *self = Self {
            outputs: std::mem::take(&mut self.outputs),
            last_id: self.last_id,
            ..Self::default()
        };
    }
}

/// The peer hears of a port that exists, and one of our own of every port of the settings.
pub(super) const fn is_named(port: &MlagPort, policy: PeerPolicy) -> bool {
    port.exists() || policy.hears_of_missing_ports
}

impl Domain {
    /// Next message for the peer; call only while the transport has room.
    ///
    /// Its content is what is true now, however long ago it became worth sending.
    #[must_use]
    pub fn poll_peer_message(&mut self, now: Time) -> Option<Message> {
        self.catch_up();
        if !self.session.is_connected() {
            return None;
        }
        let body = self.next_body(now)?;
        Some(self.numbered(body))
    }

    pub(super) fn take_shutdown_notice(&mut self) -> Vec<Message> {
        let items = std::mem::take(&mut self.outbox.control);
        self.outbox.answer = None;
        let bodies = items.into_iter().filter_map(|item| match item {
            Item::Body(body) => Some(body),
            Item::Answer => None,
        });
        bodies.map(|body| self.numbered(body)).collect()
    }

    /// The next acknowledgement: of a port that `syncd` confirmed to be isolated now, and of no
    /// other (`spec/behaviour.md` 21, invariant 2).
    fn next_ack(&mut self) -> Option<Tlv> {
        let is_connected = self.syncd.is_up();
        let id = match self.ports.values_mut().find_map(|port| {
            let ready = port.take_ack(is_connected);
            ready.then_some((port.name(), port.id()))
        }) {
            Some((name, id)) => self.peer.port(&name).map_or(id, |port| port.id().number),
            None => self.outbox.acks_owed.pop_first()?,
        };
        self.counters.count(Counter::AcksSent);
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
        self.counters.sent(&body);
        Message { id, body }
    }

    fn next_body(&mut self, now: Time) -> Option<Body> {
        let answers_again = self.outbox.control.front() == Some(&Item::Answer);
        if answers_again && std::mem::take(&mut self.outbox.answered) {
            // A peer that asks without end hears of the rest, too.
            if let Some(body) = self.next_synchronised(now) {
                return Some(body);
            }
        }
        self.next_control().or_else(|| self.next_synchronised(now))
    }

    /// What is sent beside the handshake and its answers.
    fn next_synchronised(&mut self, now: Time) -> Option<Body> {
        if self.session.state() != SessionState::Exchange {
            return None;
        }
        if let Some(addresses) = self.outbox.ordered.take() {
            return Some(self.application(addresses));
        }
        if let Some(state) = self.next_dataplane_state() {
            return Some(self.application(state));
        }
        if let Some(ack) = self.next_ack() {
            return Some(self.application(ack));
        }
        if std::mem::take(&mut self.outbox.system_pending) {
            self.push_system_config();
            self.push_peer_link();
            return self.next_control();
        }
        if self.push_port_change() {
            return self.next_control();
        }
        if self.push_own_addresses() {
            return self.next_control();
        }
        if let Some(tlv) = self.next_of_tables(now) {
            return Some(self.application(tlv));
        }
        // Not before our own dataplane has listed all it sees: the peer drops what is not named.
        if self.outbox.mac_sync_end && self.syncd.listed {
            self.outbox.mac_sync_end = false;
            return Some(self.application(Tlv::Extension(Extension::MacSyncEnd)));
        }
        None
    }

    /// The next addresses or neighbours, in turns once the first transfer is over.
    fn next_of_tables(&mut self, now: Time) -> Option<Tlv> {
        if self.outbox.turn == Turn::Neighbours {
            self.outbox.turn = Turn::Addresses;
            if let Some(tlv) = self.next_neighbours() {
                return Some(tlv);
            }
        }
        let max = self.peer.policy().macs_per_message;
        let entries = self.tables.fdb.next_advertisements(max);
        if entries.is_empty() {
            self.outbox.turn = Turn::Addresses;
            return self.next_neighbours();
        }
        if self.outbox.turn == Turn::Addresses {
            self.outbox.turn = Turn::Neighbours;
        }
        self.counters.add(Counter::MacsSent, entries.len());
        let orders = match self.peer.policy().orders_moves {
            true => self.tables.fdb.orders_of(&entries, now),
            false => Vec::new(),
        };
        let addresses = Tlv::MacInfo(entries);
        if orders.is_empty() {
            return Some(addresses);
        }
        self.outbox.ordered = Some(addresses);
        Some(Tlv::Extension(Extension::MacOrder(orders)))
    }

    fn next_control(&mut self) -> Option<Body> {
        match self.outbox.control.pop_front()? {
            Item::Body(body) => Some(body),
            Item::Answer => {
                let number = self.outbox.answer.take().unwrap_or_default();
                // In front of what was queued behind the request.
                let later = std::mem::take(&mut self.outbox.control);
                self.push_everything(number);
                self.outbox.answered = true;
                self.outbox.control.extend(later);
                self.next_control()
            }
        }
    }

    /// The answer to a Sync Request (`spec/iccp.md` 7, steps 5 to 13).
    fn push_everything(&mut self, number: u16) {
        self.push_tlv(Tlv::SyncData { number, end: false });
        self.push_system_config();
        let (ports, policy) = (self.latest_first(), self.peer.policy());
        let configs = ports.iter().flat_map(|port| {
            port.port_id(policy)
                .into_iter()
                .chain([port.aggregator_config()])
        });
        let states = ports.iter().map(|port| port.aggregator_state());
        let infos = ports.iter().filter_map(|port| port.port_channel_info());
        let vlans = ports.iter().filter_map(|port| port.port_vlan(policy));
        let tlvs: Vec<Tlv> = configs.chain(states).chain(infos).chain(vlans).collect();
        for tlv in tlvs {
            self.push_tlv(tlv);
        }
        let mut partners = Vec::new();
        for port in self
            .ports
            .values_mut()
            .filter(|port| is_named(port, policy))
        {
            port.advertise(News::Answered);
            // One that is not said is none.
            let partner = port.advertise_partner();
            if policy.hears_partners && port.has_partner_to_tell() {
                partners.push(partner);
            }
        }
        for tlv in partners {
            self.push_tlv(tlv);
        }
        self.push_peer_link();
        self.push_neighbours();
        self.push_tlv(Tlv::SyncData { number, end: true });
    }

    fn push_system_config(&mut self) {
        let system = SystemConfig {
            system: self.config.own_system_mac(),
            priority: 0,
            node: self.identity.node,
        };
        self.push_tlv(Tlv::SystemConfig(system));
    }

    fn push_peer_link(&mut self) {
        if let Some(name) = self.config.peer_link {
            let own = self
                .config
                .peer_link
                .and_then(|name| self.links.by_name(&name));
            let kind = match own.map(|link| link.kind) {
                Some(LinkKind::Lag { .. }) => PeerLinkKind::PortChannel,
                Some(LinkKind::Vlan { .. }) => PeerLinkKind::Vlan,
                Some(LinkKind::Vxlan) => PeerLinkKind::Vxlan,
                Some(
                    LinkKind::Bridge | LinkKind::Macvlan { .. } | LinkKind::Vrf | LinkKind::Other,
                )
                | None => PeerLinkKind::Port,
            };
            self.push_tlv(Tlv::PeerLinkInfo(PeerLinkInfo { name, kind }));
        }
    }

    /// The ports that the peer hears of, in the order in which a legacy daemon lists them: the one that appeared
    /// last comes first (`spec/iccp.md` 7).
    fn latest_first(&self) -> Vec<&MlagPort> {
        let named = |port: &&MlagPort| is_named(port, self.peer.policy());
        let mut ports: Vec<&MlagPort> = self.ports.values().filter(named).collect();
        ports.sort_by_key(|port| std::cmp::Reverse(port.attached()));
        ports
    }

    /// Queue what the peer has to hear of one port: of one that is gone before all others, else of
    /// the one that appeared last (`spec/iccp.md` 6). Returns false if there is none.
    fn push_port_change(&mut self) -> bool {
        // Only ever a name that the peer knows: an unknown one upsets a legacy daemon (7.3).
        let policy = self.peer.policy();
        let gone = self.outbox.purges.pop_first().or_else(|| {
            let gone =
                |port: &&mut MlagPort| port.advertised().is_known() && !is_named(port, policy);
            let port = self.ports.values_mut().find(gone)?;
            port.advertise(News::Withdrawn);
            Some((port.name(), port.id()))
        });
        if let Some((name, id)) = gone {
            self.push_tlv(aggregator_purge(name, id));
            return true;
        }
        let is_at_work = self.syncd.is_up() && self.syncd.presence == DataplanePresence::AtWork;
        let links = &self.links;
        // Its host may come back to a leg that has carrier at any moment. What it sends into it would come back to it by the
        // peer's half, which is isolated no more when it hears that this one is down: that is so when it is held.
        let may_come_back = |port: &MlagPort| {
            let is_going_down = !port.is_up() && port.is_being_held();
            is_at_work && is_going_down && links.has_running_member(&port.name())
        };
        let changed = |port: &&mut MlagPort| {
            let partner = policy.hears_partners && port.is_partner_due();
            is_named(port, policy)
                && (port.advertised() != Advertised::Current || partner)
                && !(port.advertised() == Advertised::StateDue && may_come_back(port))
        };
        let ports = self.ports.values_mut().filter(changed);
        let Some(port) = ports.max_by_key(|port| port.attached()) else {
            return false;
        };
        let (config, state) = port.advertised().due();
        port.advertise(News::Advertised);
        let id = port.port_id(policy).filter(|_| config);
        let config = config.then(|| port.aggregator_config());
        let info = port.port_channel_info().filter(|_| config.is_some());
        let vlan = port.port_vlan(policy).filter(|_| config.is_some());
        let state = state.then(|| port.aggregator_state());
        let partner =
            (policy.hears_partners && port.is_partner_due()).then(|| port.advertise_partner());
        let tlvs = [id, config, info, vlan, partner, state];
        for tlv in tlvs.into_iter().flatten() {
            self.push_tlv(tlv);
        }
        true
    }
}
