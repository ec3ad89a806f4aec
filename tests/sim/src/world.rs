//! Two chassis, their hosts, and the time they live in.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use iccp_core::{Batch, Config, Time};
use mclag_netlink::Event;
use mclag_proto::iccp::Message;
use mclag_proto::sync::model::FdbKey;
use mclag_proto::{DomainId, IfName, Mac, Vid};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use syncd::backend::BackendEvent;
use tokio::time::Instant;

mod faults;
mod frames;
mod health;
mod legs;
mod processes;
mod stops;

use crate::bounds::Kind;
use crate::check::Checks;
use crate::iccpd::Iccpd;
use crate::kernel::{BONDS, Kernel, ORPHAN, TAGGED, bond, bond_name, name};
use crate::lacp::{HostBond, HostBonds, Phase};
use crate::syncd::{Reply, Store, Syncd};

/// The index of each chassis.
pub const SIDES: [usize; 2] = [0, 1];

/// The least that can be set.
const BYPASS_AFTER: Duration = Duration::from_secs(3);

/// The stations that speak: two behind bonds, two behind ports of one chassis, one that moves about, and one behind a bond
/// that has the same address as that, in another VLAN.
pub const STATIONS: usize = 6;

/// The one that moves about.
pub const MOVER: usize = 4;

/// Where stations are attached.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// Behind the bond of a host, and so behind both chassis.
    Bond(usize),
    /// Behind a port of one chassis.
    Orphan(usize),
}

/// All of them.
pub const PLACES: [Place; BONDS + 2] = [
    Place::Bond(0),
    Place::Bond(1),
    Place::Orphan(0),
    Place::Orphan(1),
];

/// How a world differs from others from the start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// Draws delays.
    pub seed: u64,
    /// [`Config::restart_hold`] of both chassis.
    pub restart_hold: Duration,
    /// [`Config::session_timeout`] of both chassis.
    pub session_timeout: Duration,
    /// How often stations say something that have nothing to say.
    pub speaks_every: Duration,
    /// Ports serve hosts that do not speak LACP ([`Config::bypass`]).
    pub bypass: bool,
    /// Both bridges run spanning tree.
    pub spanning_tree: bool,
    /// No bond speaks LACP: hosts use every leg that has carrier.
    pub static_lags: bool,
    /// When each process starts for the first time, as in [`PROCESSES`].
    pub starts: [Duration; 4],
}

/// Each process, with its chassis.
pub const PROCESSES: [(usize, Process); 4] = [
    (0, Process::Syncd),
    (0, Process::Iccpd),
    (1, Process::Syncd),
    (1, Process::Iccpd),
];

/// Twice the least forward delay: how long a port waits on a bridge with spanning tree.
const FORWARDS_AFTER: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Timer {
    /// The bond looks at its member's carrier.
    Notice { side: usize, port: usize },
    /// LACP begins anew on a leg.
    Restart {
        side: usize,
        host: usize,
        generation: u64,
    },
    /// LACP has agreed on a leg.
    Agree {
        side: usize,
        host: usize,
        generation: u64,
    },
    /// LACP of a chassis has heard nothing on a leg for long.
    Expire {
        side: usize,
        host: usize,
        generation: u64,
    },
    /// A host has heard nothing of a chassis on a leg for long.
    Miss {
        side: usize,
        host: usize,
        silence: u64,
    },
    /// Spanning tree lets a port forward.
    Forward { side: usize, index: u32, wait: u64 },
    /// Tables age, and hosts that do not speak LACP look whether anybody answers.
    Second,
    /// Stations that have nothing to say say something.
    Speak,
}

/// What waits in a socket.
type Inbox<T> = VecDeque<(Time, T)>;

/// What a process reads of its kernel.
enum FromKernel<T> {
    Event(T),
    /// Others were lost: its buffer was full.
    Lost,
}

