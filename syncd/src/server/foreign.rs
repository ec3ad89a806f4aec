//! A foreign `mclagsyncd` that does a part of the work (`docs/adr/0016-foreign-mclagsyncd.md`): what
//! is asked of both is answered when both have done it, and what is published to the client comes from there.
//!
//! It cannot be read back. What is wanted of it is kept, and sent when it comes back from an outage, which
//! neither ends the connection of the client nor undoes anything. A client is let in once the server was
//! there for the first time, for until then nobody knows what it can do.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mclag_proto::sync::model::{
    Abilities, Event, FdbKey, FdbKind, Observation, Op, OpError, OpErrorCode, PortWant, Section,
    Traffic,
};
use mclag_proto::sync::v1::Dialect;
use mclag_proto::sync::v2::{Capabilities, ServerMessage};
use tokio::time::Instant;

use super::Server;
use super::admission::{Candidate, refuse};
use super::connection::{Connection, Lost};
use crate::backend::Backend;
use crate::backend::composition::{Share, together};
use crate::backend::mclagsyncd::{CARRIES_OUT, Client, ServerEvent, UNASKED, WINDOW};
use crate::dataplane::{Actual, EntryKind};
use crate::reconcile::{Ledger, Owed};

/// How long after its socket took an isolation list the server may take to put it into force. The
/// other chassis opens its own port at our word, and must not be faster.
const TAKES_EFFECT: Duration = Duration::from_millis(50);

/// The foreign server.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) client: Client,
    /// What it can do and what it is called; none until it was there once.
    known: Option<(Abilities, String)>,
    is_up: bool,
    /// Its table is that of our own kernel, which says of it what the server cannot be trusted with.
    pub(super) is_of_our_kernel: bool,
    /// What is wanted of it, to be sent again when it comes back.
    ledger: Ledger,
    /// Entries that it has yet to be sent since it came back.
    owed: Owed,
    /// Addresses that our own kernel sees where the server may just have been told to forward them, and when that is
    /// looked at again.
    doubtful: BTreeMap<FdbKey, Instant>,
    /// How much of what nobody asked for has not left.
    unasked_under_way: usize,
    /// Batches of the client that are not answered, oldest first.
    open: VecDeque<Open>,
    /// The number that the server's messages for a batch have, from 1: clients count their batches
    /// each for itself.
    last_serial: u64,
}

/// A batch that is not answered.
#[derive(Debug)]
struct Open {
    number: u64,
    serial: u64,
    results: Vec<Result<(), OpError>>,
    /// Operations that were passed on to the server, in that order.
    forwarded: Vec<Forwarded>,
    /// When what was passed on to the server is in force; none while not all of it was sent.
    in_force_at: Option<Instant>,
}

/// An operation of a batch that the server has a share in.
#[derive(Clone, Copy, Debug)]
struct Forwarded {
    /// Its place in the batch.
    index: usize,
    /// What it is answered if the server goes away meanwhile.
    if_away: Option<OpErrorCode>,
}

