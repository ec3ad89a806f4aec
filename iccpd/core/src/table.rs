//! One engine for what both chassis keep synchronised: addresses, neighbours, and what comes next.
//!
//! Of each key there are two observations: *local*, what this chassis observes, and *remote*, what
//! the peer advertises. What is advertised to the peer and what is programmed into the dataplane
//! follow from both. They are computed whenever something changes and compared with what was sent
//! last: a message that was never sent is never missed, and several changes before it could be sent
//! become one. What waits is a mark per key and is written when there is room, so a peer or a
//! dataplane that does not read costs no more memory than the table.
//!
//! Snapshots in both directions are here as well: what a listing of the dataplane, or a session of
//! the peer, does not name again is gone at its end; and the dataplane is named everything that is
//! wanted, in pieces, before it hears of changes.
//!
//! What an observation is, which of two wins and what follows from them are the rules of a table, its
//! [`Policy`], and stand with what is known of one key in `entry.rs`. `queue.rs`: what waits, in fair
//! order. `store.rs`: how entries are kept.

mod entry;
mod queue;
mod store;

pub(crate) use entry::{Concerns, Entry, Operation, Policy};
pub(crate) use store::{Layout, Plain};

use mclag_proto::iccp::EntryOp;
use queue::Queue;
use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use store::{Store, behind};

/// How the dataplane is being programmed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Programming<K> {
    /// Changes only.
    Changes,
    /// A snapshot; entries up to this key have been named.
    Snapshot(Option<K>),
}

/// A table that both chassis keep synchronised.
#[derive(Clone, Debug)]
pub(crate) struct Table<P: Policy> {
    policy: P,
    store: Store<P>,
    waiting: Waiting<P>,
    programming: Programming<P::Key>,
    /// What is known of the peer is all there is: the dataplane may drop the rest.
    is_complete: bool,
    /// Entries are advertised.
    advertising: bool,
    /// Some entries may be of a session that is gone.
    has_stale: bool,
    /// What this chassis observes is being listed.
    is_listing: bool,
    /// The entry that made room last.
    made_room_at: Option<P::Key>,
    ignored: u64,
}

impl<P: Policy> Default for Table<P> {
    fn default() -> Self {
        Self {
            policy: P::default(),
            store: Store::default(),
            waiting: Waiting {
                to_advertise: vec![Queue::default(); P::LANES],
                to_program: Queue::default(),
            },
            programming: Programming::Changes,
            is_complete: false,
            advertising: false,
            has_stale: false,
            is_listing: false,
            made_room_at: None,
            ignored: 0,
        }
    }
}

/// What is known.
impl<P: Policy> Table<P> {
    /// The rules in force.
    pub(crate) const fn policy(&self) -> &P {
        &self.policy
    }

    /// Other rules from now on; returns those of before. [`Self::review`] the entries that this
    /// concerns.
    pub(crate) const fn replace_policy(&mut self, policy: P) -> P {
        std::mem::replace(&mut self.policy, policy)
    }

    /// How entries are kept.
    pub(crate) const fn layout(&self) -> &P::Layout {
        &self.store.layout
    }

    /// One entry.
    pub(crate) fn get(&self, key: &P::Key) -> Option<Entry<P>> {
        self.store.get(key)
    }

    /// The entries behind `after`, in order.
    pub(crate) fn iter(&self, after: Option<P::Key>) -> impl Iterator<Item = (P::Key, Entry<P>)> {
        self.store.iter(after)
    }

    /// Number of entries, in whatever state.
    pub(crate) fn len(&self) -> usize {
        self.store.len()
    }