enum ToIccpd {
    /// With the interfaces that are called otherwise by the kernel.
    Up(u64, Vec<(u32, IfName)>),
    /// What was confirmed is undone.
    Restores(u64),
    Down(u64),
    Reply(u64, Reply),
}

enum ToSyncd {
    Hello(u64),
    Gone(u64),
    Batch(u64, Batch),
}

enum OnWire {
    Up(u64),
    Down(u64),
    Failed,
    Message(u64, Message),
}

/// One chassis.
pub struct Chassis {
    /// What outlives its processes.
    pub kernel: Kernel,
    /// The process that decides, if it runs.
    pub iccpd: Option<Iccpd>,
    /// The process that carries out, if it runs.
    pub syncd: Option<Syncd>,
    /// Whether they are stopped (`SIGSTOP`).
    pub is_frozen: [bool; 2],
    /// How long `mclagsyncd` takes for what it finds when it wakes up.
    pub pause: Duration,
    /// It is busy until then.
    busy_until: Time,
    /// It has power.
    pub is_on: bool,
    /// Since when it stands still.
    stalled_at: Time,
    /// What fell due meanwhile in its kernel, whose timers stand still, too, and how much of its time was left.
    stalled: Vec<(Duration, Timer)>,
    /// The settings that `iccpd` starts with.
    pub config: Config,
    /// When `iccpd` started the peer link had another name than in the settings, and nobody said so.
    pub has_lost_peer_link: bool,
    /// The same of MLAG ports.
    pub(crate) lost_ports: BTreeSet<usize>,
    /// Which of its processes took it out of the pair when they stopped, and have not started again.
    pub(crate) has_left: [bool; 2],
    store: Store,
    /// The connection between both processes, as each knows it.
    local: [Option<u64>; 2],
    /// The connection to the other chassis.
    wire: Option<u64>,
    from_kernel: Inbox<FromKernel<Event>>,
    from_bridge: Inbox<FromKernel<BackendEvent>>,
    to_iccpd: Inbox<ToIccpd>,
    to_syncd: Inbox<ToSyncd>,
    from_wire: Inbox<OnWire>,
}

/// Which process of a chassis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Process {
    /// The one that decides.
    Iccpd,
    /// The one that carries out.
    Syncd,
}

/// See the module's comment.
pub struct World {
    /// What time it is.
    pub now: Time,
    /// Both chassis.
    pub chassis: [Chassis; 2],
    /// The bonds of hosts.
    pub hosts: HostBonds,
    /// Where each station is.
    pub stations: [Place; STATIONS],
    /// At which chassis the cables of both MLAG ports are in each other's place.
    pub crossed: [bool; 2],
    /// The cable of the peer link.
    pub peer_cable: bool,
    /// The way of the session.
    pub wire_cut: bool,
    /// Until then what waited for the way of the session arrives, older than it says.
    late_until: Time,
    /// What is known of what may go wrong now, and what did.
    pub checks: Checks,
    /// What happened, if somebody wants to read it.
    pub trace: Option<Vec<String>>,
    pub(crate) options: Options,
    /// The legs that each host uses.
    legs: [[bool; 2]; BONDS],
    /// When each station said something last, having moved or not.
    pub(crate) spoke_at: [Option<Time>; STATIONS],
    /// The chassis on which that was no news, for the station was known there.
    is_no_news: [[bool; 2]; STATIONS],
    /// Until then the word of a move may be overtaken by an entry that is said anew.
    crossed_until: Time,
    timers: BinaryHeap<Reverse<(Time, u64, Timer)>>,
    count: u64,
    rng: TestRng,
    origin: Instant,
}

