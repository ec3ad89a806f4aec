//! Netlink events to core inputs (`spec/behaviour.md` 10.1, 10.4, 10.5, 11.2).
//!
//! Listens on sockets of its own, opened before the first dump, so nothing can be missed in
//! between. When the kernel lost events (an overrun), everything is read again; the core
//! compares. Neighbours have a socket of their own: ten thousand of them may change at once, and
//! that must not cost the news of a link. Of several events about one interface that are there at
//! the same time, the last one counts: each says all of it.
//!
//! The kernel does not announce every change of LACP's state, so the MLAG bonds and their
//! members are also read again: often while LACP is busy, now and then otherwise.
//!
//! Not responsible for forwarding entries: those come from `syncd`.

mod latest;
mod layer3;
pub mod pace;
mod reader;
mod taps;
pub mod view;

use crate::ctl::words::TEAM_BYPASS;
use crate::lag::team::{self, TeamError, TeamState};
use iccp_core::Input;
use mclag_netlink::{Event, Groups, InterfaceAddress, Monitor, Neighbour};
use mclag_proto::IfName;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

pub use latest::latest;
use layer3::Layer3;
use pace::Pace;
use reader::{Answer, Question, ReadError, Reader};
use taps::Observer;
use view::View;

pub use taps::Taps;

/// Receive buffer of an event socket in bytes: some thousand events. Without privilege
/// the kernel gives no more than `net.core.rmem_max`.
const EVENT_BUFFER: u32 = 4 << 20;
/// Delay before netlink is opened again after it failed.
const REOPEN: Duration = Duration::from_secs(1);
/// How often teamd is asked.
const TEAM: Duration = Duration::from_secs(1);

/// Follows the kernel's interfaces, addresses and neighbours.
pub struct Watch {
    /// The interfaces that are followed, and whose LACP state matters: MLAG ports and the peer link.
    names: BTreeSet<IfName>,
    view: View,
    layer3: Layer3,
    monitors: Option<Monitors>,
    observer: Observer,
    reader: Option<Reader>,
    teams: Option<Pin<Box<Teams>>>,
    /// Everything has to be read.
    dump_due: bool,
    /// Neighbours have to be read.
    neighbours_due: bool,
    /// When bonds are read next.
    pace: Pace,
    /// When teamd is asked next.
    teams_due: Instant,
    /// When netlink may be opened again.
    reopen_at: Instant,
    /// Teams whose teamd does not answer; written down once each.
    silent_teams: BTreeSet<IfName>,
    /// Ports that are to carry data without LACP, and of these the teams: those cannot.
    bypass: BTreeSet<IfName>,
    refused_bypass: BTreeSet<IfName>,
    /// Times that events were lost or netlink failed.
    errors: u32,
}

/// The sockets that events come by.
struct Monitors {
    /// Interfaces and their addresses.
    links: Monitor,
    neighbours: Monitor,
}

type Teams = dyn Future<Output = Vec<(u32, IfName, Result<TeamState, TeamError>)>> + Send;

impl Watch {
    /// Open the sockets. `names` are the interfaces that are followed, and whose LACP state matters.
    ///
    /// # Errors
    ///
    /// When there is no netlink.
    pub fn open(names: BTreeSet<IfName>) -> io::Result<Self> {
        let now = Instant::now();
        let mut watch = Self {
            names,
            view: View::default(),
            layer3: Layer3::default(),
            monitors: None,
            observer: Observer::default(),
            reader: None,
            teams: None,
            dump_due: true,
            neighbours_due: false,
            pace: Pace::new(now),
            teams_due: now,
            reopen_at: now,
            silent_teams: BTreeSet::new(),
            bypass: BTreeSet::new(),
            refused_bypass: BTreeSet::new(),
            errors: 0,
        };
        watch.view.follow(&watch.names);
        watch.reopen()?;
        Ok(watch)
    }

    /// Observe the wire as well, if there are sockets for it; what is missing is written down.
    pub fn observe(&mut self, taps: Taps) {
        self.observer = Observer::new(taps);
    }

    /// These interfaces matter from now on. Everything is reported again if they are others.
    pub fn watch(&mut self, names: BTreeSet<IfName>) {
        self.dump_due |= self.names != names;
        self.view.follow(&names);
        self.names = names;
    }

    /// The interface of this number had that name before this daemon started.
    pub fn keep_name(&mut self, index: u32, name: IfName) {
        self.view.keep_name(index, name);
        let (is_busy, now) = (self.view.needs_fast_poll(&self.names), Instant::now());
        self.pace.changed(is_busy, now);
        self.teams_due = now;
    }

    /// These ports are to carry data without LACP, which is for bonds: teams among them are refused, in the log.
    pub fn bypass(&mut self, ports: BTreeSet<IfName>) {
        self.bypass = ports;
        self.refused_bypass.clear();
    }

