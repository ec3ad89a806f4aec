//! What `mclagdctl` is shown (`spec/mclagdctl-protocol.md` 5, 8): live state in its records, a page
//! at a time.

mod counters;

use iccp_core::lag::MlagPort;
use iccp_core::neigh::Owner;
use iccp_core::peer::RemotePort;
use iccp_core::session::SessionState;
use iccp_core::{Domain, LinkKind};
use ipnetwork::IpNetwork;
use mclag_proto::ctl::{self, MacCursor, MacLine};
use mclag_proto::iccp::EntryOp;
use mclag_proto::mclagdctl::text::{PORT_LIST, port_list, vlan_list};
use mclag_proto::mclagdctl::{
    AgeFlags, Command, Data, Dialect, LearnedFrom, LocalPort, LogLevel, MacField, MacRecord,
    MacType, Neighbour, NeighbourOp, Outcome, PeerPort, PortKind, PortState, Request, Role, State,
    SyncState, Text, UniqueIp,
};
use mclag_proto::sync::model::{Isolation, NeighbourKey};
use mclag_proto::{AggregatorId, IfName, Mac};
use std::cmp::Reverse;
use std::time::Duration;

pub use counters::counters;

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

/// Position in a table: the last entry seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cursor {
    /// In the address table.
    Mac(MacCursor),
    /// In the table of neighbours.
    Neighbour(NeighbourKey),
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
        Ok(Self::whole(match request.command {
            Command::State => Data::State(Vec::new()),
            Command::Mac => Data::Mac(Vec::new()),
            Command::Arp => Data::Arp(Vec::new()),
            Command::Nd => Data::Nd(Vec::new()),
            Command::UniqueIp => Data::UniqueIp(Vec::new()),
            Command::LocalPorts => Data::LocalPorts(Vec::new()),
            Command::PeerPorts => Data::PeerPorts(Vec::new()),
            Command::Counters => Data::Counters(Box::default()),
            Command::LogLevel => Data::LogLevel,
        }))
    }

    /// The answer of a pair, with at most `limit` entries of a table. What is logged is not the
    /// pair's to know and to change.
    ///
    /// # Errors
    ///
    /// When the request is about another domain. Id 0 means every domain there is (section 3).
    pub fn of(
        domain: &Domain,
        request: Request,
        dialect: Dialect,
        log_level: LogLevel,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Self, Outcome> {
        let own = i32::from(domain.config().domain.get());
        if is_by_id(request) && request.id != 0 && request.id != own {
            return Err(Outcome::NoDomain);
        }
        Ok(match request.command {
            Command::State => Self::whole(Data::State(vec![state(domain, dialect, log_level)])),
            Command::Mac => macs(domain, after, limit),
            Command::Arp | Command::Nd => neighbours(domain, request.command, after, limit),
            Command::UniqueIp => Self::whole(Data::UniqueIp(unique_ip(domain))),
            Command::LocalPorts => Self::whole(Data::LocalPorts(local_ports(domain, dialect))),
            Command::PeerPorts => Self::whole(Data::PeerPorts(peer_ports(domain))),
            Command::Counters => Self::whole(Data::Counters(Box::new(counters(domain.counters())))),
            Command::LogLevel => Self::whole(Data::LogLevel),
        })
    }

    const fn whole(data: Data) -> Self {
        Self { data, next: None }
    }
}

/// Of `config loglevel` the field is the level, and `dump unique_ip` ignores it.
const fn is_by_id(request: Request) -> bool {
    !matches!(request.command, Command::UniqueIp | Command::LogLevel)
}

/// The peer link, if it exists.
fn peer_link(domain: &Domain) -> Option<IfName> {
    let name = domain.config().peer_link;
    name.filter(|name| domain.links().exists(name))
}

/// The MLAG ports that exist, the most recently attached first.
fn attached_ports(domain: &Domain) -> Vec<&MlagPort> {
    let mut ports: Vec<&MlagPort> = domain.ports().filter(|port| port.exists()).collect();
    ports.sort_by_key(|port| Reverse((port.attached(), port.name())));
    ports
}

