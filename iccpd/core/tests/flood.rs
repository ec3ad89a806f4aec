//! A peer that repeats itself: work, memory and log lines do not grow with the number of its messages
//! (`docs/security.md`).

mod common;

use common::{config, link, name};
use iccp_core::{Domain, Input, LinkKind, Notice, Output, PeerTraits, Time};
use mclag_proto::ctl::SessionState;
use mclag_proto::iccp::ext::{
    Alone, Announce, DataplanePresence, DataplaneState, DoubtfulPort, Extension, MacOrder,
    PortPartner, PortVlan, ShutdownNotice, VERSION,
};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, Body, ConfigFlag, EntryOp, InterfaceUpAck, MacEntry,
    MacType, Message, NeighbourEntry, NeighbourFlags, PeerLinkInfo, PeerLinkKind, PortChannelInfo,
    PortState, RgId, Status, SystemConfig, Tlv,
};
use mclag_proto::sync::model::{Event, FdbKey, Observation};
use mclag_proto::{AggregatorId, LacpPartner, Mac, NodeId, Vid};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

const RG: RgId = RgId(1);
/// Messages of each kind.
const MANY: u32 = 20_000;
/// What an answer to a Sync Request consists of with one port: two marks, System Config, four for the
/// port, Peer Link Info.
const ANSWER: usize = 8;
/// Where every bound is written down.
const DOCUMENT: &str = include_str!("../../../docs/security.md");

/// One kind of message, and what it may lead to however often it comes.
struct Kind {
    /// Its name in the document.
    name: &'static str,
    /// The message of this number: as different from the one before as it can be.
    make: fn(u32) -> Input,
    /// Messages that may wait for the peer afterwards.
    waiting: usize,
}

fn body(body: Body) -> Input {
    Input::PeerMessage(Message { id: 1, body })
}

fn tlv(tlv: Tlv) -> Input {
    body(Body::Application { rg: RG, tlv })
}

fn mac(n: u32) -> Mac {
    let [a, b, c, d] = n.to_be_bytes();
    Mac([2, 1, a, b, c, d])
}

/// The low half of a number, which goes round.
fn low(n: u32) -> u16 {
    u16::try_from(n & 0xffff).unwrap()
}

fn neighbour<A>(n: u32, address: A) -> NeighbourEntry<A> {
    NeighbourEntry {
        op: if n.is_multiple_of(2) {
            EntryOp::Add
        } else {
            EntryOp::Delete
        },
        flags: NeighbourFlags::ACK,
        interface: name("Vlan10"),
        address,
        mac: mac(n),
    }
}

