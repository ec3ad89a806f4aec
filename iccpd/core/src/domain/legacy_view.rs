//! What the legacy tool `mclagdctl` is shown (`spec/mclagdctl-protocol.md` 5, 8): live state in
//! its records, a page at a time.

use super::{Domain, IfName, MlagPort};
use crate::input::LinkKind;
use crate::neigh::Owner;
use crate::session::State as SessionState;
use ipnetwork::IpNetwork;
use mclag_proto::ctl::{self, MacCursor, MacLine};
use mclag_proto::iccp::EntryOp;
use mclag_proto::mclagdctl::text::{PORT_LIST, port_list, vlan_list};
use mclag_proto::mclagdctl::{
    AgeFlags, Command, Counters, Data, Dialect, LearnedFrom, LocalPort, LogLevel, MacField,
    MacKind, MacRecord, Neighbour, NeighbourOp, Outcome, PeerPort, PortKind, PortState, Request,
    Role, State, SyncState, Text, UniqueIp,
};
use mclag_proto::sync::model::NeighbourKey;
use mclag_proto::{AggregatorId, Mac};
use std::cmp::Reverse;
use std::time::Duration;

/// Prefix length of an interface that never had an address (5.5).
const NO_PREFIX: u8 = 32;
/// Prefix length of an interface whose address was taken away (5.5).
const LOST_PREFIX: u8 = 0;

/// Records for one answer, and where the next page begins. Only tables come in pages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The records.
    pub data: Data,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Page {
    /// The answer when there is no pair: nothing to list.
    ///
    /// # Errors
    ///
    /// When the request is about one.
    pub fn of_no_domain(request: Request) -> Result<Self, Outcome> {
        if is_by_id(request) && request.id != 0 {
            return Err(Outcome::NoDomain);
        }
        let data = match request.command {
            Command::State => Data::State(Vec::new()),
            Command::Mac => Data::Mac(Vec::new()),
            Command::Arp => Data::Arp(Vec::new()),
            Command::Nd => Data::Nd(Vec::new()),
            Command::UniqueIp => Data::UniqueIp(Vec::new()),
            Command::LocalPorts => Data::LocalPorts(Vec::new()),
            Command::PeerPorts => Data::PeerPorts(Vec::new()),
            Command::Counters => Data::Counters(Box::default()),
            Command::LogLevel => Data::LogLevel,
        };
        Ok(Self { data, next: None })
    }
}

/// Of `config loglevel` the field is the level, and `dump unique_ip` ignores it.
const fn is_by_id(request: Request) -> bool {
    !matches!(request.command, Command::UniqueIp | Command::LogLevel)
}

/// Position in a table: the last entry seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cursor {
    /// In the address table.
    Mac(MacCursor),
    /// In the table of neighbours.
    Neighbour(NeighbourKey),
}

