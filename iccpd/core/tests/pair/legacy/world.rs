//! One chassis of ours and a legacy one, and the wire between them.

use super::plane::{Plane, Report};
use super::wire::Pipe;
use super::{App, Daemon, Family, Settings, TURN};
use crate::kernel::{Kernel, Syncd};
use crate::world::{
    ABILITIES, BONDS, LATENCY, ORPHAN, PEER_LINK, bridge, config, lag, member, name, peer_link,
};
use iccp_core::{
    Batch, Config, Domain, Input, Link, LinkKind, NeighbourObservation, Notice, OnLoss, Output,
    Time,
};
use mclag_proto::iccp::{Body, Message, RgId, Tlv};
use mclag_proto::sync::model::{Abilities, Event, FdbKey, NeighbourKey};
use mclag_proto::{AggregatorId, IfName, Mac, Vid};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The layer-3 interface of the hosts' VLAN, on both.
pub const SVI: &str = "vlan1";
const SVI_INDEX: u32 = 40;

/// The older model knows of no neighbours.
const ABLE: Abilities = Abilities {
    neighbours: true,
    ..ABILITIES
};

/// A single-homed port of the legacy chassis.
pub const LEGACY_ORPHAN: &str = "swp20";

/// A wait that is longer than this is one for ever: one ack timeout without a session, one with.
const PATIENCE: Duration = Duration::from_secs(11);

/// What a foreign `mclagsyncd` takes, which answers nothing.
const SERVER_LAG: Duration = Duration::from_millis(30);

/// When our own `mclagsyncd` answers for it.
const SERVER_ANSWER: Duration = Duration::from_millis(50);

/// Which of the two chassis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum At {
    Us,
    Legacy,
}

impl At {
    pub const BOTH: [Self; 2] = [Self::Us, Self::Legacy];
}

enum OnWire {
    Up,
    Down,
    Message(Message),
}

/// What passes between `iccpd` and `syncd`.
enum Local {
    Batch(Batch),
    Result(u64),
    Event(Event),
}

/// Who is who.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub family: Family,
    /// We dial and are mLACP-active.
    pub active: bool,
    pub on_loss: OnLoss,
    /// Behind our `mclagsyncd` is a foreign one: what that was told is done [`SERVER_LAG`] later, and
    /// answered after [`SERVER_ANSWER`].
    pub foreign_server: bool,
}

impl Setup {
    /// Both families, both roles, both ways to take a loss.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            for active in [true, false] {
                for on_loss in [OnLoss::Hold, OnLoss::Release] {
                    all.push(Self {
                        family,
                        active,
                        on_loss,
                        foreign_server: false,
                    });
                }
            }
        }
        all
    }

    /// Until a batch is carried out, and from then on until it is answered.
    fn lag(self) -> (Duration, Duration) {
        match self.foreign_server {
            true => (SERVER_LAG, SERVER_ANSWER - SERVER_LAG),
            false => (LATENCY, LATENCY),
        }
    }

    pub fn config(&self) -> Config {
        let (low, high) = (Ipv4Addr::new(10, 255, 0, 1), Ipv4Addr::new(10, 255, 0, 2));
        let (local, peer) = if self.active {
            (low, high)
        } else {
            (high, low)
        };
        Config {
            local: IpAddr::V4(local),
            peer: IpAddr::V4(peer),
            system_mac: None,
            on_loss: self.on_loss,
            ..config(crate::world::Side::A)
        }
    }
}

pub struct World {
    pub now: Time,
    pub setup: Setup,
    pub config: Config,
    pub domain: Option<Domain>,
    pub syncd: Option<Syncd>,
    pub kernel: Kernel,
    pub bond_up: [bool; 2],
    exists: [bool; 2],
    /// Bonds of ours that are in no VLAN at present.
    bare: [bool; 2],
    local: VecDeque<(Time, Local)>,
    pub notices: Vec<Notice>,
    /// Inputs that our daemon takes in before it is asked what is to be sent, as far as they come at
    /// once.
    pub turn: usize,
    /// Inputs since it was asked last.
    taken: usize,
    /// We have a connection, as far as we know.
    connected: bool,
    pub legacy: Option<Daemon>,
    pub settings: Settings,
    pub plane: Plane,
    pub legacy_bond_up: [bool; 2],
    next_turn: Time,
    pub peer_link_up: bool,
    /// Nothing passes, and nobody is told.
    pub stalled: bool,
    to_us: VecDeque<(Time, OnWire)>,
    to_legacy: VecDeque<(Time, OnWire)>,
    pipes: [Pipe; 2],
    /// What was said, by either; no heartbeats.
    pub said: Vec<(At, Tlv)>,
    /// Message id of our last System Config.
    pub system_config_id: Option<u32>,
    /// More than single legs failed; until then nothing is promised about frames.
    disturbed_until: Time,
    /// Since when a port waits although its links are up, ours and theirs.
    waiting: [[Option<Time>; 2]; 2],
}

