//! Schedules of faults: drawn from a seed, run, and made small when they fail.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mclag_proto::AggregatorId;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::bounds::Kind;
use crate::check::Violation;
use crate::kernel::{
    BONDS, DeviceKind, Duty, Interface, Kernel, PEER_LINK, TAGGED, bond, bond_name, name,
};
use crate::world::{MOVER, Options, PLACES, Place, Process, SIDES, STATIONS, World, key};

/// How long everything has to agree after the last fault was mended: the peer's silence is noticed, what is remembered
/// of it expires, ports wait for an acknowledgement in vain.
const MENDED: Duration = Duration::from_secs(45);

/// One thing that happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Nothing, for so many milliseconds.
    Wait(u64),
    /// The leg of a host loses its cable or gets it back.
    Leg(usize, usize, bool),
    /// It loses it for so many milliseconds.
    Blink(usize, usize, u64),
    /// A host stops speaking LACP and uses the leg to this chassis, or speaks it again.
    Lacp(usize, usize, bool),
    /// The cables of both MLAG ports of a chassis are plugged in where the other one belongs, or where they belong.
    Cross(usize, bool),
    /// The peer link loses its cable or gets it back.
    PeerLink(bool),
    /// The way of the session is cut or mended.
    CutWire(bool),
    /// The session's connection breaks.
    ResetWire,
    /// A process starts.
    Start(usize, Process),
    /// A process is killed.
    Kill(usize, Process),
    /// A process stops because it is asked to, and takes the chassis out of the pair or leaves everything as it is.
    Stop(usize, Process, bool),
    /// A process is halted or goes on.
    Freeze(usize, Process, bool),
    /// What waits for a process to read of its kernel is lost.
    LoseEvents(usize, Process),
    /// `mclagsyncd` takes so many milliseconds for each thing it does.
    Slow(usize, u64),
    /// The kernel of a chassis refuses something, or does so no longer.
    Refuse(usize, Duty, bool),
    /// A chassis loses power or gets it back.
    Power(usize, bool),
    /// The wall clock of both chassis jumps by so many seconds. Nothing that decides knows of one, and so the model has none.
    Clock(i64),
    /// Nothing runs on a chassis any more, its kernel included, and its links stay up; or all goes on.
    Stall(usize, bool),
    /// The station that moves about is somewhere else.
    Move(Place),
    /// An operator flushes all rules.
    FlushRules(usize),
    /// An operator deletes the entry of a station.
    DeleteEntry(usize, usize),
    /// An operator deletes all entries that are not the bridge's own.
    FlushEntries(usize),
    /// An operator takes an MLAG port out of the bridge or puts it in.
    Bridge(usize, usize, bool),
    /// An operator takes an MLAG port out of the VLAN with a tag or puts it in.
    Vlan(usize, usize, bool),
    /// An operator says how many members an MLAG port needs.
    MinLinks(usize, usize, u32),
    /// An operator takes an interface down or up.
    Admin(usize, Interface, bool),
    /// An operator gives an MLAG port another name, or its own.
    Rename(usize, usize, bool),
    /// An operator takes an MLAG port out of the settings of a chassis or puts it back, and has them read again.
    Member(usize, usize, bool),
    /// An operator gives an MLAG port one of two ids in the settings of a chassis or none, and has them read again.
    PortId(usize, usize, Option<u16>),
    /// An operator gives the peer link another name, or its own.
    RenamePeerLink(usize, bool),
}

impl Step {
    /// The chassis that has to run for this to be done.
    const fn done_on(&self) -> Option<usize> {
        match self {
            Self::Start(side, _)
            | Self::Kill(side, _)
            | Self::Stop(side, _, _)
            | Self::Freeze(side, _, _)
            | Self::FlushRules(side)
            | Self::DeleteEntry(side, _)
            | Self::FlushEntries(side)
            | Self::Bridge(side, _, _)
            | Self::Vlan(side, _, _)
            | Self::MinLinks(side, _, _)
            | Self::Admin(side, _, _)
            | Self::Rename(side, _, _)
            | Self::Member(side, _, _)
            | Self::PortId(side, _, _)
            | Self::RenamePeerLink(side, _) => Some(*side),
            Self::Wait(_)
            | Self::Leg(..)
            | Self::Blink(..)
            | Self::Lacp(..)
            | Self::Cross(..)
            | Self::PeerLink(_)
            | Self::CutWire(_)
            | Self::ResetWire
            | Self::LoseEvents(..)
            | Self::Slow(..)
            | Self::Refuse(..)
            | Self::Power(..)
            | Self::Clock(_)
            | Self::Stall(..)
            | Self::Move(_) => None,
        }
    }
}

