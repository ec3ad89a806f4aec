//! Events on their way to the client: only the latest word on each address and each membership in a
//! VLAN is kept, and the latest settings of the pair, so that a client that reads slowly costs no more
//! memory than the tables themselves, and misses nothing that is still true.

use std::collections::{HashMap, VecDeque};

use mclag_proto::sync::model::{Event, FdbKey};
use mclag_proto::sync::settings::PairSettings;
use mclag_proto::{IfName, Vid};

/// Changes that may wait beyond one per entry of the dataplane's table. With more (addresses that
/// come and go while nobody reads), a new snapshot is cheaper than the changes.
const SLACK: usize = 4096;

/// Events that the client has not been sent yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    stage: Stage,
    changes: Latest,
    /// The dataplane is still listing what it sees: the end of the table is not published before it has.
    is_listing: bool,
    settings: Settings,
}

#[derive(Debug, Default)]
enum Stage {
    /// The client knows the table as it was; what is left are changes.
    #[default]
    Following,
    /// The client has to be sent the whole table. Changes need not be kept until then.
    Due,
    /// The client is being sent the table; this is the rest of it.
    Sending(Latest),
}

/// Settings of the pair that the client has not been sent yet.
#[derive(Debug, Default)]
struct Settings {
    /// In order. A pair that ended and began anew is published as ended; of anything else only the
    /// last counts.
    waiting: VecDeque<Option<PairSettings>>,
    /// The rest of what is being sent: one that has begun is sent to its end.
    sending: VecDeque<Event>,
}

/// What an event is about: a newer one replaces it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Key {
    Fdb(FdbKey),
    VlanMember(IfName, Vid),
}

impl Outbox {
    /// Send the whole table, instead of whatever waits.
    pub(super) fn resync(&mut self) {
        self.stage = Stage::Due;
        self.changes = Latest::default();
    }

    /// Whether the dataplane is still listing what it sees.
    pub(super) const fn set_listing(&mut self, is_listing: bool) {
        self.is_listing = is_listing;
    }

    /// Add what happened. `table` is the number of entries that the dataplane has.
    pub(super) fn push(&mut self, event: Event, table: usize) {
        let Some(key) = key_of(&event) else { return };
        match &mut self.stage {
            Stage::Due => return,
            Stage::Sending(rest) if self.is_listing || rest.events.contains_key(&key) => {
                rest.set(key, event);
                if rest.events.len() > table + SLACK {
                    self.resync();
                }
                return;
            }
            Stage::Sending(_) | Stage::Following => self.changes.set(key, event),
        }
        if self.changes.events.len() > table + SLACK {
            self.resync();
        }
    }

    /// Send these settings, or that there is no pair.
    pub(super) fn push_settings(&mut self, settings: Option<PairSettings>) {
        let waiting = &mut self.settings.waiting;
        match (waiting.back_mut(), settings) {
            (Some(last @ Some(_)), now @ Some(_)) => *last = now,
            (_, now @ Some(_)) => waiting.push_back(now),
            (_, None) => {
                waiting.clear();
                waiting.push_back(None);
            }
        }
    }

    /// Whether there is something to send.
    pub(super) fn is_empty(&self) -> bool {
        let nothing_of_tables = match &self.stage {
            Stage::Following => self.changes.events.is_empty(),
            Stage::Due => false,
            Stage::Sending(rest) => self.is_listing && rest.events.is_empty(),
        };
        nothing_of_tables && self.settings.is_empty()
    }

    /// Up to `max` events, in order. `table` names everything that the dataplane sees.
    pub(super) fn take<I>(&mut self, max: usize, table: impl FnOnce() -> I) -> Vec<Event>
    where
        I: Iterator<Item = Event>,
    {
        let mut events = self.settings.take(max);
        // Two places may be needed for the marks.
        if events.len() + 1 >= max {
            return events;
        }
        if matches!(self.stage, Stage::Due) {
            let mut rest = Latest::default();
            for event in table() {
                if let Some(key) = key_of(&event) {
                    rest.set(key, event);
                }
            }
            self.stage = Stage::Sending(rest);
            events.push(Event::SnapshotBegin);
        }
        if let Stage::Sending(rest) = &mut self.stage {
            while events.len() + 1 < max {
                match rest.pop() {
                    // What is no longer so is not named, unless it may have been.
                    Some(event) if !self.is_listing && is_end(&event) => {}
                    Some(event) => events.push(event),
                    None if self.is_listing => break,
                    None => {
                        events.push(Event::SnapshotEnd);
                        self.stage = Stage::Following;
                        break;
                    }
                }
            }
        }
        if matches!(self.stage, Stage::Following) {
            while events.len() < max
                && let Some(event) = self.changes.pop()
            {
                events.push(event);
            }
        }
        events
    }
}

