//! Events on their way to the client: only the latest sight per address is kept, so that a client
//! that reads slowly costs no more memory than the forwarding table itself, and misses nothing
//! that is still true.

use std::collections::{HashMap, VecDeque};

use mclag_proto::sync::model::{Event, FdbKey, Sight};

/// Changes that may wait beyond one per entry of the forwarding table. With more (addresses that
/// come and go while nobody reads), a new snapshot is cheaper than the changes.
const SLACK: usize = 4096;

/// Events that the client has not been sent yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: State,
    changes: Latest,
}

#[derive(Debug, Default)]
enum State {
    /// The client knows the table as it was; what is left are changes.
    #[default]
    Following,
    /// The client has to be sent the whole table. Changes need not be kept until then.
    Due,
    /// The client is being sent the table; this is the rest of it.
    Sending(Latest),
}

impl Outbox {
    /// Send the whole table, instead of whatever waits.
    pub(super) fn resync(&mut self) {
        self.state = State::Due;
        self.changes = Latest::default();
    }

    /// Add what was seen. `table` is the number of entries that the dataplane has.
    pub(super) fn push(&mut self, key: FdbKey, sight: Sight, table: usize) {
        match &mut self.state {
            State::Due => return,
            State::Sending(rest) if rest.sights.contains_key(&key) => {
                rest.sights.insert(key, sight);
                return;
            }
            State::Sending(_) | State::Following => self.changes.set(key, sight),
        }
        if self.changes.sights.len() > table + SLACK {
            self.resync();
        }
    }

    /// Whether there is something to send.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.state, State::Following) && self.changes.sights.is_empty()
    }

    /// Up to `max` events, in order. `table` names every address that the dataplane sees.
    pub(super) fn take<I>(&mut self, max: usize, table: impl FnOnce() -> I) -> Vec<Event>
    where
        I: Iterator<Item = (FdbKey, Sight)>,
    {
        let mut events = Vec::new();
        if matches!(self.state, State::Due) {
            let mut rest = Latest::default();
            table().for_each(|(key, sight)| rest.set(key, sight));
            self.state = State::Sending(rest);
            events.push(Event::SnapshotBegin);
        }
        if let State::Sending(rest) = &mut self.state {
            // Two places may be needed for the marks.
            while events.len() + 1 < max {
                match rest.pop() {
                    // An address that is no longer seen is not named.
                    Some((_, sight)) if sight.port().is_none() => {}
                    Some((key, sight)) => events.push(Event::Fdb { key, sight }),
                    None => {
                        events.push(Event::SnapshotEnd);
                        self.state = State::Following;
                        break;
                    }
                }
            }
        }
        if matches!(self.state, State::Following) {
            while events.len() < max
                && let Some((key, sight)) = self.changes.pop()
            {
                events.push(Event::Fdb { key, sight });
            }
        }
        events
    }
}

/// The latest sight of each address, in the order of their first change.
#[derive(Debug, Default)]
struct Latest {
    order: VecDeque<FdbKey>,
    sights: HashMap<FdbKey, Sight>,
}

impl Latest {
    fn set(&mut self, key: FdbKey, sight: Sight) {
        if self.sights.insert(key, sight).is_none() {
            self.order.push_back(key);
        }
    }

    fn pop(&mut self) -> Option<(FdbKey, Sight)> {
        let key = self.order.pop_front()?;
        let sight = self.sights.remove(&key)?;
        Some((key, sight))
    }
}

#[cfg(test)]
mod tests {
    use mclag_proto::{IfName, Mac, Vid};
    use proptest::prelude::*;

    use super::*;

    fn key(last: u16) -> FdbKey {
        let [high, low] = last.to_be_bytes();
        FdbKey {
            vid: Vid::DEFAULT,
            mac: Mac([2, 0, 0, 0, high, low]),
        }
    }

    fn on(name: &str) -> Sight {
        Sight::Moved {
            port: IfName::new(name).unwrap(),
        }
    }

    fn fdb(last: u16, sight: Sight) -> Event {
        Event::Fdb {
            key: key(last),
            sight,
        }
    }

    fn nothing() -> std::iter::Empty<(FdbKey, Sight)> {
        std::iter::empty()
    }

    #[test]
    fn only_the_latest_sight_is_sent() {
        let mut outbox = Outbox::default();
        outbox.push(key(1), on("a"), 1);
        outbox.push(key(2), on("a"), 2);
        outbox.push(key(1), Sight::Aged, 1);
        let events = outbox.take(9, nothing);
        assert_eq!(events, [fdb(1, Sight::Aged), fdb(2, on("a"))]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_snapshot_names_what_is_seen_when_it_is_sent() {
        let mut outbox = Outbox::default();
        outbox.resync();
        outbox.push(key(7), Sight::Aged, 0);
        let table = || [(key(1), on("a")), (key(2), on("a")), (key(3), on("a"))].into_iter();
        let events = outbox.take(3, table);
        assert_eq!(events, [Event::SnapshotBegin, fdb(1, on("a"))]);
        outbox.push(key(2), on("b"), 3);
        outbox.push(key(3), Sight::Inactive, 3);
        outbox.push(key(1), Sight::Aged, 2);
        let mut events = Vec::new();
        while !outbox.is_empty() {
            events.extend(outbox.take(3, nothing));
        }
        assert_eq!(
            events,
            [fdb(2, on("b")), Event::SnapshotEnd, fdb(1, Sight::Aged)]
        );
    }

    #[test]
    fn addresses_that_come_and_go_unread_do_not_pile_up() {
        let mut outbox = Outbox::default();
        for last in 0..u16::MAX {
            outbox.push(key(last), on("a"), 1);
            outbox.push(key(last), Sight::Aged, 0);
            assert!(outbox.changes.sights.len() <= SLACK + 1);
        }
        assert_eq!(
            outbox.take(9, nothing),
            [Event::SnapshotBegin, Event::SnapshotEnd]
        );
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
                let sights = truth.iter().map(|(key, port)| (*key, Sight::Moved { port: *port }));
                sights.collect::<Vec<_>>().into_iter()
            };
            let mut read = |outbox: &mut Outbox, max, truth: &HashMap<_, _>| {
                for event in outbox.take(max, || table(truth)) {
                    match event {
                        Event::SnapshotBegin => listed = Some(HashMap::new()),
                        Event::SnapshotEnd => known = listed.take().unwrap(),
                        Event::Fdb { key, sight } => {
                            let into = listed.as_mut().unwrap_or(&mut known);
                            match sight.port() {
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
                        outbox.push(key(last), on(name), truth.len());
                    }
                    None if last == 0 => outbox.resync(),
                    None => {
                        truth.remove(&key(last));
                        outbox.push(key(last), Sight::Aged, truth.len());
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
