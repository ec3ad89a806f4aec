//! What waits for a server that takes no more than it reads, and what is sent next.
//!
//! `mclagsyncd.py` of linux-mclag starts a program for each forwarding entry, some 64 a second, in the order in which it was
//! sent them, and loses the rest of what it was sent when about 64 kB wait (`spec/mclagsyncd-protocol.md` 12, item
//! 4). So entries wait here, where a newer one replaces an older one of the same address, and are sent a few at
//! a time, when the ones before were read. Everything else is urgent and goes first.
//!
//! When an isolation list is sent, the server may be busy with [`RECORDS_AT_ONCE`] entries, and as many wait in its
//! socket: half a second. Pure: no I/O, no clock.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use mclag_proto::sync::model::FdbKey;
use mclag_proto::sync::v1::FdbRecord;
use tokio::time::Instant;

/// Entries in one message: a quarter of a second of that server's work.
pub(super) const RECORDS_AT_ONCE: usize = 16;

/// Bytes that may wait to be read, of the 64 kB that it takes, and a message of 4 kB more.
const MOST_UNREAD: u32 = 32 * 1024;

/// Time between messages of entries to a server of which nobody knows what it has read.
const BLIND_GAP: Duration = Duration::from_millis(250);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    urgent: VecDeque<Vec<u8>>,
    /// Keys of the entries, oldest first.
    order: VecDeque<FdbKey>,
    entries: HashMap<FdbKey, FdbRecord>,
    /// Not before then is another message of entries sent if nobody knows what was read.
    blind_until: Option<Instant>,
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

    /// An entry, in the place of one that waits for the same address.
    pub(super) fn push_entry(&mut self, record: FdbRecord) {
        let FdbRecord { vid, mac, .. } = record;
        let key = FdbKey { vid, mac };
        if self.entries.insert(key, record).is_none() {
            self.order.push_back(key);
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
        let count = self.order.len().min(RECORDS_AT_ONCE);
        let keys = self.order.drain(..count);
        let records = keys.filter_map(|key| self.entries.remove(&key));
        Some(NextMessage::Entries(records.collect()))
    }
}

#[cfg(test)]
mod tests {
    use mclag_proto::sync::v1::{FdbKind, RecordOp};
    use mclag_proto::{IfName, Mac, Vid};

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
            waiting.push_entry(record(last, RecordOp::Add));
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
        waiting.push_entry(record(1, RecordOp::Add));
        waiting.push_entry(record(2, RecordOp::Add));
        waiting.push_entry(record(1, RecordOp::Delete));
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
            waiting.push_entry(record(last, RecordOp::Add));
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
}
