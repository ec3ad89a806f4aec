//! Whoever carries the core's decisions out: our own `syncd`, or a foreign shim with our `syncd`
//! beside it (`docs/adr/0011-foreign-shims.md`).

use crate::settings::{self, SyncdProtocol};
use crate::shim::{Happened, Place, Rest, Shim, Tally};
use crate::syncd::Syncd;
use iccp_core::{Batch, Input};
use mclag_proto::sync::model::{Abilities, Event, Op, OpError, PortWant, Section, Traffic};
use mclag_proto::sync::settings::Assembly;
use mclag_proto::sync::v1::Dialect;
use mclag_proto::{IfName, Mac};
use std::collections::VecDeque;
use std::future::pending;
use std::net::SocketAddr;

/// The dataplane, as one partner.
#[derive(Debug)]
pub enum Dataplane {
    /// Our own `syncd`.
    Own(Box<Own>),
    /// A foreign shim.
    Foreign(Box<Foreign>),
}

/// Our own `syncd`, whose dataplane may have the settings of the pair.
#[derive(Debug)]
pub struct Own {
    syncd: Syncd,
    rest: Rest,
    settings: Assembly,
}

/// A foreign shim and our own `syncd` beside it.
#[derive(Debug)]
pub struct Foreign {
    shim: Shim,
    assistant: Option<Syncd>,
    /// The assistant, while it is connected.
    assists: Option<Assists>,
    /// The window of the shim and its name, while it is connected.
    shim_up: Option<(String, u32)>,
    /// Batches that one of the two has not answered, oldest first.
    open: VecDeque<Open>,
    happened: VecDeque<Happened>,
}

/// A connected assistant.
#[derive(Debug)]
struct Assists {
    abilities: Abilities,
    /// Batches that it takes before it has answered the first.
    window: usize,
    /// Batches that it has not answered, among them those of a time that is over.
    unanswered: usize,
    /// Number of its last batch: it counts for its own connection.
    last_number: u64,
    /// What it has no room for yet. Bounded by what the core has open.
    waiting: VecDeque<Batch>,
}

/// A batch of the core on its way.
#[derive(Debug)]
struct Open {
    number: u64,
    shim_is_done: bool,
    /// What the assistant has yet to answer, or to hear.
    assistant: Option<Asked>,
    failures: Vec<(u32, OpError)>,
}

/// What the assistant is asked of a batch.
#[derive(Debug)]
struct Asked {
    /// The batch's number at the assistant; none while there is no room.
    number: Option<u64>,
    /// Which operation of the batch each of the assistant's is.
    indices: Vec<u32>,
}

impl Dataplane {
    /// The dataplane that the settings name; not connected yet. `bridge` and `node_mac` were found
    /// for this chassis.
    #[must_use]
    pub fn new(
        syncd: &settings::Syncd,
        chassis: &settings::Chassis,
        bridge: IfName,
        node_mac: Mac,
    ) -> Self {
        let rest = Rest {
            bridge,
            node_mac,
            ack_timeout: chassis.ack_timeout,
            restart_hold: chassis.restart_hold,
            neighbours: chassis.neighbours,
            on_loss: chassis.on_loss,
        };
        let places = places(syncd);
        if places.is_empty() {
            return Self::Own(Box::new(Own {
                syncd: Syncd::new(syncd.socket.clone()),
                rest,
                settings: Assembly::default(),
            }));
        }
        let assistant = syncd.assistant.clone().map(Syncd::new);
        if assistant.is_none() {
            tracing::warn!(
                "no assistant beside the shim: nobody sets LACP system ids, neighbours and the \
                 kernel's filter"
            );
        }
        Self::Foreign(Box::new(Foreign::new(Shim::new(places, rest), assistant)))
    }

    /// Messages to and from a foreign shim; none with our own `syncd`.
    #[must_use]
    pub fn tally(&self) -> Option<Tally> {
        match self {
            Self::Own(_) => None,
            Self::Foreign(foreign) => Some(foreign.shim.tally()),
        }
    }

    /// Queue a batch.
    pub fn send(&mut self, batch: Batch) {
        match self {
            Self::Own(own) => own.syncd.send(batch),
            Self::Foreign(foreign) => foreign.send(&batch),
        }
    }

    /// Write what the sockets take at once.
    pub async fn flush_now(&mut self) {
        match self {
            Self::Own(own) => own.syncd.flush_now().await,
            Self::Foreign(foreign) => {
                foreign.shim.flush_now().await;
                if let Some(assistant) = &mut foreign.assistant {
                    assistant.flush_now().await;
                }
            }
        }
    }

