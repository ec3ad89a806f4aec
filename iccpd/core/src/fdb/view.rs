//! The address table as an operator sees it.

use super::{Entry, Fdb};
use mclag_proto::ctl::{MacCounts, MacCursor, MacLine};
use mclag_proto::sync::model::FdbKey;

impl Fdb {
    /// Number of addresses by who sees them.
    #[must_use]
    pub fn counts(&self) -> MacCounts {
        let mut counts = MacCounts::default();
        for (_, entry) in self.entries.iter(None) {
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
            .entries
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

fn line(key: FdbKey, entry: &Entry) -> MacLine {
    let local = entry.local.map(|seen| seen.port);
    let configured = [entry.local, entry.remote]
        .iter()
        .flatten()
        .any(|seen| seen.configured);
    MacLine {
        vid: key.vid,
        mac: key.mac,
        port: entry.wanted.map(|want| want.port).or(local),
        local,
        remote: entry.remote.map(|seen| seen.port),
        configured,
        stale: entry.stale,
    }
}
