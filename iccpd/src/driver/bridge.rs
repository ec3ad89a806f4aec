//! The bridge of a pair whose settings do not name it: the one that its ports are members of
//! (`settings/bridge.rs` has the order), also when it comes later than this daemon.

use crate::settings::{Bridge, BridgeOrigin};
use iccp_core::{Config, Domain, Input};
use mclag_proto::IfName;

/// The bridge, and whether to look for it.
#[derive(Clone, Copy, Debug)]
pub struct PairBridge {
    name: IfName,
    is_fixed: bool,
    /// Something happened since it was looked for.
    is_due: bool,
}

impl PairBridge {
    /// As it was found at the start.
    #[must_use]
    pub fn new(found: Bridge) -> Self {
        Self {
            name: found.name,
            is_fixed: found.from == BridgeOrigin::Settings,
            is_due: false,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> IfName {
        self.name
    }

    /// The bridge, when the settings were read again and it was found like this. If nothing names
    /// it the last one counts, until its ports are members of another one.
    pub fn found_again(&mut self, found: Bridge) -> IfName {
        self.is_fixed = found.from == BridgeOrigin::Settings;
        if found.from != BridgeOrigin::Default {
            self.name = found.name;
        }
        self.is_due = true;
        self.name
    }

    /// Take note of what may change it.
    pub const fn note(&mut self, input: &Input) {
        self.is_due |= matches!(
            input,
            Input::Link(_) | Input::LinkGone { .. } | Input::LinksEnd | Input::Configure(_)
        );
    }

    /// The settings with another bridge, if the ports of the pair are members of another one now.
    /// While they are members of none, the last one counts.
    pub fn follow(&mut self, domain: &Domain) -> Option<Config> {
        if self.is_fixed || !std::mem::take(&mut self.is_due) {
            return None;
        }
        self.name = domain.bridge_of_ports().unwrap_or(self.name);
        let config = domain.config();
        (config.bridge != self.name).then(|| Config {
            bridge: self.name,
            ..config.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iccp_core::{Link, LinkKind, Time};
    use mclag_proto::{DomainId, Mac};
    use std::time::Duration;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn domain() -> Domain {
        Domain::new(Config {
            peer_link: Some(name("peerlink")),
            ports: ["bond1"].map(name).into(),
            neighbours: false,
            ..Config::new(
                DomainId::new(1).unwrap(),
                [192, 0, 2, 1].into(),
                [192, 0, 2, 2].into(),
                name("Bridge"),
                Mac([2, 0, 0, 0, 0, 1]),
            )
        })
    }

    fn link(index: u32, text: &str, master: Option<u32>, kind: LinkKind) -> Input {
        Input::Link(Link {
            index,
            name: name(text),
            mac: None,
            admin_up: true,
            running: true,
            master,
            kernel_name: None,
            blocked: false,
            kind,
            member: None,
        })
    }

    /// The bridge after each of the inputs.
    fn followed(from: BridgeOrigin, inputs: Vec<Input>) -> Vec<String> {
        let found = Bridge {
            name: name("Bridge"),
            from,
        };
        let (mut bridge, mut domain) = (PairBridge::new(found), domain());
        let now = Time::new(Duration::ZERO);
        let mut feed = |input| {
            bridge.note(&input);
            domain.handle(input, now);
            if let Some(config) = bridge.follow(&domain) {
                let input = Input::Configure(Box::new(config));
                bridge.note(&input);
                domain.handle(input, now);
                assert_eq!(bridge.follow(&domain), None, "once");
            }
            domain.config().bridge.to_string()
        };
        inputs.into_iter().map(&mut feed).collect()
    }

    fn events() -> Vec<Input> {
        use LinkKind::{Bridge, Other, Vrf};
        vec![
            Input::LinksBegin,
            link(7, "vrf1", None, Vrf),
            link(1, "bond1", Some(7), Other),
            Input::LinksEnd,
            link(10, "br10", None, Bridge),
            link(1, "bond1", Some(10), Other),
            link(11, "br11", None, Bridge),
            link(2, "peerlink", Some(11), Other),
            link(2, "peerlink", None, Other),
            link(1, "bond1", None, Other),
        ]
    }

    #[test]
    fn a_bridge_that_comes_later_is_found_by_its_ports() {
        let none = ["Bridge"; 5];
        let expected = [&none[..], &["br10", "br10", "br11", "br10", "br10"]].concat();
        assert_eq!(followed(BridgeOrigin::Default, events()), expected);
    }

    /// Input: settings without a bridge are read again with one, then without. Output: the one
    /// they name, and from then on the one that the ports are members of.
    #[test]
    fn settings_that_are_read_again_name_the_bridge_or_no_longer_do() {
        let found = |text, from| Bridge {
            name: name(text),
            from,
        };
        let mut bridge = PairBridge::new(found("Bridge", BridgeOrigin::Default));
        let mut domain = domain();
        let config = domain.config().clone();
        let now = Time::new(Duration::ZERO);
        let mut configure = |bridge: &mut PairBridge, config| {
            let input = Input::Configure(Box::new(config));
            bridge.note(&input);
            domain.handle(input, now);
            bridge.follow(&domain)
        };
        let with = |bridge| Config {
            bridge,
            ..config.clone()
        };

        let named = bridge.found_again(found("br7", BridgeOrigin::Settings));
        assert_eq!(named, name("br7"));
        assert_eq!(configure(&mut bridge, with(named)), None);
        let last = bridge.found_again(found("Bridge", BridgeOrigin::Default));
        assert_eq!(last, name("br7"), "nothing names another one");
        assert_eq!(configure(&mut bridge, with(last)), None);
        let member = BridgeOrigin::Member(name("bond1"));
        let other = bridge.found_again(found("br8", member));
        assert_eq!(other, name("br8"));
        assert_eq!(configure(&mut bridge, with(other)), None);

        for input in events() {
            bridge.note(&input);
            domain.handle(input, now);
        }
        let followed = bridge.follow(&domain);
        assert_eq!(followed, None, "its ports are members of none");
        domain.handle(link(1, "bond1", Some(10), LinkKind::Other), now);
        bridge.found_again(found("Bridge", BridgeOrigin::Default));
        let followed = bridge.follow(&domain).map(|config| config.bridge);
        assert_eq!(followed, Some(name("br10")));
    }

    #[test]
    fn a_bridge_that_the_settings_name_is_the_bridge() {
        let bridges = followed(BridgeOrigin::Settings, events());
        assert!(bridges.iter().all(|bridge| bridge == "Bridge"));
    }
}
