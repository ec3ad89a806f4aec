//! Operations and events as they travel within a body. **Frozen**, like everything in
//! [`super::wire`] and for the same reason. An enum may gain alternatives at its end, which are sent
//! only to programs that announced to know them.

mod events;

use serde::{Deserialize, Serialize};

pub(super) use events::EventV2;

use super::wire::ValueError;
use crate::sync::model::{
    DomainWant, FdbKey, FdbKind, FdbWant, InterfaceWant, Isolation, NeighbourKey, NeighbourWant,
    Op, OpErrorCode, PairState, PortWant, Section, Traffic,
};
use crate::{DomainId, IfName, Mac, Vid};
use std::net::IpAddr;

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum OpV2 {
    SnapshotBegin(SectionV2),
    SnapshotEnd(SectionV2),
    Domain(DomainV2),
    Port(PortV2),
    PortRelease { port: String },
    Fdb(FdbV2),
    FdbRelease(FdbReleaseV2),
    Pair(PairV2),
    RemotePort { port: String, up: bool },
    RemotePortRelease { port: String },
    Members { port: String, members: Vec<String> },
    Interface { name: String, mac: [u8; 6] },
    InterfaceRelease { name: String },
    Neighbour(NeighbourV2),
    NeighbourRelease(NeighbourKeyV2),
    Learning { port: String, learning: bool },
    Flush { port: Option<String> },
    // Added for servers whose abilities ask for it.
    NodeMac { mac: [u8; 6] },
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum SectionV2 {
    Ports,
    Fdb,
    Pair,
    Interfaces,
    Neighbours,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct PairV2 {
    domain: u16,
    active: Option<bool>,
    up: bool,
    system_mac: Option<[u8; 6]>,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum AddressV2 {
    V4([u8; 4]),
    V6([u8; 16]),
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct NeighbourKeyV2 {
    interface: String,
    address: AddressV2,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct NeighbourV2 {
    key: NeighbourKeyV2,
    mac: [u8; 6],
    permanent: bool,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct DomainV2 {
    bridge: String,
    peer_link: Option<String>,
    peer_link_learning: bool,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct PortV2 {
    port: String,
    isolation: IsolationV2,
    traffic: TrafficV2,
    redirect: bool,
    system_mac: Option<[u8; 6]>,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum IsolationV2 {
    Keep,
    On,
    Off,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum TrafficV2 {
    Keep,
    Pass,
    Held,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct FdbKeyV2 {
    vid: u16,
    mac: [u8; 6],
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct FdbV2 {
    key: FdbKeyV2,
    port: String,
    kind: FdbKindV2,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum FdbKindV2 {
    Tracked,
    Static,
    Ageing,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct FdbReleaseV2 {
    key: FdbKeyV2,
    forget: bool,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum OpErrorCodeV2 {
    Waiting,
    Refused,
    Unsupported,
}

impl From<&Op> for OpV2 {
    fn from(op: &Op) -> Self {
        match op {
            Op::SnapshotBegin(section) => Self::SnapshotBegin((*section).into()),
            Op::SnapshotEnd(section) => Self::SnapshotEnd((*section).into()),
            Op::Domain(want) => {
                let DomainWant {
                    bridge,
                    peer_link,
                    peer_link_learning,
                } = want;
                Self::Domain(DomainV2 {
                    bridge: bridge.to_string(),
                    peer_link: peer_link.map(|name| name.to_string()),
                    peer_link_learning: *peer_link_learning,
                })
            }
            Op::Port { port, want } => {
                let PortWant {
                    isolation,
                    traffic,
                    redirect,
                    system_mac,
                } = want;
                Self::Port(PortV2 {
                    port: port.to_string(),
                    isolation: (*isolation).into(),
                    traffic: (*traffic).into(),
                    redirect: *redirect,
                    system_mac: system_mac.map(|Mac(bytes)| bytes),
                })
            }
            Op::PortRelease { port } => Self::PortRelease {
                port: port.to_string(),
            },
            Op::Fdb { key, want } => {
                let FdbWant { port, kind } = want;
                Self::Fdb(FdbV2 {
                    key: (*key).into(),
                    port: port.to_string(),
                    kind: (*kind).into(),
                })
            }
            Op::FdbRelease { key, forget } => Self::FdbRelease(FdbReleaseV2 {
                key: (*key).into(),
                forget: *forget,
            }),
            Op::Pair(pair) => Self::Pair((*pair).into()),
            Op::RemotePort { port, up } => Self::RemotePort {
                port: port.to_string(),
                up: *up,
            },
            Op::RemotePortRelease { port } => Self::RemotePortRelease {
                port: port.to_string(),
            },
            Op::Members { port, members } => Self::Members {
                port: port.to_string(),
                members: members.iter().map(ToString::to_string).collect(),
            },
            Op::Interface { name, want } => {
                let InterfaceWant { mac: Mac(mac) } = want;
                Self::Interface {
                    name: name.to_string(),
                    mac: *mac,
                }
            }
            Op::InterfaceRelease { name } => Self::InterfaceRelease {
                name: name.to_string(),
            },
            Op::Neighbour { key, want } => {
                let NeighbourWant {
                    mac: Mac(mac),
                    permanent,
                } = want;
                Self::Neighbour(NeighbourV2 {
                    key: (*key).into(),
                    mac: *mac,
                    permanent: *permanent,
                })
            }
            Op::NeighbourRelease { key } => Self::NeighbourRelease((*key).into()),
            Op::Learning { port, learning } => Self::Learning {
                port: port.to_string(),
                learning: *learning,
            },
            Op::Flush { port } => Self::Flush {
                port: port.map(|name| name.to_string()),
            },
            Op::NodeMac(Mac(mac)) => Self::NodeMac { mac: *mac },
        }
    }
}

impl TryFrom<OpV2> for Op {
    type Error = ValueError;

    fn try_from(op: OpV2) -> Result<Self, ValueError> {
        Ok(match op {
            OpV2::SnapshotBegin(section) => Self::SnapshotBegin(section.into()),
            OpV2::SnapshotEnd(section) => Self::SnapshotEnd(section.into()),
            OpV2::Domain(DomainV2 {
                bridge,
                peer_link,
                peer_link_learning,
            }) => Self::Domain(DomainWant {
                bridge: name(&bridge)?,
                peer_link: peer_link.as_deref().map(name).transpose()?,
                peer_link_learning,
            }),
            OpV2::Port(PortV2 {
                port,
                isolation,
                traffic,
                redirect,
                system_mac,
            }) => Self::Port {
                port: name(&port)?,
                want: PortWant {
                    isolation: isolation.into(),
                    traffic: traffic.into(),
                    redirect,
                    system_mac: system_mac.map(Mac),
                },
            },
            OpV2::PortRelease { port } => Self::PortRelease { port: name(&port)? },
            OpV2::Fdb(FdbV2 { key, port, kind }) => Self::Fdb {
                key: key.try_into()?,
                want: FdbWant {
                    port: name(&port)?,
                    kind: kind.into(),
                },
            },
            OpV2::FdbRelease(FdbReleaseV2 { key, forget }) => Self::FdbRelease {
                key: key.try_into()?,
                forget,
            },
            OpV2::Pair(pair) => Self::Pair(pair.try_into()?),
            OpV2::RemotePort { port, up } => Self::RemotePort {
                port: name(&port)?,
                up,
            },
            OpV2::RemotePortRelease { port } => Self::RemotePortRelease { port: name(&port)? },
            OpV2::Members { port, members } => Self::Members {
                port: name(&port)?,
                members: members.iter().map(|m| name(m)).collect::<Result<_, _>>()?,
            },
            OpV2::Interface { name: text, mac } => Self::Interface {
                name: name(&text)?,
                want: InterfaceWant { mac: Mac(mac) },
            },
            OpV2::InterfaceRelease { name: text } => Self::InterfaceRelease { name: name(&text)? },
            OpV2::Neighbour(NeighbourV2 {
                key,
                mac,
                permanent,
            }) => Self::Neighbour {
                key: key.try_into()?,
                want: NeighbourWant {
                    mac: Mac(mac),
                    permanent,
                },
            },
            OpV2::NeighbourRelease(key) => Self::NeighbourRelease {
                key: key.try_into()?,
            },
            OpV2::Learning { port, learning } => Self::Learning {
                port: name(&port)?,
                learning,
            },
            OpV2::Flush { port } => Self::Flush {
                port: port.as_deref().map(name).transpose()?,
            },
            OpV2::NodeMac { mac } => Self::NodeMac(Mac(mac)),
        })
    }
}

impl From<PairState> for PairV2 {
    fn from(pair: PairState) -> Self {
        let PairState {
            domain,
            active,
            up,
            system_mac,
        } = pair;
        Self {
            domain: domain.get(),
            active,
            up,
            system_mac: system_mac.map(|Mac(bytes)| bytes),
        }
    }
}

impl TryFrom<PairV2> for PairState {
    type Error = ValueError;

    fn try_from(pair: PairV2) -> Result<Self, ValueError> {
        let PairV2 {
            domain,
            active,
            up,
            system_mac,
        } = pair;
        Ok(Self {
            domain: DomainId::new(domain).ok_or(ValueError::Domain)?,
            active,
            up,
            system_mac: system_mac.map(Mac),
        })
    }
}

impl From<IpAddr> for AddressV2 {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(address.octets()),
        }
    }
}

impl From<AddressV2> for IpAddr {
    fn from(address: AddressV2) -> Self {
        match address {
            AddressV2::V4(octets) => Self::from(octets),
            AddressV2::V6(octets) => Self::from(octets),
        }
    }
}

impl From<NeighbourKey> for NeighbourKeyV2 {
    fn from(key: NeighbourKey) -> Self {
        let NeighbourKey { interface, address } = key;
        Self {
            interface: interface.to_string(),
            address: address.into(),
        }
    }
}

impl TryFrom<NeighbourKeyV2> for NeighbourKey {
    type Error = ValueError;

    fn try_from(key: NeighbourKeyV2) -> Result<Self, ValueError> {
        let NeighbourKeyV2 { interface, address } = key;
        Ok(Self {
            interface: name(&interface)?,
            address: address.into(),
        })
    }
}

impl From<FdbKey> for FdbKeyV2 {
    fn from(key: FdbKey) -> Self {
        let FdbKey {
            vid,
            mac: Mac(bytes),
        } = key;
        Self {
            vid: vid.get(),
            mac: bytes,
        }
    }
}

impl TryFrom<FdbKeyV2> for FdbKey {
    type Error = ValueError;

    fn try_from(key: FdbKeyV2) -> Result<Self, ValueError> {
        let FdbKeyV2 { vid, mac } = key;
        Ok(Self {
            vid: Vid::try_from(vid)?,
            mac: Mac(mac),
        })
    }
}

/// Conversions between two enums that differ in nothing but who may change them.
macro_rules! same_variants {
    ($($model:ident <=> $wire:ident { $($variant:ident),+ })+) => {$(
        impl From<$model> for $wire {
            fn from(value: $model) -> Self {
                match value { $($model::$variant => Self::$variant),+ }
            }
        }

        impl From<$wire> for $model {
            fn from(value: $wire) -> Self {
                match value { $($wire::$variant => Self::$variant),+ }
            }
        }
    )+};
}

same_variants! {
    Section <=> SectionV2 { Ports, Fdb, Pair, Interfaces, Neighbours }
    Isolation <=> IsolationV2 { Keep, On, Off }
    Traffic <=> TrafficV2 { Keep, Pass, Held }
    FdbKind <=> FdbKindV2 { Tracked, Static, Ageing }
    OpErrorCode <=> OpErrorCodeV2 { Waiting, Refused, Unsupported }
}

fn name(text: &str) -> Result<IfName, ValueError> {
    IfName::new(text).map_err(|source| ValueError::Name {
        text: text.chars().take(40).collect(),
        source,
    })
}
