//! The bridge of a pair whose settings do not name it: the one that its ports are members of
//! (`settings/bridge.rs` has the order), also when it comes later than this daemon.

use crate::settings::{Bridge, BridgeOrigin};
use iccp_core::{Config, Domain, Input};
use mclag_proto::IfName;

/// The bridge, and whether to look for it.
#[derive(Debug)]
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

    /// The bridge when the settings name this one by now, or seem to.
    pub const fn instead_of(&mut self, named: IfName) -> IfName {
        if self.is_fixed {
            self.name = named;
        }
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
    use iccp_core::{Link, LinkKind, OnLoss, Time};
    use mclag_proto::{DomainId, Mac};
    use std::time::Duration;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn domain() -> Domain {
        Domain::new(Config {
            domain: DomainId::new(1).unwrap(),
            local: [192, 0, 2, 1].into(),
            peer: [192, 0, 2, 2].into(),
            bridge: name("Bridge"),
            peer_link: Some(name("peerlink")),
            ports: ["bond1"].map(name).into(),
            system_mac: None,
            node_mac: Mac([2, 0, 0, 0, 0, 1]),
            priority: Config::PRIORITY,
            keepalive: Config::KEEPALIVE,
            session_timeout: Config::SESSION_TIMEOUT,
            ack_timeout: Config::ACK_TIMEOUT,
            restart_hold: Config::RESTART_HOLD,
            unique_ip: Default::default(),
            neighbours: false,
            on_loss: OnLoss::Hold,
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

    #[test]
    fn a_bridge_that_the_settings_name_is_the_bridge() {
        let bridges = followed(BridgeOrigin::Settings, events());
        assert!(bridges.iter().all(|bridge| bridge == "Bridge"));
    }
}
