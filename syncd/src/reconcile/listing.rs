//! A forwarding table that is being listed while other things happen.
//!
//! The dataplane goes on with a listing by position, so that one under churn may pass over entries that are there.
//! What happened since it began counts more than what it says, and what it did not name is looked up singly
//! before it counts as gone.

use std::collections::{BTreeSet, HashSet, VecDeque};

use mclag_proto::IfName;
use mclag_proto::sync::model::{Event, FdbKey, OpError};

use super::reasons::EntryReason;
use super::retry::reason_to_look;
use super::{MAX_AT_ONCE, Reconciler};
use crate::dataplane::{Actual, EntryKind, FdbEntry};

/// How far the listing of the table has come.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Keys of which it is known what they are now.
    known: HashSet<FdbKey>,
    /// What the client asked to forget of what was learned, on a port or everywhere.
    flushed: BTreeSet<Option<IfName>>,
    /// Keys that the complete listing did not name.
    unnamed: VecDeque<FdbKey>,
    has_ended: bool,
}

impl Listing {
    pub(super) fn know(&mut self, key: FdbKey) {
        self.known.insert(key);
    }

    pub(super) fn flush(&mut self, port: Option<IfName>) {
        self.flushed.insert(port);
    }

    /// Whether there is something to look up although nothing happens.
    pub(super) fn has_unnamed(&self) -> bool {
        !self.unnamed.is_empty()
    }
}

impl Reconciler {
    /// Take in a fresh picture of the dataplane but for the table, which is being listed. What is believed of it
    /// stays until it is known better.
    pub fn adopt_without_table(&mut self, mut actual: Actual) {
        if actual.bridge == self.actual.bridge {
            actual.fdb = std::mem::take(&mut self.actual.fdb);
        }
        self.adopt_all_but_table(actual);
        self.listing = Some(Listing::default());
    }

    /// Whether the table is being listed.
    #[must_use]
    pub const fn is_listing(&self) -> bool {
        self.listing.is_some()
    }

    /// Take in a piece of the listing. Answers what is to be told to the client.
    pub fn take_piece(&mut self, entries: &[(FdbKey, FdbEntry)], is_last: bool) -> Vec<Event> {
        let mut events = Vec::new();
        for (key, entry) in entries {
            let Some(listing) = &mut self.listing else {
                return events;
            };
            if listing.known.insert(*key) {
                let FdbEntry { port, kind } = *entry;
                let flushed = &listing.flushed;
                let is_flushed = flushed.contains(&None) || flushed.contains(&Some(port));
                events.extend(self.learn(*key, Some(*entry)));
                if is_flushed && kind == EntryKind::Dynamic {
                    self.pending.insert_if_new(*key, EntryReason::Flush);
                }
            }
        }
        if is_last && let Some(listing) = &mut self.listing {
            let believed = self.actual.fdb.keys().chain(self.wanted.entries());
            let unnamed: BTreeSet<FdbKey> = believed
                .filter(|key| !listing.known.contains(key))
                .copied()
                .collect();
            listing.unnamed = unnamed.into_iter().collect();
            listing.has_ended = true;
            self.finish_listing();
        }
        events
    }

    /// Keys that have to be looked up singly before the next plan: those that the client asked for and those of
    /// layer-3 interfaces, if nobody named them yet, and a share of those that the complete listing did not name.
    pub fn keys_to_look_up(&mut self) -> Vec<FdbKey> {
        let own = self.own_addresses();
        let Some(listing) = &mut self.listing else {
            return Vec::new();
        };
        let asked = self.asked.iter().filter_map(|asked| asked.subjects.entry());
        let needed = asked.chain(own);
        let mut keys: BTreeSet<FdbKey> =
            needed.filter(|key| !listing.known.contains(key)).collect();
        let all = keys.len() + MAX_AT_ONCE;
        while keys.len() < all
            && let Some(key) = listing.unnamed.pop_front()
        {
            if !listing.known.contains(&key) {
                keys.insert(key);
            }
        }
        keys.into_iter().collect()
    }

    /// Take in what these keys are: one answer for each, in order. Answers what is to be told to the client.
    pub fn looked_up(
        &mut self,
        keys: &[FdbKey],
        found: &[Result<Option<FdbEntry>, OpError>],
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for (key, found) in keys.iter().zip(found) {
            let Some(listing) = &mut self.listing else {
                return events;
            };
            listing.know(*key);
            // Of one that cannot be looked up is believed what was.
            if let Ok(entry) = found {
                events.extend(self.learn(*key, *entry));
            }
        }
        self.finish_listing();
        events
    }

    /// Addresses of layer-3 interfaces, as they are to be and as they were made.
    fn own_addresses(&self) -> Vec<FdbKey> {
        if self.listing.is_none() {
            return Vec::new();
        }
        let made = self
            .originals
            .ports()
            .map(|name| self.originals.of(name).local);
        let made = made.flatten().map(|local| local.key());
        self.wanted_local().chain(made).collect()
    }

    fn learn(&mut self, key: FdbKey, entry: Option<FdbEntry>) -> Option<Event> {
        let is_ours = entry.is_some_and(|entry| entry.is_ours());
        let event = self.observe_entry(key, entry);
        self.retry.remove(&key);
        if is_ours || self.wanted.entry(&key).is_some() {
            let reason = reason_to_look(&self.waiting, &key);
            self.pending.insert_if_new(key, reason);
        }
        event
    }

    fn finish_listing(&mut self) {
        let is_complete = |listing: &Listing| listing.has_ended && listing.unnamed.is_empty();
        self.listing.take_if(|listing| is_complete(listing));
    }
}
