//! What the running system has of what the settings name. Interfaces and addresses may come later
//! (`spec/behaviour.md` 2.4), so that one is missing is no mistake; that it is called otherwise is one.

use crate::ctl::words::{TEAM_BYPASS, other_kind};
use crate::lag;
use crate::settings::{Bridge, BridgeOrigin, Settings, VlanPort};
use mclag_daemon::log::write_line;
use mclag_daemon::process;
use mclag_netlink::{Kernel, LinkKind, NetlinkError};
use mclag_proto::{IfName, LagKind};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Something that the settings name, by its key, and what there is of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Its key.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What the system has.
    pub state: State,
}

/// What the system has of something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// It is there.
    Present,
    /// It is there, but no port of this bridge.
    NotIn(IfName),
    /// It is not there, and waited for.
    Missing,
    /// It is an alternative name of that interface, by which the kernel reports nothing.
    Alternative(IfName),
    /// It is there, but no bridge.
    NoBridge,
    /// It is there, but frames pass it by in a VLAN interface.
    VlanPort(VlanPort),
    /// It is a team, for which that is no setting of ours.
    Team,
    /// It is there, but was declared to be of this kind, and is of the other one.
    Kind(LagKind),
}

impl Finding {
    /// Whether it has to be written otherwise: waiting does not help.
    #[must_use]
    pub const fn is_mistake(&self) -> bool {
        matches!(
            self.state,
            State::Alternative(_)
                | State::NoBridge
                | State::VlanPort(_)
                | State::Team
                | State::Kind(_)
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, state } = self;
        write!(f, "{key} {value}: ")?;
        match state {
            State::Present => f.write_str("present"),
            State::NotIn(bridge) => write!(f, "present, no port of {bridge} now"),
            State::Missing => f.write_str("not there, waited for"),
            State::Alternative(name) => {
                write!(
                    f,
                    "an alternative name of interface {name}: write \"{name}\""
                )
            }
            State::VlanPort(port) => port.fmt(f),
            State::NoBridge => f.write_str("an interface that is no bridge"),
            State::Team => f.write_str(TEAM_BYPASS),
            State::Kind(declared) => f.write_str(other_kind(*declared)),
        }
    }
}

