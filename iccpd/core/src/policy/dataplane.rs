//! Everything that depends on who the dataplane is, as one value chosen when it connects: what it can
//! do, what it has to be told, and in which order. Nothing else in the core asks for that.
//!
//! | | our `mclagsyncd` | a server of SONiC | a server of linux-mclag |
//! |---|---|---|---|
//! | reports activity of what it was given | yes | no | no |
//! | hears of addresses before *down* | no | yes | yes |
//! | redirects a port without carrier | where the kernel can | no | no |
//! | lets go of a hold when its port is gone | yes | no | never holds |
//! | answers a batch of any size in time | yes | no | no |

use crate::config::OnLoss;
use mclag_proto::sync::model::{Abilities, Section};
use mclag_proto::sync::v2::MAX_OPS_PER_BATCH;
use std::time::Duration;

/// Delay before an operation that was refused is tried again.
const REPAIR: Duration = Duration::from_secs(1);

/// Delay before one that is not supported as things are is tried again: it may be when something else changed.
const UNSUPPORTED: Duration = Duration::from_mins(1);

/// By now one that is at work has answered a batch ([`DataplanePolicy::ops_per_batch`]), also on a slow machine. A peer
/// that waits for it waits for less than its `ack-timeout`.
const ANSWER: Duration = Duration::from_secs(2);

/// Operations in a batch for a dataplane that another process carries out, which takes them one after the other and as
/// fast as it can. A larger batch would take it longer than [`ANSWER`] while it is at work; that it is shows where
/// something this small is answered.
const SMALL_BATCH: usize = 32;

/// Places of a batch that are kept for the marks of a snapshot.
const MARKS: usize = 2;

/// What there is to know of a dataplane.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DataplanePolicy {
    /// It redirects a port without carrier to the peer link by itself ([`Abilities::redirect`]).
    pub redirects: bool,
    /// It reports activity on the addresses that it was given, and knows what to do with those of a
    /// port that is down ([`Abilities::tracking`]); else both are decided here (`spec/behaviour.md` 9).
    pub reports_activity: bool,
    /// It can keep a port from carrying data while LACP runs ([`Abilities::hold`]).
    pub holds: bool,
    /// It is told how the pair stands ([`Abilities::pair`]).
    pub hears_pair: bool,
    /// It gives layer-3 interfaces another identity ([`Abilities::interfaces`]).
    pub keeps_interfaces: bool,
    /// It keeps neighbours ([`Abilities::neighbours`]).
    pub keeps_neighbours: bool,
    /// It is told this chassis' own MAC ([`Abilities::node_mac`]).
    pub hears_node_mac: bool,
    /// It remembers by name that a port is held, so a hold is taken back when the interface is gone
    /// (`spec/mclagsyncd-protocol.md` 4.6), as for a foreign server, which alone is told the MAC above.
    pub remembers_holds: bool,
    /// How long after it refused an operation that is tried again.
    pub repair_after: Duration,
    /// How long after it said that it does not support an operation that is tried again.
    pub unsupported_after: Duration,
    /// How long after a batch, or after the answer to the one before, it is taken for one that does not answer, and how
    /// long it may be gone before nothing is expected of it.
    pub answers_within: Duration,
    /// Batches that it takes before the first is answered, at least 1.
    pub window: usize,
    /// Most operations in a batch.
    pub ops_per_batch: usize,
}

impl DataplanePolicy {
    /// The policy for a dataplane that says this of itself.
    #[must_use]
    pub fn of(abilities: Abilities, window: u32) -> Self {
        let Abilities {
            redirect,
            tracking,
            hold,
            pair,
            interfaces,
            neighbours,
            node_mac,
        } = abilities;
        Self {
            redirects: redirect,
            reports_activity: tracking,
            holds: hold,
            hears_pair: pair,
            keeps_interfaces: interfaces,
            keeps_neighbours: neighbours,
            hears_node_mac: node_mac,
            remembers_holds: node_mac,
            repair_after: REPAIR,
            unsupported_after: UNSUPPORTED,
            answers_within: ANSWER,
            window: usize::try_from(window.max(1)).unwrap_or(usize::MAX),
            ops_per_batch: if tracking {
                MAX_OPS_PER_BATCH
            } else {
                SMALL_BATCH
            },
        }
    }

