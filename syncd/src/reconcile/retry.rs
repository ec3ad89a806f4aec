//! What could not be done yet, and when it is looked at again.

use std::collections::HashSet;

use mclag_proto::sync::model::{Event, FdbKey, OpError, OpErrorCode};

use super::Reconciler;
use super::reasons::EntryReason;
use crate::dataplane::Subject;

impl Reconciler {
    /// Look again at everything that could not be done.
    pub fn retry(&mut self) {
        for (key, reason) in std::mem::take(&mut self.retry) {
            self.pending.insert_if_new(key, reason);
        }
        for (key, reason) in std::mem::take(&mut self.neighbours.retry) {
            self.neighbours.pending.insert_if_new(key, reason);
        }
        self.ports_changed |= std::mem::take(&mut self.retry_ports);
    }

    /// Whether [`Reconciler::retry`] may help.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        let is_nothing_left = self.retry.is_empty() && self.neighbours.retry.is_empty();
        !is_nothing_left || self.retry_ports || self.needs_snapshot().is_some()
    }

    /// Whether something that is wanted is not so yet.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.has_more() || self.may_retry()
    }

    /// Whether there is something to plan although nothing happens: a plan takes a share of what waits, so that
    /// ports never wait for a table that moves.
    #[must_use]
    pub fn has_more(&self) -> bool {
        let is_listed = self
            .listing
            .as_ref()
            .is_none_or(|listing| !listing.has_unnamed());
        !is_listed || self.pending.len() + self.neighbours.pending.len() > 0
    }

    pub(super) fn try_again(&mut self, subject: Subject) {
        match subject {
            Subject::Fdb(key) => {
                if let Some(reason) = self.in_flight.get(&key) {
                    self.retry.insert(key, *reason);
                }
            }
            Subject::Neighbour(key) => {
                if let Some(reason) = self.neighbours.in_flight.get(&key) {
                    self.neighbours.retry.insert(key, *reason);
                }
            }
            Subject::Domain | Subject::Port(_) | Subject::Settings(_) | Subject::Interface(_) => {
                self.retry_ports = true;
            }
        }
    }

    /// What the client asked for waits where it could not be done yet, and no more where it was done, nothing was left to be
    /// done, or it never will be.
    pub(super) fn note_what_waits(&mut self) {
        for (key, reason) in &self.in_flight {
            let failure = self.failures.get(&Subject::Fdb(*key));
            let is_asked = *reason == EntryReason::Want;
            let may_be_done = |error: &OpError| {
                error.code == OpErrorCode::Waiting || self.retry.contains_key(key)
            };
            if is_asked && failure.is_some_and(may_be_done) {
                self.waiting.insert(*key);
            } else if (is_asked || failure.is_none()) && self.waiting.remove(key) {
                // What the dataplane had all the time was no news while something else was asked for.
                let event = self.observation(key).map(|observation| Event::Fdb {
                    key: *key,
                    observation,
                });
                self.ended.extend(event);
            }
        }
    }

    /// Whoever comes next knows nothing yet: what the dataplane has is news again, and counts more than what was asked
    /// for before.
    pub(super) fn forget_what_waits(&mut self) {
        self.waiting.clear();
        for reason in self.retry.values_mut().chain(self.pending.reasons_mut()) {
            if *reason == EntryReason::Want {
                *reason = EntryReason::Check;
            }
        }
    }
}

/// The client asked for it, or did so before and knew of nothing newer.
pub(super) fn reason_to_look(waiting: &HashSet<FdbKey>, key: &FdbKey) -> EntryReason {
    match waiting.contains(key) {
        true => EntryReason::Want,
        false => EntryReason::Check,
    }
}
