//! What is counted since a pair began, in the core's own terms. Names and text are made by whoever
//! shows it.

use crate::input::Input;
use mclag_proto::iccp::{Body, Tlv};
use mclag_proto::sync::model::{Event, Observation, Op, OpError, OpErrorCode, Traffic};
use std::collections::BTreeMap;

/// Something that is counted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Counter {
    /// Times that both were synchronised.
    Sessions,
    /// Operational sessions that ended.
    SessionsLost,
    /// Connections to the peer that ended, or could not be made.
    ConnectionsLost,
    /// Messages of the peer that could be read.
    Received,
    /// Messages to the peer.
    Sent,
    /// Messages of the peer that could not be read.
    Unreadable,
    /// Messages of the peer of an unknown type.
    UnknownMessages,
    /// Elements of an unknown type in messages of the peer.
    UnknownTlvs,
    /// What the peer refused of this chassis' and this chassis of the peer's.
    Refused,
    /// Addresses in messages of the peer.
    MacsReceived,
    /// Addresses in messages to the peer.
    MacsSent,
    /// Acknowledgements of the peer.
    AcksReceived,
    /// Acknowledgements to the peer.
    AcksSent,
    /// Acknowledgements that the peer owed and did not send in time.
    AcksMissed,
    /// Times that the peer link went down.
    PeerLinkLost,
    /// Warm reboots of this chassis.
    WarmReboots,
    /// Times that the settings of the pair were given anew.
    Configured,
    /// Interfaces that appeared or changed.
    Links,
    /// Interfaces that went away.
    LinksGone,
    /// Addresses of interfaces that appeared.
    Addresses,
    /// Addresses of interfaces that went away.
    AddressesGone,
    /// Neighbours that appeared or changed.
    Neighbours,
    /// Neighbours that went away.
    NeighboursGone,
    /// Addresses that the dataplane learned, or saw active or moved.
    MacsLearned,
    /// Addresses that the dataplane forgot, or saw inactive.
    MacsForgotten,
    /// Entries of the address table that were made. One that was dropped before anything else
    /// happened does not count.
    MacEntriesMade,
    /// Entries of the address table that were dropped.
    MacEntriesDropped,
    /// Ports that the dataplane reported in a VLAN, or no longer in one.
    VlanMembers,
    /// Connections to the dataplane that ended.
    DataplaneLost,
}

impl Counter {
    const COUNT: usize = Self::DataplaneLost as usize + 1;
}

/// Kind of a message between the two chassis. Those of the connection itself are none.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum MessageKind {
    /// System Config.
    SystemConfig,
    /// Aggregator Config.
    AggregatorConfig,
    /// Aggregator State.
    AggregatorState,
    /// MAC Info.
    MacInfo,
    /// ARP Info.
    ArpInfo,
    /// Port Channel Info.
    PortChannelInfo,
    /// Peer Link Info.
    PeerLinkInfo,
    /// Heartbeat.
    Heartbeat,
    /// A NAK.
    Notification,
    /// Sync Data.
    SyncData,
    /// Sync Request.
    SyncRequest,
    /// Warm Boot.
    WarmBoot,
    /// Interface Up Ack.
    InterfaceUpAck,
}

impl MessageKind {
    const fn of(body: &Body) -> Option<Self> {
        let tlv = match body {
            Body::Application { tlv, .. } => tlv,
            Body::Notification { .. } => return Some(Self::Notification),
            Body::Capability
            | Body::Connect { .. }
            | Body::Disconnect { .. }
            | Body::Unknown { .. } => return None,
        };
        Some(match tlv {
            Tlv::SystemConfig(_) => Self::SystemConfig,
            Tlv::AggregatorConfig(_) => Self::AggregatorConfig,
            Tlv::AggregatorState(_) => Self::AggregatorState,
            Tlv::MacInfo(_) => Self::MacInfo,
            Tlv::ArpInfo(_) => Self::ArpInfo,
            Tlv::PortChannelInfo(_) => Self::PortChannelInfo,
            Tlv::PeerLinkInfo(_) => Self::PeerLinkInfo,
            Tlv::Heartbeat => Self::Heartbeat,
            Tlv::SyncData { .. } => Self::SyncData,
            Tlv::SyncRequest { .. } => Self::SyncRequest,
            Tlv::WarmBoot => Self::WarmBoot,
            Tlv::InterfaceUpAck(_) => Self::InterfaceUpAck,
            Tlv::NdiscInfo(_) | Tlv::Extension(_) | Tlv::Unknown { .. } => return None,
        })
    }
}

