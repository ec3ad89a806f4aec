//! VLANs of ports: the kernel's word, and the dataplane's, which knows better.

use super::{Link, Vids};
use mclag_proto::{IfName, Vid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most ports whose VLANs are kept as a dataplane reported them; more than a chassis can have.
const MAX_REPORTED_PORTS: usize = 8192;

/// What is known of all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Vlans {
    /// As the kernel says, by the number of the interface.
    kernel: BTreeMap<u32, Vids>,
    /// As the dataplane says. Such a port need not exist.
    dataplane: BTreeMap<IfName, Vids>,
    /// What it has said of that since it began to say everything again.
    again: Option<BTreeMap<IfName, Vids>>,
    /// The VLANs of an interface that has none.
    none: Vids,
}

impl Vlans {
    /// The kernel's word on an interface.
    pub(super) fn set(&mut self, index: u32, vids: BTreeSet<Vid>) {
        self.kernel.insert(index, vids.into());
    }

    /// An interface is gone.
    pub(super) fn forget(&mut self, index: u32) {
        self.kernel.remove(&index);
    }

    /// Only these interfaces exist.
    pub(super) fn retain(&mut self, exists: impl Fn(&u32) -> bool) {
        self.kernel.retain(|index, _| exists(index));
    }

    /// The dataplane's word on a port. Returns true if it is news.
    pub(super) fn set_member(&mut self, port: IfName, vid: Vid, member: bool) -> bool {
        if let Some(again) = &mut self.again {
            note_member(again, port, vid, member);
        }
        note_member(&mut self.dataplane, port, vid, member)
    }

    /// The dataplane begins to say everything again. What it said before counts until it has.
    pub(super) fn begin(&mut self) {
        self.again = Some(BTreeMap::new());
    }

    /// It will not say everything: what it said before counts on.
    pub(super) fn abandon(&mut self) {
        self.again = None;
    }

    /// It has said everything: what it did not say again counts no longer. Returns true if it had begun.
    pub(super) fn end(&mut self) -> bool {
        let again = self.again.take();
        let had_begun = again.is_some();
        self.dataplane = again.unwrap_or_else(|| std::mem::take(&mut self.dataplane));
        had_begun
    }

    /// The kernel's word on an interface, if it said anything.
    pub(super) fn of_kernel(&self, index: u32) -> Option<&Vids> {
        self.kernel.get(&index)
    }

    /// VLANs of an interface; none while they are not known.
    pub(super) fn of(&self, link: &Link) -> Option<&Vids> {
        let dataplane = self.dataplane.get(&link.name);
        let reported = dataplane.or_else(|| self.kernel.get(&link.index));
        // The kernel says nothing of one that is a port of nothing: that it left is news, that it is none is not.
        let is_no_port = link.master.is_none() && self.dataplane.is_empty();
        reported.or_else(|| is_no_port.then_some(&self.none))
    }
}

/// True if that changed anything.
fn note_member(members: &mut BTreeMap<IfName, Vids>, port: IfName, vid: Vid, member: bool) -> bool {
    let is_known = members.contains_key(&port);
    if !is_known && (!member || members.len() >= MAX_REPORTED_PORTS) {
        return false;
    }
    let vids = Arc::make_mut(members.entry(port).or_default());
    match member {
        true => vids.insert(vid) || !is_known,
        false => vids.remove(&vid),
    }
}
