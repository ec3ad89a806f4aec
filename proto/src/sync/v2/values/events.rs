//! Events as they travel within a body: where hosts are seen, and what a server tells of the pair.

use serde::{Deserialize, Serialize};

use super::super::wire::ValueError;
use super::{AddressV2, FdbKeyV2, name};
use crate::sync::model::{Event, Observation};
use crate::sync::settings::{DomainSettings, Setting};
use crate::{DomainId, Mac, Vid};

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(in crate::sync::v2) enum EventV2 {
    SnapshotBegin,
    SnapshotEnd,
    Fdb(SightingV2),
    // Added for clients with the capability "settings".
    VlanMember {
        port: String,
        vid: u16,
        member: bool,
    },
    SettingsBegin,
    SettingsDomain(DomainSettingsV2),
    SettingsPort {
        port: String,
    },
    SettingsUniqueIp {
        interface: String,
    },
    SettingsEnd,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(in crate::sync::v2) struct SightingV2 {
    key: FdbKeyV2,
    observation: ObservationV2,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(in crate::sync::v2) enum ObservationV2 {
    Learned { port: String, configured: bool },
    Moved { port: String },
    Active { port: String },
    Inactive,
    Aged,
}

#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(in crate::sync::v2) struct DomainSettingsV2 {
    domain: u16,
    local: AddressV2,
    peer: AddressV2,
    peer_link: Option<String>,
    system_mac: Option<[u8; 6]>,
    keepalive_s: Option<u16>,
    session_timeout_s: Option<u16>,
}

impl From<&Event> for EventV2 {
    fn from(event: &Event) -> Self {
        match event {
            Event::SnapshotBegin => Self::SnapshotBegin,
            Event::SnapshotEnd => Self::SnapshotEnd,
            Event::Fdb { key, observation } => Self::Fdb(SightingV2 {
                key: (*key).into(),
                observation: (*observation).into(),
            }),
            Event::VlanMember { port, vid, member } => Self::VlanMember {
                port: port.to_string(),
                vid: vid.get(),
                member: *member,
            },
            Event::Settings(Setting::Begin) => Self::SettingsBegin,
            Event::Settings(Setting::Domain(domain)) => Self::SettingsDomain((*domain).into()),
            Event::Settings(Setting::Port(port)) => Self::SettingsPort {
                port: port.to_string(),
            },
            Event::Settings(Setting::UniqueIp(interface)) => Self::SettingsUniqueIp {
                interface: interface.to_string(),
            },
            Event::Settings(Setting::End) => Self::SettingsEnd,
        }
    }
}

impl TryFrom<EventV2> for Event {
    type Error = ValueError;

    fn try_from(event: EventV2) -> Result<Self, ValueError> {
        Ok(match event {
            EventV2::SnapshotBegin => Self::SnapshotBegin,
            EventV2::SnapshotEnd => Self::SnapshotEnd,
            EventV2::Fdb(SightingV2 { key, observation }) => Self::Fdb {
                key: key.try_into()?,
                observation: observation.try_into()?,
            },
            EventV2::VlanMember { port, vid, member } => Self::VlanMember {
                port: name(&port)?,
                vid: Vid::try_from(vid)?,
                member,
            },
            EventV2::SettingsBegin => Self::Settings(Setting::Begin),
            EventV2::SettingsDomain(domain) => Self::Settings(Setting::Domain(domain.try_into()?)),
            EventV2::SettingsPort { port } => Self::Settings(Setting::Port(name(&port)?)),
            EventV2::SettingsUniqueIp { interface } => {
                Self::Settings(Setting::UniqueIp(name(&interface)?))
            }
            EventV2::SettingsEnd => Self::Settings(Setting::End),
        })
    }
}

impl From<DomainSettings> for DomainSettingsV2 {
    fn from(settings: DomainSettings) -> Self {
        let DomainSettings {
            domain,
            local,
            peer,
            peer_link,
            system_mac,
            keepalive_s,
            session_timeout_s,
        } = settings;
        Self {
            domain: domain.get(),
            local: local.into(),
            peer: peer.into(),
            peer_link: peer_link.map(|name| name.to_string()),
            system_mac: system_mac.map(|Mac(bytes)| bytes),
            keepalive_s,
            session_timeout_s,
        }
    }
}

impl TryFrom<DomainSettingsV2> for DomainSettings {
    type Error = ValueError;

    fn try_from(settings: DomainSettingsV2) -> Result<Self, ValueError> {
        let DomainSettingsV2 {
            domain,
            local,
            peer,
            peer_link,
            system_mac,
            keepalive_s,
            session_timeout_s,
        } = settings;
        Ok(Self {
            domain: DomainId::new(domain).ok_or(ValueError::Domain)?,
            local: local.into(),
            peer: peer.into(),
            peer_link: peer_link.as_deref().map(name).transpose()?,
            system_mac: system_mac.map(Mac),
            keepalive_s,
            session_timeout_s,
        })
    }
}

impl From<Observation> for ObservationV2 {
    fn from(observation: Observation) -> Self {
        match observation {
            Observation::Learned { port, configured } => Self::Learned {
                port: port.to_string(),
                configured,
            },
            Observation::Moved { port } => Self::Moved {
                port: port.to_string(),
            },
            Observation::Active { port } => Self::Active {
                port: port.to_string(),
            },
            Observation::Inactive => Self::Inactive,
            Observation::Aged => Self::Aged,
        }
    }
}

impl TryFrom<ObservationV2> for Observation {
    type Error = ValueError;

    fn try_from(observation: ObservationV2) -> Result<Self, ValueError> {
        Ok(match observation {
            ObservationV2::Learned { port, configured } => Self::Learned {
                port: name(&port)?,
                configured,
            },
            ObservationV2::Moved { port } => Self::Moved { port: name(&port)? },
            ObservationV2::Active { port } => Self::Active { port: name(&port)? },
            ObservationV2::Inactive => Self::Inactive,
            ObservationV2::Aged => Self::Aged,
        })
    }
}
