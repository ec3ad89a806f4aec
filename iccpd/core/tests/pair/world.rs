//! The two chassis, their processes, and the wire between them.

use crate::kernel::{Kernel, Syncd};
use iccp_core::port_id::PortIds;
use iccp_core::{
    Batch, Config, Domain, Input, LagMember, Link, LinkKind, Notice, Output, PeerTraits, Time,
};
use mclag_proto::iccp::ext::{Extension, VERSION};
use mclag_proto::iccp::{Body, Message, Tlv};
use mclag_proto::sync::model::{Abilities, Event, FdbKey, Isolation, Op, OpError};
use mclag_proto::{AggregatorId, DomainId, IfName, Mac, Vid};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

pub const LATENCY: Duration = Duration::from_millis(1);
pub const BONDS: [&str; 2] = ["bond1", "bond2"];
pub const ORPHAN: &str = "swp10";
pub const PEER_LINK: &str = "peerlink";
const BRIDGE: u32 = 1;

/// What the model of `syncd` can do.
pub const ABILITIES: Abilities = Abilities {
    redirect: true,
    tracking: true,
    hold: true,
    pair: false,
    interfaces: false,
    neighbours: false,
    node_mac: false,
};

pub fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

pub fn host(number: u8) -> FdbKey {
    FdbKey {
        vid: Vid::DEFAULT,
        mac: Mac([2, 0, 0, 0, 1, number]),
    }
}

/// Which of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    A,
    B,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

enum OnWire {
    Up,
    Down,
    Message(Message),
}

/// What passes between `iccpd` and `syncd` of one chassis.
enum Local {
    Batch(Batch),
    Result {
        batch: u64,
        failures: Vec<(u32, OpError)>,
    },
    Event(Event),
}

pub struct Chassis {
    pub domain: Option<Domain>,
    pub syncd: Option<Syncd>,
    /// `syncd` is stopped: what it was sent waits.
    is_frozen: bool,
    unread: Vec<Batch>,
    pub kernel: Kernel,
    /// Links of each bond, and of the peer link, as the cables have them.
    pub bond_up: [bool; 2],
    /// Bonds with a leg whose other end says nothing.
    pub alone: [bool; 2],
    pub peer_link_up: bool,
    /// The bridge runs spanning tree.
    pub spanning_tree: bool,
    /// `syncd` lived when the bond went down, and since.
    could_hold: [bool; 2],
    /// What `syncd` says that it can do.
    pub abilities: Abilities,
    connected: bool,
    /// Inputs since it was asked last what is to be sent.
    taken: usize,
    local: VecDeque<(Time, Local)>,
    wire: VecDeque<(Time, OnWire)>,
    pub notices: Vec<Notice>,
}