    /// Teams that are to carry data without LACP all the same.
    pub fn teams_with_bypass(&self) -> impl Iterator<Item = IfName> {
        let teams = self.view.teams(&self.bypass).into_iter();
        teams.map(|(_, name)| name)
    }

    fn refuse_bypass(&mut self, teams: &[(u32, IfName)]) {
        let names = teams.iter().map(|(_, name)| *name);
        for port in names.filter(|name| self.bypass.contains(name)) {
            if self.refused_bypass.insert(port) {
                tracing::error!(%port, "lacp-bypass has no effect on {TEAM_BYPASS}");
            }
        }
    }

    /// Report everything again, to one who may have ignored what was reported before.
    pub const fn report_again(&mut self) {
        self.dump_due = true;
    }

    /// The events first: what changes during the dump must not be missed.
    fn reopen(&mut self) -> io::Result<()> {
        let links = Groups {
            links: true,
            addresses: true,
            ..Groups::default()
        };
        let neighbours = Groups {
            neighbours: true,
            ..Groups::default()
        };
        let monitors = Monitors {
            links: Monitor::open(links, EVENT_BUFFER)?,
            neighbours: Monitor::open(neighbours, EVENT_BUFFER)?,
        };
        tracing::debug!(
            receive_buffer = monitors.links.receive_buffer(),
            "listening to the kernel"
        );
        self.reader = Some(Reader::start()?);
        self.monitors = Some(monitors);
        self.dump_due = true;
        Ok(())
    }

    fn fail(&mut self, error: &dyn std::fmt::Display) {
        tracing::error!(%error, "netlink failed, reading the kernel again");
        self.errors = self.errors.wrapping_add(1);
        self.monitors = None;
        self.reader = None;
        self.reopen_at = Instant::now() + REOPEN;
    }

    /// Times that events were lost or netlink failed.
    #[must_use]
    pub const fn errors(&self) -> u32 {
        self.errors
    }

    /// The rest of what was read from the kernel.
    pub fn ready(&mut self) -> Option<Input> {
        let input = self.view.next_input();
        input.or_else(|| self.layer3.next_input())
    }

