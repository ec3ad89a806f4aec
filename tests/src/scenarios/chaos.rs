//! Schedules of the simulator on a real kernel.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mclag_proto::addr::Mac;
use mclag_sim::kernel::Interface;
use mclag_sim::schedule::{Drawn, Schedule, Step, given_id};
use mclag_sim::world::{MOVER, PLACES, Place, Process};
use nix::sys::signal::Signal;

use crate::kernel;
use crate::mlag::{Mlag, Which, run_directory};
use crate::netns::NetNs;
use crate::scenario::{Ctx, Scenario};
use crate::topology::{
    BRIDGE, CONTROL, Host, Options, PEER_LINK, Side, TAGGED, UNTAGGED, bond_name, member_name,
};
use crate::traffic::{BROADCAST, Port, Receiver, Sender, Stream};
use crate::vm;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "chaos_doubles_no_frame_and_leaves_no_trace",
    about: "Schedules that the simulator draws happen here: daemons are killed and stopped, cables pulled and crossed, ports renamed, \
            moved out of the bridge and out of the settings, interfaces taken down, rules flushed, entries deleted, ids given, clocks set, chassis switched off, in random \
            order, while every host sends to everybody and to every other host. No frame arrives twice and none comes back, \
            but where several faults at once excuse it; when all is mended, every frame arrives once, and the dataplane is \
            the one from before. MCLAG_LAB_SEED and MCLAG_LAB_COUNT choose the schedules.",
    limit: Duration::from_secs(24 * 3600),
    run: chaos_doubles_no_frame_and_leaves_no_trace,
}];

/// Frames a second of each stream.
const RATE: u32 = 50;

/// The longest that a schedule waits here where it says to wait: the clock of this machine is everybody's.
const MOST_WAIT: Duration = Duration::from_secs(8);

/// The station that moves about.
const MOVER_MAC: Mac = Mac([0x02, 0, 0, 0, 0x99, 1]);

/// What begins the settings of one port.
const PORT: &str = "[[domain.port]]";

/// What programs of the session find where its connection is broken.
const RESET: &str = "mclag_lab_reset";

fn chaos_doubles_no_frame_and_leaves_no_trace(ctx: &mut Ctx) -> Result<()> {
    let draw = ctx.draw();
    let mut chaos = Chaos::up(ctx)?;
    for seed in draw.seed..draw.seed.saturating_add(draw.count) {
        let schedule = Drawn::from_seed(seed)?.schedule();
        let outcome = schedule.run(false);
        ensure!(
            outcome.violation.is_none(),
            "seed {seed}: the simulator finds a violation: {:?}",
            outcome.violation
        );
        ctx.log(format!("seed {seed}: {} steps", schedule.steps.len()));
        chaos
            .run(&schedule)
            .with_context(|| format!("seed {seed}: {schedule}"))?;
    }
    Ok(())
}

/// What is set of an MLAG port on one chassis.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Member {
    /// It is one.
    is_one: bool,
    /// It was given this id.
    id: Option<u16>,
}

impl Member {
    const USUAL: Self = Self {
        is_one: true,
        id: None,
    };
}

/// A pair, and what was done to it.
struct Chaos<'a> {
    ctx: &'a Ctx,
    mlag: Mlag,
    crossed: [bool; 2],
    off: [bool; 2],
    frozen: [[bool; 2]; 2],
    running: [[bool; 2]; 2],
    /// Names of the MLAG ports.
    names: [[String; 2]; 2],
    in_bridge: [[bool; 2]; 2],
    /// What is set of the MLAG ports.
    members: [[Member; 2]; 2],
    peer_links: [String; 2],
    /// The cable of the peer link is plugged in.
    peer_cable: bool,
    /// What operators took down.
    down: BTreeSet<(usize, Interface)>,
    /// How far the wall clock is ahead, in seconds.
    clock: i64,
}