    /// True when there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.store.len() == 0
    }

    /// True if the entry exists.
    pub(crate) fn contains(&self, key: &P::Key) -> bool {
        self.store.contains(key)
    }

    /// Number of observations that found no place.
    pub(crate) const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// An observation found no place.
    pub(crate) const fn ignore(&mut self) {
        self.ignored += 1;
    }

    /// True if there is no place for what the peer advertises.
    pub(crate) fn is_full_for_remote(&self, key: &P::Key) -> bool {
        let full = self.store.observed().sum() >= P::MAX_ENTRIES && !self.is_observed(key);
        full || (self.store.len() >= P::MAX_ENTRIES && !self.store.contains(key))
    }

    /// True if there is no place for what this chassis observes. That goes before what the peer alone
    /// does: such an entry makes room, which counts as ignored.
    pub(crate) fn is_full_for_local(&mut self, key: &P::Key) -> bool {
        let observed = self.store.observed();
        // Entries that wait to be dropped have their place, too, until the dataplane reads.
        let full = self.store.len() >= 2 * P::MAX_ENTRIES && !self.store.contains(key);
        if full || observed.sum() < P::MAX_ENTRIES || self.is_observed(key) {
            return full;
        }
        observed.local >= P::MAX_ENTRIES || {
            self.make_room();
            false
        }
    }

    fn is_observed(&self, key: &P::Key) -> bool {
        let entry = self.store.get(key);
        entry.is_some_and(|entry| entry.local.is_some() || entry.remote.is_some())
    }

    /// Give up an entry that the peer alone observes, if there is one: the next, in rounds.
    fn make_room(&mut self) {
        let from = self.made_room_at.take();
        if !self.make_room_behind(from) {
            self.make_room_behind(None);
        }
    }

    fn make_room_behind(&mut self, after: Option<P::Key>) -> bool {
        let Self {
            policy,
            store,
            waiting,
            advertising,
            made_room_at,
            ..
        } = self;
        store.change_range(
            (behind(after), Bound::Unbounded),
            P::Layout::is_remote_only,
            |key, entry| {
                entry.set_remote(None);
                let due = Due::of(Concerns::Both, key, entry, policy, *advertising);
                waiting.mark(key, due);
                *made_room_at = Some(key);
                false
            },
        );
        let has_made_room = made_room_at.is_some();
        self.ignored += u64::from(has_made_room);
        has_made_room
    }
}

/// What is observed.
impl<P: Policy> Table<P> {
    /// Change an entry, if there is one.
    pub(crate) fn change(
        &mut self,
        key: P::Key,
        change: impl FnOnce(&mut Entry<P>, &P) -> Concerns,
    ) {
        let (policy, advertising) = (&self.policy, self.advertising);
        let result = self.store.change(&key, |entry| {
            let concerns = change(entry, policy);
            Due::of(concerns, key, entry, policy, advertising)
        });
        if let Some(due) = result {
            self.waiting.mark(key, due);
        }
    }

    /// Change an entry, a new one if there was none. Ask [`Self::is_full_for`] before.
    pub(crate) fn change_or_add(
        &mut self,
        key: P::Key,
        change: impl FnOnce(&mut Entry<P>, &P) -> Concerns,
    ) {
        let (policy, advertising) = (&self.policy, self.advertising);
        let due = self.store.change_or_add(key, |entry| {
            let concerns = change(entry, policy);
            Due::of(concerns, key, entry, policy, advertising)
        });
        self.waiting.mark(key, due);
    }

    /// The dataplane, or the kernel, begins to list what it has; `listed` picks the entries that it
    /// would name.
    pub(crate) fn listing_begins(&mut self, listed: impl Fn(&Entry<P>) -> bool) {
        self.is_listing = true;
        self.store
            .change_all(|_, entry| entry.unconfirmed = listed(entry));
    }

    /// What this chassis observes is being listed.
    pub(crate) const fn is_listing(&self) -> bool {
        self.is_listing
    }

    /// The listing will not be completed, and nothing is gone.
    pub(crate) const fn abandon_listing(&mut self) {
        self.is_listing = false;
    }

    /// The listing is complete: what it did not name is `gone`. Returns false, and nothing is, if none
    /// had begun.
    pub(crate) fn listing_ends(&mut self, gone: impl Fn(P::Key, &mut Entry<P>, &P)) -> bool {
        if !std::mem::take(&mut self.is_listing) {
            return false;
        }
        self.sweep(|key, entry, policy| {
            let is_gone = std::mem::take(&mut entry.unconfirmed);
            if is_gone {
                gone(key, entry, policy);
            }
            is_gone
        });
        true
    }

    /// Forget what the peer advertised in a session that is gone, and has not since. Looks at nothing
    /// when that was done since: the peer can have it done as often as it likes.
    pub(crate) fn purge_stale(&mut self) {
        if !std::mem::take(&mut self.has_stale) {
            return;
        }
        self.sweep(|_, entry, _| {
            let is_stale = entry.stale;
            if is_stale {
                entry.set_remote(None);
            }
            is_stale
        });
    }

    /// Change each entry, and look at those again that did change.
    fn sweep(&mut self, mut change: impl FnMut(P::Key, &mut Entry<P>, &P) -> bool) {
        let Self {
            policy,
            store,
            waiting,
            advertising,
            ..
        } = self;
        store.change_all(|key, entry| {
            if change(key, entry, policy) {
                let due = Due::of(Concerns::Both, key, entry, policy, *advertising);
                waiting.mark(key, due);
            }
        });
    }