/// A world, and what happens in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// How the world begins.
    pub options: Options,
    /// What happens.
    pub steps: Vec<Step>,
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.options)?;
        for step in &self.steps {
            writeln!(f, "    {step:?},")?;
        }
        Ok(())
    }
}

fn side() -> impl Strategy<Value = usize> {
    0..2_usize
}

fn port() -> impl Strategy<Value = usize> {
    0..BONDS
}

fn process() -> impl Strategy<Value = Process> {
    prop_oneof![Just(Process::Iccpd), Just(Process::Syncd)]
}

fn duty() -> impl Strategy<Value = Duty> {
    use Duty::{Entries, Filter, Holds, Ports, SystemMacs};
    prop::sample::select(vec![Filter, Holds, SystemMacs, Ports, Entries])
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![port().prop_map(Place::Bond), side().prop_map(Place::Orphan)]
}

fn interface() -> impl Strategy<Value = Interface> {
    let port = port().prop_map(Interface::Port);
    prop_oneof![port, Just(Interface::PeerLink), Just(Interface::Bridge)]
}

/// Which of two ids an operator gives a port ([`given_id`]).
fn port_id() -> impl Strategy<Value = Option<u16>> {
    prop::sample::select(vec![None, Some(0), Some(1)])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => prop_oneof![0..20_u64, 0..500_u64, 0..20_000_u64, 10_000..40_000_u64].prop_map(Step::Wait),
        4 => (side(), port(), any::<bool>()).prop_map(|(s, p, up)| Step::Leg(s, p, up)),
        2 => (side(), port(), 1..1_500_u64).prop_map(|(s, p, millis)| Step::Blink(s, p, millis)),
        1 => (port(), side(), any::<bool>()).prop_map(|(host, leg, speaks)| Step::Lacp(host, leg, speaks)),
        1 => (side(), any::<bool>()).prop_map(|(s, crossed)| Step::Cross(s, crossed)),
        1 => any::<bool>().prop_map(Step::PeerLink),
        1 => any::<bool>().prop_map(Step::CutWire),
        1 => Just(Step::ResetWire),
        3 => (side(), process()).prop_map(|(s, p)| Step::Start(s, p)),
        3 => (side(), process()).prop_map(|(s, p)| Step::Kill(s, p)),
        2 => (side(), process(), any::<bool>()).prop_map(|(s, p, leaves)| Step::Stop(s, p, leaves)),
        2 => (side(), process(), any::<bool>()).prop_map(|(s, p, on)| Step::Freeze(s, p, on)),
        1 => (side(), process()).prop_map(|(s, p)| Step::LoseEvents(s, p)),
        1 => (side(), prop_oneof![Just(0_u64), 1..300_u64]).prop_map(|(s, millis)| Step::Slow(s, millis)),
        1 => (side(), duty(), any::<bool>()).prop_map(|(s, duty, on)| Step::Refuse(s, duty, on)),
        1 => (side(), any::<bool>()).prop_map(|(s, on)| Step::Power(s, on)),
        1 => prop::sample::select(vec![-86_400, -30, 30, 86_400]).prop_map(Step::Clock),
        1 => (side(), any::<bool>()).prop_map(|(s, on)| Step::Stall(s, on)),
        3 => place().prop_map(Step::Move),
        1 => side().prop_map(Step::FlushRules),
        1 => (side(), 0..STATIONS).prop_map(|(s, station)| Step::DeleteEntry(s, station)),
        1 => side().prop_map(Step::FlushEntries),
        1 => (side(), port(), any::<bool>()).prop_map(|(s, p, is)| Step::Bridge(s, p, is)),
        1 => (side(), port(), any::<bool>()).prop_map(|(s, p, is)| Step::Vlan(s, p, is)),
        1 => (side(), port(), prop_oneof![Just(0_u32), Just(2)])
            .prop_map(|(s, p, count)| Step::MinLinks(s, p, count)),
        2 => (side(), interface(), any::<bool>()).prop_map(|(s, which, up)| Step::Admin(s, which, up)),
        1 => (side(), port(), any::<bool>()).prop_map(|(s, p, own)| Step::Rename(s, p, own)),
        1 => (side(), port(), any::<bool>()).prop_map(|(s, p, is)| Step::Member(s, p, is)),
        1 => (side(), port(), port_id()).prop_map(|(s, p, id)| Step::PortId(s, p, id)),
        1 => (side(), any::<bool>()).prop_map(|(s, own)| Step::RenamePeerLink(s, own)),
    ]
}

