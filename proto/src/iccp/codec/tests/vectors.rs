//! Literal messages: the vectors of `spec/iccp.md` 16.

use super::*;
use crate::iccp::ext::{
    Alone, DataplanePresence, DataplaneState, DoubtfulPort, MacOrder, PortPartner, PortVlan,
};
use crate::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, EntryOp, InterfaceUpAck, MacEntry, MacType,
    NeighbourEntry, NeighbourFlags, PeerLinkInfo, PeerLinkKind, PortChannelInfo, PortState, RgId,
    Status, SystemConfig,
};
use crate::{AggregatorId, LacpPartner, Mac, NodeId, Vid};

/// Bytes and value, for use in both directions.
pub(super) struct Pair {
    pub(super) dialect: Dialect,
    pub(super) what: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) message: Message,
}

/// Every vector.
pub(super) fn pairs() -> Vec<Pair> {
    let pair = |dialect| {
        move |(what, text, message)| Pair {
            dialect,
            what,
            bytes: hex(text),
            message,
        }
    };
    let sonic = sonic().into_iter().map(pair(Dialect::Sonic));
    let linux_mclag = linux_mclag().into_iter().map(pair(Dialect::LinuxMclag));
    sonic.chain(linux_mclag).collect()
}

type Literal = (&'static str, &'static str, Message);