    /// Rules changed: `follow`, and look again at the entries in a range that `concerned` picks by how
    /// they are kept.
    pub(crate) fn review(
        &mut self,
        range: impl RangeBounds<P::Key>,
        concerned: impl Fn(&<P::Layout as Layout<Entry<P>>>::Packed) -> bool,
        mut follow: impl FnMut(P::Key, &mut Entry<P>, &P),
    ) {
        let Self {
            policy,
            store,
            waiting,
            advertising,
            ..
        } = self;
        store.change_range(range, concerned, |key, entry| {
            follow(key, entry, policy);
            let due = Due {
                program: entry.needs_op(key, policy),
                ..Due::of(Concerns::Both, key, entry, policy, *advertising)
            };
            waiting.mark(key, due);
            true
        });
    }
}

/// What is sent to the peer.
impl<P: Policy> Table<P> {
    /// True while entries are advertised.
    #[cfg(test)]
    pub(crate) const fn is_advertising(&self) -> bool {
        self.advertising
    }

    /// Advertise everything, and changes from then on. `follow` is what the beginning of a session
    /// means for an entry.
    pub(crate) fn start_advertising(&mut self, follow: impl Fn(&mut Entry<P>, &P)) {
        self.advertising = true;
        let (policy, waiting) = (&self.policy, &mut self.waiting);
        let mut due = vec![Vec::new(); P::LANES];
        self.store.change_all(|key, entry| {
            follow(entry, policy);
            if entry.is_idle() {
                waiting.to_program.insert(key);
            } else if policy.advertise(key, entry).is_some()
                && let Some(lane) = due.get_mut(P::lane(&key))
            {
                lane.push(key);
            }
        });
        for (queue, due) in waiting.to_advertise.iter_mut().zip(due) {
            queue.extend(due);
        }
    }

    /// The session is gone. What the peer advertised is kept, and may be old, unless `release` says
    /// otherwise and returns true.
    pub(crate) fn session_down(&mut self, release: impl Fn(P::Key, &mut Entry<P>, &P) -> bool) {
        self.advertising = false;
        self.has_stale = true;
        let (policy, waiting) = (&self.policy, &mut self.waiting);
        waiting.to_advertise.iter_mut().for_each(Queue::clear);
        self.store.change_all(|key, entry| {
            entry.advertised = None;
            entry.readvertise = false;
            entry.displaced = None;
            entry.stale = entry.remote.is_some();
            if entry.is_idle() || (release(key, entry, policy) && entry.needs_op(key, policy)) {
                waiting.to_program.insert(key);
            }
        });
    }

    /// Up to `max` records for the peer from one queue, each with what is true now.
    pub(crate) fn next_advertisements<T>(
        &mut self,
        lane: usize,
        max: usize,
        record: impl Fn(EntryOp, P::Key, P::Advertised) -> Option<T>,
    ) -> Vec<T> {
        let (policy, store) = (&self.policy, &mut self.store);
        let Some(queue) = self.waiting.to_advertise.get_mut(lane) else {
            return Vec::new();
        };
        let mut batch = Vec::with_capacity(max.min(queue.len()));
        while batch.len() < max
            && let Some(key) = queue.pop()
        {
            let news = store.settle(key, |entry| {
                let now = policy.advertise(key, entry);
                let again = std::mem::take(&mut entry.readvertise);
                let before = std::mem::replace(&mut entry.advertised, now.clone());
                match (now, before) {
                    (Some(now), before) if again || before.as_ref() != Some(&now) => {
                        entry.displaced = None;
                        Some((EntryOp::Add, now))
                    }
                    (None, Some(before)) => Some((EntryOp::Delete, before)),
                    _ => None,
                }
            });
            let news = news.flatten();
            batch.extend(news.and_then(|(op, what)| record(op, key, what)));
        }
        batch
    }
}

/// What is sent to the dataplane.
impl<P: Policy> Table<P> {
    /// The dataplane knows nothing any more. Name every change from now on, and what is wanted if that
    /// is all there is.
    pub(crate) fn dataplane_up(&mut self) {
        self.programming = match self.is_complete {
            true => Programming::Snapshot(None),
            false => Programming::Changes,
        };
        let (policy, to_program) = (&self.policy, &mut self.waiting.to_program);
        to_program.clear();
        self.store.change_all(|key, entry| {
            entry.programmed = None;
            if entry.needs_op(key, policy) {
                to_program.insert(key);
            }
        });
    }