const KINDS: [Kind; 28] = [
    Kind {
        name: "Capability",
        make: |_| body(Body::Capability),
        waiting: 0,
    },
    Kind {
        name: "RG Connect",
        make: |n| {
            body(Body::Connect {
                rg: RgId(n),
                sender: n.to_string(),
            })
        },
        waiting: 0,
    },
    Kind {
        name: "RG Disconnect",
        make: |n| {
            body(Body::Disconnect {
                rg: RgId(n),
                status: Status::RG_REMOVED,
            })
        },
        waiting: 0,
    },
    Kind {
        name: "RG Notification",
        make: |n| {
            body(Body::Notification {
                rg: RG,
                status: Status::NONE,
                rejected: n,
            })
        },
        waiting: 2,
    },
    Kind {
        name: "unknown message",
        make: |n| {
            body(Body::Unknown {
                kind: low(n) | 0x8000,
            })
        },
        waiting: 0,
    },
    Kind {
        name: "unreadable message",
        make: |n| Input::PeerGarbage {
            reason: n.to_string(),
        },
        waiting: 0,
    },
    Kind {
        name: "System Config",
        make: |n| {
            tlv(Tlv::SystemConfig(SystemConfig {
                system: mac(n),
                priority: 0,
                node: NodeId(0),
            }))
        },
        waiting: 0,
    },
    Kind {
        name: "Aggregator Config",
        make: |n| {
            let port = if n % 4 < 2 {
                name("bond1")
            } else {
                name(&format!("bond{}", low(n)))
            };
            tlv(Tlv::AggregatorConfig(AggregatorConfig {
                id: AggregatorId::of(&port),
                name: port,
                mac: mac(n),
                flag: if n.is_multiple_of(2) {
                    ConfigFlag::Present
                } else {
                    ConfigFlag::Purge
                },
            }))
        },
        waiting: 0,
    },
    Kind {
        name: "Aggregator State",
        make: |n| {
            let state = if n.is_multiple_of(2) {
                PortState::Down
            } else {
                PortState::Up
            };
            tlv(Tlv::AggregatorState(AggregatorState {
                id: AggregatorId(1),
                state,
            }))
        },
        waiting: 1,
    },
    Kind {
        name: "Sync Request",
        make: |n| tlv(Tlv::SyncRequest { number: low(n) }),
        waiting: ANSWER,
    },
    Kind {
        name: "Sync Data",
        make: |n| {
            tlv(Tlv::SyncData {
                number: low(n),
                end: !n.is_multiple_of(2),
            })
        },
        waiting: 0,
    },
    Kind {
        name: "Heartbeat",
        make: |_| tlv(Tlv::Heartbeat),
        waiting: 0,
    },
    Kind {
        name: "Port Channel Info",
        make: |n| {
            tlv(Tlv::PortChannelInfo(PortChannelInfo {
                id: AggregatorId(1),
                name: name("bond1"),
                l3: n.is_multiple_of(2),
                address: n.into(),
                vids: [Vid::new(low(n % 4000) + 1).unwrap()].into(),
            }))
        },
        waiting: 0,
    },
    Kind {
        name: "Peer Link Info",
        make: |n| {
            let kind = if n.is_multiple_of(2) {
                PeerLinkKind::Vxlan
            } else {
                PeerLinkKind::Port
            };
            tlv(Tlv::PeerLinkInfo(PeerLinkInfo {
                name: name("peerlink"),
                kind,
            }))
        },
        waiting: 0,
    },
    Kind {
        name: "ARP Info",
        make: |n| tlv(Tlv::ArpInfo(vec![neighbour(n, n.into())])),
        waiting: 0,
    },
    Kind {
        name: "NDISC Info",
        make: |n| tlv(Tlv::NdiscInfo(vec![neighbour(n, u128::from(n).into())])),
        waiting: 0,
    },
    Kind {
        name: "MAC Info",
        make: |n| {
            tlv(Tlv::MacInfo(vec![MacEntry {
                op: if n.is_multiple_of(2) {
                    EntryOp::Add
                } else {
                    EntryOp::Delete
                },
                kind: MacType::Dynamic,
                mac: mac(n % 3),
                vid: Vid::DEFAULT,
                port: name("bond1"),
            }]))
        },
        waiting: 0,
    },
    Kind {
        name: "Interface Up Ack",
        make: |n| {
            let id = AggregatorId(low(n));
            tlv(Tlv::InterfaceUpAck(InterfaceUpAck { id, isolated: true }))
        },
        waiting: 0,
    },
    Kind {
        name: "Warm Boot",
        make: |_| tlv(Tlv::WarmBoot),
        waiting: 0,
    },
    Kind {
        name: "Announce",
        make: |n| {
            tlv(Tlv::Extension(Extension::Announce(Announce {
                version: VERSION,
                priority: if n.is_multiple_of(2) { 0 } else { u16::MAX },
                node_mac: mac(n),
                software: n.to_string(),
            })))
        },
        waiting: 1,
    },
    Kind {
        name: "Shutdown Notice",
        make: |n| {
            let shutdown_notice = if n.is_multiple_of(2) {
                ShutdownNotice::Leave
            } else {
                ShutdownNotice::Restart
            };
            tlv(Tlv::Extension(Extension::ShutdownNotice(shutdown_notice)))
        },
        waiting: 0,
    },
    Kind {
        name: "LACP Partner",
        make: |n| {
            let system = mac(n);
            let key = low(n);
            tlv(Tlv::Extension(Extension::LacpPartner(PortPartner {
                id: AggregatorId::of(&name("bond1")),
                partner: (!n.is_multiple_of(3)).then_some(LacpPartner { system, key }),
                alone: (n.is_multiple_of(5)).then_some(Alone::Ready),
            })))
        },
        waiting: 0,
    },
    Kind {
        name: "Port Id",
        make: |n| tlv(Tlv::Extension(Extension::PortId(AggregatorId(low(n))))),
        waiting: 0,
    },
    Kind {
        name: "Port VLAN",
        make: |n| {
            tlv(Tlv::Extension(Extension::PortVlan(PortVlan {
                id: AggregatorId(1),
                pvid: Vid::new(low(n % 4095)),
            })))
        },
        waiting: 0,
    },
    Kind {
        name: "Dataplane State",
        make: |n| {
            let port = DoubtfulPort {
                id: AggregatorId::of(&name("bond1")),
                isolated: n.is_multiple_of(2),
                let_go: false,
            };
            tlv(Tlv::Extension(Extension::DataplaneState(DataplaneState {
                presence: match n % 3 {
                    0 => DataplanePresence::AtWork,
                    1 => DataplanePresence::Disconnected,
                    _ => DataplanePresence::Silent,
                },
                ports: vec![port; usize::from(low(n) % 9)],
            })))
        },
        waiting: 0,
    },
    Kind {
        name: "MAC Order",
        make: |n| {
            let order = |k| MacOrder {
                mac: mac(n.wrapping_add(k)),
                vid: Vid::DEFAULT,
                sequence: low(n),
                age: (!n.is_multiple_of(3)).then(|| Duration::from_millis(u64::from(n))),
            };
            tlv(Tlv::Extension(Extension::MacOrder(
                (0..9).map(order).collect(),
            )))
        },
        waiting: 0,
    },
    Kind {
        name: "MAC Sync End",
        make: |_| tlv(Tlv::Extension(Extension::MacSyncEnd)),
        waiting: 0,
    },
    Kind {
        name: "unknown TLV",
        make: |n| {
            tlv(Tlv::Unknown {
                kind: low(n) & 0x0fff,
            })
        },
        waiting: 0,
    },
];

