//! Random bytes never panic, and random messages survive any cut.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::iccp::ext::{
    Alone, DataplanePresence, DataplaneState, DoubtfulPort, MacOrder, PortPartner, PortVlan,
};
use crate::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, EntryOp, InterfaceUpAck, MacType,
    NeighbourEntry, NeighbourFlags, PeerLinkInfo, PeerLinkKind, PortChannelInfo, Status,
    SystemConfig,
};
use crate::{AggregatorId, LacpPartner, Mac, NodeId, Vid};

fn names() -> impl Strategy<Value = IfName> {
    "[A-Za-z][A-Za-z0-9._-]{0,19}".prop_map(|text| name(&text))
}

fn vids() -> impl Strategy<Value = Vid> {
    (1..=4094_u16).prop_map(vid)
}

fn lags() -> impl Strategy<Value = AggregatorId> {
    any::<u16>().prop_map(AggregatorId)
}

fn addresses() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn entries() -> impl Strategy<Value = MacEntry> {
    let ops = prop_oneof![
        Just(EntryOp::Add),
        Just(EntryOp::Delete),
        (3..=255_u8).prop_map(EntryOp::Reserved),
    ];
    let kinds = prop_oneof![Just(MacType::Static), Just(MacType::Dynamic)];
    (ops, kinds, addresses(), vids(), names()).prop_map(|(op, kind, mac, vid, port)| MacEntry {
        op,
        kind,
        mac,
        vid,
        port,
    })
}

fn neighbours<A: Copy + std::fmt::Debug>(
    ips: impl Strategy<Value = A>,
) -> impl Strategy<Value = NeighbourEntry<A>> {
    let ops = prop_oneof![Just(EntryOp::Add), Just(EntryOp::Delete)];
    let flags = (0..=7_u8).prop_map(NeighbourFlags::from_bits_retain);
    (ops, flags, names(), ips, addresses()).prop_map(|(op, flags, interface, address, mac)| {
        NeighbourEntry {
            op,
            flags,
            interface,
            address,
            mac,
        }
    })
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Sonic), Just(Dialect::LinuxMclag)]
}

/// What arrives of a message: a dialect may cut it in several, and lose fields it does not have.
fn arriving(message: &Message, dialect: Dialect) -> Vec<Message> {
    if dialect == Dialect::Sonic {
        return vec![message.clone()];
    }
    let Message {
        id,
        body: Body::Application { rg, tlv },
    } = message
    else {
        return vec![message.clone()];
    };
    let tlvs: Vec<Tlv> = match tlv.clone() {
        Tlv::MacInfo(entries) => entries
            .into_iter()
            .map(|entry| {
                let kind = MacType::Dynamic;
                Tlv::MacInfo(vec![MacEntry { kind, ..entry }])
            })
            .collect(),
        Tlv::ArpInfo(entries) => entries
            .into_iter()
            .map(|entry| {
                let flags = NeighbourFlags::empty();
                Tlv::ArpInfo(vec![NeighbourEntry { flags, ..entry }])
            })
            .collect(),
        Tlv::NdiscInfo(_) | Tlv::InterfaceUpAck(_) | Tlv::WarmBoot | Tlv::Extension(_) => vec![],
        other => vec![other],
    };
    let mut left = u32::try_from(tlvs.len()).unwrap();
    let message = |tlv| {
        left -= 1;
        let id = id.wrapping_sub(left);
        let body = Body::Application { rg: *rg, tlv };
        Message { id, body }
    };
    tlvs.into_iter().map(message).collect()
}

fn extensions() -> impl Strategy<Value = Extension> {
    prop_oneof![
        (1..=u16::MAX, any::<u16>(), addresses(), "[ -~]{0,64}").prop_map(
            |(version, priority, node_mac, software)| Extension::Announce(Announce {
                version,
                priority,
                node_mac,
                software,
            })
        ),
        Just(Extension::ShutdownNotice(ShutdownNotice::Restart)),
        Just(Extension::ShutdownNotice(ShutdownNotice::Leave)),
        Just(Extension::MacSyncEnd),
        (any::<u16>(), addresses(), any::<u16>(), alone()).prop_map(|(id, system, key, alone)| {
            let partner = LacpPartner { system, key };
            Extension::LacpPartner(PortPartner {
                id: AggregatorId(id),
                partner: (!system.is_zero()).then_some(partner),
                alone,
            })
        }),
        vec(orders(), 0..9).prop_map(Extension::MacOrder),
        any::<u16>().prop_map(|id| Extension::PortId(AggregatorId(id))),
        (presences(), vec(doubtful_ports(), 0..9)).prop_map(|(presence, ports)| {
            Extension::DataplaneState(DataplaneState { presence, ports })
        }),
        (any::<u16>(), 0..4095_u16).prop_map(|(id, pvid)| {
            Extension::PortVlan(PortVlan {
                id: AggregatorId(id),
                pvid: Vid::new(pvid),
            })
        }),
    ]
}