/// Moves of a station faster than the word of each is passed on.
fn moves() -> impl Strategy<Value = Vec<Step>> {
    let moves = prop::collection::vec((place(), 0..15_u64), 2..6);
    moves.prop_map(|moves| {
        let steps = |(to, millis)| [Step::Move(to), Step::Wait(millis)];
        moves.into_iter().flat_map(steps).collect()
    })
}

/// A move while neither chassis hears of the other, and quiet afterwards.
fn move_apart() -> impl Strategy<Value = Vec<Step>> {
    let waits = (5_000..20_000_u64, 0..500_u64, 13_000..20_000_u64);
    (place(), waits).prop_map(|(to, (lost, moved, quiet))| {
        let before = [Step::CutWire(true), Step::Wait(lost)];
        let after = [Step::CutWire(false), Step::Wait(quiet)];
        let moves = [Step::Move(to), Step::Wait(moved)];
        [before, moves, after].concat()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![40 => step().prop_map(|step| vec![step]), 2 => moves(), 1 => move_apart()]
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let options = (
        any::<u64>(),
        prop_oneof![Just(10_u64), Just(90)],
        prop_oneof![Just(3_u64), Just(15)],
        prop_oneof![Just(1_u64), Just(25)],
        any::<bool>(),
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.2),
        prop_oneof![
            3 => Just([0_u64; 4]),
            1 => prop::array::uniform4(prop_oneof![0..2_000_u64, 0..40_000_u64]),
        ],
    );
    let steps = prop::collection::vec(steps(), 1..40).prop_map(|steps| steps.concat());
    (options, steps).prop_map(
        |(
            (
                seed,
                restart_hold,
                session_timeout,
                speaks_every,
                bypass,
                spanning_tree,
                static_lags,
                starts,
            ),
            steps,
        )| {
            let options = Options {
                seed,
                restart_hold: Duration::from_secs(restart_hold),
                session_timeout: Duration::from_secs(session_timeout),
                speaks_every: Duration::from_secs(speaks_every),
                bypass,
                spanning_tree,
                static_lags,
                starts: starts.map(Duration::from_millis),
            };
            Schedule { options, steps }
        },
    )
}

/// How a schedule went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What must not happen and did.
    pub violation: Option<Violation>,
    /// How much virtual time passed.
    pub lasted: Duration,
    /// How many frames were followed.
    pub frames: u64,
    /// What happened, in order, if it was asked for.
    pub trace: Vec<String>,
}

impl Schedule {
    /// The places that may get frames twice on a real kernel, whatever the moment: those that something is done to while
    /// a process or the session may be missing, and those that lose what keeps frames from being delivered twice.
    #[must_use]
    pub fn may_double(&self) -> BTreeSet<Place> {
        let is_unsafe = |step: &Step| {
            matches!(
                step,
                Step::Kill(..)
                    | Step::Stop(..)
                    | Step::Freeze(..)
                    | Step::CutWire(true)
                    | Step::ResetWire
                    | Step::Power(..)
            )
        };
        let several = self.steps.iter().any(is_unsafe);
        let all = || PLACES.to_vec();
        let bond = |port: usize| vec![Place::Bond(port)];
        let places = self.steps.iter().flat_map(|step| match step {
            Step::FlushRules(_) | Step::RenamePeerLink(..) => all(),
            Step::Rename(_, port, _) | Step::Member(_, port, _) | Step::PortId(_, port, _) => {
                bond(*port)
            }
            // Whose port it is may have changed by then.
            Step::Cross(..)
            | Step::PeerLink(_)
            | Step::Admin(_, Interface::PeerLink | Interface::Bridge, _)
            | Step::Power(..)
                if several =>
            {
                all()
            }
            Step::Leg(_, port, _)
            | Step::Blink(_, port, _)
            | Step::Bridge(_, port, _)
            | Step::Admin(_, Interface::Port(port), _)
            | Step::MinLinks(_, port, _)
                if several =>
            {
                bond(*port)
            }
            _ => Vec::new(),
        });
        places.collect()
    }