/// The name in the document of what arrives. Every message that can be read has one: without it this
/// does not build.
fn name_of(input: &Input) -> &'static str {
    let Input::PeerMessage(message) = input else {
        return "unreadable message";
    };
    match &message.body {
        Body::Capability => "Capability",
        Body::Connect { .. } => "RG Connect",
        Body::Disconnect { .. } => "RG Disconnect",
        Body::Notification { .. } => "RG Notification",
        Body::Unknown { .. } => "unknown message",
        Body::Application { tlv, .. } => match tlv {
            Tlv::SystemConfig(_) => "System Config",
            Tlv::AggregatorConfig(_) => "Aggregator Config",
            Tlv::AggregatorState(_) => "Aggregator State",
            Tlv::SyncRequest { .. } => "Sync Request",
            Tlv::SyncData { .. } => "Sync Data",
            Tlv::Heartbeat => "Heartbeat",
            Tlv::PortChannelInfo(_) => "Port Channel Info",
            Tlv::PeerLinkInfo(_) => "Peer Link Info",
            Tlv::ArpInfo(_) => "ARP Info",
            Tlv::NdiscInfo(_) => "NDISC Info",
            Tlv::MacInfo(_) => "MAC Info",
            Tlv::InterfaceUpAck(_) => "Interface Up Ack",
            Tlv::WarmBoot => "Warm Boot",
            Tlv::Extension(Extension::Announce(_)) => "Announce",
            Tlv::Extension(Extension::ShutdownNotice(_)) => "Shutdown Notice",
            Tlv::Extension(Extension::LacpPartner(_)) => "LACP Partner",
            Tlv::Extension(Extension::MacOrder(_)) => "MAC Order",
            Tlv::Extension(Extension::PortId(_)) => "Port Id",
            Tlv::Extension(Extension::DataplaneState(_)) => "Dataplane State",
            Tlv::Extension(Extension::PortVlan(_)) => "Port VLAN",
            Tlv::Extension(Extension::MacSyncEnd) => "MAC Sync End",
            Tlv::Unknown { .. } => "unknown TLV",
        },
    }
}

