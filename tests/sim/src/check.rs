//! What must hold at every moment, whatever fails.
//!
//! At every moment at which time passes, frames of every station are followed through the tables and filters of both
//! chassis: to everybody, and to every other station.
//!
//! * None goes round.
//! * None is delivered twice, and none comes back to the place it came from. Excused are places that something was
//!   done to while a process or the session was missing: several failures at once.
//! * Each arrives, if there is a way. Excused are places that something was done to in the last seconds, or since
//!   everything was well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use iccp_core::{Notice, Time};

use crate::kernel::{BONDS, bond};
use crate::syncd::RETRY;
use crate::world::{PLACES, Place, SIDES, STATIONS, World, mac};

/// How long everything has to be well before what happened last is over: LACP, an acknowledgement that does not come,
/// and a start.
const SETTLE: Duration = Duration::from_secs(12);

/// How long `mclagsyncd` may take to put back what somebody else took away.
const REPAIR: Duration = Duration::from_millis(100);

/// Something that must not happen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// When.
    pub at: Time,
    /// What.
    pub what: String,
}

/// That what keeps frames from being delivered twice is missing at a place.
#[derive(Clone, Copy, Debug)]
struct Exposure {
    since: Time,
    /// How long that may take, with an `mclagsyncd` that is not slow.
    at_most: Duration,
}

/// See the module's comment.
#[derive(Debug, Default)]
pub struct Checks {
    /// Places that something was done to.
    touched: BTreeSet<Place>,
    /// Stations that moved.
    moved: BTreeSet<usize>,
    /// Those of them that a chassis may not have heard of, because of what failed meanwhile, until they say something.
    unheard: BTreeSet<usize>,
    peer_link_touched: bool,
    /// Places that may get frames twice, until everything was well for a while.
    at_risk: BTreeSet<Place>,
    /// Places that may get frames twice for a while.
    exposed: BTreeMap<Place, Exposure>,
    /// How much longer than that it may take.
    slack: Duration,
    /// A kernel refuses something: what is touched or exposed stays so.
    is_refused: bool,
    last_touch: Time,
    /// Since when everything is well.
    well_since: Option<Time>,
    /// The versions of the kernels that were looked at last.
    seen: Option<[u64; 2]>,
    violation: Option<Violation>,
    /// How often each kind of notice came.
    pub notices: BTreeMap<&'static str, u64>,
    /// How many frames were followed.
    pub frames: u64,
}

impl Checks {
    /// Something is done to a place.
    pub fn touch(&mut self, place: Place, now: Time) {
        self.touched.insert(place);
        self.last_touch = now;
        self.seen = None;
    }

    /// Something is done to the peer link.
    pub const fn touch_peer_link(&mut self, now: Time) {
        self.peer_link_touched = true;
        self.last_touch = now;
        self.seen = None;
    }

    /// A station moves.
    pub fn touch_station(&mut self, station: usize, now: Time) {
        self.moved.insert(station);
        self.last_touch = now;
        self.seen = None;
    }

    /// A station is at another place, and has not said so.
    pub fn displace_station(&mut self, station: usize, now: Time) {
        self.touch_station(station, now);
        self.unheard.insert(station);
    }

    /// A station says something while everything is well or is not.
    pub fn heard(&mut self, station: usize, is_healthy: bool, now: Time) {
        if is_healthy && self.unheard.remove(&station) {
            self.touch_station(station, now);
        }
    }

    /// What keeps frames from being delivered twice at a place is gone: it has to be back soon.
    pub fn expose(&mut self, place: Place, now: Time) {
        let exposure = Exposure {
            since: now,
            at_most: REPAIR,
        };
        self.exposed.insert(place, exposure);
        self.touch(place, now);
    }

    /// Likewise everywhere.
    pub fn expose_all(&mut self, now: Time) {
        for place in PLACES {
            self.expose(place, now);
        }
    }

    /// An `mclagsyncd` becomes slow or quick: what was exposed before may be under way as slowly as then.
    pub fn set_slack(&mut self, slack: Duration, now: Time) {
        self.slack = slack;
        for exposure in self.exposed.values_mut() {
            exposure.since = now;
        }
    }