impl World {
    /// Everything running and synchronised.
    pub fn settled(setup: Setup) -> Self {
        Self::settled_with(setup, |_| {})
    }

    /// Likewise, after changing the settings of the legacy daemon.
    pub fn settled_with(setup: Setup, change: impl Fn(&mut Settings)) -> Self {
        let mut world = Self::started(setup, change);
        world.run_for(Duration::from_secs(10));
        assert!(world.synchronised(), "{setup:?}: {:?}", world.notices);
        world
    }

    /// Everything just started.
    pub fn started(setup: Setup, change: impl Fn(&mut Settings)) -> Self {
        let mut settings = Settings {
            family: setup.family,
            rg: RgId(1),
            active: !setup.active,
            keepalive: 1,
            timeout: 15,
            ports: BONDS.iter().map(|bond| name(bond)).collect(),
            bare: BTreeSet::new(),
            peer_link: name(PEER_LINK),
            system_mac: Mac([2, 0, 0, 0, 0, 0xee]),
            mute: false,
        };
        change(&mut settings);
        let mut world = Self {
            now: Time::ZERO,
            setup,
            config: setup.config(),
            domain: None,
            syncd: None,
            kernel: Kernel::default(),
            bond_up: [true; 2],
            exists: [true; 2],
            bare: [false; 2],
            local: VecDeque::new(),
            notices: Vec::new(),
            turn: 1,
            taken: 0,
            connected: false,
            legacy: None,
            settings,
            plane: Plane::default(),
            legacy_bond_up: [true; 2],
            next_turn: Time::ZERO,
            peer_link_up: true,
            stalled: false,
            to_us: VecDeque::new(),
            to_legacy: VecDeque::new(),
            pipes: [Pipe::new(setup.family), Pipe::new(setup.family)],
            said: Vec::new(),
            system_config_id: None,
            disturbed_until: Time::ZERO,
            waiting: [[None; 2]; 2],
        };
        world.start_syncd();
        world.start_us();
        world.start_legacy();
        world
    }

    pub fn sonic(&self) -> bool {
        self.setup.family == Family::Sonic
    }

    pub fn synchronised(&self) -> bool {
        let us = self.domain.as_ref().is_some_and(|domain| {
            domain.status(self.now).session == mclag_proto::ctl::SessionState::Up
        });
        us && self
            .legacy
            .as_ref()
            .is_some_and(|l| l.app() == App::Exchange)
    }

    pub fn disturb(&mut self) {
        self.disturbed_until = self.now + Duration::from_secs(12);
    }

    pub fn start_us(&mut self) {
        if self.domain.is_none() {
            self.disturb();
            self.waiting[0] = [None; 2]; // it does not know for how long
            self.domain = Some(Domain::new(self.config.clone()));
            self.feed_links();
            self.connect_syncd();
        }
    }

    pub fn kill_us(&mut self) {
        self.disturb();
        self.domain = None;
        self.local.clear();
        self.to_us.clear();
        if std::mem::take(&mut self.connected) {
            self.send_legacy(OnWire::Down);
        }
    }

    pub fn start_syncd(&mut self) {
        if self.syncd.is_none() {
            self.disturb();
            self.syncd = Some(Syncd::default());
            self.connect_syncd();
        }
    }

    pub fn kill_syncd(&mut self) {
        self.disturb();
        self.syncd = None;
        self.local.clear();
        self.feed(Input::SyncdDown);
    }

    pub fn start_legacy(&mut self) {
        if self.legacy.is_none() {
            self.disturb();
            let up = self.legacy_bond_up;
            let bond_up = |port: &IfName| up[bond_of(port).expect("a bond")];
            let mut daemon = Daemon::new(self.settings.clone(), bond_up, self.peer_link_up);
            // Nobody reconciles what an earlier run left in the dataplane (W-10): the model takes it
            // out, or a host would never be heard there again. What was learned is reported.
            self.plane.forget_installed();
            for (key, entry) in self.plane.fdb.clone() {
                let port = Some(entry.port());
                daemon.fdb_report(Report { key, port }, &mut self.plane);
            }
            self.legacy = Some(daemon);
            self.next_turn = self.now;
        }
    }

