//! The MAC that tells this chassis from the other.
//!
//! It breaks a tie of the election, and it is the LACP system id of the pair while no
//! `system-mac` is set. The two chassis must have different ones, and a restart must not change
//! it: hosts would renegotiate. In this order:
//!
//! 1. `node-mac` of the settings;
//! 2. the address of the peer link, which no MLAG port and no adopted system MAC can change;
//! 3. the address of the bridge;
//! 4. a locally administered address made of `/etc/machine-id` and the local address of the
//!    control session (chassis that were cloned, or that share a machine, still differ), or of
//!    the machine id alone while that address is not known.

use crate::interfaces::Interfaces;
use crate::settings::{Chassis, Domain};
use mclag_proto::{IfName, Mac};
use std::cell::LazyCell;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// A MAC and where it comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NodeMac {
    /// The address.
    pub mac: Mac,
    /// Its origin.
    pub from: Origin,
}

/// Where a node's MAC comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// `node-mac` of the settings.
    Settings,
    /// An interface.
    Interface(IfName),
    /// Machine id and local address.
    Derived,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("the settings"),
            Self::Interface(name) => write!(f, "interface {name}"),
            Self::Derived => f.write_str("machine id and local address"),
        }
    }
}

/// Find the node's MAC.
#[must_use]
pub fn mac(
    chassis: &Chassis,
    domain: Option<&Domain>,
    bridge: IfName,
    interfaces: &LazyCell<Interfaces>,
) -> NodeMac {
    let machine_id = Path::new("/etc/machine-id");
    find(chassis, domain, bridge, || interfaces, machine_id)
}

/// What is set need not be asked for.
fn find<'a>(
    chassis: &Chassis,
    domain: Option<&Domain>,
    bridge: IfName,
    interfaces: impl FnOnce() -> &'a Interfaces,
    machine_id: &Path,
) -> NodeMac {
    if let Some(mac) = chassis.node_mac {
        let from = Origin::Settings;
        return NodeMac { mac, from };
    }
    let interfaces = interfaces();
    let peer_link = domain.and_then(|d| d.peer_link);
    for name in peer_link.into_iter().chain([bridge]) {
        let mac = interfaces.named(name).and_then(|interface| interface.mac);
        if let Some(mac) = mac
            && mac.is_unicast()
        {
            let from = Origin::Interface(name);
            return NodeMac { mac, from };
        }
    }
    // Without a machine id the local address alone has to tell them apart.
    let machine = std::fs::read_to_string(machine_id).unwrap_or_default();
    NodeMac {
        mac: derive(machine.trim(), domain.map(|d| d.local)),
        from: Origin::Derived,
    }
}

/// A locally administered unicast address. Must never change: see the module's comment.
fn derive(machine: &str, local: Option<IpAddr>) -> Mac {
    let text = match local {
        Some(local) => format!("{machine} {local}"),
        None => machine.to_owned(),
    };
    // FNV-1a, 64 bits.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let [a, b, c, d, e, f, ..] = hash.to_le_bytes();
    Mac([(a & 0xfc) | 0x02, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::Interface;
    use crate::settings::Settings;

    fn settings(extra: &str) -> Settings {
        let text = format!(
            "[domain]\nid = 1\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\nbridge = \"br0\"\n\
             peer-link = \"peerlink\"\nports = []\n{extra}"
        );
        Settings::parse(Path::new("test"), &text).unwrap()
    }

    fn interface((name, mac): &(&str, Mac)) -> Interface {
        Interface {
            name: IfName::new(name).unwrap(),
            mac: Some(*mac),
            master: None,
            is_bridge: false,
        }
    }

    #[test]
    fn the_settings_come_first() {
        let settings = settings("node-mac = \"02:00:00:00:00:01\"");
        let bridge = IfName::new("br0").unwrap();
        let interfaces = Interfaces::when_asked();
        let got = mac(
            &settings.chassis,
            settings.domain.as_ref(),
            bridge,
            &interfaces,
        );
        assert_eq!(got.mac, Mac([2, 0, 0, 0, 0, 1]));
        assert_eq!(got.from, Origin::Settings);
    }

    #[test]
    fn then_the_peer_link_then_the_bridge_then_a_derived_one() {
        let dir = mclag_test_support::TempDir::new("node");
        let settings = settings("");
        let id = dir.join("machine-id");
        let find = |interfaces: &[(&str, Mac)]| {
            let bridge = IfName::new("br0").unwrap();
            let domain = settings.domain.as_ref();
            let interfaces = (1..).zip(interfaces.iter().map(interface)).collect();
            find(&settings.chassis, domain, bridge, || &interfaces, &id)
        };
        let bridge = ("br0", Mac([2, 0, 0, 0, 0, 0x0b]));
        let peer_link = ("peerlink", Mac([2, 0, 0, 0, 0, 0x0c]));

        assert_eq!(find(&[]).from, Origin::Derived);
        assert_eq!(find(&[("br0", Mac([0; 6]))]).from, Origin::Derived);
        assert_eq!(find(&[bridge]).mac, bridge.1);
        assert_eq!(find(&[bridge, peer_link]).mac, peer_link.1);
    }

    #[test]
    fn derived_addresses_are_stable_unicast_and_differ_by_machine_and_address() {
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|a| a.parse().ok());
        assert_eq!(derive("m", one).to_string(), "9e:82:51:1f:aa:7f");
        assert!(derive("m", one).is_unicast());
        assert_ne!(derive("m", one), derive("m", two));
        assert_ne!(derive("m", one), derive("n", one));
        assert_ne!(derive("m", None), derive("m", one));
    }
}
