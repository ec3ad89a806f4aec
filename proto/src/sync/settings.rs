//! Settings of the pair as a dataplane tells them that has them from its own configuration
//! (`docs/mclagsyncd-v2.md` 7.1).
//!
//! They are told as a whole: [`Setting::Begin`], at most one [`Setting::Domain`], the names, and
//! [`Setting::End`]. Without a domain there is no pair.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::model::Event;
use crate::{DomainId, IfName, Mac};

/// Most MLAG ports, and most VLAN interfaces of their own address: there are no more VLANs.
pub const MAX_NAMES: usize = 4094;

/// A part of the settings, as it is told.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Everything follows, up to [`Setting::End`].
    Begin,
    /// The pair; without one there is none.
    Domain(DomainSettings),
    /// An MLAG port.
    Port(IfName),
    /// A VLAN interface that has an address of its own on each chassis.
    UniqueIp(IfName),
    /// That was everything.
    End,
}

/// The pair.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DomainSettings {
    /// Its number.
    pub domain: DomainId,
    /// Address of this chassis for the session.
    pub local: IpAddr,
    /// Address of the other chassis for the session.
    pub peer: IpAddr,
    /// The data link to the other chassis.
    pub peer_link: Option<IfName>,
    /// This chassis' own MAC, if it was configured.
    pub system_mac: Option<Mac>,
    /// Interval of keepalives in seconds; none for the default.
    pub keepalive_s: Option<u16>,
    /// Timeout of the session in seconds; none for the default.
    pub session_timeout_s: Option<u16>,
}

/// All settings of a pair.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PairSettings {
    /// The pair.
    pub domain: DomainSettings,
    /// MLAG ports.
    pub ports: BTreeSet<IfName>,
    /// VLAN interfaces that have an address of their own on each chassis.
    pub unique_ip: BTreeSet<IfName>,
}

impl PairSettings {
    /// The events that tell them; or that there is no pair.
    pub fn events(settings: Option<&Self>) -> impl Iterator<Item = Event> {
        let parts = settings.into_iter().flat_map(|settings| {
            let ports = settings.ports.iter().copied().map(Setting::Port);
            let unique_ip = settings.unique_ip.iter().copied().map(Setting::UniqueIp);
            std::iter::once(Setting::Domain(settings.domain))
                .chain(ports)
                .chain(unique_ip)
        });
        let parts = std::iter::once(Setting::Begin).chain(parts);
        parts.chain([Setting::End]).map(Event::Settings)
    }
}

/// Puts together what is told in parts.
#[derive(Clone, Debug, Default)]
pub struct Assembly(Option<Parts>);

#[derive(Clone, Debug, Default)]
struct Parts {
    domain: Option<DomainSettings>,
    ports: BTreeSet<IfName>,
    unique_ip: BTreeSet<IfName>,
}

/// Settings that are told in an order that cannot be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// A part before the beginning.
    #[error("settings that did not begin")]
    NoBegin,
    /// A second pair.
    #[error("settings of a second pair: domain {0}")]
    SecondDomain(DomainId),
    /// More names than there can be.
    #[error("settings: no place for {0}, more than {MAX_NAMES} of its kind")]
    TooMany(IfName),
}

impl Assembly {
    /// Take in a part. With the last one it answers what all of them say: the settings, or that
    /// there is no pair.
    ///
    /// # Errors
    ///
    /// When the part cannot stand here; the connection has to be closed then.
    pub fn take(&mut self, part: Setting) -> Result<Option<Option<PairSettings>>, AssemblyError> {
        if part == Setting::Begin {
            self.0 = Some(Parts::default());
            return Ok(None);
        }
        let parts = self.0.as_mut().ok_or(AssemblyError::NoBegin)?;
        match part {
            Setting::Begin => {}
            Setting::Domain(domain) => match parts.domain {
                Some(_) => return Err(AssemblyError::SecondDomain(domain.domain)),
                None => parts.domain = Some(domain),
            },
            Setting::Port(name) => add(&mut parts.ports, name)?,
            Setting::UniqueIp(name) => add(&mut parts.unique_ip, name)?,
            Setting::End => {
                let parts = self.0.take().unwrap_or_default();
                return Ok(Some(parts.domain.map(|domain| PairSettings {
                    domain,
                    ports: parts.ports,
                    unique_ip: parts.unique_ip,
                })));
            }
        }
        Ok(None)
    }
}

fn add(names: &mut BTreeSet<IfName>, name: IfName) -> Result<(), AssemblyError> {
    if names.len() >= MAX_NAMES && !names.contains(&name) {
        return Err(AssemblyError::TooMany(name));
    }
    names.insert(name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn settings() -> PairSettings {
        PairSettings {
            domain: DomainSettings {
                domain: DomainId::new(1).unwrap(),
                local: [10, 0, 0, 1].into(),
                peer: [10, 0, 0, 2].into(),
                peer_link: Some(name("PortChannel10")),
                system_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
                keepalive_s: Some(2),
                session_timeout_s: None,
            },
            ports: ["PortChannel1", "PortChannel2"].map(name).into(),
            unique_ip: ["Vlan10"].map(name).into(),
        }
    }

    fn taken(assembly: &mut Assembly, event: Event) -> Option<Option<PairSettings>> {
        match event {
            Event::Settings(part) => assembly.take(part).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_told_in_parts_is_put_together() {
        let mut assembly = Assembly::default();
        for sent in [Some(settings()), None, Some(settings())] {
            let received: Vec<_> = PairSettings::events(sent.as_ref())
                .filter_map(|event| taken(&mut assembly, event))
                .collect();
            assert_eq!(received, [sent]);
        }
    }

    /// A server that has newer settings may say so before it said all of the older ones.
    #[test]
    fn a_second_beginning_begins_anew() {
        let mut assembly = Assembly::default();
        let mut first: Vec<Event> = PairSettings::events(Some(&settings())).collect();
        first.pop();
        for event in first {
            assert_eq!(taken(&mut assembly, event), None);
        }
        let received: Vec<_> = PairSettings::events(None)
            .filter_map(|event| taken(&mut assembly, event))
            .collect();
        assert_eq!(received, [None]);
    }

    #[test]
    fn parts_that_cannot_stand_here_are_refused() {
        let mut assembly = Assembly::default();
        let port = |number: usize| Setting::Port(name(&format!("Vlan{number}")));
        assert_eq!(assembly.take(port(1)), Err(AssemblyError::NoBegin));
        assembly.take(Setting::Begin).unwrap();
        let domain = Setting::Domain(settings().domain);
        assembly.take(domain).unwrap();
        assert_eq!(
            assembly.take(domain).unwrap_err().to_string(),
            "settings of a second pair: domain 1"
        );
        for number in 0..MAX_NAMES {
            assembly.take(port(number)).unwrap();
        }
        assembly.take(port(0)).unwrap();
        assert_eq!(
            assembly.take(port(MAX_NAMES)).unwrap_err().to_string(),
            "settings: no place for Vlan4094, more than 4094 of its kind"
        );
    }
}
