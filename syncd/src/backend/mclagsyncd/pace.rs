//! What waits for a server that takes no more than it reads, and what is sent next.
//!
//! `mclagsyncd.py` of linux-mclag starts a program for each forwarding entry, some 64 a second, in the order in which it was
//! sent them, and loses the rest of what it was sent when about 64 kB wait (`spec/mclagsyncd-protocol.md` 12, item
//! 4). So entries wait here, where a newer one replaces an older one of the same address, and are sent a few at
//! a time, when the ones before were read. Everything else is urgent and goes first.
//!
//! When an isolation list is sent, the server may be busy with [`RECORDS_AT_ONCE`] entries, and as many wait in its
//! socket: half a second. Pure: no I/O, no clock.
//!
//! What was never sent need not be taken back: an entry and its deletion that both wait cancel out. So no more waits than
//! is wanted and than the server has, however long entries come and go.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use mclag_proto::IfName;
use mclag_proto::sync::model::FdbKey;
use mclag_proto::sync::v1::{FdbRecord, RecordOp};
use tokio::time::Instant;

/// Entries in one message: a quarter of a second of that server's work.
pub(super) const RECORDS_AT_ONCE: usize = 16;

/// Bytes that may wait to be read, of the 64 kB that it takes, and a message of 4 kB more.
const MOST_UNREAD: u32 = 32 * 1024;

/// Messages of entries that the server may not have carried out, if it is known what it has read: it reads one when it is
/// done with the one before.
const UNDONE: usize = 2;

/// Time in which a server surely carries out a message of entries that it has read.
pub(super) const CARRIES_OUT: Duration = Duration::from_secs(5);

/// Time between messages of entries to a server of which nobody knows what it has read.
const BLIND_GAP: Duration = Duration::from_millis(250);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    urgent: VecDeque<Vec<u8>>,
    /// Keys of the entries, oldest first.
    order: BTreeMap<u64, FdbKey>,
    /// The last number in it.
    last: u64,
    entries: HashMap<FdbKey, Entry>,
    /// The messages of entries that were sent last, oldest first.
    recent: VecDeque<Recent>,
    /// Not before then is another message of entries sent if nobody knows what was read.
    blind_until: Option<Instant>,
}

/// An entry that waits.
#[derive(Clone, Copy, Debug)]
struct Entry {
    record: FdbRecord,
    /// Its place in the order.
    number: u64,
    /// The server has nothing of this address that would have to go.
    is_new: bool,
}

/// Entries that were sent.
#[derive(Debug)]
struct Recent {
    at: Instant,
    added: Vec<(FdbKey, IfName)>,
}

/// What is sent next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum NextMessage {
    /// This message.
    Urgent(Vec<u8>),
    /// Entries.
    Entries(Vec<FdbRecord>),
}

impl Waiting {
    /// Something that waits for no entry.
    pub(super) fn push_urgent(&mut self, message: Vec<u8>) {
        self.urgent.push_back(message);
    }

    /// An entry, in the place of one that waits for the same address. A new one is of an address that the server was
    /// sent nothing of that is still to go, and has learned nothing of.
    pub(super) fn push_entry(&mut self, record: FdbRecord, new: &HashSet<FdbKey>) {
        let FdbRecord { vid, mac, .. } = record;
        let key = FdbKey { vid, mac };
        match self.entries.get_mut(&key) {
            Some(before) if before.is_new && record.op == RecordOp::Delete => {
                self.order.remove(&before.number);
                self.entries.remove(&key);
            }
            Some(before) => before.record = record,
            None => {
                self.last += 1;
                self.order.insert(self.last, key);
                let entry = Entry {
                    record,
                    number: self.last,
                    is_new: record.op == RecordOp::Add && new.contains(&key),
                };
                self.entries.insert(key, entry);
            }
        }
    }

    /// The server says that it has something of this address.
    pub(super) fn is_there(&mut self, key: &FdbKey) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.is_new = false;
        }
    }

    /// Number of urgent messages.
    pub(super) fn urgent(&self) -> usize {
        self.urgent.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.order.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What may be sent to a server that has so many bytes to read; none if nobody knows how many.
    pub(super) fn next(&mut self, unread: Option<u32>, now: Instant) -> Option<NextMessage> {
        if !self.urgent.is_empty() {
            let has_room = unread.is_none_or(|unread| unread <= MOST_UNREAD);
            let message = has_room.then(|| self.urgent.pop_front())?;
            return message.map(NextMessage::Urgent);
        }
        let is_turn = match unread {
            Some(unread) => unread == 0,
            None => self.blind_until.is_none_or(|until| until <= now),
        };
        if !is_turn || self.order.is_empty() {
            return None;
        }
        self.blind_until = Some(now + BLIND_GAP);
        let mut records = Vec::with_capacity(RECORDS_AT_ONCE);
        while records.len() < RECORDS_AT_ONCE
            && let Some((_, key)) = self.order.pop_first()
        {
            records.extend(self.entries.remove(&key).map(|entry| entry.record));
        }
        self.remember(&records, unread.is_none(), now);
        Some(NextMessage::Entries(records))
    }
}

