//! Isolation of the ports, which is sent as a list of them, and whether they carry data
//! (`spec/mclagsyncd-protocol.md` 4).

use super::{Port, Sent, Translator};
use mclag_proto::IfName;
use mclag_proto::sync::model::{Isolation, PortWant, Traffic};
use mclag_proto::sync::v1::{ClientMessage, IsolatedPort, PortIsolate};

impl Translator {
    pub(super) fn port(&mut self, name: IfName, want: &PortWant) {
        self.named.ports.name(name);
        let is_lifted = self.lifted.remove(&name).is_some();
        let port = self.ports.entry(name).or_default();
        // It is isolated by the last list, which another one has yet to take back.
        port.listed |= is_lifted;
        let isolated = match want.isolation {
            Isolation::On => Some(true),
            Isolation::Off => Some(false),
            Isolation::Keep => port.isolated,
        };
        let changed = isolated != port.isolated;
        port.isolated = isolated;
        port.held = match want.traffic {
            Traffic::Held => Some(true),
            Traffic::Pass => Some(false),
            Traffic::Keep => port.held,
        };
        if changed {
            self.list_due = true;
            if let Some(is_isolated) = isolated {
                self.show_isolation(name, is_isolated);
            }
        }
        self.tell_traffic(name);
    }

    /// Say whether a port carries data, if the server may believe otherwise.
    ///
    /// It believes what a client before this one said. SONiC's daemon says of each port of a standby that it carries data
    /// when a session comes up, and on the active only if it said otherwise before (`spec/sonic-redis.md` 7, item 8).
    pub(super) fn tell_traffic(&mut self, name: IfName) {
        let is_standby = self.is_up_as_standby();
        let Some(port) = self.ports.get_mut(&name) else {
            return;
        };
        let Some(is_held) = port.held else {
            return;
        };
        let told = port.told_held;
        let was_held = told.is_some_and(|told| told.value);
        if !told.is_some_and(|told| told.is(&is_held)) && (is_held || was_held || is_standby) {
            port.told_held = Some(Sent::now(is_held));
            self.traffic.push(traffic(name, !is_held));
        }
    }

    /// The peer link is another, or none: nothing is isolated from it yet (`spec/sonic-redis.md` 7, item 7).
    pub(super) fn show_no_isolation(&mut self, ports: Vec<IfName>) {
        self.shown.clear();
        if let Some(domain) = self.pair.map(|pair| pair.domain).or(self.published) {
            let is_isolated = false;
            let off = ports
                .into_iter()
                .map(|port| ClientMessage::PeerLinkIsolation {
                    domain,
                    port,
                    is_isolated,
                });
            self.out.extend(off);
        }
        let isolated = self.ports.iter();
        let isolated = isolated.filter(|(_, port)| port.isolated == Some(true));
        let isolated: Vec<IfName> = isolated.map(|(name, _)| *name).collect();
        for port in isolated {
            self.show_isolation(port, true);
        }
    }

    fn show_isolation(&mut self, port: IfName, is_isolated: bool) {
        if let Some(domain) = self.pair.map(|pair| pair.domain).or(self.published)
            && self.domain.peer_link.is_some()
        {
            self.shown.push(ClientMessage::PeerLinkIsolation {
                domain,
                port,
                is_isolated,
            });
        }
    }

    pub(super) fn release_port(&mut self, name: IfName) {
        self.named.ports.withdraw(&name);
        let Some(port) = self.ports.remove(&name) else {
            return;
        };
        if port.listed || port.isolated == Some(true) {
            let members = self.members.get(&name).cloned().unwrap_or_default();
            self.lifted.insert(name, members);
            self.list_due = true;
        }
        if port.told_held.is_some_and(|told| told.value) {
            // W-11: a port that leaves the pair while it is held would stay so.
            self.traffic.push(traffic(name, true));
        }
    }

    /// Send the isolation list if it is due and may be sent, and what waited for it.
    ///
    /// A list means something only when it is known of each port whether it belongs there, or
    /// while both chassis are synchronised: then what is not known yet is isolated.
    pub(super) fn flush_list(&mut self) {
        if self.flush_isolation() {
            self.out.append(&mut self.traffic);
        }
    }

    /// Likewise, but for the traffic of ports. False while nothing may be sent.
    pub(super) fn flush_isolation(&mut self) -> bool {
        if !self.ports_known || self.named.ports.is_under_way() {
            return false;
        }
        if !self.list_due && self.shown.is_empty() {
            return true;
        }
        let decided = self.ports.values().all(|port| port.isolated.is_some());
        let any = self.list_sent || !self.ports.is_empty();
        if self.list_due
            && let Some(peer_link) = self.domain.peer_link
            && (self.is_up() || (decided && any))
        {
            self.list(peer_link, |port| port.isolated.unwrap_or(true));
            self.list_due = false;
            self.list_sent = true;
        }
        if !self.list_due || self.domain.peer_link.is_none() {
            self.out.append(&mut self.shown);
        }
        true
    }

    pub(super) fn list(&mut self, peer_link: IfName, is_isolated: impl Fn(&Port) -> bool) {
        let mut ports = Vec::with_capacity(self.ports.len() + self.lifted.len());
        for (name, port) in &mut self.ports {
            port.listed = is_isolated(port);
            ports.push(IsolatedPort {
                lag: Some(*name),
                members: self.members.get(name).cloned().unwrap_or_default(),
                is_isolated: port.listed,
            });
        }
        for (name, members) in std::mem::take(&mut self.lifted) {
            if !self.ports.contains_key(&name) {
                ports.push(IsolatedPort {
                    lag: Some(name),
                    members,
                    is_isolated: false,
                });
            }
        }
        let list = PortIsolate { peer_link, ports }.spelled_out(self.dialect);
        self.out.push(ClientMessage::PortIsolate(list));
    }

    pub(super) fn members(&mut self, port: IfName, members: &[IfName]) {
        self.named.members.name(port);
        let before = self.members.get(&port).map_or(&[][..], Vec::as_slice);
        if before == members {
            return;
        }
        let has_gained = members.iter().any(|member| !before.contains(member));
        if members.is_empty() {
            self.members.remove(&port);
        } else {
            self.members.insert(port, members.to_vec());
        }
        let isolated = self.ports.get(&port).and_then(|port| port.isolated);
        self.list_due |= isolated == Some(true) || (isolated.is_some() && self.list_sent);
        // A new member has its own address (`spec/behaviour.md` 18, E28).
        if let Some(Sent { value, now: true }) = self.interfaces.get(&port)
            && has_gained
        {
            self.set_mac(port, *value);
        }
    }
}

const fn traffic(port: IfName, is_enabled: bool) -> ClientMessage {
    ClientMessage::TrafficDistribution { port, is_enabled }
}
