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
use mclag_proto::IfName;
use std::fmt;
use std::path::Path;

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
    pub fn find_bridge(&self, domain: Option<&Domain>) -> Bridge {
        find(self.bridge, domain, Path::new("/sys/class/net"))
    }
}

fn find(configured: Option<IfName>, domain: Option<&Domain>, interfaces: &Path) -> Bridge {
    if let Some(name) = configured {
        let from = BridgeOrigin::Settings;
        return Bridge { name, from };
    }
    let members = domain.into_iter();
    let members = members.flat_map(|d| d.peer_link.iter().chain(&d.ports));
    for member in members {
        if let Some(name) = bridge_of(member, interfaces) {
            let from = BridgeOrigin::Member(*member);
            return Bridge { name, from };
        }
    }
    Bridge {
        name: IfName::new(DEFAULT_BRIDGE).expect("a constant that is a name"),
        from: BridgeOrigin::Default,
    }
}

/// The bridge that an interface is a member of now.
fn bridge_of(member: &IfName, interfaces: &Path) -> Option<IfName> {
    let master = std::fs::read_link(interfaces.join(member.as_str()).join("master")).ok()?;
    let master = master.file_name()?.to_str()?;
    // A VRF is a master, too.
    let is_bridge = interfaces.join(master).join("bridge").is_dir();
    IfName::new(master).ok().filter(|_| is_bridge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use std::fs::create_dir_all;
    use std::os::unix::fs::symlink;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    #[test]
    fn the_bridge_is_that_of_the_settings_or_the_peer_link_or_a_port_or_sonics() {
        let text = "[domain]\nid = 1\nlocal = \"192.0.2.1\"\npeer = \"192.0.2.2\"\n\
                    peer-link = \"peerlink\"\nports = [\"bond1\", \"bond2\"]\n";
        let settings = Settings::parse(Path::new("test"), text).unwrap();
        let domain = settings.domain.as_ref();
        let dir = mclag_test_support::TempDir::new("bridge");
        let enslave = |port: &str, master: &str| {
            create_dir_all(dir.join(port)).unwrap();
            symlink(format!("../{master}"), dir.join(port).join("master")).unwrap();
        };
        create_dir_all(dir.join("vrf1")).unwrap();
        for bridge in ["br1", "br2", "br3"] {
            create_dir_all(dir.join(bridge).join("bridge")).unwrap();
        }

        let want = (name("Bridge"), BridgeOrigin::Default);
        let got = |configured, domain| {
            let Bridge { name, from } = find(configured, domain, &dir);
            (name, from)
        };
        assert_eq!(got(None, domain), want);
        enslave("bond1", "vrf1");
        assert_eq!(got(None, domain), want);
        enslave("bond2", "br2");
        let want = (name("br2"), BridgeOrigin::Member(name("bond2")));
        assert_eq!(got(None, domain), want);
        enslave("peerlink", "br1");
        let want = (name("br1"), BridgeOrigin::Member(name("peerlink")));
        assert_eq!(got(None, domain), want);
        let want = (name("br3"), BridgeOrigin::Settings);
        assert_eq!(got(Some(name("br3")), domain), want);
        assert_eq!(got(None, None), (name("Bridge"), BridgeOrigin::Default));
    }
}