    /// Its process dies; its dataplane goes on as it is.
    pub fn kill_legacy(&mut self) {
        self.disturb();
        self.to_legacy.clear();
        if self.legacy.take().is_some_and(|daemon| daemon.connected()) {
            self.send_us(OnWire::Down);
        }
    }

    /// SIGUSR1.
    pub fn legacy_warm_reboot(&mut self) {
        if let Some(daemon) = &mut self.legacy {
            daemon.warm_reboot();
        }
        self.after_turn();
        self.kill_legacy();
    }

    pub fn stall(&mut self) {
        self.disturb();
        self.stalled = true;
    }

    pub fn unstall(&mut self) {
        self.disturb();
        self.stalled = false;
    }

    pub fn set_bond(&mut self, at: At, bond: usize, up: bool) {
        if self.setup.foreign_server && up {
            // LACP takes longer to come back than a server to hold the port.
            self.run_for(SERVER_LAG * 2);
        }
        match at {
            At::Us => {
                self.bond_up[bond] = up;
                if self.exists[bond] {
                    self.feed(Input::Link(member(bond, up)));
                }
            }
            At::Legacy => {
                self.legacy_bond_up[bond] = up;
                let port = name(BONDS[bond]);
                if let Some(daemon) = &mut self.legacy
                    && self.settings.ports.contains(&port)
                {
                    daemon.port_event(&port, up, &mut self.plane, self.now);
                }
                self.report();
            }
        }
    }

    /// The interface of an MLAG port of ours is deleted, with its member, or there again.
    pub fn set_exists(&mut self, bond: usize, yes: bool) {
        self.disturb();
        let (port, member) = (lag(bond, BONDS[bond]), member(bond, self.bond_up[bond]));
        if std::mem::replace(&mut self.exists[bond], yes) == yes {
            return;
        }
        if yes {
            let (index, vids) = (port.index, self.vids(bond));
            self.feed(Input::Link(port));
            self.feed(Input::Link(member));
            self.feed(Input::Vlans { index, vids });
        } else {
            self.feed(Input::LinkGone {
                index: member.index,
            });
            self.feed(Input::LinkGone { index: port.index });
        }
    }

    /// VLANs of a bond of ours.
    pub fn vids(&self, bond: usize) -> BTreeSet<Vid> {
        let vids = (!self.bare[bond]).then_some(Vid::DEFAULT);
        vids.into_iter().collect()
    }

    /// A bond leaves the VLAN of the hosts, or joins it again.
    pub fn set_vlan(&mut self, at: At, bond: usize, member: bool) {
        self.disturb();
        let port = name(BONDS[bond]);
        match at {
            At::Us => {
                if !member {
                    self.kernel.leave_vlan(port, Vid::DEFAULT);
                    self.pump();
                }
                self.bare[bond] = !member;
                if self.exists[bond] {
                    let (index, vids) = (lag(bond, BONDS[bond]).index, self.vids(bond));
                    self.feed(Input::Vlans { index, vids });
                }
            }
            At::Legacy => {
                match member {
                    true => self.settings.bare.remove(&port),
                    false => self.settings.bare.insert(port),
                };
                if !member {
                    self.plane.leave_vlan(port);
                }
                self.report();
                if let Some(daemon) = &mut self.legacy {
                    daemon.vlan_event(&port, member);
                }
            }
        }
    }

    pub fn set_peer_link(&mut self, up: bool) {
        self.disturb();
        self.peer_link_up = up;
        self.feed(Input::Link(peer_link(up)));
        if let Some(daemon) = &mut self.legacy {
            daemon.peer_link_event(up, &mut self.plane);
        }
        self.report();
    }