impl<'a> Chaos<'a> {
    fn up(ctx: &'a Ctx) -> Result<Self> {
        Ok(Self {
            ctx,
            mlag: Mlag::up(ctx, Options::with_hosts(2))?,
            crossed: [false; 2],
            off: [false; 2],
            frozen: [[false; 2]; 2],
            running: [[true; 2]; 2],
            names: [0, 1].map(|_| [0, 1].map(|port| bond_name(port + 1))),
            in_bridge: [[true; 2]; 2],
            members: [[Member::USUAL; 2]; 2],
            peer_links: [0, 1].map(|_| PEER_LINK.to_owned()),
            peer_cable: true,
            down: BTreeSet::new(),
            clock: 0,
        })
    }

    fn run(&mut self, schedule: &Schedule) -> Result<()> {
        let before = self.ports()?;
        let traffic = Traffic::start(&self.mlag)?;
        for step in &schedule.steps {
            self.happen(*step).with_context(|| format!("{step:?}"))?;
        }
        self.mend()?;
        traffic.stop(self.ctx, &schedule.may_double())?;
        self.mlag.check()?;
        let after = self.ports()?;
        ensure!(after == before, "{after:#?}\nbefore: {before:#?}");
        // Now nothing is lost, either.
        let traffic = Traffic::start(&self.mlag)?;
        thread::sleep(Duration::from_secs(1));
        traffic.stop_complete()
    }

    fn ports(&self) -> Result<[Vec<String>; 2]> {
        let [a, b] = Side::BOTH.map(|side| self.mlag.dataplane(side));
        Ok([a?.ports, b?.ports])
    }

    fn ns(&self, side: usize) -> &NetNs {
        &self.mlag.switch(Side::BOTH[side]).ns
    }