/// `spec/iccp.md` 16.1, and our extensions.
fn sonic() -> Vec<Literal> {
    let lag = AggregatorId(1);
    let rg = RgId(1);
    let message = |id, body| Message { id, body };
    let app = |id, tlv| message(id, Body::Application { rg, tlv });
    let config = |flag| {
        Tlv::AggregatorConfig(AggregatorConfig {
            id: lag,
            name: name("PortChannel1"),
            mac: Mac([0x02, 0, 0, 0, 0, 0x01]),
            flag,
        })
    };
    vec![
        (
            "Capability",
            "02 02 00 0c 00 00 00 01 87 00 00 04 80 00 01 00",
            message(1, Body::Capability),
        ),
        (
            "RG Connect",
            "07 00 00 18 00 00 00 02 00 05 00 04 00 00 00 01 00 01 00 08 31 30 2e 30
             2e 30 2e 31",
            message(
                2,
                Body::Connect {
                    rg,
                    sender: "10.0.0.1".to_owned(),
                },
            ),
        ),
        (
            "RG Disconnect",
            "07 01 00 14 00 00 00 4d 00 05 00 04 00 00 00 01 00 04 00 04 00 01 00 10",
            message(
                77,
                Body::Disconnect {
                    rg,
                    status: Status::RG_REMOVED,
                },
            ),
        ),
        (
            "NAK, unknown RG",
            "07 02 00 18 00 00 00 05 00 05 00 04 00 00 00 01 00 02 00 08 00 01 00 01
             00 00 00 02",
            message(
                5,
                Body::Notification {
                    rg,
                    status: Status::UNKNOWN_RG,
                    rejected: 2,
                },
            ),
        ),
        (
            "NAK, rejected message",
            "07 02 00 18 00 00 00 5a 00 05 00 04 00 00 00 01 00 02 00 08 00 01 00 06
             00 00 00 29",
            message(
                90,
                Body::Notification {
                    rg,
                    status: Status::REJECTED,
                    rejected: 41,
                },
            ),
        ),
        (
            "Heartbeat",
            "07 03 00 11 00 00 00 03 00 05 00 04 00 00 00 01 00 3a 00 01 ff",
            app(3, Tlv::Heartbeat),
        ),
        (
            "Sync Request",
            "07 03 00 18 00 00 00 04 00 05 00 04 00 00 00 01 00 38 00 08 00 00 ff ff
             00 00 00 00",
            app(4, Tlv::SyncRequest { number: 0 }),
        ),
        (
            "Sync Data, start",
            "07 03 00 14 00 00 00 06 00 05 00 04 00 00 00 01 00 39 00 04 00 00 00 00",
            app(
                6,
                Tlv::SyncData {
                    number: 0,
                    end: false,
                },
            ),
        ),
        (
            "Sync Data, end",
            "07 03 00 14 00 00 00 0e 00 05 00 04 00 00 00 01 00 39 00 04 00 00 00 01",
            app(
                14,
                Tlv::SyncData {
                    number: 0,
                    end: true,
                },
            ),
        ),
        (
            "System Config",
            "07 03 00 19 00 00 00 07 00 05 00 04 00 00 00 01 00 32 00 09 02 00 00 00
             00 01 00 00 fd",
            app(
                7,
                Tlv::SystemConfig(SystemConfig {
                    system: Mac([0x02, 0, 0, 0, 0, 0x01]),
                    priority: 0,
                    node: NodeId(0xfd),
                }),
            ),
        ),
        (
            "Aggregator Config, present",
            "07 03 00 3a 00 00 00 08 00 05 00 04 00 00 00 01 00 36 00 2a 00{9} 01 02 00
             00 00 00 01 00 00 00 00 01 0c 50 6f 72 74 43 68 61 6e 6e 65 6c 31 00 00
             00 00 00 00 00 00",
            app(8, config(ConfigFlag::Present)),
        ),
        (
            "Aggregator Config, purge",
            "07 03 00 3a 00 00 00 37 00 05 00 04 00 00 00 01 00 36 00 2a 00{9} 01 02 00
             00 00 00 01 00 00 00 00 02 0c 50 6f 72 74 43 68 61 6e 6e 65 6c 31 00 00
             00 00 00 00 00 00",
            app(55, config(ConfigFlag::Purge)),
        ),
        (
            "Aggregator State, up",
            "07 03 00 1f 00 00 00 09 00 05 00 04 00 00 00 01 00 37 00 0f 00{11} 01 00 00
             00",
            app(
                9,
                Tlv::AggregatorState(AggregatorState {
                    id: lag,
                    state: PortState::Up,
                }),
            ),
        ),
        (
            "Port Channel Info",
            "07 03 00 34 00 00 00 0a 00 05 00 04 00 00 00 01 10 34 00 24 00 01 50 6f
             72 74 43 68 61 6e 6e 65 6c 31 00 00 00 00 00 00 00 00 0c 01 03 02 01 0a
             00 01 00 02 00 64 00 c8",
            app(
                10,
                Tlv::PortChannelInfo(PortChannelInfo {
                    id: lag,
                    name: name("PortChannel1"),
                    l3: true,
                    address: [10, 1, 2, 3].into(),
                    vids: [vid(100), vid(200)].into(),
                }),
            ),
        ),
        (
            "Peer Link Info",
            "07 03 00 25 00 00 00 0b 00 05 00 04 00 00 00 01 10 35 00 15 50 6f 72 74
             43 68 61 6e 6e 65 6c 31 30 00 00 00 00 00 00 00 01",
            app(
                11,
                Tlv::PeerLinkInfo(PeerLinkInfo {
                    name: name("PortChannel10"),
                    kind: PeerLinkKind::PortChannel,
                }),
            ),
        ),
        (
            "ARP Info",
            "07 03 00 36 00 00 00 0c 00 05 00 04 00 00 00 01 10 36 00 26 00 01 01 00
             00 56 6c 61 6e 31 30 30 00{14} 0a 01 02 32 00 11 22 33 44 55 00 00",
            app(
                12,
                Tlv::ArpInfo(vec![NeighbourEntry {
                    op: EntryOp::Add,
                    flags: NeighbourFlags::empty(),
                    interface: name("Vlan100"),
                    address: [10, 1, 2, 50].into(),
                    mac: Mac([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]),
                }]),
            ),
        ),
        (
            "NDISC Info",
            "07 03 00 42 00 00 00 0d 00 05 00 04 00 00 00 01 10 3a 00 32 00 01 01 05
             00 56 6c 61 6e 31 30 30 00{14} 20 01 0d b8 00{11} 32 02 00 00 00 00 01 00 00",
            app(
                13,
                Tlv::NdiscInfo(vec![NeighbourEntry {
                    op: EntryOp::Add,
                    flags: NeighbourFlags::ACK | NeighbourFlags::OWN_ADDRESS,
                    interface: name("Vlan100"),
                    address: "2001:db8::32".parse().unwrap(),
                    mac: Mac([0x02, 0, 0, 0, 0, 0x01]),
                }]),
            ),
        ),
        (
            "MAC Info, two entries",
            "07 03 00 4e 00 00 00 14 00 05 00 04 00 00 00 01 10 38 00 3e 00 02 01 02
             00 11 22 33 44 55 00 64 50 6f 72 74 43 68 61 6e 6e 65 6c 31 00 00 00 00
             00 00 00 00 02 02 00 aa bb cc dd ee 00 c8 45 74 68 65 72 6e 65 74 38 00{11}",
            app(
                20,
                Tlv::MacInfo(vec![
                    MacEntry {
                        op: EntryOp::Add,
                        kind: MacType::Dynamic,
                        mac: Mac([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]),
                        vid: vid(100),
                        port: name("PortChannel1"),
                    },
                    MacEntry {
                        op: EntryOp::Delete,
                        kind: MacType::Dynamic,
                        mac: Mac([0x00, 0xaa, 0xbb, 0xcc, 0xdd, 0xee]),
                        vid: vid(200),
                        port: name("Ethernet8"),
                    },
                ]),
            ),
        ),
        (
            "Warm Boot Flag",
            "07 03 00 11 00 00 01 2c 00 05 00 04 00 00 00 01 10 39 00 01 01",
            app(300, Tlv::WarmBoot),
        ),
        (
            "Interface Up Ack",
            "07 03 00 14 00 00 00 38 00 05 00 04 00 00 00 01 10 3b 00 04 01 01 00 01",
            app(
                56,
                Tlv::InterfaceUpAck(InterfaceUpAck {
                    id: lag,
                    isolated: true,
                }),
            ),
        ),
        (
            "Announce",
            "07 03 00 25 00 00 00 40 00 05 00 04 00 00 00 01 91 00 00 15 00 01 80 00
             02 00 5e 00 00 01 0a 69 63 63 70 64 2f 30 2e 31 2e",
            app(
                64,
                Tlv::Extension(Extension::Announce(Announce {
                    version: 1,
                    priority: 0x8000,
                    node_mac: Mac([0x02, 0, 0x5e, 0, 0, 0x01]),
                    software: "iccpd/0.1.".to_owned(),
                })),
            ),
        ),
        (
            "ShutdownNotice, restart",
            "07 03 00 11 00 00 00 41 00 05 00 04 00 00 00 01 91 01 00 01 00",
            app(
                65,
                Tlv::Extension(Extension::ShutdownNotice(ShutdownNotice::Restart)),
            ),
        ),
        (
            "ShutdownNotice, leave",
            "07 03 00 11 00 00 00 42 00 05 00 04 00 00 00 01 91 01 00 01 01",
            app(
                66,
                Tlv::Extension(Extension::ShutdownNotice(ShutdownNotice::Leave)),
            ),
        ),
        (
            "MAC Sync End",
            "07 03 00 10 00 00 00 43 00 05 00 04 00 00 00 01 91 02 00 00",
            app(67, Tlv::Extension(Extension::MacSyncEnd)),
        ),
        (
            "LACP Partner",
            "07 03 00 1a 00 00 00 44 00 05 00 04 00 00 00 01
             91 03 00 0a 00 2a 00 0f 02 00 5e 00 00 09",
            app(
                68,
                Tlv::Extension(Extension::LacpPartner(PortPartner {
                    id: AggregatorId(42),
                    partner: Some(LacpPartner {
                        system: Mac([0x02, 0, 0x5e, 0, 0, 0x09]),
                        key: 15,
                    }),
                    alone: None,
                })),
            ),
        ),
        (
            "LACP Partner, none",
            "07 03 00 1a 00 00 00 45 00 05 00 04 00 00 00 01
             91 03 00 0a 00 2a 00 00 00 00 00 00 00 00",
            app(
                69,
                Tlv::Extension(Extension::LacpPartner(PortPartner {
                    id: AggregatorId(42),
                    partner: None,
                    alone: None,
                })),
            ),
        ),
        (
            "LACP Partner, none, and carries data without one",
            "07 03 00 1b 00 00 00 45 00 05 00 04 00 00 00 01
             91 03 00 0b 00 2a 00 00 00 00 00 00 00 00 02",
            app(
                69,
                Tlv::Extension(Extension::LacpPartner(PortPartner {
                    id: AggregatorId(42),
                    partner: None,
                    alone: Some(Alone::Carries),
                })),
            ),
        ),
        (
            "MAC Order",
            "07 03 00 2e 00 00 00 46 00 05 00 04 00 00 00 01
             91 04 00 1e 00 02
             02 00 5e 00 00 09 00 0a 00 03 00 00 01 f4
             02 00 5e 00 00 0a 0f fe ff ff ff ff ff ff",
            app(
                70,
                Tlv::Extension(Extension::MacOrder(vec![
                    MacOrder {
                        mac: Mac([0x02, 0, 0x5e, 0, 0, 0x09]),
                        vid: Vid::new(10).unwrap(),
                        sequence: 3,
                        age: Some(std::time::Duration::from_millis(500)),
                    },
                    MacOrder {
                        mac: Mac([0x02, 0, 0x5e, 0, 0, 0x0a]),
                        vid: Vid::new(4094).unwrap(),
                        sequence: 0xffff,
                        age: None,
                    },
                ])),
            ),
        ),
        (
            "Port Id",
            "07 03 00 12 00 00 00 47 00 05 00 04 00 00 00 01
             91 05 00 02 02 bc",
            app(71, Tlv::Extension(Extension::PortId(AggregatorId(700)))),
        ),
        (
            "Dataplane State, at work",
            "07 03 00 14 00 00 00 48 00 05 00 04 00 00 00 01
             91 06 00 04 00 00 00 00",
            app(
                72,
                Tlv::Extension(Extension::DataplaneState(DataplaneState {
                    presence: DataplanePresence::AtWork,
                    ports: vec![],
                })),
            ),
        ),
        (
            "Dataplane State, silent",
            "07 03 00 1c 00 00 00 49 00 05 00 04 00 00 00 01
             91 06 00 0c 00 02 00 02 00 2a 00 01 00 2b 00 02",
            app(
                73,
                Tlv::Extension(Extension::DataplaneState(DataplaneState {
                    presence: DataplanePresence::Silent,
                    ports: vec![
                        DoubtfulPort {
                            id: AggregatorId(42),
                            isolated: true,
                            let_go: false,
                        },
                        DoubtfulPort {
                            id: AggregatorId(43),
                            isolated: false,
                            let_go: true,
                        },
                    ],
                })),
            ),
        ),
        (
            "Port VLAN",
            "07 03 00 14 00 00 00 4a 00 05 00 04 00 00 00 01
             91 07 00 04 00 2a 0f fe",
            app(
                74,
                Tlv::Extension(Extension::PortVlan(PortVlan {
                    id: AggregatorId(42),
                    pvid: Vid::new(4094),
                })),
            ),
        ),
        (
            "Port VLAN, none",
            "07 03 00 14 00 00 00 4b 00 05 00 04 00 00 00 01
             91 07 00 04 00 2a 00 00",
            app(
                75,
                Tlv::Extension(Extension::PortVlan(PortVlan {
                    id: AggregatorId(42),
                    pvid: None,
                })),
            ),
        ),
    ]
}

