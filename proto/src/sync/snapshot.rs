//! The receiving side of a snapshot: mark and sweep. What a complete snapshot did not name is gone;
//! until it is complete nothing is, however it was interrupted.

use std::collections::HashSet;
use std::hash::Hash;

/// What a snapshot that is under way has named, of a table with keys `K`.
#[derive(Clone, Debug)]
pub struct Snapshot<K>(Option<HashSet<K>>);

/// What a complete snapshot named.
#[derive(Clone, Debug)]
pub struct Named<K>(HashSet<K>);

impl<K> Default for Snapshot<K> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Eq + Hash> Snapshot<K> {
    /// A snapshot begins. One that did not end is forgotten.
    pub fn begin(&mut self) {
        self.0 = Some(HashSet::new());
    }

    /// True between begin and end.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// The key is in the table. Does nothing outside a snapshot.
    pub fn name(&mut self, key: K) {
        if let Some(named) = &mut self.0 {
            named.insert(key);
        }
    }

    /// True if the snapshot that is under way has named the key.
    #[must_use]
    pub fn has_named(&self, key: &K) -> bool {
        self.0.as_ref().is_some_and(|named| named.contains(key))
    }

    /// The key, which may have been named, has left the table.
    pub fn withdraw(&mut self, key: &K) {
        if let Some(named) = &mut self.0 {
            named.remove(key);
        }
    }

    /// The snapshot is complete; none if none had begun, and then nothing is gone.
    pub fn end(&mut self) -> Option<Named<K>> {
        self.0.take().map(Named)
    }

    /// The snapshot will not be completed.
    pub fn abandon(&mut self) {
        self.0 = None;
    }
}

impl<K: Eq + Hash> Named<K> {
    /// True if the snapshot named the key.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.0.contains(key)
    }

    /// The keys among `known` that are gone.
    pub fn unnamed<'a>(&self, known: impl Iterator<Item = &'a K>) -> Vec<K>
    where
        K: Copy + 'a,
    {
        known.filter(|key| !self.contains(key)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_complete_snapshot_did_not_name_is_gone() {
        let mut snapshot = Snapshot::default();
        snapshot.begin();
        snapshot.name(1);
        snapshot.name(2);
        snapshot.withdraw(&2);
        let named = snapshot.end().unwrap();
        assert!(named.contains(&1));
        assert_eq!(named.unnamed([1, 2, 3].iter()), [2, 3]);
        assert!(!snapshot.is_under_way());
    }

    #[test]
    fn a_snapshot_that_did_not_begin_or_was_abandoned_ends_nothing() {
        let mut snapshot = Snapshot::default();
        snapshot.name(1);
        assert!(snapshot.end().is_none());
        snapshot.begin();
        snapshot.name(1);
        snapshot.abandon();
        assert!(!snapshot.is_under_way());
        assert!(snapshot.end().is_none());
    }

    #[test]
    fn a_snapshot_that_begins_anew_forgets_what_the_interrupted_one_named() {
        let mut snapshot = Snapshot::default();
        snapshot.begin();
        snapshot.name(1);
        snapshot.begin();
        snapshot.name(2);
        let named = snapshot.end().unwrap();
        assert_eq!(named.unnamed([1, 2].iter()), [1]);
    }
}
