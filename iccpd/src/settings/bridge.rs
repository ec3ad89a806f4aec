//! Which bridge the ports of a pair are members of, when the settings do not say so.
//!
//! The `iccpd.conf` of earlier daemons names no bridge, nor does a shim of theirs. In this order:
//!
//! 1. `bridge` of the settings;
//! 2. the bridge that the peer link is a member of;
//! 3. the bridge that an MLAG port is a member of, ports in the order of their names;
//! 4. [`DEFAULT_BRIDGE`], which all ports of a SONiC chassis are members of.
//!
//! Here it is looked for once; [`crate::driver::PairBridge`] follows it from then on.

use super::{Chassis, Domain};
use crate::interfaces::Interfaces;
use mclag_proto::IfName;
use std::cell::LazyCell;
use std::fmt;

/// The bridge of a SONiC chassis.
pub const DEFAULT_BRIDGE: &str = "Bridge";

/// A bridge and why it is this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bridge {
    /// Its name.
    pub name: IfName,
    /// What named it.
    pub from: BridgeOrigin,
}

/// What names the bridge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BridgeOrigin {
    /// `bridge` of the settings.
    Settings,
    /// A member: the peer link or an MLAG port.
    Member(IfName),
    /// Nothing: no port of the pair is a member of a bridge now.
    Default,
}

impl fmt::Display for BridgeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("the configuration"),
            Self::Member(name) => write!(f, "its member {name}"),
            Self::Default => {
                f.write_str("the default (bridge not configured, no port is a member of one)")
            }
        }
    }
}

impl Chassis {
    /// Find the bridge of a pair as it is now; ask again when ports have come or gone.
    #[must_use]
    pub fn find_bridge(
        &self,
        domain: Option<&Domain>,
        interfaces: &LazyCell<Interfaces>,
    ) -> Bridge {
        find(self.bridge, domain, || interfaces)
    }
}

/// What is configured need not be asked for.
fn find<'a>(
    configured: Option<IfName>,
    domain: Option<&Domain>,
    interfaces: impl FnOnce() -> &'a Interfaces,
) -> Bridge {
    if let Some(name) = configured {
        let from = BridgeOrigin::Settings;
        return Bridge { name, from };
    }
    let interfaces = interfaces();
    let members = domain.into_iter();
    let members = members.flat_map(|d| d.peer_link.iter().chain(&d.ports));
    for member in members {
        if let Some(name) = interfaces.bridge_of(*member) {
            let from = BridgeOrigin::Member(*member);
            return Bridge { name, from };
        }
    }
    Bridge {
        name: IfName::new(DEFAULT_BRIDGE).expect("a constant that is a name"),
        from: BridgeOrigin::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces::Interface;
    use crate::settings::Settings;
    use std::path::Path;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    /// A VRF, three bridges, and these members of them.
    fn interfaces(members: &[(&str, &str)]) -> Interfaces {
        let masters = ["vrf1", "br1", "br2", "br3"];
        let index = |master: &str| (1..).zip(masters).find(|(_, name)| *name == master);
        let members = members.iter().map(|(member, master)| Interface {
            name: name(member),
            mac: None,
            master: index(master).map(|(index, _)| index),
            is_bridge: false,
        });
        let masters = masters.map(|master| Interface {
            name: name(master),
            mac: None,
            master: None,
            is_bridge: master != "vrf1",
        });
        (1..).zip(masters.into_iter().chain(members)).collect()
    }

    #[test]
    fn the_bridge_is_that_of_the_settings_or_the_peer_link_or_a_port_or_sonics() {
        let text = "[domain]\nid = 1\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\n\
                    peer-link = \"peerlink\"\nports = [\"bond1\", \"bond2\"]\n";
        let settings = Settings::parse(Path::new("test"), text).unwrap();
        let domain = settings.domain.as_ref();
        let got = |configured, domain, members: &[(&str, &str)]| {
            let built = interfaces(members);
            let Bridge { name, from } = find(configured, domain, || &built);
            (name, from)
        };

        let default = (name("Bridge"), BridgeOrigin::Default);
        assert_eq!(got(None, domain, &[]), default);
        let mut members = vec![("bond1", "vrf1")];
        assert_eq!(got(None, domain, &members), default);
        members.push(("bond2", "br2"));
        let want = (name("br2"), BridgeOrigin::Member(name("bond2")));
        assert_eq!(got(None, domain, &members), want);
        members.push(("peerlink", "br1"));
        let want = (name("br1"), BridgeOrigin::Member(name("peerlink")));
        assert_eq!(got(None, domain, &members), want);
        let want = (name("br3"), BridgeOrigin::Settings);
        assert_eq!(got(Some(name("br3")), domain, &members), want);
        assert_eq!(got(None, None, &members), default);
    }
}