/// A chassis that is synchronised with a peer of our own, to which everything was said.
fn synchronised() -> Domain {
    (0..).map_while(after).last().unwrap()
}

/// The same, that far on the way there; none beyond.
fn after(steps: usize) -> Option<Domain> {
    let mut domain = Domain::new(config([name("bond1")].into()));
    let link = |index, text: &str, kind| Input::Link(link(index, name(text), kind));
    let lag = LinkKind::Lag {
        lacp: Some(false),
        partner: None,
        min_links: 0,
    };
    let sender = "192.0.2.2".to_owned();
    let inputs = [
        Input::LinksBegin,
        link(1, "peerlink", LinkKind::Other),
        link(2, "bond1", lag),
        link(3, "br0", LinkKind::Bridge),
        Input::VlanFiltering { index: 3, on: true },
        Input::Vlans {
            index: 2,
            vids: [Vid::DEFAULT].into(),
        },
        Input::LinksEnd,
        Input::PeerUp {
            traits: PeerTraits::default(),
        },
        body(Body::Capability),
        body(Body::Connect { rg: RG, sender }),
        (KINDS
            .iter()
            .find(|kind| kind.name == "Announce")
            .unwrap()
            .make)(1),
        tlv(Tlv::SyncRequest { number: 0 }),
        tlv(Tlv::SyncData {
            number: 0,
            end: false,
        }),
        tlv(Tlv::AggregatorConfig(AggregatorConfig {
            id: AggregatorId::of(&name("bond1")),
            name: name("bond1"),
            mac: mac(1),
            flag: ConfigFlag::Present,
        })),
        tlv(Tlv::PortChannelInfo(PortChannelInfo {
            id: AggregatorId::of(&name("bond1")),
            name: name("bond1"),
            l3: false,
            address: Ipv4Addr::UNSPECIFIED,
            vids: [Vid::DEFAULT].into(),
        })),
        tlv(Tlv::SyncData {
            number: 0,
            end: true,
        }),
    ];
    for input in inputs.get(..steps)? {
        domain.handle(input.clone(), Time::ZERO);
        sent(&mut domain);
    }
    notices(&mut domain);
    Some(domain)
}

fn sent(domain: &mut Domain) -> Vec<Body> {
    std::iter::from_fn(|| domain.poll_peer_message(Time::ZERO))
        .map(|message| message.body)
        .collect()
}

fn notices(domain: &mut Domain) -> Vec<Notice> {
    std::iter::from_fn(|| domain.poll_output())
        .filter_map(|output| match output {
            Output::Notice(notice) => Some(notice),
            Output::Connect | Output::Close { .. } => None,
        })
        .collect()
}

#[test]
fn however_often_a_message_comes_no_more_waits_for_the_peer() {
    for kind in &KINDS {
        let mut domain = synchronised();
        for n in 0..MANY {
            domain.handle((kind.make)(n), Time::ZERO);
            notices(&mut domain);
        }
        let waiting = sent(&mut domain);
        let (count, most) = (waiting.len(), kind.waiting);
        let first = waiting.into_iter().take(3).collect::<Vec<_>>();
        assert!(
            count <= most,
            "{}: {count} messages, such as {first:?}",
            kind.name
        );
    }
}

/// What a port, a role or a difference in the settings was meanwhile is nobody's business.
#[test]
fn what_follows_from_many_messages_is_derived_once() {
    for kind in &KINDS {
        let mut domain = synchronised();
        let mut written = 0;
        for n in 0..MANY {
            domain.handle((kind.make)(n), Time::ZERO);
            written += notices(&mut domain)
                .iter()
                .filter(|notice| matches!(notice, Notice::Role { .. } | Notice::Isolation { .. }))
                .count();
        }
        assert_eq!(written, 0, "{}: derived while more was coming", kind.name);
        domain.catch_up();
        assert!(notices(&mut domain).len() <= 2, "{}", kind.name);
    }
}