impl Domain {
    /// Answer a request, with at most `limit` entries of a table. What is logged is the shell's
    /// to know and to change.
    ///
    /// # Errors
    ///
    /// When the request is about another domain. Id 0 means every domain there is (section 3).
    pub fn legacy_page(
        &self,
        request: Request,
        dialect: Dialect,
        log_level: LogLevel,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Outcome> {
        let own = i32::from(self.config.domain.get());
        if is_by_id(request) && request.id != 0 && request.id != own {
            return Err(Outcome::NoDomain);
        }
        let whole = |data| Page { data, next: None };
        Ok(match request.command {
            Command::State => whole(Data::State(vec![self.legacy_state(dialect, log_level)])),
            Command::Mac => self.legacy_macs(after, limit),
            Command::Arp | Command::Nd => self.legacy_neighbours(request.command, after, limit),
            Command::UniqueIp => whole(Data::UniqueIp(self.legacy_unique_ip())),
            Command::LocalPorts => whole(Data::LocalPorts(self.legacy_ports(dialect))),
            Command::PeerPorts => whole(Data::PeerPorts(self.legacy_peer_ports())),
            Command::Counters => whole(Data::Counters(Box::new(self.legacy_counters()))),
            Command::LogLevel => whole(Data::LogLevel),
        })
    }

    /// What was counted since this pair began. Of what the shell sees by itself there is nothing
    /// in it.
    #[must_use]
    pub fn legacy_counters(&self) -> Counters {
        self.tally.counters()
    }

    fn legacy_state(&self, dialect: Dialect, log_level: LogLevel) -> State {
        let peer_link = self.config.peer_link;
        let peer_link = peer_link.filter(|name| self.links.exists(name));
        let ports: Vec<IfName> = self
            .attached_ports()
            .into_iter()
            .map(MlagPort::name)
            .collect();
        State {
            id: Some(self.config.domain.get().into()),
            operational: self.session.is_operational(),
            in_step: self.session.state() == SessionState::Exchange,
            local: Text::new(&self.config.local.to_string()),
            peer: Text::new(&self.config.peer.to_string()),
            peer_link: peer_link.map(text),
            peer_link_mac: peer_link.map_or(Mac::ZERO, |name| self.mac_of(&name)),
            role: match self.role.0 {
                ctl::Role::Primary => Role::Active,
                ctl::Role::Secondary => Role::Standby,
                ctl::Role::Undecided => Role::None,
            },
            ports: port_list(
                ports.iter().map(IfName::as_str),
                dialect == Dialect::LinuxMclag,
            ),
            session_timeout: seconds(self.config.session_timeout),
            keepalive: seconds(self.config.keepalive),
            log_level: Text::new(log_level.name()),
        }
    }

    fn legacy_macs(&self, after: Option<Cursor>, limit: usize) -> Page {
        let after = match after {
            Some(Cursor::Mac(cursor)) => Some(cursor),
            Some(Cursor::Neighbour(_)) | None => None,
        };
        let (lines, next) = self.fdb.page(after, limit);
        Page {
            data: Data::Mac(lines.iter().map(|line| self.mac_record(line)).collect()),
            next: next.map(Cursor::Mac),
        }
    }

    /// IPv4 or IPv6 neighbours, in order of interface and address.
    fn legacy_neighbours(&self, command: Command, after: Option<Cursor>, limit: usize) -> Page {
        let after = match after {
            Some(Cursor::Neighbour(key)) => Some(key),
            Some(Cursor::Mac(_)) | None => None,
        };
        let v6 = command == Command::Nd;
        let mut rest = self
            .neighbours(after)
            .filter(|(key, ..)| key.address.is_ipv6() == v6)
            .peekable();
        let mut last = None;
        let mut records = Vec::new();
        for (key, mac, owner) in rest.by_ref().take(limit) {
            last = Some(key);
            records.push(neighbour(key, mac, owner));
        }
        let next = last.filter(|_| rest.peek().is_some());
        Page {
            data: if v6 {
                Data::Nd(records)
            } else {
                Data::Arp(records)
            },
            next: next.map(Cursor::Neighbour),
        }
    }

    fn legacy_unique_ip(&self) -> Vec<UniqueIp> {
        let names = self.config.unique_ip.iter();
        let record = |name: &IfName| UniqueIp {
            active: self.links.exists(name),
            interface: text(*name),
        };
        names.map(record).collect()
    }

    /// The MLAG ports, each followed by its members; sonic's list ends with the peer link (5.5).
    /// What does not exist is not attached, and not listed.
    fn legacy_ports(&self, dialect: Dialect) -> Vec<LocalPort> {
        let mut records = Vec::new();
        for port in self.attached_ports() {
            let channel = i32::from(port.id().0);
            let members = self.members(&port.name());
            records.push(LocalPort {
                // To a legacy daemon every MLAG port is one, and its tool shows the rest of the
                // record for nothing else.
                kind: PortKind::PortChannel,
                active: port.is_up(),
                isolated: self.isolated(port) == Some(true),
                traffic_disabled: port.is_held(),
                ..self.legacy_port(&port.name(), channel, &members, port.is_up(), dialect)
            });
            for member in members.iter().rev() {
                let up = self.links.is_running(&member.name);
                records.push(self.legacy_port(&member.name, channel, &[], up, dialect));
            }
        }
        let peer_link = self.config.peer_link;
        let peer_link = peer_link.filter(|name| self.links.exists(name));
        if let (Some(name), Dialect::Sonic) = (peer_link, dialect) {
            let members = self.members(&name);
            let up = self.peer_link_up();
            // SONiC's daemon goes by the name (`spec/behaviour.md` 10.1).
            let (kind, channel) = match self.kind_of(&name) {
                kind if kind == PortKind::PortChannel
                    || name.as_str().starts_with("PortChannel") =>
                {
                    (PortKind::PortChannel, AggregatorId::of(&name).0.into())
                }
                kind => (kind, -1),
            };
            records.push(LocalPort {
                kind,
                peer_link: true,
                active: up,
                ..self.legacy_port(&name, channel, &members, up, dialect)
            });
        }
        records
    }

    fn legacy_port(
        &self,
        name: &IfName,
        channel: i32,
        members: &[ctl::Member],
        up: bool,
        dialect: Dialect,
    ) -> LocalPort {
        let link = self.links.by_name(name);
        let address = self.links.addresses(name).iter().find_map(|a| match a {
            IpNetwork::V4(v4) => Some((v4.ip().to_string(), v4.prefix())),
            IpNetwork::V6(_) => None,
        });
        let (address, prefix_len) = address.unwrap_or_else(|| {
            let prefix_len = match self.links.had_ipv4(name) {
                true => LOST_PREFIX,
                false => NO_PREFIX,
            };
            ("0.0.0.0".to_owned(), prefix_len)
        });
        let names = members.iter().rev().map(|member| member.name.as_str());
        let members: Text<PORT_LIST> = port_list(names, false);
        let vids = self.vids(name);
        LocalPort {
            index: link.map_or(0, |link| link.index),
            kind: self.kind_of(name),
            name: text(*name),
            mac: self.mac_of(name),
            state: match link {
                Some(link) if !link.admin_up => PortState::AdminDown,
                Some(_) if up => PortState::Up,
                _ => PortState::Down,
            },
            ipv4: Text::new(&address),
            prefix_len,
            l3: self.links.is_layer3(name),
            peer_link: false,
            members,
            channel,
            active: false,
            sync: match self.session.state() {
                SessionState::Down
                | SessionState::Dialling
                | SessionState::CapSent
                | SessionState::ConnectFirst
                | SessionState::Connecting => SyncState::Init,
                SessionState::Stage1 => SyncState::Stage1,
                SessionState::Stage2 => SyncState::Stage2,
                SessionState::Exchange => SyncState::Exchange,
            },
            isolated: false,
            traffic_disabled: false,
            vlans: vlan_list(vids.into_iter(), dialect),
        }
    }

    fn legacy_peer_ports(&self) -> Vec<PeerPort> {
        let ports = self.peer.ports().rev();
        let record = |(name, port): (&IfName, &crate::peer::RemotePort)| PeerPort {
            aggregator: port.id().0.into(),
            kind: PortKind::PortChannel,
            name: text(*name),
            mac: port.mac(),
            state: if port.is_up() {
                PortState::Up
            } else {
                PortState::Down
            },
            channel: port.id().0.into(),
            active: port.is_up(),
        };
        ports.map(record).collect()
    }

    /// The MLAG ports that exist, the most recently attached first.
    fn attached_ports(&self) -> Vec<&MlagPort> {
        let ports = self.ports.values();
        let mut ports: Vec<&MlagPort> = ports.filter(|port| port.exists()).collect();
        ports.sort_by_key(|port| Reverse((port.attached(), port.name())));
        ports
    }

    fn mac_record(&self, line: &MacLine) -> MacRecord {
        let name = |port: Option<IfName>| port.map(text).unwrap_or_default();
        MacRecord {
            op: EntryOp::Add,
            kind: if line.configured {
                MacKind::Static
            } else {
                MacKind::Dynamic
            },
            mac: MacField::Address(line.mac),
            vid: line.vid.get(),
            interface: name(line.port.or_else(|| self.unprogrammed_port(line))),
            origin: name(line.local.or(line.remote)),
            age: AgeFlags {
                local: line.local.is_none(),
                peer: line.remote.is_none() || line.stale,
            },
        }
    }

    /// The port of an entry that is remembered and not programmed (`spec/behaviour.md` 9.11): its
    /// MLAG port if that is up, else the peer link, even one that is down; its origin if there is
    /// none.
    fn unprogrammed_port(&self, line: &MacLine) -> Option<IfName> {
        let origin = line.local.or(line.remote)?;
        let is_up = self.ports.get(&origin).is_some_and(|port| port.is_up());
        let peer_link = self.config.peer_link.filter(|_| !is_up);
        Some(peer_link.unwrap_or(origin))
    }

    fn kind_of(&self, name: &IfName) -> PortKind {
        match self.links.by_name(name).map(|link| link.kind) {
            None => PortKind::Unknown,
            Some(LinkKind::Lag { .. }) => PortKind::PortChannel,
            Some(LinkKind::Other) => PortKind::Port,
            Some(LinkKind::Bridge | LinkKind::Vlan { .. } | LinkKind::Vxlan | LinkKind::Vrf) => {
                PortKind::Other(Text::default())
            }
        }
    }

    fn mac_of(&self, name: &IfName) -> Mac {
        let link = self.links.by_name(name);
        link.and_then(|link| link.mac).unwrap_or(Mac::ZERO)
    }
}

fn neighbour(key: NeighbourKey, mac: Mac, owner: Owner) -> Neighbour {
    let (op, learned) = match owner {
        Owner::Local => (NeighbourOp::Learned, LearnedFrom::Local),
        Owner::Remote => (NeighbourOp::Added, LearnedFrom::Remote),
    };
    Neighbour {
        op,
        interface: text(key.interface),
        address: Text::new(&key.address.to_string()),
        mac,
        learned,
    }
}

fn text(name: IfName) -> Text<32> {
    Text::new(name.as_str())
}

/// Whole seconds, as many as it takes: a keepalive of 100 ms is not one of 0 s.
fn seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}