    /// Run it.
    #[must_use]
    pub fn run(&self, with_trace: bool) -> Outcome {
        let ran = catch_unwind(AssertUnwindSafe(|| self.run_unguarded(with_trace)));
        ran.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Outcome {
                violation: Some(Violation {
                    at: iccp_core::Time::ZERO,
                    what: format!("a process panicked: {}", text.unwrap_or_default()),
                }),
                ..Outcome::default()
            }
        })
    }

    fn run_unguarded(&self, with_trace: bool) -> Outcome {
        let mut world = World::settled(self.options);
        if with_trace {
            world.trace = Some(Vec::new());
        }
        for step in &self.steps {
            world.note(|| format!("-- {step:?}"));
            world.happen(*step);
            if world.checks.has_failed() {
                break;
            }
        }
        if !world.checks.has_failed() {
            world.mend();
            world.check_mended();
        }
        if !world.checks.has_failed() {
            world.restart_all();
        }
        Outcome {
            violation: world.checks.violation().cloned(),
            lasted: world.now.since_origin(),
            frames: world.checks.frames,
            trace: world.trace.take().unwrap_or_default(),
        }
    }
}

/// The schedule of a seed, and smaller ones like it.
pub struct Drawn {
    tree: Box<dyn ValueTree<Value = Schedule>>,
}

impl Drawn {
    /// The schedule of this seed.
    ///
    /// # Errors
    ///
    /// When none can be drawn, which does not happen.
    pub fn from_seed(seed: u64) -> anyhow::Result<Self> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let tree = schedule()
            .boxed()
            .new_tree(&mut runner)
            .map_err(|error| anyhow::anyhow!("cannot draw a schedule: {error}"))?;
        Ok(Self {
            tree: Box::new(tree),
        })
    }

    /// What was drawn.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.tree.current()
    }

    /// A smaller one that fails, too, after at most so many runs.
    #[must_use]
    pub fn smallest_failing(mut self, runs: usize) -> Schedule {
        let mut smallest = self.schedule();
        for _ in 0..runs {
            let fails = self.schedule().run(false).violation.is_some();
            if fails {
                smallest = self.schedule();
            }
            let has_more = match fails {
                true => self.tree.simplify(),
                false => self.tree.complicate(),
            };
            if !has_more {
                break;
            }
        }
        without_needless(smallest)
    }
}

/// Steps were taken out when others were still large: now more of them may do without.
fn without_needless(mut schedule: Schedule) -> Schedule {
    loop {
        let count = schedule.steps.len();
        for index in (0..count).rev() {
            let mut shorter = schedule.clone();
            shorter.steps.remove(index);
            if shorter.run(false).violation.is_some() {
                schedule = shorter;
            }
        }
        if schedule.steps.len() == count {
            return schedule;
        }
    }
}

/// The id that an operator gives an MLAG port: one that no other port has or derives.
#[must_use]
pub fn given_id(port: usize, id: u16) -> AggregatorId {
    let first = if port == 0 { 100 } else { 200 };
    AggregatorId(first + id)
}

