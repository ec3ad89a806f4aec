//! Making the dataplane what is wanted: what happened goes in, what has to be done comes out and is
//! carried out, logged and answered.

use mclag_daemon::process::chain;
use mclag_proto::IfName;
use mclag_proto::sync::model::{Event, Observation, OpError, OpErrorCode};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, error, info, warn};

use super::{DEPARTURE, Server, ServerError};
use crate::backend::{Backend, BackendEvent, Snapshot};
use crate::dataplane::{Action, InterfaceActual, McastSnooping, Unprotected};

/// Events that are taken at once before the client is sent any.
const EVENTS_AT_ONCE: usize = 4096;

/// Failures of one plan that are logged one by one.
const MAX_LOGGED: usize = 10;

impl<B: Backend> Server<B> {
    /// Take in an event and those that wait behind it, and do what follows from them.
    pub(super) async fn observe(&mut self, first: BackendEvent) -> Result<(), ServerError> {
        let mut event = Some(Ok(first));
        let mut taken = 0;
        let mut moved = false;
        let mut looks_again = false;
        while let Some(next) = event {
            let next = next?;
            if let BackendEvent::Resync { why } = &next {
                info!(why, "looking at the dataplane again");
                looks_again = true;
            }
            if let BackendEvent::Interface { interface, actual } = &next {
                let before = self.reconciler.actual().interfaces.get(interface);
                let place = |is: &InterfaceActual| (is.lag, is.vids.clone());
                moved |= before.map(place) != actual.as_ref().map(place);
            }
            if let Some(event) = self.reconciler.observe(&next) {
                self.publish(&event);
            }
            if let BackendEvent::Table { entries, is_last } = &next {
                for event in self.reconciler.take_piece(entries, *is_last) {
                    self.publish(&event);
                }
                // Each piece costs the dataplane some milliseconds.
                taken = EVENTS_AT_ONCE;
            }
            // Until the filter is back, frames pass that must not.
            if matches!(next, BackendEvent::Filter { .. }) {
                taken = EVENTS_AT_ONCE;
            }
            taken += 1;
            event = tokio::select! {
                biased;
                next = self.backend.next_event(), if taken < EVENTS_AT_ONCE => Some(next),
                () = std::future::ready(()) => None,
            };
        }
        if taken < EVENTS_AT_ONCE {
            self.reconciler.nothing_to_observe();
        }
        if moved {
            let ops = self.refresh_legacy();
            self.reconciler.accept(&ops);
        }
        let _ = self.settle().await;
        if looks_again {
            let ops = self.refresh_legacy();
            if !ops.is_empty() {
                self.reconciler.accept(&ops);
                let _ = self.settle().await;
            }
        }
        Ok(())
    }

    /// Publish to the client what the dataplane sees, when it next has credit.
    pub(super) fn publish(&mut self, event: &Event) {
        if let Event::Fdb { key, observation } = event {
            debug!(mac = %key.mac, vid = %key.vid, ?observation, "seen");
            let table = self.reconciler.actual().fdb.len();
            let is_own_work = match &mut self.foreign {
                Some(foreign) if foreign.is_of_our_kernel => {
                    if *observation == Observation::Aged {
                        foreign.client.vanished(key);
                    }
                    foreign.is_own_work(key, observation)
                        || foreign.may_be_own_work(key, observation)
                }
                // It keeps another table, and says itself what it sees.
                Some(_) => true,
                None => false,
            };
            if let Some(client) = self.client.as_mut().filter(|_| !is_own_work) {
                client.push(event.clone(), table);
            }
            self.legacy.mark(*key, table);
        }
    }

    /// Make the dataplane what is wanted, as far as it lets us. Answers accepted operations.
    pub(super) async fn settle(&mut self) -> Vec<Result<(), OpError>> {
        self.leave().await;
        if let Some(bridge) = self.reconciler.needs_snapshot() {
            self.look(bridge).await;
        }
        self.look_up().await;
        let are_ports_planned = self.reconciler.plans_ports();
        let actions = self.reconciler.plan();
        self.keep_originals();
        let results = self.carry_out(&actions).await;
        let answers = self.reconciler.conclude(&actions, &results);
        if are_ports_planned {
            // A port that is given back is so under the name that it had.
            self.backend.follow(&self.reconciler.followed());
        }
        for event in self.reconciler.take_ended() {
            self.publish(&event);
        }
        self.keep_originals();
        if !self.reconciler.may_retry() && self.unstored.is_none() {
            self.retry_at = None;
            self.retry_pauses.reset();
        } else if self.retry_at.is_none() {
            self.retry_at = Some(Instant::now() + self.retry_pauses.pause());
        }
        let begun = self
            .departs_at
            .unwrap_or_else(|| Instant::now() + DEPARTURE);
        self.departs_at = self.reconciler.is_departing().then_some(begun);
        answers
    }

