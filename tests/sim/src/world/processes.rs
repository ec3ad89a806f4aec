//! What processes do when they wake up, and what they send each other.

use std::time::Duration;

use iccp_core::{Input, Notice, Output, PeerTraits};
use mclag_proto::iccp::Message;
use mclag_proto::sync::model::FdbKey;
use syncd::backend::BackendEvent;
use syncd::dataplane::Subject;

use super::{OnWire, STATIONS, ToIccpd, ToSyncd, World, key, letter, push, ready, ready_events};
use crate::iccpd::ABILITIES;
use crate::syncd::{Reply, Syncd};

impl World {
    pub(super) fn wake_syncd(&mut self, side: usize) {
        let now = self.now;
        let chassis = &mut self.chassis[side];
        let Some(mut process) = chassis.syncd.take() else {
            return;
        };
        let (mut events, is_lost) = ready_events(&mut chassis.from_bridge, now);
        if is_lost {
            let why = "events were lost";
            events.push(BackendEvent::Resync { why });
        }
        if !events.is_empty() {
            let is_all = chassis.from_bridge.is_empty();
            process.happened(
                &events,
                is_all,
                &mut chassis.kernel,
                &mut chassis.store,
                now,
            );
        }
        for message in ready(&mut chassis.to_syncd, now) {
            match message {
                _ if process.is_stopping() => {}
                ToSyncd::Hello(local) => {
                    if chassis.local[1].replace(local).is_some() {
                        process.client_went();
                    }
                    let up = ToIccpd::Up(local, chassis.kernel.kept_names());
                    push(&mut chassis.to_iccpd, now + Duration::from_micros(200), up);
                    process.client_came();
                }
                ToSyncd::Gone(local) if chassis.local[1] == Some(local) => {
                    chassis.local[1] = None;
                    process.client_went();
                }
                ToSyncd::Batch(local, batch) if chassis.local[1] == Some(local) => {
                    process.batch(&batch, &mut chassis.kernel, &mut chassis.store, now);
                }
                ToSyncd::Gone(_) | ToSyncd::Batch(..) => {}
            }
        }
        process.timeout(&mut chassis.kernel, &mut chassis.store, now);
        chassis.busy_until = now + chassis.pause;
        self.report_syncd(side, process);
    }

    /// What `mclagsyncd` did is seen, and what it says is on its way.
    pub(super) fn report_syncd(&mut self, side: usize, mut process: Syncd) {
        let chassis = &mut self.chassis[side];
        let replies: Vec<Reply> = process.replies.drain(..).collect();
        let done = std::mem::take(&mut process.done);
        let local = chassis.local[1];
        chassis.syncd = Some(process);
        for (action, result) in done {
            if let Subject::Fdb(key) = action.subject() {
                self.cross_entry(side, key);
            }
            self.note(|| format!("{} mclagsyncd: {action}: {result:?}", letter(side)));
        }
        if let Some(local) = local {
            for reply in replies {
                self.note(|| format!("{} mclagsyncd sends {reply:?}", letter(side)));
                self.send_iccpd(side, ToIccpd::Reply(local, reply));
            }
        }
        self.kernel_moved(side);
    }

    /// What was done to an entry may have gone over what nobody ever reports: the host had come back before the kernel heard
    /// that it had left.
    fn cross_entry(&mut self, side: usize, of: FdbKey) {
        let station = (0..STATIONS).find(|station| key(*station) == of);
        let is_no_news =
            |station: &usize| self.is_undecided(*station) && self.is_no_news[*station][side];
        if let Some(station) = station.filter(is_no_news) {
            self.checks.displace_station(station, self.now);
        }
    }

    pub(super) fn wake_iccpd(&mut self, side: usize) {
        let now = self.now;
        let is_cut = self.wire_cut;
        let chassis = &mut self.chassis[side];
        let Some(process) = &mut chassis.iccpd else {
            return;
        };
        let (mut is_idle, mut has_names) = (true, false);
        let (events, is_lost) = ready_events(&mut chassis.from_kernel, now);
        if !events.is_empty() {
            is_idle = false;
            process.happened(events, now);
        }
        if is_lost {
            process.read_all(&chassis.kernel, now);
        }
        for message in ready(&mut chassis.to_iccpd, now) {
            is_idle = false;
            let current = chassis.local[0];
            match message {
                ToIccpd::Up(local, kept) if current == Some(local) => {
                    process.keep_names(&kept, now);
                    has_names = !kept.is_empty();
                    let up = Input::SyncdUp {
                        abilities: ABILITIES,
                        backend: "model".to_owned(),
                        window: 16,
                    };
                    process.handle(up, now);
                }
                ToIccpd::Restores(local) if current == Some(local) => {
                    process.handle(Input::SyncdRestores, now);
                }
                ToIccpd::Down(local) if current == Some(local) => {
                    chassis.local[0] = None;
                    process.dial_at = Some(now + Duration::from_millis(50));
                    process.handle(Input::SyncdDown, now);
                }
                ToIccpd::Reply(local, reply) if current == Some(local) => {
                    process.handle(reply_input(reply), now);
                }
                _ => {}
            }
        }
        let arrived = if is_cut {
            Vec::new()
        } else {
            ready(&mut chassis.from_wire, now)
        };
        for arrived in arrived {
            is_idle = false;
            let current = chassis.wire;
            let input = match arrived {
                OnWire::Up(wire) => {
                    chassis.wire = Some(wire);
                    let traits = PeerTraits::default();
                    Input::PeerUp { traits }
                }
                OnWire::Down(wire) if current == Some(wire) => {
                    chassis.wire = None;
                    peer_down("end of file")
                }
                OnWire::Failed => peer_down("connection refused"),
                OnWire::Message(wire, message) if current == Some(wire) => {
                    Input::PeerMessage(message)
                }
                OnWire::Down(_) | OnWire::Message(..) => continue,
            };
            process.handle(input, now);
        }
        process.poll(&chassis.kernel, now);
        let is_due = process.domain.deadline().is_some_and(|at| at <= now);
        if is_idle && is_due {
            process.handle(Input::Timeout, now);
        }
        let dials = process.dial_at.is_some_and(|at| at <= now);
        if has_names {
            self.find_again(side);
        }
        if dials {
            self.dial(side);
        }
        self.drain(side);
    }