    /// What happens next. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Input {
        loop {
            if let Some(input) = self.ready() {
                return input;
            }
            let asking_teams = self.teams.is_some();
            if let Some(reader) = self.reader.as_mut().filter(|reader| reader.is_busy()) {
                // The kernel's events wait meanwhile: an answer must not overtake what comes after
                // it. Whoever else speaks does not: the answer may take seconds.
                tokio::select! {
                    biased;
                    answer = reader.answer() => self.answered(answer),
                    states = answer(self.teams.as_mut()), if asking_teams => {
                        self.teams = None;
                        self.teams_answered(states);
                    }
                    sightings = self.observer.next() => {
                        self.layer3.sightings(&sightings, Instant::now());
                    }
                }
                continue;
            }
            if self.monitors.is_none() {
                sleep_until(self.reopen_at).await;
                if let Err(error) = self.reopen() {
                    self.fail(&error);
                }
                continue;
            }
            // What the kernel has said comes before what it is asked.
            let waiting = tokio::select! {
                biased;
                events = events(self.monitors.as_mut()) => Some(events),
                () = std::future::ready(()) => None,
            };
            let is_waiting = waiting.is_some();
            if let Some(events) = waiting {
                self.take_events(events);
            }
            if self.ask(Instant::now()) || is_waiting {
                continue;
            }
            let due = self.pace.due().min(self.teams_due);
            let asking_teams = self.teams.is_some();
            tokio::select! {
                biased;
                events = events(self.monitors.as_mut()) => self.take_events(events),
                states = answer(self.teams.as_mut()), if asking_teams => {
                    self.teams = None;
                    self.teams_answered(states);
                }
                sightings = self.observer.next() => {
                    self.layer3.sightings(&sightings, Instant::now());
                }
                () = sleep_until(due) => {}
            }
        }
    }

    /// Begin whatever is due. True if there is a new question.
    fn ask(&mut self, now: Instant) -> bool {
        self.view.settle(now);
        if now >= self.teams_due {
            self.teams_due = now + TEAM;
            let teams = self.view.teams(&self.names);
            self.refuse_bypass(&teams);
            if self.teams.is_none() && !teams.is_empty() {
                self.teams = Some(Box::pin(ask_teams(teams)));
            }
        }
        let unsure = self.view.unsure();
        let is_due = self.dump_due || self.neighbours_due || now >= self.pace.due();
        if !is_due && unsure.is_empty() {
            return false;
        }
        let question = if std::mem::take(&mut self.dump_due) {
            self.neighbours_due = false;
            Question::All
        } else if !unsure.is_empty() {
            Question::Some(unsure)
        } else if std::mem::take(&mut self.neighbours_due) {
            Question::Neighbours
        } else {
            let is_busy = self.view.needs_fast_poll(&self.names);
            self.pace.read(is_busy, now);
            let bonds = self.view.lacp_bonds(&self.names);
            if bonds.is_empty() {
                return false;
            }
            Question::Some(bonds)
        };
        if let Some(reader) = &mut self.reader {
            reader.ask(question);
        }
        true
    }

    fn answered(&mut self, answer: Result<Answer, ReadError>) {
        match answer {
            Ok(Answer::All {
                infos,
                vlans,
                addresses,
                neighbours,
            }) => {
                tracing::debug!(
                    links = infos.len(),
                    addresses = addresses.len(),
                    neighbours = neighbours.len(),
                    "read the kernel's tables"
                );
                self.view.replace(infos, vlans);
                self.layer3.replace_addresses(&addresses);
                self.layer3.replace_neighbours(&neighbours);
                self.teams_due = Instant::now();
            }
            Ok(Answer::Some(infos)) => {
                self.view.answered(infos, Instant::now());
            }
            Ok(Answer::Neighbours(neighbours)) => {
                tracing::debug!(
                    neighbours = neighbours.len(),
                    "read the kernel's neighbours"
                );
                self.layer3.replace_neighbours(&neighbours);
            }
            Err(error) => self.fail(&error),
        }
    }

    fn take_events(&mut self, events: io::Result<(Source, Vec<Event>)>) {
        match events {
            Ok((Source::Links, events)) => self.links_happened(events),
            Ok((Source::Neighbours, events)) => self.neighbours_happened(&events),
            Err(error) => self.fail(&error),
        }
    }

    fn neighbours_happened(&mut self, events: &[Event]) {
        if events.contains(&Event::Overrun) {
            tracing::debug!("neighbour events were lost, reading the neighbours again");
            self.neighbours_due = true;
            self.errors = self.errors.wrapping_add(1);
        }
        let changes: Vec<(Neighbour, bool)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Neighbour(neighbour) => Some((*neighbour, true)),
                Event::NeighbourGone(neighbour) => Some((*neighbour, false)),
                _ => None,
            })
            .collect();
        self.layer3.neighbours(&changes);
    }

    fn links_happened(&mut self, events: Vec<Event>) {
        let now = Instant::now();
        let addresses: Vec<(InterfaceAddress, bool)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Address(address) => Some((*address, true)),
                Event::AddressGone(address) => Some((*address, false)),
                _ => None,
            })
            .collect();
        self.layer3.addresses(&addresses);
        for (event, earlier) in latest(events) {
            match event {
                Event::Link(info) => {
                    tracing::debug!(
                        port = %info.name, admin_up = info.admin_up, carrier = info.lower_up,
                        mii_up = info.member.map(|m| m.mii_up),
                        lacp = ?info.member.map(|m| m.actor_state), "link event"
                    );
                    let index = info.index;
                    self.view.event(earlier, *info, now);
                    if self.view.belongs_to_team(index) {
                        self.teams_due = now;
                    }
                }
                Event::LinkGone { index, name } => {
                    tracing::debug!(port = %name, "interface gone");
                    self.view.gone(index);
                }
                Event::BridgeVlans { index, vlans } => self.view.vlans(index, vlans),
                Event::BridgePort { index, port } => self.view.bridge_port(index, port),
                Event::LeftBridge { index } => self.view.left_bridge(index),
                Event::Overrun => {
                    tracing::warn!("netlink events were lost, reading the kernel again");
                    self.dump_due = true;
                    self.errors = self.errors.wrapping_add(1);
                }
                _ => {}
            }
        }
        let is_busy = self.view.needs_fast_poll(&self.names);
        self.pace.changed(is_busy, now);
    }

    fn teams_answered(&mut self, states: Vec<(u32, IfName, Result<TeamState, TeamError>)>) {
        for (index, name, state) in states {
            match state {
                Ok(state) => {
                    self.silent_teams.remove(&name);
                    self.view.team(index, Some(state));
                }
                Err(error) => {
                    if self.silent_teams.insert(name) {
                        tracing::warn!(
                            port = %name, %error,
                            "teamd does not tell its state, carrier has to do"
                        );
                    }
                    self.view.team(index, None);
                }
            }
        }
    }
}

/// Where events came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    Links,
    Neighbours,
}

/// Links first: a neighbour is on an interface.
async fn events(monitors: Option<&mut Monitors>) -> io::Result<(Source, Vec<Event>)> {
    let Some(monitors) = monitors else {
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        events = monitors.links.next() => Ok((Source::Links, events?)),
        events = monitors.neighbours.next() => Ok((Source::Neighbours, events?)),
    }
}

async fn answer<T>(future: Option<&mut Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn ask_teams(teams: Vec<(u32, IfName)>) -> Vec<(u32, IfName, Result<TeamState, TeamError>)> {
    let mut states = Vec::with_capacity(teams.len());
    for (index, name) in teams {
        let socket = team::socket(Path::new(team::RUN_DIR), &name);
        states.push((index, name, team::state(socket).await));
    }
    states
}

#[cfg(test)]
mod tests;
