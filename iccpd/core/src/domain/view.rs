//! What an operator sees: live state, nothing derived a second time.

use super::{Domain, IfName, MlagPort, Time};
use crate::OpFailure;
use crate::counters::{Counter, Counters};
use crate::election;
use crate::links::{Links, MemberState};
use crate::peer::{Peer, RemotePort};
use crate::session::{Session, SessionState};
use crate::time::millis;
use mclag_proto::Vid;
use mclag_proto::ctl::{self, CounterName, Warning};
use mclag_proto::iccp::ext::DataplanePresence;

/// The parts, to be looked at.
impl Domain {
    /// The interfaces of this chassis.
    #[must_use]
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// The session with the other chassis.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The MLAG ports, by name.
    pub fn ports(&self) -> impl Iterator<Item = &MlagPort> {
        self.ports.values()
    }

    /// The interfaces that keep their own identity, and whether each exists.
    pub fn unique_ip(&self) -> impl Iterator<Item = (IfName, bool)> {
        let names = self.config.unique_ip.iter();
        names.map(|name| (*name, self.links.exists(name)))
    }

    /// What is known of the other chassis.
    #[must_use]
    pub const fn known_of_peer(&self) -> &Peer {
        &self.peer
    }

    /// Role of this chassis.
    #[must_use]
    pub const fn role(&self) -> ctl::Role {
        self.identity.role
    }

    /// Since when no interface of this chassis has the address of the control session; none while one
    /// has it.
    #[must_use]
    pub const fn address_missing_since(&self) -> Option<Time> {
        self.own_address.missing_since()
    }

    /// The operation that `syncd` could not carry out last.
    #[must_use]
    pub const fn last_failure(&self) -> Option<&OpFailure> {
        self.syncd.last_failure.as_ref()
    }

    /// What was counted since this pair began.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Domain {
    /// The pair at a glance. The words for the last failure ([`Self::last_failure`]) and for what is wrong
    /// with the session ([`Session::failure`]) are the I/O layer's to add.
    #[must_use]
    pub fn status(&self, now: Time) -> ctl::Status {
        let mut counts = [0_usize; 4];
        for port in self.ports.values() {
            let remote = self.peer_is_there() && self.peer.port_is_up(&port.name()) == Some(true);
            counts[usize::from(port.is_up()) * 2 + usize::from(remote)] += 1;
        }
        let [ports_down, ports_peer_only, ports_local_only, ports_dual] = counts;
        ctl::Status {
            domain: self.config.domain,
            local: self.config.local,
            peer: self.config.peer,
            session: shown(self.session.state()),
            session_for_s: (now - self.session.since()).as_secs(),
            session_error: None,
            role: self.identity.role,
            role_by: self.identity.by,
            system_mac: self.system_mac(),
            bridge: self.config.bridge,
            peer_link: self.config.peer_link,
            peer_link_up: self.peer_link_up(),
            syncd: ctl::SyncdState {
                connected: self.syncd.is_up(),
                backend: self.syncd.backend.clone(),
                failed_operations: self.syncd.failed,
                last_failure: None,
                socket: None,
            },
            ports_dual,
            ports_local_only,
            ports_peer_only,
            ports_down,
            remembered: self.remembered(now),
            macs: self.tables.fdb.counts(),
            waiting_for: self.waiting_for(),
            lost_log_lines: 0,
            pair_unconfirmed_for_s: None,
            runs_as_root: false,
            warnings: self.warnings(),
        }
    }

    /// What the peer says of its ports is true now.
    fn peer_is_there(&self) -> bool {
        self.session.state() == SessionState::Exchange
    }

    /// What it said last of the ports that are here, too, while it is not there.
    fn remembered(&self, now: Time) -> Option<ctl::Remembered> {
        let age_s = self.age_of_memory(now)?;
        let states = self.ports.keys().map(|name| self.peer.port_is_up(name));
        let (mut up, mut down) = (0, 0);
        for is_up in states.flatten() {
            *if is_up { &mut up } else { &mut down } += 1;
        }
        Some(ctl::Remembered { up, down, age_s })
    }

    fn age_of_memory(&self, now: Time) -> Option<u64> {
        let as_of = self.peer.as_of().filter(|_| !self.peer_is_there())?;
        Some((now - as_of).as_secs())
    }