    /// It hears of the addresses that a session leaves behind before it hears that the session is gone
    /// (`spec/behaviour.md` 6.6). One that tracks them by itself hears of the ports first; so does any
    /// where addresses outlive the session: there is nothing to be taken back.
    #[must_use]
    pub fn hears_addresses_before_down(self, on_loss: OnLoss) -> bool {
        !self.reports_activity && on_loss == OnLoss::Release
    }

    /// One more batch may be sent while so many are not answered.
    #[must_use]
    pub const fn takes_batch(self, unanswered: usize) -> bool {
        unanswered < self.window
    }

    /// A table may be part of the batch: half of the window is kept for the ports, since a failover does
    /// not wait behind a table.
    #[must_use]
    pub const fn takes_table(self, unanswered: usize) -> bool {
        unanswered <= self.window / 2
    }

    /// Room for a table in a batch of so many operations.
    #[must_use]
    pub const fn room_for_table(self, operations: usize) -> usize {
        self.ops_per_batch.saturating_sub(operations + MARKS)
    }

    /// The sections that it has, in the order in which a chassis that leaves empties them.
    pub fn sections(self) -> impl Iterator<Item = Section> {
        let sections = [
            (Section::Ports, true),
            (Section::Interfaces, self.keeps_interfaces),
            (Section::Fdb, true),
            (Section::Neighbours, self.keeps_neighbours),
            (Section::Pair, self.hears_pair),
        ];
        sections
            .into_iter()
            .filter_map(|(section, has)| has.then_some(section))
    }
}

/// Of one that was never there: it can do nothing, and takes nothing away.
impl Default for DataplanePolicy {
    fn default() -> Self {
        let tracking = true;
        let abilities = Abilities::default();
        Self::of(
            Abilities {
                tracking,
                ..abilities
            },
            1,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Abilities = Abilities {
        redirect: false,
        tracking: false,
        hold: false,
        pair: false,
        interfaces: false,
        neighbours: false,
        node_mac: false,
    };

    #[test]
    fn what_each_kind_of_dataplane_is_told_and_waited_for() {
        let ours = Abilities {
            redirect: true,
            tracking: true,
            hold: true,
            ..NONE
        };
        let server = Abilities {
            hold: true,
            pair: true,
            interfaces: true,
            ..NONE
        };
        // What it says; strict and otherwise, addresses before *down*; its sections.
        let rows = [
            (ours, (false, false), "Ports Fdb"),
            (NONE, (true, false), "Ports Fdb"),
            (server, (true, false), "Ports Interfaces Fdb Pair"),
            (
                Abilities {
                    neighbours: true,
                    pair: true,
                    ..ours
                },
                (false, false),
                "Ports Fdb Neighbours Pair",
            ),
        ];
        for (abilities, (strict, hold), sections) in rows {
            let policy = DataplanePolicy::of(abilities, 8);
            let first = |on_loss| policy.hears_addresses_before_down(on_loss);
            assert_eq!(
                (first(OnLoss::Release), first(OnLoss::Hold)),
                (strict, hold)
            );
            let names: Vec<String> = policy.sections().map(|s| format!("{s:?}")).collect();
            assert_eq!(names.join(" "), sections);
        }
    }

    /// Window; unanswered; whether one more batch, and a table in it, may be sent.
    #[test]
    fn half_of_the_window_is_kept_for_the_ports() {
        for (window, unanswered, batch, table) in [
            (0, 0, true, true),
            (0, 1, false, false),
            (1, 0, true, true),
            (8, 4, true, true),
            (8, 5, true, false),
            (8, 7, true, false),
            (8, 8, false, false),
        ] {
            let policy = DataplanePolicy::of(NONE, window);
            let takes = (
                policy.takes_batch(unanswered),
                policy.takes_table(unanswered),
            );
            assert_eq!(takes, (batch, table), "{window} {unanswered}");
        }
        // Also beside another process, for which batches are small.
        for (tracking, most) in [(true, 256), (false, 32)] {
            let policy = DataplanePolicy::of(Abilities { tracking, ..NONE }, 8);
            assert_eq!(policy.ops_per_batch, most);
            let room = |operations| policy.room_for_table(operations);
            assert_eq!(
                (room(0), room(most - 3), room(most - 2), room(most)),
                (most - 2, 1, 0, 0)
            );
        }
    }
}
