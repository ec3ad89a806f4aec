//! A foreign `mclagsyncd` that does a part of the work (`docs/adr/0016-foreign-mclagsyncd.md`): what
//! is asked of both is answered when both have done it, and what the client is told comes from there.
//!
//! It cannot be read back. When it comes, the client has to say everything again; so a client is
//! served while the server is there, and its connection ends with that of the server.

use std::collections::VecDeque;
use std::time::Duration;

use mclag_proto::sync::model::{Abilities, Event, Op, OpError, Section};
use mclag_proto::sync::v2::{Capabilities, ServerMessage};
use tokio::time::Instant;

use super::Server;
use super::admission::{Candidate, refuse};
use super::connection::{Connection, Lost};
use crate::backend::Backend;
use crate::backend::composition::{Share, together};
use crate::backend::mclagsyncd::{Client, ServerEvent, WINDOW};

/// How long after its socket took an isolation list the server may take to put it into force. The
/// other chassis opens its own port at our word, and must not be faster.
const TAKES_EFFECT: Duration = Duration::from_millis(50);

/// The foreign server.
#[derive(Debug)]
pub(super) struct Foreign {
    pub(super) client: Client,
    /// What it can do and what it is called, while it is there.
    up: Option<(Abilities, String)>,
    /// Batches of the client that are not answered, oldest first.
    open: VecDeque<Open>,
}

/// A batch that is not answered.
#[derive(Debug)]
struct Open {
    number: u64,
    results: Vec<Result<(), OpError>>,
    /// When what the server was told is in force; none while it was not told all of it.
    in_force_at: Option<Instant>,
}

impl Foreign {
    pub(super) const fn new(client: Client) -> Self {
        Self {
            client,
            up: None,
            open: VecDeque::new(),
        }
    }

    /// When the next batch can be answered although nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.front()?.in_force_at
    }

    /// Nobody waits for answers any more.
    pub(super) fn forget_batches(&mut self) {
        self.open.clear();
        self.client.forget_batches();
    }

    /// What has to be said to a client from the beginning.
    fn begin(&self, connection: &mut Connection) {
        connection.outbox.set_listing(!self.client.is_settled());
        if let Some(settings) = self.client.settings() {
            connection.push_settings(settings.cloned());
        }
    }

    /// What it sees, as far as it said.
    pub(super) fn table(&self, knows_members: bool) -> impl Iterator<Item = Event> {
        let observations = self.client.observations();
        let observations = observations.map(|(key, observation)| Event::Fdb { key, observation });
        let members = self.client.vlan_members().filter(move |_| knows_members);
        let member = true;
        members
            .map(move |(port, vid)| Event::VlanMember { port, vid, member })
            .chain(observations)
    }

    fn said(&mut self, batch: u64, failures: Vec<(u32, OpError)>, isolates: bool, now: Instant) {
        let Some(open) = self.open.iter_mut().find(|open| open.number == batch) else {
            return;
        };
        for (index, error) in failures {
            let result = usize::try_from(index).ok();
            let result = result.and_then(|index| open.results.get_mut(index));
            if let Some(result @ Ok(())) = result {
                *result = Err(error);
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

impl<B: Backend> Server<B> {
    /// Have this server do its share of the work, too.
    #[must_use]
    pub fn with_mclagsyncd(mut self, client: Client) -> Self {
        self.foreign = Some(Foreign::new(client));
        self
    }

    /// What the dataplane can do and what it is called; none while a part of it is not there.
    pub(super) fn dataplane(&self) -> Option<(Abilities, String)> {
        let (own, name) = (self.backend.abilities(), self.backend.name());
        match &self.foreign {
            None => Some((own, name.to_owned())),
            Some(foreign) => {
                let (abilities, keeper) = foreign.up.as_ref()?;
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
            None => Capabilities::empty(),
            Some(_) => Capabilities::SETTINGS,
        }
    }

    /// Take in what happened at the server, and what happened together with it.
    pub(super) fn hear_foreign(&mut self, happened: ServerEvent) {
        let mut next = Some(happened);
        while let Some(happened) = next {
            self.take_foreign(happened);
            next = self.foreign.as_mut().and_then(|f| f.client.ready());
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
                foreign.up = Some((abilities, name));
                self.greet_waiting();
            }
            ServerEvent::Down => {
                foreign.up = None;
                self.drop_client(&Lost::Absent);
            }
            ServerEvent::Done {
                batch,
                failures,
                isolates,
            } => foreign.said(batch, failures, isolates, Instant::now()),
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
                Some(_) => Lost::Absent,
                None => Lost::Unexpected("no hello in time".to_owned()),
            };
            refuse(connection, &lost);
        }
    }

    /// Say to a new client what it has to begin with.
    pub(super) fn begin_events(&self, connection: &mut Connection) {
        if let Some(foreign) = &self.foreign {
            foreign.begin(connection);
        }
    }

    /// Pass a batch on to the server, and have the backend do its share. The answer follows.
    pub(super) async fn share_batch(&mut self, number: u64, ops: &[Op]) -> Result<(), Lost> {
        let Some(foreign) = &mut self.foreign else {
            return Ok(());
        };
        if foreign.open.len() >= usize::try_from(WINDOW).unwrap_or(usize::MAX) {
            return Err(Lost::Unexpected(format!(
                "batch {number} although {WINDOW} are not answered"
            )));
        }
        foreign.open.push_back(Open {
            number,
            results: Vec::new(),
            in_force_at: None,
        });
        foreign.client.send(number, ops);
        foreign.client.flush_now().await;
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
        let foreign = self.foreign.as_mut();
        if let Some(open) = foreign.and_then(|foreign| foreign.open.back_mut()) {
            open.results = results;
        }
        Ok(())
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

    /// Nothing is wanted any more: the server takes back what it was told.
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
        foreign.client.send(0, &ops);
        foreign.client.flush_now().await;
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
    use mclag_proto::sync::model::OpErrorCode;

    fn refused() -> OpError {
        OpError {
            code: OpErrorCode::Refused,
            text: "no".to_owned(),
        }
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

    /// The other chassis may be faster than the server: it is told 50 ms later.
    #[tokio::test]
    async fn isolation_counts_when_the_server_had_time_for_it_and_answers_keep_their_order() {
        let now = Instant::now();
        let mut foreign = Foreign::new(Client::new(Vec::new()));
        for number in 1..=3 {
            foreign.open.push_back(Open {
                number,
                results: vec![Ok(()), Ok(())],
                in_force_at: None,
            });
        }
        assert_eq!(foreign.deadline(), None);
        foreign.said(2, Vec::new(), false, now);
        assert_eq!(answered(&mut foreign, now), []);
        foreign.said(1, vec![(1, refused())], true, now);
        assert_eq!(foreign.deadline(), Some(now + TAKES_EFFECT));
        let before = now + TAKES_EFFECT - Duration::from_millis(1);
        assert_eq!(answered(&mut foreign, before), []);
        let both = [(1, vec![true, false]), (2, vec![true, true])];
        assert_eq!(answered(&mut foreign, now + TAKES_EFFECT), both);
        foreign.said(2, Vec::new(), false, now);
        assert_eq!(answered(&mut foreign, now + TAKES_EFFECT), []);
    }
}