fn state(domain: &Domain, dialect: Dialect, log_level: LogLevel) -> State {
    let config = domain.config();
    let peer_link = peer_link(domain);
    let ports = attached_ports(domain);
    let ports: Vec<IfName> = ports.into_iter().map(MlagPort::name).collect();
    State {
        id: Some(config.domain.get().into()),
        operational: domain.session().is_operational(),
        synchronised: domain.session().state() == SessionState::Exchange,
        local: Text::new(&config.local.to_string()),
        peer: Text::new(&config.peer.to_string()),
        peer_link: peer_link.map(text),
        peer_link_mac: peer_link.map_or(Mac::ZERO, |name| mac_of(domain, &name)),
        role: match domain.role() {
            ctl::Role::Primary => Role::Active,
            ctl::Role::Secondary => Role::Standby,
            ctl::Role::Undecided | ctl::Role::Unknown => Role::None,
        },
        ports: port_list(
            ports.iter().map(IfName::as_str),
            dialect == Dialect::LinuxMclag,
        ),
        session_timeout: seconds(config.session_timeout),
        keepalive: seconds(config.keepalive),
        log_level: Text::new(log_level.name()),
    }
}

fn macs(domain: &Domain, after: Option<Cursor>, limit: usize) -> Page {
    let after = match after {
        Some(Cursor::Mac(cursor)) => Some(cursor),
        Some(Cursor::Neighbour(_)) | None => None,
    };
    let (lines, next) = domain.macs(after, limit);
    let records = lines.iter().map(|line| mac_record(domain, line));
    Page {
        data: Data::Mac(records.collect()),
        next: next.map(Cursor::Mac),
    }
}

fn mac_record(domain: &Domain, line: &MacLine) -> MacRecord {
    let name = |port: Option<IfName>| port.map(text).unwrap_or_default();
    MacRecord {
        op: EntryOp::Add,
        kind: if line.configured {
            MacType::Static
        } else {
            MacType::Dynamic
        },
        mac: MacField::Address(line.mac),
        vid: line.vid.get(),
        interface: name(line.port.or_else(|| unprogrammed_port(domain, line))),
        origin: name(line.local.or(line.remote)),
        // What is kept for a peer that is away is its own still: gone on both sides, it would not be listed.
        age: AgeFlags {
            local: line.local.is_none(),
            peer: line.remote.is_none() || (line.stale && line.local.is_some()),
        },
    }
}

/// The port of an entry that is remembered and not programmed (`spec/behaviour.md` 9.11): its MLAG
/// port if that is up, else the peer link, even one that is down; its origin if there is none.
fn unprogrammed_port(domain: &Domain, line: &MacLine) -> Option<IfName> {
    let origin = line.local.or(line.remote)?;
    let is_up = domain
        .ports()
        .any(|port| port.name() == origin && port.is_up());
    let peer_link = domain.config().peer_link.filter(|_| !is_up);
    Some(peer_link.unwrap_or(origin))
}