    fn happen(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Wait(millis) => {
                thread::sleep(Duration::from_millis(millis).min(MOST_WAIT));
                Ok(())
            }
            Step::Leg(side, port, up) => self.set_leg(side, port, up),
            Step::Blink(side, port, millis) => {
                self.set_leg(side, port, false)?;
                thread::sleep(Duration::from_millis(millis));
                self.set_leg(side, port, true)
            }
            Step::Cross(side, crossed) => self.cross(side, crossed),
            Step::PeerLink(up) => self.set_peer_link(up),
            Step::CutWire(true) => self.each_side(|switch| switch.silence(CONTROL)),
            // It may not have been cut.
            Step::CutWire(false) => self.each_side(|switch| {
                let _ = switch.unsilence(CONTROL);
                Ok(())
            }),
            Step::ResetWire => self.reset_wire(),
            Step::Start(side, process) => self.start(side, process),
            Step::Kill(side, process) => self.kill(side, process),
            Step::Stop(side, process, false) => self.stop(side, process),
            Step::Freeze(side, process, frozen) => self.freeze(side, process, frozen),
            // The daemons here leave everything as it is when they stop, which is their default, and are as fast as they are; a full buffer takes more than two ports, nothing makes this
            // kernel refuse what it can do, and both chassis have the same one.
            Step::Stop(_, _, true)
            | Step::LoseEvents(..)
            | Step::Slow(..)
            | Step::Refuse(..)
            | Step::Lacp(..)
            | Step::Stall(..) => Ok(()),
            Step::Clock(seconds) => self.set_clock(seconds),
            Step::Power(side, false) => self.power_off(side),
            Step::Power(side, true) => self.power_on(side),
            Step::Move(place) => self.move_station(place),
            Step::FlushRules(side) => self.ns(side).run("nft", &["flush", "ruleset"]).map(drop),
            Step::DeleteEntry(side, station) => self.delete_entry(side, station),
            Step::FlushEntries(side) => {
                let flush = format!("fdb flush dev {BRIDGE} nopermanent");
                self.ns(side).bridge(&flush)
            }
            Step::Bridge(side, port, is_port) => self.set_bridge_port(side, port, is_port),
            Step::Vlan(side, port, is_tagged) => {
                let verb = if is_tagged { "add" } else { "del" };
                let name = &self.names[side][port];
                // It may be no port of the bridge, or may not have had the VLAN.
                let _ = self
                    .ns(side)
                    .bridge(&format!("vlan {verb} dev {name} vid {TAGGED}"));
                Ok(())
            }
            Step::MinLinks(side, port, count) => {
                let name = &self.names[side][port];
                self.ns(side)
                    .ip(&format!("link set {name} type bond min_links {count}"))
            }
            Step::Admin(side, interface, up) => self.set_admin(side, interface, up),
            Step::Rename(side, port, is_own) => self.rename(side, port, is_own),
            Step::Member(side, port, is_one) => {
                self.configure(side, |members| members[port].is_one = is_one)
            }
            Step::PortId(side, port, id) => self.configure(side, |members| {
                members[port].id = id.map(|id| given_id(port, id).0);
            }),
            Step::RenamePeerLink(side, is_own) => self.rename_peer_link(side, is_own),
        }
    }

    fn each_side(&self, what: impl Fn(&crate::topology::Switch) -> Result<()>) -> Result<()> {
        Side::BOTH
            .into_iter()
            .try_for_each(|side| what(self.mlag.switch(side)))
    }

    /// The host behind a port, as the cables are.
    fn host(&self, side: usize, port: usize) -> &Host {
        let number = if self.crossed[side] { 1 - port } else { port };
        &self.mlag.hosts[number]
    }

    fn set_leg(&self, side: usize, port: usize, up: bool) -> Result<()> {
        let host = self.host(side, port);
        match up {
            true => host.plug(Side::BOTH[side]),
            false => host.unplug(Side::BOTH[side]),
        }
    }

    /// The cables stay; the members change places.
    fn cross(&mut self, side: usize, crossed: bool) -> Result<()> {
        if std::mem::replace(&mut self.crossed[side], crossed) != crossed && !self.off[side] {
            self.plug_members(side)?;
        }
        Ok(())
    }

    fn plug_members(&self, side: usize) -> Result<()> {
        let members = [0, 1].map(|port| member_name(port + 1));
        let mut commands = String::new();
        for member in &members {
            commands += &format!("link set {member} down nomaster\n");
        }
        for (number, member) in members.iter().enumerate() {
            let port = if self.crossed[side] {
                1 - number
            } else {
                number
            };
            let bond = &self.names[side][port];
            commands += &format!("link set {member} master {bond}\nlink set {member} up\n");
        }
        self.ns(side).ip(&commands)
    }

    fn set_peer_link(&mut self, up: bool) -> Result<()> {
        self.peer_cable = up;
        (0..2).try_for_each(|side| self.show_admin(side, Interface::PeerLink))
    }

    fn set_admin(&mut self, side: usize, interface: Interface, up: bool) -> Result<()> {
        match up {
            true => self.down.remove(&(side, interface)),
            false => self.down.insert((side, interface)),
        };
        self.show_admin(side, interface)
    }

    /// Whether an interface is up: the peer link has a cable only while both of its ends are.
    fn is_up(&self, side: usize, interface: Interface) -> bool {
        let is_plugged = interface != Interface::PeerLink || self.peer_cable;
        is_plugged && !self.down.contains(&(side, interface))
    }

    fn show_admin(&self, side: usize, interface: Interface) -> Result<()> {
        if self.off[side] {
            return Ok(());
        }
        let name = match interface {
            Interface::Port(port) => &self.names[side][port],
            Interface::PeerLink => &self.peer_links[side],
            Interface::Bridge => BRIDGE,
        };
        let state = state(self.is_up(side, interface));
        self.ns(side).ip(&format!("link set {name} {state}"))
    }

    /// Whatever is sent next is answered by the connection's end.
    fn reset_wire(&self) -> Result<()> {
        let ns = self.ns(0);
        let rules = format!(
            "table inet {RESET} {{ chain out {{ type filter hook output priority 0; \
             oifname {CONTROL} meta l4proto tcp reject with tcp reset; }}; }};"
        );
        ns.run("nft", &[&rules])?;
        thread::sleep(Duration::from_millis(1_200));
        // All rules may have been flushed.
        ns.run(
            "nft",
            &[&format!(
                "add table inet {RESET}; delete table inet {RESET}"
            )],
        )
        .map(drop)
    }

    fn start(&mut self, side: usize, process: Process) -> Result<()> {
        if self.off[side] || std::mem::replace(&mut self.running[side][process as usize], true) {
            return Ok(());
        }
        self.mlag
            .daemons(Side::BOTH[side])
            .daemon(which(process))
            .start()
    }

    fn kill(&mut self, side: usize, process: Process) -> Result<()> {
        self.frozen[side][process as usize] = false;
        if !std::mem::replace(&mut self.running[side][process as usize], false) {
            return Ok(());
        }
        self.mlag
            .daemons(Side::BOTH[side])
            .daemon(which(process))
            .kill()
    }

    /// One that is halted does not hear of it.
    fn stop(&mut self, side: usize, process: Process) -> Result<()> {
        let number = process as usize;
        if !self.running[side][number] || self.frozen[side][number] {
            return Ok(());
        }
        self.running[side][number] = false;
        let daemons = self.mlag.daemons(Side::BOTH[side]);
        daemons
            .daemon(which(process))
            .stop(Duration::from_secs(10))
            .map(drop)
    }

    fn freeze(&mut self, side: usize, process: Process, frozen: bool) -> Result<()> {
        let number = process as usize;
        if !self.running[side][number] || self.frozen[side][number] == frozen {
            return Ok(());
        }
        self.frozen[side][number] = frozen;
        let signal = if frozen {
            Signal::SIGSTOP
        } else {
            Signal::SIGCONT
        };
        let daemons = self.mlag.daemons(Side::BOTH[side]);
        daemons.daemon(which(process)).signal(signal)
    }

    /// Both chassis and all hosts share the clock of the lab's machine. Without such a machine it is its user's, and left
    /// alone.
    fn set_clock(&mut self, jump: i64) -> Result<()> {
        if jump == 0 || !vm::is_guest() {
            return Ok(());
        }
        let ns = self.ns(0);
        let now: i64 = ns.run("date", &["+%s"])?.trim().parse()?;
        ns.run("date", &["--set", &format!("@{}", now + jump)])?;
        self.clock += jump;
        Ok(())
    }

    fn power_off(&mut self, side: usize) -> Result<()> {
        for process in [Process::Iccpd, Process::Syncd] {
            self.kill(side, process)?;
        }
        if self.off[side] {
            return Ok(());
        }
        self.peer_link_named(side, PEER_LINK)?;
        self.mlag.switch(Side::BOTH[side]).power_off(2)?;
        self.off[side] = true;
        Ok(())
    }

    fn power_on(&mut self, side: usize) -> Result<()> {
        if !std::mem::replace(&mut self.off[side], false) {
            return Ok(());
        }
        for port in [0, 1] {
            self.bond_named(side, port, bond_name(port + 1))?;
            self.in_bridge[side][port] = true;
        }
        self.down.retain(|(of, _)| *of != side);
        self.mlag.switch(Side::BOTH[side]).boot(2)?;
        if self.crossed[side] {
            self.plug_members(side)?;
        }
        self.set_peer_link(true)
    }

    fn move_station(&self, place: Place) -> Result<()> {
        let port = port_of(&self.mlag, place);
        Sender::send(&port, Stream::new(MOVER_MAC, BROADCAST), 1, 1000).map(drop)
    }

    fn delete_entry(&self, side: usize, station: usize) -> Result<()> {
        let (mac, vid) = match PLACES.get(station) {
            Some(place) => (port_of(&self.mlag, *place).mac, UNTAGGED),
            None if station == MOVER => (MOVER_MAC, UNTAGGED),
            None => (MOVER_MAC, TAGGED),
        };
        for entry in kernel::fdb(self.ns(side), BRIDGE)? {
            if entry.mac == mac && entry.vlan == Some(vid.get()) {
                let port = &entry.ifname;
                // It may have gone by itself.
                let _ = self
                    .ns(side)
                    .bridge(&format!("fdb del {mac} dev {port} vlan {vid} master"));
            }
        }
        Ok(())
    }

    fn set_bridge_port(&mut self, side: usize, port: usize, is_port: bool) -> Result<()> {
        let was = std::mem::replace(&mut self.in_bridge[side][port], is_port);
        if was == is_port || self.off[side] {
            return Ok(());
        }
        let name = &self.names[side][port];
        match is_port {
            true => {
                self.mlag.switch(Side::BOTH[side]).add_edge_port(name)?;
                self.show_admin(side, Interface::Port(port))
            }
            false => self.ns(side).ip(&format!("link set {name} nomaster")),
        }
    }

    fn rename(&mut self, side: usize, port: usize, is_own: bool) -> Result<()> {
        let own = bond_name(port + 1);
        let name = if is_own {
            own
        } else {
            format!("other{}", port + 1)
        };
        self.bond_named(side, port, name)
    }

    fn bond_named(&mut self, side: usize, port: usize, name: String) -> Result<()> {
        let before = std::mem::replace(&mut self.names[side][port], name);
        let name = &self.names[side][port];
        if before == *name {
            return Ok(());
        }
        let is_up = self.is_up(side, Interface::Port(port));
        self.ns(side).ip(&renaming(&before, name, is_up))
    }

    fn rename_peer_link(&mut self, side: usize, is_own: bool) -> Result<()> {
        self.peer_link_named(side, if is_own { PEER_LINK } else { "otherlink" })
    }

    fn peer_link_named(&mut self, side: usize, name: &str) -> Result<()> {
        let before = std::mem::replace(&mut self.peer_links[side], name.to_owned());
        if before == name {
            return Ok(());
        }
        let is_up = self.is_up(side, Interface::PeerLink);
        self.ns(side).ip(&renaming(&before, name, is_up))
    }

    /// Write what is set of the MLAG ports, and have it read.
    fn configure(&mut self, side: usize, change: impl FnOnce(&mut [Member; 2])) -> Result<()> {
        let before = self.members[side];
        change(&mut self.members[side]);
        let now = self.members[side];
        if now == before {
            return Ok(());
        }
        let names = [0, 1].map(|port| bond_name(port + 1));
        let members = || names.iter().zip(now).filter(|(_, member)| member.is_one);
        let ports: Vec<&String> = members().map(|(name, _)| name).collect();
        let ports = format!("ports = {ports:?}");
        let file = run_directory(self.ctx, Side::BOTH[side]).join("iccpd.toml");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let text = text.split(PORT).next().unwrap_or_default();
        let lines = text.lines().map(|line| match line.starts_with("ports = ") {
            true => ports.as_str(),
            false => line,
        });
        let mut changed = lines.collect::<Vec<_>>().join("\n") + "\n";
        for (name, member) in members() {
            if let Some(id) = member.id {
                changed += &format!("{PORT}\nname = {name:?}\nid = {id}\n");
            }
        }
        fs::write(&file, changed).with_context(|| file.display().to_string())?;
        if !self.running[side][Process::Iccpd as usize] {
            return Ok(());
        }
        let daemons = self.mlag.daemons(Side::BOTH[side]);
        daemons.iccpd.signal(Signal::SIGHUP)
    }

    fn mend(&mut self) -> Result<()> {
        self.happen(Step::CutWire(false))?;
        self.set_clock(-self.clock)?;
        for side in [0, 1] {
            self.power_on(side)?;
            self.cross(side, false)?;
            self.rename_peer_link(side, true)?;
            for interface in [Interface::Bridge, Interface::Port(0), Interface::Port(1)] {
                self.set_admin(side, interface, true)?;
            }
            self.down.remove(&(side, Interface::PeerLink));
            // One that has just started would not live to read its settings again.
            self.configure(side, |members| *members = [Member::USUAL; 2])?;
            for process in [Process::Iccpd, Process::Syncd] {
                self.freeze(side, process, false)?;
                self.start(side, process)?;
            }
            for port in [0, 1] {
                self.rename(side, port, true)?;
                self.set_bridge_port(side, port, true)?;
                self.happen(Step::Vlan(side, port, true))?;
                self.happen(Step::MinLinks(side, port, 0))?;
                self.set_leg(side, port, true)?;
            }
        }
        self.set_peer_link(true)?;
        self.mlag.wait_synchronised()?;
        self.mlag.wait_dual()
    }
}