/// Whatever comes between two messages: nothing is derived until somebody asks.
#[test]
fn no_kind_of_message_makes_another_be_derived_at_once() {
    let announce = KINDS.iter().find(|kind| kind.name == "Announce").unwrap();
    for kind in &KINDS {
        let mut domain = synchronised();
        let mut roles = 0;
        for n in 0..MANY {
            domain.handle((announce.make)(n), Time::ZERO);
            domain.handle((kind.make)(n), Time::ZERO);
            roles += notices(&mut domain)
                .iter()
                .filter(|notice| matches!(notice, Notice::Role { .. }))
                .count();
        }
        assert_eq!(roles, 0, "{}: derived while more was coming", kind.name);
    }
}

/// The peer begins to tell everything, and never ends.
#[test]
fn ports_that_come_and_go_in_an_endless_snapshot_take_no_memory() {
    let after = |many: u32| {
        let mut domain = synchronised();
        let begins = Tlv::SyncData {
            number: 0,
            end: false,
        };
        domain.handle(tlv(begins), Time::ZERO);
        for n in 0..many {
            for flag in [ConfigFlag::Present, ConfigFlag::Purge] {
                let name = name(&format!("bond{:06}", 100_000 + n));
                domain.handle(
                    tlv(Tlv::AggregatorConfig(AggregatorConfig {
                        id: AggregatorId::of(&name),
                        name,
                        mac: mac(1),
                        flag,
                    })),
                    Time::ZERO,
                );
            }
            notices(&mut domain);
        }
        format!("{domain:?}").len()
    };
    let (few, many) = (after(100), after(5_000));
    assert!(many < few + 1_000, "{few} bytes of text, then {many}");
}

/// The peer's port, given this id.
fn given_id(id: u16) -> [Input; 2] {
    let id = AggregatorId(id);
    let config = AggregatorConfig {
        id,
        name: name("bond1"),
        mac: mac(1),
        flag: ConfigFlag::Present,
    };
    [
        tlv(Tlv::Extension(Extension::PortId(id))),
        tlv(Tlv::AggregatorConfig(config)),
    ]
}

/// Synchronised, and both were given the same id for their port.
fn with_given_ids() -> Domain {
    let mut domain = synchronised();
    let mut config = domain.config().clone();
    config.port_ids = [(name("bond1"), AggregatorId(1))].into();
    domain.handle(Input::Configure(Box::new(config)), Time::ZERO);
    for input in given_id(1) {
        domain.handle(input, Time::ZERO);
    }
    sent(&mut domain);
    notices(&mut domain);
    assert_eq!(domain.status(Time::ZERO).session, SessionState::Up);
    domain
}

/// What a name means is compared once for all that came together: where it means the same again nothing was lost.
#[test]
fn ids_that_change_many_times_are_compared_once() {
    for (last, session) in [(1, SessionState::Up), (2, SessionState::Down)] {
        let mut domain = with_given_ids();
        for n in 0..MANY {
            for input in given_id(low(n % 2) + 1) {
                domain.handle(input, Time::ZERO);
            }
        }
        for input in given_id(last) {
            domain.handle(input, Time::ZERO);
        }
        assert_eq!(domain.status(Time::ZERO).session, SessionState::Up);
        domain.catch_up();
        assert_eq!(domain.status(Time::ZERO).session, session, "id {last}");
    }
}

/// Also where it would mean the same again a moment later.
#[test]
fn nothing_is_kept_under_a_name_that_means_something_else_meanwhile() {
    let entry = || MacEntry {
        op: EntryOp::Add,
        kind: MacType::Dynamic,
        mac: mac(1),
        vid: Vid::DEFAULT,
        port: name("bond1"),
    };
    for (id, session, entries) in [(1, SessionState::Up, 1), (2, SessionState::Down, 0)] {
        let mut domain = with_given_ids();
        let said = tlv(Tlv::MacInfo(vec![entry()]));
        for input in given_id(id).into_iter().chain([said]).chain(given_id(1)) {
            domain.handle(input, Time::ZERO);
        }
        domain.catch_up();
        let status = domain.status(Time::ZERO);
        assert_eq!((status.session, status.macs.peer), (session, entries));
    }
}

