//! Faults, and their mending.

use std::time::Duration;

use iccp_core::{Config, Time};
use mclag_proto::{IfName, Vid};
use syncd::backend::BackendEvent;

use super::{
    FromKernel, OnWire, PLACES, Place, Process, SIDES, STATIONS, Store, Timer, ToIccpd, ToSyncd,
    World, push,
};
use crate::bounds::Kind;
use crate::iccpd::Iccpd;
use crate::kernel::{
    BONDS, Duty, Interface, Kernel, ORPHAN, PEER_LINK, bond, bond_name, member, name,
};
use crate::lacp::Phase;
use crate::syncd::{RETRY, Syncd};

/// How long `iccpd` waits for names when it starts.
const NAMES: Duration = Duration::from_millis(250);

/// How long that takes.
const CROSSING: Duration = Duration::from_millis(1_500);

/// Of two moves in less than this, or of a move and another event, nobody can say which one was later: the longest way
/// of what a kernel saw into the kernel of the other chassis.
const UNDECIDED: Duration = Duration::from_millis(7);

/// The longest way from a lost carrier to the hold of its port. The peer may have released the host by then: a leg that
/// is back earlier carries what the peer delivers, too. No real cable is back so soon.
const HELD_WITHIN: Duration = Duration::from_millis(3);

/// How long after the way of the session is mended what was lost on it is sent again.
const RESENT: Duration = Duration::from_millis(200);

/// Longer than any schedule.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

impl World {
    /// Plug the cable of a leg in or pull it.
    pub fn set_leg(&mut self, side: usize, port: usize, up: bool) {
        let host = self.opposite(side, port);
        let leg = &mut self.hosts[host].legs[side];
        if leg.cable == up || (up && !self.chassis[side].is_on) {
            return;
        }
        leg.cable = up;
        let is_early = self.now < leg.lost_at + HELD_WITHIN;
        if !up {
            leg.lost_at = self.now;
        }
        match up && is_early && !self.chassis[side].kernel.is_held(bond(port)) {
            true => self.expose_port(side, port, Kind::Leg),
            false => self.touch_port(side, port, Kind::Leg),
        }
        self.chassis[side].kernel.set_cable(member(port), up);
        let look = self.jitter(1_000, 100_000);
        self.after(look, Timer::Notice { side, port });
        self.kernel_moved(side);
    }

    /// The places behind an MLAG port: the host of this half and, while cables are crossed, that of the other one.
    fn behind(&self, side: usize, port: usize) -> impl Iterator<Item = Place> + use<> {
        let hosts = [self.opposite(side, port), self.opposite(1 - side, port)];
        hosts.into_iter().map(Place::Bond)
    }

    /// Something is done to an MLAG port.
    pub fn touch_port(&mut self, side: usize, port: usize, kind: Kind) {
        for place in self.behind(side, port) {
            let is_lone = matches!(place, Place::Bond(host) if self.hosts[host].lone.is_some());
            // The chassis waits in vain for LACP first.
            let kind = if is_lone { Kind::Lacp } else { kind };
            match self.checks.slack().is_zero() {
                true => self.checks.touch(place, kind, self.now),
                // What is back before it is held carries data although the peer isolates it no longer.
                false => self.checks.expose(place, kind, self.now),
            }
        }
        // What was seen there just before may be gone before anybody heard of it.
        self.cross_moves(Duration::ZERO);
    }

    /// Whether `iccpd` knows the interface by its own name, or would.
    pub(crate) fn is_known(&self, side: usize, index: u32, own: &IfName) -> bool {
        self.calls_it(side, index, own) || self.chassis[side].kernel.name_of(index) == Some(*own)
    }

    /// Whether `iccpd` calls the interface so.
    fn calls_it(&self, side: usize, index: u32, own: &IfName) -> bool {
        let process = self.chassis[side].iccpd.as_ref();
        process.is_some_and(|process| process.knows(own, index))
    }

    /// An interface gets another name. It costs nothing while both daemons run and follow it: no frame, and none arrives twice
    /// but until the filter has the other name. Returns whether that is so.
    pub fn is_followed(&self, side: usize, index: u32, own: &IfName) -> bool {
        self.is_healthy() && self.calls_it(side, index, own)
    }

