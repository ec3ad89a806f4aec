//! Operations as they travel within a body. **Frozen**, like everything in [`super::wire`] and for the
//! same reason. An enum may gain alternatives at its end, which are sent only to programs that announced
//! to know them.
//!
//! Each of them is the layout of a type of the model (`serde(remote)`): in this order, and a field or an
//! alternative that the model has and the layout does not stops the build.

mod events;

use serde::{Deserialize, Serialize};

pub(super) use events::EventV2;

use crate::sync::model::{
    DomainWant, FdbKey, FdbKind, FdbWant, InterfaceWant, Isolation, NeighbourKey, NeighbourWant,
    Op, OpErrorCode, PairState, PortWant, Section, Traffic,
};
use crate::{DomainId, IfName, Mac, Vid};
use std::net::IpAddr;

/// An operation that was received.
#[derive(Deserialize)]
pub(super) struct Received(#[serde(with = "OpV2")] pub(super) Op);

/// An operation that is sent.
#[derive(Serialize)]
pub(super) struct Sent<'a>(#[serde(with = "OpV2")] pub(super) &'a Op);

#[derive(Deserialize, Serialize)]
#[serde(remote = "Op")]
enum OpV2 {
    SnapshotBegin(#[serde(with = "SectionV2")] Section),
    SnapshotEnd(#[serde(with = "SectionV2")] Section),
    Domain(#[serde(with = "DomainV2")] DomainWant),
    Port {
        port: IfName,
        #[serde(with = "PortV2")]
        want: PortWant,
    },
    PortRelease {
        port: IfName,
    },
    Fdb {
        #[serde(with = "FdbKeyV2")]
        key: FdbKey,
        #[serde(with = "FdbV2")]
        want: FdbWant,
    },
    FdbRelease {
        #[serde(with = "FdbKeyV2")]
        key: FdbKey,
        forget: bool,
    },
    Pair(#[serde(with = "PairV2")] PairState),
    RemotePort {
        port: IfName,
        up: bool,
    },
    RemotePortRelease {
        port: IfName,
    },
    Members {
        port: IfName,
        members: Vec<IfName>,
    },
    Interface {
        name: IfName,
        #[serde(with = "InterfaceV2")]
        want: InterfaceWant,
    },
    InterfaceRelease {
        name: IfName,
    },
    Neighbour {
        #[serde(with = "NeighbourKeyV2")]
        key: NeighbourKey,
        #[serde(with = "NeighbourV2")]
        want: NeighbourWant,
    },
    NeighbourRelease {
        #[serde(with = "NeighbourKeyV2")]
        key: NeighbourKey,
    },
    Learning {
        port: IfName,
        learning: bool,
    },
    Flush {
        port: Option<IfName>,
    },
    // Added for servers whose abilities ask for it.
    NodeMac(Mac),
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Section")]
enum SectionV2 {
    Ports,
    Fdb,
    Pair,
    Interfaces,
    Neighbours,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "PairState")]
struct PairV2 {
    domain: DomainId,
    active: Option<bool>,
    up: bool,
    system_mac: Option<Mac>,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "NeighbourKey")]
struct NeighbourKeyV2 {
    interface: IfName,
    address: IpAddr,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "NeighbourWant")]
struct NeighbourV2 {
    mac: Mac,
    permanent: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "InterfaceWant")]
struct InterfaceV2 {
    mac: Mac,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "DomainWant")]
struct DomainV2 {
    bridge: IfName,
    peer_link: Option<IfName>,
    peer_link_learning: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "PortWant")]
struct PortV2 {
    #[serde(with = "IsolationV2")]
    isolation: Isolation,
    #[serde(with = "TrafficV2")]
    traffic: Traffic,
    redirect: bool,
    system_mac: Option<Mac>,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Isolation")]
enum IsolationV2 {
    Keep,
    On,
    Off,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Traffic")]
enum TrafficV2 {
    Keep,
    Pass,
    Held,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "FdbKey")]
struct FdbKeyV2 {
    vid: Vid,
    mac: Mac,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "FdbWant")]
struct FdbV2 {
    port: IfName,
    #[serde(with = "FdbKindV2")]
    kind: FdbKind,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "FdbKind")]
enum FdbKindV2 {
    Tracked,
    Static,
    Ageing,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "OpErrorCode")]
pub(super) enum OpErrorCodeV2 {
    Waiting,
    Refused,
    Unsupported,
}