    fn dial(&mut self, side: usize) {
        self.count += 1;
        let (count, now) = (self.count, self.now);
        let pause = self.jitter(50_000, 500_000);
        let chassis = &mut self.chassis[side];
        let Some(process) = &mut chassis.iccpd else {
            return;
        };
        if chassis.syncd.is_some() {
            process.dial_at = None;
            chassis.local[0] = Some(count);
            self.send_syncd(side, ToSyncd::Hello(count));
        } else {
            process.dial_at = Some(now + pause);
        }
    }

    pub(super) fn drain(&mut self, side: usize) {
        let now = self.now;
        loop {
            let chassis = &mut self.chassis[side];
            let Some(process) = &mut chassis.iccpd else {
                return;
            };
            if let Some(output) = process.poll_output() {
                self.carry_out(side, output);
            } else if let Some(batch) = process.domain.poll_batch() {
                if let Some(local) = chassis.local[0] {
                    self.note(|| format!("{} iccpd asks for {:?}", letter(side), batch.ops));
                    self.send_syncd(side, ToSyncd::Batch(local, batch));
                }
            } else if let Some(message) = process.domain.poll_peer_message(now) {
                self.send_message(side, message);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, side: usize, output: Output) {
        match output {
            Output::Connect => {
                self.count += 1;
                let wire = self.count;
                let is_there = self.chassis[1 - side].iccpd.is_some() && !self.wire_cut;
                if is_there {
                    self.send_wire(side, OnWire::Up(wire));
                    self.send_wire(1 - side, OnWire::Up(wire));
                } else {
                    self.send_wire(side, OnWire::Failed);
                }
            }
            Output::Close {
                shutdown_notice, ..
            } => {
                for message in shutdown_notice {
                    self.send_message(side, message);
                }
                self.close_wire(side);
            }
            Output::Notice(notice) => {
                self.checks.notice(&notice);
                self.note(|| format!("{} iccpd: {}", letter(side), describe(&notice)));
            }
        }
    }

    fn send_message(&mut self, side: usize, message: Message) {
        self.note(|| format!("{} sends {:?}", letter(side), message.body));
        if let Some(wire) = self.chassis[side].wire {
            self.send_wire(1 - side, OnWire::Message(wire, message));
        }
    }

    pub(super) fn close_wire(&mut self, side: usize) {
        if let Some(wire) = self.chassis[side].wire.take() {
            self.send_wire(1 - side, OnWire::Down(wire));
        }
    }

    pub(super) fn send_wire(&mut self, to: usize, what: OnWire) {
        let at = self.now + self.jitter(200, 3_000);
        if self.chassis[to].iccpd.is_some() {
            push(&mut self.chassis[to].from_wire, at, what);
        }
    }

    pub(super) fn send_iccpd(&mut self, side: usize, what: ToIccpd) {
        let at = self.now + self.jitter(20, 1_000);
        if self.chassis[side].iccpd.is_some() {
            push(&mut self.chassis[side].to_iccpd, at, what);
        }
    }

    pub(super) fn send_syncd(&mut self, side: usize, what: ToSyncd) {
        let at = self.now + self.jitter(20, 1_000);
        if self.chassis[side].syncd.is_some() {
            push(&mut self.chassis[side].to_syncd, at, what);
        }
    }
}

fn describe(notice: &Notice) -> String {
    format!("{notice:?}")
}

fn peer_down(reason: &str) -> Input {
    Input::PeerDown {
        reason: reason.to_owned(),
    }
}

fn reply_input(reply: Reply) -> Input {
    match reply {
        Reply::Event(event) => Input::SyncdEvent(event),
        Reply::Result { batch, failures } => Input::SyncdResult { batch, failures },
    }
}
