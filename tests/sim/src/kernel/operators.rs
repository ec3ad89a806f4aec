//! What operators do to the kernel of a chassis.

use mclag_proto::IfName;
use mclag_proto::sync::model::FdbKey;
use syncd::dataplane::EntryKind;

use super::{BRIDGE, DeviceKind, Kernel, PEER_LINK, Port, TAGGED, bond};

/// What an operator takes down (`ip link set … down`).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Interface {
    /// The bond of an MLAG port.
    Port(usize),
    /// The peer link.
    PeerLink,
    /// The bridge.
    Bridge,
}

impl Interface {
    /// Its number in the model.
    #[must_use]
    pub const fn index(self) -> u32 {
        match self {
            Self::Port(port) => bond(port),
            Self::PeerLink => PEER_LINK,
            Self::Bridge => BRIDGE,
        }
    }
}

impl Kernel {
    /// An operator takes a port out of [`TAGGED`] or puts it in. What was installed by somebody stays.
    pub fn set_tagged(&mut self, index: u32, is_tagged: bool) {
        let device = self.devices.get_mut(&index);
        let port = device.and_then(|device| device.port.as_mut());
        let Some(port) = port.filter(|port| port.is_tagged != is_tagged) else {
            return;
        };
        port.is_tagged = is_tagged;
        self.version += 1;
        if !is_tagged {
            self.flush_vlans(index, &[TAGGED], false);
        }
        self.vlans_changed(index);
    }

    /// An operator takes an interface up or down.
    pub fn set_admin(&mut self, index: u32, up: bool) {
        if let Some(device) = self.devices.get_mut(&index)
            && device.admin_up != up
        {
            device.admin_up = up;
            self.device_changed(index);
        }
    }

    /// An operator gives an interface another name.
    pub fn rename(&mut self, index: u32, to: IfName) {
        let Some(device) = self.devices.get_mut(&index) else {
            return;
        };
        if std::mem::replace(&mut device.name, to) == to {
            return;
        }
        let before = self.names.clone();
        let other = self.names.call(index, to);
        for index in other.into_iter().chain([index]) {
            self.called_otherwise(index, before.name(index));
        }
        self.device_changed(index);
        self.holds_changed();
    }

    /// An operator takes a port out of the bridge, or puts it in as a new port.
    pub fn set_bridge_port(&mut self, index: u32, is_port: bool) {
        let Some(device) = self.devices.get_mut(&index) else {
            return;
        };
        if device.port.is_some() == is_port {
            return;
        }
        device.port = is_port.then(Port::default);
        if !is_port {
            self.flush(index, true);
            // What pointed there points nowhere.
            for device in self.devices.values_mut() {
                if let Some(port) = &mut device.port
                    && port.backup == Some(index)
                {
                    port.backup = None;
                }
            }
        }
        self.device_changed(index);
        self.membership_changed(index, is_port);
    }

    /// An operator says how many members a bond needs.
    pub fn set_min_links(&mut self, index: u32, own: u32) {
        let was_held = self.is_held_by_links(index);
        if let Some(device) = self.devices.get_mut(&index)
            && let DeviceKind::Bond { min_links, .. } = &mut device.kind
        {
            // An operator knows of no hold.
            *min_links = own;
            self.device_changed(index);
            if was_held {
                self.look_again("somebody else changed min_links of a bond");
            }
        }
    }

    /// An operator flushes all rules.
    pub fn flush_rules(&mut self) {
        if self.filter.take().is_some() {
            self.version += 1;
            self.holds_changed();
        }
    }

    /// An operator deletes one entry, whatever it is.
    pub fn delete_entry(&mut self, key: FdbKey) {
        self.set_entry(key, None);
    }

    /// An operator deletes all entries but the bridge's own.
    pub fn flush_entries(&mut self) {
        let entries = self.fdb.iter();
        let others = entries.filter(|(_, entry)| entry.kind != EntryKind::Local);
        for key in others.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.set_entry(key, None);
        }
    }
}