    /// Another bridge is wanted: take back what is ours on the one before, which will not be looked at again.
    async fn leave(&mut self) {
        let actions = self.reconciler.take_leaving();
        if actions.is_empty() {
            return;
        }
        let bridge = self.reconciler.actual().bridge;
        let bridge = bridge.map(tracing::field::display);
        info!(bridge, entries = actions.len(), "leaving the bridge");
        let results = self.carry_out(&actions).await;
        self.reconciler.left(&actions, &results);
        for event in self.reconciler.take_ended() {
            self.publish(&event);
        }
    }

    /// Hosts have had the time to leave the ports of a chassis that leaves the pair: open them. What is known of hosts there is
    /// taken out before.
    pub(super) async fn hosts_have_left(&mut self, by: Instant) -> Result<(), ServerError> {
        self.settle_all(by).await?;
        self.reconciler.hosts_have_left();
        let _ = self.settle().await;
        Ok(())
    }

    /// Something is under way that nobody will ask for again.
    pub(super) fn has_begun(&self) -> bool {
        self.reconciler.has_more() || self.reconciler.is_listing() || self.reconciler.is_departing()
    }

    /// Wait for that, before this server ends.
    pub(super) async fn finish_departure(&mut self, by: Instant) -> Result<(), ServerError> {
        let Some(departs_at) = self.departs_at else {
            return Ok(());
        };
        sleep_until(departs_at).await;
        self.hosts_have_left(by).await
    }

    /// Settle until nothing waits for its turn, or until this time.
    pub(super) async fn settle_all(&mut self, by: Instant) -> Result<(), ServerError> {
        let _ = self.settle().await;
        while self.reconciler.has_more() || self.reconciler.is_listing() {
            if Instant::now() >= by {
                warn!("not everything could be done in time");
                break;
            }
            if self.reconciler.has_more() {
                let _ = self.settle().await;
            } else {
                yield_now().await;
                if let Ok(event) = timeout_at(by, self.backend.next_event()).await {
                    self.observe(event?).await?;
                }
            }
        }
        Ok(())
    }

    /// Look at all of the dataplane afresh.
    async fn look(&mut self, bridge: Option<IfName>) {
        match self.backend.snapshot(bridge).await {
            Ok(Snapshot {
                actual,
                table_follows,
            }) => {
                let entries = (!table_follows).then_some(actual.fdb.len());
                info!(
                    bridge = bridge.map(tracing::field::display),
                    ports = actual.ports.len(),
                    entries,
                    "looked at bridge"
                );
                if actual.snooping == McastSnooping::PerVlan {
                    warn!(
                        bridge = bridge.map(tracing::field::display),
                        "multicast is snooped per VLAN: what was asked for on one chassis is lost on the other \
                         (switch mcast_vlan_snooping off)"
                    );
                }
                self.blind = None;
                if table_follows {
                    self.reconciler.adopt_without_table(actual);
                } else {
                    self.reconciler.adopt(actual);
                }
                self.is_listing = table_follows;
                let is_seen = self.is_seen();
                if let Some(client) = self.client.as_mut().filter(|_| is_seen) {
                    client.outbox.set_listing(table_follows);
                    client.outbox.resync();
                }
                self.legacy.mark_all();
            }
            Err(error) => {
                if self.blind.as_ref() != Some(&error.text) {
                    warn!(bridge = bridge.map(tracing::field::display), %error, "cannot look at bridge");
                    self.blind = Some(error.text);
                }
                self.reconciler.bridge_lost();
            }
        }
    }

    /// What the dataplane sees of hosts counts, and not what a foreign server says.
    fn is_seen(&self) -> bool {
        self.foreign
            .as_ref()
            .is_none_or(|foreign| foreign.is_of_our_kernel)
    }

    /// Look up what has to be known of the table before something is planned, while it is being listed.
    async fn look_up(&mut self) {
        let keys = self.reconciler.keys_to_look_up();
        if !keys.is_empty() {
            let found = self.backend.look_up(&keys).await;
            for event in self.reconciler.looked_up(&keys, &found) {
                self.publish(&event);
            }
        }
        let is_listing = self.reconciler.is_listing();
        if self.is_listing && !is_listing {
            let entries = self.reconciler.actual().fdb.len();
            info!(entries, "table of the bridge listed");
            let is_seen = self.is_seen();
            if let Some(client) = self.client.as_mut().filter(|_| is_seen) {
                client.outbox.set_listing(false);
            }
            self.legacy.mark_all();
        }
        self.is_listing = is_listing;
    }