    /// The peer link and every MLAG port.
    #[must_use]
    pub fn interfaces(&self, now: Time) -> Vec<ctl::Interface> {
        let age_s = self.age_of_memory(now);
        let peer_link = self.config.peer_link;
        let peer_link = peer_link.iter().map(|name| ctl::Interface {
            name: *name,
            peer_link: true,
            id: None,
            name_at_peer: None,
            local: port_status(&self.links, name, self.links.is_running(name)),
            remote: None,
            remembered_s: None,
            dual: false,
            isolated: None,
            held: false,
            bypass: false,
            partner: self.links.partner(name).map(|partner| partner.system),
            partner_key: self.links.partner(name).map(|partner| partner.key),
            remote_partner: None,
            members: members(&self.links, name),
            vids: vids(&self.links, name),
            conflicts: Vec::new(),
        });
        let ports = self.ports.values().zip(self.conflicts());
        let ports = ports.map(|(port, (_, conflicts))| {
            let partner = self.links.partner(&port.name());
            let remote = self.peer.port(&port.name());
            let name_at_peer = self.peer.name_of(&port.name());
            let remote_up = self.peer.port_is_up(&port.name());
            let remote_up = remote_up.filter(|_| self.peer_is_there() || age_s.is_some());
            ctl::Interface {
                name: port.name(),
                peer_link: false,
                id: Some(port.id()),
                name_at_peer: name_at_peer.filter(|name| *name != port.name()),
                local: port_status(&self.links, &port.name(), port.is_up()),
                remote: remote_up.map(status_of),
                remembered_s: age_s.filter(|_| remote_up.is_some()),
                dual: self.peer_is_there() && port.is_up() && remote_up == Some(true),
                isolated: port.isolated(),
                held: port.is_held(),
                bypass: port.bypass().carries(),
                partner: partner.map(|partner| partner.system),
                partner_key: partner.map(|partner| partner.key),
                remote_partner: remote.and_then(RemotePort::partner),
                members: members(&self.links, &port.name()),
                vids: vids(&self.links, &port.name()),
                conflicts,
            }
        });
        peer_link.chain(ports).collect()
    }

    /// A page of the address table.
    #[must_use]
    pub fn macs(
        &self,
        after: Option<ctl::MacCursor>,
        limit: usize,
    ) -> (Vec<ctl::MacLine>, Option<ctl::MacCursor>) {
        self.tables.fdb.page(after, limit)
    }

    /// A page of the neighbour table.
    #[must_use]
    pub fn neighbour_lines(
        &self,
        after: Option<ctl::NeighbourCursor>,
        limit: usize,
    ) -> (Vec<ctl::NeighbourLine>, Option<ctl::NeighbourCursor>) {
        self.tables.neigh.page(after, limit)
    }

    /// The session with the other chassis. What protects it, its paths and who was refused is the I/O layer's to add, and the words for
    /// why the last session ended ([`Session::failure`]).
    #[must_use]
    pub fn peer(&self, now: Time) -> ctl::PeerStatus {
        let (announce, system) = (self.peer.announce(), self.peer.system_config());
        ctl::PeerStatus {
            address: self.config.peer,
            session: shown(self.session.state()),
            dialling: election::dials(self.config.local, self.config.peer),
            software: announce.map(|a| a.software.clone()),
            system_mac: system.map(|s| s.system),
            node: system.map(|s| s.node),
            priority: announce.map(|a| a.priority),
            last_heard_ms: self.session.last_heard().map(|at| millis(now - at)),
            keepalive_ms: millis(self.config.keepalive),
            timeout_ms: millis(self.config.session_timeout),
            last_error: None,
            signed: false,
            tcp_ao: None,
            ttl_security: false,
            paths: Vec::new(),
            counters: self.peer_counters(),
            refused: Vec::new(),
        }
    }

    fn peer_counters(&self) -> Vec<ctl::Counter<CounterName>> {
        let get = |counter| self.counters.get(counter);
        [
            (CounterName::Sessions, get(Counter::Sessions)),
            (CounterName::Received, get(Counter::Received)),
            (CounterName::Sent, get(Counter::Sent)),
            (CounterName::MacsReceived, get(Counter::MacsReceived)),
            (CounterName::MacsSent, get(Counter::MacsSent)),
            (CounterName::AcksSent, get(Counter::AcksSent)),
            (CounterName::AcksReceived, get(Counter::AcksReceived)),
            (CounterName::AcksMissed, get(Counter::AcksMissed)),
            (CounterName::Unreadable, get(Counter::Unreadable)),
            (CounterName::MacsIgnored, self.tables.fdb.ignored()),
            (CounterName::NeighboursIgnored, self.tables.neigh.ignored()),
            (
                CounterName::Unknown,
                get(Counter::UnknownMessages) + get(Counter::UnknownTlvs),
            ),
            (CounterName::Refusals, get(Counter::Refused)),
        ]
        .map(|(name, value)| ctl::Counter { name, value })
        .into()
    }

