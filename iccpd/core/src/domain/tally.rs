//! What is counted for the operator in the rows of the legacy tool
//! (`spec/mclagdctl-protocol.md` 5.8).
//!
//! How bytes arrive is the shell's matter: it adds what there is to say of reading sockets. It never
//! waits within a message, nor looks at names of interfaces: the rows for that stay zero.

use crate::input::Input;
use mclag_proto::iccp::{Body, Tlv};
use mclag_proto::mclagdctl::counters::ICCP_ROWS;
use mclag_proto::mclagdctl::{Counters, FromSyncd, Global, IccpRow, OkError, ToSyncd, TxRx};
use mclag_proto::sync::model::{Event, Op, OpError, OpErrorCode, Sight, Traffic};
use std::collections::BTreeMap;

/// Counters since start.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    global: [u32; 30],
    to_syncd: [OkError; 15],
    from_syncd: [OkError; 5],
    iccp: [TxRx; ICCP_ROWS],
    peer_link_up: bool,
    /// Addresses of each interface.
    addresses: BTreeMap<u32, usize>,
    /// Entries of the address table.
    entries: usize,
}

impl Tally {
    pub(super) fn counters(&self) -> Counters {
        Counters {
            global: self.global,
            to_syncd: self.to_syncd,
            from_syncd: self.from_syncd,
            iccp: vec![self.iccp],
        }
    }

    /// Something happened.
    pub(super) fn input(&mut self, input: &Input) {
        match input {
            Input::PeerMessage(message) => {
                if let Body::Unknown { .. } = &message.body {
                    self.count(Global::InvalidMessage, 1);
                }
                if let Some(row) = row(&message.body) {
                    self.iccp[row as usize].rx.ok += 1;
                }
            }
            Input::PeerGarbage { .. } => self.count(Global::InvalidMessage, 1),
            Input::PeerDown { .. } => self.count(Global::SocketCleanup, 1),
            Input::Link(_) => self.count(Global::NewLink, 1),
            Input::LinkGone { index } => {
                self.addresses.remove(index);
                self.count(Global::DelLink, 1);
            }
            Input::Addresses { index, addresses } => {
                let before = self.addresses.insert(*index, addresses.len()).unwrap_or(0);
                let now = addresses.len();
                self.count(Global::NewAddress, now.saturating_sub(before));
                self.count(Global::DelAddress, before.saturating_sub(now));
            }
            Input::Neighbour { sight, .. } => {
                let counter = if sight.is_some() {
                    Global::NewNeighbour
                } else {
                    Global::DelNeighbour
                };
                self.count(counter, 1);
            }
            Input::WarmReboot => self.count(Global::WarmBoot, 1),
            Input::Configure(_) => self.from_syncd[FromSyncd::CfgMclag as usize].ok += 1,
            Input::SyncdEvent(Event::VlanMember { .. }) => {
                self.from_syncd[FromSyncd::VlanMembership as usize].ok += 1;
            }
            Input::SyncdEvent(Event::Fdb { sight, .. }) => {
                self.from_syncd[FromSyncd::FdbChange as usize].ok += 1;
                let counter = match sight {
                    Sight::Learned { .. } | Sight::Moved { .. } | Sight::Active { .. } => {
                        Global::NewMac
                    }
                    Sight::Inactive | Sight::Aged => Global::DelMac,
                };
                self.count(counter, 1);
            }
            Input::SyncdDown => self.count(Global::SyncdZeroLength, 1),
            Input::PeerUp { .. }
            | Input::LinksBegin
            | Input::Vlans { .. }
            | Input::NeighboursBegin
            | Input::NeighboursEnd
            | Input::LinksEnd
            | Input::SyncdUp { .. }
            | Input::SyncdResult { .. }
            | Input::SyncdEvent(Event::SnapshotBegin | Event::SnapshotEnd | Event::Settings(_))
            | Input::Timeout
            | Input::Stop { .. } => {}
        }
    }

    /// A message goes to the peer.
    pub(super) fn sent(&mut self, body: &Body) {
        if let Some(row) = row(body) {
            self.iccp[row as usize].tx.ok += 1;
        }
    }

    /// A session ended; one that never was operational does not count.
    pub(super) fn session_down(&mut self, operational: bool) {
        self.count(Global::SessionDown, operational.into());
    }

