//! From what is wanted and what is to what has to be done. Pure: no I/O, no clock.
//!
//! The [`Reconciler`] keeps the wanted state ([`Wanted`], built from the client's operations) and
//! a picture of the dataplane ([`Actual`]). Everything that happens goes in by
//! [`Reconciler::accept`], [`Reconciler::observe`] and [`Reconciler::adopt`]; what has to be done
//! comes out of [`Reconciler::plan`]; how that went goes in by [`Reconciler::conclude`].
//!
//! * `wanted`: operations and snapshots to wanted state.
//! * `ports`: filter, holds and port settings; compared as a whole, for there are few.
//! * `interfaces`: identity of layer-3 interfaces; compared as a whole, too.
//! * `fdb`, `neighbours`: forwarding entries and neighbours; only keys that changed are looked at.
//! * `pair`: how the pair stands; nothing to be done about it.
//! * `pending`: keys of the tables that wait to be looked at.
//! * `leaving`: a bridge that another one takes the place of.
//! * `limits`: what a client may name.
//! * `listing`: a table that is being listed while other things happen.
//! * `echoes`: what is reported of our own actions.
//! * `observe`: what happened to single interfaces, entries and neighbours.
//! * `ledger`: wanted state of a dataplane that cannot be compared, to be said again.
//! * `owed`: entries that it has yet to be told, in shares.
//! * `originals`: what settings were before we changed them.
//! * `plan`, `reasons`, `results`, `observations`, `progress`: the words in which these modules talk; each uses only modules
//!   below it.
//!
//! Rules that everything here obeys:
//!
//! 1. Nothing is undone because it was not mentioned, except at the end of a snapshot.
//! 2. What keeps frames from passing comes first, what lets them pass comes last.
//! 3. A plan that was carried out leaves nothing to plan.
//! 4. Entries that an operator configured are never touched.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use mclag_proto::IfName;
use mclag_proto::sync::model::{
    Event, FdbKey, NeighbourKey, Observation, Op, OpError, OpErrorCode, Section,
};

use crate::backend::BackendEvent;
use crate::dataplane::{
    Action, Actual, EntryKind, FdbEntry, NeighbourActual, NeighbourKind, Subject,
};

use departure::Departure;
use echoes::Echoes;
pub use ledger::Ledger;
pub use limits::Limits;
use listing::Listing;
use observations::{change_of_observation, observation_of};
pub use originals::{LocalAddress, Original, Originals, PortOriginals};
pub use owed::Owed;
pub use pair::{MAX_MEMBERS, MAX_PAIR_PORTS, Pair};
use pending::Pending;
use plan::Plan;
use reasons::{EntryReason, NeighbourReason};
use results::worsen;
use retry::reason_to_look;
use wanted::Change;
pub use wanted::{
    MAX_WANTED_ENTRIES, MAX_WANTED_INTERFACES, MAX_WANTED_NEIGHBOURS, MAX_WANTED_PORTS, Wanted,
    WantedPort,
};

mod departure;
mod echoes;
mod fdb;
mod interfaces;
mod leaving;
mod ledger;
mod limits;
mod listing;
mod neighbours;
mod observations;
mod observe;
mod originals;
mod owed;
mod pair;
mod pending;
mod plan;
mod ports;
mod progress;
mod reasons;
mod results;
mod retry;
mod wanted;

#[cfg(test)]
mod tests;

/// Entries, and neighbours, that one plan looks at beside those that the client asked for: some milliseconds of
/// the kernel's time.
const MAX_AT_ONCE: usize = 512;

