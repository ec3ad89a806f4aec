//! What must not be opened because what protects it failed.

use std::collections::HashSet;

use super::{Action, Subject};

/// Subjects of a plan for which an action that protects failed.
#[derive(Clone, Debug, Default)]
pub struct Unprotected(HashSet<Subject>);

impl Unprotected {
    /// Take note of an action that failed.
    pub fn note(&mut self, failed: &Action) {
        if failed.protects() {
            self.0.insert(failed.subject());
        }
    }

    /// Whether this action would open what could not be protected. Without a filter nothing is.
    #[must_use]
    pub fn withholds(&self, action: &Action) -> bool {
        action.opens() && (self.0.contains(&action.subject()) || self.0.contains(&Subject::Domain))
    }
}
