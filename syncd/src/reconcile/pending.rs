//! Keys that wait to be looked at, in the order in which they came: a change that comes again and again waits
//! its turn, so that under churn of some keys no other waits for ever.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// Keys that wait, each with the reason for it.
#[derive(Debug)]
pub(super) struct Pending<K, R> {
    /// May name keys that wait no more.
    order: VecDeque<K>,
    reasons: HashMap<K, R>,
}

impl<K, R> Default for Pending<K, R> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            reasons: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash + Ord, R> Pending<K, R> {
    /// The key waits for this reason, whatever it waited for before. It keeps its place.
    pub(super) fn insert(&mut self, key: K, reason: R) {
        if self.reasons.insert(key, reason).is_none() {
            self.order.push_back(key);
        }
    }

    /// The key waits for this reason if it does not wait for another.
    pub(super) fn insert_if_new(&mut self, key: K, reason: R) {
        if !self.reasons.contains_key(&key) {
            self.insert(key, reason);
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&R> {
        self.reasons.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut R> {
        self.reasons.get_mut(key)
    }

    /// Why each waits, in no order.
    pub(super) fn reasons_mut(&mut self) -> impl Iterator<Item = &mut R> {
        self.reasons.values_mut()
    }

    /// Those that wait, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &R)> {
        self.reasons.iter()
    }

    /// Only these go on waiting.
    pub(super) fn retain(&mut self, is_meant: impl Fn(&K) -> bool) {
        self.reasons.retain(|key, _| is_meant(key));
        self.order.retain(|key| is_meant(key));
    }

    pub(super) fn len(&self) -> usize {
        self.reasons.len()
    }

    /// Whose turn it is: of these all that wait, and so many of the others.
    pub(super) fn take(&mut self, first: impl Iterator<Item = K>, others: usize) -> BTreeMap<K, R> {
        let mut taken = BTreeMap::new();
        for key in first {
            if let Some(reason) = self.reasons.remove(&key) {
                taken.insert(key, reason);
            }
        }
        let all = taken.len().saturating_add(others);
        while taken.len() < all
            && let Some(key) = self.order.pop_front()
        {
            if let Some(reason) = self.reasons.remove(&key) {
                taken.insert(key, reason);
            }
        }
        if self.reasons.is_empty() {
            self.order = VecDeque::new();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input: low keys change before each turn. Output: a high one has its turn when it is due.
    #[test]
    fn under_churn_of_low_keys_a_high_one_has_its_turn() {
        let mut pending = Pending::default();
        (0..100).for_each(|key| pending.insert(key, 'a'));
        pending.insert(1000, 'z');
        let mut turns = 0;
        loop {
            turns += 1;
            let taken = pending.take(std::iter::empty(), 10);
            assert_eq!(taken.len(), 10);
            if taken.get(&1000) == Some(&'z') {
                break;
            }
            (0..100).for_each(|key| pending.insert(key, 'b'));
        }
        assert_eq!(turns, 11);
    }

    #[test]
    fn who_is_asked_for_does_not_wait_and_nobody_has_two_turns() {
        let mut pending = Pending::default();
        (0..5).for_each(|key| pending.insert(key, 'a'));
        pending.insert_if_new(4, 'b');
        pending.insert(3, 'c');
        let taken = pending.take([4, 3, 9].into_iter(), 1);
        assert_eq!(taken, BTreeMap::from([(0, 'a'), (3, 'c'), (4, 'a')]));
        pending.insert(4, 'd');
        let taken = pending.take(std::iter::empty(), 9);
        assert_eq!(taken, BTreeMap::from([(1, 'a'), (2, 'a'), (4, 'd')]));
        assert_eq!(pending.len(), 0);
    }
}
