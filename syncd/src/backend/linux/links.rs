//! Interfaces of the kernel, by number and by name.

use std::collections::BTreeMap;

use mclag_netlink::LinkInfo;
use mclag_proto::IfName;

/// Every interface of the kernel.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) by_index: BTreeMap<u32, LinkInfo>,
    pub(super) by_name: BTreeMap<IfName, u32>,
}

impl Links {
    pub(super) fn new(by_index: BTreeMap<u32, LinkInfo>) -> Self {
        let by_name = by_index
            .values()
            .map(|link| (link.name, link.index))
            .collect();
        Self { by_index, by_name }
    }

    pub(super) fn named(&self, name: &IfName) -> Option<&LinkInfo> {
        self.by_index.get(self.by_name.get(name)?)
    }

    pub(super) fn name(&self, index: u32) -> Option<IfName> {
        Some(self.by_index.get(&index)?.name)
    }

    /// Take in an interface; answers the name it had before, if that was another.
    pub(super) fn insert(&mut self, link: LinkInfo) -> Option<IfName> {
        let (index, name) = (link.index, link.name);
        let before = self.by_index.insert(index, link).map(|link| link.name);
        self.by_name.insert(name, index);
        let renamed = before.filter(|before| *before != name);
        if let Some(old) = renamed {
            self.by_name.remove(&old);
        }
        renamed
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<IfName> {
        let name = self.by_index.remove(&index)?.name;
        if self.by_name.get(&name) == Some(&index) {
            self.by_name.remove(&name);
        }
        Some(name)
    }
}