impl Foreign {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: None,
            is_up: false,
            is_of_our_kernel: false,
            ledger: Ledger::default(),
            owed: Owed::default(),
            doubtful: BTreeMap::new(),
            unasked_under_way: 0,
            open: VecDeque::new(),
            last_serial: UNASKED,
        }
    }

    /// When the next batch can be answered, or something be looked at again, although nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let answer = self.open.front().and_then(|open| open.in_force_at);
        let doubtful = self.doubtful.values().copied();
        answer.into_iter().chain(doubtful).min()
    }

    /// The client is gone: nobody waits for answers any more, and no snapshot will end.
    pub(super) fn client_gone(&mut self, actual: &Actual) {
        self.open.clear();
        self.client.forget_batches();
        self.ledger.client_gone();
        if self.is_up && self.owed.is_left_to_client() {
            self.send_first(Vec::new(), actual);
        }
    }

    /// Send a batch to the server, or have it owed. `results` are those of the backend beside it.
    fn take(
        &mut self,
        number: u64,
        ops: &[Op],
        mut results: Vec<Result<(), OpError>>,
        actual: &Actual,
        now: Instant,
    ) {
        let mut ops_of_server = Vec::with_capacity(ops.len());
        let mut forwarded = Vec::with_capacity(ops.len());
        for (index, op) in ops.iter().enumerate() {
            match self.ledger.accept(op) {
                Ok(()) if self.comes_later(op) => {}
                Ok(()) => {
                    let if_away = answer_if_away(op);
                    forwarded.push(Forwarded { index, if_away });
                    ops_of_server.push(op.clone());
                }
                Err(error) => fail(&mut results, index, error),
            }
        }
        self.last_serial += 1;
        let serial = self.last_serial;
        let mut open = Open {
            number,
            serial,
            results,
            forwarded,
            in_force_at: None,
        };
        if self.is_up {
            self.compare(&ops_of_server, actual);
            self.client.send(serial, &ops_of_server);
        } else {
            open.server_is_away(now);
        }
        self.open.push_back(open);
    }

    fn came_up(&mut self, abilities: Abilities, name: String, actual: &Actual) {
        self.known = Some((abilities, name));
        self.is_up = true;
        // Bounded by what a client may want of them.
        self.send_first(self.ledger.replay(), actual);
    }

    /// Send `ops` and the first of the entries. The rest follows while nothing is more urgent.
    fn send_first(&mut self, mut ops: Vec<Op>, actual: &Actual) {
        self.owed = self.ledger.owed();
        ops.extend(self.ledger.share(&mut self.owed));
        self.compare(&ops, actual);
        self.send_unasked(&ops);
    }

    /// Send the next of the entries that are owed, when those before have left: what the client asks for
    /// stands behind one share at most.
    fn send_more(&mut self, actual: &Actual) {
        if self.is_up && self.unasked_under_way == 0 && self.owed.has_more() {
            let ops = self.ledger.share(&mut self.owed);
            self.compare(&ops, actual);
            self.send_unasked(&ops);
        }
    }

    fn send_unasked(&mut self, ops: &[Op]) {
        self.unasked_under_way += 1;
        self.client.send(UNASKED, ops);
    }

    /// Entries that are owed and a snapshot of the client are one. True of its end if they have to be
    /// sent before.
    fn comes_later(&mut self, op: &Op) -> bool {
        match op {
            Op::SnapshotBegin(Section::Fdb) => self.owed.client_begins(),
            Op::SnapshotEnd(Section::Fdb) => return self.owed.client_ends(),
            _ => {}
        }
        false
    }

    /// What it was sent last may not have arrived.
    fn went_down(&mut self, now: Instant) {
        self.is_up = false;
        self.owed = Owed::default();
        self.unasked_under_way = 0;
        for open in &mut self.open {
            open.server_is_away(now);
        }
    }

    /// What has to be sent to a client from the beginning.
    fn begin(&self, connection: &mut Connection, kernel_is_listing: bool) {
        connection.outbox.set_listing(match self.is_of_our_kernel {
            true => kernel_is_listing,
            false => !self.client.is_settled(),
        });
        if let Some(settings) = self.client.settings() {
            connection.push_settings(settings.cloned());
        }
    }

    /// What it sees, as far as it reported.
    pub(super) fn table(&self, knows_members: bool) -> impl Iterator<Item = Event> {
        let observations = self.client.observations();
        let observations = observations.map(|(key, observation)| Event::Fdb { key, observation });
        let members = self.client.vlan_members().filter(move |_| knows_members);
        let member = true;
        members
            .map(move |(port, vid)| Event::VlanMember { port, vid, member })
            .chain(observations)
    }

    /// What our own kernel sees is what the server was sent: no host is seen by that.
    pub(super) fn is_own_work(&self, key: &FdbKey, observation: &Observation) -> bool {
        let port = observation.port();
        port.is_some_and(|port| self.client.is_programmed(key, &port))
    }

    /// Whether what our own kernel sees may be that the server carries out what it was sent before it was sent otherwise.
    /// A host may be there as well: that is looked at again.
    pub(super) fn may_be_own_work(&mut self, key: &FdbKey, observation: &Observation) -> bool {
        let may_be = self.is_on_its_way(key, observation);
        if may_be {
            self.doubtful.insert(*key, Instant::now() + CARRIES_OUT);
        } else {
            self.doubtful.remove(key);
        }
        may_be
    }

    fn is_on_its_way(&self, key: &FdbKey, observation: &Observation) -> bool {
        let port = observation.port();
        port.is_some_and(|port| self.client.may_yet_program(key, &port))
    }

    /// Whether what our own kernel sees is a host, as far as is known. What only may be one is added to `doubtful`.
    pub(super) fn is_host(
        &self,
        (key, observation): &(FdbKey, Observation),
        doubtful: &RefCell<Vec<FdbKey>>,
    ) -> bool {
        if self.is_own_work(key, observation) {
            return false;
        }
        let is_on_its_way = self.is_on_its_way(key, observation);
        if is_on_its_way {
            doubtful.borrow_mut().push(*key);
        }
        !is_on_its_way
    }

    /// What these are was not told: they are looked at again when the server is surely done.
    pub(super) fn look_again_at(&mut self, keys: Vec<FdbKey>) {
        let at = Instant::now() + CARRIES_OUT;
        self.doubtful.extend(keys.into_iter().map(|key| (key, at)));
    }

    fn no_longer_doubtful(&mut self) -> Vec<FdbKey> {
        let now = Instant::now();
        let due = |_: &FdbKey, at: &mut Instant| *at <= now;
        let due = self.doubtful.extract_if(.., due);
        due.map(|(key, _)| key).collect()
    }

    /// Of what is to be sent, our own kernel has this.
    fn compare(&mut self, ops: &[Op], actual: &Actual) {
        if !self.is_of_our_kernel {
            return;
        }
        for op in ops {
            let Op::Fdb { key, want } = op else {
                continue;
            };
            let entry = actual.fdb.get(key);
            let is_there = entry.is_some_and(|entry| {
                let is_so = matches!(
                    (entry.kind, want.kind),
                    (EntryKind::Configured, FdbKind::Static)
                        | (EntryKind::Dynamic, FdbKind::Tracked | FdbKind::Ageing)
                );
                is_so && entry.port == want.port
            });
            if is_there {
                self.client.is_there(*key);
            }
        }
    }

    /// The messages of a batch have left.
    fn sent(&mut self, serial: u64, failures: Vec<(u32, OpError)>, isolates: bool, now: Instant) {
        if serial == UNASKED {
            self.unasked_under_way = self.unasked_under_way.saturating_sub(1);
            return;
        }
        let Some(open) = self.open.iter_mut().find(|open| open.serial == serial) else {
            return;
        };
        for (place, error) in failures {
            let place = usize::try_from(place).ok();
            let forwarded = place.and_then(|place| open.forwarded.get(place));
            if let Some(Forwarded { index, .. }) = forwarded.copied() {
                fail(&mut open.results, index, error);
            }
        }
        let wait = if isolates {
            TAKES_EFFECT
        } else {
            Duration::ZERO
        };
        open.in_force_at = Some(now + wait);
    }

    fn answered(&mut self, now: Instant) -> Option<ServerMessage> {
        let Open {
            number, results, ..
        } = self
            .open
            .pop_front_if(|open| open.in_force_at.is_some_and(|at| at <= now))?;
        Some(ServerMessage::BatchResult { number, results })
    }
}

