//! What must hold at every moment, whatever fails.
//!
//! At every moment at which time passes, frames of every station are followed through the tables and filters of both
//! chassis: to everybody, and to every other station.
//!
//! * None goes round.
//! * None is delivered twice, and none comes back to the place it came from. Excused are places that something was
//!   done to while a process or the session was missing: several failures at once.
//! * Each arrives, if there is a way. Excused are places that something was done to as long ago as its row in
//!   [`bounds`](crate::bounds) says, or since everything was well.
//!
//! When everything was well for a while, both chassis agree where each station is, and one that speaks is known on both:
//! nothing is flooded for long. A move while there is no session is no excuse, for both say how long ago they saw the host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use iccp_core::{Notice, Time};
use mclag_proto::Vid;

use crate::bounds::Kind;
use crate::kernel::{AGEING, BONDS, Duty, ORPHAN, PEER_LINK, VIDS, bond};
use crate::syncd::RETRY;
use crate::world::{PLACES, Place, SIDES, STATIONS, World, key};

/// How long `mclagsyncd` may take to put back what somebody else took away.
const REPAIR: Duration = Duration::from_millis(100);

/// Tables age once in that time.
const SECOND: Duration = Duration::from_secs(1);

/// Something that must not happen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// When.
    pub at: Time,
    /// What.
    pub what: String,
}

/// Something that need not be so for a while.
#[derive(Clone, Copy, Debug)]
struct Excuse {
    since: Time,
    /// For how long, with an `mclagsyncd` that is not slow.
    at_most: Duration,
}

impl Excuse {
    /// The one of both that lasts longer.
    fn or(self, other: Option<Self>) -> Self {
        other
            .into_iter()
            .fold(self, |one, other| match one.end() < other.end() {
                true => other,
                false => one,
            })
    }

    fn end(&self) -> Time {
        self.since + self.at_most
    }

    /// It begins anew, and lasts for so long at least.
    fn renew(&mut self, at_least: Duration, now: Time) {
        self.since = now;
        self.at_most = self.at_most.max(at_least);
    }
}

/// See the module's comment.
#[derive(Debug, Default)]
pub struct Checks {
    /// Places that something was done to.
    touched: BTreeMap<Place, Excuse>,
    /// Stations that moved.
    moved: BTreeMap<usize, Excuse>,
    /// Places whose hosts change legs because a chassis leaves the pair or joins it, and nothing else is done.
    parting: BTreeMap<Place, Excuse>,
    /// Those that a chassis may not have heard of, because of what failed meanwhile, until they say something.
    unheard: BTreeSet<usize>,
    /// Those that moved while there was no session: each chassis says how long ago that was, if it goes on knowing it.
    moved_apart: BTreeSet<usize>,
    peer_link: Option<Excuse>,
    /// Places that may get frames twice, until everything was well for a while.
    at_risk: BTreeSet<Place>,
    /// Places that may get frames twice for a while.
    exposed: BTreeMap<Place, Excuse>,
    /// How much longer than usual what is excused may take.
    slack: Duration,
    /// How long a port waits that gets its carrier.
    forwards_after: Duration,
    /// A kernel refuses something: what is touched or exposed stays so.
    is_refused: bool,
    /// Until then what was refused may be done after all.
    refused_until: Time,
    last_touch: Time,
    /// Since when everything is well.
    well_since: Option<Time>,
    /// Since when everything was well for long, and nothing was done for as long.
    quiet_since: Option<Time>,
    /// When what a station said last has to be looked at.
    to_be_known: Option<Time>,
    /// Since when each chassis does not know a station that it has to know.
    missing_since: [[Option<Time>; 2]; STATIONS],
    /// The versions of the kernels that were looked at last.
    seen: Option<[u64; 2]>,
    violation: Option<Violation>,
    /// How often each kind of notice came.
    pub notices: BTreeMap<&'static str, u64>,
    /// How many frames were followed.
    pub frames: u64,
}

impl Checks {
    /// With ports that wait for so long when they get their carrier.
    #[must_use]
    pub fn new(forwards_after: Duration) -> Self {
        Self {
            forwards_after,
            ..Self::default()
        }
    }

    /// How long what is done may cost frames.
    fn bound(&self, kind: Kind) -> Duration {
        match kind.begins_anew() {
            true => kind.bound() + self.forwards_after,
            false => kind.bound(),
        }
    }