impl Drop for Chaos<'_> {
    /// Scenarios that follow find the clock as it was, also where this one has failed.
    fn drop(&mut self) {
        let _ = self.set_clock(-self.clock);
    }
}

/// Kernels before 6.2 rename only what is down.
fn renaming(before: &str, name: &str, is_up: bool) -> String {
    let state = state(is_up);
    format!("link set {before} down\nlink set {before} name {name}\nlink set {name} {state}")
}

const fn state(is_up: bool) -> &'static str {
    if is_up { "up" } else { "down" }
}

const fn which(process: Process) -> Which {
    match process {
        Process::Iccpd => Which::Iccpd,
        Process::Syncd => Which::Syncd,
    }
}

fn port_of(mlag: &Mlag, place: Place) -> Port {
    match place {
        Place::Bond(number) => mlag.hosts[number].untagged(),
        Place::Orphan(side) => mlag.orphan(Side::BOTH[side]).untagged(),
    }
}

/// Everybody sends to everybody, and to each other one.
struct Traffic {
    ears: Vec<(Place, Receiver)>,
    flows: Vec<Flow>,
}

struct Flow {
    from: Place,
    /// None for everybody.
    to: Option<Place>,
    stream: Stream,
    sender: Sender,
}

impl Traffic {
    fn start(mlag: &Mlag) -> Result<Self> {
        let mut ears = Vec::new();
        for place in PLACES {
            ears.push((place, Receiver::start(&port_of(mlag, place))?));
        }
        let mut flows = Vec::new();
        for from in PLACES {
            let others = PLACES.into_iter().filter(|place| *place != from);
            for to in others.map(Some).chain([None]) {
                let port = port_of(mlag, from);
                let address = to.map_or(BROADCAST, |to| port_of(mlag, to).mac);
                let stream = Stream::new(port.mac, address);
                let sender = Sender::start(&port, stream, RATE)?;
                flows.push(Flow {
                    from,
                    to,
                    stream,
                    sender,
                });
            }
        }
        Ok(Self { ears, flows })
    }

