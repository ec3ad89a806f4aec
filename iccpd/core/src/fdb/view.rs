//! The address table as an operator sees it.

use super::{Entry, Fdb, Policy};
use mclag_proto::ctl::{MacCounts, MacCursor, MacLine};
use mclag_proto::sync::model::FdbKey;

impl Fdb {
    /// Number of addresses held, in whatever state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when no address is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Addresses that were ignored because the table was full.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.table.ignored()
    }

    /// Number of addresses by who sees them.
    #[must_use]
    pub fn counts(&self) -> MacCounts {
        let mut counts = MacCounts::default();
        for (_, entry) in self.table.iter(None) {
            match (entry.local, entry.remote) {
                (Some(_), Some(_)) => counts.both += 1,
                (Some(_), None) => counts.local += 1,
                (None, Some(_)) => counts.peer += 1,
                (None, None) => {}
            }
            counts.stale += usize::from(entry.stale);
        }
        counts
    }

    /// A page of the table, and where the next one begins.
    #[must_use]
    pub fn page(
        &self,
        after: Option<MacCursor>,
        limit: usize,
    ) -> (Vec<MacLine>, Option<MacCursor>) {
        let after = after.map(|MacCursor { vid, mac }| FdbKey { vid, mac });
        let mut rest = self
            .table
            .iter(after)
            .filter(|(_, entry)| entry.local.is_some() || entry.remote.is_some());
        let lines: Vec<MacLine> = rest
            .by_ref()
            .take(limit)
            .map(|(key, e)| line(key, &e))
            .collect();
        let next = match (rest.next(), lines.last()) {
            (Some(_), Some(last)) => Some(MacCursor {
                vid: last.vid,
                mac: last.mac,
            }),
            _ => None,
        };
        (lines, next)
    }
}

fn line(key: FdbKey, entry: &Entry<Policy>) -> MacLine {
    let place = entry.local.map(|local| local.place);
    let local = place.map(|place| place.port);
    let configured = [place, entry.remote]
        .iter()
        .flatten()
        .any(|place| place.configured);
    MacLine {
        vid: key.vid,
        mac: key.mac,
        port: entry.programmed.map(|want| want.port).or(local),
        local,
        remote: entry.remote.map(|place| place.port),
        configured,
        stale: entry.stale,
    }
}