impl Open {
    /// The server does not do its share now.
    fn server_is_away(&mut self, now: Instant) {
        for Forwarded { index, if_away } in std::mem::take(&mut self.forwarded) {
            if let Some(code) = if_away {
                let text = "waiting for the mclagsyncd server".to_owned();
                fail(&mut self.results, index, OpError { code, text });
            }
        }
        self.in_force_at = Some(now);
    }
}

/// The first failure of an operation is its answer.
fn fail(results: &mut [Result<(), OpError>], index: usize, error: OpError) {
    if let Some(result @ Ok(())) = results.get_mut(index) {
        *result = Err(error);
    }
}

/// What an operation is answered that is owed to the server. A port counts as refused, for the other chassis
/// hears whether its isolation is in force; the client asks for it again. The rest is done when the
/// server is back, without being asked again.
const fn answer_if_away(op: &Op) -> Option<OpErrorCode> {
    match op {
        Op::Port { .. } => Some(OpErrorCode::Refused),
        Op::Domain(_)
        | Op::PortRelease { .. }
        | Op::Fdb { .. }
        | Op::FdbRelease { .. }
        | Op::Pair(_)
        | Op::RemotePort { .. }
        | Op::RemotePortRelease { .. }
        | Op::Members { .. }
        | Op::Interface { .. }
        | Op::InterfaceRelease { .. }
        | Op::Learning { .. }
        | Op::NodeMac(_) => Some(OpErrorCode::Waiting),
        // Not the server's, or nothing that could be done later.
        Op::SnapshotBegin(_)
        | Op::SnapshotEnd(_)
        | Op::Neighbour { .. }
        | Op::NeighbourRelease { .. }
        | Op::Flush { .. } => None,
    }
}

