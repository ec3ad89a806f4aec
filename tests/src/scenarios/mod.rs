//! The scenarios, one file per subject.

mod addresses;
mod broken;
mod chaos;
mod composed;
mod console;
mod counting;
mod delivery;
mod dialects;
mod failover;
mod flows;
mod ground;
mod kernel_tests;
mod lacp;
mod legacy;
mod neighbours;
mod pair;
mod restarts;
mod spanning_tree;
mod static_lag;
mod team;
mod units;

use crate::scenario::Scenario;

/// All scenarios, in the order in which they run: simple ones first, so that the first failure is the telling one.
#[must_use]
pub fn all() -> Vec<Scenario> {
    [
        ground::SCENARIOS,
        console::SCENARIOS,
        kernel_tests::SCENARIOS,
        counting::SCENARIOS,
        lacp::SCENARIOS,
        pair::SCENARIOS,
        delivery::SCENARIOS,
        addresses::SCENARIOS,
        crate::measure::SMOKE,
        failover::SCENARIOS,
        neighbours::SCENARIOS,
        restarts::SCENARIOS,
        spanning_tree::SCENARIOS,
        static_lag::SCENARIOS,
        team::SCENARIOS,
        dialects::SCENARIOS,
        composed::SCENARIOS,
        legacy::SCENARIOS,
        units::SCENARIOS,
    ]
    .concat()
}

/// Scenarios that run only when they are named: what they find depends on how long they run.
#[must_use]
pub fn on_request() -> Vec<Scenario> {
    [chaos::SCENARIOS, delivery::ON_REQUEST].concat()
}

/// Scenarios that fail on purpose, for the lab's test of itself. The kernel's panic is for a virtual machine only.
#[must_use]
pub fn broken() -> Vec<Scenario> {
    broken::SCENARIOS.to_vec()
}
