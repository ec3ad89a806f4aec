//! A strict model of the legacy daemon that is played (`spec/iccp.md` 1 to 9).
//!
//! It is told what is said in that daemon's name and what is heard from ours. It knows in which state the daemon would
//! be, and complains of whatever that daemon would not understand, would throw away or would answer by leaving its
//! senses: a Sync Request in EXCHANGE, a purge of a port it does not know, a NAK.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use mclag_proto::iccp::Dialect;

use super::raw::{self, Raw, kind, tlv};
use super::values::{self, Entry, Said};

/// How long the rest of a message may be on its way: a legacy daemon stalls meanwhile (1.3).
const PARTIAL: Duration = Duration::from_secs(2);

/// Time between heartbeats that is still taken for one a second, on a machine that is busy.
const SILENCE: Duration = Duration::from_secs(3);

/// Who is played, to whom.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What it speaks.
    pub dialect: Dialect,
    /// The redundancy group of our daemon.
    pub rg: u32,
    /// Its own redundancy group.
    pub own_rg: u32,
    /// It has the lower address (1.1).
    pub is_active: bool,
    /// Address of our daemon.
    pub other: Ipv4Addr,
    /// Nothing may be heard before it has said something (14).
    pub speaks_first: bool,
}

/// State of the application (6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Not operational.
    Init,
    /// Waits for a request, and throws everything else away.
    Answering {
        /// The request is there.
        is_asked: bool,
    },
    /// Asks, and listens.
    Asking {
        /// The request was said.
        has_asked: bool,
    },
    /// Steady.
    Exchange,
}

/// The model.
#[derive(Debug)]
pub struct Receiver {
    part: Part,
    buffer: Vec<u8>,
    /// Since when the buffer holds a part of a message.
    partial_since: Option<Instant>,
    last_id: Option<u32>,
    has_spoken: bool,
    said_capability: bool,
    said_connect: bool,
    heard_capability: bool,
    heard_connect: bool,
    stage: Stage,
    /// Stages gone through before EXCHANGE.
    stages: u8,
    /// How far the answer of our daemon is: the rank of what was heard last.
    answer: Option<u8>,
    answers: u32,
    heartbeat: Option<Instant>,
    heartbeats: u32,
    /// Ports that our daemon announced.
    ports: BTreeMap<u16, String>,
    /// Those of them whose state was told.
    states: BTreeMap<u16, bool>,
    /// Ports said to be up in EXCHANGE, and how many of those were not acknowledged.
    ups: BTreeMap<u16, u32>,
    /// Ports whose last word in EXCHANGE was "up", without an acknowledgement since.
    owed: BTreeSet<u16>,
    saying_answer: bool,
    entries: Vec<Entry>,
    complaints: Vec<String>,
}

