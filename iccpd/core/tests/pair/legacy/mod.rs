//! A model of the legacy daemons, from their specification alone: what one of them does with what
//! we send, its traps included. One family is today's SONiC, the other the linux-mclag of 2019.
//!
//! It steps like they do, once per turn of its loop (`spec/behaviour.md` 2.1): at most one message
//! is read from the socket, then the connection machine takes at most one message, then the
//! application drains its queue and says what is pending.
//!
//! `plane.rs`: its dataplane. `mlacp.rs`: the application. `table.rs`: its address table. `wire.rs`:
//! the bytes in between, and a receiver that insists on every limit. `world.rs`: the pair.

mod mlacp;
mod plane;
mod schedule;
mod stories;
mod table;
mod wire;
mod world;

use iccp_core::{PeerTraits, Time};
use mclag_proto::iccp::{Body, Dialect, Message, RgId, Status, Tlv};
use mclag_proto::{AggregatorId, IfName, Mac, Vid};
use plane::Plane;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Longest time between two turns of its loop.
pub const TURN: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    Sonic,
    LinuxMclag,
}

impl Family {
    pub const BOTH: [Self; 2] = [Self::Sonic, Self::LinuxMclag];

    pub fn dialect(self) -> Dialect {
        match self {
            Self::Sonic => Dialect::Sonic,
            Self::LinuxMclag => Dialect::LinuxMclag,
        }
    }

    pub fn traits(self) -> PeerTraits {
        PeerTraits {
            acknowledges: self == Self::Sonic,
            orphans: self == Self::Sonic,
            names_lacp_system: self == Self::Sonic,
        }
    }
}