/// Compares wanted and actual state.
///
/// After each call of [`Reconciler::accept`], [`Reconciler::observe`], [`Reconciler::adopt`] or
/// [`Reconciler::retry`]: carry out [`Reconciler::take_leaving`], ask [`Reconciler::needs_snapshot`], then [`Reconciler::plan`], carry the
/// plan out, and hand the results to [`Reconciler::conclude`]. Spurious calls are harmless.
#[derive(Debug)]
pub struct Reconciler {
    wanted: Wanted,
    limits: Limits,
    actual: Actual,
    originals: Originals,
    adopted: bool,
    resync: bool,
    ports_changed: bool,
    /// The plan being carried out looked at ports.
    ports_in_flight: bool,
    local: fdb::Local,
    /// The table is being listed.
    listing: Option<Listing>,
    /// Keys to be looked at by the next plan.
    pending: Pending<FdbKey, EntryReason>,
    /// Keys that the plan being carried out looked at.
    in_flight: BTreeMap<FdbKey, EntryReason>,
    /// What could not be done and may go better later.
    retry: BTreeMap<FdbKey, EntryReason>,
    /// What the client asked for and could not be done yet, and nothing was seen of since: what the dataplane still has
    /// of it is no news.
    waiting: HashSet<FdbKey>,
    /// What is still to be reported of what was done to entries.
    echoes: Echoes,
    retry_ports: bool,
    departure: Departure,
    /// Neighbours to be looked at by the next plan, those that the plan being carried out looked
    /// at, and what could not be done and may go better later.
    neighbours: Keys,
    /// Operations that wait for their result.
    asked: Vec<Asked>,
    failures: HashMap<Subject, OpError>,
    /// Observations that our own actions changed, or the name of an interface, not published yet.
    ended: Vec<Event>,
    /// What has to be done on the bridge in the picture before another one takes its place; none while none does.
    leaving: Option<Vec<Action>>,
}

/// Neighbours that are looked at.
#[derive(Debug, Default)]
struct Keys {
    pending: Pending<NeighbourKey, NeighbourReason>,
    in_flight: BTreeMap<NeighbourKey, NeighbourReason>,
    retry: BTreeMap<NeighbourKey, NeighbourReason>,
}

/// One operation that was accepted and not answered yet.
#[derive(Debug)]
struct Asked {
    subjects: Subjects,
    result: Result<(), OpError>,
}

#[derive(Clone, Copy, Debug)]
enum Subjects {
    Nothing,
    One(Subject),
    /// The end of a snapshot answers for what it took out.
    Rest(Section),
}

impl Subjects {
    const fn entry(&self) -> Option<FdbKey> {
        match self {
            Self::One(Subject::Fdb(key)) => Some(*key),
            _ => None,
        }
    }

    const fn neighbour(&self) -> Option<NeighbourKey> {
        match self {
            Self::One(Subject::Neighbour(key)) => Some(*key),
            _ => None,
        }
    }
}

impl Reconciler {
    /// Wants nothing and knows nothing; continue with [`Reconciler::adopt`].
    #[must_use]
    pub fn new(originals: Originals) -> Self {
        Self {
            wanted: Wanted::default(),
            limits: Limits::default(),
            actual: Actual::default(),
            originals,
            adopted: false,
            resync: false,
            ports_changed: false,
            ports_in_flight: false,
            local: fdb::Local::default(),
            listing: None,
            pending: Pending::default(),
            in_flight: BTreeMap::new(),
            retry: BTreeMap::new(),
            waiting: HashSet::new(),
            echoes: Echoes::default(),
            retry_ports: false,
            departure: Departure::default(),
            neighbours: Keys::default(),
            asked: Vec::new(),
            failures: HashMap::new(),
            ended: Vec::new(),
            leaving: None,
        }
    }

    /// Take in a fresh picture of the dataplane, whatever was believed before.
    ///
    /// The first one decides what [`mclag_proto::sync::model::Isolation::Keep`] means: with a
    /// filter in it, what is in force stays.
    pub fn adopt(&mut self, actual: Actual) {
        self.adopt_all_but_table(actual);
        self.listing = None;
        let ours = self.actual.fdb.iter().filter(|(_, entry)| entry.is_ours());
        for key in ours.map(|(key, _)| key).chain(self.wanted.entries()) {
            let reason = reason_to_look(&self.waiting, key);
            self.pending.insert_if_new(*key, reason);
        }
    }

    fn adopt_all_but_table(&mut self, actual: Actual) {
        if !self.adopted {
            self.adopted = true;
            self.wanted.keep_what_is_in_force(actual.filter.is_some());
        }
        self.resync = false;
        self.ports_changed = true;
        self.actual = actual;
        self.actual.routed = self.limits.routed.clone();
        self.originals.find_again(&self.actual);
        self.originals.forget_missing(&self.actual);
        let ours = self.actual.neighbours.iter().filter(is_our_neighbour);
        for key in ours.map(|(key, _)| key).chain(self.wanted.neighbours()) {
            let pending = &mut self.neighbours.pending;
            pending.insert_if_new(*key, NeighbourReason::Check);
        }
    }

