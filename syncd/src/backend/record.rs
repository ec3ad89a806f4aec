//! A backend without a dataplane: it keeps a picture, changes it as asked, and remembers what it
//! was asked. For tests, and for trying `iccpd` where nothing may be touched.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use mclag_proto::sync::model::{Abilities, FdbKey, NeighbourKey, OpError};
use mclag_proto::{IfName, Mac, Vid};
use tokio::sync::Notify;

use super::{Backend, BackendEvent, Snapshot};
use crate::dataplane::{
    Action, Actual, BridgePort, EntryKind, FdbEntry, InterfaceActual, Lacp, McastRouter,
    NeighbourActual, PortActual,
};

/// Most actions that are remembered; older ones are forgotten.
pub const MAX_LOG: usize = 65_536;

/// Most events that wait to be taken. With more, all are forgotten and
/// [`BackendEvent::Resync`] is reported, as a kernel socket would overrun.
pub const MAX_EVENTS: usize = 65_536;

/// Networks that a port is in which was plugged in: whoever tries things out gives it no addresses.
const ANYWHERE: [IpNetwork; 2] = {
    let v4 = Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 0);
    let v6 = Ipv6Network::new_checked(Ipv6Addr::UNSPECIFIED, 0);
    match (v4, v6) {
        (Some(v4), Some(v6)) => [IpNetwork::V4(v4), IpNetwork::V6(v6)],
        _ => panic!(),
    }
};

/// The backend; the server owns it.
#[derive(Debug, Default)]
pub struct RecordBackend(Recorder);

/// The dataplane behind it: whoever holds this plays kernel, hosts and operator.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<Simulation>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Simulation {
    actual: Actual,
    /// Whose table `actual` shows, once a bridge was looked at.
    shown: Option<IfName>,
    /// Tables of the other bridges that were looked at.
    others: BTreeMap<IfName, HashMap<FdbKey, FdbEntry>>,
    log: VecDeque<Action>,
    events: VecDeque<BackendEvent>,
    refused: Vec<Action>,
    bridge_is_missing: bool,
    looks: usize,
    is_broken: bool,
    is_of_kernel: bool,
}

impl RecordBackend {
    /// A dataplane with nothing in it, on which every bridge exists.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another backend before the same dataplane, as a restarted process finds it.
    #[must_use]
    pub fn of(recorder: Recorder) -> Self {
        recorder.state().events.clear();
        Self(recorder)
    }

    /// The dataplane behind the backend.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.0.clone()
    }
}

impl Backend for RecordBackend {
    fn name(&self) -> &'static str {
        "record"
    }

    fn is_of_kernel(&self) -> bool {
        self.0.state().is_of_kernel
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            redirect: true,
            tracking: true,
            hold: true,
            pair: true,
            interfaces: true,
            neighbours: true,
            node_mac: false,
        }
    }

    async fn snapshot(&mut self, bridge: Option<IfName>) -> Result<Snapshot, OpError> {
        let mut state = self.0.state();
        state.looks += 1;
        if let Some(bridge) = bridge
            && state.bridge_is_missing
        {
            return Err(OpError::waiting_for(&bridge));
        }
        state.show(bridge);
        Ok(Snapshot {
            actual: state.actual.clone(),
            table_follows: false,
        })
    }

    async fn look_up(&mut self, keys: &[FdbKey]) -> Vec<Result<Option<FdbEntry>, OpError>> {
        let state = self.0.state();
        let found = keys
            .iter()
            .map(|key| Ok(state.actual.fdb.get(key).copied()));
        found.collect()
    }

    async fn apply(&mut self, actions: &[Action]) -> Vec<Result<(), OpError>> {
        let mut state = self.0.state();
        let results = actions.iter().map(|action| state.apply(action)).collect();
        drop(state);
        self.0.0.changed.notify_one();
        results
    }

    async fn next_event(&mut self) -> Result<BackendEvent, OpError> {
        loop {
            let changed = self.0.0.changed.notified();
            {
                let mut state = self.0.state();
                if let Some(event) = state.events.pop_front() {
                    return Ok(event);
                }
                if state.is_broken {
                    return Err(OpError::refused("no more events"));
                }
            }
            changed.await;
        }
    }
}

impl Recorder {
    /// The dataplane as it is now.
    #[must_use]
    pub fn actual(&self) -> Actual {
        self.state().actual.clone()
    }

    /// The table of a bridge that was looked at. Each has its own.
    #[must_use]
    pub fn table_of(&self, bridge: &IfName) -> HashMap<FdbKey, FdbEntry> {
        let state = self.state();
        match state.shown == Some(*bridge) {
            true => state.actual.fdb.clone(),
            false => state.others.get(bridge).cloned().unwrap_or_default(),
        }
    }