/// Kind of an operation for the dataplane. The marks of a snapshot, and what concerns neighbours and
/// this chassis' own MAC, are none.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum OperationKind {
    /// A port, whose traffic stays as it is.
    PortKept,
    /// A port that carries data.
    PortPassing,
    /// A port that is held.
    PortHeld,
    /// Release of a port, or its members.
    PortOther,
    /// The bridge, or learning on a port.
    Learning,
    /// A flush of addresses.
    Flush,
    /// Identity of an interface.
    Interface,
    /// An address, or its release.
    Address,
    /// How the pair stands.
    Pair,
    /// A port of the peer.
    RemotePort,
    /// A port of the peer that is gone.
    RemotePortGone,
}

impl OperationKind {
    const fn of(op: &Op) -> Option<Self> {
        Some(match op {
            Op::Port { want, .. } => match want.traffic {
                Traffic::Keep => Self::PortKept,
                Traffic::Pass => Self::PortPassing,
                Traffic::Held => Self::PortHeld,
            },
            Op::PortRelease { .. } | Op::Members { .. } => Self::PortOther,
            Op::Domain(_) | Op::Learning { .. } => Self::Learning,
            Op::Flush { .. } => Self::Flush,
            Op::Interface { .. } | Op::InterfaceRelease { .. } => Self::Interface,
            Op::Fdb { .. } | Op::FdbRelease { .. } => Self::Address,
            Op::Pair(_) => Self::Pair,
            Op::RemotePort { .. } => Self::RemotePort,
            Op::RemotePortRelease { .. } => Self::RemotePortGone,
            Op::SnapshotBegin(_)
            | Op::SnapshotEnd(_)
            | Op::Neighbour { .. }
            | Op::NeighbourRelease { .. }
            | Op::NodeMac(_) => return None,
        })
    }
}

/// Messages of one kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Messages {
    /// Those that were sent.
    pub sent: u64,
    /// Those that were received.
    pub received: u64,
}

/// Operations of one kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Operations {
    /// Those that were carried out.
    pub done: u64,
    /// Those that were not, or that nobody answered.
    pub failed: u64,
}

/// All counters of a pair.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    values: [u64; Counter::COUNT],
    messages: BTreeMap<MessageKind, Messages>,
    operations: BTreeMap<OperationKind, Operations>,
    peer_link_up: bool,
    /// Addresses of each interface.
    addresses: BTreeMap<u32, usize>,
    /// Entries of the address table.
    entries: usize,
}

impl Counters {
    /// Value of a counter.
    #[must_use]
    pub const fn get(&self, counter: Counter) -> u64 {
        self.values[counter as usize]
    }

    /// Messages, by their kind; those that there were.
    pub fn messages(&self) -> impl Iterator<Item = (MessageKind, Messages)> {
        self.messages.iter().map(|(kind, count)| (*kind, *count))
    }

    /// Operations, by their kind; those that there were.
    pub fn operations(&self) -> impl Iterator<Item = (OperationKind, Operations)> {
        self.operations.iter().map(|(kind, count)| (*kind, *count))
    }

    /// Once more.
    pub(crate) const fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// So many more.
    pub(crate) const fn add(&mut self, counter: Counter, by: usize) {
        let value = &mut self.values[counter as usize];
        *value = value.wrapping_add(by as u64);
    }