    fn may_be_doubled(&self, place: &Place) -> bool {
        self.at_risk.contains(place) || self.exposed.contains_key(place)
    }

    /// A daemon wrote something down.
    pub fn notice(&mut self, notice: &Notice) {
        *self.notices.entry(notice.kind()).or_default() += 1;
    }

    /// Something that must not happen did.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.violation.is_some()
    }

    /// What that was.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// This must not happen.
    pub fn fail(&mut self, at: Time, what: String) {
        self.violation.get_or_insert(Violation { at, what });
    }

    fn pass_time(&mut self, is_healthy: bool, now: Time) {
        let before = self.exposed.len();
        if self.is_refused {
            self.touched.extend(PLACES);
            self.moved.extend(0..STATIONS);
            self.last_touch = now;
            for exposure in self.exposed.values_mut() {
                *exposure = Exposure {
                    since: now,
                    at_most: RETRY + REPAIR,
                };
            }
        }
        let slack = self.slack;
        self.exposed
            .retain(|_, exposure| now - exposure.since < exposure.at_most + slack);
        if self.exposed.len() != before {
            self.seen = None;
        }
        if !is_healthy {
            self.well_since = None;
            self.at_risk.extend(&self.touched);
            self.unheard.extend(&self.moved);
            if self.peer_link_touched {
                self.at_risk.extend(PLACES);
            }
            return;
        }
        let since = *self.well_since.get_or_insert(now);
        let is_over = now - since.max(self.last_touch) >= SETTLE;
        let is_any = self.peer_link_touched
            || !(self.touched.is_empty() && self.moved == self.unheard && self.at_risk.is_empty());
        if is_over && is_any {
            self.touched.clear();
            self.moved.clone_from(&self.unheard);
            self.at_risk.clear();
            self.peer_link_touched = false;
            self.seen = None;
        }
    }
}

impl World {
    /// Look at everything, if anything changed.
    pub fn check(&mut self) {
        if self.checks.has_failed() {
            return;
        }
        let is_healthy = self.is_healthy();
        if self.crossed[0] != self.crossed[1] {
            // Two failures at once: nobody compares any more who is behind a port, or not yet; or something is done to a
            // port that leads to one host here and to another one there.
            let is_bond = |place: &Place| matches!(place, Place::Bond(_));
            if !is_healthy || self.checks.touched.iter().any(is_bond) {
                self.checks.touched.extend((0..BONDS).map(Place::Bond));
            }
            self.checks.at_risk.extend(&self.checks.touched);
        }
        let mut kernels = self.chassis.iter().map(|chassis| &chassis.kernel);
        self.checks.is_refused = kernels.any(|kernel| !kernel.refuses.is_empty());
        self.checks.pass_time(is_healthy, self.now);
        let versions = SIDES.map(|side| self.chassis[side].kernel.version);
        if self.checks.seen == Some(versions) {
            return;
        }
        self.checks.seen = Some(versions);
        if let Some(what) = self.first_fault() {
            let now = self.now;
            self.note(|| what.clone());
            self.checks.fail(now, what);
        }
    }

    fn first_fault(&mut self) -> Option<String> {
        for from in PLACES {
            for way in self.ways(from) {
                let flooded = self.follow(from, way, None);
                if flooded.is_some() {
                    return flooded;
                }
                for station in 0..STATIONS {
                    let fault = self.follow(from, way, Some(station));
                    if fault.is_some() {
                        return fault;
                    }
                }
            }
        }
        None
    }

