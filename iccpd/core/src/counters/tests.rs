//! What counts as what, as tables.

use super::*;
use crate::input::{Link, LinkKind, NeighbourFrom, NeighbourObservation};
use mclag_proto::iccp::{self, ConfigFlag, Message, PeerLinkKind, PortState, RgId, Status};
use mclag_proto::sync::model::{
    DomainWant, FdbKey, FdbKind, FdbWant, InterfaceWant, Isolation, NeighbourKey, NeighbourWant,
    PairState, PortWant, Section,
};
use mclag_proto::{AggregatorId, DomainId, IfName, Mac, NodeId, Vid};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

const RG: RgId = RgId(1);
const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const KEY: FdbKey = FdbKey {
    vid: Vid::DEFAULT,
    mac: MAC,
};

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

const fn application(tlv: Tlv) -> Body {
    Body::Application { rg: RG, tlv }
}

const fn notification() -> Body {
    Body::Notification {
        rg: RG,
        status: Status::UNKNOWN_RG,
        rejected: 0,
    }
}

/// All counters that are not zero.
fn values(counters: &Counters) -> Vec<(Counter, u64)> {
    ALL.into_iter()
        .map(|counter| (counter, counters.get(counter)))
        .filter(|(_, value)| *value > 0)
        .collect()
}

const ALL: [Counter; Counter::COUNT] = [
    Counter::Sessions,
    Counter::SessionsLost,
    Counter::ConnectionsLost,
    Counter::Received,
    Counter::Sent,
    Counter::Unreadable,
    Counter::UnknownMessages,
    Counter::UnknownTlvs,
    Counter::Refused,
    Counter::MacsReceived,
    Counter::MacsSent,
    Counter::AcksReceived,
    Counter::AcksSent,
    Counter::AcksMissed,
    Counter::PeerLinkLost,
    Counter::WarmReboots,
    Counter::Configured,
    Counter::Links,
    Counter::LinksGone,
    Counter::Addresses,
    Counter::AddressesGone,
    Counter::Neighbours,
    Counter::NeighboursGone,
    Counter::MacsLearned,
    Counter::MacsForgotten,
    Counter::MacEntriesMade,
    Counter::MacEntriesDropped,
    Counter::VlanMembers,
    Counter::DataplaneLost,
];

/// Each message with what it counts as; one kind each, whichever way it goes.
fn messages() -> Vec<(Body, Option<MessageKind>)> {
    use MessageKind::*;
    vec![
        (Body::Capability, None),
        (
            Body::Connect {
                rg: RG,
                sender: String::new(),
            },
            None,
        ),
        (
            Body::Disconnect {
                rg: RG,
                status: Status::UNKNOWN_RG,
            },
            None,
        ),
        (notification(), Some(Notification)),
        (application(Tlv::Heartbeat), Some(Heartbeat)),
        (application(Tlv::WarmBoot), Some(WarmBoot)),
        (
            application(Tlv::SyncRequest { number: 1 }),
            Some(SyncRequest),
        ),
        (
            application(Tlv::SyncData {
                number: 1,
                end: true,
            }),
            Some(SyncData),
        ),
        (
            application(Tlv::SystemConfig(iccp::SystemConfig {
                system: MAC,
                priority: 0,
                node: NodeId(1),
            })),
            Some(SystemConfig),
        ),
        (
            application(Tlv::AggregatorConfig(iccp::AggregatorConfig {
                id: AggregatorId(1),
                name: name("bond1"),
                mac: MAC,
                flag: ConfigFlag::Present,
            })),
            Some(AggregatorConfig),
        ),
        (
            application(Tlv::AggregatorState(iccp::AggregatorState {
                id: AggregatorId(1),
                state: PortState::Up,
            })),
            Some(AggregatorState),
        ),
        (
            application(Tlv::PortChannelInfo(iccp::PortChannelInfo {
                id: AggregatorId(1),
                name: name("bond1"),
                l3: false,
                address: Ipv4Addr::UNSPECIFIED,
                vids: BTreeSet::new(),
            })),
            Some(PortChannelInfo),
        ),
        (
            application(Tlv::PeerLinkInfo(iccp::PeerLinkInfo {
                name: name("peerlink"),
                kind: PeerLinkKind::PortChannel,
            })),
            Some(PeerLinkInfo),
        ),
        (application(Tlv::MacInfo(Vec::new())), Some(MacInfo)),
        (application(Tlv::ArpInfo(Vec::new())), Some(ArpInfo)),
        (application(Tlv::NdiscInfo(Vec::new())), None),
        (
            application(Tlv::InterfaceUpAck(iccp::InterfaceUpAck {
                id: AggregatorId(1),
                isolated: true,
            })),
            Some(InterfaceUpAck),
        ),
        (application(Tlv::Unknown { kind: 0x3fff }), None),
    ]
}