    /// An MLAG port loses what keeps frames from being delivered twice.
    pub fn expose_port(&mut self, side: usize, port: usize, kind: Kind) {
        self.touch_port(side, port, kind);
        for place in self.behind(side, port) {
            self.checks.expose(place, kind, self.now);
        }
    }

    /// What keeps frames from being delivered twice names the port otherwise than the kernel does, until it is mended.
    pub fn bare_port(&mut self, side: usize, port: usize) {
        for place in self.behind(side, port) {
            self.checks.bare(place, Kind::Rules, self.now);
        }
    }

    /// Somebody pulls the cables of both MLAG ports of a chassis and plugs each in where the other one was, or belongs.
    pub fn cross(&mut self, side: usize, crossed: bool) {
        // Without LACP nobody knows who is behind a port.
        if self.crossed[side] == crossed || self.options.static_lags {
            return;
        }
        let were = [0, 1].map(|host| self.hosts[host].legs[side].cable);
        for port in 0..BONDS {
            self.set_leg(side, port, false);
        }
        self.run_for(CROSSING);
        self.crossed[side] = crossed;
        (0..BONDS).for_each(|host| self.displace_stations(host));
        for host in 0..BONDS {
            self.checks.touch(Place::Bond(host), Kind::Cables, self.now);
        }
        for (host, was) in were.into_iter().enumerate() {
            if was {
                let port = self.opposite(side, host);
                self.set_leg(side, port, true);
            }
        }
    }

    /// A host speaks LACP from now on, or does not and uses one leg.
    pub fn set_lone(&mut self, host: usize, lone: Option<usize>) {
        if self.options.static_lags {
            return;
        }
        if self.hosts[host].lone.is_some() == lone.is_some() {
            return;
        }
        self.hosts[host].lone = lone;
        self.checks.touch(Place::Bond(host), Kind::Lacp, self.now);
        for side in SIDES {
            let leg = &mut self.hosts[host].legs[side];
            leg.generation += 1;
            match (leg.phase, lone) {
                (Phase::Down, _) => {
                    // It may be about to begin anew.
                    if leg.mii_up {
                        self.negotiate(side, host);
                    }
                }
                // The chassis goes on as agreed until it misses the host.
                (_, Some(_)) => self.expire(side, host),
                (_, None) => self.negotiate(side, host),
            }
        }
        self.select(host);
        // Its legs are two where they were one, or the other way round.
        self.displace_stations(host);
    }

    /// A host that does not speak LACP tries its other leg when nobody answers on this one.
    pub(super) fn look_for_an_answer(&mut self, host: usize) {
        let Some(side) = self.hosts[host].lone else {
            return;
        };
        let port = bond(self.opposite(side, host));
        let legs = &self.hosts[host].legs;
        let is_answered = legs[side].cable && self.chassis[side].kernel.accepts(port, Vid::DEFAULT);
        if !is_answered && legs[1 - side].cable {
            self.hosts[host].lone = Some(1 - side);
            self.select(host);
        }
    }

    /// Plug the cable of the peer link in or pull it.
    pub fn set_peer_link(&mut self, up: bool) {
        let up = up && self.chassis.iter().all(|chassis| chassis.is_on);
        if self.peer_cable == up {
            return;
        }
        self.peer_cable = up;
        self.touch_peer_link(Kind::PeerLink);
        self.plug_peer_link();
    }

    /// An end of the peer link has carrier while the other one is up.
    fn plug_peer_link(&mut self) {
        for side in SIDES {
            let other = &self.chassis[1 - side].kernel.devices[&PEER_LINK];
            let carrier = self.peer_cable && other.admin_up;
            self.chassis[side].kernel.set_cable(PEER_LINK, carrier);
            self.kernel_moved(side);
        }
    }