/// Its settings.
#[derive(Clone, Debug)]
pub struct Settings {
    pub family: Family,
    pub rg: RgId,
    /// It is the TCP client and mLACP-active.
    pub active: bool,
    /// Whole seconds.
    pub keepalive: u64,
    /// Whole seconds.
    pub timeout: u64,
    pub ports: Vec<IfName>,
    /// Ports that are in no VLAN at present; all others are in the one of the hosts.
    pub bare: BTreeSet<IfName>,
    pub peer_link: IfName,
    pub system_mac: Mac,
    /// It never acknowledges, as SONiC's intermediate generation (`spec/iccp.md` 14.1).
    pub mute: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Connection {
    Nonexistent,
    Initialized,
    CapSent,
    CapRec,
    Connecting,
    Operational,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum App {
    Init,
    Stage1,
    Stage2,
    Exchange,
    Error,
}

#[derive(Clone, Debug)]
struct LocalPort {
    name: IfName,
    up: bool,
    isolated: bool,
    config_changed: bool,
    state_changed: bool,
    /// When it went down, for the addresses that wait 600 s for it.
    down_since: Option<Time>,
}

#[derive(Clone, Debug)]
struct RemotePort {
    id: AggregatorId,
    up: bool,
    /// As its last Port Channel Info had it.
    vids: Option<BTreeSet<Vid>>,
}

/// The daemon. It dies with its process; [`Plane`] does not.
#[derive(Clone, Debug)]
pub struct Daemon {
    settings: Settings,
    connection: Connection,
    app: App,
    socket: bool,
    /// The other end closed; seen when everything before has been read.
    eof: bool,
    /// Received by the kernel and not read yet.
    pub inbox: VecDeque<Message>,
    control: VecDeque<Body>,
    application: VecDeque<Tlv>,
    capability_seen: bool,
    connect_seen: bool,
    rg_error: Option<RgId>,
    disconnect_seen: bool,
    /// The Sync Request of the present asking stage was sent.
    asked: bool,
    sync_scheduled: bool,
    purges: Vec<IfName>,
    asleep_until: Time,
    last_heard: u64,
    last_heartbeat: Option<u64>,
    last_attempt: Option<u64>,
    warm_mark: Option<Time>,
    node: u8,
    next_id: u32,
    /// What it sent last, to match NAKs.
    log: VecDeque<(u32, bool)>,
    /// The latest one first.
    ports: Vec<LocalPort>,
    remote: BTreeMap<IfName, RemotePort>,
    pub peer_link_up: bool,
    table: table::Table,
    /// By address alone (W-17).
    pub neighbours: BTreeMap<IpAddr, (IfName, Mac)>,
    neighbours_queued: Vec<(IpAddr, IfName, Option<Mac>)>,
    pub peer_system: Option<Mac>,
    /// Wants the I/O layer to connect.
    pub dial: bool,
    /// Wants the I/O layer to close.
    pub hang_up: bool,
    pub out: Vec<Message>,
    /// Why it would ask for everything again in EXCHANGE, which is what a peer must never cause.
    pub upset: Option<String>,
    /// Messages of ours that it discarded while it was to answer.
    pub discarded: usize,
    /// NAKs it received for a wrong group.
    pub group_naks: usize,
    pub sessions: usize,
}

impl Daemon {
    pub fn new(settings: Settings, bond_up: impl Fn(&IfName) -> bool, peer_link_up: bool) -> Self {
        let port = |name: &IfName| LocalPort {
            name: *name,
            up: bond_up(name),
            isolated: false,
            config_changed: true,
            state_changed: true,
            down_since: None,
        };
        let ports = settings.ports.iter().rev().map(port).collect();
        Self {
            connection: Connection::Nonexistent,
            app: App::Init,
            socket: false,
            eof: false,
            inbox: VecDeque::new(),
            control: VecDeque::new(),
            application: VecDeque::new(),
            capability_seen: false,
            connect_seen: false,
            rg_error: None,
            disconnect_seen: false,
            asked: false,
            sync_scheduled: false,
            purges: Vec::new(),
            asleep_until: Time::ZERO,
            last_heard: 0,
            last_heartbeat: None,
            last_attempt: None,
            warm_mark: None,
            node: 0xfd,
            next_id: 0,
            log: VecDeque::new(),
            ports,
            remote: BTreeMap::new(),
            peer_link_up,
            table: table::Table::default(),
            neighbours: BTreeMap::new(),
            neighbours_queued: Vec::new(),
            peer_system: None,
            dial: false,
            hang_up: false,
            out: Vec::new(),
            upset: None,
            discarded: 0,
            group_naks: 0,
            sessions: 0,
            settings,
        }
    }

    pub fn app(&self) -> App {
        self.app
    }

    pub fn connected(&self) -> bool {
        self.socket
    }

    /// Its socket has something to read.
    pub fn is_busy(&self) -> bool {
        !self.inbox.is_empty() || self.eof
    }

    /// VLANs of a port of the peer, as it was told.
    pub fn remote_vids(&self, name: &IfName) -> Option<&BTreeSet<Vid>> {
        self.remote.get(name)?.vids.as_ref()
    }

    fn family(&self) -> Family {
        self.settings.family
    }

    fn sonic(&self) -> bool {
        self.family() == Family::Sonic
    }

    /// The I/O layer connected, or accepted; it refuses a second connection while one is up.
    pub fn socket_up(&mut self, now: Time) {
        assert!(!self.socket, "the shell refuses a second connection");
        self.socket = true;
        self.last_heard = seconds(now);
    }

    /// The other end closed.
    pub fn socket_down(&mut self) {
        self.eof = true;
    }

    /// One turn of the loop.
    pub fn turn(&mut self, plane: &mut Plane, now: Time) {
        if now < self.asleep_until {
            return;
        }
        if let Some(message) = self.inbox.pop_front() {
            self.read(message, now);
        } else if self.eof {
            self.disconnect(plane, now);
        }
        let silent = seconds(now) - self.last_heard > self.settings.timeout;
        if self.socket && silent {
            self.hang_up = true;
            self.disconnect(plane, now);
        }
        if let Some(mark) = self.warm_mark
            && now - mark >= Duration::from_secs(90)
        {
            self.warm_mark = None;
        }
        self.step_connection(now);
        if self.connection == Connection::Operational && self.app == App::Init {
            self.app = App::Stage1;
            let known = self.neighbours.iter();
            let known = known.map(|(address, (interface, mac))| (*address, *interface, Some(*mac)));
            self.neighbours_queued = known.collect();
            if !self.sonic() {
                self.table.queue_all();
            }
        }
        if self.app != App::Init {
            self.step_application(plane, now);
            self.heartbeat(now);
        }
        self.purge_old(plane, now);
    }

    fn read(&mut self, message: Message, now: Time) {
        if self.sonic() {
            self.last_heard = seconds(now);
        }
        match message.body {
            // Types from 0x104a (0x1039) up go to a queue that nobody reads (8.1).
            Body::Application { tlv, .. } => match tlv {
                Tlv::Extension(_) | Tlv::Unknown { .. } => {}
                tlv => self.application.push_back(tlv),
            },
            body => self.control.push_back(body),
        }
    }

    fn step_connection(&mut self, now: Time) {
        if !self.socket {
            let since = self.last_attempt.map(|at| seconds(now) - at);
            if self.settings.active && since.is_none_or(|since| since >= 1) {
                self.last_attempt = Some(seconds(now));
                self.dial = true;
            }
            return;
        }
        match self.connection {
            Connection::Nonexistent => self.connection = Connection::Initialized,
            Connection::Initialized => {
                self.take_control(now);
                self.send(Body::Capability);
                self.connection = if self.capability_seen {
                    Connection::CapRec
                } else {
                    Connection::CapSent
                };
            }
            Connection::CapSent => {
                self.take_control(now);
                if self.capability_seen {
                    self.connection = Connection::CapRec;
                }
            }
            Connection::CapRec => {
                self.take_control(now);
                if let Some(received) = self.rg_error {
                    self.refuse_group(received);
                    return;
                }
                let sender = "192.0.2.1".to_owned();
                let rg = self.settings.rg;
                self.send(Body::Connect { rg, sender });
                self.connection = if self.connect_seen {
                    Connection::Operational
                } else {
                    Connection::Connecting
                };
            }
            Connection::Connecting => {
                self.take_control(now);
                if let Some(received) = self.rg_error {
                    self.refuse_group(received);
                    self.connection = Connection::CapRec;
                } else if self.connect_seen {
                    self.connection = Connection::Operational;
                }
            }
            Connection::Operational => {
                self.take_control(now);
                if std::mem::take(&mut self.disconnect_seen) {
                    let (rg, status) = (self.settings.rg, Status::NONE);
                    self.send(Body::Disconnect { rg, status });
                    self.connect_seen = false;
                    self.connection = Connection::CapRec;
                }
            }
        }
    }

    fn refuse_group(&mut self, received: RgId) {
        self.send(Body::Notification {
            rg: self.settings.rg,
            status: Status::UNKNOWN_RG,
            rejected: received.0,
        });
    }

    fn take_control(&mut self, now: Time) {
        let Some(body) = self.control.pop_front() else {
            return;
        };
        let rg = match &body {
            Body::Connect { rg, .. }
            | Body::Disconnect { rg, .. }
            | Body::Notification { rg, .. } => Some(*rg),
            _ => None,
        };
        // Of non-application messages the group is checked (8).
        if let Some(rg) = rg {
            self.rg_error = (rg != self.settings.rg).then_some(rg);
        }
        match body {
            Body::Capability => self.capability_seen = true,
            Body::Connect { .. } if self.rg_error.is_none() => self.connect_seen = true,
            Body::Disconnect { status, .. } if status == Status::RG_REMOVED => {
                self.disconnect_seen = true;
            }
            Body::Notification {
                status, rejected, ..
            } => {
                if status == Status::UNKNOWN_RG {
                    self.group_naks += 1;
                }
                match self.log.iter().find(|(id, _)| *id == rejected) {
                    Some((_, true)) => self.schedule_sync("a NAK of application data"),
                    _ => self.asleep_until = now + Duration::from_secs(1),
                }
            }
            _ => {}
        }
    }

    /// It will ask for everything, and what it gets will put its peer in ERROR if that is one of
    /// its own kind: whoever causes this has a fault (7.3).
    fn schedule_sync(&mut self, why: &str) {
        self.sync_scheduled = true;
        self.upset.get_or_insert_with(|| why.to_owned());
    }

    fn heartbeat(&mut self, now: Time) {
        let due = match self.last_heartbeat {
            None => true,
            Some(at) => seconds(now) - at > self.settings.keepalive,
        };
        if due {
            self.last_heartbeat = Some(seconds(now));
            self.tell(Tlv::Heartbeat);
        }
    }

    fn tell(&mut self, tlv: Tlv) {
        let rg = self.settings.rg;
        self.send(Body::Application { rg, tlv });
    }

    fn send(&mut self, body: Body) {
        self.next_id += 1;
        let id = self.next_id;
        let application = matches!(body, Body::Application { .. });
        self.log.push_back((id, application));
        if self.log.len() > 128 {
            self.log.pop_front();
        }
        self.out.push(Message { id, body });
    }

    /// Everything of the session is reset (5, 9.2).
    fn disconnect(&mut self, plane: &mut Plane, now: Time) {
        if !self.socket {
            return;
        }
        let announced = self.warm_mark.take().is_some();
        if self.sonic() && !announced {
            self.session_lost(plane, now);
        } else if !self.sonic() {
            self.table
                .linux_session_lost(plane, self.settings.peer_link);
        }
        self.socket = false;
        self.eof = false;
        self.connection = Connection::Nonexistent;
        self.app = App::Init;
        self.inbox.clear();
        self.control.clear();
        self.application.clear();
        self.capability_seen = false;
        self.connect_seen = false;
        self.rg_error = None;
        self.disconnect_seen = false;
        self.asked = false;
        self.sync_scheduled = false;
        self.purges.clear();
        self.last_heartbeat = None;
        self.last_attempt = Some(seconds(now));
        self.remote.clear();
        self.table.queue.clear();
        self.neighbours_queued.clear();
    }

    /// SIGUSR1 (9.3): afterwards the process is gone.
    pub fn warm_reboot(&mut self) {
        if self.sonic() && self.app == App::Exchange {
            self.tell(Tlv::WarmBoot);
        }
    }

    pub fn table_len(&self) -> usize {
        self.table.len()
    }
}

/// Its clock knows whole seconds.
fn seconds(now: Time) -> u64 {
    now.since_origin().as_secs()
}