fn alone() -> impl Strategy<Value = Option<Alone>> {
    option::of(prop_oneof![
        Just(Alone::Ready),
        Just(Alone::Carries),
        Just(Alone::Heard)
    ])
}

fn presences() -> impl Strategy<Value = DataplanePresence> {
    prop_oneof![
        Just(DataplanePresence::AtWork),
        Just(DataplanePresence::Disconnected),
        Just(DataplanePresence::Silent),
    ]
}

fn doubtful_ports() -> impl Strategy<Value = DoubtfulPort> {
    (any::<u16>(), any::<bool>(), any::<bool>()).prop_map(|(id, isolated, let_go)| DoubtfulPort {
        id: AggregatorId(id),
        isolated,
        let_go,
    })
}

fn orders() -> impl Strategy<Value = MacOrder> {
    let age = option::of(0..u64::from(u32::MAX));
    (addresses(), 1..4095_u16, any::<u16>(), age).prop_map(|(mac, vid, sequence, age)| MacOrder {
        mac,
        vid: Vid::new(vid).unwrap(),
        sequence,
        age: age.map(std::time::Duration::from_millis),
    })
}

fn tlvs() -> impl Strategy<Value = Tlv> {
    let flags = prop_oneof![Just(ConfigFlag::Present), Just(ConfigFlag::Purge)];
    let states = prop_oneof![
        Just(PortState::Up),
        Just(PortState::Down),
        Just(PortState::AdminDown),
        Just(PortState::Test),
    ];
    let kinds = prop_oneof![
        Just(PeerLinkKind::Port),
        Just(PeerLinkKind::PortChannel),
        Just(PeerLinkKind::Vlan),
        Just(PeerLinkKind::Vxlan),
        (4..=255_u8).prop_map(PeerLinkKind::Other),
    ];
    prop_oneof![
        (addresses(), any::<u16>(), any::<u8>()).prop_map(|(system, priority, node)| {
            let node = NodeId(node);
            Tlv::SystemConfig(SystemConfig {
                system,
                priority,
                node,
            })
        }),
        (lags(), names(), addresses(), flags).prop_map(|(id, name, mac, flag)| {
            Tlv::AggregatorConfig(AggregatorConfig {
                id,
                name,
                mac,
                flag,
            })
        }),
        (lags(), states)
            .prop_map(|(id, state)| Tlv::AggregatorState(AggregatorState { id, state })),
        any::<u16>().prop_map(|number| Tlv::SyncRequest { number }),
        (any::<u16>(), any::<bool>()).prop_map(|(number, end)| Tlv::SyncData { number, end }),
        Just(Tlv::Heartbeat),
        (
            lags(),
            names(),
            any::<bool>(),
            any::<[u8; 4]>(),
            vec(vids(), 0..40)
        )
            .prop_map(|(id, name, l3, address, vids)| {
                Tlv::PortChannelInfo(PortChannelInfo {
                    id,
                    name,
                    l3,
                    address: address.into(),
                    vids: vids.into_iter().collect(),
                })
            }),
        (names(), kinds).prop_map(|(name, kind)| Tlv::PeerLinkInfo(PeerLinkInfo { name, kind })),
        vec(entries(), 0..40).prop_map(Tlv::MacInfo),
        vec(neighbours(any::<[u8; 4]>().prop_map(Into::into)), 0..40).prop_map(Tlv::ArpInfo),
        vec(neighbours(any::<[u8; 16]>().prop_map(Into::into)), 0..40).prop_map(Tlv::NdiscInfo),
        (lags(), any::<bool>())
            .prop_map(|(id, isolated)| Tlv::InterfaceUpAck(InterfaceUpAck { id, isolated })),
        Just(Tlv::WarmBoot),
        extensions().prop_map(Tlv::Extension),
        (0x1107..=0x3fff_u16).prop_map(|kind| Tlv::Unknown { kind }),
    ]
}

fn messages() -> impl Strategy<Value = Message> {
    let rg = || any::<u32>().prop_map(RgId);
    let status = || any::<u32>().prop_map(Status);
    let bodies = prop_oneof![
        1 => Just(Body::Capability),
        1 => (rg(), "[ -~]{0,80}").prop_map(|(rg, sender)| Body::Connect { rg, sender }),
        1 => (rg(), status()).prop_map(|(rg, status)| Body::Disconnect { rg, status }),
        1 => (rg(), status(), any::<u32>()).prop_map(|(rg, status, rejected)| {
            Body::Notification { rg, status, rejected }
        }),
        10 => (rg(), tlvs()).prop_map(|(rg, tlv)| Body::Application { rg, tlv }),
        1 => (0x0704..=0x7fff_u16).prop_map(|kind| Body::Unknown { kind }),
    ];
    (any::<u32>(), bodies).prop_map(|(id, body)| Message { id, body })
}