    fn excuse(&mut self, kind: Kind, now: Time) -> Excuse {
        self.seen = None;
        Excuse {
            since: now,
            at_most: self.bound(kind),
        }
    }

    /// Something is done to a place.
    pub fn touch(&mut self, place: Place, kind: Kind, now: Time) {
        self.last_touch = now;
        self.excuse_place(place, kind, now);
    }

    /// Frames may be lost at a place, at which nothing is done.
    fn excuse_place(&mut self, place: Place, kind: Kind, now: Time) {
        let excuse = self.excuse(kind, now);
        let excuse = excuse.or(self.touched.get(&place).copied());
        self.touched.insert(place, excuse);
    }

    /// Hosts change legs because a chassis leaves the pair or joins it.
    pub fn part(&mut self, place: Place, kind: Kind, now: Time) {
        let excuse = self.excuse(kind, now);
        let excuse = excuse.or(self.parting.get(&place).copied());
        self.parting.insert(place, excuse);
    }

    /// More is missing than what took its chassis out of the pair: several failures at once.
    fn part_no_more(&mut self, now: Time) {
        for place in std::mem::take(&mut self.parting).into_keys() {
            self.touch(place, Kind::Start, now);
        }
    }

    /// Frames may be lost at a place.
    fn may_lose(&self, place: &Place) -> bool {
        self.touched.contains_key(place) || self.parting.contains_key(place)
    }

    /// Something is done to the peer link.
    pub fn touch_peer_link(&mut self, kind: Kind, now: Time) {
        let excuse = self.excuse(kind, now);
        self.last_touch = now;
        self.peer_link = Some(excuse.or(self.peer_link));
    }

    /// A station moves.
    pub fn touch_station(&mut self, station: usize, now: Time) {
        // That is no touch: both are of one mind about the others all the time, and about this one soon.
        let excuse = self.excuse(Kind::Station, now);
        self.moved.insert(station, excuse);
    }

    /// A station is at another place, and has not said so.
    pub fn displace_station(&mut self, station: usize, now: Time) {
        self.touch_station(station, now);
        self.unheard.insert(station);
    }

    /// A station is at another place, and said so to a chassis that cannot tell the other one now. When it moves once more
    /// before that, the chassis that saw it oftener may be believed (ADR 19).
    pub fn move_apart(&mut self, station: usize, now: Time) {
        if !self.moved_apart.insert(station) {
            self.displace_station(station, now);
        }
    }

    /// A station says something while everything is well or is not.
    pub fn heard(&mut self, station: usize, is_healthy: bool, now: Time) {
        self.to_be_known = Some(self.known_by(now));
        // What is refused and tried again may put it back to where it was before.
        let is_heard = is_healthy && self.refused_until <= now;
        if is_heard {
            self.moved_apart.remove(&station);
        }
        if is_heard && self.unheard.remove(&station) {
            self.touch_station(station, now);
        }
    }

    /// What keeps frames from being delivered twice at a place is gone: it has to be back soon.
    pub fn expose(&mut self, place: Place, kind: Kind, now: Time) {
        self.bare(place, kind, now);
        self.touch(place, kind, now);
    }

    /// Likewise, and nothing else is done to it.
    pub fn bare(&mut self, place: Place, kind: Kind, now: Time) {
        let at_most = match kind {
            Kind::Refusal => RETRY + REPAIR,
            _ => REPAIR,
        };
        let exposure = Excuse {
            since: now,
            at_most,
        };
        let exposure = exposure.or(self.exposed.get(&place).copied());
        self.exposed.insert(place, exposure);
        self.seen = None;
    }

    /// Likewise everywhere.
    pub fn expose_all(&mut self, kind: Kind, now: Time) {
        for place in PLACES {
            self.expose(place, kind, now);
        }
    }

    /// An `mclagsyncd` becomes slow or quick: what was excused before may be under way as slowly as then.
    pub fn set_slack(&mut self, slack: Duration, now: Time) {
        self.slack = slack;
        for excuse in self.excuses() {
            excuse.renew(Duration::ZERO, now);
        }
    }

    /// When both chassis know what a station said.
    fn known_by(&self, spoke: Time) -> Time {
        spoke + self.bound(Kind::Station) + self.slack
    }

    /// How much longer than usual anything may take.
    pub const fn slack(&self) -> Duration {
        self.slack
    }