    /// A frame from a host arrives on a port; what is held or disabled takes none.
    pub fn frame(&mut self, at: At, port: &str, key: FdbKey) {
        let port = name(port);
        let bond = bond_of(&port);
        match at {
            At::Us => {
                let out = bond.is_some_and(|b| !self.bond_up[b] || !self.exists[b] || self.bare[b]);
                if !out && !self.kernel.held.contains(&port) {
                    self.kernel.frame(key, port);
                    self.pump();
                }
            }
            At::Legacy => {
                let bare = self.settings.bare.contains(&port);
                let out = bare || bond.is_some_and(|b| !self.legacy_bond_up[b]);
                if !out && !self.plane.disabled.contains(&port) {
                    self.plane.frame(key, port);
                    self.report();
                }
            }
        }
    }

    pub fn age(&mut self, at: At, key: FdbKey) {
        match at {
            At::Us => {
                self.kernel.age(key);
                self.pump();
            }
            At::Legacy => {
                self.plane.age(key);
                self.report();
            }
        }
    }

    fn report(&mut self) {
        let reports = std::mem::take(&mut self.plane.reports);
        if let Some(daemon) = &mut self.legacy {
            for report in reports {
                daemon.fdb_report(report, &mut self.plane);
            }
        }
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.end_turn();
            let next = self.next_event().filter(|at| *at <= end);
            let Some(at) = next else { break };
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
        self.check();
    }

    /// Nothing more comes for our daemon at once.
    fn end_turn(&mut self) {
        let wire = self.to_us.front().filter(|_| !self.stalled);
        let wire = wire.map(|(at, _)| *at);
        let local = self.local.front().map(|(at, _)| *at);
        let deadline = self.domain.as_ref().and_then(Domain::deadline);
        let next = [wire, local, deadline].into_iter().flatten().min();
        if next.is_none_or(|at| at > self.now) && std::mem::take(&mut self.taken) > 0 {
            self.drain();
        }
    }

    fn next_event(&self) -> Option<Time> {
        let wire = [&self.to_us, &self.to_legacy].map(|queue| queue.front().map(|(at, _)| *at));
        let wire = wire.into_iter().flatten().filter(|_| !self.stalled);
        let others = [
            self.local.front().map(|(at, _)| *at),
            self.domain.as_ref().and_then(Domain::deadline),
            self.legacy.as_ref().map(|_| self.next_turn),
            self.plane.deadline(),
        ];
        wire.chain(others.into_iter().flatten()).min()
    }

