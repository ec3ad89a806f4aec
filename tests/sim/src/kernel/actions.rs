//! What `mclagsyncd` asks of the kernel.

use mclag_netlink::MIN_LINKS_HOLD;
use mclag_proto::IfName;
use mclag_proto::sync::model::{FdbKey, OpError};
use syncd::dataplane::{Action, EntryKind};

use super::{DeviceKind, Duty, Entry, Filter, Kernel, Port};
use iccp_core::Time;

impl Kernel {
    /// Carry out one action.
    ///
    /// # Errors
    ///
    /// As the kernel refuses it.
    pub fn apply(&mut self, action: &Action, now: Time) -> Result<(), OpError> {
        if duty(action).is_some_and(|duty| self.refuses.contains(&duty)) {
            return Err(OpError::refused("no room for now"));
        }
        match action {
            Action::EnsureFilter { peer_link } => {
                let peer_link = peer_link.map(|name| self.names.to_kernel(name));
                self.filter.get_or_insert_default().peer_link = peer_link;
                self.version += 1;
            }
            Action::RemoveFilter => {
                self.filter = None;
                self.version += 1;
            }
            Action::Isolate { port } => {
                let name = self.names.to_kernel(*port);
                let isolated = &mut self.filter()?.isolated;
                isolated.remove(port);
                isolated.insert(name);
            }
            Action::Release { port } => {
                let name = self.names.to_kernel(*port);
                self.filter()?
                    .isolated
                    .retain(|it| it != port && *it != name);
            }
            Action::Hold {
                port,
                keeps_carrier,
            } => self.hold(port, *keeps_carrier)?,
            Action::Unhold { port } => self.unhold(port),
            Action::SetLearning { port, learning } => {
                self.set_port(port, |settings| settings.learning = *learning)?;
                if !*learning {
                    let index = self.index(port)?;
                    self.flush(index, false);
                }
            }
            Action::SetBackup { port, backup } => {
                let backup = self
                    .named(backup)
                    .ok_or_else(|| OpError::waiting_for(backup))?;
                self.set_backup(port, Some(backup))?;
            }
            Action::ClearBackup { port } => self.set_backup(port, None)?,
            Action::SetSystemMac { port, mac } => {
                let index = self.index(port)?;
                match self.devices.get_mut(&index).map(|device| &mut device.kind) {
                    Some(DeviceKind::Bond { actor, .. }) if !self.static_lags => *actor = *mac,
                    _ => return Err(OpError::unsupported("not a bond")),
                }
                self.device_changed(index);
            }
            Action::FdbInstall {
                key,
                port,
                active,
                sticky,
            } => {
                let kind = EntryKind::Ours {
                    active: *active,
                    sticky: *sticky,
                };
                self.install(*key, port, kind, now)?;
            }
            Action::FdbMakeDynamic { key, port } => {
                self.install(*key, port, EntryKind::Dynamic, now)?;
            }
            Action::FdbDelete { key, .. } => self.set_entry(*key, None),
            Action::SetMcastRouter { .. }
            | Action::LocalInstall { .. }
            | Action::LocalDelete { .. }
            | Action::SetInterfaceMac { .. }
            | Action::NeighbourInstall { .. }
            | Action::NeighbourDelete { .. } => {
                return Err(OpError::unsupported("not part of the model"));
            }
        }
        Ok(())
    }

    fn index(&self, name: &IfName) -> Result<u32, OpError> {
        self.named(name).ok_or_else(|| OpError::waiting_for(name))
    }

    fn filter(&mut self) -> Result<&mut Filter, OpError> {
        self.version += 1;
        let filter = self.filter.as_mut();
        filter.ok_or_else(|| OpError::refused("there is no filter"))
    }

    fn hold(&mut self, port: &IfName, keeps_carrier: bool) -> Result<(), OpError> {
        let index = self.index(port)?;
        let kind = self.devices.get_mut(&index).map(|device| &mut device.kind);
        match kind {
            Some(DeviceKind::Bond { min_links, .. }) if !keeps_carrier => {
                *min_links = *min_links % MIN_LINKS_HOLD + MIN_LINKS_HOLD;
                self.device_changed(index);
            }
            _ => {
                let name = self.names.to_kernel(*port);
                let held = &mut self.filter()?.held;
                held.remove(port);
                held.insert(name);
                self.let_carry(index);
            }
        }
        Ok(())
    }

    fn unhold(&mut self, port: &IfName) {
        let name = self.names.to_kernel(*port);
        if let Some(filter) = &mut self.filter {
            filter.held.retain(|it| it != port && *it != name);
            self.version += 1;
        }
        if let Some(index) = self.named(port) {
            self.let_carry(index);
        }
    }

    /// Give a bond its carrier back if it lost it for a hold.
    fn let_carry(&mut self, index: u32) {
        if let Some(device) = self.devices.get_mut(&index)
            && let DeviceKind::Bond { min_links, .. } = &mut device.kind
            && *min_links >= MIN_LINKS_HOLD
        {
            *min_links %= MIN_LINKS_HOLD;
            self.device_changed(index);
        }
    }

    fn set_port(&mut self, name: &IfName, change: impl FnOnce(&mut Port)) -> Result<(), OpError> {
        let index = self.index(name)?;
        let settings = self
            .devices
            .get_mut(&index)
            .and_then(|device| device.port.as_mut());
        change(settings.ok_or_else(|| OpError::waiting_for(name))?);
        self.device_changed(index);
        Ok(())
    }

    /// The port leads to another place then: what was learned on it is forgotten.
    fn set_backup(&mut self, port: &IfName, backup: Option<u32>) -> Result<(), OpError> {
        self.set_port(port, |settings| settings.backup = backup)?;
        let index = self.index(port)?;
        self.flush(index, false);
        Ok(())
    }

    fn install(
        &mut self,
        key: FdbKey,
        name: &IfName,
        kind: EntryKind,
        now: Time,
    ) -> Result<(), OpError> {
        let port = self.index(name)?;
        if self.devices[&port].port.is_none() {
            return Err(OpError::waiting_for(name));
        }
        if !self.carries(port, key.vid) {
            return Err(OpError::refused(format!(
                "{name} carries no VLAN {}",
                key.vid
            )));
        }
        // The kernel takes no entry that it would have to age on a port that is disabled.
        let is_down = !self.is_enabled(port) || self.waits_to_forward(port);
        if kind == EntryKind::Dynamic && is_down {
            return Err(OpError::refused(format!("{name} is down")));
        }
        let entry = Entry {
            port,
            kind,
            used: now,
        };
        self.set_entry(key, Some(entry));
        Ok(())
    }
}

const fn duty(action: &Action) -> Option<Duty> {
    Some(match action {
        Action::EnsureFilter { .. }
        | Action::RemoveFilter
        | Action::Isolate { .. }
        | Action::Release { .. } => Duty::Filter,
        Action::Hold { .. } | Action::Unhold { .. } => Duty::Holds,
        Action::SetSystemMac { .. } => Duty::SystemMacs,
        Action::SetLearning { .. } | Action::SetBackup { .. } | Action::ClearBackup { .. } => {
            Duty::Ports
        }
        Action::FdbInstall { .. } | Action::FdbMakeDynamic { .. } | Action::FdbDelete { .. } => {
            Duty::Entries
        }
        _ => return None,
    })
}