    fn waiting_for(&self) -> Vec<IfName> {
        if !self.links.is_complete() {
            return Vec::new();
        }
        let named = [self.config.bridge].into_iter();
        let named = named
            .chain(self.config.peer_link)
            .chain(self.config.ports.iter().copied());
        named.filter(|name| !self.links.exists(name)).collect()
    }

    fn blocked_ports(&self) -> impl Iterator<Item = Warning> {
        let (links, bridge) = (&self.links, &self.config.bridge);
        let is_blocked = |port: &&IfName| links.is_running(port) && links.is_kept_out(port, bridge);
        let blocked = self.config.ports.iter().filter(is_blocked);
        blocked.map(|port| Warning::PortBlocked { port: *port })
    }

    fn renamed(&self) -> impl Iterator<Item = Warning> {
        let peer_link = self.config.peer_link;
        let names = self.config.peer_link.iter().chain(&self.config.ports);
        let links = names.filter_map(|name| self.links.by_name(name));
        links.filter_map(move |link| {
            let (settings, now) = (link.name, link.kernel_name?);
            Some(match peer_link == Some(settings) {
                true => Warning::PeerLinkRenamed { settings, now },
                false => Warning::PortRenamed { settings, now },
            })
        })
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if !self.syncd.is_up() {
            warnings.push(Warning::SyncdNotConnected);
        } else if self.syncd.presence == DataplanePresence::Silent {
            warnings.push(Warning::SyncdSilent);
        }
        match self.peer.dataplane() {
            DataplanePresence::AtWork => {}
            presence => warnings.push(Warning::PeerDataplane { presence }),
        }
        let peer_link = self.config.peer_link;
        warnings.extend(self.renamed());
        if let Some(peer_link) = peer_link
            && !self.peer_link_up()
        {
            warnings.push(match self.links.is_running(&peer_link) {
                true => Warning::PeerLinkBlocked,
                false => Warning::PeerLinkDown,
            });
        }
        warnings.extend(self.blocked_ports());
        warnings.extend(self.peer_link_conflict());
        warnings.extend(self.vlan_ports().map(|(_, warning)| warning));
        warnings.extend(self.hazards());
        warnings.extend(self.system_mac_conflict());
        let ignored = self.tables.fdb.ignored();
        if ignored > 0 {
            warnings.push(Warning::MacsIgnored { ignored });
        }
        let ignored = self.tables.neigh.ignored();
        if ignored > 0 {
            warnings.push(Warning::NeighboursIgnored { ignored });
        }
        if self.syncd.is_up()
            && !self.syncd.policy.keeps_neighbours
            && self.tables.neigh.wants_anything()
        {
            warnings.push(Warning::NeighboursNotInstalled);
        }
        for (port, conflicts) in self.conflicts() {
            let conflicts = conflicts.into_iter();
            warnings.extend(conflicts.map(|conflict| Warning::Port { port, conflict }));
        }
        warnings
    }
}

const fn shown(state: SessionState) -> ctl::SessionState {
    match state {
        SessionState::Down | SessionState::Dialling => ctl::SessionState::Down,
        SessionState::CapSent | SessionState::ConnectFirst | SessionState::Connecting => {
            ctl::SessionState::Connecting
        }
        SessionState::Stage1 | SessionState::Stage2 => ctl::SessionState::Syncing,
        SessionState::Exchange => ctl::SessionState::Up,
    }
}

fn port_status(links: &Links, name: &IfName, up: bool) -> ctl::PortStatus {
    if links.exists(name) {
        status_of(up)
    } else {
        ctl::PortStatus::Missing
    }
}

fn members(links: &Links, name: &IfName) -> Vec<ctl::Member> {
    let members = links.by_name(name).map(|link| links.members(link.index));
    let line = |m: MemberState| ctl::Member {
        name: m.name,
        carrier: m.running,
        distributing: m.distributing,
    };
    members.into_iter().flatten().map(line).collect()
}

fn vids(links: &Links, name: &IfName) -> Vec<Vid> {
    links
        .vids(name)
        .into_iter()
        .flat_map(|vids| vids.iter().copied())
        .collect()
}

const fn status_of(up: bool) -> ctl::PortStatus {
    if up {
        ctl::PortStatus::Up
    } else {
        ctl::PortStatus::Down
    }
}
