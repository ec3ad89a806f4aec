//! `mclagsyncd` of one chassis: the real reconciler, between a client and the model of the kernel.
//!
//! What the server does around the reconciler (`syncd/src/server/settle.rs`) is done here without sockets: take in
//! what the kernel reported, look again when that is necessary, plan, carry out, answer.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use iccp_core::{Batch, Time};
use mclag_proto::sync::model::{Event, OpError};
use syncd::backend::BackendEvent;
use syncd::dataplane::{Action, Unprotected};
use syncd::reconcile::{Originals, Reconciler};

use crate::kernel::Kernel;

/// Pause before what was refused is tried again.
pub const RETRY: Duration = Duration::from_secs(1);

/// How long hosts have to leave a chassis that leaves the pair.
const DEPARTURE: Duration = Duration::from_secs(1);

/// What it sends to its client.
#[derive(Clone, Debug)]
pub enum Reply {
    /// What it sees.
    Event(Event),
    /// How a batch went.
    Result {
        /// Its number.
        batch: u64,
        /// The operations that were not carried out, by index.
        failures: Vec<(u32, OpError)>,
    },
}

/// The process.
#[derive(Debug)]
pub struct Syncd {
    reconciler: Reconciler,
    has_client: bool,
    retry_at: Option<Time>,
    /// When hosts have left, while they do.
    departs_at: Option<Time>,
    is_stopping: bool,
    /// For the client, in order.
    pub replies: VecDeque<Reply>,
    /// Actions that were carried out, for a trace.
    pub done: Vec<(Action, Result<(), OpError>)>,
}

/// What it keeps in its run directory.
pub type Store = String;

impl Syncd {
    /// Start, with what an earlier run stored.
    #[must_use]
    pub fn start(store: &Store, kernel: &mut Kernel) -> Self {
        let originals: Originals = serde_json::from_str(store).unwrap_or_default();
        kernel.remember(&originals.numbers());
        let mut reconciler = Reconciler::new(originals);
        if let Ok(actual) = kernel.picture(None) {
            reconciler.adopt(actual);
        }
        Self {
            reconciler,
            has_client: false,
            retry_at: None,
            departs_at: None,
            is_stopping: false,
            replies: VecDeque::new(),
            done: Vec::new(),
        }
    }