impl Settings {
    fn is_empty(&self) -> bool {
        self.sending.is_empty() && self.waiting.is_empty()
    }

    fn take(&mut self, max: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < max {
            if let Some(event) = self.sending.pop_front() {
                events.push(event);
            } else if let Some(next) = self.waiting.pop_front() {
                self.sending.extend(PairSettings::events(next.as_ref()));
            } else {
                break;
            }
        }
        events
    }
}

const fn key_of(event: &Event) -> Option<Key> {
    match event {
        Event::Fdb { key, .. } => Some(Key::Fdb(*key)),
        Event::VlanMember { port, vid, .. } => Some(Key::VlanMember(*port, *vid)),
        Event::SnapshotBegin | Event::SnapshotEnd | Event::Settings(_) | Event::Kept { .. } => None,
    }
}

/// Whether it says that something is no longer so.
const fn is_end(event: &Event) -> bool {
    match event {
        Event::Fdb { observation, .. } => observation.port().is_none(),
        Event::VlanMember { member, .. } => !*member,
        Event::SnapshotBegin | Event::SnapshotEnd | Event::Settings(_) | Event::Kept { .. } => {
            false
        }
    }
}

/// The latest event of each key, in the order of their first change.
#[derive(Debug, Default)]
struct Latest {
    order: VecDeque<Key>,
    events: HashMap<Key, Event>,
}

impl Latest {
    fn set(&mut self, key: Key, event: Event) {
        if self.events.insert(key, event).is_none() {
            self.order.push_back(key);
        }
    }