    fn step(&mut self) {
        let now = self.now;
        let due =
            |queue: &VecDeque<(Time, OnWire)>| queue.front().is_some_and(|(at, _)| *at <= now);
        if !self.stalled && due(&self.to_us) {
            if let Some((_, what)) = self.to_us.pop_front() {
                self.arrives(what);
            }
        } else if self.local.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, local)) = self.local.pop_front() {
                self.pass_local(local);
            }
        } else if !self.stalled && due(&self.to_legacy) {
            if let Some((_, what)) = self.to_legacy.pop_front() {
                self.arrives_at_legacy(what);
            }
        } else if self.plane.deadline().is_some_and(|at| at <= now) {
            self.plane.timeout(now);
        } else if self.legacy.is_some() && self.next_turn <= now {
            self.turn();
        } else {
            self.feed(Input::Timeout);
        }
        self.report();
        self.end_turn();
        if self.next_event().is_none_or(|at| at > now) {
            self.check();
        }
    }

    fn turn(&mut self) {
        let Some(daemon) = &mut self.legacy else {
            return;
        };
        daemon.turn(&mut self.plane, self.now);
        let busy = daemon.is_busy();
        self.next_turn = self.now + if busy { LATENCY } else { TURN };
        self.after_turn();
    }

    /// Carry out what the legacy daemon asked its shell for.
    fn after_turn(&mut self) {
        let Some(daemon) = &mut self.legacy else {
            return;
        };
        let out = std::mem::take(&mut daemon.out);
        let hang_up = std::mem::take(&mut daemon.hang_up);
        let dial = std::mem::take(&mut daemon.dial);
        for message in out {
            self.note(At::Legacy, &message);
            for message in self.pipes[0].legacy_says(&message) {
                self.send_us(OnWire::Message(message));
            }
        }
        if hang_up {
            self.disturb();
            self.send_us(OnWire::Down);
        }
        if dial && !self.stalled && self.domain.is_some() {
            self.connect();
        }
    }

    fn connect(&mut self) {
        self.pipes = [Pipe::new(self.setup.family), Pipe::new(self.setup.family)];
        self.to_us.clear();
        self.to_legacy.clear();
        self.connected = true;
        self.send_us(OnWire::Up);
        if let Some(daemon) = &mut self.legacy {
            daemon.socket_up(self.now);
        }
    }

    fn arrives(&mut self, what: OnWire) {
        match what {
            OnWire::Up => self.feed(Input::PeerUp {
                traits: self.setup.family.traits(),
            }),
            OnWire::Down => {
                self.disturb();
                self.connected = false;
                let reason = "end of file".to_owned();
                self.feed(Input::PeerDown { reason });
            }
            OnWire::Message(message) => self.feed(Input::PeerMessage(message)),
        }
    }

    fn arrives_at_legacy(&mut self, what: OnWire) {
        let Some(daemon) = self.legacy.as_mut().filter(|daemon| daemon.connected()) else {
            return; // of a connection that is gone
        };
        match what {
            OnWire::Up => {}
            OnWire::Down => {
                daemon.socket_down();
                self.next_turn = self.next_turn.min(self.now);
            }
            OnWire::Message(message) => {
                daemon.inbox.push_back(message);
                self.next_turn = self.next_turn.min(self.now);
            }
        }
    }

    fn send_us(&mut self, what: OnWire) {
        self.to_us.push_back((self.now + LATENCY, what));
    }

    fn send_legacy(&mut self, what: OnWire) {
        self.to_legacy.push_back((self.now + LATENCY, what));
    }

    fn pass_local(&mut self, local: Local) {
        match local {
            Local::Batch(batch) => {
                let (_, answered) = self.setup.lag();
                let Some(syncd) = &mut self.syncd else {
                    return;
                };
                let _ = syncd.apply(&batch.ops, &mut self.kernel);
                self.tell_neighbours();
                self.queue_local(answered, Local::Result(batch.number));
                self.pump();
            }
            Local::Result(batch) => self.feed(Input::SyncdResult {
                batch,
                failures: Vec::new(),
            }),
            Local::Event(event) => self.feed(Input::SyncdEvent(event)),
        }
    }

    fn queue_local(&mut self, delay: Duration, local: Local) {
        let at = self.now + delay;
        let behind = self.local.partition_point(|(other, _)| *other <= at);
        self.local.insert(behind, (at, local));
    }

    fn pump(&mut self) {
        if let (Some(syncd), true) = (&self.syncd, self.domain.is_some()) {
            for event in syncd.events(&mut self.kernel) {
                self.queue_local(LATENCY, Local::Event(event));
            }
        }
    }

    fn connect_syncd(&mut self) {
        let (Some(syncd), true) = (&self.syncd, self.domain.is_some()) else {
            return;
        };
        let listing = syncd.greet(&mut self.kernel);
        self.feed(Input::SyncdUp {
            abilities: Abilities {
                node_mac: false,
                ..ABLE
            },
            backend: "model".into(),
            window: 8,
        });
        for event in listing {
            self.queue_local(LATENCY, Local::Event(event));
        }
    }

    fn feed_links(&mut self) {
        self.feed(Input::LinksBegin);
        self.feed(Input::Link(bridge()));
        let vids: BTreeSet<Vid> = [Vid::DEFAULT].into();
        for (bond, text) in BONDS.iter().enumerate() {
            if !self.exists[bond] {
                continue;
            }
            let port = lag(bond, text);
            let (index, vids) = (port.index, self.vids(bond));
            self.feed(Input::Link(port));
            self.feed(Input::Link(member(bond, self.bond_up[bond])));
            self.feed(Input::Vlans { index, vids });
        }
        let link = peer_link(self.peer_link_up);
        let index = link.index;
        self.feed(Input::Link(link));
        self.feed(Input::Vlans { index, vids });
        let (vid, parent) = (Vid::DEFAULT, 1);
        let plain = peer_link(true);
        for (index, text, kind) in [
            (parent, "br0", LinkKind::Bridge),
            (SVI_INDEX, SVI, LinkKind::Vlan { vid, parent }),
        ] {
            let name = name(text);
            let link = plain.clone();
            self.feed(Input::Link(Link {
                index,
                name,
                kind,
                ..link
            }));
        }
        let addresses = ["192.0.2.1/24", "2001:db8::1/64"];
        let addresses = addresses.map(|address| address.parse().unwrap()).to_vec();
        let index = SVI_INDEX;
        self.feed(Input::Addresses { index, addresses });
        self.feed(Input::LinksEnd);
        self.feed(Input::NeighboursBegin);
        self.kernel.neighbour_events.clear();
        for (key, neighbour) in self.kernel.neighbours.clone() {
            self.neighbour(key, Some(Kernel::neighbour_observation(neighbour)));
        }
        self.feed(Input::NeighboursEnd);
    }

    fn neighbour(&mut self, key: NeighbourKey, observation: Option<NeighbourObservation>) {
        let (index, address) = (SVI_INDEX, key.address);
        self.feed(Input::Neighbour {
            index,
            address,
            observation,
        });
    }

    fn tell_neighbours(&mut self) {
        for (key, observation) in std::mem::take(&mut self.kernel.neighbour_events) {
            self.neighbour(key, observation);
        }
    }

    /// A neighbour answers one of the two, or no longer.
    pub fn resolve(&mut self, at: At, address: IpAddr, mac: Option<Mac>) {
        let interface = name(SVI);
        match at {
            At::Us => {
                self.kernel
                    .resolve(NeighbourKey { interface, address }, mac);
                self.tell_neighbours();
            }
            At::Legacy => {
                if let Some(daemon) = &mut self.legacy {
                    daemon.neighbour_event(interface, address, mac);
                }
            }
        }
    }

    /// What both have for an address.
    pub fn resolved(&self, address: IpAddr) -> [Option<Mac>; 2] {
        let interface = name(SVI);
        let here = self
            .kernel
            .neighbours
            .get(&NeighbourKey { interface, address });
        let there = self
            .legacy
            .as_ref()
            .and_then(|l| l.neighbours.get(&address));
        [here.map(|(mac, _)| *mac), there.map(|(_, mac)| *mac)]
    }

    pub fn feed(&mut self, input: Input) {
        let now = self.now;
        let Some(domain) = &mut self.domain else {
            return;
        };
        domain.handle(input, now);
        self.taken += 1;
        if self.taken >= self.turn {
            self.taken = 0;
            return self.drain();
        }
        while let Some(domain) = &mut self.domain
            && let Some(output) = domain.poll_output()
        {
            self.carry_out(output);
        }
    }

    /// Something that the legacy daemon did not say by itself.
    pub fn receive(&mut self, tlv: Tlv) {
        let body = Body::Application { rg: RgId(1), tlv };
        self.feed(Input::PeerMessage(Message { id: 9, body }));
    }

    /// Other settings for our daemon.
    pub fn configure(&mut self, change: impl Fn(&mut Config)) {
        self.disturb();
        change(&mut self.config);
        let config = Box::new(self.config.clone());
        self.feed(Input::Configure(config));
    }

    fn drain(&mut self) {
        while let Some(domain) = &mut self.domain {
            if let Some(output) = domain.poll_output() {
                self.carry_out(output);
            } else if let Some(batch) = domain.poll_batch() {
                let (delay, _) = self.setup.lag();
                self.queue_local(delay, Local::Batch(batch));
            } else if let Some(message) = domain.poll_peer_message(self.now) {
                self.send(&message);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect => {
                let free = self.legacy.as_ref().is_some_and(|l| !l.connected());
                if free && !self.stalled {
                    self.connect();
                } else {
                    self.send_us(OnWire::Down);
                }
            }
            Output::Close {
                shutdown_notice, ..
            } => {
                self.disturb();
                for message in shutdown_notice {
                    self.send(&message);
                }
                self.to_us.clear();
                if std::mem::take(&mut self.connected) {
                    self.send_legacy(OnWire::Down);
                }
            }
            Output::Notice(notice) => self.notices.push(notice),
        }
    }

    fn send(&mut self, message: &Message) {
        self.note(At::Us, message);
        if let Body::Application {
            tlv: Tlv::InterfaceUpAck(ack),
            ..
        } = &message.body
        {
            // Invariant 2: never acknowledged before isolated.
            let port = self
                .config
                .ports
                .iter()
                .find(|p| AggregatorId::of(p) == ack.id);
            let isolated = port.is_none_or(|port| self.kernel.isolated.contains(port));
            assert!(isolated, "{port:?} is acknowledged and not isolated");
        }
        if self.connected {
            for message in self.pipes[1].we_say(message) {
                self.send_legacy(OnWire::Message(message));
            }
        }
    }

    fn note(&mut self, at: At, message: &Message) {
        if let Body::Application { tlv, .. } = &message.body
            && !matches!(tlv, Tlv::Heartbeat)
        {
            if matches!((at, tlv), (At::Us, Tlv::SystemConfig(_))) {
                self.system_config_id = Some(message.id);
            }
            self.said.push((at, tlv.clone()));
        }
    }

    /// What holds at every moment.
    pub fn check(&mut self) {
        if let Some(daemon) = &self.legacy {
            assert_eq!(daemon.upset, None, "the legacy daemon was upset");
            assert_ne!(daemon.app(), App::Error);
        }
        for bond in 0..BONDS.len() {
            self.check_bond(bond);
        }
    }

    fn check_bond(&mut self, bond: usize) {
        let port = name(BONDS[bond]);
        let held = self.kernel.held.contains(&port) || self.kernel.released.contains(&port);
        let disabled = self.plane.disabled.contains(&port);
        // Neither waits for ever: not ours for a peer, and not theirs for us while all is well.
        let alive = self.syncd.is_some() && self.domain.is_some();
        let undisturbed = !self.stalled && self.disturbed_until <= self.now;
        let well = alive && self.synchronised() && undisturbed;
        let waits = [
            held && self.bond_up[bond]
                && self.exists[bond]
                && alive
                && self.config.ports.contains(&port),
            disabled && self.legacy_bond_up[bond] && well,
        ];
        for (side, waits) in waits.into_iter().enumerate() {
            let since = &mut self.waiting[side][bond];
            *since = if waits {
                since.or(Some(self.now))
            } else {
                None
            };
            let patient = since.is_none_or(|since| self.now - since < PATIENCE);
            assert!(patient, "{:?}: {port} waits for ever", At::BOTH[side]);
        }
        // Invariant 1; a linux-mclag chassis does not hold a port that comes back.
        let passes = self.bond_up[bond]
            && self.exists[bond]
            && !held
            && self.legacy_bond_up[bond]
            && !disabled;
        let both = self.config.ports.contains(&port) && self.settings.ports.contains(&port);
        if well && passes && both && self.peer_link_up && self.sonic() {
            assert!(
                self.kernel.isolated.contains(&port),
                "{port} is not isolated here"
            );
            assert!(
                self.plane.isolated.contains(&port),
                "{port} is not isolated there"
            );
        }
    }

    pub fn port_here(&self, key: FdbKey) -> Option<String> {
        self.kernel
            .fdb
            .get(&key)
            .map(|entry| entry.port().to_string())
    }

    pub fn port_there(&self, key: FdbKey) -> Option<String> {
        self.plane
            .fdb
            .get(&key)
            .map(|entry| entry.port().to_string())
    }

    pub fn said_by(&self, at: At, wanted: impl Fn(&Tlv) -> bool) -> usize {
        let said = self
            .said
            .iter()
            .filter(|(who, tlv)| *who == at && wanted(tlv));
        said.count()
    }
}