    /// None arrived twice or came back, where that is not excused. How many were lost is told.
    fn stop(self, ctx: &Ctx, may_double: &BTreeSet<Place>) -> Result<()> {
        let (mut sent_all, mut lost_all) = (0, 0);
        for Flow {
            from,
            to,
            stream,
            sender,
        } in self.flows
        {
            let sent = sender.stop()?;
            for (place, ear) in &self.ears {
                let heard = ear.hear(&sent)?;
                let unwanted = match *place == from {
                    true => heard.copies(),
                    false => heard.duplicated,
                };
                ensure!(
                    unwanted == 0 || may_double.contains(place),
                    "from {from:?} to {}: {unwanted} unwanted copies at {place:?}",
                    stream.to
                );
                if to.is_none_or(|to| to == *place) && *place != from {
                    sent_all += sent.frames;
                    lost_all += heard.lost(sent.frames);
                }
            }
        }
        ctx.log(format!("{lost_all} of {sent_all} frames lost"));
        Ok(())
    }

    /// Each arrived exactly once where it belongs.
    fn stop_complete(self) -> Result<()> {
        for Flow {
            from, to, sender, ..
        } in self.flows
        {
            let sent = sender.stop()?;
            for (place, ear) in &self.ears {
                if *place != from && to.is_none_or(|to| to == *place) {
                    let heard = ear.hear(&sent)?;
                    ensure!(
                        heard.is_exactly_once(sent.frames),
                        "everything is mended, and from {from:?} to {place:?}: {}",
                        heard.of(sent.frames)
                    );
                }
            }
        }
        Ok(())
    }
}