#[test]
fn the_answer_is_to_the_latest_request() {
    let mut domain = synchronised();
    for number in 0..=u16::MAX {
        domain.handle(tlv(Tlv::SyncRequest { number }), Time::ZERO);
    }
    let numbers: Vec<(u16, bool)> = sent(&mut domain)
        .iter()
        .filter_map(|body| match body {
            Body::Application {
                tlv: Tlv::SyncData { number, end },
                ..
            } => Some((*number, *end)),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [(u16::MAX, false), (u16::MAX, true)]);
}

/// One that comes while an answer is being sent is answered after that one: the answer may be older
/// than what the request is about.
#[test]
fn a_request_behind_a_begun_answer_gets_one_of_its_own() {
    let mut domain = synchronised();
    domain.handle(tlv(Tlv::SyncRequest { number: 1 }), Time::ZERO);
    let begun = domain.poll_peer_message(Time::ZERO).unwrap();
    let begin = Tlv::SyncData {
        number: 1,
        end: false,
    };
    assert_eq!(begun.body, Body::Application { rg: RG, tlv: begin });
    for number in 2..1000 {
        domain.handle(tlv(Tlv::SyncRequest { number }), Time::ZERO);
    }
    assert_eq!(sent(&mut domain).len(), 2 * ANSWER - 1);
}

/// What changes here is not lost on a peer that never stops asking.
#[test]
fn between_two_answers_something_else_is_said() {
    let mut domain = synchronised();
    domain.handle(tlv(Tlv::SyncRequest { number: 1 }), Time::ZERO);
    domain.poll_peer_message(Time::ZERO).unwrap();
    let key = FdbKey {
        vid: Vid::DEFAULT,
        mac: mac(7),
    };
    let observation = Observation::Learned {
        port: name("swp7"),
        configured: false,
    };
    domain.handle(
        Input::SyncdEvent(Event::Fdb { key, observation }),
        Time::ZERO,
    );
    for number in 2..100 {
        domain.handle(tlv(Tlv::SyncRequest { number }), Time::ZERO);
        let said = domain.poll_peer_message(Time::ZERO).unwrap();
        if matches!(
            said.body,
            Body::Application {
                tlv: Tlv::MacInfo(_),
                ..
            }
        ) {
            return;
        }
    }
    panic!("the address was never announced");
}

/// The rows of its table: name of the message, and kinds of log lines.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let from_table = DOCUMENT
        .lines()
        .skip_while(|line| !line.starts_with("| Message |"));
    let table = from_table.take_while(|line| line.starts_with("| "));
    table.filter_map(|line| {
        let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let (name, lines) = (row.split_once(" |")?.0, row.rsplit_once("| ")?.1);
        (name != "Message" && !name.starts_with("---")).then_some((name, lines))
    })
}

/// Wherever on the way to a session it comes.
#[test]
fn the_document_names_the_kinds_of_log_lines_that_a_message_leads_to() {
    for (name, documented) in rows() {
        let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
        let documented: BTreeSet<&str> =
            documented.split(", ").filter(|line| *line != "—").collect();
        // There is neither a dataplane here that could hold a port, nor LACP.
        let elsewhere: &[&str] = match name {
            "Interface Up Ack" => &["port held"],
            "LACP Partner" => &["configuration mismatch", "local port changed"],
            "Dataplane State" => &["local port changed", "port held", "port not answered"],
            _ => &[],
        };
        let mut found: BTreeSet<&str> = elsewhere.iter().copied().collect();
        for mut domain in (0..).map_while(after) {
            for n in 0..100 {
                domain.handle((kind.make)(n), Time::ZERO);
                domain.catch_up();
                sent(&mut domain);
                found.extend(notices(&mut domain).iter().map(Notice::kind));
            }
        }
        let needs_session = matches!((kind.make)(0), Input::PeerMessage(message)
            if matches!(message.body, Body::Application { .. }));
        if needs_session {
            // Said once in the document, for all of them.
            found.remove("message refused");
        }
        assert_eq!(found, documented, "{name}");
    }
}

#[test]
fn every_message_has_its_bound_in_the_document() {
    let rows: BTreeSet<&str> = rows().map(|(name, _)| name).collect();
    let kinds: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(rows, kinds);
    for kind in &KINDS {
        assert_eq!(name_of(&(kind.make)(0)), kind.name);
    }
}