    /// What is known of the peer is all there is, from now on: name everything that is wanted, so that
    /// the dataplane drops the rest. Before that an earlier run may have known better.
    pub(crate) const fn complete(&mut self) {
        if !self.is_complete {
            self.is_complete = true;
            self.programming = Programming::Snapshot(None);
        }
    }

    /// Drop what only waits to be dropped, where the dataplane has no such table.
    pub(crate) fn skip_ops(&mut self) {
        self.programming = Programming::Changes;
        while let Some(key) = self.waiting.to_program.pop() {
            self.store.settle(key, |_| {});
        }
    }

    /// Append up to about `max` operations for the dataplane.
    pub(crate) fn next_ops(&mut self, max: usize, out: &mut Vec<P::Op>) {
        let limit = out.len() + max;
        if let Programming::Snapshot(named) = self.programming {
            self.next_of_snapshot(named, limit, out);
        }
        let policy = &self.policy;
        while out.len() < limit
            && let Some(key) = self.waiting.to_program.pop()
        {
            self.store.settle(key, |entry| {
                let program = policy.program(key, entry);
                // Both sides may claim a host at once and both withdraw: then nothing is wanted, but
                // the dataplane has to forget its own observation, or it would never report the host
                // again. Also if something had been programmed before: that may have failed, or the
                // host been seen since. For the same reason what is still wanted is named again: the
                // host moved the entry.
                let forget = P::FORGETS_SUPERSEDED && entry.superseded.take().is_some();
                let again = std::mem::take(&mut entry.reprogram) && program.is_some();
                if program != entry.programmed || forget || again {
                    entry.programmed.clone_from(&program);
                    out.push(P::op(match program {
                        Some(want) => Operation::Program { key, want },
                        None => Operation::Release { key, forget },
                    }));
                }
            });
        }
    }

    fn next_of_snapshot(&mut self, named: Option<P::Key>, limit: usize, out: &mut Vec<P::Op>) {
        if named.is_none() {
            out.push(P::op(Operation::SnapshotBegin));
        }
        let (policy, programming) = (&self.policy, &mut self.programming);
        let mut is_complete = true;
        let rest = (behind(named), Bound::Unbounded);
        self.store.change_range(
            rest,
            |_| true,
            |key, entry| {
                is_complete = out.len() < limit;
                if is_complete {
                    entry.programmed = policy.program(key, entry);
                    let want = entry.programmed.clone();
                    out.extend(want.map(|want| P::op(Operation::Program { key, want })));
                    *programming = Programming::Snapshot(Some(key));
                }
                is_complete
            },
        );
        if is_complete {
            out.push(P::op(Operation::SnapshotEnd));
            self.programming = Programming::Changes;
        }
    }
}

/// What waits to be sent.
#[derive(Clone, Debug)]
struct Waiting<P: Policy> {
    to_advertise: Vec<Queue<P::Key>>,
    to_program: Queue<P::Key>,
}

impl<P: Policy> Waiting<P> {
    fn mark(&mut self, key: P::Key, due: Due) {
        if let Some(advertise) = due.advertise
            && let Some(queue) = self.to_advertise.get_mut(P::lane(&key))
        {
            if advertise {
                queue.insert(key);
            } else {
                queue.remove(&key);
            }
        }
        if due.program {
            self.to_program.insert(key);
        }
    }
}

/// What is due after an entry changed.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// None to leave it as it is.
    advertise: Option<bool>,
    program: bool,
}

impl Due {
    fn of<P: Policy>(
        concerns: Concerns,
        key: P::Key,
        entry: &mut Entry<P>,
        policy: &P,
        advertising: bool,
    ) -> Self {
        match concerns {
            Concerns::Nobody => Self {
                advertise: None,
                program: false,
            },
            Concerns::Dataplane => Self {
                advertise: Some(false),
                program: true,
            },
            Concerns::Both => Self {
                advertise: is_news(key, entry, policy, advertising).then_some(true),
                program: policy.concerns_dataplane(entry),
            },
        }
    }
}

/// True if the peer has to be told.
fn is_news<P: Policy>(key: P::Key, entry: &mut Entry<P>, policy: &P, advertising: bool) -> bool {
    if !advertising {
        entry.readvertise = false;
        return false;
    }
    let advertise = policy.advertise(key, entry);
    entry.readvertise &= advertise.is_some();
    let changed = advertise != entry.advertised && !policy.is_echo(entry, advertise.as_ref());
    changed || entry.readvertise
}

#[cfg(test)]
mod tests;