pub fn bond_of(port: &IfName) -> Option<usize> {
    BONDS.iter().position(|bond| name(bond) == *port)
}

/// Where a host is attached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    Orphan(At),
    Bond(usize),
}

impl World {
    /// A host speaks, a dual-homed one through `at`.
    pub fn speak(&mut self, place: Place, at: At, key: FdbKey) {
        match place {
            Place::Orphan(At::Us) => self.frame(At::Us, ORPHAN, key),
            Place::Orphan(At::Legacy) => self.frame(At::Legacy, LEGACY_ORPHAN, key),
            Place::Bond(bond) => self.frame(at, BONDS[bond], key),
        }
    }
}

impl World {
    /// A port leaves the domain of the legacy chassis.
    pub fn legacy_detach(&mut self, bond: usize) {
        let port = name(BONDS[bond]);
        if let Some(at) = self.settings.ports.iter().position(|p| *p == port) {
            self.disturb();
            self.settings.ports.remove(at);
            if let Some(daemon) = &mut self.legacy {
                daemon.detach(&port, &mut self.plane, self.now);
            } else {
                self.plane.disabled.remove(&port);
                self.plane.isolated.remove(&port);
            }
        }
    }

    /// A port joins it.
    pub fn legacy_attach(&mut self, bond: usize) {
        let port = name(BONDS[bond]);
        if !self.settings.ports.contains(&port) {
            self.disturb();
            self.settings.ports.push(port);
            let up = self.legacy_bond_up[bond];
            if let Some(daemon) = &mut self.legacy {
                daemon.attach(&port, up, &mut self.plane, self.now);
            }
        }
    }
}