impl World {
    /// Two chassis with power and cables, and no process yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&options.seed.to_le_bytes());
        let chassis = |side: usize| Chassis {
            kernel: Kernel::boot(side, options),
            iccpd: None,
            syncd: None,
            is_frozen: [false; 2],
            pause: Duration::ZERO,
            busy_until: Time::ZERO,
            is_on: true,
            stalled_at: Time::ZERO,
            stalled: Vec::new(),
            config: config(side, options),
            has_lost_peer_link: false,
            lost_ports: BTreeSet::new(),
            has_left: [false; 2],
            store: Store::new(),
            local: [None; 2],
            wire: None,
            from_kernel: Inbox::new(),
            from_bridge: Inbox::new(),
            to_iccpd: Inbox::new(),
            to_syncd: Inbox::new(),
            from_wire: Inbox::new(),
        };
        let mut world = Self {
            now: Time::ZERO,
            chassis: [chassis(0), chassis(1)],
            hosts: [HostBond::new(options.static_lags); BONDS],
            stations: [
                Place::Bond(0),
                Place::Bond(1),
                Place::Orphan(0),
                Place::Orphan(1),
                Place::Orphan(0),
                Place::Bond(0),
            ],
            crossed: [false; 2],
            peer_cable: false,
            wire_cut: false,
            late_until: Time::ZERO,
            checks: Checks::new(match options.spanning_tree {
                true => FORWARDS_AFTER,
                false => Duration::ZERO,
            }),
            trace: None,
            options,
            legs: [[false; 2]; BONDS],
            spoke_at: [None; STATIONS],
            is_no_news: [[false; 2]; STATIONS],
            crossed_until: Time::ZERO,
            timers: BinaryHeap::new(),
            count: 0,
            rng: TestRng::from_seed(RngAlgorithm::ChaCha, &seed),
            origin: Instant::now(),
        };
        world.set_peer_link(true);
        for side in SIDES {
            world.chassis[side].kernel.set_cable(ORPHAN, true);
            for port in 0..BONDS {
                world.set_leg(side, port, true);
            }
        }
        world.after(Duration::from_secs(1), Timer::Second);
        world.after(options.speaks_every, Timer::Speak);
        world
    }

    /// Everything runs and is synchronised.
    #[must_use]
    pub fn settled(options: Options) -> Self {
        let mut world = Self::new(options);
        let mut starts: Vec<_> = options.starts.into_iter().zip(PROCESSES).collect();
        starts.sort_by_key(|(after, _)| *after);
        for (after, (side, process)) in starts {
            let passed = world.now.since_origin();
            world.run_for(after.saturating_sub(passed));
            world.start(side, process);
        }
        world.run_for(Duration::from_secs(20));
        for station in 0..STATIONS {
            world.speak(station);
        }
        world.run_for(Duration::from_secs(15));
        world
    }

    /// Write down what happens, if somebody wants to read it.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = self.now.since_origin().as_secs_f64();
            trace.push(format!("{at:11.6} {}", what()));
        }
    }

    fn jitter(&mut self, from_micros: u64, to_micros: u64) -> Duration {
        Duration::from_micros(from_micros + self.rng.next_u64() % (to_micros - from_micros))
    }

    fn after(&mut self, delay: Duration, timer: Timer) {
        self.count += 1;
        self.timers
            .push(Reverse((self.now + delay, self.count, timer)));
    }

    /// Let time pass, event by event.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while !self.checks.has_failed() {
            match self.next_time() {
                Some(at) if at <= end => {
                    if at > self.now {
                        self.check();
                    }
                    self.now = self.now.max(at);
                    self.step();
                }
                _ => break,
            }
        }
        self.check();
        self.now = end;
    }

    fn next_time(&self) -> Option<Time> {
        let timer = self.timers.peek().map(|Reverse((at, _, _))| *at);
        let processes = SIDES
            .into_iter()
            .flat_map(|side| [self.iccpd_wakes(side), self.syncd_wakes(side)]);
        processes.flatten().chain(timer).min()
    }

    fn iccpd_wakes(&self, side: usize) -> Option<Time> {
        let chassis = &self.chassis[side];
        let process = chassis.iccpd.as_ref()?;
        if chassis.is_frozen[0] || chassis.kernel.is_stalled {
            return None;
        }
        let wire = chassis.from_wire.front().filter(|_| !self.wire_cut);
        [
            front(&chassis.from_kernel),
            front(&chassis.to_iccpd),
            wire.map(|(at, _)| *at),
            process.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn syncd_wakes(&self, side: usize) -> Option<Time> {
        let chassis = &self.chassis[side];
        let process = chassis.syncd.as_ref()?;
        if chassis.is_frozen[1] || chassis.kernel.is_stalled {
            return None;
        }
        [
            front(&chassis.from_bridge),
            front(&chassis.to_syncd),
            process.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|at| at.max(chassis.busy_until))
    }

    fn step(&mut self) {
        while let Some(Reverse((at, _, timer))) = self.timers.peek().copied()
            && at <= self.now
        {
            self.timers.pop();
            self.fire(timer);
        }
        for side in SIDES {
            if self.syncd_wakes(side).is_some_and(|at| at <= self.now) {
                self.wake_syncd(side);
            }
            if self.iccpd_wakes(side).is_some_and(|at| at <= self.now) {
                self.wake_iccpd(side);
            }
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Speak => {
                for station in 0..STATIONS {
                    self.speak(station);
                }
                self.after(self.options.speaks_every, Timer::Speak);
            }
            Timer::Second => {
                let now = self.now;
                for side in SIDES {
                    if self.works(side) {
                        self.chassis[side].kernel.age(now);
                        self.kernel_moved(side);
                    }
                }
                for host in 0..BONDS {
                    self.look_for_an_answer(host);
                }
                self.after(Duration::from_secs(1), Timer::Second);
            }
            Timer::Notice { side, port } => self.notice(side, port),
            Timer::Forward { side, .. } | Timer::Expire { side, .. }
                if self.chassis[side].kernel.is_stalled =>
            {
                let chassis = &mut self.chassis[side];
                let left = self.now - chassis.stalled_at;
                chassis.stalled.push((left, timer));
            }
            // Nobody answers or waits; it begins anew when the chassis goes on.
            Timer::Agree { side, host, .. } | Timer::Expire { side, host, .. }
                if self.is_silent(side, host) => {}
            Timer::Forward { side, index, wait } => {
                if self.chassis[side].kernel.let_forward(index, wait) {
                    match (0..BONDS).find(|port| bond(*port) == index) {
                        Some(port) => self.touch_port(side, port, Kind::Leg),
                        None => self.touch_peer_link(Kind::PeerLink),
                    }
                    self.kernel_moved(side);
                }
            }
            Timer::Restart {
                side,
                host,
                generation,
            } => {
                if self.hosts[host].legs[side].generation == generation {
                    self.negotiate(side, host);
                }
            }
            Timer::Miss {
                side,
                host,
                silence,
            } => self.miss(side, host, silence),
            Timer::Expire {
                side,
                host,
                generation,
            } => {
                let leg = &mut self.hosts[host].legs[side];
                if leg.generation == generation {
                    match leg.phase {
                        Phase::Agreed(_) => self.negotiate(side, host),
                        _ => leg.phase = Phase::Alone,
                    }
                    self.select(host);
                }
            }
            Timer::Agree {
                side,
                host,
                generation,
            } => {
                let port = self.opposite(side, host);
                if self.hosts[host].legs[side].generation == generation
                    && let Some(actor) = self.chassis[side].kernel.actor(bond(port))
                {
                    self.hosts[host].legs[side].phase = Phase::Agreed(actor);
                    self.select(host);
                }
            }
        }
    }

    /// It has power, and runs.
    pub(crate) fn works(&self, side: usize) -> bool {
        self.chassis[side].is_on && !self.chassis[side].kernel.is_stalled
    }

    /// Something was done to a kernel: its events go on their way, and hosts see another system id.
    fn kernel_moved(&mut self, side: usize) {
        for host in 0..BONDS {
            let port = self.opposite(side, host);
            let actor = self.chassis[side].kernel.actor(bond(port));
            if let Phase::Agreed(shown) = self.hosts[host].legs[side].phase
                && actor.is_some_and(|actor| actor != shown)
                && !self.is_silent(side, host)
            {
                self.negotiate(side, host);
            }
        }
        for (index, wait) in std::mem::take(&mut self.chassis[side].kernel.to_forward) {
            self.after(FORWARDS_AFTER, Timer::Forward { side, index, wait });
        }
        let (to_iccpd, to_syncd) = {
            let kernel = &mut self.chassis[side].kernel;
            (
                std::mem::take(&mut kernel.for_iccpd),
                std::mem::take(&mut kernel.for_syncd),
            )
        };
        if to_iccpd.is_empty() && to_syncd.is_empty() {
            return;
        }
        let delays = [self.jitter(20, 2_000), self.jitter(20, 2_000)];
        let now = self.now;
        let chassis = &mut self.chassis[side];
        if chassis.iccpd.is_some() {
            to_iccpd
                .into_iter()
                .map(FromKernel::Event)
                .for_each(|event| push(&mut chassis.from_kernel, now + delays[0], event));
        }
        if chassis.syncd.is_some() {
            to_syncd
                .into_iter()
                .map(FromKernel::Event)
                .for_each(|event| push(&mut chassis.from_bridge, now + delays[1], event));
        }
    }
}

/// The address of a station, and its VLAN.
#[must_use]
pub fn key(station: usize) -> FdbKey {
    let (vid, number) = match station > MOVER {
        true => (TAGGED, MOVER),
        false => (Vid::DEFAULT, station),
    };
    let [.., low] = number.to_be_bytes();
    let mac = Mac([2, 0, 0, 0, 1, low]);
    FdbKey { vid, mac }
}

/// What people call a chassis.
#[must_use]
pub const fn letter(side: usize) -> char {
    if side == 0 { 'A' } else { 'B' }
}

fn front<T>(inbox: &Inbox<T>) -> Option<Time> {
    inbox.front().map(|(at, _)| *at)
}

/// What is sent later arrives later.
fn push<T>(inbox: &mut Inbox<T>, at: Time, what: T) {
    let last = inbox.back().map(|(at, _)| *at);
    inbox.push_back((last.map_or(at, |last| last.max(at)), what));
}

/// What is there of a kernel's events, and whether some were lost.
fn ready_events<T>(inbox: &mut Inbox<FromKernel<T>>, now: Time) -> (Vec<T>, bool) {
    let mut is_lost = false;
    let mut events = Vec::new();
    for item in ready(inbox, now) {
        match item {
            FromKernel::Event(event) => events.push(event),
            FromKernel::Lost => is_lost = true,
        }
    }
    (events, is_lost)
}

fn ready<T>(inbox: &mut Inbox<T>, now: Time) -> Vec<T> {
    let mut taken = Vec::new();
    while inbox.front().is_some_and(|(at, _)| *at <= now) {
        taken.extend(inbox.pop_front().map(|(_, what)| what));
    }
    taken
}

fn config(side: usize, options: Options) -> Config {
    let address = |side: usize| {
        let [.., low] = side.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1 + low))
    };
    let [.., low] = side.to_be_bytes();
    let ports = (0..BONDS).map(bond_name);
    // The model has one pair, and its number is one.
    let domain = DomainId::new(1).unwrap_or_else(|| unreachable!("1 is a domain id"));
    let ports: BTreeSet<IfName> = ports.collect();
    Config {
        peer_link: Some(name("peerlink")),
        bypass: ports.iter().copied().filter(|_| options.bypass).collect(),
        bypass_after: BYPASS_AFTER,
        ports,
        system_mac: Some(Mac([0x44, 0x38, 0x39, 0xff, 0, 1])),
        restart_hold: options.restart_hold,
        session_timeout: options.session_timeout,
        neighbours: false,
        ..Config::new(
            domain,
            address(side),
            address(1 - side),
            name("br0"),
            Mac([2, 0, 0, 0, 0, low]),
        )
    }
}
