//! Ports of the pair that can be none because of a VLAN interface, as the running system has them now.
//!
//! LACP and holds are those of a LAG as a whole, and isolation is that of the named port: where frames of a VLAN take a
//! VLAN interface into a bridge (`bond1.10` in `br10`), neither is where it should be. Until such bridges can belong to
//! the pair, they are refused by name.

use super::Settings;
use mclag_proto::IfName;
use std::fmt;
use std::path::Path;

/// Ports that the settings name and that cannot be used as they are.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct VlanPorts(Vec<VlanPort>);

/// A port that cannot be used as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VlanPort {
    /// What the settings name.
    port: IfName,
    /// The VLAN interface that it is, or that is on top of it and in a bridge.
    vlan: IfName,
}

impl VlanPort {
    /// Look whether the running system has the interface in that way.
    #[must_use]
    pub fn find(port: IfName) -> Option<Self> {
        Self::find_in(port, Path::new("/sys/class/net"))
    }

    fn find_in(port: IfName, interfaces: &Path) -> Option<Self> {
        let vlan = vlan_port(&port, interfaces)?;
        Some(Self { port, vlan })
    }
}

impl fmt::Display for VlanPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, vlan } = self;
        if port == vlan {
            write!(f, "{port} is a VLAN interface of a LAG: make the LAG")?;
        } else {
            write!(
                f,
                "the VLAN interface {vlan} of {port} is a port of a bridge: make {port}"
            )?;
        }
        f.write_str(" the port of the pair's bridge, with VLAN filtering")
    }
}

impl fmt::Display for VlanPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, port) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            port.fmt(f)?;
        }
        Ok(())
    }
}

impl Settings {
    /// Look whether the running system has what the settings name in a way that cannot work. What is not there is
    /// waited for.
    ///
    /// # Errors
    ///
    /// When the peer link or an MLAG port is a VLAN interface on top of a LAG, or a VLAN interface on top of it is a port
    /// of a bridge.
    pub fn check_system(&self) -> Result<(), VlanPorts> {
        self.check_interfaces(Path::new("/sys/class/net"))
    }

    fn check_interfaces(&self, interfaces: &Path) -> Result<(), VlanPorts> {
        let domain = self.domain.iter();
        let ports = domain.flat_map(|domain| domain.peer_link.iter().chain(&domain.ports));
        let found: Vec<VlanPort> = ports
            .filter_map(|port| VlanPort::find_in(*port, interfaces))
            .collect();
        match found.is_empty() {
            true => Ok(()),
            false => Err(VlanPorts(found)),
        }
    }
}

fn vlan_port(port: &IfName, interfaces: &Path) -> Option<IfName> {
    let of = |name: &IfName| interfaces.join(name.as_str());
    // A team has no name for what it is, but members.
    let is_team =
        |name: &IfName| kind(&of(name)).is_none() && !neighbours(&of(name), "lower_").is_empty();
    let is_lag = |name: &IfName| of(name).join("bonding").is_dir() || is_team(name);
    let is_vlan = |name: &IfName| kind(&of(name)).as_deref() == Some("vlan");
    if is_vlan(port) && neighbours(&of(port), "lower_").iter().any(is_lag) {
        return Some(*port);
    }
    // Those of a bridge are its own interfaces.
    if of(port).join("bridge").is_dir() {
        return None;
    }
    let uppers = neighbours(&of(port), "upper_").into_iter();
    let mut bridged = uppers.filter(|upper| is_vlan(upper) && of(upper).join("brport").is_dir());
    bridged.next()
}

/// What the kernel calls the kind of an interface; none for a physical one.
fn kind(interface: &Path) -> Option<String> {
    let text = std::fs::read_to_string(interface.join("uevent")).ok()?;
    let kind = text
        .lines()
        .find_map(|line| line.strip_prefix("DEVTYPE="))?;
    Some(kind.to_owned())
}