impl World {
    /// Let one step happen.
    pub fn happen(&mut self, step: Step) {
        let now = self.now;
        if step
            .done_on()
            .is_some_and(|side| self.chassis[side].kernel.is_stalled)
        {
            return;
        }
        match step {
            Step::Wait(millis) => self.run_for(Duration::from_millis(millis)),
            Step::Leg(side, port, up) => self.set_leg(side, port, up),
            Step::Blink(side, port, millis) => {
                self.set_leg(side, port, false);
                self.run_for(Duration::from_millis(millis));
                self.set_leg(side, port, true);
            }
            Step::Lacp(host, leg, speaks) => {
                let lone = (!speaks).then_some(leg);
                self.set_lone(host, lone);
            }
            Step::Cross(side, crossed) => self.cross(side, crossed),
            Step::PeerLink(up) => self.set_peer_link(up),
            Step::CutWire(cut) => self.cut_wire(cut),
            Step::ResetWire => self.reset_wire(),
            Step::Start(side, process) => self.start(side, process),
            Step::Kill(side, process) => self.kill(side, process),
            Step::Stop(side, process, leaves) => self.stop(side, process, leaves),
            Step::Freeze(side, process, frozen) => self.freeze(side, process, frozen),
            Step::LoseEvents(side, process) => self.lose_events(side, process),
            Step::Slow(side, millis) => self.slow_down(side, Duration::from_millis(millis)),
            Step::Refuse(side, duty, refused) => self.refuse(side, duty, refused),
            Step::Clock(_) => {}
            Step::Stall(side, true) => self.stall(side),
            Step::Stall(side, false) => self.go_on(side),
            Step::Power(side, false) => self.power_off(side),
            Step::Power(side, true) => self.power_on(side),
            Step::Move(place) => self.move_station(MOVER, place),
            Step::FlushRules(side) => {
                self.checks.expose_all(Kind::Rules, now);
                self.operate(side, |kernel| kernel.flush_rules());
            }
            Step::DeleteEntry(side, station) => {
                self.operate(side, |kernel| kernel.delete_entry(key(station)));
                self.checks.displace_station(station, self.now);
                self.cross_moves(Duration::ZERO);
            }
            Step::FlushEntries(side) => {
                self.operate(side, Kernel::flush_entries);
                self.forget_stations();
            }
            Step::Bridge(side, port, is_port) => {
                self.touch_port(side, port, Kind::Leg);
                self.operate(side, |kernel| kernel.set_bridge_port(bond(port), is_port));
            }
            Step::Vlan(side, port, is_tagged) => {
                self.operate(side, |kernel| kernel.set_tagged(bond(port), is_tagged));
                let place = Place::Bond(self.opposite(side, port));
                for station in 0..STATIONS {
                    if key(station).vid == TAGGED && self.stations[station] == place {
                        self.checks.displace_station(station, now);
                    }
                }
            }
            Step::MinLinks(side, port, count) => {
                match self.chassis[side].kernel.is_held(bond(port)) {
                    // That knows of no hold, and takes it away.
                    true => self.expose_port(side, port, Kind::Leg),
                    false => self.touch_port(side, port, Kind::Leg),
                }
                self.operate(side, |kernel| kernel.set_min_links(bond(port), count));
            }
            Step::Admin(side, interface, up) => self.set_admin(side, interface, up),
            Step::Rename(side, port, is_own) => {
                let own = bond_name(port);
                match self.is_followed(side, bond(port), &own) {
                    true => self.bare_port(side, port),
                    false => self.expose_port(side, port, Kind::Pairing),
                }
                let to = match is_own {
                    true => own,
                    false => name(&format!("other{}", port + 1)),
                };
                self.operate(side, |kernel| kernel.rename(bond(port), to));
                if is_own {
                    self.chassis[side].lost_ports.remove(&port);
                }
            }
            Step::Member(side, port, is_member) => {
                let ports = &self.chassis[side].config.ports;
                if ports.contains(&bond_name(port)) == is_member {
                    return;
                }
                self.expose_port(side, port, Kind::Pairing);
                // Where its frames go without carrier changes, and with that the kernel forgets what it learned there.
                self.displace_stations(self.opposite(side, port));
                self.configure(side, |config| {
                    let port = bond_name(port);
                    match is_member {
                        true => config.ports.insert(port),
                        false => config.ports.remove(&port),
                    };
                });
            }
            Step::PortId(side, port, id) => {
                let id = id.map(|id| given_id(port, id));
                let ids = &self.chassis[side].config.port_ids;
                if ids.get(&bond_name(port)) == id.as_ref() {
                    return;
                }
                self.expose_port(side, port, Kind::Pairing);
                self.configure(side, |config| {
                    match id {
                        Some(id) => config.port_ids.insert(bond_name(port), id),
                        None => config.port_ids.remove(&bond_name(port)),
                    };
                });
            }
            Step::RenamePeerLink(side, is_own) => {
                let own = name("peerlink");
                if self.is_followed(side, PEER_LINK, &own) {
                    for place in PLACES {
                        self.checks.bare(place, Kind::Rules, now);
                    }
                } else {
                    self.touch_peer_link(Kind::PeerLink);
                    self.checks.expose_all(Kind::PeerLink, now);
                }
                let to = if is_own { own } else { name("otherlink") };
                self.operate(side, |kernel| kernel.rename(PEER_LINK, to));
                self.chassis[side].has_lost_peer_link &= !is_own;
            }
        }
    }