    /// The bridge could not be looked at: it has no ports and no entries.
    pub fn bridge_lost(&mut self) {
        self.resync = true;
        self.actual.bridge = None;
        self.listing = None;
        self.actual.fdb.clear();
        for port in self.actual.ports.values_mut() {
            port.bridge_port = None;
        }
        self.ports_changed = true;
    }

    /// Which bridge a snapshot has to be taken of before the next plan, if one has to.
    #[must_use]
    pub fn needs_snapshot(&self) -> Option<Option<IfName>> {
        let wanted = self.wanted.domain().map(|domain| domain.bridge);
        let bridge = wanted.or(self.actual.bridge);
        (self.resync || bridge != self.actual.bridge).then_some(bridge)
    }

    /// Take in operations of the client. Their results come from [`Reconciler::conclude`].
    pub fn accept(&mut self, ops: &[Op]) {
        for op in ops {
            let allowed = match op {
                Op::Domain(want) => self.limits.bridge(want.bridge, &self.actual),
                _ => Ok(()),
            };
            let applied = match allowed {
                Ok(()) => self.wanted.apply(op),
                Err(error) => {
                    self.wanted.keep_domain();
                    Err(error)
                }
            };
            let (subjects, result) = match applied {
                Ok(change) => (self.note(change), Ok(())),
                Err(error) => (Subjects::Nothing, Err(error)),
            };
            self.asked.push(Asked { subjects, result });
        }
    }

    fn note(&mut self, change: Change) -> Subjects {
        match change {
            Change::Nothing => Subjects::Nothing,
            Change::Domain => {
                self.ports_changed = true;
                self.leave();
                Subjects::One(Subject::Domain)
            }
            Change::Port(port) => {
                self.ports_changed = true;
                Subjects::One(Subject::Port(port))
            }
            Change::Learning(port) => {
                self.ports_changed = true;
                Subjects::One(Subject::Settings(port))
            }
            Change::Entry(key, reason) => {
                self.retry.remove(&key);
                let was_waiting = self.waiting.remove(&key);
                let reason = reason.behind_what_was_not_done(was_waiting);
                // Since the want before this one the client takes the host for gone from where it was, which it is not.
                let is_overtaken = was_waiting || self.pending.get(&key) == Some(&reason);
                if reason == EntryReason::Want && is_overtaken {
                    self.waiting.insert(key);
                }
                self.pending.insert(key, reason);
                Subjects::One(Subject::Fdb(key))
            }
            Change::Interface(name) => {
                self.ports_changed = true;
                Subjects::One(Subject::Interface(name))
            }
            Change::Neighbour(key, reason) => {
                self.neighbours.retry.remove(&key);
                self.neighbours.pending.insert(key, reason);
                Subjects::One(Subject::Neighbour(key))
            }
            Change::Flush(port) => {
                if let Some(listing) = &mut self.listing {
                    listing.flush(port);
                }
                let is_meant = |entry: &FdbEntry| {
                    entry.kind == EntryKind::Dynamic && port.is_none_or(|port| entry.port == port)
                };
                let learned = self.actual.fdb.iter().filter(|(_, entry)| is_meant(entry));
                for (key, _) in learned {
                    // What the client said of the entry itself says more.
                    self.pending.insert_if_new(*key, EntryReason::Flush);
                }
                Subjects::Nothing
            }
            Change::Rest(section @ (Section::Ports | Section::Interfaces)) => {
                self.ports_changed = true;
                Subjects::Rest(section)
            }
            Change::Rest(Section::Pair) => Subjects::Nothing,
            Change::Rest(Section::Neighbours) => {
                let ours = self.actual.neighbours.iter().filter(is_our_neighbour);
                for (key, _) in ours.filter(|(key, _)| self.wanted.neighbour(key).is_none()) {
                    let pending = &mut self.neighbours.pending;
                    pending.insert(*key, NeighbourReason::Undo);
                }
                Subjects::Rest(Section::Neighbours)
            }
            Change::Rest(Section::Fdb) => {
                let is_given_up = |key: &FdbKey| self.wanted.entry(key).is_none();
                let not_done = self.waiting.extract_if(is_given_up);
                // Nothing older is behind these, as where one is released.
                let not_done = not_done.map(|key| (key, EntryReason::Release { forget: true }));
                let ours = self.actual.fdb.iter().filter(|(_, entry)| entry.is_ours());
                let ours = ours.map(|(key, _)| (*key, EntryReason::Undo));
                for (key, reason) in not_done.chain(ours) {
                    if self.wanted.entry(&key).is_none() {
                        // A release, or an entry for once, says more; a want that came before the begin is no more.
                        let is_more_specific = |d: &EntryReason| {
                            matches!(d, EntryReason::Release { .. } | EntryReason::Once { .. })
                        };
                        if !self.pending.get(&key).is_some_and(is_more_specific) {
                            self.pending.insert(key, reason);
                        }
                    }
                }
                Subjects::Rest(Section::Fdb)
            }
        }
    }