    fn follow(&mut self, from: Place, way: (usize, u32), station: Option<usize>) -> Option<String> {
        let target = station.map(|station| self.stations[station]);
        if target == Some(from) {
            return None;
        }
        self.checks.frames += 1;
        let walk = self.walk(way, station.map(mac));
        let frame = || {
            let to = station.map_or("everybody".to_owned(), |station| {
                format!("station {station} at {target:?}")
            });
            let [side, port] = [way.0, way.1 as usize];
            format!("a frame from {from:?} by chassis {side} port {port} to {to}")
        };
        if walk.is_loop {
            return Some(format!("{} goes round", frame()));
        }
        for place in PLACES {
            let count = walk.arrivals.iter().filter(|at| **at == place).count();
            let most = usize::from(place != from);
            if count > most && !self.checks.may_be_doubled(&place) {
                return Some(format!("{} arrives {count} times at {place:?}", frame()));
            }
        }
        let targets = PLACES
            .into_iter()
            .filter(|place| target.map_or(*place != from, |target| target == *place));
        for place in targets {
            let arrives = walk.arrivals.contains(&place);
            if !arrives && self.must_arrive(from, way.0, place, station) {
                return Some(format!("{} does not arrive at {place:?}", frame()));
            }
        }
        None
    }

    /// Whether there is a way, and nothing excuses that it is not taken.
    fn must_arrive(&self, from: Place, side: usize, to: Place, station: Option<usize>) -> bool {
        let checks = &self.checks;
        let is_touched = checks.touched.contains(&from)
            || checks.touched.contains(&to)
            || station.is_some_and(|station| checks.moved.contains(&station));
        if is_touched || !self.chassis[side].is_on || self.is_lost_by_its_cables(from, to) {
            return false;
        }
        // An operator's port that leads nowhere: a host has to leave it, if it can.
        let serves = |host: usize, side: usize| {
            let port = self.opposite(side, host);
            self.hosts[host].is_usable(side) && self.chassis[side].kernel.can_carry(bond(port))
        };
        if let Place::Bond(host) = from
            && !SIDES.into_iter().any(|side| serves(host, side))
        {
            return false;
        }
        let is_here = match to {
            Place::Bond(host) => serves(host, side),
            Place::Orphan(at) => at == side,
        };
        let is_there = match to {
            Place::Bond(host) => serves(host, 1 - side),
            Place::Orphan(at) => at != side && self.chassis[1 - side].is_on,
        };
        let has_way = self.peer_cable && !self.chassis.iter().any(|it| it.has_lost_peer_link);
        is_here || (is_there && has_way && !checks.peer_link_touched)
    }

    /// One of these hosts may have no leg left: cables are crossed, and its leg to the primary is out, or agreed after
    /// the one that the secondary holds. A host stays with the leg that agreed first.
    fn is_lost_by_its_cables(&self, from: Place, to: Place) -> bool {
        let is_held = |host: usize, side: usize| {
            let port = bond(self.opposite(side, host));
            self.hosts[host].is_usable(side) && self.chassis[side].kernel.is_held(port)
        };
        let lacks = |place: Place| match place {
            Place::Bond(host) => {
                let legs = &self.hosts[host].legs;
                legs.iter().any(|leg| !leg.cable)
                    || SIDES.into_iter().any(|side| is_held(host, side))
            }
            Place::Orphan(_) => false,
        };
        self.crossed[0] != self.crossed[1] && (lacks(from) || lacks(to))
    }

    /// What must be so when everything was mended and time has passed.
    pub fn check_mended(&mut self) {
        if self.checks.has_failed() {
            return;
        }
        let mut faults = Vec::new();
        if !self.is_healthy() {
            faults.push("not synchronised".to_owned());
        }
        for side in SIDES {
            let kernel = &self.chassis[side].kernel;
            for port in 0..BONDS {
                let index = bond(port);
                if !kernel.is_isolated(index) {
                    faults.push(format!("chassis {side}: port {index} is not isolated"));
                }
                if kernel.is_held(index) {
                    faults.push(format!("chassis {side}: port {index} is held"));
                }
                if !self.hosts[self.opposite(side, port)].is_usable(side) {
                    faults.push(format!("chassis {side}: port {index} does not carry data"));
                }
            }
            let is_idle = self.chassis[side]
                .syncd
                .as_ref()
                .is_some_and(|process| process.is_idle());
            if !is_idle {
                faults.push(format!(
                    "chassis {side}: mclagsyncd has something left to do"
                ));
            }
        }
        if !faults.is_empty() {
            let now = self.now;
            self.checks.fail(now, faults.join(", "));
        }
    }
}
