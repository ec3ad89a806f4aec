//! How far a snapshot has come, and what that means for a repetition of what it said.

use mclag_proto::sync::model::{Op, Section};

/// How far the snapshots of a section have come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Progress {
    /// None was ever complete, and none is under way: what is said takes nothing away.
    #[default]
    None,
    /// The client is saying one: what it has yet to name it will say itself.
    UnderWay,
    /// The last one was complete: what the dataplane has beside it is to go.
    Complete,
}

impl Progress {
    pub(super) const fn of(is_under_way: bool, was_complete: bool) -> Self {
        match (is_under_way, was_complete) {
            (true, _) => Self::UnderWay,
            (false, true) => Self::Complete,
            (false, false) => Self::None,
        }
    }

    /// A table, each operation with whether the snapshot under way has named it: what it has not is
    /// still wanted, and said in front of it.
    pub(super) fn replay(
        self,
        section: Section,
        items: impl Iterator<Item = (bool, Op)>,
    ) -> Vec<Op> {
        let (begin, end) = (Op::SnapshotBegin(section), Op::SnapshotEnd(section));
        let (named, rest): (Vec<_>, Vec<_>) = items.partition(|(is_named, _)| *is_named);
        let (named, rest) = (named.into_iter(), rest.into_iter());
        let (named, rest) = (named.map(|(_, op)| op), rest.map(|(_, op)| op));
        match self {
            Self::None => rest.collect(),
            Self::UnderWay => rest.chain([begin]).chain(named).collect(),
            Self::Complete => [begin].into_iter().chain(rest).chain([end]).collect(),
        }
    }
}
