//! Addresses that interfaces have on layer 3.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;
use mclag_netlink::InterfaceAddress;

/// By index of the interface.
#[derive(Debug, Default)]
pub(super) struct Networks(BTreeMap<u32, BTreeSet<IpNetwork>>);

impl Networks {
    pub(super) fn new(addresses: &[InterfaceAddress]) -> Self {
        let mut networks = Self::default();
        for address in addresses {
            networks.note(address, true);
        }
        networks
    }

    /// An address came (true) or went. True if that is news.
    pub(super) fn note(&mut self, address: &InterfaceAddress, is_there: bool) -> bool {
        let Ok(network) = IpNetwork::new(address.address, address.prefix_len) else {
            return false; // the kernel has no such prefix
        };
        let known = self.0.entry(address.index).or_default();
        let is_news = match is_there {
            true => known.insert(network),
            false => known.remove(&network),
        };
        if known.is_empty() {
            self.0.remove(&address.index);
        }
        is_news
    }

    /// The interface is gone.
    pub(super) fn forget(&mut self, index: u32) {
        self.0.remove(&index);
    }

    pub(super) fn of(&self, index: u32) -> Vec<IpNetwork> {
        let known = self.0.get(&index);
        known.map_or_else(Vec::new, |known| known.iter().copied().collect())
    }
}