impl Waiting {
    /// `is_blind`: nobody knows what the server has read.
    fn remember(&mut self, records: &[FdbRecord], is_blind: bool, now: Instant) {
        let added = records.iter().filter(|record| record.op == RecordOp::Add);
        let added = added.filter_map(|record| {
            let FdbRecord { vid, mac, port, .. } = *record;
            Some((FdbKey { vid, mac }, port?))
        });
        let added = added.collect();
        self.recent.push_back(Recent { at: now, added });
        let is_done = |sent: &Recent| !is_blind || sent.at + CARRIES_OUT <= now;
        while self.recent.len() > UNDONE && self.recent.front().is_some_and(is_done) {
            self.recent.pop_front();
        }
    }

    /// Whether the server may be about to forward this address to this port, as it was sent, be it that it was sent
    /// otherwise since. `is_read`: it has nothing to read.
    pub(super) fn may_be_carried_out(
        &self,
        key: &FdbKey,
        port: &IfName,
        is_read: impl Fn() -> bool,
        now: Instant,
    ) -> bool {
        let entry = (*key, *port);
        let sent = self.recent.iter();
        let mut sent = sent.filter(|recent| recent.added.contains(&entry));
        sent.any(|recent| now < recent.at + CARRIES_OUT || !is_read())
    }
}

#[cfg(test)]
mod tests {
    use mclag_proto::sync::v1::FdbKind;
    use mclag_proto::{Mac, Vid};
    use proptest::prelude::*;

    use super::*;

    fn record(last: u8, op: RecordOp) -> FdbRecord {
        FdbRecord {
            mac: Mac([2, 0, 0, 0, 0, last]),
            vid: Vid::DEFAULT,
            port: IfName::new("swp1").ok(),
            kind: FdbKind::Dynamic,
            op,
        }
    }

