//! What is sent to `syncd`: the wanted dataplane, as numbered batches of changes.

use super::connection::{InFlight, Syncd, named_port};
use super::{Batch, Domain, Notice, Time, Timer};
use crate::lag::Report;
use crate::policy::dataplane::DataplanePolicy;
use mclag_proto::sync::model::{Event, Isolation, OpError, OpErrorCode, PortWant};
use mclag_proto::{IfName, Mac};
use std::collections::BTreeMap;

impl Domain {
    /// Next batch for `syncd`, unless it has to answer earlier ones first.
    #[must_use]
    pub fn poll_batch(&mut self) -> Option<Batch> {
        self.catch_up();
        let policy = self.syncd.policy;
        if !self.syncd.is_up() || !policy.keeps_neighbours {
            self.tables.neigh.skip_ops();
        }
        let unanswered = self.syncd.in_flight.len();
        if !self.syncd.is_up() || !policy.takes_batch(unanswered) {
            return None;
        }
        let mut ops = Vec::new();
        if !self.life.is_stopping() && self.table_goes_first() {
            let room = policy.room_for_table(0);
            self.tables.fdb.next_ops(room, &mut ops);
        }
        // What it needs several batches for goes before the rest, too.
        if !self.life.is_stopping() && policy.room_for_table(ops.len()) > 0 {
            self.queue_changes();
        }
        let room = policy.ops_per_batch.saturating_sub(ops.len());
        let queued = self.syncd.queued.len().min(room);
        ops.extend(self.syncd.queued.drain(..queued));
        let table_may_go = !self.life.is_stopping() && policy.takes_table(unanswered);
        let room = policy.room_for_table(ops.len());
        if table_may_go && room > 0 {
            self.tables.fdb.next_ops(room, &mut ops);
        }
        let room = policy.room_for_table(ops.len());
        if table_may_go && policy.keeps_neighbours && room > 0 {
            self.tables.neigh.next_ops(room, &mut ops);
        }
        if ops.is_empty() {
            return None;
        }
        if unanswered == 0 {
            self.dataplane_has_time(self.now);
        }
        self.doubts_may_change();
        self.syncd.last_number += 1;
        let number = self.syncd.last_number;
        let ports = (0_u32..)
            .zip(&ops)
            .filter_map(|(index, op)| named_port(op).map(|(port, want)| (index, port, want)))
            .collect();
        self.syncd.in_flight.push_back(InFlight {
            number,
            ports,
            ops: ops.clone(),
        });
        Some(Batch { number, ops })
    }

    fn table_goes_first(&self) -> bool {
        let policy = self.syncd.policy;
        policy.hears_addresses_before_down(self.config.on_loss)
            && self.syncd.queued.is_empty()
            && self.sends_down()
    }

    /// True when `syncd` has confirmed everything, or is not there to.
    #[must_use]
    pub fn syncd_is_idle(&self) -> bool {
        !self.syncd.is_up() || self.syncd.is_idle()
    }

    pub(super) fn syncd_up(&mut self, policy: DataplanePolicy, backend: String) {
        // A dataplane that can do more than a moment ago says so without having been gone: what it
        // listed still holds.
        let Syncd {
            failed,
            last_failure,
            failing,
            listed,
            presence,
            ..
        } = std::mem::take(&mut self.syncd);
        self.syncd = Syncd {
            backend: Some(backend),
            policy,
            is_known: true,
            ports_due: true,
            failed,
            last_failure,
            failing,
            listed,
            presence,
            ..Syncd::default()
        };
        self.dataplane_has_time(self.now);
        self.tables.fdb.syncd_up();
        self.tables.neigh.syncd_up();
    }

    /// What it carried out stays carried out; what it confirms from now on is unknown.
    pub(super) fn syncd_down(&mut self) {
        self.syncd.backend = None;
        self.dataplane_has_time(self.now);
        for batch in self.syncd.in_flight.drain(..) {
            self.counters.unanswered(&batch.ops);
        }
        self.syncd.listed = false;
        self.tables.fdb.syncd_down(self.now);
        self.links.members_abandon();
        self.program_ports(Report::Lost);
    }

