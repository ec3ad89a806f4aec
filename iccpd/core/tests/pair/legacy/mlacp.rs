//! The application: synchronisation, ports, what it says in EXCHANGE (`spec/iccp.md` 6 to 9).

use super::plane::Plane;
use super::{App, Daemon, LocalPort, RemotePort, TURN};
use iccp_core::Time;
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, EntryOp, InterfaceUpAck, NeighbourEntry,
    NeighbourFlags, PeerLinkInfo, PeerLinkKind, PortChannelInfo, PortState, SystemConfig, Tlv,
};
use mclag_proto::{AggregatorId, IfName, Mac, Vid};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// Entries in one message: addresses and neighbours.
const BATCH: [usize; 2] = [30, 40];

impl Daemon {
    pub(super) fn step_application(&mut self, plane: &mut Plane, now: Time) {
        match self.app {
            App::Init => {}
            App::Stage1 if self.settings.active => self.answer_stage(plane, now),
            App::Stage2 if !self.settings.active => self.answer_stage(plane, now),
            App::Stage1 | App::Stage2 => self.ask_stage(plane, now),
            App::Exchange => {
                while let Some(tlv) = self.application.pop_front() {
                    self.process(tlv, plane, now);
                    if self.app == App::Error {
                        return;
                    }
                }
                self.say_pending();
            }
            // Heartbeats go on, and nothing is listened to (7.3).
            App::Error => self.application.clear(),
        }
    }

    /// Every message except a Sync Request is discarded.
    fn answer_stage(&mut self, plane: &mut Plane, now: Time) {
        while let Some(tlv) = self.application.pop_front() {
            if let Tlv::SyncRequest { number } = tlv {
                self.answer(number);
                self.next_stage(plane, now);
                return;
            }
            if !matches!(tlv, Tlv::Heartbeat) {
                self.discarded += 1;
            }
        }
    }

    fn ask_stage(&mut self, plane: &mut Plane, now: Time) {
        if !std::mem::replace(&mut self.asked, true) {
            // What happens to be dequeued in this very step is discarded.
            if let Some(tlv) = self.application.pop_front()
                && !matches!(tlv, Tlv::Heartbeat)
            {
                self.discarded += 1;
            }
            self.tell(Tlv::SyncRequest { number: 0 });
            return;
        }
        while let Some(tlv) = self.application.pop_front() {
            let end = matches!(tlv, Tlv::SyncData { end: true, .. });
            self.process(tlv, plane, now);
            if end {
                self.next_stage(plane, now);
                return;
            }
        }
    }

    fn next_stage(&mut self, plane: &mut Plane, now: Time) {
        self.asked = false;
        self.app = match self.app {
            App::Stage1 => App::Stage2,
            _ => App::Exchange,
        };
        if self.app == App::Exchange {
            self.enter_exchange(plane, now);
        }
    }

    fn enter_exchange(&mut self, plane: &mut Plane, now: Time) {
        self.sessions += 1;
        self.warm_mark = None;
        self.table.queue_all();
        for index in 0..self.ports.len() {
            self.port_handler(index, false, plane, now);
        }
    }

    /// Everything (7, steps 5 to 13).
    fn answer(&mut self, number: u16) {
        self.tell(Tlv::SyncData { number, end: false });
        self.tell_system();
        let ports: Vec<LocalPort> = self.ports.clone();
        for port in &ports {
            self.tell_config(&port.name, ConfigFlag::Present);
        }
        for port in &ports {
            self.tell_state(port);
        }
        for port in &ports {
            self.tell_info(&port.name);
        }
        self.tell_peer_link();
        self.tell_neighbours();
        self.tell(Tlv::SyncData { number, end: true });
        for port in &mut self.ports {
            port.config_changed = false;
        }
    }

    /// In the order of 6.
    fn say_pending(&mut self) {
        if std::mem::take(&mut self.sync_scheduled) {
            self.tell(Tlv::SyncRequest { number: 0 });
        }
        for name in std::mem::take(&mut self.purges) {
            self.tell_config(&name, ConfigFlag::Purge);
        }
        for index in 0..self.ports.len() {
            if std::mem::take(&mut self.ports[index].config_changed) {
                let name = self.ports[index].name;
                self.tell_config(&name, ConfigFlag::Present);
                self.tell_info(&name);
            }
            if std::mem::take(&mut self.ports[index].state_changed) {
                let port = self.ports[index].clone();
                self.tell_state(&port);
            }
        }
        let entries = self.table.take_queue();
        for batch in entries.chunks(BATCH[0]) {
            self.tell(Tlv::MacInfo(batch.to_vec()));
        }
        self.tell_neighbours();
    }

    fn tell_system(&mut self) {
        let system = SystemConfig {
            system: self.settings.system_mac,
            priority: 0,
            node: mclag_proto::NodeId(self.node),
        };
        self.tell(Tlv::SystemConfig(system));
    }

    fn tell_config(&mut self, name: &IfName, flag: ConfigFlag) {
        self.tell(Tlv::AggregatorConfig(AggregatorConfig {
            id: AggregatorId::of(name),
            name: *name,
            mac: self.settings.system_mac,
            flag,
        }));
    }

