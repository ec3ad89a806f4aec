//! Keys that wait to be looked at, in rounds: what comes new during a round waits for the next, so
//! that under steady change of some keys no other waits for ever. Within a round the order is that
//! of the keys.

use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub(super) struct Queue<K> {
    round: BTreeSet<K>,
    next: BTreeSet<K>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        let (round, next) = (BTreeSet::new(), BTreeSet::new());
        Self { round, next }
    }
}

impl<K: Ord> Queue<K> {
    pub(super) fn insert(&mut self, key: K) {
        if self.round.is_empty() || !self.round.contains(&key) {
            self.next.insert(key);
        }
    }

    /// Insert many at once, which takes less room.
    pub(super) fn extend(&mut self, keys: Vec<K>) {
        let round = &self.round;
        let keys = keys.into_iter().filter(|key| !round.contains(key));
        self.next.append(&mut keys.collect());
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.round.remove(key);
        self.next.remove(key);
    }

    pub(super) fn pop(&mut self) -> Option<K> {
        if self.round.is_empty() {
            std::mem::swap(&mut self.round, &mut self.next);
        }
        self.round.pop_first()
    }

    pub(super) fn clear(&mut self) {
        self.round.clear();
        self.next.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.round.len() + self.next.len()
    }
}