    pub(super) fn syncd_result(&mut self, batch: u64, failures: &[(u32, OpError)], now: Time) {
        let Some(front) = self.syncd.in_flight.front() else {
            return;
        };
        if front.number != batch {
            return; // of a connection that is gone
        }
        let Some(done) = self.syncd.in_flight.pop_front() else {
            return;
        };
        self.dataplane_answered(now);
        self.counters.answered(&done.ops, failures);
        self.ops_done(&done.ops, failures);
        for (index, error) in failures {
            self.op_failed(
                usize::try_from(*index).ok().and_then(|i| done.ops.get(i)),
                error,
            );
        }
        if done.ports.is_empty() {
            return;
        }
        let failures = failures.iter().map(|(index, error)| (*index, error.code));
        let failures: BTreeMap<u32, OpErrorCode> = failures.collect();
        let later = self.syncd.unconfirmed();
        for (index, name, want) in done.ports {
            let Some(want) = want else { continue };
            // Something else was asked for since: what is confirmed now no longer holds.
            let asked = later.get(&name).map_or(&[][..], Vec::as_slice);
            let still = |holds: &dyn Fn(PortWant) -> bool| {
                asked.iter().all(|asked| asked.is_some_and(holds))
            };
            if !still(&|asked| asked.isolation == want.isolation) {
                continue;
            }
            let lacp = still(&|asked| asked.system_mac == want.system_mac);
            let lacp = lacp.then_some(want.system_mac);
            let is_of_traffic = still(&|asked| asked.traffic == want.traffic);
            let failure = failures.get(&index).copied();
            // A port that does not exist yet lets nothing out either.
            let failure = failure.filter(|code| *code != OpErrorCode::Waiting);
            self.port_result(&name, failure, lacp, is_of_traffic, now);
        }
    }

    /// `lacp` is the LACP system id that it was sent, if that is still so; `is_of_traffic`: so is what was sent of its traffic.
    fn port_result(
        &mut self,
        name: &IfName,
        failure: Option<OpErrorCode>,
        lacp: Option<Option<Mac>>,
        is_of_traffic: bool,
        now: Time,
    ) {
        let Some(port) = self.ports.get_mut(name) else {
            return;
        };
        if let Some(code) = failure {
            port.program(match code {
                OpErrorCode::Unsupported => Report::Unsupported,
                OpErrorCode::Refused | OpErrorCode::Waiting => Report::Failed,
            });
            self.outbox.dataplane.due();
            self.repair_later(code, now);
            return;
        }
        if let Some(lacp) = lacp {
            port.set_lacp_in_force(lacp);
        }
        let before = port.programmed().confirmed();
        port.carried_out(is_of_traffic);
        let (port, after) = (port.name(), port.programmed().confirmed());
        // Whether the peer link may learn depends on it.
        self.syncd.dirty |= before != after;
        self.doubts_may_change();
        if before != after
            && let Some(isolation) = after
        {
            self.notice(Notice::Isolation {
                port,
                on: isolation == Isolation::On,
            });
        }
    }

    fn repair_later(&mut self, code: OpErrorCode, now: Time) {
        let policy = &self.syncd.policy;
        if code != OpErrorCode::Unsupported {
            self.timers.set(Timer::Repair, now + policy.repair_after);
        } else if !self.timers.is_set(Timer::Repair) {
            let after = policy.unsupported_after;
            self.timers.set(Timer::Repair, now + after);
        }
    }

    /// Send again what was refused.
    pub(super) fn syncd_repair(&mut self) {
        self.program_ports(Report::Repair);
    }

    /// Of all of them.
    pub(super) fn program_ports(&mut self, report: Report) {
        for port in self.ports.values_mut() {
            port.program(report);
        }
    }

    pub(super) fn syncd_event(&mut self, event: Event, now: Time) {
        match event {
            Event::SnapshotBegin => {
                self.tables.fdb.local_listing_begins(now);
                self.links.members_begin();
            }
            Event::SnapshotEnd => {
                self.links.members_end();
                self.syncd.listed |= self.tables.fdb.local_listing_ends();
            }
            Event::Fdb { key, observation } => {
                self.tables.fdb.local_observation(key, observation, now);
            }
            Event::VlanMember { port, vid, member } => self.links.set_member(port, vid, member),
            // The pair is described by whoever made this domain, and interfaces are named by whoever reads the kernel.
            Event::Settings(_) | Event::Kept { .. } => {}
        }
    }
}