/// `spec/iccp.md` 16.2.
fn linux_mclag() -> Vec<Literal> {
    let lag = AggregatorId(1);
    let rg = RgId(1);
    let message = |id, body| Message { id, body };
    let app = |id, tlv| message(id, Body::Application { rg, tlv });
    let mac = Mac([0x44, 0x38, 0x39, 0xff, 0x00, 0x01]);
    vec![
        (
            "Capability",
            "04 04 0c 00 01 00 00 00 01 1c 04 00 01 00 01 00",
            message(1, Body::Capability),
        ),
        (
            "RG Connect",
            "00 0e 1b 00 02 00 00 00 05 00 04 00 01 00 00 00 04 00 0b 00 31 36 39 2e
             32 35 34 2e 31 2e 31",
            message(
                2,
                Body::Connect {
                    rg,
                    sender: "169.254.1.1".to_owned(),
                },
            ),
        ),
        (
            "RG Disconnect",
            "02 0e 14 00 4d 00 00 00 05 00 04 00 01 00 00 00 10 00 04 00 10 00 01 00",
            message(
                77,
                Body::Disconnect {
                    rg,
                    status: Status::RG_REMOVED,
                },
            ),
        ),
        (
            "NAK, rejected message",
            "04 0e 18 00 5a 00 00 00 05 00 04 00 01 00 00 00 08 00 08 00 06 00 01 00
             29 00 00 00",
            message(
                90,
                Body::Notification {
                    rg,
                    status: Status::REJECTED,
                    rejected: 41,
                },
            ),
        ),
        (
            "Heartbeat",
            "06 0e 11 00 03 00 00 00 05 00 04 00 01 00 00 00 e8 00 01 00 ff",
            app(3, Tlv::Heartbeat),
        ),
        (
            "Sync Request",
            "06 0e 18 00 04 00 00 00 05 00 04 00 01 00 00 00 e0 00 08 00 00 00 ff ff
             00 00 00 00",
            app(4, Tlv::SyncRequest { number: 0 }),
        ),
        (
            "Sync Data, end",
            "06 0e 14 00 0e 00 00 00 05 00 04 00 01 00 00 00 e4 00 04 00 00 00 01 00",
            app(
                14,
                Tlv::SyncData {
                    number: 0,
                    end: true,
                },
            ),
        ),
        (
            "System Config",
            "06 0e 19 00 07 00 00 00 05 00 04 00 01 00 00 00 c8 00 09 00 44 38 39 ff
             00 01 00 00 fd",
            app(
                7,
                Tlv::SystemConfig(SystemConfig {
                    system: mac,
                    priority: 0,
                    node: NodeId(0xfd),
                }),
            ),
        ),
        (
            "Aggregator Config",
            "06 0e 3a 00 08 00 00 00 05 00 04 00 01 00 00 00 d8 00 2a 00{9} 01 00 44 38
             39 ff 00 01 00 00 00 00 01 07 73 65 72 76 65 72 31 00{13}",
            app(
                8,
                Tlv::AggregatorConfig(AggregatorConfig {
                    id: lag,
                    name: name("server1"),
                    mac,
                    flag: ConfigFlag::Present,
                }),
            ),
        ),
        (
            "Aggregator State",
            "06 0e 1f 00 09 00 00 00 05 00 04 00 01 00 00 00 dc 00 0f 00{11} 01 00 00 00
             00",
            app(
                9,
                Tlv::AggregatorState(AggregatorState {
                    id: lag,
                    state: PortState::Up,
                }),
            ),
        ),
        (
            "Port Channel Info",
            "06 0e 52 00 0a 00 00 00 05 00 04 00 01 00 00 00 d0 40 42 00 01 00 73 65
             72 76 65 72 31 00{13} 07 01 0a 01 02 03 00 00 01 00 01 00 64 00{31}",
            app(
                10,
                Tlv::PortChannelInfo(PortChannelInfo {
                    id: lag,
                    name: name("server1"),
                    l3: true,
                    address: [10, 1, 2, 3].into(),
                    vids: [vid(100)].into(),
                }),
            ),
        ),
        (
            "Peer Link Info",
            "06 0e 25 00 0b 00 00 00 05 00 04 00 01 00 00 00 d4 40 15 00 70 65 65 72
             6c 69 6e 6b 00{12} 01",
            app(
                11,
                Tlv::PeerLinkInfo(PeerLinkInfo {
                    name: name("peerlink"),
                    kind: PeerLinkKind::PortChannel,
                }),
            ),
        ),
        (
            "ARP Info",
            "06 0e 2f 00 0c 00 00 00 05 00 04 00 01 00 00 00 d8 40 1f 00 01 62 72 69
             64 67 65 00{14} 0a 01 02 32 00 11 22 33 44 55",
            app(
                12,
                Tlv::ArpInfo(vec![NeighbourEntry {
                    op: EntryOp::Add,
                    flags: NeighbourFlags::empty(),
                    interface: name("bridge"),
                    address: [10, 1, 2, 50].into(),
                    mac: Mac([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]),
                }]),
            ),
        ),
        (
            "MAC Info",
            "06 0e 47 00 14 00 00 00 05 00 04 00 01 00 00 00 e0 40 37 00 01 30 30 3a
             31 31 3a 32 32 3a 33 33 3a 34 34 3a 35 35 00{15} 64 00 73 65 72 76 65 72 31
             00{13}",
            app(
                20,
                Tlv::MacInfo(vec![MacEntry {
                    op: EntryOp::Add,
                    kind: MacType::Dynamic,
                    mac: Mac([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]),
                    vid: vid(100),
                    port: name("server1"),
                }]),
            ),
        ),
    ]
}

/// Bytes from hexadecimal digits; `00{n}` stands for n zero bytes.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let zeros = word.strip_prefix("00{").and_then(|w| w.strip_suffix('}'));
        if let Some(count) = zeros {
            bytes.resize(bytes.len() + count.parse::<usize>().unwrap(), 0);
            continue;
        }
        assert!(word.len().is_multiple_of(2), "{word}");
        for at in (0..word.len()).step_by(2) {
            bytes.push(u8::from_str_radix(&word[at..at + 2], 16).unwrap());
        }
    }
    bytes
}

pub(super) fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

pub(super) fn vid(raw: u16) -> Vid {
    Vid::new(raw).unwrap()
}
