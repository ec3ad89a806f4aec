//! Where the dataplane sees a host, and what a change of its entry means for that.

use mclag_proto::sync::model::Sight;

use crate::dataplane::{EntryKind, FdbEntry};

pub(super) fn sight_of(entry: &FdbEntry) -> Option<Sight> {
    let port = entry.seen_on()?;
    Some(match entry.kind {
        EntryKind::Ours { .. } => Sight::Active { port },
        EntryKind::Dynamic | EntryKind::Local => Sight::Learned {
            port,
            configured: false,
        },
        EntryKind::Configured => Sight::Learned {
            port,
            configured: true,
        },
    })
}

/// What a change of an entry means for where the host is seen; none if it means nothing.
pub(super) fn change_of_sight(
    before: Option<&FdbEntry>,
    after: Option<&FdbEntry>,
) -> Option<Sight> {
    let was = before.and_then(FdbEntry::seen_on);
    let is = after.and_then(FdbEntry::seen_on);
    match (was, is) {
        (None, None) => None,
        (Some(was), Some(is)) if was == is => None,
        (Some(_), Some(port)) => Some(Sight::Moved { port }),
        (None, Some(_)) => after.and_then(sight_of),
        (Some(_), None) if after.is_some() => Some(Sight::Inactive),
        (Some(_), None) => Some(Sight::Aged),
    }
}