/// Why the system could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// There is no way to ask the kernel.
    #[error("cannot ask the kernel")]
    Open(#[from] io::Error),
    /// It does not answer.
    #[error("the kernel does not answer")]
    Kernel(#[from] NetlinkError),
}

/// Look at the system for whoever checks a settings file, and judge the file by it. A system that cannot be looked
/// at says nothing against it.
///
/// # Errors
///
/// When something has to be written otherwise.
pub fn check(
    settings: &Settings,
    bridge: Bridge,
    path: &Path,
) -> (Vec<Finding>, Result<(), Mistakes>) {
    let found = look(settings, bridge).unwrap_or_else(|error| {
        let error = process::chain(&error);
        write_line(&format!(
            "warning: interfaces and addresses are not checked: {error}"
        ));
        Vec::new()
    });
    let wrong = found.iter().filter(|finding| finding.is_mistake());
    let wrong: Vec<String> = wrong.map(ToString::to_string).collect();
    let verdict = match wrong.is_empty() {
        true => Ok(()),
        false => Err(Mistakes(path.to_owned(), wrong.join("; "))),
    };
    (found, verdict)
}

/// Settings that this system cannot use.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used on this system: {}", .0.display(), .1)]
pub struct Mistakes(PathBuf, String);

/// Outside of any runtime.
fn look(settings: &Settings, bridge: Bridge) -> Result<Vec<Finding>, LookError> {
    process::block_on(async { find(&mut Kernel::open()?, settings, bridge).await })?
}

/// Look once.
///
/// # Errors
///
/// When the kernel does not answer.
pub async fn find(
    kernel: &mut Kernel,
    settings: &Settings,
    bridge: Bridge,
) -> Result<Vec<Finding>, LookError> {
    let mut found = Vec::new();
    let mut note = |key, value: &dyn fmt::Display, state| {
        let value = value.to_string();
        found.push(Finding { key, value, state });
    };
    let of_pair = kernel.link(&bridge.name).await?;
    let index = of_pair.as_ref().map(|link| link.index);
    if bridge.from != BridgeOrigin::Default {
        let state = match &of_pair {
            None => State::Missing,
            Some(link) if link.name != bridge.name => State::Alternative(link.name),
            Some(link) if matches!(link.kind, LinkKind::Bridge { .. }) => State::Present,
            Some(_) => State::NoBridge,
        };
        note("bridge", &bridge.name, state);
    }
    if let Some(device) = settings.chassis.bind_device {
        let state = state(kernel, device).await?;
        note("bind-device", &device, state);
    }
    let links = kernel.links().await?;
    let kinds = links.values().map(|link| (link.name, &link.kind));
    for name in teams(&settings.chassis.bypass, kinds) {
        note("lacp-bypass", &name, State::Team);
    }
    let Some(domain) = &settings.domain else {
        return Ok(found);
    };
    let has_local = {
        let addresses = kernel.addresses().await?;
        let is_here = addresses.iter().any(|a| a.address == domain.local);
        is_here || domain.local.is_loopback()
    };
    let local = if has_local {
        State::Present
    } else {
        State::Missing
    };
    note("local", &domain.local, local);
    let link = domain.peer_link.iter().map(|name| ("peer-link", name));
    for (key, name) in link.chain(domain.ports.iter().map(|name| ("port", name))) {
        let state = match kernel.link(name).await? {
            Some(link)
                if link.name == *name
                    && let Some(port) = VlanPort::find(&link, &links) =>
            {
                State::VlanPort(port)
            }
            Some(link)
                if link.name == *name
                    && let Some(declared) = domain.port_kinds.get(name)
                    && let Some(kind) = lag::kind(&link.kind, None).lag_kind()
                    && kind != *declared =>
            {
                State::Kind(*declared)
            }
            Some(link) if link.name == *name && link.master.is_some() && link.master == index => {
                State::Present
            }
            Some(link) if link.name == *name => State::NotIn(bridge.name),
            other => named(*name, other.map(|link| link.name)),
        };
        note(key, name, state);
    }
    for name in &domain.unique_ip {
        let state = state(kernel, *name).await?;
        note("unique-ip", name, state);
    }
    Ok(found)
}

/// Those of these ports that are teams.
fn teams<'a>(
    ports: &BTreeSet<IfName>,
    links: impl Iterator<Item = (IfName, &'a LinkKind)>,
) -> impl Iterator<Item = IfName> {
    let teams = links.filter(|(name, kind)| **kind == LinkKind::Team && ports.contains(name));
    teams.map(|(name, _)| name)
}

async fn state(kernel: &mut Kernel, name: IfName) -> Result<State, LookError> {
    let link = kernel.link(&name).await?;
    Ok(named(name, link.map(|link| link.name)))
}

/// Of a name, by the name of the interface that the kernel found for it.
fn named(name: IfName, found: Option<IfName>) -> State {
    match found {
        None => State::Missing,
        Some(own) if own == name => State::Present,
        Some(own) => State::Alternative(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_another_kind_than_declared_is_a_mistake_and_named() {
        let state = State::Kind(LagKind::Lacp);
        let (key, value) = ("port", "bond1".to_owned());
        let finding = Finding { key, value, state };
        assert!(finding.is_mistake());
        assert_eq!(
            finding.to_string(),
            "port bond1: declared lacp, and does not speak LACP (no bond of mode 802.3ad)"
        );
        assert_eq!(lag::kind(&LinkKind::Team, None).lag_kind(), None);
    }

    #[test]
    fn a_team_with_lacp_bypass_is_a_mistake_and_named() {
        let name = |text| IfName::new(text).unwrap();
        let links = [
            ("team1", LinkKind::Team),
            ("team2", LinkKind::Team),
            ("eth1", LinkKind::Veth),
        ];
        let links = links.iter().map(|(text, kind)| (name(text), kind));
        let bypass = ["team1", "eth1", "team9"].map(name).into();
        let found: Vec<IfName> = teams(&bypass, links).collect();
        assert_eq!(found, [name("team1")]);
        let finding = Finding {
            key: "lacp-bypass",
            value: "team1".into(),
            state: State::Team,
        };
        assert!(finding.is_mistake());
        assert_eq!(
            finding.to_string(),
            "lacp-bypass team1: a team: whether it carries data without LACP is for its teamd to decide \
             (runner.fallback)"
        );
    }
}