/// What the server may do of an operation that the backend beside it could not do: it lets no traffic
/// through a port that could not be protected. An interface that is not there lets nothing through.
fn protected(op: &Op, result: &Result<(), OpError>) -> Op {
    match (op, result) {
        (Op::Port { port, want }, Err(error)) if error.code != OpErrorCode::Waiting => Op::Port {
            port: *port,
            want: PortWant {
                traffic: match want.traffic {
                    Traffic::Pass => Traffic::Keep,
                    other => other,
                },
                ..*want
            },
        },
        _ => op.clone(),
    }
}

impl<B: Backend> Server<B> {
    /// Have this server do its share of the work, too.
    #[must_use]
    pub fn with_mclagsyncd(mut self, client: Client) -> Self {
        self.foreign = Some(Foreign::new(client));
        self
    }

    /// What the dataplane can do and what it is called; none while a part of it was never there.
    pub(super) fn dataplane(&self) -> Option<(Abilities, String)> {
        let (own, name) = (self.backend.abilities(), self.backend.name());
        match &self.foreign {
            None => Some((own, name.to_owned())),
            Some(foreign) => {
                let (abilities, keeper) = foreign.known.as_ref()?;
                Some((together(*abilities, own), format!("{keeper} + {name}")))
            }
        }
    }

    /// How many batches may be unanswered.
    pub(super) const fn window(&self) -> u32 {
        match self.foreign {
            None => super::WINDOW,
            Some(_) => WINDOW,
        }
    }

    /// Optional parts of the protocol.
    pub(super) const fn capabilities(&self) -> Capabilities {
        match self.foreign {
            None => Capabilities::NAMES,
            Some(_) => Capabilities::NAMES.union(Capabilities::SETTINGS),
        }
    }

    /// Take in what happened at the server, and what happened together with it.
    pub(super) fn hear_foreign(&mut self, happened: ServerEvent) {
        let mut next = Some(happened);
        while let Some(happened) = next {
            self.take_foreign(happened);
            next = self.foreign.as_mut().and_then(|f| f.client.ready());
        }
        if let Some(foreign) = &mut self.foreign {
            foreign.send_more(self.reconciler.actual());
        }
    }

    fn take_foreign(&mut self, happened: ServerEvent) {
        let Some(foreign) = &mut self.foreign else {
            return;
        };
        let table = foreign.client.table_len();
        let mut outbox = self.client.as_mut().map(|client| &mut client.outbox);
        match happened {
            ServerEvent::Up { abilities, name } => {
                let now = (abilities, name);
                let is_another = foreign.known.as_ref().is_some_and(|known| *known != now);
                let dialect = foreign.client.abilities().map(|(_, dialect)| dialect);
                // It carries out what it is sent by programs that change the kernel's bridge.
                foreign.is_of_our_kernel = dialect.is_some_and(Dialect::is_polled)
                    && foreign.client.is_on_this_host()
                    && self.backend.is_of_kernel();
                foreign.client.ask(!foreign.is_of_our_kernel);
                foreign.came_up(now.0, now.1, self.reconciler.actual());
                if is_another {
                    self.drop_client(&Lost::OtherServer);
                }
                self.greet_waiting();
            }
            ServerEvent::Down => foreign.went_down(Instant::now()),
            ServerEvent::Done {
                batch,
                failures,
                isolates,
            } => foreign.sent(batch, failures, isolates, Instant::now()),
            ServerEvent::Event(_) if foreign.is_of_our_kernel => {}
            ServerEvent::Event(Event::SnapshotBegin) => {
                if let Some(outbox) = &mut outbox {
                    outbox.set_listing(true);
                    outbox.resync();
                }
            }
            ServerEvent::Event(Event::SnapshotEnd) => {
                if let Some(outbox) = &mut outbox {
                    outbox.set_listing(false);
                }
            }
            ServerEvent::Event(event) => {
                if let Some(client) = &mut self.client {
                    client.push(event, table);
                }
            }
            ServerEvent::Settings(settings) => {
                if let Some(client) = &mut self.client {
                    client.push_settings(settings.map(|settings| *settings));
                }
            }
        }
    }