    fn pop(&mut self) -> Option<Event> {
        let key = self.order.pop_front()?;
        self.events.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use mclag_proto::sync::model::Observation;
    use mclag_proto::sync::settings::{DomainSettings, Setting};
    use mclag_proto::{DomainId, Mac};
    use proptest::prelude::*;

    use super::*;

    fn key(last: u16) -> FdbKey {
        let [high, low] = last.to_be_bytes();
        FdbKey {
            vid: Vid::DEFAULT,
            mac: Mac([2, 0, 0, 0, high, low]),
        }
    }

    fn on(name: &str) -> Observation {
        Observation::Moved {
            port: IfName::new(name).unwrap(),
        }
    }

    fn fdb(last: u16, observation: Observation) -> Event {
        Event::Fdb {
            key: key(last),
            observation,
        }
    }

    fn nothing() -> std::iter::Empty<Event> {
        std::iter::empty()
    }

    #[test]
    fn only_the_latest_observation_is_sent() {
        let mut outbox = Outbox::default();
        outbox.push(fdb(1, on("a")), 1);
        outbox.push(fdb(2, on("a")), 2);
        outbox.push(fdb(1, Observation::Aged), 1);
        let events = outbox.take(9, nothing);
        assert_eq!(events, [fdb(1, Observation::Aged), fdb(2, on("a"))]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_snapshot_names_what_is_seen_when_it_is_sent() {
        let mut outbox = Outbox::default();
        outbox.resync();
        outbox.push(fdb(7, Observation::Aged), 0);
        let table = || [fdb(1, on("a")), fdb(2, on("a")), fdb(3, on("a"))].into_iter();
        let events = outbox.take(3, table);
        assert_eq!(events, [Event::SnapshotBegin, fdb(1, on("a"))]);
        outbox.push(fdb(2, on("b")), 3);
        outbox.push(fdb(3, Observation::Inactive), 3);
        outbox.push(fdb(1, Observation::Aged), 2);
        let mut events = Vec::new();
        while !outbox.is_empty() {
            events.extend(outbox.take(3, nothing));
        }
        assert_eq!(
            events,
            [
                fdb(2, on("b")),
                Event::SnapshotEnd,
                fdb(1, Observation::Aged)
            ]
        );
    }

    #[test]
    fn addresses_that_come_and_go_unread_do_not_pile_up() {
        let mut outbox = Outbox::default();
        for last in 0..u16::MAX {
            outbox.push(fdb(last, on("a")), 1);
            outbox.push(fdb(last, Observation::Aged), 0);
            assert!(outbox.changes.events.len() <= SLACK + 1);
        }
        assert_eq!(
            outbox.take(9, nothing),
            [Event::SnapshotBegin, Event::SnapshotEnd]
        );
    }

    /// A dataplane that lists in its own time: what it lists is sent at once, the end when it ends.
    #[test]
    fn the_end_of_a_listing_waits_for_the_dataplane() {
        let mut outbox = Outbox::default();
        outbox.set_listing(true);
        outbox.resync();
        assert_eq!(outbox.take(9, nothing), [Event::SnapshotBegin]);
        assert!(outbox.is_empty());
        let member = Event::VlanMember {
            port: IfName::new("a").unwrap(),
            vid: Vid::DEFAULT,
            member: true,
        };
        outbox.push(member.clone(), 0);
        outbox.push(fdb(1, on("a")), 1);
        outbox.push(fdb(1, Observation::Aged), 0);
        assert!(!outbox.is_empty());
        assert_eq!(outbox.take(9, nothing), [member, fdb(1, Observation::Aged)]);
        assert!(outbox.is_empty());
        outbox.set_listing(false);
        assert!(!outbox.is_empty());
        assert_eq!(outbox.take(9, nothing), [Event::SnapshotEnd]);
        assert!(outbox.is_empty());
    }

    fn settings(domain: u16) -> Option<PairSettings> {
        Some(PairSettings {
            domain: DomainSettings {
                domain: DomainId::new(domain).unwrap(),
                local: [10, 0, 0, 1].into(),
                peer: [10, 0, 0, 2].into(),
                peer_link: None,
                system_mac: None,
                keepalive_s: None,
                session_timeout_s: None,
            },
            ports: Default::default(),
            unique_ip: Default::default(),
        })
    }

    /// The domains that are sent; none for the word that there is no pair.
    fn domains(events: &[Event]) -> Vec<Option<u16>> {
        let mut received = Vec::new();
        for event in events {
            match event {
                Event::Settings(Setting::Begin) => received.push(None),
                Event::Settings(Setting::Domain(domain)) => {
                    *received.last_mut().unwrap() = Some(domain.domain.get());
                }
                Event::Settings(Setting::End) => {}
                other => panic!("{other:?}"),
            }
        }
        received
    }

    #[test]
    fn only_the_last_settings_are_sent_but_for_a_pair_that_ended_in_between() {
        for (pushed, sent) in [
            (vec![settings(1), settings(2)], vec![Some(2)]),
            (vec![settings(1), None], vec![None]),
            (
                vec![settings(1), None, settings(2), settings(3)],
                vec![None, Some(3)],
            ),
            (vec![None, settings(1), None], vec![None]),
        ] {
            let mut outbox = Outbox::default();
            pushed.into_iter().for_each(|s| outbox.push_settings(s));
            assert_eq!(domains(&outbox.take(99, nothing)), sent);
            assert!(outbox.is_empty());
        }
    }

    #[test]
    fn settings_that_began_are_sent_to_their_end() {
        let mut outbox = Outbox::default();
        outbox.push_settings(settings(1));
        let mut events = outbox.take(1, nothing);
        outbox.push_settings(settings(2));
        while !outbox.is_empty() {
            events.extend(outbox.take(1, nothing));
        }
        assert_eq!(domains(&events), [Some(1), Some(2)]);
        assert_eq!(events.len(), 6);
    }

    proptest! {
        /// Whatever happens and however slowly it is read: in the end the reader knows the table.
        #[test]
        fn a_reader_ends_up_with_the_truth(
            steps in proptest::collection::vec((0..12_u16, 0..4_u8, 0..4_usize), 1..200),
        ) {
            let mut outbox = Outbox::default();
            let mut truth: HashMap<FdbKey, IfName> = HashMap::new();
            let mut known: HashMap<FdbKey, IfName> = HashMap::new();
            let mut listed: Option<HashMap<FdbKey, IfName>> = None;
            let table = |truth: &HashMap<FdbKey, IfName>| {
                let observations = truth.iter().map(|(key, port)| Event::Fdb {
                    key: *key,
                    observation: Observation::Moved { port: *port },
                });
                observations.collect::<Vec<_>>().into_iter()
            };
            let mut read = |outbox: &mut Outbox, max, truth: &HashMap<_, _>| {
                for event in outbox.take(max, || table(truth)) {
                    match event {
                        Event::SnapshotBegin => listed = Some(HashMap::new()),
                        Event::SnapshotEnd => known = listed.take().unwrap(),
                        Event::Fdb { key, observation } => {
                            let into = listed.as_mut().unwrap_or(&mut known);
                            match observation.port() {
                                Some(port) => into.insert(key, port),
                                None => into.remove(&key),
                            };
                        }
                        other => panic!("{other:?}"),
                    }
                }
                known.clone()
            };
            for (last, what, max) in steps {
                let name = ["a", "b", "c"].get(usize::from(what));
                match name {
                    Some(name) => {
                        truth.insert(key(last), IfName::new(name).unwrap());
                        outbox.push(fdb(last, on(name)), truth.len());
                    }
                    None if last == 0 => outbox.resync(),
                    None => {
                        truth.remove(&key(last));
                        outbox.push(fdb(last, Observation::Aged), truth.len());
                    }
                }
                if max > 1 {
                    read(&mut outbox, max, &truth);
                }
            }
            let mut known = HashMap::new();
            while !outbox.is_empty() {
                known = read(&mut outbox, 5, &truth);
            }
            if known.is_empty() {
                known = read(&mut outbox, 5, &truth);
            }
            prop_assert_eq!(known, truth);
        }
    }
}