/// The pair.
pub struct World {
    pub now: Time,
    pub chassis: [Chassis; 2],
    pub wire_cut: bool,
    /// How long messages to each side take; they stay in order.
    pub delay: [Duration; 2],
    /// Inputs that a daemon takes in before it is asked what is to be sent, as far as they come at
    /// once.
    pub turn: usize,
    config: fn(Side) -> Config,
    /// The version of the extensions that each chassis hears of the other.
    pub version: u16,
    /// What each chassis calls its bonds.
    pub bonds: [[&'static str; 2]; 2],
    /// Bonds whose halves are a port of each chassis alone.
    pub parted: [bool; 2],
    /// Bonds whose links came back on a chassis that could not hold them, its `syncd` being dead,
    /// or that had no reason to, being alone, or that had waited long enough: several failures at
    /// once, and until the peer has heard of it frames may be delivered twice.
    unheld: [bool; 2],
}

impl World {
    /// Two chassis with all cables plugged in and no process running.
    pub fn new() -> Self {
        let chassis = || Chassis {
            domain: None,
            syncd: None,
            is_frozen: false,
            unread: Vec::new(),
            kernel: Kernel::default(),
            bond_up: [true; 2],
            alone: [false; 2],
            peer_link_up: true,
            spanning_tree: false,
            could_hold: [true; 2],
            abilities: ABILITIES,
            connected: false,
            taken: 0,
            local: VecDeque::new(),
            wire: VecDeque::new(),
            notices: Vec::new(),
        };
        Self {
            now: Time::ZERO,
            chassis: [chassis(), chassis()],
            wire_cut: false,
            delay: [LATENCY; 2],
            turn: 1,
            version: VERSION,
            config,
            bonds: [BONDS; 2],
            parted: [false; 2],
            unheld: [false; 2],
        }
    }

    /// Everything running and synchronised.
    pub fn settled() -> Self {
        Self::settled_with(config)
    }

    /// Likewise, with these settings.
    pub fn settled_with(config: fn(Side) -> Config) -> Self {
        Self::settled_as(config, [BONDS; 2], [false; 2])
    }

    /// Likewise, with these bonds on each chassis, of which some are no halves of one port.
    pub fn settled_as(
        config: fn(Side) -> Config,
        bonds: [[&'static str; 2]; 2],
        parted: [bool; 2],
    ) -> Self {
        let mut world = Self {
            config,
            bonds,
            parted,
            ..Self::new()
        };
        for side in Side::BOTH {
            world.start_syncd(side);
            world.start_iccpd(side);
        }
        world.run_for(Duration::from_secs(5));
        for side in Side::BOTH {
            assert!(
                world.synchronised(side),
                "{side:?} is synchronised: {:?}",
                world.at(side).notices
            );
        }
        world
    }

    pub fn at(&self, side: Side) -> &Chassis {
        &self.chassis[side as usize]
    }

    pub fn at_mut(&mut self, side: Side) -> &mut Chassis {
        &mut self.chassis[side as usize]
    }

    /// What a chassis calls its bonds.
    pub fn bonds(&self, side: Side) -> [IfName; 2] {
        self.bonds[side as usize].map(name)
    }

    pub fn domain(&self, side: Side) -> &Domain {
        self.at(side).domain.as_ref().expect("iccpd runs")
    }

    pub fn synchronised(&self, side: Side) -> bool {
        let domain = self.at(side).domain.as_ref();
        domain.is_some_and(|d| d.status(self.now).session == mclag_proto::ctl::SessionState::Up)
    }

    pub fn start_iccpd(&mut self, side: Side) {
        if self.at(side).domain.is_some() {
            return;
        }
        self.at_mut(side).domain = Some(Domain::new((self.config)(side)));
        self.feed_links(side);
        self.connect_syncd(side);
    }

    /// Holds and isolations that are decided and not in force die with the process that was to see
    /// to them.
    fn note_lost_wishes(&mut self, side: Side) {
        for (bond, own) in self.bonds(side).into_iter().enumerate() {
            let isolates = |op: &Op| matches!(op, Op::Port { port, want } if *port == own && want.isolation == Isolation::On);
            let on_the_way = self.at(side).local.iter().any(|(_, local)| match local {
                Local::Batch(batch) => batch.ops.iter().any(isolates),
                Local::Result { .. } | Local::Event(_) => false,
            });
            if on_the_way && !self.at(side).kernel.isolated.contains(&own) {
                self.unheld[bond] = true;
            }
        }
        let interfaces = self
            .at(side)
            .domain
            .as_ref()
            .map(|domain| domain.interfaces(self.now));
        for port in interfaces.unwrap_or_default() {
            let bond = self.bonds(side).iter().position(|bond| *bond == port.name);
            let in_force = self.at(side).kernel.held.contains(&port.name);
            if let (Some(bond), true, false) = (bond, port.held, in_force) {
                self.unheld[bond] = true;
            }
        }
    }

    pub fn kill_iccpd(&mut self, side: Side) {
        self.note_lost_wishes(side);
        self.at_mut(side).domain = None;
        self.at_mut(side).local.clear();
        self.hang_up();
    }

    pub fn start_syncd(&mut self, side: Side) {
        if self.at(side).syncd.is_none() {
            self.at_mut(side).syncd = Some(Syncd::default());
            self.connect_syncd(side);
        }
    }

    pub fn kill_syncd(&mut self, side: Side) {
        self.note_lost_wishes(side);
        let chassis = self.at_mut(side);
        chassis.syncd = None;
        chassis.local.clear();
        chassis.could_hold = [false; 2];
        self.feed(side, Input::SyncdDown);
    }

    /// It stops, and restores the dataplane first, as it was configured to.
    pub fn stop_and_restore_syncd(&mut self, side: Side) {
        self.feed(side, Input::SyncdRestores);
        let kernel = &mut self.at_mut(side).kernel;
        kernel.isolated.clear();
        kernel.held.clear();
        self.kill_syncd(side);
    }

    /// SIGSTOP.
    pub fn freeze_syncd(&mut self, side: Side) {
        let chassis = self.at_mut(side);
        chassis.is_frozen = true;
        chassis.could_hold = [false; 2];
    }

    /// SIGCONT.
    pub fn thaw_syncd(&mut self, side: Side) {
        self.at_mut(side).is_frozen = false;
        for batch in std::mem::take(&mut self.at_mut(side).unread) {
            self.queue_local(side, Local::Batch(batch));
        }
        self.pump(side);
    }

    pub fn cut_wire(&mut self) {
        self.wire_cut = true;
        self.hang_up();
    }

    pub fn mend_wire(&mut self) {
        self.wire_cut = false;
    }

    pub fn set_bond(&mut self, side: Side, bond: usize, up: bool) {
        let own = self.bonds(side)[bond];
        let chassis = self.at_mut(side);
        let changed = std::mem::replace(&mut chassis.bond_up[bond], up) != up;
        if changed && !up {
            chassis.could_hold[bond] = chassis.syncd.is_some();
        }
        let unheld = !chassis.could_hold[bond] && !chassis.kernel.held.contains(&own);
        if changed && up && unheld {
            self.unheld[bond] = true;
        }
        let link = member(bond, up);
        self.feed(side, Input::Link(link));
    }

    /// A leg whose other end says nothing is plugged in or pulled.
    pub fn set_alone(&mut self, side: Side, bond: usize, alone: bool) {
        self.at_mut(side).alone[bond] = alone;
        self.feed(side, Input::Link(lone_member(bond, alone)));
    }

    pub fn set_peer_link(&mut self, up: bool) {
        // A chassis that loses session and peer link isolates everything, since that costs
        // nothing then; one whose processes are dead cannot.
        let dead = |c: &Chassis| c.domain.is_none() || c.syncd.is_none();
        if self.chassis.iter().any(dead) {
            self.unheld = [true; 2];
        }
        for side in Side::BOTH {
            self.at_mut(side).peer_link_up = up;
            self.feed(side, Input::Link(peer_link(up)));
        }
    }

    /// A frame from a host arrives on a port. The kernel drops what arrives on a port without
    /// carrier or on hold.
    pub fn frame(&mut self, side: Side, port: &str, key: FdbKey) {
        let port = name(port);
        if let Some(bond) = self.bonds(side).iter().position(|bond| *bond == port)
            && (!self.at(side).bond_up[bond] || self.at(side).kernel.held.contains(&port))
        {
            return;
        }
        self.at_mut(side).kernel.frame(key, port);
        self.pump(side);
    }

    pub fn age(&mut self, side: Side, key: FdbKey) {
        self.at_mut(side).kernel.age(key);
        self.pump(side);
    }

    /// Let time pass, event by event.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.end_turns();
            let next = self.next_event().filter(|at| *at <= end);
            let Some(at) = next else { break };
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    /// Nothing more comes at once: time is about to pass.
    fn end_turns(&mut self) {
        let now = self.now;
        for side in Side::BOTH {
            let more = self.next_of(side).is_some_and(|at| at <= now);
            if !more && std::mem::take(&mut self.at_mut(side).taken) > 0 {
                self.drain(side);
            }
        }
    }

    fn next_event(&self) -> Option<Time> {
        let next = Side::BOTH.into_iter().filter_map(|side| self.next_of(side));
        next.min()
    }

    fn next_of(&self, side: Side) -> Option<Time> {
        let chassis = self.at(side);
        let wire = chassis.wire.front().map(|(at, _)| *at);
        let local = chassis.local.front().map(|(at, _)| *at);
        let deadline = chassis.domain.as_ref().and_then(Domain::deadline);
        [wire, local, deadline].into_iter().flatten().min()
    }

    fn step(&mut self) {
        let now = self.now;
        for side in Side::BOTH {
            let chassis = self.at_mut(side);
            if chassis.wire.front().is_some_and(|(at, _)| *at <= now) {
                let (_, arrived) = chassis.wire.pop_front().expect("looked at above");
                self.arrive(side, arrived);
            } else if chassis.local.front().is_some_and(|(at, _)| *at <= now) {
                let (_, local) = chassis.local.pop_front().expect("looked at above");
                self.pass_local(side, local);
            } else if chassis
                .domain
                .as_ref()
                .and_then(Domain::deadline)
                .is_some_and(|at| at <= now)
            {
                self.feed(side, Input::Timeout);
            } else {
                continue;
            }
        }
        self.end_turns();
        // What lasts no time at all is not observable.
        if self.next_event().is_none_or(|at| at > now) {
            self.check();
        }
    }

    fn arrive(&mut self, side: Side, arrived: OnWire) {
        match arrived {
            OnWire::Up => self.feed(
                side,
                Input::PeerUp {
                    traits: PeerTraits::default(),
                },
            ),
            OnWire::Down => self.feed(
                side,
                Input::PeerDown {
                    reason: "end of file".into(),
                },
            ),
            OnWire::Message(message) => self.feed(side, Input::PeerMessage(message)),
        }
    }

    fn pass_local(&mut self, side: Side, local: Local) {
        let synchronised = self.synchronised(side);
        let bonds = self.bonds(side);
        let chassis = self.at_mut(side);
        match local {
            Local::Batch(batch) => {
                if chassis.is_frozen {
                    chassis.unread.push(batch);
                    return;
                }
                let Some(syncd) = &mut chassis.syncd else {
                    return;
                };
                let held = chassis.kernel.held.clone();
                let failures = syncd.apply(&batch.ops, &mut chassis.kernel);
                let now_held = &chassis.kernel.held;
                let let_go: Vec<IfName> = held.difference(now_held).copied().collect();
                for (bond, own) in bonds.iter().enumerate() {
                    // What an earlier run held, and nobody to ask: it has waited long enough.
                    self.unheld[bond] |= !synchronised && let_go.contains(own);
                }
                self.queue_local(
                    side,
                    Local::Result {
                        batch: batch.number,
                        failures,
                    },
                );
                self.pump(side);
            }
            Local::Result { batch, failures } => {
                self.feed(side, Input::SyncdResult { batch, failures });
            }
            Local::Event(event) => self.feed(side, Input::SyncdEvent(event)),
        }
    }

    fn queue_local(&mut self, side: Side, local: Local) {
        let at = self.now + LATENCY;
        self.at_mut(side).local.push_back((at, local));
    }

    /// Hand kernel events to the client, if there is one.
    fn pump(&mut self, side: Side) {
        let chassis = self.at_mut(side);
        let runs = chassis.domain.is_some() && !chassis.is_frozen;
        let (Some(syncd), true) = (&chassis.syncd, runs) else {
            return;
        };
        for event in syncd.events(&mut chassis.kernel) {
            self.queue_local(side, Local::Event(event));
        }
    }

    fn connect_syncd(&mut self, side: Side) {
        let chassis = self.at_mut(side);
        let (Some(syncd), true) = (&chassis.syncd, chassis.domain.is_some()) else {
            return;
        };
        let listing = syncd.greet(&mut chassis.kernel);
        let abilities = chassis.abilities;
        self.feed(
            side,
            Input::SyncdUp {
                abilities,
                backend: "model".into(),
                window: 8,
            },
        );
        for event in listing {
            self.queue_local(side, Local::Event(event));
        }
    }

    fn feed_links(&mut self, side: Side) {
        self.feed(side, Input::LinksBegin);
        self.feed(side, Input::Link(bridge()));
        let bond_up = self.at(side).bond_up;
        for (bond, text) in self.bonds[side as usize].into_iter().enumerate() {
            let running = !self.at(side).kernel.held.contains(&name(text));
            let lag = lag(bond, text);
            self.feed(side, Input::Link(Link { running, ..lag }));
            let member = match self.at(side).alone[bond] {
                true => lone_member(bond, true),
                false => member(bond, bond_up[bond]),
            };
            self.feed(side, Input::Link(member));
            let vids = [Vid::DEFAULT].into();
            self.feed(
                side,
                Input::Vlans {
                    index: lag_index(bond),
                    vids,
                },
            );
        }
        let up = self.at(side).peer_link_up;
        self.feed(side, Input::Link(peer_link(up)));
        self.feed(
            side,
            Input::Vlans {
                index: peer_link(up).index,
                vids: [Vid::DEFAULT].into(),
            },
        );
        self.feed(side, Input::LinksEnd);
    }

    pub fn feed(&mut self, side: Side, input: Input) {
        let now = self.now;
        let turn = self.turn;
        let chassis = self.at_mut(side);
        let Some(domain) = &mut chassis.domain else {
            return;
        };
        domain.handle(input, now);
        chassis.taken += 1;
        if chassis.taken >= turn {
            chassis.taken = 0;
            self.drain(side);
        } else {
            self.carry_out_all(side);
        }
    }

    fn carry_out_all(&mut self, side: Side) {
        while let Some(domain) = &mut self.at_mut(side).domain
            && let Some(output) = domain.poll_output()
        {
            self.carry_out(side, output);
        }
    }

    fn drain(&mut self, side: Side) {
        let now = self.now;
        loop {
            let Some(domain) = &mut self.at_mut(side).domain else {
                return;
            };
            if let Some(output) = domain.poll_output() {
                self.carry_out(side, output);
            } else if let Some(batch) = domain.poll_batch() {
                self.queue_local(side, Local::Batch(batch));
            } else if let Some(message) = domain.poll_peer_message(now) {
                self.send(side, message);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, side: Side, output: Output) {
        match output {
            Output::Connect => {
                let reachable = !self.wire_cut && self.at(side.other()).domain.is_some();
                if reachable {
                    self.hang_up();
                    for side in Side::BOTH {
                        self.at_mut(side).connected = true;
                        self.put_on_wire(side, OnWire::Up);
                    }
                } else {
                    self.put_on_wire(side, OnWire::Down);
                }
            }
            Output::Close {
                shutdown_notice, ..
            } => {
                for message in shutdown_notice {
                    self.send(side, message);
                }
                if std::mem::take(&mut self.at_mut(side).connected) {
                    self.at_mut(side.other()).connected = false;
                    self.put_on_wire(side.other(), OnWire::Down);
                }
            }
            Output::Notice(notice) => {
                if let Notice::AckTimeout { port } | Notice::Unanswered { port } = &notice {
                    let bond = self.bonds(side).iter().position(|bond| bond == port);
                    self.unheld[bond.expect("an MLAG port")] = true;
                }
                self.at_mut(side).notices.push(notice);
            }
        }
    }

    fn send(&mut self, side: Side, message: Message) {
        if let Body::Application {
            tlv: Tlv::InterfaceUpAck(ack),
            ..
        } = &message.body
        {
            self.check_ack(side, ack.id);
        }
        // One that has not heard of the connection yet speaks on the one before, which is gone.
        let wire = &self.at(side).wire;
        let is_new = wire.iter().any(|(_, what)| matches!(what, OnWire::Up));
        if self.at(side).connected && !is_new {
            let message = as_of_version(message, self.version);
            self.put_on_wire(side.other(), OnWire::Message(message));
        }
    }

    fn put_on_wire(&mut self, to: Side, what: OnWire) {
        let at = self.now + self.delay[to as usize];
        let wire = &mut self.at_mut(to).wire;
        let after = wire.back().map_or(at, |(at, _)| *at);
        wire.push_back((at.max(after), what));
    }

    /// The connection breaks; what was on the wire is lost.
    fn hang_up(&mut self) {
        for side in Side::BOTH {
            let chassis = self.at_mut(side);
            let was_connected = std::mem::take(&mut chassis.connected);
            let down_was_coming = chassis
                .wire
                .iter()
                .any(|(_, what)| matches!(what, OnWire::Down));
            chassis.wire.clear();
            if was_connected || down_was_coming {
                self.put_on_wire(side, OnWire::Down);
            }
        }
    }

    /// Invariant 2: never acknowledged before isolated.
    fn check_ack(&self, side: Side, id: AggregatorId) {
        // By the number that the other chassis gave it.
        let ids = match &self.at(side.other()).domain {
            Some(domain) => domain.config().clone(),
            None => (self.config)(side.other()),
        };
        let ids = PortIds::new(&ids.ports, &ids.port_ids);
        let is_it = |bond: &IfName| ids.of(bond).is_some_and(|own| own.number == id);
        let bond = self.bonds(side.other()).iter().position(is_it);
        if bond.is_some_and(|bond| self.parted[bond]) {
            return; // there is nothing to isolate
        }
        let port = bond.map(|bond| self.bonds(side)[bond]);
        let port = port.expect("only known ports are acknowledged");
        let isolated = &self.at(side).kernel.isolated;
        assert!(
            isolated.contains(&port),
            "{side:?} acknowledges {port} without isolating it"
        );
    }

    /// Invariants that hold at every moment.
    pub fn check(&self) {
        for bond in 0..BONDS.len() {
            let port = |side: Side| self.bonds(side)[bond];
            let passes = |side: Side| {
                let (c, port) = (self.at(side), port(side));
                let out = c.kernel.held.contains(&port) || c.kernel.released.contains(&port);
                c.bond_up[bond] && !out
            };
            if self.unheld[bond] || self.parted[bond] {
                continue;
            }
            // 1: a port that carries data on both chassis is isolated from the peer link on
            // both, or a flooded frame is delivered twice.
            if Side::BOTH.into_iter().all(passes) && self.chassis[0].peer_link_up {
                for side in Side::BOTH {
                    let (kernel, port) = (&self.at(side).kernel, port(side));
                    assert!(
                        kernel.isolated.contains(&port) || !kernel.filter_exists,
                        "{side:?}: {port} passes on both and is not isolated"
                    );
                }
            }
        }
        for side in Side::BOTH {
            self.check_table(side);
        }
    }

    /// 4: no address on the peer link while its own MLAG port is up here, once `syncd` had its turn. With spanning tree a
    /// port that is up here and does not forward counts as down.
    fn check_table(&self, side: Side) {
        let Some(domain) = &self.at(side).domain else {
            return;
        };
        let told = domain.syncd_is_idle() && domain.status(self.now).syncd.connected;
        let (lines, _) = domain.macs(None, usize::MAX);
        for line in lines {
            let origin = line.remote.or(line.local);
            if told
                && !self.at(side).spanning_tree
                && origin.is_some_and(|port| self.bonds(side).contains(&port))
            {
                assert_ne!(line.port, Some(name(PEER_LINK)), "{side:?}: {line:?}");
            }
            assert!(
                line.local.is_none() || line.remote.is_none() || line.local == line.remote,
                "{side:?}: two places at once: {line:?}"
            );
        }
    }
}

/// What one that speaks no newer version of the extensions announces.
fn as_of_version(mut message: Message, version: u16) -> Message {
    if let Body::Application { tlv, .. } = &mut message.body
        && let Tlv::Extension(Extension::Announce(announce)) = tlv
    {
        announce.version = version;
    }
    message
}

pub fn config(side: Side) -> Config {
    let address = |side: Side| IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1 + side as u8));
    Config {
        peer_link: Some(name(PEER_LINK)),
        ports: BONDS.iter().map(|bond| name(bond)).collect(),
        system_mac: Some(Mac([0x44, 0x38, 0x39, 0xff, 0, 1])),
        ..Config::new(
            DomainId::new(1).unwrap(),
            address(side),
            address(side.other()),
            name("br0"),
            Mac([2, 0, 0, 0, 0, side as u8]),
        )
    }
}

pub fn bridge() -> Link {
    Link {
        kind: LinkKind::Bridge,
        mac: None, // else both had the same
        ..plain(BRIDGE, "br0")
    }
}

fn lag_index(bond: usize) -> u32 {
    u32::try_from(bond).unwrap() + 10
}

/// The other end says nothing.
fn lone_member(bond: usize, up: bool) -> Link {
    let alone = up;
    Link {
        running: up,
        member: Some(LagMember {
            distributing: false,
            alone,
        }),
        ..member(bond, false)
    }
}

pub fn lag(bond: usize, text: &str) -> Link {
    let index = lag_index(bond);
    Link {
        kind: LinkKind::Lag {
            lacp: Some(true),
            partner: None,
            min_links: 0,
        },
        running: true,
        master: Some(BRIDGE),
        member: None,
        ..plain(index, text)
    }
}

pub fn member(bond: usize, up: bool) -> Link {
    let index = u32::try_from(bond).unwrap();
    Link {
        running: up,
        master: Some(index + 10),
        member: Some(LagMember {
            distributing: up,
            alone: false,
        }),
        ..plain(index + 20, &format!("swp{}", bond + 1))
    }
}

pub fn peer_link(up: bool) -> Link {
    Link {
        running: up,
        ..plain(30, PEER_LINK)
    }
}

fn plain(index: u32, text: &str) -> Link {
    Link {
        index,
        name: name(text),
        mac: Some(Mac([2, 0, 0, 0, 0xff, 0])),
        admin_up: true,
        running: true,
        master: None,
        kernel_name: None,
        blocked: false,
        kind: LinkKind::Other,
        member: None,
    }
}