    /// A client that came before the server did is served now.
    fn greet_waiting(&mut self) {
        if let Some(Candidate {
            connection,
            by,
            hello,
        }) = self.candidate.take()
        {
            match hello {
                Some(hello) => self.let_in(connection, &hello),
                None => {
                    self.candidate = Some(Candidate {
                        connection,
                        by,
                        hello,
                    });
                }
            }
        }
    }

    /// The client has waited long enough for the server.
    pub(super) fn give_up_candidate(&mut self) {
        if let Some(Candidate {
            connection, hello, ..
        }) = self.candidate.take()
        {
            let lost = match hello {
                Some(_) => {
                    if self.client.is_none() {
                        self.put_off_restoring();
                    }
                    Lost::Absent
                }
                None => Lost::Unexpected("no hello in time".to_owned()),
            };
            refuse(connection, &lost);
        }
    }

    /// Where the server has surely done what it was sent, it is a host that our own kernel sees.
    pub(super) fn look_at_doubtful(&mut self) {
        let Some(foreign) = &mut self.foreign else {
            return;
        };
        for key in foreign.no_longer_doubtful() {
            if let Some(observation) = self.reconciler.observation(&key) {
                self.publish(&Event::Fdb { key, observation });
            }
        }
    }

    /// Send a new client what it has to begin with.
    pub(super) fn begin_events(&self, connection: &mut Connection) {
        match &self.foreign {
            Some(foreign) => foreign.begin(connection, self.reconciler.is_listing()),
            None => connection.outbox.set_listing(self.reconciler.is_listing()),
        }
    }

    /// Have the backend do its share of a batch, and then pass it on to the server: what the server lets
    /// through, the backend keeps from where it must not go before. The answer follows.
    pub(super) async fn share_batch(&mut self, number: u64, ops: &[Op]) -> Result<(), Lost> {
        let unanswered = self.foreign.as_ref().map_or(0, |f| f.open.len());
        if unanswered >= usize::try_from(WINDOW).unwrap_or(usize::MAX) {
            return Err(Lost::Unexpected(format!(
                "batch {number} although {WINDOW} are not answered"
            )));
        }
        let results = self.carry_out_share(ops).await;
        let ops: Vec<Op> = ops
            .iter()
            .zip(&results)
            .map(|(op, result)| protected(op, result))
            .collect();
        if let Some(foreign) = &mut self.foreign {
            foreign.take(
                number,
                &ops,
                results,
                self.reconciler.actual(),
                Instant::now(),
            );
            foreign.client.flush_now().await;
        }
        Ok(())
    }

    async fn carry_out_share(&mut self, ops: &[Op]) -> Vec<Result<(), OpError>> {
        let share = Share::of(self.backend.abilities());
        let (indices, own): (Vec<usize>, Vec<Op>) = ops
            .iter()
            .enumerate()
            .filter_map(|(index, op)| Some((index, share.of_op(op)?)))
            .unzip();
        let mut results = vec![Ok(()); ops.len()];
        if !own.is_empty() {
            self.reconciler.accept(&own);
            for (index, result) in indices.into_iter().zip(self.settle().await) {
                if let Some(place) = results.get_mut(index) {
                    *place = result;
                }
            }
        }
        results
    }

    /// Answer the batches that all have done.
    pub(super) fn answer_shared(&mut self) -> Result<(), Lost> {
        let Some(foreign) = &mut self.foreign else {
            return Ok(());
        };
        let now = Instant::now();
        while let Some(answer) = foreign.answered(now) {
            if let Some(client) = &mut self.client {
                client.send(&answer)?;
            }
        }
        Ok(())
    }