    /// What was carried out, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<Action> {
        self.state().log.iter().cloned().collect()
    }

    /// Number of events that were not taken yet.
    #[must_use]
    pub fn events_waiting(&self) -> usize {
        self.state().events.len()
    }

    /// How often the dataplane was looked at as a whole.
    #[must_use]
    pub fn looks(&self) -> usize {
        self.state().looks
    }

    /// Plug in a bridge port that speaks LACP and carries the default VLAN.
    pub fn add_port(&self, port: IfName) {
        let number = self.state().actual.interfaces.len().to_be_bytes();
        let interface = InterfaceActual {
            mac: number.last().map(|last| Mac([0x02, 0, 0, 0xfe, 0, *last])),
            running: true,
            vids: vec![Vid::DEFAULT],
            networks: ANYWHERE.to_vec(),
            ..InterfaceActual::default()
        };
        self.set_interface(port, Some(interface));
        let actual = PortActual {
            bridge_port: Some(BridgePort {
                learning: true,
                backup: None,
                mcast_router: Some(McastRouter::Learned),
            }),
            lacp: Some(Lacp::default()),
        };
        self.set_port(port, Some(actual));
    }

    /// Change an interface, or remove it together with its forwarding entries.
    pub fn set_port(&self, port: IfName, actual: Option<PortActual>) {
        let mut state = self.state();
        match actual {
            Some(actual) => {
                state.actual.ports.insert(port, actual);
            }
            None => {
                state.actual.ports.remove(&port);
                let on_port = state.actual.fdb.iter().filter(|(_, e)| e.port == port);
                let keys: Vec<FdbKey> = on_port.map(|(key, _)| *key).collect();
                for key in keys {
                    state.set_entry(key, None);
                }
            }
        }
        state.report(BackendEvent::Port { port, actual });
        self.0.changed.notify_one();
    }

    /// Change what an interface is apart from its settings as a port, or remove that.
    pub fn set_interface(&self, interface: IfName, actual: Option<InterfaceActual>) {
        let mut state = self.state();
        match &actual {
            Some(actual) => state.actual.interfaces.insert(interface, actual.clone()),
            None => state.actual.interfaces.remove(&interface),
        };
        state.report(BackendEvent::Interface { interface, actual });
        self.0.changed.notify_one();
    }

    /// Change a neighbour, or remove it, as the kernel or an operator does.
    pub fn set_neighbour(&self, key: NeighbourKey, entry: Option<NeighbourActual>) {
        let mut state = self.state();
        match entry {
            Some(entry) => state.actual.neighbours.insert(key, entry),
            None => state.actual.neighbours.remove(&key),
        };
        state.report(BackendEvent::Neighbour { key, entry });
        self.0.changed.notify_one();
    }

    /// A host speaks on a port: what a learning bridge makes of it.
    pub fn hear(&self, key: FdbKey, port: IfName) {
        let mut state = self.state();
        let before = state.actual.fdb.get(&key).copied();
        let kind = match before.map(|entry| entry.kind) {
            None | Some(EntryKind::Dynamic) => EntryKind::Dynamic,
            Some(EntryKind::Ours { sticky: true, .. })
                if before.is_some_and(|e| e.port != port) =>
            {
                return;
            }
            Some(EntryKind::Ours { sticky, .. }) => EntryKind::Ours {
                active: true,
                sticky,
            },
            Some(kind @ (EntryKind::Configured | EntryKind::Local)) => kind,
        };
        let entry = FdbEntry { port, kind };
        if before != Some(entry) {
            state.set_entry(key, Some(entry));
            self.0.changed.notify_one();
        }
    }

    /// A host was silent for the ageing time.
    pub fn age(&self, key: FdbKey) {
        let mut state = self.state();
        let Some(entry) = state.actual.fdb.get(&key).copied() else {
            return;
        };
        match entry.kind {
            EntryKind::Dynamic => state.set_entry(key, None),
            EntryKind::Ours { sticky, .. } => {
                let kind = EntryKind::Ours {
                    active: false,
                    sticky,
                };
                state.set_entry(key, Some(FdbEntry { kind, ..entry }));
            }
            EntryKind::Configured | EntryKind::Local => {}
        }
        self.0.changed.notify_one();
    }

    /// An operator writes or removes an entry.
    pub fn set_entry(&self, key: FdbKey, entry: Option<FdbEntry>) {
        self.state().set_entry(key, entry);
        self.0.changed.notify_one();
    }

    /// Change anything behind the backend's back; it is told only to look again.
    pub fn tamper(&self, change: impl FnOnce(&mut Actual)) {
        let mut state = self.state();
        change(&mut state.actual);
        state.events.clear();
        state.report(BackendEvent::Resync { why: "tampered" });
        self.0.changed.notify_one();
    }

    /// An operator removes the filter. That is told before what waits, as the kernel's backend does.
    pub fn lose_filter(&self) {
        let mut state = self.state();
        state.actual.filter = None;
        let held = state.actual.held.clone();
        let filter = None;
        state
            .events
            .push_front(BackendEvent::Filter { filter, held });
        self.0.changed.notify_one();
    }

    /// Refuse this action from now on.
    pub fn refuse(&self, action: Action) {
        self.state().refused.push(action);
    }

    /// Carry everything out again.
    pub fn refuse_nothing(&self) {
        self.state().refused.clear();
    }

    /// Be the bridge of the kernel, which other programs change as well.
    pub fn play_kernel(&self) {
        self.state().is_of_kernel = true;
    }

    /// Remove the bridge, or bring it back.
    pub fn set_bridge_missing(&self, is_missing: bool) {
        let mut state = self.state();
        state.bridge_is_missing = is_missing;
        state.report(BackendEvent::Resync {
            why: "bridge appeared or is gone",
        });
        self.0.changed.notify_one();
    }

    /// Report no more events, once those that wait are taken.
    pub fn break_down(&self) {
        self.state().is_broken = true;
        self.0.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, Simulation> {
        // A panic elsewhere leaves plain data behind, not a broken invariant.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Simulation {
    /// Have the picture be one of this bridge, with its table.
    fn show(&mut self, bridge: Option<IfName>) {
        self.actual.bridge = bridge;
        let Some(bridge) = bridge else { return };
        if let Some(before) = self.shown.replace(bridge)
            && before != bridge
        {
            let table = self.others.remove(&bridge).unwrap_or_default();
            let before_table = std::mem::replace(&mut self.actual.fdb, table);
            self.others.insert(before, before_table);
        }
    }

    fn apply(&mut self, action: &Action) -> Result<(), OpError> {
        if self.log.len() == MAX_LOG {
            self.log.pop_front();
        }
        self.log.push_back(action.clone());
        if self.refused.contains(action) {
            return Err(OpError::refused(format!("{} refused", action.subject())));
        }
        self.check(action)?;
        self.actual.apply(action);
        match action {
            Action::FdbInstall { key, .. }
            | Action::FdbMakeDynamic { key, .. }
            | Action::FdbDelete { key, .. }
            | Action::LocalInstall { key, .. }
            | Action::LocalDelete { key, .. } => {
                let entry = self.actual.fdb.get(key).copied();
                self.report(BackendEvent::Fdb { key: *key, entry });
            }
            Action::SetInterfaceMac { interface, .. } => {
                let actual = self.actual.interfaces.get(interface).cloned();
                self.report(BackendEvent::Interface {
                    interface: *interface,
                    actual,
                });
            }
            Action::NeighbourInstall { key, .. } | Action::NeighbourDelete { key } => {
                let entry = self.actual.neighbours.get(key).copied();
                self.report(BackendEvent::Neighbour { key: *key, entry });
            }
            Action::SetLearning { port, .. }
            | Action::SetBackup { port, .. }
            | Action::ClearBackup { port }
            | Action::SetSystemMac { port, .. } => {
                let actual = self.actual.ports.get(port).copied();
                self.report(BackendEvent::Port {
                    port: *port,
                    actual,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// What a kernel would refuse.
    fn check(&self, action: &Action) -> Result<(), OpError> {
        let bridge_ports = match action {
            Action::SetBackup { port, backup } => vec![port, backup],
            Action::SetLearning { port, .. }
            | Action::ClearBackup { port }
            | Action::FdbInstall { port, .. }
            | Action::FdbMakeDynamic { port, .. } => vec![port],
            _ => vec![],
        };
        let is_missing = |port: &&&IfName| self.actual.bridge_port(port).is_none();
        if let Some(port) = bridge_ports.iter().find(is_missing) {
            return Err(OpError::waiting_for(port));
        }
        let interface = match action {
            Action::SetInterfaceMac { interface, .. } => Some(interface),
            Action::NeighbourInstall { key, .. } => Some(&key.interface),
            _ => None,
        };
        if let Some(name) = interface.filter(|name| !self.actual.interfaces.contains_key(name)) {
            return Err(OpError::waiting_for(name));
        }
        match action {
            Action::SetSystemMac { port, .. } => match self.actual.ports.get(port) {
                None => Err(OpError::waiting_for(port)),
                Some(PortActual { lacp: None, .. }) => {
                    Err(OpError::unsupported(format!("{port} speaks no LACP")))
                }
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn set_entry(&mut self, key: FdbKey, entry: Option<FdbEntry>) {
        match entry {
            Some(entry) => self.actual.fdb.insert(key, entry),
            None => self.actual.fdb.remove(&key),
        };
        self.report(BackendEvent::Fdb { key, entry });
    }

    fn report(&mut self, event: BackendEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.clear();
            self.events
                .push_back(BackendEvent::Resync { why: "overrun" });
        } else {
            self.events.push_back(event);
        }
    }
}
