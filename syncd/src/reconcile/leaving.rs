//! A bridge that another one takes the place of. Its table is looked at for the last time: what is ours
//! there is handed over while it is still in the picture, for of the other bridge nothing follows about it.

use std::collections::HashMap;

use mclag_proto::sync::model::{FdbKey, OpError};

use super::reasons::EntryReason;
use super::{Reconciler, Subjects, fdb};
use crate::dataplane::{Action, Subject};

impl Reconciler {
    /// The domain is what it is now. If that is another bridge than the one in the picture: what has to be done
    /// there first. Nothing that was asked of its table is meant for the table of the other.
    pub(super) fn leave(&mut self) {
        let now = self.wanted.domain().map(|domain| domain.bridge);
        if self.actual.bridge.is_none() || now == self.actual.bridge {
            return;
        }
        if self.leaving.is_none() {
            let mut actions = self.entries_to_leave();
            actions.extend(self.own_addresses_to_leave());
            actions.sort_by_key(Action::rank);
            self.leaving = Some(actions);
        }
        let wanted = &self.wanted;
        self.pending.retain(|key| wanted.entry(key).is_some());
        self.retry.retain(|key, _| wanted.entry(key).is_some());
    }

    fn entries_to_leave(&mut self) -> Vec<Action> {
        let ours = self.actual.fdb.iter().filter(|(_, entry)| entry.is_ours());
        let ours = ours.map(|(key, _)| (*key, EntryReason::Check));
        let reasons = ours
            .chain(self.retry.iter().map(|(key, reason)| (*key, *reason)))
            .chain(self.pending.iter().map(|(key, reason)| (*key, *reason)));
        let reasons: HashMap<FdbKey, EntryReason> = reasons.collect();
        let mut actions = Vec::with_capacity(reasons.len());
        for (key, reason) in reasons {
            let planned = match self.wanted.entry(&key) {
                // On the other bridge.
                Some(_) => Ok(fdb::hand_over(
                    &self.actual,
                    &key,
                    self.actual.fdb.get(&key),
                )),
                None => self.plan_entry(&key, &reason),
            };
            match planned {
                Ok(action) => actions.extend(action),
                Err(error) => self.fail_asked(key, &error),
            }
        }
        actions
    }

    /// Addresses that layer-3 interfaces were given as the bridge's own.
    fn own_addresses_to_leave(&self) -> Vec<Action> {
        let names = self.originals.ports();
        let made = names.flat_map(|name| {
            let local = self.originals.of(name).local.into_iter();
            local.map(|local| (*name, local.key()))
        });
        made.filter(|(_, key)| self.actual.is_local(key))
            .map(|(interface, key)| Action::LocalDelete { interface, key })
            .collect()
    }

    /// What has to be done before the other bridge is looked at, all at once: to be carried out, and answered by
    /// [`Reconciler::left`].
    pub fn take_leaving(&mut self) -> Vec<Action> {
        self.leaving.take().unwrap_or_default()
    }

    /// Take in how that went: one result per action. What failed stays behind; the operations that asked for it
    /// are answered so.
    pub fn left(&mut self, actions: &[Action], results: &[Result<(), OpError>]) {
        for (action, result) in actions.iter().zip(results) {
            let Subject::Fdb(key) = action.subject() else {
                if result.is_ok() {
                    self.done(action);
                }
                continue;
            };
            match result {
                Ok(()) => self.done(action),
                Err(error) => self.fail_asked(key, error),
            }
            // The bridge may be wanted again by now.
            if self.wanted.entry(&key).is_some() {
                self.pending.insert_if_new(key, EntryReason::Check);
            }
        }
    }

    fn fail_asked(&mut self, key: FdbKey, error: &OpError) {
        for asked in &mut self.asked {
            if matches!(asked.subjects, Subjects::One(Subject::Fdb(asked)) if asked == key) {
                asked.result = Err(error.clone());
            }
        }
    }
}
