//! Events as they travel within a body: where hosts are seen, and what a server tells of the pair.

use serde::{Deserialize, Serialize};

use super::FdbKeyV2;
use crate::sync::model::{Event, FdbKey, Observation};
use crate::sync::settings::{DomainSettings, Setting};
use crate::{DomainId, IfName, Mac, Vid};
use std::net::IpAddr;

#[derive(Deserialize, Serialize)]
pub(in crate::sync::v2) enum EventV2 {
    SnapshotBegin,
    SnapshotEnd,
    Fdb {
        #[serde(with = "FdbKeyV2")]
        key: FdbKey,
        #[serde(with = "ObservationV2")]
        observation: Observation,
    },
    // Added for clients with the capability "settings".
    VlanMember {
        port: IfName,
        vid: Vid,
        member: bool,
    },
    SettingsBegin,
    SettingsDomain(#[serde(with = "DomainSettingsV2")] DomainSettings),
    SettingsPort(IfName),
    SettingsUniqueIp(IfName),
    SettingsEnd,
    // Added for clients with the capability "names".
    Kept {
        name: IfName,
        index: u32,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Observation")]
enum ObservationV2 {
    Learned { port: IfName, configured: bool },
    Moved { port: IfName },
    Active { port: IfName },
    Inactive,
    Aged,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "DomainSettings")]
struct DomainSettingsV2 {
    domain: DomainId,
    local: IpAddr,
    peer: IpAddr,
    peer_link: Option<IfName>,
    system_mac: Option<Mac>,
    keepalive_s: Option<u16>,
    session_timeout_s: Option<u16>,
}

impl From<&Event> for EventV2 {
    fn from(event: &Event) -> Self {
        match *event {
            Event::SnapshotBegin => Self::SnapshotBegin,
            Event::SnapshotEnd => Self::SnapshotEnd,
            Event::Fdb { key, observation } => Self::Fdb { key, observation },
            Event::VlanMember { port, vid, member } => Self::VlanMember { port, vid, member },
            Event::Settings(Setting::Begin) => Self::SettingsBegin,
            Event::Settings(Setting::Domain(domain)) => Self::SettingsDomain(domain),
            Event::Settings(Setting::Port(port)) => Self::SettingsPort(port),
            Event::Settings(Setting::UniqueIp(interface)) => Self::SettingsUniqueIp(interface),
            Event::Settings(Setting::End) => Self::SettingsEnd,
            Event::Kept { name, index } => Self::Kept { name, index },
        }
    }
}

impl From<EventV2> for Event {
    fn from(event: EventV2) -> Self {
        match event {
            EventV2::SnapshotBegin => Self::SnapshotBegin,
            EventV2::SnapshotEnd => Self::SnapshotEnd,
            EventV2::Fdb { key, observation } => Self::Fdb { key, observation },
            EventV2::VlanMember { port, vid, member } => Self::VlanMember { port, vid, member },
            EventV2::SettingsBegin => Self::Settings(Setting::Begin),
            EventV2::SettingsDomain(domain) => Self::Settings(Setting::Domain(domain)),
            EventV2::SettingsPort(port) => Self::Settings(Setting::Port(port)),
            EventV2::SettingsUniqueIp(interface) => Self::Settings(Setting::UniqueIp(interface)),
            EventV2::SettingsEnd => Self::Settings(Setting::End),
            EventV2::Kept { name, index } => Self::Kept { name, index },
        }
    }
}