    fn take_in(&mut self, event: &BackendEvent) -> Option<Event> {
        match event {
            BackendEvent::Fdb { key, entry } => {
                if let Some(listing) = &mut self.listing {
                    listing.know(*key);
                }
                self.observe_entry(*key, *entry)
            }
            // Taken by the piece.
            BackendEvent::Table { .. } => None,
            BackendEvent::Port { port, actual } => {
                let was_bridge_port = self.actual.bridge_port(port).is_some();
                let before = match actual {
                    Some(actual) => self.actual.ports.insert(*port, *actual),
                    None => self.actual.ports.remove(port),
                };
                if before == *actual {
                    return None;
                }
                self.originals.forget_missing_port(port, &self.actual);
                if !was_bridge_port && self.actual.bridge_port(port).is_some() {
                    for key in self.wanted.entries_on(port) {
                        let reason = reason_to_look(&self.waiting, key);
                        self.pending.insert_if_new(*key, reason);
                    }
                }
                self.ports_changed = true;
                None
            }
            BackendEvent::Renamed { from, to } => {
                self.originals.rename(from, *to);
                self.entries_renamed(from, *to);
                self.ports_changed = true;
                None
            }
            BackendEvent::Interface { interface, actual } => {
                self.observe_interface(*interface, actual.as_ref());
                None
            }
            BackendEvent::Neighbour { key, entry } => {
                self.observe_neighbour(*key, *entry);
                None
            }
            BackendEvent::Filter { filter, held } => {
                self.actual.filter.clone_from(filter);
                self.actual.held.clone_from(held);
                self.ports_changed = true;
                None
            }
            BackendEvent::Resync { why: _ } => {
                // Reports may be missing, and these echoes among them.
                self.echoes = Echoes::default();
                self.resync = true;
                None
            }
        }
    }

    /// Whether the next plan looks at ports.
    #[must_use]
    pub const fn plans_ports(&self) -> bool {
        self.ports_changed
    }

    /// Names that interfaces are to keep when somebody gives them others, with the numbers of those that were changed: ports
    /// and peer link, the one that the filter goes on naming, and, until it is known what all ports are, what an earlier run
    /// changed.
    #[must_use]
    pub fn followed(&self) -> BTreeMap<IfName, Option<u32>> {
        let mut numbers = self.originals.numbers();
        let of_client = self.wanted.domain().and_then(|domain| domain.peer_link);
        let filter = self.actual.filter.as_ref();
        let of_filter = filter.and_then(|filter| filter.peer_link);
        let names = self.wanted.ports().keys().copied();
        let names: BTreeSet<IfName> = names.chain(of_client).chain(of_filter).collect();
        if self.wanted.knows_all_ports() {
            numbers.retain(|name, _| names.contains(name));
        }
        for name in names {
            numbers.entry(name).or_default();
        }
        numbers
    }