proptest! {
    #[test]
    fn random_messages_survive_any_cut(
        dialect in dialects(),
        list in vec(messages(), 1..8),
        cuts in vec(1..200_usize, 1..20),
    ) {
        // A stream begins with a message of a known type.
        let mut all = vec![Message { id: 1, body: Body::Capability }];
        all.extend(list);
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for message in &all {
            let before = bytes.len();
            let result = encode(message, dialect, &mut bytes);
            let arriving = arriving(message, dialect);
            if result.is_err() {
                prop_assert!(arriving.is_empty());
                prop_assert_eq!(bytes.len(), before);
            }
            expected.extend(arriving);
        }
        let mut decoder = Decoder::new(dialect);
        let mut got = Vec::new();
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let cut = cuts.next().copied().unwrap_or(1).min(rest.len());
            decoder.push(&rest[..cut]);
            rest = &rest[cut..];
            for item in decoder.by_ref() {
                got.push(item.map_err(|error| TestCaseError::fail(error.to_string()))?);
            }
        }
        prop_assert_eq!(got, expected);
        prop_assert_eq!(decoder.buffered(), 0);
    }

    /// Behind a plausible header, since most random streams fail in their first word.
    #[test]
    fn random_bytes_never_panic(
        dialect in dialects(),
        start in option::of(0..5_usize),
        tlv in option::of(0..25_usize),
        noise in vec(any::<u8>(), 0..600),
        cut in 1..600_usize,
    ) {
        const KINDS: [u16; 5] = [0x0202, 0x0700, 0x0701, 0x0702, 0x0703];
        const TLVS: [u16; 25] = [
            0x0001, 0x0002, 0x0004, 0x0032, 0x0036, 0x0037, 0x0038, 0x0039, 0x003a, 0x0700,
            0x1034, 0x1035, 0x1036, 0x1038, 0x1039, 0x103a, 0x103b, 0x1100, 0x1101, 0x1102,
            0x1103, 0x1104, 0x1105, 0x1106, 0x1107,
        ];
        let mut bytes = Vec::new();
        if let Some(kind) = start {
            let length = u16::try_from(noise.len() + 16).unwrap();
            let (kind, tlv) = (KINDS[kind], tlv.map(|tlv| TLVS[tlv]));
            match dialect {
                Dialect::Sonic => {
                    bytes.extend(kind.to_be_bytes());
                    bytes.extend(length.to_be_bytes());
                    bytes.extend([0, 0, 0, 1, 0, 5, 0, 4, 0, 0, 0, 1]);
                    if let Some(tlv) = tlv {
                        bytes.extend(tlv.to_be_bytes());
                        bytes.extend((length - 16).to_be_bytes());
                    }
                }
                Dialect::LinuxMclag => {
                    bytes.extend((kind << 1).to_le_bytes());
                    bytes.extend(length.to_le_bytes());
                    bytes.extend([1, 0, 0, 0, 5, 0, 4, 0, 1, 0, 0, 0]);
                    if let Some(tlv) = tlv {
                        bytes.extend((tlv << 2).to_le_bytes());
                        bytes.extend((length - 16).to_le_bytes());
                    }
                }
            }
        }
        bytes.extend(&noise);
        let mut decoder = Decoder::new(dialect);
        for chunk in bytes.chunks(cut) {
            decoder.push(chunk);
            prop_assert!(decoder.buffered() < MAX_MESSAGE + cut);
            for item in decoder.by_ref() {
                if let Err(error) = item {
                    prop_assert!(error.to_string().len() < 250, "{}", error);
                }
            }
        }
    }

    /// Noise of any length, so that lengths and list headers occur inside of what is waited for.
    #[test]
    fn a_decoder_of_noise_keeps_less_than_a_message(
        dialect in dialects(),
        pushes in vec(vec(any::<u8>(), 0..200), 0..30),
    ) {
        let mut decoder = Decoder::new(dialect);
        decoder.push(&encoded_in(dialect, &application(Tlv::Heartbeat)));
        for noise in pushes {
            decoder.push(&noise.repeat(20));
            decoder.by_ref().for_each(drop);
            prop_assert!(decoder.buffered() < MAX_MESSAGE);
            prop_assert!(decoder.buffer.capacity() < 4 * MAX_MESSAGE);
        }
    }

    /// One changed byte in a good message costs at most what the errors say.
    #[test]
    fn a_flipped_byte_never_panics(
        dialect in dialects(),
        message in messages(),
        at in any::<prop::sample::Index>(),
        to: u8,
    ) {
        let mut bytes = encoded_in(dialect, &Message { id: 1, body: Body::Capability });
        let head = bytes.len();
        prop_assume!(encode(&message, dialect, &mut bytes).is_ok() && bytes.len() > head);
        let at = head + at.index(bytes.len() - head);
        bytes[at] = to;
        let mut decoder = Decoder::new(dialect);
        decoder.push(&bytes);
        prop_assert!(matches!(decoder.next(), Some(Ok(_))));
        decoder.for_each(drop);
    }
}