    fn entries(next: Option<NextMessage>) -> Vec<(u8, RecordOp)> {
        match next {
            Some(NextMessage::Entries(records)) => {
                records.iter().map(|r| (r.mac.0[5], r.op)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_urgent_goes_first_and_entries_when_all_was_read() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        for last in 0..20 {
            waiting.push_entry(record(last, RecordOp::Add), &HashSet::new());
        }
        waiting.push_urgent(vec![1]);
        waiting.push_urgent(vec![2]);
        assert_eq!(waiting.next(Some(MOST_UNREAD + 1), now), None);
        for message in [1, 2] {
            let urgent = NextMessage::Urgent(vec![message]);
            assert_eq!(waiting.next(Some(MOST_UNREAD), now), Some(urgent));
        }
        assert_eq!(waiting.next(Some(1), now), None);
        assert_eq!(entries(waiting.next(Some(0), now)).len(), RECORDS_AT_ONCE);
        assert_eq!(entries(waiting.next(Some(0), now)).len(), 4);
        assert!(waiting.is_empty());
        assert_eq!(waiting.next(Some(0), now), None);
    }

    #[test]
    fn of_an_address_only_the_last_wish_is_sent() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        waiting.push_entry(record(1, RecordOp::Add), &HashSet::new());
        waiting.push_entry(record(2, RecordOp::Add), &HashSet::new());
        waiting.push_entry(record(1, RecordOp::Delete), &HashSet::new());
        let last = [(1, RecordOp::Delete), (2, RecordOp::Add)];
        assert_eq!(entries(waiting.next(Some(0), now)), last);
        assert!(waiting.is_empty());
    }

    /// No more than such a server manages.
    #[test]
    fn a_server_of_which_nobody_knows_what_it_read_is_sent_64_entries_a_second() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        for last in 0..=255 {
            waiting.push_entry(record(last, RecordOp::Add), &HashSet::new());
        }
        let mut sent = 0;
        for ms in 0..1000 {
            let at = now + Duration::from_millis(ms);
            if let Some(next) = waiting.next(None, at) {
                sent += entries(Some(next)).len();
            }
        }
        assert_eq!(sent, 64);
        waiting.push_urgent(vec![1]);
        assert!(matches!(
            waiting.next(None, now),
            Some(NextMessage::Urgent(_))
        ));
    }

    fn key(last: u8) -> FdbKey {
        let FdbRecord { vid, mac, .. } = record(last, RecordOp::Add);
        FdbKey { vid, mac }
    }

    #[test]
    fn what_was_never_sent_is_not_taken_back() {
        let now = Instant::now();
        let mut waiting = Waiting::default();
        let new: HashSet<FdbKey> = [key(1), key(2)].into();
        for last in [1, 2, 3] {
            waiting.push_entry(record(last, RecordOp::Add), &new);
        }
        // The server has learned it meanwhile.
        waiting.is_there(&key(2));
        for last in [1, 2, 3] {
            waiting.push_entry(record(last, RecordOp::Delete), &new);
        }
        let left = [(2, RecordOp::Delete), (3, RecordOp::Delete)];
        assert_eq!(entries(waiting.next(Some(0), now)), left);
        assert!(waiting.is_empty());
    }

    /// Of the last two messages, as long as the server has something to read, and 5 s.
    #[test]
    fn an_entry_may_be_carried_out_until_the_server_is_done_with_it() {
        let now = Instant::now();
        let later = now + CARRIES_OUT;
        let mut waiting = Waiting::default();
        let swp1 = IfName::new("swp1").unwrap();
        let may = |waiting: &Waiting, last, is_read, at| {
            waiting.may_be_carried_out(&key(last), &swp1, || is_read, at)
        };
        let send = |waiting: &mut Waiting, last, op| {
            waiting.push_entry(record(last, op), &HashSet::new());
            assert!(waiting.next(Some(0), now).is_some());
        };
        assert!(!may(&waiting, 1, false, now), "was never sent");
        send(&mut waiting, 1, RecordOp::Add);
        assert!(may(&waiting, 1, true, now) && may(&waiting, 1, false, later));
        assert!(!may(&waiting, 1, true, later));
        let other = IfName::new("swp2").unwrap();
        assert!(!waiting.may_be_carried_out(&key(1), &other, || false, now));
        send(&mut waiting, 1, RecordOp::Delete);
        assert!(
            may(&waiting, 1, true, now),
            "it reads the deletion after that"
        );
        send(&mut waiting, 2, RecordOp::Delete);
        assert!(!may(&waiting, 1, false, now) && !may(&waiting, 2, false, now));
    }

    /// Input: of a server of which nobody knows what it has read, 10 s of entries. Output: each may be carried out for 5 s,
    /// and none is remembered for longer.
    #[test]
    fn an_entry_may_be_carried_out_for_five_seconds_where_nobody_knows_what_was_read() {
        let now = Instant::now();
        let swp1 = IfName::new("swp1").unwrap();
        let mut waiting = Waiting::default();
        for last in 0..40 {
            let at = now + BLIND_GAP * u32::from(last);
            waiting.push_entry(record(last, RecordOp::Add), &HashSet::new());
            assert!(waiting.next(None, at).is_some());
            let may = (0..=last)
                .filter(|last| waiting.may_be_carried_out(&key(*last), &swp1, || true, at));
            assert_eq!(may.count(), usize::from(last + 1).min(20), "at {last}");
            assert!(waiting.recent.len() <= 20);
        }
    }

    /// What happens to an address, or that the server reads.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Wanted(u8),
        Unwanted(u8),
        Learned(u8),
        Read,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0_u8..40).prop_map(Step::Wanted),
            6 => (0_u8..40).prop_map(Step::Unwanted),
            1 => (0_u8..40).prop_map(Step::Learned),
            1 => Just(Step::Read),
        ]
    }

    proptest! {
        /// Against a server that does what it is sent: in the end it has what is wanted and nothing that was wanted
        /// before, and nothing waits that is neither wanted nor something that the server has.
        #[test]
        fn a_server_has_what_is_wanted_in_the_end_and_no_more_waits_than_has_to(
            had in proptest::collection::hash_set(0_u8..40, 0..10),
            steps in proptest::collection::vec(step(), 0..400),
        ) {
            let now = Instant::now();
            let mut waiting = Waiting::default();
            // What an earlier connection left is to go, or is wanted still.
            let mut server: HashSet<u8> = had.clone();
            let mut named: HashSet<u8> = had;
            let mut wanted = named.clone();
            let mut learned: HashSet<u8> = HashSet::new();
            let read = |waiting: &mut Waiting, server: &mut HashSet<u8>, learned: &mut HashSet<u8>| {
                let next = waiting.next(Some(0), now);
                let is_more = next.is_some();
                for (last, op) in next.map(|next| entries(Some(next))).unwrap_or_default() {
                    match op {
                        RecordOp::Add => server.insert(last),
                        // It reports that as well.
                        RecordOp::Delete => learned.remove(&last) | server.remove(&last),
                    };
                }
                is_more
            };
            for step in steps {
                match step {
                    Step::Wanted(last) => {
                        let is_new = !named.contains(&last) && !learned.contains(&last);
                        let new = is_new.then(|| key(last)).into_iter().collect();
                        named.insert(last);
                        wanted.insert(last);
                        waiting.push_entry(record(last, RecordOp::Add), &new);
                    }
                    Step::Unwanted(last) if wanted.remove(&last) => {
                        named.remove(&last);
                        learned.remove(&last);
                        waiting.push_entry(record(last, RecordOp::Delete), &HashSet::new());
                    }
                    Step::Learned(last) => {
                        server.insert(last);
                        learned.insert(last);
                        waiting.is_there(&key(last));
                    }
                    Step::Read => drop(read(&mut waiting, &mut server, &mut learned)),
                    Step::Unwanted(_) => {}
                }
                for last in waiting.entries.keys().map(|key| key.mac.0[5]) {
                    prop_assert!(wanted.contains(&last) || server.contains(&last), "{last} waits");
                }
                prop_assert_eq!(waiting.entries.len(), waiting.order.len());
            }
            while read(&mut waiting, &mut server, &mut learned) {}
            let own: HashSet<u8> = server.difference(&learned).copied().collect();
            prop_assert!(own.is_subset(&wanted), "{own:?} {wanted:?}");
            prop_assert!(wanted.is_subset(&server), "{wanted:?} {server:?}");
        }
    }
}