    /// An operator takes an interface down or up.
    pub fn set_admin(&mut self, side: usize, interface: Interface, up: bool) {
        let index = interface.index();
        if self.chassis[side].kernel.devices[&index].admin_up == up {
            return;
        }
        match interface {
            Interface::Port(port) => {
                self.touch_port(side, port, Kind::Silence);
                if !up {
                    self.fall_silent(side, self.opposite(side, port));
                }
            }
            Interface::PeerLink => self.touch_peer_link(Kind::PeerLink),
            Interface::Bridge => {
                self.checks.touch(Place::Orphan(side), Kind::Leg, self.now);
                (0..BONDS).for_each(|port| self.touch_port(side, port, Kind::Leg));
                self.touch_peer_link(Kind::PeerLink);
            }
        }
        self.chassis[side].kernel.set_admin(index, up);
        if interface == Interface::Bridge && !up {
            self.forget_stations();
        }
        match interface {
            Interface::Port(port) if up => {
                // The bond looks at its members at once.
                self.notice(side, port);
                self.speak_again(side, self.opposite(side, port));
            }
            Interface::PeerLink => self.plug_peer_link(),
            Interface::Port(_) | Interface::Bridge => {}
        }
        self.kernel_moved(side);
    }

    /// Nothing passes between both `iccpd` for a while; what was sent is sent again afterwards.
    pub fn cut_wire(&mut self, cut: bool) {
        let was_cut = std::mem::replace(&mut self.wire_cut, cut);
        if was_cut && !cut {
            let resent = self.now + RESENT;
            self.late_until = resent + UNDECIDED;
            for chassis in &mut self.chassis {
                for (at, _) in &mut chassis.from_wire {
                    *at = (*at).max(resent);
                }
            }
        }
    }

    /// The session's connection breaks.
    pub fn reset_wire(&mut self) {
        for side in SIDES {
            if let Some(wire) = self.chassis[side].wire {
                self.chassis[side].from_wire.clear();
                self.send_wire(side, OnWire::Down(wire));
            }
        }
    }

    /// What waits for a process to read of its kernel is lost.
    pub fn lose_events(&mut self, side: usize, process: Process) {
        let now = self.now;
        let chassis = &mut self.chassis[side];
        match process {
            Process::Iccpd if chassis.iccpd.is_some() => {
                chassis.from_kernel.clear();
                push(&mut chassis.from_kernel, now, FromKernel::Lost);
            }
            Process::Syncd if chassis.syncd.is_some() => {
                // Names are compared when everything is read again.
                chassis.from_bridge.retain(|(_, event)| {
                    matches!(event, FromKernel::Event(BackendEvent::Renamed { .. }))
                });
                let last = chassis.from_bridge.back().map_or(now, |(at, _)| *at);
                push(&mut chassis.from_bridge, last, FromKernel::Lost);
            }
            _ => {}
        }
    }

    /// `mclagsyncd` takes so long for each thing it does from now on.
    pub fn slow_down(&mut self, side: usize, pause: Duration) {
        self.chassis[side].pause = pause;
        self.chassis[side].busy_until = self.now;
        // It is in the middle of one thing, and may have to be told of another one first.
        let slowest = self.chassis.iter().map(|chassis| chassis.pause).max();
        let slack = 3 * slowest.unwrap_or_default();
        self.checks.set_slack(slack, self.now);
    }

    /// The kernel refuses something from now on, or no longer.
    pub fn refuse(&mut self, side: usize, duty: Duty, refused: bool) {
        let refuses = &mut self.chassis[side].kernel.refuses;
        let has_changed = match refused {
            true => refuses.insert(duty),
            false => refuses.remove(&duty),
        };
        if has_changed && duty == Duty::Entries {
            // Who comes back to where the old entry is does so without a word.
            let lasts = if refused { FOR_EVER } else { RETRY };
            self.crossed_until = Time::ZERO;
            self.cross_moves(lasts);
        }
        if has_changed && duty == Duty::Holds {
            // A leg that is not held carries data before anybody was asked.
            self.checks.expose_all(Kind::Refusal, self.now);
        }
        if has_changed {
            self.touch_peer_link(Kind::Refusal);
            for place in PLACES {
                self.checks.touch(place, Kind::Refusal, self.now);
            }
        }
    }