    /// Nothing is wanted any more: the server takes back what it was sent.
    pub(super) async fn release_foreign(&mut self) {
        let Some(foreign) = &mut self.foreign else {
            return;
        };
        let sections = [
            Section::Ports,
            Section::Interfaces,
            Section::Fdb,
            Section::Pair,
        ];
        let ops: Vec<Op> = sections
            .into_iter()
            .flat_map(|section| [Op::SnapshotBegin(section), Op::SnapshotEnd(section)])
            .collect();
        for op in &ops {
            // None of them can be refused.
            let _ = foreign.ledger.accept(op);
        }
        foreign.owed = Owed::default();
        if foreign.is_up {
            foreign.send_unasked(&ops);
            foreign.client.flush_now().await;
        }
    }
}

/// What happens next at the server; nothing without one.
pub(super) async fn next_of(foreign: Option<&mut Foreign>) -> ServerEvent {
    match foreign {
        Some(foreign) => foreign.client.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> OpError {
        OpError::refused("no")
    }

    fn answered(foreign: &mut Foreign, now: Instant) -> Vec<(u64, Vec<bool>)> {
        let mut all = Vec::new();
        while let Some(answer) = foreign.answered(now) {
            match answer {
                ServerMessage::BatchResult { number, results } => {
                    all.push((number, results.iter().map(Result::is_ok).collect()));
                }
                other => panic!("{other:?}"),
            }
        }
        all
    }

    /// The other chassis may be faster than the server: it is informed 50 ms later.
    #[tokio::test]
    async fn isolation_counts_when_the_server_had_time_for_it_and_answers_keep_their_order() {
        let now = Instant::now();
        let mut foreign = Foreign::new(Client::new(Vec::new()));
        foreign.is_up = true;
        let ops = vec![Op::SnapshotBegin(Section::Ports); 2];
        for number in 1..=3 {
            foreign.take(number, &ops, vec![Ok(()); 2], &Actual::default(), now);
        }
        assert_eq!(foreign.deadline(), None);
        foreign.sent(2, Vec::new(), false, now);
        assert_eq!(answered(&mut foreign, now), []);
        foreign.sent(1, vec![(1, refused())], true, now);
        assert_eq!(foreign.deadline(), Some(now + TAKES_EFFECT));
        let before = now + TAKES_EFFECT - Duration::from_millis(1);
        assert_eq!(answered(&mut foreign, before), []);
        let both = [(1, vec![true, false]), (2, vec![true, true])];
        assert_eq!(answered(&mut foreign, now + TAKES_EFFECT), both);
        foreign.sent(2, Vec::new(), false, now);
        assert_eq!(answered(&mut foreign, now + TAKES_EFFECT), []);
    }

    /// Whether the server took what was sent to it last nobody knows.
    #[tokio::test]
    async fn what_was_not_answered_when_the_server_went_away_is_owed() {
        let now = Instant::now();
        let mut foreign = Foreign::new(Client::new(Vec::new()));
        foreign.is_up = true;
        let port = Op::Port {
            port: mclag_proto::IfName::new("bond1").unwrap(),
            want: PortWant {
                isolation: mclag_proto::sync::model::Isolation::On,
                traffic: Traffic::Pass,
                redirect: false,
                system_mac: None,
            },
        };
        let ops = [Op::SnapshotBegin(Section::Ports), port.clone()];
        foreign.take(1, &ops, vec![Ok(()); 2], &Actual::default(), now);
        foreign.sent(1, Vec::new(), true, now);
        foreign.went_down(now);
        assert_eq!(answered(&mut foreign, now), [(1, vec![true, false])]);
        assert_eq!(foreign.ledger.replay(), [ops[0].clone(), port]);
    }

    /// The other chassis' frames come out of a port until it is isolated. Here the server reads nothing
    /// before all was sent.
    #[tokio::test]
    async fn a_port_does_not_wait_for_the_table_that_is_owed() {
        use crate::backend::mclagsyncd::Place;
        use mclag_proto::sync::frame::Decoder;
        use mclag_proto::sync::model::{DomainWant, FdbKey, FdbKind, FdbWant, Isolation};
        use mclag_proto::sync::v1::{ClientMessage, Dialect};
        use mclag_proto::{IfName, Mac, Vid};
        use tokio::io::AsyncReadExt as _;
        const ENTRIES: u16 = 2000;
        let name = |text| IfName::new(text).unwrap();
        let port = |text| Op::Port {
            port: name(text),
            want: PortWant {
                isolation: Isolation::On,
                traffic: Traffic::Pass,
                redirect: false,
                system_mac: None,
            },
        };
        let entry = |number: u16| {
            let [high, low] = number.to_be_bytes();
            let mac = Mac([2, 0, 0, 0, high, low]);
            let vid = Vid::DEFAULT;
            let (port, kind) = (name("bond1"), FdbKind::Tracked);
            Op::Fdb {
                key: FdbKey { vid, mac },
                want: FdbWant { port, kind },
            }
        };
        let domain = Op::Domain(DomainWant {
            bridge: name("br0"),
            peer_link: Some(name("peer")),
            peer_link_learning: true,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut foreign = Foreign::new(Client::new(vec![Place {
            address: listener.local_addr().unwrap(),
            dialect: Some(Dialect::Sonic),
        }]));
        let (ports, fdb) = (Section::Ports, Section::Fdb);
        let first = [Op::SnapshotBegin(ports), domain, port("bond1")];
        let ends = [Op::SnapshotEnd(ports), Op::SnapshotBegin(fdb)];
        let wanted = first.into_iter().chain(ends);
        for op in wanted.chain((0..ENTRIES).map(entry)) {
            foreign.ledger.accept(&op).unwrap();
        }
        foreign.ledger.accept(&Op::SnapshotEnd(fdb)).unwrap();

        let (abilities, text) = loop {
            if let ServerEvent::Up { abilities, name } = foreign.client.next().await {
                break (abilities, name);
            }
        };
        foreign.came_up(abilities, text, &Actual::default());
        let now = Instant::now();
        foreign.take(1, &[port("bond2")], vec![Ok(())], &Actual::default(), now);
        while foreign.owed.has_more() || !foreign.client.is_idle() {
            if let ServerEvent::Done {
                batch,
                failures,
                isolates,
            } = foreign.client.next().await
            {
                foreign.sent(batch, failures, isolates, now);
            }
            foreign.send_more(&Actual::default());
        }
        drop(foreign);

        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let mut decoder = Decoder::v1();
        decoder.push(&bytes);
        let (mut sent, mut isolated_after) = (0, None);
        while let Some(frame) = decoder.next_frame().unwrap() {
            let decoded = ClientMessage::decode(&frame, Dialect::Sonic).unwrap();
            match decoded.unwrap().message {
                ClientMessage::SetFdb(records) => sent += records.len(),
                ClientMessage::PortIsolate(list) if list.ports.len() == 2 => {
                    isolated_after = Some(sent);
                }
                _ => {}
            }
        }
        assert_eq!(sent, usize::from(ENTRIES));
        let isolated_after = isolated_after.unwrap();
        assert!(isolated_after < sent / 2, "after {isolated_after} entries");
    }

    /// Each client counts its batches from one.
    #[tokio::test]
    async fn an_answer_for_a_client_that_is_gone_answers_no_batch_of_the_next_one() {
        use crate::backend::mclagsyncd::Place;
        use mclag_proto::sync::v1::Dialect;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place {
            address: listener.local_addr().unwrap(),
            dialect: Some(Dialect::Sonic),
        };
        let mut foreign = Foreign::new(Client::new(vec![place]));
        while !matches!(foreign.client.next().await, ServerEvent::Up { .. }) {}
        foreign.is_up = true;
        let now = Instant::now();
        foreign.take(1, &[], Vec::new(), &Actual::default(), now);
        foreign.client_gone(&Actual::default());
        let batch = |serial| Open {
            number: 1,
            serial,
            results: vec![Ok(())],
            forwarded: Vec::new(),
            in_force_at: None,
        };
        foreign.open.push_back(batch(foreign.last_serial + 1));
        while let Some(happened) = foreign.client.ready() {
            if let ServerEvent::Done {
                batch,
                failures,
                isolates,
            } = happened
            {
                assert_eq!(batch, 1);
                foreign.sent(batch, failures, isolates, now);
            }
        }
        assert_eq!(answered(&mut foreign, now), []);
        foreign.sent(2, Vec::new(), false, now);
        assert_eq!(answered(&mut foreign, now), [(1, vec![true])]);
    }
}