    /// Something happened.
    pub(crate) fn input(&mut self, input: &Input) {
        match input {
            Input::PeerMessage(message) => {
                self.count(Counter::Received);
                // Dropped, but counted (`spec/iccp.md` 8.1).
                if let Body::Unknown { .. } = &message.body {
                    self.count(Counter::UnknownMessages);
                }
                if let Some(kind) = MessageKind::of(&message.body) {
                    self.messages.entry(kind).or_default().received += 1;
                }
            }
            Input::PeerGarbage { .. } => self.count(Counter::Unreadable),
            Input::PeerDown { .. } => self.count(Counter::ConnectionsLost),
            Input::Link(_) => self.count(Counter::Links),
            Input::LinkGone { index } => {
                self.addresses.remove(index);
                self.count(Counter::LinksGone);
            }
            Input::Addresses { index, addresses } => {
                let before = self.addresses.insert(*index, addresses.len()).unwrap_or(0);
                let now = addresses.len();
                self.add(Counter::Addresses, now.saturating_sub(before));
                self.add(Counter::AddressesGone, before.saturating_sub(now));
            }
            Input::Neighbour { observation, .. } => self.count(match observation {
                Some(_) => Counter::Neighbours,
                None => Counter::NeighboursGone,
            }),
            Input::WarmReboot => self.count(Counter::WarmReboots),
            Input::Configure(_) => self.count(Counter::Configured),
            Input::SyncdEvent(Event::VlanMember { .. }) => self.count(Counter::VlanMembers),
            Input::SyncdEvent(Event::Fdb { observation, .. }) => self.count(match observation {
                Observation::Learned { .. }
                | Observation::Moved { .. }
                | Observation::Active { .. } => Counter::MacsLearned,
                Observation::Inactive | Observation::Aged => Counter::MacsForgotten,
            }),
            Input::SyncdDown => self.count(Counter::DataplaneLost),
            Input::PeerUp { .. }
            | Input::SyncdRestores
            | Input::LinksBegin
            | Input::Vlans { .. }
            | Input::VlanFiltering { .. }
            | Input::SpanningTree { .. }
            | Input::Mtu { .. }
            | Input::Pvid { .. }
            | Input::NeighboursBegin
            | Input::NeighboursEnd
            | Input::LinksEnd
            | Input::SyncdUp { .. }
            | Input::SyncdResult { .. }
            | Input::SyncdEvent(
                Event::SnapshotBegin | Event::SnapshotEnd | Event::Settings(_) | Event::Kept { .. },
            )
            | Input::Timeout
            | Input::Stop { .. } => {}
        }
    }

    /// A message goes to the peer.
    pub(crate) fn sent(&mut self, body: &Body) {
        self.count(Counter::Sent);
        if let Some(kind) = MessageKind::of(body) {
            self.messages.entry(kind).or_default().sent += 1;
        }
    }

    /// Number of entries in the address table as it is now.
    pub(crate) fn entries(&mut self, now: usize) {
        let before = std::mem::replace(&mut self.entries, now);
        self.add(Counter::MacEntriesMade, now.saturating_sub(before));
        self.add(Counter::MacEntriesDropped, before.saturating_sub(now));
    }

    /// The peer link as it is now.
    pub(crate) const fn peer_link(&mut self, up: bool) {
        if self.peer_link_up && !up {
            self.count(Counter::PeerLinkLost);
        }
        self.peer_link_up = up;
    }

    /// `syncd` answered a batch.
    pub(crate) fn answered(&mut self, ops: &[Op], failures: &[(u32, OpError)]) {
        let mut failures = failures
            .iter()
            // What waits for its interface was understood.
            .filter(|(_, error)| error.code != OpErrorCode::Waiting)
            .map(|(index, _)| *index)
            .peekable();
        for (index, op) in (0..).zip(ops) {
            while failures.next_if(|failed| *failed < index).is_some() {}
            let failed = failures.peek() == Some(&index);
            self.operation(op, failed);
        }
    }

    /// Nobody will answer these any more.
    pub(crate) fn unanswered<'a>(&mut self, ops: impl IntoIterator<Item = &'a Op>) {
        for op in ops {
            self.operation(op, true);
        }
    }

    fn operation(&mut self, op: &Op, failed: bool) {
        if let Some(kind) = OperationKind::of(op) {
            let count = self.operations.entry(kind).or_default();
            match failed {
                true => count.failed += 1,
                false => count.done += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests;