    /// Mend everything, and let every station speak.
    pub fn mend(&mut self) {
        self.note(|| "-- everything is mended".to_owned());
        self.cut_wire(false);
        for host in 0..BONDS {
            self.set_lone(host, None);
        }
        for side in SIDES {
            self.power_on(side);
            self.go_on(side);
            self.cross(side, false);
            self.happen(Step::RenamePeerLink(side, true));
            self.happen(Step::Admin(side, Interface::Bridge, true));
            self.happen(Step::Admin(side, Interface::PeerLink, true));
            self.happen(Step::Slow(side, 0));
            for duty in self.chassis[side].kernel.refuses.clone() {
                self.refuse(side, duty, false);
            }
            for process in [Process::Iccpd, Process::Syncd] {
                self.freeze(side, process, false);
                self.start(side, process);
            }
            for port in 0..BONDS {
                self.happen(Step::Admin(side, Interface::Port(port), true));
                self.happen(Step::Rename(side, port, true));
                self.happen(Step::Member(side, port, true));
                self.happen(Step::PortId(side, port, None));
                self.happen(Step::Bridge(side, port, true));
                self.happen(Step::Vlan(side, port, true));
                self.happen(Step::MinLinks(side, port, 0));
                self.set_leg(side, port, true);
            }
        }
        self.set_peer_link(true);
        self.run_for(MENDED);
        for station in 0..STATIONS {
            self.speak(station);
        }
        self.run_for(Duration::from_secs(15));
    }

    /// A process that is restarted finds everything as it left it: no frame is lost or delivered twice.
    pub fn restart_all(&mut self) {
        for side in SIDES {
            for process in [Process::Iccpd, Process::Syncd] {
                self.note(|| format!("-- restart of {process:?} on chassis {side}"));
                // What nobody speaks for ages meanwhile.
                for station in 0..STATIONS {
                    self.speak(station);
                }
                // Not when the tables age: what aged on one chassis is installed as soon as the other one is asked.
                self.run_for(Duration::from_millis(1_500));
                let before = self.dataplane();
                self.kill(side, process);
                self.run_for(Duration::from_secs(2));
                self.start(side, process);
                self.run_for(Duration::from_secs(20));
                let after = self.dataplane();
                if before != after {
                    let now = self.now;
                    let what = format!("another dataplane after a restart: {before:?} {after:?}");
                    self.checks.fail(now, what);
                }
            }
        }
    }

    /// What is set on both kernels, whatever hosts do.
    fn dataplane(&self) -> Vec<String> {
        let of = |side: usize| {
            let kernel = &self.chassis[side].kernel;
            let ports = kernel.devices.values();
            let ports = ports.map(|device| {
                let bond = match device.kind {
                    DeviceKind::Bond { min_links, actor } => Some((min_links, actor)),
                    _ => None,
                };
                format!("{:?} {:?} {bond:?}", device.name, device.port)
            });
            let filter = format!("{:?}", kernel.filter);
            let fdb = kernel.fdb.iter();
            let fdb = fdb.map(|(key, entry)| format!("{} {} {}", key.vid, key.mac, entry.port));
            ports.chain([filter]).chain(fdb).collect::<Vec<_>>()
        };
        SIDES.into_iter().flat_map(of).collect()
    }
}