/// IPv4 or IPv6 neighbours, in order of interface and address.
fn neighbours(domain: &Domain, command: Command, after: Option<Cursor>, limit: usize) -> Page {
    let after = match after {
        Some(Cursor::Neighbour(key)) => Some(key),
        Some(Cursor::Mac(_)) | None => None,
    };
    let v6 = command == Command::Nd;
    let mut rest = domain
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

fn unique_ip(domain: &Domain) -> Vec<UniqueIp> {
    let records = domain.unique_ip().map(|(name, active)| UniqueIp {
        active,
        interface: text(name),
    });
    records.collect()
}

/// The MLAG ports, each followed by its members; sonic's list ends with the peer link (5.5). What
/// does not exist is not attached, and not listed.
fn local_ports(domain: &Domain, dialect: Dialect) -> Vec<LocalPort> {
    let links = domain.links();
    let mut records = Vec::new();
    for port in attached_ports(domain) {
        let channel = i32::from(port.id().0);
        let members = members(domain, &port.name());
        records.push(LocalPort {
            // To a legacy daemon every MLAG port is one, and its tool shows the rest of the record
            // for nothing else.
            kind: PortKind::PortChannel,
            active: port.is_up(),
            isolated: port.programmed().confirmed() == Some(Isolation::On),
            traffic_disabled: port.is_held(),
            ..local_port(domain, &port.name(), channel, port.is_up(), dialect)
        });
        for member in members.iter().rev() {
            let up = links.is_running(member);
            records.push(LocalPort {
                members: Text::default(),
                ..local_port(domain, member, channel, up, dialect)
            });
        }
    }
    if let (Some(name), Dialect::Sonic) = (peer_link(domain), dialect) {
        let up = links.is_running(&name);
        // SONiC's daemon goes by the name (`spec/behaviour.md` 10.1).
        let (kind, channel) = match kind_of(domain, &name) {
            kind if kind == PortKind::PortChannel || name.as_str().starts_with("PortChannel") => {
                (PortKind::PortChannel, AggregatorId::of(&name).0.into())
            }
            kind => (kind, -1),
        };
        records.push(LocalPort {
            kind,
            peer_link: true,
            active: up,
            ..local_port(domain, &name, channel, up, dialect)
        });
    }
    records
}

fn local_port(
    domain: &Domain,
    name: &IfName,
    channel: i32,
    up: bool,
    dialect: Dialect,
) -> LocalPort {
    let links = domain.links();
    let link = links.by_name(name);
    let address = links.addresses(name).iter().find_map(|a| match a {
        IpNetwork::V4(v4) => Some((v4.ip().to_string(), v4.prefix())),
        IpNetwork::V6(_) => None,
    });
    let (address, prefix_len) = address.unwrap_or_else(|| {
        let prefix_len = match links.had_ipv4(name) {
            true => LOST_PREFIX,
            false => NO_PREFIX,
        };
        ("0.0.0.0".to_owned(), prefix_len)
    });
    let members = members(domain, name);
    let members: Text<PORT_LIST> = port_list(members.iter().rev().map(IfName::as_str), false);
    let vids = links.vids(name);
    let vids = vids.map_or_else(Vec::new, |vids| vids.iter().copied().collect());
    LocalPort {
        index: link.map_or(0, |link| link.index),
        kind: kind_of(domain, name),
        name: text(*name),
        mac: mac_of(domain, name),
        state: match link {
            Some(link) if !link.admin_up => PortState::AdminDown,
            Some(_) if up => PortState::Up,
            _ => PortState::Down,
        },
        ipv4: Text::new(&address),
        prefix_len,
        l3: links.is_layer3(name),
        peer_link: false,
        members,
        channel,
        active: false,
        sync: match domain.session().state() {
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

/// The peer's ports: the one that it named last comes first (`spec/mclagdctl-protocol.md` 5.6).
fn peer_ports(domain: &Domain) -> Vec<PeerPort> {
    let mut ports: Vec<(&IfName, &RemotePort)> = domain.known_of_peer().ports().collect();
    ports.sort_by_key(|(_, port)| Reverse(port.place()));
    let records = ports.into_iter().map(|(name, port)| PeerPort {
        aggregator: port.id().number.0.into(),
        kind: PortKind::PortChannel,
        name: text(*name),
        mac: port.mac(),
        state: if port.is_up() {
            PortState::Up
        } else {
            PortState::Down
        },
        channel: port.id().number.0.into(),
        active: port.is_up(),
    });
    records.collect()
}

/// Names of the members of a LAG.
fn members(domain: &Domain, name: &IfName) -> Vec<IfName> {
    let link = domain.links().by_name(name);
    let members = link.map(|link| domain.links().members(link.index));
    let members = members.unwrap_or_default().into_iter();
    members.map(|member| member.name).collect()
}

fn kind_of(domain: &Domain, name: &IfName) -> PortKind {
    match domain.links().by_name(name).map(|link| link.kind) {
        None => PortKind::Unknown,
        Some(LinkKind::Lag { .. }) => PortKind::PortChannel,
        Some(LinkKind::Other) => PortKind::Port,
        Some(
            LinkKind::Bridge
            | LinkKind::Vlan { .. }
            | LinkKind::Macvlan { .. }
            | LinkKind::Vxlan
            | LinkKind::Vrf,
        ) => PortKind::Other(Text::default()),
    }
}

fn mac_of(domain: &Domain, name: &IfName) -> Mac {
    let link = domain.links().by_name(name);
    link.and_then(|link| link.mac).unwrap_or(Mac::ZERO)
}

fn text(name: IfName) -> Text<32> {
    Text::new(name.as_str())
}

/// Whole seconds, as many as it takes: a keepalive of 100 ms is not one of 0 s.
fn seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
