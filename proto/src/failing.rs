//! What keeps failing, so that it is logged when it begins, when it changes and when it ends, and not each time.

use std::collections::HashMap;
use std::hash::Hash;

/// Things that failed when they were done last, each with what it failed with.
#[derive(Clone, Debug)]
pub struct Failing<K> {
    known: HashMap<K, String>,
    limit: usize,
}

impl<K> Default for Failing<K> {
    /// Remembers some thousand.
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            limit: 4096,
        }
    }
}

impl<K: Eq + Hash> Failing<K> {
    /// Remembers up to so many at a time; of more, none is news.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            known: HashMap::new(),
            limit,
        }
    }

    /// It failed with this. True if that is news: it did not fail last time, or with something else.
    pub fn failed(&mut self, what: K, text: &str) -> bool {
        let is_full = self.known.len() >= self.limit;
        match self.known.get_mut(&what) {
            Some(known) if known == text => false,
            Some(known) => {
                text.clone_into(known);
                true
            }
            None if is_full => false,
            None => {
                self.known.insert(what, text.to_owned());
                true
            }
        }
    }

    /// It was done. Answers what it failed with until now, if it did.
    pub fn done(&mut self, what: &K) -> Option<String> {
        match self.known.is_empty() {
            true => None,
            false => self.known.remove(what),
        }
    }

    /// Whether anything is known to fail.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_news_when_it_begins_and_changes_and_its_end_is_said_once() {
        let mut failing = Failing::new(8);
        assert!(failing.is_empty());
        assert_eq!(failing.done(&"a"), None);
        let failed: Vec<bool> = ["busy", "busy", "denied", "denied", "busy"]
            .map(|text| failing.failed("a", text))
            .into();
        assert_eq!(failed, [true, false, true, false, true]);
        assert!(failing.failed("b", "busy"), "another one");
        assert_eq!(failing.done(&"a"), Some("busy".to_owned()));
        assert_eq!(failing.done(&"a"), None);
        assert!(failing.failed("a", "busy"), "it begins again");
        assert!(failing.done(&"a").is_some() && failing.done(&"b").is_some());
        assert!(failing.is_empty());
    }

    #[test]
    fn of_more_than_can_be_remembered_none_is_news_until_one_ends() {
        let mut failing = Failing::new(2);
        let failed: Vec<bool> = [1, 2, 3, 3].map(|what| failing.failed(what, "busy")).into();
        assert_eq!(failed, [true, true, false, false]);
        assert!(failing.failed(1, "denied"), "known ones change");
        assert!(failing.done(&2).is_some());
        assert!(failing.failed(3, "busy"));
    }
}
