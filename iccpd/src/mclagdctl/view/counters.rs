//! What the core counts, in the rows of `dump debug counters` (`spec/mclagdctl-protocol.md` 5.8).
//!
//! The core never waits within a message, nor looks at names of interfaces: the rows for that stay
//! zero. How bytes arrive is added by [`super::super::counted`].

use iccp_core::counters::{self, Counter, MessageKind, OperationKind};
use mclag_proto::mclagdctl::counters::ICCP_ROWS;
use mclag_proto::mclagdctl::{Counters, FromSyncd, Global, IccpRow, OkError, ToSyncd, TxRx};

/// Rows of the whole daemon, each with the counters that it is the sum of.
const GLOBAL: [(Global, &[Counter]); 16] = [
    (Global::NewLink, &[Counter::Links]),
    (Global::DelLink, &[Counter::LinksGone]),
    (Global::NewNeighbour, &[Counter::Neighbours]),
    (Global::DelNeighbour, &[Counter::NeighboursGone]),
    (Global::NewAddress, &[Counter::Addresses]),
    (Global::DelAddress, &[Counter::AddressesGone]),
    (Global::NewMac, &[Counter::MacsLearned]),
    (Global::DelMac, &[Counter::MacsForgotten]),
    (Global::SessionDown, &[Counter::SessionsLost]),
    (Global::PeerLinkDown, &[Counter::PeerLinkLost]),
    (Global::WarmBoot, &[Counter::WarmReboots]),
    (
        Global::InvalidMessage,
        &[Counter::Unreadable, Counter::UnknownMessages],
    ),
    (Global::SocketCleanup, &[Counter::ConnectionsLost]),
    (Global::SyncdZeroLength, &[Counter::DataplaneLost]),
    (Global::MacAllocated, &[Counter::MacEntriesMade]),
    (Global::MacFreed, &[Counter::MacEntriesDropped]),
];

/// Rows of what the dataplane reports.
const FROM_SYNCD: [(FromSyncd, &[Counter]); 3] = [
    (
        FromSyncd::FdbChange,
        &[Counter::MacsLearned, Counter::MacsForgotten],
    ),
    (FromSyncd::CfgMclag, &[Counter::Configured]),
    (FromSyncd::VlanMembership, &[Counter::VlanMembers]),
];

/// All of them.
#[must_use]
pub fn counters(of: &counters::Counters) -> Counters {
    let sum = |counters: &[Counter]| counters.iter().map(|counter| of.get(*counter)).sum();
    let mut rows = Counters::default();
    for (row, counters) in GLOBAL {
        // 32 bits on the wire: as with the daemons that had them, it begins anew.
        let sum: u64 = sum(counters);
        rows.add(row, u32::try_from(sum & u64::from(u32::MAX)).unwrap_or(0));
    }
    for (row, counters) in FROM_SYNCD {
        rows.from_syncd[row as usize].ok = sum(counters);
    }
    for (kind, count) in of.operations() {
        for row in operation_rows(kind) {
            let sum = &mut rows.to_syncd[*row as usize];
            sum.ok += count.done;
            sum.error += count.failed;
        }
    }
    let ok = |ok| OkError { ok, error: 0 };
    let mut block = [TxRx::default(); ICCP_ROWS];
    for (kind, count) in of.messages() {
        block[message_row(kind) as usize] = TxRx {
            tx: ok(count.sent),
            rx: ok(count.received),
        };
    }
    rows.iccp = vec![block];
    rows
}

const fn message_row(kind: MessageKind) -> IccpRow {
    match kind {
        MessageKind::SystemConfig => IccpRow::SysConfig,
        MessageKind::AggregatorConfig => IccpRow::AggrConfig,
        MessageKind::AggregatorState => IccpRow::AggrState,
        MessageKind::MacInfo => IccpRow::MacInfo,
        MessageKind::ArpInfo => IccpRow::ArpInfo,
        MessageKind::PortChannelInfo => IccpRow::PoInfo,
        MessageKind::PeerLinkInfo => IccpRow::PeerLinkInfo,
        MessageKind::Heartbeat => IccpRow::Heartbeat,
        MessageKind::Notification => IccpRow::Nak,
        MessageKind::SyncData => IccpRow::SyncData,
        MessageKind::SyncRequest => IccpRow::SyncReq,
        MessageKind::WarmBoot => IccpRow::Warmboot,
        MessageKind::InterfaceUpAck => IccpRow::IfUpAck,
    }
}

/// What a shim of the legacy daemons would have been sent for an operation.
const fn operation_rows(kind: OperationKind) -> &'static [ToSyncd] {
    match kind {
        OperationKind::PortKept | OperationKind::PortOther => &[ToSyncd::PortIsolation],
        OperationKind::PortPassing => &[ToSyncd::PortIsolation, ToSyncd::TrafficDistEnable],
        OperationKind::PortHeld => &[ToSyncd::PortIsolation, ToSyncd::TrafficDistDisable],
        OperationKind::Learning => &[ToSyncd::MacLearnMode],
        OperationKind::Flush => &[ToSyncd::FlushFdb],
        OperationKind::Interface => &[ToSyncd::SetIfMac],
        OperationKind::Address => &[ToSyncd::SetFdb],
        OperationKind::Pair => &[
            ToSyncd::SetIccpState,
            ToSyncd::SetIccpRole,
            ToSyncd::SetSystemId,
        ],
        OperationKind::RemotePort => &[ToSyncd::SetRemoteIntfSts],
        OperationKind::RemotePortGone => &[ToSyncd::DelRemoteIntf],
    }
}
