//! The interface that is the peer link. It stays that when an operator gives it another name: its frames still come, and
//! nobody else knows whether the name comes back. `syncd` goes on in the same way. Settings that name another one mean
//! another one.

use super::{Domain, IfName};
use crate::config::Config;
use crate::input::Link;
use crate::links::Links;

/// The interface that was the peer link when the interfaces were looked at last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeerLink {
    index: Option<u32>,
    /// Its name in the settings then.
    settings: Option<IfName>,
}

impl PeerLink {
    /// The interfaces are as they are now. One that is gone does not come back.
    pub(super) fn look(&mut self, config: &Config, links: &Links) {
        if !links.is_ready() {
            return;
        }
        let named = config.peer_link.and_then(|name| links.by_name(&name));
        let before = self.before(config, links);
        self.index = named.or(before).map(|link| link.index);
        self.settings = config.peer_link;
    }

    /// What the kernel calls it now: the name in the settings as long as there is such an interface, else that of the one
    /// that was the peer link, unless it is an MLAG port.
    fn name(self, config: &Config, links: &Links) -> Option<IfName> {
        let named = config.peer_link?;
        if links.exists(&named) {
            return Some(named);
        }
        let before = self.before(config, links).map(|link| link.name);
        let before = before.filter(|name| !config.ports.contains(name));
        Some(before.unwrap_or(named))
    }

    fn before<'a>(&self, config: &Config, links: &'a Links) -> Option<&'a Link> {
        let index = self.index.filter(|_| self.settings == config.peer_link)?;
        links.by_index(index)
    }
}

impl Domain {
    /// The peer link, by the name that the kernel has for it; by that of the settings while there is none.
    #[must_use]
    pub fn peer_link(&self) -> Option<IfName> {
        self.peer_link.name(&self.config, &self.links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::tests::{link, name};
    use mclag_proto::{DomainId, Mac};

    #[test]
    fn the_peer_link_is_the_interface_of_that_name_or_else_the_one_that_had_it() {
        let mut config = Config {
            peer_link: Some(name("peerlink")),
            ports: [name("bond1")].into(),
            ..Config::new(
                DomainId::new(1).unwrap(),
                [192, 0, 2, 1].into(),
                [192, 0, 2, 2].into(),
                name("br0"),
                Mac([2, 0, 0, 0, 0, 1]),
            )
        };
        let mut links = Links::default();
        links.begin();
        links.end();
        let mut peer_link = PeerLink::default();
        let mut called = |links: &Links, config: &Config| {
            peer_link.look(config, links);
            let name = peer_link.name(config, links);
            name.map_or_else(String::new, |name| name.to_string())
        };
        // What the kernel says of interface 7, and of 8; what the peer link is called then.
        for (seven, eight, is) in [
            (None, None, "peerlink"),
            (Some("peerlink"), None, "peerlink"),
            (Some("lan9"), None, "lan9"),
            (Some("lan8"), None, "lan8"),
            // Another one with the name of the settings, and not for good.
            (None, Some("peerlink"), "peerlink"),
            (None, Some("lan7"), "lan7"),
            (Some("bond1"), None, "lan7"),
            // No longer what it was.
            (None, Some("bond1"), "peerlink"),
            (None, Some("lan7"), "lan7"),
        ] {
            for (index, text) in [(7, seven), (8, eight)] {
                if let Some(text) = text {
                    links.upsert(link(index, text));
                }
            }
            assert_eq!(called(&links, &config), is, "{seven:?} {eight:?}");
        }
        // The next interface of that name may be anybody's.
        links.remove(8);
        assert_eq!(called(&links, &config), "peerlink");
        links.upsert(link(8, "lan7"));
        assert_eq!(called(&links, &config), "peerlink");
        // Other settings.
        links.upsert(link(8, "peerlink"));
        assert_eq!(called(&links, &config), "peerlink");
        links.upsert(link(8, "lan7"));
        assert_eq!(called(&links, &config), "lan7");
        config.peer_link = Some(name("peerlink9"));
        assert_eq!(called(&links, &config), "peerlink9");
        config.peer_link = None;
        assert_eq!(called(&links, &config), "");
    }
}