    /// Start a process that does not run.
    pub fn start(&mut self, side: usize, process: Process) {
        let (now, origin) = (self.now, self.origin);
        if !self.chassis[side].is_on {
            return;
        }
        self.join(side, process);
        let chassis = &mut self.chassis[side];
        match process {
            Process::Iccpd if chassis.iccpd.is_none() => {
                let config = chassis.config.clone();
                chassis.from_kernel.clear();
                // Who follows names says so before it is asked for anything, unless it is late.
                let is_at_once =
                    chassis.syncd.is_some() && !chassis.is_frozen[1] && chassis.pause < NAMES;
                let kept = match is_at_once {
                    true => chassis.kernel.kept_names(),
                    false => Vec::new(),
                };
                let is_lost = |index: u32, own: IfName| {
                    chassis.kernel.name_of(index) != Some(own) && !kept.contains(&(index, own))
                };
                let peer_link = config.peer_link;
                chassis.has_lost_peer_link = peer_link.is_some_and(|own| is_lost(PEER_LINK, own));
                let ports = (0..BONDS).filter(|port| is_lost(bond(*port), bond_name(*port)));
                chassis.lost_ports = ports.collect();
                chassis.iccpd = Some(Iccpd::start(config, &chassis.kernel, &kept, origin, now));
                for port in chassis.lost_ports.clone() {
                    self.expose_port(side, port, Kind::Pairing);
                }
                self.drain(side);
            }
            Process::Syncd if chassis.syncd.is_none() => {
                chassis.from_bridge.clear();
                chassis.syncd = Some(Syncd::start(&chassis.store, &mut chassis.kernel));
            }
            _ => {}
        }
    }

    /// `mclagsyncd` said late which interfaces have other names: what was taken for absent is there.
    pub(super) fn find_again(&mut self, side: usize) {
        for port in self.chassis[side].lost_ports.clone() {
            if self.calls_it(side, bond(port), &bond_name(port)) {
                self.chassis[side].lost_ports.remove(&port);
                self.expose_port(side, port, Kind::Pairing);
            }
        }
        if self.chassis[side].has_lost_peer_link
            && self.calls_it(side, PEER_LINK, &name("peerlink"))
        {
            self.chassis[side].has_lost_peer_link = false;
            self.touch_peer_link(Kind::PeerLink);
            self.checks.expose_all(Kind::PeerLink, self.now);
        }
    }

    /// An operator changes the settings of `iccpd` and has them read again.
    pub fn configure(&mut self, side: usize, change: impl FnOnce(&mut Config)) {
        let now = self.now;
        let chassis = &mut self.chassis[side];
        let before = chassis.config.clone();
        change(&mut chassis.config);
        let config = chassis.config.clone();
        if config != before
            && let Some(process) = &mut chassis.iccpd
        {
            process.configure(config, &chassis.kernel, now);
            self.drain(side);
        }
    }

    /// Kill a process.
    pub fn kill(&mut self, side: usize, process: Process) {
        let chassis = &mut self.chassis[side];
        chassis.is_frozen[process as usize] = false;
        match process {
            Process::Iccpd => {
                if chassis.iccpd.take().is_none() {
                    return;
                }
                chassis.from_wire.clear();
                chassis.to_iccpd.clear();
                if let Some(local) = chassis.local[0].take() {
                    self.send_syncd(side, ToSyncd::Gone(local));
                }
                self.close_wire(side);
            }
            Process::Syncd => {
                chassis.syncd = None;
                chassis.to_syncd.clear();
                chassis.local[1] = None;
                // Also where it had not been accepted yet.
                if let Some(local) = chassis.local[0] {
                    self.send_iccpd(side, ToIccpd::Down(local));
                }
            }
        }
    }

    /// Stop a process, or let it go on.
    pub fn freeze(&mut self, side: usize, process: Process, frozen: bool) {
        self.chassis[side].is_frozen[process as usize] = frozen;
    }

    /// Nothing runs on a chassis any more, as on a virtual machine whose host is busy with something else. Its links stay up.
    pub fn stall(&mut self, side: usize) {
        if !self.works(side) {
            return;
        }
        self.touch_chassis(side);
        for host in 0..BONDS {
            self.fall_silent(side, host);
        }
        let chassis = &mut self.chassis[side];
        chassis.kernel.is_stalled = true;
        chassis.stalled_at = self.now;
    }

    /// It goes on where it was.
    pub fn go_on(&mut self, side: usize) {
        let chassis = &mut self.chassis[side];
        if !std::mem::take(&mut chassis.kernel.is_stalled) {
            return;
        }
        let due = std::mem::take(&mut chassis.stalled);
        self.touch_chassis(side);
        for (left, timer) in due {
            self.after(left, timer);
        }
        for port in 0..BONDS {
            self.notice(side, port);
        }
        for host in 0..BONDS {
            self.speak_again(side, host);
        }
        self.kernel_moved(side);
    }