#[test]
fn every_message_counts_once_and_by_its_kind_whichever_way_it_goes() {
    for (body, kind) in messages() {
        let mut counters = Counters::default();
        counters.sent(&body);
        counters.sent(&body);
        counters.input(&Input::PeerMessage(Message {
            id: 1,
            body: body.clone(),
        }));
        let total = [(Counter::Received, 1), (Counter::Sent, 2)];
        assert_eq!(values(&counters), total, "{body:?}");
        let both = Messages {
            sent: 2,
            received: 1,
        };
        let wanted: Vec<_> = kind.map(|kind| (kind, both)).into_iter().collect();
        assert_eq!(counters.messages().collect::<Vec<_>>(), wanted, "{body:?}");
    }
}

#[test]
fn a_message_of_an_unknown_type_counts_as_unknown_as_well() {
    let mut counters = Counters::default();
    let body = Body::Unknown { kind: 0x7fff };
    counters.input(&Input::PeerMessage(Message { id: 1, body }));
    let wanted = [(Counter::Received, 1), (Counter::UnknownMessages, 1)];
    assert_eq!(values(&counters), wanted);
    assert_eq!(counters.messages().count(), 0);
}

#[test]
fn every_input_counts_as_one_thing_or_as_none() {
    let link = Link {
        index: 4,
        name: name("bond1"),
        mac: None,
        admin_up: true,
        running: true,
        master: None,
        kernel_name: None,
        blocked: false,
        kind: LinkKind::Other,
        member: None,
    };
    let neighbour = |observation| Input::Neighbour {
        index: 4,
        address: ADDRESS,
        observation,
    };
    let known = NeighbourObservation {
        mac: MAC,
        from: NeighbourFrom::Kernel,
    };
    let fdb = |observation| {
        Input::SyncdEvent(Event::Fdb {
            key: KEY,
            observation,
        })
    };
    let port = name("bond1");
    let learned = Observation::Learned {
        port,
        configured: false,
    };
    let member = Event::VlanMember {
        port,
        vid: Vid::DEFAULT,
        member: true,
    };
    let reason = String::new;
    let table = [
        (
            Input::PeerGarbage { reason: reason() },
            Some(Counter::Unreadable),
        ),
        (
            Input::PeerDown { reason: reason() },
            Some(Counter::ConnectionsLost),
        ),
        (Input::Link(link), Some(Counter::Links)),
        (Input::LinkGone { index: 4 }, Some(Counter::LinksGone)),
        (neighbour(Some(known)), Some(Counter::Neighbours)),
        (neighbour(None), Some(Counter::NeighboursGone)),
        (Input::WarmReboot, Some(Counter::WarmReboots)),
        (Input::SyncdEvent(member), Some(Counter::VlanMembers)),
        (fdb(learned), Some(Counter::MacsLearned)),
        (fdb(Observation::Moved { port }), Some(Counter::MacsLearned)),
        (
            fdb(Observation::Active { port }),
            Some(Counter::MacsLearned),
        ),
        (fdb(Observation::Inactive), Some(Counter::MacsForgotten)),
        (fdb(Observation::Aged), Some(Counter::MacsForgotten)),
        (Input::SyncdDown, Some(Counter::DataplaneLost)),
        (Input::LinksBegin, None),
        (Input::LinksEnd, None),
        (Input::NeighboursBegin, None),
        (Input::NeighboursEnd, None),
        (Input::Timeout, None),
    ];
    for (input, counter) in table {
        let mut counters = Counters::default();
        counters.input(&input);
        let wanted: Vec<_> = counter.map(|counter| (counter, 1)).into_iter().collect();
        assert_eq!(values(&counters), wanted, "{input:?}");
    }
}

#[test]
fn addresses_count_by_what_came_and_what_went() {
    let addresses = |count: u8| Input::Addresses {
        index: 4,
        addresses: (0..count)
            .map(|host| format!("192.0.2.{host}/24").parse().unwrap())
            .collect(),
    };
    let mut counters = Counters::default();
    counters.input(&addresses(3));
    counters.input(&addresses(1));
    counters.input(&addresses(2));
    let wanted = [(Counter::Addresses, 4), (Counter::AddressesGone, 2)];
    assert_eq!(values(&counters), wanted);
    // One that comes again has all its addresses anew.
    counters.input(&Input::LinkGone { index: 4 });
    counters.input(&addresses(2));
    assert_eq!(counters.get(Counter::Addresses), 6);
    assert_eq!(counters.get(Counter::AddressesGone), 2);
}