    /// When it wakes up by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let deadlines = [self.retry_at, self.departs_at];
        deadlines.into_iter().flatten().min()
    }

    /// It finishes what it has begun and listens to nobody any more. What it did is undone if it restores.
    pub fn stop(&mut self, restores: bool, kernel: &mut Kernel, store: &mut Store, now: Time) {
        self.is_stopping = true;
        if restores {
            self.has_client = false;
            self.reconciler.want_nothing();
        }
        self.settle(kernel, store, now);
    }

    /// It is about to end.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// It has nothing left to do before it ends.
    #[must_use]
    pub const fn has_finished(&self) -> bool {
        self.departs_at.is_none()
    }

    /// Nothing is under way and nothing is to be tried again.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.reconciler.is_unfinished()
    }

    /// A client has said hello: it is sent all that is seen, as soon as anything is.
    pub fn client_came(&mut self) {
        self.has_client = true;
        self.send_all();
    }

    /// The client is gone.
    pub fn client_went(&mut self) {
        self.has_client = false;
        self.replies.clear();
        self.reconciler.client_gone();
    }

    fn send_all(&mut self) {
        // Before the bridge is known nothing is seen, which is not to say that nothing is there.
        if !self.has_client || self.reconciler.actual().bridge.is_none() {
            return;
        }
        // What was not sent yet is part of what will be.
        self.replies
            .retain(|reply| matches!(reply, Reply::Result { .. }));
        // In some order, which is the same in each run.
        let seen: BTreeMap<_, _> = self.reconciler.observations().collect();
        let seen = seen
            .into_iter()
            .map(|(key, observation)| Event::Fdb { key, observation });
        let listing = [Event::SnapshotBegin]
            .into_iter()
            .chain(seen)
            .chain([Event::SnapshotEnd]);
        self.replies.extend(listing.map(Reply::Event));
    }

    fn publish(&mut self, event: Event) {
        if self.has_client {
            self.replies.push_back(Reply::Event(event));
        }
    }

    /// The kernel reported this, and so far has nothing more to report or has.
    pub fn happened(
        &mut self,
        events: &[BackendEvent],
        is_all: bool,
        kernel: &mut Kernel,
        store: &mut Store,
        now: Time,
    ) {
        for event in events {
            // That rules changed is heard; what they are is read.
            let read = matches!(event, BackendEvent::Filter { .. }).then(|| kernel.filter_event());
            if let Some(event) = self.reconciler.observe(read.as_ref().unwrap_or(event)) {
                self.publish(event);
            }
        }
        if is_all {
            // Nor will it have more to report of anything that was done so far.
            self.reconciler.nothing_to_observe();
            self.reconciler.nothing_to_observe();
        }
        self.settle(kernel, store, now);
    }

    /// The client wants this.
    pub fn batch(&mut self, batch: &Batch, kernel: &mut Kernel, store: &mut Store, now: Time) {
        self.reconciler.accept(&batch.ops);
        let results = self.settle(kernel, store, now);
        let failed = results.into_iter().enumerate();
        let failures = failed.filter_map(|(index, result)| {
            let index = u32::try_from(index).ok()?;
            Some((index, result.err()?))
        });
        self.replies.push_back(Reply::Result {
            batch: batch.number,
            failures: failures.collect(),
        });
    }

    /// Time has passed.
    pub fn timeout(&mut self, kernel: &mut Kernel, store: &mut Store, now: Time) {
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.reconciler.retry();
            self.settle(kernel, store, now);
        }
        if self.departs_at.is_some_and(|at| at <= now) {
            self.reconciler.hosts_have_left();
            self.settle(kernel, store, now);
        }
    }

    fn settle(
        &mut self,
        kernel: &mut Kernel,
        store: &mut Store,
        now: Time,
    ) -> Vec<Result<(), OpError>> {
        let leaving = self.reconciler.take_leaving();
        let results = self.carry_out(&leaving, kernel, now);
        self.reconciler.left(&leaving, &results);
        self.take_ended();
        if let Some(bridge) = self.reconciler.needs_snapshot() {
            match kernel.picture(bridge) {
                Ok(actual) => {
                    self.reconciler.adopt(actual);
                    self.send_all();
                }
                Err(_) => self.reconciler.bridge_lost(),
            }
        }
        let actions = self.reconciler.plan();
        self.keep(store);
        let results = self.carry_out(&actions, kernel, now);
        let answers = self.reconciler.conclude(&actions, &results);
        kernel.follow(&self.reconciler.followed());
        self.take_ended();
        self.keep(store);
        if !self.reconciler.may_retry() {
            self.retry_at = None;
        } else if self.retry_at.is_none() {
            self.retry_at = Some(now + RETRY);
        }
        let begun = self.departs_at.unwrap_or(now + DEPARTURE);
        self.departs_at = self.reconciler.is_departing().then_some(begun);
        answers
    }

    fn take_ended(&mut self) {
        for event in self.reconciler.take_ended() {
            self.publish(event);
        }
    }

    fn keep(&self, store: &mut Store) {
        // Originals are plain names and values.
        *store = serde_json::to_string(self.reconciler.originals()).unwrap_or_default();
    }

    /// What protects comes first, and where that failed nothing is opened.
    fn carry_out(
        &mut self,
        actions: &[Action],
        kernel: &mut Kernel,
        now: Time,
    ) -> Vec<Result<(), OpError>> {
        let mut unprotected = Unprotected::default();
        let mut results = Vec::with_capacity(actions.len());
        for action in actions {
            let result = if unprotected.withholds(action) {
                Err(OpError::refused("not opened"))
            } else {
                kernel.apply(action, now)
            };
            if result.is_err() {
                unprotected.note(action);
            }
            self.done.push((action.clone(), result.clone()));
            results.push(result);
        }
        results
    }
}
