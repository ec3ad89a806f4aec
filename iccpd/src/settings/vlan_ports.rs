//! Ports of the pair that can be none because of a VLAN interface, as the running system has them now.
//!
//! LACP and holds are those of a LAG as a whole, and isolation is that of the named port: where frames of a VLAN take a
//! VLAN interface into a bridge (`bond1.10` in `br10`), neither is where it should be. Until such bridges can belong to
//! the pair, they are refused by name.

use mclag_netlink::{LinkInfo, LinkKind};
use mclag_proto::IfName;
use std::collections::BTreeMap;
use std::fmt;

/// A port that cannot be used as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VlanPort {
    /// What the settings name.
    port: IfName,
    /// The VLAN interface that it is, or that is on top of it and in a bridge.
    vlan: IfName,
}

impl VlanPort {
    /// Look whether one of these interfaces makes this one such a port.
    #[must_use]
    pub fn find(port: &LinkInfo, links: &BTreeMap<u32, LinkInfo>) -> Option<Self> {
        let vlan = vlan_port(port, links)?;
        let port = port.name;
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

fn vlan_port(port: &LinkInfo, links: &BTreeMap<u32, LinkInfo>) -> Option<IfName> {
    let lower = match &port.kind {
        LinkKind::Vlan { link, .. } => link.and_then(|link| links.get(&link)),
        // Those of a bridge are its own interfaces.
        LinkKind::Bridge { .. } => return None,
        _ => None,
    };
    if lower.is_some_and(|lower| matches!(lower.kind, LinkKind::Bond(_) | LinkKind::Team)) {
        return Some(port.name);
    }
    let is_bridged = |link: &LinkInfo| {
        let master = link.master.and_then(|master| links.get(&master));
        master.is_some_and(|master| matches!(master.kind, LinkKind::Bridge { .. }))
    };
    let is_upper = |link: &LinkInfo| matches!(link.kind, LinkKind::Vlan { link, .. } if link == Some(port.index));
    let mut uppers: Vec<IfName> = links
        .values()
        .filter(|link| is_upper(link) && is_bridged(link))
        .map(|link| link.name)
        .collect();
    uppers.sort();
    uppers.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_netlink::{ActorSystem, BondInfo, BondMode, McastSnooping, Oper};
    use mclag_proto::Vid;
    use std::time::Duration;

    /// Interfaces of these kinds over these, in the bridge or not; the first is the bridge.
    fn links(of: &[(&str, &str, Option<&str>, bool)]) -> BTreeMap<u32, LinkInfo> {
        let index = |name: &str| {
            let at = of.iter().position(|(other, ..)| *other == name).unwrap();
            u32::try_from(at).unwrap() + 1
        };
        let link = |(name, kind, lower, in_bridge): &(&str, &str, Option<&str>, bool)| LinkInfo {
            index: index(name),
            name: IfName::new(name).unwrap(),
            mac: None,
            admin_up: true,
            lower_up: true,
            oper: Oper::Up,
            master: in_bridge.then_some(1),
            mtu: 1500,
            kind: match *kind {
                "bridge" => LinkKind::Bridge {
                    vlan_filtering: true,
                    mcast_snooping: McastSnooping::Off,
                    spanning_tree: false,
                    ageing_time: Duration::from_secs(300),
                },
                "bond" => LinkKind::Bond(BondInfo {
                    mode: BondMode::Lacp,
                    miimon_ms: 100,
                    min_links: 0,
                    ad_actor_system: ActorSystem::Own,
                    lacp: None,
                }),
                "team" => LinkKind::Team,
                "vlan" => LinkKind::Vlan {
                    id: Vid::new(10),
                    link: lower.map(index),
                },
                _ => LinkKind::Other(String::new()),
            },
            member: None,
            bridge_port: None,
        };
        of.iter().map(|row| (index(row.0), link(row))).collect()
    }

    #[test]
    fn vlan_interfaces_of_lags_as_ports_of_bridges_are_refused_by_name() {
        let links = links(&[
            ("br0", "bridge", None, false),
            ("br0.10", "vlan", Some("br0"), true),
            ("bond1", "bond", None, false),
            ("bond1.10", "vlan", Some("bond1"), true),
            ("bond2", "bond", None, true),
            ("bond2.10", "vlan", Some("bond2"), false),
            ("swp9", "", None, false),
            ("swp9.10", "vlan", Some("swp9"), true),
            ("team1", "team", None, false),
            ("team1.10", "vlan", Some("team1"), false),
        ]);
        let place = "the port of the pair's bridge, with VLAN filtering";
        let beside = |port: &str| {
            format!(
                "the VLAN interface {port}.10 of {port} is a port of a bridge: make {port} {place}"
            )
        };
        let itself =
            |vlan: &str| format!("{vlan} is a VLAN interface of a LAG: make the LAG {place}");
        for (port, expected) in [
            ("br0", String::new()),
            ("bond2", String::new()),
            // Carries data of its own as a static LAG does.
            ("swp9.10", String::new()),
            ("bond1", beside("bond1")),
            ("swp9", beside("swp9")),
            ("bond1.10", itself("bond1.10")),
            ("team1.10", itself("team1.10")),
        ] {
            let is = links.values().find(|link| link.name.as_str() == port);
            let found = VlanPort::find(is.unwrap(), &links);
            let said = found.map(|found| found.to_string()).unwrap_or_default();
            assert_eq!(said, expected, "{port}");
        }
    }
}