    /// What has to be done now, in this order: all of ports, interfaces and what the client asked for since the
    /// last plan, and a share of the tables.
    pub fn plan(&mut self) -> Vec<Action> {
        self.failures.clear();
        let mut actions = Vec::new();
        let mut first = Vec::new();
        self.ports_in_flight = std::mem::take(&mut self.ports_changed);
        if self.ports_in_flight {
            self.update_local();
            let mut plan = Plan::default();
            let (wanted, limits, actual) = (&self.wanted, &self.limits, &self.actual);
            ports::plan(&mut plan, wanted, actual, &mut self.originals);
            interfaces::plan(&mut plan, wanted, limits, actual, &mut self.originals);
            self.originals.number(actual);
            actions = plan.actions;
            self.failures.extend(plan.failures);
            self.depart(&mut actions);
            for action in &actions {
                if let Action::LocalDelete { key, .. } = action {
                    self.local.leaving.insert(*key);
                    if self.wanted.entry(key).is_some() {
                        self.pending.insert_if_new(*key, EntryReason::Check);
                        first.push(*key);
                    }
                }
            }
        }
        let asked = self.asked.iter().filter_map(|asked| asked.subjects.entry());
        let first = first.into_iter().chain(asked);
        self.in_flight = self.pending.take(first, MAX_AT_ONCE);
        for (key, reason) in &self.in_flight {
            match self.plan_entry(key, reason) {
                Ok(action) => actions.extend(action.map(|action| self.on_departure(action))),
                Err(error) => {
                    self.failures.insert(Subject::Fdb(*key), error);
                    // What cannot be done once is done never; what nobody wants goes all the same.
                    if matches!(reason, EntryReason::Once { .. }) {
                        let instead = self.plan_entry(key, &EntryReason::Check);
                        actions.extend(instead.ok().flatten());
                    }
                }
            }
        }
        self.local.leaving.clear();
        let asked = self.asked.iter();
        let asked = asked.filter_map(|asked| asked.subjects.neighbour());
        self.neighbours.in_flight = self.neighbours.pending.take(asked, MAX_AT_ONCE);
        for (key, reason) in &self.neighbours.in_flight {
            match neighbours::plan(&self.wanted, &self.limits, &self.actual, key, *reason) {
                Ok(action) => actions.extend(action),
                Err(error) => {
                    self.failures.insert(Subject::Neighbour(*key), error);
                    actions.extend(neighbours::forbidden(&self.limits, &self.actual, key));
                }
            }
        }
        actions.sort_by_key(Action::rank);
        actions
    }

    fn plan_entry(&self, key: &FdbKey, reason: &EntryReason) -> Result<Option<Action>, OpError> {
        fdb::plan(&self.wanted, &self.actual, &self.local, key, reason)
    }

    fn update_local(&mut self) {
        self.local.own = self.wanted_local().collect();
    }

    fn wanted_local(&self) -> impl Iterator<Item = FdbKey> {
        let wanted = self.wanted.interfaces().iter();
        wanted.filter_map(|(name, want)| {
            let vid = self.actual.interfaces.get(name)?.svi?;
            let mac = want.mac;
            Some(FdbKey { vid, mac })
        })
    }

    /// Take in how the plan went: one result per action. Answers one result per operation that
    /// was accepted since the last conclusion.
    pub fn conclude(
        &mut self,
        actions: &[Action],
        results: &[Result<(), OpError>],
    ) -> Vec<Result<(), OpError>> {
        let mut ports_failed = false;
        for (action, result) in actions.iter().zip(results) {
            match result {
                Ok(()) => self.done(action),
                Err(error) => {
                    let subject = action.subject();
                    ports_failed |= section_of(&subject) == Section::Ports;
                    // The filter takes ports that do not exist, so what is missing is the filter:
                    // a client that is told to wait would take the port for isolated.
                    let in_filter =
                        matches!(action, Action::EnsureFilter { .. } | Action::Isolate { .. });
                    let code = match error.code {
                        OpErrorCode::Waiting if in_filter => OpErrorCode::Refused,
                        code => code,
                    };
                    if code == OpErrorCode::Refused {
                        self.try_again(subject);
                    } else if let Subject::Fdb(key) = subject
                        && self.is_for_once(&key)
                    {
                        self.retry.insert(key, EntryReason::Check);
                    }
                    worsen(
                        &mut self.failures,
                        subject,
                        OpError {
                            code,
                            text: error.text.clone(),
                        },
                    );
                }
            }
        }
        // A share of the table says nothing about a port that failed before.
        if std::mem::take(&mut self.ports_in_flight) && !ports_failed {
            self.wanted.forget_released();
        }
        self.originals.forget_restored(&self.wanted, &self.actual);
        self.note_what_waits();
        self.in_flight.clear();
        self.neighbours.in_flight.clear();
        self.answer()
    }

    /// Take in that an action was carried out. Where it ended an observation, the client has to hear of
    /// it: what it asked for may have crossed a report of that observation. Where it began one (ours
    /// handed over to the dataplane), the client knows of it already.
    fn done(&mut self, action: &Action) {
        let key = match action {
            Action::LocalInstall { key, .. } => *key,
            _ => match action.subject() {
                Subject::Fdb(key) => key,
                _ => {
                    self.actual.apply(action);
                    return;
                }
            },
        };
        if let Some(listing) = &mut self.listing {
            listing.know(key);
        }
        let before = self.actual.fdb.get(&key).copied();
        self.actual.apply(action);
        let after = self.actual.fdb.get(&key).copied();
        if before != after {
            self.echoes.expect(key, after);
        }
        let is_once = self.is_for_once(&key);
        match change_of_observation(before.as_ref(), after.as_ref()) {
            Some(observation @ (Observation::Inactive | Observation::Aged)) => {
                self.ended.push(Event::Fdb { key, observation });
            }
            // From now on it is reported like what was learned.
            Some(observation) if is_once => self.ended.push(Event::Fdb { key, observation }),
            _ => {}
        }
    }

