//! Processes that stop when they are asked to, and take their chassis out of the pair if they are set so.

use std::time::Duration;

use iccp_core::Input;

use super::{OnWire, Place, Process, SIDES, ToIccpd, World};
use crate::bounds::Kind;
use crate::kernel::BONDS;

/// How long `iccpd` waits for `mclagsyncd` when it stops.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// How long `mclagsyncd` may take for the last of its work: hosts leave within one second.
const LAST_WORK: Duration = Duration::from_secs(6);

/// How often is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);

impl World {
    /// Stop a process, which takes the chassis out of the pair (`on-stop` is `leave` of `iccpd`, `restore` of
    /// `mclagsyncd`) or leaves everything as it is, and wait until it has ended. One that is frozen does not hear of it.
    pub fn stop(&mut self, side: usize, process: Process, leaves: bool) {
        let chassis = &self.chassis[side];
        let runs = match process {
            Process::Iccpd => chassis.iccpd.is_some(),
            Process::Syncd => chassis.syncd.is_some(),
        };
        if !runs || chassis.is_frozen[process as usize] {
            return;
        }
        if leaves {
            // The peer has to hear of it: without a session it goes on as before (ADR 4).
            let is_heard = self.is_healthy() && !self.is_wire_broken();
            self.change_legs(is_heard, Kind::Pairing);
            self.chassis[side].has_left[process as usize] = true;
        }
        let most = match process {
            Process::Iccpd => self.stop_iccpd(side, leaves),
            Process::Syncd => self.stop_syncd(side, leaves),
        };
        let end = self.now + most;
        while self.now < end && !self.checks.has_failed() && !self.has_finished(side, process) {
            self.run_for(LOOK);
        }
        self.kill(side, process);
    }

    fn stop_iccpd(&mut self, side: usize, leave: bool) -> Duration {
        let now = self.now;
        if let Some(process) = &mut self.chassis[side].iccpd {
            process.handle(Input::Stop { leave }, now);
        }
        self.drain(side);
        STOP_TIMEOUT
    }

    fn stop_syncd(&mut self, side: usize, restores: bool) -> Duration {
        let now = self.now;
        if restores && let Some(local) = self.chassis[side].local[1].take() {
            self.send_iccpd(side, ToIccpd::Restores(local));
            self.send_iccpd(side, ToIccpd::Down(local));
        }
        let chassis = &mut self.chassis[side];
        if let Some(mut process) = chassis.syncd.take() {
            process.stop(restores, &mut chassis.kernel, &mut chassis.store, now);
            self.report_syncd(side, process);
        }
        LAST_WORK
    }

    fn has_finished(&self, side: usize, process: Process) -> bool {
        let chassis = &self.chassis[side];
        match process {
            Process::Iccpd => {
                let process = chassis.iccpd.as_ref();
                process.is_none_or(|process| process.domain.syncd_is_idle())
            }
            Process::Syncd => {
                let process = chassis.syncd.as_ref();
                process.is_none_or(|process| process.has_finished())
            }
        }
    }

    /// A process that took the chassis out of the pair is back.
    pub(super) fn join(&mut self, side: usize, process: Process) {
        if std::mem::take(&mut self.chassis[side].has_left[process as usize]) {
            self.change_legs(self.is_whole_but(side, process), Kind::Start);
        }
    }

    /// Hosts leave a chassis or come back to it. They may lose frames while their legs agree anew. Nothing arrives twice because of that
    /// alone: only where something else is missing, too.
    fn change_legs(&mut self, is_alone: bool, kind: Kind) {
        for host in 0..BONDS {
            let place = Place::Bond(host);
            match is_alone && self.hosts[host].lone.is_none() {
                true => self.checks.part(place, kind, self.now),
                false => self.checks.touch(place, Kind::Start, self.now),
            }
        }
    }

    /// The session's connection broke, and not both have noticed.
    fn is_wire_broken(&self) -> bool {
        let arriving = self.chassis.iter().flat_map(|it| &it.from_wire);
        let mut arriving = arriving.map(|(_, what)| what);
        arriving.any(|what| matches!(what, OnWire::Down(_)))
    }

    /// Everything runs and is connected, but for this process perhaps.
    fn is_whole_but(&self, side: usize, process: Process) -> bool {
        let is_there = |of: usize, which: Process| {
            let chassis = &self.chassis[of];
            let runs = match which {
                Process::Iccpd => chassis.iccpd.is_some(),
                Process::Syncd => chassis.syncd.is_some(),
            };
            runs && !chassis.is_frozen[which as usize] && self.works(of)
        };
        let is_meant = |of: usize, which: Process| (of, which) == (side, process);
        !self.wire_cut
            && SIDES.into_iter().all(|of| {
                [Process::Iccpd, Process::Syncd]
                    .into_iter()
                    .all(|which| is_meant(of, which) || is_there(of, which))
            })
    }

    /// Whether nothing is missing but a process that took its chassis out of the pair.
    pub(crate) fn is_whole_but_left(&self) -> bool {
        let left = SIDES.into_iter().flat_map(|side| {
            let processes = [Process::Iccpd, Process::Syncd];
            processes.map(|process| (side, process))
        });
        let mut left =
            left.filter(|(side, process)| self.chassis[*side].has_left[*process as usize]);
        let (side, process) = left.next().unwrap_or((0, Process::Iccpd));
        left.next().is_none() && self.is_whole_but(side, process)
    }
}
