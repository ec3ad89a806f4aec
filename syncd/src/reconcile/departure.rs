//! A chassis that leaves the pair: nothing is wanted of its dataplane any more. Its ports get their own LACP system ids back, and
//! the hosts leave them for the other chassis. Until they have, nothing passes through these ports, and isolation stays: the
//! other chassis delivers everything from now on, and a leg that a host still uses beside the one to that would bring it
//! every flooded frame twice, and its own ones back.

use mclag_proto::IfName;

use super::reasons::{EntryReason, NeighbourReason};
use super::{Reconciler, is_our_neighbour};
use crate::dataplane::{Action, Actual};

/// How far it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Departure {
    /// It is not, or has not begun.
    #[default]
    None,
    /// Ids are given back, and hosts may be on their way; nothing passes through these ports because of that alone.
    UnderWay(Vec<IfName>),
    /// They have had their time.
    Over,
}

impl Reconciler {
    /// From now on nothing is wanted: the next plan restores what was before.
    pub fn want_nothing(&mut self) {
        self.wanted.clear();
        self.retry.clear();
        self.forget_what_waits();
        self.neighbours.retry.clear();
        self.ports_changed = true;
        let ours = self.actual.neighbours.iter().filter(is_our_neighbour);
        for (key, _) in ours {
            let pending = &mut self.neighbours.pending;
            pending.insert(*key, NeighbourReason::Undo);
        }
        let ours = self.actual.fdb.iter().filter(|(_, entry)| entry.is_ours());
        for (key, _) in ours {
            self.pending.insert(*key, EntryReason::Undo);
        }
    }

    /// Hosts are on their way; nobody knows for how long but who measures the time ([`Reconciler::hosts_have_left`]).
    #[must_use]
    pub const fn is_departing(&self) -> bool {
        matches!(self.departure, Departure::UnderWay(_))
    }

    /// Leave out what would open ports to the peer link before the hosts have left them.
    pub(super) fn depart(&mut self, actions: &mut Vec<Action>) {
        let before = std::mem::take(&mut self.departure);
        self.departure = match (self.wanted.is_nothing(), before) {
            (false, Departure::UnderWay(held)) => {
                actions.extend(self.unhold_again(&held));
                Departure::None
            }
            (false, Departure::None | Departure::Over) => Departure::None,
            (true, Departure::None) => self.begin_departure(actions),
            (true, known) => known,
        };
        if self.is_departing() {
            actions.retain(|action| !opens(action));
        }
    }

    fn begin_departure(&self, actions: &mut Vec<Action>) -> Departure {
        let left: Vec<IfName> = left_by_hosts(actions, &self.actual).collect();
        if left.is_empty() {
            return Departure::Over;
        }
        let is_held = |port: &IfName| self.actual.held.contains(port);
        let held: Vec<IfName> = left.into_iter().filter(|port| !is_held(port)).collect();
        actions.extend(held.iter().map(|port| Action::Hold {
            port: *port,
            keeps_carrier: true,
        }));
        Departure::UnderWay(held)
    }

    /// Somebody wants these ports again, and of some not yet whether they carry data: as they did before.
    fn unhold_again(&self, held: &[IfName]) -> Vec<Action> {
        let is_kept = |port: &&IfName| {
            let want = self.wanted.ports().get(*port);
            self.actual.held.contains(*port) && want.is_some_and(|want| want.held.is_none())
        };
        let held = held.iter().filter(is_kept);
        held.map(|port| Action::Unhold { port: *port }).collect()
    }

    /// What to do instead, of what is to be done to an entry: a host that leaves its port is found by flooding, through the
    /// other chassis, and not by what was known of it on that port.
    pub(super) fn on_departure(&self, action: Action) -> Action {
        let is_left = |port: &IfName| {
            let has_lacp = self
                .actual
                .ports
                .get(port)
                .is_some_and(|is| is.lacp.is_some());
            self.is_departing() && has_lacp && self.actual.is_isolated(port)
        };
        match action {
            Action::FdbMakeDynamic { key, port } if is_left(&port) => {
                let entry = self.actual.fdb.get(&key);
                let port = entry.map_or(port, |entry| entry.port);
                Action::FdbDelete { key, port }
            }
            action => action,
        }
    }

    /// The hosts have had their time: the next plan opens the ports.
    pub fn hosts_have_left(&mut self) {
        if self.is_departing() {
            self.departure = Departure::Over;
            self.ports_changed = true;
        }
    }
}

/// Isolated ports that are to show another LACP system id.
fn left_by_hosts(actions: &[Action], actual: &Actual) -> impl Iterator<Item = IfName> {
    actions.iter().filter_map(|action| match action {
        Action::SetSystemMac { port, .. } => Some(*port).filter(|port| actual.is_isolated(port)),
        _ => None,
    })
}

/// It lets a port carry data, or lifts isolation.
const fn opens(action: &Action) -> bool {
    matches!(
        action,
        Action::Unhold { .. } | Action::Release { .. } | Action::RemoveFilter
    )
}