    fn is_for_once(&self, key: &FdbKey) -> bool {
        matches!(self.in_flight.get(key), Some(EntryReason::Once { .. }))
    }

    /// Observations that actions of ours ended since the last call, or began as the dataplane's own, or that are under
    /// another name, to be published.
    pub fn take_ended(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.ended)
    }

    fn answer(&mut self) -> Vec<Result<(), OpError>> {
        let asked = std::mem::take(&mut self.asked);
        let mut failures = std::mem::take(&mut self.failures);
        let mut results = Vec::with_capacity(asked.len());
        for Asked { subjects, result } in &asked {
            let found = match subjects {
                Subjects::Nothing | Subjects::Rest(_) => None,
                Subjects::One(Subject::Domain) => {
                    let peer_link = self.wanted.domain().and_then(|domain| domain.peer_link);
                    let peer_link = peer_link.map(Subject::Settings);
                    let domain = failures.get(&Subject::Domain);
                    domain.or_else(|| failures.get(&peer_link?))
                }
                Subjects::One(subject) => failures.get(subject),
            };
            results.push(match found {
                Some(error) => Err(error.clone()),
                None => result.clone(),
            });
        }
        if failures.is_empty() {
            return results;
        }
        for Asked { subjects, .. } in &asked {
            if let Subjects::One(subject) = subjects {
                failures.remove(subject);
            }
        }
        for (Asked { subjects, .. }, result) in asked.iter().zip(&mut results) {
            if let Subjects::Rest(section) = subjects {
                // Settings are nobody's word: they are logged here and tried again.
                let rest = failures.iter().find(|(subject, _)| {
                    section_of(subject) == *section && !matches!(subject, Subject::Settings(_))
                });
                if let Some((_, error)) = rest {
                    *result = Err(error.clone());
                }
            }
        }
        results
    }

    /// The client is gone: a snapshot that it had begun will not end.
    pub fn client_gone(&mut self) {
        self.wanted.abandon_snapshots();
        self.forget_what_waits();
        self.asked.clear();
    }

    /// Ports that are held from now on keep their carrier, or may lose it; those that are held already
    /// stay as they are.
    pub const fn hold_with_carrier(&mut self, keeps_carrier: bool) {
        self.wanted.hold_with_carrier(keeps_carrier);
    }

    /// Every address that the dataplane sees, for a snapshot of events. Not where it still has one of which the client said
    /// otherwise since.
    pub fn observations(&self) -> impl Iterator<Item = (FdbKey, Observation)> {
        let entries = self.actual.fdb.iter();
        let entries = entries.filter(|(key, _)| !self.waiting.contains(key));
        entries.filter_map(|(key, entry)| Some((*key, observation_of(entry)?)))
    }

    /// Where the dataplane sees this address, if it does.
    #[must_use]
    pub fn observation(&self, key: &FdbKey) -> Option<Observation> {
        observation_of(self.actual.fdb.get(key)?)
    }

    /// What is wanted.
    #[must_use]
    pub const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// What is believed of the dataplane.
    #[must_use]
    pub const fn actual(&self) -> &Actual {
        &self.actual
    }

    /// What settings were before they were changed; to be stored before a plan is carried out.
    #[must_use]
    pub const fn originals(&self) -> &Originals {
        &self.originals
    }
}

fn is_our_neighbour((_, entry): &(&NeighbourKey, &NeighbourActual)) -> bool {
    matches!(entry.kind, NeighbourKind::Ours { .. })
}

const fn section_of(subject: &Subject) -> Section {
    match subject {
        Subject::Domain | Subject::Port(_) | Subject::Settings(_) => Section::Ports,
        Subject::Fdb(_) => Section::Fdb,
        Subject::Interface(_) => Section::Interfaces,
        Subject::Neighbour(_) => Section::Neighbours,
    }
}