impl Receiver {
    /// At the start of a connection.
    #[must_use]
    pub fn new(part: Part) -> Self {
        Self {
            part,
            buffer: Vec::new(),
            partial_since: None,
            last_id: None,
            has_spoken: false,
            said_capability: false,
            said_connect: false,
            heard_capability: false,
            heard_connect: false,
            stage: Stage::Init,
            stages: 0,
            answer: None,
            answers: 0,
            heartbeat: None,
            heartbeats: 0,
            ports: BTreeMap::new(),
            states: BTreeMap::new(),
            ups: BTreeMap::new(),
            owed: BTreeSet::new(),
            saying_answer: false,
            entries: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// The state it is in.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// What it did not get along with, in words that name the section.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Addresses that it was told of, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// States of the ports that it was told of.
    #[must_use]
    pub const fn states(&self) -> &BTreeMap<u16, bool> {
        &self.states
    }

    /// Whether the daemon would say this now; otherwise it waits for something that has to be heard first.
    #[must_use]
    pub fn may_say(&self, message: &[u8]) -> bool {
        let Ok(raw) = raw::parse(message, self.part.dialect) else {
            return true;
        };
        match (raw.kind, raw.tlv) {
            (kind::CAPABILITY, _) => true,
            (kind::CONNECT, _) => self.heard_capability,
            (kind::APPLICATION, tlv::HEARTBEAT) => self.is_operational(),
            (kind::APPLICATION, tlv::SYNC_REQUEST) => matches!(self.stage, Stage::Asking { .. }),
            (kind::APPLICATION, tlv::SYNC_DATA) => {
                self.stage == Stage::Answering { is_asked: true }
            }
            (kind::APPLICATION, _) => self.saying_answer || self.stage == Stage::Exchange,
            _ => self.heard_connect,
        }
    }

    /// This was said in the daemon's name.
    pub fn says(&mut self, message: &[u8]) {
        self.has_spoken = true;
        let Ok(raw) = raw::parse(message, self.part.dialect) else {
            return;
        };
        match raw.kind {
            kind::CAPABILITY => self.said_capability = true,
            kind::CONNECT => {
                self.said_connect = true;
                self.become_operational();
            }
            kind::APPLICATION => match values::read(&raw, self.part.dialect) {
                Ok(Said::SyncRequest(_)) => self.stage = Stage::Asking { has_asked: true },
                Ok(Said::SyncData { is_end, .. }) => {
                    self.saying_answer = !is_end;
                    if is_end {
                        self.next_stage();
                    }
                }
                Ok(Said::State { id, is_up }) if !self.saying_answer => self.said_state(id, is_up),
                _ => {}
            },
            _ => {}
        }
    }

    /// These bytes were heard.
    pub fn hears(&mut self, bytes: &[u8], now: Instant) {
        if self.part.speaks_first && !self.has_spoken && !bytes.is_empty() {
            self.complain("something is heard before the first word (14)");
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            match raw::size(&self.buffer, self.part.dialect) {
                Ok(Some(size)) if size <= self.buffer.len() => {
                    let message: Vec<u8> = self.buffer.drain(..size).collect();
                    self.partial_since = None;
                    match raw::parse(&message, self.part.dialect) {
                        Ok(raw) => self.message(&raw, now),
                        Err(why) => self.complain(format!("{why}: {message:02x?}")),
                    }
                }
                Ok(_) => break,
                Err(why) => {
                    let buffer = std::mem::take(&mut self.buffer);
                    self.complain(format!("{why}: {buffer:02x?}"));
                    break;
                }
            }
        }
        if !self.buffer.is_empty() {
            self.partial_since.get_or_insert(now);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) {
        if self
            .partial_since
            .is_some_and(|since| now - since > PARTIAL)
        {
            self.partial_since = None;
            self.complain("the rest of a message does not come (1.3)");
        }
        if let Some(heard) = self.heartbeat
            && now - heard > SILENCE
        {
            self.heartbeat = Some(now);
            self.complain(format!("no heartbeat for {SILENCE:?} (9.1)"));
        }
    }

    /// What it still waits for.
    #[must_use]
    pub fn waits_for(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut unless = |fulfilled: bool, what: &str| {
            if !fulfilled {
                all.push(what.to_owned());
            }
        };
        unless(self.heard_capability, "Capability (5)");
        unless(
            self.heard_connect || !self.said_capability,
            "RG Connect (5)",
        );
        unless(
            self.heartbeats > 0 || !self.is_operational(),
            "the first Heartbeat (7)",
        );
        let is_answered = match self.stage {
            Stage::Asking { has_asked } => !has_asked,
            _ => true,
        };
        unless(is_answered, "the end of an answer (7)");
        unless(self.answer.is_none(), "the rest of an answer (7)");
        for id in &self.owed {
            all.push(format!("Interface Up Ack of {id} (4.3)"));
        }
        all
    }

    fn complain(&mut self, what: impl Into<String>) {
        self.complaints.push(what.into());
    }

    const fn is_operational(&self) -> bool {
        self.said_connect && self.heard_connect
    }

    fn become_operational(&mut self) {
        if self.is_operational() && self.stage == Stage::Init {
            self.next_stage();
        }
    }

    /// STAGE1: the standby asks; STAGE2: the active asks (6).
    fn next_stage(&mut self) {
        self.stages = self.stages.saturating_add(1);
        self.stage = match (self.stages, self.part.is_active) {
            (1, true) | (2, false) => Stage::Answering { is_asked: false },
            (1, false) | (2, true) => Stage::Asking { has_asked: false },
            _ => Stage::Exchange,
        };
    }

    fn said_state(&mut self, id: u16, is_up: bool) {
        if self.part.dialect == Dialect::LinuxMclag {
            return;
        }
        if is_up {
            *self.ups.entry(id).or_default() += 1;
            self.owed.insert(id);
        } else {
            self.owed.remove(&id);
        }
    }

    fn message(&mut self, raw: &Raw, now: Instant) {
        // 2.2: a counter that skips numbers and never goes back.
        if self.last_id.is_some_and(|last| raw.id <= last) || raw.id == 0 {
            self.complain(format!(
                "message id {} behind {:?} (2.2)",
                raw.id, self.last_id
            ));
        }
        self.last_id = Some(raw.id);
        if raw.kind != kind::CAPABILITY {
            if !self.heard_capability {
                self.complain("the first message is no Capability (5)");
            }
            if raw.rg != Some(self.part.rg) {
                self.complain(format!("redundancy group {:?} (8)", raw.rg));
            }
        }
        match raw.kind {
            kind::CAPABILITY => self.capability(raw),
            kind::CONNECT => self.connect(raw),
            kind::APPLICATION => self.application(raw, now),
            kind::NOTIFICATION => self.notification(raw),
            kind::DISCONNECT => self.complain("RG Disconnect: no legacy daemon sends one (3.3)"),
            other => self.complain(format!("message type 0x{other:04x} (2.1)")),
        }
    }

    fn capability(&mut self, raw: &Raw) {
        let advertise: &[u8] = match self.part.dialect {
            Dialect::Sonic => &[0x80, 0, 1, 0],
            Dialect::LinuxMclag => &[1, 0, 1, 0],
        };
        if raw.tlv != tlv::CAPABILITY || !raw.unknown || raw.value != advertise {
            self.complain(format!("Capability is {raw:02x?} (3.1)"));
        }
        if std::mem::replace(&mut self.heard_capability, true) {
            self.complain("a second Capability (5)");
        }
    }

    /// Only the one kind that the connection's own states have: of another group, which is repeated where an id
    /// should be (5, 8).
    fn notification(&mut self, raw: &Raw) {
        let numbers = raw::Numbers(self.part.dialect);
        let fields = (numbers.u32(&raw.value, 0), numbers.u32(&raw.value, 4));
        let is_mismatch = self.part.rg != self.part.own_rg && self.said_connect;
        if !is_mismatch || raw.value.len() != 8 || fields != (0x0001_0001, self.part.own_rg) {
            self.complain(format!(
                "a NAK: makes it schedule a Sync Request (7.3): {raw:02x?}"
            ));
        }
    }

    fn connect(&mut self, raw: &Raw) {
        if !self.said_capability {
            self.complain("RG Connect before it has heard a Capability (5)");
        }
        let is_sender = raw.value == self.part.other.to_string().as_bytes();
        if raw.tlv != tlv::SENDER_NAME || raw.unknown || !is_sender {
            self.complain(format!("RG Connect is {raw:02x?} (3.2)"));
        }
        if std::mem::replace(&mut self.heard_connect, true) {
            self.complain("a second RG Connect (5)");
        }
        self.become_operational();
    }

    fn application(&mut self, raw: &Raw, now: Instant) {
        if !self.is_operational() {
            self.complain(format!("TLV 0x{:04x} before it is connected (5)", raw.tlv));
        }
        let said = match values::read(raw, self.part.dialect) {
            Ok(said) => said,
            Err(why) => return self.complain(why),
        };
        if raw.tlv == tlv::HEARTBEAT {
            self.heartbeat = Some(now);
            self.heartbeats += 1;
            return;
        }
        if raw.tlv >= tlv::FIRST_PRIVATE && raw.unknown {
            return; // on a queue that nobody reads (8.1)
        }
        self.in_stage(raw.tlv, &said);
        self.in_answer(raw.tlv, &said);
        match said {
            Said::Config { id, name, is_purge } => self.config(id, name, is_purge),
            Said::State { id, is_up } => {
                if !self.ports.contains_key(&id) {
                    self.complain(format!("state of port {id}, which it does not know (4.3)"));
                }
                self.states.insert(id, is_up);
            }
            Said::PortInfo(id) if !self.ports.contains_key(&id) => {
                self.complain(format!("VLANs of port {id}, which it does not know (4.7)"));
            }
            Said::Macs(entries) => self.entries.extend(entries),
            Said::Ack(id) => self.ack(id),
            _ => {}
        }
    }

    /// What may be heard in which stage (6, 7).
    fn in_stage(&mut self, tlv: u16, said: &Said) {
        match (self.stage, said) {
            (Stage::Answering { is_asked: false }, Said::SyncRequest(number)) => {
                if *number != 0 {
                    self.complain(format!("request number {number} (7.1)"));
                }
                self.stage = Stage::Answering { is_asked: true };
            }
            (Stage::Answering { is_asked: true }, Said::SyncRequest(_)) => {
                self.complain("a second Sync Request in one stage (6)");
            }
            (Stage::Answering { .. }, _) => self.complain(format!(
                "TLV 0x{tlv:04x} while it answers: it throws that away (6)"
            )),
            (Stage::Exchange, Said::SyncRequest(_)) => {
                self.complain("Sync Request in EXCHANGE: it enters ERROR for good (7.3)");
            }
            (Stage::Asking { .. }, Said::SyncRequest(_)) => {
                self.complain("Sync Request while it asks itself (6)");
            }
            (Stage::Asking { has_asked: false }, _) => self.complain(format!(
                "TLV 0x{tlv:04x} before it has asked: it may throw that away (6)"
            )),
            (Stage::Asking { has_asked: true }, Said::SyncData { number: 0, .. })
            | (Stage::Exchange | Stage::Init, _) => {}
            (Stage::Asking { .. }, Said::SyncData { number, .. }) => {
                self.complain(format!("Sync Data for request {number} (7.1)"));
            }
            (Stage::Asking { .. }, _) if self.answer.is_none() => {
                self.complain(format!(
                    "TLV 0x{tlv:04x} before the answer it waits for (7)"
                ));
            }
            (Stage::Asking { .. }, _) => {}
        }
    }

    /// The order of an answer (7).
    fn in_answer(&mut self, tlv: u16, said: &Said) {
        if let Said::SyncData { is_end, .. } = said {
            let is_expected = matches!(self.stage, Stage::Asking { has_asked: true });
            match (self.answer, is_end) {
                _ if !is_expected => self.complain("Sync Data that nobody asked for (7)"),
                (None, false) => {
                    self.answer = Some(0);
                    self.ports.clear();
                    self.states.clear();
                }
                (Some(rank), true) => {
                    if rank == 0 {
                        self.complain("an answer without System Config (7.2)");
                    }
                    let told = |id: &u16| self.states.contains_key(id);
                    if !self.ports.keys().all(told) {
                        self.complain("an answer without the state of a port (7.2)");
                    }
                    self.answer = None;
                    self.answers += 1;
                    self.next_stage();
                }
                (_, is_end) => self.complain(format!("Sync Data, end {is_end}, out of turn (7)")),
            }
            return;
        }
        let Some(before) = self.answer else {
            return;
        };
        let rank = match tlv {
            tlv::SYSTEM_CONFIG => 1,
            tlv::AGGREGATOR_CONFIG | tlv::AGGREGATOR_STATE | tlv::PORT_CHANNEL_INFO => 2,
            tlv::PEER_LINK_INFO => 3,
            tlv::ARP_INFO => 4,
            tlv::NDISC_INFO => 5,
            _ => return self.complain(format!("TLV 0x{tlv:04x} within an answer (7)")),
        };
        let is_repeated = rank == before && matches!(rank, 1 | 3);
        if rank < before || is_repeated || (before == 0 && rank != 1) {
            self.complain(format!("TLV 0x{tlv:04x} out of the order of an answer (7)"));
        }
        self.answer = Some(rank);
    }

    fn config(&mut self, id: u16, name: String, is_purge: bool) {
        if is_purge {
            if self.ports.remove(&id).as_ref() != Some(&name) {
                self.complain(format!(
                    "purge of {name}, which it does not know: it schedules a Sync Request (7.3)"
                ));
            }
            self.states.remove(&id);
            return;
        }
        if self
            .ports
            .iter()
            .any(|(other, known)| *known == name && *other != id)
        {
            self.complain(format!("{name} has two ids (4.14)"));
        }
        self.ports.insert(id, name);
    }

    fn ack(&mut self, id: u16) {
        match self.ups.get_mut(&id) {
            Some(count @ 1..) => *count -= 1,
            _ => self.complain(format!("ack of port {id} that nobody waits for (4.3)")),
        }
        self.owed.remove(&id);
    }
}