    fn tell_state(&mut self, port: &LocalPort) {
        let state = if port.up {
            PortState::Up
        } else {
            PortState::Down
        };
        let id = AggregatorId::of(&port.name);
        self.tell(Tlv::AggregatorState(AggregatorState { id, state }));
    }

    fn tell_info(&mut self, name: &IfName) {
        self.tell(Tlv::PortChannelInfo(PortChannelInfo {
            id: AggregatorId::of(name),
            name: *name,
            l3: false,
            address: Ipv4Addr::UNSPECIFIED,
            vids: match self.settings.bare.contains(name) {
                true => BTreeSet::new(),
                false => [Vid::DEFAULT].into(),
            },
        }));
    }

    fn tell_peer_link(&mut self) {
        let name = self.settings.peer_link;
        let kind = PeerLinkKind::PortChannel;
        self.tell(Tlv::PeerLinkInfo(PeerLinkInfo { name, kind }));
    }

    fn tell_neighbours(&mut self) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (address, interface, mac) in std::mem::take(&mut self.neighbours_queued) {
            match address {
                IpAddr::V4(address) => v4.push(neighbour(interface, address, mac)),
                IpAddr::V6(address) => v6.push(neighbour(interface, address, mac)),
            }
        }
        for batch in v4.chunks(BATCH[1]) {
            self.tell(Tlv::ArpInfo(batch.to_vec()));
        }
        for batch in v6.chunks(BATCH[1]) {
            self.tell(Tlv::NdiscInfo(batch.to_vec()));
        }
    }

    /// A neighbour that its kernel learned, or that no longer answers; the older family knows IPv4
    /// only. A deletion is told of an entry that there was (`spec/iccp.md` 11.1).
    pub fn neighbour_event(&mut self, interface: IfName, address: IpAddr, mac: Option<Mac>) {
        if !self.sonic() && address.is_ipv6() {
            return;
        }
        let before = match mac {
            Some(mac) => self.neighbours.insert(address, (interface, mac)),
            None => self.neighbours.remove(&address),
        };
        if self.app == App::Exchange && (mac.is_some() || before.is_some()) {
            self.neighbours_queued.push((address, interface, mac));
        }
    }

    /// What the peer says cancels what was to be said of the same address (`spec/iccp.md` 11.2).
    fn peer_neighbour(&mut self, op: EntryOp, interface: IfName, address: IpAddr, mac: Mac) {
        self.neighbours_queued
            .retain(|(queued, ..)| *queued != address);
        match op {
            EntryOp::Add => self.neighbours.insert(address, (interface, mac)),
            _ => self.neighbours.remove(&address),
        };
    }

    fn process(&mut self, tlv: Tlv, plane: &mut Plane, now: Time) {
        match tlv {
            Tlv::Heartbeat => self.last_heard = super::seconds(now),
            Tlv::SystemConfig(system) => {
                if system.node.0 == self.node {
                    self.node = self.node.wrapping_add(1);
                }
                self.peer_system = Some(system.system);
            }
            Tlv::AggregatorConfig(config) => self.peer_config(&config),
            Tlv::AggregatorState(state) => self.peer_state(state, plane, now),
            Tlv::PortChannelInfo(info) => {
                let known = self.remote.values_mut().find(|port| port.id == info.id);
                if let Some(port) = known {
                    port.vids = Some(info.vids);
                }
            }
            Tlv::SyncRequest { number } => {
                self.answer(number);
                if self.app == App::Exchange {
                    self.app = App::Error; // 7.3
                }
            }
            Tlv::MacInfo(entries) => {
                for entry in &entries {
                    self.peer_mac(entry, plane);
                }
            }
            Tlv::ArpInfo(entries) => {
                for entry in entries {
                    self.peer_neighbour(entry.op, entry.interface, entry.address.into(), entry.mac);
                }
            }
            Tlv::NdiscInfo(entries) => {
                for entry in entries {
                    self.peer_neighbour(entry.op, entry.interface, entry.address.into(), entry.mac);
                }
            }
            Tlv::InterfaceUpAck(ack) => {
                let port = self
                    .ports
                    .iter()
                    .find(|port| AggregatorId::of(&port.name) == ack.id && port.up);
                if let Some(port) = port {
                    plane.disabled.remove(&port.name);
                }
            }
            Tlv::WarmBoot => self.warm_mark = Some(now),
            _ => {}
        }
    }

    fn peer_config(&mut self, config: &AggregatorConfig) {
        match config.flag {
            ConfigFlag::Present => {
                let new = RemotePort {
                    id: config.id,
                    up: true,
                    vids: None,
                };
                self.remote.entry(config.name).or_insert(new).id = config.id;
            }
            ConfigFlag::Purge => {
                if self.remote.remove(&config.name).is_none() {
                    self.schedule_sync(&format!(
                        "a purge of {}, which it does not know",
                        config.name
                    ));
                }
            }
        }
    }

    fn peer_state(&mut self, state: AggregatorState, plane: &mut Plane, now: Time) {
        let up = state.state.is_up();
        let known = self.remote.iter_mut().find(|(_, port)| port.id == state.id);
        if let Some((name, port)) = known {
            port.up = up;
            let name = *name;
            if self.app == App::Exchange
                && let Some(index) = self.ports.iter().position(|port| port.name == name)
            {
                self.isolate(index, plane, now);
                if self.sonic() && !up && self.ports[index].up {
                    self.peer_port_down(name, plane);
                }
            }
        }
        if self.sonic() && !self.settings.mute && up && self.app == App::Exchange {
            let (id, isolated) = (state.id, true);
            self.tell(Tlv::InterfaceUpAck(InterfaceUpAck { id, isolated }));
        }
    }

    /// The table of `spec/behaviour.md` 7.1.
    fn isolate(&mut self, index: usize, plane: &mut Plane, now: Time) {
        if self.app != App::Exchange {
            return;
        }
        let port = &mut self.ports[index];
        if port.up {
            port.isolated = self.remote.get(&port.name).is_none_or(|remote| remote.up);
        }
        self.send_isolation(plane, now);
    }

    fn send_isolation(&self, plane: &mut Plane, now: Time) {
        let isolated = self.ports.iter().filter(|port| port.isolated);
        let list: BTreeSet<IfName> = isolated.map(|port| port.name).collect();
        plane.isolate(list, self.sonic(), now);
    }

    /// The kernel says that an MLAG port went up or down.
    pub fn port_event(&mut self, name: &IfName, up: bool, plane: &mut Plane, now: Time) {
        let index = self.ports.iter().position(|port| port.name == *name);
        let index = index.expect("an MLAG port");
        if self.ports[index].up != up {
            self.ports[index].up = up;
            self.ports[index].down_since = (!up).then_some(now);
            self.port_handler(index, true, plane, now);
        }
    }

    /// `spec/behaviour.md` 8.6.
    fn port_handler(&mut self, index: usize, moved: bool, plane: &mut Plane, now: Time) {
        self.isolate(index, plane, now);
        let (name, up) = (self.ports[index].name, self.ports[index].up);
        if moved && self.sonic() {
            if up {
                self.own_port_up(name, plane);
            } else {
                self.own_port_down(name, plane);
            }
        }
        self.ports[index].state_changed = true;
        if self.sonic() && !up && self.app == App::Exchange {
            plane.disabled.insert(name);
        }
    }

    /// A port joined the VLAN of the hosts, or left it: the peer is told the whole list
    /// (`spec/behaviour.md` 10.4).
    pub fn vlan_event(&mut self, name: &IfName, member: bool) {
        match member {
            true => self.settings.bare.remove(name),
            false => self.settings.bare.insert(*name),
        };
        if let Some(port) = self.ports.iter_mut().find(|port| port.name == *name) {
            port.config_changed = true;
        }
    }

    /// A port leaves the domain, by configuration.
    pub fn detach(&mut self, name: &IfName, plane: &mut Plane, now: Time) {
        self.ports.retain(|port| port.name != *name);
        if self.app == App::Exchange {
            self.purges.push(*name);
        }
        self.send_isolation(plane, now);
        plane.disabled.remove(name);
    }

    /// A port joins the domain.
    pub fn attach(&mut self, name: &IfName, up: bool, plane: &mut Plane, now: Time) {
        let port = LocalPort {
            name: *name,
            up,
            isolated: false,
            config_changed: true,
            state_changed: true,
            down_since: None,
        };
        self.purges.retain(|purged| purged != name);
        self.ports.insert(0, port);
        self.port_handler(0, false, plane, now);
    }

    /// `spec/iccp.md` 9.2, `spec/behaviour.md` 6.6.
    pub(super) fn session_lost(&mut self, plane: &mut Plane, now: Time) {
        self.own_session_lost(plane);
        for port in &mut self.ports {
            port.isolated = false;
        }
        self.send_isolation(plane, now);
        plane.disabled.clear();
    }

    pub(super) fn port_is_up(&self, name: &IfName) -> Option<bool> {
        let port = self.ports.iter().find(|port| port.name == *name);
        port.map(|port| port.up)
    }

    pub(super) fn remote_is_up(&self, name: &IfName) -> Option<bool> {
        self.remote.get(name).map(|port| port.up)
    }

    pub(super) fn purge_old(&mut self, plane: &mut Plane, now: Time) {
        let mut due = Vec::new();
        for port in &mut self.ports {
            if port.down_since.is_some_and(|at| now - at >= TURN * 6000) {
                port.down_since = None;
                due.push(port.name);
            }
        }
        for name in due {
            self.table.purge_pending(name, plane);
        }
    }
}

fn neighbour<A>(interface: IfName, address: A, mac: Option<Mac>) -> NeighbourEntry<A> {
    let op = match mac {
        Some(_) => EntryOp::Add,
        None => EntryOp::Delete,
    };
    NeighbourEntry {
        op,
        flags: NeighbourFlags::default(),
        interface,
        address,
        mac: mac.unwrap_or_default(),
    }
}
