//! What happened to one interface, forwarding entry or neighbour: the picture changes, and what
//! follows from it is noted for the next plan or for a later one.

use ipnetwork::IpNetwork;
use mclag_proto::sync::model::{Event, FdbKey, NeighbourKey};
use mclag_proto::{IfName, Mac};
use std::collections::BTreeMap;

use super::echoes::Report;
use super::observations::{change_of_observation, observation_of};
use super::reasons::{EntryReason, NeighbourReason};
use super::{Reconciler, neighbours};
use crate::backend::BackendEvent;
use crate::dataplane::{EntryKind, FdbEntry, InterfaceActual, NeighbourActual};

impl Reconciler {
    /// Take in what happened to the dataplane. Answers what is to be published to the client.
    pub fn observe(&mut self, event: &BackendEvent) -> Option<Event> {
        let observed = self.take_in(event)?;
        if self.ended.is_empty() {
            return Some(observed);
        }
        // Behind what was observed before it.
        self.ended.push(observed);
        None
    }

    pub(super) fn observe_interface(&mut self, name: IfName, now: Option<&InterfaceActual>) {
        let before = match now {
            Some(now) => self.actual.interfaces.insert(name, now.clone()),
            None => self.actual.interfaces.remove(&name),
        };
        if before.as_ref() == now {
            return;
        }
        self.originals.forget_missing_interface(&name, &self.actual);
        let identity = |is: &InterfaceActual| {
            (
                is.mac,
                is.svi,
                is.in_other_bridge,
                is.lag,
                is.vlan_port,
                is.default_route,
            )
        };
        let belongs = |is: &InterfaceActual| (is.svi, is.in_other_bridge, is.lag, is.default_route);
        if before.as_ref().map(identity) != now.map(identity) {
            self.ports_changed = true;
        }
        if now.is_some()
            && (before.as_ref().map(usable_by_neighbours) != now.map(usable_by_neighbours)
                || before.as_ref().map(belongs) != now.map(belongs))
        {
            // What it lost with its carrier or its address was reported, or will be.
            let here = self.wanted.neighbours().filter(|key| key.interface == name);
            for key in here {
                let retry = self.neighbours.retry.entry(*key);
                retry.or_insert(NeighbourReason::Check);
            }
        }
    }

    pub(super) fn observe_neighbour(&mut self, key: NeighbourKey, entry: Option<NeighbourActual>) {
        let before = match entry {
            Some(entry) => self.actual.neighbours.insert(key, entry),
            None => self.actual.neighbours.remove(&key),
        };
        if before == entry {
            return;
        }
        let reason = NeighbourReason::Check;
        if let Some(waiting) = self.neighbours.retry.get_mut(&key)
            && *waiting == NeighbourReason::Want
        {
            *waiting = reason;
        }
        if let Ok(Some(_)) =
            neighbours::plan(&self.wanted, &self.limits, &self.actual, &key, reason)
        {
            // Not at once: this may be an echo, and the kernel may be flushing.
            self.neighbours.retry.entry(key).or_insert(reason);
        }
    }

    /// What the tables have of an interface that is called otherwise now. The kernel reports no entry again for that. What
    /// is forgotten because the port joined the pair or left it is reported when it is.
    pub(super) fn entries_renamed(&mut self, from: &IfName, to: IfName) {
        let entries = self.actual.fdb.iter_mut();
        let entries = entries.filter(|(_, entry)| entry.port == *from);
        let renamed = entries.filter_map(|(key, entry)| {
            entry.port = to;
            Some((*key, observation_of(entry)?))
        });
        // In some order, which is the same in each run.
        let renamed: BTreeMap<_, _> = renamed.collect();
        let events = renamed.into_iter();
        self.ended
            .extend(events.map(|(key, observation)| Event::Fdb { key, observation }));
        let mut neighbours = self.actual.neighbours.keys();
        self.resync |= neighbours.any(|key| key.interface == *from);
    }

    /// The dataplane was found to have nothing to report. Before that, what it reports may be older than what was done.
    pub fn nothing_to_observe(&mut self) {
        self.echoes.nothing_is_left();
    }

    pub(super) fn observe_entry(&mut self, key: FdbKey, entry: Option<FdbEntry>) -> Option<Event> {
        let report = self.echoes.report(&key, entry);
        if report == Report::Overtaken {
            return None;
        }
        let before = match entry {
            Some(entry) => self.actual.fdb.insert(key, entry),
            None => self.actual.fdb.remove(&key),
        };
        if before == entry {
            // The echo of what we did ourselves, as a rule: as expected, and nothing to do.
            return None;
        }
        if report == Report::Last
            && let Some(port) = moved_before(before.as_ref(), entry.as_ref())
        {
            // What was done put the host back to where it was before. As if it had moved later.
            self.pending.insert_if_new(key, EntryReason::Once { port });
            return None;
        }
        // What the client asked for, and could not be done yet, it asked for before it knew of this; and a host that was to
        // have an entry somewhere for once has been seen since.
        let is_seen = entry.is_some_and(|entry| entry.seen_on().is_some());
        let is_over = |reason: &EntryReason| is_seen && matches!(reason, EntryReason::Once { .. });
        let waits = self.retry.get_mut(&key);
        let waits = waits.filter(|reason| **reason == EntryReason::Want || is_over(reason));
        let is_next = self.pending.get_mut(&key).filter(|reason| is_over(reason));
        for reason in waits.into_iter().chain(is_next) {
            *reason = EntryReason::Check;
        }
        self.waiting.remove(&key);
        if let Ok(Some(_)) = self.plan_entry(&key, &EntryReason::Check) {
            // Not at once: this may be the echo of an action that a later one has overtaken.
            self.retry.entry(key).or_insert(EntryReason::Check);
        }
        // An interface may have lost the entry that makes its frames its own, or what was in the
        // way of it is gone.
        self.ports_changed |= !self.local.own.is_empty() && self.local.own.contains(&key);
        let observation = change_of_observation(before.as_ref(), entry.as_ref())?;
        Some(Event::Fdb { key, observation })
    }
}

/// Where a host was seen last, before an action of ours that did not know of it put it elsewhere.
fn moved_before(seen: Option<&FdbEntry>, done: Option<&FdbEntry>) -> Option<IfName> {
    let is_of_host =
        |entry: &&FdbEntry| matches!(entry.kind, EntryKind::Dynamic | EntryKind::Ours { .. });
    let seen_on = seen.filter(is_of_host)?.seen_on()?;
    (done?.port != seen_on).then_some(seen_on)
}

/// What decides whether an interface can have a neighbour.
fn usable_by_neighbours(is: &InterfaceActual) -> (Option<Mac>, bool, &[IpNetwork]) {
    (is.mac, is.running, &is.networks)
}