    /// All of a chassis is gone or back.
    fn touch_chassis(&mut self, side: usize) {
        for place in [Place::Orphan(side), Place::Bond(0), Place::Bond(1)] {
            self.checks.touch(place, Kind::Start, self.now);
        }
        self.touch_peer_link(Kind::Start);
    }

    /// A chassis loses power.
    pub fn power_off(&mut self, side: usize) {
        for process in [Process::Iccpd, Process::Syncd] {
            self.kill(side, process);
        }
        for port in 0..BONDS {
            self.set_leg(side, port, false);
        }
        self.set_peer_link(false);
        self.checks
            .touch(Place::Orphan(side), Kind::Start, self.now);
        self.chassis[side].kernel.set_cable(ORPHAN, false);
        self.chassis[side].is_on = false;
        self.chassis[side].stalled.clear();
        self.kernel_moved(side);
    }

    /// It gets power again and boots; its processes start later.
    pub fn power_on(&mut self, side: usize) {
        let chassis = &mut self.chassis[side];
        if std::mem::replace(&mut chassis.is_on, true) {
            return;
        }
        chassis.kernel = Kernel::boot(side, self.options);
        chassis.has_lost_peer_link = false;
        chassis.has_left = [false; 2];
        chassis.store = Store::new();
        chassis.kernel.set_cable(ORPHAN, true);
        self.checks
            .touch(Place::Orphan(side), Kind::Start, self.now);
        for port in 0..BONDS {
            let host = self.opposite(side, port);
            let leg = &mut self.hosts[host].legs[side];
            (leg.phase, leg.mii_up) = (Phase::Down, false);
            self.hosts[host].select();
            self.set_leg(side, port, true);
        }
        self.set_peer_link(true);
        self.kernel_moved(side);
    }

    /// A station is somewhere else from now on, and says so.
    pub fn move_station(&mut self, station: usize, to: Place) {
        let has_moved = std::mem::replace(&mut self.stations[station], to) != to;
        if has_moved {
            self.checks.touch_station(station, self.now);
        }
        let is_undecided = self.is_undecided(station);
        let is_heard = self.speak(station);
        // It came back to where a chassis had it all the time, having heard of nothing.
        let is_no_news = self.is_no_news[station] != [false; 2] && !self.is_healthy();
        // What is on its way in a session that survives is as old as it was when it left.
        let may_wait = !self.is_healthy() && !self.is_parted();
        let is_watched = self.is_watched() && !is_no_news && !may_wait;
        let is_crossed = is_undecided || self.now < self.crossed_until || !is_watched;
        if has_moved && (!is_heard || is_crossed) {
            self.checks.displace_station(station, self.now);
        } else if has_moved && !self.is_healthy() {
            self.checks.move_apart(station, self.now);
        }
    }

    /// A chassis has lost the entries of all stations, and learns those anew that speak.
    pub fn forget_stations(&mut self) {
        for station in 0..STATIONS {
            self.checks.displace_station(station, self.now);
        }
        self.cross_moves(Duration::ZERO);
    }

    /// Entries are gone or said anew, and the word of a move may be on its way: what overtakes it undoes it (ADR 19).
    pub fn cross_moves(&mut self, lasts: Duration) {
        let now = self.now;
        self.crossed_until = self.crossed_until.max(now + UNDECIDED + lasts);
        for station in 0..STATIONS {
            if self.is_undecided(station) {
                self.checks.displace_station(station, self.now);
            }
        }
    }

    /// What a station said may not have come everywhere, by way of an `mclagsyncd` that may be slow.
    pub(super) fn is_undecided(&self, station: usize) -> bool {
        let spoke = self.spoke_at[station];
        spoke.is_some_and(|spoke| self.now - spoke < UNDECIDED + self.checks.slack())
    }

    /// Something is done to the peer link. What is installed there because of that may cross what was seen just before.
    pub fn touch_peer_link(&mut self, kind: Kind) {
        self.checks.touch_peer_link(kind, self.now);
        self.cross_moves(Duration::ZERO);
    }

    /// An operator does something to the kernel of a chassis.
    pub fn operate(&mut self, side: usize, what: impl FnOnce(&mut Kernel)) {
        what(&mut self.chassis[side].kernel);
        self.kernel_moved(side);
    }
}