#[test]
fn entries_of_the_address_table_count_when_made_and_when_dropped() {
    let mut counters = Counters::default();
    for now in [5, 2, 2, 4] {
        counters.entries(now);
    }
    let wanted = [
        (Counter::MacEntriesMade, 7),
        (Counter::MacEntriesDropped, 3),
    ];
    assert_eq!(values(&counters), wanted);
}

#[test]
fn only_a_peer_link_that_was_up_is_lost() {
    let mut counters = Counters::default();
    for up in [false, true, true, false, false, true, false] {
        counters.peer_link(up);
    }
    assert_eq!(values(&counters), [(Counter::PeerLinkLost, 2)]);
}

/// Each operation with what it counts as.
fn operations() -> Vec<(Op, Option<OperationKind>)> {
    let port = name("bond1");
    let with = |traffic| Op::Port {
        port,
        want: PortWant {
            isolation: Isolation::Keep,
            traffic,
            redirect: false,
            system_mac: None,
        },
    };
    let domain = DomainWant {
        bridge: name("br0"),
        peer_link: None,
        peer_link_learning: true,
    };
    let pair = PairState {
        domain: DomainId::new(1).unwrap(),
        active: None,
        up: false,
        system_mac: None,
    };
    let fdb = FdbWant {
        port,
        kind: FdbKind::Static,
    };
    let neighbour = NeighbourKey {
        interface: port,
        address: ADDRESS,
    };
    let reached = NeighbourWant {
        mac: MAC,
        permanent: false,
    };
    vec![
        (with(Traffic::Keep), Some(OperationKind::PortKept)),
        (with(Traffic::Pass), Some(OperationKind::PortPassing)),
        (with(Traffic::Held), Some(OperationKind::PortHeld)),
        (Op::PortRelease { port }, Some(OperationKind::PortOther)),
        (
            Op::Members {
                port,
                members: Vec::new(),
            },
            Some(OperationKind::PortOther),
        ),
        (Op::Domain(domain), Some(OperationKind::Learning)),
        (
            Op::Learning {
                port,
                learning: true,
            },
            Some(OperationKind::Learning),
        ),
        (Op::Flush { port: None }, Some(OperationKind::Flush)),
        (
            Op::Interface {
                name: port,
                want: InterfaceWant { mac: MAC },
            },
            Some(OperationKind::Interface),
        ),
        (
            Op::InterfaceRelease { name: port },
            Some(OperationKind::Interface),
        ),
        (
            Op::Fdb {
                key: KEY,
                want: fdb,
            },
            Some(OperationKind::Address),
        ),
        (
            Op::FdbRelease {
                key: KEY,
                forget: false,
            },
            Some(OperationKind::Address),
        ),
        (Op::Pair(pair), Some(OperationKind::Pair)),
        (
            Op::RemotePort { port, up: true },
            Some(OperationKind::RemotePort),
        ),
        (
            Op::RemotePortRelease { port },
            Some(OperationKind::RemotePortGone),
        ),
        (Op::SnapshotBegin(Section::Fdb), None),
        (Op::SnapshotEnd(Section::Fdb), None),
        (
            Op::Neighbour {
                key: neighbour,
                want: reached,
            },
            None,
        ),
        (Op::NeighbourRelease { key: neighbour }, None),
        (Op::NodeMac(MAC), None),
    ]
}

#[test]
fn every_operation_counts_by_its_kind_as_done_or_as_failed() {
    for (op, kind) in operations() {
        let mut counters = Counters::default();
        counters.answered(std::slice::from_ref(&op), &[]);
        counters.unanswered([&op, &op]);
        let (done, failed) = (1, 2);
        let wanted: Vec<_> = kind
            .map(|kind| (kind, Operations { done, failed }))
            .into_iter()
            .collect();
        assert_eq!(counters.operations().collect::<Vec<_>>(), wanted, "{op:?}");
        assert_eq!(values(&counters), [], "{op:?}");
    }
}

#[test]
fn an_answer_fails_the_operations_it_names_but_not_those_that_wait_for_their_interface() {
    let failure = |index: u32, code| {
        let text = String::new();
        (index, OpError { code, text })
    };
    let port = name("bond1");
    let flush = Op::Flush { port: Some(port) };
    let ops = vec![flush; 5];
    let mut counters = Counters::default();
    counters.answered(
        &ops,
        &[
            failure(1, OpErrorCode::Refused),
            failure(2, OpErrorCode::Waiting),
            failure(4, OpErrorCode::Unsupported),
            // Of no operation in the batch.
            failure(9, OpErrorCode::Refused),
        ],
    );
    let (done, failed) = (3, 2);
    let wanted = [(OperationKind::Flush, Operations { done, failed })];
    assert_eq!(counters.operations().collect::<Vec<_>>(), wanted);
}