    /// True when everything is carried out, or nobody is there to.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        match self {
            Self::Own(own) => own.syncd.is_idle(),
            Self::Foreign(foreign) => {
                let assistant = foreign.assistant.as_ref();
                let waits = foreign
                    .assists
                    .as_ref()
                    .is_some_and(|a| !a.waiting.is_empty());
                foreign.shim.is_idle() && assistant.is_none_or(Syncd::is_idle) && !waits
            }
        }
    }

    /// Say that the dataplane is to stay as it is.
    pub async fn bye(&mut self) {
        match self {
            Self::Own(own) => own.syncd.bye().await,
            Self::Foreign(foreign) => {
                if let Some(assistant) = &mut foreign.assistant {
                    assistant.bye().await;
                }
            }
        }
    }

    /// The identity that interfaces go back to, for a shim that has to be told.
    pub const fn set_node_mac(&mut self, mac: Mac) {
        if let Self::Foreign(foreign) = self {
            foreign.shim.set_node_mac(mac);
        }
    }

    /// Something was missed: ask for everything again.
    pub fn start_again(&mut self) {
        match self {
            Self::Own(own) => own.syncd.reconnect(),
            Self::Foreign(foreign) => foreign.shim.reconnect(),
        }
    }

    /// What was received and not handed out yet.
    pub fn ready(&mut self) -> Option<Happened> {
        match self {
            Self::Own(own) => loop {
                let input = own.syncd.ready()?;
                if let Some(happened) = own.told(input) {
                    return Some(happened);
                }
            },
            Self::Foreign(foreign) => foreign.ready(),
        }
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Happened {
        match self {
            Self::Own(own) => loop {
                let input = own.syncd.next().await;
                if let Some(happened) = own.told(input) {
                    return happened;
                }
            },
            Self::Foreign(foreign) => foreign.next().await,
        }
    }
}

impl Own {
    /// Put the settings of the pair together; everything else is the core's.
    fn told(&mut self, input: Input) -> Option<Happened> {
        let Input::SyncdEvent(Event::Settings(part)) = input else {
            if let Input::SyncdUp { .. } = input {
                self.settings = Assembly::default();
            }
            return Some(Happened::Input(input));
        };
        match self.settings.take(part) {
            Ok(told) => {
                let config = |settings| Box::new(self.rest.config(settings));
                told.map(|settings| Happened::Settings(settings.map(config)))
            }
            Err(error) => {
                tracing::warn!(%error, "syncd tells settings that cannot be");
                self.syncd.reconnect();
                None
            }
        }
    }
}

impl Foreign {
    /// A shim, and our own `syncd` if it is to be used beside it.
    #[must_use]
    pub const fn new(shim: Shim, assistant: Option<Syncd>) -> Self {
        Self {
            shim,
            assistant,
            assists: None,
            shim_up: None,
            open: VecDeque::new(),
            happened: VecDeque::new(),
        }
    }

    fn send(&mut self, batch: &Batch) {
        let mut open = Open {
            number: batch.number,
            shim_is_done: false,
            assistant: None,
            failures: Vec::new(),
        };
        if let Some(assists) = &mut self.assists {
            let abilities = assists.abilities;
            let (indices, ops): (Vec<u32>, Vec<Op>) = (0_u32..)
                .zip(&batch.ops)
                .filter_map(|(index, op)| Some((index, for_assistant(op, abilities)?)))
                .unzip();
            if !ops.is_empty() {
                let number = batch.number;
                assists.waiting.push_back(Batch { number, ops });
                open.assistant = Some(Asked {
                    number: None,
                    indices,
                });
            }
        }
        self.open.push_back(open);
        self.pass_on();
        self.shim.send(batch);
    }

    /// Let the assistant have what it has room for.
    fn pass_on(&mut self) {
        let (Some(assistant), Some(assists)) = (&mut self.assistant, &mut self.assists) else {
            return;
        };
        while assists.unanswered < assists.window
            && let Some(Batch { number: own, ops }) = assists.waiting.pop_front()
        {
            assists.last_number += 1;
            assists.unanswered += 1;
            let number = assists.last_number;
            let open = self.open.iter_mut().find(|open| open.number == own);
            if let Some(asked) = open.and_then(|open| open.assistant.as_mut()) {
                asked.number = Some(number);
            }
            assistant.send(Batch { number, ops });
        }
    }

    /// What is open concerns nobody any more. What the assistant has heard of it, it answers.
    fn abandon(&mut self) {
        self.open.clear();
        if let Some(assists) = &mut self.assists {
            assists.waiting.clear();
        }
    }

    fn ready(&mut self) -> Option<Happened> {
        loop {
            if let Some(happened) = self.happened.pop_front() {
                return Some(happened);
            }
            if let Some(happened) = self.shim.ready() {
                self.shim_says(happened);
            } else {
                let input = self.assistant.as_mut()?.ready()?;
                self.assistant_says(input);
            }
        }
    }

    async fn next(&mut self) -> Happened {
        loop {
            if let Some(happened) = self.ready() {
                return happened;
            }
            tokio::select! {
                happened = self.shim.next() => self.shim_says(happened),
                input = next_of(self.assistant.as_mut()) => self.assistant_says(input),
            }
        }
    }

