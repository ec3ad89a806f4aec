//! How entries are kept: in order, and packed as the layout of the table has it.

use super::{Entry, Policy};
use std::collections::{BTreeMap, btree_map};
use std::fmt::Debug;
use std::ops::{Bound, Deref, DerefMut, RangeBounds};

/// How an entry is kept in memory. Whoever reads gets a copy; what is changed in an [`Open`] one is
/// packed again.
pub(crate) trait Layout<E>: Clone + Debug + Default {
    /// An entry as it is kept.
    type Packed: Clone + Debug + Default;

    /// Pack an entry.
    fn pack(&mut self, entry: &E) -> Self::Packed;

    /// The entry that was packed.
    fn unpack(&self, packed: &Self::Packed) -> E;

    /// The peer alone observes it. Asked of many entries, and so of packed ones.
    fn is_remote_only(packed: &Self::Packed) -> bool;

    /// What was packed is not kept any longer.
    fn release(&mut self, packed: &Self::Packed);
}

/// Entries are kept as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plain;

impl<P: Policy> Layout<Entry<P>> for Plain {
    type Packed = Entry<P>;

    fn pack(&mut self, entry: &Entry<P>) -> Entry<P> {
        entry.clone()
    }

    fn unpack(&self, packed: &Entry<P>) -> Entry<P> {
        packed.clone()
    }

    fn is_remote_only(packed: &Entry<P>) -> bool {
        packed.local.is_none() && packed.remote.is_some()
    }

    fn release(&mut self, _: &Entry<P>) {}
}

/// Entries by key, in order.
#[derive(Clone, Debug)]
pub(super) struct Store<P: Policy> {
    entries: BTreeMap<P::Key, <P::Layout as Layout<Entry<P>>>::Packed>,
    pub(super) layout: P::Layout,
    observed: Observed,
}

/// How many entries are observed by whom.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observed {
    /// By this chassis.
    pub(super) local: usize,
    /// By the peer alone.
    pub(super) remote: usize,
}

impl Observed {
    pub(super) const fn sum(self) -> usize {
        self.local + self.remote
    }

    const fn count<P: Policy>(&mut self, entry: &Entry<P>) -> Option<&mut usize> {
        match (&entry.local, &entry.remote) {
            (Some(_), _) => Some(&mut self.local),
            (None, Some(_)) => Some(&mut self.remote),
            (None, None) => None,
        }
    }

    /// An entry changed.
    const fn note<P: Policy>(&mut self, before: &Entry<P>, now: &Entry<P>) {
        if let Some(count) = self.count(before) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.count(now) {
            *count = count.saturating_add(1);
        }
    }
}

/// An entry that may be changed.
#[derive(Debug)]
struct Open<'a, P: Policy> {
    entry: Entry<P>,
    before: Entry<P>,
    packed: &'a mut <P::Layout as Layout<Entry<P>>>::Packed,
    layout: &'a mut P::Layout,
    observed: &'a mut Observed,
}

impl<P: Policy> Default for Store<P> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            layout: P::Layout::default(),
            observed: Observed::default(),
        }
    }
}

impl<P: Policy> Store<P> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn observed(&self) -> Observed {
        self.observed
    }

    pub(super) fn contains(&self, key: &P::Key) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn get(&self, key: &P::Key) -> Option<Entry<P>> {
        Some(self.layout.unpack(self.entries.get(key)?))
    }

    /// Change an entry, if there is one.
    pub(super) fn change<T>(
        &mut self,
        key: &P::Key,
        change: impl FnOnce(&mut Entry<P>) -> T,
    ) -> Option<T> {
        let packed = self.entries.get_mut(key)?;
        Some(change(&mut Open::new(
            packed,
            &mut self.layout,
            &mut self.observed,
        )))
    }

    /// Change an entry, an idle one if there was none.
    pub(super) fn change_or_add<T>(
        &mut self,
        key: P::Key,
        change: impl FnOnce(&mut Entry<P>) -> T,
    ) -> T {
        let packed = self.entries.entry(key).or_default();
        change(&mut Open::new(packed, &mut self.layout, &mut self.observed))
    }

    /// Change an entry, if there is one, and drop it when nothing is left of it.
    pub(super) fn settle<T>(
        &mut self,
        key: P::Key,
        change: impl FnOnce(&mut Entry<P>) -> T,
    ) -> Option<T> {
        let btree_map::Entry::Occupied(mut place) = self.entries.entry(key) else {
            return None;
        };
        let mut open = Open::new(place.get_mut(), &mut self.layout, &mut self.observed);
        let result = change(&mut open);
        let is_idle = open.is_idle();
        drop(open);
        if is_idle {
            self.layout.release(&place.remove());
        }
        Some(result)
    }

    /// Change the entries in a range that `concerned` picks, in order, until told to stop.
    pub(super) fn change_range(
        &mut self,
        range: impl RangeBounds<P::Key>,
        concerned: impl Fn(&<P::Layout as Layout<Entry<P>>>::Packed) -> bool,
        mut change: impl FnMut(P::Key, &mut Entry<P>) -> bool,
    ) {
        for (key, packed) in self.entries.range_mut(range) {
            if concerned(packed)
                && !change(
                    *key,
                    &mut Open::new(packed, &mut self.layout, &mut self.observed),
                )
            {
                return;
            }
        }
    }

    /// Change each entry.
    pub(super) fn change_all(&mut self, mut change: impl FnMut(P::Key, &mut Entry<P>)) {
        for (key, packed) in &mut self.entries {
            change(
                *key,
                &mut Open::new(packed, &mut self.layout, &mut self.observed),
            );
        }
    }

    /// The entries behind `after`, in order.
    pub(super) fn iter(&self, after: Option<P::Key>) -> impl Iterator<Item = (P::Key, Entry<P>)> {
        let entries = self.entries.range((behind(after), Bound::Unbounded));
        entries.map(|(key, packed)| (*key, self.layout.unpack(packed)))
    }
}

pub(super) fn behind<K>(after: Option<K>) -> Bound<K> {
    after.map_or(Bound::Unbounded, Bound::Excluded)
}

impl<'a, P: Policy> Open<'a, P> {
    fn new(
        packed: &'a mut <P::Layout as Layout<Entry<P>>>::Packed,
        layout: &'a mut P::Layout,
        observed: &'a mut Observed,
    ) -> Self {
        let entry = layout.unpack(packed);
        Self {
            before: entry.clone(),
            entry,
            packed,
            layout,
            observed,
        }
    }
}

impl<P: Policy> Deref for Open<'_, P> {
    type Target = Entry<P>;

    fn deref(&self) -> &Entry<P> {
        &self.entry
    }
}

impl<P: Policy> DerefMut for Open<'_, P> {
    fn deref_mut(&mut self) -> &mut Entry<P> {
        &mut self.entry
    }
}

impl<P: Policy> Drop for Open<'_, P> {
    fn drop(&mut self) {
        if self.entry == self.before {
            return;
        }
        self.observed.note(&self.before, &self.entry);
        // First the new one, so that a name that stays is not given back meanwhile.
        let packed = self.layout.pack(&self.entry);
        let before = std::mem::replace(self.packed, packed);
        self.layout.release(&before);
    }
}