    /// Actions that protect come first. Where one of them failed, nothing is opened. Each is
    /// logged when the dataplane has confirmed it: fail-over times are measured from that.
    async fn carry_out(&mut self, actions: &[Action]) -> Vec<Result<(), OpError>> {
        if actions.is_empty() {
            return Vec::new();
        }
        let protecting = actions
            .iter()
            .take_while(|action| action.protects())
            .count();
        let (first, rest) = actions.split_at(protecting);
        let mut results = self.apply(first).await;
        let mut unprotected = Unprotected::default();
        for (action, result) in first.iter().zip(&results) {
            if result.is_err() {
                unprotected.note(action);
            }
        }
        let is_withheld = |action: &Action| unprotected.withholds(action);
        let allowed: Vec<Action> = rest.iter().filter(|a| !is_withheld(a)).cloned().collect();
        let mut done = self.apply(&allowed).await.into_iter();
        for action in rest {
            let result = match is_withheld(action) {
                true => None,
                false => done.next(),
            };
            results.push(result.unwrap_or_else(|| {
                Err(OpError::refused(format!(
                    "{}: not opened, for it could not be protected",
                    action.subject()
                )))
            }));
        }
        results
    }

    async fn apply(&mut self, actions: &[Action]) -> Vec<Result<(), OpError>> {
        if actions.is_empty() {
            return Vec::new();
        }
        let mut results = self.backend.apply(actions).await;
        let missing = OpError::refused("the backend gave no result");
        results.resize(actions.len(), Err(missing));
        self.log(actions, &results);
        results
    }

    fn keep_originals(&mut self) {
        let originals = self.reconciler.originals();
        if *originals == self.stored {
            self.unstored = None;
            return;
        }
        let saved = match &self.store {
            Some(store) => store.save(originals),
            None => Ok(()),
        };
        match saved {
            Ok(()) => {
                if self.unstored.take().is_some() {
                    info!("originals are kept again");
                }
                self.stored = originals.clone();
            }
            // What is in the file is of before: it is tried again, and logged when it changes.
            Err(error) => {
                let error = chain(&error);
                if self.unstored.as_ref() != Some(&error) {
                    error!(error, "originals cannot be kept");
                    self.unstored = Some(error);
                }
            }
        }
    }

    fn log(&mut self, actions: &[Action], results: &[Result<(), OpError>]) {
        let mut logged = 0_usize;
        let mut failures = 0_usize;
        for (action, result) in actions.iter().zip(results) {
            let subject = action.subject();
            match result {
                Ok(()) => {
                    log_success(action);
                    if let Some(error) = self.failing.done(&(subject, action.setting())) {
                        info!(%subject, %action, error, "action no longer fails");
                    }
                }
                Err(error) if error.code == OpErrorCode::Waiting => {
                    debug!(%subject, %action, %error, "action waits");
                }
                Err(error) => {
                    let what = (subject, action.setting());
                    let is_new = self.failing.failed(what, &error.to_string());
                    failures += usize::from(is_new);
                    if is_new && logged < MAX_LOGGED {
                        logged += 1;
                        warn!(%subject, %action, %error, "action failed");
                    } else {
                        debug!(%subject, %action, %error, "action failed");
                    }
                }
            }
        }
        if failures > logged {
            warn!(more = failures - logged, "more actions failed");
        }
    }
}

fn log_success(action: &Action) {
    match action {
        Action::Isolate { port } => info!(%port, "port isolated from the peer link"),
        Action::Release { port } => info!(%port, "port no longer isolated from the peer link"),
        Action::Hold { port, .. } => info!(%port, "port held"),
        Action::Unhold { port } => info!(%port, "port released"),
        Action::FdbInstall { .. }
        | Action::FdbMakeDynamic { .. }
        | Action::FdbDelete { .. }
        | Action::NeighbourInstall { .. }
        | Action::NeighbourDelete { .. } => debug!(%action, "entry changed"),
        Action::EnsureFilter { .. }
        | Action::RemoveFilter
        | Action::SetLearning { .. }
        | Action::SetBackup { .. }
        | Action::ClearBackup { .. }
        | Action::SetMcastRouter { .. }
        | Action::LocalInstall { .. }
        | Action::LocalDelete { .. }
        | Action::SetInterfaceMac { .. }
        | Action::SetSystemMac { .. } => info!(%action, "dataplane changed"),
    }
}
