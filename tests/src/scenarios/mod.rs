//! The scenarios, one file per subject.

mod ground;

use crate::scenario::Scenario;

/// All scenarios, in the order in which they run: simple ones first, so that the first failure is the telling one.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [ground::SCENARIOS].concat()
}