    fn shim_says(&mut self, happened: Happened) {
        match happened {
            Happened::Input(Input::SyncdUp {
                backend, window, ..
            }) => {
                self.shim_up = Some((backend, window));
                self.restart();
            }
            Happened::Input(Input::SyncdDown) => {
                self.shim_up = None;
                self.abandon();
                self.happened.push_back(happened);
            }
            Happened::Input(Input::SyncdResult { batch, failures }) => {
                if let Some(open) = self.open.iter_mut().find(|open| open.number == batch) {
                    open.shim_is_done = true;
                    open.failures.extend(failures);
                }
                self.answer();
            }
            other => self.happened.push_back(other),
        }
    }

    fn assistant_says(&mut self, input: Input) {
        match input {
            Input::SyncdUp {
                abilities, window, ..
            } => {
                self.assists = Some(Assists {
                    abilities,
                    window: usize::try_from(window).unwrap_or(usize::MAX),
                    unanswered: 0,
                    last_number: 0,
                    waiting: VecDeque::new(),
                });
                // It knows nothing yet: everything is said again, to both.
                self.restart();
            }
            Input::SyncdDown => {
                let gone = self.assists.take();
                for open in &mut self.open {
                    open.assistant = None;
                }
                if gone.is_some_and(|gone| gone.abilities.neighbours) {
                    // Less can be done from now on.
                    self.restart();
                }
                self.answer();
            }
            Input::SyncdResult { batch, failures } => {
                if let Some(assists) = &mut self.assists {
                    assists.unanswered = assists.unanswered.saturating_sub(1);
                }
                let is_it = |open: &&mut Open| {
                    let asked = open.assistant.as_ref();
                    asked.is_some_and(|asked| asked.number == Some(batch))
                };
                if let Some(open) = self.open.iter_mut().find(is_it)
                    && let Some(Asked { indices, .. }) = open.assistant.take()
                {
                    let original = |(index, error): (u32, OpError)| {
                        let index = indices.get(usize::try_from(index).ok()?)?;
                        Some((*index, error))
                    };
                    open.failures
                        .extend(failures.into_iter().filter_map(original));
                }
                self.pass_on();
                self.answer();
            }
            // What it sees is what the shim sees, too.
            _ => {}
        }
    }

    /// The dataplane as a whole begins anew, if there is a shim.
    fn restart(&mut self) {
        let (Some((backend, window)), Some(mut abilities)) =
            (self.shim_up.clone(), self.shim.abilities())
        else {
            return;
        };
        self.abandon();
        self.shim.forget_batches();
        let assists = self.assists.as_ref();
        abilities.neighbours = assists.is_some_and(|assists| assists.abilities.neighbours);
        self.happened.push_back(Happened::Input(Input::SyncdUp {
            abilities,
            backend,
            window,
        }));
    }

    /// Report the batches that both have answered.
    fn answer(&mut self) {
        while self
            .open
            .front()
            .is_some_and(|open| open.shim_is_done && open.assistant.is_none())
        {
            let Some(open) = self.open.pop_front() else {
                return;
            };
            self.happened.push_back(Happened::Input(Input::SyncdResult {
                batch: open.number,
                failures: open.failures,
            }));
        }
    }
}

/// Where a shim is looked for; nowhere with version 2.
fn places(syncd: &settings::Syncd) -> Vec<Place> {
    let place = |(address, protocol): (SocketAddr, SyncdProtocol)| {
        let dialect = match protocol {
            SyncdProtocol::Sonic => Some(Dialect::Sonic),
            SyncdProtocol::LinuxMclag => Some(Dialect::LinuxMclag),
            SyncdProtocol::Auto | SyncdProtocol::V2 => None,
        };
        Place { address, dialect }
    };
    syncd.addresses().into_iter().map(place).collect()
}

async fn next_of(syncd: Option<&mut Syncd>) -> Input {
    match syncd {
        Some(syncd) => syncd.next().await,
        None => pending().await,
    }
}

/// What the assistant is told of an operation, if anything: not what the shim does.
fn for_assistant(op: &Op, abilities: Abilities) -> Option<Op> {
    let has = |section: Section| match section {
        Section::Ports => true,
        Section::Fdb => false,
        Section::Pair => abilities.pair,
        Section::Interfaces => abilities.interfaces,
        Section::Neighbours => abilities.neighbours,
    };
    let wanted = match op {
        Op::SnapshotBegin(section) | Op::SnapshotEnd(section) => has(*section),
        Op::Domain(_) | Op::Port { .. } | Op::PortRelease { .. } => true,
        Op::Fdb { .. } | Op::FdbRelease { .. } | Op::Learning { .. } | Op::Flush { .. } => false,
        Op::Pair(_) | Op::RemotePort { .. } | Op::RemotePortRelease { .. } | Op::Members { .. } => {
            abilities.pair
        }
        Op::Interface { .. } | Op::InterfaceRelease { .. } => abilities.interfaces,
        Op::Neighbour { .. } | Op::NeighbourRelease { .. } => abilities.neighbours,
        Op::NodeMac(_) => abilities.node_mac,
    };
    wanted.then(|| match op {
        Op::Port { port, want } => Op::Port {
            port: *port,
            want: PortWant {
                traffic: Traffic::Keep,
                redirect: false,
                ..*want
            },
        },
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests;