/// Interfaces on top of one, or under it, in the order of their names.
fn neighbours(interface: &Path, prefix: &str) -> Vec<IfName> {
    let entries = std::fs::read_dir(interface).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| {
        let name = entry.file_name();
        IfName::new(name.to_str()?.strip_prefix(prefix)?).ok()
    });
    let mut names: Vec<IfName> = names.collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_test_support::TempDir;
    use std::fs::{create_dir_all, write};

    /// An interface of this kind over these, in a bridge or not.
    fn add(dir: &TempDir, name: &str, kind: &str, lower: Option<&str>, in_bridge: bool) {
        let at = dir.path(name);
        create_dir_all(&at).unwrap();
        let kind_line = match kind {
            "" => String::new(),
            kind => format!("DEVTYPE={kind}\n"),
        };
        write(
            at.join("uevent"),
            format!("{kind_line}INTERFACE={name}\nIFINDEX=5\n"),
        )
        .unwrap();
        if kind == "bond" {
            create_dir_all(at.join("bonding")).unwrap();
        }
        if kind == "bridge" {
            create_dir_all(at.join("bridge")).unwrap();
        }
        if in_bridge {
            create_dir_all(at.join("brport")).unwrap();
        }
        if let Some(lower) = lower {
            create_dir_all(at.join(format!("lower_{lower}"))).unwrap();
            create_dir_all(dir.path(lower).join(format!("upper_{name}"))).unwrap();
        }
    }

    /// What is said of a pair with this peer link and this port.
    fn said(dir: &TempDir, peer_link: &str, port: &str) -> String {
        let text = format!(
            "[domain]\nid = 1\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\n\
             peer-link = \"{peer_link}\"\nports = [\"{port}\"]\n"
        );
        let settings = Settings::parse(Path::new("test"), &text).unwrap();
        match settings.check_interfaces(&dir.path("")) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn vlan_interfaces_of_lags_as_ports_of_bridges_are_refused_by_name() {
        let dir = TempDir::new("vlan-ports");
        for (name, kind, lower, in_bridge) in [
            ("br0", "bridge", None, false),
            ("br0.10", "vlan", Some("br0"), true),
            ("bond1", "bond", None, false),
            ("bond1.10", "vlan", Some("bond1"), true),
            ("bond2", "bond", None, true),
            ("bond2.10", "vlan", Some("bond2"), false),
            ("peerlink", "bond", None, true),
            ("peerlink.4094", "vlan", Some("peerlink"), false),
            ("peer2", "bond", None, true),
            ("peer2.10", "vlan", Some("peer2"), true),
            ("swp9", "", None, false),
            ("swp9.10", "vlan", Some("swp9"), true),
            ("swp8", "", None, false),
            ("team1", "", Some("swp8"), false),
            ("team1.10", "vlan", Some("team1"), false),
        ] {
            add(&dir, name, kind, lower, in_bridge);
        }
        let place = "the port of the pair's bridge, with VLAN filtering";
        let beside = |port: &str| {
            format!(
                "the VLAN interface {port}.10 of {port} is a port of a bridge: make {port} {place}"
            )
        };
        let itself =
            |vlan: &str| format!("{vlan} is a VLAN interface of a LAG: make the LAG {place}");
        for (peer_link, port, expected) in [
            ("peerlink", "bond2", String::new()),
            ("peerlink", "gone1", String::new()),
            // Carries data of its own as a static LAG does.
            ("peerlink", "swp9.10", String::new()),
            ("peerlink", "bond1", beside("bond1")),
            ("peerlink", "swp9", beside("swp9")),
            ("peerlink", "bond1.10", itself("bond1.10")),
            ("peerlink", "team1.10", itself("team1.10")),
            ("peer2", "bond2", beside("peer2")),
            (
                "peer2.10",
                "bond1",
                format!("{}; {}", itself("peer2.10"), beside("bond1")),
            ),
        ] {
            assert_eq!(said(&dir, peer_link, port), expected, "{peer_link} {port}");
        }
    }
}
