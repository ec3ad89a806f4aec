//! Entries that a dataplane which came back has yet to be told, in shares: what is urgent, such as the
//! isolation of a port, does not wait for a whole table.

use mclag_proto::sync::model::{FdbKey, FdbWant, Op, Section};

use super::progress::Progress;

/// Most entries of a share.
pub(super) const SHARE: usize = 512;

/// Entries that are yet to be said. By default there are none.
#[derive(Debug, Default)]
pub struct Owed {
    /// The dataplane is yet to be told that they are all.
    pub(super) begins: bool,
    pub(super) keys: Vec<FdbKey>,
    /// How far the client's snapshots have come, which decides how the entries end.
    pub(super) progress: Progress,
}

impl Owed {
    /// True if there is something to be said.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.begins || !self.keys.is_empty()
    }

    /// The client begins a snapshot, which is to be said at once: it names all that is wanted.
    pub fn client_begins(&mut self) {
        if self.has_more() || self.progress == Progress::UnderWay {
            *self = Self {
                progress: Progress::UnderWay,
                ..Self::default()
            };
        }
    }

    /// The client's snapshot is complete. True if its end must not be said yet, for not all that it
    /// named was; then it comes with the last share.
    pub fn client_ends(&mut self) -> bool {
        let is_early = self.progress == Progress::UnderWay && self.has_more();
        self.progress = match (self.progress, is_early) {
            (Progress::UnderWay, true) => Progress::Complete,
            (Progress::UnderWay, false) => Progress::None,
            (progress, _) => progress,
        };
        is_early
    }

    /// True if the entries were left to a snapshot of the client that is not complete: if it will not be,
    /// all have to be said again.
    #[must_use]
    pub fn is_left_to_client(&self) -> bool {
        self.progress == Progress::UnderWay
    }

    /// What is to be said next, as it is wanted now.
    pub(super) fn share(&mut self, wanted: impl Fn(&FdbKey) -> Option<FdbWant>) -> Vec<Op> {
        let section = Section::Fdb;
        let begin = std::mem::take(&mut self.begins).then_some(Op::SnapshotBegin(section));
        let keys = self.keys.split_off(self.keys.len().saturating_sub(SHARE));
        let entries = keys.into_iter().filter_map(|key| {
            let want = wanted(&key)?;
            Some(Op::Fdb { key, want })
        });
        let mut ops: Vec<Op> = begin.into_iter().chain(entries).collect();
        if self.keys.is_empty() && self.progress == Progress::Complete {
            self.progress = Progress::None;
            ops.push(Op::SnapshotEnd(section));
        }
        ops
    }
}