    /// Number of entries in the address table as it is now. An entry that was made and dropped
    /// between two calls does not count.
    pub(super) fn entries(&mut self, now: usize) {
        let before = std::mem::replace(&mut self.entries, now);
        self.count(Global::MacAllocated, now.saturating_sub(before));
        self.count(Global::MacFreed, before.saturating_sub(now));
    }

    /// The peer link as it is now.
    pub(super) fn peer_link(&mut self, up: bool) {
        if self.peer_link_up && !up {
            self.count(Global::PeerLinkDown, 1);
        }
        self.peer_link_up = up;
    }

    /// `syncd` answered a batch.
    pub(super) fn answered(&mut self, ops: &[Op], failures: &[(u32, OpError)]) {
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
    pub(super) fn unanswered<'a>(&mut self, ops: impl IntoIterator<Item = &'a Op>) {
        for op in ops {
            self.operation(op, true);
        }
    }

    fn operation(&mut self, op: &Op, failed: bool) {
        for row in syncd_rows(op) {
            let counter = &mut self.to_syncd[*row as usize];
            if failed {
                counter.error += 1;
            } else {
                counter.ok += 1;
            }
        }
    }

    fn count(&mut self, counter: Global, by: usize) {
        let value = &mut self.global[counter as usize];
        // 32 bits on the wire: as with the daemons that had them, it begins anew.
        *value = value.wrapping_add(u32::try_from(by).unwrap_or(u32::MAX));
    }
}

/// The row of a message. Neighbour discovery and the messages of the connection have none.
const fn row(body: &Body) -> Option<IccpRow> {
    let tlv = match body {
        Body::Application { tlv, .. } => tlv,
        Body::Notification { .. } => return Some(IccpRow::Nak),
        Body::Capability
        | Body::Connect { .. }
        | Body::Disconnect { .. }
        | Body::Unknown { .. } => return None,
    };
    Some(match tlv {
        Tlv::SystemConfig(_) => IccpRow::SysConfig,
        Tlv::AggregatorConfig(_) => IccpRow::AggrConfig,
        Tlv::AggregatorState(_) => IccpRow::AggrState,
        Tlv::MacInfo(_) => IccpRow::MacInfo,
        Tlv::ArpInfo(_) => IccpRow::ArpInfo,
        Tlv::PortChannelInfo(_) => IccpRow::PoInfo,
        Tlv::PeerLinkInfo(_) => IccpRow::PeerLinkInfo,
        Tlv::Heartbeat => IccpRow::Heartbeat,
        Tlv::SyncData { .. } => IccpRow::SyncData,
        Tlv::SyncRequest { .. } => IccpRow::SyncReq,
        Tlv::WarmBoot => IccpRow::Warmboot,
        Tlv::InterfaceUpAck(_) => IccpRow::IfUpAck,
        Tlv::NdiscInfo(_) | Tlv::Extension(_) | Tlv::Unknown { .. } => return None,
    })
}

/// The rows of an operation: what a shim of the legacy daemons would have been sent for it.
const fn syncd_rows(op: &Op) -> &'static [ToSyncd] {
    match op {
        Op::Port { want, .. } => match want.traffic {
            Traffic::Keep => &[ToSyncd::PortIsolation],
            Traffic::Pass => &[ToSyncd::PortIsolation, ToSyncd::TrafficDistEnable],
            Traffic::Held => &[ToSyncd::PortIsolation, ToSyncd::TrafficDistDisable],
        },
        Op::PortRelease { .. } | Op::Members { .. } => &[ToSyncd::PortIsolation],
        Op::Domain(_) | Op::Learning { .. } => &[ToSyncd::MacLearnMode],
        Op::Flush { .. } => &[ToSyncd::FlushFdb],
        Op::Interface { .. } | Op::InterfaceRelease { .. } => &[ToSyncd::SetIfMac],
        Op::Fdb { .. } | Op::FdbRelease { .. } => &[ToSyncd::SetFdb],
        Op::Pair(_) => &[
            ToSyncd::SetIccpState,
            ToSyncd::SetIccpRole,
            ToSyncd::SetSystemId,
        ],
        Op::RemotePort { .. } => &[ToSyncd::SetRemoteIntfSts],
        Op::RemotePortRelease { .. } => &[ToSyncd::DelRemoteIntf],
        Op::SnapshotBegin(_)
        | Op::SnapshotEnd(_)
        | Op::Neighbour { .. }
        | Op::NeighbourRelease { .. }
        | Op::NodeMac(_) => &[],
    }
}