    fn excuses(&mut self) -> impl Iterator<Item = &mut Excuse> {
        let places = self.exposed.values_mut().chain(self.touched.values_mut());
        places
            .chain(self.moved.values_mut())
            .chain(self.parting.values_mut())
            .chain(&mut self.peer_link)
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

    fn pass_time(&mut self, is_healthy: bool, is_watched: bool, now: Time) {
        if self.is_refused {
            self.refused_until = now + RETRY + REPAIR;
            self.expose_again(now);
        }
        if !is_healthy {
            self.well_since = None;
            self.quiet_since = None;
            self.at_risk.extend(self.touched.keys());
            self.at_risk.extend(self.exposed.keys());
            if self.peer_link.is_some() {
                self.at_risk.extend(PLACES);
            }
            let bound = self.bound(Kind::Start);
            let touched = self.touched.values_mut().chain(self.moved.values_mut());
            for excuse in touched.chain(&mut self.peer_link) {
                excuse.renew(bound, now);
            }
        }
        let is_due = self.to_be_known.take_if(|due| *due <= now).is_some();
        if !is_watched {
            self.unheard.extend(self.moved.keys());
            self.unheard.append(&mut self.moved_apart);
        }
        if self.forget_excuses(now) || is_due {
            self.seen = None;
        }
        if !is_healthy {
            return;
        }
        let since = *self.well_since.get_or_insert(now);
        let quiet_since = since.max(self.last_touch) + self.bound(Kind::Start);
        let quiet_since = (quiet_since <= now).then_some(quiet_since);
        if std::mem::replace(&mut self.quiet_since, quiet_since) != quiet_since {
            self.seen = None;
        }
        if quiet_since.is_some() {
            self.at_risk.clear();
        }
    }

    /// Whatever is excused stays so, and everything is.
    fn expose_again(&mut self, now: Time) {
        for place in PLACES {
            self.touch(place, Kind::Refusal, now);
        }
        for station in 0..STATIONS {
            self.touch_station(station, now);
        }
        for excuse in self.excuses() {
            excuse.renew(RETRY + REPAIR, now);
        }
    }

    /// What lasted for long enough is over. Returns whether anything was.
    fn forget_excuses(&mut self, now: Time) -> bool {
        let slack = self.slack;
        let lasts = |excuse: &Excuse| excuse.end() + slack > now;
        let count = |it: &Self| {
            it.exposed.len()
                + it.touched.len()
                + it.moved.len()
                + it.parting.len()
                + usize::from(it.peer_link.is_some())
        };
        let before = count(self);
        self.exposed.retain(|_, excuse| lasts(excuse));
        self.touched.retain(|_, excuse| lasts(excuse));
        self.moved.retain(|_, excuse| lasts(excuse));
        self.parting.retain(|_, excuse| lasts(excuse));
        self.peer_link = self.peer_link.filter(lasts);
        count(self) != before
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
            // Two failures at once: nobody compares any more who is behind a port, or not yet.
            if !is_healthy {
                for host in 0..BONDS {
                    self.checks.touch(Place::Bond(host), Kind::Cables, self.now);
                }
            }
            self.checks.at_risk.extend(self.checks.touched.keys());
        }
        let mut kernels = self.chassis.iter().map(|chassis| &chassis.kernel);
        self.checks.is_refused = kernels.any(|kernel| !kernel.refuses.is_empty());
        self.excuse_static();
        for station in 0..STATIONS {
            let (place, vid) = (&self.stations[station], key(station).vid);
            if SIDES
                .into_iter()
                .any(|side| self.lacks_vlan(place, side, vid))
            {
                self.checks.displace_station(station, self.now);
            }
            // What was seen of it goes with its last leg.
            if self.ways(self.stations[station]).is_empty() {
                self.checks.moved_apart.remove(&station);
            }
        }
        if !self.is_whole_but_left() {
            self.checks.part_no_more(self.now);
        }
        let is_watched = self.is_watched();
        self.checks.pass_time(is_healthy, is_watched, self.now);
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

    /// A host behind a static LAG uses both legs, also where the pair takes the halves for two ports: nothing makes it leave
    /// one of them.
    fn excuse_static(&mut self) {
        if !self.options.static_lags {
            return;
        }
        let mut kernels = self.chassis.iter().map(|chassis| &chassis.kernel);
        if kernels.any(|kernel| kernel.refuses.contains(&Duty::Filter)) {
            // Nothing keeps it from a leg whose isolation is refused (ADR 23).
            for host in 0..BONDS {
                self.checks.bare(Place::Bond(host), Kind::Refusal, self.now);
            }
        }
        for host in 0..BONDS {
            let has_left = self.chassis.iter().any(|it| it.has_left != [false; 2]);
            if self.is_paired(host) && !has_left {
                continue;
            }
            let place = Place::Bond(host);
            self.checks.excuse_place(place, Kind::Pairing, self.now);
            self.checks.bare(place, Kind::Pairing, self.now);
            self.displace_stations(host);
        }
    }

    fn first_fault(&mut self) -> Option<String> {
        // A chassis without a peer link says nothing of its single-homed ports.
        let has_peer_links = !self.chassis.iter().any(|it| it.has_lost_peer_link);
        if let Some(since) = self.checks.quiet_since
            && has_peer_links
        {
            for station in 0..STATIONS {
                if self.checks.moved.contains_key(&station) {
                    continue;
                }
                let misplaced = self.divided(station);
                let misplaced = misplaced.or_else(|| self.unknown(station, since));
                if misplaced.is_some() {
                    return misplaced;
                }
            }
        }
        if let Some(host) = (0..BONDS).find(|host| self.is_stranded(*host)) {
            return Some(format!("host {host} has no leg"));
        }
        for from in PLACES {
            for way in self.ways(from) {
                let floods = VIDS.map(|vid| (vid, None));
                let known = (0..STATIONS).map(|station| (key(station).vid, Some(station)));
                for (vid, station) in floods.into_iter().chain(known) {
                    let fault = self.follow(from, way, vid, station);
                    if fault.is_some() {
                        return fault;
                    }
                }
            }
        }
        None
    }

    /// Wherever a station is, both chassis are of one mind: not each holds that it is behind the other one, nor behind a
    /// port of its own that is not the other one's.
    fn divided(&self, station: usize) -> Option<String> {
        let ports = SIDES.map(|side| {
            let entry = self.chassis[side].kernel.fdb.get(&key(station))?;
            Some(entry.port)
        });
        let is_divided = match ports {
            [Some(one), Some(other)] if one == other => [PEER_LINK, ORPHAN].contains(&one),
            [Some(one), Some(other)] => ![one, other].contains(&PEER_LINK),
            _ => false,
        };
        is_divided.then(|| format!("the chassis have station {station} on {ports:?}"))
    }

    /// A station that says something while everything is well is known on both chassis as long as an address does not age,
    /// or soon again where it aged on one of them.
    fn unknown(&mut self, station: usize, since: Time) -> Option<String> {
        let is_recent = |spoke: Time| {
            let is_past = self.checks.known_by(spoke) <= self.now;
            let counts = spoke >= since || self.checks.moved_apart.contains(&station);
            counts && is_past && self.now - spoke + SECOND < AGEING
        };
        let counts = self.spoke_at[station].is_some_and(is_recent)
            && !self.checks.unheard.contains(&station)
            && !self.is_unserved(&self.stations[station]);
        for side in SIDES {
            let is_known = self.chassis[side].kernel.fdb.contains_key(&key(station));
            let missing = &mut self.checks.missing_since[station][side];
            if is_known || !counts {
                *missing = None;
                continue;
            }
            let since = *missing.get_or_insert(self.now);
            // An operator may have deleted it, which is looked at once a second.
            let due = since + RETRY + REPAIR + self.checks.slack;
            if due <= self.now {
                return Some(format!("chassis {side} does not know station {station}"));
            }
            self.checks.to_be_known = Some(due);
        }
        None
    }

    fn follow(
        &mut self,
        from: Place,
        way: (usize, u32),
        vid: Vid,
        station: Option<usize>,
    ) -> Option<String> {
        let target = station.map(|station| self.stations[station]);
        if target == Some(from) {
            return None;
        }
        self.checks.frames += 1;
        let walk = self.walk(way, vid, station.map(|station| key(station).mac));
        let frame = || {
            let to = station.map_or("everybody".to_owned(), |station| {
                format!("station {station} at {target:?}")
            });
            let [side, port] = [way.0, way.1 as usize];
            format!("a frame from {from:?} in VLAN {vid} by chassis {side} port {port} to {to}")
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
            let is_lost = self.lacks_vlan(&from, way.0, vid)
                || self.lacks_vlan(&place, self.last_of(&place, way.0), vid);
            if !arrives && !is_lost && self.must_arrive(from, way.0, place, station) {
                return Some(format!("{} does not arrive at {place:?}", frame()));
            }
        }
        None
    }

    /// No leg of a host carries data, although one could and nothing excuses that: whatever the pair makes of its ports, one
    /// agrees with the host.
    fn is_stranded(&self, host: usize) -> bool {
        let place = Place::Bond(host);
        let could = |side: usize| {
            let kernel = &self.chassis[side].kernel;
            let is_up = self.works(side) && self.hosts[host].legs[side].cable;
            is_up && kernel.can_carry(bond(self.opposite(side, host)))
        };
        let is_excused = self.checks.may_lose(&place)
            || self.hosts[host].lone.is_some()
            || self.is_lost_by_its_cables(place, place);
        !is_excused
            && SIDES.into_iter().any(could)
            && !SIDES
                .into_iter()
                .any(|side| self.hosts[host].is_usable(side))
    }

    /// Whether a chassis can deliver to a host by its leg. One at an operator's port that leads nowhere has to be left, if it
    /// can be.
    fn serves(&self, host: usize, side: usize) -> bool {
        let port = bond(self.opposite(side, host));
        let kernel = &self.chassis[side].kernel;
        self.works(side)
            && self.hosts[host].is_usable(side)
            && kernel.can_carry(port)
            && !kernel.waits_to_forward(port)
    }

    /// The chassis that delivers to a place what enters here: this one, if it can.
    fn last_of(&self, place: &Place, side: usize) -> usize {
        match *place {
            Place::Bond(host) if self.serves(host, side) => side,
            Place::Bond(_) => 1 - side,
            Place::Orphan(at) => at,
        }
    }

    /// A host whose leg to this chassis does not carry the VLAN, whatever the other one does.
    fn lacks_vlan(&self, place: &Place, side: usize, vid: Vid) -> bool {
        let Place::Bond(host) = *place else {
            return false;
        };
        let port = bond(self.opposite(side, host));
        let device = &self.chassis[side].kernel.devices[&port];
        device.port.is_some_and(|port| !port.carries(vid))
    }

    /// Whether there is a way, and nothing excuses that it is not taken.
    fn must_arrive(&self, from: Place, side: usize, to: Place, station: Option<usize>) -> bool {
        let checks = &self.checks;
        let has_moved = |station: usize| {
            checks.moved.contains_key(&station) || checks.unheard.contains(&station)
        };
        let is_touched =
            checks.may_lose(&from) || checks.may_lose(&to) || station.is_some_and(has_moved);
        if is_touched || !self.works(side) || self.is_lost_by_its_cables(from, to) {
            return false;
        }
        if [from, to].iter().any(|place| self.is_unserved(place)) {
            return false;
        }
        let is_served = |host: usize| match self.options.static_lags {
            // It sends on both.
            true => self.serves(host, side),
            false => SIDES.into_iter().any(|side| self.serves(host, side)),
        };
        if matches!(from, Place::Bond(host) if !is_served(host)) {
            return false;
        }
        let is_here = match to {
            Place::Bond(host) => self.serves(host, side),
            Place::Orphan(at) => at == side,
        };
        let is_there = match to {
            Place::Bond(host) => self.serves(host, 1 - side),
            Place::Orphan(at) => at != side && self.works(at),
        };
        let is_waiting = |side: usize, index| self.chassis[side].kernel.waits_to_forward(index);
        let is_dead = |side: usize| !self.chassis[side].kernel.bridge_is_up();
        // It has no other way, while a host has to be made to leave such a chassis.
        let is_lost = |place: &Place| matches!(place, Place::Orphan(side) if is_waiting(*side, ORPHAN) || is_dead(*side));
        if [from, to].iter().any(is_lost) {
            return false;
        }
        let is_cut = SIDES.into_iter().any(|side| is_waiting(side, PEER_LINK));
        let has_lost = self.chassis.iter().any(|it| it.has_lost_peer_link);
        let kernels = || self.chassis.iter().map(|chassis| &chassis.kernel);
        let is_plugged = kernels().all(|kernel| kernel.has_carrier(PEER_LINK));
        let has_way = is_plugged && !is_cut && !has_lost;
        is_here || (is_there && has_way && checks.peer_link.is_none())
    }

    /// A host that does not speak LACP where no port is there for such a host: nobody asked for it, the pair is none, or
    /// somebody else is behind its other half.
    fn is_unserved(&self, place: &Place) -> bool {
        let Place::Bond(host) = *place else {
            return false;
        };
        self.hosts[host].lone.is_some()
            && (!self.is_paired(host) || self.chassis.iter().any(|it| it.config.bypass.is_empty()))
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
